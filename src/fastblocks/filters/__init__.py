"""Filters: is this key in the set, in far less memory than the set."""

from fastblocks._core.errors import FilterFullError

from .binary_fuse import BinaryFuseFilter
from .bloom import BloomFilter
from .counting_bloom import CountingBloomFilter
from .cuckoo import CuckooFilter
from .rotating_bloom import RotatingBloomFilter
from .scalable_bloom import ScalableBloomFilter

__all__ = [
    "BinaryFuseFilter",
    "BloomFilter",
    "CountingBloomFilter",
    "CuckooFilter",
    "FilterFullError",
    "RotatingBloomFilter",
    "ScalableBloomFilter",
]
