"""``make soak``: every family at once, on threads, for minutes; answers checked, memory flat.

    python tests/soak.py [--seconds 600] [--threads 4]

Each thread goes round all jobs, over and over, with keys of its own and some that all share. A job
checks what it is told. Memory is looked at twelve times; from the third time on, when caches are
full and allocators have settled, it may not grow by more than `GROWTH`.
"""

import argparse
import gc
import itertools
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import fastblocks
from fastblocks import geo, hashing, limit, ring

GROWTH = 8 * 2**20  # bytes
LOOKS, SETTLED = 12, 3
KEYS = 2000  # that a job uses in a round


class Shared:
    """What all threads use."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.bloom = fastblocks.BloomFilter(200_000, 0.001)
        self.cuckoo = fastblocks.CuckooFilter(400_000)
        self.rotating = fastblocks.RotatingBloomFilter(200_000, 0.01, 60.0)
        self.counts = fastblocks.CountMinSketch(4096, 4)
        self.distinct = fastblocks.HyperLogLog(12)
        self.hot = fastblocks.TopK(100)
        self.ring = fastblocks.HashRing([f"node-{i}" for i in range(20)])
        self.maglev = fastblocks.MaglevTable(["a", "b", "c"])
        self.memory = limit.Memory(20_000)
        self.limiter = limit.FixedWindow("5/2s", storage=self.memory)
        self.cache = fastblocks.Cache(5000, ttl=30.0, weigher=lambda key, value: 1)
        self.tree = fastblocks.QuadTree((0.0, 0.0, 1000.0, 1000.0))
        self.people = fastblocks.GeoIndex(int)
        self.fence = fastblocks.Geofence([[(0, 0), (0, 10), (10, 10), (10, 0)]])


def filters(shared, rng, thread, turn):
    keys = rng.integers(0, 2**40, KEYS)
    shared.bloom.add_many(keys)
    assert shared.bloom.contains_many(keys).all()
    mine = np.arange(KEYS) + thread * 10_000_000
    shared.cuckoo.add_many(mine)
    assert shared.cuckoo.contains_many(mine).all()
    assert shared.cuckoo.remove_many(mine).all()
    shared.rotating.add_many(keys)
    assert shared.rotating.contains_many(keys).all()
    fuse = fastblocks.BinaryFuseFilter(keys)
    path = shared.folder / f"fuse-{thread}"
    fuse.save(path)
    assert fastblocks.BinaryFuseFilter.open(path).contains_many(keys).all()
    growing = fastblocks.ScalableBloomFilter(100)
    growing.update(keys)
    counting = fastblocks.CountingBloomFilter(KEYS)
    counting.add_many(keys)
    assert counting.remove_many(keys).all()
    assert growing.contains_many(keys).all()
    if thread == 0 and turn % 50 == 0:
        assert shared.bloom.copy().issubset(shared.bloom)


def sketches(shared, rng, thread, turn):
    keys = [f"{thread} {key}" for key in rng.integers(0, 500, KEYS).tolist()]
    shared.counts.add_many(keys)
    assert shared.counts.estimate(keys[0]) >= 1
    shared.distinct.add_many(keys)
    assert shared.distinct.estimate() > 300
    shared.hot.add_many(keys)
    assert 1 <= len(shared.hot.top(10)) <= 10
    data = shared.hot.to_bytes()
    assert fastblocks.TopK.from_bytes(data).to_bytes() == data


def rings(shared, rng, thread, turn):
    keys = rng.integers(0, 2**40, KEYS)
    nodes = shared.ring.copy()
    nodes.add(f"more-{thread}")
    moved = nodes.get_many(keys) != shared.ring.get_many(keys)
    assert moved.mean() < 0.5
    assert shared.maglev.get("key") in ("a", "b", "c")
    assert 0 <= ring.jump_hash("key", 10) < 10
    rendezvous = fastblocks.RendezvousHash(["x", "y"])
    assert set(np.unique(rendezvous.get_many(keys)).tolist()) <= {0, 1}


def limits(shared, rng, thread, turn):
    shared.limiter.allow_many(rng.integers(0, 100_000, 500))  # often more than it has room for
    key = f"{thread}-{turn}"
    own = limit.SlidingWindow("5/100day", storage=limit.Memory(50))
    assert sum(own.allow(key) for _ in range(9)) == 5
    assert limit.TokenBucket(100, 10).allow(key)
    if turn % 20 == 0:
        with limit.SharedMemory(shared.folder / f"limits-{thread}", 100) as storage:
            window = limit.SlidingWindow("3/100day", storage=storage)
            assert window.allow_many(["a"] * 5).sum() == 3
            storage.unlink()


def caches(shared, rng, thread, turn):
    for key in rng.zipf(1.3, 500).tolist():
        assert shared.cache.get_or_load(key, lambda key: key + 1) == key + 1
    shared.cache.set((thread, "tagged"), turn, tags=(str(thread),))
    shared.cache.invalidate_tag(str(thread))
    assert (thread, "tagged") not in shared.cache
    assert len(shared.cache) <= 5000
    assert 0 <= fastblocks.simulate(rng.integers(0, 99, 500), 50, "sieve") <= 1


def places(shared, rng, thread, turn):
    lats, lngs = rng.uniform(-80, 80, 300), rng.uniform(-180, 180, 300)
    cells = geo.h3.latlng_to_cell(lats, lngs, 7)
    assert geo.h3.is_valid_cell(cells).all()
    assert geo.s2.is_valid(geo.s2.latlng_to_cell(lats, lngs)).all()
    assert geo.geohash.encode(lats[0], lngs[0], 5) == geo.geohash.encode(lats, lngs, 5)[0].decode()
    ids = np.arange(300) + thread * 1000
    shared.tree.insert_many(ids, lats + 100, lngs + 200)
    shared.people.set_many(ids, lats, lngs)
    assert ids[0] in shared.tree.nearest(lats[0] + 100, lngs[0] + 200, k=5)[0]
    assert ids[0] in shared.people.nearest(lats[0], lngs[0], k=5)[0]
    shared.tree.remove_many(ids)
    boxes = np.stack([lngs, lats, lngs + 1, lats + 1], axis=1)
    tree = fastblocks.RTree(boxes, ids)
    assert ids[7] in tree.query(boxes[7])
    assert shared.fence.contains(5.0, 5.0)
    assert not shared.fence.contains(50.0, 50.0)


def hashes(shared, rng, thread, turn):
    keys = [f"key {i}" for i in range(200)]
    many = hashing.xxh3_64_many(keys)
    assert many[turn % 200] == hashing.xxh3_64(keys[turn % 200])


JOBS = (filters, sketches, rings, limits, caches, places, hashes)


def resident():
    """Bytes of memory in use by this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def work(shared, thread, stop, errors, rounds):
    rng = np.random.default_rng(thread)
    order = random.Random(thread)
    try:
        for turn in itertools.count():
            if stop.is_set():
                return
            for job in order.sample(JOBS, len(JOBS)):
                job(shared, rng, thread, turn)
            rounds[thread] = turn + 1
    except BaseException as error:
        errors.append(error)
        stop.set()


def main():
    parser = argparse.ArgumentParser(description="Use all families for a while; see memory flat.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    stop, errors, rounds = threading.Event(), [], [0] * options.threads
    with tempfile.TemporaryDirectory(prefix="fastblocks-soak-") as folder:
        shared = Shared(folder)
        threads = [
            threading.Thread(target=work, args=(shared, i, stop, errors, rounds))
            for i in range(options.threads)
        ]
        for thread in threads:
            thread.start()
        seen = []
        for _ in range(LOOKS):
            if stop.wait(options.seconds / LOOKS):
                break
            gc.collect()
            seen.append(resident())
            print(f"{sum(rounds):8} rounds, {seen[-1] / 2**20:8.1f} MiB", flush=True)
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    growth = max(seen[SETTLED - 1 :]) - seen[SETTLED - 1]
    print(f"grown by {growth / 2**20:.1f} MiB after {time.process_time():.0f} s of CPU time")
    return int(growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
