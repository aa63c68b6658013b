"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

from .hyperloglog import HyperLogLog

__all__ = ["HyperLogLog"]
