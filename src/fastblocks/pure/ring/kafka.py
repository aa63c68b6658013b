"""The partitions of Kafka's Java client in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastblocks._core import check

from .. import _keys

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["KafkaPartitioner", "murmur2"]

SEED = 0x9747B28C
BY = 0x5BD1E995
MASK = 2**32 - 1


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, with Kafka's seed; unsigned."""
    h = SEED ^ len(data) & MASK
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * BY & MASK
        word ^= word >> 24
        h = h * BY & MASK ^ word * BY & MASK
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * BY & MASK
    h ^= h >> 13
    h = h * BY & MASK
    return h ^ h >> 15


def serialised(key: Key, data: bytes) -> bytes:
    """What Java makes of a key: the bytes that it has elsewhere, but an int's are big-endian."""
    return data if isinstance(key, (str, bytes, bytearray, memoryview)) else data[::-1]


class KafkaPartitioner:
    """The partition that Kafka's Java client gives to a key; see `fastblocks.KafkaPartitioner`."""

    __slots__ = ("__weakref__", "_partitions")

    _partitions: int

    def __new__(cls, partitions: int) -> Self:
        self = object.__new__(cls)
        self._partitions = check.integer("partitions", partitions, 1, 2**31 - 1)
        return self

    def _partition(self, key: Key, data: bytes) -> int:
        return (murmur2(serialised(key, data)) & 0x7FFFFFFF) % self._partitions

    def get(self, key: Key) -> int:
        """Return the partition of a key."""
        return self._partition(key, _keys.bytes_of_key(key))

    def get_many(self, keys: Keys, out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """Return the partition of every key of a batch."""
        pairs = zip(*_keys.plain_keys(keys), strict=True)
        return _keys.fill_out(out, [self._partition(*pair) for pair in pairs], "int32")

    @property
    def partitions(self) -> int:
        """Number of partitions of the topic."""
        return self._partitions

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KafkaPartitioner):
            return NotImplemented
        return self._partitions == other._partitions

    def __hash__(self) -> int:
        return hash((KafkaPartitioner, self._partitions))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._partitions})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._partitions,), getattr(self, "__dict__", None) or None
