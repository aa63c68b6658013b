"""Hit ratios of a cache on a trace, in plain Python; see csrc/cache/simulate.c."""

from __future__ import annotations

from typing import Any

from fastblocks._core import traces

from .policy import POLICIES, Entry

__all__ = ["simulate"]

M64 = 2**64 - 1


def hash_of(key: int, seed: int) -> int:
    """The hash that the policy is given for a key: a bijection for each seed."""
    h = ((key ^ seed) + 0x9E3779B97F4A7C15) & M64
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & M64
    h = (h ^ h >> 27) * 0x94D049BB133111EB & M64
    return h ^ h >> 31


class Cached(Entry):
    """An entry that knows its key."""

    __slots__ = ("key",)

    def __init__(self, key: int, hash: int) -> None:
        super().__init__(hash, 1)
        self.key = key


def hits_of_policy(keys: list[int], size: int, name: str, seed: int) -> int:
    policy = POLICIES[name](size, seed)
    cached: dict[int, Cached] = {}
    hits = 0
    for key in keys:
        if key in cached:
            hits += 1
            policy.hit(cached[key])
            continue
        cached[key] = Cached(key, hash_of(key, seed))
        policy.enter(cached[key])
        while (victim := policy.victim()) is not None:
            del cached[victim.key]
    return hits


def hits_of_opt(keys: list[int], size: int) -> int:
    """Belady's MIN: evicts the key that is requested last, those first that never are."""
    following = [len(keys)] * len(keys)  # the next request for the same key
    latest: dict[int, int] = {}
    for i, key in enumerate(keys):
        if key in latest:
            following[latest[key]] = i
        latest[key] = i
    cached: dict[int, int] = {}  # key -> its next request
    hits = 0
    for key, after in zip(keys, following, strict=True):
        if key in cached:
            hits += 1
        elif len(cached) == size:
            del cached[max(cached, key=cached.__getitem__)]
        cached[key] = after
    return hits


def simulate(trace: Any, sizes: Any, policy: str = "w-tinylfu", seed: int = 0) -> Any:
    """Return the hit ratios of caches on a trace; see `fastblocks.cache.simulate`."""
    given = traces.simulation(trace, sizes, policy, seed)
    keys = given.keys.tolist()
    if given.policy == "opt":
        return given.hit_ratios([hits_of_opt(keys, size) for size in given.sizes])
    run = given.policy, given.seed
    return given.hit_ratios([hits_of_policy(keys, size, *run) for size in given.sizes])
