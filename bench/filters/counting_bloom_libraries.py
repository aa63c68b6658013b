"""The counting Bloom filters of other packages, used as their documentation says is fastest."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bench.data import UINT64, city_names
from bench.filters import bloom_libraries as bloom
from bench.model import Unsupported


class Counting(bloom.Bloom):
    """What all have in common, besides what they have as Bloom filters."""

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter."""
        return self.api.CountingBloomFilter(capacity, fp_rate)

    def filled(self) -> Any:
        """Return a filter of 1 % that is full of city names, as many as the library takes."""
        if self._filled is None:
            names = self.some(city_names())
            self._filled = self.create(len(names), 0.01)
            self.add_each(self._filled, names)
        return self._filled

    def remove_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Remove keys one by one: the loop that is timed."""
        remove = f.remove
        for key in keys:
            remove(key)

    def remove_ints(self, f: Any, keys: Any) -> None:
        """Remove a `batch_ints` in one call."""
        raise Unsupported("no batch removal")


class Native(Counting, bloom.Native):
    """fastblocks itself."""

    def remove_ints(self, f: Any, keys: Any) -> None:
        """Remove a uint64 array."""
        f.remove_many(keys)


class Pure(Native, bloom.Pure):
    """The pure-Python twin."""

    name, role, module = bloom.Pure.name, bloom.Pure.role, bloom.Pure.module
    max_keys = 2_000
    fill_keys = 5_000


class FastBloomRs(Counting, bloom.FastBloomRs):
    """4-bit counters in Rust, with typed methods and batches of lists, but none to remove."""

    max_keys = 100_000
    fill_keys = 100_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter that takes a key more than once, as the others do."""
        return self.api.CountingBloomFilter(capacity, fp_rate, True)

    def remove_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Remove by the method for str."""
        remove = f.remove_str
        for key in keys:
            remove(key)


class PyProbables(Counting):
    """32-bit counters in an `array`, in plain Python."""

    name = "pyprobables"
    module = "probables"
    distribution = "pyprobables"
    max_keys = 2_000
    fill_keys = 5_000

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add one by one, as text: there are no integer keys."""
        self.add_each(f, map(str, keys.tolist()))

    def answers(self, f: Any, keys: Sequence[Any]) -> list[bool]:
        """Look up one by one, integers as text."""
        return [str(key) in f for key in keys]

    def bits(self, f: Any) -> float:
        """Return the size of the counters in bits."""
        return float(8 * f.bloom.itemsize * len(f.bloom))


class CounterFloor(Counting, bloom.SetFloor):
    """Python's `Counter`: exact counts, every key kept."""

    name = "Counter"
    max_keys = 100_000
    fill_keys = 100_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty Counter."""
        return Counter[Any]()

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Count up."""
        for key in keys:
            f[key] += 1

    def remove_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Count down, and forget at 0."""
        for key in keys:
            if f[key] > 1:
                f[key] -= 1
            else:
                del f[key]

    def add_ints(self, f: Any, keys: Any) -> None:
        """Refuse."""
        raise Unsupported("no array input")

    def bits(self, f: Any) -> float:
        """Return the size of the table in bits, without keys and counts."""
        return 8.0 * sys.getsizeof(f)


LIBRARIES = (Native, Pure, FastBloomRs, PyProbables, CounterFloor)
