/* What the parts of the R-tree have in common: boxes, nodes and their entries, and the memory of a tree.
 *
 *   rtree.c         the idea; trees, their views, and the nodes that these see
 *   rtree_pack.c    the packed tree, which is also what is serialised: built along a Hilbert curve, and checked
 *   rtree_loose.c   a loose tree of the boxes of a view, built from the top down
 *   rtree_change.c  an insert into a loose tree, and a removal
 *   rtree_map.c     the leaf of an id
 *   rtree_search.c  searches; rtree_search.h is their text, compiled once for every dispatch level
 */
#ifndef FB_GEO_RTREE_NODES_H
#define FB_GEO_RTREE_NODES_H

#include <math.h>

#include "rtree.h"

enum {
    FB_RTREE_CHUNK_BITS = 8, /* nodes are allocated by 256 */
    FB_RTREE_CHUNK = 1 << FB_RTREE_CHUNK_BITS,
    FB_RTREE_BLOCKS = 192,    /* each a part of all nodes there are: enough for as many as there can be */
    FB_RTREE_LOOSE_LEAF = 15, /* most entries of a leaf where a loose tree is built */
    FB_RTREE_LOOSE_INNER = 14 /* and of an inner node */
};
#define FB_RTREE_NONE UINT32_MAX       /* no node, no link; an empty slot of the map */
#define FB_RTREE_GONE (UINT32_MAX - 1) /* a slot of the map that held an id */

typedef struct {
    uint32_t node;   /* the newest copy; of a link that is free: the next one */
    uint32_t parent; /* its link, or NONE */
} fb_rtree_link_t;

struct fb_rtree {
    fb_rtree_node_t *nodes; /* the packed tree */
    size_t n_packed;
    bool owned;
    fb_rtree_node_t **chunks; /* n_chunks of max_chunks; the first ones in `nodes`, others in blocks */
    fb_rtree_node_t **old_chunks[FB_RTREE_BLOCKS]; /* smaller arrays, which views may hold */
    fb_rtree_node_t *blocks[FB_RTREE_BLOCKS];
    size_t n_chunks, max_chunks, n_old_chunks, n_own_chunks, n_blocks;
    fb_rtree_view_t *now;   /* the newest view; `older` leads to those that may be in use */
    fb_rtree_view_t *spare; /* of no use now; `older` leads on */
    size_t changes;
    bool held;         /* in a change: somebody may search the newest view */
    bool loose;        /* it may be changed: else there are no births and links yet */
    uint32_t *births;  /* version of every node; of one that is free: the next one */
    uint32_t free_nodes;
    size_t n_free_nodes;
    fb_rtree_link_t *links;
    size_t max_links, n_free_links;
    uint32_t free_links, root; /* links */
    uint32_t height;
    uint32_t *map;
    size_t map_size, map_used; /* slots, and those of them that are not empty */
    unsigned link_bits; /* of a slot, for the link; the others are a tag of the id */
};

/* ---- boxes ---------------------------------------------------------------------------------- */

FB_INLINE fb_rtree_box_t fb_rtree_box_at(const double *boxes, size_t i) {
    return (fb_rtree_box_t){boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

FB_INLINE fb_rtree_box_t fb_rtree_no_box(void) {
    return (fb_rtree_box_t){INFINITY, INFINITY, -INFINITY, -INFINITY};
}

FB_INLINE fb_rtree_box_t fb_rtree_join_boxes(fb_rtree_box_t a, fb_rtree_box_t b) {
    return (fb_rtree_box_t){fb_min(a.min_x, b.min_x), fb_min(a.min_y, b.min_y), fb_max(a.max_x, b.max_x),
                            fb_max(a.max_y, b.max_y)};
}

/* The middle of a box along an axis. */
FB_INLINE double fb_rtree_centre(fb_rtree_box_t box, bool by_y) {
    return by_y ? 0.5 * box.min_y + 0.5 * box.max_y : 0.5 * box.min_x + 0.5 * box.max_x;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

FB_INLINE bool fb_rtree_is_empty(const fb_rtree_node_t *node, unsigned slot) {
    return node->min_x[slot] == INFINITY;
}

FB_INLINE fb_rtree_box_t fb_rtree_entry_box(const fb_rtree_node_t *node, unsigned slot) {
    return (fb_rtree_box_t){node->min_x[slot], node->min_y[slot], node->max_x[slot], node->max_y[slot]};
}

FB_INLINE void fb_rtree_set_box(fb_rtree_node_t *node, unsigned slot, fb_rtree_box_t box) {
    node->min_x[slot] = box.min_x;
    node->min_y[slot] = box.min_y;
    node->max_x[slot] = box.max_x;
    node->max_y[slot] = box.max_y;
}

static inline void fb_rtree_clear_node(fb_rtree_node_t *node) {
    memset(&node->of, 0, sizeof(node->of));
    for (unsigned slot = 0; slot < FB_RTREE_FAN; slot++) fb_rtree_set_box(node, slot, fb_rtree_no_box());
}

static inline fb_rtree_box_t fb_rtree_node_box(const fb_rtree_node_t *node) {
    fb_rtree_box_t box = fb_rtree_no_box();
    for (unsigned slot = 0; slot < FB_RTREE_FAN; slot++) {
        box = fb_rtree_join_boxes(box, fb_rtree_entry_box(node, slot));
    }
    return box;
}

/* An entry on its way. The link is that of the child, or, of an entry of a leaf, of the leaf it comes
 * from; NONE if its id is new. */
typedef struct {
    fb_rtree_box_t box;
    int64_t id;
    uint32_t child, link;
} fb_rtree_entry_t;

FB_INLINE void fb_rtree_put_entry(fb_rtree_node_t *node, unsigned slot, uint32_t level,
                                  fb_rtree_entry_t entry) {
    fb_rtree_set_box(node, slot, entry.box);
    if (level == 0) {
        node->of.ids[slot] = entry.id;
    } else {
        node->of.to.child[slot] = entry.child;
        node->of.to.link[slot] = entry.link;
    }
}

/* ---- the nodes of a tree -------------------------------------------------------------------- */

FB_INLINE fb_rtree_node_t *fb_rtree_node(const fb_rtree_t *tree, uint32_t node) {
    return tree->chunks[node >> FB_RTREE_CHUNK_BITS] + (node & (FB_RTREE_CHUNK - 1));
}

/* The newest copy of a node of a loose tree. */
FB_INLINE fb_rtree_node_t *fb_rtree_linked(const fb_rtree_t *tree, uint32_t link) {
    return fb_rtree_node(tree, tree->links[link].node);
}

FB_INLINE void fb_rtree_free_node(fb_rtree_t *tree, uint32_t node) {
    tree->births[node] = tree->free_nodes;
    tree->free_nodes = node;
    tree->n_free_nodes++;
}

FB_INLINE uint32_t fb_rtree_take_node(fb_rtree_t *tree) {
    const uint32_t node = tree->free_nodes;
    tree->free_nodes = tree->births[node];
    tree->births[node] = tree->now->version + tree->held;
    tree->n_free_nodes--;
    return node;
}

FB_INLINE void fb_rtree_free_link(fb_rtree_t *tree, uint32_t link) {
    tree->links[link] = (fb_rtree_link_t){tree->free_links, FB_RTREE_NONE};
    tree->free_links = link;
    tree->n_free_links++;
}

/* The link of a node that is new, below that of a parent; there is room. */
FB_INLINE uint32_t fb_rtree_take_linked(fb_rtree_t *tree, uint32_t parent) {
    const uint32_t node = fb_rtree_take_node(tree), link = tree->free_links;
    tree->free_links = tree->links[link].node;
    tree->links[link] = (fb_rtree_link_t){node, parent};
    tree->n_free_links--;
    return link;
}

/* Frees a link, and its node, which no view has seen. */
FB_INLINE void fb_rtree_free_linked(fb_rtree_t *tree, uint32_t link) {
    fb_rtree_free_node(tree, tree->links[link].node);
    fb_rtree_free_link(tree, link);
}

/* What stands for a node in its parent. */
FB_INLINE fb_rtree_entry_t fb_rtree_entry_of(const fb_rtree_t *tree, uint32_t link) {
    return (fb_rtree_entry_t){fb_rtree_node_box(fb_rtree_linked(tree, link)), 0, tree->links[link].node, link};
}

/* Makes `few` more chunks of nodes; or room for n new nodes and their links. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_rtree_more_nodes(fb_rtree_t *tree, size_t few);
fb_status_t fb_rtree_room(fb_rtree_t *tree, size_t n);

/* ---- a change, from its beginning to its end ------------------------------------------------ */

/* Makes sure that nothing can fail from here on: room for a copy and a split of every node of a path.
 * FB_NO_MEMORY, or FB_OUT_OF_RANGE if the tree is not loose or too high. */
fb_status_t fb_rtree_reserve(fb_rtree_t *tree, bool insert, bool held);

/* Makes a node one that may be changed: if a view that is in use sees it, a copy takes its place. What
 * stands for it in its parent is left to the caller. */
void fb_rtree_own(fb_rtree_t *tree, uint32_t link);

/* Makes what has been changed the newest view; if nobody searches the last one, in its place. */
void fb_rtree_publish(fb_rtree_t *tree, size_t n, uint32_t height);

/* ---- the map, of links of leaves by id ------------------------------------------------------ */

/* Makes a map of `size` slots, for links up to `max_links`, of the ids that are there. FB_NO_MEMORY. */
fb_status_t fb_rtree_map_make(fb_rtree_t *tree, size_t size, size_t max_links);

/* Whether an id is there: its slot in the map, the link of its leaf and the slot in the leaf. */
bool fb_rtree_map_find(const fb_rtree_t *tree, int64_t id, size_t *at, uint32_t *link, unsigned *slot);

/* An id that is new is in a leaf; there is room. */
void fb_rtree_map_add(fb_rtree_t *tree, int64_t id, uint32_t link);

/* An id has moved to another leaf. */
void fb_rtree_map_move(fb_rtree_t *tree, int64_t id, uint32_t from, uint32_t to);

/* ---- parts of places ------------------------------------------------------------------------ */

/* The middle of a box, and which one it is. */
typedef struct {
    double x, y;
    uint32_t item;
} fb_rtree_place_t;

FB_INLINE fb_rtree_place_t fb_rtree_place_of(fb_rtree_box_t box, size_t item) {
    return (fb_rtree_place_t){fb_rtree_centre(box, false), fb_rtree_centre(box, true), (uint32_t)item};
}

/* Where a part of n things begins. */
FB_INLINE size_t fb_rtree_part(size_t part, size_t parts, size_t n) {
    return (size_t)((uint64_t)part * n / parts);
}

/* Orders n places, `leaves` leaves, so that `parts` parts of them are nearly square. */
void fb_rtree_cut(fb_rtree_place_t *places, size_t n, size_t leaves, size_t parts);

#endif
