"""Hit ratios: each policy of fastblocks, those of other libraries, and the best there can be.

A request is a get, and a set if it missed. Policies of fastblocks are simulated, which gives what a
`Cache` has; caches of other libraries run. OPT is Belady's MIN, which knows the future.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bench import data
from bench.cache import cache_libraries as caches
from bench.cache.requests import KEYS, SIZE, STREAMS
from bench.data import UINT64
from bench.model import Record, Role, Timed, expect, work

REQUESTS = 20_000
SMALL = 5_000
CHECKED = 2_000  # requests for which a simulation is compared with a cache
SHARES = (0.01, 0.03, 0.1, 0.3)  # of the keys


class Policy(caches.Native):
    """A policy of fastblocks.

    Attributes
    ----------
    policy : str
        Its name.
    near : float
        How far a simulation may be from a cache, which hashes keys otherwise.
    """

    near: ClassVar[float] = 0.05
    policy: ClassVar[str] = "w-tinylfu"

    def make(self, size: int, kind: str = caches.BEST) -> Any:
        """Return a cache with it."""
        return self.api.Cache(size, policy=self.policy, seed=0)

    def ratio(self, trace: UINT64, size: int) -> float:
        """Simulate."""
        start = trace[:CHECKED]
        found = self.hits(self.make(size), start.tolist(), size)
        simulated = float(self.api.simulate(start, size, self.policy))
        apart = abs(simulated - found / len(start))
        expect(apart <= self.near, f"{found} hits of {len(start)}, simulated {simulated}")
        return float(self.api.simulate(trace, size, self.policy))


class WTinyLfu(Policy):
    """The default."""

    name = "w-tinylfu"


class Lru(Policy):
    """Least recently used."""

    name = policy = "lru"
    near = 0.0


class S3Fifo(Policy):
    """Three FIFO queues."""

    name = policy = "s3-fifo"


class Sieve(Policy):
    """A FIFO queue and a hand."""

    name = policy = "sieve"
    near = 0.0


class Opt(Policy):
    """The bound."""

    name = "OPT"
    role: ClassVar[Role] = "floor"

    def ratio(self, trace: UINT64, size: int) -> float:
        """There is no cache that knows the future."""
        return float(self.api.simulate(trace, size, "opt"))


class Lfu(caches.CacheBox):
    """Least frequently used, without forgetting."""

    name = "cachebox LFU"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {caches.BEST: ("LFUCache", {})}


class CacheBox(caches.CacheBox):
    """Its LRU."""

    name = "cachebox LRU"


POLICIES = (WTinyLfu, Lru, S3Fifo, Sieve, caches.Moka, caches.Theine, Lfu, Opt)
ALL_LRU = (CacheBox, caches.LruDict, caches.CacheTools)  # their hit ratio is that of ours
LIBRARIES = (*POLICIES, *ALL_LRU)


def _names(*libraries: type[caches.Cache]) -> tuple[str, ...]:
    return tuple(library.name for library in libraries)


def _hit_ratio(lib: caches.Cache, trace: UINT64, size: int) -> float:
    """Return the share of hits; expect right values and a bound that holds."""
    if isinstance(lib, Policy):
        return lib.ratio(trace, size)
    return lib.hits(lib.make(size), trace.tolist(), size) / len(trace)


def _curve(name: str, title: str, trace: Callable[[], UINT64]) -> Any:
    """Return a work: the hit ratios on a trace against the size of the cache."""

    def bench(lib: caches.Cache, record: Record, point: float, quick: bool) -> None:
        requests = trace()[: SMALL if quick else None]
        size = max(1, round(point * len(np.unique(requests))))
        record(entries=size, ratio=_hit_ratio(lib, requests, size))

    bench.__name__ = f"bench_{name}"
    mark = work(
        f"Hit ratio against size, {title}",
        "by share of the keys that fit",
        chart="curve",
        axes=("entries", "ratio"),
        points=SHARES,
        rounds=1,
        libraries=_names(*POLICIES),
    )
    return mark(bench)


CURVES = [
    *(
        _curve(f"stream_{i}", name, partial(make, REQUESTS))
        for i, (name, make) in enumerate(STREAMS.items())
    ),
    *(
        _curve(f"trace_{i}", name, partial(data.trace, name))
        for i, name in enumerate(data.trace_names())
    ),
]
globals().update({bench.__name__: bench for bench in CURVES})


@work(
    "Hit ratio against time",
    f"get or set, Zipf 0.7, {KEYS // 1000} k keys, cache of {SIZE // 1000} k; time per request",
    chart="curve",
    axes=("ns", "ratio"),
    points=(SIZE / KEYS,),
    rounds=1,
    libraries=_names(*(library for library in LIBRARIES if library is not Opt)),
)
def bench_speed(lib: caches.Cache, timed: Timed, point: float, quick: bool) -> None:
    """One point for each cache: up is better, and left."""
    trace = STREAMS["Zipf 0.7"](SMALL if quick else REQUESTS)
    keys, f = trace.tolist(), lib.make(SIZE)
    lib.hits(f, keys, SIZE)
    hits = lib.hits(f, keys, SIZE)
    f = lib.make(SIZE)
    lib.run(f, keys)
    timed(lambda: lib.run(f, keys), items=len(keys), ratio=hits / len(keys))
