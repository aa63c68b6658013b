"""CuckooFilter: what it answers, what it removes, how it fills, and what it refuses."""

import contextlib
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
from fastblocks import FilterFullError

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]


def filled(impl, keys=range(50), capacity=100, **kwargs):
    result = impl.CuckooFilter(capacity, **kwargs)
    result.update(keys)
    return result


# ---- keys ------------------------------------------------------------------------------------


def test_holds_what_was_added_until_it_is_removed(impl):
    f = impl.CuckooFilter(100)
    for n, key in enumerate(KEYS):
        assert key not in f
        assert f.remove(key) is False
        assert f.add(key) is None
        assert f.contains(key) is True
        assert len(f) == n + 1
    for key in KEYS:
        assert key in f
        assert f.remove(key) is True
        assert f.contains(key) is False
        assert f.remove(key) is False
    assert len(f) == 0
    assert f == impl.CuckooFilter(100)


def test_copies_of_a_key_are_counted_up_to_eight(impl):
    f = impl.CuckooFilter(100)
    for n in range(8):
        f.add("é")
        assert len(f) == n + 1
    before = f.to_bytes()
    for add in (lambda: f.add("é".encode()), lambda: f.add_many(["x", "é"])):
        with pytest.raises(FilterFullError, match=r"^CuckooFilter of 8 keys: full: no room"):
            add()
    assert len(f) == 8
    assert "x" not in f
    f.add("x")  # others still fit
    assert f.remove_many(["é"] * 9).tolist() == [True] * 8 + [False]
    assert len(before) == len(f.to_bytes())


@pytest.mark.parametrize("n", [0, 1, 11, 12, 13, 511, 512, 1500])
def test_batches_equal_single_keys(impl, n):
    rng = np.random.default_rng(n)
    keys, probes = rng.integers(0, 5000, (2, n))
    one, many = impl.CuckooFilter(2000), impl.CuckooFilter(2000)
    for key in keys.tolist():
        one.add(key)
    assert many.add_many(keys) is None
    assert one.to_bytes() == many.to_bytes()
    answers = many.contains_many(probes)
    assert answers.dtype == np.bool_
    assert answers.tolist() == [key in one for key in probes.tolist()]
    removed = many.remove_many(probes)
    assert removed.dtype == np.bool_
    assert removed.tolist() == [one.remove(key) for key in probes.tolist()]
    assert one.to_bytes() == many.to_bytes()


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(600)]
    f = impl.CuckooFilter(600)
    f.add_many(make(words))
    assert f.contains_many(make(words)).all()
    assert len(f) == 600
    assert f.contains_many(make([w + "!" for w in words])).mean() < 0.05
    assert f.remove_many(make(words)).all()
    assert not f


def test_update_takes_many_batches_and_filters(impl):
    f = impl.CuckooFilter(100)
    assert f.update() is None
    f.update([1, 2], ("a",), filled(impl, ["x"]), np.array([9]))
    assert f.contains_many([1, 2, 9, "a", "x"]).all()
    assert len(f) == 5


@pytest.mark.parametrize("method", ["contains_many", "remove_many"])
def test_answers_are_written_to_out(impl, method):
    f = filled(impl, [1, 3])
    out = np.zeros(3, bool)
    assert getattr(f, method)([1, 2, 3], out=out) is out
    assert out.tolist() == [True, False, True]


@pytest.mark.parametrize("method", ["contains_many", "remove_many"])
@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros(2, bool), r"of shape \(2,\)"),
        (np.zeros(3, np.uint8), "of dtype uint8"),
        (np.zeros(6, bool)[::2], "a strided"),
        (np.frombuffer(bytes(3), bool), "a read-only one"),
    ],
)
def test_unfit_out_is_refused(impl, method, out, message):
    f = filled(impl, [1, 2, 3])
    with pytest.raises(ValueError, match=f"out must be a writable, C-contiguous bool.* {message}"):
        getattr(f, method)([1, 2, 3], out=out)
    assert not out.any()
    assert len(f) == 3


def test_out_may_overlap_keys(impl):
    keys = np.arange(600)
    f = filled(impl, range(300), 1000)
    out = keys.view(bool)[-600:]
    assert f.remove_many(keys, out=out) is out
    assert out[:300].all()
    assert out[300:].mean() < 0.05


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    f = filled(impl, ["a"])
    for call in (
        f.add,
        f.remove,
        f.contains,
        f.__contains__,
        lambda k: f.add_many(["a", k]),
        lambda k: f.remove_many(["a", k]),
        lambda k: f.update(["a", k]),
        lambda k: f.contains_many(["a", k]),
    ):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)
    assert f == filled(impl, ["a"])


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
    f = filled(impl, ["a", "b"], 1000)
    for call in (f.add_many, f.remove_many, f.contains_many):
        with pytest.raises(error):
            call(keys)
    assert f == filled(impl, ["a", "b"], 1000)


def test_arrays_of_every_layout(impl):
    keys = np.arange(2000, dtype=np.int32)[::-2]
    keys.flags.writeable = False
    f = impl.CuckooFilter(1000)
    f.add_many(keys)
    assert f.contains_many(keys.astype(">i8")).all()
    assert f.remove_many(keys).all()


# ---- full filters ----------------------------------------------------------------------------


def fill_up(f, first=0):
    """Add integers until the filter is full; return how many."""
    n = 0
    while True:
        try:
            f.add(first + n)
        except FilterFullError:
            return n
        n += 1


def test_a_full_filter_refuses_and_is_unchanged(impl):
    f = impl.CuckooFilter(100, seed=2)
    n = fill_up(f)
    assert n >= 100
    assert len(f) == n
    before = f.to_bytes()
    with pytest.raises(FilterFullError, match=f"CuckooFilter of {n} keys: full: no room for"):
        f.add(n)
    assert f.to_bytes() == before
    assert f.contains_many(range(n)).all()
    assert f.remove(5)
    f.add(5)
    assert len(f) == n


@pytest.mark.parametrize("at", [0.2, 0.9])
@pytest.mark.parametrize("make", [list, np.array])
def test_a_batch_that_does_not_fit_is_undone(impl, at, make):
    f = impl.CuckooFilter(300, seed=1)
    slots = round(8 * (f.nbytes - 72) / f.fingerprint_bits)
    n = int(at * slots)
    f.add_many(range(n))
    same = f.copy()
    for more in (slots - n, slots - n + 1, 10**4):  # as many as there are slots, and more
        batch = make(range(10**6, 10**6 + more))
        with pytest.raises(FilterFullError, match=f"of {n} keys"):
            f.add_many(batch)
        assert len(f) == n
        assert f.contains_many(range(n)).all()
        assert f == same


def test_a_merge_that_does_not_fit_is_undone(impl):
    a, b, c = (filled(impl, range(i, i + 80)) for i in (0, 1000, 2000))
    same = a.copy()
    for merge in (lambda: a.merge(b, c), lambda: a.update(b | c), lambda: a.merge(b, b)):
        with pytest.raises(FilterFullError):
            merge()
        assert a == same
        assert len(a) == 80
    with pytest.raises(FilterFullError):
        (a | b) | c


def test_a_merge_that_finds_no_place_is_undone(impl):
    """Room enough in all, but not for these."""
    a, b = filled(impl, ["x"] * 5), filled(impl, ["y", *["x"] * 4, "z"])
    same = a.copy()
    for merge in (lambda: a.merge(b), lambda: a.merge(filled(impl, ["w"]), b), lambda: a | b):
        with pytest.raises(FilterFullError):
            merge()
        assert a == same
        assert "y" not in a


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 10**30])
def test_capacity_out_of_range(impl, capacity):
    with pytest.raises(ValueError, match=rf"capacity must be in \[1, \d+\], not {capacity}"):
        impl.CuckooFilter(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, True])
def test_capacity_of_another_type(impl, capacity):
    with pytest.raises(TypeError, match="capacity must be an int, not"):
        impl.CuckooFilter(capacity)


@pytest.mark.parametrize("capacity", [2**62, 2**34])
def test_absurd_capacity(impl, capacity):
    with pytest.raises(ValueError, match=f"capacity={capacity} at fp_rate=0.01: parameters are"):
        impl.CuckooFilter(capacity)


@pytest.mark.parametrize("fp_rate", [0, 1, 1.0, -0.1, 9e-8, 10**400, math.nan, math.inf])
def test_fp_rate_out_of_range(impl, fp_rate):
    with pytest.raises(ValueError, match=r"fp_rate must be in \[1e-07, 1\), not"):
        impl.CuckooFilter(10, fp_rate)


@pytest.mark.parametrize("fp_rate", ["0.1", None, [0.1], True, 1j])
def test_fp_rate_of_another_type(impl, fp_rate):
    with pytest.raises(TypeError, match="fp_rate must be a float, not"):
        impl.CuckooFilter(10, fp_rate)


def test_seed_is_checked_and_separates(impl):
    with pytest.raises(ValueError, match="seed must be in"):
        impl.CuckooFilter(10, seed=2**64)
    a, b = (filled(impl, seed=seed) for seed in (1, 2))
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1, 0.1, 0), {}), ((1,), {"hashes": 3})]:
        with pytest.raises(TypeError):
            impl.CuckooFilter(*args, **kwargs)


@pytest.mark.parametrize("fp_rate", [0.999999, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("capacity", [1, 8, 9, 1000, 123_456])
def test_native_and_pure_have_one_size(capacity, fp_rate):
    native, pure = (m.CuckooFilter(capacity, fp_rate) for m in (fastblocks, fastblocks.pure))
    assert native.nbytes == pure.nbytes
    assert native.fingerprint_bits == pure.fingerprint_bits
    assert native.expected_fp_rate(capacity) == pure.expected_fp_rate(capacity) <= fp_rate
    assert native.to_bytes() == pure.to_bytes()


# ---- whole filters ---------------------------------------------------------------------------


def test_a_union_holds_the_copies_of_both(impl):
    a, b = filled(impl, range(40)), filled(impl, range(30, 60))
    both = a | b
    assert len(both) == 70
    assert both == filled(impl, [*range(60), *range(30, 40)])
    assert a == filled(impl, range(40))  # unchanged
    assert both.remove(35)
    assert 35 in both
    c = a.copy()
    c |= b
    c.merge()
    c.remove(35)
    assert c == both


def test_combining_with_itself(impl):
    a = filled(impl, range(20))
    a |= a
    a.merge(a)
    assert a == filled(impl, [*range(20)] * 4)
    assert a == a
    assert len(a) == 80


def test_equality_is_of_entries_wherever_they_lie(impl):
    """Added in another order, entries lie in other buckets and slots."""
    keys = list(range(100))
    a, b = filled(impl, keys), filled(impl, keys[::-1])
    assert a.to_bytes() != b.to_bytes()
    assert a == b
    a.add(5)
    b.add(6)
    assert a != b
    a.add(6)
    assert a != b
    b.add(5)
    assert a == b
    assert a != 1
    assert impl.CuckooFilter(100) != impl.CuckooFilter(100, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_truth_and_clear(impl):
    a = impl.CuckooFilter(100)
    assert not a
    a.add(1)
    assert a
    assert a.clear() is None
    assert not a
    assert len(a) == 0
    assert 1 not in a
    assert a == impl.CuckooFilter(100)


UNEQUAL = [
    ({"capacity": 1001}, r"capacity differs \(100 and 1001\)"),
    ({"fp_rate": 0.02}, r"fp_rate differs \(0.01 and 0.02\)"),
    ({"seed": 3}, r"seed differs \(0 and 3\)"),
]


@pytest.mark.parametrize(("changed", "message"), UNEQUAL)
def test_unequal_filters_refuse_to_combine(impl, changed, message):
    a, b = filled(impl), impl.CuckooFilter(**{"capacity": 100, **changed})
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
    a = filled(impl)
    for combine in (lambda: a | {1}, lambda: {1} | a, lambda: a & a):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()
    with pytest.raises(TypeError, match="other must be a CuckooFilter, not set"):
        a.merge({1})


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    f = impl.CuckooFilter(1000, 0.02, seed=5)
    assert (f.capacity, f.fp_rate, f.seed) == (1000, 0.02, 5)
    assert repr(f) == "CuckooFilter(capacity=1000, fp_rate=0.02, seed=5)"
    assert eval(repr(f), {"CuckooFilter": impl.CuckooFilter}) == f
    assert f.nbytes == len(f.to_bytes()) - 128
    assert f.fingerprint_bits == 9
    assert f.load_factor == 0.0
    assert f.expected_fp_rate() == 0.0
    f.update(range(1000))
    slots = round(len(f) / f.load_factor)
    assert 1000 / 0.95 < slots < 1000 / 0.95 + 72
    assert f.expected_fp_rate() == f.expected_fp_rate(1000)
    assert f.expected_fp_rate() == pytest.approx(1 - (1 - 1 / 511) ** (8 * f.load_factor))
    assert f.expected_fp_rate(0) == 0.0 < f.expected_fp_rate(slots) < 0.02
    for name in ("capacity", "fp_rate", "seed", "nbytes", "fingerprint_bits", "load_factor"):
        with pytest.raises(AttributeError):
            setattr(f, name, 1)


@pytest.mark.parametrize("n", [-1, 2**63, 1.5, "1", 9])
def test_bad_number_of_keys(impl, n):
    with pytest.raises((ValueError, TypeError), match="n must be"):
        impl.CuckooFilter(8).expected_fp_rate(n)


def test_size_in_memory():
    small, large = fastblocks.CuckooFilter(1), fastblocks.CuckooFilter(100_000)
    assert sys.getsizeof(large) - sys.getsizeof(small) == large.nbytes - small.nbytes


# ---- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda f: f.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda f, p=p: pickle.loads(pickle.dumps(f, p)) for p in range(2, 6)),
        lambda f: type(f).from_bytes(bytearray(f.to_bytes())),
        lambda f: type(f).from_bytes(memoryview(b"x" + f.to_bytes())[1:]),
    ],
)
def test_copies_are_equal_and_apart(impl, duplicate):
    f = filled(impl, seed=2**64 - 1)
    twin = duplicate(f)
    assert type(twin) is impl.CuckooFilter
    assert twin == f
    assert repr(twin) == repr(f)
    assert twin.to_bytes() == f.to_bytes()
    twin.remove(3)
    assert twin != f
    assert f == filled(impl, seed=2**64 - 1)


class NativeSubclass(fastblocks.CuckooFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


class PureSubclass(fastblocks.pure.CuckooFilter):
    def __init__(self, label):
        super().__init__(50, 0.02)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    f = cls("mine")
    f.add("x")
    for twin in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert type(twin) is cls
        assert twin == f
        assert twin.label == "mine"
    assert type(f | f) is cls
    assert len(f | f) == 2
    for _ in range(8):
        f.add("y")
    with pytest.raises(FilterFullError, match=f"^{cls.__name__} of 9 keys"):
        f.add("y")


def test_init_runs_once(impl):
    f = filled(impl)
    for made in (f, f.copy()):
        with pytest.raises(RuntimeError, match="this CuckooFilter has been initialised already"):
            made.__init__(5)
    assert f == filled(impl)
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_small_filter():
    f = fastblocks.CuckooFilter.__new__(fastblocks.CuckooFilter)
    f.add("x")
    assert "x" in f
    assert fastblocks.CuckooFilter.from_bytes(f.to_bytes()) == f


# ---- native and pure, the same bits ----------------------------------------------------------


@given(
    keys=st.lists(st.one_of(st.text("abé"), st.binary(), st.integers(-(2**63), 2**64 - 1))),
    capacity=st.integers(1, 60),
    fp_rate=st.floats(1e-7, 0.999),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, capacity, fp_rate, seed):
    native, pure = (
        m.CuckooFilter(capacity, fp_rate, seed=seed) for m in (fastblocks, fastblocks.pure)
    )
    for f in (native, pure):
        with contextlib.suppress(FilterFullError):
            f.add_many(keys)
    assert native.to_bytes() == pure.to_bytes()
    assert len(native) in (len(keys), 0)
    assert native.remove_many(keys[::2]).tolist() == pure.remove_many(keys[::2]).tolist()
    assert native.to_bytes() == pure.to_bytes()
    assert fastblocks.CuckooFilter.from_bytes(pure.to_bytes()) == native
    assert fastblocks.pure.CuckooFilter.from_bytes(native.to_bytes()) == pure


@pytest.mark.parametrize("fp_rate", [0.5, 0.01, 1e-3, 1e-4, 1e-7])
def test_native_and_pure_move_the_same_entries(fp_rate):
    """Filled until both refuse, at every width of the slots."""
    native, pure = (m.CuckooFilter(400, fp_rate) for m in (fastblocks, fastblocks.pure))
    assert fill_up(native) == fill_up(pure) >= 400
    assert native.to_bytes() == pure.to_bytes()
    for f in (native, pure):
        with pytest.raises(FilterFullError):
            f.add_many(range(20_000, 20_010))
        f.remove_many(range(0, 100, 3))
        f.add_many(range(10_000, 10_030))
    assert native.to_bytes() == pure.to_bytes()
