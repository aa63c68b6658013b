# Filters whose keys have one cell in each lane of a block (csrc/filters/split_block.h): sizing,
# parameters, and what follows from the share of cells that are occupied.
#
# A class derives from SplitBlock; its __cinit__ calls `start` and its
# __init__ `make`, and it implements `attach` for
# `shape`, `occupied` and `rate_now`.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from fastblocks.filters._filter cimport MutableFilter

cdef extern from "filters/split_block.h" nogil:
    ctypedef struct fb_split_shape_t:
        uint64_t n_blocks
        unsigned lanes


cdef class SplitBlock(MutableFilter):
    cdef fb_split_shape_t shape
    cdef object _capacity
    cdef double _fp_rate
    cdef uint32_t kind
    cdef uint16_t version
    cdef unsigned lane_bytes

    # For __cinit__: the smallest filter.
    cdef int start(self, uint32_t kind, uint16_t version, unsigned lane_bytes) except -1

    # For __init__: a filter for so many keys, once the arguments are checked.
    cdef int make(self, object capacity, object fp_rate, object seed) except -1

    # Number of cells that are occupied, and the false-positive rate of them as they are.
    cdef uint64_t occupied(self) noexcept nogil
    cdef double rate_now(self) noexcept nogil

    cdef uint64_t cells(self) noexcept nogil
    cdef size_t bytes_of(self, fb_split_shape_t shape) noexcept nogil


# How many keys occupy so many of the cells, by which `approx_len` goes.
cdef object keys_of_cells(uint64_t occupied, double cells, unsigned lanes)
