"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter

__all__ = ["BloomFilter", "FilterFullError"]
