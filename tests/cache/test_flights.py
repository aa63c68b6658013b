"""Loading: once however many ask, no deadlocks, errors and cancellations, changes meanwhile."""

import asyncio
import concurrent.futures
import contextvars
import gc
import logging
import os
import sys
import threading
import weakref

import pytest

from fastblocks._core import flights
from tests.limit.lines import GUARD, start, until
from tests.threads import run_together

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def nothing_left():
    """The graph of loads and waiting threads is empty after each test."""
    yield
    assert flights._blocked == {}


class Gate:
    """A loader that waits until it is let go on."""

    def __init__(self, value="value"):
        self.value = value
        self.calls = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, key):
        self.calls.append(key)
        self.begun.set()
        assert self.go.wait(GUARD)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def waiting_for(cache, key):
    """How many wait for the load of a key."""
    flight = cache._flights.table.get(key)
    return 0 if flight is None else len(flight.turns)


def await_waiting(cache, key, n):
    """Until so many wait."""
    event = threading.Event()
    for _ in range(GUARD * 1000):
        if waiting_for(cache, key) >= n:
            return
        event.wait(0.001)
    raise AssertionError(f"{waiting_for(cache, key)} wait, not {n}")
