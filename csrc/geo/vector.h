/* Vectors of space. */
#ifndef FB_GEO_VECTOR_H
#define FB_GEO_VECTOR_H

#include <math.h>

#include "base.h"

typedef struct {
    double x, y, z;
} fb_vector_t;

static inline double fb_dot(fb_vector_t a, fb_vector_t b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

static inline fb_vector_t fb_cross(fb_vector_t a, fb_vector_t b) {
    return (fb_vector_t){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline fb_vector_t fb_minus(fb_vector_t a, fb_vector_t b) {
    return (fb_vector_t){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline fb_vector_t fb_plus(fb_vector_t a, fb_vector_t b) {
    return (fb_vector_t){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline fb_vector_t fb_opposite(fb_vector_t a) { return (fb_vector_t){-a.x, -a.y, -a.z}; }

static inline double fb_length(fb_vector_t a) { return sqrt(fb_dot(a, a)); }

/* In the same direction, of length 1. */
static inline fb_vector_t fb_unit(fb_vector_t a) {
    const double scale = 1 / sqrt(fb_dot(a, a));
    return (fb_vector_t){a.x * scale, a.y * scale, a.z * scale};
}

/* The point of the straight line from a (t = 0) to b (t = 1). */
static inline fb_vector_t fb_between(fb_vector_t a, fb_vector_t b, double t) {
    return (fb_vector_t){a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.z + t * (b.z - a.z)};
}

#endif
