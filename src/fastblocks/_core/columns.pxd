# Columns of numbers, cell ids and short texts, in and out: scalars, lists, NumPy arrays, pandas and
# polars Series, Arrow arrays. What functions of arrays (the geo family) are written with.
#
#     def latlng_to_cell(lat, lng, level=30, out=None):
#         cdef double y, x
#         cdef int deep = check.integer("level", level, 0, 30)
#         if out is None and plain_double(lat, &y) and plain_double(lng, &x):
#             if is_latlng(y, x):
#                 return fb_s2_cell(y, x, deep)              # the quick way for two numbers
#         cdef Batch batch = Batch()
#         batch.latitudes("lat", lat)                        # converts and checks; raises
#         batch.longitudes("lng", lng)
#         result = batch.result(out, "uint64")               # broadcasts; checks `out`
#         cdef const double *ys = <const double *>batch.data(0)
#         cdef const double *xs = <const double *>batch.data(1)
#         cdef uint64_t *cells = <uint64_t *>data_of(result)
#         cdef size_t n = batch.n
#         if n < RELEASE_GIL_FROM:
#             fb_s2_cells(ys, xs, n, deep, cells)
#         else:
#             with nogil:
#                 fb_s2_cells(ys, xs, n, deep, cells)
#         return batch.give(result, out)
#
# Where C finds the first bad item itself (a malformed cell), it returns its index, or n, having
# written to `result` only: so call `batch.scratch(...)` for the result instead, which never is
# `out` itself, and raise `batch.bad(k, index, "a valid S2 cell")` for column k.

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport uint64_t

cdef extern from "pykeys.h":
    bint fb_py_uint64(object number, uint64_t *value)

# Whether x is a float, or an int that fits in 64 bits; then its value. Others (NumPy's scalars, bools,
# arrays, what is no number) are for Batch, which tells them apart. NaN and infinity count as numbers.
cdef inline bint plain_double(object x, double *value) noexcept:
    cdef int overflow
    if PyFloat_Check(x):
        value[0] = PyFloat_AS_DOUBLE(x)
        return True
    if PyLong_CheckExact(x):
        value[0] = <double>PyLong_AsLongLongAndOverflow(x, &overflow)
        return not overflow
    return False

# Whether x is an int in [0, 2**64); then its value. Others are for Batch.
cdef inline bint plain_id(object x, uint64_t *value) noexcept:
    return PyLong_CheckExact(x) and fb_py_uint64(x, value)

# Whether a latitude is in [-90, 90] and a longitude finite.
cdef inline bint is_latlng(double lat, double lng) noexcept nogil:
    return -90 <= lat <= 90 and lng - lng == 0

# Below this many items a batch keeps the GIL: giving it up could cost more than the work.
cdef enum:
    RELEASE_GIL_FROM = 512


# The columns of one call: added one by one, each converted and checked, then broadcast together.
# Scalars may be among them; if all are scalars the result is one too.
cdef class Batch:
    cdef readonly tuple shape    # of the results
    cdef readonly Py_ssize_t n   # items
    cdef readonly list arrays    # of every column: C-contiguous, once broadcast all of shape `shape`
    cdef list names
    cdef list shapes             # before broadcasting
    cdef object kind             # how the results are given back
    cdef bint ready

    cdef object numbers(self, str name, object x)
    cdef object read(self, str name, object x, str kinds, str wanted)
    cdef object add(self, str name, object array)

    # Add a column. doubles and latitudes check that every item is in [low, high], longitudes that
    # every item is finite; ids makes uint64; texts makes an S array, of ASCII without NUL.
    cpdef object doubles(self, str name, object x, double low, double high)
    cpdef object finite(self, str name, object x)
    cpdef object latitudes(self, str name, object x)
    cpdef object longitudes(self, str name, object x)
    cpdef object ids(self, str name, object x)
    cpdef object texts(self, str name, object x)

    # Broadcast what has been added (result and scratch do it too).
    cpdef object broadcast(self)

    # Memory of column k, after broadcasting: shape `shape`, C order.
    cdef const void *data(self, Py_ssize_t k) noexcept

    # An array of shape `shape + more` for results: `out` itself if it fits and overlaps no column,
    # else a new one, to be passed to give(). scratch: never `out`, though it is checked here.
    cpdef object result(self, object out, str dtype, tuple more=*)
    cpdef object scratch(self, object out, str dtype, tuple more=*)

    # What the call returns for `result`: `out`, or a scalar, or a column of the kind that came in.
    cpdef object give(self, object result, object out)

    # The ValueError for item `at` (of the broadcast shape) of column k: "cell[3] must be <what>, not 5".
    cpdef object bad(self, Py_ssize_t k, Py_ssize_t at, str what)
