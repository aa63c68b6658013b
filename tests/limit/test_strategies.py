"""What each strategy admits: documented examples, independent models, waits to the nanosecond."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks._core.rates import BUCKET, COUNTER, FIXED, LOG, NEVER, Rule

S = 10**9
START = -3 * S  # windows lie on both sides of zero


class Clock:
    """A timer in nanoseconds, exact while they are below 2**51."""

    def __init__(self, ns=0):
        self.ns = ns

    def __call__(self):
        return self.ns / 1e9


def drive(impl, name, *args, **options):
    clock = Clock()
    limiter = getattr(impl.limit, name)(*args, timer=clock, **options)
    return limiter, clock


# ---- each by itself ----------------------------------------------------------------------------


def test_fixed_window(impl):
    limiter, clock = drive(impl, "FixedWindow", "2/10s")
    clock.ns = 9 * S
    assert limiter.hit("a") == (True, 2, 1, 0.0, 1.0)
    assert limiter.hit("a") == (True, 2, 0, 0.0, 1.0)
    assert limiter.hit("a") == (False, 2, 0, 1.0, 1.0)
    clock.ns = 10 * S - 1
    assert limiter.hit("a") == (False, 2, 0, 1e-9, 1e-9)
    clock.ns = 10 * S  # twice the limit in a moment
    assert limiter.hit("a", 2) == (True, 2, 0, 0.0, 10.0)
    assert limiter.hit("b", 3) == (False, 2, 2, math.inf, 0.0)


def test_fixed_windows_begin_at_multiples_of_the_period(impl):
    limiter, clock = drive(impl, "FixedWindow", "3/7s")
    rng = random.Random(1)
    admitted = {}
    clock.ns = -100 * S
    for _ in range(3000):
        clock.ns += rng.randrange(2 * S)
        window = clock.ns // (7 * S)
        expected = admitted.get(window, 0) < 3
        assert limiter.allow("a") == expected
        admitted[window] = admitted.get(window, 0) + expected


def test_sliding_window_at_its_edges(impl):
    limiter, clock = drive(impl, "SlidingWindow", "2/10s")
    assert limiter.allow("a")
    clock.ns = 4 * S
    assert limiter.allow("a")
    clock.ns = 10 * S - 1
    assert limiter.hit("a") == (False, 2, 0, 1e-9, 4 + 1e-9)
    assert limiter.hit("a", 2).retry_after == 4 + 1e-9
    clock.ns = 10 * S  # the call at 0 counts in [0, 10)
    assert limiter.hit("a") == (True, 2, 0, 0.0, 10.0)


@pytest.mark.parametrize("rate", ["7/3s", "1/s", "100/2s"])
def test_counter_is_its_formula(impl, rate):
    limiter, clock = drive(impl, "SlidingWindowCounter", rate)
    ((limit, _, period),) = limiter.rules
    rng = random.Random(rate)
    used = {}
    clock.ns = START
    for _ in range(4000):
        clock.ns += rng.randrange(period // limit) * rng.choice([0, 1, 1, 3])
        cost = rng.choice([1, 1, 1, 2, limit])
        window, elapsed = divmod(clock.ns, period)
        before = used.get(window - 1, 0)
        weight = Fraction(before * (period - elapsed), period) + used.get(window, 0)
        decision = limiter.hit("a", cost)
        assert decision.allowed == (weight + cost <= limit)
        if decision.allowed:
            used[window] = used.get(window, 0) + cost
            weight += cost
        assert decision.remaining == max(math.floor(limit - weight), 0)


@pytest.mark.parametrize(
    ("name", "args", "rate", "burst"),
    [
        ("TokenBucket", (2, 10), Fraction(2), 10),
        ("TokenBucket", (0.7, 4), Fraction(7, 10), 4),
        ("TokenBucket", (Fraction(3, 7919), 5), Fraction(3, 7919), 5),
        ("TokenBucket", (10**9 + 7, 50), Fraction(10**9 + 7), 50),
        ("LeakyBucket", ("5/7second",), Fraction(5, 7), 5),
        ("LeakyBucket", ("100/minute", 1), Fraction(5, 3), 1),
        ("LeakyBucket", ("4294967295/s",), Fraction(2**32 - 1), 2**32 - 1),
    ],
)
def test_buckets_are_exact(impl, name, args, rate, burst):
    """Tokens come one `rate` a second, in fractions that are never rounded."""
    limiter, clock = drive(impl, name, *args)
    rng = random.Random(burst)
    mean = max(int(S / rate), 1)
    tokens, then = Fraction(burst), 0
    for _ in range(3000):
        clock.ns += rng.choice([0, 1, rng.randrange(mean + 1), rng.randrange(3 * mean + 1)])
        cost = rng.choice([1, 1, min(2, burst), burst, burst + 1 if burst < 2**32 - 1 else 1])
        tokens = min(tokens + (clock.ns - then) * rate / S, Fraction(burst))
        then = clock.ns
        decision = limiter.hit("a", cost)
        assert decision.allowed == (cost <= tokens)
        retry = math.inf if cost > burst else max(math.ceil((cost - tokens) / rate * S), 0) / 1e9
        assert decision.retry_after == (0.0 if decision.allowed else retry)
        if decision.allowed:
            tokens -= cost
        assert decision.remaining == math.floor(tokens)
        assert decision.reset_after == math.ceil((burst - tokens) / rate * S) / 1e9


@pytest.mark.parametrize("name", ["LeakyBucket", "TokenBucket"])
def test_five_sevenths_do_not_drift(impl, name):
    args = ("5/7second", 1) if name == "LeakyBucket" else (Fraction(5, 7), 1)
    limiter, clock = drive(impl, name, *args)
    rounds = 20_000 if impl is fastblocks else 2000
    passed = 0
    while passed < 5 * rounds:
        decision = limiter.hit("a")
        passed += decision.allowed
        clock.ns += round((decision.retry_after or limiter.peek("a").retry_after) * 1e9)
    assert clock.ns == 7 * S * rounds  # when the next one may pass


def test_leaky_and_token_bucket_agree(impl):
    leaky, clock = drive(impl, "LeakyBucket", "5/7s", 4)
    token = impl.limit.TokenBucket(Fraction(5, 7), 4, timer=clock)
    rng = random.Random(2)
    for _ in range(1000):
        clock.ns += rng.randrange(3 * S)
        key, cost = rng.randrange(3), rng.randrange(1, 6)
        assert leaky.hit(key, cost) == token.hit(key, cost)


# ---- never more than the limit ---------------------------------------------------------------


@pytest.mark.parametrize("rate", ["100/s", "7/3s", "1000/10s", "50/s;300/10s"])
def test_no_window_has_more_than_the_limit(impl, rate):
    """10^6 arrivals at random times on native, 200 or 4000 a second."""
    native = impl is fastblocks
    limiter, clock = drive(impl, "SlidingWindow", rate)
    rng = np.random.default_rng(3)
    times, n = [], 0
    target = 250_000 if native else 2_500  # times four rates
    while n < target:
        clock.ns += int(rng.exponential(S / 20))
        burst = int(rng.integers(1, 400 if native else 20))
        passed = int(limiter.allow_many(np.zeros(burst, np.int64)).sum())
        times += [clock.ns] * passed
        n += burst
    stamps = np.array(times)
    for limit, _, period in limiter.rules:
        assert len(stamps) > limit
        assert (stamps[limit:] - stamps[:-limit] >= period).all()
        fullest = np.searchsorted(stamps, stamps + period) - np.arange(len(stamps))
        assert fullest.max() == limit  # and as much, too


def test_no_key_is_charged_for_another(impl):
    limiter, clock = drive(impl, "SlidingWindow", "3/s")
    rng = random.Random(4)
    passed = {}
    for _ in range(3000):
        clock.ns += rng.randrange(S // 20)
        key = rng.randrange(10)
        recent = [t for t in passed.get(key, []) if t > clock.ns - S]
        assert limiter.allow(key) == (len(recent) < 3)
        passed[key] = recent + [clock.ns] * (len(recent) < 3)


# ---- waits, to the nanosecond ----------------------------------------------------------------

PERIODS = st.sampled_from([1, 2, 7, 1000, S // 3, S, 7 * S, 60 * S, 86400 * S])
KINDS = st.sampled_from([FIXED, COUNTER, BUCKET, LOG])


@st.composite
def rules_of(draw):
    kind = draw(KINDS)
    periods = draw(st.lists(PERIODS, min_size=1, max_size=3, unique=True))
    rules = []
    for period in periods:
        limit = draw(st.sampled_from([1, 2, 3, 5, 7, 20]))
        count = draw(st.sampled_from([1, 2, 3, 7, 13])) if kind == BUCKET else limit
        rules.append(Rule(limit, count, period))
    return kind, tuple(rules)


CALLS = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 2**70), st.integers(1, 9)), min_size=1, max_size=25
)


def play(impl, ruled, calls):
    """A storage and the time after some calls of key 1, by a clock that is set back, too."""
    kind, rules = ruled
    storage = impl.limit.Memory(10, seed=0)
    storage.bind(kind, rules)
    now = START
    for scale, step, cost in calls:
        longest = max(rule.period_ns for rule in rules)
        size = (0, 1, step % 10, step % (longest // 3 + 1), step % (3 * longest))[abs(scale)]
        now += size if scale > 0 else -size
        storage.decide(1, now, cost, True)
    return storage, now


@given(rules_of(), CALLS, st.integers(1, 9))
def test_retry_after_is_the_least_wait(impl, ruled, calls, cost):
    storage, now = play(impl, ruled, calls)
    allowed, limit, remaining, retry, _ = storage.decide(1, now, cost, False)[:5]
    assert allowed == (retry == 0)
    if cost > min(rule.limit for rule in ruled[1]):
        assert retry == NEVER
        assert not storage.decide(1, now + 10**15, cost, False)[0]
    elif not allowed:
        assert retry > 0
        assert not storage.decide(1, now + retry - 1, cost, False)[0]
        assert storage.decide(1, now + retry, cost, False)[0]
        middle = now + retry // 2
        assert storage.decide(1, middle, cost, False)[3] == retry - retry // 2
    assert 0 <= remaining <= limit
    if remaining:
        assert storage.decide(1, now, remaining, False)[0] or len(ruled[1]) > 1
    assert not storage.decide(1, now, remaining + 1, False)[0]


@given(rules_of(), CALLS)
def test_reset_after_is_the_least_wait_for_a_whole_quota(impl, ruled, calls):
    storage, now = play(impl, ruled, calls)
    reset = storage.decide(1, now, 1, False)[4]
    then = storage.decide(1, now + reset, 1, False)
    assert then == storage.decide(2, now + reset, 1, False)  # as for one never seen
    assert then[4] == 0
    if reset:
        assert storage.decide(1, now + reset - 1, 1, False)[4] == 1
        least = min(rule.limit for rule in ruled[1])
        if len(ruled[1]) == 1:
            assert storage.decide(1, now + reset - 1, 1, False)[2] < least


@given(rules_of(), CALLS, st.integers(1, 9))
def test_what_is_denied_or_asked_changes_nothing(impl, ruled, calls, cost):
    storage, now = play(impl, ruled, calls)
    before = storage.to_bytes()
    storage.decide(1, now, cost, False)
    storage.decide(2, now, cost, False)
    if not storage.decide(1, now, cost, False)[0]:
        storage.decide(1, now, cost, True)
    storage.decide(3, now, 1000, True)
    assert storage.to_bytes() == before


@given(rules_of(), CALLS, st.integers(1, 9))
def test_native_and_pure_say_the_same(ruled, calls, cost):
    (native, now), (pure, _) = (play(impl, ruled, calls) for impl in (fastblocks, fastblocks.pure))
    assert native.to_bytes() == pure.to_bytes()
    for later in (0, 1, 3 * S, -S, -(10**12)):
        for spend in (False, True):
            ours = native.decide(1, now + later, cost, spend)
            assert ours == tuple(pure.decide(1, now + later, cost, spend)[:5])


@pytest.mark.parametrize("kind", [FIXED, COUNTER, BUCKET, LOG])
def test_largest_numbers(kind):
    """At the ends of all ranges native and pure still agree."""
    most = 2**20 if kind == LOG else 2**32 - 1
    longest = 100 * 86400 * S
    limits = (1, most)
    times = [-9 * 10**18 + 1, -1, 0, 1, 9 * 10**18 - longest, 9 * 10**18 - 1]
    for limit, period in itertools.product(limits, (1, longest)):
        storages = []
        for impl in (fastblocks, fastblocks.pure):
            storage = impl.limit.Memory(10, seed=0)
            storage.bind(kind, (Rule(limit, limit, period),))
            storages.append(storage)
        native, pure = storages
        costs = (1, 2) if kind == LOG else (1, limit - 1 or 1, limit, 2**32 - 1)
        for now, cost in itertools.product(times + times[::-1], costs):
            ours = native.decide(1, now, cost, True)
            assert ours == tuple(pure.decide(1, now, cost, True)[:5])
        assert native.to_bytes() == pure.to_bytes()


# ---- clocks that are set back ------------------------------------------------------------------


@pytest.mark.parametrize("back", [1, S, 100 * S])
@pytest.mark.parametrize("kind", [FIXED, COUNTER, BUCKET, LOG])
def test_a_clock_that_is_set_back_costs_a_bounded_wait(impl, kind, back):
    """At most what it was set back by and the ordinary wait. Who is new waits for nothing; nor does
    who had something left, but for buckets, which do not know how old their state is.
    """
    storage = impl.limit.Memory(10, seed=0)
    storage.bind(kind, (Rule(4, 4, 10 * S),))
    then = 1000 * S
    for _ in range(4):
        assert storage.decide(1, then, 1, True)[0]
    assert storage.decide(2, then, 2, True)[0]
    now = then - back
    ordinary = storage.decide(1, then, 1, True)[3]
    allowed, _, remaining, retry, reset = storage.decide(1, now, 1, True)[:5]
    assert not allowed
    assert remaining == 0
    assert ordinary <= retry <= ordinary + back
    assert retry <= reset <= 20 * S + back
    assert not storage.decide(1, now + retry - 1, 1, False)[0]
    assert storage.decide(1, now + retry, 1, False)[0]
    assert storage.decide(2, now, 2, True)[0] or kind == BUCKET
    assert not storage.decide(2, now, 2, True)[0]
    assert storage.decide(3, now, 4, True)[0]
    assert storage.decide(1, then + 20 * S, 4, True)[0]


def test_waits_beyond_all_numbers(impl):
    """A clock that is set back by more than 292 years."""
    for kind in (FIXED, COUNTER, BUCKET, LOG):
        storage = impl.limit.Memory(10, seed=0)
        storage.bind(kind, (Rule(4, 4, 10 * S),))
        assert storage.decide(1, 9 * 10**18, 4, True)[0]
        answer = storage.decide(1, -9 * 10**18, 1, True)
        assert answer[:5] == (False, 4, 0, 2**63 - 1, 2**63 - 1)


def own_times(kind, period, calls):
    """The time of a key at each call, which never runs backwards; as a window and its age."""
    latest = None
    for now, _ in calls:
        latest = now if latest is None else max(latest, now)
        yield divmod(latest, period) if kind in (FIXED, COUNTER) else latest


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [FIXED, COUNTER, BUCKET, LOG])
def test_never_more_than_the_limit_while_the_clock_jumps(impl, kind, seed):
    """In the time of the key; and who waits as long as was said, passes, and not before."""
    limit, period = 5, 10 * S
    storage = impl.limit.Memory(10, seed=0)
    storage.bind(kind, (Rule(limit, limit, period),))
    rng = random.Random(seed)
    now, passed = 0, []
    for _ in range(1500):
        now += rng.choice([0, 1, rng.randrange(S), rng.randrange(period)])
        if rng.random() < 0.05:
            now -= rng.choice([1, rng.randrange(period), rng.randrange(5 * period)])
        cost = rng.choice([1, 1, 1, 2, 5])
        allowed, _, _, retry, _ = storage.decide(1, now, cost, True)[:5]
        if allowed:
            passed.append((now, cost))
            continue
        assert not storage.decide(1, now + retry - 1, cost, False)[0]
        assert storage.decide(1, now + retry, cost, False)[0]
    assert len(passed) > 50
    times = list(own_times(kind, period, passed))
    costs = [cost for _, cost in passed]
    if kind == LOG:
        stamps = [t for t, cost in zip(times, costs, strict=True) for _ in range(cost)]
        for first, last in zip(stamps, stamps[limit:], strict=False):
            assert last - first >= period
    elif kind == BUCKET:
        tokens, then = limit * period, times[0]
        for t, cost in zip(times, costs, strict=True):
            tokens = min(tokens + (t - then) * limit, limit * period) - cost * period
            assert tokens >= 0
            then = t
    else:
        used = {}
        for (window, elapsed), cost in zip(times, costs, strict=True):
            used[window] = used.get(window, 0) + cost
            before = used.get(window - 1, 0) if kind == COUNTER else 0
            assert before * (period - elapsed) + used[window] * period <= limit * period
