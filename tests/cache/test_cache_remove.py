"""Being told what goes, and making things go: causes, tags, predicates."""

import gc
import sys

import pytest

from tests.cache.conftest import SECOND


def test_causes(impl, policy, clock, events, on_remove):
    cache = impl.Cache(2, policy=policy, on_remove=on_remove, timer=clock)
    cache["a"] = 1
    cache["a"] = 2
    cache.set("a", 3, tags=["x"])
    cache.update(a=4)
    cache.set_many([("a", 5)], tags=["x"])
    assert events == [("a", n, "replaced") for n in range(1, 5)]
    events.clear()
    del cache["a"]
    cache["a"] = 1
    cache.pop("a")
    cache["a"] = 2
    cache.popitem()
    cache["a"] = 3
    cache.clear()
    cache.set("a", 4, tags=["x"])
    cache.invalidate_tag("x")
    cache["a"] = 5
    cache.invalidate_where(lambda key, value: True)
    assert events == [("a", n, "explicit") for n in (5, *range(1, 6))]
    events.clear()
    cache.update(a=1, b=2, c=3)
    assert len(events) == 1
    assert events[0][2] == "size"
    cache.clear()
    events.clear()
    cache.set("a", 1, ttl=1)
    clock.ns += SECOND
    cache.expire()
    assert events == [("a", 1, "expired")]
    events.clear()
    cache["a"] = 1
    assert cache.get_or_load("b", lambda key: 2) == 2
    assert events == []


def test_the_key_that_is_told_is_the_first(impl, events, on_remove):
    cache = impl.Cache(5, on_remove=on_remove)
    cache[1] = "a"
    cache[1.0] = "b"
    cache.pop(True)
    assert [type(key) for key, _, _ in events] == [int, int]


def test_it_is_told_after_the_operation(impl):
    seen = []

    def on_remove(key, value, cause):
        seen.append((key, cause, dict(cache.items())))

    cache = impl.Cache(1, on_remove=on_remove)
    cache["a"] = 1
    cache["a"] = 2
    cache["b"] = 3
    cache.pop("b")
    assert seen == [
        ("a", "replaced", {"a": 2}),
        ("a", "size", {"b": 3}),
        ("b", "explicit", {}),
    ]


@pytest.mark.parametrize(
    ("call", "left", "maxsize"),
    [
        (lambda c: c.popitem(), "bc", 10),
        (lambda c: c.resize(1), "c", 1),
        (lambda c: c.invalidate_tag("x"), "c", 10),
        (lambda c: c.invalidate_where(lambda key, value: key in "ab"), "c", 10),
        (lambda c: c.clear(), "", 10),
        (lambda c: c.expire(), "abc", 10),
        (lambda c: c.currsize, "abc", 10),
        (lambda c: c.set("f", 1), "abcf", 10),
        (lambda c: c.set("a", 2), "abc", 10),
        (lambda c: c.setdefault("f", 2), "abcf", 10),
        (lambda c: c.pop("d", None), "abc", 10),
        (lambda c: c.get("d"), "abc", 10),
    ],
)
def test_it_is_told_after_the_whole_operation(impl, clock, call, left, maxsize):
    """Of the dead that the operation met, too."""
    seen = []

    def on_remove(key, value, cause):
        seen.append((key, set(cache), cache.maxsize))
        cache.pop("c", None)

    cache = impl.Cache(10, policy="lru", on_remove=on_remove, timer=clock)
    cache.set_many({"d": 1, "e": 1}, ttl=1)
    cache.set_many({"a": 1, "b": 1}, tags=["x"])
    cache["c"] = 1
    clock.ns += 2 * SECOND
    call(cache)
    assert seen[0][1:] == (set(left), maxsize)
    assert {size for _, _, size in seen} == {maxsize}
    assert set(cache) == set(left) - {"c"}


def test_it_may_use_the_cache(impl, policy):
    """Those that were evicted go to where they are read again, and drive out others."""
    events = []

    def on_remove(key, value, cause):
        events.append((key, cause))
        if cause == "size" and value < 3:
            cache[key] = value + 1

    cache = impl.Cache(5, policy=policy, on_remove=on_remove, seed=1)
    for n in range(30):
        cache[n] = 0
        assert len(cache) <= 5
    assert len({key for key, _ in events}) >= 25
    assert cache.stats().evictions == len([cause for _, cause in events if cause == "size"])


def test_what_it_raises_goes_to_the_hook(impl, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: raised.append(args.exc_value))

    def on_remove(key, value, cause):
        raise LookupError(key, cause)

    cache = impl.Cache(3, on_remove=on_remove)
    cache.update(a=1, b=2, c=3)
    cache["a"] = 2
    assert cache.pop("b") == 2
    cache.clear()
    gc.collect()
    told = sorted(error.args for error in raised)
    assert [type(error) for error in raised] == [LookupError] * 4
    assert told == [("a", "explicit"), ("a", "replaced"), ("b", "explicit"), ("c", "explicit")]
    assert len(cache) == 0


def test_it_is_told_even_if_the_operation_raises(impl, clock, events, on_remove):
    cache = impl.Cache(3, ttl=1, timer=clock, on_remove=on_remove)
    cache["a"] = 1
    clock.ns += SECOND
    with pytest.raises(KeyError):
        cache["a"]
    assert events == [("a", 1, "expired")]


# ---- tags ------------------------------------------------------------------------------------


def test_tags(impl, policy):
    cache = impl.Cache(100, policy=policy)
    for n in range(30):
        cache.set(n, n, tags=("all", f"mod{n % 3}", n // 10))
    assert cache.invalidate_tag("mod1") == 10
    assert cache.invalidate_tag("mod1") == 0
    assert cache.invalidate_tag(2) == 7
    assert cache.invalidate_tag(b"all") == cache.invalidate_tag("none") == 0
    assert set(cache) == {n for n in range(20) if n % 3 != 1}
    assert cache.invalidate_tag("all") == 13
    assert len(cache) == 0


def test_tags_are_replaced_with_the_value(impl):
    cache = impl.Cache(10)
    cache.set("a", 1, tags=["x", "y", "x"])
    cache.set("a", 2, tags=["y", "z"])
    assert cache.invalidate_tag("x") == 0
    cache["a"] = 3
    assert cache.invalidate_tag("y") == cache.invalidate_tag("z") == 0
    cache.set("a", 4, tags=iter(["x"]))
    cache.setdefault("a", 5)
    assert cache.invalidate_tag("x") == 1


def test_tags_go_with_the_entry(impl, policy, clock):
    cache = impl.Cache(5, policy=policy, timer=clock, seed=1)
    removals = [
        lambda: cache.pop("a"),
        lambda: cache.popitem(),
        lambda: cache.clear(),
        lambda: cache.resize(1) or cache.update(b=1, c=2) or cache.resize(5) or cache.clear(),
        lambda: cache.invalidate_tag("y"),
        lambda: cache.invalidate_where(lambda key, value: True),
    ]
    for remove in removals:
        cache.set("a", 1, tags=["x", "y"])
        remove()
        assert "a" not in cache
        cache["a"] = 2
        assert cache.invalidate_tag("x") == 0
        cache.clear()
    cache.set("a", 1, ttl=1, tags=["x"])
    clock.ns += SECOND
    cache["a"] = 2
    assert cache.invalidate_tag("x") == 0


def test_tags_of_the_evicted_do_not_stay(impl, policy):
    class Tagged:
        pass

    cache = impl.Cache(10, policy=policy)
    before = None
    for n in range(4000):
        cache.set(n, n, tags=[f"tag {n}"])
        if n == 1000:
            gc.collect()
            before = sys.getallocatedblocks()
    gc.collect()
    assert sys.getallocatedblocks() - before < 3000
    assert sum(cache.invalidate_tag(f"tag {n}") for n in range(4000)) == 10


# ---- predicates ------------------------------------------------------------------------------


def test_invalidate_where(impl, policy, events, on_remove):
    cache = impl.Cache(100, policy=policy, on_remove=on_remove)
    cache.update({n: n * n for n in range(20)})
    assert cache.invalidate_where(lambda key, value: value % 2) == 10
    assert set(cache) == set(range(0, 20, 2))
    assert {cause for _, _, cause in events} == {"explicit"}
    assert cache.invalidate_where(lambda key, value: False) == 0
    assert cache.stats().requests == 0


def test_a_predicate_may_change_the_cache(impl):
    cache = impl.Cache(100)
    cache.update({n: [n] for n in range(10)})

    def predicate(key, value):
        if key == 5:
            cache[6] = "other"
            cache.pop(7)
            cache["new"] = 1
        return True

    assert cache.invalidate_where(predicate) in (8, 9, 10)  # 6 or 7 may have been seen before 5
    assert dict(cache.items()) in ({"new": 1, 6: "other"}, {"new": 1})


def test_a_predicate_that_raises_removes_nothing(impl):
    cache = impl.Cache(100)
    cache.update({n: n for n in range(10)})
    with pytest.raises(ZeroDivisionError):
        cache.invalidate_where(lambda key, value: 1 / (value - 9))
    assert len(cache) == 10
