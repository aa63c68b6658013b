/* Two edges of a polygon that cross, on the plane of latitude and longitude.
 *
 * Rings are as in h3_polygon.h. An edge of more than 180 degrees of longitude goes across the antimeridian.
 * Edges that touch, or lie upon each other, do not cross.
 */
#ifndef FB_GEO_CROSSING_H
#define FB_GEO_CROSSING_H

#include "base.h"

/* FB_OUT_OF_RANGE if there are any: bad[1] is then the first edge, by the number of the point it leaves,
 * that crosses one before it, and bad[0] the first of those. Else FB_OK, or FB_NO_MEMORY. */
fb_status_t fb_crossing_seek(const double *points, const size_t *ends, size_t rings, size_t bad[2]);

#endif
