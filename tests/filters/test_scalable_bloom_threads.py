"""ScalableBloomFilter under many threads: growth in one, lookups in others, nothing lost."""

import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_adds_of_every_kind_at_once_lose_nothing():
    n = 10_000
    f = fastblocks.ScalableBloomFilter(100, 1e-6)

    def adder(i):
        keys = np.arange(i * n, (i + 1) * n)
        if i % 4 == 0:
            return lambda: [f.add_many(part) for part in np.array_split(keys, 10)]  # no GIL
        if i % 4 == 1:
            return lambda: [f.add(key) for key in keys.tolist()]
        if i % 4 == 2:
            return lambda: [f.add_many(part) for part in np.array_split(keys, 200)]
        other = fastblocks.ScalableBloomFilter(100, 1e-6)
        other.add_many(keys)
        return lambda: f.merge(other)

    run_together(*(adder(i) for i in range(THREADS)))
    assert f.contains_many(np.arange(THREADS * n)).all()
    assert THREADS * n * 0.9999 <= f.approx_len() <= THREADS * n
    assert f.expected_fp_rate() < 3e-6


def test_counts_are_exact():
    """Of keys that all threads add, each is counted once."""
    f, alone = (fastblocks.ScalableBloomFilter(50, 1e-6) for _ in range(2))
    keys = np.arange(20_000)
    alone.add_many(keys)

    def by_batch():
        for part in np.array_split(keys, 20):
            f.add_many(part)

    def by_key():
        for key in keys.tolist():
            f.add(key)

    run_together(*[by_batch, by_key] * (THREADS // 2))
    assert abs(f.approx_len() - alone.approx_len()) <= 5
    assert f.slices == alone.slices


def test_readers_see_every_key_that_was_added_before():
    n = 20_000
    f = fastblocks.ScalableBloomFilter(64)
    done = np.arange(2000)
    f.add_many(done)
    stop = threading.Event()

    def write():
        for key in range(2000, n):
            f.add(key)
        for part in np.array_split(np.arange(n, 10 * n), 20):
            f.add_many(part)
        stop.set()

    def read():
        while True:
            last = stop.is_set()
            assert f.contains_many(done).all()
            assert 5 in f
            assert f.copy().contains_many(done[:100]).all()
            assert f.approx_len() <= f.capacity
            if last:
                break

    run_together(write, read, read)
    assert f.contains_many(np.arange(10 * n)).all()


def test_readers_and_clear():
    """Slices that a reader looks into are not freed under it; copies are states in between."""
    f, full = (fastblocks.ScalableBloomFilter(64) for _ in range(2))
    keys = np.arange(5000)
    full.add_many(keys)
    stop = threading.Event()

    def change():
        for i in range(100):
            if i % 2:
                f.merge(full)
            else:
                f.add_many(keys)
            f.clear()
        stop.set()

    def look():
        while not stop.is_set():
            f.contains_many(keys)
            assert f.expected_fp_rate() <= 0.01
            seen = fastblocks.ScalableBloomFilter.from_bytes(f.to_bytes())
            assert not seen or seen == full
            seen = f.copy()
            assert not seen or seen == full

    run_together(change, look, look)
    assert not f


def test_opposite_merges_do_not_deadlock():
    a, b = (fastblocks.ScalableBloomFilter(100_000) for _ in range(2))
    a.add("a")
    b.add("b")

    def merge(x, y):
        for _ in range(100):
            x |= y
            assert (x | y).slices >= 1
            assert x == x
            if x.approx_len() > 20_000:
                x.clear()

    run_together(lambda: merge(a, b), lambda: merge(b, a), lambda: merge(a, a))
