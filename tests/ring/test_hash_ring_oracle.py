"""HashRing against the programs that it agrees with: uhashring and libmemcached."""

import hashlib
import json
import pathlib

import numpy as np
import pytest
import uhashring

import fastblocks
import fastblocks.pure

RINGS = {
    "3": {"a": 1, "b": 1, "c": 1},
    "100": {f"node-{i}": 1 for i in range(100)},
    "weights 1 to 7": {f"10.0.0.{i}:11211": i for i in range(1, 8)},
    "far apart": {"small": 1, "large": 1000, **{f"n{i}": 40 for i in range(30)}},
}
MILLION = 1_000_000


@pytest.fixture(scope="module")
def words():
    """The first MD5 word of each of a million texts, by hashlib."""
    digests = b"".join([hashlib.md5(b"%d" % i).digest()[:4] for i in range(MILLION)])
    return np.frombuffer(digests, "<u4").astype(np.uint64)


@pytest.mark.parametrize("nodes", RINGS.values(), ids=RINGS)
def test_ketama_is_uhashrings(nodes, words):
    theirs = uhashring.HashRing(nodes, hash_fn="ketama")
    ours = fastblocks.HashRing(nodes, hash="ketama")
    points = theirs.get_points()  # in order, with the node that has the keys before them
    places, owners = ours.points()
    assert places.tolist() == sorted(places.tolist()) == [place for place, _ in points]
    index = {name: i for i, name in enumerate(ours.nodes)}
    last = np.searchsorted(places, places, "left")  # of points at one place our first counts
    assert owners[last].tolist() == [index[name] for _, name in points]
    at = np.searchsorted(places, words, "right") % len(places)
    expected = np.array([index[name] for _, name in points], np.int32)[at]
    assert np.count_nonzero(ours.get_many(np.arange(MILLION)) != expected) == 0
    for key in range(20_000):
        assert theirs.get_node(str(key)) == ours.nodes[expected[key]]
    text = [f"key {i}" for i in range(20_000)]
    many = ours.get_many(text).tolist()
    assert [ours.nodes[i] for i in many] == [theirs.get_node(key) for key in text]


@pytest.mark.parametrize("nodes", RINGS.values(), ids=RINGS)
def test_pure_ketama_is_uhashrings(nodes):
    theirs = uhashring.HashRing(nodes, hash_fn="ketama")
    ours = fastblocks.pure.HashRing(nodes, hash="ketama")
    assert ours.points()[0].tolist() == [place for place, _ in theirs.get_points()]
    for key in range(1000):
        assert ours.get(key) == theirs.get_node(str(key))


def test_ketama_is_uhashrings_after_changes():
    """Their ring after a change is the one that they make of the same nodes at once."""
    theirs = uhashring.HashRing(RINGS["weights 1 to 7"], hash_fn="ketama")
    ours = fastblocks.HashRing(RINGS["weights 1 to 7"], hash="ketama")
    theirs.remove_node("10.0.0.4:11211")
    ours.remove("10.0.0.4:11211")
    assert ours.points()[0].tolist() == [place for place, _ in theirs.get_points()]
    for key in range(5000):
        assert ours.get(key) == theirs.get_node(str(key))


# ---- libmemcached ----------------------------------------------------------------------------

# Its answers, as tools/libmemcached_vectors.py asked for them.
VECTORS = json.loads(
    (pathlib.Path(__file__).parent.parent / "golden/libmemcached.json").read_text()
)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_libmemcached_is_libmemcacheds(vector):
    nodes = [(f"{host}:{port}", weight) for host, port, weight in vector["servers"]]
    ring = fastblocks.HashRing(nodes, hash="libmemcached")
    answers = ring.get_many([f"key-{i}" for i in range(50_000)])
    assert answers[:500].tolist() == vector["first"]
    assert hashlib.sha256(answers.astype("<i4").tobytes()).hexdigest() == vector["sha256"]
    pure = fastblocks.pure.HashRing.from_bytes(ring.to_bytes())
    assert pure.get_many([f"key-{i}" for i in range(500)]).tolist() == vector["first"]
