"""Grids of cells on the sphere, distances, and spatial indexes, in plain Python."""

from . import distance, geohash, h3, s2

__all__ = ["distance", "geohash", "h3", "s2"]
