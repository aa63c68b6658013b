"""Keys, values and functions that do what they should not: the cache stays whole."""

import contextlib
import copy
import gc
import random
import sys
import weakref

import pytest

import fastblocks


def check_whole(cache):
    """What the cache says of itself is of one piece."""
    pairs = list(cache.items())
    assert len(cache) == len(pairs) <= cache.maxsize
    assert {id(key) for key, _ in pairs} == {id(key) for key in cache}
    assert cache.currsize == len(pairs)


class Evil:
    """A key that does something when it is compared."""

    def __init__(self, name, hash=1):
        self.name = name
        self.hash = hash
        self.act = None

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        if self.act is not None:
            act, self.act = self.act, None
            act()
        return isinstance(other, Evil) and self.name == other.name

    def __repr__(self):
        return f"Evil({self.name!r})"


def fail():
    raise ZeroDivisionError


CALLS = [
    lambda c, key: c.get(key),
    lambda c, key: c[key],
    lambda c, key: c.peek(key),
    lambda c, key: key in c,
    lambda c, key: c.setdefault(key, 9),
    lambda c, key: c.__setitem__(key, 9),
    lambda c, key: c.set(key, 9, tags=["x"]),
    lambda c, key: c.pop(key),
    lambda c, key: c.__delitem__(key),
    lambda c, key: c.get_many([key]),
    lambda c, key: c.get_or_load(key, lambda key: 9),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_comparison_that_raises_changes_nothing(impl, policy, call):
    cache = impl.Cache(10, policy=policy)
    old = [Evil("a"), Evil("b"), Evil("c")]
    cache.update({key: key.name for key in old})
    for key in old:
        key.act = fail
        with pytest.raises(ZeroDivisionError):
            call(cache, Evil("new"))
        key.act = None
    assert {key.name: value for key, value in cache.items()} == {n: n for n in "abc"}
    assert cache.stats().requests == 0
    check_whole(cache)


@pytest.mark.parametrize("call", CALLS)
def test_a_hash_that_raises_changes_nothing(impl, call):
    cache = impl.Cache(10)
    cache["a"] = 1

    class Bad:
        def __hash__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(cache, Bad())
    assert dict(cache.items()) == {"a": 1}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "act",
    [
        lambda c, old: c.clear(),
        lambda c, old: c.popitem(),
        lambda c, old: c.pop(old),
        lambda c, old: c.set(old, 5),
        lambda c, old: c.set(Evil("another"), 5),
        lambda c, old: c.set(Evil("new"), 5),
        lambda c, old: c.update({n: n for n in range(20)}),
        lambda c, old: c.resize(1),
        lambda c, old: (c.clear(), c.update({Evil(n): 1 for n in "xyz"})),
        lambda c, old: c.invalidate_where(lambda key, value: True),
    ],
)
def test_a_comparison_that_changes_the_cache(impl, policy, call, act):
    for at in range(3):
        cache = impl.Cache(10, policy=policy)
        old = [Evil("a"), Evil("b"), Evil("c")]
        cache.update({key: key.name for key in old})
        key = Evil("new")
        old[at].act = lambda: act(cache, old[0])  # noqa: B023
        try:
            call(cache, key)
        except KeyError as error:
            assert error.args == (key,)  # noqa: PT017
        check_whole(cache)
        cache[key] = 1
        assert cache[key] == 1
        check_whole(cache)


def test_keys_that_do_anything_at_random(impl, policy):
    rng = random.Random(9)
    cache = impl.Cache(8, policy=policy, on_remove=lambda *args: anything(0.02), seed=1)

    class Wild:
        def __init__(self, n):
            self.n = n

        def __hash__(self):
            anything(0.02)
            return self.n % 4

        def __eq__(self, other):
            anything(0.05)
            return isinstance(other, Wild) and self.n == other.n

    def anything(chance):
        if rng.random() >= chance:
            return
        if rng.random() < 0.1:
            raise ZeroDivisionError
        operate()

    def operate():
        key = Wild(rng.randrange(20))
        call = rng.choice(CALLS) if rng.random() < 0.9 else lambda c, key: c.popitem()
        with contextlib.suppress(KeyError, ZeroDivisionError):
            call(cache, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.unraisablehook", lambda args: None)
        for i in range(1500):
            operate()
            if i % 100 == 0:
                check_whole(cache)
        del i
        gc.collect()


def test_hashes_that_change_the_cache_while_a_load_is_under_way(impl, policy):
    """The table of loads asks the keys that go for their hash."""

    class Key(Evil):
        def __hash__(self):
            if self.act is not None and done:
                act, self.act = self.act, None
                act()
            return self.hash

    removals = [
        lambda c, tagged: c.invalidate_tag("x"),
        lambda c, tagged: (c.popitem(), c.popitem()),
        lambda c, tagged: c.invalidate_where(lambda key, value: True),
        lambda c, tagged: [c.set(key, 1, tags=["x"]) for key in tagged],
        lambda c, tagged: [c.pop(key, None) for key in tagged],
    ]
    for remove in removals:
        cache = impl.Cache(10, policy=policy)
        done = []
        tagged = [Key(name, hash) for hash, name in enumerate("abcd")]
        for key in tagged:
            cache.set(key, 1, tags=["x"])
        for key in tagged:
            key.act = lambda: (cache.clear(), cache.set("new", 1, tags=["x"]))  # noqa: B023

        def load(key):
            done.append(key)  # noqa: B023
            remove(cache, tagged)  # noqa: B023
            return 1

        cache.get_or_load("loaded", load)
        check_whole(cache)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the garbage collector waits for the end")
@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.set("new", 1, tags=["x", "y"]),
        lambda c: [c.set(n, 1, tags=["x"]) for n in range(10)],
        lambda c: c.popitem(),
        lambda c: c.clear(),
        lambda c: c.invalidate_tag("x"),
        lambda c: copy.copy(c),
    ],
)
def test_the_garbage_collector_runs_in_the_midst(call):
    """Where a finalizer uses the cache; the pure one cannot help that."""
    threshold = gc.get_threshold()

    class Cycle:
        def __init__(self, cache):
            self.me, self.cache = self, cache

        def __del__(self):
            self.cache.clear()
            self.cache.set("late", 1, tags=["x", "y"])

    gc.freeze()
    try:
        for allocations in range(40):
            gc.disable()
            cache = fastblocks.Cache(50, on_remove=lambda *event: None)
            for key in "abc":
                cache.set(key, 1, tags=["x", "z"])
            Cycle(cache)
            gc.set_threshold(gc.get_count()[0] + allocations)
            gc.enable()
            call(cache)
            gc.set_threshold(*threshold)
            gc.collect()
            check_whole(cache)
            n = len(cache)
            assert cache.invalidate_tag("x") == n
            assert cache.invalidate_tag("y") == len(cache) == 0
    finally:
        gc.set_threshold(*threshold)
        gc.enable()
        gc.unfreeze()


# ---- letting go ------------------------------------------------------------------------------


class Dying:
    """A value that does something when it goes."""

    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()


@pytest.mark.parametrize(
    "remove",
    [
        lambda c: c.__setitem__("a", 1),
        lambda c: c.update(a=1),
        lambda c: c.pop("a"),
        lambda c: c.__delitem__("a"),
        lambda c: c.popitem(),
        lambda c: c.clear(),
        lambda c: c.invalidate_tag("x"),
        lambda c: c.invalidate_where(lambda key, value: True),
        lambda c: (c.resize(1), c.__setitem__("b", 1)),
    ],
)
def test_finalizers_use_the_cache(impl, policy, remove):
    cache = impl.Cache(3, policy=policy, seed=1)
    found = []

    def act():
        found.append(dict(cache.items()))
        check_whole(cache)
        cache["new"] = 5
        assert cache["new"] == 5
        cache.pop("a", None)
        check_whole(cache)

    cache.set("a", Dying(act), tags=["x"])
    remove(cache)
    gc.collect()
    assert len(found) == 1
    assert not any(isinstance(value, Dying) for value in found[0].values())
    check_whole(cache)


def test_keys_that_go_use_the_cache(impl, policy):
    cache = impl.Cache(3, policy=policy)

    class Key(Dying):
        __hash__ = object.__hash__

    calls = []
    for _ in range(20):
        cache[Key(lambda: calls.append(len(cache)))] = 1
    cache.clear()
    assert len(calls) == 20


def test_nothing_is_kept_alive(impl, policy, clock):
    class Thing:
        pass

    cache = impl.Cache(2, policy=policy, timer=clock, ttl=1)
    removals = [
        lambda: cache.pop("a"),
        lambda: cache.__setitem__("a", 1),
        cache.popitem,
        cache.clear,
        lambda: cache.invalidate_tag("x"),
        lambda: (cache.resize(1), cache.update(b=1), cache.update(c=1), cache.resize(2)),
        lambda: (setattr(clock, "ns", clock.ns + 10**10), cache.expire()),
    ]
    for remove in removals:
        thing = Thing()
        seen = weakref.ref(thing)
        cache.set("a", thing, tags=["x"])
        del thing
        assert seen() is not None
        remove()
        assert seen() is None
        cache.clear()


def test_cycles_are_collected(impl, policy):
    class Thing:
        pass

    for through in ("value", "key", "listener", "weigher", "subclass"):
        thing = Thing()
        options = {}
        if through == "listener":
            options["on_remove"] = lambda *args, thing=thing: None
        if through == "weigher":
            options["weigher"] = lambda *args, thing=thing: 1
        cls = type("Sub", (impl.Cache,), {}) if through == "subclass" else impl.Cache
        cache = thing.cache = cls(5, policy=policy, **options)
        if through == "subclass":
            cache.thing = thing
        cache[thing if through == "key" else 1] = thing if through == "value" else 1
        seen = weakref.ref(thing)
        del thing, cache, cls
        options.clear()
        gc.collect()
        assert seen() is None, through


def test_a_cache_is_weakly_referenced(impl):
    cache = impl.Cache(5)
    seen = weakref.ref(cache)
    assert seen() is cache
    del cache
    gc.collect()
    assert seen() is None


# ---- functions -------------------------------------------------------------------------------


def test_a_weigher_that_uses_the_cache(impl, policy):
    def weigher(key, value):
        if value == "deep":
            return 1
        cache["x"] = "deep"
        cache.pop(key, None)
        if value == "shrink":
            cache.resize(2)
        return 3

    cache = impl.Cache(5, policy=policy, weigher=weigher)
    cache["a"] = 1
    assert dict(cache.items()) == {"x": "deep", "a": 1}
    with pytest.raises(ValueError, match="weight 3 does not fit in a cache of maxsize=2"):
        cache["b"] = "shrink"
    assert "b" not in cache
    assert "a" not in cache
    assert cache.currsize == len(cache) <= 1


def test_a_timer_that_uses_the_cache(impl):
    depth = [0]

    def timer():
        if depth[0] == 0:
            depth[0] = 1
            cache["t"] = 1
            cache.pop("a", None)
            depth[0] = 0
        return 1.0

    depth[0] = 1
    cache = impl.Cache(5, ttl=5, timer=timer)
    depth[0] = 0
    cache["a"] = 1
    assert cache.get("a") is None
    assert "t" in cache
    assert len(cache) == 1


def test_init_by_its_own_loader(impl):
    cache = impl.Cache(5)
    with pytest.raises(RuntimeError, match="initialised already"):
        cache.get_or_load("a", lambda key: cache.__init__(7))
    assert len(cache) == 0


def test_init_of_one_that_is_in_use():
    """Before it, the native one is a cache of size 1; the pure one is nothing."""
    cache = fastblocks.Cache.__new__(fastblocks.Cache)
    with pytest.raises(RuntimeError, match="initialised already"):
        cache.get_or_load("a", lambda key: cache.__init__(7))
    cache.set("a", Dying(lambda: cache.set("late", 2)), tags=["x"])
    cache.__init__(7, ttl=5)
    cache["b"] = 1
    assert cache.invalidate_tag("x") == 0
    assert cache == {"late": 2, "b": 1}


def test_a_listener_that_cannot_be_called(monkeypatch):
    """For want of stack: the others are told all the same, and nothing is kept alive."""
    raised = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: raised.append(args.exc_type))
    cache = fastblocks.Cache(5, on_remove=lambda *event: None)
    value = object()
    references = sys.getrefcount(value)
    pop = cache.pop

    def deep():
        pop("a", None)
        deep()

    for _ in range(3):
        cache["a"] = value
        with pytest.raises(RecursionError):
            deep()
    cache.clear()
    assert sys.getrefcount(value) == references


# ---- iteration -------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["keys", "values", "items", "__iter__"])
def test_changes_during_iteration(impl, policy, view):
    changes = [
        lambda: cache.__setitem__("new", 1),
        lambda: cache.pop(3),
        lambda: cache.popitem(),
        lambda: cache.clear(),
        lambda: cache.resize(5),
        lambda: (cache.pop(4, None), cache.setdefault(4, 1)),
        lambda: cache.get_or_load("new", len),
    ]
    for change in changes:
        cache = impl.Cache(30, policy=policy)
        cache.update({n: n for n in range(10)})
        iterator = iter(getattr(cache, view)())
        next(iterator)
        change()
        with pytest.raises(RuntimeError, match="Cache changed size during iteration"):
            next(iterator)
        if view == "keys":  # its iteration begins with the first key
            continue
        iterator = iter(getattr(cache, view)())
        cache["before the first"] = 1
        with pytest.raises(RuntimeError, match="Cache changed size during iteration"):
            list(iterator)


def test_what_may_be_done_during_iteration(impl, policy, clock):
    cache = impl.Cache(30, policy=policy, timer=clock)
    cache.update({n: n for n in range(10)})
    cache.set("short", 1, ttl=1)
    seen = []
    for key in cache:
        seen.append(key)
        cache.get(key)
        cache[key] = 5
        assert cache.peek(key) == 5
        assert key in cache
        cache.pop("not there", None)
        clock.ns += 10**9
        len(cache)  # may remove what is dead
    assert set(seen) - {"short"} == set(range(10))
    assert len(seen) == len(set(seen))


def test_an_iterator_keeps_the_cache(impl):
    iterator = iter(impl.Cache(3).items())
    assert next(iterator, None) is None
    cache = impl.Cache(3)
    cache["a"] = 1
    iterator = iter(cache)
    del cache
    gc.collect()
    assert list(iterator) == ["a"]
