"""Loading what is not there, as the cache sees it."""

import asyncio

import pytest

from tests.cache.conftest import SECOND


def test_loads_once_and_keeps(impl, policy):
    cache = impl.Cache(10, policy=policy)
    calls = []

    def load(key):
        calls.append(key)
        return key.upper()

    assert cache.get_or_load("a", load) == "A"
    assert cache.get_or_load("a", load) == "A"
    assert cache["a"] == "A"
    assert calls == ["a"]
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.loads, stats.load_errors) == (2, 1, 1, 0)


def test_a_load_is_timed_by_the_clock(impl, clock):
    cache = impl.Cache(10, timer=clock)

    def load(key):
        clock.ns += 3 * SECOND // 2
        return key

    cache.get_or_load("a", load)
    cache.get_or_load("b", load)
    assert cache.stats().load_seconds == 3.0


def test_errors_are_not_kept(impl):
    cache = impl.Cache(10)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.get_or_load("a", lambda key: 1 / 0)
    assert len(cache) == 0
    assert cache.stats().load_errors == 2
    assert cache.get_or_load("a", lambda key: None) is None
    assert "a" in cache


def test_a_weigher_that_refuses_what_was_loaded(impl):
    cache = impl.Cache(10, weigher=lambda key, value: value)
    with pytest.raises(ValueError, match="weight 11 does not fit"):
        cache.get_or_load("a", lambda key: 11)
    assert len(cache) == 0
    assert cache.get_or_load("a", lambda key: 10) == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.set("a", "new"),
        lambda c: c.update(a="new"),
        lambda c: c.pop("a", None),
        lambda c: c.clear(),
        lambda c: c.invalidate_where(lambda key, value: False),
        lambda c: (c.set("a", "new"), c.popitem()),
        lambda c: (c.set("a", "new", tags=["x"]), c.invalidate_tag("x")),
    ],
)
def test_a_change_during_the_load_wins(impl, change):
    cache = impl.Cache(10)

    def load(key):
        change(cache)
        return "loaded"

    assert cache.get_or_load("a", load) == "loaded"
    assert cache.get("a") in ("new", None)


def test_other_changes_during_the_load_do_not_matter(impl):
    cache = impl.Cache(10)

    def load(key):
        cache["b"] = 1
        cache.pop("b")
        cache.pop("c", None)
        cache.invalidate_tag("x")
        cache.resize(5)
        return "loaded"

    assert cache.get_or_load("a", load) == "loaded"
    assert cache["a"] == "loaded"


def test_a_loader_may_load_other_keys(impl):
    cache = impl.Cache(100)

    def fibonacci(n):
        if n < 2:
            return n
        return cache.get_or_load(n - 1, fibonacci) + cache.get_or_load(n - 2, fibonacci)

    assert cache.get_or_load(30, fibonacci) == 832040
    assert cache.stats().loads == 31
    with pytest.raises(RuntimeError):
        cache.get_or_load("a", lambda key: cache.get_or_load(key, len))


def test_loads_have_the_times_of_the_cache(impl, clock):
    cache = impl.Cache(10, ttl=2, timer=clock)
    assert cache.get_or_load("a", lambda key: 1) == 1
    clock.ns += 2 * SECOND - 1
    assert cache.get_or_load("a", lambda key: 2) == 1
    clock.ns += 1
    assert cache.get_or_load("a", lambda key: 2) == 2


def test_tasks(impl):
    cache = impl.Cache(10)
    calls = []

    async def load(key):
        calls.append(key)
        await asyncio.sleep(0)
        return key.upper()

    async def main():
        found = await asyncio.gather(*(cache.get_or_load_async("a", load) for _ in range(20)))
        assert found == ["A"] * 20
        assert await cache.get_or_load_async("a", load) == "A"
        with pytest.raises(TypeError, match="loader must be a function, not int"):
            await cache.get_or_load_async("a", 5)

    asyncio.run(main())
    assert calls == ["a"]
    assert cache["a"] == "A"
    assert cache.stats()[:3] == (2, 20, 1)


def test_a_task_refreshes(impl, clock):
    cache = impl.Cache(10, timer=clock, refresh_after=2)
    cache["a"] = 1

    async def load(key):
        return 2

    async def main():
        clock.ns += 2 * SECOND
        assert await cache.get_or_load_async("a", load) == 1
        for _ in range(5):
            await asyncio.sleep(0)
        assert await cache.get_or_load_async("a", load) == 2

    asyncio.run(main())
