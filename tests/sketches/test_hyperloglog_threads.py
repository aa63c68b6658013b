"""HyperLogLog under many threads: nothing lost, nothing torn, with the GIL and without."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def of(keys, p=14):
    result = fastblocks.HyperLogLog(p)
    result.add_many(keys)
    return result


@pytest.mark.parametrize("p", [8, 14, 18])
@pytest.mark.parametrize("n", [300, 5000])
def test_adds_of_every_kind_at_once_lose_nothing(p, n):
    """Sparse at first, dense later, and changing from one to the other in the middle."""
    for _ in range(10):
        s = fastblocks.HyperLogLog(p)

        def adder(i, s=s):
            keys = np.arange(i * n, (i + 1) * n)
            if i % 4 == 0:
                return lambda: [s.add_many(part) for part in np.array_split(keys, n // 600 + 1)]
            if i % 4 == 1:
                return lambda: [s.add(key) for key in keys.tolist()]
            if i % 4 == 2:
                return lambda: [s.add_many(part) for part in np.array_split(keys, 20)]
            parts = [of(part, p) for part in np.array_split(keys, 3)]
            return lambda: s.merge(*parts)

        run_together(*(adder(i) for i in range(THREADS)))
        assert s == of(np.arange(THREADS * n), p)
        assert s.estimate() == of(np.arange(THREADS * n), p).estimate()


def test_readers_beside_writers():
    n = 20_000
    for _ in range(5):
        s = of(np.arange(1000))
        known = of(np.arange(1000))
        stop = threading.Event()

        def write(s=s, stop=stop):
            for key in range(1000, 5000):
                s.add(key)
            for part in np.array_split(np.arange(5000, n), 10):
                s.add_many(part)
            stop.set()

        def read(s=s, stop=stop, known=known):
            while True:
                last = stop.is_set()
                assert 900 < s.estimate() < 1.1 * n
                assert len(s) > 900
                assert s
                assert (s | known).estimate() > 900
                seen = fastblocks.HyperLogLog.from_bytes(s.to_bytes())
                assert seen | known == seen
                assert s.copy().nbytes >= 4000
                if last:
                    break

        run_together(write, read, read)
        assert s == of(np.arange(n))
        assert s.estimate() == of(np.arange(n)).estimate()


@pytest.mark.parametrize("n", [400, 10_000])
def test_copies_beside_clear_are_whole(n):
    """A copy taken while another thread clears and refills is one of the states in between."""
    s, full = fastblocks.HyperLogLog(12), of(np.arange(n), 12)
    stop = threading.Event()

    def change():
        for _ in range(300):
            s.merge(full)
            s.clear()
        stop.set()

    def look():
        while not stop.is_set():
            seen = fastblocks.HyperLogLog.from_bytes(s.to_bytes())
            assert not seen or seen == full
            seen = s.copy()
            assert not seen or seen == full

    run_together(change, look, look)


def test_clear_beside_adds_leaves_a_valid_sketch():
    s = fastblocks.HyperLogLog(10)
    batches = [np.arange(i, i + 20_000) for i in range(4)]

    def add(keys):
        for _ in range(30):
            s.add_many(keys)
            for key in range(300):
                s.add(key)

    def clear():
        for _ in range(300):
            s.clear()
            s.estimate()

    run_together(clear, *(lambda keys=keys: add(keys) for keys in batches))
    s.add_many(np.arange(40_000))
    fastblocks.HyperLogLog.from_bytes(s.to_bytes())
    s.clear()
    s.add_many(np.arange(5000))
    assert s == of(np.arange(5000), 10)


def test_opposite_merges_do_not_deadlock():
    for n in (50, 5000):
        a, b = of(np.arange(n), 12), of(np.arange(n, 2 * n), 12)

        def merge(x, y):
            for i in range(300):
                x |= y
                x.add(i)
                x.add_many(np.arange(600))
                assert x == x
                assert (x | y) | x != 0

        run_together(
            lambda a=a, b=b: merge(a, b), lambda a=a, b=b: merge(b, a), lambda a=a: merge(a, a)
        )
        a |= b
        assert a == of(np.arange(max(2 * n, 600)), 12)


def test_batches_give_up_the_gil():
    s = of(np.arange(10_000))
    keys = np.arange(20_000_000)
    ran = []
    go = threading.Event()
    thread = threading.Thread(target=lambda: go.wait() and ran.append(True))
    thread.start()
    sys.setswitchinterval(60)  # so that the thread can only run if the GIL is given up
    go.set()
    s.add_many(keys)
    in_time = bool(ran)
    thread.join()
    assert in_time
