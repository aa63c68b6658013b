"""H3 cells as a grid: disks, compact sets, children, parents, polygons.

Cells are of resolution 9, spread evenly over the sphere. Batches of a library are in the form that
it takes fastest: NumPy arrays, Arrow arrays for h3ronpy, lists for h3.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np

from bench.geo import bench_h3
from bench.model import Role, Timed, expect, work


class Grid:
    """The verbs of this file, as fastblocks has them."""

    def disks(self, every: Any, k: int) -> Any:
        """All cells of the disks around cells."""
        return self.api.grid_disk(every, k)[0]  # type: ignore[attr-defined]

    def compact(self, every: Any) -> Any:
        """The compact set of cells."""
        return self.api.compact_cells(every)  # type: ignore[attr-defined]

    def children(self, every: Any, res: int) -> Any:
        """All descendants of cells."""
        return self.api.cell_to_children(every, res)[0]  # type: ignore[attr-defined]

    def parents(self, every: Any, res: int) -> Any:
        """The ancestors of cells."""
        return self.api.cell_to_parent(every, res)  # type: ignore[attr-defined]

    def shape(self, ring: Any) -> Any:
        """A ring of latitudes and longitudes in the library's form."""
        return ring

    def fill(self, shape: Any, res: int) -> Any:
        """The cells whose centres are in a polygon."""
        return self.api.polygon_to_cells(shape, res)  # type: ignore[attr-defined]


class Native(Grid, bench_h3.Native):
    """fastblocks itself."""


class Pure(Grid, bench_h3.Pure):
    """The pure-Python twin."""


class H3(bench_h3.H3, Grid):
    """The C library's own binding, in loops."""

    def disks(self, every: Any, k: int) -> Any:
        """Loop."""
        return [near for cell in every for near in self.api.grid_disk(cell, k)]

    def children(self, every: Any, res: int) -> Any:
        """Loop."""
        return [child for cell in every for child in self.api.cell_to_children(cell, res)]

    def parents(self, every: Any, res: int) -> Any:
        """Loop."""
        return [self.api.cell_to_parent(cell, res) for cell in every]

    def shape(self, ring: Any) -> Any:
        """Its polygon."""
        import h3

        return h3.LatLngPoly([tuple(corner) for corner in ring])

    def fill(self, shape: Any, res: int) -> Any:
        """One call."""
        return self.api.h3shape_to_cells(shape, res)


class H3ronpy(bench_h3.H3ronpy, Grid):
    """A binding of the Rust port."""

    def disks(self, every: Any, k: int) -> Any:
        """One call; the list column is flat inside."""
        import h3ronpy

        return h3ronpy.grid_disk(every, k, flatten=True)

    def compact(self, every: Any) -> Any:
        """One call."""
        import h3ronpy

        return h3ronpy.compact(every)

    def children(self, every: Any, res: int) -> Any:
        """One call."""
        import h3ronpy

        return h3ronpy.change_resolution(every, res)

    def parents(self, every: Any, res: int) -> Any:
        """One call."""
        import h3ronpy

        return h3ronpy.change_resolution(every, res)

    def shape(self, ring: Any) -> Any:
        """Well-known binary."""
        import pyarrow
        import shapely

        return pyarrow.array([shapely.to_wkb(shapely.Polygon([(x, y) for y, x in ring]))])

    def fill(self, shape: Any, res: int) -> Any:
        """One call."""
        return self.api.wkb_to_cells(
            shape, res, containment_mode=self.api.ContainmentMode.ContainsCentroid, flatten=True
        )


class Copied(bench_h3.Cells, Grid):
    """A copy of the cells by NumPy: what reading and writing them costs."""

    name = "cells.copy()"
    role: ClassVar[Role] = "floor"
    only = ("parents",)

    def parents(self, every: Any, res: int) -> Any:
        """Copy."""
        return every.copy()


LIBRARIES = (Native, Pure, H3, H3ronpy, Copied)


@functools.cache
def family(res: int) -> Any:
    """The descendants of a cell of resolution 3, less three of them, shuffled."""
    import h3.api.numpy_int as h3

    cells = np.asarray(h3.cell_to_children(h3.latlng_to_cell(48.85, 2.35, 3), res))
    return np.random.default_rng(5).permutation(np.delete(cells, [5, len(cells) // 2, -1]))


@functools.cache
def coast(corners: int) -> Any:
    """A jagged ring of about 100 kilometres across."""
    rng = np.random.default_rng(6)
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = 0.5 + 0.1 * np.cumsum(rng.normal(0, 0.01, corners)) + 0.1 * np.sin(5 * angle)
    return np.column_stack([48 + 0.7 * reach * np.sin(angle), 3 + reach * np.cos(angle)])


def _time_disks(lib: Any, timed: Timed, k: int, quick: bool) -> None:
    n = min(500 if quick else 50_000, (lib.max_keys or 50_000) // 20)
    every = lib.prepare(bench_h3.cells(n, 9))
    size = 3 * k * (k + 1) + 1
    expect(len(lib.disks(every[:9], k)) == 9 * size, "cells")
    timed(lambda: lib.disks(every, k), items=n * size)


@work("`grid_disk`, k = 1, arrays", "cells of the result", unit="cell", rounds=1)
def bench_disk_1(lib: Any, timed: Timed, quick: bool) -> None:
    """Cells and their neighbours."""
    _time_disks(lib, timed, 1, quick)


@work("`grid_disk`, k = 5, arrays", "cells of the result", unit="cell", headline=True, rounds=1)
def bench_disk_5(lib: Any, timed: Timed, quick: bool) -> None:
    """Disks of 91 cells."""
    _time_disks(lib, timed, 5, quick)


@work("`compact_cells`, shuffled", "117 k cells", unit="cell", headline=True, rounds=1)
def bench_compact(lib: Any, timed: Timed, quick: bool) -> None:
    """A large area less three cells."""
    small = quick or lib.role == "pure"
    cells = family(6 if small else 9)
    every = lib.prepare(cells)
    expect(len(lib.compact(every)) < len(cells) / 3, "cells")
    timed(lambda: lib.compact(every), items=len(cells))


@work("`cell_to_children`, 3 levels down", "children", unit="cell", rounds=1)
def bench_children(lib: Any, timed: Timed, quick: bool) -> None:
    """All descendants."""
    n = min(50 if quick else 3000, (lib.max_keys or 3_000_000) // 1000)
    every = lib.prepare(bench_h3.cells(n, 9))
    expect(len(lib.children(every, 12)) == 343 * n, "children")
    timed(lambda: lib.children(every, 12), items=343 * n)


@work("`cell_to_parent`, 4 levels up", "1 M cells", unit="cell", rounds=1)
def bench_parents(lib: Any, timed: Timed, quick: bool) -> None:
    """Ancestors."""
    n = min(2000 if quick else 1_000_000, lib.max_keys or 1_000_000)
    every = lib.prepare(bench_h3.cells(n, 9))
    timed(lambda: lib.parents(every, 5), items=n)


@work("`polygon_to_cells`, resolution 9", "cells of a ring of 2,000 corners", unit="cell", rounds=1)
def bench_polygon(lib: Any, timed: Timed, quick: bool) -> None:
    """A fill by centres."""
    res = 6 if quick or lib.role == "pure" else 9
    shape = lib.shape(coast(100 if lib.role == "pure" else 2000))
    n = len(lib.fill(shape, res))
    timed(lambda: lib.fill(shape, res), items=n)
