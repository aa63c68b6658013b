"""Filters: is this key in the set, in far less memory than the set."""

from fastblocks._core.errors import FilterFullError

from .binary_fuse import BinaryFuseFilter
from .bloom import BloomFilter

__all__ = ["BinaryFuseFilter", "BloomFilter", "FilterFullError"]
