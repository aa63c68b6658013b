# What compiled code calls (fastblocks.jit). It is cached on disk, with this name: it keeps its meaning.

cdef double metres_between(double lat1, double lng1, double lat2, double lng2) noexcept nogil
