"""The golden trace: the same arrivals for every storage, and what all must answer."""

import hashlib
import random
import struct

S = 10**9
KEYS = 200

# Names of a strategy and its arguments.
TRACES = {
    "fixed": ("FixedWindow", ("7/10s",)),
    "fixed-several": ("FixedWindow", ("4/s;30/minute",)),
    "log": ("SlidingWindow", ("7/10s",)),
    "log-several": ("SlidingWindow", ("4/s;30/minute",)),
    "counter": ("SlidingWindowCounter", ("7/10s",)),
    "counter-several": ("SlidingWindowCounter", ("4/s;30/minute",)),
    "leaky": ("LeakyBucket", ("5/7second",)),
    "leaky-several": ("LeakyBucket", ("4/s;30/minute",)),
    "token": ("TokenBucket", (0.7, 6)),
}
STRATEGIES = ("fixed", "log", "counter", "leaky", "token")  # with one rate
LONG, SHORT = 100_000, 10_000  # arrivals: of each of these; of others where that takes long


def arrivals(n=LONG, seed=20):
    """n calls: key, time in whole microseconds, cost. Rush and rest; now and then to the very
    edge of a window; keys of which few are frequent; costs of which some can never pass.
    """
    rng = random.Random(seed)
    now = 1_000_000 * S  # nanoseconds are exact in seconds as a float
    for _ in range(n):
        pace = rng.random()
        if pace < 0.3:
            now += 1000 * rng.randrange(1000)
        elif pace < 0.995:
            now += 1000 * rng.randrange(30_000)
        elif pace < 0.999:
            now += 10 * S - now % (10 * S) - 1000 * rng.randrange(2)
        else:
            now += 1000 * rng.randrange(90_000_000)
        key = int(KEYS * rng.random() ** 3)
        cost = 1 if rng.random() < 0.8 else rng.randrange(1, 10)
        yield key, now, cost


def digest(decisions):
    """Of decisions, in order: sixteen hexadecimal digits."""
    state = hashlib.sha256()
    for allowed, limit, remaining, retry, reset in decisions:
        state.update(struct.pack("<?qqdd", allowed, limit, remaining, retry, reset))
    return state.hexdigest()[:16]
