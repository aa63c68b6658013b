/* Count-min sketch: how often each key was added, never too low, and too high by at most a known share
 * of the total, in fixed memory.
 *
 * Use it to count far more keys than fit in memory. The layout, the bound and the references are told at
 * the top of count_min.c.
 */
#ifndef FB_SKETCHES_COUNT_MIN_H
#define FB_SKETCHES_COUNT_MIN_H

#include "keys.h"

enum { FB_COUNT_MIN_MAX_DEPTH = 32, FB_COUNT_MIN_HEAD = 8 };

#define FB_COUNT_MIN_MAX_WIDTH (1ull << 32)
#define FB_COUNT_MIN_MAX_COUNTERS (1ull << 34)

typedef struct {
    uint64_t width;    /* counters in a row: 1 .. FB_COUNT_MIN_MAX_WIDTH */
    unsigned depth;    /* rows: 1 .. FB_COUNT_MIN_MAX_DEPTH */
    bool conservative; /* raise only the counters that have to be */
} fb_count_min_shape_t;

/* A sketch over memory that the caller owns: fb_count_min_bytes(shape) bytes, aligned to 8 at least.
 * All zero is the empty sketch. */
typedef struct {
    uint64_t *head;     /* the total and seven zeros */
    uint32_t *counters; /* row after row, then zeros up to a multiple of 8 bytes */
    fb_count_min_shape_t shape;
    uint64_t salts[FB_COUNT_MIN_MAX_DEPTH]; /* one a row */
} fb_count_min_t;

/* True if each number is in its range and there are FB_COUNT_MIN_MAX_COUNTERS at most. */
bool fb_count_min_shape_ok(fb_count_min_shape_t shape);

static inline uint64_t fb_count_min_bytes(fb_count_min_shape_t shape) {
    return FB_COUNT_MIN_HEAD * 8 + (shape.width * shape.depth + 1) / 2 * 8;
}

void fb_count_min_init(fb_count_min_t *s, fb_count_min_shape_t shape, void *memory);

/* The sum of all counts added, or UINT64_MAX if that is more. */
static inline uint64_t fb_count_min_total(const fb_count_min_t *s) {
    return fb_atomic_load64(s->head);
}

/* Adds `count` (below 2^63) to the key with hash h. For the only writer; others may read meanwhile. */
void fb_count_min_add(fb_count_min_t *s, uint64_t h, uint64_t count);

/* About how often the key with hash h was added. */
uint32_t fb_count_min_estimate(const fb_count_min_t *s, uint64_t h);

/* Adds counts[i] (below 2^63) to key i, in order, or `count` if `counts` is NULL. For the only writer. */
void fb_count_min_add_keys(fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                           const uint64_t *counts, uint64_t count);

/* out[i] = the estimate of key i. */
void fb_count_min_estimate_keys(const fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                uint32_t *out);

/* Adds counters and total of a sketch of the same shape (which may be `into` itself). What another
 * thread adds to `from` meanwhile may be missed. */
void fb_count_min_merge(fb_count_min_t *into, const fb_count_min_t *from);
void fb_count_min_clear(fb_count_min_t *s);
bool fb_count_min_equal(const fb_count_min_t *a, const fb_count_min_t *b);

/* True if what these functions leave zero is zero. */
bool fb_count_min_ok(const fb_count_min_t *s);

#endif
