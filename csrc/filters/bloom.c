/* Split-block Bloom filter [1, 2].
 *
 * Idea. A plain Bloom filter sets k bits all over memory: k cache misses. Here a key picks one
 * block by the high bits of its hash, and in that block sets one bit in each of k lanes of 32:
 *
 *     block b:  | lane 0: 32 bits | lane 1: 32 bits | ... | lane k-1: 32 bits |    k = 4, 8 or 16
 *     hash  h:    b = floor(h * n_blocks / 2^64)
 *                 bit in lane i = (low32(h) * salt[i] mod 2^32) >> 27
 *
 * k lanes are one SIMD operation or two: multiply by the salts, shift, make masks, test. A block is
 * 16, 32 or 64 bytes and aligned to its size, so a key costs one cache miss whatever k is.
 *
 * Sizing: see split_block.c.
 *
 * Invariant. Bits are only ever set, except by clear and intersect.
 *
 * Threads. Readers take no lock. Writers use 64-bit atomic OR, or plain stores when the caller
 * knows that no other writer runs.
 *
 * Complexity. add, contains: O(1), one cache miss. Memory: see fb_bloom_shape.
 *
 * [1] F. Putze, P. Sanders, J. Singler, "Cache-, hash- and space-efficient Bloom filters",
 *     WEA 2007.
 * [2] J. Apple, "Split block Bloom filters", arXiv:2101.01719, 2021.
 */
#include "bloom.h"

#include "cpu.h"

#if FB_X86
#include <immintrin.h>
#endif

/* ---- one key ------------------------------------------------------------------------------- */

FB_INLINE uint32_t bit_in_lane(uint64_t h, unsigned lane) {
    return 1u << fb_split_cell(h, lane);
}

/* The bits of lanes 2w and 2w + 1 as one word. */
FB_INLINE uint64_t bits_in_word(uint64_t h, unsigned w) {
    return bit_in_lane(h, 2 * w) | (uint64_t)bit_in_lane(h, 2 * w + 1) << 32;
}

FB_INLINE bool probe_portable(const uint32_t *block, uint64_t h, unsigned lanes) {
    const uint64_t *words = (const uint64_t *)(const void *)block;
    uint64_t missing = 0;
    for (unsigned w = 0; w < lanes / 2; w++)
        missing |= ~fb_atomic_load64(words + w) & bits_in_word(h, w);
    return missing == 0;
}

FB_INLINE void set_portable(uint32_t *block, uint64_t h, unsigned lanes) {
    for (unsigned i = 0; i < lanes; i++) block[i] |= bit_in_lane(h, i);
}

FB_INLINE void set_atomic(uint32_t *block, uint64_t h, unsigned lanes) {
    uint64_t *words = (uint64_t *)(void *)block;
    for (unsigned w = 0; w < lanes / 2; w++) {
        uint64_t bits = bits_in_word(h, w);
        if ((fb_atomic_load64(words + w) & bits) != bits) fb_atomic_or64(words + w, bits);
    }
}

/* Sets, and tells whether any bit was clear; writes only then. For the only writer. */
FB_INLINE bool put_portable(uint32_t *block, uint64_t h, unsigned lanes) {
    uint64_t *words = (uint64_t *)(void *)block, missing = 0;
    for (unsigned w = 0; w < lanes / 2; w++) {
        uint64_t was = fb_atomic_load64(words + w), lacks = bits_in_word(h, w) & ~was;
        if (lacks != 0) fb_atomic_store64(words + w, was | lacks);
        missing |= lacks;
    }
    return missing != 0;
}

#if FB_X86

FB_TARGET_AVX2 FB_INLINE __m256i masks_avx2(uint64_t h, unsigned first) {
    __m256i salt = _mm256_loadu_si256((const __m256i *)(const void *)(fb_split_salts + first));
    __m256i bit = _mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)h), salt);
    return _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_srli_epi32(bit, 27));
}

FB_TARGET_AVX2 FB_INLINE __m128i masks4_avx2(uint64_t h) {
    __m128i salt = _mm_loadu_si128((const __m128i *)(const void *)fb_split_salts);
    __m128i bit = _mm_mullo_epi32(_mm_set1_epi32((int)(uint32_t)h), salt);
    return _mm_sllv_epi32(_mm_set1_epi32(1), _mm_srli_epi32(bit, 27));
}

FB_TARGET_AVX2 FB_INLINE bool probe_avx2(const uint32_t *block, uint64_t h, unsigned lanes) {
    if (lanes == 4)
        return _mm_testc_si128(_mm_load_si128((const __m128i *)(const void *)block),
                               masks4_avx2(h)) != 0;
    const __m256i *vectors = (const __m256i *)(const void *)block;
    int found = _mm256_testc_si256(_mm256_load_si256(vectors), masks_avx2(h, 0));
    if (lanes == 16)
        found &= _mm256_testc_si256(_mm256_load_si256(vectors + 1), masks_avx2(h, 8));
    return found != 0;
}

FB_TARGET_AVX2 FB_INLINE void set_avx2(uint32_t *block, uint64_t h, unsigned lanes) {
    if (lanes == 4) {
        __m128i *vector = (__m128i *)(void *)block;
        _mm_store_si128(vector, _mm_or_si128(_mm_load_si128(vector), masks4_avx2(h)));
        return;
    }
    __m256i *vectors = (__m256i *)(void *)block;
    for (unsigned v = 0; v < lanes / 8; v++)
        _mm256_store_si256(vectors + v, _mm256_or_si256(_mm256_load_si256(vectors + v),
                                                        masks_avx2(h, 8 * v)));
}

FB_TARGET_AVX2 FB_INLINE bool put_avx2(uint32_t *block, uint64_t h, unsigned lanes) {
    if (probe_avx2(block, h, lanes)) return false;
    set_avx2(block, h, lanes);
    return true;
}

#endif

/* ---- kernels: one set a rung and a number of lanes ------------------------------------------ */

#define BLOCK_OF(hash, lanes) (bits + fb_reduce64((hash), n_blocks) * (lanes))

/* Finding a block twice, to fetch it and to use it, is cheaper than keeping it. */
#define FOR_SLICE(prefetch, lanes, body) \
    FB_SPLIT_FOR_SLICE(n, prefetch(BLOCK_OF(h[next], lanes)), body)

#define DEFINE_KERNELS(rung, lanes, attribute)                                                     \
    attribute static bool contains_##rung##_##lanes(const uint32_t *bits, uint64_t n_blocks,       \
                                                    uint64_t h) {                                  \
        return probe_##rung(BLOCK_OF(h, lanes), h, lanes);                                         \
    }                                                                                              \
    attribute static void add_##rung##_##lanes(uint32_t *bits, uint64_t n_blocks, uint64_t h) {    \
        set_##rung(BLOCK_OF(h, lanes), h, lanes);                                                  \
    }                                                                                              \
    attribute static void add_atomic_##rung##_##lanes(uint32_t *bits, uint64_t n_blocks,           \
                                                      uint64_t h) {                                \
        set_atomic(BLOCK_OF(h, lanes), h, lanes);                                                  \
    }                                                                                              \
    attribute static void contains_slice_##rung##_##lanes(                                         \
        const uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n, bool *out) {         \
        FOR_SLICE(FB_PREFETCH, lanes, out[i] = probe_##rung(BLOCK_OF(h[i], lanes), h[i], lanes))   \
    }                                                                                              \
    attribute static void add_slice_##rung##_##lanes(uint32_t *bits, uint64_t n_blocks,            \
                                                     const uint64_t *h, size_t n) {                \
        FOR_SLICE(FB_PREFETCH_WRITE, lanes, set_atomic(BLOCK_OF(h[i], lanes), h[i], lanes))        \
    }                                                                                              \
    attribute static bool put_##rung##_##lanes(uint32_t *bits, uint64_t n_blocks, uint64_t h) {    \
        return put_##rung(BLOCK_OF(h, lanes), h, lanes);                                           \
    }                                                                                              \
    attribute static void put_slice_##rung##_##lanes(uint32_t *bits, uint64_t n_blocks,            \
                                                     const uint64_t *h, size_t n, bool *out) {     \
        FOR_SLICE(FB_PREFETCH_WRITE, lanes,                                                        \
                  out[i] = put_##rung(BLOCK_OF(h[i], lanes), h[i], lanes))                         \
    }                                                                                              \
    attribute static size_t add_new_slice_##rung##_##lanes(                                        \
        uint32_t *bits, uint64_t n_blocks, const uint64_t *h, size_t n, uint64_t *room) {          \
        FOR_SLICE(FB_PREFETCH_WRITE, lanes, {                                                      \
            if (*room == 0) return i;                                                              \
            *room -= put_##rung(BLOCK_OF(h[i], lanes), h[i], lanes);                               \
        })                                                                                         \
        return n;                                                                                  \
    }

#define KERNELS(rung, lanes)                                                             \
    {                                                                                    \
        contains_##rung##_##lanes, add_##rung##_##lanes, add_atomic_##rung##_##lanes,    \
            contains_slice_##rung##_##lanes, add_slice_##rung##_##lanes,                 \
            put_##rung##_##lanes, put_slice_##rung##_##lanes, add_new_slice_##rung##_##lanes \
    }

DEFINE_KERNELS(portable, 4, )
DEFINE_KERNELS(portable, 8, )
DEFINE_KERNELS(portable, 16, )
static const fb_bloom_kernels_t kernels_portable[3] = {
    KERNELS(portable, 4), KERNELS(portable, 8), KERNELS(portable, 16)};

#if FB_X86
DEFINE_KERNELS(avx2, 4, FB_TARGET_AVX2)
DEFINE_KERNELS(avx2, 8, FB_TARGET_AVX2)
DEFINE_KERNELS(avx2, 16, FB_TARGET_AVX2)
static const fb_bloom_kernels_t kernels_avx2[3] = {KERNELS(avx2, 4), KERNELS(avx2, 8),
                                                   KERNELS(avx2, 16)};
#endif

void fb_bloom_init(fb_bloom_t *bloom, fb_bloom_shape_t shape, uint32_t *bits) {
    const fb_bloom_kernels_t *rung = kernels_portable;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) rung = kernels_avx2;
#endif
    bloom->bits = bits;
    bloom->shape = shape;
    bloom->kernels = &rung[fb_split_index(shape.lanes)];
}

/* ---- batches ------------------------------------------------------------------------------- */

void fb_bloom_contains_keys(const fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed, bool *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        b->kernels->contains_slice(b->bits, b->shape.n_blocks, hashes, n, out);
        out += n;
    }
}

void fb_bloom_add_keys(fb_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0)
        b->kernels->add_slice(b->bits, b->shape.n_blocks, hashes, n);
}

/* ---- whole filters ------------------------------------------------------------------------- */

static size_t words_of(const fb_bloom_t *b) { return (size_t)(fb_bloom_bytes(b->shape) / 8); }

FB_INLINE uint64_t *words(const fb_bloom_t *b) { return (uint64_t *)(void *)b->bits; }

FB_INLINE uint64_t word(const fb_bloom_t *b, size_t i) { return fb_atomic_load64(words(b) + i); }

void fb_bloom_unite(fb_bloom_t *into, const fb_bloom_t *from) {
    for (size_t i = 0, n = words_of(into); i < n; i++) {
        uint64_t more = word(from, i);
        if ((more & ~word(into, i)) != 0) fb_atomic_or64(words(into) + i, more);
    }
}

void fb_bloom_intersect(fb_bloom_t *into, const fb_bloom_t *from) {
    for (size_t i = 0, n = words_of(into); i < n; i++) {
        uint64_t keep = word(from, i);
        if ((word(into, i) & ~keep) != 0) fb_atomic_and64(words(into) + i, keep);
    }
}

void fb_bloom_clear(fb_bloom_t *b) { fb_split_clear(words(b), words_of(b)); }

bool fb_bloom_equal(const fb_bloom_t *a, const fb_bloom_t *b) {
    return fb_split_equal(words(a), words(b), words_of(a));
}

bool fb_bloom_subset(const fb_bloom_t *a, const fb_bloom_t *b) {
    for (size_t i = 0, n = words_of(a); i < n; i++)
        if ((word(a, i) & ~word(b, i)) != 0) return false;
    return true;
}

bool fb_bloom_empty(const fb_bloom_t *b) { return fb_split_empty(words(b), words_of(b)); }

uint64_t fb_bloom_count_bits(const fb_bloom_t *b) {
    uint64_t count = 0;
    for (size_t i = 0, n = words_of(b); i < n; i++) count += fb_popcount64(word(b, i));
    return count;
}

static unsigned set_in_lane(const uint64_t *words, size_t lane) {
    return fb_popcount64((uint32_t)(fb_atomic_load64(words + lane / 2) >> 32 * (lane % 2)));
}

double fb_bloom_rate_now(const fb_bloom_t *b) {
    return fb_split_rate_now(b->shape, words(b), set_in_lane);
}
