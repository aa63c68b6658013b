"""Limits in shared memory.

Processes that share limits, without a server, each calling as fast as it can; nanoseconds are of
all calls together, so that a number that halves with twice the processes is ideal. All calls pass,
the costlier case. `limits`, `throttled-py` and `token-bucket` have no such storage.
"""

from __future__ import annotations

import functools

from bench.limit.shared_libraries import (
    Manager,
    Native,
    Pure,
    PyrateMultiprocess,
    PyrateSQLite,
    Shared,
)
from bench.model import Timed, expect, work

LIBRARIES = (Native, Pure, PyrateMultiprocess, PyrateSQLite, Manager)

CALLS = 200_000
DETAIL = "each as fast as it can"


@functools.cache
def _passed(lib: Shared) -> int:
    """How many of 120 calls by two processes pass a limit of 100."""
    with lib.workers(2, ["ann"] * 60, 100) as (go, passed):
        go()
        return sum(passed)


def hammer(lib: Shared, timed: Timed, quick: bool, processes: int, keys: int) -> None:
    """First check that exactly the limit passes."""
    expect(_passed(lib) == 100, f"{_passed(lib)} of 100 passed")
    calls = min(lib.calls, CALLS // 20 if quick else CALLS)
    names = [f"key {i % keys}" for i in range(calls)]
    with lib.workers(processes, names, 1_000_000_000) as (go, _):
        timed(go, items=processes * calls)


@work("`allow(key)`, 1 process", f"one key, {DETAIL}", unit="call", headline=True, rounds=2)
def bench_one_key_alone(lib: Shared, timed: Timed, quick: bool) -> None:
    """Nobody else."""
    hammer(lib, timed, quick, 1, 1)


@work("`allow(key)`, 2 processes", f"one key, {DETAIL}", unit="call", rounds=2)
def bench_one_key_two(lib: Shared, timed: Timed, quick: bool) -> None:
    """Two on one key."""
    hammer(lib, timed, quick, 2, 1)


@work("`allow(key)`, 4 processes", f"one key, {DETAIL}", unit="call", headline=True, rounds=2)
def bench_one_key_four(lib: Shared, timed: Timed, quick: bool) -> None:
    """Four on one key."""
    hammer(lib, timed, quick, 4, 1)


@work("`allow(key)`, 1 process", f"1000 keys, {DETAIL}", unit="call", rounds=2)
def bench_many_keys_alone(lib: Shared, timed: Timed, quick: bool) -> None:
    """Nobody else."""
    hammer(lib, timed, quick, 1, 1000)


@work("`allow(key)`, 2 processes", f"1000 keys, {DETAIL}", unit="call", rounds=2)
def bench_many_keys_two(lib: Shared, timed: Timed, quick: bool) -> None:
    """Two on the same keys."""
    hammer(lib, timed, quick, 2, 1000)


@work("`allow(key)`, 4 processes", f"1000 keys, {DETAIL}", unit="call", rounds=2)
def bench_many_keys_four(lib: Shared, timed: Timed, quick: bool) -> None:
    """Four on the same keys."""
    hammer(lib, timed, quick, 4, 1000)
