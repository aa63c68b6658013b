/* Rotating Bloom filter: was this key added in the last `window` nanoseconds? Two Bloom filters or more
 * take turns; the oldest is cleared and becomes the current one.
 *
 * Use it to drop duplicates from a stream without keeping its keys. The rules of time, the layout and
 * what threads may do are told at the top of rotating_bloom.c.
 */
#ifndef FB_FILTERS_ROTATING_BLOOM_H
#define FB_FILTERS_ROTATING_BLOOM_H

#include "filters/bloom.h"

enum { FB_ROTATING_BLOOM_HEAD = 64, FB_ROTATING_BLOOM_MAX_GENERATIONS = 16 };

/* A filter over a payload that the caller owns: a head line of 64 bytes, then the generations' bits.
 * The payload is aligned to 64 bytes; the instants given to one filter are all of one clock. */
typedef struct {
    fb_bloom_t first;     /* the Bloom filter in slot 0; the other slots follow it in memory */
    uint64_t *head;
    uint64_t period;      /* nanoseconds for which a generation takes keys */
    int64_t begun;        /* when generation 0 began, if the head must not be written to */
    unsigned generations; /* 2 .. FB_ROTATING_BLOOM_MAX_GENERATIONS */
} fb_rotating_bloom_t;

/* The period of a window (1 .. 9e18) so that g - 1 of them last as long at least. */
static inline uint64_t fb_rotating_bloom_period(uint64_t window, unsigned generations) {
    return (window + generations - 2) / (generations - 1);
}

/* The shape of each generation; FB_OUT_OF_RANGE if one, or all of them, would be too large. */
fb_status_t fb_rotating_bloom_shape(uint64_t capacity, double fp_rate, unsigned generations,
                                    fb_bloom_shape_t *shape);

/* Bytes of payload. */
static inline uint64_t fb_rotating_bloom_bytes(fb_bloom_shape_t shape, unsigned generations) {
    return FB_ROTATING_BLOOM_HEAD + generations * fb_bloom_bytes(shape);
}

/* Makes *r a filter over `payload`. All zero is the sealed state of an empty filter. */
void fb_rotating_bloom_init(fb_rotating_bloom_t *r, fb_bloom_shape_t shape, unsigned generations,
                            uint64_t period, void *payload);

/* False if the head line of an untrusted payload contradicts itself. Any bits are valid. */
bool fb_rotating_bloom_valid(const fb_rotating_bloom_t *r);

/* Sets the time going, before any other call with an instant: a sealed state is as old `now` as it
 * was when it was sealed. If not `writable`, the payload stays as it is. */
void fb_rotating_bloom_begin(fb_rotating_bloom_t *r, int64_t now, bool writable);

/* Whether fb_rotating_bloom_rotate has anything to do. */
bool fb_rotating_bloom_due(const fb_rotating_bloom_t *r, int64_t now);

/* Clears the generations that are over, and makes the one of `now` current. The clock may have gone
 * back; the generations do not. For the only writer. O(bytes). */
void fb_rotating_bloom_rotate(fb_rotating_bloom_t *r, int64_t now);

/* Adds to the current generation; true if no generation held the key. Rotate first. For the only
 * writer. */
bool fb_rotating_bloom_add(fb_rotating_bloom_t *r, uint64_t h);

/* Adds every key in order; out[i] = whether key i was new. `out` may be NULL. */
void fb_rotating_bloom_add_keys(fb_rotating_bloom_t *r, fb_keys_cursor_t keys, uint64_t seed,
                                bool *out);

bool fb_rotating_bloom_contains(const fb_rotating_bloom_t *r, int64_t now, uint64_t h);
void fb_rotating_bloom_contains_keys(const fb_rotating_bloom_t *r, int64_t now,
                                     fb_keys_cursor_t keys, uint64_t seed, bool *out);

/* Adds what `from` remembers at its `clock` to `into`, which has been rotated to `now`: to the
 * generation as far back, or to the one after it, if the key would be forgotten too early else. */
void fb_rotating_bloom_merge(fb_rotating_bloom_t *into, int64_t now,
                             const fb_rotating_bloom_t *from, int64_t clock);

/* Forgets all keys. For the only writer. */
void fb_rotating_bloom_clear(fb_rotating_bloom_t *r);

/* Whether each remembers the same, equally many generations back. */
bool fb_rotating_bloom_equal(const fb_rotating_bloom_t *a, int64_t now,
                             const fb_rotating_bloom_t *b, int64_t clock);

bool fb_rotating_bloom_empty(const fb_rotating_bloom_t *r, int64_t now);

/* Bits set in all generations that are remembered: each counted, and those of their union. */
uint64_t fb_rotating_bloom_count_bits(const fb_rotating_bloom_t *r, int64_t now);
uint64_t fb_rotating_bloom_count_union(const fb_rotating_bloom_t *r, int64_t now);

/* The probability that a key that was not added is claimed to be. */
double fb_rotating_bloom_rate_now(const fb_rotating_bloom_t *r, int64_t now);

/* Writes the sealed form of what is remembered at `now`: as many bytes as the payload has. */
void fb_rotating_bloom_seal(const fb_rotating_bloom_t *r, int64_t now, void *into);

#endif
