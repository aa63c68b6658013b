# What compiled code calls (fastblocks.jit). It is cached on disk, with this name: it keeps its meaning.

from libc.stdint cimport uint64_t

cdef uint64_t code_of(double lat, double lng) noexcept nogil  # all 64 bits
