# What filters of keys have in common, above C: lookups, and the operators of those that can change.
#
# A class derives from one of these two, sets `_seed`, and implements `family`, `__contains__` and
# `find`; a MutableFilter also `add_many` and `merge`.

from libc.stdint cimport int64_t, uint64_t

from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport fb_keys_cursor_t

cdef extern from "stdbool.h":
    ctypedef bint cbool "bool"


cdef class KeyFilter(Flat):
    cdef uint64_t _seed

    # The class itself, of which this object may be a subclass's.
    cdef type family(self)

    # The time that lookups are made at, for filters that have one.
    cdef int64_t now(self) except? -1

    # answers[i] = whether the filter may hold key i.
    cdef void find(self, int64_t now, fb_keys_cursor_t keys, cbool *answers) noexcept nogil


cdef class MutableFilter(KeyFilter):
    pass
