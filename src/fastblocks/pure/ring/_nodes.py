"""Maps from keys to nodes in plain Python: what ring, rendezvous hashing and Maglev share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastblocks._core import check, errors
from fastblocks._core.nodes import Node, pack_nodes, position, unpack_nodes

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["NodeMap"]


class NodeMap(Flat):
    """A map from keys to nodes.

    A derived class tells in `_build` what it makes of its nodes; in `_find` which node a hash
    belongs to, in `_rank` in which order it prefers the nodes; in `_extra` and `_take_extra` what
    is serialised besides the nodes.
    """

    __slots__ = ("_nodes", "_seed")

    _FILE_USE = "no writer"

    _nodes: tuple[Node, ...]
    _seed: int

    # ---- for the derived class to implement -------------------------------------------------

    def _build(self, nodes: tuple[Node, ...]) -> None:
        """Make what lookups need, or raise ValueError; then set `_nodes`."""
        raise NotImplementedError

    def _hash(self, key: Key) -> int:
        """The hash of a key by which it is looked up."""
        return self._hash_of(key, _keys.bytes_of_key(key))

    def _hash_of(self, key: Key, data: bytes) -> int:
        """The same, of a key and its bytes."""
        return hash_bytes(data, self._seed)

    def _find(self, h: int) -> int:
        """The index of the node of a hash; there is a node."""
        return next(self._rank(h))

    def _rank(self, h: int) -> Iterator[int]:
        """Every node once, in order of preference for a hash."""
        raise NotImplementedError

    def _extra(self) -> bytes:
        return b""

    def _take_extra(self, data: bytes) -> bool:
        return not data

    # ---- keys -------------------------------------------------------------------------------

    def get(self, key: Key) -> str:
        with self._lock:
            return self._nodes[self.get_index(key)].name

    def get_index(self, key: Key) -> int:
        h = self._hash(key)
        with self._lock:
            if not self._nodes:
                raise errors.no_nodes(type(self))
            return self._find(h)

    def get_n(self, key: Key, n: int) -> list[str]:
        h = self._hash(key)
        want = check.integer("n", n, 0, 2**63 - 1)
        with self._lock:
            if not self._nodes:
                raise errors.no_nodes(type(self))
            return [self._nodes[i].name for _, i in zip(range(want), self._rank(h), strict=False)]

    def get_many(self, keys: Keys, out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        plain, data = _keys.plain_keys(keys)
        hashes = [self._hash_of(*pair) for pair in zip(plain, data, strict=True)]
        with self._lock:
            if plain and not self._nodes:
                raise errors.no_nodes(type(self))
            found = [self._find(h) for h in hashes]
        return _keys.fill_out(out, found, "int32")

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self._nodes)

    @property
    def weights(self) -> dict[str, float]:
        return {node.name: node.weight for node in self._nodes}

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def nbytes(self) -> int:
        with self._lock:
            return len(self._gather())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in self.nodes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._PARAMETERS)
        return f"{type(self).__name__}({len(self)} nodes, {words})"

    # ---- for derived classes ----------------------------------------------------------------

    def _start(self, nodes: list[Node]) -> None:
        self._build(tuple(nodes))
        self._take(memoryview(bytearray()))

    def _add_node(self, node: Node) -> None:
        if node.name in self:
            raise ValueError(f"node {node.name!r} is there already")
        self._build((*self._nodes, node))

    def _remove_node(self, name: Any) -> None:
        at = position(self.nodes, name)
        self._build(self._nodes[:at] + self._nodes[at + 1 :])

    # ---- state ------------------------------------------------------------------------------

    def _gather(self) -> bytes:
        return pack_nodes(self._nodes) + self._extra()

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        if not hasattr(self, "_nodes"):
            self._nodes = ()

    def _admit(self) -> bool:
        data = bytes(self._payload)
        unpacked = unpack_nodes(data)
        if unpacked is None:
            return False
        nodes, end = unpacked
        try:
            self._build(tuple(nodes))
        except ValueError:
            return False
        return self._take_extra(data[end:])
