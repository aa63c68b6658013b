"""RTree, QuadTree, GeoIndex: every search of small sets, random and hard ones, equals brute force.

With ``--exhaustive`` there are 100,000 cases of every search of the native indexes.
"""

import numpy as np
import pytest

import fastblocks
from tests.geo.brute import INDEXES, side_of

ASKED = 10  # times each set


def cases(impl, name, sets, seed):
    """Make sets, ask each, compare; how many cases of each search there were."""
    rng = np.random.default_rng(seed)
    side, asked = side_of(name, impl), 0
    for i in range(sets):
        kind = side.kinds[i % len(side.kinds)]
        n = (
            int(rng.choice([0, 1, 2, 16, 17, 40, 90]))
            if rng.random() < 0.5
            else int(rng.integers(120))
        )
        ids = rng.permutation(3 * n)[:n] - n
        items = side.items(rng, kind, n)
        index = side.built(impl, kind, ids, items)
        if i % 3 == 1:  # made in steps, and changed
            index = side.make(impl, kind)
            half = n // 2
            side.fill(index, ids[:half], items[:half])
            gone = ids[: half // 2]
            for id in gone.tolist():
                index.remove(id)
            side.fill(index, gone, items[: half // 2])
            side.fill(index, ids[half:], items[half:])
        for method in side.asks:
            for _ in range(ASKED):
                ask = side.ask(rng, kind, method, items)
                assert side.answer(index, ask) == side.right(ids, items, ask), (kind, n, ask)
        asked += ASKED
    return asked


@pytest.mark.parametrize("name", INDEXES)
def test_every_search_equals_brute_force(impl, name, exhaustive):
    native = impl is fastblocks
    sets = 10_000 if exhaustive and native else 24 if native else 8
    assert cases(impl, name, sets, seed=1) >= (100_000 if exhaustive and native else 80)
