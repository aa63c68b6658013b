"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .binary_fuse import BinaryFuseFilter
from .bloom import BloomFilter

__all__ = ["BinaryFuseFilter", "BloomFilter", "FilterFullError"]
