"""Polygons as arguments: rings of latitude and longitude, checked; shared by native and pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastblocks._core.columns import Batch

__all__ = ["Ring", "check_size", "edge_name", "polygons_of"]

MAX_CELLS = 2**30  # of one polygon: 8 GiB
WANTED = "a ring of (latitude, longitude) pairs, or a GeoJSON-like Polygon or MultiPolygon"


class Ring(NamedTuple):
    """A closed line of at least 3 distinct points, no two in a row the same.

    Of the points given, those that repeat the one before are left out, and the last one if it is
    the first one again.
    """

    name: str
    points: Any  # (latitude, longitude) in degrees, longitudes in [-180, 180]: float64
    kept: Any  # which of the points given: bool


def polygons_of(outer: Any, holes: Any) -> list[list[Ring]]:
    """Return polygons, each a list of rings: the outer one, then its holes."""
    shape: Any = outer if isinstance(outer, dict) else getattr(outer, "__geo_interface__", None)
    if shape is None:
        rings = [ring_of("outer", outer)]
        if isinstance(holes, (str, bytes, dict)) or not hasattr(holes, "__iter__"):
            raise TypeError(f"holes must be a sequence of rings, not {type(holes).__name__}")
        return [[*rings, *(ring_of(f"holes[{k}]", ring) for k, ring in enumerate(holes))]]
    if not hasattr(holes, "__len__") or len(holes):
        raise ValueError("holes must be empty if outer is a GeoJSON-like object, which has its own")
    if isinstance(shape, dict) and shape.get("type") == "Feature":  # its shape may be missing
        shape = shape.get("geometry")
    kind = shape.get("type") if isinstance(shape, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"outer must be {WANTED}, not one of type {kind!r}")
    parts = shape.get("coordinates")
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise TypeError(f"coordinates of outer must be a sequence, not {type(parts).__name__}")
    if kind == "Polygon":
        return [geojson_rings("outer", parts)] if parts else []
    return [geojson_rings(f"outer[{n}]", part) for n, part in enumerate(parts) if len(part)]


def geojson_rings(name: str, rings: Any) -> list[Ring]:
    """The rings of one polygon whose points are (longitude, latitude)."""
    return [ring_of(f"{name}[{k}]", ring, geojson=True) for k, ring in enumerate(rings)]


def ring_of(name: str, points: Any, *, geojson: bool = False) -> Ring:
    """One ring, checked; `geojson`: longitudes first, maybe heights behind, and closed."""
    import numpy as np

    lat, lng = columns_of(name, points, swapped=geojson)
    check_columns(name, lat, lng)
    if len(lng) and np.abs(lng).max() > 180:
        lng = np.fmod(lng, 360)
        lng = np.where(lng > 180, lng - 360, np.where(lng < -180, lng + 360, lng))
    ring = np.stack([lat, lng], axis=1)
    both = ring.view(np.complex128)[:, 0]  # to compare points at once
    kept = np.ones(len(ring), bool)
    np.not_equal(both[1:], both[:-1], out=kept[1:])
    if np.count_nonzero(kept) < len(ring):
        ring = ring[kept]
    distinct = len(set(map(tuple, ring[:9].tolist())))
    if distinct < 3:
        distinct = len(set(map(tuple, ring.tolist())))
    if distinct < 3:
        raise few_points(name, distinct)
    first, last = ring[0].tolist(), ring[-1].tolist()
    if first == last:
        kept[-1 - int(kept[::-1].argmax())] = False
        ring = ring[:-1]
    elif geojson:
        raise ValueError(
            f"{name} must be closed: its last point must repeat the first, "
            f"{(first[1], first[0])}, not be {(last[1], last[0])}"
        )
    return Ring(name, ring, kept)


def edge_name(polygons: list[list[Ring]], edge: int) -> str:
    """What errors call an edge: the point it leaves, by its number among all."""
    for ring in (ring for rings in polygons for ring in rings):
        if edge < len(ring.points):
            return f"{ring.name}[{ring.kept.nonzero()[0][edge]}]"
        edge -= len(ring.points)
    raise IndexError(edge)


def few_points(name: str, distinct: int) -> ValueError:
    """The error for a ring that encloses nothing."""
    return ValueError(f"{name} must have at least 3 distinct points, not {distinct}")


def columns_of(name: str, points: Any, *, swapped: bool) -> Any:
    """The latitudes and longitudes of one ring, as rows of an array."""
    import numpy as np

    array = points if isinstance(points, np.ndarray) else pairs(name, points)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of floats, not of {array.dtype}")
    widths = (2, 3) if swapped else (2,)
    if array.ndim != 2 or array.shape[1] not in widths:
        raise ValueError(f"{name} must be {WANTED}, not of shape {array.shape}")
    columns = np.ascontiguousarray(array.T, np.float64)
    return columns[1::-1] if swapped else columns


def check_columns(name: str, lat: Any, lng: Any) -> None:
    """Raise if a latitude or longitude of one ring is none."""
    batch = Batch()
    batch.latitudes(f"latitudes of {name}", lat)
    batch.longitudes(f"longitudes of {name}", lng)


def pairs(name: str, points: Any) -> Any:
    """A sequence of pairs as an array."""
    import numpy as np

    if isinstance(points, (str, bytes)) or not hasattr(points, "__len__"):
        raise TypeError(f"{name} must be {WANTED}, not {type(points).__name__}")
    if not len(points):
        return np.empty((0, 2))
    try:
        return np.asarray(points)
    except ValueError:
        raise ValueError(f"{name} must be {WANTED}, not of rows of several lengths") from None


def cells_on_earth(res: int) -> int:
    """How many H3 cells a resolution has."""
    return int(2 + 120 * 7**res)


def check_size(rings: list[Ring], res: int) -> None:
    """Refuse a polygon that would have far more than `MAX_CELLS` cells.

    The area of the outer ring: a straight edge sweeps the integral of sin(latitude) by longitude.
    """
    if cells_on_earth(res) <= MAX_CELLS:
        return
    import numpy as np

    lat, lng = np.radians(rings[0].points).T
    if np.abs(np.diff(lng, append=lng[0])).max() > np.pi:
        lng = np.where(lng < 0, lng + 2 * np.pi, lng)
    rise, run = np.diff(lat, append=lat[0]), np.diff(lng, append=lng[0])
    height = np.sin(lat + rise / 2) * np.sinc(rise / (2 * np.pi))
    share = abs(float((height * run).sum())) / (4 * np.pi)
    cells = share * cells_on_earth(res)
    if cells > MAX_CELLS:
        largest = max(r for r in range(16) if share * cells_on_earth(r) <= MAX_CELLS)
        raise ValueError(
            f"res must be in [0, {largest}] for a polygon of this size, "
            f"which has about {cells:.1e} cells, not {res}"
        )
