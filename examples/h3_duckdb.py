"""H3 cells in DuckDB: functions of ours registered for SQL, called with Arrow columns.

Run it with ``python examples/h3_duckdb.py [events]``; it needs ``pip install duckdb pyarrow``.
"""

from __future__ import annotations

import sys
from typing import Any

import duckdb

from fastblocks.geo import h3

RES = 9


def cell(lat: Any, lng: Any) -> Any:
    """Return the cells of two Arrow columns."""
    return h3.latlng_to_cell(lat, lng, RES)


def parent(cell: Any) -> Any:
    """Return the cells that hold those of an Arrow column, one level up."""
    return h3.cell_to_parent(cell)


def connect() -> Any:
    """Return a database in memory that knows ``h3_cell(lat, lng)`` and ``h3_parent(cell)``."""
    db: Any = duckdb.connect()
    db.create_function("h3_cell", cell, ["DOUBLE", "DOUBLE"], "UBIGINT", type="arrow")
    db.create_function("h3_parent", parent, ["UBIGINT"], "UBIGINT", type="arrow")
    return db


def fill(db: Any, size: int) -> None:
    """Make a table of events around Lisbon."""
    db.execute(
        "create table event as select 38.6 + 0.2 * hash(i) / 18446744073709551616.0 as lat,"
        " -9.3 + 0.3 * hash(i + 1e9::bigint) / 18446744073709551616.0 as lng"
        f" from range({size}) t(i)"
    )


def counted(db: Any) -> list[tuple[int, int]]:
    """Return the cells one level up and how many events are in each, the fullest first."""
    rows: list[tuple[int, int]] = db.sql(
        "select h3_parent(h3_cell(lat, lng)) as cell, count(*) as events from event"
        " group by cell order by events desc, cell"
    ).fetchall()
    return rows


def main(size: int = 1_000_000) -> None:
    """Count a million events by hexagons."""
    with connect() as db:
        fill(db, size)
        for cell, events in counted(db)[:5]:
            print(h3.int_to_str(cell), events)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
