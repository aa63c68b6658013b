"""Grids of cells on the sphere, and distances, in plain Python."""

from . import geohash

__all__ = ["geohash"]
