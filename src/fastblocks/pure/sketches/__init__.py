"""Sketches in plain Python."""

__all__: list[str] = []
