"""S2 cells: numbers that stand for the squares of six nested grids on the faces of a cube.

A cell id is, from the highest bit: 3 bits for the face, 2 bits for each of its levels (the position
along a Hilbert curve), a 1 bit, and zeros.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from fastblocks._core import check
from fastblocks._core.columns import Batch
from fastblocks._core.sphere import AREA_UNITS

MAX_LEVEL = 30
SIZE = 1 << MAX_LEVEL  # leaf cells along the side of a face
SWAP, INVERT = 1, 2  # how the Hilbert curve lies in a cell: i and j exchanged, both mirrored
POSITIONS = ((0, 1, 3, 2), (0, 3, 1, 2), (2, 3, 1, 0), (2, 1, 3, 0))  # [orientation][2 * i + j]
TURNS = (SWAP, 0, 0, SWAP | INVERT)  # of the curve in the child at a position
VALID = "a valid S2 cell"

# ---- the sphere, the cube and its faces ----------------------------------------------------------


def latlng_to_point(lat: float, lng: float) -> tuple[float, float, float]:
    """Return the point of the unit sphere."""
    if abs(lng) > 180:
        lng = math.remainder(lng, 360)
    phi, theta = math.pi / 180 * lat, math.pi / 180 * lng
    cosine = math.cos(phi)
    return math.cos(theta) * cosine, math.sin(theta) * cosine, math.sin(phi)


def point_to_latlng(x: float, y: float, z: float) -> tuple[float, float]:
    """Return the latitude and longitude of a point, which need not be of length 1."""
    lat = math.atan2(z + 0.0, math.sqrt(x * x + y * y))
    lng = math.atan2(y + 0.0, x + 0.0)
    return 180 / math.pi * lat, 180 / math.pi * lng


def face_of(x: float, y: float, z: float) -> int:
    """Return the face of the cube that a point is on: the one of its largest coordinate."""
    axis = 0 if abs(x) > abs(y) else 1
    if abs((x, y)[axis]) <= abs(z):
        axis = 2
    return axis + 3 if (x, y, z)[axis] < 0 else axis


def to_face(face: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return a point in the axes of a face: to the right, up, and out of it."""
    return (
        (y, z, x),
        (-x, z, y),
        (-x, -y, z),
        (-z, -y, -x),
        (-z, x, -y),
        (y, x, -z),
    )[face]


def from_face(face: int, u: float, v: float, w: float = 1.0) -> tuple[float, float, float]:
    """Undo `to_face`."""
    return (
        (w, u, v),
        (-u, w, v),
        (-u, -v, w),
        (-w, -v, -u),
        (v, -w, -u),
        (v, u, -w),
    )[face]


def st_to_uv(s: float) -> float:
    """Map [0, 1] to [-1, 1] so that cells have similar areas."""
    return 1 / 3 * (4 * s * s - 1) if s >= 0.5 else 1 / 3 * (1 - 4 * (1 - s) * (1 - s))


def uv_to_st(u: float) -> float:
    """Undo `st_to_uv`."""
    return 0.5 * math.sqrt(1 + 3 * u) if u >= 0 else 1 - 0.5 * math.sqrt(1 - 3 * u)


def st_to_index(s: float) -> int:
    """Return which of the leaf cells along a side holds s."""
    return max(0, min(SIZE - 1, math.floor(SIZE * s)))


# ---- ids -----------------------------------------------------------------------------------------


def low_bit(cell: int) -> int:
    """Return the lowest 1 bit, which tells the level."""
    return cell & -cell


def bit_of(level: int) -> int:
    """Return the lowest 1 bit of the cells of a level."""
    return 1 << 2 * (MAX_LEVEL - level)


def valid(cell: int) -> bool:
    """Tell whether a number is the id of a cell."""
    return cell >> 61 < 6 and low_bit(cell) & 0x1555555555555555 != 0


def level_of(cell: int) -> int:
    """Return the level of a cell."""
    return MAX_LEVEL - (low_bit(cell).bit_length() - 1) // 2


def ancestor(cell: int, level: int) -> int:
    """Return the cell of a level, at or above the cell's own, that holds a cell."""
    bit = bit_of(level)
    return cell & -bit | bit


def leaf_at(face: int, i: int, j: int) -> int:
    """Return the leaf cell in column i and row j of a face."""
    orientation, position = face & SWAP, 0
    for k in reversed(range(MAX_LEVEL)):
        turn = POSITIONS[orientation][2 * (i >> k & 1) + (j >> k & 1)]
        position = 4 * position + turn
        orientation ^= TURNS[turn]
    return face << 61 | 2 * position + 1


def place_of(cell: int) -> tuple[int, int, int, int]:
    """Return the face of a cell, the column and row of its lowest leaf, its width in leaves."""
    face, level = cell >> 61, level_of(cell)
    orientation, i, j = face & SWAP, 0, 0
    for k in range(level):
        turn = cell >> 59 - 2 * k & 3
        ij = POSITIONS[orientation].index(turn)
        i, j = 2 * i + (ij >> 1), 2 * j + (ij & 1)
        orientation ^= TURNS[turn]
    size = SIZE >> level
    return face, i * size, j * size, size


def leaf_around(face: int, i: int, j: int) -> int:
    """Return the leaf cell at a column and row that may lie beyond the edge of the face."""
    if 0 <= i < SIZE and 0 <= j < SIZE:
        return leaf_at(face, i, j)
    most = 1 + 2.0**-52  # just beyond the edge, on a cube whose faces have equal squares
    u, v = (max(-most, min(most, (2 * (x - SIZE // 2) + 1) / SIZE)) for x in (i, j))
    point = from_face(face, u, v)
    face = face_of(*point)
    u, v, w = to_face(face, *point)
    return leaf_at(face, st_to_index(0.5 * (u / w + 1)), st_to_index(0.5 * (v / w + 1)))


def leaf_of_point(x: float, y: float, z: float) -> int:
    """Return the leaf cell that holds a point."""
    face = face_of(x, y, z)
    u, v, w = to_face(face, x, y, z)
    return leaf_at(face, st_to_index(uv_to_st(u / w)), st_to_index(uv_to_st(v / w)))


def bounds(cell: int) -> tuple[int, float, float, float, float]:
    """Return the face of a cell and its sides on it: left, right, lower, upper."""
    face, i, j, size = place_of(cell)
    left, right, lower, upper = (st_to_uv(k / SIZE) for k in (i, i + size, j, j + size))
    return face, left, right, lower, upper


def unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return a vector divided by its length."""
    scale = 1 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


def vertices(cell: int) -> list[tuple[float, float, float]]:
    """Return the four vertices of a cell as points of the sphere, counter-clockwise."""
    face, left, right, lower, upper = bounds(cell)
    corners = ((left, lower), (right, lower), (right, upper), (left, upper))
    return [unit(*from_face(face, u, v)) for u, v in corners]


def span(low: int, size: int) -> float:
    """Return the length on the face of the leaves [low, low + size): `st_to_uv`'s difference."""
    if size == SIZE:
        return 2.0
    s, t = low / SIZE, (low + size) / SIZE
    return 4 / 3 * (t - s) * (t + s if s >= 0.5 else 2 - t - s)


def triangle(area: float, a: float, b: float, c: float, ab: float, bc: float, ca: float) -> float:
    """Return the solid angle of three vectors.

    From their determinant, their lengths and their dot products.
    """
    return 2 * math.atan2(area, a * b * c + ab * c + bc * a + ca * b)


def steradians(cell: int) -> float:
    """Return the area of a cell on the unit sphere: that of two triangles."""
    _, i, j, size = place_of(cell)
    _, u0, u1, v0, v1 = bounds(cell)
    area = span(i, size) * span(j, size)
    a, b, c, d = (math.sqrt(1 + u * u + v * v) for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1)))
    ab, bc = 1 + u0 * u1 + v0 * v0, 1 + u1 * u1 + v0 * v1
    cd, da = 1 + u0 * u1 + v1 * v1, 1 + u0 * u0 + v0 * v1
    ca = 1 + u0 * u1 + v0 * v1
    return triangle(area, a, b, c, ab, bc, ca) + triangle(area, a, c, d, ca, cd, da)


def edge_neighbors_of(cell: int) -> list[int]:
    """Return the cells beyond the lower, right, upper and left side."""
    face, i, j, size = place_of(cell)
    places = ((i, j - size), (i + size, j), (i, j + size), (i - size, j))
    return [ancestor(leaf_around(face, *place), level_of(cell)) for place in places]


def all_neighbors_of(cell: int) -> list[int]:
    """Return the cells that share a side or a vertex, row by row from below."""
    face, i, j, size = place_of(cell)
    around = [
        ancestor(leaf_around(face, i + x * size, j + y * size), level_of(cell))
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if x or y
    ]
    return list(dict.fromkeys(around))  # beyond a corner of the cube there is no cell


def vertex_neighbors_of(leaf: int, level: int) -> list[int]:
    """Return the cells of a level, above 30, around the vertex next to a leaf cell."""
    face, i, j, size = place_of(ancestor(leaf, level))
    _, at_i, at_j, _ = place_of(leaf)
    x = size if at_i - i >= size // 2 else -size
    y = size if at_j - j >= size // 2 else -size
    places = ((i, j), (i + x, j), (i, j + y), (i + x, j + y))
    return [ancestor(leaf_around(face, *place), level) for place in places]


def descendants(cell: int, level: int) -> range:
    """Return the cells of a level, at or below the cell's own, that a cell holds."""
    own, bit = low_bit(cell), bit_of(level)
    return range(cell - own + bit, cell + own, 2 * bit)


def token_of(cell: int) -> str:
    """Return an id in hexadecimal digits, without the zeros at the end."""
    return f"{cell:016x}".rstrip("0")


def holds(a: int, b: int) -> bool:
    """Tell whether cell a is cell b or an ancestor of it."""
    return abs(b - a) < low_bit(a)


def normal_form(cells: list[int]) -> list[int]:
    """Return the fewest cells that cover the same leaves, in order."""
    kept: list[int] = []
    for cell in sorted(set(cells)):
        while kept and holds(cell, kept[-1]):
            kept.pop()
        if kept and holds(kept[-1], cell):
            continue
        kept.append(cell)
        while len(kept) >= 4 and level_of(kept[-1]) > 0:
            parent = ancestor(kept[-1], level_of(kept[-1]) - 1)
            if kept[-4:] != list(descendants(parent, level_of(parent) + 1)):
                break
            kept[-4:] = [parent]
    return kept


# ---- what is public ------------------------------------------------------------------------------


def read_cells(batch: Any, name: str, cells: Any, low: int = 0, high: int = MAX_LEVEL) -> None:
    """Add a column of cells whose levels are in [low, high] to a batch, or raise."""
    batch.ids(name, cells)
    flat = batch.arrays[-1].ravel().tolist()
    for at, cell in enumerate(flat):
        if not valid(cell) or not low <= level_of(cell) <= high:
            alone = Batch()
            alone.ids(name, cells)
            alone.broadcast()
            raise alone.bad(0, at, what(low, high))


def what(low: int = 0, high: int = MAX_LEVEL) -> str:
    """Return what a cell must be, for the error."""
    if low:
        return f"{VALID} of level {low} or more"
    return f"{VALID} of level {high} or less" if high < MAX_LEVEL else VALID


def map_cells(function: Callable[[int], Any], cells: Any, dtype: Any, out: Any = None) -> Any:
    """Return `function` of every cell, given back in kind."""
    batch = Batch()
    read_cells(batch, "cell", cells)
    return batch.apply(function, dtype, out)


def lists(function: Callable[[int], Any], cells: Any, low: int = 0, high: int = MAX_LEVEL) -> Any:
    """Return what `function` gives for one cell as a list, for many as (values, offsets)."""
    import numpy as np

    batch = Batch()
    read_cells(batch, "cell", cells, low, high)
    batch.broadcast()
    if batch.shape == ():
        return list(function(batch.rows()[0][0]))
    check.one_dimension("cell", batch.shape)
    each = [list(function(cell)) for (cell,) in batch.rows()]
    offsets = np.cumsum([0, *map(len, each)], dtype=np.int64)
    return np.array([item for items in each for item in items], np.uint64), offsets


def latlng_to_cell(lat: Any, lng: Any, level: int = MAX_LEVEL, *, out: Any = None) -> Any:
    """Return the cell of a level that holds a point."""
    level = check.integer("level", level, 0, MAX_LEVEL)

    def one(lat: float, lng: float) -> int:
        return ancestor(leaf_of_point(*latlng_to_point(lat, lng)), level)

    batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    return batch.apply(one, "uint64", out)


def cell_to_latlng(cell: Any, *, out: Any = None) -> Any:
    """Return latitude and longitude of the middle of a cell."""

    def one(cell: int) -> tuple[float, float]:
        face, i, j, size = place_of(cell)
        u, v = (st_to_uv((2 * x + size) / (2 * SIZE)) for x in (i, j))
        return point_to_latlng(*from_face(face, u, v))

    return map_cells(one, cell, ("float64", "float64"), out)


def cell_to_token(cell: Any) -> Any:
    """Return the token of a cell: its id in hexadecimal digits without the zeros at the end."""
    return map_cells(token_of, cell, "S16")


def token_to_cell(token: Any, *, out: Any = None) -> Any:
    """Return the cell of a token."""
    batch = Batch()
    batch.texts("token", token)
    batch.broadcast()
    cells = []
    for at, (text,) in enumerate(batch.rows()):
        found = re.fullmatch("[0-9a-fA-F]{1,16}", text)
        if not found or not valid(int(text.ljust(16, "0"), 16)):
            raise batch.bad(0, at, "the token of an S2 cell")
        cells.append(int(text.ljust(16, "0"), 16))
    numbers: Iterator[int] = iter(cells)
    return batch.apply(lambda _: next(numbers), "uint64", out)


def level(cell: Any, *, out: Any = None) -> Any:
    """Return the level of a cell, 0 to 30."""
    return map_cells(level_of, cell, "int8", out)


def parent(cell: Any, level: int | None = None, *, out: Any = None) -> Any:
    """Return the cell of a level, by default one above, that holds a cell."""
    if level is not None:
        level = check.integer("level", level, 0, MAX_LEVEL)
    batch = Batch()
    read_cells(batch, "cell", cell, 1 if level is None else level)
    return batch.apply(
        lambda c: ancestor(c, level_of(c) - 1 if level is None else level), "uint64", out
    )


def children(cell: Any, level: int | None = None) -> Any:
    """Return the cells of a level, by default one below, that a cell holds."""
    if level is None:
        return lists(lambda c: descendants(c, level_of(c) + 1), cell, high=MAX_LEVEL - 1)
    deep = check.integer("level", level, 0, MAX_LEVEL)
    return lists(lambda c: descendants(c, deep), cell, high=deep)


def edge_neighbors(cell: Any, *, out: Any = None) -> Any:
    """Return the four cells beyond the sides of a cell: lower, right, upper, left."""
    batch = Batch()
    read_cells(batch, "cell", cell)
    cells = batch.scratch(out, "uint64", (4,))
    for row, (own,) in zip(cells.reshape(-1, 4), batch.rows(), strict=True):
        row[:] = edge_neighbors_of(own)
    return cells.tolist() if batch.shape == () and out is None else batch.give(cells, out)


def all_neighbors(cell: Any) -> Any:
    """Return the cells that share a side or a vertex with a cell."""
    return lists(all_neighbors_of, cell)


def boundary(cell: Any, *, out: Any = None) -> Any:
    """Return latitude and longitude of the vertices of a cell, counter-clockwise."""
    batch = Batch()
    read_cells(batch, "cell", cell)
    points = batch.scratch(out, "float64", (4, 2))
    for rows, (own,) in zip(points.reshape(-1, 4, 2), batch.rows(), strict=True):
        rows[:] = [point_to_latlng(*point) for point in vertices(own)]
    if batch.shape == () and out is None:
        return [tuple(point) for point in points.tolist()]
    return batch.give(points, out)


def cell_area(cell: Any, unit: str = "km^2", *, out: Any = None) -> Any:
    """Return the area of a cell."""
    scale = AREA_UNITS[check.choice("unit", unit, AREA_UNITS)]
    return map_cells(lambda c: steradians(c) * scale, cell, "float64", out)


def is_valid(cell: Any, *, out: Any = None) -> Any:
    """Tell whether a number is the id of a cell."""
    batch = Batch()
    batch.ids("cell", cell)
    return batch.apply(valid, "bool", out)


def contains(a: Any, b: Any, *, out: Any = None) -> Any:
    """Tell whether cell a is cell b or holds it."""
    return two_cells(a, b, holds, out)


def intersects(a: Any, b: Any, *, out: Any = None) -> Any:
    """Tell whether one of two cells is the other or holds it."""
    return two_cells(a, b, lambda x, y: holds(x, y) or holds(y, x), out)


def two_cells(a: Any, b: Any, function: Callable[[int, int], bool], out: Any) -> Any:
    """Return `function` of every two cells, given back in kind."""
    batch = Batch()
    read_cells(batch, "a", a)
    read_cells(batch, "b", b)
    return batch.apply(function, "bool", out)


def normalize(cells: Any) -> Any:
    """Return the fewest cells that cover what `cells` cover, in order."""
    import numpy as np

    batch = Batch()
    read_cells(batch, "cells", cells)
    batch.broadcast()
    check.one_dimension("cells", batch.shape)
    return np.array(normal_form([cell for (cell,) in batch.rows()]), np.uint64)
