"""BinaryFuseFilter under many threads: built and read at the same time."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import run_together

pytestmark = pytest.mark.usefixtures("switch_often")


def test_many_threads_build_and_read(tmp_path):
    keys = np.arange(50_000)
    shared = fastblocks.BinaryFuseFilter(keys, 16)
    expected = shared.contains_many(np.arange(100_000))
    path = tmp_path / "keys.fuse"
    shared.save(path)

    def build():
        for _ in range(5):
            assert fastblocks.BinaryFuseFilter(keys, 16) == shared

    def read():
        for _ in range(20):
            assert (shared.contains_many(np.arange(100_000)) == expected).all()
            assert all(key in shared for key in range(300))
            assert shared.contains_many(keys[:100]).all()

    def copy():
        for _ in range(10):
            assert shared.copy() == shared
            assert fastblocks.BinaryFuseFilter.from_bytes(shared.to_bytes()) == shared
            assert fastblocks.BinaryFuseFilter.open(path) == shared
            shared.save(path)

    run_together(build, build, read, read, read, read, copy, copy)


def test_one_of_many_initialises():
    for _ in range(20):
        f = fastblocks.BinaryFuseFilter.__new__(fastblocks.BinaryFuseFilter)
        won = []

        def make(i, f=f, won=won):
            try:
                f.__init__(np.arange(i * 1000, (i + 1) * 1000))
            except RuntimeError:
                return
            won.append(i)

        run_together(*(lambda i=i: make(i) for i in range(4)))
        (winner,) = won
        assert f == fastblocks.BinaryFuseFilter(np.arange(winner * 1000, (winner + 1) * 1000))


def test_building_and_looking_up_give_up_the_gil():
    keys = np.arange(2_000_000)
    f = fastblocks.BinaryFuseFilter(keys)
    before = sys.getswitchinterval()
    for call in (lambda: fastblocks.BinaryFuseFilter(keys), lambda: f.contains_many(keys)):
        ran = []
        go = threading.Event()
        thread = threading.Thread(target=lambda go=go, ran=ran: go.wait() and ran.append(True))
        thread.start()
        sys.setswitchinterval(60)  # so that the thread can only run if the GIL is given up
        try:
            go.set()
            call()
            in_time = bool(ran)
        finally:
            sys.setswitchinterval(before)
        thread.join()
        assert in_time
