"""Bloom filter.

The keys of the scalar works are 200,000 city names and airport codes. They are the same
objects in every round, so whatever Python caches in a key (its hash, its UTF-8) is cached for
every library alike.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from bench.data import (
    UINT64,
    absent_names,
    as_arrow,
    city_ids,
    city_names,
    integer_chunks,
    integers,
)
from bench.filters.bloom_libraries import (
    PEERS,
    Bloom,
    EmptyLoop,
    Native,
    Pure,
    SetFloor,
    measure_accuracy,
)
from bench.model import Record, Timed, Unsupported, expect, work

LIBRARIES = (Native, Pure, *PEERS, SetFloor, EmptyLoop)

TARGETS = (0.1, 0.01, 0.001, 0.0001, 0.00001)
SIZES = (1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
SMALL = 2_000
LARGE = 30_000_000
HUGE = 100_000_000
NAMES_1 = "200 k city names, 1 %"

# Loads a pickle in a process of its own and counts the keys it finds, so that a filter which
# depends on this process (its hash seed, its memory) is found out.
READER = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    found, keys = pickle.load(file), pickle.load(file)
print(sum(key in found for key in keys))
"""


@work("`key in f`, present", NAMES_1, headline=True)
def bench_contains_hits(lib: Bloom, timed: Timed) -> None:
    """Every key is there."""
    f, keys = lib.filled(), lib.some(city_names())
    lib.check(f, keys, lib.some(absent_names()), 0.01)
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`key in f`, absent", NAMES_1)
def bench_contains_misses(lib: Bloom, timed: Timed) -> None:
    """No key is there but the false positives."""
    f, keys = lib.filled(), lib.some(absent_names())
    lib.check(f, lib.some(city_names()), keys, 0.01)
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`f.add(key)`", f"{NAMES_1}; includes making the filter", headline=True)
def bench_add(lib: Bloom, timed: Timed) -> None:
    """A new filter, filled key by key."""
    keys = lib.some(city_names())

    def fill() -> Any:
        f = lib.create(len(city_names()), 0.01)
        lib.add_each(f, keys)
        return f

    lib.check(fill(), keys, lib.some(absent_names()), 0.01)
    timed(fill, items=len(keys))


@work("`f.update(list)`", f"{NAMES_1}; includes making the filter", headline=True)
def bench_update(lib: Bloom, timed: Timed) -> None:
    """A new filter, filled in one call."""
    keys = lib.some(city_names())

    def fill() -> Any:
        f = lib.create(len(city_names()), 0.01)
        lib.update(f, keys)
        return f

    lib.check(fill(), keys, lib.some(absent_names()), 0.01)
    timed(fill, items=len(keys))


@work("`f.contains_many(list)`", f"{NAMES_1}, half present", headline=True)
def bench_contains_list(lib: Bloom, timed: Timed) -> None:
    """A list of str in one call."""
    present, absent = lib.some(city_names()[::2]), lib.some(absent_names()[::2])
    keys = [key for pair in zip(present, absent, strict=False) for key in pair]
    _check_batch(lib.contains_list(lib.filled(), keys), lib.answers(lib.filled(), keys))
    timed(lambda: lib.contains_list(lib.filled(), keys), items=len(keys))


@work("`f.contains_many(arrow)`", f"pyarrow strings, {NAMES_1}")
def bench_contains_arrow(lib: Bloom, timed: Timed) -> None:
    """An Arrow string array in one call."""
    keys = lib.some(city_names())
    lib.contains_list(lib.filled(), tuple(keys[:1]))
    array = as_arrow(keys)
    _check_batch(lib.contains_list(lib.filled(), array), [True] * len(keys))
    timed(lambda: lib.contains_list(lib.filled(), array), items=len(keys))


@work("`f.contains_many(ids)`", "235 k GeoNames ids, uint64, 1 %")
def bench_contains_ids(lib: Bloom, timed: Timed) -> None:
    """Real integer keys, which are far from random."""
    ids = city_ids()[: lib.max_keys]
    _time_ints(lib, timed, ids, ids)


@work("`f.contains_many(ints)`", "uint64[1 M], filter of 1 M, 1 %, half present", headline=True)
def bench_contains_ints(lib: Bloom, timed: Timed, quick: bool) -> None:
    """Integers in one call; peers without array input get a list."""
    n = SMALL if quick else 1_000_000
    present, absent = integers(n), integers(n // 2, stream=1)
    probes = np.concatenate([present[: n // 2], absent])
    np.random.default_rng(0).shuffle(probes)
    _time_ints(lib, timed, present[: lib.fill_keys], probes[: lib.max_keys])


@work("`f.contains_many(ints)`", "uint64[100 M], filter of 100 M, 1 %", full_only=True)
def bench_contains_ints_100m(lib: Bloom, timed: Timed) -> None:
    """A filter far larger than any cache."""
    if lib.role != "native":
        raise Unsupported("100 M Python ints would not fit the memory")
    f = lib.create(HUGE, 0.01)
    for chunk in integer_chunks(HUGE):
        lib.update_ints(f, chunk)
    keys = integers(HUGE)
    expect(np.all(lib.contains_ints(f, keys)), "an added key is missing")
    timed(lambda: lib.contains_ints(f, keys), items=len(keys))


@work("`f.add_many(ints)`", "uint64[1 M], 1 %; includes making the filter")
def bench_add_ints(lib: Bloom, timed: Timed, quick: bool) -> None:
    """Integers in one call; peers without array input get a list."""
    capacity = SMALL if quick else 1_000_000
    keys = integers(capacity)[: lib.max_keys]
    batch = lib.batch_ints(keys)

    def fill() -> Any:
        f = lib.create(capacity, 0.01)
        lib.add_ints(f, batch)
        return f

    expect(lib.count_ints(fill(), keys) == len(keys), "an added key is missing")
    timed(fill, items=len(keys))


@work("`pickle.loads(pickle.dumps(f))`", NAMES_1, unit="round trip")
def bench_pickle(lib: Bloom, timed: Timed) -> None:
    """Through pickle; checked in another process, where a lost hash seed would show."""
    f = lib.filled()
    try:
        data = pickle.dumps(f)
    except (TypeError, pickle.PicklingError):
        raise Unsupported("cannot be pickled") from None
    keys = city_names()[:1000]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "filter.pickle")
        with open(path, "wb") as file:
            file.write(data + pickle.dumps(keys))
        command = [sys.executable, "-c", READER, path]
        environment = {**os.environ, "PYTHONHASHSEED": "1"}
        reader = subprocess.run(command, env=environment, capture_output=True, text=True)
    expect(reader.returncode == 0, "another process cannot load the pickle")
    found = int(reader.stdout)
    expect(found == len(keys), f"after pickling {len(keys) - found} of {len(keys)} keys are lost")
    timed(lambda: pickle.loads(pickle.dumps(f)), items=1, bytes=len(data))


@work(
    "`F.from_bytes(f.to_bytes())`",
    f"{NAMES_1}; the forms of fastbloom-rs and pybloomfiltermmap3 are the bare bits",
    unit="round trip",
)
def bench_bytes(lib: Bloom, timed: Timed) -> None:
    """Through the library's own format."""
    f, keys = lib.filled(), lib.some(city_names())
    data = lib.dump(f)
    lib.check(lib.load(data, f), keys, lib.some(absent_names()), 0.01)
    timed(lambda: lib.load(lib.dump(f), f), items=1, bytes=len(data))


@work("False-positive rate and memory", chart="accuracy", points=TARGETS, rounds=1)
def bench_accuracy(lib: Bloom, record: Record, point: float, quick: bool) -> None:
    """Fill to capacity with random integers, then probe as many others or five times as many."""
    most = SMALL if quick else 1_000_000 if lib.role == "native" else 500_000
    n = min(lib.fill_keys, most)
    measure_accuracy(lib, record, n, point)


@work(
    "`key in f` against size",
    chart="cost",
    rounds=1,
    points=SIZES[:-1],
    full_points=(SIZES[-1], LARGE, HUGE),
    libraries=("fastblocks", "abloom", "rbloom"),
)
def bench_size_contains(lib: Bloom, timed: Timed, point: float, quick: bool) -> None:
    """Integers one by one, half of them present, in filters from L1 to memory."""
    f, probes = _sized(lib, int(point), SMALL if quick else 500_000)
    keys = probes.tolist()
    timed(lambda: lib.contains_each_int(f, keys), items=len(keys), bytes=lib.bits(f) / 8)


@work(
    "`f.contains_many(ints)` against size",
    chart="cost",
    rounds=1,
    points=SIZES,
    full_points=(LARGE, HUGE),
    libraries=("fastblocks",),
)
def bench_size_contains_many(lib: Bloom, timed: Timed, point: float, quick: bool) -> None:
    """Integers in one call, half of them present, in filters from L1 to memory."""
    f, keys = _sized(lib, int(point), SMALL if quick else 1_000_000)
    timed(lambda: lib.contains_ints(f, keys), items=len(keys), bytes=lib.bits(f) / 8)


def _sized(lib: Bloom, n: int, n_probes: int) -> tuple[Any, UINT64]:
    """Return a full filter of `n` keys at 1 % and shuffled probes, half of them present."""
    f = lib.create(n, 0.01)
    for chunk in integer_chunks(n):
        lib.update_ints(f, chunk)
    present = np.resize(next(integer_chunks(n)), n_probes // 2)
    expect(lib.count_ints(f, present) == len(present), "an added key is missing")
    probes = np.concatenate([present, integers(n_probes // 2, stream=1)])
    np.random.default_rng(0).shuffle(probes)
    return f, probes


def _time_ints(lib: Bloom, timed: Timed, added: UINT64, probes: UINT64) -> None:
    batch = lib.batch_ints(probes)
    lib.contains_ints(lib.create(10, 0.01), lib.batch_ints(probes[:1]))
    f = lib.create(len(added), 0.01)
    lib.update_ints(f, added)
    expect(lib.count_ints(f, added) == len(added), "an added key is missing")
    _check_batch(lib.contains_ints(f, batch), lib.answers(f, probes.tolist()))
    timed(lambda: lib.contains_ints(f, batch), items=len(probes))


def _check_batch(answers: Any, expected: list[bool]) -> None:
    expect(len(answers) == len(expected), "the batch has another length")
    expect(np.array_equal(np.asarray(answers), np.asarray(expected)), "batch and `in` differ")
