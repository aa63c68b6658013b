"""A state machine: native, pure and a plain set go through the same steps."""

import os
import pickle
import tempfile

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import fastblocks
import fastblocks.pure
from tests.filters.test_bloom_machine import Trio, batches, canonical, keys


class ScalableBloomMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []

    def keep(self, native, pure, members):
        trio = Trio(native, pure, members)
        self.trios.append(trio)
        return trio

    @rule(target=filters)
    def new(self):
        modules = fastblocks, fastblocks.pure
        return self.keep(*(m.ScalableBloomFilter(3, 0.05, seed=4) for m in modules), set())

    @rule(f=filters, key=keys)
    def add(self, f, key):
        f.each(lambda x: x.add(key))
        f.members.add(canonical(key))

    @rule(f=filters, batch=batches)
    def add_many(self, f, batch):
        f.each(lambda x: x.add_many(batch))
        f.members.update(map(canonical, batch))

    @rule(f=filters, first=st.integers(1000, 2000), n=st.integers(0, 300))
    def add_array(self, f, first, n):
        f.each(lambda x: x.add_many(np.arange(first, first + n)))
        f.members.update(map(canonical, range(first, first + n)))

    @rule(f=filters, batch=batches)
    def contains(self, f, batch):
        many = f.each(lambda x: x.contains_many(batch).tolist())
        assert many == f.each(lambda x: [key in x for key in batch])
        assert all(many[i] for i, key in enumerate(batch) if canonical(key) in f.members)

    def together(self, step):
        """Steps on both; they may refuse when there are too many slices."""

        def outcome(which):
            try:
                return step(which)
            except fastblocks.FilterFullError as error:
                return str(error)

        native, pure = outcome("native"), outcome("pure")
        assert isinstance(native, str) == isinstance(pure, str)
        if isinstance(native, str):
            assert native == pure
        return native, pure

    @rule(target=filters, a=filters, b=filters)
    def union(self, a, b):
        native, pure = self.together(lambda which: getattr(a, which) | getattr(b, which))
        if isinstance(native, str):
            return a
        return self.keep(native, pure, a.members | b.members)

    @rule(a=filters, others=st.lists(filters, max_size=3))
    def merge(self, a, others):
        native, _ = self.together(
            lambda which: getattr(a, which).merge(*(getattr(b, which) for b in others))
        )
        if not isinstance(native, str):
            a.members.update(*(b.members for b in others))

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)

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
        f.native = fastblocks.ScalableBloomFilter.from_bytes(pure)
        f.pure = fastblocks.pure.ScalableBloomFilter.from_bytes(native)

    @rule(f=filters)
    def pickled(self, f):
        f.native, f.pure = pickle.loads(pickle.dumps((f.native, f.pure)))

    @rule(f=filters, batch=batches, clear=st.booleans())
    def mapped(self, f, batch, clear):
        """Changed in a file, where it cannot grow."""
        with tempfile.TemporaryDirectory() as folder:

            def change(which):
                x, path = getattr(f, which), os.path.join(folder, which)
                x.save(path)
                y = type(x).open(path, "r+")
                setattr(f, which, y.copy())
                if clear:
                    y.clear()
                    setattr(f, which, y.copy())
                y.add_many(batch)
                setattr(f, which, y.copy())

            outcome, _ = self.together(change)
        if clear:
            f.members.clear()
        if not isinstance(outcome, str):
            f.members.update(map(canonical, batch))

    @rule(f=filters)
    def describe(self, f):
        f.each(repr)
        f.each(bool)
        f.each(lambda x: (x.fill_ratio, x.approx_len(), x.nbytes, x.slices, x.capacity))
        np.testing.assert_allclose(
            f.native.expected_fp_rate(), f.pure.expected_fp_rate(), rtol=1e-12, atol=1e-15
        )

    @invariant()
    def same_bits_and_no_false_negatives(self):
        for f in self.trios:
            assert f.each(lambda x: x.to_bytes())
            assert f.native.contains_many(list(f.members)).all()
            assert f.native.approx_len() <= f.native.capacity


TestScalableBloomMachine = ScalableBloomMachine.TestCase
TestScalableBloomMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
