"""The sketches that count under many threads: nothing lost, with the GIL and without."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.sketches.counting import COUNTING
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_records_of_every_kind_at_once_lose_nothing():
    """The number of records is exact as long as no count reaches 15."""
    n = 20_000
    s = fastblocks.FrequencySketch(THREADS * n)
    part = fastblocks.FrequencySketch(THREADS * n)
    part.record_many(np.arange(n))

    def writer(i):
        keys = np.arange(i * n, (i + 1) * n)
        if i % 4 == 0:
            return lambda: s.record_many(keys)  # without the GIL
        if i % 4 == 1:
            return lambda: [s.record(key) for key in keys.tolist()]
        if i % 4 == 2:
            return lambda: [s.record_many(few) for few in np.array_split(keys, 200)]
        return lambda: s.merge(part)

    run_together(*(writer(i) for i in range(THREADS)))
    assert s.records == THREADS * n
    counts = s.estimate_many(np.arange(3 * n))
    assert counts.min() >= 1
    assert s.estimate_many(np.arange(n)).min() >= 3  # recorded once, merged twice


@pytest.mark.parametrize("conservative", [False, True], ids=["plain", "conservative"])
def test_counts_of_every_kind_at_once_lose_nothing(conservative):
    n = 5000
    s = fastblocks.CountMinSketch(4099, 4, conservative=conservative)
    part, expected = s.copy(), s.copy()
    keys = np.arange(n)
    part.add_many(keys, keys)
    for _ in range(THREADS):
        expected.add_many(keys, keys)

    def writer(i):
        if i % 4 == 0:
            return lambda: s.add_many(keys, keys)  # without the GIL
        if i % 4 == 1:
            return lambda: [s.add(key, key) for key in range(n)]
        if i % 4 == 2:
            return lambda: [s.add_many(few, few) for few in np.array_split(keys, 100)]
        return lambda: s.merge(part)

    run_together(*(writer(i) for i in range(THREADS)))
    assert s.total == expected.total == THREADS * n * (n - 1) // 2
    assert (s.estimate_many(keys) >= THREADS * keys).all()
    if not conservative:
        assert s == expected


def test_agings_at_once_keep_the_records_in_range():
    s = fastblocks.FrequencySketch(200)

    def write():
        for round in range(30):
            s.record_many(np.arange(2000) + round)
            for key in range(500):
                s.record(key)

    def look():
        for _ in range(200):
            assert 0 <= s.records < s.sample_size
            assert s.estimate_many(np.arange(1000)).max() <= 15
            assert fastblocks.FrequencySketch.from_bytes(s.to_bytes()).records < s.sample_size

    run_together(write, write, s.age, look, look)


@pytest.mark.parametrize("counting", COUNTING, ids=lambda c: c.name)
def test_opposite_merges_do_not_deadlock(counting):
    a, b = (counting.filled(fastblocks) for _ in range(2))

    def merge(x, y):
        for _ in range(300):
            x.merge(y)
            assert x == x
            x.estimate("a")

    run_together(lambda: merge(a, b), lambda: merge(b, a), lambda: merge(a, a))


@pytest.mark.parametrize("counting", COUNTING, ids=lambda c: c.name)
def test_whole_sketch_operations_exclude_each_other(counting):
    """A copy taken while another thread clears and refills is one of the states in between."""
    args = {"FrequencySketch": (50_000,), "CountMinSketch": (20_000, 4)}[counting.name]
    s, full = (counting.cls(fastblocks)(*args) for _ in range(2))
    counting.add_many(full, np.arange(5000))
    stop = threading.Event()

    def change():
        for _ in range(200):
            s.merge(full)
            s.clear()
        stop.set()

    def look():
        while not stop.is_set():
            for seen in (s.copy(), counting.cls(fastblocks).from_bytes(s.to_bytes())):
                assert not seen or seen == full

    run_together(change, look, look)


@pytest.mark.parametrize("counting", COUNTING, ids=lambda c: c.name)
def test_batches_give_up_the_gil(counting):
    s = counting.empty(fastblocks)
    keys = np.arange(2_000_000)
    for call in (lambda keys: counting.add_many(s, keys), s.estimate_many):
        ran = []
        go = threading.Event()
        thread = threading.Thread(target=lambda go=go, ran=ran: go.wait() and ran.append(True))
        thread.start()
        before = sys.getswitchinterval()
        sys.setswitchinterval(60)  # so that the thread can only run if the GIL is given up
        go.set()
        call(keys)
        in_time = bool(ran)
        sys.setswitchinterval(before)
        thread.join()
        assert in_time
