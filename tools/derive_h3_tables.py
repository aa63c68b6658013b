"""Derives the tables of geo.h3 from an icosahedron and the public behaviour of the h3 package.

    python tools/derive_h3_tables.py           writes the Python and the C tables
    python tools/derive_h3_tables.py --check   compares only; exit status 1 if they differ

What is asked of h3: where the 12 pentagons are (the corners of the icosahedron), the number of the
face a point is in, the number of the base cell, and the centres of cells. The rest follows:

* the three axes of a face point at its corners; the centre of a child tells which is the i axis;
* a base cell is a lattice point of a face: its centre (0, 0, 0), three points halfway to the
  corners, three middles of the sides and the corners themselves, where the pentagons are;
* a point on a side or a corner belongs to several faces. Its home is the face whose axes give the
  directions of its children;
* what lies beyond a side is turned and moved into the lattice of the neighbour.

Coordinates on a face are (a, b), standing for a*u(0 degrees) + b*u(120 degrees), which is
(i - k, j - k) of the cube coordinates i, j, k. A turn by 60 degrees counter-clockwise is
(a, b) -> (a - b, a).

The doubles of a face (centre, azimuth of the i axis) are known from the geometry to some 1e-16.
Which of the few doubles there h3 has is found by comparing centres of cells bit for bit.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from pathlib import Path

import h3.api.basic_int as h3

ROOT = Path(__file__).resolve().parent.parent
UNITS = ((0, 0), (-1, -1), (0, 1), (-1, 0), (1, 0), (0, -1), (1, 1))  # of the digits 0 to 6
TURN = (0, 5, 3, 1, 6, 4, 2)  # a digit turned by 60 degrees counter-clockwise
CORNERS = ((1, 0), (0, 1), (-1, -1))  # the i, j and k axes
AROUND = (3, 5, 4, 6, 2)  # digits of a pentagon counter-clockwise, from the one into its home face
RAD = 180 / math.pi
AP7_ANGLE = 0.3334731722518321  # asin(sqrt(3 / 28)): how far odd resolutions are turned

Vector = tuple[float, float, float]
Point = tuple[int, int]


def vector(lat: float, lng: float) -> Vector:
    """The point of the unit sphere at a latitude and longitude in degrees."""
    lat, lng = lat / RAD, lng / RAD
    return math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng), math.sin(lat)


def latlng(v: Vector) -> tuple[float, float]:
    """Latitude and longitude in degrees."""
    return math.atan2(v[2], math.hypot(v[0], v[1])) * RAD, math.atan2(v[1], v[0]) * RAD


def dot(a: Vector, b: Vector) -> float:
    """The scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """The vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def combine(*terms: tuple[float, Vector]) -> Vector:
    """The weighted sum of vectors."""
    x, y, z = (math.fsum(w * v[n] for w, v in terms) for n in range(3))
    return x, y, z


def unit(v: Vector) -> Vector:
    """The vector scaled to length 1."""
    return combine((1 / math.sqrt(dot(v, v)), v))


def turned(p: Point, times: int) -> Point:
    """A lattice point turned counter-clockwise by 60 degrees, `times` times."""
    for _ in range(times % 6):
        p = p[0] - p[1], p[0]
    return p


def turned_digit(digit: int, times: int) -> int:
    """A digit turned in the same way."""
    for _ in range(times % 6):
        digit = TURN[digit]
    return digit


def turns_between(start: int, end: int) -> int:
    """How many turns take one digit to another."""
    return next(n for n in range(6) if turned_digit(start, n) == end)


def cube(p: Point) -> tuple[int, int, int]:
    """The cube coordinates i, j, k of a lattice point: none negative, at least one 0."""
    low = min(p[0], p[1], 0)
    return p[0] - low, p[1] - low, -low


def entry(p: Point) -> int:
    """The place of a lattice point in the tables of a face."""
    i, j, k = cube(p)
    return 9 * i + 3 * j + k


def child(cell: int, digit: int) -> int:
    """The child of a base cell in the direction of a digit."""
    return (cell & ~(0xF << 52) & ~(7 << 42)) | (1 << 52) | (digit << 42)


def base_cell(number: int) -> int:
    """The id of a base cell."""
    return (1 << 59) | (number << 45) | ((1 << 45) - 1)


class Tables:
    """All tables; each is an attribute in capitals, listed in NAMES."""

    def __init__(self) -> None:
        self.centres = [vector(*h3.cell_to_latlng(base_cell(b))) for b in range(122)]
        self.PENTAGONS = tuple(b for b in range(122) if h3.is_pentagon(base_cell(b)))
        self._faces()
        self._neighbour_faces()
        self._base_cells()
        self._pentagon_turns()
        self._charts()
        self._neighbour_cells()
        self._doubles()

    def _faces(self) -> None:
        """Corners of each face as base cells, in the order of the axes i, j, k."""
        self.corners: list[tuple[int, ...]] = [()] * 20
        edge = max(dot(self.centres[a], self.centres[b]) for a in self.PENTAGONS
                   for b in self.PENTAGONS if a != b) - 1e-9  # fmt: skip
        for trio in itertools.combinations(self.PENTAGONS, 3):
            if all(dot(self.centres[a], self.centres[b]) > edge for a, b in
                   itertools.combinations(trio, 2)):  # fmt: skip
                middle = unit(combine(*((1, self.centres[c]) for c in trio)))
                cell = h3.latlng_to_cell(*latlng(middle), 0)
                (face,) = h3.get_icosahedron_faces(cell)
                if dot(cross(*(self.centres[c] for c in trio[:2])), self.centres[trio[2]]) < 0:
                    trio = (trio[0], trio[2], trio[1])  # counter-clockwise
                first = self._toward(middle, cell, 4, trio)
                self.corners[face] = trio[first:] + trio[:first]
        self.middles = [
            unit(combine(*((1, self.centres[c]) for c in corners))) for corners in self.corners
        ]

    def _toward(self, middle: Vector, cell: int, digit: int, choices: tuple[int, ...]) -> int:
        """Which of the pentagons lies in the direction of a child."""
        seen = vector(*h3.cell_to_latlng(child(cell, digit)))
        along = combine((1, seen), (-1, middle))
        return max(range(len(choices)), key=lambda n: dot(along, self.centres[choices[n]]))

    def _neighbour_faces(self) -> None:
        """Beyond the side where k, i or j is 0: (face, turns, shift) per face and side."""
        sides = []
        for corners in self.corners:
            row = []
            for side in range(3):
                ends = corners[side], corners[(side + 1) % 3]
                (other,) = (
                    f
                    for f in range(20)
                    if set(ends) <= set(self.corners[f]) and self.corners[f] != corners
                )
                start, end = (CORNERS[self.corners[other].index(c)] for c in ends)
                old, new = CORNERS[side], CORNERS[(side + 1) % 3]
                step = new[0] - old[0], new[1] - old[1]
                there = end[0] - start[0], end[1] - start[1]
                turns = next(n for n in range(6) if turned(step, n) == there)
                moved = turned(old, turns)
                shift = 2 * (start[0] - moved[0]), 2 * (start[1] - moved[1])
                row.append((other, turns, *shift))
            sides.append(tuple(row))
        self.FACE_NEIGHBORS = tuple(sides)

    def _beyond(self, face: int, p: Point) -> tuple[int, Point, int]:
        """A lattice point of resolution 0 beyond a side: (face, point, turns) on the next face."""
        i, _, k = cube(p)
        side = 0 if k == 0 else 1 if i == 0 else 2
        other, turns, a, b = self.FACE_NEIGHBORS[face][side]
        q = turned(p, turns)
        return other, (q[0] + a, q[1] + b), turns

    def _place(self, face: int, p: Point) -> Vector:
        """Where a lattice point of resolution 0 is on the sphere."""
        axes = [self.centres[c] for c in self.corners[face]]
        i, j, k = cube(p)
        rest = (2 - i - j - k) / 3
        return unit(
            combine(*(((n + rest) / 2, axis) for n, axis in zip((i, j, k), axes, strict=True)))
        )

    def _base_cells(self) -> None:
        """Base cell and turns of each entry of each face; home of each base cell."""
        near = range(-2, 3)
        points = [(a, b) for a in near for b in near if max(cube((a, b))) <= 2]
        inside = [p for p in points if sum(cube(p)) <= 2]
        cells: list[list[int]] = [[-1] * 27 for _ in range(20)]
        found: dict[int, list[tuple[int, Point]]] = {b: [] for b in range(122)}
        for face, p in itertools.product(range(20), inside):
            cell = h3.latlng_to_cell(*latlng(self._place(face, p)), 0)
            cells[face][entry(p)] = h3.get_base_cell_number(cell)
            found[cells[face][entry(p)]].append((face, p))
        homes = [self._home(b, found[b]) for b in range(122)]
        self.HOMES = tuple((face, *p) for face, p in homes)
        turns = [[0] * 27 for _ in range(20)]
        for face, p in itertools.product(range(20), inside):
            home = homes[cells[face][entry(p)]][0]
            if home != face and cube(p).count(0) == 1:
                turns[face][entry(p)] = self._beyond(face, p)[2]
        for face, p in itertools.product(range(20), points):
            if p not in inside:
                other, q, n = self._beyond(face, p)
                cells[face][entry(p)] = cells[other][entry(q)]
                turns[face][entry(p)] = (n + turns[other][entry(q)]) % 6
        self.FACE_CELLS = tuple(map(tuple, cells))
        self.turns = turns

    def _home(self, b: int, found: list[tuple[int, Point]]) -> tuple[int, Point]:
        """The face whose axes give the directions of the children of base cell `b`."""
        digit = 3 if b in self.PENTAGONS else 4
        seen = vector(*h3.cell_to_latlng(child(base_cell(b), digit)))
        along = combine((1, seen), (-1, self.centres[b]))

        def agreement(place: tuple[int, Point]) -> float:
            face = place[0]
            if digit == 3:
                return dot(along, self.middles[face])
            return dot(along, combine((1, self.centres[self.corners[face][0]]),
                                      (-1, self.middles[face])))  # fmt: skip

        return max(found, key=agreement)

    def _pentagon_turns(self) -> None:
        """FACE_TURNS[face][entry][first digit]: turns into the axes of the base cell."""
        table = [[[n] * 7 for n in row] for row in self.turns]
        self.sectors: dict[tuple[int, int], tuple[int, Point, int]] = {}
        for b in self.PENTAGONS:
            face = self.HOMES[b][0]
            for around, digit in enumerate(AROUND):
                corner = self.corners[face].index(b)
                p = 2 * CORNERS[corner][0], 2 * CORNERS[corner][1]
                inward = turned_digit(UNITS.index(CORNERS[corner]), 3)
                self.sectors[b, digit] = face, p, turns_between(digit, inward)
                for n in (-2, -1, 0, 1, 2):
                    seen = turned_digit(inward, n)
                    meant = AROUND[(around + n) % 5]
                    table[face][entry(p)][seen] = turns_between(seen, meant)
                side = (corner + 2) % 3  # the next face counter-clockwise about the corner
                face = self.FACE_NEIGHBORS[face][side][0]
            assert face == self.HOMES[b][0]
        self.FACE_TURNS = tuple(tuple(map(tuple, row)) for row in table)

    def _charts(self) -> None:
        """CHARTS[base cell][first digit]: (face, a, b, turns, yielded): where to lay out that part.

        A cell whose centre is on a side of two faces is on the one nearer to home, going around
        the pentagon: bit n of `yielded` says that side n belongs to the face beyond.
        """
        charts = []
        for b in range(122):
            row = [(*self.HOMES[b], 0, 0)] * 7
            for digit in AROUND if b in self.PENTAGONS else ():
                face, p, turns = self.sectors[b, digit]
                corner = self.corners[face].index(b)
                back, on = 1 << corner, 1 << (corner + 2) % 3  # sides, seen counter-clockwise
                yielded = {3: 0, 5: back, 4: back | on, 6: on, 2: on}[digit]
                row[digit] = (face, *p, turns, yielded)
            charts.append(tuple(row))
        self.CHARTS = tuple(charts)

    def _neighbour_cells(self) -> None:
        """Base cell in the direction of a digit (127: none), and turns into its axes."""
        cells = [[127] * 7 for _ in range(122)]
        turns = [[0] * 7 for _ in range(122)]
        for b, digit in itertools.product(range(122), range(7)):
            if b in self.PENTAGONS and digit == 1:
                continue
            face, p, q, first, _ = self.CHARTS[b][digit]
            seen = turned_digit(digit, first)
            at = entry((p + UNITS[seen][0], q + UNITS[seen][1]))
            cells[b][digit] = self.FACE_CELLS[face][at]
            then = self.FACE_TURNS[face][at][turned_digit(seen, 3)]
            turns[b][digit] = (first + then) % 6 if digit else 0
        self.CELL_NEIGHBORS = tuple(map(tuple, cells))
        self.CELL_NEIGHBOR_TURNS = tuple(map(tuple, turns))

    def _doubles(self) -> None:
        """FACE_CENTERS, FACE_NORTH, FACE_EAST: unit vectors; FACE_AZIMUTHS of the i axes."""
        frames = [self._frame(face) for face in range(20)]
        self.FACE_CENTERS, self.FACE_NORTH, self.FACE_EAST, self.FACE_AZIMUTHS = zip(
            *frames, strict=True
        )

    def _frame(self, face: int) -> tuple[Vector, Vector, Vector, float]:
        """The doubles of a face, told from their neighbours by centres of cells."""
        home = next(b for b in range(122) if self.HOMES[b] == (face, 0, 0))
        digits = list(itertools.product(range(7), repeat=3))
        cells = [(base_cell(home) & ~(0xF << 52) & ~(0o777 << 36)) | (3 << 52) | (d << 42)
                 | (e << 39) | (f << 36) for d, e, f in digits]  # fmt: skip
        seen = [h3.cell_to_latlng(cell) for cell in cells]
        # the farther away, the sooner a last bit shows; the centre itself first
        order = [0, *sorted(range(1, len(cells)), key=lambda n: -digits[n][0] % 7)]
        middle = self.middles[face]
        axis = self.centres[self.corners[face][0]]
        spread = [[round(x + n * 1e-16, 16) for n in range(-3, 4)] for x in middle]
        north, east = frame(middle)
        azimuth = math.atan2(dot(axis, east), dot(axis, north)) % (2 * math.pi)
        step = math.ulp(azimuth)
        count = math.ceil(1e-15 / step)
        azimuths = sorted(
            (azimuth + n * step for n in range(-count, count + 1)), key=lambda x: abs(x - azimuth)
        )
        best: tuple[int, Vector, float] = (-1, middle, azimuth)
        for centre in {(x, y, z): None for x in spread[0] for y in spread[1] for z in spread[2]}:
            if (math.asin(centre[2]) * RAD, math.atan2(centre[1], centre[0]) * RAD) != seen[0]:
                continue
            axes = frame(centre)
            for choice in azimuths:
                score = sum(centre_of(centre, axes, choice, digits[n]) == seen[n] for n in order)
                if score > best[0]:
                    best = (score, centre, choice)
        self.agreement = min(getattr(self, "agreement", 1.0), best[0] / len(cells))
        return (best[1], *frame(best[1]), best[2])


def frame(c: Vector) -> tuple[Vector, Vector]:
    """North and east at a point of the sphere."""
    north = combine((1, (-c[2] * c[0], -c[2] * c[1], -c[2] * c[2] + 1.0)))
    scale = 1 / math.sqrt(north[0] * north[0] + north[1] * north[1] + north[2] * north[2])
    north = north[0] * scale, north[1] * scale, north[2] * scale
    return north, cross(north, c)


def centre_of(
    c: Vector, axes: tuple[Vector, Vector], azimuth: float, digits: tuple[int, ...]
) -> tuple[float, float]:
    """Latitude and longitude of a cell of resolution 3 in the base cell amid a face."""
    a = b = 0
    for n, digit in enumerate(digits):
        if n % 2 == 0:
            a, b = 2 * a + b, 3 * b - a  # the axes of odd resolutions are turned by AP7_ANGLE
        else:
            a, b = 3 * a - b, a + 2 * b
        a, b = a + UNITS[digit][0], b + UNITS[digit][1]
    x, y = a - 0.5 * b, b * 0.8660254037844386
    r = math.sqrt(x * x + y * y)
    if r == 0:
        v = c
    else:
        theta = math.atan2(y, x)
        for _ in digits:
            r *= 0.37796447300922725  # 1 / sqrt(7)
        r = math.atan(r * 0.381966011250105)
        theta = positive(azimuth - positive(theta + AP7_ANGLE))
        north, east = axes
        s, t, u, w = math.cos(theta), math.sin(theta), math.sin(r), math.cos(r)
        p, q, z = ((north[n] * s + east[n] * t) * u + c[n] * w for n in range(3))
        scale = 1 / math.sqrt(p * p + q * q + z * z)
        v = p * scale, q * scale, z * scale
    return math.asin(v[2]) * RAD, math.atan2(v[1], v[0]) * RAD


def positive(angle: float) -> float:
    """An angle brought into [0, 2 pi]."""
    if angle < 0:
        return angle + 2 * math.pi
    return angle - 2 * math.pi if angle >= 2 * math.pi else angle


INTEGERS = {
    "PENTAGONS": "The base cells that are pentagons.",
    "HOMES": "The face of a base cell, and its place (a, b) there at resolution 0.",
    "CHARTS": "(face, a, b, turns, yielded): where to lay out what is behind a first digit.",
    "FACE_CELLS": "The base cell at place 9*i + 3*j + k of a face; -1: not in normal form.",
    "FACE_TURNS": "By face, place and first digit: turns from there to the axes of the base cell.",
    "FACE_NEIGHBORS": "(face, turns, a, b) beyond the sides k = 0, i = 0, j = 0 of a face.",
    "CELL_NEIGHBORS": "The base cell in the direction of a digit; 127: none.",
    "CELL_NEIGHBOR_TURNS": "Turns from the axes of a base cell to those of this neighbour.",
}
DOUBLES = {
    "FACE_CENTERS": "The centre of a face, a unit vector.",
    "FACE_NORTH": "North at the centre of a face.",
    "FACE_EAST": "East there.",
    "FACE_AZIMUTHS": "The azimuth of the i axis there, in radians.",
}
SIDES = (
    "Beyond side 0, 1, 2 of a face, and on it (3): the face, and the affine map of places to it."
)
CLIMBS = "Two digits at once: see climbs_of."
DESCENTS = "Where two digits, an odd and an even one, lead: a + 2^32 b."
NEAREST = "The nearest face, by the signs that nearest_of tells of."
AXES = {
    "MIRRORS": "Normals of three mirror planes of the icosahedron, at right angles to each other.",
    "FACE_X": "The x axis of a face: of even, then of odd resolutions.",
    "FACE_Y": "The y axis.",
    "FACE_STEPS": (
        "The same maps to space: origin, steps of a and b on the grid of corners of resolution 16."
    ),
}


def axes_of(tables: Tables) -> dict[str, tuple[object, ...]]:
    """FACE_X and FACE_Y: tangent vectors along the x and y axes of a face, by class and face."""
    found: dict[str, tuple[object, ...]] = {}
    for name, turn in (("FACE_X", 0.0), ("FACE_Y", math.pi / 2)):
        found[name] = tuple(
            tuple(
                combine((math.cos(az - turn - odd), north), (math.sin(az - turn - odd), east))
                for az, north, east in zip(
                    tables.FACE_AZIMUTHS, tables.FACE_NORTH, tables.FACE_EAST, strict=True
                )
            )
            for odd in (0.0, AP7_ANGLE)
        )
    return found


def sides_of(tables: Tables) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """FACE_SIDES: (face, rows of the matrix, shift), shift in steps of resolution 0."""
    sides = []
    for face in range(20):
        row = []
        for other, turns, a, b in (*tables.FACE_NEIGHBORS[face], (face, 0, 0, 0)):
            (p, q), (r, s) = turned((1, 0), turns), turned((0, 1), turns)
            row.append((other, p, r, q, s, a, b))
        sides.append(tuple(row))
    return tuple(sides)


def steps_of(tables: Tables) -> tuple[object, ...]:
    """FACE_STEPS: the maps of `sides_of`, followed by the gnomonic projection back."""
    unit_step = 0.381966011250105
    fine = unit_step / 7**8 / 3
    table = []
    for row in sides_of(tables):
        steps = []
        for face, p, r, q, s, a, b in row:
            north, east = tables.FACE_NORTH[face], tables.FACE_EAST[face]
            azimuth = tables.FACE_AZIMUTHS[face]
            one, two = (
                combine((math.cos(azimuth - turn), north), (math.sin(azimuth - turn), east))
                for turn in (0.0, 2 * math.pi / 3)
            )
            origin = combine(
                (1.0, tables.FACE_CENTERS[face]), (a * unit_step, one), (b * unit_step, two)
            )
            first, second = (combine((m * fine, one), (n * fine, two)) for m, n in ((p, q), (r, s)))
            steps.append((*origin, *first, *second))
        table.append(tuple(steps))
    return tuple(table)


def nearest_of(tables: Tables) -> tuple[tuple[Vector, ...], tuple[int, ...]]:
    """MIRRORS and NEAREST_FACES: the nearest face without 20 products.

    Along the axes of three mirror planes the centres of the faces are, but for a factor, (+-1, +-1,
    +-1) and (0, +-1/g, +-g) with its cyclic shifts, g being the golden ratio. So of a point whose
    absolute coordinates are x, y, z the nearest is, but for signs, (1, 1, 1), or (0, 1/g, g) if
    d0 = x + (1 - 1/g) y - 1/g z is negative, or its shift if d1 or d2 (x, y, z shifted) is. Bits 0
    to 2 of the index are the signs of the coordinates, bits 3 to 5 those of d0, d1, d2.
    """
    golden = (1 + math.sqrt(5)) / 2
    middles = [
        unit(combine((1, a), (1, b)))
        for a, b in itertools.combinations(tables.FACE_CENTERS, 2)
        if dot(a, b) > 0.7
    ]
    for mirrors in itertools.permutations(middles, 3):
        if any(abs(dot(a, b)) > 1e-9 for a, b in itertools.combinations(mirrors, 2)):
            continue
        seen = [[dot(c, m) * math.sqrt(3) for m in mirrors] for c in tables.FACE_CENTERS]
        if all(abs(y) < 1.5 for x, y, _ in seen if abs(x) < 0.1):
            break
    patterns = ((1.0, 1.0, 1.0), (0.0, 1 / golden, golden), (1 / golden, golden, 0.0),
                (golden, 0.0, 1 / golden))  # fmt: skip
    faces = []
    for index in range(64):
        signs = [-1 if index >> n & 1 else 1 for n in range(3)]
        pattern = patterns[(index >> 3).bit_length()]
        like = [s * p for s, p in zip(signs, pattern, strict=True)]
        faces.append(max(range(20), key=lambda f: sum(map(float.__mul__, like, seen[f]))))
    return mirrors, tuple(faces)


def descended(digits: tuple[int, int]) -> Point:
    """Where a digit of an odd resolution and the next one lead, in steps of the finer one."""
    a, b = UNITS[digits[0]]
    a, b = 3 * a - b, a + 2 * b
    return a + UNITS[digits[1]][0], b + UNITS[digits[1]][1]


def descents_of() -> tuple[int, ...]:
    """DESCENTS, by the 6 bits of two digits."""
    return tuple(
        a + (b << 32)
        for n in range(64)
        for a, b in [(0, 0) if 7 in (n >> 3, n & 7) else descended((n >> 3, n & 7))]
    )


def climbs_of() -> tuple[int, ...]:
    """CLIMBS: two digits at a time from a lattice point of an even resolution.

    Two resolutions up, the lattice is 7 times as coarse and not turned: the remainders of a and b
    by 7 tell both digits, and what is to be added to the quotients, which is 0 or 1. That is the
    carry into the next step, as in long division. By carry of b, carry of a, and 7 times the
    remainder of a plus that of b: the same carries (bits 7 and 6) and the digits.
    """
    places = {}
    for pair in itertools.product(range(7), range(7)):
        a, b = descended(pair)
        places[a % 7, b % 7] = (*pair, a, b)
    climbs = [0] * 256
    for carry_b, carry_a, x, y in itertools.product(range(2), range(2), range(7), range(7)):
        a, b = x + carry_a, y + carry_b
        high, low, p, q = places[a % 7, b % 7]
        up_a, up_b = (a - p) // 7, (b - q) // 7
        assert {up_a, up_b} <= {0, 1}
        climbs[128 * carry_b + 64 * carry_a + 7 * x + y] = 128 * up_b + 64 * up_a + 8 * high + low
    return tuple(climbs)


def shape(value: object) -> list[int]:
    """The lengths of nested tuples."""
    return [len(value), *shape(value[0])] if isinstance(value, tuple) else []


def wrapped(value: object, brackets: str, indent: str) -> str:
    """A nested tuple in lines of up to 98 characters."""
    text = repr(value).replace(" ", "").translate(str.maketrans("()", brackets))
    lines, line = [], indent
    for part in text[1:-1].replace(",", ", ").split(" "):
        if len(line) + len(part) > 97:
            lines.append(line.rstrip())
            line = indent
        line += part + " "
    return "\n".join([*lines, line.rstrip()])


def python_text(tables: Tables) -> str:
    """The module with the tables."""
    parts = [
        '"""Tables of geo.h3, written by tools/derive_h3_tables.py, which tells what they are."""',
        "# fmt: off",
    ]
    for name, meaning in {**INTEGERS, **DOUBLES}.items():
        body = wrapped(getattr(tables, name), "()", "    ")
        parts.append(f"#: {meaning}\n{name} = (\n{body},\n)".replace(",,", ","))
    return "\n\n".join(parts) + "\n"


def c_texts(tables: Tables) -> tuple[str, str]:
    """The header and the source with the tables."""
    head = [
        "/* Tables of H3, written by tools/derive_h3_tables.py, which tells what they are and how\n"
        " * they follow from an icosahedron and a few questions to the h3 package. Coordinates\n"
        " * (a, b) stand for a*u(0 degrees) + b*u(120 degrees) on a face; a turn is 60 degrees\n"
        " * counter-clockwise, (a, b) -> (a - b, a). */",
        "#ifndef FB_GEO_H3_TABLES_H\n#define FB_GEO_H3_TABLES_H",
        "#include <stdint.h>",
    ]
    body = ["/* Written by tools/derive_h3_tables.py. */", '#include "h3_tables.h"']
    values = {n: getattr(tables, n) for n in (*INTEGERS, *DOUBLES)}
    values |= {**axes_of(tables), "FACE_SIDES": sides_of(tables), "FACE_STEPS": steps_of(tables)}
    values["MIRRORS"], values["NEAREST_FACES"] = nearest_of(tables)
    values |= {"CLIMBS": climbs_of(), "DESCENTS": descents_of()}
    integers = {**INTEGERS, "FACE_SIDES": SIDES, "NEAREST_FACES": NEAREST}
    kinds = {"CLIMBS": "uint8_t", "DESCENTS": "int64_t"} | dict.fromkeys(integers, "int8_t")
    wide = {"CLIMBS": CLIMBS, "DESCENTS": DESCENTS}
    for name, meaning in {**integers, **wide, **DOUBLES, **AXES}.items():
        kind = kinds.get(name, "double")
        size = "".join(f"[{n}]" for n in shape(values[name]))
        declared = f"const {kind} fb_h3_{name.lower()}{size}"
        head.append(f"/* {meaning} */\nextern {declared};")
        body.append(f"{declared} = {{\n{wrapped(values[name], '{}', '    ')}\n}};")
    head.append("#endif")
    return "\n\n".join(head) + "\n", "\n\n".join(body) + "\n"


def main() -> int:
    """Writes the files, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    tables = Tables()
    header, source = c_texts(tables)
    texts = {
        "src/fastblocks/pure/geo/_h3_tables.py": python_text(tables),
        "csrc/geo/h3_tables.h": header,
        "csrc/geo/h3_tables.c": source,
    }
    status = 0
    for name, text in texts.items():
        path = ROOT / name
        if not check:
            path.write_text(text)
        elif path.read_text() != text:
            print(f"{name} differs")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
