"""geo.distance: against 50 digits and NumPy, close and opposite points, poles, bad input."""

import re

import mpmath
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks.geo import distance

RADIUS = 6371008.8
LATS = st.floats(-90, 90)
LNGS = st.floats(-180, 180)


def exact(lat1, lng1, lat2, lng2):
    with mpmath.workdps(60):
        a, b, c, d = (mpmath.mpf(x) * mpmath.pi / 180 for x in (lat1, lng1, lat2, lng2))
        h = mpmath.sin((c - a) / 2) ** 2
        h += mpmath.cos(a) * mpmath.cos(c) * mpmath.sin((d - b) / 2) ** 2
        return 2 * mpmath.mpf(str(RADIUS)) * mpmath.asin(mpmath.sqrt(h))


def points(n, seed):
    """Pairs of points: anywhere, close and nearly opposite."""
    rng = np.random.default_rng(seed)
    lat, lng = rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)
    step = 10 ** rng.uniform(-12, 1, n)
    near = np.clip(lat + step * rng.normal(size=n), -90, 90), lng + step * rng.normal(size=n)
    far = np.clip(-lat + step * rng.normal(size=n), -90, 90), lng + 180 - step
    anywhere = rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)
    pairs = [np.array([lat, lng, *other]) for other in (anywhere, near, far)]
    return np.concatenate(pairs, axis=1)


def test_to_the_last_digits(impl):
    pairs = points(200, seed=1)
    found = impl.geo.distance.haversine(*pairs)
    for metres, pair in zip(found.tolist(), pairs.T.tolist(), strict=True):
        assert abs(metres / exact(*pair) - 1) < 1e-14


def test_equals_numpy():
    rng = np.random.default_rng(2)
    lat1, lat2 = rng.uniform(-90, 90, (2, 100_000))
    lng1, lng2 = rng.uniform(-180, 180, (2, 100_000))
    a, b, c, d = map(np.radians, (lat1, lng1, lat2, lng2))
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    found = distance.haversine(lat1, lng1, lat2, lng2)
    np.testing.assert_allclose(found, 2 * RADIUS * np.arcsin(np.sqrt(h)), rtol=1e-9)


def test_known_places(impl):
    block = impl.geo.distance
    half = np.pi * RADIUS
    assert block.haversine(0, 0, 0, 180) == pytest.approx(half, rel=1e-15)
    assert block.haversine(90, 17, -90, 99) == pytest.approx(half, rel=1e-15)
    assert block.haversine(90, 0, 90, 180) == 0
    assert block.haversine(12, 180, 12, -180) == 0
    assert block.haversine(12, 5, 12, 5 + 7 * 360) == 0
    assert block.haversine(0, 0, 0, 1e-9) == pytest.approx(half / 180e9, rel=1e-14)
    assert [block.bearing(0, 0, *to) for to in ((0, 1), (0, -1), (1, 0), (-1, 0), (0, 0))] == [
        90,
        270,
        0,
        180,
        0,
    ]
    assert block.bearing(38.71, -9.14, 52.52, 13.41) == pytest.approx(41.06761861489335)
    assert block.destination(0, 0, 90, half / 2) == pytest.approx((0, 90), abs=1e-13)
    assert block.destination(0, 0, 0, half / 2)[0] == pytest.approx(90)
    assert block.destination(0, 170, 90, half / 9) == pytest.approx((0, -170), abs=1e-13)
    assert block.destination(0, 0, 90, -half / 2) == pytest.approx((0, -90), abs=1e-13)
    assert block.destination(10, 20, 33, 0) == pytest.approx((10, 20), rel=1e-15)


@given(lat1=LATS, lng1=LNGS, lat2=LATS, lng2=LNGS)
def test_native_and_pure_agree(lat1, lng1, lat2, lng2):
    native, pure = fastblocks.geo.distance, fastblocks.pure.geo.distance
    pair = lat1, lng1, lat2, lng2
    metres = native.haversine(*pair)
    assert metres == pytest.approx(pure.haversine(*pair), rel=1e-14, abs=1e-100)
    assert metres == pytest.approx(native.haversine(lat2, lng2, lat1, lng1), rel=1e-15)
    assert 0 <= metres <= np.pi * RADIUS * (1 + 1e-15)
    way = native.bearing(*pair)
    assert 0 <= way < 360
    if 1e-3 < metres < 2e7:
        turn = way - pure.bearing(*pair)
        assert min(turn % 360, -turn % 360) < 1e-9
    lat, lng = native.destination(lat1, lng1, way, metres)
    assert -90 <= lat <= 90
    assert -180 <= lng < 180
    assert native.haversine(lat, lng, lat2, lng2) < 1e-6
    assert native.haversine(*pure.destination(lat1, lng1, way, metres), lat2, lng2) < 1e-6


@pytest.mark.parametrize("n", [0, 1, 5, 127, 128, 129, 700])
def test_batches_give_the_bits_of_single_points(n):
    pairs = points(n, seed=3)[:, :n]
    for function in (distance.haversine, distance.bearing):
        singles = [function(*pair) for pair in pairs.T.tolist()]
        assert function(*pairs).tolist() == singles
    singles = [distance.destination(*pair) for pair in pairs.T.tolist()]
    lats, lngs = distance.destination(*pairs)
    assert list(zip(lats.tolist(), lngs.tolist(), strict=True)) == singles


def test_matrix(impl):
    block = impl.geo.distance
    lat1, lng1, lat2, lng2 = points(5, seed=4)[:, :5]
    found = block.distance_matrix(lat1, lng1, lat2[:3], lng2[:3])
    expected = block.haversine(lat1[:, None], lng1[:, None], lat2[:3], lng2[:3])
    assert found.tolist() == expected.tolist()
    own = block.distance_matrix(lat1, lng1)
    assert own.shape == (5, 5)
    assert np.diag(own).tolist() == [0] * 5
    out = np.zeros((5, 3))
    assert block.distance_matrix(lat1, lng1, lat2[:3], lng2[:3], out=out) is out
    assert out.tolist() == expected.tolist()
    assert block.distance_matrix([], [], [1], [1]).shape == (0, 1)
    with pytest.raises(TypeError, match="lat2 and lng2 must be given together"):
        block.distance_matrix(lat1, lng1, lat2)
    with pytest.raises(ValueError, match="lat1, lng1 must be 1-D"):
        block.distance_matrix([[1.0]], [[1.0]])


def test_kinds_of_columns(impl):
    lat, lng = pl.Series("from", [1.0, 2.0]), pl.Series([3.0, 4.0])
    found = impl.geo.distance.haversine(lat, lng, 0, 0)
    assert isinstance(found, pl.Series)
    assert found.name == "from"
    assert found.to_list() == impl.geo.distance.haversine([1, 2], [3, 4], 0, 0).tolist()
    lats, lngs = impl.geo.distance.destination(lat, lng, 5, 1000)
    assert isinstance(lats, pl.Series)
    assert isinstance(lngs, pl.Series)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((91, 0, 0, 0), "lat1 must be in [-90, 90], not 91.0"),
        ((0, 0, [0, float("nan")], 0), "lat2[1] must be in [-90, 90], not nan"),
        ((0, float("inf"), 0, 0), "lng1 must be finite, not inf"),
        ((0, 0, 0, [[1], [float("inf")]]), "lng2[1, 0] must be finite, not inf"),
    ],
)
def test_bad_coordinates(impl, args, words):
    for call in (impl.geo.distance.haversine, impl.geo.distance.bearing):
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            call(*args)


def test_bad_ways(impl):
    with pytest.raises(ValueError, match=r"^bearing must be finite, not nan"):
        impl.geo.distance.destination(0, 0, float("nan"), 1)
    with pytest.raises(ValueError, match=r"^distance must be finite, not inf"):
        impl.geo.distance.destination(0, 0, 1, float("inf"))
    with pytest.raises(
        TypeError, match=r"^distance must be a float or an array of floats, not str"
    ):
        impl.geo.distance.destination(0, 0, 1, "5")


def test_out_is_unchanged_after_an_error(impl):
    out = np.full(2, 7.0)
    with pytest.raises(ValueError, match=r"lat2\[1\]"):
        impl.geo.distance.haversine(0, 0, [0, 91], 0, out=out)
    with pytest.raises(ValueError, match="out must be a writable, C-contiguous float64 array"):
        impl.geo.distance.haversine(0, 0, [0, 1, 2], 0, out=out)
    assert out.tolist() == [7, 7]
    numbers = np.array([1.0, 2.0])
    expected = impl.geo.distance.haversine(numbers.copy(), 0, 0, 0).tolist()
    assert impl.geo.distance.haversine(numbers, 0, 0, 0, out=numbers) is numbers
    assert numbers.tolist() == expected
