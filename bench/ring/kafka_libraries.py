"""Partitioners of Kafka clients, each used the way its client uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from bench.data import UINT64
from bench.model import Library, Role, expect

PARTITIONS = 12

# Of the Java client's own test of Utils.murmur2.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-longer-string": -1486304829,
    b"abc": 479470107,
}


class Kafka(Library):
    """What all have in common."""

    def each(self, keys: Sequence[bytes]) -> list[int]:
        """Return the partition of every key of bytes, one by one: the loop that is timed."""
        raise NotImplementedError

    def ints(self, keys: UINT64) -> Any:
        """Return the partitions of 64-bit integers, as Java's LongSerializer writes them."""
        return self.each([key.to_bytes(8, "big") for key in keys.tolist()])

    def strings(self, keys: Sequence[str]) -> Any:
        """Return the partitions of a list of str."""
        return self.each([key.encode() for key in keys])

    def check(self) -> None:
        """Compare with what the Java client gives."""
        expected = [(value & 0x7FFFFFFF) % PARTITIONS for value in JAVA.values()]
        expect(self.each(list(JAVA)) == expected, "not Java's partitions")


class Native(Kafka):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks"
    distribution = "fastblocks"

    def __init__(self) -> None:
        super().__init__()
        self.partitioner = self.api.KafkaPartitioner(PARTITIONS)

    def each(self, keys: Sequence[bytes]) -> list[int]:
        """Call `get` for each."""
        get = self.partitioner.get
        return [get(key) for key in keys]

    def ints(self, keys: UINT64) -> Any:
        """Pass the array."""
        return self.partitioner.get_many(keys)

    def strings(self, keys: Sequence[str]) -> Any:
        """Pass the list."""
        return self.partitioner.get_many(keys)


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure"
    max_keys = 20_000


class KafkaPython(Kafka):
    """kafka-python: its `murmur2`, and what its `DefaultPartitioner` does with the hash.

    The partitioner itself asks the cluster's metadata on top.
    """

    name = "kafka-python"
    module = "kafka.partitioner"
    distribution = "kafka-python"
    max_keys = 20_000

    def each(self, keys: Sequence[bytes]) -> list[int]:
        """Hash each."""
        murmur2 = self.api.murmur2
        return [(murmur2(key) & 0x7FFFFFFF) % PARTITIONS for key in keys]


class MurmurHash2(KafkaPython):
    """murmurhash2: the hash in C, called with Kafka's seed."""

    name = "murmurhash2"
    module = "murmurhash2"
    distribution = "murmurhash2"
    max_keys = 200_000

    def each(self, keys: Sequence[bytes]) -> list[int]:
        """Hash each."""
        murmurhash2 = self.api.murmurhash2
        return [(murmurhash2(key, 0x9747B28C) & 0x7FFFFFFF) % PARTITIONS for key in keys]


class ModuloFloor(Kafka):
    """Python's own hash modulo the number of partitions: no other client agrees."""

    name = "hash % n"
    role: ClassVar[Role] = "floor"
    only = ("get",)

    def check(self) -> None:
        """There is nothing to compare with."""

    def each(self, keys: Sequence[bytes]) -> list[int]:
        """Python keeps the hash of bytes."""
        return [hash(key) % PARTITIONS for key in keys]
