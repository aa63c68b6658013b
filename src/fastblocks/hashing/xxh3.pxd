# What compiled code calls (fastblocks.jit). It is cached on disk, with these names: they keep their meaning.

from libc.stdint cimport uint8_t, uint64_t

cdef uint64_t hash_word(uint64_t word, uint64_t seed) noexcept nogil
cdef uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil
