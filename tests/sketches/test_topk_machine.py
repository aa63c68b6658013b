"""TopK: native, pure and an exact count go through the same random histories."""

import collections
import pickle

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure

keys = st.one_of(st.integers(-2, 300), st.text("abcé", max_size=3), st.binary(max_size=2))
batches = st.lists(st.tuples(keys, st.integers(0, 40)), max_size=150)


def canonical(key):
    if isinstance(key, int):
        return (key % 2**64).to_bytes(8, "little")
    return key.encode() if isinstance(key, str) else key


class Trio:
    """The same summary three times: native, pure, and all counts."""

    def __init__(self, native, pure, true):
        self.native, self.pure, self.true = native, pure, true

    def each(self, step):
        """Apply a step to native and pure; their answers must be equal."""
        a, b = step(self.native), step(self.pure)
        assert a == b
        return a

    def count(self, key, count):
        self.true[canonical(key)] += count


class TopKMachine(RuleBasedStateMachine):
    summaries = Bundle("summaries")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, true):
        self.trios.append(Trio(native, pure, true))
        return self.trios[-1]

    @rule(target=summaries)
    def new(self):
        pair = (m.TopK(20, seed=4) for m in (fastblocks, fastblocks.pure))
        return self.keep(*pair, collections.Counter())

    @rule(t=summaries, key=keys, count=st.integers(0, 2**40))
    def add(self, t, key, count):
        t.each(lambda x: x.add(key, count))
        t.count(key, count)

    @rule(t=summaries, batch=batches)
    def add_many(self, t, batch):
        t.each(lambda x: x.add_many([key for key, _ in batch], [n for _, n in batch]))
        for key, n in batch:
            t.count(key, n)

    @rule(t=summaries, first=st.integers(0, 2000), n=st.sampled_from([10, 600]))
    def add_ints(self, t, first, n):
        t.each(lambda x: x.add_many(np.arange(first, first + n)))
        for key in range(first, first + n):
            t.count(key, 1)

    @rule(t=summaries, words=st.lists(st.text("xyzö", max_size=20), max_size=40))
    def add_arrow(self, t, words):
        t.each(lambda x: x.add_many(pa.array(words, pa.string())))
        for word in words:
            t.count(word, 1)

    @rule(t=summaries, batch=st.lists(keys, max_size=30))
    def ask(self, t, batch):
        many = t.each(lambda x: x.estimate_many(batch).tolist())
        assert many == t.each(lambda x: [x.estimate(key) for key in batch])
        listed = t.each(lambda x: [key in x for key in batch])
        top = {canonical(hit.key) for hit in t.native.top()}
        assert listed == [canonical(key) in top for key in batch]

    @rule(a=summaries, b=summaries)
    def merge(self, a, b):
        if sum(a.true.values()) < 2**60 > sum(b.true.values()):
            a.native.merge(b.native)
            a.pure.merge(b.pure)
            a.true = a.true + b.true

    @rule(a=summaries, b=summaries)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)

    @rule(t=summaries)
    def clear(self, t):
        t.each(lambda x: x.clear())
        t.true.clear()

    @rule(target=summaries, t=summaries)
    def copy(self, t):
        return self.keep(t.native.copy(), t.pure.copy(), t.true.copy())

    @rule(t=summaries)
    def cross(self, t):
        """Each continues from the other's bytes."""
        native, pure = t.native.to_bytes(), t.pure.to_bytes()
        t.native = fastblocks.TopK.from_bytes(pure)
        t.pure = fastblocks.pure.TopK.from_bytes(native)

    @rule(t=summaries)
    def pickled(self, t):
        t.native, t.pure = pickle.loads(pickle.dumps((t.native, t.pure)))

    @rule(t=summaries)
    def describe(self, t):
        t.each(repr)
        t.each(bool)
        t.each(lambda x: (len(x), x.total, x.error_bound()))

    @invariant()
    def same_bytes_and_true_bounds(self):
        for t in self.trios:
            assert t.each(lambda x: x.to_bytes())
            hits = t.each(lambda x: x.top())
            assert t.native.total == sum(t.true.values())
            for key, count, error in hits:
                assert count - error <= t.true[canonical(key)] <= count
            bounds = t.native.estimate_many(list(t.true)).tolist()
            slack = t.native.error_bound()
            for true, bound in zip(t.true.values(), bounds, strict=True):
                assert true <= bound <= true + slack


TestTopKMachine = TopKMachine.TestCase
TestTopKMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
