"""H3 cells of polygons: a city (a ring of 200 points, about 20 km wide) and a country-sized region.

h3ronpy takes shapely polygons and gives Arrow arrays; the h3 package takes lists of pairs. Polygons
are made before the clock starts.
"""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar

from bench.model import Library, Role, Timed, Unsupported, expect, work

PLACES = {"city": (48.86, 2.35, 0.1, 200), "region": (47.0, 2.5, 4.0, 2000)}


@functools.cache
def ring(place: str, quick: bool) -> list[tuple[float, float]]:
    """A wavy ring of (latitude, longitude), of few points if `quick`."""
    lat, lng, size, n = PLACES[place]
    n = n // 20 if quick else n
    points = []
    for k in range(n):
        angle = 2 * math.pi * k / n
        r = size * (1 + 0.2 * math.sin(5 * angle) + 0.05 * math.sin(47 * angle))
        east = r * math.cos(angle) / math.cos(math.radians(lat))
        points.append((lat + r * math.sin(angle), lng + east))
    return points


@functools.cache
def count(place: str, res: int, quick: bool) -> int:
    """How many cells there are, by the h3 package."""
    import h3.api.basic_int as h3

    shape = h3.LatLngPoly(ring(place, quick))
    return len(h3.h3shape_to_cells_experimental(shape, res, "center"))


class Fill(Library):
    """A library that fills polygons."""

    def prepare(self, points: list[tuple[float, float]]) -> Any:
        """The polygon in the library's form."""
        import numpy as np

        return np.array(points)

    def fill(self, polygon: Any, res: int, mode: str) -> Any:
        """The cells of the polygon."""
        return self.api.polygon_to_cells(polygon, res, containment=mode)


class Native(Fill):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.geo.h3"
    distribution = "fastblocks"


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.geo.h3"
    max_keys = 20_000


class H3(Fill):
    """The C library's own binding."""

    name = "h3"
    module = "h3.api.basic_int"
    distribution = "h3"

    def prepare(self, points: list[tuple[float, float]]) -> Any:
        """A polygon of its own."""
        return self.api.LatLngPoly(points)

    def fill(self, polygon: Any, res: int, mode: str) -> Any:
        """One call."""
        if mode == "center":
            return self.api.polygon_to_cells(polygon, res)
        return self.api.h3shape_to_cells_experimental(polygon, res, mode)


class H3ronpy(Fill):
    """A binding of the Rust port."""

    name = "h3ronpy"
    module = "h3ronpy.vector"
    distribution = "h3ronpy"

    def prepare(self, points: list[tuple[float, float]]) -> Any:
        """A shapely polygon."""
        import shapely

        return shapely.Polygon([(lng, lat) for lat, lng in points])

    def fill(self, polygon: Any, res: int, mode: str) -> Any:
        """One call."""
        from h3ronpy import ContainmentMode

        modes = {
            "center": ContainmentMode.ContainsCentroid,
            "full": ContainmentMode.ContainsBoundary,
            "overlap": ContainmentMode.IntersectsBoundary,
        }
        return self.api.geometry_to_cells(polygon, res, modes[mode])


class Copied(Fill):
    """A copy of the answer by NumPy: what writing the cells costs."""

    name = "cells.copy()"
    role: ClassVar[Role] = "floor"
    module = "numpy"
    distribution = "numpy"

    def prepare(self, points: list[tuple[float, float]]) -> Any:
        """The answers, by resolution and mode."""
        import numpy as np

        from fastblocks.geo import h3

        polygon = np.array(points)
        return functools.cache(
            lambda res, mode: h3.polygon_to_cells(polygon, res, containment=mode)
        )

    def fill(self, polygon: Any, res: int, mode: str) -> Any:
        """Copy."""
        return polygon(res, mode).copy()


LIBRARIES = (Native, Pure, H3, H3ronpy, Copied)


def _time(lib: Fill, timed: Timed, quick: bool, place: str, res: int, mode: str = "center") -> None:
    polygon = lib.prepare(ring(place, quick))
    n = count(place, res, quick)
    if n > lib.max_keys or (lib.role == "pure" and (place, mode) != ("city", "center")):
        raise Unsupported("too slow")
    found = len(lib.fill(polygon, res, mode))
    expect(found == n if mode == "center" else found > 0, "cells")
    timed(lambda: lib.fill(polygon, res, mode), items=found)


@work("`polygon_to_cells`, a city, resolution 7", "200 points", unit="cell", rounds=1)
def bench_city_7(lib: Fill, timed: Timed, quick: bool) -> None:
    """Some cells."""
    _time(lib, timed, quick, "city", 7)


@work(
    "`polygon_to_cells`, a city, resolution 9", "200 points", unit="cell", headline=True, rounds=1
)
def bench_city_9(lib: Fill, timed: Timed, quick: bool) -> None:
    """Thousands of cells."""
    _time(lib, timed, quick, "city", 9)


@work("`polygon_to_cells`, a city, resolution 11", "200 points", unit="cell", rounds=1)
def bench_city_11(lib: Fill, timed: Timed, quick: bool) -> None:
    """Hundreds of thousands."""
    _time(lib, timed, quick, "city", 11)


@work(
    "`polygon_to_cells`, a city, resolution 9, every cell that overlaps",
    "200 points",
    unit="cell",
    rounds=1,
)
def bench_city_9_overlap(lib: Fill, timed: Timed, quick: bool) -> None:
    """Boundaries are tested."""
    _time(lib, timed, quick, "city", 9, "overlap")


@work("`polygon_to_cells`, a region, resolution 5", "2000 points", unit="cell", rounds=1)
def bench_region_5(lib: Fill, timed: Timed, quick: bool) -> None:
    """Hundreds of cells, more points than cells."""
    _time(lib, timed, quick, "region", 5)


@work("`polygon_to_cells`, a region, resolution 7", "2000 points", unit="cell", rounds=1)
def bench_region_7(lib: Fill, timed: Timed, quick: bool) -> None:
    """Tens of thousands."""
    _time(lib, timed, quick, "region", 7)
