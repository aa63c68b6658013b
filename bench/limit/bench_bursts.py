"""All strategies: what each admits over time.

Nothing is timed here. Calls of one key come at times that do not change, on an injected clock: a
trickle, two bursts around the end of a window, silence, and a flood.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from bench.model import Library, Record, Role, expect, work

LIMIT = 10  # in a second
POINTS = tuple(range(50, 5501, 50))  # milliseconds
# From, to, calls: a trickle, a burst before the end of a window, one after it, a flood.
PHASES = ((0.0, 0.8, 3), (1.85, 1.99, 15), (2.01, 2.15, 15), (3.4, 5.5, 44))
EPSILON = 1e-6  # of rounded times


def arrivals() -> list[float]:
    """Return the times of all calls, in order."""
    random = np.random.default_rng(6)
    times = [random.uniform(start, end, n) for start, end, n in PHASES]
    found: list[float] = np.sort(np.concatenate(times)).tolist()
    return found


class Strategy(Library):
    """A limiter of fastblocks."""

    role: ClassVar[Role] = "native"
    module = "fastblocks.limit"
    distribution = "fastblocks"

    def limiter(self, api: Any, timer: Callable[[], float]) -> Any:
        """Return one of `LIMIT` calls a second."""
        return getattr(api, self.name)(f"{LIMIT}/second", timer=timer)

    def most(self, seconds: float) -> float:
        """Return how many calls it may admit from one to another so much later: its promise."""
        raise NotImplementedError

    @cached_property
    def admitted(self) -> list[float]:
        """The times of the calls that are admitted: those that the twin admits."""
        found = self._admitted(self.api)
        twin = self._admitted(import_module("fastblocks.pure.limit"))
        expect(found == twin, "the twin admits others")
        for i, start in enumerate(found):
            for n, end in enumerate(found[i:], 1):
                most = self.most(end - start)
                expect(n <= most, f"{n} calls in {end - start:.3f} s, not {most:.1f}")
        return found

    def _admitted(self, api: Any) -> list[float]:
        clock = SimpleNamespace(now=0.0)
        limiter = self.limiter(api, lambda: clock.now)
        found = []
        for clock.now in arrivals():
            if limiter.allow("ann"):
                found.append(clock.now)
        return found

    def by(self, seconds: float) -> float:
        """Return how many calls were admitted by then."""
        return bisect_right(self.admitted, seconds)

    def recent(self, seconds: float) -> float:
        """Return how many were admitted in the second before."""
        return self.by(seconds) - self.by(seconds - 1)


class FixedWindow(Strategy):
    """Up to twice the limit around the end of a window."""

    name = "FixedWindow"

    def most(self, seconds: float) -> float:
        """Return the limit for each window that the time may touch."""
        return LIMIT * (2 + seconds // 1)


class SlidingWindow(Strategy):
    """Never more than the limit in any second."""

    name = "SlidingWindow"

    def most(self, seconds: float) -> float:
        """Return the limit for each second begun."""
        return LIMIT * (1 + (seconds + EPSILON) // 1)


class SlidingWindowCounter(FixedWindow):
    """About the limit in any second."""

    name = "SlidingWindowCounter"


class TokenBucket(Strategy):
    """A burst, then evenly spaced."""

    name = "TokenBucket"
    burst: ClassVar[int] = LIMIT

    def limiter(self, api: Any, timer: Callable[[], float]) -> Any:
        """Return one of `LIMIT` tokens a second."""
        return api.TokenBucket(LIMIT, self.burst, timer=timer)

    def most(self, seconds: float) -> float:
        """Return the burst, and the rate."""
        return self.burst + LIMIT * seconds + EPSILON


class LeakyBucket(TokenBucket):
    """One at once: evenly spaced."""

    name = "LeakyBucket, burst 1"
    burst = 1

    def limiter(self, api: Any, timer: Callable[[], float]) -> Any:
        """Return one without bursts."""
        return api.LeakyBucket(f"{LIMIT}/second", burst=self.burst, timer=timer)


class Calls(Strategy):
    """What there is to limit."""

    name = "calls made"
    role = "floor"
    module = distribution = ""

    @cached_property
    def admitted(self) -> list[float]:
        """All of them."""
        return arrivals()


class Ideal(Strategy):
    """The rate itself."""

    name = f"{LIMIT} a second"
    role = "floor"
    module = distribution = ""

    def by(self, seconds: float) -> float:
        """Return the rate times the time."""
        return LIMIT * seconds


LIBRARIES = (
    FixedWindow,
    SlidingWindow,
    SlidingWindowCounter,
    TokenBucket,
    LeakyBucket,
    Calls,
    Ideal,
)


SWEEP = {"chart": "curve", "points": POINTS, "rounds": 1}


@work(
    "Calls admitted over time",
    f"{LIMIT} a second; a trickle, bursts before and after the second's end at 2, silence, a flood",
    axes=("seconds", "admitted"),
    **SWEEP,
)
def bench_admitted(lib: Strategy, record: Record, point: float) -> None:
    """The same calls to all."""
    record(seconds=point / 1000, admitted=lib.by(point / 1000))


@work(
    "Calls admitted in the last second",
    "the same calls; SlidingWindow never lets more than the limit pass in any second",
    axes=("seconds", "recent"),
    **SWEEP,
)
def bench_recent(lib: Strategy, record: Record, point: float) -> None:
    """What a server behind the limiter feels."""
    record(seconds=point / 1000, recent=lib.recent(point / 1000))
