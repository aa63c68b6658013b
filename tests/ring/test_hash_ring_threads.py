"""HashRing under threads: answers while nodes come and go, bounds while keys do."""

import math
import threading

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")


@pytest.mark.parametrize("hash", ["xxh3", "ketama"])
def test_every_answer_is_right_for_a_ring_that_existed(hash):
    """10 000 changes; at any time one of four rings stands there, which differ in many keys."""
    stay = [f"node-{i}" for i in range(10)]
    ring = fastblocks.HashRing(stay, hash=hash, vnodes=40)
    changes = [*[("add", "x"), ("add", "y"), ("remove", "x"), ("remove", "y")] * 2500]
    states = [(*stay,), (*stay, "x"), (*stay, "x", "y"), (*stay, "y")]
    keys = np.arange(2000)
    right = [fastblocks.HashRing(nodes, hash=hash, vnodes=40).get_many(keys) for nodes in states]
    names = [np.take(nodes, answers) for nodes, answers in zip(states, right, strict=True)]
    allowed = [set(column) for column in zip(*(n.tolist() for n in names), strict=True)]
    assert sum(len(some) > 1 for some in allowed) > 200
    answers = {answer.tobytes() for answer in right}
    bytes_of = {fastblocks.HashRing(nodes, hash=hash, vnodes=40).to_bytes() for nodes in states}
    stop = threading.Event()

    def change():
        try:
            for method, name in changes:
                getattr(ring, method)(name)
        finally:
            stop.set()

    def single():
        while not stop.is_set():
            for key in range(0, 2000, 7):
                assert ring.get(key) in allowed[key]
                first = ring.get_n(key, 3)
                assert first[0] in allowed[key]
                assert len(set(first)) == 3

    def many():
        while not stop.is_set():
            assert ring.get_many(keys).tobytes() in answers
            assert ring.get_many([1, 2, 3]).shape == (3,)

    def look():
        while not stop.is_set():
            assert ring.nodes in states
            assert ring.to_bytes() in bytes_of
            assert len(ring.copy()) in (10, 11, 12)
            ranges = ring.diff(ring.copy()).ranges
            assert all({"x", "y"} & {m.from_node, m.to_node} for m in ranges)
            assert len(ring.points()[0]) in (400, 440, 480)

    run_together(change, single, many, many, look)
    assert ring.nodes == tuple(stay)


def test_keys_are_assigned_and_released_by_all_at_once():
    ring = fastblocks.HashRing([f"n{i}" for i in range(8)], load_factor=1.25)

    def work(i):
        def steps():
            for j in range(300):
                assert ring.assign(f"{i}:{j}") is not None
                assert ring.assign(b"shared") is not None
                if j % 3 == 0:
                    ring.release(f"{i}:{j}")
                loads = ring.loads
                n = sum(loads.values())
                assert max(loads.values()) <= math.ceil(1.25 * n / len(loads))

        return steps

    def change():
        for j in range(60):
            ring.add(f"more-{j}")
            ring.remove(f"more-{j}")

    run_together(change, *(work(i) for i in range(THREADS)))
    assert sum(ring.loads.values()) == THREADS * 200 + 1
    for i in range(THREADS):
        for j in range(300):
            if j % 3:
                ring.release(f"{i}:{j}")
            else:
                with pytest.raises(KeyError):
                    ring.release(f"{i}:{j}")
    assert sum(ring.loads.values()) == 1


@pytest.mark.parametrize("module", [fastblocks, fastblocks.pure])
def test_comparisons_while_keys_are_assigned(module):
    ring = module.HashRing(["a", "b"], load_factor=2)
    for i in range(1000):
        ring.assign(i)
    other = ring.copy()
    done = threading.Event()

    def assign():
        try:
            for i in range(1000, 3000):
                ring.assign(i)
        finally:
            done.set()

    def compare():
        while not done.is_set():
            assert (ring == other) in (True, False)

    run_together(assign, compare, compare)
    assert ring != other


def test_pure_answers_while_nodes_come_and_go():
    ring = fastblocks.pure.HashRing(["a", "b"], vnodes=4)
    done = threading.Event()

    def change():
        try:
            for _ in range(200):
                ring.add("c")
                ring.remove("c")
        finally:
            done.set()

    def read():
        rings = [
            fastblocks.pure.HashRing(nodes, vnodes=4) for nodes in (["a", "b"], ["a", "b", "c"])
        ]
        allowed = [{ring.get(key) for ring in rings} for key in range(100)]
        while not done.is_set():
            for key in range(100):
                assert ring.get(key) in allowed[key]
                assert len(set(ring.get_n(key, 3))) in (2, 3)

    run_together(change, read, read)


def test_opposite_comparisons_do_not_deadlock():
    a, b = (fastblocks.HashRing(["a", "b"], load_factor=2) for _ in range(2))

    def compare(x, y):
        for i in range(300):
            x.assign(i)
            x.diff(y)
            assert (x == y) in (True, False)
            x.release(i)

    run_together(lambda: compare(a, b), lambda: compare(b, a))
    assert a == b
