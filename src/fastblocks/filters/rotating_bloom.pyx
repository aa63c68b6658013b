"""Rotating Bloom filter: keys seen in the last seconds."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport ONE_WRITER, Flat, fresh
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.filters._filter cimport MutableFilter, cbool
from fastblocks.filters._split_block cimport keys_of_cells

cdef extern from "filters/rotating_bloom.h" nogil:
    double FB_BLOOM_MIN_FP_RATE
    ctypedef struct fb_bloom_shape_t:
        uint64_t n_blocks
        unsigned lanes
    bint fb_bloom_shape_ok(fb_bloom_shape_t shape)
    enum:
        FB_ROTATING_BLOOM_HEAD
        FB_ROTATING_BLOOM_MAX_GENERATIONS
    ctypedef struct fb_rotating_bloom_t:
        unsigned generations
    uint64_t fb_rotating_bloom_period(uint64_t window, unsigned generations)
    fb_status_t fb_rotating_bloom_shape(uint64_t capacity, double fp_rate, unsigned generations,
                                        fb_bloom_shape_t *shape)
    uint64_t fb_rotating_bloom_bytes(fb_bloom_shape_t shape, unsigned generations)
    void fb_rotating_bloom_init(fb_rotating_bloom_t *r, fb_bloom_shape_t shape,
                                unsigned generations, uint64_t period, void *payload)
    bint fb_rotating_bloom_valid(const fb_rotating_bloom_t *r)
    void fb_rotating_bloom_begin(fb_rotating_bloom_t *r, int64_t now, cbool writable)
    bint fb_rotating_bloom_due(const fb_rotating_bloom_t *r, int64_t now)
    void fb_rotating_bloom_rotate(fb_rotating_bloom_t *r, int64_t now)
    bint fb_rotating_bloom_add(fb_rotating_bloom_t *r, uint64_t h)
    void fb_rotating_bloom_add_keys(fb_rotating_bloom_t *r, fb_keys_cursor_t keys, uint64_t seed,
                                    cbool *out)
    bint fb_rotating_bloom_contains(const fb_rotating_bloom_t *r, int64_t now, uint64_t h)
    void fb_rotating_bloom_contains_keys(const fb_rotating_bloom_t *r, int64_t now,
                                         fb_keys_cursor_t keys, uint64_t seed, cbool *out)
    void fb_rotating_bloom_merge(fb_rotating_bloom_t *into, int64_t now,
                                 const fb_rotating_bloom_t *other, int64_t clock)
    void fb_rotating_bloom_clear(fb_rotating_bloom_t *r)
    bint fb_rotating_bloom_equal(const fb_rotating_bloom_t *a, int64_t now,
                                 const fb_rotating_bloom_t *b, int64_t clock)
    bint fb_rotating_bloom_empty(const fb_rotating_bloom_t *r, int64_t now)
    uint64_t fb_rotating_bloom_count_bits(const fb_rotating_bloom_t *r, int64_t now)
    uint64_t fb_rotating_bloom_count_union(const fb_rotating_bloom_t *r, int64_t now)
    double fb_rotating_bloom_rate_now(const fb_rotating_bloom_t *r, int64_t now)
    void fb_rotating_bloom_seal(const fb_rotating_bloom_t *r, int64_t now, void *into)

cdef uint32_t KIND = FB_STATE_FOURCC(c"R", c"O", c"T", c"B")
cdef enum:
    VERSION = 1
cdef int64_t MAX_WINDOW = 9_000_000_000_000_000_000  # check.MAX_SECONDS in nanoseconds


cdef class RotatingBloomFilter(MutableFilter):
    """RotatingBloomFilter(capacity, fp_rate, window, generations=2, *, seed=0, timer=None)\n--\n\n\
    Which keys were seen in the last `window` seconds: it drops duplicates from a stream.

    Bloom filters that take turns: each takes the keys of one period, ``window / (generations - 1)``
    seconds; then the oldest is cleared and takes those of the next. A key is remembered for
    `window` seconds after it was last added, at least, and for one period more, at most.

    Parameters
    ----------
    capacity : int
        The most distinct keys in any `window` seconds, at least 1. There may be more; the
        false-positive rate then rises above `fp_rate` (see `expected_fp_rate`).
    fp_rate : float
        The share of new keys that it may take for seen ones while no more than `capacity` distinct
        keys come in `window` seconds, in ``[generations * 1e-9, 1)``.
    window : float
        Seconds for which a key is remembered, above 0 and below 9e9; kept as whole nanoseconds.
    generations : int, default 2
        How many filters take turns, in ``[2, 16]``. With two, a key may be remembered for twice the
        window; with five, for 1.25 times the window. Memory and time grow with it.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved filters hold it.
    timer : callable, optional
        A function that returns the time in seconds. By default the clock of `time.monotonic`,
        which goes on while the process sleeps, but not while the machine does.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or the filter would be too large.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `add` and ``in`` are O(length of the key + generations), with a cache miss a generation at most;
    once a period, an `add` clears a generation. Memory is constant: each generation is a
    `BloomFilter` of `capacity` and ``fp_rate / generations``; at 1 %, 25.2 bits per key of
    `capacity` for two generations.

    Time: a clock that goes back is harmless; keys are then remembered for longer. Bytes and files
    hold how old the keys are, not when they came: time stands still for them until they are loaded.

    Keys are as those of `BloomFilter`.

    Threads: any number may use it at once. Changes exclude each other, so of threads that add one
    new key exactly one is told that it is new; lookups take no lock. A file may be open with
    ``"r+"`` in one process at a time, and in any number with ``"r"``, which see every change.

    References
    ----------
    .. [1] F. Chang, W. Feng, K. Li, "Approximate caches for packet classification", INFOCOM 2004.

    Examples
    --------
    >>> from fastblocks import RotatingBloomFilter
    >>> clock = 0.0
    >>> seen = RotatingBloomFilter(1000, 0.001, window=60, timer=lambda: clock)
    >>> seen.add("order-17"), seen.add("order-17")
    (True, False)
    >>> clock = 60.0
    >>> seen.add("order-17")  # which is remembered for another 60 seconds at least
    False
    >>> clock = 180.0
    >>> "order-17" in seen
    False
    >>> seen
    RotatingBloomFilter(capacity=1000, fp_rate=0.001, window=60.0, generations=2, seed=0)
    """

    cdef fb_rotating_bloom_t filter
    cdef fb_bloom_shape_t shape  # of each generation
    cdef unsigned _generations
    cdef int64_t window_ns
    cdef object _capacity
    cdef double _fp_rate
    cdef object _timer
    cdef int64_t moment  # for which `gather` seals

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self._capacity, self._fp_rate = 1, 0.5
        self.window_ns, self._generations = 1, 2
        fb_rotating_bloom_shape(1, 0.5, 2, &self.shape)
        self.begin_empty(None, now_ns(None))

    def __init__(self, capacity, fp_rate, window, generations=2, *, seed=0, timer=None):
        cdef fb_bloom_shape_t shape
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        cdef unsigned turns = check.integer(
            "generations", generations, 2, FB_ROTATING_BLOOM_MAX_GENERATIONS
        )
        cdef double rate = check.real("fp_rate", fp_rate, FB_BLOOM_MIN_FP_RATE * turns, 1.0)
        cdef int64_t window_ns = check.seconds_ns("window", window)
        check.timer(timer)
        check_status(
            fb_rotating_bloom_shape(capacity, rate, turns, &shape),
            f"capacity={capacity} at fp_rate={rate / turns}",
        )
        cdef int64_t now = now_ns(timer)
        before = self.shape, self._generations, self.window_ns
        self.shape, self._generations, self.window_ns = shape, turns, window_ns
        try:
            self.begin_empty(timer, now)
        except BaseException:  # then the object stays what it was
            self.shape, self._generations, self.window_ns = before
            raise
        self._capacity, self._fp_rate, self._seed = capacity, rate, seed_
        self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key):
        """Add a key, and return whether it is new: not among those remembered.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        bool
            True: `key` was certainly not added in the last `window` seconds. False: it was, in
            these or the period before; or this is a false positive. In either case it is
            remembered from now on.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(length of the key + generations); O(nbytes) once a period.

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> f = RotatingBloomFilter(10, 0.01, window=60)
        >>> f.add(7), f.add(7), f.add(8)
        (True, False, True)
        """
        cdef bint new
        cdef uint64_t h = hash_key(key, self._seed)
        cdef int64_t now = now_ns(self._timer)
        if self.alone() and not fb_rotating_bloom_due(&self.filter, now):
            return fb_rotating_bloom_add(&self.filter, h)
        self.check_writable("add")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_rotating_bloom_rotate(&self.filter, now)
                new = fb_rotating_bloom_add(&self.filter, h)
            self.end_writing()
        return new

    def __contains__(self, key):
        cdef uint64_t h = hash_key(key, self._seed)
        return fb_rotating_bloom_contains(&self.filter, now_ns(self._timer), h)

    def add_many(self, keys, out=None):
        """Add a batch of keys in order, and return for each whether it is new.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `BloomFilter.add_many`.
        out : ndarray of bool, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of bool, shape (n,)
            What `add` would return for one key after the other: a key that is twice in the batch is
            new once, at most. ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key. Nothing is added and
            `out` is unchanged then.
        ValueError
            If `keys` has a null or is not 1-D, or `out` does not fit.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(n * generations). The clock is read once. Arrays are read in place, without the GIL.

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> f = RotatingBloomFilter(1000, 0.001, window=60)
        >>> f.add_many(["a", "b", "a"]).tolist()
        [True, True, False]
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "bool")
        self.insert(batch, <cbool *>data_of(result))
        return delivered(result, out)

    def update(self, *others):
        """Add every key of each of `others`.

        Parameters
        ----------
        *others : RotatingBloomFilter, array or iterable of keys
            A filter is merged (see `merge`); anything else is a batch as for `add_many`.

        Raises
        ------
        TypeError, OverflowError, ValueError, io.UnsupportedOperation
            As `merge` and `add_many`. Those of `others` before the bad one have been added.

        Notes
        -----
        Faster than `add_many`, since it asks no other generation whether a key is new.

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> f = RotatingBloomFilter(10, 0.01, window=60)
        >>> f.update(["a", "b"], [1, 2])
        >>> "b" in f, 2 in f
        (True, True)
        """
        self.check_writable("update")
        for other in others:
            if isinstance(other, RotatingBloomFilter):
                self.merge(other)
            else:
                self.insert(key_batch(other, self._seed), NULL)

    # ---- whole filters --------------------------------------------------------------------------

    def merge(self, *others):
        """Add all keys of other filters, so that each is remembered for long enough.

        Parameters
        ----------
        *others : RotatingBloomFilter
            Filters of the same capacity, fp_rate, window, generations and seed.

        Raises
        ------
        TypeError
            If one is no RotatingBloomFilter.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this filter is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. Generations of two filters need not begin at the same
        time: a key is remembered for `window` seconds after it was added to either, at least, and
        for two periods more, at most. Every further merge of what was merged may add a period:
        filters that merge each other again and again never forget. Merge them into a third one,
        which is thrown away.

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> a, b = (RotatingBloomFilter(10, 0.01, window=60) for _ in range(2))
        >>> b.add("x")
        True
        >>> a.merge(b)
        >>> "x" in a
        True
        """
        cdef RotatingBloomFilter other
        cdef int64_t now
        self.check_writable("merge")
        for one in others:
            self.check_same(one, RotatingBloomFilter)
        # Ours is read last, and once for filters on one timer: no key may look younger than it is.
        clocks = [
            None if (<RotatingBloomFilter>one)._timer is self._timer
            else now_ns((<RotatingBloomFilter>one)._timer)
            for one in others
        ]
        now = now_ns(self._timer)
        for other, clock in zip(others, clocks):
            if other is not self:
                self.unite(other, now, now if clock is None else clock)

    def __eq__(self, other):
        if not isinstance(other, RotatingBloomFilter):
            return NotImplemented
        return self.differing(other) is None and self.remembers_same(other)

    __hash__ = None

    def __bool__(self):
        cdef bint empty
        cdef int64_t now = now_ns(self._timer)
        with nogil:
            empty = fb_rotating_bloom_empty(&self.filter, now)
        return not empty

    def clear(self):
        """Forget all keys.

        Raises
        ------
        io.UnsupportedOperation
            If the filter is mapped read-only.
        """
        self.check_writable("clear")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_rotating_bloom_clear(&self.filter)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def capacity(self):
        """The most distinct keys in any `window` seconds that the filter was sized for."""
        return self._capacity

    @property
    def fp_rate(self):
        """The false-positive rate it was sized for."""
        return self._fp_rate

    @property
    def window(self):
        """Seconds for which a key is remembered at least, in whole nanoseconds."""
        ns = self.window_ns
        return ns / 10**9

    @property
    def generations(self):
        """How many Bloom filters take turns."""
        return self._generations

    @property
    def timer(self):
        """The function that tells the time in seconds; None for `time.monotonic`'s clock."""
        return self._timer

    @property
    def fill_ratio(self):
        """The share of bits that are set in the generations that are remembered, in [0, 1]."""
        cdef uint64_t count
        cdef int64_t now = now_ns(self._timer)
        with nogil:
            count = fb_rotating_bloom_count_bits(&self.filter, now)
        return count / (8 * (self.size - FB_ROTATING_BLOOM_HEAD))

    def approx_len(self):
        """Estimate how many distinct keys are remembered, from the bits of all generations.

        Returns
        -------
        int
            Those of the last `window` seconds, and those of the period before that are not
            forgotten yet. Within about 1 % for filters of thousands of keys, if `capacity` holds.

        Notes
        -----
        O(nbytes). A key sets the same bits in every generation, so the union of their bits is the
        Bloom filter of all keys (see `BloomFilter.approx_len`).

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> f = RotatingBloomFilter(1000, 0.01, window=60)
        >>> f.update(range(500), range(400))
        >>> 480 < f.approx_len() < 520
        True
        """
        cdef uint64_t count
        cdef int64_t now = now_ns(self._timer)
        with nogil:
            count = fb_rotating_bloom_count_union(&self.filter, now)
        return keys_of_cells(count, 32.0 * self.shape.n_blocks * self.shape.lanes, self.shape.lanes)

    def expected_fp_rate(self):
        """Return the false-positive rate to expect now.

        Returns
        -------
        float
            The probability that a new key is taken for a seen one, by the bits as they are; an upper
            estimate if many keys are in several generations.

        Notes
        -----
        O(nbytes).

        Examples
        --------
        >>> from fastblocks import RotatingBloomFilter
        >>> f = RotatingBloomFilter(1000, 0.01, window=60)
        >>> f.expected_fp_rate()
        0.0
        >>> f.update(range(1000))
        >>> 0 < f.expected_fp_rate() < 0.01
        True
        """
        cdef double rate
        cdef int64_t now = now_ns(self._timer)
        with nogil:
            rate = fb_rotating_bloom_rate_now(&self.filter, now)
        return rate

    # ---- state ------------------------------------------------------------------------------

    def copy(self):
        """Return an equal object of its own, in memory, on the same timer.

        Returns
        -------
        type of self
        """
        cdef RotatingBloomFilter result
        self.moment = now_ns(self._timer)  # not within the lock: a timer may be Python code
        result = Flat.copy(self)
        result.begin(self._timer, now_ns(self._timer))
        return result

    def to_bytes(self):
        """Return the object as bytes: parameters, data, age and checksums.

        Returns
        -------
        bytes
            Read by ``from_bytes``, and by ``open`` from a file. They hold how long ago the current
            generation began, and so differ from one moment to the next.
        """
        self.moment = now_ns(self._timer)
        return Flat.to_bytes(self)

    @classmethod
    def from_bytes(cls, data, *, timer=None):
        """Make an object from what ``to_bytes`` gave, in this process or any other.

        Parameters
        ----------
        data : bytes-like
        timer : callable, optional
            As for the class; it is not in the bytes.

        Returns
        -------
        cls
            Its keys are as old as they were when ``to_bytes`` was called.

        Raises
        ------
        TypeError
            If `data` is not bytes-like.
        ValueError
            If `data` is truncated, corrupt, or something else.
        """
        cdef RotatingBloomFilter result = fresh(cls)
        check.timer(timer)
        result.load(data)
        result.begin(timer, now_ns(timer))
        return result

    @classmethod
    def open(cls, path, mode="r", *, verify=True, timer=None):
        """Map a saved object into memory, shared with every other process that opens it.

        Parameters
        ----------
        path : str or os.PathLike
        mode : {"r", "r+"}
            ``"r"`` to look up; ``"r+"``, in one process at a time, to change it too.
        verify : bool, default True
            Whether to check the data against their checksum, as for `BloomFilter.open`.
        timer : callable, optional
            As for the class. All processes that map one file must go by the same clock, as those of
            one machine do by default.

        Returns
        -------
        cls
            Mapped for as long as it lives. The keys of a file that was saved are as old as they
            were then; those of a file that was changed in place have gone on ageing.

        Raises
        ------
        OSError
            If the file is missing or may not be opened so; `BlockingIOError` if another process
            has it open with ``"r+"``.
        ValueError
            If it is truncated, corrupt, or something else; if `mode` is neither.
        """
        cdef RotatingBloomFilter result = fresh(cls)
        check.timer(timer)
        result.map(path, mode, verify)
        result.begin(timer, now_ns(timer))
        return result

    cdef tuple parameters(self):
        return (
            ("capacity", self._capacity), ("fp_rate", self._fp_rate), ("window", self.window),
            ("generations", self._generations), ("seed", self._seed),
        )

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = <uint64_t>self._capacity
        state.params[1] = word_of_double(self._fp_rate)
        state.params[2] = self._seed
        state.params[3] = self.shape.n_blocks
        state.params[4] = self.shape.lanes
        state.params[5] = <uint64_t>self.window_ns
        state.params[6] = self._generations
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_bloom_shape_t shape
        cdef uint64_t generations = state.params[6]
        shape.n_blocks = state.params[3]
        shape.lanes = <unsigned>min(state.params[4], 0xFFFFFFFFU)
        fp_rate = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] < 2**63
            or not 2 <= generations <= FB_ROTATING_BLOOM_MAX_GENERATIONS
            or not FB_BLOOM_MIN_FP_RATE * generations <= fp_rate < 1.0
            or not 1 <= state.params[5] <= <uint64_t>MAX_WINDOW
            or not fb_bloom_shape_ok(shape)
            or fb_rotating_bloom_bytes(shape, <unsigned>generations) != state.payload_bytes
            or not params_end_at(state, 7)
        ):
            return False
        self._capacity = state.params[0]
        self._fp_rate = fp_rate
        self._seed = state.params[2]
        self.shape = shape
        self.window_ns = <int64_t>state.params[5]
        self._generations = <unsigned>generations
        return True

    cdef int attach(self) except -1:
        cdef uint64_t period = fb_rotating_bloom_period(
            <uint64_t>self.window_ns, self._generations
        )
        fb_rotating_bloom_init(
            &self.filter, self.shape, self._generations, period, self.payload
        )
        return 0

    cdef bint admit(self) except -1:
        return fb_rotating_bloom_valid(&self.filter)

    cdef int gather(self, void *into) except -1:
        with nogil:
            fb_rotating_bloom_seal(&self.filter, self.moment, into)
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return RotatingBloomFilter

    cdef int64_t now(self) except? -1:
        return now_ns(self._timer)

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_rotating_bloom_contains_keys(&self.filter, now, keys, self._seed, answers)

    cdef int begin_empty(self, object timer, int64_t now) except -1:
        self.allocate(<size_t>fb_rotating_bloom_bytes(self.shape, self._generations))
        return self.begin(timer, now)

    cdef int begin(self, object timer, int64_t now) except -1:
        """Set the time going, once the payload is there."""
        self._timer = timer
        fb_rotating_bloom_begin(&self.filter, now, self.writable)
        return 0

    cdef int insert(self, KeyBatch batch, cbool *answers) except -1:
        """Add a batch, at one instant."""
        cdef int64_t now = now_ns(self._timer)
        with self.whole:
            self.begin_writing()
            if batch.n < RELEASE_GIL_FROM and not fb_rotating_bloom_due(&self.filter, now):
                fb_rotating_bloom_add_keys(&self.filter, batch.cursor(), self._seed, answers)
            else:
                with nogil:
                    fb_rotating_bloom_rotate(&self.filter, now)
                    fb_rotating_bloom_add_keys(&self.filter, batch.cursor(), self._seed, answers)
            self.end_writing()
        return 0

    cdef int unite(self, RotatingBloomFilter other, int64_t now, int64_t clock) except -1:
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_rotating_bloom_rotate(&self.filter, now)
                fb_rotating_bloom_merge(&self.filter, now, &other.filter, clock)
            self.end_writing()
        return 0

    cdef bint remembers_same(self, RotatingBloomFilter other) except -1:
        cdef bint answer
        cdef int64_t now = now_ns(self._timer), clock = now
        if other._timer is not self._timer:
            clock = now_ns(other._timer)
        with nogil:
            answer = fb_rotating_bloom_equal(&self.filter, now, &other.filter, clock)
        return answer


fb_cpu_level()
