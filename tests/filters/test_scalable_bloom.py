"""ScalableBloomFilter: what it answers, how it grows and combines, and what it refuses."""

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


def filled(impl, keys=range(100), initial_capacity=10, **kwargs):
    result = impl.ScalableBloomFilter(initial_capacity, **kwargs)
    result.update(keys)
    return result


# ---- keys ------------------------------------------------------------------------------------


def test_holds_what_was_added(impl):
    f = impl.ScalableBloomFilter(2)
    for key in KEYS:
        assert key not in f
        assert f.contains(key) is False
        assert f.add(key) is None
        assert key in f
        assert f.contains(key) is True
    assert all(key in f for key in KEYS)
    assert "Braga" not in f
    f.add("é")
    assert "é".encode() in f


@pytest.mark.parametrize("n", [0, 1, 3, 31, 255, 256, 257, 511, 512, 1500])
@pytest.mark.parametrize("initial_capacity", [1, 7, 200, 3000])
def test_batches_equal_single_keys(impl, n, initial_capacity):
    rng = np.random.default_rng(n)
    keys, probes = rng.integers(0, 2 * n + 1, (2, n))
    one, many = (impl.ScalableBloomFilter(initial_capacity, 0.1) for _ in range(2))
    for key in keys.tolist():
        one.add(key)
    assert many.add_many(keys) is None
    assert one == many
    assert one.to_bytes() == many.to_bytes()
    answers = many.contains_many(probes)
    assert answers.dtype == np.bool_
    assert answers.tolist() == [key in one for key in probes.tolist()]
    assert many.contains_many(keys).all()


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(600)]
    f = impl.ScalableBloomFilter(100)
    f.add_many(make(words))
    assert f.contains_many(make(words)).all()
    assert all(word in f for word in words)
    assert f.contains_many(make([w + "!" for w in words])).mean() < 0.05


def test_update_takes_many_batches_and_filters(impl):
    f = impl.ScalableBloomFilter(10)
    assert f.update() is None
    f.update([1, 2], ("a",), filled(impl, ["x"]), np.array([9]))
    assert f.contains_many([1, 2, 9]).all()
    assert "a" in f
    assert "x" in f


def test_contains_many_writes_to_out(impl):
    f = filled(impl, [1, 3])
    out = np.zeros(3, bool)
    assert f.contains_many([1, 2, 3], out=out) is out
    assert out.tolist() == [True, False, True]
    for unfit in (np.zeros(2, bool), np.zeros(3, np.uint8), np.zeros(6, bool)[::2]):
        with pytest.raises(ValueError, match="out must be a writable, C-contiguous bool array"):
            f.contains_many([1, 2, 3], out=unfit)
        assert not unfit.any()


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    f = impl.ScalableBloomFilter(10)
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
        ("abc", TypeError),
        (5, TypeError),
    ],
)
def test_bad_batches_change_nothing(impl, keys, error):
    f = impl.ScalableBloomFilter(10)
    with pytest.raises(error):
        f.add_many(keys)
    assert f == impl.ScalableBloomFilter(10)


# ---- growth ------------------------------------------------------------------------------------


def test_a_slice_for_twice_the_keys_opens_when_a_new_key_finds_no_room(impl):
    f = impl.ScalableBloomFilter(4, 1e-6)
    seen = []
    for key in range(4 + 8 + 16 + 1):
        f.add(key)
        f.add(key)  # takes no room
        seen.append((f.slices, f.capacity, f.approx_len()))
    slices = [1] * 4 + [2] * 8 + [3] * 16 + [4]
    capacity = [4] * 4 + [12] * 8 + [28] * 16 + [60]
    assert seen == list(zip(slices, capacity, range(1, 30), strict=True))


def test_keys_that_are_there_take_no_room(impl):
    f = filled(impl, range(10), fp_rate=1e-6)
    before = f.to_bytes()
    f.add_many(list(range(10)) * 100)
    f.add(3)
    assert f.to_bytes() == before
    assert f.slices == 1


def test_a_batch_that_repeats_itself_grows_as_single_keys_do(impl):
    """Room is reserved for every repetition, but not used."""
    f = impl.ScalableBloomFilter(10, 1e-6)
    f.add_many([*range(5)] * 200)
    assert (f.slices, f.approx_len()) == (1, 5)
    f.add_many([*range(30)] * 200)
    assert (f.slices, f.approx_len()) == (2, 30)


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 10**30])
def test_initial_capacity_out_of_range(impl, capacity):
    match = rf"initial_capacity must be in \[1, \d+\], not {capacity}"
    with pytest.raises(ValueError, match=match):
        impl.ScalableBloomFilter(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, True])
def test_initial_capacity_of_another_type(impl, capacity):
    with pytest.raises(TypeError, match="initial_capacity must be an int, not"):
        impl.ScalableBloomFilter(capacity)


@pytest.mark.parametrize("capacity", [2**62, 10**15])
def test_absurd_capacity(impl, capacity):
    match = f"initial_capacity={capacity} at fp_rate=0.01: parameters are too"
    with pytest.raises(ValueError, match=match):
        impl.ScalableBloomFilter(capacity)


@pytest.mark.parametrize(
    "fp_rate", [0, 0.0, 1, 1.0, -0.1, 1.5, 9.9e-7, 10**400, float("nan"), float("inf")]
)
def test_fp_rate_out_of_range(impl, fp_rate):
    with pytest.raises(ValueError, match=r"fp_rate must be in \[1e-06, 1\), not"):
        impl.ScalableBloomFilter(10, fp_rate)


@pytest.mark.parametrize("fp_rate", ["0.1", None, [0.1], True, 1j])
def test_fp_rate_of_another_type(impl, fp_rate):
    with pytest.raises(TypeError, match="fp_rate must be a float, not"):
        impl.ScalableBloomFilter(10, fp_rate)


def test_seed_is_checked_and_separates(impl):
    with pytest.raises(ValueError, match="seed must be in"):
        impl.ScalableBloomFilter(10, seed=-1)
    a, b = (filled(impl, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1, 0.1, 0), {}), ((1,), {"slices": 3})]:
        with pytest.raises(TypeError):
            impl.ScalableBloomFilter(*args, **kwargs)


# ---- whole filters ---------------------------------------------------------------------------


def test_merging_appends_slices(impl):
    a, b = filled(impl, range(100)), filled(impl, range(60, 200))
    keys = a.approx_len() + b.approx_len()
    both = a | b
    assert both.contains_many(range(200)).all()
    assert both.approx_len() == keys
    assert both.slices <= a.slices + b.slices
    assert both.capacity <= a.capacity + b.capacity
    assert both.expected_fp_rate() <= a.expected_fp_rate() + b.expected_fp_rate() + 1e-12
    assert a == filled(impl, range(100))  # unchanged
    c = a.copy()
    c |= b
    assert c == both
    c = a.copy()
    c.merge(b, filled(impl, ["x"]))
    assert "x" in c
    assert c.contains_many(range(200)).all()
    c.merge()


def test_small_slices_are_united(impl):
    """So that merging many small parts makes no long list of slices."""
    f = impl.ScalableBloomFilter(1000)
    f.merge(*(filled(impl, range(10 * i, 10 * i + 10), 1000) for i in range(100)))
    assert f.slices == 1
    assert f == filled(impl, range(1000), 1000)


def test_merging_into_an_empty_filter_copies_and_empty_ones_add_nothing(impl):
    f = filled(impl, range(500))
    g = impl.ScalableBloomFilter(10)
    g.merge(f)
    assert g == f
    g.merge(impl.ScalableBloomFilter(10), g)
    assert g == f


def test_growth_goes_on_after_merging(impl):
    a, b = filled(impl, range(75), fp_rate=1e-6), filled(impl, range(100, 230), fp_rate=1e-6)
    a.merge(b)
    sizes = [10, 20, 40, 80, 10, 20, 40, 80]  # a's newest had no room for all of b's newest
    assert (a.slices, a.capacity) == (len(sizes) - 1, sum(sizes) - 80)
    room = a.capacity - a.approx_len()
    a.add_many(range(1000, 1000 + room))
    assert (a.slices, a.capacity) == (7, 220)
    a.add("one more")
    assert (a.slices, a.capacity) == (8, 220 + 160)
    assert a.contains_many([*range(75), *range(100, 230), *range(1000, 1000 + room)]).all()


def test_too_many_slices(impl):
    full = filled(impl, range(10), fp_rate=1e-6)
    f = full.copy()
    f.merge(*(filled(impl, range(10 * i, 10 * i + 10), fp_rate=1e-6) for i in range(1, 64)))
    assert (f.slices, f.approx_len()) == (64, 640)
    before = f.to_bytes()
    other = filled(impl, range(640, 645), fp_rate=1e-6)
    for change in (
        lambda: f.add("x"),
        lambda: f.add_many(["x", "y"]),
        lambda: f.merge(other),
        lambda: f.update(other),
        lambda: f | other,
    ):
        with pytest.raises(impl.FilterFullError, match="ScalableBloomFilter cannot grow: full"):
            change()
        assert f.to_bytes() == before
    f.add(5)  # is there
    f.clear()
    f.add_many(range(640))
    assert f == filled(impl, range(640), fp_rate=1e-6)


def test_combining_with_itself(impl):
    a = filled(impl)
    before = a.copy()
    a |= a
    a.merge(a)
    a.update(a)
    assert a == before
    assert (a | a) != a  # the copy's keys count as other keys
    assert (a | a).contains_many(range(100)).all()


def test_equality_and_truth(impl):
    a = impl.ScalableBloomFilter(10)
    assert not a
    assert a == impl.ScalableBloomFilter(10)
    a.add(1)
    assert a
    assert a != impl.ScalableBloomFilter(10)
    assert a != filled(impl, [2])
    assert a != filled(impl)
    assert a != 1
    assert impl.ScalableBloomFilter(10) != impl.ScalableBloomFilter(10, seed=1)
    assert impl.ScalableBloomFilter(10) != impl.BloomFilter(10)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_clear(impl):
    a = filled(impl)
    assert a.clear() is None
    assert not a
    assert a == impl.ScalableBloomFilter(10)
    assert a.to_bytes() == impl.ScalableBloomFilter(10).to_bytes()
    assert not a.contains_many(range(100)).any()
    a.add_many(range(200))
    assert a == filled(impl, range(200))


UNEQUAL = [
    ({"initial_capacity": 11}, r"initial_capacity differs \(10 and 11\)"),
    ({"fp_rate": 0.02}, r"fp_rate differs \(0.01 and 0.02\)"),
    ({"seed": 3}, r"seed differs \(0 and 3\)"),
]


@pytest.mark.parametrize(("changed", "message"), UNEQUAL)
def test_unequal_filters_refuse_to_combine(impl, changed, message):
    a, b = filled(impl), impl.ScalableBloomFilter(**{"initial_capacity": 10, **changed})
    before = a.copy()
    for combine in (
        lambda: a | b,
        lambda: a.__ior__(b),
        lambda: a.merge(filled(impl, ["x"]), b),
        lambda: a.update(b),
    ):
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            combine()
    assert a == before


def test_other_types_refuse_to_combine(impl):
    a = filled(impl)
    for combine in (lambda: a | {1}, lambda: {1} | a, lambda: a.__ior__ and a | 1):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()
    with pytest.raises(TypeError, match="other must be a ScalableBloomFilter, not BloomFilter"):
        a.merge(impl.BloomFilter(10))


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    f = impl.ScalableBloomFilter(1000, 0.02, seed=5)
    assert (f.initial_capacity, f.fp_rate, f.seed) == (1000, 0.02, 5)
    assert (f.slices, f.capacity) == (1, 1000)
    assert repr(f) == "ScalableBloomFilter(initial_capacity=1000, fp_rate=0.02, seed=5)"
    odd = impl.ScalableBloomFilter(10, 0.0123456789)
    assert eval(repr(odd), {"ScalableBloomFilter": impl.ScalableBloomFilter}) == odd
    assert (f.fill_ratio, f.approx_len(), f.expected_fp_rate()) == (0.0, 0, 0.0)
    names = ("initial_capacity", "fp_rate", "seed", "nbytes", "fill_ratio", "slices", "capacity")
    for name in names:
        with pytest.raises(AttributeError):
            setattr(f, name, 1)
    f.update(range(5000))
    assert f.nbytes == len(f.to_bytes()) - 128
    assert f.nbytes % 64 == 0


def test_estimates(impl):
    f = filled(impl, range(3000), 100)
    assert 2970 <= f.approx_len() <= 3000
    assert f.slices == 5
    assert 0.2 < f.fill_ratio < 0.6
    assert 0 < f.expected_fp_rate() < 0.01


def test_size_in_memory():
    f = fastblocks.ScalableBloomFilter(1)
    small = sys.getsizeof(f)
    f.add_many(range(10_000))
    full = sys.getsizeof(f)
    assert full - small > f.nbytes * 0.99
    f.clear()
    assert sys.getsizeof(f) == full  # kept for the keys to come
    f.add_many(range(10_000))
    assert sys.getsizeof(f) == full


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
    assert type(twin) is impl.ScalableBloomFilter
    assert twin == f
    assert repr(twin) == repr(f)
    assert twin.to_bytes() == f.to_bytes()
    twin.update(range(1000, 1300))  # grows
    assert twin != f
    assert f == filled(impl, seed=2**64 - 1)
    f.update(range(1000, 1300))
    assert twin == f


class NativeSubclass(fastblocks.ScalableBloomFilter):
    def __init__(self, label):
        super().__init__(5, 0.02)
        self.label = label


class PureSubclass(fastblocks.pure.ScalableBloomFilter):
    def __init__(self, label):
        super().__init__(5, 0.02)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    f = cls("mine")
    assert (f.initial_capacity, f.fp_rate) == (5, 0.02)
    f.update(range(20))
    for twin in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), f | cls("none")):
        assert type(twin) is cls
        assert twin == f
        assert twin.label == "mine"
    assert type(cls.from_bytes(f.to_bytes())) is cls


def test_init_runs_once(impl):
    f = filled(impl)
    with pytest.raises(RuntimeError, match="this ScalableBloomFilter has been initialised already"):
        f.__init__(5)
    assert f == filled(impl)
    with pytest.raises(RuntimeError, match="initialised already"):
        f.copy().__init__(5)
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_small_filter():
    f = fastblocks.ScalableBloomFilter.__new__(fastblocks.ScalableBloomFilter)
    f.update(range(10))
    assert 3 in f
    assert fastblocks.ScalableBloomFilter.from_bytes(f.to_bytes()) == f


# ---- native and pure, the same bits --------------------------------------------------------------


@given(
    keys=st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"])),
            st.binary(),
            st.integers(-(2**63), 2**64 - 1),
        ),
        max_size=40,
    ),
    initial_capacity=st.integers(1, 20),
    fp_rate=st.floats(1e-6, 0.999),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, initial_capacity, fp_rate, seed):
    native, pure = (
        m.ScalableBloomFilter(initial_capacity, fp_rate, seed=seed)
        for m in (fastblocks, fastblocks.pure)
    )
    native.update(keys)
    for key in keys:
        pure.add(key)
    data = native.to_bytes()
    assert data == pure.to_bytes()
    assert fastblocks.ScalableBloomFilter.from_bytes(pure.to_bytes()) == native
    assert fastblocks.pure.ScalableBloomFilter.from_bytes(data) == pure
    assert native.contains_many(keys).all()
    assert native.approx_len() == pure.approx_len()
    assert native.fill_ratio == pure.fill_ratio
    assert native.expected_fp_rate() == pytest.approx(pure.expected_fp_rate(), rel=1e-12, abs=1e-15)


def test_clearing_and_merging_in_turn_takes_no_more_memory():
    source = fastblocks.ScalableBloomFilter(1000)
    source.add_many(np.arange(100_000))
    f = fastblocks.ScalableBloomFilter(1000)
    sizes = []
    for _ in range(20):
        f.clear()
        f.merge(source)
        sizes.append(sys.getsizeof(f))
        assert f.contains_many(np.arange(100_000)).all()
        assert f.approx_len() == source.approx_len()
    assert sizes[-1] <= sizes[1]
