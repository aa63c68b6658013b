"""Arguments of coverings, checked: limits, caps and rectangles on the sphere."""

from __future__ import annotations

import math
from typing import Any

from . import check
from .columns import Batch
from .sphere import EARTH_RADIUS_M

__all__ = ["MOST_CELLS", "cap", "limits", "rectangle", "too_many"]

MOST_CELLS = 2**22  # of a covering


def limits(max_cells: Any, min_level: Any, max_level: Any) -> tuple[int, int, int]:
    """Return the limits of a covering."""
    most = check.integer("max_cells", max_cells, 1, MOST_CELLS)
    deepest = check.integer("max_level", max_level, 0, 30)
    return most, check.integer("min_level", min_level, 0, deepest), deepest


def too_many(min_level: int) -> ValueError:
    """Return the error of a covering of more than MOST_CELLS."""
    return ValueError(
        f"min_level must be so low that {MOST_CELLS} cells cover the region, not {min_level}"
    )


def latitude(name: str, value: Any) -> float:
    """Return degrees in [-90, 90]."""
    if type(value) in (float, int) and -90 <= value <= 90:
        return float(value)  # the same, quickly
    batch = Batch()
    batch.latitudes(name, value)
    return number(name, value, batch)


def longitude(name: str, value: Any) -> float:
    """Return finite degrees, brought to [-180, 180]."""
    if type(value) in (float, int) and -180 <= value <= 180:
        return float(value)
    batch = Batch()
    batch.longitudes(name, value)
    return wrapped(number(name, value, batch))


def number(name: str, value: Any, batch: Any) -> float:
    """Return the only number of a batch, or raise."""
    batch.broadcast()
    if batch.shape != ():
        raise TypeError(f"{name} must be a float, not {type(value).__name__}")
    only: float = batch.rows()[0][0]
    return only


def wrapped(lng: float) -> float:
    """Return a longitude in [-180, 180]."""
    return math.remainder(lng, 360) if abs(lng) > 180 else lng


def cap(lat: Any, lng: Any, radius_m: Any) -> tuple[float, float, float]:
    """Return the center in degrees and the radius in radians."""
    center = latitude("lat", lat), longitude("lng", lng)
    radius = check.real("radius_m", radius_m, 0.0, math.inf)
    return *center, min(radius / EARTH_RADIUS_M, math.pi)


def rectangle(south: Any, west: Any, north: Any, east: Any) -> tuple[float, float, float, float]:
    """Return the least latitude and longitude, the greatest latitude and the width, in radians.

    The width is infinite if there is no meridian outside.
    """
    low, high = latitude("south", south), latitude("north", north)
    left, right = longitude("west", west), longitude("east", east)
    if low > high:
        raise ValueError(f"south must not be above north: {low!r} > {high!r}")
    whole = east - west >= 360
    width = right - left + (360 if right < left else 0)
    unit = math.pi / 180
    return unit * low, unit * left, unit * high, math.inf if whole else unit * width
