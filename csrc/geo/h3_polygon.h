/* Cells of a polygon: by their centres, or by their whole area.
 *
 * A polygon is a few rings of a plane on which latitude and longitude are Cartesian: its inside is
 * what an odd number of edges of the first ring lie east of, less the insides of the other rings.
 * Longitudes of a ring go on past 180 degrees where it crosses the antimeridian.
 */
#ifndef FB_GEO_H3_POLYGON_H
#define FB_GEO_H3_POLYGON_H

#include "h3_index.h"

typedef enum {
    FB_H3_CENTER = 0,  /* the centre is inside */
    FB_H3_FULL,        /* all of the cell is */
    FB_H3_OVERLAP,     /* some of the cell is */
    FB_H3_BBOX_OVERLAP /* some of the cell's box of latitudes and longitudes is */
} fb_h3_containment_t;

/* The room that fb_h3_ring needs for a ring of n corners. */
#define FB_H3_RING_ROOM(n) ((n) + 4)

/* Lays out a ring of n corners (lats in [-90, 90], lngs in [-180, 180]) for the fill: edges go the
 * short way round, longitudes are made continuous, equal corners in turn and the closing one are
 * dropped; a ring around a pole gets the way to the nearer pole. Returns the corners of the result,
 * which are fewer than 3 if nothing is inside. `out` is pairs of latitude and longitude. */
size_t fb_h3_ring(const double *lats, const double *lngs, size_t n, double *out);

/* Cells at a resolution, ascending, in memory from malloc (NULL if there are none). `starts` are
 * n_rings + 1 indices of corners; the first ring is the outer one. FB_OK or FB_NO_MEMORY.
 * O(cells on the border * their edges), and the cells that are written. */
fb_status_t fb_h3_fill(const double *corners, const size_t *starts, size_t n_rings, int res,
                       fb_h3_containment_t mode, uint64_t **cells, size_t *n);

#endif
