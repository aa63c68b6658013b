"""What native and pure `cached` share: keys of calls, checks, and what is told of a cache."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from . import caches, check

__all__ = [
    "KWARGS",
    "CacheInfo",
    "Instances",
    "decorator",
    "info",
    "is_async",
    "key_of",
    "mark",
    "not_weak",
    "parameters",
]


class CacheInfo(NamedTuple):
    """What `cache_info` returns, as that of `functools.lru_cache`."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class _Marker:
    """Stands in keys between positional and keyword arguments; the same after a pickle."""

    def __repr__(self) -> str:
        return "KWARGS"

    def __reduce__(self) -> str:
        return "KWARGS"


KWARGS = _Marker()


def key_of(args: tuple[Any, ...], kwargs: dict[str, Any], typed: bool) -> Any:
    """Return the key of a call: one int or str itself, else a tuple of all arguments."""
    if not kwargs and not typed and len(args) == 1 and type(args[0]) in (int, str):
        return args[0]
    parts = args
    if kwargs:
        parts += (KWARGS, *(part for item in kwargs.items() for part in item))
    if typed:
        parts += (*map(type, args), *map(type, kwargs.values()))
    return parts


def decorator(cls: Any, maxsize: Any, key: Any, typed: Any, options: dict[str, Any]) -> Any:
    """Return what `cached` returns, given its arguments: it makes a `cls` of a function."""
    if key is not None and not callable(key):
        raise TypeError(f"key must be a function or None, not {type(key).__name__}")
    if check.boolean("typed", typed) and key is not None:
        raise ValueError("typed=True has no effect with a key function: let that tell types apart")

    def decorate(function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorate(function.__func__))
        return cls(_function_of(function), key, typed, options)

    if callable(maxsize) or isinstance(maxsize, (staticmethod, classmethod, property)):
        options["maxsize"] = 128
        return decorate(maxsize)
    options["maxsize"] = maxsize
    caches.parameters(**options)  # raises now what is wrong
    return decorate


def _function_of(value: Any) -> Callable[..., Any]:
    """Return the function to be cached, if its results can be."""
    import inspect

    if isinstance(value, property):
        raise TypeError("cached must stand below property, not above it")
    if not callable(value):
        raise TypeError(f"cached needs a function, not {type(value).__name__}")
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        name = getattr(value, "__name__", repr(value))
        raise TypeError(f"cached cannot keep what {name} returns: a generator is read only once")
    function: Callable[..., Any] = value
    return function


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of a function returns a coroutine."""
    import inspect

    if inspect.iscoroutinefunction(function):
        return True
    if isinstance(function, type):
        return False
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


class Instances:
    """A value for each of many objects, which need not be hashable and are not kept alive."""

    __slots__ = ("table",)

    def __init__(self) -> None:
        self.table: dict[int, tuple[Any, Any]] = {}  # id -> weak reference, value

    def get(self, instance: Any, make: Callable[[], Any]) -> Any:
        """Return the value of an object, made by `make` when it is asked for first."""
        i = id(instance)
        found = self.table.get(i)
        if found is None:
            forget = functools.partial(_forget, self.table, i)
            found = self.table.setdefault(i, (weakref.ref(instance, forget), make()))
        return found[1]

    def values(self) -> list[Any]:
        """Return the values of all objects that live."""
        return [value for _, value in list(self.table.values())]


def _forget(table: dict[int, tuple[Any, Any]], i: int, _: Any) -> None:
    table.pop(i, None)


def info(cache: Any, before: Any, instances: Instances) -> CacheInfo:
    """Return what `cache_info` tells: of a cache since `before`, and of those of all instances."""
    stats = cache.stats()
    hits, misses = stats.hits - before.hits, stats.misses - before.misses
    infos = [CacheInfo(hits, misses, cache.maxsize, cache.currsize)]
    infos += [each.cache_info() for each in instances.values()]
    hits, misses, _, currsize = map(sum, zip(*infos, strict=True))
    return CacheInfo(hits, misses, cache.maxsize, currsize)


def parameters(cache: Any, typed: bool) -> dict[str, Any]:
    """Return what `cache_parameters` tells."""
    names = ("maxsize", "ttl", "tti", "policy")
    return {"typed": typed, **{name: getattr(cache, name) for name in names}}


def not_weak(name: str, instance: Any) -> TypeError:
    kind = type(instance).__name__
    return TypeError(
        f"cached cannot tell when a {kind} is gone, for which it would keep results of {name}: "
        "add '__weakref__' to its __slots__"
    )


async def _coroutine(*args: Any, **kwargs: Any) -> None:
    """A coroutine function, for its code."""


def mark(cached: Any, function: Callable[..., Any]) -> None:
    """Let `inspect` see that `cached`, an object, is a coroutine function as `function` is."""
    import inspect

    cached.__name__ = getattr(function, "__name__", type(function).__name__)
    cached.__annotations__ = getattr(function, "__annotations__", {})
    like = function if inspect.isfunction(function) else _coroutine
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        setattr(cached, name, getattr(like, name))
