"""TinyLFU's frequency sketch in plain Python; layout as csrc/sketches/frequency.c tells."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastblocks._core import check

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import mmap

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["FrequencySketch"]

PARAMS = struct.Struct("<QQ72s")  # capacity, seed, zeros
MAX_CAPACITY = 2**35
MAX_COUNT = 15
HEAD = 64  # bytes in front of the blocks: the number of records, then zeros
BLOCK = 64


class FrequencySketch(Flat):
    """How often a key was seen lately, 0 to 15; see `fastblocks.FrequencySketch`."""

    __slots__ = ("_blocks", "_capacity", "_counters", "_head", "_seed")

    _KIND, _VERSION = b"FREQ", 1
    _PARAMETERS = ("capacity", "seed")
    _FILE_USE = "one writer"

    def __init__(self, capacity: int, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._capacity = check.integer("capacity", capacity, 1, MAX_CAPACITY)
        self._take(memoryview(bytearray(HEAD + (self._capacity + 7) // 8 * BLOCK)))

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._head = payload[:HEAD].cast("Q")
        self._counters = payload[HEAD:]  # two in a byte, the first in its low half
        self._blocks = len(self._counters) // BLOCK

    def _params(self) -> bytes:
        return PARAMS.pack(self._capacity, self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._capacity, self._seed, unused = PARAMS.unpack(params)
        return (
            1 <= self._capacity <= MAX_CAPACITY
            and size == HEAD + (self._capacity + 7) // 8 * BLOCK
            and not any(unused)
        )

    def _admit(self) -> bool:
        records, *unused = self._head
        return records < self.sample_size and not any(unused)

    # ---- keys ---------------------------------------------------------------------------------

    def _hash(self, data: bytes) -> int:
        return hash_bytes(data, self._seed)

    def _places(self, h: int) -> Iterator[tuple[int, int]]:
        """Byte of each of a key's four counters, one in each 16 bytes of a block, and its shift."""
        block = (h * self._blocks >> 64) * BLOCK
        for lane in range(4):
            place = h >> 8 * lane & 31
            yield block + 16 * lane + place % 16, place // 16 * 4

    def _estimate(self, h: int) -> int:
        return min(self._counters[at] >> shift & 15 for at, shift in self._places(h))

    def _record(self, h: int) -> None:
        least = self._estimate(h)
        if least < MAX_COUNT:
            self._lift(h, least + 1)
            self._head[0] += 1
            if self._head[0] >= self.sample_size:
                self._age()

    def _lift(self, h: int, count: int) -> None:
        """Make the estimate at least `count`."""
        for at, shift in self._places(h):
            missing = count - (self._counters[at] >> shift & 15)
            if missing > 0:
                self._counters[at] += missing << shift

    def _age(self) -> None:
        for at, two in enumerate(self._counters):
            self._counters[at] = two >> 1 & 0x77
        self._head[0] //= 2

    def record(self, key: Key) -> None:
        """Count one occurrence of a key."""
        h = self._hash(_keys.bytes_of_key(key))
        self._check_writable("record")
        with self._lock:
            self._record(h)

    def record_many(self, keys: Keys) -> None:
        """Count one occurrence of each key of a batch: of all, or of none if there is an error."""
        self._check_writable("record_many")
        batch = _keys.bytes_of_keys(keys)
        with self._lock:
            for data in batch:
                self._record(self._hash(data))

    def estimate(self, key: Key) -> int:
        """Return about how often `key` was recorded lately, 0 to 15."""
        return self._estimate(self._hash(_keys.bytes_of_key(key)))

    def estimate_many(self, keys: Keys, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return, for each key of a batch, about how often it was recorded lately."""
        counts = [self._estimate(self._hash(data)) for data in _keys.bytes_of_keys(keys)]
        return _keys.fill_out(out, counts, "uint8")

    # ---- whole sketches -----------------------------------------------------------------------

    def age(self) -> None:
        """Halve every count and the number of records."""
        self._check_writable("age")
        with self._lock:
            self._age()

    def merge(self, *others: FrequencySketch) -> None:
        """Add the counts and the records of other sketches."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, FrequencySketch)
        with self._lock:
            for other in others:
                for at, (a, b) in enumerate(zip(self._counters, other._counters, strict=True)):
                    low = min((a & 15) + (b & 15), MAX_COUNT)
                    high = min((a >> 4) + (b >> 4), MAX_COUNT)
                    self._counters[at] = low | high << 4
                self._head[0] += other._head[0]
                if self._head[0] >= self.sample_size:
                    self._age()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrequencySketch):
            return NotImplemented
        return self._differing(other) is None and self._payload == other._payload

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return any(self._counters)

    def clear(self) -> None:
        """Forget all keys."""
        self._check_writable("clear")
        with self._lock:
            self._payload[:] = bytes(len(self._payload))

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """How many entries the cache has that it was sized for."""
        return self._capacity

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def sample_size(self) -> int:
        """At how many records the counts are halved: ten times the capacity."""
        return 10 * self._capacity

    @property
    def records(self) -> int:
        """How many records there were since the last aging, and half of those before it."""
        return self._head[0]
