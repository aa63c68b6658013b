"""Grids of cells on the sphere, and distances, in plain Python."""

from . import distance, geohash

__all__ = ["distance", "geohash"]
