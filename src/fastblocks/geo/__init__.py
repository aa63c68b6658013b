"""Geo: grids of cells, distances and spatial indexes. Scalars or arrays in, the same out."""

from . import distance, geohash, h3, s2
from .geofence import Geofence
from .geoindex import GeoIndex
from .quadtree import QuadTree
from .rtree import RTree

__all__ = ["GeoIndex", "Geofence", "QuadTree", "RTree", "distance", "geohash", "h3", "s2"]
