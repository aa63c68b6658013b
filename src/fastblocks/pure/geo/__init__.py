"""Boxes in the plane, in plain Python."""

from .rtree import RTree

__all__ = ["RTree"]
