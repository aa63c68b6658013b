"""HashRing as bytes and files: round trips, damage of every kind, other processes."""

import copy
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from fastblocks.hashing import xxh3_64
from tests.ring.naive import HASHES
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "hash_ring_v1.bin"
ASSIGNED = ["a", "é", b"\xff", b"", 7, -7, 2**63, 2**64 - 1, "x" * 100, *range(20, 40)]


def ring_of(impl, hash="xxh3"):
    """A ring with all that can be serialised."""
    ring = impl.HashRing(
        {"a": 1, "bb": 2.5, "é": 1, "d": 0.25},
        vnodes=16,
        hash=hash,
        load_factor=1.25,
        zones={"a": "x", "bb": "y", "é": "x", "d": "zürich"},
        seed=11 if hash == "xxh3" else 0,
    )
    for key in ASSIGNED:
        ring.assign(key)
    ring.release("a")
    ring.remove("a")
    ring.add("a", 3, zone="w")
    return ring


@pytest.fixture(params=HASHES)
def saved(impl, request, tmp_path):
    """A ring and the file it was saved to."""
    ring = ring_of(impl, request.param)
    ring.save(tmp_path / "ring")
    return ring, tmp_path / "ring"


# ---- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda r: r.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda r, p=p: pickle.loads(pickle.dumps(r, p)) for p in range(2, 6)),
        lambda r: type(r).from_bytes(memoryview(b"x" + r.to_bytes())[1:]),
        lambda r: type(r).from_bytes(bytearray(r.to_bytes())),
        lambda r: fastblocks.HashRing.from_bytes(r.to_bytes()),
        lambda r: fastblocks.pure.HashRing.from_bytes(r.to_bytes()),
    ],
)
def test_copies_are_equal_and_go_their_own_way(saved, duplicate):
    ring = saved[0]
    data = ring.to_bytes()
    twin = duplicate(ring)
    assert twin.to_bytes() == data
    assert repr(twin) == repr(ring)
    assert (twin.nodes, twin.weights, twin.zones) == (ring.nodes, ring.weights, ring.zones)
    assert (twin.loads, twin.load_factor) == (ring.loads, ring.load_factor)
    assert twin.get_many(range(500)).tolist() == ring.get_many(range(500)).tolist()
    for key in ASSIGNED[1:]:
        assert twin.assign(key) == ring.assign(key)
    moved = twin.remove("bb")
    assert ring.to_bytes() == data
    assert ring.remove("bb") == moved
    assert ring.to_bytes() == twin.to_bytes()
    assert ring.release(-7) == twin.release(-7)
    assert ring.add("q", 1.5, zone="x") == twin.add("q", 1.5, zone="x")
    assert ring.to_bytes() == twin.to_bytes()


class NativeSubclass(fastblocks.HashRing):
    def __init__(self, label):
        super().__init__([label])
        self.label = label


class PureSubclass(fastblocks.pure.HashRing):
    def __init__(self, label):
        super().__init__([label])
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    ring = cls("mine")
    for twin in (ring.copy(), copy.deepcopy(ring), pickle.loads(pickle.dumps(ring))):
        assert type(twin) is cls
        assert twin == ring
        assert twin.label == "mine"
        assert twin.get("x") == "mine"
    assert type(cls.from_bytes(ring.to_bytes())) is cls


@pytest.mark.parametrize("hash", HASHES)
def test_native_and_pure_write_the_same_bytes(hash):
    assert ring_of(fastblocks, hash).to_bytes() == ring_of(fastblocks.pure, hash).to_bytes()


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, tmp_path):
    refuses_damage(impl.HashRing, ring_of(impl).to_bytes(), tmp_path, ("r",))


def double(x):
    return int.from_bytes(struct.pack("<d", x), "little")


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        *(
            (at, value, 8, "parameters contradict")
            for at, values in {
                32: [3, 2**32, 2**64 - 1, 1, 2],  # hash; the last two have no seed
                40: [0, 2**20 + 1, 2**32 + 16, 2**64 - 1],  # vnodes
                56: [  # load_factor
                    0, 1, double(0.5), double(-0.0), double(-1.25), double(1e9), double(1.0),
                    double(float("inf")), double(float("nan")), 2**64 - 1,
                ],
                64: [1],  # unused
                112: [2**63],
            }.items()
            for value in values
        ),
    ],
)  # fmt: skip
def test_hostile_parameters_are_refused(impl, tmp_path, at, value, size, message):
    """Checksums good, contents impossible: what an attacker would send."""
    data = resealed(ring_of(impl).to_bytes(), at, value, size)
    for read in readers(impl.HashRing, tmp_path, ("r",)):
        with pytest.raises(ValueError, match=message):
            read(data)


def test_parameters_of_ketama_are_checked_too(impl):
    data = ring_of(impl, "ketama").to_bytes()
    for at, value in ((48, 1), (40, 18), (40, 1)):  # a seed; vnodes that are no multiple of 4
        with pytest.raises(ValueError, match="parameters contradict"):
            impl.HashRing.from_bytes(resealed(data, at, value))


def read_or_none(impl, data):
    try:
        return impl.HashRing.from_bytes(data)
    except ValueError as error:
        assert "parameters contradict" in str(error)  # noqa: PT017
        return None


@pytest.mark.parametrize("hash", HASHES)
def test_hostile_contents_are_refused_or_make_a_sound_ring(hash):
    """Native and pure take the same ones, and what they take can be used and written again."""
    rng = random.Random(5)
    data = ring_of(fastblocks, hash).to_bytes()
    payload = data[HEADER:]
    taken = 0
    for round in range(400):
        damaged = bytearray(payload)
        for _ in range(rng.choice([1, 1, 2, 5])):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 1, 2, 255, rng.randrange(256)])
        if round % 5 == 0:
            damaged = damaged[: 8 * rng.randrange(len(damaged) // 8)]
        elif round % 5 == 1:
            at = 8 * rng.randrange(len(damaged) // 8)
            damaged[at:at] = damaged[at : at + 8 * rng.randrange(6)]
        a, b = (
            read_or_none(m, repaired(data, bytes(damaged))) for m in (fastblocks, fastblocks.pure)
        )
        assert (a is None) == (b is None)
        if a is not None:
            taken += 1
            assert a.to_bytes() == b.to_bytes()
            assert a.get_many(range(50)).tolist() == b.get_many(range(50)).tolist()
            assert a.remove(a.nodes[0]) == b.remove(b.nodes[0])
            assert a.to_bytes() == b.to_bytes()
    assert taken > 20


def test_keys_that_make_no_sense_are_refused(impl):
    ring = impl.HashRing(["a", "b"], load_factor=1)
    nodes = ring.to_bytes()[HEADER:]
    ring.assign("k")

    def entry(node, kind, name, pad=b"\0"):
        head = struct.pack("<QQQ", node, kind, len(name))
        return head + name + pad * (-len(name) % 8)

    k = entry(ring.get_index("k"), 0, b"k")
    other = 1 - ring.get_index("k")
    assert ring.to_bytes()[HEADER:] == nodes + k

    def read(extra):
        return impl.HashRing.from_bytes(repaired(ring.to_bytes(), nodes + extra))

    assert read(k) == ring
    for extra in (
        k + k,  # twice
        entry(0, 0, b"k") + entry(1, 1, b"k"),  # as str and as bytes: one key
        entry(0, 2, bytes([255] * 8)) + entry(1, 3, bytes([255] * 8)),  # 2**64 - 1 and -1
        entry(2, 0, b"k"),  # no such node
        entry(2**63, 0, b"k"),
        entry(0, 4, b"k"),  # no such kind
        entry(0, 2**40, b"k"),
        entry(0, 2, b"k"),  # an int of one byte
        entry(0, 3, bytes(8)),  # a negative int that is 0
        entry(0, 0, b"\xff"),  # no UTF-8
        entry(0, 0, b"\xed\xa0\x80"),  # a surrogate
        entry(0, 1, b"k", b"\1"),  # padding
        entry(0, 1, b"k")[:-1],
        entry(0, 1, b"k")[:-8],
        k[:16],
        k[:-8] + struct.pack("<Q", 0) * 3,
        struct.pack("<QQQ", 0, 1, 2**64 - 1),
        entry(other, 0, b"m") + entry(other, 0, b"n"),  # more than its share
    ):
        with pytest.raises(ValueError, match="parameters contradict"):
            read(extra)
    read(entry(other, 0, b"k"))  # not where it would be put now, but it may stand there
    unbounded = impl.HashRing(["a", "b"]).to_bytes()
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.HashRing.from_bytes(repaired(unbounded, unbounded[HEADER:] + k))


@pytest.mark.parametrize("hash", ["ketama", "libmemcached"])
def test_an_int_is_told_apart_by_its_decimal_text(impl, hash):
    ring = impl.HashRing(["a", "b"], load_factor=100, hash=hash)
    keys = [-1, 2**64 - 1, 5, b"\5" + bytes(7), -(2**63)]
    for key in keys:
        assert ring.assign(key) == ring.get(key)
    assert ring.assign("5") == ring.get(5)
    assert sum(ring.loads.values()) == len(keys)
    data = ring.to_bytes()
    read = impl.HashRing.from_bytes(data)
    assert read == ring
    for key in keys:
        read.release(key)
    alone = impl.HashRing(["a"], load_factor=1, hash=hash)
    nodes = alone.to_bytes()[HEADER:]
    alone.assign(17)
    assert alone.to_bytes()[HEADER:] == nodes + struct.pack("<QQQ", 0, 2, 2) + b"17" + bytes(6)
    for kind, name in ((2, b"017"), (2, b"+17"), (2, b"1_7"), (2, b" 17"), (2, b"-17"), (2, b""),
                       (3, b"17"), (3, b"-0"), (2, b"%d" % 2**64), (3, b"%d" % (-(2**63) - 1)),
                       (2, b"1" * 5000), (4, b"17")):  # fmt: skip
        entry = struct.pack("<QQQ", 0, kind, len(name)) + name + bytes(-len(name) % 8)
        with pytest.raises(ValueError, match="parameters contradict"):
            impl.HashRing.from_bytes(repaired(alone.to_bytes(), nodes + entry))


def test_a_key_that_changes_is_assigned_as_it_was(impl):
    class Counter:
        def __init__(self, value):
            self.value = value

        def __index__(self):
            self.value += 1
            return self.value

    ring = impl.HashRing([f"n{i}" for i in range(20)], load_factor=1000)
    for i in range(20):
        key = Counter(100 * i)
        assert ring.assign(key) == ring.get(key.value)
        ring.release(key.value)


def test_more_nodes_than_can_be_built_are_refused(impl):
    """Weights of 2**30 points each: refused before memory is asked for."""
    data = impl.HashRing({"a": 1, "b": 1}).to_bytes()
    payload = data[HEADER:].replace(struct.pack("<d", 1.0), struct.pack("<d", 2.0**40))
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.HashRing.from_bytes(repaired(data, payload))


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.HashRing.from_bytes(data)


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    data = GOLDEN.read_bytes()
    for impl in (fastblocks, fastblocks.pure):
        assert ring_of(impl).to_bytes() == data
        ring = impl.HashRing.from_bytes(data)
        assert ring.to_bytes() == data
        assert ring.assign("é") == ring_of(impl).assign("é")
        assert ring.nodes == ("bb", "é", "d", "a")


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    ring, path = saved
    for other in (impl, fastblocks, fastblocks.pure):
        opened = other.HashRing.open(path)
        assert type(opened) is other.HashRing
        assert repr(opened) == repr(ring)
        assert opened.to_bytes() == ring.to_bytes() == path.read_bytes()
        assert [opened.get(key) for key in ASSIGNED] == [ring.get(key) for key in ASSIGNED]
        assert opened.get_n("x", 3) == ring.get_n("x", 3)
        assert not opened.diff(opened.copy())
        assert opened.loads == ring.loads
        opened.flush()


def test_an_opened_ring_cannot_be_changed_but_its_copy_can(impl, saved):
    ring, path = saved
    opened = impl.HashRing.open(path)
    for method, args in {"add": "q", "remove": "a", "assign": "q", "release": "é"}.items():
        with pytest.raises(OSError, match=f"^{method}: an object opened from a file cannot be ch"):
            getattr(opened, method)(args)
    assert opened == ring
    changed = opened.copy()
    changed.add("q", zone="x")
    changed.assign("q")
    assert "q" in changed
    assert path.read_bytes() == ring.to_bytes()
    with pytest.raises(ValueError, match=r"mode must be 'r', not 'r\+': a HashRing cannot"):
        impl.HashRing.open(path, "r+")
    with pytest.raises(ValueError, match="mode must be 'r' or 'r\\+', not 'w'"):
        impl.HashRing.open(path, "w")


def test_verify_false_skips_the_checksum_of_the_payload(impl, tmp_path):
    path = tmp_path / "ring"
    ring = impl.HashRing(["name"])
    data = bytearray(ring.to_bytes())
    data[data.index(b"name")] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="ring: corrupt"):
        impl.HashRing.open(path)
    assert impl.HashRing.open(path, verify=False).nodes == ("oame",)


def test_a_saved_file_replaces_the_old_one(impl, saved):
    ring, path = saved
    old = impl.HashRing.open(path)
    impl.HashRing(["q"]).save(path)
    assert impl.HashRing.open(path).nodes == ("q",)
    assert old == ring
    with pytest.raises(FileNotFoundError):
        impl.HashRing.open(path.with_name("missing"))


# ---- other processes -------------------------------------------------------------------------

PROGRAM = """
import sys
import numpy as np
import fastblocks
from fastblocks.hashing import xxh3_64
for hash in ("xxh3", "ketama", "libmemcached"):
    ring = fastblocks.HashRing([f"node-{i}" for i in range(50)], hash=hash)
    ring.remove("node-7")
    ring.add("late", 2)
    print(xxh3_64(ring.get_many(np.arange(20_000)).tobytes()), xxh3_64(ring.to_bytes()))
"""


def test_a_ring_made_in_another_process_answers_alike():
    def digests():
        for hash in HASHES:
            names = [f"node-{i}" for i in range(50) if i != 7]
            ring = fastblocks.HashRing([*names, ("late", 2)], hash=hash)
            answers = ring.get_many(np.arange(20_000))
            yield f"{xxh3_64(answers.tobytes())} {xxh3_64(ring.to_bytes())}"

    for settings in ({}, {"FASTBLOCKS_CPU": "portable"}, {"PYTHONHASHSEED": "7"}):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            env=os.environ | settings,
        )
        assert result.stdout.splitlines() == list(digests()), result.stderr
