"""A city in three grids: a map of San Marino filled with geohash, S2 and H3 cells.

The outline is that of its time zone. Run it with ``python examples/grids_map.py
[picture]``; it needs ``pip install matplotlib timezonefinder``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastblocks.geo import geohash, h3, s2

Ring = NDArray[np.float64]  # rows of latitude and longitude
Cells = list[Ring]


def outline() -> Ring:
    """Return the ring around San Marino."""
    finder: Any = import_module("timezonefinder").TimezoneFinder()
    parts = finder.get_geometry(tz_name="Europe/San_Marino", coords_as_pairs=True)
    return np.array(parts[0][0])[:, ::-1]


def inside(ring: Ring, lat: Any, lng: Any) -> NDArray[np.bool_]:
    """Tell which points are in a ring: a ray eastwards crosses it an odd number of times."""
    odd = np.zeros(len(lat), bool)
    for (y, x), (y2, x2) in zip(ring, np.roll(ring, -1, 0), strict=True):
        if y != y2:
            odd ^= ((y <= lat) != (y2 <= lat)) & (x + (x2 - x) * (lat - y) / (y2 - y) > lng)
    return odd


def geohashes(ring: Ring, precision: int = 6) -> Cells:
    """Return the cells whose centres are inside: those of a box, less those outside."""
    (south, west), (north, east) = ring.min(0), ring.max(0)
    names = geohash.cover((west, south, east, north), precision)
    names = names[inside(ring, *geohash.decode(names))]
    west, south, east, north = geohash.bounds(names)
    lats, lngs = [south, south, north, north], [west, east, east, west]
    return list(np.stack([np.column_stack(lats), np.column_stack(lngs)], 2))


def squares(ring: Ring, max_cells: int = 100, max_level: int = 16) -> Cells:
    """Return S2's covering: cells of several levels that leave no point out."""
    return list(s2.boundary(s2.cover_polygon(ring, max_cells=max_cells, max_level=max_level)))


def hexagons(ring: Ring, res: int = 8) -> Cells:
    """Return the H3 cells whose centres are inside."""
    values, offsets = h3.cell_to_boundary(h3.polygon_to_cells(ring, res))
    return np.split(values, offsets[1:-1])


def draw(ring: Ring, path: Path) -> None:
    """Write a picture of the three fills side by side."""
    pyplot: Any = import_module("matplotlib.pyplot")
    collections: Any = import_module("matplotlib.collections")
    panels = {
        "geohash, 6 characters": (geohashes(ring), "#e0a030"),
        "S2, a covering": (squares(ring), "#c05a7a"),
        "H3, resolution 8": (hexagons(ring), "#2a9d8f"),
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    for axis, (title, (cells, color)) in zip(axes, panels.items(), strict=True):
        rings = [cell[:, ::-1] for cell in cells]
        style = {"facecolors": color + "88", "edgecolors": color, "linewidths": 0.6}
        axis.add_collection(collections.PolyCollection(rings, **style))
        axis.plot(*np.vstack([ring, ring[:1]]).T[::-1], color="black", linewidth=1)
        axis.set_title(f"{title}: {len(cells)} cells", fontsize=10)
        axis.set_aspect(1 / np.cos(np.radians(ring[:, 0].mean())))
        axis.set_axis_off()
    figure.savefig(path, dpi=75)
    pyplot.close(figure)


def main(path: str = "grids.png") -> None:
    """Draw the map."""
    draw(outline(), Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
