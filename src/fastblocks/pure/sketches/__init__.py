"""Sketches in plain Python."""

from .hyperloglog import HyperLogLog

__all__ = ["HyperLogLog"]
