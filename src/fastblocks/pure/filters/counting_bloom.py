"""Counting Bloom filter in plain Python; layout as csrc/filters/counting_bloom.c tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _keys
from ._split_block import CELLS, SplitBlock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["CountingBloomFilter"]

MAX = 15  # a counter that has come so far stays there


class CountingBloomFilter(SplitBlock):
    """A Bloom filter that can take keys back; see `fastblocks.CountingBloomFilter`."""

    __slots__ = ()

    _KIND, _VERSION = b"CBLM", 1
    _LANE_BYTES = CELLS // 2  # two counters a byte, the first in its low half

    # ---- keys ---------------------------------------------------------------------------------

    def _places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Byte of each of a key's counters, and how far up in it the counter is."""
        for lane, cell in self._cells(data):
            yield lane * self._LANE_BYTES + cell // 2, 4 * (cell % 2)

    def _least(self, data: bytes) -> int:
        return min(self._payload[i] >> shift & MAX for i, shift in self._places(data))

    def _holds(self, data: bytes) -> bool:
        return self._least(data) > 0

    def _occupied(self, lane: int) -> int:
        both = self._payload[lane * self._LANE_BYTES : (lane + 1) * self._LANE_BYTES]
        return sum((byte & 15 > 0) + (byte >> 4 > 0) for byte in both)

    def _change(self, data: bytes, step: int) -> None:
        for i, shift in self._places(data):
            if self._payload[i] >> shift & MAX < MAX:
                self._payload[i] += step << shift

    def _take_back(self, data: bytes) -> bool:
        if not self._holds(data):
            return False
        self._change(data, -1)
        return True

    def add(self, key: Key) -> None:
        """Add one key, once more if it is in."""
        data = _keys.bytes_of_key(key)
        self._check_writable("add")
        with self._lock:
            self._change(data, 1)

    def remove(self, key: Key) -> bool:
        """Remove one key, once; False, and nothing changes, if it is certainly absent."""
        data = _keys.bytes_of_key(key)
        self._check_writable("remove")
        with self._lock:
            return self._take_back(data)

    def estimate(self, key: Key) -> int:
        """Return how often `key` is in at the most; 15: that often or more."""
        return self._least(_keys.bytes_of_key(key))

    def add_many(self, keys: Keys) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        with self._lock:
            for data in batch:
                self._change(data, 1)

    def remove_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Remove a batch of keys, in order; return which were removed."""
        self._check_writable("remove_many")
        batch = _keys.bytes_of_keys(keys)
        result = _keys.fill_out(out, [False] * len(batch), "bool")
        with self._lock:
            result[:] = [self._take_back(data) for data in batch]
        return result

    def estimate_many(self, keys: Keys, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return, for each key of a batch, how often it is in at the most."""
        return _keys.fill_out(out, [self._least(d) for d in _keys.bytes_of_keys(keys)], "uint8")

    def update(self, *others: CountingBloomFilter | Keys) -> None:
        """Add every key of each of `others`, as ``Counter.update`` does."""
        for other in others:
            if isinstance(other, CountingBloomFilter):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole filters ------------------------------------------------------------------------

    def merge(self, *others: CountingBloomFilter) -> None:
        """Add all keys of other filters, as often as they are in there."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, CountingBloomFilter)
        with self._lock:
            for other in others:
                for i, more in enumerate(other._payload):
                    byte = self._payload[i]
                    low, high = (byte & 15) + (more & 15), (byte >> 4) + (more >> 4)
                    self._payload[i] = min(low, MAX) | min(high, MAX) << 4

    def __or__(self, other: CountingBloomFilter) -> Self:
        if not isinstance(other, CountingBloomFilter):
            return NotImplemented
        self._check_same(other, CountingBloomFilter)
        result = self.copy()
        result |= other
        return result

    def __ior__(self, other: CountingBloomFilter) -> Self:
        if not isinstance(other, CountingBloomFilter):
            return NotImplemented
        self.merge(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CountingBloomFilter):
            return NotImplemented
        return self._differing(other) is None and self._payload == other._payload

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return any(self._payload)

    def clear(self) -> None:
        """Remove all keys."""
        self._check_writable("clear")
        with self._lock:
            self._payload[:] = bytes(len(self._payload))
