/* Heavy hitters: the keys that a stream brings most often, with an upper and a lower bound of how
 * often, in memory that does not depend on the stream. Optionally counts fade with time.
 *
 * Filtered Space-Saving; the idea and the bounds are told at the top of topk.c. Only hashes are
 * kept here: whoever calls keeps the key of each slot, and is told when a slot changes hands.
 *
 * A value is a count, in one 64-bit word: an integer, or, with decay, the bits of a double that is
 * not negative. Both are ordered as their words are.
 */
#ifndef FB_SKETCHES_TOPK_H
#define FB_SKETCHES_TOPK_H

#include "keys.h"

#define FB_TOPK_MAX_K (1u << 24)
#define FB_TOPK_NONE UINT32_MAX
#define FB_TOPK_MAX_TOTAL ((uint64_t)INT64_MAX) /* of integer counts: no sum of values overflows */
enum {
    FB_TOPK_HALVINGS = 64, /* half-lives after which values are brought down; less than 2^-64 is 0 */
    FB_TOPK_COUNTERS = 2,  /* counters for each of the k keys, ... */
    FB_TOPK_LEAST = 128,   /* ... but not fewer than these */
    FB_TOPK_CELLS = 8      /* cells for each counter */
};

typedef struct {
    uint64_t hash;
    uint64_t count; /* the key came at most so often */
    uint64_t error; /* and at least count - error times */
} fb_topk_counter_t;

/* A counter and where it stands; `count` of the heap may be older than the counter's. */
typedef struct {
    uint64_t count;
    uint32_t slot;
} fb_topk_node_t;

typedef struct {
    fb_topk_counter_t counter;
    uint32_t slot;
} fb_topk_ranked_t;

typedef struct {
    uint64_t total;              /* value: the sum of all counts */
    bool decays;
    bool ordered;                /* the heap stands; otherwise it is made when it is needed */
    uint32_t capacity;           /* counters */
    uint32_t n;                  /* of them in use: slots 0 .. n - 1 */
    uint32_t n_changed;          /* slots that changed hands in the batch */
    uint64_t n_cells;            /* a power of two */
    unsigned shift;              /* a hash's place in the table is hash >> shift */
    fb_topk_counter_t *counters; /* [capacity] */
    uint64_t *cells;             /* [n_cells]: values, bounds for the keys that have no counter */
    uint64_t *table;             /* hash -> slot, open addressing */
    fb_topk_node_t *heap;        /* [capacity], coldest first */
    uint64_t *origin;            /* [capacity]: index in the batch, plus 1, of a slot's new key */
    uint32_t *changed;           /* [capacity]: the slots for which that is set */
} fb_topk_t;

/* The counters for k keys, 1 .. FB_TOPK_MAX_K, and the cells for so many counters. */
uint32_t fb_topk_counters_for(uint32_t k);
uint64_t fb_topk_cells_for(uint32_t capacity);

/* Bytes that a summary of so many counters and cells takes; 0 if they cannot be counted. */
size_t fb_topk_bytes(uint32_t capacity, uint64_t n_cells);

/* An empty summary in `memory`: fb_topk_bytes of zeros, aligned to 64. */
void fb_topk_init(fb_topk_t *t, uint32_t capacity, uint64_t n_cells, bool decays, void *memory);
void fb_topk_clear(fb_topk_t *t);

/* Values: the sum of two, and how many times one arrival counts, as a value: count * weight. */
uint64_t fb_topk_plus(const fb_topk_t *t, uint64_t a, uint64_t b);
uint64_t fb_topk_weighed(const fb_topk_t *t, uint64_t count, double weight);

/* The weight 2^(age / half_life) of what arrives `age` after the landmark; no libm, the same bits
 * everywhere. age / half_life < 1000. */
double fb_topk_weight(uint64_t age, uint64_t half_life);

/* Brings values down by 2^-halvings, and forgets what has come to less than 2^-64. Slots move:
 * kept[new] = old, room for `capacity`; returns how many are left. */
uint32_t fb_topk_fade(fb_topk_t *t, uint64_t halvings, uint32_t *kept);

/* Counts one key, by a value > 0. Returns the slot whose key it is now, if that has changed, or
 * FB_TOPK_NONE. `total` must have room. */
uint32_t fb_topk_add(fb_topk_t *t, uint64_t h, uint64_t value);

/* Counts a batch, key i counts[i] times (1 if NULL) by `weight` each. Afterwards changed[0 ..
 * n_changed) are the slots whose key is new, in any order, and origin[slot] - 1 says which key of
 * the batch it is; fb_topk_settle forgets that. */
void fb_topk_add_keys(fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed, const uint64_t *counts,
                      uint64_t count, double weight);
void fb_topk_settle(fb_topk_t *t);

/* The slot that counts h, or FB_TOPK_NONE. */
uint32_t fb_topk_find(const fb_topk_t *t, uint64_t h);

/* An upper bound of how often h came. */
uint64_t fb_topk_estimate(const fb_topk_t *t, uint64_t h);
/* The same for a batch, divided by `weight` if counts decay (then `out` is of doubles). */
void fb_topk_estimate_keys(const fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed, double weight,
                           uint64_t *out);

/* Whether fewer than k counters are hotter than the one at `slot`. O(n). */
bool fb_topk_among(const fb_topk_t *t, uint32_t slot, uint32_t k);

/* All counters into out[n], the `first` hottest in order in front. */
void fb_topk_rank(const fb_topk_t *t, fb_topk_ranked_t *out, uint32_t first);

/* Adds to `t` what `other`, a summary of the same size, has counted; its values are taken times
 * `factor` if they decay. `room` is for capacity + capacity counters. Afterwards room[slot].slot
 * tells where each key is from: a slot of t as it was, or t's former n plus a slot of other. */
void fb_topk_merge(fb_topk_t *t, const fb_topk_t *other, double factor, fb_topk_ranked_t *room);

/* Whether a cell is not 0. */
bool fb_topk_celled(const fb_topk_t *t);

/* Fills an empty summary with what was saved: cells (NULL: all 0) and n <= capacity counters, hottest
 * first. False if they contradict each other or the bounds; the summary is of no use then. */
bool fb_topk_load(fb_topk_t *t, uint64_t total, const uint64_t *cells,
                  const fb_topk_counter_t *counters, uint32_t n);

/* Takes the counter at `slot` away, as if it had been replaced; the last slot's takes its place. */
void fb_topk_drop(fb_topk_t *t, uint32_t slot);

/* The sum of n counts, or UINT64_MAX if it exceeds FB_TOPK_MAX_TOTAL. */
uint64_t fb_topk_sum(const uint64_t *counts, size_t n);

#endif
