"""Split-block Bloom filter in plain Python; layout and sizing as csrc/filters/bloom.c tells."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

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

__all__ = ["BloomFilter"]

PARAMS = struct.Struct("<QdQQQ48s")  # capacity, fp_rate, seed, n_blocks, lanes, zeros
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


def rate_of_block(clear: float, lanes: int, j: int) -> float:
    """False-positive rate of a block with j keys whose bits are each clear with `clear`."""
    return min(power(1.0 - clear, lanes) + j * (1.0 / 2**32), 1.0)


def rate_of(n_blocks: int, lanes: int, n: int) -> float:
    """False-positive rate with n keys: the mean over the binomial number of keys in a block."""
    stay = 31.0 / 32.0
    if n_blocks == 1:
        return rate_of_block(power(stay, n), lanes, n)
    if n // n_blocks >= 4096:  # so full that every term below is exactly 1
        return 1.0
    others = float(n_blocks - 1)
    mode = int(n / n_blocks)
    clear_at_mode = power(stay, mode)
    weights, total = 1.0, rate_of_block(clear_at_mode, lanes, mode)
    weight, clear = 1.0, clear_at_mode
    for j in range(mode, n):
        weight *= float(n - j) / (float(j + 1) * others)
        clear *= stay
        weights += weight
        total += weight * rate_of_block(clear, lanes, j + 1)
        if weight < 1e-20:
            break
    weight, clear = 1.0, clear_at_mode
    for j in range(mode, 0, -1):
        weight *= float(j) * others / float(n - j + 1)
        clear /= stay
        weights += weight
        total += weight * rate_of_block(clear, lanes, j - 1)
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


def lane_bits(h: int, n_blocks: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Index of each lane of a hash's block, and the hash's bit in it."""
    start = (h * n_blocks >> 64) * lanes
    for lane in range(lanes):
        yield start + lane, 1 << ((h & 0xFFFFFFFF) * SALTS[lane] % 2**32 >> 27)


def rate_of_bits(bits: memoryview, lanes: int) -> float:
    """False-positive rate of the bits of a filter, one item a lane."""
    total = 0.0
    for start in range(0, len(bits), lanes):
        total += math.prod(lane.bit_count() / 32 for lane in bits[start : start + lanes])
    return total / (len(bits) // lanes)


class BloomFilter(Flat):
    """A set that may claim keys it does not hold; see `fastblocks.BloomFilter`."""

    __slots__ = ("_bits", "_blocks", "_capacity", "_fp_rate", "_lanes", "_seed")

    _KIND, _VERSION = b"BLOM", 1
    _PARAMETERS = ("capacity", "fp_rate", "seed")
    _FILE_USE = "many writers"

    def __init__(self, capacity: int, fp_rate: float = 0.01, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        self._fp_rate = check.real("fp_rate", fp_rate, MIN_FP_RATE, 1.0)
        self._blocks, self._lanes = shape_for(self._capacity, self._fp_rate)
        self._take(memoryview(bytearray(self._blocks * self._lanes * 4)))

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._bits = payload.cast("I")  # one item a lane, block after block

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
            and size == self._blocks * self._lanes * 4
            and not any(unused)
        )

    # ---- keys ---------------------------------------------------------------------------------

    def _lane_bits(self, data: bytes) -> Iterator[tuple[int, int]]:
        return lane_bits(hash_bytes(data, self._seed), self._blocks, self._lanes)

    def _holds(self, data: bytes) -> bool:
        return all(self._bits[i] & bit for i, bit in self._lane_bits(data))

    def add(self, key: Key) -> None:
        """Add one key."""
        data = _keys.bytes_of_key(key)
        self._check_writable("add")
        with self._lock:
            for i, bit in self._lane_bits(data):
                self._bits[i] |= bit

    def __contains__(self, key: Key) -> bool:
        return self._holds(_keys.bytes_of_key(key))

    def contains(self, key: Key) -> bool:
        """Return whether the filter may hold `key`; the same as ``key in filter``."""
        return key in self

    def add_many(self, keys: Keys) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        with self._lock:
            for data in batch:
                for i, bit in self._lane_bits(data):
                    self._bits[i] |= bit

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether the filter may hold it."""
        return _keys.fill_out(out, [self._holds(d) for d in _keys.bytes_of_keys(keys)], "bool")

    def update(self, *others: BloomFilter | Keys) -> None:
        """Add every key of each of `others`, as ``set.update`` does."""
        for other in others:
            if isinstance(other, BloomFilter):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole filters ------------------------------------------------------------------------

    def merge(self, *others: BloomFilter) -> None:
        """Add all keys of other filters."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, BloomFilter)
        with self._lock:
            for other in others:
                for i, bits in enumerate(other._bits):
                    self._bits[i] |= bits

    def __or__(self, other: BloomFilter) -> Self:
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self._check_same(other, BloomFilter)
        result = self.copy()
        result |= other
        return result

    def __and__(self, other: BloomFilter) -> Self:
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self._check_same(other, BloomFilter)
        result = self.copy()
        result &= other
        return result

    def __ior__(self, other: BloomFilter) -> Self:
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self.merge(other)
        return self

    def __iand__(self, other: BloomFilter) -> Self:
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self._check_writable("&=")
        self._check_same(other, BloomFilter)
        with self._lock:
            for i, bits in enumerate(other._bits):
                self._bits[i] &= bits
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BloomFilter):
            return NotImplemented
        return self._differing(other) is None and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return any(self._bits)

    def issubset(self, other: BloomFilter) -> bool:
        """Return whether every key of this filter is certainly in `other` too."""
        self._check_same(other, BloomFilter)
        return all(a & ~b == 0 for a, b in zip(self._bits, other._bits, strict=True))

    def clear(self) -> None:
        """Remove all keys."""
        self._check_writable("clear")
        with self._lock:
            for i in range(len(self._bits)):
                self._bits[i] = 0

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
        """The share of bits that are set, in [0, 1]."""
        return self._count_bits() / (8 * self.nbytes)

    def approx_len(self) -> int:
        """Estimate how many distinct keys were added, from the share of bits set."""
        bits = 8 * self.nbytes
        unset = max(bits - self._count_bits(), 0.5)
        return round(math.log(unset / bits) / math.log1p(-1.0 / (32 * self._blocks)))

    def expected_fp_rate(self, n: int | None = None) -> float:
        """Return the false-positive rate to expect, now or with `n` distinct keys."""
        if n is not None:
            return rate_of(self._blocks, self._lanes, check.integer("n", n, 0, 2**63 - 1))
        return rate_of_bits(self._bits, self._lanes)

    # ---- within -------------------------------------------------------------------------------

    def _count_bits(self) -> int:
        return sum(bits.bit_count() for bits in self._bits)
