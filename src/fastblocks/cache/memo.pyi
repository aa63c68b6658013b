from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from types import GenericAlias
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from typing_extensions import disjoint_base

from fastblocks._core.memos import CacheInfo

from .cache import Cache

_P = ParamSpec("_P")
_Q = ParamSpec("_Q")
_R = TypeVar("_R")
_S = TypeVar("_S")

@disjoint_base
class CachedFunction(Generic[_P, _R]):
    __wrapped__: Callable[_P, _R]
    __qualname__: str
    def __init__(
        self,
        function: Callable[_P, _R],
        key: Callable[..., Hashable] | None,
        typed: bool,
        options: dict[str, Any],
        bound: bool = False,
    ) -> None: ...
    @property
    def cache(self) -> Cache[Any, Any]: ...
    def __call__(self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[_P, _R]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[_S, _Q], _R], instance: _S, owner: type | None = None, /
    ) -> CachedFunction[_Q, _R]: ...
    def __set_name__(self, owner: type, name: str, /) -> None: ...
    def cache_key(self, /, *args: Any, **kwargs: Any) -> Hashable: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    def __reduce__(self) -> str: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@overload
def cached(maxsize: Callable[_P, _R], /) -> CachedFunction[_P, _R]: ...
@overload
def cached(
    maxsize: int = 128,
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
) -> Callable[[Callable[_P, _R]], CachedFunction[_P, _R]]: ...
