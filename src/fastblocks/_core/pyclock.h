/* The clock of time.monotonic(), in nanoseconds, without a Python call where the platform allows. */
#ifndef FB_PYCLOCK_H
#define FB_PYCLOCK_H

#include <Python.h>
#include <stdint.h>
#include <time.h>

/* Returns 1 and sets *ns, or 0 if Python has to be asked. */
static inline int fb_py_monotonic(int64_t *ns) {
#if PY_VERSION_HEX >= 0x030D0000
    PyTime_t now;
    if (PyTime_MonotonicRaw(&now) < 0) return 0;
    *ns = now;
    return 1;
#elif defined(__linux__)
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0;
    *ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    return 1;
#else
    (void)ns;
    return 0;
#endif
}

#endif
