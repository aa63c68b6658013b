"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .cuckoo import CuckooFilter

__all__ = ["BloomFilter", "CuckooFilter", "FilterFullError"]
