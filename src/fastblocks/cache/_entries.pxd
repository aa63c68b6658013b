# The entries of a cache. `Cache` is these with a face for Python; what is done to many of them is in _many, loads are
# in _loading.
#
# An operation asks for the time and the hash of its key, takes the lock (a critical section of the object), and under
# it the steps below. What leaves is collected in an fb_py_removals_t; `finish` tells of it and lets go of it once the
# lock is given back, for that runs code of others. A comparison of keys may run it under the lock, and give the lock
# up: who goes on after one looks at `moves`.

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core.status cimport fb_status_t

cdef extern from "cache/cache.h" nogil:
    const uint32_t FB_CACHE_NONE
    const int64_t FB_CACHE_NEVER
    ctypedef enum fb_policy_kind_t:
        FB_POLICY_W_TINYLFU
    ctypedef struct fb_policy_t:
        uint64_t *weights
        uint32_t n_slots
        uint32_t n_entries
        fb_policy_kind_t kind
        uint64_t maxsize
        uint64_t weight
    ctypedef struct fb_timers_entry_t:
        int64_t expires
        int64_t accessed
        int64_t written
        int64_t load
    ctypedef struct fb_timers_t:
        fb_timers_entry_t *entries
    ctypedef struct fb_cache_t:
        fb_policy_t policy
        fb_timers_t timers
        bint timed
    uint64_t fb_cache_hash(uint64_t h, uint64_t seed)
    fb_status_t fb_cache_keep_time(fb_cache_t *c, int64_t now)
    bint fb_cache_occupied(const fb_cache_t *c, uint32_t slot)
    bint fb_cache_alive(const fb_cache_t *c, uint32_t slot, int64_t now)

cdef extern from "pycache.h":
    ctypedef enum fb_py_cause_t:
        FB_PY_EXPLICIT
        FB_PY_REPLACED
        FB_PY_SIZE
        FB_PY_EXPIRED
    ctypedef struct fb_py_removal_t:
        PyObject *key
        PyObject *value
        fb_py_cause_t cause
    ctypedef struct fb_py_removals_t:
        fb_py_removal_t *all
        size_t n
    void fb_py_removals_init(fb_py_removals_t *r)
    int fb_py_removals_reserve(fb_py_removals_t *r, size_t n) except -1
    Py_hash_t fb_py_hash(object key) except -1
    int fb_py_pause_gc()
    void fb_py_resume_gc(int was)
    PyObject *FB_PY_KEY(list items, uint32_t slot)
    PyObject *FB_PY_VALUE(list items, uint32_t slot)
    Py_ssize_t dict_size "FB_PY_DICT_SIZE"(dict d)

# When an entry was hit, and its times.
ctypedef struct fb_age_t:
    int64_t now
    fb_timers_entry_t times

# How a value is set.
ctypedef struct fb_set_t:
    bint keep     # if the key is there, it keeps what it has
    int64_t load  # ns that it took to load

cdef fb_set_t SET   # as cache[key] = value does
cdef fb_set_t KEEP  # as setdefault does

cdef enum:
    BY_DEFAULT = -1  # a life: that of the cache

cdef tuple CAUSES  # of removals, in the order of fb_py_cause_t
cdef str WHAT      # the name of a cache in errors

# Fills a place of a new tuple.
cdef inline void set_item(tuple t, Py_ssize_t i, object item) noexcept:
    Py_INCREF(item)
    PyTuple_SET_ITEM(t, i, item)


cdef class Entries:
    cdef fb_cache_t core
    cdef list slots            # the key and the value of entry i are items 2i and 2i + 1
    cdef uint64_t seed_        # of the hash that the policy sees
    cdef uint64_t moves        # entries added and removed: a search in which they change begins again
    cdef uint64_t changes      # the same, without those that were dead: iteration ends if they change
    cdef int64_t life          # of an entry, FB_CACHE_NEVER if it has none; ns
    cdef object _timer
    cdef object _weigher
    cdef object _on_remove
    cdef bint made             # by __init__
    cdef bint plain            # no weigher, no listener, and entries live for ever
    cdef uint64_t hits
    cdef uint64_t misses
    cdef uint64_t evictions
    cdef uint64_t expirations
    cdef dict tagged           # slot -> its tags, of those that have any
    cdef dict by_tag           # tag -> set of slots
    # of loads
    cdef dict loading          # those under way, by key
    cdef readonly object _flights
    cdef int64_t refresh       # entries older than this are loaded anew; FB_CACHE_NEVER: never
    cdef object early          # tells whether to load early, or None
    cdef uint64_t loads        # those that `_loading.load` led; the others are in _flights
    cdef uint64_t load_errors
    cdef int64_t load_ns
    cdef object __weakref__

    # For __init__: an empty cache of `caches.Parameters` p. check_new raises if there has been one before.
    @cython.final
    cdef int start(self, object p, object weigher, object on_remove, object timer) except -1
    @cython.final
    cdef int check_new(self) except -1

    # The time of an operation; 0 if entries have no times.
    @cython.final
    cdef int64_t now(self) except? -1

    # ---- the steps of an operation, under the lock ----

    @cython.final
    cdef inline int begin(self) except -1:
        """Before anything is looked at."""
        return self.renew() if self.slots is None else 0
    @cython.final
    cdef int renew(self) except -1
    @cython.final
    cdef int start_anew(self) except -1
    @cython.final
    cdef int find(self, object key, uint64_t h, uint32_t *slot) except -1
    @cython.final
    cdef int take(self, uint32_t slot, fb_py_cause_t cause, fb_py_removals_t *gone) except -1
    @cython.final
    cdef int empty(self, uint32_t slot, fb_py_cause_t cause, fb_py_removals_t *gone) except -1
    @cython.final
    cdef int bury(self, int64_t now, fb_py_removals_t *gone) except -1
    @cython.final
    cdef int shrink(self, uint32_t entered, fb_py_removals_t *gone) except -1
    @cython.final
    cdef int tag(self, uint32_t slot, tuple tags) except -1
    @cython.final
    cdef uint32_t enter(self, object key, uint64_t h, object value, uint64_t weight, tuple tags) except? 0xDEAD
    @cython.final
    cdef object store(self, object key, uint64_t h, object value, uint64_t weight, int64_t now, int64_t life,
                      const fb_set_t *how, tuple tags, object flight, fb_py_removals_t *gone)
    @cython.final
    cdef object discard(self, object key, uint64_t h, object value, int64_t now, fb_py_removals_t *gone)

    # ---- after it, outside the lock ----

    @cython.final
    cdef int finish(self, fb_py_removals_t *gone) noexcept
    @cython.final
    cdef int tell(self, const fb_py_removal_t *removal) noexcept

    # ---- operations on one key, whole ----

    # A request: the value of a key, or `absent`; *age is written on a hit, if it is not NULL and entries have times.
    @cython.final
    cdef object lookup(self, object key, PyObject *absent, fb_age_t *age)

    @cython.final
    cdef object lookup_in_full(self, object key, uint64_t h, PyObject *absent, fb_age_t *age)

    # The value of a key, or MISSING, without anybody being told.
    @cython.final
    cdef object look(self, object key)

    # Sets a value. put_as returns what the key has then; tags are of `caches.tags_of`, flight is the load if it was
    # loaded, else None.
    @cython.final
    cdef int put(self, object key, object value) except -1
    @cython.final
    cdef object put_as(self, object key, object value, int64_t life, const fb_set_t *how, tuple tags, object flight)
    @cython.final
    cdef object put_in_full(self, object key, uint64_t h, object value, int64_t life, const fb_set_t *how,
                            tuple tags, object flight)

    @cython.final
    cdef object drop(self, object key)
