"""Filters, sketches and rings inside `numba.njit` code."""

import gc
import re
import weakref

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastblocks.pure
from fastblocks import BloomFilter, CountMinSketch, FrequencySketch, HashRing
from tests.threads import run_together

KEYS = [0, 1, -1, -5, 10**12, True, "", "a", "Lisbon", "Évora", "😀", b"abc"]
WORD = np.uint64(2**64 - 1)


@numba.njit(nogil=True)
def holds(bloom, key):
    return key in bloom, bloom.contains(key)


@numba.njit(nogil=True)
def estimate(sketch, key):
    return sketch.estimate(key)


@numba.njit(nogil=True)
def index(ring, key):
    return ring.get_index(key)


@numba.njit(nogil=True)
def itself(thing):
    return thing


@pytest.mark.parametrize("fp_rate", [0.1, 0.01, 1e-5])
def test_bloom(fp_rate):
    bloom = BloomFilter(200, fp_rate, seed=3)
    bloom.update(KEYS[::2], range(100, 250))
    for key in [*KEYS, *range(500), WORD]:
        assert holds(bloom, key) == (key in bloom, key in bloom)


@pytest.mark.parametrize(
    "sketch", [FrequencySketch(100, seed=3), CountMinSketch(50, 3), CountMinSketch(7, 2, seed=9)]
)
def test_sketches(sketch):
    for i, key in enumerate(KEYS):
        for _ in range(2 * i):
            sketch.record(key) if isinstance(sketch, FrequencySketch) else sketch.add(key)
    assert any(sketch.estimate(key) > 10 for key in KEYS)
    for key in [*KEYS, *range(50), WORD]:
        assert estimate(sketch, key) == sketch.estimate(key)


@pytest.mark.parametrize("hash", ["xxh3", "ketama", "libmemcached"])
def test_rings(hash):
    ring = HashRing([f"node-{i}" for i in range(20)], hash=hash)
    for key in [*KEYS, *range(200), WORD]:
        assert index(ring, key) == ring.get_index(key)
    ring.remove("node-3")
    assert [index(ring, i) for i in range(200)] == [ring.get_index(i) for i in range(200)]


def test_no_nodes():
    ring = HashRing()
    for key in (1, "a"):
        with pytest.raises(LookupError, match="this HashRing has no nodes"):
            index(ring, key)


def test_mapped_files(tmp_path):
    bloom, path = BloomFilter(100), tmp_path / "bloom"
    bloom.update(range(50))
    bloom.save(path)
    mapped = BloomFilter.open(path)
    assert [holds(mapped, i)[0] for i in range(200)] == [i in bloom for i in range(200)]


def test_a_call_sees_the_nodes_as_they_were_when_it_began():
    ring = HashRing(["a", "b", "c"])
    before = [ring.get_index(i) for i in range(100)]

    @numba.njit
    def change_and_look_up(ring):
        with numba.objmode():
            ring.remove("a")
            ring.remove("b")
            gc.collect()
        return [ring.get_index(i) for i in range(100)]

    assert change_and_look_up(ring) == before
    assert [index(ring, i) for i in range(100)] == [0] * 100


@pytest.mark.parametrize(
    "make",
    [
        lambda: BloomFilter(9),
        lambda: FrequencySketch(9),
        lambda: CountMinSketch(9, 2),
        lambda: HashRing(["a"]),
    ],
)
def test_objects_come_back_as_they_are_and_are_not_kept(make):
    thing = make()
    for _ in range(100):
        assert itself(thing) is thing
    alive = weakref.ref(thing)
    del thing
    gc.collect()
    assert alive() is None


def test_containers_keep_objects_alive():
    rings = numba.typed.List([HashRing(["a", "b"]), HashRing(["a", "b", "c"])])
    gc.collect()

    @numba.njit
    def sum_of(rings, key):
        return sum([ring.get_index(key) for ring in rings])

    assert sum_of(rings, 7) == sum(ring.get_index(7) for ring in rings)


class MyRing(HashRing):
    pass


def test_subclasses():
    ring = MyRing(["a", "b"])
    assert itself(ring) is ring
    assert index(ring, 7) == ring.get_index(7)


def test_parallel_loops_share_objects():
    @numba.njit(parallel=True)
    def look_up(ring, bloom, sketch, n):
        found = np.empty(n, np.int64)
        for i in numba.prange(n):
            found[i] = 100 * ring.get_index(i) + 50 * (i in bloom) + sketch.estimate(i)
        return found

    ring, bloom, sketch = HashRing(["a", "b", "c"]), BloomFilter(1000), FrequencySketch(1000)
    bloom.update(range(500))
    sketch.record_many(np.arange(3000) % 700)
    expected = [
        100 * ring.get_index(i) + 50 * (i in bloom) + sketch.estimate(i) for i in range(2000)
    ]
    assert look_up(ring, bloom, sketch, 2000).tolist() == expected


def test_lookups_go_on_while_another_thread_changes_the_object():
    ring, bloom = HashRing(["a", "b", "c"]), BloomFilter(100_000)

    @numba.njit(nogil=True)
    def look_up(ring, bloom):
        worst = missing = 0
        for i in range(20_000):
            worst = max(worst, ring.get_index(i))
            missing += i not in bloom
        return worst, missing

    bloom.add_many(np.arange(20_000))
    look_up(ring, bloom)

    def read():
        for _ in range(20):
            worst, missing = look_up(ring, bloom)
            assert worst < 5
            assert missing == 0

    def write():
        for i in range(200):
            ring.add(f"new {i}")
            bloom.add(f"new {i}")
            ring.remove(f"new {i}")

    run_together(read, write, read)


def test_what_is_no_argument():
    ring = HashRing(["a"])
    with pytest.raises(TypingError):  # from another module: plain Python
        index(fastblocks.pure.HashRing(["a"]), 1)
    with pytest.raises(TypingError, match="Cannot determine Numba type of"):
        numba.njit(lambda: ring.get_index(1))()  # neither is a global
    with pytest.raises(TypingError, match=re.escape("a key must be str, bytes, bytearray")):
        index(ring, 1.5)
    with pytest.raises(TypingError):
        estimate(ring, 1)
    with pytest.raises(TypingError):
        holds(ring, "a")
