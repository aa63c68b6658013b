"""How inputs are changed: blindly, or so that they get past checksums, or stay JSON.

A mutator takes an input, a `random.Random` and a blind mutator of bytes, and returns another input.
The blind one is `flip` in the tests, and libFuzzer's own in ``make fuzz``.
"""

import json
import struct

from tests.state import HEADER, PARAMS_AT, repaired, resealed

FLOATS = [0.0, -0.0, 1.0, 91.0, 180.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")]
INTEGERS = [0, 1, 2, 7, 64, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62]
INTEGERS += [2**63 - 1, 2**63, 2**64 - 1]
WORDS = INTEGERS + [struct.unpack("<Q", struct.pack("<d", x))[0] for x in FLOATS]
LIFE_AT, LIVE = 14, 0xC53A
DEEP = json.loads("[" * 60 + "]" * 60)
VALUES = [None, True, "", "Polygon", "é\udc80", [], {}, [[]], [0, 0], [[0, 0]] * 4, DEEP, -1, 1e-9]
VALUES += [*INTEGERS, *FLOATS, 10**400]


def flip(data, rng):
    """A few bytes changed, taken out, or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                del changed[at : at + rng.randint(1, 9)]
            case 1:
                changed[at:at] = rng.randbytes(rng.randint(1, 3))
            case 2:  # a piece of it once more
                to = rng.randrange(len(changed) + 1)
                changed[to:to] = changed[at : at + rng.randint(1, 9)]
            case _:
                changed[at : at + 1] = rng.choice([rng.randbytes(1), b"\0", b"\xff", b"9"])
    return bytes(changed)


def blind(data, rng, mutate):
    """Any bytes."""
    return mutate(data, rng)


def state(data, rng, mutate):
    """A serialised object, most often with checksums made good again."""
    if len(data) < HEADER or rng.randrange(16) == 0:
        return mutate(data, rng)
    payload = bytearray(data[HEADER:])
    kind = rng.randrange(8)
    if kind == 0:  # a parameter
        at = PARAMS_AT + 8 * rng.randrange(11)
        old = int.from_bytes(data[at : at + 8], "little")
        new = rng.choice([*WORDS, old + 1, old - 1, old * 2, old // 2, rng.getrandbits(64)])
        return resealed(data, at, new)
    if kind == 1:  # a file that somebody was writing to
        return resealed(
            data[:HEADER] + mutate(bytes(payload), rng), LIFE_AT, rng.choice([0, LIVE]), 2
        )
    if kind == 2:  # one more, or one less, of what the payload is an array of
        size = 8 * rng.randint(1, 8)
        return repaired(
            data, bytes(payload[:-size] if rng.randrange(2) else payload + payload[:size])
        )
    if kind == 3:
        return repaired(data, mutate(bytes(payload), rng))
    for _ in range(rng.randint(1, 3)):  # words
        size = rng.choice([1, 2, 4, 8])
        if len(payload) >= size:
            at = rng.randrange(len(payload) // size) * size
            other = rng.randrange(len(payload) // size) * size
            there = int.from_bytes(payload[at : at + size], "little")
            copied = int.from_bytes(payload[other : other + size], "little")
            new = rng.choice([rng.choice(WORDS), copied, there + 1, there - 1, rng.getrandbits(64)])
            payload[at : at + size] = (new % 2 ** (8 * size)).to_bytes(size, "little")
    return repaired(data, bytes(payload))


def cell(data, rng, mutate):
    """A 64-bit id in eight bytes, or two of them: some bits changed."""
    ids = [int.from_bytes(data[i : i + 8], "little") for i in range(0, min(len(data), 16), 8)]
    at = rng.randrange(len(ids) + 1)
    if at == len(ids):
        return mutate(data, rng)[:16]
    for _ in range(rng.randint(1, 3)):
        ids[at] ^= rng.choice([1, 3, 5, 7]) << rng.randrange(64)
    return b"".join((one % 2**64).to_bytes(8, "little") for one in ids)


def places(value, path=()):
    """The paths to everything in a JSON value."""
    yield path
    if isinstance(value, (dict, list)):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, name))


def jsons(data, rng, mutate):
    """JSON, one value of it another one, twice there or gone; now and then any bytes."""
    try:
        value = json.loads(data)
        paths = [path for path in places(value) if path]
    except (ValueError, RecursionError):
        paths = []
    if not paths or rng.randrange(8) == 0:
        return mutate(data, rng)
    for _ in range(rng.randint(1, 2)):
        *outer, last = rng.choice(paths)
        holder = value
        try:
            for name in outer:
                holder = holder[name]
            old = holder[last]
            match rng.randrange(6):
                case 0:
                    del holder[last]
                case 1 if isinstance(holder, list):
                    holder.insert(last, old)
                case 2 if isinstance(old, (int, float)) and abs(old) < 1e300:
                    holder[last] = old * rng.uniform(-3, 3)
                case 3 if isinstance(old, list):
                    rng.shuffle(old)
                case _:
                    holder[last] = rng.choice(VALUES)
        except (LookupError, TypeError):  # the first change took it away
            pass
    return json.dumps(value).encode("utf-8", "surrogatepass")
