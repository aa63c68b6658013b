"""Limiters: strategies on any storage."""

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from fastblocks._core import check, limits, rates
from fastblocks._core.waiting import Waiters

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport (
    FB_HAVE_GIL, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, plain_key,
)
from fastblocks.limit._local cimport LocalStorage, cbool, fb_limit_verdict_t
from fastblocks.limit.memory import Memory

cdef extern from "base.h" nogil:
    uint64_t fb_atomic_load64(const uint64_t *p)
    void fb_atomic_add64(uint64_t *p, uint64_t n)

cdef extern from "limit/memory.h" nogil:
    enum:
        FB_LIMIT_DENIED_KEYS
    const size_t FB_LIMIT_NONE
    ctypedef struct fb_limit_denied_t:
        uint64_t count[512]
    size_t fb_limit_denied_note(fb_limit_denied_t *denied, uint64_t h, cbool *is_new)
    void fb_limit_denied_note_keys(fb_limit_denied_t *denied, fb_keys_cursor_t keys, uint64_t seed,
                                   const cbool *allowed, size_t *latest)


cdef inline void add(uint64_t *count, uint64_t n) noexcept:
    """Count, exactly also where threads run without a GIL."""
    if FB_HAVE_GIL:
        count[0] += n
    else:
        fb_atomic_add64(count, n)


cdef uint64_t cost_of(object cost) except 0:
    cdef int overflow
    cdef long long small
    if PyLong_CheckExact(cost):
        small = PyLong_AsLongLongAndOverflow(cost, &overflow)
        if not overflow and 1 <= small <= 0xFFFFFFFF:
            return <uint64_t>small
    return limits.cost_of(cost)


cdef object NEW_TUPLE = tuple.__new__  # a named tuple's own is written in Python
cdef object DECISION = rates.Decision


cdef object decision_of(const fb_limit_verdict_t *v):
    cdef double retry = INFINITY if v.retry < 0 else v.retry / 1e9
    return NEW_TUPLE(
        DECISION, (<bint>v.allowed == 1, v.limit, v.remaining, retry, v.reset / 1e9)
    )


cdef tuple verdict_of(object answer):
    """What a storage in Python said, checked: the items are taken without checks."""
    cdef tuple verdict = tuple(answer)
    if len(verdict) < 5:
        raise TypeError(f"a storage must answer with 5 values, not {len(verdict)}")
    return verdict


cdef class Limiter:
    """What all strategies have in common: rules, a storage, a clock."""

    cdef LocalStorage local    # the storage, if it is one that this process reaches by itself
    cdef object _storage
    cdef object _timer
    cdef tuple _rules          # of _core.rates.Rule
    cdef readonly object _waiters
    cdef bint own_clock        # the storage has one, and none was given
    cdef bint is_async         # the storage can be awaited
    cdef uint64_t allowed
    cdef uint64_t denied
    cdef fb_limit_denied_t register
    cdef list denied_keys      # as the register counts them
    cdef object __weakref__

    cdef int kind(self) except -1:
        raise TypeError(f"{type(self).__name__} cannot be made on its own")

    cdef type strategy(self):
        return Limiter

    cdef int start(self, tuple rules, object storage, object timer) except -1:
        self.check_new()
        check.timer(timer)
        if storage is None:
            storage = Memory()
        limits.check_storage(storage)
        storage.bind(self.kind(), rules)
        self.check_new()  # again: the storage may be of any class, and run anything
        self._rules = rules
        self._timer = timer
        self._waiters = Waiters(min([rule.limit for rule in rules]))
        self.own_clock = timer is None and getattr(storage, "own_clock", False)
        self.is_async = hasattr(storage, "decide_async")
        self.denied_keys = [None] * FB_LIMIT_DENIED_KEYS
        self.local = storage if isinstance(storage, LocalStorage) else None
        self._storage = storage
        return 0

    cdef int check_new(self) except -1:
        if self._storage is not None:
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        return 0

    cdef object made(self):
        """The storage; an error if there is none yet, as after `__new__` alone."""
        if self._storage is None:
            raise RuntimeError(f"this {type(self).__name__} has not been initialised")
        return self._storage

    # ---- calls ------------------------------------------------------------------------------

    def allow(self, key, cost=1):
        """Tell whether a call of a key may go on, and count it if so.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``: as so many calls. All of it is counted, or nothing.

        Returns
        -------
        bool

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If `cost` is out of range.
        LimiterFullError
            If the storage has no room for another key, and is told to raise.

        Notes
        -----
        O(1). A call that is denied counts for nothing. A cost above the limit is never allowed.
        """
        cdef uint64_t cost_ = cost_of(cost)
        cdef uint64_t h
        if self.local is None:
            return self.ask(key, cost_, self.time())[0]
        h = hash_key(key, self.local._seed)
        if self.local.call(h, now_ns(self._timer), cost_, True, NULL):
            add(&self.allowed, 1)
            return True
        self.note(h, key)
        return False

    def hit(self, key, cost=1):
        """Say all about a call of a key, and count it if it is allowed.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``.

        Returns
        -------
        Decision
            True if the call is allowed.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If `cost` is out of range.
        LimiterFullError
            If the storage has no room for another key, and is told to raise.
        """
        cdef uint64_t cost_ = cost_of(cost)
        cdef uint64_t h
        cdef fb_limit_verdict_t v
        if self.local is None:
            return rates.decision(*self.ask(key, cost_, self.time())[:5])
        h = hash_key(key, self.local._seed)
        if self.local.call(h, now_ns(self._timer), cost_, True, &v):
            add(&self.allowed, 1)
        else:
            self.note(h, key)
        return decision_of(&v)

    def peek(self, key):
        """Say what the rules would decide about a call of cost 1, which is not made.

        Whether the storage has room for another key is not asked.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        Decision
            With `remaining` before the call.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        cdef uint64_t h
        cdef fb_limit_verdict_t v
        if self.local is None:
            token = self.made().token(key)
            return rates.decision(*self._storage.decide(token, self.time(), 1, False)[:5])
        h = hash_key(key, self.local._seed)
        self.local.call(h, now_ns(self._timer), 1, False, &v)
        return decision_of(&v)

    def reset(self, key):
        """Make the quota of a key whole again; who waits for it with this limiter, tries at once.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        if self.local is None:
            self.made().forget(self._storage.token(key))
        else:
            self.local.forget_hash(hash_key(key, self.local._seed))
        self.awaken(key)

    async def allow_async(self, key, cost=1):
        """`allow`, without blocking the event loop where the storage is a server.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``.

        Returns
        -------
        bool

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError, ValueError, LimiterFullError
            As `allow`.
        """
        if not self.is_async:
            return self.allow(key, cost)
        return (await self._ask_async(key, limits.cost_of(cost)))[0]

    async def hit_async(self, key, cost=1):
        """`hit`, without blocking the event loop where the storage is a server.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``.

        Returns
        -------
        Decision

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError, ValueError, LimiterFullError
            As `hit`.
        """
        if not self.is_async:
            return self.hit(key, cost)
        return rates.decision(*(await self._ask_async(key, limits.cost_of(cost)))[:5])

    async def peek_async(self, key):
        """`peek`, without blocking the event loop where the storage is a server.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        Decision

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        if not self.is_async:
            return self.peek(key)
        token = self._storage.token(key)
        return rates.decision(*(await self._storage.decide_async(token, self.time(), 1, False))[:5])

    async def reset_async(self, key):
        """`reset`, without blocking the event loop where the storage is a server.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        if not self.is_async:
            return self.reset(key)
        await self._storage.forget_async(self._storage.token(key))
        self.awaken(key)

    def wait(self, key, cost=1, timeout=None):
        """Wait until a call of a key may go on, and count it.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``.
        timeout : float, optional
            Seconds to wait at most, 0 for one try; without end by default.

        Returns
        -------
        Decision
            False if the call cannot pass in time, which is said as soon as it is known.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If `cost` is out of range or above the limit, or `timeout` is below 0.

        Notes
        -----
        Fair: who waits for a key, thread or task, is served in the order of coming. Only the first in
        line asks the limiter, and sleeps for `retry_after`; nobody holds a lock meanwhile.
        """
        self.made()
        return self._waiters.wait(self, hash_key(key, 0), key, cost, timeout)

    async def wait_async(self, key, cost=1, timeout=None):
        """`wait`, for a task of asyncio; it can be cancelled.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        cost : int, default 1
            In ``[1, 2**32)``.
        timeout : float, optional
            Seconds to wait at most, 0 for one try; without end by default.

        Returns
        -------
        Decision
            False if the call cannot pass in time, which is said as soon as it is known.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If `cost` is out of range or above the limit, or `timeout` is below 0.
        """
        self.made()
        return await self._waiters.wait_async(self, hash_key(key, 0), key, cost, timeout)

    cdef int awaken(self, object key) except -1:
        """Let who sleeps until a key has quota look again."""
        if len(self._waiters):
            self._waiters.wake(hash_key(key, 0))
        return 0

    def allow_many(self, keys, costs=1, out=None):
        """Tell which calls of a batch may go on, and count these.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
            integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys.
        costs : int, or array or iterable of int, shape (n,); default 1
            Each in ``[1, 2**32)``.
        out : ndarray of bool, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of bool, shape (n,)
            As `allow` would answer one after the other, all at one time.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D, a cost is out of range, or `out` does not fit. Nothing
            has been counted then.
        LimiterFullError
            If the storage has no room for another key, and is told to raise; calls before it were
            counted.

        Notes
        -----
        O(n). From 512 keys on without the GIL.
        """
        cdef KeyBatch batch
        cdef const uint64_t *each = NULL
        cdef uint64_t cost = 1, seed = 0 if self.local is None else self.local._seed
        cdef size_t n
        self.made()
        batch = key_batch(keys, seed, True)
        costs = limits.costs_of(costs, batch.n)
        if isinstance(costs, int):
            cost = costs
        else:
            each = <const uint64_t *>data_of(costs)
        result = batch.result_array(out, "bool")
        cdef cbool *answers = <cbool *>data_of(result)
        if self.local is None:
            now = self.time()
            calls = []
            for n in range(batch.n):
                token = self._storage.token(batch.key_at(n))
                calls.append((token, now, cost if each == NULL else each[n]))
            verdicts = limits.decided(self._storage, calls)
            for n in range(batch.n):
                answers[n] = verdict_of(next(verdicts))[0]
                self.count(batch.key_at(n), answers[n])
            return delivered(result, out)
        cdef size_t done = 0
        try:
            self.local.call_keys(batch, now_ns(self._timer), each, cost, answers, &done)
        finally:
            n = count_true(answers, done)
            add(&self.allowed, n)
            if n < done:
                memset(answers + done, 1, batch.n - done)  # those are not denied
                self.note_batch(batch, answers, done - n)
            memset(answers + done, 0, batch.n - done)
        return delivered(result, out)

    # ---- of storages that are asked in Python --------------------------------------------------

    cdef object time(self):
        """Now, or None for the storage's own."""
        return None if self.own_clock else now_ns(self._timer)

    cdef tuple ask(self, object key, uint64_t cost, object now):
        token = self.made().token(key)
        cdef tuple verdict = verdict_of(self._storage.decide(token, now, cost, True))
        self.count(key, verdict[0])
        return verdict

    async def _ask_async(self, key, cost):
        token = self._storage.token(key)
        verdict = verdict_of(await self._storage.decide_async(token, self.time(), cost, True))
        self.count(key, verdict[0])
        return verdict

    cdef int count(self, object key, bint allowed) except -1:
        if allowed:
            add(&self.allowed, 1)
        else:
            self.note(hash_key(key, 0), key)
        return 0

    # ---- what was denied ----------------------------------------------------------------------

    cdef int note(self, uint64_t h, object key) except -1:
        cdef cbool is_new
        cdef size_t way
        add(&self.denied, 1)
        with cython.critical_section(self):
            way = fb_limit_denied_note(&self.register, h, &is_new)
            if is_new:
                self.denied_keys[way] = plain_key(key)
        return 0

    cdef int note_batch(self, KeyBatch batch, const cbool *allowed, size_t n) except -1:
        cdef size_t latest[512]
        cdef size_t way
        add(&self.denied, n)
        with cython.critical_section(self):
            fb_limit_denied_note_keys(
                &self.register, batch.cursor(), self.local._seed, allowed, latest
            )
            for way in range(FB_LIMIT_DENIED_KEYS):
                if latest[way] != FB_LIMIT_NONE:
                    self.denied_keys[way] = batch.key_at(latest[way])
        return 0

    def stats(self):
        """Return what the limiter has done since it was made, and what its storage holds.

        Returns
        -------
        LimiterStats
        """
        storage = self.made()
        keys = len(storage) if hasattr(storage, "__len__") else None
        allowed, denied = fb_atomic_load64(&self.allowed), fb_atomic_load64(&self.denied)
        return limits.LimiterStats(allowed, denied, keys, getattr(storage, "evicted", 0))

    def top_denied(self, n=10):
        """Return the keys that were denied most often, by this limiter.

        Parameters
        ----------
        n : int, default 10
            How many at most; some 500 are known.

        Returns
        -------
        list of DeniedKey
            The most often denied first.

        Notes
        -----
        Space-Saving in 64 sets of 8 keys: a key that finds no place in its set takes that of the
        rarest, and goes on from its count. So a key that was denied often is there, and its count
        may be too high by that of a key that was not.
        """
        check.integer("n", n, 0, 2**63 - 1)
        with cython.critical_section(self):
            found = [
                limits.DeniedKey(self.denied_keys[way], self.register.count[way])
                for way in range(FB_LIMIT_DENIED_KEYS) if self.register.count[way]
            ]
        return sorted(found, key=_by_count)[:n]

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def rules(self):
        """What the rates mean: for each, how much is allowed at once, and how much in a period."""
        return self._rules

    @property
    def storage(self):
        """Where the state lies."""
        return self._storage

    @property
    def timer(self):
        """The clock: a function that returns seconds, or None for the storage's own."""
        return self._timer

    def __repr__(self):
        storage = self.made()
        told = limits.told(self.strategy().__name__, self._rules)
        words = [f"{name}={value!r}" for name, value in told]
        return f"{type(self).__name__}({', '.join(words)}, storage={storage!r})"

    def __reduce__(self):
        cdef type strategy = self.strategy()
        storage = self.made()
        arguments = dict(limits.told(strategy.__name__, self._rules))
        arguments |= {"storage": storage, "timer": self._timer}
        attributes = getattr(self, "__dict__", None)  # that a subclass in Python has put there
        return limits.remade, (type(self), strategy, arguments), attributes or None


cdef size_t count_true(const cbool *answers, size_t n) noexcept nogil:
    cdef size_t i, total = 0
    for i in range(n):
        total += answers[i]
    return total


def _by_count(denied):
    return -denied.count


cdef class FixedWindow(Limiter):
    """FixedWindow(rate, *, storage=None, timer=None)\n--\n\n\
    So many calls in every window; windows begin at whole multiples of the period on the clock in use.

    The cheapest and the coarsest: around the end of a window twice the limit can pass in a moment.

    Parameters
    ----------
    rate : str, Rate, or iterable of these
        ``"100/minute"``, ``"10/second;1000/hour"``, ``Rate(100, per=60)``. Of several all must agree; up to 8.
    storage : Memory, SharedMemory or Redis, optional
        Where the state lies; a `Memory` of its own by default.
    timer : callable, optional
        Returns the time in seconds; by default the clock of ``time.monotonic``, or the server's.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If `rate` does not parse, is out of range, or `storage` is one of another strategy or rate.

    Notes
    -----
    O(1) and 24 bytes of state a key and rate. A call that is denied counts for nothing. While the clock is
    behind, having been set back, a key stands still; `retry_after` says for how long.

    Threads: a call is atomic.

    Examples
    --------
    >>> from fastblocks import FixedWindow
    >>> clock = 0.0
    >>> limiter = FixedWindow("2/10s", timer=lambda: clock)
    >>> limiter.allow("ann"), limiter.allow("ann"), limiter.allow("bob")
    (True, True, True)
    >>> clock = 4.0
    >>> limiter.hit("ann")
    Decision(allowed=False, limit=2, remaining=0, retry_after=6.0, reset_after=6.0)
    >>> clock = 10.0
    >>> limiter.allow("ann")
    True
    """

    def __init__(self, rate, *, storage=None, timer=None):
        self.start(rates.window_rules(rate), storage, timer)

    cdef int kind(self) except -1:
        return rates.FIXED

    cdef type strategy(self):
        return FixedWindow


cdef class SlidingWindow(Limiter):
    """SlidingWindow(rate, *, storage=None, timer=None)\n--\n\n\
    So many calls in any period, exactly: the time of every call that counts is kept.

    Parameters
    ----------
    rate : str, Rate, or iterable of these
        ``"100/minute"``, ``"10/second;1000/hour"``, ``Rate(100, per=60)``. Of several all must agree; up to
        8. Counts are 2**20 at most.
    storage : Memory, SharedMemory or Redis, optional
        Where the state lies; a `Memory` of its own by default.
    timer : callable, optional
        Returns the time in seconds; by default the clock of ``time.monotonic``, or the server's.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If `rate` does not parse, is out of range, or `storage` is one of another strategy or rate.

    Notes
    -----
    A call at t counts in ``[t, t + period)``. O(log limit) to decide and O(cost) to count; 8 bytes for
    every call that counts, so up to ``8 * limit`` a key and rate. While the clock is behind, having been set
    back, a key stands still; `retry_after` says for how long.

    Threads: a call is atomic.

    Examples
    --------
    >>> from fastblocks import SlidingWindow
    >>> clock = 0.0
    >>> limiter = SlidingWindow("2/10s", timer=lambda: clock)
    >>> limiter.allow("ann")
    True
    >>> clock = 9.0
    >>> limiter.allow("ann"), limiter.hit("ann").retry_after
    (True, 1.0)
    """

    def __init__(self, rate, *, storage=None, timer=None):
        self.start(rates.window_rules(rate, rates.MAX_LOG_COUNT), storage, timer)

    cdef int kind(self) except -1:
        return rates.LOG

    cdef type strategy(self):
        return SlidingWindow


cdef class SlidingWindowCounter(Limiter):
    """SlidingWindowCounter(rate, *, storage=None, timer=None)\n--\n\n\
    So many calls in any period, about: the window before counts by the part that is still covered.

    With windows as of `FixedWindow`, a call passes if ``before * (period - elapsed) + (used + cost) *
    period <= limit * period``: the calls of the window before are taken as evenly spread over it.

    Parameters
    ----------
    rate : str, Rate, or iterable of these
        ``"100/minute"``, ``"10/second;1000/hour"``, ``Rate(100, per=60)``. Of several all must agree; up to 8.
    storage : Memory, SharedMemory or Redis, optional
        Where the state lies; a `Memory` of its own by default.
    timer : callable, optional
        Returns the time in seconds; by default the clock of ``time.monotonic``, or the server's.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If `rate` does not parse, is out of range, or `storage` is one of another strategy or rate.

    Notes
    -----
    O(1) and 24 bytes of state a key and rate, in exact integers. While the clock is behind, having been set
    back, a key stands still; `retry_after` says for how long.

    Threads: a call is atomic.

    Examples
    --------
    >>> from fastblocks import SlidingWindowCounter
    >>> clock = 0.0
    >>> limiter = SlidingWindowCounter("4/10s", timer=lambda: clock)
    >>> [limiter.allow("ann") for _ in range(5)]
    [True, True, True, True, False]
    >>> clock = 12.5  # three quarters of the window before still count: three calls
    >>> [limiter.allow("ann") for _ in range(2)]
    [True, False]
    """

    def __init__(self, rate, *, storage=None, timer=None):
        self.start(rates.window_rules(rate), storage, timer)

    cdef int kind(self) except -1:
        return rates.COUNTER

    cdef type strategy(self):
        return SlidingWindowCounter


cdef class LeakyBucket(Limiter):
    """LeakyBucket(rate, burst=None, *, storage=None, timer=None)\n--\n\n\
    So many calls in a period, evenly, and `burst` at once: the leaky bucket as GCRA has it.

    A bucket of `burst` drops that leaks at the rate; a call passes if its drops find room.

    Parameters
    ----------
    rate : str, Rate, or iterable of these
        ``"100/minute"``, ``"10/second;1000/hour"``, ``Rate(100, per=60)``. Of several all must agree; up to 8.
    burst : int, optional
        How much may pass at once, in ``[1, 2**32)``; by default the count of the rate. 1 spaces calls
        evenly. None with several rates.
    storage : Memory, SharedMemory or Redis, optional
        Where the state lies; a `Memory` of its own by default.
    timer : callable, optional
        Returns the time in seconds; by default the clock of ``time.monotonic``, or the server's.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If `rate` does not parse, is out of range, a bucket would take more than 100 days to be whole
        again, or `storage` is one of another strategy or rate.

    Notes
    -----
    O(1) and 24 bytes of state a key and rate. The state is exact, whatever the rate: ``"5/7second"``
    lets exactly ``5 * n`` pass in ``7 * n`` seconds. While the clock is behind, having been set back, a key
    stands still; `retry_after` says for how long.

    Threads: a call is atomic.

    References
    ----------
    .. [1] ITU-T Recommendation I.371, "Traffic control and congestion control in B-ISDN", annex A.

    Examples
    --------
    >>> from fastblocks import LeakyBucket
    >>> clock = 0.0
    >>> limiter = LeakyBucket("1/2s", burst=2, timer=lambda: clock)
    >>> [limiter.allow("ann") for _ in range(3)]
    [True, True, False]
    >>> clock = 2.0
    >>> limiter.hit("ann")
    Decision(allowed=True, limit=2, remaining=0, retry_after=0.0, reset_after=4.0)
    """

    def __init__(self, rate, burst=None, *, storage=None, timer=None):
        self.start(rates.leaky_rules(rate, burst), storage, timer)

    cdef int kind(self) except -1:
        return rates.BUCKET

    cdef type strategy(self):
        return LeakyBucket


cdef class TokenBucket(Limiter):
    """TokenBucket(per_second, burst, *, storage=None, timer=None)\n--\n\n\
    Tokens that come at a rate and can be saved up to `burst`; a call takes as many as it costs.

    Parameters
    ----------
    per_second : int, float or fractions.Fraction
        Tokens a second, below 2**32 and at least one in 100 days. A float counts as the decimal number
        it shows, or if that has too many digits, as the closest ratio of integers below 2**32 and up to
        8640000: 0.1 is one token in ten seconds and 1 / 3 one in three, exactly.
    burst : int
        How many tokens can be saved up, in ``[1, 2**32)``.
    storage : Memory, SharedMemory or Redis, optional
        Where the state lies; a `Memory` of its own by default.
    timer : callable, optional
        Returns the time in seconds; by default the clock of ``time.monotonic``, or the server's.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, the bucket would take more than 100 days to fill, or `storage`
        is one of another strategy or rate.

    Notes
    -----
    O(1) and 24 bytes of state a key. It decides as `LeakyBucket` of the same rate and burst. While the clock
    is behind, having been set back, a key stands still; `retry_after` says for how long.

    Threads: a call is atomic.

    Examples
    --------
    >>> from fastblocks import TokenBucket
    >>> clock = 0.0
    >>> limiter = TokenBucket(per_second=2, burst=10, timer=lambda: clock)
    >>> limiter.allow("ann", cost=10), limiter.hit("ann", cost=3).retry_after
    (True, 1.5)
    """

    def __init__(self, per_second, burst, *, storage=None, timer=None):
        self.start((rates.per_second_rule(per_second, burst),), storage, timer)

    cdef int kind(self) except -1:
        return rates.BUCKET

    cdef type strategy(self):
        return TokenBucket


fb_cpu_level()
