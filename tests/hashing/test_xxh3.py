"""XXH3-64 against the reference library, for every length class, seed and dispatch level."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

SEEDS = [0, 1, 2**64 - 1, 0x9E3779B97F4A7C15]
DATA = np.random.default_rng(3).bytes(5000)


@pytest.mark.parametrize("seed", SEEDS)
def test_equals_reference_for_every_length(seed):
    for n in range(1101):
        expected = xxhash.xxh3_64_intdigest(DATA[:n], seed=seed)
        assert fastblocks.hashing.xxh3_64(DATA[:n], seed) == expected, n


@pytest.mark.parametrize("seed", SEEDS)
def test_pure_equals_reference(seed):
    lengths = [*range(280), 512, 1023, 1024, 1025, 1088, 1089, 2048, 5000]
    for n in lengths:
        expected = xxhash.xxh3_64_intdigest(DATA[:n], seed=seed)
        assert fastblocks.pure.hashing.xxh3_64(DATA[:n], seed) == expected, n


@given(data=st.binary(max_size=2200), seed=st.integers(0, 2**64 - 1))
def test_native_pure_and_reference_agree(data, seed):
    expected = xxhash.xxh3_64_intdigest(data, seed=seed)
    assert fastblocks.hashing.xxh3_64(data, seed) == expected
    assert fastblocks.pure.hashing.xxh3_64(data, seed) == expected


@given(value=st.integers(-(2**63), 2**64 - 1), seed=st.integers(0, 2**64 - 1))
def test_int_is_its_eight_bytes(value, seed):
    data = (value % 2**64).to_bytes(8, "little")
    assert fastblocks.hashing.xxh3_64(value, seed) == xxhash.xxh3_64_intdigest(data, seed=seed)


@given(text=st.text(max_size=300))
def test_str_is_its_utf8(text):
    assert fastblocks.hashing.xxh3_64(text) == xxhash.xxh3_64_intdigest(text.encode())


@pytest.mark.parametrize("n", [*range(20), 511, 512, 513, 5000])
def test_many_equals_one_by_one(impl, n):
    keys = np.random.default_rng(n).integers(0, 2**64, n, dtype=np.uint64)
    hashes = impl.hashing.xxh3_64_many(keys, seed=9)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [impl.hashing.xxh3_64(k, 9) for k in keys.tolist()]


def test_out_is_filled_and_returned(impl):
    out = np.zeros(3, np.uint64)
    assert impl.hashing.xxh3_64_many([1, 2, 3], out=out) is out
    assert out.tolist() == impl.hashing.xxh3_64_many([1, 2, 3]).tolist()


@pytest.mark.parametrize(
    "wrap",
    [lambda a: a, pa.array, lambda a: pd.Series(a, copy=False), lambda a: pa.chunked_array([a])],
    ids=["NumPy", "Arrow", "pandas", "Arrow chunks"],
)
@pytest.mark.parametrize("shift", [0, 1, 7])
def test_out_may_overlap_keys(impl, shift, wrap):
    memory = np.arange(2000, dtype=np.uint64)
    expected = impl.hashing.xxh3_64_many(memory[: 2000 - shift].copy())
    out = memory[shift:]
    assert impl.hashing.xxh3_64_many(wrap(memory[: 2000 - shift]), out=out) is out
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(2, np.uint64),
        np.zeros((3, 1), np.uint64),
        np.zeros(3, np.int64),
        np.zeros(3, ">u8"),
        np.zeros(6, np.uint64)[::2],
        np.frombuffer(bytes(24), np.uint64),
        np.zeros(25, np.uint8)[1:].view(np.uint64),
    ],
    ids=["short", "2-D", "signed", "byte-swapped", "strided", "read-only", "unaligned"],
)
def test_unfit_out_is_refused_and_unchanged(impl, out):
    with pytest.raises(ValueError, match=r"out must be a writable, C-contiguous uint64 array"):
        impl.hashing.xxh3_64_many([1, 2, 3], out=out)
    assert not out.any()


def test_out_of_another_type_is_refused(impl):
    with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
        impl.hashing.xxh3_64_many([1, 2, 3], out=[0, 0, 0])


def test_out_is_unchanged_when_a_key_is_bad(impl):
    out = np.zeros(3, np.uint64)
    with pytest.raises(TypeError):
        impl.hashing.xxh3_64_many([1, 2, 3.5], out=out)
    assert not out.any()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(impl, seed):
    for call in (impl.hashing.xxh3_64, lambda k, seed: impl.hashing.xxh3_64_many([k], seed)):
        with pytest.raises(ValueError, match=rf"seed must be in \[0, \d+\], not {seed}"):
            call("a", seed=seed)


@pytest.mark.parametrize("seed", ["1", 1.0, None, True])
def test_seed_of_another_type(impl, seed):
    with pytest.raises(TypeError, match="seed must be an int"):
        impl.hashing.xxh3_64("a", seed=seed)


def test_wrong_calls():
    for args, kwargs in [((), {}), (("a", 0, 0), {}), (("a",), {"salt": 1})]:
        with pytest.raises(TypeError):
            fastblocks.hashing.xxh3_64(*args, **kwargs)


def test_function_pickles_by_name():
    function = fastblocks.hashing.xxh3_64
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.__text_signature__ == "(key, seed=0)"
