"""Sketches in plain Python."""

from fastblocks._core.types import HeavyHitter

from .count_min import CountMinSketch
from .frequency import FrequencySketch
from .hyperloglog import HyperLogLog
from .topk import TopK

__all__ = ["CountMinSketch", "FrequencySketch", "HeavyHitter", "HyperLogLog", "TopK"]
