"""Simulation of caches.

On 100,000 requests, native code simulates a cache, a loop runs one of the peers. All that
have LRU, and OPT, must agree with a plain loop to the last hit.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache

from bench.cache.requests import by_zipf
from bench.cache.simulator_libraries import PEERS, Native, Pure, SetFloor, Simulator
from bench.model import Timed, expect, work

LIBRARIES = (Native, Pure, *PEERS, SetFloor)

REQUESTS = 100_000
KEYS = 50_000
SMALL = 20_000
CHECKED = 500  # requests on which OPT is compared with a plain search
OF = "100 k requests, Zipf 1.0, 50 k keys, cache of 2 k; peers: a loop over their cache"


def lru(trace: list[int], size: int) -> float:
    """Return the hit ratio of LRU, plainly."""
    f: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in f:
            hits += 1
            f.move_to_end(key)
        else:
            f[key] = None
            if len(f) > size:
                f.popitem(last=False)
    return hits / len(trace)


def opt(trace: list[int], size: int) -> float:
    """Return the hit ratio of Belady's MIN, plainly; bypassing is not allowed, and never better."""
    ends = len(trace)
    following = [ends] * ends
    seen: dict[int, int] = {}
    for i in range(ends - 1, -1, -1):
        following[i] = seen.get(trace[i], ends)
        seen[trace[i]] = i
    f: dict[int, int] = {}
    hits = 0
    for i, key in enumerate(trace):
        if key in f:
            hits += 1
        elif len(f) == size:
            del f[max(f, key=f.__getitem__)]
        f[key] = following[i]
    return hits / len(trace)


@cache
def expected(policy: str, n: int, size: int) -> float:
    """Return what a plain loop says."""
    trace = by_zipf(n, 1.0, KEYS).tolist()
    return lru(trace, size) if policy == "lru" else opt(trace, size)


def _time(lib: Simulator, timed: Timed, policy: str, quick: bool) -> None:
    if lib.role != "floor" and policy in ("lru", "opt"):
        size = CHECKED // 10
        found = lib.hit_ratio(lib.prepared(by_zipf(CHECKED, 1.0, KEYS)), size, policy)
        expect(found == expected(policy, CHECKED, size), f"hit ratio {found}")
    trace = lib.prepared(by_zipf(SMALL if quick else REQUESTS, 1.0, KEYS)[: lib.max_keys])
    size = len(trace) // 50
    found = lib.hit_ratio(trace, size, policy)
    expect(0 < found < 1, f"hit ratio {found}")
    timed(lambda: lib.hit_ratio(trace, size, policy), items=len(trace), ratio=found)


@work('`simulate(trace, size, "lru")`', OF, unit="request", headline=True, rounds=1)
def bench_lru(lib: Simulator, timed: Timed, quick: bool) -> None:
    """All caches of this policy agree."""
    _time(lib, timed, "lru", quick)


@work('`simulate(trace, size, "w-tinylfu")`', OF, unit="request", headline=True, rounds=1)
def bench_w_tinylfu(lib: Simulator, timed: Timed, quick: bool) -> None:
    """Each has its own."""
    _time(lib, timed, "w-tinylfu", quick)


@work('`simulate(trace, size, "s3-fifo")`', OF, unit="request", rounds=1)
def bench_s3_fifo(lib: Simulator, timed: Timed, quick: bool) -> None:
    """FIFO queues."""
    _time(lib, timed, "s3-fifo", quick)


@work('`simulate(trace, size, "sieve")`', OF, unit="request", rounds=1)
def bench_sieve(lib: Simulator, timed: Timed, quick: bool) -> None:
    """One FIFO queue and a hand."""
    _time(lib, timed, "sieve", quick)


@work('`simulate(trace, size, "opt")`', OF, unit="request", rounds=1)
def bench_opt(lib: Simulator, timed: Timed, quick: bool) -> None:
    """What no policy can pass."""
    _time(lib, timed, "opt", quick)
