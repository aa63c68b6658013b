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

from bench.data import sphere_points, stored
from bench.model import Library, Role, Timed, expect, work

MILLION, FEW, CHECKED = 1_000_000, 10_000, 500
SMALL = 2_000  # vertices of the twin's polygons


@functools.cache
def _shapes(quick: bool) -> list[tuple[str, list[Any]]]:
    """Every polygon: the name of its zone, and its rings."""
    finder = importlib.import_module("timezonefinder").TimezoneFinder(in_memory=True)
    return [
        (name, [np.array(ring)[::-1].T for ring in rings])
        for name in finder.timezone_names[:: 40 if quick else 1]
        for rings in finder.get_geometry(tz_name=name)
    ]


@stored
def _part(part: str, quick: bool) -> Any:
    """The vertices of all rings, where each ring ends, the polygon of each ring, or zone names."""
    shapes = _shapes(quick)
    rings = [ring for _, rings in shapes for ring in rings]
    if part == "vertices":
        return np.vstack(rings)
    if part == "ends":
        return np.cumsum([len(ring) for ring in rings])
    if part == "polygons":
        return np.repeat(np.arange(len(shapes)), [len(rings) for _, rings in shapes])
    return np.array([name for name, _ in shapes])


@functools.cache
def _zones(quick: bool) -> tuple[list[list[Any]], list[str]]:
    """The rings of every polygon, and the name of its zone; of a few zones if `quick`."""
    rings = np.split(_part("vertices", quick), _part("ends", quick)[:-1])
    names = _part("names", quick).tolist()
    polygons: list[list[Any]] = [[] for _ in names]
    for polygon, ring in zip(_part("polygons", quick).tolist(), rings, strict=True):
        polygons[polygon].append(ring)
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
    max_keys = 20_000

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
    max_keys = 200_000
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

    def query_many(self, index: Any, lats: Any, lngs: Any) -> Any:
        """Add."""
        return lats + lngs


LIBRARIES = (Native, Pure, Shapely, Timezonefinder, Sum)


@stored
def _answers(quick: bool) -> Any:
    """Pairs of point and polygon, of a few points, by shapely."""
    other = Shapely()
    pairs = other.query_many(other.build(_zones(quick)[0]), *sphere_points(CHECKED))
    return np.stack(pairs, axis=1)


@functools.cache
def _index(lib: Fences, quick: bool) -> Any:
    """An index of all polygons, with some answers checked."""
    if lib.role == "floor":
        return None
    polygons, names = _zones(quick)
    index = lib.build(polygons)
    found = lib.names(index, names, *sphere_points(CHECKED))
    if found:
        right: list[set[str]] = [set() for _ in found]
        for point, polygon in _answers(quick).tolist():
            right[point].add(names[polygon])
        one = isinstance(lib, Timezonefinder)
        for mine, zones in zip(right, found, strict=True):
            if mine or not one:  # it has all zones
                expect(zones <= mine if one else zones == mine, "a zone is wrong")
    return index


@work("`Geofence(polygons)`", "every 16th of 1,322 polygons", unit="vertex", rounds=1)
def bench_build(lib: Fences, timed: Timed, quick: bool, full: bool) -> None:
    """An index of polygons."""
    polygons = _zones(quick)[0][:: 1 if full else 16]
    if isinstance(lib, Pure):
        polygons = _small(polygons)
    timed(lambda: lib.build(polygons), items=_size(polygons))


@work("`f.query_many(lats, lngs)`", "1 M points", unit="point", headline=True, rounds=1)
def bench_query_many(lib: Fences, timed: Timed, quick: bool) -> None:
    """A batch."""
    index = _index(lib, quick)
    n = min(FEW if quick else MILLION, lib.max_keys)
    lats, lngs = (column[:n] for column in sphere_points(MILLION))
    timed(lambda: lib.query_many(index, lats, lngs), items=len(lats))


@work("`f.first(lat, lng)`", "one after the other", unit="point", headline=True, rounds=1)
def bench_query_each(lib: Fences, timed: Timed, quick: bool) -> None:
    """One by one."""
    index = _index(lib, quick)
    columns = (column[: min(FEW, lib.max_keys)].tolist() for column in sphere_points(MILLION))
    points = list(zip(*columns, strict=True))
    timed(lambda: lib.query_each(index, points), items=len(points))
