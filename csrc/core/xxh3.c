/* XXH3-64 for inputs over 16 bytes, and batches of 64-bit keys.
 *
 *   17..128    pairs of 16-byte lanes from both ends inwards, each folded by a 64x64->128 product
 *   129..240   16-byte lanes in order, the secret shifted by 3 after the first eight
 *   over 240   eight 64-bit accumulators eat 64-byte stripes; every 16 stripes (one pass over the
 *              secret) they are scrambled; at the end they are folded pairwise
 *
 * Every read is little-endian and unaligned. The stripe loop exists three times, once a rung of
 * cpu.h, with identical results: the arithmetic is on integers and each lane is independent.
 */
#include "xxh3.h"

#include "cpu.h"

#if FB_X86
#include <immintrin.h>
#endif

enum {
    SECRET_SIZE = 192,
    SECRET_MIN = 136,   /* the shortest secret the specification allows; offsets count from it */
    STRIPE = 64,        /* bytes eaten at a time by the accumulators */
    STRIPES_PER_BLOCK = (SECRET_SIZE - STRIPE) / 8,
    BLOCK = STRIPE * STRIPES_PER_BLOCK,
    LANES = 8
};

/* The default secret of the specification: 192 bytes chosen at random by its author. */
static const uint8_t secret_default[SECRET_SIZE] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

/* ---- 17 to 240 bytes ---------------------------------------------------------------------- */

FB_INLINE uint64_t mix16(const uint8_t *in, const uint8_t *secret, uint64_t seed) {
    return fb_xxh3_fold(fb_read64(in) ^ (fb_read64(secret) + seed),
                        fb_read64(in + 8) ^ (fb_read64(secret + 8) - seed));
}

static uint64_t hash_17to128(const uint8_t *in, size_t len, uint64_t seed) {
    const uint8_t *secret = secret_default, *end = in + len;
    uint64_t acc = len * FB_XXH_PRIME64_1;
    if (len > 32) {
        if (len > 64) {
            if (len > 96) {
                acc += mix16(in + 48, secret + 96, seed);
                acc += mix16(end - 64, secret + 112, seed);
            }
            acc += mix16(in + 32, secret + 64, seed);
            acc += mix16(end - 48, secret + 80, seed);
        }
        acc += mix16(in + 16, secret + 32, seed);
        acc += mix16(end - 32, secret + 48, seed);
    }
    acc += mix16(in, secret, seed);
    acc += mix16(end - 16, secret + 16, seed);
    return fb_xxh3_avalanche(acc);
}

static uint64_t hash_129to240(const uint8_t *in, size_t len, uint64_t seed) {
    const uint8_t *secret = secret_default;
    uint64_t acc = len * FB_XXH_PRIME64_1;
    size_t lanes = len / 16, i;
    for (i = 0; i < 8; i++) acc += mix16(in + 16 * i, secret + 16 * i, seed);
    acc = fb_xxh3_avalanche(acc);
    for (; i < lanes; i++) acc += mix16(in + 16 * i, secret + 16 * (i - 8) + 3, seed);
    acc += mix16(in + len - 16, secret + SECRET_MIN - 17, seed);
    return fb_xxh3_avalanche(acc);
}

/* ---- over 240 bytes: the stripe loop, once per rung ---------------------------------------- */

FB_INLINE void accumulate_portable(uint64_t *acc, const uint8_t *in, const uint8_t *secret) {
    for (size_t i = 0; i < LANES; i++) {
        uint64_t value = fb_read64(in + 8 * i), key = value ^ fb_read64(secret + 8 * i);
        acc[i ^ 1] += value;
        acc[i] += (uint64_t)(uint32_t)key * (key >> 32);
    }
}

FB_INLINE void scramble_portable(uint64_t *acc, const uint8_t *secret) {
    for (size_t i = 0; i < LANES; i++) {
        acc[i] ^= acc[i] >> 47;
        acc[i] ^= fb_read64(secret + 8 * i);
        acc[i] *= FB_XXH_PRIME32_1;
    }
}

#if FB_X86

FB_INLINE void accumulate_sse2(__m128i *acc, const uint8_t *in, const uint8_t *secret) {
    for (size_t i = 0; i < LANES / 2; i++) {
        __m128i value = _mm_loadu_si128((const __m128i *)(const void *)in + i);
        __m128i key = _mm_xor_si128(value, _mm_loadu_si128((const __m128i *)(const void *)secret + i));
        __m128i product = _mm_mul_epu32(key, _mm_srli_epi64(key, 32));
        __m128i swapped = _mm_shuffle_epi32(value, _MM_SHUFFLE(1, 0, 3, 2));
        acc[i] = _mm_add_epi64(acc[i], _mm_add_epi64(product, swapped));
    }
}

/* acc * PRIME32_1 on 64-bit lanes: the low half's product plus the high half's, moved up. */
FB_INLINE void scramble_sse2(__m128i *acc, const uint8_t *secret) {
    const __m128i prime = _mm_set1_epi32((int)FB_XXH_PRIME32_1);
    for (size_t i = 0; i < LANES / 2; i++) {
        __m128i a = _mm_xor_si128(acc[i], _mm_srli_epi64(acc[i], 47));
        a = _mm_xor_si128(a, _mm_loadu_si128((const __m128i *)(const void *)secret + i));
        __m128i high = _mm_mul_epu32(_mm_srli_epi64(a, 32), prime);
        acc[i] = _mm_add_epi64(_mm_mul_epu32(a, prime), _mm_slli_epi64(high, 32));
    }
}

FB_TARGET_AVX2 FB_INLINE void accumulate_avx2(__m256i *acc, const uint8_t *in,
                                              const uint8_t *secret) {
    for (size_t i = 0; i < LANES / 4; i++) {
        __m256i value = _mm256_loadu_si256((const __m256i *)(const void *)in + i);
        __m256i key =
            _mm256_xor_si256(value, _mm256_loadu_si256((const __m256i *)(const void *)secret + i));
        __m256i product = _mm256_mul_epu32(key, _mm256_srli_epi64(key, 32));
        __m256i swapped = _mm256_shuffle_epi32(value, _MM_SHUFFLE(1, 0, 3, 2));
        acc[i] = _mm256_add_epi64(acc[i], _mm256_add_epi64(product, swapped));
    }
}

FB_TARGET_AVX2 FB_INLINE void scramble_avx2(__m256i *acc, const uint8_t *secret) {
    const __m256i prime = _mm256_set1_epi32((int)FB_XXH_PRIME32_1);
    for (size_t i = 0; i < LANES / 4; i++) {
        __m256i a = _mm256_xor_si256(acc[i], _mm256_srli_epi64(acc[i], 47));
        a = _mm256_xor_si256(a, _mm256_loadu_si256((const __m256i *)(const void *)secret + i));
        __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), prime);
        acc[i] = _mm256_add_epi64(_mm256_mul_epu32(a, prime), _mm256_slli_epi64(high, 32));
    }
}

#endif

/* Eats all of `in` (len > 240) into `lanes`. The accumulators are a local array, so that they stay
 * in registers from one stripe to the next: through `lanes` each stripe would wait for the stores
 * of the one before. */
#define DEFINE_EAT(rung, accumulator, attribute)                                        \
    attribute static void eat_##rung(uint64_t *lanes, const uint8_t *in, size_t len,    \
                                     const uint8_t *secret) {                           \
        accumulator acc[LANES * sizeof(uint64_t) / sizeof(accumulator)];                \
        const uint8_t *last = in + len - STRIPE;                                        \
        size_t blocks = (len - 1) / BLOCK;                                              \
        memcpy(acc, lanes, sizeof acc);                                                 \
        for (size_t b = 0; b < blocks; b++, in += BLOCK) {                              \
            for (size_t s = 0; s < STRIPES_PER_BLOCK; s++)                              \
                accumulate_##rung(acc, in + STRIPE * s, secret + 8 * s);                \
            scramble_##rung(acc, secret + SECRET_SIZE - STRIPE);                        \
        }                                                                               \
        size_t stripes = (len - 1 - BLOCK * blocks) / STRIPE;                           \
        for (size_t s = 0; s < stripes; s++)                                            \
            accumulate_##rung(acc, in + STRIPE * s, secret + 8 * s);                    \
        accumulate_##rung(acc, last, secret + SECRET_SIZE - STRIPE - 7);                \
        memcpy(lanes, acc, sizeof acc);                                                 \
    }

DEFINE_EAT(portable, uint64_t, )
#if FB_X86
DEFINE_EAT(sse2, __m128i, )
DEFINE_EAT(avx2, __m256i, FB_TARGET_AVX2)
#endif

static uint64_t hash_over240(const uint8_t *in, size_t len, uint64_t seed) {
    uint8_t derived[SECRET_SIZE];
    const uint8_t *secret = secret_default;
    if (seed != 0) {
        for (size_t i = 0; i < SECRET_SIZE; i += 16) {
            fb_write64(derived + i, fb_read64(secret_default + i) + seed);
            fb_write64(derived + i + 8, fb_read64(secret_default + i + 8) - seed);
        }
        secret = derived;
    }
    uint64_t acc[LANES] = {FB_XXH_PRIME32_3, FB_XXH_PRIME64_1, FB_XXH_PRIME64_2, FB_XXH_PRIME64_3,
                           FB_XXH_PRIME64_4, FB_XXH_PRIME32_2, FB_XXH_PRIME64_5, FB_XXH_PRIME32_1};
    switch (fb_cpu_level()) {
#if FB_X86
        case FB_CPU_AVX512:
        case FB_CPU_AVX2: eat_avx2(acc, in, len, secret); break;
        case FB_CPU_SSE2: eat_sse2(acc, in, len, secret); break;
#endif
        default: eat_portable(acc, in, len, secret);
    }
    uint64_t h = len * FB_XXH_PRIME64_1;
    for (size_t i = 0; i < LANES; i += 2)
        h += fb_xxh3_fold(acc[i] ^ fb_read64(secret + 11 + 8 * i),
                          acc[i + 1] ^ fb_read64(secret + 11 + 8 * (i + 1)));
    return fb_xxh3_avalanche(h);
}

uint64_t fb_xxh3_64_over16(const void *p, size_t len, uint64_t seed) {
    const uint8_t *in = (const uint8_t *)p;
    if (len <= 128) return hash_17to128(in, len, seed);
    if (len <= 240) return hash_129to240(in, len, seed);
    return hash_over240(in, len, seed);
}

/* ---- batches of 64-bit keys ---------------------------------------------------------------- */

FB_INLINE uint64_t key_at(const void *keys, size_t i) {
    return fb_read64((const uint8_t *)keys + 8 * i);
}

FB_INLINE void hash_u64s(const void *keys, size_t n, uint64_t seed, uint64_t *out) {
    const uint64_t key = fb_xxh3_key4to8(seed);
    for (size_t i = 0; i < n; i++) out[i] = fb_xxh3_mix4to8(fb_rotl64(key_at(keys, i), 32) ^ key, 8);
}

#if FB_X86

/* x * PRIME_MX2 modulo 2^64 on four lanes, from 32-bit products (AVX2 has no 64-bit one). */
FB_TARGET_AVX2 FB_INLINE __m256i times_mx2_avx2(__m256i x) {
    const __m256i lo = _mm256_set1_epi64x((long long)(FB_XXH_PRIME_MX2 & 0xffffffffu));
    const __m256i hi = _mm256_set1_epi64x((long long)(FB_XXH_PRIME_MX2 >> 32));
    __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(x, hi),
                                     _mm256_mul_epu32(_mm256_srli_epi64(x, 32), lo));
    return _mm256_add_epi64(_mm256_mul_epu32(x, lo), _mm256_slli_epi64(cross, 32));
}

/* Six keys a step: four in vector lanes and two in general registers, since the scalar multiplier
 * would otherwise stand idle while the vector one is the bottleneck. */
FB_TARGET_AVX2 static void hash_u64s_avx2(const void *keys, size_t n, uint64_t seed,
                                          uint64_t *out) {
    const uint64_t key = fb_xxh3_key4to8(seed);
    const __m256i keyv = _mm256_set1_epi64x((long long)key), eight = _mm256_set1_epi64x(8);
    const __m256i rotl24 = _mm256_setr_epi8(5, 6, 7, 0, 1, 2, 3, 4, 13, 14, 15, 8, 9, 10, 11, 12,
                                            5, 6, 7, 0, 1, 2, 3, 4, 13, 14, 15, 8, 9, 10, 11, 12);
    size_t i = 0;
    for (; i + 6 <= n; i += 6) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)((const uint8_t *)keys + 8 * i));
        x = _mm256_xor_si256(_mm256_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1)), keyv);
        __m256i rotl49 = _mm256_or_si256(_mm256_slli_epi64(x, 49), _mm256_srli_epi64(x, 15));
        x = _mm256_xor_si256(_mm256_xor_si256(x, rotl49), _mm256_shuffle_epi8(x, rotl24));
        x = times_mx2_avx2(x);
        x = _mm256_xor_si256(x, _mm256_add_epi64(_mm256_srli_epi64(x, 35), eight));
        x = times_mx2_avx2(x);
        x = _mm256_xor_si256(x, _mm256_srli_epi64(x, 28));
        uint64_t a = fb_xxh3_mix4to8(fb_rotl64(key_at(keys, i + 4), 32) ^ key, 8);
        uint64_t b = fb_xxh3_mix4to8(fb_rotl64(key_at(keys, i + 5), 32) ^ key, 8);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), x);
        out[i + 4] = a;
        out[i + 5] = b;
    }
    for (; i < n; i++) out[i] = fb_xxh3_mix4to8(fb_rotl64(key_at(keys, i), 32) ^ key, 8);
}

FB_TARGET_AVX512 static void hash_u64s_avx512(const void *keys, size_t n, uint64_t seed,
                                              uint64_t *out) {
    hash_u64s(keys, n, seed, out); /* vectorised by the compiler: AVX-512 has the 64-bit product */
}

#endif

void fb_xxh3_64_u64s(const void *keys, size_t n, uint64_t seed, uint64_t *out) {
    switch (fb_cpu_level()) {
#if FB_X86
        case FB_CPU_AVX512: hash_u64s_avx512(keys, n, seed, out); break;
        case FB_CPU_AVX2: hash_u64s_avx2(keys, n, seed, out); break;
#endif
        default: hash_u64s(keys, n, seed, out);
    }
}
