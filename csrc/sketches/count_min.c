/* Count-min sketch [1] of 32-bit counters, with conservative update [2].
 *
 * Idea. `depth` rows of `width` counters. A key has one counter in each row; adding to the key raises
 * them. Other keys may share one of them, so each is at least the key's true count, and the least of
 * them is the estimate.
 *
 *     row r:    | counter 0 | counter 1 | ... | counter width-1 |      r = 0 .. depth-1
 *     hash h:   i[r] = floor(fold(h, salt[r]) * width / 2^64),   fold(a, b) = low ^ high half of a * b
 *               salt[r] = XXH3-64 of r's 8 bytes, made odd
 *
 * Bound. In one row the other keys add total / width to a counter, on average, so by Markov's inequality
 * more than e * total / width with probability 1/e at most; and in all rows, as these are independent,
 * with e^-depth at most. So the rows must not share collisions: two keys whose counters coincide in one
 * row must differ in the next one as any other two do. Multipliers without a common structure, and
 * the fold, see to that (taking row r at h1 + r * h2 would not).
 *
 * Conservative update. A count c makes each of the key's counters max(itself, least + c): those above
 * that are shared with others and need no more. Still never too low, since every counter stays at
 * least as high as the true count of each of its keys; and never above what the plain update gives.
 * Merged by adding counters, both keep that.
 *
 * Invariants. Counters stay at 2^32 - 1 and the total at 2^64 - 1 once they are there. What fills up the
 * last 8 bytes, and the head line but for the total, is zero.
 *
 * Threads. One writer at a time; readers take no lock, and read each counter as it was before or after
 * a change.
 *
 * Complexity. add, estimate: O(depth), a cache miss for each row; batches ask for them ahead.
 *
 * [1] G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch and its
 *     applications", Journal of Algorithms 55(1), 2005.
 * [2] C. Estan, G. Varghese, "New directions in traffic measurement and accounting", SIGCOMM 2002.
 */
#include "count_min.h"

#include "xxh3.h"

enum { RUN = 32 };

bool fb_count_min_shape_ok(fb_count_min_shape_t shape) {
    return shape.width >= 1 && shape.width <= FB_COUNT_MIN_MAX_WIDTH && shape.depth >= 1 &&
           shape.depth <= FB_COUNT_MIN_MAX_DEPTH &&
           shape.width <= FB_COUNT_MIN_MAX_COUNTERS / shape.depth &&
           fb_count_min_bytes(shape) <= SIZE_MAX / 2;
}

void fb_count_min_init(fb_count_min_t *s, fb_count_min_shape_t shape, void *memory) {
    s->head = (uint64_t *)memory;
    s->counters = (uint32_t *)(s->head + FB_COUNT_MIN_HEAD);
    s->shape = shape;
    for (unsigned row = 0; row < FB_COUNT_MIN_MAX_DEPTH; row++)
        s->salts[row] = fb_xxh3_64_u64(row, 0) | 1;
}

/* ---- one key ------------------------------------------------------------------------------- */

FB_INLINE uint32_t lesser(uint32_t a, uint32_t b) { return a < b ? a : b; }

FB_INLINE uint32_t add_counts(uint32_t a, uint64_t b) {
    const uint64_t sum = a + b;
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

FB_INLINE uint64_t add_totals(uint64_t a, uint64_t b) {
    return a + b >= a ? a + b : UINT64_MAX;
}

/* The least of cells[0 .. depth). Four rows at a time: the compiler leaves them a loop otherwise. */
FB_INLINE uint32_t least_of(uint32_t *const *cells, unsigned depth) {
    uint32_t least = UINT32_MAX;
    unsigned r = 0;
    for (; r + 4 <= depth; r += 4)
        least = lesser(
            least,
            lesser(lesser(fb_atomic_load32(cells[r]), fb_atomic_load32(cells[r + 1])),
                   lesser(fb_atomic_load32(cells[r + 2]), fb_atomic_load32(cells[r + 3]))));
    for (; r < depth; r++) least = lesser(least, fb_atomic_load32(cells[r]));
    return least;
}

FB_INLINE uint32_t greater(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* The conservative update. Four rows, the usual number, are read once. */
FB_INLINE void raise_least(uint32_t *const *cells, unsigned depth, uint64_t count) {
    if (depth == 4) {
        const uint32_t a = fb_atomic_load32(cells[0]), b = fb_atomic_load32(cells[1]);
        const uint32_t c = fb_atomic_load32(cells[2]), d = fb_atomic_load32(cells[3]);
        const uint32_t level = add_counts(lesser(lesser(a, b), lesser(c, d)), count);
        fb_atomic_store32(cells[0], greater(a, level));
        fb_atomic_store32(cells[1], greater(b, level));
        fb_atomic_store32(cells[2], greater(c, level));
        fb_atomic_store32(cells[3], greater(d, level));
    } else {
        const uint32_t level = add_counts(least_of(cells, depth), count);
        for (unsigned r = 0; r < depth; r++)
            fb_atomic_store32(cells[r], greater(fb_atomic_load32(cells[r]), level));
    }
}

FB_INLINE void raise_all(uint32_t *const *cells, unsigned depth, uint64_t count) {
    for (unsigned r = 0; r < depth; r++)
        fb_atomic_store32(cells[r], add_counts(fb_atomic_load32(cells[r]), count));
}

/* Adds counts[i] to key i, whose counters are cells[i * depth ...). */
FB_INLINE void raise_run(const fb_count_min_t *s, uint32_t *const *cells, size_t n,
                         const uint64_t *counts) {
    const unsigned depth = s->shape.depth;
    if (s->shape.conservative)
        for (size_t i = 0; i < n; i++) raise_least(cells + i * depth, depth, counts[i]);
    else
        for (size_t i = 0; i < n; i++) raise_all(cells + i * depth, depth, counts[i]);
}

/* cells[i * depth + r] = the counter of key i in row r, which is asked for. Row by row: that is a short
 * loop for each, with its numbers in registers. */
FB_INLINE void find_run(const fb_count_min_t *s, const uint64_t *h, size_t n, uint32_t **cells) {
    const unsigned depth = s->shape.depth;
    const uint64_t width = s->shape.width;
    uint32_t *row = s->counters;
    for (unsigned r = 0; r < depth; r++, row += width) {
        const uint64_t salt = s->salts[r];
        for (size_t i = 0; i < n; i++) {
            uint32_t *cell = row + fb_reduce64(fb_xxh3_fold(h[i], salt), width);
            cells[i * depth + r] = cell;
            FB_PREFETCH(cell);
        }
    }
}

void fb_count_min_add(fb_count_min_t *s, uint64_t h, uint64_t count) {
    uint32_t *cells[FB_COUNT_MIN_MAX_DEPTH];
    find_run(s, &h, 1, cells);
    raise_run(s, cells, 1, &count);
    fb_atomic_store64(s->head, add_totals(fb_count_min_total(s), count));
}

uint32_t fb_count_min_estimate(const fb_count_min_t *s, uint64_t h) {
    uint32_t *cells[FB_COUNT_MIN_MAX_DEPTH];
    find_run(s, &h, 1, cells);
    return least_of(cells, s->shape.depth);
}

/* ---- slices -------------------------------------------------------------------------------- */

/* The counters of a run of keys are found, and asked for, while those of the run before are worked on, so
 * that cache misses overlap. */
#define FOR_RUNS(body)                                                                       \
    uint32_t *cells[2][RUN * FB_COUNT_MIN_MAX_DEPTH];                                        \
    size_t at = 0, run = n < RUN ? n : RUN, which = 0;                                       \
    find_run(s, h, run, cells[0]);                                                           \
    while (at < n) {                                                                         \
        const size_t next = at + run, next_run = n - next < RUN ? n - next : RUN;            \
        find_run(s, h + next, next_run, cells[which ^ 1]);                                   \
        body;                                                                                \
        at = next, run = next_run, which ^= 1;                                               \
    }

/* The sum of the counts of a slice, in halves that cannot overflow: so no step waits for the last. */
static uint64_t sum_of(const uint64_t *counts, size_t n) {
    uint64_t low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low += counts[i] & 0xffffffffu;
        high += counts[i] >> 32;
    }
    high += low >> 32;
    return high >> 32 != 0 ? UINT64_MAX : high << 32 | (low & 0xffffffffu);
}

static void add_slice(fb_count_min_t *s, const uint64_t *h, size_t n, const uint64_t *counts) {
    const uint64_t total = fb_count_min_total(s);
    FOR_RUNS(raise_run(s, cells[which], run, counts + at))
    fb_atomic_store64(s->head, add_totals(total, sum_of(counts, n)));
}

static void estimate_slice(const fb_count_min_t *s, const uint64_t *h, size_t n, uint32_t *out) {
    const unsigned depth = s->shape.depth;
    FOR_RUNS(for (size_t i = 0; i < run; i++) out[at + i] = least_of(cells[which] + i * depth, depth))
}

/* ---- batches ------------------------------------------------------------------------------- */

void fb_count_min_add_keys(fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                           const uint64_t *counts, uint64_t count) {
    uint64_t hashes[FB_KEYS_SLICE], same[FB_KEYS_SLICE];
    size_t n;
    for (size_t i = 0; i < FB_KEYS_SLICE; i++) same[i] = count;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        add_slice(s, hashes, n, counts != NULL ? counts : same);
        if (counts != NULL) counts += n;
    }
}

void fb_count_min_estimate_keys(const fb_count_min_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                uint32_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        estimate_slice(s, hashes, n, out);
        out += n;
    }
}

/* ---- whole sketches ------------------------------------------------------------------------ */

static size_t cells_of(const fb_count_min_t *s) {
    return (size_t)(s->shape.width * s->shape.depth);
}

FB_INLINE uint32_t cell(const fb_count_min_t *s, size_t i) {
    return fb_atomic_load32(s->counters + i);
}

void fb_count_min_merge(fb_count_min_t *into, const fb_count_min_t *from) {
    for (size_t i = 0, n = cells_of(into); i < n; i++)
        fb_atomic_store32(into->counters + i, add_counts(cell(into, i), cell(from, i)));
    fb_atomic_store64(into->head, add_totals(fb_count_min_total(into), fb_count_min_total(from)));
}

void fb_count_min_clear(fb_count_min_t *s) {
    for (size_t i = 0, n = cells_of(s); i < n; i++) fb_atomic_store32(s->counters + i, 0);
    fb_atomic_store64(s->head, 0);
}

bool fb_count_min_equal(const fb_count_min_t *a, const fb_count_min_t *b) {
    for (size_t i = 0, n = cells_of(a); i < n; i++)
        if (cell(a, i) != cell(b, i)) return false;
    return fb_count_min_total(a) == fb_count_min_total(b);
}

bool fb_count_min_ok(const fb_count_min_t *s) {
    uint64_t unused = cells_of(s) % 2 == 0 ? 0 : cell(s, cells_of(s));
    for (size_t i = 1; i < FB_COUNT_MIN_HEAD; i++) unused |= fb_atomic_load64(s->head + i);
    return unused == 0;
}
