"""A GeoIndex in plain Python: a dict of points that is searched from end to end."""

from __future__ import annotations

import itertools
import math
import struct
from typing import TYPE_CHECKING, Any

from fastblocks._core import boxes as checks
from fastblocks._core import points

from .._flat import Flat
from .distance import metres, reduced

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GeoIndex"]

Id = int | str
Point = tuple[float, float]
PARAMS = struct.Struct("<QQ72s")  # number of points, whether ids are strings, zeros
INF = math.inf


class GeoIndex(Flat):
    """Moving points on the sphere; see `fastblocks.GeoIndex`."""

    __slots__ = ("_id_type", "_next", "_points", "_ranks", "_saved")

    _KIND, _VERSION = b"GEOI", 1
    _PARAMETERS = ()
    _FILE_USE = "no writer"

    _id_type: type[int] | type[str]
    _points: dict[Any, Point]
    _ranks: dict[Any, int]  # by which ids are ordered: themselves, or when they were set first
    _next: int
    _saved: int

    def __init__(self, id_type: type[int] | type[str] = int) -> None:
        self._begin_init()
        if id_type is not int and id_type is not str:
            raise ValueError(f"id_type must be int or str, not {id_type!r}")
        self._id_type = id_type
        self._take(memoryview(bytearray()))

    @property
    def id_type(self) -> type[int] | type[str]:
        """What ids are."""
        return self._id_type

    def _id(self, id: Any) -> Id:
        return points.string_id(id) if self._id_type is str else checks.id_of(id)

    def _ids(self, ids: Any, n: int | None = None) -> list[Any]:
        if self._id_type is str:
            return points.string_ids(ids, n)
        return points.id_column(ids, n).tolist()  # type: ignore[no-any-return]

    def _list(self, ids: list[Any]) -> Any:
        import numpy as np

        return ids if self._id_type is str else np.array(ids, np.int64)

    # ---- changes ----------------------------------------------------------------------------

    def _put(self, id: Any, lat: float, lng: float) -> None:
        if id not in self._points:
            self._ranks[id] = self._next if self._id_type is str else id
            self._next += 1
        self._points[id] = (lat + 0.0, reduced(lng) + 0.0)  # 0.0 for -0.0

    def set(self, id: Id, lat: float, lng: float) -> None:
        """Add a point, or give it another place."""
        id = self._id(id)
        lat, lng = points.number("lat", lat, -90.0, 90.0), points.number("lng", lng)
        with self._lock:
            self._put(id, lat, lng)

    def set_many(self, ids: Any, lats: ArrayLike, lngs: ArrayLike) -> None:
        """Add points, or give them other places."""
        a, b = points.columns(("lats", lats, -90.0, 90.0), ("lngs", lngs, -INF, INF))
        names = self._ids(ids, len(a))
        with self._lock:
            for id, lat, lng in zip(names, a.tolist(), b.tolist(), strict=True):
                self._put(id, lat, lng)

    def remove(self, id: Id) -> None:
        """Take a point away."""
        id = self._id(id)
        with self._lock:
            if id not in self._points:
                raise KeyError(id)
            del self._points[id], self._ranks[id]

    def remove_many(self, ids: Any) -> None:
        """Take points away."""
        names = self._ids(ids)
        with self._lock:
            left = dict(self._points)
            for id in names:
                if id not in left:
                    raise KeyError(id)
                del left[id]
            self._points = left
            self._ranks = {id: self._ranks[id] for id in left}

    # ---- searches ---------------------------------------------------------------------------

    def _now(self) -> list[tuple[int, Any, Point]]:
        with self._lock:
            return [(self._ranks[id], id, point) for id, point in self._points.items()]

    def within(self, lat: float, lng: float, radius_m: float, limit: int | None = None) -> Any:
        """Return ids and distances of the points within a distance, nearest first."""
        lat, lng = points.number("lat", lat, -90.0, 90.0), points.number("lng", lng)
        most, limit = points.radius("radius_m", radius_m), points.limit_of(limit)
        return self._answer(nearest_of(self._now(), lat, lng, limit, most))

    def within_many(
        self, lats: ArrayLike, lngs: ArrayLike, radius_m: ArrayLike, limit: int | None = None
    ) -> Any:
        """Return (index of a point, id and distance of one near it) for every pair of them."""
        import numpy as np

        columns = points.columns(
            ("lats", lats, -90.0, 90.0), ("lngs", lngs, -INF, INF), ("radius_m", radius_m, 0.0, INF)
        )
        limit = points.limit_of(limit)
        items = self._now()
        circles = zip(*(column.tolist() for column in columns), strict=True)
        found = [
            (i, id, distance)
            for i, (lat, lng, most) in enumerate(circles)
            for distance, id in nearest_of(items, lat, lng, limit, most)
        ]
        ids = np.empty(len(found), object if self._id_type is str else np.int64)
        ids[:] = [id for _, id, _ in found]
        distances = np.array([distance for _, _, distance in found], np.float64)
        return np.array([i for i, _, _ in found], np.int64), ids, distances

    def nearest(self, lat: float, lng: float, k: int = 1, max_m: float = INF) -> Any:
        """Return ids and distances of the nearest points, nearest first."""
        lat, lng = points.number("lat", lat, -90.0, 90.0), points.number("lng", lng)
        k, most = checks.k_of(k), points.radius("max_m", max_m)
        return self._answer(nearest_of(self._now(), lat, lng, k, most))

    def _answer(self, found: list[tuple[float, Any]]) -> Any:
        import numpy as np

        distances = np.array([distance for distance, _ in found], np.float64)
        return self._list([id for _, id in found]), distances

    def nearest_many(
        self, lats: ArrayLike, lngs: ArrayLike, k: int = 1, max_m: float = INF
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the same for points, padded with -1 (None for strings) and inf."""
        import numpy as np

        a, b = points.columns(("lats", lats, -90.0, 90.0), ("lngs", lngs, -INF, INF))
        k, most = checks.k_of(k), points.radius("max_m", max_m)
        items = self._now()
        names = self._id_type is str
        ids: NDArray[Any] = np.full(
            (len(a), k), None if names else -1, object if names else np.int64
        )
        distances = np.full((len(a), k), INF)
        for i, (lat, lng) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            for j, (distance, id) in enumerate(nearest_of(items, lat, lng, k, most)):
                ids[i, j], distances[i, j] = id, distance
        return ids, distances

    # ---- what there is ----------------------------------------------------------------------

    def position(self, id: Id) -> Point:
        """Return where a point is."""
        return self[id]

    def __getitem__(self, id: Id) -> Point:
        id = self._id(id)
        with self._lock:
            if id not in self._points:
                raise KeyError(id)
            return self._points[id]

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, id: object) -> bool:
        return self._id(id) in self._points

    def __iter__(self) -> Iterator[Any]:
        return iter([id for _, id, _ in sorted(self._now())])

    def items(self) -> tuple[Any, NDArray[np.float64], NDArray[np.float64]]:
        """Return all ids, in order, and where the points are."""
        import numpy as np

        items = sorted(self._now())
        lats, lngs = np.array([point for _, _, point in items], np.float64).reshape(-1, 2).T.copy()
        return self._list([id for _, id, _ in items]), lats, lngs

    @property
    def nbytes(self) -> int:
        """Bytes that the points take when they are serialised."""
        return len(self._gather())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GeoIndex):
            return NotImplemented
        return self._id_type is other._id_type and self._points == other._points

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"GeoIndex({self._id_type.__name__}, {len(self)} points)"

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(len(self._points), self._id_type is str, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        n: int
        n, strings, rest = PARAMS.unpack(params)
        if n >= 2**31 or strings > 1 or any(rest):
            return False
        self._saved = n
        self._id_type = str if strings else int
        return size >= 32 * n if strings else size == 24 * n

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        if not hasattr(self, "_points"):
            self._points, self._ranks, self._next = {}, {}, 0

    def _gather(self) -> bytes:
        import numpy as np

        names, lats, lngs = self.items()
        texts: list[bytes] = []
        ids = names
        if self._id_type is str:
            texts = [name.encode("utf-8", "surrogatepass") for name in names]
            ids = np.arange(len(names), dtype=np.int64)
        lengths = np.array([len(text) for text in texts], np.int64)
        columns = (ids, lats, lngs, lengths)
        return b"".join([*(column.tobytes() for column in columns), *texts])

    def _admit(self) -> bool:
        n = self._saved
        data = bytes(self._payload)
        ids: Any = struct.unpack_from(f"<{n}q", data)
        lats, lngs = (struct.unpack_from(f"<{n}d", data, 8 * n * i) for i in (1, 2))
        if any(a >= b for a, b in itertools.pairwise(ids)):
            return False
        if not all(-90 <= lat <= 90 for lat in lats) or not all(map(math.isfinite, lngs)):
            return False
        if self._id_type is str:
            names = points.strings_of(data[24 * n :], n)
            if names is None or ids != tuple(range(n)):
                return False
            ids = names
        for id, lat, lng in zip(ids, lats, lngs, strict=True):
            self._put(id, lat, lng)
        return True


def nearest_of(
    items: list[tuple[int, Any, Point]], lat: float, lng: float, k: int, most: float
) -> list[tuple[float, Any]]:
    """Distances and ids of the nearest, by distance, then by rank."""
    found = sorted((metres(lat, lng, *point), rank, id) for rank, id, point in items)
    return [(distance, id) for distance, _, id in found[:k] if distance <= most]
