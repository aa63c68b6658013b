"""Tables of nodes: fastblocks and its twin. No package on PyPI has Maglev hashing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from bench.model import Library, Role, expect

TABLE_SIZE = 65537


def nodes(n: int) -> list[str]:
    """Return the names of `n` nodes."""
    return [f"backend-{i}.example:8080" for i in range(n)]


class Maglev(Library):
    """What both have in common; `table` is a table of the library throughout."""

    def build(self, names: Sequence[str], size: int = TABLE_SIZE, weights: Any = None) -> Any:
        """Return a table of nodes."""
        return self.api.MaglevTable(names, weights, size)

    def get_each(self, table: Any, keys: Sequence[str]) -> None:
        """Look keys up one by one: the loop that is timed."""
        get = table.get
        for key in keys:
            get(key)

    def get_n_each(self, table: Any, keys: Sequence[str]) -> None:
        """Look up three nodes for every key: the loop that is timed."""
        get_n = table.get_n
        for key in keys:
            get_n(key, 3)

    def get_many(self, table: Any, keys: Any) -> Any:
        """Look up a batch."""
        return table.get_many(keys)

    def check(self, table: Any, n: int) -> None:
        """Expect that the nodes' entries differ by one at most, and answers to be the table's."""
        loads = table.loads.values()
        expect(len(loads) == n, "a node is missing")
        expect(max(loads) - min(loads) <= 1, "the nodes' entries are not even")
        expect(sum(loads) == table.table_size, "entries are missing")

    def check_batch(self, table: Any, keys: Any, sample: Sequence[Any]) -> None:
        """Expect the batch to answer as single lookups do."""
        found = self.get_many(table, keys)[: len(sample)].tolist()
        expect([table.nodes[i] for i in found] == [table.get(key) for key in sample], "batch")


class Native(Maglev):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Maglev):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 2_000


class ModuloFloor(Maglev):
    """The hash modulo the number of nodes, which moves nearly all keys when it changes."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    only = ("get", "get_ints_100")

    def build(self, names: Sequence[str], size: int = TABLE_SIZE, weights: Any = None) -> Any:
        """Return the nodes."""
        return list(names)

    def get_each(self, table: Any, keys: Sequence[str]) -> None:
        """Python keeps the hash of a str."""
        n = len(table)
        for key in keys:
            table[hash(key) % n]

    def get_many(self, table: Any, keys: Any) -> Any:
        """Take the remainders of an array."""
        return keys % len(table)

    def check(self, table: Any, n: int) -> None:
        """There is nothing to compare with."""

    def check_batch(self, table: Any, keys: Any, sample: Sequence[Any]) -> None:
        """There is nothing to compare with."""
