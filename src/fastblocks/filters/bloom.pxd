# What compiled code calls (fastblocks.jit). It is cached on disk, with these names: they keep their meaning.

from libc.stdint cimport uint64_t

# What keeps a filter's state in place; the state and the seed.
cdef object pin(object filter, const void **state, uint64_t *seed)

cdef bint may_hold(const void *state, uint64_t h) noexcept nogil
