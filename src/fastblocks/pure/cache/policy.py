"""Which entry of a cache has to go: the policies, in plain Python; as csrc/cache/policy.h tells.

A policy knows no keys and no values, only hashes and weights. A request is one call: `hit` if the
entry is there, `enter` if it is new. Then `victim` is asked until it says None. The entry that was
entered or reweighed last is never the victim, so that what was just set can be read.

Every policy moves entries between queues, and chooses among the oldest of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

from ..sketches.frequency import FrequencySketch

__all__ = ["POLICIES", "Entry", "Lru", "Policy", "S3Fifo", "Sieve", "WTinyLfu"]

M64 = 2**64 - 1


class Entry:
    """What a policy knows of an entry."""

    __slots__ = ("count", "hash", "queue", "weight")

    def __init__(self, hash: int, weight: int) -> None:
        self.hash = hash
        self.weight = weight
        self.count = 0  # of hits, as far as the policy counts them
        self.queue: Queue | None = None  # that it is in; None if the policy has it no more


E = TypeVar("E", bound=Entry)


class Queue:
    """Entries, the oldest first, and the sum of their weights."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Entry, None] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self.entries)

    def oldest(self) -> Entry:
        return next(iter(self.entries))

    def push(self, entry: Entry) -> None:
        """Put an entry that is in no queue at the newest end."""
        self.entries[entry] = None
        self.weight += entry.weight
        entry.queue = self

    def take(self, entry: Entry) -> None:
        del self.entries[entry]
        self.weight -= entry.weight
        entry.queue = None

    def pull(self, entry: Entry) -> None:
        """Move an entry from the queue that it is in to the newest end of this one."""
        assert entry.queue is not None
        entry.queue.take(entry)
        self.push(entry)


class Policy(Generic[E]):
    """What all policies have in common: their queues, their sums, the latest entry."""

    queues: tuple[Queue, ...]  # what they hold, in order, is the order of `__iter__`

    def __init__(self, maxsize: int, seed: int = 0) -> None:
        self.seed = seed
        self.latest: Entry | None = None  # not to be the victim
        self.set_maxsize(maxsize)
        self.clear()

    def set_maxsize(self, maxsize: int) -> None:
        self.maxsize = maxsize

    def clear(self) -> None:
        """Forget all entries, and all that was learnt."""
        raise NotImplementedError

    def enter(self, entry: E) -> None:
        """Take in a new entry, which weighs `maxsize` at most: a request."""
        self.latest = entry
        self.admit(entry)

    def admit(self, entry: Entry) -> None:
        raise NotImplementedError

    def hit(self, entry: Entry) -> None:
        """A request for an entry that is there."""
        raise NotImplementedError

    def choose(self) -> Entry:
        """The entry that has to go, not the latest; it is not removed yet. There is one."""
        raise NotImplementedError

    def remember(self, entry: Entry) -> None:
        """Keep in mind that an entry is being evicted."""

    def leave(self, entry: Entry) -> None:
        """Remove an entry that is there."""
        assert entry.queue is not None
        entry.queue.take(entry)
        if entry is self.latest:
            self.latest = None

    def reweigh(self, entry: Entry, weight: int) -> None:
        """Change the weight of an entry, to `maxsize` at most."""
        assert entry.queue is not None
        entry.queue.weight += weight - entry.weight
        entry.weight = weight
        self.latest = entry

    def resize(self, maxsize: int) -> None:
        self.latest = None
        self.set_maxsize(maxsize)

    def victim(self) -> E | None:
        """Remove the entry that has to go, and return it; None if all fit."""
        if self.weight <= self.maxsize:
            return None
        entry = self.choose()
        self.remember(entry)
        self.leave(entry)
        return entry  # type: ignore[return-value]  # only such entries come in

    def next_victim(self) -> E | None:
        """The entry that would have to go if there were no room; None if there is none at all."""
        self.latest = None
        return self.choose() if len(self) else None  # type: ignore[return-value]

    @property
    def weight(self) -> int:
        """The sum of all weights."""
        return sum(queue.weight for queue in self.queues)

    def __len__(self) -> int:
        return sum(map(len, self.queues))

    def __iter__(self) -> Iterator[E]:
        """All entries, about in the order in which they would have to go."""
        return chain(*(queue.entries for queue in self.queues))  # type: ignore[arg-type]


class Lru(Policy[E]):
    """The entry that was requested longest ago."""

    def clear(self) -> None:
        self.queue = Queue()
        self.queues = (self.queue,)

    def admit(self, entry: Entry) -> None:
        self.queue.push(entry)

    def hit(self, entry: Entry) -> None:
        self.queue.pull(entry)

    def choose(self) -> Entry:
        return self.queue.oldest()  # the latest is the newest


class Sieve(Policy[E]):
    """SIEVE: a hand goes from old to new, over and over; who was requested stays for a round.

    The queue in the order of entering is `behind`, then `ahead`: the hand stands at the oldest
    entry of `ahead`, which is not empty unless both are. What is requested (`count` 1) or is the
    latest is passed over, and its `count` set to 0; what is not goes. The hand stays where it is
    from one victim to the next. After the newest entry comes the oldest.

    Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU: an efficient turn-key
    eviction algorithm for web caches", NSDI 2024.
    """

    def clear(self) -> None:
        self.ahead, self.behind = Queue(), Queue()
        self.queues = self.ahead, self.behind

    def turn(self) -> None:
        """Begin a new round if the hand has passed the newest entry."""
        if not self.ahead:
            self.ahead, self.behind = self.behind, self.ahead
            self.queues = self.ahead, self.behind

    def admit(self, entry: Entry) -> None:
        self.ahead.push(entry)

    def hit(self, entry: Entry) -> None:
        entry.count = 1

    def leave(self, entry: Entry) -> None:
        super().leave(entry)
        self.turn()

    def choose(self) -> Entry:
        while (entry := self.ahead.oldest()).count or entry is self.latest:
            entry.count = 0
            self.behind.pull(entry)
            self.turn()
        return entry


class S3Fifo(Policy[E]):
    """S3-FIFO: a small queue for new entries, a main one for those that prove themselves.

    New entries go to `small`; to `main`, if `ghost` has their hash (which it then forgets). `count`
    is the number of hits since an entry entered or was moved, 3 at most. While there is no room:

    * if `small` weighs more than a tenth of maxsize (1 at least), or `main` has nothing to give,
      the oldest of `small` goes, and its hash to `ghost`; but if its `count` is above 1, it moves
      to `main` instead, `count` 0;
    * else the oldest of `main` goes; but if its `count` is above 0, it becomes the newest of
      `main`, `count` less 1.

    The latest entry does not go: neither queue has anything to give if it is all that is in it,
    and where it is the oldest it becomes the newest, `count` as it was. `ghost` keeps the hashes
    that came last: at most as many as nine tenths of the entries, rounded up, that there are when
    one comes (the one that goes is still counted).

    Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
    """

    MAX_COUNT = 3

    def set_maxsize(self, maxsize: int) -> None:
        super().set_maxsize(maxsize)
        self.share = max(maxsize // 10, 1)  # of `small`

    def clear(self) -> None:
        self.small, self.main = Queue(), Queue()
        self.queues = self.small, self.main
        self.ghost: OrderedDict[int, None] = OrderedDict()

    def admit(self, entry: Entry) -> None:
        known = entry.hash in self.ghost
        if known:
            del self.ghost[entry.hash]
        (self.main if known else self.small).push(entry)

    def hit(self, entry: Entry) -> None:
        entry.count = min(entry.count + 1, self.MAX_COUNT)

    def gives(self, queue: Queue) -> bool:
        """Whether a queue holds anything but the latest entry."""
        latest = self.latest
        return len(queue) > (latest is not None and latest.queue is queue)

    def choose(self) -> Entry:
        while True:
            small = self.small.weight > self.share and self.gives(self.small)
            queue = self.small if small or not self.gives(self.main) else self.main
            entry = queue.oldest()
            if entry is self.latest:
                queue.pull(entry)
            elif queue is self.small and entry.count > 1:
                entry.count = 0
                self.main.pull(entry)
            elif queue is self.main and entry.count > 0:
                entry.count -= 1
                self.main.pull(entry)
            else:
                return entry

    def remember(self, entry: Entry) -> None:
        if entry.queue is self.small:
            self.ghost.pop(entry.hash, None)
            self.ghost[entry.hash] = None
            while len(self.ghost) > len(self) - len(self) // 10:
                self.ghost.popitem(last=False)


class WTinyLfu(Policy[E]):
    """W-TinyLFU with a window of a fixed share: a small LRU in front of a main one, where only
    entries that are requested more often than who would have to go get in.

    `window` may weigh a hundredth of maxsize (1 at least); `protected` four fifths of the rest.
    What is pushed out of `window` goes to `probation` while there is room; a hit there moves an
    entry to `protected`, whose oldest go back to `probation`. When there is no room, the oldest of
    `window` (the candidate) and the oldest of `probation` (or else of `protected`) are compared by
    the sketch: the candidate moves to `probation` and the other goes if the candidate is requested
    more often, or rather often and by a chance of 1 in 128 (so that nobody who knows which hashes
    collide can keep others out); else the candidate goes.

    Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", ACM
    Transactions on Storage 13, 2017.
    """

    def set_maxsize(self, maxsize: int) -> None:
        super().set_maxsize(maxsize)
        self.window_share = max(maxsize // 100, 1)
        self.protected_share = (maxsize - self.window_share) * 4 // 5

    def clear(self) -> None:
        self.window, self.probation, self.protected = Queue(), Queue(), Queue()
        self.queues = self.probation, self.window, self.protected
        self.sketch = FrequencySketch(64)
        self.state = self.seed  # of the generator of chances

    def admit(self, entry: Entry) -> None:
        self.window.push(entry)
        if len(self) > self.sketch.capacity:  # begin anew with one that is large enough
            self.sketch = FrequencySketch(2 * self.sketch.capacity)
        self.sketch._record(entry.hash)
        self.spill()

    def spill(self) -> None:
        """While there is room in all: from the window to the main part."""
        while (
            self.weight <= self.maxsize
            and self.window.weight > self.window_share
            and self.window.oldest() is not self.latest
        ):
            self.probation.pull(self.window.oldest())

    def hit(self, entry: Entry) -> None:
        self.sketch._record(entry.hash)
        if entry.queue is self.window:
            self.window.pull(entry)
            return
        self.protected.pull(entry)
        while self.protected.weight > self.protected_share:
            self.probation.pull(self.protected.oldest())

    def oldest(self, *queues: Queue) -> Entry | None:
        """The first entry of these queues that is not the latest."""
        return next((e for q in queues for e in q.entries if e is not self.latest), None)

    def choose(self) -> Entry:
        candidate = self.oldest(self.window) if self.window.weight > self.window_share else None
        other = self.oldest(self.probation, self.protected)
        if other is None:
            other = self.oldest(self.window)
        assert other is not None
        if candidate is None or candidate is other:
            return other
        if self.admits(candidate, other):
            self.probation.pull(candidate)
            return other
        return candidate

    def admits(self, candidate: Entry, other: Entry) -> bool:
        ours, theirs = (self.sketch._estimate(entry.hash) for entry in (candidate, other))
        return ours > theirs or (ours > 5 and self.chance() == 0)

    def chance(self) -> int:
        """A number from 0 to 127."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & M64
        return self.state >> 57


POLICIES: dict[str, type[Policy[Any]]] = {
    "w-tinylfu": WTinyLfu,
    "lru": Lru,
    "s3-fifo": S3Fifo,
    "sieve": Sieve,
}
