"""Limiters in plain Python: strategies on any storage."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from fastblocks._core import check, limits, rates
from fastblocks._core.rates import Decision, Rule, decision
from fastblocks._core.waiting import Waiters

from .. import _keys
from .._clock import now_ns
from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.limits import DeniedKey, LimiterStats
    from fastblocks._core.rates import Rates
    from fastblocks._core.types import Key, Keys

    from .strategies import Verdict

__all__ = ["FixedWindow", "LeakyBucket", "SlidingWindow", "SlidingWindowCounter", "TokenBucket"]


class Denied:
    """How often keys were denied: a few hundred of those that are denied most.

    Space-Saving in sets: a key that finds no place takes that of the rarest key of its set, and
    goes on from its count.
    """

    def __init__(self) -> None:
        self._sets: list[list[list[Any]]] = [[] for _ in range(limits.DENIED_SETS)]

    def note(self, token: int, key: Key) -> None:
        ways = self._sets[token % limits.DENIED_SETS]
        for way in ways:
            if way[0] == token:
                way[2] += 1
                return
        if len(ways) < limits.DENIED_WAYS:
            ways.append([token, _keys.plain_key(key), 1])
        else:
            rarest = min(ways, key=lambda way: way[2])
            rarest[:] = token, _keys.plain_key(key), rarest[2] + 1

    def top(self, n: int) -> list[DeniedKey]:
        found = [limits.DeniedKey(way[1], way[2]) for ways in self._sets for way in ways]
        return sorted(found, key=lambda denied: -denied.count)[:n]


class Limiter:
    """What all strategies have in common: rules, a storage, a clock."""

    __slots__ = (  # a __dict__ is the subclass's own
        "__weakref__",
        "_counts",
        "_denied",
        "_is_async",
        "_lock",
        "_own_clock",
        "_rules",
        "_storage",
        "_timer",
        "_waiters",
    )

    _KIND: int
    _STRATEGY: str
    _rules: tuple[Rule, ...]

    def _start(
        self, rules: Sequence[Rule], storage: Any, timer: Callable[[], float] | None
    ) -> None:
        if hasattr(self, "_storage"):
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        self._rules = tuple(rules)
        check.timer(timer)
        self._timer = timer
        storage = Memory() if storage is None else storage
        limits.check_storage(storage)
        storage.bind(self._KIND, self._rules)
        self._storage: Any = storage
        self._own_clock = timer is None and getattr(self._storage, "own_clock", False)
        self._is_async = hasattr(self._storage, "decide_async")
        self._waiters = Waiters(min(rule.limit for rule in self._rules))
        self._lock = threading.Lock()
        self._denied = Denied()
        self._counts = [0, 0]  # calls denied, allowed

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._rules

    @property
    def storage(self) -> Any:
        return self._storage

    @property
    def timer(self) -> Callable[[], float] | None:
        return self._timer

    def allow(self, key: Key, cost: int = 1) -> bool:
        return self._call(key, limits.cost_of(cost)).allowed

    def hit(self, key: Key, cost: int = 1) -> Decision:
        return decision(*self._call(key, limits.cost_of(cost))[:5])

    def wait(self, key: Key, cost: int = 1, timeout: float | None = None) -> Decision:
        return self._waiters.wait(self, _keys.bytes_of_key(key), key, cost, timeout)

    async def wait_async(self, key: Key, cost: int = 1, timeout: float | None = None) -> Decision:
        return await self._waiters.wait_async(self, _keys.bytes_of_key(key), key, cost, timeout)

    def peek(self, key: Key) -> Decision:
        token = self._storage.token(key)
        return decision(*self._storage.decide(token, self._now(), 1, False)[:5])

    def reset(self, key: Key) -> None:
        self._storage.forget(self._storage.token(key))
        self._waiters.wake(_keys.bytes_of_key(key))

    async def allow_async(self, key: Key, cost: int = 1) -> bool:
        return (await self._call_async(key, limits.cost_of(cost))).allowed

    async def hit_async(self, key: Key, cost: int = 1) -> Decision:
        return decision(*(await self._call_async(key, limits.cost_of(cost)))[:5])

    async def peek_async(self, key: Key) -> Decision:
        if not self._is_async:
            return self.peek(key)
        token = self._storage.token(key)
        return decision(*(await self._storage.decide_async(token, self._now(), 1, False))[:5])

    async def reset_async(self, key: Key) -> None:
        if not self._is_async:
            return self.reset(key)
        await self._storage.forget_async(self._storage.token(key))
        self._waiters.wake(_keys.bytes_of_key(key))

    def allow_many(
        self, keys: Keys, costs: Any = 1, out: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        plain, _ = _keys.plain_keys(keys)
        checked = limits.costs_of(costs, len(plain))
        each = [checked] * len(plain) if isinstance(checked, int) else checked.tolist()
        result = _keys.fill_out(out, [False] * len(plain), "bool")
        now = self._now()
        calls = [
            (self._storage.token(key), now, cost) for key, cost in zip(plain, each, strict=True)
        ]
        verdicts = limits.decided(self._storage, calls)
        for i, (key, (token, _, _), verdict) in enumerate(zip(plain, calls, verdicts, strict=True)):
            result[i] = verdict[0]
            self._count(token, key, verdict[0])
        return result

    def _now(self) -> int | None:
        """Now, or None for the storage's own."""
        return None if self._own_clock else now_ns(self._timer)

    def _call(self, key: Key, cost: int) -> Verdict:
        token = self._storage.token(key)
        verdict: Verdict = self._storage.decide(token, self._now(), cost, True)
        self._count(token, key, verdict[0])
        return verdict

    async def _call_async(self, key: Key, cost: int) -> Verdict:
        if not self._is_async:
            return self._call(key, cost)
        token = self._storage.token(key)
        verdict: Verdict = await self._storage.decide_async(token, self._now(), cost, True)
        self._count(token, key, verdict[0])
        return verdict

    def _count(self, token: Any, key: Key, allowed: bool) -> None:
        with self._lock:
            self._counts[allowed] += 1
            if not allowed:
                self._denied.note(token if isinstance(token, int) else hash(token), key)

    def stats(self) -> LimiterStats:
        with self._lock:
            denied, allowed = self._counts
        storage = self._storage
        keys = len(storage) if hasattr(storage, "__len__") else None
        return limits.LimiterStats(allowed, denied, keys, getattr(storage, "evicted", 0))

    def top_denied(self, n: int = 10) -> list[DeniedKey]:
        check.integer("n", n, 0, 2**63 - 1)
        with self._lock:
            return self._denied.top(n)

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in limits.told(self._STRATEGY, self._rules)]
        return f"{type(self).__name__}({', '.join(words)}, storage={self._storage!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        strategy = next(cls for cls in type(self).__mro__ if "_STRATEGY" in vars(cls))
        arguments = dict(limits.told(self._STRATEGY, self._rules))
        arguments |= {"storage": self._storage, "timer": self._timer}
        attributes = getattr(self, "__dict__", None)
        return limits.remade, (type(self), strategy, arguments), attributes or None


class FixedWindow(Limiter):
    """So many in every window; see `fastblocks.FixedWindow`."""

    __slots__ = ()
    _STRATEGY = "FixedWindow"
    _KIND = rates.FIXED

    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None:
        self._start(rates.window_rules(rate), storage, timer)


class SlidingWindow(Limiter):
    """So many in any period, exactly; see `fastblocks.SlidingWindow`."""

    __slots__ = ()
    _STRATEGY = "SlidingWindow"
    _KIND = rates.LOG

    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None:
        self._start(rates.window_rules(rate, rates.MAX_LOG_COUNT), storage, timer)


class SlidingWindowCounter(Limiter):
    """So many in any period, about; see `fastblocks.SlidingWindowCounter`."""

    __slots__ = ()
    _STRATEGY = "SlidingWindowCounter"
    _KIND = rates.COUNTER

    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None:
        self._start(rates.window_rules(rate), storage, timer)


class LeakyBucket(Limiter):
    """So many in a period, evenly, with bursts (GCRA); see `fastblocks.LeakyBucket`."""

    __slots__ = ()
    _STRATEGY = "LeakyBucket"
    _KIND = rates.BUCKET

    def __init__(
        self,
        rate: Rates,
        burst: int | None = None,
        *,
        storage: Any = None,
        timer: Callable[[], float] | None = None,
    ) -> None:
        self._start(rates.leaky_rules(rate, burst), storage, timer)


class TokenBucket(Limiter):
    """Tokens that come at a rate and can be saved up; see `fastblocks.TokenBucket`."""

    __slots__ = ()
    _STRATEGY = "TokenBucket"
    _KIND = rates.BUCKET

    def __init__(
        self,
        per_second: Any,
        burst: int,
        *,
        storage: Any = None,
        timer: Callable[[], float] | None = None,
    ) -> None:
        self._start((rates.per_second_rule(per_second, burst),), storage, timer)
