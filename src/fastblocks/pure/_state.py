"""Serialised objects in plain Python: the header of csrc/core/state.h, written and checked."""

from __future__ import annotations

import struct

from fastblocks._core import errors
from fastblocks._core.files import HEADER_BYTES, MAGIC

from .hashing.xxh3 import hash_bytes

__all__ = ["pack", "set_live", "unpack"]

FIELDS = struct.Struct("<8s4sHHQQ88s")  # magic, kind, version, life, bytes, checksum, parameters
LIFE_AT = 14
SEALED, LIVE = 0x0000, 0xC53A


def pack(kind: bytes, version: int, params: bytes, payload: bytes) -> bytes:
    """A sealed state: header and payload."""
    fields = FIELDS.pack(MAGIC, kind, version, SEALED, len(payload), hash_bytes(payload, 0), params)
    return fields + hash_bytes(fields, 0).to_bytes(8, "little") + payload


def unpack(
    data: bytes | memoryview, kind: bytes, version: int, what: str, verify: bool = True
) -> bytes:
    """Check a serialised object and return its parameters."""
    if bytes(data[:8]) != MAGIC:
        raise errors.status("STATE_FOREIGN", what)
    if len(data) < HEADER_BYTES:
        raise errors.status("STATE_SHORT", what)
    fields = bytes(data[: HEADER_BYTES - 8])
    _, found_kind, found_version, life, n, checksum, params = FIELDS.unpack(fields)
    sealed = fields[:LIFE_AT] + b"\0\0" + fields[LIFE_AT + 2 :]
    if hash_bytes(sealed, 0).to_bytes(8, "little") != bytes(data[HEADER_BYTES - 8 : HEADER_BYTES]):
        raise errors.status("STATE_CHECKSUM", what)
    if found_kind != kind:
        raise errors.status("STATE_KIND", what)
    if found_version != version:
        raise errors.status("STATE_VERSION", what)
    if life not in (SEALED, LIVE):
        raise errors.status("STATE_CHECKSUM", what)
    if len(data) < HEADER_BYTES + n:
        raise errors.status("STATE_SHORT", what)
    if len(data) > HEADER_BYTES + n:
        raise errors.status("STATE_LONG", what)
    if verify and life == SEALED:
        differs = hash_bytes(bytes(data[HEADER_BYTES:]), 0) != checksum
        # Looked at again: another process may have begun to write while the sum was taken.
        if differs and int.from_bytes(data[LIFE_AT : LIFE_AT + 2], "little") != LIVE:
            raise errors.status("STATE_CHECKSUM", what)
    return bytes(params)


def set_live(data: memoryview) -> None:
    """Mark a mapped state as about to change in place."""
    data[LIFE_AT : LIFE_AT + 2] = LIVE.to_bytes(2, "little")
