"""The grid of H3 cells in plain Python: neighbours, disks, rings, distances.

Cells of one base cell lie on a plane lattice. A step adds a unit vector to the last digit, with a
carry to the digit before, as numbers are added; what is carried out of the first digit leads to a
neighbouring base cell, whose axes may be turned. A pentagon is a hexagon without the sector of
first digit 1, whose sides, towards the sectors 3 and 5, are glued together.
"""

from __future__ import annotations

from typing import Any

from fastblocks._core import check
from fastblocks._core.columns import Batch
from fastblocks.pure.geo import _h3_tables as tables
from fastblocks.pure.geo._h3_geometry import (
    DIGITS,
    PENTAGONS,
    UNITS,
    Point,
    coarser,
    digits_of,
    finer,
    turned,
    turned_digit,
)
from fastblocks.pure.geo._h3_index import (
    base_cell_of,
    first_digit,
    pentagon,
    ragged,
    resolution_of,
    with_cells,
    with_digits,
)

MAX_RADIUS = 13780510
WALK = (2, 3, 1, 5, 4, 6)  # the directions of a ring's sides
PLACES = {4: 0, 6: 1, 2: 2, 3: 3, 5: 5}  # the sectors of a pentagon counter-clockwise; 4 is missing


def turned_cell(cell: int, turns: int) -> int:
    """A cell with its digits turned counter-clockwise."""
    return with_digits(cell, [turned_digit(digit, turns % 6) for digit in digits_of(cell)])


def neighbor(cell: int, digit: int) -> tuple[int, int]:
    """The neighbour in the direction of a digit, 0 if none, and how its axes are turned."""
    base, sector, carry = base_cell_of(cell), first_digit(cell), digit
    digits = digits_of(cell)
    for n in range(len(digits) - 1, -1, -1):
        odd = n % 2 == 0
        p = UNITS[digits[n]][0] + UNITS[carry][0], UNITS[digits[n]][1] + UNITS[carry][1]
        above = coarser(p, odd)
        middle = finer(above, odd)
        digits[n] = DIGITS[p[0] - middle[0], p[1] - middle[1]]
        carry = DIGITS[above]
    cell = with_digits(cell, digits)
    missing = base in PENTAGONS and (first_digit(cell) if carry == 0 else carry) == 1
    if missing and sector == 0:
        return 0, 0
    turns = (1 if sector == 3 else 5) if missing else 0  # across the missing sector
    if carry == 0:
        return turned_cell(cell, turns), turns
    carry = turned_digit(carry, turns)
    to, turn = tables.CELL_NEIGHBORS[base][carry], tables.CELL_NEIGHBOR_TURNS[base][carry]
    turns += turn
    cell = turned_cell(cell, turns)
    cell = cell & ~(127 << 45) | to << 45
    if to in PENTAGONS and first_digit(cell) == 1:
        more = 1 if turned_digit(7 - carry, turn) == 3 else 5  # from the sector that base faces
        turns += more
        cell = turned_cell(cell, more)
    return cell, turns % 6


def neighbors(cell: int) -> set[int]:
    """The five or six neighbours of a cell."""
    return {neighbor(cell, digit)[0] for digit in range(1, 7)} - {0}


# ---- disks ---------------------------------------------------------------------------------------


def rings(cell: int, k: int) -> list[list[int]]:
    """The cells at 0, 1, ... k steps, each list ascending."""
    found = [[cell]]
    seen = {cell}
    for _ in range(k):
        ring = {near for one in found[-1] for near in neighbors(one)} - seen
        seen |= ring
        found.append(sorted(ring))
    return found


def walked_rings(cell: int, k: int) -> list[list[int]] | None:
    """The same, each list counter-clockwise from the i axis on; None if there is a pentagon."""
    if k > 0 and pentagon(cell):
        return None
    found = [[cell]]
    start, start_turns = cell, 0
    for n in range(1, k + 1):
        start, more = neighbor(start, turned_digit(4, start_turns))
        start_turns = (start_turns + more) % 6
        at, turns = start, start_turns
        ring = []
        for digit in WALK:
            for _ in range(n):
                if pentagon(at):
                    return None
                ring.append(at)
                at, more = neighbor(at, turned_digit(digit, turns))
                turns = (turns + more) % 6
        found.append(ring)
    return found


def disks(cell: Any, k: Any, first: Any) -> Any:
    """The rings from `first` to `k` around cells."""
    radius = check.integer("k", k, 0, MAX_RADIUS)
    batch = with_cells(Batch(), "cell", cell)
    batch.broadcast()
    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    lists = []
    for (one,) in batch.rows():
        found = walked_rings(one, radius) or rings(one, radius)
        lists.append([cell for ring in found[first(radius) :] for cell in ring])
    return ragged(batch, lists)


def grid_disk(cell: Any, k: int = 1) -> Any:
    """Return all cells within `k` steps. See `fastblocks.geo.h3.grid_disk`."""
    return disks(cell, k, lambda radius: 0)


def grid_ring(cell: Any, k: int = 1) -> Any:
    """Return the cells at `k` steps. See `fastblocks.geo.h3.grid_ring`."""
    return disks(cell, k, lambda radius: radius)


# ---- distances -----------------------------------------------------------------------------------


def point_of(cell: int, start: Point, turns: int) -> Point:
    """The lattice point of a cell, from one of resolution 0."""
    a, b = start
    for n, digit in enumerate(digits_of(cell)):
        step = UNITS[turned_digit(digit, turns)]
        a, b = finer((a, b), n % 2 == 0)
        a, b = a + step[0], b + step[1]
    return a, b


def steps_between(p: Point, q: Point) -> int:
    """The steps between points of the plane."""
    a, b = p[0] - q[0], p[1] - q[1]
    return max(abs(a), abs(b), abs(a - b))


def steps_around(p: Point, sector_p: int, q: Point, sector_q: int) -> int:
    """The steps between points in sectors of a pentagon: either way around it."""
    if sector_p == 0 or sector_q in (0, sector_p):
        return steps_between(p, q)
    start, end = PLACES[sector_p], PLACES[sector_q]
    between = (min(end, 4) - min(start, 4)) % 5
    ways = []
    if between <= 3:  # counter-clockwise
        ways.append(turned(q, (start + between - end) % 6))
    if between >= 2:  # clockwise
        ways.append(turned(q, (start - (5 - between) - end) % 6))
    return min(steps_between(p, way) for way in ways)


def distance(a: int, b: int) -> int:
    """The steps between cells of one resolution, or -1 if their base cells are apart."""
    if base_cell_of(b) in PENTAGONS:
        a, b = b, a
    base, other = base_cell_of(a), base_cell_of(b)
    p, sector = point_of(a, (0, 0), 0), first_digit(a)
    if base == other:
        q, facing = point_of(b, (0, 0), 0), first_digit(b)
    elif other in tables.CELL_NEIGHBORS[base]:
        facing = tables.CELL_NEIGHBORS[base].index(other)
        turns = tables.CELL_NEIGHBOR_TURNS[base][facing]
        q = point_of(b, UNITS[facing], -turns % 6)
    else:
        return -1
    return steps_around(p, sector, q, facing) if base in PENTAGONS else steps_between(p, q)


def pairs(a: Any, b: Any) -> Batch:
    """Two columns of cells."""
    batch = with_cells(with_cells(Batch(), "a", a), "b", b)
    batch.broadcast()
    return batch


def grid_distance(a: Any, b: Any, *, out: Any = None) -> Any:
    """Return how many steps lead from cells to others. See `fastblocks.geo.h3.grid_distance`."""
    batch = pairs(a, b)
    batch.scratch(out, "int64")
    for at, (x, y) in enumerate(batch.rows()):
        if resolution_of(x) != resolution_of(y):
            raise batch.bad(1, at, f"of resolution {resolution_of(x)} as the cell of a is")
        if distance(x, y) < 0:
            raise batch.bad(1, at, "in the same base cell as the cell of a or in one next to it")
    return batch.apply(distance, "int64", out)


def are_neighbor_cells(a: Any, b: Any, *, out: Any = None) -> Any:
    """Tell whether cells have an edge in common. See `fastblocks.geo.h3.are_neighbor_cells`."""
    return pairs(a, b).apply(lambda x, y: y in neighbors(x), "bool", out)
