"""Geohash in plain Python; see csrc/geo/geohash.c."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastblocks._core import check
from fastblocks._core.columns import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "bounds",
    "children",
    "cover",
    "decode",
    "encode",
    "encode_int",
    "from_int",
    "neighbors",
    "parent",
    "to_int",
]

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
MOST = 12  # characters
MOST_CELLS = 2**26  # of a cover
AROUND = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]  # east, north


def fixed(q: float) -> int:
    """The upper 32 bits of q in [-1, 1] as a fixed-point number of 64 bits; 2**32 for 1."""
    return (int(q * 2.0**63) + 2**63) >> 32


def wrapped(lng: float) -> float:
    if -180 <= lng < 180:
        return lng
    turn = math.fmod(lng, 360)
    return turn - 360 if turn >= 180 else turn + 360 if turn < -180 else turn


def interleave(x: int, y: int, bits: int) -> int:
    """`bits` bits, of x and y in turn, each of which has half of them (x one more if odd)."""
    code = 0
    columns, rows = sizes(bits)
    for i in range(bits):
        take = x >> (columns - 1 - i // 2) if i % 2 == 0 else y >> (rows - 1 - i // 2)
        code = 2 * code + take % 2
    return code


def deinterleave(code: int, bits: int) -> tuple[int, int]:
    x = y = 0
    for i in range(bits):
        bit = code >> (bits - 1 - i) & 1
        if i % 2 == 0:
            x = 2 * x + bit
        else:
            y = 2 * y + bit
    return x, y


def sizes(bits: int) -> tuple[int, int]:
    """How many of the bits tell the column, and the row."""
    return (bits + 1) // 2, bits // 2


def code_of(lat: float, lng: float, bits: int) -> int:
    x, y = fixed(wrapped(lng) / 180), min(fixed(lat / 90), 2**32 - 1)
    return interleave(x, y, 64) >> (64 - bits)


def text_of(code: int, precision: int) -> str:
    return "".join(ALPHABET[code >> 5 * k & 31] for k in reversed(range(precision)))


def int_of(text: str) -> int:
    code = 0
    for letter in text.lower():
        code = 32 * code + ALPHABET.index(letter)
    return code


def place_of(text: str) -> tuple[int, int, int, int]:
    """Column, row, and how many bits tell them."""
    bits = 5 * len(text)
    return *deinterleave(int_of(text), bits), *sizes(bits)


def degrees(twice: int, bits: int, most: int) -> float:
    """Where, of cells of which there are 2**bits, half number `twice` lies in [-most, most]."""
    return float((twice - 2**bits) * (most / 2**bits))


def read(gh: Any, low: int = 1, high: int = MOST) -> tuple[Batch, list[str]]:
    """A column of geohashes of `low` to `high` characters."""
    batch = Batch()
    batch.texts("gh", gh)
    texts = [text for (text,) in batch.rows()]
    good = [all(c in ALPHABET for c in t.lower()) and 1 <= len(t) <= MOST for t in texts]
    wrong = [at for at, is_good in enumerate(good) if not is_good] or [
        at for at, text in enumerate(texts) if not low <= len(text) <= high
    ]
    if wrong:
        raise batch.bad(0, wrong[0], f"{low} to {high} characters of {ALPHABET}")
    return batch, texts


def encode(lat: Any, lng: Any, precision: int = 12, *, out: Any = None) -> Any:
    """Return the geohash of the cell that holds a point; see `fastblocks.geo.geohash.encode`."""
    letters = check.integer("precision", precision, 1, MOST)

    def one(lat: float, lng: float) -> str:
        return text_of(code_of(lat, lng, 5 * letters), letters)

    return points(lat, lng).apply(one, f"S{letters}", out)


def encode_int(lat: Any, lng: Any, bits: int = 60, *, out: Any = None) -> Any:
    """Return the cell that holds a point as an integer: the bits of its geohash."""
    width = check.integer("bits", bits, 1, 64)
    return points(lat, lng).apply(lambda lat, lng: code_of(lat, lng, width), "uint64", out)


def points(lat: Any, lng: Any) -> Batch:
    batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    return batch


def decode(gh: Any) -> Any:
    """Return the centre of a cell."""

    def one(text: str) -> tuple[float, float]:
        x, y, columns, rows = place_of(text)
        return degrees(2 * y + 1, rows, 90), degrees(2 * x + 1, columns, 180)

    return read(gh)[0].apply(one, ("float64",) * 2)


def bounds(gh: Any) -> Any:
    """Return the borders of a cell: min_x, min_y, max_x, max_y."""

    def one(text: str) -> tuple[float, ...]:
        x, y, columns, rows = place_of(text)
        west, east = (degrees(2 * k, columns, 180) for k in (x, x + 1))
        south, north = (degrees(2 * k, rows, 90) for k in (y, y + 1))
        return west, south, east, north

    return read(gh)[0].apply(one, ("float64",) * 4)


def around(text: str) -> list[str]:
    x, y, columns, rows = place_of(text)
    found = []
    for east, north in AROUND:
        if 0 <= y + north < 2**rows:
            code = interleave((x + east) % 2**columns, y + north, columns + rows)
            found.append(text_of(code, len(text)))
    return found


def neighbors(gh: Any) -> Any:
    """Return the cells around a cell: N, NE, E, SE, S, SW, W, NW, none beyond a pole."""
    import numpy as np

    batch, texts = read(gh)
    if batch.shape == ():
        return around(texts[0])
    check.one_dimension("gh", batch.shape)
    found = [around(text) for text in texts]
    width = max(map(len, texts), default=1)
    values = np.array([cell for cells in found for cell in cells], f"S{width}")
    return values, np.cumsum([0, *map(len, found)], dtype=np.int64)


def parent(gh: Any, *, out: Any = None) -> Any:
    """Return the cell that holds a cell: without the last character."""
    batch, texts = read(gh, 2)
    width = max(map(len, texts), default=2) - 1
    return batch.apply(lambda text: text[:-1].lower(), f"S{width}", out)


def children(gh: Any) -> Any:
    """Return the 32 cells that a cell holds."""
    batch, texts = read(gh, 1, MOST - 1)
    cells = [text.lower() + letter for text in texts for letter in ALPHABET]
    if batch.shape == ():
        return cells
    result = batch.scratch(None, f"S{max(map(len, texts), default=1) + 1}", (32,))
    result.ravel()[:] = cells
    return result


def to_int(gh: Any, *, out: Any = None) -> Any:
    """Return a geohash as an integer: 5 bits a character."""
    return read(gh)[0].apply(int_of, "uint64", out)


def from_int(value: Any, precision: int, *, out: Any = None) -> Any:
    """Return the geohash of an integer: what `to_int` made of it."""
    letters = check.integer("precision", precision, 1, MOST)
    batch = Batch()
    batch.ids("value", value)
    for at, (number,) in enumerate(batch.rows()):
        if number >> 5 * letters:
            raise batch.bad(0, at, f"in [0, 2**{5 * letters})")
    return batch.apply(lambda number: text_of(number, letters), f"S{letters}", out)


def grid(box: tuple[float, float, float, float], precision: int) -> tuple[range, range]:
    """The columns and rows of the cells that hold the points of a box; columns may run on."""
    columns, rows = sizes(5 * precision)
    west, east = (fixed(lng / 180) >> (32 - columns) for lng in (box[0], box[2]))
    south, north = (min(fixed(lat / 90), 2**32 - 1) >> (32 - rows) for lat in (box[1], box[3]))
    if box[0] > box[2]:
        east += 2**columns
    return range(west, min(east + 1, west + 2**columns)), range(south, north + 1)


def cover(box: Any, precision: int, max_cells: int | None = None) -> NDArray[Any]:
    """Return the cells that hold the points of a box."""
    import numpy as np

    letters = check.integer("precision", precision, 1, MOST)
    sides = check.box(box)
    most = MOST_CELLS
    if max_cells is not None:
        most = check.integer("max_cells", max_cells, 1, MOST_CELLS)
    xs, ys = grid(sides, letters)
    while len(xs) * len(ys) > most and letters > 1 and max_cells is not None:
        letters -= 1
        xs, ys = grid(sides, letters)
    if len(xs) * len(ys) > most:
        raise check.too_many_cells(len(xs) * len(ys), letters, most)
    columns, rows = sizes(5 * letters)
    codes = [interleave(x % 2**columns, y, columns + rows) for y in ys for x in xs]
    return np.array([text_of(code, letters) for code in sorted(codes)], f"S{letters}")
