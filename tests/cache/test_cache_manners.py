"""The manners of a mapping, and those that cachetools documents for its caches."""

import collections.abc
import copy
import random
import types

import pytest


@pytest.fixture
def cache(impl):
    return impl.Cache(maxsize=10, policy="lru")


def test_a_mutable_mapping(impl, cache):
    assert isinstance(cache, collections.abc.MutableMapping)
    assert issubclass(impl.Cache, collections.abc.MutableMapping)
    generic = impl.Cache[int, str]
    assert isinstance(generic, types.GenericAlias)
    assert generic.__args__ == (int, str)
    with pytest.raises(TypeError, match=r"unhashable type: '(\w+\.)*Cache'"):
        hash(cache)


def test_views(cache):
    keys, values, items = cache.keys(), cache.values(), cache.items()
    assert len(keys) == len(values) == len(items) == 0
    cache.update(a=1, b=2)  # they follow
    assert len(keys) == len(values) == len(items) == 2
    assert keys == {"a", "b"}
    assert keys & {"a", "c"} == {"a"}
    assert items == {("a", 1), ("b", 2)}
    assert items - {("a", 1)} == {("b", 2)}
    assert sorted(values) == [1, 2]
    assert "a" in keys
    assert ("a", 1) in items
    assert ("a", 2) not in items
    assert ("c", None) not in items
    assert "a" not in items
    assert 2 in values
    assert 3 not in values
    assert isinstance(keys, collections.abc.KeysView)
    assert isinstance(values, collections.abc.ValuesView)
    assert isinstance(items, collections.abc.ItemsView)
    assert cache.stats().requests == 0


def test_equality(impl, cache):
    cache.update(a=1, b=2)
    assert cache == {"b": 2, "a": 1}
    assert cache == {"b": 2, "a": 1}
    assert cache != {"a": 1}
    assert cache != {"a": 1, "b": 3}
    assert cache != [("a", 1), ("b", 2)]
    assert cache != 5
    other = impl.Cache(99)
    other.update(b=2, a=1)
    assert cache == other
    assert cache.stats().requests == 0


def test_update_is_a_dicts(cache):
    class Keys:
        def keys(self):
            return iter("ab")

        def __getitem__(self, key):
            return key * 2

    cache.update(Keys(), c=1)
    cache.update(other=2, self=3)
    assert cache == {"a": "aa", "b": "bb", "c": 1, "other": 2, "self": 3}
    with pytest.raises(TypeError):
        cache.update({}, {})


def test_to_and_from_dicts(cache):
    cache.update({n: str(n) for n in range(10)})
    assert dict(cache) == dict(cache.items()) == {n: str(n) for n in range(10)}
    assert sorted(cache) == list(range(10))
    assert max(cache) == 9
    _, *rest = cache
    assert len(rest) == 9
    assert {**cache} == dict(cache)


def test_pattern_matching(cache):
    cache.update(a=1, b=2)
    match cache:
        case {"a": 1, "b": b}:
            assert b == 2
        case _:
            raise AssertionError


# ---- cachetools ------------------------------------------------------------------------------


def test_insert(cache, impl):
    cache = impl.Cache(maxsize=2, policy="lru")
    cache.update({1: 1, 2: 2})
    assert (len(cache), cache[1], cache[2]) == (2, 1, 2)
    cache[3] = 3
    assert len(cache) == 2
    assert cache[3] == 3
    assert 1 in cache or 2 in cache
    cache[4] = 4
    assert len(cache) == 2
    assert cache[4] == 4
    assert 1 in cache or 2 in cache or 3 in cache


def test_update_within_the_bound(impl, policy):
    cache = impl.Cache(maxsize=2, policy=policy)
    cache.update({1: 1, 2: 2})
    cache.update({1: 1, 2: 2})
    assert (cache[1], cache[2]) == (1, 2)
    cache.update({1: "a", 2: "b"})
    assert cache == {1: "a", 2: "b"}


def test_delete(cache):
    cache.update({1: 1, 2: 2})
    del cache[2]
    assert len(cache) == 1
    assert 2 not in cache
    del cache[1]
    assert len(cache) == 0
    with pytest.raises(KeyError):
        del cache[1]
    assert len(cache) == 0


def test_pop(cache):
    cache.update({1: 1, 2: 2})
    assert cache.pop(2) == 2
    assert cache.pop(1) == 1
    for key in (2, 1, 0):
        with pytest.raises(KeyError):
            cache.pop(key)
    assert cache.pop(0, None) is None
    assert cache.pop(0, default=5) == 5
    assert cache.pop(0, ...) is ...


def test_popitem_empties(impl, policy):
    cache = impl.Cache(maxsize=2, policy=policy)
    cache.update({1: 1, 2: 2})
    assert cache.pop(1) == 1
    assert cache.popitem() == (2, 2)
    assert len(cache) == 0
    with pytest.raises(KeyError, match="cache is empty"):
        cache.popitem()


def test_missing_that_does_not_store(impl):
    class DefaultCache(impl.Cache):
        def __missing__(self, key):
            return key

    cache = DefaultCache(maxsize=2)
    assert cache[1] == 1
    assert len(cache) == 0
    assert 1 not in cache
    assert cache.get(1) is None
    with pytest.raises(KeyError):
        cache.pop(1)


def test_sizes(impl, policy):
    """`getsizeof` is called `weigher` here, and is given the key too."""
    cache = impl.Cache(maxsize=3, policy=policy, weigher=lambda key, value: value)
    cache.update({1: 1, 2: 2})
    assert (len(cache), cache.currsize, cache.maxsize) == (2, 3, 3)
    cache[1] = 2  # drives out the other one
    assert (len(cache), cache.currsize, cache[1]) == (1, 2, 2)
    cache.update({1: 1, 2: 2})
    assert (len(cache), cache.currsize) == (2, 3)
    cache[3] = 3
    assert (len(cache), cache.currsize, cache[3]) == (1, 3, 3)
    with pytest.raises(ValueError, match="does not fit"):
        cache[3] = 4
    assert (len(cache), cache.currsize, cache[3]) == (1, 3, 3)
    with pytest.raises(ValueError, match="does not fit"):
        cache[4] = 4
    assert (len(cache), cache.currsize, cache[3]) == (1, 3, 3)
    del cache[3]
    assert (len(cache), cache.currsize) == (0, 0)


def test_get_does_not_store_the_default(cache):
    assert cache.get("a", 5) == 5
    assert "a" not in cache
    assert cache.setdefault("a", 5) == 5
    assert "a" in cache


def test_lru_order(cache):
    cache.resize(2)
    cache[1] = 1
    cache[2] = 2
    assert cache[1] == 1
    cache[3] = 3
    assert cache == {1: 1, 3: 3}
    cache.get(1)
    cache[4] = 4
    assert cache == {1: 1, 4: 4}
    assert 4 in cache
    cache[1] = 1
    cache[5] = 5
    assert cache == {1: 1, 5: 5}


def test_ttl_manners(impl, clock):
    cache = impl.Cache(maxsize=2, ttl=1, timer=clock, policy="lru")
    cache[1] = 1
    clock.ns += 10**9 // 2
    cache[2] = 2
    assert len(cache) == 2
    cache[2] = "b"
    cache[3] = 3
    assert set(cache) == {2, 3}
    clock.ns += 10**9
    assert len(cache) == cache.currsize == 0
    assert repr(cache) == "Cache(maxsize=2, policy='lru', ttl=1, len=0)"
    assert cache.timer is clock
    assert cache.ttl == 1


def test_side_by_side_with_cachetools(impl):
    """The same calls at random: the same answers, errors and order of eviction.

    Copies are looked at, since theirs takes that for requests, and ours does not.
    """
    import cachetools

    def weigh(key, value):
        return value

    class Ours(impl.Cache):
        def __missing__(self, key):
            if key == 7:
                raise KeyError(key)
            return -key

    class Theirs(cachetools.LRUCache):
        __missing__ = Ours.__missing__

    calls = [
        lambda c, k, v: c[k],
        lambda c, k, v: c.get(k),
        lambda c, k, v: c.get(k, default="none"),
        lambda c, k, v: c.__setitem__(k, v),
        lambda c, k, v: c.__delitem__(k),
        lambda c, k, v: c.pop(k),
        lambda c, k, v: c.pop(k, None),
        lambda c, k, v: c.pop(k, default=v),
        lambda c, k, v: c.setdefault(k, v),
        lambda c, k, v: c.update({k: v, k + 1: v}),
        lambda c, k, v: k in c,
        lambda c, k, v: c.popitem(),
        lambda c, k, v: (len(c), c.currsize, c.maxsize, bool(c)),
        lambda c, k, v: (set(c), set(c.keys())),
        lambda c, k, v: (set(copy.copy(c).items()), sorted(copy.copy(c).values())),
        lambda c, k, v: copy.copy(c) == {k: v},
        lambda c, k, v: c[[]],
        lambda c, k, v: c.pop([], None),
    ]

    def answer(call, cache, *arguments):
        try:
            return call(cache, *arguments)
        except (KeyError, ValueError, TypeError) as error:
            return type(error)

    for weighted in (False, True):
        ours = Ours(6, policy="lru", weigher=weigh if weighted else None)
        theirs = Theirs(6, getsizeof=(lambda value: value) if weighted else None)
        rng = random.Random(3)
        for i in range(6000):
            arguments = rng.choice(calls), rng.randrange(10), rng.choice([1, 1, 1, 2, 3, 6, 7])
            call, key, value = arguments
            assert answer(call, ours, key, value) == answer(call, theirs, key, value), (
                i,
                arguments,
            )
