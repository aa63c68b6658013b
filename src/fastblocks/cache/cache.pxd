# The cache, for the other modules of its family.

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "cache/cache.h" nogil:
    ctypedef enum fb_policy_kind_t:
        FB_POLICY_W_TINYLFU
    ctypedef struct fb_policy_entry_t:
        uint64_t hash
    ctypedef struct fb_policy_t:
        fb_policy_entry_t *entries
        uint64_t *weights
        uint32_t n_slots
        uint32_t n_entries
        uint64_t maxsize
        uint64_t weight
    ctypedef struct fb_timers_entry_t:
        int64_t expires
        int64_t accessed
        int64_t written
        int64_t load
    ctypedef struct fb_timers_t:
        fb_timers_entry_t *entries
        int64_t idle
    ctypedef struct fb_cache_t:
        fb_policy_t policy
        fb_timers_t timers
        bint timed

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

ctypedef struct fb_age_t:
    int64_t now
    fb_timers_entry_t times

# How a value is set.
ctypedef struct fb_set_t:
    bint keep     # if the key is there, it keeps what it has
    int64_t load  # ns that it took to load


cdef class _Flight:
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


cdef class Cache:
    cdef fb_cache_t core
    cdef list slots            # the key and the value of entry i are items 2i and 2i + 1
    cdef uint64_t seed_
    cdef uint64_t moves        # entries added and removed: a search in which they change begins again
    cdef uint64_t changes      # the same, without those that were dead: iteration ends if they change
    cdef int64_t ttl_          # of an entry, FB_CACHE_NEVER if it has none; ns
    cdef int64_t refresh       # entries older than this are loaded anew; FB_CACHE_NEVER: never
    cdef uint64_t hits
    cdef uint64_t misses
    cdef uint64_t evictions
    cdef uint64_t expirations
    cdef uint64_t loads        # those that `load` led; the others are in _flights
    cdef uint64_t load_errors
    cdef int64_t load_ns
    cdef dict tagged           # slot -> its tags, of those that have any
    cdef dict by_tag           # tag -> set of slots
    cdef dict loading          # loads under way, by key
    cdef readonly object _flights
    cdef object _timer
    cdef object _executor
    cdef object _weigher
    cdef object _on_remove
    cdef object _policy
    cdef object _ttl
    cdef object _tti
    cdef object _refresh_after
    cdef object _early_refresh
    cdef object early          # tells whether to load early, or None
    cdef bint made
    cdef bint plain            # no weigher, listener or ttl
    cdef object __weakref__

    @cython.final
    cdef int check_new(self) except -1
    @cython.final
    cdef int64_t now(self) except? -1

    # Under the lock:
    @cython.final
    cdef int find(self, object key, uint64_t h, uint32_t *slot) except -1
    @cython.final
    cdef inline int begin(self) except -1:
        """Before anything is looked at."""
        return self.renew() if self.slots is None else 0
    @cython.final
    cdef int renew(self) except -1
    @cython.final
    cdef int start_anew(self) except -1
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

    # After an operation, outside the lock: tells of what was removed, and lets go of it.
    @cython.final
    cdef int finish(self, fb_py_removals_t *gone) noexcept
    @cython.final
    cdef int tell(self, const fb_py_removal_t *removal) noexcept

    # Whole operations. `lookup` is a request: the value of a key, or MISSING; *age is written on a hit, if it
    # is not NULL and entries have times.
    @cython.final
    cdef object lookup(self, object key, fb_age_t *age)
    @cython.final
    cdef object look(self, object key)
    @cython.final
    cdef bint put_plainly(self, object key, uint64_t h, object value)
    @cython.final
    cdef object put(self, object key, object value, int64_t life, const fb_set_t *how, tuple tags, object flight)
    @cython.final
    cdef object put_in_full(self, object key, uint64_t h, object value, int64_t life, const fb_set_t *how,
                            tuple tags, object flight)
    @cython.final
    cdef int put_all(self, object pairs, int64_t life, tuple tags) except -1
    @cython.final
    cdef object drop(self, object key)
    @cython.final
    cdef size_t let_die(self) except? 0xDEAD
    @cython.final
    cdef int revive(self, object key, object value, uint64_t weight, tuple tags, tuple ages) except -1
    @cython.final
    cdef object missing(self, object key)
    @cython.final
    cdef object load(self, object key, uint64_t changes, object loader, object args, PyObject *kwargs)
    @cython.final
    cdef int land(self, _Flight flight, object parent, object token, object error, int64_t took) except -1
    @cython.final
    cdef bint aged(self, const fb_age_t *age) except -1
