"""uhashring beside fastblocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, ClassVar

from bench.data import UINT64
from bench.model import Library, Role, Unsupported, expect

CHECKED = 1_000  # keys that are compared with the twin


class HashRing(Library):
    """What all have in common; `r` is a ring of the library throughout.

    Attributes
    ----------
    looking : str
        Name of the method that returns the node of a key.
    max_nodes : int
        Rings that are built have this many nodes at most; time per node is compared.
    """

    looking: ClassVar[str] = "get"
    max_nodes: ClassVar[int] = 1 << 62

    def make(self, nodes: Sequence[str], ketama: bool = False) -> Any:
        """Return a ring of nodes with 160 points each."""
        return self.api.HashRing(nodes, hash="ketama" if ketama else "xxh3")

    def get_each(self, r: Any, keys: Iterable[Any]) -> None:
        """Look up keys one by one: the loop that is timed."""
        get = getattr(r, self.looking)
        for key in keys:
            get(key)

    def get_n_each(self, r: Any, keys: Iterable[Any]) -> None:
        """Ask for three nodes of each key: the loop that is timed."""
        get_n = r.get_n
        for key in keys:
            get_n(key, 3)

    def three(self, r: Any, key: str) -> list[str]:
        """Return the names of a key's first three nodes."""
        return list(r.get_n(key, 3))

    def answers(self, r: Any, keys: Iterable[Any]) -> list[str]:
        """Return the node of each key."""
        get = getattr(r, self.looking)
        return [get(key) for key in keys]

    def batch_ints(self, keys: UINT64) -> Any:
        """Return integers in the form `get_batch` takes."""
        return keys

    def get_batch(self, r: Any, keys: Any) -> Any:
        """Look up a list of str or a `batch_ints` in whatever way is fastest."""
        return r.get_many(keys)

    def names(self, r: Any, found: Any) -> list[str]:
        """Return what `get_batch` found as names."""
        nodes = r.nodes
        return [nodes[i] for i in found.tolist()]

    def add_and_remove(self, r: Any, node: str) -> None:
        """Add a node and remove it again."""
        r.add(node)
        r.remove(node)

    def diff(self, old: Any, new: Any) -> Any:
        """Return how two rings differ."""
        return old.diff(new)

    def check(self, r: Any, keys: Sequence[str], ketama: bool = False) -> None:
        """Expect the answers of the twin, where it places keys alike, and even loads."""
        found = self.answers(r, keys)
        if ketama or self.role == "native":
            mode = "ketama" if ketama else "xxh3"
            twin = import_module("fastblocks.pure").HashRing(list(r.nodes), hash=mode)
            expected = [twin.get(key) for key in keys[:CHECKED]]
            expect(found[:CHECKED] == expected, "a key has another node than by the twin")
        if (mean := len(keys) / len(r.nodes)) >= 20:
            peak = max(Counter(found).values()) / mean
            expect(peak < 2.5, f"the largest load is {peak:.1f} times the mean")


class Native(HashRing):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 2_000
    max_nodes = 100


class ModuloFloor(HashRing):
    """The hash modulo the number of nodes, which moves nearly all keys when it changes."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    only = ("get", "get_ints")

    def make(self, nodes: Sequence[str], ketama: bool = False) -> Any:
        """Return the nodes."""
        return list(nodes)

    def get_each(self, r: Any, keys: Iterable[Any]) -> None:
        """Python keeps the hash of a str."""
        n = len(r)
        for key in keys:
            r[hash(key) % n]

    def answers(self, r: Any, keys: Iterable[Any]) -> list[str]:
        """Return the node of each key; an integer is its own hash."""
        return [r[(key if isinstance(key, int) else hash(key)) % len(r)] for key in keys]

    def get_batch(self, r: Any, keys: Any) -> Any:
        """Take the remainders of an array."""
        return keys % len(r)

    def names(self, r: Any, found: Any) -> list[str]:
        """Return what `get_batch` found as names."""
        return [r[i] for i in found.tolist()]

    def check(self, r: Any, keys: Sequence[str], ketama: bool = False) -> None:
        """There is nothing to compare with."""


class UHashRing(HashRing):
    """uhashring, in Python: places by the whole MD5, or ketama's."""

    name = "uhashring"
    module = "uhashring"
    distribution = "uhashring"
    max_keys = 20_000
    looking = "get_node"

    def make(self, nodes: Sequence[str], ketama: bool = False) -> Any:
        """Return a ring; by default either kind has 160 points a node."""
        return self.api.HashRing(list(nodes), **({"hash_fn": "ketama"} if ketama else {}))

    def get_n_each(self, r: Any, keys: Iterable[Any]) -> None:
        """`range` is a generator, which is run to its end."""
        get_range = r.range
        for key in keys:
            list(get_range(key, 3))

    def three(self, r: Any, key: str) -> list[str]:
        """Return the names of a key's first three nodes."""
        return [node["nodename"] for node in r.range(key, 3)]

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list."""
        return keys.tolist()

    def get_batch(self, r: Any, keys: Any) -> Any:
        """There are no batches, so this is a loop."""
        return self.answers(r, keys)

    def names(self, r: Any, found: Any) -> list[str]:
        """Return them as they are."""
        return list(found)

    def add_and_remove(self, r: Any, node: str) -> None:
        """Add a node and remove it again."""
        r.add_node(node)
        r.remove_node(node)

    def diff(self, old: Any, new: Any) -> Any:
        """Refuse."""
        raise Unsupported("no differences of rings")
