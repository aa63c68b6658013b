"""The five patterns of a cache in front of a database: products in SQLite.

Run it with ``python -m examples.cache_sqlite``. It makes a database in a temporary folder, and
shows for each pattern what the database was asked for and what the cache spared it.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fastblocks import Cache, Store


class Products:
    """A table of products and their prices, as functions for a `Store`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        self.down = False
        with self.connect() as db:
            db.execute("create table if not exists product (name text primary key, price real)")

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: SQLite's are not for other threads."""
        with closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            yield db

    def _execute(self, statement: str, *rows: Any) -> list[Any]:
        if self.down:
            raise sqlite3.OperationalError("the database is down")
        self.statements.append(statement.split()[0])
        with self.connect() as db:
            if statement.startswith("select"):
                return db.execute(statement, *rows).fetchall()
            db.executemany(statement, rows)
            return []

    def load(self, name: str) -> float:
        """One price. `KeyError(name)` says that there is no such product."""
        for (price,) in self._execute("select price from product where name = ?", (name,)):
            return float(price)
        raise KeyError(name)

    def load_many(self, names: list[str]) -> dict[str, float]:
        """The prices of those that there are, by one statement."""
        marks = ", ".join("?" * len(names))
        found = self._execute(f"select name, price from product where name in ({marks})", names)
        return dict(found)

    def write(self, name: str, price: float) -> None:
        """One price."""
        self.write_many({name: price})

    def write_many(self, prices: dict[str, float]) -> None:
        """Many prices, in one transaction."""
        self._execute("insert or replace into product values (?, ?)", *prices.items())

    def delete(self, name: str) -> None:
        """No error if it is not there."""
        self._execute("delete from product where name = ?", (name,))

    def took(self) -> list[str]:
        """The statements since the last time."""
        statements, self.statements = self.statements, []
        return statements


def store_of(products: Products, mode: str, cache: Cache[str, float], **options: Any) -> Store:
    """A store of products by a pattern."""
    return Store(
        cache,
        load=products.load,
        load_many=products.load_many,
        write=products.write,
        write_many=products.write_many,
        delete=products.delete,
        mode=mode,
        **options,
    )


def cache_aside(products: Products) -> None:
    """Written to the database, removed from the cache, loaded when it is needed again."""
    store = store_of(products, "cache-aside", Cache(1000, ttl=3600))
    store.set("tea", 3.5)
    print("cache-aside:", store.get("tea"), store.get("tea"), products.took())


def read_through(products: Products) -> None:
    """However many ask at once, the database is asked once; many keys are one statement."""
    store = store_of(products, "read-through", Cache(1000, ttl=3600))
    threads = [threading.Thread(target=store.get, args=("tea",)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("read-through:", store.get("tea"), products.took())
    print("  many:", store.get_many(["tea", "coffee", "milk"]), products.took())


def write_through(products: Products) -> None:
    """What was set is in both when `set` returns."""
    store = store_of(products, "write-through", Cache(1000))
    store.set("coffee", 4.0)
    print("write-through:", store.get("coffee"), products.took())


def write_behind(products: Products) -> None:
    """Written in batches, later; an outage delays them and loses none."""
    cache: Cache[str, float] = Cache(1000)
    options = {"retry": (0.01, 0.1), "on_error": lambda key, value, error: None}  # not logged
    with store_of(products, "write-behind", cache, **options) as store:
        products.down = True
        for i in range(500):
            store.set(f"item {i % 50}", i / 100)
        print("write-behind:", store.pending, "wait,", store.flush(timeout=0.05), products.took())
        products.down = False
    print("  closed:", store.pending, "wait,", products.load("item 7"), set(products.took()))


def refresh_ahead(products: Products) -> None:
    """What is asked for again and again is loaded anew before it dies; nobody waits for that."""
    now = 0.0
    with ThreadPoolExecutor() as executor:  # whose end waits for loads in the background
        cache: Cache[str, float] = Cache(
            1000, ttl=60, refresh_after=30, timer=lambda: now, executor=executor
        )
        store = store_of(products, "refresh-ahead", cache)
        before = store.get("tea")
        products.write("tea", 3.75)  # by somebody else
        now = 40.0
        at_once = store.get("tea")
    print("refresh-ahead:", before, at_once, store.get("tea"), products.took())


def main() -> None:
    """Show all of them."""
    with tempfile.TemporaryDirectory() as folder:
        products = Products(Path(folder) / "shop.db")
        for show in (cache_aside, read_through, write_through, write_behind, refresh_ahead):
            show(products)


if __name__ == "__main__":
    main()
