"""Jump consistent hash.

Integers are random 64-bit keys, all different, as a table of ids has them: the branch predictor
cannot learn them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import UINT64, city_names, integers
from bench.model import Library, Role, Timed, Unsupported, expect, work

# Of the paper's program: (key, buckets) -> bucket.
VECTORS = {(0, 1): 0, (0xDEAD10CC, 666): 361, (256, 1024): 520}


class Jump(Library):
    """A library that has the paper's function.

    Attributes
    ----------
    one : callable
        The function of a key and the number of buckets.
    """

    one: Any = None

    def check(self) -> None:
        """Compare with the paper's program."""
        for (key, buckets), bucket in VECTORS.items():
            expect(self.one(key, buckets) == bucket, f"the bucket of {key} of {buckets}")

    def each(self, keys: Sequence[Any], buckets: int) -> None:
        """Ask for one key after another: the loop that is timed."""
        function = self.one
        for key in keys:
            function(key, buckets)

    def many(self, keys: UINT64, buckets: int) -> Any:
        """Return the bucket of every key of an array; by a loop where there is no batch."""
        function = self.one
        return [function(key, buckets) for key in keys.tolist()]


class Native(Jump):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.ring"
    distribution = "fastblocks"

    def __init__(self) -> None:
        super().__init__()
        self.one = self.api.jump_hash

    def many(self, keys: UINT64, buckets: int) -> Any:
        """Ask in one call."""
        return self.api.jump_hash_many(keys, buckets)


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.ring"
    max_keys = 5_000


class JumpConsistentHash(Jump):
    """A binding of the function in C."""

    name = "jump-consistent-hash"
    module = "jump"
    distribution = "jump-consistent-hash"
    max_keys = 200_000

    def __init__(self) -> None:
        super().__init__()
        self.one = self.api.hash

    def each(self, keys: Sequence[Any], buckets: int) -> None:
        """Refuse text: which hash comes first is the caller's choice."""
        if isinstance(keys[0], str):
            raise Unsupported("integers only")
        super().each(keys, buckets)


class Numba(Jump):
    """The paper's program in Numba, in a compiled loop."""

    name = "Numba"
    module = "bench.jit.compiled"
    distribution = "numba"
    only = ("many_10", "many_100", "many_1000")

    def one(self, key: Any, buckets: int) -> int:
        """Ask for one key of an array."""
        return int(self.many(np.array([key], np.uint64), buckets)[0])

    def many(self, keys: UINT64, buckets: int) -> Any:
        """Ask in one call."""
        return self.api.jump_alone(keys, buckets)


class ModuloFloor(Jump):
    """The hash modulo the number of buckets, which moves nearly all keys when it changes."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    only = ("int_1000", "str_1000", "many_1000")

    def check(self) -> None:
        """There is nothing to compare with."""

    def one(self, key: Any, buckets: int) -> int:
        """Take the remainder."""
        return hash(key) % buckets

    def many(self, keys: UINT64, buckets: int) -> Any:
        """Take the remainders of an array, as of Python's integers."""
        return keys % (2**61 - 1) % buckets


LIBRARIES = (Native, Pure, JumpConsistentHash, Numba, ModuloFloor)


def _time_each(lib: Jump, timed: Timed, keys: Sequence[Any], buckets: int) -> None:
    lib.check()
    some = lib.some(keys)
    timed(lambda: lib.each(some, buckets), items=len(some))


def _time_many(lib: Jump, timed: Timed, buckets: int, quick: bool) -> None:
    lib.check()
    keys = integers(2_000 if quick else 1_000_000)[: lib.max_keys]
    found = lib.many(keys, buckets)
    for i in range(0, len(keys), len(keys) // 100):
        expect(found[i] == lib.one(int(keys[i]), buckets), "batch and scalar differ")
    timed(lambda: lib.many(keys, buckets), items=len(keys))


@work("`jump_hash(int, 10)`", "200 k random integers", rounds=1)
def bench_int_10(lib: Jump, timed: Timed) -> None:
    """Integers one by one."""
    _time_each(lib, timed, integers(200_000).tolist(), 10)


@work("`jump_hash(int, 100)`", "200 k random integers", rounds=1)
def bench_int_100(lib: Jump, timed: Timed) -> None:
    """Integers one by one."""
    _time_each(lib, timed, integers(200_000).tolist(), 100)


@work("`jump_hash(int, 1000)`", "200 k random integers", headline=True, rounds=2)
def bench_int_1000(lib: Jump, timed: Timed) -> None:
    """Integers one by one."""
    _time_each(lib, timed, integers(200_000).tolist(), 1000)


@work("`jump_hash(str, 1000)`", "200 k city names", rounds=1)
def bench_str_1000(lib: Jump, timed: Timed) -> None:
    """Text one by one."""
    _time_each(lib, timed, city_names(), 1000)


@work("`jump_hash_many(ints, 10)`", "uint64[1 M]; peers: a call per key", rounds=1)
def bench_many_10(lib: Jump, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 10, quick)


@work("`jump_hash_many(ints, 100)`", "uint64[1 M]; peers: a call per key", rounds=1)
def bench_many_100(lib: Jump, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 100, quick)


@work("`jump_hash_many(ints, 1000)`", "uint64[1 M]; peers: a call per key", headline=True, rounds=2)
def bench_many_1000(lib: Jump, timed: Timed, quick: bool) -> None:
    """Integers in one call."""
    _time_many(lib, timed, 1000, quick)
