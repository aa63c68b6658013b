"""What the policies of a cache have in common, in plain Python; as csrc/cache/policy.h tells."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

__all__ = ["E", "Entry", "Policy", "Queue"]


class Entry:
    """What a policy knows of an entry."""

    __slots__ = ("count", "hash", "queue", "seen", "time", "weight")

    def __init__(self, hash: int, weight: int) -> None:
        self.hash = hash
        self.weight = weight
        self.count = 0  # of requests, as far as and in the way its policy counts them
        self.time = 0  # when W-TinyLFU last counted a request for it
        self.seen = 0  # when it last took a request for more than one of a burst
        self.queue: Queue[Any] | None = None  # that it is in; None if the policy has it no more


E = TypeVar("E", bound=Entry)


class Queue(Generic[E]):
    """Entries, the oldest first, and the sum of their weights."""

    def __init__(self) -> None:
        self.entries: OrderedDict[E, None] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self.entries)

    def oldest(self, latest: Entry | None = None) -> E | None:
        """The oldest entry that is not `latest`, if there is one."""
        return next((entry for entry in self.entries if entry is not latest), None)

    def push(self, entry: E) -> None:
        """Put an entry that is in no queue at the newest end."""
        self.entries[entry] = None
        self.weight += entry.weight
        entry.queue = self

    def take(self, entry: E) -> None:
        del self.entries[entry]
        self.weight -= entry.weight
        entry.queue = None

    def pull(self, entry: E) -> None:
        """Move an entry from the queue that it is in to the newest end of this one."""
        assert entry.queue is not None
        entry.queue.take(entry)
        self.push(entry)


class Policy(Generic[E]):
    """Queues, and who of their entries has to go. `weighted`: entries may weigh other than 1."""

    queues: tuple[Queue[E], ...]  # what they hold, in order, is the order of `__iter__`

    def __init__(self, maxsize: int, seed: int = 0, weighted: bool = False) -> None:
        self.maxsize = maxsize
        self.seed = seed
        self.weighted = weighted
        self.clear()

    def clear(self) -> None:
        """Forget all entries, and all that was learnt."""
        self.latest: E | None = None  # not to be the victim

    def enter(self, entry: E) -> None:
        """Take in a new entry, which weighs `maxsize` at most: a request."""
        raise NotImplementedError

    def hit(self, entry: E) -> None:
        """A request for an entry that is there."""
        raise NotImplementedError

    def choose(self) -> E:
        """The entry that has to go, not the latest; it is not removed yet. There is one."""
        raise NotImplementedError

    def evict(self) -> E:
        """Remove the entry that has to go, and return it. There is one beside the latest."""
        entry = self.choose()
        self.leave(entry)
        return entry

    def victim(self) -> E | None:
        """The same if the entries do not fit; None if they do."""
        return self.evict() if self.weight > self.maxsize else None

    def pop(self) -> E | None:
        """The same even if they fit, and be it the latest; None if there are no entries."""
        self.latest = None
        return self.evict() if len(self) else None

    def leave(self, entry: E) -> None:
        """Remove an entry that is there."""
        assert entry.queue is not None
        entry.queue.take(entry)
        if entry is self.latest:
            self.latest = None

    def reweigh(self, entry: E, weight: int) -> None:
        """Change the weight of an entry, to `maxsize` at most."""
        assert entry.queue is not None
        entry.queue.weight += weight - entry.weight
        entry.weight = weight
        self.latest = entry

    def resize(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self.latest = None

    @property
    def weight(self) -> int:
        """The sum of all weights."""
        return sum(queue.weight for queue in self.queues)

    def __len__(self) -> int:
        return sum(map(len, self.queues))

    def __iter__(self) -> Iterator[E]:
        """All entries, about in the order in which they would have to go."""
        return chain(*(queue.entries for queue in self.queues))
