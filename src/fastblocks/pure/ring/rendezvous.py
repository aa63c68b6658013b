"""Rendezvous hashing in plain Python; costs as csrc/ring/rendezvous.c tells."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from fastblocks._core import check
from fastblocks._core.nodes import Node, checked_weight, node_list, node_name, scaled_weights

from ..hashing.xxh3 import hash_bytes
from ._nodes import NodeMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastblocks._core.nodes import Nodes, Weights

__all__ = ["RendezvousHash"]

PARAMS = struct.Struct("<Q80s")  # seed, zeros
WORD = 2**64 - 1
PLUS = 0x9E3779B97F4A7C15
LN_2 = 0.6931471805599453


def exponential(c: int) -> float:
    """-ln(1 - c / 2**64), of the 32 leading bits of c; only + - * / of doubles, in this order."""
    dropped = max(c.bit_length() - 32, 0)
    less = (c >> dropped << dropped) / 2**64
    u, e = 1.0 - less, 0.0
    while u < 0.75:
        u *= 2.0
        e += 1.0
        less = 1.0 - u
    s = less / (1.0 + u)
    z = s * s
    total = 1 / 17
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        total = total * z + 1 / odd
    return e * LN_2 + 2.0 * s * total


class RendezvousHash(NodeMap):
    """The node with the least cost for a key; see `fastblocks.RendezvousHash`."""

    __slots__ = ("_costs",)

    _KIND, _VERSION = b"RNDV", 1
    _PARAMETERS = ("seed",)

    _costs: list[tuple[int, int, float]]  # of each node: factor, summand, weight

    def __init__(self, nodes: Nodes, weights: Weights | None = None, *, seed: int = 0) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._start(node_list(nodes, weights))

    def _build(self, nodes: tuple[Node, ...]) -> None:
        names = [node.name.encode() for node in nodes]
        self._costs = [
            (hash_bytes(name, self._seed) | 1, hash_bytes(name, self._seed ^ PLUS), weight)
            for name, weight in zip(names, scaled_weights(nodes), strict=True)
        ]
        self._nodes = nodes

    def _cost(self, i: int, h: int) -> tuple[float, int, int]:
        """By what nodes are ordered for a hash."""
        by, plus, weight = self._costs[i]
        c = (h * by + plus) & WORD
        return exponential(c) / weight, c, i

    def _rank(self, h: int) -> Iterator[int]:
        return (i for _, _, i in sorted(self._cost(i, h) for i in range(len(self._costs))))

    # ---- changes ------------------------------------------------------------------------------

    def add(self, node: str, weight: float = 1.0) -> None:
        """Add a node: keys move only to it."""
        self._check_writable("add")
        new = Node(node_name(node), checked_weight(weight))
        with self._lock:
            self._add_node(new)

    def remove(self, node: str) -> None:
        """Remove a node: only its keys move."""
        self._check_writable("remove")
        with self._lock:
            self._remove_node(node)

    # ---- state --------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._seed, unused = PARAMS.unpack(params)
        return not any(unused)
