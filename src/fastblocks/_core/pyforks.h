/* Whether this process is still the one that it was: how often it has become the child of a fork; and how to
 * close a file, without Python, which may be about to end, and only if it is still the one that was opened. */
#ifndef FB_PYFORKS_H
#define FB_PYFORKS_H

#include <stdint.h>

static volatile unsigned fb_forks;

#if defined(_WIN32)
#include <io.h>
static inline int fb_watch_forks(void) { return 0; }
static inline void fb_close(int handle, uint64_t device, uint64_t number) {
    (void)device, (void)number, (void)_close(handle);
}
#else
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
static inline void fb_close(int handle, uint64_t device, uint64_t number) {
    struct stat found;
    if (fstat(handle, &found) == 0 && (uint64_t)found.st_dev == device &&
        (uint64_t)found.st_ino == number)
        (void)close(handle);
}
static void fb_forked(void) { fb_forks++; }
static inline int fb_watch_forks(void) { return pthread_atfork(NULL, NULL, fb_forked); }
#endif

#endif
