"""Heavy hitters.

A stream of 100,000 visits to cities, drawn by how many people live there; and integers by Zipf's
law with exponent 1.1, which has a long tail. Each library tells the 1,000 hottest apart, in about
the same memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.data import city_visits, stream, stream_name
from bench.model import Record, Timed, expect, work
from bench.sketches.topk_libraries import PEERS, CounterFloor, Heavy, Native, Pure

LIBRARIES = (Native, Pure, *PEERS, CounterFloor)

K = 1000
ROUNDS = 3
VISITS = 100_000
SIZES = (100, 200, 400, 800)
STREAM = 300_000
SMALL = 20_000
CITIES = "100 k city names, drawn by population"


@work("`t.add(key)`", f"{CITIES}; includes making the summary", headline=True, rounds=ROUNDS)
def bench_add(lib: Heavy, timed: Timed) -> None:
    """A new summary, filled key by key."""
    keys = lib.some(city_visits(VISITS))

    def fill() -> Any:
        t = lib.create(K)
        lib.add_each(t, keys)
        return t

    _check(lib, fill(), keys)
    timed(fill, items=len(keys))


@work("`t.add_many(list)`", f"{CITIES}; includes making the summary", headline=True, rounds=ROUNDS)
def bench_add_list(lib: Heavy, timed: Timed) -> None:
    """A new summary, filled in one call."""
    keys = list(lib.some(city_visits(VISITS)))

    def fill() -> Any:
        t = lib.create(K)
        lib.add_list(t, keys)
        return t

    _check(lib, fill(), keys)
    timed(fill, items=len(keys))


@work(
    "`t.add_many(ints)`",
    f"uint64[300 k], {stream_name(1.1)}; includes making the summary",
    headline=True,
    rounds=ROUNDS,
)
def bench_add_ints(lib: Heavy, timed: Timed, quick: bool) -> None:
    """A new summary of integers; peers without array input get a list."""
    keys = stream(SMALL if quick else STREAM, 1.1)[: lib.max_keys]

    def fill() -> Any:
        t = lib.create_ints(K)
        lib.add_ints(t, keys)
        return t

    _check(lib, fill(), keys.tolist())
    timed(fill, items=len(keys))


@work("`t.top(100)`", CITIES, unit="call", rounds=ROUNDS)
def bench_top(lib: Heavy, timed: Timed) -> None:
    """The hundred hottest of a full summary."""
    keys = lib.some(city_visits(VISITS))
    t = lib.create(K)
    lib.add_each(t, keys)
    _check(lib, t, keys)
    timed(lambda: lib.top(t, 100), items=1)


@work(
    "Share of the true top 100 that is found against memory",
    f"300 k integers, {stream_name(0.7)}, by k",
    chart="curve",
    axes=("bytes", "recall"),
    points=SIZES,
    rounds=1,
    libraries=("fastblocks", "datasketches"),
)
def bench_recall(lib: Heavy, record: Record, point: float, quick: bool) -> None:
    """Whether the hundred that are listed first are the hundred that came most often."""
    k = int(point)
    keys = stream(SMALL if quick else STREAM, 0.7)
    t = lib.create_ints(k)
    lib.add_ints(t, keys)
    true = Counter(keys.tolist())
    least = sorted(true.values(), reverse=True)[99]
    listed = [true[key] for key in lib.top(t, 100)]
    hits = sum(count >= least for count in listed)
    in_order = float(listed == sorted(true.values(), reverse=True)[:100])
    record(recall=hits / 100, bytes=lib.size(t), in_order=in_order, keys=len(keys))


def _check(lib: Heavy, t: Any, keys: Sequence[Any]) -> None:
    """Expect the ten hottest, in order."""
    true = Counter(keys)
    listed = [true[key] for key in lib.top(t, 10)]
    expect(listed == [count for _, count in true.most_common(10)], "not the ten hottest")
