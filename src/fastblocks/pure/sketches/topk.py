"""Heavy hitters in plain Python; what is counted how, csrc/sketches/topk.c tells."""

from __future__ import annotations

import heapq
import itertools
import math
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from fastblocks._core import check, errors
from fastblocks._core.types import HeavyHitter

from .. import _keys
from .._clock import now_ns
from .._flat import Flat
from ..hashing.xxh3 import hash_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastblocks._core.types import Key, Keys

__all__ = ["HeavyHitter", "TopK"]

PARAMS = struct.Struct("<QdQQQ48s")  # k, decay or 0, seed, counters, cells, zeros
HEAD = struct.Struct("<8sQQQQ24s")  # total, counters in use, age, bytes of keys, cells, zeros
MAX_K = 2**24
COUNTERS, LEAST, CELLS = 2, 128, 8  # a key of the k; of all; cells a counter
MAX_TOTAL = 2**63 - 1
HALVINGS = 64  # half-lives after which values are brought down; less than 2**-64 is nothing
LIMIT = 2.0**500  # no sum of decaying values comes near it
MOST = 2.0**499  # that merging may make of it
STR, BYTES, INT, UINT = range(4)  # forms of a key

SIXTEENTHS = (  # 2**(i / 16)
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916,
    1.189207115002721, 1.241857812073484, 1.2968395546510096, 1.3542555469368927,
    1.4142135623730951, 1.4768261459394993, 1.5422108254079407, 1.6104903319492543,
    1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
)  # fmt: skip
SERIES = (  # ln(2)**j / j!
    1.0, 0.6931471805599453, 0.24022650695910072, 0.05550410866482158, 0.009618129107628477,
    0.0013333558146428443, 0.0001540353039338161, 1.5252733804059841e-05, 1.321548679014431e-06,
)  # fmt: skip


class Counter(NamedTuple):
    """A key that is counted: it came at most `count` and at least `count - error` times."""

    hash: int
    count: float  # type: ignore[assignment]  # hides tuple.count
    error: float

    def heat(self) -> tuple[float, float, int]:
        """What counters are ordered by, the hottest first."""
        return -self.count, self.error, self.hash


def weight_of(age: int, half_life: int) -> float:
    """2**(age / half_life), by sums and products only: the same bits on every platform."""
    x = float(age % half_life) / float(half_life) * 16.0
    whole = min(int(x), 15)
    rest = (x - float(whole)) * (1.0 / 16.0)
    total = SERIES[-1]
    for term in reversed(SERIES[:-1]):
        total = total * rest + term
    return total * SIXTEENTHS[whole] * 2.0 ** (age // half_life)


def power_of_two_from(n: int) -> int:
    return 1 << (n - 1).bit_length()


class TopK(Flat):
    """The hottest keys of a stream, with bounds of their counts; see `fastblocks.TopK`."""

    __slots__ = (
        "_age", "_cells", "_counters", "_decay", "_half_life", "_heap", "_k", "_keys", "_latest",
        "_limit", "_n_cells", "_seed", "_timer", "_total",
    )  # fmt: skip

    _KIND, _VERSION = b"TOPK", 1
    _PARAMETERS = ("k", "decay", "seed")
    _FILE_USE = "no writer"

    _keys: dict[int, str | bytes | int]  # by hash
    _counters: dict[int, Counter]  # by hash
    _cells: dict[int, float]  # those that are not zero
    _heap: list[tuple[float, float, int]] | None  # coldest first; made when it is needed

    def __init__(
        self,
        k: int,
        decay: float | None = None,
        *,
        seed: int = 0,
        timer: Callable[[], float] | None = None,
    ) -> None:
        self._begin_init()
        self._seed = check.seed64(seed)
        self._set_up(
            check.integer("k", k, 1, MAX_K), decay, 0 if decay is None else self._ns(decay)
        )
        self._decay = None if decay is None else float(decay)
        self._timer: Callable[[], float] | None = check.timer(timer)
        self._empty()
        self._latest = self._now()
        self._take(memoryview(bytearray()))

    @staticmethod
    def _ns(decay: float) -> int:
        return check.seconds_ns("decay", decay)

    def _set_up(self, k: int, decay: float | None, half_life: int) -> None:
        self._k, self._decay, self._half_life = k, decay, half_life
        self._limit = max(k * COUNTERS, LEAST)
        self._n_cells = power_of_two_from(self._limit * CELLS)

    def _empty(self) -> None:
        self._total: float = 0 if self._decay is None else 0.0
        self._age = 0
        self._keys, self._counters, self._cells, self._heap = {}, {}, {}, None

    # ---- time ---------------------------------------------------------------------------------

    def _now(self) -> int:
        return now_ns(self._timer) if self._half_life else 0

    def _advance(self, now: int) -> float:
        """Let time pass until `now`, unless it has already; return the weight of now."""
        if not self._half_life:
            return 1.0
        if now > self._latest:
            self._age = min(self._age + now - self._latest, 2**64 - 1)
            self._latest = now
        halvings = self._age // self._half_life
        if halvings >= HALVINGS:
            self._age -= halvings * self._half_life
            self._fade(2.0**-halvings if halvings < 628 else 0.0)
        return weight_of(self._age, self._half_life)

    def _fade(self, factor: float) -> None:
        def faded(value: float) -> float:
            value *= factor
            return value if value >= 2.0**-HALVINGS else 0.0

        counters = [Counter(h, faded(c), faded(e)) for h, c, e in self._counters.values()]
        self._counters = {counter.hash: counter for counter in counters if counter.count}
        self._keys = {h: self._keys[h] for h in self._counters}
        cells = {at: faded(value) for at, value in self._cells.items()}
        self._cells = {at: value for at, value in cells.items() if value}
        self._total = faded(self._total)
        self._heap = None

    def _shown(self, value: float, weight: float) -> float:
        """A stored value as of now."""
        return value / weight if self._half_life else value

    # ---- counting -----------------------------------------------------------------------------

    def _coldest(self) -> Counter:
        if self._heap is None:
            self._heap = [self._coldness(counter) for counter in self._counters.values()]
            heapq.heapify(self._heap)
        while True:  # a hit leaves the heap as it is
            counter = self._counters[-self._heap[0][2]]
            if counter.count == self._heap[0][0]:
                return counter
            heapq.heapreplace(self._heap, self._coldness(counter))

    @staticmethod
    def _coldness(counter: Counter) -> tuple[float, float, int]:
        return counter.count, -counter.error, -counter.hash

    def _cell(self, h: int) -> float:
        return self._cells.get(h % self._n_cells, 0 if self._decay is None else 0.0)

    def _raise_cell(self, counter: Counter) -> None:
        if counter.count > self._cell(counter.hash):
            self._cells[counter.hash % self._n_cells] = counter.count

    def _count(self, h: int, key: str | bytes | int, value: float) -> None:
        self._total += value
        if h in self._counters:
            counter = self._counters[h]
            self._counters[h] = counter._replace(count=counter.count + value)
            return
        cell = self._cell(h)
        counter = Counter(h, cell + value, cell)
        if len(self._counters) < self._limit:
            self._heap = None
        else:
            coldest = self._coldest()
            if counter.count <= coldest.count:
                self._cells[h % self._n_cells] = counter.count
                return
            del self._counters[coldest.hash], self._keys[coldest.hash]
            self._raise_cell(coldest)
            assert self._heap is not None
            heapq.heapreplace(self._heap, self._coldness(counter))
        self._counters[h] = counter
        self._keys[h] = key

    def _check_total(self, more: int) -> None:
        if self._decay is None and self._total + more > MAX_TOTAL:
            raise errors.total_overflow()

    def add(self, key: Key, count: int = 1) -> None:
        """Count one key, once or `count` times."""
        data = _keys.bytes_of_key(key)
        times = check.integer("count", count, 0, MAX_TOTAL)
        self._check_writable("add")
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            self._check_total(times)
            if times:
                value = times * weight if self._half_life else times
                self._count(hash_bytes(data, self._seed), _keys.plain_key(key), value)

    def add_many(self, keys: Keys, counts: Any = 1) -> None:
        """Count a batch of keys: all of them, or none if there is an error."""
        self._check_writable("add_many")
        items, batch = _keys.plain_keys(keys)
        each = check.counts(counts, len(batch), MAX_TOTAL)
        times = [each] * len(batch) if isinstance(each, int) else each.tolist()
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            self._check_total(sum(times))
            for key, data, n in zip(items, batch, times, strict=True):
                if n:
                    value = n * weight if self._half_life else n
                    self._count(hash_bytes(data, self._seed), key, value)

    # ---- looking up ---------------------------------------------------------------------------

    def _ranked(self) -> list[Counter]:
        return sorted(self._counters.values(), key=Counter.heat)

    def top(self, n: int | None = None) -> list[HeavyHitter]:
        """Return the hottest keys, hottest first."""
        n = self._k if n is None else check.integer("n", n, 1, self._k)
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            return [
                HeavyHitter(self._keys[h], self._shown(count, weight), self._shown(error, weight))
                for h, count, error in self._ranked()[:n]
            ]

    def _bound(self, data: bytes, weight: float) -> float:
        h = hash_bytes(data, self._seed)
        value = self._counters[h].count if h in self._counters else self._cell(h)
        return self._shown(value, weight)

    def estimate(self, key: Key) -> float:
        """Return an upper bound of how often `key` came."""
        data = _keys.bytes_of_key(key)
        now = self._now()
        with self._lock:
            return self._bound(data, self._advance(now))

    def estimate_many(self, keys: Keys, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return `estimate` for each key of a batch."""
        batch = _keys.bytes_of_keys(keys)
        dtype = "float64" if self._half_life else "uint64"
        if out is not None:
            check.out_array(out, len(batch), dtype)
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            values = [self._bound(data, weight) for data in batch]
        return _keys.fill_out(out, values, dtype)

    def __contains__(self, key: Key) -> bool:
        data = _keys.bytes_of_key(key)
        now = self._now()
        with self._lock:
            self._advance(now)
            h = hash_bytes(data, self._seed)
            return h in [counter.hash for counter in self._ranked()[: self._k]]

    def contains(self, key: Key) -> bool:
        """Return whether `key` is among the k hottest; the same as ``key in topk``."""
        return key in self

    def __len__(self) -> int:
        now = self._now()
        with self._lock:
            self._advance(now)
            return min(len(self._counters), self._k)

    # ---- whole summaries ----------------------------------------------------------------------

    def merge(self, *others: TopK) -> None:
        """Count all that others have counted."""
        self._check_writable("merge")
        for other in others:
            self._check_same(other, TopK)
        copies = [other.copy() for other in others]
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            if self._half_life:
                more = 0.0
                for other in copies:
                    more += other._total / weight_of(other._age, self._half_life)
                if self._total + more * weight > MOST:
                    raise errors.total_overflow(MOST)
            else:
                self._check_total(sum(int(other._total) for other in copies))
            for other in copies:
                self._absorb(other, weight)

    def _absorb(self, other: TopK, weight: float) -> None:
        factor = weight / weight_of(other._age, self._half_life) if self._half_life else 1

        def of(topk: TopK, h: int) -> Counter:
            """What a side knows of a key: its counter, or its cell."""
            cell = topk._cell(h)
            return topk._counters.get(h, Counter(h, cell, cell))

        keys = other._keys | self._keys
        sums = []
        for h in keys:
            ours, theirs = of(self, h), of(other, h)
            count = ours.count + theirs.count * factor
            sums.append(Counter(h, count, ours.error + theirs.error * factor))
        sums.sort(key=Counter.heat)
        for at, value in other._cells.items():
            self._cells[at] = self._cell(at) + value * factor
        self._counters = {counter.hash: counter for counter in sums[: self._limit]}
        self._keys = {h: keys[h] for h in self._counters}
        for counter in sums[self._limit :]:
            self._raise_cell(counter)
        self._total += other._total * factor
        self._heap = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TopK):
            return NotImplemented
        if self._differing(other) is not None:
            return False
        for each in (self, other):
            now = each._now()
            with each._lock:
                each._advance(now)
        return self._contents() == other._contents()

    __hash__ = None  # type: ignore[assignment]

    def _contents(self) -> bytes:
        """The payload without the age."""
        with self._lock:
            payload = self._gather()
        return payload[:16] + payload[24:]

    def clear(self) -> None:
        """Forget everything."""
        self._check_writable("clear")
        now = self._now()
        with self._lock:
            self._advance(now)
            self._empty()

    # ---- what it is ---------------------------------------------------------------------------

    @property
    def k(self) -> int:
        """How many keys are to be told apart."""
        return self._k

    @property
    def decay(self) -> float | None:
        """Seconds in which every count halves, or None."""
        return self._decay

    @property
    def seed(self) -> int:
        """The seed of the hash."""
        return self._seed

    @property
    def timer(self) -> Callable[[], float] | None:
        """The clock that was given, or None."""
        return self._timer

    @property
    def total(self) -> float:
        """The sum of all counts."""
        now = self._now()
        with self._lock:
            weight = self._advance(now)
            return self._shown(self._total, weight)

    def error_bound(self) -> float:
        """Return the largest possible error now."""
        total = self.total
        return total // self._limit if isinstance(total, int) else total / self._limit

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes (here: that the native one takes), keys included."""
        m = self._limit
        arrays = 24 * m, 8 * self._n_cells, 16 * power_of_two_from(m), 16 * m, 8 * m, 4 * m
        with self._lock:
            keys = sum(8 + sys.getsizeof(key) for key in self._keys.values())
        return sum(-(-size // 64) * 64 for size in arrays) + keys

    # ---- state --------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return an equal object of its own, in memory, with the same timer."""
        now = self._now()
        with self._lock:
            self._advance(now)
            result = super().copy()
        result._timer = self._timer
        result._latest = result._now()
        return result

    def to_bytes(self) -> bytes:
        """Return the object as bytes: parameters, data and checksums, not the timer."""
        now = self._now()
        with self._lock:
            self._advance(now)
            return super().to_bytes()

    def _params(self) -> bytes:
        decay = self._decay or 0.0
        return PARAMS.pack(self._k, decay, self._seed, self._limit, self._n_cells, b"")

    def _adopt(self, params: bytes, size: int) -> bool:
        k, decay, self._seed, limit, n_cells, unused = PARAMS.unpack(params)
        if not (1 <= k <= MAX_K and 0.0 <= decay < check.MAX_SECONDS) or params[15] >> 7:
            return False
        self._set_up(k, decay or None, self._ns(decay) if decay else 0)
        return (limit, n_cells) == (self._limit, self._n_cells) and not any(unused)

    @property
    def _words(self) -> str:
        """How `struct` writes values."""
        return "Q" if self._decay is None else "d"

    def _gather(self) -> bytes:
        ranked = self._ranked()
        forms, data = [], []
        for counter in ranked:
            key = self._keys[counter.hash]
            data.append(_keys.bytes_of_key(key))
            forms.append(len(data[-1]) << 8 | form_of(key))
        text = b"".join(data)
        cells = [0] * self._n_cells if self._cells else []
        for at, value in self._cells.items():
            cells[at] = value  # type: ignore[call-overload]
        words = self._words
        total = struct.pack(f"<{words}", self._total)
        parts = [HEAD.pack(total, len(ranked), self._age, len(text), len(cells), b"")]
        parts.append(struct.pack(f"<{len(cells)}{words}", *cells))
        parts += [struct.pack(f"<Q2{words}", *counter) for counter in ranked]
        parts.append(struct.pack(f"<{len(forms)}Q", *forms))
        return b"".join([*parts, text, bytes(-len(text) % 8)])

    def _admit(self) -> bool:
        payload = self._payload.tobytes()
        # The data are in memory of our own now; who was opened to be read stays so.
        self._payload = memoryview(b"" if self._payload.readonly else bytearray())
        self._mapping = None
        self._timer = None
        self._latest = self._now()
        self._empty()
        try:
            return self._read(payload)
        except struct.error:
            return False

    def _read(self, payload: bytes) -> bool:
        word, n, age, n_text, n_cells, unused = HEAD.unpack_from(payload)
        text_at: int = HEAD.size + 8 * n_cells + 32 * n
        padding = -n_text % 8
        if (
            any(unused)
            or n > self._limit
            or n_cells not in (0, self._n_cells)
            or len(payload) != text_at + n_text + padding
            or any(payload[text_at + n_text :])
            or age >= (HALVINGS * self._half_life or 1)
        ):
            return False
        words = self._words
        (self._total,) = struct.unpack(f"<{words}", word)
        limit = self._total if self._decay is None else LIMIT
        cells = struct.unpack_from(f"<{n_cells}{words}", payload, HEAD.size)
        counters_at = HEAD.size + 8 * n_cells
        table = struct.iter_unpack(f"<Q2{words}", payload[counters_at : counters_at + 24 * n])
        counters = [Counter(*fields) for fields in table]
        forms = struct.unpack_from(f"<{n}Q", payload, counters_at + 24 * n)
        values = [self._total, *cells, *(value for c in counters for value in c[1:])]
        if (
            (n_cells and not any(cells))
            or not all(value <= limit and math.copysign(1.0, value) > 0 for value in values)
            or limit > (MAX_TOTAL if self._decay is None else LIMIT)
            or not all(c.count > 0 and c.error <= c.count for c in counters)
            or any(a.heat() >= b.heat() for a, b in itertools.pairwise(counters))
        ):
            return False
        self._age = age
        self._cells = {at: value for at, value in enumerate(cells) if value}
        end = text_at + n_text
        for counter, form in zip(counters, forms, strict=True):
            data = payload[text_at : min(text_at + (form >> 8), end)]
            text_at += form >> 8
            key = key_of(data, form & 0xFF)
            if (
                text_at > end
                or key is None
                or counter.hash in self._counters
                or hash_bytes(data, self._seed) != counter.hash
            ):
                return False
            self._counters[counter.hash] = counter
            self._keys[counter.hash] = key
        return bool(text_at == end)


def form_of(key: str | bytes | int) -> int:
    """How a key is to be read back from its bytes."""
    if isinstance(key, str):
        return STR
    if isinstance(key, bytes):
        return BYTES
    return INT if key < 2**63 else UINT


def key_of(data: bytes, form: int) -> str | bytes | int | None:
    """The key of some bytes, or None if they have not that form."""
    if form == STR:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    if form == BYTES:
        return data
    if form in (INT, UINT) and len(data) == 8:
        key = int.from_bytes(data, "little", signed=form == INT)
        return key if form == INT or key >= 2**63 else None
    return None
