/* Split-block Bloom filter: a set that may say "present" wrongly, at a known rate, but never
 * "absent" wrongly; one cache line is touched per key.
 *
 * Use it to skip work for keys that are surely absent. It cannot delete and does not grow.
 * The layout is told at the top of bloom.c, the sizing at the top of split_block.c.
 */
#ifndef FB_FILTERS_BLOOM_H
#define FB_FILTERS_BLOOM_H

#include "keys.h"
#include "split_block.h"

#define FB_BLOOM_MAX_BLOCKS FB_SPLIT_MAX_BLOCKS
#define FB_BLOOM_MIN_FP_RATE FB_SPLIT_MIN_FP_RATE

typedef fb_split_shape_t fb_bloom_shape_t; /* of lanes of 32 bits, one set in each per key */

typedef struct fb_bloom_kernels fb_bloom_kernels_t;

/* A filter over bits that the caller owns: n_blocks * lanes * 4 bytes, aligned to a block. */
typedef struct {
    uint32_t *bits;
    fb_bloom_shape_t shape;
    const fb_bloom_kernels_t *kernels;
} fb_bloom_t;

/* For one key, and for slices of n keys. */
struct fb_bloom_kernels {
    bool (*contains)(const uint32_t *bits, uint64_t n_blocks, uint64_t h);
    void (*add)(uint32_t *bits, uint64_t n_blocks, uint64_t h);
    void (*add_atomic)(uint32_t *bits, uint64_t n_blocks, uint64_t h);
    void (*contains_slice)(const uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n,
                           bool *out);
    void (*add_slice)(uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n);
    bool (*put)(uint32_t *bits, uint64_t n_blocks, uint64_t h);
    void (*put_slice)(uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n, bool *out);
    /* For the only writer: adds keys that are not there yet, in order, until *room of them have been
     * added. Takes those from *room, and returns how many keys it has looked at. */
    size_t (*add_new_slice)(uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n,
                            uint64_t *room);
};

/* As fb_split_rate, fb_split_shape and fb_split_shape_ok. */
static inline double fb_bloom_rate(fb_bloom_shape_t shape, uint64_t n) {
    return fb_split_rate(shape, n);
}
static inline fb_status_t fb_bloom_shape(uint64_t capacity, double fp_rate,
                                         fb_bloom_shape_t *shape) {
    return fb_split_shape(capacity, fp_rate, 4, shape);
}
static inline bool fb_bloom_shape_ok(fb_bloom_shape_t shape) { return fb_split_shape_ok(shape); }

/* Bytes of bits that a shape takes. */
static inline uint64_t fb_bloom_bytes(fb_bloom_shape_t shape) {
    return shape.n_blocks * shape.lanes * 4;
}

/* Makes *bloom a filter over `bits`, choosing the kernels of this CPU. */
void fb_bloom_init(fb_bloom_t *bloom, fb_bloom_shape_t shape, uint32_t *bits);

static inline bool fb_bloom_contains(const fb_bloom_t *b, uint64_t h) {
    return b->kernels->contains(b->bits, b->shape.n_blocks, h);
}

/* For the only writer: plain stores. */
static inline void fb_bloom_add(fb_bloom_t *b, uint64_t h) {
    b->kernels->add(b->bits, b->shape.n_blocks, h);
}

/* For one writer among several threads or processes: atomic OR, so no key is lost. */
static inline void fb_bloom_add_atomic(fb_bloom_t *b, uint64_t h) {
    b->kernels->add_atomic(b->bits, b->shape.n_blocks, h);
}

/* For the only writer: adds, and returns whether the filter lacked the key. */
static inline bool fb_bloom_put(fb_bloom_t *b, uint64_t h) {
    return b->kernels->put(b->bits, b->shape.n_blocks, h);
}

/* out[i] = whether the filter may hold key i. */
void fb_bloom_contains_keys(const fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed, bool *out);

/* Adds every key, by atomic OR. */
void fb_bloom_add_keys(fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed);

/* Whole-filter operations on filters of one shape. Each word is read and written atomically: keys
 * that other threads add meanwhile are not lost to a union (clear and intersect may remove them),
 * but may be missed by what is computed. */
void fb_bloom_unite(fb_bloom_t *into, const fb_bloom_t *from);
void fb_bloom_intersect(fb_bloom_t *into, const fb_bloom_t *from);
void fb_bloom_clear(fb_bloom_t *b);
bool fb_bloom_equal(const fb_bloom_t *a, const fb_bloom_t *b);
bool fb_bloom_subset(const fb_bloom_t *a, const fb_bloom_t *b);
bool fb_bloom_empty(const fb_bloom_t *b);

/* Number of bits that are set. */
uint64_t fb_bloom_count_bits(const fb_bloom_t *b);

/* The false-positive rate of the bits as they are now: the mean over blocks of the product over
 * lanes of the share of set bits. */
double fb_bloom_rate_now(const fb_bloom_t *b);

#endif
