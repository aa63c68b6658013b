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

scalable = fastblocks.ScalableBloomFilter(1000, 0.01, seed=1)
assert_type("a" in scalable, bool)
assert_type(scalable.contains_many(np.arange(3)), NDArray[np.bool_])
assert_type(scalable | scalable, fastblocks.ScalableBloomFilter)
assert_type(scalable.copy(), fastblocks.ScalableBloomFilter)
assert_type(scalable.slices, int)
assert_type(scalable.capacity, int)
assert_type(scalable.initial_capacity, int)
assert_type(scalable.expected_fp_rate(), float)
assert_type(fastblocks.ScalableBloomFilter.open("path", "r+"), fastblocks.ScalableBloomFilter)
scalable.update([1], scalable, np.arange(3))
scalable.merge(f)  # type: ignore[arg-type]
scalable.expected_fp_rate(5)  # type: ignore[call-arg]

hll = fastblocks.HyperLogLog(12, seed=1)
assert_type(hll.estimate(), float)
assert_type(hll.approx_len(), int)
assert_type(len(hll), int)
assert_type(hll.p, int)
assert_type(hll.sparse, bool)
assert_type(hll.standard_error, float)
assert_type(hll | hll, fastblocks.HyperLogLog)
assert_type(fastblocks.HyperLogLog.open("path", "r+"), fastblocks.HyperLogLog)
hll.update([1], hll, np.arange(3), pa.array(["a"]))
hll |= hll
hll.add(None)  # type: ignore[arg-type]
fastblocks.HyperLogLog("5")  # type: ignore[arg-type]
fastblocks.HyperLogLog(12, 3)  # type: ignore[call-arg]
assert_type(fastblocks.pure.HyperLogLog().copy(), fastblocks.pure.HyperLogLog)

rotating = fastblocks.RotatingBloomFilter(1000, 0.01, 60, 3, seed=1, timer=lambda: 1.5)
assert_type(rotating.add("a"), bool)
assert_type("a" in rotating, bool)
assert_type(rotating.add_many(["a", 1], out=np.empty(2, np.bool_)), NDArray[np.bool_])
assert_type(rotating.contains_many(np.arange(3)), NDArray[np.bool_])
assert_type(rotating | rotating, fastblocks.RotatingBloomFilter)
assert_type(rotating.copy(), fastblocks.RotatingBloomFilter)
assert_type(rotating.window, float)
assert_type(rotating.generations, int)
assert_type(rotating.approx_len(), int)
assert_type(
    fastblocks.RotatingBloomFilter.from_bytes(b"", timer=None), fastblocks.RotatingBloomFilter
)
opened = fastblocks.RotatingBloomFilter.open("path", "r+", timer=rotating.timer)
assert_type(opened, fastblocks.RotatingBloomFilter)
rotating.update([1], rotating)
rotating |= rotating
fastblocks.RotatingBloomFilter(1000, 0.01)  # type: ignore[call-arg]
fastblocks.RotatingBloomFilter(1000, 0.01, 60, timer=lambda: "now")  # type: ignore[arg-type, return-value]
fastblocks.RotatingBloomFilter(1000, 0.01, 60, 2, 5)  # type: ignore[call-arg]

g = fastblocks.pure.BloomFilter(1000, 0.01, seed=1)
assert_type(g.contains_many(["a"]), NDArray[np.bool_])
assert_type(g & g, fastblocks.pure.BloomFilter)
assert_type(fastblocks.pure.BloomFilter.open("path"), fastblocks.pure.BloomFilter)

pure_counting = fastblocks.pure.CountingBloomFilter(1000)
assert_type(pure_counting.remove_many(["a"]), NDArray[np.bool_])
assert_type(pure_counting | pure_counting, fastblocks.pure.CountingBloomFilter)

fuse = fastblocks.BinaryFuseFilter(["a", 1], 16, seed=1)
assert_type("a" in fuse, bool)
assert_type(fuse.contains_many(np.arange(3)), NDArray[np.bool_])
assert_type(len(fuse), int)
assert_type(fuse.bits, int)
assert_type(fuse.fp_rate, float)
assert_type(fuse.copy(), fastblocks.BinaryFuseFilter)
assert_type(fastblocks.BinaryFuseFilter.open("path"), fastblocks.BinaryFuseFilter)
assert_type(fastblocks.pure.BinaryFuseFilter([1]).copy(), fastblocks.pure.BinaryFuseFilter)
fastblocks.BinaryFuseFilter(5)  # type: ignore[arg-type]
fuse.add("b")  # type: ignore[attr-defined]

frequency = fastblocks.FrequencySketch(1000, seed=1)
assert_type(frequency.estimate("a"), int)
assert_type(frequency.estimate_many(pa.array(["a"])), NDArray[np.uint8])
assert_type(frequency.records, int)
assert_type(frequency.sample_size, int)
assert_type(frequency.copy(), fastblocks.FrequencySketch)
frequency.record_many(np.arange(3))
frequency.merge(frequency, frequency)
frequency.record(None)  # type: ignore[arg-type]
frequency.merge({1})  # type: ignore[arg-type]
fastblocks.FrequencySketch(5, 3)  # type: ignore[call-arg]

counts = fastblocks.CountMinSketch.from_error(0.01, 0.01, conservative=False)
assert_type(counts, fastblocks.CountMinSketch)
assert_type(counts.estimate("a"), int)
assert_type(counts.estimate_many(pa.array(["a"])), NDArray[np.uint32])
assert_type(counts.epsilon, float)
assert_type(counts.error_bound(), float)
assert_type(counts.total, int)
assert_type(counts.conservative, bool)
counts.add("a", 5)
counts.add_many(["a", "b"], [1, 2])
counts.add_many(np.arange(3), np.arange(3))
counts.add_many(np.arange(3), 7)
counts.merge(counts)
counts.add("a", "b")  # type: ignore[arg-type]
counts.add_many(["a"], 1.5)  # type: ignore[arg-type]
fastblocks.CountMinSketch(5)  # type: ignore[call-arg]

hottest = fastblocks.TopK(10, 60.0, seed=1, timer=lambda: 0.0)
assert_type(hottest.top(), list[fastblocks.HeavyHitter])
assert_type(hottest.top(3)[0].key, str | bytes | int)
assert_type(hottest.copy(), fastblocks.TopK)
assert_type("a" in hottest, bool)
assert_type(len(hottest), int)
assert_type(hottest.decay, float | None)
hottest.add("a", 3)
hottest.add_many(np.arange(3), counts=np.arange(3))
hottest.merge(hottest, fastblocks.TopK(10))
hottest.add(None)  # type: ignore[arg-type]
fastblocks.TopK("5")  # type: ignore[arg-type]
fastblocks.TopK(5, 1.0, 3)  # type: ignore[call-arg]

cuckoo = fastblocks.CuckooFilter(1000, 0.01, seed=1)
assert_type("a" in cuckoo, bool)
assert_type(cuckoo.remove("a"), bool)
assert_type(cuckoo.remove_many(np.arange(3)), NDArray[np.bool_])
assert_type(cuckoo | cuckoo, fastblocks.CuckooFilter)
assert_type(len(cuckoo), int)
assert_type(cuckoo.fingerprint_bits, int)
assert_type(cuckoo.load_factor, float)
cuckoo.update([1], cuckoo, np.arange(3))
cuckoo.remove(None)  # type: ignore[arg-type]
cuckoo.merge(f)  # type: ignore[arg-type]
assert_type(fastblocks.pure.CuckooFilter(5).remove_many([1]), NDArray[np.bool_])

maglev = fastblocks.MaglevTable(["a", "b"], {"a": 2}, 101, seed=1)
assert_type(fastblocks.MaglevTable({"a": 1.5}), fastblocks.MaglevTable)
assert_type(fastblocks.MaglevTable([("a", 2)], table_size=7), fastblocks.MaglevTable)
assert_type(maglev.get("key"), str)
assert_type(maglev.get_index(5), int)
assert_type(maglev.get_n(b"key", 2), list[str])
assert_type(maglev.get_many(np.arange(3)), NDArray[np.int32])
assert_type(maglev.add("c", 2), float)
assert_type(maglev.remove("c"), float)
assert_type(maglev.rebuild(["a"], [1]), float)
assert_type(maglev.table, NDArray[np.int32])
assert_type(maglev.loads, dict[str, int])
assert_type(maglev.copy(), fastblocks.MaglevTable)
fastblocks.MaglevTable(5)  # type: ignore[arg-type]
maglev.remove(5)  # type: ignore[arg-type]

partitioner = fastblocks.KafkaPartitioner(12)
assert_type(partitioner.get("key"), int)
assert_type(partitioner.get_many(["a", 5]), NDArray[np.int32])
assert_type(partitioner.partitions, int)
fastblocks.KafkaPartitioner("12")  # type: ignore[arg-type]
partitioner.get(1.5)  # type: ignore[arg-type]
servers = fastblocks.RendezvousHash(["a", ("b", 2.5)], seed=1)
assert_type(servers.get("key"), str)
assert_type(servers.get_index(5), int)
assert_type(servers.get_n("key", 2), list[str])
assert_type(servers.get_many(pa.array(["a"])), NDArray[np.int32])
assert_type(servers.nodes, tuple[str, ...])
assert_type(servers.weights, dict[str, float])
assert_type("a" in servers, bool)
assert_type(servers.copy(), fastblocks.RendezvousHash)
servers.add("c", 2)
servers.remove("c")
fastblocks.RendezvousHash({"a": 1}, seed=3)
fastblocks.RendezvousHash(["a", "b"], [1, 2.5])
fastblocks.RendezvousHash(["a", "b"], {"a": 3})
servers.add(5)  # type: ignore[arg-type]
servers.get(None)  # type: ignore[arg-type]
fastblocks.RendezvousHash(5)  # type: ignore[arg-type]
fastblocks.RendezvousHash(["a"], None, 5)  # type: ignore[call-arg]
assert_type(fastblocks.pure.RendezvousHash(["a"]).get_n(1, 1), list[str])

assert_type(fastblocks.ring.jump_hash("a", 10), int)
assert_type(fastblocks.ring.jump_hash_many(np.arange(3), 10), NDArray[np.int32])
assert_type(fastblocks.pure.ring.jump_hash_many(["a", 1], 10), NDArray[np.int32])
fastblocks.ring.jump_hash(None, 10)  # type: ignore[arg-type]
fastblocks.ring.jump_hash("a", "10")  # type: ignore[arg-type]
ring = fastblocks.HashRing(["a", ("b", 2)], hash="ketama", load_factor=1.25)
assert_type(ring.get("x"), str)
assert_type(ring.get_index(b"x"), int)
assert_type(ring.get_n(5, 2), list[str])
assert_type(ring.get_many(np.arange(3)), NDArray[np.int32])
assert_type(ring.nodes, tuple[str, ...])
assert_type(ring.weights, dict[str, float])
assert_type(ring.zones, dict[str, str] | None)
assert_type(ring.load_factor, float | None)
assert_type(ring.add("c", 1.5), dict[str | bytes | int, str | None])
assert_type(ring.remove("c"), dict[str | bytes | int, str | None])
assert_type(ring.assign("x"), str)
assert_type(ring.release("x"), dict[str | bytes | int, str])
assert_type(ring.loads, dict[str, int])
assert_type(ring.points(), tuple[NDArray[np.uint64], NDArray[np.int32]])
assert_type(ring.diff(ring), fastblocks.ring.RingDiff)
assert_type(ring.diff(ring).ranges[0].to_node, str | None)
assert_type(ring.diff(ring).moves, dict[tuple[str | None, str | None], float])
assert_type(ring.copy(), fastblocks.HashRing)
assert_type(fastblocks.HashRing.open("path"), fastblocks.HashRing)
fastblocks.HashRing({"a": 1}, weights=[1.0], zones={"a": "x"})
fastblocks.HashRing(5)  # type: ignore[arg-type]
fastblocks.HashRing([], hash="md5")  # type: ignore[arg-type]
fastblocks.HashRing([], 160)  # type: ignore[call-arg, arg-type]
ring.add(b"c")  # type: ignore[arg-type]
ring.get(1.5)  # type: ignore[arg-type]
ring.diff({"a"})  # type: ignore[arg-type]
fastblocks.pure.HashRing(["a"]).diff(ring)  # type: ignore[arg-type]
assert_type(fastblocks.pure.HashRing(["a"]).get("x"), str)
at_once = fastblocks.ConcurrencyLimiter(3)
assert_type(at_once.acquire(timeout=1.5), bool)
assert_type(at_once.try_acquire(), bool)
assert_type(at_once.in_use, int)
with at_once as same:
    assert_type(same, fastblocks.ConcurrencyLimiter)
at_once.acquire("1")  # type: ignore[arg-type]

bucket = fastblocks.TokenBucket(per_second=2.5, burst=10, storage=fastblocks.limit.Memory(100))
window = fastblocks.SlidingWindow(["10/second", fastblocks.limit.Rate(5, per=0.5)])
assert_type(bucket.allow("a", cost=2), bool)
assert_type(bucket.hit(b"a"), fastblocks.limit.Decision)
assert_type(bucket.peek(5).retry_after, float)
assert_type(bucket.wait("a", timeout=1.5), fastblocks.limit.Decision)
assert_type(bucket.allow_many(np.arange(3), [1, 2, 3]), NDArray[np.bool_])
assert_type(bucket.stats(), fastblocks.limit.LimiterStats)
assert_type(window.top_denied(3), list[fastblocks.limit.DeniedKey])
assert_type(fastblocks.limit.Rate.parse("5/s"), fastblocks.limit.Rate)
assert_type(fastblocks.pure.limit.LeakyBucket("5/s", 2).allow("a"), bool)
fastblocks.FixedWindow(5)  # type: ignore[arg-type]
fastblocks.LeakyBucket("5/s", "2")  # type: ignore[arg-type]
bucket.allow(None)  # type: ignore[arg-type]
bucket.hit("a", "1")  # type: ignore[arg-type]


async def limited(limiter: fastblocks.ConcurrencyLimiter) -> None:
    assert_type(await limiter.acquire_async(), bool)
    async with limiter as entered:
        assert_type(entered, fastblocks.ConcurrencyLimiter)


cache: fastblocks.Cache[str, int] = fastblocks.Cache(100, ttl=1.5, policy="lru")
assert_type(cache["a"], int)
assert_type(cache.get("a"), int | None)
assert_type(cache.get("a", 0), int)
assert_type(cache.get("a", "none"), int | str)
assert_type(cache.get_or_load("a", len), int)
assert_type(cache.get_many(["a"]), dict[str, int])
assert_type(cache.popitem(), tuple[str, int])
assert_type(cache.stats(), fastblocks.CacheStats)
assert_type(list(cache.items()), list[tuple[str, int]])
cache.set("a", 1, ttl=2, tags=("x", b"y", 3))
cache.set("a", "1")  # type: ignore[arg-type]
cache[1] = 2  # type: ignore[index]
fastblocks.Cache(10, policy="fifo")  # type: ignore[arg-type]


@fastblocks.cached(maxsize=10)
def twice(x: int) -> int:
    return 2 * x


assert_type(twice(2), int)
twice("2")  # type: ignore[arg-type]
assert_type(fastblocks.cache.simulate(np.arange(9), [1, 2]), NDArray[np.float64])

assert_type(fastblocks.geo.geohash.encode(1.0, 2), str)
assert_type(fastblocks.geo.geohash.encode_int(1.0, 2, bits=20), int)
assert_type(fastblocks.geo.geohash.decode("u4pru"), tuple[float, float])
assert_type(fastblocks.geo.geohash.bounds("u4pru"), tuple[float, float, float, float])
assert_type(fastblocks.geo.geohash.neighbors("u4pru"), list[str])
assert_type(
    fastblocks.geo.geohash.neighbors(np.array(["u4pru"])),
    tuple[NDArray[np.bytes_], NDArray[np.int64]],
)
assert_type(fastblocks.geo.geohash.cover((0, 0, 1, 1), 5), NDArray[np.bytes_])
assert_type(fastblocks.geo.distance.haversine(1, 2, 3.0, 4), float)
assert_type(fastblocks.geo.distance.destination(1, 2, 3.0, 4), tuple[float, float])
assert_type(fastblocks.geo.distance.distance_matrix([1], [2]), NDArray[np.float64])
fastblocks.geo.geohash.cover(5, 5)  # type: ignore[arg-type]
fastblocks.geo.geohash.encode(1, 2, "5")  # type: ignore[call-overload]
