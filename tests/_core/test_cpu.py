"""Every dispatch level gives the same bits."""

import os
import subprocess
import sys

import pytest

from fastblocks._core import cpu

# A program per block that has kernels of its own on some level: it boils down all they do to
# `digest`, which is pinned.
HASHING = """
from fastblocks.hashing import xxh3_64, xxh3_64_many
data = rng.bytes(9000)
for n in [*range(300), 512, 1023, 1024, 1025, 1088, 1089, 4096, 9000]:
    for seed in (0, 7, 2**64 - 1):
        digest.update(xxh3_64(data[:n], seed).to_bytes(8, "little"))
for n in range(70):
    digest.update(xxh3_64_many(rng.integers(0, 2**64, n, dtype=np.uint64), 3).tobytes())
"""
BLOOM = """
for fp_rate in (0.1, 0.01, 1e-4):
    f = fastblocks.BloomFilter(5000, fp_rate, seed=2)
    f.add_many(np.arange(4000))
    for key in range(4000, 5000):
        f.add(key)
    digest.update(f.to_bytes())
    digest.update(f.contains_many(np.arange(100_000)).tobytes())
    digest.update(bytes(key in f for key in range(10_000)))
"""
COUNTING_BLOOM = """
for fp_rate in (0.1, 0.01, 1e-4):
    f = fastblocks.CountingBloomFilter(5000, fp_rate, seed=2)
    f.add_many(np.arange(5000) % 4000)
    for key in range(3500, 5000):
        f.add(key)
    f.add_many(np.arange(2000) % 60)
    digest.update(f.to_bytes())
    digest.update(f.remove_many(np.arange(2000)).tobytes())
    digest.update(bytes(f.remove(key) for key in range(1500, 2500)))
    digest.update(f.to_bytes())
    digest.update(f.contains_many(np.arange(100_000)).tobytes())
    digest.update(f.estimate_many(np.arange(100_000)).tobytes())
    digest.update(bytes(f.estimate(key) + 16 * (key in f) for key in range(10_000)))
"""
ROTATING_BLOOM = """
for fp_rate in (0.3, 0.02, 2e-4):
    now = [0]
    f = fastblocks.RotatingBloomFilter(5000, fp_rate, 10, 3, seed=2, timer=lambda: now[0])
    for now[0] in range(0, 30, 3):
        keys = rng.integers(0, 9000, 1000)
        digest.update(f.add_many(keys).tobytes())
        digest.update(bytes(f.add(key) for key in range(now[0] * 100, now[0] * 100 + 500)))
        digest.update(f.contains_many(np.arange(50_000)).tobytes())
    digest.update(f.to_bytes())
"""
SCALABLE_BLOOM = """
for fp_rate in (0.5, 0.01, 1e-4):
    f = fastblocks.ScalableBloomFilter(100, fp_rate, seed=2)
    f.add_many(np.arange(4000))
    for key in range(4000, 5000):
        f.add(key)
    digest.update(f.to_bytes())
    digest.update(f.contains_many(np.arange(100_000)).tobytes())
    digest.update(bytes(key in f for key in range(10_000)))
"""
FREQUENCY = """
for capacity in (5, 1000, 20_000):
    s = fastblocks.FrequencySketch(capacity, seed=2)
    for _ in range(3):
        keys = rng.zipf(1.2, 20_000) % 50_000
        s.record_many(keys)
        for key in range(1000):
            s.record(key)
        digest.update(s.to_bytes())
        digest.update(s.estimate_many(keys).tobytes())
        digest.update(bytes(s.estimate(key) for key in range(5000)))
"""
JUMP = """
for n in [*range(40), 257, 5000]:
    keys = rng.integers(0, 2**64, n, dtype=np.uint64)
    for buckets in (1, 2, 10, 1000, 2**31 - 1):
        digest.update(fastblocks.ring.jump_hash_many(keys, buckets).tobytes())
"""
RENDEZVOUS = """
for n in (1, 2, 3, 8, 9, 50):
    for weights in (None, [1 + i % 7 for i in range(n)]):
        nodes = fastblocks.RendezvousHash([f"node-{i}" for i in range(n)], weights)
        digest.update(nodes.get_many(rng.integers(0, 2**64, 5000, dtype=np.uint64)).tobytes())
        digest.update(" ".join(nodes.get(key) for key in range(500)).encode())
"""
GEOHASH = """
from fastblocks.geo import geohash
for n in [*range(40), 257, 5000]:
    lat, lng = rng.uniform(-90, 90, n), rng.uniform(-200, 200, n)
    lat[: n // 3], lng[: n // 3] = lat[: n // 3].round(), lng[: n // 3].round()
    for bits in (1, 25, 60, 64):
        digest.update(geohash.encode_int(lat, lng, bits).tobytes())
    for precision in range(1, 13):
        texts = geohash.encode(lat, lng, precision)
        digest.update(texts.tobytes())
        for part in geohash.decode(texts):
            digest.update(part.tobytes())
"""
DISTANCE = """
from fastblocks.geo import distance
for n in [*range(40), 257, 5000]:
    lat1, lat2 = rng.uniform(-90, 90, (2, n))
    lng1, lng2 = rng.uniform(-400, 400, (2, n))
    lat2[: n // 3], lng2[: n // 3] = lat1[: n // 3] + 1e-7, lng1[: n // 3]
    lat2 = lat2.clip(-90, 90)
    metres = distance.haversine(lat1, lng1, lat2, lng2)
    way = distance.bearing(lat1, lng1, lat2, lng2)
    digest.update(metres.tobytes() + way.tobytes())
    for part in distance.destination(lat1, lng1, way, metres):
        digest.update(part.tobytes())
"""
S2 = """
from fastblocks.geo import s2
for n in [*range(20), 127, 128, 129, 5000]:
    lats, lngs = rng.uniform(-90, 90, n), rng.uniform(-200, 200, n)
    for level in (0, 7, 30):
        digest.update(s2.latlng_to_cell(lats, lngs, level).tobytes())
lats, lngs = np.mgrid[-90:90.1:1.5, -180:180.1:1.5]
digest.update(s2.latlng_to_cell(lats, lngs).tobytes())
"""
RTREE = """
def add(pairs):
    digest.update(np.stack(pairs)[:, np.lexsort(pairs[::-1])].tobytes())

for n in (0, 1, 15, 16, 17, 300, 4000):
    for kind in range(2):
        low, asked = rng.random((n, 2)), rng.random((40, 2))
        if kind:
            low, asked = low.round(1), asked.round(1)
        tree = fastblocks.RTree(np.hstack([low, low + rng.random((n, 2)).round(3) / 20]))
        boxes = np.hstack([asked, asked + 0.1])
        for turn in range(2):
            digest.update(tree.to_bytes())
            add(tree.query_many(boxes))
            digest.update(tree.count_many(boxes).tobytes())
            add(tree.join(fastblocks.RTree(boxes)))
            digest.update(np.sort(tree.query(boxes[0])).tobytes())
            for k, most in ((1, np.inf), (7, np.inf), (20, 0.1)):
                for part in tree.nearest_many(asked, k, most) + tree.nearest(0.5, 0.2, k, most):
                    digest.update(part.tobytes())
            for i in range(0, n if turn == 0 else 0, 9):
                tree.remove(i)
                tree.insert(-1 - i, tuple(boxes[i % 40]))
"""
QUADTREE = """
def add(pairs):
    digest.update(np.stack(pairs)[:, np.lexsort(pairs[::-1])].tobytes())

for n in (0, 1, 7, 8, 9, 300, 4000):
    for capacity in (1, 7, 32):
        xs, ys = rng.random((2, n)).round(3)
        tree = fastblocks.QuadTree((0, 0, 1, 1), capacity)
        tree.insert_many(np.arange(n), xs, ys)
        a, b = rng.random((2, 40)).round(2)
        for turn in range(2):
            digest.update(tree.to_bytes())
            add(tree.query_many(np.stack([a, b, a + 0.1, b + 0.2], 1)))
            add(tree.within_many(a, b, rng.random(40).round(2) / 5))
            digest.update(np.sort(tree.query((0.2, 0.2, 0.5, 0.5))).tobytes())
            digest.update(np.sort(tree.within(0.5, 0.5, 0.25)).tobytes())
            for k, most in ((1, np.inf), (7, np.inf), (20, 0.1)):
                for part in tree.nearest_many(a, b, k, most) + tree.nearest(0.5, 0.2, k, most):
                    digest.update(part.tobytes())
            tree.move_many(np.arange(0, n, 3), ys[::3], xs[::3])
"""
GEOINDEX = """
for n in (0, 1, 7, 8, 9, 300, 4000):
    lats, lngs = rng.uniform(-90, 90, n).round(1), rng.uniform(-180, 180, n).round(1)
    index = fastblocks.GeoIndex()
    index.set_many(np.arange(n), lats, lngs)
    a, b = rng.uniform(-90, 90, 40).round(), rng.uniform(-180, 180, 40).round()
    a[0], b[1] = 90, 180
    for turn in range(2):
        digest.update(index.to_bytes())
        for limit in (None, 5):
            for part in index.within_many(a, b, rng.uniform(0, 3e6, 40), limit):
                digest.update(part.tobytes())
        for k, most in ((1, np.inf), (7, np.inf), (20, 1e6)):
            for part in index.nearest_many(a, b, k, most) + index.nearest(50, 8, k, most):
                digest.update(part.tobytes())
        index.set_many(np.arange(0, n, 3), lats[::-1][::3], lngs[::3])
"""
GEOFENCE = """
polygons = []
for i in range(60):
    middle, far = rng.uniform(-60, 60, 2) * [1, 3], rng.uniform(1, 25)
    ring = (middle + rng.uniform(-far, far, (30, 2))).round(2)
    polygons.append([ring, ring[::-4]][: 1 + i % 2])
fence = fastblocks.Geofence(polygons)
digest.update(fence.to_bytes())
for n in [*range(40), 257, 20_000]:
    lats, lngs = rng.uniform(-90, 90, n).round(2), rng.uniform(-180, 180, n).round(2)
    for part in fence.query_many(lats, lngs):
        digest.update(part.tobytes())
    digest.update(fence.first_many(lats, lngs).tobytes())
    digest.update(fence.contains_many(lats, lngs).tobytes())
"""
PROGRAMS = {
    "hashing": (HASHING, "fbaf2fbb97262d9a3de5f84c02fcd35bd5afcefcb82d1f50c4e24737a049927e"),
    "bloom": (BLOOM, "f616b445a37b323b47ab496443d3324feefd159ed04306a144fd0930055dfed1"),
    "counting_bloom": (
        COUNTING_BLOOM,
        "9332290eb9ce95ef7d91c10daaf0beb70e7f2cb01c50d2e2297c83b27aa7e0d0",
    ),
    "rotating_bloom": (
        ROTATING_BLOOM,
        "9834e5e5481f02f4e0834a19e53ead341b1f5c0438ef8cfd27580e284454c5fe",
    ),
    "scalable_bloom": (
        SCALABLE_BLOOM,
        "20a8630337a52223d995e9223b4fb90cd132a0f321abff7c987a0154c48d6c23",
    ),
    "jump": (JUMP, "d5137cafce9361cce7086f8be5e89892c8ec5ce312210a394851e82945405f44"),
    "rendezvous": (RENDEZVOUS, "fdb3c1eac8da658311d9b269aada724d015eb40f651cd26569cf5997d4572ec7"),
    "geohash": (GEOHASH, "ff7e89886fbaa8c944f338ee6a0f17d1cd139f5b3c90c46276983f1bc2764e42"),
    "distance": (DISTANCE, "44f2ff508ffcea26bbcaff827c7f8211d969867d27fa77dea1c48bb0b899e499"),
    "s2": (S2, "f65a96195ba645a811cbbec4a3dff37c71ecb18208b2e883ece297126fbde571"),
    "rtree": (RTREE, "020da1098f8ff8f41b103016d2a9986a2aaeb452afcadf141236b2166156939d"),
    "quadtree": (QUADTREE, "59096e859174d86a402be507d5c552d970b30270610482fbce7bd4eddc878e7f"),
    "geoindex": (GEOINDEX, "e31be47886eb9a6debf30f2d7300979c83ec0d212e847adb22d2098fc01228c9"),
    "geofence": (GEOFENCE, "a6f6e1fa997db77eb05142fea5c1c62b45a777c1655b80e7592f89c3452f7bff"),
    "frequency": (FREQUENCY, "06e8db9ff609fa2bb5dba4739aff197ab0179cec8e30410356e841e388c3d8cb"),
}


def run(level, program=""):
    start = """
import hashlib
import numpy as np
import fastblocks
from fastblocks._core import cpu

digest = hashlib.sha256()
rng = np.random.default_rng(1)
"""
    end = "print(cpu.level(), digest.hexdigest())"
    return subprocess.run(
        [sys.executable, "-c", start + program + end],
        env={**os.environ, "FASTBLOCKS_CPU": level},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("level", cpu.supported())
@pytest.mark.parametrize("block", PROGRAMS)
def test_same_bits_on_every_level(block, level):
    program, golden = PROGRAMS[block]
    result = run(level, program)
    assert result.stdout.split() == [level, golden], result.stderr


@pytest.mark.parametrize("level", ["sse9", "", "AVX2"])
def test_unknown_level_is_refused(level):
    result = run(level)
    assert result.returncode == 1
    assert f"ImportError: FASTBLOCKS_CPU={level!r}: this machine runs portable" in result.stderr


def test_level_in_use_is_the_highest_unless_told():
    wanted = os.environ.get("FASTBLOCKS_CPU")
    assert cpu.level() == (wanted or cpu.supported()[-1])
    assert cpu.supported()[0] == "portable"
