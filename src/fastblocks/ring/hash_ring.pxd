# What compiled code calls (fastblocks.jit). It is cached on disk, with these names: they keep their meaning.

from libc.stdint cimport int64_t, uint8_t, uint64_t

# What keeps a ring's points, as they stand, in place; those and the seed.
cdef object pin(object ring, const void **state, uint64_t *seed)

# The index of the node of a key; -1 if there are no nodes.
cdef int64_t node_of_word(const void *state, uint64_t seed, uint64_t word, bint negative) noexcept nogil
cdef int64_t node_of_bytes(const void *state, uint64_t seed, const uint8_t *data, size_t size) noexcept nogil
