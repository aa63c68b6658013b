"""MaglevTable under many threads: lookups while another thread changes the nodes."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import run_together

pytestmark = pytest.mark.usefixtures("switch_often")

SIZES = [10007, 1009, 65537, 2]
SETS = [[f"node-{i}" for i in range(start, start + 10)] for start in (0, 5, 20)]


def test_lookups_are_answered_by_a_table_that_was_there():
    """Every batch by one table, every key by the node of one, whatever is rebuilt meanwhile."""
    keys = np.arange(3000)
    alone = [fastblocks.MaglevTable(nodes, table_size=2003) for nodes in SETS]
    batches = {table.get_many(keys).tobytes() for table in alone}
    singles = [{table.get(key) for table in alone} for key in range(300)]
    replicas = [{tuple(table.get_n(key, 3)) for table in alone} for key in range(100)]
    shared = alone[0].copy()
    done = threading.Event()

    def rebuild():
        try:
            for i in range(400):
                shared.rebuild(SETS[i % 3])
        finally:
            done.set()

    def read():
        while not done.is_set():
            assert shared.get_many(keys).tobytes() in batches
            for key, nodes in enumerate(singles):
                assert shared.get(key) in nodes
            for key, lists in enumerate(replicas):
                assert tuple(shared.get_n(key, 3)) in lists
            assert len(shared) == len(shared.nodes) == 10
            assert sum(shared.loads.values()) == 2003

    run_together(rebuild, read, read, read)


def test_changes_of_many_threads_all_count():
    shared = fastblocks.MaglevTable([], table_size=503)

    def change(thread):
        for i in range(20):
            shared.add(f"{thread}-{i}")
            if i % 2:
                shared.remove(f"{thread}-{i}")

    run_together(*(lambda thread=thread: change(thread) for thread in range(4)))
    assert sorted(shared.nodes) == sorted(f"{t}-{i}" for t in range(4) for i in range(0, 20, 2))
    assert shared.loads == fastblocks.MaglevTable(shared.nodes, table_size=503).loads


def test_one_of_many_initialises():
    for _ in range(20):
        table = fastblocks.MaglevTable.__new__(fastblocks.MaglevTable)
        won = []

        def make(i, table=table, won=won):
            try:
                table.__init__([f"node-{i}"], table_size=SIZES[i])
            except RuntimeError:
                return
            won.append(i)

        run_together(*(lambda i=i: make(i) for i in range(4)))
        (winner,) = won
        assert table.nodes == (f"node-{winner}",)
        assert table.loads == {f"node-{winner}": SIZES[winner]}
        assert table.table_size == len(table.table) == SIZES[winner]


def test_building_and_looking_up_give_up_the_gil():
    keys = np.arange(3_000_000)
    table = fastblocks.MaglevTable(SETS[0], table_size=655373)
    before = sys.getswitchinterval()
    for call in (lambda: table.rebuild(SETS[1]), lambda: table.get_many(keys)):
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
