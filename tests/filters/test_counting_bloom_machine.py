"""A state machine: native, pure and a plain Counter go through the same steps."""

import pickle
from collections import Counter

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure

keys = st.one_of(st.integers(0, 60), st.text("abé", max_size=2))
batches = st.lists(keys, max_size=20)


def canonical(key):
    return key.to_bytes(8, "little") if isinstance(key, int) else key.encode()


class Trio:
    """The same filter three times: native, pure, and as the counts of what is in."""

    def __init__(self, native, pure, counts):
        self.native, self.pure, self.counts = native, pure, counts

    def each(self, step):
        """Apply a step to native and pure; their answers must be equal."""
        a, b = step(self.native), step(self.pure)
        assert a == b
        return a


class CountingBloomMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, counts):
        trio = Trio(native, pure, counts)
        self.trios.append(trio)
        return trio

    @rule(target=filters)
    def new(self):
        native, pure = (
            m.CountingBloomFilter(20, 0.1, seed=4) for m in (fastblocks, fastblocks.pure)
        )
        return self.keep(native, pure, Counter())

    @rule(f=filters, key=keys, times=st.integers(1, 18))
    def add(self, f, key, times):
        for _ in range(times):
            f.each(lambda x: x.add(key))
        f.counts[canonical(key)] += times

    @rule(f=filters, batch=batches)
    def add_many(self, f, batch):
        f.each(lambda x: x.add_many(batch))
        f.counts.update(map(canonical, batch))

    @rule(f=filters, key=keys)
    def remove(self, f, key):
        """Only what is in, or certainly not: false positives are left alone."""
        if f.counts[canonical(key)] > 0:
            assert f.each(lambda x: x.remove(key)) is True
            f.counts[canonical(key)] -= 1
        elif key not in f.native:
            assert f.each(lambda x: x.remove(key)) is False

    @rule(f=filters, batch=batches)
    def remove_many(self, f, batch):
        left, chosen = f.counts.copy(), []
        for key in batch:
            if left[canonical(key)] > 0:
                left[canonical(key)] -= 1
                chosen.append(key)
        assert f.each(lambda x: x.remove_many(chosen).tolist()) == [True] * len(chosen)
        f.counts = left

    @rule(f=filters, batch=batches)
    def look(self, f, batch):
        many = f.each(lambda x: x.estimate_many(batch).tolist())
        assert many == f.each(lambda x: [x.estimate(key) for key in batch])
        assert all(n >= min(f.counts[canonical(k)], 15) for k, n in zip(batch, many, strict=True))
        held = f.each(lambda x: x.contains_many(batch).tolist())
        assert held == f.each(lambda x: [key in x for key in batch]) == [n > 0 for n in many]

    @rule(target=filters, a=filters, b=filters)
    def union(self, a, b):
        return self.keep(a.native | b.native, a.pure | b.pure, a.counts + b.counts)

    @rule(a=filters, b=filters)
    def merge(self, a, b):
        a.native.merge(b.native)
        a.pure |= b.pure
        a.counts = a.counts + b.counts

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)

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
        f.native = fastblocks.CountingBloomFilter.from_bytes(pure)
        f.pure = fastblocks.pure.CountingBloomFilter.from_bytes(native)

    @rule(f=filters)
    def pickled(self, f):
        f.native, f.pure = pickle.loads(pickle.dumps((f.native, f.pure)))

    @rule(f=filters)
    def describe(self, f):
        f.each(repr)
        f.each(lambda x: (bool(x), x.fill_ratio, x.approx_len(), x.nbytes))

    @invariant()
    def same_bits_and_no_false_negatives(self):
        for f in self.trios:
            f.each(lambda x: x.to_bytes())
            assert f.native.contains_many(list((+f.counts).keys())).all()


TestCountingBloomMachine = CountingBloomMachine.TestCase
TestCountingBloomMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
