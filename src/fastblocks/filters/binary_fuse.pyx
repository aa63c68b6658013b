"""Binary fuse filter."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from fastblocks._core import check

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER
from fastblocks._core.keys cimport KeyBatch, fb_keys_cursor_t, hash_key, key_batch, seed64
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.filters._filter cimport KeyFilter, cbool

cdef extern from "filters/binary_fuse.h" nogil:
    ctypedef struct fb_binary_fuse_shape_t:
        uint64_t n_keys
        uint32_t log_length
        uint32_t n_segments
        uint32_t bits
        uint32_t attempt
    ctypedef struct fb_binary_fuse_t:
        fb_binary_fuse_shape_t shape
    ctypedef struct fb_binary_fuse_plan_t:
        fb_binary_fuse_shape_t shape
    fb_binary_fuse_shape_t fb_binary_fuse_shape(uint64_t n, unsigned bits)
    uint64_t fb_binary_fuse_bytes(fb_binary_fuse_shape_t shape)
    bint fb_binary_fuse_shape_ok(fb_binary_fuse_shape_t shape)
    void fb_binary_fuse_init(fb_binary_fuse_t *f, fb_binary_fuse_shape_t shape, const void *cells)
    fb_status_t fb_binary_fuse_plan(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys, uint64_t n,
                                    uint64_t seed, unsigned bits, unsigned attempts)
    void fb_binary_fuse_drop(fb_binary_fuse_plan_t *plan)
    void fb_binary_fuse_fill(const fb_binary_fuse_plan_t *plan, void *cells)
    bint fb_binary_fuse_contains(const fb_binary_fuse_t *f, uint64_t h)
    void fb_binary_fuse_contains_keys(const fb_binary_fuse_t *f, fb_keys_cursor_t keys,
                                      uint64_t seed, cbool *out)

cdef uint32_t KIND = FB_STATE_FOURCC(c"F", c"U", c"S", c"E")
cdef enum:
    VERSION = 1

ATTEMPTS = 100  # multipliers that are tried


cdef class BinaryFuseFilter(KeyFilter):
    """BinaryFuseFilter(keys, bits=8, *, seed=0)\n--\n\n\
    A set made once, from all of its keys, that may claim others at a rate of ``2**-bits``.

    It takes about ``1.13 * bits`` bits a key, less than any filter to which keys can be added, and
    reads three cells per lookup. It cannot change: to add or remove keys, or to unite two sets, make
    a new one.

    Parameters
    ----------
    keys : array or iterable of keys
        A 1-D NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
        integers, strings or binary (anything with ``__arrow_c_array__`` or
        ``__arrow_c_stream__``); a pandas Series; or any iterable of keys. Equal keys count once.
    bits : {8, 16, 32}, default 8
        Of a cell. The false-positive rate is 1/256, 1/65,536 or 1/4,294,967,296.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved filters hold it.

    Raises
    ------
    TypeError, OverflowError, UnicodeEncodeError
        If `keys` is not such a batch, or holds something that is no key; if an argument is of the
        wrong type.
    ValueError
        If an argument is out of range; if `keys` has a null, is not 1-D, or has more than 2**31 keys.
    MemoryError
        If there is not enough memory.
    RuntimeError
        If 100 attempts to build it have failed. One fails about once in 50 times, so this is not to
        be expected.

    Notes
    -----
    Making it is O(n), is done without the GIL, and takes 17 bytes a key for the time of the call; 8
    more if there are equal keys, and 8 more if the keys are Python objects. ``in`` is O(length of
    the key) and costs at most three cache misses.

    Bits per key by `bits`, for a million keys or more: 9.04, 18.1, 36.2; for ten thousand 10.3 at 8
    bits, for a thousand 11.3. The same set of keys gives the same filter, in whatever order.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes; so ``-1`` and ``2**64 - 1`` are one key, as are ``"a"`` and
    ``b"a"``). Two keys whose 64-bit hashes are equal are one key as well.

    Threads: any number may look up at once; there is nothing to lock.

    References
    ----------
    .. [1] T. M. Graf, D. Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", ACM
       Journal of Experimental Algorithmics 27, 2022, arXiv:2201.01174.

    Examples
    --------
    >>> from fastblocks import BinaryFuseFilter
    >>> blocked = BinaryFuseFilter(["spam.example", "phish.example", "spam.example"])
    >>> "spam.example" in blocked, "docs.example" in blocked
    (True, False)
    >>> blocked.contains_many(["phish.example", "mail.example"]).tolist()
    [True, False]
    >>> blocked
    BinaryFuseFilter(2 keys, bits=8, seed=0)
    """

    cdef fb_binary_fuse_t filter
    cdef fb_binary_fuse_shape_t shape  # of the payload that is about to be attached

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self.shape = fb_binary_fuse_shape(0, 8)
        self.allocate(<size_t>fb_binary_fuse_bytes(self.shape))

    def __init__(self, keys, bits=8, *, seed=0):
        cdef fb_binary_fuse_plan_t plan
        cdef fb_status_t status
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        cdef unsigned bits_ = check.one_of("bits", bits, (8, 16, 32))
        cdef unsigned attempts = ATTEMPTS
        cdef KeyBatch batch = key_batch(keys, seed_)
        memset(&plan, 0, sizeof(plan))
        with self.whole:
            self.begin_init()  # another thread may have been quicker
            try:
                with nogil:
                    status = fb_binary_fuse_plan(
                        &plan, batch.cursor(), batch.n, seed_, bits_, attempts
                    )
                check_status(status, f"{plan.shape.n_keys or batch.n} keys in {attempts} attempts")
                self.shape = plan.shape
                self.allocate(<size_t>fb_binary_fuse_bytes(plan.shape))
                with nogil:
                    fb_binary_fuse_fill(&plan, self.payload)
            finally:
                fb_binary_fuse_drop(&plan)
            self._seed = seed_
            self.made = True

    # ---- keys -------------------------------------------------------------------------------

    def __contains__(self, key):
        return fb_binary_fuse_contains(&self.filter, hash_key(key, self._seed))

    # ---- what it is -----------------------------------------------------------------------------

    def __len__(self):
        return self.filter.shape.n_keys

    def __eq__(self, other):
        cdef bint equal
        cdef BinaryFuseFilter that
        if not isinstance(other, BinaryFuseFilter):
            return NotImplemented
        that = other
        if self.differing(that) is not None:
            return False
        with nogil:
            equal = memcmp(self.payload, that.payload, self.size) == 0
        return equal

    __hash__ = None

    def __repr__(self):
        shape = self.filter.shape
        return f"{type(self).__name__}({shape.n_keys} keys, bits={shape.bits}, seed={self._seed})"

    @property
    def bits(self):
        """Bits of a cell: 8, 16 or 32."""
        return self.filter.shape.bits

    @property
    def fp_rate(self):
        """The share of absent keys that it claims to hold: ``2**-bits``; 0 if it is empty."""
        return 2.0 ** -<int>self.filter.shape.bits if self.filter.shape.n_keys else 0.0

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("bits", self.filter.shape.bits), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.filter.shape.n_keys
        state.params[1] = self.filter.shape.bits
        state.params[2] = self._seed
        state.params[3] = self.filter.shape.log_length
        state.params[4] = self.filter.shape.n_segments
        state.params[5] = self.filter.shape.attempt
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_binary_fuse_shape_t shape
        shape.n_keys = state.params[0]
        shape.bits = <uint32_t>min(state.params[1], 0xFFFFFFFFU)
        shape.log_length = <uint32_t>min(state.params[3], 0xFFFFFFFFU)
        shape.n_segments = <uint32_t>min(state.params[4], 0xFFFFFFFFU)
        shape.attempt = <uint32_t>min(state.params[5], 0xFFFFFFFFU)
        if (
            not fb_binary_fuse_shape_ok(shape)
            or fb_binary_fuse_bytes(shape) != state.payload_bytes
            or not params_end_at(state, 6)
        ):
            return False
        self.shape = shape
        self._seed = state.params[2]
        return True

    cdef int attach(self) except -1:
        fb_binary_fuse_init(&self.filter, self.shape, self.payload)
        return 0

    # ---- within -----------------------------------------------------------------------------

    cdef type family(self):
        return BinaryFuseFilter

    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil:
        fb_binary_fuse_contains_keys(&self.filter, keys, self._seed, answers)


fb_cpu_level()
