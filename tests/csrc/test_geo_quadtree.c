/* QuadTree: points that come, move and go against a plain array: every search, on hard points. */
#include <math.h>

#include "check.h"
#include "geo/quadtree.h"

enum { MAX = 600, STEPS = 12000 };

static double xs[MAX], ys[MAX]; /* of id i - MAX / 2, if there[i] */
static bool there[MAX];
static size_t n_there;

static int64_t id_of(size_t i) { return (int64_t)i - MAX / 2; }

/* 0: spread; 1: few places; 2: two neighbours among the doubles; 3: crowded into a corner. */
static double number(uint64_t *seed, unsigned kind) {
    const uint64_t r = next_random(seed);
    if (kind == 0) return (double)(r >> 11) * 0x1p-53;
    if (kind == 1) return (double)(r % 5) / 4.0;
    if (kind == 2) return r % 2 ? 0.3 : nextafter(0.3, 1.0);
    return 1.0 - ldexp(1.0, -(int)(r % 60));
}

typedef struct {
    double x, y, r, box[4];
    bool circle;
} asked_t;

static bool inside(const asked_t *asked, size_t i) {
    const double dx = xs[i] - asked->x, dy = ys[i] - asked->y;
    if (asked->circle) return sqrt(dx * dx + dy * dy) <= asked->r;
    return xs[i] >= asked->box[0] && xs[i] <= asked->box[2] && ys[i] >= asked->box[1] && ys[i] <= asked->box[3];
}

/* Every point inside once, none else; the same by both functions. */
static bool right(const fb_quads_t *t, const asked_t *asked) {
    static unsigned seen[MAX];
    fb_quads_found_t found = {NULL, NULL, 0, 0};
    uint64_t end;
    fb_status_t status = asked->circle ? fb_quadtree_within(t, asked->x, asked->y, asked->r, &found)
                                       : fb_quadtree_query(t, asked->box, &found);
    const size_t n = found.n;
    bool good = status == FB_OK;
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < n; i++) seen[found.ids[i] + MAX / 2]++;
    for (size_t i = 0; i < MAX; i++) good &= seen[i] == (there[i] && inside(asked, i));
    found.n = 0;
    status = asked->circle
                 ? fb_quadtree_within_many(t, &asked->x, &asked->y, &asked->r, 1, &found, &end)
                 : fb_quadtree_query_many(t, asked->box, 1, &found, &end);
    good &= status == FB_OK && end == n && found.n == n;
    free(found.ids);
    return good;
}

/* The k nearest by square, then by id, as they are picked one by one. */
static bool right_nearest(const fb_quads_t *t, double x, double y, size_t k, double most) {
    int64_t *ids = exact_alloc(k * sizeof(*ids));
    double *far = exact_alloc(k * sizeof(*far)), last = -1.0;
    const size_t n = fb_quadtree_nearest(t, &x, &y, 1, k, most, ids, far);
    int64_t last_id = 0;
    bool good = true;
    for (size_t at = 0; at < k; at++) {
        size_t best = MAX;
        double least = INFINITY;
        for (size_t i = 0; i < MAX; i++) {
            const double dx = xs[i] - x, dy = ys[i] - y, square = dx * dx + dy * dy;
            const bool after = square > last || (square == last && id_of(i) > last_id);
            if (there[i] && after && square < least && sqrt(square) <= most) least = square, best = i;
        }
        if (best == MAX) {
            good &= at >= n && ids[at] == -1 && far[at] == INFINITY;
            continue;
        }
        good &= at < n && ids[at] == id_of(best) && far[at] == sqrt(least);
        last = least;
        last_id = id_of(best);
    }
    free(ids);
    free(far);
    return good;
}

static void check_searches(const fb_quads_t *t, uint64_t *seed, unsigned kind) {
    asked_t asked = {number(seed, kind), number(seed, kind), number(seed, 1) / 2, {0, 0, 0, 0}, false};
    const double w = number(seed, 0) / 2;
    const double boxes[4][4] = {{asked.x, asked.y, asked.x + w, asked.y + w},
                                {asked.x, asked.y, asked.x, asked.y},
                                {-9, -9, 9, 9},
                                {1.5, -1, 2, 2}};
    for (unsigned i = 0; i < 4; i++) {
        memcpy(asked.box, boxes[i], sizeof(asked.box));
        CHECK(right(t, &asked));
    }
    asked.circle = true;
    CHECK(right(t, &asked));
    asked.r = INFINITY;
    CHECK(right(t, &asked));
    asked.x -= 1.5;
    asked.r = 1.25;
    CHECK(right(t, &asked));
    CHECK(right_nearest(t, asked.x, asked.y, 3, INFINITY));
    CHECK(right_nearest(t, number(seed, kind), number(seed, kind), 1 + next_random(seed) % 12, 0.25));
    CHECK(right_nearest(t, 0.5, 0.5, MAX < 40 ? MAX : n_there / 8 + 9, INFINITY));
}

/* One change of one point, by every function there is; what it must answer. */
static void change(fb_quads_t *t, uint64_t *seed, unsigned kind) {
    const size_t i = next_random(seed) % MAX;
    const int64_t id = id_of(i);
    const double x = number(seed, kind), y = next_random(seed) % 8 ? number(seed, kind) : -0.0;
    const unsigned what = (unsigned)(next_random(seed) % 4);
    const uint32_t place = fb_quads_find(t, id);
    CHECK((place != FB_QUADS_NONE) == there[i]);
    if (there[i]) {
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place));
        const uint32_t slot = fb_quads_slot_of(place);
        CHECK(chunk->ids[slot] == id && chunk->a[slot] == xs[i] && chunk->b[slot] == ys[i]);
        CHECK(!signbit(chunk->b[slot]));
    }
    if (what == 0) {
        double a = -1.0, b = -1.0;
        CHECK(fb_quads_remove(t, id, &a, &b) == there[i]);
        CHECK(!there[i] || (a == xs[i] && b == ys[i]));
        n_there -= there[i];
        there[i] = false;
        return;
    }
    const fb_status_t status = what == 1   ? fb_quads_insert(t, id, x, y)
                               : what == 2 ? fb_quads_move(t, id, x, y)
                                           : fb_quads_set(t, id, x, y);
    if (what == 1 && there[i]) {
        CHECK(status == FB_FULL);
    } else if (what == 2 && !there[i]) {
        CHECK(status == FB_NOT_BUILT);
    } else {
        CHECK(status == FB_OK);
        n_there += !there[i];
        there[i] = true;
        xs[i] = x;
        ys[i] = y;
    }
}

/* Batches that must not change anything, in arrays of exactly their size. */
static void bad_batches(fb_quads_t *t) {
    enum { N = 40 };
    int64_t *ids = exact_alloc(N * sizeof(*ids));
    double *a = exact_alloc(N * sizeof(*a));
    size_t present = MAX, done;
    for (size_t i = 0; i < N; i++) ids[i] = 100000 + (int64_t)i, a[i] = 0.5;
    for (size_t i = 0; i < MAX; i++) present = there[i] ? i : present;
    ids[N - 1] = present < MAX ? id_of(present) : ids[0];
    CHECK(fb_quads_insert_many(t, ids, a, a, N, &done) == FB_FULL && done == N - 1);
    CHECK(fb_quads_remove_many(t, ids, N, &done) == FB_NOT_BUILT && done == 0);
    if (present < MAX) {
        ids[0] = ids[N - 1];
        CHECK(fb_quads_move_many(t, ids, a, a, N, &done) == FB_NOT_BUILT && done == 1);
        CHECK(fb_quads_remove_many(t, ids, N, &done) == FB_NOT_BUILT && done == 1);
        ids[1] = ids[0];
        CHECK(fb_quads_remove_many(t, ids, 2, &done) == FB_NOT_BUILT && done == 1);
    }
    CHECK(t->n == n_there);
    free(ids);
    free(a);
}

/* What holds everywhere: counts, links back, points in the cells of their leaves. */
static void check_tree(fb_quads_t *t) {
    uint32_t stack[FB_QUADS_STACK];
    size_t points = 0, waiting = 0;
    for (stack[waiting++] = 0; waiting;) {
        const uint32_t k = stack[--waiting];
        const fb_quads_node_t *node = &t->nodes[k];
        if (!fb_quads_is_leaf(t, k)) {
            for (uint32_t i = 0; i < 4; i++) {
                stack[waiting++] = t->down[k] + i;
                CHECK(t->nodes[t->down[k] + i].parent == k);
            }
            continue;
        }
        uint32_t left = node->count;
        CHECK(left > 0 || t->down[k] == FB_QUADS_NONE);
        for (uint32_t head = fb_quads_head(t, k); left;) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
            const uint32_t n = fb_quads_in_head(left);
            CHECK(t->links[head].leaf == k);
            for (uint32_t slot = 0; slot < n; slot++) {
                fb_quads_point_t point = {.a = chunk->a[slot], .b = chunk->b[slot]};
                t->place(t, &point);
                const uint32_t shift = t->depth - node->depth;
                CHECK(point.cx >> shift == node->cx >> shift && point.cy >> shift == node->cy >> shift);
                CHECK(fb_quads_find(t, chunk->ids[slot]) == head * FB_QUADS_CHUNK + slot);
            }
            for (uint32_t slot = n; slot < FB_QUADS_CHUNK; slot++) CHECK(isnan(chunk->a[slot]));
            points += n;
            left -= n;
            head = t->links[head].next;
        }
        CHECK(node->count <= t->capacity || node->depth == t->depth);
    }
    CHECK(points == t->n && t->n == n_there);
}

static void test_steps(unsigned kind, uint32_t capacity) {
    const double bounds[4] = {0.0, 0.0, 1.0, 1.0};
    uint64_t seed = 10 * capacity + kind;
    fb_quads_t tree;
    memset(there, 0, sizeof(there));
    n_there = 0;
    CHECK(fb_quadtree_begin(&tree, bounds, capacity, seed) == FB_OK);
    check_searches(&tree, &seed, kind);
    for (unsigned step = 0; step < STEPS; step++) {
        change(&tree, &seed, step / 1000 % 2 ? kind : 0);
        if (step % 1000 == 999) {
            bad_batches(&tree);
            check_tree(&tree);
            check_searches(&tree, &seed, kind);
        }
    }
    for (size_t i = 0; i < MAX; i++) CHECK(fb_quads_remove(&tree, id_of(i), NULL, NULL) == there[i]);
    CHECK(tree.n == 0 && fb_quads_bytes(&tree) > 0);
    fb_quads_end(&tree);
}

/* More equal points than a leaf holds, in batches that let the table grow; all moved away and back. */
static void test_many_equal(void) {
    enum { N = 20000 };
    const double bounds[4] = {-1e300, 0.0, 7e299, 1e-300};
    int64_t *ids = exact_alloc(N * sizeof(*ids));
    double *a = exact_alloc(N * sizeof(*a)), *b = exact_alloc(N * sizeof(*b));
    fb_quads_t tree;
    size_t done;
    for (size_t i = 0; i < N; i++) ids[i] = (int64_t)(i * 0x9E3779B97F4A7C15ull), a[i] = 7e299, b[i] = 1e-300;
    CHECK(fb_quadtree_outside(bounds, a, b, N) == N);
    CHECK(fb_quadtree_begin(&tree, bounds, 8, 1) == FB_OK);
    CHECK(fb_quads_insert_many(&tree, ids, a, b, N, &done) == FB_OK && done == N && tree.n == N);
    fb_quads_found_t found = {NULL, NULL, 0, 0};
    const double corner[4] = {7e299, 1e-300, 8e299, 1}, rest[4] = {-1e300, 0, 6e299, 1};
    CHECK(fb_quadtree_query(&tree, corner, &found) == FB_OK && found.n == N);
    for (size_t i = 0; i < N; i++) a[i] = -1e300, b[i] = 0.0;
    CHECK(fb_quads_move_many(&tree, ids, a, b, N, &done) == FB_OK);
    found.n = 0;
    CHECK(fb_quadtree_query(&tree, corner, &found) == FB_OK && found.n == 0);
    CHECK(fb_quadtree_query(&tree, rest, &found) == FB_OK && found.n == N);
    fb_quads_items(&tree, ids, a, b);
    CHECK(fb_quads_remove_many(&tree, ids, N, &done) == FB_OK && tree.n == 0);
    b[N / 2] = NAN;
    CHECK(fb_quadtree_outside(bounds, a, b, N) == N / 2);
    free(found.ids);
    free(ids);
    free(a);
    free(b);
    fb_quads_end(&tree);
}

/* Many questions at once, in and out of bounds, are answered as one by one; many points are equally near. */
static void test_batch(void) {
    enum { N = 40000, SIDE = 200, M = 600, K = 20 };
    static double a[N], b[N], x[M], y[M], far[M * K], one[K];
    static int64_t ids[N], near[M * K], id[K];
    const double bounds[4] = {0.0, 0.0, SIDE, SIDE};
    const size_t ks[] = {1, 2, 8, 16, 17, K};
    uint64_t seed = 5;
    fb_quads_t tree;
    size_t done;
    for (size_t i = 0; i < N; i++) {
        ids[i] = (int64_t)(i * 7919 % N);
        a[i] = (double)(i % SIDE);
        b[i] = (double)(i / SIDE);
    }
    for (size_t i = 0; i < M; i++) {
        x[i] = (double)(next_random(&seed) % (2 * SIDE + 60)) / 2.0 - 15.0;
        y[i] = (double)(next_random(&seed) % (2 * SIDE + 60)) / 2.0 - 15.0;
    }
    CHECK(fb_quadtree_begin(&tree, bounds, 32, 1) == FB_OK);
    CHECK(fb_quads_insert_many(&tree, ids, a, b, N, &done) == FB_OK);
    for (size_t i = 0; i < sizeof(ks) / sizeof(*ks); i++) {
        const size_t k = ks[i];
        size_t n = fb_quadtree_nearest(&tree, x, y, M, k, 12.0, near, far);
        for (size_t row = 0; row < M; row++) {
            const size_t alone = fb_quadtree_nearest(&tree, x + row, y + row, 1, k, 12.0, id, one);
            CHECK(memcmp(id, near + row * k, k * sizeof(*id)) == 0);
            CHECK(memcmp(one, far + row * k, k * sizeof(*one)) == 0);
            CHECK(row < M - 1 || n == alone);
            for (size_t j = 1; j < alone; j++) {
                CHECK(one[j - 1] < one[j] || (one[j - 1] == one[j] && id[j - 1] < id[j]));
            }
        }
    }
    fb_quads_end(&tree);
}

int main(void) {
    for (unsigned kind = 0; kind < 4; kind++) {
        test_steps(kind, 1);
        test_steps(kind, 3);
        test_steps(kind, 32);
    }
    test_many_equal();
    test_batch();
    return check_report();
}
