"""H3 cells as numbers and as a grid: parents, children, sets, disks, distances; oracle: h3."""

import itertools
import random

import h3.api.numpy_int as oracle
import numpy as np
import pytest
from h3 import H3FailedError
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

NATIVE, PURE = fastblocks.geo.h3, fastblocks.pure.geo.h3
PARIS = 0x891FB467423FFFF
ALL = 2**64 - 1


@st.composite
def cells_of_any_res(draw, near_pentagons=True):
    """Cells everywhere; pentagons and what is around them often enough."""
    res = draw(st.integers(0, 15))
    if near_pentagons and draw(st.booleans()):
        cell = draw(st.sampled_from(oracle.get_pentagons(min(res, 3))))
        cell = draw(st.sampled_from(sorted(oracle.grid_disk(cell, 2))))
        while oracle.get_resolution(cell) < res:
            children = oracle.cell_to_children(cell)
            cell = children[draw(st.integers(0, len(children) - 1))]
        return int(cell)
    lat = draw(st.floats(-90, 90))
    lng = draw(st.floats(-180, 180))
    return int(oracle.latlng_to_cell(lat, lng, res))


def some_cells(n, res, seed=1):
    """n cells of one resolution, every fourth around a pentagon."""
    rng = random.Random(seed)
    pentagons = [int(p) for p in oracle.get_pentagons(res)]
    cells = []
    for i in range(n):
        if i % 4 == 0:
            disk = oracle.grid_disk(rng.choice(pentagons), 4)
            cells.append(int(rng.choice(disk)))
        else:
            lat, lng = rng.uniform(-90, 90), rng.uniform(-180, 180)
            cells.append(int(oracle.latlng_to_cell(lat, lng, res)))
    return cells


def both(name, *args):
    """What native and pure answer, which must be the same."""
    native, pure = (getattr(module, name)(*args) for module in (NATIVE, PURE))
    np.testing.assert_array_equal(native, pure)
    assert type(native) is type(pure)
    return native


# ---- numbers -------------------------------------------------------------------------------------


@given(cells_of_any_res())
def test_properties_as_h3(cell):
    assert both("is_valid_cell", cell) is True
    assert both("get_resolution", cell) == oracle.get_resolution(cell)
    assert both("get_base_cell_number", cell) == oracle.get_base_cell_number(cell)
    assert both("is_pentagon", cell) == oracle.is_pentagon(cell)
    assert both("int_to_str", cell) == oracle.int_to_str(cell)
    assert both("str_to_int", f"{cell:x}") == both("str_to_int", f"0X{cell:X}") == cell


@given(cells_of_any_res(), st.lists(st.integers(0, 63), max_size=3))
def test_validity_of_damaged_cells(cell, bits):
    for bit in bits:
        cell ^= 1 << bit
    assert both("is_valid_cell", cell) == oracle.is_valid_cell(cell)


@pytest.mark.parametrize("base", [4, 14, 117])
def test_the_missing_sector_of_pentagons(impl, base):
    for first in range(8):
        cell = 1 << 59 | 2 << 52 | base << 45 | first << 39 | (1 << 39) - 1
        assert impl.geo.h3.is_valid_cell(cell) == (first not in (1, 7))


@given(cells_of_any_res(), st.integers(0, 15))
def test_parents_and_children_as_h3(cell, res):
    own = oracle.get_resolution(cell)
    if res <= own:
        assert both("cell_to_parent", cell, res) == oracle.cell_to_parent(cell, res)
    else:
        assert both("cell_to_center_child", cell, res) == oracle.cell_to_center_child(cell, res)
        assert both("cell_to_children_size", cell, res) == oracle.cell_to_children_size(cell, res)
    finer = min(own + 3, res)
    if finer >= own:
        children = both("cell_to_children", cell, finer)
        assert children.tolist() == sorted(oracle.cell_to_children(cell, finer).tolist())
        assert both("compact_cells", children).tolist() == [cell]
    if 0 < own < 15:
        assert both("cell_to_parent", cell) == oracle.cell_to_parent(cell)
        assert both("cell_to_center_child", cell) == oracle.cell_to_center_child(cell)


def test_arrays_of_cells(impl):
    h3 = impl.geo.h3
    cells = [c for res in (3, 9, 14) for c in some_cells(20, res)]
    array = np.array(cells, np.uint64)
    assert h3.get_resolution(cells).tolist() == [3] * 20 + [9] * 20 + [14] * 20
    assert h3.get_resolution(array).dtype == np.uint8
    assert h3.is_pentagon(array).tolist() == [oracle.is_pentagon(c) for c in cells]
    assert h3.cell_to_parent(array).tolist() == [oracle.cell_to_parent(c) for c in cells]
    assert h3.cell_to_parent(array.reshape(2, 30), 2).shape == (2, 30)
    values, offsets = h3.cell_to_children(array)
    for i, cell in enumerate(cells):
        assert values[offsets[i] : offsets[i + 1]].tolist() == h3.cell_to_children(cell).tolist()
    texts = h3.int_to_str(array)
    assert texts.dtype == "S16"
    assert h3.str_to_int(texts).tolist() == cells
    out = np.zeros(60, np.uint64)
    assert h3.cell_to_center_child(array, out=out) is out
    assert h3.int_to_str([0, 10, ALL]).tolist() == [b"0", b"a", b"f" * 16]
    assert h3.int_to_str(0) == "0"
    assert h3.str_to_int(["0x1F", "2"]).tolist() == [31, 2]


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("get_resolution", (5,), "cell must be a valid H3 cell, not 5"),
        ("is_pentagon", ([PARIS, 7],), r"cell\[1\] must be a valid H3 cell, not 7"),
        ("cell_to_parent", (PARIS, 10), "cell must be a cell of resolution 10 or finer, not 61"),
        ("cell_to_parent", (0x8001FFFFFFFFFFF,), "cell must be a cell of resolution 1 or finer"),
        ("cell_to_parent", (PARIS, 16), r"res must be in \[0, 15\], not 16"),
        ("cell_to_children", (PARIS, 8), "cell must be a cell of resolution 8 or coarser"),
        ("cell_to_children", ([[PARIS]],), "cell must be 1-D"),
        ("cell_to_children_size", ([PARIS], 3), r"cell\[0\] must be a cell of resolution 3 or"),
        ("str_to_int", ("",), "text must be 1 to 16 hexadecimal digits, not ''"),
        ("str_to_int", (["12", "1g"],), r"text\[1\] must be 1 to 16 hexadecimal digits, not '1g'"),
        ("str_to_int", ("1" * 17,), "text must be 1 to 16 hexadecimal digits"),
        ("int_to_str", (-1,), "cell must be in"),
        ("is_valid_cell", (2**64,), "cell must be in"),
        ("compact_cells", ([PARIS, PARIS],), f"cells must be distinct: {PARIS} is there twice"),
        ("compact_cells", (PARIS,), "cells must be 1-D"),
        ("uncompact_cells", ([PARIS], 8), r"cells\[0\] must be a cell of resolution 8 or coarser"),
        ("grid_disk", (PARIS, -1), r"k must be in \[0, 13780510\], not -1"),
        ("grid_disk", ([5], 1), r"cell\[0\] must be a valid H3 cell, not 5"),
        ("grid_distance", (PARIS, 3), "b must be a valid H3 cell, not 3"),
        ("grid_distance", ([PARIS], 0x8009FFFFFFFFFFF), "b must be of resolution 9 as the cell"),
        ("grid_distance", (PARIS, 0x8900000000FFFFF), "b must be in the same base cell as"),
    ],
)
def test_bad_input(impl, name, args, words):
    with pytest.raises(ValueError, match=words):
        getattr(impl.geo.h3, name)(*args)


def test_bad_types(impl):
    h3 = impl.geo.h3
    for call in (
        lambda: h3.get_resolution("891fb467423ffff"),
        lambda: h3.get_resolution([1.5]),
        lambda: h3.cell_to_parent(True),
        lambda: h3.grid_disk(PARIS, 1.0),
        lambda: h3.str_to_int(5),
    ):
        with pytest.raises(TypeError):
            call()


def test_nothing_is_written_after_an_error(impl):
    out = np.full(2, 7, np.uint64)
    with pytest.raises(ValueError, match=r"cell\[1\]"):
        impl.geo.h3.cell_to_parent([PARIS, 0x8009FFFFFFFFFFF], 5, out=out)
    assert out.tolist() == [7, 7]


# ---- compact sets --------------------------------------------------------------------------------


@pytest.mark.parametrize("res", [0, 1, 2])
def test_the_whole_earth_is_its_base_cells(impl, res):
    h3 = impl.geo.h3
    base = np.sort(np.array(oracle.get_res0_cells(), np.uint64))
    everything = h3.uncompact_cells(base, res)
    assert len(everything) == 2 + 120 * 7**res
    np.random.default_rng(1).shuffle(everything)
    assert h3.compact_cells(everything).tolist() == base.tolist()


@given(st.lists(cells_of_any_res(), max_size=4), st.randoms(use_true_random=False))
def test_compact_and_back(cells, rng):
    top = min((oracle.get_resolution(c) for c in cells), default=0)
    res = min(top + 2, 15)
    every = sorted(
        {
            int(c)
            for cell in cells
            for c in NATIVE.cell_to_children(oracle.cell_to_parent(cell, top), res)
        }
    )
    some = [c for c in every if rng.random() < 0.98]
    rng.shuffle(some)
    compacted = both("compact_cells", np.array(some, np.uint64))
    if some:
        assert set(compacted.tolist()) == set(
            oracle.compact_cells(np.array(some, np.uint64)).tolist()
        )
    assert both("uncompact_cells", compacted, res).tolist() == sorted(some)


def test_resolutions_must_agree(impl):
    parent = 0x881FB46743FFFFF
    with pytest.raises(ValueError, match=r"cells\[1\] must be of resolution 9 as cells\[0\] is"):
        impl.geo.h3.compact_cells([PARIS, parent])
    assert impl.geo.h3.compact_cells(np.array([], np.uint64)).tolist() == []


# ---- disks and distances -------------------------------------------------------------------------


@given(cells_of_any_res(), st.integers(0, 4))
def test_disks_as_h3(cell, k):
    disk = both("grid_disk", cell, k)
    assert disk[0] == cell
    assert len(disk) == len(set(disk.tolist()))
    assert set(disk.tolist()) == set(oracle.grid_disk(cell, k).tolist())
    ring = both("grid_ring", cell, k)
    assert set(ring.tolist()) == set(oracle.grid_ring(cell, k).tolist())
    assert ring.tolist() == disk[len(disk) - len(ring) :].tolist()


@pytest.mark.parametrize("res", range(16))
def test_disks_up_to_ten(res):
    for k in (5, 10):
        cells = [*some_cells(40, res, k), *oracle.get_pentagons(res)]
        values, offsets = NATIVE.grid_disk(cells, k)
        for i, cell in enumerate(cells):
            disk = values[offsets[i] : offsets[i + 1]]
            assert np.array_equal(np.sort(disk), np.sort(oracle.grid_disk(cell, k)))


def test_order_of_a_disk(impl):
    disk = impl.geo.h3.grid_disk(PARIS, 2).tolist()
    for first, size in ((1, 6), (7, 12)):
        ring = disk[first : first + size]
        assert all(oracle.are_neighbor_cells(a, b) for a, b in itertools.pairwise(ring))
    pentagon = int(oracle.get_pentagons(9)[0])
    disk = impl.geo.h3.grid_disk(pentagon, 2).tolist()
    assert disk[1:6] == sorted(disk[1:6])
    assert disk[6:] == sorted(disk[6:])


@given(cells_of_any_res(), st.integers(0, 8), st.randoms(use_true_random=False))
def test_distance_counts_the_rings(cell, k, rng):
    """Where there is an answer it is the right one, also where h3 has none."""
    ring = NATIVE.grid_ring(cell, k).tolist()
    for other in rng.sample(ring, min(4, len(ring))):
        try:
            steps = both("grid_distance", cell, other)
        except ValueError:
            with pytest.raises(H3FailedError):
                oracle.grid_distance(cell, other)
        else:
            assert steps == k == NATIVE.grid_distance(other, cell)
        assert both("are_neighbor_cells", cell, other) is (k == 1)


@pytest.mark.parametrize("res", [1, 4, 9, 15])
def test_long_distances_as_h3(res):
    rng = random.Random(res)
    for cell in some_cells(150, res, res):
        lat, lng = oracle.cell_to_latlng(cell)
        y = min(max(lat + rng.uniform(-15, 15), -90), 90)
        other = int(oracle.latlng_to_cell(y, lng + rng.uniform(-15, 15), res))
        try:
            wanted = oracle.grid_distance(cell, other)
        except H3FailedError:
            continue
        assert both("grid_distance", cell, other) == wanted


def test_pairs_of_arrays(impl):
    h3 = impl.geo.h3
    ring = h3.grid_ring(PARIS, 2)
    assert h3.grid_distance(PARIS, ring).tolist() == [2] * 12
    assert h3.grid_distance(ring[:, None], ring).shape == (12, 12)
    assert h3.are_neighbor_cells(ring, np.roll(ring, 1)).all()
    assert not h3.are_neighbor_cells(PARIS, oracle.cell_to_parent(PARIS))
    far = int(oracle.latlng_to_cell(-40, 100, 9))
    with pytest.raises(ValueError, match=r"b\[1\] must be in the same base cell as the cell of a"):
        h3.grid_distance(PARIS, [PARIS, far])
    values, offsets = h3.grid_disk(np.array([], np.uint64), 3)
    assert values.tolist() == []
    assert offsets.tolist() == [0]
