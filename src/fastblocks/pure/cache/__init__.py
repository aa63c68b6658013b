"""The cache in plain Python."""

from fastblocks._core.caches import CacheStats
from fastblocks.cache.store import Store, StoreError, StoreFullError

from .cache import Cache
from .memo import cached
from .simulator import simulate

__all__ = [
    "Cache",
    "CacheStats",
    "Store",
    "StoreError",
    "StoreFullError",
    "cached",
    "simulate",
]
