"""Rates: what parses, what does not, and what they come to."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
from fastblocks._core import limits, rates
from fastblocks.limit import Rate

SECONDS = {
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds"], 1),
    **dict.fromkeys(["min", "mins", "minute", "minutes"], 60),
    **dict.fromkeys(["h", "hour", "hours"], 3600),
    **dict.fromkeys(["day", "days"], 86400),
}


@pytest.mark.parametrize("unit", SECONDS)
def test_every_unit(unit):
    for text in (f"5/{unit}", f" 5 / {unit.upper()} ", f"5/1{unit}", f"05/ 1 {unit}"):
        assert Rate.parse(text) == Rate(5, SECONDS[unit])
    assert Rate.parse(f"7/3{unit}") == Rate(7, 3 * SECONDS[unit])


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "5", "5/", "/s", "5/m", "5/ms", "5/week", "-5/s", "+5/s", "5/-1s", "5.5/s"],
        *["5/1.5s", "5 per s", "5/s;", "5//s", "five/s", "5/s 6/s", "5/s\0", "\u0665/s"],
        *["5/\u017f", "5/1 2s", "1" * 21 + "/s", "5/s,6/h"],
    ],
)
def test_what_does_not_parse_is_told_the_grammar(impl, text):
    with pytest.raises(ValueError, match=r"rate must be <count>/\[<n>\]<unit>, several joined"):
        impl.limit.FixedWindow(text)
    with pytest.raises(ValueError, match="'10/second;1000/hour'; not "):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/s", "rate '0/s': count must be in"),
        (f"{2**32}/s", "count must be in"),
        ("5/0s", "per must be above 0"),
        ("5/101days", "per must be above 0 and at most 8640000 seconds, not 8726400"),
        (f"5/{'9' * 20}days", "per must be above 0"),
    ],
)
def test_numbers_out_of_range(text, message):
    with pytest.raises(ValueError, match=message):
        Rate.parse(text)


def test_bounds():
    assert Rate(1).per == 1
    assert Rate(2**32 - 1, 8640000).period_ns == rates.MAX_NS
    assert Rate(1, 1e-9).period_ns == 1
    assert Rate(3, Fraction(1, 4)).per == 0.25
    for count in (0, -1, 2**32, 10**30):
        with pytest.raises(ValueError, match="count must be in"):
            Rate(count)
    for per in (0, -1, 8640000.001, float("nan"), float("inf"), 10**400):
        with pytest.raises(ValueError, match="per must be"):
            Rate(1, per)
    for count in (1.0, "1", None, True):
        with pytest.raises(TypeError, match="count must be an int"):
            Rate(count)
    for per in ("1", None, True, [1]):
        with pytest.raises(TypeError, match="per must be a float"):
            Rate(1, per)
    for text in (5, None, b"5/s"):
        with pytest.raises(TypeError, match="rate must be a str"):
            Rate.parse(text)


@pytest.mark.parametrize("per", [1, 60, 0.1, 1e-9, 8553601, 1234567.5, 0.123456789, 8640000])
def test_repr_copy_pickle_hash(per):
    rate = Rate(5, per)
    assert eval(repr(rate)) == rate
    assert pickle.loads(pickle.dumps(rate)) == copy.deepcopy(rate) == rate
    assert {rate: 1}[Rate(5, per)] == 1
    assert rate != Rate(6, per)
    assert rate != 5
    with pytest.raises(AttributeError):
        rate.count = 3


def test_several(impl):
    rules = ((10, 10, 10**9), (1000, 1000, 3600 * 10**9))
    for rate in (
        "10/second;1000/hour",
        ["10/second", Rate(1000, 3600)],
        ("10/second;1000/hour",),
        iter([Rate(10), "1000/h"]),
    ):
        assert impl.limit.SlidingWindow(rate).rules == rules
    assert impl.limit.LeakyBucket(Rate(10), 3).rules == ((3, 10, 10**9),)


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        ([], ValueError, "rate must be 1 to 8 rates, not 0"),
        ([f"1/{n}s" for n in range(1, 10)], ValueError, "rate must be 1 to 8 rates, not 9"),
        (";".join(f"1/{n}s" for n in range(1, 10)), ValueError, "not 9"),
        ("5/60s;6/minute", ValueError, r"two rates of one period, not \[Rate\(5, per=60\), Rate"),
        (5, TypeError, "rate must be a str or Rate, not int"),
        (None, TypeError, "rate must be a str or Rate, not NoneType"),
        (b"5/s", TypeError, "rate must be a str or Rate, not bytes"),
        ([5], TypeError, "rate must be a str or Rate, not int"),
        ([["5/s"]], TypeError, "rate must be a str or Rate, not list"),
    ],
)
@pytest.mark.parametrize("name", ["FixedWindow", "SlidingWindow", "LeakyBucket"])
def test_no_rates(impl, name, rate, error, message):
    with pytest.raises(error, match=message):
        getattr(impl.limit, name)(rate)


@pytest.mark.parametrize(
    ("per_second", "count", "seconds"),
    [
        (5, 5, 1),
        (0.1, 1, 10),
        (0.7, 7, 10),
        (2.5, 5, 2),
        (1000000.5, 2000001, 2),
        (Fraction(5, 7), 5, 7),
        (Fraction(1, 8640000), 1, 8640000),
        (2**32 - 1, 2**32 - 1, 1),
        (np.float64(0.1), 1, 10),
        (np.int64(3), 3, 1),
        (1e-6, 1, 10**6),
        (1 / 3, 1, 3),
        (100 / 60, 5, 3),
        (5 / 7, 5, 7),
        (0.1 + 0.2, 3, 10),
        (1 / 8640000, 1, 8640000),
        (3.141592653589793, 5419351, 1725033),
        (4294967295.4, 2**32 - 1, 1),
    ],
)
def test_tokens_per_second(impl, per_second, count, seconds):
    limiter = impl.limit.TokenBucket(per_second, 1)
    assert limiter.rules == ((1, count, seconds * 10**9),)
    assert pickle.loads(pickle.dumps(limiter)).rules == limiter.rules
    shown = repr(limiter).split(", storage")[0] + ")"
    assert eval(shown, {**vars(impl.limit), "Fraction": Fraction}).rules == limiter.rules


@pytest.mark.parametrize(
    "per_second",
    [
        *[0, -1, 0.0, float("nan"), float("inf"), 2**32, 2.0**32, 10**400, 1e-8, 1e-300],
        4294967295.9,
        *[Fraction(0), Fraction(-1, 2), Fraction(2**32), Fraction(1, 8640001), Fraction(2**33, 3)],
    ],
)
def test_tokens_per_second_out_of_range(impl, per_second):
    with pytest.raises(ValueError, match="per_second must be"):
        impl.limit.TokenBucket(per_second, 1)


@given(st.floats(1.2e-7, 2.0**32, exclude_max=True))
def test_floats_are_held_as_closely_as_integers_can(number):
    try:
        rule = rates.per_second_rule(number, 1)
    except ValueError:
        assert number > 2**32 - 1
        return
    held = Fraction(rule.count * 10**9, rule.period_ns)
    assert held.numerator < 2**32
    assert held.denominator <= 8640000
    assert abs(held - Fraction(number)) <= Fraction(number) * Fraction(1, 10**6)
    (_, told), _ = limits.told("TokenBucket", [rule])
    assert rates.per_second_rule(told, 1) == rule


def test_bursts(impl):
    limit = impl.limit
    for make in (lambda b: limit.TokenBucket(1, b), lambda b: limit.LeakyBucket("1/s", b)):
        for burst in (0, -1, 2**32):
            with pytest.raises(ValueError, match="burst must be in"):
                make(burst)
        for burst in (1.5, "2", True):
            with pytest.raises(TypeError, match="burst must be an int"):
                make(burst)
        with pytest.raises(ValueError, match=r"burst=8640001 would take 8640001 seconds"):
            make(8640001)
        assert make(8640000).rules[0].limit == 8640000
    with pytest.raises(TypeError, match="burst must be an int"):
        limit.TokenBucket(1, None)
    with pytest.raises(TypeError, match="per_second must be a float"):
        limit.TokenBucket("1", 1)
    with pytest.raises(ValueError, match="burst must be None with several rates"):
        limit.LeakyBucket("1/s;5/min", 1)


def test_logs_are_bounded(impl):
    assert impl.limit.SlidingWindow(Rate(2**20)).rules[0].limit == 2**20
    with pytest.raises(ValueError, match=r"the count of a rate must be in \[1, 1048576\]"):
        impl.limit.SlidingWindow(Rate(2**20 + 1))


def test_one_rate_is_not_several():
    with pytest.raises(ValueError, match=r"not '5/s;7/min' \(a Rate is one; limiters take several"):
        Rate.parse("5/s;7/min")


def test_decision():
    made = rates.decision(False, 3, 0, rates.NEVER, 5 * 10**8)
    assert not made
    assert made == (False, 3, 0, float("inf"), 0.5)
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(fastblocks.FixedWindow("5/s").hit("a")) is rates.Decision
