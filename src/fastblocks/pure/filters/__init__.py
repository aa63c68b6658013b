"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .scalable_bloom import ScalableBloomFilter

__all__ = ["BloomFilter", "FilterFullError", "ScalableBloomFilter"]
