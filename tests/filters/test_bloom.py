"""BloomFilter: what it answers, how it combines, and what it refuses."""

import copy
import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]


def filled(impl, keys=range(100), capacity=1000, **kwargs):
    result = impl.BloomFilter(capacity, **kwargs)
    result.update(keys)
    return result


# ---- keys ------------------------------------------------------------------------------------


def test_holds_what_was_added(impl):
    f = impl.BloomFilter(100)
    for key in KEYS:
        assert key not in f
        assert f.contains(key) is False
        assert f.add(key) is None
        assert key in f
        assert f.contains(key) is True
    assert "Braga" not in f


def test_text_and_its_utf8_are_one_key(impl):
    f = impl.BloomFilter(10)
    f.add("é")
    f.add(-1)
    assert "é".encode() in f
    assert 2**64 - 1 in f


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 511, 512, 2000])
def test_batches_equal_single_keys(impl, n):
    rng = np.random.default_rng(n)
    keys, probes = rng.integers(0, 5000, (2, n))
    one, many = impl.BloomFilter(2000), impl.BloomFilter(2000)
    for key in keys.tolist():
        one.add(key)
    assert many.add_many(keys) is None
    assert one == many
    answers = many.contains_many(probes)
    assert answers.dtype == np.bool_
    assert answers.tolist() == [key in one for key in probes.tolist()]


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(700)]
    f = impl.BloomFilter(1000)
    f.add_many(make(words))
    assert f.contains_many(make(words)).all()
    assert all(word in f for word in words)
    assert f.contains_many(make([w + "!" for w in words])).mean() < 0.05


def test_update_takes_many_batches_and_filters(impl):
    f = impl.BloomFilter(100)
    assert f.update() is None
    f.update([1, 2], ("a",), filled(impl, ["x"], 100), np.array([9]))
    assert f.contains_many([1, 2, 9]).all()
    assert "a" in f
    assert "x" in f


def test_contains_many_writes_to_out(impl):
    f = filled(impl, [1, 3])
    out = np.zeros(3, bool)
    assert f.contains_many([1, 2, 3], out=out) is out
    assert out.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "out",
    [np.zeros(2, bool), np.zeros((3, 1), bool), np.zeros(3, np.uint8), np.zeros(6, bool)[::2]],
    ids=["short", "2-D", "uint8", "strided"],
)
def test_unfit_out_is_refused(impl, out):
    with pytest.raises(ValueError, match="out must be a writable, C-contiguous bool array"):
        filled(impl, [1, 2, 3]).contains_many([1, 2, 3], out=out)
    assert not out.any()


def test_out_may_overlap_keys(impl):
    keys = np.arange(2000)
    expected = filled(impl, range(500)).contains_many(keys.copy())
    out = keys.view(bool)[-2000:]
    assert filled(impl, range(500)).contains_many(keys, out=out) is out
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    f = impl.BloomFilter(10)
    for call in (
        f.add,
        f.contains,
        f.__contains__,
        lambda k: f.add_many(["a", k]),
        lambda k: f.update(["a", k]),
        lambda k: f.contains_many(["a", k]),
    ):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)
    assert not f


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
    f = impl.BloomFilter(1000)
    with pytest.raises(error):
        f.add_many(keys)
    assert not f


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 10**30])
def test_capacity_out_of_range(impl, capacity):
    with pytest.raises(ValueError, match=rf"capacity must be in \[1, \d+\], not {capacity}"):
        impl.BloomFilter(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, True])
def test_capacity_of_another_type(impl, capacity):
    with pytest.raises(TypeError, match="capacity must be an int, not"):
        impl.BloomFilter(capacity)


@pytest.mark.parametrize("capacity", [2**62, 10**15])
def test_absurd_capacity(impl, capacity):
    with pytest.raises(
        ValueError, match=f"capacity={capacity} at fp_rate=0.01: parameters are too"
    ):
        impl.BloomFilter(capacity)


@pytest.mark.parametrize(
    "fp_rate", [0, 0.0, 1, 1.0, -0.1, 1.5, 1e-10, 10**400, float("nan"), float("inf")]
)
def test_fp_rate_out_of_range(impl, fp_rate):
    with pytest.raises(ValueError, match=r"fp_rate must be in \[1e-09, 1\), not"):
        impl.BloomFilter(10, fp_rate)


@pytest.mark.parametrize("fp_rate", ["0.1", None, [0.1], True, bytearray(b"0.1"), 1j])
def test_fp_rate_of_another_type(impl, fp_rate):
    with pytest.raises(TypeError, match="fp_rate must be a float, not"):
        impl.BloomFilter(10, fp_rate)


def test_seed_is_checked_and_separates(impl):
    with pytest.raises(ValueError, match="seed must be in"):
        impl.BloomFilter(10, seed=-1)
    a, b = (filled(impl, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1, 0.1, 0), {}), ((1,), {"hashes": 3})]:
        with pytest.raises(TypeError):
            impl.BloomFilter(*args, **kwargs)


@pytest.mark.parametrize("fp_rate", [0.999999, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("capacity", [1, 2, 9, 1000, 123_456])
def test_native_and_pure_have_one_size(capacity, fp_rate):
    native, pure = (m.BloomFilter(capacity, fp_rate) for m in (fastblocks, fastblocks.pure))
    assert native.nbytes == pure.nbytes
    assert native.expected_fp_rate(capacity) == pure.expected_fp_rate(capacity) <= fp_rate
    assert native.to_bytes() == pure.to_bytes()


# ---- whole filters ---------------------------------------------------------------------------


def test_union_and_intersection(impl):
    a, b = filled(impl, range(60)), filled(impl, range(40, 100))
    both, common = a | b, a & b
    assert both == filled(impl, range(100))
    assert both.contains_many(range(100)).all()
    assert common.contains_many(range(40, 60)).all()
    assert common.issubset(a)
    assert common.issubset(b)
    assert a == filled(impl, range(60))  # unchanged
    c = a.copy()
    c |= b
    assert c == both
    c &= a
    assert c == a
    a.merge(b, filled(impl, ["x"]))
    assert a == filled(impl, [*range(100), "x"])
    a.merge()


def test_combining_with_itself(impl):
    a = filled(impl)
    before = a.copy()
    a |= a
    a &= a
    a.merge(a)
    a.update(a)
    assert a == before
    assert a.issubset(a)


def test_equality_and_truth(impl):
    a = impl.BloomFilter(100)
    assert not a
    assert a == impl.BloomFilter(100)
    a.add(1)
    assert a
    assert a != impl.BloomFilter(100)
    assert a != 1
    assert a != "a"
    assert impl.BloomFilter(100) != impl.BloomFilter(100, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_clear(impl):
    a = filled(impl)
    assert a.clear() is None
    assert not a
    assert a == impl.BloomFilter(1000)


UNEQUAL = [
    ({"capacity": 1001}, r"capacity differs \(1000 and 1001\)"),
    ({"fp_rate": 0.02}, r"fp_rate differs \(0.01 and 0.02\)"),
    ({"seed": 3}, r"seed differs \(0 and 3\)"),
]


@pytest.mark.parametrize(("changed", "message"), UNEQUAL)
def test_unequal_filters_refuse_to_combine(impl, changed, message):
    a, b = filled(impl), impl.BloomFilter(**{"capacity": 1000, **changed})
    before = a.copy()
    for combine in (
        lambda: a | b,
        lambda: a & b,
        lambda: a.__ior__(b),
        lambda: a.__iand__(b),
        lambda: a.merge(a, b),
        lambda: a.update(b),
        lambda: a.issubset(b),
    ):
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            combine()
    assert a == before


def test_other_types_refuse_to_combine(impl):
    a = filled(impl)
    for combine in (lambda: a | {1}, lambda: {1} | a, lambda: a & [1], lambda: a.__ior__ and a | 1):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()
    for call in (a.merge, a.issubset):
        with pytest.raises(TypeError, match="other must be a BloomFilter, not set"):
            call({1})


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    f = impl.BloomFilter(1000, 0.02, seed=5)
    assert (f.capacity, f.fp_rate, f.seed) == (1000, 0.02, 5)
    assert repr(f) == "BloomFilter(capacity=1000, fp_rate=0.02, seed=5)"
    odd = impl.BloomFilter(10, 0.0123456789)
    assert eval(repr(odd), {"BloomFilter": impl.BloomFilter}) == odd
    assert f.nbytes == len(f.to_bytes()) - 128
    assert f.fill_ratio == 0.0
    assert f.approx_len() == 0
    assert f.expected_fp_rate() == 0.0
    for name in ("capacity", "fp_rate", "seed", "nbytes", "fill_ratio"):
        with pytest.raises(AttributeError):
            setattr(f, name, 1)


def test_estimates(impl):
    f = filled(impl, range(1000))
    assert 0.4 < f.fill_ratio < 0.65
    assert abs(f.approx_len() - 1000) < 40
    assert f.expected_fp_rate() == pytest.approx(f.expected_fp_rate(1000), rel=0.15)
    assert f.expected_fp_rate(0) == 0.0
    rates = [f.expected_fp_rate(n) for n in (1, 10, 100, 1000, 10_000, 10**6, 2**63 - 1)]
    assert rates == sorted(rates)
    assert rates[-1] <= 1.0


def test_estimates_agree_between_native_and_pure():
    a, b = (filled(m, range(700), fp_rate=1e-3) for m in (fastblocks, fastblocks.pure))
    assert a.approx_len() == b.approx_len()
    assert a.fill_ratio == b.fill_ratio
    assert a.expected_fp_rate() == pytest.approx(b.expected_fp_rate(), rel=1e-12)


@pytest.mark.parametrize("n", [-1, 2**63, 1.5, "1"])
def test_bad_number_of_keys(impl, n):
    with pytest.raises((ValueError, TypeError), match="n must be"):
        impl.BloomFilter(10).expected_fp_rate(n)


def test_full_filter(impl):
    f = impl.BloomFilter(1, 0.9)
    f.update(range(2000))
    assert f.fill_ratio == 1.0
    assert f.expected_fp_rate() == 1.0
    assert f.approx_len() > 50
    assert "anything" in f


def test_size_in_memory():
    small, large = fastblocks.BloomFilter(1), fastblocks.BloomFilter(100_000)
    assert sys.getsizeof(large) - sys.getsizeof(small) == large.nbytes - small.nbytes


# ---- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda f: f.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda f, p=p: pickle.loads(pickle.dumps(f, p)) for p in range(2, 6)),
        lambda f: type(f).from_bytes(f.to_bytes()),
        lambda f: type(f).from_bytes(memoryview(b"x" + f.to_bytes())[1:]),
        lambda f: type(f).from_bytes(bytearray(f.to_bytes())),
    ],
)
def test_copies_are_equal_and_apart(impl, duplicate):
    f = filled(impl, seed=2**64 - 1)
    twin = duplicate(f)
    assert type(twin) is impl.BloomFilter
    assert twin == f
    assert repr(twin) == repr(f)
    assert twin.to_bytes() == f.to_bytes()
    twin.add("only here")
    assert twin != f
    assert f == filled(impl, seed=2**64 - 1)


class NativeSubclass(fastblocks.BloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


class PureSubclass(fastblocks.pure.BloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    f = cls("mine")
    assert (f.capacity, f.fp_rate) == (50, 0.02)
    f.add("x")
    for twin in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), f | f):
        assert type(twin) is cls
        assert twin == f
        assert twin.label == "mine"
    assert type(cls.from_bytes(f.to_bytes())) is cls


def test_init_runs_once(impl):
    f = filled(impl)
    with pytest.raises(RuntimeError, match="this BloomFilter has been initialised already"):
        f.__init__(5)
    assert f == filled(impl)
    with pytest.raises(RuntimeError, match="initialised already"):
        f.copy().__init__(5)
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_small_filter():
    f = fastblocks.BloomFilter.__new__(fastblocks.BloomFilter)
    f.add("x")
    assert "x" in f
    assert fastblocks.BloomFilter.from_bytes(f.to_bytes()) == f


# ---- native and pure, the same bits --------------------------------------------------------------


@given(
    keys=st.lists(st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**64 - 1))),
    capacity=st.integers(1, 500),
    fp_rate=st.floats(1e-9, 0.999),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, capacity, fp_rate, seed):
    try:
        [k.encode() for k in keys if isinstance(k, str)]
    except UnicodeEncodeError:
        return
    native, pure = (
        m.BloomFilter(capacity, fp_rate, seed=seed) for m in (fastblocks, fastblocks.pure)
    )
    native.update(keys)
    for key in keys:
        pure.add(key)
    data = native.to_bytes()
    assert data == pure.to_bytes()
    assert fastblocks.BloomFilter.from_bytes(pure.to_bytes()) == native
    assert fastblocks.pure.BloomFilter.from_bytes(data) == pure
    assert native.contains_many(keys).all()
