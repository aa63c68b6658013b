"""FrequencySketch: what it counts, how it ages and merges, how well it compares."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure
from tests.sketches.counting import KEYS


def filled(impl, keys, capacity=100, **kwargs):
    s = impl.FrequencySketch(capacity, **kwargs)
    s.record_many(keys)
    return s


# ---- keys ------------------------------------------------------------------------------------


def test_counts_what_was_recorded(impl):
    s = impl.FrequencySketch(1000)
    seen = Counter()
    for key in KEYS:
        assert s.estimate(key) == seen[key]
        assert s.record(key) is None
        seen[key] += 1
        assert s.estimate(key) == seen[key]
    assert s.records == len(KEYS)
    assert s.estimate("Braga") == 0
    assert type(s.estimate("Lisbon")) is int


def test_counts_end_at_15_and_further_records_do_not_count(impl):
    s = impl.FrequencySketch(10)
    for n in range(1, 40):
        s.record("hot")
        assert s.estimate("hot") == min(n, 15)
        assert s.records == min(n, 15)


@pytest.mark.parametrize("n", [0, 1, 23, 24, 25, 511, 512, 3000])
def test_batches_equal_single_keys(impl, n):
    keys = np.random.default_rng(n).zipf(1.3, n)
    one, many = impl.FrequencySketch(30), impl.FrequencySketch(30)
    for key in keys.tolist():
        one.record(key)
    assert many.record_many(keys) is None
    assert one == many
    assert one.records == many.records
    counts = many.estimate_many(keys)
    assert counts.dtype == np.uint8
    assert counts.tolist() == [one.estimate(key) for key in keys.tolist()]


# ---- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 2**35 + 1, 10**30])
def test_capacity_out_of_range(impl, capacity):
    with pytest.raises(ValueError, match=rf"capacity must be in \[1, \d+\], not {capacity}"):
        impl.FrequencySketch(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, True, float("nan")])
def test_capacity_of_another_type(impl, capacity):
    with pytest.raises(TypeError, match="capacity must be an int, not"):
        impl.FrequencySketch(capacity)


def test_wrong_calls(impl):
    for args, kwargs in [((), {}), ((1, 0), {}), ((1,), {"sample_size": 3})]:
        with pytest.raises(TypeError):
            impl.FrequencySketch(*args, **kwargs)


@pytest.mark.parametrize(
    ("capacity", "blocks"), [(1, 1), (8, 1), (9, 2), (100, 13), (1000, 125), (12_345, 1544)]
)
def test_properties(impl, capacity, blocks):
    s = impl.FrequencySketch(capacity, seed=5)
    assert (s.capacity, s.seed, s.sample_size, s.records) == (capacity, 5, 10 * capacity, 0)
    assert s.nbytes == 64 * (blocks + 1)
    assert repr(s) == f"FrequencySketch(capacity={capacity}, seed=5)"
    assert eval(repr(s), {"FrequencySketch": impl.FrequencySketch}) == s
    for name in ("capacity", "seed", "sample_size", "records", "nbytes"):
        with pytest.raises(AttributeError):
            setattr(s, name, 1)


# ---- aging and merging -----------------------------------------------------------------------


def test_age_halves(impl):
    s = filled(impl, ["a"] * 15 + ["b"] * 4 + ["c"], 1000)
    assert s.records == 20
    for a, b, c, records in [(7, 2, 0, 10), (3, 1, 0, 5), (1, 0, 0, 2), (0, 0, 0, 1)]:
        assert s.age() is None
        assert [s.estimate(key) for key in "abc"] == [a, b, c]
        assert s.records == records
    assert not s


def test_ages_when_the_sample_is_full(impl):
    s = impl.FrequencySketch(100)
    s.record_many(["hot"] * 8)
    keys = iter(range(10**6))
    while s.records < 999:
        s.record(next(keys))
        assert s.estimate("hot") >= 8
    s.record(next(keys))
    assert s.records == 500
    assert 4 <= s.estimate("hot") <= 7


def test_merge_adds_up_to_15(impl):
    a = filled(impl, ["a"] * 9 + ["b"] * 3)
    b = filled(impl, ["a"] * 8 + ["c"])
    before = b.copy()
    assert a.merge(b, b) is None
    assert [a.estimate(key) for key in "abc"] == [15, 3, 2]
    assert a.records == 12 + 2 * 9
    assert b == before
    b.merge(b)
    assert [b.estimate(key) for key in "ac"] == [15, 2]
    assert b.records == 18


def test_merge_ages_when_the_sample_is_full(impl):
    a, b = (filled(impl, [*range(m, m + 90), "x", "x", "x"], 15) for m in (0, 1000))
    assert a.records == b.records == 93
    a.merge(b)
    assert a.records == 93
    assert a.estimate("x") == 3  # 3 + 3, halved


# ---- accuracy --------------------------------------------------------------------------------


@pytest.mark.parametrize(("skew", "limit"), [(0.7, 0.08), (0.9, 0.025), (1.1, 0.01)])
def test_tells_which_key_is_hotter(skew, limit):
    """Of pairs whose true counts differ, few are told wrongly (a tie counts as wrong)."""
    rng = np.random.default_rng(4)
    weights = np.arange(1, 100_001) ** -skew
    stream = rng.choice(100_000, 100_000, p=weights / weights.sum())
    s = filled(fastblocks, stream, 10_001)  # just too large to age
    assert s.records <= len(stream)
    true = np.minimum(np.bincount(stream, minlength=100_000), 15)
    counts = s.estimate_many(np.arange(100_000)).astype(int)
    assert (counts >= true).all()
    a, b = rng.choice(stream, (2, 100_000))
    differ = true[a] != true[b]
    wrong = (counts[a] < counts[b]) != (true[a] < true[b])
    wrong |= counts[a] == counts[b]
    assert wrong[differ].mean() < limit


def test_sequential_keys_spread_evenly():
    """All counters fill alike, whatever the keys."""
    for keys in (np.arange(40_000), np.arange(40_000) << 40, np.arange(40_000) * 4096):
        s = filled(fastblocks, keys, 40_000)
        two = np.frombuffer(s.to_bytes()[192:], np.uint8).reshape(-1, 64)
        halves = np.concatenate([two & 15, two >> 4], axis=1)
        assert abs(halves.mean(axis=0) / halves.mean() - 1).max() < 0.1  # places in a block
        assert halves.sum(axis=1).std() / halves.sum(axis=1).mean() < 0.5  # blocks


# ---- native and pure, the same bits ------------------------------------------------------------

some_keys = st.one_of(st.integers(0, 30), st.text("abcé", max_size=2), st.binary(max_size=1))


@given(
    keys=st.lists(some_keys, max_size=60),
    capacity=st.integers(1, 30),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_and_pure_write_the_same_bytes(keys, capacity, seed):
    native, pure = (m.FrequencySketch(capacity, seed=seed) for m in (fastblocks, fastblocks.pure))
    native.record_many(keys)
    for key in keys:
        pure.record(key)
    assert native.to_bytes() == pure.to_bytes()
    assert native.estimate_many(keys).tolist() == pure.estimate_many(keys).tolist()


def canonical(key):
    if isinstance(key, int):
        return key.to_bytes(8, "little")
    return key.encode() if isinstance(key, str) else key


class Trio:
    """The same sketch three times: native, pure, and the counts that it must not fall below."""

    def __init__(self, native, pure, least):
        self.native, self.pure, self.least = native, pure, least

    def each(self, step):
        """Apply a step to native and pure; their answers must be equal."""
        was = self.native.records
        a, b = step(self.native), step(self.pure)
        assert a == b
        return self.native.records < was  # it has aged, or was cleared


class FrequencyMachine(RuleBasedStateMachine):
    sketches = Bundle("sketches")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, least):
        self.trios.append(Trio(native, pure, least))
        return self.trios[-1]

    @rule(target=sketches)
    def new(self):
        made = (m.FrequencySketch(9, seed=4) for m in (fastblocks, fastblocks.pure))
        return self.keep(*made, Counter())

    @rule(s=sketches, key=some_keys)
    def record(self, s, key):
        s.least[canonical(key)] += 1
        if s.each(lambda x: x.record(key)):
            s.least = Counter({k: min(n, 15) // 2 for k, n in s.least.items()})

    @rule(s=sketches, batch=st.lists(some_keys, max_size=40))
    def record_many(self, s, batch):
        aged = s.each(lambda x: x.record_many(batch))
        s.least.update(map(canonical, batch))
        if aged:  # somewhere within the batch: what is certain is half of what was before it
            s.least.subtract(map(canonical, batch))
            s.least = Counter({k: min(n, 15) // 2 for k, n in s.least.items()})

    @rule(s=sketches)
    def age(self, s):
        s.each(lambda x: x.age())
        s.least = Counter({k: min(n, 15) // 2 for k, n in s.least.items()})

    @rule(a=sketches, b=sketches)
    def merge(self, a, b):
        before = a.native.records + b.native.records
        a.native.merge(b.native)
        a.pure.merge(b.pure)
        a.least = Counter({k: min(n, 15) for k, n in a.least.items()})
        a.least = a.least + Counter({k: min(n, 15) for k, n in b.least.items()})
        if a.native.records < before:
            a.least = Counter({k: min(n, 15) // 2 for k, n in a.least.items()})

    @rule(s=sketches)
    def clear(self, s):
        s.each(lambda x: x.clear())
        s.least.clear()

    @rule(target=sketches, s=sketches)
    def copy(self, s):
        return self.keep(s.native.copy(), s.pure.copy(), Counter(s.least))

    @rule(s=sketches)
    def cross(self, s):
        """Each continues from the other's bytes."""
        native, pure = s.native.to_bytes(), s.pure.to_bytes()
        s.native = fastblocks.FrequencySketch.from_bytes(pure)
        s.pure = fastblocks.pure.FrequencySketch.from_bytes(native)

    @rule(a=sketches, b=sketches)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)
        a.each(bool)
        a.each(lambda x: x.records)

    @invariant()
    def same_bits_and_never_too_low(self):
        for s in self.trios:
            s.each(lambda x: x.to_bytes())
            for key, n in s.least.items():
                assert s.native.estimate(key) >= min(n, 15)


TestFrequencyMachine = FrequencyMachine.TestCase
TestFrequencyMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
