"""A state machine: native, pure and a plain dict of times go through the same steps."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import fastblocks
import fastblocks.pure
from tests.filters.clock import Clock

WINDOW = 12_000
keys = st.integers(0, 60)
batches = st.lists(keys, max_size=12)


class Seen:
    """When a key was last added, the latest reading since, and when it is forgotten for certain."""

    def __init__(self, added, latest, gone):
        self.added, self.latest, self.gone = added, latest, gone


class Trio:
    """The same filter three times: native, pure, and as a dict from keys to times."""

    def __init__(self, native, pure, seen):
        self.native, self.pure, self.seen = native, pure, seen

    def each(self, step):
        """Apply a step to native and pure; their answers must be equal."""
        a, b = step(self.native), step(self.pure)
        assert a == b
        return a


class RotatingMachine(RuleBasedStateMachine):
    filters = Bundle("filters")

    def __init__(self):
        super().__init__()
        self.trios = []
        self.clock = Clock(1000 * WINDOW)
        self.top = self.clock.ns  # its latest reading
        self.generations = 2

    @initialize(generations=st.integers(2, 5))
    def choose(self, generations):
        self.generations = generations
        self.period = -(-WINDOW // (generations - 1))

    def keep(self, native, pure, seen):
        self.trios.append(Trio(native, pure, seen))
        return self.trios[-1]

    def make(self, m):
        return m.RotatingBloomFilter(
            40, 1e-5, WINDOW / 10**9, self.generations, seed=4, timer=self.clock
        )

    def refreshed(self):
        return Seen(self.clock.ns, self.clock.ns, self.top + self.generations * self.period)

    def must_hold(self, f, key):
        seen = f.seen.get(key)
        return seen is not None and seen.latest - seen.added <= WINDOW

    def may_hold(self, f, key):
        seen = f.seen.get(key)
        return seen is not None and self.clock.ns < seen.gone

    @rule(target=filters, n=st.integers(1, 2))
    def new(self, n):
        made = [self.keep(self.make(fastblocks), self.make(fastblocks.pure), {}) for _ in range(n)]
        return multiple(*made)

    @rule(periods=st.integers(0, 2), more=st.integers(-2, 2))
    def some_periods_pass(self, periods, more):
        self.set_clock(self.clock.ns + periods * self.period + more)

    @rule(ns=st.integers(-3 * WINDOW, 3 * WINDOW))
    def clock_jumps(self, ns):
        self.set_clock(self.clock.ns + ns)

    def set_clock(self, ns):
        self.clock.ns = ns
        self.top = max(self.top, ns)
        for trio in self.trios:
            for seen in trio.seen.values():
                seen.latest = max(seen.latest, ns)

    @rule(f=filters, key=keys)
    def add(self, f, key):
        new = f.each(lambda x: x.add(key))
        assert not (new and self.must_hold(f, key))
        assert new or self.may_hold(f, key)
        f.seen[key] = self.refreshed()

    @rule(f=filters, batch=batches)
    def add_many(self, f, batch):
        new = f.each(lambda x: x.add_many(batch).tolist())
        for is_new, key in zip(new, batch, strict=True):
            assert not (is_new and self.must_hold(f, key))
            assert is_new or self.may_hold(f, key)
            f.seen[key] = self.refreshed()

    @rule(f=filters, batch=batches)
    def update(self, f, batch):
        f.each(lambda x: x.update(batch))
        f.seen.update((key, self.refreshed()) for key in batch)

    @rule(f=filters)
    def contains(self, f):
        every = list(range(80))
        many = f.each(lambda x: x.contains_many(every).tolist())
        assert many == f.each(lambda x: [key in x for key in every])
        for key in every:
            assert many[key] or not self.must_hold(f, key)
            assert not many[key] or self.may_hold(f, key)

    # Sealing and merging go by the time since a generation began, which is not known while the
    # clock is behind what it said before.
    def on_time(self):
        return self.clock.ns == self.top

    @precondition(on_time)
    @rule(target=filters, a=filters, b=filters)
    def union(self, a, b):
        both = self.keep(a.native | b.native, a.pure | b.pure, dict(a.seen))
        self.merge_seen(both, b)
        return both

    @precondition(on_time)
    @rule(a=filters, b=filters)
    def merge(self, a, b):
        a.native.merge(b.native)
        a.pure |= b.pure
        if a is not b:
            self.merge_seen(a, b)

    def merge_seen(self, a, b):
        for key, theirs in b.seen.items():
            ours = a.seen.get(key, Seen(-(10**18), self.clock.ns, 0))
            added = max(ours.added, theirs.added)
            gone = max(ours.gone, theirs.gone + self.period)
            a.seen[key] = Seen(added, self.clock.ns, gone)

    @rule(a=filters, b=filters)
    def compare(self, a, b):
        assert (a.native == b.native) == (a.pure == b.pure)

    @rule(f=filters)
    def clear(self, f):
        f.each(lambda x: x.clear())
        f.seen.clear()

    @precondition(on_time)
    @rule(target=filters, f=filters)
    def copy(self, f):
        seen = {key: Seen(s.added, s.latest, s.gone) for key, s in f.seen.items()}
        return self.keep(f.native.copy(), f.pure.copy(), seen)

    @precondition(on_time)
    @rule(f=filters)
    def cross(self, f):
        """Each continues from the other's bytes."""
        native, pure = f.native.to_bytes(), f.pure.to_bytes()
        f.native = fastblocks.RotatingBloomFilter.from_bytes(pure, timer=self.clock)
        f.pure = fastblocks.pure.RotatingBloomFilter.from_bytes(native, timer=self.clock)

    @rule(f=filters)
    def describe(self, f):
        f.each(repr)
        f.each(bool)
        f.each(lambda x: (x.fill_ratio, x.approx_len(), x.nbytes))
        np.testing.assert_allclose(
            f.native.expected_fp_rate(), f.pure.expected_fp_rate(), rtol=1e-12
        )

    @invariant()
    def same_bytes(self):
        for f in self.trios:
            assert f.each(lambda x: x.to_bytes())


TestRotatingMachine = RotatingMachine.TestCase
TestRotatingMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
