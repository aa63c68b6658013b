"""Count-min sketch.

A million counters of 32 bits (datasketches: of 64), in four rows. The requests for city names are
Zipf-distributed, exponent 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import integers, stream, stream_name
from bench.model import Record, Role, Timed, expect, work
from bench.sketches.counting_libraries import (
    CounterFloor,
    Counting,
    Native,
    PyProbables,
    requests,
)

WIDTH, DEPTH = 262_144, 4
SKEW = 1.1
SMALL = 2_000
FEW = 2_000  # keys that are checked
NAMES = "100 k Zipf requests for city names, 262,144 x 4"
BYTES = (16_384, 65_536, 262_144, 1_048_576)


class CountMin(Native):
    """fastblocks itself."""

    counter_bytes: ClassVar[int] = 4

    def create(self, width: int, depth: int) -> Any:
        """Return an empty sketch."""
        return self.api.CountMinSketch(width, depth)

    def add_batch(self, s: Any, keys: Any) -> None:
        """Add a batch."""
        s.add_many(keys)


class Plain(CountMin):
    """fastblocks without conservative update."""

    name = "fastblocks, plain"
    role: ClassVar[Role] = "floor"
    only = ("accuracy",)

    def create(self, width: int, depth: int) -> Any:
        """Return an empty sketch."""
        return self.api.CountMinSketch(width, depth, conservative=False)


class Pure(CountMin):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 1_000


class DataSketches(Counting):
    """A count-min sketch in C++, with counters of 64-bit floats."""

    name = "datasketches"
    module = "datasketches"
    distribution = "datasketches"
    counter_bytes: ClassVar[int] = 8

    def create(self, width: int, depth: int) -> Any:
        """Return an empty sketch."""
        return self.api.count_min_sketch(depth, width)

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one."""
        update = s.update
        for key in keys:
            update(key)

    def estimate_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one."""
        estimate = s.get_estimate
        for key in keys:
            estimate(key)

    def estimates(self, s: Any, keys: Sequence[Any]) -> list[int]:
        """Return the estimates."""
        return [round(s.get_estimate(key)) for key in keys]


LIBRARIES = (CountMin, Plain, Pure, DataSketches, PyProbables, CounterFloor)


@work("`s.add(key)`", NAMES, headline=True, rounds=2)
def bench_add(lib: Any, timed: Timed) -> None:
    """Add key by key."""
    keys, s = lib.some(requests(SKEW)), lib.create(WIDTH, DEPTH)
    lib.add_each(s, keys[:FEW])
    lib.check(s, keys[:FEW])
    timed(lambda: lib.add_each(s, keys), items=len(keys))


@work("`s.estimate(key)`", NAMES, rounds=2)
def bench_estimate(lib: Any, timed: Timed) -> None:
    """Look up key by key."""
    keys, s = lib.some(requests(SKEW)), lib.create(WIDTH, DEPTH)
    lib.add_each(s, keys)
    lib.check(s, keys)
    timed(lambda: lib.estimate_each(s, keys), items=len(keys))


@work("`s.add_many(list)`", NAMES, rounds=2)
def bench_add_list(lib: Any, timed: Timed) -> None:
    """A list of str in one call."""
    keys, s = lib.some(requests(SKEW)), lib.create(WIDTH, DEPTH)
    lib.add_batch(s, keys[:FEW])
    lib.check(s, keys[:FEW])
    timed(lambda: lib.add_batch(s, keys), items=len(keys))


@work("`s.add_many(ints)`", "uint64[1 M], random, 262,144 x 4", headline=True, rounds=2)
def bench_add_ints(lib: Any, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    ints = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    keys, s = lib.batch_ints(ints), lib.create(WIDTH, DEPTH)
    lib.add_batch(s, keys)
    lib.check(s, ints[:FEW].tolist())
    timed(lambda: lib.add_batch(s, keys), items=len(ints))


@work("`s.estimate_many(ints)`", "uint64[1 M], random, 262,144 x 4", rounds=2)
def bench_estimate_ints(lib: Any, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    ints = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    keys, s = lib.batch_ints(ints), lib.create(WIDTH, DEPTH)
    lib.add_batch(s, keys)
    found = lib.estimate_batch(s, keys)
    expect(found[:FEW].tolist() == lib.estimates(s, ints[:FEW].tolist()), "batch differs")
    timed(lambda: lib.estimate_batch(s, keys), items=len(ints))


@work(
    "Mean overestimate against memory",
    f"{stream_name(1.1)} over integers, 200 k, four rows",
    chart="curve",
    axes=("bytes", "excess"),
    rounds=1,
    points=BYTES,
    libraries=("fastblocks", "fastblocks, plain", "datasketches"),
)
def bench_accuracy(lib: Any, record: Record, point: float, quick: bool) -> None:
    """Count a stream in `point` bytes, then look up each of its keys."""
    n = SMALL if quick else 200_000
    requested = stream(n, 1.1)
    keys, true = np.unique(requested, return_counts=True)
    s = lib.create(int(point) // DEPTH // lib.counter_bytes, DEPTH)
    lib.add_each(s, requested.tolist())
    error = np.array(lib.estimates(s, keys.tolist())) - true
    expect(error.min() >= 0, "a key is estimated too low")
    record(excess=float(error.mean()), bytes=point, keys=len(keys), total=n)
