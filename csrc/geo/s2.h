/* S2 cells: 64-bit numbers for the squares of six nested grids on the faces of a cube, in the order of
 * a Hilbert curve. The same ids as those of the S2 library. How they are made is told at the top of s2.c.
 *
 * Functions of cells take valid ids, unless they say otherwise. Batches read n items and write n
 * results (or as many times n as they say); they may not overlap.
 */
#ifndef FB_GEO_S2_H
#define FB_GEO_S2_H

#include "base.h"

enum { FB_S2_MAX_LEVEL = 30 };

/* ---- ids ---- */

FB_INLINE uint64_t fb_s2_low_bit(uint64_t cell) { return cell & (0 - cell); }

/* The lowest 1 bit of the cells of a level. */
FB_INLINE uint64_t fb_s2_bit_of(int level) {
    return (uint64_t)1 << 2 * (FB_S2_MAX_LEVEL - level);
}

/* For any number. */
FB_INLINE bool fb_s2_is_valid(uint64_t cell) {
    return cell >> 61 < 6 && (fb_s2_low_bit(cell) & 0x1555555555555555u) != 0;
}

FB_INLINE int fb_s2_level(uint64_t cell) {
    return FB_S2_MAX_LEVEL - (int)(fb_trailing_zeros64(cell) / 2);
}

/* The cell of a level, at or above the cell's own, that holds a cell. */
FB_INLINE uint64_t fb_s2_ancestor(uint64_t cell, int level) {
    const uint64_t bit = fb_s2_bit_of(level);
    return (cell & (0 - bit)) | bit;
}

/* Whether a is b or holds it. */
FB_INLINE bool fb_s2_contains(uint64_t a, uint64_t b) {
    return (b > a ? b - a : a - b) < fb_s2_low_bit(a);
}

/* The cells of a level, at or below the cell's own, that a cell holds are `first`, `first` + 2 *
 * fb_s2_bit_of(level), ... : how many there are is returned. */
FB_INLINE uint64_t fb_s2_descendants(uint64_t cell, int level, uint64_t *first) {
    const uint64_t own = fb_s2_low_bit(cell), bit = fb_s2_bit_of(level);
    *first = cell - own + bit;
    return own / bit;
}

/* ---- geometry ---- */

typedef struct {
    int face;
    double left, right, lower, upper; /* the sides, in [-1, 1] of the face */
} fb_s2_bounds_t;

/* The point of the unit sphere; the longitude is finite. By libm. */
void fb_s2_point(double lat, double lng, double point[3]);

fb_s2_bounds_t fb_s2_bounds(uint64_t cell);

/* The leaf cell that holds a point, which need not be of length 1. */
uint64_t fb_s2_leaf(const double point[3]);

/* A point in the axes of a face (to the right, up, out of it), and back. */
void fb_s2_to_face(int face, const double point[3], double uvw[3]);
void fb_s2_from_face(int face, const double uvw[3], double point[3]);

/* The vertices as points of the unit sphere, counter-clockwise from the lower left. */
void fb_s2_vertices(fb_s2_bounds_t bounds, double points[4][3]);

/* The solid angle of three vectors: from their determinant, lengths and dot products. */
double fb_s2_triangle(double volume, double a, double b, double c, double ab, double bc, double ca);

/* ---- one cell, and batches ---- */

/* The cell of a level that holds a point; lat is in [-90, 90], lng finite. */
uint64_t fb_s2_cell(double lat, double lng, int level);
void fb_s2_cells(const double *lat, const double *lng, size_t n, int level, uint64_t *cells);

/* The index of the first number that is no cell of a level in [low, high]; n if there is none. */
size_t fb_s2_first_bad(const uint64_t *cells, size_t n, int low, int high);

/* The middle of a cell, in degrees. */
void fb_s2_center(uint64_t cell, double *lat, double *lng);
void fb_s2_centers(const uint64_t *cells, size_t n, double *lat, double *lng);

/* The token of a cell: its hexadecimal digits without the zeros at the end, in 16 bytes padded with
 * zeros; its length is returned. */
size_t fb_s2_token(uint64_t cell, char token[16]);
void fb_s2_tokens(const uint64_t *cells, size_t n, char *tokens);

/* The cell of a token of `length` bytes; 0 if it is none. */
uint64_t fb_s2_of_token(const char *token, size_t length);

/* Of tokens in `width` bytes each, shorter ones padded with zeros: the index of the first that is none
 * is returned; n if all are right. */
size_t fb_s2_of_tokens(const char *tokens, size_t width, size_t n, uint64_t *cells);

void fb_s2_levels(const uint64_t *cells, size_t n, int8_t *levels);

/* Their cells of a level at or above their own; -1 is the level above each. */
void fb_s2_parents(const uint64_t *cells, size_t n, int level, uint64_t *parents);

/* The children of cell i, of a level at or below its own (-1: the level below), end at offsets[i + 1]
 * of all; then those are written. */
void fb_s2_children_offsets(const uint64_t *cells, size_t n, int level, int64_t *offsets);
void fb_s2_children(const uint64_t *cells, size_t n, int level, uint64_t *children);

/* The four cells beyond the lower, right, upper and left side; 4 n of them. */
void fb_s2_edge_neighbors(const uint64_t *cells, size_t n, uint64_t *neighbors);

/* The cells that share a side or a vertex, row by row from below, at most 8 n; those of cell i end at
 * offsets[i + 1]. */
void fb_s2_all_neighbors(const uint64_t *cells, size_t n, uint64_t *neighbors, int64_t *offsets);

/* The cells of a level, above 30, around the vertex next to a leaf cell; at a corner of the cube one
 * comes twice. */
void fb_s2_vertex_neighbors(uint64_t leaf, int level, uint64_t neighbors[4]);

/* Latitude and longitude of four vertices each; 8 n numbers. */
void fb_s2_boundaries(const uint64_t *cells, size_t n, double *points);

/* The area on a sphere whose radius squared is `scale`. */
double fb_s2_area(uint64_t cell);
void fb_s2_areas(const uint64_t *cells, size_t n, double scale, double *areas);

void fb_s2_are_valid(const uint64_t *cells, size_t n, bool *valid);
void fb_s2_contain(const uint64_t *a, const uint64_t *b, size_t n, bool *found);
void fb_s2_intersect(const uint64_t *a, const uint64_t *b, size_t n, bool *found);

/* The fewest cells that cover what n cells cover, in order, in their place; how many is returned. */
size_t fb_s2_normalize(uint64_t *cells, size_t n);

#endif
