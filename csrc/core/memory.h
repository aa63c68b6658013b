/* Large zeroed arrays, aligned to a cache line and on huge pages where the system gives them; copies
 * of arrays that other threads write to. */
#ifndef FB_CORE_MEMORY_H
#define FB_CORE_MEMORY_H

#include "base.h"

/* `size` zero bytes, aligned to 64 (to 2 MiB from a few MiB on), or NULL. Pages are not touched,
 * so memory is used as it is written. Free with fb_free_zeroed. */
void *fb_alloc_zeroed(size_t size);
void fb_free_zeroed(void *p);

/* Copies `size` bytes (a multiple of 8, both aligned to 8) that other threads may be changing:
 * every 64-bit word is read at once, as it was before or after a change. */
void fb_copy_shared(void *into, const void *from, size_t size);

#endif
