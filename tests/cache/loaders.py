"""Loaders that stop until a test lets them go on."""

import asyncio
import threading

from tests.limit.lines import GUARD, until


class Loader:
    """Begins, says so, waits for `go`, and returns or raises `value`. For threads."""

    def __init__(self, value="value"):
        self.value = value
        self.keys = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, key):
        self.keys.append(key)
        self.begun.set()
        assert self.go.wait(GUARD)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


class AsyncLoader:
    """The same for tasks. Events of threads, so that any loop and thread may let it go."""

    def __init__(self, value="value"):
        self.value = value
        self.keys = []
        self.begun = threading.Event()
        self.go = threading.Event()

    async def __call__(self, key):
        self.keys.append(key)
        self.begun.set()
        await until(self.go.is_set)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def waiters(cache, key):
    """How many wait for the load of a key."""
    flight = cache._flights.table.get(key)
    return 0 if flight is None else len(flight.turns)


def await_waiters(cache, key, n):
    """Block until so many wait."""
    event = threading.Event()
    for _ in range(GUARD * 1000):
        if waiters(cache, key) == n:
            return
        event.wait(0.001)
    raise AssertionError(f"{waiters(cache, key)} wait for {key!r}, not {n}")


def in_loop(main):
    """Run a coroutine function in an event loop, with a time limit; return what it returns."""

    async def guarded():
        return await asyncio.wait_for(main(), GUARD)

    return asyncio.run(guarded())
