/* The H3 cells of a polygon on the plane of latitude and longitude.
 *
 * A polygon is an outer ring and holes: rings[0], rings[1], ...; ring k has the points ends[k - 1] up
 * to ends[k] (from 0 for the first), at least 3, the last one joined to the first. Points are
 * latitude and longitude in turn, in degrees, within [-90, 90] and [-180, 180].
 */
#ifndef FB_GEO_H3_POLYGON_H
#define FB_GEO_H3_POLYGON_H

#include "h3_cell.h"

typedef enum {
    FB_H3_CENTER,      /* the centre of the cell is in the polygon */
    FB_H3_FULL,        /* all of it is */
    FB_H3_OVERLAP,     /* a part of it is */
    FB_H3_BBOX_OVERLAP /* a part of the box around it and its descendants is */
} fb_h3_containment_t;

/* The cells of a resolution, ascending, into *cells (to be freed) and their number into *n. FB_OK or
 * FB_NO_MEMORY. Crossing edges are for the caller to refuse: see crossing.h. */
fb_status_t fb_h3_polygon(const double *points, const size_t *ends, size_t rings, int res,
                          fb_h3_containment_t containment, uint64_t **cells, size_t *n);

#endif
