/* H3 geometry: cells of points, centres, boundaries and areas of cells. Angles are degrees.
 *
 * Latitudes are in [-90, 90], longitudes finite; cells are valid (fb_h3_first_invalid tells). A call
 * with one item gives the same bits as a batch, on every dispatch level.
 */
#ifndef FB_GEO_H3_GEOMETRY_H
#define FB_GEO_H3_GEOMETRY_H

#include "h3_cell.h"

#define FB_H3_MAX_CORNERS 10

/* The index of the first of n ids that is not a cell, or n. */
size_t fb_h3_first_invalid(const uint64_t *cells, size_t n);

/* The cells of points at a resolution from 0 to 15: those that the H3 library finds. */
uint64_t fb_h3_cell_at(double lat, double lng, int res);
void fb_h3_cells_at(const double *lats, const double *lngs, size_t n, int res, uint64_t *cells);

/* The cell of one point by the H3 library's own formulas: what decides where rounding matters. */
uint64_t fb_h3_reference_cell(double lat, double lng, int res);

/* The centres of cells. */
void fb_h3_centers(const uint64_t *cells, size_t n, double *lats, double *lngs);

/* Corners of one cell, counter-clockwise, as latitude and longitude in turn; returns how many. */
size_t fb_h3_boundary(uint64_t cell, double corners[2 * FB_H3_MAX_CORNERS]);

/* offsets[i]..offsets[i + 1]: the corners of cell i among those of all, n + 1 numbers. */
void fb_h3_boundary_offsets(const uint64_t *cells, size_t n, int64_t *offsets);

/* The corners of all cells, latitude and longitude in turn, at these offsets. */
void fb_h3_boundaries(const uint64_t *cells, size_t n, const int64_t *offsets, double *corners);

/* Areas in steradians times `factor`. */
void fb_h3_areas(const uint64_t *cells, size_t n, double factor, double *areas);

#endif
