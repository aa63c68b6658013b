# What compiled code calls (fastblocks.jit). It is cached on disk, with these names: they keep their meaning.

from libc.stdint cimport uint64_t

# What keeps a sketch's state in place; the state and the seed.
cdef object pin(object sketch, const void **state, uint64_t *seed)

cdef uint64_t frequency_of(const void *state, uint64_t h) noexcept nogil
