"""Grids of cells on the sphere, distances, and indexes of boxes, in plain Python."""

from . import geohash
from .rtree import RTree

__all__ = ["RTree", "geohash"]
