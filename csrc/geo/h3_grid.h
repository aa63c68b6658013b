/* The grid of H3 cells: neighbours, disks, rings and distances.
 *
 * Cells are valid. Every cell has six neighbours, in the directions of the digits 1 to 6; a
 * pentagon has five, direction 1 is missing. Around a pentagon, and from one base cell to the next,
 * the axes turn.
 */
#ifndef FB_GEO_H3_GRID_H
#define FB_GEO_H3_GRID_H

#include "h3_index.h"

/* The neighbour of a cell in the direction of a digit from 1 to 6, or 0. *turns (0 to 5): a step in
 * direction d at the cell goes on at the neighbour in direction d turned by that. */
uint64_t fb_h3_neighbor(uint64_t cell, int digit, unsigned *turns);

bool fb_h3_are_neighbors(uint64_t a, uint64_t b);

/* How many steps lead from a to b, cells of one resolution; -1 if they are not in the same or in
 * neighbouring base cells. */
int64_t fb_h3_distance(uint64_t a, uint64_t b);

/* The disks (or rings) of radius k, from 0 to FB_H3_MAX_RADIUS, around n cells. For more than a few
 * cells tables are made first. */
#define FB_H3_MAX_RADIUS 13780510
typedef struct fb_h3_disk fb_h3_disk_t;
fb_h3_disk_t *fb_h3_disk_new(int64_t k, bool ring, size_t n); /* NULL: no memory */
void fb_h3_disk_free(fb_h3_disk_t *disk);

/* At most how many cells the disk or ring around a cell has. */
uint64_t fb_h3_disk_room(const fb_h3_disk_t *disk, uint64_t cell);

/* The disk or ring around each cell: ring by ring outwards. If there is no pentagon in the disk, a
 * ring begins in direction 4 (the i axis) and runs counter-clockwise; else its cells are ascending.
 * offsets[0..n] tell where the cells of each begin. FB_OK or FB_NO_MEMORY. O(cells). */
fb_status_t fb_h3_disks(fb_h3_disk_t *disk, const uint64_t *cells, size_t n, uint64_t *out,
                        int64_t *offsets);

#endif
