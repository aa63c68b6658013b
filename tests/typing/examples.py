"""How users' code is typed: checked by mypy, not run."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastblocks
import fastblocks.pure
from fastblocks.hashing import xxh3_64, xxh3_64_many

assert_type(fastblocks.__version__, str)

assert_type(xxh3_64("a"), int)
assert_type(xxh3_64(b"a", seed=1), int)
assert_type(xxh3_64(np.int64(5)), int)
assert_type(xxh3_64_many(["a", b"b", 1]), NDArray[np.uint64])
assert_type(xxh3_64_many(np.arange(3), out=np.empty(3, np.uint64)), NDArray[np.uint64])
xxh3_64(1.5)  # type: ignore[arg-type]
xxh3_64_many(5)  # type: ignore[arg-type]
xxh3_64_many([1], out=[0])  # type: ignore[arg-type]


class Mine(fastblocks.BloomFilter):
    """A subclass keeps its type."""


f = fastblocks.BloomFilter(1000, 0.01, seed=1)
assert_type("a" in f, bool)
assert_type(f.contains("a"), bool)
assert_type(f.contains_many(pa.array(["a"])), NDArray[np.bool_])
assert_type(f | f, fastblocks.BloomFilter)
assert_type(f == 3, bool)
assert_type(f.copy(), fastblocks.BloomFilter)
assert_type(f.capacity, int)
assert_type(f.fp_rate, float)
assert_type(f.nbytes, int)
assert_type(f.fill_ratio, float)
assert_type(f.approx_len(), int)
assert_type(f.expected_fp_rate(), float)
assert_type(f.to_bytes(), bytes)
assert_type(Mine.from_bytes(b""), Mine)
assert_type(Mine.open("path", "r+"), Mine)
assert_type(Mine(5).copy(), Mine)
f.update([1], f, np.arange(3), {"a": 1})
f |= f
f.add(None)  # type: ignore[arg-type]
f.capacity = 5  # type: ignore[misc]
fastblocks.BloomFilter("5")  # type: ignore[arg-type]
fastblocks.BloomFilter(5, 0.1, 3)  # type: ignore[call-arg]
fastblocks.BloomFilter.open("path", "w")  # type: ignore[arg-type]

s = fastblocks.FrequencySketch(1000, seed=1)
assert_type(s.estimate("a"), int)
assert_type(s.estimate_many(pa.array(["a"])), NDArray[np.uint8])
assert_type(s.records, int)
assert_type(s.sample_size, int)
assert_type(s.copy(), fastblocks.FrequencySketch)
s.record_many(np.arange(3))
s.merge(s, s)
s.record(None)  # type: ignore[arg-type]
s.merge({1})  # type: ignore[arg-type]
fastblocks.FrequencySketch(5, 3)  # type: ignore[call-arg]

c = fastblocks.CountMinSketch.from_error(0.01, 0.01, conservative=False)
assert_type(c, fastblocks.CountMinSketch)
assert_type(c.estimate("a"), int)
assert_type(c.estimate_many(pa.array(["a"])), NDArray[np.uint32])
assert_type(c.epsilon, float)
assert_type(c.error_bound(), float)
assert_type(c.total, int)
assert_type(c.conservative, bool)
c.add("a", 5)
c.add_many(["a", "b"], [1, 2])
c.add_many(np.arange(3), np.arange(3))
c.add_many(np.arange(3), 7)
c.merge(c)
c.add("a", "b")  # type: ignore[arg-type]
c.add_many(["a"], 1.5)  # type: ignore[arg-type]
fastblocks.CountMinSketch(5)  # type: ignore[call-arg]

g = fastblocks.pure.BloomFilter(1000, 0.01, seed=1)
assert_type(g.contains_many(["a"]), NDArray[np.bool_])
assert_type(g & g, fastblocks.pure.BloomFilter)
assert_type(fastblocks.pure.BloomFilter.open("path"), fastblocks.pure.BloomFilter)
