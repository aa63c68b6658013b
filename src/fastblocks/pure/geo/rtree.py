"""An R-tree in plain Python: a dict of boxes that is searched from end to end.

What is serialised is the packed tree of csrc/geo/rtree_pack.c, which depends on the boxes alone.
"""

from __future__ import annotations

import itertools
import math
import struct
from typing import TYPE_CHECKING

from fastblocks._core import boxes as checks
from fastblocks._core import errors

from .._flat import Flat

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RTree"]

Box = tuple[float, float, float, float]

PARAMS = struct.Struct("<Q80s")  # number of boxes, zeros
NODE = struct.Struct("<64d")  # min_x, min_y, max_x, max_y of 16 entries; then 128 bytes of ids
IDS = struct.Struct("<16q")
NODE_BYTES = NODE.size + IDS.size
FAN = 16
NO_BOX = (math.inf, math.inf, -math.inf, -math.inf)


def touch(a: Box, b: Box) -> bool:
    """Whether two boxes have a point in common."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def square(box: Box, x: float, y: float) -> float:
    """The square of the distance of a box from a point."""
    dx = max(box[0] - x, x - box[2], 0.0)
    dy = max(box[1] - y, y - box[3], 0.0)
    return dx * dx + dy * dy


def around(boxes: list[Box]) -> Box:
    """The box of all boxes."""
    min_x, min_y, max_x, max_y = zip(NO_BOX, *boxes, strict=True)
    return min(min_x), min(min_y), max(max_x), max(max_y)


def hilbert_key(x: int, y: int) -> int:
    """The place of a cell along a Hilbert curve of 2**16 by 2**16."""
    key, swapped, mirrored = 0, 0, 0
    for bit in reversed(range(16)):
        px, py = (x >> bit & 1) ^ mirrored, (y >> bit & 1) ^ mirrored
        if swapped:
            px, py = py, px
        key = key << 2 | px << 1 | (px ^ py)
        if py == 0:
            mirrored ^= px
            swapped ^= 1
    return key


def along_curve(items: list[tuple[int, Box]]) -> list[tuple[int, Box]]:
    """Items in the order of their centres along a curve; where a cell has many, along another."""
    centres = [(0.5 * b[0] + 0.5 * b[2], 0.5 * b[1] + 0.5 * b[3]) for _, b in items]
    xs, ys = zip(*centres, strict=True)
    low_x, low_y = min(xs), min(ys)
    width = max(0.5 * max(xs) - 0.5 * low_x, 0.5 * max(ys) - 0.5 * low_y)
    if width == 0.0:
        return items

    def cell(number: float, low: float) -> int:
        return int((0.5 * number - 0.5 * low) / width * 65535.0)

    keys = [hilbert_key(cell(x, low_x), cell(y, low_y)) for x, y in centres]
    order = sorted(range(len(items)), key=keys.__getitem__)
    result = []
    for _, group in itertools.groupby(order, keys.__getitem__):
        same = [items[i] for i in group]
        result += same if len(same) <= FAN else along_curve(same)
    return result


def positive(box: Sequence[float]) -> Box:
    """A box with 0.0 for -0.0."""
    min_x, min_y, max_x, max_y = box
    return min_x + 0.0, min_y + 0.0, max_x + 0.0, max_y + 0.0


def pairs(found: Iterable[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of numbers as two arrays."""
    import numpy as np

    first, second = np.array(list(found), np.int64).reshape(-1, 2).T.copy()
    return first, second


def node_of(boxes: list[Box], ids: list[int]) -> bytes:
    """The bytes of a node."""
    columns = zip(*boxes, *[NO_BOX] * (FAN - len(boxes)), strict=True)
    return NODE.pack(*itertools.chain(*columns)) + IDS.pack(*ids, *[0] * (FAN - len(ids)))


def packed(items: list[tuple[int, Box]]) -> bytes:
    """The bytes of all nodes, leaves first, of items in this order."""
    ids, boxes = [id for id, _ in items], [box for _, box in items]
    data = []
    while boxes:
        cuts = range(0, len(boxes), FAN)
        data += [node_of(boxes[i : i + FAN], ids[i : i + FAN]) for i in cuts]
        boxes = [around(boxes[i : i + FAN]) for i in cuts] if len(boxes) > FAN else []
        ids = []
    return b"".join(data)


def nodes_of(n: int) -> int:
    """The number of nodes of a packed tree."""
    total, level = 0, n
    while level > 1 or (level == 1 and total == 0):
        level = -(-level // FAN)
        total += level
    return total


def nearest_of(
    boxes: dict[int, Box], x: float, y: float, k: int, most: float
) -> list[tuple[float, int]]:
    """(distance, id) of the k nearest boxes, nearest first."""
    squares = [(square(box, x, y), id) for id, box in boxes.items()]
    near = sorted(item for item in squares if math.sqrt(item[0]) <= most)
    return [(math.sqrt(square), id) for square, id in near[:k]]


class RTree(Flat):
    """Boxes in the plane; see `fastblocks.RTree`."""

    __slots__ = ("_boxes", "_read", "_saved")

    _KIND, _VERSION = b"RTRE", 1
    _PARAMETERS = ()
    _FILE_USE = "no writer"

    _boxes: dict[int, Box]  # by id, ascending; a change makes another dict
    _read: dict[int, Box] | None  # the dict that the payload was read into
    _saved: int  # number of boxes in the payload

    def __init__(self, boxes: ArrayLike | None = None, ids: ArrayLike | None = None) -> None:
        self._begin_init()
        rows = checks.box_array("boxes", [] if boxes is None else boxes)
        numbers = range(len(rows)) if ids is None else checks.id_array(ids, len(rows)).tolist()
        checks.first_bad_box("boxes", rows)
        self._take(memoryview(bytearray()))
        found: dict[int, Box] = {}
        for i, (id, row) in enumerate(zip(numbers, rows.tolist(), strict=True)):
            if id in found:
                raise checks.id_twice(i, id)
            found[id] = positive(row)
        self._boxes = dict(sorted(found.items()))

    # ---- changes ----------------------------------------------------------------------------

    def insert(self, id: int, box: ArrayLike) -> None:
        """Add a box."""
        self._check_writable("insert")
        id, given = checks.id_of(id), checks.box_of("box", box)
        with self._lock:
            if id in self._boxes:
                raise checks.id_there(id)
            self._boxes = dict(sorted([*self._boxes.items(), (id, positive(given))]))

    def remove(self, id: int) -> None:
        """Take a box away."""
        self._check_writable("remove")
        id = checks.id_of(id)
        with self._lock:
            if id not in self._boxes:
                raise checks.id_unknown(id)
            self._boxes = {other: box for other, box in self._boxes.items() if other != id}

    # ---- searches: each in the dict that stands there when it begins ------------------------

    def query(self, box: ArrayLike) -> NDArray[np.int64]:
        """Return the ids of the boxes that touch a box."""
        import numpy as np

        given = checks.box_of("box", box)
        return np.array([id for id, b in self._boxes.items() if touch(b, given)], np.int64)

    def query_many(self, boxes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (index of a box, id of a box that it touches) for every pair of them."""
        rows = checks.box_array("boxes", boxes)
        checks.first_bad_box("boxes", rows)
        mine = self._boxes
        return pairs(
            (i, id)
            for i, row in enumerate(rows.tolist())
            for id, box in mine.items()
            if touch(box, row)
        )

    def count_many(self, boxes: ArrayLike) -> NDArray[np.int64]:
        """Return how many boxes each of some boxes touches."""
        import numpy as np

        rows = checks.box_array("boxes", boxes)
        checks.first_bad_box("boxes", rows)
        mine = self._boxes.values()
        return np.array([sum(touch(b, row) for b in mine) for row in rows.tolist()], np.int64)

    def nearest(
        self, x: float, y: float, k: int = 1, max_distance: float = math.inf
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and distances of the nearest boxes, nearest first."""
        import numpy as np

        x, y = checks.number_of("x", x), checks.number_of("y", y)
        k, most = checks.k_of(k), checks.max_distance_of(max_distance)
        found = nearest_of(self._boxes, x, y, k, most)
        return (
            np.array([id for _, id in found], np.int64),
            np.array([distance for distance, _ in found], np.float64),
        )

    def nearest_many(
        self, points: ArrayLike, k: int = 1, max_distance: float = math.inf
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the same for points, padded with -1 and inf."""
        import numpy as np

        rows = checks.point_array("points", points)
        checks.first_bad_point("points", rows)
        k, most = checks.k_of(k), checks.max_distance_of(max_distance)
        mine = self._boxes
        ids = np.full((len(rows), k), -1, np.int64)
        distances = np.full((len(rows), k), np.inf)
        for i, (x, y) in enumerate(rows.tolist()):
            for j, (distance, id) in enumerate(nearest_of(mine, x, y, k, most)):
                ids[i, j], distances[i, j] = id, distance
        return ids, distances

    def join(self, other: RTree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (id, id of `other`) for every pair of boxes that touch."""
        if not isinstance(other, RTree):
            raise errors.not_a("other", RTree, other)
        mine, theirs = self._boxes, other._boxes
        return pairs(
            (id, other_id)
            for id, box in mine.items()
            for other_id, other_box in theirs.items()
            if touch(box, other_box)
        )

    # ---- what there is ----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, id: object) -> bool:
        return checks.id_of(id) in self._boxes

    def __iter__(self) -> Iterator[int]:
        return iter(self._boxes)

    def items(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return all ids, ascending, and their boxes."""
        import numpy as np

        mine = self._boxes
        boxes = np.array(list(mine.values()), np.float64).reshape(-1, 4)
        return np.array(list(mine), np.int64), boxes

    @property
    def bounds(self) -> Box | None:
        """The box of all boxes; None if there are none."""
        mine = list(self._boxes.values())
        return around(mine) if mine else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RTree):
            return NotImplemented
        return self._boxes == other._boxes

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RTree({len(self)} boxes)"

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(len(self._boxes), b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        n, rest = PARAMS.unpack(params)
        self._saved = n
        return n < 2**32 - 1 and size == nodes_of(n) * NODE_BYTES and not any(rest)

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        if not hasattr(self, "_boxes"):
            self._boxes, self._read = {}, None

    def _gather(self) -> bytes:
        if self._boxes is self._read:  # as it was: a payload may have the boxes in any order
            return self._payload.tobytes()
        return packed(along_curve(list(self._boxes.items())) if self._boxes else [])

    def _admit(self) -> bool:
        n, data = self._saved, bytes(self._payload)
        items: list[tuple[int, Box]] = []
        for at in range(0, -(-n // FAN) * NODE_BYTES, NODE_BYTES):
            columns = NODE.unpack_from(data, at)
            boxes = zip(*(columns[i : i + FAN] for i in range(0, 4 * FAN, FAN)), strict=True)
            items += zip(IDS.unpack_from(data, at + NODE.size), boxes, strict=True)
        items = items[:n]
        found = dict(items)
        sound = len(found) == n and all(
            all(map(math.isfinite, box))
            and box[0] <= box[2]
            and box[1] <= box[3]
            and not any(number == 0.0 and math.copysign(1.0, number) < 0.0 for number in box)
            for box in found.values()
        )
        self._boxes = self._read = dict(sorted(found.items()))
        return sound and packed(items) == data
