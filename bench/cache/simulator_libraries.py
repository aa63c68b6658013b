"""Simulated caches: by fastblocks, or by a loop over a cache of another library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from bench.data import UINT64
from bench.model import Library, Role, Unsupported


class Simulator(Library):
    """What all have in common.

    Attributes
    ----------
    caches : dict
        Of the policies it has, the class of the cache.
    """

    caches: ClassVar[dict[str, str]] = {}

    def prepared(self, trace: UINT64) -> Any:
        """Return the trace in the form `hit_ratio` takes."""
        return trace.tolist()

    def hit_ratio(self, trace: Any, size: int, policy: str) -> float:
        """Return the share of requests that are hits."""
        if policy not in self.caches:
            raise Unsupported(f"no {policy}")
        return self.loop(getattr(self.api, self.caches[policy])(size), trace)

    def loop(self, f: Any, trace: Sequence[int]) -> float:
        """Get or set each key, and count."""
        get = f.get
        hits = 0
        for key in trace:
            if get(key) is None:
                f[key] = True
            else:
                hits += 1
        return hits / len(trace)


class Native(Simulator):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.cache"
    distribution = "fastblocks"

    def prepared(self, trace: UINT64) -> Any:
        """As it is."""
        return trace

    def hit_ratio(self, trace: Any, size: int, policy: str) -> float:
        """Ask."""
        return float(self.api.simulate(trace, size, policy))


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.cache"
    max_keys = 500


class CacheBox(Simulator):
    """A loop over a cache of cachebox."""

    name = "cachebox, loop"
    module = "cachebox"
    distribution = "cachebox"
    caches: ClassVar[dict[str, str]] = {"lru": "LRUCache"}


class LruDict(Simulator):
    """A loop over lru-dict."""

    name = "lru-dict, loop"
    module = "lru"
    distribution = "lru-dict"
    caches: ClassVar[dict[str, str]] = {"lru": "LRU"}


class Theine(Simulator):
    """A loop over theine."""

    name = "theine, loop"
    module = "theine"
    distribution = "theine"
    max_keys = 10_000

    def hit_ratio(self, trace: Any, size: int, policy: str) -> float:
        """It has a W-TinyLFU of its own."""
        if policy != "w-tinylfu":
            raise Unsupported(f"no {policy}")
        f = self.api.Cache(size, nolock=True)
        get, put = f.get, f.set
        hits = 0
        for key in trace:
            _, found = get(key)
            if found:
                hits += 1
            else:
                put(key, True)
        return hits / len(trace)


class SetFloor(Simulator):
    """A loop that adds keys to a set: a cache that never evicts."""

    name = "set, loop"
    role: ClassVar[Role] = "floor"
    only = ("lru",)

    def hit_ratio(self, trace: Any, size: int, policy: str) -> float:
        """Whatever the policy."""
        seen: set[int] = set()
        hits = 0
        for key in trace:
            if key in seen:
                hits += 1
            else:
                seen.add(key)
        return hits / len(trace)


PEERS = (CacheBox, LruDict, Theine)
