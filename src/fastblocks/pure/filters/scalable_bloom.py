"""Scalable Bloom filter in plain Python, as csrc/filters/scalable_bloom.c tells."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from fastblocks._core import check, errors

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes
from ._split_block import MAX_BLOCKS, cells_of, rate_now, shape_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["ScalableBloomFilter"]

PARAMS = struct.Struct("<QdQ64s")  # initial_capacity, fp_rate, seed, zeros
HEAD = struct.Struct("<Q56s")  # slices, zeros
ENTRY = struct.Struct("<4Q")  # of the table: level, blocks, lanes, keys
MIN_FP_RATE = 1e-6
MAX_LEVELS, MAX_SLICES = 32, 64
MAX_CAPACITY = 2**56  # of a slice
TIGHTENING = 7 / 8


def slice_rate(fp_rate: float, level: int) -> float:
    """The false-positive rate of slices of a level; over all levels they sum to below `fp_rate`."""
    rate = fp_rate * (1.0 - TIGHTENING)
    for _ in range(level):
        rate *= TIGHTENING
    return rate


def padded(data: bytes) -> bytes:
    """`data` with zeros up to a multiple of 64 bytes."""
    return data + bytes(-len(data) % 64)


class Slice:
    """A split-block Bloom filter, with its entry in the table."""

    __slots__ = ("bits", "blocks", "capacity", "entry", "lanes", "level")

    def __init__(self, capacity: int, entry: memoryview, bits: memoryview) -> None:
        self.capacity = capacity
        self.entry = entry.cast("Q")
        self.level, self.blocks, self.lanes = self.entry[:3]
        self.bits = bits.cast("I")  # one item a lane, block after block

    @property
    def count(self) -> int:
        """How many keys it holds."""
        return self.entry[3]

    @property
    def room(self) -> int:
        """How many more it was made for."""
        return self.capacity - self.count

    def holds(self, h: int) -> bool:
        """Whether it may hold the key of a hash."""
        return all(self.bits[i] >> cell & 1 for i, cell in cells_of(h, self.blocks, self.lanes))

    def put(self, h: int) -> None:
        """Add a key that it does not hold."""
        for i, cell in cells_of(h, self.blocks, self.lanes):
            self.bits[i] |= 1 << cell
        self.entry[3] += 1

    def rate(self) -> float:
        """Its false-positive rate as it is now."""
        return rate_now(self.blocks, self.lanes, lambda lane: self.bits[lane].bit_count())

    def takes(self, other: Slice, count: int) -> bool:
        """Whether `other` can be united with it while it holds `count` keys."""
        alike = self.entry[:3] == other.entry[:3]
        return alike and count + other.count <= self.capacity

    def unite(self, other: Slice) -> None:
        """Add what `other` holds."""
        for i, bits in enumerate(other.bits):
            self.bits[i] |= bits
        self.entry[3] += other.count

    def clear(self) -> None:
        """Remove all keys."""
        for i in range(len(self.bits)):
            self.bits[i] = 0
        self.entry[3] = 0

    def copy(self) -> Slice:
        """The same in memory of its own."""
        parts = (memoryview(bytearray(part.tobytes())) for part in (self.entry, self.bits))
        return Slice(self.capacity, *parts)

    def same(self, other: Slice) -> bool:
        """Whether both are of one size and hold the same."""
        return self.entry == other.entry and self.bits == other.bits


class ScalableBloomFilter(Flat):
    """A Bloom filter that grows with its keys; see `fastblocks.ScalableBloomFilter`."""

    __slots__ = ("_fp_rate", "_initial_capacity", "_seed", "_slices", "_spares")

    _KIND, _VERSION = b"SBLM", 1
    _PARAMETERS = ("initial_capacity", "fp_rate", "seed")
    _FILE_USE = "one writer"

    _slices: list[Slice]
    _spares: dict[int, Slice]  # by level: reserved for keys that are about to be added

    def __init__(self, initial_capacity: int, fp_rate: float = 0.01, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._initial_capacity = check.integer("initial_capacity", initial_capacity, 1, 2**63 - 1)
        self._fp_rate = check.real("fp_rate", fp_rate, MIN_FP_RATE, 1.0)
        what = f"initial_capacity={self._initial_capacity} at fp_rate={self._fp_rate}"
        self._slices = [self._new_slice(0, what)]
        self._spares = {}
        self._take(memoryview(bytearray(64)))

    def _params(self) -> bytes:
        return PARAMS.pack(self._initial_capacity, self._fp_rate, self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._initial_capacity, self._fp_rate, self._seed, unused = PARAMS.unpack(params)
        return (
            1 <= self._initial_capacity < 2**63
            and MIN_FP_RATE <= self._fp_rate < 1.0
            and not any(unused)
        )

    def _admit(self) -> bool:
        self._slices, self._spares = [], {}
        payload = self._payload
        size = payload.nbytes
        if size < 64 or size % 64:
            return False
        n, unused = HEAD.unpack(payload[:64])
        if not 1 <= n <= MAX_SLICES or any(unused):
            return False
        end = 64 + n * ENTRY.size
        at = end + -end % 64
        if size < at or any(payload[end:at]):
            return False
        for i in range(n):
            entry = payload[64 + i * ENTRY.size : 64 + (i + 1) * ENTRY.size]
            level, blocks, lanes, count = ENTRY.unpack(entry)
            if (
                level >= MAX_LEVELS
                or (i == 0 and level != 0)
                or not 1 <= blocks <= MAX_BLOCKS
                or lanes not in (4, 8, 16)
                or self._initial_capacity << level > MAX_CAPACITY
                or count > self._initial_capacity << level
                or at + blocks * lanes * 4 > size
            ):
                return False
            end = at + blocks * lanes * 4
            self._slices.append(Slice(self._initial_capacity << level, entry, payload[at:end]))
            at = end + -end % 64
            if any(payload[end:at]):
                return False
        return bool(at == size)

    def _gather(self) -> bytes:
        table = b"".join(s.entry.tobytes() for s in self._slices)
        bits = b"".join(padded(s.bits.tobytes()) for s in self._slices)
        return HEAD.pack(len(self._slices), b"") + padded(table) + bits

    @property
    def nbytes(self) -> int:
        """Bytes that the slices take, and of the table of them."""
        return len(self._gather())

    # ---- keys ---------------------------------------------------------------------------------

    def add(self, key: Key) -> None:
        """Add one key, unless the filter claims to hold it already."""
        data = _keys.bytes_of_key(key)
        self._check_writable("add")
        with self._lock:
            self._add_hashes([hash_bytes(data, self._seed)])

    def __contains__(self, key: Key) -> bool:
        return self._holds(hash_bytes(_keys.bytes_of_key(key), self._seed))

    def contains(self, key: Key) -> bool:
        """Return whether the filter may hold `key`; the same as ``key in filter``."""
        return key in self

    def add_many(self, keys: Keys) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        hashes = self._hashes(keys)
        with self._lock:
            self._add_hashes(hashes)

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether the filter may hold it."""
        return _keys.fill_out(out, [self._holds(h) for h in self._hashes(keys)], "bool")

    def update(self, *others: ScalableBloomFilter | Keys) -> None:
        """Add every key of each of `others`, as ``set.update`` does."""
        for other in others:
            if isinstance(other, ScalableBloomFilter):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole filters ------------------------------------------------------------------------

    def merge(self, *others: ScalableBloomFilter) -> None:
        """Add all keys of other filters."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, ScalableBloomFilter)
        incoming = []
        for other in others:
            if other is not self:
                with other._lock:
                    incoming += [s.copy() for s in other._slices if s.count]
        with self._lock:
            self._merge(incoming)

    def _merge(self, incoming: list[Slice]) -> None:
        """Unite each slice with the first that has room for it, or append it."""
        slices = list(self._slices)
        counts = [s.count for s in slices]
        targets = []
        for s in incoming:
            fits = (i for i, t in enumerate(slices) if t.takes(s, counts[i]))
            target = next(fits, len(slices))
            if target == len(slices):
                if self._mapping is not None or target == MAX_SLICES:
                    raise self._full()
                slices.append(s)
                counts.append(0)
            counts[target] += s.count
            targets.append(target)
        for s, target in zip(incoming, targets, strict=True):
            if target == len(self._slices):
                self._slices.append(s)
            else:
                self._slices[target].unite(s)

    def __or__(self, other: ScalableBloomFilter) -> Self:
        if not isinstance(other, ScalableBloomFilter):
            return NotImplemented
        self._check_same(other, ScalableBloomFilter)
        result = self.copy()
        result |= other
        return result

    def __ior__(self, other: ScalableBloomFilter) -> Self:
        if not isinstance(other, ScalableBloomFilter):
            return NotImplemented
        self.merge(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScalableBloomFilter):
            return NotImplemented
        if self._differing(other) is not None or self.slices != other.slices:
            return False
        return all(a.same(b) for a, b in zip(self._slices, other._slices, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self.approx_len() > 0

    def clear(self) -> None:
        """Remove all keys; of a mapped file all slices stay, otherwise the first."""
        self._check_writable("clear")
        with self._lock:
            if self._mapping is None:
                self._slices = self._slices[:1]
            for s in self._slices:
                s.clear()

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def initial_capacity(self) -> int:
        """How many distinct keys the first slice was sized for."""
        return self._initial_capacity

    @property
    def fp_rate(self) -> float:
        """The false-positive rate that is kept."""
        return self._fp_rate

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def slices(self) -> int:
        """How many slices there are now."""
        return len(self._slices)

    @property
    def capacity(self) -> int:
        """How many distinct keys the slices that there are now were sized for, together."""
        return sum(s.capacity for s in self._slices)

    @property
    def fill_ratio(self) -> float:
        """The share of bits that are set, of all slices together, in [0, 1]."""
        ones = sum(lane.bit_count() for s in self._slices for lane in s.bits)
        return ones / sum(8 * s.bits.nbytes for s in self._slices)

    def approx_len(self) -> int:
        """Return about how many distinct keys were added."""
        return sum(s.count for s in self._slices)

    def expected_fp_rate(self) -> float:
        """Return the false-positive rate of the bits as they are now."""
        return 1.0 - math.prod(1.0 - s.rate() for s in self._slices)

    # ---- within -------------------------------------------------------------------------------

    def _hashes(self, keys: Keys) -> list[int]:
        return [hash_bytes(data, self._seed) for data in _keys.bytes_of_keys(keys)]

    def _holds(self, h: int) -> bool:
        return any(s.holds(h) for s in reversed(self._slices))

    def _add_hashes(self, hashes: list[int]) -> None:
        """Add keys one by one, once it is sure that all of them fit."""
        absent = sum(not self._holds(h) for h in hashes)
        self._reserve(absent - (self.capacity - self.approx_len()))
        for h in hashes:
            if not self._holds(h):
                self._open_slice().put(h)

    def _open_slice(self) -> Slice:
        """The newest slice with room, or a new one."""
        for s in reversed(self._slices):
            if s.room > 0:
                return s
        self._slices.append(self._spares.pop(self._next_level()))
        return self._slices[-1]

    def _reserve(self, need: int) -> None:
        """Make slices for `need` more keys than there is room for, or raise."""
        self._spares = {}
        if need > 0 and self._mapping is not None:
            raise self._full()
        level = self._next_level()
        while need > 0:
            if level >= MAX_LEVELS or self.slices + len(self._spares) >= MAX_SLICES:
                raise self._full()
            self._spares[level] = self._new_slice(level, f"{type(self).__name__} cannot grow")
            need -= self._spares[level].capacity
            level += 1

    def _next_level(self) -> int:
        return max(s.level for s in self._slices) + 1

    def _new_slice(self, level: int, what: str) -> Slice:
        capacity = self._initial_capacity << level
        if capacity > MAX_CAPACITY:
            raise errors.status("OUT_OF_RANGE", what)
        try:
            blocks, lanes = shape_for(capacity, slice_rate(self._fp_rate, level))
        except ValueError:
            raise errors.status("OUT_OF_RANGE", what) from None
        entry = bytearray(ENTRY.pack(level, blocks, lanes, 0))
        return Slice(capacity, memoryview(entry), memoryview(bytearray(blocks * lanes * 4)))

    def _full(self) -> Exception:
        if self._mapping is not None:
            what = "a mapped file cannot grow; add to its copy() and save that"
        else:
            what = f"{type(self).__name__} cannot grow"
        return errors.status("FULL", what)
