"""Counting Bloom filter.

The keys are those of the Bloom filter's benchmark: city names and airport codes, and seeded
random integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data import absent_names, city_names, integers
from bench.filters.bloom_libraries import measure_accuracy
from bench.filters.counting_bloom_libraries import LIBRARIES, Counting
from bench.model import Record, Timed, expect, work

__all__ = ["LIBRARIES"]

SMALL = 2_000
NAMES_1 = "200 k city names, 1 %"


@work("`key in f`, present", NAMES_1, headline=True, rounds=1)
def bench_contains_hits(lib: Counting, timed: Timed) -> None:
    """Every key is there."""
    f, keys = lib.filled(), lib.some(city_names())
    lib.check(f, keys, lib.some(absent_names()), 0.01)
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`f.add(key)`, later `f.remove(key)`", NAMES_1, unit="pair", headline=True, rounds=1)
def bench_add_remove(lib: Counting, timed: Timed) -> None:
    """All keys come, one by one, and all go."""
    keys = lib.some(city_names())
    f = lib.create(len(city_names()), 0.01)

    def come_and_go() -> None:
        lib.add_each(f, keys)
        lib.remove_each(f, keys)

    lib.add_each(f, keys)
    lib.check(f, keys, lib.some(absent_names()), 0.01)
    lib.remove_each(f, keys)
    expect(not any(lib.answers(f, keys)), "a removed key is still there")
    timed(come_and_go, items=len(keys))


@work("`f.contains_many(ints)`", "uint64[1 M], filter of 1 M, 1 %, half present", rounds=1)
def bench_contains_ints(lib: Counting, timed: Timed, quick: bool) -> None:
    """Integers in one call; peers without array input get a list."""
    n = SMALL if quick else 1_000_000
    keys, others = integers(n)[: lib.fill_keys], integers(n // 2, stream=1)
    probes = np.concatenate([keys[: n // 2], others])
    np.random.default_rng(0).shuffle(probes)
    batch = lib.batch_ints(probes[: lib.max_keys])
    f = lib.create(len(keys), 0.01)
    lib.update_ints(f, keys)
    some = probes[: lib.max_keys]
    expected = lib.answers(f, some.tolist())
    expect(
        np.array_equal(np.asarray(lib.contains_ints(f, batch)), expected), "batch and `in` differ"
    )
    timed(lambda: lib.contains_ints(f, batch), items=len(some))


@work("`f.add_many(ints)`, later `f.remove_many(ints)`", "uint64[1 M], 1 %", unit="pair", rounds=1)
def bench_add_remove_ints(lib: Counting, timed: Timed, quick: bool) -> None:
    """All integers come and go, in one call each."""
    n = SMALL if quick else 1_000_000
    keys = integers(n)[: lib.max_keys]
    batch = lib.batch_ints(keys)
    f: Any = lib.create(n, 0.01)

    def come_and_go() -> None:
        lib.add_ints(f, batch)
        lib.remove_ints(f, batch)

    lib.add_ints(f, batch)
    expect(lib.count_ints(f, keys) == len(keys), "an added key is missing")
    lib.remove_ints(f, batch)
    expect(lib.count_ints(f, keys) == 0, "a removed key is still there")
    timed(come_and_go, items=len(keys))


@work("False-positive rate and memory", chart="accuracy", points=(0.01, 0.0001), rounds=1)
def bench_accuracy(lib: Counting, record: Record, point: float, quick: bool) -> None:
    """Fill to capacity with random integers, then probe others."""
    n = min(lib.fill_keys, SMALL if quick else 1_000_000)
    measure_accuracy(lib, record, n, point)
