"""Grids of cells on the sphere, and distances, in plain Python."""

from fastblocks.pure.geo import h3

__all__ = ["h3"]
