"""No leaks: hundreds of rounds of everything leave no objects and no memory behind."""

import gc
import sys

import numpy as np
import pyarrow as pa
import pytest

import fastblocks

ROUNDS = 300
LARGE = 80_000  # bytes: what every array in C is made to take at least
MANY = LARGE // 8  # keys


def resident():
    """Bytes of memory in use by this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def churn_bloom(tmp_path):
    f = fastblocks.BloomFilter(200_000)
    f.update(["a", "é"], np.arange(MANY), pa.array(["x" * 8] * MANY), (b"t",))
    f.update(pa.chunked_array([["x" * 8] * MANY, ["y"]]), np.array(["ü" * 9] * MANY))
    f.contains_many(["a"] * MANY)
    f.contains_many(iter(["a"] * MANY), out=np.empty(MANY, bool))
    g = f.copy() | f & f
    g = fastblocks.BloomFilter.from_bytes(g.to_bytes())
    g.save(tmp_path / "f")
    h = fastblocks.BloomFilter.open(tmp_path / "f", "r+")
    h.add("z")
    assert h != f


def churn_count_min(tmp_path):
    s = fastblocks.CountMinSketch(10_000, 4)
    s.add_many(np.arange(MANY), np.arange(MANY))
    s.add_many(["x" * 8] * MANY, [1] * MANY)
    s.add_many(["x"], 2**40)
    s.estimate_many(np.arange(MANY), out=np.empty(MANY, np.uint32))
    t = s.copy()
    t.merge(s, s)
    fastblocks.CountMinSketch.from_bytes(t.to_bytes()).save(tmp_path / "s")
    u = fastblocks.CountMinSketch.open(tmp_path / "s", "r+")
    u.add("z", 5)
    assert u != s
    for bad in (["a"], -1, [1.5] * MANY, None):
        with pytest.raises((TypeError, ValueError)):
            s.add_many(np.arange(MANY), bad)


def churn_frequency(tmp_path):
    s = fastblocks.FrequencySketch(20_000)
    s.record_many(np.arange(MANY))
    s.record_many(["x" * 8] * MANY)
    s.estimate_many(np.arange(MANY), out=np.empty(MANY, np.uint8))
    t = s.copy()
    t.merge(s, s)
    fastblocks.FrequencySketch.from_bytes(t.to_bytes()).save(tmp_path / "s")
    u = fastblocks.FrequencySketch.open(tmp_path / "s", "r+")
    u.record("z")
    u.age()
    assert u != s


def churn_errors(tmp_path):
    f = fastblocks.BloomFilter(10)
    data = f.to_bytes()
    for call in (
        lambda: f.add(None),
        lambda: f.add_many(["a"] * MANY + [None]),
        lambda: f.add_many(iter(["a"] * MANY + [2**64])),
        lambda: f.add_many(pa.array(["a", None])),
        lambda: f.add_many(pa.chunked_array([["a" * 8] * MANY, ["b", None]])),
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
    fastblocks.hashing.xxh3_64_many(np.arange(2 * MANY)[::2])
    fastblocks.hashing.xxh3_64_many(iter([key, bytearray(9), memoryview(b"abc")[::2]]))


@pytest.mark.parametrize(
    "churn", [churn_bloom, churn_count_min, churn_frequency, churn_errors, churn_hashing]
)
def test_nothing_leaks(churn, tmp_path):
    for _ in range(100):  # until the allocators have settled
        churn(tmp_path)
    gc.collect()
    blocks, held = sys.getallocatedblocks(), resident()
    for _ in range(ROUNDS):
        churn(tmp_path)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < ROUNDS / 2  # less than one Python object a round
    assert resident() - held < ROUNDS * LARGE * 3 / 4  # less than one C array a round


def test_keys_are_not_kept():
    key = "a key that nobody else holds".upper()
    before = sys.getrefcount(key)
    f = fastblocks.BloomFilter(10)
    f.add(key)
    assert key in f
    f.update([key], (key,), iter([key]))
    f.contains_many([key])
    assert sys.getrefcount(key) == before
