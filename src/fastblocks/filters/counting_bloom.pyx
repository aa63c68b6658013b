"""Counting Bloom filter of split blocks."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport ONE_WRITER
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch,
)
from fastblocks._core.state cimport FB_STATE_FOURCC
from fastblocks.filters._filter cimport cbool
from fastblocks.filters._split_block cimport SplitBlock, fb_split_shape_t

cdef extern from "filters/counting_bloom.h" nogil:
    unsigned FB_COUNTING_BLOOM_LANE_BYTES
    ctypedef struct fb_counting_bloom_t:
        pass
    void fb_counting_bloom_init(fb_counting_bloom_t *f, fb_split_shape_t shape, uint64_t *words)
    bint fb_counting_bloom_contains(const fb_counting_bloom_t *f, uint64_t h)
    unsigned fb_counting_bloom_estimate(const fb_counting_bloom_t *f, uint64_t h)
    void fb_counting_bloom_add(fb_counting_bloom_t *f, uint64_t h)
    bint fb_counting_bloom_remove(fb_counting_bloom_t *f, uint64_t h)
    void fb_counting_bloom_contains_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                         uint64_t seed, cbool *out)
    void fb_counting_bloom_estimate_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                         uint64_t seed, uint8_t *out)
    void fb_counting_bloom_add_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys, uint64_t seed)
    void fb_counting_bloom_remove_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                       uint64_t seed, cbool *out)
    void fb_counting_bloom_unite(fb_counting_bloom_t *into, const fb_counting_bloom_t *other)
    void fb_counting_bloom_clear(fb_counting_bloom_t *f)
    bint fb_counting_bloom_equal(const fb_counting_bloom_t *a, const fb_counting_bloom_t *b)
    bint fb_counting_bloom_empty(const fb_counting_bloom_t *f)
    uint64_t fb_counting_bloom_occupied(const fb_counting_bloom_t *f)
    double fb_counting_bloom_rate_now(const fb_counting_bloom_t *f)

cdef uint32_t KIND = FB_STATE_FOURCC(c"C", c"B", c"L", c"M")
cdef enum:
    VERSION = 1


cdef class CountingBloomFilter(SplitBlock):
    """CountingBloomFilter(capacity, fp_rate=0.01, *, seed=0)\n--\n\n\
    A Bloom filter that can take keys back: a multiset that may claim keys it does not hold.

    Each cell of a split-block Bloom filter is a counter of 4 bits here. A key may be added several
    times, and is in until it was removed as often.

    Parameters
    ----------
    capacity : int
        How many distinct keys it is to hold at a time, at least 1. More may be added; the
        false-positive rate then rises above `fp_rate` (see `expected_fp_rate`).
    fp_rate : float, default 0.01
        The share of absent keys that it may claim to hold when it holds `capacity` keys, in
        ``[1e-9, 1)``. Memory is sized as that of `BloomFilter`, with the same margin.
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
    Remove only keys that are in. A key that is absent, but claimed (a false positive), is removed
    from the counters of others, and they may then be missed. A key that is certainly absent is
    not removed, and `remove` says so.

    A counter that reaches 15 stays there for ever, since nobody knows how many more keys it stands
    for: so a key that was added 15 times may be claimed even after it was removed 15 times, but no
    key is ever missed for it.

    All methods for one key are O(length of the key) and touch 1, 2 or 4 adjacent cache lines, by
    `fp_rate`. Memory is constant, four times that of a `BloomFilter`: about 21.5 bits per key at
    10 %, 43.6 at 1 %, 69.7 at 0.1 %, 93.8 at 0.01 %.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``).

    Threads: any number may use it at once. Changes exclude each other; lookups take no lock, and
    never miss a key that is in. One process at a time may have a file open with ``"r+"``.

    References
    ----------
    .. [1] L. Fan, P. Cao, J. Almeida, A. Z. Broder, "Summary cache: a scalable wide-area web cache
       sharing protocol", IEEE/ACM Transactions on Networking 8(3), 2000.
    .. [2] F. Putze, P. Sanders, J. Singler, "Cache-, hash- and space-efficient Bloom filters",
       WEA 2007.

    Examples
    --------
    >>> from fastblocks import CountingBloomFilter
    >>> online = CountingBloomFilter(1000, 0.01)
    >>> online.update(["ann", "bob", "bob"])
    >>> online.remove("ann"), online.remove("eve")
    (True, False)
    >>> "ann" in online, "bob" in online, online.estimate("bob")
    (False, True, 2)
    >>> online
    CountingBloomFilter(capacity=1000, fp_rate=0.01, seed=0)
    """

    cdef fb_counting_bloom_t filter

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self.start(KIND, VERSION, FB_COUNTING_BLOOM_LANE_BYTES)

    def __init__(self, capacity, fp_rate=0.01, *, seed=0):
        self.make(capacity, fp_rate, seed)

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key):
        """Add one key; if it is in already, once more.

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
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(10)
        >>> f.add(7)
        >>> f.add(7)
        >>> f.estimate(7)
        2
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone():
            fb_counting_bloom_add(&self.filter, h)
        else:
            self.check_writable("add")
            with self.whole:
                fb_counting_bloom_add(&self.filter, h)

    def remove(self, key):
        """Remove one key, once.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
            A key that was added, and not removed as often yet.

        Returns
        -------
        bool
            False: `key` was certainly absent, and nothing has changed. True: it was removed; if it
            had not been in (a false positive), other keys may be missed from now on.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Examples
        --------
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(10)
        >>> f.add("a")
        >>> f.remove("a"), f.remove("a")
        (True, False)
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone():
            return fb_counting_bloom_remove(&self.filter, h)
        self.check_writable("remove")
        with self.whole:
            return fb_counting_bloom_remove(&self.filter, h)

    def __contains__(self, key):
        return fb_counting_bloom_contains(&self.filter, hash_key(key, self._seed))

    def estimate(self, key):
        """Return how often `key` is in at the most.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            The least of the key's counters, in [0, 15]; 15 stands for 15 or more. Never less than
            how often the key was added and not removed, up to 15.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.

        Examples
        --------
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(10)
        >>> f.update(list("abracadabra"))
        >>> f.estimate("a"), f.estimate("z")
        (5, 0)
        """
        return fb_counting_bloom_estimate(&self.filter, hash_key(key, self._seed))

    def add_many(self, keys):
        """Add a batch of keys: all of them, or none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call. A key that occurs twice is added twice.

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
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(1000)
        >>> f.add_many(np.arange(1000))
        >>> 999 in f
        True
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        if batch.n < RELEASE_GIL_FROM and self.alone():
            fb_counting_bloom_add_keys(&self.filter, batch.cursor(), self._seed)
            return
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_counting_bloom_add_keys(&self.filter, batch.cursor(), self._seed)
            self.end_writing()

    def remove_many(self, keys, out=None):
        """Remove a batch of keys, one after the other in their order.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`. A key that occurs twice is removed twice.
        out : ndarray of bool, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of bool, shape (n,)
            For each key what `remove` would have returned; ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError, io.UnsupportedOperation
            As `add_many`, or if `out` does not fit. Nothing has been removed, and `out` is
            unchanged, after any error.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(1000)
        >>> f.add_many(["a", "b"])
        >>> f.remove_many(["a", "b", "b", "c"]).tolist()
        [True, True, False, False]
        """
        self.check_writable("remove_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "bool")
        cdef cbool *answers = <cbool *>data_of(result)
        if batch.n < RELEASE_GIL_FROM and self.alone():
            fb_counting_bloom_remove_keys(&self.filter, batch.cursor(), self._seed, answers)
            return delivered(result, out)
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_counting_bloom_remove_keys(&self.filter, batch.cursor(), self._seed, answers)
            self.end_writing()
        return delivered(result, out)

    def estimate_many(self, keys, out=None):
        """Return, for each key of a batch, how often it is in at the most.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`.
        out : ndarray of uint8, shape (n,), optional
            Where to write the counts; C-contiguous and writable.

        Returns
        -------
        ndarray of uint8, shape (n,)
            For each key what `estimate` would have returned; ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `add_many`, or if `out` does not fit. `out` is unchanged after any error.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import CountingBloomFilter
        >>> f = CountingBloomFilter(1000)
        >>> f.add_many([1, 3, 3])
        >>> f.estimate_many([1, 2, 3]).tolist()
        [1, 0, 2]
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "uint8")
        cdef uint8_t *counts = <uint8_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            fb_counting_bloom_estimate_keys(&self.filter, batch.cursor(), self._seed, counts)
        else:
            with nogil:
                fb_counting_bloom_estimate_keys(&self.filter, batch.cursor(), self._seed, counts)
        return delivered(result, out)

    # ---- whole filters --------------------------------------------------------------------------

    def merge(self, *others):
        """Add all keys of other filters, each as often as it is in there.

        Parameters
        ----------
        *others : CountingBloomFilter
            Filters of the same capacity, fp_rate and seed.

        Raises
        ------
        TypeError
            If one is no CountingBloomFilter.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this filter is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. Each counter becomes the sum of both, 15 at the most;
        so every key that was added to one or the other can be removed from the sum.

        Examples
        --------
        >>> from fastblocks import CountingBloomFilter
        >>> a, b = CountingBloomFilter(10), CountingBloomFilter(10)
        >>> a.add("x")
        >>> b.add("x")
        >>> a.merge(b)
        >>> a.estimate("x")
        2
        """
        self.check_writable("merge")
        for other in others:
            self.check_same(other, CountingBloomFilter)
        for other in others:
            self.unite(other)

    def __eq__(self, other):
        cdef bint equal
        if not isinstance(other, CountingBloomFilter):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        cdef CountingBloomFilter same = other
        with nogil:
            equal = fb_counting_bloom_equal(&self.filter, &same.filter)
        return equal

    __hash__ = None

    def __bool__(self):
        cdef bint empty
        with self.whole:
            with nogil:
                empty = fb_counting_bloom_empty(&self.filter)
        return not empty

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
                fb_counting_bloom_clear(&self.filter)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    # ---- state ------------------------------------------------------------------------------

    cdef int attach(self) except -1:
        fb_counting_bloom_init(&self.filter, self.shape, <uint64_t *>self.payload)
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return CountingBloomFilter

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_counting_bloom_contains_keys(&self.filter, keys, self._seed, answers)

    cdef int unite(self, CountingBloomFilter other) except -1:
        """self |= other, without the GIL."""
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_counting_bloom_unite(&self.filter, &other.filter)
            self.end_writing()
        return 0

    cdef uint64_t occupied(self) noexcept nogil:
        return fb_counting_bloom_occupied(&self.filter)

    cdef double rate_now(self) noexcept nogil:
        return fb_counting_bloom_rate_now(&self.filter)


fb_cpu_level()
