/* Rendezvous hashing, also known as highest random weight [1], with weights [2].
 *
 * Idea. Every node gives every key a random cost, and the key belongs to the node whose cost is least.
 * If costs are independent and of exponential distribution with the node's weight as its rate, the
 * least one is node i's with probability w_i / sum of w: that is its share, exactly. A node's cost does
 * not depend on other nodes, so that a node that comes takes keys only for itself, one that goes leaves
 * each of its keys to the key's second, and a weight that changes moves keys to or from that node alone.
 *
 * Costs. Of node i, whose name is hashed twice by XXH3, for the key's hash h:
 *
 *     by_i   = XXH3(name, seed) | 1
 *     plus_i = XXH3(name, seed xor PLUS)
 *     c      = h * by_i + plus_i mod 2^64            a uniform number: h -> c is one-to-one
 *     cost   = -ln(1 - c / 2^64) / w_i               an exponential one
 *
 * For different keys, the vectors of all nodes' c are pairwise independent over the choice of by and plus
 * (but for the lowest bits: this is multiplicative hashing [3]), so whatever part of the keys they pick
 * out has, over all 2^64 hashes, the size it should have within a factor of 1 +- 2^-32 / sqrt(share)
 * or so. A single multiplication is therefore enough, where a mixing function would take two or three.
 *
 * Nodes are ordered by (cost, c, index). The logarithm is monotone, so equal weights give the order
 * of (c, index), and then it is not computed; changing one weight of equal ones changes no other order.
 *
 * The logarithm. Only + - * / of IEEE doubles in the order below, no libm: every platform, and the
 * pure-Python twin, gets the same bits. Of c the 32 leading bits are kept, so that neighbouring
 * arguments differ by 2^-32, far more than the error of 2^-45: therefore it is monotone. With
 * 1 - c / 2^64 = u / 2^e, u in [3/4, 3/2), and s = (1 - u) / (1 + u):
 *
 *     -ln(1 - c / 2^64) = e ln 2 + 2 (s + s^3 / 3 + s^5 / 5 + ...)
 *
 * where 1 - u is c / 2^64 itself if e = 0: small costs, which decide, keep their relative accuracy.
 *
 * Lookups. The start of the series of -ln(1 - x) gives cheap bounds of a cost. The logarithm is
 * computed only of nodes whose bound from below is not above the least cost yet. With AVX2 it is not
 * computed at all if the node with the least bound from below has a bound from above that is below all
 * others, as is most often so; else the portable code decides.
 *
 * Complexity. O(n) per lookup, with one multiplication a node; 32 bytes a node.
 *
 * [1] D. G. Thaler, C. V. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
 *     Transactions on Networking 6(1), 1998.
 * [2] C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
 * [3] M. Dietzfelbinger, "Universal Hashing and k-Wise Independent Random Variables via Integer
 *     Arithmetic without Primes", STACS 1996.
 */
#include "rendezvous.h"

#include <math.h> /* for INFINITY alone */
#include <stdlib.h>

#include "cpu.h"
#include "memory.h"
#include "xxh3.h"

/* Nodes come in groups, the last one padded; a group is what AVX2 code handles at once. */
enum { GROUP = 8 };

static const uint64_t PLUS = 0x9E3779B97F4A7C15ull;
static const double UNIT = 1.0 / 4503599627370496.0; /* 2^-52 */
static const double BELOW_THIRD = 0.333, ABOVE_THIRD = 0.334;
static const double SLACK = 1.0 + 1.0 / (1 << 20); /* more than the rounding of a bound */

FB_INLINE uint64_t uniform(const fb_rendezvous_t *t, uint32_t i, uint64_t h) {
    return h * t->by[i] + t->plus[i];
}

/* Bounds of the cost of node i, but for rounding: from the series of the logarithm, x^4 / 4 and what
 * follows left off, or taken as a geometric series. */
FB_INLINE double least(const fb_rendezvous_t *t, uint32_t i, uint64_t c) {
    const double x = (double)(int64_t)(c >> 12) * UNIT;
    return (x + x * x * (0.5 + x * BELOW_THIRD)) * t->per[i];
}

FB_INLINE double most(const fb_rendezvous_t *t, uint32_t i, uint64_t c) {
    const double x = (double)(int64_t)((c >> 12) + 1) * UNIT, square = x * x;
    const double rest = square * 0.25 / (1.0 - x); /* infinite if x is 1 */
    return (x + square * (0.5 + x * ABOVE_THIRD + rest)) * t->per[i];
}

double fb_rendezvous_exponential(uint64_t c) {
    if (c >> 32) {
        const unsigned dropped = 32 - fb_leading_zeros64(c);
        c = c >> dropped << dropped;
    }
    double less = (double)c * (1.0 / 18446744073709551616.0); /* exactly */
    double u = 1.0 - less, e = 0.0;
    while (u < 0.75) {
        u *= 2.0;
        e += 1.0;
        less = 1.0 - u;
    }
    const double s = less / (1.0 + u), z = s * s;
    double sum = 1.0 / 17.0;
    for (int odd = 15; odd > 0; odd -= 2) sum = sum * z + 1.0 / odd;
    return e * 0.6931471805599453 + 2.0 * s * sum;
}

/* ---- the nodes ----------------------------------------------------------------------------- */

static size_t padded(uint32_t n) { return ((size_t)n + GROUP - 1) / GROUP * GROUP; }

size_t fb_rendezvous_bytes(uint32_t n) { return padded(n) * 32; }

static uint32_t find_portable(const fb_rendezvous_t *t, uint64_t h);
#if FB_X86
static uint32_t find_avx2(const fb_rendezvous_t *t, uint64_t h);
#endif

fb_status_t fb_rendezvous_make(fb_rendezvous_t *t, uint32_t n) {
    const size_t room = padded(n);
    *t = (fb_rendezvous_t){0};
    t->by = fb_alloc_zeroed(room * 32);
    if (t->by == NULL) return FB_NO_MEMORY;
    t->plus = t->by + room;
    t->per = (double *)(t->plus + room);
    t->weight = t->per + room;
    for (size_t i = n; i < room; i++) { /* what is never less than another */
        t->plus[i] = UINT64_MAX;
        t->per[i] = INFINITY;
    }
    t->n = n;
    t->equal = true;
    t->find = find_portable;
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX2) t->find = find_avx2;
#endif
    return FB_OK;
}

void fb_rendezvous_drop(fb_rendezvous_t *t) {
    fb_free_zeroed(t->by);
    t->by = NULL;
}

void fb_rendezvous_set(fb_rendezvous_t *t, uint32_t i, const uint8_t *name, size_t len,
                       uint64_t seed, double weight) {
    t->by[i] = fb_xxh3_64(name, len, seed) | 1;
    t->plus[i] = fb_xxh3_64(name, len, seed ^ PLUS);
    t->weight[i] = weight;
    t->per[i] = 1.0 / weight;
    t->equal = t->equal && weight == t->weight[0];
}

/* ---- the best one -------------------------------------------------------------------------- */

typedef struct {
    double cost;
    uint64_t c;
    uint32_t i;
} candidate_t;

FB_INLINE bool better(candidate_t a, candidate_t b) {
    if (a.cost != b.cost) return a.cost < b.cost;
    return a.c != b.c ? a.c < b.c : a.i < b.i;
}

/* Node i as a candidate; its logarithm is not needed where weights are equal. */
FB_INLINE candidate_t candidate(const fb_rendezvous_t *t, uint32_t i, uint64_t c) {
    const double cost = t->equal ? 0.0 : fb_rendezvous_exponential(c) / t->weight[i];
    return (candidate_t){cost, c, i};
}

static uint32_t find_equal(const fb_rendezvous_t *t, uint64_t h) {
    uint64_t lowest = uniform(t, 0, h);
    uint32_t best = 0;
    for (uint32_t i = 1; i < t->n; i++) {
        const uint64_t c = uniform(t, i, h);
        best = c < lowest ? i : best;
        lowest = c < lowest ? c : lowest;
    }
    return best;
}

static uint32_t find_weighted(const fb_rendezvous_t *t, uint64_t h) {
    candidate_t best = candidate(t, 0, uniform(t, 0, h));
    double limit = best.cost * SLACK;
    for (uint32_t i = 1; i < t->n; i++) {
        const uint64_t c = uniform(t, i, h);
        if (least(t, i, c) > limit) continue;
        const candidate_t next = candidate(t, i, c);
        if (!better(next, best)) continue;
        best = next;
        limit = best.cost * SLACK;
    }
    return best.i;
}

static uint32_t find_portable(const fb_rendezvous_t *t, uint64_t h) {
    return t->equal ? find_equal(t, h) : find_weighted(t, h);
}

#if FB_X86
#include <immintrin.h>

enum { VECTORS = GROUP / 4 };

/* The four `c` from node i on, of a hash in all four lanes. */
FB_TARGET_AVX2 static inline __m256i uniform_avx2(const fb_rendezvous_t *t, size_t i, __m256i h) {
    const __m256i by = _mm256_load_si256((const __m256i *)(const void *)(t->by + i));
    const __m256i plus = _mm256_load_si256((const __m256i *)(const void *)(t->plus + i));
    const __m256i crossed = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(by, 32), h),
                                             _mm256_mul_epu32(by, _mm256_srli_epi64(h, 32)));
    return _mm256_add_epi64(_mm256_add_epi64(_mm256_mul_epu32(by, h), plus),
                            _mm256_slli_epi64(crossed, 32));
}

/* Each lane keeps its least `c` and where it was. */
FB_TARGET_AVX2 static uint32_t find_equal_avx2(const fb_rendezvous_t *t, uint64_t h) {
    const __m256i hash = _mm256_set1_epi64x((long long)h), sign = _mm256_set1_epi64x(INT64_MIN);
    __m256i lowest[VECTORS], best[VECTORS], here[VECTORS];
    for (size_t v = 0; v < VECTORS; v++) {
        const long long first = (long long)(4 * v);
        lowest[v] = _mm256_set1_epi64x(INT64_MAX);
        best[v] = _mm256_setzero_si256();
        here[v] = _mm256_setr_epi64x(first, first + 1, first + 2, first + 3);
    }
    for (size_t i = 0; i < t->n; i += GROUP) {
        for (size_t v = 0; v < VECTORS; v++) {
            const __m256i c = _mm256_xor_si256(uniform_avx2(t, i + 4 * v, hash), sign);
            const __m256i less = _mm256_cmpgt_epi64(lowest[v], c);
            lowest[v] = _mm256_blendv_epi8(lowest[v], c, less);
            best[v] = _mm256_blendv_epi8(best[v], here[v], less);
            here[v] = _mm256_add_epi64(here[v], _mm256_set1_epi64x(GROUP));
        }
    }
    int64_t value[GROUP], at[GROUP];
    for (size_t v = 0; v < VECTORS; v++) {
        _mm256_storeu_si256((__m256i *)(void *)(value + 4 * v), lowest[v]);
        _mm256_storeu_si256((__m256i *)(void *)(at + 4 * v), best[v]);
    }
    size_t r = 0;
    for (size_t l = 1; l < GROUP; l++)
        if (value[l] < value[r] || (value[l] == value[r] && at[l] < at[r])) r = l;
    return (uint32_t)at[r];
}

/* Each lane keeps its two least bounds and where the least was. */
FB_TARGET_AVX2 static uint32_t find_weighted_avx2(const fb_rendezvous_t *t, uint64_t h) {
    const __m256i hash = _mm256_set1_epi64x((long long)h);
    const __m256i exponent = _mm256_set1_epi64x(0x3FF0000000000000ll); /* of 1 */
    const __m256d unit = _mm256_set1_pd(1.0), half = _mm256_set1_pd(0.5);
    const __m256d third = _mm256_set1_pd(BELOW_THIRD);
    __m256d lowest[VECTORS], second[VECTORS], best[VECTORS], here[VECTORS];
    for (size_t v = 0; v < VECTORS; v++) {
        const double first = (double)(4 * v);
        lowest[v] = second[v] = _mm256_set1_pd(INFINITY);
        best[v] = _mm256_setzero_pd();
        here[v] = _mm256_setr_pd(first, first + 1, first + 2, first + 3);
    }
    for (size_t i = 0; i < t->n; i += GROUP) {
        for (size_t v = 0; v < VECTORS; v++) {
            const __m256i c = uniform_avx2(t, i + 4 * v, hash);
            const __m256i bits = _mm256_or_si256(_mm256_srli_epi64(c, 12), exponent);
            const __m256d x = _mm256_sub_pd(_mm256_castsi256_pd(bits), unit);
            const __m256d factor = _mm256_add_pd(half, _mm256_mul_pd(x, third));
            const __m256d y = _mm256_mul_pd(
                _mm256_add_pd(x, _mm256_mul_pd(_mm256_mul_pd(x, x), factor)),
                _mm256_load_pd(t->per + i + 4 * v));
            const __m256d less = _mm256_cmp_pd(y, lowest[v], _CMP_LT_OQ);
            second[v] = _mm256_min_pd(second[v], _mm256_max_pd(lowest[v], y));
            lowest[v] = _mm256_min_pd(lowest[v], y);
            best[v] = _mm256_blendv_pd(best[v], here[v], less);
            here[v] = _mm256_add_pd(here[v], _mm256_set1_pd(GROUP));
        }
    }
    double value[GROUP], next[GROUP], at[GROUP];
    for (size_t v = 0; v < VECTORS; v++) {
        _mm256_storeu_pd(value + 4 * v, lowest[v]);
        _mm256_storeu_pd(next + 4 * v, second[v]);
        _mm256_storeu_pd(at + 4 * v, best[v]);
    }
    size_t r = 0;
    double rest = next[0];
    for (size_t l = 1; l < GROUP; l++) {
        const double other = value[l] < value[r] ? value[r] : value[l];
        r = value[l] < value[r] ? l : r;
        rest = other < rest ? other : rest;
        rest = next[l] < rest ? next[l] : rest;
    }
    const uint32_t i = (uint32_t)at[r];
    return most(t, i, uniform(t, i, h)) * SLACK < rest ? i : find_weighted(t, h);
}

static uint32_t find_avx2(const fb_rendezvous_t *t, uint64_t h) {
    return t->equal ? find_equal_avx2(t, h) : find_weighted_avx2(t, h);
}
#endif

void fb_rendezvous_find_keys(const fb_rendezvous_t *t, fb_keys_cursor_t keys, uint64_t seed,
                             int32_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0)
        for (size_t i = 0; i < n; i++) *out++ = (int32_t)t->find(t, hashes[i]);
}

/* ---- the best ones ------------------------------------------------------------------------- */

/* Lets the candidate at `at` sink in a heap of n whose worst one is on top. */
static void sink(candidate_t *heap, size_t n, size_t at) {
    const candidate_t moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && better(heap[child], heap[child + 1])) child++;
        if (!better(moving, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

fb_status_t fb_rendezvous_rank(const fb_rendezvous_t *t, uint64_t h, uint32_t want, uint32_t *out) {
    if (want == 0) return FB_OK;
    candidate_t *heap = malloc((size_t)want * sizeof *heap);
    if (heap == NULL) return FB_NO_MEMORY;
    for (uint32_t i = 0; i < want; i++) heap[i] = candidate(t, i, uniform(t, i, h));
    for (size_t i = want / 2; i-- > 0;) sink(heap, want, i);
    for (uint32_t i = want; i < t->n; i++) {
        const uint64_t c = uniform(t, i, h);
        if (t->equal ? c > heap[0].c : least(t, i, c) > heap[0].cost * SLACK) continue;
        const candidate_t next = candidate(t, i, c);
        if (!better(next, heap[0])) continue;
        heap[0] = next;
        sink(heap, want, 0);
    }
    for (size_t left = want; left > 0; left--) { /* the worst one comes last */
        out[left - 1] = heap[0].i;
        heap[0] = heap[left - 1];
        sink(heap, left - 1, 0);
    }
    free(heap);
    return FB_OK;
}
