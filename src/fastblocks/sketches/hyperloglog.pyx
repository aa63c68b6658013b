"""HyperLogLog: how many distinct keys."""

from functools import partial

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.math cimport sqrt

from fastblocks._core import check, errors, files

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport MANY_WRITERS, Flat
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64,
)
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport FB_OK, check_status, fb_status_t

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "stdbool.h":
    ctypedef bint cbool "bool"

cdef extern from "sketches/hyperloglog.h" nogil:
    enum:
        FB_HLL_MIN_P
        FB_HLL_MAX_P
    ctypedef struct fb_hll_t:
        unsigned p
        uint8_t *registers
    size_t fb_hll_entries_allowed(unsigned p)
    void fb_hll_init(fb_hll_t *hll, unsigned p, uint8_t *registers)
    void fb_hll_free(fb_hll_t *hll, const void *lent)
    bint fb_hll_is_dense(const fb_hll_t *hll)
    void fb_hll_raise(uint8_t *registers, unsigned p, uint64_t h)
    fb_status_t fb_hll_add(fb_hll_t *hll, uint64_t h)
    fb_status_t fb_hll_add_shared(fb_hll_t *hll, uint64_t h)
    fb_status_t fb_hll_add_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed)
    void fb_hll_raise_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed)
    fb_status_t fb_hll_make_dense(fb_hll_t *hll)
    fb_status_t fb_hll_unite(fb_hll_t *into, const fb_hll_t *other)
    fb_status_t fb_hll_unite_bytes(fb_hll_t *into, const void *payload, size_t size)
    void fb_hll_clear(fb_hll_t *hll, cbool allowed)
    bint fb_hll_empty(const fb_hll_t *hll)
    double fb_hll_estimate(const fb_hll_t *hll)
    double fb_hll_estimate_alone(fb_hll_t *hll)
    size_t fb_hll_memory(const fb_hll_t *hll)
    size_t fb_hll_gathered(const fb_hll_t *hll)
    void fb_hll_gather(const fb_hll_t *hll, void *into)
    bint fb_hll_size_ok(unsigned p, uint64_t size)
    bint fb_hll_admissible(unsigned p, const void *payload, size_t size)
    fb_status_t fb_hll_load(fb_hll_t *hll, const void *payload, size_t size)
    void fb_hll_view(fb_hll_t *hll, void *payload, size_t size)

cdef uint32_t KIND = FB_STATE_FOURCC(c"H", c"L", c"L", c"G")
cdef enum:
    VERSION = 1


cdef class HyperLogLog(Flat):
    """HyperLogLog(p=14, *, seed=0)\n--\n\n\
    An estimate of how many distinct keys were added, in a few kilobytes, however many they are.

    A sketch of few keys is *sparse*: it lists them by their hashes, at about 4 bytes each, and its
    estimates are as good as exact. With more it turns *dense*: ``2**p`` registers of one byte. Sketches
    merge without loss: the sketch of a union is the union of the sketches.

    Parameters
    ----------
    p : int, default 14
        The precision, in ``[4, 18]``. The standard error of a dense sketch is ``1.04 / sqrt(2**p)``: 0.8 %
        in 16 KiB at 14, 3.3 % in 1 KiB at 10, 0.2 % in 256 KiB at 18. Only sketches of the same `p` merge.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. Only sketches of the same `seed` merge.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.

    Notes
    -----
    `add` is O(length of the key) (amortised while sparse); `estimate` O(1) while sparse, O(``2**p``)
    when dense. A sketch turns dense with more than ``3 * 2**p / 16`` keys (3072 at 14), for ``p < 8``
    at once; its state depends on the set of keys alone, not on the order or grouping they came in.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``).

    Threads: any number may use a sketch at once, and no key is lost. Nobody waits for a lock to add to
    a dense sketch, or to estimate; those that add to a sparse one exclude each other, as operations on
    whole sketches do.

    References
    ----------
    .. [1] P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal
       cardinality estimation algorithm", AofA 2007.
    .. [2] S. Heule, M. Nunkesser, A. Hall, "HyperLogLog in practice", EDBT 2013.
    .. [3] O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches",
       arXiv:1702.01284, 2017.

    Examples
    --------
    >>> from fastblocks import HyperLogLog
    >>> visitors = HyperLogLog()
    >>> visitors.update(["ann", "bob", "ann"])
    >>> len(visitors)
    2
    >>> visitors.add_many(range(1_000_000))
    >>> 970_000 < visitors.estimate() < 1_030_000
    True
    >>> visitors.nbytes < 17_000
    True
    >>> visitors
    HyperLogLog(p=14, seed=0)
    """

    cdef fb_hll_t hll
    cdef unsigned _p
    cdef uint64_t _seed

    def __cinit__(self, *args, **kwargs):
        self.file_use = MANY_WRITERS
        self._p = FB_HLL_MIN_P
        self.allocate(<size_t>1 << FB_HLL_MIN_P)

    def __init__(self, p=14, *, seed=0):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        self._p = check.integer("p", p, FB_HLL_MIN_P, FB_HLL_MAX_P)
        self._seed = seed_
        self.allocate(0 if fb_hll_entries_allowed(self._p) else <size_t>1 << self._p)
        self.admit()
        self.made = True

    def __dealloc__(self):
        if self.owned:
            fb_hll_free(&self.hll, self.payload)

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
            If the sketch is mapped read-only.
        MemoryError
            If a sparse sketch must grow and cannot.

        Examples
        --------
        >>> from fastblocks import HyperLogLog
        >>> s = HyperLogLog()
        >>> s.add("Lisbon")
        >>> s.approx_len()
        1
        """
        cdef uint64_t h = hash_key(key, self._seed)
        cdef fb_status_t status
        if self.alone() and self.owned:
            status = fb_hll_add(&self.hll, h)
            if status != FB_OK:
                check_status(status, "HyperLogLog")
        else:
            self.add_beside_others(h)

    def add_many(self, keys):
        """Add a batch of keys: all of them, or none if one is no key.

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
        MemoryError
            If a sparse sketch must grow and cannot; it then holds some of the keys.

        Notes
        -----
        O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

        Examples
        --------
        >>> import numpy as np
        >>> from fastblocks import HyperLogLog
        >>> s = HyperLogLog()
        >>> s.add_many(np.arange(1000) % 50)
        >>> s.approx_len()
        50
        """
        cdef fb_status_t status = FB_OK
        self.check_writable("add_many")
        cdef KeyBatch batch = key_batch(keys, self._seed)
        if batch.n < RELEASE_GIL_FROM and self.alone():
            status = fb_hll_add_keys(&self.hll, batch.cursor(), self._seed)
        elif fb_hll_is_dense(&self.hll):
            self.begin_writing()
            with nogil:
                fb_hll_raise_keys(&self.hll, batch.cursor(), self._seed)
            self.end_writing()
        else:
            with self.whole:
                self.begin_writing()
                with nogil:
                    status = fb_hll_add_keys(&self.hll, batch.cursor(), self._seed)
                self.end_writing()
        check_status(status, "HyperLogLog")

    def update(self, *others):
        """Add every key of each of `others`, as ``set.update`` does.

        Parameters
        ----------
        *others : HyperLogLog, array or iterable of keys
            A sketch is merged (see `merge`); anything else is a batch as for `add_many`.

        Raises
        ------
        TypeError, OverflowError, ValueError, io.UnsupportedOperation, MemoryError
            As `merge` and `add_many`. Those of `others` before the bad one have been added.

        Examples
        --------
        >>> from fastblocks import HyperLogLog
        >>> s = HyperLogLog()
        >>> s.update(["a", "b"], [1, 2], ["a"])
        >>> len(s)
        4
        """
        for other in others:
            if isinstance(other, HyperLogLog):
                self.merge(other)
            else:
                self.add_many(other)

    # ---- whole sketches -------------------------------------------------------------------------

    def merge(self, *others):
        """Add all keys of other sketches: afterwards this one is as if it had been given them.

        Parameters
        ----------
        *others : HyperLogLog
            Sketches of the same p and seed.

        Raises
        ------
        TypeError
            If one is no HyperLogLog.
        ValueError
            If one has other parameters. Nothing has been merged then.
        io.UnsupportedOperation
            If this sketch is mapped read-only.
        MemoryError
            If a sparse sketch must grow and cannot; it then holds some of the keys.

        Notes
        -----
        O(``2**p``) for each that is dense, O(number of its keys) for each that is sparse.

        Examples
        --------
        >>> from fastblocks import HyperLogLog
        >>> monday, tuesday = HyperLogLog(), HyperLogLog()
        >>> monday.update(["ann", "bob"])
        >>> tuesday.update(["bob", "cid"])
        >>> monday.merge(tuesday)
        >>> len(monday)
        3
        """
        self.check_writable("merge")
        for other in others:
            self.check_same(other, HyperLogLog)
        for other in others:
            self.unite(other)

    def __or__(self, other):
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        self.check_same(other, HyperLogLog)
        cdef HyperLogLog result = Flat.copy(self)
        result.unite(other)
        return result

    def __ior__(self, other):
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        self.merge(other)
        return self

    def __eq__(self, other):
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        if self.differing(other) is not None:
            return False
        # Of one that others are adding to, two looks would differ.
        return self is other or self.contents() == (<HyperLogLog>other).contents()

    __hash__ = None

    def __bool__(self):
        return not fb_hll_empty(&self.hll)

    def clear(self):
        """Forget all keys.

        Raises
        ------
        io.UnsupportedOperation
            If the sketch is mapped read-only.

        Notes
        -----
        The sketch is sparse again (for p of 8 and more, and if it is not mapped), but keeps the memory
        of its registers.
        """
        self.check_writable("clear")
        with self.whole:
            fb_hll_clear(&self.hll, self.owned)

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def p(self):
        """The precision: there are ``2**p`` registers."""
        return self._p

    @property
    def seed(self):
        """The seed of the hash."""
        return self._seed

    @property
    def standard_error(self):
        """The standard deviation of the relative error of a dense sketch: ``1.04 / sqrt(2**p)``."""
        return 1.04 / sqrt(<double>(<size_t>1 << self._p))

    @property
    def sparse(self):
        """Whether the sketch still lists its few keys, and so is nearly exact."""
        return not fb_hll_is_dense(&self.hll)

    @property
    def nbytes(self):
        """Bytes of memory that the registers and the table of few keys take, or of mapped file."""
        if not self.owned:
            return self.size
        with self.whole:
            return fb_hll_memory(&self.hll)

    def __sizeof__(self):
        return object.__sizeof__(self) + (self.nbytes if self.owned else 0)

    def estimate(self):
        """Estimate how many distinct keys were added.

        Returns
        -------
        float
            While the sketch is `sparse`, right to a few in ten thousand; then with a relative error
            that is about normal, of mean 0 and standard deviation at most `standard_error`.

        Notes
        -----
        O(1) while sparse; O(``2**p``) when dense, without the GIL. The improved raw estimator of
        Ertl: no bias at any count. The same to the last bit on every platform.

        Examples
        --------
        >>> from fastblocks import HyperLogLog
        >>> s = HyperLogLog()
        >>> s.add_many(range(50_000))
        >>> abs(s.estimate() / 50_000 - 1) < 3 * s.standard_error
        True
        """
        cdef double estimate
        if self.alone() and self.owned:
            return fb_hll_estimate_alone(&self.hll)
        with nogil:
            estimate = fb_hll_estimate(&self.hll)
        return estimate

    def approx_len(self):
        """Estimate how many distinct keys were added; the same as ``len(sketch)``.

        Returns
        -------
        int
            `estimate`, rounded.

        Examples
        --------
        >>> from fastblocks import HyperLogLog
        >>> s = HyperLogLog()
        >>> s.add_many(["a", "b", "a"])
        >>> s.approx_len()
        2
        """
        return round(self.estimate())

    def __len__(self):
        return min(self.approx_len(), PY_SSIZE_T_MAX)

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("p", self._p), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self._p
        state.params[1] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        if (
            state.params[0] > FB_HLL_MAX_P
            or not fb_hll_size_ok(<unsigned>state.params[0], state.payload_bytes)
            or not params_end_at(state, 2)
        ):
            return False
        self._p = <unsigned>state.params[0]
        self._seed = state.params[1]
        return True

    cdef int attach(self) except -1:
        cdef bint dense = self.size == <size_t>1 << self._p
        fb_hll_init(&self.hll, self._p, <uint8_t *>self.payload if dense else NULL)
        return 0

    cdef bint admit(self) except -1:
        cdef fb_status_t status
        if not fb_hll_admissible(self._p, self.payload, self.size):
            return False
        if fb_hll_is_dense(&self.hll):
            return True
        if not self.owned:
            if self.writable:
                raise errors.replaced()
            fb_hll_view(&self.hll, self.payload, self.size)
            return True
        status = fb_hll_load(&self.hll, self.payload, self.size)
        self.release()  # the table has it all
        self.owned = True
        return check_status(status, "HyperLogLog") == 0

    cdef size_t gathered(self) except? 0xC7A3:
        return fb_hll_gathered(&self.hll)

    cdef int gather(self, void *into) except -1:
        with nogil:
            fb_hll_gather(&self.hll, into)
        return 0

    cdef int map(self, object path, object mode, bint verify) except -1:
        if files.open_mode(mode):
            files.convert(path, partial(_dense_form, type(self), path, verify))
        return Flat.map(self, path, mode, verify)

    # ---- within -----------------------------------------------------------------------------

    cdef int add_beside_others(self, uint64_t h) except -1:
        """Add a key while another thread may be adding too."""
        cdef fb_status_t status
        self.check_writable("add")
        if fb_hll_is_dense(&self.hll):
            fb_hll_raise(self.hll.registers, self._p, h)
            return 0
        with self.whole:
            status = fb_hll_add_shared(&self.hll, h)
        return check_status(status, "HyperLogLog")

    cdef bytes contents(self):
        """The serialised form, without a header."""
        cdef bytes data
        with self.whole:
            self.begin_writing()  # so that no scalar method changes what is being read
            try:
                data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>fb_hll_gathered(&self.hll))
                self.gather(PyBytes_AS_STRING(data))
            finally:
                self.end_writing()
        return data

    cdef int unite(self, HyperLogLog other) except -1:
        """Add the keys of another sketch."""
        cdef fb_status_t status
        cdef bytes data
        cdef const char *theirs
        cdef size_t size
        if self.alone() and self.owned and other.owned and other.writers == 0:
            status = fb_hll_unite(&self.hll, &other.hll)
        else:
            data = other.contents()  # so that only one lock is held at a time
            theirs = PyBytes_AS_STRING(data)
            size = <size_t>PyBytes_GET_SIZE(data)
            with self.whole:
                self.begin_writing()
                with nogil:
                    status = fb_hll_unite_bytes(&self.hll, theirs, size)
                self.end_writing()
        return check_status(status, "HyperLogLog")


def _dense_form(cls, path, verify):
    """The bytes to replace a saved sparse sketch by, or None if it is dense."""
    saved = cls.open(path, "r", verify=verify)
    if not saved.sparse:
        return None
    cdef HyperLogLog result = saved.copy()
    check_status(fb_hll_make_dense(&result.hll), "HyperLogLog")
    return result.to_bytes()


fb_cpu_level()
