"""S2 cells: equal to the S2 library's, on native and pure; arrays of every kind; bad input."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import s2geometry
import s2sphere

import fastblocks
import fastblocks.pure

RNG = np.random.default_rng(11)
LATS = np.degrees(np.arcsin(RNG.uniform(-1, 1, 20_000)))
LNGS = RNG.uniform(-180, 180, 20_000)
NATIVE = fastblocks.geo.s2
LEAVES = NATIVE.latlng_to_cell(LATS, LNGS)
SPECIAL = [
    *[(lat, lng) for lat in (90.0, -90.0) for lng in (0.0, 17.0, -180.0, 180.0)],
    *[(lat, lng) for lat in (0.0, 45.0, -45.0, 31.5) for lng in (0.0, 45.0, -135.0, 180.0, -180.0)],
    *[
        (s * math.degrees(math.atan(math.sqrt(0.5))), lng)
        for s in (1, -1)
        for lng in (45, -45, 135)
    ],
    (5e-324, -5e-324),
    (1e-15, 44.99999999999999),
]


def oracle(lat, lng):
    return s2geometry.S2CellId(s2geometry.S2LatLng.FromDegrees(float(lat), float(lng))).id()


def sample(n):
    """Cells of all levels, some at corners of the cube."""
    cells = [NATIVE.parent(int(leaf), k % 31) for k, leaf in enumerate(LEAVES[:n])]
    return cells + [NATIVE.parent(oracle(*p), k % 31) for k, p in enumerate(SPECIAL)]


def degrees(latlng):
    lat, lng = latlng.lat(), latlng.lng()
    return lat.degrees(), lng.degrees()


# ---- against the S2 library ----------------------------------------------------------------------


def test_leaves_equal_s2s():
    assert LEAVES.tolist() == [oracle(*p) for p in zip(LATS, LNGS, strict=True)]
    lats, lngs = (a.ravel() for a in np.mgrid[-90:90.1:2.5, -180:180.1:2.5])
    expected = [oracle(*p) for p in zip(lats, lngs, strict=True)]
    assert NATIVE.latlng_to_cell(lats, lngs).tolist() == expected
    few = s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(48.1, 11.5)).id()
    assert NATIVE.latlng_to_cell(48.1, 11.5) == few


def test_points_of_every_kind(impl):
    points = SPECIAL + list(zip(LATS[:500].tolist(), LNGS[:500].tolist(), strict=True))
    for lat, lng in points:
        assert impl.geo.s2.latlng_to_cell(lat, lng) == oracle(lat, lng)
    # on and next to the sides of cells
    for cell in sample(60):
        for lat, lng in impl.geo.s2.boundary(cell):
            assert impl.geo.s2.latlng_to_cell(lat, lng) == oracle(lat, lng)
            near = (math.nextafter(lat, 0), math.nextafter(lng, 0))
            assert impl.geo.s2.latlng_to_cell(*near) == oracle(*near)


@pytest.mark.parametrize("level", range(31))
def test_levels(impl, level):
    for leaf, lat, lng in zip(LEAVES[:20].tolist(), LATS[:20], LNGS[:20], strict=True):
        cell = impl.geo.s2.latlng_to_cell(float(lat), float(lng), level)
        assert cell == s2geometry.S2CellId(leaf).parent(level).id()
        assert impl.geo.s2.level(cell) == level
        assert impl.geo.s2.parent(leaf, level) == cell


def test_cells_equal_s2s(impl):
    s2 = impl.geo.s2
    for cell in sample(400):
        theirs = s2geometry.S2CellId(cell)
        level = theirs.level()
        assert s2.cell_to_token(cell) == theirs.ToToken()
        assert s2.token_to_cell(theirs.ToToken()) == cell
        assert s2.token_to_cell(theirs.ToToken().upper()) == cell
        assert s2.cell_to_latlng(cell) == degrees(theirs.ToLatLng())
        neighbors = theirs.GetEdgeNeighbors()
        assert s2.edge_neighbors(cell) == [c.id() for c in neighbors]
        around = theirs.GetAllNeighbors(level)
        assert set(s2.all_neighbors(cell)) == {c.id() for c in around}
        assert len(set(s2.all_neighbors(cell))) == len(s2.all_neighbors(cell))
        shape = s2geometry.S2Cell(theirs)
        vertices = [degrees(s2geometry.S2LatLng(shape.GetVertex(k))) for k in range(4)]
        assert s2.boundary(cell) == vertices
        if level < 30:
            assert s2.children(cell) == [theirs.child(k).id() for k in range(4)]
        if level <= 12:  # deeper the reference loses digits
            assert s2.cell_area(cell, "rads^2") == pytest.approx(shape.ExactArea(), rel=1e-9)


def test_neighbors_at_a_corner_of_the_cube(impl):
    assert len(impl.geo.s2.all_neighbors(1)) == 7
    assert len(impl.geo.s2.all_neighbors(1 << 60)) == 4


def test_areas_add_up(impl):
    s2 = impl.geo.s2
    for cell in sample(30):
        if s2.level(cell) < 30:
            parts = sum(s2.cell_area(child, "m^2") for child in s2.children(cell))
            assert parts == pytest.approx(s2.cell_area(cell, "m^2"), rel=1e-11)
    faces = sum(s2.cell_area(face << 61 | 1 << 60, "rads^2") for face in range(6))
    assert faces == pytest.approx(4 * math.pi, rel=1e-14)
    assert s2.cell_area(1) == pytest.approx(s2.cell_area(1, "m^2") / 1e6, rel=1e-14)


def test_native_and_pure_agree():
    cells = np.array(sample(300), np.uint64)
    pure = fastblocks.pure.geo.s2
    for name in (
        "cell_to_latlng",
        "cell_to_token",
        "level",
        "boundary",
        "cell_area",
        "all_neighbors",
    ):
        mine, theirs = getattr(NATIVE, name)(cells), getattr(pure, name)(cells)
        for a, b in zip(
            *((x if isinstance(x, tuple) else (x,)) for x in (mine, theirs)), strict=True
        ):
            assert a.dtype == b.dtype
            assert a.tolist() == b.tolist()


def test_hierarchy(impl):
    s2 = impl.geo.s2
    leaf = int(LEAVES[0])
    twelve = s2.parent(leaf, 12)
    assert s2.parent(twelve) == s2.parent(leaf, 11)
    assert len(s2.children(twelve, 15)) == 64
    assert s2.children(twelve, 12) == [twelve]
    assert all(s2.parent(c, 12) == twelve for c in s2.children(twelve, 15))
    assert s2.contains(twelve, leaf) is True
    assert s2.contains(leaf, twelve) is False
    assert s2.contains(twelve, twelve) is True
    assert s2.intersects(leaf, twelve) is True
    assert s2.intersects(twelve, s2.edge_neighbors(twelve)[0]) is False
    values, offsets = s2.children(np.array([twelve, s2.parent(leaf, 13)], np.uint64), 14)
    assert offsets.tolist() == [0, 16, 20]
    assert values[16:].tolist() == s2.children(s2.parent(leaf, 13))


def test_normalize(impl):
    s2 = impl.geo.s2
    rng = np.random.default_rng(2)
    for _ in range(30):
        cells = [s2.parent(int(c), int(rng.integers(0, 6))) for c in rng.choice(LEAVES, 40)]
        theirs = s2geometry.S2CellUnion()
        theirs.Init(list(cells))
        cells += [child for c in cells[:5] for child in s2.children(c)]
        found = s2.normalize(np.array(cells, np.uint64)).tolist()
        assert found == [c.id() for c in theirs.cell_ids()]
    assert s2.normalize(s2.children(1 << 60, 3)).tolist() == [1 << 60]
    assert s2.normalize([]).tolist() == []
    faces = [face << 61 | 1 << 60 for face in range(6)]
    assert s2.normalize(faces[::-1]).tolist() == faces


def test_is_valid(impl):
    s2 = impl.geo.s2
    numbers = [
        0,
        1,
        2,
        3,
        4,
        8,
        1 << 60,
        1 << 61,
        6 << 61 | 1 << 60,
        2**64 - 1,
        *LEAVES[:5].tolist(),
    ]
    expected = [n != 0 and s2geometry.S2CellId(n).is_valid() for n in numbers]
    assert s2.is_valid(np.array(numbers, np.uint64)).tolist() == expected
    assert [s2.is_valid(n) for n in numbers] == expected


# ---- scalars and arrays --------------------------------------------------------------------------


def test_arrays_of_every_kind(impl):
    s2 = impl.geo.s2
    lats, lngs = LATS[:9], LNGS[:9]
    expected = LEAVES[:9].tolist()
    for kind in (list, tuple, np.array, pd.Series):
        assert list(s2.latlng_to_cell(kind(lats.tolist()), kind(lngs.tolist()))) == expected
    cells = s2.latlng_to_cell(pa.array(lats), pa.chunked_array([lngs[:4], lngs[4:]]))
    assert cells == pa.array(expected, pa.uint64())
    series = s2.latlng_to_cell(pl.Series("at", lats), pl.Series(lngs))
    assert isinstance(series, pl.Series)
    assert series.to_list() == expected
    frame = s2.latlng_to_cell(pd.Series(lats, index=range(5, 14)), lngs)
    assert frame.index.tolist() == list(range(5, 14))
    assert s2.latlng_to_cell(lats[:, None], lngs[None, :]).shape == (9, 9)
    assert s2.latlng_to_cell(lats, 5.0).tolist() == [oracle(lat, 5.0) for lat in lats]
    assert s2.latlng_to_cell([], []).shape == (0,)
    assert type(s2.latlng_to_cell(np.float64(1.5), np.float64(2.5))) is int
    tokens = s2.cell_to_token(pl.Series(np.array(expected, np.uint64)))
    assert s2.token_to_cell(tokens).to_list() == expected
    assert s2.edge_neighbors(LEAVES[:6].reshape(2, 3)).shape == (2, 3, 4)
    assert s2.boundary(LEAVES[:6].reshape(2, 3)).shape == (2, 3, 4, 2)


@pytest.mark.parametrize("n", [0, 1, 127, 128, 129, 511, 512, 600])
def test_batches_of_every_length(n):
    expected = [
        NATIVE.latlng_to_cell(*p, 17)
        for p in zip(LATS[:n].tolist(), LNGS[:n].tolist(), strict=True)
    ]
    assert NATIVE.latlng_to_cell(LATS[:n], LNGS[:n], 17).tolist() == expected


def test_longitudes_are_wrapped(impl):
    s2 = impl.geo.s2
    for lng in (181.0, 540.0, -190.5, 1e6, 1e300):
        wrapped = math.remainder(lng, 360)
        assert s2.latlng_to_cell(12.0, lng) == oracle(12.0, wrapped)
        assert s2.latlng_to_cell([12.0], [lng]).tolist() == [oracle(12.0, wrapped)]


def test_out(impl):
    s2 = impl.geo.s2
    out = np.zeros(9, np.uint64)
    assert s2.latlng_to_cell(LATS[:9], LNGS[:9], out=out) is out
    assert out.tolist() == LEAVES[:9].tolist()
    with pytest.raises(ValueError, match=r"lat\[1\] must be in \[-90, 90\], not 91.0"):
        s2.latlng_to_cell([1, 91], [1, 1], out=out[:2])
    assert out.tolist() == LEAVES[:9].tolist()
    with pytest.raises(ValueError, match=r"token\[1\] must be the token of an S2 cell, not 'x'"):
        s2.token_to_cell(["1", "x"], out=out[:2])
    assert out.tolist() == LEAVES[:9].tolist()
    with pytest.raises(ValueError, match="out must be a writable"):
        s2.parent(LEAVES[:9], 5, out=np.zeros(8, np.uint64))
    with pytest.raises(ValueError, match="out must be a writable"):
        s2.level(LEAVES[:9], out=np.zeros(9, np.int64))


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s: s.latlng_to_cell(90.5, 0), ValueError, r"lat must be in \[-90, 90\], not 90.5"),
        (lambda s: s.latlng_to_cell(math.nan, 0), ValueError, "lat must be in"),
        (lambda s: s.latlng_to_cell(0, math.inf), ValueError, "lng must be finite, not inf"),
        (lambda s: s.latlng_to_cell([0, 0], [0, math.nan]), ValueError, r"lng\[1\] must be finite"),
        (lambda s: s.latlng_to_cell("1", 0), TypeError, "lat must be a float"),
        (lambda s: s.latlng_to_cell(True, 0), TypeError, "lat must be a float"),
        (lambda s: s.latlng_to_cell(0, 0, 31), ValueError, r"level must be in \[0, 30\], not 31"),
        (lambda s: s.latlng_to_cell(0, 0, 1.5), TypeError, "level must be an int"),
        (lambda s: s.level(0), ValueError, "cell must be a valid S2 cell, not 0"),
        (lambda s: s.level([1, 2]), ValueError, r"cell\[1\] must be a valid S2 cell, not 2"),
        (lambda s: s.level(-1), ValueError, "cell must be in"),
        (lambda s: s.level(1.0), TypeError, "cell must be an int"),
        (lambda s: s.level(np.array([1.0])), TypeError, "cell must be an int"),
        (
            lambda s: s.parent(1 << 60),
            ValueError,
            "cell must be a valid S2 cell of level 1 or more",
        ),
        (
            lambda s: s.parent(1 << 60, 3),
            ValueError,
            "cell must be a valid S2 cell of level 3 or more",
        ),
        (lambda s: s.children(1), ValueError, "cell must be a valid S2 cell of level 29 or less"),
        (lambda s: s.children(1, 3), ValueError, "cell must be a valid S2 cell of level 3 or less"),
        (lambda s: s.children([[1 << 60]]), ValueError, "cell must be 1-D"),
        (lambda s: s.contains(1, 2), ValueError, "b must be a valid S2 cell, not 2"),
        (lambda s: s.cell_area(1, "acres"), ValueError, "unit must be 'km"),
        (
            lambda s: s.token_to_cell(""),
            ValueError,
            "token must be the token of an S2 cell, not ''",
        ),
        (lambda s: s.token_to_cell("1" * 17), ValueError, "token must be the token"),
        (lambda s: s.token_to_cell("zz"), ValueError, "token must be the token"),
        (lambda s: s.token_to_cell("2"), ValueError, "token must be the token"),
        (lambda s: s.token_to_cell(5), TypeError, "token must be a str"),
        (lambda s: s.normalize([1, 2]), ValueError, r"cells\[1\] must be a valid S2 cell, not 2"),
        (lambda s: s.normalize(1), ValueError, "cells must be 1-D"),
    ],
)
def test_bad_input(impl, call, error, words):
    with pytest.raises(error, match=words):
        call(impl.geo.s2)
