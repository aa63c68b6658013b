"""Hash ring in plain Python; places and order as csrc/ring/hash_ring.h tells."""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from fastblocks._core import check, errors
from fastblocks._core.loads import Loads
from fastblocks._core.nodes import node_list
from fastblocks._core.rings import (
    HASHES,
    MAX_LOAD_FACTOR,
    RingDiff,
    check_comparable,
    check_zone,
    hash_and_vnodes,
    new_node,
    point_counts,
    ranges_of,
    ring_seed,
    stems,
    zone_numbers,
)

from .. import _keys
from ..hashing.xxh3 import hash_bytes
from ._nodes import NodeMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.loads import PlainKey
    from fastblocks._core.nodes import Node, Nodes, Weights
    from fastblocks._core.types import Key

__all__ = ["HashRing"]

PARAMS = struct.Struct("<3Q8s56s")  # hash, vnodes, seed, load factor (zeros: none), zeros
GOLDEN = 0x9E3779B97F4A7C15
WORD = 2**64 - 1


class Point(NamedTuple):
    """A point of a node on the ring."""

    place: int
    node: int


def mix(z: int) -> int:
    """The output of splitmix64."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def places(hash: str, seed: int, label: bytes, count: int) -> Iterator[int]:
    """Where the points of a node lie; `label` is what is hashed for it."""
    if hash == "xxh3":
        start = hash_bytes(label, seed)
        yield from (mix(start + (j + 1) * GOLDEN & WORD) for j in range(count))
    else:
        for j in range(count // 4):
            words = struct.unpack("<4I", hashlib.md5(b"%b-%d" % (label, j)).digest())
            yield from (word << 32 for word in words)


class HashRing(NodeMap):
    """Consistent hashing; see `fastblocks.HashRing`."""

    __slots__ = ("_hash_name", "_load_factor", "_loads", "_points", "_vnodes")

    _KIND, _VERSION = b"RING", 1
    _PARAMETERS = ("vnodes", "hash", "load_factor", "seed")

    _hash_name: str
    _points: list[Point]
    _loads: Loads | None

    def __init__(
        self,
        nodes: Nodes = (),
        *,
        weights: Weights | None = None,
        vnodes: int = 160,
        hash: str = "xxh3",
        load_factor: float | None = None,
        zones: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None:
        self._begin_init()
        self._hash_name, self._vnodes = hash_and_vnodes(hash, vnodes)
        self._seed = ring_seed(self._hash_name, seed)
        self._load_factor = 0.0
        if load_factor is not None:
            self._load_factor = check.real("load_factor", load_factor, 1.0, MAX_LOAD_FACTOR)
        self._begin_loads()
        self._start(node_list(nodes, weights, zones))

    def _begin_loads(self) -> None:
        self._loads = None
        if self._load_factor:
            self._loads = Loads(self._load_factor, self._hash_name != "xxh3")

    # ---- lookups ----------------------------------------------------------------------------

    def _hash_of(self, key: Key, data: bytes) -> int:
        if self._hash_name == "xxh3":
            return hash_bytes(data, self._seed)
        plain = _keys.plain_key(key)
        if isinstance(plain, int):
            data = b"%d" % plain
        word = int.from_bytes(hashlib.md5(data).digest()[:4], "little")
        return word << 32 | (self._hash_name == "ketama")

    def _find(self, h: int) -> int:
        at = bisect_left(self._points, (h,))
        return self._points[at % len(self._points)].node

    def _around(self, h: int) -> Iterator[int]:
        """Every node that has points once, in the order in which they lie from a place on."""
        at = bisect_left(self._points, (h,))
        points = self._points[at:] + self._points[:at]
        yield from dict.fromkeys(point.node for point in points)

    def _rank(self, h: int) -> Iterator[int]:
        zones = zone_numbers(self._nodes)
        order = list(self._around(h))
        if zones is not None:
            before: dict[int, int] = {}  # by node: how many nodes of its zone come before it
            for node in order:
                before[node] = sum(zones[other] == zones[node] for other in before)
            order.sort(key=before.__getitem__)
        yield from order

    def _names_in_order(self, h: int) -> Iterable[str]:
        return (self._nodes[i].name for i in self._around(h))

    def key_hash(self, key: Key) -> int:
        h = self._hash(key)
        return h if self._hash_name == "xxh3" else h >> 32

    def points(self) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        import numpy as np

        low = 0 if self._hash_name == "xxh3" else 32
        return (
            np.array([point.place >> low for point in self._points], np.uint64),
            np.array([point.node for point in self._points], np.int32),
        )

    # ---- changes ----------------------------------------------------------------------------

    def _build(self, nodes: tuple[Node, ...]) -> None:
        labels = stems(self._hash_name, nodes)
        counts = point_counts(self._hash_name, self._vnodes, [node.weight for node in nodes])
        points = [
            Point(place, i)
            for i, (label, count) in enumerate(zip(labels, counts, strict=True))
            for place in places(self._hash_name, self._seed, label, count)
        ]
        last_first = -1 if self._hash_name == "ketama" else 1
        points.sort(key=lambda point: (point.place, last_first * point.node))
        self._nodes, self._points = nodes, points

    def _change_loads(self) -> dict[PlainKey, str | None]:
        if self._loads is None:
            return {}
        pointed = sorted({point.node for point in self._points})
        weights = {self._nodes[i].name: self._nodes[i].weight for i in pointed}
        return self._loads.change(weights, self._names_in_order)

    def _start(self, nodes: list[Node]) -> None:
        super()._start(nodes)
        self._change_loads()

    def add(
        self, node: str, weight: float = 1, *, zone: str | None = None
    ) -> dict[PlainKey, str | None]:
        self._check_writable("add")
        new = new_node(node, weight, zone)
        with self._lock:
            check_zone(self._nodes, new)
            self._add_node(new)
            return self._change_loads()

    def remove(self, node: str) -> dict[PlainKey, str | None]:
        self._check_writable("remove")
        with self._lock:
            self._remove_node(node)
            return self._change_loads()

    # ---- bounded loads ----------------------------------------------------------------------

    def _held(self, key: Key) -> PlainKey:
        """A key as an object that nobody can change while it is waited for the lock."""
        self._hash(key)  # raises if it is none
        return _keys.plain_key(key)

    def _bounded(self) -> Loads:
        if self._loads is None:
            raise ValueError("load_factor must be given where keys are to be assigned")
        return self._loads

    def assign(self, key: Key) -> str:
        held = self._held(key)
        h = self._hash(held)
        self._check_writable("assign")
        with self._lock:
            loads = self._bounded()
            if not self._nodes:
                raise errors.no_nodes(type(self))
            return loads.assign(held, h, self._names_in_order)

    def release(self, key: Key) -> dict[PlainKey, str]:
        held = self._held(key)
        self._check_writable("release")
        with self._lock:
            return self._bounded().release(held, self._names_in_order)

    @property
    def loads(self) -> dict[str, int]:
        with self._lock:
            counts = self._bounded().counts()
            return {name: counts.get(name, 0) for name in self.nodes}

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def vnodes(self) -> int:
        return self._vnodes

    @property
    def hash(self) -> str:
        return self._hash_name

    @property
    def load_factor(self) -> float | None:
        return self._load_factor or None

    @property
    def zones(self) -> dict[str, str] | None:
        zones = {node.name: node.zone for node in self._nodes if node.zone is not None}
        return zones or None

    def diff(self, other: HashRing) -> RingDiff:
        check_comparable(self, other, HashRing)
        ours, theirs = self.copy(), other.copy()  # which no other thread changes
        bounds = sorted({point.place for point in ours._points + theirs._points} | {WORD})
        first = 0
        arcs: list[tuple[int, int, str | None, str | None]] = []
        for last in bounds:
            nodes = ours._name_at(last), theirs._name_at(last)
            if nodes[0] != nodes[1]:
                if arcs and arcs[-1][1] + 1 == first and arcs[-1][2:] == nodes:
                    first = arcs.pop()[0]
                arcs.append((first, last, *nodes))
            first = last + 1
        return RingDiff(*ranges_of(self._hash_name, arcs))

    def _name_at(self, place: int) -> str | None:
        return self._nodes[self._find(place)].name if self._points else None

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        hash = HASHES.index(self._hash_name)
        return PARAMS.pack(
            hash, self._vnodes, self._seed, struct.pack("<d", self._load_factor), b""
        )

    def _adopt(self, params: bytes, size: int) -> bool:
        hash, vnodes, seed, packed, rest = PARAMS.unpack(params)
        (factor,) = struct.unpack("<d", packed)
        if hash >= len(HASHES) or any(rest) or (any(packed) and not 1 <= factor < MAX_LOAD_FACTOR):
            return False
        try:
            self._hash_name, self._vnodes = hash_and_vnodes(HASHES[hash], vnodes)
            self._seed = ring_seed(self._hash_name, seed)
        except ValueError:
            return False
        self._load_factor = factor
        self._begin_loads()
        return True

    def _extra(self) -> bytes:
        return b"" if self._loads is None else self._loads.pack(self.nodes)

    def _take_extra(self, data: bytes) -> bool:
        self._change_loads()
        if self._loads is None:
            return not data
        return self._loads.unpack(data, self.nodes, self._hash)
