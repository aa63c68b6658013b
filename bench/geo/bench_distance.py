"""Distances on the sphere.

Points are uniform on it. NumPy's rows are the usual formulas, written out; that of distances is
right to 1e-8 only for points nearly opposite. Numba's is the same in a compiled loop.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bench.data import sphere_points
from bench.model import Library, Role, Timed, Unsupported, expect, work

RADIUS = 6371008.8
PAIRS = 1_000_000


class Distance(Library):
    """A library of distances."""

    def haversine(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Return the distances of pairs of points."""
        return self.api.haversine(lat1, lng1, lat2, lng2)

    def bearing(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Return the bearings of pairs of points."""
        return self.api.bearing(lat1, lng1, lat2, lng2)

    def destination(self, lat: Any, lng: Any, bearing: Any, metres: Any) -> Any:
        """Return where one gets."""
        return self.api.destination(lat, lng, bearing, metres)

    def matrix(self, lat: Any, lng: Any) -> Any:
        """Return the distances of all points to all."""
        return self.api.distance_matrix(lat, lng)


class Native(Distance):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.geo.distance"
    distribution = "fastblocks"


class Pure(Distance):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.geo.distance"
    max_keys = 1_000


class NumPy(Distance):
    """The formulas in NumPy."""

    name = "NumPy"
    module = "numpy"
    distribution = "numpy"

    def haversine(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Evaluate the haversine formula."""
        lat1, lng1, lat2, lng2 = map(np.radians, (lat1, lng1, lat2, lng2))
        h = np.sin((lat2 - lat1) / 2) ** 2
        h += np.cos(lat1) * np.cos(lat2) * np.sin((lng2 - lng1) / 2) ** 2
        return 2 * RADIUS * np.arcsin(np.sqrt(h))

    def bearing(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Evaluate the usual formula."""
        lat1, lng1, lat2, lng2 = map(np.radians, (lat1, lng1, lat2, lng2))
        turn = lng2 - lng1
        north = np.cos(lat1) * np.sin(lat2) - np.sin(lat1) * np.cos(lat2) * np.cos(turn)
        return np.degrees(np.arctan2(np.sin(turn) * np.cos(lat2), north)) % 360

    def destination(self, lat: Any, lng: Any, bearing: Any, metres: Any) -> Any:
        """Evaluate the usual formula."""
        lat, lng, bearing = map(np.radians, (lat, lng, bearing))
        way = metres / RADIUS
        sine = np.sin(lat) * np.cos(way) + np.cos(lat) * np.sin(way) * np.cos(bearing)
        east = np.sin(bearing) * np.sin(way) * np.cos(lat)
        to = lng + np.arctan2(east, np.cos(way) - np.sin(lat) * sine)
        return np.degrees(np.arcsin(sine)), (np.degrees(to) + 180) % 360 - 180

    def matrix(self, lat: Any, lng: Any) -> Any:
        """Broadcast."""
        return self.haversine(lat[:, None], lng[:, None], lat, lng)


class Numba(NumPy):
    """The formula in Numba."""

    name = "Numba"
    module = "bench.jit.compiled"
    distribution = "numba"
    only = ("haversine",)

    def haversine(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Loop over the haversine formula."""
        return self.api.haversine_alone(lat1, lng1, lat2, lng2)


class H3(Distance):
    """The function of the h3 package, a call per pair."""

    name = "h3 great_circle_distance"
    module = "h3"
    distribution = "h3"
    max_keys = 50_000

    def haversine(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Call it for every pair."""
        one = self.api.great_circle_distance
        rows = zip(*(x.tolist() for x in (lat1, lng1, lat2, lng2)), strict=True)
        return np.array([one((a, b), (c, d), "m") for a, b, c, d in rows])

    def bearing(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Refuse."""
        raise Unsupported("distances only")

    def destination(self, lat: Any, lng: Any, bearing: Any, metres: Any) -> Any:
        """Refuse."""
        raise Unsupported("distances only")

    def matrix(self, lat: Any, lng: Any) -> Any:
        """Refuse."""
        raise Unsupported("pairs only")


class Sum(Distance):
    """One pass of NumPy over the arrays: what reading and writing them costs."""

    name = "lat + lng"
    role: ClassVar[Role] = "floor"
    only = ("haversine",)

    def haversine(self, lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Any:
        """Add all."""
        return lat1 + lng1 + lat2 + lng2


LIBRARIES = (Native, Pure, NumPy, Numba, H3, Sum)


def _pairs(lib: Distance, quick: bool) -> tuple[Any, Any, Any, Any]:
    some = min(2_000 if quick else PAIRS, lib.max_keys)
    lat1, lng1 = (x[:some] for x in sphere_points(PAIRS))
    lat2, lng2 = (x[:some] for x in sphere_points(PAIRS, 1))
    return lat1, lng1, lat2, lng2


@work("`haversine`", "1 M pairs", unit="pair", headline=True, rounds=2)
def bench_haversine(lib: Distance, timed: Timed, quick: bool) -> None:
    """Pairs of points in one call."""
    pairs = _pairs(lib, quick)
    if lib.role != "floor":
        usual = NumPy().haversine(*pairs)
        expect(np.allclose(lib.haversine(*pairs), usual, rtol=1e-6), "distances")
    timed(lambda: lib.haversine(*pairs), items=len(pairs[0]))


@work("`bearing`", "1 M pairs", unit="pair", rounds=1)
def bench_bearing(lib: Distance, timed: Timed, quick: bool) -> None:
    """Pairs of points in one call."""
    pairs = _pairs(lib, quick)
    turn = (lib.bearing(*pairs) - NumPy().bearing(*pairs) + 180) % 360 - 180
    expect(np.abs(turn).max() < 1e-6, "bearings")
    timed(lambda: lib.bearing(*pairs), items=len(pairs[0]))


@work("`destination`", "1 M points", unit="point", rounds=1)
def bench_destination(lib: Distance, timed: Timed, quick: bool) -> None:
    """Points in one call."""
    lat, lng, ways, _ = _pairs(lib, quick)
    metres = np.abs(ways) * 50_000
    lats, lngs = lib.destination(lat, lng, ways, metres)
    reached = NumPy().haversine(lat, lng, np.asarray(lats), np.asarray(lngs))
    expect(np.allclose(reached, metres, rtol=1e-6, atol=1e-2), "destinations")
    timed(lambda: lib.destination(lat, lng, ways, metres), items=len(lat))


@work("`distance_matrix`", "1000 by 1000", unit="pair", rounds=1)
def bench_matrix(lib: Distance, timed: Timed, quick: bool) -> None:
    """All to all."""
    some = 30 if quick or lib.max_keys < 1_000_000 else 1_000
    lat, lng = (x[:some] for x in sphere_points(PAIRS))
    expect(np.allclose(lib.matrix(lat, lng), NumPy().matrix(lat, lng), rtol=1e-6, atol=0.1), "all")
    timed(lambda: lib.matrix(lat, lng), items=some * some)
