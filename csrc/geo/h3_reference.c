/* The cell of a point by the formulas of the H3 library, operation by operation.
 *
 * Idea. A point is projected from the centre of the sphere onto the nearest face of an icosahedron
 * (gnomonic projection), in polar coordinates: tan(angle from the face's centre), and azimuth from
 * the axis of the lattice. It goes to the nearest point of a hexagonal lattice, whose ancestors at
 * the coarser resolutions are found by rounding; the steps between them are the digits.
 *
 * A point on the border of two cells goes to one of them by the last bits of this arithmetic. So the
 * order of the operations, and the C library's sin, cos, tan, acos and atan2, are part of the answer.
 * The fast way (h3_geometry.c) comes here when it is too near a border to be sure.
 */
#include "h3_outline.h"

#include <math.h>

static double dot(const double *a, const double *b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The face of a point of the sphere, and its place there. */
static int project(const double p[3], int res, double *x, double *y) {
    int face = 0;
    double least = 5;
    for (int f = 0; f < 20; f++) {
        const double *c = fb_h3_face_centers[f];
        const double d[3] = {c[0] - p[0], c[1] - p[1], c[2] - p[2]};
        const double squared = dot(d, d);
        if (squared < least) {
            least = squared;
            face = f;
        }
    }
    *x = *y = 0;
    const double angle = acos(1 - least * 0.5);
    if (angle < 1e-16) return face;
    const double *c = fb_h3_face_centers[face];
    const double along = -dot(c, p);
    double t[3] = {along * c[0] + p[0], along * c[1] + p[1], along * c[2] + p[2]};
    const double size = sqrt(dot(t, t));
    const double scale = size > 0 ? 1 / size : 0;
    for (int d = 0; d < 3; d++) t[d] *= scale;
    const double azimuth = atan2(dot(t, fb_h3_face_east[face]), dot(t, fb_h3_face_north[face]));
    double theta = fb_h3_within_turn(fb_h3_face_azimuths[face] - fb_h3_within_turn(azimuth));
    if (res % 2 == 1) theta = fb_h3_within_turn(theta - FB_H3_AP7_ANGLE);
    double r = tan(angle) * 2.618033988749896;
    for (int n = 0; n < res; n++) r *= 2.6457513110645907;
    *x = r * cos(theta);
    *y = r * sin(theta);
    return face;
}

/* The nearest lattice point, found in the first quadrant and mirrored. */
static void nearest_point(double x, double y, int64_t *a, int64_t *b) {
    const double across = fabs(y) * 1.1547005383792515;
    const double along = fabs(x) + across * 0.5;
    int64_t i = (int64_t)along, j = (int64_t)across;
    const double f = along - (double)i, g = across - (double)j;
    if (f < 0.5) {
        if (f < 1.0 / 3) {
            j += g >= (1 + f) * 0.5;
        } else {
            i += 1 - f <= g && g < 2 * f;
            j += g >= 1 - f;
        }
    } else if (f < 2.0 / 3) {
        i += !(2 * f - 1 < g && g < 1 - f);
        j += g >= 1 - f;
    } else {
        i += 1;
        j += g >= f * 0.5;
    }
    if (x < 0) i = j - i;
    if (y < 0) {
        i -= j;
        j = -j;
    }
    *a = i;
    *b = j;
}

uint64_t fb_h3_reference_cell(double lat, double lng, int res) {
    lat *= FB_RADIANS;
    lng *= FB_RADIANS;
    const double r = cos(lat);
    const double p[3] = {cos(lng) * r, sin(lng) * r, sin(lat)};
    double x, y;
    int64_t a, b;
    const int face = project(p, res, &x, &y);
    nearest_point(x, y, &a, &b);
    return fb_h3_cell_of_place(face, a, b, res);
}
