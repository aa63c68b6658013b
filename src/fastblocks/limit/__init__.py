"""Rate limiting: may this key go on, and if not, when."""

from fastblocks._core.limits import DeniedKey, LimiterFullError, LimiterStats, StorageError
from fastblocks._core.rates import Decision, Rate

from .concurrency import ConcurrencyLimiter
from .limiter import FixedWindow, LeakyBucket, SlidingWindow, SlidingWindowCounter, TokenBucket
from .memory import Memory
from .redis import Redis
from .shared import SharedMemory

__all__ = [
    "ConcurrencyLimiter",
    "Decision",
    "DeniedKey",
    "FixedWindow",
    "LeakyBucket",
    "LimiterFullError",
    "LimiterStats",
    "Memory",
    "Rate",
    "Redis",
    "SharedMemory",
    "SlidingWindow",
    "SlidingWindowCounter",
    "StorageError",
    "TokenBucket",
]
