from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fastblocks._core.types import Column

__all__ = ["bearing", "destination", "distance_matrix", "haversine"]

# Scalars give scalars, arrays arrays, and columns of a data frame library columns of it: Any.
@overload
def haversine(lat1: float, lng1: float, lat2: float, lng2: float) -> float: ...
@overload
def haversine(
    lat1: Column,
    lng1: Column,
    lat2: Column,
    lng2: Column,
    *,
    out: NDArray[np.float64] | None = None,
) -> Any: ...
@overload
def bearing(lat1: float, lng1: float, lat2: float, lng2: float) -> float: ...
@overload
def bearing(
    lat1: Column,
    lng1: Column,
    lat2: Column,
    lng2: Column,
    *,
    out: NDArray[np.float64] | None = None,
) -> Any: ...
@overload
def destination(lat: float, lng: float, bearing: float, distance: float) -> tuple[float, float]: ...
@overload
def destination(lat: Column, lng: Column, bearing: Column, distance: Column) -> tuple[Any, Any]: ...
def distance_matrix(
    lat1: Column,
    lng1: Column,
    lat2: Column | None = None,
    lng2: Column | None = None,
    *,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]: ...
