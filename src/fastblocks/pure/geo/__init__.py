"""Grids of cells on the sphere, and distances, in plain Python."""

from . import s2

__all__ = ["s2"]
