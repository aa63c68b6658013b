"""Arguments of coverings, checked: caps, rectangles and polygons on the sphere."""

from __future__ import annotations

import math
from typing import Any

from . import check
from .columns import Batch
from .sphere import EARTH_RADIUS_M

__all__ = ["MOST_CELLS", "cap", "edge_name", "limits", "polygons", "rectangle", "too_many"]

MOST_CELLS = 2**22  # of a covering

Ring = list[tuple[float, float]]


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


def polygons(outer: Any, holes: Any) -> list[list[Ring]]:
    """Return polygons, each as its rings of (lat, lng), the outer one first.

    `outer` is a ring, or has a `__geo_interface__`, whose points are (lng, lat).
    """
    shape = getattr(outer, "__geo_interface__", outer)
    if not isinstance(shape, dict):
        if hasattr(holes, "__geo_interface__") or isinstance(holes, (dict, str, bytes)):
            raise TypeError(f"holes must be a sequence of rings, not {type(holes).__name__}")
        rings = [ring(f"holes[{k}]", hole) for k, hole in enumerate(holes)]
        return [[ring("outer", outer), *rings]]
    if len(holes):
        raise ValueError(
            "holes must be empty if outer has a __geo_interface__, which holds its own"
        )
    if shape.get("type") == "Feature":
        shape = shape.get("geometry") or {}
    kind = shape.get("type")
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"outer must be a Polygon or a MultiPolygon, not {kind!r}")
    parts = [shape["coordinates"]] if kind == "Polygon" else shape["coordinates"]
    found = [
        [
            ring("outer" if k == 0 else f"holes[{k - 1}]", [(p[1], p[0]) for p in points])
            for k, points in enumerate(part)
        ]
        for part in parts
    ]
    if not found or not all(found):
        raise ValueError("outer must not be empty")
    return found


def ring(name: str, points: Any) -> Ring:
    """Return a ring of (lat, lng) without the repeated last point, or raise."""
    import numpy as np

    if isinstance(points, (str, bytes, dict)) or not hasattr(points, "__len__"):
        kind = type(points).__name__
        raise TypeError(f"{name} must be a sequence of (lat, lng), not {kind}")
    if not isinstance(points, np.ndarray):
        for k, point in enumerate(points):
            if not hasattr(point, "__len__") or isinstance(point, (str, bytes)):
                kind = type(point).__name__
                raise TypeError(f"{name}[{k}] must be a pair (lat, lng), not {kind}")
            if len(point) != 2:
                raise ValueError(
                    f"{name}[{k}] must be a pair (lat, lng), not of length {len(point)}"
                )
        points = [(lat, lng) for lat, lng in points]
    elif points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2), not {points.shape}")
    batch = Batch()
    if len(points):
        both = points if isinstance(points, np.ndarray) else list(zip(*points, strict=True))
        lats, lngs = (both[:, 0], both[:, 1]) if isinstance(both, np.ndarray) else both
        batch.latitudes(f"{name}, lat", lats)
        batch.longitudes(f"{name}, lng", lngs)
        lats, lngs = (np.asarray(x, np.float64).tolist() for x in (lats, lngs))
        pairs = [(lat, wrapped(lng)) for lat, lng in zip(lats, lngs, strict=True)]
    else:
        pairs = []
    kept = [p for k, p in enumerate(pairs) if k == 0 or p != pairs[k - 1]]
    if len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    if len(kept) < 3:
        raise ValueError(f"{name} must have at least 3 different points, not {len(kept)}")
    return kept


def edge_name(parts: list[list[Ring]], edge: int) -> str:
    """Return what the edge that leaves a point is called, by its number among all."""
    for part in parts:
        for k, points in enumerate(part):
            if edge < len(points):
                return f"{'outer' if k == 0 else f'holes[{k - 1}]'}[{edge}]"
            edge -= len(points)
    raise IndexError(edge)
