"""The same classes and functions in plain Python: specification, oracle and baseline.

Same names, arguments, answers, errors and serialised bytes as the native ones; slower, and short
enough to be read. Chosen by name, never by fall-back.
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
    "filters",
    "hashing",
    "ring",
    "sketches",
]
