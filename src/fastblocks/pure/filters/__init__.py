"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .rotating_bloom import RotatingBloomFilter

__all__ = ["BloomFilter", "FilterFullError", "RotatingBloomFilter"]
