/* Coverings by S2 cells.
 *
 * A region looks at a cell and says whether it is apart from it, meets it or contains it. Cells and regions
 * are closed, and PAD is added to all of them: who is nearer than that touches, so that rounding never
 * opens a gap; a leaf cell is a million times as wide.
 *
 * The covering [1]. Cells that may still be divided wait in a heap, the largest first, and of those the one
 * with the fewest children that are not apart from the region, and the most that need dividing. One is
 * divided if it has a single such child, if it is above min_level, or if there are then no more than
 * max_cells cells. At last cells of which there are all four are put together. Which of cells that are equal
 * in all this is divided first is chance; it is done both ways, from the first cell and from the last, and the
 * smaller covering kept.
 *
 * Cap. The distance from the center to a cell is that to the nearest vertex or the foot of a perpendicular
 * on a side; beyond a half sphere the opposite cap is asked.
 * Rectangle. The lune between the meridians is cut out of the cell, a convex polygon; it meets the rectangle
 * if its range of latitudes does, and contains a cell whose range is within and of which nothing is
 * outside the lune.
 * Polygon. Each cell keeps the edges that meet it, found among those of its parent. If none cuts into it,
 * its middle tells for all of it: is it inside? The arc from a point far from all edges crosses each ring
 * an odd or an even number of times. Every vertex is on one side of the arc's plane or the other, by
 * the same sum for both of its edges, so that an arc through a vertex counts once; and since the middle
 * of such a cell and the far point are a million PADs away from all edges, rounding cannot matter. The far
 * point's own side is that of the larger part of the sphere, by the ring's area.
 * Crossing edges are sought by dividing cells until few edges meet them.
 *
 * A covering looks at O(max_cells * levels) cells; a polygon of n edges costs O(n) for each that no edge
 * cuts.
 *
 * [1] S2 Geometry, s2geometry.io, "S2RegionCoverer".
 */
#include "geo/s2_cover.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
#define PAD 1e-14

typedef enum { APART, MEETS, CONTAINED } relation_t;

/* ---- vectors ---- */

typedef struct {
    double x, y, z;
} point_t;

static double dot(point_t a, point_t b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

static point_t cross(point_t a, point_t b) {
    return (point_t){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static point_t minus(point_t a, point_t b) { return (point_t){a.x - b.x, a.y - b.y, a.z - b.z}; }
static point_t plus(point_t a, point_t b) { return (point_t){a.x + b.x, a.y + b.y, a.z + b.z}; }
static point_t opposite(point_t a) { return (point_t){-a.x, -a.y, -a.z}; }
static double length(point_t a) { return sqrt(dot(a, a)); }

static point_t unit(point_t a) {
    const double scale = 1 / sqrt(dot(a, a));
    return (point_t){a.x * scale, a.y * scale, a.z * scale};
}

/* The point of the straight line from a to b at t. */
static point_t between(point_t a, point_t b, double t) {
    return (point_t){a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.z + t * (b.z - a.z)};
}

static point_t from_face(int face, double u, double v, double w) {
    double p[3];
    fb_s2_from_face(face, (const double[3]){u, v, w}, p);
    return (point_t){p[0], p[1], p[2]};
}

static point_t of_degrees(double lat, double lng) {
    double p[3];
    fb_s2_point(lat, lng, p);
    return (point_t){p[0], p[1], p[2]};
}

/* A cell as regions look at it. */
typedef struct {
    fb_s2_bounds_t bounds;
    point_t vertices[4]; /* counter-clockwise */
    point_t sides[4];    /* planes; what is inside is above all; side k leaves vertex k */
} shape_t;

static shape_t shape_of(uint64_t cell) {
    shape_t s;
    double points[4][3];
    const fb_s2_bounds_t b = s.bounds = fb_s2_bounds(cell);
    fb_s2_vertices(b, points);
    for (int k = 0; k < 4; k++)
        s.vertices[k] = (point_t){points[k][0], points[k][1], points[k][2]};
    s.sides[0] = from_face(b.face, 0, 1, -b.lower);
    s.sides[1] = from_face(b.face, -1, 0, b.right);
    s.sides[2] = from_face(b.face, 0, -1, b.upper);
    s.sides[3] = from_face(b.face, 1, 0, -b.left);
    return s;
}

/* Edges of a polygon, by number. */
typedef struct {
    uint32_t *edges;
    size_t n;
} edges_t;

/* What a region tells of a cell; `near` are the edges that met its parent, `own` becomes those that
 * meet it. FB_NO_MEMORY or FB_OK. */
typedef fb_status_t look_t(const void *region, uint64_t cell, edges_t near, edges_t *own,
                           relation_t *relation);

/* ---- caps ---- */

typedef struct {
    bool large;     /* larger than a half sphere: all but the cap that follows */
    point_t center;
    double chord;   /* the straight line to the rim */
} cap_t;

/* The distance of a point to the side at u = `side`, if it is nearest within the side. */
static double side_distance(double u, double v, double w, double side, double low, double high) {
    const double along = (w + side * u) / (1 + side * side);
    if (along <= 0 || !(low * along <= v && v <= high * along)) return 2;
    const double sine = fabs(u - side * w) / sqrt(1 + side * side);
    return sine * sqrt(2 / (1 + sqrt(fmax(0.0, 1 - sine * sine))));
}

static fb_status_t look_cap(const void *region, uint64_t cell, edges_t near_edges, edges_t *own,
                            relation_t *relation) {
    const cap_t *cap = region;
    const shape_t s = shape_of(cell);
    const fb_s2_bounds_t b = s.bounds;
    double near = 2, far = 0, p[3];
    (void)near_edges, (void)own;
    for (int k = 0; k < 4; k++) {
        const double chord = length(minus(s.vertices[k], cap->center));
        near = fmin(near, chord);
        far = fmax(far, chord);
    }
    fb_s2_to_face(b.face, (const double[3]){cap->center.x, cap->center.y, cap->center.z}, p);
    const double u = p[0], v = p[1], w = p[2];
    if (b.left * w <= u && u <= b.right * w && b.lower * w <= v && v <= b.upper * w) near = 0;
    near = fmin(near, side_distance(u, v, w, b.left, b.lower, b.upper));
    near = fmin(near, side_distance(u, v, w, b.right, b.lower, b.upper));
    near = fmin(near, side_distance(v, u, w, b.lower, b.left, b.right));
    near = fmin(near, side_distance(v, u, w, b.upper, b.left, b.right));
    if (cap->large)
        *relation = far < cap->chord - PAD ? APART : near >= cap->chord - PAD ? CONTAINED : MEETS;
    else
        *relation = near > cap->chord + PAD ? APART : far <= cap->chord + PAD ? CONTAINED : MEETS;
    return FB_OK;
}

/* ---- rectangles ---- */

/* A third plane keeps what is on the other side of the poles out. */
typedef struct {
    point_t planes[3];
} lune_t;

typedef struct {
    double south, north;
    bool whole;  /* no meridian is outside */
    lune_t inside[2], outside[2];
    int n_inside, n_outside;
} rect_t;

enum { CORNERS = 8 }; /* a quadrangle cut by three planes has 7 at most */

typedef struct {
    point_t points[CORNERS];
    point_t sides[CORNERS]; /* the plane of the side that leaves a point */
    bool plain[CORNERS];    /* it is a part of a meridian instead */
    int n;
} corners_t;

static void one_lune(double west, double east, lune_t *lune) {
    const double middle = 0.5 * (west + east);
    lune->planes[0] = (point_t){-sin(west), cos(west), 0};
    lune->planes[1] = (point_t){sin(east), -cos(east), 0};
    lune->planes[2] = (point_t){cos(middle), sin(middle), 0};
}

/* What lies between two meridians as one or two lunes; how many is returned. */
static int lunes(double west, double east, lune_t found[2]) {
    if (!(east - west > PI)) return one_lune(west, east, found), 1;
    const double middle = 0.5 * (west + east);
    one_lune(west, middle, &found[0]);
    one_lune(middle, east, &found[1]);
    return 2;
}

/* The part of a convex polygon that is in a lune, or at most `pad` outside. */
static corners_t clipped(corners_t polygon, const lune_t *lune, double pad) {
    for (int plane = 0; plane < 3; plane++) {
        double heights[CORNERS];
        corners_t part = {.n = 0};
        for (int k = 0; k < polygon.n; k++)
            heights[k] = dot(lune->planes[plane], polygon.points[k]) + pad;
        for (int k = 0; k < polygon.n; k++) {
            const int after = (k + 1) % polygon.n;
            const bool above = heights[k] >= 0;
            if (above) {
                part.points[part.n] = polygon.points[k];
                part.sides[part.n] = polygon.sides[k];
                part.plain[part.n++] = polygon.plain[k];
            }
            if (above != (heights[after] >= 0) && part.n < CORNERS) {
                const double t = heights[k] / (heights[k] - heights[after]);
                part.points[part.n] = between(polygon.points[k], polygon.points[after], t);
                part.sides[part.n] = polygon.sides[k];
                part.plain[part.n++] = above || polygon.plain[k];
            }
        }
        polygon = part;
    }
    return polygon;
}

/* The range of the latitudes of a polygon in which the poles are, or are not. */
static void latitudes(const corners_t *polygon, const bool poles[2], double *low, double *high) {
    *low = PI;
    *high = -PI;
    for (int k = 0; k < polygon->n; k++) {
        const point_t p = polygon->points[k], end = polygon->points[(k + 1) % polygon->n];
        const double lat = atan2(p.z, sqrt(p.x * p.x + p.y * p.y));
        *low = fmin(*low, lat);
        *high = fmax(*high, lat);
        if (polygon->plain[k]) continue;
        const point_t side = polygon->sides[k];
        const double rise = side.x * p.y - side.y * p.x, fall = side.x * end.y - side.y * end.x;
        const double top = atan2(sqrt(side.x * side.x + side.y * side.y), fabs(side.z));
        if (rise > 0 && fall < 0) *high = fmax(*high, top);
        if (rise < 0 && fall > 0) *low = fmin(*low, -top);
    }
    if (poles[0]) *high = PI / 2;
    if (poles[1]) *low = -PI / 2;
}

static fb_status_t look_rect(const void *region, uint64_t cell, edges_t near, edges_t *own,
                             relation_t *relation) {
    const rect_t *rect = region;
    const shape_t s = shape_of(cell);
    corners_t quad = {.n = 4};
    bool poles[2] = {true, true}, met = false;
    double low, high;
    (void)near, (void)own;
    for (int k = 0; k < 4; k++) {
        quad.points[k] = s.vertices[k];
        quad.sides[k] = s.sides[k];
        poles[0] = poles[0] && s.sides[k].z >= -PAD;
        poles[1] = poles[1] && -s.sides[k].z >= -PAD;
    }
    for (int k = 0; k < (rect->whole ? 1 : rect->n_inside); k++) {
        const corners_t part = rect->whole ? quad : clipped(quad, &rect->inside[k], PAD);
        if (part.n == 0) continue;
        latitudes(&part, poles, &low, &high);
        met = met || (low <= rect->north && high >= rect->south);
    }
    *relation = APART;
    if (!met) return FB_OK;
    *relation = MEETS;
    latitudes(&quad, poles, &low, &high);
    if (low < rect->south || high > rect->north) return FB_OK;
    for (int k = 0; k < rect->n_outside; k++)
        if (clipped(quad, &rect->outside[k], -PAD).n > 0) return FB_OK;
    *relation = CONTAINED;
    return FB_OK;
}

/* ---- polygons ---- */

typedef struct {
    fb_s2_rings_t rings;
    size_t n;           /* vertices, and edges */
    point_t *points;    /* edge k leads from points[k] to points[next[k]] */
    uint32_t *next;
    point_t anchors[2]; /* far from all edges */
    bool *within[2];    /* for every ring, whether the anchor is inside */
} polygon_t;

/* Whether an edge meets a cell that is larger by `pad` on every side. */
static bool meets(const polygon_t *p, uint32_t edge, const shape_t *s, double pad) {
    const point_t a = p->points[edge], b = p->points[p->next[edge]];
    double start = 0, end = 1;
    for (int k = 0; k < 4; k++) {
        const double at_a = dot(s->sides[k], a) + pad, at_b = dot(s->sides[k], b) + pad;
        if (at_a < 0 && at_b < 0) return false;
        if (at_a < 0) start = fmax(start, at_a / (at_a - at_b));
        else if (at_b < 0) end = fmin(end, at_a / (at_a - at_b));
    }
    return start <= end;
}

/* About how far a point is from an arc. */
static double arc_distance(point_t p, point_t a, point_t b) {
    const point_t normal = cross(a, b);
    if (dot(cross(normal, a), p) > 0 && dot(cross(b, normal), p) > 0)
        return fabs(dot(normal, p)) / length(normal);
    return fmin(length(minus(p, a)), length(minus(p, b)));
}

/* The signed area of the part of the sphere that a ring bounds opposite to -center. */
static double fan(const polygon_t *p, size_t ring, point_t center) {
    double total = 0;
    for (size_t k = p->rings.starts[ring]; k < p->rings.starts[ring + 1]; k++) {
        const point_t a = p->points[k], b = p->points[p->next[k]];
        total += fb_s2_triangle(dot(center, cross(a, b)), 1, 1, 1, dot(center, a), dot(a, b),
                                dot(b, center));
    }
    return total;
}

/* Whether the arc from start to end crosses a ring an odd number of times. */
static bool odd_crossings(const polygon_t *p, size_t ring, point_t start, point_t end) {
    const point_t normal = cross(start, end);
    const double cosine = dot(start, end);
    const size_t first = p->rings.starts[ring], last = p->rings.starts[ring + 1] - 1;
    bool odd = false;
    point_t a = p->points[last];
    double at_a = dot(normal, a);
    for (size_t k = first; k <= last; k++) {
        const point_t b = p->points[k];
        const double at_b = dot(normal, b);
        if ((at_a >= 0) != (at_b >= 0)) {
            const point_t x = between(a, b, at_a / (at_a - at_b));
            const double from_start = dot(x, start), from_end = dot(x, end);
            if (from_start > from_end * cosine && from_end > from_start * cosine) odd = !odd;
        }
        a = b;
        at_a = at_b;
    }
    return odd;
}

/* Whether a point that is far from all edges is inside a ring, told from an anchor. */
static bool in_ring(const polygon_t *p, size_t ring, point_t point, int anchor) {
    return odd_crossings(p, ring, p->anchors[anchor], point) != p->within[anchor][ring];
}

static bool is_inside(const polygon_t *p, point_t point) {
    const int anchor = fabs(dot(point, p->anchors[0])) < 0.9 ? 0 : 1;
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

/* The edges of `near` that meet a cell: into *own, for the caller to free. */
static fb_status_t keep_meeting(const polygon_t *p, const shape_t *s, edges_t near, edges_t *own) {
    own->n = 0;
    own->edges = malloc((near.n + 1) * sizeof *own->edges);
    if (!own->edges) return FB_NO_MEMORY;
    for (size_t k = 0; k < near.n; k++)
        if (meets(p, near.edges[k], s, PAD)) own->edges[own->n++] = near.edges[k];
    uint32_t *fitting = realloc(own->edges, (own->n + 1) * sizeof *own->edges);
    if (fitting) own->edges = fitting;
    return FB_OK;
}

static fb_status_t look_polygon(const void *region, uint64_t cell, edges_t near, edges_t *own,
                                relation_t *relation) {
    const polygon_t *p = region;
    const shape_t s = shape_of(cell);
    if (keep_meeting(p, &s, near, own) != FB_OK) return FB_NO_MEMORY;
    *relation = MEETS;
    for (size_t k = 0; k < own->n; k++)
        if (meets(p, own->edges[k], &s, -PAD)) return FB_OK;
    const fb_s2_bounds_t b = s.bounds;
    const double u = 0.5 * (b.left + b.right), v = 0.5 * (b.lower + b.upper);
    if (is_inside(p, unit(from_face(b.face, u, v, 1)))) *relation = CONTAINED;
    else if (own->n == 0) *relation = APART;
    return FB_OK;
}

/* Twice a x b, exact to the last digits even if a and b are close. */
static point_t plane_of(point_t a, point_t b) { return cross(minus(a, b), plus(a, b)); }

/* Whether two edges cross, not only touch. */
static bool edges_cross(const polygon_t *p, uint32_t one, uint32_t other) {
    const point_t a = p->points[one], b = p->points[p->next[one]];
    const point_t c = p->points[other], d = p->points[p->next[other]];
    const point_t ab = plane_of(a, b), cd = plane_of(c, d);
    const double at_c = dot(ab, minus(c, a)), at_d = dot(ab, minus(d, a));
    const double at_a = dot(cd, minus(a, c)), at_b = dot(cd, minus(b, c));
    if (fmin(fabs(at_c), fabs(at_d)) <= 1e-15 * length(ab)) return false;
    if (fmin(fabs(at_a), fabs(at_b)) <= 1e-15 * length(cd)) return false;
    return (at_c > 0) != (at_d > 0) && (at_c > 0) == (at_b > 0) && (at_c > 0) != (at_a > 0);
}

/* Seeks two of the edges that meet a cell which cross: FB_OUT_OF_RANGE if there are any. `stuck` levels
 * before this one did not take an edge away though they divided the cell: edges lie upon each other. */
static fb_status_t seek_crossing(const polygon_t *p, uint64_t cell, edges_t near, int stuck,
                                 size_t bad[2]) {
    fb_status_t status = FB_OK;
    if (near.n > 8 && stuck < 6 && fb_s2_low_bit(cell) > 1) {
        const int level = fb_s2_level(cell) + 1;
        edges_t own[4] = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
        uint64_t first;
        int parts = 0;
        (void)fb_s2_descendants(cell, level, &first);
        for (uint64_t k = 0; k < 4 && status == FB_OK; k++) {
            const shape_t s = shape_of(first + 2 * k * fb_s2_bit_of(level));
            status = keep_meeting(p, &s, near, &own[k]);
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

static void polygon_free(polygon_t *p) {
    free(p->points);
    free(p->next);
    free(p->within[0]);
    free(p->within[1]);
}

/* Chooses the anchors, and tells in which rings they are. */
static void drop_anchors(polygon_t *p) {
    const point_t axes[3] = {unit((point_t){1, 2, 3}), unit((point_t){5, -1, -1}),
                             unit((point_t){1, 16, -11})};
    double clear[6];
    int first = 0, second = -1;
    for (int k = 0; k < 6; k++) {
        const point_t anchor = k < 3 ? axes[k] : opposite(axes[k - 3]);
        clear[k] = 4;
        for (size_t e = 0; e < p->n; e++)
            clear[k] = fmin(clear[k], arc_distance(anchor, p->points[e], p->points[p->next[e]]));
        if (clear[k] > clear[first]) first = k;
    }
    for (int k = 0; k < 6; k++)
        if (k % 3 != first % 3 && (second < 0 || clear[k] > clear[second])) second = k;
    p->anchors[0] = first < 3 ? axes[first] : opposite(axes[first - 3]);
    p->anchors[1] = second < 3 ? axes[second] : opposite(axes[second - 3]);
    for (size_t r = 0; r < p->rings.rings; r++) {
        p->within[0][r] = fabs(fan(p, r, opposite(p->anchors[0]))) > 2 * PI;
        p->within[1][r] = in_ring(p, r, p->anchors[1], 0);
    }
}

static fb_status_t polygon_init(polygon_t *p, fb_s2_rings_t rings, size_t bad[2]) {
    *p = (polygon_t){.rings = rings, .n = rings.starts[rings.rings]};
    p->points = malloc(p->n * sizeof *p->points);
    p->next = malloc(p->n * sizeof *p->next);
    for (int k = 0; k < 2; k++) p->within[k] = malloc(rings.rings * sizeof *p->within[k]);
    if (!p->points || !p->next || !p->within[0] || !p->within[1]) return FB_NO_MEMORY;
    for (size_t r = 0; r < rings.rings; r++) {
        for (size_t k = rings.starts[r]; k < rings.starts[r + 1]; k++) {
            p->points[k] = of_degrees(rings.lat[k], rings.lng[k]);
            p->next[k] = (uint32_t)(k + 1 < rings.starts[r + 1] ? k + 1 : rings.starts[r]);
        }
    }
    for (size_t k = 0; k < p->n; k++) {
        if (length(plus(p->points[k], p->points[p->next[k]])) >= 1e-9) continue;
        bad[0] = k;
        bad[1] = SIZE_MAX;
        return FB_OUT_OF_RANGE;
    }
    drop_anchors(p);
    return FB_OK;
}

/* ---- the covering ---- */

typedef struct {
    uint64_t cell;
    relation_t relation;
    edges_t near;
} child_t;

typedef struct {
    uint64_t cell;
    int level, n, finals; /* children that are not apart; those that are not to be divided */
    child_t children[4];
} waiting_t;

typedef struct {
    const void *region;
    look_t *look;
    fb_s2_limits_t limits;
    fb_s2_found_t *found;
    bool last;    /* of equal cells the last is divided first */
    bool refused; /* a cell could not be divided, so that the order matters */
    waiting_t *heap;
    size_t n, room;
} coverer_t;

void fb_s2_found_free(fb_s2_found_t *found) {
    free(found->cells);
    *found = (fb_s2_found_t){NULL, 0, 0};
}

static fb_status_t find(fb_s2_found_t *found, uint64_t cell) {
    if (found->n == found->room) {
        const size_t room = 2 * found->room + 16;
        uint64_t *cells = realloc(found->cells, room * sizeof *cells);
        if (!cells) return FB_NO_MEMORY;
        found->cells = cells;
        found->room = room;
    }
    found->cells[found->n++] = cell;
    return FB_OK;
}

static bool is_before(const coverer_t *c, size_t first, size_t second) {
    const waiting_t *a = &c->heap[first], *b = &c->heap[second];
    if (a->level != b->level) return a->level < b->level;
    if (a->n != b->n) return a->n < b->n;
    if (a->finals != b->finals) return a->finals < b->finals;
    return c->last ? a->cell > b->cell : a->cell < b->cell;
}

static void swap(waiting_t *a, waiting_t *b) {
    const waiting_t before = *a;
    *a = *b;
    *b = before;
}

static fb_status_t heap_push(coverer_t *c, const waiting_t *one) {
    if (c->n == c->room) {
        const size_t room = 2 * c->room + 16;
        waiting_t *heap = realloc(c->heap, room * sizeof *heap);
        if (!heap) return FB_NO_MEMORY;
        c->heap = heap;
        c->room = room;
    }
    size_t k = c->n++;
    c->heap[k] = *one;
    for (; k > 0 && is_before(c, k, (k - 1) / 2); k = (k - 1) / 2)
        swap(&c->heap[k], &c->heap[(k - 1) / 2]);
    return FB_OK;
}

static waiting_t heap_pop(coverer_t *c) {
    const waiting_t first = c->heap[0];
    c->heap[0] = c->heap[--c->n];
    for (size_t k = 0;;) {
        size_t least = k;
        for (size_t child = 2 * k + 1; child <= 2 * k + 2 && child < c->n; child++)
            if (is_before(c, child, least)) least = child;
        if (least == k) return first;
        swap(&c->heap[k], &c->heap[least]);
        k = least;
    }
}

static void free_children(waiting_t *one) {
    for (int k = 0; k < one->n; k++) free(one->children[k].near.edges);
}

static bool is_final(const coverer_t *c, uint64_t cell, relation_t relation) {
    const int level = fb_s2_level(cell);
    return level >= c->limits.min_level &&
           (level == c->limits.max_level || relation == CONTAINED);
}

/* A cell becomes a part of the covering, or waits to be divided. */
static fb_status_t add(coverer_t *c, uint64_t cell, relation_t relation, edges_t near) {
    if (is_final(c, cell, relation)) return find(c->found, cell);
    waiting_t one = {.cell = cell, .level = fb_s2_level(cell)};
    fb_status_t status = FB_OK;
    uint64_t child;
    (void)fb_s2_descendants(cell, one.level + 1, &child);
    for (int k = 0; k < 4 && status == FB_OK; k++, child += 2 * fb_s2_bit_of(one.level + 1)) {
        child_t *into = &one.children[one.n];
        *into = (child_t){child, CONTAINED, {NULL, 0}};
        if (relation != CONTAINED)
            status = c->look(c->region, child, near, &into->near, &into->relation);
        if (status != FB_OK || into->relation == APART) {
            free(into->near.edges);
            continue;
        }
        one.n++;
        one.finals += is_final(c, child, into->relation);
    }
    if (status == FB_OK && one.finals == 4 && one.level >= c->limits.min_level)
        status = find(c->found, cell);
    else if (status == FB_OK && one.n > 0 && (status = heap_push(c, &one)) == FB_OK)
        return FB_OK; /* the children live on */
    free_children(&one);
    return status;
}

/* Puts cells together where there are all four, then divides those above min_level. */
static fb_status_t finish(fb_s2_found_t *found, int min_level) {
    found->n = fb_s2_normalize(found->cells, found->n);
    fb_s2_found_t deep = {NULL, 0, 0};
    for (size_t k = 0; k < found->n; k++) {
        const int own = fb_s2_level(found->cells[k]), level = own < min_level ? min_level : own;
        uint64_t cell;
        for (uint64_t left = fb_s2_descendants(found->cells[k], level, &cell); left > 0; left--) {
            if (find(&deep, cell) != FB_OK) {
                fb_s2_found_free(&deep);
                return FB_NO_MEMORY;
            }
            cell += 2 * fb_s2_bit_of(level);
        }
    }
    free(found->cells);
    *found = deep;
    return FB_OK;
}

static fb_status_t divide(const void *region, look_t *look, edges_t all, fb_s2_limits_t limits,
                          bool last, bool *refused, fb_s2_found_t *found) {
    coverer_t c = {.region = region, .look = look, .limits = limits, .found = found, .last = last};
    fb_status_t status = FB_OK;
    for (uint64_t face = 0; face < 6 && status == FB_OK; face++) {
        const uint64_t cell = face << 61 | (uint64_t)1 << 60;
        relation_t relation = APART;
        edges_t near = {NULL, 0};
        status = look(region, cell, all, &near, &relation);
        if (status == FB_OK && relation != APART) status = add(&c, cell, relation, near);
        free(near.edges);
    }
    while (c.n > 0 && status == FB_OK) {
        waiting_t one = heap_pop(&c);
        if (one.level < limits.min_level || one.n == 1 ||
            found->n + c.n + (size_t)one.n <= limits.max_cells) {
            for (int k = 0; k < one.n && status == FB_OK; k++)
                status = add(&c, one.children[k].cell, one.children[k].relation,
                             one.children[k].near);
        } else {
            c.refused = true;
            status = find(found, one.cell);
        }
        free_children(&one);
    }
    for (size_t k = 0; k < c.n; k++) free_children(&c.heap[k]);
    free(c.heap);
    *refused = c.refused;
    return status == FB_OK ? finish(found, limits.min_level) : status;
}

static double area_of(const fb_s2_found_t *found) {
    double area = 0;
    for (size_t k = 0; k < found->n; k++) area += fb_s2_area(found->cells[k]);
    return area;
}

/* The smaller of two coverings. */
static fb_status_t cover(const void *region, look_t *look, edges_t all, fb_s2_limits_t limits,
                         fb_s2_found_t *found) {
    fb_s2_found_t other = {NULL, 0, 0};
    bool refused;
    fb_status_t status = divide(region, look, all, limits, false, &refused, found);
    if (status == FB_OK && refused)
        status = divide(region, look, all, limits, true, &refused, &other);
    if (status == FB_OK && other.n > 0 && area_of(&other) < area_of(found)) {
        const fb_s2_found_t before = *found;
        *found = other;
        other = before;
    }
    fb_s2_found_free(&other);
    return status;
}

fb_status_t fb_s2_cover_cap(double lat, double lng, double angle, fb_s2_limits_t limits,
                            fb_s2_found_t *found) {
    const point_t center = of_degrees(lat, lng);
    cap_t cap = {.large = angle > PI / 2, .center = center};
    if (cap.large) cap.center = opposite(center);
    cap.chord = 2 * sin(0.5 * (cap.large ? PI - angle : angle));
    return cover(&cap, look_cap, (edges_t){NULL, 0}, limits, found);
}

fb_status_t fb_s2_cover_rect(double south, double west, double north, double width,
                             fb_s2_limits_t limits, fb_s2_found_t *found) {
    rect_t rect = {.south = south - PAD, .north = north + PAD, .whole = isinf(width) != 0};
    if (!rect.whole) {
        rect.n_inside = lunes(west, west + width, rect.inside);
        rect.n_outside = lunes(west + width, west + 2 * PI, rect.outside);
    }
    return cover(&rect, look_rect, (edges_t){NULL, 0}, limits, found);
}

fb_status_t fb_s2_cover_polygon(fb_s2_rings_t rings, fb_s2_limits_t limits, fb_s2_found_t *found,
                                size_t bad[2]) {
    polygon_t p;
    edges_t all = {NULL, 0};
    fb_status_t status = polygon_init(&p, rings, bad);
    if (status == FB_OK) {
        all.edges = malloc(p.n * sizeof *all.edges);
        if (!all.edges) status = FB_NO_MEMORY;
    }
    if (status == FB_OK) {
        for (; all.n < p.n; all.n++) all.edges[all.n] = (uint32_t)all.n;
        for (uint64_t face = 0; face < 6 && status == FB_OK; face++) {
            const uint64_t cell = face << 61 | (uint64_t)1 << 60;
            const shape_t s = shape_of(cell);
            edges_t own;
            status = keep_meeting(&p, &s, all, &own);
            if (status == FB_OK) status = seek_crossing(&p, cell, own, 0, bad);
            free(own.edges);
        }
    }
    if (status == FB_OK) status = cover(&p, look_polygon, all, limits, found);
    free(all.edges);
    polygon_free(&p);
    return status;
}
