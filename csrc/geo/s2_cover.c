/* Coverings by S2 cells.
 *
 * A region looks at a cell and says whether it is apart from it, meets it or contains it. Cells and regions
 * are closed, and PAD is added to all of them: who is nearer than that touches, so that rounding never
 * opens a gap; a leaf cell is a million times as wide.
 *
 * The covering [1]. It begins with up to four cells around the vertex next to the center of a cap that holds
 * the region, twice as wide as the cap's radius or more, or with the faces. Cells that may still be divided
 * wait in a heap, the largest first, and of those the one with the fewest children that are not apart from the
 * region, and the fewest of them final. One is divided if it has a single such child, if it is above
 * min_level, or if there are then no more than max_cells cells. At last cells of which there are all four
 * are put together. Who comes first of cells that are equal in all this is up to the heap, which
 * moves them just as that of C++ and of Python do: coverings of caps and polygons are those of s2geometry.
 *
 * Cap. The distance from the center to a cell is that to the nearest vertex or the foot of a perpendicular
 * on a side; beyond a half sphere the opposite cap is asked.
 * Rectangle. The lune between the meridians is cut out of the cell, a convex polygon; it meets the rectangle
 * if its range of latitudes does, and contains a cell whose range is within and of which nothing is
 * outside the lune. s2geometry looks at the least rectangle around a cell instead. That is less sharp, but
 * by chance leads to the smaller covering now and then: both are made and the smaller is kept.
 * Polygon. Each cell keeps the edges that meet it, found among those of its parent. If none cuts into it,
 * its middle tells for all of it: is it inside? The arc from a point far from all edges crosses each ring
 * an odd or an even number of times. Every vertex is on one side of the arc's plane or the other, by
 * the same sum for both of its edges, so that an arc through a vertex counts once; and since the middle
 * of such a cell and the far point are a million PADs away from all edges, rounding cannot matter. The far
 * point's own side is that of the larger part of the sphere, by the ring's area. If all rings are in a cap
 * of a radian, points at a right angle to its center are far, and outside.
 * Crossing edges are sought by dividing cells until few edges meet them.
 *
 * Too many cells for min_level are refused early. Cells that wait are apart, so what each needs at least adds up:
 * that many diagonals as fit into an edge within. Of a rectangle the longest side is measured beforehand; of
 * caps, and what is not thin, cells that are inside soon tell enough.
 *
 * A covering looks at O(max_cells * levels) cells, or O(those of min_level that are not inside); a polygon
 * of n edges costs O(n) for each that no edge cuts.
 *
 * [1] S2 Geometry, s2geometry.io, "S2RegionCoverer".
 */
#include "geo/s2_cover.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
#define PAD 1e-14
#define MAX_DIAGONAL 2.5 /* no cell of level k has one longer than this / 2^k */

typedef enum { APART, MEETS, CONTAINED } relation_t;

/* As fmin and fmax, of numbers. */
static double least(double a, double b) { return a < b ? a : b; }
static double greatest(double a, double b) { return a > b ? a : b; }

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

static double latitude_of(double x, double y, double z) { return atan2(z, sqrt(x * x + y * y)); }

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

/* What a region tells of a cell; `near` are edges of which those that meet the cell are some. */
typedef relation_t look_t(const void *shape, uint64_t cell, edges_t near);

typedef struct {
    const void *shape;
    look_t *look;
    edges_t edges;                /* none, but for polygons */
    point_t center; double angle; /* a cap that holds it */
} region_t;

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
    return sine * sqrt(2 / (1 + sqrt(greatest(0.0, 1 - sine * sine))));
}

static relation_t look_cap(const void *shape, uint64_t cell, edges_t none) {
    const cap_t *cap = shape;
    const fb_s2_bounds_t b = fb_s2_bounds(cell);
    const double rim = cap->chord + (cap->large ? -PAD : PAD);
    double near = 4, far = 0, p[3], vertices[4][3];
    (void)none;
    fb_s2_vertices(b, vertices);
    for (int k = 0; k < 4; k++) {
        const point_t vertex = {vertices[k][0], vertices[k][1], vertices[k][2]};
        const point_t away = minus(vertex, cap->center);
        near = least(near, dot(away, away));
        far = greatest(far, dot(away, away));
    }
    if (cap->large ? sqrt(far) < rim : sqrt(far) <= rim) return cap->large ? APART : CONTAINED;
    near = sqrt(near);
    if (near < rim) return MEETS;
    fb_s2_to_face(b.face, (const double[3]){cap->center.x, cap->center.y, cap->center.z}, p);
    const double u = p[0], v = p[1], w = p[2];
    if (b.left * w <= u && u <= b.right * w && b.lower * w <= v && v <= b.upper * w) near = 0;
    if (u < b.left * w) near = least(near, side_distance(u, v, w, b.left, b.lower, b.upper));
    if (u > b.right * w) near = least(near, side_distance(u, v, w, b.right, b.lower, b.upper));
    if (v < b.lower * w) near = least(near, side_distance(v, u, w, b.lower, b.left, b.right));
    if (v > b.upper * w) near = least(near, side_distance(v, u, w, b.upper, b.left, b.right));
    if (cap->large) return near >= rim ? CONTAINED : MEETS;
    return near > rim ? APART : MEETS;
}

/* ---- rectangles ---- */

static const double UNSURE = 1e-12; /* much more than PAD and rounding */

/* A third plane keeps what is on the other side of the poles out. */
typedef struct {
    point_t planes[3];
} lune_t;

/* The tangents of two latitudes next to one, UNSURE below and above it. */
typedef struct {
    double below, above;
} band_t;

typedef struct {
    double south, west, north, width;
    bool whole; /* no meridian is outside: the width is infinite */
    band_t south_band, north_band;
    lune_t inside[2], outside[2];
    int n_inside, n_outside;
} rect_t;

enum { CORNERS = 8 }; /* a quadrangle cut by three planes has 7 at most */

typedef struct {
    point_t points[CORNERS];
    point_t sides[CORNERS]; /* the plane of the side that leaves a point */
    bool plain[CORNERS];    /* it is a part of a meridian instead */
    int n;
    bool cut;
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

/* The part of a convex polygon that is in a lune, or at most `pad` outside: the polygon, or one of `parts`. */
static const corners_t *clipped(const corners_t *polygon, const lune_t *lune, double pad,
                                corners_t parts[2]) {
    for (int plane = 0; plane < 3; plane++) {
        double heights[CORNERS];
        int above = 0;
        for (int k = 0; k < polygon->n; k++) {
            heights[k] = dot(lune->planes[plane], polygon->points[k]) + pad;
            above += heights[k] >= 0;
        }
        if (above == polygon->n) continue;
        corners_t *part = polygon == &parts[0] ? &parts[1] : &parts[0];
        part->n = 0;
        part->cut = true;
        for (int k = 0; above > 0 && k < polygon->n; k++) {
            const int after = k + 1 < polygon->n ? k + 1 : 0;
            const bool is_above = heights[k] >= 0;
            if (is_above) {
                part->points[part->n] = polygon->points[k];
                part->sides[part->n] = polygon->sides[k];
                part->plain[part->n++] = polygon->plain[k];
            }
            if (is_above != (heights[after] >= 0) && part->n < CORNERS) {
                const double t = heights[k] / (heights[k] - heights[after]);
                part->points[part->n] = between(polygon->points[k], polygon->points[after], t);
                part->sides[part->n] = polygon->sides[k];
                part->plain[part->n++] = is_above || polygon->plain[k];
            }
        }
        polygon = part;
    }
    return polygon;
}

static band_t band_around(double lat) {
    const double low = lat - UNSURE, high = lat + UNSURE;
    const band_t band = {low <= -PI / 2 ? -INFINITY : tan(low), high >= PI / 2 ? INFINITY : tan(high)};
    return band;
}

/* A latitude, for comparison with the parallels of a rectangle: one that is far from them stands for all on
 * its side, so that the arc tangent is needed near them only. */
static double latitude_by(const rect_t *rect, double up, double out) {
    if (up > rect->north_band.above * out) return PI;
    if (up < rect->south_band.below * out) return -PI;
    if (up > rect->south_band.above * out && up < rect->north_band.below * out)
        return 0.5 * (rect->south + rect->north);
    return atan2(up, out);
}

/* The range of the latitudes of a polygon in which the poles are, or are not; as those of latitude_by. */
static void latitudes(const rect_t *rect, const corners_t *polygon, const bool poles[2], double *low,
                      double *high) {
    *low = PI;
    *high = -PI;
    for (int k = 0; k < polygon->n; k++) {
        const point_t p = polygon->points[k], end = polygon->points[k + 1 < polygon->n ? k + 1 : 0];
        const double lat = latitude_by(rect, p.z, sqrt(p.x * p.x + p.y * p.y));
        *low = least(*low, lat);
        *high = greatest(*high, lat);
        if (polygon->plain[k]) continue;
        const point_t side = polygon->sides[k];
        const double rise = side.x * p.y - side.y * p.x, fall = side.x * end.y - side.y * end.x;
        if (!((rise > 0 && fall < 0) || (rise < 0 && fall > 0))) continue;
        const double up = sqrt(side.x * side.x + side.y * side.y), out = fabs(side.z);
        if (rise > 0) *high = greatest(*high, latitude_by(rect, up, out));
        else *low = least(*low, latitude_by(rect, -up, out));
    }
    if (poles[0]) *high = PI / 2;
    if (poles[1]) *low = -PI / 2;
}

static relation_t look_rect(const void *shape, uint64_t cell, edges_t none) {
    const rect_t *rect = shape;
    const shape_t s = shape_of(cell);
    corners_t quad, parts[2];
    bool poles[2] = {true, true}, met = false;
    double low, high;
    (void)none;
    quad.n = 4;
    quad.cut = false;
    for (int k = 0; k < 4; k++) {
        quad.plain[k] = false;
        quad.points[k] = s.vertices[k];
        quad.sides[k] = s.sides[k];
        poles[0] = poles[0] && s.sides[k].z >= -PAD;
        poles[1] = poles[1] && -s.sides[k].z >= -PAD;
    }
    latitudes(rect, &quad, poles, &low, &high);
    if (low > rect->north + PAD || high < rect->south - PAD) return APART;
    for (int k = 0; k < rect->n_inside && !met; k++) {
        const corners_t *part = clipped(&quad, &rect->inside[k], PAD, parts);
        double own_low = low, own_high = high;
        if (part->n == 0) continue;
        if (part->cut) latitudes(rect, part, poles, &own_low, &own_high);
        met = own_low <= rect->north + PAD && own_high >= rect->south - PAD;
    }
    if (!met && !rect->whole) return APART;
    if (low < rect->south - PAD || high > rect->north + PAD) return MEETS;
    for (int k = 0; k < rect->n_outside; k++)
        if (clipped(&quad, &rect->outside[k], -PAD, parts)->n > 0) return MEETS;
    return CONTAINED;
}

/* The least rectangle around a cell, its parallels as those of latitude_by. Of one that is apart from `rect`
 * for its parallels the meridians are not told. */
static rect_t box_of(uint64_t cell, const rect_t *rect) {
    const int face = (int)(cell >> 61);
    double vertices[4][3], first = 0, left = 0, right = 0;
    rect_t box = {.south = PI, .north = -PI};
    bool at_pole = false;
    if (fb_s2_level(cell) == 0) {
        const double pole = asin(sqrt(1.0 / 3));
        if (face % 3 == 2)
            return (rect_t){.south = face == 2 ? pole : -PI / 2, .north = face == 2 ? PI / 2 : -pole,
                            .width = INFINITY};
        return (rect_t){.south = -PI / 4, .north = PI / 4, .width = PI / 2,
                        .west = PI / 2 * (face < 2 ? face : face - 1) - PI / 4};
    }
    fb_s2_vertices(fb_s2_bounds(cell), vertices);
    for (int k = 0; k < 4; k++) {
        const double *p = vertices[k], out = sqrt(p[0] * p[0] + p[1] * p[1]);
        const double lat = latitude_by(rect, p[2], out);
        box.south = least(box.south, lat);
        box.north = greatest(box.north, lat);
        if (out < 1e-10) at_pole |= fabs(atan2(p[2], out)) >= PI / 2 - PAD;
    }
    if (box.south > rect->north + PAD || box.north < rect->south - PAD) return box;
    for (int k = 0; k < 4; k++) {
        const double lng = atan2(vertices[k][1], vertices[k][0]);
        if (k == 0) first = lng;
        const double step = fabs(lng - first) <= PI ? lng - first : remainder(lng - first, 2 * PI);
        left = least(left, step);
        right = greatest(right, step);
    }
    box.west = first + left;
    box.width = at_pole ? INFINITY : right - left;
    return box;
}

/* As look_rect, but of the rectangle around the cell. */
static relation_t look_box(const void *shape, uint64_t cell, edges_t none) {
    const rect_t *rect = shape, box = box_of(cell, rect);
    (void)none;
    if (box.south > rect->north + PAD || box.north < rect->south - PAD) return APART;
    bool inside = greatest(box.south - PAD, -PI / 2) >= rect->south &&
                  least(box.north + PAD, PI / 2) <= rect->north;
    if (!rect->whole) {
        double west = fmod(box.west - rect->west, 2 * PI);
        if (west < 0) west += 2 * PI;
        const double east = west + box.width;
        if (west > rect->width + PAD && east < 2 * PI - PAD) return APART;
        inside = inside && west >= PAD && east <= rect->width - PAD;
    }
    return inside ? CONTAINED : MEETS;
}

static point_t at_radians(double lat, double lng) {
    return (point_t){cos(lng) * cos(lat), sin(lng) * cos(lat), sin(lat)};
}

/* The smaller of two caps that hold a rectangle: around its middle, and around the pole next to it. */
static void bound_rect(double south, double west, double north, double width, region_t *region) {
    const bool up = south + north >= 0;
    region->center = (point_t){0, 0, up ? 1 : -1};
    region->angle = PI / 2 + (up ? -south : north);
    if (width > PI) return;
    const point_t center = at_radians(0.5 * (south + north), west + 0.5 * width);
    double far = 0;
    for (int k = 0; k < 4; k++) {
        const point_t p = at_radians(k / 2 ? north : south, k % 2 ? west + width : west);
        far = greatest(far, length(minus(center, p)));
    }
    const double angle = 2 * asin(least(1, 0.5 * far));
    if (angle >= region->angle) return;
    region->center = center;
    region->angle = angle;
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

/* How far a point is above the planes of the sides of a cell. */
FB_INLINE void heights(const fb_s2_bounds_t *b, point_t p, double above[4]) {
    double uvw[3];
    fb_s2_to_face(b->face, (const double[3]){p.x, p.y, p.z}, uvw);
    const double u = uvw[0], v = uvw[1], w = uvw[2];
    above[0] = v - b->lower * w;
    above[1] = b->right * w - u;
    above[2] = b->upper * w - v;
    above[3] = u - b->left * w;
}

/* Whether an edge meets a cell that is larger by `pad` on every side, from the heights of its ends; from
 * *start to *end it does. */
FB_INLINE bool meets_from(const double a[4], const double b[4], double pad, double *start, double *end) {
    *start = 0;
    *end = 1;
    for (int k = 0; k < 4; k++) {
        const double at_a = a[k] + pad, at_b = b[k] + pad;
        if (at_a < 0 && at_b < 0) return false;
        if (at_a < 0) *start = greatest(*start, at_a / (at_a - at_b));
        else if (at_b < 0) *end = least(*end, at_a / (at_a - at_b));
    }
    return *start <= *end;
}

FB_INLINE bool meets(const double a[4], const double b[4], double pad) {
    double start, end;
    return meets_from(a, b, pad, &start, &end);
}

/* About how far a point is from an arc. */
static double arc_distance(point_t p, point_t a, point_t b) {
    const point_t normal = cross(a, b);
    if (dot(cross(normal, a), p) > 0 && dot(cross(b, normal), p) > 0)
        return fabs(dot(normal, p)) / length(normal);
    return least(length(minus(p, a)), length(minus(p, b)));
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
static fb_status_t keep_meeting(const polygon_t *p, uint64_t cell, edges_t near, edges_t *own) {
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    own->n = 0;
    own->edges = malloc((near.n + 1) * sizeof *own->edges);
    if (!own->edges) return FB_NO_MEMORY;
    for (size_t k = 0; k < near.n; k++) {
        double a[4], b[4];
        heights(&bounds, p->points[near.edges[k]], a);
        heights(&bounds, p->points[p->next[near.edges[k]]], b);
        own->edges[own->n] = near.edges[k];
        own->n += meets(a, b, PAD);
    }
    uint32_t *fitting = realloc(own->edges, (own->n + 1) * sizeof *own->edges);
    if (fitting) own->edges = fitting;
    return FB_OK;
}

static relation_t look_polygon(const void *shape, uint64_t cell, edges_t near) {
    const polygon_t *p = shape;
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    bool touched = false;
    for (size_t k = 0; k < near.n; k++) {
        double a[4], b[4];
        heights(&bounds, p->points[near.edges[k]], a);
        heights(&bounds, p->points[p->next[near.edges[k]]], b);
        if (!meets(a, b, PAD)) continue;
        if (meets(a, b, -PAD)) return MEETS;
        touched = true;
    }
    const double u = 0.5 * (bounds.left + bounds.right), v = 0.5 * (bounds.lower + bounds.upper);
    if (is_inside(p, unit(from_face(bounds.face, u, v, 1)))) return CONTAINED;
    return touched ? MEETS : APART;
}

/* How many cells of a level what is in a cell needs at least: as many diagonals of the largest ones as fit
 * into an edge of those that meet it. */
static uint64_t need_of(const polygon_t *p, uint64_t cell, edges_t near, int level) {
    const fb_s2_bounds_t bounds = fb_s2_bounds(cell);
    double longest = 0;
    for (size_t k = 0; k < near.n; k++) {
        const point_t from = p->points[near.edges[k]], to = p->points[p->next[near.edges[k]]];
        double a[4], b[4], start, end;
        heights(&bounds, from, a);
        heights(&bounds, to, b);
        if (!meets_from(a, b, 0, &start, &end)) continue;
        const point_t in = unit(between(from, to, start)), out = unit(between(from, to, end));
        longest = greatest(longest, length(minus(out, in)));
    }
    return 1 + (uint64_t)ldexp(longest / MAX_DIAGONAL, level);
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
    if (least(fabs(at_c), fabs(at_d)) <= 1e-15 * length(ab)) return false;
    if (least(fabs(at_a), fabs(at_b)) <= 1e-15 * length(cd)) return false;
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
            status = keep_meeting(p, first + 2 * k * fb_s2_bit_of(level), near, &own[k]);
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

/* Chooses the anchors among six, and tells in which rings they are. */
static void drop_anchors(polygon_t *p) {
    const point_t axes[3] = {unit((point_t){1, 2, 3}), unit((point_t){5, -1, -1}),
                             unit((point_t){1, 16, -11})};
    double clear[6];
    int first = 0, second = -1;
    for (int k = 0; k < 6; k++) {
        const point_t anchor = k < 3 ? axes[k] : opposite(axes[k - 3]);
        clear[k] = 4;
        for (size_t e = 0; e < p->n; e++)
            clear[k] = least(clear[k], arc_distance(anchor, p->points[e], p->points[p->next[e]]));
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

/* Finds a cap around the rings, that of their latitudes and longitudes, and anchors: on the rim of the
 * half sphere around the cap, if that is far. */
static void bound_polygon(polygon_t *p, region_t *region) {
    double south = PI, north = -PI, west = 0, east = 0;
    bool around = false;
    for (size_t r = 0; r < p->rings.rings; r++) {
        const size_t first = p->rings.starts[r];
        double lng = atan2(p->points[first].y, p->points[first].x), turn = 0, left = 0, right = 0;
        for (size_t k = first; k < p->rings.starts[r + 1]; k++) {
            const point_t a = p->points[k], b = p->points[p->next[k]], side = cross(a, b);
            const double lat = latitude_of(a.x, a.y, a.z), after = atan2(b.y, b.x);
            const double rise = side.x * a.y - side.y * a.x, fall = side.x * b.y - side.y * b.x;
            south = least(south, lat);
            north = greatest(north, lat);
            if ((rise > 0 && fall < 0) || (rise < 0 && fall > 0)) {
                const double top = atan2(sqrt(side.x * side.x + side.y * side.y), fabs(side.z));
                if (rise > 0) north = greatest(north, top);
                else south = least(south, -top);
            }
            turn += remainder(after - lng, 2 * PI);
            left = least(left, turn);
            right = greatest(right, turn);
            lng = after;
        }
        around = around || fabs(turn) > 3;
        const double middle = 0.5 * (west + east);
        lng = r == 0 ? lng : middle + remainder(lng + 0.5 * (left + right) - middle, 2 * PI) -
                                 0.5 * (left + right);
        west = r == 0 ? lng + left : least(west, lng + left);
        east = r == 0 ? lng + right : greatest(east, lng + right);
    }
    if (!around) bound_rect(south, west, north, east - west, region);
    if (!around && region->angle < 1) {
        const point_t c = region->center, axis = {fabs(c.z) > 0.5, 0, !(fabs(c.z) > 0.5)};
        p->anchors[0] = unit(cross(c, axis));
        p->anchors[1] = cross(c, p->anchors[0]);
        for (size_t r = 0; r < p->rings.rings; r++) p->within[0][r] = p->within[1][r] = false;
        return;
    }
    drop_anchors(p);
    if (!around) return;
    if (is_inside(p, (point_t){0, 0, 1})) north = PI / 2;
    if (is_inside(p, (point_t){0, 0, -1})) south = -PI / 2;
    bound_rect(south, 0, north, INFINITY, region);
}

static fb_status_t polygon_init(polygon_t *p, fb_s2_rings_t rings, size_t bad[2],
                                region_t *region) {
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
    bound_polygon(p, region);
    return FB_OK;
}

/* ---- the covering ---- */

typedef struct {
    uint64_t cell;
    edges_t near;
    uint64_t need;         /* how many cells of the covering will be in it at least */
    int order;             /* who is less comes first */
    int n;                 /* children that are not apart */
    relation_t children[4];
} waiting_t;

typedef struct {
    const region_t *region;
    fb_s2_limits_t limits;
    fb_s2_found_t *found;
    uint64_t count; /* cells found, when they are divided down to min_level */
    uint64_t need;  /* of all that wait */
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

static void rise(waiting_t *heap, size_t k, waiting_t one) {
    for (; k > 0 && one.order < heap[(k - 1) / 2].order; k = (k - 1) / 2) heap[k] = heap[(k - 1) / 2];
    heap[k] = one;
}

static fb_status_t heap_push(coverer_t *c, const waiting_t *one) {
    if (c->n == c->room) {
        const size_t room = 2 * c->room + 16;
        waiting_t *heap = realloc(c->heap, room * sizeof *heap);
        if (!heap) return FB_NO_MEMORY;
        c->heap = heap;
        c->room = room;
    }
    rise(c->heap, c->n, *one);
    c->n++;
    c->need += one->need;
    return FB_OK;
}

/* The hole goes all the way down, then the last one rises from there: among equal ones this decides who
 * comes first. */
static waiting_t heap_pop(coverer_t *c) {
    const waiting_t first = c->heap[0], last = c->heap[--c->n];
    size_t k = 0;
    c->need -= first.need;
    for (size_t child = 1; child < c->n; child = 2 * k + 1) {
        if (child + 1 < c->n && c->heap[child].order >= c->heap[child + 1].order) child++;
        c->heap[k] = c->heap[child];
        k = child;
    }
    if (c->n > 0) rise(c->heap, k, last);
    return first;
}

static bool is_final(const coverer_t *c, int level, relation_t relation) {
    return level >= c->limits.min_level && (level == c->limits.max_level || relation == CONTAINED);
}

/* How many cells of min_level, or itself, a cell stands for. */
static uint64_t weight_of(const coverer_t *c, int level) {
    return level < c->limits.min_level ? (uint64_t)1 << 2 * (c->limits.min_level - level) : 1;
}

static fb_status_t take(coverer_t *c, uint64_t cell) {
    c->count += weight_of(c, fb_s2_level(cell));
    return find(c->found, cell);
}

enum { FEW_LEVELS = 6 }; /* from so many above min_level on it is told how many cells are needed */

/* A cell becomes a part of the covering, or waits to be divided. One that would be divided into more than
 * max_cells anyway is taken whole. */
static fb_status_t add(coverer_t *c, uint64_t cell, relation_t relation, edges_t near) {
    waiting_t one = {.cell = cell, .need = 1};
    const int level = fb_s2_level(cell);
    int finals = 0;
    uint64_t child;
    if (c->count + c->need >= c->limits.most) return FB_FULL;
    if (is_final(c, level, relation) ||
        (relation == CONTAINED && weight_of(c, level) > c->limits.max_cells))
        return take(c, cell);
    if (near.n > 0 && keep_meeting(c->region->shape, cell, near, &one.near) != FB_OK)
        return FB_NO_MEMORY;
    if (one.near.n > 0 && level + FEW_LEVELS <= c->limits.min_level)
        one.need = need_of(c->region->shape, cell, one.near, c->limits.min_level);
    (void)fb_s2_descendants(cell, level + 1, &child);
    for (int k = 0; k < 4; k++, child += 2 * fb_s2_bit_of(level + 1)) {
        one.children[k] = relation == CONTAINED
                              ? CONTAINED
                              : c->region->look(c->region->shape, child, one.near);
        one.n += one.children[k] != APART;
        finals += one.children[k] != APART && is_final(c, level + 1, one.children[k]);
    }
    one.order = 16 * level + 4 * one.n + finals;
    fb_status_t status = FB_OK;
    if (finals == 4 && level >= c->limits.min_level) status = take(c, cell);
    else if (one.n > 0 && (status = heap_push(c, &one)) == FB_OK) return FB_OK; /* it keeps its edges */
    free(one.near.edges);
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

/* The smallest cell that holds both; 0 if there is none. */
static uint64_t common(uint64_t a, uint64_t b) {
    const int of_a = fb_s2_level(a), of_b = fb_s2_level(b);
    for (int level = of_a < of_b ? of_a : of_b; level >= 0; level--)
        if (fb_s2_contains(fb_s2_ancestor(a, level), b)) return fb_s2_ancestor(a, level);
    return 0;
}

/* Cells that hold the cap of a region, in order, for it to be divided from: six faces, or `most` or fewer
 * around the vertex next to the center, not below max_level. Those that have the smallest common
 * ancestor are put together if they are more. */
static size_t candidates(const region_t *region, size_t most, int max_level, uint64_t cells[7]) {
    int level;
    size_t n;
    (void)frexp(2 * sqrt(2) / 3 / greatest(region->angle, 1e-10), &level);
    level = level > 31 ? 29 : level - 2; /* its cells are at least twice as wide as the angle */
    if (level < 0) {
        for (n = 0; n < 6; n++) cells[n] = (uint64_t)n << 61 | (uint64_t)1 << 60;
        return n;
    }
    const point_t p = region->center;
    fb_s2_vertex_neighbors(fb_s2_leaf((const double[3]){p.x, p.y, p.z}), level, cells);
    for (n = 0; n < 4; n++)
        cells[n] = fb_s2_ancestor(cells[n], level < max_level ? level : max_level);
    n = fb_s2_normalize(cells, n);
    while (n > most) {
        uint64_t whole = 0;
        for (size_t k = 0; k + 1 < n; k++) {
            const uint64_t one = common(cells[k], cells[k + 1]);
            if (one != 0 && (whole == 0 || fb_s2_level(one) > fb_s2_level(whole))) whole = one;
        }
        if (whole == 0) break;
        cells[n] = whole;
        n = fb_s2_normalize(cells, n + 1);
    }
    return n;
}

static fb_status_t cover(const region_t *region, fb_s2_limits_t limits, fb_s2_found_t *found) {
    coverer_t c = {.region = region, .limits = limits, .found = found};
    fb_status_t status = FB_OK;
    uint64_t first[7];
    const size_t few = limits.max_cells < 4 ? limits.max_cells : 4;
    const size_t n = candidates(region, few, limits.max_level, first);
    for (size_t k = 0; k < n && status == FB_OK; k++) {
        const relation_t relation = region->look(region->shape, first[k], region->edges);
        if (relation != APART) status = add(&c, first[k], relation, region->edges);
    }
    while (c.n > 0 && status == FB_OK) {
        const waiting_t one = heap_pop(&c);
        const int level = fb_s2_level(one.cell);
        if (level < limits.min_level || one.n == 1 ||
            c.count + c.n + (uint64_t)one.n <= limits.max_cells) {
            uint64_t child;
            (void)fb_s2_descendants(one.cell, level + 1, &child);
            for (int k = 0; k < 4 && status == FB_OK; k++, child += 2 * fb_s2_bit_of(level + 1))
                if (one.children[k] != APART) status = add(&c, child, one.children[k], one.near);
        } else {
            status = take(&c, one.cell);
        }
        free(one.near.edges);
    }
    for (size_t k = 0; k < c.n; k++) free(c.heap[k].near.edges);
    free(c.heap);
    return status == FB_OK ? finish(found, limits.min_level) : status;
}

fb_status_t fb_s2_cover_cap(double lat, double lng, double angle, fb_s2_limits_t limits,
                            fb_s2_found_t *found) {
    const point_t center = of_degrees(lat, lng);
    const bool large = angle > PI / 2;
    const cap_t cap = {.large = large, .center = large ? opposite(center) : center,
                       .chord = 2 * sin(0.5 * (large ? PI - angle : angle))};
    const region_t region = {.shape = &cap, .look = look_cap, .center = center, .angle = angle};
    return cover(&region, limits, found);
}

static double area_of(const fb_s2_found_t *found) {
    double area = 0;
    for (size_t k = 0; k < found->n; k++) area += fb_s2_area(found->cells[k]);
    return area;
}

fb_status_t fb_s2_cover_rect(double south, double west, double north, double width,
                             fb_s2_limits_t limits, fb_s2_found_t *found) {
    fb_s2_found_t other = {NULL, 0, 0};
    rect_t rect = {.south = south, .west = west, .north = north, .width = width,
                   .whole = isinf(width) != 0, .south_band = band_around(south),
                   .north_band = band_around(north)};
    region_t region = {.shape = &rect, .look = look_rect};
    if (!rect.whole) {
        rect.n_inside = lunes(west, west + width, rect.inside);
        rect.n_outside = lunes(west + width, west + 2 * PI, rect.outside);
    }
    bound_rect(south, west, north, width, &region);
    const double lat = least(fabs(south), fabs(north)), middle = south * north < 0 ? 0 : lat;
    const double along = 2 * cos(middle) * sin(0.5 * least(width, PI));
    const double longest = greatest(along, 2 * sin(0.5 * (north - south)));
    if (ldexp(longest / MAX_DIAGONAL, limits.min_level) >= (double)limits.most) return FB_FULL;
    fb_status_t status = cover(&region, limits, found);
    region.look = look_box;
    if (status == FB_OK) status = cover(&region, limits, &other);
    if (status == FB_OK && area_of(&other) < area_of(found)) {
        const fb_s2_found_t before = *found;
        *found = other;
        other = before;
    }
    fb_s2_found_free(&other);
    return status;
}

fb_status_t fb_s2_cover_polygon(fb_s2_rings_t rings, fb_s2_limits_t limits, fb_s2_found_t *found,
                                size_t bad[2]) {
    polygon_t p;
    region_t region = {.shape = &p, .look = look_polygon};
    uint64_t first[7];
    fb_status_t status = polygon_init(&p, rings, bad, &region);
    if (status == FB_OK) {
        region.edges.edges = malloc(p.n * sizeof *region.edges.edges);
        if (!region.edges.edges) status = FB_NO_MEMORY;
    }
    if (status == FB_OK) {
        for (; region.edges.n < p.n; region.edges.n++)
            region.edges.edges[region.edges.n] = (uint32_t)region.edges.n;
        const size_t n = candidates(&region, 4, FB_S2_MAX_LEVEL, first);
        for (size_t k = 0; k < n && status == FB_OK; k++) {
            edges_t own;
            status = keep_meeting(&p, first[k], region.edges, &own);
            if (status == FB_OK) status = seek_crossing(&p, first[k], own, 0, bad);
            free(own.edges);
        }
    }
    if (status == FB_OK) status = cover(&region, limits, found);
    free(region.edges.edges);
    polygon_free(&p);
    return status;
}
