"""The heavy hitters of other packages, each used the way its documentation says is fastest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from bench.data import UINT64
from bench.model import Library, Role, Unsupported


class Heavy(Library):
    """What all have in common; `t` is a summary of the library throughout."""

    def create(self, k: int) -> Any:
        """Return an empty summary that tells `k` keys apart."""
        return self.api.TopK(k)

    def add_each(self, t: Any, keys: Iterable[str]) -> None:
        """Count keys one by one: the loop that is timed."""
        add = t.add
        for key in keys:
            add(key)

    def add_list(self, t: Any, keys: list[str]) -> None:
        """Count a list of str in one call."""
        raise Unsupported("no batches")

    def add_ints(self, t: Any, keys: UINT64) -> None:
        """Count integers in whatever way is fastest."""
        raise Unsupported("keys are str only")

    def create_ints(self, k: int) -> Any:
        """Return an empty summary for integers."""
        return self.create(k)

    def top(self, t: Any, n: int) -> list[Any]:
        """Return the n hottest keys, hottest first."""
        return [hit.key for hit in t.top(n)]

    def size(self, t: Any) -> float:
        """Return the bytes of memory that a summary of integers takes."""
        return float(t.nbytes)


class Native(Heavy):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def add_list(self, t: Any, keys: list[str]) -> None:
        """Count by `add_many`."""
        t.add_many(keys)

    def add_ints(self, t: Any, keys: UINT64) -> None:
        """Count the array by `add_many`."""
        t.add_many(keys)


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    distribution = ""
    max_keys = 5_000


class DataSketches(Heavy):
    """Frequent items in C++; a map of 8 times k entries, which takes about the same memory."""

    name = "datasketches"
    module = "datasketches"
    distribution = "datasketches"

    def create(self, k: int) -> Any:
        """Return a sketch of strings, which holds them in C++."""
        return self.api.frequent_strings_sketch((8 * k - 1).bit_length())

    def create_ints(self, k: int) -> Any:
        """Return a sketch of Python objects."""
        return self.api.frequent_items_sketch((8 * k - 1).bit_length())

    def add_each(self, t: Any, keys: Iterable[str]) -> None:
        """Count by `update`."""
        update = t.update
        for key in keys:
            update(key)

    def add_ints(self, t: Any, keys: UINT64) -> None:
        """Count in a loop over a list: there is no batch."""
        update = t.update
        for key in keys.tolist():
            update(key)

    def top(self, t: Any, n: int) -> list[Any]:
        """Return the first n of all that may be frequent."""
        kind = self.api.frequent_items_error_type.NO_FALSE_NEGATIVES
        return [row[0] for row in t.get_frequent_items(kind)[:n]]

    def size(self, t: Any) -> float:
        """Return its arrays of keys, counts and states (18 bytes an entry), and the ints."""
        entries = round(3.5 / t.epsilon)
        return float(18 * entries + 32 * t.num_active_items)


class PyProbables(Heavy):
    """A count-min sketch in Python with a dict of the hottest."""

    name = "pyprobables"
    module = "probables"
    distribution = "pyprobables"
    max_keys = 2_000

    def create(self, k: int) -> Any:
        """Return a sketch of about the same memory."""
        return self.api.HeavyHitters(num_hitters=k, width=8 * k, depth=5)

    def top(self, t: Any, n: int) -> list[Any]:
        """Sort the dict."""
        hitters = t.heavy_hitters
        return sorted(hitters, key=hitters.__getitem__, reverse=True)[:n]


class CounterFloor(Heavy):
    """Python's own Counter, which holds every key: what exactness costs."""

    name = "Counter"
    role: ClassVar[Role] = "floor"
    only = ("add", "add_list", "add_ints")

    def create(self, k: int) -> Any:
        """Return an empty Counter."""
        return Counter()

    def add_each(self, t: Any, keys: Iterable[str]) -> None:
        """Count one by one."""
        for key in keys:
            t[key] += 1

    def add_list(self, t: Any, keys: Sequence[str]) -> None:
        """Count in C."""
        t.update(keys)

    def add_ints(self, t: Any, keys: UINT64) -> None:
        """Count a list of int in C."""
        t.update(keys.tolist())

    def top(self, t: Any, n: int) -> list[Any]:
        """Return the most common."""
        return [key for key, _ in t.most_common(n)]


PEERS = (DataSketches, PyProbables)
