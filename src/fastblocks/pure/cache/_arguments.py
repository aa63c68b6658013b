"""What a cache was made with, to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Arguments"]


class Arguments:
    """Base of the cache: its arguments, as they were given."""

    __slots__ = ("_arguments",)

    _arguments: dict[str, Any]

    @property
    def ttl(self) -> float | None:
        given: float | None = self._arguments["ttl"]
        return given

    @property
    def tti(self) -> float | None:
        given: float | None = self._arguments["tti"]
        return given

    @property
    def weigher(self) -> Callable[[Any, Any], int] | None:
        given: Callable[[Any, Any], int] | None = self._arguments["weigher"]
        return given

    @property
    def on_remove(self) -> Callable[[Any, Any, str], object] | None:
        given: Callable[[Any, Any, str], object] | None = self._arguments["on_remove"]
        return given

    @property
    def policy(self) -> str:
        given: str = self._arguments["policy"]
        return given

    @property
    def timer(self) -> Callable[[], float] | None:
        given: Callable[[], float] | None = self._arguments["timer"]
        return given

    @property
    def refresh_after(self) -> float | None:
        given: float | None = self._arguments["refresh_after"]
        return given

    @property
    def early_refresh(self) -> float | None:
        given: float | None = self._arguments["early_refresh"]
        return given

    @property
    def executor(self) -> Executor | None:
        given: Executor | None = self._arguments["executor"]
        return given

    @property
    def seed(self) -> int:
        given: int = self._arguments["seed"]
        return given
