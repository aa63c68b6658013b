/* Great circles on a sphere of the Earth's mean radius: distances, bearings and destinations.
 *
 * Degrees and metres. Latitudes are in [-90, 90]; longitudes, bearings and distances finite: angles are
 * reduced to one turn. Every dispatch level gives the same bits.
 */
#ifndef FB_GEO_DISTANCE_H
#define FB_GEO_DISTANCE_H

#include "base.h"

#define FB_EARTH_RADIUS 6371008.8

/* out[i] = metres from point i of the first to point i of the second; at most half a turn. */
void fb_haversine(const double *lat1, const double *lng1, const double *lat2, const double *lng2,
                  size_t n, double *out);

/* out[i] = the direction in which the great circle sets out, clockwise from north, in [0, 360); 0 where the
 * points are the same. */
void fb_bearing(const double *lat1, const double *lng1, const double *lat2, const double *lng2,
                size_t n, double *out);

/* The points reached by `metres` along the great circles that set out with a bearing; longitudes in
 * [-180, 180). */
void fb_destination(const double *lat, const double *lng, const double *bearing,
                    const double *metres, size_t n, double *lat_out, double *lng_out);

/* out[i * m + k] = metres from point i of n to point k of m. */
void fb_distance_matrix(const double *lat1, const double *lng1, size_t n, const double *lat2,
                        const double *lng2, size_t m, double *out);

#endif
