/* TinyLFU's frequency sketch [1]: a count-min sketch [2] of 4-bit counters in cache-line blocks [3].
 *
 * Idea. A cache that must evict asks which of two keys is wanted more often. Small counts tell that as
 * well as large ones if they fade: after sample_size records every count is halved. So 4 bits do for
 * a counter. A key picks one block by the high half of its hash and, by the low half, one of the 32
 * counters in each of the block's four lanes:
 *
 *     block b:  | lane 0: 16 bytes | lane 1 | lane 2 | lane 3 |
 *     hash  h:    b = floor(h * n_blocks / 2^64)
 *                 counter in lane i: byte ((h >> 8i) & 15), its high half if h & (16 << 8i)
 *
 * The least of the four is the estimate: the one that the fewest other keys share. All of it is one
 * cache line, and one byte shuffle finds a lane's counter in a vector.
 *
 * Conservative update [4]. Only those of the four counters that equal their least are raised. The
 * least is raised by one, as it would be if all were; and counters that other keys hold high already
 * grow no further, so these keys' estimates, and all others', err less (docs/decisions.md has
 * figures). A record of a key whose least is 15 changes nothing and does not count towards aging.
 *
 * Aging. At sample_size = 10 * capacity records the counters are halved, rounding down, and so is the
 * number of records: the next aging comes after half as many.
 *
 * Memory. capacity / 8 blocks, rounded up: 16 counters per entry of the cache, as its share of the
 * sample is 10 records.
 *
 * Invariants. records < sample_size. At most 2^32 blocks, so block and counters are independent.
 *
 * Threads. One writer at a time. Readers take no lock: a counter is read as it was before or after a
 * change, so an estimate during a record is the one before it or after it. The vector loads and stores
 * of the batches formally race with that, but do no harm: x86 does not tear aligned words.
 *
 * Complexity. record, estimate: O(1), one cache miss; aging is O(1) per record, on average.
 *
 * [1] G. Einziger, R. Friedman, B. Manes, "TinyLFU: a highly efficient cache admission policy",
 *     ACM Transactions on Storage 13(4), 2017.
 * [2] G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch and its
 *     applications", Journal of Algorithms 55(1), 2005.
 * [3] F. Putze, P. Sanders, J. Singler, "Cache-, hash- and space-efficient Bloom filters",
 *     WEA 2007.
 * [4] C. Estan, G. Varghese, "New directions in traffic measurement and accounting", SIGCOMM 2002.
 */
#include "frequency.h"

#include "cpu.h"

#if FB_X86
#include <immintrin.h>
#endif

enum { AHEAD = 24 };

static const uint64_t LOW_THREE = 0x7777777777777777ull; /* bits of every counter */

static size_t words_of(const fb_frequency_t *s) {
    return (size_t)(FB_FREQUENCY_HEAD + s->n_blocks * FB_FREQUENCY_BLOCK);
}

FB_INLINE uint64_t word(const fb_frequency_t *s, size_t i) { return fb_atomic_load64(s->words + i); }

void fb_frequency_age_at(fb_frequency_t *s, uint64_t records) {
    for (size_t i = FB_FREQUENCY_HEAD, n = words_of(s); i < n; i++)
        fb_atomic_store64(s->words + i, word(s, i) >> 1 & LOW_THREE);
    fb_atomic_store64(s->words, records / 2);
}

/* ---- kernels ------------------------------------------------------------------------------- */

#if FB_X86

/* Where a key's four counters lie, for the two halves of a block: `byte` repeats in each lane the
 * index of the counter's byte, `high` is all ones where it is the byte's high half. */
typedef struct {
    __m256i byte[2], high[2];
} places_t;

FB_TARGET_AVX2 FB_INLINE places_t places_avx2(uint64_t h) {
    const __m256i low = _mm256_set1_epi32((int)(uint32_t)h), sixteen = _mm256_set1_epi8(16);
    const __m256i spread[2] = {
        _mm256_setr_epi64x(0, 0, 0x0101010101010101, 0x0101010101010101),
        _mm256_setr_epi64x(0x0202020202020202, 0x0202020202020202, 0x0303030303030303,
                           0x0303030303030303)};
    places_t at;
    for (int half = 0; half < 2; half++) {
        const __m256i lane = _mm256_shuffle_epi8(low, spread[half]);
        at.byte[half] = _mm256_and_si256(lane, _mm256_set1_epi8(15));
        at.high[half] = _mm256_cmpeq_epi8(_mm256_and_si256(lane, sixteen), sixteen);
    }
    return at;
}

/* The count of each lane, in every byte of it. */
FB_TARGET_AVX2 FB_INLINE __m256i counts_avx2(__m256i half, __m256i byte, __m256i high) {
    const __m256i both = _mm256_shuffle_epi8(half, byte);
    return _mm256_and_si256(_mm256_blendv_epi8(both, _mm256_srli_epi16(both, 4), high),
                            _mm256_set1_epi8(15));
}

FB_TARGET_AVX2 FB_INLINE __m256i least_avx2(__m256i counts0, __m256i counts1) {
    const __m256i least = _mm256_min_epu8(counts0, counts1);
    return _mm256_min_epu8(least, _mm256_permute2x128_si256(least, least, 1));
}

FB_TARGET_AVX2 FB_INLINE unsigned look_avx2(const uint64_t *block, uint64_t h) {
    const __m256i *halves = (const __m256i *)(const void *)block;
    const places_t at = places_avx2(h);
    const __m256i least =
        least_avx2(counts_avx2(_mm256_load_si256(halves), at.byte[0], at.high[0]),
                   counts_avx2(_mm256_load_si256(halves + 1), at.byte[1], at.high[1]));
    return (unsigned)_mm256_cvtsi256_si32(least) & 15;
}

FB_TARGET_AVX2 FB_INLINE unsigned raise_avx2(uint64_t *block, uint64_t h) {
    __m256i *halves = (__m256i *)(void *)block;
    const __m256i fifteens = _mm256_set1_epi8(0x0f), seventeens = _mm256_set1_epi8(0x11);
    const __m256i index = _mm256_setr_epi64x(0x0706050403020100, 0x0f0e0d0c0b0a0908,
                                             0x0706050403020100, 0x0f0e0d0c0b0a0908);
    const places_t at = places_avx2(h);
    __m256i half[2], counts[2];
    for (int i = 0; i < 2; i++) {
        half[i] = _mm256_load_si256(halves + i);
        counts[i] = counts_avx2(half[i], at.byte[i], at.high[i]);
    }
    const __m256i least = least_avx2(counts[0], counts[1]);
    const unsigned before = (unsigned)_mm256_cvtsi256_si32(least) & 15;
    if (FB_UNLIKELY(before == FB_FREQUENCY_MAX)) return before;
    for (int i = 0; i < 2; i++) {
        const __m256i here = _mm256_and_si256(_mm256_cmpeq_epi8(at.byte[i], index),
                                              _mm256_cmpeq_epi8(counts[i], least));
        const __m256i one = _mm256_and_si256(_mm256_xor_si256(at.high[i], fifteens), seventeens);
        _mm256_store_si256(halves + i, _mm256_add_epi8(half[i], _mm256_and_si256(here, one)));
    }
    return before;
}

#endif

/* Each key's block is asked for AHEAD keys before its turn, so that cache misses overlap. */
#define FOR_SLICE(prefetch, body)                           \
    const size_t ahead = n < AHEAD ? n : AHEAD;             \
    size_t i;                                               \
    for (i = 0; i < ahead; i++)                             \
        prefetch(fb_frequency_block(s, h[i]));              \
    for (i = 0; i < n - ahead; i++) {                       \
        prefetch(fb_frequency_block(s, h[i + ahead]));      \
        body;                                               \
    }                                                       \
    for (; i < n; i++) body;

/* The number of records is kept at hand: through memory, each key would wait for the one before. */
#define DEFINE_KERNELS(rung, raise, look, attribute)                                               \
    attribute static void record_##rung(fb_frequency_t *s, const uint64_t *h, size_t n) {          \
        uint64_t records = fb_frequency_records(s);                                                \
        FOR_SLICE(FB_PREFETCH_WRITE, {                                                             \
            records += raise(fb_frequency_block(s, h[i]), h[i]) < FB_FREQUENCY_MAX;                \
            if (FB_UNLIKELY(records >= s->sample_size)) {                                          \
                fb_frequency_age_at(s, records);                                                   \
                records /= 2;                                                                      \
            }                                                                                      \
        })                                                                                         \
        fb_atomic_store64(s->words, records);                                                      \
    }                                                                                              \
    attribute static void estimate_##rung(const fb_frequency_t *s, const uint64_t *h, size_t n,    \
                                          uint8_t *out) {                                          \
        FOR_SLICE(FB_PREFETCH, out[i] = (uint8_t)look(fb_frequency_block(s, h[i]), h[i]))      \
    }

DEFINE_KERNELS(portable, fb_frequency_raise, fb_frequency_look, )
#if FB_X86
DEFINE_KERNELS(avx2, raise_avx2, look_avx2, FB_TARGET_AVX2)
#endif

/* ---- batches ------------------------------------------------------------------------------- */

void fb_frequency_record_keys(fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    void (*record)(fb_frequency_t *, const uint64_t *, size_t) = record_portable;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) record = record_avx2;
#endif
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) record(s, hashes, n);
}

void fb_frequency_estimate_keys(const fb_frequency_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                uint8_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    void (*estimate)(const fb_frequency_t *, const uint64_t *, size_t, uint8_t *) =
        estimate_portable;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) estimate = estimate_avx2;
#endif
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        estimate(s, hashes, n, out);
        out += n;
    }
}

/* ---- whole sketches ------------------------------------------------------------------------ */

/* Sixteen counts at a time: min(a + b, 15) each. */
FB_INLINE uint64_t add_counts(uint64_t a, uint64_t b) {
    const uint64_t low = (a & LOW_THREE) + (b & LOW_THREE); /* carries stay within a count */
    const uint64_t sum = low ^ ((a ^ b) & ~LOW_THREE);
    const uint64_t over = ((a & b) | ((a | b) & ~sum)) & ~LOW_THREE; /* carry out of the top bit */
    return sum | ((over >> 3) * 15);
}

void fb_frequency_merge(fb_frequency_t *into, const fb_frequency_t *from) {
    const uint64_t more = fb_frequency_records(from);
    for (size_t i = FB_FREQUENCY_HEAD, n = words_of(into); i < n; i++)
        fb_atomic_store64(into->words + i, add_counts(word(into, i), word(from, i)));
    fb_frequency_set_records(into, fb_frequency_records(into) + more);
}

void fb_frequency_clear(fb_frequency_t *s) {
    for (size_t i = 0, n = words_of(s); i < n; i++) fb_atomic_store64(s->words + i, 0);
}

bool fb_frequency_equal(const fb_frequency_t *a, const fb_frequency_t *b) {
    for (size_t i = 0, n = words_of(a); i < n; i++)
        if (word(a, i) != word(b, i)) return false;
    return true;
}

bool fb_frequency_empty(const fb_frequency_t *s) {
    for (size_t i = FB_FREQUENCY_HEAD, n = words_of(s); i < n; i++)
        if (word(s, i) != 0) return false;
    return true;
}

bool fb_frequency_ok(const fb_frequency_t *s) {
    uint64_t unused = 0;
    for (size_t i = 1; i < FB_FREQUENCY_HEAD; i++) unused |= word(s, i);
    return unused == 0 && word(s, 0) < s->sample_size;
}
