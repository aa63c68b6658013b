"""Great-circle distances, bearings and destinations in plain Python; see csrc/geo/distance.c."""

from __future__ import annotations

import math
from typing import Any

from fastblocks._core import check
from fastblocks._core.columns import Batch
from fastblocks._core.sphere import EARTH_RADIUS_M

__all__ = ["bearing", "destination", "distance_matrix", "haversine"]


def reduced(angle: float) -> float:
    """Less whole turns: in [-180, 180]."""
    if -180 <= angle <= 180:
        return angle
    turn = math.fmod(angle, 360)
    return turn - 360 if turn > 180 else turn + 360 if turn < -180 else turn


def sincos(x: float) -> tuple[float, float]:
    """Of degrees; exact for multiples of 90."""
    quarter = round(x / 90)
    t = math.radians(x - 90 * quarter)
    s, c = math.sin(t), math.cos(t)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][quarter % 4]


def metres(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    sin_d, cos_d = sincos((lat2 - lat1) / 2)
    sin_p, cos_p = sincos((lat1 + lat2) / 2)
    sin_l, cos_l = sincos((reduced(lng2) - reduced(lng1)) / 2)
    sine = math.hypot(sin_d * cos_l, cos_p * sin_l)
    cosine = math.hypot(cos_d * cos_l, sin_p * sin_l)
    return 2 * EARTH_RADIUS_M * math.atan2(sine, cosine)


def direction(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    sin_l, cos_l = sincos((reduced(lng2) - reduced(lng1)) / 2)
    sin_1, cos_2 = sincos(lat1)[0], sincos(lat2)[1]
    east = 2 * sin_l * cos_l * cos_2
    north = sincos(lat2 - lat1)[0] + 2 * sin_1 * cos_2 * sin_l**2
    angle = arc_tangent(east, north)
    turned = angle + 360 if angle < 0 else angle
    return 0.0 if turned >= 360 else turned


def arc_tangent(y: float, x: float) -> float:
    """Degrees in [-180, 180]; zeros have no sign here."""
    return math.degrees(math.atan2(y or 0.0, x or 0.0))


def reached(lat: float, lng: float, bearing: float, distance: float) -> tuple[float, float]:
    sin_p, cos_p = sincos(lat)
    sin_b, cos_b = sincos(reduced(bearing))
    sin_s, cos_s = sincos(reduced(math.degrees(distance / EARTH_RADIUS_M)))
    x, y = cos_p * cos_s - sin_p * sin_s * cos_b, sin_s * sin_b
    z = sin_p * cos_s + cos_p * sin_s * cos_b
    to = reduced(lng) + arc_tangent(y, x)
    to = to - 360 if to >= 180 else to + 360 if to < -180 else to
    return arc_tangent(z, math.hypot(x, y)), to


def pairs(lat1: Any, lng1: Any, lat2: Any, lng2: Any) -> Batch:
    batch = Batch()
    batch.latitudes("lat1", lat1)
    batch.longitudes("lng1", lng1)
    batch.latitudes("lat2", lat2)
    batch.longitudes("lng2", lng2)
    return batch


def haversine(lat1: Any, lng1: Any, lat2: Any, lng2: Any, *, out: Any = None) -> Any:
    """Return the great-circle distance of two points in metres."""
    return pairs(lat1, lng1, lat2, lng2).apply(metres, "float64", out)


def bearing(lat1: Any, lng1: Any, lat2: Any, lng2: Any, *, out: Any = None) -> Any:
    """Return the direction in which the great circle from one point to another sets out."""
    return pairs(lat1, lng1, lat2, lng2).apply(direction, "float64", out)


def destination(lat: Any, lng: Any, bearing: Any, distance: Any) -> Any:
    """Return the point that is reached by going straight on from a point."""
    batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    batch.finite("bearing", bearing)
    batch.finite("distance", distance)
    return batch.apply(reached, ("float64", "float64"))


def distance_matrix(
    lat1: Any, lng1: Any, lat2: Any = None, lng2: Any = None, *, out: Any = None
) -> Any:
    """Return the great-circle distances of all points of one set to all of another in metres."""
    rows, columns = Batch(), Batch()
    rows.latitudes("lat1", lat1)
    rows.longitudes("lng1", lng1)
    check.given_together("lat2", lat2, "lng2", lng2)
    columns.latitudes("lat2", lat1 if lat2 is None else lat2)
    columns.longitudes("lng2", lng1 if lng2 is None else lng2)
    rows.broadcast()
    columns.broadcast()
    check.one_dimension("lat1, lng1", rows.shape)
    check.one_dimension("lat2, lng2", columns.shape)
    result = rows.scratch(out, "float64", columns.shape)
    for i, start in enumerate(rows.rows()):
        result[i] = [metres(*start, *end) for end in columns.rows()]
    return rows.give(result, out)
