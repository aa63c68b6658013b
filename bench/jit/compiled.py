"""Loops compiled by Numba: around `fastblocks.jit`, and around what one would write instead.

The latter are the usual formulas, short as one writes them, without checks of arguments: the
haversine is right to 1e-8 only for points nearly opposite, the geohash knows neither poles nor
longitudes past 180 degrees; H3's tables are those of the pure-Python twin. Each function takes
arrays and returns one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from fastblocks import jit
from fastblocks.pure.geo import _h3_geometry as geometry
from fastblocks.pure.geo import _h3_tables as tables

RADIUS = 6371008.8
BUCKETS = 1000
RES = 9


# ---- loops ---------------------------------------------------------------------------------------


def over_items(function, dtype):
    """Return a function that calls another for every item of an array."""
    function = njit(function)

    @njit(nogil=True)
    def loop(items):
        out = np.empty(len(items), dtype)
        for i in range(len(items)):
            out[i] = function(items[i])
        return out

    return loop


def over_points(function, dtype):
    """Return a function that calls another for every point."""
    function = njit(function)

    @njit(nogil=True)
    def loop(lat, lng):
        out = np.empty(len(lat), dtype)
        for i in range(len(lat)):
            out[i] = function(lat[i], lng[i])
        return out

    return loop


def over_pairs(function):
    """Return a function that calls another for every pair of points."""
    function = njit(function)

    @njit(nogil=True)
    def loop(lat1, lng1, lat2, lng2):
        out = np.empty(len(lat1))
        for i in range(len(lat1)):
            out[i] = function(lat1[i], lng1[i], lat2[i], lng2[i])
        return out

    return loop


def over_keys(function, dtype):
    """Return a function that calls another, of an object and a key, for every key."""
    function = njit(function)

    @njit(nogil=True)
    def loop(thing, keys):
        out = np.empty(len(keys), dtype)
        for i in range(len(keys)):
            out[i] = function(thing, keys[i])
        return out

    return loop


# ---- fastblocks.jit ------------------------------------------------------------------------------

haversine = over_pairs(lambda lat1, lng1, lat2, lng2: jit.haversine(lat1, lng1, lat2, lng2))
geohash = over_points(lambda lat, lng: jit.geohash_encode_int(lat, lng), np.uint64)
s2 = over_points(lambda lat, lng: jit.s2_latlng_to_cell(lat, lng), np.uint64)
h3 = over_points(lambda lat, lng: jit.h3_latlng_to_cell(lat, lng, RES), np.uint64)
xxh3 = over_items(lambda key: jit.xxh3_64(key), np.uint64)
jump = over_items(lambda key: jit.jump_hash(key, BUCKETS), np.int32)
contains = over_keys(lambda bloom, key: key in bloom, np.bool_)
estimate = over_keys(lambda sketch, key: sketch.estimate(key), np.uint8)
count_min = over_keys(lambda sketch, key: sketch.estimate(key), np.uint32)
get_index = over_keys(lambda ring, key: ring.get_index(key), np.int32)

# ---- the usual formulas --------------------------------------------------------------------------


def _haversine(lat1, lng1, lat2, lng2):
    lat1, lat2 = math.radians(lat1), math.radians(lat2)
    h = math.sin((lat2 - lat1) / 2) ** 2
    h += math.cos(lat1) * math.cos(lat2) * math.sin(math.radians(lng2 - lng1) / 2) ** 2
    return 2 * RADIUS * math.asin(math.sqrt(h))


@njit
def _spread(x):
    """Bit i to bit 2 i, of 32."""
    x = (x | x << np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    x = (x | x << np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    x = (x | x << np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    x = (x | x << np.uint64(2)) & np.uint64(0x3333333333333333)
    return (x | x << np.uint64(1)) & np.uint64(0x5555555555555555)


def _geohash(lat, lng):
    y = _spread(np.uint64((lat + 90) / 180 * 2.0**32))
    x = _spread(np.uint64((lng + 180) / 360 * 2.0**32))
    return (x << np.uint64(1) | y) >> np.uint64(4)


@njit
def _jump(key, buckets):
    """As in the paper."""
    b, j = -1, 0
    while j < buckets:
        b = j
        key = key * np.uint64(2862933555777941757) + np.uint64(1)
        j = int((b + 1) * (2.0**31 / ((key >> np.uint64(33)) + 1.0)))
    return b


haversine_alone = over_pairs(_haversine)
geohash_alone = over_points(_geohash, np.uint64)


@njit(nogil=True)
def jump_alone(keys, buckets=BUCKETS):
    """Return the buckets of keys."""
    out = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        out[i] = _jump(keys[i], buckets)
    return out


@register_jitable
def _xxh3(word):
    """The XXH3-64 of eight bytes."""
    h = (word << np.uint64(32) | word >> np.uint64(32)) ^ np.uint64(0xC73AB174C5ECD5A2)
    h ^= _rotated(h, np.uint64(49)) ^ _rotated(h, np.uint64(24))
    h *= np.uint64(0x9FB21C651E98DF25)
    h = (h ^ (h >> np.uint64(35)) + np.uint64(8)) * np.uint64(0x9FB21C651E98DF25)
    return h ^ h >> np.uint64(28)


@njit
def _rotated(x, bits):
    return x << bits | x >> np.uint64(64) - bits


xxh3_alone = over_items(_xxh3, np.uint64)

# S2: on the cube, on a face of it, and four levels at a time along the Hilbert curve.


def _curve():
    """For four bits of i and of j and an orientation: eight bits of the place, an orientation."""
    table = np.empty(1024, np.uint64)
    for at in range(1024):
        orientation, place = at & 3, 0
        for k in (3, 2, 1, 0):
            i, j = at >> (6 + k) & 1, at >> (2 + k) & 1
            step = ((0, 1, 3, 2), (0, 3, 1, 2), (2, 3, 1, 0), (2, 1, 3, 0))[orientation][2 * i + j]
            place = place << 2 | step
            orientation ^= (1, 0, 0, 3)[step]
        table[at] = place << 2 | orientation
    return table


CURVE = _curve()
LEAVES = 2**30  # along a side of a face


@njit
def _leaf(u):
    s = 0.5 * math.sqrt(1 + 3 * u) if u >= 0 else 1 - 0.5 * math.sqrt(1 - 3 * u)
    return np.uint64(max(0, min(LEAVES - 1, int(s * LEAVES))))


def _s2(lat, lng):
    lat, lng = math.radians(lat), math.radians(lng)
    x, y, z = math.cos(lng) * math.cos(lat), math.sin(lng) * math.cos(lat), math.sin(lat)
    if abs(x) > abs(y) and abs(x) > abs(z):
        face, u, v = (0, y / x, z / x) if x > 0 else (3, z / x, y / x)
    elif abs(y) > abs(z):
        face, u, v = (1, -x / y, z / y) if y > 0 else (4, z / y, -x / y)
    else:
        face, u, v = (2, -x / z, -y / z) if z > 0 else (5, -y / z, -x / z)
    i, j = _leaf(u), _leaf(v)
    place, at = np.uint64(0), np.uint64(face & 1)
    for shift in range(28, -4, -4):
        at |= (i >> np.uint64(shift) & np.uint64(15)) << np.uint64(6)
        at |= (j >> np.uint64(shift) & np.uint64(15)) << np.uint64(2)
        found = CURVE[at]
        place = place << np.uint64(8) | found >> np.uint64(2)
        at = found & np.uint64(3)
    return np.uint64(face) << np.uint64(61) | place << np.uint64(1) | np.uint64(1)


s2_alone = over_points(_s2, np.uint64)

# H3: on a face of an icosahedron, in its lattice, and up to the cells of resolution 0.

CENTERS = np.array(tables.FACE_CENTERS)
NORTH, EAST = np.array(tables.FACE_NORTH), np.array(tables.FACE_EAST)
AZIMUTHS = np.array(tables.FACE_AZIMUTHS)
CELLS, TURNS = np.array(tables.FACE_CELLS), np.array(tables.FACE_TURNS)
DIGITS: Any = np.zeros((3, 3), np.int64)  # of the steps from -1 to 1
for _step, _digit in geometry.DIGITS.items():
    DIGITS[_step[0] + 1, _step[1] + 1] = _digit
TURNED: Any = np.array([[geometry.turned_digit(d, n) for d in range(7)] for n in range(6)])
STEPS = geometry.SQRT7**RES / geometry.UNIT

_nearest_point: Any = njit(geometry.nearest_point)
_coarser: Any = njit(geometry.coarser)
_finer: Any = njit(geometry.finer)


@njit
def _dot(a, x, y, z):
    return a[0] * x + a[1] * y + a[2] * z


def _h3(lat, lng):
    lat, lng = math.radians(lat), math.radians(lng)
    x, y, z = math.cos(lng) * math.cos(lat), math.sin(lng) * math.cos(lat), math.sin(lat)
    face, nearest = 0, -1.0
    for i in range(20):
        cosine = _dot(CENTERS[i], x, y, z)
        if cosine > nearest:
            face, nearest = i, cosine
    north, east = _dot(NORTH[face], x, y, z), _dot(EAST[face], x, y, z)
    theta = AZIMUTHS[face] - math.atan2(east, north) - RES % 2 * geometry.AP7_ANGLE
    r = STEPS * math.sqrt(north * north + east * east) / nearest
    a, b = _nearest_point(r * math.cos(theta), r * math.sin(theta))
    digits = np.uint64(0)
    first = 0
    for n in range(RES, 0, -1):
        up = _coarser((a, b), n % 2 == 1)
        down = _finer(up, n % 2 == 1)
        digit = DIGITS[a - down[0] + 1, b - down[1] + 1]
        digits |= np.uint64(digit) << np.uint64(3 * (15 - n))
        first = digit if digit else first
        a, b = up
    low = min(a, b, 0)
    place = 9 * (a - low) + 3 * (b - low) - low
    turns = TURNS[face, place, first]
    cell = np.uint64(1 << 59 | RES << 52 | CELLS[face, place] << 45)
    for n in range(1, 16):
        shift = np.uint64(3 * (15 - n))
        digit = TURNED[turns, digits >> shift & np.uint64(7)] if n <= RES else 7
        cell |= np.uint64(digit) << shift
    return cell


h3_alone = over_points(_h3, np.uint64)

# A Bloom filter of blocks of eight words of 32 bits, of which a key sets one bit each.

WORDS = 8
MULTIPLIERS = np.array(
    [
        0x47B6137B,
        0x44974D91,
        0x8824AD5B,
        0xA2B7289D,
        0x705495C7,
        0x2DF1424B,
        0x9EFC4947,
        0x5C6BFB31,
    ],
    np.uint32,
)


def bloom(capacity):
    """Return the empty words of a filter, about 11 bits a key."""
    return np.zeros(WORDS * max(capacity * 11 // (32 * WORDS), 1), np.uint32)


@njit
def _mixed(key):
    """A hash of a word: the last steps of MurmurHash3."""
    key = (key ^ key >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    key = (key ^ key >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return key ^ key >> np.uint64(33)


@njit
def _block(h, words):
    """Where the block of a hash begins."""
    return np.int64((h >> np.uint64(32)) * np.uint64(len(words) // WORDS) >> np.uint64(32)) * WORDS


@njit
def _bit(h, i):
    return np.uint32(1) << (np.uint32(np.uint32(h) * MULTIPLIERS[i]) >> np.uint32(27))


@njit(nogil=True)
def bloom_add(words, keys):
    """Add keys."""
    for key in keys:
        h = _mixed(key)
        first = _block(h, words)
        for i in range(WORDS):
            words[first + i] |= _bit(h, i)


def _probe(words, key):
    h = _mixed(key)
    first = _block(h, words)
    missing = np.uint32(0)
    for i in range(WORDS):
        missing |= ~words[first + i] & _bit(h, i)
    return missing == 0


contains_alone = over_keys(_probe, np.bool_)

# What a FrequencySketch holds: blocks of four lanes of 32 counts of four bits.


@njit
def _scaled(h, n):
    """A hash brought below n < 2**32."""
    low = (h & np.uint64(0xFFFFFFFF)) * n >> np.uint64(32)
    return ((h >> np.uint64(32)) * n + low) >> np.uint64(32)


def _least(counts, key):
    h = _xxh3(key)
    first = np.int64(_scaled(h, np.uint64(len(counts) // 64))) * 64
    least = 15
    for lane in range(4):
        at = h >> np.uint64(8 * lane)
        byte = counts[first + 16 * lane + np.int64(at & np.uint64(15))]
        least = min(least, int(byte) >> int(at >> np.uint64(2) & np.uint64(4)) & 15)
    return least


estimate_alone = over_keys(_least, np.uint8)

# A count-min sketch: rows of counters.


@njit
def _column(counters, row, key):
    h = _mixed(key + np.uint64(row) * np.uint64(0x9E3779B97F4A7C15))
    return np.int64((h >> np.uint64(32)) * np.uint64(counters.shape[1]) >> np.uint64(32))


@register_jitable
def _count(counters, key):
    least = counters[0, _column(counters, 0, key)]
    for row in range(1, len(counters)):
        least = min(least, counters[row, _column(counters, row, key)])
    return least


@njit(nogil=True)
def count_min_add(counters, keys):
    """Add keys, by the conservative update."""
    for key in keys:
        count = _count(counters, key) + np.uint32(1)
        for row in range(len(counters)):
            column = _column(counters, row, key)
            counters[row, column] = max(counters[row, column], count)


count_min_alone = over_keys(_count, np.uint32)

# A ring: the node of the first point at or after the place of a key.


def _node(points, key):
    places, nodes = points
    at = np.searchsorted(places, _xxh3(key))
    return nodes[at if at < len(nodes) else 0]


get_index_alone = over_keys(_node, np.int32)

# ---- nothing -------------------------------------------------------------------------------------

empty_pairs = over_pairs(lambda lat1, lng1, lat2, lng2: lat1 + lng1 + lat2 + lng2)
empty_points = over_points(lambda lat, lng: lat + lng, np.float64)
empty_keys = over_items(lambda key: key, np.uint64)
