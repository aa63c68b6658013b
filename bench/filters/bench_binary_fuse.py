"""Binary fuse filter.

The keys of the scalar works are 200,000 city names and airport codes. They are the same
objects in every round, so whatever Python caches in a key (its hash, its UTF-8) is cached for
every library alike.
"""

from __future__ import annotations

import numpy as np

from bench.data import UINT64, absent_names, city_names, integer_chunks, integers
from bench.filters.binary_fuse_libraries import (
    BinaryFuse,
    FrozensetFloor,
    Native,
    Pure,
    PyFuseFilter,
    PyFuseFilterCore,
)
from bench.model import Record, Timed, expect, work

LIBRARIES = (Native, Pure, PyFuseFilter, PyFuseFilterCore, FrozensetFloor)

SMALL = 2_000
MILLION = 1_000_000
NAMES = "200 k city names, 8 bits"


@work("`F(list)`", NAMES, headline=True, rounds=2)
def bench_build_names(lib: BinaryFuse, timed: Timed) -> None:
    """A filter of a list of str."""
    keys = list(lib.some(city_names()))
    lib.check(lib.build(keys, 8), keys, lib.some(absent_names()), 1 / 256)
    timed(lambda: lib.build(keys, 8), items=len(keys))


@work("`F(ints)`", "uint64[1 M], 8 bits", headline=True, rounds=2)
def bench_build_ints(lib: BinaryFuse, timed: Timed, quick: bool) -> None:
    """A filter of an array; peers without array input get a list.

    With the integers of stream 0 the first attempt of fastblocks fails, as one in 50 does, and it
    takes twice as long; those of stream 2 are the usual case for every library.
    """
    ints = integers(SMALL if quick else MILLION, stream=2)[: lib.build_keys]
    keys = lib.batch_ints(ints)
    f = lib.build(keys, 8)
    expect(lib.count_ints(f, ints[:20_000]) == len(ints[:20_000]), "a key is missing")
    timed(lambda: lib.build(keys, 8), items=len(ints))


@work("`key in f`, present", NAMES, rounds=1)
def bench_contains_hits(lib: BinaryFuse, timed: Timed) -> None:
    """Every key is there."""
    f, keys = lib.filled(), lib.some(city_names())
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`key in f`, absent", NAMES, rounds=1)
def bench_contains_misses(lib: BinaryFuse, timed: Timed) -> None:
    """No key is there but the false positives."""
    f, keys = lib.filled(), lib.some(absent_names())
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`f.contains_many(list)`", f"{NAMES}, half present", rounds=1)
def bench_contains_list(lib: BinaryFuse, timed: Timed) -> None:
    """A list of str in one call."""
    present, absent = lib.some(city_names()[::2]), lib.some(absent_names()[::2])
    keys = [key for pair in zip(present, absent, strict=False) for key in pair]
    f = lib.filled()
    expect(list(lib.contains_list(f, keys)) == lib.answers(f, keys), "batch and `in` differ")
    timed(lambda: lib.contains_list(f, keys), items=len(keys))


@work(
    "`f.contains_many(ints)`",
    "uint64[1 M], filter of 1 M, 8 bits, half present; the C core: a call per key",
    headline=True,
    rounds=2,
)
def bench_contains_ints(lib: BinaryFuse, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    n = SMALL if quick else MILLION
    present, absent = integers(n), integers(n // 2, stream=1)
    probes: UINT64 = np.concatenate([present[: n // 2], absent])
    np.random.default_rng(0).shuffle(probes)
    probes = probes[: lib.max_keys]
    batch = lib.batch_ints(probes)
    lib.contains_ints(lib.build(lib.batch_ints(present[:10]), 8), lib.batch_ints(probes[:1]))
    f = lib.build(lib.batch_ints(present[: lib.build_keys]), 8)
    answers = lib.answers(f, probes.tolist())
    expect(np.array_equal(lib.contains_ints(f, batch), answers), "batch and `in` differ")
    timed(lambda: lib.contains_ints(f, batch), items=len(probes))


@work("False-positive rate and memory", chart="accuracy", points=(2**-8, 2**-16), rounds=1)
def bench_accuracy(lib: BinaryFuse, record: Record, point: float, quick: bool) -> None:
    """Random integers, then others: a million, or three million with 16 bits."""
    n = min(lib.build_keys, SMALL if quick else MILLION)
    f = lib.build(lib.batch_ints(integers(n)), 8 if point == 2**-8 else 16)
    present = integers(n)[:20_000]
    expect(lib.count_ints(f, present) == len(present), "a key is missing")
    probes = min(lib.probes, SMALL if quick else MILLION * (1 if point == 2**-8 else 3))
    found = sum(lib.count_ints(f, chunk) for chunk in integer_chunks(probes, stream=1))
    record(bits=lib.bits(f) / n, rate=found / probes, found=found, keys=n, probes=probes)
