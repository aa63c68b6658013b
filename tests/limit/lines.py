"""Clocks for those who wait: time goes on when the test says so, and nobody sleeps."""

import asyncio
import threading

from fastblocks._core.waiting import TaskTurn, ThreadTurn

GUARD = 60  # seconds after which a test that hangs fails


class FakeClock:
    """A clock for a limiter (`timer=clock.now`) and for those who wait for it."""

    def __init__(self):
        self.time = 0.0
        self.pauses = []  # the seconds of each pause, in order of their beginning
        self._alarms = []
        self._changed = threading.Condition()

    def now(self):
        return self.time

    def thread(self):
        return _faked(ThreadTurn, self)()

    def task(self):
        return _faked(TaskTurn, self)()

    def begin(self, turn, seconds):
        with self._changed:
            self.pauses.append(seconds)
            if seconds is not None:
                self._alarms.append((self.time + seconds, len(self.pauses), turn))
            self._changed.notify_all()

    def advance(self, seconds):
        """Let time pass, and wake whose pause is over."""
        with self._changed:
            self.time += seconds
            due = sorted(alarm for alarm in self._alarms if alarm[0] <= self.time)
            self._alarms = [alarm for alarm in self._alarms if alarm[0] > self.time]
        for _, _, turn in due:
            turn.wake()

    def await_pauses(self, n):
        """Block until n pauses have begun since the start."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.pauses) >= n, GUARD)
            assert len(self.pauses) == n

    async def await_pauses_async(self, n):
        await until(lambda: len(self.pauses) >= n)
        assert len(self.pauses) == n


class HastyClock(FakeClock):
    """Whoever sleeps makes time pass, and does not wait for it."""

    def begin(self, turn, seconds):
        if seconds is not None:
            with self._changed:
                self.time += seconds
            turn.wake()


def _faked(turn_class, clock):
    class Faked(turn_class):
        async def pause(self, seconds):
            clock.begin(self, seconds)
            await super().pause(None)

    return Faked


async def until(condition):
    """Let other tasks run until a condition holds."""
    deadline = asyncio.get_running_loop().time() + GUARD
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0)


def start(target):
    """Start a thread; `join` raises what it raised and returns what it returned."""
    return Started(target)


class Started(threading.Thread):
    def __init__(self, target):
        super().__init__(daemon=True)
        self._do = target
        self._result = self._error = None
        self.start()

    def run(self):
        try:
            self._result = self._do()
        except BaseException as error:
            self._error = error

    def result(self):
        self.join(GUARD)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._result
