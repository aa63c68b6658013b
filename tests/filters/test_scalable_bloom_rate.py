"""ScalableBloomFilter's promise: the rate is kept however far it grows, in few bits."""

from fractions import Fraction

import numpy as np
import pytest

import fastblocks
from fastblocks.pure.filters._split_block import MIN_FP_RATE as LEAST_OF_BLOOM
from fastblocks.pure.filters.scalable_bloom import MAX_LEVELS, MIN_FP_RATE, slice_rate

INITIAL = 10_000


@pytest.mark.parametrize("fp_rate", [MIN_FP_RATE, 1e-4, 0.01, 0.1, 1 / 3, 0.5, 1 - 2**-53])
def test_rates_of_slices_add_up_to_less_than_the_whole(fp_rate):
    """As exact sums of the very numbers that slices are sized by, for every number of slices."""
    total = Fraction(0)
    for level in range(MAX_LEVELS):
        rate = slice_rate(fp_rate, level)
        assert rate >= LEAST_OF_BLOOM
        total += Fraction(rate)
        assert total < Fraction(fp_rate)
        assert total >= Fraction(fp_rate) * (1 - Fraction(8, 9) ** (level + 1))


@pytest.mark.parametrize(("fp_rate", "bits"), [(0.01, 19.0), (1e-4, 33.5)])
def test_measured_rate_while_growing_64_times(fp_rate, bits):
    f = fastblocks.ScalableBloomFilter(INITIAL, fp_rate, seed=1)
    n = 0
    for target in INITIAL * 2 ** np.arange(7):
        f.add_many(np.arange(n, target))
        n = int(target)
        assert f.contains_many(np.arange(n)).all()
        assert f.contains_many(np.arange(2**40, 2**40 + 1_000_000)).mean() <= fp_rate
        assert f.expected_fp_rate() <= fp_rate
        assert n * (1 - fp_rate) <= f.approx_len() <= n
    assert f.slices == 7
    f.add_many(np.arange(n, f.capacity))  # and full to the brim
    probes = np.arange(2**41, 2**41 + 5_000_000)
    assert f.contains_many(probes).mean() <= fp_rate
    assert f.slices == 7
    assert 8 * f.nbytes / f.capacity <= bits


def test_measured_rate_of_merged_filters():
    """The rates of the parts add up at most, and growing on adds less than one more."""
    parts = [fastblocks.ScalableBloomFilter(1000) for _ in range(4)]
    for i, part in enumerate(parts):
        part.add_many(np.arange(i * 20_000, i * 20_000 + 15_000))
    probes = np.arange(2**40, 2**40 + 1_000_000)
    rates = [part.contains_many(probes).mean() for part in parts]
    whole = parts[0].copy()
    whole.merge(*parts[1:])
    for i in range(4):
        assert whole.contains_many(np.arange(i * 20_000, i * 20_000 + 15_000)).all()
    rate = whole.contains_many(probes).mean()
    assert max(rates) <= rate <= min(sum(rates), 0.04)
    assert whole.expected_fp_rate() == pytest.approx(rate, rel=0.1)
    whole.add_many(np.arange(10**6, 10**6 + 200_000))
    assert whole.contains_many(probes).mean() <= 0.05
