/* Functions of one number, for lanes of H3 geometry: no branch, no table, no libm, the same bits everywhere.
 *
 * They differ from those of sphere.h in their last bits, and take radians, some thousand too.
 */
#ifndef FB_GEO_H3_LANES_H
#define FB_GEO_H3_LANES_H

#include <math.h>

#include "sphere.h"

/* To the nearest integer; ties to even. */
FB_INLINE double fb_h3_rounded(double x) { return (x + FB_ROUNDER) - FB_ROUNDER; }

/* a if `which`, else b; by masks, since compilers would make branches of it. */
FB_INLINE double fb_h3_choose(bool which, double a, double b) {
    const uint64_t mask = 0 - (uint64_t)which;
    return fb_of_bits((fb_bits_of(a) & mask) | (fb_bits_of(b) & ~mask));
}

/* Sine and cosine of up to some thousand radians, to 1e-15: the remainder by pi/2, and Taylor's series. */
FB_INLINE void fb_h3_sine_cosine(double angle, double *sine, double *cosine) {
    const double shifted = angle * 0.6366197723675814 + FB_ROUNDER;
    const double k = shifted - FB_ROUNDER;
    const uint64_t quadrant = fb_bits_of(shifted);
    const double x = (angle - k * 1.5707963267341256) - k * 6.077100506506192e-11;
    const double z = x * x;
    const double z2 = z * z, z4 = z2 * z2; /* in pairs, which wait less than Horner's scheme */
    double s = (-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880));
    s += z4 * ((-1.0 / 39916800 + z * (1.0 / 6227020800)) - z2 * (1.0 / 1307674368000));
    s = x + x * z * s;
    double c = (-0.5 + z * (1.0 / 24)) + z2 * (-1.0 / 720 + z * (1.0 / 40320));
    c += z4 * ((-1.0 / 3628800 + z * (1.0 / 479001600)) +
               z2 * (-1.0 / 87178291200 + z * (1.0 / 20922789888000)));
    c = 1.0 + z * c;
    const uint64_t swap = 0 - (quadrant & 1), sb = fb_bits_of(s), cb = fb_bits_of(c);
    *sine = fb_of_bits(((cb & swap) | (sb & ~swap)) ^ (quadrant & 2) << 62);
    *cosine = fb_of_bits(((sb & swap) | (cb & ~swap)) ^ ((quadrant + 1) & 2) << 62);
}

/* The angle of (x, y) in degrees: an octant is brought to |t| <= tan(pi/8), where a polynomial that
 * interpolates atan(t)/t at Chebyshev's points is exact to 1e-17. */
FB_INLINE double fb_h3_angle_of(double y, double x) {
    const double ax = fabs(x), ay = fabs(y);
    const bool steep = ay > ax;
    const double small = fb_h3_choose(steep, ax, ay), big = fb_h3_choose(steep, ay, ax);
    const bool folded = small > big * 0.41421356237309503;
    const double t =
        fb_h3_choose(folded, small - big, small) / (fb_h3_choose(folded, small + big, big) + 1e-300);
    const double z = t * t;
    const double z2 = z * z, z4 = z2 * z2; /* in pairs, as above */
    double p = (-0.05035019199400293 + z * 0.037963116386953384) + z2 * -0.017803024570372427;
    p = ((-0.09090896797060963 + z * 0.07692045115329452) +
         z2 * (-0.0666294933513016 + z * 0.058468600441315986)) + z4 * p;
    p = ((-0.3333333333333312 + z * 0.19999999999940807) +
         z2 * (-0.142857142792419 + z * 0.11111110744504495)) + z4 * p;
    double r = t + (t * z) * p;
    r = fb_h3_choose(folded, FB_PI / 4 + r, r);
    r = fb_h3_choose(steep, FB_PI / 2 - r, r);
    r = fb_h3_choose(x < 0, FB_PI - r, r);
    return fb_of_bits(fb_bits_of(r * FB_DEGREES) | (fb_bits_of(y) & 1ull << 63));
}

#endif
