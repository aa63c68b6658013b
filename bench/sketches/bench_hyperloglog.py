"""HyperLogLog.

The keys of the scalar works are 200,000 city names and airport codes, the same objects in every
round. Precision 14 throughout: 16 KiB, a standard error of 0.8 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bench.data import absent_names, city_names, integers
from bench.model import Record, Timed, expect, work
from bench.sketches.hyperloglog_libraries import PEERS, HyperLogLog, Native, Pure, SetFloor

LIBRARIES = (Native, Pure, *PEERS, SetFloor)

PRECISIONS = (8, 10, 12, 14, 16)
SMALL = 2_000
NAMES = "200 k city names"


@work("`s.add(key)`", f"{NAMES}; includes making the sketch", rounds=2, headline=True)
def bench_add(lib: HyperLogLog, timed: Timed) -> None:
    """A new sketch, filled key by key."""
    _time_filling(lib, timed, lib.add_each, lib.some(city_names()))


@work("`s.add_many(list)`", f"{NAMES}; includes making the sketch", rounds=2)
def bench_add_list(lib: HyperLogLog, timed: Timed) -> None:
    """A new sketch, filled in one call."""
    _time_filling(lib, timed, lib.add_list, lib.some(city_names()))


@work("`s.add_many(ints)`", "uint64[1 M]; includes making the sketch", rounds=2, headline=True)
def bench_add_ints(lib: HyperLogLog, timed: Timed, quick: bool) -> None:
    """Integers in one call; peers, that have no batches, loop over a list."""
    keys = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    _time_filling(lib, timed, lib.add_ints, lib.batch_ints(keys))


@work(
    "`s.merge(*sketches)`",
    "100 sketches of 5 k keys each",
    unit="sketch",
    rounds=2,
    headline=True,
)
def bench_merge(lib: HyperLogLog, timed: Timed, quick: bool) -> None:
    """As of a table's partitions."""
    n, each = (4 if lib.role == "pure" else 100), min(SMALL if quick else 5_000, lib.max_keys)
    keys = integers(n * each)
    parts = [lib.create() for _ in range(n)]
    for i, part in enumerate(parts):
        lib.add_ints(part, lib.batch_ints(keys[i * each : (i + 1) * each]))
    lib.check(lib.merged(parts), n * each)
    timed(lambda: lib.merged(parts), items=n)


@work(
    "`s.add(key); s.estimate()`",
    f"2000 more names in a sketch of {NAMES}",
    unit="pair",
    rounds=2,
)
def bench_estimate(lib: HyperLogLog, timed: Timed) -> None:
    """An estimate after each key."""
    s, keys = lib.create(), lib.some(city_names())
    lib.add_each(s, keys)
    lib.check(s, len(keys))
    more = absent_names()[: 20 if lib.role == "pure" else 2000]
    timed(lambda: lib.estimate_after_each(s, more), items=len(more))


@work(
    "Relative error against memory",
    "root mean square of 50 sketches of 30 k integers, by p",
    chart="curve",
    axes=("bytes", "error"),
    points=PRECISIONS,
    rounds=1,
    libraries=("fastblocks", "datasketches", "datasketches HLL_4"),
)
def bench_accuracy(lib: HyperLogLog, record: Record, point: float, quick: bool) -> None:
    """Each sketch is given other integers."""
    p, n, runs = int(point), SMALL if quick else 30_000, 5 if quick else 50
    squares = 0.0
    for run in range(runs):
        s = lib.create(p)
        lib.add_ints(s, lib.batch_ints(integers(n, stream=run)))
        squares += (lib.estimate(s) / n - 1) ** 2
    error, standard = math.sqrt(squares / runs), 1.04 / 2 ** (p / 2)
    expect(error < 2 * standard, f"the error is {error:.2%}, {error / standard:.1f} times the due")
    record(error=error, bytes=lib.bytes(s), standard=standard, keys=n, runs=runs)


def _time_filling(lib: HyperLogLog, timed: Timed, add: Callable[..., None], keys: Any) -> None:
    def fill() -> Any:
        s = lib.create()
        add(s, keys)
        return s

    lib.check(fill(), len(keys))
    timed(fill, items=len(keys))
