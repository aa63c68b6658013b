"""The time, in integer nanoseconds, of the clock that an object was given."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastblocks._core import check

__all__ = ["now_ns"]


def now_ns(timer: Callable[[], float] | None) -> int:
    """Now, by `timer`: None for the clock of `time.monotonic`, or a function returning seconds."""
    return time.monotonic_ns() if timer is None else check.timer_ns(timer())
