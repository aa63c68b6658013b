"""The time, in integer nanoseconds, of the clock that an object was given."""

import time

from fastblocks._core import check

from fastblocks._core.cpu cimport fb_cpu_level

cdef int64_t ask_timer(object timer) except? -1:
    return time.monotonic_ns() if timer is None else check.timer_ns(timer())


fb_cpu_level()
