"""H3 cells in plain Python: the specification of `fastblocks.geo.h3`."""

from fastblocks.pure.geo._h3_geometry import (
    cell_area,
    cell_to_boundary,
    cell_to_latlng,
    latlng_to_cell,
)

__all__ = ["cell_area", "cell_to_boundary", "cell_to_latlng", "latlng_to_cell"]
