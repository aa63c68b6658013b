"""What filters of split blocks have in common."""

import math

from fastblocks._core import check

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport seed64
from fastblocks._core.state cimport double_of_word, fb_state_t, params_end_at, word_of_double
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from "filters/split_block.h" nogil:
    double FB_SPLIT_MIN_FP_RATE
    unsigned FB_SPLIT_CELLS
    double fb_split_rate(fb_split_shape_t shape, uint64_t n)
    fb_status_t fb_split_shape(uint64_t capacity, double fp_rate, unsigned lane_bytes,
                               fb_split_shape_t *shape)
    bint fb_split_shape_ok(fb_split_shape_t shape)


cdef class SplitBlock(MutableFilter):
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
        """The share of cells that are occupied, in [0, 1]; 0.3 to 0.55 at capacity, by fp_rate."""
        return self.occupied() / self.cells()

    def approx_len(self):
        """Estimate how many distinct keys are in, from the share of cells that are occupied.

        Returns
        -------
        int
            Within about 1 % at capacity for filters of thousands of keys; a full filter (every
            cell occupied) gives a lower bound.

        Notes
        -----
        O(nbytes). Each lane has one cell per key, so the cells of one lane over all blocks are a
        table into which n balls were thrown: n = ln(1 - fill) / ln(1 - 1/cells).

        Examples
        --------
        >>> from fastblocks import BloomFilter
        >>> f = BloomFilter(1000)
        >>> f.update(range(500))
        >>> 480 < f.approx_len() < 520
        True
        """
        cdef uint64_t occupied
        with nogil:
            occupied = self.occupied()
        return keys_of_cells(occupied, self.cells(), self.shape.lanes)

    def expected_fp_rate(self, n=None):
        """Return the false-positive rate to expect, now or with a number of keys.

        Parameters
        ----------
        n : int, optional
            A number of distinct keys. By default the rate is that of the cells as they are.

        Returns
        -------
        float
            The probability that a key that is not in is claimed to be present.

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
            return fb_split_rate(self.shape, check.integer("n", n, 0, 2**63 - 1))
        with nogil:
            rate = self.rate_now()
        return rate

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("capacity", self._capacity), ("fp_rate", self._fp_rate), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = self.kind
        state.version = self.version
        state.params[0] = <uint64_t>self._capacity
        state.params[1] = word_of_double(self._fp_rate)
        state.params[2] = self._seed
        state.params[3] = self.shape.n_blocks
        state.params[4] = self.shape.lanes
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef fb_split_shape_t shape
        shape.n_blocks = state.params[3]
        shape.lanes = <unsigned>min(state.params[4], 0xFFFFFFFFU)
        fp_rate = double_of_word(state.params[1])
        if (
            not 1 <= state.params[0] < 2**63
            or not FB_SPLIT_MIN_FP_RATE <= fp_rate < 1.0
            or not fb_split_shape_ok(shape)
            or self.bytes_of(shape) != state.payload_bytes
            or not params_end_at(state, 5)
        ):
            return False
        self._capacity = state.params[0]
        self._fp_rate = fp_rate
        self._seed = state.params[2]
        self.shape = shape
        return True

    # ---- within -----------------------------------------------------------------------------

    cdef int start(self, uint32_t kind, uint16_t version, unsigned lane_bytes) except -1:
        self.kind, self.version, self.lane_bytes = kind, version, lane_bytes
        self._capacity, self._fp_rate = 1, 0.5
        fb_split_shape(1, 0.5, lane_bytes, &self.shape)
        return self.allocate(self.bytes_of(self.shape))

    cdef int make(self, object capacity, object fp_rate, object seed) except -1:
        cdef fb_split_shape_t shape, before
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        capacity = check.integer("capacity", capacity, 1, 2**63 - 1)
        cdef double rate = check.real("fp_rate", fp_rate, FB_SPLIT_MIN_FP_RATE, 1.0)
        check_status(
            fb_split_shape(capacity, rate, self.lane_bytes, &shape),
            f"capacity={capacity} at fp_rate={rate}",
        )
        before = self.shape
        self.shape = shape
        try:
            self.allocate(self.bytes_of(shape))
        except BaseException:  # then the object stays what it was
            self.shape = before
            raise
        self._capacity, self._fp_rate, self._seed = capacity, rate, seed_
        self.made = True
        return 0

    cdef uint64_t occupied(self) noexcept nogil:
        return 0

    cdef double rate_now(self) noexcept nogil:
        return 0.0

    cdef uint64_t cells(self) noexcept nogil:
        return self.shape.n_blocks * self.shape.lanes * FB_SPLIT_CELLS

    cdef size_t bytes_of(self, fb_split_shape_t shape) noexcept nogil:
        return <size_t>(shape.n_blocks * shape.lanes * self.lane_bytes)


cdef object keys_of_cells(uint64_t occupied, double cells, unsigned lanes):
    cdef double free = max(cells - occupied, 0.5)
    return round(math.log(free / cells) / math.log1p(-1.0 / (cells / lanes)))


fb_cpu_level()
