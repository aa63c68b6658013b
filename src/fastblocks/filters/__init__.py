"""Filters: is this key in the set, in far less memory than the set."""

from .bloom import BloomFilter

__all__ = ["BloomFilter"]
