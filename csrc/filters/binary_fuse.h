/* Binary fuse filter: a set that is built once from all of its keys, and then says "present" wrongly
 * at a rate of 2^-bits, but never "absent" wrongly; three cells are read per key.
 *
 * Use it where the keys are known beforehand: it takes about 1.13 * bits bits a key, less than any
 * filter that can be added to. It cannot change. The layout, the construction and the references are
 * told at the top of binary_fuse.c.
 */
#ifndef FB_FILTERS_BINARY_FUSE_H
#define FB_FILTERS_BINARY_FUSE_H

#include "keys.h"

#define FB_BINARY_FUSE_MAX_KEYS (1ull << 31)
#define FB_BINARY_FUSE_MAX_ATTEMPTS 100

typedef struct {
    uint64_t n_keys;       /* distinct ones: 0 .. FB_BINARY_FUSE_MAX_KEYS */
    uint32_t log_length;   /* a segment is 2^log_length cells */
    uint32_t n_segments;   /* in which a key's first cell may lie, 1 or more; two more follow */
    uint32_t bits;         /* a cell: 8, 16 or 32 */
    uint32_t attempt;      /* the one that succeeded: 0 .. FB_BINARY_FUSE_MAX_ATTEMPTS - 1 */
} fb_binary_fuse_shape_t;

typedef struct fb_binary_fuse fb_binary_fuse_t;

/* A filter over cells that the caller owns: fb_binary_fuse_bytes of them, aligned to 4. */
struct fb_binary_fuse {
    const void *cells;
    fb_binary_fuse_shape_t shape;
    uint64_t by; /* the multiplier of the attempt */
    bool (*contains)(const fb_binary_fuse_t *f, uint64_t h);
    void (*contains_slice)(const fb_binary_fuse_t *f, const uint64_t *h, size_t n, bool *out);
};

/* The size of a filter of n keys (0 .. FB_BINARY_FUSE_MAX_KEYS); attempt is 0. */
fb_binary_fuse_shape_t fb_binary_fuse_shape(uint64_t n, unsigned bits);

/* Number of cells, and bytes of them, a multiple of 8. */
static inline uint64_t fb_binary_fuse_cells(fb_binary_fuse_shape_t shape) {
    return ((uint64_t)shape.n_segments + 2) << shape.log_length;
}
static inline uint64_t fb_binary_fuse_bytes(fb_binary_fuse_shape_t shape) {
    return fb_binary_fuse_cells(shape) * shape.bits / 8;
}

/* True if the shape is such that no key's cells lie outside of fb_binary_fuse_bytes. */
bool fb_binary_fuse_shape_ok(fb_binary_fuse_shape_t shape);

/* Makes *f a filter over `cells`. */
void fb_binary_fuse_init(fb_binary_fuse_t *f, fb_binary_fuse_shape_t shape, const void *cells);

/* How the cells of a filter can be filled: found out before they are allocated. */
typedef struct {
    fb_binary_fuse_shape_t shape;
    uint64_t *sums;  /* a cell: of the keys that have it */
    uint64_t *words; /* the keys, by segment; lies in `room`, until ... */
    uint32_t *order; /* ... the cell of each key in the order of peeling takes its place */
    size_t *ends;    /* a segment: end of its words */
    void *room;
    uint64_t *hashes; /* distinct ones, if there may be equal keys */
} fb_binary_fuse_plan_t;

/* Plans a filter of the n keys under the cursor, equal ones once. *plan is zeroed before, and given
 * back with fb_binary_fuse_drop, after an error too: FB_OUT_OF_RANGE if there are too many keys,
 * FB_NO_MEMORY, or FB_NOT_BUILT if `attempts` (at most FB_BINARY_FUSE_MAX_ATTEMPTS) were not enough.
 * O(n), 17 bytes a key; 8 more if there are equal keys. */
fb_status_t fb_binary_fuse_plan(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys, uint64_t n,
                                uint64_t seed, unsigned bits, unsigned attempts);
void fb_binary_fuse_drop(fb_binary_fuse_plan_t *plan);

/* Fills the zeroed cells of a filter of plan->shape. */
void fb_binary_fuse_fill(const fb_binary_fuse_plan_t *plan, void *cells);

/* Whether the filter may hold the key of hash h; an empty one holds none. */
static inline bool fb_binary_fuse_contains(const fb_binary_fuse_t *f, uint64_t h) {
    return f->contains(f, h);
}

/* out[i] = whether the filter may hold key i. */
void fb_binary_fuse_contains_keys(const fb_binary_fuse_t *f, fb_keys_cursor_t keys, uint64_t seed,
                                  bool *out);

#endif
