#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* madvise's MADV_HUGEPAGE */
#endif
#include "memory.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* The block that calloc gave is kept in the word before the aligned address. */
enum { LINE = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };

void *fb_alloc_zeroed(size_t size) {
    size_t align = size >= HUGE_FROM ? HUGE_PAGE : LINE;
    if (size > SIZE_MAX - align - sizeof(void *)) return NULL;
    char *raw = (char *)calloc(1, size + align + sizeof(void *));
    if (raw == NULL) return NULL;
    uintptr_t start = ((uintptr_t)raw + sizeof(void *) + align - 1) & ~((uintptr_t)align - 1);
    memcpy((void *)(start - sizeof(void *)), &raw, sizeof(void *));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == HUGE_PAGE) (void)madvise((void *)start, size, MADV_HUGEPAGE);
#endif
    return (void *)start;
}

void fb_free_zeroed(void *p) {
    if (p == NULL) return;
    void *raw;
    memcpy(&raw, (char *)p - sizeof(void *), sizeof(void *));
    free(raw);
}

void fb_copy_shared(void *into, const void *from, size_t size) {
    uint64_t *to = (uint64_t *)into;
    const uint64_t *words = (const uint64_t *)from;
    for (size_t i = 0; i < size / 8; i++) to[i] = fb_atomic_load64(words + i);
}
