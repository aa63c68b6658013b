"""Cells of polygons; the h3 package is the oracle."""

from __future__ import annotations

import itertools
import math
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import h3.api.basic_int as oracle
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

MODES = ("center", "full", "overlap", "bbox_overlap")
EDGE = [oracle.average_hexagon_edge_length(res, "km") / 111 for res in range(16)]  # in degrees
PARIS = [(48.80, 2.25), (48.80, 2.42), (48.91, 2.42), (48.91, 2.25)]

Ring = list[tuple[float, float]]


def expected(outer: Ring, res: int, holes: Any = (), mode: str = "center") -> list[int]:
    """The oracle's answer."""
    shape = oracle.LatLngPoly(outer, *holes)
    return sorted(oracle.h3shape_to_cells_experimental(shape, res, mode))


def star(lat: float, lng: float, radii: list[float], turn: float = 0.0) -> Ring:
    """A ring around a point, at these distances in degrees along the ground."""
    ring = []
    for k, radius in enumerate(radii):
        angle = (k + turn) * 2 * math.pi / len(radii)
        y = min(max(lat + radius * math.sin(angle), -90.0), 90.0)
        x = lng + radius * math.cos(angle) / max(math.cos(math.radians(lat)), 0.05)
        ring.append((y, (x + 180) % 360 - 180))
    return ring


def around(at: tuple[float, float], ring: Ring) -> Ring:
    """The same points, in order around one of them that they surround."""
    return sorted(ring, key=lambda p: math.atan2(p[0] - at[0], (p[1] - at[1] + 180) % 360 - 180))


def is_simple(*rings: Ring) -> bool:
    """Whether no edges cross, nor any two parts lie above each other beyond half the globe."""
    lngs = np.unwrap([lng for ring in rings for _, lng in ring], period=360)
    lats = (lat for ring in rings for lat, _ in ring)
    rest = iter([complex(x, y) for x, y in zip(lngs, lats, strict=True)])
    edges: list[tuple[complex, complex]] = []
    for ring in rings:
        points = list(itertools.islice(rest, len(ring)))
        edges += zip(points, [*points[1:], points[0]], strict=True)

    def side(a: complex, b: complex, c: complex) -> float:
        return float(((b - a).conjugate() * (c - a)).imag)

    return np.ptp(lngs) < 180 and not any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for (a, b), (c, d) in itertools.combinations(edges, 2)
    )


@st.composite
def polygons(draw: st.DrawFn) -> tuple[Ring, int, list[Ring]]:
    """A polygon of some cells, with a hole or without."""
    res = draw(st.integers(0, 15))
    lat = draw(st.floats(-90, 90) | st.floats(82, 90) | st.floats(-75, -60))
    lng = draw(st.floats(-180, 180) | st.sampled_from([179.9, -179.9, 180.0, 0.0]))
    size = EDGE[res] * draw(st.floats(0.1, 5))
    radii = draw(st.lists(st.floats(0.5, 1), min_size=4, max_size=9))
    outer = star(lat, lng, [size * radius for radius in radii], draw(st.floats(0, 1)))
    hole = star(lat, lng, [size * radius / 4 for radius in radii])
    holes = [hole] if draw(st.booleans()) else []
    assume(is_simple(outer, *holes))  # near poles it may not be
    return outer, res, holes


@settings(max_examples=400, deadline=None)
@given(polygons(), st.sampled_from(MODES))
def test_cells_are_those_of_the_oracle(polygon: tuple[Ring, int, list[Ring]], mode: str) -> None:
    outer, res, holes = polygon
    if len(set(outer)) < 3 or any(len(set(hole)) < 3 for hole in holes):
        return
    cells = expected(outer, res, holes, mode)
    assert fastblocks.geo.h3.polygon_to_cells(outer, res, holes, mode).tolist() == cells


@settings(max_examples=40, deadline=None)
@given(polygons(), st.sampled_from(MODES))
def test_pure_agrees(polygon: tuple[Ring, int, list[Ring]], mode: str) -> None:
    outer, res, holes = polygon
    if len(set(outer)) < 3 or any(len(set(hole)) < 3 for hole in holes):
        return
    native = fastblocks.geo.h3.polygon_to_cells(outer, res, holes, mode)
    pure = fastblocks.pure.geo.h3.polygon_to_cells(outer, res, holes, mode)
    assert native.dtype == pure.dtype == np.uint64
    np.testing.assert_array_equal(native, pure)


@pytest.mark.parametrize("res", [0, 1, 4])
def test_points_on_edges(impl: ModuleType, res: int) -> None:
    """Rings through centres and corners of cells: the last bits decide."""
    rng = np.random.default_rng(res)
    for _ in range(10 if impl is fastblocks else 3):
        at = np.degrees(np.arcsin(rng.uniform(-1, 1))), rng.uniform(-180, 180)
        disk = oracle.grid_ring(oracle.latlng_to_cell(*at, res), 1 if res == 0 else 2)
        centers = around(at, [oracle.cell_to_latlng(cell) for cell in disk[::2]])
        rings = [centers, list(oracle.cell_to_boundary(disk[0]))]
        (a, b), (c, d) = sorted(centers[:2])
        rings.append([(a, b), (a, d), (c, d), (c, b)])  # centres at the latitudes of edges
        for ring in rings:
            for mode in MODES if res else MODES[:1]:
                got = impl.geo.h3.polygon_to_cells(ring, res, (), mode).tolist()
                native = fastblocks.geo.h3.polygon_to_cells(ring, res, (), mode).tolist()
                assert got == native
                if mode == "center":
                    assert got == expected(ring, res)


@pytest.mark.parametrize("mode", MODES)
def test_a_polygon_within_one_cell(impl: ModuleType, mode: str) -> None:
    lat, lng = oracle.cell_to_latlng(oracle.latlng_to_cell(10.0, 20.0, 4))
    ring = [(lat + 0.01, lng + 0.01), (lat + 0.02, lng + 0.01), (lat + 0.01, lng + 0.02)]
    assert impl.geo.h3.polygon_to_cells(ring, 4, (), mode).tolist() == expected(ring, 4, (), mode)


def test_antimeridian(impl: ModuleType) -> None:
    fill = impl.geo.h3.polygon_to_cells
    ring = [(-18.5, 177.0), (-18.5, -179.0), (-16.0, -179.0), (-16.0, 177.0)]  # Fiji
    cells = fill(ring, 4)
    assert cells.tolist() == expected(ring, 4)
    lng = np.array([oracle.cell_to_latlng(cell)[1] for cell in cells.tolist()])
    assert (lng > 177).any()
    assert (lng < -179).any()
    assert (abs(lng) >= 177).all()
    np.testing.assert_array_equal(cells, fill([(-18.5, 177.0), (-18.5, 181.0), (-16.0, 181.0),
                                               (-16.0, 537.0)], 4))  # fmt: skip


def test_whole_bands_and_poles(impl: ModuleType) -> None:
    fill = impl.geo.h3.polygon_to_cells
    lngs = list(range(-180, 181, 45))
    band = [(10.0, lng) for lng in lngs] + [(25.0, lng) for lng in reversed(lngs)]
    cap = [(70.0, lng) for lng in lngs] + [(90.0, lng) for lng in (180, 0, -180)]
    south = [(-60.0, 120.0), (-60.0, 0.0), (-60.0, -120.0)]  # not by the rules
    for ring in (band, cap, south):
        for res in (0, 1, 2):
            assert fill(ring, res).tolist() == expected(ring, res)
    assert oracle.latlng_to_cell(90, 0, 2) in fill(cap, 2)


def test_holes_and_islands(impl: ModuleType) -> None:
    fill = impl.geo.h3.polygon_to_cells
    outer = star(48.8, 2.3, [1.0] * 12)
    holes = [star(48.8, 2.0, [0.2] * 5), star(48.9, 2.7, [0.1] * 7)]
    for mode in MODES:
        assert fill(outer, 6, holes, mode).tolist() == expected(outer, 6, holes, mode)
    parts = [fill(ring, 6) for ring in (outer, *holes)]
    np.testing.assert_array_equal(np.sort(np.concatenate([fill(outer, 6, holes), *parts[1:]])),
                                  parts[0])  # fmt: skip


BOW = [(0.0, 0.0), (3.0, 3.0), (3.0, 0.0), (0.0, 3.0)]
SQUARE = [(10.0, 10.0), (10.0, 20.0), (20.0, 20.0), (20.0, 10.0)]


def geojson(*parts: list[Ring]) -> dict[str, Any]:
    """A MultiPolygon of rings of (lat, lng)."""
    closed = [[[(x, y) for y, x in [*ring, ring[0]]] for ring in part] for part in parts]
    return {"type": "MultiPolygon", "coordinates": closed}


@pytest.mark.parametrize(
    ("outer", "holes", "words"),
    [
        (BOW, (), r"from outer\[0\] on and from outer\[2\] on"),
        ([BOW[0], *BOW, BOW[0]], (), r"from outer\[0\] on and from outer\[3\] on"),
        ([(0, 179), (3, -178), (3, 179), (0, -178)], (), r"outer\[0\] on and from outer\[2\] on"),
        ([(0, 179), (3, 182), (3, 179), (0, 182)], (), r"outer\[0\] on and from outer\[2\] on"),
        (SQUARE, [[(y + 5, x + 3) for y, x in SQUARE]],
         r"from outer\[1\] on and from holes\[0\]\[0\] on"),
        (SQUARE, [PARIS, [(y / 5 + 10, x / 5 + 10) for y, x in BOW]],
         r"from holes\[1\]\[0\] on and from holes\[1\]\[2\] on"),
        # The edge across the antimeridian, and one at the other end of the map.
        ([(0, 170), (0, -170), (9, -170), (9, 170)], [[(1, -175), (1, -165), (2, -165)]],
         r"from outer\[1\] on and from holes\[0\]\[0\] on"),
        (SQUARE[:3], [[(12, 14), (12, 11), (13, 14)]],
         r"from outer\[2\] on and from holes\[0\]\[0\] on"),
        (geojson([SQUARE], [[(y + 5, x + 3) for y, x in SQUARE]]), (),
         r"from outer\[0\]\[0\]\[1\] on and from outer\[1\]\[0\]\[0\] on"),
        ([(0, 0), (0, 5), (5, 5), (5, 2), (-2, 2)], (), r"outer\[0\] on and from outer\[3\] on"),
    ],
)  # fmt: skip
def test_crossing_edges(impl: ModuleType, outer: Any, holes: Any, words: str) -> None:
    for mode in MODES:
        with pytest.raises(ValueError, match=f"edges of a polygon must not cross: .*{words}"):
            impl.geo.h3.polygon_to_cells(outer, 3, holes, mode)


@pytest.mark.parametrize("east", [0, 165])
def test_rings_may_touch(impl: ModuleType, east: float) -> None:
    """At vertices, along edges, with themselves; and points may come twice."""
    fill, square = impl.geo.h3.polygon_to_cells, [(y, x + east) for y, x in SQUARE]
    a, b, c, d = square
    middle = (15.0, 15.0 + east)
    whole = fill(square, 4)
    np.testing.assert_array_equal(fill([a, a, b, c, c, c, d, a], 4), whole)
    side = (10.0, 15.0 + east)
    np.testing.assert_array_equal(fill([a, side, middle, side, b, c, d], 4), whole)
    eight = fill([a, middle, b, c, middle, d], 4)  # two triangles with a point in common
    triangles = [fill([a, middle, d], 4), fill([b, c, middle], 4)]
    np.testing.assert_array_equal(eight, np.sort(np.concatenate(triangles)))
    hole = [a, (10.0, 13.0 + east), middle, (13.0, 10.0 + east)]  # with parts of two edges
    cut = fill(square, 4, [hole])
    np.testing.assert_array_equal(np.sort(np.concatenate([cut, fill(hole, 4)])), whole)
    halves = geojson([[a, b, middle]], [[a, middle, b]])
    np.testing.assert_array_equal(fill(halves, 4), fill([a, b, middle], 4))


def outcome(impl: ModuleType, ring: Any) -> list[int] | str:
    """The cells, or what is wrong."""
    try:
        cells: list[int] = impl.geo.h3.polygon_to_cells(ring, 0).tolist()
    except ValueError as error:
        return str(error)
    return cells


def test_seek_of_crossings_agrees() -> None:
    """Random lines cross much; of many crossings the same pair is named."""
    from shapely import Polygon

    rng = np.random.default_rng(11)
    for n in [3, 4, 5, 6, 9, 17, 33, 40] * 12:
        steps = rng.uniform(-1, 1, (n, 2)) * [1, 4] * 10 ** rng.uniform(-3, 0.5)
        ring = np.cumsum(steps, axis=0) + rng.uniform([-50, 0], [50, 360])
        if n % 2:
            ring = ring.round(1)
        result = outcome(fastblocks, ring)
        assert result == outcome(fastblocks.pure, ring)
        assert "cross" not in str(result) or not Polygon(ring).is_valid


def test_a_crossing_among_many_edges() -> None:
    ring = star(46.0, 3.0, [4.0 + math.sin(7 * k) for k in range(5000)])
    fastblocks.geo.h3.polygon_to_cells(ring, 3)
    for k in (1, 1234, 4900):
        other = ring.copy()
        other[k], other[k + 1] = ring[k + 1], ring[k]
        words = rf"from outer\[{k - 1}\] on and from outer\[{k + 1}\] on"
        with pytest.raises(ValueError, match=words):
            fastblocks.geo.h3.polygon_to_cells(other, 3)


def test_forms_of_input(impl: ModuleType) -> None:
    fill = impl.geo.h3.polygon_to_cells
    cells = fill(PARIS, 7)
    assert cells.dtype == np.uint64
    assert cells.size > 20
    assert (np.diff(cells) > 0).all()
    swapped = [[lng, lat] for lat, lng in PARIS]
    closed = [*swapped, swapped[0]]
    polygon = {"type": "Polygon", "coordinates": [closed]}
    high = {"type": "Polygon", "coordinates": [[[*p, 35.0] for p in closed]]}
    several = {"type": "MultiPolygon", "coordinates": [[closed], [closed]]}
    for outer in (
        PARIS[::-1], [*PARIS, PARIS[0]], np.array(PARIS), np.array(PARIS).tolist(),
        np.asfortranarray(PARIS), polygon, high, several, {"type": "Feature", "geometry": polygon},
        SimpleNamespace(__geo_interface__=polygon), oracle.LatLngPoly(PARIS),
    ):  # fmt: skip
        np.testing.assert_array_equal(fill(outer, 7), cells)
    islands = geojson([PARIS], [[(9, 9), (10, 9), (9, 10)]])
    apart = np.concatenate([cells, fill([(9, 9), (10, 9), (9, 10)], 7)])
    np.testing.assert_array_equal(fill(islands, 7), np.sort(apart))
    np.testing.assert_array_equal(fill(np.array([(0, 0), (0, 3), (3, 0)], np.int32), 4),
                                  fill([(0, 0), (0, 3), (3, 0)], 4))  # fmt: skip
    for empty in ("Polygon", "MultiPolygon"):
        assert fill({"type": empty, "coordinates": []}, 7).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((PARIS[:2], 5), ValueError, "outer must have at least 3 distinct points, not 2"),
        (([*PARIS[:2], PARIS[0]], 5), ValueError, "at least 3 distinct points, not 2"),
        (([], 5), ValueError, "at least 3 distinct points, not 0"),
        (([PARIS[0]] * 20, 5), ValueError, "at least 3 distinct points, not 1"),
        (([*PARIS, (math.nan, 1.0)], 5), ValueError,
         r"latitudes of outer\[4\] must be in \[-90, 90\], not nan"),
        (([*PARIS, (90.5, 1.0)], 5), ValueError, r"outer\[4\] must be in \[-90, 90\], not 90.5"),
        (([*PARIS, (9.5, math.inf)], 5), ValueError, r"longitudes of outer\[4\] must be finite"),
        ((PARIS, 5, [PARIS, PARIS[:1]]), ValueError, r"holes\[1\] must have at least 3"),
        ((PARIS, 5, None), TypeError, "holes must be a sequence of rings, not NoneType"),
        (([1.0, 2.0, 3.0], 5), ValueError, r"outer must be a ring of .* not of shape \(3,\)"),
        (([(1, 2, 3)] * 3, 5), ValueError, r"not of shape \(3, 3\)"),
        (([(1, 2), (3, 4, 5), (6, 7)], 5), ValueError, "not of rows of several lengths"),
        (([("a", "b")] * 3, 5), TypeError, "outer must be an array of floats, not of <U1"),
        (("abc", 5), TypeError, "outer must be a ring of .* not str"),
        ((7, 5), TypeError, "outer must be a ring of .* not int"),
        (({"type": "Point", "coordinates": [1, 2]}, 5), ValueError, "not one of type 'Point'"),
        (({"coordinates": []}, 5), ValueError, "not one of type None"),
        (({"type": "Polygon"}, 5), TypeError, "coordinates of outer must be a sequence, not None"),
        (({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, 5), ValueError,
         r"outer\[0\] must have at least 3 distinct points, not 2"),
        (({"type": "Polygon", "coordinates": [BOW]}, 5), ValueError,
         r"outer\[0\] must be closed: its last point must repeat the first, \(0.0, 0.0\), not be"),
        (({"type": "LineString", "coordinates": BOW}, 5), ValueError, "not one of type 'LineStr"),
        (({"type": "Polygon", "coordinates": []}, 5, [PARIS]), ValueError, "holes must be empty"),
        ((PARIS, 16), ValueError, r"res must be in \[0, 15\], not 16"),
        ((PARIS, 5.0), TypeError, "res must be an int, not float"),
        ((PARIS, 5, (), "inside"), ValueError, "containment must be 'center', 'full', 'overl"),
        ((PARIS, 5, (), 1), TypeError, "containment must be a str, not int"),
        (([(0, 0), (0, 60), (60, 0)], 12), ValueError,
         r"res must be in \[0, 9\] for a polygon of this size, which has about"),
    ],
)  # fmt: skip
def test_bad_input(impl: ModuleType, arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        impl.geo.h3.polygon_to_cells(*arguments)


def test_estimate_of_the_size() -> None:
    from fastblocks._core.polygons import MAX_CELLS, cells_on_earth, check_size, ring_of

    ring = ring_of("outer", star(-30.0, 179.0, [8.0] * 50))
    share = fastblocks.geo.h3.polygon_to_cells(ring.points, 6).size / cells_on_earth(6)
    res = next(r for r in range(16) if share * cells_on_earth(r) > MAX_CELLS)
    check_size([ring], res - 1)
    with pytest.raises(ValueError, match=rf"in \[0, {res - 1}\] .* not {res}"):
        check_size([ring], res)


def test_large_polygons_against_single_points() -> None:
    ring = star(46.0, 3.0, [4.0 + math.sin(7 * k) for k in range(600)])
    cells = fastblocks.geo.h3.polygon_to_cells(ring, 7)
    assert (np.diff(cells) > 0).all()
    shape = oracle.LatLngPoly(ring)
    assert cells.tolist() == sorted(oracle.h3shape_to_cells_experimental(shape, 7, "center"))


def test_threads_fill_at_once() -> None:
    ring = star(46.0, 3.0, [2.0] * 40)
    want = fastblocks.geo.h3.polygon_to_cells(ring, 8)
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda: got.append(fastblocks.geo.h3.polygon_to_cells(ring, 8)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all((cells == want).all() for cells in got)


def test_time_zones(exhaustive: bool) -> None:
    import timezonefinder

    finder = timezonefinder.TimezoneFinder()
    res, names = (5, finder.timezone_names) if exhaustive else (3, finder.timezone_names[::12])
    for name in names:
        for rings in finder.get_geometry(tz_name=name, coords_as_pairs=True):
            if not exhaustive and sum(map(len, rings)) > 4000:
                continue
            rings = [[(lat, lng) for lng, lat in ring] for ring in rings]
            cells = fastblocks.geo.h3.polygon_to_cells(rings[0], res, rings[1:])
            wanted = oracle.polygon_to_cells(oracle.LatLngPoly(*rings), res)
            assert cells.tolist() == sorted(wanted), name


def test_the_longest_edges() -> None:
    """The table that boxes around cells are made from."""
    from fastblocks.pure.geo import _h3_polygon

    for res in range(16):
        middles = [oracle.cell_to_center_child(cell, res) for cell in oracle.get_res0_cells()]
        longest = max(
            oracle.edge_length(edge, "rads")
            for cell in middles
            for edge in oracle.origin_to_directed_edges(cell)
        )
        assert abs(_h3_polygon.EDGES[res] - longest) < 1e-13
