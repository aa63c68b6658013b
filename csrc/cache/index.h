/* The index of a cache: which entry has a given hash? Open addressing over 4-byte cells.
 *
 * It holds numbers of entries, no hashes and no keys: the hash of an entry stands in the arena of the
 * policy, and whether its key is the one asked for is for the caller to tell. The layout is told at the
 * top of index.c.
 */
#ifndef FB_CACHE_INDEX_H
#define FB_CACHE_INDEX_H

#include "base.h"
#include "policy.h"

#define FB_INDEX_MAX (9ull << 27) /* entries */
#define FB_INDEX_NO_CELL UINT32_MAX

typedef struct {
    uint32_t *cells;
    uint32_t mask;  /* number of cells - 1 */
    unsigned bits;  /* number of cells = 2^bits, 3 .. 31 */
    uint32_t hole;  /* the free cell where a search for `missed` ended; NO_CELL if that is not known */
    uint64_t room;  /* entries that may be in it before it has to grow */
    uint64_t missed;
} fb_index_t;

fb_status_t fb_index_init(fb_index_t *x);
void fb_index_free(fb_index_t *x);

/* Makes room for `n` entries in all; `entries` are those that are in it. FB_NO_MEMORY, FB_OUT_OF_RANGE
 * (more than FB_INDEX_MAX), or FB_OK; it is whole in any case. */
fb_status_t fb_index_grow(fb_index_t *x, const fb_policy_entry_t *entries, uint64_t n);

FB_INLINE fb_status_t fb_index_reserve(fb_index_t *x, const fb_policy_entry_t *entries, uint64_t n) {
    return FB_LIKELY(n <= x->room) ? FB_OK : fb_index_grow(x, entries, n);
}

FB_INLINE uint32_t fb_index_home(const fb_index_t *x, uint64_t h) {
    return (uint32_t)(h >> (64 - x->bits));
}

/* The low bits of the hash, where a cell has its tag. */
FB_INLINE uint32_t fb_index_tag(const fb_index_t *x, uint64_t h) {
    return (uint32_t)((h & UINT32_MAX) << x->bits);
}

/* The next entry from cell *at on whose hash is h, or FB_POLICY_NONE; *at goes to the cell after it. Begin
 * at fb_index_home. */
FB_INLINE uint32_t fb_index_next(const fb_index_t *x, const fb_policy_entry_t *entries, uint64_t h,
                                 uint32_t *at) {
    const uint32_t tag = fb_index_tag(x, h);
    for (;;) {
        const uint32_t cell = x->cells[*at];
        if (cell == 0) return FB_POLICY_NONE;
        *at = (*at + 1) & x->mask;
        if ((cell ^ tag) >> x->bits == 0) {
            const uint32_t slot = (cell & x->mask) - 1;
            if (FB_LIKELY(entries[slot].hash == h)) return slot;
        }
    }
}

/* Notes that a search for h found nothing and ended at cell `at`; whether that is so still. A search that is
 * followed by putting in what was missed is made once. */
FB_INLINE void fb_index_miss(fb_index_t *x, uint64_t h, uint32_t at) {
    x->missed = h;
    x->hole = at;
}

FB_INLINE bool fb_index_missed(const fb_index_t *x, uint64_t h) {
    return x->missed == h && x->hole != FB_INDEX_NO_CELL;
}

/* Puts in an entry that is not there; room has been made. */
FB_INLINE void fb_index_put(fb_index_t *x, uint64_t h, uint32_t slot) {
    uint32_t at = fb_index_missed(x, h) ? x->hole : fb_index_home(x, h);
    while (x->cells[at] != 0) at = (at + 1) & x->mask;
    x->cells[at] = fb_index_tag(x, h) | (slot + 1);
    x->hole = FB_INDEX_NO_CELL;
}

/* Takes out an entry that is there; the hashes of all others are still in `entries`. */
FB_INLINE void fb_index_take(fb_index_t *x, const fb_policy_entry_t *entries, uint64_t h, uint32_t slot) {
    uint32_t *const cells = x->cells;
    const uint32_t mask = x->mask;
    uint32_t free_at = fb_index_home(x, h);
    while ((cells[free_at] & mask) != slot + 1) free_at = (free_at + 1) & mask;
    for (uint32_t at = (free_at + 1) & mask; cells[at] != 0; at = (at + 1) & mask) {
        const uint32_t cell = cells[at], home = fb_index_home(x, entries[(cell & mask) - 1].hash);
        const bool over = ((at - home) & mask) >= ((at - free_at) & mask); /* its way leads over the free cell */
        const uint32_t pick = 0 - (uint32_t)over; /* no branch: it would be mispredicted half the time */
        cells[free_at] = cell & pick;
        free_at ^= (free_at ^ at) & pick;
    }
    cells[free_at] = 0;
    x->hole = FB_INDEX_NO_CELL;
}

void fb_index_clear(fb_index_t *x);

FB_INLINE uint64_t fb_index_bytes(const fb_index_t *x) { return ((uint64_t)x->mask + 1) * 4; }

#endif
