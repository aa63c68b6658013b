"""CountingBloomFilter's promises: no false negative in ten million operations; rates and sizes."""

import math

import numpy as np
import pytest

import fastblocks

OPERATIONS = 10_000_000
KEYS = 60_000  # of which about half are in at a time
BATCH = 50_000


class Model:
    """Random operations on a filter and on an array of counts, key by key the same."""

    def __init__(self, capacity, fp_rate, seed, hot):
        self.rng = np.random.default_rng(seed)
        self.filter = fastblocks.CountingBloomFilter(capacity, fp_rate, seed=seed)
        self.counts = np.zeros(KEYS, np.int64)
        self.hot = hot
        self.done = 0

    def add(self):
        """Keys that are not in twice yet, so that no counter saturates; or, with `hot`, any keys,
        a few of them so often that many do."""
        keys = self.rng.permutation(np.flatnonzero(self.counts < 2))[:BATCH]
        if self.hot:
            keys = self.rng.integers(0, KEYS, BATCH)
            keys[: BATCH // 10] %= 97
        self.filter.add_many(keys)
        np.add.at(self.counts, keys, 1)
        self.done += len(keys)

    def remove(self):
        """Of every key a random number, as often as it is in at the most, in random order."""
        times = self.rng.integers(0, self.counts + 1)
        keys = self.rng.permutation(np.repeat(np.arange(KEYS), times))
        assert self.filter.remove_many(keys).all()
        self.counts -= times
        self.done += len(keys)

    def remove_absent(self):
        """Keys that are not in: what is certainly absent is not removed, and changes nothing."""
        keys = np.arange(2**40, 2**40 + BATCH)
        absent = keys[~self.filter.contains_many(keys)]
        before = self.filter.copy()
        assert not self.filter.remove_many(absent).any()
        assert self.filter == before
        self.done += BATCH + len(absent)

    def look(self):
        """Nothing that is in is missed, or counted too low."""
        keys = self.rng.permutation(KEYS)
        counts = self.filter.estimate_many(keys)
        assert (counts >= np.minimum(self.counts[keys], 15)).all()
        held = self.filter.contains_many(keys)
        assert held[self.counts[keys] > 0].all()
        assert (held == (counts > 0)).all()
        self.done += 2 * KEYS


@pytest.mark.parametrize("fp_rate", [0.1, 0.01, 1e-4])
@pytest.mark.parametrize("hot", [False, True], ids=["even", "hot"])
def test_ten_million_operations_without_a_false_negative(fp_rate, hot):
    """Ten million in all six runs, the hot ones in filters that are far too full. Then all that is
    in is removed, and nothing is left but saturated counters."""
    model = Model(20_000 if hot else 100_000, fp_rate, 5, hot)
    while model.done < OPERATIONS // 6:
        for step in (model.add, model.look, model.remove, model.look, model.remove_absent):
            step()
    keys = np.repeat(np.arange(KEYS), model.counts)
    assert model.filter.remove_many(keys).all()
    assert bool(model.filter) == hot  # saturated counters stay


@pytest.mark.parametrize(("fp_rate", "allowance"), [(0.01, 1.15), (0.0001, 1.30)])
def test_rate_at_capacity_and_bits_per_key(fp_rate, allowance):
    """At capacity after as many other keys have come and gone; the worst of five seeds."""
    keys, probes = 1_000_000, 5_000_000
    for seed in range(5):
        f = fastblocks.CountingBloomFilter(keys, fp_rate, seed=seed)
        f.add_many(np.arange(keys // 2, 2 * keys))
        assert f.remove_many(np.arange(keys, 2 * keys)).all()
        f.add_many(np.arange(keys // 2))
        assert f.contains_many(np.arange(keys)).all()
        others = np.arange(keys * (seed + 2), keys * (seed + 2) + probes)
        assert f.contains_many(others).mean() <= fp_rate
        assert abs(f.approx_len() - keys) <= 5 * math.sqrt(keys)
    counters = 2 * f.nbytes / keys
    assert counters <= allowance * math.log2(1 / fp_rate) / math.log(2)
