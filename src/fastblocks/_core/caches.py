"""Caches: statistics, views, and the checks that native and pure ones share."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from typing import Any, NamedTuple

from . import check, errors

__all__ = [
    "ARGUMENTS",
    "CAUSES",
    "MISSING",
    "POLICIES",
    "CacheStats",
    "EarlyRefresh",
    "Items",
    "Parameters",
    "Values",
    "changed_size",
    "copied",
    "empty",
    "function",
    "keys_of",
    "maxsize_of",
    "missing",
    "pairs_of",
    "parameters",
    "remade",
    "shown",
    "tag_of",
    "tags_of",
    "tell",
    "too_heavy",
    "ttl_ns",
    "weight",
]

MISSING: Any = object()  # instead of a value
CAUSES = ("explicit", "replaced", "size", "expired")  # in the order of fb_py_cause_t
POLICIES = ("w-tinylfu", "lru", "s3-fifo", "sieve")  # in the order of fb_policy_kind_t
ARGUMENTS = (  # that a copy needs; an executor cannot be pickled
    "maxsize",
    "ttl",
    "tti",
    "weigher",
    "on_remove",
    "policy",
    "timer",
    "refresh_after",
    "early_refresh",
    "seed",
)
MAX_ENTRIES, MAX_WEIGHT = 2**31 - 1, 2**63 - 1


class CacheStats(NamedTuple):
    """What a cache has done since it was made.

    Examples
    --------
    >>> from fastblocks.cache import CacheStats
    >>> CacheStats(hits=3, misses=1).hit_ratio
    0.75
    """

    hits: int = 0
    misses: int = 0
    loads: int = 0
    load_errors: int = 0
    load_seconds: float = 0.0
    evictions: int = 0
    expirations: int = 0

    @property
    def requests(self) -> int:
        """Hits and misses."""
        return self.hits + self.misses

    @property
    def hit_ratio(self) -> float:
        """Hits per request; 0.0 if there were none."""
        return self.hits / self.requests if self.requests else 0.0


CacheStats.__module__ = "fastblocks.cache"
CacheStats.hits.__doc__ = "Requests for keys that were there."
CacheStats.misses.__doc__ = "Requests for keys that were not there."
CacheStats.loads.__doc__ = "Calls of loaders that returned."
CacheStats.load_errors.__doc__ = "Calls of loaders that failed."
CacheStats.load_seconds.__doc__ = "How long both took, together."
CacheStats.evictions.__doc__ = "Entries removed to keep within `maxsize`."
CacheStats.expirations.__doc__ = "Entries removed because their time was over."


# ---- parameters ------------------------------------------------------------------------------


class EarlyRefresh:
    """Whether to load an entry anew before it dies: the likelier, the nearer that is.

    XFetch: an entry whose load took d is due once ``-ln(u) * beta * d``, u uniform in (0, 1],
    reaches beyond its end.

    Vattani, Chierichetti and Lowenstein, "Optimal probabilistic cache stampede prevention", PVLDB
    8, 2015.
    """

    __slots__ = ("_beta", "_random")

    def __init__(self, beta: float, seed: int) -> None:
        self._beta = beta
        import random

        self._random = random.Random(seed)

    def due(self, left_ns: float, load_ns: int) -> bool:
        """Whether it is time for an entry that dies in `left_ns` and took `load_ns` to load."""
        if load_ns == 0:  # it was set, not loaded
            return False
        return -math.log(1.0 - self._random.random()) * self._beta * load_ns >= left_ns


class Parameters(NamedTuple):
    """What the arguments of a cache mean; None where there is no such time."""

    maxsize: int
    policy: str
    seed: int
    ttl_ns: int | None
    tti_ns: int | None
    refresh_ns: int | None
    early: EarlyRefresh | None

    @property
    def timed(self) -> bool:
        """Whether the cache needs a clock."""
        return not self.ttl_ns is self.tti_ns is self.refresh_ns is None


def parameters(
    maxsize: Any,
    *,
    ttl: Any,
    tti: Any,
    weigher: Any,
    on_remove: Any,
    policy: Any,
    timer: Any,
    refresh_after: Any,
    early_refresh: Any,
    executor: Any,
    seed: Any,
) -> Parameters:
    """Return the arguments of a cache, checked."""
    function("weigher", weigher, none=True)
    function("on_remove", on_remove, none=True)
    check.timer(timer)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        kind = type(executor).__name__
        raise TypeError(f"executor must be a concurrent.futures.Executor or None, not {kind}")
    maxsize = maxsize_of(maxsize, weigher is not None)
    policy = check.choice("policy", policy, POLICIES)
    ttl, tti = ttl_ns(ttl), ttl_ns(tti, "tti")
    refresh = ttl_ns(refresh_after, "refresh_after")
    early = None
    if early_refresh is not None:
        beta = check.real("early_refresh", early_refresh, 0.0, 1e9)
        if beta == 0.0:
            raise ValueError(f"early_refresh must be above 0, not {early_refresh!r}")
        if ttl is None:
            raise ValueError("early_refresh needs a ttl: without one no entry comes near its end")
    seed = check.seed_of(seed)
    if early_refresh is not None:
        early = EarlyRefresh(beta, seed)
    return Parameters(maxsize, policy, seed, ttl, tti, refresh, early)


def function(name: str, value: Any, *, none: bool = False) -> None:
    """Raise unless `value` can be called, or is None where that may be."""
    if not callable(value) and not (none and value is None):
        or_none = " or None" if none else ""
        raise TypeError(f"{name} must be a function{or_none}, not {type(value).__name__}")


def maxsize_of(value: Any, weighted: bool) -> int:
    """Return the argument `maxsize`, checked."""
    return check.integer("maxsize", value, 1, MAX_WEIGHT if weighted else MAX_ENTRIES)


def ttl_ns(value: Any, name: str = "ttl") -> int | None:
    """Return a time that an entry has, in nanoseconds; None for None."""
    return None if value is None else check.seconds_ns(name, value)


# ---- arguments -------------------------------------------------------------------------------


def weight(given: Any, maxsize: int) -> int:
    """Return what a weigher gave, checked."""
    if isinstance(given, bool):
        raise TypeError("weigher must return an int, not bool")
    try:
        number = operator.index(given)
    except TypeError:
        raise TypeError(f"weigher must return an int, not {type(given).__name__}") from None
    if number < 0:
        raise ValueError(f"weigher must return an int in [0, {maxsize}], not {number}")
    if number > maxsize:
        raise too_heavy(number, maxsize)
    return number


def too_heavy(weight: int, maxsize: int) -> ValueError:
    return ValueError(f"an entry of weight {weight} does not fit in a cache of maxsize={maxsize}")


def tag_of(value: Any) -> str | bytes | int:
    """Return the argument `tag`, checked."""
    if type(value) not in (str, bytes, int):
        raise TypeError(f"a tag must be a str, bytes or int, not {type(value).__name__}")
    tag: str | bytes | int = value
    return tag


def tags_of(value: Any) -> tuple[str | bytes | int, ...]:
    """Return the argument `tags`, checked, each tag once."""
    if isinstance(value, (str, bytes, bytearray)):
        kind = type(value).__name__
        raise TypeError(f"tags must be an iterable of tags, not one {kind}; pass a tuple (tag,)")
    if not hasattr(value, "__iter__"):
        raise TypeError(f"tags must be an iterable of tags, not {type(value).__name__}")
    return tuple(dict.fromkeys(map(tag_of, value)))


def keys_of(keys: Any) -> list[Any]:
    """Return the argument `keys` as a list."""
    if isinstance(keys, (str, bytes, bytearray)):
        raise errors.bare_string(keys)
    if not hasattr(keys, "__iter__"):
        raise errors.not_iterable(keys)
    return list(keys)


def pairs_of(items: Any) -> list[tuple[Any, Any]]:
    """Return the argument `items`, a mapping or an iterable of pairs, as a list of pairs."""
    if isinstance(items, Mapping):
        return list(items.items())
    if hasattr(items, "keys"):
        return [(key, items[key]) for key in items.keys()]  # noqa: SIM118 (it may be no mapping)
    if not hasattr(items, "__iter__"):
        kind = type(items).__name__
        raise TypeError(f"items must be a mapping or an iterable of pairs, not {kind}")
    return [_pair_of(i, item) for i, item in enumerate(items)]


def _pair_of(i: int, item: Any) -> tuple[Any, Any]:
    if not hasattr(item, "__iter__"):
        raise TypeError(f"items[{i}] must be a pair of key and value, not {type(item).__name__}")
    pair = tuple(item)
    if len(pair) != 2:
        raise ValueError(f"items[{i}] must be a pair of key and value, not of length {len(pair)}")
    return pair


# ---- what a cache says -----------------------------------------------------------------------


def missing(cache: Any, key: Any) -> Any:
    """Return ``cache[key]`` for a key that is not there: as of a dict, by ``__missing__``."""
    method = getattr(type(cache), "__missing__", None)
    if method is None:
        raise KeyError(key)
    return method(cache, key)


def tell(on_remove: Callable[[Any, Any, str], object], key: Any, value: Any, cause: str) -> None:
    """Call `on_remove`; what it raises goes to `sys.unraisablehook`."""
    try:
        on_remove(key, value, cause)
    except BaseException as error:
        _Unraisable(error)


class _Unraisable:
    """Raises an error where nobody can catch it: in a finalizer, whence Python calls the hook."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


def empty() -> KeyError:
    return KeyError("popitem(): cache is empty")


def changed_size() -> RuntimeError:
    return RuntimeError("Cache changed size during iteration")


def shown(cache: Any, entries: int) -> str:
    """Return a cache's ``repr``; it holds so many entries."""
    names = ("maxsize", "policy", "ttl", "tti", "refresh_after", "early_refresh")
    given = {name: getattr(cache, name) for name in names}
    words = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    return f"{type(cache).__name__}({', '.join(words)}, len={entries})"


class Items(ItemsView[Any, Any]):
    """The pairs of a cache; looking at them is no request."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        pairs: Iterator[tuple[Any, Any]] = self._mapping._pairs()  # type: ignore[attr-defined]
        return pairs

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        found = self._mapping.peek(item[0], MISSING)  # type: ignore[attr-defined]
        return found is not MISSING and bool(found is item[1] or found == item[1])


class Values(ValuesView[Any]):
    """The values of a cache; looking at them is no request."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping._pairs())  # type: ignore[attr-defined]

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)


# ---- copies ----------------------------------------------------------------------------------


def remade(base: Any, cls: type, arguments: dict[str, Any]) -> Any:
    """Make an empty cache out of what a pickle holds: a `cls`, initialised as a `base`."""
    result = base.__new__(cls)
    base.__init__(result, **arguments)
    return result


def copied(cache: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of a cache; with `memo` a deep one, but for functions and the executor."""
    make, (base, cls, arguments), state = cache.__reduce__()
    result = make(base, cls, {**arguments, "executor": cache.executor})
    if memo is not None:
        memo[id(cache)] = result
        state = copy.deepcopy(state, memo)
    result.__setstate__(state)
    return result
