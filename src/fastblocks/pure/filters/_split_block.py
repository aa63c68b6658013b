"""What filters of split blocks share: cells of a key, sizing, and what follows from the cells.

Layout and sizing as csrc/filters/split_block.c tells.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from fastblocks._core import check, errors

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["SplitBlock"]

PARAMS = struct.Struct("<QdQQQ48s")  # capacity, fp_rate, seed, n_blocks, lanes, zeros
CELLS = 32  # in a lane
MIN_FP_RATE = 1e-9
MAX_BLOCKS = 2**32
MARGIN = 0.85  # of fp_rate is aimed at, since counts of false positives scatter
SALTS = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF373, 0xA54FF53B, 0x510E527F, 0x9B05688D, 0x1F83D9AB, 0x5BE0CD19,
    0xCBBB9D5D, 0x629A292B, 0x9159015B, 0x152FECD9, 0x67332667, 0x8EB44A87, 0xDB0C2E0D, 0x47B5481D,
)  # fmt: skip


def power(x: float, n: int) -> float:
    """x**n by squaring: only products, so that every platform gets the same bits."""
    result = 1.0
    while n:
        if n & 1:
            result *= x
        x *= x
        n >>= 1
    return result


def rate_of_block(free: float, lanes: int, j: int) -> float:
    """False-positive rate of a block with j keys whose cells are each free with `free`."""
    return min(power(1.0 - free, lanes) + j * (1.0 / 2**32), 1.0)


def rate_of(n_blocks: int, lanes: int, n: int) -> float:
    """False-positive rate with n keys: the mean over the binomial number of keys in a block."""
    stay = 31.0 / 32.0
    if n_blocks == 1:
        return rate_of_block(power(stay, n), lanes, n)
    if n // n_blocks >= 4096:  # so full that every term below is exactly 1
        return 1.0
    others = float(n_blocks - 1)
    mode = int(n / n_blocks)
    free_at_mode = power(stay, mode)
    weights, total = 1.0, rate_of_block(free_at_mode, lanes, mode)
    weight, free = 1.0, free_at_mode
    for j in range(mode, n):
        weight *= float(n - j) / (float(j + 1) * others)
        free *= stay
        weights += weight
        total += weight * rate_of_block(free, lanes, j + 1)
        if weight < 1e-20:
            break
    weight, free = 1.0, free_at_mode
    for j in range(mode, 0, -1):
        weight *= float(j) * others / float(n - j + 1)
        free /= stay
        weights += weight
        total += weight * rate_of_block(free, lanes, j - 1)
        if weight < 1e-20:
            break
    return total / weights


def blocks_for(capacity: int, rate: float, lanes: int) -> int | None:
    """The fewest blocks that reach `rate`, or None if more than MAX_BLOCKS."""
    low, high = 0, 1
    while rate_of(high, lanes, capacity) > rate:
        if high >= MAX_BLOCKS:
            return None
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if rate_of(middle, lanes, capacity) > rate:
            low = middle
        else:
            high = middle
    return high


def shape_for(capacity: int, fp_rate: float) -> tuple[int, int]:
    """Blocks and lanes of the smallest filter for `capacity` keys at `fp_rate`."""
    best: tuple[int, int] | None = None
    for lanes in (4, 8, 16):
        n_blocks = blocks_for(capacity, fp_rate * MARGIN, lanes)
        if n_blocks and (best is None or n_blocks * lanes < best[0] * best[1]):
            best = n_blocks, lanes
    if best is None:
        raise errors.status("OUT_OF_RANGE", f"capacity={capacity} at fp_rate={fp_rate}")
    return best


def cells_of(h: int, n_blocks: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Index of each lane of a hash's block, and the number of the hash's cell in it."""
    start = (h * n_blocks >> 64) * lanes
    for lane in range(lanes):
        yield start + lane, (h & 0xFFFFFFFF) * SALTS[lane] % 2**32 >> 27


def rate_now(n_blocks: int, lanes: int, occupied: Callable[[int], int]) -> float:
    """False-positive rate of cells of which `occupied` tells how many each lane has."""
    total = 0.0
    for start in range(0, n_blocks * lanes, lanes):
        total += math.prod(occupied(lane) / CELLS for lane in range(start, start + lanes))
    return total / n_blocks


class SplitBlock(Flat):
    """Base of filters whose keys have one cell in each lane of a block."""

    __slots__ = ("_blocks", "_capacity", "_fp_rate", "_lanes", "_seed")

    _PARAMETERS = ("capacity", "fp_rate", "seed")
    _LANE_BYTES: ClassVar[int]

    def __init__(self, capacity: int, fp_rate: float = 0.01, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        self._fp_rate = check.real("fp_rate", fp_rate, MIN_FP_RATE, 1.0)
        self._blocks, self._lanes = shape_for(self._capacity, self._fp_rate)
        self._take(memoryview(bytearray(self._blocks * self._lanes * self._LANE_BYTES)))

    def _params(self) -> bytes:
        shape = self._blocks, self._lanes
        return PARAMS.pack(self._capacity, self._fp_rate, self._seed, *shape, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._capacity, self._fp_rate, self._seed, *rest = PARAMS.unpack(params)
        self._blocks, self._lanes, unused = rest
        return (
            1 <= self._capacity < 2**63
            and MIN_FP_RATE <= self._fp_rate < 1.0
            and 1 <= self._blocks <= MAX_BLOCKS
            and self._lanes in (4, 8, 16)
            and size == self._blocks * self._lanes * self._LANE_BYTES
            and not any(unused)
        )

    # ---- for the derived class to implement ----------------------------------------------------

    def _holds(self, data: bytes) -> bool:
        """Whether all cells of a key are occupied."""
        raise NotImplementedError

    def _occupied(self, lane: int) -> int:
        """How many cells of a lane, of all blocks' lanes, are occupied."""
        raise NotImplementedError

    # ---- keys ---------------------------------------------------------------------------------

    def _cells(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Index of each lane of a key's block, and the number of the key's cell in it."""
        return cells_of(hash_bytes(data, self._seed), self._blocks, self._lanes)

    def __contains__(self, key: Key) -> bool:
        return self._holds(_keys.bytes_of_key(key))

    def contains(self, key: Key) -> bool:
        """Return whether the filter may hold `key`; the same as ``key in filter``."""
        return key in self

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether the filter may hold it."""
        return _keys.fill_out(out, [self._holds(d) for d in _keys.bytes_of_keys(keys)], "bool")

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """How many distinct keys the filter was sized for."""
        return self._capacity

    @property
    def fp_rate(self) -> float:
        """The false-positive rate it was sized for."""
        return self._fp_rate

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def fill_ratio(self) -> float:
        """The share of cells that are occupied, in [0, 1]."""
        lanes = self._blocks * self._lanes
        return sum(map(self._occupied, range(lanes))) / (CELLS * lanes)

    def approx_len(self) -> int:
        """Estimate how many distinct keys are in, from the share of cells that are occupied."""
        lanes = self._blocks * self._lanes
        free = max(CELLS * lanes - sum(map(self._occupied, range(lanes))), 0.5)
        return round(math.log(free / (CELLS * lanes)) / math.log1p(-1.0 / (CELLS * self._blocks)))

    def expected_fp_rate(self, n: int | None = None) -> float:
        """Return the false-positive rate to expect, now or with `n` distinct keys."""
        if n is not None:
            return rate_of(self._blocks, self._lanes, check.integer("n", n, 0, 2**63 - 1))
        return rate_now(self._blocks, self._lanes, self._occupied)
