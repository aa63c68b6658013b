"""Coverings: the few cells that together hold a region.

A region looks at a cell and says whether it is apart from it, meets it, or contains it. Cells and
regions are closed, and PAD is added to all of them: who is nearer than that touches, so that
rounding never opens a gap. The covering itself is made as S2's coverer makes it: of the cells so
far the largest is divided, as long as there are no more than `max_cells`.
"""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

from fastblocks._core import coverings, errors

from ._s2_cells import (
    MAX_LEVEL,
    ancestor,
    bounds,
    descendants,
    from_face,
    holds,
    latlng_to_point,
    leaf_of_point,
    level_of,
    low_bit,
    normal_form,
    to_face,
    triangle,
    unit,
    vertex_neighbors_of,
    vertices,
)

Point = tuple[float, float, float]
Corners = list[tuple[Point, Point | None]]

PAD = 1e-14  # radians: 64 nanometres on Earth; a leaf cell is a million times as wide
APART, MEETS, CONTAINED = range(3)
FACES = [face << 61 | 1 << 60 for face in range(6)]


def dot(a: Point, b: Point) -> float:
    """Return a . b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Point, b: Point) -> Point:
    """Return a x b."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def minus(a: Point, b: Point) -> Point:
    """Return a - b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def length(a: Point) -> float:
    """Return the length of a vector."""
    return math.sqrt(dot(a, a))


def between(a: Point, b: Point, t: float) -> Point:
    """Return the point of the straight line from a to b at t."""
    return (
        a[0] + t * (b[0] - a[0]),
        a[1] + t * (b[1] - a[1]),
        a[2] + t * (b[2] - a[2]),
    )


def sides(cell: int) -> list[Point]:
    """Return the planes of the lower, right, upper and left side; what is inside is above all."""
    face, left, right, lower, upper = bounds(cell)
    planes = ((0.0, 1.0, -lower), (-1.0, 0.0, right), (0.0, -1.0, upper), (1.0, 0.0, -left))
    return [from_face(face, *plane) for plane in planes]


# ---- caps ----------------------------------------------------------------------------------------


class Cap:
    """The points within `angle` of `center`; beyond a half sphere, all but the opposite cap."""

    def __init__(self, center: Point, angle: float) -> None:
        self.large = angle > math.pi / 2
        self.center = (-center[0], -center[1], -center[2]) if self.large else center
        self.angle = angle
        self.chord = 2 * math.sin(0.5 * (math.pi - angle if self.large else angle))

    def bound(self) -> tuple[Point, float]:
        return self.center, self.angle

    def look(self, cell: int, _: Any) -> tuple[int, Any]:
        near = self.distance(cell)
        far = max(length(minus(vertex, self.center)) for vertex in vertices(cell))
        if self.large:
            if far < self.chord - PAD:
                return APART, None
            return CONTAINED if near >= self.chord - PAD else MEETS, None
        if near > self.chord + PAD:
            return APART, None
        return CONTAINED if far <= self.chord + PAD else MEETS, None

    def distance(self, cell: int) -> float:
        """Return the length of the straight line from the center to the nearest point of a cell."""
        face, left, right, lower, upper = bounds(cell)
        u, v, w = to_face(face, *self.center)
        if left * w <= u <= right * w and lower * w <= v <= upper * w:
            return 0.0
        near = min(length(minus(vertex, self.center)) for vertex in vertices(cell))
        for side in (left, right):
            near = min(near, side_distance(u, v, w, side, lower, upper))
        for side in (lower, upper):
            near = min(near, side_distance(v, u, w, side, left, right))
        return near


def side_distance(u: float, v: float, w: float, side: float, low: float, high: float) -> float:
    """Return the distance of a point to the side at u = `side` if it is nearest within the side."""
    along = (w + side * u) / (1 + side * side)
    if along <= 0 or not low * along <= v <= high * along:
        return 2.0
    sine = abs(u - side * w) / math.sqrt(1 + side * side)
    return sine * math.sqrt(2 / (1 + math.sqrt(max(0.0, 1 - sine * sine))))


# ---- rectangles ----------------------------------------------------------------------------------


class Rect:
    """The points between two parallels, and `width` to the east of a meridian, in radians."""

    def __init__(self, south: float, west: float, north: float, width: float) -> None:
        self.box = south, west, north, width
        self.south, self.north = south - PAD, north + PAD
        self.inside: list[list[Point]] | None = None
        self.outside: list[list[Point]] = []
        if width < math.inf:
            self.inside = lunes(west, west + width)
            self.outside = lunes(west + width, west + 2 * math.pi)

    def bound(self) -> tuple[Point, float]:
        return box_bound(*self.box)

    def look(self, cell: int, _: Any) -> tuple[int, Any]:
        south, west, north, width = self.box
        low, left, high, span = box_of(cell)
        if low > north + PAD or high < south - PAD:
            return APART, None
        inside = max(low - PAD, -math.pi/2) >= south and min(high + PAD, math.pi/2) <= north
        if width < math.inf:
            after = (left - west) % (2 * math.pi)  # of the cell's western side
            if span == math.inf:
                inside = False
            elif after > width + PAD and after + span < 2 * math.pi - PAD:
                return APART, None
            elif after < PAD or after + span > width - PAD:
                inside = False
        return CONTAINED if inside else MEETS, None

    def look0(self, cell: int, _: Any) -> tuple[int, Any]:
        normals = sides(cell)
        corners = vertices(cell)
        quad: Corners = list(zip(corners, normals, strict=True))
        if self.inside is None:
            parts = [quad]
        else:
            parts = [clipped(quad, lune, PAD) for lune in self.inside]
        poles = [all(pole * n[2] >= -PAD for n in normals) for pole in (1, -1)]
        ranges = [latitudes(part, poles) for part in parts if part]
        if not any(low <= self.north and high >= self.south for low, high in ranges):
            return APART, None
        low, high = latitudes(quad, poles)
        if low < self.south or high > self.north:
            return MEETS, None
        if any(clipped(quad, lune, -PAD) for lune in self.outside):
            return MEETS, None
        return CONTAINED, None


def spherical(lat, lng):
    return math.cos(lng)*math.cos(lat), math.sin(lng)*math.cos(lat), math.sin(lat)

def box_bound(south, west, north, width):
    pole, pole_angle = (1.0, math.pi/2 - south) if south + north >= 0 else (-1.0, math.pi/2+north)
    if width <= math.pi:
        lat, lng = (south+north)/2, west + width/2
        c = spherical(lat, lng)
        far = max(length(minus(c, spherical(a, b))) for a in (south,north) for b in (west,west+width))
        angle = 2*math.asin(min(1.0, far/2))
        if angle < pole_angle: return c, angle
    return (0.0,0.0,pole), pole_angle


def box_of(cell):
    corners = vertices(cell)
    if level_of(cell) == 0:
        face = cell >> 61
        if face == 2: return math.asin(math.sqrt(1/3)), 0.0, math.pi/2, math.inf
        if face == 5: return -math.pi/2, 0.0, -math.asin(math.sqrt(1/3)),  math.inf
        lng = {0: 0, 1: 1, 3: 2, 4: 3}[face]*math.pi/2 - math.pi/4
        return -math.pi/4, lng, math.pi/4, math.pi/2
    lats = [math.atan2(z, math.sqrt(x*x+y*y)) for x,y,z in corners]
    if max(map(abs, lats)) >= math.pi/2 - PAD:
        return min(lats), 0.0, max(lats), math.inf
    lngs = [math.atan2(y, x) for x, y, _ in corners]
    rel = [math.remainder(l - lngs[0], 2*math.pi) for l in lngs]
    return min(lats), lngs[0] + min(rel), max(lats), max(rel) - min(rel)


def lunes(west: float, east: float) -> list[list[Point]]:
    """Return what lies between two meridians as one or two intersections of half spaces."""
    if east - west > math.pi:
        middle = 0.5 * (west + east)
        return lunes(west, middle) + lunes(middle, east)
    middle = 0.5 * (west + east)
    return [
        [
            (-math.sin(west), math.cos(west), 0.0),
            (math.sin(east), -math.cos(east), 0.0),
            (math.cos(middle), math.sin(middle), 0.0),
        ]
    ]


def clipped(polygon: Corners, planes: list[Point], pad: float) -> Corners:
    """Return the part of a convex polygon that is above all planes, or at most `pad` below.

    A polygon is its vertices, each with the normal of the side that leaves it; None if that is a
    part of a meridian.
    """
    for plane in planes:
        heights = [dot(plane, point) + pad for point, _ in polygon]
        part = []
        for k, (point, side) in enumerate(polygon):
            after = (k + 1) % len(polygon)
            if heights[k] >= 0:
                part.append((point, side))
            if (heights[k] >= 0) != (heights[after] >= 0):
                t = heights[k] / (heights[k] - heights[after])
                cut = between(point, polygon[after][0], t)
                part.append((cut, None if heights[k] >= 0 else side))
        polygon = part
    return polygon


def latitudes(polygon: Corners, poles: list[bool]) -> tuple[float, float]:
    """Return the range of the latitudes of a polygon, in radians."""
    each = [math.atan2(p[2], math.sqrt(p[0] * p[0] + p[1] * p[1])) for p, _ in polygon]
    low, high = min(each), max(each)
    for k, (point, side) in enumerate(polygon):
        if side is None:
            continue
        end = polygon[(k + 1) % len(polygon)][0]
        rise = side[0] * point[1] - side[1] * point[0]
        fall = side[0] * end[1] - side[1] * end[0]
        top = math.atan2(math.sqrt(side[0] * side[0] + side[1] * side[1]), abs(side[2]))
        if rise > 0 > fall:
            high = max(high, top)
        if rise < 0 < fall:
            low = min(low, -top)
    if poles[0]:
        high = math.pi / 2
    if poles[1]:
        low = -math.pi / 2
    return low, high


# ---- polygons ------------------------------------------------------------------------------------

# Points that no edge passes by chance, in three directions at right angles and the opposite ones.
ANCHORS = [unit(*p) for p in ((1, 2, 3), (5, -1, -1), (1, 16, -11))]
ANCHORS += [(-x, -y, -z) for x, y, z in ANCHORS]


class Polygon:
    """What is inside an outer ring and in none of its holes; of several polygons, in any of them.

    A ring is closed by itself, its edges are arcs of great circles, and its inside is the smaller
    of the two parts of the sphere. Whether a point is inside is told by the edges that the
    arc from an anchor, a point far from all edges, to it crosses.
    """

    def __init__(self, rings: list[list[Point]], outer: list[bool]) -> None:
        self.rings, self.outer = rings, outer
        self.edges = [
            (ring[k], ring[(k + 1) % len(ring)]) for ring in rings for k in range(len(ring))
        ]
        clear = [min(arc_distance(p, a, b) for a, b in self.edges) for p in ANCHORS]
        first = max(range(6), key=clear.__getitem__)
        second = max((k for k in range(6) if k % 3 != first % 3), key=clear.__getitem__)
        self.anchors = [ANCHORS[first], ANCHORS[second]]
        opposite = ANCHORS[(first + 3) % 6]
        at_first = [abs(fan(opposite, ring)) > 2 * math.pi for ring in rings]
        self.within = [at_first]
        self.within.append(self.rings_around(self.anchors[1]))

    def bound(self) -> tuple[Point, float]:
        def lat(p): return math.atan2(p[2], math.hypot(p[0], p[1]))
        def lng(p): return math.atan2(p[1], p[0])
        lats = []; lngs=[]; 
        full = False
        rings = [r for r, o in zip(self.rings, self.outer) if o]
        low, high = 9, -9
        spans = []
        for ring in rings:
            turn = 0.0; at = lng(ring[0]); lo = hi = at
            for k in range(len(ring)):
                a, b = ring[k], ring[(k+1) % len(ring)]
                low=min(low, lat(a)); high=max(high, lat(a))
                n = cross(a, b)
                rise, fall = n[0]*a[1]-n[1]*a[0], n[0]*b[1]-n[1]*b[0]
                top = math.atan2(math.hypot(n[0], n[1]), abs(n[2]))
                if rise > 0 > fall: high=max(high, top)
                if rise < 0 < fall: low = min(low, -top)
                d = math.remainder(lng(b)-lng(a), 2*math.pi)
                turn += d; at += d
                lo=min(lo,at); hi=max(hi,at)
            spans.append((lo,hi))
            if abs(turn) > 3:
                full = True
        if full:
            if self.inside((0.0,0.0,1.0)): high = math.pi/2
            if self.inside((0.0,0.0,-1.0)): low = -math.pi/2
            return box_bound(low, 0.0, high, math.inf)
        lo, hi = spans[0]
        return box_bound(low, lo, high, hi-lo)

    def rings_around(self, point: Point) -> list[bool]:
        """Return for every ring whether a point, which is far from all edges, is inside."""
        k = 0 if len(self.within) == 1 or abs(dot(point, self.anchors[0])) < 0.9 else 1
        return [
            odd_crossings(self.anchors[k], point, ring) != within
            for ring, within in zip(self.rings, self.within[k], strict=True)
        ]

    def inside(self, point: Point) -> bool:
        """Tell whether a point, which is far from all edges, is inside."""
        found = False
        some = False
        for outer, within in zip(self.outer, self.rings_around(point), strict=True):
            if outer:
                some = some or found
                found = within
            elif within:
                found = False
        return some or found

    def look(self, cell: int, near: list[int] | None) -> tuple[int, Any]:
        if near is None:
            near = list(range(len(self.edges)))
        touching = self.meeting(near, cell)
        if any(meets(self.edges[k], cell, -PAD) for k in touching):
            return MEETS, touching
        face, left, right, lower, upper = bounds(cell)
        middle = unit(*from_face(face, 0.5 * (left + right), 0.5 * (lower + upper)))
        if self.inside(middle):
            return CONTAINED, touching
        return MEETS if touching else APART, touching

    def crossing(self) -> tuple[int, int] | None:
        """Return two edges that cross, if there are any."""
        everywhere = list(range(len(self.edges)))
        for face in FACES:
            found = self.crossing_in(face, self.meeting(everywhere, face), 0)
            if found:
                return found
        return None

    def meeting(self, near: list[int], cell: int) -> list[int]:
        """Return the edges of `near` that meet a cell."""
        return [k for k in near if meets(self.edges[k], cell, PAD)]

    def crossing_in(self, cell: int, near: list[int], stuck: int) -> tuple[int, int] | None:
        """Return two of the edges that meet a cell which cross, if there are any.

        `stuck` levels before this one did not take an edge away though they divided the cell: edges
        lie upon each other.
        """
        if len(near) > 8 and stuck < 6 and low_bit(cell) > 1:
            children = descendants(cell, level_of(cell) + 1)
            parts = [(child, self.meeting(near, child)) for child in children]
            parts = [(child, own) for child, own in parts if own]
            for child, own in parts:
                same = len(parts) > 1 and len(own) == len(near)
                found = self.crossing_in(child, own, stuck + 1 if same else 0)
                if found:
                    return found
            return None
        for x, one in enumerate(near):
            for other in near[:x]:
                if edges_cross(*self.edges[other], *self.edges[one]):
                    return other, one
        return None


def meets(edge: tuple[Point, Point], cell: int, pad: float) -> bool:
    """Tell whether an edge meets a cell that is larger by `pad` on every side."""
    start, end = 0.0, 1.0
    a, b = edge
    for plane in sides(cell):
        at_a, at_b = dot(plane, a) + pad, dot(plane, b) + pad
        if at_a < 0 and at_b < 0:
            return False
        if at_a < 0:
            start = max(start, at_a / (at_a - at_b))
        elif at_b < 0:
            end = min(end, at_a / (at_a - at_b))
    return start <= end


def arc_distance(p: Point, a: Point, b: Point) -> float:
    """Return about how far a point is from an arc."""
    normal = cross(a, b)
    size = length(normal)
    if dot(cross(normal, a), p) > 0 and dot(cross(b, normal), p) > 0:
        return abs(dot(normal, p)) / size
    return min(length(minus(p, a)), length(minus(p, b)))


def fan(center: Point, ring: list[Point]) -> float:
    """Return the signed area of the part of the sphere that a ring bounds opposite to -center."""
    total = 0.0
    for k, a in enumerate(ring):
        b = ring[(k + 1) % len(ring)]
        volume = dot(center, cross(a, b))
        total += triangle(volume, 1.0, 1.0, 1.0, dot(center, a), dot(a, b), dot(b, center))
    return total


def odd_crossings(start: Point, end: Point, ring: list[Point]) -> bool:
    """Tell whether the arc from start to end crosses a ring an odd number of times.

    A vertex is on one side of the arc's plane or the other, never on it.
    """
    normal = cross(start, end)
    cosine = dot(start, end)
    odd = False
    a = ring[-1]
    at_a = dot(normal, a)
    for b in ring:
        at_b = dot(normal, b)
        if (at_a >= 0) != (at_b >= 0):
            x = between(a, b, at_a / (at_a - at_b))
            from_start, from_end = dot(x, start), dot(x, end)
            if from_start > from_end * cosine and from_end > from_start * cosine:
                odd = not odd
        a, at_a = b, at_b
    return odd


def edges_cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Tell whether two arcs cross, not only touch."""
    ab, cd = plane_of(a, b), plane_of(c, d)
    at_c, at_d = dot(ab, minus(c, a)), dot(ab, minus(d, a))
    at_a, at_b = dot(cd, minus(a, c)), dot(cd, minus(b, c))
    small_ab, small_cd = 1e-15 * length(ab), 1e-15 * length(cd)
    if min(abs(at_c), abs(at_d)) <= small_ab or min(abs(at_a), abs(at_b)) <= small_cd:
        return False
    return (at_c > 0) != (at_d > 0) and (at_c > 0) == (at_b > 0) and (at_c > 0) != (at_a > 0)


def plane_of(a: Point, b: Point) -> Point:
    """Return twice a x b, exact to the last digits even if a and b are close."""
    return cross(minus(a, b), (a[0] + b[0], a[1] + b[1], a[2] + b[2]))


# ---- the covering --------------------------------------------------------------------------------


class Waiting(NamedTuple):
    """A cell to be divided, and its children that are not apart from the region.

    The largest comes first, and of those the one whose children are few, and need little more. Of
    equal ones the heap decides, so it has to be the one of heapq.
    """

    order: int
    cell: int
    children: list[tuple[int, int, Any]]

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return self[0] < other[0]


def candidates(center: Point, angle: float, max_cells: int, max_level: int) -> list[int]:
    """Return the cells from which dividing starts: few that hold a cap."""
    level = widest_level(angle) - 1
    if level < 0:
        return FACES
    around = vertex_neighbors_of(leaf_of_point(*center), level)
    cells = normal_form([ancestor(cell, min(level, max_level)) for cell in around])
    while len(cells) > max_cells:
        pairs = [
            (common_level(a, b), -k) for k, (a, b) in enumerate(zip(cells, cells[1:], strict=False))
        ]
        level, k = max(pairs)
        if level < 0:
            break
        whole = ancestor(cells[-k], level)
        cells = [cell for cell in cells if not holds(whole, cell)] + [whole]
        cells.sort()
    return cells


def common_level(a: int, b: int) -> int:
    """Return the level of the smallest cell that holds two; -1 if there is none."""
    level = min(level_of(a), level_of(b))
    while level >= 0 and ancestor(a, level) != ancestor(b, level):
        level -= 1
    return level


def widest_level(angle: float) -> int:
    """Return the last level whose cells are all at least as wide as an angle, or 30."""
    if angle <= 0:
        return MAX_LEVEL
    return min(MAX_LEVEL, max(0, math.frexp(2 * math.sqrt(2) / 3 / angle)[1] - 1)) 


def covering(region: Any, max_cells: int, min_level: int, max_level: int) -> Any:
    """Return cells that hold a region, in order."""
    import numpy as np

    found: list[int] = []
    count = 0
    waiting: list[Waiting] = []

    def final(cell: int, relation: int) -> bool:
        level = level_of(cell)
        return level >= min_level and (level == max_level or relation == CONTAINED)

    def add(cell: int, relation: int, near: Any) -> None:
        if final(cell, relation):
            found.append(cell)
            return
        level = level_of(cell)
        children = []
        for child in descendants(cell, level + 1):
            looked = (CONTAINED, None) if relation == CONTAINED else region.look(child, near)
            if looked[0] != APART:
                children.append((child, *looked))
        finals = sum(final(child, relation) for child, relation, _ in children)
        if finals == 4 and level >= min_level:
            found.append(cell)
        elif children:
            heapq.heappush(waiting, Waiting(16 * level + 4 * len(children) + finals, cell, children))

    for cell in candidates(*region.bound(), min(max_cells, 4), max_level):
        relation, near = region.look(cell, None)
        if relation != APART:
            add(cell, relation, near)
    while waiting:
        _, cell, children = heapq.heappop(waiting)
        n = len(children)
        if level_of(cell) < min_level or n == 1 or len(found) + len(waiting) + n <= max_cells:
            for child in children:
                add(*child)
        else:
            found.append(cell)
    cells: list[int] = []
    for cell in normal_form(found):
        cells += descendants(cell, max(level_of(cell), min_level))
    return np.array(cells, np.uint64)


def cover_cap(
    lat: float,
    lng: float,
    radius_m: float,
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = MAX_LEVEL,
) -> Any:
    """Return cells that hold every point within a distance of a point."""
    limits = coverings.limits(max_cells, min_level, max_level)
    lat, lng, angle = coverings.cap(lat, lng, radius_m)
    return covering(Cap(latlng_to_point(lat, lng), angle), *limits)


def cover_rect(
    south: float,
    west: float,
    north: float,
    east: float,
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = MAX_LEVEL,
) -> Any:
    """Return cells that hold every point between two parallels and two meridians."""
    limits = coverings.limits(max_cells, min_level, max_level)
    return covering(Rect(*coverings.rectangle(south, west, north, east)), *limits)


def cover_polygon(
    outer: Any,
    holes: Any = (),
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = MAX_LEVEL,
) -> Any:
    """Return cells that hold a polygon."""
    limits = coverings.limits(max_cells, min_level, max_level)
    parts = coverings.polygons(outer, holes)
    rings = [[latlng_to_point(*point) for point in ring] for part in parts for ring in part]
    polygon = Polygon(rings, [k == 0 for part in parts for k in range(len(part))])
    for k, (a, b) in enumerate(polygon.edges):
        if length((a[0] + b[0], a[1] + b[1], a[2] + b[2])) < 1e-9:
            raise errors.half_circle(coverings.edge_name(parts, k))
    crossing = polygon.crossing()
    if crossing:
        raise errors.crossing(*(coverings.edge_name(parts, k) for k in crossing))
    return covering(polygon, *limits)
