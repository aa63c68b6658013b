"""HyperLogLog in plain Python; forms and estimator as csrc/sketches/hyperloglog.c tells."""

from __future__ import annotations

import math
import struct
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from fastblocks._core import check, errors, files

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import mmap

    from typing_extensions import Self

    from fastblocks._core.files import PathLike
    from fastblocks._core.types import Key, Keys

__all__ = ["HyperLogLog"]

PARAMS = struct.Struct("<QQ72s")  # p, seed, zeros
MIN_P, MAX_P = 4, 18
SPARSE_P = 26  # of the sparse form, whose entries are index << 6 | rank
SPARSE_FROM = 8  # below this p a sketch is dense from the start
ALPHA = 0.7213475204444817  # 1 / (2 ln 2)


def index_and_rank(h: int, p: int) -> tuple[int, int]:
    """The first p bits of a hash, and the place of the first 1 in the rest."""
    rest = h & ((1 << 64 - p) - 1)
    return h >> 64 - p, 64 - p - rest.bit_length() + 1


def hash_like(index: int, rank: int) -> int:
    """A hash with this index and rank at SPARSE_P, and so with theirs at any smaller p."""
    return index << 64 - SPARSE_P | (1 << 64 - SPARSE_P) >> rank


def entries_allowed(p: int) -> int:
    """So many entries, of 4 bytes each, take 3/4 of what the registers take."""
    return 3 * 2**p // 16 if p >= SPARSE_FROM else 0


def sigma(x: float) -> float:
    """x + sum over k >= 1 of x**(2**k) * 2**(k-1)."""
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def tau(x: float) -> float:
    """(1 - x - sum over k >= 1 of (1 - x**(2**-k))**2 * 2**-k) / 3."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0


def estimate_dense(counts: list[int], p: int) -> float:
    """Ertl's improved raw estimator, from the number of registers of each value."""
    m, q = float(2**p), 64 - p
    z = m * tau(1.0 - counts[q + 1] / m)
    for k in range(q, 0, -1):
        z = 0.5 * (z + counts[k])
    unused = counts[0] / m
    z += m * sigma(unused)
    # The factor takes off what bias is left for small m.
    return min(ALPHA * m * m / (z * (1.0 + 1.079 / m * (1.0 - unused))), 2.0**64) if z else 2.0**64


def estimate_sparse(n: int) -> float:
    """Linear counting: -m ln(1 - n / m) for m = 2**SPARSE_P, by its power series."""
    m = float(2**SPARSE_P)
    x = n / m
    power, total, before, k = x, x, -1.0, 1
    while total != before:
        power *= x
        k += 1
        before = total
        total += power / k
    return total * m


class HyperLogLog(Flat):
    """An estimate of how many distinct keys were added; see `fastblocks.HyperLogLog`."""

    __slots__ = ("_entries", "_p", "_seed")

    _KIND, _VERSION = b"HLLG", 1
    _PARAMETERS = ("p", "seed")
    _FILE_USE = "many writers"

    _entries: dict[int, int] | None  # index -> rank at SPARSE_P, while sparse
    _p: int

    def __init__(self, p: int = 14, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._p = check.integer("p", p, MIN_P, MAX_P)
        self._take(memoryview(bytearray(0 if entries_allowed(self._p) else 2**self._p)))

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._entries = None if len(payload) == 2**self._p else {}

    def _params(self) -> bytes:
        return PARAMS.pack(self._p, self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._p, self._seed, unused = PARAMS.unpack(params)
        if not MIN_P <= self._p <= MAX_P or any(unused):
            return False
        allowed = entries_allowed(self._p)
        return size == 2**self._p or (allowed > 0 and size % 8 == 0 and size <= 4 * allowed)

    def _admit(self) -> bool:
        if self._entries is None:
            return max(self._payload) <= 65 - self._p
        if self._mapping is not None and not self._payload.readonly:
            raise errors.replaced()
        words = self._payload.cast("I").tolist()
        if words and words[-1] == 0:  # fills up the last 8 bytes
            words.pop()
        indexes = [word >> 6 for word in words]
        ranks = [word & 63 for word in words]
        self._entries = dict(zip(indexes, ranks, strict=True))
        if self._mapping is None:
            self._payload = memoryview(bytearray())
        ascending = all(a < b for a, b in pairwise(indexes))
        return ascending and all(1 <= rank <= 65 - SPARSE_P for rank in ranks)

    def _gather(self) -> bytes:
        if self._entries is None:
            return super()._gather()
        words = [index << 6 | rank for index, rank in sorted(self._entries.items())]
        return struct.pack(f"<{len(words)}I{len(words) % 2 * 4}x", *words)

    @property
    def nbytes(self) -> int:
        """Bytes that the registers, or the sparse entries, take in serialised form."""
        return len(self._gather())

    @classmethod
    def open(cls, path: PathLike, mode: Literal["r", "r+"] = "r", *, verify: bool = True) -> Self:
        """Map a saved sketch into memory; see the native class."""
        if files.open_mode(mode):
            files.convert(path, lambda: cls._dense_form(path, verify))
        return super().open(path, mode, verify=verify)

    @classmethod
    def _dense_form(cls, path: PathLike, verify: bool) -> bytes | None:
        """The bytes to replace a sparse file by, or None if it is dense."""
        saved = super().open(path, "r", verify=verify)
        if not saved.sparse:
            return None
        result = saved.copy()
        result._make_dense()
        return result.to_bytes()

    # ---- keys ---------------------------------------------------------------------------------

    def _add_hash(self, h: int) -> None:
        if self._entries is not None:
            index, rank = index_and_rank(h, SPARSE_P)
            self._entries[index] = max(self._entries.get(index, 0), rank)
            if len(self._entries) > entries_allowed(self._p):
                self._make_dense()
        else:
            index, rank = index_and_rank(h, self._p)
            self._payload[index] = max(self._payload[index], rank)

    def _make_dense(self) -> None:
        entries, self._entries = self._entries, None
        if entries is not None:
            self._payload = memoryview(bytearray(2**self._p))
            for entry in entries.items():
                self._add_hash(hash_like(*entry))

    def add(self, key: Key) -> None:
        """Add one key."""
        data = _keys.bytes_of_key(key)
        self._check_writable("add")
        with self._lock:
            self._add_hash(hash_bytes(data, self._seed))

    def add_many(self, keys: Keys) -> None:
        """Add a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        with self._lock:
            for data in batch:
                self._add_hash(hash_bytes(data, self._seed))

    def update(self, *others: HyperLogLog | Keys) -> None:
        """Add every key of each of `others`, as ``set.update`` does."""
        for other in others:
            if isinstance(other, HyperLogLog):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole sketches -----------------------------------------------------------------------

    def merge(self, *others: HyperLogLog) -> None:
        """Add all keys of other sketches."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, HyperLogLog)
        for other in others:
            theirs = other.copy()
            with self._lock:
                if theirs._entries is not None:
                    for entry in theirs._entries.items():
                        self._add_hash(hash_like(*entry))
                else:
                    self._make_dense()
                    for i, rank in enumerate(theirs._payload):
                        self._payload[i] = max(self._payload[i], rank)

    def __or__(self, other: HyperLogLog) -> Self:
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        self._check_same(other, HyperLogLog)
        result = self.copy()
        result |= other
        return result

    def __ior__(self, other: HyperLogLog) -> Self:
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        self.merge(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        return self._differing(other) is None and self._gather() == other._gather()

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return any(self._payload) if self._entries is None else bool(self._entries)

    def clear(self) -> None:
        """Forget all keys."""
        self._check_writable("clear")
        with self._lock:
            if self._mapping is None and entries_allowed(self._p):
                self._payload, self._entries = memoryview(bytearray()), {}
            else:
                self._payload[:] = bytes(2**self._p)

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def p(self) -> int:
        """The precision: there are ``2**p`` registers."""
        return self._p

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def standard_error(self) -> float:
        """The standard deviation of the relative error of a dense sketch."""
        return 1.04 / math.sqrt(2**self._p)

    @property
    def sparse(self) -> bool:
        """Whether the sketch still lists its few keys, nearly exactly, rather than registers."""
        return self._entries is not None

    def estimate(self) -> float:
        """Estimate how many distinct keys were added."""
        with self._lock:
            if self._entries is not None:
                return estimate_sparse(len(self._entries))
            registers = self._payload.tobytes()
        return estimate_dense([registers.count(value) for value in range(66 - self._p)], self._p)

    def approx_len(self) -> int:
        """Estimate how many distinct keys were added, as an int."""
        return round(self.estimate())

    def __len__(self) -> int:
        return min(self.approx_len(), sys.maxsize)
