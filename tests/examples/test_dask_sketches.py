"""Sketches built by partition on a real Dask cluster, against one process that sees everything."""

from collections import Counter

import pytest

from examples import dask_sketches

PARTITIONS, SIZE = 7, 20_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that Dask stands on
def test_merged_equals_single():
    with dask_sketches.cluster() as client:
        summary = dask_sketches.distributed(client, PARTITIONS, SIZE)
    alone = dask_sketches.single(PARTITIONS, SIZE)
    for name in ("seen", "distinct", "counts"):
        assert getattr(summary, name) == getattr(alone, name), name
        assert getattr(summary, name).to_bytes() == getattr(alone, name).to_bytes(), name
    true = Counter()
    for number in range(PARTITIONS):
        true.update(dask_sketches.partition(number, SIZE).tolist())
    hottest = summary.hottest
    assert hottest.total == true.total() == PARTITIONS * SIZE
    for key, count, error in hottest.top():
        assert count - error <= true[key] <= count
    bound = hottest.error_bound()
    assert {key for key, count in true.items() if count > bound} <= {
        key for key, *_ in hottest.top()
    }
    assert [entry.key for entry in hottest.top(5)] == [key for key, _ in true.most_common(5)]
