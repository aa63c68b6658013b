"""Split-block Bloom filter."""

import math

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.filters._filter cimport MutableFilter, cbool

cdef extern from "filters/bloom.h" nogil:
    double FB_BLOOM_MIN_FP_RATE
    ctypedef struct fb_bloom_shape_t:
        uint64_t n_blocks
        unsigned lanes
    ctypedef struct fb_bloom_t:
        uint32_t *bits
        fb_bloom_shape_t shape
    double fb_bloom_rate(fb_bloom_shape_t shape, uint64_t n)
    fb_status_t fb_bloom_shape(uint64_t capacity, double fp_rate, fb_bloom_shape_t *shape)
    uint64_t fb_bloom_bytes(fb_bloom_shape_t shape)
    bint fb_bloom_shape_ok(fb_bloom_shape_t shape)
    void fb_bloom_init(fb_bloom_t *bloom, fb_bloom_shape_t shape, uint32_t *bits)
    bint fb_bloom_contains(const fb_bloom_t *b, uint64_t h)
    void fb_bloom_add(fb_bloom_t *b, uint64_t h)
    void fb_bloom_add_atomic(fb_bloom_t *b, uint64_t h)
    void fb_bloom_contains_keys(const fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed,
                                cbool *out)
    void fb_bloom_add_keys(fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed)
    void fb_bloom_unite(fb_bloom_t *into, const fb_bloom_t *other)
    void fb_bloom_intersect(fb_bloom_t *into, const fb_bloom_t *other)
    void fb_bloom_clear(fb_bloom_t *b)
    bint fb_bloom_equal(const fb_bloom_t *a, const fb_bloom_t *b)
    bint fb_bloom_subset(const fb_bloom_t *a, const fb_bloom_t *b)
    bint fb_bloom_empty(const fb_bloom_t *b)
    uint64_t fb_bloom_count_bits(const fb_bloom_t *b)
    double fb_bloom_rate_now(const fb_bloom_t *b)

cdef uint32_t KIND = FB_STATE_FOURCC(c"B", c"L", c"O", c"M")
cdef enum:
    VERSION = 1


cdef class BloomFilter(MutableFilter):
    """BloomFilter(capacity, fp_rate=0.01, *, seed=0)\n--\n\n\
    A set that never forgets a key but may claim one it was not given, at a known rate.

    A split-block Bloom filter: one cache line is touched per key. It has the manners of a `set`,
    without removal and without iteration.

    Parameters
    ----------
    capacity : int
        How many distinct keys it is to hold, at least 1. More may be added; the false-positive
        rate then rises above `fp_rate` (see `expected_fp_rate`).
    fp_rate : float, default 0.01
        The share of absent keys that it may claim to hold when it holds `capacity` keys, in
        ``[1e-9, 1)``. Memory is sized by the exact formula of the blocked layout, for an expected
        rate of 0.85 of this, so that measured rates, which scatter, stay at or below it (of
        small filters, under some thousand keys, a few per cent exceed it).
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved filters hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or the filter would need more than 2**32 blocks.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `add` and ``in`` are O(length of the key) and cost at most one cache miss. Memory is constant:
    about 5.4 bits per key at 10 %, 10.9 at 1 %, 17.4 at 0.1 %, 23.5 at 0.01 %.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``).

    Threads: any number may read and write at once. No lock is taken to add or to look up; keys
    added at the same time are not lost. Operations on whole filters (``|=``, ``&=``, `clear`,
    `copy`, `to_bytes`, ...) exclude each other.

    References
    ----------
    .. [1] F. Putze, P. Sanders, J. Singler, "Cache-, hash- and space-efficient Bloom filters",
       WEA 2007.
    .. [2] J. Apple, "Split block Bloom filters", arXiv:2101.01719, 2021.

    Examples
    --------
    >>> from fastblocks import BloomFilter
    >>> seen = BloomFilter(1000, 0.01)
    >>> seen.add("Lisbon")
    >>> "Lisbon" in seen, "Porto" in seen
    (True, False)
    >>> seen.update(["Porto", "Faro"])
    >>> seen.contains_many(["Porto", "Braga"]).tolist()
    [True, False]
    >>> seen
    BloomFilter(capacity=1000, fp_rate=0.01, seed=0)
    """

    cdef fb_bloom_t bloom
    cdef fb_bloom_shape_t shape  # of the payload that is about to be attached
    cdef object _capacity
    cdef double _fp_rate

    def __cinit__(self, *args, **kwargs):
        self._capacity, self._fp_rate = 1, 0.5
        fb_bloom_shape(1, 0.5, &self.shape)
        self.allocate(<size_t>fb_bloom_bytes(self.shape))

    def __init__(self, capacity, fp_rate=0.01, *, seed=0):
        cdef fb_bloom_shape_t shape
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        cdef double rate = check.real("fp_rate", fp_rate, FB_BLOOM_MIN_FP_RATE, 1.0)
        check_status(
            fb_bloom_shape(capacity, rate, &shape), f"capacity={capacity} at fp_rate={rate}"
        )
        self.shape = shape
        self.allocate(<size_t>fb_bloom_bytes(shape))
        self._capacity, self._fp_rate, self._seed = capacity, rate, seed_
        self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key):
        """Add one key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> f = BloomFilter(10)
        >>> f.add(7)
        >>> 7 in f
        True
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone() and self.owned:
            fb_bloom_add(&self.bloom, h)  # nobody else can write before we are done
        else:
            self.check_writable("add")
            fb_bloom_add_atomic(&self.bloom, h)

    def __contains__(self, key):
        return fb_bloom_contains(&self.bloom, hash_key(key, self._seed))

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

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import BloomFilter
        >>> f = BloomFilter(1000)
        >>> f.add_many(np.arange(1000))
        >>> 999 in f
        True
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        if batch.n < RELEASE_GIL_FROM:
            fb_bloom_add_keys(&self.bloom, batch.cursor(), self._seed)
            return
        self.begin_writing()
        with nogil:
            fb_bloom_add_keys(&self.bloom, batch.cursor(), self._seed)
        self.end_writing()

    # ---- whole filters --------------------------------------------------------------------------

    def merge(self, *others):
        """Add all keys of other filters: afterwards this one holds what any of them held.

        Parameters
        ----------
        *others : BloomFilter
            Filters of the same capacity, fp_rate and seed.

        Raises
        ------
        TypeError
            If one is no BloomFilter.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this filter is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL.

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> a, b = BloomFilter(10), BloomFilter(10)
        >>> b.add("x")
        >>> a.merge(b)
        >>> "x" in a
        True
        """
        self.check_writable("merge")
        for other in others:
            self.check_same(other, BloomFilter)
        for other in others:
            self.combine(other, True)

    def __and__(self, other):
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self.check_same(other, BloomFilter)
        cdef BloomFilter result = Flat.copy(self)
        result.combine(other, False)
        return result

    def __iand__(self, other):
        if not isinstance(other, BloomFilter):
            return NotImplemented
        self.check_writable("&=")
        self.check_same(other, BloomFilter)
        self.combine(other, False)
        return self

    def __eq__(self, other):
        if not isinstance(other, BloomFilter):
            return NotImplemented
        return self.differing(other) is None and self.compare(other, False)

    __hash__ = None

    def __bool__(self):
        cdef bint empty
        with self.whole:
            with nogil:
                empty = fb_bloom_empty(&self.bloom)
        return not empty

    def issubset(self, other):
        """Return whether every key of this filter is certainly in `other` too.

        Parameters
        ----------
        other : BloomFilter
            A filter of the same capacity, fp_rate and seed.

        Returns
        -------
        bool
            True if every bit set here is set in `other`.

        Raises
        ------
        TypeError
            If `other` is no BloomFilter.
        ValueError
            If it has other parameters.

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> a, b = BloomFilter(10), BloomFilter(10)
        >>> b.add("x")
        >>> a.issubset(b), b.issubset(a)
        (True, False)
        """
        self.check_same(other, BloomFilter)
        return self.compare(other, True)

    def clear(self):
        """Remove all keys.

        Raises
        ------
        io.UnsupportedOperation
            If the filter is mapped read-only.
        """
        self.check_writable("clear")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_bloom_clear(&self.bloom)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def capacity(self):
        """How many distinct keys the filter was sized for."""
        return self._capacity

    @property
    def fp_rate(self):
        """The false-positive rate it was sized for."""
        return self._fp_rate

    @property
    def fill_ratio(self):
        """The share of bits that are set, in [0, 1]; 0.3 to 0.55 at capacity, by fp_rate."""
        return self.count_bits() / (8 * self.size)

    def approx_len(self):
        """Estimate how many distinct keys were added, from the share of bits set.

        Returns
        -------
        int
            Within about 1 % at capacity for filters of thousands of keys; a full filter (every
            bit set) gives a lower bound.

        Notes
        -----
        O(nbytes). Each lane sets one bit per key, so the bits of one lane over all blocks are a
        table of cells into which n balls were thrown: n = ln(1 - fill) / ln(1 - 1/cells).

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> f = BloomFilter(1000)
        >>> f.update(range(500))
        >>> 480 < f.approx_len() < 520
        True
        """
        cdef double cells = 32.0 * self.bloom.shape.n_blocks
        cdef double bits = cells * self.bloom.shape.lanes
        cdef double unset = max(bits - self.count_bits(), 0.5)
        return round(math.log(unset / bits) / math.log1p(-1.0 / cells))

    def expected_fp_rate(self, n=None):
        """Return the false-positive rate to expect, now or with a number of keys.

        Parameters
        ----------
        n : int, optional
            A number of distinct keys. By default the rate is that of the bits as they are.

        Returns
        -------
        float
            The probability that a key that was not added is claimed to be present.

        Raises
        ------
        TypeError, ValueError
            If `n` is not an int in [0, 2**63).

        Notes
        -----
        O(nbytes) for the rate now; O(sqrt(n / blocks)) for a given `n`, by the exact formula of
        the blocked layout.

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> f = BloomFilter(1000, 0.01)
        >>> f.expected_fp_rate()
        0.0
        >>> f.expected_fp_rate(1000) < 0.01 < f.expected_fp_rate(2000)
        True
        """
        cdef double rate
        if n is not None:
            return fb_bloom_rate(self.bloom.shape, check.integer("n", n, 0, 2**63 - 1))
        with nogil:
            rate = fb_bloom_rate_now(&self.bloom)
        return rate

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("capacity", self._capacity), ("fp_rate", self._fp_rate), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = <uint64_t>self._capacity
        state.params[1] = word_of_double(self._fp_rate)
        state.params[2] = self._seed
        state.params[3] = self.bloom.shape.n_blocks
        state.params[4] = self.bloom.shape.lanes
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_bloom_shape_t shape
        shape.n_blocks = state.params[3]
        shape.lanes = <unsigned>min(state.params[4], 0xFFFFFFFFU)
        fp_rate = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] < 2**63
            or not FB_BLOOM_MIN_FP_RATE <= fp_rate < 1.0
            or not fb_bloom_shape_ok(shape)
            or fb_bloom_bytes(shape) != state.payload_bytes
            or not params_end_at(state, 5)
        ):
            return False
        self._capacity = state.params[0]
        self._fp_rate = fp_rate
        self._seed = state.params[2]
        self.shape = shape
        return True

    cdef int attach(self) except -1:
        fb_bloom_init(&self.bloom, self.shape, <uint32_t *>self.payload)
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return BloomFilter

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_bloom_contains_keys(&self.bloom, keys, self._seed, answers)

    cdef int combine(self, BloomFilter other, bint union) except -1:
        """self |= other or self &= other, without the GIL."""
        with self.whole:
            self.begin_writing()
            with nogil:
                if union:
                    fb_bloom_unite(&self.bloom, &other.bloom)
                else:
                    fb_bloom_intersect(&self.bloom, &other.bloom)
            self.end_writing()
        return 0

    cdef bint compare(self, BloomFilter other, bint subset) except -1:
        cdef bint answer
        with nogil:
            if subset:
                answer = fb_bloom_subset(&self.bloom, &other.bloom)
            else:
                answer = fb_bloom_equal(&self.bloom, &other.bloom)
        return answer

    cdef uint64_t count_bits(self) noexcept:
        cdef uint64_t count
        with nogil:
            count = fb_bloom_count_bits(&self.bloom)
        return count


fb_cpu_level()
