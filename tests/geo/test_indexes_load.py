"""RTree, QuadTree, GeoIndex: four threads search, one changes; each answer is right for a moment.

The moment lies between the last change that had ended when the search began, and the last that had
begun when it ended. With ``--exhaustive`` the native indexes do so for 30 seconds each.
"""

import threading
import time

import numpy as np
import pytest

import fastblocks
from tests.geo.brute import INDEXES, side_of
from tests.threads import run_together

IDS, PLACES, READERS, SECONDS = 120, 997, 4, 30


class Story:
    """What is there after each change: they go round the ids, which come, move and go."""

    def __init__(self, impl, name):
        self.name, self.side = name, side_of(name, impl)
        self.kind = self.side.kinds[0]
        self.places = self.side.items(np.random.default_rng(1), self.kind, PLACES)
        self.rows = self.places.tolist()
        self.index = self.side.make(impl, self.kind)
        self.cycle = 2 if name == "RTree" else 3

    def place(self, id, turn):
        return (31 * id + 17 * turn) % PLACES

    def change(self, step):
        turn, id = divmod(step, IDS)
        row = self.rows[self.place(id, turn)]
        if turn % self.cycle == self.cycle - 1:
            self.index.remove(id)
        elif self.name == "RTree":
            self.index.insert(id, tuple(row))
        elif self.name == "GeoIndex":
            self.index.set(id, *row)
        elif turn % self.cycle == 0:
            self.index.insert(id, *row)
        else:
            self.index.move(id, *row)

    def after(self, steps):
        """Ids and items once so many changes were made."""
        ids = np.arange(IDS)
        turns = (steps - 1 - ids) // IDS  # the last one of each id; below 0 if there was none
        there = (turns >= 0) & (turns % self.cycle != self.cycle - 1)
        return ids[there], self.places[self.place(ids, turns)[there]]


def play(story, go_on, least):
    """Let all threads run; how many changes and how many answers there were."""
    begun, ended, stop = [0], [0], threading.Event()
    answers = [0] * READERS

    def write():
        try:
            while go_on(ended[0]):
                begun[0] += 1
                story.change(ended[0])
                ended[0] += 1
        finally:
            stop.set()

    def read(reader):
        rng = np.random.default_rng(reader)
        while not stop.is_set() or answers[reader] < least:
            method = story.side.asks[int(rng.integers(len(story.side.asks)))]
            ask = story.side.ask(rng, story.kind, method, story.after(ended[0])[1])
            low = ended[0]
            answer = story.side.answer(story.index, ask)
            high = begun[0]
            moments = (story.after(steps) for steps in range(high, low - 1, -1))
            assert any(story.side.right(*moment, ask) == answer for moment in moments), (
                low,
                high,
                ask,
            )
            answers[reader] += 1

    run_together(write, *[lambda i=i: read(i) for i in range(READERS)])
    return ended[0], sum(answers)


@pytest.mark.parametrize("name", INDEXES)
def test_every_answer_is_right_for_a_moment(impl, name, switch_often, exhaustive):
    story = Story(impl, name)
    end = time.monotonic() + SECONDS
    if exhaustive and impl is fastblocks:
        changes, answers = play(story, lambda steps: time.monotonic() < end, 1000)
        print(f"{name}: {changes} changes, {answers} answers")
    else:
        most = 12_000 if impl is fastblocks else 400
        play(story, lambda steps: steps < most, 25)
