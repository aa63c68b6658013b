/* Large zeroed arrays: aligned to a cache line, on huge pages where the system gives them. */
#ifndef FB_CORE_MEMORY_H
#define FB_CORE_MEMORY_H

#include "base.h"

/* `size` zero bytes, aligned to 64 (to 2 MiB from a few MiB on), or NULL. Pages are not touched,
 * so memory is used as it is written. Free with fb_free_zeroed. */
void *fb_alloc_zeroed(size_t size);
void fb_free_zeroed(void *p);

#endif
