/* Sine and cosine of degrees for lanes: no branch, no table, no libm, the same bits everywhere.
 *
 * The angle is brought to [-45, 45] degrees by whole quarter turns, which is exact, and the Taylor
 * series summed there: up to x^15 for the sine, x^16 for the cosine. The error is below 3e-16.
 */
#ifndef FB_GEO_SPHERE_H
#define FB_GEO_SPHERE_H

#include "base.h"

#define FB_PI 3.141592653589793
#define FB_RADIANS 0.017453292519943295 /* in a degree */
#define FB_DEGREES 57.29577951308232    /* in a radian */
#define FB_ROUNDER 6755399441055744.0   /* 1.5 * 2^52: adding it leaves no room for a fraction */

/* |degrees| is 1e9 or less. */
FB_INLINE void fb_sincos_degrees(double degrees, double *sine, double *cosine) {
    const double shifted = degrees * (1.0 / 90) + FB_ROUNDER;
    const double x = (degrees - 90.0 * (shifted - FB_ROUNDER)) * FB_RADIANS, z = x * x;
    double s = -1.0 / 1307674368000.0, c = 1.0 / 20922789888000.0;
    s = 1.0 / 6227020800.0 + z * s;
    s = -1.0 / 39916800.0 + z * s;
    s = 1.0 / 362880.0 + z * s;
    s = -1.0 / 5040.0 + z * s;
    s = 1.0 / 120.0 + z * s;
    s = -1.0 / 6.0 + z * s;
    s = x + x * (z * s);
    c = -1.0 / 87178291200.0 + z * c;
    c = 1.0 / 479001600.0 + z * c;
    c = -1.0 / 3628800.0 + z * c;
    c = 1.0 / 40320.0 + z * c;
    c = -1.0 / 720.0 + z * c;
    c = 1.0 / 24.0 + z * c;
    c = 1.0 + z * (-0.5 + z * c);
    const uint64_t quarters = fb_bits_of(shifted), odd = 0 - (quarters & 1);
    const uint64_t sine_bits = fb_bits_of(s), cosine_bits = fb_bits_of(c);
    const uint64_t swapped = (sine_bits ^ cosine_bits) & odd;
    *sine = fb_of_bits(sine_bits ^ swapped ^ (quarters & 2) << 62);
    *cosine = fb_of_bits(cosine_bits ^ swapped ^ ((quarters + 1) & 2) << 62);
}

#endif
