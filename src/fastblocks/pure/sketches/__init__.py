"""Sketches in plain Python."""

from .count_min import CountMinSketch
from .frequency import FrequencySketch

__all__ = ["CountMinSketch", "FrequencySketch"]
