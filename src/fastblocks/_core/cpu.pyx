"""Which instruction set the native code uses.

``FASTBLOCKS_CPU`` in the environment (``portable``, ``sse2``, ``avx2`` or ``avx512``), read when
fastblocks is first imported, lowers the level. Results are the same on every level.
"""

import os

cdef extern from "cpu.h" nogil:
    int fb_cpu_supported()
    const char *fb_cpu_name(int level)


def level() -> str:
    """Return the name of the level in use."""
    return fb_cpu_name(fb_cpu_level()).decode()


def supported() -> list:
    """Return the names of the levels this machine can run, lowest first."""
    return [fb_cpu_name(i).decode() for i in range(fb_cpu_supported() + 1)]


cdef int check_environment() except -1:
    """Refuse a level that is unknown or that this machine lacks, rather than ignore it."""
    wanted = os.environ.get("FASTBLOCKS_CPU")
    if wanted is not None and wanted not in supported():
        raise ImportError(
            f"FASTBLOCKS_CPU={wanted!r}: this machine runs {', '.join(supported())}"
        )
    return 0


check_environment()
