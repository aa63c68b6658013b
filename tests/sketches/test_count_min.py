"""CountMinSketch: what it counts, its bound, saturation, merging, and what it refuses."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure
from tests.sketches.counting import KEYS
from tests.state import HEADER

FULL, FULL_TOTAL, MOST = 2**32 - 1, 2**64 - 1, 2**63 - 1


@pytest.fixture(params=[True, False], ids=["conservative", "plain"])
def conservative(request):
    return request.param


# ---- keys ------------------------------------------------------------------------------------


def test_counts_what_was_added(impl, conservative):
    s = impl.CountMinSketch(1000, 4, conservative=conservative)
    counts = Counter()
    for n, key in enumerate(KEYS):
        assert s.add(key, n) is None
        counts[key] += n
        s.add(key)
        counts[key] += 1
        assert s.estimate(key) == counts[key]
    assert s.total == counts.total()
    assert s.estimate("Braga") == 0


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 63, 64, 65, 511, 512, 1500])
@pytest.mark.parametrize("depth", [1, 3, 4, 9])
def test_batches_equal_single_keys(impl, conservative, n, depth):
    rng = np.random.default_rng(n)
    keys, counts = rng.zipf(1.3, n), rng.integers(0, 100, n)
    one, many = (impl.CountMinSketch(30, depth, conservative=conservative) for _ in range(2))
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        one.add(key)
        one.add(key, count)
    assert many.add_many(np.repeat(keys, 2), np.stack([counts * 0 + 1, counts]).T.ravel()) is None
    assert one == many
    assert one.total == many.total == n + counts.sum()
    assert many.estimate_many(keys).tolist() == [one.estimate(key) for key in keys.tolist()]


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, lambda c: np.array(c, "u1"), pa.array, lambda c: np.array(c)[:]],
)
def test_counts_of_every_kind(impl, make):
    s = impl.CountMinSketch(1000, 3)
    s.add_many(["a", "b", "c"], make([3, 0, 5]))
    assert s.estimate_many(["a", "b", "c"]).tolist() == [3, 0, 5]
    s.add_many(["a", "b"], 7)
    s.add_many(["a", "b"], np.int16(7))
    assert s.estimate_many(["a", "b", "c"]).tolist() == [17, 14, 5]
    s.add_many([], [])
    s.add_many([], 5)
    s.add_many(["a"], 0)
    assert s.total == 8 + 28


def test_strided_and_read_only_counts(impl):
    counts = np.arange(2000)[::2]
    counts.flags.writeable = False
    a, b = impl.CountMinSketch(300, 3), impl.CountMinSketch(300, 3)
    a.add_many(np.arange(1000), counts)
    b.add_many(np.arange(1000), counts.tolist())
    assert a == b


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([1, -2, 3], ValueError, r"counts\[1\] must be in \[0, \d+\], not -2"),
        (np.array([1, 2, -3]), ValueError, r"counts\[2\] must be in \[0, \d+\], not -3"),
        (np.array([1, 2, 2**63], "u8"), ValueError, r"counts\[2\] must be in"),
        (-1, ValueError, r"counts must be in \[0, \d+\], not -1"),
        (2**63, ValueError, r"counts must be in \[0, \d+\], not 9223372036854775808"),
        ([1, 2], ValueError, r"counts must have shape \(3,\) as the keys have, not \(2,\)"),
        ([[1, 2, 3]], TypeError, r"counts\[0\] must be an int, not list"),
        (np.ones((1, 3), int), ValueError, r"counts must have shape \(3,\)"),
        ([1.0, 2, 3], TypeError, r"counts\[0\] must be an int, not float"),
        (np.ones(3), TypeError, "counts must be integers, not of dtype float64"),
        (1.5, TypeError, "counts must be an int or an array of ints, not float"),
        (None, TypeError, "counts must be an int or an array of ints, not NoneType"),
        (True, TypeError, "counts must be an int, not bool"),
        ("123", TypeError, "counts must be an int or an array of ints, not str"),
        (["a", "b", "c"], TypeError, r"counts\[0\] must be an int, not str"),
        (pa.array([1, None, 3]), TypeError, "counts must be integers"),
    ],
)
def test_bad_counts_change_nothing(impl, counts, error, message):
    s = impl.CountMinSketch(10, 3)
    with pytest.raises(error, match=message):
        s.add_many([1, 2, 3], counts)
    assert s == impl.CountMinSketch(10, 3)


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (-1, ValueError),
        (2**63, ValueError),
        (10**30, ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (float("nan"), TypeError),
    ],
)
def test_bad_count_changes_nothing(impl, count, error):
    s = impl.CountMinSketch(10, 3)
    with pytest.raises(error, match=r"count must be (an int|in \[0, \d+\]), not"):
        s.add("a", count)
    assert not s


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 10**30])
def test_shape_out_of_range(impl, value):
    with pytest.raises(ValueError, match=rf"width must be in \[1, 4294967296\], not {value}"):
        impl.CountMinSketch(value, 3)
    with pytest.raises(ValueError, match=rf"depth must be in \[1, 32\], not {value}"):
        impl.CountMinSketch(3, value)
    with pytest.raises(ValueError, match="depth must be in"):
        impl.CountMinSketch(3, 33)


@pytest.mark.parametrize("value", [1.0, "10", None, True, float("inf")])
def test_arguments_of_another_type(impl, value):
    with pytest.raises(TypeError, match="width must be an int, not"):
        impl.CountMinSketch(value, 3)
    with pytest.raises(TypeError, match="depth must be an int, not"):
        impl.CountMinSketch(3, value)
    if value is not True:
        with pytest.raises(TypeError, match="conservative must be a bool, not"):
            impl.CountMinSketch(3, 3, conservative=value)


def test_too_many_counters(impl):
    with pytest.raises(ValueError, match="width=4294967296 with depth=5: parameters are too large"):
        impl.CountMinSketch(2**32, 5)


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1,), {}), ((1, 1, True), {}), ((1, 1), {"hashes": 3})]:
        with pytest.raises(TypeError):
            impl.CountMinSketch(*args, **kwargs)


def test_properties(impl, conservative):
    s = impl.CountMinSketch(271, 5, conservative=conservative, seed=5)
    assert (s.width, s.depth, s.conservative, s.seed, s.total) == (271, 5, conservative, 5, 0)
    assert s.conservative is conservative
    assert s.epsilon == math.e / 271
    assert s.delta == math.exp(-5)
    assert s.error_bound() == 0.0
    s.add("x", 1000)
    assert s.error_bound() == s.epsilon * 1000
    assert s.nbytes == 64 + 8 * 678  # 1355 counters and 4 bytes
    assert repr(s) == f"CountMinSketch(width=271, depth=5, conservative={conservative}, seed=5)"
    assert eval(repr(s), {"CountMinSketch": impl.CountMinSketch}) == impl.CountMinSketch(
        271, 5, conservative=conservative, seed=5
    )
    for name in ("width", "depth", "conservative", "seed", "total", "epsilon", "delta", "nbytes"):
        with pytest.raises(AttributeError):
            setattr(s, name, 1)


@pytest.mark.parametrize(
    ("epsilon", "delta", "width", "depth"),
    [
        (0.01, 0.01, 272, 5),
        (0.001, 0.001, 2719, 7),
        (0.5, 0.5, 6, 1),
        (0.999999, 0.999999, 3, 1),
        (0.1, 1e-13, 28, 30),
        (1e-4, 0.367, 27183, 2),
        (1e-4, 0.368, 27183, 1),
    ],
)
def test_from_error(impl, epsilon, delta, width, depth):
    s = impl.CountMinSketch.from_error(epsilon, delta, conservative=False, seed=9)
    assert repr(s) == f"CountMinSketch(width={width}, depth={depth}, conservative=False, seed=9)"
    assert s.epsilon <= epsilon
    assert s.delta <= delta
    assert impl.CountMinSketch.from_error(epsilon, delta).conservative


@pytest.mark.parametrize("name", ["epsilon", "delta"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (0.0, ValueError),
        (1, ValueError),
        (1.0, ValueError),
        (-0.1, ValueError),
        (2, ValueError),
        (1e-14, ValueError),
        (float("nan"), ValueError),
        (5e-324, ValueError),
        (float("inf"), ValueError),
        ("0.1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_from_error_of_bad_values(impl, name, value, error):
    with pytest.raises(error, match=rf"{name} must be (a float|in \[1e-\d+, 1\)), not"):
        impl.CountMinSketch.from_error(**{"epsilon": 0.1, "delta": 0.1, name: value})


def test_from_error_too_large(impl):
    with pytest.raises(ValueError, match="parameters are too large for this structure"):
        impl.CountMinSketch.from_error(1e-9, 1e-10)


def test_from_error_makes_the_subclass():
    class Mine(fastblocks.CountMinSketch):
        pass

    assert type(Mine.from_error(0.1, 0.1)) is Mine


# ---- the promise -----------------------------------------------------------------------------

STREAMS = {
    "zipf": lambda rng: rng.zipf(1.1, 40_000) % 2**40,
    "uniform": lambda rng: rng.integers(0, 20_000, 40_000),
    "sequential": lambda rng: np.arange(40_000) % 20_000,
    "strides": lambda rng: (np.arange(40_000) % 20_000) << 32,
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("width", "depth"), [(100, 1), (272, 2), (1000, 3), (64, 4)])
def test_bound_holds_with_the_stated_probability(stream, conservative, width, depth):
    """Over keys that were added and keys that were not, and over seeds."""
    over = total = 0
    for seed in range(10):
        keys = STREAMS[stream](np.random.default_rng(seed))
        s = fastblocks.CountMinSketch(width, depth, conservative=conservative, seed=seed)
        s.add_many(keys)
        distinct, counts = np.unique(keys, return_counts=True)
        error = s.estimate_many(distinct) - counts.astype(np.int64)
        assert error.min() >= 0
        absent = s.estimate_many(np.arange(2**41, 2**41 + 20_000))
        assert s.error_bound() == s.epsilon * 40_000
        over += (error > s.error_bound()).sum() + (absent > s.error_bound()).sum()
        total += len(distinct) + len(absent)
    assert over / total <= s.delta


def test_rows_are_independent():
    """A key that is alone in a row of two is so in any other row with probability 1/2."""
    n = 40_000
    for keys in (np.arange(n), np.random.default_rng(1).integers(0, 2**63, n), np.arange(n) << 48):
        for depth in (2, 3, 5):
            s = fastblocks.CountMinSketch(2, depth, conservative=False)
            s.add(-5)  # one counter in each row
            share = (s.estimate_many(keys) == 1).mean()  # that meet it in all
            expected = 2.0**-depth
            assert abs(share - expected) < 6 * math.sqrt(expected / n)


def test_rows_spread_evenly():
    for keys in (np.arange(100_000), np.arange(100_000) << 40):
        s = fastblocks.CountMinSketch(100, 8, conservative=False)
        s.add_many(keys)
        rows = np.frombuffer(s.to_bytes()[HEADER + 64 :], "<u4").reshape(8, 100)
        assert (rows.sum(axis=1) == 100_000).all()
        squares = ((rows - 1000.0) ** 2 / 1000).sum(axis=1)  # chi-square of 99 degrees
        assert squares.max() < 99 + 6 * math.sqrt(2 * 99)


def test_conservative_errs_less():
    keys = np.random.default_rng(3).zipf(1.1, 100_000)
    distinct, counts = np.unique(keys, return_counts=True)
    plain, better = (fastblocks.CountMinSketch(3000, 4, conservative=c) for c in (False, True))
    errors = []
    for s in (plain, better):
        s.add_many(keys)
        errors.append((s.estimate_many(distinct) - counts.astype(np.int64)).mean())
    assert (better.estimate_many(distinct) <= plain.estimate_many(distinct)).all()
    assert errors[1] < 0.7 * errors[0]


# ---- saturation ------------------------------------------------------------------------------


def test_counters_end_at_their_maximum(impl, conservative):
    s = impl.CountMinSketch(50, 3, conservative=conservative)
    s.add("a", FULL - 1)
    assert s.estimate("a") == FULL - 1
    s.add("a")
    assert s.estimate("a") == FULL
    s.add("a")
    assert s.total == FULL + 1
    s.add("a", MOST)
    s.add_many(["a", "b"], [5, MOST])
    assert s.estimate_many(["a", "b"]).tolist() == [FULL, FULL]
    assert s.total == FULL_TOTAL


def test_total_ends_at_its_maximum(impl, conservative):
    s = impl.CountMinSketch(50, 3, conservative=conservative)
    s.add_many(["a", "a"], MOST)
    assert s.total == FULL_TOTAL - 1
    s.add("a")
    assert s.total == FULL_TOTAL
    s.add("a")
    s.add_many(["a"] * 3, MOST)
    assert s.total == FULL_TOTAL
    s.merge(s)
    assert s.total == FULL_TOTAL
    assert s.estimate("a") == FULL


# ---- merging ---------------------------------------------------------------------------------


def test_merge(impl, conservative):
    parts = [impl.CountMinSketch(64, 4, conservative=conservative) for _ in range(3)]
    whole = impl.CountMinSketch(64, 4, conservative=conservative)
    rng = np.random.default_rng(5)
    stream = rng.zipf(1.3, (3, 500)) % 1000
    for part, keys in zip(parts, stream, strict=True):
        part.add_many(keys, 2)
        whole.add_many(keys, 2)
    before = [part.copy() for part in parts]
    merged = parts[0].copy()
    assert merged.merge(*parts[1:]) is None
    assert parts == before
    assert merged.total == whole.total == 3000
    distinct, counts = np.unique(stream, return_counts=True)
    assert (merged.estimate_many(distinct) >= 2 * counts).all()
    plain = impl.CountMinSketch(64, 4, conservative=False)
    plain.add_many(stream.ravel(), 2)
    assert (merged.estimate_many(distinct) <= plain.estimate_many(distinct)).all()
    if not conservative:
        assert merged == whole
    twice = whole.copy()
    twice.merge(twice)
    assert twice.estimate_many(distinct).tolist() == (2 * whole.estimate_many(distinct)).tolist()


@pytest.mark.parametrize(
    ("shape", "message"),
    [((65, 4), r"width differs \(64 and 65\)"), ((64, 5), r"depth differs \(4 and 5\)")],
)
def test_other_shapes_do_not_merge(impl, shape, message):
    s = impl.CountMinSketch(64, 4)
    with pytest.raises(ValueError, match=f"cannot combine: {message}"):
        s.merge(s, impl.CountMinSketch(*shape))
    assert s != impl.CountMinSketch(*shape)


# ---- native and pure, the same bits ------------------------------------------------------------

some_keys = st.one_of(st.integers(0, 30), st.text("abcé", max_size=2), st.binary(max_size=1))
some_counts = st.one_of(st.integers(0, 5), st.sampled_from([FULL - 2, FULL, MOST]))


def canonical(key):
    if isinstance(key, int):
        return key.to_bytes(8, "little")
    return key.encode() if isinstance(key, str) else key


@given(
    added=st.lists(st.tuples(some_keys, some_counts), max_size=50),
    width=st.integers(1, 40),
    depth=st.integers(1, 32),
    conservative=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
)
def test_same_bytes_and_never_too_low(added, width, depth, conservative, seed):
    native, pure = (
        m.CountMinSketch(width, depth, conservative=conservative, seed=seed)
        for m in (fastblocks, fastblocks.pure)
    )
    keys, counts = [key for key, _ in added], [n for _, n in added]
    native.add_many(keys, counts)
    true = Counter()
    for key, n in added:
        pure.add(key, n)
        true[canonical(key)] += n
    assert native.to_bytes() == pure.to_bytes()
    assert native.total == min(true.total(), FULL_TOTAL)
    for key in keys:
        assert native.estimate(key) == pure.estimate(key) >= min(true[canonical(key)], FULL)


class CountMinMachine(RuleBasedStateMachine):
    """Native, pure and a Counter go through the same steps."""

    sketches = Bundle("sketches")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, true):
        self.trios.append([native, pure, true])
        return self.trios[-1]

    @rule(target=sketches, conservative=st.booleans())
    def new(self, conservative):
        made = (
            m.CountMinSketch(9, 3, conservative=conservative, seed=4)
            for m in (fastblocks, fastblocks.pure)
        )
        return self.keep(*made, Counter())

    @rule(s=sketches, key=some_keys, n=some_counts)
    def add(self, s, key, n):
        s[0].add(key, n)
        s[1].add(key, n)
        s[2][canonical(key)] += n

    @rule(s=sketches, batch=st.lists(some_keys, max_size=40), n=some_counts)
    def add_many(self, s, batch, n):
        s[0].add_many(batch, n)
        s[1].add_many(batch, n)
        for key in batch:
            s[2][canonical(key)] += n

    @rule(a=sketches, b=sketches)
    def merge(self, a, b):
        if a[0].conservative == b[0].conservative:
            a[0].merge(b[0])
            a[1].merge(b[1])
            a[2] = a[2] + b[2]

    @rule(s=sketches)
    def clear(self, s):
        s[0].clear()
        s[1].clear()
        s[2].clear()

    @rule(target=sketches, s=sketches)
    def copy(self, s):
        return self.keep(s[0].copy(), s[1].copy(), Counter(s[2]))

    @rule(s=sketches)
    def cross(self, s):
        """Each continues from the other's bytes."""
        native, pure = s[0].to_bytes(), s[1].to_bytes()
        s[0] = fastblocks.CountMinSketch.from_bytes(pure)
        s[1] = fastblocks.pure.CountMinSketch.from_bytes(native)

    @rule(a=sketches, b=sketches)
    def compare(self, a, b):
        assert (a[0] == b[0]) == (a[1] == b[1])
        assert bool(a[0]) == bool(a[1]) == (a[2].total() > 0)

    @invariant()
    def same_bits_and_never_too_low(self):
        for native, pure, true in self.trios:
            assert native.to_bytes() == pure.to_bytes()
            assert native.total == min(true.total(), FULL_TOTAL)
            for key, n in true.items():
                assert native.estimate(key) >= min(n, FULL)


TestCountMinMachine = CountMinMachine.TestCase
TestCountMinMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
