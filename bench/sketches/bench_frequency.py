"""Frequency sketch.

No other package has TinyLFU's sketch on its own; the nearest is a count-min sketch of as many
bytes, which never ages. The stream is Zipf-distributed, exponent 0.9, over names or integers.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bench.data import integers
from bench.model import Role, Timed, expect, work
from bench.sketches.counting_libraries import (
    CounterFloor,
    EmptyLoop,
    Native,
    PyProbables,
    requests,
)

SKEW = 0.9
SMALL = 2_000
FEW = 2_000  # keys that are checked: too few to age
NAMES = "100 k Zipf requests for city names, capacity 20 k"


class Frequency(Native):
    """fastblocks itself."""

    def create(self, capacity: int) -> Any:
        """Return an empty sketch."""
        return self.api.FrequencySketch(capacity)

    def add_each(self, s: Any, keys: Any) -> None:
        """Record keys one by one."""
        record = s.record
        for key in keys:
            record(key)

    def add_batch(self, s: Any, keys: Any) -> None:
        """Record a batch."""
        s.record_many(keys)


class Pure(Frequency):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 1_000


class Probables(PyProbables):
    """As many counters of 32 bits as fill 8 bytes per entry, in four rows."""

    def create(self, capacity: int) -> Any:  # type: ignore[override]
        """Return an empty sketch."""
        return super().create(capacity // 2, 4)


LIBRARIES = (Frequency, Pure, Probables, CounterFloor, EmptyLoop)


@work("`s.record(key)`", NAMES, headline=True, rounds=2)
def bench_add(lib: Any, timed: Timed) -> None:
    """Record key by key."""
    keys, s = lib.some(requests(SKEW)), lib.create(20_000)
    few = keys[:FEW]
    lib.add_each(s, few)
    lib.check(s, few, most=15)
    timed(lambda: lib.add_each(s, keys), items=len(keys))


@work("`s.estimate(key)`", NAMES, rounds=2)
def bench_estimate(lib: Any, timed: Timed) -> None:
    """Look up key by key."""
    keys, s = lib.some(requests(SKEW)), lib.create(20_000)
    lib.add_each(s, keys[:FEW])
    lib.check(s, keys[:FEW], most=15)
    timed(lambda: lib.estimate_each(s, keys), items=len(keys))


@work("`s.record_many(list)`", NAMES, rounds=2)
def bench_add_list(lib: Any, timed: Timed) -> None:
    """A list of str in one call."""
    keys, s = lib.some(requests(SKEW)), lib.create(20_000)
    lib.add_batch(s, keys[:FEW])
    lib.check(s, keys[:FEW], most=15)
    timed(lambda: lib.add_batch(s, keys), items=len(keys))


@work("`s.record_many(ints)`", "uint64[1 M], random, capacity 1 M", headline=True, rounds=2)
def bench_add_ints(lib: Any, timed: Timed, quick: bool) -> None:
    """Integers in one call; agings included."""
    ints = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    keys, s = lib.batch_ints(ints), lib.create(1_000_000)
    lib.add_batch(s, keys)
    lib.check(s, ints[:FEW].tolist(), most=15)
    timed(lambda: lib.add_batch(s, keys), items=len(ints))


@work("`s.estimate_many(ints)`", "uint64[1 M], random, capacity 1 M", rounds=2)
def bench_estimate_ints(lib: Any, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    ints = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    keys, s = lib.batch_ints(ints), lib.create(1_000_000)
    lib.add_batch(s, keys)
    found = lib.estimate_batch(s, keys)
    expect(found[:FEW].tolist() == lib.estimates(s, ints[:FEW].tolist()), "batch differs")
    timed(lambda: lib.estimate_batch(s, keys), items=len(ints))
