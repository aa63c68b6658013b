"""XXH3-64 hashing of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bench.data import as_arrow, city_names, integers
from bench.model import Library, Role, Timed, Unsupported, expect, work

VECTORS = {
    b"": 0x2D06800538D394C2,
    b"a": 0xE6C632B61E964E1F,
    b"Vila": 0x57763A3010C9DC3C,
    b"abcdefghijklmnopqrst": 0x67CB7B2AFE010BB6,
    bytes(range(256)) * 4: 0xA870F92984398D22,
}


class Hash(Library):
    """A library that hashes keys.

    Attributes
    ----------
    one, many : callable
        The functions for a key and for a batch; None where there is none.
    """

    one: Any = None
    many: Any = None

    def hash_each(self, keys: Sequence[Any]) -> None:
        """Hash `keys` one by one: the loop that is timed."""
        function = self.one
        for key in keys:
            function(key)

    def check(self) -> None:
        """Compare with digests of the XXH3 specification."""
        for key, digest in VECTORS.items():
            expect(self.one(key) == digest, f"xxh3_64 of {len(key)} bytes")

    def check_batch(self, keys: Any, scalar_keys: Sequence[Any]) -> None:
        """Compare the batch with the scalar function on a sample."""
        digests = self.many(keys)
        expect(len(digests) == len(scalar_keys), "the batch has another length")
        for i in range(0, len(scalar_keys), max(1, len(scalar_keys) // 100)):
            expect(int(digests[i]) == self.one(scalar_keys[i]), f"batch and scalar at {i}")


class Native(Hash):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.hashing"
    distribution = "fastblocks"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.many = self.api.xxh3_64, self.api.xxh3_64_many


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.hashing"
    max_keys = 5_000


class XxHash(Hash):
    """The binding of the reference C library."""

    name = "xxhash"
    module = "xxhash"
    distribution = "xxhash"

    def __init__(self) -> None:
        super().__init__()
        self.one = self.api.xxh3_64_intdigest

    def hash_each(self, keys: Sequence[Any]) -> None:
        """Hash; str must be encoded first."""
        function = self.one
        if isinstance(keys[0], str):
            for key in keys:
                function(key.encode())
        else:
            super().hash_each(keys)


class Floor(Hash):
    """What takes part without hashing; there is no answer to check."""

    role: ClassVar[Role] = "floor"

    def check(self) -> None:
        """Accept."""

    def check_batch(self, keys: Any, scalar_keys: Sequence[Any]) -> None:
        """Accept."""


class EmptyLoop(Floor):
    """Nothing at all, once per key."""

    name = "empty loop"
    only = ("scalar_20", "scalar_cities", "many_list")

    def __init__(self) -> None:
        super().__init__()
        self.many = self.hash_each

    def hash_each(self, keys: Sequence[Any]) -> None:
        """Loop."""
        for _ in keys:
            pass


class ArrayCopy(Floor):
    """The cost of moving the input once."""

    name = "ndarray.copy"
    distribution = "numpy"
    only = ("many_uint64", "many_bytes")

    def __init__(self) -> None:
        super().__init__()
        self.many = np.copy


LIBRARIES = (Native, Pure, XxHash, EmptyLoop, ArrayCopy)


def _time_each(lib: Hash, timed: Timed, keys: Sequence[Any]) -> None:
    lib.check()
    some = lib.some(keys)
    timed(lambda: lib.hash_each(some), items=len(some))


def _time_many(lib: Hash, timed: Timed, keys: Any, scalar_keys: Sequence[Any]) -> None:
    lib.check()
    lib.check_batch(keys, scalar_keys)
    timed(lambda: lib.many(keys), items=len(keys))


def _need_batches(lib: Hash) -> None:
    if lib.many is None:
        raise Unsupported("no batch API")


@work("`xxh3_64(key)`", "20-byte str (peers: the same as bytes)", headline=True)
def bench_scalar_20(lib: Hash, timed: Timed) -> None:
    """Short keys; `xxhash` gets bytes, which it is fastest on."""
    texts = [f"key {i:016d}" for i in range(10_000)]
    peer = lib.role == "peer"
    _time_each(lib, timed, [text.encode() for text in texts] if peer else texts)


@work("`xxh3_64(key)`", "200 k city names, str (xxhash: encoded first)")
def bench_scalar_cities(lib: Hash, timed: Timed) -> None:
    """Real keys of mixed length and script, str for every library."""
    _time_each(lib, timed, city_names())


@work("`xxh3_64(key)`", "1 KiB of bytes")
def bench_scalar_1k(lib: Hash, timed: Timed) -> None:
    """Medium inputs that fit the cache together."""
    _time_each(lib, timed, [bytes([i]) * 1024 for i in range(200)])


@work("`xxh3_64(key)`", "64 KiB of bytes")
def bench_scalar_64k(lib: Hash, timed: Timed) -> None:
    """Long inputs: the speed of the inner loop."""
    _time_each(lib, timed, [bytes([i]) * 65536 for i in range(4 if lib.role == "pure" else 8)])


@work("`xxh3_64_many(keys)`", "uint64[1 M]", headline=True)
def bench_many_uint64(lib: Hash, timed: Timed, quick: bool) -> None:
    """Integer arrays: the cost next to that of copying them."""
    _need_batches(lib)
    keys = integers(min(lib.max_keys, 2_000 if quick else 1_000_000))
    _time_many(lib, timed, keys, keys.tolist())


@work("`xxh3_64_many(keys)`", "list of 200 k city names")
def bench_many_list(lib: Hash, timed: Timed) -> None:
    """A list of str."""
    _need_batches(lib)
    keys = lib.some(city_names())
    _time_many(lib, timed, keys, keys)


@work("`xxh3_64_many(keys)`", "pyarrow string array, 200 k city names")
def bench_many_arrow(lib: Hash, timed: Timed) -> None:
    """An Arrow array, without a copy."""
    _need_batches(lib)
    keys = lib.some(city_names())
    _time_many(lib, timed, as_arrow(keys), keys)


@work("`xxh3_64_many(keys)`", "NumPy S array, 200 k city names")
def bench_many_bytes(lib: Hash, timed: Timed) -> None:
    """A NumPy array of fixed-width bytes."""
    _need_batches(lib)
    keys = [name.encode() for name in lib.some(city_names())]
    _time_many(lib, timed, np.array(keys), keys)
