"""Scalable Bloom filter.

Every filter starts for a 64th of the keys that it is then given, so it grows six times: what a
user sees who does not know how many keys will come.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bench.data import absent_names, city_names, integers
from bench.filters import bloom_libraries as bloom
from bench.model import Record, Role, Timed, Unsupported, expect, work

GROWTH = 64
SMALL = 2_000
NAMES_1 = "200 k city names, 1 %, grown 64 times"


class Growing(bloom.Bloom):
    """What all have in common: made for a 64th of `capacity`; slow ones are given fewer keys."""

    fill_keys = 200_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter for a 64th of `capacity` keys."""
        return self.api.ScalableBloomFilter(max(capacity // GROWTH, 1), fp_rate)

    def names(self) -> list[str]:
        """Return the keys that are added."""
        return city_names()[: min(self.fill_keys, self.max_keys)]

    def others(self) -> list[str]:
        """Return as many that are not."""
        return absent_names()[: min(self.fill_keys, self.max_keys)]

    def filled(self) -> Any:
        """Return a filter of 1 % that holds `names`, made once."""
        if self._filled is None:
            self._filled = self.create(len(self.names()), 0.01)
            self.add_each(self._filled, self.names())
        return self._filled


class Native(Growing, bloom.Native):
    """fastblocks itself."""


class Pure(Growing, bloom.Pure):
    """The pure-Python twin."""

    max_keys = fill_keys = 1_000


class Sized(bloom.Native):
    """fastblocks' `BloomFilter`, made for all keys at once: what growing costs."""

    name = "BloomFilter"
    role: ClassVar[Role] = "floor"
    names, others, filled = Growing.names, Growing.others, Growing.filled
    fill_keys = 1_000_000
    only = ("contains_hits", "contains_ints", "accuracy")


class SetFloor(Growing, bloom.SetFloor):
    """Python's `set`."""

    only = ("contains_hits",)
    create = bloom.SetFloor.create


class PyBloomLive(Growing, bloom.PyBloomLive):
    """Slices in Python on `bitarray`, each four times the one before: its faster mode.

    It is given a third of the rate, since the rates of its four slices add up to 3.1 times that.
    """

    max_keys = fill_keys = 5_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter that will keep the rate."""
        return super().create(capacity, fp_rate / 3)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(sum(part.num_bits for part in f.filters))


class PyProbables(Growing):
    """Slices in Python, all of one size and rate, so each is given a 64th of the rate."""

    name = "pyprobables"
    module = "probables"
    distribution = "pyprobables"
    max_keys = fill_keys = 1_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter that will keep the rate."""
        return self.api.ExpandingBloomFilter(max(capacity // GROWTH, 1), fp_rate / GROWTH)

    def update(self, f: Any, keys: Any) -> None:
        """Refuse."""
        raise Unsupported("no update: only a loop over add")

    def update_ints(self, f: Any, keys: Any) -> None:
        """Add one by one, as bytes."""
        for key in keys:
            f.add(key.tobytes())

    def count_ints(self, f: Any, keys: Any) -> int:
        """Look up one by one, as bytes."""
        return sum(key.tobytes() in f for key in keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(sum(part.number_bits for part in f._blooms))


LIBRARIES = (Native, Pure, PyBloomLive, PyProbables, Sized, SetFloor)


@work("`key in f`, present", NAMES_1, headline=True, rounds=2)
def bench_contains_hits(lib: Growing, timed: Timed) -> None:
    """Every key is there, half of them in the newest slice."""
    f, keys = lib.filled(), lib.names()
    lib.check(f, keys, lib.others(), 0.01)
    timed(lambda: lib.contains_each(f, keys), items=len(keys))


@work("`f.add(key)`", f"{NAMES_1}; includes making the filter", headline=True, rounds=2)
def bench_add(lib: Growing, timed: Timed) -> None:
    """A new filter, filled key by key."""
    keys = lib.names()

    def fill() -> Any:
        f = lib.create(len(keys), 0.01)
        lib.add_each(f, keys)
        return f

    lib.check(fill(), keys, lib.others(), 0.01)
    timed(fill, items=len(keys))


@work("`f.contains_many(list)`", f"{NAMES_1}, half present", rounds=2)
def bench_contains_list(lib: Growing, timed: Timed) -> None:
    """A list of str in one call."""
    pairs = zip(lib.names()[::2], lib.others()[::2], strict=False)
    keys = [key for pair in pairs for key in pair]
    answers = lib.contains_list(lib.filled(), keys)
    expect(list(answers) == lib.answers(lib.filled(), keys), "batch and `in` differ")
    timed(lambda: lib.contains_list(lib.filled(), keys), items=len(keys))


@work(
    "`f.contains_many(ints)`",
    "uint64[640 k], 1 %, grown 64 times, half present",
    headline=True,
    rounds=2,
)
def bench_contains_ints(lib: Growing, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    n = min(lib.max_keys, SMALL if quick else 640_000)
    present, probes = integers(n), np.concatenate([integers(n // 2), integers(n // 2, stream=1)])
    np.random.default_rng(0).shuffle(probes)
    f, batch = lib.create(n, 0.01), lib.batch_ints(probes)
    lib.contains_ints(f, lib.batch_ints(probes[:1]))
    lib.update_ints(f, present)
    expect(lib.count_ints(f, present) == n, "an added key is missing")
    expect(
        np.asarray(lib.contains_ints(f, batch)).tolist() == lib.answers(f, probes.tolist()),
        "batch and `in` differ",
    )
    timed(lambda: lib.contains_ints(f, batch), items=len(probes))


@work(
    "False-positive rate and memory after growing 64 times",
    chart="accuracy",
    points=(0.01, 0.0001),
    rounds=1,
)
def bench_accuracy(lib: Growing, record: Record, point: float, quick: bool) -> None:
    """Fill with 64 times the initial capacity, then probe as many others or five times as many."""
    n = min(lib.fill_keys, SMALL if quick else 640_000)
    bloom.measure_accuracy(lib, record, n, point)
