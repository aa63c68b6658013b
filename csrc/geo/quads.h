/* Points that move, by id, in the leaves of quadtrees: what quadtree.c and geoindex.c have in common.
 *
 * A cell is a square of a grid of 2^depth by 2^depth, `depth` being the most levels a tree can have; bits of
 * cx from `depth` on are the number of the tree. The user's `place` says which cell a point lies in.
 * See quads.c. Not safe for threads by itself.
 */
#ifndef FB_GEO_QUADS_H
#define FB_GEO_QUADS_H

#include <stddef.h>

#include "base.h"

enum {
    FB_QUADS_CHUNK = 16,
    FB_QUADS_DEPTH = 24,
    FB_QUADS_STACK = 8 + 3 * FB_QUADS_DEPTH, /* nodes that wait in a search, depth first */
    FB_QUADS_MAX_CAPACITY = 4096
};

#define FB_QUADS_NONE UINT32_MAX
#define FB_QUADS_LEAF (1u << 31)
#define FB_QUADS_MAX ((size_t)1 << 31)

/* Sixteen points of a leaf, whole cache lines; all but its newest chunk are full, and what is free has NaN as
 * coordinates. With `floats`, three numbers more a point. */
typedef struct {
    double a[FB_QUADS_CHUNK], b[FB_QUADS_CHUNK];
    int64_t ids[FB_QUADS_CHUNK];
} fb_quads_chunk_t;

/* The leaf of a chunk, and the next older one of it, or NONE. Apart from the points, so that they stay in cache. */
typedef struct {
    uint32_t leaf, next;
} fb_quads_link_t;

typedef struct {
    float c[3][FB_QUADS_CHUNK];
} fb_quads_floats_t;

typedef struct {
    uint32_t count;  /* leaf: its points */
    uint32_t parent; /* NONE at a root */
    uint32_t cx, cy; /* its first cell */
    uint32_t depth;
    uint32_t unused[3];
} fb_quads_node_t;

/* Sides of the boxes of four nodes, in space: x, y, z. */
typedef struct {
    float low[3][4], high[3][4];
} fb_quads_boxes_t;

typedef struct {
    double a, b;
    float c[3];
    uint32_t cx, cy;
} fb_quads_point_t;

typedef struct fb_quads fb_quads_t;
struct fb_quads {
    /* Fills in cx and cy, and c if there are floats, from a and b. */
    void (*place)(const fb_quads_t *t, fb_quads_point_t *point);
    /* Four nodes were made, the first of them `child`; NULL if that does not matter. */
    void (*made)(fb_quads_t *t, uint32_t child);
    double origin_x, origin_y, scale_x, scale_y; /* for `place` */
    unsigned roots;                              /* nodes from 0 on, in steps of 4 */
    unsigned depth;
    uint32_t capacity; /* a leaf with more points is split */
    size_t chunk_bytes;
    size_t n;
    uint64_t seed;

    fb_quads_node_t *nodes; /* in groups of four, aligned */
    uint32_t *down; /* of a node its first child; of a leaf its newest chunk and FB_QUADS_LEAF, or NONE; of a free
                     * group the next one. Apart from the rest, so that it stays in cache: it leads to points */
    fb_quads_boxes_t *boxes;
    size_t nodes_used, nodes_max;
    uint32_t free_group; /* its first node */
    uint8_t *chunks;
    fb_quads_link_t *links; /* of chunks */
    size_t chunks_used, chunks_max;
    uint32_t free_chunk;
    size_t free_groups, free_chunks;
    uint64_t *table; /* tag, and place + 1 (0: nothing here) */
    size_t mask;
};

FB_INLINE fb_quads_chunk_t *fb_quads_chunk(const fb_quads_t *t, uint32_t chunk) {
    return (fb_quads_chunk_t *)(void *)(t->chunks + chunk * t->chunk_bytes);
}

FB_INLINE fb_quads_floats_t *fb_quads_floats(fb_quads_chunk_t *chunk) {
    return (fb_quads_floats_t *)(void *)(chunk + 1);
}

/* How many points there are in the newest chunk of a leaf of `count`, which is not 0. */
FB_INLINE uint32_t fb_quads_in_head(uint32_t count) { return (count - 1) % FB_QUADS_CHUNK + 1; }

FB_INLINE bool fb_quads_is_leaf(const fb_quads_t *t, uint32_t node) { return t->down[node] & FB_QUADS_LEAF; }

/* The newest chunk of a leaf, or NONE. */
FB_INLINE uint32_t fb_quads_head(const fb_quads_t *t, uint32_t leaf) {
    return t->down[leaf] == FB_QUADS_NONE ? FB_QUADS_NONE : t->down[leaf] & ~FB_QUADS_LEAF;
}

/* The child of a node that holds a cell; `bit` is how many levels are below it. */
FB_INLINE uint32_t fb_quads_child(const fb_quads_t *t, uint32_t node, uint32_t cx, uint32_t cy, uint32_t bit) {
    return t->down[node] + (cx >> bit & 1) + 2 * (cy >> bit & 1);
}

FB_INLINE void fb_quads_fetch_chunk(const fb_quads_t *t, uint32_t chunk) {
    const bool floats = t->chunk_bytes > sizeof(fb_quads_chunk_t); /* which tell most of the rest apart */
    const uint8_t *bytes = t->chunks + chunk * t->chunk_bytes;
    for (size_t at = floats ? sizeof(fb_quads_chunk_t) : 0; at < t->chunk_bytes; at += 64) {
        FB_PREFETCH(bytes + at);
    }
}

/* Fetches what a search will look at in a node. */
FB_INLINE void fb_quads_fetch(const fb_quads_t *t, uint32_t node) {
    if (fb_quads_is_leaf(t, node)) {
        const uint32_t head = fb_quads_head(t, node);
        if (head == FB_QUADS_NONE) return;
        fb_quads_fetch_chunk(t, head);
        if (t->links[head].next != FB_QUADS_NONE) fb_quads_fetch_chunk(t, t->links[head].next);
    } else {
        FB_PREFETCH(&t->nodes[t->down[node]]);
        FB_PREFETCH(&t->nodes[t->down[node] + 2]);
    }
}

/* The order of cells along a Z curve, tree after tree. */
FB_INLINE uint32_t fb_quads_key(uint32_t cx, uint32_t cy) {
    const unsigned bits = 14;
    uint64_t key = (uint64_t)(cx >> (FB_QUADS_DEPTH - bits) & ((1u << bits) - 1)) |
                   (uint64_t)(cy >> (FB_QUADS_DEPTH - bits)) << 32;
    key = (key | key << 8) & 0x00ff00ff00ff00ff;
    key = (key | key << 4) & 0x0f0f0f0f0f0f0f0f;
    key = (key | key << 2) & 0x3333333333333333;
    key = (key | key << 1) & 0x5555555555555555;
    return cx >> FB_QUADS_DEPTH << 2 * bits | (uint32_t)key | (uint32_t)(key >> 31);
}

/* A place is a chunk and a slot in it. */
FB_INLINE uint32_t fb_quads_chunk_of(uint32_t place) { return place / FB_QUADS_CHUNK; }
FB_INLINE uint32_t fb_quads_slot_of(uint32_t place) { return place % FB_QUADS_CHUNK; }

/* The fields from `place` to `capacity` set, `floats` or not: makes the trees, empty. */
fb_status_t fb_quads_begin(fb_quads_t *t, bool floats);
void fb_quads_end(fb_quads_t *t);
size_t fb_quads_bytes(const fb_quads_t *t);

/* The place of a point, or NONE. */
uint32_t fb_quads_find(const fb_quads_t *t, int64_t id);

/* FB_FULL if the id is there; nothing has changed then. */
fb_status_t fb_quads_insert(fb_quads_t *t, int64_t id, double a, double b);
/* Whether there was a point of that id; `a` and `b` are told where, if not NULL. */
bool fb_quads_remove(fb_quads_t *t, int64_t id, double *a, double *b);
/* FB_NOT_BUILT if there is no point of that id. */
fb_status_t fb_quads_move(fb_quads_t *t, int64_t id, double a, double b);
fb_status_t fb_quads_set(fb_quads_t *t, int64_t id, double a, double b);

/* Many. *done < n tells which was the first id that is there (insert) or not (move, remove), and that
 * nothing has changed. Of ids that are moved or set twice the last counts. */
fb_status_t fb_quads_insert_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                                 size_t n, size_t *done);
fb_status_t fb_quads_move_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                               size_t n, size_t *done);
fb_status_t fb_quads_set_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                              size_t n);
fb_status_t fb_quads_remove_many(fb_quads_t *t, const int64_t *ids, size_t n, size_t *done);

/* The order of n points, fewer than 2^32, along a Z curve: indices in the low halves of words. NULL if there is no
 * memory; free it. */
uint64_t *fb_quads_order(const fb_quads_t *t, const double *a, const double *b, size_t n);

/* All points, in no particular order. */
void fb_quads_items(const fb_quads_t *t, int64_t *ids, double *a, double *b);

/* Answers that grow; free ids and metres. */
typedef struct {
    int64_t *ids;
    double *distances; /* NULL unless distances are wanted */
    size_t n, max;
} fb_quads_found_t;

bool fb_quads_more_room(fb_quads_found_t *found, bool distances);

#endif
