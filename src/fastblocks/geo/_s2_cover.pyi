from typing import Any

import numpy as np
from numpy.typing import NDArray

def cover_cap(
    lat: float,
    lng: float,
    radius_m: float,
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = 30,
) -> NDArray[np.uint64]: ...
def cover_rect(
    south: float,
    west: float,
    north: float,
    east: float,
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = 30,
) -> NDArray[np.uint64]: ...
def cover_polygon(
    outer: Any,
    holes: Any = (),
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = 30,
) -> NDArray[np.uint64]: ...
