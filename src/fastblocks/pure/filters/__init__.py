"""Filters in plain Python."""

from .bloom import BloomFilter

__all__ = ["BloomFilter"]
