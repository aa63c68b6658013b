# The cache, for the other modules of its family.

from ._entries cimport Entries


cdef class Cache(Entries):
    cdef object _executor
    cdef object _ttl
    cdef object _tti
    cdef object _refresh_after
    cdef object _early_refresh
