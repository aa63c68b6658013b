"""CuckooFilter in long runs of random steps, against a count of what it holds."""

import pickle
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure
from fastblocks import FilterFullError


@pytest.mark.parametrize(
    ("capacity", "fp_rate", "rounds"), [(20_000, 0.01, 350), (20_000, 0.0001, 150), (300, 0.1, 600)]
)
def test_ten_million_steps_without_a_false_negative(capacity, fp_rate, rounds):
    """Batches at a load of 90 to 97 %, checked against a count a key."""
    rng = np.random.default_rng(capacity)
    f = fastblocks.CuckooFilter(capacity, fp_rate)
    slots = round(8 * (f.nbytes - 72) / f.fingerprint_bits)
    universe = 2 * slots
    counts = np.zeros(universe, np.int64)
    steps = 0
    while f.load_factor < 0.9:
        key = rng.integers(0, universe, 1 + slots // 20)
        f.add_many(key)
        np.add.at(counts, key, 1)
    for _ in range(rounds):
        held = np.repeat(np.arange(universe), counts)
        leaving = rng.choice(held, rng.integers(0, slots // 10), replace=False)
        assert f.remove_many(leaving).all()
        np.subtract.at(counts, leaving, 1)
        room = int((rng.uniform(0.9, 0.985)) * slots) - len(f)
        coming = rng.integers(0, universe, max(room, 0))
        before = len(f)
        try:
            f.add_many(coming)
        except FilterFullError:
            assert len(f) == before  # undone
        else:
            np.add.at(counts, coming, 1)
        present = f.contains_many(np.arange(universe))
        assert present[counts > 0].all()
        assert present[counts == 0].mean() < 2 * fp_rate + 0.02
        assert len(f) == counts.sum()
        steps += len(leaving) + len(coming) + universe
    assert steps > 15_000 * rounds if capacity > 1000 else steps > 500 * rounds
    assert f.remove_many(np.repeat(np.arange(universe), counts)).all()
    assert f == fastblocks.CuckooFilter(capacity, fp_rate)


keys = st.one_of(st.integers(0, 40), st.text("abé", max_size=2))
batches = st.lists(keys, max_size=15)


def canonical(key):
    return key.to_bytes(8, "little") if isinstance(key, int) else key.encode()


class Trio:
    """The same filter three times: native, pure, and as the count of what it holds."""

    def __init__(self, native, pure, counts):
        self.native, self.pure, self.counts = native, pure, counts

    def each(self, step):
        """Apply a step to native and pure; their answers or errors must be equal."""
        a, b = outcome(step, self.native), outcome(step, self.pure)
        assert a == b
        return a


def outcome(step, f):
    try:
        return step(f)
    except FilterFullError as error:
        return FilterFullError, str(error)


def full(answer):
    return isinstance(answer, tuple) and answer[0] is FilterFullError


class CuckooMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, counts):
        self.trios.append(Trio(native, pure, counts))
        return self.trios[-1]

    @rule(target=filters)
    def new(self):
        make = [m.CuckooFilter(8, 0.05, seed=4) for m in (fastblocks, fastblocks.pure)]
        return self.keep(*make, Counter())

    @rule(target=filters)
    def new_of_more_buckets(self):
        make = [m.CuckooFilter(20, 1e-4, seed=4) for m in (fastblocks, fastblocks.pure)]
        return self.keep(*make, Counter())

    @rule(f=filters, key=keys)
    def add(self, f, key):
        if not full(f.each(lambda x: x.add(key))):
            f.counts[canonical(key)] += 1

    @rule(f=filters, batch=batches)
    def add_many(self, f, batch):
        if not full(f.each(lambda x: x.add_many(batch))):
            f.counts.update(map(canonical, batch))

    @rule(f=filters, data=st.data())
    def remove(self, f, data):
        if f.counts:
            key = data.draw(st.sampled_from(sorted(f.counts)))
            assert f.each(lambda x: x.remove(key)) is True
            f.counts -= Counter([key])

    @rule(f=filters, data=st.data())
    def remove_many(self, f, data):
        held = sorted(f.counts.elements())
        some = data.draw(st.lists(st.sampled_from(held), unique=True)) if held else []
        assert all(f.each(lambda x: x.remove_many(some).tolist()))
        f.counts -= Counter(some)

    @rule(f=filters, batch=batches)
    def contains(self, f, batch):
        many = f.each(lambda x: x.contains_many(batch).tolist())
        assert many == f.each(lambda x: [key in x for key in batch])

    @rule(f=filters, key=keys)
    def remove_what_is_absent(self, f, key):
        if key not in f.native:
            assert f.each(lambda x: x.remove(key)) is False

    @rule(a=filters, b=filters)
    def merge(self, a, b):
        if a.native.capacity != b.native.capacity:
            return
        other = {type(x): x for x in (b.native, b.pure)}
        if not full(a.each(lambda x: x.merge(other[type(x)]))):
            a.counts += b.counts

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)
        if a.counts == b.counts and a.native.capacity == b.native.capacity:
            assert a.native == b.native

    @rule(f=filters)
    def clear(self, f):
        f.each(lambda x: x.clear())
        f.counts.clear()

    @rule(target=filters, f=filters)
    def copy(self, f):
        return self.keep(f.native.copy(), f.pure.copy(), f.counts.copy())

    @rule(f=filters)
    def cross(self, f):
        """Each continues from the other's bytes."""
        native, pure = f.native.to_bytes(), f.pure.to_bytes()
        f.native = fastblocks.CuckooFilter.from_bytes(pure)
        f.pure = fastblocks.pure.CuckooFilter.from_bytes(native)

    @rule(f=filters)
    def pickled(self, f):
        f.native, f.pure = pickle.loads(pickle.dumps((f.native, f.pure)))

    @rule(f=filters)
    def describe(self, f):
        f.each(repr)
        f.each(lambda x: (bool(x), x.load_factor, x.nbytes, x.expected_fp_rate()))

    @invariant()
    def same_bytes_and_no_false_negatives(self):
        for f in self.trios:
            f.each(lambda x: x.to_bytes())
            assert len(f.native) == len(f.pure) == f.counts.total()
            assert f.native.contains_many(list(f.counts)).all()


TestCuckooMachine = CuckooMachine.TestCase
TestCuckooMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
