/* Centres and corners of cells by the formulas of the H3 library: where the last bits matter.
 *
 * In radians, latitude before longitude. Cells are valid.
 */
#ifndef FB_GEO_H3_OUTLINE_H
#define FB_GEO_H3_OUTLINE_H

#include "h3_geometry.h"

typedef struct {
    double lat, lng;
} fb_h3_point_t;

fb_h3_point_t fb_h3_reference_center(uint64_t cell);

/* Corners, counter-clockwise; returns how many. */
size_t fb_h3_reference_boundary(uint64_t cell, fb_h3_point_t corners[FB_H3_MAX_CORNERS]);

#endif
