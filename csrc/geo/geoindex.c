/* Points that move on the sphere: quadtrees over the faces of a cube (the trees themselves: quads.c).
 *
 * Idea. A point is seen from the centre through a cube around the sphere: it belongs to a face, and to a cell of a
 * grid on that [1]. So there are no poles, and no antimeridian. Every node has a box in space that holds its
 * patch of the sphere, from which the chord to a point is bounded below; boxes follow from cells, so moving
 * points leaves them alone. Siblings' boxes lie side by side, and are measured four at a time.
 *
 * Points carry their unit vectors as floats, good to a metre: enough to leave nearly all others out. What is left is
 * measured by the haversine of distance.c, which alone decides. The slack of 1e-6 radii, and as much of
 * the chord, is several times what floats round. The nearest are searched in the leaf of the point first,
 * then from the faces down, the nearest child first.
 *
 * Complexity. As in quadtree.c. 38 bytes a point and what chunks have free.
 *
 * [1] As in the S2 library, with the plain central projection.
 */
#include "geoindex.h"

#include <math.h>

#include "cpu.h"
#include "distance.h"
#include "nearest.h"
#if FB_X86
#include <immintrin.h>
#endif

enum { CELLS = 1 << FB_QUADS_DEPTH, FACES = 6, CAPACITY = 24 };

#define RADIANS 0.017453292519943295
#define HALF_TURN 3.141592653589793
#define SLACK 1e-6

/* ---- cells ---------------------------------------------------------------------------------------------- */

static double wrapped(double lng) {
    const double turn = lng >= -180 && lng <= 180 ? lng : fmod(lng, 360);
    return turn > 180 ? turn - 360 : turn < -180 ? turn + 360 : turn;
}

static uint32_t cell_of(double u) {
    const double cell = (u + 1.0) * (CELLS / 2);
    return cell > 0 ? cell < CELLS - 1 ? (uint32_t)cell : CELLS - 1 : 0;
}

static void place(const fb_quads_t *t, fb_quads_point_t *point) {
    (void)t;
    point->a += 0.0; /* 0.0 for -0.0 */
    point->b = wrapped(point->b) + 0.0;
    const double lat = point->a * RADIANS, lng = point->b * RADIANS, wide = cos(lat);
    const double at[3] = {wide * cos(lng), wide * sin(lng), sin(lat)};
    uint32_t axis = fabs(at[1]) > fabs(at[0]) ? 1 : 0;
    if (fabs(at[2]) > fabs(at[axis])) axis = 2;
    const uint32_t face = axis + (at[axis] < 0 ? 3 : 0);
    const double most = fabs(at[axis]);
    for (int i = 0; i < 3; i++) point->c[i] = (float)at[i];
    point->cx = face << FB_QUADS_DEPTH | cell_of(at[(axis + 1) % 3] / most);
    point->cy = cell_of(at[(axis + 2) % 3] / most);
}

/* The box of a node: each coordinate is least and largest at a corner, or nearest to the middle of the face. */
static void box_of(const fb_quads_node_t *node, fb_quads_boxes_t *boxes, uint32_t slot) {
    const uint32_t face = node->cx >> FB_QUADS_DEPTH, axis = face % 3;
    const double side = 2.0 / (1u << node->depth);
    double us[3], vs[3];
    us[0] = (node->cx & (CELLS - 1)) * (2.0 / CELLS) - 1.0;
    vs[0] = node->cy * (2.0 / CELLS) - 1.0;
    us[1] = us[0] + side;
    vs[1] = vs[0] + side;
    us[2] = us[0] > 0 ? us[0] : us[1] < 0 ? us[1] : 0;
    vs[2] = vs[0] > 0 ? vs[0] : vs[1] < 0 ? vs[1] : 0;
    for (int i = 0; i < 3; i++) boxes->low[i][slot] = 2, boxes->high[i][slot] = -2;
    for (int i = 0; i < 9; i++) {
        const double u = us[i % 3], v = vs[i / 3], length = sqrt(1.0 + u * u + v * v);
        double at[3];
        at[axis] = (face < 3 ? 1.0 : -1.0) / length;
        at[(axis + 1) % 3] = u / length;
        at[(axis + 2) % 3] = v / length;
        for (int k = 0; k < 3; k++) {
            const float low = (float)(at[k] - SLACK / 4), high = (float)(at[k] + SLACK / 4);
            if (low < boxes->low[k][slot]) boxes->low[k][slot] = low;
            if (high > boxes->high[k][slot]) boxes->high[k][slot] = high;
        }
    }
}

static void made(fb_quads_t *t, uint32_t child) {
    for (uint32_t i = 0; i < 4; i++) {
        fb_quads_boxes_t *boxes = &t->boxes[child / 4];
        box_of(&t->nodes[child + i], boxes, i);
        if (child + i >= FACES && t->nodes[child + i].parent == FB_QUADS_NONE) { /* no face */
            for (int k = 0; k < 3; k++) boxes->low[k][i] = boxes->high[k][i] = 9;
        }
    }
}

fb_status_t fb_geoindex_begin(fb_quads_t *t, uint64_t seed) {
    memset(t, 0, sizeof *t);
    t->place = place;
    t->made = made;
    t->roots = FACES;
    t->depth = FB_QUADS_DEPTH;
    t->capacity = CAPACITY;
    t->seed = seed;
    return fb_quads_begin(t, true);
}

/* The square of the longest chord, in radii, that can be worth a look for points within `metres`. */
static float chord_bound(double metres) {
    const double half = metres / (2.0 * FB_EARTH_RADIUS);
    if (!(half < HALF_TURN / 2)) return 9.0f;
    const double chord = 2.0 * sin(half) * (1.0 + SLACK) + SLACK;
    return (float)(chord * chord * (1.0 + SLACK));
}

/* ---- searches ------------------------------------------------------------------------------------------- */

/* What is searched for. */
typedef struct {
    double lat[FB_QUADS_CHUNK], lng[FB_QUADS_CHUNK];
    float c[3];
    uint32_t leaf;
} from_t;

static from_t from_of(const fb_quads_t *t, double lat, double lng) {
    fb_quads_point_t point = {.a = lat, .b = lng};
    from_t from;
    place(t, &point);
    for (int i = 0; i < FB_QUADS_CHUNK; i++) from.lat[i] = point.a, from.lng[i] = point.b;
    for (int i = 0; i < 3; i++) from.c[i] = point.c[i];
    from.leaf = point.cx >> FB_QUADS_DEPTH;
    for (uint32_t bit = FB_QUADS_DEPTH; t->nodes[from.leaf].child != FB_QUADS_NONE;) {
        bit--;
        from.leaf = t->nodes[from.leaf].child + (point.cx >> bit & 1) + 2 * (point.cy >> bit & 1);
    }
    return from;
}

typedef struct {
    float square;
    uint32_t node;
} near_t;

/* Squares of chords of four boxes, at most. */
FB_INLINE void box_squares(const fb_quads_boxes_t *boxes, const float at[3], float squares[4]) {
    for (int i = 0; i < 4; i++) squares[i] = 0;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 4; i++) {
            const float below = boxes->low[k][i] - at[k], above = at[k] - boxes->high[k][i];
            const float most = below > above ? below : above, gap = most > 0 ? most : 0;
            squares[i] += gap * gap;
        }
    }
}

/* Bit mask of the points of a chunk, there or not, whose chords are not above a bound. */
FB_INLINE uint32_t near_portable(const fb_quads_chunk_t *chunk, const float at[3], float bound) {
    const fb_quads_floats_t *points = (const fb_quads_floats_t *)(const void *)(chunk + 1);
    uint32_t bits = 0;
    for (int i = 0; i < FB_QUADS_CHUNK; i++) {
        const float x = points->c[0][i] - at[0], y = points->c[1][i] - at[1], z = points->c[2][i] - at[2];
        bits |= (uint32_t)(x * x + y * y + z * z <= bound) << i;
    }
    return bits;
}

/* Distances of the points of a chunk that a mask tells, by their order in it. */
FB_INLINE void measure(const fb_quads_chunk_t *chunk, const from_t *from, uint32_t bits, double *metres) {
    double lat[FB_QUADS_CHUNK], lng[FB_QUADS_CHUNK];
    size_t n = 0;
    for (; bits; bits &= bits - 1, n++) {
        const unsigned slot = fb_trailing_zeros64(bits);
        lat[n] = chunk->a[slot];
        lng[n] = chunk->b[slot];
    }
    fb_haversine(from->lat, from->lng, lat, lng, n, metres);
}

/* Orders n answers, nearest first. */
static void sort_found(int64_t *ids, double *metres, size_t n) {
    for (size_t i = 0; i < n; i++) fb_heap_push(ids, metres, i, ids[i], metres[i]);
    fb_heap_sort(ids, metres, n, n);
}

#define LEVEL(name) name##_portable
#define TARGET
#include "geoindex_search.h"

#if FB_X86
#define LEVEL(name) name##_avx2
#define TARGET FB_TARGET_AVX2
FB_TARGET_AVX2 static inline uint32_t near_avx2(const fb_quads_chunk_t *chunk, const float at[3],
                                                float bound) {
    const fb_quads_floats_t *points = (const fb_quads_floats_t *)(const void *)(chunk + 1);
    const __m256 x = _mm256_sub_ps(_mm256_loadu_ps(points->c[0]), _mm256_set1_ps(at[0]));
    const __m256 y = _mm256_sub_ps(_mm256_loadu_ps(points->c[1]), _mm256_set1_ps(at[1]));
    const __m256 z = _mm256_sub_ps(_mm256_loadu_ps(points->c[2]), _mm256_set1_ps(at[2]));
    const __m256 square = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(x, x), _mm256_mul_ps(y, y)),
                                        _mm256_mul_ps(z, z));
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(square, _mm256_set1_ps(bound), _CMP_LE_OQ));
}
#include "geoindex_search.h"
#define DISPATCH(name, ...) \
    (fb_cpu_level() >= FB_CPU_AVX2 ? name##_avx2(__VA_ARGS__) : name##_portable(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_portable(__VA_ARGS__)
#endif

size_t fb_geoindex_nearest(const fb_quads_t *t, const double *lat, const double *lng, size_t m, size_t k,
                           double most, int64_t *ids, double *metres) {
    return DISPATCH(nearest, t, lat, lng, m, k, most, ids, metres);
}

fb_status_t fb_geoindex_within(const fb_quads_t *t, const double *lat, const double *lng,
                               const double *metres, size_t m, size_t limit, fb_quads_found_t *found,
                               uint64_t *ends) {
    return DISPATCH(within, t, lat, lng, metres, m, limit, found, ends);
}
