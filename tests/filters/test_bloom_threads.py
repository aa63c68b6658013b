"""BloomFilter under many threads: nothing lost, nothing torn, with the GIL and without."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_adds_of_every_kind_at_once_lose_nothing():
    n = 20_000
    f = fastblocks.BloomFilter(THREADS * n)
    expected = f.copy()
    expected.add_many(np.arange(THREADS * n))

    def adder(i):
        keys = np.arange(i * n, (i + 1) * n)
        if i % 4 == 0:
            return lambda: f.add_many(keys)  # without the GIL
        if i % 4 == 1:
            return lambda: [f.add(key) for key in keys.tolist()]
        if i % 4 == 2:
            return lambda: [f.add_many(part) for part in np.array_split(keys, 200)]
        other = fastblocks.BloomFilter(THREADS * n)
        other.add_many(keys)
        return lambda: f.merge(other)

    run_together(*(adder(i) for i in range(THREADS)))
    assert f == expected


def test_readers_see_every_key_that_was_added_before():
    n = 30_000
    f = fastblocks.BloomFilter(2 * n)
    done = np.arange(n)
    f.add_many(done)
    stop = threading.Event()

    def write():
        for key in range(n, 2 * n):
            f.add(key)
        f.add_many(np.arange(n, 2 * n))
        stop.set()

    def read():
        while True:
            last = stop.is_set()
            assert f.contains_many(done).all()
            assert 5 in f
            assert f.copy().contains_many(done[:100]).all()
            if last:
                break

    run_together(write, read, read)
    assert f.contains_many(np.arange(2 * n)).all()


def test_whole_filter_operations_exclude_each_other():
    """A copy taken while another thread clears and refills is one of the states in between."""
    n = 5000
    f, full = (fastblocks.BloomFilter(100_000) for _ in range(2))
    full.add_many(np.arange(n))
    rounds = 300
    stop = threading.Event()

    def change():
        for _ in range(rounds):
            f.merge(full)
            f.clear()
        stop.set()

    def look():
        while not stop.is_set():
            seen = fastblocks.BloomFilter.from_bytes(f.to_bytes())
            assert not seen or seen == full
            seen = f.copy()
            assert not seen or seen == full

    run_together(change, look, look)


def test_opposite_merges_do_not_deadlock():
    a, b = (fastblocks.BloomFilter(10_000) for _ in range(2))
    a.add("a")
    b.add("b")

    def merge(x, y):
        for _ in range(500):
            x |= y
            x &= x | y
            assert x == x
            assert x.issubset(x)

    run_together(lambda: merge(a, b), lambda: merge(b, a), lambda: merge(a, a))
    assert "a" in b
    assert "b" in a


def test_batches_give_up_the_gil():
    f = fastblocks.BloomFilter(1_000_000)
    keys = np.arange(20_000_000)
    ran = []
    go = threading.Event()
    thread = threading.Thread(target=lambda: go.wait() and ran.append(True))
    thread.start()
    sys.setswitchinterval(60)  # so that the thread can only run if the GIL is given up
    go.set()
    f.contains_many(keys)
    in_time = bool(ran)
    thread.join()
    assert in_time
