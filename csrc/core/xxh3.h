/* XXH3, 64-bit variant, with seed: the one hash of every block.
 *
 * Bit-identical to the XXH3 specification [1] for every length, so state can be saved, shared
 * between platforms and checked against other implementations. Keys of up to 16 bytes, by far the
 * most common, are hashed inline; longer ones by a call.
 *
 * [1] Y. Collet, "XXH3 specification", xxHash repository, doc/xxhash_spec.md.
 */
#ifndef FB_CORE_XXH3_H
#define FB_CORE_XXH3_H

#include "base.h"

#define FB_XXH_PRIME32_1 0x9E3779B1u
#define FB_XXH_PRIME32_2 0x85EBCA77u
#define FB_XXH_PRIME32_3 0xC2B2AE3Du
#define FB_XXH_PRIME64_1 0x9E3779B185EBCA87ull
#define FB_XXH_PRIME64_2 0xC2B2AE3D27D4EB4Full
#define FB_XXH_PRIME64_3 0x165667B19E3779F9ull
#define FB_XXH_PRIME64_4 0x85EBCA77C2B2AE63ull
#define FB_XXH_PRIME64_5 0x27D4EB2F165667C5ull
#define FB_XXH_PRIME_MX1 0x165667919E3779F9ull
#define FB_XXH_PRIME_MX2 0x9FB21C651E98DF25ull

/* 64-bit words of the default secret that short inputs are keyed with, already combined. */
#define FB_XXH_FLIP_0 0x8726F9105DC21DDCull    /* secret[56..64) ^ secret[64..72) */
#define FB_XXH_FLIP_1TO3 0x87275A9Bu           /* secret[0..4) ^ secret[4..8) */
#define FB_XXH_FLIP_4TO8 0xC73AB174C5ECD5A2ull /* secret[8..16) ^ secret[16..24) */
#define FB_XXH_FLIP_9TO16A 0x6782737BEA4239B9ull /* secret[24..32) ^ secret[32..40) */
#define FB_XXH_FLIP_9TO16B 0xAF56BC3B0996523Aull /* secret[40..48) ^ secret[48..56) */

/* Hash of `len` > 16 bytes at `p`. */
uint64_t fb_xxh3_64_over16(const void *p, size_t len, uint64_t seed);

/* Hashes of n 64-bit keys, each as its 8 little-endian bytes. `keys` may be at any address, and may
 * be `out`. */
void fb_xxh3_64_u64s(const void *keys, size_t n, uint64_t seed, uint64_t *out);

/* XXH3's final mix, and XXH64's, which XXH3 uses for the shortest inputs. */
FB_INLINE uint64_t fb_xxh3_avalanche(uint64_t h) {
    h ^= h >> 37;
    h *= FB_XXH_PRIME_MX1;
    return h ^ (h >> 32);
}

FB_INLINE uint64_t fb_xxh64_avalanche(uint64_t h) {
    h ^= h >> 33;
    h *= FB_XXH_PRIME64_2;
    h ^= h >> 29;
    h *= FB_XXH_PRIME64_3;
    return h ^ (h >> 32);
}

FB_INLINE uint64_t fb_xxh3_fold(uint64_t a, uint64_t b) {
    uint64_t hi, lo = fb_mul128(a, b, &hi);
    return lo ^ hi;
}

/* The key that inputs of 4 to 8 bytes are xored with: depends on the seed alone. */
FB_INLINE uint64_t fb_xxh3_key4to8(uint64_t seed) {
    seed ^= (uint64_t)fb_swap32((uint32_t)seed) << 32;
    return FB_XXH_FLIP_4TO8 - seed;
}

FB_INLINE uint64_t fb_xxh3_mix4to8(uint64_t keyed, uint64_t len) {
    uint64_t h = keyed ^ fb_rotl64(keyed, 49) ^ fb_rotl64(keyed, 24);
    h *= FB_XXH_PRIME_MX2;
    h ^= (h >> 35) + len;
    h *= FB_XXH_PRIME_MX2;
    return h ^ (h >> 28);
}

/* Hash of the 8 little-endian bytes of v. */
FB_INLINE uint64_t fb_xxh3_64_u64(uint64_t v, uint64_t seed) {
    return fb_xxh3_mix4to8(fb_rotl64(v, 32) ^ fb_xxh3_key4to8(seed), 8);
}

FB_INLINE uint64_t fb_xxh3_64(const void *p, size_t len, uint64_t seed) {
    const uint8_t *in = (const uint8_t *)p;
    if (FB_UNLIKELY(len > 16)) return fb_xxh3_64_over16(p, len, seed);
    if (len > 8) {
        uint64_t lo = fb_read64(in) ^ (FB_XXH_FLIP_9TO16A + seed);
        uint64_t hi = fb_read64(in + len - 8) ^ (FB_XXH_FLIP_9TO16B - seed);
        return fb_xxh3_avalanche(len + fb_swap64(lo) + hi + fb_xxh3_fold(lo, hi));
    }
    if (len >= 4) {
        uint64_t first = fb_read32(in), last = fb_read32(in + len - 4);
        return fb_xxh3_mix4to8((last + (first << 32)) ^ fb_xxh3_key4to8(seed), len);
    }
    if (len > 0) {
        uint32_t combined = ((uint32_t)in[0] << 16) | ((uint32_t)in[len >> 1] << 24) |
                            (uint32_t)in[len - 1] | ((uint32_t)len << 8);
        return fb_xxh64_avalanche(combined ^ (FB_XXH_FLIP_1TO3 + seed));
    }
    return fb_xxh64_avalanche(seed ^ FB_XXH_FLIP_0);
}

#endif
