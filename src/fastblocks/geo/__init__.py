"""Geo: grids of cells on the sphere, distances, and spatial indexes. Scalars and arrays in, the same out."""

from . import distance, geohash, h3, s2
from .rtree import RTree

__all__ = ["RTree", "distance", "geohash", "h3", "s2"]
