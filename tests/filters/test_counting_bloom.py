"""CountingBloomFilter: what it answers, what it takes back, how it combines, what it refuses."""

import copy
import pickle
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]
RATES = [0.1, 0.01, 1e-4]  # 4, 8 and 16 lanes


def filled(impl, keys=range(100), capacity=1000, **kwargs):
    result = impl.CountingBloomFilter(capacity, **kwargs)
    result.update(keys)
    return result


# ---- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fp_rate", RATES)
def test_holds_what_was_added_until_it_is_removed(impl, fp_rate):
    f = impl.CountingBloomFilter(100, fp_rate)
    for key in KEYS:
        assert key not in f
        assert f.contains(key) is False
        assert f.estimate(key) == 0
        assert f.remove(key) is False
        assert f.add(key) is None
        assert key in f
        assert f.contains(key) is True
        assert f.estimate(key) == 1
    for key in KEYS:
        assert key in f
        assert f.remove(key) is True
    assert not f
    assert f == impl.CountingBloomFilter(100, fp_rate)


def test_text_and_its_utf8_are_one_key(impl):
    f = impl.CountingBloomFilter(10)
    f.add("é")
    f.add(-1)
    assert f.remove("é".encode())
    assert f.remove(2**64 - 1)
    assert not f


def test_a_key_is_in_as_often_as_it_was_added(impl):
    f = impl.CountingBloomFilter(10)
    for n in range(1, 15):
        f.add("x")
        assert f.estimate("x") == n
    for n in range(13, -1, -1):
        assert "x" in f
        assert f.remove("x") is True
        assert f.estimate("x") == n
    assert f.remove("x") is False
    assert not f


@pytest.mark.parametrize("fp_rate", RATES)
def test_saturated_counters_stay(impl, fp_rate):
    f = impl.CountingBloomFilter(10, fp_rate)
    f.add_many(["x"] * 15)
    assert f.estimate("x") == 15
    before = f.copy()
    f.add("x")
    f.add_many(["x"] * 600)
    assert f == before
    assert f.remove_many(["x"] * 600).all()
    assert f.remove("x") is True
    assert f == before
    assert "x" in f
    f.clear()
    assert "x" not in f


@pytest.mark.parametrize("fp_rate", RATES)
@pytest.mark.parametrize("n", [0, 1, 23, 24, 25, 511, 512, 2000])
def test_batches_equal_single_keys(impl, n, fp_rate):
    rng = np.random.default_rng(n)
    keys, probes = rng.integers(0, 2000, (2, n))
    one, many = (impl.CountingBloomFilter(2000, fp_rate) for _ in range(2))
    for key in keys.tolist():
        one.add(key)
    assert many.add_many(keys) is None
    assert one == many
    answers, counts = many.contains_many(probes), many.estimate_many(probes)
    assert (answers.dtype, counts.dtype) == (np.bool_, np.uint8)
    assert answers.tolist() == [key in one for key in probes.tolist()]
    assert counts.tolist() == [one.estimate(key) for key in probes.tolist()]
    removed = many.remove_many(probes)
    assert removed.dtype == np.bool_
    assert removed.tolist() == [one.remove(key) for key in probes.tolist()]
    assert one == many


def test_batches_are_removed_in_order(impl):
    f = filled(impl, ["a", "b", "b"], 1000)
    assert f.remove_many(["b", "a", "a", "b", "b"]).tolist() == [True, True, False, True, False]
    assert not f


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(700)]
    f = impl.CountingBloomFilter(1000)
    f.add_many(make(words))
    assert f.contains_many(make(words)).all()
    assert (f.estimate_many(make(words)) >= 1).all()
    assert f.contains_many(make([w + "!" for w in words])).mean() < 0.05
    assert f.remove_many(make(words)).all()
    assert not f


def test_arrays_of_every_form(impl):
    numbers = np.arange(2000, dtype=np.int32)
    expected = filled(impl, range(0, 2000, 2), 2000)
    assert filled(impl, numbers[::2], 2000) == expected
    numbers.flags.writeable = False
    assert filled(impl, numbers.astype(">i8")[::2], 2000) == expected
    assert filled(impl, numbers[:0]) == impl.CountingBloomFilter(1000)


def test_update_takes_many_batches_and_filters(impl):
    f = impl.CountingBloomFilter(100)
    assert f.update() is None
    f.update([1, 2, 2], ("a",), filled(impl, ["x", "a"], 100), np.array([9]))
    assert f.estimate_many([1, 2, 9]).tolist() == [1, 2, 1]
    assert (f.estimate("a"), f.estimate("x")) == (2, 1)


BATCH_CALLS = {"contains_many": "bool", "remove_many": "bool", "estimate_many": "uint8"}


@pytest.mark.parametrize("call", BATCH_CALLS)
def test_answers_are_written_to_out(impl, call):
    out = np.full(3, 7, BATCH_CALLS[call])
    assert getattr(filled(impl, [1, 3]), call)([1, 2, 3], out=out) is out
    assert out.tolist() == [1, 0, 1]


@pytest.mark.parametrize("call", BATCH_CALLS)
@pytest.mark.parametrize(
    "shape",
    [lambda a: a[:2], lambda a: a[:3, None], lambda a: a[:3].astype("int16"), lambda a: a[:6:2]],
    ids=["short", "2-D", "int16", "strided"],
)
def test_unfit_out_is_refused_and_changes_nothing(impl, call, shape):
    out = shape(np.zeros(6, BATCH_CALLS[call]))
    f = filled(impl, [1, 2, 3])
    words = f"out must be a writable, C-contiguous {BATCH_CALLS[call]} array"
    with pytest.raises(ValueError, match=words):
        getattr(f, call)([1, 2, 3], out=out)
    with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
        getattr(f, call)([1, 2, 3], out=[0, 0, 0])
    fixed = np.zeros(3, BATCH_CALLS[call])
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match=words):
        getattr(f, call)([1, 2, 3], out=fixed)
    assert not out.any()
    assert f == filled(impl, [1, 2, 3])


@pytest.mark.parametrize("call", BATCH_CALLS)
def test_out_may_overlap_keys(impl, call):
    keys = np.arange(2000)
    expected = getattr(filled(impl, range(500)), call)(keys.copy())
    out = keys.view(BATCH_CALLS[call])[-2000:]
    assert getattr(filled(impl, range(500)), call)(keys, out=out) is out
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    f = filled(impl, ["a"])
    before = f.copy()
    for call in (
        f.add,
        f.remove,
        f.contains,
        f.estimate,
        f.__contains__,
        lambda k: f.add_many(["a", k]),
        lambda k: f.remove_many(["a", k]),
        lambda k: f.update(["a", k]),
        lambda k: f.contains_many(["a", k]),
        lambda k: f.estimate_many(["a", k]),
    ):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)
    assert f == before


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (["a"] * 600 + [2**64], OverflowError, r"keys\[600\]: an int key must be in"),
        (("a", "\ud800"), UnicodeEncodeError, r"keys\[1\]"),
        (np.zeros(3), TypeError, "dtype"),
        (np.zeros((2, 2), int), ValueError, "1-D"),
        (pa.array(["a", None]), ValueError, r"keys\[1\] is null"),
        (pa.chunked_array([["a"] * 600, ["b", None]]), ValueError, r"keys\[601\] is null"),
        ("abc", TypeError, r"not one str; pass \[key\]"),
        (5, TypeError, "iterable"),
    ],
)
def test_bad_batches_change_nothing(impl, keys, error, message):
    f = filled(impl, ["a", "b"])
    before = f.copy()
    for call in (f.add_many, f.remove_many):
        with pytest.raises(error, match=message):
            call(keys)
    assert f == before


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 10**30])
def test_capacity_out_of_range(impl, capacity):
    with pytest.raises(ValueError, match=rf"capacity must be in \[1, \d+\], not {capacity}"):
        impl.CountingBloomFilter(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, True])
def test_capacity_of_another_type(impl, capacity):
    with pytest.raises(TypeError, match="capacity must be an int, not"):
        impl.CountingBloomFilter(capacity)


def test_absurd_capacity(impl):
    words = f"capacity={2**62} at fp_rate=0.01: parameters are too large"
    with pytest.raises(ValueError, match=words):
        impl.CountingBloomFilter(2**62)


@pytest.mark.parametrize("fp_rate", [0, 1, -0.1, 1e-10, float("nan"), float("inf")])
def test_fp_rate_out_of_range(impl, fp_rate):
    with pytest.raises(ValueError, match=r"fp_rate must be in \[1e-09, 1\), not"):
        impl.CountingBloomFilter(10, fp_rate)


@pytest.mark.parametrize("fp_rate", ["0.1", None, True])
def test_fp_rate_of_another_type(impl, fp_rate):
    with pytest.raises(TypeError, match="fp_rate must be a float, not"):
        impl.CountingBloomFilter(10, fp_rate)


def test_seed_is_checked_and_separates(impl):
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed must be in"):
            impl.CountingBloomFilter(10, seed=seed)
    with pytest.raises(TypeError, match="seed must be an int, not bool"):
        impl.CountingBloomFilter(10, seed=True)
    a, b = (filled(impl, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1, 0.1, 0), {}), ((1,), {"hashes": 3})]:
        with pytest.raises(TypeError):
            impl.CountingBloomFilter(*args, **kwargs)


@pytest.mark.parametrize("fp_rate", [0.999999, 0.1, 0.01, 1e-3, 1e-4, 1e-9])
@pytest.mark.parametrize("capacity", [1, 9, 1000, 123_456])
def test_sizes_are_those_of_the_bloom_filter(capacity, fp_rate):
    native, pure = (m.CountingBloomFilter(capacity, fp_rate) for m in (fastblocks, fastblocks.pure))
    bloom = fastblocks.BloomFilter(capacity, fp_rate)
    assert native.nbytes == pure.nbytes == 4 * bloom.nbytes
    assert native.expected_fp_rate(capacity) == pure.expected_fp_rate(capacity) <= fp_rate
    assert native.expected_fp_rate(capacity) == bloom.expected_fp_rate(capacity)
    assert native.to_bytes() == pure.to_bytes()


@pytest.mark.parametrize("fp_rate", RATES)
def test_answers_are_those_of_the_bloom_filter_of_what_is_in(impl, fp_rate):
    f, bloom = filled(impl, range(900), fp_rate=fp_rate), fastblocks.BloomFilter(1000, fp_rate)
    assert f.remove_many(range(0, 900, 3)).all()
    bloom.update(key for key in range(900) if key % 3)
    probes = np.arange(20_000)
    assert f.contains_many(probes).tolist() == bloom.contains_many(probes).tolist()
    assert (f.fill_ratio, f.approx_len()) == (bloom.fill_ratio, bloom.approx_len())
    assert f.expected_fp_rate() == pytest.approx(bloom.expected_fp_rate(), rel=1e-12)


# ---- whole filters ---------------------------------------------------------------------------


def test_union_is_the_sum(impl):
    a, b = filled(impl, range(60)), filled(impl, range(40, 100))
    both = a | b
    assert both == filled(impl, [*range(60), *range(40, 100)])
    assert (both.estimate_many(range(40, 60)) >= 2).all()
    assert a == filled(impl, range(60))  # unchanged
    c = a.copy()
    c |= b
    assert c == both
    assert c.remove_many(range(60)).all()
    assert c == b
    a.merge(b, filled(impl, ["x"]))
    assert a == filled(impl, [*range(60), *range(40, 100), "x"])
    a.merge()


def test_sums_saturate(impl):
    expected = impl.CountingBloomFilter(1000)
    for times in ((7, 7), (7, 8), (14, 1), (14, 14), (15, 15)):
        a, b = (filled(impl, [key for key in range(900) for _ in range(n)]) for n in times)
        expected = filled(impl, [key for key in range(900) for _ in range(sum(times))])
        assert (a | b) == expected


def test_combining_with_itself(impl):
    a = filled(impl)
    twice = filled(impl, [*range(100)] * 2)
    assert a | a == twice
    b = a.copy()
    b |= b
    assert b == twice
    b.merge(b)
    b.update(b)
    assert b == filled(impl, [*range(100)] * 8)


def test_equality_and_truth(impl):
    a = impl.CountingBloomFilter(100)
    assert not a
    assert a == impl.CountingBloomFilter(100)
    a.add(1)
    assert a
    assert a != impl.CountingBloomFilter(100)
    assert a != filled(impl, [1, 1], 100)
    assert a != 1
    assert a != impl.BloomFilter(100)
    assert impl.CountingBloomFilter(100) != impl.CountingBloomFilter(100, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_clear(impl):
    a = filled(impl)
    assert a.clear() is None
    assert not a
    assert a == impl.CountingBloomFilter(1000)


UNEQUAL = [
    ({"capacity": 1001}, r"capacity differs \(1000 and 1001\)"),
    ({"fp_rate": 0.02}, r"fp_rate differs \(0.01 and 0.02\)"),
    ({"seed": 3}, r"seed differs \(0 and 3\)"),
]


@pytest.mark.parametrize(("changed", "message"), UNEQUAL)
def test_unequal_filters_refuse_to_combine(impl, changed, message):
    a, b = filled(impl), impl.CountingBloomFilter(**{"capacity": 1000, **changed})
    before = a.copy()
    for combine in (
        lambda: a | b,
        lambda: a.__ior__(b),
        lambda: a.merge(a, b),
        lambda: a.update(b),
    ):
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            combine()
    assert a == before


def test_other_types_refuse_to_combine(impl):
    a, bloom = filled(impl), impl.BloomFilter(1000)
    for other in ({1}, bloom, Counter("a")):
        for combine in (lambda o=other: a | o, lambda o=other: o | a):
            with pytest.raises(TypeError, match="unsupported operand"):
                combine()
        words = f"other must be a CountingBloomFilter, not {type(other).__name__}"
        with pytest.raises(TypeError, match=words):
            a.merge(other)


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    f = impl.CountingBloomFilter(1000, 0.02, seed=5)
    assert (f.capacity, f.fp_rate, f.seed) == (1000, 0.02, 5)
    assert repr(f) == "CountingBloomFilter(capacity=1000, fp_rate=0.02, seed=5)"
    assert f.nbytes == len(f.to_bytes()) - 128
    assert f.fill_ratio == 0.0
    assert f.approx_len() == 0
    assert f.expected_fp_rate() == 0.0
    for name in ("capacity", "fp_rate", "seed", "nbytes", "fill_ratio"):
        with pytest.raises(AttributeError):
            setattr(f, name, 1)


def test_estimates(impl):
    f = filled(impl, [*range(1000), *range(300)])
    assert 0.4 < f.fill_ratio < 0.65
    assert abs(f.approx_len() - 1000) < 40
    assert f.expected_fp_rate() == pytest.approx(f.expected_fp_rate(1000), rel=0.15)
    rates = [f.expected_fp_rate(n) for n in (0, 1, 10, 1000, 10_000, 10**6, 2**63 - 1)]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (0.0, 1.0)


def test_estimates_agree_between_native_and_pure():
    a, b = (filled(m, range(700), fp_rate=1e-3) for m in (fastblocks, fastblocks.pure))
    assert a.approx_len() == b.approx_len()
    assert a.fill_ratio == b.fill_ratio
    assert a.expected_fp_rate() == pytest.approx(b.expected_fp_rate(), rel=1e-12)


@pytest.mark.parametrize("n", [-1, 2**63, 1.5, "1"])
def test_bad_number_of_keys(impl, n):
    with pytest.raises((ValueError, TypeError), match="n must be"):
        impl.CountingBloomFilter(10).expected_fp_rate(n)


def test_full_filter(impl):
    f = impl.CountingBloomFilter(1, 0.9)
    f.update(range(20_000))
    before = f.copy()
    assert f.fill_ratio == 1.0
    assert f.expected_fp_rate() == 1.0
    assert f.approx_len() > 50
    assert f.estimate("anything") == 15
    assert f.remove("anything")
    assert f == before


def test_size_in_memory():
    small, large = (fastblocks.CountingBloomFilter(n) for n in (1, 100_000))
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
    assert type(twin) is impl.CountingBloomFilter
    assert twin == f
    assert repr(twin) == repr(f)
    assert twin.to_bytes() == f.to_bytes()
    assert twin.remove(5)
    assert twin != f
    assert f == filled(impl, seed=2**64 - 1)


class NativeSubclass(fastblocks.CountingBloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


class PureSubclass(fastblocks.pure.CountingBloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    f = cls("mine")
    f.add("x")
    for twin in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), f | cls("other")):
        assert type(twin) is cls
        assert twin == f
        assert twin.label == "mine"
    assert type(cls.from_bytes(f.to_bytes())) is cls


def test_init_runs_once(impl):
    f = filled(impl)
    with pytest.raises(RuntimeError, match="this CountingBloomFilter has been initialised already"):
        f.__init__(5)
    assert f == filled(impl)
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_small_filter():
    f = fastblocks.CountingBloomFilter.__new__(fastblocks.CountingBloomFilter)
    f.add("x")
    assert f.remove("x")
    assert fastblocks.CountingBloomFilter.from_bytes(f.to_bytes()) == f


# ---- native and pure, the same bits --------------------------------------------------------------


@given(
    keys=st.lists(
        st.one_of(st.text("aé\x00", max_size=3), st.binary(), st.integers(-9, 2**64 - 1))
    ),
    more=st.lists(st.integers(-9, 9)),
    capacity=st.integers(1, 300),
    fp_rate=st.floats(1e-9, 0.999),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, more, capacity, fp_rate, seed):
    native, pure = (
        m.CountingBloomFilter(capacity, fp_rate, seed=seed) for m in (fastblocks, fastblocks.pure)
    )
    native.update(keys, more)
    for key in keys + more:
        pure.add(key)
    data = native.to_bytes()
    assert data == pure.to_bytes()
    assert fastblocks.CountingBloomFilter.from_bytes(pure.to_bytes()) == native
    assert fastblocks.pure.CountingBloomFilter.from_bytes(data) == pure
    assert native.remove_many(more).tolist() == [pure.remove(key) for key in more]
    assert native.to_bytes() == pure.to_bytes()
    assert native.contains_many(keys).all()
