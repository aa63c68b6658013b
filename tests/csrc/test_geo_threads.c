/* QuadTree, GeoIndex, Geofence: searches share nothing that they write. Four threads search side by side while,
 * by turns under a lock as the bindings have it, one moves all points a step along. */
#include <math.h>
#include <pthread.h>

#include "check.h"
#include "geo/geofence.h"
#include "geo/geoindex.h"
#include "geo/quadtree.h"

enum { READERS = 4, POINTS = 200, STEPS = 300 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of `readers`, `stop`, `writing`, `waits` */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned readers;
static bool stop, writing, waits;
static fb_quads_t plane, globe;
static fb_geofence_t fence;
static unsigned long wrong[READERS];

static bool begin_reading(void) {
    pthread_mutex_lock(&lock);
    while (writing || waits) pthread_cond_wait(&changed, &lock);
    const bool go = !stop;
    readers += go;
    pthread_mutex_unlock(&lock);
    return go;
}

static void end_reading(void) {
    pthread_mutex_lock(&lock);
    readers--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void begin_writing(void) {
    pthread_mutex_lock(&lock);
    waits = true;
    while (readers) pthread_cond_wait(&changed, &lock);
    waits = false;
    writing = true;
    pthread_mutex_unlock(&lock);
}

static void end_writing(void) {
    pthread_mutex_lock(&lock);
    writing = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* All points are at one x, and at one longitude: in each answer all of them, or none. */
static void *read_all(void *argument) {
    const size_t self = (size_t)(uintptr_t)argument;
    unsigned long *bad = &wrong[self];
    fb_quads_found_t found = {NULL, NULL, 0, 0};
    fb_geofence_found_t polygons = {NULL, NULL, 0, 0};
    for (; begin_reading(); end_reading()) {
        const double box[4] = {0.25, 0, 0.75, 1}, zero = 0.0, near = 5e6;
        int64_t ids[3];
        double far[3];
        uint64_t end;
        found.n = 0;
        *bad += fb_quadtree_query(&plane, box, &found) != FB_OK || found.n % POINTS;
        *bad += fb_quadtree_within(&plane, 2, 0.5, INFINITY, &found) != FB_OK || found.n % POINTS;
        *bad += fb_quadtree_nearest(&plane, &box[0], &box[3], 1, 3, INFINITY, ids, far) != 3;
        *bad += fb_quads_find(&plane, ids[0]) == FB_QUADS_NONE;
        free(found.ids);
        found = (fb_quads_found_t){NULL, NULL, 0, 0};
        *bad += fb_geoindex_within(&globe, &zero, &zero, &near, 1, SIZE_MAX, &found, &end) != FB_OK;
        *bad += found.n % POINTS != 0;
        *bad += fb_geoindex_nearest(&globe, &zero, &zero, 1, 3, INFINITY, ids, far) != 3;
        free(found.ids);
        free(found.distances);
        found = (fb_quads_found_t){NULL, NULL, 0, 0};
        polygons.n = 0;
        *bad += fb_geofence_query(&fence, 0.5, 0.25, &polygons) != FB_OK || polygons.n != 1;
    }
    free(polygons.points);
    free(polygons.ids);
    return NULL;
}

int main(void) {
    static double vertices[8] = {0, 0, 1, 0, 0, 1, 0, 0};
    static int64_t ids[1] = {7}, numbers[POINTS];
    static uint32_t one[1] = {1}, four[1] = {4};
    static double at[POINTS], along[POINTS], lng[POINTS];
    const double bounds[4] = {0, 0, 1, 1};
    fb_geofence_index_t index;
    size_t done;
    fence = (fb_geofence_t){vertices, ids, one, four, NULL, NULL, 4, 1, 1, 0, 0};
    CHECK(fb_geofence_build(&fence, &index) == FB_OK);
    fence.nodes = index.nodes, fence.words = index.words;
    fence.n_nodes = index.n_nodes, fence.n_words = index.n_words;
    CHECK(fb_quadtree_begin(&plane, bounds, 8, 1) == FB_OK && fb_geoindex_begin(&globe, 1) == FB_OK);
    for (int i = 0; i < POINTS; i++) numbers[i] = i, along[i] = (double)i / POINTS;
    CHECK(fb_quads_insert_many(&plane, numbers, at, along, POINTS, &done) == FB_OK);
    CHECK(fb_quads_set_many(&globe, numbers, along, lng, POINTS) == FB_OK);
    pthread_t threads[READERS];
    for (uintptr_t i = 0; i < READERS; i++) pthread_create(threads + i, NULL, read_all, (void *)i);
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < POINTS; i++) at[i] = step % 11 / 10.0, lng[i] = 36.0 * (step % 11) - 180;
        begin_writing();
        CHECK(fb_quads_move_many(&plane, numbers, at, along, POINTS, &done) == FB_OK);
        CHECK(fb_quads_set_many(&globe, numbers, along, lng, POINTS) == FB_OK);
        CHECK(fb_quads_insert(&plane, POINTS, 0.9, 0.9) == FB_OK && fb_quads_remove(&plane, POINTS, NULL, NULL));
        end_writing();
    }
    pthread_mutex_lock(&lock);
    stop = true;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < READERS; i++) CHECK(wrong[i] == 0);
    fb_quads_end(&plane);
    fb_quads_end(&globe);
    free(index.nodes);
    free(index.words);
    return check_report();
}
