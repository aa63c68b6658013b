"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .counting_bloom import CountingBloomFilter

__all__ = ["BloomFilter", "CountingBloomFilter", "FilterFullError"]
