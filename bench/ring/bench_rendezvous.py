"""Rendezvous hashing.

Keys of the scalar works are city names, one `get` after another; every library looks at every node
for each key, so the number of nodes is what counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from bench.data import city_names, integers
from bench.model import Library, Role, Timed, Unsupported, expect, work

# node lookups per run: of slow libraries fewer, since each key costs as many as there are nodes
PAIRS = 100_000


class Rendezvous(Library):
    """A library of rendezvous hashing.

    Attributes
    ----------
    pairs : int
        How many keys times nodes it is timed on, at most.
    """

    pairs: ClassVar[int] = 1 << 62

    def make(self, n: int, weighted: bool = False) -> Any:
        """Return a map to n nodes."""
        weights = [1 + i % 7 for i in range(n)] if weighted else None
        return self.api.RendezvousHash(node_names(n), weights)

    def getter(self, nodes: Any) -> Any:
        """Return the function of a key that returns the name of its node."""
        return nodes.get

    def many(self, nodes: Any, keys: Any) -> Any:
        """Return the nodes of a batch, as indices."""
        return nodes.get_many(keys)

    def remove(self, nodes: Any, name: str) -> None:
        """Remove a node."""
        nodes.remove(name)

    def keys_for(self, n: int, keys: Any) -> Any:
        """Return as many keys as it is timed on with n nodes."""
        return keys[: max(20, self.pairs // n)]

    def check(self, n: int, keys: Sequence[str]) -> None:
        """Look whether all nodes are used, and that removing one moves no other node's keys."""
        nodes, some = self.make(n), keys[:1000]
        before = [self.getter(nodes)(key) for key in some]
        expect(set(before) <= set(node_names(n)), "a node that is none")
        expect(max(Counter(before).values()) < 3 * len(some) / n + 50, "uneven shares")
        self.remove(nodes, "node-3")
        after = [self.getter(nodes)(key) for key in some]
        moved = {a for a, b in zip(before, after, strict=True) if a != b}
        expect(moved <= {"node-3"} and "node-3" not in after, "other keys moved")


def node_names(n: int) -> list[str]:
    """Return the names of n nodes."""
    return [f"node-{i}" for i in range(n)]


class Native(Rendezvous):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    pairs = 10_000


class Clandestined(Rendezvous):
    """A loop in Python over the nodes, with MurmurHash3 in C."""

    name = "clandestined"
    module = "clandestined"
    distribution = "clandestined"
    pairs = PAIRS

    def make(self, n: int, weighted: bool = False) -> Any:
        """Return a map to n nodes."""
        if weighted:
            raise Unsupported("no weights")
        return self.api.RendezvousHash(node_names(n))

    def getter(self, nodes: Any) -> Any:
        """Return its method."""
        return nodes.find_node

    def many(self, nodes: Any, keys: Any) -> Any:
        """Ask for each key."""
        find = nodes.find_node
        return [find(key) for key in (keys if isinstance(keys, list) else keys.tolist())]

    def remove(self, nodes: Any, name: str) -> None:
        """Remove a node."""
        nodes.remove_node(name)


class ModuloFloor(Rendezvous):
    """The hash modulo the number of nodes, which moves nearly all keys when it changes."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    only = ("get_100", "list_100", "ints_100")

    def make(self, n: int, weighted: bool = False) -> Any:
        """Return the nodes."""
        return node_names(n)

    def getter(self, nodes: Any) -> Any:
        """Return a function."""
        return lambda key: nodes[hash(key) % len(nodes)]

    def many(self, nodes: Any, keys: Any) -> Any:
        """Take the remainders, of an array as of Python's integers."""
        n = len(nodes)
        return [hash(key) % n for key in keys] if isinstance(keys, list) else keys % (2**61 - 1) % n

    def check(self, n: int, keys: Sequence[str]) -> None:
        """There is nothing to compare with."""


LIBRARIES = (Native, Pure, Clandestined, ModuloFloor)


def _time_get(lib: Rendezvous, timed: Timed, n: int, weighted: bool = False) -> None:
    nodes = lib.make(n, weighted)
    keys = lib.keys_for(n, city_names()[:20_000])
    lib.check(n, keys)
    get = lib.getter(nodes)

    def each() -> None:
        for key in keys:
            get(key)

    timed(each, items=len(keys))


def _time_many(lib: Rendezvous, timed: Timed, n: int, keys: Any, weighted: bool = False) -> None:
    nodes = lib.make(n, weighted)
    keys = lib.keys_for(n, keys)
    lib.check(n, lib.keys_for(n, city_names()))
    found, get, names = lib.many(nodes, keys), lib.getter(nodes), node_names(n)
    for i in range(0, len(keys), max(1, len(keys) // 50)):
        key = keys[i] if isinstance(keys, list) else int(keys[i])
        name = found[i] if isinstance(found[i], str) else names[found[i]]
        expect(name == get(key), "batch and scalar differ")
    timed(lambda: lib.many(nodes, keys), items=len(keys))


@work("`get(key)`, 10 nodes", "city names", rounds=1)
def bench_get_10(lib: Rendezvous, timed: Timed) -> None:
    """A name at a time."""
    _time_get(lib, timed, 10)


@work("`get(key)`, 100 nodes", "city names", headline=True, rounds=2)
def bench_get_100(lib: Rendezvous, timed: Timed) -> None:
    """A name at a time."""
    _time_get(lib, timed, 100)


@work("`get(key)`, 1000 nodes", "city names", rounds=1)
def bench_get_1000(lib: Rendezvous, timed: Timed) -> None:
    """A name at a time."""
    _time_get(lib, timed, 1000)


@work("`get(key)`, 100 nodes of 7 weights", "city names", rounds=1)
def bench_get_weighted(lib: Rendezvous, timed: Timed) -> None:
    """A name at a time."""
    _time_get(lib, timed, 100, weighted=True)


@work("`get_many(list)`, 10 nodes", "list of city names; peers: a call per key", rounds=1)
def bench_list_10(lib: Rendezvous, timed: Timed) -> None:
    """Names in one call."""
    _time_many(lib, timed, 10, city_names())


@work("`get_many(list)`, 100 nodes", "list of city names; peers: a call per key", rounds=1)
def bench_list_100(lib: Rendezvous, timed: Timed) -> None:
    """Names in one call."""
    _time_many(lib, timed, 100, city_names())


@work("`get_many(ints)`, 10 nodes", "uint64[200 k]; peers: a call per key", rounds=1)
def bench_ints_10(lib: Rendezvous, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 10, integers(2_000 if quick else 200_000))


@work(
    "`get_many(ints)`, 100 nodes", "uint64[200 k]; peers: a call per key", headline=True, rounds=2
)
def bench_ints_100(lib: Rendezvous, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 100, integers(2_000 if quick else 200_000))


@work("`get_many(ints)`, 1000 nodes", "uint64[200 k]; peers: a call per key", rounds=2)
def bench_ints_1000(lib: Rendezvous, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 1000, integers(2_000 if quick else 200_000))


@work("`get_many(ints)`, 100 nodes of 7 weights", "uint64[200 k]", rounds=1)
def bench_ints_weighted(lib: Rendezvous, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 100, integers(2_000 if quick else 200_000), weighted=True)
