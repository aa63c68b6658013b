"""The cache in plain Python."""

from fastblocks._core.caches import CacheStats

from .cache import Cache

__all__ = ["Cache", "CacheStats"]
