"""No leaks: a thousand rounds of everything leave no blocks and no references behind."""

import gc
import sys
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

import fastblocks


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def churn_bloom(tmp_path):
    f = fastblocks.BloomFilter(200_000)
    f.update(["a", "é"], np.arange(1000), pa.array(["x"] * 1000), (b"t",))
    f.update(pa.chunked_array([["x"] * 600, ["y"]]), np.array(["ü" * 9] * 700))
    f.contains_many(["a"] * 600)
    g = f.copy() | f & f
    g = fastblocks.BloomFilter.from_bytes(g.to_bytes())
    g.save(tmp_path / "f")
    h = fastblocks.BloomFilter.open(tmp_path / "f", "r+")
    h.add("z")
    assert h != f


def churn_errors(tmp_path):
    f = fastblocks.BloomFilter(10)
    data = f.to_bytes()
    for call in (
        lambda: f.add(None),
        lambda: f.add_many(["a", None]),
        lambda: f.add_many(iter(["a", 2**64])),
        lambda: f.add_many(pa.array(["a", None])),
        lambda: f.add_many(pa.chunked_array([["a"], ["b", None]])),
        lambda: f.add_many(pa.array([1.5])),
        lambda: f.add_many(np.zeros(3)),
        lambda: f.contains_many([1], out=np.zeros(2, bool)),
        lambda: fastblocks.BloomFilter(0),
        lambda: fastblocks.BloomFilter(2**62),
        lambda: fastblocks.BloomFilter.from_bytes(data[:-1]),
        lambda: fastblocks.BloomFilter.open(tmp_path / "missing"),
        lambda: f | fastblocks.BloomFilter(11),
    ):
        with pytest.raises((TypeError, ValueError, OverflowError, OSError)):
            call()


def churn_hashing(tmp_path):
    key = "k" * 50
    fastblocks.hashing.xxh3_64(key, seed=2**64 - 1)
    fastblocks.hashing.xxh3_64_many(np.arange(3000)[::2])
    fastblocks.hashing.xxh3_64_many(iter([key, bytearray(9), memoryview(b"abc")[::2]]))


@pytest.mark.parametrize("churn", [churn_bloom, churn_errors, churn_hashing])
def test_nothing_leaks(churn, tmp_path):
    for _ in range(30):
        churn(tmp_path)
    gc.collect()
    tracemalloc.start()
    try:
        churn(tmp_path)
        gc.collect()
        before, blocks, held = (
            tracemalloc.get_traced_memory()[0],
            sys.getallocatedblocks(),
            resident(),
        )
        for _ in range(300):
            churn(tmp_path)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
        assert sys.getallocatedblocks() - blocks < 300
        assert resident() - held < 8 << 20  # a single lost filter a round would be 80 MB
    finally:
        tracemalloc.stop()


def test_keys_are_not_kept():
    key = "a key that nobody else holds".upper()
    before = sys.getrefcount(key)
    f = fastblocks.BloomFilter(10)
    f.add(key)
    assert key in f
    f.update([key], (key,), iter([key]))
    f.contains_many([key])
    assert sys.getrefcount(key) == before
