/* Crossing edges.
 *
 * Idea. Edges that follow each other along a ring are near each other. So 4 at a time are put into
 * a box, two boxes into one, and so on: a binary tree over the edges in their order. Two nodes of one
 * level are examined if their boxes overlap, beginning with the two halves of all. At the leaves
 * edges are compared if their own boxes overlap. Boxes that only touch do not overlap: then nothing
 * crosses within.
 *
 * Longitudes are not unrolled. The eastern end of an edge across the antimeridian is moved by 360
 * degrees; where there is such an edge, all are compared with all that are moved so, too.
 *
 * An end that is within 1e-12 degrees of the other edge's line, a tenth of a micrometre, touches it: four
 * times as much as rounding can do. The pure-Python twin computes the same products, so that it agrees.
 *
 * S2's polygons have edges that are arcs of great circles, which cross where these do not; s2_polygon.c
 * seeks their crossings itself, in the cells that it needs anyway.
 *
 * Complexity: O(n) for n edges of an outline such as a coast, and O(1) for each two groups of 4 whose
 * boxes overlap, which are O(n^2) at worst: many long slanting edges side by side. Memory: O(n).
 */
#include "crossing.h"

#include <math.h>
#include <stdlib.h>

static const double TOUCH = 1e-12;

enum { GROUP = 4, LEVELS = 64 };

typedef struct {
    double lat, lng, to_lat, to_lng;
} edge_t;

typedef struct {
    double south, west, north, east;
} box_t;

typedef struct {
    edge_t *edges;
    size_t n;
    box_t *boxes;         /* of all levels, of single groups first */
    box_t *levels[LEVELS];
    size_t counts[LEVELS];
    size_t one, other;    /* the edges found; other < one */
} search_t;

FB_INLINE box_t box_of(const edge_t *e, double moved) {
    const box_t box = {fb_min(e->lat, e->to_lat), fb_min(e->lng, e->to_lng) + moved,
                       fb_max(e->lat, e->to_lat), fb_max(e->lng, e->to_lng) + moved};
    return box;
}

/* That a box has more than an edge in common with another. One without height or width may lie within. */
FB_INLINE bool overlap(const box_t *a, const box_t *b, double moved) {
    return (a->south < b->north) & (b->south < a->north) & (a->west < b->east + moved) &
           (b->west + moved < a->east);
}

/* Whether two edges cross, the second one moved to the east. */
static bool cross(const edge_t *e, const edge_t *f, double moved) {
    const double up = e->to_lat - e->lat, right = e->to_lng - e->lng;
    const double f_lng = f->lng + moved, f_to_lng = f->to_lng + moved;
    const double start = right * (f->lat - e->lat) - up * (f_lng - e->lng);
    const double end = right * (f->to_lat - e->lat) - up * (f_to_lng - e->lng);
    if ((start > 0) == (end > 0)) return false;
    if (fb_min(fabs(start), fabs(end)) <= TOUCH * fb_max(fabs(up), fabs(right))) return false;
    const double f_up = f->to_lat - f->lat, f_right = f->to_lng - f->lng;
    const double f_start = f_right * (e->lat - f->lat) - f_up * (e->lng - f_lng);
    const double f_end = f_right * (e->to_lat - f->lat) - f_up * (e->to_lng - f_lng);
    return (f_start > 0) != (f_end > 0) &&
           fb_min(fabs(f_start), fabs(f_end)) > TOUCH * fb_max(fabs(f_up), fabs(f_right));
}

/* The edges numbered a < b, or b < a if moved; keeps the first of crossings. */
static void compare(search_t *s, size_t a, size_t b, double moved) {
    const size_t one = a > b ? a : b, other = a > b ? b : a;
    if (one > s->one || (one == s->one && other >= s->other)) return;
    if (!cross(&s->edges[a], &s->edges[b], moved)) return;
    s->one = one;
    s->other = other;
}

static size_t end_of(const search_t *s, size_t group) {
    return (group + 1) * GROUP < s->n ? (group + 1) * GROUP : s->n;
}

/* Compare the edges of two groups. */
static void compare_groups(search_t *s, size_t a, size_t b, double moved) {
    size_t near[GROUP];
    box_t boxes[GROUP];
    size_t n = 0;
    for (size_t i = a * GROUP; i < end_of(s, a); i++) {
        boxes[n] = box_of(&s->edges[i], 0);
        near[n] = i;
        n += overlap(&boxes[n], &s->levels[0][b], moved);
    }
    if (n == 0) return;
    for (size_t i = b * GROUP; i < end_of(s, b); i++) {
        const box_t box = box_of(&s->edges[i], moved);
        if (!overlap(&box, &s->levels[0][a], 0)) continue;
        for (size_t k = 0; k < n; k++)
            if (overlap(&box, &boxes[k], 0)) compare(s, near[k], i, moved);
    }
}

/* Compare the edges below two nodes of a level. */
static void compare_nodes(search_t *s, int level, size_t a, size_t b, double moved) {
    if (!overlap(&s->levels[level][a], &s->levels[level][b], moved)) return;
    if (level == 0) {
        compare_groups(s, a, b, moved);
        return;
    }
    for (size_t x = 2 * a; x < 2 * a + 2 && x < s->counts[level - 1]; x++)
        for (size_t y = 2 * b; y < 2 * b + 2 && y < s->counts[level - 1]; y++)
            compare_nodes(s, level - 1, x, y, moved);
}

/* Compare the edges of a group. */
static void compare_group(search_t *s, size_t group) {
    box_t boxes[GROUP];
    const size_t begin = group * GROUP, end = end_of(s, group);
    for (size_t i = begin; i < end; i++) {
        boxes[i - begin] = box_of(&s->edges[i], 0);
        for (size_t k = begin; k < i; k++)
            if (overlap(&boxes[i - begin], &boxes[k - begin], 0)) compare(s, k, i, 0);
    }
}

/* The edges; returns whether one goes across the antimeridian. */
static bool set_edges(search_t *s, const double *points, const size_t *ends, size_t rings) {
    bool across = false;
    edge_t *e = s->edges;
    for (size_t r = 0, k = 0; r < rings; r++) {
        for (const size_t first = k; k < ends[r]; k++, e++) {
            const size_t to = k + 1 < ends[r] ? k + 1 : first;
            e->lat = points[2 * k];
            e->lng = points[2 * k + 1];
            e->to_lat = points[2 * to];
            e->to_lng = points[2 * to + 1];
            if (e->to_lng - e->lng > 180) e->lng += 360;
            else if (e->lng - e->to_lng > 180) e->to_lng += 360;
            else continue;
            across = true;
        }
    }
    return across;
}

static box_t around(const box_t *a, const box_t *b) {
    const box_t box = {fb_min(a->south, b->south), fb_min(a->west, b->west),
                       fb_max(a->north, b->north), fb_max(a->east, b->east)};
    return box;
}

/* The boxes of all levels, up to the one with a single node; returns its number. */
static int set_boxes(search_t *s) {
    box_t *to = s->boxes;
    s->levels[0] = to;
    s->counts[0] = (s->n + GROUP - 1) / GROUP;
    for (size_t group = 0; group < s->counts[0]; group++) {
        box_t box = box_of(&s->edges[group * GROUP], 0);
        for (size_t i = group * GROUP + 1; i < end_of(s, group); i++) {
            const box_t own = box_of(&s->edges[i], 0);
            box = around(&box, &own);
        }
        *to++ = box;
    }
    int top = 0;
    for (; s->counts[top] > 1; top++) {
        const box_t *from = s->levels[top];
        const size_t n = s->counts[top];
        s->levels[top + 1] = to;
        s->counts[top + 1] = (n + 1) / 2;
        for (size_t i = 0; i < n; i += 2) *to++ = around(&from[i], &from[i + 1 < n ? i + 1 : i]);
    }
    return top;
}

fb_status_t fb_crossing_seek(const double *points, const size_t *ends, size_t rings, size_t bad[2]) {
    search_t s = {.n = ends[rings - 1], .one = SIZE_MAX, .other = SIZE_MAX};
    s.edges = malloc(s.n * sizeof *s.edges);
    s.boxes = malloc((s.n / 2 + LEVELS) * sizeof *s.boxes);
    fb_status_t status = FB_NO_MEMORY;
    if (s.edges && s.boxes) {
        const bool across = set_edges(&s, points, ends, rings);
        const int top = set_boxes(&s);
        for (size_t group = 0; group < s.counts[0]; group++) compare_group(&s, group);
        for (int level = 0; level < top; level++)
            for (size_t i = 0; i + 1 < s.counts[level]; i += 2)
                compare_nodes(&s, level, i, i + 1, 0);
        if (across) compare_nodes(&s, top, 0, 0, 360);
        status = s.one == SIZE_MAX ? FB_OK : FB_OUT_OF_RANGE;
        bad[0] = s.other;
        bad[1] = s.one;
    }
    free(s.edges);
    free(s.boxes);
    return status;
}
