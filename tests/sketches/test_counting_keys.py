"""The sketches that count: keys and batches of every kind, and what they refuse."""

import numpy as np
import pyarrow as pa
import pytest

from tests.sketches.counting import COUNTING

pytestmark = pytest.mark.parametrize("counting", COUNTING, ids=lambda c: c.name)
DTYPES = {"CountMinSketch": "uint32", "FrequencySketch": "uint8"}


def roomy(counting, impl):
    """An empty sketch in which a thousand keys do not meet, nor age."""
    args = {"CountMinSketch": (10_000, 3), "FrequencySketch": (5000,)}[counting.name]
    return counting.cls(impl)(*args)


def test_text_and_its_utf8_are_one_key(impl, counting):
    s = roomy(counting, impl)
    counting.add_many(s, ["é", "é".encode(), -1, 2**64 - 1, bytearray(b"x"), memoryview(b"x")])
    assert [s.estimate(key) for key in ("é", -1, "x", "y")] == [2, 2, 2, 0]
    assert type(s.estimate("x")) is int


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, counting, make):
    words = [f"word{i % 350}" for i in range(700)]
    s, expected = roomy(counting, impl), roomy(counting, impl)
    assert counting.add_many(s, make(words)) is None
    for word in words:
        counting.add_one(expected, word)
    assert s == expected
    counts = s.estimate_many(make(words))
    assert counts.dtype == DTYPES[counting.name]
    assert (counts >= 2).all()
    assert counts.mean() < 2.1
    assert s.estimate_many(make([w + "!" for w in words])).mean() < 0.1


def test_arrays_that_are_strided_or_read_only(impl, counting):
    keys = np.arange(2000)[::2]
    keys.flags.writeable = False
    s, expected = counting.empty(impl), counting.empty(impl)
    counting.add_many(s, keys)
    counting.add_many(expected, keys.tolist())
    assert s == expected


def test_estimate_many_writes_to_out(impl, counting):
    s = roomy(counting, impl)
    counting.add_many(s, [1, 1, 3])
    out = np.full(3, 9, DTYPES[counting.name])
    assert s.estimate_many([1, 2, 3], out=out) is out
    assert out.tolist() == [2, 0, 1]
    keys = np.arange(2000)
    expected = s.estimate_many(keys.copy())
    out = keys.view(DTYPES[counting.name])[-2000:]
    assert s.estimate_many(keys, out=out) is out
    assert out.tolist() == expected.tolist()
    assert s.estimate_many([]).shape == (0,)


def test_unfit_out_is_refused(impl, counting):
    s = counting.filled(impl)
    dtype = DTYPES[counting.name]
    fixed = np.zeros(3, dtype)
    fixed.flags.writeable = False
    for out in (
        np.zeros(2, dtype),
        np.zeros((3, 1), dtype),
        np.zeros(3, "int64"),
        np.zeros(6, dtype)[::2],
        fixed,
    ):
        with pytest.raises(ValueError, match=f"out must be a writable, C-contiguous {dtype} array"):
            s.estimate_many([1, 2, 3], out=out)
        assert not out.any()
    with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
        s.estimate_many([1], out=[0])


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, counting, key):
    s = counting.empty(impl)
    for call in (
        lambda k: counting.add_one(s, k),
        s.estimate,
        lambda k: counting.add_many(s, ["a", k]),
        lambda k: s.estimate_many(["a", k]),
    ):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)
    assert s == counting.empty(impl)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (["a"] * 600 + [2**64], OverflowError),
        (("a", "\ud800"), UnicodeEncodeError),
        (np.zeros(3), TypeError),
        (np.zeros((2, 2), int), ValueError),
        (pa.array(["a", None]), ValueError),
        ("abc", TypeError),
        (5, TypeError),
    ],
)
def test_bad_batches_change_nothing(impl, counting, keys, error):
    s = counting.empty(impl)
    with pytest.raises(error):
        counting.add_many(s, keys)
    assert s == counting.empty(impl)


def test_seed_is_checked_and_separates(impl, counting):
    with pytest.raises(ValueError, match="seed must be in"):
        counting.empty(impl, seed=-1)
    with pytest.raises(TypeError, match="seed must be an int"):
        counting.empty(impl, seed=1.0)
    a, b = (counting.filled(impl, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a.to_bytes()[128:] != b.to_bytes()[128:]
