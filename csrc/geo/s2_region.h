/* Regions of the sphere as the covering by S2 cells sees them: what s2_cover.c, which covers any region, has in
 * common with s2_cap.c, s2_rect.c and s2_polygon.c.
 */
#ifndef FB_GEO_S2_REGION_H
#define FB_GEO_S2_REGION_H

#include "geo/s2_cover.h"
#include "geo/sphere.h"
#include "geo/vector.h"

/* Added to cells and regions: who is nearer than that touches. */
#define FB_S2_PAD 1e-14
/* No cell of level k has a diagonal longer than this / 2^k. */
#define FB_S2_MAX_DIAGONAL 2.5

typedef enum { FB_S2_APART, FB_S2_MEETS, FB_S2_CONTAINED } fb_s2_relation_t;

/* Edges of a polygon, by number. */
typedef struct {
    uint32_t *edges;
    size_t n;
} fb_s2_edges_t;

/* What a region tells of a cell; `near` are edges of which those that meet the cell are some. */
typedef fb_s2_relation_t fb_s2_look_t(const void *shape, uint64_t cell, fb_s2_edges_t near);

typedef struct {
    const void *shape;
    fb_s2_look_t *look;
    fb_s2_edges_t edges; /* none, but for polygons */
    fb_vector_t center;  /* of a cap that holds it */
    double angle;
} fb_s2_region_t;

/* The covering of a region. FB_OK, FB_FULL or FB_NO_MEMORY. */
fb_status_t fb_s2_cover(const fb_s2_region_t *region, fb_s2_limits_t limits, fb_s2_found_t *found);

/* Cells that hold the cap of a region, in order, for it to be divided from: six faces, or `most` or fewer
 * around the vertex next to the center, not below max_level. Those that have the smallest common
 * ancestor are put together if they are more. */
size_t fb_s2_candidates(const fb_s2_region_t *region, size_t most, int max_level, uint64_t cells[7]);

/* Makes the smaller of two caps that hold a rectangle that of the region: around its middle, and around the
 * pole next to it. */
void fb_s2_bound_rect(double south, double west, double north, double width, fb_s2_region_t *region);

/* Of a polygon: the edges of `near` that meet a cell, into *own, for the caller to free. FB_NO_MEMORY. */
fb_status_t fb_s2_keep_meeting(const void *polygon, uint64_t cell, fb_s2_edges_t near, fb_s2_edges_t *own);

/* Of a polygon: how many cells of a level what is in a cell needs at least. */
uint64_t fb_s2_need(const void *polygon, uint64_t cell, fb_s2_edges_t near, int level);

/* ---- points of the sphere ---- */

static inline fb_vector_t fb_s2_of_face(int face, double u, double v, double w) {
    double p[3];
    fb_s2_from_face(face, (const double[3]){u, v, w}, p);
    return (fb_vector_t){p[0], p[1], p[2]};
}

static inline fb_vector_t fb_s2_of_degrees(double lat, double lng) {
    double p[3];
    fb_s2_point(lat, lng, p);
    return (fb_vector_t){p[0], p[1], p[2]};
}

#endif
