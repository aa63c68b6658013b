"""Filters in plain Python."""

from fastblocks._core.errors import FilterFullError

from .bloom import BloomFilter
from .counting_bloom import CountingBloomFilter
from .rotating_bloom import RotatingBloomFilter
from .scalable_bloom import ScalableBloomFilter

__all__ = [
    "BloomFilter",
    "CountingBloomFilter",
    "FilterFullError",
    "RotatingBloomFilter",
    "ScalableBloomFilter",
]
