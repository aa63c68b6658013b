"""jump_hash: the paper's buckets, what moves, bad input; batches of every kind."""

import pickle

import jump
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

MOST = 2**31 - 1
KEYS = np.random.default_rng(4).integers(0, 2**64, 100_000, dtype=np.uint64)

# Of the paper's program: (key, buckets) -> bucket.
GOLDEN = {
    (0, 1): 0,
    (0, 1000): 0,
    (1, 1): 0,
    (0xDEAD10CC, 1): 0,
    (0xDEAD10CC, 666): 361,
    (256, 1024): 520,
}


def test_golden(impl):
    for (key, buckets), bucket in GOLDEN.items():
        assert impl.ring.jump_hash(key, buckets) == bucket
        assert impl.ring.jump_hash_many(np.array([key]), buckets).tolist() == [bucket]


@pytest.mark.parametrize("buckets", [1, 2, 7, 10, 1000, 65_536, 10**6, MOST])
def test_equals_the_reference(buckets):
    expected = [jump.hash(key, buckets) for key in KEYS.tolist()]
    assert fastblocks.ring.jump_hash_many(KEYS, buckets).tolist() == expected
    few = KEYS[:20_000].tolist()
    assert [fastblocks.ring.jump_hash(key, buckets) for key in few] == expected[:20_000]
    few = KEYS[:1000].tolist()
    assert [fastblocks.pure.ring.jump_hash(key, buckets) for key in few] == expected[:1000]


@pytest.mark.parametrize("n", [*range(40), 255, 256, 257, 300, 511, 512, 513, 1000])
def test_batches_of_every_length(n):
    """The lanes of a batch fill and empty in every way; the last keys come one by one."""
    keys = KEYS[:n]
    for buckets in (1, 3, 100, MOST):
        expected = [jump.hash(key, buckets) for key in keys.tolist()]
        assert fastblocks.ring.jump_hash_many(keys, buckets).tolist() == expected


@given(key=st.integers(-(2**63), 2**64 - 1), buckets=st.integers(1, MOST))
def test_native_pure_and_reference_agree(key, buckets):
    expected = jump.hash(key % 2**64, buckets)
    for impl in (fastblocks, fastblocks.pure):
        assert impl.ring.jump_hash(key, buckets) == expected
        assert impl.ring.jump_hash_many([key], buckets).tolist() == [expected]


def test_an_int_is_itself_in_twos_complement(impl):
    for key in (-1, -5, -(2**63)):
        assert impl.ring.jump_hash(key, 999) == impl.ring.jump_hash(key + 2**64, 999)
    assert impl.ring.jump_hash(True, 999) == impl.ring.jump_hash(1, 999)
    assert impl.ring.jump_hash(np.int8(-5), 999) == impl.ring.jump_hash(-5, 999)
    assert impl.ring.jump_hash(5, np.int64(999)) == impl.ring.jump_hash(5, 999)


@pytest.mark.parametrize("key", ["", "a", "Zürich", "東京", "x" * 300])
def test_text_and_bytes_are_hashed_first(impl, key):
    expected = impl.ring.jump_hash(impl.hashing.xxh3_64(key), 1000)
    data = key.encode()
    kinds = [key, data, bytearray(data), memoryview(data), type("Text", (str,), {})(key)]
    kinds.append(
        memoryview(bytes(2 * len(data)))[::2] if not data else memoryview(data[::-1])[::-1]
    )
    for kind in kinds:
        assert impl.ring.jump_hash(kind, 1000) == expected
    assert impl.ring.jump_hash_many(kinds, 1000).tolist() == [expected] * len(kinds)


def test_batches_of_every_kind(impl):
    ints = [*range(-30, 30)]
    names = [f"Zürich {i}" for i in range(60)]
    mixed = [item for pair in zip(ints, names, strict=True) for item in pair]
    for keys in (ints, names, mixed):
        expected = [impl.ring.jump_hash(key, 50) for key in keys]
        for batch in (keys, tuple(keys), iter(keys), np.array(keys, object), pd.Series(keys)):
            assert impl.ring.jump_hash_many(batch, 50).tolist() == expected
    for dtype in ("i1", "i2", "i4", "i8", ">i8"):
        expected = [impl.ring.jump_hash(key, 50) for key in ints]
        assert impl.ring.jump_hash_many(np.array(ints, dtype), 50).tolist() == expected
    for dtype in ("u1", "u2", "u4", "u8"):
        expected = [impl.ring.jump_hash(key, 50) for key in ints[30:]]
        assert impl.ring.jump_hash_many(np.array(ints[30:], dtype), 50).tolist() == expected
    expected = [impl.ring.jump_hash(key, 50) for key in names]
    encoded = [name.encode() for name in names]
    for batch in (
        np.array(names),
        np.array(encoded),
        pa.array(names),
        pa.array(names, pa.string_view()),
        pa.chunked_array([names[:7], [], names[7:]]),
        pa.array(encoded, pa.large_binary()),
    ):
        assert impl.ring.jump_hash_many(batch, 50).tolist() == expected
    assert impl.ring.jump_hash_many(pa.array(ints), 50).tolist() == [
        impl.ring.jump_hash(key, 50) for key in ints
    ]
    assert impl.ring.jump_hash_many([], 50).shape == (0,)


# ---- what it promises ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 9, 100, 1000])
def test_a_new_bucket_takes_its_share_and_no_other_key_moves(n):
    before = fastblocks.ring.jump_hash_many(KEYS, n)
    after = fastblocks.ring.jump_hash_many(KEYS, n + 1)
    moved = before != after
    assert (after[moved] == n).all()
    expected = len(KEYS) / (n + 1)
    assert abs(moved.sum() - expected) < 4 * expected**0.5


@pytest.mark.parametrize("n", [2, 10, 100, 1000])
@pytest.mark.parametrize("keys", [KEYS, [f"user:{i}" for i in range(100_000)]], ids=["int", "str"])
def test_shares_are_equal(n, keys):
    counts = np.bincount(fastblocks.ring.jump_hash_many(keys, n), minlength=n)
    assert len(counts) == n
    expected = len(keys) / n
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - (n - 1)) < 5 * (2 * n) ** 0.5


# ---- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("buckets", [0, -1, 2**31, 2**64, -(2**70)])
def test_buckets_out_of_range(impl, buckets):
    for call in (impl.ring.jump_hash, lambda k, n: impl.ring.jump_hash_many([k], n)):
        for key in (5, "a"):
            with pytest.raises(
                ValueError, match=rf"buckets must be in \[1, {MOST}\], not {buckets}"
            ):
                call(key, buckets)


@pytest.mark.parametrize("buckets", ["1", 1.0, None, True, [3]])
def test_buckets_of_another_type(impl, buckets):
    for call in (impl.ring.jump_hash, lambda k, n: impl.ring.jump_hash_many([k], n)):
        with pytest.raises(TypeError, match="buckets must be an int, not"):
            call("a", buckets)


@pytest.mark.parametrize("key", [2**64, -(2**63) - 1, 10**100])
def test_int_keys_out_of_range(impl, key):
    with pytest.raises(OverflowError, match=r"an int key must be in \[-2\*\*63, 2\*\*64\)"):
        impl.ring.jump_hash(key, 5)
    with pytest.raises(OverflowError, match=r"keys\[1\]: an int key must be in"):
        impl.ring.jump_hash_many([1, key], 5)


@pytest.mark.parametrize("key", [None, 1.5, ["a"], ("a",), object()])
def test_what_is_no_key(impl, key):
    with pytest.raises(TypeError, match="a key must be str, bytes"):
        impl.ring.jump_hash(key, 5)
    with pytest.raises(TypeError, match=r"keys\[1\]: a key must be str, bytes"):
        impl.ring.jump_hash_many(["a", key], 5)


def test_text_without_utf8(impl):
    with pytest.raises(UnicodeEncodeError):
        impl.ring.jump_hash("\ud800", 5)
    with pytest.raises(UnicodeEncodeError, match=r"keys\[0\]"):
        impl.ring.jump_hash_many(["\ud800"], 5)


@pytest.mark.parametrize("keys", ["abc", b"abc", 5, None])
def test_what_is_no_batch(impl, keys):
    with pytest.raises(TypeError, match="keys must be an array or iterable of keys"):
        impl.ring.jump_hash_many(keys, 5)


def test_arrays_that_are_no_batch(impl):
    with pytest.raises(TypeError, match="not of dtype float64"):
        impl.ring.jump_hash_many(np.zeros(3), 5)
    with pytest.raises(ValueError, match="1-D"):
        impl.ring.jump_hash_many(np.zeros((3, 1), int), 5)
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        impl.ring.jump_hash_many(pa.array([1, None]), 5)


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((5,), {}), ((5, 5, 5), {}), ((5, 5), {"salt": 1})]:
        with pytest.raises(TypeError):
            impl.ring.jump_hash(*args, **kwargs)
    assert impl.ring.jump_hash(key=5, buckets=7) == impl.ring.jump_hash(5, buckets=7)
    assert impl.ring.jump_hash(5, 7) == impl.ring.jump_hash(5, buckets=7)


def test_out(impl):
    out = np.zeros(3, np.int32)
    assert impl.ring.jump_hash_many([1, "a", 3], 1000, out=out) is out
    assert out.tolist() == [impl.ring.jump_hash(key, 1000) for key in (1, "a", 3)]
    keys = np.arange(1000, dtype=np.int32)
    expected = impl.ring.jump_hash_many(keys.copy(), 1000)
    assert impl.ring.jump_hash_many(keys, 1000, out=keys) is keys
    assert keys.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(2, np.int32),
        np.zeros((3, 1), np.int32),
        np.zeros(3, np.int64),
        np.zeros(6, np.int32)[::2],
        np.frombuffer(bytes(12), np.int32),
    ],
    ids=["short", "2-D", "wide", "strided", "read-only"],
)
def test_unfit_out(impl, out):
    with pytest.raises(ValueError, match="out must be a writable, C-contiguous int32 array"):
        impl.ring.jump_hash_many([1, 2, 3], 5, out=out)
    with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
        impl.ring.jump_hash_many([1], 5, out=[0])


def test_out_is_unchanged_after_an_error(impl):
    out = np.full(2, -1, np.int32)
    for keys, buckets in [([1, None], 5), ([1, 2], 0)]:
        with pytest.raises((TypeError, ValueError)):
            impl.ring.jump_hash_many(keys, buckets, out=out)
    assert out.tolist() == [-1, -1]


def test_the_function_pickles_by_name():
    function = fastblocks.ring.jump_hash
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.__text_signature__ == "(key, buckets)"
