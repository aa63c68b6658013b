"""Cuckoo filter."""

import math

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core import check, errors

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.flat cimport ONE_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport FB_OK, check_status, fb_status_t
from fastblocks.filters._filter cimport MutableFilter, cbool

cdef extern from "filters/cuckoo.h" nogil:
    double FB_CUCKOO_MIN_FP_RATE
    ctypedef struct fb_cuckoo_shape_t:
        uint64_t n_buckets
        unsigned bits
    ctypedef struct fb_cuckoo_t:
        fb_cuckoo_shape_t shape
    fb_status_t fb_cuckoo_shape(uint64_t capacity, double fp_rate, fb_cuckoo_shape_t *shape)
    uint64_t fb_cuckoo_slots(fb_cuckoo_shape_t shape)
    uint64_t fb_cuckoo_bytes(fb_cuckoo_shape_t shape)
    bint fb_cuckoo_shape_ok(fb_cuckoo_shape_t shape)
    void fb_cuckoo_init(fb_cuckoo_t *cuckoo, fb_cuckoo_shape_t shape, void *payload)
    bint fb_cuckoo_admit(fb_cuckoo_t *c, bint writable)
    uint64_t fb_cuckoo_len(const fb_cuckoo_t *c)
    bint fb_cuckoo_contains(const fb_cuckoo_t *c, uint64_t h)
    void fb_cuckoo_contains_keys(const fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed,
                                 cbool *out)
    fb_status_t fb_cuckoo_add(fb_cuckoo_t *c, uint64_t h)
    bint fb_cuckoo_remove(fb_cuckoo_t *c, uint64_t h)
    fb_status_t fb_cuckoo_add_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed)
    void fb_cuckoo_remove_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed, cbool *out)
    fb_status_t fb_cuckoo_merge(fb_cuckoo_t *into, const fb_cuckoo_t *other)
    void fb_cuckoo_unmerge(fb_cuckoo_t *into, const fb_cuckoo_t *other)
    void fb_cuckoo_clear(fb_cuckoo_t *c)
    bint fb_cuckoo_equal(const fb_cuckoo_t *a, const fb_cuckoo_t *b)
    bint fb_cuckoo_copy(const fb_cuckoo_t *c, void *into)

cdef uint32_t KIND = FB_STATE_FOURCC(c"C", c"U", c"C", c"K")
cdef enum:
    VERSION = 1


cdef class CuckooFilter(MutableFilter):
    """CuckooFilter(capacity, fp_rate=0.01, *, seed=0)\n--\n\n\
    A set that never forgets a key but may claim one it was not given, and that can remove keys.

    A cuckoo filter: a fingerprint of each key, in one of two buckets. It counts its keys, and refuses
    another one when it is full. A key that is added several times is held several times, up to 8,
    and must be removed as often.

    Parameters
    ----------
    capacity : int
        How many distinct keys it is to hold, at least 1; they fit for certain (the chance that they
        do not is below one in a billion). Some more may be added, until about 97 % of the slots are
        taken.
    fp_rate : float, default 0.01
        The share of absent keys that it may claim to hold when it holds `capacity` keys, in
        ``[1e-7, 1)``. The expected rate is at most 0.85 of this, so that measured rates, which
        scatter, stay at or below it. Memory does not shrink any more above 0.035.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved filters hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or the filter would need more than 2**32 buckets.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `add`, `remove` and ``in`` are O(length of the key) and cost at most two cache misses, but for `add`
    to a filter that is nearly full, which moves other entries. Memory is constant: 10.5 bits per key at
    1 %, 14.7 at 0.1 %, 17.9 at 0.01 %.

    Remove only keys that were added: another key may have the same fingerprint, and its entry would
    be taken instead.

    All methods may be called from many threads at once. Writers exclude each other; lookups take no
    lock and never miss a key that is held, whatever is moved meanwhile. Of processes, any number
    may have a file open with ``"r"`` and one with ``"r+"``.

    Examples
    --------
    >>> from fastblocks import CuckooFilter
    >>> seen = CuckooFilter(10_000, fp_rate=0.001)
    >>> seen.update(["Lisbon", "Porto"])
    >>> "Porto" in seen
    True
    >>> seen.remove("Porto"), seen.remove("Porto")
    (True, False)
    >>> len(seen)
    1
    """

    cdef fb_cuckoo_t cuckoo
    cdef fb_cuckoo_shape_t shape  # of the payload that is about to be attached
    cdef object _capacity
    cdef double _fp_rate

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self._capacity, self._fp_rate, self._seed = 1, 0.5, 0
        check_status(fb_cuckoo_shape(1, 0.5, &self.shape), "the smallest filter")
        self.allocate(<size_t>fb_cuckoo_bytes(self.shape))

    def __init__(self, capacity, fp_rate=0.01, *, seed=0):
        cdef fb_cuckoo_shape_t shape
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        cdef double rate = check.real("fp_rate", fp_rate, FB_CUCKOO_MIN_FP_RATE, 1.0)
        check_status(
            fb_cuckoo_shape(capacity, rate, &shape), f"capacity={capacity} at fp_rate={rate}"
        )
        self.shape = shape
        self.allocate(<size_t>fb_cuckoo_bytes(shape))
        self._capacity, self._fp_rate, self._seed = capacity, rate, seed_
        self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key):
        """Add one copy of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Raises
        ------
        FilterFullError
            If there is no room for it; nothing has changed.
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(length of the key), expected. A key that is held 8 times has filled its two buckets, and is
        refused even if others would still fit.

        Examples
        --------
        >>> from fastblocks import CuckooFilter
        >>> f = CuckooFilter(10)
        >>> f.add(7)
        >>> 7 in f
        True
        """
        cdef uint64_t h = hash_key(key, self._seed)
        cdef fb_status_t status
        if self.alone():
            status = fb_cuckoo_add(&self.cuckoo, h)
        else:
            self.check_writable("add")
            with self.whole:
                status = fb_cuckoo_add(&self.cuckoo, h)
        if status != FB_OK:
            self.refuse(status)

    def remove(self, key):
        """Remove one copy of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
            A key that was added: of another one that the filter claims to hold by mistake, the entry
            that would go is that of a key which was.

        Returns
        -------
        bool
            Whether there was one; if not, nothing has changed.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(length of the key).

        Examples
        --------
        >>> from fastblocks import CuckooFilter
        >>> f = CuckooFilter(10)
        >>> f.update(["a", "a"])
        >>> f.remove("a"), f.remove("a"), f.remove("a")
        (True, True, False)
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone():
            return fb_cuckoo_remove(&self.cuckoo, h)
        self.check_writable("remove")
        with self.whole:
            return fb_cuckoo_remove(&self.cuckoo, h)

    def __contains__(self, key):
        return fb_cuckoo_contains(&self.cuckoo, hash_key(key, self._seed))

    def add_many(self, keys):
        """Add one copy of each key of a batch, in order: all of them, or none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call.

        Raises
        ------
        FilterFullError
            If they do not all fit. Those that were added have been removed again: the filter equals
            what it was (its bytes may differ: entries may lie in the other of their buckets).
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D.
        io.UnsupportedOperation
            If the filter is mapped read-only.

        Notes
        -----
        O(n), expected. Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import CuckooFilter
        >>> f = CuckooFilter(1000)
        >>> f.add_many(np.arange(1000))
        >>> 999 in f, len(f)
        (True, 1000)
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        cdef fb_status_t status
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                status = fb_cuckoo_add_keys(&self.cuckoo, batch.cursor(), self._seed)
            else:
                self.begin_writing()
                with nogil:
                    status = fb_cuckoo_add_keys(&self.cuckoo, batch.cursor(), self._seed)
                self.end_writing()
        if status != FB_OK:
            self.refuse(status)

    def remove_many(self, keys, out=None):
        """Remove one copy of each key of a batch, in order.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`; they should all have been added (see `remove`).
        out : ndarray of bool, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of bool, shape (n,)
            For each key, whether there was one. ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError, io.UnsupportedOperation
            As `add_many`, or if `out` does not fit. Nothing has been removed then.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import CuckooFilter
        >>> f = CuckooFilter(1000)
        >>> f.add_many(range(100))
        >>> f.remove_many([7, 7, 99]).tolist()
        [True, False, True]
        """
        self.check_writable("remove_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "bool")
        cdef cbool *answers = <cbool *>data_of(result)
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                fb_cuckoo_remove_keys(&self.cuckoo, batch.cursor(), self._seed, answers)
            else:
                self.begin_writing()
                with nogil:
                    fb_cuckoo_remove_keys(&self.cuckoo, batch.cursor(), self._seed, answers)
                self.end_writing()
        return delivered(result, out)

    # ---- whole filters --------------------------------------------------------------------------

    def merge(self, *others):
        """Add all entries of other filters: a key is then held as often as in all of them together.

        Parameters
        ----------
        *others : CuckooFilter
            Filters of the same capacity, fp_rate and seed.

        Raises
        ------
        FilterFullError
            If the entries do not all fit. The filter equals what it was, as after `add_many`.
        TypeError
            If one is no CuckooFilter.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this filter is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL; a copy of each is held for the time of the call.

        Examples
        --------
        >>> from fastblocks import CuckooFilter
        >>> a, b = CuckooFilter(10), CuckooFilter(10)
        >>> b.add("x")
        >>> a.merge(b, b)
        >>> "x" in a, len(a)
        (True, 2)
        """
        self.check_writable("merge")
        for other in others:
            self.check_same(other, CuckooFilter)
        # Copies, so that no two locks are held at once, and a filter may be merged into itself.
        self.combine([Flat.copy(other) for other in others])

    def __eq__(self, other):
        cdef CuckooFilter theirs
        cdef bint answer
        if not isinstance(other, CuckooFilter):
            return NotImplemented
        if other is self or self.differing(other) is not None:
            return other is self
        theirs = Flat.copy(other)
        with self.whole:
            self.begin_writing()  # so that no scalar method changes what is being read
            with nogil:
                answer = fb_cuckoo_equal(&self.cuckoo, &theirs.cuckoo)
            self.end_writing()
        return answer

    __hash__ = None

    def __len__(self):
        return <Py_ssize_t>fb_cuckoo_len(&self.cuckoo)

    def __bool__(self):
        return fb_cuckoo_len(&self.cuckoo) != 0

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
                fb_cuckoo_clear(&self.cuckoo)
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
    def fingerprint_bits(self):
        """Bits that are kept of each key, 8 to 27."""
        return self.cuckoo.shape.bits

    @property
    def load_factor(self):
        """The share of slots that are taken, in [0, 1]; about 0.95 at capacity, of small filters up to 1."""
        return len(self) / fb_cuckoo_slots(self.cuckoo.shape)

    def expected_fp_rate(self, n=None):
        """Return the false-positive rate to expect, now or with a number of keys.

        Parameters
        ----------
        n : int, optional
            A number of keys, at most the number of slots. By default, as many as the filter holds.

        Returns
        -------
        float
            The probability that a key that was not added is claimed to be present.

        Raises
        ------
        TypeError, ValueError
            If `n` is not such an int.

        Notes
        -----
        O(1).

        Examples
        --------
        >>> from fastblocks import CuckooFilter
        >>> f = CuckooFilter(1000, 0.01)
        >>> f.expected_fp_rate()
        0.0
        >>> 0.005 < f.expected_fp_rate(1000) < 0.01
        True
        """
        slots = fb_cuckoo_slots(self.cuckoo.shape)
        n = len(self) if n is None else check.integer("n", n, 0, slots)
        values = 2**self.fingerprint_bits - 1
        return -math.expm1(8 * (n / slots) * math.log1p(-1 / values))

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("capacity", self._capacity), ("fp_rate", self._fp_rate), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = <uint64_t>self._capacity
        state.params[1] = word_of_double(self._fp_rate)
        state.params[2] = self._seed
        state.params[3] = self.cuckoo.shape.n_buckets
        state.params[4] = self.cuckoo.shape.bits
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_cuckoo_shape_t shape
        shape.n_buckets = state.params[3]
        shape.bits = <unsigned>min(state.params[4], 0xFFFFFFFFU)
        fp_rate = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] < 2**63
            or not FB_CUCKOO_MIN_FP_RATE <= fp_rate < 1.0
            or not fb_cuckoo_shape_ok(shape)
            or fb_cuckoo_bytes(shape) != state.payload_bytes
            or not params_end_at(state, 5)
        ):
            return False
        self._capacity = state.params[0]
        self._fp_rate = fp_rate
        self._seed = state.params[2]
        self.shape = shape
        return True

    cdef int attach(self) except -1:
        fb_cuckoo_init(&self.cuckoo, self.shape, self.payload)
        return 0

    cdef bint admit(self) except -1:
        cdef bint answer
        with nogil:
            answer = fb_cuckoo_admit(&self.cuckoo, self.writable)
        return answer

    cdef int gather(self, void *into) except -1:
        cdef bint settled
        with nogil:
            settled = fb_cuckoo_copy(&self.cuckoo, into)
        if not settled:
            raise errors.unsettled()
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return CuckooFilter

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_cuckoo_contains_keys(&self.cuckoo, keys, self._seed, answers)

    cdef int refuse(self, fb_status_t status) except -1:
        return check_status(status, f"{type(self).__name__} of {len(self)} keys")

    cdef int combine(self, list others) except -1:
        """Add the entries of filters that nobody else has: of all or none."""
        cdef CuckooFilter other
        cdef Py_ssize_t done = 0
        cdef fb_status_t status = FB_OK
        with self.whole:
            self.begin_writing()
            while status == FB_OK and done < len(others):
                other = others[done]
                with nogil:
                    status = fb_cuckoo_merge(&self.cuckoo, &other.cuckoo)
                done += 1
            if status != FB_OK:
                for other in others[: done - 1]:
                    with nogil:
                        fb_cuckoo_unmerge(&self.cuckoo, &other.cuckoo)
            self.end_writing()
        if status != FB_OK:
            self.refuse(status)
        return 0
