/* A geofence: polygons with holes, and which of them hold a point. It does not change.
 *
 * The plane is that of longitude x in [-180, 180) and latitude y in [-90, 90], closed to a cylinder at
 * the antimeridian. A ring is a row of vertices whose first one is repeated at its end; an edge is the
 * straight line between two of them, within [-180, 180), or across the antimeridian if that is shorter;
 * of two that are as long, across if the vertex before its first one is the same. A polygon is any
 * number of rings: a point is inside if an odd number of them is around it, or if it is on an edge.
 * A ring that goes round the cylinder is around the points on the side of the nearer pole, the southern
 * one if it is as far from both.
 */
#ifndef FB_GEO_GEOFENCE_H
#define FB_GEO_GEOFENCE_H

#include "base.h"

enum { FB_GEOFENCE_FAN = 16, FB_GEOFENCE_DEPTH = 13 };

/* Most vertices, with the repeated ones; most polygons; most words. */
#define FB_GEOFENCE_MOST_VERTICES ((size_t)1 << 29)
#define FB_GEOFENCE_MOST ((size_t)1 << 30)

typedef struct {
    const double *vertices;        /* x, y */
    const int64_t *ids;            /* of the polygons, ascending */
    const uint32_t *polygon_ends;  /* in rings */
    const uint32_t *ring_ends;     /* in vertices */
    const uint32_t *nodes, *words; /* the index: see geofence.c */
    size_t n_vertices, n, n_rings, n_nodes, n_words;
} fb_geofence_t;

/* What searches find: `n` pairs. To be freed by the caller; starts as zeroes. */
typedef struct {
    int64_t *points, *ids; /* `points` is NULL if there is one only */
    size_t n, max;
} fb_geofence_found_t;

/* The index of a fence whose other parts are there. To be freed by the caller, also after an error. */
typedef struct {
    uint32_t *nodes, *words;
    size_t n_nodes, n_words;
} fb_geofence_index_t;

/* Makes the index. FB_NO_MEMORY. */
fb_status_t fb_geofence_build(const fb_geofence_t *fence, fb_geofence_index_t *index);

/* Whether rings and polygons end where others begin, and the ids ascend. */
bool fb_geofence_sound(const fb_geofence_t *fence);

/* ---- searches: of any fence, also one whose arrays hold anything ------------------------------ */

/* The longitude in [-180, 180) that is the same, without rounding; x is finite. Numbers below 2^-300
 * are taken for 0, here and for latitudes. */
double fb_geofence_x(double x);

/* Appends the ids of the polygons that hold (x, y), as given by the user, ascending. FB_NO_MEMORY. */
fb_status_t fb_geofence_query(const fb_geofence_t *fence, double y, double x,
                              fb_geofence_found_t *found);

/* The same for m points: pairs (index, id), ascending. */
fb_status_t fb_geofence_query_many(const fb_geofence_t *fence, const double *ys, const double *xs,
                                   size_t m, fb_geofence_found_t *found);

/* The lowest id of a polygon that holds each point; -1 where there is none. */
void fb_geofence_first(const fb_geofence_t *fence, const double *ys, const double *xs, size_t m,
                       int64_t *ids);

/* Whether any polygon holds each point. */
void fb_geofence_contains(const fb_geofence_t *fence, const double *ys, const double *xs, size_t m,
                          bool *inside);

#endif
