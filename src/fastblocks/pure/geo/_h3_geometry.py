"""Where H3 cells are: points to cells, cells to centres, boundaries and areas, in plain floats.

A point is projected from the centre of the sphere onto the nearest of the 20 faces of an
icosahedron (gnomonic projection), and rounded to the hexagonal lattice of its resolution there.
Lattice points are (a, b), standing for a*u(0 degrees) + b*u(120 degrees); the digits of the cell
are the steps from one resolution to the next. Cells of a base cell that lies on a side of a face
spill over to the next face: `onto_face` takes them there.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from fastblocks._core import check
from fastblocks._core.columns import Batch
from fastblocks.pure.geo import _h3_tables as tables

Point = tuple[int, int]
Vector = tuple[float, float, float]

MAX_RES = 15
UNITS = ((0, 0), (-1, -1), (0, 1), (-1, 0), (1, 0), (0, -1), (1, 1))  # the step of each digit
TURN = (0, 5, 3, 1, 6, 4, 2)  # a digit turned by 60 degrees counter-clockwise
DIGITS = {step: digit for digit, step in enumerate(UNITS)}
PENTAGONS = frozenset(tables.PENTAGONS)
CORNERS = {False: (2, 1), True: (5, 4)}  # of a cell on the grid of corners, by odd resolution

RADIANS = 0.017453292519943295
DEGREES = 57.29577951308232
SQRT3_2 = 0.8660254037844386
SQRT7 = 2.6457513110645907
RSQRT7 = 0.37796447300922725
AP7_ANGLE = 0.3334731722518321  # asin(sqrt(3/28)): how far the axes of odd resolutions are turned
UNIT = 0.381966011250105  # the lattice step of resolution 0, where a face touches the sphere
EARTH_RADIUS_KM = 6371.007180918475  # of WGS84's authalic sphere


def turned(p: Point, times: int) -> Point:
    """A lattice point turned counter-clockwise by 60 degrees, `times` times."""
    for _ in range(times):
        p = p[0] - p[1], p[0]
    return p


def turned_digit(digit: int, times: int) -> int:
    """A digit turned in the same way."""
    for _ in range(times):
        digit = TURN[digit]
    return digit


def finer(p: Point, odd: bool) -> Point:
    """The lattice point of the next resolution, which is `odd` or not, at the same place."""
    a, b = p
    return (2 * a + b, 3 * b - a) if odd else (3 * a - b, a + 2 * b)


def coarser(p: Point, odd: bool) -> Point:
    """The parent of a lattice point whose own resolution is `odd` or not."""
    a, b = p
    a, b = (3 * a - b, a + 2 * b) if odd else (2 * a + b, 3 * b - a)
    return (2 * a + 7) // 14, (2 * b + 7) // 14


def within_turn(angle: float) -> float:
    """An angle brought into [0, 2 pi]."""
    if angle < 0:
        return angle + 2 * math.pi
    return angle - 2 * math.pi if angle >= 2 * math.pi else angle


# ---- points to cells -----------------------------------------------------------------------------


def nearest_face(p: Vector) -> tuple[int, float]:
    """The face whose centre is nearest to a point, and the squared distance."""
    distances = [
        (x - p[0]) * (x - p[0]) + (y - p[1]) * (y - p[1]) + (z - p[2]) * (z - p[2])
        for x, y, z in tables.FACE_CENTERS
    ]
    least = min(distances)
    return distances.index(least), least


def project(p: Vector, res: int) -> tuple[int, float, float]:
    """The face of a point, and its place there in steps of the lattice."""
    face, squared = nearest_face(p)
    angle = math.acos(1 - squared * 0.5)
    if angle < 1e-16:
        return face, 0.0, 0.0
    c, north, east = tables.FACE_CENTERS[face], tables.FACE_NORTH[face], tables.FACE_EAST[face]
    along = -(c[0] * p[0] + c[1] * p[1] + c[2] * p[2])
    x, y, z = along * c[0] + p[0], along * c[1] + p[1], along * c[2] + p[2]
    size = math.sqrt(x * x + y * y + z * z)
    scale = 1 / size if size > 0 else 0.0
    x, y, z = x * scale, y * scale, z * scale
    azimuth = math.atan2(
        x * east[0] + y * east[1] + z * east[2], x * north[0] + y * north[1] + z * north[2]
    )
    theta = within_turn(tables.FACE_AZIMUTHS[face] - within_turn(azimuth))
    if res % 2:
        theta = within_turn(theta - AP7_ANGLE)
    r = math.tan(angle) * 2.618033988749896
    for _ in range(res):
        r *= SQRT7
    return face, r * math.cos(theta), r * math.sin(theta)


def nearest_point(x: float, y: float) -> Point:
    """The lattice point nearest to a place on a face."""
    across = abs(y) * 1.1547005383792515
    along = abs(x) + across * 0.5
    i, j = int(along), int(across)
    f, g = along - i, across - j
    if f < 0.5:
        if f < 1 / 3:
            i, j = i, j + (g >= (1 + f) * 0.5)
        else:
            i, j = i + (1 - f <= g < 2 * f), j + (g >= 1 - f)
    elif f < 0.6666666666666666:
        i, j = i + (not 2 * f - 1 < g < 1 - f), j + (g >= 1 - f)
    else:
        i, j = i + 1, j + (g >= f * 0.5)
    if x < 0:
        i = j - i
    if y < 0:
        i, j = i - j, -j
    return i, j


def encode(lat: float, lng: float, res: int) -> int:
    """The cell of a point given in degrees."""
    lat, lng = lat * RADIANS, lng * RADIANS
    r = math.cos(lat)
    face, x, y = project((r * math.cos(lng), r * math.sin(lng), math.sin(lat)), res)
    return cell_at(face, nearest_point(x, y), res)


def cell_at(face: int, p: Point, res: int) -> int:
    """The cell of a lattice point of a face."""
    digits = []
    for n in range(res, 0, -1):
        parent = coarser(p, n % 2 == 1)
        a, b = finer(parent, n % 2 == 1)
        digits.append(DIGITS[p[0] - a, p[1] - b])
        p = parent
    digits.reverse()
    low = min(*p, 0)
    place = 9 * (p[0] - low) + 3 * (p[1] - low) - low
    first = next(filter(None, digits), 0)
    turns = tables.FACE_TURNS[face][place][first]
    cell = 1 << 59 | res << 52 | tables.FACE_CELLS[face][place] << 45
    for n in range(MAX_RES):
        digit = turned_digit(digits[n], turns) if n < res else 7
        cell |= digit << 3 * (MAX_RES - 1 - n)
    return cell


# ---- cells to points -----------------------------------------------------------------------------


def digits_of(cell: int) -> list[int]:
    """The digits of a cell down to its resolution."""
    return [cell >> 3 * (MAX_RES - n) & 7 for n in range(1, (cell >> 52 & 15) + 1)]


def reach(p: Point) -> tuple[int, int, int]:
    """How far a lattice point lies towards the sides k = 0, i = 0 and j = 0 of a face."""
    a, b = p
    return a + b, b - 2 * a, a - 2 * b


def limit(res: int) -> int:
    """How far the sides are, on the lattice of an even resolution."""
    return 2 * int(7 ** (res // 2))


def place_of(cell: int) -> tuple[int, Point]:
    """The face and the lattice point of a cell."""
    digits = digits_of(cell)
    first = next(filter(None, digits), 0)
    face, a, b, turns, yielded = tables.CHARTS[cell >> 45 & 127][first]
    p = a, b
    for n, digit in enumerate(digits):
        p = finer(p, n % 2 == 0)
        step = UNITS[turned_digit(digit, turns)]
        p = p[0] + step[0], p[1] + step[1]
    return onto_face(face, p, len(digits), yielded)


def onto_face(face: int, p: Point, res: int, yielded: int) -> tuple[int, Point]:
    """The place of a lattice point on the face that it is on.

    What is on a side stays on `face`, unless the bit of the side is set in `yielded`.
    """
    far = reach(finer(p, False) if res % 2 else p)
    side = far.index(max(far))
    if far[side] + (yielded >> side & 1) <= limit(res + res % 2):
        return face, p
    other, turns, *shift = tables.FACE_NEIGHBORS[face][side]
    s = shift[0], shift[1]
    for n in range(res):
        s = finer(s, n % 2 == 0)
    p = turned(p, turns)
    return other, (p[0] + s[0], p[1] + s[1])


def unproject(face: int, x: float, y: float, res: int, corners: bool = False) -> Vector:
    """The unit vector of a place on a face; `corners`: on the grid of corners, 3 times as fine."""
    r = math.sqrt(x * x + y * y)
    c, north, east = tables.FACE_CENTERS[face], tables.FACE_NORTH[face], tables.FACE_EAST[face]
    if r < 1e-16:
        return c
    theta = math.atan2(y, x)
    for _ in range(res):
        r *= RSQRT7
    if corners:
        r *= 0.3333333333333333
    r = math.atan(r * UNIT)
    if res % 2:
        theta = within_turn(theta + AP7_ANGLE)
    theta = within_turn(tables.FACE_AZIMUTHS[face] - theta)
    n, e, s, u = math.cos(theta), math.sin(theta), math.sin(r), math.cos(r)
    v = [(n * north[d] + e * east[d]) * s + u * c[d] for d in range(3)]
    scale = 1 / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return v[0] * scale, v[1] * scale, v[2] * scale


def latlng_of(v: Vector) -> tuple[float, float]:
    """Latitude and longitude in radians."""
    return math.asin(v[2]), math.atan2(v[1], v[0])


def in_degrees(p: tuple[float, float]) -> tuple[float, float]:
    """A pair of angles in degrees."""
    return p[0] * DEGREES, p[1] * DEGREES


def decode(cell: int) -> tuple[float, float]:
    """The centre of a cell in degrees."""
    face, p = place_of(cell)
    return in_degrees(latlng_of(unproject(face, *flat(p), cell >> 52 & 15)))


# ---- boundaries and areas ------------------------------------------------------------------------


def corner_ring(cell: int) -> list[tuple[int, float, float]]:
    """Corners of a cell, counter-clockwise, as (face, x, y) on the grid of corners.

    An edge that crosses a side of a face bends there: at odd resolutions such points are among
    them. At even ones the sides pass through corners only.
    """
    res = cell >> 52 & 15
    odd = res % 2 == 1
    base = cell >> 45 & 127
    ring: list[tuple[int, float, float]] = []
    if base in PENTAGONS and not any(digits_of(cell)):
        for digit in (6, 2, 3, 5, 4):  # each corner on a face of its own
            face, a, b, *_ = tables.CHARTS[base][digit]
            p = a, b
            inward = UNITS.index((-a // 2, -b // 2))
            turns = next(n for n in range(6) if turned_digit(3, n) == inward)
            previous, corner = (corner_at(finest(p, res), n + turns, odd) for n in (1, 2))
            if ring and odd:
                ring.append(crossing(face, previous, corner, res))
            ring.append((face, *flat(corner)))
            if digit == 6:
                last = crossing(face, previous, corner, res)
        return [*ring, last] if odd else ring
    face, p = place_of(cell)
    middle = finer((3 * p[0], 3 * p[1]), False) if odd else (3 * p[0], 3 * p[1])
    corners = [corner_at(middle, n, odd) for n in range(6)]
    for before, after in pairwise([*corners, corners[0]]):
        other, q = onto_corner_face(face, before, res)
        ring.append((other, *flat(q)))
        if odd and crosses(before, after, res):
            ring.append(crossing(face, before, after, res))
    return ring


def finest(p: Point, res: int) -> Point:
    """A lattice point of resolution 0 on the grid of corners of a resolution."""
    for n in range(res + res % 2):
        p = finer(p, n % 2 == 0)
    return 3 * p[0], 3 * p[1]


def corner_at(middle: Point, n: int, odd: bool) -> Point:
    """Corner `n` of the cell around a point of the grid of corners."""
    step = turned(CORNERS[odd], n % 6)
    return middle[0] + step[0], middle[1] + step[1]


def flat(p: Point) -> tuple[float, float]:
    """The place of a lattice point in the plane."""
    return p[0] - 0.5 * p[1], p[1] * SQRT3_2


def onto_corner_face(face: int, p: Point, res: int) -> tuple[int, Point]:
    """`onto_face` on the grid of corners."""
    far = reach(p)
    bound = 3 * limit(res + res % 2)
    if max(far) <= bound:
        return face, p
    other, turns, a, b = tables.FACE_NEIGHBORS[face][far.index(max(far))]
    p = turned(p, turns)
    return other, (p[0] + a * bound // 2, p[1] + b * bound // 2)


def crosses(p: Point, q: Point, res: int) -> bool:
    """Whether the edge from `p` to `q` crosses a side of the face, beyond its ends."""
    bound = 3 * limit(res + res % 2)
    return (max(reach(p)) - bound) * (max(reach(q)) - bound) < 0


def crossing(face: int, p: Point, q: Point, res: int) -> tuple[int, float, float]:
    """Where the edge from `p` to `q`, one of which is beyond a side of the face, crosses it."""
    bound = 3 * limit(res + res % 2)
    outer = max(reach(p), reach(q), key=max)
    side = outer.index(max(outer))
    far_p, far_q = reach(p)[side] - bound, reach(q)[side] - bound
    t = far_p / (far_p - far_q)
    (x, y), (u, v) = flat(p), flat(q)
    return face, x + t * (u - x), y + t * (v - y)


def boundary(cell: int) -> list[tuple[float, float]]:
    """The corners of a cell in radians."""
    res = cell >> 52 & 15
    return [
        latlng_of(unproject(face, x, y, res + res % 2, corners=True))
        for face, x, y in corner_ring(cell)
    ]


def area(cell: int) -> float:
    """The area of a cell in steradians: below each edge, down to the south pole, with its sign."""
    corners = boundary(cell)
    total = lost = 0.0
    for (lat, lng), (lat2, lng2) in pairwise([*corners, corners[0]]):
        half, half2 = lat * 0.5 + 0.7853981633974483, lat2 * 0.5 + 0.7853981633974483
        s, c = math.sin(half) * math.sin(half2), math.cos(half) * math.cos(half2)
        turn = lng2 - lng
        term = math.atan2(s * math.sin(turn), s * math.cos(turn) + c) * -2.0 - lost
        total, before = total + term, total
        lost = (total - before) - term
    return total + (4 * math.pi - lost) if total < 0 else total


# ---- the functions of geo.h3 ---------------------------------------------------------------------

AREA_UNITS = {
    "km^2": EARTH_RADIUS_KM * EARTH_RADIUS_KM,
    "m^2": EARTH_RADIUS_KM * EARTH_RADIUS_KM * 1e6,
    "rads^2": 1.0,
}


def is_valid(cell: int) -> bool:
    """Whether 64 bits are a cell."""
    res, base = cell >> 52 & 15, cell >> 45 & 127
    if cell >> 56 != 0x08 or base >= len(tables.HOMES):
        return False
    unused = (1 << 3 * (MAX_RES - res)) - 1
    digits = digits_of(cell)
    if cell & unused != unused or 7 in digits:
        return False
    return base not in PENTAGONS or next(filter(None, digits), 0) != 1


def cells_of(cell: Any) -> Batch:
    """A column of cells, all of them valid."""
    batch = Batch()
    batch.ids("cell", cell)
    for at, (one,) in enumerate(batch.rows()):
        if not is_valid(one):
            raise batch.bad(0, at, "a valid H3 cell")
    return batch


def latlng_to_cell(lat: Any, lng: Any, res: int, *, out: Any = None) -> Any:
    """Return the cells that hold points. See `fastblocks.geo.h3.latlng_to_cell`."""
    depth = check.integer("res", res, 0, MAX_RES)
    batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    return batch.apply(lambda y, x: encode(y, x, depth), "uint64", out)


def cell_to_latlng(cell: Any, *, out: Any = None) -> tuple[Any, Any]:
    """Return the centres of cells. See `fastblocks.geo.h3.cell_to_latlng`."""
    batch = cells_of(cell)
    lat, lng = batch.apply(decode, ("float64", "float64"), check.out_pair(out))
    return lat, lng


def cell_to_boundary(cell: Any) -> Any:
    """Return the corners of cells. See `fastblocks.geo.h3.cell_to_boundary`."""
    batch = cells_of(cell)
    rings = [tuple([in_degrees(p) for p in boundary(one)]) for (one,) in batch.rows()]
    if batch.shape == ():
        return rings[0]
    check.one_dimension("cell", batch.shape)
    import numpy as np

    offsets = np.cumsum([0, *map(len, rings)], dtype=np.int64)
    return np.array([p for ring in rings for p in ring], np.float64).reshape(-1, 2), offsets


def cell_area(cell: Any, unit: str = "km^2", *, out: Any = None) -> Any:
    """Return the areas of cells. See `fastblocks.geo.h3.cell_area`."""
    factor = AREA_UNITS[check.choice("unit", unit, AREA_UNITS)]
    return cells_of(cell).apply(lambda one: area(one) * factor, "float64", out)
