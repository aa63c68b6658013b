"""Random sequences of everything: native, pure and a naive LRU do not come apart."""

import random
from collections import namedtuple
from math import ceil

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.cache.twins import POLICIES, TWINS
from tests.filters.clock import Clock

SECOND = 10**9
TICK_BITS = 20
Stats = namedtuple("Stats", "hits misses evictions expirations")


class NaiveLru:
    """A list of entries, requested longest ago first; all that is done to it is done in full."""

    def __init__(self, maxsize, *, ttl, tti, weigher, on_remove, timer, **unused):
        self.maxsize, self.ttl, self.tti = maxsize, ttl, tti
        self.weigher = weigher or (lambda key, value: 1)
        self.on_remove, self.timer = on_remove, timer
        self.entries = []  # dicts
        self.tick = None
        self.counts = [0, 0, 0, 0]

    def find(self, key):
        return next((e for e in self.entries if e["key"] == key), None)

    def alive(self, entry):
        ends = [entry["end"]] if entry["end"] is not None else []
        if self.tti is not None:
            ends.append(entry["accessed"] + self.tti * SECOND)
        return all(self.timer.ns < end for end in ends)

    def remove(self, entry, cause):
        self.entries.remove(entry)
        self.counts[2] += cause == "size"
        self.counts[3] += cause == "expired"
        self.on_remove(entry["key"], entry["value"], cause)

    def bury(self):
        tick = self.timer.ns >> TICK_BITS
        if self.tick is None or tick >= self.tick:
            self.tick = tick
            for entry in [e for e in self.entries if not self.alive(e)]:
                self.remove(entry, "expired")

    def shrink(self):
        while sum(e["weight"] for e in self.entries) > self.maxsize:
            self.remove(self.entries[0], "size")

    def get(self, key, default=None):
        entry = self.find(key)
        if entry is not None and not self.alive(entry):
            self.remove(entry, "expired")
            entry = None
        self.counts[entry is None] += 1
        if entry is None:
            return default
        self.entries.remove(entry)
        self.entries.append(entry)
        entry["accessed"] = max(entry["accessed"], self.timer.ns)
        return entry["value"]

    def peek(self, key, default=None):
        entry = self.find(key)
        return entry["value"] if entry is not None and self.alive(entry) else default

    def __contains__(self, key):
        return self.peek(key, self) is not self

    def set(self, key, value, ttl=None, tags=()):
        weight = self.weigher(key, value)
        if weight > self.maxsize:
            raise ValueError(weight)
        if self.tick is None or self.timer.ns >> TICK_BITS > self.tick:
            self.bury()
        entry = self.find(key)
        if entry is not None and not self.alive(entry):
            self.remove(entry, "expired")
            entry = None
        if entry is not None:
            self.entries.remove(entry)
            self.on_remove(entry["key"], entry["value"], "replaced")
            key = entry["key"]
        ttl = self.ttl if ttl is None else ttl
        end = None if ttl is None else self.timer.ns + round(ttl * SECOND)
        self.entries.append(
            {"key": key, "value": value, "weight": weight, "end": end, "tags": tags}
            | {"accessed": self.timer.ns}
        )
        self.shrink()

    def setdefault(self, key, default=None):
        value = self.get(key, self)
        if value is self:
            self.set(key, default)
            return default
        return value

    def get_or_load(self, key, loader):
        return self.setdefault(key, loader(key))

    def pop(self, key, default=None):
        entry = self.find(key)
        if entry is None:
            return default
        cause = "explicit" if self.alive(entry) else "expired"
        self.remove(entry, cause)
        return entry["value"] if cause == "explicit" else default

    def popitem(self):
        self.bury()
        if not self.entries:
            raise KeyError
        entry = self.entries[0]
        self.remove(entry, "explicit")
        return entry["key"], entry["value"]

    def remove_all(self, chosen):
        for entry in chosen:
            self.remove(entry, "explicit")
        return len(chosen)

    def clear(self):
        self.remove_all(list(self.entries))
        self.tick = None

    def invalidate_tag(self, tag):
        self.bury()
        return self.remove_all([e for e in self.entries if tag in e["tags"]])

    def invalidate_where(self, predicate):
        alive = [e for e in self.entries if self.alive(e)]
        return self.remove_all([e for e in alive if predicate(e["key"], e["value"])])

    def resize(self, maxsize):
        self.bury()
        self.maxsize = maxsize
        self.shrink()

    def expire(self):
        before = self.counts[3]
        self.bury()
        return self.counts[3] - before

    def __len__(self):
        self.bury()
        return len(self.entries)

    @property
    def currsize(self):
        self.bury()
        return sum(e["weight"] for e in self.entries)

    def items(self):
        self.bury()
        return [(e["key"], e["value"]) for e in self.entries if self.alive(e)]

    def stats(self):
        return Stats(*self.counts)


def in_order(events):
    """Events, with those of one operation that come in no order sorted."""
    runs = []
    for key, value, cause in events:
        if not runs or runs[-1][0] != cause or cause not in ("expired", "explicit"):
            runs.append((cause, []))
        runs[-1][1].append((key, value))
    return [(cause, sorted(pairs, key=repr)) for cause, pairs in runs]


def answer(call, cache):
    try:
        return call(cache)
    except (KeyError, ValueError) as error:
        return type(error)


class Side:
    """Caches side by side: what is done to all must come to the same."""

    def __init__(self, policy, maxsize, weighted=False, **options):
        makers = [package.Cache for package in TWINS.values()]
        if policy == "lru":
            makers.append(NaiveLru)
        self.clock = Clock(SECOND)
        self.events = [[] for _ in makers]
        self.caches = [
            maker(
                maxsize,
                policy=policy,
                weigher=(lambda key, value: value) if weighted else None,
                on_remove=lambda *event, events=events: events.append(event),
                timer=self.clock,
                **options,
            )
            for maker, events in zip(makers, self.events, strict=True)
        ]

    def all(self, call):
        answers = [answer(call, cache) for cache in self.caches]
        told = [in_order(events) for events in self.events]
        assert all(one == answers[0] for one in answers)
        assert all(one == told[0] for one in told)
        for events in self.events:
            events.clear()

    def compare(self):
        self.all(lambda cache: sorted(cache.items(), key=repr))
        self.all(lambda cache: (len(cache), cache.currsize))
        self.all(lambda cache: [getattr(cache.stats(), name) for name in Stats._fields])

    def drain(self):
        self.compare()
        for _ in range(len(self.caches[0]) + 1):
            self.all(lambda cache: cache.popitem())


# What can be done to a cache, given (key, value, ttl, tags, maxsize); and how often it is, below.
OPERATIONS = {
    "get": (6, lambda c, k, v, *_: c.get(k)),
    "set": (6, lambda c, k, v, ttl, tags, size: c.set(k, v, ttl=ttl, tags=tags)),
    "setdefault": (6, lambda c, k, v, *_: c.setdefault(k, v)),
    "get_or_load": (3, lambda c, k, v, *_: c.get_or_load(k, lambda key: v)),
    "look": (1, lambda c, k, *_: (c.peek(k), k in c)),
    "pop": (1, lambda c, k, *_: c.pop(k, None)),
    "popitem": (0.5, lambda c, *_: c.popitem()),
    "invalidate_tag": (0.3, lambda c, k, v, ttl, tags, size: [c.invalidate_tag(t) for t in tags]),
    "invalidate_where": (0.3, lambda c, k, v, *_: c.invalidate_where(lambda key, got: got == v)),
    "resize": (0.1, lambda c, k, v, ttl, tags, size: c.resize(size)),
    "clear": (0.05, lambda c, *_: c.clear()),
    "expire": (0.5, lambda c, *_: c.expire()),
}
NAMES = list(OPERATIONS)
KEYS = [*range(15), "a", "b", (1, 2), 1.5, None, -1, -2]
LIVES = [None, None, None, 1e-9, 1e-3, 1.0, 7.0, 100.0]
TAGS = [(), (), ("x",), ("x", b"y"), (3,)]
SIZES = [1, 2, 3, 8, 12, 30]
STEPS = [0, 0, 1, 10**5, 2**20, 3 * 2**20, 10**8, SECOND, 3 * SECOND, 50 * SECOND]
TIMES = [{"ttl": None, "tti": None}, {"ttl": 5, "tti": None}, {"ttl": 0.01, "tti": 2}]


class Caches(RuleBasedStateMachine):
    """Hypothesis finds short sequences."""

    side = None

    @initialize(
        policy=st.sampled_from(POLICIES),
        maxsize=st.sampled_from(SIZES),
        weighted=st.booleans(),
        times=st.sampled_from(TIMES),
        seed=st.integers(0, 2**64 - 1),
    )
    def make(self, policy, maxsize, weighted, times, seed):
        self.side = Side(policy, maxsize, weighted, seed=seed, **times)

    def teardown(self):
        if self.side is not None:
            self.side.drain()

    @rule(
        name=st.sampled_from([name for name in NAMES for _ in range(ceil(OPERATIONS[name][0]))]),
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12),
        value=st.integers(0, 9),
        ttl=st.sampled_from(LIVES),
        tags=st.sampled_from(TAGS),
        maxsize=st.sampled_from(SIZES),
    )
    def operate(self, name, keys, value, ttl, tags, maxsize):
        for key in keys:
            self.side.all(lambda c: OPERATIONS[name][1](c, key, value, ttl, tags, maxsize))  # noqa: B023

    @rule(ns=st.sampled_from(STEPS), sign=st.sampled_from([1, 1, -1]))
    def clock(self, ns, sign):
        self.side.clock.ns += sign * ns

    @rule()
    def compare(self):
        self.side.compare()


TestCaches = Caches.TestCase
TestCaches.settings = settings(max_examples=120, stateful_step_count=30)


@pytest.mark.parametrize("times", TIMES, ids=["no times", "ttl", "ttl and tti"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_long_sequences(policy, weighted, times):
    """The same, at random, over many requests."""
    rng = random.Random(1)
    side = Side(policy, 8 * (1 + 2 * weighted), weighted, seed=rng.getrandbits(64), **times)
    weights = [weight for weight, _ in OPERATIONS.values()]
    for _ in range(1500):
        name = rng.choices(NAMES, weights)[0]
        given = [rng.choice(KEYS) if rng.random() < 0.7 else rng.randrange(100)]
        given += [rng.randrange(10), *map(rng.choice, (LIVES, TAGS, SIZES))]
        side.all(lambda c: OPERATIONS[name][1](c, *given))  # noqa: B023
        if rng.random() < 0.1:
            side.clock.ns += rng.choice([1, 1, -1]) * rng.choice(STEPS)
        if rng.random() < 0.05:
            side.compare()
    side.drain()
