"""The HyperLogLogs of other packages, each used the way its documentation says is fastest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from bench.data import UINT64
from bench.model import Library, Role, Unsupported, expect

ERRORS = 5  # standard errors that an estimate may be off


class HyperLogLog(Library):
    """What all have in common; `s` is a sketch of the library throughout.

    Attributes
    ----------
    adding, asking : str
        Names of the methods that add a key and that return the estimate.
    """

    adding: ClassVar[str] = "add"
    asking: ClassVar[str] = "estimate"

    def create(self, p: int = 14) -> Any:
        """Return an empty sketch."""
        return self.api.HyperLogLog(p)

    def add_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one: the loop that is timed."""
        add = getattr(s, self.adding)
        for key in keys:
            add(key)

    def add_list(self, s: Any, keys: Sequence[str]) -> None:
        """Add a list of str in one call."""
        raise Unsupported("no batches")

    def batch_ints(self, keys: UINT64) -> Any:
        """Return integers in the form `add_ints` takes."""
        return keys.tolist()

    def add_ints(self, s: Any, keys: Any) -> None:
        """Add a `batch_ints` in whatever way is fastest."""
        self.add_each(s, keys)

    def estimate(self, s: Any) -> float:
        """Return the estimate."""
        return float(getattr(s, self.asking)())

    def estimate_after_each(self, s: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one and ask after each: the loop that is timed."""
        add, estimate = getattr(s, self.adding), getattr(s, self.asking)
        for key in keys:
            add(key)
            estimate()

    def merged(self, sketches: Sequence[Any]) -> Any:
        """Return a new sketch of all of them."""
        result = self.create()
        result.merge(*sketches)
        return result

    def bytes(self, s: Any) -> int:
        """Return the memory that the sketch takes."""
        return int(s.nbytes)

    def check(self, s: Any, n: int, p: int = 14) -> None:
        """Expect an estimate within `ERRORS` standard errors of the true number."""
        error = abs(self.estimate(s) / n - 1)
        expect(error < ERRORS * 1.04 / 2 ** (p / 2), f"the estimate is {error:.1%} off")


class Native(HyperLogLog):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def add_list(self, s: Any, keys: Sequence[str]) -> None:
        """Add a list."""
        s.add_many(keys)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return the array as it is."""
        return keys

    def add_ints(self, s: Any, keys: Any) -> None:
        """Add a uint64 array."""
        s.add_many(keys)


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 5_000


class DataSketches(HyperLogLog):
    """Apache DataSketches, in C++: HLL_8, its fastest kind."""

    name = "datasketches"
    module = "datasketches"
    distribution = "datasketches"
    max_keys = 100_000
    adding, asking = "update", "get_estimate"

    def create(self, p: int = 14) -> Any:
        """Return an empty sketch of one byte a register."""
        return self.api.hll_sketch(p, self.api.tgt_hll_type.HLL_8)

    def merged(self, sketches: Sequence[Any]) -> Any:
        """Return the union; it is asked like a sketch."""
        union = self.api.hll_union(14)
        for s in sketches:
            union.update(s)
        return union

    def bytes(self, s: Any) -> int:
        """Return the size of the updatable form, which is what lies in memory."""
        return int(s.get_updatable_serialization_bytes())


class DataSketches4(DataSketches):
    """The kind that takes the least memory."""

    name = "datasketches HLL_4"
    only = ("accuracy",)

    def create(self, p: int = 14) -> Any:
        """Return an empty sketch of four bits a register."""
        return self.api.hll_sketch(p, self.api.tgt_hll_type.HLL_4)


class Hll(HyperLogLog):
    """HLL, in C: str and bytes only."""

    name = "HLL"
    module = "HLL"
    distribution = "HLL"
    max_keys = 100_000
    asking = "cardinality"

    def batch_ints(self, keys: UINT64) -> Any:
        """Return each integer as bytes."""
        return [key.to_bytes(8, "little") for key in keys.tolist()]

    def merged(self, sketches: Sequence[Any]) -> Any:
        """Return a new sketch of all of them."""
        result = self.create()
        for s in sketches:
            result.merge(s)
        return result


class SetFloor(HyperLogLog):
    """A set of the keys: exact."""

    name = "set"
    role: ClassVar[Role] = "floor"
    only = ("add", "add_list", "add_ints")

    def create(self, p: int = 14) -> Any:
        """Return an empty set."""
        return set()

    def add_list(self, s: Any, keys: Sequence[str]) -> None:
        """Update it."""
        s.update(keys)

    def add_ints(self, s: Any, keys: Any) -> None:
        """Update it with a list."""
        s.update(keys)

    def estimate(self, s: Any) -> float:
        """Count."""
        return float(len(s))


PEERS = (DataSketches, DataSketches4, Hll)
