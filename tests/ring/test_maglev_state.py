"""MaglevTable as bytes and files: round trips, damage of every kind."""

import pathlib
import struct

import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, refuses_damage, repaired, resealed


@pytest.fixture
def saved(impl, tmp_path):
    """A table of three nodes and the file it was saved to."""
    table = impl.MaglevTable({"a": 1, "b": 2, "é": 0.5}, table_size=101, seed=3)
    path = tmp_path / "nodes.maglev"
    table.save(path)
    return table, path


def test_save_and_open(impl, saved):
    table, path = saved
    for other in (impl, fastblocks, fastblocks.pure):
        opened = other.MaglevTable.open(path)
        assert type(opened) is other.MaglevTable
        assert opened.to_bytes() == table.to_bytes() == path.read_bytes()
        assert opened.table.tolist() == table.table.tolist()
        assert repr(opened) == repr(table)


def test_an_opened_table_does_not_change(impl, saved):
    table, path = saved
    opened = impl.MaglevTable.open(path)
    for method, call in {
        "add": lambda: opened.add("c"),
        "remove": lambda: opened.remove("a"),
        "rebuild": lambda: opened.rebuild(["c"]),
    }.items():
        with pytest.raises(OSError, match=f"^{method}: .* change a copy"):
            call()
    changed = opened.copy()
    changed.add("c")
    assert opened == table != changed
    with pytest.raises(ValueError, match="a MaglevTable cannot be changed"):
        impl.MaglevTable.open(path, "r+")


def test_the_state_is_nodes_only(impl):
    sizes = {
        len(impl.MaglevTable(["a", "b"], table_size=size).to_bytes()) for size in (7, 101, 1009)
    }
    assert sizes == {HEADER + 16 + 2 * 8 + 2 * 8 + 8}


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.MaglevTable, saved[0].to_bytes(), tmp_path, ("r",))


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (32, 0, 8, "parameters contradict"),
        (32, 1, 8, "parameters contradict"),
        (32, 2, 8, "parameters contradict"),  # fewer than there are nodes
        (32, 100, 8, "parameters contradict"),
        (32, 134217757, 8, "parameters contradict"),  # a prime, but too large
        (32, 2**32 + 101, 8, "parameters contradict"),
        (32, 2**64 - 59, 8, "parameters contradict"),  # a prime, too
        (48, 1, 8, "parameters contradict"),
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_parameters_are_refused(impl, saved, at, value, size, message):
    """Checksums good, contents impossible: what an attacker would send."""
    data = resealed(saved[0].to_bytes(), at, value, size)
    with pytest.raises(ValueError, match=message):
        impl.MaglevTable.from_bytes(data)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_hostile_weights_are_refused(impl, saved, weight):
    data = saved[0].to_bytes()
    payload = data[HEADER : HEADER + 16] + struct.pack("<d", weight) + data[HEADER + 24 :]
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.MaglevTable.from_bytes(repaired(data, payload))


def test_something_behind_the_nodes_is_refused(impl, saved):
    data = saved[0].to_bytes()
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.MaglevTable.from_bytes(repaired(data, data[HEADER:] + bytes(8)))


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "maglev_v1.bin"
    nodes = {"a": 1, "é": 2.5, "backend:8080": 1e-3}
    expected = fastblocks.MaglevTable(nodes, table_size=1009, seed=11)
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        table = impl.MaglevTable.from_bytes(data)
        assert table.to_bytes() == data
        assert table.loads == {"a": 288, "é": 721, "backend:8080": 0}
        assert "".join(map(str, table.table[:40])) == "1011110101011111101011110111111011101101"
