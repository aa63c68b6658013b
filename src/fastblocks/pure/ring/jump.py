"""Jump consistent hash in plain Python; see csrc/ring/jump.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastblocks._core import check

from .. import _keys
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["jump_hash", "jump_hash_many"]

MOST = 2**31 - 1  # buckets


def word_of(key: Key, data: bytes) -> int:
    """The 64 bits of a key, given its bytes too."""
    if isinstance(key, (str, bytes, bytearray, memoryview)):
        return hash_bytes(data, 0)
    return int.from_bytes(data, "little")


def jump(word: int, buckets: int) -> int:
    b, next_bucket = -1, 0
    while next_bucket < buckets:
        b = next_bucket
        word = (word * 2862933555777941757 + 1) % 2**64
        next_bucket = int((b + 1) * (2**31 / ((word >> 33) + 1)))
    return b


def jump_hash(key: Key, buckets: int) -> int:
    """Return which of numbered buckets a key belongs to; see `fastblocks.ring.jump_hash`."""
    n = check.integer("buckets", buckets, 1, MOST)
    return jump(word_of(key, _keys.bytes_of_key(key)), n)


def jump_hash_many(
    keys: Keys, buckets: int, out: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """Return which of numbered buckets every key of a batch belongs to."""
    n = check.integer("buckets", buckets, 1, MOST)
    pairs = zip(*_keys.plain_keys(keys), strict=True)
    return _keys.fill_out(out, [jump(word_of(*pair), n) for pair in pairs], "int32")
