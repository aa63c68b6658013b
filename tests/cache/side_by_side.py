"""Caches side by side: native, pure and a naive LRU; what is done to all must come to the same."""

import copy
import pickle
import random
from collections import namedtuple
from functools import partial

import fastblocks
import fastblocks.pure
from tests.filters.clock import Clock

SECOND = 10**9
TICK_BITS = 20
Stats = namedtuple("Stats", "hits misses evictions expirations")

# Of the caches under test; here, so that pickles refer to them.
CLOCK = Clock()
EVENTS = [[], [], []]
CACHES = []


def timer():
    return CLOCK()


def tell(i, *event):
    EVENTS[i].append(event)


def tell_and_use(i, key, value, cause):
    """What a listener sees, that changes the cache where the order of events is certain."""
    EVENTS[i].append((key, (value, look(CACHES[i])), cause))
    if cause == "size" and value == 7 and CACHES[i].maxsize >= 3:  # what 3 may weigh
        CACHES[i].set(key, 3, tags=["x"])
    if cause == "replaced" and value == 5:
        CACHES[i].pop(key)


def tell_nobody(*event):
    """What a cache without a listener does."""


def look(cache):
    return cache.maxsize, sorted(cache.items(), key=repr)


def weigh(key, value):
    return value


def weigh_one(key, value):
    return 1


class NaiveLru:
    """A list of entries, requested longest ago first; all that is done to it is done in full."""

    def __init__(self, maxsize, *, ttl, tti, weigher, on_remove, timer, **unused):
        self.maxsize, self.ttl, self.tti = maxsize, ttl, tti
        self.timed = ttl is not None or tti is not None
        self.weigher = weigher or weigh_one
        self.on_remove, self.timer = on_remove or tell_nobody, timer
        self.entries = []  # dicts
        self.tick = None
        self.counts = [0, 0, 0, 0]

    def find(self, key):
        return next((e for e in self.entries if e["key"] == key), None)

    def alive(self, entry):
        ends = [entry["end"]] if entry["end"] is not None else []
        if self.tti is not None:
            ends.append(entry["accessed"] + self.tti * SECOND)
        return all(CLOCK.ns < end for end in ends)

    def remove(self, entry, cause):
        self.entries.remove(entry)
        self.counts[2] += cause == "size"
        self.counts[3] += cause == "expired"
        self.on_remove(entry["key"], entry["value"], cause)

    def bury(self):
        tick = CLOCK.ns >> TICK_BITS
        if self.timed and (self.tick is None or tick >= self.tick):
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
        entry["accessed"] = max(entry["accessed"], CLOCK.ns)
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
        self.timed |= ttl is not None
        if self.tick is None or CLOCK.ns >> TICK_BITS > self.tick:
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
        end = None if ttl is None else CLOCK.ns + round(ttl * SECOND)
        self.entries.append(
            {"key": key, "value": value, "weight": weight, "end": end, "tags": tags}
            | {"accessed": CLOCK.ns}
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

    def __getstate__(self):
        self.bury()
        tick = CLOCK.ns >> TICK_BITS if self.timed and self.entries else None
        changed = {"entries": [dict(e) for e in self.entries], "counts": [0] * 4, "tick": tick}
        return self.__dict__ | changed


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


COPIES = [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]


class Side:
    """Caches to which the same is done; those that tell nobody (told=False) take shorter ways."""

    def __init__(self, policy, maxsize, weighted=False, reenter=False, told=True, **options):
        makers = [fastblocks.Cache, fastblocks.pure.Cache]
        if policy == "lru" and not reenter:
            makers.append(NaiveLru)
        CLOCK.ns = SECOND
        for events in EVENTS:
            events.clear()
        self.caches = [
            maker(
                maxsize,
                policy=policy,
                weigher=weigh if weighted else None,
                on_remove=partial(tell_and_use if reenter else tell, i) if told else None,
                timer=timer,
                **options,
            )
            for i, maker in enumerate(makers)
        ]
        CACHES[:] = self.caches

    def all(self, call):
        answers = [answer(call, cache) for cache in self.caches]
        told = [in_order(events) for events in EVENTS[: len(answers)]]
        assert all(one == answers[0] for one in answers)
        assert all(one == told[0] for one in told)
        for events in EVENTS:
            events.clear()
        return answers[0]

    def compare(self):
        self.all(lambda cache: sorted(cache.items(), key=repr))
        self.all(lambda cache: (len(cache), cache.currsize))
        self.all(lambda cache: [getattr(cache.stats(), name) for name in Stats._fields])

    def copy(self, how):
        """Go on with copies: the policy learns anew, so they show the order of the entries."""
        copies = []
        self.all(lambda cache: copies.append(how(cache)))
        self.caches = CACHES[:] = copies

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


TIMES = [{"ttl": None, "tti": None}, {"ttl": 5, "tti": None}, {"ttl": 0.01, "tti": 2}]
LIVES = [None] * 9 + [1e-9, 1e-3, 1.0, 7.0, 100.0]
TAGS = [(), (), (), ("x",), ("x", b"y"), (3,)]
STEPS = [0, 1, 10**5, 2**20, 3 * 2**20, 10**8]


def keys(rng, size):
    """Hot keys, scans and loops."""
    i = 0
    while True:
        i += 1
        kind = i // (10 * size) % 3 if rng.random() < 0.6 else 0
        yield (int(rng.paretovariate(0.7)) % 10**6, 10**7 + i, 10**8 + i % (size + size // 3))[kind]


def run(policy, size, weighted, times, n, seed, rare=0.01, told=True):
    """n random operations; those that undo much are rare. How many entries were evicted."""
    rng = random.Random(seed)
    maxsize = size * 5 if weighted else size
    side = Side(policy, maxsize, weighted, told=told, seed=rng.getrandbits(64), **times)
    names = list(OPERATIONS)
    often = [often if often >= 1 else often * rare for often, _ in OPERATIONS.values()]
    evicted = 0
    requests = zip(rng.choices(names, often, k=n), keys(rng, size), strict=False)
    for i, (name, key) in enumerate(requests):
        value, tags = rng.randrange(10), rng.choice(TAGS) if told or i % 1000 < 5 else ()
        life = rng.choice(LIVES) if times["ttl"] else None
        resized = rng.choice([maxsize, maxsize, maxsize // 2 + 1, 1])
        call = OPERATIONS[name][1]
        side.all(lambda c: call(c, key, value, life, tags, resized))  # noqa: B023
        if rng.random() < 0.02:
            CLOCK.ns += rng.choice([1, 1, -1]) * rng.choice(STEPS)
        if rng.random() < rare / 20:
            evicted += side.caches[0].stats().evictions
            side.copy(rng.choice(COPIES))
        if i % (1000 if told else 100) == 0:
            side.compare()
    evicted += side.caches[0].stats().evictions
    side.drain()
    return evicted
