"""TopK under many threads: nothing lost, nothing torn, with the GIL and without."""

import contextlib
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_counts_of_every_kind_at_once_are_exact():
    """With room for all keys every count is exact, whoever came in between."""
    rounds, keys = 40, np.tile(np.arange(400), 3)
    hot = fastblocks.TopK(1000)
    expected = fastblocks.TopK(1000)

    def adder(i):
        if i % 4 == 0:
            return lambda: [hot.add_many(keys) for _ in range(rounds)]  # without the GIL
        if i % 4 == 1:
            return lambda: [hot.add(key) for _ in range(rounds) for key in keys.tolist()]
        if i % 4 == 2:
            parts = np.array_split(keys, 30)
            return lambda: [hot.add_many(part.tolist()) for _ in range(rounds) for part in parts]
        other = fastblocks.TopK(1000)
        other.add_many(keys)
        return lambda: [hot.merge(other) for _ in range(rounds)]

    run_together(*(adder(i) for i in range(THREADS)))
    expected.add_many(keys, THREADS * rounds)
    assert hot == expected


@pytest.mark.parametrize("decay", [None, 1e-3])
def test_readers_see_whole_states(decay):
    """While keys come and go, a reader finds keys that go with their counters."""
    hot = fastblocks.TopK(50, decay)
    stop = threading.Event()

    def write(seed):
        rng = np.random.default_rng(seed)
        for i in range(60):
            hot.add_many(rng.zipf(1.2, 2000) % 100_000, 2)
            for key in rng.integers(0, 50, 100).tolist():
                hot.add(f"key {key}")
            hot.add_many([f"text {key}" for key in rng.integers(0, 400, 600)])
            if i % 20 == 19:
                hot.clear()
        stop.set()

    def read():
        while not stop.is_set():
            hits = hot.top()
            assert len({hit.key for hit in hits}) == len(hits) <= 50
            assert all(0 <= hit.error <= hit.count for hit in hits)
            assert hot.estimate_many(np.arange(1000)).shape == (1000,)
            assert fastblocks.TopK.from_bytes(hot.to_bytes()).k == 50
            assert hot.copy().k == 50
            assert hot.nbytes > 0
            assert 0 <= len(hot) <= 50
            assert (5 in hot) in (True, False)
            assert hot.estimate("key 5") >= 0
            assert hot.total >= 0

    run_together(lambda: write(1), lambda: write(2), read, read)


def test_opposite_merges_do_not_deadlock():
    a, b = fastblocks.TopK(30), fastblocks.TopK(30)
    a.add_many(range(100))
    b.add_many(range(50, 150))

    def merge(x, y):
        for _ in range(20):
            x.merge(y)
            assert x == x

    run_together(lambda: merge(a, b), lambda: merge(b, a))
    assert a.top()


def test_list_that_changes_meanwhile():
    """Keys are those that were hashed, whatever becomes of the list and of mutable keys in it."""
    keys = [bytearray(b"key %d" % (i % 100)) for i in range(2000)]
    hot = fastblocks.TopK(100)
    stop = threading.Event()

    def count():
        for _ in range(50):
            hot.add_many(keys)
        stop.set()

    def scribble():
        while not stop.is_set():
            for key in keys[:50]:
                key[0] ^= 1
            keys[0], keys[-1] = keys[-1], keys[0]

    run_together(count, scribble)
    assert hot.total == 100_000
    assert fastblocks.TopK.from_bytes(hot.to_bytes()) == hot
    allowed = {b"key %d" % i for i in range(100)} | {b"jey %d" % i for i in range(100)}
    assert {hit.key for hit in hot.top()} <= allowed


def test_array_that_changes_meanwhile():
    """Who writes to an array that is being read gets an error, not a broken summary."""
    hot = fastblocks.TopK(50)
    keys = np.arange(200_000)
    stop = threading.Event()

    def count():
        for _ in range(10):
            with contextlib.suppress(RuntimeError):
                hot.add_many(keys)
        stop.set()

    def scribble():
        rng = np.random.default_rng(0)
        while not stop.is_set():
            keys[:] = rng.permutation(keys)

    run_together(count, scribble)
    assert fastblocks.TopK.from_bytes(hot.to_bytes()) == hot
    hot.add_many(range(1000))
    assert len(hot.top()) == 50
