"""Split-block Bloom filter."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch,
)
from fastblocks._core.state cimport FB_STATE_FOURCC
from fastblocks.filters._filter cimport cbool
from fastblocks.filters._split_block cimport SplitBlock, fb_split_shape_t

cdef extern from "filters/bloom.h" nogil:
    ctypedef struct fb_bloom_t:
        pass
    void fb_bloom_init(fb_bloom_t *bloom, fb_split_shape_t shape, uint32_t *bits)
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


cdef class BloomFilter(SplitBlock):
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

    def __cinit__(self, *args, **kwargs):
        self.start(KIND, VERSION, 4)

    def __init__(self, capacity, fp_rate=0.01, *, seed=0):
        self.make(capacity, fp_rate, seed)

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

    # ---- state ------------------------------------------------------------------------------

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

    cdef uint64_t occupied(self) noexcept nogil:
        return fb_bloom_count_bits(&self.bloom)

    cdef double rate_now(self) noexcept nogil:
        return fb_bloom_rate_now(&self.bloom)


# ---- for compiled code ---------------------------------------------------------------------------

cdef object pin(object filter, const void **state, uint64_t *seed):
    cdef BloomFilter pinned = filter
    state[0] = &pinned.bloom
    seed[0] = pinned._seed
    return pinned


cdef bint may_hold(const void *state, uint64_t h) noexcept nogil:
    return fb_bloom_contains(<const fb_bloom_t *>state, h)


fb_cpu_level()
