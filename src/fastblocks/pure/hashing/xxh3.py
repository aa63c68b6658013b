"""XXH3, 64-bit variant, in plain Python.

Y. Collet, "XXH3 specification", xxHash, doc/xxhash_spec.md. The numbers below are the
specification's; the secret is its default secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastblocks._core import check

from .. import _keys

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["hash_bytes", "xxh3_64", "xxh3_64_many"]

MASK = 2**64 - 1
PRIME32_1 = 0x9E3779B1
PRIME32_2 = 0x85EBCA77
PRIME32_3 = 0xC2B2AE3D
PRIME64_1 = 0x9E3779B185EBCA87
PRIME64_2 = 0xC2B2AE3D27D4EB4F
PRIME64_3 = 0x165667B19E3779F9
PRIME64_4 = 0x85EBCA77C2B2AE63
PRIME64_5 = 0x27D4EB2F165667C5
PRIME_MX1 = 0x165667919E3779F9
PRIME_MX2 = 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
STRIPE = 64
STRIPES_PER_BLOCK = (len(SECRET) - STRIPE) // 8
BLOCK = STRIPE * STRIPES_PER_BLOCK


def read32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def read64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def rotl64(x: int, by: int) -> int:
    return (x << by | x >> 64 - by) & MASK


def swap(x: int, size: int) -> int:
    return int.from_bytes(x.to_bytes(size, "little"), "big")


def fold(a: int, b: int) -> int:
    """The two halves of the 128-bit product, xored."""
    product = a * b
    return (product ^ product >> 64) & MASK


def avalanche(h: int) -> int:
    h ^= h >> 37
    h = h * PRIME_MX1 & MASK
    return h ^ h >> 32


def avalanche_xxh64(h: int) -> int:
    h ^= h >> 33
    h = h * PRIME64_2 & MASK
    h ^= h >> 29
    h = h * PRIME64_3 & MASK
    return h ^ h >> 32


def mix16(data: bytes, at: int, secret_at: int, seed: int) -> int:
    return fold(
        read64(data, at) ^ (read64(SECRET, secret_at) + seed & MASK),
        read64(data, at + 8) ^ (read64(SECRET, secret_at + 8) - seed & MASK),
    )


def hash_0(seed: int) -> int:
    return avalanche_xxh64(seed ^ read64(SECRET, 56) ^ read64(SECRET, 64))


def hash_1to3(data: bytes, seed: int) -> int:
    n = len(data)
    combined = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
    flip = (read32(SECRET, 0) ^ read32(SECRET, 4)) + seed & MASK
    return avalanche_xxh64(combined ^ flip)


def hash_4to8(data: bytes, seed: int) -> int:
    n = len(data)
    seed ^= swap(seed & 0xFFFFFFFF, 4) << 32
    flip = (read64(SECRET, 8) ^ read64(SECRET, 16)) - seed & MASK
    h = (read32(data, n - 4) + (read32(data, 0) << 32)) ^ flip
    h ^= rotl64(h, 49) ^ rotl64(h, 24)
    h = h * PRIME_MX2 & MASK
    h ^= (h >> 35) + n
    h = h * PRIME_MX2 & MASK
    return h ^ h >> 28


def hash_9to16(data: bytes, seed: int) -> int:
    n = len(data)
    low = read64(data, 0) ^ ((read64(SECRET, 24) ^ read64(SECRET, 32)) + seed & MASK)
    high = read64(data, n - 8) ^ ((read64(SECRET, 40) ^ read64(SECRET, 48)) - seed & MASK)
    return avalanche(n + swap(low, 8) + high + fold(low, high) & MASK)


def hash_17to128(data: bytes, seed: int) -> int:
    n = len(data)
    h = n * PRIME64_1
    for i in range((n - 1) // 32 + 1):  # pairs of lanes, from both ends inwards
        h += mix16(data, 16 * i, 32 * i, seed)
        h += mix16(data, n - 16 * (i + 1), 32 * i + 16, seed)
    return avalanche(h & MASK)


def hash_129to240(data: bytes, seed: int) -> int:
    n = len(data)
    h = n * PRIME64_1
    for i in range(8):
        h += mix16(data, 16 * i, 16 * i, seed)
    h = avalanche(h & MASK)
    for i in range(8, n // 16):
        h += mix16(data, 16 * i, 16 * (i - 8) + 3, seed)
    h += mix16(data, n - 16, 136 - 17, seed)
    return avalanche(h & MASK)


def accumulate(acc: list[int], data: bytes, at: int, secret: bytes, secret_at: int) -> None:
    for i in range(8):
        value = read64(data, at + 8 * i)
        key = value ^ read64(secret, secret_at + 8 * i)
        acc[i ^ 1] = acc[i ^ 1] + value & MASK
        acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & MASK


def hash_over240(data: bytes, seed: int) -> int:
    n = len(data)
    secret = b"".join(
        (read64(SECRET, i) + seed & MASK).to_bytes(8, "little")
        + (read64(SECRET, i + 8) - seed & MASK).to_bytes(8, "little")
        for i in range(0, len(SECRET), 16)
    )
    acc = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3]
    acc += [PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1]
    for stripe in range((n - 1) // STRIPE):
        in_block = stripe % STRIPES_PER_BLOCK
        accumulate(acc, data, STRIPE * stripe, secret, 8 * in_block)
        if in_block == STRIPES_PER_BLOCK - 1:  # a block is full: scramble
            for i in range(8):
                mixed = acc[i] ^ acc[i] >> 47 ^ read64(secret, len(secret) - STRIPE + 8 * i)
                acc[i] = mixed * PRIME32_1 & MASK
    accumulate(acc, data, n - STRIPE, secret, len(secret) - STRIPE - 7)
    h = n * PRIME64_1
    for i in range(0, 8, 2):
        h += fold(acc[i] ^ read64(secret, 11 + 8 * i), acc[i + 1] ^ read64(secret, 19 + 8 * i))
    return avalanche(h & MASK)


def hash_bytes(data: bytes, seed: int) -> int:
    """XXH3-64 of bytes."""
    n = len(data)
    if n == 0:
        return hash_0(seed)
    if n <= 3:
        return hash_1to3(data, seed)
    if n <= 8:
        return hash_4to8(data, seed)
    if n <= 16:
        return hash_9to16(data, seed)
    if n <= 128:
        return hash_17to128(data, seed)
    if n <= 240:
        return hash_129to240(data, seed)
    return hash_over240(data, seed)


def xxh3_64(key: Key, seed: int = 0) -> int:
    """Hash one key; see `fastblocks.hashing.xxh3_64`."""
    seed = check.seed64(seed)
    return hash_bytes(_keys.bytes_of_key(key), seed)


def xxh3_64_many(
    keys: Keys, seed: int = 0, out: NDArray[np.uint64] | None = None
) -> NDArray[np.uint64]:
    """Hash a batch of keys; see `fastblocks.hashing.xxh3_64_many`."""
    seed = check.seed64(seed)
    hashes = [hash_bytes(data, seed) for data in _keys.bytes_of_keys(keys)]
    return _keys.fill_out(out, hashes, "uint64")
