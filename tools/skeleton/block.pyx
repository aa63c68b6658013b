"""Tally."""

from libc.stdint cimport uint32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.flat cimport ONE_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at

cdef extern from "FAMILY/tally.h" nogil:
    uint64_t FB_TALLY_MAX_WIDTH
    ctypedef struct fb_tally_t:
        uint64_t *counters
        uint64_t width
    void fb_tally_add(fb_tally_t *t, uint64_t h)
    uint64_t fb_tally_estimate(const fb_tally_t *t, uint64_t h)
    void fb_tally_add_keys(fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed)
    void fb_tally_estimate_keys(const fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed,
                                uint64_t *out)
    void fb_tally_merge(fb_tally_t *into, const fb_tally_t *other)
    void fb_tally_clear(fb_tally_t *t)
    bint fb_tally_equal(const fb_tally_t *a, const fb_tally_t *b)

cdef uint32_t KIND = FB_STATE_FOURCC(c"T", c"A", c"L", c"Y")
cdef enum:
    VERSION = 1


cdef class Tally(Flat):
    """Tally(width, *, seed=0)\n--\n\n\
    How often each key was added, in a fixed number of counters that keys share.

    Parameters
    ----------
    width : int
        How many counters, in ``[1, 2**32]``.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved tallies hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If it is out of range.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `add` and `estimate` are O(length of the key). Memory is constant: 8 bytes per counter. Counts are
    modulo 2**64.

    Keys are as for `BloomFilter`: ``str``, ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)``.

    Threads: any number may read and write at once. Writers exclude each other, so no count is lost;
    estimates take no lock.

    Examples
    --------
    >>> from fastblocks import Tally
    >>> visits = Tally(1000)
    >>> visits.add("Lisbon")
    >>> visits.add_many(["Porto", "Lisbon"])
    >>> visits.estimate("Lisbon"), visits.estimate("Faro")
    (2, 0)
    >>> visits
    Tally(width=1000, seed=0)
    """

    cdef fb_tally_t tally
    cdef uint64_t _seed

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self.tally.width = 1
        self.allocate(8)

    def __init__(self, width, *, seed=0):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        cdef uint64_t width_ = check.integer("width", width, 1, FB_TALLY_MAX_WIDTH)
        self.allocate(<size_t>(8 * width_))
        self.tally.width = width_
        self._seed = seed_
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
            If it is no key.
        io.UnsupportedOperation
            If the tally is mapped read-only.
        """
        cdef uint64_t h = hash_key(key, self._seed)
        if self.alone():
            fb_tally_add(&self.tally, h)
        else:
            self.check_writable("add")
            with self.whole:
                fb_tally_add(&self.tally, h)

    def add_many(self, keys):
        """Add a batch of keys: all of them, or none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no such batch, or holds something that is no key.
        ValueError
            If it has a null or is not 1-D.
        io.UnsupportedOperation
            If the tally is mapped read-only.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                fb_tally_add_keys(&self.tally, batch.cursor(), self._seed)
                return
            self.begin_writing()
            with nogil:
                fb_tally_add_keys(&self.tally, batch.cursor(), self._seed)
            self.end_writing()

    def estimate(self, key):
        """Return how often a key, and those that share its counter, were added.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            Never less than how often the key was added.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        return fb_tally_estimate(&self.tally, hash_key(key, self._seed))

    def estimate_many(self, keys, out=None):
        """Return the estimate of each key of a batch.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`.
        out : ndarray of uint64, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of uint64, shape (n,)
            ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `add_many`, or if `out` does not fit. `out` is unchanged after any error.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "uint64")
        cdef uint64_t *answers = <uint64_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            fb_tally_estimate_keys(&self.tally, batch.cursor(), self._seed, answers)
        else:
            with nogil:
                fb_tally_estimate_keys(&self.tally, batch.cursor(), self._seed, answers)
        return delivered(result, out)

    # ---- whole tallies --------------------------------------------------------------------------

    def merge(self, *others):
        """Add the counters of other tallies.

        Parameters
        ----------
        *others : Tally
            Of the same width and seed.

        Raises
        ------
        TypeError
            If one is no Tally.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this tally is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. The result is the tally that was given all keys.
        """
        cdef Tally tally
        self.check_writable("merge")
        for other in others:
            self.check_same(other, Tally)
        for other in others:
            tally = other
            with self.whole:
                self.begin_writing()
                with nogil:
                    fb_tally_merge(&self.tally, &tally.tally)
                self.end_writing()

    def clear(self):
        """Forget all keys.

        Raises
        ------
        io.UnsupportedOperation
            If the tally is mapped read-only.
        """
        self.check_writable("clear")
        with self.whole:
            self.begin_writing()
            with nogil:
                fb_tally_clear(&self.tally)
            self.end_writing()

    def __eq__(self, other):
        cdef Tally tally
        cdef bint equal
        if not isinstance(other, Tally):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        tally = other
        with nogil:
            equal = fb_tally_equal(&self.tally, &tally.tally)
        return equal

    __hash__ = None

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def width(self):
        """The number of counters."""
        return self.tally.width

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("width", self.tally.width), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.tally.width
        state.params[1] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef uint64_t width = state.params[0]
        if (
            not 1 <= width <= FB_TALLY_MAX_WIDTH
            or 8 * width != state.payload_bytes
            or not params_end_at(state, 2)
        ):
            return False
        self.tally.width = width
        self._seed = state.params[1]
        return True

    cdef int attach(self) except -1:
        self.tally.counters = <uint64_t *>self.payload
        return 0
