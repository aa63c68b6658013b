"""HyperLogLog's promise: the standard error, at every precision and count, and no bias."""

import math

import numpy as np
import pytest

import fastblocks
from bench.data import city_names

RUNS = 200


def errors(p, n, runs=RUNS):
    """The relative errors of so many sketches with n keys, each with another hash."""
    keys = np.arange(n, dtype=np.uint64)
    result = []
    for seed in range(runs):
        s = fastblocks.HyperLogLog(p, seed=seed)
        s.add_many(keys)
        result.append(s.estimate() / n - 1)
    return np.array(result)


def root_mean_square(values):
    return math.sqrt(np.mean(values**2))


@pytest.mark.parametrize("p", [5, 8, 10, 12, 14, 16, 18])
@pytest.mark.parametrize("n", [10, 1000, 100_000])
def test_standard_error(p, n):
    measured = errors(p, n)
    standard = fastblocks.HyperLogLog(p).standard_error
    # The mean square of 200 normal errors has a relative deviation of sqrt(2 / 200) = 0.1.
    assert root_mean_square(measured) < standard * math.sqrt(1.3)
    assert abs(measured.mean()) < 4 * standard / math.sqrt(RUNS)


def test_standard_error_of_ten_millions():
    measured = errors(14, 10_000_000, 20)
    assert root_mean_square(measured) < 1.04 / 2**7 * math.sqrt(2.2)


@pytest.mark.parametrize("p", [4, 5, 6, 8])
@pytest.mark.parametrize("load", [0.3, 1, 3, 10, 100])
def test_small_sketches_have_no_bias(p, load):
    """Where the error of the formula for many registers would be largest."""
    runs, n = 2000, max(2, int(load * 2**p))
    measured = errors(p, n, runs)
    standard = fastblocks.HyperLogLog(p).standard_error
    assert abs(measured.mean()) < standard * (0.09 + 4 / math.sqrt(runs))
    assert root_mean_square(measured) < 1.1 * standard


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1000, 3000, 3072])
def test_sparse_sketches_are_nearly_exact(n):
    assert np.abs(errors(14, n, 50)).max() * n <= 1.01
    assert np.abs(errors(18, n, 50)).max() * n <= 1.01


def test_many_sparse_keys():
    n = 49_152
    measured = errors(18, n, 50)
    assert np.abs(measured).max() < 5e-4
    assert abs(measured.mean()) < 5e-5


def test_real_names():
    names = city_names()
    s = fastblocks.HyperLogLog(14)
    for n in range(0, len(names), 10_000):
        s.add_many(names[: n + 10_000])  # most of them again
        assert abs(s.estimate() / (n + 10_000) - 1) < 4 * s.standard_error
