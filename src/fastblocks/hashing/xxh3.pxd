# What compiled code calls (fastblocks.jit). It is cached on disk, with these names: they keep their meaning.

from libc.stdint cimport uint8_t, uint64_t

cdef uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil

# Writes the UTF-8 of n code points of `width` bytes each, at most 4 n bytes; returns its length, or -1 if there is
# a surrogate.
cdef Py_ssize_t encode(const void *text, unsigned width, size_t n, uint8_t *out) noexcept nogil
