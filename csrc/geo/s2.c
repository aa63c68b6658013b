/* S2 cells.
 *
 * Idea [1]. A point of the sphere is seen from the middle on one of the six faces of a cube, at (u, v) in
 * [-1, 1]^2. A quadratic map to (s, t) in [0, 1]^2 evens out the areas. The face is divided in four, 30
 * times; a Hilbert curve runs through the 2^30 x 2^30 leaves of each, and from face to face. An id is
 *
 *     bit  63..61   60 .. 61 - 2 L              60 - 2 L   below
 *          face     position, 2 bits a level    1          0          (level L)
 *
 * so that a cell's descendants are an interval around it, [id - (b - 1), id + (b - 1)] with b its low bit.
 *
 * Hilbert curve without tables. At each level the curve lies in one of four ways: i and j exchanged (S) or
 * not, both mirrored (V) or not. With i, j, x = i ^ j of a level, the position is 2 i' + x with
 * i' = i ^ (S & x) ^ V, and the next (S, V) is an affine function of (S, V) over GF(2). If S and V are
 * exchanged at every second level, its linear part is 1 or a cube root of unity of GF(4), and (S, V) an
 * element of GF(4). So the ways of all levels are a prefix scan over words of 30 bits, in five steps. Back
 * from positions it is simpler: a position alone tells which of S and V turn over.
 *
 * Latitude and longitude to leaf. The ids of the S2 library depend on the last bit of libm's sine and
 * cosine. Here lanes compute with their own; where (s, t) comes so near to the side of a leaf that it could
 * matter (GUARD, ten times the largest error), a point is done again by S2's formula. Points near the
 * edges of the cube are near the side of a leaf, too.
 *
 * All is O(1) a cell; normalize is O(n log n).
 *
 * [1] S2 Geometry, s2geometry.io, "S2 Cell Hierarchy".
 */
#include "geo/s2.h"

#include <math.h>
#include <stdlib.h>

#include "cpu.h"
#include "geo/interleave.h"
#include "geo/sphere.h"

enum { SIZE = 1 << FB_S2_MAX_LEVEL, BLOCK = 128 };

#define GUARD 4e-6 /* leaves */

/* ---- words of 30 levels, the top level at bit 29 ---- */

#define LEVELS 0x3fffffffu
#define SECOND 0x15555555u /* the levels 1, 3, 5, ..., at which S and V are exchanged */

/* The upper bits of the positions of all levels; the lower ones are i ^ j. */
FB_INLINE uint32_t hilbert(uint32_t i, uint32_t j, uint32_t face) {
    const uint32_t x = i ^ j, both = i & ~j;
    /* What a level makes of (S, V) = c: m c + its own c, elements of GF(4) as 2 bits. */
    uint32_t m1 = ~x & LEVELS, m0 = (x | SECOND) & LEVELS;
    uint32_t c1 = ((both & SECOND) | (~j & ~SECOND)) & LEVELS;
    uint32_t c0 = ((~j & SECOND) | (both & ~SECOND)) & LEVELS;
    c0 |= (face & 1) << 30; /* how the curve lies on the face, as if a level above had made it */
    for (int d = 1; d <= 16; d *= 2) {
        const uint32_t e1 = c1 >> d, e0 = c0 >> d, f1 = m1 >> d, f0 = m0 >> d;
        c1 ^= (m1 & (e1 ^ e0)) ^ (m0 & e1);
        c0 ^= (m0 & e0) ^ (m1 & e1);
        const uint32_t m = (m1 & (f1 ^ f0)) ^ (m0 & f1);
        m0 = (m0 & f0) ^ (m1 & f1);
        m1 = m;
    }
    c1 >>= 1; /* what the levels above have made */
    c0 >>= 1;
    const uint32_t exchanged = (c1 & SECOND) | (c0 & ~SECOND);
    const uint32_t mirrored = (c0 & SECOND) | (c1 & ~SECOND);
    return (i ^ (exchanged & x) ^ mirrored) & LEVELS;
}

FB_INLINE uint64_t leaf_of(uint32_t face, uint32_t i, uint32_t j) {
    return (uint64_t)face << 61 | fb_spread_bits(hilbert(i, j, face)) << 2 | fb_spread_bits(i ^ j) << 1 | 1;
}

/* Bit k of the result: whether an odd number of the bits k and above are 1. */
FB_INLINE uint32_t parities_above(uint32_t x) {
    for (int d = 1; d <= 16; d *= 2) x ^= x >> d;
    return x;
}

typedef struct {
    int face;
    int32_t i, j, size; /* of the lowest leaf; size in leaves */
} place_t;

static place_t place_of(uint64_t cell) {
    const uint32_t face = (uint32_t)(cell >> 61);
    const uint32_t high = (uint32_t)fb_gather_bits(cell >> 2) & LEVELS;
    const uint32_t low = (uint32_t)fb_gather_bits(cell >> 1) & LEVELS;
    const uint32_t exchanged = parities_above((~(high ^ low) & LEVELS) | (face & 1) << 30) >> 1;
    const uint32_t mirrored = parities_above(high & low) >> 1;
    const int32_t size = SIZE >> fb_s2_level(cell);
    const uint32_t i = (high ^ (exchanged & low) ^ mirrored) & LEVELS;
    const uint32_t j = (high ^ (~exchanged & low) ^ mirrored) & LEVELS;
    return (place_t){(int)face, (int32_t)i & -size, (int32_t)j & -size, size};
}

/* ---- the sphere, the cube and its faces ---- */

void fb_s2_point(double lat, double lng, double point[3]) {
    if (fabs(lng) > 180) lng = remainder(lng, 360);
    const double phi = FB_PI / 180 * lat, theta = FB_PI / 180 * lng, cosine = cos(phi);
    point[0] = cos(theta) * cosine;
    point[1] = sin(theta) * cosine;
    point[2] = sin(phi);
}

static void point_latlng(const double p[3], double *lat, double *lng) {
    *lat = 180 / FB_PI * atan2(p[2] + 0.0, sqrt(p[0] * p[0] + p[1] * p[1]));
    *lng = 180 / FB_PI * atan2(p[1] + 0.0, p[0] + 0.0);
}

/* The face of the largest coordinate. */
static int face_of(const double p[3]) {
    const double x = fabs(p[0]), y = fabs(p[1]), z = fabs(p[2]);
    const int axis = x > y ? (x > z ? 0 : 2) : (y > z ? 1 : 2);
    return p[axis] < 0 ? axis + 3 : axis;
}

/* Right, up and out of every face: which coordinate, and its sign. */
static const struct {
    uint8_t axis[3];
    int8_t sign[3];
} faces[6] = {{{1, 2, 0}, {1, 1, 1}},    {{0, 2, 1}, {-1, 1, 1}},  {{0, 1, 2}, {-1, -1, 1}},
              {{2, 1, 0}, {-1, -1, -1}}, {{2, 0, 1}, {-1, 1, -1}}, {{1, 0, 2}, {1, 1, -1}}};

void fb_s2_to_face(int face, const double point[3], double uvw[3]) {
    for (int k = 0; k < 3; k++) {
        const double x = point[faces[face].axis[k]];
        uvw[k] = faces[face].sign[k] < 0 ? -x : x;
    }
}

void fb_s2_from_face(int face, const double uvw[3], double point[3]) {
    for (int k = 0; k < 3; k++)
        point[faces[face].axis[k]] = faces[face].sign[k] < 0 ? -uvw[k] : uvw[k];
}

static double st_to_uv(double s) {
    return s >= 0.5 ? 1.0 / 3 * (4 * s * s - 1) : 1.0 / 3 * (1 - 4 * (1 - s) * (1 - s));
}

static double uv_to_st(double u) {
    return u >= 0 ? 0.5 * sqrt(1 + 3 * u) : 1 - 0.5 * sqrt(1 - 3 * u);
}

/* Which of the leaves along a side holds s. */
static uint32_t st_to_index(double s) {
    const double at = floor(SIZE * s);
    return at < 0 ? 0 : at >= SIZE ? SIZE - 1 : (uint32_t)at;
}

fb_s2_bounds_t fb_s2_bounds(uint64_t cell) {
    const place_t p = place_of(cell);
    return (fb_s2_bounds_t){
        .face = p.face,
        .left = st_to_uv((double)p.i / SIZE),
        .right = st_to_uv((double)(p.i + p.size) / SIZE),
        .lower = st_to_uv((double)p.j / SIZE),
        .upper = st_to_uv((double)(p.j + p.size) / SIZE),
    };
}

void fb_s2_vertices(fb_s2_bounds_t b, double points[4][3]) {
    for (int k = 0; k < 4; k++) {
        const double uvw[3] = {k == 1 || k == 2 ? b.right : b.left, k >= 2 ? b.upper : b.lower, 1};
        double *p = points[k];
        fb_s2_from_face(b.face, uvw, p);
        const double scale = 1 / sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
        for (int axis = 0; axis < 3; axis++) p[axis] *= scale;
    }
}

/* ---- from latitude and longitude ---- */

uint64_t fb_s2_leaf(const double point[3]) {
    double uvw[3];
    const int face = face_of(point);
    fb_s2_to_face(face, point, uvw);
    return leaf_of((uint32_t)face, st_to_index(uv_to_st(uvw[0] / uvw[2])),
                   st_to_index(uv_to_st(uvw[1] / uvw[2])));
}

/* S2's formula. */
static uint64_t leaf_by_libm(double lat, double lng) {
    double p[3];
    fb_s2_point(lat, lng, p);
    return fb_s2_leaf(p);
}

/* A point, by lanes' own sine and cosine. */
FB_INLINE void lane_point(double lat, double lng, double *x, double *y, double *z) {
    double sine, cosine, parallel;
    fb_sincos_degrees(lat, z, &parallel);
    fb_sincos_degrees(fabs(lng) > 180 ? 0 : lng, &sine, &cosine);
    *x = cosine * parallel;
    *y = sine * parallel;
}

/* The face of a point, and where on it. The axes of opposite faces are the same, exchanged. */
FB_INLINE void lane_face(double x, double y, double z, double *face, double *u, double *v) {
    const double ax = fabs(x), ay = fabs(y), az = fabs(z), larger = ax > ay ? ax : ay;
    const double side = ax > ay ? x : y, w = az >= larger ? z : side, scale = 1 / w;
    const double across = ax > ay ? y : -x;
    const double p = (az >= larger ? -x : across) * scale, q = (az >= larger ? -y : z) * scale;
    const double axis = az >= larger ? 2.0 : ax > ay ? 0.0 : 1.0;
    *face = w < 0 ? axis + 3 : axis;
    *u = w < 0 ? q : p;
    *v = w < 0 ? p : q;
}

/* Which leaf along the side of a face holds u. *doubt grows to the distance from its middle. */
FB_INLINE uint32_t lane_index(double u, double *doubt) {
    const double root = 0.5 * SIZE * sqrt(1 + 3 * fabs(u));
    const double at = (u < 0 ? SIZE - root : root) - 0.5, shifted = at + FB_ROUNDER;
    const double off = fabs(at - (shifted - FB_ROUNDER));
    *doubt = *doubt > off ? *doubt : off;
    return (uint32_t)fb_bits_of(shifted) & LEVELS;
}

/* Whether lanes may be wrong: for what lies near the side of a leaf, and longitudes to be wrapped. */
FB_INLINE double lane_doubt(double lng) { return fabs(lng) > 180 ? 1.0 : 0.0; }
#define SURE (0.5 - GUARD)

uint64_t fb_s2_cell(double lat, double lng, int level) {
    double x, y, z, face, u, v, doubt = lane_doubt(lng);
    lane_point(lat, lng, &x, &y, &z);
    lane_face(x, y, z, &face, &u, &v);
    const uint32_t i = lane_index(u, &doubt), j = lane_index(v, &doubt);
    const uint64_t leaf =
        FB_UNLIKELY(doubt > SURE) ? leaf_by_libm(lat, lng) : leaf_of((uint32_t)face, i, j);
    return fb_s2_ancestor(leaf, level);
}

/* A block of lanes, in loops that compilers make vectors of. */
FB_INLINE void block(const double *lat, const double *lng, size_t n, int level, uint64_t *cells) {
    double x[BLOCK], y[BLOCK], z[BLOCK], on_face[BLOCK], u[BLOCK], v[BLOCK], doubt[BLOCK];
    uint32_t face[BLOCK], i[BLOCK], j[BLOCK], high[BLOCK];
    const uint64_t bit = fb_s2_bit_of(level);
    double most = 0;
    for (size_t k = 0; k < n; k++) lane_point(lat[k], lng[k], &x[k], &y[k], &z[k]);
    for (size_t k = 0; k < n; k++) lane_face(x[k], y[k], z[k], &on_face[k], &u[k], &v[k]);
    for (size_t k = 0; k < n; k++) doubt[k] = lane_doubt(lng[k]);
    for (size_t k = 0; k < n; k++) i[k] = lane_index(u[k], &doubt[k]);
    for (size_t k = 0; k < n; k++) j[k] = lane_index(v[k], &doubt[k]);
    for (size_t k = 0; k < n; k++) face[k] = (uint32_t)fb_bits_of(on_face[k] + FB_ROUNDER) & 7;
    for (size_t k = 0; k < n; k++) high[k] = hilbert(i[k], j[k], face[k]);
    for (size_t k = 0; k < n; k++) {
        const uint64_t position = fb_spread_bits(high[k]) << 2 | fb_spread_bits(i[k] ^ j[k]) << 1;
        cells[k] = (((uint64_t)face[k] << 61 | position) & (0 - bit)) | bit;
    }
    for (size_t k = 0; k < n; k++) most = most > doubt[k] ? most : doubt[k];
    if (FB_UNLIKELY(most > SURE))
        for (size_t k = 0; k < n; k++)
            if (doubt[k] > SURE) cells[k] = fb_s2_ancestor(leaf_by_libm(lat[k], lng[k]), level);
}

FB_INLINE void blocks(const double *lat, const double *lng, size_t n, int level, uint64_t *cells) {
    for (; n >= BLOCK; n -= BLOCK, lat += BLOCK, lng += BLOCK, cells += BLOCK)
        block(lat, lng, BLOCK, level, cells);
    block(lat, lng, n, level, cells);
}

static void cells_portable(const double *lat, const double *lng, size_t n, int level,
                           uint64_t *cells) {
    blocks(lat, lng, n, level, cells);
}

#if FB_X86
FB_TARGET_AVX2 static void cells_avx2(const double *lat, const double *lng, size_t n, int level,
                                      uint64_t *cells) {
    blocks(lat, lng, n, level, cells);
}

FB_TARGET_AVX512 static void cells_avx512(const double *lat, const double *lng, size_t n, int level,
                                          uint64_t *cells) {
    blocks(lat, lng, n, level, cells);
}
#endif

void fb_s2_cells(const double *lat, const double *lng, size_t n, int level, uint64_t *cells) {
#if FB_X86
    const int cpu = fb_cpu_level();
    if (cpu >= FB_CPU_AVX512) return cells_avx512(lat, lng, n, level, cells);
    if (cpu >= FB_CPU_AVX2) return cells_avx2(lat, lng, n, level, cells);
#endif
    cells_portable(lat, lng, n, level, cells);
}

/* ---- of one cell ---- */

void fb_s2_center(uint64_t cell, double *lat, double *lng) {
    const place_t place = place_of(cell);
    double p[3];
    const double uvw[3] = {st_to_uv((2.0 * place.i + place.size) / (2.0 * SIZE)),
                           st_to_uv((2.0 * place.j + place.size) / (2.0 * SIZE)), 1};
    fb_s2_from_face(place.face, uvw, p);
    point_latlng(p, lat, lng);
}

size_t fb_s2_token(uint64_t cell, char token[16]) {
    const size_t length = 16 - fb_trailing_zeros64(cell) / 4;
    memset(token, 0, 16);
    for (size_t k = 0; k < length; k++) token[k] = "0123456789abcdef"[cell >> (60 - 4 * k) & 15];
    return length;
}

uint64_t fb_s2_of_token(const char *token, size_t length) {
    uint64_t cell = 0;
    if (length == 0 || length > 16) return 0;
    for (size_t k = 0; k < length; k++) {
        const unsigned c = (unsigned char)token[k], letter = c | 32;
        unsigned digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (letter >= 'a' && letter <= 'f') digit = letter - 'a' + 10;
        else return 0;
        cell |= (uint64_t)digit << (60 - 4 * k);
    }
    return cell != 0 && fb_s2_is_valid(cell) ? cell : 0;
}

/* The leaf at a column and row that may be beyond the edge of the face: by S2's way to the face there. */
static uint64_t leaf_around(int face, int32_t i, int32_t j) {
    if (i >= 0 && i < SIZE && j >= 0 && j < SIZE)
        return leaf_of((uint32_t)face, (uint32_t)i, (uint32_t)j);
    const double most = 1 + 0x1p-52;
    const double u = (2.0 * (i - SIZE / 2) + 1) / SIZE, v = (2.0 * (j - SIZE / 2) + 1) / SIZE;
    double uvw[3] = {fmax(-most, fmin(most, u)), fmax(-most, fmin(most, v)), 1}, p[3];
    fb_s2_from_face(face, uvw, p);
    face = face_of(p);
    fb_s2_to_face(face, p, uvw);
    return leaf_of((uint32_t)face, st_to_index(0.5 * (uvw[0] / uvw[2] + 1)),
                   st_to_index(0.5 * (uvw[1] / uvw[2] + 1)));
}

/* The length on the face of the leaves [low, low + size): a difference of st_to_uv without its error. */
static double span(int32_t low, int32_t size) {
    if (size == SIZE) return 2;
    const double s = (double)low / SIZE, t = (double)(low + size) / SIZE;
    return 4.0 / 3 * (t - s) * (s >= 0.5 ? t + s : 2 - t - s);
}

double fb_s2_triangle(double volume, double a, double b, double c, double ab, double bc, double ca) {
    return 2 * atan2(volume, a * b * c + ab * c + bc * a + ca * b);
}

double fb_s2_area(uint64_t cell) {
    const place_t place = place_of(cell);
    const fb_s2_bounds_t s = fb_s2_bounds(cell);
    const double u0 = s.left, u1 = s.right, v0 = s.lower, v1 = s.upper;
    const double volume = span(place.i, place.size) * span(place.j, place.size);
    const double a = sqrt(1 + u0 * u0 + v0 * v0), b = sqrt(1 + u1 * u1 + v0 * v0);
    const double c = sqrt(1 + u1 * u1 + v1 * v1), d = sqrt(1 + u0 * u0 + v1 * v1);
    const double ab = 1 + u0 * u1 + v0 * v0, bc = 1 + u1 * u1 + v0 * v1;
    const double cd = 1 + u0 * u1 + v1 * v1, da = 1 + u0 * u0 + v0 * v1;
    const double ca = 1 + u0 * u1 + v0 * v1;
    return fb_s2_triangle(volume, a, b, c, ab, bc, ca) + fb_s2_triangle(volume, a, c, d, ca, cd, da);
}

/* ---- batches ---- */

size_t fb_s2_first_bad(const uint64_t *cells, size_t n, int low, int high) {
    for (size_t k = 0; k < n; k++) {
        if (FB_UNLIKELY(!fb_s2_is_valid(cells[k]))) return k;
        const int level = fb_s2_level(cells[k]);
        if (FB_UNLIKELY(level < low || level > high)) return k;
    }
    return n;
}

void fb_s2_centers(const uint64_t *cells, size_t n, double *lat, double *lng) {
    for (size_t k = 0; k < n; k++) fb_s2_center(cells[k], &lat[k], &lng[k]);
}

void fb_s2_tokens(const uint64_t *cells, size_t n, char *tokens) {
    for (size_t k = 0; k < n; k++) (void)fb_s2_token(cells[k], tokens + 16 * k);
}

size_t fb_s2_of_tokens(const char *tokens, size_t width, size_t n, uint64_t *cells) {
    for (size_t k = 0; k < n; k++, tokens += width) {
        const char *end = memchr(tokens, 0, width);
        cells[k] = fb_s2_of_token(tokens, end ? (size_t)(end - tokens) : width);
        if (cells[k] == 0) return k;
    }
    return n;
}

void fb_s2_levels(const uint64_t *cells, size_t n, int8_t *levels) {
    for (size_t k = 0; k < n; k++) levels[k] = (int8_t)fb_s2_level(cells[k]);
}

void fb_s2_parents(const uint64_t *cells, size_t n, int level, uint64_t *parents) {
    for (size_t k = 0; k < n; k++)
        parents[k] = fb_s2_ancestor(cells[k], level < 0 ? fb_s2_level(cells[k]) - 1 : level);
}

void fb_s2_children_offsets(const uint64_t *cells, size_t n, int level, int64_t *offsets) {
    uint64_t first;
    offsets[0] = 0;
    for (size_t k = 0; k < n; k++) {
        const int deep = level < 0 ? fb_s2_level(cells[k]) + 1 : level;
        offsets[k + 1] = offsets[k] + (int64_t)fb_s2_descendants(cells[k], deep, &first);
    }
}

void fb_s2_children(const uint64_t *cells, size_t n, int level, uint64_t *children) {
    for (size_t k = 0; k < n; k++) {
        const int deep = level < 0 ? fb_s2_level(cells[k]) + 1 : level;
        uint64_t child;
        for (uint64_t left = fb_s2_descendants(cells[k], deep, &child); left > 0; left--) {
            *children++ = child;
            child += 2 * fb_s2_bit_of(deep);
        }
    }
}

void fb_s2_edge_neighbors(const uint64_t *cells, size_t n, uint64_t *neighbors) {
    for (size_t k = 0; k < n; k++) {
        const place_t p = place_of(cells[k]);
        const int level = fb_s2_level(cells[k]);
        *neighbors++ = fb_s2_ancestor(leaf_around(p.face, p.i, p.j - p.size), level);
        *neighbors++ = fb_s2_ancestor(leaf_around(p.face, p.i + p.size, p.j), level);
        *neighbors++ = fb_s2_ancestor(leaf_around(p.face, p.i, p.j + p.size), level);
        *neighbors++ = fb_s2_ancestor(leaf_around(p.face, p.i - p.size, p.j), level);
    }
}

void fb_s2_all_neighbors(const uint64_t *cells, size_t n, uint64_t *neighbors, int64_t *offsets) {
    uint64_t *const first = neighbors;
    offsets[0] = 0;
    for (size_t k = 0; k < n; k++) {
        const place_t p = place_of(cells[k]);
        uint64_t *const own = neighbors;
        for (int around = 0; around < 9; around++) {
            if (around == 4) continue;
            const int32_t i = p.i + (around % 3 - 1) * p.size, j = p.j + (around / 3 - 1) * p.size;
            const uint64_t cell = fb_s2_ancestor(leaf_around(p.face, i, j), fb_s2_level(cells[k]));
            const uint64_t *same = own; /* beyond a corner of the cube there is no cell */
            while (same < neighbors && *same != cell) same++;
            if (same == neighbors) *neighbors++ = cell;
        }
        offsets[k + 1] = neighbors - first;
    }
}

void fb_s2_vertex_neighbors(uint64_t leaf, int level, uint64_t neighbors[4]) {
    const place_t own = place_of(fb_s2_ancestor(leaf, level)), at = place_of(leaf);
    const int32_t x = at.i - own.i >= own.size / 2 ? own.size : -own.size;
    const int32_t y = at.j - own.j >= own.size / 2 ? own.size : -own.size;
    for (int k = 0; k < 4; k++)
        neighbors[k] = fb_s2_ancestor(
            leaf_around(own.face, own.i + (k % 2) * x, own.j + (k / 2) * y), level);
}

void fb_s2_boundaries(const uint64_t *cells, size_t n, double *points) {
    for (size_t k = 0; k < n; k++) {
        double vertices[4][3];
        fb_s2_vertices(fb_s2_bounds(cells[k]), vertices);
        for (int v = 0; v < 4; v++, points += 2) point_latlng(vertices[v], points, points + 1);
    }
}

void fb_s2_areas(const uint64_t *cells, size_t n, double scale, double *areas) {
    for (size_t k = 0; k < n; k++) areas[k] = fb_s2_area(cells[k]) * scale;
}

void fb_s2_are_valid(const uint64_t *cells, size_t n, bool *valid) {
    for (size_t k = 0; k < n; k++) valid[k] = fb_s2_is_valid(cells[k]);
}

void fb_s2_contain(const uint64_t *a, const uint64_t *b, size_t n, bool *found) {
    for (size_t k = 0; k < n; k++) found[k] = fb_s2_contains(a[k], b[k]);
}

void fb_s2_intersect(const uint64_t *a, const uint64_t *b, size_t n, bool *found) {
    for (size_t k = 0; k < n; k++)
        found[k] = fb_s2_contains(a[k], b[k]) || fb_s2_contains(b[k], a[k]);
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Whether the four cells that end at `last` are the children of one. */
static bool are_siblings(const uint64_t *last) {
    const uint64_t bit = fb_s2_low_bit(last[-3]);
    if (fb_s2_level(last[-3]) == 0 || last[0] - last[-3] != 6 * bit) return false;
    for (int k = 0; k < 3; k++)
        if (last[-k] - last[-k - 1] != 2 * bit || fb_s2_low_bit(last[-k]) != bit) return false;
    return fb_s2_ancestor(last[-3], fb_s2_level(last[-3]) - 1) ==
           fb_s2_ancestor(last[0], fb_s2_level(last[-3]) - 1);
}

size_t fb_s2_normalize(uint64_t *cells, size_t n) {
    size_t kept = 0;
    qsort(cells, n, sizeof *cells, compare);
    for (size_t k = 0; k < n; k++) {
        const uint64_t cell = cells[k];
        while (kept > 0 && fb_s2_contains(cell, cells[kept - 1])) kept--;
        if (kept > 0 && fb_s2_contains(cells[kept - 1], cell)) continue;
        cells[kept++] = cell;
        while (kept >= 4 && are_siblings(&cells[kept - 1])) {
            kept -= 3;
            cells[kept - 1] = fb_s2_ancestor(cells[kept - 1], fb_s2_level(cells[kept - 1]) - 1);
        }
    }
    return kept;
}
