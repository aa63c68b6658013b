/* Great-circle distance [1], bearing and destination.
 *
 * Distance. With half sums and half differences of the coordinates, p = (lat1 + lat2) / 2,
 * d = (lat2 - lat1) / 2 and l = (lng2 - lng1) / 2, the sine and the cosine of half the angle at the
 * centre are
 *
 *     sin^2 = (sin d cos l)^2 + (cos p sin l)^2          the haversine, without its products of cosines
 *     cos^2 = (cos d cos l)^2 + (sin p sin l)^2
 *
 * Both are sums of squares, so neither loses digits: the angle, as the arc tangent of their quotient,
 * is good for points that nearly coincide as for those nearly opposite, where the arc sine fails.
 *
 * Bearing. tan = sin(2 l) cos lat2 / (sin(2 d) + 2 sin lat1 cos lat2 sin^2 l), where the usual
 * difference of products is written so that nothing cancels for close points.
 *
 * Destination. In axes turned so that the start's meridian is the first one the point is
 * (cos lat cos s - sin lat sin s cos b, sin s sin b, sin lat cos s + cos lat sin s cos b), s being the
 * angle travelled and b the bearing; its latitude and longitude are arc tangents, good at the poles too.
 *
 * Sine and cosine are those of sphere.h: multiples of 90 degrees have exact values. The arc tangent,
 * beyond tan 22.5 reduced by tan(x - 45) = (t - 1) / (t + 1), is a polynomial of degree 23: near-minimax
 * (Chebyshev), with an error below 5e-17. All is + - * / and square roots, each rounded once, and
 * written once, for lanes: so every dispatch level, and every platform, has the same bits.
 *
 * Complexity. O(1) per point.
 *
 * [1] R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984.
 */
#include "distance.h"

#include <math.h>

#include "columns.h"
#include "cpu.h"
#include "sphere.h"

enum { BLOCK = 128 };

#define EIGHTH 0.7853981633974483 /* of a turn, radians */

/* ---- functions of one number ------------------------------------------------------------------------ */

typedef struct {
    double sin, cos;
} sincos_t;

/* Of degrees. */
FB_INLINE sincos_t sincos_of(double x) {
    sincos_t both;
    fb_sincos_degrees(x, &both.sin, &both.cos);
    return both;
}

/* The arc tangent of y / x, 0 <= y <= x and x not 0, in a unit: `eighth` of a turn, `radian`. */
FB_INLINE double arc(double y, double x, double eighth, double radian) {
    const double far = y > x * 0.41421356237309503 ? 1.0 : 0.0;
    const double u = (y - far * x) / (x + far * y), z = u * u;
    const double angle =
        u +
        u * z *
            (-0.3333333333333333 +
             z * (0.19999999999995516 +
                  z * (-0.14285714284665682 +
                       z * (0.11111111015187018 +
                            z * (-0.09090904575306488 +
                                 z * (0.07692183125376885 +
                                      z * (-0.06664510525508843 +
                                           z * (0.058581409048656254 +
                                                z * (-0.050854078345862384 +
                                                     z * (0.039230447784709195 -
                                                          z * 0.01917540471101196))))))))));
    return far * eighth + angle * radian;
}

/* Degrees of the arc tangent of y / x in [-180, 180]; 0 of 0 / 0. */
FB_INLINE double arc_tangent(double y, double x) {
    const double high = fabs(y), wide = fabs(x);
    const double low = high < wide ? high : wide, most = high < wide ? wide : high;
    const double angle = arc(low, most > 0 ? most : 1.0, 45.0, FB_DEGREES);
    const double right = high > wide ? 90.0 - angle : angle;
    const double upper = x < 0 ? 180.0 - right : right;
    return y < 0 ? -upper : upper;
}

/* ---- kernels, at most BLOCK items --------------------------------------------------------------------- */

FB_INLINE void haversine_block(const double *restrict lat1, const double *restrict lng1,
                               const double *restrict lat2, const double *restrict lng2, size_t n,
                               double *restrict out) {
    for (size_t i = 0; i < n; i++) {
        const sincos_t d = sincos_of((lat2[i] - lat1[i]) * 0.5);
        const sincos_t p = sincos_of((lat1[i] + lat2[i]) * 0.5);
        const sincos_t l = sincos_of((lng2[i] - lng1[i]) * 0.5);
        const double s1 = d.sin * l.cos, s2 = p.cos * l.sin, c1 = d.cos * l.cos, c2 = p.sin * l.sin;
        const double sine = s1 * s1 + s2 * s2, cosine = c1 * c1 + c2 * c2;
        const double low = sine < cosine ? sine : cosine, most = sine < cosine ? cosine : sine;
        const double angle = arc(sqrt(low), sqrt(most), EIGHTH, 1.0);
        out[i] = 2.0 * FB_EARTH_RADIUS * (sine > cosine ? 2.0 * EIGHTH - angle : angle);
    }
}

FB_INLINE void bearing_block(const double *restrict lat1, const double *restrict lng1,
                             const double *restrict lat2, const double *restrict lng2, size_t n,
                             double *restrict out) {
    for (size_t i = 0; i < n; i++) {
        const sincos_t d = sincos_of(lat2[i] - lat1[i]), l = sincos_of((lng2[i] - lng1[i]) * 0.5);
        const double sin1 = sincos_of(lat1[i]).sin, cos2 = sincos_of(lat2[i]).cos;
        const double east = 2.0 * l.sin * l.cos * cos2;
        const double north = d.sin + 2.0 * sin1 * cos2 * (l.sin * l.sin);
        const double angle = arc_tangent(east, north);
        const double turned = angle < 0 ? angle + 360.0 : angle;
        out[i] = turned >= 360.0 ? 0.0 : turned;
    }
}

FB_INLINE void destination_block(const double *restrict lat, const double *restrict lng,
                                 const double *restrict bearing, const double *restrict turn,
                                 size_t n, double *restrict lat_out, double *restrict lng_out) {
    for (size_t i = 0; i < n; i++) {
        const sincos_t p = sincos_of(lat[i]), b = sincos_of(bearing[i]), s = sincos_of(turn[i]);
        const double x = p.cos * s.cos - p.sin * s.sin * b.cos, y = s.sin * b.sin;
        const double z = p.sin * s.cos + p.cos * s.sin * b.cos;
        const double to = lng[i] + arc_tangent(y, x);
        const double west = to >= 180.0 ? to - 360.0 : to;
        lat_out[i] = arc_tangent(z, sqrt(x * x + y * y));
        lng_out[i] = west < -180.0 ? west + 360.0 : west;
    }
}

#define PARAMETERS                                                                              \
    const double *a, const double *b, const double *c, const double *d, size_t n, double *out
static void haversine_portable(PARAMETERS) { haversine_block(a, b, c, d, n, out); }
static void bearing_portable(PARAMETERS) { bearing_block(a, b, c, d, n, out); }
static void destination_portable(PARAMETERS, double *more) {
    destination_block(a, b, c, d, n, out, more);
}
#if FB_X86
FB_TARGET_AVX2 static void haversine_avx2(PARAMETERS) { haversine_block(a, b, c, d, n, out); }
FB_TARGET_AVX2 static void bearing_avx2(PARAMETERS) { bearing_block(a, b, c, d, n, out); }
FB_TARGET_AVX2 static void destination_avx2(PARAMETERS, double *more) {
    destination_block(a, b, c, d, n, out, more);
}
#endif

/* ---- batches --------------------------------------------------------------------------------------- */

/* n angles in [-180, 180]: themselves, or copies less whole turns, which are exact. */
static const double *reduced(const double *angle, size_t n, double copies[BLOCK]) {
    if (fb_first_outside(angle, n, -180, 180) == n) return angle;
    for (size_t i = 0; i < n; i++) {
        const double turn = angle[i] >= -180 && angle[i] <= 180 ? angle[i] : fmod(angle[i], 360);
        copies[i] = turn > 180 ? turn - 360 : turn < -180 ? turn + 360 : turn;
    }
    return copies;
}

static size_t block_at(size_t i, size_t n) { return n - i < BLOCK ? n - i : BLOCK; }

void fb_haversine(const double *lat1, const double *lng1, const double *lat2, const double *lng2,
                  size_t n, double *out) {
    double first[BLOCK], second[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t some = block_at(i, n);
        FB_DISPATCH(haversine, lat1 + i, reduced(lng1 + i, some, first), lat2 + i,
                    reduced(lng2 + i, some, second), some, out + i);
    }
}

void fb_bearing(const double *lat1, const double *lng1, const double *lat2, const double *lng2,
                size_t n, double *out) {
    double first[BLOCK], second[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t some = block_at(i, n);
        FB_DISPATCH(bearing, lat1 + i, reduced(lng1 + i, some, first), lat2 + i,
                    reduced(lng2 + i, some, second), some, out + i);
    }
}

void fb_destination(const double *lat, const double *lng, const double *bearing,
                    const double *metres, size_t n, double *lat_out, double *lng_out) {
    double from[BLOCK], way[BLOCK], turn[BLOCK], copies[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t some = block_at(i, n);
        for (size_t k = 0; k < some; k++) turn[k] = metres[i + k] / FB_EARTH_RADIUS * FB_DEGREES;
        FB_DISPATCH(destination, lat + i, reduced(lng + i, some, from), reduced(bearing + i, some, way),
                    reduced(turn, some, copies), some, lat_out + i, lng_out + i);
    }
}

void fb_distance_matrix(const double *lat1, const double *lng1, size_t n, const double *lat2,
                        const double *lng2, size_t m, double *out) {
    double lat[BLOCK], lng[BLOCK];
    for (size_t i = 0; i < n; i++, out += m) {
        for (size_t k = 0; k < BLOCK; k++) lat[k] = lat1[i], lng[k] = lng1[i];
        for (size_t k = 0; k < m; k += BLOCK)
            fb_haversine(lat, lng, lat2 + k, lng2 + k, block_at(k, m), out + k);
    }
}
