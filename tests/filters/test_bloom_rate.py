"""BloomFilter's promise: measured false-positive rates at or below the target, in few bits."""

import math

import numpy as np
import pytest

import fastblocks

KEYS = 1_000_000
PROBES = 5_000_000


@pytest.mark.parametrize(
    ("fp_rate", "allowance"), [(0.1, 1.15), (0.01, 1.15), (0.001, 1.25), (0.0001, 1.30)]
)
def test_rate_at_capacity_and_bits_per_key(fp_rate, allowance):
    for seed in range(5):
        f = fastblocks.BloomFilter(KEYS, fp_rate, seed=seed)
        f.add_many(np.arange(KEYS))
        assert f.contains_many(np.arange(KEYS)).all()
        probes = np.arange(KEYS * (seed + 2), KEYS * (seed + 2) + PROBES)
        assert f.contains_many(probes).mean() <= fp_rate
    assert 8 * f.nbytes / KEYS <= allowance * math.log2(1 / fp_rate) / math.log(2)


@pytest.mark.parametrize("capacity", [10, 100, 1000, 30_000])
@pytest.mark.parametrize("fp_rate", [0.2, 0.03, 0.002])
def test_formula_is_the_measured_mean(capacity, fp_rate):
    """Over many small filters the measured rate is what the formula says, not less."""
    runs = max(20, 200_000 // capacity)
    hits = 0
    for seed in range(runs):
        f = fastblocks.BloomFilter(capacity, fp_rate, seed=seed)
        f.add_many(np.arange(capacity))
        hits += int(f.contains_many(np.arange(2**40, 2**40 + 20_000)).sum())
    expected = f.expected_fp_rate(capacity)
    # Hits of one filter are correlated; twice the binomial deviation covers what was observed.
    deviation = math.sqrt(expected / (runs * 20_000)) * (2 + 20 / math.sqrt(capacity))
    assert abs(hits / (runs * 20_000) - expected) < 4 * deviation


@pytest.mark.parametrize("n", [100, 10_000, 1_000_000])
def test_approx_len(n):
    f = fastblocks.BloomFilter(n)
    f.add_many(np.arange(n))
    assert abs(f.approx_len() - n) <= 5 * math.sqrt(n)
