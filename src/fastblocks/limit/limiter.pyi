from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from fastblocks._core.limits import DeniedKey, LimiterStats
from fastblocks._core.rates import Decision, Rates, Rule
from fastblocks._core.types import Key, Keys

@disjoint_base
class Limiter:
    def allow(self, key: Key, cost: int = 1) -> bool: ...
    def hit(self, key: Key, cost: int = 1) -> Decision: ...
    def peek(self, key: Key) -> Decision: ...
    def reset(self, key: Key) -> None: ...
    async def allow_async(self, key: Key, cost: int = 1) -> bool: ...
    async def hit_async(self, key: Key, cost: int = 1) -> Decision: ...
    async def peek_async(self, key: Key) -> Decision: ...
    async def reset_async(self, key: Key) -> None: ...
    def wait(self, key: Key, cost: int = 1, timeout: float | None = None) -> Decision: ...
    async def wait_async(
        self, key: Key, cost: int = 1, timeout: float | None = None
    ) -> Decision: ...
    def allow_many(
        self,
        keys: Keys,
        costs: int | Sequence[int] | NDArray[Any] = 1,
        out: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.bool_]: ...
    def stats(self) -> LimiterStats: ...
    def top_denied(self, n: int = 10) -> list[DeniedKey]: ...
    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def storage(self) -> Any: ...
    @property
    def timer(self) -> Callable[[], float] | None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

class FixedWindow(Limiter):
    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None: ...

class SlidingWindow(Limiter):
    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None: ...

class SlidingWindowCounter(Limiter):
    def __init__(
        self, rate: Rates, *, storage: Any = None, timer: Callable[[], float] | None = None
    ) -> None: ...

class LeakyBucket(Limiter):
    def __init__(
        self,
        rate: Rates,
        burst: int | None = None,
        *,
        storage: Any = None,
        timer: Callable[[], float] | None = None,
    ) -> None: ...

class TokenBucket(Limiter):
    def __init__(
        self,
        per_second: float | Fraction,
        burst: int,
        *,
        storage: Any = None,
        timer: Callable[[], float] | None = None,
    ) -> None: ...
