"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

from .hyperloglog import HyperLogLog
from .topk import HeavyHitter, TopK

__all__ = ["HeavyHitter", "HyperLogLog", "TopK"]
