/* HyperLogLog: how many distinct keys were added, to about 1.04 / sqrt(2^p), in 2^p bytes at most.
 *
 * Sketches of parts merge into exactly the sketch of the whole. It cannot tell which keys there were.
 * The two forms, the estimator and the references are told at the top of hyperloglog.c.
 */
#ifndef FB_SKETCHES_HYPERLOGLOG_H
#define FB_SKETCHES_HYPERLOGLOG_H

#include "keys.h"

enum { FB_HLL_MIN_P = 4, FB_HLL_MAX_P = 18 };

typedef struct {
    unsigned p;
    uint64_t dense;     /* 1: the registers count; 0: the table does */
    uint8_t *registers; /* 2^p; NULL until there is need of them */
    uint32_t *table;    /* sparse: entries at places found by hashing, 0 where there is none */
    uint32_t slots;     /* of the table */
    uint32_t n;         /* entries in it */
    uint32_t *counts;   /* how many registers have each value; NULL until there is need of them */
    uint8_t counted;    /* whether they are right */
} fb_hll_t;

/* How many entries the sparse form of a sketch holds at most; 0 if it has none. */
uint32_t fb_hll_entries_allowed(unsigned p);

/* Makes *hll a sketch over 2^p `registers` (multiple of 8 bytes, aligned to 8), or, if there are none,
 * an empty sparse sketch; nothing is freed. */
void fb_hll_init(fb_hll_t *hll, unsigned p, uint8_t *registers);

/* Frees the table, the counts, and the registers unless they are `lent` to the sketch by its owner. */
void fb_hll_free(fb_hll_t *hll, const void *lent);

static inline bool fb_hll_is_dense(const fb_hll_t *hll) {
    return fb_atomic_acquire64(&hll->dense) != 0;
}

/* True if a key with hash h may raise its register: if all `now` bits behind the first p are 0. */
static inline bool fb_hll_may_raise(unsigned p, uint64_t h, uint8_t now) {
    return (h << p) >> 1 >> (63 - (now & 63)) == 0;
}

/* The place of the first 1 behind the first p bits. */
static inline uint8_t fb_hll_rank(unsigned p, uint64_t h) {
    return (uint8_t)(fb_leading_zeros64(h << p | 1ull << (p - 1)) + 1);
}

/* Adds a key with hash h to registers that anybody may be raising. */
static inline void fb_hll_raise(uint8_t *registers, unsigned p, uint64_t h) {
    uint8_t *at = registers + (h >> (64 - p));
    uint8_t now = fb_atomic_load8(at);
    if (FB_LIKELY(!fb_hll_may_raise(p, h, now))) return;
    const uint8_t rank = fb_hll_rank(p, h);
    while (now < rank && !fb_atomic_replace8(at, &now, rank)) {
    }
}

/* Adds a key with hash h, for a writer that excludes all others. FB_NO_MEMORY: not added. */
fb_status_t fb_hll_add_seldom(fb_hll_t *hll, uint64_t h);
static inline fb_status_t fb_hll_add(fb_hll_t *hll, uint64_t h) {
    if (FB_LIKELY(fb_hll_is_dense(hll))) {
        const uint8_t now = fb_atomic_load8(hll->registers + (h >> (64 - hll->p)));
        if (FB_LIKELY(!fb_hll_may_raise(hll->p, h, now))) return FB_OK;
    }
    return fb_hll_add_seldom(hll, h);
}

/* The same if others may be adding to the registers, should the sketch be dense. */
fb_status_t fb_hll_add_shared(fb_hll_t *hll, uint64_t h);

/* Adds every key. Others may be adding to the registers. FB_NO_MEMORY: some of them. */
fb_status_t fb_hll_add_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed);

/* Adds every key to the registers of a sketch that is dense, or was: any number of threads at once. */
void fb_hll_raise_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed);

/* Makes a sparse sketch dense. */
fb_status_t fb_hll_make_dense(fb_hll_t *hll);

/* Adds the keys of another sketch of the same p, that nobody changes meanwhile, nor anybody else
 * this one. */
fb_status_t fb_hll_unite(fb_hll_t *into, const fb_hll_t *from);

/* The same from a serialised form that was admitted; others may be adding to dense registers. */
fb_status_t fb_hll_unite_bytes(fb_hll_t *into, const void *payload, size_t size);

/* Forgets all keys, and becomes sparse if that is `allowed` and there is such a form. */
void fb_hll_clear(fb_hll_t *hll, bool allowed);

bool fb_hll_empty(const fb_hll_t *hll);

/* The estimate while anybody may be adding, and one that nobody disturbs, which is cheaper if keys were
 * added one by one since the last. */
double fb_hll_estimate(const fb_hll_t *hll);
double fb_hll_estimate_alone(fb_hll_t *hll);

/* Bytes of memory held: registers, table and counts. */
size_t fb_hll_memory(const fb_hll_t *hll);

/* The serialised form: the registers, or the entries in ascending order, filled up by a zero to a
 * multiple of 8 bytes. `size` tells which, since entries never take as much as registers. */
size_t fb_hll_gathered(const fb_hll_t *hll);
void fb_hll_gather(const fb_hll_t *hll, void *into);

/* Whether a sketch of this p may have a serialised form of this size. */
bool fb_hll_size_ok(unsigned p, uint64_t size);

/* Whether bytes are a serialised form that a sketch could have given; their size is good. */
bool fb_hll_admissible(unsigned p, const void *payload, size_t size);

/* Makes a sparse, empty sketch hold admissible entries: in a table of its own, or as they are, to be
 * read only. */
fb_status_t fb_hll_load(fb_hll_t *hll, const void *payload, size_t size);
void fb_hll_view(fb_hll_t *hll, void *payload, size_t size);

#endif
