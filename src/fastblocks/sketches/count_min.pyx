"""Count-min sketch."""

import math

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport uint32_t, uint64_t

from fastblocks._core import check, errors

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.flat cimport ONE_WRITER, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at

cdef extern from "stdbool.h":
    ctypedef bint cbool "bool"

cdef extern from "sketches/count_min.h" nogil:
    enum:
        FB_COUNT_MIN_MAX_DEPTH
    uint64_t FB_COUNT_MIN_MAX_WIDTH
    ctypedef struct fb_count_min_shape_t:
        uint64_t width
        unsigned depth
        cbool conservative
    ctypedef struct fb_count_min_t:
        fb_count_min_shape_t shape
    bint fb_count_min_shape_ok(fb_count_min_shape_t shape)
    uint64_t fb_count_min_bytes(fb_count_min_shape_t shape)
    void fb_count_min_init(fb_count_min_t *s, fb_count_min_shape_t shape, void *memory)
    uint64_t fb_count_min_total(const fb_count_min_t *s)
    void fb_count_min_add(fb_count_min_t *s, uint64_t h, uint64_t count)
    uint32_t fb_count_min_estimate(const fb_count_min_t *s, uint64_t h)
    void fb_count_min_add_keys(fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                               const uint64_t *counts, uint64_t count)
    void fb_count_min_estimate_keys(const fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                    uint32_t *out)
    void fb_count_min_merge(fb_count_min_t *into, const fb_count_min_t *other)
    void fb_count_min_clear(fb_count_min_t *s)
    bint fb_count_min_equal(const fb_count_min_t *a, const fb_count_min_t *b)
    bint fb_count_min_ok(const fb_count_min_t *s)

cdef uint32_t KIND = FB_STATE_FOURCC(c"C", c"M", c"I", c"N")
cdef enum:
    VERSION = 1
cdef object MAX_COUNT = 2**63 - 1  # that is added at once


# A count argument; in the usual case without a call.
cdef inline uint64_t count_of(object count) except? 0xC7A3:
    cdef int overflow
    cdef long long small
    if PyLong_CheckExact(count):
        small = PyLong_AsLongLongAndOverflow(count, &overflow)
        if not overflow and small >= 0:
            return <uint64_t>small
    return check.integer("count", count, 0, MAX_COUNT)


cdef class CountMinSketch(Flat):
    """CountMinSketch(width, depth, *, conservative=True, seed=0)\n--\n\n\
    How often each key was added: never too low, too high by a known share of the total at most.

    A count-min sketch: `depth` rows of `width` counters, of which each key has one in every row. It
    counts any number of different keys in fixed memory. `from_error` makes one by its accuracy.

    Parameters
    ----------
    width : int
        Counters in a row, in ``[1, 2**32]``. The error is e / width of the total: see `epsilon`.
    depth : int
        Rows, in ``[1, 32]``. The error is larger than that with probability e**-depth: see `delta`.
    conservative : bool, default True
        Whether to raise only those counters of a key that have to be. Estimates are then closer, the
        more so the more the keys differ in how often they are added; but the order of the keys
        matters, so merged sketches differ from one that was given all keys.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved sketches hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or there would be more than 2**34 counters.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `add` and `estimate` are O(length of the key + depth), with a cache miss for each row. Memory is
    constant: 4 bytes per counter, and 64 more. Counters end at 2**32 - 1.

    Keys are as for `BloomFilter`: ``str``, ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)``.

    Threads: any number may read and write at once. Writers exclude each other, so no count is lost;
    estimates take no lock.

    References
    ----------
    .. [1] G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch and
       its applications", Journal of Algorithms 55(1), 2005.
    .. [2] C. Estan, G. Varghese, "New directions in traffic measurement and accounting",
       SIGCOMM 2002.

    Examples
    --------
    >>> from fastblocks import CountMinSketch
    >>> visits = CountMinSketch(width=1000, depth=4)
    >>> visits.add("Lisbon")
    >>> visits.add_many(["Porto", "Lisbon"], counts=[5, 10])
    >>> visits.estimate("Lisbon"), visits.estimate("Porto"), visits.estimate("Faro")
    (11, 5, 0)
    >>> visits.total
    16
    >>> visits
    CountMinSketch(width=1000, depth=4, conservative=True, seed=0)
    """

    cdef fb_count_min_t sketch
    cdef fb_count_min_shape_t shape
    cdef uint64_t _seed

    def __cinit__(self, *args, **kwargs):
        self.file_use = ONE_WRITER
        self.shape.width, self.shape.depth, self.shape.conservative = 1, 1, True
        self.allocate(<size_t>fb_count_min_bytes(self.shape))

    def __init__(self, width, depth, *, conservative=True, seed=0):
        cdef fb_count_min_shape_t shape
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        shape.width = check.integer("width", width, 1, FB_COUNT_MIN_MAX_WIDTH)
        shape.depth = check.integer("depth", depth, 1, FB_COUNT_MIN_MAX_DEPTH)
        shape.conservative = check.boolean("conservative", conservative)
        if not fb_count_min_shape_ok(shape):
            raise errors.status("OUT_OF_RANGE", f"width={shape.width} with depth={shape.depth}")
        cdef fb_count_min_shape_t before = self.shape
        self.shape = shape
        try:
            self.allocate(<size_t>fb_count_min_bytes(shape))
        except BaseException:  # then the object stays what it was
            self.shape = before
            raise
        self._seed = seed_
        self.made = True

    @classmethod
    def from_error(cls, epsilon, delta, *, conservative=True, seed=0):
        """Make the smallest sketch of a wanted accuracy.

        Parameters
        ----------
        epsilon : float
            The share of the total that an estimate may be too high by, in ``[1e-9, 1)``. Gives
            width = ceil(e / epsilon).
        delta : float
            The probability that an estimate is too high by more, in ``[1e-13, 1)``. Gives
            depth = ceil(ln(1 / delta)).
        conservative : bool, default True
        seed : int, default 0
            As for the class.

        Returns
        -------
        cls

        Raises
        ------
        TypeError, ValueError, MemoryError
            As for the class.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> CountMinSketch.from_error(0.001, 0.01)
        CountMinSketch(width=2719, depth=5, conservative=True, seed=0)
        """
        width = math.ceil(math.e / check.real("epsilon", epsilon, 1e-9, 1.0))
        depth = math.ceil(-math.log(check.real("delta", delta, 1e-13, 1.0)))
        return cls(width, depth, conservative=conservative, seed=seed)

    # ---- keys -------------------------------------------------------------------------------

    def add(self, key, count=1):
        """Add a number of occurrences of one key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        count : int, default 1
            In ``[0, 2**63)``.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key, or `count` no int.
        ValueError
            If `count` is out of range.
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        Counters end at 2**32 - 1, the total at 2**64 - 1.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> s = CountMinSketch(100, 4)
        >>> s.add(7)
        >>> s.add(7, 9)
        >>> s.estimate(7)
        10
        """
        cdef uint64_t h = hash_key(key, self._seed)
        cdef uint64_t n = count_of(count)
        if self.alone():
            fb_count_min_add(&self.sketch, h, n)
        else:
            self.check_writable("add")
            with self.whole:
                fb_count_min_add(&self.sketch, h, n)

    def add_many(self, keys, counts=1):
        """Add a batch of keys: all of them, or none if there is an error.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array
            of integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys, for which 8 bytes a
            key are held for the time of the call.
        counts : int, or array or sequence of ints, shape (n,), default 1
            How often each key occurred, in ``[0, 2**63)``; one int for all.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key; if `counts` are no
            integers.
        ValueError
            If `keys` has a null or is not 1-D, or a count is out of range, or their number is not n.
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        O(n * depth). The same as `add` of each key in turn. Arrays are read in place; from 512 keys
        on, the work is done without the GIL.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import CountMinSketch
        >>> s = CountMinSketch(100, 4)
        >>> s.add_many(np.array([1, 2, 1]))
        >>> s.add_many(["a", "b"], [10, 20])
        >>> s.estimate_many([1, 2, "a", "b"]).tolist()
        [2, 1, 10, 20]
        """
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        cdef const uint64_t *each = NULL
        cdef uint64_t count = 0
        if PyLong_CheckExact(counts) and 0 <= counts <= MAX_COUNT:
            count = counts  # needs no NumPy
        else:
            counts = check.counts(counts, <Py_ssize_t>batch.n, MAX_COUNT)
            if isinstance(counts, int):
                count = counts
            else:
                each = <const uint64_t *>data_of(counts)
        with self.whole:
            if batch.n < RELEASE_GIL_FROM:
                fb_count_min_add_keys(&self.sketch, batch.cursor(), self._seed, each, count)
                return
            self.begin_writing()
            with nogil:
                fb_count_min_add_keys(&self.sketch, batch.cursor(), self._seed, each, count)
            self.end_writing()

    def estimate(self, key):
        """Return about how often a key was added.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            Never less than the sum of its counts, up to 2**32 - 1; too high by more than
            `error_bound` with probability `delta` at most.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If `key` is no key.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> CountMinSketch(100, 4).estimate("never seen")
        0
        """
        return fb_count_min_estimate(&self.sketch, hash_key(key, self._seed))

    def estimate_many(self, keys, out=None):
        """Return, for each key of a batch, about how often it was added.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            As for `add_many`.
        out : ndarray of uint32, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of uint32, shape (n,)
            ``out`` if given.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `add_many`, or if `out` does not fit. `out` is unchanged after any error.

        Notes
        -----
        O(n * depth). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> s = CountMinSketch(100, 4)
        >>> s.add_many(["a", "a", "b"])
        >>> s.estimate_many(["a", "b", "c"]).tolist()
        [2, 1, 0]
        """
        cdef KeyBatch batch = key_batch(keys, self._seed)
        result = batch.result_array(out, "uint32")
        cdef uint32_t *answers = <uint32_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            fb_count_min_estimate_keys(&self.sketch, batch.cursor(), self._seed, answers)
        else:
            with nogil:
                fb_count_min_estimate_keys(&self.sketch, batch.cursor(), self._seed, answers)
        return delivered(result, out)

    # ---- whole sketches -------------------------------------------------------------------------

    def merge(self, *others):
        """Add the counters and totals of other sketches.

        Parameters
        ----------
        *others : CountMinSketch
            Sketches of the same width, depth, conservative and seed.

        Raises
        ------
        TypeError
            If one is no CountMinSketch.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this sketch is mapped read-only.

        Notes
        -----
        O(nbytes) for each, without the GIL. Without `conservative`, the result is bit for bit the
        sketch that was given all keys. With it, estimates are never too low and within the bound
        all the same, but may be higher than those of one sketch.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> a, b = CountMinSketch(100, 4), CountMinSketch(100, 4)
        >>> a.add("x")
        >>> b.add("x", 2)
        >>> a.merge(b)
        >>> a.estimate("x"), a.total
        (3, 3)
        """
        cdef CountMinSketch sketch
        self.check_writable("merge")
        for other in others:
            self.check_same(other, CountMinSketch)
        for other in others:
            sketch = other
            with self.whole:
                self.begin_writing()
                with nogil:
                    fb_count_min_merge(&self.sketch, &sketch.sketch)
                self.end_writing()

    def __eq__(self, other):
        cdef CountMinSketch sketch
        cdef bint equal
        if not isinstance(other, CountMinSketch):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        sketch = other
        with nogil:
            equal = fb_count_min_equal(&self.sketch, &sketch.sketch)
        return equal

    __hash__ = None

    def __bool__(self):
        return fb_count_min_total(&self.sketch) > 0

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
                fb_count_min_clear(&self.sketch)
            self.end_writing()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def width(self):
        """The number of counters in a row."""
        return self.shape.width

    @property
    def depth(self):
        """The number of rows: of counters that a key has."""
        return self.shape.depth

    @property
    def conservative(self):
        """Whether only the counters of a key that have to be are raised."""
        return self.shape.conservative

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    @property
    def total(self):
        """The sum of all counts added, up to 2**64 - 1."""
        return fb_count_min_total(&self.sketch)

    @property
    def epsilon(self):
        """The share of the total that an estimate may be too high by: e / width."""
        return math.e / self.shape.width

    @property
    def delta(self):
        """The probability that it is too high by more: e**-depth."""
        return math.exp(-<int>self.shape.depth)

    def error_bound(self):
        """Return how much too high an estimate may be: epsilon * total.

        Returns
        -------
        float
            An estimate exceeds the true count by at most this with probability 1 - delta.

        Examples
        --------
        >>> from fastblocks import CountMinSketch
        >>> s = CountMinSketch.from_error(0.001, 0.01)
        >>> s.add_many(range(10_000))
        >>> 9.9 < s.error_bound() < 10.0
        True
        """
        return self.epsilon * self.total

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return (
            ("width", self.shape.width),
            ("depth", self.shape.depth),
            ("conservative", self.conservative),
            ("seed", self._seed),
        )

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.shape.width
        state.params[1] = self.shape.depth
        state.params[2] = self.shape.conservative
        state.params[3] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_count_min_shape_t shape
        shape.width = state.params[0]
        shape.depth = <unsigned>min(state.params[1], 0xFFFFFFFFU)
        shape.conservative = state.params[2] == 1
        if (
            state.params[2] > 1
            or not fb_count_min_shape_ok(shape)
            or fb_count_min_bytes(shape) != state.payload_bytes
            or not params_end_at(state, 4)
        ):
            return False
        self.shape = shape
        self._seed = state.params[3]
        return True

    cdef int attach(self) except -1:
        fb_count_min_init(&self.sketch, self.shape, self.payload)
        return 0

    cdef bint admit(self) except -1:
        return fb_count_min_ok(&self.sketch)


# ---- for compiled code ---------------------------------------------------------------------------

cdef object pin(object sketch, const void **state, uint64_t *seed):
    cdef CountMinSketch pinned = sketch
    state[0] = &pinned.sketch
    seed[0] = pinned._seed
    return pinned


cdef uint64_t frequency_of(const void *state, uint64_t h) noexcept nogil:
    return fb_count_min_estimate(<const fb_count_min_t *>state, h)
