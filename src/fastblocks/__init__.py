"""Building blocks of large systems at the speed of C.

Every class is here and in its family module (`fastblocks.filters`); functions are in their family
module (`fastblocks.hashing`). `fastblocks.pure` has the same in plain Python.
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
from .geo import Geofence, GeoIndex, QuadTree, RTree
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

__version__ = "0.1.0"
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
    "GeoIndex",
    "Geofence",
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
    "QuadTree",
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
    "__version__",
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
