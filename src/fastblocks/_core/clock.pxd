# The time, in integer nanoseconds, of the clock that an object was given.

from libc.stdint cimport int64_t

cdef extern from "pyclock.h" nogil:
    int fb_py_monotonic(int64_t *ns)

# Of a timer that is not the default, or where the platform's clock must be asked through Python.
cdef int64_t ask_timer(object timer) except? -1

# Now, by `timer`: None for the clock of time.monotonic(), or a function that returns seconds.
cdef inline int64_t now_ns(object timer) except? -1:
    cdef int64_t ns
    if timer is None and fb_py_monotonic(&ns):
        return ns
    return ask_timer(timer)
