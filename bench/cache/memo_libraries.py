"""Decorators that keep results beside fastblocks.

`f` is a decorated function, which returns the tuple of its arguments, throughout.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from bench.model import Library, Role, Unsupported

Function = Callable[..., Any]


class Memo(Library):
    """What all have in common."""

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return a decorator that keeps so many results."""
        raise NotImplementedError

    def method(self, size: int) -> Callable[[Function], Any]:
        """Return one for methods: so many results of each instance, which is not kept alive."""
        raise Unsupported("keeps instances alive")

    def each(self, f: Function, keys: Iterable[Any]) -> None:
        """Call with one argument: the loop that is timed."""
        for key in keys:
            f(key)

    def each_pair(self, f: Function, pairs: Iterable[Any]) -> None:
        """Call with two."""
        for a, b in pairs:
            f(a, b)

    def each_named(self, f: Function, pairs: Iterable[Any]) -> None:
        """Call with one argument and one by name."""
        for a, b in pairs:
            f(a, name=b)


class Native(Memo):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.cache"
    distribution = "fastblocks"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return `cached`."""
        decorator: Callable[[Function], Any] = self.api.cached(size)
        return decorator

    def method(self, size: int) -> Callable[[Function], Any]:
        """The same."""
        return self.decorator(size)


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.cache"
    max_keys = 500


class LruCache(Memo):
    """The one of the standard library."""

    name = "functools.lru_cache"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return it."""
        return functools.lru_cache(size)


class CacheBox(Memo):
    """cachebox, without copies of results: no other library makes any."""

    name = "cachebox"
    module = "cachebox"
    distribution = "cachebox"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return one on an LRU cache."""
        cache = self.api.LRUCache(size)
        decorator: Callable[[Function], Any] = self.api.cached(cache, postprocess=None)
        return decorator


class Moka(Memo):
    """moka-py."""

    name = "moka-py"
    module = "moka_py"
    distribution = "moka-py"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return its own."""
        decorator: Callable[[Function], Any] = self.api.cached(maxsize=size)
        return decorator


class Theine(Memo):
    """theine, without its locks."""

    name = "theine"
    module = "theine"
    distribution = "theine"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return its own."""
        decorator: Callable[[Function], Any] = self.api.Memoize(size, None, nolock=True)
        return decorator


class CacheTools(Memo):
    """cachetools, without a lock."""

    name = "cachetools"
    module = "cachetools"
    distribution = "cachetools"

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return one on an LRU cache."""
        decorator: Callable[[Function], Any] = self.api.cached(self.api.LRUCache(size))
        return decorator

    def method(self, size: int) -> Callable[[Function], Any]:
        """Return one that asks the instance for its cache."""

        def cache_of(instance: Any) -> Any:
            if instance.results is None:
                instance.results = self.api.LRUCache(size)
            return instance.results

        decorator: Callable[[Function], Any] = self.api.cachedmethod(cache_of)
        return decorator


class DictFloor(Memo):
    """The method of a dict that has the results; nothing is called."""

    name = "dict.__getitem__"
    role: ClassVar[Role] = "floor"
    only = ("hit", "hit_str")

    def decorator(self, size: int) -> Callable[[Function], Any]:
        """Return something that makes one."""

        def decorate(function: Function) -> Any:
            class Results(dict[Any, Any]):
                def __missing__(self, key: Any) -> Any:
                    result = self[key] = function(key)
                    return result

            return Results().__getitem__

        return decorate


PEERS = (LruCache, CacheBox, Moka, Theine, CacheTools)
