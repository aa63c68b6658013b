# What compiled code calls (fastblocks.jit). It is cached on disk, with this name: it keeps its meaning.

from libc.stdint cimport int32_t, uint64_t

cdef int32_t bucket_of(uint64_t word, int32_t buckets) noexcept nogil
