"""Cuckoo filter.

The keys of the scalar works are 200,000 city names and airport codes, the same objects in every
round. pyprobables takes text and bytes alone; it gets buckets for a load of 0.95.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import UINT64, absent_names, city_names, integer_chunks, integers
from bench.model import Library, Record, Role, Timed, Unsupported, expect, work

NAMES_1 = "200 k city names, 1 %"
INTS_1 = "uint64[1 M], filter of 1 M, 1 %"


class Cuckoo(Library):
    """What all have in common: `f` is a filter of the library throughout."""

    _filled: Any = None

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter."""
        return self.api.CuckooFilter(capacity, fp_rate)

    def filled(self) -> Any:
        """Return a filter of 1 % that holds `some` city names, made once."""
        if self._filled is None:
            names = self.some(city_names())
            self._filled = self.create(len(names), 0.01)
            self.add_each(self._filled, names)
        return self._filled

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one: the loop that is timed."""
        add = f.add
        for key in keys:
            add(key)

    def remove_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Remove keys one by one: the loop that is timed."""
        remove = f.remove
        for key in keys:
            remove(key)

    def contains_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one: the loop that is timed."""
        for key in keys:
            key in f  # noqa: B015

    def batch(self, keys: UINT64) -> Any:
        """Return integers in the form the batch methods take."""
        raise Unsupported("no batches")

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.nbytes)


class Native(Cuckoo):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def batch(self, keys: UINT64) -> Any:
        """Return the array as it is."""
        return keys


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 500


class PyProbables(Cuckoo):
    """A filter in Python, whose buckets are lists.

    It derives both buckets from the fingerprint, so its rate is that of a hash of so many bits:
    the size that the rate takes must be chosen by hand.
    """

    name = "pyprobables"
    module = "probables"
    distribution = "pyprobables"
    max_keys = 1_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter with the shortest fingerprints that reach the rate."""
        size = min(math.ceil(math.log2(capacity / fp_rate) / 8), 4)
        buckets = math.ceil(capacity / 4 / 0.95)
        return self.api.CuckooFilter(buckets, finger_size=size, auto_expand=False)

    def bits(self, f: Any) -> float:
        """Return the size of its fingerprints in bits; as Python ints they take far more."""
        return float(f.capacity * f.bucket_size * f.fingerprint_size_bits)


class CounterFloor(Cuckoo):
    """Python's `Counter`: no false positives, every key kept."""

    name = "Counter"
    role: ClassVar[Role] = "floor"
    max_keys = 50_000
    only = ("contains_hits", "add")

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty Counter."""
        return Counter()

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Count up."""
        for key in keys:
            f[key] += 1


LIBRARIES = (Native, Pure, PyProbables, CounterFloor)


@work("`key in f`, present", NAMES_1, headline=True, rounds=2)
def bench_contains_hits(lib: Cuckoo, timed: Timed) -> None:
    """Every key is there."""
    f, keys = lib.filled(), lib.some(city_names())
    _check(f, keys, lib.some(absent_names()))
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`key in f`, absent", NAMES_1, rounds=2)
def bench_contains_misses(lib: Cuckoo, timed: Timed) -> None:
    """No key is there but the false positives."""
    f, keys = lib.filled(), lib.some(absent_names())
    _check(f, lib.some(city_names()), keys)
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`f.add(key)`", f"{NAMES_1}; includes making the filter", headline=True, rounds=2)
def bench_add(lib: Cuckoo, timed: Timed) -> None:
    """A new filter, filled key by key to its capacity."""
    keys = lib.some(city_names())

    def fill() -> Any:
        f = lib.create(len(keys), 0.01)
        lib.add_each(f, keys)
        return f

    _check(fill(), keys, lib.some(absent_names()))
    timed(fill, items=len(keys))


@work(
    "`f.remove(key); f.add(key)`",
    f"{NAMES_1}; of a full filter, every tenth key",
    unit="pair",
    rounds=2,
)
def bench_remove(lib: Cuckoo, timed: Timed) -> None:
    """A tenth of the keys leaves and comes back."""
    f, keys = lib.filled(), lib.some(city_names())
    leaving = keys[::10]

    def leave_and_return() -> None:
        lib.remove_each(f, leaving)
        lib.add_each(f, leaving)

    leave_and_return()
    _check(f, keys, lib.some(absent_names()))
    timed(leave_and_return, items=len(leaving))


@work("`f.contains_many(ints)`", f"{INTS_1}, half present", headline=True, rounds=2)
def bench_contains_ints(lib: Cuckoo, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    present = lib.batch(integers(2_000 if quick else 1_000_000)[: lib.max_keys])
    f = lib.create(len(present), 0.01)
    f.add_many(present)
    probes = np.concatenate([present[::2], integers(len(present) // 2, stream=1)])
    np.random.default_rng(0).shuffle(probes)
    expect(f.contains_many(present).all(), "an added key is missing")
    timed(lambda: f.contains_many(probes), items=len(probes))


@work("`f.add_many(ints)`", f"{INTS_1}; to 90 % of the slots; includes making the filter", rounds=2)
def bench_add_ints(lib: Cuckoo, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    capacity = min(2_000 if quick else 1_000_000, lib.max_keys)
    keys = lib.batch(integers(int(capacity * 0.9 / 0.95)))

    def fill() -> Any:
        f = lib.create(capacity, 0.01)
        f.add_many(keys)
        return f

    expect(fill().contains_many(keys).all(), "an added key is missing")
    timed(fill, items=len(keys))


@work(
    "False-positive rate and memory",
    chart="accuracy",
    points=(0.1, 0.01, 0.001, 0.0001),
    rounds=1,
)
def bench_accuracy(lib: Cuckoo, record: Record, point: float, quick: bool) -> None:
    """Fill to capacity with random integers as text, then probe others."""
    n = min(2_000 if quick else 100_000, lib.max_keys)
    f = lib.create(n, point)
    probes = n * (20 if lib.role == "native" and not quick else 1)
    if lib.role == "native":
        f.add_many(integers(n))
        expect(f.contains_many(integers(n)).all(), "an added key is missing")
        chunks = integer_chunks(probes, stream=1)
        found = sum(int(f.contains_many(chunk).sum()) for chunk in chunks)
    else:
        keys = [str(key) for key in integers(n).tolist()]
        lib.add_each(f, keys)
        expect(all(key in f for key in keys), "an added key is missing")
        found = sum(str(key) in f for key in integers(probes, stream=1).tolist())
    record(bits=lib.bits(f) / n, rate=found / probes, found=found, keys=n, probes=probes)


def _check(f: Any, present: Sequence[str], absent: Sequence[str]) -> None:
    """Expect every key present, and at most twice the target of absent keys."""
    expect(all(key in f for key in present), "an added key is missing")
    found = sum(key in f for key in absent)
    expect(found <= 0.02 * len(absent) + 10, f"{found / len(absent):.2%} false positives")
