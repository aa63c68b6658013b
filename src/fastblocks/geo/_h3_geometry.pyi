from typing import Any, overload

import numpy as np
import numpy.typing as npt

@overload
def latlng_to_cell(lat: float, lng: float, res: int, *, out: None = None) -> int: ...
@overload
def latlng_to_cell(
    lat: Any, lng: Any, res: int, *, out: npt.NDArray[np.uint64] | None = None
) -> Any: ...
@overload
def cell_to_latlng(cell: int, *, out: None = None) -> tuple[float, float]: ...
@overload
def cell_to_latlng(
    cell: Any, *, out: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
) -> tuple[Any, Any]: ...
@overload
def cell_to_boundary(cell: int) -> tuple[tuple[float, float], ...]: ...
@overload
def cell_to_boundary(cell: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]: ...
@overload
def cell_area(cell: int, unit: str = "km^2", *, out: None = None) -> float: ...
@overload
def cell_area(
    cell: Any, unit: str = "km^2", *, out: npt.NDArray[np.float64] | None = None
) -> Any: ...
