/* TinyLFU's frequency sketch: about how often a key was seen lately, 0 to 15, in 8 bytes per entry of
 * a cache; one cache line is touched per key.
 *
 * Use it to compare keys: which of two is asked for more often? Counts age by halving, so that what
 * was hot long ago fades. The layout and the references are told at the top of frequency.c.
 */
#ifndef FB_SKETCHES_FREQUENCY_H
#define FB_SKETCHES_FREQUENCY_H

#include "keys.h"

enum {
    FB_FREQUENCY_MAX = 15,  /* the largest count */
    FB_FREQUENCY_HEAD = 8,  /* words of the head line */
    FB_FREQUENCY_BLOCK = 8, /* words of a block */
    FB_FREQUENCY_SAMPLE = 10
};

/* So that there are at most 2^32 blocks: then the high half of a hash picks the block, and the low
 * half the counters in it. */
#define FB_FREQUENCY_MAX_CAPACITY (1ull << 35)

/* A sketch over memory that the caller owns: fb_frequency_bytes(capacity) bytes, aligned to 64. All
 * zero is the empty sketch. */
typedef struct {
    uint64_t *words;      /* number of records and seven zeros, then the blocks */
    uint64_t n_blocks;
    uint64_t sample_size; /* at so many records the counts are halved */
} fb_frequency_t;

static inline uint64_t fb_frequency_blocks(uint64_t capacity) { return (capacity + 7) / 8; }

/* Bytes for a cache of `capacity` (1 .. FB_FREQUENCY_MAX_CAPACITY) entries: 8 for each, in whole
 * blocks, and the head line. */
static inline uint64_t fb_frequency_bytes(uint64_t capacity) {
    return (FB_FREQUENCY_HEAD + fb_frequency_blocks(capacity) * FB_FREQUENCY_BLOCK) * 8;
}

static inline void fb_frequency_init(fb_frequency_t *s, uint64_t capacity, void *memory) {
    s->words = (uint64_t *)memory;
    s->n_blocks = fb_frequency_blocks(capacity);
    s->sample_size = FB_FREQUENCY_SAMPLE * capacity;
}

/* ---- one key: inline, for the policy of a cache -------------------------------------------- */

/* Number of records since the last aging, and half of those before. */
FB_INLINE uint64_t fb_frequency_records(const fb_frequency_t *s) {
    return fb_atomic_load64(s->words);
}

/* The block of the key with hash h; prefetch it if the key's turn is later. */
FB_INLINE uint64_t *fb_frequency_block(const fb_frequency_t *s, uint64_t h) {
    return s->words + FB_FREQUENCY_HEAD + fb_reduce64(h, s->n_blocks) * FB_FREQUENCY_BLOCK;
}

/* A key's counter of one lane (0 .. 3) of its block. */
typedef struct {
    uint8_t *byte;
    unsigned was;   /* the byte, as it was read */
    unsigned shift; /* where the counter begins in it: 0 or 4 */
    unsigned count;
} fb_frequency_counter_t;

FB_INLINE fb_frequency_counter_t fb_frequency_counter(uint64_t *block, uint64_t h, unsigned lane) {
    fb_frequency_counter_t c;
    c.byte = (uint8_t *)block + 16 * lane + (h >> 8 * lane & 15);
    c.was = fb_atomic_load8(c.byte);
    c.shift = (unsigned)(h >> (8 * lane + 2)) & 4;
    c.count = c.was >> c.shift & 15;
    return c;
}

/* The lesser, without a branch: it would be mispredicted half the time. */
FB_INLINE unsigned fb_frequency_lesser(unsigned a, unsigned b) {
    return b ^ ((a ^ b) & (0 - (unsigned)(a < b)));
}

FB_INLINE unsigned fb_frequency_least(fb_frequency_counter_t a, fb_frequency_counter_t b,
                                      fb_frequency_counter_t c, fb_frequency_counter_t d) {
    return fb_frequency_lesser(fb_frequency_lesser(a.count, b.count),
                               fb_frequency_lesser(c.count, d.count));
}

/* Adds 1 to a counter if it is `least`. */
FB_INLINE void fb_frequency_raise_counter(fb_frequency_counter_t c, unsigned least) {
    fb_atomic_store8(c.byte, (uint8_t)(c.was + ((unsigned)(c.count == least) << c.shift)));
}

/* Raises the count of the key with hash h in its block, if it is below its maximum. The count before. */
FB_INLINE unsigned fb_frequency_raise(uint64_t *block, uint64_t h) {
    const fb_frequency_counter_t a = fb_frequency_counter(block, h, 0);
    const fb_frequency_counter_t b = fb_frequency_counter(block, h, 1);
    const fb_frequency_counter_t c = fb_frequency_counter(block, h, 2);
    const fb_frequency_counter_t d = fb_frequency_counter(block, h, 3);
    const unsigned least = fb_frequency_least(a, b, c, d);
    if (FB_UNLIKELY(least == FB_FREQUENCY_MAX)) return least;
    fb_frequency_raise_counter(a, least);
    fb_frequency_raise_counter(b, least);
    fb_frequency_raise_counter(c, least);
    fb_frequency_raise_counter(d, least);
    return least;
}

/* The count of the key with hash h in its block. */
FB_INLINE unsigned fb_frequency_look(uint64_t *block, uint64_t h) {
    return fb_frequency_least(
        fb_frequency_counter(block, h, 0), fb_frequency_counter(block, h, 1),
        fb_frequency_counter(block, h, 2), fb_frequency_counter(block, h, 3));
}

/* Halves every count, and makes the number of records half of `records`. */
void fb_frequency_age_at(fb_frequency_t *s, uint64_t records);

static inline void fb_frequency_age(fb_frequency_t *s) {
    fb_frequency_age_at(s, fb_frequency_records(s));
}

/* Makes the number of records `records`, or ages if that is enough. */
FB_INLINE void fb_frequency_set_records(fb_frequency_t *s, uint64_t records) {
    if (FB_UNLIKELY(records >= s->sample_size))
        fb_frequency_age_at(s, records);
    else
        fb_atomic_store64(s->words, records);
}

/* Counts one occurrence of the key with hash h. For the only writer; others may read meanwhile. */
FB_INLINE void fb_frequency_record(fb_frequency_t *s, uint64_t h) {
    if (fb_frequency_raise(fb_frequency_block(s, h), h) < FB_FREQUENCY_MAX)
        fb_frequency_set_records(s, fb_frequency_records(s) + 1);
}

/* Makes the count of the key with hash h at least `count` (0 .. FB_FREQUENCY_MAX), and records nothing: for a key
 * whose requests were counted elsewhere. */
FB_INLINE void fb_frequency_lift(fb_frequency_t *s, uint64_t h, unsigned count) {
    uint64_t *const block = fb_frequency_block(s, h);
    for (unsigned lane = 0; lane < 4; lane++) {
        const fb_frequency_counter_t c = fb_frequency_counter(block, h, lane);
        if (c.count < count) fb_atomic_store8(c.byte, (uint8_t)(c.was + ((count - c.count) << c.shift)));
    }
}

/* About how often the key with hash h was recorded: 0 .. FB_FREQUENCY_MAX. */
FB_INLINE unsigned fb_frequency_estimate(const fb_frequency_t *s, uint64_t h) {
    return fb_frequency_look(fb_frequency_block(s, h), h);
}

/* ---- batches and whole sketches ------------------------------------------------------------ */

/* Records every key, in order; the same as one by one. For the only writer. */
void fb_frequency_record_keys(fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed);

/* out[i] = the estimate of key i. */
void fb_frequency_estimate_keys(const fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                uint8_t *out);

/* Adds counts, up to the maximum, and records of a sketch of the same capacity (which may be `into`
 * itself); ages if that reaches sample_size. What another thread records in `from` meanwhile may be
 * missed. */
void fb_frequency_merge(fb_frequency_t *into, const fb_frequency_t *from);
void fb_frequency_clear(fb_frequency_t *s);
bool fb_frequency_equal(const fb_frequency_t *a, const fb_frequency_t *b);

/* True if every count is 0. */
bool fb_frequency_empty(const fb_frequency_t *s);

/* True if the head line is one that these functions could have left. */
bool fb_frequency_ok(const fb_frequency_t *s);

#endif
