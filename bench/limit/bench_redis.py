"""Limits on a server.

One Valkey on loopback, one client, 1000 keys in turn, limits that are not reached. Both run on one
core: on two, a call takes once or twice as long, as the other core happens to sleep or not.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Any, ClassVar

from bench.limit.server import Server, programs
from bench.model import Library, Role, Timed, Unsupported, expect, work

KEYS = [f"user:{i}" for i in range(1000)]
LIMIT = 1_000_000
FEW = 1_000  # of a sliding log
STRATEGIES = ("fixed", "counter", "bucket", "log")


class OnServer(Library):
    """Limiters with a server of their own."""

    def __init__(self) -> None:
        super().__init__()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        server = Server(programs()["valkey"]).start()
        atexit.register(server.stop)
        self.url = server.url

    def limiter(self, strategy: str, limit: int) -> Callable[[str], Any]:
        """Return a function that tells whether a key has one more of `limit` calls an hour."""
        raise NotImplementedError

    def batch(self, limit: int) -> Callable[[list[str]], Any]:
        """Return the same for many keys at once, in fixed windows."""
        raise Unsupported("no batch")


class Native(OnServer):
    """fastblocks itself, on the client of the package redis."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.limit"
    distribution = "fastblocks"

    def limiter(self, strategy: str, limit: int) -> Callable[[str], Any]:
        """A limiter's `hit`."""
        limits = self.api
        classes = {
            "fixed": limits.FixedWindow,
            "counter": limits.SlidingWindowCounter,
            "bucket": limits.LeakyBucket,
            "log": limits.SlidingWindow,
        }
        storage = limits.Redis(self.url, on_error="raise")
        hit: Callable[[str], Any] = classes[strategy](f"{limit}/hour", storage=storage).hit
        return hit

    def batch(self, limit: int) -> Callable[[list[str]], Any]:
        """A limiter's `allow_many`."""
        storage = self.api.Redis(self.url, on_error="raise")
        limiter = self.api.FixedWindow(f"{limit}/hour", storage=storage)
        many: Callable[[list[str]], Any] = limiter.allow_many
        return many


class Pure(Native):
    """Limiters of the pure-Python twin, on the same storage."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.limit"


class Limits(OnServer):
    """limits."""

    name = "limits"
    module = "limits"
    distribution = "limits"

    def limiter(self, strategy: str, limit: int) -> Callable[[str], Any]:
        """A strategy's `hit`."""
        from limits import storage, strategies

        classes: dict[str, Any] = {
            "fixed": strategies.FixedWindowRateLimiter,
            "counter": strategies.SlidingWindowCounterRateLimiter,
            "log": strategies.MovingWindowRateLimiter,
        }
        if strategy not in classes:
            raise Unsupported("no bucket")
        made = classes[strategy](storage.RedisStorage(self.url, key_prefix=strategy))
        rate = self.api.RateLimitItemPerHour(limit)
        return lambda key: made.hit(rate, key)


class Throttled(OnServer):
    """throttled-py."""

    name = "throttled-py"
    module = "throttled"
    distribution = "throttled-py"

    def limiter(self, strategy: str, limit: int) -> Callable[[str], Any]:
        """`limit` of one object for all keys."""
        using = {"fixed": "fixed_window", "counter": "sliding_window", "bucket": "gcra"}
        if strategy not in using:
            raise Unsupported("no log")
        made = self.api.Throttled(
            using=using[strategy],
            quota=self.api.per_hour(limit, burst=limit),
            store=self.api.RedisStore(server=self.url),
        )
        return lambda key: not made.limit(key).limited


class Bare(OnServer):
    """The same client, a script that returns 1."""

    name = "EVALSHA of `return 1`"
    role: ClassVar[Role] = "floor"
    module = "redis"
    distribution = "redis"
    only = (*(f"hit_{strategy}" for strategy in STRATEGIES), "allow_many")

    def limiter(self, strategy: str, limit: int) -> Callable[[str], Any]:
        """A call that decides nothing."""
        client = self.api.Redis.from_url(self.url)
        sha = client.script_load("return 1")
        return lambda key: client.evalsha(sha, 0)

    def batch(self, limit: int) -> Callable[[list[str]], Any]:
        """Such calls in one pipeline."""
        client = self.api.Redis.from_url(self.url)
        sha = client.script_load("return 1")

        def many(keys: list[str]) -> Any:
            pipeline = client.pipeline(transaction=False)
            for _ in keys:
                pipeline.evalsha(sha, 0)
            return pipeline.execute()

        return many


LIBRARIES = (Native, Pure, Limits, Throttled, Bare)


def _hits(lib: OnServer, timed: Timed, strategy: str, limit: int) -> None:
    if not isinstance(lib, Bare):
        few = lib.limiter(strategy, 3)
        answers = [bool(few("checked")) for _ in range(5)]
        expect(answers == [True] * 3 + [False] * 2, f"3 an hour: {answers}")
    hit = lib.limiter(strategy, limit)

    def work_() -> None:
        for key in KEYS:
            hit(key)

    timed(work_, items=len(KEYS))


@work("`hit(key)` on Redis, fixed window", "1000 keys", unit="call", rounds=2)
def bench_hit_fixed(lib: Any, timed: Timed) -> None:
    """Fixed window."""
    _hits(lib, timed, "fixed", LIMIT)


@work("`hit(key)` on Redis, two-window counter", "1000 keys", unit="call", rounds=2)
def bench_hit_counter(lib: Any, timed: Timed) -> None:
    """Sliding window, estimated."""
    _hits(lib, timed, "counter", LIMIT)


@work("`hit(key)` on Redis, leaky bucket", "1000 keys", unit="call", headline=True, rounds=2)
def bench_hit_bucket(lib: Any, timed: Timed) -> None:
    """GCRA."""
    _hits(lib, timed, "bucket", LIMIT)


@work("`hit(key)` on Redis, sliding log", "1000 keys, 1000 an hour", unit="call", rounds=2)
def bench_hit_log(lib: Any, timed: Timed) -> None:
    """Sliding window, exact."""
    _hits(lib, timed, "log", FEW)


@work("`allow_many(keys)` on Redis, fixed window", "1000 keys", unit="call", rounds=2)
def bench_allow_many(lib: Any, timed: Timed) -> None:
    """A batch."""
    many = lib.batch(LIMIT)
    if not isinstance(lib, Bare):
        few = lib.batch(3)
        answers = list(few(["one", "other", *["one"] * 4]))
        expect(answers == [True] * 4 + [False] * 2, f"3 an hour: {answers}")
    timed(lambda: many(KEYS), items=len(KEYS))
