"""Many processes on one SharedMemory: exactly the limit passes, and who is killed does no harm."""

import collections
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import fastblocks.limit
import fastblocks.pure.limit
from fastblocks._core import shared

FORK = multiprocessing.get_context("fork")
PROCESSES = 4


def make(impl, path, strategy="FixedWindow", rate="1000/day", **options):
    storage = impl.limit.SharedMemory(path, options.pop("max_keys", 100))
    return getattr(impl.limit, strategy)(rate, storage=storage, **options)


def run_processes(target, n=PROCESSES, context=FORK):
    """Run target(i, results) in n processes; return the array of n that is `results`."""
    results = context.Array("q", n)
    line = context.Barrier(n)
    processes = [context.Process(target=start, args=(target, i, results, line)) for i in range(n)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return list(results)


def start(target, i, results, line):
    line.wait()
    target(i, results)


@pytest.mark.parametrize(
    "strategy", ["FixedWindow", "SlidingWindow", "SlidingWindowCounter", "LeakyBucket"]
)
def test_exactly_the_limit_passes(impl, tmp_path, strategy):
    limit, rounds = (1000, 3) if impl is fastblocks else (60, 1)
    for round in range(rounds):
        path = tmp_path / f"limits{round}"

        def hammer(i, results, path=path):
            one = make(impl, path, strategy, f"{limit}/day", timer=lambda: 1e6)
            results[i] = sum(one.allow("ann") for _ in range(limit // 2))

        assert sum(run_processes(hammer)) == limit
        one = make(impl, path, strategy, f"{limit}/day", timer=lambda: 1e6)
        assert one.peek("ann").remaining == 0
        assert len(one.storage) == 1


def test_exactly_the_limit_of_every_key_passes_in_batches(impl, tmp_path):
    path, keys = tmp_path / "limits", 200
    times = 40 if impl is fastblocks else 2

    def hammer(i, results):
        one = make(impl, path, rate="5/day", timer=lambda: 0.0, max_keys=2000)
        results[i] = sum(one.allow_many(list(range(keys)) * 4).sum() for _ in range(times))

    assert sum(run_processes(hammer)) == 5 * keys


def test_who_is_forked_is_another_user(impl, tmp_path):
    n = 500 if impl is fastblocks else 30
    one = make(impl, tmp_path / "limits", rate=f"{3 * n}/day", timer=lambda: 0.0)
    assert one.allow("ann")

    def hammer(i, results):
        results[i] = sum(one.allow("ann") for _ in range(n))

    assert sum(run_processes(hammer)) == 3 * n - 1
    assert not one.allow("ann")


def test_a_child_of_a_child_and_a_parent_that_is_gone(tmp_path):
    one = make(fastblocks, tmp_path / "limits", rate="3/day", timer=lambda: 0.0)
    results = FORK.Array("q", 2)

    def child():
        results[0] = one.allow("ann")
        pid = os.fork()
        if pid == 0:
            results[1] = one.allow("ann")
            one.storage.close()
            os._exit(0)
        os.waitpid(pid, 0)
        one.storage.close()

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert list(results) == [1, 1]
    assert one.allow("ann")
    assert not one.allow("ann")


def test_a_fork_while_a_thread_is_at_work(tmp_path):
    one = make(fastblocks, tmp_path / "limits", rate="1000000/day", timer=lambda: 0.0)
    keys = ["ann"] * 20_000
    end = threading.Event()

    def batches():
        while not end.is_set():
            one.allow_many(keys, out=None)

    thread = threading.Thread(target=batches)
    thread.start()
    results = FORK.Array("q", 10)

    def child(i):
        results[i] = one.allow("bob") + one.allow_many(["bob"] * 600).sum()

    for i in range(10):
        process = FORK.Process(target=child, args=(i,))
        process.start()
        process.join()
        assert process.exitcode == 0
    end.set()
    thread.join()
    assert list(results) == [601] * 10


def test_who_is_spawned_opens_the_file_anew(tmp_path):
    one = make(fastblocks, tmp_path / "limits", rate="500/day")
    context = multiprocessing.get_context("spawn")
    targets = [one.allow_many, one.allow_many]  # pickled with the limiter and its storage
    processes = [context.Process(target=target, args=(["ann"] * 200,)) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert one.peek("ann").remaining == 100


def test_many_processes_that_make_it_at_once_have_one_file(impl, tmp_path):
    for round in range(10):
        path = tmp_path / f"limits{round}"

        def race(i, results, path=path):
            results[i] = make(impl, path, rate="2/day", timer=lambda: 0.0).allow("ann")

        assert sum(run_processes(race)) == 2


def test_a_stale_file_is_replaced_once(impl, tmp_path):
    path = tmp_path / "limits"
    for round in range(5):
        real = shared.boot_id
        shared.boot_id = lambda round=round: bytes([round] * 16)
        try:
            assert make(impl, path, rate="2/day", timer=lambda: 0.0).allow("ann", 2)
        finally:
            shared.boot_id = real

        def race(i, results):
            results[i] = make(impl, path, rate="2/day", timer=lambda: 0.0).allow("ann")

        assert sum(run_processes(race)) == 2
    assert os.listdir(tmp_path) == ["limits"]


@pytest.mark.parametrize("strategy", ["FixedWindow", "SlidingWindow", "LeakyBucket"])
def test_the_killed_do_no_harm(impl, tmp_path, strategy):
    """Workers are killed one after the other, in the middle of what they do, and replaced."""
    path = tmp_path / "limits"
    native = impl is fastblocks
    kills, calls, limit = (24, 1500, 12_000) if native else (6, 20, 150)
    if strategy == "SlidingWindow" and native:
        limit, calls = 1000, 300
    slots = kills + PROCESSES
    passed = FORK.RawArray("q", slots)  # of each worker, whether it lives or not
    made = FORK.RawArray("q", slots)

    def work(slot):
        one = make(impl, path, strategy, f"{limit}/day", timer=lambda: 0.0, max_keys=50)
        i = 0
        while True:
            i += 1
            passed[slot] += one.allow("ann")
            one.allow(i % 40)
            made[slot] += 1

    def begin(slot):
        pid = os.fork()
        if pid == 0:
            try:
                work(slot)
            finally:
                os._exit(1)
        return pid

    pids = {slot: begin(slot) for slot in range(PROCESSES)}
    try:
        for slot in range(kills):
            while made[slot] < calls + 7 * slot % 13:
                assert os.waitpid(pids[slot], os.WNOHANG) == (0, 0)
            os.kill(pids[slot], signal.SIGKILL)
            os.waitpid(pids.pop(slot), 0)
            pids[slot + PROCESSES] = begin(slot + PROCESSES)
        one = make(impl, path, strategy, f"{limit}/day", timer=lambda: 0.0, max_keys=50)
        while one.peek("ann").remaining:  # those who are left go on
            pass
        before = made[-1]
        while made[-1] < before + 10:
            pass
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert limit - slots <= sum(passed) <= limit
    assert len(one.storage) == 41
    assert not one.allow("ann")


def test_no_window_of_the_real_clock_lets_more_pass(tmp_path):
    """A call that was overtaken since it read the clock is of the time when it counts."""
    path, period, calls = tmp_path / "limits", 20_000, 40_000  # a window of 20 microseconds
    rate = fastblocks.limit.Rate(3, per=period / 1e9)
    surely = [FORK.RawArray("q", calls) for _ in range(PROCESSES)]  # windows of calls that passed

    def hammer(i, results):
        one = make(fastblocks, path, rate=rate)
        for n in range(calls):
            before = time.monotonic_ns() // period
            if one.allow("ann") and before == time.monotonic_ns() // period:
                surely[i][n] = before

    run_processes(hammer)
    windows = collections.Counter(window for each in surely for window in each if window)
    assert max(windows.values()) <= 3


def test_the_record_of_the_dead_is_taken_over(tmp_path):
    path = tmp_path / "limits"
    code = f"""
import os, signal
from fastblocks.limit import FixedWindow, SharedMemory
one = FixedWindow("1000000/day", storage=SharedMemory({str(path)!r}, 100))
one.allow("ann")
os.kill(os.getpid(), signal.SIGKILL)
"""
    for _ in range(3):
        assert (
            subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
        )
    one = make(fastblocks, path, rate="1000000/day")
    assert one.peek("ann").remaining == 1_000_000 - 3
    with open(path, "rb") as file:
        file.seek(4096 + 128)
        assert file.read(128) == bytes(128)  # the second record was never used
