/* RTree: packed and changed trees against a plain array, views that are held meanwhile. */
#include "check.h"
#include "core/memory.h"
#include "geo/rtree.h"

enum { MAX = 3000 };

static fb_rtree_box_t boxes[MAX]; /* of id i, if there[i] */
static bool there[MAX];

static fb_rtree_box_t random_box(uint64_t *seed, unsigned kind) {
    const double x = (double)(next_random(seed) % 1000), y = (double)(next_random(seed) % 1000);
    const double w = kind ? (double)(next_random(seed) % 30) : 0.0;
    return kind == 2 ? (fb_rtree_box_t){1, 2, 3, 4} : (fb_rtree_box_t){x, y, x + w, y + w / 2};
}

static bool touch(fb_rtree_box_t a, fb_rtree_box_t b) {
    return a.min_x <= b.max_x && b.min_x <= a.max_x && a.min_y <= b.max_y && b.min_y <= a.max_y;
}

/* Every id once that is there and touches; none else. */
static bool right(const fb_rtree_view_t *view, const bool *is, fb_rtree_box_t box) {
    static unsigned seen[MAX];
    fb_rtree_found_t found = {NULL, NULL, 0, 0};
    bool good = fb_rtree_query(view, &box, &found) == FB_OK;
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < found.n; i++) seen[found.ids[i]]++;
    for (size_t i = 0; i < MAX; i++) good &= seen[i] == (is[i] && touch(boxes[i], box));
    int64_t count;
    fb_rtree_count_many(view, (const double *)&box, 1, &count);
    free(found.ids);
    return good && count == (int64_t)found.n;
}

static bool right_nearest(const fb_rtree_view_t *view, const bool *is, double x, double y) {
    int64_t ids[5];
    double far[5], last = 0.0;
    const double point[2] = {x, y};
    const size_t n = fb_rtree_nearest(view, point, 1, 5, 1e9, ids, far);
    bool good = n == (view->n < 5 ? view->n : 5);
    for (size_t i = 0; i < n; i++) {
        good &= is[ids[i]] && far[i] >= last;
        last = far[i];
    }
    size_t closer = 0;
    for (size_t i = 0; i < MAX; i++) {
        const fb_rtree_box_t b = {x - last, y - last, x + last, y + last};
        const double dx = boxes[i].min_x > x ? boxes[i].min_x - x : x > boxes[i].max_x ? x - boxes[i].max_x : 0;
        const double dy = boxes[i].min_y > y ? boxes[i].min_y - y : y > boxes[i].max_y ? y - boxes[i].max_y : 0;
        closer += is[i] && touch(boxes[i], b) && dx * dx + dy * dy < last * last * (1 - 1e-9);
    }
    return good && closer <= n;
}

static fb_rtree_t *packed(size_t n) {
    const size_t nodes = fb_rtree_nodes(n);
    fb_rtree_node_t *memory = (fb_rtree_node_t *)fb_alloc_zeroed(nodes * sizeof(*memory));
    size_t twice;
    CHECK(fb_rtree_pack((const double *)boxes, NULL, n, memory, &twice) == FB_OK && twice == n);
    CHECK(fb_rtree_packed(memory, n));
    if (n) {
        const double was = memory[nodes / 2].max_x[0];
        memory[nodes / 2].max_x[0] = nodes > 1 ? 1e9 : -1e9;
        CHECK(!fb_rtree_packed(memory, n));
        memory[nodes / 2].max_x[0] = was;
    }
    return fb_rtree_new(memory, n, true);
}

static void test_changes(unsigned kind, size_t n, unsigned hold) {
    uint64_t seed = kind + n;
    fb_rtree_view_t *held[8] = {NULL};
    static bool was[8][MAX];
    for (size_t i = 0; i < MAX; i++) {
        boxes[i] = random_box(&seed, kind);
        there[i] = i < n;
    }
    fb_rtree_t *whole = packed(n), *tree = fb_rtree_loose(fb_rtree_view(whole));
    CHECK(tree != NULL && !fb_rtree_worn(tree) && fb_rtree_worn(whole));
    CHECK(fb_rtree_prepare(whole) == FB_OK);
    for (size_t id = 0; id < MAX; id++) CHECK(fb_rtree_has(whole, (int64_t)id) == there[id]);
    fb_rtree_drop(whole);
    fb_rtree_view_t *now = fb_rtree_view(tree);
    CHECK(right(now, there, random_box(&seed, 1)) && right_nearest(now, there, 500, 500));
    for (unsigned step = 0; step < 6000; step++) {
        const size_t id = next_random(&seed) % MAX;
        bool hold_now = hold && step % 3 == 0; /* a view is held once */
        for (unsigned i = 0; i < 8; i++) hold_now &= held[i] != now;
        CHECK(fb_rtree_has(tree, (int64_t)id) == there[id]);
        if (hold_now && held[step % 8] == NULL) { /* the newest view stays in use */
            held[step % 8] = now;
            memcpy(was[step % 8], there, sizeof(there));
        }
        bool is_held = false;
        for (unsigned i = 0; i < 8; i++) is_held |= held[i] == now;
        if (!there[id] && step < 4000) {
            CHECK(fb_rtree_insert(tree, (int64_t)id, &boxes[id], is_held) == FB_OK);
            there[id] = true;
        } else if (there[id]) {
            CHECK(fb_rtree_remove(tree, (int64_t)id, is_held) == FB_OK);
            there[id] = false;
        }
        now = fb_rtree_view(tree);
        if (step % 500 == 499) {
            CHECK(right(now, there, random_box(&seed, 1)) && right_nearest(now, there, 500, 500));
            for (unsigned i = 0; i < 8; i++) {
                if (held[i] == NULL || held[i] == now) continue;
                CHECK(right(held[i], was[i], (fb_rtree_box_t){0, 0, 600, 600}));
                if (next_random(&seed) % 2) {
                    fb_rtree_view_drop(held[i]);
                    held[i] = NULL;
                }
            }
        }
    }
    fb_rtree_found_t pairs = {malloc(64 * 8), malloc(64 * 8), 0, 64};
    size_t expected = 0;
    for (size_t i = 0; i < MAX; i++) {
        for (size_t j = 0; j < MAX; j++) expected += there[i] && there[j] && touch(boxes[i], boxes[j]);
    }
    CHECK(fb_rtree_join(now, now, &pairs) == FB_OK && pairs.n == expected);
    free(pairs.ids);
    free(pairs.others);
    fb_rtree_drop(tree);
}

int main(void) {
    for (unsigned kind = 0; kind < 3; kind++) {
        for (unsigned hold = 0; hold < 2; hold++) {
            test_changes(kind, 0, hold);
            test_changes(kind, 17, hold);
            test_changes(kind, MAX / 2, hold);
        }
    }
    return check_report();
}
