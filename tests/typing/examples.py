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

counting = fastblocks.CountingBloomFilter(1000, 0.01, seed=1)
assert_type("a" in counting, bool)
assert_type(counting.remove("a"), bool)
assert_type(counting.estimate("a"), int)
assert_type(counting.remove_many(["a"]), NDArray[np.bool_])
assert_type(counting.estimate_many(np.arange(3)), NDArray[np.uint8])
assert_type(counting | counting, fastblocks.CountingBloomFilter)
assert_type(fastblocks.CountingBloomFilter.open("path", "r+"), fastblocks.CountingBloomFilter)
counting.update([1], counting, {"a": 1})
counting |= counting
counting.merge(f)  # type: ignore[arg-type]
counting.remove_many(["a"], out=[False])  # type: ignore[arg-type]
s = fastblocks.ScalableBloomFilter(1000, 0.01, seed=1)
assert_type("a" in s, bool)
assert_type(s.contains_many(np.arange(3)), NDArray[np.bool_])
assert_type(s | s, fastblocks.ScalableBloomFilter)
assert_type(s.copy(), fastblocks.ScalableBloomFilter)
assert_type(s.slices, int)
assert_type(s.capacity, int)
assert_type(s.initial_capacity, int)
assert_type(s.expected_fp_rate(), float)
assert_type(fastblocks.ScalableBloomFilter.open("path", "r+"), fastblocks.ScalableBloomFilter)
s.update([1], s, np.arange(3))
s.merge(f)  # type: ignore[arg-type]
s.expected_fp_rate(5)  # type: ignore[call-arg]
s = fastblocks.HyperLogLog(12, seed=1)
assert_type(s.estimate(), float)
assert_type(s.approx_len(), int)
assert_type(len(s), int)
assert_type(s.p, int)
assert_type(s.sparse, bool)
assert_type(s.standard_error, float)
assert_type(s | s, fastblocks.HyperLogLog)
assert_type(fastblocks.HyperLogLog.open("path", "r+"), fastblocks.HyperLogLog)
s.update([1], s, np.arange(3), pa.array(["a"]))
s |= s
s.add(None)  # type: ignore[arg-type]
fastblocks.HyperLogLog("5")  # type: ignore[arg-type]
fastblocks.HyperLogLog(12, 3)  # type: ignore[call-arg]
assert_type(fastblocks.pure.HyperLogLog().copy(), fastblocks.pure.HyperLogLog)
r = fastblocks.RotatingBloomFilter(1000, 0.01, 60, 3, seed=1, timer=lambda: 1.5)
assert_type(r.add("a"), bool)
assert_type("a" in r, bool)
assert_type(r.add_many(["a", 1], out=np.empty(2, np.bool_)), NDArray[np.bool_])
assert_type(r.contains_many(np.arange(3)), NDArray[np.bool_])
assert_type(r | r, fastblocks.RotatingBloomFilter)
assert_type(r.copy(), fastblocks.RotatingBloomFilter)
assert_type(r.window, float)
assert_type(r.generations, int)
assert_type(r.approx_len(), int)
assert_type(
    fastblocks.RotatingBloomFilter.from_bytes(b"", timer=None), fastblocks.RotatingBloomFilter
)
assert_type(
    fastblocks.RotatingBloomFilter.open("path", "r+", timer=r.timer), fastblocks.RotatingBloomFilter
)
r.update([1], r)
r |= r
fastblocks.RotatingBloomFilter(1000, 0.01)  # type: ignore[call-arg]
fastblocks.RotatingBloomFilter(1000, 0.01, 60, timer=lambda: "now")  # type: ignore[arg-type, return-value]
fastblocks.RotatingBloomFilter(1000, 0.01, 60, 2, 5)  # type: ignore[call-arg]

g = fastblocks.pure.BloomFilter(1000, 0.01, seed=1)
assert_type(g.contains_many(["a"]), NDArray[np.bool_])
assert_type(g & g, fastblocks.pure.BloomFilter)
assert_type(fastblocks.pure.BloomFilter.open("path"), fastblocks.pure.BloomFilter)
h = fastblocks.pure.CountingBloomFilter(1000)
assert_type(h.remove_many(["a"]), NDArray[np.bool_])
assert_type(h | h, fastblocks.pure.CountingBloomFilter)
