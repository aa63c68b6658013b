/* RTree: four threads search views while one changes the tree. Box i of the pair (i, i + 1) comes before its
 * forerunner goes, so every view holds one or two. */
#include <pthread.h>

#include "check.h"
#include "core/memory.h"
#include "geo/rtree.h"

enum { READERS = 4, STEPS = 3000, STAY = 500 };

/* What a binding does by reference counts: who takes a view and who gives it up. */
typedef struct {
    fb_rtree_view_t *view;
    unsigned users;
} taken_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static taken_t *newest;
static bool stop;
static unsigned long wrong[READERS];

static taken_t *take(void) {
    pthread_mutex_lock(&lock);
    taken_t *taken = stop ? NULL : newest;
    if (taken != NULL) taken->users++;
    pthread_mutex_unlock(&lock);
    return taken;
}

static void give_up(taken_t *taken) {
    pthread_mutex_lock(&lock);
    const bool last = --taken->users == 0;
    pthread_mutex_unlock(&lock);
    if (last) {
        fb_rtree_view_drop(taken->view);
        free(taken);
    }
}

static void show(fb_rtree_view_t *view) {
    taken_t *taken = (taken_t *)malloc(sizeof(*taken)), *old = newest;
    *taken = (taken_t){view, 1};
    pthread_mutex_lock(&lock);
    newest = taken;
    pthread_mutex_unlock(&lock);
    if (old != NULL) give_up(old);
}

static void *read_views(void *argument) {
    unsigned long *bad = (unsigned long *)argument;
    const fb_rtree_box_t far = {2000, 0, 9000, 10};
    for (taken_t *taken; (taken = take()) != NULL; give_up(taken)) {
        for (unsigned turn = 0; turn < 3; turn++) {
            fb_rtree_found_t found = {NULL, NULL, 0, 0};
            *bad += fb_rtree_query(taken->view, &far, &found) != FB_OK;
            *bad += found.n != taken->view->n - STAY || found.n > 2;
            if (found.n == 2) *bad += found.ids[0] - found.ids[1] != 1 && found.ids[1] - found.ids[0] != 1;
            free(found.ids);
        }
        const double point[2] = {2000, 0};
        int64_t id;
        double distance;
        fb_rtree_nearest(taken->view, point, 1, 1, 1e9, &id, &distance);
        *bad += id < 0;
    }
    return NULL;
}

int main(void) {
    static fb_rtree_box_t boxes[STAY];
    for (unsigned i = 0; i < STAY; i++) boxes[i] = (fb_rtree_box_t){i, i % 7, i + 1.5, i % 7};
    fb_rtree_node_t *nodes =
        (fb_rtree_node_t *)fb_alloc_zeroed(fb_rtree_nodes(STAY) * sizeof(*nodes));
    size_t twice;
    CHECK(fb_rtree_pack((const double *)boxes, NULL, STAY, nodes, &twice) == FB_OK);
    fb_rtree_t *packed = fb_rtree_new(nodes, STAY, true), *tree = fb_rtree_loose(fb_rtree_view(packed));
    CHECK(tree != NULL);
    fb_rtree_drop(packed);
    show(fb_rtree_view(tree));
    pthread_t readers[READERS];
    for (unsigned i = 0; i < READERS; i++) pthread_create(readers + i, NULL, read_views, wrong + i);
    for (int64_t i = 0; i < STEPS; i++) {
        const fb_rtree_box_t box = {2000 + (double)i, 0, 2000 + (double)i, 1};
        CHECK(fb_rtree_insert(tree, STAY + i, &box, true) == FB_OK);
        show(fb_rtree_view(tree));
        if (i == 0) continue;
        CHECK(fb_rtree_remove(tree, STAY + i - 1, true) == FB_OK);
        show(fb_rtree_view(tree));
    }
    pthread_mutex_lock(&lock);
    stop = true;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    for (unsigned i = 0; i < READERS; i++) CHECK(wrong[i] == 0);
    give_up(newest);
    fb_rtree_drop(tree);
    return check_report();
}
