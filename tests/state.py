"""Serialised objects with something changed and the checksums made good again."""

from fastblocks.hashing import xxh3_64

HEADER = 128
PARAMS_AT = 32  # eleven words of 8 bytes


def resealed(data, at, value, size=8):
    """`data` with one header field changed."""
    changed = bytearray(data)
    changed[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
    blank = bytes(changed[:14]) + b"\0\0" + bytes(changed[16:120])
    changed[120:128] = xxh3_64(blank).to_bytes(8, "little")
    return bytes(changed)


def repaired(data, payload):
    """`data` with another payload, of any size."""
    whole = resealed(data[:HEADER] + payload, 16, len(payload))
    return resealed(whole, 24, xxh3_64(payload))
