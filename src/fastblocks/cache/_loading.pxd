# Loads that a thread leads, by which a cache gets what is missing.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from ._entries cimport FB_CACHE_NEVER, Entries, fb_age_t

cdef extern from "Python.h":
    object fb_call "PyObject_Call"(object function, object args, PyObject *kwargs)


cdef class Flight:
    cdef readonly object key
    cdef readonly unsigned long thread  # that runs the loader
    cdef public bint stale              # the key was set or removed meanwhile
    cdef bint landed
    cdef list needed
    cdef dict waiting
    cdef object loaded
    cdef readonly object error
    cdef readonly object _traceback
    cdef object __weakref__


# Loads a key that was missed after so many `changes`: what `flights` does if nobody else is loading it. Returns what
# loader(*args, **kwargs) returns, loader(key) if args is None; MISSING if the key is being loaded already.
cdef object load(Entries cache, object key, uint64_t changes, object loader, object args, PyObject *kwargs)

# Whether an entry that was hit is to be loaded anew.
cdef inline bint aged(Entries cache, const fb_age_t *age) except -1:
    if not cache.core.timed or (cache.refresh == FB_CACHE_NEVER and cache.early is None):
        return False
    return due(cache, age)
cdef bint due(Entries cache, const fb_age_t *age) except -1
