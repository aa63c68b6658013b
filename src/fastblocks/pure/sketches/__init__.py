"""Sketches in plain Python."""

from .hyperloglog import HyperLogLog
from .topk import HeavyHitter, TopK

__all__ = ["HeavyHitter", "HyperLogLog", "TopK"]
