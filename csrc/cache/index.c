/* An index of entries by hash.
 *
 * The idea. Linear probing in an array of 2^bits cells, at most 9/16 of them in use; while they are few, 3/16: the
 * loops below then end nearly always at once, and a mispredicted branch costs more there than the memory of a
 * cell. An entry's home is given by the high bits of its hash; it lies in the first free cell from there. A
 * cell is 32 bits:
 *
 *      31            bits           0
 *     +--------------+---------------+
 *     | tag          | number + 1    |      0: free
 *     +--------------+---------------+
 *
 * Numbers of entries are at most 9/16 of the number of cells, so `bits` bits hold them, and what is left
 * of the 32 holds as many low bits of the hash: for a cache of a million entries 11, so that a search meets
 * an entry in vain once in 2048 cells, and touches the cells and one entry. No tombstones: what follows a
 * freed cell is moved back into it (Knuth, The Art of Computer Programming 3, section 6.4, algorithm R).
 *
 * Invariants. Between an entry's home and its cell no cell is free. A cell's tag is that of its entry.
 * A hole that is known is where an entry with hash `missed` would be put, and there is no such entry: what puts in
 * or takes out forgets it.
 *
 * Complexity. Expected O(1) for all, growing O(n); 7.1 to 14.2 bytes for each entry at the most, of up to 36,864
 * entries 14.2 to 43.
 */
#include "index.h"

#include <stdlib.h>

enum { MIN_BITS = 3, FEW_BITS = 16, MAX_BITS = 31 };

static uint64_t room_of(unsigned bits) { return ((bits <= FEW_BITS ? 3ull : 9ull) << bits) / 16; }

static fb_status_t make(fb_index_t *x, unsigned bits) {
    if (bits > MAX_BITS || (1ull << bits) > SIZE_MAX / 4) return FB_OUT_OF_RANGE;
    x->cells = (uint32_t *)calloc((size_t)1 << bits, 4);
    if (x->cells == NULL) return FB_NO_MEMORY;
    x->bits = bits;
    x->hole = FB_INDEX_NO_CELL;
    x->missed = 0;
    x->mask = (uint32_t)((1ull << bits) - 1);
    x->room = room_of(bits);
    return FB_OK;
}

fb_status_t fb_index_init(fb_index_t *x) { return make(x, MIN_BITS); }

void fb_index_free(fb_index_t *x) {
    free(x->cells);
    x->cells = NULL;
}

fb_status_t fb_index_grow(fb_index_t *x, const fb_policy_entry_t *entries, uint64_t n) {
    unsigned bits = x->bits;
    while (bits <= MAX_BITS && room_of(bits) < n) bits++;
    fb_index_t larger;
    const fb_status_t status = make(&larger, bits);
    if (status != FB_OK) return status;
    for (uint64_t i = 0; i <= x->mask; i++)
        if (x->cells[i] != 0) {
            const uint32_t slot = (x->cells[i] & x->mask) - 1;
            fb_index_put(&larger, entries[slot].hash, slot);
        }
    fb_index_free(x);
    *x = larger;
    return FB_OK;
}

void fb_index_clear(fb_index_t *x) {
    memset(x->cells, 0, (size_t)fb_index_bytes(x));
    x->hole = FB_INDEX_NO_CELL;
}
