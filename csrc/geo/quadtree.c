/* Quadtree of points in the plane (the trees themselves: quads.c).
 *
 * A point's cell is floor((x - min_x) * scale), likewise for y, at most 2^24 - 1: rounded, but never falling
 * as x rises. So a box needs only the cells of its corners: cells strictly between hold points of the box
 * only, cells outside none, and points in cells on the rim are tested. No rounding of a node's sides is
 * involved. The nearest are searched from the leaf of the point upwards, siblings depth first, the nearest first [1];
 * the sides of a node are taken further out by more than rounding can amount to. The nodes on the way follow from the
 * cell, and are not looked at. A large batch is searched along a Z curve, leaves being fetched some rows ahead.
 *
 * A circle is searched as the box around it, with the corners left out by the distance to nodes. Distances
 * are sqrt(dx * dx + dy * dy); their squares are compared, as in R-trees.
 *
 * Complexity. Of a query O(perimeter of the box in leaves + answers), of the nearest k O(depth + k log k) where
 * points are spread evenly.
 *
 * [1] N. Roussopoulos, S. Kelley, F. Vincent, "Nearest neighbor queries", SIGMOD 1995.
 */
#include "quadtree.h"

#include <math.h>
#include <stdlib.h>

#include "cpu.h"
#include "nearest.h"
#if FB_X86
#include <immintrin.h>
#endif

enum {
    CELLS = 1 << FB_QUADS_DEPTH,
    ALL = (1 << FB_QUADS_CHUNK) - 1,
    MANY = 256,      /* a batch that is worth to be sorted */
    LARGE = 1 << 14, /* points that are not in the nearest caches anyway */
    MOST = 1 << 18   /* of a batch at a time */
};

static uint32_t cell_of(double distance, double scale) {
    const double cell = distance * scale;
    return cell > 0 ? cell < CELLS - 1 ? (uint32_t)cell : CELLS - 1 : 0;
}

static void place(const fb_quads_t *t, fb_quads_point_t *point) {
    point->a += 0.0; /* 0.0 for -0.0 */
    point->b += 0.0;
    point->cx = t->depth ? cell_of(point->a - t->origin_x, t->scale_x) : 0;
    point->cy = t->depth ? cell_of(point->b - t->origin_y, t->scale_y) : 0;
}

fb_status_t fb_quadtree_begin(fb_quads_t *t, const double bounds[4], uint32_t capacity, uint64_t seed) {
    memset(t, 0, sizeof *t);
    t->place = place;
    t->origin_x = bounds[0];
    t->origin_y = bounds[1];
    t->scale_x = CELLS / (bounds[2] - bounds[0]);
    t->scale_y = CELLS / (bounds[3] - bounds[1]);
    t->roots = 1;
    /* Where cells would be too small for a double, there is one. */
    t->depth = t->scale_x < INFINITY && t->scale_y < INFINITY ? FB_QUADS_DEPTH : 0;
    t->capacity = capacity;
    t->seed = seed;
    return fb_quads_begin(t, false);
}

size_t fb_quadtree_outside(const double bounds[4], const double *x, const double *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const bool in = (x[i] >= bounds[0]) & (x[i] <= bounds[2]) & (y[i] >= bounds[1]) & (y[i] <= bounds[3]);
        if (FB_UNLIKELY(!in)) return i;
    }
    return n;
}

/* ---- nodes ---------------------------------------------------------------------------------------------- */

/* Cells, from and to. */
typedef struct {
    uint32_t min_x, min_y, max_x, max_y;
} cells_t;

/* Cells of a box that may stick out of the bounds; false if all of it does. */
static bool cells_of(const fb_quads_t *t, const double box[4], cells_t *cells) {
    const double width = CELLS / t->scale_x, height = CELLS / t->scale_y;
    const double x0 = box[0] - t->origin_x, y0 = box[1] - t->origin_y;
    const double x1 = box[2] - t->origin_x, y1 = box[3] - t->origin_y;
    if (t->depth == 0) {
        *cells = (cells_t){0, 0, 0, 0};
        return true;
    }
    /* The quotients' rounding is allowed for: points are compared anyway. */
    if (x1 < 0 || y1 < 0 || x0 > 2 * width || y0 > 2 * height) return false;
    *cells = (cells_t){cell_of(x0, t->scale_x), cell_of(y0, t->scale_y), cell_of(x1, t->scale_x),
                       cell_of(y1, t->scale_y)};
    return true;
}

/* The smallest node that holds all of some cells, or a leaf that does. */
FB_INLINE uint32_t node_around(const fb_quads_t *t, const cells_t *cells) {
    const uint32_t differ = (cells->min_x ^ cells->max_x) | (cells->min_y ^ cells->max_y);
    uint32_t at = 0;
    for (uint32_t bit = FB_QUADS_DEPTH; !fb_quads_is_leaf(t, at) && differ >> (bit - 1) == 0;) {
        bit--;
        at = fb_quads_child(t, at, cells->min_x, cells->min_y, bit);
    }
    return at;
}

/* Sides of cells in the plane. */
typedef struct {
    double origin_x, origin_y, step_x, step_y, slack_x, slack_y;
} sides_t;

static sides_t sides_of(const fb_quads_t *t) {
    const double width = CELLS / t->scale_x, height = CELLS / t->scale_y;
    return (sides_t){t->origin_x,
                     t->origin_y,
                     1.0 / t->scale_x,
                     1.0 / t->scale_y,
                     (fabs(t->origin_x) + width) * 0x1p-49,
                     (fabs(t->origin_y) + height) * 0x1p-49};
}

/* At most the distance, along an axis, of cells [from, to) from a number. */
FB_INLINE double gap(double number, double origin, double step, double slack, uint32_t from, uint32_t to) {
    const double below = origin + from * step - slack - number, above = number - (origin + to * step) - slack;
    const double most = below > above ? below : above;
    return most > 0 ? most : 0;
}

typedef struct {
    double square;
    uint32_t node;
} near_t;

/* Squares of distances of four siblings, `side` cells wide, the first of which begins at cell (cx, cy). */
FB_INLINE void sibling_gaps(const sides_t *s, uint32_t cx, uint32_t cy, uint32_t side, double x, double y,
                            double squares[4]) {
    double gx[2], gy[2];
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t left = cx + i * side, low = cy + i * side;
        gx[i] = gap(x, s->origin_x, s->step_x, s->slack_x, left, left + side);
        gy[i] = gap(y, s->origin_y, s->step_y, s->slack_y, low, low + side);
        gx[i] *= gx[i];
        gy[i] *= gy[i];
    }
    for (uint32_t i = 0; i < 4; i++) squares[i] = gx[i & 1] + gy[i >> 1];
}

/* Adds siblings, from `child` on, to a stack, but for one and those that are too far: the nearest on top. */
FB_INLINE size_t open_node(const fb_quads_t *t, uint32_t child, uint32_t but, const double to[4],
                           double bound, near_t *stack, size_t depth) {
    const size_t low = depth;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 4; i++) bits |= (uint32_t)(to[i] <= bound) << i;
    if (but != FB_QUADS_NONE) bits &= ~(1u << (but - child));
    for (; bits; bits &= bits - 1) {
        const uint32_t i = fb_trailing_zeros64(bits);
        size_t j = depth++;
        fb_quads_fetch(t, child + i);
        for (; j > low && stack[j - 1].square < to[i]; j--) stack[j] = stack[j - 1];
        stack[j] = (near_t){to[i], child + i};
    }
    return depth;
}

/* The way to a leaf: by[i] is the node with i levels below it that holds a cell, the leaf being by[bit]. Nodes need
 * not be looked at, which are many and seldom in cache. */
typedef struct {
    uint32_t by[FB_QUADS_DEPTH + 1];
    uint32_t cx, cy, bit;
} way_t;

/* Finds the way to the leaf that a point lies in, or is nearest to if it is out of bounds. Fetches it, and its
 * neighbours if they are as near as `part` of its side, which is where the nearest are to be expected. */
FB_INLINE void find_way(const fb_quads_t *t, double x, double y, double part, way_t *way) {
    const uint32_t cx = t->depth ? cell_of(x - t->origin_x, t->scale_x) : 0;
    const uint32_t cy = t->depth ? cell_of(y - t->origin_y, t->scale_y) : 0;
    uint32_t at = 0, bit = t->depth;
    for (way->by[bit] = at; !fb_quads_is_leaf(t, at); way->by[bit] = at) {
        bit--;
        at = fb_quads_child(t, at, cx, cy, bit);
    }
    way->cx = cx;
    way->cy = cy;
    way->bit = bit;
    fb_quads_fetch(t, at);
    const uint32_t side = 1u << bit, reach = (uint32_t)(side * part);
    const uint32_t nx = cx & side >> 1 ? cx + reach : cx - reach, ny = cy & side >> 1 ? cy + reach : cy - reach;
    for (uint32_t i = 1; i < 4; i++) {
        const uint32_t to_x = i & 1 ? nx : cx, to_y = i & 2 ? ny : cy, differ = (to_x ^ cx) | (to_y ^ cy);
        if (differ >> bit == 0 || (to_x | to_y) >= CELLS) continue;
        uint32_t rest = 64 - fb_leading_zeros64(differ);
        for (at = way->by[rest]; !fb_quads_is_leaf(t, at);) {
            rest--;
            at = fb_quads_child(t, at, to_x, to_y, rest);
        }
        fb_quads_fetch(t, at);
    }
}

/* How near k points are to be expected, as a part of a leaf's side. */
FB_INLINE double part_of(const fb_quads_t *t, size_t k) {
    return k < t->capacity ? sqrt((double)k / t->capacity) : 1.0;
}

/* Whether no point outside of a node, 2^bit cells wide, is as near as the square root of `bound`. */
FB_INLINE bool reaches(const sides_t *s, uint32_t cx, uint32_t cy, uint32_t bit, double x, double y, double bound) {
    const uint32_t side = 1u << bit;
    const double low_x = x - (s->origin_x + cx * s->step_x) - s->slack_x;
    const double low_y = y - (s->origin_y + cy * s->step_y) - s->slack_y;
    const double high_x = s->origin_x + (cx + side) * s->step_x - x - s->slack_x;
    const double high_y = s->origin_y + (cy + side) * s->step_y - y - s->slack_y;
    const double x_least = low_x < high_x ? low_x : high_x, y_least = low_y < high_y ? low_y : high_y;
    const double least = x_least < y_least ? x_least : y_least;
    return least > 0 && least * least > bound;
}

/* Appends the points of a chunk that a bit mask tells. */
FB_INLINE bool append(fb_quads_found_t *found, const fb_quads_chunk_t *chunk, uint32_t bits) {
    if (FB_UNLIKELY(found->max - found->n < FB_QUADS_CHUNK) && !fb_quads_more_room(found, false)) {
        return false;
    }
    int64_t *into = found->ids + found->n;
    found->n += fb_popcount64(bits);
    for (; bits; bits &= bits - 1) *into++ = chunk->ids[fb_trailing_zeros64(bits)];
    return true;
}

FB_INLINE size_t row_of(const uint64_t *order, size_t i) { return order == NULL ? i : (uint32_t)order[i]; }

FB_INLINE uint32_t first_bits(uint32_t n) { return (1u << n) - 1; }

/* ---- searches ------------------------------------------------------------------------------------------- */

#define LEVEL(name) name##_portable
#define TARGET
FB_INLINE uint32_t hits_portable(const fb_quads_chunk_t *chunk, const double box[4]) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i++) {
        const bool hit = (chunk->a[i] >= box[0]) & (chunk->a[i] <= box[2]) & (chunk->b[i] >= box[1]) &
                         (chunk->b[i] <= box[3]);
        bits |= (uint32_t)hit << i;
    }
    return bits;
}
FB_INLINE uint32_t squares_to_portable(const fb_quads_chunk_t *chunk, double x, double y,
                                       double squares[FB_QUADS_CHUNK], double bound) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i++) {
        const double dx = chunk->a[i] - x, dy = chunk->b[i] - y;
        squares[i] = dx * dx + dy * dy;
    }
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i++) bits |= (uint32_t)(squares[i] <= bound) << i;
    return bits;
}
FB_INLINE uint32_t least_to_portable(const fb_quads_chunk_t *chunk, double x, double y, double *least) {
    double squares[FB_QUADS_CHUNK];
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i++) {
        const double dx = chunk->a[i] - x, dy = chunk->b[i] - y;
        squares[i] = dx * dx + dy * dy;
        *least = squares[i] < *least ? squares[i] : *least;
    }
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i++) bits |= (uint32_t)(squares[i] == *least) << i;
    return bits;
}
#include "quadtree_search.h"

#if FB_X86
#define LEVEL(name) name##_avx2
#define TARGET FB_TARGET_AVX2
FB_TARGET_AVX2 static inline uint32_t hits_avx2(const fb_quads_chunk_t *chunk, const double box[4]) {
    const __m256d x0 = _mm256_set1_pd(box[0]), y0 = _mm256_set1_pd(box[1]);
    const __m256d x1 = _mm256_set1_pd(box[2]), y1 = _mm256_set1_pd(box[3]);
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i += 4) {
        const __m256d x = _mm256_loadu_pd(chunk->a + i), y = _mm256_loadu_pd(chunk->b + i);
        const __m256d in_x = _mm256_and_pd(_mm256_cmp_pd(x, x0, _CMP_GE_OQ), _mm256_cmp_pd(x, x1, _CMP_LE_OQ));
        const __m256d in_y = _mm256_and_pd(_mm256_cmp_pd(y, y0, _CMP_GE_OQ), _mm256_cmp_pd(y, y1, _CMP_LE_OQ));
        bits |= (uint32_t)_mm256_movemask_pd(_mm256_and_pd(in_x, in_y)) << i;
    }
    return bits;
}
FB_TARGET_AVX2 static inline uint32_t squares_to_avx2(const fb_quads_chunk_t *chunk, double x, double y,
                                                      double squares[FB_QUADS_CHUNK], double bound) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i += 4) {
        const __m256d dx = _mm256_sub_pd(_mm256_loadu_pd(chunk->a + i), _mm256_set1_pd(x));
        const __m256d dy = _mm256_sub_pd(_mm256_loadu_pd(chunk->b + i), _mm256_set1_pd(y));
        const __m256d square = _mm256_add_pd(_mm256_mul_pd(dx, dx), _mm256_mul_pd(dy, dy));
        _mm256_storeu_pd(squares + i, square);
        bits |= (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(square, _mm256_set1_pd(bound), _CMP_LE_OQ)) << i;
    }
    return bits;
}
FB_TARGET_AVX2 static inline uint32_t least_to_avx2(const fb_quads_chunk_t *chunk, double x, double y,
                                                      double *least) {
    __m256d squares[FB_QUADS_CHUNK / 4], most = _mm256_set1_pd(*least);
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i += 4) {
        const __m256d dx = _mm256_sub_pd(_mm256_loadu_pd(chunk->a + i), _mm256_set1_pd(x));
        const __m256d dy = _mm256_sub_pd(_mm256_loadu_pd(chunk->b + i), _mm256_set1_pd(y));
        squares[i / 4] = _mm256_add_pd(_mm256_mul_pd(dx, dx), _mm256_mul_pd(dy, dy));
        most = _mm256_min_pd(squares[i / 4], most); /* the second if the first is NaN */
    }
    most = _mm256_min_pd(most, _mm256_permute4x64_pd(most, 0x4e));
    most = _mm256_min_pd(most, _mm256_permute_pd(most, 5));
    *least = _mm256_cvtsd_f64(most);
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i += 4) {
        bits |= (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(squares[i / 4], most, _CMP_EQ_OQ)) << i;
    }
    return bits;
}
#include "quadtree_search.h"
#endif

fb_status_t fb_quadtree_query(const fb_quads_t *t, const double box[4], fb_quads_found_t *found) {
    return FB_DISPATCH(query, t, box, found);
}

fb_status_t fb_quadtree_within(const fb_quads_t *t, double x, double y, double r, fb_quads_found_t *found) {
    return FB_DISPATCH(within, t, x, y, r, found);
}

fb_status_t fb_quadtree_query_many(const fb_quads_t *t, const double *boxes, size_t m,
                                   fb_quads_found_t *found, uint64_t *ends) {
    return FB_DISPATCH(query_many, t, boxes, m, found, ends);
}

fb_status_t fb_quadtree_within_many(const fb_quads_t *t, const double *x, const double *y,
                                    const double *r, size_t m, fb_quads_found_t *found, uint64_t *ends) {
    return FB_DISPATCH(within_many, t, x, y, r, m, found, ends);
}

void fb_quadtree_fetch(const fb_quads_t *t, double x, double y, size_t k) {
    way_t way;
    if (t->n >= LARGE) find_way(t, x, y, part_of(t, k), &way);
}

size_t fb_quadtree_nearest(const fb_quads_t *t, const double *x, const double *y, size_t m, size_t k,
                           double most, int64_t *ids, double *distances) {
    const double bound = fb_square_bound(most);
    size_t n = 0;
    for (size_t some; m; m -= some, x += some, y += some, ids += some * k, distances += some * k) {
        some = m < MOST ? m : MOST;
        uint64_t *order = some < MANY || t->n < LARGE ? NULL : fb_quads_order(t, x, y, some);
        n = FB_DISPATCH(nearest, t, x, y, order, some, k, bound, ids, distances);
        free(order);
    }
    return n;
}
