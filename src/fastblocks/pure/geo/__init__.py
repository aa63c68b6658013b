"""Grids of cells on the sphere, and distances, in plain Python."""

from . import distance, geohash, s2

__all__ = ["distance", "geohash", "s2"]
