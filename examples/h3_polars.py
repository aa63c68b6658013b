"""H3 cells of polars columns, in a lazy query: how many events there are in each hexagon.

Run it with ``python examples/h3_polars.py [events]``; it needs ``pip install polars``.
"""

from __future__ import annotations

import sys

import numpy as np
import polars as pl

from fastblocks.geo import h3


def cell_of(lat: str, lng: str, res: int) -> pl.Expr:
    """Return an expression: the cells of two columns of degrees."""
    return pl.struct(lat, lng).map_batches(
        lambda points: h3.latlng_to_cell(points.struct.field(lat), points.struct.field(lng), res),
        return_dtype=pl.UInt64,
    )


def parent_of(cell: str, res: int) -> pl.Expr:
    """Return an expression: the coarser cells that hold those of a column."""
    return pl.col(cell).map_batches(
        lambda cells: h3.cell_to_parent(cells, res), return_dtype=pl.UInt64
    )


def events(size: int) -> pl.DataFrame:
    """Return events around Lisbon, more in the middle."""
    random = np.random.default_rng(1)
    return pl.DataFrame(
        {"lat": random.normal(38.74, 0.05, size), "lng": random.normal(-9.16, 0.07, size)}
    )


def counted(frame: pl.DataFrame, res: int) -> pl.DataFrame:
    """Return the cells, the coarser ones above them, and how many events; the fullest first."""
    return (
        frame.lazy()
        .group_by(cell_of("lat", "lng", res).alias("cell"))
        .agg(pl.len().alias("events"))
        .with_columns(parent_of("cell", res - 2).alias("parent"))
        .sort("events", "cell", descending=[True, False])
        .collect()
    )


def main(size: int = 1_000_000) -> None:
    """Count a million events by hexagons of 0.1 square kilometres."""
    print(counted(events(size), 9))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
