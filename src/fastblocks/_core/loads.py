"""Bounded loads: which key is assigned to which node, so that none has more than its share.

V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018,
arXiv:1608.01350. A node of weight w, of nodes of weight W in all, takes ``ceil(c * keys * w / W)``
of the keys; a key goes to the first node in its order of preference that has room. There it stays
for as long as its node may hold it. Keys move when their node goes; to a node that comes, if they
prefer it, as far as it has room; and when keys are released, or nodes come, so that a node's share
becomes smaller than what it holds: it gives up its latest keys.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["Loads", "PlainKey"]

PlainKey: TypeAlias = str | bytes | int
Order: TypeAlias = Callable[[int], Iterable[str]]

STR, BYTES, INT, NEGATIVE_INT = range(4)  # kinds of keys
HEAD = struct.Struct("<QQQ")  # index of the node, kind of the key, bytes


class Assigned(NamedTuple):
    """A key that is assigned: as it was given, its hash, its node."""

    key: PlainKey
    hash: int
    node: str


def _kind(key: PlainKey) -> int:
    if isinstance(key, int):
        return NEGATIVE_INT if key < 0 else INT
    return STR if isinstance(key, str) else BYTES


class Loads:
    """Keys and nodes. The owner's lock is held during every call.

    `order`, where it is asked for, gives the nodes for a hash in order of preference. `decimal`
    tells whether an int is hashed as its decimal text.
    """

    def __init__(self, factor: float, decimal: bool) -> None:
        self._factor = factor
        self._decimal = decimal
        self._assigned: dict[bytes, Assigned] = {}
        self._held: dict[str, dict[bytes, None]] = {}  # by node, in the order they came
        self._classes: dict[float, list[str]] = {}  # nodes by weight
        self._weights: Mapping[str, float] = {}
        self._total_weight = 0.0

    def _identity(self, key: PlainKey) -> bytes:
        """What tells keys apart: what is hashed. A str and its UTF-8 are one key."""
        if isinstance(key, int):
            return b"%d" % key if self._decimal else (key % 2**64).to_bytes(8, "little")
        return key.encode() if isinstance(key, str) else key

    def _key_of(self, name: bytes, kind: int) -> PlainKey | None:
        """A key from what tells it apart and its kind; None if they make no sense."""
        if kind == BYTES:
            return name
        try:
            if kind == STR:
                return name.decode()
            negative = kind == NEGATIVE_INT
            key = int(name) if self._decimal else int.from_bytes(name, "little", signed=negative)
        except ValueError:
            return None
        good = -(2**63) <= key < 2**64 and _kind(key) == kind and self._identity(key) == name
        return key if good else None

    def counts(self) -> dict[str, int]:
        """How many keys every node holds."""
        return {node: len(keys) for node, keys in self._held.items()}

    def _room(self, weight: float, keys: int) -> int:
        """How many of `keys` keys a node of a weight may hold."""
        return math.ceil(self._factor * keys * weight / self._total_weight)

    def assign(self, key: PlainKey, h: int, order: Order) -> str:
        """Return the node of a key, which is assigned if it was not."""
        name = self._identity(key)
        found = self._assigned.get(name)
        if found is None:
            found = self._put(name, key, h, order, len(self._assigned) + 1)
        return found.node

    def _put(self, name: bytes, key: PlainKey, h: int, order: Order, keys: int) -> Assigned:
        """Assign a key to the first node that has room when there are `keys` keys."""
        for node in order(h):
            if len(self._held[node]) < self._room(self._weights[node], keys):
                return self._place(name, Assigned(key, h, node))
        raise AssertionError("the nodes have room for fewer keys than there are")

    def _place(self, name: bytes, assigned: Assigned) -> Assigned:
        self._held[assigned.node][name] = None
        self._assigned[name] = assigned
        return assigned

    def release(self, key: PlainKey, order: Order) -> dict[PlainKey, str]:
        """Forget a key; return where others went for that."""
        name = self._identity(key)
        found = self._assigned.pop(name, None)
        if found is None:
            raise KeyError(f"key {key!r} is not assigned")
        del self._held[found.node][name]
        keys = len(self._assigned)
        shrunk = [
            weight
            for weight in self._classes
            if self._room(weight, keys) < self._room(weight, keys + 1)
        ]
        return self._shed(shrunk, order)

    def _shed(self, weights: Iterable[float], order: Order) -> dict[PlainKey, str]:
        """Let nodes of these weights give up the latest keys that they have no room for."""
        keys = len(self._assigned)
        homeless = []
        for weight in weights:
            room = self._room(weight, keys)
            for node in self._classes[weight]:
                held = self._held[node]
                while len(held) > room:
                    homeless.append(held.popitem()[0])
        return self._settle(homeless, order)

    def _take_to(self, new: Collection[str], order: Order) -> dict[PlainKey, str]:
        """Give new nodes the keys that prefer them to where they are, as far as there is room."""
        moved = {}
        keys = len(self._assigned)
        for name in [name for held in self._held.values() for name in held]:
            old = self._assigned[name]
            for node in order(old.hash):
                if node == old.node:
                    break
                if node in new and len(self._held[node]) < self._room(self._weights[node], keys):
                    del self._held[old.node][name]
                    self._place(name, Assigned(old.key, old.hash, node))
                    moved[old.key] = node
                    break
        return moved

    def _settle(self, names: Iterable[bytes], order: Order) -> dict[PlainKey, str]:
        """Assign keys that have lost their node; return where they went."""
        moved = {}
        for name in names:
            old = self._assigned[name]
            new = self._put(name, old.key, old.hash, order, len(self._assigned))
            if new.node != old.node:
                moved[old.key] = new.node
        return moved

    def change(self, weights: Mapping[str, float], order: Order) -> dict[PlainKey, str | None]:
        """Take over other nodes, those that have points; return where keys went for that.

        None if there are no nodes left, and the keys are released.
        """
        lost = [name for node, held in self._held.items() if node not in weights for name in held]
        new = weights.keys() - self._held.keys()
        self._held = {node: self._held.get(node, {}) for node in weights}
        # as fractions of a power of two above them all, so that no product or sum is infinite
        scale = -math.frexp(max(weights.values(), default=1.0))[1]
        self._weights = {node: math.ldexp(weight, scale) for node, weight in weights.items()}
        self._total_weight = math.fsum(self._weights.values())
        self._classes = {}
        for node, weight in self._weights.items():
            self._classes.setdefault(weight, []).append(node)
        if not weights:
            released: dict[PlainKey, str | None] = {self._assigned[name].key: None for name in lost}
            self._assigned.clear()
            return released
        moved: dict[PlainKey, str | None] = {}
        moved.update(self._settle(lost, order))
        if new:
            moved.update(self._take_to(new, order))
        moved.update(self._shed(self._classes, order))
        return moved

    # ---- serialised ------------------------------------------------------------------------------

    def pack(self, nodes: Iterable[str]) -> bytes:
        """Return the keys and where they are assigned as bytes, a multiple of 8."""
        parts: list[bytes] = []
        for i, node in enumerate(nodes):
            for name in self._held.get(node, ()):
                key = self._assigned[name].key
                parts += HEAD.pack(i, _kind(key), len(name)), name
                parts.append(bytes(-len(name) % 8))
        return b"".join(parts)

    def unpack(self, data: bytes, nodes: Sequence[str], hash_of: Callable[[PlainKey], int]) -> bool:
        """Take over what `pack` gave, for nodes as `change` has set them; False if wrong."""
        at = 0
        while at < len(data):
            if len(data) < at + HEAD.size:
                return False
            node, kind, size = HEAD.unpack_from(data, at)
            at += HEAD.size
            name = data[at : at + size]
            end = at + size + -size % 8
            if node >= len(nodes) or end > len(data) or any(data[at + size : end]):
                return False
            key = self._key_of(name, kind)
            if key is None or name in self._assigned or nodes[node] not in self._held:
                return False
            self._place(name, Assigned(key, hash_of(key), nodes[node]))
            at = end
        keys = len(self._assigned)
        return all(
            len(self._held[node]) <= self._room(weight, keys)
            for node, weight in self._weights.items()
        )
