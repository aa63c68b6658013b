"""Cells of polygons; the oracle is h3, and shapely where h3 is known to be wrong."""

import math
import random

import h3.api.numpy_int as oracle
import numpy as np
import pytest
import shapely
from h3 import LatLngMultiPoly, LatLngPoly

import fastblocks
import fastblocks.pure

NATIVE, PURE = fastblocks.geo.h3, fastblocks.pure.geo.h3
MODES = ("center", "full", "overlap", "bbox_overlap")
CITY = [(48.90, 2.26), (48.90, 2.41), (48.82, 2.41), (48.82, 2.26)]
PARK = [(48.87, 2.30), (48.87, 2.36), (48.85, 2.33)]


def star(rng, lat, lng, radius, corners):
    """A ring around a point that does not cross itself."""
    ring = []
    for angle in sorted(rng.uniform(0, 2 * math.pi) for _ in range(corners)):
        reach = radius * rng.uniform(0.3, 1)
        east = lng + reach * math.cos(angle)
        ring.append((lat + reach * math.sin(angle), (east + 180) % 360 - 180))
    return ring


def cells_of_oracle(rings, res, mode):
    return np.sort(oracle.h3shape_to_cells_experimental(LatLngPoly(*rings), res, mode))


@pytest.mark.parametrize("mode", MODES[:3])
def test_as_h3(mode):
    rng = random.Random(mode)
    for n in range(60):
        radius, res = rng.choice([(0.3, 7), (2, 5), (8, 3)])
        lng = rng.choice([rng.uniform(-170, 170), 179.9])
        ring = star(rng, rng.uniform(-75, 75), lng, radius, rng.choice([3, 5, 12, 40]))
        cells = NATIVE.polygon_to_cells(ring, res, containment=mode)
        wanted = cells_of_oracle([ring], res, mode)
        if mode == "overlap":  # h3 has a few cells that do not touch the polygon
            assert not set(cells.tolist()) - set(wanted.tolist())
            assert len(cells) >= len(wanted) - 1
        else:
            assert np.array_equal(cells, wanted)
        if n < 12:
            pure = PURE.polygon_to_cells(ring, res, containment=mode)
            assert np.array_equal(pure, cells)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("res", [7, 8])
def test_holes(impl, res, mode):
    cells = impl.geo.h3.polygon_to_cells(CITY, res, [PARK], mode)
    if mode != "bbox_overlap":
        assert np.array_equal(cells, cells_of_oracle([CITY, PARK], res, mode))
    whole = impl.geo.h3.polygon_to_cells(CITY, res, containment=mode)
    assert set(cells.tolist()) <= set(whole.tolist())
    assert cells.dtype == np.uint64
    assert (np.diff(cells.astype(np.int64)) > 0).all()


def test_modes_are_one_in_another(impl):
    center, full, overlap, box = (
        set(impl.geo.h3.polygon_to_cells(CITY, 8, [PARK], mode).tolist()) for mode in MODES
    )
    assert full < center < overlap < box
    # The box of h3 is larger than that of the cell's corners.
    assert box <= set(cells_of_oracle([CITY, PARK], 8, "bbox_overlap").tolist())


def test_one_corner_in_a_cell(impl):
    """A polygon, or a hole, may be smaller than a cell."""
    h3 = impl.geo.h3
    lat, lng = 48.85, 2.35
    tiny = [(lat, lng), (lat + 1e-5, lng), (lat, lng + 1e-5)]
    cell = oracle.latlng_to_cell(lat, lng, 5)
    assert h3.polygon_to_cells(tiny, 5).tolist() == []
    assert h3.polygon_to_cells(tiny, 5, containment="full").tolist() == []
    assert h3.polygon_to_cells(tiny, 5, containment="overlap").tolist() == [cell]
    around = [(47, 0), (47, 5), (51, 5), (51, 0)]
    assert cell in h3.polygon_to_cells(around, 5, [tiny], "overlap")
    assert cell in h3.polygon_to_cells(around, 5, containment="full")
    assert cell not in h3.polygon_to_cells(around, 5, [tiny], "full")


def test_directions_and_closed_rings(impl):
    cells = impl.geo.h3.polygon_to_cells(CITY, 7).tolist()
    for ring in (CITY[::-1], [*CITY, CITY[0]], np.array(CITY), CITY[2:] + CITY[:2]):
        assert impl.geo.h3.polygon_to_cells(ring, 7).tolist() == cells
    moved = [(lat, lng + 720) for lat, lng in CITY]
    assert impl.geo.h3.polygon_to_cells(moved, 7).tolist() == cells


def test_across_the_antimeridian(impl):
    ring = [(-16, 178), (-16, -178), (-19, -178), (-19, 178)]
    cells = impl.geo.h3.polygon_to_cells(ring, 4)
    assert np.array_equal(cells, cells_of_oracle([ring], 4, "center"))
    lng = [oracle.cell_to_latlng(int(c))[1] for c in cells]
    assert max(lng) > 178
    assert min(lng) < -178


@pytest.mark.parametrize("sign", [1, -1])
def test_around_a_pole(impl, sign):
    ring = [(sign * 70, lng) for lng in range(-180, 180, 30)]
    cap = {
        int(c)
        for c in NATIVE.uncompact_cells(oracle.get_res0_cells(), 2)
        if sign * oracle.cell_to_latlng(int(c))[0] > 70
    }
    h3 = impl.geo.h3
    assert set(h3.polygon_to_cells(ring, 2).tolist()) == cap
    assert set(h3.polygon_to_cells(ring[::-1], 2).tolist()) == cap
    explicit = [*ring, (sign * 70, 180), (sign * 90, 180), (sign * 90, -180)]
    assert set(h3.polygon_to_cells(explicit, 2).tolist()) == cap
    pole = oracle.latlng_to_cell(sign * 90, 0, 2)
    assert pole in h3.polygon_to_cells(ring, 2, containment="overlap")


def test_whole_subtrees():
    """A large polygon at a fine resolution is the cells whose centres it has, shapely says."""
    rng = random.Random(3)
    ring = star(rng, 45, 8, 1.2, 30)
    cells = NATIVE.polygon_to_cells(ring, 7)
    lat, lng = NATIVE.cell_to_latlng(cells)
    shape = shapely.Polygon([(x, y) for y, x in ring])
    assert shapely.contains_xy(shape, lng, lat).all()
    box = NATIVE.polygon_to_cells([(43, 6), (43, 10), (47, 10), (47, 6)], 7)
    lat, lng = NATIVE.cell_to_latlng(box)
    assert shapely.contains_xy(shape, lng, lat).sum() == len(cells)


def test_geometries(impl):
    h3 = impl.geo.h3
    first = shapely.Polygon([(x, y) for y, x in CITY], [[(x, y) for y, x in PARK]])
    second = shapely.box(2.4, 48.8, 2.6, 48.9)
    both = shapely.MultiPolygon([first, shapely.box(2.5, 48.8, 2.6, 48.9)])
    assert np.array_equal(h3.polygon_to_cells(first, 8), h3.polygon_to_cells(CITY, 8, [PARK]))
    feature = {"type": "Feature", "geometry": second.__geo_interface__}
    assert np.array_equal(h3.polygon_to_cells(feature, 8), h3.polygon_to_cells(second, 8))
    wanted = oracle.h3shape_to_cells(
        LatLngMultiPoly(
            LatLngPoly(CITY, PARK), LatLngPoly([(48.8, 2.5), (48.8, 2.6), (48.9, 2.6), (48.9, 2.5)])
        ),
        8,
    )
    assert np.array_equal(h3.polygon_to_cells(both, 8), np.sort(wanted))
    raised = shapely.Polygon([(2.2, 48.8, 5), (2.3, 48.8, 5), (2.3, 48.9, 5)])
    assert len(h3.polygon_to_cells(raised, 8)) > 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (([(1, 2), (3, 4)], 5), "outer must have at least 3 corners, not 2"),
        (([1, 2, 3], 5), r"outer must be a ring of shape \(n, 2\), not one of shape \(3,\)"),
        (([(1, 2), (3,), (4, 5)], 5), "outer must be a ring of shape"),
        (([(0, 0), (91, 0), (0, 1)], 5), r"outer must have latitudes in .*91.0, 0.0 \(corner 1\)"),
        (([(0, 0), (9, math.nan), (0, 1)], 5), "outer must have latitudes in"),
        ((CITY, 16), r"res must be in \[0, 15\], not 16"),
        ((CITY, 5, [], "inside"), "containment must be 'center', 'full'"),
        ((CITY, 5, [PARK[:2]]), r"holes\[0\] must have at least 3 corners"),
        ((shapely.Point(1, 2), 5), "outer must be a Polygon or MultiPolygon, not 'Point'"),
        ((shapely.box(0, 0, 1, 1), 5, [PARK]), "holes must be empty if outer is a geometry"),
    ],
)
def test_bad_input(impl, args, words):
    with pytest.raises(ValueError, match=words):
        impl.geo.h3.polygon_to_cells(*args)


def test_bad_types(impl):
    for args in ((CITY, 5.0), (CITY, 5, 3), ([("a", "b")] * 3, 5), (CITY, 5, (), 1)):
        with pytest.raises(TypeError):
            impl.geo.h3.polygon_to_cells(*args)


def test_nothing_inside(impl):
    assert impl.geo.h3.polygon_to_cells([(1, 1)] * 4, 3).tolist() == []
    assert impl.geo.h3.polygon_to_cells([(1, 1), (2, 2), (1, 1)], 3).tolist() == []
    assert impl.geo.h3.polygon_to_cells({"type": "MultiPolygon", "coordinates": []}, 3).size == 0
