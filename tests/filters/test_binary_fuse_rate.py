"""BinaryFuseFilter's promise: false positives at 2**-bits, in few bits; a million keys build."""

import math

import numpy as np
import pytest

import fastblocks

PROBES = np.arange(2**40, 2**40 + 5_000_000)


def deviations(found, rate, probes):
    """By how many standard deviations more were found than expected."""
    return (found - rate * probes) / math.sqrt(rate * probes)


@pytest.mark.parametrize("n", [1, 10, 300, 5000, 200_000, 1_000_000])
def test_rate_at_8_and_16_bits(n):
    for bits in (8, 16):
        f = fastblocks.BinaryFuseFilter(np.arange(n), bits, seed=n)
        found = int(f.contains_many(PROBES).sum())
        assert abs(deviations(found, f.fp_rate, len(PROBES))) < 5


def test_mean_rate_of_many_small_filters():
    """What a bias of single small filters would hide."""
    found = 0
    for seed in range(400):
        f = fastblocks.BinaryFuseFilter(range(20), seed=seed)
        found += int(f.contains_many(PROBES[: 2**15]).sum())
    assert abs(deviations(found, 2**-8, 400 * 2**15)) < 5


def test_rate_at_32_bits():
    """Expected are 0.005 of 20 million; a rate a thousand times as high would show."""
    found = 0
    for n in (10, 1000, 100_000, 1_000_000):
        f = fastblocks.BinaryFuseFilter(np.arange(n), 32)
        found += int(f.contains_many(PROBES).sum())
    assert found <= 2


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_bits_per_key(bits):
    for seed in range(3):
        keys = np.arange(1_000_000)
        f = fastblocks.BinaryFuseFilter(keys, bits, seed=seed)
        assert f.contains_many(keys).all()
        assert 8 * f.nbytes / len(f) <= 9.1 * bits / 8
