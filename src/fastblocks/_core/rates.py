"""Rates and decisions: what a limiter is told and what it answers, on every storage."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from . import check

__all__ = [
    "BUCKET",
    "COUNTER",
    "FIXED",
    "GRAMMAR",
    "LOG",
    "MAX_COUNT",
    "MAX_LOG_COUNT",
    "MAX_RULES",
    "NEVER",
    "Decision",
    "Rate",
    "Rates",
    "Rule",
    "bucket_rule",
    "checked_rule",
    "checked_rules",
    "decision",
    "leaky_rules",
    "per_second_rule",
    "rate_list",
    "rate_of",
    "window_rules",
]

FIXED, COUNTER, BUCKET, LOG = range(4)  # kinds of rules, as fb_limit_kind_t has them

MAX_COUNT = 2**32 - 1
MAX_LOG_COUNT = 2**20
MAX_NS = 100 * 86400 * 10**9  # 100 days: fits the integers of every storage
MAX_SECONDS = MAX_NS // 10**9
MAX_TIME = 9 * 10**18  # nanoseconds from the zero of a clock
MAX_CLOSED = 2 * MAX_NS  # for how long a storage takes for granted that it has no room
MAX_RULES = 8
NEVER = -1  # instead of nanoseconds to wait

UNITS = {
    "second": ("s", "sec", "secs", "second", "seconds"),
    "minute": ("min", "mins", "minute", "minutes"),
    "hour": ("h", "hour", "hours"),
    "day": ("day", "days"),
}
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
UNIT_SECONDS = {word: SECONDS[unit] for unit, words in UNITS.items() for word in words}
GRAMMAR = (
    "<count>/[<n>]<unit>, several joined by ';', where unit is s, sec, second, min, minute, h, "
    "hour, day or a plural: '100/minute', '7/2second', '10/second;1000/hour'"
)
PATTERN = re.compile(r"\s*([0-9]{1,20})\s*/\s*([0-9]{1,20})?\s*([a-z]+)\s*", re.IGNORECASE)


class Rate:
    """Rate(count, per=1)

    So many in so much time.

    Parameters
    ----------
    count : int
        In ``[1, 2**32)``.
    per : float, default 1
        Seconds: from a nanosecond to 100 days.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> from fastblocks.limit import Rate
    >>> Rate(100, per=60) == Rate.parse("100/minute")
    True
    >>> Rate.parse("7/2second")
    Rate(7, per=2)
    """

    __module__ = "fastblocks.limit"
    __slots__ = ("_count", "_period_ns")

    def __init__(self, count: int, per: float = 1) -> None:
        self._count = check.integer("count", count, 1, MAX_COUNT)
        seconds = check.real("per", per, -math.inf, math.inf)
        if not (seconds > 0 and round(seconds * 1e9) <= MAX_NS):
            raise ValueError(f"per must be above 0 and at most {MAX_SECONDS} seconds, not {per!r}")
        self._period_ns = max(round(seconds * 1e9), 1)

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Return the rate that a text tells.

        Parameters
        ----------
        text : str
            ``<count>/[<n>]<unit>``; unit is s, sec, second, min, minute, h, hour, day or a plural.

        Returns
        -------
        Rate

        Raises
        ------
        TypeError
            If `text` is no str.
        ValueError
            If it does not parse, or a number is out of range.
        """
        if not isinstance(text, str):
            raise TypeError(f"rate must be a str, not {type(text).__name__}")
        match = PATTERN.fullmatch(text)
        unit = UNIT_SECONDS.get(match[3].lower()) if match else None
        if match is None or unit is None:
            one = " (a Rate is one; limiters take several)" if ";" in text else ""
            raise ValueError(f"rate must be {GRAMMAR}; not {text!r}{one}")
        try:
            return cls(int(match[1]), int(match[2] or 1) * unit)
        except ValueError as error:
            raise ValueError(f"rate {text!r}: {error}") from None

    @property
    def count(self) -> int:
        """How many."""
        return self._count

    @property
    def per(self) -> float:
        """In how many seconds."""
        return self._period_ns / 1e9

    @property
    def period_ns(self) -> int:
        """The same in nanoseconds."""
        return self._period_ns

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rate):
            return NotImplemented
        return (self._count, self._period_ns) == (other._count, other._period_ns)

    def __hash__(self) -> int:
        return hash((self._count, self._period_ns))

    def __reduce__(self) -> tuple[Any, ...]:
        return rate_of, (self._count, self._period_ns)

    def __repr__(self) -> str:
        whole, rest = divmod(self._period_ns, 10**9)
        return f"Rate({self._count}, per={self.per if rest else whole!r})"


def rate_of(count: int, period_ns: int) -> Rate:
    """Return the rate of a count and a period in nanoseconds, checked before."""
    rate = object.__new__(Rate)
    rate._count, rate._period_ns = count, period_ns
    return rate


Rates: TypeAlias = str | Rate | Iterable[str | Rate]


def rate_list(rates: Rates) -> tuple[Rate, ...]:
    """Return one rate or several, each a `Rate` or text, as a tuple; or raise naming ``rate``."""
    if isinstance(rates, Rate):
        return (rates,)
    if isinstance(rates, str):
        return rate_list([Rate.parse(text) for text in rates.split(";")])
    if isinstance(rates, (bytes, bytearray, memoryview)) or not hasattr(rates, "__iter__"):
        raise TypeError(f"rate must be a str or Rate, not {type(rates).__name__}")
    given = list(rates)
    result: list[Rate] = []
    for item in given:
        if not isinstance(item, (str, Rate)):
            raise TypeError(f"rate must be a str or Rate, not {type(item).__name__}")
        result += rate_list(item) if isinstance(item, str) else [item]
    if not 1 <= len(result) <= MAX_RULES:
        raise ValueError(f"rate must be 1 to {MAX_RULES} rates, not {len(result)}")
    if len({rate.period_ns for rate in result}) != len(result):
        raise ValueError(f"rate must not have two rates of one period, not {result!r}")
    return tuple(result)


class Rule(NamedTuple):
    """What one rate means for a strategy.

    Windows admit `limit` in `period_ns`. A bucket holds `limit` and gets `count` in `period_ns`.
    """

    limit: int
    count: int  # type: ignore[assignment]  # hides tuple.count
    period_ns: int


def window_rules(rates: Rates, most: int = MAX_COUNT) -> tuple[Rule, ...]:
    """Return the rules of a strategy of windows."""
    result = rate_list(rates)
    for rate in result:
        check.integer("the count of a rate", rate.count, 1, most)
    return tuple(Rule(rate.count, rate.count, rate.period_ns) for rate in result)


def bucket_rule(limit: int, count: int, period_ns: int) -> Rule:
    """Return the rule of a bucket, or raise if it would take too long to fill."""
    if limit * period_ns > MAX_NS * count:
        raise ValueError(
            f"burst={limit} would take {limit * period_ns // count // 10**9} seconds to be whole "
            f"again; at most {MAX_SECONDS} (100 days) are allowed"
        )
    return Rule(limit, count, period_ns)


def leaky_rules(rates: Rates, burst: Any) -> tuple[Rule, ...]:
    """Return the rules of a leaky bucket; `burst` is None, or for one rate alone."""
    result = rate_list(rates)
    if burst is not None:
        if len(result) > 1:
            raise ValueError("burst must be None with several rates")
        burst = check.integer("burst", burst, 1, MAX_COUNT)
    return tuple(bucket_rule(burst or rate.count, rate.count, rate.period_ns) for rate in result)


def per_second_rule(per_second: Any, burst: Any) -> Rule:
    """Return the rule of a bucket of `burst` tokens that gets `per_second` tokens a second."""
    number = check.real("per_second", per_second, -math.inf, math.inf)
    limit = check.integer("burst", burst, 1, MAX_COUNT)
    if not 1 / MAX_SECONDS <= number < 2**32:
        raise ValueError(
            f"per_second must be at least 1/{MAX_SECONDS} and below 2**32, not {per_second!r}"
        )
    exact = Fraction(per_second) if isinstance(per_second, (int, Fraction)) else shown(number)
    if exact.numerator > MAX_COUNT or exact.denominator > MAX_SECONDS:
        raise ValueError(
            "per_second must be a float, or a ratio of integers below 2**32 and up to "
            f"{MAX_SECONDS}, not {per_second!r}"
        )
    return bucket_rule(limit, exact.numerator, exact.denominator * 10**9)


def shown(number: float) -> Fraction:
    """Return the decimal number that a float shows, or the ratio next to it that a rule can hold.

    So 0.1 is a tenth, and 1 / 3 a third.
    """
    exact = Fraction(repr(number))
    return exact.limit_denominator(min(MAX_SECONDS, max(int(MAX_COUNT / exact), 1)))


def checked_rule(kind: int, limit: int, count: int, period_ns: int) -> Rule:
    """Return a rule that comes from outside, or raise ValueError if it is out of bounds."""
    most = MAX_LOG_COUNT if kind == LOG else MAX_COUNT
    if not (1 <= limit <= most and 1 <= count <= MAX_COUNT and 1 <= period_ns <= MAX_NS):
        raise ValueError("a rule is out of range")
    if kind != BUCKET and count != limit:
        raise ValueError("a rule contradicts itself")
    return bucket_rule(limit, count, period_ns)


def checked_rules(kind: int, rules: Iterable[tuple[int, int, int]]) -> tuple[Rule, ...]:
    """Return the rules that a storage is given, or raise ValueError if they are none."""
    check.integer("kind", kind, FIXED, LOG)
    result = tuple(checked_rule(kind, *rule) for rule in rules)
    if not 1 <= len(result) <= MAX_RULES:
        raise ValueError(f"rules must be 1 to {MAX_RULES}, not {len(result)}")
    return result


class Decision(NamedTuple):
    """What a limiter says to a call. It is true if the call is allowed.

    With several rates, `limit` and `remaining` are those of the rate with the least remaining, and
    the waits are those after which all rates agree.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_after: float

    def __bool__(self) -> bool:
        return self.allowed


Decision.__module__ = "fastblocks.limit"
Decision.allowed.__doc__ = "Whether the call may go on; if not, it has not been counted."
Decision.limit.__doc__ = "The most that can be allowed at once."
Decision.remaining.__doc__ = "How much would be allowed now, after this call."
Decision.retry_after.__doc__ = (
    "Seconds after which the same call would be allowed, to the nanosecond: 0.0 if it is, "
    "`math.inf` if its cost is above the limit."
)
Decision.reset_after.__doc__ = "Seconds after which the key's quota is whole again, if unused."


def decision(allowed: bool, limit: int, remaining: int, retry_ns: int, reset_ns: int) -> Decision:
    """Return a decision whose waits are given in nanoseconds, `NEVER` for none that is enough."""
    retry = math.inf if retry_ns == NEVER else retry_ns / 1e9
    return Decision(allowed, limit, remaining, retry, reset_ns / 1e9)
