"""Loops compiled by Numba: around `fastblocks.jit`, and around what one would write instead.

The latter are the usual formulas, short as one writes them: the haversine is right to 1e-8 only for
points nearly opposite, and the geohash knows neither poles nor longitudes past 180 degrees. Each
function takes arrays and returns one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fastblocks import jit

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

# ---- nothing -------------------------------------------------------------------------------------

empty_pairs = over_pairs(lambda lat1, lng1, lat2, lng2: lat1 + lng1 + lat2 + lng2)
empty_points = over_points(lambda lat, lng: lat + lng, np.float64)
empty_keys = over_items(lambda key: key, np.uint64)
