"""Checks of arguments that several blocks share: counts, durations, timers, primes."""

import math
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fastblocks._core import check
from fastblocks.pure import _clock


def test_counts_may_be_one_number():
    assert check.counts(3, 5, 10) == 3
    assert check.counts(np.int16(3), 5, 10) == 3
    assert check.counts(np.array(4), 5, 10) == 4


@pytest.mark.parametrize(
    "counts",
    [
        [1, 2, 3],
        (1, 2, 3),
        np.array([1, 2, 3], np.int8),
        np.array([1, 2, 3], np.uint64),
        np.arange(1, 7)[:3],
        np.array([[1, 0], [2, 0], [3, 0]])[:, 0],
        np.array([1, 2, 3], ">i4"),
        np.ma.masked_array([1, 2, 3], [False, False, False]),
        pd.Series([1, 2, 3]),
        pa.array([1, 2, 3]),
    ],
)
def test_counts_become_contiguous_uint64(counts):
    result = check.counts(counts, 3, 10)
    assert result.dtype == np.uint64
    assert result.dtype.isnative
    assert result.flags.c_contiguous
    assert result.tolist() == [1, 2, 3]


def test_no_counts_for_no_keys():
    assert check.counts([], 0, 10).tolist() == []


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        (-1, ValueError, r"counts must be in \[0, 10\], not -1"),
        (11, ValueError, r"counts must be in \[0, 10\], not 11"),
        (True, TypeError, "counts must be an int, not bool"),
        ("12", TypeError, "counts must be an int or an array of ints, not str"),
        ([1, -2, 3], ValueError, r"counts\[1\] must be in \[0, 10\], not -2"),
        ([1, 2, 2**63], ValueError, r"counts\[2\] must be in"),
        ([1, 2], ValueError, r"counts must have shape \(3,\) as the keys have, not \(2,\)"),
        (np.ones((3, 1), int), ValueError, r"not \(3, 1\)"),
        ([1, 2, 2**70], ValueError, r"counts\[2\] must be in"),
        ([1, 2.0, 3], TypeError, r"counts\[1\] must be an int, not float"),
        (np.ones(3), TypeError, "counts must be integers, not of dtype float64"),
        (np.ones(3, bool), TypeError, "not of dtype bool"),
        (None, TypeError, "counts must be an int or an array of ints, not NoneType"),
        (1.5, TypeError, "counts must be an int or an array of ints, not float"),
    ],
)
def test_bad_counts(counts, error, message):
    with pytest.raises(error, match=message):
        check.counts(counts, 3, 10)


def test_seconds():
    assert check.seconds_ns("window", 1.5) == 1_500_000_000
    assert check.seconds_ns("window", 60) == 60_000_000_000
    assert check.seconds_ns("window", 1e-12) == 1


@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf, 9e9, 10**400])
def test_seconds_out_of_range(value):
    with pytest.raises(ValueError, match="window must be "):
        check.seconds_ns("window", value)


@pytest.mark.parametrize("value", ["1", None, True, [1]])
def test_seconds_of_another_type(value):
    with pytest.raises(TypeError, match="window must be a float, not "):
        check.seconds_ns("window", value)


def test_timers():
    assert check.timer(None) is None
    assert check.timer(time.time) is time.time
    with pytest.raises(TypeError, match="timer must be a function or None, not float"):
        check.timer(1.5)


def test_what_a_timer_returns():
    assert check.timer_ns(2.5) == 2_500_000_000
    assert check.timer_ns(-3) == -3_000_000_000
    for value in (math.nan, math.inf, 1e10, -1e10):
        with pytest.raises(ValueError, match="timer must return seconds in"):
            check.timer_ns(value)
    for value in ("1", None, True):
        with pytest.raises(TypeError, match="timer must return seconds as a float, not "):
            check.timer_ns(value)


def test_the_default_clock_is_the_monotonic_one():
    before = time.monotonic_ns()
    now = _clock.now_ns(None)
    assert before <= now <= time.monotonic_ns()
    assert _clock.now_ns(lambda: 7.0) == 7_000_000_000


def test_primes():
    small = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
    assert [n for n in range(-3, 41) if check.is_prime(n)] == small
    assert all(map(check.is_prime, (65521, 65537, 655373, 134217689)))
    assert not any(map(check.is_prime, (65535, 65536, 11579**2, 2**27 - 1, 2**27)))
    assert check.prime("size", 7, 2, 11) == 7
    with pytest.raises(ValueError, match=r"^size must be a prime, not 8; the next prime is 11$"):
        check.prime("size", 8, 2, 11)
    with pytest.raises(ValueError, match=r"^size must be in \[2, 11\], not 12$"):
        check.prime("size", 12, 2, 11)
    with pytest.raises(TypeError, match="size must be an int, not float"):
        check.prime("size", 7.0, 2, 11)


def test_choices():
    class Word(str):
        __slots__ = ()

    assert check.choice("hash", "a", ("a", "b", "c")) == "a"
    assert type(check.choice("hash", Word("c"), ("a", "b", "c"))) is str
    with pytest.raises(ValueError, match=r"^hash must be 'a', 'b' or 'c', not 'd'$"):
        check.choice("hash", "d", ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"^hash must be 'a' or 'b', not ''$"):
        check.choice("hash", "", ("a", "b"))


@pytest.mark.parametrize("value", [None, 1, b"a", True, ["a"], ("a", "b")])
def test_choices_of_another_type(value):
    with pytest.raises(TypeError, match=f"^hash must be a str, not {type(value).__name__}$"):
        check.choice("hash", value, ("a", "b"))
