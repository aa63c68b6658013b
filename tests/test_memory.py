"""No leaks: hundreds of rounds of everything leave no objects and no memory behind."""

import copy
import gc
import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest

import fastblocks
from fastblocks import limit
from tests.state import HEADER, repaired

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


def churn_counting_bloom(tmp_path):
    f = fastblocks.CountingBloomFilter(20_000)
    f.update(["a", "é"], np.arange(MANY), pa.array(["x" * 8] * MANY), (b"t",))
    f.contains_many(["a"] * MANY)
    f.estimate_many(iter(["a"] * MANY), out=np.empty(MANY, np.uint8))
    f.remove_many(np.arange(MANY))
    f.remove_many(["a", "b"])
    assert f.remove("é")
    g = fastblocks.CountingBloomFilter.from_bytes((f.copy() | f).to_bytes())
    g.save(tmp_path / "c")
    h = fastblocks.CountingBloomFilter.open(tmp_path / "c", "r+")
    h.add("z")
    assert h != f
    for call in (lambda: f.remove(None), lambda: f.remove_many([1], out=np.zeros(2, bool))):
        with pytest.raises((TypeError, ValueError)):
            call()


def churn_scalable_bloom(tmp_path):
    f = fastblocks.ScalableBloomFilter(2000)
    f.add_many(np.arange(MANY))
    f.update(np.arange(2 * MANY), ["a", "é"])
    f.contains_many(["a"] * MANY)
    f.clear()
    f.add_many(np.arange(MANY))
    g = f.copy() | f
    g.merge(g, f)
    g = fastblocks.ScalableBloomFilter.from_bytes(g.to_bytes())
    g.add_many(np.arange(3 * MANY))
    f.save(tmp_path / "f")
    h = fastblocks.ScalableBloomFilter.open(tmp_path / "f", "r+")
    h.add("z")
    with pytest.raises(fastblocks.FilterFullError):
        h.merge(g)
    damaged = repaired(f.to_bytes(), f.to_bytes()[HEADER:-64])
    with pytest.raises(ValueError, match="contradict"):
        fastblocks.ScalableBloomFilter.from_bytes(damaged)


def churn_hyperloglog(tmp_path):
    s = fastblocks.HyperLogLog(17)
    s.update(["a", "é"], np.arange(MANY))  # a large table
    t = s.copy() | s
    s.clear()
    s.update(np.arange(4 * MANY))
    s.estimate()
    s |= t
    s.clear()
    t = fastblocks.HyperLogLog.from_bytes(t.to_bytes())
    t.save(tmp_path / "s")
    u = fastblocks.HyperLogLog.open(tmp_path / "s")
    assert u == t == fastblocks.HyperLogLog.from_bytes(u.copy().to_bytes())
    v = fastblocks.HyperLogLog.open(tmp_path / "s", "r+")
    v.add("z")
    v.merge(u)
    assert v.copy() != u


def churn_rotating_bloom(tmp_path):
    times = iter(range(1000))
    f = fastblocks.RotatingBloomFilter(100_000, 0.01, 2, timer=lambda: next(times))
    f.add("a")
    f.add_many(["b", "b"] * MANY)
    f.add_many(np.arange(MANY), out=np.empty(MANY, bool))
    f.contains_many(iter(["a"] * MANY))
    g = f.copy() | f
    g = fastblocks.RotatingBloomFilter.from_bytes(g.to_bytes(), timer=f.timer)
    g.save(tmp_path / "r")
    h = fastblocks.RotatingBloomFilter.open(tmp_path / "r", "r+")
    h.update(["z"], g)
    assert h != f
    with pytest.raises(TypeError):
        fastblocks.RotatingBloomFilter(100_000, 0.01, 2, timer=5)


def churn_binary_fuse(tmp_path):
    f = fastblocks.BinaryFuseFilter(np.arange(MANY))
    assert f == fastblocks.BinaryFuseFilter([*range(MANY), *range(MANY)])
    f.contains_many(["a"] * MANY, out=np.empty(MANY, bool))
    f = fastblocks.BinaryFuseFilter.from_bytes(f.copy().to_bytes())
    f.save(tmp_path / "f")
    assert 5 in fastblocks.BinaryFuseFilter.open(tmp_path / "f")
    for call in (
        lambda: fastblocks.BinaryFuseFilter(["a"] * MANY + [None]),
        lambda: fastblocks.BinaryFuseFilter([], 9),
        lambda: f.contains_many([1], out=np.zeros(2, bool)),
        lambda: f.__init__([1]),
    ):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            call()


def churn_cuckoo(tmp_path):
    f = fastblocks.CuckooFilter(65_000)
    f.update(["a", "é"], np.arange(MANY), pa.array([f"{i:08}" for i in range(MANY)]))
    f.contains_many(np.arange(MANY), out=np.empty(MANY, bool))
    g = fastblocks.CuckooFilter.from_bytes((f.copy() | f).to_bytes())
    g.save(tmp_path / "f")
    h = fastblocks.CuckooFilter.open(tmp_path / "f", "r+")
    assert h.remove_many(np.arange(MANY)).all()
    assert h != f
    with pytest.raises(fastblocks.FilterFullError):
        f.add_many(np.zeros(MANY, int))


def churn_topk(tmp_path):
    hot = fastblocks.TopK(1000, 1e6)
    hot.add_many(np.arange(MANY), np.arange(MANY))
    hot.add_many(pa.array(["x" * 8] * MANY))
    hot.add_many(iter(["key"] * MANY), 2)
    hot.add_many([bytearray(b"y")] * 600)
    hot.estimate_many(["a"] * MANY)
    other = hot.copy()
    other.merge(hot, fastblocks.TopK.from_bytes(hot.to_bytes()))
    other.save(tmp_path / "t")
    opened = fastblocks.TopK.open(tmp_path / "t")
    assert len(opened.top(5)) == 5
    assert opened.nbytes > LARGE
    other.clear()
    for call in (
        lambda: hot.add("a", -1),
        lambda: hot.add_many(["a"] * MANY + [None]),
        lambda: hot.add_many(["a"], [1, 2]),
        lambda: opened.add("a"),
        lambda: fastblocks.TopK(1000, -1),
        lambda: fastblocks.TopK.from_bytes(hot.to_bytes()[:-8]),
    ):
        with pytest.raises((TypeError, ValueError, OSError)):
            call()


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


def churn_maglev(tmp_path):
    table = fastblocks.MaglevTable(["a", "b", "é"], table_size=20_011)
    table.add("d", 2.5)
    table.remove("b")
    table.rebuild({str(i): i + 1 for i in range(50)})
    table.get_n("key", 50)
    table.get_many(np.arange(MANY), out=np.empty(MANY, np.int32))
    assert sum(table.loads.values()) == len(table.table)
    fastblocks.MaglevTable.from_bytes(table.copy().to_bytes()).save(tmp_path / "t")
    opened = fastblocks.MaglevTable.open(tmp_path / "t")
    assert opened == table
    for call in (
        lambda: opened.add("x"),
        lambda: table.add("1"),
        lambda: table.remove("x"),
        lambda: table.rebuild(["a", "a"]),
        lambda: fastblocks.MaglevTable(["a"], table_size=20_012),
    ):
        with pytest.raises((ValueError, OSError)):
            call()


def churn_kafka(tmp_path):
    partitioner = fastblocks.KafkaPartitioner(12)
    partitioner.get_many(["x" * 8] * MANY)
    partitioner.get_many(np.arange(MANY), out=np.empty(MANY, np.int32))
    for call in (lambda: partitioner.get(None), lambda: fastblocks.KafkaPartitioner(0)):
        with pytest.raises((TypeError, ValueError)):
            call()


def churn_rendezvous(tmp_path):
    nodes = fastblocks.RendezvousHash({f"node-{i}": i + 1 for i in range(LARGE // 32)})
    nodes.get_many(np.arange(600), out=np.empty(600, np.int32))
    nodes.get_many(["a"] * 600)
    nodes.get_n("a", 2000)
    few = fastblocks.RendezvousHash(["a", ("b", 2.5)])
    few.add("c", 2)
    few.remove("a")
    assert few.get("x") in few.nodes
    few = fastblocks.RendezvousHash.from_bytes(few.copy().to_bytes())
    few.save(tmp_path / "n")
    opened = fastblocks.RendezvousHash.open(tmp_path / "n")
    for call in (
        lambda: few.add("b"),
        lambda: few.add("d", -1),
        lambda: few.remove("z"),
        lambda: few.get(None),
        lambda: few.get_n("a", -1),
        lambda: opened.add("d"),
        lambda: few.__init__(["a"]),
        lambda: fastblocks.RendezvousHash(["a", "a"]),
        lambda: fastblocks.RendezvousHash([]).get("a"),
    ):
        with pytest.raises((TypeError, ValueError, LookupError, OSError, RuntimeError)):
            call()


def churn_jump(tmp_path):
    fastblocks.ring.jump_hash(2**63, 1000)
    fastblocks.ring.jump_hash("k" * 50, buckets=1000)
    fastblocks.ring.jump_hash_many(np.arange(MANY), 1000, out=np.empty(MANY, np.int32))
    fastblocks.ring.jump_hash_many(["a", 5, bytearray(b"x")] * MANY, 1000)
    for args in ((None, 5), (5, 0), (2**64, 5), (5, "5"), (5,)):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            fastblocks.ring.jump_hash(*args)


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


def churn_shared_limits(tmp_path):
    path = tmp_path / "limits"
    with limit.SharedMemory(path, 1000) as storage:
        one = limit.SlidingWindow("20/day;30/2day", storage=storage)
        one.allow_many(np.arange(200) % 20)
        one.hit("a")
        one.reset("a")
        for call in (
            lambda: limit.SharedMemory(path, 9),
            lambda: limit.FixedWindow("1/s", storage=limit.SharedMemory(path, 1000)),
            lambda: one.allow(None),
            lambda: storage.to_bytes(),
        ):
            with pytest.raises((TypeError, ValueError)):
                call()
        storage.unlink()


def churn_hashing(tmp_path):
    key = "k" * 50
    fastblocks.hashing.xxh3_64(key, seed=2**64 - 1)
    fastblocks.hashing.xxh3_64_many(np.arange(2 * MANY)[::2])
    fastblocks.hashing.xxh3_64_many(iter([key, bytearray(9), memoryview(b"abc")[::2]]))


def churn_hash_ring(tmp_path):
    zones = {str(i): str(i % 3) for i in range(10)}
    ring = fastblocks.HashRing(list(zones), zones=zones, vnodes=640, load_factor=1.25)
    for key in range(20):
        ring.assign(f"key {key}")
    old = ring.copy()
    ring.add("more", 2, zone="z")
    ring.remove("7")
    for key in range(15):
        ring.release(f"key {key}")
    assert ring.diff(old).share > 0
    ring.get_n("x", 11)
    ring.points()
    ring.get_many(np.arange(MANY), out=np.empty(MANY, np.int32))
    for call in (
        lambda: ring.add("more", zone="z"),
        lambda: ring.add("most", 2.0**40, zone="z"),
        lambda: ring.release("x"),
        lambda: ring.get_many(["a", None]),
        lambda: ring.get_many(["a"], out=np.empty(2, np.int32)),
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            call()
    ring.save(tmp_path / "r")
    assert fastblocks.HashRing.open(tmp_path / "r").copy() == ring
    damaged = repaired(ring.to_bytes(), ring.to_bytes()[HEADER:-8])
    with pytest.raises(ValueError, match="contradict"):
        fastblocks.HashRing.from_bytes(damaged)


def churn_ketama(tmp_path):
    ring = fastblocks.HashRing(map(str, range(40)), hash="ketama")
    ring.get_many(["a"] * MANY)
    ring.remove("7")
    with pytest.raises(TypeError):
        ring.get_many(["a"] * MANY + [None])


def churn_limiters(tmp_path):
    storage = fastblocks.limit.Memory(MANY // 2)
    clock = [5.0]
    limiter = fastblocks.SlidingWindow("3/s;9/min", storage=storage, timer=lambda: clock[0])
    limiter.allow_many(np.arange(MANY // 4), out=np.empty(MANY // 4, bool))
    limiter.allow_many([f"key {i}" for i in range(600)], [2] * 600)
    clock[0] += 100
    for key in ["a", b"b", bytearray(b"c"), 5] * 4:
        limiter.hit(key, 2)
        limiter.peek(key)
    limiter.reset("a")
    limiter.wait("z")
    assert limiter.top_denied(3)
    again = fastblocks.limit.Memory.from_bytes(storage.copy().to_bytes())
    fastblocks.SlidingWindow("3/s;9/min", storage=again).allow("a")
    damaged = repaired(storage.to_bytes(), storage.to_bytes()[HEADER:-8])
    for call in (
        lambda: limiter.allow(None),
        lambda: limiter.allow_many(["a"] * 600 + [None]),
        lambda: limiter.hit("a", 0),
        lambda: limiter.__init__("3/s"),
        lambda: fastblocks.FixedWindow("3/s", storage=storage),
        lambda: fastblocks.FixedWindow("3/x"),
        lambda: fastblocks.limit.Memory.from_bytes(damaged),
        lambda: fastblocks.FixedWindow.__new__(fastblocks.FixedWindow).allow("a"),
    ):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            call()
    full = fastblocks.TokenBucket(1, 1, storage=fastblocks.limit.Memory(3, on_full="raise"))
    with pytest.raises(fastblocks.limit.LimiterFullError):
        full.allow_many(range(600))


def churn_simulate(tmp_path):
    trace = np.arange(MANY) % 3000
    for policy in ("w-tinylfu", "lru", "s3-fifo", "sieve", "opt"):
        fastblocks.simulate(trace, [10, 100], policy)
    fastblocks.simulate(trace * 2**40, [10], "lru")
    with pytest.raises(TypeError):
        fastblocks.simulate([1, 2.0], 1)


def churn_cache(tmp_path):
    clock = [5.0]
    removed = []
    for policy in ("w-tinylfu", "lru", "s3-fifo", "sieve"):
        cache = fastblocks.Cache(
            60,
            policy=policy,
            ttl=9,
            timer=lambda: clock[0],
            weigher=lambda key, value: value % 3,
            on_remove=lambda *event: removed.append(event),
        )
        for i in range(200):
            cache.set((i, "key"), i, tags=("even", i) if i % 2 == 0 else ())
        cache.get_or_load("loaded", len)
        cache.invalidate_tag("even")
        cache.resize(30)
        copied = copy.deepcopy(pickle.loads(pickle.dumps(fastblocks.Cache(5))))
        copied.update(cache.items())
        for call in (
            lambda cache=cache: cache.set("a", -1, tags="x"),
            lambda cache=cache: cache.get([]),
            lambda cache=cache: cache.get_or_load("b", int),
            lambda cache=cache: cache.pop("none"),
            lambda: fastblocks.Cache(0),
        ):
            with pytest.raises((TypeError, ValueError, KeyError)):
                call()
        clock[0] += 10
        assert not cache

    @fastblocks.cached(10)
    def twice(x, y=1):
        return (x, x * y)

    for i in range(50):
        twice(i)
        twice(i, y=i)


CHURNS = [value for name, value in globals().items() if name.startswith("churn_")]


@pytest.mark.parametrize("churn", CHURNS)
def test_nothing_leaks(churn, tmp_path):
    for _ in range(100):  # until the allocators have settled
        churn(tmp_path)
    for _ in range(4):  # some need longer; what leaks does so every time
        gc.collect()
        blocks, held = sys.getallocatedblocks(), resident()
        for _ in range(ROUNDS):
            churn(tmp_path)
        gc.collect()
        blocks, held = sys.getallocatedblocks() - blocks, resident() - held
        if blocks < ROUNDS / 2 and held < ROUNDS * LARGE * 3 / 4:
            return
    assert blocks < ROUNDS / 2  # less than one Python object a round
    assert held < ROUNDS * LARGE * 3 / 4  # less than one C array a round


def test_keys_are_not_kept():
    key = "a key that nobody else holds".upper()
    before = sys.getrefcount(key)
    f = fastblocks.BloomFilter(10)
    f.add(key)
    assert key in f
    f.update([key], (key,), iter([key]))
    f.contains_many([key])
    assert sys.getrefcount(key) == before
