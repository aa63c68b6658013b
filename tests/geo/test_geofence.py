"""Geofence: answers equal to shapely off the boundary and to the rule on it, bad input, state."""

import contextlib
import copy
import itertools
import json
import math
import pathlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from tests.state import HEADER, repaired, resealed

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "geofence_v1.bin"
SQUARE = [(0, 0), (0, 10), (10, 10), (10, 0)]
HOLE = [(4, 4), (4, 6), (6, 6), (6, 4)]


def star(rng, lat, lng, radius, n):
    """A ring around a point that does not cross itself."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    far = radius * rng.uniform(0.4, 1, n)
    return np.stack([lat + far * np.sin(angle), lng + far * np.cos(angle)], 1)


def is_inside(rings, lat, lng):
    """The rule for rings that do not cross the antimeridian, in rational numbers."""
    y, x = Fraction(lat), Fraction(lng)
    inside = False
    for ring in rings:
        points = [(Fraction(a), Fraction(b)) for a, b in np.asarray(ring, float).tolist()]
        for (ya, xa), (yb, xb) in zip(points, [*points[1:], points[0]], strict=True):
            turn = (yb - ya) * (x - xa) - (y - ya) * (xb - xa)
            if turn == 0 and min(xa, xb) <= x <= max(xa, xb) and min(ya, yb) <= y <= max(ya, yb):
                return True
            if (ya > y) != (yb > y):  # crossed by a ray to the east
                inside ^= (turn > 0) == (yb < ya)
    return inside


def hard_points(rng, rings, n):
    """Vertices, middles of edges, their neighbours among the doubles, and points around."""
    vertices = np.concatenate(rings)
    a = vertices[rng.integers(0, len(vertices), n)]
    b = (vertices + np.roll(vertices, -1, 0))[rng.integers(0, len(vertices), n)] / 2
    near = np.nextafter(b, rng.choice([-200.0, 200.0], b.shape))
    corner = np.stack([a[:, 0], b[:, 1]], 1)
    around = rng.uniform(vertices.min(0) - 1, vertices.max(0) + 1, (n, 2))
    points = np.concatenate([a, b, near, corner, around])
    points[:, 0] = np.clip(points[:, 0], -90, 90)
    points[np.abs(points) < 2.0**-300] = 0  # for which they are taken
    return points


# ---- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(6))
def test_rule_in_rational_numbers(impl, first, exhaustive):
    """With ``--exhaustive`` 100,000 points in all."""
    for seed in range(first, 1000 if exhaustive and impl is fastblocks else first + 1, 6):
        check_rule(impl, seed)


def check_rule(impl, seed):
    """Every search at points that are hard for some polygons."""
    rng = np.random.default_rng(seed)
    polygons = []
    for _ in range(5):
        lat, lng = rng.uniform(-50, 50), rng.uniform(-120, 120)
        outer = star(rng, lat, lng, rng.uniform(0.01, 20), rng.integers(3, 30))
        rings = [outer, (outer - [lat, lng]) * 0.3 + [lat, lng]]
        if seed % 2:  # vertices on few numbers: edges that touch and overlap
            rings = [np.round(ring / 4) * 4 for ring in rings]
        rings = [ring for ring in rings if len(np.unique(ring, axis=0)) > 2]
        if rings:
            polygons.append(rings)
    fence = impl.Geofence(polygons)
    points = hard_points(rng, [ring for rings in polygons for ring in rings], 20)
    index, found = fence.query_many(*points.T)
    pairs = set(zip(index.tolist(), found.tolist(), strict=True))
    for i, point in enumerate(points.tolist()):
        for k, rings in enumerate(polygons):
            assert ((i, k) in pairs) == is_inside(rings, *point), (point, k)
    assert (index == np.sort(index)).all()
    assert len(pairs) == len(index)
    first = fence.first_many(*points.T)
    for i, (lat, lng) in enumerate(points.tolist()):
        ids = found[index == i].tolist()
        assert ids == sorted(ids)
        assert fence.query(lat, lng).tolist() == ids
        assert fence.first(lat, lng) == first[i] == (ids[0] if ids else -1)
        assert fence.contains(lat, lng) == bool(ids)
    assert (fence.contains_many(*points.T) == (first >= 0)).all()


def test_equals_shapely():
    import shapely

    rng = np.random.default_rng(7)
    shapes = []
    for k in range(300):
        lat, lng = rng.uniform(-60, 60), rng.uniform(-150, 150)
        outer = star(rng, lat, lng, rng.choice([0.1, 2, 25]), 40 + k)[:, ::-1]
        hole = (outer - [lng, lat]) * 0.3 + [lng, lat]
        shapes.append(shapely.Polygon(outer, [hole] if k % 2 else []).buffer(0))
    shapes = [shape for shape in shapes if shape.is_valid and not shape.is_empty]
    fence = fastblocks.Geofence(shapes)
    lats, lngs = rng.uniform(-90, 90, 30_000), rng.uniform(-180, 180, 30_000)
    theirs = shapely.STRtree(shapes).query(shapely.points(lngs, lats), predicate="within")
    mine = np.stack(fence.query_many(lats, lngs))
    order = np.lexsort(theirs[::-1])
    assert (mine == theirs[:, order]).all()  # no point is on a boundary


def test_boundary_is_inside(impl):
    fence = impl.Geofence([[SQUARE, HOLE], [(0, 10), (0, 20), (10, 20), (10, 10)]])
    for point in [(0, 0), (0, 5), (5, 0), (10, 0), (4, 4), (4, 5), (5, 6), (6, 6)]:
        assert fence.query(*point).tolist() == [0]
    for point in [(0, 10), (5, 10), (10, 10)]:  # the border of both
        assert fence.query(*point).tolist() == [0, 1]
    assert fence.query(5, 5).tolist() == []
    up, down = math.nextafter(10, 11), -(2.0**-300)
    for point in [(up, 5), (down, 5), (5, down), (5, 5)]:
        assert not fence.contains(*point)
    assert fence.query(5, up).tolist() == [1]
    assert fence.contains(-(2.0**-301), 5)  # taken for 0


def test_thin_triangle(impl):
    """Points an ulp beside an edge, where the difference of products has no right digit."""
    ring = [(0.1, 0.1), (30.3, 60.7), (0.1, 60.7)]
    fence = impl.Geofence([ring])
    for t in np.linspace(0.01, 0.99, 60).tolist():
        lat, lng = 0.1 + t * 30.2, 0.1 + t * 60.6
        for y in (math.nextafter(lat, -1), lat, math.nextafter(lat, 90)):
            assert fence.contains(y, lng) == is_inside([ring], y, lng)


def test_even_odd(impl):
    bow = [(0, 0), (10, 10), (10, 0), (0, 10)]
    twice = [(0, 0), (0, 10), (10, 10), (10, 0)] * 2
    fence = impl.Geofence([bow, [SQUARE, SQUARE], twice])
    assert fence.query(5, 2).tolist() == []
    assert fence.query(2, 5).tolist() == fence.query(8, 5).tolist() == [0]
    assert fence.query(5, 10).tolist() == [1, 2]  # only edges are left of what is covered twice


# ---- the globe -------------------------------------------------------------------------------


def test_antimeridian(impl):
    across = [(0, 170), (0, -170), (10, -170), (10, 170)]
    beyond = [(0, 170), (0, 190), (10, 190), (10, 170)]
    before = [(0, -190), (0, -170), (10, -170), (10, -190)]
    far = [(0, 530), (0, 550), (10, 550), (10, 530)]
    fences = [impl.Geofence([ring]) for ring in (across, beyond, before, far)]
    for fence in fences:
        assert fence == fences[0]
        for lng in (170, 175, 179.999, 180, -180, -179.999, -175, -170, 185, -185, 540):
            assert fence.query(5, lng).tolist() == [0], lng
        for lng in (169.999, -169.999, 0, 90, -90, 191, 360):
            assert fence.query(5, lng).tolist() == [], lng
        assert fence.bounds == (-180, 0, 180, 10)
        assert fence.query(10, 180).tolist() == [0]
        assert fence.query(10.001, 180).tolist() == []


def test_both_sides_of_the_antimeridian(impl):
    """Boxes that end there share the meridian."""
    west = [(0, 170), (0, 180), (10, 180), (10, 170)]
    east = [(0, -180), (0, -170), (10, -170), (10, -180)]
    fence = impl.Geofence([west, east, {"type": "MultiPolygon", "coordinates": [
        [[(lng, lat) for lat, lng in ring]] for ring in (west, east)]}])  # fmt: skip
    assert fence.bounds == (-180, 0, 180, 10)
    for lng in (180, -180, 540):
        for lat in (0, 5, 10):
            assert fence.query(lat, lng).tolist() == [0, 1, 2]
    assert fence.query(5, 179.9).tolist() == [0, 2]
    assert fence.query(5, -179.9).tolist() == [1, 2]
    assert impl.Geofence([west]).bounds == (170, 0, 180, 10)


def test_sloped_edges_across_the_antimeridian(impl):
    rng = np.random.default_rng(11)
    for _ in range(5):
        ring = star(rng, rng.uniform(-40, 40), 180, 30, 12)
        turned = np.stack([ring[:, 0], (ring[:, 1] - 180 + 2**-40) // 2**-20 * 2**-20], 1)
        middle = impl.Geofence([turned])  # around the meridian 0, where sums with 180 are exact
        moved = impl.Geofence([turned + np.array([0, 180])])
        points = np.round(hard_points(rng, [turned], 20) * 2**20) / 2**20
        expected = middle.first_many(points[:, 0], points[:, 1])
        assert (moved.first_many(points[:, 0], points[:, 1] + 180) == expected).all()
        assert (moved.first_many(points[:, 0], points[:, 1] - 180) == expected).all()


def test_edges_half_the_way_round(impl):
    """They go the way they are given."""
    for start in (-180, -90, 0, 10, 90, 170):
        middle = [(0, start), (0, start + 180), (10, start + 180), (10, start)]
        fence = impl.Geofence([middle])
        for lng in (1, 90, 179, 0, 180):
            assert fence.query(5, start + lng).tolist() == [0]
        for lng in (-1, -90, -179, 181):
            assert fence.query(5, start + lng).tolist() == []
        assert fence == impl.Geofence([[middle[0], *middle, middle[3]]])
        turned = impl.Geofence([[(lat, lng + 360) for lat, lng in middle]])
        assert fence.to_bytes()[HEADER:] == turned.to_bytes()[HEADER:]
    tent = impl.Geofence([[(0, 0), (10, 180), (20, 0)], [(0, 0), (10, -180), (20, 0)]])
    assert tent.query(10, 90).tolist() == [0]
    assert tent.query(10, -90).tolist() == [1]
    assert tent.query(5, 90).tolist() == [0]
    assert tent.query(10, 180).tolist() == [0, 1]


def test_poles(impl):
    arctic = [(60, 0), (70, 90), (60, 180), (70, -90)]
    antarctic = [(-60, 0), (-70, 120), (-60, -120)]
    along = [(-80, -180), (-60, 0), (-80, 180), (-90, 180), (-90, -180)]  # as maps have it
    world = [(-90, -180), (-90, 180), (90, 180), (90, -180)]
    from_zero = [(0, 0), (0, 360), (90, 360), (90, 0)]
    fence = impl.Geofence([arctic, antarctic, along, world, from_zero])
    assert fence.bounds == (-180, -90, 180, 90)
    assert impl.Geofence([arctic]).bounds == (-180, 60, 180, 90)
    assert impl.Geofence([antarctic]).bounds == (-180, -90, 180, -60)
    assert impl.Geofence([world]).bounds == (-180, -90, 180, 90)
    for lng in (-180, -150, -90, -1, 0, 45, 100, 180):
        assert fence.query(90, lng).tolist() == [0, 3, 4]
        assert fence.query(-90, lng).tolist() == [1, 2, 3]
        assert fence.query(80, lng).tolist() == [0, 3, 4]
        assert fence.query(50, lng).tolist() == [3, 4]
        assert fence.query(0, lng).tolist() == [3, 4]
        assert fence.query(-50, lng).tolist() == [3]
        assert fence.query(-85, lng).tolist() == [1, 2, 3]
    assert fence.query(60, 0).tolist() == [0, 3, 4]
    assert fence.query(math.nextafter(60, 0), 0).tolist() == [3, 4]
    assert fence.query(65, 45).tolist() == [0, 3, 4]  # the middle of an edge
    assert fence.query(-70, 0).tolist() == [1, 2, 3]
    assert fence.query(-79, 179).tolist() == [1, 3]
    hole = impl.Geofence([[world, arctic]])
    assert hole.query(80, 10).tolist() == []
    assert hole.query(60, 180).tolist() == hole.query(50, 10).tolist() == [0]


# ---- many edges ------------------------------------------------------------------------------


def test_many_long_edges():
    """Cells that no cutting empties: triangles with a corner in common, and rings in rings."""
    angle = np.linspace(0, 2 * np.pi, 3001)
    rim = np.stack([20 * np.sin(angle), 20 * np.cos(angle)], 1)
    fan = [[(0, 0), tuple(a), tuple(b)] for a, b in itertools.pairwise(rim)]
    nested = [rim[::30] * (k / 2000) for k in range(1, 2000)]
    rng = np.random.default_rng(4)
    lats, lngs = rng.uniform(-21, 21, (2, 3000))
    for polygons in (fan, nested):
        fence = fastblocks.Geofence(polygons)
        edges = sum(map(len, polygons))
        assert fence.nbytes < 100 * edges
        far = np.hypot(lats, lngs)
        counts = np.bincount(fence.query_many(lats, lngs)[0], minlength=3000)
        if polygons is fan:
            assert (counts[far < 19.99] == 1).all()
            assert len(fence.query(0, 0)) == 3000
        else:  # the ring k is as far as 20 k / 2000, but for its sagitta
            expected = 1999 - np.ceil(far * 100)
            assert (np.abs(counts - np.maximum(expected, 0)) <= 2 + far * 0.3).all()
        assert (counts[far > 20] == 0).all()


@given(st.data())
@settings(max_examples=60)
def test_native_equals_pure(data):
    numbers = st.one_of(st.integers(-18, 18).map(float), st.floats(-80, 80))
    ring = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=12, unique=True)
    polygons = data.draw(st.lists(st.lists(ring, min_size=1, max_size=2), max_size=4))
    native, pure = fastblocks.Geofence(polygons), fastblocks.pure.Geofence(polygons)
    assert native.to_bytes() == pure.to_bytes()
    points = data.draw(st.lists(st.tuples(numbers, numbers), max_size=10))
    points += [point for rings in polygons for points in rings for point in points]
    lats, lngs = np.array(points).reshape(-1, 2).T
    for a, b in zip(native.query_many(lats, lngs), pure.query_many(lats, lngs), strict=True):
        assert a.tolist() == b.tolist()


def test_larger_bytes_equal_pure():
    """Two levels and more, and a cell that stays full."""
    rng = np.random.default_rng(2)
    polygons = [star(rng, 10, 179, 15, 90), *(star(rng, 10.1, 20.1, 9, 8) for _ in range(12))]
    polygons += [[(0, 0), (10 + k / 64, 1), (10, 1 + k / 64)] for k in range(1, 30)]
    ids = rng.permutation(100)[: len(polygons)]
    native, pure = fastblocks.Geofence(polygons, ids), fastblocks.pure.Geofence(polygons, ids)
    assert native.to_bytes() == pure.to_bytes()
    assert native.ids.tolist() == pure.ids.tolist() == sorted(ids.tolist())


# ---- arguments -------------------------------------------------------------------------------


def geojson(ring):
    return [[lng, lat] for lat, lng in [*ring, ring[0]]]


def test_forms_of_polygons(impl, tmp_path):
    polygon = {"type": "Polygon", "coordinates": [geojson(SQUARE), geojson(HOLE)]}
    feature = {"type": "Feature", "properties": {"name": "a"}, "geometry": polygon}
    collection = {"type": "FeatureCollection", "features": [feature]}
    multi = {"type": "MultiPolygon", "coordinates": [polygon["coordinates"]]}
    high = [[[*point, 7.5] for point in ring] for ring in polygon["coordinates"]]

    class Shape:
        __geo_interface__ = polygon

    (tmp_path / "a.geojson").write_text(json.dumps(collection))
    fence = impl.Geofence([[SQUARE, HOLE]])
    for same in (
        polygon, feature, collection, multi, Shape(), [polygon], [feature], (multi,), [Shape()],
        {"type": "Polygon", "coordinates": high}, [[np.array(SQUARE), np.array(HOLE)]],
        [[[*SQUARE, SQUARE[0]], HOLE]], iter([[tuple(SQUARE), tuple(HOLE)]]),
    ):  # fmt: skip
        assert impl.Geofence(same) == fence
    assert impl.Geofence.from_geojson(tmp_path / "a.geojson") == fence
    assert impl.Geofence.from_geojson(str(tmp_path / "a.geojson"), ids=[5]).ids.tolist() == [5]
    assert impl.Geofence(np.array([SQUARE, HOLE], float)) == impl.Geofence([SQUARE, HOLE])
    nowhere = impl.Geofence([{**feature, "geometry": None}, multi | {"coordinates": []}, SQUARE])
    assert len(nowhere) == 3
    assert nowhere.query(1, 1).tolist() == [2]


def test_shapely_geometries(impl):
    import shapely

    square = shapely.Polygon([(x, y) for y, x in SQUARE], [[(x, y) for y, x in HOLE]])
    fence = impl.Geofence([square])
    assert fence == impl.Geofence(square) == impl.Geofence([shapely.MultiPolygon([square])])
    assert impl.Geofence([shapely.Polygon()]).query(0, 0).tolist() == []


def test_empty(impl):
    for empty in (impl.Geofence(), impl.Geofence([]), impl.Geofence([[]])):
        assert empty.bounds is None
        assert empty.query(0, 0).tolist() == []
        assert not empty.contains(0, 0)
        assert [a.tolist() for a in empty.query_many([0, 1], [0, 1])] == [[], []]
        assert impl.Geofence.from_bytes(empty.to_bytes()) == empty
    assert len(impl.Geofence()) == 0
    assert [a.shape for a in impl.Geofence([SQUARE]).query_many([], [])] == [(0,), (0,)]


def test_ids(impl):
    fence = impl.Geofence([SQUARE, SQUARE, HOLE], ids=[30, 2**63 - 1, 7])
    assert fence.query(5, 5).tolist() == [7, 30, 2**63 - 1]
    assert fence.query(1, 1).tolist() == [30, 2**63 - 1]
    assert fence.first(5, 5) == 7
    assert fence.ids.tolist() == [7, 30, 2**63 - 1]
    assert fence == impl.Geofence([HOLE, SQUARE, SQUARE], ids=np.array([7, 30, 2**63 - 1]))
    assert fence != impl.Geofence([HOLE, SQUARE, SQUARE])
    assert fence != 3
    with pytest.raises(TypeError):
        hash(fence)


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        ([1], ValueError, r"ids must have shape \(2,\)"),
        ([1, 1], ValueError, r"ids must differ: ids\[1\] is 1"),
        ([1, -1], ValueError, r"ids\[1\] must be in \[0, 9223372036854775807\], not -1"),
        ([1.0, 2.0], TypeError, "ids must be an array of integers, not of dtype float64"),
        (np.array([1, 2**63], np.uint64), ValueError, r"ids\[1\] must be in"),
        (7, TypeError, "ids must be an array of integers, not int"),
    ],
)
def test_bad_ids(impl, ids, error, words):
    with pytest.raises(error, match=words):
        impl.Geofence([SQUARE, HOLE], ids)


@pytest.mark.parametrize(
    ("polygons", "error", "words"),
    [
        (7, TypeError, "polygons must be GeoJSON-like, or an iterable of polygons, not int"),
        (
            "a.geojson",
            TypeError,
            "polygons must be GeoJSON-like, or an iterable of polygons",
        ),
        ([7], TypeError, r"polygons\[0\] must be a polygon"),
        ([SQUARE, "ring"], TypeError, r"polygons\[1\] must be a polygon"),
        (
            [[(0, 0), (1, 1)]],
            ValueError,
            r"polygons\[0\] must have at least 3 .* not 2",
        ),
        ([[SQUARE, [(1, 1)] * 4]], ValueError, r"polygons\[0\]\[1\] must have at least 3 .* not 1"),
        ([[SQUARE, []]], ValueError, r"polygons\[0\]\[1\] must have at least 3 .* not 0"),
        (
            [SQUARE, [(0, 0), (0, 1), (91, 1)]],
            ValueError,
            r"latitudes of polygons\[1\]\[2\] must be",
        ),
        (
            [[(0, 0), (0, math.nan), (1, 1)]],
            ValueError,
            r"longitudes of polygons\[0\]\[1\] must",
        ),
        ([[(0, 0), (math.nan, 1), (1, 1)]], ValueError, r"latitudes of polygons\[0\]\[1\] must"),
        (
            [[(0, 0), (0, math.inf), (1, 1)]],
            ValueError,
            r"longitudes of polygons\[0\]\[1\] must",
        ),
        ([[(0, 0), (0, 361), (1, 1)]], ValueError, r"polygons\[0\] must have edges of at most 360"),
        (
            [[(0, 0), (1, 360), (1, 1)]],
            ValueError,
            r"360 along a parallel, not from \(0.0, 0.0\)",
        ),
        ([[(0, 0, 0), (0, 1, 0), (1, 1, 0)]], ValueError, r"polygons\[0\]\[0\] must be"),
        ([[(0, 0), (0, 1), (1,)]], ValueError, "rows of several lengths"),
        ([[("a", "b"), ("c", "d"), ("e", "f")]], TypeError, "must be an array of floats"),
        ({"type": "Point", "coordinates": [0, 0]}, ValueError, "not one of type 'Point'"),
        (
            [{"type": "Feature", "geometry": {"type": "Point"}}],
            ValueError,
            r"polygons\[0\] must",
        ),
        (
            {"type": "Polygon"},
            TypeError,
            "coordinates of polygons must be a sequence, not N",
        ),
        (
            {"type": "MultiPolygon", "coordinates": [7]},
            TypeError,
            r"polygons\[0\] must be a seq",
        ),
        ({"type": "FeatureCollection"}, TypeError, "features of polygons must be a sequence"),
        ({}, ValueError, "not one of type None"),
    ],
)
def test_bad_polygons(impl, polygons, error, words):
    with pytest.raises(error, match=words):
        impl.Geofence(polygons)


def test_bad_files(impl, tmp_path):
    with pytest.raises(FileNotFoundError):
        impl.Geofence.from_geojson(tmp_path / "none")
    for text, words in (("[]", "the file must hold a GeoJSON object, not a list"), ("{", "line 1")):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(ValueError, match=words):
            impl.Geofence.from_geojson(tmp_path / "bad")
    with pytest.raises(TypeError, match=r"bytes|int"):
        impl.Geofence.from_geojson(7)


@pytest.mark.parametrize("method", ["query", "first", "contains"])
def test_bad_points(impl, method):
    ask = getattr(impl.Geofence([SQUARE]), method)
    for lat in (90.1, -91, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"lat must be in \[-90, 90\], not"):
            ask(lat, 0)
    for lng in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="lng must be finite, not"):
            ask(0, lng)
    for bad in ("1", None, True, 1j):
        with pytest.raises(TypeError, match="lat must be a float"):
            ask(bad, 0)
    with pytest.raises(TypeError, match="lat and lng must be floats, not arrays"):
        ask([1.0], [2.0])


@pytest.mark.parametrize("method", ["query_many", "first_many", "contains_many"])
def test_bad_batches(impl, method):
    ask = getattr(impl.Geofence([SQUARE]), method)
    with pytest.raises(ValueError, match=r"lats\[1\] must be in \[-90, 90\], not 91.0"):
        ask([0.0, 91.0], [0.0, 0.0])
    with pytest.raises(ValueError, match=r"lngs\[2\] must be finite, not nan"):
        ask([0.0, 1.0, 2.0], [0.0, 0.0, math.nan])
    with pytest.raises(ValueError, match="lats, lngs must have shapes that broadcast together"):
        ask([0.0, 1.0, 2.0], [0.0, 0.0])
    with pytest.raises(TypeError, match=r"lats\[0\] must be a float, not str"):
        ask(["a"], [0.0])


def test_columns(impl):
    import pandas

    fence = impl.Geofence([SQUARE])
    lats = pandas.Series([5.0, 50.0], index=["a", "b"])
    assert fence.first_many(lats, 5.0).to_dict() == {"a": 0, "b": -1}
    assert fence.contains_many(lats, 5.0).to_dict() == {"a": True, "b": False}
    assert [a.tolist() for a in fence.query_many(lats, 5)] == [[0], [0]]
    assert fence.first_many([[5], [50]], [5, 6, 70]).tolist() == [[0, 0, -1], [-1, -1, -1]]
    with pytest.raises(ValueError, match=r"lats must be 1-D"):
        fence.query_many([[5], [50]], [5, 6, 70])
    assert fence.first_many(5, 5) == 0
    out = np.empty(2, np.int64)
    assert fence.first_many([5, 50], [5, 5], out=out) is out
    assert out.tolist() == [0, -1]
    inside = np.empty(2, bool)
    assert fence.contains_many([5, 50], [5, 5], out=inside).tolist() == [True, False]
    with pytest.raises(ValueError, match="out must be"):
        fence.first_many([5, 50], [5, 5], out=np.empty(3, np.int64))
    with pytest.raises(ValueError, match="out must be"):
        fence.contains_many([5, 50], [5, 5], out=out)


# ---- state -----------------------------------------------------------------------------------


def golden_fence(impl):
    """Holes, a multipolygon, the antimeridian, a pole, and a cell that is cut twice."""
    many = [
        [(k / 8, j / 8), (k / 8, j / 8 + 0.25), (k / 8 + 0.25, j / 8)]
        for k in range(4)
        for j in range(4)
    ]
    multi = {"type": "MultiPolygon", "coordinates": [[geojson(SQUARE), geojson(HOLE)], [geojson(
        [(20, 170), (20, -170), (30.5, 180)])]]}  # fmt: skip
    arctic = [(60, 0), (70, 90), (60, 180), (70, -90)]
    return impl.Geofence([multi, arctic, *many], ids=range(100, 82, -1))


def test_golden(impl):
    assert golden_fence(impl).to_bytes() == GOLDEN.read_bytes()
    assert impl.Geofence.from_bytes(GOLDEN.read_bytes()) == golden_fence(impl)


def test_copies_and_files(impl, tmp_path):
    fence = golden_fence(impl)
    fence.save(tmp_path / "fence")
    lats, lngs = np.random.default_rng(1).uniform(-40, 80, (2, 200))
    expected = [a.tolist() for a in fence.query_many(lats, lngs * 2)]
    duplicates = [fence.copy(), copy.copy(fence), copy.deepcopy(fence)]
    duplicates += [pickle.loads(pickle.dumps(fence)), impl.Geofence.from_bytes(fence.to_bytes())]
    duplicates += [impl.Geofence.open(tmp_path / "fence", verify=v) for v in (True, False)]
    for duplicate in duplicates:
        assert duplicate == fence
        assert duplicate.bounds == fence.bounds
        assert duplicate.nbytes == fence.nbytes == len(fence.to_bytes()) - HEADER
        assert [a.tolist() for a in duplicate.query_many(lats, lngs * 2)] == expected
        assert duplicate.to_bytes() == fence.to_bytes()
    assert repr(fence) == "Geofence(18 polygons)"
    with pytest.raises(ValueError, match="mode must be 'r'"):
        impl.Geofence.open(tmp_path / "fence", "r+")
    with pytest.raises(RuntimeError, match="has been initialised already"):
        fence.__init__([SQUARE])


def test_every_damaged_byte_is_noticed(impl):
    data = golden_fence(impl).to_bytes()
    for at in range(0, len(data), 3 if impl is fastblocks else 67):
        changed = bytearray(data)
        changed[at] ^= 0x55
        with pytest.raises(ValueError, match="Geofence: "):
            impl.Geofence.from_bytes(changed)
    for end in (0, 7, HEADER - 1, HEADER, len(data) - 1):
        with pytest.raises(ValueError, match="Geofence: "):
            impl.Geofence.from_bytes(data[:end])


def test_hostile_parameters(impl):
    data = golden_fence(impl).to_bytes()
    for at in range(32, 72, 8):
        for value in (0, 1, 2**30, 2**30 + 1, 2**63, 2**64 - 1):
            with pytest.raises(ValueError, match="Geofence: corrupt"):
                impl.Geofence.from_bytes(resealed(data, at, value))
    with pytest.raises(ValueError, match="Geofence: corrupt"):
        impl.Geofence.from_bytes(resealed(data, 104, 1))


def test_hostile_ends_and_ids(impl):
    """What native and pure read of the rings is checked alike."""
    data = golden_fence(impl).to_bytes()
    n, rings, vertices = np.frombuffer(data, np.uint64, 3, 32).tolist()
    ids_at = HEADER + 16 * vertices
    for at, value, size in (
        (ids_at, 2**63, 8), (ids_at + 8, 0, 8), (ids_at + 8 * n, 9, 4),
        (ids_at + 12 * n - 4, rings + 1, 4), (ids_at + 12 * n, 1, 4),
        (ids_at + 12 * n + 4 * rings - 4, vertices + 1, 4),
    ):  # fmt: skip
        payload = bytearray(data[HEADER:])
        payload[at - HEADER : at - HEADER + size] = value.to_bytes(size, "little")
        with pytest.raises(ValueError, match="Geofence: corrupt"):
            impl.Geofence.from_bytes(repaired(data, bytes(payload)))


def test_hostile_payloads_do_no_harm(tmp_path):
    """They are refused, or searched in bounds."""
    rng = np.random.default_rng(8)
    polygons = [star(rng, *rng.uniform(-60, 60, 2), 20, 40) for _ in range(60)]
    data = fastblocks.Geofence(polygons).to_bytes()
    vertices = int(np.frombuffer(data, np.uint64, 1, 48)[0])
    words = np.frombuffer(data[HEADER:], np.uint32)
    index = 4 * vertices + 2 * 60 + 60 + 60  # where the index begins
    lats, lngs = rng.uniform(-90, 90, 2000), rng.uniform(-180, 180, 2000)
    for share in (0.001, 0.01, 0.3, 1.0):
        for trial in range(24):
            payload = words.copy()
            at = rng.random(len(words)) < share
            at[4 * vertices : index] &= trial % 6 == 0
            at[: 4 * vertices] &= trial % 3 > 0
            high = [2**32, 2**12, 2**20][trial % 3]
            payload[at] = rng.integers(0, high, at.sum(), np.uint32 if high < 2**32 else np.uint64)
            (tmp_path / "fence").write_bytes(repaired(data, payload.tobytes()))
            with contextlib.suppress(ValueError):
                fence = fastblocks.Geofence.open(tmp_path / "fence", verify=False)
                fence.first_many(lats, lngs)
                fence.contains_many(lats, lngs)
                assert len(fence.query_many(lats, lngs)[0]) >= 0


def test_threads(impl):
    rng = np.random.default_rng(3)
    fence = impl.Geofence([star(rng, *rng.uniform(-50, 50, 2), 20, 30) for _ in range(20)])
    m = 20_000 if impl is fastblocks else 150
    lats, lngs = rng.uniform(-80, 80, (2, m))
    expected = [a.tolist() for a in fence.query_many(lats, lngs)]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: fence.query_many(lats, lngs), range(8)):
            assert [a.tolist() for a in found] == expected
