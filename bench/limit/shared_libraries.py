"""Limits that processes share, without a server: fastblocks and what else there is."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, ClassVar

from bench.model import Library, Role, Unsupported

FORK = multiprocessing.get_context("fork")
DAY = 86_400


class Shared(Library):
    """What all have in common: `shared` is what the processes inherit from the one that forks them.

    Attributes
    ----------
    calls : int
        How many calls a process makes at most in a round.
    """

    calls: ClassVar[int] = 1 << 62

    def share(self, limit: int, keys: int) -> Any:
        """Return a limiter of `limit` a day for each of `keys` keys."""
        raise NotImplementedError

    def allow(self, shared: Any) -> Callable[[str], bool]:
        """Return what a process calls with a key."""
        raise NotImplementedError

    def drop(self, shared: Any) -> None:
        """Remove what is left of it."""

    @contextlib.contextmanager
    def workers(
        self, n: int, keys: list[str], limit: int
    ) -> Iterator[tuple[Callable[[], None], Any]]:
        """Fork n processes; give a function that lets each make its calls, and what passed."""
        shared = self.share(limit, len(set(keys)))
        line = FORK.Barrier(n + 1)
        passed = FORK.RawArray("q", n)

        def work(i: int) -> None:
            allow = self.allow(shared)
            while True:
                line.wait()
                passed[i] += sum([allow(key) for key in keys])
                line.wait()

        processes = [FORK.Process(target=work, args=(i,), daemon=True) for i in range(n)]
        for process in processes:
            process.start()

        def go() -> None:
            line.wait()
            line.wait()

        try:
            yield go, passed
        finally:
            for process in processes:
                process.kill()
                process.join()
            self.drop(shared)


class Native(Shared):
    """fastblocks itself: a fixed window."""

    name = "fastblocks"
    role: ClassVar[Role] = "native"
    module = "fastblocks.limit"
    distribution = "fastblocks"
    strategy = "FixedWindow"

    def share(self, limit: int, keys: int) -> Any:
        """Return a limiter on a new file."""
        path = f"bench-{os.getpid()}-{time.monotonic_ns()}"
        storage = self.api.SharedMemory(path, 100_000 if self.role == "native" else 1000)
        return getattr(self.api, self.strategy)(f"{limit}/day", storage=storage)

    def allow(self, shared: Any) -> Callable[[str], bool]:
        """Return its own."""
        function: Callable[[str], bool] = shared.allow
        return function

    def drop(self, shared: Any) -> None:
        """Remove the file."""
        shared.storage.unlink()


class Pure(Native):
    """The pure-Python twin."""

    name = "fastblocks.pure"
    role: ClassVar[Role] = "pure"
    module = "fastblocks.pure.limit"
    calls = 1_000


class Manager(Shared):
    """What one writes by hand: a lock, and a dict in a manager's process; a fixed window."""

    name = "Lock and Manager().dict()"
    role: ClassVar[Role] = "floor"
    calls = 1_000

    def share(self, limit: int, keys: int) -> Any:
        """Return the lock, the dict and its server."""
        manager = FORK.Manager()
        return manager, FORK.Lock(), manager.dict(), limit

    def allow(self, shared: Any) -> Callable[[str], bool]:
        """Return a function that counts by window."""
        _, lock, counts, limit = shared

        def allow(key: str) -> bool:
            window = time.monotonic() // DAY
            with lock:
                known, used = counts.get(key, (window, 0))
                if known != window:
                    used = 0
                if used >= limit:
                    return False
                counts[key] = window, used + 1
                return True

        return allow

    def drop(self, shared: Any) -> None:
        """End the server."""
        shared[0].shutdown()


class PyrateMultiprocess(Shared):
    """pyrate-limiter's bucket for processes, one for each key: a list in a manager's process.

    With ``blocking=False`` it refuses whoever finds its lock taken, and so lets less than the limit
    pass; with a timeout it does not.
    """

    name = "pyrate-limiter, MultiprocessBucket"
    module = "pyrate_limiter"
    distribution = "pyrate-limiter"
    calls = 200

    def bucket(self, rates: Any) -> Any:
        """Return a bucket."""
        return self.api.MultiprocessBucket.init(rates)

    def share(self, limit: int, keys: int) -> Any:
        """Return a bucket."""
        if keys > 1:
            raise Unsupported("a bucket, with a process of its own, for every key")
        return self.bucket([self.api.Rate(limit, DAY * 1000)])

    def allow(self, shared: Any) -> Callable[[str], bool]:
        """Return `try_acquire`, which waits for the lock but hardly for a denied call."""
        limiter = self.api.Limiter(shared)

        def allow(key: str) -> bool:
            return bool(limiter.try_acquire(key, timeout=0.05))

        return allow


class PyrateSQLite(PyrateMultiprocess):
    """Its bucket in an SQLite file, with a lock on a file."""

    name = "pyrate-limiter, SQLiteBucket"

    def share(self, limit: int, keys: int) -> Any:
        """Return the rates and a path: every process opens the file."""
        if keys > 1:
            raise Unsupported("a table for every key")
        import_module("filelock")
        rates = [self.api.Rate(limit, DAY * 1000)]
        return rates, os.path.join(tempfile.mkdtemp(), "bucket.sqlite")

    def allow(self, shared: Any) -> Callable[[str], bool]:
        """Open the file and return `try_acquire`."""
        rates, path = shared
        bucket = self.api.SQLiteBucket.init_from_file(rates, db_path=path, use_file_lock=True)
        return super().allow(bucket)
