"""The example finds the zones that timezonefinder finds, here for a few small ones."""

import numpy as np
import pytest

from examples import timezone_at

ZONES = ["Europe/Andorra", "Europe/Luxembourg", "Europe/Malta", "Europe/Vaduz", "Europe/Zurich"]


@pytest.fixture(scope="module")
def finder():
    import timezonefinder

    return timezonefinder.TimezoneFinder(in_memory=True)


def test_zones(finder):
    fence = timezone_at.fence_of(finder, ZONES)
    rng = np.random.default_rng(3)
    lats, lngs = rng.uniform(35, 51, 4000), rng.uniform(0, 16, 4000)
    lats[:1500], lngs[:1500] = rng.uniform(45.7, 47.9, 1500), rng.uniform(5.8, 10.6, 1500)
    points = zip(lats.tolist(), lngs.tolist(), strict=True)
    found = [finder.timezone_at(lat=lat, lng=lng) for lat, lng in points]
    theirs = np.array([ZONES.index(name) if name in ZONES else -1 for name in found])
    assert (theirs >= 0).sum() > 500
    assert timezone_at.compare(fence, lats, lngs, theirs) == (4000, 0, 0)
    assert fence.first_many(lats, lngs).tolist() == theirs.tolist()


def test_compared():
    fence = timezone_at.Geofence(
        [[(0, 0), (0, 2), (2, 2), (2, 0)], [(1, 1), (1, 3), (3, 3), (3, 1)]]
    )
    lats = lngs = np.array([0.5, 1.5, 2.5, 5.0, 0.5])
    theirs = np.array([0, 1, 1, -1, 1])
    assert timezone_at.compare(fence, lats, lngs, theirs) == (3, 1, 1)
    lats, lngs = timezone_at.on_the_globe(100)
    assert np.abs(lats).max() < 90
    assert np.abs(lngs).max() < 180
