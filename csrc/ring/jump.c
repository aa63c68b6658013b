/* Jump consistent hash [1].
 *
 * Idea. Let a key's bucket be a function of n, the number of buckets, that starts at 0 for n = 1. When
 * n grows by one, every key moves to the new bucket, n, with probability 1/(n + 1), and stays where
 * it is otherwise; so all buckets have equal shares, and a key moves only when it must. From bucket b
 * on, the next n at which the key moves can be found in one step: it is floor((b + 1) / r), r being
 * uniform in (0, 1]. The random numbers are those of a linear congruential generator that starts
 * with the key:
 *
 *     key = key * 2862933555777941757 + 1 mod 2^64
 *     1 / r = 2^31 / (floor(key / 2^33) + 1)
 *
 * The arithmetic is that of IEEE doubles, each operation rounded once: + and * and / alone, so every
 * platform, and the pure-Python twin, has the same buckets, and they are those of the paper's
 * program.
 *
 * Batches. Both the number of steps, about ln(n) + 1, and the moment when a key is done are random:
 * one key at a time, the processor mispredicts the end of each, and waits for each product. So several
 * keys are on their way at once. In portable code each of some lanes takes a new key when its own is
 * done; with AVX2 vectors of four lanes go on until all are done: a bucket number that is too large
 * only grows, which does no harm.
 *
 * Complexity. O(log n) expected per key, no memory.
 *
 * [1] J. Lamping, E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", arXiv:1406.2294, 2014.
 */
#include "jump.h"

#include "cpu.h"
#include "xxh3.h"

static const uint64_t MULTIPLIER = 2862933555777941757ull;

static uint64_t hash_bytes(const uint8_t *key, size_t len) { return fb_xxh3_64(key, len, 0); }

static uint64_t word_itself(uint64_t word, bool negative) {
    (void)negative;
    return word;
}

const fb_hasher_t fb_jump_hasher = {hash_bytes, word_itself};

/* Steps *key, and returns its 1 / r: in [1, 2^31]. */
FB_INLINE double step(uint64_t *key) {
    *key = *key * MULTIPLIER + 1;
    return 2147483648.0 / (double)(int64_t)((*key >> 33) + 1);
}

int32_t fb_jump(uint64_t key, int32_t buckets) {
    int64_t b = 0;
    for (;;) { /* two steps at once: fewer branches to mispredict */
        const double first = step(&key), second = step(&key);
        const int64_t next = (int64_t)((double)(b + 1) * first);
        const double after = (double)(next + 1) * second;
        if (after >= buckets) return (int32_t)(next < buckets ? next : b);
        b = (int64_t)after;
    }
}

/* ---- several keys at once ------------------------------------------------------------------ */

enum { LANES = 8 };

/* out[i] = the bucket of words[i], for n words. */
static void jump_words(const uint64_t *words, size_t n, int32_t buckets, int32_t *out) {
    uint64_t key[LANES];
    int64_t b[LANES] = {0};
    size_t at[LANES], next = LANES;
    if (n < LANES) {
        for (size_t i = 0; i < n; i++) out[i] = fb_jump(words[i], buckets);
        return;
    }
    for (size_t lane = 0; lane < LANES; lane++) key[lane] = words[lane], at[lane] = lane;
    for (;;) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const int64_t bucket = (int64_t)((double)(b[lane] + 1) * step(&key[lane]));
            if (bucket < buckets) {
                b[lane] = bucket;
                continue;
            }
            out[at[lane]] = (int32_t)b[lane];
            if (next == n) { /* the others start anew, one by one */
                for (size_t i = 0; i < LANES; i++)
                    if (i != lane) out[at[i]] = fb_jump(words[at[i]], buckets);
                return;
            }
            at[lane] = next, key[lane] = words[next++], b[lane] = 0;
        }
    }
}

#if FB_X86
#include <immintrin.h>

enum { VECTORS = 4 };

FB_TARGET_AVX2 static void jump_words_avx2(const uint64_t *words, size_t n, int32_t buckets,
                                           int32_t *out) {
    const __m256i low = _mm256_set1_epi64x((long long)MULTIPLIER);
    const __m256i high = _mm256_srli_epi64(low, 32), one = _mm256_set1_epi64x(1);
    const __m256i exponent = _mm256_set1_epi64x(0x4330000000000000ll); /* of 2^52 */
    const __m256d bias = _mm256_set1_pd(4503599627370496.0 - 1.0);
    const __m256d end = _mm256_set1_pd(buckets), unit = _mm256_set1_pd(1.0);
    size_t i = 0;
    for (; i + 4 * VECTORS <= n; i += 4 * VECTORS) {
        __m256i key[VECTORS];
        __m256d b[VECTORS], next[VECTORS];
        int going;
        for (size_t v = 0; v < VECTORS; v++) {
            key[v] = _mm256_loadu_si256((const __m256i *)(const void *)(words + i + 4 * v));
            b[v] = next[v] = _mm256_setzero_pd();
        }
        do {
            going = 0;
            for (size_t v = 0; v < VECTORS; v++) {
                const __m256i x = key[v];
                const __m256i crossed = _mm256_add_epi64(
                    _mm256_mul_epu32(_mm256_srli_epi64(x, 32), low), _mm256_mul_epu32(x, high));
                key[v] = _mm256_add_epi64(_mm256_add_epi64(_mm256_mul_epu32(x, low), one),
                                          _mm256_slli_epi64(crossed, 32));
                /* 2^52 + key / 2^33, by its bits, less 2^52 - 1 */
                const __m256i bits = _mm256_or_si256(_mm256_srli_epi64(key[v], 33), exponent);
                const __m256d over = _mm256_div_pd(
                    _mm256_set1_pd(2147483648.0), _mm256_sub_pd(_mm256_castsi256_pd(bits), bias));
                next[v] = _mm256_round_pd(_mm256_mul_pd(_mm256_add_pd(next[v], unit), over),
                                          _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
                const __m256d more = _mm256_cmp_pd(next[v], end, _CMP_LT_OQ);
                b[v] = _mm256_blendv_pd(b[v], next[v], more);
                going |= _mm256_movemask_pd(more);
            }
        } while (going);
        for (size_t v = 0; v < VECTORS; v++)
            _mm_storeu_si128((__m128i *)(void *)(out + i + 4 * v), _mm256_cvttpd_epi32(b[v]));
    }
    jump_words(words + i, n - i, buckets, out + i);
}
#endif

void fb_jump_keys(fb_keys_cursor_t keys, int32_t buckets, int32_t *out) {
    uint64_t words[FB_KEYS_SLICE];
    size_t n;
    void (*jump)(const uint64_t *, size_t, int32_t, int32_t *) = jump_words;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) jump = jump_words_avx2;
#endif
    while ((n = fb_keys_next_by(&keys, &fb_jump_hasher, words, FB_KEYS_SLICE)) > 0) {
        jump(words, n, buckets, out);
        out += n;
    }
}
