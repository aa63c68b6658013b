"""Binary fuse filter in plain Python; layout and order as csrc/filters/binary_fuse.c tells."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from fastblocks._core import check, errors

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import mmap
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["BinaryFuseFilter"]

PARAMS = struct.Struct("<6Q40s")  # keys, bits, seed, log_length, n_segments, attempt, zeros
ATTEMPTS = 100
MAX_KEYS = 2**31
MIN_LOG, MAX_LOG = 3, 18
LOW = 2**10 - 1  # the bits of a word that are not used
MARK = 0xB504F333F9DE6485
WORD = 2**64 - 1
LONGER_FROM = (
    9, 28, 92, 304, 1010, 3362, 11193, 37273, 124118, 413310, 1376322, 4583150, 15261887, 50822082,
    169237530,
)  # fmt: skip
TYPES = {8: "B", 16: "H", 32: "I"}


class Place(NamedTuple):
    """What is left of a key: its first segment, and the word that tells the rest."""

    segment: int
    word: int


class Shape(NamedTuple):
    """Segments of ``2**log_length`` cells, as many as a key's first cell may lie in."""

    log_length: int
    n_segments: int

    @property
    def n_cells(self) -> int:
        return self.n_segments + 2 << self.log_length

    def place(self, h: int, attempt: int) -> Place:
        product = (h * multiplier(attempt) & WORD) * self.n_segments
        return Place(product >> 64, product & WORD & ~LOW)

    def cells(self, place: Place) -> list[int]:
        """The three cells of a key, in segments that follow each other."""
        length = 1 << self.log_length
        offsets = (place.word >> 64 - (i + 1) * self.log_length & length - 1 for i in range(3))
        return [(place.segment + i) * length + offset for i, offset in enumerate(offsets)]


def shape_for(n: int) -> Shape:
    """The shape of a filter of n keys: about 1.125 cells a key, more for small sets."""
    log_length = MIN_LOG + sum(n >= least for least in LONGER_FROM)
    cells = (9 * n + 7) // 8
    if n >= 2:
        whole = n.bit_length() - 1
        log2_bound = (whole << 16) + (n << 16 >> whole) - 2**16
        cells = max(cells, (7 * n + 7) // 8 + n * 326560 // log2_bound + 1)
    segments = -(-cells >> log_length)
    return Shape(log_length, max(segments - 2, 1))


def multiplier(attempt: int) -> int:
    """The odd number by which hashes are multiplied."""
    z = (attempt + 1) * 0x9E3779B97F4A7C15 & WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31 | 1


def print_of(place: Place, bits: int) -> int:
    """The fingerprint of a key."""
    return (place.word * MARK & WORD) >> 64 - bits


def peel(shape: Shape, places: Collection[Place]) -> list[tuple[int, Place]] | None:
    """Each key with a cell that no later one has; None if there is no such order."""
    keys_of: list[list[Place]] = [[] for _ in range(shape.n_cells)]
    for place in places:
        for cell in shape.cells(place):
            keys_of[cell].append(place)
    queue = deque(cell for cell, keys in enumerate(keys_of) if len(keys) == 1)
    peeled = []
    while queue:
        own = queue.popleft()
        if not keys_of[own]:
            continue  # peeled by way of another of its cells
        (place,) = keys_of[own]
        peeled.append((own, place))
        for cell in shape.cells(place):
            keys_of[cell].remove(place)
            if len(keys_of[cell]) == 1:
                queue.append(cell)
    return peeled if len(peeled) == len(places) else None


class BinaryFuseFilter(Flat):
    """A set, made once, that may claim keys it does not hold; see `fastblocks.BinaryFuseFilter`."""

    __slots__ = ("_attempt", "_bits", "_cells", "_n", "_seed", "_shape")

    _KIND, _VERSION = b"FUSE", 1
    _PARAMETERS = ("bits", "seed")
    _FILE_USE = "no writer"

    _cells: memoryview

    def __init__(self, keys: Keys, bits: int = 8, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._bits = check.one_of("bits", bits, TYPES)
        hashes = {hash_bytes(data, self._seed) for data in _keys.bytes_of_keys(keys)}
        self._n = len(hashes)
        if self._n > MAX_KEYS:
            raise errors.status("OUT_OF_RANGE", f"{self._n} keys")
        self._shape = shape_for(self._n)
        for self._attempt in range(ATTEMPTS if hashes else 1):
            places = [self._shape.place(h, self._attempt) for h in hashes]
            peeled = peel(self._shape, places)
            if peeled is not None:
                break
        else:
            raise errors.status("NOT_BUILT", f"{self._n} keys in {ATTEMPTS} attempts")
        self._take(memoryview(bytearray(self._shape.n_cells * self._bits // 8)))
        for own, place in reversed(peeled):
            self._cells[own] = self._xor(place) ^ print_of(place, self._bits)

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._cells = payload.cast(TYPES[self._bits])  # type: ignore[call-overload]

    def _params(self) -> bytes:
        return PARAMS.pack(self._n, self._bits, self._seed, *self._shape, self._attempt, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._n, self._bits, self._seed, *rest = PARAMS.unpack(params)
        log_length, n_segments, self._attempt, unused = rest
        self._shape = Shape(log_length, n_segments)
        return (
            self._bits in TYPES
            and MIN_LOG <= log_length <= MAX_LOG
            and 1 <= n_segments <= 2**32 - 3
            and self._attempt < 100
            and self._n <= min(MAX_KEYS, self._shape.n_cells)
            and size == self._shape.n_cells * self._bits // 8
            and not any(unused)
        )

    # ---- keys ---------------------------------------------------------------------------------

    def _xor(self, place: Place) -> int:
        """The xor of a key's cells."""
        a, b, c = self._shape.cells(place)
        cells = self._cells
        return int(cells[a] ^ cells[b] ^ cells[c])

    def _holds(self, data: bytes) -> bool:
        place = self._shape.place(hash_bytes(data, self._seed), self._attempt)
        return self._n > 0 and self._xor(place) == print_of(place, self._bits)

    def __contains__(self, key: Key) -> bool:
        return self._holds(_keys.bytes_of_key(key))

    def contains(self, key: Key) -> bool:
        """Return whether the filter may hold `key`; the same as ``key in filter``."""
        return key in self

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether the filter may hold it."""
        return _keys.fill_out(out, [self._holds(d) for d in _keys.bytes_of_keys(keys)], "bool")

    # ---- what it is ---------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinaryFuseFilter):
            return NotImplemented
        return self._differing(other) is None and self._cells == other._cells

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._n} keys, bits={self._bits}, seed={self._seed})"

    @property
    def bits(self) -> int:
        """Bits of a fingerprint: 8, 16 or 32."""
        return self._bits

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def fp_rate(self) -> float:
        """The share of absent keys that it claims to hold: ``2**-bits``; 0 if it is empty."""
        return 2.0**-self._bits if self._n else 0.0
