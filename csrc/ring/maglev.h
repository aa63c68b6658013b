/* Maglev hashing: a table of nodes, filled so that each has its share of the entries, and keeps nearly
 * all of them when other nodes come and go. A lookup reads one entry.
 *
 * The table is filled once and does not change. How it is filled, and the reference, stand at the top
 * of maglev.c.
 */
#ifndef FB_RING_MAGLEV_H
#define FB_RING_MAGLEV_H

#include "keys.h"

#define FB_MAGLEV_MAX_SIZE 134217689u /* the largest prime below 2^27 */

typedef struct {
    uint64_t first, second; /* two hashes of its name */
    double weight;          /* above 0, finite */
    int32_t index;          /* what its entries hold: 0 .. n - 1 */
} fb_maglev_node_t;

/* Fills a table of `size` entries, a prime up to FB_MAGLEV_MAX_SIZE, for n nodes, 1 .. size of them,
 * which take turns in the order given; or FB_NO_MEMORY. O(size log size) expected. */
fb_status_t fb_maglev_fill(const fb_maglev_node_t *nodes, uint32_t n, uint32_t size,
                           int32_t *entries);

/* The number of the entry that a hash leads to. */
static inline uint32_t fb_maglev_at(uint64_t h, uint32_t size) {
    return (uint32_t)fb_reduce64(h, size);
}

/* out[i] = the entry of key i. */
void fb_maglev_find_keys(const int32_t *entries, uint32_t size, fb_keys_cursor_t keys,
                         uint64_t seed, int32_t *out);

/* The first `want` (at most n) distinct nodes from the entry of h on; those without any entry come
 * last, by index. FB_NO_MEMORY, or FB_OK. */
fb_status_t fb_maglev_rank(const int32_t *entries, uint32_t size, uint32_t n, uint64_t h,
                           uint32_t want, uint32_t *out);

/* counts[i] = the number of entries of node i, for i < n. */
void fb_maglev_count(const int32_t *entries, uint32_t size, uint32_t n, uint32_t *counts);

/* The number of entries that differ, where new_index[i] is what node i of `old` is in `new`, or -1. */
uint32_t fb_maglev_changed(const int32_t *old_entries, const int32_t *new_entries, uint32_t size,
                           const int32_t *new_index);

#endif
