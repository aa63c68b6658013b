"""Waiting in line, for threads and for tasks of any event loop alike.

`Gate` lets so many in at once, first come, first served. A limiter has a gate for one for each key
that is waited for: whoever is in asks the limiter, sleeps as long as the limiter says, and asks
again; the others sleep until it is their turn. Nobody polls, and nobody sleeps with a lock held.

The same code serves threads and tasks: it is a coroutine, whose waits block a thread and suspend
a task. `run` runs it in a thread.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from . import check, limits
from .rates import Decision

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "CLOCK",
    "Clock",
    "Gate",
    "TaskTurn",
    "ThreadTurn",
    "Turn",
    "Waiters",
    "run",
    "timeout_of",
]

T = TypeVar("T")

LEAST = 50e-6  # seconds to sleep at least, so that no clock makes anyone spin


class Turn:
    """One who waits: until woken, or for so long."""

    __slots__ = ("admitted",)

    def __init__(self) -> None:
        self.admitted = False  # by a gate

    def wake(self) -> bool:
        """End the pause, or the next one; False if there is nobody any more to be woken."""
        raise NotImplementedError

    async def pause(self, seconds: float | None) -> None:
        """Wait until woken, or until so many seconds have passed."""
        raise NotImplementedError


class ThreadTurn(Turn):
    """A thread that waits."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        super().__init__()
        self._event = threading.Event()

    def wake(self) -> bool:
        self._event.set()
        return True

    async def pause(self, seconds: float | None) -> None:
        self._event.wait(seconds)


class TaskTurn(Turn):
    """A task of the event loop that runs."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        import asyncio  # is slow to import, and there already where a loop runs

        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _end(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def pause(self, seconds: float | None) -> None:
        timer = None if seconds is None else self._loop.call_later(seconds, self._end)
        try:
            await self._future
        finally:
            if timer is not None:
                timer.cancel()


class Clock:
    """Real time. The tests have a clock of their own, which goes on when they say so."""

    thread: Callable[[], Turn] = ThreadTurn
    task: Callable[[], Turn] = TaskTurn

    @staticmethod
    def now() -> float:
        return time.monotonic()


CLOCK = Clock()  # of every line that is made; replaced by tests


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose pauses are those of a `ThreadTurn`: it is never suspended."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a coroutine that was to block has been suspended")


def timeout_of(timeout: Any) -> float | None:
    """Return the argument `timeout`, checked."""
    return None if timeout is None else check.real("timeout", timeout, 0.0, check.MAX_SECONDS)


class Gate:
    """At most `limit` are in at once; the others wait in line.

    Invariant: while anybody waits, `limit` are in. A place that gets free is given to the first in
    line, under the lock; if that one has given up meanwhile, it passes the place on.

    The lock is reentrant and every step leaves counts that are true: the collector may close the
    coroutine of a task that was dropped, which then gives up, while its thread holds the lock.
    """

    __slots__ = (
        "_admitting",
        "_lock",
        "changes",
        "in_use",
        "limit",
        "sleeper",
        "users",
        "waiting",
    )

    def __init__(self, limit: int, lock: Any = None) -> None:
        self.limit = limit
        self.in_use = 0
        self.users = 0  # this and the next two: for whoever keeps gates
        self.changes = 0
        self.sleeper: Turn | None = None
        self.waiting: OrderedDict[Turn, None] = OrderedDict()
        self._lock = threading.RLock() if lock is None else lock
        self._admitting = False

    def try_enter(self) -> bool:
        """Go in if there is room and nobody waits for it."""
        with self._lock:
            if self.waiting or self.in_use >= self.limit:
                return False
            self.in_use += 1
            return True

    async def enter(self, new_turn: Callable[[], Turn], seconds: float | None) -> bool:
        """Go in, or wait for it, at most so long; tell whether in."""
        if self.try_enter():
            return True
        if seconds == 0:
            return False
        turn = new_turn()
        try:
            with self._lock:
                self.waiting[turn] = None
                self._admit()
            await turn.pause(seconds)
        except BaseException:
            if self._admitted(turn):
                self.leave()
            raise
        return self._admitted(turn)

    def leave(self) -> None:
        """Give the place to the first in line."""
        with self._lock:
            if self.in_use == 0:
                raise RuntimeError("released more often than acquired")
            self.in_use -= 1
            self._admit()

    def _admitted(self, turn: Turn) -> bool:
        """Tell whether a turn has been let in; it waits no longer."""
        with self._lock:
            self.waiting.pop(turn, None)
            return turn.admitted

    def _admit(self) -> None:
        if self._admitting:  # by this thread: it will see to it
            return
        self._admitting = True
        try:
            while self.waiting and self.in_use < self.limit:
                turn = next(iter(self.waiting), None)
                if turn is not None and self.waiting.pop(turn, turn) is None:
                    turn.admitted = turn.wake()
                    self.in_use += turn.admitted
        finally:
            self._admitting = False


class Waiters:
    """Those who wait for a limiter: in one line for each key.

    Parameters
    ----------
    most : int
        The greatest cost that can ever pass.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._clock = CLOCK
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._gates: dict[bytes, Gate] = {}

    def __len__(self) -> int:
        """How many keys are waited for."""
        return len(self._gates)

    def wait(self, limiter: Any, place: bytes, key: Any, cost: Any, timeout: Any) -> Decision:
        """`limiter.hit` as soon as it is allowed; `place` is the key in one form for all."""
        return run(self._wait(limiter, "", self._clock.thread, place, key, cost, timeout))

    async def wait_async(
        self, limiter: Any, place: bytes, key: Any, cost: Any, timeout: Any
    ) -> Decision:
        """The same for a task, by `limiter.hit_async` if it has one."""
        return await self._wait(limiter, "_async", self._clock.task, place, key, cost, timeout)

    async def _wait(
        self,
        limiter: Any,
        suffix: str,
        new_turn: Callable[[], Turn],
        place: bytes,
        key: Any,
        cost: Any,
        timeout: Any,
    ) -> Decision:
        cost = limits.cost_of(cost)
        if cost > self._most:
            raise ValueError(f"cost must be at most {self._most}, the limit, not {cost}")
        seconds = timeout_of(timeout)
        now = self._clock.now
        deadline = math.inf if seconds is None else now() + seconds
        gate = self._join(place)
        try:
            if not await gate.enter(new_turn, seconds):
                verdict = await _ask(limiter, "peek", suffix, key)
                return verdict._replace(allowed=False)
            try:
                while True:
                    changes = gate.changes
                    verdict = await _ask(limiter, "hit", suffix, key, cost)
                    retry = verdict.retry_after
                    if verdict.allowed or retry == math.inf or retry > deadline - now():
                        return verdict
                    await self._sleep(gate, new_turn(), changes, max(retry, LEAST))
            finally:
                gate.leave()
        finally:
            self._part(place, gate)

    async def _sleep(self, gate: Gate, turn: Turn, changes: int, seconds: float) -> None:
        """Sleep, unless somebody gives the key quota, or has done so since `changes` was read."""
        with self._lock:
            gate.sleeper = turn
            changed = gate.changes != changes
        try:
            await turn.pause(0 if changed else seconds)
        finally:
            gate.sleeper = None

    def wake(self, place: bytes) -> None:
        """Let who sleeps until a key has quota ask again: somebody has given it some."""
        with self._lock:
            gate = self._gates.get(place)
            if gate is not None:
                gate.changes += 1
                if gate.sleeper is not None:
                    gate.sleeper.wake()

    def _join(self, place: bytes) -> Gate:
        if self._pid != os.getpid():  # the child of a fork: those who waited are not here
            self._begin()
        with self._lock:
            gate = self._gates.get(place) or Gate(1, self._lock)
            gate.users += 1
            self._gates[place] = gate
            return gate

    def _part(self, place: bytes, gate: Gate) -> None:
        with self._lock:
            gate.users -= 1
            if gate.users == 0:
                self._gates.pop(place, None)


async def _ask(limiter: Any, method: str, suffix: str, *args: Any) -> Decision:
    """Call a method of a limiter: the one with the suffix if there is one."""
    call = getattr(limiter, method + suffix, None) if suffix else None
    answer = getattr(limiter, method)(*args) if call is None else await call(*args)
    result: Decision = answer
    return result
