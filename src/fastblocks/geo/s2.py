"""S2 cells and coverings of the sphere: ids as the S2 library makes them."""

from ._s2_cells import (
    all_neighbors,
    boundary,
    cell_area,
    cell_to_latlng,
    cell_to_token,
    children,
    contains,
    edge_neighbors,
    intersects,
    is_valid,
    latlng_to_cell,
    level,
    normalize,
    parent,
    token_to_cell,
)
from ._s2_cover import cover_cap, cover_polygon, cover_rect

__all__ = [
    "all_neighbors",
    "boundary",
    "cell_area",
    "cell_to_latlng",
    "cell_to_token",
    "children",
    "contains",
    "cover_cap",
    "cover_polygon",
    "cover_rect",
    "edge_neighbors",
    "intersects",
    "is_valid",
    "latlng_to_cell",
    "level",
    "normalize",
    "parent",
    "token_to_cell",
]
