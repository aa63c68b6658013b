"""Maps from keys to nodes in plain Python."""

from fastblocks._core.errors import UnknownNodeError
from fastblocks._core.rings import MovedRange, RingDiff

from .hash_ring import HashRing
from .kafka import KafkaPartitioner
from .maglev import MaglevTable

__all__ = [
    "HashRing",
    "KafkaPartitioner",
    "MaglevTable",
    "MovedRange",
    "RingDiff",
    "UnknownNodeError",
]
