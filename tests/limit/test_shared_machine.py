"""SharedMemory answers as the strategies say: native, pure, and those by themselves."""

import itertools
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks.limit
import fastblocks.pure.limit
from fastblocks._core.rates import decision
from fastblocks.pure.limit.strategies import judge

IMPLS = [fastblocks.limit, fastblocks.pure.limit]
MAKE = {
    "FixedWindow": lambda m, rate, **options: m.FixedWindow(rate, **options),
    "SlidingWindow": lambda m, rate, **options: m.SlidingWindow(rate, **options),
    "SlidingWindowCounter": lambda m, rate, **options: m.SlidingWindowCounter(rate, **options),
    "LeakyBucket": lambda m, rate, **options: m.LeakyBucket(rate, **options),
    "TokenBucket": lambda m, rate, **options: m.TokenBucket(3, 7, **options),
}
RATES = ["4/7second", "2/s;5/7second;9/minute", "1/s"]

arrivals = st.lists(
    st.tuples(
        st.sampled_from(["allow", "hit", "hit", "hit", "peek", "reset", "many"]),
        st.integers(0, 12),
        st.integers(1, 5),
        st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 3.3, 20.0, -0.7, -30.0]),
    ),
    max_size=60,
)


def play(limiter, clock, arrivals):
    for call, key, cost, step in arrivals:
        clock[0] += step
        if call == "many":
            yield limiter.allow_many([key, key, key + 1], cost).tolist()
        elif call in ("allow", "hit"):
            yield getattr(limiter, call)(key, cost)
        else:
            yield getattr(limiter, call)(key)
        storage = limiter.storage
        yield len(storage), storage.evicted


@pytest.mark.parametrize("strategy", MAKE)
@given(arrivals=arrivals, rate=st.sampled_from(RATES), max_keys=st.sampled_from([1, 3, 5, 32, 200]))
def test_native_and_pure_decide_alike(strategy, arrivals, rate, max_keys):
    with tempfile.TemporaryDirectory() as folder:
        answers = []
        for module in IMPLS:
            clock = [100.0]
            path = f"{folder}/{module.__name__}"
            with module.SharedMemory(path, max_keys, seed=5) as storage:
                timer = lambda clock=clock: clock[0]  # noqa: E731
                limiter = MAKE[strategy](module, rate, storage=storage, timer=timer)
                answers.append(list(play(limiter, clock, arrivals)))
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("module", "strategy"), list(itertools.product(IMPLS, MAKE)), ids=lambda value: str(value)
)
@given(arrivals=arrivals, rate=st.sampled_from(RATES))
def test_it_decides_as_the_strategies_say(module, strategy, arrivals, rate):
    clock = [100.0]
    states = dict.fromkeys(range(14))
    with (
        tempfile.TemporaryDirectory() as folder,
        module.SharedMemory(f"{folder}/x", 200) as storage,
    ):
        limiter = MAKE[strategy](module, rate, storage=storage, timer=lambda: clock[0])
        twin = MAKE[strategy](fastblocks.pure.limit, rate)
        kind, rules = twin._KIND, twin._rules

        def expected(key, cost, spend=True):
            now = round(clock[0] * 1e9)
            verdict, states[key] = judge(kind, rules, states[key], now, cost, spend)
            return decision(*verdict[:5])

        for key in states:  # so that no key is new any more, and none is forgotten as whole again
            assert limiter.hit(key) == expected(key, 1)
        for call, key, cost, step in arrivals:
            clock[0] += step
            if call == "many":
                wanted = [expected(k, cost).allowed for k in (key, key, key + 1)]
                assert limiter.allow_many([key, key, key + 1], cost).tolist() == wanted
            elif call == "peek":
                assert limiter.peek(key) == expected(key, 1, False)
            else:
                assert limiter.hit(key, cost) == expected(key, cost)
