"""CuckooFilter's promises in numbers: rates, memory, how far it fills, that `capacity` keys fit."""

import contextlib

import numpy as np
import pytest

import fastblocks

KEYS = 500_000


def random_keys(n, seed):
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


@pytest.mark.parametrize(
    ("fp_rate", "bits", "probes"),
    [(0.05, 8.5, KEYS), (0.01, 10.6, 2 * KEYS), (0.0001, 18.0, 8 * KEYS)],
)
def test_rate_at_capacity_and_bits_per_key(fp_rate, bits, probes):
    for seed in range(5):
        f = fastblocks.CuckooFilter(KEYS, fp_rate, seed=seed)
        f.add_many(np.arange(KEYS))
        assert f.contains_many(np.arange(KEYS)).all()
        first = KEYS * 10 * (seed + 1)
        rate = f.contains_many(np.arange(first, first + probes)).mean()
        expected = f.expected_fp_rate()
        assert rate <= fp_rate
        assert abs(rate - expected) < 0.01 * expected + 5 * (expected / probes) ** 0.5
    assert 8 * f.nbytes / KEYS <= bits


@pytest.mark.parametrize("capacity", [*range(1, 201), 317, 1000, 2500, 9999])
def test_capacity_keys_fit(capacity):
    for seed in range(25):
        fp_rate = (0.5, 0.01, 0.0001)[seed % 3]
        f = fastblocks.CuckooFilter(capacity, fp_rate, seed=seed)
        f.add_many(random_keys(capacity, (capacity, seed)))  # raises if not
        assert len(f) == capacity


@pytest.mark.parametrize("capacity", [100_000, 1_000_000])
@pytest.mark.parametrize("fp_rate", [0.5, 0.01])
def test_fills_to_97_percent(capacity, fp_rate):
    f = fastblocks.CuckooFilter(capacity, fp_rate, seed=1)
    f.add_many(np.arange(capacity))
    n = capacity
    with contextlib.suppress(fastblocks.FilterFullError):
        while True:
            f.add(n)
            n += 1
    assert f.load_factor > 0.965
    assert len(f) == n
    assert f.contains_many(np.arange(n)).all()
