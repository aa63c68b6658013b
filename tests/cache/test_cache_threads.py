"""Many threads on one cache."""

import random
import threading

import pytest

import fastblocks.pure
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def rounds(impl, n):
    return n // 10 if impl is fastblocks.pure else n


def test_every_request_and_removal_is_counted(impl, policy):
    lock, removed, writes = threading.Lock(), [0], []

    def on_remove(key, value, cause):
        assert value[0] == key
        with lock:
            removed[0] += 1

    cache = impl.Cache(50, policy=policy, on_remove=on_remove)
    n = rounds(impl, 4000)

    def work(seed):
        def run():
            rng, written = random.Random(seed), 0
            for i in range(n):
                key = int(rng.paretovariate(0.5)) % 300
                value = cache.get(key)
                assert value is None or value[0] == key
                if value is None or i % 5 == 0:
                    cache[key] = (key, seed, i)
                    written += 1
                if i % 11 == 0:
                    cache.pop(key, None)
            writes.append(written)

        return run

    run_together(*(work(seed) for seed in range(THREADS)))
    assert sum(writes) == removed[0] + len(cache)
    assert len(cache) == len(list(cache)) <= 50
    assert cache.stats().requests == THREADS * n


def test_everything_at_once(impl, policy):
    """No operation breaks another; weights, tags and times stay true."""
    cache = impl.Cache(200, policy=policy, weigher=lambda key, value: value % 9, tti=1e-4)
    n = rounds(impl, 600)

    def work(seed):
        def run():
            rng = random.Random(seed)
            calls = [
                lambda key: cache.set(key, key, ttl=rng.choice([None, 1e-6, 1.0]), tags=[key % 3]),
                lambda key: cache.setdefault(key, key),
                lambda key: cache.get_or_load(key, lambda key: key),
                lambda key: cache.get_many(range(key, key + 5)),
                lambda key: cache.set_many({k: k for k in range(key, key + 5)}),
                lambda key: cache.invalidate_tag(key % 3),
                lambda key: cache.pop(key, None),
                lambda key: cache.resize(100 + key),
                lambda key: cache.peek(key),
                lambda key: (len(cache), cache.currsize, cache.expire()),
                lambda key: cache.stats(),
            ]
            for _ in range(n):
                rng.choice(calls)(rng.randrange(100))
                try:
                    for key, value in cache.items():
                        assert key == value
                except RuntimeError as error:
                    assert "changed size during iteration" in str(error)  # noqa: PT017
                if rng.random() < 0.02:
                    cache.clear()

        return run

    run_together(*(work(seed) for seed in range(4)))
    cache.clear()
    assert len(cache) == cache.currsize == 0


def test_setdefault_has_one_winner(impl):
    cache = impl.Cache(5)
    n = rounds(impl, 200)
    got = [[] for _ in range(n)]

    def work(i):
        def run():
            for key in range(n):
                got[key].append(cache.setdefault(key, i))

        return run

    cache.resize(n)
    run_together(*(work(i) for i in range(THREADS)))
    assert [set(values) for values in got] == [{cache[key]} for key in range(n)]


def test_one_load_for_all(impl):
    cache = impl.Cache(5)
    calls, got = [], []
    begun = threading.Event()

    def load(key):
        calls.append(key)
        begun.wait(0.02)
        return object()

    run_together(*(lambda: got.append(cache.get_or_load("a", load)) for _ in range(16)))
    assert calls == ["a"]
    assert set(got) == {cache["a"]}


def test_popitem_gives_each_once(impl, policy):
    cache = impl.Cache(1000, policy=policy)
    cache.update({n: n for n in range(1000)})
    got = []

    def work():
        got.extend(cache.popitem() for _ in range(250))

    run_together(*[work] * 4)
    assert sorted(got) == [(n, n) for n in range(1000)]
