/* Centres and corners of cells, operation by operation as the pure-Python twin and the H3 library.
 *
 * Idea. The place of a cell on the lattice of a face comes from its digits; past a side of the face it
 * is carried over to the next one. From there on it is polar coordinates: the distance from the
 * centre of the face (an arctangent), and the azimuth. h3_geometry.c finds the same points faster, but
 * not with the same last bits, which decide whether a point on the edge of a polygon is in it.
 *
 * Complexity: O(resolution) per cell.
 */
#include "h3_outline.h"

#include <math.h>

typedef struct {
    int32_t a, b;
} place_t;

typedef struct {
    int face;
    place_t at;
} face_place_t;

static place_t finer(place_t p, bool odd) {
    const place_t even_place = {3 * p.a - p.b, p.a + 2 * p.b};
    const place_t odd_place = {2 * p.a + p.b, 3 * p.b - p.a};
    return odd ? odd_place : even_place;
}

static place_t turned(place_t p, int times) {
    for (int n = 0; n < times; n++) {
        const place_t next = {p.a - p.b, p.a};
        p = next;
    }
    return p;
}

static place_t sum(place_t p, place_t q) {
    const place_t s = {p.a + q.a, p.b + q.b};
    return s;
}

/* How far a place is towards one of the sides of a face. */
static int32_t reach(place_t p, int side) {
    return side == 0 ? p.a + p.b : side == 1 ? p.b - 2 * p.a : p.a - 2 * p.b;
}

static int farthest(place_t p) {
    int best = 0;
    for (int side = 1; side < 3; side++)
        if (reach(p, side) > reach(p, best)) best = side;
    return best;
}

/* Where the sides are, on the lattice of an even resolution. */
static int32_t limit(int res) {
    int32_t far = 2;
    for (int n = 0; n < res / 2; n++) far *= 7;
    return far;
}

static place_t step_of(int digit) {
    const int k = digit & 1;
    const place_t step = {(digit >> 2) - k, (digit >> 1 & 1) - k};
    return step;
}

static face_place_t place_of(uint64_t cell) {
    const int res = fb_h3_res(cell);
    const uint64_t digits = fb_h3_used_digits(cell);
    const int8_t *chart = fb_h3_charts[fb_h3_base_cell(cell)][fb_h3_first_digit(digits)];
    const uint64_t steps = fb_h3_turned(digits, (unsigned)chart[3]);
    face_place_t place = {chart[0], {chart[1], chart[2]}};
    for (int n = 1; n <= res; n++)
        place.at = sum(finer(place.at, n % 2 == 1),
                       step_of((int)(steps >> 3 * (FB_H3_MAX_RES - n)) & 7));
    const place_t far = res % 2 == 1 ? finer(place.at, false) : place.at;
    const int side = farthest(far);
    if (reach(far, side) + (chart[4] >> side & 1) <= limit(res + res % 2)) return place;
    const int8_t *next = fb_h3_face_neighbors[place.face][side];
    place_t shift = {next[2], next[3]};
    for (int n = 1; n <= res; n++) shift = finer(shift, n % 2 == 1);
    const face_place_t moved = {next[0], sum(turned(place.at, next[1]), shift)};
    return moved;
}

static fb_h3_point_t unproject(int face, double x, double y, int res, bool corners) {
    double r = sqrt(x * x + y * y), v[3];
    const double *c = fb_h3_face_centers[face];
    if (r < 1e-16) {
        const fb_h3_point_t center = {asin(c[2]), atan2(c[1], c[0])};
        return center;
    }
    double theta = atan2(y, x);
    for (int n = 0; n < res; n++) r *= 0.37796447300922725;
    if (corners) r *= 0.3333333333333333;
    r = atan(r * 0.381966011250105);
    if (res % 2 == 1) theta = fb_h3_within_turn(theta + FB_H3_AP7_ANGLE);
    theta = fb_h3_within_turn(fb_h3_face_azimuths[face] - theta);
    const double n = cos(theta), e = sin(theta), s = sin(r), u = cos(r);
    for (int d = 0; d < 3; d++)
        v[d] = (n * fb_h3_face_north[face][d] + e * fb_h3_face_east[face][d]) * s + u * c[d];
    const double scale = 1 / sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    const fb_h3_point_t point = {asin(v[2] * scale), atan2(v[1] * scale, v[0] * scale)};
    return point;
}

fb_h3_point_t fb_h3_reference_center(uint64_t cell) {
    const face_place_t p = place_of(cell);
    return unproject(p.face, p.at.a - 0.5 * p.at.b, p.at.b * 0.8660254037844386, fb_h3_res(cell),
                     false);
}

/* ---- corners, on a grid three times as fine ----------------------------------------------------- */

static fb_h3_point_t corner_point(int face, double a, double b, int res) {
    return unproject(face, a - 0.5 * b, b * 0.8660254037844386, res + res % 2, true);
}

/* Corner `n` of the cell around a place. */
static place_t corner_at(place_t middle, int n, bool odd) {
    const place_t step = {odd ? 5 : 2, odd ? 4 : 1};
    return sum(middle, turned(step, n % 6));
}

/* A corner, carried over a side of the face. */
static fb_h3_point_t corner_over(int face, place_t p, int res) {
    const int32_t bound = 3 * limit(res + res % 2);
    const int side = farthest(p);
    if (reach(p, side) > bound) {
        const int8_t *next = fb_h3_face_neighbors[face][side];
        const place_t shift = {next[2] * bound / 2, next[3] * bound / 2};
        p = sum(turned(p, next[1]), shift);
        face = next[0];
    }
    return corner_point(face, p.a, p.b, res);
}

/* Where the edge from p to q, one of which is beyond a side of the face, crosses it. */
static fb_h3_point_t crossing(int face, place_t p, place_t q, int res) {
    const int32_t bound = 3 * limit(res + res % 2);
    const int side_p = farthest(p), side_q = farthest(q);
    const int side = reach(q, side_q) > reach(p, side_p) ? side_q : side_p;
    const double far_p = reach(p, side) - bound, far_q = reach(q, side) - bound;
    const double t = far_p / (far_p - far_q);
    const double x = p.a - 0.5 * p.b, y = p.b * 0.8660254037844386;
    const double u = q.a - 0.5 * q.b, v = q.b * 0.8660254037844386;
    return unproject(face, x + t * (u - x), y + t * (v - y), res + res % 2, true);
}

static bool crosses(place_t p, place_t q, int res) {
    const int32_t bound = 3 * limit(res + res % 2);
    const int32_t far_p = reach(p, farthest(p)) - bound, far_q = reach(q, farthest(q)) - bound;
    return (far_p < 0 && far_q > 0) || (far_p > 0 && far_q < 0);
}

/* Each corner of a pentagon is on a face of its own. */
static size_t pentagon_boundary(int base, int res, fb_h3_point_t *corners) {
    static const int around[5] = {6, 2, 3, 5, 4};
    const bool odd = res % 2 == 1;
    fb_h3_point_t last = {0, 0};
    size_t n = 0;
    for (int v = 0; v < 5; v++) {
        const int8_t *chart = fb_h3_charts[base][around[v]];
        const int turns = chart[1] > 0 ? 0 : chart[2] > 0 ? 2 : 4; /* it is on the i, j or k axis */
        place_t middle = {chart[1], chart[2]};
        for (int m = 1; m <= res + res % 2; m++) middle = finer(middle, m % 2 == 1);
        middle.a *= 3;
        middle.b *= 3;
        const place_t before = corner_at(middle, 1 + turns, odd);
        const place_t here = corner_at(middle, 2 + turns, odd);
        if (odd) {
            const fb_h3_point_t cross = crossing(chart[0], before, here, res);
            if (v > 0) corners[n++] = cross;
            else last = cross;
        }
        corners[n++] = corner_point(chart[0], here.a, here.b, res);
    }
    if (odd) corners[n++] = last;
    return n;
}

size_t fb_h3_reference_boundary(uint64_t cell, fb_h3_point_t corners[FB_H3_MAX_CORNERS]) {
    const int res = fb_h3_res(cell);
    const bool odd = res % 2 == 1;
    if (fb_h3_is_pentagon_base(fb_h3_base_cell(cell)) && fb_h3_used_digits(cell) == 0)
        return pentagon_boundary(fb_h3_base_cell(cell), res, corners);
    const face_place_t p = place_of(cell);
    place_t middle = {3 * p.at.a, 3 * p.at.b};
    if (odd) middle = finer(middle, false);
    size_t n = 0;
    for (int v = 0; v < 6; v++) {
        const place_t here = corner_at(middle, v, odd), next = corner_at(middle, v + 1, odd);
        corners[n++] = corner_over(p.face, here, res);
        if (odd && crosses(here, next, res)) corners[n++] = crossing(p.face, here, next, res);
    }
    return n;
}
