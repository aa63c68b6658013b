"""Grids of cells, distances and spatial indexes, in plain Python."""

from . import distance, geohash, h3, s2
from .rtree import RTree

__all__ = ["RTree", "distance", "geohash", "h3", "s2"]
