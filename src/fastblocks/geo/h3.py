"""H3: hexagons of 16 sizes over the whole Earth. Scalars or arrays of 64-bit cell ids."""

from fastblocks.geo._h3_geometry import (
    cell_area,
    cell_to_boundary,
    cell_to_latlng,
    latlng_to_cell,
)
from fastblocks.geo._h3_polygon import polygon_to_cells

__all__ = ["cell_area", "cell_to_boundary", "cell_to_latlng", "latlng_to_cell", "polygon_to_cells"]
