"""Geohash.

Points are uniform on the sphere. Peers without batches are called once per point. Numba's row is a
compiled loop over the usual formula, which knows neither poles nor longitudes past 180 degrees.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bench.data import sphere_points
from bench.model import Library, Role, Timed, Unsupported, expect, work

POINTS = 200_000
BATCH = 1_000_000


class Geohash(Library):
    """A library of geohashes.

    Attributes
    ----------
    encode, decode, neighbors : callable
        Of one point, or one text.
    """

    encode: Any = None
    decode: Any = None
    neighbors: Any = None

    def check(self) -> None:
        """Compare with a known cell."""
        expect(self.encode(57.64911, 10.40744, 11) == "u4pruydqqvj", "the cell of a point")
        lat, lng = self.decode("ezs42")[:2]
        expect(abs(lat - 42.60498) + abs(lng + 5.60303) < 1e-4, "the centre of a cell")
        cells = {"u4r2h", "u4r2j", "u4prv", "u4prt", "u4prs", "u4pre", "u4prg", "u4r25"}
        expect(set(self.neighbors("u4pru")) == cells, "neighbours")

    def to_int(self, lat: Any, lng: Any) -> Any:
        """Return the cells of arrays of points as integers of 60 bits."""
        raise Unsupported("no integers of 60 bits")

    def texts(self, lat: Any, lng: Any) -> Any:
        """Return the cells of arrays of points as texts of 9 characters."""
        encode = self.encode
        return [encode(a, b, 9) for a, b in zip(lat.tolist(), lng.tolist(), strict=True)]

    def centers(self, texts: Any) -> Any:
        """Return the latitudes of the centres of an array of texts."""
        decode = self.decode
        return [decode(text)[0] for text in texts.astype("U").tolist()]


class Native(Geohash):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.geo.geohash"
    distribution = "fastblocks"

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = self.api.encode, self.api.decode
        self.neighbors = self.api.neighbors

    def to_int(self, lat: Any, lng: Any) -> Any:
        """Ask in one call."""
        return self.api.encode_int(lat, lng)

    def texts(self, lat: Any, lng: Any) -> Any:
        """Ask in one call."""
        return self.api.encode(lat, lng, 9)

    def centers(self, texts: Any) -> Any:
        """Ask in one call."""
        return self.api.decode(texts)[0]


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.geo.geohash"
    max_keys = 1_000


class PythonGeohash(Geohash):
    """The oldest one, in C++."""

    name = "python-geohash"
    module = "geohash"
    distribution = "python-geohash"
    max_keys = 100_000

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = self.api.encode, self.api.decode
        self.neighbors = self.api.neighbors


class PyGeohash(Geohash):
    """In C, with points as objects."""

    name = "pygeohash"
    module = "pygeohash"
    distribution = "pygeohash"
    max_keys = 50_000

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = self.api.encode, self.api.decode_exactly
        adjacent = self.api.get_adjacent

        def around(text: str) -> list[str]:
            north, south = adjacent(text, "top"), adjacent(text, "bottom")
            found = [north, south]
            for row in (north, text, south):
                found += [adjacent(row, "left"), adjacent(row, "right")]
            return found

        self.neighbors = around


class Numba(Geohash):
    """The usual formula in Numba."""

    name = "Numba"
    module = "bench.jit.compiled"
    distribution = "numba"
    only = ("many_int",)

    def check(self) -> None:
        """Compare with the cells of known points."""
        lat, lng = np.array([57.64911, 42.6]), np.array([10.40744, -5.6])
        expect(self.to_int(lat, lng).tolist() == [942017408693661224, 504126164152841510], "cells")

    def to_int(self, lat: Any, lng: Any) -> Any:
        """Loop over it."""
        return self.api.geohash_alone(lat, lng)


class Sum(Geohash):
    """One pass of NumPy over the arrays: what reading and writing them costs."""

    name = "lat + lng"
    role: ClassVar[Role] = "floor"
    only = ("many_int",)

    def check(self) -> None:
        """There is nothing to compare with."""

    def to_int(self, lat: Any, lng: Any) -> Any:
        """Add."""
        return lat + lng


LIBRARIES = (Native, Pure, PythonGeohash, PyGeohash, Numba, Sum)


def _points(lib: Geohash, n: int) -> tuple[list[float], list[float]]:
    lat, lng = sphere_points(BATCH)
    some = min(n, lib.max_keys)
    return lat[:some].tolist(), lng[:some].tolist()


@work("`encode(lat, lng)`", "200 k points, 12 characters", unit="point", headline=True, rounds=2)
def bench_encode(lib: Geohash, timed: Timed) -> None:
    """Points one by one."""
    lib.check()
    lat, lng = _points(lib, POINTS)
    encode = lib.encode

    def each() -> None:
        for a, b in zip(lat, lng, strict=True):
            encode(a, b, 12)

    timed(each, items=len(lat))


@work("`decode(text)`", "200 k texts of 12 characters", unit="cell", rounds=2)
def bench_decode(lib: Geohash, timed: Timed) -> None:
    """Texts one by one."""
    lib.check()
    texts = [lib.encode(a, b, 12) for a, b in zip(*_points(lib, POINTS), strict=True)]
    decode = lib.decode

    def each() -> None:
        for text in texts:
            decode(text)

    timed(each, items=len(texts))


@work("`neighbors(text)`", "20 k texts of 7 characters", unit="cell", rounds=1)
def bench_neighbors(lib: Geohash, timed: Timed) -> None:
    """Texts one by one."""
    lib.check()
    texts = [lib.encode(a, b, 7) for a, b in zip(*_points(lib, 20_000), strict=True)]
    neighbors = lib.neighbors

    def each() -> None:
        for text in texts:
            neighbors(text)

    timed(each, items=len(texts))


def _arrays(lib: Geohash, quick: bool) -> tuple[Any, Any]:
    lib.check()
    lat, lng = sphere_points(BATCH)
    some = min(2_000 if quick else BATCH, lib.max_keys)
    return lat[:some], lng[:some]


@work("`encode_int(lats, lngs)`", "float64[1 M] to uint64", unit="point", headline=True, rounds=2)
def bench_many_int(lib: Geohash, timed: Timed, quick: bool) -> None:
    """Arrays to integers."""
    lat, lng = _arrays(lib, quick)
    found = lib.to_int(lat, lng)
    expect(len(found) == len(lat), "one a point")
    timed(lambda: lib.to_int(lat, lng), items=len(lat))


@work(
    "`encode(lats, lngs, 9)`",
    "float64[1 M] to S9; peers: a call per point",
    unit="point",
    headline=True,
    rounds=2,
)
def bench_many_text(lib: Geohash, timed: Timed, quick: bool) -> None:
    """Arrays to texts."""
    lat, lng = _arrays(lib, quick)
    found = np.asarray(lib.texts(lat, lng)).astype("S9")
    for i in range(0, len(lat), max(len(lat) // 100, 1)):
        one = lib.encode(float(lat[i]), float(lng[i]), 9)
        expect(found[i].decode() == one, "batch and scalar differ")
    timed(lambda: lib.texts(lat, lng), items=len(lat))


@work("`decode(texts)`", "S9[1 M]; peers: a call per text", unit="cell", rounds=2)
def bench_many_decode(lib: Geohash, timed: Timed, quick: bool) -> None:
    """Texts to centres."""
    lat, lng = _arrays(lib, quick)
    texts = np.asarray(lib.texts(lat, lng)).astype("S9")
    expect(np.abs(np.asarray(lib.centers(texts)) - lat).max() < 1e-4, "centres")
    timed(lambda: lib.centers(texts), items=len(texts))
