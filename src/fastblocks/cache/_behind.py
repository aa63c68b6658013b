"""Write-behind: a queue of writes, and the thread that carries them out.

A key has at most one entry that has not begun; a later write of the key goes into it. One thread
writes, so the writes of a key happen in the order in which they were accepted. An entry leaves the
queue when it has been written, not before.

What fails is tried again. If it was a batch, nobody knows which entry is to blame: they go one at a
time until one succeeds, and then in batches that double. One that fails alone goes to the end of
the queue, out of the way of others, and all pause, twice as long after each failure in a row.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from fastblocks._core.caches import MISSING

__all__ = ["DELETED", "StoreError", "StoreFullError", "WriteBehind"]

DELETED: Any = object()  # the value of a key that is to be deleted
AT_EXIT = 30.0  # seconds for which the exit of the interpreter waits for what is to be written

_running: set[WriteBehind] = set()


class StoreError(RuntimeError):
    """Writes that a store accepted could not be carried out.

    Attributes
    ----------
    pending : dict
        The values that are not written, by key; one may be, if its write was still under way.
    deletions : list
        The keys that are not deleted.
    """

    __module__ = "fastblocks.cache"

    def __init__(self, message: str, pending: Any = None, deletions: Any = None) -> None:
        super().__init__(message, pending, deletions)
        self.pending: dict[Any, Any] = {} if pending is None else pending
        self.deletions: list[Any] = [] if deletions is None else deletions

    def __str__(self) -> str:
        return str(self.args[0])


class StoreFullError(StoreError):
    """The queue of a store has no room for another write. Nothing has changed."""

    __module__ = "fastblocks.cache"


class Entry:
    """A write that is still to be done."""

    __slots__ = ("since", "value")

    def __init__(self, value: Any, since: int) -> None:
        self.value = value
        self.since = since  # the number of the first of the writes that it stands for


class WriteBehind:
    """A bounded queue of writes.

    Parameters
    ----------
    write : function
        ``write(values)`` writes a dict of them.
    delete : function or None
        ``delete(key)``.
    max_pending : int
        How many keys may be in the queue.
    batch_size : int
        How many have to wait to be written at once.
    at_once : int
        How many `write` gets at most.
    interval : float
        Seconds after which fewer are written.
    pauses : tuple of float
        Seconds to pause after a failure, at first and at most.
    on_error : function or None
        ``on_error(key, value, error)`` is told of each failure of a single entry; True gives it up.
    """

    def __init__(
        self,
        write: Callable[[dict[Any, Any]], object],
        delete: Callable[[Any], object] | None,
        *,
        max_pending: int,
        batch_size: int,
        at_once: int,
        interval: float,
        pauses: tuple[float, float],
        on_error: Callable[[Any, Any, BaseException], object] | None,
    ) -> None:
        self._write = write
        self._delete = delete
        self._max_pending = max_pending
        self._batch_size = batch_size
        self._at_once = at_once
        self._interval = interval
        self._pauses = pauses
        self._on_error = on_error
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Any, Entry] = OrderedDict()
        self._writing: dict[Any, Entry] = {}  # the batch that is being written
        self._due = 0  # how many need not wait for others
        self._reserved = 0  # places of writes that are about to be put
        self._accepted = 0  # writes
        self._hurry = 0  # how many wait for the queue
        self._hurried = 0  # how often anybody began to
        self._thread: threading.Thread | None = None
        self._closed = False  # no more writes are accepted
        self._stopped = False  # the thread ends, whatever is left
        self._error: BaseException | None = None  # the last one

    def _own(self) -> threading.Condition:
        """Return the lock; in a child process, of a new queue: the parent writes what was in it."""
        if self._pid != os.getpid():
            self._start_anew()
        return self._changed

    def __len__(self) -> int:
        with self._own():
            return len(self._waiting) + len(self._writing)

    # ---- what writers do ------------------------------------------------------------------------

    def reserve(self, key: Any, block: bool) -> None:
        """Make room for a write of a key: then `put` it or `release` the place."""
        with self._own():
            while True:
                if self._closed:
                    raise RuntimeError("this store is closed")
                taken = len(self._waiting) + len(self._writing) + self._reserved
                if taken < self._max_pending or key in self._waiting:
                    self._reserved += 1
                    return
                if not block or threading.current_thread() is self._thread:
                    raise StoreFullError(f"max_pending={self._max_pending} writes are pending")
                self._changed.wait()

    def release(self) -> None:
        """Give a place back."""
        with self._changed:
            self._reserved -= 1
            self._changed.notify_all()

    def put(self, key: Any, value: Any) -> None:
        """Accept the write for which a place was reserved."""
        with self._changed:
            self._reserved -= 1
            self._accepted += 1
            entry = self._waiting.get(key)
            if entry is not None:
                entry.value = value
                return
            self._waiting[key] = Entry(value, self._accepted)
            if self._thread is None:
                self._begin()
            if len(self._waiting) in (1, self._batch_size):
                self._changed.notify_all()

    def latest(self, key: Any) -> Any:
        """Return the value of a key that is still to be written, `DELETED`, or `MISSING`."""
        with self._own():
            entry = self._waiting.get(key) or self._writing.get(key)
            return MISSING if entry is None else entry.value

    def flush(self, timeout: float | None) -> bool:
        """Wait until what was accepted before has been written; tell whether it has."""
        with self._own():
            self._check_thread()
            upto = self._accepted
            keys = [*self._waiting, *self._writing]
            return self._wait(lambda: self._all_written(keys, upto), timeout)

    def close(self, timeout: float | None) -> None:
        """Accept no more and wait until all is written, or raise `StoreError`."""
        with self._own():
            self._check_thread()
            self.drain()
            self._stopped = False
            if self._thread is None and self._waiting:
                self._begin()
            if self._wait(self._all_done, timeout):
                return
            self._stopped = True
            self._changed.notify_all()
            left = {**self._writing, **self._waiting}
            values = {k: entry.value for k, entry in left.items() if entry.value is not DELETED}
            deletions = [key for key, entry in left.items() if entry.value is DELETED]
            raise StoreError(
                f"{len(left)} writes could not be carried out in {timeout} seconds; the last error "
                f"was {self._error!r}",
                values,
                deletions,
            ) from self._error

    def end(self, timeout: float) -> None:
        """Close, at the exit of the interpreter."""
        try:
            self.close(timeout)
        except StoreError as error:
            import logging

            logging.getLogger("fastblocks.cache").error("at exit: %s", error)

    def drain(self) -> None:
        """Accept no more; the thread ends when all is written."""
        with self._own():
            self._closed = True
            self._changed.notify_all()

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a function of a store that writes cannot wait for its writes")

    def _wait(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        self._hurry += 1
        self._hurried += 1
        self._changed.notify_all()
        try:
            while not condition():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            return True
        finally:
            self._hurry -= 1

    def _all_written(self, keys: list[Any], upto: int) -> bool:
        """Whether the first `upto` writes, which are of these keys, are done."""
        while keys:
            for entries in (self._waiting, self._writing):
                entry = entries.get(keys[-1])
                if entry is not None and entry.since <= upto:
                    return False
            keys.pop()
        return True

    def _all_done(self) -> bool:
        return self._thread is None and not self._waiting and not self._reserved

    # ---- the thread -----------------------------------------------------------------------------

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="fastblocks-store", daemon=True)
        self._thread.start()
        _running.add(self)

    def _run(self) -> None:
        size = self._at_once
        failures = 0
        while batch := self._take(size):
            hurried = self._hurried
            error = self._try(batch)
            if error is None:
                size, failures = min(2 * size, self._at_once), 0
            elif len(batch) > 1:
                size = 1
            else:
                pause = min(self._pauses[0] * 2.0 ** min(failures, 60), self._pauses[1])
                self._pause(pause, hurried)
                failures += 1

    def _take(self, size: int) -> dict[Any, Entry]:
        """Wait until there is something to write; if it returns nothing, the thread has to end."""
        with self._changed:
            while not (self._waiting or self._ended()):
                self._changed.wait()
            if self._due == 0:
                self._changed.wait_for(self._ready, self._interval)
                self._due = len(self._waiting)
            if self._ended():
                self._thread = None
                _running.discard(self)
                self._changed.notify_all()
                return {}
            for key, entry in self._waiting.items():
                deletes = entry.value is DELETED
                if self._writing and (deletes or len(self._writing) == size):
                    break
                self._writing[key] = entry
                if deletes:
                    break
            for key in self._writing:
                del self._waiting[key]
            self._due = min(max(self._due - len(self._writing), 0), len(self._waiting))
            return dict(self._writing)

    def _ready(self) -> bool:
        """Whether not to wait for the batch to fill."""
        full = len(self._waiting) >= self._batch_size
        return bool(full or self._hurry or self._closed or self._stopped)

    def _ended(self) -> bool:
        return self._stopped or (self._closed and not self._waiting and not self._reserved)

    def _try(self, batch: dict[Any, Entry]) -> BaseException | None:
        """Write a batch, or put it back into the queue; return what failed."""
        failure = None
        ((key, entry), *others) = batch.items()
        try:
            if entry.value is DELETED:
                assert self._delete is not None
                self._delete(key)
            else:
                self._write({key: entry.value for key, entry in batch.items()})
        except BaseException as error:
            failure = error
        given_up = failure is not None and not others and self._tell(key, entry.value, failure)
        with self._changed:
            self._error = failure
            self._writing.clear()
            if failure is not None and not given_up:
                self._due += len(batch)
                for key, entry in reversed(batch.items()):
                    newer = self._waiting.setdefault(key, entry)
                    newer.since = entry.since
                    if others and newer is entry:
                        self._waiting.move_to_end(key, last=False)
            self._changed.notify_all()
        return failure

    def _tell(self, key: Any, value: Any, error: BaseException) -> bool:
        """Tell of a write that failed; whether to give it up."""
        import logging

        logger = logging.getLogger("fastblocks.cache")
        if self._on_error is None:
            logger.warning("writing %r failed; it will be tried again", key, exc_info=error)
            return False
        try:
            return self._on_error(key, None if value is DELETED else value, error) is True
        except BaseException as wrong:
            logger.error("on_error of a store failed", exc_info=wrong)
            return False

    def _pause(self, seconds: float, hurried: int) -> None:
        """Wait, unless somebody has begun to wait for the queue since so many had."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._hurried != hurried, seconds)


def _at_exit() -> None:
    for queue in list(_running):
        queue.end(AT_EXIT)


atexit.register(_at_exit)
