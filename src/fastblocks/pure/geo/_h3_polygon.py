"""The cells of a polygon: every cell near it is tested.

All is plane geometry of latitudes and longitudes in radians.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from fastblocks._core import check, errors
from fastblocks._core.polygons import check_size, edge_name, polygons_of
from fastblocks.pure.geo import _h3_geometry as geometry
from fastblocks.pure.geo._crossing import crossing

Point = tuple[float, float]

EPSILON = 2.220446049250313e-16
MODES = ("center", "full", "overlap", "bbox_overlap")
# The longest edge, by resolution, of the cells in the middle of base cells.
EDGES = (
    0.21577206265130, 0.08308767068495, 0.03148970436439, 0.01190662871439,
    0.00450053330908, 0.00170105523619, 0.00064293917678, 0.00024300820659,
    0.00009184847087, 0.00003471545901, 0.00001312121017, 0.00000495935129,
    0.00000187445860, 0.00000070847876, 0.00000026777980, 0.00000010121125,
)  # fmt: skip


class Box(NamedTuple):
    """A range of latitudes and longitudes; across the antimeridian if east < west."""

    south: float
    west: float
    north: float
    east: float

    def contains(self, p: Point) -> bool:
        """Whether a point is in the box."""
        if not self.south <= p[0] <= self.north:
            return False
        if self.east < self.west:
            return p[1] >= self.west or p[1] <= self.east
        return self.west <= p[1] <= self.east

    def corners(self) -> list[Point]:
        """The corners, counter-clockwise from the north-east."""
        s, w, n, e = self
        return [(n, e), (n, w), (s, w), (s, e)]

    def scaled(self, scale: float) -> Box:
        """A box around the same middle, cut off at the poles."""
        s, w, n, e = self
        width = e - w + (2 * math.pi if e < w else 0.0)
        more_lng, more_lat = (width * scale - width) / 2, ((n - s) * scale - (n - s)) / 2
        return Box(max(s - more_lat, -math.pi / 2), wrapped(w - more_lng),
                   min(n + more_lat, math.pi / 2), wrapped(e + more_lng))  # fmt: skip


class Ring(NamedTuple):
    """A closed line of points, with the box around it."""

    points: list[Point]
    box: Box

    @classmethod
    def of(cls, points: list[Point]) -> Ring:
        """A ring with an edge of more than 180 degrees of longitude crosses the antimeridian."""
        lats, lngs = zip(*points, strict=True)
        west, east = min(lngs), max(lngs)
        if any(abs(p[1] - q[1]) > math.pi for p, q in edges(points)):
            west = min((lng for lng in lngs if lng > 0), default=math.inf)
            east = max((lng for lng in lngs if lng < 0), default=-math.inf)
        return cls(points, Box(min(lats), west, max(lats), east))

    def contains(self, p: Point) -> bool:
        """Whether a ray eastwards crosses the ring an odd number of times.

        A point at the latitude of a vertex moves north, one at its longitude west, by EPSILON.
        """
        if not self.box.contains(p):
            return False
        turn = 1 if self.box.east < self.box.west else 0
        lat, lng = p[0], moved(p[1], turn)
        inside = False
        for a, b in edges(self.points):
            low, high = (b, a) if a[0] > b[0] else (a, b)
            if lat in (low[0], high[0]):
                lat += EPSILON
            if not low[0] <= lat <= high[0]:
                continue
            start, end = moved(low[1], turn), moved(high[1], turn)
            if lng in (start, end):
                lng -= EPSILON
            part = (lat - low[0]) / (high[0] - low[0])
            inside ^= moved(start + (end - start) * part, turn) > lng
        return inside


def edges(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Each point with the next."""
    return pairwise([*points, points[0]])


def wrapped(lng: float) -> float:
    """A longitude of up to a turn too much, in [-pi, pi]."""
    if lng > math.pi:
        return lng - 2 * math.pi
    return lng + 2 * math.pi if lng < -math.pi else lng


def moved(lng: float, turn: int) -> float:
    """A longitude with those of the western half moved east (1), or the eastern half west (-1)."""
    if turn > 0:
        return lng + 2 * math.pi if lng < 0 else lng
    return lng - 2 * math.pi if turn < 0 and lng > 0 else lng


def turns(a: Box, b: Box) -> tuple[int, int]:
    """How to move the longitudes of two boxes, so that both are without a gap."""
    a_crosses, b_crosses = a.east < a.west, b.east < b.west
    east = a.west - b.east < b.west - a.east
    a_turn = 0 if not a_crosses else 1 if b_crosses or east else -1
    b_turn = 0 if not b_crosses else 1 if a_crosses or not east else -1
    return a_turn, b_turn


def overlaps(a: Box, b: Box) -> bool:
    """Whether two boxes have a point in common."""
    s, t = turns(a, b)
    return (
        a.south <= b.north and b.south <= a.north
        and moved(a.west, s) <= moved(b.east, t) and moved(b.west, t) <= moved(a.east, s)
    )  # fmt: skip


def within(a: Box, b: Box) -> bool:
    """Whether box `a` is within box `b`."""
    s, t = turns(a, b)
    return (
        b.south <= a.south and a.north <= b.north
        and moved(b.west, t) <= moved(a.west, s) and moved(a.east, s) <= moved(b.east, t)
    )  # fmt: skip


def crosses(ring: Ring, boundary: list[Point], box: Box) -> bool:
    """Whether a boundary, which is in a box, has a point in common with a ring."""
    if not overlaps(ring.box, box):
        return False
    s, t = turns(ring.box, box)
    line = [(lat, moved(lng, t)) for lat, lng in boundary]
    west, east = moved(box.west, t), moved(box.east, t)
    for a, b in edges([(lat, moved(lng, s)) for lat, lng in ring.points]):
        if (
            max(a[0], b[0]) > box.south and min(a[0], b[0]) < box.north
            and max(a[1], b[1]) > west and min(a[1], b[1]) < east
            and any(meet(a, b, c, d) for c, d in edges(line))
        ):  # fmt: skip
            return True
    return False


def meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two lines, which are not parallel, have a point in common."""
    down, right = d[0] - c[0], d[1] - c[1]
    det = right * (b[0] - a[0]) - down * (b[1] - a[1])
    if det == 0:
        return False
    s = (down * (a[1] - c[1]) - right * (a[0] - c[0])) / det
    if not 0 <= s <= 1:
        return False
    return 0 <= ((b[0] - a[0]) * (a[1] - c[1]) - (b[1] - a[1]) * (a[0] - c[0])) / det <= 1


# ---- cells ---------------------------------------------------------------------------------------


def center_of(cell: int) -> Point:
    """The centre of a cell in radians."""
    face, p = geometry.place_of(cell)
    return geometry.latlng_of(geometry.unproject(face, *geometry.flat(p), cell >> 52 & 15))


def children(cell: int) -> list[int]:
    """The cells of the next resolution, ascending."""
    res = (cell >> 52 & 15) + 1
    shift = 3 * (15 - res)
    first = cell + (1 << 52) - (7 << shift)
    pentagon = cell >> 45 & 127 in geometry.PENTAGONS and not any(geometry.digits_of(cell))
    return [first + (digit << shift) for digit in range(7) if not (pentagon and digit == 1)]


def box_of(cell: int, scale: float) -> Box:
    """The box around a cell, larger by a factor; around a pole it is a disk."""
    res = cell >> 52 & 15
    if res == 0:
        box = Ring.of(geometry.boundary(cell)).box
    else:
        lat, lng = center_of(cell)
        high = EDGES[res]
        wide = high * (1 / math.cos(lat))
        box = Box(lat - high, lng - wide, lat + high, lng + wide)
    s, w, n, e = box.scaled(scale)
    n = math.pi / 2 if cell == geometry.encode(90.0, 0.0, res) else n
    s = -math.pi / 2 if cell == geometry.encode(-90.0, 0.0, res) else s
    if n == math.pi / 2 or s == -math.pi / 2:
        w, e = -math.pi, math.pi
    return Box(s, w, n, e)


def candidates(cell: int, box: Box, res: int) -> Iterator[int]:
    """The descendants of a cell that may be in a box, ascending."""
    if cell >> 52 & 15 == res:
        yield cell
    elif overlaps(box_of(cell, 1.4), box):
        for child in children(cell):
            yield from candidates(child, box, res)


def in_polygon(rings: list[Ring], p: Point) -> bool:
    """Whether a point is in the outer ring, and in none of the holes."""
    return rings[0].contains(p) and not any(hole.contains(p) for hole in rings[1:])


def is_inside(rings: list[Ring], cell: int) -> bool:
    """Whether all of a cell is in a polygon."""
    ring, box = geometry.boundary(cell), box_of(cell, 1.1)
    if not in_polygon(rings, ring[0]) or crosses(rings[0], ring, box):
        return False
    return not any(
        Ring(ring, box).contains(hole.points[0]) or crosses(hole, ring, box) for hole in rings[1:]
    )


def overlaps_cell(rings: list[Ring], cell: int, first: int) -> bool:
    """Whether a part of a cell is in a polygon, whose first point is in the cell `first`."""
    if cell == first or in_polygon(rings, center_of(cell)):
        return True
    ring, box = geometry.boundary(cell), box_of(cell, 1.1)
    return any(crosses(r, ring, box) for r in rings)


def overlaps_box(rings: list[Ring], cell: int, first: int) -> bool:
    """Whether a part of the box around a cell and its descendants is in a polygon."""
    if overlaps_cell(rings, cell, first) or is_inside(rings, cell):
        return True
    box = box_of(cell, 1.4)
    if not overlaps(rings[0].box, box):
        return False
    corners = box.corners()
    return (
        within(rings[0].box, box)
        or in_polygon(rings, corners[0])
        or any(crosses(r, corners, box) for r in rings)
    )


def fill(polygon: list[Any], res: int, mode: str) -> list[int]:
    """The cells of one polygon, ascending."""
    rings = [
        Ring.of([(lat * geometry.RADIANS, lng * geometry.RADIANS) for lat, lng in ring.tolist()])
        for ring in polygon
    ]
    lat, lng = polygon[0][0].tolist()
    first = geometry.encode(lat, lng, res)
    bases = (8 << 56 | base << 45 | (1 << 45) - 1 for base in range(122))
    near = (cell for base in bases for cell in candidates(base, rings[0].box, res))
    if mode == "center":
        return [cell for cell in near if in_polygon(rings, center_of(cell))]
    if mode == "full":
        return [cell for cell in near if is_inside(rings, cell)]
    test = overlaps_cell if mode == "overlap" else overlaps_box
    return [cell for cell in near if test(rings, cell, first)]


def polygon_to_cells(outer: Any, res: int, holes: Any = (), containment: str = "center") -> Any:
    """Return the cells of a polygon. See `fastblocks.geo.h3.polygon_to_cells`."""
    depth = check.integer("res", res, 0, geometry.MAX_RES)
    mode = check.choice("containment", containment, MODES)
    polygons = polygons_of(outer, holes)
    for polygon in polygons:
        check_size(polygon, depth)
    points = [[ring.points for ring in polygon] for polygon in polygons]
    edges = crossing([ring for polygon in points for ring in polygon])
    if edges:
        raise errors.crossing(*(edge_name(polygons, edge) for edge in edges))
    import numpy as np

    cells = [np.array(fill(polygon, depth, mode), np.uint64) for polygon in points]
    if len(cells) == 1:
        return cells[0]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *cells]))
