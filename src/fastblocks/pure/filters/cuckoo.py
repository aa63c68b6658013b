"""Cuckoo filter in plain Python; layout and sizing as csrc/filters/cuckoo.c tells."""

from __future__ import annotations

import math
import struct
from collections import Counter
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

__all__ = ["CuckooFilter"]

PARAMS = struct.Struct("<QdQQQ48s")  # capacity, fp_rate, seed, buckets, bits, zeros
MIN_FP_RATE = 1e-7
MAX_BUCKETS = 2**32
SLOTS = 4  # in a bucket
MIN_BITS, MAX_BITS = 8, 27  # of a fingerprint
SPARE = 16  # buckets more than a load of 0.95 takes, since small filters fill less evenly
MAX_NODES = 2 + SLOTS * 512  # buckets that a search for an empty slot looks at
HEAD_WORDS = 8
MARGIN = 0.85  # of fp_rate is aimed at, since counts of false positives scatter
COPY_TRIES = 32
MIX = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F

Entry = tuple[int, int]  # a bucket of the two, fingerprint


def shape_for(capacity: int, fp_rate: float) -> tuple[int, int]:
    """Number of buckets, and bits of a fingerprint, for `capacity` keys at `fp_rate`."""
    buckets = 2 if capacity <= 2 * SLOTS else (capacity * 5 + 18) // 19 + SPARE
    buckets += buckets % 2
    if buckets > MAX_BUCKETS:
        raise errors.status("OUT_OF_RANGE", f"capacity={capacity} at fp_rate={fp_rate}")
    expected = 8.0 * (capacity / (SLOTS * buckets))
    bits = MIN_BITS
    while expected > fp_rate * MARGIN * (2**bits - 1):
        bits += 1
    return buckets, bits


def bytes_of(buckets: int, bits: int) -> int:
    """Bytes of the payload: head, slots, and a word to spare."""
    return 8 * (HEAD_WORDS + (buckets * SLOTS * bits + 63) // 64 + 1)


class CuckooFilter(Flat):
    """A set that may claim keys it does not hold, and can remove; see `fastblocks.CuckooFilter`."""

    __slots__ = ("_bits", "_buckets", "_capacity", "_fp_rate", "_seed", "_words")

    _KIND, _VERSION = b"CUCK", 1
    _PARAMETERS = ("capacity", "fp_rate", "seed")

    def __init__(self, capacity: int, fp_rate: float = 0.01, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        self._fp_rate = check.real("fp_rate", fp_rate, MIN_FP_RATE, 1.0)
        self._buckets, self._bits = shape_for(self._capacity, self._fp_rate)
        self._take(memoryview(bytearray(bytes_of(self._buckets, self._bits))))

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._words = payload.cast("Q")  # len, moves, six zeros, then the slots

    def _params(self) -> bytes:
        shape = self._buckets, self._bits
        return PARAMS.pack(self._capacity, self._fp_rate, self._seed, *shape, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._capacity, self._fp_rate, self._seed, *rest = PARAMS.unpack(params)
        self._buckets, self._bits, unused = rest
        return (
            1 <= self._capacity < 2**63
            and MIN_FP_RATE <= self._fp_rate < 1.0
            and 2 <= self._buckets <= MAX_BUCKETS
            and self._buckets % 2 == 0
            and MIN_BITS <= self._bits <= MAX_BITS
            and size == bytes_of(self._buckets, self._bits)
            and not any(unused)
        )

    def _admit(self) -> bool:
        """Whether all bits that no filter uses are zero; a wrong number of entries is set right."""
        end = self._buckets * SLOTS * self._bits
        last = HEAD_WORDS + end // 64
        if any(self._words[2:HEAD_WORDS]) or self._words[last] >> end % 64:
            return False
        if any(self._words[last + 1 :]) or self._words[0] > self._buckets * SLOTS:
            return False
        if not self._payload.readonly:
            self._words[0] = sum(1 for _ in self._entries())
        return True

    def _gather(self) -> bytes:
        for _ in range(COPY_TRIES):
            moves = self._words[1]
            data = super()._gather()
            if self._words[1] == moves:
                return data
        raise errors.unsettled()

    # ---- slots --------------------------------------------------------------------------------

    def _slot(self, bucket: int, slot: int) -> tuple[int, int]:
        """Where a slot lies: index of its first word, lowest bit in it."""
        word, shift = divmod((bucket * SLOTS + slot) * self._bits, 64)
        return HEAD_WORDS + word, shift

    def _get(self, bucket: int, slot: int) -> int:
        word, shift = self._slot(bucket, slot)
        both = self._words[word] | self._words[word + 1] << 64
        return int(both >> shift & (2**self._bits - 1))

    def _set(self, bucket: int, slot: int, fp: int) -> None:
        word, shift = self._slot(bucket, slot)
        both = self._words[word] | self._words[word + 1] << 64
        both = both & ~((2**self._bits - 1) << shift) | fp << shift
        self._words[word] = both % 2**64
        if shift + self._bits > 64:
            self._words[word + 1] = both >> 64

    def _moved(self) -> None:
        """Before an entry is overwritten, so that readers elsewhere look again."""
        self._words[1] = (self._words[1] + 1) % 2**64

    def _find(self, bucket: int, fp: int) -> tuple[int, int] | None:
        """The first slot of a bucket that holds `fp`."""
        for slot in range(SLOTS):
            if self._get(bucket, slot) == fp:
                return bucket, slot
        return None

    def _other(self, bucket: int, fp: int) -> int:
        mixed = fp * MIX[0] % 2**64
        mixed = (mixed ^ mixed >> 32) * MIX[1] % 2**64
        return (2 * (mixed * (self._buckets // 2) >> 64) + 1 - bucket) % self._buckets

    def _entry(self, data: bytes) -> Entry:
        h = hash_bytes(data, self._seed)
        fp = 1 + (h % 2**32 * (2**self._bits - 1) >> 32)
        return h * self._buckets >> 64, fp

    def _entries(self) -> Iterator[Entry]:
        for bucket in range(self._buckets):
            for slot in range(SLOTS):
                if fp := self._get(bucket, slot):
                    yield bucket, fp

    # ---- entries ------------------------------------------------------------------------------

    def _holds(self, entry: Entry) -> bool:
        bucket, fp = entry
        while True:
            moves = self._words[1]
            if self._find(bucket, fp) or self._find(self._other(bucket, fp), fp):
                return True
            if self._words[1] == moves:
                return False

    def _put(self, entry: Entry) -> bool:
        """Add an entry; False if there is no room."""
        bucket, fp = entry
        other = self._other(bucket, fp)
        empty = self._find(bucket, 0) or self._find(other, 0) or self._make_room(bucket, other)
        if empty is None:
            return False
        self._set(*empty, fp)
        self._words[0] += 1
        return True

    def _make_room(self, first: int, second: int) -> tuple[int, int] | None:
        """A slot in one of two full buckets, emptied by moving entries to their other buckets.

        Breadth first: the children of node k are the nodes 4k + 2 to 4k + 5.
        """
        nodes = [first, second]
        while len(nodes) < MAX_NODES:
            node, slot = divmod(len(nodes) - 2, SLOTS)
            child = self._other(nodes[node], self._get(nodes[node], slot))
            nodes.append(child)
            if empty := self._find(child, 0):
                break
        else:
            return None
        at = len(nodes) - 1
        while at >= 2:
            at, slot = divmod(at - 2, SLOTS)
            self._set(*empty, self._get(nodes[at], slot))
            self._moved()
            empty = nodes[at], slot
        return empty

    def _drop(self, entry: Entry) -> bool:
        """Remove an entry; False if there is none."""
        bucket, fp = entry
        found = self._find(bucket, fp) or self._find(self._other(bucket, fp), fp)
        if found is None:
            return False
        self._moved()
        self._set(*found, 0)
        self._words[0] = max(self._words[0] - 1, 0)
        return True

    def _put_all(self, entries: list[Entry]) -> bool:
        """Add entries; False, and none has been added, if they do not all fit."""
        if len(entries) > self._buckets * SLOTS - len(self):
            return False
        for i, entry in enumerate(entries):
            if not self._put(entry):
                for added in entries[:i]:
                    self._drop(added)
                return False
        return True

    def _full(self) -> Exception:
        return errors.status("FULL", f"{type(self).__name__} of {len(self)} keys")

    # ---- keys ---------------------------------------------------------------------------------

    def add(self, key: Key) -> None:
        """Add one copy of a key."""
        entry = self._entry(_keys.bytes_of_key(key))
        self._check_writable("add")
        with self._lock:
            if not self._put(entry):
                raise self._full()

    def remove(self, key: Key) -> bool:
        """Remove one copy of a key; return whether there was one."""
        entry = self._entry(_keys.bytes_of_key(key))
        self._check_writable("remove")
        with self._lock:
            return self._drop(entry)

    def __contains__(self, key: Key) -> bool:
        return self._holds(self._entry(_keys.bytes_of_key(key)))

    def contains(self, key: Key) -> bool:
        """Return whether the filter may hold `key`; the same as ``key in filter``."""
        return key in self

    def add_many(self, keys: Keys) -> None:
        """Add one copy of each key of a batch: of all, or none if there is an error."""
        self._check_writable("add_many")
        entries = [self._entry(data) for data in _keys.bytes_of_keys(keys)]
        with self._lock:
            if not self._put_all(entries):
                raise self._full()

    def remove_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Remove one copy of each key of a batch, in order; return where there was one."""
        self._check_writable("remove_many")
        entries = [self._entry(data) for data in _keys.bytes_of_keys(keys)]
        if out is not None:
            check.out_array(out, len(entries), "bool")
        with self._lock:
            answers = [self._drop(entry) for entry in entries]
        return _keys.fill_out(out, answers, "bool")

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether the filter may hold it."""
        entries = [self._entry(data) for data in _keys.bytes_of_keys(keys)]
        return _keys.fill_out(out, [self._holds(entry) for entry in entries], "bool")

    def update(self, *others: CuckooFilter | Keys) -> None:
        """Add every key of each of `others`, as ``set.update`` does."""
        for other in others:
            if isinstance(other, CuckooFilter):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole filters ------------------------------------------------------------------------

    def merge(self, *others: CuckooFilter) -> None:
        """Add all entries of other filters."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, CuckooFilter)
        self._combine([list(Flat.copy(other)._entries()) for other in others])

    def _combine(self, batches: list[list[Entry]]) -> None:
        with self._lock:
            for i, entries in enumerate(batches):
                if not self._put_all(entries):
                    for added in batches[:i]:
                        for entry in added:
                            self._drop(entry)
                    raise self._full()

    def __or__(self, other: CuckooFilter) -> Self:
        if not isinstance(other, CuckooFilter):
            return NotImplemented
        self._check_same(other, CuckooFilter)
        result = self.copy()
        result._combine([list(Flat.copy(other)._entries())])
        return result

    def __ior__(self, other: CuckooFilter) -> Self:
        if not isinstance(other, CuckooFilter):
            return NotImplemented
        self.merge(other)
        return self

    def _counts(self) -> Counter[Entry]:
        """How often each entry is held, under the lower of its buckets."""
        return Counter((min(b, self._other(b, fp)), fp) for b, fp in self._entries())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CuckooFilter):
            return NotImplemented
        if other is self or self._differing(other) is not None:
            return other is self
        return self.copy()._counts() == other.copy()._counts()

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return self._words[0]

    def __bool__(self) -> bool:
        return len(self) > 0

    def clear(self) -> None:
        """Remove all keys."""
        self._check_writable("clear")
        with self._lock:
            self._moved()
            for i in range(HEAD_WORDS, len(self._words)):
                self._words[i] = 0
            self._words[0] = 0

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
    def fingerprint_bits(self) -> int:
        """Bits that are kept of each key."""
        return self._bits

    @property
    def load_factor(self) -> float:
        """The share of slots that are taken."""
        return len(self) / (self._buckets * SLOTS)

    def expected_fp_rate(self, n: int | None = None) -> float:
        """Return the false-positive rate to expect, now or with `n` keys."""
        slots = self._buckets * SLOTS
        n = len(self) if n is None else check.integer("n", n, 0, slots)
        values = 2**self._bits - 1
        return -math.expm1(8 * (n / slots) * math.log1p(-1 / values))
