"""What filters of keys have in common."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, disjoint_base

from fastblocks._core.flat import Flat
from fastblocks._core.types import Key, Keys

@disjoint_base
class KeyFilter(Flat):
    def contains(self, key: Key) -> bool: ...
    def contains_many(
        self, keys: Keys, out: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]: ...
    @property
    def seed(self) -> int: ...

class MutableFilter(KeyFilter):
    def update(self, *others: Any) -> None: ...
    def __or__(self, other: Any, /) -> Self: ...
    def __ior__(self, other: Any, /) -> Self: ...
