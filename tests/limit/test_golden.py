"""One trace of arrivals: every storage answers the same, to the last field.

The digests are a promise: what a limiter decided yesterday it decides tomorrow.
"""

import contextlib
import functools
import json
import pathlib

import pytest

import fastblocks
import fastblocks.pure
from bench.limit.server import Server
from fastblocks._core.rates import decision
from tests.limit.conftest import PROGRAMS
from tests.limit.trace import LONG, SHORT, STRATEGIES, TRACES, arrivals, digest

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "limit_trace.json"
CALLS = functools.cache(lambda: list(arrivals(LONG)))


@contextlib.contextmanager
def on_a_server(program):
    with Server(program) as server:
        yield fastblocks.limit.Redis(server.url, on_error="raise", timeout=60)


# Each: the package whose limiters are asked, and what makes the storage, in a folder.
STORAGES = {
    "memory": (fastblocks, lambda folder: fastblocks.limit.Memory()),
    "pure-memory": (fastblocks.pure, lambda folder: fastblocks.pure.limit.Memory()),
    "shared": (fastblocks, lambda folder: fastblocks.limit.SharedMemory(folder / "shared")),
    **{
        program: (fastblocks, lambda folder, program=program: on_a_server(PROGRAMS[program]))
        for program in PROGRAMS
    },
}
FAST = ("memory", "shared")
CROSSED = {
    "pure-shared": (
        fastblocks.pure,
        lambda folder: fastblocks.pure.limit.SharedMemory(folder / "s"),
    ),
    "native-on-pure-memory": (fastblocks, lambda folder: fastblocks.pure.limit.Memory()),
    "pure-on-native-memory": (fastblocks.pure, lambda folder: fastblocks.limit.Memory()),
}


def decisions(impl, storage, trace, n):
    """What a limiter says to each of n arrivals, each at its time."""
    name, args = TRACES[trace]
    now = 0
    limiter = getattr(impl.limit, name)(*args, storage=storage, timer=lambda: now / 1e9)
    calls = ((f"key {key}", at, cost) for key, at, cost in CALLS()[:n])
    if hasattr(storage, "decide_many"):  # a round trip for each would take too long
        told = ((storage.token(key), at, cost) for key, at, cost in calls)
        yield from (decision(*verdict[:5]) for verdict in storage.decide_many(told))
        return
    for key, at, cost in calls:
        now = at
        yield limiter.hit(key, cost)


def assert_golden(of, trace, n, folder):
    impl, make = of
    expected = json.loads(GOLDEN.read_text())[trace]
    with contextlib.ExitStack() as stack:
        storage = make(folder)
        if hasattr(storage, "__enter__"):
            storage = stack.enter_context(storage)
        found = list(decisions(impl, storage, trace, n))
    assert sum(decision.allowed for decision in found[:SHORT]) == expected["allowed"]
    assert digest(found[:SHORT]) == expected["short"]
    assert n == SHORT or digest(found) == expected["long"]


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("storage", STORAGES)
def test_decisions_are_pinned(storage, trace, tmp_path):
    n = LONG if storage in FAST or trace in STRATEGIES else SHORT
    assert_golden(STORAGES[storage], trace, n, tmp_path)


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("storage", CROSSED)
def test_any_package_on_any_storage(storage, trace, tmp_path):
    assert_golden(CROSSED[storage], trace, SHORT, tmp_path)


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
