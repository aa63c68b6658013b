"""RotatingBloomFilter's promise: with `capacity` keys a window, measured rates below the target."""

import numpy as np
import pytest

import fastblocks
from tests.filters.clock import Clock

KEYS = 200_000
PROBES = 4_000_000
WINDOW = 60 * 10**9


def probes(seed):
    return np.arange(2**40 * (seed + 1), 2**40 * (seed + 1) + PROBES)


@pytest.mark.parametrize("fp_rate", [0.01, 0.0001])
@pytest.mark.parametrize("generations", [2, 4])
@pytest.mark.parametrize("same", [True, False], ids=["the same keys", "ever new keys"])
def test_rate_in_steady_state(fp_rate, generations, same):
    """`capacity` keys in every window, evenly, be they new or come again in every period."""
    clock = Clock()
    f = fastblocks.RotatingBloomFilter(
        KEYS, fp_rate, WINDOW / 10**9, generations, timer=clock, seed=generations
    )
    period = WINDOW // (generations - 1)
    share = KEYS if same else KEYS // (generations - 1)
    for i in range(3 * generations):
        first = 0 if same else i * share
        new = f.add_many(np.arange(first, first + share))
        assert new.mean() >= 1 - fp_rate if i == 0 or not same else not new.any()
        assert f.contains_many(probes(i)).mean() <= fp_rate
        clock.ns += period
    assert f.expected_fp_rate() <= fp_rate


@pytest.mark.parametrize("fp_rate", [0.01, 0.0001])
def test_rate_when_all_keys_come_at_once(fp_rate):
    """A burst of `capacity` keys a window: two generations full."""
    clock = Clock()
    f = fastblocks.RotatingBloomFilter(KEYS, fp_rate, WINDOW / 10**9, timer=clock)
    for i in range(6):
        f.update(np.arange(i * KEYS, (i + 1) * KEYS))
        expected = min(i + 1, 2) * KEYS
        assert f.contains_many(probes(i)).mean() <= fp_rate
        assert abs(f.approx_len() - expected) <= 0.02 * expected
        clock.ns += WINDOW
