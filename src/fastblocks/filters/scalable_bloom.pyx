"""Scalable Bloom filter."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport ONE_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport (
    FB_FULL, FB_OK, FB_STATE_PARAMS, check_status, fb_status_t,
)
from fastblocks.filters._filter cimport MutableFilter, cbool

cdef extern from "filters/scalable_bloom.h" nogil:
    double FB_SCALABLE_BLOOM_MIN_FP_RATE
    ctypedef struct fb_scalable_bloom_slice_t:
        pass
    ctypedef struct fb_scalable_bloom_t:
        uint64_t initial_capacity
        double fp_rate
        bint fixed
        uint64_t n_slices
    ctypedef struct fb_scalable_bloom_sums_t:
        uint64_t keys
        uint64_t capacity
        uint64_t set
        uint64_t bits
    fb_status_t fb_scalable_bloom_start(fb_scalable_bloom_t *b, uint64_t initial_capacity,
                                        double fp_rate)
    fb_status_t fb_scalable_bloom_read(fb_scalable_bloom_t *b, void *payload, size_t size,
                                       bint fixed)
    void fb_scalable_bloom_free(fb_scalable_bloom_t *b)
    size_t fb_scalable_bloom_bytes(const fb_scalable_bloom_t *b)
    void fb_scalable_bloom_write(const fb_scalable_bloom_t *b, void *payload)
    size_t fb_scalable_bloom_memory(const fb_scalable_bloom_t *b)
    bint fb_scalable_bloom_contains(const fb_scalable_bloom_t *b, uint64_t h)
    fb_status_t fb_scalable_bloom_add(fb_scalable_bloom_t *b, uint64_t h)
    void fb_scalable_bloom_contains_keys(const fb_scalable_bloom_t *b, fb_keys_cursor_t keys,
                                         uint64_t seed, cbool *out)
    fb_status_t fb_scalable_bloom_add_keys(fb_scalable_bloom_t *b, fb_keys_cursor_t keys,
                                           size_t n, uint64_t seed)
    fb_scalable_bloom_slice_t **fb_scalable_bloom_snapshot(const fb_scalable_bloom_t *b,
                                                           fb_scalable_bloom_slice_t **tail)
    fb_status_t fb_scalable_bloom_merge(fb_scalable_bloom_t *b, fb_scalable_bloom_slice_t *slices)
    void fb_scalable_bloom_free_list(fb_scalable_bloom_slice_t *slices)
    void fb_scalable_bloom_clear(fb_scalable_bloom_t *b)
    bint fb_scalable_bloom_equal(const fb_scalable_bloom_t *a, const fb_scalable_bloom_t *b)
    void fb_scalable_bloom_sums(const fb_scalable_bloom_t *b, bint count_bits,
                                fb_scalable_bloom_sums_t *sums)
    double fb_scalable_bloom_rate_now(const fb_scalable_bloom_t *b)

cdef uint32_t KIND = FB_STATE_FOURCC(c"S", c"B", c"L", c"M")
cdef enum:
    VERSION = 1


cdef class ScalableBloomFilter(MutableFilter):
    """ScalableBloomFilter(initial_capacity, fp_rate=0.01, *, seed=0)\n--\n\n\
    A Bloom filter that grows with its keys: the rate is kept however many are added.

    A list of split-block Bloom filters, the *slices*, each for twice as many keys as the one before
    and with a smaller share of the rate. If the number of keys can be told beforehand, a
    `BloomFilter` takes less memory and is faster.

    Parameters
    ----------
    initial_capacity : int
        How many distinct keys the first slice is to hold, at least 1. A power of two too small costs
        one more slice, which each lookup then asks too.
    fp_rate : float, default 0.01
        The share of absent keys that it may claim to hold, whatever its size, in ``[1e-6, 1)``. As
        for `BloomFilter`, memory is sized for an expected rate of 0.85 of this.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved filters hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or the first slice would need more than 2**32 blocks.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    With s slices, about log2(keys / initial_capacity), `add` and ``in`` are O(length of the key + s)
    and cost at most s cache misses. Memory at 1 % is 17 bits per key of `capacity` at first and 19
    when it has grown a hundredfold; when a slice has just been opened, half of it stands empty.
    There are 32 sizes of slices, so it grows 4 billion times.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``).

    Threads: any number may read and write at once. Lookups take no lock; changes exclude each other.
    A file may be open with ``"r+"`` once at a time. It cannot grow there: keys are added as long as
    the slices that it has are not full.

    References
    ----------
    .. [1] P. S. Almeida, C. Baquero, N. Preguiça, D. Hutchison, "Scalable Bloom Filters",
       Information Processing Letters 101(6), 2007.

    Examples
    --------
    >>> from fastblocks import ScalableBloomFilter
    >>> seen = ScalableBloomFilter(1000, 0.01)
    >>> seen.add("Lisbon")
    >>> "Lisbon" in seen, "Porto" in seen
    (True, False)
    >>> seen.add_many(range(100_000))
    >>> seen.slices
    7
    >>> seen.expected_fp_rate() < 0.01
    True
    """

    cdef fb_scalable_bloom_t filter

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self.allocate(64)
        self.start(1, 0.5)

    def __dealloc__(self):
        fb_scalable_bloom_free(&self.filter)

    def __init__(self, initial_capacity, fp_rate=0.01, *, seed=0):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        initial_capacity = check.integer("initial_capacity", initial_capacity, 1, 2**63 - 1)
        fp_rate = check.real("fp_rate", fp_rate, FB_SCALABLE_BLOOM_MIN_FP_RATE, 1.0)
        self.start(initial_capacity, fp_rate)
        self._seed = seed_
        self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key):
        """Add one key, unless the filter claims to hold it already.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.
        FilterFullError
            If the filter cannot grow: it lies in a mapped file, or is at its last level.
        MemoryError, ValueError
            If it should grow and there is not enough memory, or the slice would be too large.

        Examples
        --------
        >>> from fastblocks import ScalableBloomFilter
        >>> f = ScalableBloomFilter(10)
        >>> f.add(7)
        >>> 7 in f
        True
        """
        cdef uint64_t h = hash_key(key, self._seed)
        cdef fb_status_t status
        if self.alone():
            status = fb_scalable_bloom_add(&self.filter, h)  # nobody else can write meanwhile
        else:
            self.check_writable("add")
            with self.whole:
                status = fb_scalable_bloom_add(&self.filter, h)
        if status != FB_OK:
            self.cannot_grow(status)

    def __contains__(self, key):
        return fb_scalable_bloom_contains(&self.filter, hash_key(key, self._seed))

    def add_many(self, keys):
        """Add a batch of keys: all of them, or none if there is an error.

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
            If the filter is mapped read-only.
        FilterFullError, MemoryError, ValueError
            As `add`, if there is no room for all keys that are absent before the call, those that
            come twice counted twice.

        Notes
        -----
        O(n · slices); the outcome is that of adding the keys one by one. Arrays are read in place;
        from 512 keys on, the work is done without the GIL. Slices that the batch may need are made
        before the first key is added.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import ScalableBloomFilter
        >>> f = ScalableBloomFilter(100)
        >>> f.add_many(np.arange(1000))
        >>> 999 in f
        True
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        cdef fb_status_t status
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                status = fb_scalable_bloom_add_keys(
                    &self.filter, batch.cursor(), batch.n, self._seed
                )
            else:
                self.begin_writing()
                with nogil:
                    status = fb_scalable_bloom_add_keys(
                        &self.filter, batch.cursor(), batch.n, self._seed
                    )
                self.end_writing()
        if status != FB_OK:
            self.cannot_grow(status)

    # ---- whole filters --------------------------------------------------------------------------

    def merge(self, *others):
        """Add all keys of other filters: afterwards this one holds what any of them held.

        Parameters
        ----------
        *others : ScalableBloomFilter
            Filters of the same initial_capacity, fp_rate and seed.

        Raises
        ------
        TypeError
            If one is no ScalableBloomFilter.
        ValueError
            If one has other parameters.
        FilterFullError
            If there would be more than 64 slices, or any more in a mapped file.
        MemoryError
            If there is not enough memory. Nothing has been merged after any of these.
        io.UnsupportedOperation
            If this filter is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. The slices of the others become slices of this one, and
        the false-positive rates add up, to `fp_rate` for each filter at most. Only where two slices
        of one size have room for the keys of both are they united.

        Examples
        --------
        >>> from fastblocks import ScalableBloomFilter
        >>> a, b = ScalableBloomFilter(10), ScalableBloomFilter(10)
        >>> b.add("x")
        >>> a.merge(b)
        >>> "x" in a
        True
        """
        cdef fb_scalable_bloom_slice_t *slices = NULL
        cdef fb_scalable_bloom_slice_t **tail = &slices
        cdef fb_status_t status = FB_OK
        self.check_writable("merge")
        for other in others:
            self.check_same(other, ScalableBloomFilter)
        # One lock at a time: two filters may be merged into each other.
        try:
            for other in others:
                if other is not self:
                    tail = (<ScalableBloomFilter>other).snapshot(tail)
            with self.whole:
                self.begin_writing()
                with nogil:
                    status = fb_scalable_bloom_merge(&self.filter, slices)
                self.end_writing()
            if status != FB_OK:
                self.cannot_grow(status)
            slices = NULL  # they are ours now
        finally:
            fb_scalable_bloom_free_list(slices)

    def __eq__(self, other):
        cdef bint equal
        if not isinstance(other, ScalableBloomFilter):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        with nogil:
            equal = fb_scalable_bloom_equal(
                &self.filter, &(<ScalableBloomFilter>other).filter
            )
        return equal

    __hash__ = None

    def __bool__(self):
        return self.sums(False).keys > 0

    def clear(self):
        """Remove all keys; the filter is again as it was made, with one slice.

        Raises
        ------
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(nbytes). The memory of the other slices is kept for the keys to come, since other threads
        may be looking into it. In a mapped file, all slices stay, empty.
        """
        self.check_writable("clear")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_scalable_bloom_clear(&self.filter)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def initial_capacity(self):
        """How many distinct keys the first slice was sized for."""
        return self.filter.initial_capacity

    @property
    def fp_rate(self):
        """The false-positive rate that is kept."""
        return self.filter.fp_rate

    @property
    def slices(self):
        """How many slices there are now."""
        return self.filter.n_slices

    @property
    def capacity(self):
        """How many distinct keys the slices that there are now were sized for, together."""
        return self.sums(False).capacity

    @property
    def nbytes(self):
        """Bytes that the slices take, and of the table of them."""
        return self.gathered()

    def __sizeof__(self):
        with self.whole:
            return Flat.__sizeof__(self) + fb_scalable_bloom_memory(&self.filter)

    @property
    def fill_ratio(self):
        """The share of bits that are set, of all slices together, in [0, 1]."""
        cdef fb_scalable_bloom_sums_t sums = self.sums(True)
        return sums.set / <double>sums.bits

    def approx_len(self):
        """Return about how many distinct keys were added.

        Returns
        -------
        int
            How many of the keys were not claimed to be there when they came. False positives make it
            up to a share of `fp_rate` too small; keys that several merged filters held are
            counted for each.

        Notes
        -----
        O(slices).

        Examples
        --------
        >>> from fastblocks import ScalableBloomFilter
        >>> f = ScalableBloomFilter(1000)
        >>> f.update(range(500), range(500))
        >>> 495 <= f.approx_len() <= 500
        True
        """
        return self.sums(False).keys

    def expected_fp_rate(self):
        """Return the false-positive rate of the bits as they are now.

        Returns
        -------
        float
            The probability that a key that was not added is claimed to be present.

        Notes
        -----
        O(nbytes).

        Examples
        --------
        >>> from fastblocks import ScalableBloomFilter
        >>> f = ScalableBloomFilter(1000, 0.01)
        >>> f.expected_fp_rate()
        0.0
        >>> f.add_many(range(20_000))
        >>> 0 < f.expected_fp_rate() < 0.01
        True
        """
        cdef double rate
        with nogil:
            rate = fb_scalable_bloom_rate_now(&self.filter)
        return rate

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return (
            ("initial_capacity", self.filter.initial_capacity),
            ("fp_rate", self.filter.fp_rate),
            ("seed", self._seed),
        )

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.filter.initial_capacity
        state.params[1] = word_of_double(self.filter.fp_rate)
        state.params[2] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        fp_rate = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] < 2**63
            or not FB_SCALABLE_BLOOM_MIN_FP_RATE <= fp_rate < 1.0
            or not params_end_at(state, 3)
        ):
            return False
        self.filter.initial_capacity = state.params[0]
        self.filter.fp_rate = fp_rate
        self._seed = state.params[2]
        return True

    cdef int attach(self) except -1:
        fb_scalable_bloom_free(&self.filter)  # slices of another payload
        return 0

    cdef bint admit(self) except -1:
        cdef fb_status_t status
        status = fb_scalable_bloom_read(&self.filter, self.payload, self.size, not self.owned)
        if status != FB_STATE_PARAMS:
            check_status(status, type(self).__name__)
        return status == FB_OK

    cdef size_t gathered(self) except? 0xC7A3:
        return fb_scalable_bloom_bytes(&self.filter)

    cdef int gather(self, void *into) except -1:
        with nogil:
            fb_scalable_bloom_write(&self.filter, into)
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return ScalableBloomFilter

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_scalable_bloom_contains_keys(&self.filter, keys, self._seed, answers)

    cdef int start(self, uint64_t initial_capacity, double fp_rate) except -1:
        """Become an empty filter."""
        cdef fb_scalable_bloom_t made
        self.begin_init()  # again: checking the arguments may have run anything
        cdef fb_status_t status = fb_scalable_bloom_start(&made, initial_capacity, fp_rate)
        if status != FB_OK:
            fb_scalable_bloom_free(&made)
            check_status(status, f"initial_capacity={initial_capacity} at fp_rate={fp_rate}")
        fb_scalable_bloom_free(&self.filter)
        self.filter = made
        return 0

    cdef int cannot_grow(self, fb_status_t status) except -1:
        if self.filter.fixed and status == FB_FULL:
            check_status(status, "a mapped file cannot grow; add to its copy() and save that")
        check_status(status, f"{type(self).__name__} cannot grow")
        return 0

    cdef fb_scalable_bloom_slice_t **snapshot(
        self, fb_scalable_bloom_slice_t **tail
    ) except NULL:
        """Append copies of the slices to a list, for another filter to take over."""
        with self.whole:
            self.begin_writing()
            with nogil:
                tail = fb_scalable_bloom_snapshot(&self.filter, tail)
            self.end_writing()
        if tail == NULL:
            raise MemoryError(f"cannot allocate {self.gathered()} bytes")
        return tail

    cdef fb_scalable_bloom_sums_t sums(self, bint bits) noexcept:
        cdef fb_scalable_bloom_sums_t sums
        with nogil:
            fb_scalable_bloom_sums(&self.filter, bits, &sums)
        return sums


fb_cpu_level()
