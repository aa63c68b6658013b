"""Split-block Bloom filter in plain Python; layout as csrc/filters/bloom.c tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _keys
from ._split_block import SplitBlock

if TYPE_CHECKING:
    import mmap

    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["BloomFilter"]


class BloomFilter(SplitBlock):
    """A set that may claim keys it does not hold; see `fastblocks.BloomFilter`."""

    __slots__ = ("_bits",)

    _KIND, _VERSION = b"BLOM", 1
    _FILE_USE = "many writers"
    _LANE_BYTES = 4

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._bits = payload.cast("I")  # one item a lane, block after block

    # ---- keys ---------------------------------------------------------------------------------

    def _lane_bits(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Index of each lane of a key's block, and the key's bit in it."""
        return ((lane, 1 << cell) for lane, cell in self._cells(data))

    def _holds(self, data: bytes) -> bool:
        return all(self._bits[i] & bit for i, bit in self._lane_bits(data))

    def _occupied(self, lane: int) -> int:
        return self._bits[lane].bit_count()

    def add(self, key: Key) -> None:
        """Add one key."""
        data = _keys.bytes_of_key(key)
        self._check_writable("add")
        with self._lock:
            for i, bit in self._lane_bits(data):
                self._bits[i] |= bit

    def add_many(self, keys: Keys) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        with self._lock:
            for data in batch:
                for i, bit in self._lane_bits(data):
                    self._bits[i] |= bit

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
