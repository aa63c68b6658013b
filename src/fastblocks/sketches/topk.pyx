"""Heavy hitters: the hottest keys of a stream."""

import sys

from cpython.bytes cimport PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.long cimport PyLong_CheckExact
from cpython.unicode cimport (
    PyUnicode_AsUTF8AndSize, PyUnicode_CheckExact, PyUnicode_DecodeUTF8,
)
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastblocks._core import check, errors
from fastblocks._core.types import HeavyHitter

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, plain_key, seed64,
)
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)

cdef extern from "memory.h" nogil:
    void *fb_alloc_zeroed(size_t size)
    void fb_free_zeroed(void *p)

cdef extern from "sketches/topk.h" nogil:
    uint32_t FB_TOPK_MAX_K
    uint32_t FB_TOPK_NONE
    uint64_t FB_TOPK_MAX_TOTAL
    enum:
        FB_TOPK_HALVINGS
    ctypedef struct fb_topk_counter_t:
        uint64_t hash
        uint64_t count
        uint64_t error
    ctypedef struct fb_topk_ranked_t:
        fb_topk_counter_t counter
        uint32_t slot
    ctypedef struct fb_topk_t:
        uint64_t total
        bint decays
        uint32_t capacity
        uint32_t n
        uint32_t n_changed
        uint64_t n_cells
        fb_topk_counter_t *counters
        uint64_t *cells
        uint64_t *origin
        uint32_t *changed
    uint32_t fb_topk_counters_for(uint32_t k)
    uint64_t fb_topk_cells_for(uint32_t capacity)
    size_t fb_topk_bytes(uint32_t capacity, uint64_t n_cells)
    void fb_topk_init(fb_topk_t *t, uint32_t capacity, uint64_t n_cells, bint decays, void *memory)
    void fb_topk_clear(fb_topk_t *t)
    uint64_t fb_topk_weighed(const fb_topk_t *t, uint64_t count, double weight)
    double fb_topk_weight(uint64_t age, uint64_t half_life)
    uint32_t fb_topk_fade(fb_topk_t *t, uint64_t halvings, uint32_t *kept)
    uint32_t fb_topk_add(fb_topk_t *t, uint64_t h, uint64_t value)
    void fb_topk_add_keys(fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed,
                          const uint64_t *counts, uint64_t count, double weight)
    void fb_topk_settle(fb_topk_t *t)
    uint32_t fb_topk_find(const fb_topk_t *t, uint64_t h)
    uint64_t fb_topk_estimate(const fb_topk_t *t, uint64_t h)
    void fb_topk_estimate_keys(const fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed,
                               double weight, uint64_t *out)
    bint fb_topk_among(const fb_topk_t *t, uint32_t slot, uint32_t k)
    void fb_topk_rank(const fb_topk_t *t, fb_topk_ranked_t *out, uint32_t first)
    void fb_topk_merge(fb_topk_t *t, const fb_topk_t *other, double factor,
                       fb_topk_ranked_t *room)
    bint fb_topk_celled(const fb_topk_t *t)
    bint fb_topk_load(fb_topk_t *t, uint64_t total, const uint64_t *cells,
                      const fb_topk_counter_t *counters, uint32_t n)
    void fb_topk_drop(fb_topk_t *t, uint32_t slot)
    uint64_t fb_topk_sum(const uint64_t *counts, size_t n)

cdef uint32_t KIND = FB_STATE_FOURCC(c"T", c"O", c"P", c"K")
cdef enum:
    VERSION = 1
    HEAD = 8  # words in front of the payload
    # The forms of a key.
    STR = 0
    BYTES = 1
    INT = 2
    UINT = 3


cdef class TopK(Flat):
    """TopK(k, decay=None, *, seed=0, timer=None)\n--\n\n\
    The `k` hottest keys of a stream, each with bounds of how often it came.

    It counts every key it is given in memory that does not depend on how many there are: the hot ones
    exactly or nearly so, the rest at most ``error_bound()`` too high. Summaries of parts of a stream
    can be merged. With `decay`, old counts fade, so that what is hot now is on top.

    Parameters
    ----------
    k : int
        How many keys are to be told apart, in ``[1, 2**24]``. It sets memory and precision.
    decay : float, optional
        Seconds in which every count halves, continuously; above 0 and below 9e9. Counts are floats
        then. By default counts are ints and stay.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved summaries hold it.
    timer : callable, optional
        Returns the time in seconds, for `decay`. By default the clock of `time.monotonic`. A clock
        that goes backwards is taken to stand still.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    Filtered Space-Saving with ``m = max(2 * k, 128)`` counters. With `total` the sum of all counts,

    - every key that came more often than ``total / m`` has a counter;
    - of a key with a counter, ``count - error <= true count <= count``; `error` is at most
      ``total / m``, and 0 or close to it for hot keys that came early;
    - a key without a counter came at most ``estimate(key)`` times, which is at most ``total / m``.

    Merging keeps all of this. With `decay` it holds for the decayed counts, but for the rounding of
    floats, and but for what has come to less than ``2**-64``, which is forgotten.

    `add` is O(length of the key), and O(log k) at times. Memory: 265 to 425 bytes for each of the k
    from 64 on, 17 kB at least, and ``max(2 * k, 128)`` keys.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``; what is given back is the form that was seen first). They are told apart by 64-bit hashes.

    Threads: any number may use it at once; they exclude each other. Batches of 512 keys or more are
    counted without the GIL.

    An opened summary cannot be changed. Bytes and pickles do not hold the timer.

    References
    ----------
    .. [1] A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k
       elements in data streams", ICDT 2005.
    .. [2] N. Homem, J. P. Carvalho, "Finding top-k elements in data streams", Information Sciences
       180(24), 2010.
    .. [3] P. K. Agarwal, G. Cormode, Z. Huang, J. Phillips, Z. Wei, K. Yi, "Mergeable summaries",
       PODS 2012.
    .. [4] G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, "Forward decay: a practical time decay
       model for streaming systems", ICDE 2009.

    Examples
    --------
    >>> from fastblocks import TopK
    >>> hot = TopK(2)
    >>> hot.add_many(["a", "b", "a", "c", "a", "b"])
    >>> hot.top()
    [HeavyHitter(key='a', count=3, error=0), HeavyHitter(key='b', count=2, error=0)]
    >>> "a" in hot, "c" in hot
    (True, False)
    >>> hot
    TopK(k=2, decay=None, seed=0)
    """

    cdef fb_topk_t t
    cdef void *memory
    cdef list keys          # by slot; there may be more items than slots
    cdef uint32_t _k
    cdef double _decay      # 0 if there is none
    cdef uint64_t half_life  # nanoseconds
    cdef uint64_t age       # of the landmark at `latest`
    cdef int64_t latest
    cdef uint64_t _seed
    cdef object _timer

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self._k = 1
        self.build()
        self.allocate(0)

    def __dealloc__(self):
        fb_free_zeroed(self.memory)

    def __init__(self, k, decay=None, *, seed=0, timer=None):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        k = check.integer("k", k, 1, FB_TOPK_MAX_K)
        cdef uint64_t half_life = 0 if decay is None else check.seconds_ns("decay", decay)
        timer = check.timer(timer)
        cdef double decay_ = 0.0 if decay is None else decay
        self.begin_init()  # again: checking the arguments may have run anything
        before = self._k, self._decay, self.half_life
        self._k, self._decay, self.half_life = k, decay_, half_life
        try:
            self.build()
        except BaseException:  # then the object stays what it was
            self._k, self._decay, self.half_life = before
            raise
        self._seed, self._timer = seed_, timer
        self.latest = self.now()
        self.made = True

    # ---- time -------------------------------------------------------------------------------

    cdef int64_t now(self) except? -1:
        """The time, if it matters. May run Python code: no lock is held."""
        return now_ns(self._timer) if self.half_life else 0

    cdef double advance(self, int64_t now):
        """Let time pass until `now`, unless it has already; return the weight of now."""
        cdef uint64_t passed, halvings
        cdef uint32_t i, n
        if not self.half_life:
            return 1.0
        if now > self.latest:
            passed = <uint64_t>now - <uint64_t>self.latest
            self.age = self.age + passed if passed <= ~self.age else ~<uint64_t>0
            self.latest = now
        halvings = self.age // self.half_life
        if halvings >= FB_TOPK_HALVINGS:
            self.age -= halvings * self.half_life
            n = fb_topk_fade(&self.t, halvings, self.t.changed)
            for i in range(n):
                self.keys[i] = self.keys[self.t.changed[i]]
            for i in range(n, <uint32_t>len(self.keys)):
                self.keys[i] = None
        return fb_topk_weight(self.age, self.half_life)

    # ---- counting ---------------------------------------------------------------------------

    def add(self, key, count=1):
        """Count one key, once or `count` times.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        count : int, default 1
            In ``[0, 2**63)``; 0 changes nothing.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        TypeError, ValueError
            If `count` is no int, or out of range.
        OverflowError
            If the sum of all counts would exceed ``2**63 - 1`` (without decay).
        io.UnsupportedOperation
            If the summary was opened from a file.

        Examples
        --------
        >>> from fastblocks import TopK
        >>> hot = TopK(10)
        >>> hot.add("a")
        >>> hot.add("b", 5)
        >>> hot.estimate("b")
        5
        """
        if not (PyUnicode_CheckExact(key) or PyBytes_CheckExact(key) or PyLong_CheckExact(key)):
            hash_key(key, self._seed)  # raises for what is no key
            key = plain_key(key)
        cdef uint64_t h = hash_key(key, self._seed), times = 1
        if count is not ONE:
            times = check.integer("count", count, 0, FB_TOPK_MAX_TOTAL)
        cdef int64_t now = self.now()
        if self.alone():
            self.count(key, h, times, now)
        else:
            self.check_writable("add")
            with self.whole:
                self.count(key, h, times, now)

    def add_many(self, keys, counts=1):
        """Count a batch of keys: all of them, or none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, which is held as a list
            for the time of the call.
        counts : int or array of int, shape (n,), default 1
            How often each came, in ``[0, 2**63)``; 0 changes nothing.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        TypeError, ValueError
            If `keys` has a null or is not 1-D; if `counts` does not fit, or has a number out of range.
        OverflowError
            If the sum of all counts would exceed ``2**63 - 1`` (without decay).
        io.UnsupportedOperation
            If the summary was opened from a file.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL. Of an
        Arrow string that is not valid UTF-8 the bytes are the key.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import TopK
        >>> hot = TopK(10)
        >>> hot.add_many(np.array([7, 7, 8]), counts=[1, 2, 4])
        >>> [(key, count) for key, count, error in hot.top()]
        [(8, 4), (7, 3)]
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed, True)
        counts = check.counts(counts, batch.n, FB_TOPK_MAX_TOTAL)
        cdef uint64_t one = 0, total
        cdef const uint64_t *each = NULL
        cdef double weight
        if isinstance(counts, int):
            one = counts
            total = <uint64_t>min(counts * batch.n, FB_TOPK_MAX_TOTAL + 1)
        else:
            each = <const uint64_t *>data_of(counts)
            total = fb_topk_sum(each, batch.n)
        cdef int64_t now = self.now()
        with self.whole:
            self.begin_writing()
            try:
                weight = self.advance(now)
                self.check_total(total)
                self.make_room(batch.n)
                if batch.n < RELEASE_GIL_FROM:
                    fb_topk_add_keys(&self.t, batch.cursor(), self._seed, each, one, weight)
                else:
                    with nogil:
                        fb_topk_add_keys(&self.t, batch.cursor(), self._seed, each, one, weight)
                self.take_keys(batch)
            finally:
                self.end_writing()

    # ---- looking up -------------------------------------------------------------------------

    def top(self, n=None):
        """Return the hottest keys, hottest first.

        Parameters
        ----------
        n : int, optional
            How many at most, in ``[1, k]``; by default k.

        Returns
        -------
        list of HeavyHitter
            Named tuples ``(key, count, error)``, ordered by `count`, largest first; where counts are
            equal by `error`, smallest first, and then by the key's hash.

        Raises
        ------
        TypeError, ValueError
            If `n` is no int, or out of range.

        Notes
        -----
        O(k + n log n).

        Examples
        --------
        >>> from fastblocks import TopK
        >>> hot = TopK(10)
        >>> hot.add_many("mississippi")
        Traceback (most recent call last):
        TypeError: keys must be an array or iterable of keys, not one str; pass [key]
        >>> hot.add_many(list("mississippi"))
        >>> sorted(hit.key for hit in hot.top(2)), hot.top(1)[0].count
        (['i', 's'], 4)
        """
        cdef uint32_t most = self._k, i
        if n is not None:
            most = check.integer("n", n, 1, self._k)
        cdef int64_t now = self.now()
        cdef double weight
        cdef list hot = [None] * min(most, self.t.capacity)
        cdef fb_topk_ranked_t *ranked = ranked_room(self.t.capacity)
        cdef bint locked = self.enter()
        try:
            weight = self.advance(now)
            most = min(most, self.t.n)
            fb_topk_rank(&self.t, ranked, most)
            for i in range(most):
                hot[i] = self.keys[ranked[i].slot]
            self.leave(locked)
            locked = False
            return [
                HeavyHitter(
                    hot[i],
                    self.shown(ranked[i].counter.count, weight),
                    self.shown(ranked[i].counter.error, weight),
                )
                for i in range(most)
            ]
        finally:
            self.leave(locked)
            free(ranked)

    def estimate(self, key):
        """Return an upper bound of how often `key` came.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int or float
            Its count if it has a counter; otherwise a number that is at most ``error_bound()``. A
            float if counts decay.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        """
        cdef uint64_t h = hash_key(key, self._seed), value
        cdef int64_t now = self.now()
        cdef double weight
        cdef bint locked = self.enter()
        try:
            weight = self.advance(now)
            value = fb_topk_estimate(&self.t, h)
        finally:
            self.leave(locked)
        return self.shown(value, weight)

    def estimate_many(self, keys, out=None):
        """Return `estimate` for each key of a batch.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`.
        out : ndarray of uint64, shape (n,), optional
            Where to write the answers; C-contiguous and writable; of float64 if counts decay.

        Returns
        -------
        ndarray of uint64, or of float64 if counts decay, shape (n,)
            ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `add_many`, or if `out` does not fit. `out` is unchanged after any error.

        Examples
        --------
        >>> from fastblocks import TopK
        >>> hot = TopK(10)
        >>> hot.add_many([1, 1, 2])
        >>> hot.estimate_many([1, 2, 3]).tolist()
        [2, 1, 0]
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "float64" if self.half_life else "uint64")
        cdef uint64_t *answers = <uint64_t *>data_of(result)
        cdef double weight
        cdef int64_t now = self.now()
        with self.whole:
            self.begin_writing()
            try:
                weight = self.advance(now)
                if batch.n < RELEASE_GIL_FROM:
                    fb_topk_estimate_keys(&self.t, batch.cursor(), self._seed, weight, answers)
                else:
                    with nogil:
                        fb_topk_estimate_keys(&self.t, batch.cursor(), self._seed, weight, answers)
            finally:
                self.end_writing()
        return delivered(result, out)

    def __contains__(self, key):
        cdef uint64_t h = hash_key(key, self._seed)
        cdef int64_t now = self.now()
        cdef uint32_t slot
        cdef bint locked = self.enter()
        try:
            self.advance(now)
            slot = fb_topk_find(&self.t, h)
            return slot != FB_TOPK_NONE and fb_topk_among(&self.t, slot, self._k)
        finally:
            self.leave(locked)

    def contains(self, key):
        """Return whether `key` is among the k hottest; the same as ``key in topk``.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        bool
            True if ``top()`` would list it.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.

        Notes
        -----
        O(k) for a key that has a counter, O(1) for others.
        """
        return key in self

    def __len__(self):
        cdef int64_t now = self.now()
        cdef bint locked = self.enter()
        try:
            self.advance(now)
            return min(self.t.n, self._k)
        finally:
            self.leave(locked)

    # ---- whole summaries --------------------------------------------------------------------

    def merge(self, *others):
        """Count all that others have counted.

        Parameters
        ----------
        *others : TopK
            Summaries of the same k, decay and seed.

        Raises
        ------
        TypeError
            If one is no TopK.
        ValueError
            If one has other parameters. Nothing has been merged then.
        OverflowError
            If the sum of all counts would exceed ``2**63 - 1`` (without decay). Nothing has been
            merged then.
        io.UnsupportedOperation
            If this summary was opened from a file.

        Notes
        -----
        O(k log k) for each.

        Examples
        --------
        >>> from fastblocks import TopK
        >>> a, b = TopK(10), TopK(10)
        >>> a.add("x", 2)
        >>> b.add("x", 3)
        >>> a.merge(b)
        >>> a.top()
        [HeavyHitter(key='x', count=5, error=0)]
        """
        cdef TopK other
        self.check_writable("merge")
        for each in others:
            self.check_same(each, TopK)
        cdef list copies = [TopK.copy(each) for each in others]  # not what a subclass makes of it
        cdef uint64_t more = 0
        cdef double sum = 0.0
        for other in copies:
            if self.half_life:
                sum += double_of_word(other.t.total) / fb_topk_weight(other.age, other.half_life)
            else:
                more = min(more + other.t.total, FB_TOPK_MAX_TOTAL + 1)
        cdef int64_t now = self.now()
        cdef double weight
        cdef fb_topk_ranked_t *room = ranked_room(2 * <size_t>self.t.capacity)
        try:
            with self.whole:
                self.begin_writing()
                try:
                    weight = self.advance(now)
                    self.check_total(more)
                    if double_of_word(self.t.total) + sum * weight > MOST:
                        raise errors.total_overflow(MOST)
                    for other in copies:
                        self.absorb(other, weight, room)
                finally:
                    self.end_writing()
        finally:
            free(room)

    def __eq__(self, other):
        if not isinstance(other, TopK):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        self.pass_time()
        (<TopK>other).pass_time()
        return self is other or self.contents() == (<TopK>other).contents()

    __hash__ = None

    def clear(self):
        """Forget everything.

        Raises
        ------
        io.UnsupportedOperation
            If the summary was opened from a file.
        """
        self.check_writable("clear")
        cdef int64_t now = self.now()
        with self.whole:
            self.begin_writing()
            self.advance(now)
            fb_topk_clear(&self.t)
            self.keys.clear()
            self.age = 0
            self.end_writing()

    # ---- what it is -------------------------------------------------------------------------

    @property
    def k(self):
        """How many keys are to be told apart."""
        return self._k

    @property
    def decay(self):
        """Seconds in which every count halves, or None."""
        return self._decay if self.half_life else None

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    @property
    def timer(self):
        """The clock that was given, or None."""
        return self._timer

    @property
    def total(self):
        """The sum of all counts: an int, or a float if counts decay."""
        cdef int64_t now = self.now()
        cdef double weight
        cdef uint64_t value
        cdef bint locked = self.enter()
        try:
            weight = self.advance(now)
            value = self.t.total
        finally:
            self.leave(locked)
        return self.shown(value, weight)

    def error_bound(self):
        """Return the largest possible error now: of counts, and of keys without a counter.

        Returns
        -------
        int or float
            ``total / max(2 * k, 128)``, rounded down unless counts decay.

        Examples
        --------
        >>> from fastblocks import TopK
        >>> hot = TopK(1000)
        >>> hot.add_many(range(10_000))
        >>> hot.error_bound()
        5
        """
        total = self.total
        return total / self.t.capacity if self.half_life else total // self.t.capacity

    @property
    def nbytes(self):
        """Bytes of memory that it takes, keys included."""
        cdef bint locked = self.enter()
        try:
            keys = self.keys[: self.t.n]
        finally:
            self.leave(locked)
        return fb_topk_bytes(self.t.capacity, self.t.n_cells) + sum(
            [8 + sys.getsizeof(key) for key in keys]
        )

    def __sizeof__(self):
        return object.__sizeof__(self) + fb_topk_bytes(self.t.capacity, self.t.n_cells)

    # ---- state ------------------------------------------------------------------------------

    def copy(self):
        """Return an equal object of its own, in memory, with the same timer.

        Returns
        -------
        type of self
        """
        self.pass_time()
        cdef TopK result = Flat.copy(self)
        result._timer = self._timer
        result.latest = result.now()
        return result

    def to_bytes(self):
        """Return the object as bytes: parameters, data and checksums, not the timer.

        Returns
        -------
        bytes
            The same on every platform; read by ``from_bytes``, and by ``open`` from a file. With
            decay, what is read from it goes on from where this one is now, on the default clock.
        """
        self.pass_time()
        return Flat.to_bytes(self)

    cdef tuple parameters(self):
        return ("k", self._k), ("decay", self.decay), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self._k
        state.params[1] = word_of_double(self._decay)
        state.params[2] = self._seed
        state.params[3] = self.t.capacity
        state.params[4] = self.t.n_cells
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef uint32_t k, capacity
        decay = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] <= FB_TOPK_MAX_K
            or not 0.0 <= decay < check.MAX_SECONDS
            or state.params[1] >> 63  # -0.0
            or not params_end_at(state, 5)
        ):
            return False
        k = <uint32_t>state.params[0]
        capacity = fb_topk_counters_for(k)
        if state.params[3] != capacity or state.params[4] != fb_topk_cells_for(capacity):
            return False
        self._k, self._decay, self._seed = k, decay, state.params[2]
        self.half_life = check.seconds_ns("decay", decay) if decay else 0
        return True

    cdef size_t gathered(self) except? 0xC7A3:
        cdef size_t text = 0
        cdef uint32_t i
        for i in range(self.t.n):
            text += <size_t>len_of_key(self.keys[i])
        cdef size_t cells = self.t.n_cells if fb_topk_celled(&self.t) else 0
        return 8 * (HEAD + cells + 4 * <size_t>self.t.n + (text + 7) // 8)

    cdef int gather(self, void *into) except -1:
        """Head; cells, if one is not 0; counters, hottest first; forms and lengths of keys; keys."""
        cdef uint64_t *words = <uint64_t *>into
        cdef uint64_t *forms
        cdef uint8_t *text
        cdef const char *data
        cdef Py_ssize_t length
        cdef uint64_t n_text = 0
        cdef uint32_t i, n = self.t.n
        cdef int form
        cdef uint64_t number
        cdef fb_topk_ranked_t *ranked = ranked_room(self.t.capacity)
        try:
            fb_topk_rank(&self.t, ranked, n)
            for i in range(HEAD):
                words[i] = 0
            words[0], words[1], words[2] = self.t.total, n, self.age
            if fb_topk_celled(&self.t):
                words[4] = self.t.n_cells
                memcpy(words + HEAD, self.t.cells, self.t.n_cells * sizeof(uint64_t))
            words += HEAD + words[4]
            for i in range(n):
                memcpy(words, &ranked[i].counter, sizeof(fb_topk_counter_t))
                words += 3
            forms, text = words, <uint8_t *>(words + n)
            for i in range(n):
                key = self.keys[ranked[i].slot]
                if PyUnicode_CheckExact(key):
                    form, data = STR, PyUnicode_AsUTF8AndSize(key, &length)
                elif PyBytes_CheckExact(key):
                    form, data, length = BYTES, <char *>(<bytes>key), len(<bytes>key)
                else:
                    form = INT if key < 2**63 else UINT
                    number = key if form == UINT else <uint64_t><int64_t>key
                    data, length = <char *>&number, 8
                forms[i] = <uint64_t>length << 8 | form
                memcpy(text + n_text, data, length)
                n_text += length
            (<uint64_t *>into)[3] = n_text
            while n_text % 8:
                text[n_text] = 0
                n_text += 1
        finally:
            free(ranked)
        return 0

    cdef bint admit(self) except -1:
        cdef bint good
        self.build()
        self.latest = self.now()
        good = self.read(<const uint64_t *>self.payload, self.size)
        # The data are in memory of our own now; who was opened to be read stays so.
        if self.owned:
            self.allocate(0)
        else:
            self.release()
        return good

    # ---- within -----------------------------------------------------------------------------

    cdef int build(self) except -1:
        """Be empty, by the parameters."""
        cdef uint32_t capacity = fb_topk_counters_for(self._k)
        cdef uint64_t n_cells = fb_topk_cells_for(capacity)
        cdef size_t size = fb_topk_bytes(capacity, n_cells)
        cdef void *memory = fb_alloc_zeroed(size) if size else NULL
        if memory == NULL:
            raise MemoryError(f"cannot allocate {size} bytes")
        fb_free_zeroed(self.memory)
        self.memory = memory
        fb_topk_init(&self.t, capacity, n_cells, self.half_life != 0, memory)
        self.keys = []
        self.age = 0
        return 0

    cdef bint enter(self) except -1:
        """Keep others out, unless they are; return what `leave` is to be told."""
        if self.alone():
            return False
        self.whole.acquire()
        return True

    cdef int leave(self, bint locked) except -1:
        if locked:
            self.whole.release()
        return 0

    cdef object shown(self, uint64_t value, double weight):
        """A stored value as of now."""
        return double_of_word(value) / weight if self.half_life else value

    cdef int pass_time(self) except -1:
        cdef int64_t now = self.now()
        cdef bint locked
        if self.half_life:
            locked = self.enter()
            self.advance(now)
            self.leave(locked)
        return 0

    cdef int check_total(self, uint64_t more) except -1:
        if not self.half_life and more > FB_TOPK_MAX_TOTAL - self.t.total:
            raise errors.total_overflow()
        return 0

    cdef int count(self, object key, uint64_t h, uint64_t times, int64_t now) except -1:
        cdef double weight = self.advance(now)
        cdef uint32_t slot
        self.check_total(times)
        if times == 0:
            return 0
        self.make_room(1)
        slot = fb_topk_add(&self.t, h, fb_topk_weighed(&self.t, times, weight))
        if slot != FB_TOPK_NONE:
            self.keys[slot] = key
        return 0

    cdef int make_room(self, size_t more) except -1:
        """See to it that there are items for as many slots as so many keys may take."""
        cdef size_t need = min(self.t.n + more, self.t.capacity), have = len(self.keys)
        if have < need:
            self.keys.extend([None] * max(need - have, min(have, self.t.capacity - have)))
        return 0

    cdef int take_keys(self, KeyBatch batch) except -1:
        """After a batch: the keys of the slots that changed hands."""
        cdef uint32_t i, slot
        cdef bint changed = False, done = False
        for i in range(self.t.n_changed):
            self.keys[self.t.changed[i]] = None
        try:
            for i in range(self.t.n_changed):
                slot = self.t.changed[i]
                key = batch.key_at(self.t.origin[slot] - 1)
                if hash_key(key, self._seed) == self.t.counters[slot].hash:
                    self.keys[slot] = key
                else:  # another thread has written to the array meanwhile
                    changed = True
            done = not changed
        finally:
            fb_topk_settle(&self.t)
            if not done:
                self.drop_nameless()
        if changed:
            raise RuntimeError("keys: the array changed while it was read")
        return 0

    cdef int drop_nameless(self) except -1:
        """Give up the counters whose keys could not be had; their counts go to their cells."""
        cdef uint32_t slot = self.t.n
        while slot > 0:
            slot -= 1
            if self.keys[slot] is None:
                fb_topk_drop(&self.t, slot)
                self.keys[slot] = self.keys[self.t.n]
                self.keys[self.t.n] = None
        return 0

    cdef int absorb(self, TopK other, double weight, fb_topk_ranked_t *room) except -1:
        cdef uint32_t slot, ours = self.t.n
        cdef double factor = 1.0
        if self.half_life:
            factor = weight / fb_topk_weight(other.age, other.half_life)
        cdef list keys = self.keys
        cdef list merged = [None] * min(ours + other.t.n, self.t.capacity)
        fb_topk_merge(&self.t, &other.t, factor, room)
        for slot in range(self.t.n):
            if room[slot].slot < ours:
                merged[slot] = keys[room[slot].slot]
            else:
                merged[slot] = other.keys[room[slot].slot - ours]
        self.keys = merged
        return 0

    cdef bytes contents(self):
        """The payload without the age."""
        cdef bytes data
        cdef uint64_t *words
        with self.whole:
            self.begin_writing()
            try:
                data = PyBytes_FromStringAndSize(NULL, self.gathered())
                words = <uint64_t *><char *>data
                self.gather(words)
                words[2] = 0
            finally:
                self.end_writing()
        return data

    cdef bint read(self, const uint64_t *words, size_t size) except -1:
        """Take over what `gather` wrote; False if it cannot be that."""
        if size < 8 * HEAD or size % 8:
            return False
        cdef uint64_t n = words[1], n_text = words[3], n_cells = words[4], i, length, at = 0
        if (
            n > self.t.capacity
            or (n_cells and n_cells != self.t.n_cells)
            or words[5] | words[6] | words[7]
            or n_text > size
            or size != 8 * (HEAD + n_cells + 4 * n + (n_text + 7) // 8)
            or (self.half_life == 0 and words[2])
            or (self.half_life and words[2] // self.half_life >= FB_TOPK_HALVINGS)
        ):
            return False
        cdef const uint64_t *cells = words + HEAD if n_cells else NULL
        cdef const uint64_t *counters = words + HEAD + n_cells
        cdef const uint64_t *forms = counters + 3 * n
        cdef const char *text = <const char *>(forms + n)
        if not fb_topk_load(
            &self.t, words[0], cells, <const fb_topk_counter_t *>counters, <uint32_t>n
        ):
            return False
        self.age = words[2]
        for i in range(n):
            length = forms[i] >> 8
            if length > n_text - at:
                return False
            key = key_of(text + at, <Py_ssize_t>length, forms[i] & 0xFF)
            if key is None or hash_key(key, self._seed) != self.t.counters[i].hash:
                return False
            self.keys.append(key)
            at += length
        for i in range(n_text, (n_text + 7) // 8 * 8):
            if text[i]:
                return False
        return at == n_text


cdef object ONE = 1
cdef double MOST = 2.0**499  # of a sum of decaying counts: saved ones are refused from 2**500 on


cdef fb_topk_ranked_t *ranked_room(size_t n) except NULL:
    cdef fb_topk_ranked_t *room = <fb_topk_ranked_t *>malloc(n * sizeof(fb_topk_ranked_t))
    if room == NULL:
        raise MemoryError()
    return room


cdef Py_ssize_t len_of_key(object key) except -1:
    cdef Py_ssize_t length = 8
    if PyUnicode_CheckExact(key):
        PyUnicode_AsUTF8AndSize(key, &length)
    elif PyBytes_CheckExact(key):
        length = len(<bytes>key)
    return length


cdef object key_of(const char *data, Py_ssize_t length, int form):
    """The key of some bytes, or None if they have not that form."""
    cdef uint64_t number
    if form == STR:
        try:
            return PyUnicode_DecodeUTF8(data, length, NULL)
        except UnicodeDecodeError:
            return None
    if form == BYTES:
        return PyBytes_FromStringAndSize(data, length)
    if (form != INT and form != UINT) or length != 8:
        return None
    memcpy(&number, data, 8)
    if form == INT:
        return <int64_t>number
    return number if number >> 63 else None


fb_cpu_level()
