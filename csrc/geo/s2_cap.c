/* Caps as regions that S2 cells cover.
 *
 * The distance from the center to a cell is that to the nearest vertex or the foot of a perpendicular on a
 * side; beyond a half sphere the opposite cap is asked.
 */
#include "geo/s2_region.h"

typedef struct {
    bool large; /* larger than a half sphere: all but the cap that follows */
    fb_vector_t center;
    double chord; /* the straight line to the rim */
} cap_t;

/* The distance of a point to the side at u = `side`, if it is nearest within the side. */
static double side_distance(double u, double v, double w, double side, double low, double high) {
    const double along = (w + side * u) / (1 + side * side);
    if (along <= 0 || !(low * along <= v && v <= high * along)) return 2;
    const double sine = fabs(u - side * w) / sqrt(1 + side * side);
    return sine * sqrt(2 / (1 + sqrt(fb_max(0.0, 1 - sine * sine))));
}

static fb_s2_relation_t look_cap(const void *shape, uint64_t cell, fb_s2_edges_t none) {
    const cap_t *cap = shape;
    const fb_s2_bounds_t b = fb_s2_bounds(cell);
    const double rim = cap->chord + (cap->large ? -FB_S2_PAD : FB_S2_PAD);
    double near = 4, far = 0, p[3], vertices[4][3];
    (void)none;
    fb_s2_vertices(b, vertices);
    for (int k = 0; k < 4; k++) {
        const fb_vector_t vertex = {vertices[k][0], vertices[k][1], vertices[k][2]};
        const fb_vector_t away = fb_minus(vertex, cap->center);
        near = fb_min(near, fb_dot(away, away));
        far = fb_max(far, fb_dot(away, away));
    }
    if (cap->large ? sqrt(far) < rim : sqrt(far) <= rim) return cap->large ? FB_S2_APART : FB_S2_CONTAINED;
    near = sqrt(near);
    if (near < rim) return FB_S2_MEETS;
    fb_s2_to_face(b.face, (const double[3]){cap->center.x, cap->center.y, cap->center.z}, p);
    const double u = p[0], v = p[1], w = p[2];
    if (b.left * w <= u && u <= b.right * w && b.lower * w <= v && v <= b.upper * w) near = 0;
    if (u < b.left * w) near = fb_min(near, side_distance(u, v, w, b.left, b.lower, b.upper));
    if (u > b.right * w) near = fb_min(near, side_distance(u, v, w, b.right, b.lower, b.upper));
    if (v < b.lower * w) near = fb_min(near, side_distance(v, u, w, b.lower, b.left, b.right));
    if (v > b.upper * w) near = fb_min(near, side_distance(v, u, w, b.upper, b.left, b.right));
    if (cap->large) return near >= rim ? FB_S2_CONTAINED : FB_S2_MEETS;
    return near > rim ? FB_S2_APART : FB_S2_MEETS;
}

fb_status_t fb_s2_cover_cap(double lat, double lng, double angle, fb_s2_limits_t limits,
                            fb_s2_found_t *found) {
    const fb_vector_t center = fb_s2_of_degrees(lat, lng);
    const bool large = angle > FB_PI / 2;
    const cap_t cap = {.large = large, .center = large ? fb_opposite(center) : center,
                       .chord = 2 * sin(0.5 * (large ? FB_PI - angle : angle))};
    const fb_s2_region_t region = {.shape = &cap, .look = look_cap, .center = center, .angle = angle};
    return fb_s2_cover(&region, limits, found);
}
