"""The cache in plain Python."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import (
    Awaitable,
    Callable,
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    ValuesView,
)
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fastblocks._core import caches
from fastblocks._core.caches import MISSING, CacheStats
from fastblocks._core.flights import Flights

from .._clock import now_ns
from . import policy as policies
from ._arguments import Arguments

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from typing_extensions import Self

__all__ = ["Cache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Tag = str | bytes | int
Removed = list[tuple[Any, Any, str]]  # key, value and cause

M64 = 2**64 - 1
NEVER = math.inf
TICK_BITS = 20  # a tick is 2**20 ns, about a millisecond


class Entry(policies.Entry):
    """A key, its value, its tags and its times, in nanoseconds of the clock in use."""

    __slots__ = ("accessed", "expires", "key", "load", "tags", "value", "written")

    def __init__(self, key: Any, value: Any, hash: int, weight: int) -> None:
        super().__init__(hash, weight)
        self.key = key
        self.value = value
        self.tags: tuple[Tag, ...] = ()
        self.keep_time(0, NEVER, 0)

    def keep_time(self, now: int, life: float, load: int) -> None:
        """It was written at `now`, lives so long, and took so long to load (0: it was set)."""
        self.written = self.accessed = now
        self.expires = now + life
        self.load = load


class Cache(Arguments, MutableMapping[K, V]):
    """A mapping of bounded size; see `fastblocks.Cache`.

    A lock keeps threads apart. Comparing keys runs under it; weighers, loaders, predicates and
    `on_remove` do not, nor does what letting go of keys and values runs.
    """

    __slots__ = (
        "__weakref__",
        "_by_tag",
        "_changes",
        "_early",
        "_evictions",
        "_expirations",
        "_flights",
        "_hits",
        "_idle",
        "_index",
        "_life",
        "_lock",
        "_misses",
        "_policy",
        "_refresh",
        "_tick",
        "_timed",
    )

    def __init__(
        self,
        maxsize: int,
        *,
        ttl: float | None = None,
        tti: float | None = None,
        weigher: Callable[[K, V], int] | None = None,
        on_remove: Callable[[K, V, str], object] | None = None,
        policy: str = "w-tinylfu",
        timer: Callable[[], float] | None = None,
        refresh_after: float | None = None,
        early_refresh: float | None = None,
        executor: Executor | None = None,
        seed: int | None = None,
    ) -> None:
        if hasattr(self, "_policy"):
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        meant = caches.parameters(
            maxsize,
            ttl=ttl,
            tti=tti,
            weigher=weigher,
            on_remove=on_remove,
            policy=policy,
            timer=timer,
            refresh_after=refresh_after,
            early_refresh=early_refresh,
            executor=executor,
            seed=seed,
        )
        self._arguments = {
            "ttl": ttl,
            "tti": tti,
            "weigher": weigher,
            "on_remove": on_remove,
            "policy": meant.policy,
            "timer": timer,
            "refresh_after": refresh_after,
            "early_refresh": early_refresh,
            "executor": executor,
            "seed": meant.seed,
        }
        self._life = NEVER if meant.ttl_ns is None else meant.ttl_ns  # of an entry
        self._idle = NEVER if meant.tti_ns is None else meant.tti_ns
        self._refresh = NEVER if meant.refresh_ns is None else meant.refresh_ns
        self._early = meant.early
        self._timed = meant.timed  # entries have times; once they do, they go on to
        if self._timed:
            now_ns(timer)  # raises if it is none
        self._tick = -NEVER  # when all that was dead was last removed
        self._lock = threading.RLock()
        self._flights = Flights()
        self._policy: policies.Policy[Entry]
        self._policy = policies.POLICIES[meant.policy](
            meant.maxsize, meant.seed, weigher is not None
        )
        self._index: dict[int, tuple[Entry, ...]] = {}  # entries by hash
        self._by_tag: dict[Tag, dict[Entry, None]] = {}
        self._changes = 0  # entries added and removed, but for those that were dead
        self._hits = self._misses = self._evictions = self._expirations = 0

    # ---- the steps of an operation, under the lock ---------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[Removed]:
        """Hold the lock; when it is free again, tell of what was removed, and let go of it."""
        removed: Removed = []
        try:
            with self._lock:
                yield removed
        finally:
            if self.on_remove is not None:
                for key, value, cause in removed:
                    caches.tell(self.on_remove, key, value, cause)

    def _find(self, key: Any, h: int) -> Entry | None:
        """The entry of a key, dead or alive.

        Keys' ``__eq__`` may do anything, even change the cache: then the search begins again.
        """
        while True:
            bucket = self._index.get(h, ())
            for entry in bucket:
                same = entry.key is key or bool(entry.key == key)
                if self._index.get(h, ()) is not bucket:
                    break
                if same:
                    return entry
            else:
                return None

    def _alive(self, entry: Entry, now: int) -> bool:
        return not self._timed or now < min(entry.expires, entry.accessed + self._idle)

    def _remove(self, entry: Entry, cause: str, removed: Removed) -> None:
        self._policy.leave(entry)
        self._forget(entry, cause, removed)

    def _forget(self, entry: Entry, cause: str, removed: Removed) -> None:
        """The rest of the removal of an entry, which the policy has no more."""
        bucket = tuple(other for other in self._index[entry.hash] if other is not entry)
        if bucket:
            self._index[entry.hash] = bucket
        else:
            del self._index[entry.hash]
        self._tag(entry, ())
        removed.append((entry.key, entry.value, cause))
        self._evictions += cause == "size"
        self._expirations += cause == "expired"
        self._changes += cause != "expired"

    def _tag(self, entry: Entry, tags: tuple[Tag, ...]) -> None:
        """Give an entry these tags instead of those that it has."""
        for tag in entry.tags:
            del self._by_tag[tag][entry]
            if not self._by_tag[tag]:
                del self._by_tag[tag]
        for tag in tags:
            self._by_tag.setdefault(tag, {})[entry] = None
        entry.tags = tags

    def _expire(self, now: int, removed: Removed) -> None:
        """Remove all that is dead, unless the clock was set back."""
        tick = now >> TICK_BITS
        if self._timed and tick >= self._tick:
            self._tick = tick
            for entry in [entry for entry in self._policy if not self._alive(entry, now)]:
                self._remove(entry, "expired", removed)

    def _shrink(self, removed: Removed) -> None:
        """Remove what the policy wants to go, until the rest fits."""
        while (entry := self._policy.victim()) is not None:
            self._forget(entry, "size", removed)

    def _keep_time(self, now: int) -> None:
        """Read the clock from now on."""
        if not self._timed:
            self._timed = True
            for entry in self._policy:
                entry.keep_time(now, NEVER, 0)

    def _store(
        self,
        key: Any,
        h: int,
        value: Any,
        weight: int,
        now: int,
        life: float,
        removed: Removed,
        *,
        tags: tuple[Tag, ...] = (),
        keep: bool = False,
        flight: Any = None,
        load: int = 0,
    ) -> Any:
        """Set a key, and return the value that it has then.

        `keep`: what is there stays. `flight`: the load that the value comes from; unless the key
        was set or removed meanwhile, the value is stored, under the tags that the key has.
        """
        if life != NEVER:
            self._keep_time(now)
        if self._timed and now >> TICK_BITS > self._tick:
            self._expire(now, removed)
        if flight is None:
            self._touch(key)
        entry = self._find(key, h)
        if weight > self.maxsize:
            raise caches.too_heavy(weight, self.maxsize)
        if entry is not None and not self._alive(entry, now):
            self._remove(entry, "expired", removed)
            entry = None
        if flight is not None and flight.stale:
            return value
        if entry is None:
            entry = Entry(key, value, h, weight)
            self._index[h] = (*self._index.get(h, ()), entry)
            self._policy.enter(entry)
            self._changes += 1
        elif keep:
            return entry.value
        else:
            removed.append((entry.key, entry.value, "replaced"))
            entry.value = value
            self._policy.hit(entry)
            self._policy.reweigh(entry, weight)
        entry.keep_time(now, life, load)
        if flight is None:
            self._tag(entry, tags)
        self._shrink(removed)
        return value

    def _discard(self, key: Any, h: int, now: int, removed: Removed, value: Any = MISSING) -> Any:
        """Remove a key, if it has this very value or that is MISSING; return what it had."""
        self._touch(key)
        entry = self._find(key, h)
        if entry is None:
            return MISSING
        if not self._alive(entry, now):
            self._remove(entry, "expired", removed)
            return MISSING
        if value is not MISSING and value is not entry.value:
            return MISSING
        self._remove(entry, "explicit", removed)
        return entry.value

    # ---- the steps outside the lock ------------------------------------------------------------

    def _hash(self, key: Any) -> int:
        """A hash of all bits of Python's, which of an int is that int: one to one, by the seed."""
        h: int = (hash(key) & M64) ^ self.seed
        h ^= h >> 32
        h = h * 0xD6E8FEB86659FD93 & M64
        h ^= h >> 32
        h = h * 0xD6E8FEB86659FD93 & M64
        return h ^ h >> 32

    def _now(self, life: float = NEVER) -> int:
        """Now; the clock is not read before an entry has a time to live."""
        return now_ns(self.timer) if self._timed or life != NEVER else 0

    def _put(self, key: Any, value: Any, ttl_ns: int | None = None, **how: Any) -> Any:
        """Set a key, as `_store` does; None: it lives as long as the cache says."""
        h = self._hash(key)
        weight = 1
        if self.weigher is not None:
            weight = caches.weight(self.weigher(key, value), self.maxsize)
        life = self._life if ttl_ns is None else ttl_ns
        now = self._now(life)
        with self._changing() as removed:
            return self._store(key, h, value, weight, now, life, removed, **how)

    def _touch(self, key: Any) -> None:
        """What is being loaded for a key is not to be stored."""
        if self._flights:
            self._flights.touch(key)

    def _touch_all(self) -> None:
        if self._flights:
            self._flights.touch_all()

    # ---- requests ------------------------------------------------------------------------------

    def _request(self, key: Any, loading: bool = False) -> tuple[Any, bool]:
        """The value of a key, or MISSING; and, when `loading`, whether to load it anew."""
        h, now = self._hash(key), self._now()
        with self._changing() as removed:
            entry = self._find(key, h)
            if entry is not None and not self._alive(entry, now):
                self._remove(entry, "expired", removed)
                entry = None
            if entry is None:
                self._misses += 1
                return MISSING, False
            self._hits += 1
            self._policy.hit(entry)
            entry.accessed = max(entry.accessed, now)
            return entry.value, loading and self._due(entry, now)

    def _due(self, entry: Entry, now: int) -> bool:
        if now - entry.written >= self._refresh:
            return True
        return self._early is not None and self._early.due(entry.expires - now, entry.load)

    def get(self, key: Any, default: Any = None) -> Any:
        value, _ = self._request(key)
        return default if value is MISSING else value

    def __getitem__(self, key: K) -> V:
        value, _ = self._request(key)
        if value is MISSING:
            value = caches.missing(self, key)
        return value  # type: ignore[no-any-return]

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        asked = [(key, self.get(key, MISSING)) for key in caches.keys_of(keys)]
        return {key: value for key, value in asked if value is not MISSING}

    def setdefault(self, key: K, default: Any = None) -> Any:
        value, _ = self._request(key)
        return self._put(key, default, keep=True) if value is MISSING else value

    def get_or_load(self, key: K, loader: Callable[[K], V]) -> V:
        caches.function("loader", loader)
        value, due = self._request(key, loading=True)
        if value is MISSING:
            value = self._flights.load(self, key, loader)
        elif due:
            self._flights.refresh(self, key, loader)
        return value  # type: ignore[no-any-return]

    async def get_or_load_async(self, key: K, loader: Callable[[K], Awaitable[V]]) -> V:
        caches.function("loader", loader)
        value, due = self._request(key, loading=True)
        if value is MISSING:
            value = await self._flights.load_async(self, key, loader)
        elif due:
            self._flights.refresh_async(self, key, loader)
        return value  # type: ignore[no-any-return]

    def _put_loaded(self, key: Any, value: Any, flight: Any, load_ns: int) -> None:
        self._put(key, value, flight=flight, load=load_ns)

    # ---- looking -------------------------------------------------------------------------------

    def peek(self, key: K, default: Any = None) -> Any:
        h, now = self._hash(key), self._now()
        with self._lock:
            entry = self._find(key, h)
            return entry.value if entry is not None and self._alive(entry, now) else default

    def __contains__(self, key: object) -> bool:
        return self.peek(key, MISSING) is not MISSING  # type: ignore[arg-type]

    def __len__(self) -> int:
        self.expire()
        return len(self._policy)

    def _walk(self) -> Iterator[Entry]:
        """What is alive, in no order that means anything, until entries are added or removed.

        Those that are dead may be removed.
        """
        with self._lock:
            return self._steps(list(self._policy), self._changes)

    def _steps(self, entries: list[Entry], changes: int) -> Iterator[Entry]:
        for entry in (*entries, None):
            if self._changes != changes:
                raise caches.changed_size()
            if entry is not None and entry.queue is not None and self._alive(entry, self._now()):
                yield entry

    def __iter__(self) -> Iterator[K]:
        return (entry.key for entry in self._walk())

    def _pairs(self) -> Iterator[tuple[K, V]]:
        return ((entry.key, entry.value) for entry in self._walk())

    def items(self) -> ItemsView[K, V]:
        return caches.Items(self)

    def values(self) -> ValuesView[V]:
        return caches.Values(self)

    __hash__ = None  # type: ignore[assignment]

    # ---- setting -------------------------------------------------------------------------------

    def __setitem__(self, key: K, value: V) -> None:
        self._put(key, value)

    def set(self, key: K, value: V, ttl: float | None = None, tags: Iterable[Tag] = ()) -> None:
        self._put(key, value, caches.ttl_ns(ttl), tags=caches.tags_of(tags))

    def set_many(
        self,
        items: Mapping[K, V] | Iterable[tuple[K, V]],
        ttl: float | None = None,
        tags: Iterable[Tag] = (),
    ) -> None:
        life, checked = caches.ttl_ns(ttl), caches.tags_of(tags)
        for key, value in caches.pairs_of(items):
            self._put(key, value, life, tags=checked)

    def update(self, other: Any = (), /, **entries: Any) -> None:
        for key, value in (*caches.pairs_of(other), *entries.items()):
            self._put(key, value)

    # ---- removing ------------------------------------------------------------------------------

    def pop(self, key: K, default: Any = MISSING) -> Any:
        h, now = self._hash(key), self._now()
        with self._changing() as removed:
            value = self._discard(key, h, now, removed)
        if value is not MISSING:
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: K) -> None:
        self.pop(key)

    def popitem(self) -> tuple[K, V]:
        now = self._now()
        with self._changing() as removed:
            self._expire(now, removed)
            entry = self._policy.pop()
            if entry is None:
                raise caches.empty()
            self._forget(entry, "explicit", removed)
            self._touch(entry.key)
            return entry.key, entry.value

    def clear(self) -> None:
        with self._changing() as removed:
            self._touch_all()
            for entry in list(self._policy):
                self._remove(entry, "explicit", removed)
            self._policy.clear()
            self._tick = -NEVER

    def invalidate_tag(self, tag: Tag) -> int:
        caches.tag_of(tag)
        now = self._now()
        with self._changing() as removed:
            self._expire(now, removed)
            entries = list(self._by_tag.get(tag, ()))
            for entry in entries:
                self._remove(entry, "explicit", removed)
            for entry in entries:
                self._touch(entry.key)
            return len(entries)

    def invalidate_where(self, predicate: Callable[[K, V], object]) -> int:
        caches.function("predicate", predicate)
        with self._lock:
            self._touch_all()
        chosen = [(key, value) for key, value in list(self._pairs()) if predicate(key, value)]
        now = self._now()
        with self._changing() as removed:
            had = [self._discard(k, self._hash(k), now, removed, v) for k, v in chosen]
        return sum(value is not MISSING for value in had)

    def expire(self) -> int:
        now = self._now()
        with self._changing() as removed:
            self._expire(now, removed)
            return len(removed)

    def resize(self, maxsize: int) -> None:
        maxsize = caches.maxsize_of(maxsize, self.weigher is not None)
        now = self._now()
        with self._changing() as removed:
            self._expire(now, removed)
            self._policy.resize(maxsize)
            self._shrink(removed)

    # ---- what it is ----------------------------------------------------------------------------

    @property
    def maxsize(self) -> int:
        return self._policy.maxsize

    @property
    def currsize(self) -> int:
        self.expire()
        return self._policy.weight

    @property
    def nbytes(self) -> int:
        with self._lock:
            own = (self._index, *self._index.values(), *self._policy)
            return sum(map(sys.getsizeof, own))

    def stats(self) -> CacheStats:
        with self._lock:
            flights = self._flights
            return CacheStats(
                self._hits,
                self._misses,
                flights.loads,
                flights.load_errors,
                flights.load_ns / 1e9,
                self._evictions,
                self._expirations,
            )

    def __repr__(self) -> str:
        return caches.shown(self, len(self))

    # ---- copies --------------------------------------------------------------------------------

    def __getstate__(self) -> tuple[bool, list[tuple[Any, ...]], dict[str, Any] | None]:
        """The entries, those that would be evicted first in front, their times relative to now."""
        now = self._now()
        with self._changing() as removed:
            self._expire(now, removed)
            entries = [(e.key, e.value, e.weight, e.tags, e.load) for e in self._policy]
            times = [(e.expires - now, now - e.written, now - e.accessed) for e in self._policy]
            attributes = getattr(self, "__dict__", None)  # of a subclass
            return self._timed, list(zip(entries, times, strict=True)), attributes

    def __setstate__(
        self, state: tuple[bool, list[tuple[Any, ...]], dict[str, Any] | None]
    ) -> None:
        self._timed, entries, attributes = state
        if attributes:
            self.__dict__.update(attributes)
        now = self._now()
        with self._changing() as removed:
            for (key, value, weight, tags, load), (life, age, idle) in entries:
                h = self._hash(key)
                self._store(key, h, value, weight, now, life, removed, tags=tags, load=load)
                entry = self._find(key, h)
                assert entry is not None
                entry.written, entry.accessed = now - age, now - idle

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = {name: getattr(self, name) for name in caches.ARGUMENTS}
        return caches.remade, (Cache, type(self), arguments), self.__getstate__()

    def __copy__(self) -> Self:
        copied: Self = caches.copied(self)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Keys and values are copied deeply; functions and the executor are the same."""
        copied: Self = caches.copied(self, memo)
        return copied
