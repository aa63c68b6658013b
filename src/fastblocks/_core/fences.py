"""Sets of polygons as arguments of a geofence: rings of vertices, checked; for native and pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from . import check, files
from .columns import Batch
from .polygons import check_columns, columns_of, few_points

__all__ = [
    "Rings",
    "id_array",
    "point_batch",
    "point_of",
    "read_geojson",
    "rings_of",
    "scalar_point",
    "sorted_by_id",
]

ITEM = "a polygon: a ring of (latitude, longitude) pairs, a list of rings, or GeoJSON-like"
MOST_VERTICES, MOST_POLYGONS = 2**29, 2**30
TINY = 2.0**-300  # smaller numbers are taken for 0, so that products of them are exact


class Rings(NamedTuple):
    """Polygons as arrays: the vertices of all rings, and where rings and polygons end.

    A vertex is (longitude in [-180, 180), latitude); each ring ends with its first one again. An
    edge of more than 180 degrees goes across the antimeridian, and one of 180 from a vertex that
    comes twice.
    """

    vertices: Any
    ring_ends: Any
    polygon_ends: Any


class Ring(NamedTuple):
    """The points of a ring, and how errors call it."""

    name: str
    points: Any
    swapped: bool  # longitude first


def read_geojson(path: Any) -> Any:
    """What a GeoJSON file holds."""
    import json

    with open(files.path_of(path), encoding="utf-8") as file:
        found = json.load(file)
    if not isinstance(found, dict):
        raise ValueError(f"the file must hold a GeoJSON object, not a {type(found).__name__}")
    return found


def shape_of(value: Any) -> dict[str, Any] | None:
    """The GeoJSON-like dict that a value is, or has."""
    shape = value if isinstance(value, dict) else getattr(value, "__geo_interface__", None)
    return shape if isinstance(shape, dict) else None


def listed(name: str, value: Any, what: str) -> Sequence[Any]:
    """A sequence, or raise."""
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
        raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
    return value  # type: ignore[no-any-return]


def rings_in(name: str, value: Any) -> Iterator[Ring]:
    """The rings of one polygon, or multipolygon."""
    shape = shape_of(value)
    if shape is None:
        rings = listed(name, value, ITEM)
        if getattr(rings, "ndim", 0) == 2 or is_ring(rings):
            yield Ring(name, rings, False)
        else:
            yield from (Ring(f"{name}[{k}]", ring, False) for k, ring in enumerate(rings))
        return
    if shape.get("type") == "Feature":
        shape = shape.get("geometry")
        if shape is None:  # a feature without a place
            return
    kind = shape.get("type") if isinstance(shape, dict) else None
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(shape, dict):
        raise ValueError(f"{name} must be a Polygon or MultiPolygon, not one of type {kind!r}")
    parts = listed(f"coordinates of {name}", shape.get("coordinates"), "a sequence")
    if kind == "Polygon":
        yield from (Ring(f"{name}[{k}]", ring, True) for k, ring in enumerate(parts))
        return
    for p, part in enumerate(parts):
        rings = listed(f"{name}[{p}]", part, "a sequence of rings")
        yield from (Ring(f"{name}[{p}][{k}]", ring, True) for k, ring in enumerate(rings))


def is_ring(rings: Sequence[Any]) -> bool:
    """Whether a list is one of points, and not one of rings."""
    first: Any = rings[0] if len(rings) else ()
    return hasattr(first, "__len__") and len(first) == 2 and not hasattr(first[0], "__len__")


def items_of(polygons: Any) -> tuple[Iterable[Any], str]:
    """The polygons, and how errors call one of them."""
    shape = shape_of(polygons)
    if shape is not None:
        if shape.get("type") != "FeatureCollection":
            return [polygons], "polygons"
        return listed("features of polygons", shape.get("features"), "a sequence"), "polygons[{}]"
    if isinstance(polygons, (str, bytes)) or not hasattr(polygons, "__iter__"):
        kind = type(polygons).__name__
        raise TypeError(f"polygons must be GeoJSON-like, or an iterable of polygons, not {kind}")
    return polygons, "polygons[{}]"


def rings_of(polygons: Any) -> tuple[Rings, tuple[float, float, float, float]]:
    """Return the polygons, checked, and their bounds: west, south, east, north."""
    import numpy as np

    items, pattern = items_of(polygons)
    names: list[str] = []
    columns: list[Any] = []
    counts: list[int] = []
    for i, item in enumerate(items):
        for ring in rings_in(pattern.format(i), item):
            names.append(ring.name)
            columns.append(columns_of(ring.name, ring.points, swapped=ring.swapped))
            if columns[-1].shape[1] == 0:
                raise few_points(ring.name, 0)
        counts.append(len(names))
    lengths = np.array([column.shape[1] for column in columns], np.int64)
    lat, lng = np.concatenate([np.empty((2, 0)), *columns], axis=1)
    bad = ~((np.abs(lat) <= 90) & np.isfinite(lng))
    if bad.any():
        k = int(np.repeat(np.arange(len(names)), lengths)[bad.argmax()])
        check_columns(names[k], *columns[k])
    del columns
    # A point that comes twice in a row is one; the last one may be the first one again.
    last = np.cumsum(lengths) - 1
    first = last - lengths + 1
    keep = (lat != np.roll(lat, 1)) | (lng != np.roll(lng, 1))
    keep[first] = True
    keep[last[(lat[first] == lat[last]) & (lng[first] == lng[last]) & (lengths > 1)]] = False
    lengths = np.bincount(np.repeat(np.arange(len(names)), lengths)[keep], minlength=len(names))
    lat, lng = lat[keep], lng[keep]
    check_distinct(names, lat, lng, lengths)
    return joined(names, lat, lng, lengths, np.array(counts, np.uint32))


def check_distinct(names: list[str], lat: Any, lng: Any, lengths: Any) -> None:
    """Raise if a ring has less than 3 distinct points."""
    import numpy as np

    if not len(names):
        return
    first = np.cumsum(lengths) - lengths
    ring = np.repeat(np.arange(len(names)), lengths)
    other = (lat != lat[first][ring]) | (lng != lng[first][ring])
    at = np.minimum.reduceat(np.where(other, np.arange(len(lat)), len(lat) - 1), first)
    third = other & ((lat != lat[at][ring]) | (lng != lng[at][ring]))
    few = ~np.logical_or.reduceat(third, first)
    if few.any():
        k = int(few.argmax())
        raise few_points(names[k], 1 + int(other[ring == k].any()))


def joined(
    names: list[str], lat: Any, lng: Any, lengths: Any, counts: Any
) -> tuple[Rings, tuple[float, float, float, float]]:
    """The rings as a geofence has them: closed, around a cylinder."""
    import numpy as np

    end = np.cumsum(lengths)
    following = np.arange(1, len(lat) + 1)
    following[end - 1] = end - lengths
    turn = lng[following] - lng
    way = np.abs(turn)
    wide = (way > 360) | ((way == 360) & (lat[following] != lat))
    if wide.any():
        at = int(wide.argmax())
        begin, to = ((float(lat[k]), float(lng[k])) for k in (at, following[at]))
        name = names[int(np.searchsorted(end, at, "right"))]
        raise ValueError(
            f"{name} must have edges of at most 360 degrees of longitude, "
            f"and those of 360 along a parallel, not from {begin} to {to}"
        )
    across = bool((((way > 180) & (way < 360)) | (np.abs(lng) > 180)).any())
    # An edge all the way round goes by two more points, as an edge takes the shorter way; one half
    # the way round that goes across starts at a point that comes twice.
    x = wrapped(lng)
    half = (np.abs(x[following] - x) == 180) & ((x[following] > x) != (turn > 0))
    more = np.repeat(np.arange(len(lat)), 2 * (way == 360) + half)
    step: Any = np.zeros(len(more))
    step[way[more] == 360] = np.tile([120, 240], int((way == 360).sum()))
    x = np.insert(x, more + 1, wrapped(lng[more] + step))
    y = rounded(np.insert(lat, more + 1, lat[more]))
    lengths = lengths + np.bincount(np.searchsorted(end, more, "right"), minlength=len(names))
    end = np.cumsum(lengths)
    vertices = np.stack([np.insert(part, end, part[end - lengths]) for part in (x, y)], axis=1)
    ring_ends = end + np.arange(1, len(names) + 1)
    if len(vertices) >= MOST_VERTICES or len(counts) >= MOST_POLYGONS:
        raise ValueError(
            f"polygons must have less than {MOST_VERTICES} vertices, not {len(vertices)}"
        )
    rings = Rings(vertices, np.asarray(ring_ends, np.uint32), counts)
    if not len(names):
        return rings, (0.0, 0.0, 0.0, 0.0)
    lats = [float(y.min()), float(y.max()), *(poles_of(vertices, ring_ends) if across else ())]
    west, east = (-180.0, 180.0) if across else (float(lng.min()), float(lng.max()))
    return rings, (west + 0.0, min(lats), east + 0.0, max(lats))


def poles_of(vertices: Any, ring_ends: Any) -> set[float]:
    """The latitudes of the poles that rings go round."""
    import numpy as np

    x, y = vertices.T
    starts = ring_ends - np.diff(ring_ends, prepend=0)
    way = np.abs(np.diff(x, append=x[-1:]))
    twice = (x == np.roll(x, 1)) & (y == np.roll(y, 1))
    twice[starts] = False
    turns = (way > 180) | ((way == 180) & twice)
    turns[ring_ends - 1] = False
    odd = np.add.reduceat(turns.astype(np.int64), starts) % 2 == 1
    middle = np.minimum.reduceat(y, starts) + np.maximum.reduceat(y, starts)
    return set(np.where(middle > 0, 90.0, -90.0)[odd].tolist())


def wrapped(lng: Any) -> Any:
    """Longitudes in [-180, 180), without rounding."""
    import numpy as np

    x = np.fmod(lng, 360.0)
    x[x >= 180.0] -= 360.0
    x[x < -180.0] += 360.0
    return rounded(x)


def rounded(x: Any) -> Any:
    """Numbers, 0 for those that are too small."""
    import numpy as np

    return np.where(np.abs(x) < TINY, 0.0, x)


def point_of(lat: float, lng: float) -> tuple[float, float]:
    """A point as (x, y), wrapped and rounded likewise."""
    import math

    x = math.fmod(lng, 360.0) if not -180.0 <= lng < 180.0 else lng
    x = x - 360.0 if x >= 180.0 else x + 360.0 if x < -180.0 else x
    return (0.0 if abs(x) < TINY else x), (0.0 if abs(lat) < TINY else lat)


def id_array(ids: Any, n: int) -> Any:
    """Return the ids of n polygons as an int64 array: different, 0 or more."""
    import numpy as np

    if ids is None:
        return np.arange(n)
    if isinstance(ids, (str, bytes)) or not (hasattr(ids, "__array__") or hasattr(ids, "__len__")):
        raise TypeError(f"ids must be an array of integers, not {type(ids).__name__}")
    array = np.asarray(ids)
    if array.size == 0 and array.ndim == 1:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"ids must be an array of integers, not of dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"ids must have shape ({n},) as the polygons have, not {array.shape}")
    for i in np.flatnonzero((array < 0) | (array > 2**63 - 1))[:1].tolist():
        check.integer(f"ids[{i}]", int(array[i]), 0, 2**63 - 1)
    order = np.argsort(array, kind="stable")
    twice = order[1:][array[order[1:]] == array[order[:-1]]]
    if len(twice):
        at = int(twice.min())
        raise ValueError(f"ids must differ: ids[{at}] is {array[at]}, which is there already")
    return array.astype(np.int64)


def sorted_by_id(rings: Rings, ids: Any) -> tuple[Rings, Any]:
    """The same polygons, ascending by id."""
    import numpy as np

    order = np.argsort(ids)
    if (order == np.arange(len(ids))).all():
        return rings, ids
    ring_starts = np.concatenate([[0], rings.ring_ends]).astype(np.int64)
    starts = np.concatenate([[0], rings.polygon_ends]).astype(np.int64)
    which = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order.tolist()])
    parts = [rings.vertices[ring_starts[k] : ring_starts[k + 1]] for k in which.tolist()]
    return (
        Rings(
            np.concatenate([np.empty((0, 2)), *parts]),
            np.cumsum(np.diff(ring_starts)[which]).astype(np.uint32),
            np.cumsum(np.diff(starts)[order]).astype(np.uint32),
        ),
        ids[order],
    )


def scalar_point(lat: Any, lng: Any) -> tuple[float, float]:
    """Return one latitude and longitude as floats, or raise."""
    batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    batch.broadcast()
    if batch.shape != ():
        raise TypeError("lat and lng must be floats, not arrays, which the methods of many take")
    return float(batch.arrays[0]), float(batch.arrays[1])


def point_batch(lats: Any, lngs: Any) -> Batch:
    """Return latitudes and longitudes as a batch that is checked."""
    batch = Batch()
    batch.latitudes("lats", lats)
    batch.longitudes("lngs", lngs)
    batch.broadcast()
    return batch
