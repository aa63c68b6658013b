/* Loose R-trees: built from the top down, with places free in their nodes.
 *
 * Boxes are cut by their centres into as many parts as the root has children, halving what they span across its
 * longer side again and again, each part likewise into its children, down to leaves of at most fifteen [1].
 * Sides of nodes on all levels fall together, so they overlap less than along the Hilbert curve of a packed
 * tree; but it takes O(n log n). Where a part is halved is found by quickselect [2].
 *
 * [1] Y. Garcia, M. Lopez, S. Leutenegger, "A greedy algorithm for bulk loading R-trees", ACM GIS 1998.
 * [2] C. Hoare, "Algorithm 65: find", CACM 4, 1961.
 */
#include <stdlib.h>

#include "memory.h"
#include "rtree_nodes.h"

enum { FAN = FB_RTREE_FAN };

/* ---- parts of places ------------------------------------------------------------------------ */

FB_INLINE double along(const fb_rtree_place_t *place, bool by_y) { return by_y ? place->y : place->x; }

/* Brings those of n places in front that are below a number, or equal to it with `equal`; how many. */
FB_INLINE size_t bring_in_front(fb_rtree_place_t *places, size_t n, bool by_y, double number, bool equal) {
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        const fb_rtree_place_t place = places[i];
        const double at = along(&place, by_y);
        places[i] = places[front];
        places[front] = place;
        front += equal ? at == number : at < number;
    }
    return front;
}

/* A number that about `middle` of n places, taken at random, are below. */
static double pivot_of(const fb_rtree_place_t *places, size_t n, size_t middle, bool by_y, uint64_t *random) {
    enum { MANY = 31 };
    double some[MANY];
    const size_t few = n < 16 * MANY ? 3 : MANY;
    for (size_t i = 0; i < few; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        const double number = along(places + fb_reduce64(*random, n), by_y);
        size_t j = i;
        for (; j && some[j - 1] > number; j--) some[j] = some[j - 1];
        some[j] = number;
    }
    return some[fb_rtree_part(middle, n, few)];
}

/* Orders n places so that none of the first `middle`, fewer than n, is beyond any of the others [2]. */
static void select_places(fb_rtree_place_t *places, size_t n, size_t middle, bool by_y) {
    for (uint64_t random = n; middle;) {
        const double pivot = pivot_of(places, n, middle, by_y, &random);
        size_t front = bring_in_front(places, n, by_y, pivot, false);
        if (middle < front) {
            n = front;
            continue;
        }
        if (front == 0) {
            front = bring_in_front(places, n, by_y, pivot, true);
            if (middle <= front) return;
        }
        places += front;
        n -= front;
        middle -= front;
    }
}

/* Where a part of n places that make up `leaves` leaves begins. */
FB_INLINE size_t place_part(size_t part, size_t parts, size_t leaves, size_t n) {
    return fb_rtree_part(fb_rtree_part(part, parts, leaves), leaves, n);
}

/* fb_rtree_cut of the parts from `from` to `to`: what they span is cut across its longer side, again and
 * again [1]. */
static void cut(fb_rtree_place_t *places, size_t n, size_t leaves, size_t parts, size_t from, size_t to) {
    const size_t begin = place_part(from, parts, leaves, n), end = place_part(to, parts, leaves, n);
    const size_t middle = (from + to) / 2;
    if (to - from < 2) return;
    double min_x = INFINITY, min_y = INFINITY, max_x = -INFINITY, max_y = -INFINITY;
    for (size_t i = begin; i < end; i++) {
        min_x = fb_min(min_x, places[i].x);
        min_y = fb_min(min_y, places[i].y);
        max_x = fb_max(max_x, places[i].x);
        max_y = fb_max(max_y, places[i].y);
    }
    const bool by_y = 0.5 * max_y - 0.5 * min_y > 0.5 * max_x - 0.5 * min_x;
    select_places(places + begin, end - begin, place_part(middle, parts, leaves, n) - begin, by_y);
    cut(places, n, leaves, parts, from, middle);
    cut(places, n, leaves, parts, middle, to);
}

void fb_rtree_cut(fb_rtree_place_t *places, size_t n, size_t leaves, size_t parts) {
    cut(places, n, leaves, parts, 0, parts);
}

/* ---- the tree ------------------------------------------------------------------------------- */

/* Most leaves that a loose tree has below a node of a level. */
static uint64_t loose_leaves(uint32_t level) {
    uint64_t n = 1;
    while (level--) n *= FB_RTREE_LOOSE_INNER;
    return n;
}

/* Makes a node of n boxes on a level, with `leaves` leaves: its link, or NONE if there is no memory. */
static uint32_t build(fb_rtree_t *tree, const double *boxes, const int64_t *ids, fb_rtree_place_t *places,
                      size_t n, size_t leaves, uint32_t level) {
    if (fb_rtree_room(tree, 1) != FB_OK) return FB_RTREE_NONE;
    const uint32_t link = fb_rtree_take_linked(tree, FB_RTREE_NONE);
    fb_rtree_node_t *node = fb_rtree_linked(tree, link);
    fb_rtree_clear_node(node);
    if (level == 0) {
        for (unsigned i = 0; i < n; i++) {
            const uint32_t item = places[i].item;
            const fb_rtree_entry_t entry = {fb_rtree_box_at(boxes, item), ids[item], 0, FB_RTREE_NONE};
            fb_rtree_put_entry(node, i, 0, entry);
            fb_rtree_map_add(tree, entry.id, link);
        }
        return link;
    }
    const uint64_t most = loose_leaves(level - 1);
    const size_t parts = (size_t)((leaves + most - 1) / most);
    fb_rtree_cut(places, n, leaves, parts);
    for (unsigned part = 0; part < parts; part++) {
        const size_t begin = place_part(part, parts, leaves, n), end = place_part(part + 1, parts, leaves, n);
        const size_t here = fb_rtree_part(part + 1, parts, leaves) - fb_rtree_part(part, parts, leaves);
        const uint32_t child = build(tree, boxes, ids, places + begin, end - begin, here, level - 1);
        if (child == FB_RTREE_NONE) return FB_RTREE_NONE;
        tree->links[child].parent = link;
        fb_rtree_put_entry(node, part, level, fb_rtree_entry_of(tree, child));
    }
    return link;
}

fb_rtree_t *fb_rtree_loose(const fb_rtree_view_t *view) {
    const size_t n = view->n, leaves = (n + FB_RTREE_LOOSE_LEAF - 1) / FB_RTREE_LOOSE_LEAF;
    const size_t nodes = leaves + leaves / 12 + FAN;
    double *boxes = (double *)fb_alloc_zeroed(4 * n * sizeof(*boxes));
    int64_t *ids = (int64_t *)fb_alloc_zeroed(n * sizeof(*ids));
    fb_rtree_place_t *places = (fb_rtree_place_t *)fb_alloc_zeroed(n * sizeof(*places));
    fb_rtree_t *tree = fb_rtree_new(NULL, 0, false);
    bool good = tree != NULL && (n == 0 || (boxes != NULL && ids != NULL && places != NULL));
    if (good) {
        tree->loose = true;
        tree->free_nodes = tree->free_links = tree->root = FB_RTREE_NONE;
        good = fb_rtree_map_make(tree, n + n / 8 + FAN, nodes + nodes / 4) == FB_OK &&
               fb_rtree_more_nodes(tree, nodes / FB_RTREE_CHUNK + 1) == FB_OK;
    }
    if (good && n) {
        fb_rtree_items(view, ids, boxes);
        for (size_t i = 0; i < n; i++) places[i] = fb_rtree_place_of(fb_rtree_box_at(boxes, i), i);
        while (loose_leaves(tree->height++) < leaves) {
        }
        tree->root = build(tree, boxes, ids, places, n, leaves, tree->height - 1);
        good = tree->root != FB_RTREE_NONE;
    }
    if (good) {
        fb_rtree_publish(tree, n, tree->height);
        tree->changes = 0;
    } else {
        fb_rtree_drop(tree);
        tree = NULL;
    }
    fb_free_zeroed(boxes);
    fb_free_zeroed(ids);
    fb_free_zeroed(places);
    return tree;
}
