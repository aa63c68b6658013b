"""H3 cells: of points, and their centres, boundaries and areas.

Points are spread evenly over the sphere. Batches of a library are in the form that it takes them
fastest: NumPy arrays, Arrow arrays of cells for h3ronpy. Boundaries from h3ronpy come as WKB.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bench.data import sphere_points, stored
from bench.model import Library, Role, Timed, Unsupported, expect, work

DISTINCT = 200_000


@stored
def cells(n: int, res: int) -> Any:
    """Cells of these points, by the h3 package; of the first of them again, if they are many."""
    import h3.api.basic_int as h3

    lat, lng = (x[: min(n, DISTINCT)].tolist() for x in sphere_points(1_000_000))
    every = map(h3.latlng_to_cell, lat, lng, [res] * len(lat))
    return np.resize(np.fromiter(every, np.uint64, len(lat)), n)


class Cells(Library):
    """A library of H3 cells as ints."""

    def encode(self, lat: Any, lng: Any, res: int) -> Any:
        """Cells of arrays of points."""
        return self.api.latlng_to_cell(lat, lng, res)

    def prepare(self, every: Any) -> Any:
        """Cells in the library's form."""
        return every

    def centers(self, every: Any) -> Any:
        """Latitudes of the centres of cells, first of what comes back."""
        return self.api.cell_to_latlng(every)[0]

    def boundaries(self, every: Any) -> Any:
        """Boundaries of cells."""
        return self.api.cell_to_boundary(every)

    def areas(self, every: Any) -> Any:
        """Areas of cells in square kilometres."""
        return self.api.cell_area(every, "km^2")

    def one(self, name: str) -> Any:
        """Return the function for one item."""
        return getattr(self.api, name)


class Native(Cells):
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
    max_keys = 2_000


class H3(Cells):
    """The C library's own binding; it has no batches, so a loop."""

    name = "h3"
    module = "h3.api.basic_int"
    distribution = "h3"
    max_keys = 50_000

    def encode(self, lat: Any, lng: Any, res: int) -> Any:
        """Loop."""
        function = self.api.latlng_to_cell
        return [function(y, x, res) for y, x in zip(lat.tolist(), lng.tolist(), strict=True)]

    def prepare(self, every: Any) -> Any:
        """A list of ints."""
        return every.tolist()

    def centers(self, every: Any) -> Any:
        """Loop."""
        function = self.api.cell_to_latlng
        return [function(cell)[0] for cell in every]

    def boundaries(self, every: Any) -> Any:
        """Loop."""
        return list(map(self.api.cell_to_boundary, every))

    def areas(self, every: Any) -> Any:
        """Loop."""
        function = self.api.cell_area
        return [function(cell, "km^2") for cell in every]


class H3ronpy(Cells):
    """A binding of the Rust port."""

    name = "h3ronpy"
    module = "h3ronpy.vector"
    distribution = "h3ronpy"
    max_keys = 200_000

    def one(self, name: str) -> Any:
        """Refuse."""
        raise Unsupported("arrays only")

    def encode(self, lat: Any, lng: Any, res: int) -> Any:
        """One call."""
        return self.api.coordinates_to_cells(lat, lng, res)

    def prepare(self, every: Any) -> Any:
        """An Arrow array."""
        import pyarrow

        return pyarrow.array(every)

    def centers(self, every: Any) -> Any:
        """One call."""
        return self.api.cells_to_coordinates(every)

    def boundaries(self, every: Any) -> Any:
        """One call."""
        return self.api.cells_to_wkb_polygons(every)

    def areas(self, every: Any) -> Any:
        """One call."""
        import h3ronpy

        return h3ronpy.cells_area_km2(every)


class Sum(Cells):
    """One pass of NumPy over the arrays: what reading and writing them costs."""

    name = "lat + lng"
    role: ClassVar[Role] = "floor"
    only = ("encode_5", "encode_9", "encode_15")

    def encode(self, lat: Any, lng: Any, res: int) -> Any:
        """Add."""
        return lat + lng


LIBRARIES = (Native, Pure, H3, H3ronpy, Sum)


def _size(lib: Cells, quick: bool) -> int:
    return min(2_000 if quick else 1_000_000, lib.max_keys or 1_000_000)


def _time_encode(lib: Cells, timed: Timed, res: int, quick: bool) -> None:
    n = _size(lib, quick)
    lat, lng = (x[:n] for x in sphere_points(1_000_000))
    if lib.role != "floor":
        some = np.asarray(lib.encode(lat[:2000], lng[:2000], res))
        expect((some == cells(2000, res)[: len(some)]).all(), "cells")
    timed(lambda: lib.encode(lat, lng, res), items=n)


def _time_cells(lib: Cells, timed: Timed, verb: str, res: int, quick: bool) -> None:
    n = _size(lib, quick)
    every = lib.prepare(cells(n, res))
    function = getattr(lib, verb)
    timed(lambda: function(every), items=n)


def _time_one(lib: Cells, timed: Timed, name: str, res: int) -> None:
    function = lib.one(name)
    n = min(20_000, lib.max_keys or 20_000)
    every = cells(n, res).tolist()
    if name == "latlng_to_cell":
        lat, lng = (x[:n].tolist() for x in sphere_points(1_000_000))
        pairs = list(zip(lat, lng, strict=True))
        expect([function(*p, res) for p in pairs[:500]] == cells(500, res).tolist(), "cells")

        def each() -> None:
            for y, x in pairs:
                function(y, x, res)
    else:

        def each() -> None:
            for cell in every:
                function(cell)

    timed(each, items=n)


@work("`latlng_to_cell`, resolution 5, arrays", "1 M points, on the sphere", unit="point", rounds=1)
def bench_encode_5(lib: Cells, timed: Timed, quick: bool) -> None:
    """Cells of a batch of points."""
    _time_encode(lib, timed, 5, quick)


@work("`cell_to_latlng`, resolution 5, arrays", "1 M cells", unit="cell", rounds=1)
def bench_centers_5(lib: Cells, timed: Timed, quick: bool) -> None:
    """Centers of a batch of cells."""
    _time_cells(lib, timed, "centers", 5, quick)


@work("`cell_to_boundary`, resolution 5, arrays", "1 M cells", unit="cell", rounds=1)
def bench_boundaries_5(lib: Cells, timed: Timed, quick: bool) -> None:
    """Boundaries of a batch of cells."""
    _time_cells(lib, timed, "boundaries", 5, quick)


@work("`cell_area`, resolution 5, arrays", "1 M cells", unit="cell", rounds=1)
def bench_areas_5(lib: Cells, timed: Timed, quick: bool) -> None:
    """Areas of a batch of cells."""
    _time_cells(lib, timed, "areas", 5, quick)


@work(
    "`latlng_to_cell`, resolution 9, arrays",
    "1 M points, uniform on the sphere",
    unit="point",
    headline=True,
    rounds=1,
)
def bench_encode_9(lib: Cells, timed: Timed, quick: bool) -> None:
    """Cells of a batch of points."""
    _time_encode(lib, timed, 9, quick)


@work("`cell_to_latlng`, resolution 9, arrays", "1 M cells", unit="cell", headline=True, rounds=1)
def bench_centers_9(lib: Cells, timed: Timed, quick: bool) -> None:
    """Centers of a batch of cells."""
    _time_cells(lib, timed, "centers", 9, quick)


@work("`cell_to_boundary`, resolution 9, arrays", "1 M cells", unit="cell", headline=True, rounds=1)
def bench_boundaries_9(lib: Cells, timed: Timed, quick: bool) -> None:
    """Boundaries of a batch of cells."""
    _time_cells(lib, timed, "boundaries", 9, quick)


@work("`cell_area`, resolution 9, arrays", "1 M cells", unit="cell", rounds=1)
def bench_areas_9(lib: Cells, timed: Timed, quick: bool) -> None:
    """Areas of a batch of cells."""
    _time_cells(lib, timed, "areas", 9, quick)


@work(
    "`latlng_to_cell`, resolution 15, arrays", "1 M points, on the sphere", unit="point", rounds=1
)
def bench_encode_15(lib: Cells, timed: Timed, quick: bool) -> None:
    """Cells of a batch of points."""
    _time_encode(lib, timed, 15, quick)


@work("`cell_to_latlng`, resolution 15, arrays", "1 M cells", unit="cell", rounds=1)
def bench_centers_15(lib: Cells, timed: Timed, quick: bool) -> None:
    """Centers of a batch of cells."""
    _time_cells(lib, timed, "centers", 15, quick)


@work("`cell_to_boundary`, resolution 15, arrays", "1 M cells", unit="cell", rounds=1)
def bench_boundaries_15(lib: Cells, timed: Timed, quick: bool) -> None:
    """Boundaries of a batch of cells."""
    _time_cells(lib, timed, "boundaries", 15, quick)


@work("`cell_area`, resolution 15, arrays", "1 M cells", unit="cell", rounds=1)
def bench_areas_15(lib: Cells, timed: Timed, quick: bool) -> None:
    """Areas of a batch of cells."""
    _time_cells(lib, timed, "areas", 15, quick)


@work(
    "`latlng_to_cell`, resolution 9, one by one",
    "20 k points",
    unit="point",
    headline=True,
    rounds=1,
)
def bench_one_latlng_to_cell(lib: Cells, timed: Timed) -> None:
    """Scalar calls."""
    _time_one(lib, timed, "latlng_to_cell", 9)


@work("`cell_to_latlng`, resolution 9, one by one", "20 k cells", unit="cell", rounds=1)
def bench_one_cell_to_latlng(lib: Cells, timed: Timed) -> None:
    """Scalar calls."""
    _time_one(lib, timed, "cell_to_latlng", 9)


@work("`cell_to_boundary`, resolution 9, one by one", "20 k cells", unit="cell", rounds=1)
def bench_one_cell_to_boundary(lib: Cells, timed: Timed) -> None:
    """Scalar calls."""
    _time_one(lib, timed, "cell_to_boundary", 9)


@work("`cell_area`, resolution 9, one by one", "20 k cells", unit="cell", rounds=1)
def bench_one_cell_area(lib: Cells, timed: Timed) -> None:
    """Scalar calls."""
    _time_one(lib, timed, "cell_area", 9)
