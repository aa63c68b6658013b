"""Streams of requests to a cache, seeded, and the traces of a folder if one was given.

A cache that is timed with them holds a tenth of the keys.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.data import UINT64, zipf

KEYS = 10_000
SIZE = KEYS // 10
RUN = 500  # keys of one scan
HOT = KEYS // 20
MOVES = 10  # of the hot set


def by_zipf(n: int, a: float, keys: int = KEYS) -> UINT64:
    """Return `n` requests of `keys` keys by Zipf's law; popular keys are no neighbours."""
    places = np.random.default_rng(1).permutation(keys).astype(np.uint64)
    requests: UINT64 = places[zipf(n, a, keys) - np.uint64(1)]
    return requests


def scans(n: int) -> UINT64:
    """Zipf 1.0, where every second `RUN` of requests is for keys that never come again."""
    keys = by_zipf(n, 1.0)
    scanned = np.arange(n) // RUN % 2 == 1
    keys[scanned] = KEYS + np.arange(np.count_nonzero(scanned), dtype=np.uint64)
    return keys


def loop(n: int) -> UINT64:
    """All keys in order, again and again."""
    return np.arange(n, dtype=np.uint64) % np.uint64(KEYS)


def shifting(n: int) -> UINT64:
    """Nine of ten requests are for `HOT` keys, half of which change `MOVES` times."""
    random = np.random.default_rng(2)
    first = np.arange(n) * MOVES // n * (HOT // 2)
    hot = (first + random.integers(0, HOT, n)) % KEYS
    keys = np.where(random.random(n) < 0.9, hot, random.integers(0, KEYS, n))
    return keys.astype(np.uint64)


STREAMS: dict[str, Callable[[int], UINT64]] = {
    "Zipf 0.7": lambda n: by_zipf(n, 0.7),
    "Zipf 1.0": lambda n: by_zipf(n, 1.0),
    "Zipf 1.2": lambda n: by_zipf(n, 1.2),
    "scans": scans,
    "loop": loop,
    "shifting": shifting,
}
