"""One load per key, however many threads and tasks wait for it. Shared by native and pure caches.

A `Flight` is a load under way. Whoever misses a key first puts one into the table and leads it: it
calls the loader, gives the value to the cache, and lands, which takes the flight out of the table
and wakes all who wait. Others who miss the key meanwhile wait for the flight and share its value or
its error. No lock is held while a loader, a key or the cache is at work.

*No load that waits for itself.* The loads and the threads that wait form a graph: a load goes on
only when what it waits for has landed, and when its thread is not blocked by waiting for something
else (for a load in a task, that is the thread of its event loop). Before anyone waits, the edges
are followed from the flight waited for; if they lead back, nobody would ever wake, and RuntimeError
is raised instead. Whoever waits last in a circle sees all of its edges, under one lock. (The edge
to a load that begins needs no lock: whatever that waits for is waited for later, by who added it.)

*Changes during a load.* The cache calls `touch` when a key is set or removed. The load is stale
then: those who wait already get its value, which is not stored; those who come later wait for the
end of the stale load and start another one, so that nobody reads what was before the change.

*Interruptions.* If a load ends by something that is no `Exception` (KeyboardInterrupt, a cancelled
task), only its leader gets that; one of the others leads in its place.

*Background loads.* A refresh that waits for a place in an executor may be taken over by anyone who
needs its value, so that loaders that run in all places of the executor never wait for it.

The native cache leads a load in a thread by itself. Its flights have what is asked of a `Flight`
here, and stand in the same table: whoever meets one waits for it as for any other.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import types
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from . import check
from .caches import MISSING
from .waiting import TaskTurn, ThreadTurn, Turn, run

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Executor

__all__ = ["Flight", "Flights", "check_value", "current", "parent", "suppress_absent"]

_lock = threading.RLock()  # of the graph and the counters; reentrant for finalizers that load
_blocked: dict[int, Flight] = {}  # threads that are blocked, and what they wait for
current: ContextVar[weakref.ref[Flight] | None] = ContextVar("fastblocks_load", default=None)
_all: weakref.WeakSet[Flights] = weakref.WeakSet()
_executor: Executor | None = None


class Flight:
    """A load under way."""

    __slots__ = (
        "__weakref__",
        "_queued",
        "_traceback",
        "done",
        "error",
        "key",
        "loop",
        "needs",
        "stale",
        "thread",
        "turns",
        "value",
    )

    def __init__(self, key: Hashable, queued: bool = False) -> None:
        self.key = key
        self.thread = 0 if queued else threading.get_ident()  # that has to run for it to land
        self.loop: asyncio.AbstractEventLoop | None = None  # in which it is a task
        self.needs: list[Flight] = []  # that it waits for
        self.turns: dict[Turn, None] = {}  # of those who wait for it
        self.stale = False  # its key was set or removed meanwhile
        self.done = False
        self.value: Any = MISSING
        self.error: BaseException | None = None
        self._traceback: types.TracebackType | None = None
        self._queued = [None] if queued else []

    def begin(self) -> bool:
        """Become the leader of a flight that has none yet: True for the first who asks."""
        try:
            self._queued.pop()
        except IndexError:
            return False
        self.thread = threading.get_ident()
        return True

    def land(self, error: BaseException | None) -> None:
        """Wake all who wait, to whom `value` or an error is told."""
        if error is not None:
            self.error, self._traceback = error, error.__traceback__
        self.done = True
        for turn in list(self.turns):
            turn.wake()

    @property
    def interrupted(self) -> bool:
        """Whether it landed without an answer for others than its leader."""
        return self.error is not None and not isinstance(self.error, Exception)

    def result(self) -> Any:
        """What was loaded, or raise what the load raised."""
        if self.error is None:
            return self.value
        try:
            raise self.error.with_traceback(self._traceback)  # which does not grow with the raisers
        finally:
            del self  # the traceback holds this frame


class Flights:
    """The loads of one cache that are under way.

    Of the cache it uses ``peek``, ``timer``, ``executor`` and ``_put_loaded(key, value, flight,
    load_ns)``, which stores the value unless ``flight.stale``, and touches no flight.
    """

    __slots__ = (
        "__weakref__",
        "_tasks",
        "load_errors",
        "load_ns",
        "loads",
        "table",
    )

    def __init__(self) -> None:
        self.table: dict[Hashable, Flight] = {}  # if it is empty, there is nothing to touch
        self.loads = 0  # calls of loaders that returned
        self.load_errors = 0  # and that failed
        self.load_ns = 0  # how long both took
        self._tasks: set[asyncio.Task[None]] = set()  # which their event loops do not keep alive
        _all.add(self)

    def __len__(self) -> int:
        return len(self.table)

    # ---- what the cache tells -------------------------------------------------------------------

    def touch(self, key: Hashable) -> None:
        """A key is set or removed: to be called under the lock of the cache, with the change."""
        flight = self.table.get(key)
        if flight is not None:
            flight.stale = True

    def touch_all(self) -> None:
        """All keys are removed."""
        for flight in list(self.table.values()):
            flight.stale = True

    # ---- threads --------------------------------------------------------------------------------

    def load(self, cache: Any, key: Hashable, loader: Callable[[Any], Any]) -> Any:
        """Return the value of a key that was not in the cache; loader(key) returns it."""
        flight = None
        try:
            while True:
                flight, leads = self._enter(key)
                if leads:
                    with _Lead(self, cache, flight) as lead:
                        flight.value = cache.peek(key, MISSING)
                        if flight.value is MISSING:
                            lead.start()
                            lead.loaded(flight, loader(key))  # not deep in calls: loaders recur
                    return flight.value
                stale = flight.stale
                run(_wait(flight, ThreadTurn(), threading.get_ident()))
                if not (stale or flight.interrupted):
                    return flight.result()
        finally:
            flight = None  # has the error, whose traceback has this frame

    def load_many(
        self,
        cache: Any,
        keys: Iterable[Hashable],
        loader: Callable[[list[Any]], Mapping[Any, Any]],
    ) -> dict[Any, Any]:
        """Return those of the keys that exist; loader(keys) returns a mapping of them.

        It is called once for all keys that are not being loaded already.
        """
        found: dict[Any, Any] = {}
        others = []
        with _Lead(self, cache) as lead:
            for key in dict.fromkeys(keys):
                flight, leads = self._enter(key)
                if not leads:
                    others.append(key)
                    continue
                lead.add(flight)
                flight.value = cache.peek(key, MISSING)
            missing = {flight.key: flight for flight in lead.flights if flight.value is MISSING}
            if missing:
                lead.start()
                values = loader(list(missing))
                for key, flight in missing.items():
                    if key in values:
                        lead.loaded(flight, values[key])
            found = {
                flight.key: flight.value for flight in lead.flights if flight.value is not MISSING
            }
        for key in others:  # when our own have landed, so that no two batches wait for each other
            with suppress_absent(key):
                found[key] = self.load(cache, key, lambda key: loader([key])[key])
        return found

    def refresh(self, cache: Any, key: Hashable, loader: Callable[[Any], Any]) -> None:
        """Start a load in the background, unless the key is being loaded already."""
        flight = Flight(key, queued=True)
        if self.table.setdefault(key, flight) is not flight:
            return
        try:
            executor = _shared_executor() if cache.executor is None else cache.executor
            executor.submit(self._refresh, cache, loader, flight)
        except Exception as error:  # it was shut down
            if flight.begin():
                self._land(flight, _Interrupted())
            _warn(key, error)

    def _refresh(self, cache: Any, loader: Callable[[Any], Any], flight: Flight) -> None:
        if flight.begin():
            try:
                with _Lead(self, cache, flight) as lead:
                    lead.start()
                    lead.loaded(flight, loader(flight.key))
            except Exception as error:
                _warn(flight.key, error)

    # ---- tasks ----------------------------------------------------------------------------------

    async def load_async(
        self, cache: Any, key: Hashable, loader: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        """Return the value of a key that was not in the cache; await loader(key) returns it."""
        flight = None
        try:
            while True:
                flight, leads = self._enter(key)
                stale = flight.stale
                if leads:
                    self._spawn(cache, loader, flight)
                await _wait(flight, TaskTurn(), None)
                if leads or not (stale or flight.interrupted):
                    return flight.result()
        finally:
            flight = None

    def refresh_async(
        self, cache: Any, key: Hashable, loader: Callable[[Any], Awaitable[Any]]
    ) -> None:
        """Start a load as a task, unless the key is being loaded already."""
        flight = Flight(key)
        if self.table.setdefault(key, flight) is flight:
            self._spawn(cache, loader, flight, refresh=True)

    def _spawn(
        self,
        cache: Any,
        loader: Callable[[Any], Awaitable[Any]],
        flight: Flight,
        refresh: bool = False,
    ) -> None:
        """Lead a flight in a task of its own, which goes on if who asked for it is cancelled."""
        import asyncio

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not flight.done:  # cancelled before its first step
                self._land(flight, asyncio.CancelledError())

        try:
            flight.loop = asyncio.get_running_loop()
            task = flight.loop.create_task(self._fly(cache, loader, flight, refresh))
        except BaseException as error:
            self._land(flight, error)
            raise
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _fly(
        self, cache: Any, loader: Callable[[Any], Awaitable[Any]], flight: Flight, refresh: bool
    ) -> None:
        try:
            with _Lead(self, cache, flight) as lead:
                if not refresh:
                    flight.value = cache.peek(flight.key, MISSING)
                if flight.value is MISSING:
                    lead.start()
                    awaitable: Any = loader(flight.key)
                    if not isinstance(awaitable, Awaitable):
                        kind = type(awaitable).__name__
                        raise TypeError(f"loader must return an awaitable, not {kind}")
                    lead.loaded(flight, await awaitable)
        except Exception as error:  # which is raised by those who wait
            if refresh:
                _warn(flight.key, error)
        finally:
            del flight

    # ---- the table ------------------------------------------------------------------------------

    def _enter(self, key: Hashable) -> tuple[Flight, bool]:
        """Return the flight of a key, and whether the caller has to lead it."""
        mine = Flight(key)
        while True:
            flight = self.table.setdefault(key, mine)
            if flight is mine or flight.begin():
                return flight, True
            if flight.loop is not None and flight.loop.is_closed() and not flight.done:
                self._land(flight, _Interrupted())  # its loop was closed with tasks in it
            if not flight.done:
                return flight, False
            if self.table.get(key) is flight:  # it could not be removed: a key raised
                self.table.pop(key, None)

    def _land(self, flight: Flight, error: BaseException | None = None) -> None:
        """Take a flight out of the table and wake all who wait for it."""
        try:  # in every load, and suppress is slow
            if self.table.get(flight.key) is flight:
                self.table.pop(flight.key, None)
        except Exception:  # of a key that raises: see _enter
            pass
        flight.land(error)


class _Lead:
    """The flights of one call of a loader, while they are led: they land at its end."""

    __slots__ = ("_cache", "_flights", "_led", "_parent", "_started", "_token", "_took", "flights")

    def __init__(self, flights: Flights, cache: Any, led: Flight | None = None) -> None:
        self._flights = flights
        self._cache = cache
        self._started: int | None = None
        self._took: int | None = None
        self._parent: Flight | None = None
        self._led = led
        self.flights: list[Flight] = []

    def __enter__(self) -> _Lead:
        self._parent = parent()
        self._token = current.set(current.get())
        if self._led is not None:
            self.add(self._led)
            self._led = None
        return self

    def add(self, flight: Flight) -> None:
        """Lead one more flight. They land together, so the others need the first."""
        if self._parent is not None:
            with _lock:
                self._parent.needs.append(flight)
        if self.flights:
            flight.needs.append(self.flights[0])
        else:
            current.set(weakref.ref(flight))
        self.flights.append(flight)

    def start(self) -> None:
        """The loader is about to be called."""
        self._started = _now(self._cache)

    def loaded(self, flight: Flight, value: Any) -> None:
        """The loader has returned the value of a flight: store it."""
        check_value(value)
        self._cache._put_loaded(flight.key, value, flight, self._time())
        flight.value = value

    def _time(self) -> int:
        """How long the loader took, in nanoseconds of the cache's clock."""
        if self._took is None:
            assert self._started is not None
            self._took = max(_now(self._cache) - self._started, 0)
        return self._took

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:  # noqa: SIM105
            current.reset(self._token)
        except ValueError:  # a task that was dropped ends in another context
            pass
        took = 0
        try:
            if self._started is not None:
                took = self._time()
        finally:
            with _lock:
                if self._parent is not None:
                    for flight in self.flights:
                        self._parent.needs.remove(flight)
                if self._started is not None:
                    self._flights.loads += error is None
                    self._flights.load_errors += error is not None
                    self._flights.load_ns += took
            self._parent = None  # it may get the same error, whose traceback leads here
            for flight in self.flights:
                absent = flight.value is MISSING
                self._flights._land(flight, (error or KeyError(flight.key)) if absent else None)
            self.flights.clear()


class _Interrupted(BaseException):
    """A flight has been given up; those who wait for it lead another."""


def check_value(value: Any) -> None:
    """Raise if a loader has returned a coroutine."""
    if type(value) is types.CoroutineType:
        value.close()
        raise TypeError(
            "loader must return the value, not a coroutine; "
            "a coroutine function is a loader for get_or_load_async"
        )


@contextlib.contextmanager
def suppress_absent(key: Any) -> Iterator[None]:
    """Go on if a loader says, as a dict does, that there is no such key: by KeyError(key)."""
    try:
        yield
    except KeyError as error:
        if error.args != (key,):
            raise


async def _wait(flight: Flight, turn: Turn, thread: int | None) -> None:
    """Wait until a flight has landed; `thread` is blocked by that, None for a task."""
    flight.turns[turn] = None
    if flight.done:
        return
    asking = parent()
    with _lock:
        _check_circle(flight, asking, thread)
        if asking is not None:
            asking.needs.append(flight)
        if thread is not None:
            before = _blocked.get(thread)  # if this runs in a signal handler
            _blocked[thread] = flight
    try:
        await turn.pause(None)
    finally:
        flight.turns.pop(turn, None)
        with _lock:
            if asking is not None:
                asking.needs.remove(flight)
            if thread is not None:
                _blocked.pop(thread)
                if before is not None:
                    _blocked[thread] = before


def _check_circle(flight: Flight, asking: Flight | None, thread: int | None) -> None:
    """Raise if a flight lands only after the load `asking`, or the thread, has gone on."""
    seen: set[Flight] = set()
    ahead = [flight]
    while ahead:
        one = ahead.pop()
        if one in seen or one.done:
            continue
        seen.add(one)
        if thread is not None and one.thread == thread and one.loop is not None:
            raise RuntimeError(
                f"get_or_load of {flight.key!r} would block the event loop that has to load "
                f"{one.key!r}; use get_or_load_async"
            )
        if one is asking or one.thread == thread:
            raise RuntimeError(
                f"the load of {one.key!r} asks for {flight.key!r}, which waits for that load"
            )
        ahead += one.needs
        if one.thread in _blocked:
            ahead.append(_blocked[one.thread])


def parent() -> Flight | None:
    """The load whose loader is running here."""
    reference = current.get()
    flight = None if reference is None else reference()
    return None if flight is None or flight.done else flight


def _now(cache: Any) -> int:
    timer = cache.timer
    return time.monotonic_ns() if timer is None else check.timer_ns(timer())


def _shared_executor() -> Executor:
    """The one for background loads of all caches that were given none."""
    global _executor
    with _lock:
        if _executor is None:
            from concurrent.futures import ThreadPoolExecutor

            _executor = ThreadPoolExecutor(thread_name_prefix="fastblocks-refresh")
        return _executor


def _warn(key: Hashable, error: Exception) -> None:
    """Tell that a load failed of which nobody else hears."""
    import logging

    logger = logging.getLogger("fastblocks.cache")
    logger.warning("the load of %r in the background failed", key, exc_info=error)


def _forked() -> None:
    """In a child process: the threads that were loading, and those that waited, are not there."""
    global _lock, _executor
    _lock = threading.RLock()
    _executor = None
    _blocked.clear()
    for flights in list(_all):
        flights.table.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
