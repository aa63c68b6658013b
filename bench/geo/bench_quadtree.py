"""Quadtree of moving points.

One million points in the unit square. Moves are of a millionth, so leaves seldom change; boxes have
sides of three thousandths, and hold 9 points on average.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bench.model import Library, Role, Timed, expect, work

MILLION, SMALL, QUERY = 1_000_000, 2_000, 3e-3
UNIT = (0.0, 0.0, 1.0, 1.0)
Rows = Sequence[tuple[float, ...]]


class Points(Library):
    """What all have in common; `index` is an index of the library throughout.

    Attributes
    ----------
    max_points : int
        Indexes of slow libraries have this many points at most.
    """

    max_points: ClassVar[int] = 1 << 62

    def build(self, xy: Any) -> Any:
        """Return an index of points 0, 1, ..."""
        tree = self.api.QuadTree(UNIT)
        tree.insert_many(np.arange(len(xy)), xy[:, 0], xy[:, 1])
        return tree

    def move_each(self, index: Any, rows: Rows) -> None:
        """Move points there and back: rows of id, x, y, new x, new y."""
        move = index.move
        for id, x, y, new_x, new_y in rows:
            move(id, new_x, new_y)
            move(id, x, y)

    def query_each(self, index: Any, rows: Rows) -> None:
        """Ask for boxes one by one."""
        query = index.query
        for row in rows:
            query(row)

    def nearest_each(self, index: Any, rows: Rows) -> None:
        """Ask for the nearest one by one."""
        nearest = index.nearest
        for x, y in rows:
            nearest(x, y)

    def count(self, index: Any, row: Any) -> int:
        """Return how many points are in a box."""
        return len(index.query(row))


class Native(Points):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Points):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 300
    max_points = 5_000


class FastQuadTree(Points):
    """A quadtree in Rust, in double precision; a move is told the old place."""

    name = "fastquadtree"
    role: ClassVar[Role] = "peer"
    module = "fastquadtree"
    distribution = "fastquadtree"

    def build(self, xy: Any) -> Any:
        """From an array; ids are 0, 1, ..."""
        tree = self.api.QuadTree(UNIT, 16, dtype="f64")
        tree.insert_many_np(np.ascontiguousarray(xy))
        return tree

    def move_each(self, index: Any, rows: Rows) -> None:
        """By `update`."""
        update = index.update
        for id, x, y, new_x, new_y in rows:
            update(id, x, y, new_x, new_y)
            update(id, new_x, new_y, x, y)

    def query_each(self, index: Any, rows: Rows) -> None:
        """Arrays of ids and coordinates."""
        query = index.query_np
        for row in rows:
            query(row)

    def nearest_each(self, index: Any, rows: Rows) -> None:
        """One (id, x, y) each."""
        nearest = index.nearest_neighbor
        for row in rows:
            nearest(row)


class PyQtree(Points):
    """A quadtree in Python, of boxes; a move is a removal and an insertion."""

    name = "pyqtree"
    role: ClassVar[Role] = "peer"
    module = "pyqtree"
    distribution = "pyqtree"
    max_keys = 5_000
    max_points = 20_000
    only = ("move", "query")

    def build(self, xy: Any) -> Any:
        """One by one."""
        tree = self.api.Index(bbox=UNIT)
        for i, (x, y) in enumerate(xy.tolist()):
            tree.insert(i, (x, y, x, y))
        return tree

    def move_each(self, index: Any, rows: Rows) -> None:
        """Taken out and put in."""
        for id, x, y, new_x, new_y in rows:
            index.remove(id, (x, y, x, y))
            index.insert(id, (new_x, new_y, new_x, new_y))
            index.remove(id, (new_x, new_y, new_x, new_y))
            index.insert(id, (x, y, x, y))

    def query_each(self, index: Any, rows: Rows) -> None:
        """Ids of each."""
        for row in rows:
            index.intersect(row)

    def count(self, index: Any, row: Any) -> int:
        """Ids of one."""
        return len(index.intersect(row))


class Call(Points):
    """A call that does nothing: what Python takes for one."""

    name = "f(id, x, y)"
    role: ClassVar[Role] = "floor"
    only = ("move",)

    def build(self, xy: Any) -> Any:
        """The points themselves."""
        return xy

    def move_each(self, index: Any, rows: Rows) -> None:
        """Two calls for each row."""

        def move(id: float, x: float, y: float) -> None:
            """Nothing."""

        for id, x, y, new_x, new_y in rows:
            move(id, new_x, new_y)
            move(id, x, y)

    def count(self, index: Any, row: Any) -> int:
        """By looking at all."""
        return int(((index >= row[:2]) & (index <= row[2:])).all(axis=1).sum())


LIBRARIES = (Native, Pure, FastQuadTree, PyQtree, Call)


def _points(lib: Points, quick: bool) -> Any:
    return np.random.default_rng(1).random((SMALL if quick else MILLION, 2))[: lib.max_points]


def _checked(lib: Points, xy: Any) -> Any:
    """An index that answers rightly."""
    index = lib.build(xy)
    inside = int(((xy >= 0.4) & (xy <= 0.45)).all(1).sum())
    expect(lib.count(index, (0.4, 0.4, 0.45, 0.45)) == inside, "a query is wrong")
    return index


@functools.cache
def _index(lib: Points, quick: bool) -> Any:
    """One for several works; what is moved is moved back."""
    return _checked(lib, _points(lib, quick))


def _asked(lib: Points, quick: bool) -> Any:
    return np.random.default_rng(2).random((SMALL if quick else 20_000, 2))[: lib.max_keys]


@work("`t.move(id, x, y)`", "1 M points", unit="move", headline=True, rounds=2)
def bench_move(lib: Points, timed: Timed, quick: bool) -> None:
    """Each a little, in any order, and back."""
    xy, index = _points(lib, quick), _index(lib, quick)
    ids = np.random.default_rng(3).integers(0, len(xy), 20_000)[: lib.max_keys].tolist()
    rows = [(id, *xy[id].tolist(), *np.minimum(xy[id] + 1e-6, 1).tolist()) for id in ids]
    timed(lambda: lib.move_each(index, rows), items=2 * len(rows))


@work("`t.query(box)`", "1 M points, 9 hits each", unit="query", headline=True, rounds=2)
def bench_query(lib: Points, timed: Timed, quick: bool) -> None:
    """One after the other."""
    index, low = _index(lib, quick), _asked(lib, quick)
    rows = [*map(tuple, np.hstack([low, low + QUERY]).tolist())]
    timed(lambda: lib.query_each(index, rows), items=len(rows))


@work("`t.nearest(x, y)`", "1 M points", unit="query", headline=True, rounds=2)
def bench_nearest(lib: Points, timed: Timed, quick: bool) -> None:
    """The nearest one, one after the other."""
    index, rows = _index(lib, quick), [*map(tuple, _asked(lib, quick).tolist())]
    timed(lambda: lib.nearest_each(index, rows), items=len(rows))


@work("`t.move_many(ids, xs, ys)`", "1 M points", unit="move", libraries=("fastblocks",), rounds=2)
def bench_move_many(lib: Points, timed: Timed, quick: bool) -> None:
    """All of them a little."""
    xy = _points(lib, quick)
    index = lib.build(xy)
    ids = np.random.default_rng(3).permutation(len(xy))
    moved = np.minimum(xy[ids] + 1e-6, 1)
    timed(lambda: index.move_many(ids, moved[:, 0], moved[:, 1]), items=len(xy))


def _of_size(lib: Points, n: int) -> Any:
    return _checked(lib, np.random.default_rng(1).random((n, 2)))


@work(
    "`t.move(id, x, y)` against the number of points",
    unit="move",
    chart="curve",
    axes=("points", "ns"),
    points=(1e3, 1e4, 1e5, 1e6),
    full_points=(1e7,),
    rounds=1,
    libraries=("fastblocks", "fastquadtree"),
)
def bench_move_size(lib: Points, timed: Timed, point: float) -> None:
    """Each by a tenth of the distance to its neighbours, in any order, and back."""
    n = int(point)
    index, xy = _of_size(lib, n), np.random.default_rng(1).random((n, 2))
    ids = np.random.default_rng(3).integers(0, n, 20_000).tolist()
    to = np.where(xy > 0.5, xy - 0.1 / n**0.5, xy + 0.1 / n**0.5)
    rows = [(id, *xy[id].tolist(), *to[id].tolist()) for id in ids]
    timed(lambda: lib.move_each(index, rows), items=2 * len(rows), points=point)


@work(
    "`t.query(box)` against hits",
    "100 k points",
    unit="query",
    chart="curve",
    axes=("hits", "ns"),
    points=(1, 10, 100, 1000),
    rounds=1,
    libraries=("fastblocks", "fastquadtree"),
)
def bench_query_hits(lib: Points, timed: Timed, point: float, quick: bool) -> None:
    """Larger and larger boxes."""
    n = SMALL if quick else 100_000
    index, low = _of_size(lib, n), np.random.default_rng(2).random((3000, 2))
    rows = [*map(tuple, np.hstack([low, low + (point / n) ** 0.5]).tolist())]
    timed(lambda: lib.query_each(index, rows), items=len(rows), hits=point)


@work(
    "`t.nearest(x, y)` against the number of points",
    unit="query",
    chart="curve",
    axes=("points", "ns"),
    points=(1e3, 1e4, 1e5, 1e6),
    full_points=(1e7,),
    rounds=1,
    libraries=("fastblocks", "fastquadtree"),
)
def bench_nearest_size(lib: Points, timed: Timed, point: float) -> None:
    """One after the other."""
    index = _of_size(lib, int(point))
    rows = [*map(tuple, np.random.default_rng(2).random((20_000, 2)).tolist())]
    timed(lambda: lib.nearest_each(index, rows), items=len(rows), points=point)
