/* Coverings by S2 cells.
 *
 * A region looks at a cell and says whether it is apart from it, meets it or contains it. Cells and regions
 * are closed, and FB_S2_PAD is added to all of them: who is nearer than that touches, so that rounding never
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
 * Too many cells for min_level are refused early. Cells that wait are apart, so what each needs at least adds up:
 * that many diagonals as fit into an edge of a polygon within. Of a rectangle the longest side is measured
 * beforehand; of caps, and what is not thin, cells that are inside soon tell enough.
 *
 * A covering looks at O(max_cells * levels) cells, or O(those of min_level that are not inside).
 *
 * [1] S2 Geometry, s2geometry.io, "S2RegionCoverer".
 */
#include "geo/s2_cover.h"

#include <stdlib.h>

#include "geo/s2_region.h"

typedef struct {
    uint64_t cell;
    fb_s2_edges_t near;
    uint64_t need; /* how many cells of the covering will be in it at least */
    int order;     /* who is less comes first */
    int n;         /* children that are not apart */
    fb_s2_relation_t children[4];
} waiting_t;

typedef struct {
    const fb_s2_region_t *region;
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

static bool is_final(const coverer_t *c, int level, fb_s2_relation_t relation) {
    return level >= c->limits.min_level && (level == c->limits.max_level || relation == FB_S2_CONTAINED);
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
static fb_status_t add(coverer_t *c, uint64_t cell, fb_s2_relation_t relation, fb_s2_edges_t near) {
    waiting_t one = {.cell = cell, .need = 1};
    const int level = fb_s2_level(cell);
    int finals = 0;
    uint64_t child;
    if (c->count + c->need >= c->limits.most) return FB_FULL;
    if (is_final(c, level, relation) ||
        (relation == FB_S2_CONTAINED && weight_of(c, level) > c->limits.max_cells))
        return take(c, cell);
    if (near.n > 0 && fb_s2_keep_meeting(c->region->shape, cell, near, &one.near) != FB_OK)
        return FB_NO_MEMORY;
    if (one.near.n > 0 && level + FEW_LEVELS <= c->limits.min_level)
        one.need = fb_s2_need(c->region->shape, cell, one.near, c->limits.min_level);
    (void)fb_s2_descendants(cell, level + 1, &child);
    for (int k = 0; k < 4; k++, child += 2 * fb_s2_bit_of(level + 1)) {
        one.children[k] = relation == FB_S2_CONTAINED
                              ? FB_S2_CONTAINED
                              : c->region->look(c->region->shape, child, one.near);
        one.n += one.children[k] != FB_S2_APART;
        finals += one.children[k] != FB_S2_APART && is_final(c, level + 1, one.children[k]);
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

size_t fb_s2_candidates(const fb_s2_region_t *region, size_t most, int max_level, uint64_t cells[7]) {
    int level;
    size_t n;
    (void)frexp(2 * sqrt(2) / 3 / fb_max(region->angle, 1e-10), &level);
    level = level > 31 ? 29 : level - 2; /* its cells are at least twice as wide as the angle */
    if (level < 0) {
        for (n = 0; n < 6; n++) cells[n] = (uint64_t)n << 61 | (uint64_t)1 << 60;
        return n;
    }
    const fb_vector_t p = region->center;
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

fb_status_t fb_s2_cover(const fb_s2_region_t *region, fb_s2_limits_t limits, fb_s2_found_t *found) {
    coverer_t c = {.region = region, .limits = limits, .found = found};
    fb_status_t status = FB_OK;
    uint64_t first[7];
    const size_t few = limits.max_cells < 4 ? limits.max_cells : 4;
    const size_t n = fb_s2_candidates(region, few, limits.max_level, first);
    for (size_t k = 0; k < n && status == FB_OK; k++) {
        const fb_s2_relation_t relation = region->look(region->shape, first[k], region->edges);
        if (relation != FB_S2_APART) status = add(&c, first[k], relation, region->edges);
    }
    while (c.n > 0 && status == FB_OK) {
        const waiting_t one = heap_pop(&c);
        const int level = fb_s2_level(one.cell);
        if (level < limits.min_level || one.n == 1 ||
            c.count + c.n + (uint64_t)one.n <= limits.max_cells) {
            uint64_t child;
            (void)fb_s2_descendants(one.cell, level + 1, &child);
            for (int k = 0; k < 4 && status == FB_OK; k++, child += 2 * fb_s2_bit_of(level + 1))
                if (one.children[k] != FB_S2_APART) status = add(&c, child, one.children[k], one.near);
        } else {
            status = take(&c, one.cell);
        }
        free(one.near.edges);
    }
    for (size_t k = 0; k < c.n; k++) free(c.heap[k].near.edges);
    free(c.heap);
    return status == FB_OK ? finish(found, limits.min_level) : status;
}
