/* Counting Bloom filter [1] of split blocks.
 *
 * Idea. The cells of a split-block Bloom filter (see split_block.c) are counters of 4 bits here: to
 * add a key is to increment one counter in each of the k lanes of its block, to remove it is to
 * decrement them. So the counters that are not 0 are the bits of the Bloom filter of the keys that
 * are in, and have its false-positive rate.
 *
 *     lane:  | counter 0 | counter 1 | ... | counter 31 |    16 bytes; counter 0 in the low bits
 *     block: 4, 8 or 16 lanes: 1, 2 or 4 cache lines side by side, aligned to its size
 *
 * A lane is two words, so no two counters of a key are in one word; and it is one 128-bit half of a
 * vector, within which AVX2 picks bytes: a byte shuffle of four vectors by the positions of eight
 * lanes, and three blends, gather the eight counters of a key.
 *
 * Saturation. A counter stays at 15 for ever, since nobody knows how many more keys it stands for:
 * decrementing it could make a key that is in vanish. At capacity, the counter of a given lane that
 * a key picks has about 0.7 other keys on it: 15 or more are one in 10^15, so counters saturate by
 * keys that are added many times.
 *
 * Invariant. Each counter is the number of keys that are in and picked it, or 15. It holds as long
 * as no key is removed that was not in. Nothing makes a counter less than 0: a key with a counter
 * at 0 is not removed.
 *
 * Threads. One writer at a time; any number of readers take no lock. A word is read and written at
 * once, and a change of one key leaves every counter of another key that is in above 0.
 *
 * Complexity. add, remove, contains, estimate: O(1), 1 to 4 adjacent cache lines.
 *
 * [1] L. Fan, P. Cao, J. Almeida, A. Z. Broder, "Summary cache: a scalable wide-area web cache
 *     sharing protocol", IEEE/ACM Transactions on Networking 8(3), 2000.
 */
#include "counting_bloom.h"

#include "cpu.h"

#if FB_X86
#include <immintrin.h>
#endif

enum { MAX = FB_COUNTING_BLOOM_MAX, LANE_WORDS = FB_COUNTING_BLOOM_LANE_BYTES / 8 };

/* ---- one key ------------------------------------------------------------------------------- */

/* A key's counter in a lane: the word it is in, and how far up. */
typedef struct {
    size_t word;
    unsigned shift;
} place_t;

FB_INLINE place_t place_of(uint64_t h, unsigned lane) {
    const unsigned cell = fb_split_cell(h, lane);
    return (place_t){lane * LANE_WORDS + cell / 16, 4 * (cell % 16)};
}

FB_INLINE unsigned counter_at(const uint64_t *block, place_t place) {
    return (unsigned)(fb_atomic_load64(block + place.word) >> place.shift & MAX);
}

FB_INLINE unsigned least_portable(const uint64_t *block, uint64_t h, unsigned lanes) {
    unsigned least = MAX;
    for (unsigned i = 0; i < lanes; i++) {
        const unsigned count = counter_at(block, place_of(h, i));
        least = count < least ? count : least;
    }
    return least;
}

FB_INLINE bool probe_portable(const uint64_t *block, uint64_t h, unsigned lanes) {
    bool found = true;
    for (unsigned i = 0; i < lanes; i++) found &= counter_at(block, place_of(h, i)) != 0;
    return found;
}

/* Adds `step`, 1 or -1, to every counter of the key that is not saturated. */
FB_INLINE void change_portable(uint64_t *block, uint64_t h, unsigned lanes, int step) {
    for (unsigned i = 0; i < lanes; i++) {
        const place_t place = place_of(h, i);
        const uint64_t word = fb_atomic_load64(block + place.word);
        const uint64_t one = (uint64_t)((word >> place.shift & MAX) != MAX) << place.shift;
        fb_atomic_store64(block + place.word, step > 0 ? word + one : word - one);
    }
}

#if FB_X86

/* Of up to eight lanes: in each 32-bit item, the number of the key's counter in a lane. Item j of
 * the low half stands for lane 2j, item j of the high half for lane 2j + 1, which are the halves of
 * vector j. Of four lanes there are two items in each half. */
FB_TARGET_AVX2 FB_INLINE __m256i cells_avx2(uint64_t h, unsigned first) {
    const __m256i salts = _mm256_permutevar8x32_epi32(
        _mm256_loadu_si256((const __m256i *)(const void *)(fb_split_salts + first)),
        _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    return _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)h), salts), 27);
}

/* How far up in its byte the counter is: 0 or 4 bits. */
FB_TARGET_AVX2 FB_INLINE __m256i shifts_avx2(__m256i cells) {
    return _mm256_slli_epi32(_mm256_and_si256(cells, _mm256_set1_epi32(1)), 2);
}

/* The counters, one an item. */
FB_TARGET_AVX2 FB_INLINE __m256i counters_avx2(const uint64_t *lanes_of_key, __m256i cells,
                                               unsigned lanes) {
    const __m256i *vectors = (const __m256i *)(const void *)lanes_of_key;
    const __m256i at =
        _mm256_or_si256(_mm256_srli_epi32(cells, 1), _mm256_set1_epi32((int)0x80808000));
    const __m256i v0 = _mm256_shuffle_epi8(_mm256_load_si256(vectors), at);
    const __m256i v1 = _mm256_shuffle_epi8(_mm256_load_si256(vectors + 1), at);
    __m256i bytes = _mm256_blend_epi32(v0, v1, 0x22), others = _mm256_set1_epi32(-1);
    if (lanes > 4) {
        const __m256i v2 = _mm256_shuffle_epi8(_mm256_load_si256(vectors + 2), at);
        const __m256i v3 = _mm256_shuffle_epi8(_mm256_load_si256(vectors + 3), at);
        others = _mm256_blend_epi32(v2, v3, 0x88);
    }
    bytes = _mm256_blend_epi32(bytes, others, 0xCC);
    return _mm256_and_si256(_mm256_srlv_epi32(bytes, shifts_avx2(cells)), _mm256_set1_epi32(MAX));
}

/* The least of the counters in each of 8 items. */
FB_TARGET_AVX2 FB_INLINE __m256i least_items_avx2(const uint64_t *block, uint64_t h,
                                                  unsigned lanes) {
    const __m256i counters = counters_avx2(block, cells_avx2(h, 0), lanes);
    if (lanes < 16) return counters;
    return _mm256_min_epu32(counters,
                            counters_avx2(block + 8 * LANE_WORDS, cells_avx2(h, 8), lanes));
}

FB_TARGET_AVX2 FB_INLINE bool probe_avx2(const uint64_t *block, uint64_t h, unsigned lanes) {
    const __m256i zero =
        _mm256_cmpeq_epi32(least_items_avx2(block, h, lanes), _mm256_setzero_si256());
    return _mm256_testz_si256(zero, zero) != 0;
}

FB_TARGET_AVX2 FB_INLINE unsigned least_avx2(const uint64_t *block, uint64_t h, unsigned lanes) {
    const __m256i items = least_items_avx2(block, h, lanes);
    const __m128i eight = _mm_packus_epi32(_mm256_castsi256_si128(items),
                                           _mm256_extracti128_si256(items, 1));
    return (unsigned)_mm_extract_epi16(_mm_minpos_epu16(eight), 0);
}

/* Adds `step` to the counters of lanes 2j and 2j + 1, unless saturated. */
FB_TARGET_AVX2 FB_INLINE void change_pair_avx2(__m256i *vectors, __m256i bytes, __m256i masks,
                                               int j, int step) {
    const __m256i numbers = _mm256_setr_epi8(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
        12, 13, 14, 15);
    const __m256i item = _mm256_set1_epi8((char)(4 * j)); /* spreads item j over all bytes */
    const __m256i mask =
        _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(bytes, item), numbers),
                         _mm256_shuffle_epi8(masks, item));
    const __m256i counters = _mm256_load_si256(vectors + j);
    const __m256i saturated = _mm256_cmpeq_epi8(_mm256_and_si256(counters, mask), mask);
    const __m256i one =
        _mm256_andnot_si256(saturated, _mm256_and_si256(mask, _mm256_set1_epi8(0x11)));
    _mm256_store_si256(vectors + j, step > 0 ? _mm256_add_epi8(counters, one)
                                             : _mm256_sub_epi8(counters, one));
}

FB_TARGET_AVX2 FB_INLINE void change_avx2(uint64_t *block, uint64_t h, unsigned lanes, int step) {
    for (unsigned first = 0; first < lanes; first += 8) {
        __m256i *vectors = (__m256i *)(void *)(block + first * LANE_WORDS);
        const __m256i cells = cells_avx2(h, first), bytes = _mm256_srli_epi32(cells, 1);
        const __m256i masks = _mm256_sllv_epi32(_mm256_set1_epi32(MAX), shifts_avx2(cells));
        for (int j = 0; j < (lanes == 4 ? 2 : 4); j++)
            change_pair_avx2(vectors, bytes, masks, j, step);
    }
}

#endif

/* ---- kernels: one set a rung and a number of lanes ------------------------------------------ */

#define BLOCK_OF(hash, lanes) (words + fb_reduce64((hash), n_blocks) * ((lanes) * LANE_WORDS))

/* All cache lines of a block. */
FB_INLINE void fetch_block(const uint64_t *block, unsigned lanes) {
    for (unsigned line = 0; line < lanes / 4; line++) FB_PREFETCH(block + 8 * line);
}

FB_INLINE void fetch_block_write(const uint64_t *block, unsigned lanes) {
    for (unsigned line = 0; line < lanes / 4; line++) FB_PREFETCH_WRITE(block + 8 * line);
}

#define FOR_SLICE(fetch, lanes, body) \
    FB_SPLIT_FOR_SLICE(n, fetch(BLOCK_OF(h[next], lanes), lanes), body)

#define DEFINE_KERNELS(rung, lanes, attribute)                                                     \
    attribute static bool contains_##rung##_##lanes(const uint64_t *words, uint64_t n_blocks,      \
                                                    uint64_t h) {                                  \
        return probe_##rung(BLOCK_OF(h, lanes), h, lanes);                                         \
    }                                                                                              \
    attribute static void add_##rung##_##lanes(uint64_t *words, uint64_t n_blocks, uint64_t h) {   \
        change_##rung(BLOCK_OF(h, lanes), h, lanes, 1);                                            \
    }                                                                                              \
    attribute static bool remove_##rung##_##lanes(uint64_t *words, uint64_t n_blocks,              \
                                                  uint64_t h) {                                    \
        uint64_t *block = BLOCK_OF(h, lanes);                                                      \
        if (!probe_##rung(block, h, lanes)) return false;                                          \
        change_##rung(block, h, lanes, -1);                                                        \
        return true;                                                                               \
    }                                                                                              \
    attribute static unsigned estimate_##rung##_##lanes(const uint64_t *words, uint64_t n_blocks,  \
                                                        uint64_t h) {                              \
        return least_##rung(BLOCK_OF(h, lanes), h, lanes);                                         \
    }                                                                                              \
    attribute static void contains_slice_##rung##_##lanes(                                         \
        const uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n, bool *out) {        \
        FOR_SLICE(fetch_block, lanes, out[i] = probe_##rung(BLOCK_OF(h[i], lanes), h[i], lanes))   \
    }                                                                                              \
    attribute static void add_slice_##rung##_##lanes(uint64_t *words, uint64_t n_blocks,           \
                                                     const uint64_t *h, size_t n) {                \
        FOR_SLICE(fetch_block_write, lanes,                                                        \
                  change_##rung(BLOCK_OF(h[i], lanes), h[i], lanes, 1))                            \
    }                                                                                              \
    attribute static void remove_slice_##rung##_##lanes(uint64_t *words, uint64_t n_blocks,        \
                                                        const uint64_t *h, size_t n, bool *out) {  \
        FOR_SLICE(fetch_block_write, lanes,                                                        \
                  out[i] = remove_##rung##_##lanes(words, n_blocks, h[i]))                         \
    }                                                                                              \
    attribute static void estimate_slice_##rung##_##lanes(                                         \
        const uint64_t *words, uint64_t n_blocks, const uint64_t *h, size_t n, uint8_t *out) {     \
        FOR_SLICE(fetch_block, lanes,                                                              \
                  out[i] = (uint8_t)least_##rung(BLOCK_OF(h[i], lanes), h[i], lanes))              \
    }

#define KERNELS(rung, lanes)                                                                 \
    {                                                                                        \
        contains_##rung##_##lanes, add_##rung##_##lanes, remove_##rung##_##lanes,            \
            estimate_##rung##_##lanes, contains_slice_##rung##_##lanes,                      \
            add_slice_##rung##_##lanes, remove_slice_##rung##_##lanes,                       \
            estimate_slice_##rung##_##lanes                                                  \
    }

DEFINE_KERNELS(portable, 4, )
DEFINE_KERNELS(portable, 8, )
DEFINE_KERNELS(portable, 16, )
static const fb_counting_bloom_kernels_t kernels_portable[3] = {
    KERNELS(portable, 4), KERNELS(portable, 8), KERNELS(portable, 16)};

#if FB_X86
DEFINE_KERNELS(avx2, 4, FB_TARGET_AVX2)
DEFINE_KERNELS(avx2, 8, FB_TARGET_AVX2)
DEFINE_KERNELS(avx2, 16, FB_TARGET_AVX2)
static const fb_counting_bloom_kernels_t kernels_avx2[3] = {KERNELS(avx2, 4), KERNELS(avx2, 8),
                                                            KERNELS(avx2, 16)};
#endif

void fb_counting_bloom_init(fb_counting_bloom_t *f, fb_split_shape_t shape, uint64_t *words) {
    const fb_counting_bloom_kernels_t *rung = kernels_portable;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) rung = kernels_avx2;
#endif
    f->words = words;
    f->shape = shape;
    f->kernels = &rung[fb_split_index(shape.lanes)];
}

/* ---- batches ------------------------------------------------------------------------------- */

#define FOR_KEYS(call)                                                       \
    uint64_t hashes[FB_KEYS_SLICE];                                          \
    size_t n;                                                                \
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {     \
        call;                                                                \
    }

void fb_counting_bloom_contains_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                     uint64_t seed, bool *out) {
    FOR_KEYS(f->kernels->contains_slice(f->words, f->shape.n_blocks, hashes, n, out); out += n)
}

void fb_counting_bloom_estimate_keys(const fb_counting_bloom_t *f, fb_keys_cursor_t keys,
                                     uint64_t seed, uint8_t *out) {
    FOR_KEYS(f->kernels->estimate_slice(f->words, f->shape.n_blocks, hashes, n, out); out += n)
}

void fb_counting_bloom_add_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys, uint64_t seed) {
    FOR_KEYS(f->kernels->add_slice(f->words, f->shape.n_blocks, hashes, n))
}

void fb_counting_bloom_remove_keys(fb_counting_bloom_t *f, fb_keys_cursor_t keys, uint64_t seed,
                                   bool *out) {
    FOR_KEYS(f->kernels->remove_slice(f->words, f->shape.n_blocks, hashes, n, out); out += n)
}

/* ---- whole filters ------------------------------------------------------------------------- */

static size_t words_of(const fb_counting_bloom_t *f) {
    return (size_t)(fb_counting_bloom_bytes(f->shape) / 8);
}

/* The sums of every second counter of two words, 15 at the most, each in the low half of a byte. */
FB_INLINE uint64_t sums(uint64_t a, uint64_t b) {
    const uint64_t low = 0x0F0F0F0F0F0F0F0Full, bytes = (a & low) + (b & low);
    const uint64_t over = bytes >> 4 & 0x0101010101010101ull;
    return (bytes | over * MAX) & low;
}

void fb_counting_bloom_unite(fb_counting_bloom_t *into, const fb_counting_bloom_t *from) {
    for (size_t i = 0, n = words_of(into); i < n; i++) {
        const uint64_t more = fb_atomic_load64(from->words + i);
        if (more == 0) continue;
        const uint64_t word = fb_atomic_load64(into->words + i);
        fb_atomic_store64(into->words + i, sums(word, more) | sums(word >> 4, more >> 4) << 4);
    }
}

void fb_counting_bloom_clear(fb_counting_bloom_t *f) { fb_split_clear(f->words, words_of(f)); }

bool fb_counting_bloom_equal(const fb_counting_bloom_t *a, const fb_counting_bloom_t *b) {
    return fb_split_equal(a->words, b->words, words_of(a));
}

bool fb_counting_bloom_empty(const fb_counting_bloom_t *f) {
    return fb_split_empty(f->words, words_of(f));
}

static unsigned occupied_in_word(uint64_t word) {
    word |= word >> 2;
    return fb_popcount64((word | word >> 1) & 0x1111111111111111ull);
}

static unsigned occupied_in_lane(const uint64_t *words, size_t lane) {
    return occupied_in_word(fb_atomic_load64(words + LANE_WORDS * lane)) +
           occupied_in_word(fb_atomic_load64(words + LANE_WORDS * lane + 1));
}

uint64_t fb_counting_bloom_occupied(const fb_counting_bloom_t *f) {
    uint64_t count = 0;
    for (size_t i = 0, n = words_of(f); i < n; i++)
        count += occupied_in_word(fb_atomic_load64(f->words + i));
    return count;
}

double fb_counting_bloom_rate_now(const fb_counting_bloom_t *f) {
    return fb_split_rate_now(f->shape, f->words, occupied_in_lane);
}
