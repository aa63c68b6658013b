"""Serialised objects that were damaged, or changed with the checksums made good again."""

import random

import pytest

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


def readers(cls, tmp_path, modes=("r", "r+"), **options):
    """Every way to read serialised bytes as a `cls`."""

    def from_file(mode):
        def read(data):
            path = tmp_path / "damaged"
            path.write_bytes(data)
            return cls.open(path, mode, **options)

        return read

    return [lambda data: cls.from_bytes(data, **options), *map(from_file, modes)]


def refuses_damage(cls, data, tmp_path, modes=("r", "r+"), **options):
    """Check that `data` with a byte flipped, cut off or added is not read, nor noise."""
    from_bytes, *from_files = readers(cls, tmp_path, modes, **options)
    some = [0, 1, 8, HEADER - 1, HEADER, len(data) - 1]
    for read, step, lengths in (
        (from_bytes, 1, range(len(data))),
        *((read, 5, some) for read in from_files),  # which take longer
    ):
        for at in (*range(HEADER), *range(HEADER, len(data), step)):
            for flip in (1 << at % 8, 0xFF) if at < HEADER else (1 << at % 8,):
                damaged = bytearray(data)
                damaged[at] ^= flip
                with pytest.raises(ValueError, match=r": (corrupt|not the bytes)"):
                    read(bytes(damaged))
        for n in lengths:
            with pytest.raises(ValueError, match=r"truncated|not the bytes of a fastblocks"):
                read(data[:n])
        with pytest.raises(ValueError, match="more bytes than its header promises"):
            read(data + b"\0")
    rng = random.Random(8)
    for _ in range(300):
        noise = rng.randbytes(rng.randrange(300))
        for damaged in (noise, data[:8] + noise):
            with pytest.raises(ValueError, match=f"{cls.__name__}: "):
                from_bytes(damaged)
