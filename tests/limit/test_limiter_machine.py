"""Random sequences of everything: native and pure limiters do not come apart."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import fastblocks
import fastblocks.pure

LIMITERS = [
    ("FixedWindow", ("3/10s",)),
    ("FixedWindow", ("3/s;10/7s",)),
    ("SlidingWindow", ("3/10s",)),
    ("SlidingWindow", ("5/3s;9/10s",)),
    ("SlidingWindowCounter", ("7/10s",)),
    ("SlidingWindowCounter", ("3/s;20/13s",)),
    ("LeakyBucket", ("5/7second",)),
    ("LeakyBucket", ("7/3s", 2)),
    ("LeakyBucket", ("3/s;11/7s",)),
    ("TokenBucket", (0.7, 4)),
    ("TokenBucket", (1000000.5, 3000000)),
]
KEYS = st.integers(0, 30)
COSTS = st.sampled_from([1, 1, 1, 2, 3, 5, 11, 2**32 - 1])


def answer(call, limiter):
    try:
        return call(limiter)
    except fastblocks.limit.LimiterFullError as error:
        return str(error)


class Limiters(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ns = 0

    @initialize(
        which=st.sampled_from(LIMITERS),
        max_keys=st.sampled_from([1, 2, 3, 20, 1000]),
        on_full=st.sampled_from(["deny", "allow", "raise"]),
        start=st.sampled_from([0, -50, 10**6]),
    )
    def make(self, which, max_keys, on_full, start):
        self.ns = start * 10**9
        self.name, self.args = which
        storages = [
            impl.limit.Memory(max_keys, on_full=on_full, seed=7)
            for impl in (fastblocks, fastblocks.pure)
        ]
        self.use(storages)

    def use(self, storages):
        self.limiters = [
            getattr(impl.limit, self.name)(*self.args, storage=storage, timer=self.timer)
            for impl, storage in zip((fastblocks, fastblocks.pure), storages, strict=True)
        ]

    def timer(self):
        return self.ns / 1e9

    def both(self, call):
        native, pure = (answer(call, limiter) for limiter in self.limiters)
        assert native == pure
        assert self.limiters[0].stats() == self.limiters[1].stats()

    @rule(key=KEYS, cost=COSTS, n=st.integers(1, 4))
    def hit(self, key, cost, n):
        for _ in range(n):
            self.both(lambda limiter: limiter.hit(key, cost))

    @rule(key=KEYS, cost=COSTS)
    def allow(self, key, cost):
        self.both(lambda limiter: limiter.allow(key, cost))

    @rule(key=KEYS)
    def peek(self, key):
        self.both(lambda limiter: limiter.peek(key))

    @rule(key=KEYS)
    def reset(self, key):
        self.both(lambda limiter: limiter.reset(key))

    @rule(calls=st.lists(st.tuples(KEYS, COSTS), max_size=20))
    def allow_many(self, calls):
        keys, costs = [key for key, _ in calls], [cost for _, cost in calls]
        self.both(lambda limiter: limiter.allow_many(keys, costs).tolist())

    @rule(ns=st.sampled_from([1, 10**6, 3 * 10**8, 10**9, 25 * 10**8, 11 * 10**9]))
    def go_on(self, ns):
        self.ns += ns

    @rule(ns=st.sampled_from([1, 5 * 10**8, 3 * 10**9, 20 * 10**9]))
    def set_back(self, ns):
        self.ns -= ns

    @rule()
    def reload(self):
        native, pure = (limiter.storage.to_bytes() for limiter in self.limiters)
        assert native == pure
        self.use(
            [
                fastblocks.limit.Memory.from_bytes(pure),
                fastblocks.pure.limit.Memory.from_bytes(native),
            ]
        )

    @rule()
    def top_denied(self):
        self.both(lambda limiter: sorted(limiter.top_denied(600)))


TestLimiters = Limiters.TestCase
TestLimiters.settings = settings(max_examples=120, stateful_step_count=40)
