"""All filters: false-positive rate against memory.

Nothing is timed here. Each filter is filled with as many random integers as it was made for, then
asked for as many others; what it claims to hold of them is its rate, and what it takes is divided
by the number of keys.
"""

from __future__ import annotations

import io
from typing import Any, ClassVar

from bench.data import UINT64, integer_chunks, integers
from bench.model import Library, Record, Role, Unsupported, expect, work

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
FUSE_BITS = (8, 16, 32)
SMALL = 5_000
GROWTH = 64


class Filter(Library):
    """A filter of integers. By default one with the manners of `fastblocks`."""

    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"
    n = 500_000

    def make(self, keys: UINT64, rate: float) -> Any:
        """Return a filter that holds `keys`, made for so many at `rate`."""
        f = getattr(self.api, self.name)(len(keys), rate)
        f.add_many(keys)
        return f

    def count(self, f: Any, keys: UINT64) -> int:
        """Return how many of `keys` the filter claims to hold."""
        return int(f.contains_many(keys).sum())

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.nbytes)


class Bloom(Filter):
    """The split-block Bloom filter."""

    name = "BloomFilter"


class CountingBloom(Filter):
    """Four bits a counter instead of one: the price of `remove`."""

    name = "CountingBloomFilter"


class Cuckoo(Filter):
    """Fingerprints in buckets of four."""

    name = "CuckooFilter"


class Scalable(Filter):
    """Begun at a 64th of the keys and grown to hold them."""

    name = "ScalableBloomFilter"

    def make(self, keys: UINT64, rate: float) -> Any:
        """Return a filter that has grown."""
        f = self.api.ScalableBloomFilter(len(keys) // GROWTH, rate)
        f.add_many(keys)
        return f


class Rotating(Filter):
    """Two generations, the older one full as well; bits are per key of one window."""

    name = "RotatingBloomFilter"

    def make(self, keys: UINT64, rate: float) -> Any:
        """Return a filter in its steady state: one window's keys in each generation."""
        now = [0.0]
        f = self.api.RotatingBloomFilter(len(keys), rate, 60.0, timer=lambda: now[0])
        f.add_many(integers(len(keys), stream=2))
        now[0] = 60.0
        f.add_many(keys)
        return f


class BinaryFuse(Filter):
    """A static filter: 8, 16 or 32 bits a fingerprint, whichever suffices."""

    name = "BinaryFuseFilter"

    def make(self, keys: UINT64, rate: float) -> Any:
        """Return a filter of the smallest width that keeps the rate."""
        bits = next(bits for bits in FUSE_BITS if 0.5**bits <= rate)
        return self.api.BinaryFuseFilter(keys, bits)


class Peer(Filter):
    """A filter of another package, on fewer keys."""

    role: ClassVar[Role] = "peer"
    n = 50_000

    def count(self, f: Any, keys: UINT64) -> int:
        """Ask one by one."""
        return sum(key in f for key in keys.tolist())


class FastBloomRs(Peer):
    """A Bloom filter in Rust."""

    name = "fastbloom-rs"
    module = "fastbloom_rs"
    distribution = "fastbloom-rs"
    kind: ClassVar[str] = "BloomFilter"

    def make(self, keys: UINT64, rate: float) -> Any:
        """Add a list in one call."""
        f = getattr(self.api, self.kind)(len(keys), rate)
        f.add_int_batch(keys.tolist())
        return f

    def count(self, f: Any, keys: UINT64) -> int:
        """Ask in one call."""
        return sum(f.contains_int_batch(keys.tolist()))

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return 8.0 * len(f.get_bytes())


class PyBloomLiveScalable(Peer):
    """A scalable filter in Python, begun at a 64th of the keys."""

    name = "pybloom-live scalable"
    module = "pybloom_live"
    distribution = "pybloom-live"
    n = 10_000

    def make(self, keys: UINT64, rate: float) -> Any:
        """Add one by one."""
        f = self.api.ScalableBloomFilter(max(len(keys) // GROWTH, 1), rate)
        for key in keys.tolist():
            f.add(key)
        return f

    def bits(self, f: Any) -> float:
        """Return the size of all its bit arrays."""
        return float(sum(part.num_bits for part in f.filters))


class Fuse(Peer):
    """A static filter in C, of 8 or 16 bits."""

    name = "pyfusefilter"
    module = "pyfusefilter.pyfusefilter"
    distribution = "pyfusefilter"

    def make(self, keys: UINT64, rate: float) -> Any:
        """Fill the smallest kind that keeps the rate; its hash takes bytes only since xxhash 4."""
        from xxhash import xxh64_intdigest

        self.api.hash = lambda item: xxh64_intdigest(str(item).encode())
        if rate < 0.5**16:
            raise Unsupported("16 bits at most")
        return (self.api.Fuse8 if rate >= 0.5**8 else self.api.Fuse16)(keys.tolist())

    def bits(self, f: Any) -> float:
        """Return the size of the filter in bits."""
        return float(8 * f.size_in_bytes())


class Probables(Peer):
    """A cuckoo filter in Python."""

    name = "pyprobables cuckoo"
    module = "probables"
    distribution = "pyprobables"
    n = 10_000

    def make(self, keys: UINT64, rate: float) -> Any:
        """Return a filter that grows when it must."""
        f = self.api.CuckooFilter.init_error_rate(rate, capacity=len(keys) // 4)
        for key in keys.tolist():
            f.add(str(key))
        return f

    def count(self, f: Any, keys: UINT64) -> int:
        """Ask one by one, as strings: there are no other keys."""
        return sum(str(key) in f for key in keys.tolist())

    def bits(self, f: Any) -> float:
        """Return the size of its own format, which has four bytes a fingerprint."""
        buffer = io.BytesIO()
        buffer.write(bytes(f))
        return 8.0 * buffer.tell()


OURS = (Bloom, CountingBloom, Cuckoo, Scalable, Rotating, BinaryFuse)
LIBRARIES = (*OURS, FastBloomRs, PyBloomLiveScalable, Fuse, Probables)


@work(
    "False-positive rate against bits per key",
    "random integers",
    chart="curve",
    axes=("bits", "rate"),
    points=RATES,
    rounds=1,
)
def bench_rates(lib: Filter, record: Record, point: float, quick: bool) -> None:
    """Fill, check that nothing is missing, probe."""
    n = min(lib.n, SMALL) if quick else lib.n
    keys = integers(n)
    f = lib.make(keys, point)
    expect(lib.count(f, keys[:20_000]) == min(n, 20_000), "an added key is missing")
    probes = n * 4
    found = sum(lib.count(f, chunk) for chunk in integer_chunks(probes, stream=1))
    record(bits=lib.bits(f) / n, rate=found / probes, found=found, keys=n, probes=probes)
