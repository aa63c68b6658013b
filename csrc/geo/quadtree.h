/* Points that move in the plane: see quadtree.c. */
#ifndef FB_GEO_QUADTREE_H
#define FB_GEO_QUADTREE_H

#include "quads.h"

/* An empty tree over [min_x, max_x] by [min_y, max_y], finite, of finite width and height above 0. */
fb_status_t fb_quadtree_begin(fb_quads_t *t, const double bounds[4], uint32_t capacity, uint64_t seed);

/* The first of n points that lies out of bounds, or is not finite; or n. */
size_t fb_quadtree_outside(const double bounds[4], const double *x, const double *y, size_t n);

/* Appends the ids of points in a box, or in a circle; found->distances is not used. */
fb_status_t fb_quadtree_query(const fb_quads_t *t, const double box[4], fb_quads_found_t *found);
fb_status_t fb_quadtree_within(const fb_quads_t *t, double x, double y, double r, fb_quads_found_t *found);

/* The same for m boxes, rows of four, and circles; ends[i] = found->n after the i-th. */
fb_status_t fb_quadtree_query_many(const fb_quads_t *t, const double *boxes, size_t m,
                                   fb_quads_found_t *found, uint64_t *ends);
fb_status_t fb_quadtree_within_many(const fb_quads_t *t, const double *x, const double *y,
                                    const double *r, size_t m, fb_quads_found_t *found, uint64_t *ends);

/* Fetches what a search of the k nearest to a point will look at first: it waits less if it comes a little later. */
void fb_quadtree_fetch(const fb_quads_t *t, double x, double y, size_t k);

/* Rows of k: the nearest of each of m points not further than `most`, padded with -1 and infinity.
 * How many there are in the last row. */
size_t fb_quadtree_nearest(const fb_quads_t *t, const double *x, const double *y, size_t m, size_t k,
                           double most, int64_t *ids, double *distances);

#endif
