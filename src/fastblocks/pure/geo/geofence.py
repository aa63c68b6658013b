"""A geofence in plain Python: every edge of every polygon is looked at, in rational numbers.

What is serialised has an index besides, the tree of cells of csrc/geo/geofence.c, which depends
on the polygons alone.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from fastblocks._core import check, fences

from .._flat import Flat

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Self

__all__ = ["Geofence"]

Point = tuple[float, float]  # x, y: longitude in [-180, 180) and latitude
Record = list[tuple[int, bool, list[int]]]  # polygon, whether the corner is inside, entries

PARAMS = struct.Struct("<5Q4d16s")  # polygons, rings, vertices, nodes, words; bounds; zeros
FAN, DEPTH, MANY = 16, 13, 16
NOTHING, ONE, RECORD, NODE = range(4)
PLAIN, EASTWARDS, WESTWARDS, CROSSES = 0, 1, 2, 4
MOST = 2**30


def side(w: Point, e: Point, p: Point, a: float = 0.0, b: float = 0.0) -> int:
    """1 if the line from w to e (turned east by b) is above p (turned by a); -1 if below."""
    rise = (e[1] - w[1]) * (p[0] - w[0])
    fall = (p[1] - w[1]) * (e[0] - w[0])
    if a == b == 0.0 and abs(rise - fall) > (abs(rise) + abs(fall)) * 1e-15:
        return 1 if rise > fall else -1
    (wx, wy), (ex, ey), (x, y) = (map(Fraction, point) for point in (w, e, p))
    exact = (ey - wy) * (x + Fraction(a) - wx) - (y - wy) * (ex + Fraction(b) - wx)
    return (exact > 0) - (exact < 0)


class Line(NamedTuple):
    """An edge, or the part of it on one side of the antimeridian, from west to east."""

    w: Point
    e: Point
    a: float
    b: float
    west: float  # the meridians that it covers
    east: float

    @classmethod
    def of(cls, p: Point, q: Point, part: int = PLAIN) -> Line:
        """A part of the edge between two vertices."""
        w, e = (p, q) if (p[0] > q[0]) == (part != PLAIN) else (q, p)
        if part == EASTWARDS:
            return cls(w, e, 0.0, 360.0, w[0], 180.0)
        if part == WESTWARDS:
            return cls(w, e, 360.0, 360.0, -180.0, e[0])
        return cls(w, e, 0.0, 0.0, w[0], e[0])

    @property
    def rises(self) -> bool:
        """Whether it goes north from west to east."""
        return self.e[1] > self.w[1]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and highest latitude of the edge."""
        return min(self.w[1], self.e[1]), max(self.w[1], self.e[1])

    def side(self, x: float, y: float) -> int:
        """1 if it is above a point, -1 if below, 0 if it goes through it."""
        return side(self.w, self.e, (x, y), self.a, self.b)

    def touches(self, x: float, y: float) -> bool:
        """Whether a point is on it."""
        low, high = self.span
        if not (self.west <= x <= self.east and low <= y <= high):
            return False
        return self.w[0] == self.e[0] or self.side(x, y) == 0


def parts_of(ring: list[Point], k: int) -> tuple[int, ...]:
    """The parts of edge k: two if it crosses the antimeridian.

    That is if it has more than 180 degrees of longitude, or 180 from a vertex that comes twice.
    """
    way = abs(ring[k + 1][0] - ring[k][0])
    across = way > 180.0 or (way == 180.0 and k > 0 and ring[k - 1] == ring[k])
    return (EASTWARDS, WESTWARDS) if across else (PLAIN,)


class Ring(NamedTuple):
    """The lines of a ring, and whether it holds the north pole."""

    lines: list[Line]
    north: bool

    @classmethod
    def of(cls, vertices: list[Point]) -> Ring:
        """A ring whose first vertex is repeated at the end."""
        parts = [parts_of(vertices, k) for k in range(len(vertices) - 1)]
        round = sum(len(each) == 2 for each in parts) % 2 == 1
        middle = min(y for _, y in vertices) + max(y for _, y in vertices)
        lines = [
            Line.of(vertices[k], vertices[k + 1], part)
            for k, each in enumerate(parts)
            for part in each
        ]
        return cls(lines, round and middle > 0.0)


def holds(rings: list[Ring], x: float, y: float) -> bool:
    """Whether an odd number of lines is above a point, or one goes through it."""
    inside = False
    for ring in rings:
        inside ^= ring.north
        for line in ring.lines:
            if line.touches(x, y):
                return True
            inside ^= line.west <= x < line.east and line.side(x, y) > 0
    return inside


# ---- the index: see csrc/geo/geofence.c for the rule ---------------------------------------------


class Cell(NamedTuple):
    """A square of a level, whose borders are exact."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, column: int, row: int, level: int) -> Cell:
        """A cell of 4**level in a row."""
        width, height = 360.0 / 4**level, 180.0 / 4**level
        return cls(column * width - 180.0, row * height - 90.0,
                   (column + 1) * width - 180.0, (row + 1) * height - 90.0)  # fmt: skip

    def entry(self, line: Line) -> int | None:
        """None if a line does not belong to the cell; CROSSES if it crosses the upper border."""
        low, high = line.span
        if line.east < self.west or line.west >= self.east:
            return None
        if high < self.south or low > self.north:
            return None
        if line.w[0] == line.e[0]:
            return CROSSES if high > self.north and line.w[0] > self.west else 0
        crosses = 0
        if high > self.north:
            above = line.side(self.west, self.north) > 0
            if above if line.rises else line.side(self.east, self.north) > 0:
                return None
            crosses = CROSSES if line.rises or above else 0
        corner = self.east if line.rises else self.west
        if low < self.south and line.side(corner, self.south) < 0:
            return None
        return crosses


def is_crossed(line: Line, crosses: int, x: float, y: float) -> bool:
    """Whether the path from a cell's corner to a point crosses a line."""
    if line.west <= x < line.east:
        falls = line.e[1] < line.w[1]
        return (line.side(x, y) > 0) != (bool(crosses) and falls)
    return bool(crosses) and line.east <= x


def words_of(record: Record) -> list[int]:
    """A record as it is serialised."""
    words = [len(record)]
    for polygon, inside, entries in record:
        words += [polygon << 1 | inside, len(entries), *entries]
    return words


def size_of(record: Record) -> int:
    """The words of a record; 0 if a reference is enough."""
    if not record or (len(record) == 1 and not record[0][2]):
        return 0
    return 1 + sum(2 + len(entries) for _, _, entries in record)


def cut(record: Record, cells: list[Cell], vertices: list[Point]) -> list[Record]:
    """The records of the cells that a cell is cut into."""
    result: list[Record] = [[] for _ in cells]
    for polygon, corner, entries in record:
        lines = [(e, Line.of(vertices[e >> 3], vertices[(e >> 3) + 1], e & 3)) for e in entries]
        for cell, smaller in zip(cells, result, strict=True):
            inside, kept = corner, []
            for entry, line in lines:
                inside ^= is_crossed(line, entry & CROSSES, cell.west, cell.north)
                crosses = cell.entry(line)
                if crosses is not None:
                    kept.append(entry & ~CROSSES | crosses)
            if inside or kept:
                smaller.append((polygon, inside, kept))
    return result


def root_of(polygons: list[list[tuple[int, int]]], vertices: list[Point]) -> Record:
    """The record of the world: of every ring, where its vertices begin and end."""
    record: Record = []
    for i, rings in enumerate(polygons):
        inside, entries = False, []
        for start, end in rings:
            ring = vertices[start:end]
            inside ^= Ring.of(ring).north
            for k in range(len(ring) - 1):
                entries += [start + k << 3 | part for part in parts_of(ring, k)]
        if entries:
            record.append((i, inside, entries))
    return record


def index_of(
    polygons: list[list[tuple[int, int]]], vertices: list[Point]
) -> tuple[list[int], list[int]]:
    """The nodes and the words."""
    nodes: list[int] = []
    words: list[int] = []
    level = [(-1, 0, 0, root_of(polygons, vertices))]  # slot, column, row, record
    total = len(words_of(level[0][3]))
    most = min(8 * len(vertices) + 16 * len(polygons) + 1024, MOST)
    full = False
    for depth in range(DEPTH + 1):
        smaller = []
        for slot, column, row, record in level:
            places = [(4 * column + k % 4, 4 * row + k // 4) for k in range(FAN)]
            cutting = depth == 0
            many = sum(len(entries) for _, _, entries in record) > MANY
            if cutting or (depth < DEPTH and many and not full):
                records = cut(record, [Cell.of(*place, depth + 1) for place in places], vertices)
                after = total - size_of(record) + sum(map(size_of, records))
                full = after > most
                cutting |= not full
            if not cutting:
                nodes[slot] = len(words) << 2 | RECORD
                words += words_of(record)
                continue
            total = after
            at = len(nodes)
            if depth:
                nodes[slot] = at // FAN << 2 | NODE
            for place, part in zip(places, records, strict=True):
                if size_of(part):
                    smaller.append((len(nodes), *place, part))
                nodes.append(part[0][0] << 2 | ONE if part and not size_of(part) else NOTHING)
        level = smaller
    return nodes, words


# ---- the fence -----------------------------------------------------------------------------------


class Geofence(Flat):
    """Polygons on a map; see `fastblocks.Geofence`."""

    __slots__ = ("_box", "_counts", "_ids", "_rings")

    _KIND, _VERSION = b"GFNC", 1
    _PARAMETERS = ()
    _FILE_USE = "no writer"

    _counts: tuple[int, ...]  # polygons, rings, vertices, nodes, words
    _box: tuple[float, float, float, float]
    _ids: list[int]  # ascending
    _rings: list[list[Ring]]  # of every polygon

    def __init__(self, polygons: Any = (), ids: ArrayLike | None = None) -> None:
        self._begin_init()
        rings, self._box = fences.rings_of(polygons)
        rings, numbers = fences.sorted_by_id(rings, fences.id_array(ids, len(rings.polygon_ends)))
        vertices = list(map(tuple, rings.vertices.tolist()))
        spans = ring_spans(rings.polygon_ends.tolist(), rings.ring_ends.tolist())
        nodes, words = index_of(spans, vertices)
        n, r, v = len(numbers), len(rings.ring_ends), len(vertices)
        self._counts = n, r, v, len(nodes) // FAN, len(words)
        parts = [rings.vertices.tobytes(), numbers.tobytes(), rings.polygon_ends.tobytes()]
        parts += [rings.ring_ends.tobytes(), struct.pack(f"<{len(nodes)}I", *nodes)]
        parts += [struct.pack(f"<{len(words)}I", *words)]
        parts += [bytes(-sum(map(len, parts)) % 8)]
        self._take(memoryview(bytearray(b"".join(parts))))
        self._admit()

    @classmethod
    def from_geojson(cls, path: Any, ids: ArrayLike | None = None) -> Self:
        """Make a fence of the polygons in a GeoJSON file."""
        return cls(fences.read_geojson(path), ids)

    # ---- searches ---------------------------------------------------------------------------

    def _found(self, lat: float, lng: float) -> Iterator[int]:
        """The ids of the polygons that hold a point, ascending."""
        point = fences.point_of(lat, lng)
        return (
            id for id, rings in zip(self._ids, self._rings, strict=True) if holds(rings, *point)
        )

    def query(self, lat: float, lng: float) -> NDArray[np.int64]:
        """Return the ids of the polygons that hold a point."""
        import numpy as np

        return np.array(list(self._found(*fences.scalar_point(lat, lng))), np.int64)

    def query_many(self, lats: Any, lngs: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (index of a point, id of a polygon that holds it) for every pair of them."""
        import numpy as np

        batch = fences.point_batch(lats, lngs)
        check.one_dimension("lats", batch.shape)
        pairs = [(i, id) for i, row in enumerate(batch.rows()) for id in self._found(*row)]
        points, ids = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
        return points, ids

    def first(self, lat: float, lng: float) -> int:
        """Return the lowest id of a polygon that holds a point, or -1."""
        return next(self._found(*fences.scalar_point(lat, lng)), -1)

    def first_many(self, lats: Any, lngs: Any, *, out: Any = None) -> Any:
        """Return the same for points."""
        batch = fences.point_batch(lats, lngs)
        return batch.apply(lambda lat, lng: next(self._found(lat, lng), -1), "int64", out)

    def contains(self, lat: float, lng: float) -> bool:
        """Return whether any polygon holds a point."""
        return self.first(lat, lng) >= 0

    def contains_many(self, lats: Any, lngs: Any, *, out: Any = None) -> Any:
        """Return the same for points."""
        batch = fences.point_batch(lats, lngs)
        return batch.apply(lambda lat, lng: any(True for _ in self._found(lat, lng)), "bool", out)

    # ---- what there is ----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._counts[0]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of the polygons, ascending."""
        import numpy as np

        return np.array(self._ids, np.int64)

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east and north of all polygons; None if there are no rings."""
        return self._box if self._counts[1] else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geofence):
            return NotImplemented
        return self._payload == other._payload and self.bounds == other.bounds

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} polygons)"

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(*self._counts, *self._box, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        *counts, west, south, east, north, rest = PARAMS.unpack(params)
        self._counts, self._box = tuple(counts), (west, south, east, north)
        n, rings, vertices, nodes, words = counts
        wanted = 16 * vertices + 8 * n + (n + rings + FAN * nodes + words + 1) // 2 * 8
        return max(counts) <= MOST and size == wanted and not any(rest)

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._ids, self._rings = [], []

    def _admit(self) -> bool:
        n, r, v, _, _ = self._counts
        layout = struct.Struct(f"<{2 * v}d{n}q{n}I{r}I")
        numbers = layout.unpack_from(self._payload)
        vertices = list(zip(numbers[: 2 * v : 2], numbers[1 : 2 * v : 2], strict=True))
        ids, ends = numbers[2 * v : 2 * v + n], numbers[2 * v + n : 2 * v + 2 * n]
        ring_ends = numbers[2 * v + 2 * n :]
        if any(id < 0 for id in ids) or any(a >= b for a, b in pairwise(ids)):
            return False
        if not ascend(ends, 0, r) or not ascend(ring_ends, 2, v):
            return False
        spans = ring_spans(ends, ring_ends)
        self._ids = list(ids)
        self._rings = [[Ring.of(vertices[a:b]) for a, b in rings] for rings in spans]
        return True


def ascend(ends: tuple[int, ...], step: int, last: int) -> bool:
    """Whether ends ascend from 0 on, each by `step` at least, to the last one."""
    steps = (b - a for a, b in zip((0, *ends), ends, strict=False))
    return all(s >= step for s in steps) and (ends[-1] if ends else 0) == last


def ring_spans(polygon_ends: Any, ring_ends: Any) -> list[list[tuple[int, int]]]:
    """Of every polygon the rings, as where their vertices begin and end."""
    spans = list(zip((0, *ring_ends), ring_ends, strict=False))
    starts = (0, *polygon_ends)
    return [spans[a:b] for a, b in zip(starts, polygon_ends, strict=False)]
