"""Hash rings: how many points a node gets, what is hashed for it, and how two rings differ."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from . import check, errors
from .nodes import Node, checked_weight, node_name

__all__ = [
    "HASHES",
    "MAX_LOAD_FACTOR",
    "MAX_POINTS",
    "MovedRange",
    "RingDiff",
    "check_comparable",
    "check_zone",
    "hash_and_vnodes",
    "new_node",
    "point_counts",
    "ranges_of",
    "ring_seed",
    "stems",
    "zone_numbers",
]

HASHES = ("xxh3", "ketama", "libmemcached")  # in the order of fb_ring_hash_t
MAX_POINTS = 2**28
MAX_LOAD_FACTOR = 1e9


def hash_and_vnodes(hash: Any, vnodes: Any) -> tuple[str, int]:
    """Return the arguments `hash` and `vnodes`, checked."""
    hash = check.choice("hash", hash, HASHES)
    vnodes = check.integer("vnodes", vnodes, 1, 2**20)
    if hash != "xxh3" and vnodes % 4:
        raise ValueError(f"vnodes must be a multiple of 4 with hash={hash!r}, not {vnodes}")
    return hash, vnodes


def ring_seed(hash: str, seed: Any) -> int:
    """Return the argument `seed`, checked: 0 where the hash has none."""
    number = check.seed64(seed)
    if hash != "xxh3" and number != 0:
        raise ValueError(f"seed must be 0 with hash={hash!r}, whose places are given, not {number}")
    return number


def new_node(node: Any, weight: Any, zone: Any) -> Node:
    """Return a node that is to be added, checked."""
    zone = None if zone is None else node_name(zone, "zone")
    return Node(node_name(node), checked_weight(weight), zone)


def check_zone(nodes: Sequence[Node], new: Node) -> None:
    """Raise unless a node that is to be added to `nodes` has a zone if and only if they do."""
    zoned = bool(nodes) and nodes[0].zone is not None
    if new.zone is None and zoned:
        raise ValueError(f"zone must be given for node {new.name!r}, as the other nodes have one")
    if new.zone is not None and nodes and not zoned:
        raise ValueError(f"zone must be None, as the other nodes have none, not {new.zone!r}")


def stems(hash: str, nodes: Sequence[Node]) -> list[bytes]:
    """Return what is hashed for each node, or raise if two are alike."""
    result = [stem(hash, node.name) for node in nodes]
    if hash == "libmemcached" and len(set(result)) < len(result):
        at = {name: i for i, name in enumerate(result)}
        one, other = next((i, at[name]) for i, name in enumerate(result) if at[name] != i)
        raise ValueError(
            f"nodes {nodes[one].name!r} and {nodes[other].name!r} are one to "
            "hash='libmemcached': 11211 is the port of a node that names none"
        )
    return result


def zone_numbers(nodes: Sequence[Node]) -> list[int] | None:
    """Return the zone of every node as a number from 0 on; None if there are no zones."""
    if not nodes or nodes[0].zone is None:
        return None
    number: dict[str | None, int] = {}
    return [number.setdefault(node.zone, len(number)) for node in nodes]


# ---- points ----------------------------------------------------------------------------------


def point_counts(hash: str, vnodes: int, weights: Sequence[float]) -> list[int]:
    """Return how many points each node gets, or raise if they are too many."""
    if hash == "xxh3":
        count_of = {w: max(1, int(min(vnodes * w + 0.5, 2.0**30))) for w in set(weights)}
        counts = [count_of[weight] for weight in weights]
    elif hash == "ketama":
        counts = [4 * n for n in _ketama_groups(vnodes // 4, weights)]
    else:
        counts = [4 * n for n in _libmemcached_groups(vnodes, weights)]
    if sum(counts) > MAX_POINTS:
        raise ValueError(
            f"vnodes={vnodes} and these weights make {sum(counts)} points, more than {MAX_POINTS}"
        )
    return counts


def _ketama_groups(groups: int, weights: Sequence[float]) -> list[int]:
    """``groups * n * weight // sum of the weights``, exactly: `groups` on average."""
    if len(set(weights)) <= 1:
        return [groups] * len(weights)
    exact = [int(w) if w.is_integer() else Fraction(w) for w in weights]
    total = sum(exact)
    return [int(groups * len(exact) * weight // total) for weight in exact]


def _libmemcached_groups(vnodes: int, given: Sequence[float]) -> list[int]:
    """The same in single precision, step by step as libmemcached has it: often one less.

    Where that leaves no node a group (one on average was wanted), all have one.
    """
    weights = [_single(weight) for weight in given]
    total = _single(math.fsum(weights))
    if weights and not 0 < total < math.inf:
        raise ValueError(
            "with hash='libmemcached' the sum of the weights must be in [1.4e-45, 3.4e38], "
            f"not {sum(given):g}"
        )
    result = []
    for weight in weights:
        share = _single(_single(_single(weight / total) * vnodes) / 4.0)
        result.append(int(_single(_single(share * len(weights)) + 1e-10)))
    return result if any(result) else [1] * len(result)


def _single(x: float) -> float:
    """`x` rounded to single precision; infinite if it is too large."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return math.inf
    return rounded


def stem(hash: str, name: str) -> bytes:
    """Return what is hashed for a node: its name; libmemcached leaves out its usual port."""
    return name.removesuffix(":11211").encode() if hash == "libmemcached" else name.encode()


# ---- differences -----------------------------------------------------------------------------


def check_comparable(ours: Any, other: Any, cls: type) -> None:
    """Raise unless `other` is a ring that hashes keys as ours does."""
    if not isinstance(other, cls):
        raise errors.not_a("other", cls, other)
    for name in ("hash", "seed"):
        if getattr(ours, name) != getattr(other, name):
            raise errors.unequal(name, getattr(ours, name), getattr(other, name))


class MovedRange(NamedTuple):
    """Keys whose hash lies in [start, end), and which another node holds than before."""

    start: int
    end: int
    from_node: str | None
    to_node: str | None


MovedRange.__module__ = "fastblocks.ring"
MovedRange.start.__doc__ = "The first hash; see ``HashRing.key_hash``."
MovedRange.end.__doc__ = "The hash after the last."
MovedRange.from_node.__doc__ = "Who held the keys; None if there were no nodes."
MovedRange.to_node.__doc__ = "Who holds them now; None if there are no nodes."


class RingDiff:
    """RingDiff()

    How two rings differ: which hash ranges moved, from which node to which.

    Made by ``HashRing.diff``. Two are equal if their ranges are; ``len`` is the number of ranges,
    so a difference of equal rings is false.

    Examples
    --------
    >>> from fastblocks import HashRing
    >>> old = HashRing(["a", "b", "c"])
    >>> new = old.copy()
    >>> new.remove("b")
    {}
    >>> diff = old.diff(new)
    >>> sorted(diff.moves) == [("b", "a"), ("b", "c")]
    True
    >>> round(diff.share, 2)
    0.32
    """

    __module__ = "fastblocks.ring"
    __slots__ = ("_ranges", "_size")

    def __init__(self, ranges: Iterable[MovedRange], size: int) -> None:
        self._ranges = tuple(ranges)
        self._size = size

    @property
    def ranges(self) -> tuple[MovedRange, ...]:
        """The ranges that moved, in order; neighbours differ in a node."""
        return self._ranges

    @property
    def size(self) -> int:
        """How many hashes there are: 2**64, or 2**32 where they are words of an MD5."""
        return self._size

    @property
    def share(self) -> float:
        """The share of all hashes, so of all keys to be expected, that moved."""
        return sum(moved.end - moved.start for moved in self._ranges) / self._size

    @property
    def moves(self) -> dict[tuple[str | None, str | None], float]:
        """The share that moved from one node to another, by (from, to), the largest first."""
        sizes: dict[tuple[str | None, str | None], int] = {}
        for moved in self._ranges:
            pair = moved.from_node, moved.to_node
            sizes[pair] = sizes.get(pair, 0) + moved.end - moved.start
        ordered = sorted(sizes.items(), key=lambda item: -item[1])
        return {pair: size / self._size for pair, size in ordered}

    def __len__(self) -> int:
        return len(self._ranges)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RingDiff):
            return NotImplemented
        return (self._size, self._ranges) == (other._size, other._ranges)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return RingDiff, (self._ranges, self._size)

    def __repr__(self) -> str:
        return f"RingDiff({len(self)} ranges, share={self.share:.6g})"


def ranges_of(
    hash: str, arcs: Iterable[tuple[int, int, str | None, str | None]]
) -> tuple[list[MovedRange], int]:
    """Return the moved ranges of hashes, and how many hashes there are.

    Arcs are of 64-bit places, from the first to the last: of the keys at 32-bit words they hold
    those whose place (the word in the high half, with ketama 1 in the low half) lies in them.
    """
    if hash == "xxh3":
        return [MovedRange(first, last + 1, *nodes) for first, last, *nodes in arcs], 2**64
    low = 1 if hash == "ketama" else 0
    ranges = []
    for first, last, *nodes in arcs:
        start, end = (first - low + 2**32 - 1 >> 32), (last - low >> 32) + 1
        if start < end:
            ranges.append(MovedRange(start, end, *nodes))
    return ranges, 2**32
