"""Limits that all processes of a host share, in plain Python; choices as csrc/limit/shared.h tells.

One process at a time works on the file, by a lock on it, which the system takes back from one that
is killed. Every set is there twice, and a word tells which one counts: what is written goes to the
other, then the word changes, so that nobody finds half of a change.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from fastblocks._core import check, limits, shared
from fastblocks._core.rates import BUCKET, COUNTER, FIXED

from .. import _keys
from ..hashing.xxh3 import hash_bytes
from .memory import TIDY, Entry
from .strategies import judge

if TYPE_CHECKING:
    from fastblocks._core.rates import Rule
    from fastblocks._core.types import Key

    from .strategies import State, Verdict

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["SharedMemory"]

MAX_KEYS = 2**27
WAYS = 32  # places of a set
LOAD = 10  # keys of a set when there are max_keys
NUMBERS = {FIXED: 2, COUNTER: 3, BUCKET: 2}  # in a state; in a log up to limit


class SharedMemory:
    """Storage in a file that is mapped into memory; see `fastblocks.limit.SharedMemory`.

    It cannot share a file with the native one.
    """

    __slots__ = (  # a __dict__ is the subclass's own
        "__weakref__",
        "_bound",
        "_closed",
        "_copy_bytes",
        "_given_seed",
        "_handle",
        "_known",
        "_lock",
        "_map",
        "_max_keys",
        "_n_sets",
        "_numbers",
        "_on_full",
        "_path",
        "_pid",
        "_seed",
        "_ways",
    )

    def __init__(
        self,
        name_or_path: str | os.PathLike[str],
        max_keys: int = 100_000,
        *,
        on_full: str = "deny",
        seed: int | None = None,
    ) -> None:
        self._path = shared.location(name_or_path)
        self._max_keys = check.integer("max_keys", max_keys, 1, MAX_KEYS)
        self._on_full = check.choice("on_full", on_full, limits.ON_FULL)
        self._given_seed = None if seed is None else check.seed64(seed)
        found = shared.check_existing(self._path, shared.PURE, self._max_keys, self._given_seed)
        self._seed = found or self._given_seed or 0
        self._bound: tuple[int, tuple[Rule, ...]] | None = None
        self._closed = False
        self._map: Any = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    # ---- what other storages can and this one, whose state is the file, cannot ----------------

    def copy(self) -> NoReturn:
        raise limits.no_bytes()

    def to_bytes(self) -> NoReturn:
        raise limits.no_bytes()

    def save(self, path: Any) -> NoReturn:
        raise limits.no_bytes()

    @classmethod
    def from_bytes(cls, data: Any) -> NoReturn:
        raise limits.no_bytes()

    @classmethod
    def open(cls, path: Any, mode: str = "r", *, verify: bool = True) -> NoReturn:
        raise limits.no_bytes()

    def flush(self) -> None:
        """Nothing to do: the system keeps the file."""

    # ---- the file ------------------------------------------------------------------------------

    def bound_rules(self) -> tuple[Rule, ...]:
        return () if self._bound is None else self._bound[1]

    def bind(self, kind: int, rules: Sequence[Rule]) -> None:
        """Make it the storage of limiters of this kind and rules, or raise if it is another's."""
        if not hasattr(self, "_lock"):
            raise limits.not_made(self)
        self._check_open()
        with self._lock:
            if self._bound is not None:
                limits.check_binding(self._bound, kind, rules)
                return
            small = self._max_keys <= WAYS
            self._n_sets = 1 if small else -(-self._max_keys // LOAD)
            self._ways = self._max_keys if small else WAYS
            self._numbers = [NUMBERS.get(kind, rule.limit) for rule in rules]
            self._copy_bytes = 16 + self._ways * (8 + sum(8 + 8 * n for n in self._numbers))
            size = shared.HEAD_BYTES + self._n_sets * (8 + 2 * self._copy_bytes)
            if size > 2**46:
                raise ValueError(
                    f"max_keys={self._max_keys} with rates of this kind would need a file of more "
                    "than 64 TiB"
                )
            wanted = shared.Wanted(
                shared.PURE, self._max_keys, self._given_seed, kind, tuple(rules), size
            )
            self._map, self._seed, self._handle = shared.attach(self._path, wanted)
            self._known = shared.identity(self._handle)
            self._bound = kind, tuple(rules)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            if self._map is not None:
                self._map.close()
                os.close(self._handle)
                self._map = None

    def unlink(self) -> None:
        """Remove the file's name, if it is there."""
        shared.unlink(self._path)

    def __enter__(self) -> SharedMemory:
        self._check_open()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_map", None) is not None:
            with contextlib.suppress(OSError):
                os.close(self._handle)

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = {
            "name_or_path": self._path,
            "max_keys": self._max_keys,
            "on_full": self._on_full,
        }
        attributes = getattr(self, "__dict__", None)
        return limits.remade, (type(self), SharedMemory, arguments), attributes or None

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"this SharedMemory ({self._path}) is closed")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out the other threads and processes."""
        self._check_open()
        if self._pid != os.getpid():  # the child of a fork, which shares the parent's lock
            self._lock, self._pid = threading.Lock(), os.getpid()
            if self._map is not None:
                inherited = self._handle
                self._map, self._handle = shared.reopen(inherited, self._path, self._known)
                os.close(inherited)
        with self._lock:
            self._check_open()
            if self._map is None:
                raise RuntimeError("storage is not in use by a limiter yet")
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _read(self, at: int) -> tuple[list[Entry], int]:
        """The keys of a set, and how many have been evicted from it."""
        start = shared.HEAD_BYTES + at * (8 + 2 * self._copy_bytes)
        (current,) = struct.unpack_from("<Q", self._map, start)
        place = start + 8 + current % 2 * self._copy_bytes
        n, evicted = struct.unpack_from("<QQ", self._map, place)
        place += 16
        entries = []
        for _ in range(min(n, self._ways)):
            (h,) = struct.unpack_from("<Q", self._map, place)
            place += 8
            states: list[State] = []
            for most in self._numbers:
                (used,) = struct.unpack_from("<Q", self._map, place)
                states.append(struct.unpack_from(f"<{min(used, most)}q", self._map, place + 8))
                place += 8 + 8 * most
            entries.append(Entry(h, states))
        return entries, evicted

    def _write(self, at: int, entries: list[Entry], evicted: int) -> None:
        start = shared.HEAD_BYTES + at * (8 + 2 * self._copy_bytes)
        (current,) = struct.unpack_from("<Q", self._map, start)
        data = struct.pack("<QQ", len(entries), evicted)
        for entry in entries:
            data += struct.pack("<Q", entry.hash)
            for state, most in zip(entry.states, self._numbers, strict=True):
                used = len(state or ())
                data += struct.pack(f"<Q{used}q", used, *(state or ())) + bytes(8 * (most - used))
        other = 1 - current % 2
        place = start + 8 + other * self._copy_bytes
        self._map[place : place + len(data)] = data
        self._map[start : start + 8] = struct.pack("<Q", other)

    # ---- calls -----------------------------------------------------------------------------------

    def token(self, key: Key) -> int:
        """What a key is known by here: its hash."""
        return hash_bytes(_keys.bytes_of_key(key), self._seed)

    def decide(self, h: int, now: int, cost: int, spend: bool) -> Verdict:
        """What the rules say to a call of a key, which counts if they allow it and `spend`."""
        now, cost = limits.time_of(now), limits.cost_of(cost)
        with self._alone():
            at = h * self._n_sets >> 64
            entries, evicted = self._read(at)
            entry = next((entry for entry in entries if entry.hash == h), None)
            verdict, states = self._judge(None if entry is None else entry.states, now, cost, spend)
            if not (verdict.allowed and spend):
                return verdict
            if entry is not None:
                entry.states = states or ()
            else:
                evictions, opens = self._make_room(entries, h, now)
                if evictions < 0:
                    return self._no_room(self._judge(None, now, cost, False)[0], opens)
                evicted += evictions
                entries.append(Entry(h, states or ()))
            self._write(at, entries, evicted)
            return verdict

    def forget(self, h: int) -> None:
        """Make a key's quota whole again."""
        with self._alone():
            at = h * self._n_sets >> 64
            entries, evicted = self._read(at)
            for i, entry in enumerate(entries):
                if entry.hash == h:
                    drop(entries, i)
                    self._write(at, entries, evicted)
                    return

    def _judge(
        self, states: Sequence[State] | None, now: int, cost: int, spend: bool
    ) -> tuple[Verdict, Sequence[State] | None]:
        assert self._bound is not None
        kind, rules = self._bound
        return judge(kind, rules, states, now, cost, spend)

    def _make_room(self, entries: list[Entry], h: int, now: int) -> tuple[int, int]:
        """Forget a few keys whose quota is whole; if need be one that is not limited.

        Returns how many were forgotten before that, -1 for no room; and then the wait for some.
        """
        at = h & 0xFFFFFFFF
        for _ in range(TIDY):
            if entries:
                at %= len(entries)
                if self._judge(entries[at].states, now, 1, False)[0].reset_ns == 0:
                    drop(entries, at)
                else:
                    at += 1
        if len(entries) < self._ways:
            return 0, 0
        verdicts = [self._judge(entry.states, now, 1, False)[0] for entry in entries]
        free = [i for i, verdict in enumerate(verdicts) if verdict.allowed]
        if not free:
            return -1, min(verdict.retry_ns for verdict in verdicts)
        best = min(free, key=lambda i: verdicts[i].reset_ns)
        drop(entries, best)
        return int(verdicts[best].reset_ns > 0), 0

    def _no_room(self, verdict: Verdict, opens: int) -> Verdict:
        if self._on_full == "raise":
            raise limits.full(self._max_keys)
        if self._on_full == "allow":
            return verdict
        return verdict._replace(allowed=False, remaining=0, retry_ns=max(opens, 1), reset_ns=0)

    # ---- what it is ------------------------------------------------------------------------------

    def _count(self) -> tuple[int, int]:
        self._check_open()
        if self._map is None:
            return 0, 0
        with self._alone():
            sets = [self._read(at) for at in range(self._n_sets)]
        return sum(len(entries) for entries, _ in sets), sum(evicted for _, evicted in sets)

    def __len__(self) -> int:
        return self._count()[0]

    @property
    def evicted(self) -> int:
        return self._count()[1]

    @property
    def max_keys(self) -> int:
        return self._max_keys

    @property
    def on_full(self) -> str:
        return self._on_full

    @property
    def path(self) -> str:
        return self._path

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def nbytes(self) -> int:
        return 0 if self._map is None else len(self._map)

    def __repr__(self) -> str:
        return (
            f"SharedMemory(name_or_path={self._path!r}, max_keys={self._max_keys}, "
            f"on_full={self._on_full!r})"
        )


def drop(entries: list[Entry], at: int) -> None:
    """Forget an entry; the last one takes its place."""
    last = entries.pop()
    if at < len(entries):
        entries[at] = last
