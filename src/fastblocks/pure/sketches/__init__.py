"""Sketches in plain Python."""

__all__ = []
