"""The Bloom filters of other packages, each used the way its documentation says is fastest."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import UINT64, city_names, integer_chunks, integers
from bench.model import Library, Record, Role, Unsupported, expect


class Bloom(Library):
    """What all have in common; `f` is a filter of the library throughout.

    The defaults fit a filter with `set`'s manners: ``key in f``, ``f.add``, ``f.update``.

    Attributes
    ----------
    fill_keys : int
        How many keys the measurement of false positives and memory adds and probes.
    """

    fill_keys: ClassVar[int] = 1_000_000
    _filled: Any = None

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter."""
        return self.api.BloomFilter(capacity, fp_rate)

    def filled(self) -> Any:
        """Return a filter of 1 % that holds the city names, made once, checked when made."""
        if self._filled is None:
            self._filled = self.create(len(city_names()), 0.01)
            self.add_each(self._filled, city_names())
        return self._filled

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Add keys one by one: the loop that is timed."""
        add = f.add
        for key in keys:
            add(key)

    def contains_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Look keys up one by one: the loop that is timed."""
        for key in keys:
            if key in f:
                pass

    def contains_each_int(self, f: Any, keys: Iterable[int]) -> None:
        """Look integers up one by one."""
        self.contains_each(f, keys)

    def update(self, f: Any, keys: Sequence[str]) -> None:
        """Add a list of str in one call."""
        f.update(keys)

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add integers in whatever way is fastest."""
        f.update(keys.tolist())

    def answers(self, f: Any, keys: Sequence[Any]) -> list[bool]:
        """Return the answers for str or int keys, for checks."""
        return [key in f for key in keys]

    def count_ints(self, f: Any, keys: UINT64) -> int:
        """Return how many of `keys` the filter holds, in whatever way is fastest."""
        return sum(self.answers(f, keys.tolist()))

    def contains_list(self, f: Any, keys: Sequence[str]) -> Any:
        """Look up a list of str in one call."""
        raise Unsupported("no batch lookup")

    def batch_ints(self, keys: UINT64) -> Any:
        """Return integers in the form the batch methods take."""
        raise Unsupported("no batch of integers")

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Look up a `batch_ints` in one call."""
        raise Unsupported("no batch lookup")

    def add_ints(self, f: Any, keys: Any) -> None:
        """Add a `batch_ints` in one call."""
        f.update(keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        raise NotImplementedError

    def dump(self, f: Any) -> bytes:
        """Return the filter in the library's own format."""
        raise Unsupported("no serialised form")

    def load(self, data: bytes, f: Any) -> Any:
        """Return the filter that `dump` of `f` gave `data` for."""
        raise NotImplementedError

    def check(self, f: Any, present: Sequence[Any], absent: Sequence[Any], rate: float) -> None:
        """Expect every key present, and at most twice the target of absent keys."""
        expect(all(self.answers(f, present)), "an added key is missing")
        found = sum(self.answers(f, absent))
        limit = 2 * rate * len(absent) + 10
        expect(found <= limit, f"{found / len(absent):.2%} false positives, target {rate:.2%}")


class Native(Bloom):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add a uint64 array."""
        f.add_many(keys)

    def count_ints(self, f: Any, keys: UINT64) -> int:
        """Count the answers to a uint64 array."""
        return int(f.contains_many(keys).sum())

    def contains_list(self, f: Any, keys: Any) -> Any:
        """Look up a list, or an Arrow array."""
        return f.contains_many(keys)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return the array as it is."""
        return keys

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Look up a uint64 array."""
        return f.contains_many(keys)

    def add_ints(self, f: Any, keys: Any) -> None:
        """Add a uint64 array."""
        f.add_many(keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.nbytes)

    def dump(self, f: Any) -> bytes:
        """Serialise by `to_bytes`."""
        return bytes(f.to_bytes())

    def load(self, data: bytes, f: Any) -> Any:
        """Restore by `from_bytes`."""
        return type(f).from_bytes(data)


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 5_000
    fill_keys = 20_000


class SetFloor(Bloom):
    """Python's `set`: no false positives, every key kept."""

    name = "set"
    role: ClassVar[Role] = "floor"
    fill_keys = 200_000

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty set."""
        return set()

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list."""
        return keys.tolist()

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Refuse."""
        raise Unsupported("no batch lookup")

    def bits(self, f: Any) -> float:
        """Return the size of the table in bits, without the keys it points to."""
        return 8.0 * sys.getsizeof(f)


class EmptyLoop(Bloom):
    """Nothing at all, once per key."""

    name = "empty loop"
    role: ClassVar[Role] = "floor"
    only = ("contains_hits", "contains_misses", "add")

    def filled(self) -> Any:
        """Return nothing."""

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return nothing."""

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Loop."""
        for _ in keys:
            pass

    contains_each = add_each

    def check(self, f: Any, present: Sequence[Any], absent: Sequence[Any], rate: float) -> None:
        """Accept: there is no answer."""


class Abloom(Bloom):
    """A split-block filter in C; `serializable=True` makes it keep its answers elsewhere."""

    name = "abloom"
    module = "abloom"
    distribution = "abloom"

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter with a hash that is the same in every process."""
        return self.api.BloomFilter(capacity, fp_rate, serializable=True)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list: there is no array input."""
        return keys.tolist()

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(f.bit_count)

    def dump(self, f: Any) -> bytes:
        """Serialise by `to_bytes`."""
        return bytes(f.to_bytes())

    def load(self, data: bytes, f: Any) -> Any:
        """Restore by `from_bytes`."""
        return self.api.BloomFilter.from_bytes(data)


class Rbloom(Bloom):
    """A filter in Rust with `set`'s manners, on Python's own hash."""

    name = "rbloom"
    module = "rbloom"
    distribution = "rbloom"

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return an empty filter."""
        return self.api.Bloom(capacity, fp_rate)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list: there is no array input."""
        return keys.tolist()

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(f.size_in_bits)

    def dump(self, f: Any) -> bytes:
        """Refuse: its format cannot hold filters on the built-in hash."""
        raise Unsupported("only with a hash function of your own in Python")


class PyBloomFilterMmap(Bloom):
    """A filter in C on a memory-mapped file, here in memory."""

    name = "pybloomfiltermmap3"
    module = "pybloomfilter"
    distribution = "pybloomfiltermmap3"
    fill_keys = 500_000

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list: there is no array input."""
        return keys.tolist()

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(f.num_bits)

    def dump(self, f: Any) -> bytes:
        """Return the bit vector; the hash seeds must be kept beside it."""
        return bytes(f.data_array)

    def load(self, data: bytes, f: Any) -> Any:
        """Restore from the bit vector and the seeds."""
        return self.api.BloomFilter(
            f.capacity, f.error_rate, data_array=data, hash_seeds=f.hash_seeds
        )


class FastBloomRs(Bloom):
    """A filter in Rust with typed methods and batches of lists."""

    name = "fastbloom-rs"
    module = "fastbloom_rs"
    distribution = "fastbloom-rs"

    def add_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Add by the method for str."""
        add = f.add_str
        for key in keys:
            add(key)

    def contains_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Look up by the method for str."""
        contains = f.contains_str
        for key in keys:
            contains(key)

    def update(self, f: Any, keys: Sequence[str]) -> None:
        """Add a list of str."""
        f.add_str_batch(keys)

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add a list of int."""
        f.add_int_batch(keys.tolist())

    def answers(self, f: Any, keys: Sequence[Any]) -> list[bool]:
        """Return the answers of the batch method of the type."""
        if isinstance(keys[0], str):
            return list(f.contains_str_batch(keys))
        return list(f.contains_int_batch(keys))

    def contains_list(self, f: Any, keys: Any) -> Any:
        """Look up a list of str."""
        if not isinstance(keys, list):
            raise Unsupported("no Arrow input")
        return f.contains_str_batch(keys)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a list, twice as fast here as an array."""
        return keys.tolist()

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Look up a list of int."""
        return f.contains_int_batch(keys)

    def add_ints(self, f: Any, keys: Any) -> None:
        """Add a list of int."""
        f.add_int_batch(keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return 8.0 * len(f.get_bytes())

    def dump(self, f: Any) -> bytes:
        """Return the bit vector; the number of hashes must be kept beside it."""
        return bytes(f.get_bytes())

    def load(self, data: bytes, f: Any) -> Any:
        """Restore from the bit vector and the number of hashes."""
        return self.api.BloomFilter.from_bytes(data, f.hashes())


class PyBloomLive(Bloom):
    """A filter in Python on `bitarray`."""

    name = "pybloom-live"
    module = "pybloom_live"
    distribution = "pybloom-live"
    max_keys = 20_000
    fill_keys = 100_000

    def update(self, f: Any, keys: Sequence[str]) -> None:
        """Refuse."""
        raise Unsupported("no update: only a loop over add")

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add one by one."""
        self.add_each(f, keys.tolist())

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(f.num_bits)

    def dump(self, f: Any) -> bytes:
        """Serialise by `tofile`."""
        buffer = io.BytesIO()
        f.tofile(buffer)
        return buffer.getvalue()

    def load(self, data: bytes, f: Any) -> Any:
        """Restore by `fromfile`."""
        return self.api.BloomFilter.fromfile(io.BytesIO(data))


class Numba(Bloom):
    """Blocks of eight words of 32 bits, written in Numba, in compiled loops."""

    name = "Numba"
    module = "bench.jit.compiled"
    distribution = "numba"
    only = ("contains_ids", "contains_ints", "add_ints")

    def create(self, capacity: int, fp_rate: float) -> Any:
        """Return the words of an empty filter, 11 bits a key."""
        return self.api.bloom(capacity)

    def batch_ints(self, keys: UINT64) -> Any:
        """Return the array as it is."""
        return keys

    def update_ints(self, f: Any, keys: UINT64) -> None:
        """Add a uint64 array."""
        self.api.bloom_add(f, keys)

    add_ints = update_ints

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Look up a uint64 array."""
        return self.api.contains_alone(f, keys)

    def count_ints(self, f: Any, keys: UINT64) -> int:
        """Count the answers to a uint64 array."""
        return int(self.contains_ints(f, keys).sum())

    def answers(self, f: Any, keys: Sequence[Any]) -> list[bool]:
        """Look up all: there is no other way."""
        return list(self.contains_ints(f, np.array(keys, np.uint64)))


PEERS = (Abloom, Rbloom, PyBloomFilterMmap, FastBloomRs, PyBloomLive, Numba)


def measure_accuracy(lib: Bloom, record: Record, n: int, point: float) -> None:
    """Add n random integers to a new filter, then probe as many others or five times as many."""
    f = lib.create(n, point)
    lib.update_ints(f, integers(n))
    present = integers(n)[:20_000]
    expect(lib.count_ints(f, present) == len(present), "an added key is missing")
    probes = n * (5 if lib.role == "native" else 1)
    found = sum(lib.count_ints(f, chunk) for chunk in integer_chunks(probes, stream=1))
    record(bits=lib.bits(f) / n, rate=found / probes, found=found, keys=n, probes=probes)
