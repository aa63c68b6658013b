from libc.stdint cimport uint64_t

from fastblocks._core.columns cimport Batch

cdef extern from "geo/h3_index.h" nogil:
    bint fb_h3_is_valid(uint64_t cell)
    int fb_h3_res(uint64_t cell)

# Add a column of cells, all of them valid, and broadcast.
cdef Batch with_cells(Batch batch, str name, object cell)

# A resolution; -1 for None.
cdef int resolution_or_next(object res) except -2

# The array of `values` and the offsets, as a ragged call returns them: only the array for a scalar.
cdef object ragged(Batch batch, object values, object offsets)
