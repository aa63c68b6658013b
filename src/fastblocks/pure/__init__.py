"""The same classes and functions in plain Python: specification, oracle and baseline.

Same names, arguments, answers, errors and serialised bytes as the native ones; slower, and short
enough to be read. Chosen by name, never by fall-back.
"""

from . import cache, filters, geo, hashing, limit, ring, sketches
from .cache import Cache, CacheStats, Store, StoreError, StoreFullError, cached, simulate
from .filters import (
    BinaryFuseFilter,
    BloomFilter,
    CountingBloomFilter,
    CuckooFilter,
    FilterFullError,
    RotatingBloomFilter,
    ScalableBloomFilter,
)
from .geo import RTree
from .limit import (
    ConcurrencyLimiter,
    Decision,
    DeniedKey,
    FixedWindow,
    LeakyBucket,
    LimiterFullError,
    LimiterStats,
    Memory,
    Rate,
    Redis,
    SharedMemory,
    SlidingWindow,
    SlidingWindowCounter,
    StorageError,
    TokenBucket,
)
from .ring import (
    HashRing,
    KafkaPartitioner,
    MaglevTable,
    MovedRange,
    RendezvousHash,
    RingDiff,
    UnknownNodeError,
)
from .sketches import CountMinSketch, FrequencySketch, HeavyHitter, HyperLogLog, TopK

__all__ = [
    "BinaryFuseFilter",
    "BloomFilter",
    "Cache",
    "CacheStats",
    "ConcurrencyLimiter",
    "CountMinSketch",
    "CountingBloomFilter",
    "CuckooFilter",
    "Decision",
    "DeniedKey",
    "FilterFullError",
    "FixedWindow",
    "FrequencySketch",
    "HashRing",
    "HeavyHitter",
    "HyperLogLog",
    "KafkaPartitioner",
    "LeakyBucket",
    "LimiterFullError",
    "LimiterStats",
    "MaglevTable",
    "Memory",
    "MovedRange",
    "RTree",
    "Rate",
    "Redis",
    "RendezvousHash",
    "RingDiff",
    "RotatingBloomFilter",
    "ScalableBloomFilter",
    "SharedMemory",
    "SlidingWindow",
    "SlidingWindowCounter",
    "StorageError",
    "Store",
    "StoreError",
    "StoreFullError",
    "TokenBucket",
    "TopK",
    "UnknownNodeError",
    "cache",
    "cached",
    "filters",
    "geo",
    "hashing",
    "limit",
    "ring",
    "simulate",
    "sketches",
]
