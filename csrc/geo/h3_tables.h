/* Tables of H3, written by tools/derive_h3_tables.py, which tells what they are and how
 * they follow from an icosahedron and a few questions to the h3 package. Coordinates
 * (a, b) stand for a*u(0 degrees) + b*u(120 degrees) on a face; a turn is 60 degrees
 * counter-clockwise, (a, b) -> (a - b, a). */

#ifndef FB_GEO_H3_TABLES_H
#define FB_GEO_H3_TABLES_H

#include <stdint.h>

/* The base cells that are pentagons. */
extern const int8_t fb_h3_pentagons[12];

/* The face of a base cell, and its place (a, b) there at resolution 0. */
extern const int8_t fb_h3_homes[122][3];

/* (face, a, b, turns, yielded): where to lay out what is behind a first digit. */
extern const int8_t fb_h3_charts[122][7][5];

/* The base cell at place 9*i + 3*j + k of a face; -1: not in normal form. */
extern const int8_t fb_h3_face_cells[20][27];

/* By face, place and first digit: turns from there to the axes of the base cell. */
extern const int8_t fb_h3_face_turns[20][27][7];

/* (face, turns, a, b) beyond the sides k = 0, i = 0, j = 0 of a face. */
extern const int8_t fb_h3_face_neighbors[20][3][4];

/* The base cell in the direction of a digit; 127: none. */
extern const int8_t fb_h3_cell_neighbors[122][7];

/* Turns from the axes of a base cell to those of this neighbour. */
extern const int8_t fb_h3_cell_neighbor_turns[122][7];

/* Beyond side 0, 1, 2 of a face, and on it (3): the face, and the affine map of places to it. */
extern const int8_t fb_h3_face_sides[20][4][7];

/* The nearest face, by the signs that nearest_of tells of. */
extern const int8_t fb_h3_nearest_faces[64];

/* Two digits at once: see climbs_of. */
extern const uint8_t fb_h3_climbs[256];

/* Where two digits, an odd and an even one, lead: a + 2^32 b. */
extern const int64_t fb_h3_descents[64];

/* The centre of a face, a unit vector. */
extern const double fb_h3_face_centers[20][3];

/* North at the centre of a face. */
extern const double fb_h3_face_north[20][3];

/* East there. */
extern const double fb_h3_face_east[20][3];

/* The azimuth of the i axis there, in radians. */
extern const double fb_h3_face_azimuths[20];

/* Normals of three mirror planes of the icosahedron, at right angles to each other. */
extern const double fb_h3_mirrors[3][3];

/* The x axis of a face: of even, then of odd resolutions. */
extern const double fb_h3_face_x[2][20][3];

/* The y axis. */
extern const double fb_h3_face_y[2][20][3];

/* The same maps to space: origin, steps of a and b on the grid of corners of resolution 16. */
extern const double fb_h3_face_steps[20][4][9];

#endif
