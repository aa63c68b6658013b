"""HyperLogLog: what it answers, how it combines, and what it refuses."""

import copy
import math
import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks.hashing import xxh3_64_many
from tests.state import repaired

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]


def filled(impl, n, p=8, **kwargs):
    result = impl.HyperLogLog(p, **kwargs)
    result.add_many(range(n))
    return result


def registers_of(keys, p, seed=0):
    """The registers that the definition tells, by NumPy: no bit tricks, no sparse form."""
    h = xxh3_64_many(keys, seed)
    rest = h % np.uint64(2 ** (64 - p))
    bits = [np.zeros(len(h), np.uint8)]
    bits += [(rest >= np.uint64(2**k)).astype(np.uint8) for k in range(64 - p)]
    rank = 64 - p - np.sum(bits, axis=0, dtype=np.uint8) + 1
    result = np.zeros(2**p, np.uint8)
    np.maximum.at(result, (h >> np.uint64(64 - p)).astype(np.int64), rank.astype(np.uint8))
    return result


# ---- keys ------------------------------------------------------------------------------------


def test_counts_distinct_keys(impl):
    s = impl.HyperLogLog()
    for n, key in enumerate(KEYS):
        assert s.approx_len() == len(s) == n
        assert s.add(key) is None
        s.add(key)
    assert len(s) == len(KEYS)
    assert s.estimate() == pytest.approx(len(KEYS), rel=1e-6)


def test_text_and_its_utf8_are_one_key(impl):
    s = impl.HyperLogLog()
    s.update(["é", "é".encode(), -1, 2**64 - 1])
    assert len(s) == 2


@pytest.mark.parametrize("n", [0, 1, 31, 48, 49, 511, 512, 2000])
def test_batches_equal_single_keys(impl, n):
    keys = np.random.default_rng(n).integers(0, 5000, n)
    one, many = impl.HyperLogLog(8), impl.HyperLogLog(8)
    for key in keys.tolist():
        one.add(key)
    assert many.add_many(keys) is None
    assert one == many
    assert one.to_bytes() == many.to_bytes()


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(700)]
    s, expected = impl.HyperLogLog(9), impl.HyperLogLog(9)
    s.add_many(make(words))
    for word in words:
        expected.add(word)
    assert s == expected


def test_update_takes_many_batches_and_sketches(impl):
    s = impl.HyperLogLog(8)
    assert s.update() is None
    s.update([1, 2], ("a",), filled(impl, 3), np.array([9]))
    assert len(s) == 5  # 0, 1, 2, 9, "a"


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    s = impl.HyperLogLog()
    for call in (s.add, lambda k: s.add_many(["a", k]), lambda k: s.update(["a", k])):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)
    assert not s


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (["a"] * 600 + [2**64], OverflowError),
        (("a", "\ud800"), UnicodeEncodeError),
        (np.zeros(3), TypeError),
        (np.zeros((2, 2), int), ValueError),
        (pa.array(["a", None]), ValueError),
        (pa.chunked_array([["a"] * 600, ["b", None]]), ValueError),
        ("abc", TypeError),
        (5, TypeError),
    ],
)
def test_bad_batches_change_nothing(impl, keys, error):
    for n in (0, 100):
        s = filled(impl, n)
        with pytest.raises(error):
            s.add_many(keys)
        assert s == filled(impl, n)


def test_odd_arrays(impl):
    keys = np.arange(2000)
    expected = filled(impl, 1000)
    for batch in (keys[::-1][1000:], np.repeat(keys[:1000], 2)[::2], keys[:1000].astype(">i4")):
        s = impl.HyperLogLog(8)
        s.add_many(batch)
        assert s == expected
    keys.setflags(write=False)
    s = impl.HyperLogLog(8)
    s.add_many(keys[:1000])
    assert s == expected


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("p", [3, 19, 0, -1, 2**70])
def test_p_out_of_range(impl, p):
    with pytest.raises(ValueError, match=rf"p must be in \[4, 18\], not {p}"):
        impl.HyperLogLog(p)


@pytest.mark.parametrize("p", [14.0, "14", None, True])
def test_p_of_another_type(impl, p):
    with pytest.raises(TypeError, match="p must be an int, not"):
        impl.HyperLogLog(p)


def test_seed_is_checked_and_separates(impl):
    with pytest.raises(ValueError, match="seed must be in"):
        impl.HyperLogLog(seed=-1)
    with pytest.raises(TypeError, match="seed must be an int"):
        impl.HyperLogLog(seed=1.5)
    a, b = (filled(impl, 10, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [((1, 0), {}), ((), {"precision": 3})]:
        with pytest.raises(TypeError):
            impl.HyperLogLog(*args, **kwargs)


# ---- the two forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("p", [8, 9, 12])
def test_turns_dense_by_the_number_of_keys(impl, p):
    limit = 3 * 2**p // 16
    s = filled(impl, limit, p)
    assert s.sparse
    s.add(0)
    s.add_many(range(limit))
    assert s.sparse
    assert len(s.to_bytes()) == 128 + 4 * limit
    s.add(limit)
    assert not s.sparse
    assert len(s.to_bytes()) == 128 + 2**p
    assert s == filled(impl, limit + 1, p)


@pytest.mark.parametrize("p", [4, 7])
def test_small_sketches_are_dense_from_the_start(impl, p):
    s = impl.HyperLogLog(p)
    assert not s.sparse
    assert not s
    assert s.nbytes == 2**p


@pytest.mark.parametrize("p", [4, 5, 7, 8, 11, 14])
@pytest.mark.parametrize("seed", [0, 5])
def test_registers_are_those_of_the_definition(impl, p, seed):
    n = 4000
    keys = np.random.default_rng(p).integers(0, 2**63, n)
    s = impl.HyperLogLog(p, seed=seed)
    s.add_many(keys)
    assert not s.sparse
    assert s.to_bytes()[128:] == registers_of(keys, p, seed).tobytes()


def test_registers_of_millions_are_those_of_the_definition():
    keys = np.arange(1_000_000)
    for p in (4, 14, 18):
        s = fastblocks.HyperLogLog(p)
        s.add_many(keys)
        assert s.to_bytes()[128:] == registers_of(keys, p).tobytes()


def test_the_form_does_not_depend_on_order_or_grouping(impl):
    for n in (10, 48, 49, 500):
        keys = list(range(n))
        expected = filled(impl, n).to_bytes()
        backwards, merged, twice = (impl.HyperLogLog(8) for _ in range(3))
        for key in reversed(keys):
            backwards.add(key)
        for start in range(0, n, 7):
            part = impl.HyperLogLog(8)
            part.add_many(keys[start : start + 9])
            merged |= part
        twice.update(keys, keys[: n // 2], keys)
        for s in (backwards, merged, twice):
            assert s.to_bytes() == expected


def test_memory_grows_with_the_keys():
    s = fastblocks.HyperLogLog()
    assert s.nbytes == 0
    for n in range(3073):
        assert 4 * n <= s.nbytes <= max(32, 8 * n + 4)
        s.add(n)
    assert s.nbytes == 2**14
    assert len(pickle.dumps(filled(fastblocks, 3, 14))) < 300


def test_size_in_memory():
    small, large = fastblocks.HyperLogLog(), filled(fastblocks, 10_000, 14)
    assert sys.getsizeof(large) - sys.getsizeof(small) == large.nbytes - small.nbytes == 2**14
    large.estimate()
    assert 2**14 < large.nbytes < 2**14 + 500


# ---- whole sketches --------------------------------------------------------------------------

SIZES = [(10, 20), (10, 400), (400, 10), (400, 600), (30, 60), (0, 0), (0, 100)]


@pytest.mark.parametrize("p", [4, 8])
@pytest.mark.parametrize(("n", "other"), SIZES)
def test_union_is_the_sketch_of_the_union(impl, p, n, other):
    a, b = filled(impl, n, p), impl.HyperLogLog(p)
    b.add_many(range(n // 2, n // 2 + other))
    expected = impl.HyperLogLog(p)
    expected.update(range(n), range(n // 2, n // 2 + other))
    assert (a | b).to_bytes() == (b | a).to_bytes() == expected.to_bytes()
    assert a == filled(impl, n, p)  # unchanged
    c = a.copy()
    c |= b
    assert c == expected
    a.merge(b, c)
    assert a == expected
    a.merge()
    assert a.estimate() == expected.estimate()


@pytest.mark.parametrize("n", [0, 10, 1000])
def test_combining_with_itself(impl, n):
    a = filled(impl, n)
    before = a.copy()
    a |= a
    a.merge(a, a)
    a.update(a)
    assert a == before == a | a


def test_equality_and_truth(impl):
    a = impl.HyperLogLog()
    assert not a
    assert a == impl.HyperLogLog()
    a.add(1)
    assert a
    assert a != impl.HyperLogLog()
    assert a != 1
    assert a != "a"
    assert impl.HyperLogLog() != impl.HyperLogLog(seed=1)
    assert impl.HyperLogLog() != impl.HyperLogLog(13)
    assert filled(impl, 1000) != filled(impl, 1001, 8, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


@pytest.mark.parametrize("p", [4, 8])
@pytest.mark.parametrize("n", [5, 1000])
def test_clear(impl, p, n):
    a = filled(impl, n, p)
    a.estimate()
    assert a.clear() is None
    assert not a
    assert a.estimate() == 0.0
    assert a == impl.HyperLogLog(p)
    a.add_many(range(n + 1))
    assert a == filled(impl, n + 1, p)
    assert a.estimate() == filled(impl, n + 1, p).estimate()


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"p": 9}, r"p differs \(8 and 9\)"), ({"seed": 3}, r"seed differs \(0 and 3\)")],
)
def test_unequal_sketches_refuse_to_combine(impl, changed, message):
    a, b = filled(impl, 10), impl.HyperLogLog(**{"p": 8, **changed})
    before = a.copy()
    for combine in (
        lambda: a | b,
        lambda: a.__ior__(b),
        lambda: a.merge(filled(impl, 500), b),
        lambda: a.update(b),
    ):
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            combine()
    assert a == before


def test_other_types_refuse_to_combine(impl):
    a = filled(impl, 10)
    for combine in (lambda: a | {1}, lambda: {1} | a, lambda: a.__ior__ and a | 1):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()
    with pytest.raises(TypeError, match="other must be a HyperLogLog, not set"):
        a.merge({1})


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    s = impl.HyperLogLog(12, seed=5)
    assert (s.p, s.seed, s.sparse) == (12, 5, True)
    assert s.standard_error == 1.04 / math.sqrt(2**12)
    assert repr(s) == "HyperLogLog(p=12, seed=5)"
    assert eval(repr(s), {"HyperLogLog": impl.HyperLogLog}) == s
    assert s.estimate() == 0.0
    for name in ("p", "seed", "sparse", "standard_error", "nbytes"):
        with pytest.raises(AttributeError):
            setattr(s, name, 1)


def test_estimates_after_every_kind_of_change(impl):
    """The counts of values that native code keeps are those of the registers."""
    s = filled(impl, 100)
    again = type(s).from_bytes

    def check():
        assert s.estimate() == again(s.to_bytes()).estimate()

    check()
    for key in range(1000, 1300):
        s.add(key)
        check()
    for change in (
        lambda: s.add_many(range(5000, 5400)),
        lambda: s.add_many(np.arange(6000, 7000)),
        lambda: s.merge(filled(impl, 3000)),
        lambda: s.merge(filled(impl, 40, seed=0)),
        s.clear,
        lambda: s.add(3),
        lambda: s.add_many(range(2000)),
        lambda: s.add(4000),
    ):
        change()
        check()


# ---- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 40, 2000])
@pytest.mark.parametrize(
    "duplicate",
    [
        lambda s: s.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda s, p=p: pickle.loads(pickle.dumps(s, p)) for p in range(2, 6)),
        lambda s: type(s).from_bytes(s.to_bytes()),
        lambda s: type(s).from_bytes(memoryview(b"x" + s.to_bytes())[1:]),
        lambda s: type(s).from_bytes(bytearray(s.to_bytes())),
    ],
)
def test_copies_are_equal_and_apart(impl, duplicate, n):
    s = filled(impl, n, seed=2**64 - 1)
    twin = duplicate(s)
    assert type(twin) is impl.HyperLogLog
    assert twin == s
    assert repr(twin) == repr(s)
    assert twin.to_bytes() == s.to_bytes()
    assert twin.estimate() == s.estimate()
    twin.update(range(10_000, 10_100))
    assert twin != s
    assert s == filled(impl, n, seed=2**64 - 1)


class NativeSubclass(fastblocks.HyperLogLog):
    def __init__(self, label):
        super().__init__(9, seed=2)
        self.label = label


class PureSubclass(fastblocks.pure.HyperLogLog):
    def __init__(self, label):
        super().__init__(9, seed=2)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls, tmp_path):
    s = cls("mine")
    assert (s.p, s.seed) == (9, 2)
    s.add("x")
    for twin in (s.copy(), copy.deepcopy(s), pickle.loads(pickle.dumps(s)), s | s):
        assert type(twin) is cls
        assert twin == s
        assert twin.label == "mine"
    s.save(tmp_path / "s")
    for twin in (
        cls.from_bytes(s.to_bytes()),
        cls.open(tmp_path / "s"),
        cls.open(tmp_path / "s", "r+"),
    ):
        assert type(twin) is cls


def test_init_runs_once(impl):
    s = filled(impl, 10)
    with pytest.raises(RuntimeError, match="this HyperLogLog has been initialised already"):
        s.__init__(5)
    assert s == filled(impl, 10)
    with pytest.raises(RuntimeError, match="initialised already"):
        s.copy().__init__(5)
    with pytest.raises(AttributeError):
        s.anything = 1


def test_new_alone_is_a_valid_small_sketch():
    s = fastblocks.HyperLogLog.__new__(fastblocks.HyperLogLog)
    s.add("x")
    assert len(s) == 1
    assert fastblocks.HyperLogLog.from_bytes(s.to_bytes()) == s


# ---- native and pure, the same bits --------------------------------------------------------------


@given(
    keys=st.lists(st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**64 - 1))),
    more=st.sampled_from([0, 0, 30, 200]),
    p=st.integers(4, 18),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, more, p, seed):
    try:
        [k.encode() for k in keys if isinstance(k, str)]
    except UnicodeEncodeError:
        return
    native, pure = (m.HyperLogLog(p, seed=seed) for m in (fastblocks, fastblocks.pure))
    native.update(keys, range(more))
    for key in [*keys, *range(more)]:
        pure.add(key)
    data = native.to_bytes()
    assert data == pure.to_bytes()
    assert native.estimate() == pure.estimate()
    assert fastblocks.HyperLogLog.from_bytes(pure.to_bytes()) == native
    assert fastblocks.pure.HyperLogLog.from_bytes(data) == pure


@given(
    p=st.integers(4, 10),
    values=st.lists(st.integers(0, 61), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_native_and_pure_estimate_alike_from_any_registers(p, values, seed):
    """Also those no set of keys would give: full, saturated, all alike."""
    rng = np.random.default_rng(seed)
    registers = np.minimum(rng.choice(values, 2**p), 65 - p).astype(np.uint8)
    empty = [m.HyperLogLog(p) for m in (fastblocks, fastblocks.pure)]
    native, pure = (of_registers(s, registers) for s in empty)
    assert native.estimate() == pure.estimate()
    assert native.approx_len() == pure.approx_len()
    assert len(native) == len(pure) <= sys.maxsize


def of_registers(sketch, registers):
    return type(sketch).from_bytes(repaired(sketch.to_bytes(), registers.tobytes()))


def test_estimates_have_an_end(impl):
    for p in (4, 8, 14):
        s = of_registers(impl.HyperLogLog(p), np.full(2**p, 65 - p, np.uint8))
        assert s.estimate() == 2.0**64
        assert s.approx_len() == 2**64
        assert len(s) == sys.maxsize
        s.add(1)
        assert s.estimate() == 2.0**64
