"""Geo: grids of cells, distances and spatial indexes. Scalars or arrays in, the same out."""

from . import distance, geohash, h3, s2
from .rtree import RTree

__all__ = ["RTree", "distance", "geohash", "h3", "s2"]
