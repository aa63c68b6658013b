"""One trace of arrivals: every storage answers the same, to the last field.

The digests are a promise: what a limiter decided yesterday it decides tomorrow.
"""

import json
import pathlib

import pytest

import fastblocks
import fastblocks.pure
from tests.limit.trace import LONG, SHORT, TRACES, arrivals, digest

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "limit_trace.json"

# Each: the package whose limiters are asked, how many arrivals, and what makes the storage.
STORAGES = {
    "native-memory": (fastblocks, LONG, lambda path: fastblocks.limit.Memory()),
    "pure-memory": (fastblocks.pure, SHORT, lambda path: fastblocks.pure.limit.Memory()),
    "native-on-pure-memory": (fastblocks, SHORT, lambda path: fastblocks.pure.limit.Memory()),
    "pure-on-native-memory": (fastblocks.pure, SHORT, lambda path: fastblocks.limit.Memory()),
}


def decisions(impl, storage, trace, n):
    name, args = TRACES[trace]
    now = 0
    limiter = getattr(impl.limit, name)(*args, storage=storage, timer=lambda: now / 1e9)
    for key, at, cost in arrivals(n):
        now = at
        yield limiter.hit(f"key {key}", cost)


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("storage", STORAGES)
def test_decisions_are_pinned(storage, trace, tmp_path):
    impl, n, make = STORAGES[storage]
    expected = json.loads(GOLDEN.read_text())[trace]
    found = list(decisions(impl, make(tmp_path / "storage"), trace, n))
    assert sum(decision.allowed for decision in found[:SHORT]) == expected["allowed"]
    assert digest(found[:SHORT]) == expected["short"]
    assert n == SHORT or digest(found) == expected["long"]


@pytest.mark.parametrize("trace", TRACES)
def test_batches_decide_the_same(trace):
    """`allow_many` admits whom `hit` admits, calls of one time together."""
    name, args = TRACES[trace]
    now = 0
    make = getattr(fastblocks.limit, name)
    one, many = (make(*args, timer=lambda: now / 1e9) for _ in range(2))
    calls = [(key, at // 10**9 * 10**9, cost) for key, at, cost in arrivals(SHORT)]
    at = 0
    while at < len(calls):
        now = calls[at][1]
        end = at
        while end < len(calls) and calls[end][1] == now:
            end += 1
        keys, _, costs = zip(*calls[at:end], strict=True)
        expected = [one.allow(*call) for call in zip(keys, costs, strict=True)]
        assert many.allow_many(keys, costs).tolist() == expected
        at = end
    assert one.stats() == many.stats()
    assert sorted(one.top_denied()) == sorted(many.top_denied())
