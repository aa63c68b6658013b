"""Rate limiters in memory.

Every limiter is checked first: three calls an hour are three, for each key apart, and fastblocks
admits exactly what its strategy says while an injected clock goes on.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.data import UINT64, integers
from bench.limit.limiter_libraries import (
    BUCKET,
    COUNTER,
    FIXED,
    LOG,
    PEERS,
    DictFloor,
    Limiter,
    Native,
    NoOpFloor,
    Pure,
)
from bench.model import Record, Timed, Unsupported, expect, work

LIBRARIES = (Native, Pure, *PEERS, NoOpFloor, DictFloor)

CALLS = 20  # of each key, where a limiter must be made anew
SMALL = 2_000
THOUSAND = "1000 keys of str, none denied"


@cache
def users(n: int) -> list[str]:
    """Return `n` keys in random order."""
    return [f"user:{i}" for i in np.random.default_rng(0).permutation(n).tolist()]


def _time(lib: Limiter, timed: Timed, strategy: str, keys: list[str]) -> None:
    lib.check(strategy)
    f = lib.make(strategy, keys=len(keys))
    expect(all(lib.answers(f, keys)), "a call is denied")
    timed(lambda: lib.each(f, keys), items=len(keys))


@work("`allow(key)`, fixed window", THOUSAND, unit="call", headline=True, rounds=2)
def bench_allow_fixed(lib: Limiter, timed: Timed) -> None:
    """A window of an hour."""
    _time(lib, timed, FIXED, users(1_000))


@work(
    "`allow(key)`, sliding window",
    f"{THOUSAND}: {CALLS} calls of each; includes making the limiter",
    unit="call",
    headline=True,
    rounds=1,
)
def bench_allow_log(lib: Limiter, timed: Timed, quick: bool) -> None:
    """The exact log, of 100 an hour."""
    lib.check(LOG)
    slow = quick or lib.role == "pure"
    keys = users(100 if slow else 1_000) * CALLS
    expect(all(lib.answers(lib.make(LOG, 100), keys)), "a call is denied")
    timed(lambda: lib.each(lib.make(LOG, 100), keys), items=len(keys))


@work("`allow(key)`, sliding window counter", THOUSAND, unit="call", headline=True, rounds=2)
def bench_allow_counter(lib: Limiter, timed: Timed) -> None:
    """Two counters."""
    _time(lib, timed, COUNTER, users(1_000))


@work("`allow(key)`, token bucket", THOUSAND, unit="call", headline=True, rounds=2)
def bench_allow_bucket(lib: Limiter, timed: Timed) -> None:
    """Tokens; fastblocks' leaky bucket is the same state machine."""
    _time(lib, timed, BUCKET, users(1_000))


@work("`allow(key)`, one key", "each by its cheapest strategy", unit="call", rounds=2)
def bench_one_key(lib: Limiter, timed: Timed) -> None:
    """The same key again and again."""
    _time(lib, timed, lib.cheapest, ["user:17"] * 1_000)


@work(
    "`allow(key)`, 1 M keys",
    "str in random order, each by its cheapest strategy",
    unit="call",
    rounds=1,
)
def bench_million(lib: Limiter, timed: Timed, quick: bool) -> None:
    """More keys than the caches hold; slow libraries have fewer."""
    _time(lib, timed, lib.cheapest, users(min(SMALL if quick else 1_000_000, lib.max_keys)))


@work("`allow(key)`, denied", "1000 keys of str, by its cheapest strategy", unit="call", rounds=2)
def bench_denied(lib: Limiter, timed: Timed) -> None:
    """All keys have used what they may; fastblocks notes which are denied most."""
    lib.check(lib.cheapest)
    keys, f = users(1_000), lib.make(lib.cheapest, 1)
    expect(all(lib.answers(f, keys)), "the first call is denied")
    expect(not any(lib.answers(f, keys)), "the second call is not denied")
    timed(lambda: lib.each(f, keys), items=len(keys))


@work(
    "`hit(key)`", "1000 keys of str; tells what remains and when all is back", unit="call", rounds=2
)
def bench_hit(lib: Limiter, timed: Timed) -> None:
    """What HTTP headers are made of."""
    lib.check(lib.cheapest)
    keys, limit = users(1_000), 1_000_000
    f = lib.make(lib.cheapest, limit)
    tell = lib.told(f)
    expect([tell("ann")[0] for _ in range(3)] == [limit - i for i in (1, 2, 3)], "what remains")

    def run() -> None:
        for key in keys:
            tell(key)

    timed(run, items=len(keys))


@work("`allow_many(ints)`", "uint64[1000], the same keys again", headline=True, rounds=2)
def bench_many(lib: Limiter, timed: Timed) -> None:
    """In one call; peers loop over a list of str."""
    _time_batch(lib, timed, integers(1_000))


@work("`allow_many(ints)`, 1 M keys", "uint64[1 M], each once a call", rounds=2, headline=True)
def bench_many_million(lib: Limiter, timed: Timed, quick: bool) -> None:
    """The same of more keys than the caches hold."""
    _time_batch(lib, timed, integers(SMALL if quick else 1_000_000)[: lib.max_keys])


def _time_batch(lib: Limiter, timed: Timed, keys: UINT64) -> None:
    lib.check(lib.cheapest)
    batch = lib.batch(keys)
    f = lib.make(lib.cheapest, 2, len(keys))
    found = [int(np.sum(lib.answers_batch(f, batch))) for _ in range(3)]
    expect(found == [len(keys), len(keys), 0], f"2 an hour for {len(keys)} keys: {found}")
    f = lib.make(lib.cheapest, keys=len(keys))
    expect(np.all(lib.answers_batch(f, batch)), "a call is denied")
    timed(lambda: lib.answers_batch(f, batch), items=len(keys))


@work(
    "Memory per key against keys",
    "one call of each, by the cheapest strategy; the caller's strings are not counted",
    chart="curve",
    axes=("keys", "each"),
    points=(1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    rounds=1,
    libraries=tuple(library.name for library in (Native, Pure, *PEERS)),
)
def bench_memory(lib: Limiter, record: Record, point: float, quick: bool) -> None:
    """What the storage says of fastblocks, what Python allocates for others."""
    n = min(int(point), SMALL) if quick else int(point)
    if n > max(lib.max_keys, 10_000) and lib.role != "native":
        raise Unsupported("too slow")
    each = lib.memory(users(n)) / n
    expect(lib.role != "native" or n < 1_000_000 or each <= 64, f"{each:.1f} bytes per key")
    record(keys=n, each=each)
