/* Rates and sizes of filters of split blocks [1, 2].
 *
 * A block has k lanes of 32 cells, and a key occupies one cell in each lane of one block:
 *
 *     block b:  | lane 0: 32 cells | lane 1: 32 cells | ... | lane k-1: 32 cells |   k = 4, 8 or 16
 *     hash  h:    b = floor(h * n_blocks / 2^64)
 *                 cell in lane i = (low32(h) * salt[i] mod 2^32) >> 27
 *
 * Blocks fill unevenly: of n keys, the number j in one block is binomial(n, 1/n_blocks). A block
 * with j keys has each cell of a lane free with probability (31/32)^j, so
 *
 *     rate(n) = sum over j of P(j) * ((1 - (31/32)^j)^k + j / 2^32)
 *
 * where the last term stands for keys whose low halves collide. fb_split_rate sums just that (the
 * textbook formula for unblocked filters promises less than it keeps). fb_split_shape takes, of the
 * three k, the one that needs the least memory to bring the rate at capacity to MARGIN of what was
 * asked: counts of false positives scatter, and a filter whose mean rate is the target exceeds it
 * half the time. Only + - * / are used, no libm: every platform, and the pure-Python twin, gets the
 * same shape from the same parameters.
 *
 * Invariant. 1 <= n_blocks <= 2^32, so block (high half of h) and cells (low half) are independent.
 *
 * [1] F. Putze, P. Sanders, J. Singler, "Cache-, hash- and space-efficient Bloom filters",
 *     WEA 2007.
 * [2] J. Apple, "Split block Bloom filters", arXiv:2101.01719, 2021.
 */
#include "split_block.h"

static const double MARGIN = 0.85;

static double power(double x, uint64_t n) {
    double result = 1.0;
    for (; n > 0; n >>= 1) {
        if (n & 1) result *= x;
        x *= x;
    }
    return result;
}

/* Of a block with j keys, when each cell of a lane is free with probability `free`. The second
 * term: a key whose low half equals another's has the same cells in every lane. */
static double rate_of_block(double free, unsigned lanes, uint64_t j) {
    double rate = power(1.0 - free, lanes) + (double)j * (1.0 / 4294967296.0);
    return rate < 1.0 ? rate : 1.0;
}

double fb_split_rate(fb_split_shape_t shape, uint64_t n) {
    const double stay = 31.0 / 32.0; /* one key leaves a given cell of a lane free */
    if (shape.n_blocks == 1) return rate_of_block(power(stay, n), shape.lanes, n);
    /* So full that every term below is exactly 1: no need to sum up to billions of them. */
    if (n / shape.n_blocks >= 4096) return 1.0;
    /* The binomial's terms, relative to the one at its mode, outwards until they vanish. */
    const double others = (double)(shape.n_blocks - 1);
    const uint64_t mode = (uint64_t)((double)n / (double)shape.n_blocks);
    const double free_at_mode = power(stay, mode);
    double weights = 1.0, sum = rate_of_block(free_at_mode, shape.lanes, mode);
    double weight = 1.0, free = free_at_mode;
    for (uint64_t j = mode; j < n; j++) {
        weight *= (double)(n - j) / ((double)(j + 1) * others);
        free *= stay;
        weights += weight;
        sum += weight * rate_of_block(free, shape.lanes, j + 1);
        if (weight < 1e-20) break;
    }
    weight = 1.0, free = free_at_mode;
    for (uint64_t j = mode; j > 0; j--) {
        weight *= (double)j * others / (double)(n - j + 1);
        free /= stay;
        weights += weight;
        sum += weight * rate_of_block(free, shape.lanes, j - 1);
        if (weight < 1e-20) break;
    }
    return sum / weights;
}

/* The fewest blocks of `lanes` lanes that reach `rate`, or 0 if more than `max`. */
static uint64_t blocks_for(uint64_t capacity, double rate, unsigned lanes, uint64_t max) {
    uint64_t low = 0, high = 1; /* low is too few, high may be enough */
    while (fb_split_rate((fb_split_shape_t){high, lanes}, capacity) > rate) {
        if (high >= max) return 0;
        low = high;
        high = high > max / 2 ? max : high * 2;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (fb_split_rate((fb_split_shape_t){middle, lanes}, capacity) > rate)
            low = middle;
        else
            high = middle;
    }
    return high;
}

fb_status_t fb_split_shape(uint64_t capacity, double fp_rate, unsigned lane_bytes,
                           fb_split_shape_t *shape) {
    fb_split_shape_t best = {0, 0};
    for (unsigned lanes = 4; lanes <= FB_SPLIT_MAX_LANES; lanes *= 2) {
        uint64_t n_blocks = blocks_for(capacity, fp_rate * MARGIN, lanes, FB_SPLIT_MAX_BLOCKS);
        if (n_blocks == 0) continue;
        if (best.lanes == 0 || n_blocks * lanes < best.n_blocks * best.lanes)
            best = (fb_split_shape_t){n_blocks, lanes};
    }
    if (best.lanes == 0 || best.n_blocks * best.lanes * lane_bytes > SIZE_MAX / 2)
        return FB_OUT_OF_RANGE;
    *shape = best;
    return FB_OK;
}

bool fb_split_shape_ok(fb_split_shape_t shape) {
    return (shape.lanes == 4 || shape.lanes == 8 || shape.lanes == 16) && shape.n_blocks >= 1 &&
           shape.n_blocks <= FB_SPLIT_MAX_BLOCKS;
}

/* ---- all cells ----------------------------------------------------------------------------- */

void fb_split_clear(uint64_t *words, size_t n) {
    for (size_t i = 0; i < n; i++) fb_atomic_store64(words + i, 0);
}

bool fb_split_equal(const uint64_t *a, const uint64_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fb_atomic_load64(a + i) != fb_atomic_load64(b + i)) return false;
    return true;
}

bool fb_split_empty(const uint64_t *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fb_atomic_load64(words + i) != 0) return false;
    return true;
}
