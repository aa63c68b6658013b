"""A state machine: native, pure and a plain set go through the same steps."""

import pickle

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

import fastblocks
import fastblocks.pure

keys = st.one_of(st.integers(0, 200), st.text("abcé", max_size=3), st.binary(max_size=2))
batches = st.lists(keys, max_size=20)


class Trio:
    """The same filter three times: native, pure, and as the set of what was added."""

    def __init__(self, native, pure, members):
        self.native, self.pure, self.members = native, pure, members

    def each(self, step):
        """Apply a step to native and pure; their answers must be equal."""
        a, b = step(self.native), step(self.pure)
        assert a == b
        return a


def canonical(key):
    if isinstance(key, int):
        return key.to_bytes(8, "little")
    return key.encode() if isinstance(key, str) else key


class BloomMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, members):
        trio = Trio(native, pure, members)
        self.trios.append(trio)
        return trio

    @rule(target=filters, n=st.integers(1, 3))
    def new(self, n):
        return multiple(
            *(
                self.keep(
                    *(m.BloomFilter(30, 0.05, seed=4) for m in (fastblocks, fastblocks.pure)), set()
                )
                for _ in range(n)
            )
        )

    @rule(f=filters, key=keys)
    def add(self, f, key):
        f.each(lambda x: x.add(key))
        f.members.add(canonical(key))

    @rule(f=filters, batch=batches)
    def add_many(self, f, batch):
        f.each(lambda x: x.add_many(batch))
        f.members.update(map(canonical, batch))

    @rule(f=filters, batch=batches)
    def contains(self, f, batch):
        many = f.each(lambda x: x.contains_many(batch).tolist())
        assert many == f.each(lambda x: [key in x for key in batch])
        assert all(many[i] for i, key in enumerate(batch) if canonical(key) in f.members)

    @rule(target=filters, a=filters, b=filters)
    def union(self, a, b):
        return self.keep(a.native | b.native, a.pure | b.pure, a.members | b.members)

    @rule(target=filters, a=filters, b=filters)
    def intersection(self, a, b):
        return self.keep(a.native & b.native, a.pure & b.pure, a.members & b.members)

    @rule(a=filters, b=filters)
    def merge(self, a, b):
        a.native.merge(b.native)
        a.pure |= b.pure
        a.members |= b.members

    @rule(a=filters, b=filters)
    def intersect(self, a, b):
        a.native &= b.native
        a.pure &= b.pure
        a.members &= b.members

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)
        assert a.native.issubset(b.native) == a.pure.issubset(b.pure)
        if a.members <= b.members and a is not b and not a.native.issubset(b.native):
            # Only bits left over by an intersection can be more than the members explain.
            assert not a.native.issubset(self.rebuilt(a))

    @rule(f=filters)
    def clear(self, f):
        f.each(lambda x: x.clear())
        f.members.clear()

    @rule(target=filters, f=filters)
    def copy(self, f):
        return self.keep(f.native.copy(), f.pure.copy(), set(f.members))

    @rule(f=filters)
    def cross(self, f):
        """Each continues from the other's bytes."""
        native, pure = f.native.to_bytes(), f.pure.to_bytes()
        f.native = fastblocks.BloomFilter.from_bytes(pure)
        f.pure = fastblocks.pure.BloomFilter.from_bytes(native)

    @rule(f=filters)
    def pickled(self, f):
        f.native, f.pure = pickle.loads(pickle.dumps((f.native, f.pure)))

    @rule(f=filters)
    def describe(self, f):
        f.each(repr)
        f.each(bool)
        f.each(lambda x: (x.fill_ratio, x.approx_len(), x.nbytes))
        np.testing.assert_allclose(
            f.native.expected_fp_rate(), f.pure.expected_fp_rate(), rtol=1e-12
        )

    def rebuilt(self, f):
        result = fastblocks.BloomFilter(30, 0.05, seed=4)
        result.update(f.members)
        return result

    @invariant()
    def same_bits_and_no_false_negatives(self):
        for f in self.trios:
            assert f.each(lambda x: x.to_bytes())
            assert f.native.contains_many(list(f.members)).all()
            assert self.rebuilt(f).issubset(f.native)


TestBloomMachine = BloomMachine.TestCase
TestBloomMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
