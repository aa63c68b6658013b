"""Geo: grids of cells on the sphere, and distances. Scalars and arrays in, the same out."""

from fastblocks.geo import h3

__all__ = ["h3"]
