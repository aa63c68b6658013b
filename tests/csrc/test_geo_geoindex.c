/* GeoIndex: points that come, move and go against a plain array, by the haversine: at poles, at the
 * antimeridian, on edges and corners of the cube, far away and very close. */
#include <math.h>

#include "check.h"
#include "geo/distance.h"
#include "geo/geoindex.h"

enum { MAX = 500, STEPS = 8000 };

static double lats[MAX], lngs[MAX]; /* of id 7 i - 1000, if there[i] */
static bool there[MAX];
static size_t n_there;

static int64_t id_of(size_t i) { return 7 * (int64_t)i - 1000; }

static double unit(uint64_t *seed) { return (double)(next_random(seed) >> 11) * 0x1p-53; }

/* 0: anywhere; 1: poles; 2: antimeridian; 3: a lattice with all edges of the cube; 4: within a millimetre. */
static void point(uint64_t *seed, unsigned kind, double *lat, double *lng) {
    static const double polar[4] = {90.0, -90.0, 89.9999999, -89.5};
    static const double meridian[5] = {180.0, -180.0, 179.99999, -179.99999, 540.0};
    *lat = asin(2 * unit(seed) - 1) / 0.017453292519943295;
    *lng = 360 * unit(seed) - 180;
    if (*lat > 90.0 || *lat < -90.0) *lat = 0.0;
    if (kind == 1) *lat = polar[next_random(seed) % 4];
    if (kind == 2) *lat *= 1e-3, *lng = meridian[next_random(seed) % 5];
    if (kind == 3) *lat = 15.0 * (double)(next_random(seed) % 13) - 90, *lng = 45.0 * (double)(next_random(seed) % 9) - 180;
    if (kind == 4) *lat = 45 + *lat * 1e-10, *lng = 45 + *lng * 1e-10;
}

static double wrapped(double lng) { return lng > 180 ? lng - 360 : lng; }

static double metres_of(double lat, double lng, size_t i) {
    double metres;
    const double at = wrapped(lng);
    fb_haversine(&lat, &at, &lats[i], &lngs[i], 1, &metres);
    return metres;
}

/* Ids and metres of all points that are there, nearest first: by insertion. */
static size_t by_distance(double lat, double lng, int64_t *ids, double *metres) {
    size_t n = 0;
    for (size_t i = 0; i < MAX; i++) {
        if (!there[i]) continue;
        const double far = metres_of(lat, lng, i);
        size_t at = n++;
        for (; at && metres[at - 1] > far; at--) ids[at] = ids[at - 1], metres[at] = metres[at - 1];
        ids[at] = id_of(i);
        metres[at] = far;
    }
    return n;
}

static void check_searches(const fb_quads_t *t, uint64_t *seed, unsigned kind) {
    static int64_t ids[MAX];
    static double far[MAX];
    static const double radii[6] = {0.0, 1e-3, 1e5, 3e6, 2.1e7, INFINITY};
    double lat, lng;
    point(seed, kind, &lat, &lng);
    const size_t n = by_distance(lat, lng, ids, far);
    for (unsigned r = 0; r < 6; r++) {
        const double most = r == 1 && n ? far[n / 2] : radii[r]; /* and exactly as far as a point */
        size_t inside = 0;
        while (inside < n && far[inside] <= most) inside++;
        for (size_t limit = 1; limit <= SIZE_MAX / 2; limit = limit < 9 ? limit + 4 : SIZE_MAX) {
            const size_t few = limit < 9 ? limit : SIZE_MAX, expected = inside < few ? inside : few;
            fb_quads_found_t found = {NULL, NULL, 0, 0};
            uint64_t end = 99;
            CHECK(fb_geoindex_within(t, &lat, &lng, &most, 1, few, &found, &end) == FB_OK);
            CHECK(end == expected && found.n == expected);
            for (size_t i = 0; i < expected && i < found.n; i++) {
                CHECK(found.ids[i] == ids[i] && found.distances[i] == far[i]);
            }
            free(found.ids);
            free(found.distances);
        }
        const size_t k = r == 5 ? n + 3 : 1 + next_random(seed) % 12;
        int64_t *near = exact_alloc(k * sizeof(*near));
        double *metres = exact_alloc(k * sizeof(*metres));
        const size_t got = fb_geoindex_nearest(t, &lat, &lng, 1, k, most, near, metres);
        CHECK(got == (inside < k ? inside : k));
        for (size_t i = 0; i < k; i++) {
            CHECK(near[i] == (i < inside ? ids[i] : -1) && metres[i] == (i < inside ? far[i] : INFINITY));
        }
        free(near);
        free(metres);
    }
}

static void test_steps(unsigned kind) {
    uint64_t seed = 3 + kind;
    fb_quads_t tree;
    memset(there, 0, sizeof(there));
    n_there = 0;
    CHECK(fb_geoindex_begin(&tree, seed) == FB_OK);
    check_searches(&tree, &seed, kind);
    for (unsigned step = 0; step < STEPS; step++) {
        const size_t i = next_random(&seed) % MAX;
        CHECK((fb_quads_find(&tree, id_of(i)) != FB_QUADS_NONE) == there[i]);
        if (next_random(&seed) % 3 == 0) {
            double lat = 0.0, lng = 0.0;
            CHECK(fb_quads_remove(&tree, id_of(i), &lat, &lng) == there[i]);
            CHECK(!there[i] || (lat == lats[i] && lng == lngs[i]));
            n_there -= there[i];
            there[i] = false;
        } else {
            double lat, lng;
            point(&seed, step / 500 % 2 ? kind : (unsigned)(next_random(&seed) % 5), &lat, &lng);
            CHECK(fb_quads_set(&tree, id_of(i), lat, lng) == FB_OK);
            n_there += !there[i];
            there[i] = true;
            lats[i] = lat;
            lngs[i] = wrapped(lng);
        }
        CHECK(tree.n == n_there);
        if (step % 250 == 249) check_searches(&tree, &seed, step / 250 % 2 ? kind : 0);
    }
    for (size_t i = 0; i < MAX; i++) CHECK(fb_quads_remove(&tree, id_of(i), NULL, NULL) == there[i]);
    memset(there, 0, sizeof(there));
    check_searches(&tree, &seed, kind);
    fb_quads_end(&tree);
}

/* A longitude is taken round the globe however far it lies out. */
static void test_longitudes(void) {
    static const double given[6] = {190, -190, 720, 1e300, -540, -0.0};
    static const double kept[4] = {-170, 170, 0, 0};
    fb_quads_t tree;
    CHECK(fb_geoindex_begin(&tree, 1) == FB_OK);
    for (size_t i = 0; i < 6; i++) {
        double lat, lng = 999;
        CHECK(fb_quads_set(&tree, 5, -0.0, given[i]) == FB_OK);
        CHECK(fb_quads_remove(&tree, 5, &lat, &lng) && !signbit(lat));
        CHECK(lng >= -180 && lng <= 180 && (i > 2 || lng == kept[i]));
        CHECK(i < 5 || !signbit(lng));
    }
    fb_quads_end(&tree);
}

int main(void) {
    for (unsigned kind = 0; kind < 5; kind++) test_steps(kind);
    test_longitudes();
    return check_report();
}
