"""Polygons as arguments: rings of (lat, lng) rows, or whatever has ``__geo_interface__``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["MODES", "Ring", "polygons_of"]

MODES = ("center", "full", "overlap", "bbox_overlap")
Ring = tuple[Any, Any]  # latitudes, longitudes in [-180, 180]: float64 arrays


def polygons_of(outer: Any, holes: Any) -> list[list[Ring]]:
    """The polygons of an argument, each as its outer ring and its holes; all of it checked."""
    geometry = outer if isinstance(outer, dict) else getattr(outer, "__geo_interface__", None)
    if geometry is None:
        if isinstance(holes, (str, bytes)) or not isinstance(holes, Iterable):
            raise TypeError(f"holes must be a sequence of rings, not {type(holes).__name__}")
        rings = [ring_of(f"holes[{i}]", hole) for i, hole in enumerate(holes)]
        return [[ring_of("outer", outer), *rings]]
    if len(holes):
        raise ValueError("holes must be empty if outer is a geometry, which has its own")
    if geometry.get("type") == "Feature":
        geometry = geometry.get("geometry") or {}
    kind, parts = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon") or parts is None:
        raise ValueError(f"outer must be a Polygon or MultiPolygon, not {kind!r}")
    polygons = [parts] if kind == "Polygon" else parts
    return [
        [ring_of("a ring of outer", ring, geojson=True) for ring in polygon]
        for polygon in polygons
        if len(polygon)
    ]


def ring_of(name: str, ring: Any, geojson: bool = False) -> Ring:
    """The latitudes and longitudes of a ring; `geojson`: rows are lng, lat and maybe more."""
    import numpy as np

    try:
        array = np.asarray(ring)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    fits = array.ndim == 2 and (array.shape[1] >= 2 if geojson else array.shape[1] == 2)
    if not fits or array.dtype.kind not in "fiu":
        if array.ndim == 2 and fits:
            raise TypeError(f"{name} must be floats, not of dtype {array.dtype}")
        raise ValueError(f"{name} must be a ring of shape (n, 2), not {shown(ring, array)}")
    if len(array) < 3:
        raise ValueError(f"{name} must have at least 3 corners, not {len(array)}")
    columns = array.astype(np.float64).T
    lat, lng = (columns[1], columns[0]) if geojson else (columns[0], columns[1])
    good = (np.abs(lat) <= 90) & np.isfinite(lng)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(
            f"{name} must have latitudes in [-90, 90] and finite longitudes, "
            f"not {float(lat[at])!r}, {float(lng[at])!r} (corner {at})"
        )
    beyond = np.abs(lng) > 180
    lng = np.where(beyond, (lng + 180) % 360 - 180, lng)
    return np.ascontiguousarray(lat), np.ascontiguousarray(lng)


def shown(ring: Any, array: Any) -> str:
    """What was given instead of a ring."""
    return f"one of shape {array.shape}" if array.ndim and array.size else type(ring).__name__
