"""Times: to live, to idle, of refreshing; nothing that is dead is ever seen."""

import math
import random

import pytest

from tests.cache.conftest import SECOND

TICK = 2**20  # ns


def test_a_time_to_live_ends_exactly(impl, policy, clock, events, on_remove):
    cache = impl.Cache(10, ttl=2, timer=clock, policy=policy, on_remove=on_remove)
    cache["a"] = 1
    clock.ns += 2 * SECOND - 1
    assert cache.get("a") == cache["a"] == cache.peek("a") == 1
    assert "a" in cache
    assert list(cache.items()) == [("a", 1)]
    clock.ns += 1
    assert "a" not in cache
    assert cache.peek("a") is None
    for view in (cache, cache.items(), cache.values()):
        assert next(iter(view), None) is None
    assert events == []  # looking removes nothing
    assert cache.get("a") is None
    assert events == [("a", 1, "expired")]
    assert cache == {}
    with pytest.raises(KeyError):
        cache["a"]
    assert cache.stats() == (2, 2, 0, 0, 0.0, 0, 1)


def test_setting_renews_and_getting_does_not(impl, clock):
    cache = impl.Cache(10, ttl=2, timer=clock)
    cache["a"] = 1
    clock.ns += SECOND
    cache["a"] = 2
    clock.ns += SECOND
    assert cache.get("a") == 2
    assert cache.setdefault("a", 3) == 2
    clock.ns += SECOND
    assert cache.get("a") is None


def test_a_time_to_idle(impl, clock):
    cache = impl.Cache(10, tti=2, timer=clock)
    accesses = [
        lambda: cache["a"],
        lambda: cache.get("a"),
        lambda: cache.setdefault("a", 9),
        lambda: cache.get_many(["a"])["a"],
        lambda: cache.get_or_load("a", lambda key: 9),
    ]
    cache["a"] = 1
    for access in accesses:
        clock.ns += 2 * SECOND - 1
        assert access() == 1
    looks = [
        lambda: cache.peek("a"),
        lambda: "a" in cache,
        lambda: list(cache.items()),
        lambda: cache == {},
        lambda: len(cache),
        lambda: repr(cache),
    ]
    for _ in range(2):
        clock.ns += SECOND
        for look in looks:
            look()
    assert "a" not in cache


def test_both_times(impl, clock):
    cache = impl.Cache(10, ttl=3, tti=2, timer=clock)
    cache["a"] = cache["b"] = 1
    clock.ns += SECOND * 3 // 2
    assert cache["a"] == 1
    clock.ns += SECOND
    assert "b" not in cache
    assert cache["a"] == 1
    clock.ns += SECOND
    assert "a" not in cache


def test_a_time_of_its_own(impl, clock):
    cache = impl.Cache(10, ttl=2, timer=clock)
    cache.set("short", 1, ttl=1)
    cache.set("long", 1, ttl=5)
    cache.set("default", 1)
    cache.set_many({"x": 1, "y": 2}, ttl=3)
    gone = []
    for _ in range(5):
        clock.ns += SECOND
        gone.append({"short", "long", "default", "x", "y"} - set(cache) - set().union(*gone))
    assert gone == [{"short"}, {"default"}, {"x", "y"}, set(), {"long"}]
    cache.set("short", 1, ttl=1)
    cache["short"] = 2  # has the cache's again
    clock.ns += SECOND
    assert cache["short"] == 2


def test_a_time_of_its_own_in_a_cache_without(impl, clock):
    cache = impl.Cache(10, timer=clock)
    cache["old"] = 1
    cache.set("a", 1, ttl=1)
    clock.ns += SECOND
    assert "a" not in cache
    clock.ns += 10**6 * SECOND
    assert cache["old"] == 1
    cache.set("a", 1, ttl=1)
    cache["a"] = 2
    clock.ns += 10**6 * SECOND
    assert cache["a"] == 2


def test_len_counts_nothing_dead(impl, clock, events, on_remove):
    cache = impl.Cache(
        100, timer=clock, ttl=1, on_remove=on_remove, weigher=lambda key, value: value
    )
    cache.update(a=3, b=4)
    clock.ns += SECOND // 2
    cache["c"] = 5
    clock.ns += SECOND // 2
    assert cache.currsize == 5
    assert sorted(events) == [("a", 3, "expired"), ("b", 4, "expired")]
    assert len(cache) == 1
    clock.ns += SECOND
    assert cache.expire() == 1
    assert cache.expire() == 0
    assert cache.stats().expirations == 3


def test_the_dead_go_before_the_living(impl, policy, clock, events, on_remove):
    cache = impl.Cache(3, timer=clock, ttl=1, on_remove=on_remove, policy=policy)
    cache.set("keep", 0, ttl=10)
    cache.update(a=1, b=2)
    clock.ns += SECOND
    cache["c"] = 3
    assert sorted(events) == [("a", 1, "expired"), ("b", 2, "expired")]
    assert cache["keep"] == 0
    clock.ns += SECOND
    cache.resize(1)
    assert cache["keep"] == 0
    assert cache.stats().evictions == 0


def test_insertions_remove_the_dead_once_in_a_tick(impl, clock, events, on_remove):
    cache = impl.Cache(10, timer=clock, on_remove=on_remove)
    clock.ns = 1000 * TICK
    cache.set("a", 1, ttl=5e-9)
    clock.ns += 5
    cache["b"] = 2
    assert events == []
    clock.ns = 1001 * TICK - 1
    cache["b"] = 3
    assert events == [("b", 2, "replaced")]
    clock.ns = 1001 * TICK
    cache["c"] = 4
    assert events[1:] == [("a", 1, "expired")]


def test_setting_a_key_that_is_dead(impl, clock, events, on_remove):
    cache = impl.Cache(10, timer=clock, on_remove=on_remove)
    cache.set("a", 1, ttl=5e-9)
    clock.ns += 5
    cache["a"] = 2
    assert events == [("a", 1, "expired")]
    cache.set("a", 3, ttl=5e-9)
    clock.ns += 5
    assert cache.setdefault("a", 4) == 4
    assert events[1:] == [("a", 2, "replaced"), ("a", 3, "expired")]


def test_removing_a_key_that_is_dead(impl, clock, events, on_remove):
    cache = impl.Cache(10, timer=clock, ttl=1, on_remove=on_remove)
    for remove in (lambda: cache.pop("a"), lambda: cache.__delitem__("a"), cache.popitem):
        cache["a"] = 1
        clock.ns += SECOND
        with pytest.raises(KeyError):
            remove()
    cache["a"] = 1
    clock.ns += SECOND
    assert cache.pop("a", 5) == 5
    assert events == [("a", 1, "expired")] * 4
    cache.set("a", 1, tags=["x"])
    clock.ns += SECOND
    assert cache.invalidate_tag("x") == 0
    cache["a"] = 1
    clock.ns += SECOND
    assert cache.invalidate_where(lambda key, value: True) == 0


def test_a_clock_that_goes_back_removes_nothing(impl, clock, events, on_remove):
    cache = impl.Cache(10, timer=clock, ttl=10, tti=6, on_remove=on_remove)
    cache["a"] = 1
    clock.ns += SECOND
    assert len(cache) == 1
    clock.ns -= 3600 * SECOND
    assert cache["a"] == 1
    assert len(cache) == 1
    clock.ns += 3604 * SECOND
    assert cache["a"] == 1  # the access in between has not shortened its life
    clock.ns += 5 * SECOND
    assert len(cache) == 0
    assert events == [("a", 1, "expired")]


def test_times_that_end_beyond_the_clock(impl, clock):
    cache = impl.Cache(10, timer=clock, ttl=8.9e9, tti=8.9e9)
    for ns in (-int(8e18), 0, int(8.9e18)):
        clock.ns = ns
        cache["a"] = 1
        assert cache["a"] == 1
        assert len(cache) == 1


def test_the_clock_is_not_read_without_need(impl):
    calls = []

    def timer():
        calls.append(1)
        return 1.0

    cache = impl.Cache(3, timer=timer, policy="lru")
    cache.update({n: n for n in range(9)})
    cache.get(1)
    cache.setdefault(5, 6)
    cache.pop(8)
    cache.popitem()
    cache.invalidate_tag("x")
    assert len(cache) == len(list(cache)) == 1
    cache.expire()
    cache.clear()
    assert calls == []
    cache.set("a", 1, ttl=5)
    assert calls


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        ("now", TypeError, "timer must return seconds as a float, not str"),
        (None, TypeError, "timer must return seconds"),
        (math.nan, ValueError, "timer must return seconds in"),
        (math.inf, ValueError, "timer must return seconds in"),
        (10**30, ValueError, "timer must return seconds in"),
        (ZeroDivisionError(), ZeroDivisionError, None),
    ],
)
def test_a_timer_that_fails_changes_nothing(impl, told, error, message, events, on_remove):
    now = [1.0]

    def timer():
        if isinstance(now[0], Exception):
            raise now[0]
        return now[0]

    cache = impl.Cache(3, timer=timer, ttl=5, on_remove=on_remove)
    cache["a"] = 1
    now[0] = told
    for call in (
        lambda: cache.get("a"),
        lambda: cache.__setitem__("a", 2),
        lambda: cache.pop("a"),
        lambda: cache.setdefault("b"),
        cache.popitem,
        cache.expire,
        lambda: len(cache),
        lambda: "a" in cache,
        lambda: list(cache),
    ):
        with pytest.raises(error, match=message):
            call()
    with pytest.raises(error, match=message):
        impl.Cache(3, timer=timer, ttl=5)
    now[0] = 2.0
    assert list(cache.items()) == [("a", 1)]
    assert cache.stats().requests == 0
    assert events == []


def test_against_a_naive_model(impl, policy, clock):
    """With room for all: exactly those that are alive are there, whatever the lives."""
    rng = random.Random(5)
    cache = impl.Cache(10**6, timer=clock, tti=50, policy=policy)
    ends, idle = {}, {}

    def living():
        return {k for k in ends if clock.ns < min(ends[k], idle[k] + 50 * SECOND)}

    for _ in range(600):
        clock.ns += rng.choice([0, 1, 1000, TICK, 64 * TICK, SECOND, 5 * SECOND, 70 * SECOND])
        key = rng.randrange(40)
        if rng.random() < 0.5:
            life = 10 ** rng.uniform(-9, 2.5)
            cache.set(key, 1, ttl=life)
            ends[key], idle[key] = clock.ns + max(round(life * 1e9), 1), clock.ns
        elif rng.random() < 0.7:
            assert (cache.get(key) is not None) == (key in living())
            if key in living():
                idle[key] = clock.ns
        elif rng.random() < 0.5:
            assert len(cache) == len(living())
        assert set(cache) == living()


# ---- refreshing ------------------------------------------------------------------------------


class Later:
    """An executor that runs what it was given when it is told to."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, *args):
        self.jobs.append((function, args))

    def run(self):
        jobs, self.jobs = self.jobs, []
        for function, args in jobs:
            function(*args)
        return len(jobs)


def test_refresh_after(impl, clock):
    later = Later()
    cache = impl.Cache(10, timer=clock, refresh_after=2, executor=later)
    values = iter(range(10))

    def load(key):
        return next(values)

    assert cache.get_or_load("a", load) == 0
    clock.ns += 2 * SECOND - 1
    assert cache.get_or_load("a", load) == 0
    assert not later.jobs
    clock.ns += 1
    assert cache.get("a") == 0
    assert not later.jobs  # only who brings a loader can refresh
    assert cache.get_or_load("a", load) == 0
    assert cache.get_or_load("a", load) == 0
    assert later.run() == 1
    assert cache.get_or_load("a", load) == 1
    assert not later.jobs
    assert cache.stats().loads == 2


def test_a_refresh_that_fails_keeps_the_value(impl, clock, caplog):
    later = Later()
    cache = impl.Cache(10, timer=clock, refresh_after=2, executor=later)
    cache["a"] = 1
    clock.ns += 2 * SECOND
    assert cache.get_or_load("a", lambda key: 1 / 0) == 1
    assert later.run() == 1
    assert cache["a"] == 1
    assert cache.stats().load_errors == 1
    assert [record.name for record in caplog.records] == ["fastblocks.cache"]


def test_a_refresh_gives_way_to_a_change(impl, clock):
    later = Later()
    cache = impl.Cache(10, timer=clock, refresh_after=2, executor=later)
    for change, left in [
        (lambda: cache.set("a", 5), {"a": 5}),
        (lambda: cache.pop("a"), {}),
        (cache.popitem, {}),
        (cache.clear, {}),
        (lambda: cache.invalidate_tag("x"), {}),
        (lambda: cache.invalidate_where(lambda key, value: True), {}),
    ]:
        cache.set("a", 1, tags=["x"])
        clock.ns += 2 * SECOND
        assert cache.get_or_load("a", lambda key: 2) == 1
        change()
        assert later.run() == 1
        assert dict(cache.items()) == left
        cache.clear()


def test_a_refresh_keeps_the_tags(impl, clock):
    later = Later()
    cache = impl.Cache(10, timer=clock, refresh_after=2, executor=later)
    cache.set("a", 1, tags=["x"])
    clock.ns += 2 * SECOND
    cache.get_or_load("a", lambda key: 2)
    later.run()
    assert cache["a"] == 2
    assert cache.invalidate_tag("x") == 1


def test_early_refresh(impl, clock):
    """The likelier, the nearer the end; never for what took no time to load."""
    later = Later()

    def share(left, beta=1.0):
        cache = impl.Cache(10, timer=clock, ttl=100, early_refresh=beta, executor=later, seed=1)
        due = 0
        for _ in range(300):

            def load(key):
                clock.ns += SECOND
                return 1

            cache.get_or_load("a", load)
            clock.ns += int((100 - left) * SECOND)
            cache.get_or_load("a", load)
            due += len(later.jobs)
            later.run()
            cache.clear()
        return due / 300

    assert share(50) == 0.0  # e**-50
    assert abs(share(1.0) - math.exp(-1)) < 0.08
    assert abs(share(2.0) - math.exp(-2)) < 0.08
    assert abs(share(2.0, beta=4.0) - math.exp(-0.5)) < 0.08
    cache = impl.Cache(10, timer=clock, ttl=100, early_refresh=1e8, executor=later)
    cache["a"] = 1
    clock.ns += 100 * SECOND - 1
    assert cache.get_or_load("a", lambda key: 2) == 1
    assert not later.jobs
