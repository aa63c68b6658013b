/* Geofence: the predicate against whole numbers, fences against all edges, and damaged arrays. */
#include "check.h"
#include "geo/geofence.h"
#include "geo/orient.h"

enum { RINGS = 40, CORNERS = 12, VERTICES = RINGS * (CORNERS + 1) };

static double vertices[2 * VERTICES];
static int64_t ids[RINGS];
static uint32_t polygon_ends[RINGS], ring_ends[RINGS];

/* Coordinates with 30 bits are multiplied without rounding in 64-bit integers. */
static void test_orient(void) {
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        int64_t v[6];
        double d[6];
        int64_t near = i % 2 ? 4 : 1 << 29;
        for (int k = 0; k < 6; k++) v[k] = (int64_t)(next_random(&seed) % (1u << 29)) - (1 << 28);
        if (i % 2) { /* close to the line */
            int64_t t = (int64_t)(next_random(&seed) % 100);
            for (int k = 0; k < 2; k++) {
                v[4 + k] = v[k] + (v[2 + k] - v[k]) / 100 * t + (int64_t)(next_random(&seed) % 8) - near;
            }
        }
        for (int k = 0; k < 6; k++) d[k] = (double)v[k] * 0x1p-24;
        int64_t side = (v[3] - v[1]) * (v[4] - v[0]) - (v[5] - v[1]) * (v[2] - v[0]);
        int sign = side > 0 ? 1 : side < 0 ? -1 : 0;
        CHECK(fb_orient(d[0], d[1], d[2], d[3], d[4], d[5], 0, 0) == sign);
        CHECK(fb_orient_exact(d[0], d[1], d[2], d[3], d[4], d[5], 0, 0) == sign);
        CHECK(fb_orient(d[0], d[1], d[2] - 360, d[3], d[4], d[5], 0, 360) == sign);
        CHECK(fb_orient(d[0], d[1], d[2] - 360, d[3], d[4] - 360, d[5], 360, 360) == sign);
    }
    CHECK(fb_orient(0, 0, 1, 0x1p-300, 1, 0x1p-300, 0, 0) == 0);
    CHECK(fb_orient(0, 0, 1, 0x1p-299, 1, 0x1p-300, 0, 0) == 1);
    CHECK(fb_orient_round(-0x1p-301) == 0.0 && fb_orient_round(0x1p-300) == 0x1p-300);
    CHECK(fb_geofence_x(180) == -180 && fb_geofence_x(-180) == -180 && fb_geofence_x(540) == -180);
    CHECK(fb_geofence_x(190) == -170 && fb_geofence_x(-190) == 170 && fb_geofence_x(1e300) < 180);
}

/* Whole numbers: edges touch, overlap, and go through points. */
static fb_geofence_t make(uint64_t *seed, int spread) {
    fb_geofence_t fence = {vertices, ids, polygon_ends, ring_ends, NULL, NULL, VERTICES, RINGS, RINGS, 0, 0};
    for (uint32_t r = 0; r < RINGS; r++) {
        double *ring = vertices + 2 * r * (CORNERS + 1);
        double x = (double)(next_random(seed) % 300) - 150, y = (double)(next_random(seed) % 120) - 60;
        for (int k = 0; k < CORNERS; k++) {
            ring[2 * k] = x + (double)(next_random(seed) % (uint64_t)spread);
            ring[2 * k + 1] = y + (double)(next_random(seed) % (uint64_t)spread);
        }
        ring[2 * CORNERS] = ring[0];
        ring[2 * CORNERS + 1] = ring[1];
        ids[r] = 10 + r;
        polygon_ends[r] = r + 1;
        ring_ends[r] = (r + 1) * (CORNERS + 1);
    }
    return fence;
}

static bool holds(uint32_t r, double x, double y) {
    const double *p = vertices + 2 * r * (CORNERS + 1);
    bool inside = false;
    for (int k = 0; k < CORNERS; k++, p += 2) {
        double side = (p[3] - p[1]) * (x - p[0]) - (y - p[1]) * (p[2] - p[0]); /* exact here */
        bool within = (x - p[0]) * (x - p[2]) <= 0 && (y - p[1]) * (y - p[3]) <= 0;
        if (side == 0 && within) return true;
        if ((p[1] > y) != (p[3] > y)) inside ^= (side > 0) == (p[3] < p[1]);
    }
    return inside;
}

static void test_fence(uint64_t *seed, int spread) {
    fb_geofence_t fence = make(seed, spread);
    fb_geofence_index_t index;
    CHECK(fb_geofence_sound(&fence));
    CHECK(fb_geofence_build(&fence, &index) == FB_OK);
    size_t node_bytes = index.n_nodes * FB_GEOFENCE_FAN * 4, word_bytes = index.n_words * 4;
    uint32_t *nodes = exact_alloc(node_bytes), *words = exact_alloc(word_bytes);
    memcpy(nodes, index.nodes, node_bytes);
    if (word_bytes) memcpy(words, index.words, word_bytes);
    free(index.nodes);
    free(index.words);
    fence.nodes = nodes;
    fence.words = words;
    fence.n_nodes = index.n_nodes;
    fence.n_words = index.n_words;
    enum { POINTS = 2000 };
    static double xs[POINTS], ys[POINTS];
    static int64_t first[POINTS];
    static bool any[POINTS];
    for (int i = 0; i < POINTS; i++) {
        xs[i] = (double)(next_random(seed) % 720) / 2 - 180;
        ys[i] = (double)(next_random(seed) % 361) / 2 - 90;
    }
    fb_geofence_found_t found = {NULL, NULL, 0, 0};
    CHECK(fb_geofence_query_many(&fence, ys, xs, POINTS, &found) == FB_OK);
    fb_geofence_first(&fence, ys, xs, POINTS, first);
    fb_geofence_contains(&fence, ys, xs, POINTS, any);
    size_t at = 0;
    for (int i = 0; i < POINTS; i++) {
        int64_t lowest = -1;
        for (uint32_t r = 0; r < RINGS; r++) {
            if (!holds(r, xs[i], ys[i])) continue;
            if (lowest < 0) lowest = ids[r];
            CHECK(at < found.n && found.points[at] == i && found.ids[at] == ids[r]);
            at++;
        }
        CHECK(first[i] == lowest && any[i] == (lowest >= 0));
    }
    CHECK(at == found.n);
    free(found.points);
    free(found.ids);
    /* Damage: the answers may be anything, memory beyond the arrays is not read. */
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < 8; k++) {
            uint64_t where = next_random(seed), what = next_random(seed) >> (next_random(seed) % 64);
            if (k % 2 && word_bytes) words[where % index.n_words] = (uint32_t)what;
            if (k % 2 == 0) nodes[where % (index.n_nodes * FB_GEOFENCE_FAN)] = (uint32_t)what;
        }
        fb_geofence_first(&fence, ys, xs, 200, first);
        fb_geofence_contains(&fence, ys, xs, 200, any);
    }
    fence.n_nodes = 0;
    fb_geofence_contains(&fence, ys, xs, 1, any);
    CHECK(!any[0]);
    ring_ends[3] = 1;
    CHECK(!fb_geofence_sound(&fence));
    free(nodes);
    free(words);
}

int main(void) {
    uint64_t seed = 2;
    test_orient();
    for (int i = 0; i < 12; i++) test_fence(&seed, i % 3 == 0 ? 30 : i % 3 == 1 ? 6 : 4);
    return check_report();
}
