"""Columns of data frames in all functions of cells: they come back in kind, with equal answers."""

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

LAT, LNG = [38.7223, -33.8688, 64.1466, 0.0], [-9.1393, 151.2093, -21.9426, 180.0]
KINDS = {
    "pandas": lambda items: pd.Series(items, [5, 6, 7, 8]),
    "pandas, Arrow": lambda items: pd.Series(pd.array(pa.array(items)), [5, 6, 7, 8]),
    "polars": lambda items: pl.Series("q", items),
    "pyarrow": lambda items: pa.array(items),
    "pyarrow, chunks": lambda items: pa.chunked_array([items[:1], items[1:]]),
}
H3 = [617999436011012095, 620336640811597823, 617122742265446399, 619222233253675007]
S2 = [943842290479136768, 7715420632820744192, 5248394716533227520, 8070450463528452096]
GEOHASH = ["eycs210", "r3gx2f7", "ge2kutt", "8000000"]
IN_KIND = [
    *(
        (f"{name} of points", (LAT, LNG), extra)
        for name, *extra in [
            ("h3.latlng_to_cell", 9),
            ("s2.latlng_to_cell", 12),
            ("geohash.encode", 7),
            ("geohash.encode_int", 40),
            ("distance.haversine", 0, 0),
            ("distance.bearing", 0, 0),
            ("distance.destination", 45, 1e5),
        ]
    ),
    *(
        (f"h3.{name}", (H3,), extra)
        for name, *extra in [
            *(("is_valid_cell",), ("is_pentagon",), ("get_resolution",), ("get_base_cell_number",)),
            *(("cell_to_latlng",), ("cell_area",), ("int_to_str",), ("cell_to_parent", 5)),
            *(("cell_to_center_child", 11), ("cell_to_children_size", 11)),
            *(("are_neighbor_cells", H3[0]), ("grid_distance", H3)),
        ]
    ),
    *(
        (f"s2.{name}", (S2,), extra)
        for name, *extra in [
            *(("is_valid",), ("level",), ("cell_area",), ("cell_to_latlng",), ("cell_to_token",)),
            *(("parent", 5), ("contains", S2[0]), ("intersects", S2[0])),
        ]
    ),
    *((f"geohash.{name}", (GEOHASH,), ()) for name in ("decode", "bounds", "parent", "to_int")),
    ("geohash.from_int", ([1, 2, 3, 4],), (7,)),
    ("h3.str_to_int", ([f"{cell:x}" for cell in H3],), ()),
    ("s2.token_to_cell", ([f"{cell:016x}" for cell in S2],), ()),
]
NUMPY = [
    ("h3.cell_to_boundary", (H3,), ()),
    ("h3.cell_to_children", (H3,), (10,)),
    ("h3.grid_disk", (H3,), (2,)),
    ("h3.grid_ring", (H3,), (2,)),
    ("h3.compact_cells", (H3,), ()),
    ("h3.uncompact_cells", (H3,), (10,)),
    ("s2.children", (S2,), ()),
    ("s2.edge_neighbors", (S2,), ()),
    ("s2.all_neighbors", (S2,), ()),
    ("s2.boundary", (S2,), ()),
    ("s2.normalize", (S2,), ()),
    ("geohash.neighbors", (GEOHASH,), ()),
    ("geohash.children", (GEOHASH,), ()),
    ("distance.distance_matrix", (LAT, LNG), ()),
]


def named(value):
    """Tests are told apart by the function."""
    return value if isinstance(value, str) else ""


def call(impl, name, columns, extra):
    """The results of a function, as a tuple."""
    block, function = name.split()[0].split(".")
    result = getattr(getattr(impl.geo, block), function)(*columns, *extra)
    return result if isinstance(result, tuple) else (result,)


def items(column):
    """A column or array as a list of Python objects; texts of NumPy are bytes."""
    array = np.asarray(column)
    return (array.astype("U") if array.dtype.kind == "S" else array).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "columns", "extra"), IN_KIND, ids=named)
def test_columns_come_back_in_kind(impl, name, columns, extra, kind):
    given = [KINDS[kind](column) for column in columns]
    expected = call(impl, name, [np.array(column) for column in columns], extra)
    results = call(impl, name, given, extra)
    for result, wanted in zip(results, expected, strict=True):
        assert type(wanted) is np.ndarray
        if kind.startswith("pandas"):
            assert isinstance(result, pd.Series)
            assert result.index.tolist() == [5, 6, 7, 8]
        else:
            assert isinstance(
                result, pl.Series if kind == "polars" else (pa.Array, pa.ChunkedArray)
            )
        assert items(result) == items(wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "columns", "extra"), NUMPY, ids=named)
def test_columns_that_give_arrays(impl, name, columns, extra, kind):
    given = [KINDS[kind](column) for column in columns]
    expected = call(impl, name, [np.array(column) for column in columns], extra)
    for result, wanted in zip(call(impl, name, given, extra), expected, strict=True):
        assert type(result) is type(wanted) is np.ndarray
        assert result.dtype == wanted.dtype
        assert items(result) == items(wanted)


MODULES = ("distance", "geohash", "h3", "s2")


@pytest.mark.parametrize("module", MODULES)
def test_out_is_given_by_its_name_only(impl, module):
    block = getattr(impl.geo, module)
    parameters = [inspect.signature(getattr(block, name)).parameters for name in block.__all__]
    kinds = {p["out"].kind for p in parameters if "out" in p}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_out_by_position_is_refused(impl):
    out = np.zeros(2, np.uint64)
    with pytest.raises(TypeError, match="positional arguments"):
        impl.geo.geohash.encode_int([1.0, 2.0], [3.0, 4.0], 60, out)
    with pytest.raises(TypeError, match="positional arguments"):
        impl.geo.s2.latlng_to_cell([1.0, 2.0], [3.0, 4.0], 30, out)
    with pytest.raises(TypeError, match="positional arguments"):
        impl.geo.distance.haversine([1.0, 2.0], 0.0, 0.0, 0.0, np.zeros(2))
    assert not out.any()
