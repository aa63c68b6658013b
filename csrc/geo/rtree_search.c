/* Searches of R-trees.
 *
 * Complexity: O(log n + answers) for boxes that overlap little. The nearest are found depth first with a
 * bound [1].
 *
 * [1] N. Roussopoulos, S. Kelley, F. Vincent, "Nearest neighbor queries", SIGMOD 1995.
 */
#include <stdlib.h>

#include "cpu.h"
#include "nearest.h"
#include "rtree_nodes.h"
#if FB_X86
#include <immintrin.h>
#endif

enum { FAN = FB_RTREE_FAN, STACK = FAN * FB_RTREE_LEVELS };

/* ---- nodes of views ------------------------------------------------------------------------- */

/* A node and its level, in one word. */
FB_INLINE uint64_t ref(uint32_t node, uint32_t level) { return (uint64_t)level << 32 | node; }
FB_INLINE uint32_t ref_node(uint64_t at) { return (uint32_t)at; }
FB_INLINE uint32_t ref_level(uint64_t at) { return (uint32_t)(at >> 32); }
FB_INLINE unsigned lowest(uint32_t bits) { return fb_trailing_zeros64(bits); }

FB_INLINE const fb_rtree_node_t *node_at(const fb_rtree_view_t *view, uint32_t node) {
    return view->chunks[node >> FB_RTREE_CHUNK_BITS] + (node & (FB_RTREE_CHUNK - 1));
}

FB_INLINE uint64_t child_of(const fb_rtree_view_t *view, const fb_rtree_node_t *node, uint64_t at,
                            unsigned slot) {
    const uint32_t level = ref_level(at);
    if (!view->packed) return ref(node->of.to.child[slot], level - 1);
    const uint32_t child = view->first[level - 1] + (ref_node(at) - view->first[level]) * FAN + slot;
    const uint32_t last = view->first[level] - 1; /* damaged boxes may stand where no child is */
    return ref(child < last ? child : last, level - 1);
}

FB_INLINE void prefetch_node(const fb_rtree_node_t *node) {
    const char *p = (const char *)node;
    for (size_t line = 0; line < sizeof(*node); line += 64) FB_PREFETCH(p + line);
}

/* ---- searches ------------------------------------------------------------------------------- */

static bool more_room(fb_rtree_found_t *found) {
    const size_t max = 2 * found->max + 64;
    int64_t *ids = (int64_t *)realloc(found->ids, max * sizeof(*ids));
    if (ids == NULL) return false;
    found->ids = ids;
    if (found->others != NULL) {
        int64_t *others = (int64_t *)realloc(found->others, max * sizeof(*others));
        if (others == NULL) return false;
        found->others = others;
    }
    found->max = max;
    return true;
}

typedef struct {
    double square;
    uint64_t ref;
} near_t;

#define LEVEL(name) name##_portable
#define TARGET
FB_INLINE uint32_t hits_portable(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FAN; i++) {
        const bool hit = (node->min_x[i] <= box->max_x) & (node->max_x[i] >= box->min_x) &
                         (node->min_y[i] <= box->max_y) & (node->max_y[i] >= box->min_y);
        bits |= (uint32_t)hit << i;
    }
    return bits;
}
FB_INLINE uint32_t measure_portable(const fb_rtree_node_t *node, double x, double y, double bound,
                                    double *squares) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FAN; i++) {
        const double dx = fb_max(fb_max(node->min_x[i] - x, x - node->max_x[i]), 0.0);
        const double dy = fb_max(fb_max(node->min_y[i] - y, y - node->max_y[i]), 0.0);
        squares[i] = dx * dx + dy * dy;
        bits |= (uint32_t)((squares[i] <= bound) & (node->min_x[i] < INFINITY)) << i;
    }
    return bits;
}
#include "rtree_search.h"

#if FB_X86
/* Both rungs by the same text: vectors of W numbers, and the instructions for them. */
#define DEFINE_TESTS(RUNG, TARGETED, V, W, SET1, LOAD, STORE, AND, LE, SUB, ADD, MUL, MAX, MASK)            \
    TARGETED FB_INLINE uint32_t hits_##RUNG(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {       \
        const V min_x = SET1(box->min_x), min_y = SET1(box->min_y);                                         \
        const V max_x = SET1(box->max_x), max_y = SET1(box->max_y);                                         \
        uint32_t bits = 0;                                                                                  \
        for (unsigned i = 0; i < FAN; i += W) {                                                             \
            const V in_x = AND(LE(LOAD(node->min_x + i), max_x), LE(min_x, LOAD(node->max_x + i)));         \
            const V in_y = AND(LE(LOAD(node->min_y + i), max_y), LE(min_y, LOAD(node->max_y + i)));         \
            bits |= (uint32_t)MASK(AND(in_x, in_y)) << i;                                                   \
        }                                                                                                   \
        return bits;                                                                                        \
    }                                                                                                       \
    TARGETED FB_INLINE uint32_t measure_##RUNG(const fb_rtree_node_t *node, double x, double y,             \
                                               double bound, double *squares) {                             \
        const V at_x = SET1(x), at_y = SET1(y), most = SET1(bound), zero = SET1(0.0);                       \
        const V finite = SET1(1.7976931348623157e308);                                                      \
        uint32_t bits = 0;                                                                                  \
        for (unsigned i = 0; i < FAN; i += W) {                                                             \
            const V low_x = LOAD(node->min_x + i);                                                          \
            V dx = MAX(SUB(low_x, at_x), SUB(at_x, LOAD(node->max_x + i)));                                 \
            V dy = MAX(SUB(LOAD(node->min_y + i), at_y), SUB(at_y, LOAD(node->max_y + i)));                 \
            dx = MAX(dx, zero);                                                                             \
            dy = MAX(dy, zero);                                                                             \
            const V square = ADD(MUL(dx, dx), MUL(dy, dy));                                                 \
            STORE(squares + i, square);                                                                     \
            bits |= (uint32_t)MASK(AND(LE(square, most), LE(low_x, finite))) << i;                          \
        }                                                                                                   \
        return bits;                                                                                        \
    }

#define LE_AVX2(a, b) _mm256_cmp_pd(a, b, _CMP_LE_OQ)
DEFINE_TESTS(sse2, , __m128d, 2, _mm_set1_pd, _mm_load_pd, _mm_storeu_pd, _mm_and_pd, _mm_cmple_pd,
             _mm_sub_pd, _mm_add_pd, _mm_mul_pd, _mm_max_pd, _mm_movemask_pd)
DEFINE_TESTS(avx2, FB_TARGET_AVX2, __m256d, 4, _mm256_set1_pd, _mm256_load_pd, _mm256_storeu_pd,
             _mm256_and_pd, LE_AVX2, _mm256_sub_pd, _mm256_add_pd, _mm256_mul_pd, _mm256_max_pd,
             _mm256_movemask_pd)

#define LEVEL(name) name##_sse2
#define TARGET
#include "rtree_search.h"
#define LEVEL(name) name##_avx2
#define TARGET FB_TARGET_AVX2
#include "rtree_search.h"
#endif

/* Calls the function of the level in use. */
#if FB_X86
#define DISPATCH(name, ...)                                            \
    (fb_cpu_level() >= FB_CPU_AVX2   ? name##_avx2(__VA_ARGS__)        \
     : fb_cpu_level() == FB_CPU_SSE2 ? name##_sse2(__VA_ARGS__)        \
                                     : name##_portable(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_portable(__VA_ARGS__)
#endif

fb_status_t fb_rtree_query(const fb_rtree_view_t *view, const fb_rtree_box_t *box,
                           fb_rtree_found_t *found) {
    return DISPATCH(query, view, box, found);
}

fb_status_t fb_rtree_query_many(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                fb_rtree_found_t *found, uint64_t *ends) {
    return DISPATCH(query_many, view, boxes, m, found, ends);
}

void fb_rtree_spread(const uint64_t *ends, size_t m, int64_t *numbers) {
    for (size_t i = 0, at = 0; i < m; i++) {
        while (at < ends[i]) numbers[at++] = (int64_t)i;
    }
}

void fb_rtree_count_many(const fb_rtree_view_t *view, const double *boxes, size_t m, int64_t *counts) {
    DISPATCH(count_many, view, boxes, m, counts);
}

size_t fb_rtree_nearest(const fb_rtree_view_t *view, const double *points, size_t m, size_t k, double most,
                        int64_t *ids, double *distances) {
    const double bound = fb_square_bound(most);
    return DISPATCH(nearest_many, view, points, m, k, bound, ids, distances);
}

fb_rtree_box_t fb_rtree_bounds(const fb_rtree_view_t *view) {
    return view->height ? fb_rtree_node_box(node_at(view, view->root)) : fb_rtree_no_box();
}

fb_status_t fb_rtree_join(const fb_rtree_view_t *a, const fb_rtree_view_t *b, fb_rtree_found_t *found) {
    if (a->height == 0 || b->height == 0) return FB_OK;
    return DISPATCH(join, a, ref(a->root, a->height - 1), fb_rtree_bounds(a), b,
                    ref(b->root, b->height - 1), fb_rtree_bounds(b), found);
}

static size_t items_below(const fb_rtree_view_t *view, uint64_t at, int64_t *ids, double *boxes) {
    const fb_rtree_node_t *node = node_at(view, ref_node(at));
    size_t n = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (fb_rtree_is_empty(node, slot)) continue;
        if (ref_level(at) > 0) {
            n += items_below(view, child_of(view, node, at, slot), ids + n,
                             boxes == NULL ? NULL : boxes + 4 * n);
            continue;
        }
        const fb_rtree_box_t box = fb_rtree_entry_box(node, slot);
        ids[n] = node->of.ids[slot];
        if (boxes != NULL) memcpy(boxes + 4 * n, &box, sizeof(box));
        n++;
    }
    return n;
}

void fb_rtree_items(const fb_rtree_view_t *view, int64_t *ids, double *boxes) {
    if (!view->packed) {
        if (view->height) (void)items_below(view, ref(view->root, view->height - 1), ids, boxes);
        return;
    }
    for (size_t i = 0; i < view->n; i++) { /* by place: where a damaged box stands there still is an item */
        const fb_rtree_node_t *node = node_at(view, (uint32_t)(i / FAN));
        const fb_rtree_box_t box = fb_rtree_entry_box(node, i % FAN);
        ids[i] = node->of.ids[i % FAN];
        if (boxes != NULL) memcpy(boxes + 4 * i, &box, sizeof(box));
    }
}
