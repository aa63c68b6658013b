"""Filters: is this key in the set, in far less memory than the set."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .cuckoo import CuckooFilter

__all__ = ["BloomFilter", "CuckooFilter", "FilterFullError"]
