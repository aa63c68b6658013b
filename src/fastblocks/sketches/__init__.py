"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

from .count_min import CountMinSketch
from .frequency import FrequencySketch

__all__ = ["CountMinSketch", "FrequencySketch"]
