"""The example of the patterns runs, and SQLite has in the end what was set."""

import pytest

from examples import cache_sqlite


@pytest.fixture
def products(tmp_path):
    return cache_sqlite.Products(tmp_path / "shop.db")


def shown(show, products, capsys):
    show(products)
    return capsys.readouterr().out


def test_cache_aside(products, capsys):
    line = shown(cache_sqlite.cache_aside, products, capsys)
    assert line == "cache-aside: 3.5 3.5 ['insert', 'select']\n"


def test_read_through(products, capsys):
    products.write_many({"tea": 3.5, "coffee": 4.0})
    products.took()
    assert shown(cache_sqlite.read_through, products, capsys).splitlines() == [
        "read-through: 3.5 ['select']",
        "  many: {'tea': 3.5, 'coffee': 4.0} ['select']",
    ]


def test_write_through(products, capsys):
    line = shown(cache_sqlite.write_through, products, capsys)
    assert line == "write-through: 4.0 ['insert']\n"
    assert products.load("coffee") == 4.0


def test_write_behind(products, capsys):
    first, second = shown(cache_sqlite.write_behind, products, capsys).splitlines()
    assert first == "write-behind: 50 wait, False []"
    assert second.startswith("  closed: 0 wait, 4.57 {")
    assert products.load_many([f"item {i}" for i in range(50)]) == {
        f"item {i}": (450 + i) / 100 for i in range(50)
    }


def test_refresh_ahead(products, capsys):
    products.write("tea", 3.5)
    products.took()
    line = shown(cache_sqlite.refresh_ahead, products, capsys)
    assert line == "refresh-ahead: 3.5 3.5 3.75 ['select', 'insert', 'select']\n"


def test_all_of_it(capsys):
    cache_sqlite.main()
    assert len(capsys.readouterr().out.splitlines()) == 7
