"""H3 cells of columns: polars, DuckDB, a Dask cluster, Arrow batches as Spark has them."""

from collections import Counter

import h3.api.basic_int as oracle
import numpy as np
import pyarrow as pa
import pytest

from examples import h3_dask, h3_duckdb, h3_polars

SIZE = 2_000


def counts_of(lat, lng, res):
    return Counter(oracle.latlng_to_cell(*point, res) for point in zip(lat, lng, strict=True))


def test_polars():
    frame = h3_polars.events(SIZE)
    result = h3_polars.counted(frame, 9)
    expected = counts_of(frame["lat"], frame["lng"], 9)
    assert dict(result.select("cell", "events").iter_rows()) == expected
    assert result["events"].is_sorted(descending=True)
    assert result["parent"].to_list() == [oracle.cell_to_parent(c, 7) for c in result["cell"]]


def test_duckdb():
    with h3_duckdb.connect() as db:
        h3_duckdb.fill(db, SIZE)
        lat, lng = db.sql("select lat, lng from event").fetchnumpy().values()
        expected = counts_of(lat, lng, h3_duckdb.RES)
        result = h3_duckdb.counted(db)
    above = Counter()
    for cell, events in expected.items():
        above[oracle.cell_to_parent(cell)] += events
    assert dict(result) == above
    assert 1 < len(result) == len(above)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that Dask stands on
def test_dask(exhaustive):
    partitions, size = (20, 500_000) if exhaustive else (5, SIZE)
    with h3_dask.cluster() as client:
        cells, counts = h3_dask.distributed(client, partitions, size)
    assert counts.sum() == partitions * size
    expected = Counter()
    for number in range(partitions):
        expected.update(counts_of(*map(np.ndarray.tolist, h3_dask.points(number, size)), 9))
    assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == expected


def test_batches_as_of_spark():
    lat, lng = h3_dask.points(1, SIZE)
    table = pa.table({"lat": lat, "lng": lng})
    batches = list(h3_dask.in_arrow(iter(table.to_batches(max_chunksize=300))))
    result = pa.Table.from_batches(batches)
    assert len(batches) == 7
    assert result.schema.types == [pa.float64(), pa.float64(), pa.int64()]
    assert Counter(result["cell"].to_pylist()) == counts_of(lat, lng, 9)
    assert h3_dask.h3.get_resolution(result["cell"]).to_pylist() == [9] * SIZE
