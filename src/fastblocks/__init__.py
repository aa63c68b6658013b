"""Building blocks of large systems at the speed of C.

Every class is here and in its family module (`fastblocks.filters`); functions are in their family
module (`fastblocks.hashing`). `fastblocks.pure` has the same in plain Python.
"""

from . import filters, hashing, ring, sketches
from .filters import (
    BinaryFuseFilter,
    BloomFilter,
    CountingBloomFilter,
    CuckooFilter,
    FilterFullError,
    RotatingBloomFilter,
    ScalableBloomFilter,
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
    "CountMinSketch",
    "CountingBloomFilter",
    "CuckooFilter",
    "FilterFullError",
    "FrequencySketch",
    "HashRing",
    "HeavyHitter",
    "HyperLogLog",
    "KafkaPartitioner",
    "MaglevTable",
    "MovedRange",
    "RendezvousHash",
    "RingDiff",
    "RotatingBloomFilter",
    "ScalableBloomFilter",
    "TopK",
    "UnknownNodeError",
    "__version__",
    "filters",
    "hashing",
    "ring",
    "sketches",
]
