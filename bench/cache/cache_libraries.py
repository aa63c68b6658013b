"""Caches beside fastblocks, each used the way its documentation says is fastest.

`f` is a cache of the library throughout.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Lock, Thread
from typing import Any, ClassVar

from bench.discovery import ROOT
from bench.model import Library, Role, Unsupported, expect

HOUR = 3600
BEST, LRU, TTL = "policy", "LRU", "ttl"
MEMORY = Path("/proc/self/statm")
PAGE = 4096


class Cache(Library):
    """What all have in common; the manners of a dict.

    Attributes
    ----------
    kinds : dict
        Of the kinds of cache it has, the class and its arguments behind the size.
    most : int
        Entries of the largest cache whose memory is measured.
    """

    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {}
    most: ClassVar[int] = 100_000

    def make(self, size: int, kind: str = BEST) -> Any:
        """Return a cache of so many entries."""
        if kind not in self.kinds:
            raise Unsupported(f"no {kind}")
        cls, options = self.kinds[kind]
        return getattr(self.api, cls)(size, **options)

    def make_shared(self, size: int) -> Any:
        """Return one that two threads use."""
        return self.make(size)

    def run(self, f: Any, keys: Iterable[Any]) -> None:
        """Get each key, and set it if it is not there: the loop that is timed."""
        get = f.get
        for key in keys:
            if get(key) is None:
                f[key] = key

    def run_shared(self, f: Any, keys: Iterable[Any]) -> None:
        """The same in one of two threads."""
        self.run(f, keys)

    def run_threads(self, f: Any, parts: Sequence[Sequence[Any]]) -> None:
        """The same, a thread for each part."""
        threads = [Thread(target=self.run_shared, args=(f, part)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def get_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Get keys."""
        get = f.get
        for key in keys:
            get(key)

    def set_each(self, f: Any, keys: Iterable[Any]) -> None:
        """Set keys."""
        for key in keys:
            f[key] = key

    def loading(self, f: Any) -> Callable[[Any, Callable[[Any], Any]], Any]:
        """Return what gets a key or loads it, once however many threads ask."""
        raise Unsupported("no loading once for many threads")

    def load_each(self, f: Any, keys: Iterable[Any], load: Callable[[Any], Any]) -> None:
        """Get or load keys."""
        get_or_load = self.loading(f)
        for key in keys:
            get_or_load(key, load)

    def getter(self, f: Any) -> Callable[[Any], Any]:
        """Return what gets the value of a key, or None."""
        get: Callable[[Any], Any] = f.get
        return get

    def setter(self, f: Any) -> Callable[[Any, Any], object]:
        """Return what sets the value of a key."""
        put: Callable[[Any, Any], object] = f.__setitem__
        return put

    def length(self, f: Any) -> int:
        """Return the number of entries."""
        return len(f)

    def hits(self, f: Any, keys: Iterable[Any], size: int) -> int:
        """Get or set keys; expect right values and at most `size` entries; return the hits."""
        get, put = self.getter(f), self.setter(f)
        hits = 0
        for i, key in enumerate(keys):
            value = get(key)
            if value is None:
                put(key, (key,))
            else:
                hits += 1
                expect(value == (key,), f"the value of {key!r} is {value!r}")
            if i % 1_000 == 0:
                entries = self.length(f)
                expect(entries <= size, f"{entries} entries in a cache of {size}")
        return hits

    def memory(self, n: int) -> int:
        """Return the bytes that `n` entries take in a new process, without keys and values."""
        if not MEMORY.exists():
            raise Unsupported("needs Linux")
        cls = type(self)
        code = f"from {cls.__module__} import {cls.__name__} as L; print(L().grown({n}))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
        return int(done.stdout)

    def grown(self, n: int) -> int:
        """Return by how much this process grows by `n` entries."""
        keys = list(range(n, 2 * n))
        self.set_each(self.make(10), keys[:100])
        before = resident()
        f = self.make(n)
        self.set_each(f, keys)
        after = resident()
        expect(self.length(f) > 0.99 * n, f"{self.length(f)} entries of {n}")
        return after - before


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(MEMORY.read_text().split()[1]) * PAGE


class Native(Cache):
    """fastblocks itself."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.cache"
    distribution = "fastblocks"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        BEST: ("Cache", {}),
        LRU: ("Cache", {"policy": "lru"}),
        TTL: ("Cache", {"ttl": HOUR}),
    }

    def loading(self, f: Any) -> Callable[[Any, Callable[[Any], Any]], Any]:
        """Return its method."""
        method: Callable[[Any, Callable[[Any], Any]], Any] = f.get_or_load
        return method


class Pure(Native):
    """The twin in plain Python."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.cache"
    max_keys = 250
    most = 10_000


class CacheBox(Cache):
    """cachebox."""

    name = "cachebox"
    module = "cachebox"
    distribution = "cachebox"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        BEST: ("LRUCache", {}),
        LRU: ("LRUCache", {}),
        TTL: ("TTLCache", {"global_ttl": HOUR}),  # evicts the oldest
    }


class LruDict(Cache):
    """lru-dict."""

    name = "lru-dict"
    module = "lru"
    distribution = "lru-dict"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {BEST: ("LRU", {}), LRU: ("LRU", {})}


class Moka(Cache):
    """moka-py, which has TinyLFU and LRU. It evicts late, so it is told to before it is counted."""

    name = "moka-py"
    module = "moka_py"
    distribution = "moka-py"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        BEST: ("Moka", {}),
        LRU: ("Moka", {"policy": "lru"}),
        TTL: ("Moka", {"ttl": HOUR}),
    }

    def run(self, f: Any, keys: Iterable[Any]) -> None:
        """`set` is a method."""
        get, put = f.get, f.set
        for key in keys:
            if get(key) is None:
                put(key, key)

    def set_each(self, f: Any, keys: Iterable[Any]) -> None:
        """The same."""
        put = f.set
        for key in keys:
            put(key, key)

    def setter(self, f: Any) -> Callable[[Any, Any], object]:
        """The same."""
        put: Callable[[Any, Any], object] = f.set
        return put

    def load_each(self, f: Any, keys: Iterable[Any], load: Callable[[Any], Any]) -> None:
        """`get_with` takes a function without arguments."""
        get_with = f.get_with
        for key in keys:
            get_with(key, lambda: load(key))  # noqa: B023 (called at once)

    def length(self, f: Any) -> int:
        """Evict, then count."""
        f.run_pending_tasks()
        return int(f.count())


class Theine(Cache):
    """theine, without its locks where there is one thread."""

    name = "theine"
    module = "theine"
    distribution = "theine"
    max_keys = 5_000
    most = 30_000
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        BEST: ("Cache", {"nolock": True}),
        TTL: ("Cache", {"nolock": True}),
    }
    ttl: timedelta | None = None

    def make(self, size: int, kind: str = BEST) -> Any:
        """The time to live is an argument of `set`."""
        self.ttl = timedelta(seconds=HOUR) if kind == TTL else None
        return super().make(size, kind)

    def make_shared(self, size: int) -> Any:
        """With locks."""
        return self.api.Cache(size)

    def run(self, f: Any, keys: Iterable[Any]) -> None:
        """`get` tells whether the key is there."""
        get, put, ttl = f.get, f.set, self.ttl
        for key in keys:
            _, found = get(key)
            if not found:
                put(key, key, ttl)

    def set_each(self, f: Any, keys: Iterable[Any]) -> None:
        """`set` is a method."""
        put, ttl = f.set, self.ttl
        for key in keys:
            put(key, key, ttl)

    def getter(self, f: Any) -> Callable[[Any], Any]:
        """The first of the two."""
        return lambda key: f.get(key)[0]

    def setter(self, f: Any) -> Callable[[Any, Any], object]:
        """The same."""
        return lambda key, value: f.set(key, value, self.ttl)


class CacheTools(Cache):
    """cachetools; two threads need a lock."""

    name = "cachetools"
    module = "cachetools"
    distribution = "cachetools"
    kinds: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        BEST: ("LRUCache", {}),
        LRU: ("LRUCache", {}),
        TTL: ("TTLCache", {"ttl": HOUR}),
    }

    def make_shared(self, size: int) -> Any:
        """With a lock."""
        self.lock = Lock()
        return self.make(size)

    def run_shared(self, f: Any, keys: Iterable[Any]) -> None:
        """Under it."""
        get, lock = f.get, self.lock
        for key in keys:
            with lock:
                found = get(key)
            if found is None:
                with lock:
                    f[key] = key


class DictFloor(Cache):
    """A dict, which never evicts."""

    name = "dict, unbounded"
    role: ClassVar[Role] = "floor"
    only = ("zipf_07", "zipf_10", "zipf_12", "get", "get_str", "overwrite")

    def make(self, size: int, kind: str = BEST) -> Any:
        """Return a dict."""
        return {}

    def hits(self, f: Any, keys: Iterable[Any], size: int) -> int:
        """There is no size to keep."""
        return super().hits(f, keys, 1 << 62)


PEERS = (CacheBox, LruDict, Moka, Theine, CacheTools)
