"""TopK: what it counts, how it merges and fades, and what it refuses."""

import collections
import copy
import math
import pickle
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks import HeavyHitter

KEYS = ["Lisbon", b"\xff\x00", bytearray(b"Porto"), memoryview(b"Faro"), 7, -7, 2**64 - 9, "Évora"]
PLAIN = ["Lisbon", b"\xff\x00", b"Porto", b"Faro", 7, -7, 2**64 - 9, "Évora"]
LEAST = 128  # counters, of any k up to 64


class Clock:
    """A timer that stands still until it is set."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


def filled(impl, keys, k=10, **kwargs):
    result = impl.TopK(k, **kwargs)
    result.add_many(keys)
    return result


def zipf(n, seed, a=1.1):
    return np.random.default_rng(seed).zipf(a, n)


def check_bounds(topk, true, tolerance=0.0):
    """Every promise about counts, against the exact ones."""
    total = sum(true.values())
    slack = tolerance * total
    assert math.isclose(topk.total, total, rel_tol=max(tolerance, 1e-15), abs_tol=1e-300)
    hot = topk.top()
    for key, count, error in hot:
        assert count - error - slack <= true[key] <= count + slack
        assert error <= topk.error_bound() + slack
    for key, count in true.items():
        assert count <= topk.estimate(key) + slack
        assert topk.estimate(key) - count <= topk.error_bound() + slack
    if topk.k == LEAST // 2:
        threshold = total / LEAST
        listed = {hit.key for hit in hot}
        least = min((hit.count for hit in hot), default=0)
        for key, count in true.items():
            assert key in listed or count <= max(threshold, least) + slack


# ---- counting --------------------------------------------------------------------------------


def test_counts_exactly_while_there_is_room(impl):
    hot = impl.TopK(10)
    for i, key in enumerate(KEYS):
        assert key not in hot
        assert hot.estimate(key) == 0
        assert hot.add(key, i + 1) is None
        hot.add(key)
        assert key in hot
        assert hot.contains(key) is True
        assert hot.estimate(key) == i + 2
    assert hot.top() == [(key, i + 2, 0) for i, key in reversed(list(enumerate(PLAIN)))]
    assert [type(hit.key) for hit in hot.top()] == [type(key) for key in reversed(PLAIN)]
    assert len(hot) == 8
    assert hot.total == sum(range(2, 10))


def test_answers_are_heavy_hitters(impl):
    (hit,) = filled(impl, ["a", "a"]).top()
    assert type(hit) is HeavyHitter
    assert hit == HeavyHitter("a", 2, 0)
    assert (hit.key, hit.count, hit.error) == ("a", 2, 0)
    assert type(hit.count) is type(hit.error) is int
    (hit,) = filled(impl, ["a"], decay=5.0, timer=Clock()).top()
    assert type(hit.count) is type(hit.error) is float
    assert pickle.loads(pickle.dumps(hit)) == hit


def test_the_form_first_seen_is_kept(impl):
    hot = impl.TopK(5)
    hot.add_many(["é", "é".encode(), -1, 2**64 - 1])
    hot.add(2**64 - 2)
    hot.add(-2)
    assert {hit.key for hit in hot.top()} == {"é", -1, 2**64 - 2}
    assert all(hit.count == 2 for hit in hot.top())


def test_keys_are_held_as_plain_objects(impl):
    class Text(str):
        pass

    class Number(int):
        pass

    hot = impl.TopK(10)
    key = bytearray(b"ab")
    batch = [Text("t"), Number(3), np.int8(-4), True, np.str_("n"), key, memoryview(b"xyz")[::2]]
    hot.add_many(batch)
    for each in batch:
        hot.add(each)
    key[0] = 0
    expected = {"t": str, 3: int, -4: int, 1: int, "n": str, b"ab": bytes, b"xz": bytes}
    assert {hit.key: type(hit.key) for hit in hot.top()} == expected
    assert all(hit.count == 2 for hit in hot.top())


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (np.array([-3, 5], np.int8), [-3, 5]),
        (np.array([3, 2**64 - 1], np.uint64), [3, 2**64 - 1]),
        (np.array([-3, 2**62]), [-3, 2**62]),
        (np.array([200, 5], np.uint8), [200, 5]),
        (np.arange(10, dtype=">i4")[::5], [0, 5]),
        (np.array([40_000, 1], np.uint16), [40_000, 1]),
        (np.array([-4, 1], np.int16), [-4, 1]),
        (np.array([2**32 - 1, 1], np.uint32), [2**32 - 1, 1]),
        (np.array([b"ab", b"c\0"]), [b"ab", b"c"]),
        (np.array(["é", "𝄞x"]), ["é", "𝄞x"]),
        (np.array(["a", 5], object), ["a", 5]),
        (np.array(["a", "ß"], np.dtypes.StringDType()), ["a", "ß"]),
        (pa.array(["a", "é" * 20]), ["a", "é" * 20]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "long enough to lie apart"], pa.string_view()), None),
        (pa.array([b"a", b"\xff"]), [b"a", b"\xff"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), [b"ab", b"cd"]),
        (pa.array([1, 2**64 - 1], pa.uint64()), [1, 2**64 - 1]),
        (pa.array([-1, 5], pa.int64()), [-1, 5]),
        (pa.array([1, 200], pa.uint8()), [1, 200]),
        (pa.array(["x", "y", "z"])[1:], ["y", "z"]),
        (pa.chunked_array([["a"], [], ["b", "c"]]), ["a", "b", "c"]),
        (pa.table({"t": ["a", "b"]}), ["a", "b"]),
        (pa.array([b"a", b"\xff"]).view(pa.string()), ["a", b"\xff"]),
        (pd.Series(["a", "b"]), ["a", "b"]),
        (pd.Series([1, 2]), [1, 2]),
        (["a", b"b", 3], ["a", b"b", 3]),
        (("a", "b"), ["a", "b"]),
        ({"a": 1, "b": 2}, ["a", "b"]),
    ],
)
def test_keys_come_back_from_batches_of_every_kind(impl, batch, expected):
    if expected is None:
        expected = batch.to_pylist()
    hot = impl.TopK(10)
    hot.add_many(iter(batch) if isinstance(batch, list) else batch)
    hits = hot.top()
    assert {hit.key: type(hit.key) for hit in hits} == {key: type(key) for key in expected}
    hot.add_many(expected)
    assert hot.top() == [hit._replace(count=2) for hit in hits]


@pytest.mark.parametrize("n", [0, 1, 100, 511, 512, 3000])
@pytest.mark.parametrize("decay", [None, 3.0])
def test_batches_equal_single_keys(impl, n, decay):
    rng = np.random.default_rng(n)
    keys, counts = zipf(n, n) % 2**40, rng.integers(0, 5, n)
    one, many, numbers, lists = (impl.TopK(20, decay, timer=Clock(5.0)) for _ in range(4))
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        one.add(key, count)
    assert many.add_many(keys, counts) is None
    numbers.add_many(np.repeat(keys, counts) if decay is None else keys, 1)
    lists.add_many(keys.tolist(), counts.tolist())
    assert one == many == lists
    assert one.to_bytes() == many.to_bytes()
    if decay is None:
        assert one.total == numbers.total
    assert many.estimate_many(keys).tolist() == [many.estimate(key) for key in keys.tolist()]


def test_counts_of_a_batch(impl):
    hot = impl.TopK(5)
    hot.add_many(["a", "b"], 3)
    hot.add_many(["a", "b", "c"], np.array([2, 0, 0], np.int8))
    hot.add("d", 0)
    assert {hit.key: hit.count for hit in hot.top()} == {"a": 5, "b": 3}


def test_top_is_ordered_and_cut(impl):
    hot = filled(impl, [i for i in range(1, 40) for _ in range(i)], k=20)
    assert [hit.key for hit in hot.top()] == list(range(39, 19, -1))
    assert [hit.key for hit in hot.top(3)] == [39, 38, 37]
    assert hot.top(n=1) == hot.top()[:1]
    assert len(hot) == 20
    assert 20 in hot
    assert 19 not in hot
    assert hot.estimate(19) == 19


def test_ties_are_ordered_alike_everywhere():
    for k in (1, 7, 50):
        native, pure = (filled(m, range(100), k) for m in (fastblocks, fastblocks.pure))
        assert native.top() == pure.top()
        for key in range(100):
            assert (key in native) == (key in pure) == (key in [hit.key for hit in native.top()])


def test_empty(impl):
    for hot in (impl.TopK(3), impl.TopK(3, 1.0), fastblocks.TopK.__new__(fastblocks.TopK)):
        assert hot.top() == []
        assert len(hot) == hot.total == hot.error_bound() == hot.estimate("a") == 0
        assert not hot
        assert "a" not in hot
    hot = filled(impl, ["a"])
    assert hot
    hot.clear()
    assert not hot
    assert hot == impl.TopK(10)
    hot.add("b")
    assert hot.top() == [("b", 1, 0)]


def test_description(impl):
    clock = Clock()
    hot = impl.TopK(5, 2, seed=3, timer=clock)
    assert (hot.k, hot.decay, hot.seed, hot.timer) == (5, 2.0, 3, clock)
    assert repr(hot) == "TopK(k=5, decay=2.0, seed=3)"
    assert repr(impl.TopK(5)) == "TopK(k=5, decay=None, seed=0)"
    assert impl.TopK(5).decay is impl.TopK(5).timer is None
    before = hot.nbytes
    hot.add("x" * 1000)
    assert hot.nbytes > before + 1000
    with pytest.raises(TypeError, match="unhashable"):
        hash(hot)


def test_estimate_many_writes_to_out(impl):
    hot = filled(impl, ["a", "a", "b"])
    out = np.full(3, 9, np.uint64)
    assert hot.estimate_many(["a", "b", "c"], out=out) is out
    assert out.tolist() == [2, 1, 0]
    fading = filled(impl, ["a", "a"], decay=1.0, timer=Clock())
    out = np.empty(2)
    assert fading.estimate_many(["a", "x"], out=out).tolist() == [2.0, 0.0]
    for bad in (np.zeros(2, np.uint64), np.zeros(3), np.zeros((3, 1), np.uint64)):
        with pytest.raises(ValueError, match="out must be a writable, C-contiguous uint64 array"):
            hot.estimate_many(["a", "b", "c"], out=bad)


def test_out_may_overlap_keys(impl):
    keys = np.arange(1000, dtype=np.uint64) % 7
    hot = filled(impl, keys.copy())
    expected = hot.estimate_many(keys.copy())
    assert hot.estimate_many(keys, out=keys) is keys
    assert keys.tolist() == expected.tolist()


# ---- promises --------------------------------------------------------------------------------

streams = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9)), max_size=600)


@given(streams, st.sampled_from([1, 64]), st.booleans())
@settings(max_examples=60)
def test_bounds_hold(stream, k, decays):
    decay = 1.0 if decays else None
    true = collections.Counter()
    twins = [m.TopK(k, decay, timer=Clock()) for m in (fastblocks, fastblocks.pure)]
    for key, count in stream:
        true[key] += count
        for twin in twins:
            twin.add(key, count)
    for twin in twins:
        check_bounds(twin, true, 1e-12 if decays else 0.0)
    assert twins[0].to_bytes() == twins[1].to_bytes()


@given(st.lists(streams, min_size=2, max_size=4), st.randoms())
@settings(max_examples=40)
def test_bounds_hold_after_merging(parts, rng):
    """In any order, and while more is counted."""
    true = collections.Counter()
    twins = [[m.TopK(64) for _ in parts] for m in (fastblocks, fastblocks.pure)]
    for i, part in enumerate(parts):
        for key, count in part:
            true[key] += count
        for twin in twins:
            twin[i].add_many([key for key, _ in part], [count for _, count in part])
    left = list(range(len(parts)))
    while len(left) > 1:
        rng.shuffle(left)
        a, b = left[0], left.pop()
        for twin in twins:
            twin[a].merge(twin[b])
        for key in range(300, 420):
            true[key] += 1
            for twin in twins:
                twin[a].add(key)
    for twin in twins:
        check_bounds(twin[left[0]], true)
    assert twins[0][left[0]].to_bytes() == twins[1][left[0]].to_bytes()


def test_worst_streams(impl):
    """All keys different; then the same again; then hot ones that come late."""
    n = 3000
    hot = filled(impl, range(n), 64)
    hot.add_many(range(n))
    hot.add_many([-1] * 400)
    true = collections.Counter(dict.fromkeys(range(n), 2))
    true[-1] = 400
    check_bounds(hot, true)
    assert hot.top(1)[0].key == -1


def test_hottest_of_a_long_tail_are_found_in_order():
    """Most keys come once; the hundred hottest are listed as they should be."""
    keys = zipf(2_000_000, seed=1)
    hot = filled(fastblocks, keys, k=1000)
    values, counts = np.unique(keys, return_counts=True)
    true = dict(zip(values.tolist(), counts.tolist(), strict=True))
    exact = sorted(true.values(), reverse=True)[:100]
    found = hot.top(100)
    assert [true[hit.key] for hit in found] == exact
    assert all(hit.count - hit.error <= true[hit.key] <= hit.count for hit in hot.top())
    assert max(hit.error for hit in found) < 10
    thousand = set(values[np.argsort(-counts, kind="stable")[:1000]].tolist())
    assert len(thousand & {hit.key for hit in hot.top()}) > 900


# ---- merging ---------------------------------------------------------------------------------


def test_merge_of_parts_that_fit_is_exact(impl):
    words = list("abacabd")
    whole, left, right = filled(impl, words), filled(impl, words[:3]), filled(impl, words[3:])
    assert left.merge(right, impl.TopK(10)) is None
    assert left == whole
    assert left.merge() is None
    left.merge(left)
    assert [hit.count for hit in left.top()] == [6, 4, 2, 2]
    assert right == filled(impl, words[3:])


def test_merge_refuses_others_and_changes_nothing(impl):
    a = filled(impl, ["x"])
    before = a.to_bytes()
    good = filled(impl, ["y"])
    for other, message in (
        (impl.TopK(11), r"k differs \(10 and 11\)"),
        (impl.TopK(10, 2.0), r"decay differs \(None and 2.0\)"),
        (impl.TopK(10, seed=4), r"seed differs \(0 and 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            a.merge(good, other)
        assert a != other
    for other in (None, "x", {"x": 1}, collections.Counter("x")):
        with pytest.raises(TypeError, match="other must be a TopK, not"):
            a.merge(good, other)
        assert a != other
    assert a.to_bytes() == before


# ---- decay -----------------------------------------------------------------------------------


def test_counts_halve(impl):
    clock = Clock(100.0)
    hot = filled(impl, ["a"] * 8 + ["b"], decay=10.0, timer=clock)
    clock.now += 10
    hot.add("b")
    assert hot.top() == [("a", 4.0, 0.0), ("b", 1.5, 0.0)]
    assert (hot.total, hot.estimate("a")) == (5.5, 4.0)
    clock.now += 20
    assert hot.top(1) == [("a", 1.0, 0.0)]
    clock.now += 5
    assert math.isclose(hot.estimate("a"), 2**-0.5, rel_tol=1e-15)
    assert math.isclose(hot.error_bound(), 5.5 * 2**-2.5 / 128, rel_tol=1e-15)
    hot.add("new", 2)
    assert hot.top(1)[0].key == "new"


def test_decay_against_exact_counts(impl):
    rng = random.Random(5)
    clock = Clock()
    decay = 7.0
    hot = impl.TopK(64, decay, timer=clock)
    arrivals = []
    for _ in range(1500):
        clock.now += rng.choice([0, 0.01, 0.3, 1.7])
        key = int(rng.paretovariate(0.7)) % 300
        count = rng.randrange(4)
        arrivals.append((clock.now, key, count))
        hot.add(key, count)
    true = collections.Counter()
    for then, key, count in arrivals:
        true[key] += count * 2 ** ((then - clock.now) / decay)
    check_bounds(hot, true, 1e-12)
    exact = dict(true)
    for key, count, error in hot.top(10):
        assert count - error <= exact[key] * (1 + 1e-12)


def test_long_times_and_what_is_forgotten(impl):
    clock = Clock()
    hot = impl.TopK(5, 1.0, timer=clock)
    hot.add("a", 2**20)
    hot.add("b")
    clock.now = 64.0  # b has come to 2**-64, the least that is kept
    assert [hit.key for hit in hot.top()] == ["a", "b"]
    clock.now = 70.0
    hot.add("c")
    clock.now = 140.0  # b is gone; a has come to 2**-120, c to 2**-70
    assert "b" not in {hit.key for hit in hot.top()}
    clock.now = 1e6
    assert hot.top() == []
    assert not hot
    assert hot.total == 0.0
    hot.add("d")
    assert hot.top() == [("d", 1.0, 0.0)]
    clock.now = 8e9
    assert len(hot) == 0


def test_clock_that_goes_backwards(impl):
    clock = Clock(50.0)
    hot = filled(impl, ["a"] * 4, decay=10.0, timer=clock)
    clock.now = -1000.0
    hot.add("a")
    assert hot.estimate("a") == 5.0
    clock.now = 60.0
    assert hot.estimate("a") == 2.5


def test_native_and_pure_agree_to_the_bit_about_time():
    rng = random.Random(3)
    clock = Clock()
    native, pure = (m.TopK(64, 7.3, timer=clock) for m in (fastblocks, fastblocks.pure))
    for _ in range(300):
        clock.now += rng.choice([0, 1e-9, 0.1, 3.3, 50.0, 480.0, -1.0, 6000.0])
        batch = [int(rng.paretovariate(0.5)) % 1000 for _ in range(30)]
        for twin in (native, pure):
            twin.add_many(batch, 3)
        assert native.top() == pure.top()
        assert native.total == pure.total
    assert native.to_bytes() == pure.to_bytes()


def test_merge_of_summaries_of_different_age(impl):
    clock = Clock()
    old = filled(impl, ["a"] * 8, decay=10.0, timer=clock)
    clock.now = 20.0
    young = filled(impl, ["a", "b"], decay=10.0, timer=clock)
    for a, b in ((old, young), (young, old)):
        both = a.copy()
        both.merge(b)
        assert both.top() == [("a", 3.0, 0.0), ("b", 1.0, 0.0)]


def test_the_timer_is_not_asked_without_decay(impl):
    hot = impl.TopK(5, timer=lambda: 1 / 0)
    hot.add("a")
    assert hot.top() == [("a", 1, 0)]


def test_bad_timers(impl):
    with pytest.raises(TypeError, match="timer must be a function or None, not int"):
        impl.TopK(5, timer=5)
    clock = Clock()
    hot = filled(impl, ["a"], decay=1.0, timer=clock)
    for now, error in (
        ("x", TypeError),
        (None, TypeError),
        (math.nan, ValueError),
        (1e10, ValueError),
    ):
        clock.now = now
        for call in (
            lambda: hot.add("a"),
            lambda: hot.add_many(["a"]),
            hot.top,
            hot.copy,
            hot.to_bytes,
            hot.clear,
            lambda: hot.estimate("a"),
            lambda: hot.estimate_many(["a"]),
            lambda: hot.total,
            lambda: "a" in hot,
        ):
            with pytest.raises(error, match="timer must return seconds"):
                call()
    clock.now = 0.0
    assert hot.top() == [("a", 1.0, 0.0)]


def test_default_clock_runs(impl):
    hot = filled(impl, ["a"], decay=1e9)
    assert 0.999 < hot.estimate("a") <= 1.0
    hot = filled(impl, ["a"] * 1000, decay=1e-9)
    assert hot.estimate("a") < 1.0


# ---- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, 1.5, ("a",), object()])
def test_other_types_are_refused_and_change_nothing(impl, key):
    hot = filled(impl, ["a"])
    before = hot.to_bytes()
    for call in (
        hot.add,
        hot.estimate,
        hot.contains,
        hot.__contains__,
        lambda k: hot.add_many(["a", k]),
        lambda k: hot.add_many(iter(["a", k])),
        lambda k: hot.estimate_many(["a", k]),
    ):
        with pytest.raises(TypeError, match="a key must be str, bytes, bytearray, mem"):
            call(key)
    assert hot.to_bytes() == before


def test_keys_out_of_range_and_unencodable(impl):
    hot = impl.TopK(5)
    for key, error in (
        (2**64, OverflowError),
        (-(2**63) - 1, OverflowError),
        ("\ud800", UnicodeEncodeError),
    ):
        for call in (hot.add, hot.estimate, lambda k: hot.add_many(["a", k])):
            with pytest.raises(error):
                call(key)
    assert not hot


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ("text", TypeError, "not one str"),
        (5, TypeError, "not int"),
        (np.zeros(3), TypeError, "not of dtype float64"),
        (np.zeros((2, 2), int), ValueError, "1-D array"),
        (pa.array(["a", None]), ValueError, r"keys\[1\] is null"),
        (pa.array([1.5]), TypeError, "Arrow array of integers, strings or binary"),
        (["a", None], TypeError, r"keys\[1\]: a key must be"),
        (np.array(["\ud800"]), UnicodeEncodeError, "surrogates"),
    ],
)
def test_bad_batches(impl, batch, error, message):
    hot = impl.TopK(5)
    for call in (hot.add_many, hot.estimate_many):
        with pytest.raises(error, match=message):
            call(batch)
    assert not hot


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (-1, ValueError, r"must be in \[0, 9223372036854775807\], not -1"),
        (2**63, ValueError, r"must be in \[0, 9223372036854775807\]"),
        (True, TypeError, "must be an int, not bool"),
        (1.0, TypeError, "must be an int"),
        ("1", TypeError, "must be an int"),
    ],
)
def test_bad_counts(impl, count, error, message):
    hot = impl.TopK(5)
    with pytest.raises(error, match="count " + message):
        hot.add("a", count)
    with pytest.raises((TypeError, ValueError), match="counts"):
        hot.add_many(["a"], count)
    for counts in ([1], [1, 2, 3], [1.5, 2.0], [1, -1], np.zeros((2, 1), int)):
        with pytest.raises((TypeError, ValueError), match="counts"):
            hot.add_many(["a", "b"], counts)
    assert not hot


def test_total_may_not_overflow(impl):
    top = 2**63 - 1
    hot = impl.TopK(5)
    hot.add("a", top - 2)
    before = hot.to_bytes()
    other = filled(impl, ["x"] * 3, 5)
    for call in (
        lambda: hot.add("b", 3),
        lambda: hot.add_many(["b"], top),
        lambda: hot.add_many(["b", "c", "d"]),
        lambda: hot.add_many(["b"] * 8, 2**61),
        lambda: hot.add_many(["b"] * 2, [top, top]),
        lambda: hot.merge(other),
        lambda: hot.merge(*[impl.TopK(5)] * 2, hot),
    ):
        with pytest.raises(OverflowError, match=r"sum of all counts would exceed 2\*\*63 - 1"):
            call()
    assert hot.to_bytes() == before
    hot.add_many(["b", "c"])
    assert hot.total == top
    assert hot.top()[0] == ("a", top - 2, 0)
    fading = impl.TopK(5, 1.0, timer=Clock())
    fading.add_many(["a"] * 4, top)
    assert fading.total == 2.0**65


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((0,), {}, ValueError, r"k must be in \[1, 16777216\], not 0"),
        ((2**24 + 1,), {}, ValueError, "k must be in"),
        ((-1,), {}, ValueError, "k must be in"),
        ((True,), {}, TypeError, "k must be an int, not bool"),
        ((1.5,), {}, TypeError, "k must be an int, not float"),
        (("5",), {}, TypeError, "k must be an int, not str"),
        ((5, 0), {}, ValueError, "decay must be above 0 seconds, not 0"),
        ((5, -1.0), {}, ValueError, "decay must be in"),
        ((5, math.nan), {}, ValueError, "decay must be in"),
        ((5, math.inf), {}, ValueError, "decay must be in"),
        ((5, "1"), {}, TypeError, "decay must be a float, not str"),
        ((5, True), {}, TypeError, "decay must be a float, not bool"),
        ((5,), {"seed": -1}, ValueError, "seed must be in"),
        ((5,), {"seed": "x"}, TypeError, "seed must be an int"),
        ((5, 1.0, 3), {}, TypeError, "positional"),
        ((), {}, TypeError, "argument"),
    ],
)
def test_bad_arguments(impl, args, kwargs, error, message):
    with pytest.raises(error, match=message):
        impl.TopK(*args, **kwargs)


@pytest.mark.parametrize("n", [0, 11, -1, True, 1.5, "3"])
def test_bad_top(impl, n):
    with pytest.raises((TypeError, ValueError), match="n must be"):
        impl.TopK(10).top(n)


def test_init_runs_once(impl):
    with pytest.raises(RuntimeError, match="initialised already"):
        impl.TopK(5).__init__(5)


def test_largest_k_takes_memory_only_as_it_is_used():
    hot = fastblocks.TopK(2**24)
    hot.add_many(range(1000))
    assert len(hot) == 1000
    assert hot.estimate(5) == 1


def test_seeds_are_apart(impl):
    a, b = filled(impl, range(500), seed=1), filled(impl, range(500), seed=2)
    assert a != b
    assert a.to_bytes() != b.to_bytes()


# ---- copies ----------------------------------------------------------------------------------


class Mine:
    """Made a subclass of each implementation below."""

    def __init__(self, name):
        super().__init__(4)
        self.name = name


class MineNative(Mine, fastblocks.TopK):
    pass


class MinePure(Mine, fastblocks.pure.TopK):
    pass


@pytest.mark.parametrize("cls", [MineNative, MinePure])
def test_subclasses_keep_type_and_attributes(cls):
    hot = cls("n")
    hot.add_many(["a", "b", "a"])
    for twin in (hot.copy(), copy.copy(hot), copy.deepcopy(hot), pickle.loads(pickle.dumps(hot))):
        assert type(twin) is cls
        assert twin.name == "n"
        assert twin == hot
        assert twin.top() == hot.top()
        twin.add("z")
        assert twin != hot


def test_copies_keep_timer_and_age(impl):
    clock = Clock()
    hot = filled(impl, ["a"] * 4, decay=10.0, timer=clock)
    clock.now = 10.0
    twin = hot.copy()
    assert twin.timer is clock
    clock.now = 20.0
    assert twin.top() == hot.top() == [("a", 1.0, 0.0)]
    assert twin == hot


def test_age_goes_along_with_bytes(impl):
    clock = Clock(1000.0)
    hot = filled(impl, ["a"] * 4, decay=1e6, timer=clock)
    clock.now += 1e6
    twin = pickle.loads(pickle.dumps(hot))
    assert twin.timer is None
    assert twin == hot
    assert 1.999 < twin.estimate("a") <= 2.0
