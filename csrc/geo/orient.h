/* On which side of a line a point lies, exactly.
 *
 * The sign of (ey - wy) * (x + a - wx) - (y - wy) * (ex + b - wx): positive if the line from (wx, wy)
 * to (ex + b, ey), which lies east of it, passes above (x + a, y); 0 if through it. a and b are 0 or
 * 360, so that a line across the antimeridian need not be rounded.
 *
 * The difference is taken in floating point first: without a turn its error is below 3.1 * 2^-53 times
 * the sum of the two products' sizes, and a larger difference has the right sign [1]. The rest is summed
 * without error: multiplied out, each product is the sum of two doubles [2], and doubles are added
 * into an expansion, whose parts do not overlap, so that its largest part has the sign [1].
 *
 * Numbers must be 0 or of a size in [2^-300, 2^10], so that nothing underflows: see fb_orient_round.
 * Needs IEEE doubles that are rounded to nearest, and no contraction to fused operations.
 *
 * [1] J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
 *     Predicates", Discrete & Computational Geometry 18, 1997.
 * [2] T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
 *     Mathematik 18, 1971. */
#ifndef FB_GEO_ORIENT_H
#define FB_GEO_ORIENT_H

#include <math.h>

#include "base.h"

#define FB_ORIENT_TERMS 20

/* A number that is too small for exact products is taken for 0; and -0.0 too. */
FB_INLINE double fb_orient_round(double x) {
    return fabs(x) < 0x1p-300 ? 0.0 : x;
}

/* Adds x to an expansion of n parts, smallest first; returns the new number of parts. */
static inline int fb_orient_add(double *parts, int n, double x) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        double sum = x + parts[i], moved = sum - x;
        double rest = (x - (sum - moved)) + (parts[i] - moved);
        if (rest != 0.0) parts[kept++] = rest;
        x = sum;
    }
    if (x != 0.0) parts[kept++] = x;
    return kept;
}

/* Adds x * y, in two doubles. */
static inline int fb_orient_add_product(double *parts, int n, double x, double y) {
    double product = x * y, large_x = x * 0x1.0000002p27, large_y = y * 0x1.0000002p27;
    double high_x = large_x - (large_x - x), low_x = x - high_x;
    double high_y = large_y - (large_y - y), low_y = y - high_y;
    double rest = low_x * low_y - (((product - high_x * high_y) - low_x * high_y) - high_x * low_y);
    return fb_orient_add(parts, fb_orient_add(parts, n, rest), product);
}

/* The sign, as -1, 0 or 1, without the filter. */
static inline int fb_orient_exact(double wx, double wy, double ex, double ey, double x, double y,
                                  double a, double b) {
    /* (ey - wy) * (x + a) - y * (ex + b - wx) + wy * (ex + b) - ey * wx: wy * wx falls out. */
    double parts[FB_ORIENT_TERMS];
    int n = 0;
    n = fb_orient_add_product(parts, n, ey, x);
    n = fb_orient_add_product(parts, n, ey, a);
    n = fb_orient_add_product(parts, n, -wy, x);
    n = fb_orient_add_product(parts, n, -wy, a);
    n = fb_orient_add_product(parts, n, -y, ex);
    n = fb_orient_add_product(parts, n, -y, b);
    n = fb_orient_add_product(parts, n, y, wx);
    n = fb_orient_add_product(parts, n, wy, ex);
    n = fb_orient_add_product(parts, n, wy, b);
    n = fb_orient_add_product(parts, n, -ey, wx);
    return n == 0 ? 0 : parts[n - 1] > 0.0 ? 1 : -1;
}

FB_INLINE int fb_orient(double wx, double wy, double ex, double ey, double x, double y, double a,
                        double b) {
    double left = (ey - wy) * (x - wx), right = (y - wy) * (ex - wx), side = left - right;
    double error = (fabs(left) + fabs(right)) * 0x1.9p-52;
    if (a == 0.0 && b == 0.0 && (side > error || side < -error)) return side > 0.0 ? 1 : -1;
    return fb_orient_exact(wx, wy, ex, ey, x, y, a, b);
}

#endif
