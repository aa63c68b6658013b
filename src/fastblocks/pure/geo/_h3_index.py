"""H3 cells as numbers in plain Python: parents, children, compact sets."""

from __future__ import annotations

import itertools
import re
from typing import Any

from fastblocks._core import check
from fastblocks._core.columns import Batch
from fastblocks.pure.geo._h3_geometry import MAX_RES, PENTAGONS, digits_of, is_valid

FINEST_PARENT = MAX_RES - 1
TEXT = re.compile(r"(0[xX])?([0-9a-fA-F]{1,16})")


def resolution_of(cell: int) -> int:
    """The resolution of a cell."""
    return cell >> 52 & 15


def base_cell_of(cell: int) -> int:
    """The number of its base cell."""
    return cell >> 45 & 127


def pentagon(cell: int) -> bool:
    """Whether a cell is one of the pentagons."""
    return base_cell_of(cell) in PENTAGONS and not any(digits_of(cell))


def first_digit(cell: int) -> int:
    """The first digit that is not 0, or 0."""
    return next(filter(None, digits_of(cell)), 0)


def with_digits(cell: int, digits: list[int]) -> int:
    """The cell of the same base cell with these digits."""
    cell = 1 << 59 | len(digits) << 52 | base_cell_of(cell) << 45
    for n in range(MAX_RES):
        digit = digits[n] if n < len(digits) else 7
        cell |= digit << 3 * (MAX_RES - 1 - n)
    return cell


def parent(cell: int, res: int) -> int:
    """The ancestor at a resolution."""
    return with_digits(cell, digits_of(cell)[:res])


def center_child(cell: int, res: int) -> int:
    """The descendant in the centre, at a resolution."""
    return with_digits(cell, digits_of(cell) + [0] * (res - resolution_of(cell)))


def children(cell: int, res: int) -> list[int]:
    """The descendants at a resolution, ascending."""
    cells = [cell]
    for _ in range(resolution_of(cell), res):
        cells = [
            with_digits(one, [*digits_of(one), digit])
            for one in cells
            for digit in range(7)
            if not (digit == 1 and pentagon(one))
        ]
    return cells


def children_size(cell: int, res: int) -> int:
    """How many descendants there are at a resolution."""
    every = int(7 ** (res - resolution_of(cell)))
    return 1 + 5 * (every - 1) // 6 if pentagon(cell) else every


def compact(cells: list[int]) -> list[int]:
    """The fewest cells that cover the same area as distinct cells of one resolution."""
    kept: list[int] = []
    for cell in sorted(cells):
        kept.append(cell)
        while resolution_of(kept[-1]) > 0:
            above = parent(kept[-1], resolution_of(kept[-1]) - 1)
            family = children(above, resolution_of(above) + 1)
            if kept[-len(family) :] != family:
                break
            kept[-len(family) :] = [above]
    return kept


# ---- the functions of geo.h3 ---------------------------------------------------------------------


def with_cells(batch: Batch, name: str, cell: Any) -> Batch:
    """Add a column of cells, all of them valid."""
    alone = Batch()
    alone.ids(name, cell)
    for at, (one,) in enumerate(alone.rows()):
        if not is_valid(one):
            raise alone.bad(0, at, "a valid H3 cell")
    batch.ids(name, cell)
    return batch


def resolution_or_next(res: Any) -> int:
    """A resolution; -1 for None."""
    return -1 if res is None else check.integer("res", res, 0, MAX_RES)


def ragged(batch: Batch, lists: list[list[int]]) -> Any:
    """Lists of cells as the array of all and their offsets; only the array for a scalar."""
    import numpy as np

    values = np.array([cell for cells in lists for cell in cells], np.uint64)
    if batch.shape == ():
        return values
    return values, np.cumsum([0, *map(len, lists)], dtype=np.int64)


def is_valid_cell(cell: Any, *, out: Any = None) -> Any:
    """Tell whether ids are cells. See `fastblocks.geo.h3.is_valid_cell`."""
    batch = Batch()
    batch.ids("cell", cell)
    return batch.apply(is_valid, "bool", out)


def get_resolution(cell: Any, *, out: Any = None) -> Any:
    """Return the resolutions of cells. See `fastblocks.geo.h3.get_resolution`."""
    return with_cells(Batch(), "cell", cell).apply(resolution_of, "uint8", out)


def get_base_cell_number(cell: Any, *, out: Any = None) -> Any:
    """Return the numbers of base cells. See `fastblocks.geo.h3.get_base_cell_number`."""
    return with_cells(Batch(), "cell", cell).apply(base_cell_of, "uint8", out)


def is_pentagon(cell: Any, *, out: Any = None) -> Any:
    """Tell whether cells are pentagons. See `fastblocks.geo.h3.is_pentagon`."""
    return with_cells(Batch(), "cell", cell).apply(pentagon, "bool", out)


def finer_cells(cell: Any, most: int, name: str = "cell") -> Batch:
    """A column of cells up to resolution `most`, all of which have descendants to be asked for."""
    batch = with_cells(Batch(), name, cell)
    for at, (one,) in enumerate(batch.rows()):
        if resolution_of(one) > most:
            raise batch.bad(0, at, f"a cell of resolution {most} or coarser")
    return batch


def cell_to_parent(cell: Any, res: int | None = None, *, out: Any = None) -> Any:
    """Return the ancestors of cells. See `fastblocks.geo.h3.cell_to_parent`."""
    to = resolution_or_next(res)
    batch = with_cells(Batch(), "cell", cell)
    batch.scratch(out, "uint64")
    for at, (one,) in enumerate(batch.rows()):
        if resolution_of(one) < (1 if to < 0 else to):
            raise batch.bad(0, at, f"a cell of resolution {1 if to < 0 else to} or finer")
    return batch.apply(
        lambda one: parent(one, resolution_of(one) - 1 if to < 0 else to), "uint64", out
    )


def below(cell: Any, res: Any, out: Any, function: Any) -> Any:
    """A function of cells and the resolution of descendants of theirs."""
    to = resolution_or_next(res)
    batch = with_cells(Batch(), "cell", cell)
    batch.scratch(out, "uint64")
    batch = finer_cells(cell, FINEST_PARENT if to < 0 else to)
    return batch.apply(
        lambda one: function(one, resolution_of(one) + 1 if to < 0 else to), "uint64", out
    )


def cell_to_center_child(cell: Any, res: int | None = None, *, out: Any = None) -> Any:
    """Return the descendants in the centres. See `fastblocks.geo.h3.cell_to_center_child`."""
    return below(cell, res, out, center_child)


def cell_to_children_size(cell: Any, res: int | None = None, *, out: Any = None) -> Any:
    """Return how many descendants there are. See `fastblocks.geo.h3.cell_to_children_size`."""
    return below(cell, res, out, children_size)


def cell_to_children(cell: Any, res: int | None = None) -> Any:
    """Return the descendants of cells. See `fastblocks.geo.h3.cell_to_children`."""
    to = resolution_or_next(res)
    batch = with_cells(Batch(), "cell", cell)
    batch.broadcast()
    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    rows = finer_cells(cell, FINEST_PARENT if to < 0 else to).rows()
    return ragged(
        batch, [children(one, resolution_of(one) + 1 if to < 0 else to) for (one,) in rows]
    )


def set_of(cells: Any) -> Batch:
    """A set of cells, given as an array."""
    batch = with_cells(Batch(), "cells", cells)
    batch.broadcast()
    check.one_dimension("cells", batch.shape)
    return batch


def compact_cells(cells: Any) -> Any:
    """Return the fewest cells of the same area. See `fastblocks.geo.h3.compact_cells`."""
    import numpy as np

    batch = set_of(cells)
    given = [one for (one,) in batch.rows()]
    for at, one in enumerate(given):
        if resolution_of(one) != resolution_of(given[0]):
            raise batch.bad(0, at, f"of resolution {resolution_of(given[0])} as cells[0] is")
    ordered = sorted(given)
    for before, after in itertools.pairwise(ordered):
        if before == after:
            raise ValueError(f"cells must be distinct: {after} is there twice")
    return np.array(compact(given), np.uint64)


def uncompact_cells(cells: Any, res: int) -> Any:
    """Return all cells of one resolution. See `fastblocks.geo.h3.uncompact_cells`."""
    import numpy as np

    to = check.integer("res", res, 0, MAX_RES)
    set_of(cells)
    rows = finer_cells(cells, to, "cells").rows()
    return np.array([cell for (one,) in rows for cell in children(one, to)], np.uint64)


def str_to_int(text: Any, *, out: Any = None) -> Any:
    """Return the ids that texts spell. See `fastblocks.geo.h3.str_to_int`."""
    batch = Batch()
    batch.texts("text", text)
    batch.scratch(out, "uint64")
    for at, (one,) in enumerate(batch.rows()):
        if not TEXT.fullmatch(one):
            raise batch.bad(0, at, "1 to 16 hexadecimal digits")
    return batch.apply(lambda one: int(one, 16), "uint64", out)


def int_to_str(cell: Any, *, out: Any = None) -> Any:
    """Return ids as texts. See `fastblocks.geo.h3.int_to_str`."""
    batch = Batch()
    batch.ids("cell", cell)
    return batch.apply(lambda one: f"{one:x}", "S16", out)
