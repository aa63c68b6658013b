"""The limiters' interface: every argument, good and bad, and every kind of storage."""

import asyncio
import contextlib
import copy
import gc
import math
import pickle
import weakref

import numpy as np
import pyarrow as pa
import pytest

import fastblocks
import fastblocks.pure
from fastblocks.limit import Decision

NAMES = {
    "FixedWindow": ("3/10s",),
    "SlidingWindow": ("3/10s;5/60s",),
    "SlidingWindowCounter": ("3/10s",),
    "LeakyBucket": ("3/10s",),
    "TokenBucket": (0.3, 3),
}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def still():
    return 100.0


def make(impl, name, **options):
    return getattr(impl.limit, name)(*NAMES[name], **{"timer": still} | options)


class PlainStorage:
    """The least that a storage must have, in Python, without anything beyond: no length, no count
    of keys evicted, and keys known by what they are."""

    def __init__(self, impl):
        self.within = impl.limit.Memory(seed=1)
        self.asked = []

    def bind(self, kind, rules):
        self.within.bind(kind, rules)

    def token(self, key):
        return self.within.token(key)

    def decide(self, token, now, cost, spend):
        self.asked.append((now, cost, spend))
        return self.within.decide(token, now, cost, spend)

    def forget(self, token):
        self.within.forget(token)


KEYS = ["a", "é" * 40, b"\xff", bytearray(b"ba"), memoryview(b"mv"), 5, -5, 2**64 - 1, -(2**63)]


def test_keys_of_every_kind(impl, name):
    limiter = make(impl, name)
    for key in KEYS:
        assert [limiter.allow(key) for _ in range(4)] == [True, True, True, False]
        limiter.reset(key)
        assert limiter.hit(key, cost=2).remaining == 1
    same = [("ü", "ü".encode()), (7, (7).to_bytes(8, "little")), (-1, 2**64 - 1)]
    limiter = make(impl, name)
    for one, other in same:
        assert limiter.allow(one, 3)
        assert not limiter.allow(other)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (None, TypeError),
        (1.5, TypeError),
        (["a"], TypeError),
        (2**64, OverflowError),
        (-(2**63) - 1, OverflowError),
        ("\ud800", UnicodeEncodeError),
        (object(), TypeError),
    ],
)
def test_no_keys(impl, name, key, error):
    limiter = make(impl, name)
    calls = [limiter.allow, limiter.hit, limiter.peek, limiter.reset, lambda k: limiter.wait(k)]
    calls += [lambda k: limiter.allow_many(["a", k]), lambda k: limiter.allow_many(iter([k]))]
    for call in calls:
        with pytest.raises(error):
            call(key)
    assert limiter.stats()[:2] == (0, 0)
    assert limiter.peek("a").remaining == 3


@pytest.mark.parametrize(
    ("cost", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (2**32, ValueError),
        (-(10**30), ValueError),
        (10**30, ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (math.nan, TypeError),
    ],
)
def test_no_costs(impl, name, cost, error):
    limiter = make(impl, name)
    for call in (limiter.allow, limiter.hit, limiter.wait):
        with pytest.raises(error, match="cost must be"):
            call("a", cost)
    with pytest.raises(error, match="costs"):
        limiter.allow_many(["a", "b"], cost)
    with pytest.raises(error, match="costs"):
        limiter.allow_many(["a", "b"], [1, cost])
    assert limiter.stats()[:2] == (0, 0)
    assert limiter.peek("a").remaining == 3


def test_costs_as_other_integers(impl, name):
    limiter = make(impl, name)
    assert limiter.allow("a", np.int8(2))
    assert limiter.hit("a", cost=np.uint64(1)).remaining == 0
    assert not limiter.allow("b", 2**32 - 1)
    assert limiter.hit("b", 4) == (False, 3, 3, math.inf, 0.0)
    with pytest.raises(ValueError, match="cost must be at most 3, the limit, not 4"):
        limiter.wait("b", 4)


# ---- batches ---------------------------------------------------------------------------------

BATCHES = {
    "list": lambda keys: [f"key {i}" for i in keys],
    "iterator": lambda keys: iter([f"key {i}".encode() for i in keys]),
    "ints": lambda keys: np.array(keys, np.int64),
    "int8": lambda keys: np.array(keys, np.int8),
    "S": lambda keys: np.array([b"key %d" % i for i in keys], "S9"),
    "U": lambda keys: np.array([f"kéy {i}" for i in keys], "U9"),
    "arrow": lambda keys: pa.array([f"key {i}" for i in keys], pa.string()),
    "chunked": lambda keys: pa.chunked_array([[f"key {i}" for i in keys], []], pa.string()),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", [0, 1, 50, 1500])
def test_batches_answer_in_order(impl, name, batch, n):
    keys = [i * i % 41 for i in range(n)]
    costs = [1 + i % 3 % 2 for i in range(len(keys))]
    ones, many, fixed = (make(impl, name) for _ in range(3))
    expected = [ones.allow(key, cost) for key, cost in zip(keys, costs, strict=True)]
    answers = many.allow_many(BATCHES[batch](keys), costs)
    assert answers.dtype == bool
    assert answers.tolist() == expected
    assert ones.stats() == many.stats()
    assert sorted(c for _, c in ones.top_denied(99)) == sorted(c for _, c in many.top_denied(99))
    out = np.ones(len(keys), bool)
    assert fixed.allow_many(BATCHES[batch](keys), np.array(costs, np.uint8), out=out) is out
    assert out.tolist() == expected


def test_duplicates_within_a_batch(impl, name):
    limiter = make(impl, name)
    answers = limiter.allow_many(["a", "b", "a", "a", "a", "b"], costs=[1, 4, 2, 1, 1, 3])
    assert answers.tolist() == [True, False, True, False, False, True]
    assert limiter.stats()[:3] == (3, 3, 2)
    assert sorted(limiter.top_denied()) == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("abc", TypeError),
        (5, TypeError),
        (None, TypeError),
        (np.zeros(3), TypeError),
        (np.zeros((2, 2), int), ValueError),
        (pa.array(["a", None]), ValueError),
        (pa.array([1.5]), TypeError),
        (np.ma.array([1, 2], mask=[0, 1]), ValueError),
    ],
)
def test_no_batches(impl, name, keys, error):
    limiter = make(impl, name)
    with pytest.raises(error):
        limiter.allow_many(keys)
    assert limiter.stats()[:2] == (0, 0)


@pytest.mark.parametrize(
    ("costs", "error"),
    [
        ([1], ValueError),
        ([1, 2, 3], ValueError),
        ([[1, 2]], (ValueError, TypeError)),
        (np.array([1, 0]), ValueError),
        (np.array([1, -1]), ValueError),
        ("12", TypeError),
        (np.array([1.0, 2.0]), TypeError),
        (np.array([1, 2**32]), ValueError),
        (None, TypeError),
        (np.ma.array([1, 2], mask=[0, 1]), ValueError),
        (np.array([True, True]), TypeError),
    ],
)
def test_costs_that_do_not_fit(impl, name, costs, error):
    limiter = make(impl, name)
    with pytest.raises(error, match="costs"):
        limiter.allow_many(["a", "b"], costs)
    assert limiter.peek("a").remaining == 3


@pytest.mark.parametrize(
    ("out", "error"),
    [
        ([True, True], TypeError),
        (np.zeros(2, int), ValueError),
        (np.zeros(3, bool), ValueError),
        (np.zeros((2, 1), bool), ValueError),
        (np.zeros(4, bool)[::2], ValueError),
        (np.frombuffer(b"\x00\x00", bool), ValueError),
    ],
)
def test_out_that_does_not_fit(impl, name, out, error):
    limiter = make(impl, name)
    with pytest.raises(error, match="out must be"):
        limiter.allow_many(["a", "b"], out=out)
    assert limiter.stats() == (0, 0, 0, 0)  # before anything was counted


# ---- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (math.nan, ValueError),
        (math.inf, ValueError),
        (-math.inf, ValueError),
        (9100000000.0, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (10**400, ValueError),
    ],
)
def test_timers_that_do_not_tell_the_time(impl, name, seconds, error):
    limiter = make(impl, name, timer=lambda: seconds)
    for call in (limiter.allow, limiter.hit, limiter.peek, lambda k: limiter.allow_many([k])):
        with pytest.raises(error, match="timer must return seconds"):
            call("a")
    assert limiter.stats() == (0, 0, 0, 0)


def test_timers(impl, name):
    for timer in (5, "now", 1.5):
        with pytest.raises(TypeError, match="timer must be a function or None"):
            make(impl, name, timer=timer)

    def broken():
        raise ZeroDivisionError

    limiter = make(impl, name, timer=broken)
    assert limiter.timer is broken
    for call in (limiter.allow, limiter.hit, limiter.peek, lambda k: limiter.allow_many([k])):
        with pytest.raises(ZeroDivisionError):
            call("a")
    assert make(impl, name, timer=None).allow("a")
    assert make(impl, name, timer=lambda: 5).hit("a")


def test_a_timer_may_use_the_limiter(impl, name):
    depth = [1, 2]

    def timer():
        if depth:
            depth.pop()
            assert limiter.allow("a")
        return 100.0

    limiter = make(impl, name, timer=timer)
    assert limiter.allow("a")
    assert limiter.stats().allowed == 3
    assert not limiter.allow("a")


# ---- what it tells ---------------------------------------------------------------------------


def test_stats_and_the_most_denied(impl, name):
    limiter = make(impl, name)
    assert limiter.stats() == (0, 0, 0, 0)
    assert limiter.top_denied() == []
    for i in range(20):
        limiter.allow_many([f"key {i}"] * (3 + i))
    limiter.allow(bytearray(b"key 19"))
    limiter.allow(memoryview(b"key 19"))
    assert limiter.stats() == (60, 192, 20, 0)
    assert limiter.top_denied(3) == [("key 19", 21), ("key 18", 18), ("key 17", 17)]
    assert [count for _, count in limiter.top_denied()] == [21, *range(18, 9, -1)]
    assert len(limiter.top_denied(n=100)) == 19
    assert limiter.top_denied(0) == []
    first = limiter.top_denied(1)[0]
    assert (first.key, first.count) == ("key 19", 21)
    for n, error in ((-1, ValueError), (1.5, TypeError), (None, TypeError), (2**63, ValueError)):
        with pytest.raises(error, match="n must be"):
            limiter.top_denied(n)


def test_the_most_denied_among_many(impl):
    limiter = make(impl, "FixedWindow")
    for part in range(5):
        keys = [f"seldom {part} {i}" for i in range(600)]
        limiter.allow_many(keys + ["often"] * 50 + ["more often"] * 90, 4)
        assert not limiter.allow("often", 4)
    (one, n), (other, m) = limiter.top_denied(2)
    assert (one, other) == ("more often", "often")
    assert 450 <= n < 500
    assert 255 <= m < 300
    assert len(limiter.top_denied(1000)) <= 512


def test_keys_that_are_shown_are_copies(impl, name):
    limiter = make(impl, name)
    key = bytearray(b"abc")
    limiter.allow(key, 4)
    key[0] = 0
    assert limiter.top_denied() == [(b"abc", 1)]
    limiter.allow_many([bytearray(b"xyz")], 4)
    assert sorted(limiter.top_denied()) == [(b"abc", 1), (b"xyz", 1)]


def test_repr_rules_pickle(impl, name):
    limiter = make(impl, name, storage=impl.limit.Memory(5, seed=1), timer=None)
    assert limiter.allow("a", 3)
    assert repr(limiter).startswith(f"{name}(")
    assert repr(limiter).endswith("storage=Memory(max_keys=5, on_full='deny'))")
    shown = eval(repr(limiter), vars(impl.limit).copy())
    assert shown.rules == limiter.rules
    for again in (pickle.loads(pickle.dumps(limiter)), copy.deepcopy(limiter)):
        assert type(again) is type(limiter)
        assert again.rules == limiter.rules
        assert again.storage == limiter.storage
        assert again.storage is not limiter.storage
        assert again.stats()[:2] == (0, 0)
    shallow = copy.copy(limiter)
    assert shallow.storage is limiter.storage
    assert limiter.timer is None
    with pytest.raises(AttributeError):
        limiter.storage = None


# ---- made in odd ways ------------------------------------------------------------------------


def test_a_limiter_is_initialised_once(impl, name):
    limiter = make(impl, name)
    limiter.allow("a", 3)
    with pytest.raises(RuntimeError, match=f"this {name} has been initialised already"):
        limiter.__init__(*NAMES[name])
    assert not limiter.allow("a")


CALLS = {
    "allow": lambda limiter: limiter.allow("a"),
    "hit": lambda limiter: limiter.hit("a"),
    "peek": lambda limiter: limiter.peek("a"),
    "reset": lambda limiter: limiter.reset("a"),
    "wait": lambda limiter: limiter.wait("a"),
    "allow_many": lambda limiter: limiter.allow_many(["a"] * 600),
    "allow_async": lambda limiter: asyncio.run(limiter.allow_async("a")),
    "hit_async": lambda limiter: asyncio.run(limiter.hit_async("a")),
    "peek_async": lambda limiter: asyncio.run(limiter.peek_async("a")),
    "reset_async": lambda limiter: asyncio.run(limiter.reset_async("a")),
    "wait_async": lambda limiter: asyncio.run(limiter.wait_async("a")),
    "stats": lambda limiter: limiter.stats(),
    "repr": repr,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("call", CALLS)
def test_one_that_was_not_initialised_says_so(name, call):
    limiter = getattr(fastblocks, name).__new__(getattr(fastblocks, name))
    with pytest.raises(RuntimeError, match=f"this {name} has not been initialised"):
        CALLS[call](limiter)
    assert limiter.top_denied() == []
    limiter.__init__(*NAMES[name])
    assert limiter.allow("a")


def test_the_base_cannot_be_made():
    base = fastblocks.FixedWindow.__base__
    with pytest.raises(RuntimeError, match="has not been initialised"):
        base().allow("a")


def test_subclasses(impl, name):
    class Mine(getattr(impl.limit, name)):
        def __init__(self, *args, tag=None, **options):
            super().__init__(*args, **options)
            self.tag = tag

        def allow(self, key, cost=1):
            return super().allow(key.lower(), cost)

    mine = Mine(*NAMES[name], tag="x", timer=still)
    assert [mine.allow(key) for key in "aAaA"] == [True, True, True, False]
    assert mine.tag == "x"
    assert repr(mine).startswith("Mine(")
    assert weakref.ref(mine)() is mine
    assert pickle.loads(pickle.dumps(getattr(impl.limit, name)(*NAMES[name]))).rules == mine.rules


class NativeSubclass(fastblocks.TokenBucket):
    def __init__(self, label):
        super().__init__(1, 3, timer=still)
        self.label, self.tags = label, [label]


class PureSubclass(fastblocks.pure.TokenBucket):
    def __init__(self, label):
        super().__init__(1, 3, timer=still)
        self.label, self.tags = label, [label]


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    mine = cls("mine")
    assert mine.allow("a", 3)
    shallow, deep = copy.copy(mine), copy.deepcopy(mine)
    for twin in (shallow, deep, pickle.loads(pickle.dumps(mine))):
        assert type(twin) is cls
        assert (twin.label, twin.tags, twin.rules) == ("mine", ["mine"], mine.rules)
        assert not twin.allow("a")
    assert shallow.tags is mine.tags
    assert shallow.storage is mine.storage
    assert deep.tags is not mine.tags
    assert deep.storage is not mine.storage
    shallow.reset("a")
    assert mine.allow("a")
    assert not deep.allow("a")


def test_cycles_are_collected(name):
    class Mine(getattr(fastblocks, name)):
        def __del__(self):
            with contextlib.suppress(RuntimeError):
                self.allow("a", 9)

    limiter = Mine(*NAMES[name], timer=still)
    limiter.me = limiter
    limiter.allow("a", 9)
    seen = weakref.ref(limiter)
    del limiter
    gc.collect()
    assert seen() is None


def test_arguments_by_name_only(impl):
    with pytest.raises(TypeError):
        impl.limit.FixedWindow("3/s", impl.limit.Memory())
    with pytest.raises(TypeError):
        impl.limit.FixedWindow()
    with pytest.raises(TypeError):
        impl.limit.FixedWindow("3/s", burst=3)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        (5, "storage must be a Memory, SharedMemory or Redis, not int"),
        ("memory", "storage must be a Memory, SharedMemory or Redis, not str"),
        (fastblocks.limit.Memory, "storage must be an object, not the class Memory"),
    ],
)
def test_no_storage(impl, name, storage, message):
    with pytest.raises(TypeError, match=message):
        make(impl, name, storage=storage)


# ---- storages in Python ----------------------------------------------------------------------


def test_a_storage_in_python(impl, name):
    """Every limiter works on anything that follows the protocol, and answers the same."""
    plain, own = PlainStorage(impl), make(impl, name)
    limiter = make(impl, name, storage=plain)
    assert limiter.storage is plain
    for key, cost in [("a", 1), ("a", 2), ("a", 1), (5, 4), ("b", 3), ("b", 1)]:
        assert limiter.hit(key, cost) == own.hit(key, cost)
        assert limiter.peek(key) == own.peek(key)
        assert limiter.allow(key, cost) == own.allow(key, cost)
        assert type(limiter.hit(key, 9)) is Decision
        own.hit(key, 9)
    for one in (limiter, own):
        one.reset("a")
        assert one.allow_many(["a", "b", "a", "c"], [1, 1, 2, 4]).tolist() == [
            True,
            False,
            True,
            False,
        ]
        assert one.wait("d").remaining == 2
    assert sorted(limiter.top_denied(), key=repr) == sorted(own.top_denied(), key=repr)
    assert limiter.stats()[:2] == own.stats()[:2]


def test_a_batch_has_one_time_on_every_storage(impl, name):
    times = iter(range(100))
    plain = PlainStorage(impl)
    limiter = make(impl, name, storage=plain, timer=lambda: next(times))
    limiter.allow_many(["a", "b", "c"])
    assert len({now for now, _, _ in plain.asked}) == 1


@pytest.mark.parametrize("answer", [None, (), (True,), 5])
def test_a_storage_that_answers_nonsense(name, answer):
    storage = PlainStorage(fastblocks)
    limiter = make(fastblocks, name, storage=storage)
    storage.decide = lambda *call: answer
    for call in (limiter.hit, limiter.peek):
        with pytest.raises((TypeError, IndexError)):
            call("a")


def test_a_storage_that_fails(impl, name):
    storage = PlainStorage(impl)
    limiter = make(impl, name, storage=storage)

    def fail(*call):
        raise ConnectionError

    storage.decide = fail
    for call in (limiter.allow, limiter.hit, limiter.peek, lambda k: limiter.allow_many([k])):
        with pytest.raises(ConnectionError):
            call("a")
    assert limiter.top_denied() == []


def test_a_storage_may_initialise_the_limiter_meanwhile(name):
    cls = getattr(fastblocks, name)
    limiter = cls.__new__(cls)

    class Eager(PlainStorage):
        def bind(self, kind, rules):
            super().bind(kind, rules)
            limiter.__init__(*NAMES[name])

    with pytest.raises(RuntimeError, match="initialised already"):
        limiter.__init__(*NAMES[name], storage=Eager(fastblocks))
    assert limiter.allow("a")


# ---- asynchronous ----------------------------------------------------------------------------


def test_async_methods(name):
    limiter = make(fastblocks, name)

    async def main():
        assert await limiter.allow_async("a")
        assert (await limiter.hit_async("a", cost=2)) == limiter.peek("a")._replace(
            allowed=True, retry_after=0.0
        )
        assert not await limiter.allow_async("a")
        assert not await limiter.peek_async("a")
        await limiter.reset_async("a")
        assert (await limiter.wait_async("a", 3)).allowed
        for call in (limiter.allow_async, limiter.hit_async, limiter.wait_async):
            with pytest.raises(ValueError, match="cost must be"):
                await call("a", 0)
            with pytest.raises(TypeError):
                await call(None)

    asyncio.run(main())
    assert limiter.stats()[:2] == (3, 1)


def test_async_methods_of_a_storage_that_can_be_awaited(name):
    class Remote(PlainStorage):
        own_clock = True

        async def decide_async(self, token, now, cost, spend):
            assert now is None
            return self.decide(token, 10**9, cost, spend)

        async def forget_async(self, token):
            self.forget(token)

    limiter = make(fastblocks, name, storage=Remote(fastblocks), timer=None)

    async def main():
        assert (await limiter.hit_async("a", 3)).remaining == 0
        assert not await limiter.allow_async("a")
        assert (await limiter.peek_async("a")).retry_after > 0
        await limiter.reset_async("a")
        assert await limiter.allow_async("a", 3)

    asyncio.run(main())
    assert limiter.stats() == (2, 1, None, 0)
