"""Geo: grids of cells on the sphere, and distances. Scalars and arrays in, the same out."""

from . import distance, geohash, s2

__all__ = ["distance", "geohash", "s2"]
