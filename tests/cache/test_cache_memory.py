"""Memory that runs out: an operation is done or not, and the cache is whole."""

import copy

import pytest

import fastblocks
from tests.cache.conftest import SECOND

testcapi = pytest.importorskip("_testcapi")

N = 300
TAGS = ("x", "y", "z")


def make(policy, weighted, clock, told):
    """A full cache with entries that have tags, and some that are dead."""
    cache = fastblocks.Cache(
        N * 3 if weighted else N,
        policy=policy,
        weigher=(lambda key, value: 3) if weighted else None,
        on_remove=lambda *event: told.append(event),
        timer=clock,
        seed=1,
    )
    for key in range(N):  # numbers of slots for which ints have to be made
        cache.set(key, str(key), ttl=1 if key % 7 == 0 else None, tags=TAGS[: key % 3])
    clock.ns += 2 * SECOND
    return cache


def state(cache):
    """What can be seen of a cache, without changing it: entries, tags, bound."""
    by_tag = {}
    for tag in TAGS:
        without = copy.copy(cache)
        n = without.invalidate_tag(tag)
        by_tag[tag] = set(cache) - set(without)
        assert len(by_tag[tag]) == n
    return dict(cache.items()), by_tag, cache.maxsize


def odd(key, value):
    return key % 2  # no lambda: CPython 3.12 may crash if there is no memory to make one


CALLS = {
    "get": lambda c: c.get(1),
    "get dead": lambda c: c.get(294),
    "set": lambda c: c.set("new", 1),
    "set with tags": lambda c: c.set("new", 1, tags=("x", "z")),
    "replace": lambda c: c.set(296, 1),
    "replace with tags": lambda c: c.set(296, 1, tags=("y", "z")),
    "replace dead": lambda c: c.set(294, 1, tags=("y", "z")),
    "ttl": lambda c: c.set("new", 1, ttl=5, tags=("x",)),
    "setdefault": lambda c: c.setdefault("new", 1),
    "pop": lambda c: c.pop(296),
    "popitem": lambda c: c.popitem(),
    "resize": lambda c: c.resize(200),
    "invalidate_tag": lambda c: c.invalidate_tag("y"),
    "invalidate_where": lambda c: c.invalidate_where(odd),
    "expire": lambda c: c.expire(),
    "clear": lambda c: c.clear(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("policy", ["w-tinylfu", "lru"])
def test_no_memory_at_any_place(policy, weighted, call, clock, monkeypatch):
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: unraisable.append(args.exc_type))
    told = []
    failures = 0
    before, done = [], []
    for place in (None, *range(40)):
        clock.ns = 5 * SECOND
        cache = make(policy, weighted, clock, told)
        if place is None:
            before = state(copy.copy(cache))
        unraisable.clear()
        told.clear()
        if place is not None:
            testcapi.set_nomemory(place, place + 1)
        failed = False
        try:
            call(cache)
        except MemoryError:
            failed = True
        finally:
            testcapi.remove_mem_hooks()
        gone = [key for key, _, cause in told if cause != "replaced"]
        after = state(cache)
        if place is None:
            done = after
        if failed:
            failures += 1
            assert after in (before, done), place
        else:
            assert after == done, place
        assert len(after[0]) == len(cache) <= cache.maxsize
        assert cache.currsize == len(cache) * (3 if weighted else 1) <= cache.maxsize
        if not unraisable:
            assert len(gone) == len(set(gone))
            assert {*gone, *after[0]} >= {key for key in range(N) if key % 7}
        for tag in TAGS:
            cache.invalidate_tag(tag)
        cache.update(dict.fromkeys(range(1000, 2000), 1))
        assert all(cache.invalidate_tag(tag) == 0 for tag in TAGS)
        cache.clear()
    assert failures > 0


def test_no_memory_for_the_victims_of_a_heavy_entry():
    """It is not taken in; what it has driven out so far is gone."""
    failures = 0
    for place in range(40):
        cache = fastblocks.Cache(300, policy="lru", weigher=lambda key, value: value)
        for key in range(300):
            cache.set(key, 1, tags=["x"])
        testcapi.set_nomemory(place, place + 1)
        try:
            cache.set(0, 250, tags=["y"])
        except MemoryError:
            testcapi.remove_mem_hooks()
            failures += 1
            assert cache.peek(0) in (None, 1)
            assert cache.invalidate_tag("y") == 0
        else:
            testcapi.remove_mem_hooks()
            assert cache.invalidate_tag("y") == 1
        assert cache.currsize <= 300
        before = len(cache)
        assert cache.invalidate_tag("x") == before
        cache.clear()
    assert failures > 2
