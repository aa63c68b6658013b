"""Geo: grids of cells on the sphere, distances, and indexes of boxes in the plane."""

from . import geohash
from .rtree import RTree

__all__ = ["RTree", "geohash"]
