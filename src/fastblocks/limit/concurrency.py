"""So many at once: a semaphore that is fair, for threads and tasks together."""

from __future__ import annotations

from typing import Any

from fastblocks._core import check
from fastblocks._core.waiting import CLOCK, Gate, run, timeout_of

__all__ = ["ConcurrencyLimiter"]


class ConcurrencyLimiter:
    """ConcurrencyLimiter(limit)

    At most so many at once, first come, first served.

    Threads and tasks of any number of event loops wait in one line. Nobody polls, and no thread is
    started. Whoever gives up, by a timeout or because its task is cancelled, leaves the line; if it
    has just been given its place, the place goes to the next.

    Use it as a context manager, with ``with`` in threads and ``async with`` in tasks. It does not
    know who holds a place: a thread that acquires twice holds two, and any thread may release. A
    pickle or a copy is another limiter with the same limit, in which nobody is.

    Parameters
    ----------
    limit : int
        How many at once, in ``[1, 2**31)``.

    Raises
    ------
    TypeError
        If `limit` is no int.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> from fastblocks.limit import ConcurrencyLimiter
    >>> limiter = ConcurrencyLimiter(2)
    >>> with limiter:
    ...     limiter.in_use
    1
    >>> limiter.try_acquire(), limiter.try_acquire(), limiter.try_acquire()
    (True, True, False)
    """

    __module__ = "fastblocks.limit"
    __slots__ = ("__weakref__", "_clock", "_gate")

    def __init__(self, limit: int) -> None:
        self._gate = Gate(check.integer("limit", limit, 1, 2**31 - 1))
        self._clock = CLOCK

    @property
    def limit(self) -> int:
        """How many at once."""
        return self._gate.limit

    @property
    def in_use(self) -> int:
        """How many places are taken."""
        return self._gate.in_use

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._gate.waiting)

    def try_acquire(self) -> bool:
        """Take a place if one is free and nobody waits for it.

        Returns
        -------
        bool
            Whether it was taken.
        """
        return self._gate.try_enter()

    def acquire(self, timeout: float | None = None) -> bool:
        """Take a place; the thread waits for it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None to wait for ever.

        Returns
        -------
        bool
            Whether it was taken: always, without a timeout.

        Raises
        ------
        TypeError
            If `timeout` is no number.
        ValueError
            If it is negative or NaN.
        """
        seconds = timeout_of(timeout)
        return self._gate.try_enter() or run(self._gate.enter(self._clock.thread, seconds))

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """Take a place; the task waits for it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None to wait for ever.

        Returns
        -------
        bool
            Whether it was taken: always, without a timeout.

        Raises
        ------
        TypeError
            If `timeout` is no number.
        ValueError
            If it is negative or NaN.
        """
        return await self._gate.enter(self._clock.task, timeout_of(timeout))

    def release(self) -> None:
        """Give a place back: to the first in line, if anybody waits.

        Raises
        ------
        RuntimeError
            If no place is taken.
        """
        self._gate.leave()

    def __enter__(self) -> ConcurrencyLimiter:
        self.acquire()
        return self

    def __exit__(self, *_: Any) -> None:
        self.release()

    async def __aenter__(self) -> ConcurrencyLimiter:
        await self.acquire_async()
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit,)

    def __repr__(self) -> str:
        return f"ConcurrencyLimiter({self.limit})"
