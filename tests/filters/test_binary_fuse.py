"""BinaryFuseFilter: what it answers, how it is built, and what it refuses."""

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.filters.binary_fuse
import fastblocks.pure
import fastblocks.pure.filters.binary_fuse
from fastblocks.pure.filters.binary_fuse import LONGER_FROM, shape_for

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]
WIDTHS = [8, 16, 32]


# ---- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", WIDTHS)
def test_holds_its_keys(impl, bits):
    f = impl.BinaryFuseFilter(KEYS, bits)
    assert len(f) == len(KEYS)
    for key in KEYS:
        assert key in f
        assert f.contains(key) is True
    assert f.contains_many(KEYS).tolist() == [True] * len(KEYS)
    probes = range(1000, 1100)
    assert sum(key in f for key in probes) < 10
    assert f.contains_many(probes).tolist() == [key in f for key in probes]


def test_text_and_its_utf8_are_one_key(impl):
    f = impl.BinaryFuseFilter(["é", "é".encode(), -1, 2**64 - 1])
    assert len(f) == 2
    assert "é".encode() in f
    assert 2**64 - 1 in f


@pytest.mark.parametrize("bits", WIDTHS)
def test_the_empty_set_holds_nothing(impl, bits):
    f = impl.BinaryFuseFilter([], bits=bits)
    assert len(f) == 0
    assert not f
    assert f.fp_rate == 0.0
    assert "x" not in f
    assert not f.contains_many(range(2000)).any()
    assert f == impl.BinaryFuseFilter(np.empty(0, int), bits)
    assert not impl.BinaryFuseFilter.from_bytes(f.to_bytes()).contains_many(range(2000)).any()


@pytest.mark.parametrize("bits", WIDTHS)
def test_native_sets_of_every_small_size(bits):
    """All of them can be built; so can others of that size with another seed."""
    rng = np.random.default_rng(bits)
    for n in range(2001):
        keys = rng.integers(0, 2**63, n)
        f = fastblocks.BinaryFuseFilter(keys, bits, seed=n)
        assert len(f) == n
        assert f.contains_many(keys).all()


@pytest.mark.parametrize("bits", WIDTHS)
def test_pure_sets_of_some_sizes(bits):
    for n in [*range(12), *LONGER_FROM[1:5], *(least - 1 for least in LONGER_FROM[1:5]), 700]:
        keys = list(range(n))
        f = fastblocks.pure.BinaryFuseFilter(keys, bits, seed=5)
        assert f.contains_many(keys).all()
        assert f.to_bytes() == fastblocks.BinaryFuseFilter(keys, bits, seed=5).to_bytes()


@pytest.mark.parametrize("n", [11_192, 11_193])
def test_native_and_pure_build_the_same_large_filters(n):
    keys = np.arange(n)
    native, pure = (m.BinaryFuseFilter(keys, 16, seed=1) for m in (fastblocks, fastblocks.pure))
    assert native.to_bytes() == pure.to_bytes()


@pytest.mark.parametrize("n", [*LONGER_FROM[:11], 999_999, 1_000_000, 2_000_000])
def test_native_and_pure_have_one_size(n):
    for keys in (n - 1, n):
        f = fastblocks.BinaryFuseFilter(np.arange(keys))
        assert f.nbytes == shape_for(keys).n_cells
        assert f.contains_many(np.arange(keys)).all()


def test_table_of_segment_lengths_is_the_papers_formula():
    """The smallest n with floor(log(n) / log(3.33) + 2.25) at 4, 5, ..."""
    for log_length, least in enumerate(LONGER_FROM, start=4):
        assert 3.33 ** (log_length - 2.25) <= least < 3.33 ** (log_length - 2.25) + 1


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]]), pd.Series],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks", "pandas"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(700)]
    f = impl.BinaryFuseFilter(make(words))
    assert f == impl.BinaryFuseFilter(set(words))
    assert f.contains_many(make(words)).all()
    assert f.contains_many(make([w + "!" for w in words])).mean() < 0.05


@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "u8", ">i8"])
def test_integers_of_every_width(impl, dtype):
    keys = np.arange(100).astype(dtype)
    assert impl.BinaryFuseFilter(keys) == impl.BinaryFuseFilter(range(100))


def test_strided_and_read_only_arrays(impl):
    keys = np.arange(2000)
    keys.flags.writeable = False
    f = impl.BinaryFuseFilter(keys[::2])
    assert f == impl.BinaryFuseFilter(range(0, 2000, 2))
    assert f.contains_many(keys[::2]).all()


# ---- equal keys ------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [2, 3, 255, 256, 257, 258, 512, 513, 1000])
def test_copies_of_keys_count_once(impl, copies):
    expected = impl.BinaryFuseFilter(range(5))
    f = impl.BinaryFuseFilter([*range(5)] * copies)
    assert len(f) == 5
    assert f == expected


def test_a_million_copies():
    f = fastblocks.BinaryFuseFilter(["x"] * 1_000_000)
    assert f == fastblocks.BinaryFuseFilter(["x"])
    keys = np.arange(1_000_000) // 2
    f = fastblocks.BinaryFuseFilter(np.concatenate([keys, keys[::-1]]))
    assert f == fastblocks.BinaryFuseFilter(np.arange(500_000))


def test_order_does_not_matter(impl):
    keys = [*range(3000)]
    shuffled = np.random.default_rng(0).permutation(keys)
    assert impl.BinaryFuseFilter(keys) == impl.BinaryFuseFilter(shuffled)


@given(
    keys=st.lists(st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**64 - 1))),
    bits=st.sampled_from(WIDTHS),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_pure_and_a_set_agree(keys, bits, seed):
    try:
        words = {k.encode() if isinstance(k, str) else k for k in keys}
    except UnicodeEncodeError:
        return
    words = {(w % 2**64).to_bytes(8, "little") if isinstance(w, int) else w for w in words}
    native, pure = (
        m.BinaryFuseFilter(keys, bits, seed=seed) for m in (fastblocks, fastblocks.pure)
    )
    assert len(native) == len(pure) == len(words)
    assert native.to_bytes() == pure.to_bytes()
    assert native.contains_many(keys).all()
    probes = [*range(40), *map(str, range(40))]
    assert native.contains_many(probes).tolist() == pure.contains_many(probes).tolist()
    assert [p in native for p in probes] == [p in pure for p in probes]
    assert repr(native) == repr(pure)


# ---- lookups in batches ----------------------------------------------------------------------


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("n_keys", [50, 300_000])  # cells within the caches, and beyond
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 255, 256, 257, 511, 512, 2000])
def test_batches_equal_single_keys(bits, n_keys, n):
    f = large(n_keys, bits)
    probes = np.arange(n_keys - n // 2, n_keys - n // 2 + n)
    answers = f.contains_many(probes)
    assert answers.dtype == np.bool_
    assert answers.tolist() == [key in f for key in probes.tolist()]


def large(n, bits, made={}):  # noqa: B006
    if (n, bits) not in made:
        made[n, bits] = fastblocks.BinaryFuseFilter(np.arange(n), bits)
    return made[n, bits]


def test_contains_many_writes_to_out(impl):
    f = impl.BinaryFuseFilter([1, 3], 32)
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
        impl.BinaryFuseFilter([1, 2, 3]).contains_many([1, 2, 3], out=out)
    assert not out.any()


def test_out_may_overlap_keys(impl):
    keys = np.arange(2000)
    f = impl.BinaryFuseFilter(range(500))
    expected = f.contains_many(keys.copy())
    out = keys.view(bool)[-2000:]
    assert f.contains_many(keys, out=out) is out
    assert out.tolist() == expected.tolist()


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused(impl, key):
    f = impl.BinaryFuseFilter(["a"])
    for call in (
        f.contains,
        f.__contains__,
        lambda k: f.contains_many(["a", k]),
        lambda k: impl.BinaryFuseFilter(["a", k]),
    ):
        with pytest.raises(TypeError, match=f"a key must be .* not {type(key).__name__}"):
            call(key)


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (["a"] * 600 + [2**64], OverflowError, r"keys\[600\]: an int key must be in"),
        (("a", "\ud800"), UnicodeEncodeError, r"surrogates not allowed \(keys\[1\]\)"),
        (np.zeros(3), TypeError, "not of dtype float64"),
        (np.array([np.nan, np.inf]), TypeError, "not of dtype float64"),
        (np.zeros((2, 2), int), ValueError, "1-D array"),
        (pa.array(["a", None]), ValueError, r"keys\[1\] is null"),
        (pa.chunked_array([["a"] * 600, ["b", None]]), ValueError, r"keys\[601\] is null"),
        ("abc", TypeError, "not one str"),
        (5, TypeError, "not int"),
        (None, TypeError, "not NoneType"),
    ],
)
def test_bad_batches(impl, keys, error, message):
    with pytest.raises(error, match=message):
        impl.BinaryFuseFilter(keys)
    with pytest.raises(error, match=message):
        impl.BinaryFuseFilter([1]).contains_many(keys)


@pytest.mark.parametrize("bits", [0, 7, 9, -8, 64, 10**30])
def test_bits_out_of_range(impl, bits):
    with pytest.raises(ValueError, match="bits must be "):
        impl.BinaryFuseFilter([], bits)
    with pytest.raises(ValueError, match="bits must be 8, 16 or 32, not 12"):
        impl.BinaryFuseFilter([], 12)


@pytest.mark.parametrize("bits", [8.0, "8", None, True, float("nan")])
def test_bits_of_another_type(impl, bits):
    with pytest.raises(TypeError, match="bits must be an int, not"):
        impl.BinaryFuseFilter([], bits)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(impl, seed):
    with pytest.raises(ValueError, match="seed must be in"):
        impl.BinaryFuseFilter([], seed=seed)


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), (([], 8, 0), {}), (([],), {"hashes": 3})]:
        with pytest.raises(TypeError):
            impl.BinaryFuseFilter(*args, **kwargs)


def test_running_out_of_attempts_is_told(impl, monkeypatch):
    for module in (fastblocks.filters.binary_fuse, fastblocks.pure.filters.binary_fuse):
        monkeypatch.setattr(module, "ATTEMPTS", 0)
    with pytest.raises(RuntimeError, match=r"^3 keys in 0 attempts: could not be built$"):
        impl.BinaryFuseFilter([1, 2, 3])
    assert len(impl.BinaryFuseFilter([])) == 0


def test_a_set_that_needs_more_than_one_attempt(impl):
    """Which attempt it was is in the header; the keys are found all the same."""
    attempts = set()
    for seed in range(150):
        f = impl.BinaryFuseFilter(range(20), seed=seed)
        assert f.contains_many(range(20)).all()
        attempts.add(f.to_bytes()[72])
    assert len(attempts) > 1
    assert max(attempts) < 5


# ---- what it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", WIDTHS)
def test_properties(impl, bits):
    f = impl.BinaryFuseFilter(range(1000), bits, seed=5)
    assert (len(f), f.bits, f.seed, f.fp_rate) == (1000, bits, 5, 2.0**-bits)
    assert repr(f) == f"BinaryFuseFilter(1000 keys, bits={bits}, seed=5)"
    assert f.nbytes == len(f.to_bytes()) - 128 == 1408 * bits // 8
    assert f
    for name in ("bits", "seed", "fp_rate", "nbytes"):
        with pytest.raises(AttributeError):
            setattr(f, name, 1)
    for name in ("add", "update", "merge", "remove", "clear"):
        assert not hasattr(f, name)


def test_equality(impl):
    f = impl.BinaryFuseFilter(range(100))
    assert f == impl.BinaryFuseFilter(range(100))
    assert f != impl.BinaryFuseFilter(range(101))
    assert f != impl.BinaryFuseFilter(range(1, 101))
    assert f != impl.BinaryFuseFilter(range(100), 16)
    assert f != impl.BinaryFuseFilter(range(100), seed=1)
    assert f != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(f)


def test_size_in_memory():
    small, large = (fastblocks.BinaryFuseFilter(range(n)) for n in (1, 100_000))
    assert sys.getsizeof(large) - sys.getsizeof(small) == large.nbytes - small.nbytes


# ---- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize(
    "duplicate",
    [
        lambda f: f.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda f, p=p: pickle.loads(pickle.dumps(f, p)) for p in range(2, 6)),
        lambda f: type(f).from_bytes(memoryview(b"x" + f.to_bytes())[1:]),
        lambda f: type(f).from_bytes(bytearray(f.to_bytes())),
    ],
)
def test_copies_are_equal(impl, duplicate, bits):
    f = impl.BinaryFuseFilter(range(200), bits, seed=2**64 - 1)
    twin = duplicate(f)
    assert type(twin) is impl.BinaryFuseFilter
    assert twin == f
    assert repr(twin) == repr(f)
    assert twin.to_bytes() == f.to_bytes()
    del f
    assert twin.contains_many(range(200)).all()


class NativeSubclass(fastblocks.BinaryFuseFilter):
    def __init__(self, label):
        super().__init__([label], 16)
        self.label = label


class PureSubclass(fastblocks.pure.BinaryFuseFilter):
    def __init__(self, label):
        super().__init__([label], 16)
        self.label = label


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls):
    f = cls("mine")
    assert "mine" in f
    for twin in (f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert type(twin) is cls
        assert twin == f
        assert twin.label == "mine"
    assert type(cls.from_bytes(f.to_bytes())) is cls


def test_init_runs_once(impl):
    f = impl.BinaryFuseFilter([1])
    for made in (f, f.copy()):
        with pytest.raises(RuntimeError, match="BinaryFuseFilter has been initialised already"):
            made.__init__([2])
    assert f == impl.BinaryFuseFilter([1])
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_empty_filter():
    f = fastblocks.BinaryFuseFilter.__new__(fastblocks.BinaryFuseFilter)
    assert "x" not in f
    assert fastblocks.BinaryFuseFilter.from_bytes(f.to_bytes()) == f
    with pytest.raises(TypeError):
        f.__init__([None])
    f.__init__(["x"])  # which failed before, so it may run
    assert "x" in f


def test_keys_that_initialise_the_filter_themselves():
    f = fastblocks.BinaryFuseFilter.__new__(fastblocks.BinaryFuseFilter)

    def keys():
        f.__init__([1, 2, 3])
        yield 4

    with pytest.raises(RuntimeError, match="initialised already"):
        f.__init__(keys())
    assert f == fastblocks.BinaryFuseFilter([1, 2, 3])
