"""Limits in this process's memory."""

from fastblocks._core import check, limits

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER
from fastblocks._core.keys cimport RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport fb_status_t
from fastblocks.limit._local cimport (
    FB_LIMIT_RULES_MAX, LocalStorage, cbool, fb_limit_rules_t, fb_limit_verdict_t, int64_t, rules_of,
    uint64_t,
)

cdef extern from "limit/memory.h" nogil:
    ctypedef struct fb_limit_memory_t:
        size_t n
        int64_t closed_until
        uint64_t evicted
    ctypedef enum fb_limit_outcome_t:
        FB_LIMIT_DENIED
        FB_LIMIT_ALLOWED
        FB_LIMIT_NO_ROOM
        FB_LIMIT_NO_MEMORY
    bint fb_limit_memory_init(fb_limit_memory_t *m, const fb_limit_rules_t *rules, uint64_t max_keys)
    void fb_limit_memory_drop(fb_limit_memory_t *m)
    fb_limit_outcome_t fb_limit_memory_call(fb_limit_memory_t *m, uint64_t h, int64_t now,
                                            uint64_t cost, bint spend, fb_limit_verdict_t *out)
    size_t fb_limit_memory_call_keys(fb_limit_memory_t *m, fb_keys_cursor_t keys, uint64_t seed,
                                   int64_t now, const uint64_t *costs, uint64_t cost,
                                   bint allow_if_full, bint stop_if_full, cbool *out,
                                   fb_limit_outcome_t *failure)
    void fb_limit_memory_forget(fb_limit_memory_t *m, uint64_t h)
    size_t fb_limit_memory_bytes(const fb_limit_memory_t *m)
    size_t fb_limit_memory_gathered(const fb_limit_memory_t *m)
    void fb_limit_memory_gather(const fb_limit_memory_t *m, void *into)
    fb_status_t fb_limit_memory_load(fb_limit_memory_t *m, const void *source, size_t n_bytes)

cdef uint64_t KIND = FB_STATE_FOURCC(c"L", c"M", c"E", c"M")
cdef enum:
    VERSION = 1
    DENY = 0
    ALLOW = 1
    RAISE = 2
    MAX_KIND = 3


cdef class Memory(LocalStorage):
    """Memory(max_keys=1_000_000, *, on_full="deny", seed=None)\n--\n\n\
    Limits in this process's memory: bounded, and never lenient to a key that is limited.

    Limiters that share one share what they know: they must have the same strategy and rate. A limiter
    without a storage makes one of its own.

    Parameters
    ----------
    max_keys : int, default 1_000_000
        How many keys to remember at most, in ``[1, 2**31]``.
    on_full : {"deny", "allow", "raise"}, default "deny"
        What becomes of a call of a new key when all keys are limited: it is denied, allowed (and not
        counted), or raises `LimiterFullError`.
    seed : int, optional
        Of the hash by which keys are known, in ``[0, 2**64)``; a random one by default, so that nobody can
        choose keys that collide.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    A key whose quota is whole again is forgotten in passing. When there are `max_keys` keys, a new one
    takes the place of one that is not limited: of 16 in turn, that whose quota is whole soonest. A
    key that is limited is not forgotten before its time, whatever comes. Calls are O(1); one that
    finds all keys limited looks at all of them, once until the first of them is free again.

    Memory: 45 to 55 bytes a key and rate when it is full; with `SlidingWindow` also 8 for every call that
    counts. It grows with the keys, by doubling: just after that it takes twice as much a key.

    Threads: a call is atomic.

    Examples
    --------
    >>> from fastblocks.limit import FixedWindow, Memory
    >>> storage = Memory(max_keys=10_000)
    >>> limiter = FixedWindow("3/hour", storage=storage)
    >>> [limiter.allow("a") for _ in range(4)], len(storage)
    ([True, True, True, False], 1)
    """

    cdef fb_limit_memory_t memory
    cdef int _on_full

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self._max_keys = 1
        self.allocate(8)

    def __dealloc__(self):
        fb_limit_memory_drop(&self.memory)

    def __init__(self, max_keys=1_000_000, *, on_full="deny", seed=None):
        self.begin_init()
        cdef uint64_t most = check.integer("max_keys", max_keys, 1, 2**31)
        cdef int policy = limits.ON_FULL.index(check.choice("on_full", on_full, limits.ON_FULL))
        cdef uint64_t seed_ = check.seed_of(seed)
        with self.whole:
            self.begin_init()
            self._max_keys = most
            self._on_full = policy
            self._seed = seed_
            self.made = True

    # ---- calls ------------------------------------------------------------------------------

    cdef bint call(self, uint64_t h, int64_t now, uint64_t cost, bint spend,
                   fb_limit_verdict_t *out) except -1:
        cdef fb_limit_outcome_t outcome
        if self.alone():
            outcome = fb_limit_memory_call(&self.memory, h, now, cost, spend, out)
        else:
            self.check_writable("decide")
            with self.whole:
                outcome = fb_limit_memory_call(&self.memory, h, now, cost, spend, out)
        if outcome == FB_LIMIT_ALLOWED or outcome == FB_LIMIT_DENIED:
            return outcome == FB_LIMIT_ALLOWED
        return self.refuse(outcome, now, out)

    cdef bint refuse(self, fb_limit_outcome_t outcome, int64_t now,
                     fb_limit_verdict_t *out) except -1:
        """What becomes of a call that there is no room to remember."""
        if outcome == FB_LIMIT_NO_MEMORY:
            raise MemoryError("no memory for the state of another key")
        if self._on_full == RAISE:
            raise limits.full(self._max_keys)
        if self._on_full == DENY and out != NULL:
            out.allowed = False
            out.remaining = 0
            out.retry = max(self.memory.closed_until - now, 1)
            out.reset = 0
        return self._on_full == ALLOW

    cdef int call_keys(self, KeyBatch batch, int64_t now, const uint64_t *costs, uint64_t cost,
                       cbool *out, size_t *done) except -1:
        cdef fb_limit_outcome_t failure
        cdef bint allow = self._on_full == ALLOW, stop = self._on_full == RAISE
        self.check_writable("allow_many")
        with self.whole:
            self.begin_writing()
            if batch.n < RELEASE_GIL_FROM:
                done[0] = fb_limit_memory_call_keys(
                    &self.memory, batch.cursor(), self._seed, now, costs, cost, allow, stop, out, &failure
                )
            else:
                with nogil:
                    done[0] = fb_limit_memory_call_keys(
                        &self.memory, batch.cursor(), self._seed, now, costs, cost, allow, stop, out,
                        &failure,
                    )
            self.end_writing()
        if done[0] < batch.n:
            self.refuse(failure, now, NULL)
        return 0

    cdef int forget_hash(self, uint64_t h) except -1:
        with self.whole:
            self.begin_writing()
            fb_limit_memory_forget(&self.memory, h)
            self.end_writing()
        return 0

    cdef int begin(self) except -1:
        fb_limit_memory_init(&self.memory, &self.rules, self._max_keys)
        return 0

    # ---- what it is -----------------------------------------------------------------------------

    def __len__(self):
        return self.memory.n

    @property
    def evicted(self):
        """How many keys were forgotten, for lack of room, before their quota was whole."""
        return self.memory.evicted

    @property
    def on_full(self):
        """What becomes of a new key when all keys are limited: "deny", "allow" or "raise"."""
        return limits.ON_FULL[self._on_full]

    @property
    def seed(self):
        """Of the hash by which keys are known."""
        return self._seed

    @property
    def nbytes(self):
        """Bytes of memory that the keys take."""
        with self.whole:
            return fb_limit_memory_bytes(&self.memory)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.nbytes

    def __eq__(self, other):
        if not isinstance(other, Memory):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("max_keys", self._max_keys), ("on_full", limits.ON_FULL[self._on_full])

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self._max_keys
        state.params[1] = self._on_full
        state.params[2] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        if not 1 <= state.params[0] <= <uint64_t>2**31 or state.params[1] > RAISE:
            return False
        if not params_end_at(state, 3):
            return False
        self._max_keys = state.params[0]
        self._on_full = <int>state.params[1]
        self._seed = state.params[2]
        return True

    cdef size_t gathered(self) except? 0xC7A3:
        if self.rules.n == 0:
            return 16
        return 16 + 24 * self.rules.n + fb_limit_memory_gathered(&self.memory)

    cdef int gather(self, void *into) except -1:
        cdef uint64_t *words = <uint64_t *>into
        cdef unsigned i
        words[0] = self.rules.n
        words[1] = self.rules.kind
        words += 2
        for i in range(self.rules.n):
            words[0] = self.rules.rule[i].limit
            words[1] = self.rules.rule[i].count
            words[2] = self.rules.rule[i].period
            words += 3
        if self.rules.n:
            with nogil:
                fb_limit_memory_gather(&self.memory, words)
        return 0

    cdef bint admit(self) except -1:
        cdef const uint64_t *words = <const uint64_t *>self.payload
        cdef size_t i, n, head
        cdef fb_status_t status
        if self.size < 16 or words[0] > FB_LIMIT_RULES_MAX or words[1] > MAX_KIND:
            return False
        n = words[0]
        head = 2 + 3 * n
        if n == 0:
            return self.size == 16 and words[1] == 0
        if self.size < 8 * head:
            return False
        found = [(words[3 * i + 2], words[3 * i + 3], words[3 * i + 4]) for i in range(n)]
        try:
            self.rules = rules_of(<int>words[1], found)
        except ValueError:
            return False
        fb_limit_memory_init(&self.memory, &self.rules, self._max_keys)
        with nogil:
            status = fb_limit_memory_load(&self.memory, words + head, self.size - 8 * head)
        if status == 1:
            raise MemoryError()
        self.release()  # all is in the table now
        return status == 0


fb_cpu_level()
