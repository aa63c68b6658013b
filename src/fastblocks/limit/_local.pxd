# Storages of limits that this process reaches by itself: in its memory, or shared with others.

from libc.stdint cimport int64_t, uint64_t

from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport KeyBatch

cdef extern from "<stdbool.h>" nogil:
    ctypedef bint cbool "bool"

cdef extern from "limit/rules.h" nogil:
    enum:
        FB_LIMIT_RULES_MAX
    ctypedef enum fb_limit_kind_t:
        FB_LIMIT_FIXED
    ctypedef struct fb_limit_rule_t:
        uint64_t limit
        uint64_t count
        uint64_t period
    ctypedef struct fb_limit_rules_t:
        fb_limit_kind_t kind
        unsigned n
        fb_limit_rule_t rule[8]
    ctypedef struct fb_limit_verdict_t:
        cbool allowed
        uint64_t limit
        uint64_t remaining
        int64_t retry
        int64_t reset


cdef class LocalStorage(Flat):
    cdef fb_limit_rules_t rules  # of the limiters that use it; n = 0: none yet
    cdef uint64_t _seed          # of the hash by which keys are known
    cdef uint64_t _max_keys

    # One call of a key: whether it is allowed; it counts if so and `spend`. `out` may be NULL.
    cdef bint call(self, uint64_t h, int64_t now, uint64_t cost, bint spend,
                   fb_limit_verdict_t *out) except -1

    # Calls of a batch of keys, in order; `costs` is NULL if each is of `cost`.
    cdef int call_keys(self, KeyBatch batch, int64_t now, const uint64_t *costs, uint64_t cost,
                       cbool *out, size_t *done) except -1

    cdef int forget_hash(self, uint64_t h) except -1

    # Called by `bind`, with `whole`, when the rules have become known; the object is made.
    cdef int begin(self) except -1


# The rules of a limiter in C's form.
cdef fb_limit_rules_t rules_of(int kind, object rules) except *
