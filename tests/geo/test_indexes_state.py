"""RTree, QuadTree, GeoIndex: bytes that are pinned, damaged, or hostile."""

import pathlib

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.geo.test_rtree import golden_tree
from tests.state import HEADER, repaired, resealed

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"


def quadtree(impl):
    tree = impl.QuadTree((-3.0, -0.5, 7.5, 9.0), 3)
    tree.insert_many([3 * i - 20 for i in range(40)], [i % 7 for i in range(40)], np.arange(40) / 5)
    tree.move(-20, -0.0, 9.0)
    return tree


def geoindex(impl, id_type=int):
    index = impl.GeoIndex(id_type)
    ids = [id_type(97 * i % 40 - 5) for i in range(40)]
    index.set_many(ids, [90 - 9 * (i % 21) for i in range(40)], [37.5 * i - 700 for i in range(40)])
    index.remove(ids[7])
    index.set(id_type(-1000), -0.0, 180.0)
    return index


def named_geoindex(impl):
    index = geoindex(impl, str)
    index.set("", 1, 2)
    index.set("\u96ea \U0001f30d \udc80", 3, 4)
    return index


MAKERS = {
    "rtree": golden_tree,
    "quadtree": quadtree,
    "geoindex": geoindex,
    "geoindex_str": named_geoindex,
}


@pytest.fixture(params=MAKERS)
def name(request):
    return request.param


def test_golden(impl, name):
    data = (GOLDEN / f"{name}_v1.bin").read_bytes()
    made = MAKERS[name](impl)
    assert made.to_bytes() == data
    assert type(made).from_bytes(data) == made


def test_every_damaged_byte_is_noticed(impl, name):
    cls = type(MAKERS[name](impl))
    data = (GOLDEN / f"{name}_v1.bin").read_bytes()
    for at in range(0, len(data), 1 if impl is fastblocks else 31):
        changed = bytearray(data)
        changed[at] ^= 0x55
        with pytest.raises(ValueError, match=f"{cls.__name__}: "):
            cls.from_bytes(changed)
    for end in (*range(0, HEADER, 9), HEADER, len(data) - 8, len(data) - 1):
        with pytest.raises(ValueError, match=f"{cls.__name__}: "):
            cls.from_bytes(data[:end])


def outcome(cls, data):
    """What becomes of bytes: the object and all it holds, or the words of the error."""
    try:
        made = cls.from_bytes(data)
        return repr(made), [np.asarray(column).tolist() for column in made.items()]
    except ValueError as error:
        return str(error)


def test_native_and_pure_refuse_the_same(name):
    """Words of header and payload set to what matters somewhere, checksums made good again."""
    classes = [type(MAKERS[name](impl)) for impl in (fastblocks, fastblocks.pure)]
    data = (GOLDEN / f"{name}_v1.bin").read_bytes()
    floats = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e308, 91.0, 180.0, 181.0, 5e-324])
    whole = [0, 1, 2, 39, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]
    words = np.array(whole + floats.view(np.uint64).tolist(), np.uint64)
    rng = np.random.default_rng(3)
    refused = 0
    for trial in range(400):
        if trial % 4 == 0:
            at = 32 + 8 * int(rng.integers(11))
            changed = resealed(data, at, int(rng.choice(words)))
        else:
            payload = np.frombuffer(data, np.uint64, (len(data) - HEADER) // 8, HEADER).copy()
            ats = rng.integers(0, len(payload), 1 + trial % 2)
            others = rng.choice(payload, len(ats))
            new = rng.choice(words, len(ats))
            payload[ats] = np.where(rng.random(len(ats)) < 0.4, others, new)
            changed = repaired(data, payload.tobytes() + data[HEADER + 8 * len(payload) :])
        native, pure = (outcome(cls, changed) for cls in classes)
        assert repr(native) == repr(pure), trial
        refused += isinstance(native, str)
    assert refused > 50
