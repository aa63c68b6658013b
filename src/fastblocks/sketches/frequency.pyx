"""TinyLFU's frequency sketch."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport ONE_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at

cdef extern from "sketches/frequency.h" nogil:
    uint64_t FB_FREQUENCY_MAX_CAPACITY
    ctypedef struct fb_frequency_t:
        uint64_t sample_size
    uint64_t fb_frequency_bytes(uint64_t capacity)
    void fb_frequency_init(fb_frequency_t *s, uint64_t capacity, void *memory)
    uint64_t fb_frequency_records(const fb_frequency_t *s)
    void fb_frequency_age(fb_frequency_t *s)
    void fb_frequency_record(fb_frequency_t *s, uint64_t h)
    unsigned fb_frequency_estimate(const fb_frequency_t *s, uint64_t h)
    void fb_frequency_record_keys(fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed)
    void fb_frequency_estimate_keys(const fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                    uint8_t *out)
    void fb_frequency_merge(fb_frequency_t *into, const fb_frequency_t *other)
    void fb_frequency_clear(fb_frequency_t *s)
    bint fb_frequency_equal(const fb_frequency_t *a, const fb_frequency_t *b)
    bint fb_frequency_empty(const fb_frequency_t *s)
    bint fb_frequency_ok(const fb_frequency_t *s)

cdef uint32_t KIND = FB_STATE_FOURCC(c"F", c"R", c"E", c"Q")
cdef enum:
    VERSION = 1


cdef class FrequencySketch(Flat):
    """FrequencySketch(capacity, *, seed=0)\n--\n\n\
    About how often each key was seen lately, 0 to 15, in 8 bytes per entry of a cache.

    TinyLFU's sketch: it tells which of two keys is asked for more often, and so which of them a
    cache should keep. Counts are halved again and again, so that what was hot long ago fades.

    Parameters
    ----------
    capacity : int
        How many entries the cache has, in ``[1, 2**35]``. Memory and `sample_size` follow from it.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved sketches hold it.

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
    `record` and `estimate` are O(length of the key) and cost at most one cache miss; the aging that
    one in ``5 * capacity`` records brings is O(nbytes). Memory is constant: 8 bytes per entry in
    whole blocks of 64, and 64 more.

    Keys are as for `BloomFilter`: ``str``, ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)``.

    Threads: any number may read and write at once. Writers exclude each other, so no record is lost;
    estimates take no lock, and one that meets an aging or `merge` may see it half done.

    References
    ----------
    .. [1] G. Einziger, R. Friedman, B. Manes, "TinyLFU: a highly efficient cache admission policy",
       ACM Transactions on Storage 13(4), 2017.
    .. [2] C. Estan, G. Varghese, "New directions in traffic measurement and accounting",
       SIGCOMM 2002.

    Examples
    --------
    >>> from fastblocks import FrequencySketch
    >>> seen = FrequencySketch(1000)
    >>> seen.record_many(["Lisbon", "Porto", "Lisbon"])
    >>> seen.record("Lisbon")
    >>> seen.estimate("Lisbon"), seen.estimate("Porto"), seen.estimate("Faro")
    (3, 1, 0)
    >>> seen.age()
    >>> seen.estimate("Lisbon"), seen.estimate("Porto")
    (1, 0)
    >>> seen
    FrequencySketch(capacity=1000, seed=0)
    """

    cdef fb_frequency_t sketch
    cdef uint64_t _capacity
    cdef uint64_t _seed

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self._capacity = 1
        self.allocate(<size_t>fb_frequency_bytes(1))

    def __init__(self, capacity, *, seed=0):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        capacity = check.integer("capacity", capacity, 1, FB_FREQUENCY_MAX_CAPACITY)
        before = self._capacity
        self._capacity = capacity
        try:
            self.allocate(<size_t>fb_frequency_bytes(self._capacity))
        except BaseException:  # then the object stays what it was
            self._capacity = before
            raise
        self._seed = seed_
        self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def record(self, key):
        """Count one occurrence of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        Raises those of the key's four counters that equal their least, if that is below 15. The
        record that makes `records` reach `sample_size` ages the sketch, see `age`.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> s = FrequencySketch(10)
        >>> s.record(7)
        >>> s.estimate(7)
        1
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone():
            fb_frequency_record(&self.sketch, h)
        else:
            self.check_writable("record")
            with self.whole:
                fb_frequency_record(&self.sketch, h)

    def record_many(self, keys):
        """Count one occurrence of each key of a batch: of all, or of none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D.
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        O(n). The same as `record` of each key in turn, agings included. Arrays are read in place;
        from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> s = FrequencySketch(10)
        >>> s.record_many([1, 2, 1])
        >>> s.estimate(1), s.records
        (2, 3)
        """
        self.check_writable("record_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                fb_frequency_record_keys(&self.sketch, batch.cursor(), self._seed)
                return
            self.begin_writing()
            with nogil:
                fb_frequency_record_keys(&self.sketch, batch.cursor(), self._seed)
            self.end_writing()

    def estimate(self, key):
        """Return about how often a key was recorded lately.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            0 to 15. Unless the sketch has aged, never less than the number of records up to 15.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> FrequencySketch(10).estimate("never seen")
        0
        """
        return fb_frequency_estimate(&self.sketch, hash_key(key, self._seed))

    def estimate_many(self, keys, out=None):
        """Return, for each key of a batch, about how often it was recorded lately.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `record_many`.
        out : ndarray of uint8, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of uint8, shape (n,)
            ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `record_many`, or if `out` does not fit. `out` is unchanged after any error.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> s = FrequencySketch(10)
        >>> s.record_many("aab")
        Traceback (most recent call last):
          ...
        TypeError: keys must be an array or iterable of keys, not one str; pass [key]
        >>> s.record_many(["a", "a", "b"])
        >>> s.estimate_many(["a", "b", "c"]).tolist()
        [2, 1, 0]
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "uint8")
        cdef uint8_t *answers = <uint8_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            fb_frequency_estimate_keys(&self.sketch, batch.cursor(), self._seed, answers)
        else:
            with nogil:
                fb_frequency_estimate_keys(&self.sketch, batch.cursor(), self._seed, answers)
        return delivered(result, out)

    # ---- whole sketches -------------------------------------------------------------------------

    def age(self):
        """Halve every count, rounding down, and the number of records.

        Raises
        ------
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        O(nbytes), without the GIL. Done by itself whenever `records` reaches `sample_size`.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> s = FrequencySketch(10)
        >>> s.record_many(["a"] * 7)
        >>> s.age()
        >>> s.estimate("a"), s.records
        (3, 3)
        """
        self.check_writable("age")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_frequency_age(&self.sketch)
            self.end_writing()

    def merge(self, *others):
        """Add the counts, up to 15, and the records of other sketches.

        Parameters
        ----------
        *others : FrequencySketch
            Sketches of the same capacity and seed.

        Raises
        ------
        TypeError
            If one is no FrequencySketch.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this sketch is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. Ages after each that makes `records` reach
        `sample_size`.

        Examples
        --------
        >>> from fastblocks import FrequencySketch
        >>> a, b = FrequencySketch(10), FrequencySketch(10)
        >>> a.record("x")
        >>> b.record_many(["x", "x"])
        >>> a.merge(b)
        >>> a.estimate("x"), a.records
        (3, 3)
        """
        cdef FrequencySketch sketch
        self.check_writable("merge")
        for other in others:
            self.check_same(other, FrequencySketch)
        for other in others:
            sketch = other
            with self.whole:
                self.begin_writing()
                with nogil:
                    fb_frequency_merge(&self.sketch, &sketch.sketch)
                self.end_writing()

    def __eq__(self, other):
        cdef FrequencySketch sketch
        cdef bint equal
        if not isinstance(other, FrequencySketch):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        sketch = other
        with nogil:
            equal = fb_frequency_equal(&self.sketch, &sketch.sketch)
        return equal

    __hash__ = None

    def __bool__(self):
        cdef bint empty
        with nogil:
            empty = fb_frequency_empty(&self.sketch)
        return not empty

    def clear(self):
        """Forget all keys.

        Raises
        ------
        io.UnsupportedOperation
            If the sketch is mapped read-only.
        """
        self.check_writable("clear")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_frequency_clear(&self.sketch)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def capacity(self):
        """How many entries the cache has that it was sized for."""
        return self._capacity

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    @property
    def sample_size(self):
        """At how many records the counts are halved: ten times the capacity."""
        return self.sketch.sample_size

    @property
    def records(self):
        """How many records there were since the last aging, and half of those before it.

        Records of keys whose count was 15 already are not among them.
        """
        return fb_frequency_records(&self.sketch)

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("capacity", self._capacity), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self._capacity
        state.params[1] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        if (
            not 1 <= state.params[0] <= FB_FREQUENCY_MAX_CAPACITY
            or fb_frequency_bytes(state.params[0]) != state.payload_bytes
            or not params_end_at(state, 2)
        ):
            return False
        self._capacity = state.params[0]
        self._seed = state.params[1]
        return True

    cdef int attach(self) except -1:
        fb_frequency_init(&self.sketch, self._capacity, self.payload)
        return 0

    cdef bint admit(self) except -1:
        return fb_frequency_ok(&self.sketch)


# ---- for compiled code ---------------------------------------------------------------------------

cdef object pin(object sketch, const void **state, uint64_t *seed):
    cdef FrequencySketch pinned = sketch
    state[0] = &pinned.sketch
    seed[0] = pinned._seed
    return pinned


cdef uint64_t frequency_of(const void *state, uint64_t h) noexcept nogil:
    return fb_frequency_estimate(<const fb_frequency_t *>state, h)


fb_cpu_level()
