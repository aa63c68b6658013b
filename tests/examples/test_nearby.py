"""The example finds the cities that a look at every one finds."""

import numpy as np
import pytest

from examples import nearby
from fastblocks.geo.distance import haversine


@pytest.mark.parametrize("at", [(48.2, 16.37), (-17.8, 179.99), (89.9, 0.0)])
def test_the_nearest_and_those_within(at):
    index, names = nearby.cities(15_000)
    assert len(index) == len(names) > 20_000
    metres = haversine(*at, *np.array([index[id] for id in range(len(names))]).T)
    ids, distances = index.nearest(*at, k=10)
    assert distances.tolist() == np.sort(metres)[:10].tolist()
    assert metres[ids].tolist() == distances.tolist()
    ids, distances = index.within(*at, 50_000)
    assert sorted(ids.tolist()) == np.flatnonzero(metres <= 50_000).tolist()
    assert (np.diff(distances) >= 0).all()


def test_it_prints(capsys):
    nearby.main(48.2, 16.37)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert "Vienna" in lines[1]
    assert lines[-1].startswith("Within 50 km: ")
