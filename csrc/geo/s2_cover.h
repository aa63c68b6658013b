/* Coverings: the few S2 cells that together hold a cap, a rectangle or a polygon of the sphere.
 * How they are found is told at the top of s2_cover.c, and of s2_cap.c, s2_rect.c and s2_polygon.c.
 */
#ifndef FB_GEO_S2_COVER_H
#define FB_GEO_S2_COVER_H

#include "geo/s2.h"

typedef struct {
    size_t max_cells; /* 1 or more; what min_level and the faces of the cube need may be more */
    size_t most;      /* max_cells or more; FB_FULL if min_level needs more than these */
    int min_level, max_level;
} fb_s2_limits_t;

/* Cells in order. All zeros before the first use. */
typedef struct {
    uint64_t *cells;
    size_t n, room;
} fb_s2_found_t;

void fb_s2_found_free(fb_s2_found_t *found);

/* The covering of the points within `angle` radians, in [0, pi], of a point in degrees. FB_OK or
 * FB_NO_MEMORY. */
fb_status_t fb_s2_cover_cap(double lat, double lng, double angle, fb_s2_limits_t limits,
                            fb_s2_found_t *found);

/* The covering of the points between two parallels, and `width` to the east of a meridian, in radians;
 * no meridian is outside if the width is infinite. FB_OK,
 * FB_FULL or FB_NO_MEMORY. */
fb_status_t fb_s2_cover_rect(double south, double west, double north, double width,
                             fb_s2_limits_t limits, fb_s2_found_t *found);

/* Rings in degrees: ring r has the points [starts[r], starts[r + 1]), 3 or more, no two in a row the
 * same; outer[r] tells that it begins a polygon, else it is a hole in the last one. */
typedef struct {
    const double *lat, *lng;
    const size_t *starts;
    const bool *outer;
    size_t rings;
} fb_s2_rings_t;

/* The covering of polygons. FB_OUT_OF_RANGE if the edges that leave points bad[0] and bad[1] cross, or
 * the edge that leaves bad[0] is half a circle (bad[1] is then SIZE_MAX); FB_FULL, FB_NO_MEMORY. */
fb_status_t fb_s2_cover_polygon(fb_s2_rings_t rings, fb_s2_limits_t limits, fb_s2_found_t *found,
                                size_t bad[2]);

#endif
