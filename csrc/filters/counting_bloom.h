/* Counting Bloom filter: a Bloom filter that can take keys back. It may say "present" wrongly, at a
 * known rate, but never "absent" wrongly, as long as only keys that are in are removed.
 *
 * The layout is told at the top of counting_bloom.c, the sizing at the top of split_block.c.
 */
#ifndef FB_FILTERS_COUNTING_BLOOM_H
#define FB_FILTERS_COUNTING_BLOOM_H

#include "keys.h"
#include "split_block.h"

enum { FB_COUNTING_BLOOM_MAX = 15, FB_COUNTING_BLOOM_LANE_BYTES = 16 };

typedef struct fb_counting_bloom_kernels fb_counting_bloom_kernels_t;

/* A filter over counters that the caller owns: 64-byte aligned, fb_counting_bloom_bytes of them. */
typedef struct {
    uint64_t *words;
    fb_split_shape_t shape;
    const fb_counting_bloom_kernels_t *kernels;
} fb_counting_bloom_t;

/* For one key, and for slices of n keys. */
struct fb_counting_bloom_kernels {
    bool (*contains)(const uint64_t *words, uint64_t n_blocks, uint64_t h);
    void (*add)(uint64_t *words, uint64_t n_blocks, uint64_t h);
    bool (*remove)(uint64_t *words, uint64_t n_blocks, uint64_t h);
    unsigned (*estimate)(const uint64_t *words, uint64_t n_blocks, uint64_t h);
    void (*contains_slice)(const uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n,
                           bool *out);
    void (*add_slice)(uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n);
    void (*remove_slice)(uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n,
                         bool *out);
    void (*estimate_slice)(const uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n,
                           uint8_t *out);
};

/* Bytes of counters that a shape takes. */
static inline uint64_t fb_counting_bloom_bytes(fb_split_shape_t shape) {
    return shape.n_blocks * shape.lanes * FB_COUNTING_BLOOM_LANE_BYTES;
}

/* Makes *f a filter over `words`, choosing the kernels of this CPU. */
void fb_counting_bloom_init(fb_counting_bloom_t *f, fb_split_shape_t shape, uint64_t *words);

/* Readers may run beside one writer; writers must exclude each other. */
static inline bool fb_counting_bloom_contains(const fb_counting_bloom_t *f, uint64_t h) {
    return f->kernels->contains(f->words, f->shape.n_blocks, h);
}

/* How often the key was added at the most; FB_COUNTING_BLOOM_MAX: that often or more. */
static inline unsigned fb_counting_bloom_estimate(const fb_counting_bloom_t *f, uint64_t h) {
    return f->kernels->estimate(f->words, f->shape.n_blocks, h);
}

static inline void fb_counting_bloom_add(fb_counting_bloom_t *f, uint64_t h) {
    f->kernels->add(f->words, f->shape.n_blocks, h);
}

/* False, and nothing has changed, if the key is certainly absent. */
static inline bool fb_counting_bloom_remove(fb_counting_bloom_t *f, uint64_t h) {
    return f->kernels->remove(f->words, f->shape.n_blocks, h);
}

/* The same for every key, in order. */
void fb_counting_bloom_contains_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                     uint64_t seed, bool *out);
void fb_counting_bloom_estimate_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                     uint64_t seed, uint8_t *out);
void fb_counting_bloom_add_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys, uint64_t seed);
void fb_counting_bloom_remove_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys, uint64_t seed,
                                   bool *out);

/* Whole filters of one shape; the second one may be changed by others meanwhile.
 * Unite: each counter becomes the sum of both, FB_COUNTING_BLOOM_MAX at the most. */
void fb_counting_bloom_unite(fb_counting_bloom_t *into, const fb_counting_bloom_t *from);
void fb_counting_bloom_clear(fb_counting_bloom_t *f);
bool fb_counting_bloom_equal(const fb_counting_bloom_t *a, const fb_counting_bloom_t *b);
bool fb_counting_bloom_empty(const fb_counting_bloom_t *f);

/* Number of counters that are not 0. */
uint64_t fb_counting_bloom_occupied(const fb_counting_bloom_t *f);

/* The false-positive rate of the counters as they are now. */
double fb_counting_bloom_rate_now(const fb_counting_bloom_t *f);

#endif
