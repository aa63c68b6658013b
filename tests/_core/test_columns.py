"""Columns in and out: what is taken, what is refused in which words, what comes back."""

import gc
import re
import sys
import types

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastblocks._core.columns import Batch


def passed(kind, *columns, dtype="f8", out=None):
    """The first of the columns as it comes back."""
    batch = Batch()
    for name, column in zip("abc", columns, strict=False):
        getattr(batch, kind)(name, column)
    return batch.apply(lambda first, *_: first, dtype, out)


NUMBERS = [1.5, -2, 3]
NUMBER_COLUMNS = {
    "list": NUMBERS,
    "tuple": tuple(NUMBERS),
    "float64": np.array(NUMBERS),
    "float32": np.array(NUMBERS, "f4"),
    "float16": np.array(NUMBERS, "f2"),
    "longdouble": np.array(NUMBERS, np.longdouble),
    "big-endian": np.array(NUMBERS, ">f8"),
    "strided": np.array([1.5, 0, -2, 0, 3, 0])[::2],
    "objects": np.array(NUMBERS, object),
    "masked": np.ma.masked_array([1.5, -2, 3], [0, 0, 0]),
    "memoryview": memoryview(np.array(NUMBERS)),
}
FRAME_COLUMNS = {
    "pandas": pd.Series(NUMBERS, [7, 8, 9], name="q"),
    "pandas, nullable": pd.Series(NUMBERS, [7, 8, 9], name="q", dtype="Float64"),
    "pandas, Arrow": pd.Series(NUMBERS, [7, 8, 9], name="q", dtype="double[pyarrow]"),
    "polars": pl.Series("q", NUMBERS),
    "polars, float32": pl.Series("q", NUMBERS, pl.Float32),
    "polars, chunks": pl.concat(
        [pl.Series("q", NUMBERS[:1]), pl.Series(NUMBERS[1:], dtype=pl.Float64)]
    ),
    "pyarrow": pa.array([0.0, *NUMBERS])[1:],
    "pyarrow, chunks": pa.chunked_array([NUMBERS[:2], [], NUMBERS[2:]]),
}


@pytest.mark.parametrize("name", NUMBER_COLUMNS)
def test_numbers(name):
    found = passed("finite", NUMBER_COLUMNS[name])
    assert isinstance(found, np.ndarray)
    assert found.tolist() == NUMBERS


@pytest.mark.parametrize("name", FRAME_COLUMNS)
def test_columns_of_data_frames_come_back_in_kind(name):
    column = FRAME_COLUMNS[name]
    for found in (passed("finite", column), passed("finite", column, 5)):
        assert type(found) is type(column)
        values = (
            found.to_pylist() if isinstance(found, (pa.Array, pa.ChunkedArray)) else list(found)
        )
        assert values == NUMBERS
        if not isinstance(found, (pa.Array, pa.ChunkedArray)):
            assert found.name == "q"
        if isinstance(found, pd.Series):
            assert found.index.tolist() == [7, 8, 9]
    out = np.empty(3)
    assert passed("finite", column, out=out) is out
    assert out.tolist() == NUMBERS
    assert isinstance(passed("finite", column, np.zeros((2, 1))), np.ndarray)


def test_numbers_of_other_exporters():
    table = duckdb.sql("select unnest([1.5::double, -2, 3]) as x")
    assert (
        passed(
            "finite", table.to_arrow_table() if not hasattr(table, "__arrow_c_stream__") else table
        ).tolist()
        == NUMBERS
    )
    assert passed("finite", pl.DataFrame({"x": NUMBERS})).tolist() == NUMBERS
    sliced = pa.RecordBatch.from_arrays([pa.array([9, *NUMBERS])], ["x"]).slice(1)
    assert passed("finite", sliced).tolist() == NUMBERS

    class Array:
        def __array__(self, dtype=None, copy=None):
            return np.array(NUMBERS)

    assert passed("finite", Array()).tolist() == NUMBERS


def test_memory_of_arrow_is_read_in_place_and_kept():
    batch = Batch()
    column = pa.array(np.arange(1000.0))
    batch.finite("a", column)
    address = column.buffers()[1].address
    assert batch.arrays[0].__array_interface__["data"] == (address, True)
    del column
    gc.collect()
    assert batch.arrays[0].tolist() == list(range(1000))
    stream = Batch()
    stream.finite("a", pl.Series(np.arange(1000.0)))
    gc.collect()
    assert stream.arrays[0].tolist() == list(range(1000))


def test_scalars():
    for number in (1, 1.0, np.float32(1), np.int8(1), np.float64(1), np.array(1.0)):
        found = passed("finite", number)
        assert (type(found), found) == (float, 1.0)
    assert type(passed("ids", np.uint64(2**64 - 1), dtype="u8")) is int
    assert passed("texts", np.str_("ab"), dtype="S2") == passed("texts", b"ab", dtype="S2") == "ab"


def test_broadcasting():
    assert passed("finite", np.zeros((3, 1)), np.zeros(4), 5).shape == (3, 4)
    assert passed("finite", 5, [1, 2]).tolist() == [5, 5]
    assert passed("finite", [], [1]).shape == (0,)
    with pytest.raises(
        ValueError, match=r"^a, b must have shapes that broadcast together, not \(2,\), \(3,\)$"
    ):
        passed("finite", [1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("column", "error", "words"),
    [
        (True, TypeError, "a must be a float or an array of floats, not bool"),
        (np.True_, TypeError, "a must be a float or an array of floats, not bool"),
        ("1", TypeError, "a must be a float or an array of floats, not str"),
        (None, TypeError, "a must be a float or an array of floats, not NoneType"),
        (1j, TypeError, "a must be a float or an array of floats, not complex"),
        ({1: 2}, TypeError, "a must be a float or an array of floats, not dict"),
        (iter([1]), TypeError, "a must be a float or an array of floats, not list_iterator"),
        (float("nan"), ValueError, "a must be finite, not nan"),
        (10**400, ValueError, "a must be finite, not inf"),
        ([1, True], TypeError, "a[1] must be a float, not bool"),
        ([1, None], ValueError, "a must not hold nulls: a[1] is null"),
        ([1, "2"], TypeError, "a[1] must be a float, not str"),
        (
            [[1], [2, 3]],
            ValueError,
            "a must be a float or an array of floats, not a list of rows of different lengths",
        ),
        (np.array([True]), TypeError, "a must be a float or an array of floats, not of dtype bool"),
        (np.array(["a"]), TypeError, "a must be a float or an array of floats, not of dtype <U1"),
        (
            np.array([1j]),
            TypeError,
            "a must be a float or an array of floats, not of dtype complex128",
        ),
        (np.array([[1], [np.inf]]), ValueError, "a[1, 0] must be finite, not inf"),
        (np.ma.masked_array([1, 2], [0, 1]), ValueError, "a must not hold nulls: a[1] is null"),
        (pd.Series([1, None], dtype="Float64"), ValueError, "a must not hold nulls: a[1] is null"),
        (pl.Series([1.0, None]), ValueError, "a must not hold nulls: a[1] is null"),
        (pa.chunked_array([[1.0], [2.0, None]]), ValueError, "a must not hold nulls: a[2] is null"),
        (
            pa.array(["a"]),
            TypeError,
            "a must be a float or an array of floats, not of Arrow type 'u'",
        ),
        (
            pa.array([True]),
            TypeError,
            "a must be a float or an array of floats, not of Arrow type 'b'",
        ),
        (
            pa.array([1]).dictionary_encode(),
            TypeError,
            "a must be a float or an array of floats, not of Arrow type 'dictionary'",
        ),
        (
            pl.DataFrame({"x": [1], "y": [2]}),
            TypeError,
            "a must be a float or an array of floats, not a table of 2 columns",
        ),
    ],
)
def test_what_is_no_column_of_numbers(column, error, words):
    with pytest.raises(error, match=f"^{re.escape(words)}$"):
        passed("finite", column)


def test_ids():
    top = 2**64 - 1
    for column in (
        [1, top],
        np.array([1, top], "u8"),
        pl.Series([1, top]),
        pa.array([1, top], pa.uint64()),
    ):
        assert list(
            map(
                int,
                list(
                    passed("ids", column, dtype="u8").to_pylist()
                    if isinstance(column, pa.Array)
                    else passed("ids", column, dtype="u8")
                ),
            )
        ) == [1, top]
    assert passed("ids", np.array([5, 6], "i2"), dtype="u8").tolist() == [5, 6]
    for column, error, words in [
        (-1, ValueError, f"a must be in [0, {top}], not -1"),
        (2**64, ValueError, f"a must be in [0, {top}], not {2**64}"),
        (10**100, ValueError, f"a must be in [0, {top}], not an int of 333 bits"),
        (np.array([3, -5]), ValueError, f"a[1] must be in [0, {top}], not -5"),
        ([3, 2**64], ValueError, f"a[1] must be in [0, {top}], not {2**64}"),
        (1.0, TypeError, "a must be an int or an array of ints, not float"),
        ([1, 1.0], TypeError, "a[1] must be an int, not float"),
        (np.array([1.0]), TypeError, "a must be an int or an array of ints, not of dtype float64"),
        (
            pl.Series([1.0]),
            TypeError,
            "a must be an int or an array of ints, not of Arrow type 'g'",
        ),
    ]:
        with pytest.raises(error, match=f"^{re.escape(words)}$"):
            passed("ids", column, dtype="u8")


def test_texts():
    texts = ["a", "bc", "a text of more than twelve bytes"]
    for column in (
        texts,
        np.array(texts),
        np.array(texts, "S"),
        np.array(texts, object),
        pd.Series(texts),
        pl.Series(texts),
        pa.array(["x", *texts])[1:],
        pa.array(texts, pa.large_string()),
        pa.array(texts, pa.string_view()),
        pa.chunked_array([texts[:1], texts[1:]]),
    ):
        batch = Batch()
        batch.texts("a", column)
        assert [text for (text,) in batch.rows()] == texts
    for column, words in [
        ("é", "a must be ASCII text, not 'é'"),
        ("a\0", "a must be ASCII text, not 'a\\x00'"),
        (["a", "é"], "a[1] must be ASCII text, not 'é'"),
        (np.array([b"a\0b"]), "a[0] must be ASCII text, not b'a\\x00b'"),
        (pl.Series(["a", "é"]), "a[1] must be ASCII text"),
        (pl.Series(["a", None]), "a must not hold nulls: a[1] is null"),
        (pd.Series(["a", None]), "a must not hold nulls: a[1] is null"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            passed("texts", column, dtype="S9")
    with pytest.raises(TypeError, match=r"^a\[1\] must be a str, not int"):
        passed("texts", ["a", 1], dtype="S9")


def test_streams_that_were_read_before():
    reader = pa.table({"x": NUMBERS}).to_reader()
    capsule = reader.__arrow_c_stream__()

    class Again:
        def __arrow_c_stream__(self, requested_schema=None):
            return capsule

    assert passed("finite", Again()).tolist() == NUMBERS
    with pytest.raises(
        ValueError, match=r"^a: the Arrow data were consumed or moved elsewhere before$"
    ):
        passed("finite", Again())


def test_errors_of_later_checks_name_the_item():
    batch = Batch()
    batch.ids("cell", [[5], [6]])
    batch.ids("other", [1, 2, 3])
    batch.broadcast()
    assert str(batch.bad(0, 4, "a cell")) == "cell[1, 0] must be a cell, not 6"
    assert str(batch.bad(1, 4, "a cell")) == "other[1] must be a cell, not 2"
    single = Batch()
    single.ids("cell", 5)
    single.broadcast()
    assert str(single.bad(0, 0, "a cell")) == "cell must be a cell, not 5"


def test_libraries_that_another_thread_is_importing(monkeypatch):
    for name in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert passed("finite", NUMBERS).tolist() == NUMBERS
    assert passed("finite", pl.Series(NUMBERS)).tolist() == NUMBERS
