"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

from .frequency import FrequencySketch

__all__ = ["FrequencySketch"]
