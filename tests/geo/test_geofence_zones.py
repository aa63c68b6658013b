"""Geofence: the time zones of the world, by shapely: the same polygons off the borders and on them.

With ``--exhaustive`` all zones and a million points, instead of some.
"""

import numpy as np
import shapely
from timezonefinder import TimezoneFinder

import fastblocks


def zones(names, finder):
    """Polygons: lists of rings of (lat, lng)."""
    return [
        [np.array(ring)[::-1].T for ring in rings]
        for name in names
        for rings in finder.get_geometry(tz_name=name)
    ]


def pairs_by_shapely(polygons, lats, lngs):
    """(point, polygon) wherever a point is in a polygon or on its border, ascending."""
    shapes = [
        shapely.Polygon(rings[0][:, ::-1], [ring[:, ::-1] for ring in rings[1:]])
        for rings in polygons
    ]
    shapely.prepare(shapes)
    points, near = shapely.STRtree(shapes).query(shapely.points(lngs, lats))
    order = np.argsort(near, kind="stable")
    points, near = points[order], near[order]
    inside = np.zeros(len(points), bool)
    cuts = np.searchsorted(near, np.arange(len(shapes) + 1))
    for shape, start, end in zip(shapes, cuts[:-1], cuts[1:], strict=True):
        some = points[start:end]
        inside[start:end] = shapely.intersects_xy(shape, lngs[some], lats[some])
    found = np.stack([points, near])[:, inside]
    return found[:, np.lexsort(found[::-1])]


def test_zones_equal_shapely(exhaustive):
    finder = TimezoneFinder(in_memory=True)
    polygons = zones(finder.timezone_names[:: 1 if exhaustive else 60], finder)
    fence = fastblocks.Geofence(polygons)
    rng = np.random.default_rng(5)
    m = 1_000_000 if exhaustive else 20_000
    lats, lngs = np.degrees(np.arcsin(rng.uniform(-1, 1, m))), rng.uniform(-180, 180, m)
    vertices = np.concatenate([ring for rings in polygons for ring in rings])
    owners = np.repeat(np.arange(len(polygons)), [sum(map(len, rings)) for rings in polygons])
    some = rng.choice(np.flatnonzero(np.abs(vertices[:, 1]) < 180), m // 5)
    lats = np.concatenate([lats, vertices[some, 0]])
    lngs = np.concatenate([lngs, vertices[some, 1]])
    mine = np.stack(fence.query_many(lats, lngs))
    assert (mine == pairs_by_shapely(polygons, lats, lngs)).all()
    pairs = set(zip(*mine.tolist(), strict=True))
    assert pairs.issuperset(zip(range(m, len(lats)), owners[some].tolist(), strict=True))
    first = np.full(len(lats), -1)
    first[mine[0][::-1]] = mine[1][::-1]
    assert (fence.first_many(lats, lngs) == first).all()
    assert (fence.contains_many(lats, lngs) == (first >= 0)).all()
    print(f"{len(polygons)} polygons: {len(lats)} points, {len(mine[0])} pairs")
