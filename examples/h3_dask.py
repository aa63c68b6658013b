"""H3 cells on a Dask cluster: every partition is indexed by the worker that holds it.

A partition is one call that leaves the GIL, so threads of a worker run side by side, and only
counts by cell travel. Spark works likewise with the Arrow batches of ``mapInArrow``; see
`in_arrow`.

Run it with ``python examples/h3_dask.py [partitions] [points per partition]``, which indexes 10
million points at resolution 9; it needs ``pip install 'dask[distributed]' pyarrow``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fastblocks.geo import h3

RES = 9
Counts = tuple[NDArray[np.uint64], NDArray[np.int64]]


def points(number: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points of one partition, latitudes and longitudes, around Lisbon."""
    random = np.random.default_rng(number)
    return random.normal(38.74, 0.05, size), random.normal(-9.16, 0.07, size)


def indexed(number: int, size: int) -> Counts:
    """Return the cells of one partition and how many points each has: the work of one task."""
    return np.unique(h3.latlng_to_cell(*points(number, size), RES), return_counts=True)


def merged(parts: list[Counts]) -> Counts:
    """Return the sums of several counts."""
    cells, where = np.unique(np.concatenate([cells for cells, _ in parts]), return_inverse=True)
    counts = np.zeros(len(cells), np.int64)
    np.add.at(counts, where, np.concatenate([counts for _, counts in parts]))
    return cells, counts


def distributed(client: Any, partitions: int, size: int) -> Counts:
    """Index all partitions on the workers of a Dask client."""
    tasks = client.map(indexed, range(partitions), size=size)
    counts: Counts = client.submit(merged, tasks).result()
    return counts


def in_arrow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add a column of cells to record batches with ``lat`` and ``lng``.

    In Spark: ``frame.mapInArrow(in_arrow, "lat double, lng double, cell long")``. Spark has no
    unsigned integers; cells are below 2**63, so nothing changes.
    """
    for batch in batches:
        cells = h3.latlng_to_cell(batch["lat"], batch["lng"], RES)
        yield batch.append_column("cell", cells.cast(pa.int64()))


@contextmanager
def cluster() -> Iterator[Any]:
    """Start a worker with two threads in this process, and yield a client of its."""
    dask: Any = import_module("dask.distributed")
    options = {
        "n_workers": 1,
        "threads_per_worker": 2,
        "processes": False,
        "dashboard_address": None,
    }
    with dask.LocalCluster(**options) as workers, dask.Client(workers) as client:
        yield client


def main(partitions: int = 20, size: int = 500_000) -> None:
    """Index on a local cluster and print the fullest cells."""
    with cluster() as client:
        start = time.perf_counter()
        cells, counts = distributed(client, partitions, size)
        seconds = time.perf_counter() - start
    print(f"{partitions * size:,} points in {len(cells):,} cells: {seconds:.2f} s")
    for at in np.argsort(-counts)[:5]:
        print(h3.int_to_str(int(cells[at])), counts[at])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
