"""Maglev table.

Tables of 65,537 entries, as in the paper. The keys of the scalar works are 200,000 city names and
airport codes. They are the same objects in every round, so whatever Python caches in a key (its
hash, its UTF-8) is cached for every library alike.
"""

from __future__ import annotations

from bench.data import city_names, integers
from bench.model import Timed, expect, work
from bench.ring.maglev_libraries import TABLE_SIZE, Maglev, ModuloFloor, Native, Pure, nodes

LIBRARIES = (Native, Pure, ModuloFloor)

SMALL = 2_000
MILLION = 1_000_000
LARGE_SIZE = 655_373
SMALL_SIZE = 5_003  # of quick runs
NAMES = "200 k city names, 65,537 entries"


@work("`t.get(key)`", f"{NAMES}, 100 nodes", headline=True, rounds=2)
def bench_get(lib: Maglev, timed: Timed, quick: bool) -> None:
    """One key after the other."""
    table, keys = lib.build(nodes(100), _size(quick)), lib.some(city_names())
    lib.check(table, 100)
    timed(lambda: lib.get_each(table, keys), items=len(keys))


@work("`t.get_n(key, 3)`", f"{NAMES}, 100 nodes", rounds=1)
def bench_get_n(lib: Maglev, timed: Timed, quick: bool) -> None:
    """Three replicas for every key."""
    table, keys = lib.build(nodes(100), _size(quick)), lib.some(city_names())
    found = table.get_n(keys[0], 3)
    expect(len(set(found)) == 3 and found[0] == table.get(keys[0]), "replicas")
    timed(lambda: lib.get_n_each(table, keys), items=len(keys))


@work("`t.get_many(list)`", f"{NAMES}, 100 nodes", rounds=1)
def bench_get_list(lib: Maglev, timed: Timed, quick: bool) -> None:
    """A list of str in one call."""
    table, keys = lib.build(nodes(100), _size(quick)), lib.some(city_names())
    lib.check_batch(table, keys, keys[:1000])
    timed(lambda: lib.get_many(table, keys), items=len(keys))


@work("`t.get_many(ints)`, 10 nodes", "uint64[1 M], 65,537 entries", rounds=2)
def bench_get_ints_10(lib: Maglev, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _get_ints(lib, timed, 10, _size(quick), quick)


@work("`t.get_many(ints)`", "uint64[1 M], 65,537 entries, 100 nodes", headline=True, rounds=2)
def bench_get_ints_100(lib: Maglev, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _get_ints(lib, timed, 100, _size(quick), quick)


@work("`t.get_many(ints)`, 1000 nodes", "uint64[1 M], 655,373 entries", rounds=2)
def bench_get_ints_1000(lib: Maglev, timed: Timed, quick: bool) -> None:
    """Integers in one call, from a table that the caches near to the core do not hold."""
    _get_ints(lib, timed, 1000, LARGE_SIZE if lib.role == "native" else _size(quick), quick)


def _get_ints(lib: Maglev, timed: Timed, n: int, size: int, quick: bool) -> None:
    table = lib.build(nodes(n), size)
    keys = integers(SMALL if quick else MILLION)[: lib.max_keys]
    lib.check_batch(table, keys, keys[:1000].tolist())
    timed(lambda: lib.get_many(table, keys), items=len(keys))


@work("`MaglevTable(nodes)`, 10 nodes", "65,537 entries", unit="entry", rounds=2)
def bench_build_10(lib: Maglev, timed: Timed, quick: bool) -> None:
    """A table of nodes of equal weight."""
    _build(lib, timed, 10, _size(quick))


@work("`MaglevTable(nodes)`", "65,537 entries, 100 nodes", unit="entry", headline=True, rounds=2)
def bench_build_100(lib: Maglev, timed: Timed, quick: bool) -> None:
    """A table of nodes of equal weight."""
    _build(lib, timed, 100, _size(quick))


@work("`MaglevTable(nodes)`, 1000 nodes", "65,537 entries", unit="entry", rounds=2)
def bench_build_1000(lib: Maglev, timed: Timed, quick: bool) -> None:
    """A table of nodes of equal weight."""
    _build(lib, timed, 1000, _size(quick))


def _build(lib: Maglev, timed: Timed, n: int, size: int) -> None:
    names = nodes(n)
    lib.check(lib.build(names, size), n)
    timed(lambda: lib.build(names, size), items=size)


@work(
    "`MaglevTable(nodes, weights)`",
    "65,537 entries, 100 nodes, weights 1 to 5",
    unit="entry",
    rounds=1,
)
def bench_build_weighted(lib: Maglev, timed: Timed, quick: bool) -> None:
    """A table of nodes of different weights."""
    names, size = nodes(100), _size(quick)
    weights = [1 + i % 5 for i in range(100)]
    loads = lib.build(names, size, weights).loads
    due = size / sum(weights)
    for name, weight in zip(names, weights, strict=True):
        expect(abs(loads[name] - due * weight) < 1.001, "a node has not what it is due")
    timed(lambda: lib.build(names, size, weights), items=size)


@work("`t.rebuild(nodes)`", "65,537 entries, one of 100 nodes leaves", unit="entry", rounds=2)
def bench_rebuild(lib: Maglev, timed: Timed, quick: bool) -> None:
    """It leaves and comes back: two tables, and what changed is counted."""
    names, size = nodes(100), _size(quick)
    few = names[:50] + names[51:]
    table = lib.build(names, size)
    share = table.rebuild(few)
    expect(0.0099 < share < (0.05 if quick else 0.017), f"{share:.2%} of the entries changed")
    expect(table.rebuild(names) == share, "another share on the way back")

    def leave_and_return() -> None:
        table.rebuild(few)
        table.rebuild(names)

    timed(leave_and_return, items=2 * size)


def _size(quick: bool) -> int:
    return SMALL_SIZE if quick else TABLE_SIZE
