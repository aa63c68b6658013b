"""Maglev hashing in plain Python; quotas, turns and order as csrc/ring/maglev.c tells."""

from __future__ import annotations

import struct
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from fastblocks._core import check
from fastblocks._core.nodes import Node, checked_weight, node_list, node_name

from ..hashing.xxh3 import hash_bytes
from ._nodes import NodeMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.nodes import Nodes, Weights

__all__ = ["MaglevTable"]

PARAMS = struct.Struct("<2Q72s")  # table_size, seed, zeros
MAX_SIZE = 134_217_689  # the largest prime below 2**27
DEFAULT_SIZE = 65537


def quotas(weights: Sequence[float], size: int) -> list[int]:
    """The number of entries of every node: what it is due, rounded down or up."""
    total = 0.0
    for weight in weights:  # not by sum(), which rounds in other ways
        total += weight
    due = [size * weight / total for weight in weights]
    result = [int(entries) for entries in due]
    by_fraction = sorted(range(len(due)), key=lambda i: result[i] - due[i])
    for i in by_fraction[: size - sum(result)]:
        result[i] += 1
    return result


def fill(names: Sequence[bytes], weights: Sequence[float], size: int, seed: int) -> list[int]:
    """The node of every entry, by index, of nodes that take turns in the order given."""
    at = [hash_bytes(name, (seed + 1) % 2**64) * size >> 64 for name in names]
    skip = [1 + (hash_bytes(name, (seed + 2) % 2**64) * (size - 1) >> 64) for name in names]
    weights = [weight / max(weights) for weight in weights]
    quota = quotas(weights, size)
    taken = [0] * len(names)
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    rounds[0] = [i for i in range(len(names)) if quota[i]]
    entries = [-1] * size
    for number in range(size + 1 if names else 0):
        for i in rounds[number]:
            while entries[at[i]] >= 0:
                at[i] = (at[i] + skip[i]) % size
            entries[at[i]] = i
            taken[i] += 1
            if taken[i] < quota[i]:
                rounds[int(taken[i] / weights[i])].append(i)
    return entries


class MaglevTable(NodeMap):
    """A map from keys to nodes by a table of nodes; see `fastblocks.MaglevTable`."""

    __slots__ = ("_entries", "_size")

    _KIND, _VERSION = b"MGLV", 1
    _PARAMETERS = ("table_size", "seed")

    _entries: list[int]

    def __init__(
        self,
        nodes: Nodes,
        weights: Weights | None = None,
        table_size: int = DEFAULT_SIZE,
        *,
        seed: int = 0,
    ) -> None:
        self._begin_init()
        listed = node_list(nodes, weights)
        self._size = check.prime("table_size", table_size, 2, MAX_SIZE)
        self._seed = check.seed64(seed)
        self._start(listed)

    def _build(self, nodes: tuple[Node, ...]) -> None:
        if len(nodes) > self._size:
            raise ValueError(
                f"nodes must be {self._size} at most, as table_size is, not {len(nodes)}"
            )
        order = sorted(range(len(nodes)), key=lambda i: nodes[i].name)
        names = [nodes[i].name.encode() for i in order]
        turns = fill(names, [nodes[i].weight for i in order], self._size, self._seed)
        self._entries = [order[turn] for turn in turns] if nodes else turns
        self._nodes = nodes

    def _params(self) -> bytes:
        return PARAMS.pack(self._size, self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._size, self._seed, unused = PARAMS.unpack(params)
        return self._size <= MAX_SIZE and check.is_prime(self._size) and not any(unused)

    # ---- keys ---------------------------------------------------------------------------------

    def _find(self, h: int) -> int:
        return self._entries[h * self._size >> 64]

    def _rank(self, h: int) -> Iterator[int]:
        at = h * self._size >> 64
        read_on = (self._entries[i] for i in chain(range(at, self._size), range(at)))
        met = set()
        for node in chain(read_on, range(len(self))):
            if node not in met:
                met.add(node)
                yield node

    # ---- changes ------------------------------------------------------------------------------

    def add(self, node: str, weight: float = 1) -> float:
        """Add a node; return the share of the entries whose node has changed."""
        self._check_writable("add")
        added = Node(node_name(node), checked_weight(weight))
        with self._lock:
            before = self._owners()
            self._add_node(added)
            return self._changed(before)

    def remove(self, node: str) -> float:
        """Remove a node; return the share of the entries whose node has changed."""
        self._check_writable("remove")
        with self._lock:
            before = self._owners()
            self._remove_node(node)
            return self._changed(before)

    def rebuild(self, nodes: Nodes, weights: Weights | None = None) -> float:
        """Put other nodes in the place of those that are there; return the share that changed."""
        self._check_writable("rebuild")
        listed = tuple(node_list(nodes, weights))
        with self._lock:
            before = self._owners()
            self._build(listed)
            return self._changed(before)

    def _owners(self) -> list[str | None]:
        """The name of the node of every entry; None if there are no nodes."""
        return [self._nodes[i].name if self._nodes else None for i in self._entries]

    def _changed(self, before: list[str | None]) -> float:
        pairs = zip(before, self._owners(), strict=True)
        return sum(old != new for old, new in pairs) / self._size

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def table_size(self) -> int:
        """Number of entries."""
        return self._size

    @property
    def table(self) -> NDArray[np.int32]:
        """The entries, as indices into `nodes`; -1 if there are no nodes."""
        import numpy as np

        result = np.array(self._entries, np.int32)
        result.flags.writeable = False
        return result

    @property
    def loads(self) -> dict[str, int]:
        """Number of entries of every node, by name."""
        with self._lock:
            return {name: self._entries.count(i) for i, name in enumerate(self.nodes)}
