/* An R-tree of boxes in the plane: packed along a Hilbert curve, or loose and changed by copying paths.
 *
 * A tree is a set of nodes and a row of views. A view is the tree as it was between two changes: what a
 * search needs, and nothing that a change touches. So any number of threads search, each in the view it
 * took, while one thread changes the tree; rtree.c tells how.
 *
 * Boxes are closed: those that touch intersect. Coordinates are finite, min <= max.
 */
#ifndef FB_GEO_RTREE_H
#define FB_GEO_RTREE_H

#include "base.h"

enum { FB_RTREE_FAN = 16, FB_RTREE_LEVELS = 24 };

typedef struct {
    double min_x, min_y, max_x, max_y;
} fb_rtree_box_t;

/* Sixteen entries. An empty one has the box (inf, inf, -inf, -inf), which meets nothing. */
typedef struct {
    double min_x[FB_RTREE_FAN], min_y[FB_RTREE_FAN], max_x[FB_RTREE_FAN], max_y[FB_RTREE_FAN];
    union {
        int64_t ids[FB_RTREE_FAN]; /* of a leaf */
        struct {                   /* of an inner node that is not packed; else zero */
            uint32_t child[FB_RTREE_FAN]; /* where the node is */
            uint32_t link[FB_RTREE_FAN];  /* which node it is, for changes */
        } to;
    } of;
} fb_rtree_node_t;

typedef struct fb_rtree_view {
    const fb_rtree_node_t *const *chunks;
    size_t n;        /* boxes */
    uint32_t root;
    uint32_t height; /* levels of nodes; 0 if there are no boxes */
    bool packed;     /* children lie by rule: see rtree.c */
    uint32_t first[FB_RTREE_LEVELS]; /* packed: the first node of every level, leaves first */
    /* The rest is the tree's own. */
    uint32_t version;
    uint64_t dead; /* atomic: nobody searches it any more */
    struct fb_rtree_view *older, *newer;
    uint32_t *retired; /* nodes that the next version has no use for */
    size_t n_retired, max_retired;
} fb_rtree_view_t;

typedef struct fb_rtree fb_rtree_t;

/* What searches find: `n` ids, and `others` beside them if it is the answer of a join. */
typedef struct {
    int64_t *ids, *others;
    size_t n, max;
} fb_rtree_found_t;

/* ---- build ---------------------------------------------------------------------------------- */

/* Number of nodes of a packed tree of n boxes; SIZE_MAX if that is more than a tree can have. */
size_t fb_rtree_nodes(size_t n);

/* The index of the first box that is not finite with min <= max; n if there is none. */
size_t fb_rtree_check_boxes(const double *boxes, size_t n);

/* The index of the first of n numbers that is not finite; n if there is none. */
size_t fb_rtree_check_numbers(const double *numbers, size_t n);

/* Packs n boxes (rows of four) with their ids (NULL: 0, 1, ...) into `nodes`, fb_rtree_nodes(n) of them,
 * zeroed. The result depends on the set of boxes and ids alone, not on their order. If an id is there
 * twice, *twice is the index of its second place, and no node is of use; else it is n. */
fb_status_t fb_rtree_pack(const double *boxes, const int64_t *ids, size_t n, fb_rtree_node_t *nodes,
                          size_t *twice);

/* Whether `nodes` are such a packed tree of n boxes: what each node holds, but not whether ids are there
 * twice or the order is a good one, without which searches are right. */
bool fb_rtree_packed(const fb_rtree_node_t *nodes, size_t n);

/* Whether the ids of n packed boxes are all different. FB_NO_MEMORY. */
fb_status_t fb_rtree_distinct(const fb_rtree_node_t *nodes, size_t n, bool *distinct);

/* ---- tree and views ------------------------------------------------------------------------- */

/* A tree over `nodes`, a packed tree of n boxes, to be searched but not changed; with
 * `owned` it frees them (by fb_free_zeroed) in the end. NULL if there is no memory. */
fb_rtree_t *fb_rtree_new(fb_rtree_node_t *nodes, size_t n, bool owned);
void fb_rtree_drop(fb_rtree_t *tree);

/* The newest view. It is taken when the tree is new and after each change with `held`, and dropped once, by
 * any thread. */
fb_rtree_view_t *fb_rtree_view(fb_rtree_t *tree);
void fb_rtree_view_drop(fb_rtree_view_t *view);

/* Bytes of memory, those of `nodes` included, that the tree takes. */
size_t fb_rtree_bytes(const fb_rtree_t *tree);

/* ---- changes: one thread at a time ---------------------------------------------------------- */

/* Makes what it takes to tell whether an id is there. O(n) the first time, then nothing. */
fb_status_t fb_rtree_prepare(fb_rtree_t *tree);

/* A loose tree of the boxes of a view: nodes have room, and where each id is is known. NULL if there is no
 * memory. */
fb_rtree_t *fb_rtree_loose(const fb_rtree_view_t *view);

/* True if a tree is not loose, or so much has changed that it is time for a new one. */
bool fb_rtree_worn(const fb_rtree_t *tree);

/* Whether an id is there; the tree is prepared or loose. */
bool fb_rtree_has(const fb_rtree_t *tree, int64_t id);

/* Adds a box with an id that is not there; takes away one that is. The tree is loose. With `held`,
 * somebody may be searching the newest view, and after FB_OK there is a newer one; else that view changes.
 * On an error nothing has changed. */
fb_status_t fb_rtree_insert(fb_rtree_t *tree, int64_t id, const fb_rtree_box_t *box, bool held);
fb_status_t fb_rtree_remove(fb_rtree_t *tree, int64_t id, bool held);

/* ---- searches: any number of threads, in views ---------------------------------------------- */

/* All boxes of a view, in any order: ids, and rows of four if `boxes` is not NULL. */
void fb_rtree_items(const fb_rtree_view_t *view, int64_t *ids, double *boxes);

/* The box of all boxes; of no meaning if there are none. */
fb_rtree_box_t fb_rtree_bounds(const fb_rtree_view_t *view);

/* Ids of the boxes that a box meets, appended to *found. */
fb_status_t fb_rtree_query(const fb_rtree_view_t *view, const fb_rtree_box_t *box,
                           fb_rtree_found_t *found);

/* The same for m boxes (rows of four); ends[i] is found->n after the i-th. */
fb_status_t fb_rtree_query_many(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                fb_rtree_found_t *found, uint64_t *ends);

/* The number of the box that each of the ids belongs to: i from ends[i - 1] to ends[i]. */
void fb_rtree_spread(const uint64_t *ends, size_t m, int64_t *numbers);

/* How many boxes each of m boxes meets. */
void fb_rtree_count_many(const fb_rtree_view_t *view, const double *boxes, size_t m, int64_t *counts);

/* All pairs of ids of boxes of two views that meet, appended to *found. */
fb_status_t fb_rtree_join(const fb_rtree_view_t *a, const fb_rtree_view_t *b, fb_rtree_found_t *found);

/* The k boxes that are nearest to each of m points (rows of two) and no further than `most`, by squared
 * distance, then id: rows of k, nearest first, padded with -1 and inf. Returns the number found for the
 * last point. */
size_t fb_rtree_nearest(const fb_rtree_view_t *view, const double *points, size_t m, size_t k,
                        double most, int64_t *ids, double *distances);

#endif
