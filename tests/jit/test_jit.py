"""The functions inside `numba.njit` code: they answer, and refuse, as they do from Python."""

import doctest
import math
import re

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from fastblocks import jit
from fastblocks.geo import distance, geohash, h3, s2
from fastblocks.hashing import xxh3_64, xxh3_64_many
from fastblocks.ring import jump_hash

rng = np.random.default_rng(7)


@numba.njit(nogil=True)
def hashes(key, seed, buckets):
    return jit.xxh3_64(key, seed), jit.jump_hash(key, buckets)


@numba.njit(nogil=True)
def cells(lat, lng, bits, level, res):
    return (
        jit.geohash_encode_int(lat, lng, bits),
        jit.s2_latlng_to_cell(lat, lng, level),
        h3.latlng_to_cell(lat, lng, res),  # the family's own name
    )


@numba.njit(nogil=True)
def metres(lat1, lng1, lat2, lng2):
    return jit.haversine(lat1, lng1, lat2, lng2)


INTEGERS = [0, 1, -1, 2**63 - 1, -(2**63), *rng.integers(-(2**63), 2**63, 100).tolist()]
WORDS = [np.uint64(2**64 - 1), np.uint64(2**63), np.uint64(5), np.int8(-3), np.int8(7)]
TEXTS = [
    "",
    "a",
    "a\0",
    "Lisbon",
    "x" * 300,
    "é",
    "Évora\0",
    "日本",
    "😀 x",
    "\ud7ff\ue000\U0010ffff",
]
TEXTS += ["".join(map(chr, rng.integers(1, 0xD800, n))) for n in (3, 8, 20, 300)]
BYTES = [text.encode() for text in TEXTS] + [bytes(rng.bytes(n)) for n in range(0, 300, 37)]
BUFFERS = [
    bytearray(b"abc"),
    bytearray(),
    memoryview(b"abc"),
    memoryview(np.arange(6).reshape(2, 3)),
]


@pytest.mark.parametrize(
    "keys",
    [INTEGERS, WORDS, [True, False], TEXTS, BYTES, BUFFERS],
    ids=["int", "word", "bool", "str", "bytes", "buffer"],
)
def test_hashes(keys):
    for i, key in enumerate(keys):
        for seed, buckets in ((0, 1), (i, 10), (2**63 - 1, 2**31 - 1)):
            expected = xxh3_64(key, seed), jump_hash(key, buckets)
            assert hashes(key, seed, buckets) == expected


@numba.njit(fastmath=True, parallel=True, error_model="numpy")
def hashes_of(keys, seed):
    found = np.empty(len(keys), np.uint64)
    for i in numba.prange(len(keys)):
        found[i] = jit.xxh3_64(keys[i], seed)
    return found


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_hashes_of_integers_of_any_width(kind):
    """They are inlined: formulas of their own, in loops that become vectors."""
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    keys = rng.integers(least, most, 1000, kind, endpoint=True)
    keys[:4] = least, most, 0, 1
    for seed in (0, 1, 255, 2**31, 2**32 - 1, 2**32, 0x0123456789ABCDEF, 2**63, 2**64 - 1):
        expected = xxh3_64_many(keys, seed)
        assert np.array_equal(hashes_of(keys, np.uint64(seed)), expected)
        assert expected[:4].tolist() == [xxh3_64(key, seed) for key in keys[:4].tolist()]


LATS = [0.0, -0.0, 90.0, -90.0, 45.0, -31.5, 5e-324, math.nextafter(90, 0)]
LATS += np.degrees(np.arcsin(rng.uniform(-1, 1, 2000))).tolist()
LNGS = [180.0, -180.0, 179.99999, 360.0, 1e6, -725.5, 0.0, -5e-324]
LNGS += rng.uniform(-400, 400, 2000).tolist()
POINTS = list(zip(LATS, LNGS, strict=True))


def test_cells():
    for i, (lat, lng) in enumerate(POINTS):
        bits, level, res = i % 64 + 1, i % 31, i % 16
        assert cells(lat, lng, bits, level, res) == (
            geohash.encode_int(lat, lng, bits),
            s2.latlng_to_cell(lat, lng, level),
            h3.latlng_to_cell(lat, lng, res),
        )


@numba.njit(fastmath=True, error_model="numpy")
def codes(lats, lngs, bits):
    found = np.empty(len(lats), np.uint64)
    for i in range(len(lats)):
        found[i] = jit.geohash_encode_int(lats[i], lngs[i], bits)
    return found


def near_borders(most):
    """Places at borders of cells, and next to them."""
    k = np.concatenate([np.arange(-8, 9), rng.integers(-(2**31), 2**31, 2000), [2**31, -(2**31)]])
    at = k * (most / 2**31)
    at = np.concatenate([np.nextafter(at, -np.inf), at, np.nextafter(at, np.inf), at + 5e-324])
    return at[np.abs(at) <= most]


@pytest.mark.parametrize("bits", [1, 32, 60, 64])
def test_geohashes_at_borders_of_cells(bits):
    """They are inlined, too; a caller's fast mathematics leaves them as they are."""
    lats, lngs = near_borders(90.0), near_borders(180.0)
    lngs = np.concatenate([lngs, lngs + 360, [1e6, -1e300, 5e-324, -5e-324, -0.0]])
    lats = np.resize(rng.permutation(lats), len(lngs))
    assert np.array_equal(codes(lats, lngs, bits), geohash.encode_int(lats, lngs, bits))
    lats = np.resize(near_borders(90.0), len(lngs))
    lngs = rng.permutation(lngs)
    assert np.array_equal(codes(lats, lngs, bits), geohash.encode_int(lats, lngs, bits))


@pytest.mark.parametrize(("lat", "lng"), [(math.nan, 0.0), (0.0, math.nan), (0.0, -math.inf)])
def test_fast_mathematics_leave_checks_as_they_are(lat, lng):
    with pytest.raises(ValueError, match="must be"):
        codes(np.array([lat]), np.array([lng]), 60)


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "u8", "f4"])
def test_geohashes_of_other_numbers(kind):
    lats, lngs = np.arange(91).astype(kind), np.arange(27, 118).astype(kind)
    if np.dtype(kind).kind != "u":
        lats, lngs = -lats, -lngs
    expected = geohash.encode_int(lats.astype(float), lngs.astype(float))
    assert np.array_equal(codes(lats, lngs, 60), expected)


def test_distances():
    for (lat1, lng1), (lat2, lng2) in zip(POINTS, reversed(POINTS), strict=True):
        assert metres(lat1, lng1, lat2, lng2) == distance.haversine(lat1, lng1, lat2, lng2)


def test_names_and_defaults():
    @numba.njit
    def by_name(lat):
        return (
            jit.geohash_encode_int(lng=3, lat=lat),
            jit.s2_latlng_to_cell(lat, 3),
            jit.h3_latlng_to_cell(res=9, lat=lat, lng=np.float32(3)),
            jit.haversine(lat, 3, lng2=4, lat2=5),
            jit.xxh3_64("x"),
            jit.jump_hash(key=7, buckets=100),
        )

    expected = by_name.py_func(38)
    assert by_name(38) == expected
    assert [type(value) for value in by_name(38)] == [type(value) for value in expected]


GOOD_HASH, GOOD_CELL, GOOD_PAIR = (1, 0, 1), (0.0, 0.0, 1, 0, 0), (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("function", "twin", "good", "at", "value"),
    [
        (hashes, lambda *a: xxh3_64(*a[:2]), GOOD_HASH, 1, -1),
        *((hashes, lambda key, _, n: jump_hash(key, n), GOOD_HASH, 2, n) for n in (0, -1, 2**31)),
        *((cells, lambda *a: geohash.encode_int(*a[:3]), GOOD_CELL, 2, bits) for bits in (0, 65)),
        *((cells, lambda *a: s2.latlng_to_cell(*a[:2], a[3]), GOOD_CELL, 3, k) for k in (-1, 31)),
        *((cells, lambda *a: h3.latlng_to_cell(*a[:2], a[4]), GOOD_CELL, 4, r) for r in (-1, 16)),
        *((cells, lambda *a: s2.latlng_to_cell(*a[:2]), GOOD_CELL, 0, x) for x in (90.1, math.nan)),
        *(
            (cells, lambda *a: s2.latlng_to_cell(*a[:2]), GOOD_CELL, 1, x)
            for x in (math.inf, math.nan)
        ),
        *((metres, distance.haversine, GOOD_PAIR, at, math.nan) for at in range(4)),
        *((metres, distance.haversine, GOOD_PAIR, at, -math.inf) for at in range(4)),
    ],
)
def test_what_is_out_of_range(function, twin, good, at, value):
    """The words are those from Python, without the value, which compiled code cannot print."""
    bad = (*good[:at], value, *good[at + 1 :])
    with pytest.raises(ValueError, match="must be") as from_python:
        twin(*bad)
    words = str(from_python.value).partition(", not ")[0]
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        function(*bad)


@pytest.mark.parametrize("text", ["\ud800", "ab\udfff", "日\udc80本"])
def test_surrogates(text):
    with pytest.raises(ValueError, match="lone surrogate"):
        hashes(text, 0, 1)


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (
            hashes,
            (1.5, 0, 1),
            "a key must be str, bytes, bytearray, memoryview or int, not float64",
        ),
        (hashes, (1, 0.5, 1), "seed must be an int, not float64"),
        (hashes, (memoryview(b"abcd")[::2], 0, 1), "a key must be"),
        (metres, (np.zeros(2), 0.0, 0.0, 0.0), "lat1 must be a float in compiled code, not array"),
        (metres, (0.0, 0.0, True, 0.0), "lat2 must be a float in compiled code, not bool"),
    ],
)
def test_wrong_types(function, arguments, words):
    with pytest.raises(TypingError, match=re.escape(words)):
        function(*arguments)


def test_parallel_loops():
    @numba.njit(parallel=True)
    def cells_of(lat, lng):
        found = np.empty(len(lat), np.uint64)
        for i in numba.prange(len(lat)):
            found[i] = jit.h3_latlng_to_cell(lat[i], lng[i], 9) ^ jit.xxh3_64(i)
        return found

    lat, lng = np.array(LATS), np.array(LNGS)
    expected = h3.latlng_to_cell(lat, lng, 9) ^ xxh3_64_many(np.arange(len(lat)))
    assert np.array_equal(cells_of(lat, lng), expected)


def test_the_example():
    result = doctest.testmod(jit)
    assert (result.attempted > 0, result.failed) == (True, 0)


def test_all_are_the_functions_of_the_families():
    assert [getattr(jit, name) for name in jit.__all__] == [
        geohash.encode_int,
        h3.latlng_to_cell,
        distance.haversine,
        jump_hash,
        s2.latlng_to_cell,
        xxh3_64,
    ]
