"""Which entry of a cache has to go: the policies, in plain Python.

A policy knows no keys and no values, only hashes and weights. A request is one call: `hit` if the
entry is there, `enter` if it is new. Then `victim` is asked until it says None. The entry that was
entered or reweighed last is never the victim, so that what was just set can be read.

Every policy moves entries between queues, and chooses among the oldest of each. With the same seed,
the ones in csrc/cache make the same decisions, step for step.
"""

from __future__ import annotations

from typing import Any

from ._queues import E, Entry, Policy, Queue
from .tinylfu import WTinyLfu

__all__ = ["POLICIES", "Entry", "Lru", "Policy", "S3Fifo", "Sieve", "WTinyLfu"]


class Lru(Policy[E]):
    """The entry that was requested longest ago."""

    def clear(self) -> None:
        super().clear()
        self.queue: Queue[E] = Queue()
        self.queues = (self.queue,)

    def enter(self, entry: E) -> None:
        self.queue.push(entry)
        self.latest = entry

    def hit(self, entry: E) -> None:
        self.queue.pull(entry)

    def choose(self) -> E:
        entry = self.queue.oldest(self.latest)
        assert entry is not None
        return entry


class Sieve(Policy[E]):
    """SIEVE: a hand goes from old to new, over and over; who was requested stays for a round.

    The entries in the order of entering are `behind`, then `ahead`: the hand stands at the oldest
    entry of `ahead`, which is not empty unless both are. What was requested (`count` 1) or is the
    latest is passed over, and its `count` set to 0; what was not goes, and the hand stands at the
    next; if that is the latest, at the one after it, as if the latest came in only now. After the
    newest entry comes the oldest.

    Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU: an efficient turn-key
    eviction algorithm for web caches", NSDI 2024.
    """

    def clear(self) -> None:
        super().clear()
        self.ahead: Queue[E] = Queue()
        self.behind: Queue[E] = Queue()
        self.queues = self.ahead, self.behind

    def enter(self, entry: E) -> None:
        self.ahead.push(entry)
        self.latest = entry

    def hit(self, entry: E) -> None:
        entry.count = 1

    def at_hand(self) -> E | None:
        return self.ahead.oldest()

    def pass_over(self, entry: E) -> None:
        entry.count = 0
        self.behind.pull(entry)
        self.turn()

    def turn(self) -> None:
        """Begin a new round if the hand has passed the newest entry."""
        if not self.ahead:
            self.ahead, self.behind = self.behind, self.ahead
            self.queues = self.ahead, self.behind

    def leave(self, entry: E) -> None:
        super().leave(entry)
        self.turn()

    def choose(self) -> E:
        while (entry := self.at_hand()) is not None and (entry.count or entry is self.latest):
            self.pass_over(entry)
        assert entry is not None
        return entry

    def evict(self) -> E:
        victim = super().evict()
        entry = self.at_hand()
        if entry is not None and entry is self.latest:
            self.pass_over(entry)
        return victim


class Ghosts:
    """Upper halves of the hashes that were added lately, in buckets of eight.

    There are as many buckets, a power of two, as were ever needed for one place an entry. The high
    bits of a hash pick the bucket; in a full one the oldest makes room. `time` counts additions.
    """

    PLACES = 8

    def __init__(self, buckets: int = 1) -> None:
        self.time = 0
        self.buckets: list[dict[int, int]] = [{} for _ in range(buckets)]  # -> when it was added

    def bucket(self, half: int) -> dict[int, int]:
        return self.buckets[half * len(self.buckets) >> 32]

    def fit(self, n: int) -> None:
        """Make as many buckets as are needed for n entries."""
        while self.PLACES * len(self.buckets) < n:
            old, self.buckets = self.buckets, [{} for _ in range(2 * len(self.buckets))]
            for bucket in old:
                for half, time in bucket.items():
                    self.bucket(half)[half] = time

    def add(self, hash: int) -> None:
        half = hash >> 32
        bucket = self.bucket(half)
        bucket.pop(half, None)
        if len(bucket) == self.PLACES:
            del bucket[next(iter(bucket))]
        self.time += 1
        bucket[half] = self.time

    def take(self, hash: int, latest: int) -> bool:
        """Whether a hash is among so many latest ones; it is no more."""
        half = hash >> 32
        bucket = self.bucket(half)
        known = half in bucket and self.time - bucket[half] < latest
        if known:
            del bucket[half]
        return known


class S3Fifo(Policy[E]):
    """S3-FIFO: a small queue for new entries, a main one for those that prove themselves.

    New entries go to `small`; to `main`, if their hash is a ghost (which it then is no more).
    `count` is the number of hits since an entry entered or was moved, 3 at most. To find a victim:

    * if `small` weighs more than a tenth of maxsize (1 at least), or `main` has nothing to give,
      the oldest of `small` goes, and its hash becomes a ghost; but if its `count` is above 1, it
      moves to `main` instead, `count` 0;
    * else the oldest of `main` goes; but if its `count` is above 0, it becomes the newest of
      `main`, `count` less 1.

    The latest of all entries does not go: a queue has nothing to give if that is all it holds, and
    if it is the oldest of its queue, it becomes the newest, as if it came in only now. Ghosts are
    the latest ones, as many as nine tenths of the entries, rounded up.

    Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
    """

    MAX_COUNT = 3

    def __init__(self, maxsize: int, seed: int = 0, weighted: bool = False) -> None:
        self.ghosts = Ghosts()
        super().__init__(maxsize, seed, weighted)

    def clear(self) -> None:
        super().clear()
        self.small: Queue[E] = Queue()
        self.main: Queue[E] = Queue()
        self.queues = self.small, self.main
        self.ghosts = Ghosts(len(self.ghosts.buckets))

    def enter(self, entry: E) -> None:
        n = len(self) + 1
        self.ghosts.fit(n)
        known = self.ghosts.take(entry.hash, n - n // 10)
        (self.main if known else self.small).push(entry)
        self.latest = entry

    def hit(self, entry: E) -> None:
        entry.count = min(entry.count + 1, self.MAX_COUNT)

    def oldest(self, queue: Queue[E]) -> E | None:
        if queue.oldest() is self.latest is not None:
            queue.pull(self.latest)
        return queue.oldest(self.latest)

    def choose(self) -> E:
        share = max(self.maxsize // 10, 1)
        while True:
            small, main = self.oldest(self.small), self.oldest(self.main)
            if small is not None and (self.small.weight > share or main is None):
                if small.count <= 1:
                    self.ghosts.add(small.hash)
                    return small
                small.count = 0
                self.main.pull(small)
            else:
                assert main is not None
                if main.count == 0:
                    return main
                main.count -= 1
                self.main.pull(main)


POLICIES: dict[str, type[Policy[Any]]] = {
    "w-tinylfu": WTinyLfu,
    "lru": Lru,
    "s3-fifo": S3Fifo,
    "sieve": Sieve,
}
