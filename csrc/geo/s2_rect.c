/* Rectangles of latitude and longitude as regions that S2 cells cover.
 *
 * The lune between the meridians is cut out of the cell, a convex polygon; it meets the rectangle if its range
 * of latitudes does, and contains a cell whose range is within and of which nothing is outside the lune.
 * s2geometry looks at the least rectangle around a cell instead. That is less sharp, but by chance leads to the
 * smaller covering now and then: both are made and the smaller is kept.
 *
 * Too many cells for min_level are refused early: the longest side is measured beforehand.
 */
#include "geo/s2_region.h"

static const double UNSURE = 1e-12; /* much more than FB_S2_PAD and rounding */

/* ---- lunes ---------------------------------------------------------------------------------- */

/* A third plane keeps what is on the other side of the poles out. */
typedef struct {
    fb_vector_t planes[3];
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
    fb_vector_t points[CORNERS];
    fb_vector_t sides[CORNERS]; /* the plane of the side that leaves a point */
    bool plain[CORNERS];    /* it is a part of a meridian instead */
    int n;
    bool cut;
} corners_t;

static void one_lune(double west, double east, lune_t *lune) {
    const double middle = 0.5 * (west + east);
    lune->planes[0] = (fb_vector_t){-sin(west), cos(west), 0};
    lune->planes[1] = (fb_vector_t){sin(east), -cos(east), 0};
    lune->planes[2] = (fb_vector_t){cos(middle), sin(middle), 0};
}

/* What lies between two meridians as one or two lunes; how many is returned. */
static int lunes(double west, double east, lune_t found[2]) {
    if (!(east - west > FB_PI)) return one_lune(west, east, found), 1;
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
            heights[k] = fb_dot(lune->planes[plane], polygon->points[k]) + pad;
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
                part->points[part->n] = fb_between(polygon->points[k], polygon->points[after], t);
                part->sides[part->n] = polygon->sides[k];
                part->plain[part->n++] = is_above || polygon->plain[k];
            }
        }
        polygon = part;
    }
    return polygon;
}

/* ---- latitudes ------------------------------------------------------------------------------ */

static band_t band_around(double lat) {
    const double low = lat - UNSURE, high = lat + UNSURE;
    const band_t band = {low <= -FB_PI / 2 ? -INFINITY : tan(low), high >= FB_PI / 2 ? INFINITY : tan(high)};
    return band;
}

/* A latitude, for comparison with the parallels of a rectangle: one that is far from them stands for all on
 * its side, so that the arc tangent is needed near them only. */
static double latitude_by(const rect_t *rect, double up, double out) {
    if (up > rect->north_band.above * out) return FB_PI;
    if (up < rect->south_band.below * out) return -FB_PI;
    if (up > rect->south_band.above * out && up < rect->north_band.below * out)
        return 0.5 * (rect->south + rect->north);
    return atan2(up, out);
}

/* The range of the latitudes of a polygon in which the poles are, or are not; as those of latitude_by. */
static void latitudes(const rect_t *rect, const corners_t *polygon, const bool poles[2], double *low,
                      double *high) {
    *low = FB_PI;
    *high = -FB_PI;
    for (int k = 0; k < polygon->n; k++) {
        const fb_vector_t p = polygon->points[k], end = polygon->points[k + 1 < polygon->n ? k + 1 : 0];
        const double lat = latitude_by(rect, p.z, sqrt(p.x * p.x + p.y * p.y));
        *low = fb_min(*low, lat);
        *high = fb_max(*high, lat);
        if (polygon->plain[k]) continue;
        const fb_vector_t side = polygon->sides[k];
        const double rise = side.x * p.y - side.y * p.x, fall = side.x * end.y - side.y * end.x;
        if (!((rise > 0 && fall < 0) || (rise < 0 && fall > 0))) continue;
        const double up = sqrt(side.x * side.x + side.y * side.y), out = fabs(side.z);
        if (rise > 0) *high = fb_max(*high, latitude_by(rect, up, out));
        else *low = fb_min(*low, latitude_by(rect, -up, out));
    }
    if (poles[0]) *high = FB_PI / 2;
    if (poles[1]) *low = -FB_PI / 2;
}

/* ---- what a cell is to a rectangle ---------------------------------------------------------- */

/* A cell as it is compared with a rectangle. */
typedef struct {
    fb_s2_bounds_t bounds;
    fb_vector_t vertices[4]; /* counter-clockwise */
    fb_vector_t sides[4];    /* planes; what is inside is above all; side k leaves vertex k */
} shape_t;

static shape_t shape_of(uint64_t cell) {
    shape_t s;
    double points[4][3];
    const fb_s2_bounds_t b = s.bounds = fb_s2_bounds(cell);
    fb_s2_vertices(b, points);
    for (int k = 0; k < 4; k++)
        s.vertices[k] = (fb_vector_t){points[k][0], points[k][1], points[k][2]};
    s.sides[0] = fb_s2_of_face(b.face, 0, 1, -b.lower);
    s.sides[1] = fb_s2_of_face(b.face, -1, 0, b.right);
    s.sides[2] = fb_s2_of_face(b.face, 0, -1, b.upper);
    s.sides[3] = fb_s2_of_face(b.face, 1, 0, -b.left);
    return s;
}

static fb_s2_relation_t look_rect(const void *shape, uint64_t cell, fb_s2_edges_t none) {
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
        poles[0] = poles[0] && s.sides[k].z >= -FB_S2_PAD;
        poles[1] = poles[1] && -s.sides[k].z >= -FB_S2_PAD;
    }
    latitudes(rect, &quad, poles, &low, &high);
    if (low > rect->north + FB_S2_PAD || high < rect->south - FB_S2_PAD) return FB_S2_APART;
    for (int k = 0; k < rect->n_inside && !met; k++) {
        const corners_t *part = clipped(&quad, &rect->inside[k], FB_S2_PAD, parts);
        double own_low = low, own_high = high;
        if (part->n == 0) continue;
        if (part->cut) latitudes(rect, part, poles, &own_low, &own_high);
        met = own_low <= rect->north + FB_S2_PAD && own_high >= rect->south - FB_S2_PAD;
    }
    if (!met && !rect->whole) return FB_S2_APART;
    if (low < rect->south - FB_S2_PAD || high > rect->north + FB_S2_PAD) return FB_S2_MEETS;
    for (int k = 0; k < rect->n_outside; k++)
        if (clipped(&quad, &rect->outside[k], -FB_S2_PAD, parts)->n > 0) return FB_S2_MEETS;
    return FB_S2_CONTAINED;
}

/* The least rectangle around a cell, its parallels as those of latitude_by. Of one that is apart from `rect`
 * for its parallels the meridians are not told. */
static rect_t box_of(uint64_t cell, const rect_t *rect) {
    const int face = (int)(cell >> 61);
    double vertices[4][3], first = 0, left = 0, right = 0;
    rect_t box = {.south = FB_PI, .north = -FB_PI};
    bool at_pole = false;
    if (fb_s2_level(cell) == 0) {
        const double pole = asin(sqrt(1.0 / 3));
        if (face % 3 == 2)
            return (rect_t){.south = face == 2 ? pole : -FB_PI / 2, .north = face == 2 ? FB_PI / 2 : -pole,
                            .width = INFINITY};
        return (rect_t){.south = -FB_PI / 4, .north = FB_PI / 4, .width = FB_PI / 2,
                        .west = FB_PI / 2 * (face < 2 ? face : face - 1) - FB_PI / 4};
    }
    fb_s2_vertices(fb_s2_bounds(cell), vertices);
    for (int k = 0; k < 4; k++) {
        const double *p = vertices[k], out = sqrt(p[0] * p[0] + p[1] * p[1]);
        const double lat = latitude_by(rect, p[2], out);
        box.south = fb_min(box.south, lat);
        box.north = fb_max(box.north, lat);
        if (out < 1e-10) at_pole |= fabs(atan2(p[2], out)) >= FB_PI / 2 - FB_S2_PAD;
    }
    if (box.south > rect->north + FB_S2_PAD || box.north < rect->south - FB_S2_PAD) return box;
    for (int k = 0; k < 4; k++) {
        const double lng = atan2(vertices[k][1], vertices[k][0]);
        if (k == 0) first = lng;
        const double step = fabs(lng - first) <= FB_PI ? lng - first : remainder(lng - first, 2 * FB_PI);
        left = fb_min(left, step);
        right = fb_max(right, step);
    }
    box.west = first + left;
    box.width = at_pole ? INFINITY : right - left;
    return box;
}

/* As look_rect, but of the rectangle around the cell. */
static fb_s2_relation_t look_box(const void *shape, uint64_t cell, fb_s2_edges_t none) {
    const rect_t *rect = shape, box = box_of(cell, rect);
    (void)none;
    if (box.south > rect->north + FB_S2_PAD || box.north < rect->south - FB_S2_PAD) return FB_S2_APART;
    bool inside = fb_max(box.south - FB_S2_PAD, -FB_PI / 2) >= rect->south &&
                  fb_min(box.north + FB_S2_PAD, FB_PI / 2) <= rect->north;
    if (!rect->whole) {
        double west = fmod(box.west - rect->west, 2 * FB_PI);
        if (west < 0) west += 2 * FB_PI;
        const double east = west + box.width;
        if (west > rect->width + FB_S2_PAD && east < 2 * FB_PI - FB_S2_PAD) return FB_S2_APART;
        inside = inside && west >= FB_S2_PAD && east <= rect->width - FB_S2_PAD;
    }
    return inside ? FB_S2_CONTAINED : FB_S2_MEETS;
}

/* ---- the covering --------------------------------------------------------------------------- */

static fb_vector_t at_radians(double lat, double lng) {
    return (fb_vector_t){cos(lng) * cos(lat), sin(lng) * cos(lat), sin(lat)};
}

void fb_s2_bound_rect(double south, double west, double north, double width, fb_s2_region_t *region) {
    const bool up = south + north >= 0;
    region->center = (fb_vector_t){0, 0, up ? 1 : -1};
    region->angle = FB_PI / 2 + (up ? -south : north);
    if (width > FB_PI) return;
    const fb_vector_t center = at_radians(0.5 * (south + north), west + 0.5 * width);
    double far = 0;
    for (int k = 0; k < 4; k++) {
        const fb_vector_t p = at_radians(k / 2 ? north : south, k % 2 ? west + width : west);
        far = fb_max(far, fb_length(fb_minus(center, p)));
    }
    const double angle = 2 * asin(fb_min(1, 0.5 * far));
    if (angle >= region->angle) return;
    region->center = center;
    region->angle = angle;
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
    fb_s2_region_t region = {.shape = &rect, .look = look_rect};
    if (!rect.whole) {
        rect.n_inside = lunes(west, west + width, rect.inside);
        rect.n_outside = lunes(west + width, west + 2 * FB_PI, rect.outside);
    }
    fb_s2_bound_rect(south, west, north, width, &region);
    const double lat = fb_min(fabs(south), fabs(north)), middle = south * north < 0 ? 0 : lat;
    const double along = 2 * cos(middle) * sin(0.5 * fb_min(width, FB_PI));
    const double longest = fb_max(along, 2 * sin(0.5 * (north - south)));
    if (ldexp(longest / FB_S2_MAX_DIAGONAL, limits.min_level) >= (double)limits.most) return FB_FULL;
    fb_status_t status = fb_s2_cover(&region, limits, found);
    region.look = look_box;
    if (status == FB_OK) status = fb_s2_cover(&region, limits, &other);
    if (status == FB_OK && area_of(&other) < area_of(found)) {
        const fb_s2_found_t before = *found;
        *found = other;
        other = before;
    }
    fb_s2_found_free(&other);
    return status;
}
