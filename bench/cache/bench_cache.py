"""Caches.

Every cache is checked first: on the same requests, each value that it returns is that of its key,
and it never has more entries than it may. Policies differ, so hit ratios do: they are told beside
the times. A cache is warm when it is timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from bench.cache.cache_libraries import (
    BEST,
    LRU,
    PEERS,
    TTL,
    Cache,
    DictFloor,
    Native,
    Pure,
)
from bench.cache.requests import KEYS, SIZE, STREAMS, by_zipf
from bench.model import Record, Timed, Unsupported, expect, work

LIBRARIES = (Native, Pure, *PEERS, DictFloor)

REQUESTS = 10_000
SMALL = 2_000
LARGE = 200_000
OF = f"int, {KEYS // 1000} k keys, cache of {SIZE // 1000} k"


@cache
def requests(stream: str) -> list[int]:
    """Return the requests of one of `STREAMS`."""
    keys: list[int] = STREAMS[stream](REQUESTS).tolist()
    return keys


def _time(
    lib: Cache, timed: Timed, keys: Sequence[Any], size: int = SIZE, kind: str = BEST
) -> None:
    """Check, warm and time the get-or-set loop; fewer requests are for a smaller cache."""
    size, keys = size * len(lib.some(keys)) // len(keys), lib.some(keys)
    f = lib.make(size, kind)
    lib.hits(f, keys, size)
    hits = lib.hits(f, keys, size)
    f = lib.make(size, kind)
    lib.run(f, keys)
    timed(lambda: lib.run(f, keys), items=len(keys), ratio=hits / len(keys))


@work("get or set, Zipf 0.7", OF, unit="request", headline=True, rounds=1)
def bench_zipf_07(lib: Cache, timed: Timed) -> None:
    """Flat: most requests miss."""
    _time(lib, timed, requests("Zipf 0.7"))


@work("get or set, Zipf 1.0", OF, unit="request", headline=True, rounds=1)
def bench_zipf_10(lib: Cache, timed: Timed) -> None:
    """As of web pages."""
    _time(lib, timed, requests("Zipf 1.0"))


@work("get or set, Zipf 1.2", OF, unit="request", headline=True, rounds=1)
def bench_zipf_12(lib: Cache, timed: Timed) -> None:
    """Steep: most requests hit."""
    _time(lib, timed, requests("Zipf 1.2"))


@work("get or set, Zipf 1.0, str", f"str, {KEYS // 1000} k keys", unit="request", rounds=1)
def bench_zipf_str(lib: Cache, timed: Timed) -> None:
    """Keys are strings, each request another object."""
    _time(lib, timed, [f"user:{key}" for key in requests("Zipf 1.0")])


@work("get or set, scans", "half Zipf 1.0, half keys that come once", unit="request", rounds=1)
def bench_scans(lib: Cache, timed: Timed) -> None:
    """What comes once should not push out what comes often."""
    _time(lib, timed, requests("scans"))


@work("get or set, loop", f"{KEYS // 1000} k keys in order", unit="request", rounds=1)
def bench_loop(lib: Cache, timed: Timed) -> None:
    """LRU has no hits."""
    _time(lib, timed, requests("loop"))


@work("get or set, shifting hot set", OF, unit="request", rounds=1)
def bench_shifting(lib: Cache, timed: Timed) -> None:
    """What was hot must go."""
    _time(lib, timed, requests("shifting"))


@work("get or set, Zipf 1.0, LRU", f"{OF}; of policy lru all", unit="request", rounds=1)
def bench_lru(lib: Cache, timed: Timed) -> None:
    """The same policy everywhere."""
    _time(lib, timed, requests("Zipf 1.0"), kind=LRU)


@work("get or set, Zipf 1.0, ttl", f"{OF}; every entry with a ttl", unit="request", rounds=1)
def bench_ttl(lib: Cache, timed: Timed) -> None:
    """Of an hour."""
    _time(lib, timed, requests("Zipf 1.0"), kind=TTL)


@work(
    "get or set, Zipf 0.7, 200 k requests",
    "int, 50 k keys, cache of 20 k; slow libraries have fewer",
    unit="request",
    rounds=1,
)
def bench_large(lib: Cache, timed: Timed, quick: bool) -> None:
    """More than the caches of the processor hold."""
    n = KEYS if quick else min(LARGE, 4 * lib.max_keys)
    _time(lib, timed, by_zipf(n // 4, 0.7, n).tolist(), n // 10)


@work("get or set, Zipf 1.0, 2 threads", f"{OF}; shared", unit="request", rounds=1)
def bench_threads(lib: Cache, timed: Timed) -> None:
    """Each thread makes half of the requests."""
    keys = lib.some(requests("Zipf 1.0"))
    f = lib.make_shared(SIZE)
    hits = lib.hits(f, keys, SIZE)
    f = lib.make_shared(SIZE)
    parts = keys[::2], keys[1::2]
    lib.run_threads(f, parts)
    get = lib.getter(f)
    expect(all(get(key) in (None, key) for key in set(keys)), "a value is another key's")
    timed(lambda: lib.run_threads(f, parts), items=len(keys), ratio=hits / len(keys))


def _filled(lib: Cache, keys: Sequence[Any], kind: str = BEST) -> Any:
    """Return a cache that has room for twice the keys, and them."""
    f = lib.make(2 * len(keys), kind)
    lib.hits(f, keys, 2 * len(keys))
    hits = lib.hits(f, keys, 2 * len(keys))
    expect(hits == len(keys), f"{len(keys) - hits} keys are missing")
    return f


@work("`get(key)`, a hit", f"int, {SIZE // 1000} k keys", headline=True, rounds=1)
def bench_get(lib: Cache, timed: Timed) -> None:
    """All are there."""
    keys = list(lib.some(range(KEYS, KEYS + SIZE)))
    f = _filled(lib, keys)
    timed(lambda: lib.get_each(f, keys), items=len(keys))


@work("`get(key)`, a hit, str", f"str, {SIZE // 1000} k keys", headline=True, rounds=1)
def bench_get_str(lib: Cache, timed: Timed) -> None:
    """The keys asked for are equal to those set, not the same objects."""
    keys = lib.some([f"user:{i}" for i in range(SIZE)])
    f = _filled(lib, [str(key.encode(), "ascii") for key in keys])
    timed(lambda: lib.get_each(f, keys), items=len(keys))


@work("`get(key)`, a hit, LRU", f"int, {SIZE // 1000} k keys", rounds=1)
def bench_get_lru(lib: Cache, timed: Timed) -> None:
    """The same policy everywhere."""
    keys = list(lib.some(range(KEYS, KEYS + SIZE)))
    f = _filled(lib, keys, LRU)
    timed(lambda: lib.get_each(f, keys), items=len(keys))


@work("`get(key)`, a hit, ttl", f"int, {SIZE // 1000} k keys", rounds=1)
def bench_get_ttl(lib: Cache, timed: Timed) -> None:
    """Every entry has one, so the clock is read."""
    keys = list(lib.some(range(KEYS, KEYS + SIZE)))
    f = _filled(lib, keys, TTL)
    timed(lambda: lib.get_each(f, keys), items=len(keys))


@work("`cache[key] = value`, new keys", OF, rounds=1, headline=True)
def bench_set(lib: Cache, timed: Timed) -> None:
    """Each set evicts."""
    keys = lib.some(requests("loop"))
    f = lib.make(SIZE)
    lib.hits(f, keys, SIZE)
    lib.set_each(f, keys)
    expect(lib.getter(f)(keys[-1]) == keys[-1], "the last value is not there")
    timed(lambda: lib.set_each(f, keys), items=len(keys))


@work("`cache[key] = value`, present keys", f"int, {SIZE // 1000} k keys", rounds=1)
def bench_overwrite(lib: Cache, timed: Timed) -> None:
    """Values are replaced."""
    keys = list(lib.some(range(KEYS, KEYS + SIZE)))
    f = _filled(lib, keys)
    lib.set_each(f, keys)
    get = lib.getter(f)
    expect(all(get(key) == key for key in keys), "a value is not the last that was set")
    timed(lambda: lib.set_each(f, keys), items=len(keys))


@work("`get_or_load(key, load)`, a hit", f"int, {SIZE // 1000} k keys", headline=True, rounds=1)
def bench_get_or_load(lib: Cache, timed: Timed) -> None:
    """One load of a key, however many threads ask for it."""
    keys = list(lib.some(range(KEYS, KEYS + SIZE)))
    loaded: list[int] = []

    def load(key: int) -> int:
        loaded.append(key)
        return key

    f = lib.make(2 * SIZE)
    lib.load_each(f, keys, load)
    lib.load_each(f, keys, load)
    expect(loaded == keys, f"{len(loaded)} loads of {len(keys)} keys")
    timed(lambda: lib.load_each(f, keys, load), items=len(keys))


@work(
    "Memory per entry against entries",
    "what a new process grows by; int keys, without keys and values",
    chart="curve",
    axes=("keys", "each"),
    points=(10_000, 30_000, 100_000),
    rounds=1,
    libraries=tuple(library.name for library in (Native, Pure, *PEERS)),
)
def bench_memory(lib: Cache, record: Record, point: float, quick: bool) -> None:
    """Each in a process that does nothing else."""
    n = min(int(point), SMALL) if quick else int(point)
    if n > lib.most:
        raise Unsupported("too slow")
    record(keys=n, each=lib.memory(n) / n)
