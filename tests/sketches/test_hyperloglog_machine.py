"""A state machine: native, pure and a plain set go through the same steps."""

import pickle

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

import fastblocks
import fastblocks.pure
from tests.filters.test_bloom_machine import Trio, canonical

P, LIMIT = 8, 48
keys = st.one_of(st.integers(0, 200), st.text("abcé", max_size=3), st.binary(max_size=2))
batches = st.one_of(
    st.lists(keys, max_size=20), st.builds(range, st.integers(0, 300), st.integers(0, 300))
)


class HyperLogLogMachine(RuleBasedStateMachine):
    sketches = Bundle("sketches")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, members):
        trio = Trio(native, pure, members)
        self.trios.append(trio)
        return trio

    @rule(target=sketches, n=st.integers(1, 3))
    def new(self, n):
        pairs = [(fastblocks.HyperLogLog(P), fastblocks.pure.HyperLogLog(P)) for _ in range(n)]
        return multiple(*(self.keep(*pair, set()) for pair in pairs))

    @rule(s=sketches, key=keys)
    def add(self, s, key):
        s.each(lambda x: x.add(key))
        s.members.add(canonical(key))

    @rule(s=sketches, batch=batches)
    def add_many(self, s, batch):
        s.each(lambda x: x.add_many(batch))
        s.members.update(map(canonical, batch))

    @rule(target=sketches, a=sketches, b=sketches)
    def union(self, a, b):
        return self.keep(a.native | b.native, a.pure | b.pure, a.members | b.members)

    @rule(a=sketches, b=sketches)
    def merge(self, a, b):
        a.native.merge(b.native)
        a.pure |= b.pure
        a.members |= b.members

    @rule(a=sketches, b=sketches)
    def compare(self, a, b):
        equal = a.native == b.native
        assert equal == (a.pure == b.pure)
        assert equal or a.members != b.members

    @rule(s=sketches)
    def clear(self, s):
        s.each(lambda x: x.clear())
        s.members.clear()

    @rule(target=sketches, s=sketches)
    def copy(self, s):
        return self.keep(s.native.copy(), s.pure.copy(), set(s.members))

    @rule(s=sketches)
    def cross(self, s):
        """Each continues from the other's bytes."""
        native, pure = s.native.to_bytes(), s.pure.to_bytes()
        s.native = fastblocks.HyperLogLog.from_bytes(pure)
        s.pure = fastblocks.pure.HyperLogLog.from_bytes(native)

    @rule(s=sketches)
    def pickled(self, s):
        s.native, s.pure = pickle.loads(pickle.dumps((s.native, s.pure)))

    @rule(s=sketches)
    def describe(self, s):
        s.each(repr)
        assert s.each(bool) == bool(s.members)
        s.each(lambda x: (x.estimate(), x.approx_len(), len(x)))

    @invariant()
    def same_bytes_and_nearly_the_set(self):
        for s in self.trios:
            s.each(lambda x: x.to_bytes())
            assert s.each(lambda x: x.sparse) == (len(s.members) <= LIMIT)
            if s.native.sparse:
                assert len(s.native) == len(s.members)
            else:  # five standard errors
                assert abs(len(s.native) / len(s.members) - 1) < 5 * s.native.standard_error


TestHyperLogLogMachine = HyperLogLogMachine.TestCase
TestHyperLogLogMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
