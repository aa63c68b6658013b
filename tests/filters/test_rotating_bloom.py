"""RotatingBloomFilter: what it remembers and for how long, how it combines, what it refuses."""

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
from tests.filters.clock import Clock

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]
SECOND = 10**9


def rotating(impl, keys=(), capacity=1000, fp_rate=1e-6, window=10, generations=2, **kwargs):
    """A filter on a clock of its own, unless told."""
    kwargs.setdefault("timer", Clock(5 * SECOND))
    result = impl.RotatingBloomFilter(capacity, fp_rate, window, generations, **kwargs)
    result.update(keys)
    return result


# ---- keys ------------------------------------------------------------------------------------


def test_a_key_is_new_once(impl):
    f = rotating(impl)
    for key in KEYS:
        assert key not in f
        assert f.contains(key) is False
        assert f.add(key) is True
        assert key in f
        assert f.contains(key) is True
        assert f.add(key) is False
    assert "Braga" not in f


def test_default_timer_is_the_monotonic_clock(impl):
    f = impl.RotatingBloomFilter(10, 0.001, window=8e9)
    assert f.timer is None
    assert f.add("a") is True
    assert f.add("a") is False
    assert f.add_many(["a", "b"]).tolist() == [False, True]


def test_text_and_its_utf8_are_one_key(impl):
    f = rotating(impl, ["é", -1])
    assert f.add("é".encode()) is False
    assert f.add(2**64 - 1) is False


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 255, 256, 257, 511, 512, 2000])
@pytest.mark.parametrize("generations", [2, 3])
def test_batches_equal_single_keys(impl, n, generations):
    rng = np.random.default_rng(n)
    clock = Clock()
    options = {"generations": generations, "timer": clock, "fp_rate": 0.05, "capacity": 300}
    one, many, silent = (rotating(impl, **options) for _ in range(3))
    for _ in range(4):
        keys = rng.integers(0, n + 1, n)
        answers = many.add_many(keys)
        assert answers.dtype == np.bool_
        assert answers.tolist() == [one.add(key) for key in keys.tolist()]
        silent.update(keys)
        assert one == many == silent
        assert one.to_bytes() == many.to_bytes() == silent.to_bytes()
        probes = rng.integers(0, 2 * n + 1, n)
        found = many.contains_many(probes)
        assert found.tolist() == [key in one for key in probes.tolist()]
        clock.ns += 4 * SECOND


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]])],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks"],
)
def test_batches_of_every_kind(impl, make):
    words = [f"word{i}" for i in range(700)]
    f = rotating(impl)
    assert f.add_many(make(words + words[:9])).tolist() == [True] * 700 + [False] * 9
    assert f.contains_many(make(words)).all()
    assert not f.contains_many(make([w + "!" for w in words])).any()


def test_update_takes_many_batches_and_filters(impl):
    clock = Clock()
    f = rotating(impl, timer=clock)
    assert f.update() is None
    assert f.update([1, 2], ("a",), rotating(impl, ["x"], timer=clock), np.array([9])) is None
    assert f.contains_many([1, 2, 9]).all()
    assert "a" in f
    assert "x" in f


@pytest.mark.parametrize("method", ["add_many", "contains_many"])
def test_answers_go_to_out(impl, method):
    f = rotating(impl, [1, 3])
    out = np.zeros(3, bool)
    assert getattr(f, method)([1, 2, 3], out=out) is out
    new = method == "add_many"
    assert out.tolist() == [not new, new, not new]


@pytest.mark.parametrize("method", ["add_many", "contains_many"])
@pytest.mark.parametrize(
    "out",
    [np.zeros(2, bool), np.zeros((3, 1), bool), np.zeros(3, np.uint8), np.zeros(6, bool)[::2]],
    ids=["short", "2-D", "uint8", "strided"],
)
def test_unfit_out_is_refused(impl, method, out):
    f = rotating(impl, [1])
    with pytest.raises(ValueError, match="out must be a writable, C-contiguous bool array"):
        getattr(f, method)([1, 2, 3], out=out)
    assert not out.any()
    assert 2 not in f


def test_read_only_out_is_refused(impl):
    out = np.zeros(2, bool)
    out.flags.writeable = False
    f = rotating(impl)
    with pytest.raises(ValueError, match="not a read-only one"):
        f.add_many([1, 2], out=out)
    with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
        f.add_many([1, 2], out=[True, True])
    assert not f


def test_out_may_overlap_keys(impl):
    keys = np.arange(2000)
    expected = rotating(impl, range(500)).add_many(keys.copy())
    out = keys.view(bool)[-2000:]
    assert rotating(impl, range(500)).add_many(keys, out=out) is out
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    f = rotating(impl)
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
    f = rotating(impl)
    for call in (f.add_many, f.update):
        with pytest.raises(error):
            call(keys)
    assert not f


# ---- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("generations", [2, 3, 4, 5, 16])
@pytest.mark.parametrize("window", [10 * SECOND, 7, 1, 300_000_001])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_exact_instants(impl, generations, window, share):
    """A key that came at t is found at t + window, and gone at t + g * period."""
    clock = Clock(-3 * SECOND)
    f = rotating(impl, window=window / SECOND, generations=generations, timer=clock)
    period = -(-window // (generations - 1))
    begun = clock.ns + 5 * period
    came = begun + int(share * period)  # in the period that starts at `begun`
    for instant, found in (
        (came, True),
        (came + window - 1, True),
        (came + window, True),
        (begun + generations * period - 1, True),
        (begun + generations * period, False),
        (came + generations * period, False),
    ):
        clock.ns = came
        g = f.copy()
        assert g.add("a")
        clock.ns = instant
        assert ("a" in g) is found
        assert g.contains_many(["a"]).tolist() == [found]
        assert g.add("a") is not found


def test_adding_again_refreshes_and_looking_does_not(impl):
    clock = Clock()
    f = rotating(impl, ["seen", "added"], timer=clock)
    for _ in range(20):
        clock.ns += 9 * SECOND
        assert "added" in f
        assert f.add("added") is False
        _ = "seen" in f
    assert "seen" not in f


def test_a_clock_that_goes_back_forgets_nothing(impl):
    clock = Clock(100 * SECOND)
    f = rotating(impl, ["a"], timer=clock)
    clock.ns = 125 * SECOND
    assert "a" not in f
    f.add("b")
    for ns in (0, -(9 * 10**18) + 1024, 124 * SECOND):
        clock.ns = ns
        assert "b" in f
        assert "a" not in f
        assert f.add(f"at {ns}") is True
        assert f.add(f"at {ns}") is False
    clock.ns = 135 * SECOND
    assert "b" in f
    clock.ns = 140 * SECOND
    assert "b" not in f


def test_a_long_pause_forgets_everything(impl):
    clock = Clock(-(9 * 10**18) + 1024)
    f = rotating(impl, range(100), window=1e-9, generations=16, timer=clock)
    assert len(set(f.contains_many(range(100)))) == 1
    clock.ns = 9 * 10**18 - 1024
    assert not f
    assert f.approx_len() == 0
    assert f.add(1) is True
    assert f.add(1) is False


def test_longest_window(impl):
    window = math.nextafter(9e9, 0)
    f = rotating(impl, ["a"], window=window, timer=Clock(-(9 * 10**18) + 1024))
    f.timer.ns = 0
    assert "a" in f
    f.timer.ns = 9 * 10**18 - 1024
    assert "a" in f  # no clock goes on for as long as two such windows
    assert impl.RotatingBloomFilter.from_bytes(f.to_bytes(), timer=f.timer) == f


@pytest.mark.parametrize(
    ("seconds", "error", "message"),
    [
        ("1", TypeError, "timer must return seconds as a float, not str"),
        (None, TypeError, "timer must return seconds as a float, not NoneType"),
        (True, TypeError, "timer must return seconds as a float, not bool"),
        (float("nan"), ValueError, "timer must return seconds in"),
        (1e10, ValueError, "timer must return seconds in"),
    ],
)
def test_timer_that_returns_no_time(impl, seconds, error, message):
    with pytest.raises(error, match=message):
        rotating(impl, timer=lambda: seconds)
    answers = [1.0]
    f = rotating(impl, ["a"], timer=lambda: answers[0])
    out = np.zeros(1, bool)
    answers[0] = seconds
    for call in (
        lambda: f.add("b"),
        lambda: f.add_many(["b"], out=out),
        lambda: f.update(["b"]),
        lambda: "a" in f,
        lambda: f.contains("a"),
        lambda: f.contains_many(["a"], out=out),
        lambda: f.merge(f.copy()),
        lambda: bool(f),
        f.approx_len,
        f.expected_fp_rate,
        f.copy,
        f.to_bytes,
        lambda: f.fill_ratio,
        lambda: f == f,
    ):
        with pytest.raises(error, match=message):
            call()
    assert not out.any()
    answers[0] = 1.0
    assert "b" not in f
    assert "a" in f


def test_timer_that_raises_and_one_that_uses_the_filter(impl):
    def fails():
        raise KeyError("no time")

    with pytest.raises(KeyError, match="no time"):
        rotating(impl, timer=fails)
    with pytest.raises(KeyError, match="no time"):
        impl.RotatingBloomFilter.from_bytes(rotating(impl).to_bytes(), timer=fails)
    calls = []

    def curious():
        if len(calls) == 1:
            calls.append(2)
            calls[0].add("inner")
            assert "inner" in calls[0]
            calls[0].copy()
        return 1.0

    f = rotating(impl, timer=curious)
    for call in (lambda: f.add("a"), lambda: f.add_many(["b"]), f.to_bytes, f.copy, lambda: f | f):
        calls[:] = [f]
        call()
        assert calls[1:] == [2]
    assert "inner" in f


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 10**30])
def test_capacity_out_of_range(impl, capacity):
    with pytest.raises(ValueError, match=rf"capacity must be in \[1, \d+\], not {capacity}"):
        rotating(impl, capacity=capacity)


@pytest.mark.parametrize("generations", [-1, 0, 1, 17, 10**30])
def test_generations_out_of_range(impl, generations):
    with pytest.raises(ValueError, match=rf"generations must be in \[2, 16\], not {generations}"):
        rotating(impl, generations=generations)


@pytest.mark.parametrize("name", ["capacity", "generations"])
@pytest.mark.parametrize("value", [2.0, "2", None, True])
def test_ints_of_another_type(impl, name, value):
    with pytest.raises(TypeError, match=f"{name} must be an int, not"):
        rotating(impl, **{name: value})


@pytest.mark.parametrize("capacity", [2**62, 10**15])
def test_absurd_capacity(impl, capacity):
    with pytest.raises(
        ValueError, match=f"capacity={capacity} at fp_rate=0.005: parameters are too"
    ):
        rotating(impl, capacity=capacity, fp_rate=0.01)


@pytest.mark.parametrize(
    "fp_rate", [0, 0.0, 1, 1.0, -0.1, 1.5, 1e-10, 2.9e-9, 10**400, float("nan"), float("inf")]
)
def test_fp_rate_out_of_range(impl, fp_rate):
    with pytest.raises(ValueError, match=r"fp_rate must be in \[3e-09, 1\), not"):
        rotating(impl, capacity=10, fp_rate=fp_rate, generations=3)


@pytest.mark.parametrize(
    "window", [0, 0.0, -1, 9e9, 10**400, float("nan"), float("inf"), -float("inf")]
)
def test_window_out_of_range(impl, window):
    with pytest.raises(ValueError, match=r"window must be (in \[0, 9e\+09\)|above 0 seconds), not"):
        rotating(impl, window=window)


@pytest.mark.parametrize("name", ["fp_rate", "window"])
@pytest.mark.parametrize("value", ["0.1", None, [0.1], True, 1j])
def test_floats_of_another_type(impl, name, value):
    with pytest.raises(TypeError, match=f"{name} must be a float, not"):
        rotating(impl, **{name: value})


@pytest.mark.parametrize("timer", [5, "time", [1.0]])
def test_timer_of_another_type(impl, timer):
    data = rotating(impl).to_bytes()
    for call in (
        lambda: rotating(impl, timer=timer),
        lambda: impl.RotatingBloomFilter.from_bytes(data, timer=timer),
        lambda: impl.RotatingBloomFilter.open("missing", timer=timer),
    ):
        with pytest.raises(TypeError, match="timer must be a function or None, not"):
            call()


def test_seed_is_checked_and_separates(impl):
    with pytest.raises(ValueError, match="seed must be in"):
        rotating(impl, seed=-1)
    a, b = (rotating(impl, range(50), seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a != b
    assert a.to_bytes()[128:] != b.to_bytes()[128:]


def test_wrong_calls(impl):
    for args, kwargs in [
        ((), {}),
        ((1,), {}),
        ((1, 0.1), {}),
        ((1, 0.1, 5, 2, 0), {}),
        ((1, 0.1, 5), {"hashes": 3}),
    ]:
        with pytest.raises(TypeError):
            impl.RotatingBloomFilter(*args, **kwargs)


def test_each_generation_is_a_bloom_filter_of_its_share_of_the_rate(impl):
    for generations in (2, 3, 16):
        f = rotating(impl, capacity=777, fp_rate=0.01, generations=generations)
        share = impl.BloomFilter(777, 0.01 / generations)
        assert f.nbytes == 64 + generations * share.nbytes


# ---- whole filters ---------------------------------------------------------------------------


def test_union(impl):
    clock = Clock()
    a, b = (rotating(impl, keys, timer=clock) for keys in (range(60), range(40, 100)))
    both = a | b
    assert both == rotating(impl, range(100), timer=clock)
    assert both.timer is clock
    assert a == rotating(impl, range(60), timer=clock)  # unchanged
    c = a.copy()
    c |= b
    assert c == both
    a.merge(b, rotating(impl, ["x"], timer=clock))
    assert a == rotating(impl, [*range(100), "x"], timer=clock)
    a.merge()


def test_merging_with_itself_changes_nothing(impl):
    clock = Clock()
    a = rotating(impl, range(30), generations=3, timer=clock)
    clock.ns += 6 * SECOND
    a.update(range(100, 130))
    before = a.copy()
    a |= a
    a.merge(a, a)
    a.update(a)
    assert a == before
    a |= before
    assert a == before


@pytest.mark.parametrize("generations", [2, 3, 5])
@pytest.mark.parametrize("ours", [0, 1, 3, 4])
@pytest.mark.parametrize("theirs", [0, 1, 3, 4])
def test_merged_keys_are_remembered_for_the_window(impl, generations, ours, theirs):
    """However the two filters' periods lie to each other."""
    clock = Clock()
    window = 4 * (generations - 1)
    period = 4 * SECOND
    options = {"generations": generations, "window": window, "timer": clock, "capacity": 50}
    for age in range(0, (generations + 1) * period, SECOND // 2):
        clock.ns = 1000 * SECOND - 5 * period + ours * SECOND
        a = rotating(impl, **options)
        clock.ns = 1000 * SECOND - 6 * period + theirs * SECOND
        b = rotating(impl, **options)
        clock.ns = 1000 * SECOND - age
        b.add("x")
        clock.ns = 1000 * SECOND
        known = "x" in b
        assert known or age > window * SECOND
        a.merge(b)
        assert ("x" in a) == known
        clock.ns += window * SECOND - age
        if age <= window * SECOND:
            assert "x" in a
        clock.ns += 2 * period
        assert "x" not in a


def test_filters_on_other_timers_combine(impl):
    a, b = (rotating(impl, timer=Clock(start * SECOND)) for start in (0, 1000))
    b.add("x")
    b.timer.ns += 7 * SECOND
    a.timer.ns += 1 * SECOND
    a |= b
    assert "x" in a
    b.timer.ns += 100 * SECOND
    a.timer.ns += 2 * SECOND
    assert "x" in a | b
    assert "x" not in b | b


def test_equality_and_truth(impl):
    clock = Clock()
    a, b = (rotating(impl, timer=clock) for _ in range(2))
    assert not a
    assert a == b
    assert a == rotating(impl)  # on another timer
    a.add(1)
    assert a
    assert a != b
    assert b != a
    b.add(1)
    assert a == b
    clock.ns += 10 * SECOND
    assert a
    assert a == b
    b.add(1)  # in another generation
    assert a != b
    clock.ns += 20 * SECOND
    assert not a
    assert a == b  # both have forgotten
    assert a != 1
    assert a != "a"
    assert a != rotating(impl, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_clear(impl):
    clock = Clock()
    a = rotating(impl, range(100), timer=clock)
    clock.ns += 11 * SECOND
    a.update(range(100))
    assert a.clear() is None
    assert not a
    assert a == rotating(impl)
    assert a.add(1) is True


UNEQUAL = [
    ({"capacity": 1001}, r"capacity differs \(1000 and 1001\)"),
    ({"fp_rate": 0.02}, r"fp_rate differs \(1e-06 and 0.02\)"),
    ({"window": 11}, r"window differs \(10.0 and 11.0\)"),
    ({"generations": 3}, r"generations differs \(2 and 3\)"),
    ({"seed": 3}, r"seed differs \(0 and 3\)"),
]


@pytest.mark.parametrize(("changed", "message"), UNEQUAL)
def test_unequal_filters_refuse_to_combine(impl, changed, message):
    a, b = rotating(impl, range(50)), rotating(impl, ["b"], **changed)
    before = a.copy()
    for combine in (
        lambda: a | b,
        lambda: a.__ior__(b),
        lambda: a.merge(a.copy(), b),
        lambda: a.update(b),
    ):
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            combine()
    assert a == before
    assert a != b


def test_other_types_refuse_to_combine(impl):
    a = rotating(impl)
    for combine in (lambda: a | {1}, lambda: {1} | a, lambda: a.__ior__ and a | 1):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()
    for other in ({1}, impl.BloomFilter(1000)):
        with pytest.raises(TypeError, match="other must be a RotatingBloomFilter, not"):
            a.merge(other)


# ---- what it is ------------------------------------------------------------------------------


def test_properties(impl):
    clock = Clock()
    f = impl.RotatingBloomFilter(1000, 0.02, 90, 4, seed=5, timer=clock)
    assert (f.capacity, f.fp_rate, f.window, f.generations, f.seed) == (1000, 0.02, 90.0, 4, 5)
    assert f.timer is clock
    shown = "RotatingBloomFilter(capacity=1000, fp_rate=0.02, window=90.0, generations=4, seed=5)"
    assert repr(f) == shown
    odd = impl.RotatingBloomFilter(10, 0.0123456789, 0.1)
    assert odd.window == 0.1
    assert eval(repr(odd), {"RotatingBloomFilter": impl.RotatingBloomFilter}) == odd
    assert f.nbytes == len(f.to_bytes()) - 128
    assert f.fill_ratio == 0.0
    assert f.approx_len() == 0
    assert f.expected_fp_rate() == 0.0
    for name in ("capacity", "fp_rate", "window", "generations", "seed", "timer", "nbytes"):
        with pytest.raises(AttributeError):
            setattr(f, name, 1)


def test_estimates(impl):
    clock = Clock()
    f = rotating(impl, range(1000), fp_rate=0.01, timer=clock)
    once = f.expected_fp_rate()
    assert 0.002 < once < 0.005
    assert abs(f.approx_len() - 1000) < 50
    assert 0.15 < f.fill_ratio < 0.35
    clock.ns += 10 * SECOND
    f.update(range(500, 1500))  # half of them again
    assert once < f.expected_fp_rate() < 0.01
    assert abs(f.approx_len() - 1500) < 75
    assert 0.3 < f.fill_ratio < 0.65
    clock.ns += 10 * SECOND
    assert abs(f.approx_len() - 1000) < 50
    assert f.expected_fp_rate() == pytest.approx(once, rel=0.3)
    clock.ns += 10 * SECOND
    assert (f.approx_len(), f.fill_ratio, f.expected_fp_rate()) == (0, 0.0, 0.0)


def test_full_filter(impl):
    f = rotating(impl, range(2000), capacity=1, fp_rate=0.9)
    assert f.fill_ratio == 0.5
    assert f.expected_fp_rate() == 1.0
    assert f.approx_len() > 50
    assert "anything" in f


def test_size_in_memory():
    small, large = (rotating(fastblocks, capacity=n) for n in (1, 100_000))
    assert sys.getsizeof(large) - sys.getsizeof(small) == large.nbytes - small.nbytes


# ---- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda f: f.copy(),
        copy.copy,
        copy.deepcopy,
        lambda f: type(f).from_bytes(f.to_bytes(), timer=f.timer),
        lambda f: type(f).from_bytes(memoryview(b"x" + f.to_bytes())[1:], timer=f.timer),
        lambda f: type(f).from_bytes(bytearray(f.to_bytes()), timer=f.timer),
    ],
)
def test_copies_are_equal_and_apart_and_age_alike(impl, duplicate):
    f = rotating(impl, range(100), generations=3, seed=2**64 - 1)
    f.timer.ns += 17 * SECOND
    f.update(range(200, 300))
    twin = duplicate(f)
    assert type(twin) is impl.RotatingBloomFilter
    assert twin.timer is f.timer
    for _ in range(5):
        assert twin == f
        assert twin.to_bytes() == f.to_bytes()
        f.timer.ns += SECOND
    assert repr(twin) == repr(f)
    twin.add("only here")
    assert twin != f
    assert "only here" not in f


def test_pickles_come_back_on_the_default_timer(impl):
    f = rotating(impl, range(100), window=1e9)
    for protocol in range(2, 6):
        twin = pickle.loads(pickle.dumps(f, protocol))
        assert twin.timer is None
        assert twin == f
        assert repr(twin) == repr(f)
        assert twin.contains_many(range(100)).all()


class NativeSubclass(fastblocks.RotatingBloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02, 1e9)
        self.label = label


class PureSubclass(fastblocks.pure.RotatingBloomFilter):
    def __init__(self, label):
        super().__init__(50, 0.02, 1e9)
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
    f = rotating(impl, range(9))
    with pytest.raises(RuntimeError, match="this RotatingBloomFilter has been initialised already"):
        f.__init__(5, 0.1, 5)
    assert f == rotating(impl, range(9))
    with pytest.raises(AttributeError):
        f.anything = 1


def test_new_alone_is_a_valid_small_filter():
    cls = fastblocks.RotatingBloomFilter
    f = cls.__new__(cls)
    f.add("x")
    _ = "x" in f
    assert cls.from_bytes(f.to_bytes()).window == 1e-9


# ---- native and pure, the same bits --------------------------------------------------------------


@given(
    steps=st.lists(
        st.tuples(
            st.integers(-(10**9), 10**10),
            st.lists(st.one_of(st.text("abc"), st.binary(), st.integers(-(2**63), 2**64 - 1))),
        ),
        max_size=6,
    ),
    capacity=st.integers(1, 100),
    fp_rate=st.floats(2e-8, 0.999),
    window=st.integers(1, 10**10),
    generations=st.integers(2, 16),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(steps, capacity, fp_rate, window, generations, seed):
    clock = Clock()
    native, pure = (
        m.RotatingBloomFilter(
            capacity, fp_rate, window / 10**9, generations, seed=seed, timer=clock
        )
        for m in (fastblocks, fastblocks.pure)
    )
    for pause, keys in steps:
        clock.ns += pause
        pure.update([])  # rotates, as a batch of no keys does too
        assert native.add_many(keys).tolist() == [pure.add(key) for key in keys]
        data = native.to_bytes()
        assert data == pure.to_bytes()
        for other in (fastblocks, fastblocks.pure):
            twin = other.RotatingBloomFilter.from_bytes(data, timer=clock)
            assert twin.to_bytes() == data
