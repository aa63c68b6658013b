"""Rotating Bloom filter.

"Have I seen this key in the last hour?" No other package answers that; the peers are what people
build of them: two Bloom filters that a class in Python swaps when the hour is over. Each of the
two has half the rate, as each of ours has.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from bench.data import UINT64, city_names, integers
from bench.model import Library, Record, Role, Timed, Unsupported, expect, work

WINDOW = 3600.0
SMALL = 2_000
NAMES_1 = "200 k city names, 1 %"


class Seen(Library):
    """What all have in common; `f` is a filter of the library throughout."""

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter with a window of an hour."""
        raise NotImplementedError

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one: the loop that is timed."""
        add = f.add
        for key in keys:
            if add(key):
                pass

    def batch(self, keys: Any) -> Any:
        """Return keys in the form in which they are added fastest."""
        return keys.tolist() if isinstance(keys, np.ndarray) else keys

    def add_batch(self, f: Any, keys: Any) -> Any:
        """Add a `batch` and return for each key whether it was new."""
        return list(map(f.add, keys))

    def contains_batch(self, f: Any, keys: Any) -> Any:
        """Look up a `batch`."""
        raise Unsupported("no batch lookup")

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        raise NotImplementedError


class Native(Seen):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return a filter of two generations."""
        return self.api.RotatingBloomFilter(capacity, fp_rate, WINDOW)

    def batch(self, keys: Any) -> Any:
        """Return the array or list as it is."""
        return keys

    def add_batch(self, f: Any, keys: Any) -> Any:
        """Add by `add_many`."""
        return f.add_many(keys)

    def contains_batch(self, f: Any, keys: Any) -> Any:
        """Look up by `contains_many`."""
        return f.contains_many(keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.nbytes)


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 1_000


class Swapped:
    """Two Bloom filters that take turns, written by hand; `make` returns an empty one."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.current, self.previous = make(), make()
        self.due = time.monotonic() + WINDOW

    def turn(self) -> None:
        """Start a new filter if the hour is over."""
        now = time.monotonic()
        if now >= self.due:
            late = now >= self.due + WINDOW
            self.previous = self.make() if late else self.current
            self.current = self.make()
            self.due = now + WINDOW

    def add(self, key: Any) -> bool:
        """Add a key, and return whether neither filter held it."""
        self.turn()
        new = key not in self.current and key not in self.previous
        self.current.add(key)
        return new

    def __contains__(self, key: Any) -> bool:
        self.turn()
        return key in self.current or key in self.previous


class Pair(Seen):
    """Two filters of a package, swapped by hand."""

    def make(self, capacity: int, fp_rate: float) -> Any:
        """Return one empty filter."""
        raise NotImplementedError

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return two filters of half the rate."""
        return Swapped(lambda: self.make(capacity, fp_rate / 2))


class Rbloom(Pair):
    """Two filters in Rust."""

    name = "rbloom x2"
    module = "rbloom"
    distribution = "rbloom"
    max_keys = 20_000

    def make(self, capacity: int, fp_rate: float) -> Any:
        """Return one empty filter."""
        return self.api.Bloom(capacity, fp_rate)

    def bits(self, f: Any) -> float:
        """Return the size of both in bits."""
        return float(f.current.size_in_bits + f.previous.size_in_bits)


class PyBloomLive(Pair):
    """Two filters in Python on `bitarray`."""

    name = "pybloom-live x2"
    module = "pybloom_live"
    distribution = "pybloom-live"
    max_keys = 2_000

    def make(self, capacity: int, fp_rate: float) -> Any:
        """Return one empty filter."""
        return self.api.BloomFilter(capacity, fp_rate)

    def bits(self, f: Any) -> float:
        """Return the size of both in bits."""
        return float(f.current.num_bits + f.previous.num_bits)


class TimedDict:
    """A dict from keys to the time they were last seen, which nobody cleans."""

    def __init__(self) -> None:
        self.times: dict[Any, float] = {}

    def add(self, key: Any) -> bool:
        """Add a key, and return whether it was not seen for an hour."""
        now = time.monotonic()
        new = now - self.times.get(key, -WINDOW - 1) > WINDOW
        self.times[key] = now
        return new


class DictFloor(Seen):
    """Python's `dict`: no false positives, every key kept."""

    name = "dict of times"
    role: ClassVar[Role] = "floor"
    only = ("add",)
    max_keys = 100_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty dict."""
        return TimedDict()


LIBRARIES = (Native, Pure, Rbloom, PyBloomLive, DictFloor)


def _expect_new(answers: Any, keys: Any, fp_rate: float) -> None:
    """Expect a key to be new the first time, but for false positives, and never again."""
    new = np.asarray(answers)
    _, firsts = np.unique(np.asarray(keys), return_index=True)
    expect(new.sum() == new[firsts].sum(), "a seen key is called new")
    missed = len(firsts) - int(new.sum())
    limit = fp_rate * len(firsts) + 10
    expect(missed <= limit, f"{missed} of {len(firsts)} new keys are called seen")


@work(
    "`f.add(key)`",
    f"{NAMES_1}, window of an hour; includes making the filter",
    headline=True,
    rounds=2,
)
def bench_add(lib: Seen, timed: Timed) -> None:
    """A new filter, filled key by key, that tells of each whether it is new."""
    keys = lib.some(city_names())
    f = lib.create(len(city_names()), 0.01)
    _expect_new([f.add(key) for key in keys], keys, 0.01)
    expect(not any(map(f.add, keys)), "a seen key is called new")
    timed(lambda: lib.add_each(lib.create(len(city_names()), 0.01), keys), items=len(keys))


@work("`f.add_many(list)`", f"{NAMES_1}, each twice; includes making the filter", rounds=2)
def bench_add_list(lib: Seen, timed: Timed) -> None:
    """A list of str in one call, with an answer for each."""
    keys = [key for key in lib.some(city_names()) for _ in range(2)]
    _expect_new(lib.add_batch(lib.create(len(city_names()), 0.01), keys), keys, 0.01)
    timed(lambda: lib.add_batch(lib.create(len(city_names()), 0.01), keys), items=len(keys))


@work(
    "`f.add_many(ints)`",
    "uint64[1 M] of 0.5 M distinct, 1 %; includes making the filter",
    headline=True,
    rounds=2,
)
def bench_add_ints(lib: Seen, timed: Timed, quick: bool) -> None:
    """Integers in one call, with an answer for each; peers get a list."""
    keys = _stream(SMALL if quick else 1_000_000)[: lib.max_keys]
    capacity, batch = len(keys), lib.batch(keys)
    _expect_new(lib.add_batch(lib.create(capacity, 0.01), batch), keys, 0.01)
    timed(lambda: lib.add_batch(lib.create(capacity, 0.01), batch), items=len(keys))


@work("`f.contains_many(ints)`", "uint64[1 M], filter of 1 M, 1 %, half present", rounds=2)
def bench_contains_ints(lib: Seen, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    lib.contains_batch(lib.create(10, 0.01), lib.batch(np.arange(2)))
    n = min(SMALL if quick else 1_000_000, lib.max_keys)
    present, absent = integers(n), integers(n // 2, stream=1)
    f = lib.create(n, 0.01)
    lib.add_batch(f, lib.batch(present))
    probes = np.concatenate([present[: n // 2], absent])
    expect(np.all(lib.contains_batch(f, present)), "an added key is missing")
    expect(np.mean(lib.contains_batch(f, absent)) <= 0.01, "too many false positives")
    np.random.default_rng(0).shuffle(probes)
    timed(lambda: lib.contains_batch(f, probes), items=len(probes))


@work(
    "False-positive rate and memory",
    "one generation full",
    chart="accuracy",
    points=(0.01, 0.0001),
    rounds=1,
)
def bench_accuracy(lib: Seen, record: Record, point: float, quick: bool) -> None:
    """Add `capacity` integers and probe as many others."""
    n = min(lib.max_keys, SMALL if quick else 200_000)
    f = lib.create(n, point)
    lib.add_batch(f, lib.batch(integers(n)))
    probes = integers(n, stream=1).tolist()
    found = sum(key in f for key in probes)
    record(bits=lib.bits(f) / n, rate=found / n, found=found, keys=n, probes=n)


def _stream(n: int) -> UINT64:
    """Return `n` integers in random order, each twice."""
    keys = np.repeat(integers(n // 2), 2)
    np.random.default_rng(0).shuffle(keys)
    return keys
