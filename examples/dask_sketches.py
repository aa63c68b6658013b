"""Build sketches where the data are, and merge them: a Dask cluster and four sketches.

Each partition of a key stream is turned into one summary on the worker that holds it; the
summaries, 2.5 MB each whatever the size of the stream, travel and are merged in a tree. The result
is that of one process that saw the whole stream: bit for bit for the Bloom filter, HyperLogLog and
the count-min sketch; for the top-k within its error bound.

Run it with ``python examples/dask_sketches.py [partitions] [keys per partition]``; it needs
``pip install 'dask[distributed]'``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastblocks import BloomFilter, CountMinSketch, HyperLogLog, TopK

CAPACITY = 1_000_000  # distinct keys that the filter is to hold


@dataclass
class Summary:
    """What is kept of a stream: which keys, how many, how often each, which are hottest."""

    seen: BloomFilter = field(default_factory=lambda: BloomFilter(CAPACITY, 0.01))
    distinct: HyperLogLog = field(default_factory=HyperLogLog)
    # Conservative update depends on the order of the keys; plain update does not.
    counts: CountMinSketch = field(
        default_factory=lambda: CountMinSketch(65_536, 4, conservative=False)
    )
    hottest: TopK = field(default_factory=lambda: TopK(100))

    def add(self, keys: NDArray[np.uint64]) -> Summary:
        """Take in a batch of keys."""
        self.seen.add_many(keys)
        self.distinct.add_many(keys)
        self.counts.add_many(keys)
        self.hottest.add_many(keys)
        return self

    def merge(self, other: Summary) -> Summary:
        """Take in what another summary has seen."""
        self.seen.merge(other.seen)
        self.distinct.merge(other.distinct)
        self.counts.merge(other.counts)
        self.hottest.merge(other.hottest)
        return self


def partition(number: int, size: int) -> NDArray[np.uint64]:
    """Return the keys of one partition: some are hot everywhere, many are seen once."""
    random = np.random.default_rng(number)
    return np.minimum(random.zipf(1.2, size), 1 << 40).astype(np.uint64)


def summarise(number: int, size: int) -> Summary:
    """Build the summary of one partition: the work of one task."""
    return Summary().add(partition(number, size))


def merged(a: Summary, b: Summary) -> Summary:
    """Return the summary of both: a task may not change what it was given."""
    return Summary().merge(a).merge(b)


def distributed(client: Any, partitions: int, size: int) -> Summary:
    """Summarise all partitions on the workers of a Dask client and merge in a tree."""
    level = [client.submit(summarise, number, size) for number in range(partitions)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[len(level) // 2 * 2 :]
        level = [client.submit(merged, a, b) for a, b in pairs] + odd
    summary: Summary = level[0].result()
    return summary


def single(partitions: int, size: int) -> Summary:
    """Summarise all partitions in this process."""
    summary = Summary()
    for number in range(partitions):
        summary.add(partition(number, size))
    return summary


@contextmanager
def cluster() -> Iterator[Any]:
    """Start two worker processes on this machine, and yield a client of theirs."""
    distributed: Any = import_module("dask.distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as workers, distributed.Client(workers) as client:
        yield client


def main(partitions: int = 16, size: int = 500_000) -> None:
    """Summarise on a local cluster and in this process, and compare."""
    with cluster() as client:
        summary = distributed(client, partitions, size)
    alone = single(partitions, size)
    print(f"{partitions * size:,} keys in {partitions} partitions")
    print(f"about {summary.distinct.approx_len():,} different keys")
    print(f"the filter claims {summary.seen.approx_len():,}")
    for key, count, error in summary.hottest.top(5):
        print(f"key {key!r}: at most {count:,} times, at least {count - error:,}")
    for name in ("seen", "distinct", "counts"):
        same = getattr(summary, name) == getattr(alone, name)
        print(f"{name}: {'equal to' if same else 'DIFFERS from'} the single process")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
