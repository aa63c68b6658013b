/* Split blocks: what the Bloom filter and the counting Bloom filter have in common.
 *
 * A filter is blocks of 4, 8 or 16 lanes of 32 cells; a key picks one block and in it one cell of
 * each lane. A cell is a bit in one filter and a counter in the other. What follows from the shape
 * alone is here: which cells a key has, how many false positives a shape gives, and which shape
 * serves a capacity and a rate. The formulas are told at the top of split_block.c.
 */
#ifndef FB_FILTERS_SPLIT_BLOCK_H
#define FB_FILTERS_SPLIT_BLOCK_H

#include "base.h"

/* Limits that keep every size computable in 64 bits. */
#define FB_SPLIT_MAX_BLOCKS (1ull << 32)
#define FB_SPLIT_MIN_FP_RATE 1e-9

enum { FB_SPLIT_CELLS = 32, FB_SPLIT_MAX_LANES = 16, FB_SPLIT_AHEAD = 24 };

typedef struct {
    uint64_t n_blocks; /* 1 .. FB_SPLIT_MAX_BLOCKS */
    unsigned lanes;    /* in a block: 4, 8 or 16 */
} fb_split_shape_t;

/* The false-positive rate to expect of a filter of this shape that holds n distinct keys: exact
 * for the blocked layout. O(sqrt(n / n_blocks)). */
double fb_split_rate(fb_split_shape_t shape, uint64_t n);

/* The smallest shape that holds `capacity` (>= 1) keys at `fp_rate` (FB_SPLIT_MIN_FP_RATE ..
 * below 1), with a margin so that measured rates stay at or below it too. FB_OUT_OF_RANGE if that
 * takes more than FB_SPLIT_MAX_BLOCKS blocks, or more bytes than there can be. */
fb_status_t fb_split_shape(uint64_t capacity, double fp_rate, unsigned lane_bytes,
                           fb_split_shape_t *shape);

/* True if the shape is one that fb_split_shape could have given. */
bool fb_split_shape_ok(fb_split_shape_t shape);

/* Odd multipliers, one a lane: the fractional bits of the square roots of the first primes, made
 * odd. Any odd numbers without common structure serve. */
static const uint32_t fb_split_salts[FB_SPLIT_MAX_LANES] = {
    0x6A09E667u, 0xBB67AE85u, 0x3C6EF373u, 0xA54FF53Bu, 0x510E527Fu, 0x9B05688Du,
    0x1F83D9ABu, 0x5BE0CD19u, 0xCBBB9D5Du, 0x629A292Bu, 0x9159015Bu, 0x152FECD9u,
    0x67332667u, 0x8EB44A87u, 0xDB0C2E0Du, 0x47B5481Du,
};

/* The cell of a key in a lane of its block. */
FB_INLINE unsigned fb_split_cell(uint64_t h, unsigned lane) {
    return ((uint32_t)h * fb_split_salts[lane]) >> 27;
}

/* Index of a number of lanes in tables that have an entry for each: 0, 1 or 2. */
FB_INLINE unsigned fb_split_index(unsigned lanes) { return lanes == 4 ? 0 : lanes == 8 ? 1 : 2; }

/* Does `body` for i = 0 .. n-1. Each key's block is asked for by `fetch`, a statement about key
 * `next`, FB_SPLIT_AHEAD keys before its turn, so that cache misses overlap. */
#define FB_SPLIT_FOR_SLICE(n, fetch, body)                                            \
    {                                                                                 \
        const size_t ahead = (n) < FB_SPLIT_AHEAD ? (n) : FB_SPLIT_AHEAD;             \
        size_t i, next;                                                               \
        for (next = 0; next < ahead; next++) {                                        \
            fetch;                                                                    \
        }                                                                             \
        for (i = 0; next < (n); i++, next++) {                                        \
            fetch;                                                                    \
            body;                                                                     \
        }                                                                             \
        for (; i < (n); i++) {                                                        \
            body;                                                                     \
        }                                                                             \
    }

/* The false-positive rate of the cells as they are now: the mean over blocks of the product over
 * lanes of the share of occupied cells, whose number in a lane (of all blocks') `occupied` tells. */
FB_INLINE double fb_split_rate_now(fb_split_shape_t shape, const uint64_t *words,
                                   unsigned (*occupied)(const uint64_t *words, size_t lane)) {
    double sum = 0.0;
    size_t lane = 0;
    for (uint64_t block = 0; block < shape.n_blocks; block++) {
        double hit = 1.0;
        for (unsigned i = 0; i < shape.lanes; i++)
            hit *= (double)occupied(words, lane++) * (1.0 / (double)FB_SPLIT_CELLS);
        sum += hit;
    }
    return sum / (double)shape.n_blocks;
}

/* ---- all cells, as 64-bit words that are read and written atomically ------------------------- */

void fb_split_clear(uint64_t *words, size_t n);
bool fb_split_equal(const uint64_t *a, const uint64_t *b, size_t n);
bool fb_split_empty(const uint64_t *words, size_t n);

#endif
