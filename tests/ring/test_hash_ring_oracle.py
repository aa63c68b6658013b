"""HashRing against the programs that it agrees with: uhashring and libmemcached."""

import ctypes
import hashlib
import pathlib

import numpy as np
import pylibmc
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

KETAMA_WEIGHTED = 16  # MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED


@pytest.fixture(scope="module")
def libmemcached():
    """The library that pylibmc's wheels bring along."""
    folder = pathlib.Path(pylibmc.__file__).parent.parent / "pylibmc.libs"
    (path,) = folder.glob("libmemcached-*.so*")
    library = ctypes.CDLL(str(path))
    pointer = ctypes.c_void_p
    for name, result, *arguments in (
        ("create", pointer, pointer),
        ("free", None, pointer),
        ("behavior_set", ctypes.c_int, pointer, ctypes.c_int, ctypes.c_uint64),
        (
            "server_add_with_weight", ctypes.c_int,
            pointer, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_uint32,
        ),
        ("generate_hash", ctypes.c_uint32, pointer, ctypes.c_char_p, ctypes.c_size_t),
    ):  # fmt: skip
        function = getattr(library, f"memcached_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def hosts(n):
    return [f"10.0.{i // 200}.{i % 200 + 1}" for i in range(n)]


@pytest.mark.parametrize(
    ("weights", "ports"),
    [
        ([1] * 3, [11211] * 3),
        ([1] * 100, [11211] * 100),
        ([1] * 100, range(12000, 12100)),
        (range(1, 8), [11211] * 7),
        ([1, 1, 50, *[40] * 50], range(1, 54)),
        ([1] * 41, [1121] * 41),
    ],
    ids=["3", "100", "other ports", "weights 1 to 7", "far apart", "41"],
)
def test_libmemcached_is_libmemcacheds(libmemcached, weights, ports):
    servers = list(zip(hosts(len(weights)), ports, weights, strict=True))
    ring = fastblocks.HashRing(
        [(f"{host}:{port}", weight) for host, port, weight in servers], hash="libmemcached"
    )
    keys = [f"key-{i}" for i in range(50_000)]
    memory = libmemcached.memcached_create(None)
    try:
        assert libmemcached.memcached_behavior_set(memory, KETAMA_WEIGHTED, 1) == 0
        for host, port, weight in servers:
            add = libmemcached.memcached_server_add_with_weight
            assert add(memory, host.encode(), port, weight) == 0
        expected = [
            libmemcached.memcached_generate_hash(memory, key.encode(), len(key)) for key in keys
        ]
    finally:
        libmemcached.memcached_free(memory)
    assert ring.get_many(keys).tolist() == expected
    pure = fastblocks.pure.HashRing.from_bytes(ring.to_bytes())
    assert pure.get_many(keys[:500]).tolist() == expected[:500]
