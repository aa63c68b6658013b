"""The time zones of a million points, from the real polygons, beside timezonefinder's answers.

The polygons are those that timezonefinder brings along: 444 zones with 8 million vertices. They
become one `Geofence`, whose ids are the numbers of the zones, saved to a file that later runs map
instead. Every point is asked for in one call. Where zones overlap, as in disputed areas, a point
has several; there timezonefinder names one of them, and everywhere else the only one.

Run it with ``python examples/timezone_at.py [points] [file of the fence]``; it needs
``pip install "timezonefinder>=9"``, so CPython 3.11 or newer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastblocks import Geofence


def rings_of(finder: Any, zone: str) -> list[NDArray[np.float64]]:
    """Return the rings of a zone, of polygons and holes, as latitudes and longitudes."""
    polygons = finder.get_geometry(tz_name=zone)
    return [np.array(ring)[::-1].T for polygon in polygons for ring in polygon]


def fence_of(finder: Any, zones: Sequence[str]) -> Geofence:
    """Return a fence of zones, by their positions."""
    return Geofence(rings_of(finder, zone) for zone in zones)


class Compared(NamedTuple):
    """How often the fence and timezonefinder agree."""

    equal: int  # points in one zone, the one that timezonefinder names
    overlapping: int  # points in several zones, among them the one that it names
    wrong: int


def compare(
    fence: Geofence, lats: NDArray[np.float64], lngs: NDArray[np.float64], theirs: NDArray[Any]
) -> Compared:
    """Compare all zones of points with the one that timezonefinder found, -1 if that is none."""
    points, zones = fence.query_many(lats, lngs)
    held = np.bincount(points, minlength=len(lats))
    named = np.zeros(len(lats), bool)
    named[points[zones == theirs[points]]] = True
    named |= (held == 0) & (theirs == -1)
    several = held > 1
    return Compared(
        int((named & ~several).sum()), int((named & several).sum()), int((~named).sum())
    )


def on_the_globe(n: int, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the latitudes and longitudes of points that are uniform on the sphere."""
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)


def main(n: int, path: Path) -> None:
    """Make or open the fence, ask for n points, and compare."""
    finder = import_module("timezonefinder").TimezoneFinder(in_memory=True)
    names = list(finder.timezone_names)
    if not path.exists():
        start = time.perf_counter()
        fence_of(finder, names).save(path)
        print(f"made {path} in {time.perf_counter() - start:.1f} s")
    fence = Geofence.open(path)
    lats, lngs = on_the_globe(n)

    start = time.perf_counter()
    mine = fence.first_many(lats, lngs)
    seconds = time.perf_counter() - start
    print(f"{names[mine[0]]} and {n - 1} more: {seconds / n * 1e9:.0f} ns a point")

    start = time.perf_counter()
    theirs = finder.timezone_ids_at(lats=lats, lngs=lngs)
    peer = time.perf_counter() - start
    print(f"timezonefinder's batch: {peer / n * 1e9:.0f} ns, {peer / seconds:.1f} times as long")
    few = min(n, 10_000)
    start = time.perf_counter()
    for lat, lng in zip(lats[:few].tolist(), lngs[:few].tolist(), strict=True):
        finder.timezone_at(lat=lat, lng=lng)
    peer = (time.perf_counter() - start) / few
    print(f"timezone_at: {peer * 1e9:.0f} ns, {peer * n / seconds:.1f} times as long")

    equal, overlapping, wrong = compare(fence, lats, lngs, theirs)
    print(f"{equal} equal; {overlapping} in several zones, one of them the same; {wrong} other")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
        Path(sys.argv[2] if len(sys.argv) > 2 else "timezones.fb"),
    )
