"""A cache in front of a source of truth, by the patterns in which caches are used."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from fastblocks._core import caches, check
from fastblocks._core.caches import MISSING
from fastblocks._core.flights import suppress_absent
from fastblocks._core.waiting import timeout_of

from ._behind import DELETED, StoreError, StoreFullError, WriteBehind

__all__ = ["Store", "StoreError", "StoreFullError"]

MODES = ("cache-aside", "read-through", "write-through", "write-behind", "refresh-ahead")
STRIPES = 64  # locks that keep the writes of a key in order


class Store:
    """Store(cache, *, load=None, load_many=None, write=None, write_many=None, delete=None, \
mode="cache-aside", max_pending=10_000, on_full="block", batch_size=100, flush_interval=1.0, \
retry=(0.1, 30.0), on_error=None)

    A `Cache` in front of a source of truth, such as a database.

    Of all modes, a key that is not in the cache is loaded once, however many threads ask for it,
    and a load that began before a write is never kept after it.

    ================= ================================== =======================================
    mode              `set`                              `delete`
    ================= ================================== =======================================
    ``cache-aside``   writes, then removes the entry     deletes, then removes the entry
    ``read-through``  the same; needs `load`             the same
    ``write-through`` writes, then sets the entry        deletes, then removes the entry
    ``write-behind``  sets the entry; written later      removes the entry; deleted later
    ``refresh-ahead`` as ``write-through``; the cache    as ``write-through``
                      loads anew what gets old
    ================= ================================== =======================================

    Parameters
    ----------
    cache : Cache
        Native or pure. For ``refresh-ahead`` it has `refresh_after` or `early_refresh`.
    load : function, optional
        ``load(key)`` returns the value; it raises ``KeyError(key)`` if there is none, as a dict.
    load_many : function, optional
        ``load_many(keys)``, of a list, returns a mapping of those that there are.
    write : function, optional
        ``write(key, value)``.
    write_many : function, optional
        ``write_many(values)``, of a dict.
    delete : function, optional
        ``delete(key)``; a key that is not there is no error.
    mode : str, default "cache-aside"
        See above.
    max_pending : int, default 10_000
        Of ``write-behind``, as all that follow: how many keys may wait to be written.
    on_full : {"block", "raise"}
        Whether `set` then waits, or raises `StoreFullError`.
    batch_size : int, default 100
        How many keys wait until they are written; how many `write_many` gets at most.
    flush_interval : float, default 1.0
        Seconds after which fewer are written.
    retry : tuple of float, default (0.1, 30.0)
        Seconds to pause after a write that failed: at first, then twice as long each time, up to
        the second.
    on_error : function, optional
        ``on_error(key, value, error)`` is told of each attempt that failed, in the thread that
        writes; of a key that is to be deleted, `value` is None. If it returns True, the write is
        given up. By default, failures are logged to ``fastblocks.cache``, and tried again for ever.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be, or a mode lacks a function that it needs.

    Notes
    -----
    If a write or a deletion fails in the other modes, the error is raised, and the entry is removed
    if it can be loaded: nobody knows what the source has now.

    ``write-behind``: what `set` and `delete` accepted is written at least once, in order for each
    key; of several values of a key that wait, the last. Until then it is read from the queue if it
    is no longer in the cache. It waits in memory: if the process is killed, it is lost. `close` the
    store, or use it in a ``with``. At the exit of the interpreter what is left gets 30 seconds. A
    child process that was forked begins with an empty queue.

    Examples
    --------
    >>> from fastblocks import Cache, Store
    >>> table = {"a": 1}
    >>> store = Store(
    ...     Cache(1000), load=table.__getitem__, write=table.__setitem__, mode="write-through"
    ... )
    >>> store.get("a"), store.get("b", "none")
    (1, 'none')
    >>> store.set("b", 2)
    >>> table, store.cache.peek("b")
    ({'a': 1, 'b': 2}, 2)
    """

    __module__ = "fastblocks.cache"

    def __init__(
        self,
        cache: Any,
        *,
        load: Callable[[Any], Any] | None = None,
        load_many: Callable[[list[Any]], Mapping[Any, Any]] | None = None,
        write: Callable[[Any, Any], object] | None = None,
        write_many: Callable[[dict[Any, Any]], object] | None = None,
        delete: Callable[[Any], object] | None = None,
        mode: str = "cache-aside",
        max_pending: int = 10_000,
        on_full: str = "block",
        batch_size: int = 100,
        flush_interval: float = 1.0,
        retry: tuple[float, float] = (0.1, 30.0),
        on_error: Callable[[Any, Any, BaseException], object] | None = None,
    ) -> None:
        if not hasattr(cache, "_flights"):
            raise TypeError(f"cache must be a Cache, not {type(cache).__name__}")
        given = {"load": load, "load_many": load_many, "write": write, "write_many": write_many}
        for name, function in {**given, "delete": delete, "on_error": on_error}.items():
            caches.function(name, function, none=True)
        self._mode = check.choice("mode", mode, MODES)
        self._reads = load is not None or load_many is not None
        self._writer = _writer(write, write_many)
        if mode in ("read-through", "refresh-ahead") and not self._reads:
            raise ValueError(f"mode {mode!r} needs load or load_many")
        if mode in ("write-through", "write-behind") and self._writer is None:
            raise ValueError(f"mode {mode!r} needs write or write_many")
        if mode == "refresh-ahead" and cache.refresh_after is cache.early_refresh is None:
            raise ValueError(
                "mode 'refresh-ahead' needs a cache with refresh_after or early_refresh"
            )
        max_pending = check.integer("max_pending", max_pending, 1, 2**31 - 1)
        batch_size = check.integer("batch_size", batch_size, 1, 2**31 - 1)
        interval = check.real("flush_interval", flush_interval, 0.0, check.MAX_SECONDS)
        self._blocks = check.choice("on_full", on_full, ("block", "raise")) == "block"
        pauses = _pauses(retry)

        self._cache = cache
        self._load = load
        self._load_many = load_many
        self._write_many = write_many
        self._delete = delete
        self._locks = [threading.RLock() for _ in range(STRIPES)]
        self._queue: WriteBehind | None = None
        if mode == "write-behind" and self._writer is not None:
            self._queue = WriteBehind(
                self._writer,
                delete,
                max_pending=max_pending,
                batch_size=batch_size,
                at_once=1 if write_many is None else batch_size,
                interval=interval,
                pauses=pauses,
                on_error=on_error,
            )
            weakref.finalize(self, self._queue.drain).atexit = False

    @property
    def cache(self) -> Any:
        """The cache. Removing an entry from it lets it be loaded anew."""
        return self._cache

    @property
    def mode(self) -> str:
        """How it reads and writes."""
        return self._mode

    @property
    def pending(self) -> int:
        """How many keys wait to be written or deleted."""
        return 0 if self._queue is None else len(self._queue)

    def __repr__(self) -> str:
        return f"Store({self._cache!r}, mode={self._mode!r}, pending={self.pending})"

    # ---- reading --------------------------------------------------------------------------------

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key: of the cache, or loaded into it.

        Parameters
        ----------
        key : object
            A hashable key.
        default : object, optional
            What is returned if there is none.
        """
        try:
            if self._reads:
                return self._cache.get_or_load(key, self._load_one)
            value = self._cache.get(key, MISSING)
            return self._load_one(key) if value is MISSING else value
        except KeyError as error:
            if error.args != (key,):
                raise
            return default

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the values of those keys that there are, in their order.

        What is not in the cache is loaded by one call of `load_many`, if the store has it. Nothing
        is loaded anew because it is old.

        Parameters
        ----------
        keys : iterable
            Hashable keys.
        """
        keys = caches.keys_of(keys)
        found = self._cache.get_many(keys)
        missing = [key for key in keys if key not in found]
        if not missing:
            return dict(found)
        if self._reads:
            found |= self._cache._flights.load_many(self._cache, missing, self._load_all)
        else:
            found |= self._load_all(missing)
        return {key: found[key] for key in keys if key in found}

    def _load_one(self, key: Any) -> Any:
        value = MISSING if self._queue is None else self._queue.latest(key)
        if value is MISSING:
            if self._load is not None:
                return self._load(key)
            value = self._load_all([key]).get(key, DELETED)
        if value is DELETED:
            raise KeyError(key)
        return value

    def _load_all(self, keys: list[Any]) -> dict[Any, Any]:
        """Return the values of those keys that there are, beyond the cache."""
        values: dict[Any, Any] = {}
        if self._queue is not None:
            values = {key: self._queue.latest(key) for key in keys}
            keys = [key for key, value in values.items() if value is MISSING]
        if keys and self._load_many is not None:
            loaded: Any = self._load_many(list(keys))
            if not isinstance(loaded, Mapping):
                kind = type(loaded).__name__
                raise TypeError(f"load_many must return a mapping of values by key, not {kind}")
            values.update((key, loaded[key]) for key in keys if key in loaded)
        elif self._load is not None:
            for key in keys:
                with suppress_absent(key):
                    values[key] = self._load(key)
        return {k: v for k, v in values.items() if v is not MISSING and v is not DELETED}

    # ---- writing --------------------------------------------------------------------------------

    def set(
        self, key: Hashable, value: Any, *, ttl: float | None = None, tags: Iterable[Any] = ()
    ) -> None:
        """Set the value of a key.

        Without `write` and `write_many`, a ``cache-aside`` store puts it into the cache alone.

        Parameters
        ----------
        key : object
            A hashable key.
        value : object
            Its value.
        ttl : float, optional
            Seconds after which the entry dies, if the mode sets one.
        tags : iterable of str, bytes or int, default ()
            Of the entry, if the mode sets one.

        Raises
        ------
        RuntimeError
            If the store cannot write: it was made without `write`, or is closed.
        StoreFullError
            If too many writes wait, and the store does not.
        """
        self._set({key: value}, ttl, tags)

    def set_many(self, items: Any, *, ttl: float | None = None, tags: Iterable[Any] = ()) -> None:
        """Set the values of many keys: by one call of `write_many`, if the store has it.

        Parameters
        ----------
        items : mapping or iterable of pairs
            Values by key.
        ttl : float, optional
            As of `set`.
        tags : iterable of str, bytes or int, default ()
            As of `set`.
        """
        values = dict(caches.pairs_of(items))
        tags = caches.tags_of(tags)
        if values and self._write_many is not None and self._queue is None:
            self._set(values, ttl, tags)
        else:
            for key, value in values.items():
                self._set({key: value}, ttl, tags)

    def _set(self, values: dict[Any, Any], ttl: float | None, tags: Iterable[Any]) -> None:
        caches.ttl_ns(ttl)
        tags = caches.tags_of(tags)
        keep = functools.partial(self._cache.set_many, values, ttl, tags)
        if self._queue is not None:
            ((key, value),) = values.items()
            self._later(key, value, keep)
        elif self._writer is not None:
            aside = self._mode in ("cache-aside", "read-through")
            self._now(values, functools.partial(self._writer, values), None if aside else keep)
        elif self._mode == "cache-aside":
            keep()
        else:
            raise RuntimeError("this store cannot write: it was made without write or write_many")

    def delete(self, key: Hashable) -> None:
        """Delete a key from the source and the cache.

        Without any function that changes the source, a ``cache-aside`` store removes it from the
        cache alone.

        Parameters
        ----------
        key : object
            A hashable key; it need not be there.

        Raises
        ------
        RuntimeError
            If the store cannot delete: it was made without `delete`, or is closed.
        StoreFullError
            If too many writes wait, and the store does not.
        """
        if self._delete is not None:
            if self._queue is not None:
                self._later(key, DELETED, functools.partial(self._cache.pop, key, None))
            else:
                self._now([key], functools.partial(self._delete, key), None)
        elif self._mode == "cache-aside" and self._writer is None:
            self._cache.pop(key, None)
        else:
            raise RuntimeError("this store cannot delete: it was made without delete")

    def _now(
        self,
        keys: Iterable[Any],
        change: Callable[[], object],
        keep: Callable[[], object] | None,
    ) -> None:
        """Change the source, then the cache: what has changed is kept there, or removed."""
        with self._in_order(keys):
            known = False  # what the source has now
            try:
                change()
                known = True
                if keep is not None:
                    keep()
            except BaseException:
                if known or self._reads:
                    self._drop(keys)
                raise
            if keep is None:
                self._drop(keys)

    def _later(self, key: Any, value: Any, change: Callable[[], object]) -> None:
        """Change the cache now and the source later."""
        assert self._queue is not None
        self._queue.reserve(key, self._blocks)
        try:
            with self._in_order([key]):
                change()
                self._queue.put(key, value)
        except BaseException:
            self._queue.release()
            raise

    def _drop(self, keys: Iterable[Any]) -> None:
        for key in keys:
            self._cache.pop(key, None)

    @contextlib.contextmanager
    def _in_order(self, keys: Iterable[Any]) -> Iterator[None]:
        """Keep other changes of the same keys out, so that source and cache see one order."""
        with contextlib.ExitStack() as stack:
            for i in sorted({hash(key) % STRIPES for key in keys}):
                stack.enter_context(self._locks[i])
            yield

    # ---- the end --------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all has been written that was accepted before; at once unless write-behind.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None to wait for ever.

        Returns
        -------
        bool
            Whether it was.
        """
        seconds = timeout_of(timeout)
        return self._queue is None or self._queue.flush(seconds)

    def close(self, timeout: float | None = 30.0) -> None:
        """Write what waits, and accept no more, if the store writes behind; else do nothing.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None to wait for ever.

        Raises
        ------
        StoreError
            If it took longer. It has what was not written; to close again is to try again.
        """
        seconds = timeout_of(timeout)
        if self._queue is not None:
            self._queue.close(seconds)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _writer(
    write: Callable[[Any, Any], object] | None,
    write_many: Callable[[dict[Any, Any]], object] | None,
) -> Callable[[dict[Any, Any]], object] | None:
    """Return a function that writes a dict of values; of one, if there is no `write_many`."""
    if write is None:
        return write_many

    def write_all(values: dict[Any, Any]) -> None:
        if write_many is not None and len(values) > 1:
            write_many(values)
        else:
            for key, value in values.items():
                write(key, value)

    return write_all


def _pauses(value: Any) -> tuple[float, float]:
    """Return the argument `retry`, checked."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"retry must be a pair of seconds (first, most), not {value!r}")
    first, most = (check.seconds_ns(f"retry[{i}]", each) / 1e9 for i, each in enumerate(value))
    if first > most:
        raise ValueError(f"retry must not begin with more seconds than the most, not {value!r}")
    return first, most
