/* Boxes of latitude and longitude, in radians. */
#ifndef FB_GEO_H3_BOX_H
#define FB_GEO_H3_BOX_H

#include <math.h>

#include "h3_outline.h"
#include "sphere.h"

typedef struct {
    double south, west, north, east; /* across the antimeridian if east < west */
} fb_h3_box_t;

static inline bool fb_h3_box_contains(const fb_h3_box_t *box, fb_h3_point_t p) {
    if (!(box->south <= p.lat && p.lat <= box->north)) return false;
    if (box->east < box->west) return p.lng >= box->west || p.lng <= box->east;
    return box->west <= p.lng && p.lng <= box->east;
}

/* Western longitudes moved east (1), or eastern ones west (-1). */
FB_INLINE double fb_h3_moved(double lng, int turn) {
    if (turn > 0) return lng < 0 ? lng + 2 * FB_PI : lng;
    return turn < 0 && lng > 0 ? lng - 2 * FB_PI : lng;
}

/* A longitude that is off by a turn at most, in [-pi, pi]. */
static inline double fb_h3_wrapped(double lng) {
    if (lng > FB_PI) return lng - 2 * FB_PI;
    return lng < -FB_PI ? lng + 2 * FB_PI : lng;
}

/* How to move the longitudes of two boxes, so that both are without a gap. */
static inline void fb_h3_box_turns(const fb_h3_box_t *a, const fb_h3_box_t *b, int *a_turn, int *b_turn) {
    const bool a_crosses = a->east < a->west, b_crosses = b->east < b->west;
    const bool east = a->west - b->east < b->west - a->east;
    *a_turn = !a_crosses ? 0 : b_crosses || east ? 1 : -1;
    *b_turn = !b_crosses ? 0 : a_crosses || !east ? 1 : -1;
}

static inline bool fb_h3_box_overlaps(const fb_h3_box_t *a, const fb_h3_box_t *b) {
    int s, t;
    fb_h3_box_turns(a, b, &s, &t);
    return a->south <= b->north && b->south <= a->north &&
           fb_h3_moved(a->west, s) <= fb_h3_moved(b->east, t) &&
           fb_h3_moved(b->west, t) <= fb_h3_moved(a->east, s);
}

/* Whether all of a is in b. */
static inline bool fb_h3_box_within(const fb_h3_box_t *a, const fb_h3_box_t *b) {
    int s, t;
    fb_h3_box_turns(a, b, &s, &t);
    return b->south <= a->south && a->north <= b->north &&
           fb_h3_moved(b->west, t) <= fb_h3_moved(a->west, s) &&
           fb_h3_moved(a->east, s) <= fb_h3_moved(b->east, t);
}

/* A box around the same middle, cut off at the poles. */
static inline fb_h3_box_t fb_h3_box_scaled(fb_h3_box_t box, double scale) {
    const double width = box.east - box.west + (box.east < box.west ? 2 * FB_PI : 0);
    const double height = box.north - box.south;
    const double more_lng = (width * scale - width) / 2, more_lat = (height * scale - height) / 2;
    const fb_h3_box_t larger = {
        fb_max(box.south - more_lat, -FB_PI / 2), fb_h3_wrapped(box.west - more_lng),
        fb_min(box.north + more_lat, FB_PI / 2), fb_h3_wrapped(box.east + more_lng)};
    return larger;
}

/* The box around a ring of points. */
static inline fb_h3_box_t fb_h3_box_around(const fb_h3_point_t *points, size_t n) {
    const double inf = (double)INFINITY;
    fb_h3_box_t box = {inf, inf, -inf, -inf};
    double west = inf, east = -inf; /* least positive, largest negative */
    bool crosses = false;
    for (size_t i = 0; i < n; i++) {
        const double lat = points[i].lat, lng = points[i].lng;
        if (lat < box.south) box.south = lat;
        if (lat > box.north) box.north = lat;
        if (lng < box.west) box.west = lng;
        if (lng > box.east) box.east = lng;
        if (lng > 0 && lng < west) west = lng;
        if (lng < 0 && lng > east) east = lng;
        crosses |= fabs(lng - points[i + 1 < n ? i + 1 : 0].lng) > FB_PI;
    }
    if (crosses) {
        box.west = west;
        box.east = east;
    }
    return box;
}

#endif
