"""Coverings: the few cells that together hold a region.

A region looks at a cell and says whether it is apart from it, meets it, or contains it. Cells and
regions are closed, and PAD is added to all of them: who is nearer than that touches, so that
rounding never opens a gap. The covering itself is made as S2's coverer makes it: from a few cells
around the region on, the largest is divided, as long as there are no more than `max_cells`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Any, ClassVar, NamedTuple

from fastblocks._core import coverings, errors
from fastblocks._core.polygons import edge_name, polygons_of

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
    steradians,
    to_face,
    triangle,
    unit,
    vertex_neighbors_of,
    vertices,
)

Point = tuple[float, float, float]
Corners = list[tuple[Point, Point | None]]
Edges = list[int]  # of a polygon, by number

MAX_DIAGONAL = 2.5  # no cell of level k has one longer than this / 2**k
FEW_LEVELS = 6  # from so many above min_level on it is told how many cells are needed
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

    numbers: ClassVar[Edges] = []

    def __init__(self, center: Point, angle: float) -> None:
        self.large = angle > math.pi / 2
        self.center = (-center[0], -center[1], -center[2]) if self.large else center
        self.bound = center, angle
        self.chord = 2 * math.sin(0.5 * (math.pi - angle if self.large else angle))

    def look(self, cell: int, _: Edges) -> int:
        near = self.distance(cell)
        far = max(length(minus(vertex, self.center)) for vertex in vertices(cell))
        if self.large:
            if far < self.chord - PAD:
                return APART
            return CONTAINED if near >= self.chord - PAD else MEETS
        if near > self.chord + PAD:
            return APART
        return CONTAINED if far <= self.chord + PAD else MEETS

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

    numbers: ClassVar[Edges] = []

    def __init__(self, south: float, west: float, north: float, width: float) -> None:
        self.south, self.west, self.north, self.width = south, west, north, width
        self.bound = cap_around(south, west, north, width)
        self.inside: list[list[Point]] = []
        self.outside: list[list[Point]] = []
        if width < math.inf:
            self.inside = lunes(west, west + width)
            self.outside = lunes(west + width, west + 2 * math.pi)

    def look(self, cell: int, _: Edges) -> int:
        normals = sides(cell)
        corners = vertices(cell)
        quad: Corners = list(zip(corners, normals, strict=True))
        poles = [all(pole * n[2] >= -PAD for n in normals) for pole in (1, -1)]
        low, high = latitudes(quad, poles)
        parts = [quad] + [clipped(quad, lune, PAD) for lune in self.inside]
        ranges = [latitudes(part, poles) for part in parts if part]
        met = [a <= self.north + PAD and b >= self.south - PAD for a, b in ranges]
        if not met[0] or (self.inside and not any(met[1:])):
            return APART
        if low < self.south - PAD or high > self.north + PAD:
            return MEETS
        return MEETS if any(clipped(quad, lune, -PAD) for lune in self.outside) else CONTAINED


class Boxes(Rect):
    """A rectangle that looks at the least rectangle around a cell."""

    def look(self, cell: int, _: Edges) -> int:
        south, west, north, width = box_of(cell)
        if south > self.north + PAD or north < self.south - PAD:
            return APART
        inside = (
            max(south - PAD, -math.pi / 2) >= self.south
            and min(north + PAD, math.pi / 2) <= self.north
        )
        if self.width < math.inf:
            start = (west - self.west) % (2 * math.pi)
            if start > self.width + PAD and start + width < 2 * math.pi - PAD:
                return APART
            inside = inside and start >= PAD and start + width <= self.width - PAD
        return CONTAINED if inside else MEETS


def box_of(cell: int) -> tuple[float, float, float, float]:
    """Return the least rectangle around a cell: south, west, north, width."""
    if level_of(cell) == 0:
        pole, face = math.asin(math.sqrt(1 / 3)), cell >> 61
        if face == 2:
            return pole, 0.0, math.pi / 2, math.inf
        if face == 5:
            return -math.pi / 2, 0.0, -pole, math.inf
        west = math.pi / 2 * (face if face < 2 else face - 1) - math.pi / 4
        return -math.pi / 4, west, math.pi / 4, math.pi / 2
    corners = vertices(cell)
    lats = [latitude_of(corner) for corner in corners]
    lngs = [math.atan2(y, x) for x, y, _ in corners]
    steps = [math.remainder(lng - lngs[0], 2 * math.pi) for lng in lngs]
    at_pole = max(-min(lats), max(lats)) >= math.pi / 2 - PAD
    width = math.inf if at_pole else max(steps) - min(steps)
    return min(lats), lngs[0] + min(steps), max(lats), width


def longest_side(south: float, _: float, north: float, width: float) -> float:
    """Return a straight line that is not longer than a rectangle is."""
    middle = 0.0 if south * north < 0 else min(abs(south), abs(north))
    along = 2 * math.cos(middle) * math.sin(0.5 * min(width, math.pi))
    return max(along, 2 * math.sin(0.5 * (north - south)))


def cap_around(south: float, west: float, north: float, width: float) -> tuple[Point, float]:
    """Return a cap that holds a rectangle: around its middle, or around the pole next to it."""
    up = south + north >= 0
    angle = math.pi / 2 + (-south if up else north)
    if width <= math.pi:
        center = at_radians(0.5 * (south + north), west + 0.5 * width)
        corners = [at_radians(a, b) for a in (south, north) for b in (west, west + width)]
        far = max(length(minus(center, corner)) for corner in corners)
        around = 2 * math.asin(min(1.0, 0.5 * far))
        if around < angle:
            return center, around
    return (0.0, 0.0, 1.0 if up else -1.0), angle


def at_radians(lat: float, lng: float) -> Point:
    """Return the point of the unit sphere."""
    return math.cos(lng) * math.cos(lat), math.sin(lng) * math.cos(lat), math.sin(lat)


def latitude_of(point: Point) -> float:
    """Return a latitude in radians."""
    return math.atan2(point[2], math.sqrt(point[0] * point[0] + point[1] * point[1]))


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
    each = [latitude_of(point) for point, _ in polygon]
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
        self.numbers = list(range(len(self.edges)))
        self.bound, around = self.cap()
        if not around and self.bound[1] < 1:
            center = self.bound[0]
            axis = (1.0, 0.0, 0.0) if abs(center[2]) > 0.5 else (0.0, 0.0, 1.0)
            first = unit(*cross(center, axis))
            self.anchors = [first, cross(center, first)]
            self.within = [[False] * len(rings)] * 2
            return
        self.drop_anchors()
        if around:
            self.bound, _ = self.cap(*(self.inside((0.0, 0.0, pole)) for pole in (1.0, -1.0)))

    def cap(self, north_pole: bool = False, south_pole: bool = False) -> tuple[Any, bool]:
        """Return a cap that holds the rings, and whether one of them goes around a pole."""
        low, high, west, east, around = math.pi, -math.pi, 0.0, 0.0, False
        for r, ring in enumerate(self.rings):
            lng, turns = math.atan2(ring[0][1], ring[0][0]), [0.0]
            for k, a in enumerate(ring):
                b = ring[(k + 1) % len(ring)]
                own = latitudes([(a, cross(a, b)), (b, None)], [False, False])
                low, high = min(low, own[0]), max(high, own[1])
                after = math.atan2(b[1], b[0])
                turns.append(turns[-1] + math.remainder(after - lng, 2 * math.pi))
                lng = after
            around = around or abs(turns[-1]) > 3
            left, right = min(turns), max(turns)
            if r == 0:
                west, east = lng + left, lng + right
                continue
            middle, own_middle = 0.5 * (west + east), lng + 0.5 * (left + right)
            own_middle = middle + math.remainder(own_middle - middle, 2 * math.pi)
            lng = own_middle - 0.5 * (left + right)
            west, east = min(west, lng + left), max(east, lng + right)
        if not around:
            return cap_around(low, west, high, east - west), around
        high = math.pi / 2 if north_pole else high
        low = -math.pi / 2 if south_pole else low
        return cap_around(low, 0.0, high, math.inf), around

    def drop_anchors(self) -> None:
        """Choose the anchors among six, and tell in which rings they are."""
        clear = [min(arc_distance(p, a, b) for a, b in self.edges) for p in ANCHORS]
        first = max(range(6), key=clear.__getitem__)
        second = max((k for k in range(6) if k % 3 != first % 3), key=clear.__getitem__)
        self.anchors = [ANCHORS[first], ANCHORS[second]]
        opposite = ANCHORS[(first + 3) % 6]
        self.within = [[abs(fan(opposite, ring)) > 2 * math.pi for ring in self.rings]]
        self.within.append(self.rings_around(self.anchors[1]))

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

    def look(self, cell: int, near: Edges) -> int:
        touching = self.meeting(near, cell)
        if any(meets(self.edges[k], cell, -PAD) for k in touching):
            return MEETS
        face, left, right, lower, upper = bounds(cell)
        middle = unit(*from_face(face, 0.5 * (left + right), 0.5 * (lower + upper)))
        if self.inside(middle):
            return CONTAINED
        return MEETS if touching else APART

    def crossing(self) -> tuple[int, int] | None:
        """Return two edges that cross, if there are any."""
        center, angle = self.bound
        for cell in candidates(center, angle, 4, MAX_LEVEL):
            found = self.crossing_in(cell, self.meeting(self.numbers, cell), 0)
            if found:
                return found
        return None

    def need(self, cell: int, near: Edges, level: int) -> int:
        """Return how many cells of a level what is in a cell needs at least.

        As many diagonals of the largest ones as fit into an edge of those that meet it.
        """
        longest = 0.0
        for a, b in (self.edges[k] for k in near):
            start, end = part_within((a, b), cell, 0.0)
            if start <= end:
                within = unit(*between(a, b, start)), unit(*between(a, b, end))
                longest = max(longest, length(minus(within[1], within[0])))
        return 1 + int(math.ldexp(longest / MAX_DIAGONAL, level))

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
    start, end = part_within(edge, cell, pad)
    return start <= end


def part_within(edge: tuple[Point, Point], cell: int, pad: float) -> tuple[float, float]:
    """Return from where to where an edge meets a cell, the end before the start if it does not."""
    start, end = 0.0, 1.0
    a, b = edge
    for plane in sides(cell):
        at_a, at_b = dot(plane, a) + pad, dot(plane, b) + pad
        if at_a < 0 and at_b < 0:
            return 1.0, 0.0
        if at_a < 0:
            start = max(start, at_a / (at_a - at_b))
        elif at_b < 0:
            end = min(end, at_a / (at_a - at_b))
    return start, end


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
    """A cell to be divided: its order, the edges that meet it, the children that are not apart.

    Of equal order is first whom heapq happens to bring up; any other heap must do the same.
    """

    order: int
    cell: int
    near: Edges
    children: list[tuple[int, int]]
    need: int  # how many cells of the covering will be in it at least

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return bool(self.order < other[0])


def candidates(center: Point, angle: float, most: int, max_level: int) -> list[int]:
    """Return cells that hold a cap, in order, to divide from.

    They are six faces, or `most` or fewer around the vertex next to the center, at least twice as
    wide as the angle and not below max_level. Those that have the smallest common ancestor are put
    together if they are more.
    """
    exponent = math.frexp(2 * math.sqrt(2) / 3 / max(angle, 1e-10))[1]
    level = 29 if exponent > 31 else exponent - 2
    if level < 0:
        return FACES
    around = vertex_neighbors_of(leaf_of_point(*center), level)
    cells = normal_form([ancestor(cell, min(level, max_level)) for cell in around])
    while len(cells) > most:
        shared = [common(a, b) for a, b in itertools.pairwise(cells)]
        whole = max(shared, key=lambda cell: level_of(cell) if cell else -1)
        if not whole:
            break
        cells = normal_form([*cells, whole])
    return cells


def common(a: int, b: int) -> int:
    """Return the smallest cell that holds both; 0 if there is none."""
    level = min(level_of(a), level_of(b))
    while level >= 0 and not holds(ancestor(a, level), b):
        level -= 1
    return ancestor(a, level) if level >= 0 else 0


def covering(region: Any, max_cells: int, min_level: int, max_level: int) -> list[int]:
    """Return cells that hold a region, in order.

    Of the cells so far the largest is divided, of those the one with the fewest children, and of
    those the one with the fewest that are final.
    """
    found: list[int] = []
    count = 0  # cells found, when they are divided down to min_level
    needed = 0  # of all that wait
    waiting: list[Waiting] = []

    def weight(cell: int) -> int:
        return int(4 ** max(0, min_level - level_of(cell)))

    def final(cell: int, relation: int) -> bool:
        level = level_of(cell)
        return level >= min_level and (level == max_level or relation == CONTAINED)

    def take(cell: int) -> None:
        nonlocal count
        found.append(cell)
        count += weight(cell)

    def add(cell: int, relation: int, near: Edges) -> None:
        nonlocal needed
        if count + needed >= coverings.MOST_CELLS:
            raise coverings.too_many(min_level)
        # What would be divided into more than max_cells anyway is taken whole.
        if final(cell, relation) or (relation == CONTAINED and weight(cell) > max_cells):
            take(cell)
            return
        level = level_of(cell)
        own = region.meeting(near, cell) if near else []
        children = [
            (child, CONTAINED if relation == CONTAINED else region.look(child, own))
            for child in descendants(cell, level + 1)
        ]
        children = [child for child in children if child[1] != APART]
        finals = sum(final(*child) for child in children)
        if finals == 4 and level >= min_level:
            take(cell)
        elif children:
            order = 16 * level + 4 * len(children) + finals
            few = not own or level + FEW_LEVELS > min_level
            need = 1 if few else region.need(cell, own, min_level)
            needed += need
            heapq.heappush(waiting, Waiting(order, cell, own, children, need))

    center, angle = region.bound
    for cell in candidates(center, angle, min(max_cells, 4), max_level):
        relation = region.look(cell, region.numbers)
        if relation != APART:
            add(cell, relation, region.numbers)
    while waiting:
        _, cell, near, children, need = heapq.heappop(waiting)
        needed -= need
        n = len(children)
        if level_of(cell) < min_level or n == 1 or count + len(waiting) + n <= max_cells:
            for child, relation in children:
                add(child, relation, near)
        else:
            take(cell)
    cells: list[int] = []
    for cell in normal_form(found):
        cells += descendants(cell, max(level_of(cell), min_level))
    return cells


def as_array(cells: list[int]) -> Any:
    """Return cells as an array."""
    import numpy as np

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
    return as_array(covering(Cap(latlng_to_point(lat, lng), angle), *limits))


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
    rectangle = coverings.rectangle(south, west, north, east)
    if math.ldexp(longest_side(*rectangle) / MAX_DIAGONAL, limits[1]) >= coverings.MOST_CELLS:
        raise coverings.too_many(limits[1])
    exact, boxes = (covering(kind(*rectangle), *limits) for kind in (Rect, Boxes))
    areas = [sum(map(steradians, cells)) for cells in (exact, boxes)]
    return as_array(boxes if areas[1] < areas[0] else exact)


def cover_polygon(
    outer: Any,
    holes: Any = (),
    max_cells: int = 8,
    min_level: int = 0,
    max_level: int = MAX_LEVEL,
) -> Any:
    """Return cells that hold a polygon."""
    limits = coverings.limits(max_cells, min_level, max_level)
    polygons = polygons_of(outer, holes)
    if not polygons:
        return as_array([])
    rings = [
        [latlng_to_point(*point) for point in ring.points.tolist()]
        for rings in polygons
        for ring in rings
    ]
    polygon = Polygon(rings, [k == 0 for rings in polygons for k in range(len(rings))])
    for k, (a, b) in enumerate(polygon.edges):
        if length((a[0] + b[0], a[1] + b[1], a[2] + b[2])) < 1e-9:
            raise errors.half_circle(edge_name(polygons, k))
    crossing = polygon.crossing()
    if crossing:
        raise errors.crossing(*(edge_name(polygons, k) for k in crossing))
    return as_array(covering(polygon, *limits))
