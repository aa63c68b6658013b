"""Maps from keys to nodes in plain Python."""

from fastblocks._core.errors import UnknownNodeError
from fastblocks._core.rings import MovedRange, RingDiff

from .hash_ring import HashRing
from .jump import jump_hash, jump_hash_many
from .kafka import KafkaPartitioner
from .maglev import MaglevTable
from .rendezvous import RendezvousHash

__all__ = [
    "HashRing",
    "KafkaPartitioner",
    "MaglevTable",
    "MovedRange",
    "RendezvousHash",
    "RingDiff",
    "UnknownNodeError",
    "jump_hash",
    "jump_hash_many",
]
