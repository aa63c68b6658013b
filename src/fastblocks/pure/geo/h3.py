"""H3 cells in plain Python: the specification of `fastblocks.geo.h3`."""

from fastblocks.pure.geo._h3_geometry import (
    cell_area,
    cell_to_boundary,
    cell_to_latlng,
    latlng_to_cell,
)
from fastblocks.pure.geo._h3_grid import are_neighbor_cells, grid_disk, grid_distance, grid_ring
from fastblocks.pure.geo._h3_index import (
    cell_to_center_child,
    cell_to_children,
    cell_to_children_size,
    cell_to_parent,
    compact_cells,
    get_base_cell_number,
    get_resolution,
    int_to_str,
    is_pentagon,
    is_valid_cell,
    str_to_int,
    uncompact_cells,
)
from fastblocks.pure.geo._h3_polygon import polygon_to_cells

__all__ = [
    "are_neighbor_cells",
    "cell_area",
    "cell_to_boundary",
    "cell_to_center_child",
    "cell_to_children",
    "cell_to_children_size",
    "cell_to_latlng",
    "cell_to_parent",
    "compact_cells",
    "get_base_cell_number",
    "get_resolution",
    "grid_disk",
    "grid_distance",
    "grid_ring",
    "int_to_str",
    "is_pentagon",
    "is_valid_cell",
    "latlng_to_cell",
    "polygon_to_cells",
    "str_to_int",
    "uncompact_cells",
]
