/* H3 geometry in blocks of points and cells.
 *
 * Idea. The lattice of every face lies in the plane that touches the sphere there, so a point p goes
 * to it without angles: with C the centre of the face and U, V its axes,
 *
 *     (x, y) = (p.U, p.V) / (p.C) * scale of the resolution
 *
 * and back as the direction of C + x U + y V. Both are a few products; only latitude and longitude
 * need sine, cosine and arctangent, which are polynomials here. Work goes through stages, each a
 * loop without branches over a block of 128 items kept as a structure of arrays, so the compiler
 * makes vectors of it; the same source is compiled once per dispatch level.
 *
 * To cells. Nearest face by signs; cube rounding to the lattice; digits by rounding to the parents. All are
 * integers in doubles. (Of one point, digits are looked up two at a time, see h3_cell.h: less to wait
 * for, but nothing for lanes.) The place at resolution 0 and the first digit tell base cell and turns
 * (h3_tables.h). The result must be the H3 library's, which rounds otherwise: a point
 * whose distance to the border of its cell, or of its face, is within the error of either way is redone
 * by h3_reference.c. With s the scale, h = |x| + |y| and m the largest difference of the cube
 * residuals (1 on the border), a point is sure if
 *
 *     (1 - m) h >= 4e-16 s^2 + 3e-14 h^2 + 1e-12 h
 *
 * the first term being that of acos(1 - d/2) near the face's centre.
 *
 * From cells. Digits are summed to a lattice point, two at a time since two resolutions make 7 times as
 * many steps and no turn, always down to resolution 16, and its grid of corners (3 times as fine), where
 * everything is an exact int32. A cell beyond a side of the
 * face of its base cell is moved to the next face by a map chosen by index, not by a branch. Pentagons, and
 * cells of odd resolutions that a side of a face cuts, have more or fewer corners, and go one by one.
 *
 * Areas are sums of spherical triangles: twice the argument of a product of complex numbers.
 *
 * Same bits on all levels: only + - * / and square root of IEEE doubles, no fused operations.
 *
 * Complexity: O(1) per item; no memory but some kilobytes of stack.
 */
#include "h3_geometry.h"

#include <math.h>

#include "cpu.h"
#include "h3_lanes.h"

enum { BLOCK = 128 };

#define LIMIT 11529602 /* 2 * 7^8: how far the sides of a face are at resolution 16 */

/* ---- points to cells --------------------------------------------------------------------------- */

typedef struct {
    double scale; /* steps of the lattice where the tangent of the angle is 1 */
    int res;
    const double (*x_axis)[3], (*y_axis)[3]; /* of the faces, at even or odd resolutions */
} grid_t;

static grid_t grid_of(int res) {
    /* the golden ratio squared, times sqrt(7) to the power of the resolution */
    static const double scales[16] = {
        2.618033988749896, 6.926666858146694, 18.326237921249266, 48.486668007026864,
        128.28366544874484, 339.406676049188, 897.985658141214, 2375.8467323443165,
        6285.899606988498, 16630.927126410214, 44001.29724891949, 116416.4898848715,
        308009.0807424364, 814915.4291941006, 2156063.5651970548, 5704408.004358703};
    const grid_t grid = {scales[res], res, fb_h3_face_x[res % 2], fb_h3_face_y[res % 2]};
    return grid;
}

/* The nearest face, as an index of fb_h3_nearest_faces: signs of coordinates along three mirror planes'
 * normals, and of what decides between the four faces there. `sure`: none is so small that rounding decides. */
FB_INLINE uint64_t nearest_face(double x, double y, double z, bool *sure) {
    static const double G1 = 0.6180339887498949, G2 = 0.3819660112501051;
    const double(*m)[3] = fb_h3_mirrors;
    const double p = x * m[0][0] + y * m[0][1] + z * m[0][2];
    const double q = x * m[1][0] + y * m[1][1] + z * m[1][2];
    const double r = x * m[2][0] + y * m[2][1] + z * m[2][2];
    const double ap = fabs(p), aq = fabs(q), ar = fabs(r);
    const double d0 = ap + (G2 * aq - G1 * ar);
    const double d1 = ar + (G2 * ap - G1 * aq);
    const double d2 = aq + (G2 * ar - G1 * ap);
    *sure = fb_min(fb_min(fb_min(ap, aq), fb_min(ar, fabs(d0))),
                    fb_min(fabs(d1), fabs(d2))) > 1e-13;
    return (fb_bits_of(p) >> 63 | fb_bits_of(q) >> 63 << 1 | fb_bits_of(r) >> 63 << 2) |
           (fb_bits_of(d0) >> 63 << 3 | fb_bits_of(d1) >> 63 << 4 | fb_bits_of(d2) >> 63 << 5);
}

/* The lattice point nearest to a place; returns whether it is sure. */
FB_INLINE bool nearest_point(double x, double y, double scale, double *out_a,
                             double *out_b) {
    const double b = y * 1.1547005383792515, a = x + 0.5 * b, q = a - b;
    double ra = fb_h3_rounded(a), rb = fb_h3_rounded(b);
    const double rq = fb_h3_rounded(q);
    const double ea = fabs(ra - a), eb = fabs(rb - b), eq = fabs(rq - q);
    const double other_a = rq + rb, other_b = ra - rq;
    const bool worst_a = (ea > eb) & (ea > eq), worst_b = !worst_a & (eb > eq);
    ra = fb_h3_choose(worst_a, other_a, ra);
    rb = fb_h3_choose(worst_b, other_b, rb);
    const double fa = a - ra, fb = b - rb;
    const double d0 = fabs(fa - 2 * fb), d1 = fabs(fa + fb), d2 = fabs(2 * fa - fb);
    const double m = fb_max(fb_max(d0, d1), d2);
    const double h = fabs(x) + fabs(y);
    *out_a = ra;
    *out_b = rb;
    return (1 - m) * h >= 4e-16 * scale * scale + 3e-14 * h * h + 1e-12 * h;
}

/* Past it the remainder by pi/2 is not exact enough; what is there goes to the reference. */
static const double FAR_LNG = 10000;

FB_INLINE void point_at(double lat, double lng, double *x, double *y, double *z) {
    const double angles[2] = {lat * FB_RADIANS, fb_h3_choose(fabs(lng) > FAR_LNG, 0, lng) * FB_RADIANS};
    double s[2], c[2];
    for (int n = 0; n < 2; n++) fb_h3_sine_cosine(angles[n], &s[n], &c[n]);
    *x = c[0] * c[1];
    *y = c[0] * s[1];
    *z = s[0];
}

uint64_t fb_h3_cell_at(double lat, double lng, int res) {
    double x, y, z, a, b;
    bool sure;
    point_at(lat, lng, &x, &y, &z);
    const int face = fb_h3_nearest_faces[nearest_face(x, y, z, &sure)];
    const grid_t grid = grid_of(res);
    const double *u = grid.x_axis[face], *v = grid.y_axis[face], *w = fb_h3_face_centers[face];
    const double k = grid.scale / (x * w[0] + y * w[1] + z * w[2]);
    sure &= nearest_point((x * u[0] + y * u[1] + z * u[2]) * k,
                          (x * v[0] + y * v[1] + z * v[2]) * k, grid.scale, &a, &b);
    if (FB_UNLIKELY(!sure || fabs(lng) > FAR_LNG)) return fb_h3_reference_cell(lat, lng, res);
    return fb_h3_cell_of_place(face, (int64_t)a, (int64_t)b, res);
}

FB_INLINE void cells_of_points(const double *restrict lats, const double *restrict lngs, size_t n,
                               const grid_t *grid, uint64_t *restrict cells) {
    double px[BLOCK], py[BLOCK], pz[BLOCK], as[BLOCK], bs[BLOCK], sums[BLOCK];
    int32_t faces[BLOCK];
    uint64_t unsure[BLOCK], nearest[BLOCK];
    for (size_t i = 0; i < n; i++) point_at(lats[i], lngs[i], &px[i], &py[i], &pz[i]);
    for (size_t i = 0; i < n; i++) {
        bool sure;
        nearest[i] = nearest_face(px[i], py[i], pz[i], &sure);
        unsure[i] = (uint64_t)!sure | (uint64_t)(fabs(lngs[i]) > FAR_LNG);
    }
    for (size_t i = 0; i < n; i++) faces[i] = fb_h3_nearest_faces[nearest[i]];
    const double scale = grid->scale;
    for (size_t i = 0; i < n; i++) {
        const double *u = grid->x_axis[faces[i]], *v = grid->y_axis[faces[i]];
        const double *w = fb_h3_face_centers[faces[i]];
        const double k = scale / (px[i] * w[0] + py[i] * w[1] + pz[i] * w[2]);
        const double x = (px[i] * u[0] + py[i] * u[1] + pz[i] * u[2]) * k;
        const double y = (px[i] * v[0] + py[i] * v[1] + pz[i] * v[2]) * k;
        unsure[i] |= (uint64_t)!nearest_point(x, y, scale, &as[i], &bs[i]);
        sums[i] = 0;
    }
    double weight = fb_of_bits((1023 + 3 * (uint64_t)(FB_H3_MAX_RES - grid->res)) << 52);
    for (int level = grid->res; level > 0; level--, weight *= 8) {
        const bool odd = level % 2 == 1;
        const double aa = odd ? 3 : 2, ab = odd ? -1 : 1, ba = odd ? 1 : -1, bb = odd ? 2 : 3;
        const double ca = odd ? 2 : 3, cb = odd ? 1 : -1, da = odd ? -1 : 1, db = odd ? 3 : 2;
        for (size_t i = 0; i < n; i++) {
            const double a = as[i], b = bs[i];
            const double u = fb_h3_rounded((a * aa + b * ab) * (1.0 / 7));
            const double v = fb_h3_rounded((a * ba + b * bb) * (1.0 / 7));
            const double step = 4 * (a - (u * ca + v * cb)) + 2 * (b - (u * da + v * db));
            sums[i] += fb_h3_choose(step < 0, step + 7, step) * weight;
            as[i] = u;
            bs[i] = v;
        }
    }
    const uint64_t rest = 1ull << 59 | (uint64_t)grid->res << 52 | fb_h3_unused(grid->res);
    for (size_t i = 0; i < n; i++) {
        const int32_t a = (int32_t)as[i], b = (int32_t)bs[i];
        const int32_t lower = a < b ? a : b, low = lower & lower >> 31;
        const int32_t place = 9 * a + 3 * b - 13 * low;
        const uint64_t digits = (uint64_t)(int64_t)sums[i];
        const int first = fb_h3_first_digit(digits);
        const unsigned turns = (unsigned)fb_h3_face_turns[faces[i]][place][first];
        const uint64_t base = (uint64_t)fb_h3_face_cells[faces[i]][place];
        cells[i] = rest | base << 45 | fb_h3_turned(digits, turns);
    }
    for (size_t i = 0; i < n; i++)
        if (FB_UNLIKELY(unsure[i])) cells[i] = fb_h3_reference_cell(lats[i], lngs[i], grid->res);
}

/* ---- cells to lattice points ------------------------------------------------------------------- */

typedef struct {
    int32_t a[BLOCK], b[BLOCK]; /* on the grid of corners of resolution 16 */
    int32_t face[BLOCK];        /* where to lay the cell out */
    int32_t side[BLOCK];        /* the side that the centre is beyond, or 3 */
} places_t;

FB_INLINE int32_t most(int32_t x, int32_t y) { return x > y ? x : y; }

/* The side that a point is farthest towards, how far in *far. */
FB_INLINE int32_t side_of(int32_t a, int32_t b, int32_t *far) {
    const int32_t k = a + b, i = b - 2 * a, j = a - 2 * b;
    *far = most(most(k, i), j);
    return *far == k ? 0 : *far == i ? 1 : 2;
}

FB_INLINE void place_cells(const uint64_t *restrict cells, size_t n, places_t *restrict p) {
    int32_t yielded[BLOCK];
    uint64_t turned[BLOCK];
    for (size_t i = 0; i < n; i++) {
        const uint64_t digits = fb_h3_used_digits(cells[i]);
        const int8_t *chart = fb_h3_charts[fb_h3_base_cell(cells[i])][fb_h3_first_digit(digits)];
        turned[i] = fb_h3_turned(digits, (unsigned)chart[3]);
        p->face[i] = chart[0];
        p->a[i] = chart[1];
        p->b[i] = chart[2];
        yielded[i] = chart[4];
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t t = turned[i];
        int64_t at = p->a[i] + p->b[i] * (1ll << 32);
#define DESCEND(digits) at = 7 * at + fb_h3_descents[(digits) & 077];
        DESCEND(t >> 39) DESCEND(t >> 33) DESCEND(t >> 27) DESCEND(t >> 21)
        DESCEND(t >> 15) DESCEND(t >> 9) DESCEND(t >> 3) DESCEND(t << 3)
        const int32_t a = (int32_t)at, b = (int32_t)((at - a) >> 32);
        int32_t far;
        const int32_t side = side_of(a, b, &far);
        p->side[i] = far + (yielded[i] >> side & 1) > LIMIT ? side : 3;
        p->a[i] = 3 * a;
        p->b[i] = 3 * b;
    }
}

/* The direction of a place given relative to a face, seen beyond a side of it. */
FB_INLINE void direction(int32_t face, int32_t side, double a, double b, double v[3]) {
    const double *t = fb_h3_face_steps[face][side];
    for (int d = 0; d < 3; d++) v[d] = t[d] + (a * t[3 + d] + b * t[6 + d]);
}

FB_INLINE void latlng_of(const double v[3], double *lat, double *lng) {
    const double y[2] = {v[2], v[1]}, x[2] = {sqrt(v[0] * v[0] + v[1] * v[1]), v[0]};
    double angles[2];
    for (int n = 0; n < 2; n++) angles[n] = fb_h3_angle_of(y[n], x[n]);
    *lat = angles[0];
    *lng = angles[1];
}

FB_INLINE void centers_of_cells(const uint64_t *restrict cells, size_t n, double *restrict lats,
                                double *restrict lngs) {
    places_t p;
    place_cells(cells, n, &p);
    for (size_t i = 0; i < n; i++) {
        double v[3];
        direction(p.face[i], p.side[i], p.a[i], p.b[i], v);
        latlng_of(v, &lats[i], &lngs[i]);
    }
}

/* ---- boundaries -------------------------------------------------------------------------------- */

/* Steps from the centre to the first corner, by resolution, on the grid of corners of resolution 16. */
static const int32_t CORNER_STEPS[16][2] = {
    {11529602, 5764801}, {4117715, 3294172}, {1647086, 823543}, {588245, 470596},
    {235298, 117649},    {84035, 67228},     {33614, 16807},    {12005, 9604},
    {4802, 2401},        {1715, 1372},       {686, 343},        {245, 196},
    {98, 49},            {35, 28},           {14, 7},           {5, 4},
};

typedef struct {
    int32_t face, a, b; /* of the centre, on the face that it is on */
} place_t;

/* Move a place that is beyond a side onto the next face. */
FB_INLINE place_t moved(int32_t face, int32_t side, int32_t a, int32_t b) {
    const int8_t *m = fb_h3_face_sides[face][side];
    const int32_t unit = 3 * LIMIT / 2;
    const place_t place = {m[0], m[1] * a + m[2] * b + m[5] * unit,
                           m[3] * a + m[4] * b + m[6] * unit};
    return place;
}

typedef struct {
    int32_t face, side;
    double a, b;
} corner_t;

/* Where the edge from p to q, one of which is beyond a side of `face`, crosses that side. */
static corner_t crossing(int32_t face, const int32_t p[2], const int32_t q[2]) {
    int32_t far_p, far_q;
    const int32_t side_p = side_of(p[0], p[1], &far_p), side_q = side_of(q[0], q[1], &far_q);
    const int32_t side = far_p > far_q ? side_p : side_q;
    const int32_t turns[3][2] = {{1, 1}, {-2, 1}, {1, -2}}; /* what side_of measures */
    const double ep = turns[side][0] * p[0] + turns[side][1] * p[1] - 3 * LIMIT;
    const double eq = turns[side][0] * q[0] + turns[side][1] * q[1] - 3 * LIMIT;
    const double t = ep / (ep - eq);
    const corner_t corner = {face, 3, p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])};
    return corner;
}

/* The corners of any one cell, as the block below would give them; returns how many. */
static size_t corners_of(uint64_t cell, corner_t corners[FB_H3_MAX_CORNERS]) {
    const int res = fb_h3_res(cell);
    const bool odd = res % 2 == 1;
    size_t n = 0;
    int32_t ring[7][2], a = CORNER_STEPS[res][0], b = CORNER_STEPS[res][1];
    for (int v = 0; v < 7; v++) {
        ring[v][0] = a;
        ring[v][1] = b;
        const int32_t turned = a - b;
        b = a;
        a = turned;
    }
    if (fb_h3_is_pentagon(cell)) { /* each corner is on a face of its own */
        static const int around[5] = {6, 2, 3, 5, 4};
        corner_t last = {0, 0, 0, 0};
        for (int v = 0; v < 5; v++) {
            const int8_t *chart = fb_h3_charts[fb_h3_base_cell(cell)][around[v]];
            const int32_t ma = chart[1] * (3 * LIMIT / 2), mb = chart[2] * (3 * LIMIT / 2);
            /* the corner of the face is on its i, j or k axis; corners are counted from there */
            const int turn = chart[1] > 0 ? 0 : chart[2] > 0 ? 2 : 4;
            const int32_t *before = ring[(1 + turn) % 6], *here = ring[(2 + turn) % 6];
            const int32_t p[2] = {ma + before[0], mb + before[1]};
            const int32_t q[2] = {ma + here[0], mb + here[1]};
            if (odd) {
                const corner_t cross = crossing(chart[0], p, q);
                if (v > 0) corners[n++] = cross;
                else last = cross;
            }
            const corner_t corner = {chart[0], 3, q[0], q[1]};
            corners[n++] = corner;
        }
        if (odd) corners[n++] = last;
        return n;
    }
    places_t p;
    place_cells(&cell, 1, &p);
    const place_t middle = moved(p.face[0], p.side[0], p.a[0], p.b[0]);
    int32_t far[7], sides[7];
    for (int v = 0; v < 7; v++) {
        ring[v][0] += middle.a;
        ring[v][1] += middle.b;
        sides[v] = side_of(ring[v][0], ring[v][1], &far[v]);
        far[v] -= 3 * LIMIT;
    }
    for (int v = 0; v < 6; v++) {
        const corner_t corner = {middle.face, far[v] > 0 ? sides[v] : 3, ring[v][0], ring[v][1]};
        corners[n++] = corner;
        if (odd && ((far[v] > 0 && far[v + 1] < 0) || (far[v] < 0 && far[v + 1] > 0)))
            corners[n++] = crossing(middle.face, ring[v], ring[v + 1]);
    }
    return n;
}

enum { LANES = 4, MOST_CORNERS = (FB_H3_MAX_CORNERS + LANES - 1) / LANES * LANES };

/* Latitude and longitude of a few directions, whose number is a multiple of LANES. */
FB_INLINE void latlngs_of(double v[3][MOST_CORNERS], size_t n, double *restrict out) {
    for (size_t i = 0; i < n / LANES * LANES; i++) {
        const double one[3] = {v[0][i], v[1][i], v[2][i]};
        latlng_of(one, &out[2 * i], &out[2 * i + 1]);
    }
}

/* The corners of a block of cells: six of each, in lanes; cells with more or fewer one by one. */
FB_INLINE void boundaries_of_cells(const uint64_t *restrict cells, size_t n,
                                   const int64_t *restrict offsets, double *restrict corners) {
    places_t p;
    double lats[6][BLOCK], lngs[6][BLOCK];
    int32_t da[BLOCK], db[BLOCK];
    place_cells(cells, n, &p);
    for (size_t i = 0; i < n; i++) {
        const place_t place = moved(p.face[i], p.side[i], p.a[i], p.b[i]);
        p.face[i] = place.face;
        p.a[i] = place.a;
        p.b[i] = place.b;
        da[i] = CORNER_STEPS[fb_h3_res(cells[i])][0];
        db[i] = CORNER_STEPS[fb_h3_res(cells[i])][1];
    }
    for (int v = 0; v < 6; v++) {
        for (size_t i = 0; i < n; i++) {
            int32_t far;
            const int32_t a = p.a[i] + da[i], b = p.b[i] + db[i];
            const int32_t side = side_of(a, b, &far);
            double direct[3];
            direction(p.face[i], far > 3 * LIMIT ? side : 3, a, b, direct);
            latlng_of(direct, &lats[v][i], &lngs[v][i]);
            const int32_t turned = da[i] - db[i];
            db[i] = da[i];
            da[i] = turned;
        }
    }
    for (size_t i = 0; i < n; i++) {
        double *out = corners + 2 * offsets[i];
        if (FB_UNLIKELY(offsets[i + 1] - offsets[i] != 6)) {
            (void)fb_h3_boundary(cells[i], out);
            continue;
        }
        for (int v = 0; v < 6; v++) {
            out[2 * v] = lats[v][i];
            out[2 * v + 1] = lngs[v][i];
        }
    }
}

/* How many corners each cell of a block has. */
FB_INLINE void count_corners(const uint64_t *restrict cells, size_t n, int64_t *restrict counts) {
    places_t p;
    place_cells(cells, n, &p);
    for (size_t i = 0; i < n; i++) {
        const place_t place = moved(p.face[i], p.side[i], p.a[i], p.b[i]);
        const int res = fb_h3_res(cells[i]);
        int32_t far, least = 0, a = CORNER_STEPS[res][0], b = CORNER_STEPS[res][1];
        int32_t farthest = -3 * LIMIT;
        for (int v = 0; v < 6; v++) {
            (void)side_of(place.a + a, place.b + b, &far);
            farthest = most(farthest, far - 3 * LIMIT);
            least = v == 0 || far - 3 * LIMIT < least ? far - 3 * LIMIT : least;
            const int32_t turned = a - b;
            b = a;
            a = turned;
        }
        corner_t corners[FB_H3_MAX_CORNERS];
        const bool cut = res % 2 == 1 && farthest > 0 && least < 0;
        const bool other = FB_UNLIKELY(cut || fb_h3_is_pentagon(cells[i]));
        counts[i] = other ? (int64_t)corners_of(cells[i], corners) : 6;
    }
}

/* ---- areas ------------------------------------------------------------------------------------- */

FB_INLINE double dot(const double *p, const double *q) {
    return p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
}

/* Oosterom and Strackee's formula for each triangle of a fan: the tangent of half of its area is
 * im / re. */
static double area_of(uint64_t cell) {
    corner_t corners[FB_H3_MAX_CORNERS];
    double v[FB_H3_MAX_CORNERS][3], re = 1, im = 0;
    const size_t n = corners_of(cell, corners);
    for (size_t c = 0; c < n; c++) {
        direction(corners[c].face, corners[c].side, corners[c].a, corners[c].b, v[c]);
        const double scale = 1 / sqrt(dot(v[c], v[c]));
        for (int d = 0; d < 3; d++) v[c][d] *= scale;
    }
    for (size_t c = 1; c + 1 < n; c++) {
        const double *o = v[0], *p = v[c], *q = v[c + 1];
        const double s[3] = {p[0] - o[0], p[1] - o[1], p[2] - o[2]};
        const double t[3] = {q[0] - o[0], q[1] - o[1], q[2] - o[2]};
        const double y = o[0] * (s[1] * t[2] - s[2] * t[1]) + o[1] * (s[2] * t[0] - s[0] * t[2]) +
                         o[2] * (s[0] * t[1] - s[1] * t[0]);
        const double x = 1 + dot(o, p) + dot(p, q) + dot(q, o);
        const double next = re * x - im * y;
        im = re * y + im * x;
        re = next;
    }
    return 2 * FB_RADIANS * fb_h3_angle_of(im, re);
}

/* ---- batches ----------------------------------------------------------------------------------- */

typedef void points_fn(const double *restrict, const double *restrict, size_t, const grid_t *,
                       uint64_t *restrict);
typedef void centers_fn(const uint64_t *restrict, size_t, double *restrict, double *restrict);
typedef void boundaries_fn(const uint64_t *restrict, size_t, const int64_t *restrict,
                           double *restrict);
typedef void counts_fn(const uint64_t *restrict, size_t, int64_t *restrict);

typedef void latlngs_fn(double[3][MOST_CORNERS], size_t, double *restrict);

typedef struct {
    points_fn *points;
    centers_fn *centers;
    boundaries_fn *boundaries;
    counts_fn *counts;
    latlngs_fn *latlngs;
} kernels_t;

#define KERNELS(target, level)                                                                     \
    target static void points_##level(const double *restrict lats, const double *restrict lngs,    \
                                      size_t n, const grid_t *grid, uint64_t *restrict cells) {    \
        cells_of_points(lats, lngs, n, grid, cells);                                               \
    }                                                                                              \
    target static void centers_##level(const uint64_t *restrict cells, size_t n,                   \
                                       double *restrict lats, double *restrict lngs) {             \
        centers_of_cells(cells, n, lats, lngs);                                                    \
    }                                                                                              \
    target static void boundaries_##level(const uint64_t *restrict cells, size_t n,                \
                                          const int64_t *restrict offsets, double *restrict out) { \
        boundaries_of_cells(cells, n, offsets, out);                                               \
    }                                                                                              \
    target static void counts_##level(const uint64_t *restrict cells, size_t n,                    \
                                      int64_t *restrict counts) {                                  \
        count_corners(cells, n, counts);                                                           \
    }                                                                                              \
    target static void latlngs_##level(double v[3][MOST_CORNERS], size_t n,               \
                                       double *restrict out) {                                     \
        latlngs_of(v, n, out);                                                                     \
    }                                                                                              \
    static const kernels_t KERNELS_##level = {points_##level, centers_##level, boundaries_##level, \
                                              counts_##level, latlngs_##level};

KERNELS(, base)
#if FB_X86
KERNELS(FB_TARGET_AVX2, avx2)
KERNELS(FB_TARGET_AVX512, avx512)
#endif

static const kernels_t *kernels(void) {
#if FB_X86
    if (fb_cpu_level() >= FB_CPU_AVX512) return &KERNELS_avx512;
    if (fb_cpu_level() >= FB_CPU_AVX2) return &KERNELS_avx2;
#endif
    return &KERNELS_base;
}

size_t fb_h3_boundary(uint64_t cell, double out[2 * FB_H3_MAX_CORNERS]) {
    corner_t corners[FB_H3_MAX_CORNERS];
    double v[3][MOST_CORNERS], latlngs[2 * MOST_CORNERS];
    const size_t n = corners_of(cell, corners), lanes = (n + LANES - 1) / LANES * LANES;
    for (size_t c = 0; c < lanes; c++) {
        const corner_t *corner = &corners[c < n ? c : 0];
        double one[3];
        direction(corner->face, corner->side, corner->a, corner->b, one);
        for (int d = 0; d < 3; d++) v[d][c] = one[d];
    }
    kernels()->latlngs(v, lanes, latlngs);
    memcpy(out, latlngs, 2 * n * sizeof *out);
    return n;
}

static size_t block_at(size_t i, size_t n) { return n - i < BLOCK ? n - i : BLOCK; }

size_t fb_h3_first_invalid(const uint64_t *cells, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (FB_UNLIKELY(!fb_h3_is_valid(cells[i]))) return i;
    return n;
}

void fb_h3_cells_at(const double *lats, const double *lngs, size_t n, int res, uint64_t *cells) {
    const grid_t grid = grid_of(res);
    points_fn *run = kernels()->points;
    for (size_t i = 0; i < n; i += BLOCK) run(lats + i, lngs + i, block_at(i, n), &grid, cells + i);
}

void fb_h3_centers(const uint64_t *cells, size_t n, double *lats, double *lngs) {
    if (n == 1) {
        centers_of_cells(cells, 1, lats, lngs);
        return;
    }
    centers_fn *run = kernels()->centers;
    for (size_t i = 0; i < n; i += BLOCK) run(cells + i, block_at(i, n), lats + i, lngs + i);
}

void fb_h3_boundary_offsets(const uint64_t *cells, size_t n, int64_t *offsets) {
    counts_fn *run = kernels()->counts;
    for (size_t i = 0; i < n; i += BLOCK) run(cells + i, block_at(i, n), offsets + i + 1);
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) offsets[i + 1] += offsets[i];
}

void fb_h3_boundaries(const uint64_t *cells, size_t n, const int64_t *offsets, double *corners) {
    boundaries_fn *run = kernels()->boundaries;
    for (size_t i = 0; i < n; i += BLOCK) run(cells + i, block_at(i, n), offsets + i, corners);
}

void fb_h3_areas(const uint64_t *cells, size_t n, double factor, double *areas) {
    for (size_t i = 0; i < n; i++) areas[i] = area_of(cells[i]) * factor;
}
