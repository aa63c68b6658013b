"""Toy block.

A benchmark file with every kind of library: `test_bench_run` copies it into a root of its own.
"""

import os
import signal
import time

from bench.model import Library, Unsupported, expect, work


class Native(Library):
    name = "fastblocks"
    role = "native"

    def total(self, keys):
        return sum(keys)


class Pure(Native):
    name = "fastblocks.pure"
    role = "pure"
    max_keys = 10


class Slow(Native):
    name = "slow"
    role = "peer"

    def total(self, keys):
        time.sleep(0.002)
        return sum(keys)


class Wrong(Slow):
    name = "wrong"

    def total(self, keys):
        return 0


class Lacking(Slow):
    name = "lacking"

    def total(self, keys):
        raise Unsupported("no totals")


class Absent(Slow):
    name = "absent"
    module = "no_such_module_anywhere"


class Raising(Slow):
    name = "raising"

    def total(self, keys):
        raise OSError("disk on fire")


class Crashing(Slow):
    name = "crashing"

    def total(self, keys):
        if len(keys) == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        return sum(keys)


class Hanging(Slow):
    name = "hanging"

    def total(self, keys):
        time.sleep(60)


class Floor(Native):
    name = "floor"
    role = "floor"
    only = ("total",)


LIBRARIES = (Native, Pure, Slow, Wrong, Lacking, Absent, Raising, Crashing, Hanging, Floor)


@work("`sum(keys)`", "100 keys", headline=True)
def bench_total(lib, timed):
    keys = lib.some(range(100))
    expect(lib.total(keys) == sum(keys), "wrong sum")
    timed(lambda: lib.total(keys), items=len(keys), bytes=2048)


@work("`sum` against size", chart="cost", points=(10, 20), libraries=("fastblocks", "crashing"))
def bench_size(lib, timed, point):
    keys = range(point)
    timed(lambda: lib.total(keys), items=len(keys), bytes=8 * point)


@work("Rates", chart="accuracy", points=(0.1, 0.01), rounds=1, libraries=("fastblocks", "slow"))
def bench_rates(lib, record, point):
    record(bits=10.0, rate=point, found=100 * point, keys=100, probes=100)


@work(
    "Error against memory",
    chart="curve",
    axes=("bytes", "error"),
    points=(1, 2),
    rounds=1,
    libraries=("fastblocks", "slow"),
)
def bench_curve(lib, record, point):
    record(bytes=1024.0 * point, error=0.1 / point)


@work("Huge", full_only=True)
def bench_huge(lib, timed):
    raise AssertionError("never in a quick run")
