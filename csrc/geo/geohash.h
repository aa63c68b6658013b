/* Geohash: cells of a grid that halves longitude and latitude in turn, named by texts of which every
 * prefix is the cell that holds it. The idea is told at the top of geohash.c.
 *
 * A code is 64 bits, the first halving in the highest bit: a cell of precision p is the upper 5 p bits
 * of its codes, the rest zero. Latitudes are in [-90, 90], longitudes finite: they are wrapped.
 */
#ifndef FB_GEO_GEOHASH_H
#define FB_GEO_GEOHASH_H

#include "base.h"

enum {
    FB_GEOHASH_MOST = 12, /* characters */
    FB_GEOHASH_NEIGHBORS = 8,
    FB_GEOHASH_CHILDREN = 32
};

/* The code of a point, all 64 bits. */
uint64_t fb_geohash_code(double lat, double lng);

/* out[i] = the upper `bits` bits of the code of point i, as an integer below 2^bits; bits in [1, 64]. */
void fb_geohash_encode(const double *lat, const double *lng, size_t n, unsigned bits, uint64_t *out);

/* The texts of the cells of n points side by side, `precision` characters each. */
void fb_geohash_encode_texts(const double *lat, const double *lng, size_t n, unsigned precision,
                             char *out);

/* The text of a code: writes `precision` characters. */
void fb_geohash_write(uint64_t code, unsigned precision, char *out);

/* The code of a text of `width` bytes, of which those at the end may be zero; upper case is read as lower.
 * Returns its precision, 0 if it is malformed: empty, too long, or with another character. */
unsigned fb_geohash_read(const char *text, size_t width, uint64_t *code);

/* Reads n texts of `width` bytes side by side. Returns the index of the first malformed one, or n. */
size_t fb_geohash_read_texts(const char *texts, size_t width, size_t n, uint64_t *codes,
                             uint8_t *precisions);

/* Writes n texts side by side in `width` bytes each, padded with zeros. */
void fb_geohash_write_texts(const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width,
                            char *out);

/* The centre of a cell. Exact, but for the last rounding. */
void fb_geohash_center(uint64_t code, unsigned precision, double *lat, double *lng);
void fb_geohash_centers(const uint64_t *codes, const uint8_t *precisions, size_t n, double *lat,
                        double *lng);

/* The borders of a cell: west, south, east, north. */
void fb_geohash_bounds(uint64_t code, unsigned precision, double box[4]);
void fb_geohash_bounds_each(const uint64_t *codes, const uint8_t *precisions, size_t n, double *west,
                            double *south, double *east, double *north);

/* The cells around a cell: N, NE, E, SE, S, SW, W, NW, without those beyond a pole. Returns how many:
 * 8 or 5. */
size_t fb_geohash_neighbors(uint64_t code, unsigned precision,
                            uint64_t out[FB_GEOHASH_NEIGHBORS]);

/* The neighbours of n cells as texts of `width` bytes, one after another: those of cell i are
 * out[offsets[i]] to out[offsets[i + 1] - 1]. There is room for 8 n texts and n + 1 offsets. */
void fb_geohash_neighbor_texts(const uint64_t *codes, const uint8_t *precisions, size_t n,
                               size_t width, char *out, int64_t *offsets);

/* The 32 children of each of n cells as texts of `width` bytes; precisions are below 12. */
void fb_geohash_child_texts(const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width,
                            char *out);

/* The rows and columns of cells that hold the points of a box, borders included. In degrees; in
 * [-180, 180] west to east; west above east: across the antimeridian. */
typedef struct {
    uint64_t row, column; /* of the south-west cell */
    uint64_t rows, columns;
} fb_geohash_grid_t;

fb_geohash_grid_t fb_geohash_grid(const double box[4], unsigned precision);

/* The codes of the cells of a grid, row by row: rows * columns of them. */
void fb_geohash_grid_codes(const fb_geohash_grid_t *grid, unsigned precision, uint64_t *out);

#endif
