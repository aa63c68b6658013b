"""Random sequences of everything: native, pure and a naive LRU do not come apart.

FASTBLOCKS_OPERATIONS=10000000 in the environment makes the long ones so long, in all.
"""

import os
from math import ceil

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fastblocks._core.caches import POLICIES
from tests.cache.side_by_side import CLOCK, COPIES, OPERATIONS, SECOND, TIMES, Side, run

NAMES = [name for name, (often, _) in OPERATIONS.items() for _ in range(ceil(often))]
KEYS = [*range(15), "a", "b", (1, 2), 1.5, None, -1, -2]
LIVES = [None, None, None, 1e-9, 1e-3, 1.0, 7.0, 100.0]
TAGS = [(), (), ("x",), ("x", b"y"), (3,)]
SIZES = [1, 2, 3, 8, 12, 30]
STEPS = [0, 0, 1, 10**5, 2**20, 3 * 2**20, 10**8, SECOND, 3 * SECOND, 50 * SECOND]


LONG = int(os.environ.get("FASTBLOCKS_OPERATIONS", 0)) // (len(POLICIES) * 2 * len(TIMES) * 3)


class Caches(RuleBasedStateMachine):
    """Hypothesis finds short sequences."""

    side = None

    @initialize(
        policy=st.sampled_from(POLICIES),
        maxsize=st.sampled_from(SIZES),
        weighted=st.booleans(),
        times=st.sampled_from(TIMES),
        reenter=st.booleans(),
        told=st.booleans(),
        seed=st.integers(0, 2**64 - 1),
    )
    def make(self, policy, maxsize, weighted, times, reenter, told, seed):
        self.side = Side(policy, maxsize, weighted, reenter and told, told, seed=seed, **times)

    def teardown(self):
        if self.side is not None:
            self.side.drain()

    @rule(
        name=st.sampled_from(NAMES),
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12),
        value=st.integers(0, 9),
        ttl=st.sampled_from(LIVES),
        tags=st.sampled_from(TAGS),
        maxsize=st.sampled_from(SIZES),
    )
    def operate(self, name, keys, value, ttl, tags, maxsize):
        for key in keys:
            self.side.all(lambda c: OPERATIONS[name][1](c, key, value, ttl, tags, maxsize))  # noqa: B023

    @rule(ns=st.sampled_from(STEPS), sign=st.sampled_from([1, 1, -1]))
    def clock(self, ns, sign):
        CLOCK.ns += sign * ns

    @rule(how=st.sampled_from(COPIES))
    def copy(self, how):
        self.side.copy(how)

    @rule()
    def compare(self):
        self.side.compare()


TestCaches = Caches.TestCase
TestCaches.settings = settings(max_examples=200, stateful_step_count=30)


@pytest.mark.parametrize("times", TIMES, ids=["no times", "ttl", "ttl and tti"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("size", [3, 40, 1500])
def test_long_sequences(policy, size, weighted, times):
    """The same, at random, over many requests."""
    evicted = run(policy, size, weighted, times, n=LONG or max(1500, 2 * size), seed=1)
    assert evicted > 0 or size > 40


@pytest.mark.parametrize("size", [1, 3, 40, 300])
def test_long_sequences_that_nobody_is_told_of(policy, size):
    evicted = run(policy, size, False, TIMES[0], n=LONG or max(1500, 8 * size), seed=2, told=False)
    assert evicted > 0 or size > 40
