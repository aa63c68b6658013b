"""Ring: which node holds this key, while nodes come and go."""

from fastblocks._core.errors import UnknownNodeError

from .kafka import KafkaPartitioner
from .maglev import MaglevTable

__all__ = ["KafkaPartitioner", "MaglevTable", "UnknownNodeError"]
