"""Geofence: the time zones of points that are uniform on the sphere.

The polygons are timezonefinder's own: 1,322 with 756 holes and 8 million vertices. timezonefinder
skips the polygons where one zone is alone in a cell of its index; shapely's prepared geometries and
STRtree are made beforehand. The twin has the smallest polygons only.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, ClassVar

import numpy as np

from bench.data import sphere_points
from bench.model import Library, Role, Timed, expect, work

MILLION, FEW = 1_000_000, 10_000
SMALL = 2_000  # vertices of the twin's polygons


@functools.cache
def _zones(quick: bool) -> tuple[list[list[Any]], list[str]]:
    """The rings of every polygon, and the name of its zone; of a few zones if `quick`."""
    finder = importlib.import_module("timezonefinder").TimezoneFinder(in_memory=True)
    polygons, names = [], []
    for name in finder.timezone_names[:: 40 if quick else 1]:
        for rings in finder.get_geometry(tz_name=name):
            polygons.append([np.array(ring)[::-1].T for ring in rings])
            names.append(name)
    return polygons, names


def _size(polygons: list[list[Any]]) -> int:
    return sum(sum(map(len, rings)) for rings in polygons)


def _small(polygons: list[list[Any]]) -> list[list[Any]]:
    """The smallest polygons."""
    kept = sorted(polygons, key=lambda rings: _size([rings]))
    sizes = np.cumsum([_size([rings]) for rings in kept])
    return kept[: int(np.searchsorted(sizes, SMALL))]


class Fences(Library):
    """What all have in common."""

    def build(self, polygons: list[list[Any]]) -> Any:
        """Return an index of polygons."""
        return self.api.Geofence(polygons)

    def names(self, index: Any, names: list[str], lats: Any, lngs: Any) -> list[set[str]]:
        """Return the zones that hold each point."""
        found: list[set[str]] = [set() for _ in lats]
        for point, polygon in zip(*self.query_many(index, lats, lngs), strict=True):
            found[point].add(names[polygon])
        return found

    def query_many(self, index: Any, lats: Any, lngs: Any) -> Any:
        """Return pairs of point and polygon."""
        return index.query_many(lats, lngs)

    def query_each(self, index: Any, points: list[tuple[float, float]]) -> None:
        """Ask for points one by one: the loop that is timed."""
        first = index.first
        for lat, lng in points:
            first(lat, lng)


class Native(Fences):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"


class Pure(Fences):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 20

    def build(self, polygons: list[list[Any]]) -> Any:
        """Of the smallest polygons."""
        return super().build(_small(polygons))

    def names(self, index: Any, names: list[str], lats: Any, lngs: Any) -> list[set[str]]:
        """Not comparable: others have all polygons."""
        return []


class Shapely(Fences):
    """GEOS's tree and point-in-polygon test by shapely."""

    name = "shapely.STRtree"
    role: ClassVar[Role] = "peer"
    module = "shapely"
    distribution = "shapely"

    def build(self, polygons: list[list[Any]]) -> Any:
        """The tree is made by the first query."""
        shapes = [
            self.api.Polygon(outer[:, ::-1], [hole[:, ::-1] for hole in holes])
            for outer, *holes in polygons
        ]
        self.api.prepare(shapes)
        tree = self.api.STRtree(shapes)
        tree.query(self.api.Point(0, 0))
        return tree

    def query_many(self, index: Any, lats: Any, lngs: Any) -> Any:
        """Candidates by the tree; its own predicate would not use prepared polygons."""
        points, shapes = index.query(self.api.points(lngs, lats))
        inside = self.api.intersects_xy(index.geometries[shapes], lngs[points], lats[points])
        return points[inside], shapes[inside]

    def query_each(self, index: Any, points: list[tuple[float, float]]) -> None:
        """The same for each."""
        query, point, shapes = index.query, self.api.Point, index.geometries
        intersects = self.api.intersects_xy
        for lat, lng in points:
            found = query(point(lng, lat))
            found[intersects(shapes[found], lng, lat)]


class Timezonefinder(Fences):
    """The finder, which answers with one zone."""

    name = "timezonefinder"
    role: ClassVar[Role] = "peer"
    module = "timezonefinder"
    distribution = "timezonefinder"
    only = ("query_many", "query_each")

    def build(self, polygons: list[list[Any]]) -> Any:
        """It has them."""
        return self.api.TimezoneFinder(in_memory=True)

    def names(self, index: Any, names: list[str], lats: Any, lngs: Any) -> list[set[str]]:
        """One name each."""
        zones = index.timezone_names
        return [{zones[i]} for i in self.query_many(index, lats, lngs)]

    def query_many(self, index: Any, lats: Any, lngs: Any) -> Any:
        """Numbers of zones."""
        return index.timezone_ids_at(lats=lats, lngs=lngs)

    def query_each(self, index: Any, points: list[tuple[float, float]]) -> None:
        """Names of zones."""
        timezone_at = index.timezone_at
        for lat, lng in points:
            timezone_at(lat=lat, lng=lng)


class Sum(Fences):
    """One pass of NumPy over the points: what reading and writing them costs."""

    name = "lats + lngs"
    role: ClassVar[Role] = "floor"
    only = ("query_many",)

    def build(self, polygons: list[list[Any]]) -> Any:
        """Nothing."""

    def names(self, index: Any, names: list[str], lats: Any, lngs: Any) -> list[set[str]]:
        """No answers, so none is looked at."""
        return []

    def query_many(self, index: Any, lats: Any, lngs: Any) -> Any:
        """Add."""
        return lats + lngs


LIBRARIES = (Native, Pure, Shapely, Timezonefinder, Sum)


@functools.cache
def _index(lib: Fences, quick: bool) -> Any:
    """An index of all polygons, with the answers checked against another one."""
    polygons, names = _zones(quick)
    index = lib.build(polygons)
    lats, lngs = sphere_points(500)
    found = lib.names(index, names, lats, lngs)
    if found:
        native = importlib.import_module("fastblocks").Geofence(polygons)
        for point, zones in enumerate(found):
            mine = {names[i] for i in native.query(lats[point], lngs[point]).tolist()}
            one = isinstance(lib, Timezonefinder)
            if mine or not one:  # it has all zones
                expect(zones <= mine if one else zones == mine, "a zone is wrong")
    return index


@work("`Geofence(polygons)`", "1,322 polygons, 8 M vertices", unit="vertex", rounds=1)
def bench_build(lib: Fences, timed: Timed, quick: bool) -> None:
    """An index of polygons."""
    polygons = _zones(quick)[0]
    size = _size(_small(polygons) if isinstance(lib, Pure) else polygons)
    timed(lambda: lib.build(polygons), items=size)


@work("`f.query_many(lats, lngs)`", "1 M points", headline=True, rounds=2)
def bench_query_many(lib: Fences, timed: Timed, quick: bool) -> None:
    """A batch."""
    index = _index(lib, quick)
    n = FEW if quick else 100_000 if isinstance(lib, Shapely) else MILLION
    lats, lngs = (column[: lib.max_keys] for column in sphere_points(n))
    timed(lambda: lib.query_many(index, lats, lngs), items=len(lats))


@work("`f.first(lat, lng)`", "one after the other", headline=True, rounds=2)
def bench_query_each(lib: Fences, timed: Timed, quick: bool) -> None:
    """One by one."""
    index = _index(lib, quick)
    points = list(zip(*(column.tolist() for column in sphere_points(FEW)), strict=True))[
        : lib.max_keys
    ]
    timed(lambda: lib.query_each(index, points), items=len(points))
