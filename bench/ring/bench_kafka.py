"""Kafka partitions.

The keys of the scalar work are the UTF-8 of 200,000 city names and airport codes.
"""

from __future__ import annotations

import random
from functools import cache

import numpy as np

from bench.data import city_names, integers, stored
from bench.model import Timed, expect, work
from bench.ring.kafka_libraries import (
    PARTITIONS,
    Kafka,
    KafkaPython,
    ModuloFloor,
    MurmurHash2,
    Native,
    Pure,
)

LIBRARIES = (Native, Pure, KafkaPython, MurmurHash2, ModuloFloor)

SMALL = 2_000
MILLION = 1_000_000


@cache
def _name_bytes() -> list[bytes]:
    return [name.encode() for name in city_names()]


def _random_bytes(n: int) -> list[bytes]:
    draw = random.Random(0)
    return [draw.randbytes(draw.randrange(65)) for _ in range(n)]


@stored
def _right(n: int) -> list[int]:
    """What the pure twin gives, which the tests compare with kafka-python's."""
    from fastblocks.pure import KafkaPartitioner

    partitioner = KafkaPartitioner(PARTITIONS)
    return [partitioner.get(key) for key in _random_bytes(n)]


def _agree(lib: Kafka, n: int) -> None:
    if lib.role != "floor":
        expect(lib.each(_random_bytes(n)) == _right(n), "not Java's partitions")


@work("`p.get(key)`", "bytes of 200 k city names, 12 partitions", headline=True, rounds=2)
def bench_get(lib: Kafka, timed: Timed, quick: bool) -> None:
    """One key after the other."""
    lib.check()
    _agree(lib, SMALL if quick else 100_000)
    keys = lib.some(_name_bytes())
    timed(lambda: lib.each(keys), items=len(keys))


@work("`p.get_many(list)`", "200 k city names, 12 partitions", rounds=1)
def bench_get_list(lib: Kafka, timed: Timed) -> None:
    """A list of str in one call; peers encode each."""
    lib.check()
    keys = list(lib.some(city_names()))
    expect(list(lib.strings(keys)) == lib.each([key.encode() for key in keys]), "batch")
    timed(lambda: lib.strings(keys), items=len(keys))


@work("`p.get_many(ints)`", "uint64[1 M], 12 partitions", headline=True, rounds=2)
def bench_get_ints(lib: Kafka, timed: Timed, quick: bool) -> None:
    """Integers in one call, as Java writes a Long; peers get 8 bytes each."""
    lib.check()
    keys = integers(SMALL if quick else MILLION)[: lib.max_keys]
    expected = lib.each([key.to_bytes(8, "big") for key in keys[:2000].tolist()])
    expect(np.array_equal(lib.ints(keys)[:2000], expected), "batch")
    timed(lambda: lib.ints(keys), items=len(keys))
