"""Cells of polygons in plain Python.

Rings lie on a plane on which latitude and longitude are Cartesian; longitudes go on past 180
degrees where a ring crosses the antimeridian. Cells are searched from the base cells down, where
their boxes meet that of the polygon; those of the resolution are compared with all edges.
"""

from __future__ import annotations

import math
from typing import Any

from fastblocks._core import check, polygons
from fastblocks.pure.geo._h3_geometry import (
    DEGREES,
    MAX_RES,
    UNIT,
    boundary,
    decode,
    in_degrees,
)
from fastblocks.pure.geo._h3_index import children, resolution_of

Corner = tuple[float, float]
Outline = list[Corner]
Box = tuple[float, float, float, float]

REACH = 0.62 * UNIT * DEGREES  # how far descendants and their corners are from a centre, at most
PAD = 1e-9
TURNS = (-720.0, -360.0, 0.0, 360.0, 720.0)  # a ring may meet a box that is moved by these


def outline_of(lats: list[float], lngs: list[float]) -> Outline:
    """A ring without equal corners in turn, with continuous longitudes, completed by a pole."""
    ring: Outline = []
    turns = 0
    for n, (lat, lng) in enumerate(zip(lats, lngs, strict=True)):
        turns -= jump(lngs[n - 1], lng) if n else 0
        if not ring or ring[-1] != (lat, lng + 360 * turns):
            ring.append((lat, lng + 360 * turns))
    turns -= jump(lngs[-1], lngs[0])
    if turns:
        pole = -90.0 if sum(lats) < 0 else 90.0
        end = ring[0][1] + 360 * turns
        return [*ring, (ring[0][0], end), (pole, end), (pole, ring[0][1])]
    while len(ring) > 1 and ring[-1] == ring[0]:
        ring.pop()
    return ring


def jump(before: float, after: float) -> int:
    """1 or -1 if it is shorter to go on across the antimeridian."""
    return (after - before > 180) - (after - before < -180)


def bounds_of(ring: Outline) -> Box:
    """South, north, west and east ends."""
    lats, lngs = [lat for lat, _ in ring], [lng for _, lng in ring]
    return min(lats), max(lats), min(lngs), max(lngs)


def boxes_meet(a: Box, b: Box, turn: float) -> bool:
    """Whether a box, moved by a turn, meets another."""
    return a[0] <= b[1] and b[0] <= a[1] and a[2] + turn <= b[3] and b[2] <= a[3] + turn


def edges_of(ring: Outline) -> list[tuple[Corner, Corner]]:
    """The edges of a ring."""
    return list(zip(ring, [*ring[1:], ring[0]], strict=True))


def in_ring(ring: Outline, lat: float, lng: float) -> bool:
    """Whether an odd number of edges is east of a point."""
    odd = False
    for a, b in edges_of(ring):
        if (a[0] <= lat) != (b[0] <= lat):
            low, high = (a, b) if a[0] < b[0] else (b, a)
            at = low[1] + (high[1] - low[1]) * ((lat - low[0]) / (high[0] - low[0]))
            odd ^= at > lng
    return odd


def point_inside(ring: Outline, lat: float, lng: float) -> bool:
    """Whether a point is inside of a ring, wherever in longitude the ring has been laid out."""
    here, bounds = (lat, lat, lng, lng), bounds_of(ring)
    return any(in_ring(ring, lat, lng + turn) for turn in TURNS if boxes_meet(here, bounds, turn))


def turn_at(a: Corner, b: Corner, c: Corner) -> float:
    """Positive if a, b and c turn counter-clockwise."""
    return (b[1] - a[1]) * (c[0] - a[0]) - (b[0] - a[0]) * (c[1] - a[1])


def edges_cross(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether the edge from a to b crosses that from c to d."""
    return (turn_at(a, b, c) > 0) != (turn_at(a, b, d) > 0) and (
        (turn_at(c, d, a) > 0) != (turn_at(c, d, b) > 0)
    )


def border_meets(ring: Outline, cell: Outline) -> bool:
    """Whether an edge of a ring crosses the ring of a cell, or begins inside of it."""
    box, bounds = bounds_of(cell), bounds_of(ring)
    for turn in (turn for turn in TURNS if boxes_meet(box, bounds, turn)):
        for p, q in edges_of(ring):
            a, b = (p[0], p[1] - turn), (q[0], q[1] - turn)
            if in_ring(cell, *a) or any(edges_cross(c, d, a, b) for c, d in edges_of(cell)):
                return True
    return False


def belongs(rings: list[Outline], cell: int, containment: str) -> bool:
    """Whether a cell of the resolution belongs to a polygon."""
    shape = [decode(cell)]
    if containment != "center":
        corners = [in_degrees(corner) for corner in boundary(cell)]
        shape = outline_of([lat for lat, _ in corners], [lng for _, lng in corners])
    if containment == "bbox_overlap":
        south, north, west, east = bounds_of(shape)
        shape = [(south, west), (south, east), (north, east), (north, west)]
    meets = False
    for n, ring in enumerate(rings):
        if containment != "center" and border_meets(ring, shape):
            meets = True
        elif point_inside(ring, *shape[0]) != (n == 0):
            return False
    return not meets or containment != "full"


def box_around(cell: int) -> Box:
    """A box that all descendants of a cell are in, with their corners."""
    lat, lng = decode(cell)
    reach = REACH / math.sqrt(7 ** resolution_of(cell))
    south, north, wide = lat - reach - PAD, lat + reach + PAD, 180.0
    if north < 90 and south > -90:
        ratio = math.sin(reach / DEGREES) / math.cos(lat / DEGREES)
        if ratio < 1:
            wide = math.asin(ratio) * DEGREES * (1 + 1e-9) + PAD
    return south, north, lng - wide, lng + wide


def fill(rings: list[Outline], res: int, containment: str) -> list[int]:
    """The cells of one polygon, ascending."""
    bounds = bounds_of(rings[0])
    cells = [1 << 59 | base << 45 | (1 << 45) - 1 for base in range(122)]
    for finer in range(res + 1):
        near = []
        for cell in cells:
            box = box_around(cell)
            if any(boxes_meet(box, bounds, turn) for turn in TURNS):
                near.append(cell)
        cells = near if finer == res else [c for cell in near for c in children(cell, finer + 1)]
    return [cell for cell in cells if belongs(rings, cell, containment)]


def polygon_to_cells(outer: Any, res: int, holes: Any = (), containment: str = "center") -> Any:
    """Return the cells of a polygon. See `fastblocks.geo.h3.polygon_to_cells`."""
    import numpy as np

    depth = check.integer("res", res, 0, MAX_RES)
    mode = check.choice("containment", containment, polygons.MODES)
    cells: set[int] = set()
    for rings in polygons.polygons_of(outer, holes):
        first, *others = (outline_of(lats.tolist(), lngs.tolist()) for lats, lngs in rings)
        if len(first) >= 3:
            cells.update(fill([first, *(ring for ring in others if len(ring) >= 3)], depth, mode))
    return np.array(sorted(cells), np.uint64)
