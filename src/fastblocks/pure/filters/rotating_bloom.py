"""Rotating Bloom filter in plain Python: the layout that csrc/filters/rotating_bloom.c tells."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from fastblocks._core import check

from .. import _clock, _keys
from .._flat import Flat
from ._split_block import MAX_BLOCKS, MIN_FP_RATE, shape_for
from .bloom import BloomFilter

if TYPE_CHECKING:
    import mmap

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer, Self

    from fastblocks._core.files import PathLike
    from fastblocks._core.types import Key, Keys

__all__ = ["RotatingBloomFilter"]

# capacity, fp_rate, seed, n_blocks, lanes, window in ns, generations, zeros
PARAMS = struct.Struct("<QdQQQQQ32s")
HEAD = struct.Struct("<QQQq32s")  # rotations, form, phase, origin, zeros
SEALED, LIVE = 0, 1
ROTATIONS, FORM, PHASE, ORIGIN = range(4)
HEAD_BYTES = HEAD.size
MAX_GENERATIONS = 16
MAX_WINDOW = 9 * 10**18  # ns
MAX_NS, MIN_NS = 2**63 - 1, -(2**63)


class RotatingBloomFilter(Flat):
    """Which keys were seen in the last seconds; see `fastblocks.RotatingBloomFilter`."""

    __slots__ = (
        "_begun", "_blocks", "_capacity", "_fp_rate", "_generations", "_head", "_lanes", "_origins",
        "_seed", "_slots", "_timer", "_window",
    )  # fmt: skip

    _KIND, _VERSION = b"ROTB", 1
    _PARAMETERS = ("capacity", "fp_rate", "window", "generations", "seed")

    def __init__(
        self,
        capacity: int,
        fp_rate: float,
        window: float,
        generations: int = 2,
        *,
        seed: int = 0,
        timer: Callable[[], float] | None = None,
    ) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        self._generations = check.integer("generations", generations, 2, MAX_GENERATIONS)
        self._fp_rate = check.real("fp_rate", fp_rate, MIN_FP_RATE * self._generations, 1.0)
        self._window = check.seconds_ns("window", window)
        timer = check.timer(timer)
        self._blocks, self._lanes = shape_for(self._capacity, self._fp_rate / self._generations)
        size = HEAD_BYTES + self._generations * self._blocks * self._lanes * 4
        now = _clock.now_ns(timer)
        self._take(memoryview(bytearray(size)))
        self._begin(timer, now)

    # ---- state --------------------------------------------------------------------------------

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        super()._take(payload, mapping)
        self._head = payload[:HEAD_BYTES].cast("Q")
        self._origins = payload[:HEAD_BYTES].cast("q")  # the same words
        size = self._blocks * self._lanes * 4
        starts = range(HEAD_BYTES, HEAD_BYTES + self._generations * size, size)
        self._slots = [self._bloom(payload[start : start + size]) for start in starts]

    def _bloom(self, payload: memoryview) -> BloomFilter:
        """A generation: a Bloom filter over its part of the payload."""
        result = object.__new__(BloomFilter)
        result._capacity, result._fp_rate = self._capacity, self._fp_rate / self._generations
        result._seed, result._blocks, result._lanes = self._seed, self._blocks, self._lanes
        result._take(payload)
        return result

    def _begin(self, timer: Callable[[], float] | None, now: int) -> None:
        """Set the time going: what was sealed is as old `now` as it was then."""
        self._timer = timer
        if self._head[FORM] == LIVE:
            back = self._head[ROTATIONS] * self._period
            if self._payload.readonly or self._elapsed(now) >= back:
                return
            # The clock that it went by has started anew, with the machine.
        else:
            back = self._head[PHASE]
        self._begun = max(now - back, MIN_NS)
        if not self._payload.readonly:
            self._origins[ORIGIN] = self._begun
            self._head[FORM] = LIVE

    def _params(self) -> bytes:
        shape = self._blocks, self._lanes
        times = self._window, self._generations
        return PARAMS.pack(self._capacity, self._fp_rate, self._seed, *shape, *times, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        self._capacity, self._fp_rate, self._seed, *rest = PARAMS.unpack(params)
        self._blocks, self._lanes, self._window, self._generations, unused = rest
        return (
            1 <= self._capacity < 2**63
            and 2 <= self._generations <= MAX_GENERATIONS
            and MIN_FP_RATE * self._generations <= self._fp_rate < 1.0
            and 1 <= self._window <= MAX_WINDOW
            and 1 <= self._blocks <= MAX_BLOCKS
            and self._lanes in (4, 8, 16)
            and size == HEAD_BYTES + self._generations * self._blocks * self._lanes * 4
            and not any(unused)
        )

    def _admit(self) -> bool:
        rotations, form, phase, _, unused = HEAD.unpack(self._payload[:HEAD_BYTES])
        return (
            rotations * self._period <= MAX_NS
            and form in (SEALED, LIVE)
            and phase < self._period
            and not any(unused)
        )

    def _gather(self) -> bytes:
        """Sealed: the current generation in slot 0, the one before it in the last slot, ..."""
        now = _clock.now_ns(self._timer)
        order = [0, *range(self._generations - 1, 0, -1)]
        live = self._live(now)
        empty = bytes(self._slots[0].nbytes)
        parts = [live[back]._payload.tobytes() if back in live else empty for back in order]
        return HEAD.pack(0, SEALED, self._phase(now), 0, b"") + b"".join(parts)

    def copy(self) -> Self:
        """Return an equal object of its own, in memory, on the same timer."""
        result = super().copy()
        result._begin(self._timer, _clock.now_ns(self._timer))
        return result

    @classmethod
    def from_bytes(cls, data: Buffer, *, timer: Callable[[], float] | None = None) -> Self:
        """Make a filter from what `to_bytes` gave; time goes on from where it stood then."""
        check.timer(timer)
        result = super().from_bytes(data)
        result._begin(timer, _clock.now_ns(timer))
        return result

    @classmethod
    def open(
        cls,
        path: PathLike,
        mode: Literal["r", "r+"] = "r",
        *,
        verify: bool = True,
        timer: Callable[[], float] | None = None,
    ) -> Self:
        """Map a saved filter into memory; see the native class."""
        check.timer(timer)
        result = super().open(path, mode, verify=verify)
        result._begin(timer, _clock.now_ns(timer))
        return result

    # ---- time ---------------------------------------------------------------------------------

    @property
    def _period(self) -> int:
        """Nanoseconds for which a generation takes keys: rounded up, never to forget early."""
        return -(-self._window // (self._generations - 1))

    def _elapsed(self, now: int) -> int:
        """Nanoseconds since generation 0 began; a clock that has gone back counts as none."""
        origin = self._origins[ORIGIN] if self._head[FORM] == LIVE else self._begun
        return min(max(now - origin, 0), MAX_NS)

    def _current(self, now: int) -> int:
        """The number of the generation that takes keys at `now`: it never goes back."""
        return max(self._head[ROTATIONS], self._elapsed(now) // self._period)

    def _phase(self, now: int) -> int:
        """Nanoseconds since that generation began."""
        return max(self._elapsed(now) - self._current(now) * self._period, 0)

    def _live(self, now: int) -> dict[int, BloomFilter]:
        """The generations that are not over at `now`, by how far they lie back of the current."""
        newest = self._head[ROTATIONS]
        late = self._current(now) - newest  # rotations that no writer has made yet
        return {
            back: self._slots[(newest - (back - late)) % self._generations]
            for back in range(late, self._generations)
        }

    def _rotate(self, now: int) -> None:
        """Clear what is over at `now`, to make place for the generations since."""
        newest, due = self._head[ROTATIONS], self._current(now)
        for number in range(max(newest, due - self._generations) + 1, due + 1):
            self._slots[number % self._generations].clear()
        self._head[ROTATIONS] = due

    # ---- keys ---------------------------------------------------------------------------------

    def _add(self, data: bytes) -> bool:
        """Add a key to the current generation; whether none held it."""
        new = not any(bloom._holds(data) for bloom in self._slots)
        current = self._slots[self._head[ROTATIONS] % self._generations]
        for i, bit in current._lane_bits(data):
            current._bits[i] |= bit
        return new

    def add(self, key: Key) -> bool:
        """Add a key, and return whether it is new: not among those remembered."""
        data = _keys.bytes_of_key(key)
        now = _clock.now_ns(self._timer)
        self._check_writable("add")
        with self._lock:
            self._rotate(now)
            return self._add(data)

    def __contains__(self, key: Key) -> bool:
        data = _keys.bytes_of_key(key)
        now = _clock.now_ns(self._timer)
        return any(bloom._holds(data) for bloom in self._live(now).values())

    def contains(self, key: Key) -> bool:
        """Return whether `key` may have been added lately; the same as ``key in filter``."""
        return key in self

    def add_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Add a batch of keys in order, and return for each whether it is new."""
        self._check_writable("add_many")
        batch = _keys.bytes_of_keys(keys)
        now = _clock.now_ns(self._timer)
        result = _keys.fill_out(out, [False] * len(batch), "bool")
        with self._lock:
            self._rotate(now)
            result[:] = [self._add(data) for data in batch]
        return result

    def contains_many(self, keys: Keys, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return, for each key of a batch, whether it may have been added lately."""
        batch = _keys.bytes_of_keys(keys)
        live = self._live(_clock.now_ns(self._timer)).values()
        answers = [any(bloom._holds(data) for bloom in live) for data in batch]
        return _keys.fill_out(out, answers, "bool")

    def update(self, *others: RotatingBloomFilter | Keys) -> None:
        """Add every key of each of `others`."""
        self._check_writable("update")
        for other in others:
            if isinstance(other, RotatingBloomFilter):
                self.merge(other)
                continue
            batch = _keys.bytes_of_keys(other)
            now = _clock.now_ns(self._timer)
            with self._lock:
                self._rotate(now)
                for data in batch:
                    self._add(data)

    # ---- whole filters ------------------------------------------------------------------------

    def merge(self, *others: RotatingBloomFilter) -> None:
        """Add all keys of other filters, each as long ago as it was added there, about."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, RotatingBloomFilter)
        # Ours is read last, and once for filters on one timer.
        clocks = [None if o._timer is self._timer else _clock.now_ns(o._timer) for o in others]
        now = _clock.now_ns(self._timer)
        with self._lock:
            self._rotate(now)
            for other, clock in zip(others, clocks, strict=True):
                if other is not self:
                    self._unite(other, now, now if clock is None else clock)

    def _unite(self, other: RotatingBloomFilter, now: int, clock: int) -> None:
        # Generations that began later than ours would be forgotten too early beside ours.
        shift = 1 if self._phase(now) > other._phase(clock) else 0
        into = self._live(now)
        for back, bloom in other._live(clock).items():
            into[max(back - shift, 0)].merge(bloom)

    def __or__(self, other: RotatingBloomFilter) -> Self:
        if not isinstance(other, RotatingBloomFilter):
            return NotImplemented
        self._check_same(other, RotatingBloomFilter)
        result = self.copy()
        result |= other
        return result

    def __ior__(self, other: RotatingBloomFilter) -> Self:
        if not isinstance(other, RotatingBloomFilter):
            return NotImplemented
        self.merge(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RotatingBloomFilter):
            return NotImplemented
        if self._differing(other) is not None:
            return False
        now = _clock.now_ns(self._timer)
        clock = now if other._timer is self._timer else _clock.now_ns(other._timer)
        ours, theirs = self._live(now), other._live(clock)
        nothing = self._bloom(memoryview(bytes(self._slots[0].nbytes)))
        return all(
            ours.get(back, nothing)._bits == theirs.get(back, nothing)._bits
            for back in range(self._generations)
        )

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return any(self._live(_clock.now_ns(self._timer)).values())

    def clear(self) -> None:
        """Forget all keys."""
        self._check_writable("clear")
        with self._lock:
            for bloom in self._slots:
                bloom.clear()

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """The most distinct keys in any `window` seconds that the filter was sized for."""
        return self._capacity

    @property
    def fp_rate(self) -> float:
        """The false-positive rate it was sized for."""
        return self._fp_rate

    @property
    def window(self) -> float:
        """Seconds for which a key is remembered at least, in whole nanoseconds."""
        return self._window / 10**9

    @property
    def generations(self) -> int:
        """How many Bloom filters take turns."""
        return self._generations

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def timer(self) -> Callable[[], float] | None:
        """The function that tells the time in seconds; None for `time.monotonic`'s clock."""
        return self._timer

    @property
    def fill_ratio(self) -> float:
        """The share of bits that are set in the generations that are remembered, in [0, 1]."""
        live = self._live(_clock.now_ns(self._timer)).values()
        ones = sum(lane.bit_count() for bloom in live for lane in bloom._bits)
        return ones / (8 * (self.nbytes - HEAD_BYTES))

    def approx_len(self) -> int:
        """Estimate how many distinct keys are remembered, from the bits of all generations."""
        live = self._live(_clock.now_ns(self._timer)).values()
        union = self._bloom(memoryview(bytearray(self._slots[0].nbytes)))
        union.merge(*live)
        return union.approx_len()

    def expected_fp_rate(self) -> float:
        """Return the false-positive rate to expect now."""
        total = 0.0
        for bloom in self._live(_clock.now_ns(self._timer)).values():
            rate = bloom.expected_fp_rate()
            total += rate - total * rate
        return total
