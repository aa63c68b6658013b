/* Tally: how often each key was added, in a fixed number of counters that keys share.
 *
 * Say here what the thing is and when it is used. The layout and the invariants are told at the top of
 * tally.c.
 */
#ifndef FB_FAMILY_TALLY_H
#define FB_FAMILY_TALLY_H

#include "keys.h"

#define FB_TALLY_MAX_WIDTH (1ull << 32)

/* A tally over memory that the caller owns: 8 * width bytes, aligned to 8 at least. All zero is the
 * empty tally. */
typedef struct {
    uint64_t *counters;
    uint64_t width; /* 1 .. FB_TALLY_MAX_WIDTH */
} fb_tally_t;

/* Adds the key with hash h. For the only writer; others may read meanwhile. */
void fb_tally_add(fb_tally_t *t, uint64_t h);

/* How often the key with hash h was added, and those that share its counter. */
uint64_t fb_tally_estimate(const fb_tally_t *t, uint64_t h);

/* Adds the keys of a batch. For the only writer. */
void fb_tally_add_keys(fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed);

/* out[i] = the estimate of key i. */
void fb_tally_estimate_keys(const fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed,
                            uint64_t *out);

/* Adds the counters of a tally of the same width (which may be `into` itself). */
void fb_tally_merge(fb_tally_t *into, const fb_tally_t *from);
void fb_tally_clear(fb_tally_t *t);
bool fb_tally_equal(const fb_tally_t *a, const fb_tally_t *b);

#endif
