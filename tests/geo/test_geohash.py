"""geo.geohash: the cells of python-geohash, borders, poles and the antimeridian, bad input."""

import itertools
import math
import random
import re
import warnings

import geohash as reference
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pygeohash
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks.geo import geohash

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
LATS = st.floats(-90, 90)
LNGS = st.floats(-180, 180)


def expected(lat, lng, precision=12):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reference.encode(lat, lng, precision)


def borders(n, seed):
    """Points on borders of cells of every size, and those next to them."""
    rng = random.Random(seed)
    for _ in range(n):
        k = rng.randrange(1, 32)
        lat = rng.randrange(-(2**k), 2**k) / 2**k * 90 * 2.0 ** -rng.choice([0, 0, 20, 40])
        lng = rng.randrange(-(2**k), 2**k) / 2**k * 180 * 2.0 ** -rng.choice([0, 0, 20, 40])
        for side in (-1000, 0, 1000):
            yield (
                max(math.nextafter(lat, lat + side), -90),
                max(math.nextafter(lng, lng + side), -180),
            )


def test_equals_python_geohash(impl, pytestconfig):
    n = 500 if impl is fastblocks.pure else 30_000
    rng = np.random.default_rng(1)
    points = [
        *zip(rng.uniform(-90, 90, n).tolist(), rng.uniform(-180, 180, n).tolist(), strict=True)
    ]
    points += borders(n // 3, seed=2)
    points += itertools.product(
        [-90, -89.5, -45, -1e-17, -0.0, 0.0, 5e-324, 45, 89.5, math.nextafter(90, 0), 90],
        [
            -180,
            -135,
            -1e-17,
            -0.0,
            0.0,
            45,
            90.5,
            179.5,
            math.nextafter(180, 0),
            180,
            181,
            539,
            -541,
        ],
    )
    lat, lng = np.array(points).T
    found = impl.geo.geohash.encode(lat, lng)
    texts = [expected(*point) for point in points]
    assert found.dtype == "S12"
    assert [text.decode() for text in found.tolist()] == texts
    for precision in (1, 2, 5, 8, 9, 11):
        found = impl.geo.geohash.encode(lat, lng, precision)
        assert [text.decode() for text in found.tolist()] == [text[:precision] for text in texts]
    few = points[:100]
    assert [impl.geo.geohash.encode(*point) for point in few] == texts[:100]


def test_decodes_as_python_geohash_and_pygeohash(impl):
    rng = random.Random(3)
    texts = ["".join(rng.choices(ALPHABET, k=1 + i % 12)) for i in range(240)]
    for text in texts:
        lat, lng = impl.geo.geohash.decode(text)
        assert (lat, lng) == pytest.approx(reference.decode(text), rel=1e-15, abs=1e-15)
        close = pygeohash.decode_exactly(text)[:2]
        assert (lat, lng) == pytest.approx(close, rel=1e-12, abs=1e-12)
        west, south, east, north = impl.geo.geohash.bounds(text)
        box = reference.bbox(text)
        assert (south, west) == (box["s"], box["w"])
        assert (north, east) == pytest.approx((box["n"], box["e"]), rel=1e-15, abs=1e-15)
        around = impl.geo.geohash.neighbors(text)
        assert sorted(around) == sorted(reference.neighbors(text))
        assert impl.geo.geohash.to_int(text) == impl.geo.geohash.encode_int(lat, lng, 5 * len(text))
    lats, lngs = impl.geo.geohash.decode(texts)
    assert list(zip(lats.tolist(), lngs.tolist(), strict=True)) == [
        impl.geo.geohash.decode(t) for t in texts
    ]
    sides = impl.geo.geohash.bounds(texts)
    assert list(zip(*sides, strict=True)) == [impl.geo.geohash.bounds(text) for text in texts]


@given(lat=LATS, lng=LNGS, precision=st.integers(1, 12))
def test_what_holds_for_every_cell(lat, lng, precision):
    pure = fastblocks.pure.geo.geohash
    cell = geohash.encode(lat, lng, precision)
    assert cell == pure.encode(lat, lng, precision)
    if all(number == 0 or abs(number) > 1e-15 for number in (lat, lng)):  # below it shifts too far
        assert cell == expected(lat, lng, precision)
    west, south, east, north = geohash.bounds(cell)
    inside = lng - 360 if lng == 180 else lng
    assert south <= lat < north or lat == north == 90 or 0 < south - lat < 1e-16
    assert west <= inside < east or 0 < west - inside < 1e-16
    center = geohash.decode(cell)
    assert center == pure.decode(cell) == ((south + north) / 2, (west + east) / 2)
    assert geohash.encode(*center, precision) == cell
    number = geohash.to_int(cell)
    assert number == pure.to_int(cell) == geohash.encode_int(lat, lng, 5 * precision)
    assert geohash.from_int(number, precision) == pure.from_int(number, precision) == cell
    assert geohash.neighbors(cell) == pure.neighbors(cell)
    for neighbor in geohash.neighbors(cell):
        assert cell in geohash.neighbors(neighbor)
    if precision > 1:
        assert geohash.parent(cell) == cell[:-1]
        assert cell in geohash.children(cell[:-1])
    assert geohash.encode_int(lat, lng, 64) == pure.encode_int(lat, lng, 64)


def test_neighbors_in_order(impl):
    around = impl.geo.geohash.neighbors
    assert around("u4pru") == [
        "u4r2h",
        "u4r2j",
        "u4prv",
        "u4prt",
        "u4prs",
        "u4pre",
        "u4prg",
        "u4r25",
    ]
    assert around("z") == [
        "b",
        "8",
        "x",
        "w",
        "y",
    ]  # no cell beyond the pole; east: the antimeridian
    assert around("0") == ["2", "3", "1", "p", "r"]
    values, offsets = around(["z", "u4pru", "0"])
    assert offsets.tolist() == [0, 5, 13, 18]
    assert offsets.dtype == np.int64
    cells = [value.decode() for value in values.tolist()]
    assert cells == [*around("z"), *around("u4pru"), *around("0")]
    assert [part.tolist() for part in around([])] == [[], [0]]
    with pytest.raises(ValueError, match="1-D"):
        around([["z"]])


def test_parents_and_children(impl):
    block = impl.geo.geohash
    assert block.children("U4") == [f"u4{letter}" for letter in ALPHABET]
    found = block.children(["u4", "b"])
    assert found.shape == (2, 32)
    assert found[1].tolist() == [f"b{letter}".encode() for letter in ALPHABET]
    assert block.parent(["u4pru", "B2"]).tolist() == [b"u4pr", b"b"]
    out = np.zeros(2, "S4")
    assert block.parent(["u4pru", "b2"], out=out) is out
    for call, text, low, high in ((block.parent, "b", 2, 12), (block.children, "b" * 12, 1, 11)):
        with pytest.raises(ValueError, match=f"^gh must be {low} to {high} characters of 0123"):
            call(text)
        with pytest.raises(ValueError, match=rf"^gh\[1\] must be {low} to {high} characters"):
            call(["bb", text])


# ---- covers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box",
    [
        (10.40, 57.64, 10.42, 57.66),
        (-180, -90, 180, 90),
        (170, -20, -170, 20),
        (179.99, 89.9, -179.99, 90),
        (-180, -90, -180, -90),
        (180, 90, 180, 90),
        (0, 0, 0, 0),
        (-45, -45, 45, 45),
        (100, 10, 99.5, 11),
    ],
)
def test_cover_holds_the_box_and_no_more(impl, box):
    west, south, east, north = box
    rng = np.random.default_rng(5)
    width = (east - west) % 360 if (east, west) != (180, -180) else 360
    lngs = west + width * np.array([0, 1, *rng.random(50)])
    lats = south + (north - south) * np.array([0, 1, *rng.random(50)])
    for precision in (1, 2, 3):
        cells = impl.geo.geohash.cover(box, precision).tolist()
        assert cells == sorted(set(cells))
        grid = geohash.encode(lats[:, None], np.where(lngs > 180, lngs - 360, lngs), precision)
        assert set(grid.ravel().tolist()) <= set(cells)
        for cell in cells:
            left, low, right, high = geohash.bounds(cell.decode())
            assert low <= north
            assert high >= south
            assert (left - west) % 360 <= width or (west - left) % 360 <= right - left


def test_cover_by_few_cells(impl):
    box = (10.40, 57.64, 10.42, 57.66)
    for most in (4, 10, 200):
        cells = impl.geo.geohash.cover(box, 12, max_cells=most)
        assert 0 < len(cells) <= most
    with pytest.raises(ValueError, match="box takes 32 cells of precision 1, more than 31"):
        impl.geo.geohash.cover((-180, -90, 180, 90), 5, max_cells=31)
    with pytest.raises(ValueError, match=r"box takes .* cells of precision 12, more than 67108864"):
        impl.geo.geohash.cover((-180, -90, 180, 90), 12)


@pytest.mark.parametrize(
    ("box", "error", "words"),
    [
        ((0, 0, 1), TypeError, "box must be (min_x, min_y, max_x, max_y), not (0, 0, 1)"),
        (5, TypeError, "box must be (min_x"),
        ((0, 2, 1, 1), ValueError, "box must not end south of its start: 2 is above 1"),
        ((-181, 0, 1, 1), ValueError, "box[0] must be in [-180, 180], not -181"),
        ((0, 0, 1, 90.5), ValueError, "box[3] must be in [-90, 90], not 90.5"),
        ((0, float("nan"), 1, 1), ValueError, "box[1] must be in"),
        ((0, "a", 1, 1), TypeError, "box[1] must be a float, not str"),
    ],
)
def test_bad_boxes(impl, box, error, words):
    with pytest.raises(error, match=re.escape(words)):
        impl.geo.geohash.cover(box, 3)


# ---- arguments -----------------------------------------------------------------------------------


def test_kinds_of_columns(impl):
    block = impl.geo.geohash
    lat, lng = [38.71, 52.52], [-9.14, 13.41]
    texts = ["eycs0", "u33dc"]
    raw = [text.encode() for text in texts]
    assert block.encode(lat, np.array(lng), 5).tolist() == raw
    index = pd.Index(["x", "y"])
    series = block.encode(pd.Series(lat, index, name="lat"), pd.Series(lng, index), 5)
    assert isinstance(series, pd.Series)
    assert (series.tolist(), series.index.tolist(), series.name) == (texts, ["x", "y"], "lat")
    column = block.encode(pl.Series("lat", lat), pl.Series(lng), 5)
    assert isinstance(column, pl.Series)
    assert (column.to_list(), column.name) == (texts, "lat")
    arrow = block.encode(pa.array(lat), pa.array(lng), 5)
    assert isinstance(arrow, pa.Array)
    assert arrow.to_pylist() == texts
    for column in (pl.Series(texts), pa.array(texts), pd.Series(texts), np.array(texts), texts):
        lats, lngs = block.decode(column)
        assert [(*pair,) for pair in zip(list(lats), list(lngs), strict=True)] == [
            block.decode(text) if not isinstance(column, pa.Array) else pair
            for text, pair in zip(texts, zip(list(lats), list(lngs), strict=True), strict=True)
        ]
        assert type(lats) is (
            type(column) if not isinstance(column, (list, pa.Array)) else type(lats)
        )
    assert block.to_int(pl.Series("n", texts)).to_list() == [block.to_int(text) for text in texts]
    assert block.encode(np.zeros((3, 1)), np.zeros(4), 2).shape == (3, 4)
    assert block.encode([], [], 3).shape == (0,)
    assert (
        block.encode(np.float32(1), np.int8(2), 5)
        == block.encode(1, 2, 5)
        == block.encode(1.0, 2.0, 5)
    )


@pytest.mark.parametrize("n", [1, 2, 15, 127, 128, 129, 300, 1000])
@pytest.mark.parametrize("precision", [1, 4, 8, 9, 12])
def test_batches_of_every_length(n, precision):
    rng = np.random.default_rng(n)
    lat, lng = rng.uniform(-90, 90, n), rng.uniform(-190, 190, n)
    out = np.full(n + 1, b"?" * precision)[:n]
    assert geohash.encode(lat, lng, precision, out=out) is out
    assert out.base[n] == b"?" * precision
    one_by_one = [
        geohash.encode(*point, precision).encode() for point in zip(lat, lng, strict=True)
    ]
    assert out.tolist() == one_by_one
    assert geohash.from_int(geohash.to_int(out), precision).tolist() == one_by_one


@pytest.mark.parametrize(
    ("lat", "lng", "words"),
    [
        (91, 0, "lat must be in [-90, 90], not 91.0"),
        (float("nan"), 0, "lat must be in [-90, 90], not nan"),
        (0, float("inf"), "lng must be finite, not inf"),
        ([0, 1, -90.5], 0, "lat[2] must be in [-90, 90], not -90.5"),
        (0, [0, float("nan")], "lng[1] must be finite, not nan"),
        (np.full(2000, 95.0), 0, "lat[0] must be in [-90, 90], not 95.0"),
        (0, [1, None], "lng must not hold nulls: lng[1] is null"),
        (pa.array([1.0, None]), 0, "lat must not hold nulls: lat[1] is null"),
        ([1, 2], [1, 2, 3], "lat, lng must have shapes that broadcast together, not (2,), (3,)"),
    ],
)
def test_bad_coordinates(impl, lat, lng, words):
    for call in (impl.geo.geohash.encode, impl.geo.geohash.encode_int):
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            call(lat, lng)


@pytest.mark.parametrize("lat", [None, "1", True, [True, 2], ["1"], np.array([True]), {1: 2}, {1}])
def test_coordinates_of_another_type(impl, lat):
    with pytest.raises((TypeError, ValueError), match=r"^lat(\[0\])? must be a float"):
        impl.geo.geohash.encode(lat, 0)


@pytest.mark.parametrize("text", ["", "a", "u4i", "u4pru ", "0" * 13, "é", "u\0", "u\0b"])
def test_malformed_geohashes(impl, text):
    block = impl.geo.geohash
    for call in (block.decode, block.bounds, block.neighbors, block.to_int, block.children):
        with pytest.raises(ValueError, match=r"^gh must be (1 to 1. characters|ASCII)"):
            call(text)
        with pytest.raises(ValueError, match=r"^gh\[1\] must be (1 to 1. characters|ASCII)"):
            call(["u4", text, "a"])
    with pytest.raises(TypeError, match=r"^gh must be a str or an array of str, not int"):
        block.decode(5)


def test_bad_numbers(impl):
    block = impl.geo.geohash
    for precision in (0, 13, -1, 2**70):
        with pytest.raises(ValueError, match=r"precision must be in \[1, 12\]"):
            block.encode(0, 0, precision)
    with pytest.raises(TypeError, match="precision must be an int, not float"):
        block.encode(0, 0, 5.0)
    with pytest.raises(ValueError, match=r"bits must be in \[1, 64\], not 65"):
        block.encode_int(0, 0, 65)
    with pytest.raises(ValueError, match=r"^value\[1\] must be in \[0, 2\*\*5\), not 32"):
        block.from_int([31, 32], 1)
    with pytest.raises(ValueError, match=r"^value must be in \[0, 18446744073709551615\], not -1"):
        block.from_int(-1, 1)
    with pytest.raises(TypeError, match=r"^value\[0\] must be an int, not float"):
        block.from_int([1.5], 1)


def test_out_is_unchanged_after_an_error(impl):
    out = np.full(2, 7, np.uint64)
    for lat in ([1, 91], [1, None], [1, 2, 3]):
        with pytest.raises(ValueError, match=r"^lat|^out"):
            impl.geo.geohash.encode_int(lat, 0, out=out)
    for bad in (np.zeros(2), np.zeros(3, np.uint64), np.zeros(4, np.uint64)[::2]):
        with pytest.raises(ValueError, match="out must be a writable, C-contiguous uint64 array"):
            impl.geo.geohash.encode_int([1, 2], 0, out=bad)
    assert out.tolist() == [7, 7]
    numbers = np.array([1.0, 2.0])
    view = numbers.view(np.uint64)
    fresh = impl.geo.geohash.encode_int([1.0, 2.0], 5)
    assert impl.geo.geohash.encode_int(numbers, 5, out=view) is view
    assert view.tolist() == fresh.tolist()
