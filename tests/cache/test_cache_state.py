"""Pickles and copies."""

import copy
import pickle
import time

import pytest

from tests.cache.conftest import SECOND
from tests.filters.clock import Clock

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda cache, protocol=protocol: pickle.loads(
            pickle.dumps(cache, protocol)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
CLOCK = Clock()  # by reference in pickles, as functions are


def tick():
    return CLOCK()


def weigh(key, value):
    return len(value)


def ignore(key, value, cause):
    pass


@pytest.fixture(params=WAYS)
def again(request):
    return WAYS[request.param]


def test_parameters_and_entries(impl, policy, again):
    cache = impl.Cache(
        20,
        policy=policy,
        ttl=50,
        tti=40.5,
        weigher=weigh,
        on_remove=ignore,
        timer=time.monotonic,
        refresh_after=3,
        early_refresh=0.5,
        seed=11,
    )
    for n in range(30):
        cache.set(n, "x" * (n % 4), tags=[n % 2])
    other = again(cache)
    assert type(other) is type(cache)
    assert other == cache
    assert other.currsize == cache.currsize
    for name in ("maxsize", "policy", "ttl", "tti", "weigher", "on_remove", "timer", "seed"):
        assert getattr(other, name) == getattr(cache, name)
    assert repr(other) == repr(cache)
    assert other.stats() == impl.CacheStats()
    assert other.invalidate_tag(0) == cache.invalidate_tag(0)
    other["new"] = "y" * 20
    assert other == {"new": "y" * 20} or other.currsize == 20
    assert "new" not in cache


def test_the_order_of_an_lru(impl, again):
    cache = impl.Cache(20, policy="lru")
    for n in range(15):
        cache[n] = n
    for n in range(0, 15, 2):
        cache.get(n)
    other = again(cache)
    assert [other.popitem() for _ in range(15)] == [cache.popitem() for _ in range(15)]


def test_nothing_is_evicted_on_the_way(impl, policy, again):
    for size in (1, 2, 3, 40):
        cache = impl.Cache(size, policy=policy)
        for n in range(200):
            cache.setdefault(n * n % 997)
        assert len(again(cache)) == size
        assert again(cache) == cache


def test_lives_go_on(impl, again):
    CLOCK.ns = 1000 * SECOND
    cache = impl.Cache(20, ttl=10, tti=5, timer=tick)
    cache["a"] = 1
    cache.set("b", 2, ttl=100)
    CLOCK.ns += 3 * SECOND
    cache.get("b")
    other = again(cache)
    CLOCK.ns += 2 * SECOND - 1
    assert set(other) == set(cache) == {"a", "b"}
    CLOCK.ns += 1
    assert set(other) == set(cache) == {"b"}
    CLOCK.ns += 3 * SECOND - 1
    assert other["b"] == 2
    CLOCK.ns += 1
    assert cache.get("b") is None
    other = again(other)
    CLOCK.ns += 5 * SECOND - 1
    assert other.get("b") is None


def test_lives_are_what_is_left(impl):
    """The clock of another process shows another time."""
    CLOCK.ns = 1000 * SECOND
    cache = impl.Cache(20, ttl=10, timer=tick)
    cache["a"] = 1
    CLOCK.ns += 4 * SECOND
    data = pickle.dumps(cache)
    CLOCK.ns = -77 * SECOND
    other = pickle.loads(data)
    CLOCK.ns += 6 * SECOND - 1
    assert other["a"] == 1
    CLOCK.ns += 1
    assert "a" not in other


def test_without_times_there_is_no_clock(impl, again):
    def timer():
        raise AssertionError

    cache = impl.Cache(20)
    cache["a"] = 1
    assert again(cache) == cache
    cache = copy.copy(impl.Cache(20, timer=timer))
    cache["a"] = 1
    assert cache["a"] == 1


def test_the_dead_are_not_copied(impl, again):
    CLOCK.ns = 0
    cache = impl.Cache(20, timer=tick)
    cache.set("a", 1, ttl=1)
    cache["b"] = 2
    CLOCK.ns += SECOND
    assert dict(again(cache).items()) == {"b": 2}


def test_copies_are_apart(impl):
    value = [1]
    cache = impl.Cache(5)
    cache["a"] = value
    assert copy.copy(cache)["a"] is value
    deep = copy.deepcopy(cache)
    assert deep["a"] == value
    assert deep["a"] is not value
    deep["b"] = 1
    assert "b" not in cache


def test_an_executor_is_not_pickled(impl):
    class Executor:
        def submit(self):
            pass

        def __reduce__(self):
            raise TypeError

    cache = impl.Cache(5, executor=Executor())
    assert copy.copy(cache).executor is cache.executor
    assert copy.deepcopy(cache).executor is cache.executor
    assert pickle.loads(pickle.dumps(cache)).executor is None


def test_functions_are_not_copied(impl):
    clock = Clock()
    cache = impl.Cache(5, ttl=5, timer=clock)
    assert copy.deepcopy(cache).timer is clock


def test_a_cache_that_holds_itself(impl, again):
    cache = impl.Cache(5)
    cache["self"] = cache
    cache["list"] = [cache]
    other = again(cache)
    if again is WAYS["copy"]:
        assert other["self"] is cache
    else:
        assert other["self"] is other
        assert other["list"][0] is other


class Sub:
    """Made a subclass of each implementation's cache below, so that pickles find it."""


def test_subclasses(impl, again):
    cls = type("Sub", (impl.Cache,), {"__init__": lambda self: impl.Cache.__init__(self, 7)})
    cls.__module__ = __name__
    globals()["Sub"] = cls
    cache = cls()
    cache["a"] = 1
    cache.note = ["n"]
    other = again(cache)
    assert type(other) is cls
    assert other.note == ["n"]
    assert other.maxsize == 7
    assert other == {"a": 1}
    other.more = 1
    assert not hasattr(cache, "more")


def test_what_cannot_be_pickled(impl):
    cache = impl.Cache(5, weigher=lambda key, value: 1)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(cache)
