/* Binary fuse filter [1], of three cells a key.
 *
 * Idea. Each key has three cells of an array and a fingerprint, all from its hash; the array is filled
 * so that the three cells of every key of the set xor to its fingerprint. Those of another key do so
 * by chance only, at 2^-bits. The array is cut into segments, and a key's cells lie in three segments
 * that follow each other:
 *
 *     hash h:  m = h * multiplier(attempt) mod 2^64
 *              s = floor(m * n_segments / 2^64)                    its first segment
 *              w = m * n_segments mod 2^64, the low 10 bits cleared
 *              cell in segment s + i = bits of w, log_length of them, from the top the i-th
 *              fingerprint = top bits of w * MARK mod 2^64
 *
 * so (s, w) is all that is left of a key: above 54 bits, enough for 1 + 1/16 of the rate at 32 bits.
 *
 * Filling. Cells that only one key has are queued; that key is peeled: it is taken out of its two
 * other cells, which may leave those with one key. Backwards, each key's own cell can then be set to
 * what makes its xor right, since no key peeled before it has that cell. It fails, and is tried with
 * another multiplier, if keys are left over: about once in 50 times. The neighbourhood of a key's
 * segments makes the peeling start at the ends of the array and sweep inwards, whence the small
 * array: 1.125 cells a key for large sets [1].
 *
 * Order. The result depends on the order of peeling, so that is part of the format: first all cells
 * with one key in ascending order, then first in, first out, a key's cells in the order of their
 * segments. So equal sets of keys give equal cells, whatever order they come in.
 *
 * While peeling, a cell is one word: the sum of w + 256 * i + 1 over the keys for which it is the
 * i-th. A lowest byte of 1 says that one key is left; then the word tells which: w, i, and with the
 * cell's own segment, s. The key's own cell keeps that when it is peeled, less 1. Cells of 256 keys,
 * which would pass for empty, occur only if there are equal keys, and count as failure.
 *
 * Keys are sorted by s first, so that each step works in the neighbourhood of a segment.
 *
 * Equal keys leave two of a key in a cell for good, so the first attempt fails. Only then are they
 * looked for, the hashes sorted and freed of duplicates, and it starts anew. Sets without duplicates
 * pay nothing for that.
 *
 * Sizing is that of [1], with its logarithms as a table and a bound in integers, so that every
 * platform, and the pure-Python twin, has one size for n keys.
 *
 * Threads. Filters never change.
 *
 * Complexity. contains: O(1), three cache misses. Construction: O(n), 17 bytes a key.
 *
 * [1] T. M. Graf, D. Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", ACM Journal
 *     of Experimental Algorithmics 27, 2022, arXiv:2201.01174.
 */
#include "binary_fuse.h"

#include <stdlib.h>

#include "memory.h"

enum { MIN_LOG = 3, MAX_LOG = 18, LOW = 10, AHEAD = 16 };

/* Up to this size the caches nearest to the core hold the cells, and asking ahead costs more. */
enum { NEAR_BYTES = 1 << 18 };

/* 2^64 over the square root of 2, made odd: any odd number without structure serves. */
static const uint64_t MARK = 0xB504F333F9DE6485ull;

/* ---- sizing -------------------------------------------------------------------------------- */

/* From how many keys on a segment has 2^(MIN_LOG + 1), 2^(MIN_LOG + 2), ... cells: the smallest n
 * with floor(log(n) / log(3.33) + 2.25) at that exponent. */
static const uint32_t longer_from[MAX_LOG - MIN_LOG] = {
    9,      28,      92,      304,     1010,     3362,     11193,     37273,
    124118, 413310, 1376322, 4583150, 15261887, 50822082, 169237530,
};

/* 2^16 times a lower bound of log2(n), n >= 2: linear between powers of two. */
static uint64_t log2_bound(uint64_t n) {
    const unsigned whole = 63 - fb_leading_zeros64(n);
    return ((uint64_t)whole << 16) + ((n << 16) >> whole) - (1u << 16);
}

fb_binary_fuse_shape_t fb_binary_fuse_shape(uint64_t n, unsigned bits) {
    uint32_t log_length = MIN_LOG;
    while (log_length < MAX_LOG && n >= longer_from[log_length - MIN_LOG]) log_length++;
    /* n * max(1.125, 0.875 + 0.25 * log(10^6) / log(n)): 326560 is 0.25 * log2(10^6) * 2^16. */
    uint64_t cells = (9 * n + 7) / 8;
    if (n >= 2) {
        const uint64_t few = (7 * n + 7) / 8 + n * 326560 / log2_bound(n) + 1;
        if (cells < few) cells = few;
    }
    const uint64_t segments = (cells + (1u << log_length) - 1) >> log_length;
    const uint32_t n_segments = segments > 3 ? (uint32_t)segments - 2 : 1;
    return (fb_binary_fuse_shape_t){n, log_length, n_segments, bits, 0};
}

bool fb_binary_fuse_shape_ok(fb_binary_fuse_shape_t shape) {
    return (shape.bits == 8 || shape.bits == 16 || shape.bits == 32) &&
           shape.log_length >= MIN_LOG && shape.log_length <= MAX_LOG && shape.n_segments >= 1 &&
           shape.n_segments <= UINT32_MAX - 2 && shape.attempt < FB_BINARY_FUSE_MAX_ATTEMPTS &&
           shape.n_keys <= FB_BINARY_FUSE_MAX_KEYS && shape.n_keys <= fb_binary_fuse_cells(shape);
}

/* ---- a key's cells ------------------------------------------------------------------------- */

/* Unlike each other in every bit (splitmix64), so that what collides once does not again. */
static uint64_t multiplier(uint32_t attempt) {
    uint64_t z = (attempt + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (z ^ (z >> 31)) | 1;
}

/* What is left of a key: w as told above, and the number of the first cell of segment s. */
typedef struct {
    uint64_t word, first;
} place_t;

FB_INLINE place_t place_of(uint64_t m, uint32_t n_segments, uint32_t log_length) {
    place_t place;
    place.word = fb_mul128(m, n_segments, &place.first) >> LOW << LOW;
    place.first <<= log_length;
    return place;
}

FB_INLINE size_t cell_of(place_t place, uint32_t log_length, unsigned i) {
    const uint64_t offset = (place.word << (i * log_length)) >> (64 - log_length);
    return (size_t)(place.first + ((uint64_t)i << log_length) + offset);
}

FB_INLINE uint32_t print_of(uint64_t word, unsigned bits) {
    return (uint32_t)((word * MARK) >> (64 - bits));
}

/* ---- peeling ------------------------------------------------------------------------------- */

FB_INLINE uint64_t share_of(place_t place, unsigned i) { return place.word + (i << 8) + 1; }

/* The number of keys (modulo 256) in the sum of a cell; if it is, or was, 1: the key. */
FB_INLINE uint8_t count_of(uint64_t sum) { return (uint8_t)sum; }

FB_INLINE place_t place_left(uint64_t sum, uint32_t cell, uint32_t log_length) {
    const uint64_t segment = (cell >> log_length) - ((sum >> 8) & 3);
    return (place_t){sum >> LOW << LOW, segment << log_length};
}

/* Writes the words of all keys to plan->words, those of segment 0 first, and to ends[s] how many there
 * are up to segment s. The sums are used as room for the keys as they come. */
static void sort_keys(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys, uint64_t seed) {
    const uint32_t n_segments = plan->shape.n_segments;
    const uint64_t by = multiplier(plan->shape.attempt);
    uint64_t *products = plan->sums;
    size_t *ends = plan->ends, n = 0, m;
    memset(ends, 0, ((size_t)n_segments + 1) * sizeof *ends);
    while ((m = fb_keys_next(&keys, seed, products + n, FB_KEYS_SLICE)) > 0) {
        for (size_t i = n; i < n + m; i++) {
            products[i] *= by;
            ends[fb_reduce64(products[i], n_segments) + 1]++;
        }
        n += m;
    }
    for (uint32_t s = 0; s < n_segments; s++) ends[s + 1] += ends[s];
    for (size_t i = 0; i < n; i++) {
        const place_t place = place_of(products[i], n_segments, 0);
        plan->words[ends[place.first]++] = place.word;
    }
}

/* Adds up the sums of all cells; false if one overflows. */
static bool add_up(const fb_binary_fuse_plan_t *plan) {
    const uint32_t log_length = plan->shape.log_length;
    uint64_t *sums = plan->sums;
    bool full = false;
    memset(sums, 0, (size_t)fb_binary_fuse_cells(plan->shape) * sizeof *sums);
    size_t k = 0;
    for (uint32_t s = 0; s < plan->shape.n_segments; s++) {
        for (; k < plan->ends[s]; k++) {
            const place_t place = {plan->words[k], (uint64_t)s << log_length};
            for (unsigned i = 0; i < 3; i++) {
                const uint64_t sum = sums[cell_of(place, log_length, i)] += share_of(place, i);
                full |= count_of(sum) == 0;
            }
        }
    }
    return !full;
}

/* Peels; true if no key is left. `order` is the queue of cells, and behind its head the cells of the
 * keys that were peeled. AHEAD keys at a time are looked at, so that cache misses overlap, and then
 * peeled. */
static bool peel(const fb_binary_fuse_plan_t *plan) {
    const uint32_t log_length = plan->shape.log_length;
    const size_t n_cells = (size_t)fb_binary_fuse_cells(plan->shape);
    uint64_t *sums = plan->sums;
    uint32_t *order = plan->order, cells[AHEAD];
    place_t places[AHEAD];
    size_t head = 0, tail = 0, peeled = 0;
    for (size_t c = 0; c < n_cells; c++) {
        order[tail] = (uint32_t)c;
        tail += count_of(sums[c]) == 1;
    }
    while (head < tail) {
        size_t n = 0;
        for (size_t i = 0; i < AHEAD && head < tail; i++, head++) {
            if (tail - head > AHEAD) FB_PREFETCH_WRITE(sums + order[head + AHEAD]);
            const uint32_t cell = order[head];
            if (count_of(sums[cell]) != 1) continue; /* peeled by way of another of its cells */
            cells[n] = cell;
            places[n] = place_left(sums[cell], cell, log_length);
            for (unsigned j = 0; j < 3; j++)
                FB_PREFETCH_WRITE(sums + cell_of(places[n], log_length, j));
            n++;
        }
        for (size_t i = 0; i < n; i++) {
            const uint64_t own = sums[cells[i]];
            if (count_of(own) != 1) continue;
            order[peeled++] = cells[i];
            for (unsigned j = 0; j < 3; j++) {
                const size_t c = cell_of(places[i], log_length, j);
                const uint64_t sum = sums[c] -= share_of(places[i], j);
                order[tail] = (uint32_t)c; /* one of them is its own, with no key now */
                tail += count_of(sum) == 1;
            }
            sums[cells[i]] = own - 1;
        }
    }
    return peeled == plan->shape.n_keys;
}

/* ---- equal keys ---------------------------------------------------------------------------- */

/* False if no two keys are equal, true if they may be. The words of each segment go through a table of
 * twice a segment's size, which the sums give the room for. */
static bool maybe_equal(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys, uint64_t seed) {
    const uint32_t bits = plan->shape.log_length + 1;
    const size_t size = (size_t)1 << bits;
    uint64_t *table = plan->sums;
    sort_keys(plan, keys, seed);
    size_t k = 0;
    for (uint32_t s = 0; s < plan->shape.n_segments; s++) {
        if (plan->ends[s] - k > size / 4 * 3) return true; /* more than chance gives: not worth it */
        memset(table, 0, size * sizeof *table);
        for (; k < plan->ends[s]; k++) {
            const uint64_t word = plan->words[k] | 1; /* not 0, which is for free places */
            size_t at = (size_t)(word >> (64 - bits));
            while (table[at] != 0) {
                if (table[at] == word) return true;
                at = (at + 1) & (size - 1);
            }
            table[at] = word;
        }
    }
    return false;
}

/* Sorts n words, with room for as many; by bytes, lowest first, leaving out those all have alike. */
static void sort_words(uint64_t *words, uint64_t *room, size_t n) {
    uint64_t *from = words, *to = room;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[257] = {0};
        for (size_t i = 0; i < n; i++) starts[((from[i] >> shift) & 255) + 1]++;
        if (starts[((from[0] >> shift) & 255) + 1] == n) continue;
        for (unsigned b = 0; b < 255; b++) starts[b + 1] += starts[b];
        for (size_t i = 0; i < n; i++) to[starts[(from[i] >> shift) & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != words) memcpy(words, from, n * sizeof *words);
}

/* Writes the distinct hashes of n >= 1 keys to `hashes` and returns how many there are. */
static size_t distinct(fb_keys_cursor_t keys, uint64_t seed, uint64_t *hashes, uint64_t *room) {
    size_t n = 0, m, kept = 1;
    while ((m = fb_keys_next(&keys, seed, hashes + n, FB_KEYS_SLICE)) > 0) n += m;
    sort_words(hashes, room, n);
    for (size_t i = 1; i < n; i++)
        if (hashes[i] != hashes[i - 1]) hashes[kept++] = hashes[i];
    return kept;
}

/* ---- plans --------------------------------------------------------------------------------- */

static bool take_room(fb_binary_fuse_plan_t *plan) {
    const uint64_t n = plan->shape.n_keys, cells = fb_binary_fuse_cells(plan->shape);
    const uint64_t words = n * sizeof *plan->words, order = (cells + 1) * sizeof *plan->order;
    if (cells > SIZE_MAX / 16) return false;
    plan->sums = fb_alloc_zeroed((size_t)(cells * sizeof *plan->sums));
    plan->room = fb_alloc_zeroed((size_t)(words > order ? words : order));
    plan->ends = malloc(((size_t)plan->shape.n_segments + 1) * sizeof *plan->ends);
    plan->words = plan->room;
    plan->order = plan->room; /* when the words are in the sums */
    return plan->sums != NULL && plan->room != NULL && plan->ends != NULL;
}

static void give_room_back(fb_binary_fuse_plan_t *plan) {
    fb_free_zeroed(plan->sums);
    fb_free_zeroed(plan->room);
    free(plan->ends);
    plan->sums = plan->room = NULL;
    plan->ends = NULL;
}

/* Frees the keys of duplicates, and sizes the plan anew; only now are their hashes kept. */
static fb_status_t keep_distinct(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys,
                                 uint64_t seed) {
    const uint64_t n = plan->shape.n_keys;
    plan->hashes = fb_alloc_zeroed((size_t)n * sizeof *plan->hashes);
    if (plan->hashes == NULL) return FB_NO_MEMORY;
    const size_t kept = distinct(keys, seed, plan->hashes, plan->words);
    if (kept == n) return FB_OK;
    give_room_back(plan);
    plan->shape = fb_binary_fuse_shape(kept, plan->shape.bits);
    return take_room(plan) ? FB_OK : FB_NO_MEMORY;
}

fb_status_t fb_binary_fuse_plan(fb_binary_fuse_plan_t *plan, fb_keys_cursor_t keys, uint64_t n,
                                uint64_t seed, unsigned bits, unsigned attempts) {
    if (n > FB_BINARY_FUSE_MAX_KEYS) return FB_OUT_OF_RANGE;
    plan->shape = fb_binary_fuse_shape(n, bits);
    if (n == 0) return FB_OK;
    if (!take_room(plan)) return FB_NO_MEMORY;
    fb_keys_part_t part = {.layout = FB_KEYS_HASHES};
    uint32_t attempt = 0;
    bool looked = false;
    while (attempt < attempts) {
        plan->shape.attempt = attempt;
        sort_keys(plan, keys, seed);
        if (add_up(plan) && peel(plan)) return FB_OK;
        attempt++;
        if (looked) continue;
        looked = true;
        if (!maybe_equal(plan, keys, seed)) continue;
        const fb_status_t status = keep_distinct(plan, keys, seed);
        if (status != FB_OK) return status;
        part.n = (size_t)plan->shape.n_keys;
        part.data = plan->hashes;
        keys = (fb_keys_cursor_t){&part, 1, 0, 0};
        if (part.n < n) attempt = 0; /* it was bound to fail: as if it had not been made */
    }
    return FB_NOT_BUILT;
}

void fb_binary_fuse_drop(fb_binary_fuse_plan_t *plan) {
    give_room_back(plan);
    fb_free_zeroed(plan->hashes);
    plan->hashes = NULL;
}

/* ---- one set of functions a width ------------------------------------------------------------ */

/* What lookups of a slice need at hand, out of the way of the answers that they write. */
#define LOCALS(f)                                            \
    const uint32_t n_segments = (f)->shape.n_segments;       \
    const uint32_t log_length = (f)->shape.log_length;       \
    const uint64_t by = (f)->by;

#define DEFINE_WIDTH(bits)                                                                         \
    typedef uint##bits##_t cell##bits##_t;                                                         \
    FB_INLINE cell##bits##_t xor_##bits(const cell##bits##_t *cells, place_t place,                \
                                        uint32_t log_length) {                                     \
        return (cell##bits##_t)(cells[cell_of(place, log_length, 0)] ^                             \
                                cells[cell_of(place, log_length, 1)] ^                             \
                                cells[cell_of(place, log_length, 2)]);                             \
    }                                                                                              \
    static void fill_##bits(const fb_binary_fuse_plan_t *plan, cell##bits##_t *cells) {            \
        const uint32_t log_length = plan->shape.log_length;                                        \
        for (size_t i = (size_t)plan->shape.n_keys; i-- > 0;) {                                    \
            if (i >= AHEAD) FB_PREFETCH(plan->sums + plan->order[i - AHEAD]);                      \
            const uint32_t cell = plan->order[i];                                                  \
            const place_t place = place_left(plan->sums[cell], cell, log_length);                  \
            cells[cell] = (cell##bits##_t)(xor_##bits(cells, place, log_length) ^                  \
                                           print_of(place.word, bits));                            \
        }                                                                                          \
    }                                                                                              \
    static bool contains_##bits(const fb_binary_fuse_t *f, uint64_t h) {                           \
        LOCALS(f)                                                                                  \
        const place_t place = place_of(h * by, n_segments, log_length);                            \
        return xor_##bits(f->cells, place, log_length) == print_of(place.word, bits);              \
    }                                                                                              \
    static void contains_near_##bits(const fb_binary_fuse_t *f, const uint64_t *h, size_t n,       \
                                     bool *out) {                                                  \
        LOCALS(f)                                                                                  \
        const cell##bits##_t *cells = f->cells;                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            const place_t place = place_of(h[i] * by, n_segments, log_length);                     \
            out[i] = xor_##bits(cells, place, log_length) == print_of(place.word, bits);           \
        }                                                                                          \
    }                                                                                              \
    /* Each key's cells are asked for AHEAD keys before its turn, so that cache misses overlap. */ \
    static void contains_far_##bits(const fb_binary_fuse_t *f, const uint64_t *h, size_t n,        \
                                    bool *out) {                                                   \
        LOCALS(f)                                                                                  \
        const cell##bits##_t *cells = f->cells;                                                    \
        struct {                                                                                   \
            const cell##bits##_t *at[3];                                                           \
            uint32_t print;                                                                        \
        } turns[AHEAD], *t;                                                                        \
        for (size_t i = 0; i < n + AHEAD; i++) {                                                   \
            t = turns + i % AHEAD;                                                                 \
            if (i >= AHEAD && i - AHEAD < n)                                                       \
                out[i - AHEAD] =                                                                   \
                    (cell##bits##_t)(*t->at[0] ^ *t->at[1] ^ *t->at[2]) == t->print;               \
            if (i >= n) continue;                                                                  \
            const place_t place = place_of(h[i] * by, n_segments, log_length);                     \
            t->print = print_of(place.word, bits);                                                 \
            for (unsigned j = 0; j < 3; j++) {                                                     \
                t->at[j] = cells + cell_of(place, log_length, j);                                  \
                FB_PREFETCH(t->at[j]);                                                             \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_WIDTH(8)
DEFINE_WIDTH(16)
DEFINE_WIDTH(32)

static bool contains_none(const fb_binary_fuse_t *f, uint64_t h) {
    (void)f;
    (void)h;
    return false;
}

static void contains_none_of(const fb_binary_fuse_t *f, const uint64_t *h, size_t n, bool *out) {
    (void)f;
    (void)h;
    memset(out, 0, n * sizeof *out);
}

void fb_binary_fuse_init(fb_binary_fuse_t *f, fb_binary_fuse_shape_t shape, const void *cells) {
    const bool far = fb_binary_fuse_bytes(shape) > NEAR_BYTES;
    f->cells = cells;
    f->shape = shape;
    f->by = multiplier(shape.attempt);
    if (shape.n_keys == 0) {
        f->contains = contains_none;
        f->contains_slice = contains_none_of;
    } else if (shape.bits == 8) {
        f->contains = contains_8;
        f->contains_slice = far ? contains_far_8 : contains_near_8;
    } else if (shape.bits == 16) {
        f->contains = contains_16;
        f->contains_slice = far ? contains_far_16 : contains_near_16;
    } else {
        f->contains = contains_32;
        f->contains_slice = far ? contains_far_32 : contains_near_32;
    }
}

void fb_binary_fuse_fill(const fb_binary_fuse_plan_t *plan, void *cells) {
    if (plan->shape.n_keys == 0) return;
    switch (plan->shape.bits) {
        case 8: fill_8(plan, cells); break;
        case 16: fill_16(plan, cells); break;
        default: fill_32(plan, cells); break;
    }
}

void fb_binary_fuse_contains_keys(const fb_binary_fuse_t *f, fb_keys_cursor_t keys, uint64_t seed,
                                  bool *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        f->contains_slice(f, hashes, n, out);
        out += n;
    }
}
