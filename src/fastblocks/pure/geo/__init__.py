"""Grids of cells on the sphere, and distances, in plain Python."""

__all__: list[str] = []
