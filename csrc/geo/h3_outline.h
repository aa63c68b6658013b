/* Centres and corners of cells by the formulas of the H3 library: where the last bits matter.
 *
 * In radians, latitude before longitude. Cells are valid.
 */
#ifndef FB_GEO_H3_OUTLINE_H
#define FB_GEO_H3_OUTLINE_H

#include "h3_geometry.h"
#include "sphere.h"

typedef struct {
    double lat, lng;
} fb_h3_point_t;

#define FB_H3_AP7_ANGLE 0.3334731722518321 /* asin(sqrt(3/28)): how far odd resolutions are turned */

/* An angle that is off by a turn at most, in [0, 2 pi). */
static inline double fb_h3_within_turn(double angle) {
    if (angle < 0) return angle + 2 * FB_PI;
    return angle >= 2 * FB_PI ? angle - 2 * FB_PI : angle;
}

fb_h3_point_t fb_h3_reference_center(uint64_t cell);

/* Corners, counter-clockwise; returns how many. */
size_t fb_h3_reference_boundary(uint64_t cell, fb_h3_point_t corners[FB_H3_MAX_CORNERS]);

#endif
