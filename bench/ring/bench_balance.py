"""All maps from keys to nodes: how even the loads are, and what moves when a node leaves.

Nothing is timed here. Keys are random integers, of which a scheme gives each to a node.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.data import UINT64, integers
from bench.model import Library, Record, Role, expect, work

NODES = 100
VNODES = (10, 20, 40, 80, 160, 320, 640)
SIZES = (3, 10, 30, 100, 300)
SMALL = 20_000
INT32 = npt.NDArray[np.int32]


def hosts(n: int, run: int = 0) -> list[str]:
    """Return `n` names of nodes, others in every run."""
    return [f"cache-{run}-{i}.example.org" for i in range(n)]


class Scheme(Library):
    """A way to give keys to nodes; by default a map of fastblocks.

    Attributes
    ----------
    runs : int
        Measurements are means over so many runs: other names of nodes, or other nodes that leave.
    only_last : bool
        Whether only the last node can leave.
    keeps : bool
        Whether keys of nodes that stay do so.
    points : bool
        Whether a node has as many points as it is told.
    """

    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"
    max_keys = 1_000_000
    runs: ClassVar[int] = 10
    only_last: ClassVar[bool] = False
    keeps: ClassVar[bool] = True
    points: ClassVar[bool] = False

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Return the index into `nodes` of every key's node."""
        raise NotImplementedError

    def above(self, n_keys: int, vnodes: int) -> float:
        """Return by how much the largest load of `NODES` nodes is above the mean, relatively."""
        keys = integers(n_keys)
        peaks = [
            np.bincount(self.place(hosts(NODES, run), keys, vnodes), minlength=NODES).max()
            for run in range(self.runs)
        ]
        return float(np.mean(peaks)) * NODES / n_keys - 1

    def moved(self, n_keys: int, n: int) -> float:
        """Return which share of the keys moves when one of `n` nodes leaves."""
        keys, nodes, shares = integers(n_keys), hosts(n), []
        before = self.place(nodes, keys)
        for gone in [n - 1] if self.only_last else range(0, n, -(-n // self.runs)):
            after = self.place(nodes[:gone] + nodes[gone + 1 :], keys)
            after = after + (after >= gone)
            moves = before != after
            if self.keeps:
                expect(np.all(before[moves] == gone), "a key moves between nodes that stay")
            shares.append(moves.mean())
        return float(np.mean(shares))


class Ring(Scheme):
    """Points by XXH3."""

    name = "HashRing"
    hash: ClassVar[str] = "xxh3"
    points = True

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Look up all at once."""
        found: INT32 = self.api.HashRing(nodes, vnodes=vnodes, hash=self.hash).get_many(keys)
        return found


class KetamaRing(Ring):
    """Points by MD5, as every ketama has them; the count of points is a multiple of 4."""

    name = "HashRing ketama"
    hash = "ketama"
    max_keys = 300_000
    runs = 5

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Look up all at once, with 8 points for 10."""
        return super().place(nodes, keys, vnodes - vnodes % 4)


class Maglev(Scheme):
    """A table of 65,537 entries."""

    name = "MaglevTable"
    keeps = False

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Look up all at once."""
        found: INT32 = self.api.MaglevTable(nodes).get_many(keys)
        return found


class Rendezvous(Scheme):
    """The node with the best score."""

    name = "RendezvousHash"

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Look up all at once."""
        found: INT32 = self.api.RendezvousHash(nodes).get_many(keys)
        return found


class Jump(Scheme):
    """Numbered buckets, of which the last can leave."""

    name = "jump_hash"
    module = "fastblocks.ring"
    runs = 1
    only_last = True

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Look up all at once."""
        found: INT32 = self.api.jump_hash_many(keys, len(nodes))
        return found


class UHashRing(Scheme):
    """Points by MD5, as uhashring has them."""

    name = "uhashring"
    role: ClassVar[Role] = "peer"
    module = "uhashring"
    distribution = "uhashring"
    max_keys = 300_000
    runs = 5
    points = True

    def __init__(self) -> None:
        super().__init__()
        self._hashes: dict[int, UINT64] = {}

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Search its points for all keys at once, since its own calls would take minutes."""
        r = self.api.HashRing(nodes, vnodes=vnodes)
        at = {node: i for i, node in enumerate(nodes)}
        places, names = zip(*r.get_points(), strict=True)
        owners = np.array([at[name] for name in names], np.int32)
        after = np.searchsorted(_high(places), self.hashes(r, keys), side="right")
        found: INT32 = owners[after % len(owners)]
        single = [at[r.get_node(key)] for key in keys[:200].tolist()]
        expect(found[:200].tolist() == single, "that is not where uhashring has the keys")
        return found

    def hashes(self, r: Any, keys: UINT64) -> UINT64:
        """Return where it has the keys, which are `integers` always."""
        if len(keys) not in self._hashes:
            self._hashes[len(keys)] = _high(r.hashi(key) for key in keys.tolist())
        return self._hashes[len(keys)]


def _high(places: Iterable[int]) -> UINT64:
    """Return the high halves of 128-bit places."""
    return np.fromiter((place >> 64 for place in places), np.uint64)


class Modulo(Scheme):
    """The hash modulo the number of nodes, which moves nearly all keys."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    module = ""
    distribution = ""
    only = ("moved",)
    only_last = True
    keeps = False

    def place(self, nodes: list[str], keys: UINT64, vnodes: int = 160) -> INT32:
        """Keys are random already."""
        return (keys % len(nodes)).astype(np.int32)


class Theory(Scheme):
    """What a ring must have: see `above`; and the optimum of moves, the keys of one node."""

    name = "theory"
    role: ClassVar[Role] = "floor"
    module = ""
    distribution = ""
    points = True

    def above(self, n_keys: int, vnodes: int) -> float:
        """Return the mean of the largest load that the sizes of gaps make, less 1.

        The gaps between N uniform points are N exponential variables divided by their sum, so
        that a node's share is a sum of `vnodes` of them: Gamma(vnodes) in units of the mean gap,
        with a variance of 1 / vnodes in units of the mean share. Keys that come at random add
        NODES / keys to the variance. A third root makes a Gamma variable nearly normal (Wilson
        and Hilferty), so the largest of n is had from the mean of the largest of n normals; for
        many vnodes this becomes 1 + sqrt(2 ln(n) / vnodes), a little too high.
        """
        variance = 1 / vnodes + NODES / n_keys
        z = largest_normal(NODES)
        return float((1 - variance / 9 + z * math.sqrt(variance) / 3) ** 3 - 1)

    def moved(self, n_keys: int, n: int) -> float:
        """Return the share of one node."""
        return 1 / n


def largest_normal(n: int) -> float:
    """Return the mean of the largest of `n` standard normal variables."""
    step = 0.001
    xs = np.arange(-8, 8, step)
    below = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in xs])
    density = np.diff(below**n) / step
    return float(np.sum((xs[:-1] + step / 2) * density) * step)


LIBRARIES = (Ring, KetamaRing, Maglev, Rendezvous, Jump, UHashRing, Modulo, Theory)


@work(
    "Largest load above the mean against vnodes",
    f"{NODES} nodes, 1 M keys; mean of 10 rings (ketama and uhashring 300 k and 5)",
    chart="curve",
    axes=("vnodes", "above"),
    points=VNODES,
    rounds=1,
)
def bench_balance(lib: Scheme, record: Record, point: float, quick: bool) -> None:
    """More points are more even."""
    n = _keys(lib, 1_000_000, quick)
    above = _above(lib, n, int(point) if lib.points else 0)
    expect(0 < above < 10, f"the largest load is {above + 1:.2f} times the mean")
    record(vnodes=point, above=above, keys=n)


@work(
    "Keys that move when one of n nodes leaves",
    "160 vnodes, 200 k keys; mean over up to 10 nodes (ketama and uhashring 5), the optimum is 1/n",
    chart="curve",
    axes=("nodes", "moved"),
    points=SIZES,
    rounds=1,
)
def bench_moved(lib: Scheme, record: Record, point: float, quick: bool) -> None:
    """Only those of the node that leaves."""
    n = _keys(lib, 200_000, quick)
    record(nodes=point, moved=lib.moved(n, int(point)), keys=n)


@functools.cache
def _above(lib: Scheme, n: int, vnodes: int) -> float:
    return lib.above(n, vnodes)


def _keys(lib: Scheme, n: int, quick: bool) -> int:
    return min(n, lib.max_keys, SMALL if quick else n)
