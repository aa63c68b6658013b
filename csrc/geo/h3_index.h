/* H3 cells as numbers: parents, children, compact sets. Nothing here knows where a cell is.
 *
 * Cells are valid (fb_h3_is_valid); what is not is said by the function that checks it.
 */
#ifndef FB_GEO_H3_INDEX_H
#define FB_GEO_H3_INDEX_H

#include "h3_cell.h"

/* A cell with another resolution; the digits stay as they are. */
FB_INLINE uint64_t fb_h3_with_res(uint64_t cell, int res) {
    return (cell & ~(15ull << 52)) | (uint64_t)res << 52;
}

/* The ancestor at a resolution that is not finer than the cell's. */
FB_INLINE uint64_t fb_h3_parent(uint64_t cell, int res) {
    return fb_h3_with_res(cell, res) | fb_h3_unused(res);
}

/* The descendant in the centre, at a resolution that is not coarser than the cell's. */
FB_INLINE uint64_t fb_h3_center_child(uint64_t cell, int res) {
    const uint64_t opened = fb_h3_unused(fb_h3_res(cell)) & ~fb_h3_unused(res);
    return fb_h3_with_res(cell, res) & ~opened;
}

/* How many descendants a cell has at a resolution that is not coarser. */
uint64_t fb_h3_children_size(uint64_t cell, int res);

/* The descendants of a cell at a resolution, ascending; returns the end of what was written. */
uint64_t *fb_h3_children(uint64_t cell, int res, uint64_t *children);

/* Item functions of arrays: the index of the first cell whose resolution does not allow it, or n.
 * res -1 stands for the next coarser or finer one of every cell. */
size_t fb_h3_parents(const uint64_t *cells, size_t n, int res, uint64_t *parents);
size_t fb_h3_center_children(const uint64_t *cells, size_t n, int res, uint64_t *children);
size_t fb_h3_children_sizes(const uint64_t *cells, size_t n, int res, uint64_t *sizes);

/* offsets[0..n]: where the children of each cell begin; the index of the first bad cell, or n. */
size_t fb_h3_children_offsets(const uint64_t *cells, size_t n, int res, int64_t *offsets);
void fb_h3_children_of_all(const uint64_t *cells, size_t n, int res, uint64_t *children);

/* Properties of many cells; validity is asked of any bits. */
void fb_h3_validities(const uint64_t *cells, size_t n, uint8_t *valid);
void fb_h3_resolutions(const uint64_t *cells, size_t n, uint8_t *resolutions);
void fb_h3_base_cells(const uint64_t *cells, size_t n, uint8_t *base_cells);
void fb_h3_pentagon_cells(const uint64_t *cells, size_t n, uint8_t *pentagons);

/* Texts of `width` characters, padded with NUL: hexadecimal digits, 16 at most, behind 0x or not.
 * Returns the index of the first that is something else, or n. */
size_t fb_h3_parse(const char *texts, size_t width, size_t n, uint64_t *ids);

/* Ids as hexadecimal digits without leading zeros, 16 characters each, padded with NUL. */
#define FB_H3_TEXT 16
void fb_h3_format(const uint64_t *ids, size_t n, char *texts);

/* Sorts ids ascending, in place. `spare` holds n ids and is overwritten. O(n). */
void fb_h3_sort(uint64_t *ids, size_t n, uint64_t *spare);

/* The index of the first cell of another resolution than the first one's, or n. */
size_t fb_h3_first_other_res(const uint64_t *cells, size_t n);

/* The smallest set of cells that covers the same area as n cells of one resolution, in place;
 * returns its size. Cells come in any order; `spare` holds n of them. The index of the second of
 * two equal cells (in ascending order) is put into *repeated and SIZE_MAX returned, with `cells`
 * sorted. O(n). */
size_t fb_h3_compact(uint64_t *cells, size_t n, uint64_t *spare, size_t *repeated);

#endif
