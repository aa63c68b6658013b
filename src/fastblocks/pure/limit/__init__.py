"""Rate limiting in plain Python."""

from fastblocks._core.limits import DeniedKey, LimiterFullError, LimiterStats, StorageError
from fastblocks._core.rates import Decision, Rate
from fastblocks.limit.concurrency import ConcurrencyLimiter
from fastblocks.limit.redis import Redis

from .limiter import FixedWindow, LeakyBucket, SlidingWindow, SlidingWindowCounter, TokenBucket
from .memory import Memory
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
