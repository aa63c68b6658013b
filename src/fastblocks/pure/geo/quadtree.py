"""A quadtree in plain Python: a dict of points that is searched from end to end."""

from __future__ import annotations

import itertools
import math
import struct
from typing import TYPE_CHECKING

from fastblocks._core import boxes as checks
from fastblocks._core import points

from .._flat import Flat

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["QuadTree"]

Point = tuple[float, float]
PARAMS = struct.Struct("<4dQQ40s")  # bounds, leaf_capacity, number of points, zeros
INF = math.inf


def square(point: Point, x: float, y: float) -> float:
    """The square of the distance of two points."""
    dx, dy = point[0] - x, point[1] - y
    return dx * dx + dy * dy


def nearest_of(
    items: list[tuple[int, Point]], x: float, y: float, k: int, most: float
) -> list[tuple[float, int]]:
    """Distances and ids of the nearest, by squares, then by ids."""
    near = sorted((square(point, x, y), id) for id, point in items)[:k]
    return [(math.sqrt(square), id) for square, id in near if math.sqrt(square) <= most]


def pairs(found: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index and id of every id in lists."""
    import numpy as np

    index = np.repeat(np.arange(len(found)), [len(ids) for ids in found])
    return index.astype(np.int64), np.array([id for ids in found for id in ids], np.int64)


class QuadTree(Flat):
    """Moving points in the plane; see `fastblocks.QuadTree`."""

    __slots__ = ("_bounds", "_capacity", "_points", "_saved")

    _KIND, _VERSION = b"QUAD", 1
    _PARAMETERS = ()
    _FILE_USE = "no writer"

    _bounds: tuple[float, float, float, float]
    _capacity: int
    _points: dict[int, Point]
    _saved: int

    def __init__(self, bounds: ArrayLike, leaf_capacity: int = 32) -> None:
        self._begin_init()
        self._bounds = points.bounds_of(bounds)
        self._capacity = points.capacity_of(leaf_capacity)
        self._take(memoryview(bytearray()))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """What all points lie in."""
        return self._bounds

    @property
    def leaf_capacity(self) -> int:
        """Points that a leaf of the native tree may have."""
        return self._capacity

    # ---- changes ----------------------------------------------------------------------------

    def _point(self, x: float, y: float) -> Point:
        min_x, min_y, max_x, max_y = self._bounds
        x, y = points.number("x", x, min_x, max_x), points.number("y", y, min_y, max_y)
        return x + 0.0, y + 0.0  # 0.0 for -0.0

    def _items(self, ids: ArrayLike, xs: ArrayLike, ys: ArrayLike) -> list[tuple[int, Point]]:
        min_x, min_y, max_x, max_y = self._bounds
        a, b = points.columns(("xs", xs, min_x, max_x), ("ys", ys, min_y, max_y))
        numbers = points.id_column(ids, len(a)).tolist()
        places = zip((a + 0.0).tolist(), (b + 0.0).tolist(), strict=True)
        return list(zip(numbers, places, strict=True))

    def insert(self, id: int, x: float, y: float) -> None:
        """Add a point."""
        id, point = checks.id_of(id), self._point(x, y)
        with self._lock:
            if id in self._points:
                raise checks.id_there(id)
            self._points[id] = point

    def move(self, id: int, x: float, y: float) -> None:
        """Give a point another place."""
        id, point = checks.id_of(id), self._point(x, y)
        with self._lock:
            if id not in self._points:
                raise checks.id_unknown(id)
            self._points[id] = point

    def remove(self, id: int) -> None:
        """Take a point away."""
        id = checks.id_of(id)
        with self._lock:
            if id not in self._points:
                raise checks.id_unknown(id)
            del self._points[id]

    def insert_many(self, ids: ArrayLike, xs: ArrayLike, ys: ArrayLike) -> None:
        """Add points."""
        items = self._items(ids, xs, ys)
        with self._lock:
            new = dict(self._points)
            for i, (id, point) in enumerate(items):
                if id in new:
                    raise checks.id_twice(i, id)
                new[id] = point
            self._points = new

    def move_many(self, ids: ArrayLike, xs: ArrayLike, ys: ArrayLike) -> None:
        """Give points other places."""
        items = self._items(ids, xs, ys)
        with self._lock:
            for id, _ in items:
                if id not in self._points:
                    raise checks.id_unknown(id)
            self._points = self._points | dict(items)

    def remove_many(self, ids: ArrayLike) -> None:
        """Take points away."""
        numbers = points.id_column(ids).tolist()
        with self._lock:
            new = dict(self._points)
            for id in numbers:
                if id not in new:
                    raise checks.id_unknown(id)
                del new[id]
            self._points = new

    # ---- searches ---------------------------------------------------------------------------

    def _now(self) -> list[tuple[int, Point]]:
        with self._lock:
            return list(self._points.items())

    def query(self, box: ArrayLike) -> NDArray[np.int64]:
        """Return the ids of the points in a box."""
        return self.query_many([checks.box_of("box", box)])[1]

    def query_many(self, boxes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (index of a box, id of a point in it) for every pair of them."""
        rows = points.box_rows("boxes", boxes).tolist()
        items = self._now()
        return pairs(
            [
                [id for id, (x, y) in items if x0 <= x <= x1 and y0 <= y <= y1]
                for x0, y0, x1, y1 in rows
            ]
        )

    def within(self, x: float, y: float, r: float) -> NDArray[np.int64]:
        """Return the ids of the points within a distance of a point."""
        x, y, r = points.number("x", x), points.number("y", y), points.radius("r", r)
        return self.within_many([x], [y], [r])[1]

    def within_many(
        self, xs: ArrayLike, ys: ArrayLike, rs: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (index of a circle, id of a point in it) for every pair of them."""
        columns = points.columns(("xs", xs, -INF, INF), ("ys", ys, -INF, INF), ("rs", rs, 0.0, INF))
        items = self._now()
        circles = zip(*(column.tolist() for column in columns), strict=True)
        return pairs(
            [
                [id for id, point in items if math.sqrt(square(point, x, y)) <= r]
                for x, y, r in circles
            ]
        )

    def nearest(
        self, x: float, y: float, k: int = 1, max_distance: float = INF
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and distances of the nearest points, nearest first."""
        import numpy as np

        x, y, k = points.number("x", x), points.number("y", y), checks.k_of(k)
        most = points.radius("max_distance", max_distance)
        found = nearest_of(self._now(), x, y, k, most)
        return (
            np.array([id for _, id in found], np.int64),
            np.array([distance for distance, _ in found], np.float64),
        )

    def nearest_many(
        self, xs: ArrayLike, ys: ArrayLike, k: int = 1, max_distance: float = INF
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the same for points, padded with -1 and inf."""
        import numpy as np

        a, b = points.columns(("xs", xs, -INF, INF), ("ys", ys, -INF, INF))
        k, most = checks.k_of(k), points.radius("max_distance", max_distance)
        items = self._now()
        ids = np.full((len(a), k), -1, np.int64)
        distances = np.full((len(a), k), INF)
        for i, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            for j, (distance, id) in enumerate(nearest_of(items, x, y, k, most)):
                ids[i, j], distances[i, j] = id, distance
        return ids, distances

    # ---- what there is ----------------------------------------------------------------------

    def position(self, id: int) -> Point:
        """Return where a point is."""
        return self[id]

    def __getitem__(self, id: int) -> Point:
        id = checks.id_of(id)
        with self._lock:
            if id not in self._points:
                raise checks.id_unknown(id)
            return self._points[id]

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, id: object) -> bool:
        return checks.id_of(id) in self._points

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._points))

    def items(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return all ids, ascending, and where the points are."""
        import numpy as np

        items = sorted(self._now())
        xs, ys = np.array([point for _, point in items], np.float64).reshape(-1, 2).T.copy()
        return np.array([id for id, _ in items], np.int64), xs, ys

    @property
    def nbytes(self) -> int:
        """Bytes that the points take when they are serialised."""
        return 24 * len(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuadTree):
            return NotImplemented
        return self._bounds == other._bounds and self._points == other._points

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"QuadTree({self._bounds!r}, leaf_capacity={self._capacity}, {len(self)} points)"

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(*self._bounds, self._capacity, len(self._points), b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        *box, capacity, n, rest = PARAMS.unpack(params)
        try:
            self._bounds = points.bounds_of(box)
            self._capacity = points.capacity_of(capacity)
        except ValueError:
            return False
        self._saved = n
        return n < 2**31 and size == 24 * n and not any(rest)

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        if not hasattr(self, "_points"):
            self._points = {}

    def _gather(self) -> bytes:
        return b"".join(column.tobytes() for column in self.items())

    def _admit(self) -> bool:
        n = self._saved
        data = bytes(self._payload)
        ids = struct.unpack_from(f"<{n}q", data)
        xs, ys = (struct.unpack_from(f"<{n}d", data, 8 * n * i) for i in (1, 2))
        min_x, min_y, max_x, max_y = self._bounds
        if any(a >= b for a, b in itertools.pairwise(ids)) or not all(
            min_x <= x <= max_x and min_y <= y <= max_y for x, y in zip(xs, ys, strict=True)
        ):
            return False
        self._points = {id: (x + 0.0, y + 0.0) for id, x, y in zip(ids, xs, ys, strict=True)}
        return True
