/* Polygons as regions that S2 cells cover: their edges are arcs of great circles.
 *
 * Each cell keeps the edges that meet it, found among those of its parent. If none cuts into it, its middle
 * tells for all of it: is it inside? The arc from a point far from all edges, an anchor, crosses each ring
 * an odd or an even number of times. Every vertex is on one side of the arc's plane or the other, by
 * the same sum for both of its edges, so that an arc through a vertex counts once; and since the middle
 * of such a cell and the anchor are a million FB_S2_PADs away from all edges, rounding cannot matter. The
 * anchor's own side is that of the larger part of the sphere, by the ring's area. If all rings are in a cap
 * of a radian, points at a right angle to its center are far, and outside.
 *
 * Crossing edges are sought by dividing cells until few edges meet them.
 *
 * A cell of which no edge cuts costs O(n) for n edges.
 */
#include "geo/s2_region.h"

#include <stdlib.h>

typedef struct {
    fb_s2_rings_t rings;
    size_t n;               /* vertices, and edges */
    fb_vector_t *points;    /* edge k leads from points[k] to points[next[k]] */
    uint32_t *next;
    fb_vector_t anchors[2]; /* far from all edges */
    bool *within[2];        /* for every ring, whether the anchor is inside */
} polygon_t;

/* ---- edges and cells ------------------------------------------------------------------------ */

/* How far a point is above the planes of the sides of a cell. */
FB_INLINE void heights_of(const fb_s2_bounds_t *b, fb_vector_t p, double above[4]) {
    double uvw[3];
    fb_s2_to_face(b->face, (const double[3]){p.x, p.y, p.z}, uvw);
    const double u = uvw[0], v = uvw[1], w = uvw[2];
    above[0] = v - b->lower * w;
    above[1] = b->right * w - u;
    above[2] = b->upper * w - v;
    above[3] = u - b->left * w;
}

/* The same of the ends of an edge. */
FB_INLINE void heights(const polygon_t *p, const fb_s2_bounds_t *bounds, uint32_t edge, double a[4], double b[4]) {
    heights_of(bounds, p->points[edge], a);
    heights_of(bounds, p->points[p->next[edge]], b);
}

/* Whether an edge meets a cell that is larger by `pad` on every side, from the heights of its ends; from
 * *start to *end it does. */
FB_INLINE bool meets_from(const double a[4], const double b[4], double pad, double *start, double *end) {
    *start = 0;
    *end = 1;
    for (int k = 0; k < 4; k++) {
        const double at_a = a[k] + pad, at_b = b[k] + pad;
        if (at_a < 0 && at_b < 0) return false;
        if (at_a < 0) *start = fb_max(*start, at_a / (at_a - at_b));
        else if (at_b < 0) *end = fb_min(*end, at_a / (at_a - at_b));
    }
    return *start <= *end;
}

FB_INLINE bool meets(const double a[4], const double b[4], double pad) {
    double start, end;
    return meets_from(a, b, pad, &start, &end);
}

/* ---- points inside -------------------------------------------------------------------------- */

/* About how far a point is from an arc. */
static double arc_distance(fb_vector_t p, fb_vector_t a, fb_vector_t b) {
    const fb_vector_t normal = fb_cross(a, b);
    if (fb_dot(fb_cross(normal, a), p) > 0 && fb_dot(fb_cross(b, normal), p) > 0)
        return fabs(fb_dot(normal, p)) / fb_length(normal);
    return fb_min(fb_length(fb_minus(p, a)), fb_length(fb_minus(p, b)));
}

/* The signed area of the part of the sphere that a ring bounds opposite to -center. */
static double fan(const polygon_t *p, size_t ring, fb_vector_t center) {
    double total = 0;
    for (size_t k = p->rings.starts[ring]; k < p->rings.starts[ring + 1]; k++) {
        const fb_vector_t a = p->points[k], b = p->points[p->next[k]];
        total += fb_s2_triangle(fb_dot(center, fb_cross(a, b)), 1, 1, 1, fb_dot(center, a), fb_dot(a, b),
                                fb_dot(b, center));
    }
    return total;
}

/* Whether the arc from start to end crosses a ring an odd number of times. */
static bool odd_crossings(const polygon_t *p, size_t ring, fb_vector_t start, fb_vector_t end) {
    const fb_vector_t normal = fb_cross(start, end);
    const double cosine = fb_dot(start, end);
    const size_t first = p->rings.starts[ring], last = p->rings.starts[ring + 1] - 1;
    bool odd = false;
    fb_vector_t a = p->points[last];
    double at_a = fb_dot(normal, a);
    for (size_t k = first; k <= last; k++) {
        const fb_vector_t b = p->points[k];
        const double at_b = fb_dot(normal, b);
        if ((at_a >= 0) != (at_b >= 0)) {
            const fb_vector_t x = fb_between(a, b, at_a / (at_a - at_b));
            const double from_start = fb_dot(x, start), from_end = fb_dot(x, end);
            if (from_start > from_end * cosine && from_end > from_start * cosine) odd = !odd;
        }
        a = b;
        at_a = at_b;
    }
    return odd;
}

/* Whether a point that is far from all edges is inside a ring, told from an anchor. */
static bool in_ring(const polygon_t *p, size_t ring, fb_vector_t point, int anchor) {
    return odd_crossings(p, ring, p->anchors[anchor], point) != p->within[anchor][ring];
}

static bool is_inside(const polygon_t *p, fb_vector_t point) {
    const int anchor = fabs(fb_dot(point, p->anchors[0])) < 0.9 ? 0 : 1;
    bool found = false;
    for (size_t r = 0; r < p->rings.rings; r++) {
        if (p->rings.outer[r]) {
            if (found) return true;
            found = in_ring(p, r, point, anchor);
        } else if (found && in_ring(p, r, point, anchor)) {
            found = false;
        }
    }
    return found;
}

/* ---- what a cell is to a polygon ------------------------------------------------------------ */

fb_status_t fb_s2_keep_meeting(const void *polygon, uint64_t cell, fb_s2_edges_t near, fb_s2_edges_t *own) {
    const polygon_t *p = polygon;
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    own->n = 0;
    own->edges = malloc((near.n + 1) * sizeof *own->edges);
    if (!own->edges) return FB_NO_MEMORY;
    for (size_t k = 0; k < near.n; k++) {
        double a[4], b[4];
        heights(p, &bounds, near.edges[k], a, b);
        own->edges[own->n] = near.edges[k];
        own->n += meets(a, b, FB_S2_PAD);
    }
    uint32_t *fitting = realloc(own->edges, (own->n + 1) * sizeof *own->edges);
    if (fitting) own->edges = fitting;
    return FB_OK;
}

static fb_s2_relation_t look_polygon(const void *shape, uint64_t cell, fb_s2_edges_t near) {
    const polygon_t *p = shape;
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    bool touched = false;
    for (size_t k = 0; k < near.n; k++) {
        double a[4], b[4];
        heights(p, &bounds, near.edges[k], a, b);
        if (!meets(a, b, FB_S2_PAD)) continue;
        if (meets(a, b, -FB_S2_PAD)) return FB_S2_MEETS;
        touched = true;
    }
    const double u = 0.5 * (bounds.left + bounds.right), v = 0.5 * (bounds.lower + bounds.upper);
    if (is_inside(p, fb_unit(fb_s2_of_face(bounds.face, u, v, 1)))) return FB_S2_CONTAINED;
    return touched ? FB_S2_MEETS : FB_S2_APART;
}

/* As many diagonals of the largest cells as fit into an edge of those that meet it. */
uint64_t fb_s2_need(const void *polygon, uint64_t cell, fb_s2_edges_t near, int level) {
    const polygon_t *p = polygon;
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    double longest = 0;
    for (size_t k = 0; k < near.n; k++) {
        const fb_vector_t from = p->points[near.edges[k]], to = p->points[p->next[near.edges[k]]];
        double a[4], b[4], start, end;
        heights(p, &bounds, near.edges[k], a, b);
        if (!meets_from(a, b, 0, &start, &end)) continue;
        const fb_vector_t in = fb_unit(fb_between(from, to, start)), out = fb_unit(fb_between(from, to, end));
        longest = fb_max(longest, fb_length(fb_minus(out, in)));
    }
    return 1 + (uint64_t)ldexp(longest / FB_S2_MAX_DIAGONAL, level);
}

/* ---- crossing edges ------------------------------------------------------------------------- */

/* Twice a x b, exact to the last digits even if a and b are close. */
static fb_vector_t plane_of(fb_vector_t a, fb_vector_t b) { return fb_cross(fb_minus(a, b), fb_plus(a, b)); }

/* Whether two edges cross, not only touch. */
static bool edges_cross(const polygon_t *p, uint32_t one, uint32_t other) {
    const fb_vector_t a = p->points[one], b = p->points[p->next[one]];
    const fb_vector_t c = p->points[other], d = p->points[p->next[other]];
    const fb_vector_t ab = plane_of(a, b), cd = plane_of(c, d);
    const double at_c = fb_dot(ab, fb_minus(c, a)), at_d = fb_dot(ab, fb_minus(d, a));
    const double at_a = fb_dot(cd, fb_minus(a, c)), at_b = fb_dot(cd, fb_minus(b, c));
    if (fb_min(fabs(at_c), fabs(at_d)) <= 1e-15 * fb_length(ab)) return false;
    if (fb_min(fabs(at_a), fabs(at_b)) <= 1e-15 * fb_length(cd)) return false;
    return (at_c > 0) != (at_d > 0) && (at_c > 0) == (at_b > 0) && (at_c > 0) != (at_a > 0);
}

/* Seeks two of the edges that meet a cell which cross: FB_OUT_OF_RANGE if there are any. `stuck` levels
 * before this one did not take an edge away though they divided the cell: edges lie upon each other. */
static fb_status_t seek_crossing(const polygon_t *p, uint64_t cell, fb_s2_edges_t near, int stuck,
                                 size_t bad[2]) {
    fb_status_t status = FB_OK;
    if (near.n > 8 && stuck < 6 && fb_s2_low_bit(cell) > 1) {
        const int level = fb_s2_level(cell) + 1;
        fb_s2_edges_t own[4] = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
        uint64_t first;
        int parts = 0;
        (void)fb_s2_descendants(cell, level, &first);
        for (uint64_t k = 0; k < 4 && status == FB_OK; k++) {
            status = fb_s2_keep_meeting(p, first + 2 * k * fb_s2_bit_of(level), near, &own[k]);
            parts += own[k].n > 0;
        }
        for (uint64_t k = 0; k < 4; k++) {
            if (status == FB_OK && own[k].n > 0)
                status = seek_crossing(p, first + 2 * k * fb_s2_bit_of(level), own[k],
                                       parts > 1 && own[k].n == near.n ? stuck + 1 : 0, bad);
            free(own[k].edges);
        }
        return status;
    }
    for (size_t x = 0; x < near.n; x++) {
        for (size_t y = 0; y < x; y++) {
            if (!edges_cross(p, near.edges[y], near.edges[x])) continue;
            bad[0] = near.edges[y];
            bad[1] = near.edges[x];
            return FB_OUT_OF_RANGE;
        }
    }
    return FB_OK;
}

/* ---- the covering --------------------------------------------------------------------------- */

static void polygon_free(polygon_t *p) {
    free(p->points);
    free(p->next);
    free(p->within[0]);
    free(p->within[1]);
}

/* Chooses the anchors among six, and tells in which rings they are. */
static void drop_anchors(polygon_t *p) {
    const fb_vector_t axes[3] = {fb_unit((fb_vector_t){1, 2, 3}), fb_unit((fb_vector_t){5, -1, -1}),
                                 fb_unit((fb_vector_t){1, 16, -11})};
    double clear[6];
    int first = 0, second = -1;
    for (int k = 0; k < 6; k++) {
        const fb_vector_t anchor = k < 3 ? axes[k] : fb_opposite(axes[k - 3]);
        clear[k] = 4;
        for (size_t e = 0; e < p->n; e++)
            clear[k] = fb_min(clear[k], arc_distance(anchor, p->points[e], p->points[p->next[e]]));
        if (clear[k] > clear[first]) first = k;
    }
    for (int k = 0; k < 6; k++)
        if (k % 3 != first % 3 && (second < 0 || clear[k] > clear[second])) second = k;
    p->anchors[0] = first < 3 ? axes[first] : fb_opposite(axes[first - 3]);
    p->anchors[1] = second < 3 ? axes[second] : fb_opposite(axes[second - 3]);
    for (size_t r = 0; r < p->rings.rings; r++) {
        p->within[0][r] = fabs(fan(p, r, fb_opposite(p->anchors[0]))) > 2 * FB_PI;
        p->within[1][r] = in_ring(p, r, p->anchors[1], 0);
    }
}

/* Finds a cap around the rings, that of their latitudes and longitudes, and anchors: on the rim of the
 * half sphere around the cap, if that is far. */
static void bound_polygon(polygon_t *p, fb_s2_region_t *region) {
    double south = FB_PI, north = -FB_PI, west = 0, east = 0;
    bool around = false;
    for (size_t r = 0; r < p->rings.rings; r++) {
        const size_t first = p->rings.starts[r];
        double lng = atan2(p->points[first].y, p->points[first].x), turn = 0, left = 0, right = 0;
        for (size_t k = first; k < p->rings.starts[r + 1]; k++) {
            const fb_vector_t a = p->points[k], b = p->points[p->next[k]], side = fb_cross(a, b);
            const double lat = atan2(a.z, sqrt(a.x * a.x + a.y * a.y)), after = atan2(b.y, b.x);
            const double rise = side.x * a.y - side.y * a.x, fall = side.x * b.y - side.y * b.x;
            south = fb_min(south, lat);
            north = fb_max(north, lat);
            if ((rise > 0 && fall < 0) || (rise < 0 && fall > 0)) {
                const double top = atan2(sqrt(side.x * side.x + side.y * side.y), fabs(side.z));
                if (rise > 0) north = fb_max(north, top);
                else south = fb_min(south, -top);
            }
            turn += remainder(after - lng, 2 * FB_PI);
            left = fb_min(left, turn);
            right = fb_max(right, turn);
            lng = after;
        }
        around = around || fabs(turn) > 3;
        const double middle = 0.5 * (west + east);
        lng = r == 0 ? lng : middle + remainder(lng + 0.5 * (left + right) - middle, 2 * FB_PI) -
                                 0.5 * (left + right);
        west = r == 0 ? lng + left : fb_min(west, lng + left);
        east = r == 0 ? lng + right : fb_max(east, lng + right);
    }
    if (!around) fb_s2_bound_rect(south, west, north, east - west, region);
    if (!around && region->angle < 1) {
        const fb_vector_t c = region->center, axis = {fabs(c.z) > 0.5, 0, !(fabs(c.z) > 0.5)};
        p->anchors[0] = fb_unit(fb_cross(c, axis));
        p->anchors[1] = fb_cross(c, p->anchors[0]);
        for (size_t r = 0; r < p->rings.rings; r++) p->within[0][r] = p->within[1][r] = false;
        return;
    }
    drop_anchors(p);
    if (!around) return;
    if (is_inside(p, (fb_vector_t){0, 0, 1})) north = FB_PI / 2;
    if (is_inside(p, (fb_vector_t){0, 0, -1})) south = -FB_PI / 2;
    fb_s2_bound_rect(south, 0, north, INFINITY, region);
}

static fb_status_t polygon_init(polygon_t *p, fb_s2_rings_t rings, size_t bad[2],
                                fb_s2_region_t *region) {
    *p = (polygon_t){.rings = rings, .n = rings.starts[rings.rings]};
    p->points = malloc(p->n * sizeof *p->points);
    p->next = malloc(p->n * sizeof *p->next);
    for (int k = 0; k < 2; k++) p->within[k] = malloc(rings.rings * sizeof *p->within[k]);
    if (!p->points || !p->next || !p->within[0] || !p->within[1]) return FB_NO_MEMORY;
    for (size_t r = 0; r < rings.rings; r++) {
        for (size_t k = rings.starts[r]; k < rings.starts[r + 1]; k++) {
            p->points[k] = fb_s2_of_degrees(rings.lat[k], rings.lng[k]);
            p->next[k] = (uint32_t)(k + 1 < rings.starts[r + 1] ? k + 1 : rings.starts[r]);
        }
    }
    for (size_t k = 0; k < p->n; k++) {
        if (fb_length(fb_plus(p->points[k], p->points[p->next[k]])) >= 1e-9) continue;
        bad[0] = k;
        bad[1] = SIZE_MAX;
        return FB_OUT_OF_RANGE;
    }
    bound_polygon(p, region);
    return FB_OK;
}

fb_status_t fb_s2_cover_polygon(fb_s2_rings_t rings, fb_s2_limits_t limits, fb_s2_found_t *found,
                                size_t bad[2]) {
    polygon_t p;
    fb_s2_region_t region = {.shape = &p, .look = look_polygon};
    uint64_t first[7];
    fb_status_t status = polygon_init(&p, rings, bad, &region);
    if (status == FB_OK) {
        region.edges.edges = malloc(p.n * sizeof *region.edges.edges);
        if (!region.edges.edges) status = FB_NO_MEMORY;
    }
    if (status == FB_OK) {
        for (; region.edges.n < p.n; region.edges.n++)
            region.edges.edges[region.edges.n] = (uint32_t)region.edges.n;
        const size_t n = fb_s2_candidates(&region, 4, FB_S2_MAX_LEVEL, first);
        for (size_t k = 0; k < n && status == FB_OK; k++) {
            fb_s2_edges_t own;
            status = fb_s2_keep_meeting(&p, first[k], region.edges, &own);
            if (status == FB_OK) status = seek_crossing(&p, first[k], own, 0, bad);
            free(own.edges);
        }
    }
    if (status == FB_OK) status = fb_s2_cover(&region, limits, found);
    free(region.edges.edges);
    polygon_free(&p);
    return status;
}
