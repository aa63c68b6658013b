"""Geo: grids of cells on the sphere, and distances. Scalars and arrays in, the same out."""

from . import geohash

__all__ = ["geohash"]
