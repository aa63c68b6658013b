"""Geo: boxes in the plane."""

from .rtree import RTree

__all__ = ["RTree"]
