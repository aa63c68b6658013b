"""NumPy arrays in and out: the only module that talks to NumPy's C API."""

import sys

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastblocks._core import check

# Declared here and not cimported: `cimport numpy` would import NumPy along with this module.
cdef extern from "numpy/arrayobject.h":
    int _import_array() except -1
    bint PyArray_Check(object x)
    ctypedef struct PyArrayObject:
        pass
    void *PyArray_DATA(const PyArrayObject *array) noexcept
    bint PyArray_CheckExact(object x)
    int PyArray_TYPE(const PyArrayObject *array) noexcept
    bint PyArray_ISCARRAY_RO(const PyArrayObject *array) noexcept
    int NPY_DOUBLE, NPY_INT64
    ctypedef Py_ssize_t npy_intp
    object PyArray_SimpleNew(int dimensions, npy_intp *shape, int type)

cdef bint imported = False
cdef object np = None


cdef int import_numpy() except -1:
    global imported, np
    if not imported:
        import numpy
        _import_array()
        np = numpy
        imported = True
    return 0


cdef bint is_array(object x) except -1:
    if not imported:
        if "numpy" not in sys.modules:
            return False
        import_numpy()
    return PyArray_Check(x)


cdef void *data_of(object array) noexcept:
    return PyArray_DATA(<const PyArrayObject *>array)


cdef bint is_doubles(object x) except -1:
    if not is_array(x) or not PyArray_CheckExact(x):
        return False
    cdef const PyArrayObject *array = <const PyArrayObject *>x
    return PyArray_TYPE(array) == NPY_DOUBLE and PyArray_ISCARRAY_RO(array)


cdef object out_array(object out, Py_ssize_t n, str dtype):
    import_numpy()
    if out is None:
        return np.empty(n, dtype)
    return check.out_array(out, n, dtype)


cdef object new_array(Py_ssize_t n, bint floats):
    cdef npy_intp shape = n
    import_numpy()
    return PyArray_SimpleNew(1, &shape, NPY_DOUBLE if floats else NPY_INT64)


cdef object array_of(const int64_t *numbers, size_t n):
    array = new_array(n, False)
    if n:
        memcpy(data_of(array), numbers, n * sizeof(int64_t))
    return array


cdef object floats_of(const double *numbers, size_t n):
    array = new_array(n, True)
    if n:
        memcpy(data_of(array), numbers, n * sizeof(double))
    return array


cdef object plain_array(object array):
    import_numpy()
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.require(array, requirements=["C", "A"])


cdef bint overlap(object a, object b) except -1:
    return np.may_share_memory(a, b)


cdef object delivered(object result, object out):
    if out is None or out is result:
        return result
    out[:] = result
    return out
