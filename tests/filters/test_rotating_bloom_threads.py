"""RotatingBloomFilter under many threads: exactly one is told that a key is new."""

import threading

import numpy as np
import pytest

import fastblocks
from tests.filters.clock import Clock
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_every_key_is_new_to_exactly_one_thread():
    n = 20_000
    f = fastblocks.RotatingBloomFilter(n, 1e-7, 3600)
    news = []

    def adder(i):
        keys = np.random.default_rng(i).permutation(n)
        answers = np.zeros(n, np.uint8)
        news.append(answers)

        def run():
            for part in np.array_split(keys, 30 if i % 2 else 300):  # some without the GIL
                if i < 2:
                    for key in part.tolist():
                        answers[key] = f.add(key)
                else:
                    answers[part] = f.add_many(part)

        return run

    run_together(*(adder(i) for i in range(THREADS)))
    assert (sum(news) == 1).all()
    assert f.contains_many(np.arange(n)).all()


def test_lookups_never_miss_a_key_of_the_window_while_writers_rotate():
    """Keys that come again every 2.5 s are found, if a call ends before the window does."""
    clock = Clock()
    step, window = 2_500_000_000, 10 * 10**9
    f = fastblocks.RotatingBloomFilter(50_000, 1e-4, window / 10**9, 3, timer=clock)
    kept = np.arange(2000)
    f.update(kept)
    stop = threading.Event()
    looked = []

    def write():
        for i in range(150):
            clock.ns += step
            f.add_many(kept) if i % 2 else [f.add(key) for key in kept.tolist()]
            f.add_many(np.arange(i * 3000, (i + 1) * 3000))
        stop.set()

    def read():
        while not stop.is_set():
            for look in (
                lambda: f.contains_many(kept).all(),
                lambda: all(key in f for key in range(50)),
                lambda: f.copy().contains_many(kept[:50]).all(),
                lambda: f.approx_len() > 0,
            ):
                start = clock.ns
                found = look()
                took = clock.ns - start  # every key was added later than start - 2 * step
                looked.append(took <= window - 2 * step)
                assert found or not looked[-1]

    run_together(write, read, read)
    assert any(looked)
    assert f.contains_many(kept).all()


def test_everything_at_once():
    """Nothing hangs or breaks; what was added last is there."""
    clock = Clock()
    filters = [fastblocks.RotatingBloomFilter(5000, 1e-3, 10, timer=clock) for _ in range(2)]
    keys = np.arange(1000)

    def work(i):
        def run():
            mine, other = filters[i % 2], filters[1 - i % 2]
            for step in range(40):
                mine.add_many(keys + i)
                mine.merge(other)
                other.update(keys[:20])
                mine.add(step)
                mine |= mine | other
                twin = fastblocks.RotatingBloomFilter.from_bytes(mine.to_bytes(), timer=clock)
                assert twin.fill_ratio <= 1.0
                if i == 0:
                    clock.ns += 3_000_000_000
                if i == 1 and step % 10 == 0:
                    mine.clear()

        return run

    run_together(*(work(i) for i in range(THREADS)))
    for f in filters:
        f.update(keys)
        assert f.contains_many(keys).all()
