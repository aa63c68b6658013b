"""S2 cells.

Points are uniform on the sphere. Peers have no batches: they are called once per point.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bench.data import sphere_points
from bench.model import Library, Role, Timed, Unsupported, expect, work

POINTS = 200_000
BATCH = 1_000_000
LISBON = 943842290479136768  # level 12


class S2(Library):
    """A library of S2 cells."""

    def one(self, lat: float, lng: float, level: int) -> int:
        """Return the cell of a point."""
        raise NotImplementedError

    def center(self, cell: int) -> tuple[float, float]:
        """Return the middle of a cell."""
        raise NotImplementedError

    def check(self) -> None:
        """Compare with a known cell."""
        expect(self.one(38.7223, -9.1393, 12) == LISBON, "the cell of a point")

    def each(self, points: Any, level: int) -> None:
        """Ask for one point after another: the loop that is timed."""
        one = self.one
        for lat, lng in points:
            one(lat, lng, level)

    def many(self, lats: Any, lngs: Any, level: int) -> Any:
        """Return the cells of arrays of points; by a loop where there is no batch."""
        one = self.one
        return [one(lat, lng, level) for lat, lng in zip(lats.tolist(), lngs.tolist(), strict=True)]

    def centers(self, cells: Any) -> Any:
        """Return the latitudes of the middles of an array of cells."""
        center = self.center
        return [center(cell)[0] for cell in cells.tolist()]

    def cap(self, lat: float, lng: float, radius_m: float) -> int:
        """Return how many cells cover a cap."""
        raise Unsupported("no coverings")


class Native(S2):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.geo.s2"
    distribution = "fastblocks"

    def __init__(self) -> None:
        super().__init__()
        self.one = self.api.latlng_to_cell  # type: ignore[method-assign]
        self.center = self.api.cell_to_latlng  # type: ignore[method-assign]

    def many(self, lats: Any, lngs: Any, level: int) -> Any:
        """Ask in one call."""
        return self.api.latlng_to_cell(lats, lngs, level)

    def centers(self, cells: Any) -> Any:
        """Ask in one call."""
        return self.api.cell_to_latlng(cells)[0]

    def cap(self, lat: float, lng: float, radius_m: float) -> int:
        """Cover by 8 cells."""
        return len(self.api.cover_cap(lat, lng, radius_m, 8))


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.geo.s2"
    max_keys = 1_000


class S2Geometry(S2):
    """Google's library in C++, by its own SWIG binding."""

    name = "s2geometry"
    module = "s2geometry"
    distribution = "s2geometry"
    max_keys = 50_000

    def one(self, lat: float, lng: float, level: int) -> int:
        """Make the objects the binding asks for."""
        s2 = self.api
        cell = s2.S2CellId(s2.S2LatLng.FromDegrees(lat, lng))
        number: int = cell.id() if level == 30 else cell.parent(level).id()
        return number

    def center(self, cell: int) -> tuple[float, float]:
        """Keep the objects alive that the binding points into."""
        point = self.api.S2CellId(cell).ToLatLng()
        lat, lng = point.lat(), point.lng()
        return lat.degrees(), lng.degrees()

    def cap(self, lat: float, lng: float, radius_m: float) -> int:
        """Cover by 8 cells."""
        s2 = self.api
        angle = s2.S1Angle.Radians(radius_m / 6371008.8)
        coverer = s2.S2RegionCoverer()
        coverer.set_max_cells(8)
        point = s2.S2LatLng.FromDegrees(lat, lng).ToPoint()
        return len(coverer.GetCovering(s2.S2Cap(point, angle)))


class S2Sphere(S2):
    """A port to Python."""

    name = "s2sphere"
    module = "s2sphere"
    distribution = "s2sphere"
    max_keys = 2_000

    def one(self, lat: float, lng: float, level: int) -> int:
        """Make the objects the library asks for."""
        s2 = self.api
        cell = s2.CellId.from_lat_lng(s2.LatLng.from_degrees(lat, lng))
        number: int = cell.id() if level == 30 else cell.parent(level).id()
        return number

    def center(self, cell: int) -> tuple[float, float]:
        """Make the objects the library asks for."""
        point = self.api.CellId(cell).to_lat_lng()
        return point.lat().degrees, point.lng().degrees


class S2Cell(S2):
    """Functions in Python."""

    name = "s2cell"
    module = "s2cell"
    distribution = "s2cell"
    max_keys = 5_000

    def one(self, lat: float, lng: float, level: int) -> int:
        """Ask for the cell of a point."""
        cell: int = self.api.lat_lon_to_cell_id(lat, lng, level)
        return cell

    def center(self, cell: int) -> tuple[float, float]:
        """Ask for the middle of a cell."""
        lat, lng = self.api.cell_id_to_lat_lon(cell)
        return lat, lng


class Sum(S2):
    """One pass of NumPy over the arrays: what reading and writing them costs."""

    name = "lat + lng"
    role: ClassVar[Role] = "floor"
    only = ("many", "many_15")

    def check(self) -> None:
        """There is nothing to compare with."""

    def one(self, lat: float, lng: float, level: int) -> int:
        """Add."""
        return int(lat + lng)

    def many(self, lats: Any, lngs: Any, level: int) -> Any:
        """Add."""
        return lats + lngs


LIBRARIES = (Native, Pure, S2Geometry, S2Sphere, S2Cell, Sum)


def _time_each(lib: S2, timed: Timed, level: int) -> None:
    lib.check()
    lats, lngs = sphere_points(POINTS)
    points = lib.some(list(zip(lats.tolist(), lngs.tolist(), strict=True)))
    timed(lambda: lib.each(points, level), items=len(points))


def _time_many(lib: S2, timed: Timed, level: int, quick: bool) -> None:
    lib.check()
    lats, lngs = (a[: lib.max_keys] for a in sphere_points(2_000 if quick else BATCH))
    found = lib.many(lats, lngs, level)
    for k in range(0, len(lats), len(lats) // 100):
        expect(int(found[k]) == lib.one(float(lats[k]), float(lngs[k]), level), "batch and scalar")
    timed(lambda: lib.many(lats, lngs, level), items=len(lats))


@work("`latlng_to_cell(lat, lng)`", "200 k points, level 30", unit="point", headline=True, rounds=2)
def bench_one(lib: S2, timed: Timed) -> None:
    """Points one by one."""
    _time_each(lib, timed, 30)


@work(
    "`latlng_to_cell(lats, lngs)`",
    "1 M points, level 30; peers: a call per point",
    unit="point",
    headline=True,
)
def bench_many(lib: S2, timed: Timed, quick: bool) -> None:
    """Points in one call."""
    _time_many(lib, timed, 30, quick)


@work(
    "`latlng_to_cell(lats, lngs, 15)`",
    "1 M points; peers: a call per point",
    unit="point",
    rounds=1,
)
def bench_many_15(lib: S2, timed: Timed, quick: bool) -> None:
    """Points in one call, to a level above the leaves."""
    _time_many(lib, timed, 15, quick)


@work("`cell_to_latlng(cells)`", "1 M leaves; peers: a call per cell", unit="cell", rounds=1)
def bench_centers(lib: S2, timed: Timed, quick: bool) -> None:
    """Middles of cells in one call."""
    lib.check()
    lats, lngs = (a[: lib.max_keys] for a in sphere_points(2_000 if quick else BATCH))
    cells = np.array(lib.many(lats, lngs, 30), np.uint64)
    expect(bool(np.abs(np.array(lib.centers(cells)) - lats).max() < 1e-6), "the middles of cells")
    timed(lambda: lib.centers(cells), items=len(cells))


@work("`cover_cap(lat, lng, 1000)`", "1000 caps of 1 km, 8 cells", unit="cap", rounds=1)
def bench_cap(lib: S2, timed: Timed, quick: bool) -> None:
    """Coverings one by one."""
    lats, lngs = sphere_points(1000)
    points = list(zip(lats.tolist(), lngs.tolist(), strict=True))[
        : 10 if lib.role == "pure" else 1000
    ]
    expect(1 <= lib.cap(*points[0], 1000.0) <= 8, "the number of cells")

    def each() -> None:
        for lat, lng in points:
            lib.cap(lat, lng, 1000.0)

    timed(each, items=len(points))
