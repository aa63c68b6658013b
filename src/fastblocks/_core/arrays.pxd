# Arrays in and out. NumPy is imported at the first call that needs it, not with the package.

from libc.stdint cimport int64_t

# True if x is a NumPy array (without importing NumPy to find out that it is not).
cdef bint is_array(object x) except -1

# True if x is a C-contiguous, aligned float64 array in native byte order, and of no subclass.
cdef bint is_doubles(object x) except -1

# Memory of a C-contiguous array.
cdef void *data_of(object array) noexcept

# A new array of n items, or `out` itself if it fits; `dtype` is "bool", "uint64", ...
cdef object out_array(object out, Py_ssize_t n, str dtype)

# A new array of n int64 or float64, made quickly: for answers of few items.
cdef object new_array(Py_ssize_t n, bint floats)

# The same, of these numbers.
cdef object array_of(const int64_t *numbers, size_t n)
cdef object floats_of(const double *numbers, size_t n)

# `array` as a C-contiguous, aligned array in native byte order: itself, or a copy.
cdef object plain_array(object array)

# True if two arrays may overlap in memory.
cdef bint overlap(object a, object b) except -1

# What a batch call returns: `result`, or `out` with `result` copied into it if that is another array.
cdef object delivered(object result, object out)
