/* Filling polygons, from the base cells down.
 *
 * Around every cell there is a box of latitudes and longitudes that all its descendants are in,
 * with their corners. If no edge of a ring touches it, the ring decides all of them at once: they
 * are outside, and the cell is dropped, or inside, and this ring needs no more attention. A cell
 * inside of everything is kept whole, and its descendants are counted off in the end. The others
 * are opened, level by level, so that the centres of a whole level are computed in one batch.
 *
 * Whether a point is inside is told by the edges east of it that cross its latitude (an edge from a
 * to b does if one of a.lat <= lat and b.lat <= lat holds): their number is odd. Edges that lie
 * east of a whole box count by their ends' latitudes alone, and two neighbours have one end in
 * common, which counts twice, that is not at all. So what is left of a ring for a box is: the edges
 * that touch it, some latitudes, and a parity for the rest. These lists shrink on the way down, and
 * the answer is, to the bit, the one that all edges give.
 *
 * Boxes: adjacent centres at resolution r are at most UNIT / sqrt(7)^r apart, where a face touches
 * the sphere. Centres of descendants are at most the sum of the finer steps away, which is
 * 0.608 of that; corners of descendants too. A child's circle lies within its parent's.
 */
#include "h3_polygon.h"

#include <math.h>
#include <stdlib.h>

#include "h3_geometry.h"

#define DEGREES 57.29577951308232
#define REACH (0.62 * 0.381966011250105 * DEGREES)
#define PAD 1e-9 /* degrees: far more than rounding, far less than a cell */
#define COPIES 2 /* a box may have to be moved by so many times 360 degrees to meet a ring */

typedef struct {
    double lat, lng;
} corner_t;

/* What is left of a ring for a box. */
typedef struct {
    size_t edges, lats; /* where they begin, in the lists of the level */
    uint32_t n_edges, n_lats;
    uint32_t ring;
    uint32_t odd;
} part_t;

typedef struct {
    uint64_t cell;
    size_t parts, n_parts;
} node_t;

typedef struct {
    void *items;
    size_t n, room;
} list_t;

/* The cells of a level that are neither inside nor outside. */
typedef struct {
    list_t nodes, parts, edges, lats;
} level_t;

typedef struct {
    double south, north, west, east;
} box_t;

typedef struct {
    const corner_t *corners;
    const size_t *starts;
    size_t n_rings;
    box_t *bounds; /* of each ring */
    int res;
    fb_h3_containment_t mode;
} fill_t;

/* Room for `more` items at the end of a list, or NULL. */
static void *grown(list_t *list, size_t more, size_t size) {
    if (list->items == NULL || list->room - list->n < more) {
        const size_t room = list->room * 2 + more + 16;
        void *items = realloc(list->items, room * size);
        if (items == NULL) return NULL;
        list->items = items;
        list->room = room;
    }
    return (char *)list->items + list->n * size;
}

static void empty_level(level_t *level) {
    level->nodes.n = level->parts.n = level->edges.n = level->lats.n = 0;
}

static void free_level(level_t *level) {
    free(level->nodes.items);
    free(level->parts.items);
    free(level->edges.items);
    free(level->lats.items);
}

/* ---- rings -------------------------------------------------------------------------------- */

/* How many turns it saves to go on across the antimeridian: 1, 0 or -1. */
FB_INLINE int jump(double before, double after) {
    return (after - before > 180) - (after - before < -180);
}

size_t fb_h3_ring(const double *lats, const double *lngs, size_t n, double *out) {
    corner_t *ring = (corner_t *)out;
    size_t m = 0;
    double turns = 0, sum = 0;
    if (n == 0) return 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) turns -= jump(lngs[i - 1], lngs[i]);
        const corner_t corner = {lats[i], lngs[i] + 360 * turns};
        if (m > 0 && ring[m - 1].lat == corner.lat && ring[m - 1].lng == corner.lng) continue;
        ring[m++] = corner;
        sum += lats[i];
    }
    turns -= jump(lngs[n - 1], lngs[0]);
    if (turns != 0) { /* around the Earth: on to where it began, and there by way of the pole */
        const double pole = sum < 0 ? -90 : 90;
        ring[m++] = (corner_t){ring[0].lat, ring[0].lng + 360 * turns};
        ring[m] = (corner_t){pole, ring[m - 1].lng};
        ring[m + 1] = (corner_t){pole, ring[0].lng};
        return m + 2;
    }
    while (m > 1 && ring[m - 1].lat == ring[0].lat && ring[m - 1].lng == ring[0].lng) m--;
    return m;
}

static box_t bounds_of(const corner_t *ring, size_t n) {
    box_t box = {ring[0].lat, ring[0].lat, ring[0].lng, ring[0].lng};
    for (size_t i = 1; i < n; i++) {
        if (ring[i].lat < box.south) box.south = ring[i].lat;
        if (ring[i].lat > box.north) box.north = ring[i].lat;
        if (ring[i].lng < box.west) box.west = ring[i].lng;
        if (ring[i].lng > box.east) box.east = ring[i].lng;
    }
    return box;
}

FB_INLINE bool boxes_meet(const box_t *a, const box_t *b) {
    return a->south <= b->north && b->south <= a->north && a->west <= b->east && b->west <= a->east;
}

FB_INLINE box_t moved(box_t box, int turns) {
    box.west += 360.0 * turns;
    box.east += 360.0 * turns;
    return box;
}

/* The two ends of an edge. */
FB_INLINE void ends_of(const fill_t *fill, size_t ring, size_t edge, corner_t *a, corner_t *b) {
    *a = fill->corners[edge];
    *b = fill->corners[edge + 1 < fill->starts[ring + 1] ? edge + 1 : fill->starts[ring]];
}

FB_INLINE bool is_east(corner_t a, corner_t b, double lat, double lng) {
    if ((a.lat <= lat) == (b.lat <= lat)) return false;
    if (a.lat > b.lat) {
        const corner_t swap = a;
        a = b;
        b = swap;
    }
    return a.lng + (b.lng - a.lng) * ((lat - a.lat) / (b.lat - a.lat)) > lng;
}

/* Whether a point of the box that a part is for is inside the ring. */
static bool is_inside(const fill_t *fill, const level_t *level, const part_t *part, double lat,
                      double lng) {
    const size_t *edges = (const size_t *)level->edges.items + part->edges;
    const double *lats = (const double *)level->lats.items + part->lats;
    uint32_t odd = part->odd;
    for (uint32_t i = 0; i < part->n_lats; i++) odd ^= lats[i] <= lat;
    for (uint32_t i = 0; i < part->n_edges; i++) {
        corner_t a, b;
        ends_of(fill, part->ring, edges[i], &a, &b);
        odd ^= is_east(a, b, lat, lng);
    }
    return odd & 1;
}

/* ---- from level to level -------------------------------------------------------------------- */

/* The part of a ring for a box within the one that `from` is for, appended to `to`. */
static bool narrow(const fill_t *fill, const level_t *level, const part_t *from, const box_t *box,
                   level_t *to, part_t *part) {
    const size_t *edges = (const size_t *)level->edges.items + from->edges;
    const double *lats = (const double *)level->lats.items + from->lats;
    size_t *kept = grown(&to->edges, from->n_edges, sizeof *kept);
    double *ends = grown(&to->lats, from->n_lats + 2 * (size_t)from->n_edges, sizeof *ends);
    if (kept == NULL || ends == NULL) return false;
    const double lat = (box->south + box->north) / 2, lng = (box->west + box->east) / 2;
    const double high = (box->north - box->south) / 2, wide = (box->east - box->west) / 2;
    uint32_t n_kept = 0, n_ends = 0, odd = from->odd;
    for (uint32_t i = 0; i < from->n_lats; i++) {
        if (lats[i] < box->south) odd ^= 1;
        else if (lats[i] <= box->north) ends[n_ends++] = lats[i];
    }
    const uint32_t before = n_ends;
    for (uint32_t i = 0; i < from->n_edges; i++) {
        corner_t a, b;
        ends_of(fill, from->ring, edges[i], &a, &b);
        const bool up = a.lat < b.lat, right = a.lng < b.lng;
        const double south = up ? a.lat : b.lat, north = up ? b.lat : a.lat;
        if (south > box->north || north < box->south) continue;
        if ((right ? b.lng : a.lng) < box->west) continue;
        bool east = (right ? a.lng : b.lng) > box->east;
        if (!east) { /* how far the middle of the box is left of the edge, if that points north */
            const double dy = north - south, dx = up ? b.lng - a.lng : a.lng - b.lng;
            const double x = up ? a.lng : b.lng;
            const double left = dx * (lat - south) - (lng - x) * dy;
            const double most = fabs(dx) * high + dy * wide;
            if (left < -most) continue;
            east = left > most;
        }
        if (!east) {
            kept[n_kept++] = edges[i];
            continue;
        }
        const double pair[2] = {a.lat, b.lat};
        for (int j = 0; j < 2; j++) {
            if (pair[j] < box->south) odd ^= 1;
            else if (pair[j] > box->north) continue;
            else if (n_ends > before && ends[n_ends - 1] == pair[j]) n_ends--;
            else ends[n_ends++] = pair[j];
        }
    }
    *part = (part_t){to->edges.n, to->lats.n, n_kept, n_ends, from->ring, odd & 1};
    to->edges.n += n_kept;
    to->lats.n += n_ends;
    return true;
}

/* The same list again, for a box that a ring may meet in two places. */
static bool keep(const level_t *level, const part_t *from, level_t *to, part_t *part) {
    const size_t *old_edges = (const size_t *)level->edges.items + from->edges;
    const double *old_lats = (const double *)level->lats.items + from->lats;
    size_t *edges = grown(&to->edges, from->n_edges, sizeof *edges);
    double *lats = grown(&to->lats, from->n_lats, sizeof *lats);
    if (edges == NULL || lats == NULL) return false;
    *part = *from;
    part->edges = to->edges.n;
    part->lats = to->lats.n;
    if (from->n_edges > 0) memcpy(edges, old_edges, from->n_edges * sizeof *edges);
    if (from->n_lats > 0) memcpy(lats, old_lats, from->n_lats * sizeof *lats);
    to->edges.n += from->n_edges;
    to->lats.n += from->n_lats;
    return true;
}

typedef enum { OUTSIDE, INSIDE, ON_BORDER, NO_MEMORY } side_t;

/* Where all of a box lies; on the border, a node of the next level is begun with its parts. */
static side_t side_of(const fill_t *fill, const level_t *level, const node_t *node, box_t box,
                      level_t *to, size_t *n_parts) {
    const part_t *parts = (const part_t *)level->parts.items + node->parts;
    part_t *mine = grown(&to->parts, node->n_parts, sizeof *mine);
    if (mine == NULL) return NO_MEMORY;
    *n_parts = 0;
    for (size_t i = 0; i < node->n_parts; i++) {
        const bool outer = parts[i].ring == 0;
        int copies = 0, copy = 0;
        for (int turns = -COPIES; turns <= COPIES; turns++) {
            const box_t there = moved(box, turns);
            if (boxes_meet(&there, &fill->bounds[parts[i].ring])) {
                copies++;
                copy = turns;
            }
        }
        part_t *part = &mine[*n_parts];
        if (copies == 0) {
            if (outer) return OUTSIDE;
            continue;
        }
        if (copies > 1) {
            if (!keep(level, &parts[i], to, part)) return NO_MEMORY;
            ++*n_parts;
            continue;
        }
        const box_t there = moved(box, copy);
        if (!narrow(fill, level, &parts[i], &there, to, part)) return NO_MEMORY;
        if (part->n_edges > 0 || part->n_lats > 0) {
            ++*n_parts;
        } else if ((part->odd != 0) != outer) {
            return OUTSIDE;
        }
    }
    to->parts.n += *n_parts;
    return *n_parts == 0 ? INSIDE : ON_BORDER;
}

/* The box of all that is within a distance (degrees) of a point. */
static box_t box_around(double lat, double lng, double reach) {
    box_t box = {lat - reach - PAD, lat + reach + PAD, lng - 180, lng + 180};
    if (box.north < 90 && box.south > -90) {
        const double ratio = sin(reach / DEGREES) / cos(lat / DEGREES);
        if (ratio < 1) {
            const double wide = asin(ratio) * DEGREES * (1 + 1e-9) + PAD;
            box.west = lng - wide;
            box.east = lng + wide;
        }
    }
    return box;
}

/* ---- cells on the border, at the last resolution --------------------------------------------- */

/* Whether a point at any of its places is inside of a ring, by the part that is left. */
static bool point_inside(const fill_t *fill, const level_t *level, const part_t *part, double lat,
                         double lng) {
    for (int turns = -COPIES; turns <= COPIES; turns++) {
        const box_t there = {lat, lat, lng + 360.0 * turns, lng + 360.0 * turns};
        if (boxes_meet(&there, &fill->bounds[part->ring]) &&
            is_inside(fill, level, part, lat, there.west))
            return true;
    }
    return false;
}

static bool in_ring(const corner_t *ring, size_t n, double lat, double lng) {
    bool odd = false;
    for (size_t i = 0; i < n; i++) odd ^= is_east(ring[i], ring[i + 1 < n ? i + 1 : 0], lat, lng);
    return odd;
}

FB_INLINE double turn_at(corner_t a, corner_t b, corner_t c) {
    return (b.lng - a.lng) * (c.lat - a.lat) - (b.lat - a.lat) * (c.lng - a.lng);
}

static bool edges_cross(corner_t a, corner_t b, corner_t c, corner_t d) {
    const double one = turn_at(a, b, c), two = turn_at(a, b, d);
    const double three = turn_at(c, d, a), four = turn_at(c, d, b);
    return ((one > 0) != (two > 0)) && ((three > 0) != (four > 0));
}

/* Whether edges that are left cross the ring of a cell, or begin inside of it. */
static bool border_meets(const fill_t *fill, const level_t *level, const part_t *part,
                         const corner_t *ring, size_t n) {
    const size_t *edges = (const size_t *)level->edges.items + part->edges;
    const box_t box = bounds_of(ring, n);
    for (int turns = -COPIES; turns <= COPIES; turns++) {
        const box_t there = moved(box, turns);
        if (!boxes_meet(&there, &fill->bounds[part->ring])) continue;
        for (uint32_t e = 0; e < part->n_edges; e++) {
            corner_t a, b;
            ends_of(fill, part->ring, edges[e], &a, &b);
            a.lng -= 360.0 * turns;
            b.lng -= 360.0 * turns;
            if (in_ring(ring, n, a.lat, a.lng)) return true;
            for (size_t c = 0; c < n; c++)
                if (edges_cross(ring[c], ring[c + 1 < n ? c + 1 : 0], a, b)) return true;
        }
    }
    return false;
}

/* The corners of a cell as a ring, or its box. */
static size_t ring_of(uint64_t cell, bool box, corner_t *ring) {
    double corners[2 * FB_H3_MAX_CORNERS], lats[FB_H3_MAX_CORNERS], lngs[FB_H3_MAX_CORNERS];
    const size_t n = fb_h3_boundary(cell, corners);
    for (size_t i = 0; i < n; i++) {
        lats[i] = corners[2 * i];
        lngs[i] = corners[2 * i + 1];
    }
    const size_t m = fb_h3_ring(lats, lngs, n, (double *)ring);
    if (!box) return m;
    const box_t b = bounds_of(ring, m);
    ring[0] = (corner_t){b.south, b.west};
    ring[1] = (corner_t){b.south, b.east};
    ring[2] = (corner_t){b.north, b.east};
    ring[3] = (corner_t){b.north, b.west};
    return 4;
}

/* Whether a cell on the border belongs to the polygon, by the parts of a node. */
static bool belongs(const fill_t *fill, const level_t *level, const node_t *node, uint64_t cell,
                    double lat, double lng) {
    const part_t *parts = (const part_t *)level->parts.items + node->parts;
    corner_t ring[FB_H3_RING_ROOM(FB_H3_MAX_CORNERS)] = {{lat, lng}};
    const bool by_center = fill->mode == FB_H3_CENTER;
    const size_t n = by_center ? 1 : ring_of(cell, fill->mode == FB_H3_BBOX_OVERLAP, ring);
    bool meets = false;
    for (size_t i = 0; i < node->n_parts; i++) {
        if (!by_center && border_meets(fill, level, &parts[i], ring, n))
            meets = true;
        else if (point_inside(fill, level, &parts[i], ring[0].lat, ring[0].lng) !=
                 (parts[i].ring == 0))
            return false;
    }
    return !meets || fill->mode != FB_H3_FULL;
}

/* ---- the fill ----------------------------------------------------------------------------- */

static double power7(int n) {
    double p = 1;
    while (n-- > 0) p *= 7;
    return p;
}

static bool add_cell(list_t *cells, uint64_t cell) {
    uint64_t *to = grown(cells, 1, sizeof *to);
    if (to == NULL) return false;
    *to = cell;
    cells->n++;
    return true;
}

/* The cells of a node of the level above, with their centres: sorted out into `whole` and `to`. */
static bool sort_out(const fill_t *fill, const level_t *level, const node_t *parent,
                     const uint64_t *cells, const double *lats, const double *lngs, size_t n,
                     list_t *whole, level_t *to) {
    for (size_t i = 0; i < n; i++) {
        const int res = fb_h3_res(cells[i]);
        if (res == fill->res && fill->mode == FB_H3_CENTER) {
            if (belongs(fill, level, parent, cells[i], lats[i], lngs[i]) &&
                !add_cell(whole, cells[i]))
                return false;
            continue;
        }
        const level_t mark = *to;
        node_t node = {cells[i], to->parts.n, 0};
        const double reach = REACH / sqrt(power7(res));
        const box_t box = box_around(lats[i], lngs[i], reach);
        const side_t side = side_of(fill, level, parent, box, to, &node.n_parts);
        if (side == NO_MEMORY) return false;
        bool drop = side != ON_BORDER;
        if (side == INSIDE && !add_cell(whole, cells[i])) return false;
        if (side == ON_BORDER && res == fill->res) {
            drop = true;
            if (belongs(fill, to, &node, cells[i], lats[i], lngs[i]) && !add_cell(whole, cells[i]))
                return false;
        }
        if (drop) {
            to->parts.n = mark.parts.n;
            to->edges.n = mark.edges.n;
            to->lats.n = mark.lats.n;
            continue;
        }
        node_t *next = grown(&to->nodes, 1, sizeof *next);
        if (next == NULL) return false;
        *next = node;
        to->nodes.n++;
    }
    return true;
}

/* One node that stands for the Earth, with all edges. */
static bool begin(const fill_t *fill, level_t *level) {
    node_t *node = grown(&level->nodes, 1, sizeof *node);
    part_t *parts = grown(&level->parts, fill->n_rings, sizeof *parts);
    size_t *edges = grown(&level->edges, fill->starts[fill->n_rings], sizeof *edges);
    if (node == NULL || parts == NULL || edges == NULL) return false;
    for (size_t r = 0; r < fill->n_rings; r++) {
        const size_t start = fill->starts[r], n = fill->starts[r + 1] - start;
        fill->bounds[r] = bounds_of(fill->corners + start, n);
        parts[r] = (part_t){start, 0, (uint32_t)n, 0, (uint32_t)r, 0};
    }
    for (size_t e = 0; e < fill->starts[fill->n_rings]; e++) edges[e] = e;
    *node = (node_t){0, 0, fill->n_rings};
    level->nodes.n = 1;
    level->parts.n = fill->n_rings;
    level->edges.n = fill->starts[fill->n_rings];
    return true;
}

typedef struct {
    uint64_t *cells;
    double *lats, *lngs;
    size_t room;
} batch_t;

static bool make_room(batch_t *batch, size_t n) {
    if (batch->room >= n) return true;
    free(batch->cells);
    free(batch->lats);
    free(batch->lngs);
    batch->cells = malloc(n * sizeof *batch->cells);
    batch->lats = malloc(n * sizeof *batch->lats);
    batch->lngs = malloc(n * sizeof *batch->lngs);
    batch->room = batch->cells && batch->lats && batch->lngs ? n : 0;
    return batch->room > 0;
}

/* The cells that are kept whole, of any resolution up to the last one. */
static bool descend(const fill_t *fill, level_t levels[2], batch_t *batch, list_t *whole) {
    level_t *level = &levels[0], *next = &levels[1];
    if (!begin(fill, level)) return false;
    for (int res = 0; res <= fill->res && level->nodes.n > 0; res++) {
        const node_t *nodes = level->nodes.items;
        const size_t n_nodes = level->nodes.n;
        size_t n = 0;
        if (!make_room(batch, res == 0 ? FB_H3_BASE_CELLS : 7 * n_nodes)) return false;
        if (res == 0)
            for (; n < FB_H3_BASE_CELLS; n++)
                batch->cells[n] = 1ull << 59 | (uint64_t)n << 45 | FB_H3_DIGITS;
        else
            for (size_t i = 0; i < n_nodes; i++)
                n = (size_t)(fb_h3_children(nodes[i].cell, res, batch->cells + n) - batch->cells);
        fb_h3_centers(batch->cells, n, batch->lats, batch->lngs);
        empty_level(next);
        size_t at = 0;
        for (size_t i = 0; i < n_nodes; i++) {
            const size_t own = res == 0 ? n : (size_t)fb_h3_children_size(nodes[i].cell, res);
            if (!sort_out(fill, level, &nodes[i], batch->cells + at, batch->lats + at,
                          batch->lngs + at, own, whole, next))
                return false;
            at += own;
        }
        level_t *swap = level;
        level = next;
        next = swap;
    }
    return true;
}

/* Cells of any resolutions, none within another, in the order of their descendants. */
static bool sort_cells(list_t *whole) {
    uint64_t *cells = whole->items, *spare = malloc((whole->n + 1) * sizeof *spare);
    if (spare == NULL) return false;
    /* The resolution goes to the low bits, which are all 7 where it matters: digits sort alone. */
    const uint64_t mask = FB_H3_DIGITS | 127ull << 45;
    for (size_t i = 0; i < whole->n; i++)
        cells[i] = (cells[i] & mask) << 8 | (uint64_t)fb_h3_res(cells[i]);
    fb_h3_sort(cells, whole->n, spare);
    for (size_t i = 0; i < whole->n; i++)
        cells[i] = 1ull << 59 | (cells[i] & 15) << 52 | (cells[i] >> 8 & mask);
    free(spare);
    return true;
}

fb_status_t fb_h3_fill(const double *corners, const size_t *starts, size_t n_rings, int res,
                       fb_h3_containment_t mode, uint64_t **cells, size_t *n) {
    fill_t fill = {(const corner_t *)corners, starts, n_rings, NULL, res, mode};
    level_t levels[2] = {{{0}, {0}, {0}, {0}}, {{0}, {0}, {0}, {0}}};
    batch_t batch = {NULL, NULL, NULL, 0};
    list_t whole = {NULL, 0, 0};
    fb_status_t status = FB_NO_MEMORY;
    *cells = NULL;
    *n = 0;
    fill.bounds = malloc(n_rings * sizeof *fill.bounds);
    if (fill.bounds != NULL && descend(&fill, levels, &batch, &whole) && sort_cells(&whole)) {
        const uint64_t *kept = whole.items;
        size_t total = 0;
        for (size_t i = 0; i < whole.n; i++) total += (size_t)fb_h3_children_size(kept[i], res);
        uint64_t *to = total > 0 ? malloc(total * sizeof *to) : NULL;
        if (to != NULL || total == 0) {
            *cells = to;
            *n = total;
            for (size_t i = 0; i < whole.n; i++) to = fb_h3_children(kept[i], res, to);
            status = FB_OK;
        }
    }
    free(fill.bounds);
    free(batch.cells);
    free(batch.lats);
    free(batch.lngs);
    free(whole.items);
    free_level(&levels[0]);
    free_level(&levels[1]);
    return status;
}
