"""Hash ring.

The keys of the scalar works are 200,000 city names and airport codes, the same objects in every
round. Nodes are named like hosts and have 160 points each.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.data import city_names, integers
from bench.model import Timed, expect, work
from bench.ring.hash_ring_libraries import CHECKED, HashRing, ModuloFloor, Native, Pure, UHashRing

LIBRARIES = (Native, Pure, UHashRing, ModuloFloor)

COMPARED = ("fastblocks", "uhashring")
SIZES = (10, 100, 1_000)
SMALL = 2_000
NAMES = "200 k city names, 100 nodes x 160 vnodes"
LARGE = "1000 nodes x 160 vnodes"


def hosts(n: int) -> list[str]:
    """Return `n` names of nodes."""
    return [f"cache-{i}.example.org" for i in range(n)]


@work("`r.get(key)`", NAMES, headline=True)
def bench_get(lib: HashRing, timed: Timed) -> None:
    """Key by key."""
    r, keys = lib.make(hosts(100)), lib.some(city_names())
    lib.check(r, keys)
    timed(lambda: lib.get_each(r, keys), items=len(keys))


@work("`r.get(key)`, ketama", NAMES)
def bench_get_ketama(lib: HashRing, timed: Timed) -> None:
    """Key by key, where uhashring and fastblocks have the same answers."""
    r, keys = lib.make(hosts(100), ketama=True), lib.some(city_names())
    lib.check(r, keys, ketama=True)
    timed(lambda: lib.get_each(r, keys), items=len(keys))


@work("`r.get_n(key, 3)`", NAMES, rounds=1)
def bench_get_n(lib: HashRing, timed: Timed) -> None:
    """Three replicas of every key."""
    r, keys = lib.make(hosts(100)), lib.some(city_names())
    keys = keys[: lib.max_keys // 20]
    for key, first in zip(keys[:100], lib.answers(r, keys[:100]), strict=True):
        nodes = lib.three(r, key)
        expect(nodes[0] == first and len(set(nodes)) == 3, f"wrong replicas: {nodes}")
    timed(lambda: lib.get_n_each(r, keys), items=len(keys))


@work("`r.get_many(list)`", NAMES, rounds=2)
def bench_get_list(lib: HashRing, timed: Timed) -> None:
    """A list of str in one call; peers, that have no batches, loop."""
    keys = list(lib.some(city_names()))
    _time_batch(lib, timed, 100, keys, keys)


@work("`r.get_many(ints)`", "uint64[1 M], 100 nodes x 160 vnodes", headline=True)
def bench_get_ints(lib: HashRing, timed: Timed, quick: bool) -> None:
    """Integers in one call; peers loop over a list."""
    keys = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    _time_batch(lib, timed, 100, lib.batch_ints(keys), keys.tolist())


@work("`R(nodes)`", LARGE, unit="node", rounds=2, headline=True)
def bench_build(lib: HashRing, timed: Timed, quick: bool) -> None:
    """A ring of many nodes."""
    nodes = hosts(min(20 if quick else 1_000, lib.max_nodes))
    lib.check(lib.make(nodes), city_names()[:20_000])
    timed(lambda: lib.make(nodes), items=len(nodes))


@work("`R(nodes)`, ketama", "100 nodes x 160 vnodes", unit="node", rounds=1)
def bench_build_ketama(lib: HashRing, timed: Timed, quick: bool) -> None:
    """MD5 for every four points."""
    nodes = hosts(20 if quick else 100)
    lib.check(lib.make(nodes, ketama=True), lib.some(city_names())[:SMALL], ketama=True)
    timed(lambda: lib.make(nodes, ketama=True), items=len(nodes))


@work("`r.add(node)`, then `r.remove(node)`", LARGE, unit="pair", rounds=2, headline=True)
def bench_change(lib: HashRing, timed: Timed, quick: bool) -> None:
    """One node comes to a large ring, and goes."""
    nodes, keys = hosts(20 if quick else 1_000), city_names()[:SMALL]
    r = lib.make(nodes)
    before = lib.answers(r, keys)
    lib.add_and_remove(r, "new.example.org")
    expect(lib.answers(r, keys) == before, "a node that came and went has moved keys")
    timed(lambda: lib.add_and_remove(r, "new.example.org"), items=1)


@work("`r.diff(other)`", "100 nodes x 160 vnodes, one more", unit="diff", rounds=1)
def bench_diff(lib: HashRing, timed: Timed, quick: bool) -> None:
    """What moves when a node comes."""
    nodes = hosts(21 if quick else 101)
    old, new = lib.make(nodes[:-1]), lib.make(nodes)
    diff, keys = lib.diff(old, new), city_names()[:SMALL]
    moved = sum(a != b for a, b in zip(lib.answers(old, keys), lib.answers(new, keys), strict=True))
    expect(abs(moved / len(keys) - diff.share) < 0.03, "another share of keys moves than is told")
    timed(lambda: lib.diff(old, new), items=1)


@work(
    "`r.get(key)` against the number of nodes",
    "200 k city names, 160 vnodes",
    chart="curve",
    axes=("nodes", "ns"),
    points=SIZES,
    rounds=1,
    libraries=COMPARED,
)
def bench_nodes_get(lib: HashRing, timed: Timed, point: float) -> None:
    """A table of high bits tells where to look, so that the line is flat but for the caches."""
    r, keys = lib.make(hosts(int(point))), lib.some(city_names())
    expect(
        set(lib.answers(r, keys)) <= set(hosts(int(point))), "a key has a node that is not there"
    )
    timed(lambda: lib.get_each(r, keys), items=len(keys), nodes=point)


@work(
    "`r.get_many(ints)` against the number of nodes",
    "uint64[1 M], 160 vnodes",
    chart="curve",
    axes=("nodes", "ns"),
    points=SIZES,
    rounds=1,
    libraries=COMPARED,
)
def bench_nodes_get_many(lib: HashRing, timed: Timed, point: float, quick: bool) -> None:
    """The same in one call."""
    keys = integers(SMALL if quick else 1_000_000)[: lib.max_keys]
    batch = lib.batch_ints(keys)
    _time_batch(lib, timed, int(point), batch, keys.tolist(), nodes=point)


def _time_batch(
    lib: HashRing, timed: Timed, n: int, batch: object, keys: Sequence[object], **values: float
) -> None:
    r = lib.make(hosts(n))
    found = lib.names(r, lib.get_batch(r, batch))
    expect(len(found) == len(keys), "the batch has another length")
    single = lib.answers(r, keys[:CHECKED])
    expect(found[:CHECKED] == single, "the batch and single lookups differ")
    timed(lambda: lib.get_batch(r, batch), items=len(keys), **values)
