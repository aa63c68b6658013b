"""What the workers share, as files of one folder that are mapped into the memory of each.

    limits          of the clients: one exact state for all (fastblocks.limit.SharedMemory)
    events-<slot>   events seen: one worker adds to it, the others look into it
    figures-<slot>  what a worker has done, written anew every second, for the page of figures

A worker owns a slot by the lock on its filter of events. The system takes the lock back from a
worker that ends, however it ends; the one that takes its place goes on with the same filter.
There is a slot more than workers, for one that starts before another ends, as after SIGHUP.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastblocks import RotatingBloomFilter
from fastblocks.limit import LeakyBucket, Redis, SharedMemory

from .settings import Settings

FALSE_POSITIVES = 1e-4  # of events that are new and taken for seen, in each filter


def limiter(settings: Settings) -> LeakyBucket:
    """Return the limiter of all workers; with Redis, of all gateways."""
    if settings.redis:
        return LeakyBucket(settings.limit, storage=Redis(settings.redis))
    path = Path(settings.state, "limits")
    return LeakyBucket(settings.limit, storage=SharedMemory(path, settings.max_clients))


def slots(settings: Settings) -> list[Path]:
    """Return the files of events, one for each slot."""
    return [Path(settings.state, f"events-{slot}") for slot in range(settings.workers + 1)]


def prepare(settings: Settings) -> None:
    """Make the files that are not there yet; ValueError if they are there for other settings."""
    limiter(settings).peek("")  # makes or checks the file of limits
    for path in slots(settings):
        events = RotatingBloomFilter(settings.max_events, FALSE_POSITIVES, settings.event_window)
        if not path.exists():
            events.save(path)
        found = RotatingBloomFilter.open(path)
        if (found.capacity, found.window) != (events.capacity, events.window):
            raise ValueError(
                f"{path} is for {found.capacity} events in {found.window:g} s, not for "
                f"{events.capacity} in {events.window:g} s: remove it, or choose another state"
            )


class Events:
    """Tells which events are new to all workers. It owns the slot of this worker."""

    def __init__(self, settings: Settings) -> None:
        paths = slots(settings)
        self.slot, self._own = self._claimed(paths)
        paths.pop(self.slot)
        self._others = [RotatingBloomFilter.open(path, verify=False) for path in paths]

    @staticmethod
    def _claimed(paths: list[Path]) -> tuple[int, RotatingBloomFilter]:
        for slot, path in enumerate(paths):
            with suppress(BlockingIOError):
                return slot, RotatingBloomFilter.open(path, "r+", verify=False)
        raise RuntimeError(f"all {len(paths)} slots of {paths[0].parent} belong to other workers")

    def add(self, event: str) -> bool:
        """Remember an event, and tell whether it was new.

        Of two workers that get it in the same microseconds both may say so: they do not lock.
        """
        elsewhere = any(event in other for other in self._others)
        return self._own.add(event) and not elsewhere


class Figures:
    """What each worker last said of itself."""

    def __init__(self, settings: Settings, slot: int) -> None:
        self._folder = Path(settings.state)
        self._own = self._folder / f"figures-{slot}"

    def write(self, figures: dict[str, Any]) -> None:
        """Replace those of this worker, all at once."""
        new = self._own.with_name(f".{self._own.name}")
        new.write_text(json.dumps(figures))
        os.replace(new, self._own)

    def read_all(self) -> list[dict[str, Any]]:
        """Return those of all workers, each with its age in seconds."""
        now = time.time()
        figures = [
            {**json.loads(path.read_text()), "age": round(now - path.stat().st_mtime, 1)}
            for path in self._folder.glob("figures-*")
        ]
        return sorted(figures, key=lambda worker: worker["slot"])
