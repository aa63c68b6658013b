"""CountingBloomFilter under many threads: nothing lost, nothing missed."""

import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_changes_of_every_kind_at_once_are_exact():
    """Each thread adds its keys twice and removes them once, in its own way."""
    n = 10_000
    f = fastblocks.CountingBloomFilter(THREADS * n)
    expected = f.copy()
    expected.add_many(np.arange(THREADS * n))

    def changer(i):
        keys = np.arange(i * n, (i + 1) * n)
        parts = np.array_split(keys, 100)
        other = fastblocks.CountingBloomFilter(THREADS * n)
        other.add_many(keys)

        def batches():  # without the GIL
            f.add_many(keys)
            f.add_many(keys)
            assert f.remove_many(keys).all()

        def singles():
            for key in keys.tolist():
                f.add(key)
                f.add(key)
                assert f.remove(key)

        def small_batches():
            for part in parts:
                f.add_many(part)
                f.add_many(part)
                assert f.remove_many(part).all()

        def merges():
            f.merge(other, other)
            assert f.remove_many(keys).all()

        return (batches, singles, small_batches, merges)[i % 4]

    run_together(*(changer(i) for i in range(THREADS)))
    assert f == expected


def test_readers_never_miss_a_key_while_others_come_and_go():
    n = 20_000
    f = fastblocks.CountingBloomFilter(3 * n)
    staying, passing = np.arange(n), np.arange(n, 3 * n)
    f.add_many(staying)
    stop = threading.Event()

    def write():
        for _ in range(10):
            f.add_many(passing)
            for key in range(n, n + 500):
                f.add(key)
                assert f.remove(key)
            assert f.remove_many(passing).all()
        stop.set()

    def read():
        while True:
            last = stop.is_set()
            assert f.contains_many(staying).all()
            assert f.estimate_many(staying).min() >= 1
            assert 5 in f
            assert f.copy().contains_many(staying[:100]).all()
            if last:
                break

    run_together(write, read, read)
    assert f.remove_many(staying).all()
    assert not f


def test_whole_filter_operations_exclude_each_other():
    """A copy taken while another thread clears and refills is one of the states in between."""
    f, full = (fastblocks.CountingBloomFilter(30_000) for _ in range(2))
    full.add_many(np.arange(5000))
    stop = threading.Event()

    def change():
        for _ in range(200):
            f.merge(full)
            f.clear()
        stop.set()

    def look():
        while not stop.is_set():
            for seen in (f.copy(), fastblocks.CountingBloomFilter.from_bytes(f.to_bytes())):
                assert not seen or seen == full

    run_together(change, look, look)


def test_opposite_merges_do_not_deadlock():
    a, b = (fastblocks.CountingBloomFilter(10_000) for _ in range(2))
    a.add("a")
    b.add("b")

    def merge(x, y):
        for _ in range(300):
            x |= y
            assert x == x
            assert x | y

    run_together(lambda: merge(a, b), lambda: merge(b, a), lambda: merge(a, a))
    assert "a" in b
    assert "b" in a
