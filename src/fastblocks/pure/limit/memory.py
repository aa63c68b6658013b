"""Limits in this process's memory, in plain Python; choices as csrc/limit/memory.h tells."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from fastblocks._core import check, limits
from fastblocks._core.rates import (
    BUCKET,
    COUNTER,
    FIXED,
    LOG,
    MAX_CLOSED,
    MAX_NS,
    MAX_RULES,
    MAX_TIME,
    Rule,
    checked_rules,
)

from .. import _keys
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes
from .strategies import Verdict, judge

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator, Sequence

    from fastblocks._core.types import Key

    from .strategies import State

__all__ = ["Memory"]

TIDY = 2  # keys that are looked at whenever one is new
SAMPLE = 16  # keys of which the one that is whole soonest is evicted
PARAMS = struct.Struct("<3Q64s")  # max_keys, on_full, seed, zeros


class Entry:
    """A key, by its hash, and its states, one for each rule."""

    __slots__ = ("hash", "states")

    def __init__(self, hash: int, states: Sequence[State]) -> None:
        self.hash = hash
        self.states = states


class Memory(Flat):
    """Storage in memory; see `fastblocks.limit.Memory`."""

    __slots__ = (
        "_at",
        "_bound",
        "_closed_from",
        "_closed_until",
        "_entries",
        "_evicted",
        "_hand",
        "_max_keys",
        "_on_full",
        "_seed",
    )

    _KIND, _VERSION = b"LMEM", 1
    _PARAMETERS = ("max_keys", "on_full")
    _FILE_USE = "no writer"

    def __init__(
        self, max_keys: int = 1_000_000, *, on_full: str = "deny", seed: int | None = None
    ) -> None:
        self._begin_init()
        self._max_keys = check.integer("max_keys", max_keys, 1, 2**31)
        self._on_full = check.choice("on_full", on_full, limits.ON_FULL)
        self._seed = check.seed_of(seed)
        self._take(memoryview(bytearray()))

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._bound: tuple[int, tuple[Rule, ...]] | None = None
        self._entries: list[Entry] = []
        self._at: dict[int, int] = {}
        self._hand = 0
        self._closed_from = self._closed_until = 0  # when no key could be evicted
        self._evicted = 0

    @property
    def max_keys(self) -> int:
        return self._max_keys

    @property
    def on_full(self) -> str:
        return self._on_full

    @property
    def evicted(self) -> int:
        return self._evicted

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def nbytes(self) -> int:
        return len(self._gather())

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Memory):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def bound_rules(self) -> tuple[Rule, ...]:
        return () if self._bound is None else self._bound[1]

    def bind(self, kind: int, rules: Sequence[Rule]) -> None:
        """Make it the storage of limiters of this kind and rules, or raise if it is another's."""
        rules = checked_rules(kind, rules)
        if not hasattr(self, "_payload"):
            raise limits.not_made(self)
        self._check_writable("bind")
        with self._lock:
            if self._bound is None:
                self._bound = kind, rules
            limits.check_binding(self._bound, kind, rules)

    def token(self, key: Key) -> int:
        """What a key is known by here: its hash."""
        return hash_bytes(_keys.bytes_of_key(key), self._seed)

    def decide(self, h: int, now: int, cost: int, spend: bool) -> Verdict:
        """What the rules say to a call of a key, which counts if they allow it and `spend`."""
        self._check_writable("decide")
        if self._bound is None:
            raise RuntimeError("storage is not in use by a limiter yet")
        now, cost = limits.time_of(now), limits.cost_of(cost)
        with self._lock:
            at = self._at.get(h)
            states = None if at is None else self._entries[at].states
            verdict, states = self._judge(states, now, cost, spend)
            if at is not None:
                self._entries[at].states = states or ()
            elif verdict.allowed and spend:
                if not self._make_room(now):
                    return self._no_room(self._judge(None, now, cost, False)[0], now)
                self._at[h] = len(self._entries)
                self._entries.append(Entry(h, states or ()))
            return verdict

    def forget(self, h: int) -> None:
        """Make a key's quota whole again."""
        self._check_writable("forget")
        with self._lock:
            at = self._at.get(h)
            if at is not None:
                self._drop(at)
                self._closed_until = self._closed_from

    # ---- room --------------------------------------------------------------------------------

    def _judge(
        self, states: Sequence[State] | None, now: int, cost: int, spend: bool
    ) -> tuple[Verdict, Sequence[State] | None]:
        assert self._bound is not None
        kind, rules = self._bound
        return judge(kind, rules, states, now, cost, spend)

    def _drop(self, at: int) -> None:
        """Forget an entry; the last one takes its place."""
        entry, last = self._entries[at], self._entries.pop()
        del self._at[entry.hash]
        if last is not entry:
            self._entries[at] = last
            self._at[last.hash] = at

    def _step(self) -> int:
        """The entry at the hand, which moves on."""
        if self._hand >= len(self._entries):
            self._hand = 0
        self._hand += 1
        return self._hand - 1

    def _make_room(self, now: int) -> bool:
        """Forget a few keys whose quota is whole; if need be one that is not limited."""
        for _ in range(min(TIDY, len(self._entries))):
            at = self._step()
            if self._judge(self._entries[at].states, now, 1, False)[0].reset_ns == 0:
                self._drop(at)
                self._hand = at
        if len(self._entries) < self._max_keys:
            return True
        if self._closed_from <= now < self._closed_until:
            return False
        best, soonest, opens = -1, 0, 0
        for seen in range(len(self._entries)):
            if best >= 0 and seen >= SAMPLE:
                break
            at = self._step()
            verdict = self._judge(self._entries[at].states, now, 1, False)[0]
            if not verdict.allowed:
                opens = verdict.retry_ns if seen == 0 else min(opens, verdict.retry_ns)
            elif best < 0 or verdict.reset_ns < soonest:
                best, soonest = at, verdict.reset_ns
        if best < 0:
            self._closed_from, self._closed_until = now, now + min(opens, MAX_CLOSED)
            return False
        self._evicted += soonest > 0
        self._drop(best)
        return True

    def _no_room(self, verdict: Verdict, now: int) -> Verdict:
        if self._on_full == "raise":
            raise limits.full(self._max_keys)
        if self._on_full == "allow":
            return verdict
        return verdict._replace(
            allowed=False, remaining=0, retry_ns=max(self._closed_until - now, 1), reset_ns=0
        )

    # ---- state ------------------------------------------------------------------------------

    def _params(self) -> bytes:
        return PARAMS.pack(self._max_keys, limits.ON_FULL.index(self._on_full), self._seed, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._max_keys, on_full, self._seed, rest = PARAMS.unpack(params)
        if not 1 <= self._max_keys <= 2**31 or on_full >= len(limits.ON_FULL) or any(rest):
            return False
        self._on_full = limits.ON_FULL[on_full]
        return True

    def _gather(self) -> bytes:
        if self._bound is None:
            return bytes(16)
        kind, rules = self._bound
        hand = self._hand if self._hand < len(self._entries) else 0
        words = [len(rules), kind, *(word for rule in rules for word in rule)]
        words += len(self._entries), hand, self._closed_from, self._closed_until, self._evicted
        for entry in self._entries:
            words.append(entry.hash)
            for state in entry.states:
                words += _words_of(kind, state or ())
        return b"".join((word % 2**64).to_bytes(8, "little") for word in words)

    def _admit(self) -> bool:
        if len(self._payload) % 8:
            return False
        words = iter(struct.unpack(f"<{len(self._payload) // 8}Q", self._payload))
        self._payload = memoryview(b"" if self._payload.readonly else bytearray())
        self._mapping = None
        try:
            return self._load(words) and next(words, None) is None
        except (StopIteration, ValueError):
            return False

    def _load(self, words: Iterator[int]) -> bool:
        """Take over what `_gather` gave; StopIteration if it is too little."""
        n_rules, kind = next(words), next(words)
        if n_rules == 0:
            return kind == 0
        if n_rules > MAX_RULES or kind not in (FIXED, COUNTER, BUCKET, LOG):
            return False
        given = [(next(words), next(words), next(words)) for _ in range(n_rules)]
        rules = checked_rules(kind, given)
        self._bound = kind, rules
        n, self._hand = next(words), next(words)
        self._closed_from, self._closed_until = _signed(next(words)), _signed(next(words))
        self._evicted = next(words)
        if n > self._max_keys or self._hand > n:
            return False
        if abs(self._closed_from) > MAX_TIME:
            return False
        if not 0 <= self._closed_until - self._closed_from <= MAX_CLOSED:
            return False
        for at in range(n):
            h = next(words)
            states = [_state_of(kind, rule, words) for rule in rules]
            if h in self._at or None in states:
                return False
            self._at[h] = at
            self._entries.append(Entry(h, states))
        return True


def _signed(word: int) -> int:
    return word - (word >> 63 << 64)


def _words_of(kind: int, state: tuple[int, ...]) -> list[int]:
    """A state as it is serialised."""
    if kind == FIXED:
        return [state[0], state[1] << 32]
    if kind == COUNTER:
        return [state[0], state[1] | state[2] << 32]
    return [len(state), *state] if kind == LOG else list(state)


def _state_of(kind: int, rule: Rule, words: Iterator[int]) -> State:
    """The next state; None if it makes no sense."""
    if kind == LOG:
        used = next(words)
        stamps = [_signed(next(words)) for _ in range(used if used <= rule.limit else 0)]
        if not stamps or sorted(stamps) != stamps:
            return None
        return tuple(stamps) if stamps[0] >= -MAX_TIME and stamps[-1] <= MAX_TIME else None
    first, second = _signed(next(words)), next(words)
    if kind == BUCKET:
        sound = -MAX_TIME <= first <= MAX_TIME + MAX_NS and second < rule.count
        return (first, second) if sound else None
    before, used = second % 2**32, second >> 32
    if abs(first) > MAX_TIME // rule.period_ns + 1:
        return None
    if not 1 <= used <= rule.limit or before > (rule.limit if kind == COUNTER else 0):
        return None
    return (first, used) if kind == FIXED else (first, before, used)
