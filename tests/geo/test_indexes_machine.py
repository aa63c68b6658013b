"""RTree, QuadTree, GeoIndex: long random sequences are equal to a dict and brute force.

FASTBLOCKS_OPERATIONS=300000 in the environment makes them so long, in all.
"""

import copy
import os
import pickle
import random

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.geo.brute import INDEXES, side_of

LONG = int(os.environ.get("FASTBLOCKS_OPERATIONS", 0)) // len(INDEXES)
IDS = 400
OFTEN = {
    "put": 40,
    "remove": 20,
    "batch": 3,
    "search": 30,
    "look_at_kept": 3,
    "again": 0.3,
    "fill_or_empty": 0.1,
}


class Machine:
    """An index, and a dict of its items; `keep` is an older copy, with what it held."""

    def __init__(self, impl, name, seed, path):
        self.impl, self.name, self.path = impl, name, path
        self.side = side_of(name, impl)
        self.random, self.rng = random.Random(seed), np.random.default_rng(seed)
        self.kinds = [k for k in self.side.kinds if k not in ("huge", "tiny", "far")]
        self.kind = self.kinds[0]
        self.index, self.held = self.side.make(impl, self.kind), {}
        self.keep = copy.copy(self.index), {}

    def item(self, id):
        """A new place: next to the old one, or anywhere."""
        row = self.side.items(self.rng, self.kind, 1)[0]
        if id in self.held and self.random.random() < 0.4:
            near = np.array(self.held[id]) + 1e-9
            row = near if self.name == "RTree" else np.minimum(near, [89, 179])
            row = np.minimum(row, 1.0) if self.name == "QuadTree" else row
        return tuple(row.tolist())

    def place(self, id, item):
        """Insert, move or set; what must be refused is refused, and nothing changes."""
        if self.name == "GeoIndex":
            self.index.set(id, *item)
        elif id not in self.held:
            if self.name == "QuadTree":
                with pytest.raises(KeyError):
                    self.index.move(id, *item)
                self.index.insert(id, *item)
            else:
                self.index.insert(id, item)
        elif self.name == "QuadTree":
            with pytest.raises(ValueError, match=f"id {id} is there already"):
                self.index.insert(id, *item)
            self.index.move(id, *item)
        else:
            with pytest.raises(ValueError, match=f"id {id} is there already"):
                self.index.insert(id, item)
            self.index.remove(id)
            self.index.insert(id, item)
        self.held[id] = item

    def put(self):
        id = self.random.randrange(IDS)
        self.place(id, self.item(id))

    def remove(self):
        id = self.random.randrange(IDS)
        if id in self.held:
            self.index.remove(id)
            del self.held[id]
        else:
            with pytest.raises(KeyError):
                self.index.remove(id)

    def batch(self):
        """Many at once; for boxes, one after the other."""
        ids = self.random.sample(range(IDS), self.random.choice([1, 3, 30]))
        if self.random.random() < 0.5 and self.name != "RTree":
            with pytest.raises(KeyError):
                self.index.remove_many([*[id for id in ids if id in self.held], IDS])
            gone = [id for id in ids if id in self.held]
            self.index.remove_many(gone)
            for id in gone:
                del self.held[id]
        elif self.name == "QuadTree":
            there = [id for id in ids if id in self.held]
            new = [id for id in ids if id not in self.held]
            for call, some in ((self.index.move_many, there), (self.index.insert_many, new)):
                rows = self.side.items(self.rng, self.kind, len(some))
                call(some, rows[:, 0], rows[:, 1])
                self.held |= dict(zip(some, map(tuple, rows.tolist()), strict=True))
        elif self.name == "GeoIndex":
            rows = self.side.items(self.rng, self.kind, len(ids))
            self.index.set_many(ids, rows[:, 0], rows[:, 1])
            self.held |= dict(zip(ids, map(tuple, rows.tolist()), strict=True))
        else:
            for id in ids:
                self.place(id, self.item(id))

    def arrays(self, held):
        ids = np.array(sorted(held), np.int64)
        width = 4 if self.name == "RTree" else 2
        return ids, np.array([held[id] for id in ids.tolist()], float).reshape(-1, width)

    def ask(self, index, held):
        ids, items = self.arrays(held)
        ask = self.side.ask(self.rng, self.kind, self.random.choice(self.side.asks), items)
        assert self.side.answer(index, ask) == self.side.right(ids, items, ask), ask

    def search(self):
        self.ask(self.index, self.held)
        assert (5 in self.index) == (5 in self.held)

    def whole(self, index, held):
        """All items, and the bytes that the pure twin has for them."""
        ids, items = self.arrays(held)
        got = index.items()
        assert len(index) == len(ids)
        assert list(index) == got[0].tolist() == ids.tolist()
        assert (np.stack(got[1:], 1).reshape(items.shape) == items).all()
        twin = self.side.built(fastblocks.pure, "uniform", ids, items)
        if self.name == "QuadTree":
            assert index.bounds == twin.bounds
        assert index.to_bytes() == twin.to_bytes()

    def again(self):
        """The same from bytes, from a file, or as a copy; the one before is kept for a while."""
        self.whole(self.index, self.held)
        self.ask(*self.keep)
        self.keep = self.index, dict(self.held)
        cls = type(self.index)
        how = self.random.randrange(5)
        if how == 0:
            self.index = cls.from_bytes(self.index.to_bytes())
        elif how == 1:
            self.index = pickle.loads(pickle.dumps(self.index))
        elif how == 2:
            self.index = copy.deepcopy(self.index)
        else:
            self.index.save(self.path)
            mapped = cls.open(self.path, verify=how == 3)
            self.ask(mapped, self.held)
            assert mapped == self.index
            self.index = mapped.copy()
        assert self.index == self.keep[0]

    def look_at_kept(self):
        self.ask(*self.keep)

    def fill_or_empty(self):
        """Now and then there are few, now and then many; and other places."""
        self.kind = self.random.choice(self.kinds)
        if self.random.random() < 0.5:
            for id in list(self.held):
                self.index.remove(id)
            self.held = {}

    def run(self, steps):
        for name in [*self.random.choices(list(OFTEN), list(OFTEN.values()), k=steps), *OFTEN]:
            getattr(self, name)()
        self.whole(self.index, self.held)
        self.whole(*self.keep)


@pytest.mark.parametrize("name", INDEXES)
def test_long_sequences(impl, name, tmp_path):
    steps = (LONG or 2500) if impl is fastblocks else 400
    Machine(impl, name, 1, tmp_path / "index").run(steps)
