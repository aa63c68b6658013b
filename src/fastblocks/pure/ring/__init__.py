"""Maps from keys to nodes in plain Python."""

from fastblocks._core.errors import UnknownNodeError

from .kafka import KafkaPartitioner
from .maglev import MaglevTable

__all__ = ["KafkaPartitioner", "MaglevTable", "UnknownNodeError"]
