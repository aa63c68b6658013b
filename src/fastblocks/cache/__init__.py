"""Caches: bounded, loading once however many ask, in front of functions and databases."""

from fastblocks._core.caches import CacheStats

from .cache import Cache
from .memo import cached
from .simulator import simulate
from .store import Store, StoreError, StoreFullError

__all__ = [
    "Cache",
    "CacheStats",
    "Store",
    "StoreError",
    "StoreFullError",
    "cached",
    "simulate",
]
