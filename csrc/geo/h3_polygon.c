/* The H3 cells of a polygon, by descending from the base cells.
 *
 * Idea. All descendants of a cell are within a circle around its centre, and that is within a box of
 * latitude and longitude. If no edge of the polygon meets the box, all of them are inside or all
 * outside: one point decides, and the descendants are written without a look at them. Else the
 * children are examined, against those edges only that meet the box of their parent; so most edges
 * are met where they matter only. Cells come in ascending order by themselves.
 *
 * Whether a point is inside is what a ray eastwards tells. The edges are sorted into strips of
 * latitude, so that only some are looked at. A point that is so near to an edge, or to the latitude of a
 * vertex, that rounding decides is done again as the H3 library does it (`exactly_inside`): with the
 * bits of its centre, all edges in order, a point at the latitude of a vertex moved to the north by
 * 2^-52, one at its longitude to the west. So the cells are the library's.
 *
 * A ring with an edge of more than 180 degrees of longitude crosses the antimeridian: its western
 * longitudes are moved by 360 degrees. Boxes are compared with edges at all such distances.
 *
 * Cells that an edge may touch are tested in the other modes with the formulas of the pure-Python
 * twin, on the same bits.
 *
 * Complexity: O(E (resolution + crossings of a latitude)) for E edges, O(1) per cell along them, and
 * O(1), about a nanosecond, per cell within. Memory: O(E) and the cells.
 */
#include "h3_polygon.h"

#include <math.h>
#include <stdlib.h>

#include "h3_box.h"
#include "h3_index.h"

static const double EPSILON = 2.220446049250313e-16;

/* Points nearer to an edge are done exactly; far above the error of fb_h3_centers, which grows towards
 * the poles: past STEEP radians of latitude all of them are. */
static const double NEAR = 1e-13;
static const double STEEP = 1.5;

/* The longest edge, by resolution, of the cells in the middle of base cells. */
static const double EDGES[16] = {
    0.21577206265130, 0.08308767068495, 0.03148970436439, 0.01190662871439,
    0.00450053330908, 0.00170105523619, 0.00064293917678, 0.00024300820659,
    0.00009184847087, 0.00003471545901, 0.00001312121017, 0.00000495935129,
    0.00000187445860, 0.00000070847876, 0.00000026777980, 0.00000010121125};

/* Descendants are within 1.06 of it (1.0524 is the sum of the series of steps to the children). */
static const double REACH = 1.2;

typedef struct {
    const fb_h3_point_t *points;
    size_t n;
    fb_h3_box_t box;
    int turn;      /* 1: western longitudes are moved */
    bool cut;      /* has points west of its box: those at longitude 0 */
} ring_t;

typedef struct {
    double lat, lng, rise, run; /* from the southern end; longitudes moved */
    uint32_t ring;
    uint32_t at; /* of the first point in its ring; BARRIER: not an edge, but nothing is alike there */
} edge_t;

static const uint32_t BARRIER = UINT32_MAX;

typedef struct {
    ring_t *rings;
    size_t n_rings;
    fb_h3_point_t *points;
    edge_t *edges;
    size_t n_edges;
    uint32_t *strips; /* edges by strip, those of strip s at starts[s] up to starts[s + 1] */
    size_t *starts;
    size_t n_strips;
    double south, north, per_strip;
    edge_t around; /* from corner to corner of the box around the outer ring */
    int res;
    fb_h3_containment_t mode;
    uint64_t first;       /* the cell of the first point */
    uint64_t poles[16][2]; /* north, south */
    uint32_t *stack;      /* edges near the cells on the way down, list upon list */
    size_t stack_room;
    uint64_t *cells;
    size_t n, room;
    bool no_memory;
} fill_t;

/* ---- points inside ------------------------------------------------------------------------------- */

/* The ends of an edge of a ring, the southern one first. */
FB_INLINE void ends_of(const ring_t *ring, size_t i, fb_h3_point_t *low, fb_h3_point_t *high) {
    const fb_h3_point_t start = ring->points[i], end = ring->points[i + 1 < ring->n ? i + 1 : 0];
    *low = start.lat > end.lat ? end : start;
    *high = start.lat > end.lat ? start : end;
}

static bool ring_contains(const ring_t *ring, fb_h3_point_t p) {
    if (!fb_h3_box_contains(&ring->box, p)) return false;
    double lat = p.lat, lng = fb_h3_moved(p.lng, ring->turn);
    bool inside = false;
    for (size_t i = 0; i < ring->n; i++) {
        fb_h3_point_t low, high;
        ends_of(ring, i, &low, &high);
        if (lat == low.lat || lat == high.lat) lat += EPSILON;
        if (!(low.lat <= lat && lat <= high.lat)) continue;
        const double start = fb_h3_moved(low.lng, ring->turn), end = fb_h3_moved(high.lng, ring->turn);
        if (lng == start || lng == end) lng -= EPSILON;
        const double part = (lat - low.lat) / (high.lat - low.lat);
        inside ^= fb_h3_moved(start + (end - start) * part, ring->turn) > lng;
    }
    return inside;
}

static bool exactly_inside(const fill_t *f, fb_h3_point_t p) {
    if (!ring_contains(&f->rings[0], p)) return false;
    for (size_t r = 1; r < f->n_rings; r++)
        if (ring_contains(&f->rings[r], p)) return false;
    return true;
}

/* 1 inside, 0 outside, -1 not sure. */
static int probably_inside(const fill_t *f, fb_h3_point_t p) {
    if (fabs(p.lat) > STEEP) return -1;
    const double at = (p.lat - f->south) * f->per_strip;
    if (!(at >= 0 && p.lat <= f->north)) return 0;
    const size_t s = at < (double)f->n_strips ? (size_t)at : f->n_strips - 1;
    bool inside = false;
    uint32_t ring = 0;
    double lng = fb_h3_moved(p.lng, f->rings[0].turn);
    for (size_t i = f->starts[s]; i < f->starts[s + 1]; i++) {
        const edge_t *e = &f->edges[f->strips[i]];
        if (e->ring != ring) { /* the outer ring, or a hole, is done */
            if (inside != (ring == 0)) return 0;
            inside = false;
            ring = e->ring;
            lng = fb_h3_moved(p.lng, f->rings[ring].turn);
        }
        const double up = p.lat - e->lat;
        if (up < -NEAR || up > e->rise + NEAR) continue;
        if (up <= NEAR || up >= e->rise - NEAR) return -1;
        const double right = lng - e->lng;
        const double side = right * e->rise - e->run * up;
        if (fabs(side) <= NEAR * (fabs(e->run) + e->rise)) return -1;
        if (fabs(right) <= NEAR || fabs(right - e->run) <= NEAR) return -1;
        if (f->rings[ring].cut) {
            const double beyond = lng - f->rings[ring].box.west;
            if (fabs(beyond) <= NEAR) return -1;
            if (beyond < 0) continue;
        }
        inside ^= side < 0;
    }
    return inside == (ring == 0);
}

/* `cell`: whose centre the point is, found in the fast way; 0 if it is exact. */
static bool is_inside(const fill_t *f, fb_h3_point_t p, uint64_t cell) {
    const int answer = probably_inside(f, p);
    if (answer >= 0) return answer;
    return exactly_inside(f, cell != 0 ? fb_h3_reference_center(cell) : p);
}

/* ---- edges near a cell --------------------------------------------------------------------------- */

typedef struct {
    double lat, lng, high, wide; /* middle, and half of height and width */
} zone_t;

/* The zone of latitude and longitude that all descendants of a cell are in (in the mode
 * FB_H3_BBOX_OVERLAP, with the boxes around them). */
static zone_t zone_of(const fill_t *f, fb_h3_point_t center, int res) {
    const double slack = 1e-11, reach = REACH * EDGES[res];
    const double more = f->mode == FB_H3_BBOX_OVERLAP ? 1.5 * EDGES[f->res] : 0;
    const double top = fabs(center.lat) + reach;
    zone_t zone = {center.lat, 0, reach + more + slack, FB_PI + slack};
    if (top + more < FB_PI / 2 - 1e-6) {
        const double wide = asin(sin(reach) / cos(center.lat)) + more / cos(top) + slack;
        if (wide < FB_PI) {
            zone.lng = center.lng;
            zone.wide = wide;
        }
    }
    return zone;
}

/* Whether an edge meets a zone whose longitude is moved to `lng`. */
FB_INLINE bool meets(const edge_t *e, const zone_t *zone, double up, double right) {
    const double slope = fabs(e->rise * right - e->run * up);
    return fabs(right) <= zone->wide + 0.5 * fabs(e->run) &&
           slope <= e->rise * zone->wide + fabs(e->run) * zone->high + 1e-15;
}

static bool edge_is_near(const edge_t *e, const zone_t *zone) {
    const double up = e->lat + 0.5 * e->rise - zone->lat;
    if (fabs(up) > zone->high + 0.5 * e->rise) return false;
    const double right = e->lng + 0.5 * e->run - zone->lng;
    if (zone->wide + 0.5 * fabs(e->run) < 1)
        return meets(e, zone, up, fb_h3_wrapped(right));
    return meets(e, zone, up, right) || meets(e, zone, up, right - 2 * FB_PI) ||
           meets(e, zone, up, right + 2 * FB_PI);
}

/* Whether the box around the outer ring meets a zone. */
static bool outer_is_near(const fill_t *f, const zone_t *zone) {
    const edge_t *e = &f->around;
    const double wide = zone->wide + 0.5 * e->run;
    const double right = fabs(e->lng + 0.5 * e->run - zone->lng);
    return fabs(e->lat + 0.5 * e->rise - zone->lat) <= zone->high + 0.5 * e->rise &&
           (right <= wide || fabs(right - 2 * FB_PI) <= wide);
}

/* Put those of the n edges at `from` of the stack that are near a zone behind them; returns how many. */
static size_t keep_near(fill_t *f, size_t from, size_t n, const zone_t *zone) {
    if (f->stack_room - from < 2 * n) {
        const size_t room = 2 * (from + 2 * n);
        uint32_t *larger = realloc(f->stack, room * sizeof *larger);
        if (!larger) {
            f->no_memory = true;
            return 0;
        }
        f->stack = larger;
        f->stack_room = room;
    }
    const uint32_t *all = f->stack + from;
    uint32_t *kept = f->stack + from + n;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        kept[k] = all[i];
        k += edge_is_near(&f->edges[all[i]], zone);
    }
    return k;
}

/* ---- cells that an edge may touch ---------------------------------------------------------------- */

/* The box around a cell, larger by a factor; around a pole it is a disk. */
static fb_h3_box_t cell_box(const fill_t *f, uint64_t cell, double scale) {
    const int res = fb_h3_res(cell);
    fb_h3_box_t box;
    if (res == 0) {
        fb_h3_point_t corners[FB_H3_MAX_CORNERS];
        box = fb_h3_box_around(corners, fb_h3_reference_boundary(cell, corners));
    } else {
        const fb_h3_point_t p = fb_h3_reference_center(cell);
        const double high = EDGES[res], wide = high * (1 / cos(p.lat));
        const fb_h3_box_t simple = {p.lat - high, p.lng - wide, p.lat + high, p.lng + wide};
        box = simple;
    }
    box = fb_h3_box_scaled(box, scale);
    if (cell == f->poles[res][0]) box.north = FB_PI / 2;
    if (cell == f->poles[res][1]) box.south = -FB_PI / 2;
    if (box.north == FB_PI / 2 || box.south == -FB_PI / 2) {
        box.west = -FB_PI;
        box.east = FB_PI;
    }
    return box;
}

/* Whether two lines, which are not parallel, have a point in common. */
static bool meet(fb_h3_point_t a, fb_h3_point_t b, fb_h3_point_t c, fb_h3_point_t d) {
    const double down = d.lat - c.lat, right = d.lng - c.lng;
    const double det = right * (b.lat - a.lat) - down * (b.lng - a.lng);
    if (det == 0) return false;
    const double s = (down * (a.lng - c.lng) - right * (a.lat - c.lat)) / det;
    if (!(0 <= s && s <= 1)) return false;
    const double t = ((b.lat - a.lat) * (a.lng - c.lng) - (b.lng - a.lng) * (a.lat - c.lat)) / det;
    return 0 <= t && t <= 1;
}

/* Whether one of the n edges near, which are of one ring, meets a boundary that is in a box. */
static bool ring_crosses(const fill_t *f, const uint32_t *near, size_t n, const fb_h3_point_t *boundary,
                         size_t corners, const fb_h3_box_t *box) {
    const ring_t *ring = &f->rings[f->edges[near[0]].ring];
    if (!fb_h3_box_overlaps(&ring->box, box)) return false;
    int s, t;
    fb_h3_box_turns(&ring->box, box, &s, &t);
    const double west = fb_h3_moved(box->west, t), east = fb_h3_moved(box->east, t);
    fb_h3_point_t line[FB_H3_MAX_CORNERS + 1];
    for (size_t c = 0; c <= corners; c++) {
        line[c] = boundary[c < corners ? c : 0];
        line[c].lng = fb_h3_moved(line[c].lng, t);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t at = f->edges[near[i]].at;
        if (at == BARRIER) continue;
        fb_h3_point_t a = ring->points[at], b = ring->points[at + 1 < ring->n ? at + 1 : 0];
        a.lng = fb_h3_moved(a.lng, s);
        b.lng = fb_h3_moved(b.lng, s);
        if (!(fb_max(a.lat, b.lat) > box->south && -fb_max(-a.lat, -b.lat) < box->north &&
              fb_max(a.lng, b.lng) > west && -fb_max(-a.lng, -b.lng) < east))
            continue;
        for (size_t c = 0; c < corners; c++)
            if (meet(a, b, line[c], line[c + 1])) return true;
    }
    return false;
}

/* How many of the n edges, of one or several rings, are of the same ring as the first. */
static size_t same_ring(const fill_t *f, const uint32_t *near, size_t n) {
    size_t k = 1;
    while (k < n && f->edges[near[k]].ring == f->edges[near[0]].ring) k++;
    return k;
}

static bool polygon_crosses(const fill_t *f, const uint32_t *near, size_t n,
                            const fb_h3_point_t *boundary, size_t corners, const fb_h3_box_t *box) {
    for (size_t i = 0, k; i < n; i += k) {
        k = same_ring(f, near + i, n - i);
        if (ring_crosses(f, near + i, k, boundary, corners, box)) return true;
    }
    return false;
}

/* Whether all of a cell is in the polygon. */
static bool cell_is_inside(const fill_t *f, const uint32_t *near, size_t n, const fb_h3_point_t *boundary,
                           size_t corners, const fb_h3_box_t *box) {
    if (!is_inside(f, boundary[0], 0)) return false;
    const ring_t outline = {boundary, corners, *box, box->east < box->west ? 1 : 0, false};
    for (size_t i = 0, k; i < n; i += k) {
        k = same_ring(f, near + i, n - i);
        const uint32_t ring = f->edges[near[i]].ring;
        if (ring_crosses(f, near + i, k, boundary, corners, box)) return false;
        if (ring > 0 && ring_contains(&outline, f->rings[ring].points[0])) return false;
    }
    return true;
}

static bool cell_belongs(const fill_t *f, uint64_t cell, fb_h3_point_t center, const uint32_t *near,
                         size_t n) {
    if (f->mode != FB_H3_FULL && (cell == f->first || is_inside(f, center, cell))) return true;
    fb_h3_point_t boundary[FB_H3_MAX_CORNERS];
    const size_t corners = fb_h3_reference_boundary(cell, boundary);
    fb_h3_box_t box = cell_box(f, cell, 1.1);
    if (f->mode == FB_H3_FULL) return cell_is_inside(f, near, n, boundary, corners, &box);
    if (polygon_crosses(f, near, n, boundary, corners, &box)) return true;
    if (f->mode == FB_H3_OVERLAP) return false;
    if (cell_is_inside(f, near, n, boundary, corners, &box)) return true;
    box = cell_box(f, cell, 1.4);
    if (!fb_h3_box_overlaps(&f->rings[0].box, &box)) return false;
    const fb_h3_point_t around[4] = {
        {box.north, box.east}, {box.north, box.west}, {box.south, box.west}, {box.south, box.east}};
    return fb_h3_box_within(&f->rings[0].box, &box) || is_inside(f, around[0], 0) ||
           polygon_crosses(f, near, n, around, 4, &box);
}

/* ---- the way down -------------------------------------------------------------------------------- */

/* Room for more cells at the end; NULL if there is none. */
static uint64_t *room_for(fill_t *f, uint64_t more) {
    if (more > f->room - f->n) {
        const uint64_t room = 2 * (f->n + more) + 64;
        uint64_t *larger = room <= SIZE_MAX / 8 ? realloc(f->cells, (size_t)room * 8) : NULL;
        if (!larger) {
            f->no_memory = true;
            return NULL;
        }
        f->cells = larger;
        f->room = (size_t)room;
    }
    return f->cells + f->n;
}

static void emit(fill_t *f, uint64_t cell) {
    const uint64_t more = fb_h3_children_size(cell, f->res);
    uint64_t *at = room_for(f, more);
    if (!at) return;
    (void)fb_h3_children(cell, f->res, at);
    f->n += (size_t)more;
}

static void examine(fill_t *f, uint64_t cell, fb_h3_point_t center, size_t from, size_t n);

/* Examine up to 128 cells of one resolution, against n edges at `from` of the stack. */
static void examine_all(fill_t *f, const uint64_t *cells, size_t n_cells, size_t from, size_t n) {
    double lats[128], lngs[128];
    fb_h3_centers(cells, n_cells, lats, lngs);
    const bool leaves = fb_h3_res(cells[0]) == f->res && f->mode == FB_H3_CENTER;
    for (size_t i = 0; i < n_cells && !f->no_memory; i++) {
        const fb_h3_point_t center = {lats[i] * FB_RADIANS, lngs[i] * FB_RADIANS};
        if (!leaves) examine(f, cells[i], center, from, n);
        else if (is_inside(f, center, cells[i])) emit(f, cells[i]);
    }
}

static void examine(fill_t *f, uint64_t cell, fb_h3_point_t center, size_t from, size_t n) {
    const int res = fb_h3_res(cell);
    const zone_t zone = zone_of(f, center, res);
    if (res == 0 && (f->n_rings == 1 || f->mode == FB_H3_CENTER) && !outer_is_near(f, &zone)) return;
    const size_t near = keep_near(f, from, n, &zone);
    if (f->no_memory) return;
    if (near == 0) {
        if (is_inside(f, center, cell)) emit(f, cell);
        return;
    }
    if (res == f->res) { /* leaves of the mode FB_H3_CENTER do not come here */
        if (cell_belongs(f, cell, center, f->stack + from + n, near)) emit(f, cell);
        return;
    }
    if (f->mode != FB_H3_CENTER) { /* as the library does, which matters near the poles */
        const fb_h3_box_t box = cell_box(f, cell, 1.4);
        if (!fb_h3_box_overlaps(&f->rings[0].box, &box)) return;
    }
    uint64_t children[7];
    const uint64_t *end = fb_h3_children(cell, res + 1, children);
    examine_all(f, children, (size_t)(end - children), from + n, near);
}

/* ---- setting up ---------------------------------------------------------------------------------- */

/* The rings in radians, and their edges. */
static void set_rings(fill_t *f, const double *points, const size_t *ends) {
    const size_t total = ends[f->n_rings - 1];
    for (size_t i = 0; i < total; i++) {
        f->points[i].lat = points[2 * i] * FB_RADIANS;
        f->points[i].lng = points[2 * i + 1] * FB_RADIANS;
    }
    for (size_t r = 0; r < f->n_rings; r++) {
        ring_t *ring = &f->rings[r];
        const size_t begin = r > 0 ? ends[r - 1] : 0;
        ring->points = f->points + begin;
        ring->n = ends[r] - begin;
        ring->box = fb_h3_box_around(ring->points, ring->n);
        ring->turn = ring->box.east < ring->box.west;
        ring->cut = false;
        for (size_t i = 0; i < ring->n; i++) {
            fb_h3_point_t low, high;
            ends_of(ring, i, &low, &high);
            low.lng = fb_h3_moved(low.lng, ring->turn);
            high.lng = fb_h3_moved(high.lng, ring->turn);
            ring->cut |= ring->turn && low.lng < ring->box.west;
            const edge_t edge = {low.lat, low.lng, high.lat - low.lat, high.lng - low.lng,
                                 (uint32_t)r, (uint32_t)i};
            f->edges[f->n_edges++] = edge;
        }
        if (ring->cut) {
            const edge_t barrier = {ring->box.south, ring->box.west,
                                    ring->box.north - ring->box.south, 0, (uint32_t)r, BARRIER};
            f->edges[f->n_edges++] = barrier;
        }
    }
    double west = f->edges[0].lng, east = west;
    for (size_t i = 0; i < f->rings[0].n; i++) { /* as moved */
        const double lng = fb_h3_moved(f->points[i].lng, f->rings[0].turn);
        west = fb_min(lng, west);
        east = fb_max(lng, east);
    }
    const fb_h3_box_t *box = &f->rings[0].box;
    const edge_t around = {box->south, west, box->north - box->south, east - west, 0, BARRIER};
    f->around = around;
    f->south = box->south;
    f->north = box->north;
    for (size_t r = 1; r < f->n_rings; r++) {
        f->south = fb_min(f->rings[r].box.south, f->south);
        f->north = fb_max(f->rings[r].box.north, f->north);
    }
    f->south -= 1e-9;
    f->north += 1e-9;
}

/* The strips that an edge is in. */
static void strips_of(const fill_t *f, const edge_t *e, size_t *first, size_t *last) {
    const double low = (e->lat - 1e-12 - f->south) * f->per_strip;
    const double high = (e->lat + e->rise + 1e-12 - f->south) * f->per_strip;
    *first = (size_t)low;
    *last = high < (double)f->n_strips ? (size_t)high : f->n_strips - 1;
}

/* Sort the edges into about as many strips, but so many only that they are in a few on average. */
static bool set_strips(fill_t *f) {
    double heights = 0;
    for (size_t i = 0; i < f->n_edges; i++) heights += f->edges[i].rise;
    const double crossings = heights / (f->north - f->south) + 1;
    const double strips = 4 * (double)f->n_edges / crossings;
    f->n_strips = strips < 1 ? 1 : (size_t)strips;
    f->per_strip = (double)f->n_strips / (f->north - f->south);
    f->starts = calloc(f->n_strips + 1, sizeof *f->starts);
    if (!f->starts) return false;
    size_t first, last, total = 0;
    for (size_t i = 0; i < f->n_edges; i++) {
        strips_of(f, &f->edges[i], &first, &last);
        for (size_t s = first; s <= last; s++) f->starts[s]++;
        total += last - first + 1;
    }
    f->strips = malloc(total * sizeof *f->strips);
    if (!f->strips) return false;
    size_t end = 0;
    for (size_t s = 0; s <= f->n_strips; s++) f->starts[s] = end += f->starts[s];
    for (size_t i = f->n_edges; i-- > 0;) { /* backwards, so that edges keep their order */
        strips_of(f, &f->edges[i], &first, &last);
        for (size_t s = first; s <= last; s++) f->strips[--f->starts[s]] = (uint32_t)i;
    }
    return true;
}

/* Fill from the base cells. */
static void fill(fill_t *f, const double *points, const size_t *ends) {
    set_rings(f, points, ends);
    f->stack_room = 4 * f->n_edges + 64;
    f->stack = malloc(f->stack_room * sizeof *f->stack);
    if (!f->stack || !set_strips(f)) {
        f->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < f->n_edges; i++) f->stack[i] = i;
    if (f->mode != FB_H3_CENTER) {
        f->first = fb_h3_cell_at(points[0], points[1], f->res);
        for (int res = 0; res <= f->res; res++) {
            f->poles[res][0] = fb_h3_cell_at(90, 0, res);
            f->poles[res][1] = fb_h3_cell_at(-90, 0, res);
        }
    }
    uint64_t bases[FB_H3_BASE_CELLS];
    for (uint64_t base = 0; base < FB_H3_BASE_CELLS; base++)
        bases[base] = 1ull << 59 | base << 45 | fb_h3_unused(0);
    examine_all(f, bases, FB_H3_BASE_CELLS, 0, f->n_edges);
}

fb_status_t fb_h3_polygon(const double *points, const size_t *ends, size_t rings, int res,
                          fb_h3_containment_t containment, uint64_t **cells, size_t *n) {
    fill_t f = {.n_rings = rings, .res = res, .mode = containment};
    const size_t total = ends[rings - 1];
    f.rings = malloc(rings * sizeof *f.rings);
    f.points = malloc(total * sizeof *f.points);
    f.edges = malloc((total + rings) * sizeof *f.edges);
    if (f.rings && f.points && f.edges) fill(&f, points, ends);
    else f.no_memory = true;
    free(f.rings);
    free(f.points);
    free(f.edges);
    free(f.strips);
    free(f.starts);
    free(f.stack);
    if (f.no_memory) {
        free(f.cells);
        return FB_NO_MEMORY;
    }
    *cells = f.cells;
    *n = f.n;
    return FB_OK;
}
