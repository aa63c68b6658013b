"""Geo: grids of cells on the sphere, and distances. Scalars and arrays in, the same out."""

__all__: list[str] = []
