"""Strategies in plain Python: (state, now, cost) -> verdict. The specification of all storages.

A state is what is left of the calls of one key under one rule: None if its quota is whole and
nothing is known. All times are integer nanoseconds. A state of the future, which a clock that was
set back leaves behind, counts as one of now. A call that is denied, or only asked about, changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from fastblocks._core.rates import BUCKET, COUNTER, FIXED, LOG, NEVER, Rule

__all__ = ["STRATEGIES", "State", "Verdict", "judge", "together"]

State: TypeAlias = tuple[int, ...] | None


class Verdict(NamedTuple):
    """What one rule, or all rules, say to a call; waits in nanoseconds."""

    allowed: bool
    limit: int
    remaining: int
    retry_ns: int  # NEVER: the cost is above the limit
    reset_ns: int
    state: State  # afterwards


def fixed_window(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """`limit` in every window from a whole multiple of the period on. State: window, used."""
    window, elapsed = divmod(now, rule.period_ns)
    used = 0 if state is None or state[0] < window else state[1]
    left = rule.period_ns - elapsed
    allowed = used + cost <= rule.limit
    if allowed and spend:
        used += cost
        state = window, used
    retry = 0 if allowed else left if cost <= rule.limit else NEVER
    return Verdict(allowed, rule.limit, rule.limit - used, retry, left if used else 0, state)


def sliding_window_counter(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """The last window counts for the part of it that a window up to now still covers.

    State: window, used in the one before, used in it.
    """
    period, limit = rule.period_ns, rule.limit
    window, elapsed = divmod(now, period)
    before = used = 0
    if state is not None and state[0] >= window:
        before, used = state[1:]
    elif state is not None and state[0] == window - 1:
        before = state[2]
    allowed = before * (period - elapsed) + (used + cost) * period <= limit * period
    retry = 0
    if cost > limit:
        retry = NEVER
    elif not allowed:
        enough = _elapsed_until(before, limit - used - cost, period)  # in this window
        if enough is None:  # not before its end: then in the next
            enough = period + (_elapsed_until(used, limit - cost, period) or 0)
        retry = enough - elapsed
    if allowed and spend:
        used += cost
        state = window, before, used
    remaining = limit - used - -(-before * (period - elapsed) // period)
    reset = 2 * period - elapsed if used else period - elapsed if before else 0
    return Verdict(allowed, limit, max(remaining, 0), retry, reset, state)


def _elapsed_until(before: int, room: int, period: int) -> int | None:
    """The least elapsed time at which `before` weighs `room` at most; None if in no time."""
    if room < 0:
        return None
    return max(period - room * period // before, 0) if before else 0


def bucket(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """A bucket of `limit` that gets `count` per period: token bucket and leaky bucket (GCRA).

    State: when it will be whole again, in nanoseconds and, of the next one, a fraction of `count`.
    """
    whole, count, period = rule.limit * rule.period_ns, rule.count, rule.period_ns
    start = now * count  # time in units of which `period` make one call
    missing = 0 if state is None else min(max(state[0] * count + state[1] - start, 0), whole)
    allowed = missing + cost * period <= whole
    retry = 0
    if not allowed:
        retry = -(-(missing + cost * period - whole) // count) if cost <= rule.limit else NEVER
    if allowed and spend:
        missing += cost * period
        state = divmod(start + missing, count)
    remaining = (whole - missing) // period
    return Verdict(allowed, rule.limit, remaining, retry, -(-missing // count), state)


def sliding_window(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """`limit` in any period: a call at t counts in [t, t + period). State: the times of calls."""
    start = now - rule.period_ns
    live = tuple(min(t, now) for t in state or () if t > start)
    allowed = len(live) + cost <= rule.limit
    retry = 0
    if cost > rule.limit:
        retry = NEVER
    elif not allowed:
        retry = live[len(live) + cost - rule.limit - 1] - start
    if allowed and spend:
        live += (now,) * cost
        state = live
    reset = live[-1] - start if live else 0
    return Verdict(allowed, rule.limit, rule.limit - len(live), retry, reset, state)


Strategy: TypeAlias = Callable[[Rule, State, int, int, bool], Verdict]
STRATEGIES: dict[int, Strategy] = {
    FIXED: fixed_window,
    COUNTER: sliding_window_counter,
    BUCKET: bucket,
    LOG: sliding_window,
}


def judge(
    kind: int,
    rules: Sequence[Rule],
    states: Sequence[State] | None,
    now: int,
    cost: int,
    spend: bool = True,
) -> tuple[Verdict, Sequence[State] | None]:
    """What all rules together say to a call of a key, and its states afterwards.

    It is allowed if all rules allow it, and counts for all or for none.
    """
    strategy: Any = STRATEGIES[kind]
    before: Sequence[State] = states or [None] * len(rules)
    pairs = list(zip(rules, before, strict=True))
    verdicts = [strategy(rule, state, now, cost, False) for rule, state in pairs]
    allowed = all(verdict.allowed for verdict in verdicts)
    if allowed and spend:
        verdicts = [strategy(rule, state, now, cost, True) for rule, state in pairs]
        states = [verdict.state for verdict in verdicts]
    return together(verdicts), states


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict for those of all rules."""
    tightest = min(verdicts, key=lambda verdict: verdict.remaining)
    allowed = all(verdict.allowed for verdict in verdicts)
    retries = [verdict.retry_ns for verdict in verdicts]
    retry = NEVER if NEVER in retries else max(retries)
    reset = max(verdict.reset_ns for verdict in verdicts)
    return Verdict(allowed, tightest.limit, tightest.remaining, retry, reset, None)
