"""Strategies in plain Python: (state, now, cost) -> verdict. The specification of all storages.

A state is what is left of the calls of one key under one rule: None if its quota is whole and
nothing is known. All times are integer nanoseconds. A call that is denied, or only asked about,
changes nothing.

The time of a key never runs backwards. While the clock is behind a state, because it was set back
or another call has overtaken this one, the state stands still: a window is the state's, a log ends
at its last call, a bucket is empty until the clock is so near to the state that it was not. Waits
are by the clock: after `retry_ns` the same call passes, not before, however far it is behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from fastblocks._core.rates import BUCKET, COUNTER, FIXED, LOG, NEVER, Rule

__all__ = ["STRATEGIES", "State", "Verdict", "judge", "together", "wait_ns"]

MAX_WAIT = 2**63 - 1  # nanoseconds, 292 years: of a clock that was set back by more

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
    window, used = now // rule.period_ns, 0
    if state is not None and state[0] >= window:
        window, used = state
    end = (window + 1) * rule.period_ns
    allowed = used + cost <= rule.limit
    if allowed and spend:
        used += cost
        state = window, used
    retry = 0 if allowed else wait_ns(end, now) if cost <= rule.limit else NEVER
    reset = wait_ns(end, now) if used else 0
    return Verdict(allowed, rule.limit, rule.limit - used, retry, reset, state)


def sliding_window_counter(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """The last window counts for the part of it that a window up to now still covers.

    State: window, used in the one before, used in it.
    """
    period, limit = rule.period_ns, rule.limit
    window, before, used = now // period, 0, 0
    if state is not None and state[0] >= window:
        window, before, used = state
    elif state is not None and state[0] == window - 1:
        before = state[2]
    start = window * period
    elapsed = max(now - start, 0)
    allowed = before * (period - elapsed) + (used + cost) * period <= limit * period
    retry = 0
    if cost > limit:
        retry = NEVER
    elif not allowed:
        enough = _elapsed_until(before, limit - used - cost, period)  # in this window
        if enough is None:  # not before its end: then in the next
            enough = period + (_elapsed_until(used, limit - cost, period) or 0)
        retry = wait_ns(start + enough, now)
    if allowed and spend:
        used += cost
        state = window, before, used
    remaining = limit - used - -(-before * (period - elapsed) // period)
    reset = wait_ns(start + 2 * period if used else start + period, now) if used or before else 0
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
    missing = 0 if state is None else max(state[0] * count + state[1] - start, 0)
    allowed = missing + cost * period <= whole
    retry = 0
    if cost > rule.limit:
        retry = NEVER
    elif not allowed:
        retry = min(-(-(missing + cost * period - whole) // count), MAX_WAIT)
    if allowed and spend:
        missing += cost * period
        state = divmod(start + missing, count)
    remaining = max(whole - missing, 0) // period
    reset = min(-(-missing // count), MAX_WAIT)
    return Verdict(allowed, rule.limit, remaining, retry, reset, state)


def sliding_window(rule: Rule, state: State, now: int, cost: int, spend: bool) -> Verdict:
    """`limit` in any period: a call at t counts in [t, t + period). State: the times of calls."""
    latest = max(now, state[-1]) if state else now
    live = tuple(t for t in state or () if t > latest - rule.period_ns)
    allowed = len(live) + cost <= rule.limit
    retry = 0
    if cost > rule.limit:
        retry = NEVER
    elif not allowed:
        retry = wait_ns(live[len(live) + cost - rule.limit - 1] + rule.period_ns, now)
    if allowed and spend:
        live += (latest,) * cost
        state = live
    reset = wait_ns(live[-1] + rule.period_ns, now) if live else 0
    return Verdict(allowed, rule.limit, rule.limit - len(live), retry, reset, state)


def wait_ns(until: int, now: int) -> int:
    """Return the wait until a time that is not before now."""
    return min(until - now, MAX_WAIT)


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
