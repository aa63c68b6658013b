"""Count-min sketch in plain Python; layout as csrc/sketches/count_min.c tells."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

from fastblocks._core import check, errors

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import mmap

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["CountMinSketch"]

PARAMS = struct.Struct("<QQQQ56s")  # width, depth, conservative, seed, zeros
MAX_WIDTH = 2**32
MAX_DEPTH = 32
MAX_COUNTERS = 2**34
MAX_COUNT = 2**63 - 1  # that is added at once
FULL = 2**32 - 1  # of a counter
FULL_TOTAL = 2**64 - 1
HEAD = 64  # bytes in front of the counters: the total, then zeros
SALTS = [hash_bytes(row.to_bytes(8, "little"), 0) | 1 for row in range(MAX_DEPTH)]


def size_of(width: int, depth: int) -> int:
    """Bytes of the payload: the head, and the counters up to a multiple of 8."""
    return HEAD + (width * depth + 1) // 2 * 8


class CountMinSketch(Flat):
    """How often each key was added, never too low; see `fastblocks.CountMinSketch`."""

    __slots__ = ("_conservative", "_counters", "_depth", "_head", "_seed", "_width")

    _KIND, _VERSION = b"CMIN", 1
    _PARAMETERS = ("width", "depth", "conservative", "seed")
    _FILE_USE = "one writer"

    def __init__(self, width: int, depth: int, *, conservative: bool = True, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._width = check.integer("width", width, 1, MAX_WIDTH)
        self._depth = check.integer("depth", depth, 1, MAX_DEPTH)
        self._conservative = check.boolean("conservative", conservative)
        if self._width * self._depth > MAX_COUNTERS:
            raise errors.status("OUT_OF_RANGE", f"width={self._width} with depth={self._depth}")
        self._take(memoryview(bytearray(size_of(self._width, self._depth))))

    @classmethod
    def from_error(
        cls, epsilon: float, delta: float, *, conservative: bool = True, seed: int = 0
    ) -> Self:
        """Make the smallest sketch of a wanted accuracy."""
        width = math.ceil(math.e / check.real("epsilon", epsilon, 1e-9, 1.0))
        depth = math.ceil(-math.log(check.real("delta", delta, 1e-13, 1.0)))
        return cls(width, depth, conservative=conservative, seed=seed)

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._head = payload[:HEAD].cast("Q")
        self._counters = payload[HEAD:].cast("I")  # row after row

    def _params(self) -> bytes:
        return PARAMS.pack(self._width, self._depth, self._conservative, self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._width, self._depth, conservative, self._seed, unused = PARAMS.unpack(params)
        self._conservative = conservative == 1
        return (
            1 <= self._width <= MAX_WIDTH
            and 1 <= self._depth <= MAX_DEPTH
            and self._width * self._depth <= MAX_COUNTERS
            and conservative in (0, 1)
            and size == size_of(self._width, self._depth)
            and not any(unused)
        )

    def _admit(self) -> bool:
        return not any(self._head[1:]) and not any(self._counters[self._width * self._depth :])

    # ---- keys ---------------------------------------------------------------------------------

    def _places(self, data: bytes) -> list[int]:
        """Index of a key's counter in each row."""
        h = hash_bytes(data, self._seed)
        places = []
        for row in range(self._depth):
            high, low = divmod(h * SALTS[row], 2**64)
            places.append(row * self._width + ((high ^ low) * self._width >> 64))
        return places

    def _estimate(self, data: bytes) -> int:
        return min(self._counters[at] for at in self._places(data))

    def _add(self, data: bytes, count: int) -> None:
        places = self._places(data)
        if self._conservative:
            level = min(min(self._counters[at] for at in places) + count, FULL)
            for at in places:
                self._counters[at] = max(self._counters[at], level)
        else:
            for at in places:
                self._counters[at] = min(self._counters[at] + count, FULL)
        self._head[0] = min(self._head[0] + count, FULL_TOTAL)

    def add(self, key: Key, count: int = 1) -> None:
        """Add a number of occurrences of one key."""
        data = _keys.bytes_of_key(key)
        number = check.integer("count", count, 0, MAX_COUNT)
        self._check_writable("add")
        with self._lock:
            self._add(data, number)

    def add_many(self, keys: Keys, counts: SupportsIndex | Iterable[Any] = 1) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        numbers: Any = check.counts(counts, len(batch), MAX_COUNT)
        each = [numbers] * len(batch) if isinstance(numbers, int) else numbers.tolist()
        with self._lock:
            for data, number in zip(batch, each, strict=True):
                self._add(data, number)

    def estimate(self, key: Key) -> int:
        """Return about how often `key` was added."""
        return self._estimate(_keys.bytes_of_key(key))

    def estimate_many(
        self, keys: Keys, out: NDArray[np.uint32] | None = None
    ) -> NDArray[np.uint32]:
        """Return, for each key of a batch, about how often it was added."""
        counts = [self._estimate(data) for data in _keys.bytes_of_keys(keys)]
        return _keys.fill_out(out, counts, "uint32")

    # ---- whole sketches -----------------------------------------------------------------------

    def merge(self, *others: CountMinSketch) -> None:
        """Add the counters and totals of other sketches."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, CountMinSketch)
        with self._lock:
            for other in others:
                for at, count in enumerate(other._counters):
                    self._counters[at] = min(self._counters[at] + count, FULL)
                self._head[0] = min(self._head[0] + other._head[0], FULL_TOTAL)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CountMinSketch):
            return NotImplemented
        return self._differing(other) is None and self._payload == other._payload

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self._head[0] > 0

    def clear(self) -> None:
        """Forget all keys."""
        self._check_writable("clear")
        with self._lock:
            self._payload[:] = bytes(len(self._payload))

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """The number of counters in a row."""
        return self._width

    @property
    def depth(self) -> int:
        """The number of rows: of counters that a key has."""
        return self._depth

    @property
    def conservative(self) -> bool:
        """Whether only the counters of a key that have to be are raised."""
        return self._conservative

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def total(self) -> int:
        """The sum of all counts added, up to 2**64 - 1."""
        return self._head[0]

    @property
    def epsilon(self) -> float:
        """The share of the total that an estimate may be too high by: e / width."""
        return math.e / self._width

    @property
    def delta(self) -> float:
        """The probability that it is too high by more: e**-depth."""
        return math.exp(-self._depth)

    def error_bound(self) -> float:
        """Return how much too high an estimate may be: epsilon * total."""
        return self.epsilon * self._head[0]
