"""H3 cells in plain Python: the specification of `fastblocks.geo.h3`."""

from fastblocks.pure.geo._h3_geometry import (
    cell_area,
    cell_to_boundary,
    cell_to_latlng,
    latlng_to_cell,
)
from fastblocks.pure.geo._h3_polygon import polygon_to_cells

__all__ = ["cell_area", "cell_to_boundary", "cell_to_latlng", "latlng_to_cell", "polygon_to_cells"]
