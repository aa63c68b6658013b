from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

_Trace: TypeAlias = NDArray[np.integer[Any]] | Iterable[SupportsIndex]

@overload
def simulate(trace: _Trace, sizes: int, policy: str = "w-tinylfu", seed: int = 0) -> float: ...
@overload
def simulate(
    trace: _Trace,
    sizes: Sequence[SupportsIndex] | NDArray[np.integer[Any]],
    policy: str = "w-tinylfu",
    seed: int = 0,
) -> NDArray[np.float64]: ...
