"""RendezvousHash under many threads: lookups go on while nodes come and go."""

import sys
import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import run_together

pytestmark = pytest.mark.usefixtures("switch_often")

NAMES = [f"node-{i}" for i in range(20)]


@pytest.mark.parametrize("weights", [None, [*range(1, 21)]])
def test_keys_of_nodes_that_stay_do_not_move_while_others_come_and_go(weights):
    nodes = fastblocks.RendezvousHash(NAMES, weights)
    first = [nodes.get(key) for key in range(500)]
    keys = np.arange(2000)

    def change(i):
        for _ in range(60):
            nodes.add(f"guest-{i}", 2)
            nodes.remove(f"guest-{i}")

    def look_up():
        for key in range(500):
            assert nodes.get(key) == first[key] or nodes.get_n(key, 1)
            names = nodes.get_n(key, 25)
            assert len(set(names)) == len(names) >= 20
            assert next(name for name in names if name in NAMES) == first[key]

    def look_up_many():
        for _ in range(60):
            assert nodes.get_many(keys).max() < 23
            copied = nodes.copy()
            assert copied.get_many(keys).max() < len(copied)

    run_together(
        lambda: change(0), lambda: change(1), lambda: change(2), look_up, look_up, look_up_many
    )
    assert nodes == fastblocks.RendezvousHash(NAMES, weights)


def test_every_change_counts():
    nodes = fastblocks.RendezvousHash([])
    run_together(*(lambda i=i: [nodes.add(f"node-{i}-{j}") for j in range(50)] for i in range(8)))
    assert len(nodes) == len(set(nodes.nodes)) == 400
    run_together(
        *(lambda i=i: [nodes.remove(f"node-{i}-{j}") for j in range(50)] for i in range(8))
    )
    assert nodes == fastblocks.RendezvousHash([])


def test_one_of_many_initialises():
    for _ in range(20):
        nodes = fastblocks.RendezvousHash.__new__(fastblocks.RendezvousHash)
        won = []

        def make(i, nodes=nodes, won=won):
            try:
                nodes.__init__([f"node-{i}-{j}" for j in range(20)], seed=5)
            except RuntimeError:
                return
            won.append(i)

        run_together(*(lambda i=i: make(i) for i in range(4)))
        (winner,) = won
        assert nodes == fastblocks.RendezvousHash([f"node-{winner}-{j}" for j in range(20)], seed=5)


@pytest.mark.parametrize(
    "call",
    [
        lambda keys: fastblocks.RendezvousHash(NAMES).get_many(keys),
        lambda keys: fastblocks.ring.jump_hash_many(keys, 1000),
    ],
    ids=["RendezvousHash", "jump_hash_many"],
)
def test_batches_give_up_the_gil(call):
    keys = np.arange(2_000_000)
    before = sys.getswitchinterval()
    ran = []
    go = threading.Event()
    thread = threading.Thread(target=lambda: go.wait() and ran.append(True))
    thread.start()
    sys.setswitchinterval(60)  # so that the thread can only run if the GIL is given up
    try:
        go.set()
        call(keys)
        in_time = bool(ran)
    finally:
        sys.setswitchinterval(before)
    thread.join()
    assert in_time
