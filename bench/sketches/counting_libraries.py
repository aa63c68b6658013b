"""Other ways to count keys, each used the way its documentation says is fastest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from bench.data import UINT64, city_names
from bench.model import Library, Role, Unsupported, expect


@cache
def requests(skew: float) -> list[str]:
    """Return 100,000 Zipf-distributed requests for city names."""
    names = city_names()
    weights = np.arange(1, len(names) + 1) ** -skew
    picks = np.random.default_rng(1).choice(len(names), 100_000, p=weights / weights.sum())
    return [names[i] for i in picks.tolist()]


class Counting(Library):
    """What all have in common; `s` is a sketch of the library throughout."""

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Count keys one by one: the loop that is timed."""
        add = s.add
        for key in keys:
            add(key)

    def estimate_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one: the loop that is timed."""
        estimate = s.estimate
        for key in keys:
            estimate(key)

    def add_batch(self, s: Any, keys: Any) -> None:
        """Count a batch in one call."""
        raise Unsupported("no batches")

    def estimate_batch(self, s: Any, keys: Any) -> Any:
        """Look up a batch in one call."""
        raise Unsupported("no batches")

    def batch_ints(self, keys: UINT64) -> Any:
        """Return integers in the form the batch methods take."""
        raise Unsupported("no batches")

    def estimates(self, s: Any, keys: Sequence[Any]) -> list[int]:
        """Return the estimates of str or int keys, for checks."""
        return [int(s.estimate(key)) for key in keys]

    def check(self, s: Any, keys: Sequence[Any], most: int = 1 << 32) -> None:
        """Expect that no key of a stream just counted is estimated too low."""
        counts = Counter(keys)
        some = list(counts)[:2000]
        found = self.estimates(s, some)
        low = sum(n < min(counts[key], most) for n, key in zip(found, some, strict=True))
        expect(not low, f"{low} of {len(some)} keys are estimated too low")


class Native(Counting):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def estimate_batch(self, s: Any, keys: Any) -> Any:
        """Look up a batch."""
        return s.estimate_many(keys)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return the array as it is."""
        return keys


class CounterFloor(Counting):
    """Python's `Counter`: exact, every key kept."""

    name = "Counter"
    role: ClassVar[Role] = "floor"
    max_keys = 200_000

    def create(self, *args: Any) -> Any:
        """Return an empty counter."""
        return Counter()

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Count keys one by one."""
        for key in keys:
            s[key] += 1

    def estimate_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one."""
        for key in keys:
            s[key]

    def add_batch(self, s: Any, keys: Any) -> None:
        """Count a list by `update`."""
        s.update(keys)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list."""
        return keys.tolist()

    def estimates(self, s: Any, keys: Sequence[Any]) -> list[int]:
        """Return the counts."""
        return [s[key] for key in keys]


class EmptyLoop(Counting):
    """Nothing at all, once per key."""

    name = "empty loop"
    role: ClassVar[Role] = "floor"
    only = ("add", "estimate")

    def create(self, *args: Any) -> Any:
        """Return nothing."""

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Loop."""
        for _ in keys:
            pass

    estimate_each = add_each

    def check(self, s: Any, keys: Sequence[Any], most: int = 0) -> None:
        """Accept: there is no answer."""


class PyProbables(Counting):
    """A count-min sketch in Python, with 32-bit counters."""

    name = "pyprobables"
    module = "probables"
    distribution = "pyprobables"
    max_keys = 1_000

    def create(self, width: int, depth: int) -> Any:
        """Return an empty sketch."""
        return self.api.CountMinSketch(width=width, depth=depth)

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Count keys one by one; an int by its decimal digits, since only text and bytes do."""
        add = s.add
        for key in keys:
            add(key if isinstance(key, str) else str(key))

    def estimate_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one."""
        check = s.check
        for key in keys:
            check(key)

    def estimates(self, s: Any, keys: Sequence[Any]) -> list[int]:
        """Return the estimates."""
        return [s.check(key if isinstance(key, str) else str(key)) for key in keys]
