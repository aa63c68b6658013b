"""A decorator that keeps the results of a function in a cache."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from fastblocks._core import memos
from fastblocks._core.memos import CacheInfo

from .cache import Cache

__all__ = ["CachedFunction", "cached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class CachedFunction(Generic[P, R]):
    """A function whose results are kept; made by `cached`."""

    __module__ = "fastblocks.cache"
    __wrapped__: Callable[P, R]
    __qualname__: str

    def __init__(
        self,
        function: Callable[P, R],
        key: Callable[..., Hashable] | None,
        typed: bool,
        options: dict[str, Any],
        bound: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.cache: Cache[Any, Any] = Cache(**options)
        self._key = key
        self._typed = typed
        self._options = options
        self._skip = 1 if bound else 0  # of an instance: it gets the instance, and leaves it out
        self._owners: tuple[type, ...] = ()  # classes of which it is a method
        self._instances = memos.Instances()
        self._async = memos.is_async(function)
        if self._async:
            memos.mark(self, function)
        self.cache_clear()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of the call, of the function or out of the cache."""
        if args and isinstance(args[0], self._owners):  # Class.method(instance)
            return self._of(args[0])(*args, **kwargs)
        key = self.cache_key(*args[self._skip :], **kwargs)

        def load(_: Any) -> Any:
            return self.__wrapped__(*args, **kwargs)

        get: Any = self.cache.get_or_load_async if self._async else self.cache.get_or_load
        result: R = get(key, load)
        return result

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> CachedFunction[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if instance is owner:  # a classmethod asks, before Python 3.13
            return types.MethodType(self, instance)
        return types.MethodType(self._of(instance), instance)

    def __set_name__(self, owner: type, name: str) -> None:
        self._owners += (owner,)

    def _of(self, instance: Any) -> CachedFunction[..., R]:
        """The same function with the cache of an instance."""

        def make() -> CachedFunction[..., R]:
            return CachedFunction(
                self.__wrapped__, self._key, self._typed, self._options, bound=True
            )

        try:
            found: CachedFunction[..., R] = self._instances.get(instance, make)
        except TypeError:
            raise memos.not_weak(self.__qualname__, instance) from None
        return found

    def cache_key(self, /, *args: Any, **kwargs: Any) -> Hashable:
        """Return the key of a call in `cache`. A method's arguments are without the instance.

        Parameters
        ----------
        *args, **kwargs : object
            The arguments of the call.
        """
        if self._key is not None:
            key: Hashable = self._key(*args, **kwargs)
            return key
        call: Hashable = memos.key_of(args, kwargs, self._typed)
        return call

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, maxsize and currsize; of a method, over all instances."""
        return memos.info(self.cache, self._before, self._instances)

    def cache_clear(self) -> None:
        """Forget all results, and what `cache_info` counts; of a method, those of all instances."""
        self.cache.clear()
        self._before = self.cache.stats()
        for each in self._instances.values():
            each.cache_clear()

    def cache_parameters(self) -> dict[str, Any]:
        """Return what `cached` was told: maxsize, typed, ttl, tti and policy."""
        return memos.parameters(self.cache, self._typed)

    def __reduce__(self) -> str:  # copies and pickles are of its name, as of any function
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<cached {self.__wrapped__!r}>"


@overload
def cached(maxsize: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(
    maxsize: int = 128,
    *,
    ttl: float | None = None,
    tti: float | None = None,
    key: Callable[..., Hashable] | None = None,
    typed: bool = False,
    policy: str = "w-tinylfu",
    weigher: Callable[[Any, Any], int] | None = None,
    on_remove: Callable[[Any, Any, str], object] | None = None,
    timer: Callable[[], float] | None = None,
    refresh_after: float | None = None,
    early_refresh: float | None = None,
    executor: Executor | None = None,
    seed: int | None = None,
) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...


def cached(
    maxsize: Any = 128,
    *,
    key: Callable[..., Hashable] | None = None,
    typed: bool = False,
    ttl: float | None = None,
    tti: float | None = None,
    policy: str = "w-tinylfu",
    weigher: Callable[[Any, Any], int] | None = None,
    on_remove: Callable[[Any, Any, str], object] | None = None,
    timer: Callable[[], float] | None = None,
    refresh_after: float | None = None,
    early_refresh: float | None = None,
    executor: Executor | None = None,
    seed: int | None = None,
) -> Any:
    """Keep the results of a function, method or coroutine function; see `fastblocks.cached`."""
    options = {
        "ttl": ttl,
        "tti": tti,
        "policy": policy,
        "weigher": weigher,
        "on_remove": on_remove,
        "timer": timer,
        "refresh_after": refresh_after,
        "early_refresh": early_refresh,
        "executor": executor,
        "seed": seed,
    }

    return memos.decorator(CachedFunction, maxsize, key, typed, options)
