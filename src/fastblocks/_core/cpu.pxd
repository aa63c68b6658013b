cdef extern from "cpu.h" nogil:
    # The level in use. Every module with kernels asks once when it is imported, so that all agree
    # whatever happens to the environment later.
    int fb_cpu_level()
