"""A state machine: native, pure and a plain set go through the same steps."""

import pickle

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure
from tests.filters.test_bloom_machine import Trio, canonical

keys = st.one_of(st.integers(0, 200), st.text("abcé", max_size=3), st.binary(max_size=2))
batches = st.lists(keys, max_size=40)


class BinaryFuseMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, members):
        trio = Trio(native, pure, frozenset(members))
        self.trios.append(trio)
        return trio

    @rule(target=filters, batch=batches, bits=st.sampled_from([8, 16, 32]), seed=st.integers(0, 2))
    def new(self, batch, bits, seed):
        native, pure = (
            m.BinaryFuseFilter(batch, bits, seed=seed) for m in (fastblocks, fastblocks.pure)
        )
        return self.keep(native, pure, map(canonical, batch))

    @rule(target=filters, f=filters, batch=batches)
    def rebuilt_with_more(self, f, batch):
        members = f.members.union(map(canonical, batch))
        native, pure = (
            m.BinaryFuseFilter(members, f.native.bits, seed=f.native.seed)
            for m in (fastblocks, fastblocks.pure)
        )
        return self.keep(native, pure, members)

    @rule(f=filters, batch=batches)
    def contains(self, f, batch):
        many = f.each(lambda x: x.contains_many(batch).tolist())
        assert many == f.each(lambda x: [key in x for key in batch])
        assert all(many[i] for i, key in enumerate(batch) if canonical(key) in f.members)
        assert f.members or not any(many)

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        same = (a.native.bits, a.native.seed, a.members) == (
            b.native.bits,
            b.native.seed,
            b.members,
        )
        assert (a.native == b.native) == (a.pure == b.pure) == same

    @rule(target=filters, f=filters)
    def copy(self, f):
        return self.keep(f.native.copy(), f.pure.copy(), f.members)

    @rule(f=filters)
    def cross(self, f):
        """Each continues from the other's bytes."""
        native, pure = f.native.to_bytes(), f.pure.to_bytes()
        f.native = fastblocks.BinaryFuseFilter.from_bytes(pure)
        f.pure = fastblocks.pure.BinaryFuseFilter.from_bytes(native)

    @rule(f=filters)
    def pickled(self, f):
        f.native, f.pure = pickle.loads(pickle.dumps((f.native, f.pure)))

    @rule(f=filters)
    def describe(self, f):
        assert f.each(len) == len(f.members)
        assert f.each(bool) == bool(f.members)
        f.each(repr)
        f.each(lambda x: (x.bits, x.seed, x.fp_rate, x.nbytes))

    @invariant()
    def same_bytes_and_no_false_negatives(self):
        for f in self.trios:
            assert f.each(lambda x: x.to_bytes())
            assert f.native.contains_many(list(f.members)).all()


TestBinaryFuseMachine = BinaryFuseMachine.TestCase
TestBinaryFuseMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
