"""W-TinyLFU with a window that adapts, in plain Python; csrc/cache/tinylfu.c tells the reasons."""

from __future__ import annotations

from ..sketches.frequency import MAX_COUNT, FrequencySketch
from ._queues import E, Entry, Policy, Queue

__all__ = ["WTinyLfu"]

M64 = 2**64 - 1
STEPS = 8  # moves at a time, of entries for which a queue has no room
WARM = 5  # a candidate with a higher count may be let in by chance
CHOICES = ((1, 1), (5, 0), (10, -2), (30, 0), (99, 0))  # percent of the window, lead
FIRST_CHOICE = 1
FIRST_BLOCKS = 64  # of eight entries each: at least so many has the sketch at the start
LEAST, MOST = 48, 192  # entries of a shadow
EPOCH = 128  # requests that the shadows see between two choices
FADE, LEAD, HITS, SCALE = 32, 128, 4, 1024


class Segments(Policy[E]):
    """W-TinyLFU's queues, run in one of the ways of `CHOICES`: by the window's share of maxsize and
    the lead that a candidate must have.

    New entries go to `window`, what has no room there to `probation`; a hit there moves an entry to
    `protected`, which has three quarters of the rest, and what has no room there goes back. The
    oldest of `probation` (or else of `protected`) goes; but if `window` weighs too much, its oldest
    (the candidate) meets that one, and goes unless it is admitted.
    """

    def clear(self) -> None:
        super().clear()
        self.window: Queue[E] = Queue()
        self.probation: Queue[E] = Queue()
        self.protected: Queue[E] = Queue()
        self.queues = self.probation, self.window, self.protected
        self.random = self.seed

    def run(self, choice: int) -> None:
        percent, self.lead = CHOICES[choice]
        self.choice = choice
        self.window_max = max(self.maxsize * percent // 100, 1)
        main = self.maxsize - self.window_max
        self.protected_max = main - main // 4

    def spill(self, queue: Queue[E], most: int) -> None:
        for _ in range(STEPS):
            if queue.weight > most:
                self.probation.pull(next(iter(queue.entries)))

    def link(self, entry: E) -> None:
        """Put in a new entry."""
        self.spill(self.window, self.window_max)
        self.spill(self.protected, self.protected_max)
        self.window.push(entry)
        self.latest = entry

    def touch(self, entry: E) -> None:
        """Move an entry that was requested."""
        assert entry.queue is not None
        if entry.queue is self.probation:
            self.protected.pull(entry)
            self.spill(self.protected, self.protected_max)
        else:
            entry.queue.pull(entry)

    def choose(self) -> E:
        candidate = self.window.oldest(self.latest)
        victim = self.probation.oldest(self.latest) or self.protected.oldest(self.latest)
        if victim is None:
            victim = candidate
        elif candidate is not None and self.window.weight > self.window_max:
            if self.admits(candidate, victim):
                self.probation.pull(candidate)
            else:
                victim = candidate
        assert victim is not None
        return victim

    def admits(self, candidate: E, victim: E) -> bool:
        """Whether the candidate has the lead that it must have; or by a chance of 1 in 128."""
        if candidate.count > victim.count + self.lead:
            return True
        if candidate.count <= WARM:
            return False
        self.random = (self.random * 6364136223846793005 + 1442695040888963407) & M64
        return self.random >> 57 == 0


class Shadow(Segments[Entry]):
    """A small cache of hashes, which counts its hits."""

    def __init__(self, maxsize: int, seed: int, choice: int) -> None:
        super().__init__(maxsize, seed)
        self.run(choice)
        self.entries: dict[int, Entry] = {}
        self.hits = self.score = 0

    def request(self, hash: int, count: int) -> None:
        if hash in self.entries:
            self.hits += 1
            self.touch(self.entries[hash])
        else:
            self.entries[hash] = entry = Entry(hash, 1)
            self.link(entry)
        self.entries[hash].count = count
        victim = self.victim()
        if victim is not None:
            del self.entries[victim.hash]


class Shadows:
    """A shadow for each choice. They stand for a cache of `scale` entries, and see as large a part
    of the hashes as they have of its entries: a thirty-second, if that is neither few nor many.
    """

    def __init__(self, scale: int, seed: int) -> None:
        size = min(max(min(scale // 32, MOST), LEAST), scale)
        self.scale = scale
        self.below = M64 // scale * size
        self.requests = 0
        self.all = [Shadow(size, seed, choice) for choice in range(len(CHOICES))]

    def request(self, hash: int, count: int, choice: int) -> int:
        """Show them a request; the choice that they make, given the present one."""
        if hash * 0x9E3779B97F4A7C15 & M64 >= self.below:
            return choice
        for shadow in self.all:
            shadow.request(hash, count)
        self.requests += 1
        if self.requests % EPOCH:
            return choice
        for shadow in self.all:
            shadow.score += shadow.hits * SCALE - shadow.score // FADE
            shadow.hits = 0
        scores = [shadow.score for shadow in self.all]
        leads = max(scores) > scores[choice] + scores[choice] // LEAD + HITS * SCALE
        return scores.index(max(scores)) if leads else choice


class WTinyLfu(Segments[E]):
    """W-TinyLFU. It counts requests, and runs as the best of its shadows.

    An entry has its own count; a sketch remembers those of keys that left. When so many requests
    were counted as is the sketch's sample, all counts are halved.

    A hit means nothing unless more than a 64th of the number of entries were entered since the last
    one of that entry that did. It is counted if more than a quarter were since the last that was.

    The sketch has room for the entries that there are, but for 512 at least; when it has to grow,
    it doubles. Shadows are made when the cache is an eighth full. In a weighted cache they stand
    for the number of entries that would fill it, and are made anew when that is far off.

    Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", ACM
    Transactions on Storage 13, 2017.
    """

    def __init__(self, maxsize: int, seed: int = 0, weighted: bool = False) -> None:
        blocks = 0 if weighted else -(-maxsize // 8)
        halvings = max((blocks // FIRST_BLOCKS).bit_length() - 1, 0)  # it ends at maxsize
        blocks = max(-(-blocks // 2**halvings), FIRST_BLOCKS)
        self.sketch = FrequencySketch(8 * blocks)
        super().__init__(maxsize, seed, weighted)

    def clear(self) -> None:
        super().clear()
        self.sketch.clear()
        self.shadows: Shadows | None = None
        self.time = 0  # number of entries entered
        self.run(FIRST_CHOICE)

    def resize(self, maxsize: int) -> None:
        super().resize(maxsize)
        self.shadows = None
        self.run(self.choice)

    def enter(self, entry: E) -> None:
        if len(self) > self.sketch.capacity:
            self.double_sketch()
        self.make_shadows()
        entry.count = self.sketch._estimate(entry.hash)
        self.link(entry)
        self.count(entry)
        self.sketch._lift(entry.hash, entry.count)
        entry.seen = self.time
        self.time += 1
        self.show(entry)

    def hit(self, entry: E) -> None:
        if self.time - entry.seen <= len(self) // 64:
            return
        entry.seen = self.time
        if self.time - entry.time > len(self) // 4:
            self.count(entry)
        self.touch(entry)
        self.show(entry)

    def count(self, entry: E) -> None:
        """Count a request."""
        entry.time = self.time
        if entry.count < MAX_COUNT:
            entry.count += 1
            self.sketch._head[0] += 1
            if self.sketch.records >= self.sketch.sample_size:
                self.age()

    def age(self) -> None:
        """Halve all counts."""
        self.sketch._age()
        for policy in (self, *(self.shadows.all if self.shadows else ())):
            for entry in policy:
                entry.count //= 2

    def leave(self, entry: E) -> None:
        super().leave(entry)
        self.sketch._lift(entry.hash, entry.count)

    def show(self, entry: E) -> None:
        if self.shadows is not None:
            choice = self.shadows.request(entry.hash, entry.count, self.choice)
            if choice != self.choice:
                self.run(choice)

    def make_shadows(self) -> None:
        n, weight = len(self), self.weight
        if self.shadows is not None and self.weighted:
            scale = self.shadows.scale
            if n > 2 * scale or (n < scale // 4 and weight >= self.maxsize // 2):
                self.shadows = None
        if self.shadows is None and n > 0 and weight >= self.maxsize // 8:
            full = n if weight == 0 else self.maxsize // weight * n
            self.shadows = Shadows(full if self.weighted else self.maxsize, self.seed)

    def double_sketch(self) -> None:
        """Block b becomes blocks 2b and 2b + 1, so that every estimate is what it was."""
        old, size = self.sketch, 64
        self.sketch = FrequencySketch(2 * old.capacity)
        self.sketch._head[0] = old._head[0]
        for at in range(0, len(old._counters), size):
            self.sketch._counters[2 * at : 2 * at + 2 * size] = (
                bytes(old._counters[at : at + size]) * 2
            )
