/* Cuckoo filter: a set that may say "present" wrongly, at a known rate, but never "absent" wrongly, and
 * that can remove keys.
 *
 * It holds a fingerprint of each key, in one of two buckets; it does not grow. The layout, the
 * sizing and the references are told at the top of cuckoo.c.
 */
#ifndef FB_FILTERS_CUCKOO_H
#define FB_FILTERS_CUCKOO_H

#include "keys.h"

#define FB_CUCKOO_MAX_BUCKETS (1ull << 32)
#define FB_CUCKOO_MIN_FP_RATE 1e-7

typedef struct {
    uint64_t n_buckets; /* even, 2 .. FB_CUCKOO_MAX_BUCKETS */
    unsigned bits;      /* of a fingerprint: 8 .. 27 */
} fb_cuckoo_shape_t;

/* A filter over a payload that the caller owns: fb_cuckoo_bytes of the shape, aligned to 64 bytes. */
typedef struct {
    uint64_t *head;  /* the payload's first line: len, moves, zeros */
    uint64_t *words; /* the buckets */
    fb_cuckoo_shape_t shape;
    uint64_t mask, ones, highs; /* of one part of a bucket: all bits; lowest, highest of each slot */
} fb_cuckoo_t;

/* The smallest shape that surely holds `capacity` (>= 1) distinct keys, at `fp_rate`
 * (FB_CUCKOO_MIN_FP_RATE .. below 1) with a margin so that measured rates stay at or below it.
 * FB_OUT_OF_RANGE if that takes more than FB_CUCKOO_MAX_BUCKETS buckets. */
fb_status_t fb_cuckoo_shape(uint64_t capacity, double fp_rate, fb_cuckoo_shape_t *shape);

/* Slots of a shape: the most entries it can hold. */
static inline uint64_t fb_cuckoo_slots(fb_cuckoo_shape_t shape) { return 4 * shape.n_buckets; }

/* Bytes of payload that a shape takes: a multiple of 8. */
uint64_t fb_cuckoo_bytes(fb_cuckoo_shape_t shape);

/* True if the shape is one that fb_cuckoo_shape could have given. */
bool fb_cuckoo_shape_ok(fb_cuckoo_shape_t shape);

/* Makes *cuckoo a filter over `payload`; all zero is an empty filter. */
void fb_cuckoo_init(fb_cuckoo_t *cuckoo, fb_cuckoo_shape_t shape, void *payload);

/* False if the payload has bits set where no filter has any. Whatever the other bits are, no call
 * goes wrong; if `writable`, the length is set to the number of entries. */
bool fb_cuckoo_admit(fb_cuckoo_t *c, bool writable);

/* Number of entries, each one copy of a key. */
static inline uint64_t fb_cuckoo_len(const fb_cuckoo_t *c) { return fb_atomic_load64(c->head); }

/* Readers take no lock: these may run beside one writer, of this process or another. */
bool fb_cuckoo_contains(const fb_cuckoo_t *c, uint64_t h);
void fb_cuckoo_contains_keys(const fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed, bool *out);

/* The rest is for one writer at a time. --------------------------------------------------------- */

/* Adds one copy of a key. FB_FULL, and nothing has changed, if no place for it was found. */
fb_status_t fb_cuckoo_add(fb_cuckoo_t *c, uint64_t h);

/* Removes one copy of a key; false if there is none. */
bool fb_cuckoo_remove(fb_cuckoo_t *c, uint64_t h);

/* Adds every key, in order; `keys` is at its start. FB_FULL if one finds no place: those before it have
 * been removed again, so the filter equals what it was, though entries may lie in the other of their
 * buckets. */
fb_status_t fb_cuckoo_add_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed);

/* Removes one copy of every key, in order; out[i] = whether there was one. */
void fb_cuckoo_remove_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed, bool *out);

/* Adds every entry of `from`, a filter of the same shape that does not change meanwhile; FB_FULL as
 * fb_cuckoo_add_keys. fb_cuckoo_unmerge takes them away again. */
fb_status_t fb_cuckoo_merge(fb_cuckoo_t *into, const fb_cuckoo_t *from);
void fb_cuckoo_unmerge(fb_cuckoo_t *into, const fb_cuckoo_t *from);

void fb_cuckoo_clear(fb_cuckoo_t *c);

/* True if two filters of one shape, that do not change meanwhile, hold the same entries, each as many
 * times, whichever of its two buckets it lies in. */
bool fb_cuckoo_equal(const fb_cuckoo_t *a, const fb_cuckoo_t *b);

/* Copies the payload to `into`, whole: true if no entry was moved or removed meanwhile. */
bool fb_cuckoo_copy(const fb_cuckoo_t *c, void *into);

#endif
