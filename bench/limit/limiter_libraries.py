"""Rate limiters in memory beside fastblocks, each used the way its documentation shows.

`f` is a limiter of the library throughout, and whatever goes with it.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar

from bench.model import Library, Role, Unsupported, expect

HOUR = 3600
FIXED, LOG, COUNTER, BUCKET = "fixed window", "sliding window log", "counter", "bucket"
NO_LIMIT = 1_000_000_000  # in an hour: so much that none is denied

# How many of 8 calls at 0, 5, 10 and 15 seconds pass at 5 in 10 seconds.
TIMES = (0.0, 5.0, 10.0, 15.0)
ADMITTED = {
    FIXED: [5, 0, 5, 0],
    LOG: [5, 0, 5, 0],
    COUNTER: [5, 0, 0, 2],
    BUCKET: [5, 2, 3, 2],
}


class Limiter(Library):
    """What all have in common.

    Attributes
    ----------
    strategies : dict
        What it calls the strategies it has.
    cheapest : str
        The strategy it is fastest with, for works that are not about one.
    """

    strategies: ClassVar[dict[str, str]] = {}
    cheapest: ClassVar[str] = FIXED

    def make(self, strategy: str, limit: int = NO_LIMIT, keys: int = 1_000) -> Any:
        """Return a limiter of so many calls an hour, for so many keys."""
        if strategy not in self.strategies:
            raise Unsupported(f"no {strategy}")
        return self.create(self.strategies[strategy], limit, keys)

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a limiter of a strategy by the library's own name."""
        raise NotImplementedError

    def one(self, f: Any) -> Callable[[Any], Any]:
        """Return what is called for each key."""
        allow: Callable[[Any], Any] = f.allow
        return allow

    def passed(self, answer: Any) -> bool:
        """Whether an answer of `one` says that the call may go on."""
        return bool(answer)

    def each(self, f: Any, keys: Iterable[Any]) -> None:
        """Make a call of each key: the loop that is timed."""
        allow = self.one(f)
        for key in keys:
            allow(key)

    def answers(self, f: Any, keys: Iterable[Any]) -> list[bool]:
        """Make a call of each key and return which may go on."""
        return [self.passed(answer) for answer in map(self.one(f), keys)]

    def told(self, f: Any) -> Callable[[Any], tuple[Any, Any]]:
        """Return a function that makes a call and tells what remains, and the time to the reset."""
        raise Unsupported("tells only yes or no")

    def batch(self, keys: Any) -> Any:
        """Return integer keys in the form `answers_batch` takes."""
        return [f"user:{key}" for key in keys.tolist()]

    def answers_batch(self, f: Any, keys: Any) -> Any:
        """Make calls of a `batch` in whatever way is fastest."""
        return self.answers(f, keys)

    def memory(self, keys: Sequence[str]) -> float:
        """Return the bytes that a limiter takes after a call of each of `keys`, without these."""
        tracemalloc.start()
        try:
            f = self.make(self.cheapest, keys=len(keys))
            self.each(f, keys)
            return float(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()

    def check(self, strategy: str) -> None:
        """Expect three of an hour to be three, for each key apart."""
        f = self.make(strategy, limit=3)
        found = self.answers(f, ["ann", "bob"] * 5)
        expect(found == [True] * 6 + [False] * 4, f"3 an hour: {found}")


class Native(Limiter):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.limit"
    distribution = "fastblocks"
    strategies: ClassVar[dict[str, str]] = {
        FIXED: "FixedWindow",
        LOG: "SlidingWindow",
        COUNTER: "SlidingWindowCounter",
        BUCKET: "LeakyBucket",
    }

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a limiter with a storage of its own."""
        return getattr(self.api, strategy)(self.api.Rate(limit, HOUR))

    def told(self, f: Any) -> Callable[[Any], tuple[Any, Any]]:
        """A decision has it all."""
        hit = f.hit

        def tell(key: Any) -> tuple[Any, Any]:
            decision = hit(key)
            return decision.remaining, decision.reset_after

        return tell

    def batch(self, keys: Any) -> Any:
        """Return the array."""
        return keys

    def answers_batch(self, f: Any, keys: Any) -> Any:
        """Pass it."""
        return f.allow_many(keys)

    def memory(self, keys: Sequence[str]) -> float:
        """The storage tells."""
        f = self.make(self.cheapest)
        self.each(f, keys)
        return float(f.storage.nbytes)

    def check(self, strategy: str) -> None:
        """Expect exactly what the strategy admits as time goes on."""
        super().check(strategy)
        clock = SimpleNamespace(now=0.0)
        limiter = getattr(self.api, self.strategies[strategy])
        f = limiter("5/10s", timer=lambda: clock.now)
        found = []
        for clock.now in TIMES:
            found.append(sum(f.allow("ann") for _ in range(8)))
        expect(found == ADMITTED[strategy], f"admits {found}, not {ADMITTED[strategy]}")


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.limit"
    max_keys = 2_000

    def memory(self, keys: Sequence[str]) -> float:
        """What Python allocates."""
        return Limiter.memory(self, keys)


class Limits(Limiter):
    """limits with its storage in memory; a call that also tells what remains is two."""

    name = "limits"
    module = "limits"
    distribution = "limits"
    max_keys = 10_000
    strategies: ClassVar[dict[str, str]] = {
        FIXED: "FixedWindowRateLimiter",
        LOG: "MovingWindowRateLimiter",
        COUNTER: "SlidingWindowCounterRateLimiter",
    }

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a strategy on a storage, and the limit."""
        limiter = getattr(import_module("limits.strategies"), strategy)
        storage = import_module("limits.storage").MemoryStorage()
        return limiter(storage), self.api.RateLimitItemPerHour(limit)

    def one(self, f: Any) -> Callable[[Any], Any]:
        """`hit` takes the limit first."""
        limiter, item = f
        return partial(limiter.hit, item)

    def told(self, f: Any) -> Callable[[Any], tuple[Any, Any]]:
        """Hit, then ask."""
        limiter, item = f

        def tell(key: Any) -> tuple[Any, Any]:
            limiter.hit(item, key)
            stats = limiter.get_window_stats(item, key)
            return stats.remaining, stats.reset_time

        return tell


class Throttled(Limiter):
    """throttled-py with a store in memory that is large enough not to forget keys."""

    name = "throttled-py"
    module = "throttled"
    distribution = "throttled-py"
    max_keys = 10_000
    strategies: ClassVar[dict[str, str]] = {
        FIXED: "fixed_window",
        COUNTER: "sliding_window",
        BUCKET: "token_bucket",
    }

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a limiter with a store of its own."""
        store = self.api.MemoryStore(options={"MAX_SIZE": 2 * keys + 1_000})
        quota = self.api.per_hour(limit, burst=limit)
        return self.api.Throttled(using=strategy, quota=quota, store=store)

    def one(self, f: Any) -> Callable[[Any], Any]:
        """Return its method."""
        limit: Callable[[Any], Any] = f.limit
        return limit

    def passed(self, answer: Any) -> bool:
        """Whether it is not limited."""
        return not answer.limited

    def told(self, f: Any) -> Callable[[Any], tuple[Any, Any]]:
        """The result has a state."""
        limit = f.limit

        def tell(key: Any) -> tuple[Any, Any]:
            state = limit(key).state
            return state.remaining, state.reset_after

        return tell


class TokenBucket(Limiter):
    """token-bucket."""

    name = "token-bucket"
    module = "token_bucket"
    distribution = "token-bucket"
    max_keys = 100_000
    strategies: ClassVar[dict[str, str]] = {BUCKET: "Limiter"}
    cheapest = BUCKET

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a limiter with a storage of its own."""
        return self.api.Limiter(limit / HOUR, limit, self.api.MemoryStorage())

    def one(self, f: Any) -> Callable[[Any], Any]:
        """Return its method."""
        consume: Callable[[Any], Any] = f.consume
        return consume


class PyrateLimiter(Limiter):
    """pyrate-limiter: a factory that keeps a bucket for each key, as its README has it.

    Buckets are not registered for the thread that cleans them, which only costs time. Its fixed
    window keeps all times, as the log does.
    """

    name = "pyrate-limiter"
    module = "pyrate_limiter"
    distribution = "pyrate-limiter"
    max_keys = 10_000
    strategies: ClassVar[dict[str, str]] = {LOG: "SlidingWindowLog", BUCKET: "TokenBucket"}
    cheapest = BUCKET

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a limiter of a factory."""
        api = self.api
        rates = [api.Rate(limit, HOUR * 1000)]
        bucket = api.InMemoryBucket if strategy == "SlidingWindowLog" else api.StateBucket
        algorithm, clock = getattr(api, strategy)(), api.MonotonicClock()
        buckets: dict[str, Any] = {}

        def wrap_item(self: Any, name: str, weight: int = 1) -> Any:
            return api.RateItem(name, clock.now(), weight=weight)

        def get(self: Any, item: Any) -> Any:
            found = buckets.get(item.name)
            if found is None:
                found = buckets[item.name] = bucket(rates, algorithm)
            return found

        factory = type("Factory", (api.BucketFactory,), {"wrap_item": wrap_item, "get": get})
        return api.Limiter(factory())

    def one(self, f: Any) -> Callable[[Any], Any]:
        """Without waiting."""
        return partial(f.try_acquire, blocking=False)


class AioLimiter(Limiter):
    """aiolimiter: one limiter for each key, all calls from one task."""

    name = "aiolimiter"
    module = "aiolimiter"
    distribution = "aiolimiter"
    max_keys = 30_000
    strategies: ClassVar[dict[str, str]] = {BUCKET: "AsyncLimiter"}
    cheapest = BUCKET

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return a dict that makes them."""
        create = partial(self.api.AsyncLimiter, limit, HOUR)

        class Limiters(dict[Any, Any]):
            def __missing__(self, key: Any) -> Any:
                made = self[key] = create()
                return made

        return Limiters()

    def each(self, f: Any, keys: Iterable[Any]) -> None:
        """Acquire what has capacity, in one run of the loop."""

        async def run() -> None:
            for key in keys:
                limiter = f[key]
                if limiter.has_capacity():
                    await limiter.acquire()

        self.loop.run_until_complete(run())

    def answers(self, f: Any, keys: Iterable[Any]) -> list[bool]:
        """The same, with answers."""

        async def run() -> list[bool]:
            found = []
            for key in keys:
                limiter = f[key]
                found.append(limiter.has_capacity())
                if found[-1]:
                    await limiter.acquire()
            return found

        return self.loop.run_until_complete(run())


class Nothing:
    """A limiter that limits nothing."""

    def allow(self, key: Any) -> bool:
        """Say yes."""
        return True


class Counters:
    """Counters that are never reset."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.counts: dict[Any, int] = {}

    def allow(self, key: Any) -> bool:
        """Count."""
        used = self.counts.get(key, 0)
        if used >= self.limit:
            return False
        self.counts[key] = used + 1
        return True


class Floor(Limiter):
    """What a method in Python costs."""

    role: ClassVar[Role] = "floor"
    strategies: ClassVar[dict[str, str]] = dict.fromkeys((FIXED, LOG, COUNTER, BUCKET), "")


class NoOpFloor(Floor):
    """A method that does nothing."""

    name = "no-op method"
    only = ("allow_fixed", "allow_bucket", "one_key")

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return something that has it."""
        return Nothing()

    def check(self, strategy: str) -> None:
        """There is nothing to check."""


class DictFloor(Floor):
    """A method that counts in a dict."""

    name = "dict of counters"
    only = ("allow_fixed", "allow_bucket", "one_key", "denied", "million")
    max_keys = 1_000_000

    def create(self, strategy: str, limit: int, keys: int) -> Any:
        """Return counters."""
        return Counters(limit)


PEERS = (Limits, Throttled, TokenBucket, PyrateLimiter, AioLimiter)
