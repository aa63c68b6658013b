"""RendezvousHash as bytes and files: round trips, damage of every kind."""

import contextlib
import pathlib
import pickle
import random
import struct

import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

WEIGHTS = {"a": 1.0, "bb": 2.5, "Zürich": 1e-9}

# The nodes of keys 0 to 39: the first letters of their names.
PINNED = "abeaedbeabaaaababddabaddbbaeabebbeeebbae"
PINNED_EQUAL = "ecjhchideibficgicbjijahhhfjddjfhebhcjdeg"


@pytest.fixture
def saved(impl, tmp_path):
    """Three nodes and the file they were saved to."""
    nodes = impl.RendezvousHash(WEIGHTS, seed=3)
    path = tmp_path / "nodes"
    nodes.save(path)
    return nodes, path


def test_round_trips(impl, saved):
    nodes, path = saved
    for other in (
        impl.RendezvousHash.from_bytes(nodes.to_bytes()),
        impl.RendezvousHash.open(path),
        pickle.loads(pickle.dumps(nodes)),
    ):
        assert other == nodes
        assert repr(other) == repr(nodes)
        assert other.weights == WEIGHTS
        assert other.get_many(range(100)).tolist() == nodes.get_many(range(100)).tolist()
        assert other.to_bytes() == path.read_bytes()
    for n in (0, 1, 300):
        many = impl.RendezvousHash([f"node-{i}" for i in range(n)])
        assert impl.RendezvousHash.from_bytes(many.to_bytes()) == many


def test_subclasses_and_attributes_survive(impl):
    class Mine(impl.RendezvousHash):
        pass

    mine = Mine(["a"])
    mine.tag = "x"
    assert type(Mine.from_bytes(mine.to_bytes())) is Mine
    assert mine.copy().tag == "x"


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.RendezvousHash, saved[0].to_bytes(), tmp_path, ("r",))


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"FUSE", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        (40, 1, 8, "parameters contradict"),
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_headers_are_refused(impl, saved, tmp_path, at, value, size, message):
    data = resealed(saved[0].to_bytes(), at, value, size)
    for read in readers(impl.RendezvousHash, tmp_path, ("r",)):
        with pytest.raises(ValueError, match=message):
            read(data)


def test_hostile_nodes_are_refused(impl, saved, tmp_path):
    """Checksums good, contents impossible: what an attacker would send."""
    data = saved[0].to_bytes()
    good = data[HEADER:]
    payloads = [b"", bytes(8), good[:-8], good + bytes(8), good[:-1] + b"x"]
    for at, values in {
        0: [0, 2, 4, 2**24 + 1, 2**61, 2**64 - 1],  # nodes
        8: [1, 2, 3, 2**64 - 1],  # of which with a zone
        40: [0, 2**12 + 1, 2**63, 2**64 - 1],  # length of a name
    }.items():
        payloads += [good[:at] + struct.pack("<Q", value) + good[at + 8 :] for value in values]
    weights = (0.0, -1.0, float("inf"), float("nan"))
    payloads += [good[:16] + struct.pack("<d", weight) + good[24:] for weight in weights]
    payloads.append(good.replace(b"bb", b"\xff\xff"))
    twins = impl.RendezvousHash(["x", "y"]).to_bytes()[HEADER:]
    payloads.append(twins.replace(b"xy", b"xx"))
    for read in readers(impl.RendezvousHash, tmp_path, ("r",)):
        for payload in payloads:
            with pytest.raises(ValueError, match="parameters contradict"):
                read(repaired(data, payload))
        assert read(repaired(data, good)) == saved[0]


def test_random_nodes_are_refused_or_work(impl, saved):
    rng = random.Random(8)
    data = saved[0].to_bytes()
    for _ in range(300):
        payload = bytearray(data[HEADER:])
        for _ in range(rng.randrange(1, 4)):
            payload[rng.randrange(len(payload))] = rng.choice([0, 1, 2, 3, 0x7F, 0xFF])
        with contextlib.suppress(ValueError):
            nodes = impl.RendezvousHash.from_bytes(repaired(data, bytes(payload)))
            assert set(map(nodes.get, range(20))) <= set(nodes.nodes)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.RendezvousHash.from_bytes(data)


def test_bytes_and_answers_are_pinned():
    """Layout and costs are a promise: all versions, everywhere, send a key to the same node."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "rendezvous_v1.bin"
    expected = fastblocks.RendezvousHash({**WEIGHTS, "d": 0.75, "e": 1.0}, seed=11)
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        nodes = impl.RendezvousHash.from_bytes(data)
        assert nodes.to_bytes() == data
        assert "".join(nodes.get(key)[0] for key in range(40)) == PINNED
        equal = impl.RendezvousHash("abcdefghij"[i] for i in range(10))
        assert "".join(map(equal.get, range(40))) == PINNED_EQUAL


def test_an_opened_file_cannot_be_changed(impl, saved):
    nodes, path = saved
    opened = impl.RendezvousHash.open(path)
    for call in (lambda: opened.add("x"), lambda: opened.remove("a")):
        with pytest.raises(OSError, match=r"opened from a file cannot be changed; change a copy"):
            call()
    with pytest.raises(ValueError, match="mode must be 'r', not 'r\\+': a RendezvousHash cannot"):
        impl.RendezvousHash.open(path, "r+")
    changed = opened.copy()
    changed.add("x")
    assert opened == nodes
    assert changed != nodes
