"""Indexes of boxes: fastblocks, its twin, shapely, rtree, geoindex-rs; SciPy's tree of points."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bench.model import Library, Role, Unsupported, expect


@functools.cache
def boxes(n: int, side: float, seed: int = 1) -> Any:
    """Return n boxes in the unit square with sides of up to `side`."""
    rng = np.random.default_rng(seed)
    low = rng.random((n, 2))
    return np.hstack([low, low + rng.random((n, 2)) * side])


class Boxes(Library):
    """What all have in common; `index` is an index of the library throughout.

    Attributes
    ----------
    max_rows : int
        Indexes of slow libraries have this many boxes at most.
    """

    max_rows: ClassVar[int] = 1 << 62

    def geometries(self, rows: Any) -> Any:
        """Return boxes in the form the library is given."""
        return rows

    def build(self, rows: Any) -> Any:
        """Return an index of boxes."""
        return self.api.RTree(rows)

    def queries(self, rows: Any) -> Any:
        """Return boxes to ask for, in the form the library is asked in."""
        return rows

    def query_many(self, index: Any, rows: Any) -> Any:
        """Return the number of pairs of a batch."""
        return len(index.query_many(rows)[0])

    def query_each(self, index: Any, rows: Sequence[tuple[float, ...]]) -> None:
        """Ask for boxes one by one: the loop that is timed."""
        query = index.query
        for row in rows:
            query(row)

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """Return the distances of the nearest of a batch."""
        return index.nearest_many(points, k)[1]

    def change_each(self, index: Any, ids: Sequence[int], rows: Sequence[Any]) -> None:
        """Insert and remove boxes: the loop that is timed."""
        for id, row in zip(ids, rows, strict=True):
            index.insert(id, row)
        for id in ids:
            index.remove(id)

    def check(self, index: Any, rows: Any, asked: Any) -> None:
        """Expect the number of pairs that brute force finds."""
        count = 0
        for a, b, c, d in asked.tolist():
            x = (rows[:, 0] <= c) & (rows[:, 2] >= a)
            count += int((x & (rows[:, 1] <= d) & (rows[:, 3] >= b)).sum())
        expect(self.query_many(index, self.queries(asked)) == count, "a query is wrong")


class Native(Boxes):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Boxes):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 300
    max_rows = 5_000


class Shapely(Boxes):
    """GEOS's tree by shapely; its geometries are made beforehand."""

    name = "shapely.STRtree"
    role: ClassVar[Role] = "peer"
    module = "shapely"
    distribution = "shapely"
    only = ("build", "query_many", "query", "query_size", "query_hits")

    def geometries(self, rows: Any) -> Any:
        """Return boxes as geometries."""
        return self.api.box(*rows.T)

    def build(self, rows: Any) -> Any:
        """The tree is made by the first query."""
        tree = self.api.STRtree(rows)
        tree.query(rows[0])
        return tree

    def queries(self, rows: Any) -> Any:
        """As geometries."""
        return self.geometries(rows)

    def query_many(self, index: Any, rows: Any) -> Any:
        """Boxes against boxes, by their envelopes."""
        return index.query(rows).shape[1]


class Rtree(Boxes):
    """libspatialindex by rtree."""

    name = "rtree"
    role: ClassVar[Role] = "peer"
    module = "rtree.index"
    distribution = "rtree"
    max_keys = 20_000
    max_rows = 20_000
    only = ("query", "change", "change_size")

    def build(self, rows: Any) -> Any:
        """From a stream, which is its bulk load."""
        index = self.api.Index((i, row, None) for i, row in enumerate(rows.tolist()))
        index.rows = dict(enumerate(rows.tolist()))
        return index

    def query_many(self, index: Any, rows: Any) -> Any:
        """One by one."""
        return sum(len(list(index.intersection(row))) for row in rows.tolist())

    def query_each(self, index: Any, rows: Sequence[tuple[float, ...]]) -> None:
        """Ids of each."""
        for row in rows:
            list(index.intersection(row))

    def change_each(self, index: Any, ids: Sequence[int], rows: Sequence[Any]) -> None:
        """A removal needs the box."""
        for id, row in zip(ids, rows, strict=True):
            index.insert(id, row)
        for id, row in zip(ids, rows, strict=True):
            index.delete(id, row)


class GeoIndex(Boxes):
    """A packed Hilbert tree in Rust; it does not change."""

    name = "geoindex-rs"
    role: ClassVar[Role] = "peer"
    module = "geoindex_rs.rtree"
    distribution = "geoindex-rs"
    only = ("build", "query", "query_size", "query_hits")

    def build(self, rows: Any) -> Any:
        """Of four columns."""
        builder = self.api.RTreeBuilder(num_items=len(rows))
        builder.add(*(np.ascontiguousarray(column) for column in rows.T))
        return builder.finish()

    def query_many(self, index: Any, rows: Any) -> Any:
        """One by one."""
        return sum(len(self.api.search(index, *row)) for row in rows.tolist())

    def query_each(self, index: Any, rows: Sequence[tuple[float, ...]]) -> None:
        """Ids of each, as an Arrow array."""
        search = self.api.search
        for row in rows:
            search(index, *row)


class CKDTree(Boxes):
    """SciPy's tree, of points."""

    name = "scipy.cKDTree"
    role: ClassVar[Role] = "peer"
    module = "scipy.spatial"
    distribution = "scipy"
    only = ("nearest",)

    def build(self, rows: Any) -> Any:
        """Of the lower corners."""
        if (rows[:, :2] != rows[:, 2:]).any():
            raise Unsupported("points only")
        return importlib.import_module(self.module).cKDTree(rows[:, :2])

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """On one thread."""
        return index.query(points, k=k)[0]


class RowsCopied(Boxes):
    """A copy of the array by NumPy: what reading and writing it costs."""

    name = "rows.copy()"
    role: ClassVar[Role] = "floor"
    only = ("build",)

    def build(self, rows: Any) -> Any:
        """Copy."""
        return rows.copy()

    def check(self, index: Any, rows: Any, asked: Any) -> None:
        """There is nothing to compare with."""
