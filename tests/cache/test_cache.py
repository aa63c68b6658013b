"""What a cache holds, whom it evicts, what it says of itself, what it refuses."""

import random
from collections import OrderedDict
from fractions import Fraction

import pytest

import fastblocks.pure
from fastblocks._core.caches import POLICIES

SEED = 2026

# ---- a mapping -------------------------------------------------------------------------------


def test_set_get_and_remove(impl, policy):
    cache = impl.Cache(10, policy=policy)
    assert not cache
    assert cache.get("a") is None
    assert cache.get("a", 7) == 7
    cache["a"] = 1
    cache.set("b", 2)
    assert cache["a"] == cache.get("a") == cache.peek("a") == 1
    assert "b" in cache
    assert "c" not in cache
    assert len(cache) == cache.currsize == 2
    cache["a"] = None  # None is a value
    assert "a" in cache
    assert cache.get("a", 7) is None
    assert cache.peek("a", 7) is None
    del cache["a"]
    assert "a" not in cache
    assert cache.pop("b") == 2
    assert cache.pop("b", 3) == 3
    assert len(cache) == 0


def test_missing_keys(impl):
    cache = impl.Cache(10)
    for raises in (lambda: cache["a"], lambda: cache.pop("a"), lambda: cache.__delitem__("a")):
        with pytest.raises(KeyError) as caught:
            raises()
        assert caught.value.args == ("a",)
    with pytest.raises(KeyError, match=r"popitem\(\): cache is empty"):
        cache.popitem()


def test_the_missing_method_of_a_subclass(impl):
    class Squares(impl.Cache):
        def __missing__(self, key):
            self[key] = key * key
            return self[key]

    squares = Squares(10)
    assert squares[7] == 49
    assert squares.get(8) is None
    assert squares.stats()[:2] == (1, 2)


def test_keys_are_equal_as_in_a_dict(impl):
    cache = impl.Cache(10)
    cache[1] = "a"
    cache[1.0] = "b"
    cache[True] = "c"
    assert list(cache.items()) == [(1, "c")]
    assert type(next(iter(cache))) is int  # the first key stays
    nan = float("nan")
    cache[nan] = 1
    assert cache[nan] == 1
    assert float("nan") not in cache


@pytest.mark.parametrize("bits", [0, 1, 14, 15, 29, 30, 31, 52])
def test_ints_are_found_by_the_numbers_equal_to_them(impl, bits):
    cache = impl.Cache(100)
    numbers = {sign * (2**bits + more) for sign in (-1, 1) for more in (-1, 0, 1)}
    for n in numbers:
        cache[n] = n
    assert len(cache) == len(numbers)
    for n in numbers:
        assert cache[float(n)] == n == cache[Fraction(n)]


class Same:
    """Keys of one hash."""

    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return isinstance(other, Same) and self.n == other.n

    def __hash__(self):
        return 5


def test_keys_of_equal_hash(impl, policy):
    cache = impl.Cache(100, policy=policy)
    for n in range(60):
        cache[Same(n)] = n
    for n in range(0, 60, 2):
        assert cache.pop(Same(n)) == n
    for n in range(60):
        assert cache.get(Same(n)) == (n if n % 2 else None)
    assert len(cache) == 30


def test_many_at_once(impl):
    cache = impl.Cache(10, policy="lru")
    cache.set_many({"a": 1, "b": 2})
    cache.set_many([("c", 3), ["d", 4]], tags=["x"])
    cache.update({"e": 5}, f=6)
    cache.update([("g", 7)])
    cache.update(h=8)
    cache.update()
    assert dict(cache.items()) == dict(zip("abcdefgh", range(1, 9), strict=True))
    assert cache.invalidate_tag("x") == 2
    assert cache.get_many(["g", "zz", "a", "g"]) == {"g": 7, "a": 1}
    assert list(cache.get_many(iter("ga"))) == ["g", "a"]
    assert cache.stats()[:2] == (5, 1)


def test_setdefault(impl, policy):
    cache = impl.Cache(2, policy=policy)
    assert cache.setdefault("a", 1) == 1
    assert cache.setdefault("a", 2) == 1
    assert cache.setdefault("b") is None
    assert cache["b"] is None
    assert cache.stats()[:2] == (2, 2)


def test_clear(impl, policy):
    cache = impl.Cache(5, policy=policy)
    cache.update({n: n for n in range(9)})
    cache.clear()
    assert len(cache) == cache.currsize == 0
    assert list(cache) == []
    cache["a"] = 1
    assert cache["a"] == 1
    assert cache.stats().evictions == 4


# ---- bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("maxsize", [1, 2, 3, 10, 64])
def test_never_above_maxsize_and_what_was_set_is_readable(impl, policy, maxsize):
    rng = random.Random(maxsize)
    cache = impl.Cache(maxsize, policy=policy, seed=1)
    for i in range(1500):
        key = int(rng.paretovariate(0.7)) if i % 3 else i
        if rng.random() < 0.4:
            cache.get(key)
        cache[key] = i
        assert cache.peek(key) == i
        assert len(cache) <= maxsize
    assert len(cache) == maxsize
    assert cache.stats().evictions > 500


@pytest.mark.parametrize("maxsize", [1, 7, 100, 10**12])
def test_weights_never_above_maxsize(impl, policy, maxsize):
    rng = random.Random(maxsize)
    cache = impl.Cache(maxsize, policy=policy, weigher=lambda key, value: value, seed=1)
    for i in range(1500):
        key = int(rng.paretovariate(0.7)) if i % 3 else i
        weight = rng.randint(0, maxsize) if i % 5 == 0 else rng.randint(0, maxsize // 20)
        cache.get(key % 7)
        cache[key] = weight
        assert cache.peek(key) == weight
        assert cache.currsize == sum(cache.values()) <= maxsize


def test_a_weight_changes(impl, policy, events, on_remove):
    cache = impl.Cache(10, policy=policy, weigher=lambda key, value: value, on_remove=on_remove)
    cache.update(a=3, b=3, c=3)
    cache["a"] = 5
    assert cache["a"] == 5
    assert len(cache) == 2
    assert cache.currsize == 8
    assert [cause for _, _, cause in events] == ["replaced", "size"]
    cache["a"] = 10
    assert dict(cache.items()) == {"a": 10}


def test_an_entry_that_does_not_fit_changes_nothing(impl, events, on_remove):
    cache = impl.Cache(10, weigher=lambda key, value: value, on_remove=on_remove)
    cache.update(a=4, b=5)
    message = "an entry of weight 11 does not fit in a cache of maxsize=10"
    for write in (cache.set, cache.__setitem__, lambda k, v: cache.update({k: v})):
        with pytest.raises(ValueError, match=message):
            write("a", 11)
    with pytest.raises(ValueError, match=message):
        cache.setdefault("c", 11)
    assert dict(cache.items()) == {"a": 4, "b": 5}
    assert events == []


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (-1, ValueError, r"weigher must return an int in \[0, 10\], not -1"),
        (1.5, TypeError, "weigher must return an int, not float"),
        (None, TypeError, "weigher must return an int, not NoneType"),
        (True, TypeError, "weigher must return an int, not bool"),
        ("1", TypeError, "weigher must return an int, not str"),
    ],
)
def test_bad_weights(impl, weight, error, message):
    cache = impl.Cache(10, weigher=lambda key, value: value)
    cache["a"] = 3
    with pytest.raises(error, match=message):
        cache["a"] = weight
    assert dict(cache.items()) == {"a": 3}


def test_a_weigher_that_raises(impl):
    cache = impl.Cache(10, weigher=lambda key, value: 1 // value)
    cache["a"] = 1
    with pytest.raises(ZeroDivisionError):
        cache["a"] = 0
    assert dict(cache.items()) == {"a": 1}


def test_entries_that_weigh_nothing(impl, policy):
    cache = impl.Cache(1, policy=policy, weigher=lambda key, value: value)
    cache.update(dict.fromkeys(range(50), 0))
    assert len(cache) == 50
    assert cache.currsize == 0
    cache["a"] = 1
    assert len(cache) == 51
    cache["b"] = 1
    assert cache.currsize == 1
    assert "a" not in cache


def test_resize(impl, policy, events, on_remove):
    cache = impl.Cache(8, policy=policy, on_remove=on_remove)
    cache.update({n: n for n in range(8)})
    cache.resize(3)
    assert cache.maxsize == 3
    assert len(cache) == 3
    assert {cause for _, _, cause in events} == {"size"}
    assert len(events) == 5
    cache.resize(20)
    cache.update({n: n for n in range(20)})
    assert len(cache) == 20
    assert all(n in cache for n in range(20))


def test_resize_below_what_was_just_set(impl, policy):
    cache = impl.Cache(8, policy=policy, weigher=lambda key, value: value)
    cache["a"] = 7
    cache.resize(5)
    assert len(cache) == 0


# ---- policies --------------------------------------------------------------------------------


def trace(seed, n=3000):
    """Requests: hot keys, scans, loops."""
    rng = random.Random(seed)
    for i in range(n):
        kind = i // 100 % 3
        yield (int(rng.paretovariate(0.9)), 10**6 + i, i % 37)[kind if rng.random() < 0.6 else 0]


class NaiveLru:
    def __init__(self, size):
        self.size, self.queue = size, OrderedDict()

    def request(self, key):
        """Whom this request drives out, or None."""
        if key in self.queue:
            return self.queue.move_to_end(key)
        victim = self.queue.popitem(last=False)[0] if len(self.queue) == self.size else None
        self.queue[key] = None
        return victim


class NaiveSieve:
    """The paper's algorithm 1: the queue's head, where it grows, is its end here."""

    def __init__(self, size):
        self.size, self.queue, self.visited, self.hand = size, [], {}, None

    def request(self, key):
        if key in self.visited:
            self.visited[key] = True
            return None
        victim = self.evict() if len(self.queue) == self.size else None
        self.queue.append(key)
        self.visited[key] = False
        return victim

    def evict(self):
        at = 0 if self.hand is None else self.queue.index(self.hand)
        while self.visited[self.queue[at]]:
            self.visited[self.queue[at]] = False
            at = (at + 1) % len(self.queue)
        victim = self.queue.pop(at)
        self.hand = self.queue[at] if at < len(self.queue) else None
        del self.visited[victim]
        return victim


class NaiveS3Fifo:
    """The paper's algorithm 1, but a key enters before room is made; ghosts lie in buckets of 8."""

    hash = fastblocks.pure.Cache(1, seed=SEED)._hash

    def __init__(self, size):
        self.size, self.share = size, max(size // 10, 1)
        self.small, self.main, self.hits = [], [], {}
        self.ghosts = []  # all that there ever were; None for those that are no more

    def request(self, key):
        if key in self.hits:
            self.hits[key] = min(self.hits[key] + 1, 3)
            return None
        self.hits[key] = 0
        latest = len(self.hits) - len(self.hits) // 10
        if key in self.ghosts[-latest:]:
            self.ghosts[self.ghosts.index(key)] = None
            self.main.append(key)
        else:
            self.small.append(key)
        return self.evict(key) if len(self.hits) > self.size else None

    def bucket(self, key):
        buckets = 1
        while 8 * buckets < self.size + 1:
            buckets *= 2
        return self.hash(key) * buckets >> 64

    def add_ghost(self, key):
        """The bucket's latest eight stay, all different."""
        rivals = [
            k for k in self.ghosts if k not in (None, key) and self.bucket(k) == self.bucket(key)
        ]
        gone = {key, *rivals[:-7]}
        self.ghosts = [None if ghost in gone else ghost for ghost in self.ghosts] + [key]

    def evict(self, new):
        while True:
            if self.small[:1] in ([], [new]) or (
                len(self.small) <= self.share and self.main not in ([], [new])
            ):
                key = self.main.pop(0)
                if key == new or self.hits[key]:
                    self.hits[key] -= key != new
                    self.main.append(key)
                    continue
            else:
                key = self.small.pop(0)
                if self.hits[key] > 1:
                    self.hits[key] = 0
                    self.main.append(key)
                    continue
                self.add_ghost(key)
            del self.hits[key]
            return key


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 40, 100])
@pytest.mark.parametrize(
    ("name", "model"), [("lru", NaiveLru), ("sieve", NaiveSieve), ("s3-fifo", NaiveS3Fifo)]
)
def test_victims_are_those_of_a_naive_model(impl, name, model, size, events, on_remove):
    cache, naive = impl.Cache(size, policy=name, on_remove=on_remove, seed=SEED), model(size)
    for key in trace(size):
        cache.setdefault(key)
        victim = naive.request(key)
        assert [gone for gone, _, _ in events] == ([] if victim is None else [victim])
        events.clear()


def hits(impl, policy, size, requests):
    cache = impl.Cache(size, policy=policy, seed=3)
    for key in requests:
        cache.setdefault(key)
    return cache.stats().hits


def test_w_tinylfu_stands_scans_and_loops(impl):
    loop = [i % 120 for i in range(6000)]
    assert hits(impl, "lru", 100, loop) == 0
    assert hits(impl, "w-tinylfu", 100, loop) > 2500
    mixed = list(trace(1, 9000))
    assert hits(impl, "w-tinylfu", 40, mixed) > 1.1 * hits(impl, "lru", 40, mixed)


def test_looking_is_no_request(impl):
    cache = impl.Cache(2, policy="lru")
    cache.update(a=1, b=2)
    assert cache.peek("a") == 1
    assert "a" in cache
    assert list(cache.items()) == list(zip(cache, cache.values(), strict=True))
    assert cache == {"a": 1, "b": 2}
    assert cache.popitem() == ("a", 1)
    assert cache.stats().requests == 0


def test_overwriting_is_an_access(impl):
    cache = impl.Cache(2, policy="lru")
    cache.update(a=1, b=2)
    cache["a"] = 3
    assert cache.popitem() == ("b", 2)


def test_popitem_takes_whom_the_policy_would(impl, policy, events, on_remove):
    caches = [impl.Cache(25, policy=policy, seed=5, on_remove=on_remove) for _ in range(2)]
    for cache in caches:
        for key in trace(8, 1000):
            cache.setdefault(key)
    events.clear()
    key, value = caches[0].popitem()
    assert events == [(key, value, "explicit")]
    events.clear()
    caches[1].resize(24)
    assert events == [(key, value, "size")]


def test_a_seed_makes_it_repeatable(impl, policy):
    def order(seed):
        cache = impl.Cache(30, policy=policy, seed=seed)
        for key in trace(4):
            cache.setdefault(key)
        return [cache.popitem() for _ in range(30)]

    assert order(7) == order(7)


# ---- what it is ------------------------------------------------------------------------------


def test_attributes(impl):
    def weigher(key, value):
        return 1

    def on_remove(key, value, cause):
        pass

    def timer():
        return 1.0

    cache = impl.Cache(
        9,
        ttl=2,
        tti=3.5,
        weigher=weigher,
        on_remove=on_remove,
        policy="sieve",
        timer=timer,
        refresh_after=1,
        early_refresh=1.0,
        seed=6,
    )
    told = {
        "maxsize": 9,
        "ttl": 2,
        "tti": 3.5,
        "weigher": weigher,
        "on_remove": on_remove,
        "policy": "sieve",
        "timer": timer,
        "refresh_after": 1,
        "early_refresh": 1.0,
        "executor": None,
        "seed": 6,
        "currsize": 0,
    }
    for name, value in told.items():
        assert getattr(cache, name) == value
        with pytest.raises(AttributeError):
            setattr(cache, name, value)
    words = "maxsize=9, policy='sieve', ttl=2, tti=3.5, refresh_after=1, early_refresh=1.0, len=0"
    assert repr(cache) == f"Cache({words})"


def test_defaults(impl):
    cache = impl.Cache(9)
    assert cache.policy == "w-tinylfu"
    for name in ("ttl", "tti", "weigher", "on_remove", "refresh_after", "early_refresh"):
        assert getattr(cache, name) is None
    assert 0 <= cache.seed < 2**64
    assert cache.seed != impl.Cache(9).seed
    cache["a"] = 1
    assert repr(cache) == "Cache(maxsize=9, policy='w-tinylfu', len=1)"
    empty = cache.nbytes
    cache.update({n: n for n in range(9)})
    assert cache.nbytes >= empty > 0


def test_stats(impl):
    cache = impl.Cache(2, policy="lru")
    stats = cache.stats()
    assert stats == impl.CacheStats() == (0, 0, 0, 0, 0.0, 0, 0)
    assert stats.requests == 0
    assert stats.hit_ratio == 0.0
    cache.update(a=1, b=2, c=3)
    cache.get("a")
    cache.get("c")
    assert cache["b"] == 2
    assert cache.setdefault("b") == 2
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.evictions) == (3, 1, 1)
    assert stats.hit_ratio == 0.75
    assert "hits=3" in repr(stats)


def test_initialised_once(impl):
    cache = impl.Cache(3)
    with pytest.raises(RuntimeError, match="this Cache has been initialised already"):
        cache.__init__(3)


# ---- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"maxsize": 0}, ValueError, r"maxsize must be in \[1, 2147483647\], not 0"),
        ({"maxsize": -5}, ValueError, "maxsize must be in"),
        ({"maxsize": 2**31}, ValueError, "maxsize must be in"),
        ({"maxsize": 2**63, "weigher": len}, ValueError, "maxsize must be in"),
        ({"maxsize": 1.5}, TypeError, "maxsize must be an int, not float"),
        ({"maxsize": None}, TypeError, "maxsize must be an int, not NoneType"),
        ({"maxsize": True}, TypeError, "maxsize must be an int, not bool"),
        *(
            ({name: value}, error, f"{name} must be {words}")
            for name in ("ttl", "tti", "refresh_after")
            for value, error, words in [
                (0, ValueError, "above 0 seconds, not 0"),
                (-1, ValueError, "in"),
                (float("nan"), ValueError, "in"),
                (float("inf"), ValueError, "in"),
                (10**400, ValueError, "in"),
                ("5", TypeError, "a float, not str"),
                (True, TypeError, "a float, not bool"),
            ]
        ),
        ({"early_refresh": 1.0}, ValueError, "early_refresh needs a ttl"),
        ({"early_refresh": 0.0, "ttl": 1}, ValueError, "early_refresh must be above 0, not 0.0"),
        ({"early_refresh": -1, "ttl": 1}, ValueError, "early_refresh must be in"),
        ({"early_refresh": "x", "ttl": 1}, TypeError, "early_refresh must be a float, not str"),
        ({"weigher": 1}, TypeError, "weigher must be a function or None, not int"),
        ({"on_remove": 1}, TypeError, "on_remove must be a function or None, not int"),
        ({"timer": 1}, TypeError, "timer must be a function or None, not int"),
        ({"executor": 1}, TypeError, "executor must be a concurrent.futures.Executor or None"),
        ({"policy": 1}, TypeError, "policy must be a str, not int"),
        ({"policy": "fifo"}, ValueError, "policy must be 'w-tinylfu', 'lru', .* not 'fifo'"),
        ({"seed": -1}, ValueError, r"seed must be in \[0, 18446744073709551615\], not -1"),
        ({"seed": "x"}, TypeError, "seed must be an int, not str"),
        ({"sizes": 1}, TypeError, "sizes"),
    ],
)
def test_bad_arguments(impl, arguments, error, message):
    with pytest.raises(error, match=message):
        impl.Cache(**{"maxsize": 10, **arguments})


def test_arguments_are_named(impl):
    with pytest.raises(TypeError):
        impl.Cache(10, 5)
    with pytest.raises(TypeError):
        impl.Cache()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.set("a", 2, ttl=0), ValueError, "ttl must be above 0 seconds"),
        (lambda c: c.set("a", 2, ttl=-1), ValueError, "ttl must be in"),
        (lambda c: c.set("a", 2, ttl=float("nan")), ValueError, "ttl must be in"),
        (lambda c: c.set("a", 2, ttl="1"), TypeError, "ttl must be a float, not str"),
        (lambda c: c.set_many({"a": 2}, ttl=0), ValueError, "ttl must be above 0 seconds"),
        (lambda c: c.set("a", 2, tags="x"), TypeError, r"not one str; pass a tuple \(tag,\)"),
        (lambda c: c.set("a", 2, tags=b"x"), TypeError, "not one bytes; pass a tuple"),
        (lambda c: c.set("a", 2, tags=5), TypeError, "tags must be an iterable of tags, not int"),
        (lambda c: c.set("a", 2, tags=[1.5]), TypeError, "a tag must be a str, bytes or int"),
        (lambda c: c.set("a", 2, tags=[True]), TypeError, "not bool"),
        (lambda c: c.set("a", 2, tags=[None]), TypeError, "not NoneType"),
        (lambda c: c.set_many({"a": 2}, tags="x"), TypeError, "pass a tuple"),
        (lambda c: c.invalidate_tag(("x",)), TypeError, "not tuple"),
        (lambda c: c.set_many(5), TypeError, "items must be a mapping or an iterable of pairs"),
        (lambda c: c.set_many([("a", 2), 5]), TypeError, r"items\[1\] must be a pair .* not int"),
        (lambda c: c.set_many([("a", 2, 3)]), ValueError, r"items\[0\] must .* not of length 3"),
        (lambda c: c.update(5), TypeError, "items must be a mapping or an iterable of pairs"),
        (lambda c: c.get_many("ab"), TypeError, r"not one str; pass \[key\]"),
        (lambda c: c.get_many(5), TypeError, "keys must be an array or iterable of keys, not int"),
        (lambda c: c.invalidate_where(5), TypeError, "predicate must be a function, not int"),
        (lambda c: c.get_or_load("a", 5), TypeError, "loader must be a function, not int"),
        (lambda c: c.resize(0), ValueError, "maxsize must be in"),
        (lambda c: c.resize(1.0), TypeError, "maxsize must be an int, not float"),
        (lambda c: c.resize(2**31), ValueError, "maxsize must be in"),
    ],
)
def test_bad_calls_change_nothing(impl, call, error, message, events, on_remove):
    cache = impl.Cache(10, on_remove=on_remove)
    cache["a"] = 1
    with pytest.raises(error, match=message):
        call(cache)
    assert dict(cache.items()) == {"a": 1}
    assert cache.maxsize == 10
    assert cache.stats().requests == 0
    assert events == []


@pytest.mark.parametrize("policy", POLICIES)
def test_unhashable_keys(impl, policy):
    cache = impl.Cache(10, policy=policy)
    for call in (
        lambda: cache.get([]),
        lambda: cache[[]],
        lambda: [] in cache,
        lambda: cache.peek([]),
        lambda: cache.__setitem__([], 1),
        lambda: cache.set([], 1),
        lambda: cache.setdefault([], 1),
        lambda: cache.pop([]),
        lambda: cache.pop([], 1),
        lambda: cache.__delitem__([]),
        lambda: cache.get_many([[]]),
        lambda: cache.set_many([([], 1)]),
        lambda: cache.get_or_load([], len),
    ):
        with pytest.raises(TypeError, match=r"unhashable|cannot use 'list'"):
            call()
    assert len(cache) == 0
    assert cache.stats().requests == 0
