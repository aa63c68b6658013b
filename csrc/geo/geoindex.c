/* Points that move on the sphere: quadtrees over the faces of a cube (the trees themselves: quads.c).
 *
 * Idea. A point is seen from the centre through a cube around the sphere: it belongs to a face, and to a cell of a
 * grid on that [1]. So there are no poles, and no antimeridian. Every node has a box in space that holds its
 * patch of the sphere, from which the chord to a point is bounded below; boxes follow from cells, so moving
 * points leaves them alone. Siblings' boxes lie side by side, and are measured four at a time.
 *
 * Points carry their unit vectors as floats, good to a metre: enough to leave nearly all others out. What is left is
 * measured by the haversine of distance.c, which alone decides. The slack of 1e-6 radii, and as much of
 * the chord, is several times what floats round. The nearest are searched in the leaf of the point first, then
 * beside it and beside the nodes above, the nearest first, up to the first node that holds all that can be as
 * near. Of a batch, points are searched for in the order of a Z curve, so that what one has fetched serves the next.
 * The nearest one is found by chords of floats alone, but for those that differ by less than their slack; then
 * answers are measured many at once.
 *
 * Complexity. As in quadtree.c. 37 bytes a point and what chunks have free.
 *
 * [1] As in the S2 library, with the plain central projection.
 */
#include "geoindex.h"

#include <math.h>
#include <stdlib.h>

#include "cpu.h"
#include "distance.h"
#include "nearest.h"
#include "sort.h"
#include "sphere.h"
#if FB_X86
#include <immintrin.h>
#endif

enum { CELLS = 1 << FB_QUADS_DEPTH, FACES = 6, CAPACITY = 32 };

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

/* A place on the sphere, and its cell. */
typedef struct {
    float c[3];
    uint32_t cx, cy;
} spot_t;

FB_INLINE spot_t spot_of(double x, double y, double z) {
    const double at[3] = {x, y, z};
    uint32_t axis = fabs(y) > fabs(x) ? 1 : 0;
    if (fabs(z) > fabs(at[axis])) axis = 2;
    const uint32_t face = axis + (at[axis] < 0 ? 3 : 0);
    const double most = fabs(at[axis]);
    return (spot_t){{(float)x, (float)y, (float)z},
                    face << FB_QUADS_DEPTH | cell_of(at[(axis + 1) % 3] / most),
                    cell_of(at[(axis + 2) % 3] / most)};
}

static void place(const fb_quads_t *t, fb_quads_point_t *point) {
    (void)t;
    point->a += 0.0; /* 0.0 for -0.0 */
    point->b = wrapped(point->b) + 0.0;
    const double lat = point->a * FB_RADIANS, lng = point->b * FB_RADIANS, wide = cos(lat);
    const spot_t spot = spot_of(wide * cos(lng), wide * sin(lng), sin(lat));
    memcpy(point->c, spot.c, sizeof spot.c);
    point->cx = spot.cx;
    point->cy = spot.cy;
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
    if (!(half < FB_PI / 2)) return 9.0f;
    const double chord = 2.0 * sin(half) * (1.0 + SLACK) + SLACK;
    return (float)(chord * chord * (1.0 + SLACK));
}

/* ---- searches ------------------------------------------------------------------------------------------- */

enum { WAITING = 32, ALONE = 64 };

/* What is searched for and, as nearest.h keeps it or not yet measured, found. */
typedef struct {
    double lat, lng;
    float c[3];
    float bound; /* the square of a chord: what is further is not worth a look */
    double most; /* metres */
    size_t k, n;
    int64_t *ids; /* the nearest k, n of them */
    double *metres;
    size_t waiting; /* of the nearest one: candidates */
    double lat_of[WAITING], lng_of[WAITING];
    int64_t id_of[WAITING];
    float squares[WAITING];
} search_t;

FB_INLINE void begin_search(search_t *s, const spot_t *spot, double lat, double lng, double most, float bound) {
    s->lat = lat;
    s->lng = wrapped(lng);
    memcpy(s->c, spot->c, sizeof s->c);
    s->most = most;
    s->bound = bound;
    s->n = s->waiting = 0;
}

/* Rows whose only candidate has yet to be measured. */
typedef struct {
    double lat[ALONE], lng[ALONE], lat_of[ALONE], lng_of[ALONE];
    size_t row[ALONE];
    size_t n;
} alone_t;

/* The leaf of a spot. */
FB_INLINE uint32_t leaf_of(const fb_quads_t *t, const spot_t *spot) {
    uint32_t at = spot->cx >> FB_QUADS_DEPTH;
    for (uint32_t bit = FB_QUADS_DEPTH; !fb_quads_is_leaf(t, at);) {
        bit--;
        at = fb_quads_child(t, at, spot->cx, spot->cy, bit);
    }
    return at;
}

/* Whether nothing outside a node that holds a spot is within a chord of it. A chord of c <= 0.1 is an angle of
 * at most a = 1.001 c. On the plane of the face that reaches no further than
 *   r sin(a) / cos(atan(sqrt(r * r - 1)) + a) < 3.6 a,   r <= sqrt(3) the distance of the spot there,
 * and a unit of the plane is 2^23 cells. */
FB_INLINE bool encloses(const fb_quads_t *t, const fb_quads_node_t *node, const spot_t *spot, float bound) {
    const uint32_t last = (1u << (t->depth - node->depth)) - 1;
    const uint32_t west = spot->cx - node->cx, south = spot->cy - node->cy;
    const uint32_t x = west < last - west ? west : last - west, y = south < last - south ? south : last - south;
    return bound < 0.01f && (float)(x < y ? x : y) > sqrtf(bound) * 0x1p25f + 4.0f;
}

/* The square of a chord as it can be for a point that is no further than one with this. */
FB_INLINE float with_slack(float square) {
    const float chord = sqrtf(square) * (float)(1.0 + 2 * SLACK) + (float)(2 * SLACK);
    return chord * chord * (float)(1.0 + SLACK);
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
FB_INLINE uint32_t near_portable(const fb_quads_chunk_t *chunk, const float at[3], float bound,
                                 float squares[FB_QUADS_CHUNK]) {
    const fb_quads_floats_t *points = (const fb_quads_floats_t *)(const void *)(chunk + 1);
    uint32_t bits = 0;
    for (int i = 0; i < FB_QUADS_CHUNK; i++) {
        const float x = points->c[0][i] - at[0], y = points->c[1][i] - at[1], z = points->c[2][i] - at[2];
        squares[i] = x * x + y * y + z * z;
    }
    for (int i = 0; i < FB_QUADS_CHUNK; i++) bits |= (uint32_t)(squares[i] <= bound) << i;
    return bits;
}

/* Distances of the points of a chunk that a mask tells, by their order in it. */
FB_INLINE void measure(const fb_quads_chunk_t *chunk, const search_t *s, uint32_t bits, double *metres) {
    double from[2][FB_QUADS_CHUNK], to[2][FB_QUADS_CHUNK];
    size_t n = 0;
    for (; bits; bits &= bits - 1, n++) {
        const unsigned slot = fb_trailing_zeros64(bits);
        from[0][n] = s->lat;
        from[1][n] = s->lng;
        to[0][n] = chunk->a[slot];
        to[1][n] = chunk->b[slot];
    }
    fb_haversine(from[0], from[1], to[0], to[1], n, metres);
}

/* Leaves those candidates out that are too far by now. */
static void thin_out(search_t *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->waiting; i++) {
        s->squares[n] = s->squares[i];
        s->lat_of[n] = s->lat_of[i];
        s->lng_of[n] = s->lng_of[i];
        s->id_of[n] = s->id_of[i];
        n += s->squares[n] <= s->bound;
    }
    s->waiting = n;
}

/* Measures the candidates: the nearest one is what was or one of them. */
static void settle(search_t *s) {
    double lat[WAITING], lng[WAITING], metres[WAITING];
    thin_out(s);
    for (size_t i = 0; i < s->waiting; i++) lat[i] = s->lat, lng[i] = s->lng;
    fb_haversine(lat, lng, s->lat_of, s->lng_of, s->waiting, metres);
    for (size_t i = 0; i < s->waiting; i++) {
        if (metres[i] > s->most || (s->n && !fb_closer(metres[i], s->id_of[i], s->metres[0], s->ids[0]))) continue;
        s->ids[0] = s->id_of[i];
        s->metres[0] = metres[i];
        s->n = 1;
    }
    s->waiting = 0;
}

/* If there is but one candidate, it is the answer, to be measured later. */
static bool is_alone(search_t *s, size_t row, alone_t *alone) {
    if (s->n) return false;
    thin_out(s);
    if (s->waiting != 1) return false;
    alone->lat[alone->n] = s->lat;
    alone->lng[alone->n] = s->lng;
    alone->lat_of[alone->n] = s->lat_of[0];
    alone->lng_of[alone->n] = s->lng_of[0];
    alone->row[alone->n++] = row;
    s->ids[0] = s->id_of[0];
    return true;
}

static void measure_alone(alone_t *alone, double most, int64_t *ids, double *metres) {
    double found[ALONE];
    fb_haversine(alone->lat, alone->lng, alone->lat_of, alone->lng_of, alone->n, found);
    for (size_t i = 0; i < alone->n; i++) {
        const size_t row = alone->row[i];
        metres[row] = found[i] <= most ? found[i] : INFINITY;
        if (!(found[i] <= most)) ids[row] = -1;
    }
    alone->n = 0;
}

/* Orders n answers, nearest first. */
static void sort_found(int64_t *ids, double *metres, size_t n) {
    for (size_t i = 0; i < n; i++) fb_near_add(ids, metres, i, n, ids[i], metres[i]);
    fb_near_sort(ids, metres, n, n);
}

#define LEVEL(name) name##_portable
#define TARGET
#include "geoindex_search.h"

#if FB_X86
#define LEVEL(name) name##_avx2
#define TARGET FB_TARGET_AVX2
FB_TARGET_AVX2 static inline uint32_t near_avx2(const fb_quads_chunk_t *chunk, const float at[3],
                                                float bound, float squares[FB_QUADS_CHUNK]) {
    const fb_quads_floats_t *points = (const fb_quads_floats_t *)(const void *)(chunk + 1);
    uint32_t bits = 0;
    for (unsigned i = 0; i < FB_QUADS_CHUNK; i += 8) {
        const __m256 x = _mm256_sub_ps(_mm256_loadu_ps(points->c[0] + i), _mm256_set1_ps(at[0]));
        const __m256 y = _mm256_sub_ps(_mm256_loadu_ps(points->c[1] + i), _mm256_set1_ps(at[1]));
        const __m256 z = _mm256_sub_ps(_mm256_loadu_ps(points->c[2] + i), _mm256_set1_ps(at[2]));
        const __m256 square = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(x, x), _mm256_mul_ps(y, y)),
                                            _mm256_mul_ps(z, z));
        _mm256_storeu_ps(squares + i, square);
        bits |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(square, _mm256_set1_ps(bound), _CMP_LE_OQ)) << i;
    }
    return bits;
}
#include "geoindex_search.h"
#endif

size_t fb_geoindex_nearest(const fb_quads_t *t, const double *lat, const double *lng, size_t m, size_t k,
                           double most, int64_t *ids, double *metres) {
    return FB_DISPATCH(nearest, t, lat, lng, m, k, most, ids, metres);
}

fb_status_t fb_geoindex_within(const fb_quads_t *t, const double *lat, const double *lng,
                               const double *metres, size_t m, size_t limit, fb_quads_found_t *found,
                               uint64_t *ends) {
    return FB_DISPATCH(within, t, lat, lng, metres, m, limit, found, ends);
}
