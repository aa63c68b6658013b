"""pyfusefilter, as its users call it and by its C core, beside fastblocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, ClassVar

from bench.data import UINT64, absent_names, city_names
from bench.filters.bloom_libraries import Bloom
from bench.filters.bloom_libraries import Native as BloomNative
from bench.model import Role, Unsupported, expect


class BinaryFuse(Bloom):
    """What all have in common; `f` is a filter of the library throughout.

    Attributes
    ----------
    build_keys : int
        How many keys the filters of integers hold at most.
    probes : int
        How many absent keys the measurement of false positives looks up at most.
    """

    build_keys: ClassVar[int] = 1 << 62
    probes: ClassVar[int] = 1 << 62

    def build(self, keys: Any, bits: int) -> Any:
        """Return a filter of a list of str, or of what `batch_ints` gave."""
        return self.api.BinaryFuseFilter(keys, bits)

    def filled(self) -> Any:
        """Return a filter of city names, made once, checked when made."""
        if self._filled is None:
            present = self.some(city_names())
            self._filled = self.build(present if self.role == "pure" else city_names(), 8)
            self.check(self._filled, present, self.some(absent_names()), 1 / 256)
        return self._filled

    def batch_ints(self, keys: UINT64) -> Any:
        """Return integers in the form that the constructor takes."""
        return keys.tolist()


class Native(BloomNative, BinaryFuse):
    """fastblocks itself."""


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 500
    build_keys = 2_000
    probes = 2_000


class FrozensetFloor(BinaryFuse):
    """Python's `frozenset`: no false positives, every key kept."""

    name = "frozenset"
    role: ClassVar[Role] = "floor"
    only = ("build_names", "contains_hits", "contains_misses")

    def build(self, keys: Any, bits: int) -> Any:
        """Return a frozenset."""
        return frozenset(keys)


class PyFuseFilter(BinaryFuse):
    """As its documentation has it: ``Fuse8(list)`` and ``in``.

    It hashes ``str(key)`` by xxhash, which refuses str from version 4 on. So that it can run
    beside the other libraries, its hash function is replaced here by one that encodes first.
    """

    name = "pyfusefilter"
    module = "pyfusefilter"
    distribution = "pyfusefilter"
    max_keys = 20_000
    build_keys = 50_000
    probes = 100_000

    def __init__(self) -> None:
        super().__init__()
        digest = import_module("xxhash").xxh64_intdigest
        import_module("pyfusefilter.pyfusefilter").hash = (  # type: ignore[attr-defined]
            lambda key: digest(str(key).encode())
        )

    def build(self, keys: Any, bits: int) -> Any:
        """Return a filter of a list."""
        return (self.api.Fuse8 if bits == 8 else self.api.Fuse16)(keys)

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.size_in_bytes())


class PyFuseFilterCore(BinaryFuse):
    """Its C functions through cffi, on a buffer of 64-bit keys; lookups are a call each."""

    name = "pyfusefilter, C core"
    module = "pyfusefilter._xorfilter"
    distribution = "pyfusefilter"
    max_keys = 20_000
    probes = 100_000

    def build(self, keys: Any, bits: int) -> Any:
        """Allocate and populate; cffi frees it with the last reference."""
        if isinstance(keys, list):
            raise Unsupported("64-bit integers only")
        lib, ffi = self.api.lib, self.api.ffi
        kind = f"binary_fuse{bits}"
        f = ffi.gc(ffi.new(f"{kind}_t *"), getattr(lib, f"{kind}_free"))
        expect(getattr(lib, f"{kind}_allocate")(len(keys), f), "out of memory")
        buffer = ffi.cast("uint64_t *", ffi.from_buffer(keys))
        expect(getattr(lib, f"{kind}_populate")(buffer, len(keys), f), "not built")
        return f

    def answers(self, f: Any, keys: Sequence[Any]) -> list[bool]:
        """Call it for each key."""
        wide = "16" in str(self.api.ffi.typeof(f))
        lib = self.api.lib
        contain = lib.binary_fuse16_contain if wide else lib.binary_fuse8_contain
        return [contain(key, f) for key in keys]

    def batch_ints(self, keys: UINT64) -> Any:
        """Return a copy: populate may sort its keys."""
        return keys.copy()

    def contains_ints(self, f: Any, keys: Any) -> Any:
        """Call it for each key."""
        return self.answers(f, keys.tolist())

    def contains_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Refuse."""
        raise Unsupported("64-bit integers only")

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        wide = "16" in str(self.api.ffi.typeof(f))
        lib = self.api.lib
        size = lib.binary_fuse16_size_in_bytes if wide else lib.binary_fuse8_size_in_bytes
        return float(8 * size(f))
