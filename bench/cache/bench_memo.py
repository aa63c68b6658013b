"""Decorated functions.

Each is checked first: results are those of the function, and it is called once for each of the
arguments. All keep more results than are asked for, but where new ones are computed.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from bench.cache.memo_libraries import PEERS, DictFloor, Memo, Native, Pure
from bench.model import Timed, expect, work

LIBRARIES = (Native, Pure, *PEERS, DictFloor)

KEYS = 1_000
OF = f"{KEYS:,} different calls"


def _filled(
    lib: Memo,
    calls: Sequence[Any],
    each: Callable[[Any, Sequence[Any]], None],
    size: int = 4 * KEYS,
) -> Any:
    """Return a decorated function that has been called; check what it calls and keeps."""
    done: list[Any] = []

    def function(*args: Any, **kwargs: Any) -> Any:
        done.append(args)
        return *args, *kwargs.values()

    f = lib.decorator(size)(function)
    for _ in range(3):
        each(f, calls)
    expect(len(done) == len(calls), f"{len(done)} calls of {len(calls)}")
    return f


@work("`f(int)`, a hit", OF, unit="call", headline=True, rounds=1)
def bench_hit(lib: Memo, timed: Timed) -> None:
    """One argument, which is its own key."""
    keys = list(range(KEYS, 2 * KEYS))
    f = _filled(lib, keys, lib.each)
    expect(all(f(key) == (key,) for key in keys), "a wrong result")
    timed(lambda: lib.each(f, keys), items=KEYS)


@work("`f(str)`, a hit", OF, unit="call", headline=True, rounds=1)
def bench_hit_str(lib: Memo, timed: Timed) -> None:
    """The arguments are equal to those of the first call, not the same objects."""
    keys = [f"user:{i}" for i in range(KEYS)]
    f = _filled(lib, [f"user:{i}" for i in range(KEYS)], lib.each)
    expect(all(f(key) == (key,) for key in keys), "a wrong result")
    timed(lambda: lib.each(f, keys), items=KEYS)


@work("`f(int, str)`, a hit", OF, unit="call", rounds=1)
def bench_hit_pair(lib: Memo, timed: Timed) -> None:
    """Two arguments: the key is a tuple."""
    pairs = [(i, f"user:{i}") for i in range(KEYS)]
    f = _filled(lib, pairs, lib.each_pair)
    expect(all(f(*pair) == pair for pair in pairs), "a wrong result")
    timed(lambda: lib.each_pair(f, pairs), items=KEYS)


@work("`f(int, name=str)`, a hit", OF, unit="call", rounds=1)
def bench_hit_named(lib: Memo, timed: Timed) -> None:
    """One of them by name."""
    pairs = [(i, f"user:{i}") for i in range(KEYS)]
    f = _filled(lib, pairs, lib.each_named)
    expect(all(f(a, name=b) == (a, b) for a, b in pairs), "a wrong result")
    timed(lambda: lib.each_named(f, pairs), items=KEYS)


@work("`object.method(int)`, a hit", f"{OF}; the instance is not kept alive", unit="call", rounds=1)
def bench_method(lib: Memo, timed: Timed) -> None:
    """A cache for each instance, which goes with it."""

    class Squares:
        results = None

        @lib.method(4 * KEYS)
        def of(self, x: int) -> int:
            return x * x

    keys = list(range(KEYS, 2 * KEYS))
    instance, other = Squares(), Squares()
    for key in keys:
        expect(instance.of(key) == other.of(key) == key * key, "a wrong result")
    gone = weakref.ref(other)
    del other
    gc.collect()
    expect(gone() is None, "an instance is kept alive")
    f = instance.of
    timed(lambda: lib.each(f, keys), items=KEYS)


@work(
    "`f(int)`, a miss", "the function returns at once, a result is forgotten", unit="call", rounds=1
)
def bench_miss(lib: Memo, timed: Timed) -> None:
    """What a call costs beside the function."""
    keys = list(lib.some(range(5 * KEYS)))
    f = _filled(lib, keys[:100], lib.each, 200)
    timed(lambda: lib.each(f, keys), items=len(keys))
