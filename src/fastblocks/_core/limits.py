"""Limiters: checks, statistics and the registers of denied keys, native and pure alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from . import check
from .rates import MAX_COUNT, MAX_TIME, Rule, rate_of

__all__ = [
    "DENIED_SETS",
    "DENIED_WAYS",
    "ON_FULL",
    "DeniedKey",
    "LimiterFullError",
    "LimiterStats",
    "StorageError",
    "check_binding",
    "check_storage",
    "cost_of",
    "costs_of",
    "decided",
    "full",
    "no_bytes",
    "not_made",
    "remade",
    "time_of",
    "told",
]

ON_FULL = ("deny", "allow", "raise")
DENIED_SETS, DENIED_WAYS = 64, 8  # of the register of denied keys


class LimiterFullError(RuntimeError):
    """A storage has only limited keys and no room for another. Nothing has changed."""

    __module__ = "fastblocks.limit"


class StorageError(ConnectionError):
    """The server that holds a storage's state cannot be asked, or refuses to answer."""

    __module__ = "fastblocks.limit"


class LimiterStats(NamedTuple):
    """What a limiter has done since it was made, and what it holds."""

    allowed: int
    denied: int
    keys: int | None
    evicted: int


LimiterStats.__module__ = "fastblocks.limit"
LimiterStats.allowed.__doc__ = "Calls that were allowed."
LimiterStats.denied.__doc__ = "Calls that were denied."
LimiterStats.keys.__doc__ = "Keys whose state is held; None where the storage does not tell."
LimiterStats.evicted.__doc__ = "Keys forgotten for lack of room before their quota was whole."


class DeniedKey(NamedTuple):
    """A key and how often it was denied: at most so often, and seldom less."""

    key: str | bytes | int
    count: int  # type: ignore[assignment]  # hides tuple.count


DeniedKey.__module__ = "fastblocks.limit"
DeniedKey.key.__doc__ = "The key, as it was first denied."
DeniedKey.count.__doc__ = "How often it was denied."


def cost_of(cost: Any) -> int:
    """Return the argument `cost`, checked."""
    return check.integer("cost", cost, 1, MAX_COUNT)


def costs_of(costs: Any, n: int) -> Any:
    """Return the costs of a batch of n keys, checked: an ``int``, or a uint64 array of n."""
    return check.counts(costs, n, MAX_COUNT, name="costs", low=1)


def time_of(now: Any) -> int:
    """Return the argument `now`, checked."""
    return check.integer("now", now, -MAX_TIME, MAX_TIME)


def decided(storage: Any, calls: Iterable[tuple[Any, int | None, int]]) -> Iterator[Any]:
    """Yield what a storage says to calls that count: tokens, times, costs. At once if it can."""
    if hasattr(storage, "decide_many"):
        yield from storage.decide_many(calls)
    else:
        for token, now, cost in calls:
            yield storage.decide(token, now, cost, True)


def told(strategy: str, rules: Sequence[Rule]) -> list[tuple[str, Any]]:
    """Return the arguments of which a strategy would make these rules, by name."""
    if strategy == "TokenBucket":
        (rule,) = rules
        exact = Fraction(rule.count * 10**9, rule.period_ns)
        shown = float(exact)
        whole = exact.denominator == 1
        per_second = (
            exact.numerator if whole else shown if Fraction(repr(shown)) == exact else exact
        )
        return [("per_second", per_second), ("burst", rule.limit)]
    given = tuple(rate_of(rule.count, rule.period_ns) for rule in rules)
    arguments: list[tuple[str, Any]] = [("rate", given if len(given) > 1 else given[0])]
    if strategy == "LeakyBucket" and len(rules) == 1 and rules[0].limit != rules[0].count:
        arguments.append(("burst", rules[0].limit))
    return arguments


def remade(cls: Any, base: Any, arguments: dict[str, Any]) -> Any:
    """Make a limiter or a storage out of what a pickle holds.

    `base` is the class of ours whose arguments they are: `cls` may have an ``__init__`` of its own.
    """
    made = cls.__new__(cls)
    base.__init__(made, **arguments)
    return made


def not_made(thing: Any) -> RuntimeError:
    return RuntimeError(f"this {type(thing).__name__} has not been initialised")


def no_bytes() -> TypeError:
    return TypeError("a SharedMemory cannot be copied or saved: its state is the file")


def full(max_keys: int) -> LimiterFullError:
    return LimiterFullError(f"all of max_keys={max_keys} keys are limited: no room for another")


def check_storage(storage: Any) -> None:
    """Raise unless `storage` can be asked by a limiter."""
    if isinstance(storage, type):
        raise TypeError(f"storage must be an object, not the class {storage.__name__}")
    if not callable(getattr(storage, "bind", None)):
        raise TypeError(
            f"storage must be a Memory, SharedMemory or Redis, not {type(storage).__name__}"
        )


def check_binding(bound: tuple[int, Sequence[Rule]], kind: int, rules: Sequence[Rule]) -> None:
    """Raise unless a storage is bound to a limiter of the same kind and rules."""
    if bound != (kind, tuple(rules)):
        raise ValueError("storage holds the state of a limiter of another strategy or rate")
