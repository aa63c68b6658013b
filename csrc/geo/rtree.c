/* An R-tree in arrays of nodes of 640 bytes, sixteen entries each: their boxes as four arrays, so that a
 * node is tested at once by vector compares, and their ids or children.
 *
 *   packed      leaves            level 1      level 2    root
 *   nodes    [0 1 2 3 ... L-1 | L ... L+M-1 | L+M ...  | last]      all full but the last of each level
 *
 * A packed tree (rtree_pack.c) is one such array. Child s of node j of a level is node 16j + s of the level
 * below: no links are stored, so a saved tree is searched in place, and there is no link in it to be damaged.
 *
 * The first change makes a loose tree of the packed one (rtree_loose.c), with places free in its nodes. Once
 * a quarter as many changes were made as there are boxes, fb_rtree_worn tells the owner to make a loose tree
 * anew: so the shape stays good, and a change (rtree_change.c) costs O(log n) copied nodes, and O(log n)
 * more, amortised, for that.
 *
 * Changes copy the path from leaf to root, so nodes that a view can reach never change (path copying
 * [1]), and the new root is the next view. What they need besides: a link, a number that a node keeps
 * while copies of it come and go; links[link] tells the newest copy and the parent's link, the parent's `to`
 * the links of its children. A map finds the link of the leaf of an id (rtree_map.c).
 *
 * A node is retired by the change that copies it, and seen by the views from the version of its birth to
 * the one before that change. Retired nodes wait with the newest view that sees them; when that view is
 * dropped they go to the next older one that sees them, or, if there is none, are free. So a view that
 * is held long keeps what it sees, and not what comes and goes after it. A node that no view in use sees
 * is changed in place, and so is the newest view if nobody searches it: nodes then stay next to their
 * neighbours.
 *
 * Invariants: entries of inner nodes are the exact boxes of their children; every leaf but that of an
 * empty tree has an entry; all leaves lie on level 0.
 *
 * [1] J. Driscoll, N. Sarnak, D. Sleator, R. Tarjan, "Making data structures persistent", JCSS 38, 1989.
 */
#include <stdlib.h>

#include "memory.h"
#include "rtree_nodes.h"

enum {
    FAN = FB_RTREE_FAN,
    CHUNK = FB_RTREE_CHUNK,
    MAX_HEIGHT = FB_RTREE_LEVELS - 4 /* of a tree before a change */
};

/* ---- trees and views ------------------------------------------------------------------------ */

/* A view for the next change, from those of no use or new, with room for what that change retires. */
static fb_rtree_view_t *spare_view(fb_rtree_t *tree) {
    fb_rtree_view_t *view = tree->spare;
    if (view != NULL) return view;
    view = (fb_rtree_view_t *)calloc(1, sizeof(*view));
    if (view == NULL) return NULL;
    view->max_retired = FB_RTREE_LEVELS;
    view->retired = (uint32_t *)malloc(view->max_retired * sizeof(*view->retired));
    if (view->retired == NULL) {
        free(view);
        return NULL;
    }
    return tree->spare = view;
}

static void drop_views(fb_rtree_view_t *view) {
    while (view != NULL) {
        fb_rtree_view_t *older = view->older;
        free(view->retired);
        free(view);
        view = older;
    }
}

fb_rtree_t *fb_rtree_new(fb_rtree_node_t *nodes, size_t n, bool owned) {
    fb_rtree_t *tree = (fb_rtree_t *)calloc(1, sizeof(*tree));
    if (tree == NULL) return NULL;
    tree->nodes = nodes;
    tree->n_packed = fb_rtree_nodes(n);
    tree->n_chunks = (tree->n_packed + CHUNK - 1) / CHUNK;
    tree->max_chunks = tree->n_chunks;
    tree->chunks = (fb_rtree_node_t **)malloc((tree->n_chunks + 1) * sizeof(*tree->chunks));
    fb_rtree_view_t *view = spare_view(tree);
    if (tree->chunks == NULL || view == NULL) {
        fb_rtree_drop(tree);
        return NULL;
    }
    tree->owned = owned; /* only now: on failure the nodes stay the caller's */
    for (size_t i = 0; i < tree->n_chunks; i++) tree->chunks[i] = nodes + i * CHUNK;
    tree->spare = NULL;
    tree->now = view;
    view->chunks = (const fb_rtree_node_t *const *)tree->chunks;
    view->n = n;
    view->packed = true;
    uint32_t at = 0;
    for (size_t level = n; level > 1 || (n && view->height == 0);) {
        level = (level + FAN - 1) / FAN;
        view->first[view->height++] = at;
        at += (uint32_t)level;
    }
    view->root = at - (n != 0);
    return tree;
}

void fb_rtree_drop(fb_rtree_t *tree) {
    if (tree == NULL) return;
    drop_views(tree->now);
    drop_views(tree->spare);
    for (size_t i = 0; i < tree->n_old_chunks; i++) free(tree->old_chunks[i]);
    for (size_t i = 0; i < tree->n_blocks; i++) fb_free_zeroed(tree->blocks[i]);
    if (tree->owned) fb_free_zeroed(tree->nodes);
    free(tree->chunks);
    free(tree->births);
    free(tree->links);
    free(tree->map);
    free(tree);
}

fb_rtree_view_t *fb_rtree_view(fb_rtree_t *tree) { return tree->now; }

void fb_rtree_view_drop(fb_rtree_view_t *view) {
    if (view != NULL) fb_atomic_release64(&view->dead, 1);
}

size_t fb_rtree_bytes(const fb_rtree_t *tree) {
    size_t bytes = tree->n_packed * sizeof(fb_rtree_node_t);
    bytes += tree->n_own_chunks * CHUNK * sizeof(fb_rtree_node_t);
    bytes += tree->max_chunks * sizeof(*tree->chunks) + tree->max_links * sizeof(*tree->links);
    bytes += tree->map_size * sizeof(*tree->map);
    if (tree->loose) bytes += tree->max_chunks * CHUNK * sizeof(*tree->births);
    return bytes;
}

bool fb_rtree_worn(const fb_rtree_t *tree) {
    const fb_rtree_view_t *now = tree->now;
    return !tree->loose || tree->changes > 64 + now->n / 4 || now->height > MAX_HEIGHT ||
           now->version > FB_RTREE_NONE - 2;
}

/* ---- room for nodes and links --------------------------------------------------------------- */

static fb_status_t more_links(fb_rtree_t *tree) {
    const size_t was = tree->max_links, max = was + was / 8 + 64;
    fb_rtree_link_t *links = (fb_rtree_link_t *)realloc(tree->links, max * sizeof(*links));
    if (links == NULL) return FB_NO_MEMORY;
    tree->links = links;
    tree->max_links = max;
    for (size_t link = max; link-- > was;) fb_rtree_free_link(tree, (uint32_t)link);
    return FB_OK;
}

/* The chunks are one block, which gets huge pages if it is large. */
fb_status_t fb_rtree_more_nodes(fb_rtree_t *tree, size_t few) {
    if (tree->n_blocks == FB_RTREE_BLOCKS) return FB_NO_MEMORY;
    if (tree->n_chunks + few > tree->max_chunks) {
        const size_t max = tree->n_chunks + tree->n_chunks / 4 + few + 4;
        if (tree->n_old_chunks == FB_RTREE_BLOCKS || max >= FB_RTREE_NONE / CHUNK) return FB_NO_MEMORY;
        uint32_t *births = (uint32_t *)realloc(tree->births, max * CHUNK * sizeof(*births));
        if (births == NULL) return FB_NO_MEMORY;
        tree->births = births;
        fb_rtree_node_t **chunks = (fb_rtree_node_t **)malloc(max * sizeof(*chunks));
        if (chunks == NULL) return FB_NO_MEMORY;
        memcpy(chunks, tree->chunks, tree->n_chunks * sizeof(*chunks));
        tree->old_chunks[tree->n_old_chunks++] = tree->chunks;
        tree->chunks = chunks;
        tree->max_chunks = max;
    }
    fb_rtree_node_t *nodes = (fb_rtree_node_t *)fb_alloc_zeroed(few * CHUNK * sizeof(*nodes));
    if (nodes == NULL) return FB_NO_MEMORY;
    tree->blocks[tree->n_blocks++] = nodes;
    tree->n_own_chunks += few;
    for (size_t i = 0; i < few; i++) tree->chunks[tree->n_chunks + i] = nodes + i * CHUNK;
    for (size_t i = few * CHUNK; i-- > 0;) {
        fb_rtree_free_node(tree, (uint32_t)(tree->n_chunks * CHUNK + i));
    }
    tree->n_chunks += few;
    return FB_OK;
}

fb_status_t fb_rtree_room(fb_rtree_t *tree, size_t n) {
    while (tree->n_free_nodes < n) {
        if (fb_rtree_more_nodes(tree, 1 + tree->n_chunks / 32) != FB_OK) return FB_NO_MEMORY;
    }
    while (tree->n_free_links < n) {
        if (more_links(tree) != FB_OK) return FB_NO_MEMORY;
    }
    return FB_OK;
}

/* ---- versions ------------------------------------------------------------------------------- */

/* Makes room for n more nodes that a view is the last to see. */
static bool room_to_retire(fb_rtree_view_t *view, size_t n) {
    if (view->max_retired - view->n_retired >= n) return true;
    const size_t max = 2 * view->n_retired + n;
    uint32_t *retired = (uint32_t *)realloc(view->retired, max * sizeof(*retired));
    if (retired == NULL) return false;
    view->retired = retired;
    view->max_retired = max;
    return true;
}

/* Frees what only dropped views have seen. */
static void reap(fb_rtree_t *tree) {
    for (fb_rtree_view_t *view = tree->now->older, *older; view != NULL; view = older) {
        older = view->older;
        if (!fb_atomic_acquire64(&view->dead)) continue;
        if (older != NULL && !room_to_retire(older, view->n_retired)) continue; /* another time */
        for (size_t i = 0; i < view->n_retired; i++) {
            const uint32_t node = view->retired[i];
            if (older != NULL && tree->births[node] <= older->version) {
                older->retired[older->n_retired++] = node;
            } else {
                fb_rtree_free_node(tree, node);
            }
        }
        view->newer->older = older;
        if (older != NULL) older->newer = view->newer;
        view->older = tree->spare;
        tree->spare = view;
    }
}

fb_status_t fb_rtree_reserve(fb_rtree_t *tree, bool insert, bool held) {
    tree->held = held;
    const size_t most = 2 * (size_t)tree->height + 3 + 2 * FAN, n = tree->now->n;
    if (!tree->loose || tree->height > MAX_HEIGHT) return FB_OUT_OF_RANGE;
    reap(tree);
    fb_rtree_view_t *last = held ? tree->now : tree->now->older;
    if (last != NULL && !room_to_retire(last, FB_RTREE_LEVELS + FAN)) return FB_NO_MEMORY;
    if (fb_rtree_room(tree, most) != FB_OK) return FB_NO_MEMORY;
    if (insert && (tree->map_used + 1 > tree->map_size / 20 * 19 ||
                   tree->max_links + 2 >= 1ull << tree->link_bits)) {
        const size_t size = n + n / 4 + 2 * FAN;
        if (fb_rtree_map_make(tree, size, 2 * tree->max_links) != FB_OK) return FB_NO_MEMORY;
    }
    return spare_view(tree) == NULL ? FB_NO_MEMORY : FB_OK;
}

void fb_rtree_own(fb_rtree_t *tree, uint32_t link) {
    fb_rtree_view_t *last = tree->held ? tree->now : tree->now->older;
    const uint32_t old = tree->links[link].node;
    if (last == NULL || tree->births[old] > last->version) return;
    last->retired[last->n_retired++] = old;
    const uint32_t node = fb_rtree_take_node(tree);
    memcpy(fb_rtree_node(tree, node), fb_rtree_node(tree, old), sizeof(fb_rtree_node_t));
    tree->links[link].node = node;
}

void fb_rtree_publish(fb_rtree_t *tree, size_t n, uint32_t height) {
    fb_rtree_view_t *view = tree->now;
    if (tree->held) {
        view = tree->spare;
        tree->spare = view->older;
        view->version = tree->now->version + 1;
        view->dead = 0;
        view->n_retired = 0;
        view->older = tree->now;
        view->newer = NULL;
        tree->now->newer = view;
        tree->now = view;
    }
    view->chunks = (const fb_rtree_node_t *const *)tree->chunks;
    view->n = n;
    view->root = height ? tree->links[tree->root].node : 0;
    view->height = tree->height = height;
    view->packed = false;
    tree->changes++;
}
