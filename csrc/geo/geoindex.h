/* Points that move on the sphere: see geoindex.c. Degrees and metres; latitudes in [-90, 90], longitudes finite. */
#ifndef FB_GEO_GEOINDEX_H
#define FB_GEO_GEOINDEX_H

#include "quads.h"

fb_status_t fb_geoindex_begin(fb_quads_t *t, uint64_t seed);

/* Rows of k: the nearest of each of m points not further than `most`, padded with -1 and infinity.
 * How many there are in the last row. */
size_t fb_geoindex_nearest(const fb_quads_t *t, const double *lat, const double *lng, size_t m, size_t k,
                           double most, int64_t *ids, double *metres);

/* Appends the points within metres[i] of each of m points, nearest first, at most `limit` for each;
 * ends[i] = found->n after the i-th. */
fb_status_t fb_geoindex_within(const fb_quads_t *t, const double *lat, const double *lng,
                               const double *metres, size_t m, size_t limit, fb_quads_found_t *found,
                               uint64_t *ends);

#endif
