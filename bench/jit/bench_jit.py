"""Calls from compiled loops.

One call for every item of arrays, in a loop that Numba compiled: of `fastblocks.jit`, and of the
usual formulas written in Numba. A call should cost at most twice what theirs does ("÷ native" of
"Numba alone" is 0.5 or more), though they check nothing. "one call for all" hands the arrays to
fastblocks, which is the better way where no other code stands between the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from bench.data import integers, sphere_points
from bench.model import Library, Role, Timed, expect, work

ITEMS = 1_000_000
BUCKETS = 1000
RES = 9
ADDED = 20_000  # to a count-min sketch: so few that sketches with other hashes agree

Function = Callable[..., Any]


class Loops(Library):
    """A way to make many calls."""

    def function(self, name: str) -> Function:
        """Return the function of arrays that makes the calls of a work."""
        raise NotImplementedError

    def own(self, thing: Any) -> Any:
        """Return an object of fastblocks as this way takes it."""
        return thing

    def agree(self, found: Any, wanted: Any) -> bool:
        """Tell whether the answers are right, distances but for the last digits."""
        if found.dtype == np.float64:
            return np.allclose(found, wanted, rtol=1e-9)
        return np.array_equal(found, wanted)


class Native(Loops):
    """`fastblocks.jit`."""

    name = "fastblocks.jit"
    role: ClassVar[Role] = "native"
    module = "bench.jit.compiled"
    distribution = "fastblocks"

    def function(self, name: str) -> Function:
        """Return a compiled loop."""
        found: Function = getattr(self.api, name)
        return found


class Pure(Loops):
    """The pure-Python twin, in a loop of Python's."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 1_000

    def function(self, name: str) -> Function:
        """Return a loop."""
        geo, ring = self.api.geo, self.api.ring
        functions: dict[str, Function] = {
            "haversine": geo.distance.haversine,
            "geohash": geo.geohash.encode_int,
            "s2": geo.s2.latlng_to_cell,
            "h3": lambda lat, lng: geo.h3.latlng_to_cell(lat, lng, RES),
            "xxh3": self.api.hashing.xxh3_64,
            "jump": lambda key: ring.jump_hash(key, BUCKETS),
        }

        def loop(*columns: Any) -> Any:
            call = functions.get(name)
            if call is None:
                method = "estimate" if name == "count_min" else name
                call, columns = getattr(columns[0], method), columns[1:]
            rows = zip(*(column.tolist() for column in columns), strict=True)
            return np.array([call(*row) for row in rows])

        return loop

    def own(self, thing: Any) -> Any:
        """Return the twin."""
        return getattr(self.api, type(thing).__name__).from_bytes(thing.to_bytes())


class Numba(Loops):
    """The usual formulas in Numba."""

    name = "Numba alone"
    module = "bench.jit.compiled"
    distribution = "numba"

    def function(self, name: str) -> Function:
        """Return a compiled loop."""
        found: Function = getattr(self.api, f"{name}_alone")
        return found

    def own(self, thing: Any) -> Any:
        """Return a filter or sketch of its own, or the counts or points of an object in arrays."""
        if hasattr(thing, "points"):
            return thing.points()
        if hasattr(thing, "depth"):
            counters = np.zeros((thing.depth, thing.width), np.uint32)
            self.api.count_min_add(counters, integers(ADDED))
            return counters
        if hasattr(thing, "estimate"):
            return np.frombuffer(thing.to_bytes(), np.uint8)[-8 * thing.capacity :]
        words = self.api.bloom(ITEMS)
        self.api.bloom_add(words, integers(ITEMS))
        return words

    def agree(self, found: Any, wanted: Any) -> bool:
        """Allow for formulas that round differently, and for other false positives."""
        if found.dtype == np.float64:
            return np.allclose(found, wanted, rtol=1e-6)
        return bool(np.mean(found == wanted) > 0.98)


class OneCall(Loops):
    """fastblocks, given the arrays."""

    name = "one call for all"
    role: ClassVar[Role] = "floor"
    module = "fastblocks"

    def function(self, name: str) -> Function:
        """Return the function of arrays."""
        geo, hashing, ring = self.api.geo, self.api.hashing, self.api.ring
        functions: dict[str, Function] = {
            "haversine": geo.distance.haversine,
            "geohash": geo.geohash.encode_int,
            "s2": geo.s2.latlng_to_cell,
            "h3": lambda lat, lng: geo.h3.latlng_to_cell(lat, lng, RES),
            "xxh3": hashing.xxh3_64_many,
            "jump": lambda keys: ring.jump_hash_many(keys, BUCKETS),
            "contains": lambda bloom, keys: bloom.contains_many(keys),
            "estimate": lambda sketch, keys: sketch.estimate_many(keys),
            "count_min": lambda sketch, keys: sketch.estimate_many(keys),
            "get_index": lambda nodes, keys: nodes.get_many(keys),
        }
        return functions[name]


class EmptyLoop(Loops):
    """A compiled loop that adds instead of calling."""

    name = "empty loop"
    role: ClassVar[Role] = "floor"
    module = "bench.jit.compiled"
    only = ("haversine", "geohash", "s2", "h3", "xxh3", "jump")

    def function(self, name: str) -> Function:
        """Return a compiled loop."""
        items = {"haversine": "pairs", "xxh3": "keys", "jump": "keys"}.get(name, "points")
        found: Function = getattr(self.api, f"empty_{items}")
        return found

    def agree(self, found: Any, wanted: Any) -> bool:
        """Agree: there is no answer."""
        return True


LIBRARIES = (Native, Pure, Numba, OneCall, EmptyLoop)


def _time(lib: Loops, timed: Timed, quick: bool, name: str, *columns: Any, of: Any = None) -> None:
    call = lib.function(name)
    n = min(2_000 if quick else ITEMS, lib.max_keys)
    few = [column[:n] for column in columns]
    own, native = ([], []) if of is None else ([lib.own(of)], [of])
    wanted = OneCall().function(name)(*native, *few)
    expect(lib.agree(call(*own, *few), wanted), "other answers than those of one call")
    timed(lambda: call(*own, *few), items=n)


@work("`haversine`", "1 M pairs of points", unit="pair", headline=True, rounds=2)
def bench_haversine(lib: Loops, timed: Timed, quick: bool) -> None:
    """Pairs of points."""
    _time(lib, timed, quick, "haversine", *sphere_points(ITEMS), *sphere_points(ITEMS, 1))


@work("`geohash_encode_int`", "1 M points", unit="point", rounds=1)
def bench_geohash(lib: Loops, timed: Timed, quick: bool) -> None:
    """Points."""
    _time(lib, timed, quick, "geohash", *sphere_points(ITEMS))


@work("`s2_latlng_to_cell`", "1 M points, leaf cells", unit="point", rounds=1)
def bench_s2(lib: Loops, timed: Timed, quick: bool) -> None:
    """Points."""
    _time(lib, timed, quick, "s2", *sphere_points(ITEMS))


@work("`h3_latlng_to_cell`", "1 M points, resolution 9", unit="point", rounds=1)
def bench_h3(lib: Loops, timed: Timed, quick: bool) -> None:
    """Points."""
    _time(lib, timed, quick, "h3", *sphere_points(ITEMS))


@work("`xxh3_64(int)`", "uint64[1 M]", rounds=1)
def bench_xxh3(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    _time(lib, timed, quick, "xxh3", integers(ITEMS))


@work("`jump_hash(int, 1000)`", "uint64[1 M]", rounds=1)
def bench_jump(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    _time(lib, timed, quick, "jump", integers(ITEMS))


@work("`key in bloom`", "uint64[1 M], filter of 1 M, 1 %, half present", headline=True, rounds=2)
def bench_contains(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    from fastblocks import BloomFilter

    bloom = BloomFilter(ITEMS)
    bloom.add_many(integers(ITEMS))
    keys = np.where(np.arange(ITEMS) % 2, integers(ITEMS), integers(ITEMS, stream=1))
    _time(lib, timed, quick, "contains", keys, of=bloom)


@work("`sketch.estimate(key)`", "FrequencySketch(100 k), uint64[1 M]", rounds=1)
def bench_estimate(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    from fastblocks import FrequencySketch

    sketch = FrequencySketch(100_000)
    sketch.record_many(integers(ITEMS)[:300_000])
    _time(lib, timed, quick, "estimate", integers(ITEMS), of=sketch)


@work("`sketch.estimate(key)`, count-min", "65,536 x 4, uint64[1 M]", rounds=1)
def bench_count_min(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    from fastblocks import CountMinSketch

    sketch = CountMinSketch(65_536, 4)
    sketch.add_many(integers(ADDED))
    _time(lib, timed, quick, "count_min", integers(ITEMS), of=sketch)


@work("`ring.get_index(key)`", "100 nodes, uint64[1 M]", rounds=1)
def bench_get_index(lib: Loops, timed: Timed, quick: bool) -> None:
    """Integers."""
    from fastblocks import HashRing

    ring = HashRing([f"cache-{i}" for i in range(100)])
    _time(lib, timed, quick, "get_index", integers(ITEMS), of=ring)
