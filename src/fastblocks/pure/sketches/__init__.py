"""Sketches in plain Python."""

from .frequency import FrequencySketch

__all__ = ["FrequencySketch"]
