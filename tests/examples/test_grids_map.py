"""The map of a city in three grids."""

import matplotlib as mpl
import numpy as np
import pytest

from examples import grids_map

mpl.use("agg")


@pytest.fixture(scope="module")
def ring():
    return grids_map.outline()


def area(cells):
    """Square kilometres, as on a plane."""
    lat, lng = (np.concatenate([c[:, k] for c in cells]) for k in (0, 1))
    assert lng.max() - lng.min() < 1
    total = 0.0
    for cell in cells:
        y, x = np.radians(cell).T * 6371.0088
        x = x * np.cos(np.radians(lat.mean()))
        total += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return total


def test_fills(ring):
    exact = area([ring])
    for cells in (grids_map.geohashes(ring), grids_map.hexagons(ring)):
        assert area(cells) == pytest.approx(exact, rel=0.05)
    assert exact < area(grids_map.squares(ring)) < 1.25 * exact


def test_picture(ring, tmp_path):
    grids_map.draw(ring, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "map.png").stat().st_size > 10_000
