"""Grids of cells on the sphere, and distances, in plain Python."""

from . import geohash, s2

__all__ = ["geohash", "s2"]
