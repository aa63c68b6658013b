"""R-tree.

One million boxes with sides of up to a thousandth of the square they lie in; queries with sides of
three thousandths, which find 12 boxes on average. Points for the nearest neighbours.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from bench.geo.rtree_libraries import (
    Boxes,
    CKDTree,
    GeoIndex,
    Native,
    Pure,
    RowsCopied,
    Rtree,
    Shapely,
    boxes,
)
from bench.model import Timed, Unsupported, expect, work

LIBRARIES = (Native, Pure, Shapely, Rtree, GeoIndex, CKDTree, RowsCopied)
MILLION = 1_000_000
SMALL = 2_000
SIDE, QUERY = 1e-3, 3e-3


def _rows(lib: Boxes, quick: bool) -> Any:
    return boxes(SMALL if quick else MILLION, SIDE)[: lib.max_rows]


def _queries(lib: Boxes, quick: bool) -> Any:
    low = boxes(SMALL if quick else 100_000, SIDE, seed=2)[: lib.max_keys, :2]
    return np.hstack([low, low + QUERY])


@functools.cache
def _index(lib: Boxes, quick: bool) -> Any:
    """An index that answers rightly; it is not changed."""
    rows = _rows(lib, quick)
    index = lib.build(lib.geometries(rows))
    lib.check(index, rows, _queries(lib, True)[:20])
    return index


@work("`RTree(boxes)`", "1 M boxes", unit="box", headline=True, rounds=2)
def bench_build(lib: Boxes, timed: Timed, quick: bool) -> None:
    """An index of an array of boxes."""
    rows = _rows(lib, quick)
    given = lib.geometries(rows)
    _index(lib, quick)
    timed(lambda: lib.build(given), items=len(rows))


@work(
    "`t.query_many(boxes)`",
    "100 k boxes in 1 M, 12 hits each",
    unit="query",
    headline=True,
    rounds=2,
)
def bench_query_many(lib: Boxes, timed: Timed, quick: bool) -> None:
    """A batch."""
    index, asked = _index(lib, quick), _queries(lib, quick)
    queries = lib.queries(asked)
    timed(lambda: lib.query_many(index, queries), items=len(asked))


@work("`t.query(box)`", "1 M boxes, 12 hits each", unit="query", headline=True, rounds=2)
def bench_query(lib: Boxes, timed: Timed, quick: bool) -> None:
    """One after the other."""
    index, asked = _index(lib, quick), _queries(lib, quick)[:20_000]
    each = lib.queries(asked) if isinstance(lib, Shapely) else [*map(tuple, asked.tolist())]
    timed(lambda: lib.query_each(index, each), items=len(asked))


@work(
    "`t.nearest_many(points, k=8)`",
    "20 k points, 1 M points",
    unit="query",
    headline=True,
    rounds=2,
)
def bench_nearest(lib: Boxes, timed: Timed, quick: bool) -> None:
    """Eight nearest neighbours of each."""
    points, asked = _rows(lib, quick)[:, :2], _queries(lib, quick)[:20_000, :2].copy()
    index = lib.build(np.hstack([points, points]))
    for point in asked[:20]:
        squares = np.partition(((points - point) ** 2).sum(1), 8)[:8]
        found = lib.nearest_many(index, point[None], 8)[0]
        expect(np.allclose(found, np.sqrt(np.sort(squares))), "a distance is wrong")
    timed(lambda: lib.nearest_many(index, asked, 8), items=len(asked))


@work("`t.insert(id, box)`, `t.remove(id)`", "1 M boxes (rtree: 20 k)", unit="pair", headline=True)
def bench_change(lib: Boxes, timed: Timed, quick: bool) -> None:
    """Both once."""
    rows = _rows(lib, quick)
    index = lib.build(rows)
    new = [*map(tuple, boxes(SMALL, SIDE, seed=3)[: lib.max_keys].tolist())]
    ids = range(len(rows), len(rows) + len(new))
    lib.change_each(index, ids, new)
    lib.check(index, rows, _queries(lib, True)[:20])
    timed(lambda: lib.change_each(index, ids, new), items=len(new))


QUERIES = ("fastblocks", "shapely.STRtree", "geoindex-rs")
SIZES = (1e3, 1e4, 1e5, 1e6)


def _in_size(lib: Boxes, timed: Timed, n: int, wanted: float, **values: float) -> None:
    """Time a batch of queries that meet `wanted` of n boxes on average."""
    side = (10 / n) ** 0.5 / 10
    rows = boxes(n, side)
    low = boxes(10_000, side, seed=2)[:, :2]
    asked = np.hstack([low, low + max((wanted / n) ** 0.5 - side / 2, 0.0)])
    index = lib.build(lib.geometries(rows) if isinstance(lib, Shapely) else rows)
    lib.check(index, rows, asked[:20])
    queries = lib.queries(asked)
    timed(lambda: lib.query_many(index, queries), items=len(asked), **values)


@work(
    "`t.query_many(boxes)` against the number of boxes",
    "about 10 hits each",
    unit="query",
    chart="curve",
    axes=("boxes", "ns"),
    points=SIZES,
    full_points=(1e7,),
    rounds=1,
    libraries=QUERIES,
)
def bench_query_size(lib: Boxes, timed: Timed, point: float) -> None:
    """The same number of hits in larger and larger sets; geoindex-rs has no batches."""
    _in_size(lib, timed, int(point), 10, boxes=point)


@work(
    "`t.query_many(boxes)` against hits",
    "100 k boxes",
    unit="query",
    chart="curve",
    axes=("hits", "ns"),
    points=(1, 10, 100, 1000),
    rounds=1,
    libraries=QUERIES,
)
def bench_query_hits(lib: Boxes, timed: Timed, point: float, quick: bool) -> None:
    """Larger and larger queries of one set."""
    _in_size(lib, timed, SMALL if quick else 100_000, point, hits=point)


@work(
    "`t.insert(id, box)`, `t.remove(id)` against the number of boxes",
    "packing anew at times included",
    unit="pair",
    chart="curve",
    axes=("boxes", "ns"),
    points=SIZES,
    full_points=(1e7,),
    rounds=1,
    libraries=("fastblocks", "rtree"),
)
def bench_change_size(lib: Boxes, timed: Timed, point: float) -> None:
    """Both once; rtree up to 20 k."""
    n = int(point)
    if n > lib.max_keys:
        raise Unsupported("takes long to build")
    rows, new = boxes(n, SIDE), [*map(tuple, boxes(SMALL, SIDE, seed=3).tolist())]
    index, ids = lib.build(rows), range(n, n + SMALL)
    lib.change_each(index, ids, new)
    lib.check(index, rows, _queries(lib, True)[:20])
    timed(lambda: lib.change_each(index, ids, new), items=SMALL, boxes=point)
