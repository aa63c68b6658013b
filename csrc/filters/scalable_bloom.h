/* Scalable Bloom filter: a Bloom filter that grows with its keys and keeps its false-positive rate.
 *
 * Use it when the number of keys cannot be told beforehand. It takes more memory than a filter of
 * the right size would, and each lookup asks several filters. It cannot delete.
 * The idea, the layout and the references are told at the top of scalable_bloom.c.
 *
 * One thread at a time may change a filter; the caller sees to that. Any number may look keys up
 * meanwhile, without a lock.
 */
#ifndef FB_FILTERS_SCALABLE_BLOOM_H
#define FB_FILTERS_SCALABLE_BLOOM_H

#include "filters/bloom.h"
#include "keys.h"

enum {
    FB_SCALABLE_BLOOM_LEVELS = 32, /* sizes of slices: each is twice the one before */
    FB_SCALABLE_BLOOM_SLICES = 64  /* in one filter; more than levels after merging */
};
#define FB_SCALABLE_BLOOM_MIN_FP_RATE 1e-6

/* One split-block filter. All but the count and the bits stays as it was made. */
typedef struct fb_scalable_bloom_slice {
    fb_bloom_t bloom;
    uint64_t level;
    uint64_t capacity;
    uint64_t *count;    /* of keys: in the payload that it was loaded from, or own_count */
    uint64_t own_count;
    size_t memory;      /* bytes of it that are its own, this struct included */
    size_t target;      /* while merging: index of the slice that takes it up */
    struct fb_scalable_bloom_slice *next; /* in a list */
} fb_scalable_bloom_slice_t;

typedef struct {
    uint64_t initial_capacity;
    double fp_rate;
    bool fixed;                        /* it lies in a mapped file: no slice can be added */
    uint64_t n_slices;                 /* published with release */
    uint64_t slices[FB_SCALABLE_BLOOM_SLICES]; /* their addresses, oldest first; see _slice */
    fb_scalable_bloom_slice_t *open;   /* the newest with room, or NULL */
    fb_scalable_bloom_slice_t *spares; /* empty slices, not in use */
} fb_scalable_bloom_t;

/* The false-positive rate of slices of a level. Over all levels they add up to less than fp_rate. */
double fb_scalable_bloom_slice_rate(double fp_rate, unsigned level);

/* Makes *b, whatever it was, an empty filter of one slice. FB_OUT_OF_RANGE, FB_NO_MEMORY. */
fb_status_t fb_scalable_bloom_start(fb_scalable_bloom_t *b, uint64_t initial_capacity,
                                    double fp_rate);

/* Makes *b, whose parameters are set and which has no slices, the filter that `size` bytes of
 * payload hold. They must stay where they are, and be aligned to 64. FB_STATE_PARAMS if they are
 * no such filter (slices are then freed by fb_scalable_bloom_free), FB_NO_MEMORY. */
fb_status_t fb_scalable_bloom_read(fb_scalable_bloom_t *b, void *payload, size_t size, bool fixed);

/* Frees all slices; *b is without any then. */
void fb_scalable_bloom_free(fb_scalable_bloom_t *b);

/* Bytes that the payload takes; writes them, aligned to 8. */
size_t fb_scalable_bloom_bytes(const fb_scalable_bloom_t *b);
void fb_scalable_bloom_write(const fb_scalable_bloom_t *b, void *payload);

/* Bytes of memory that its slices own, spare ones included. */
size_t fb_scalable_bloom_memory(const fb_scalable_bloom_t *b);

FB_INLINE fb_scalable_bloom_slice_t *fb_scalable_bloom_slice(const fb_scalable_bloom_t *b,
                                                             uint64_t i) {
    return (fb_scalable_bloom_slice_t *)(uintptr_t)fb_atomic_acquire64(&b->slices[i]);
}

/* Newest first: it holds half of the keys. */
FB_INLINE bool fb_scalable_bloom_contains(const fb_scalable_bloom_t *b, uint64_t h) {
    for (uint64_t i = fb_atomic_acquire64(&b->n_slices); i-- > 0;)
        if (fb_bloom_contains(&fb_scalable_bloom_slice(b, i)->bloom, h)) return true;
    return false;
}

/* Adds a key, unless the filter claims to hold it already.
 *
 * Where that takes a new slice, this and the batch may fail, with nothing changed: FB_NO_MEMORY;
 * FB_OUT_OF_RANGE, the slice would be larger than Bloom filters can be; FB_FULL, there are as many
 * as there can be, or the filter is fixed. */
fb_status_t fb_scalable_bloom_add(fb_scalable_bloom_t *b, uint64_t h);

/* out[i] = whether the filter may hold key i. */
void fb_scalable_bloom_contains_keys(const fb_scalable_bloom_t *b, fb_keys_cursor_t keys,
                                     uint64_t seed, bool *out);

/* Adds n keys as if one by one, or none of them. They fit if those that are absent before do, one
 * that comes twice counted twice. */
fb_status_t fb_scalable_bloom_add_keys(fb_scalable_bloom_t *b, fb_keys_cursor_t keys, size_t n,
                                       uint64_t seed);

/* Copies the slices that hold keys to the end of a list, for fb_scalable_bloom_merge. `tail` is
 * where the pointer to the first is to be stored; returns the next such place, or NULL (and has
 * added nothing) if there is not enough memory. */
fb_scalable_bloom_slice_t **fb_scalable_bloom_snapshot(const fb_scalable_bloom_t *b,
                                                       fb_scalable_bloom_slice_t **tail);

/* Takes over a list of slices made with the same parameters. Each is united with the first slice of
 * its level and shape that has room for its keys, or else becomes a slice of its own. FB_FULL if
 * that makes too many, or any at all while the filter is fixed: nothing has changed then, and the
 * list is still the caller's. */
fb_status_t fb_scalable_bloom_merge(fb_scalable_bloom_t *b, fb_scalable_bloom_slice_t *list);

void fb_scalable_bloom_free_list(fb_scalable_bloom_slice_t *list);

/* Back to one empty slice; the others are kept as spares, since others may be reading them. If
 * fixed, all slices stay and are empty. */
void fb_scalable_bloom_clear(fb_scalable_bloom_t *b);

/* The same slices with the same keys. */
bool fb_scalable_bloom_equal(const fb_scalable_bloom_t *a, const fb_scalable_bloom_t *b);

/* Sums over the slices: keys they hold, keys they are made for, bits set and bits in all. */
typedef struct {
    uint64_t keys, capacity, set, bits;
} fb_scalable_bloom_sums_t;
void fb_scalable_bloom_sums(const fb_scalable_bloom_t *b, bool count_bits,
                            fb_scalable_bloom_sums_t *sums);

/* The false-positive rate of the bits as they are now. */
double fb_scalable_bloom_rate_now(const fb_scalable_bloom_t *b);

#endif
