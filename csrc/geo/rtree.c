/* An R-tree in one flat array of nodes of 640 bytes, sixteen entries each: their boxes as four arrays, so
 * that a node is tested at once by vector compares, and their ids or children.
 *
 *   packed      leaves            level 1      level 2    root
 *   nodes    [0 1 2 3 ... L-1 | L ... L+M-1 | L+M ...  | last]      all full but the last of each level
 *
 * Build [1]: boxes are put in the order of their centres along a Hilbert curve (then of their ids) and
 * cut into leaves; leaves are cut into nodes of level 1, and so on [2]. The curve has 2^16 cells each
 * way over the square around the centres. Where more than a node's boxes share a cell they are ordered
 * along a curve of their own in the square around them, so that one far outlier harms nothing. Child s of
 * node j of a level is node 16j + s of the level below: no links are stored, so a saved tree is searched
 * in place, and there is no link in it to be damaged.
 *
 * The first change makes a loose tree of the packed one, with places free in its nodes: boxes are cut by
 * their centres into as many parts as the root has children, halving what they span across its longer side again
 * and again, each part likewise into its children, down to leaves of at most fifteen [6]. Sides of nodes on all
 * levels fall together, so they overlap less than along the curve; but it takes O(n log n).
 *
 * Changes copy the path from leaf to root, so nodes that a view can reach never change (path copying
 * [3]), and the new root is the next view. An insert goes down to the child whose half perimeter grows
 * least. A full node is split where the parts' boxes overlap least along an axis, then have the least perimeter
 * [4]; but if a leaf's parent is full too, the entries of all of its leaves are cut into leaves anew, if that makes
 * room. A removal shrinks the boxes above and drops empty nodes. Once a quarter as many changes were made as there are
 * boxes, fb_rtree_worn tells the owner to make a loose tree anew: so the shape stays good, and a change costs
 * O(log n) copied nodes, and O(log n) more, amortised, for that.
 *
 * What changes need besides: a link, a number that a node keeps while copies of it come and go;
 * links[link] tells the newest copy and the parent's link, the parent's `to` the links of its children.
 * `map` finds the link of the leaf of an id: open addressing, 4 bytes a slot, of which the low bits are
 * the link and the high ones a tag of the id; the id itself stands in the leaf.
 *
 * A node is retired by the change that copies it, and seen by the views from the version of its birth to
 * the one before that change. Retired nodes wait with the newest view that sees them; when that view is
 * dropped they go to the next older one that sees them, or, if there is none, are free. So a view that
 * is held long keeps what it sees, and not what comes and goes after it. A node that no view in use sees
 * is changed in place, and so is the newest view if nobody searches it: nodes then stay next to their
 * neighbours.
 *
 * Query: O(log n + answers) for boxes that overlap little; nearest: depth first with a bound [5].
 *
 * Invariants: entries of inner nodes are the exact boxes of their children; every leaf but that of an
 * empty tree has an entry; all leaves lie on level 0.
 *
 * [1] I. Kamel, C. Faloutsos, "On Packing R-trees", CIKM 1993.
 * [2] N. Roussopoulos, D. Leifker, "Direct spatial search on pictorial databases using packed R-trees",
 *     SIGMOD 1985.
 * [3] J. Driscoll, N. Sarnak, D. Sleator, R. Tarjan, "Making data structures persistent", JCSS 38, 1989.
 * [4] N. Beckmann et al., "The R*-tree", SIGMOD 1990.
 * [5] N. Roussopoulos, S. Kelley, F. Vincent, "Nearest neighbor queries", SIGMOD 1995.
 * [6] Y. Garcia, M. Lopez, S. Leutenegger, "A greedy algorithm for bulk loading R-trees", ACM GIS 1998 (top down).
 * [7] C. Hoare, "Algorithm 65: find", CACM 4, 1961.
 */
#include "rtree.h"

#include <math.h>
#include <stdlib.h>

#include "cpu.h"
#include "memory.h"
#include "nearest.h"
#include "sort.h"
#if FB_X86
#include <immintrin.h>
#endif

enum {
    FAN = FB_RTREE_FAN,
    CHUNK_BITS = 8, /* nodes are allocated by 256 */
    CHUNK = 1 << CHUNK_BITS,
    STACK = FAN * FB_RTREE_LEVELS,
    MAX_HEIGHT = FB_RTREE_LEVELS - 4, /* of a tree before a change */
    LEAST = 6,                        /* entries of a part of a node that is split */
    LOOSE_LEAF = 15,                  /* most entries of a leaf of a loose tree */
    LOOSE_INNER = 14,                 /* and of an inner node */
    BLOCKS = 192,                     /* each an eighth more: enough for all nodes there can be */
};
#define NONE UINT32_MAX /* no node, no link; an empty slot of the map */
#define GONE (UINT32_MAX - 1) /* a slot of the map that held an id */

typedef struct {
    uint32_t node;   /* the newest copy; of a link that is free: the next one */
    uint32_t parent; /* its link, or NONE */
} link_t;

struct fb_rtree {
    fb_rtree_node_t *nodes; /* the packed tree */
    size_t n_packed;
    bool owned;
    fb_rtree_node_t **chunks; /* n_chunks of max_chunks; the first ones in `nodes`, others in blocks */
    fb_rtree_node_t **old_chunks[BLOCKS]; /* smaller arrays, which views may hold */
    fb_rtree_node_t *blocks[BLOCKS];
    size_t n_chunks, max_chunks, n_old_chunks, n_own_chunks, n_blocks;
    fb_rtree_view_t *now;   /* the newest view; `older` leads to those that may be in use */
    fb_rtree_view_t *spare; /* of no use now; `older` leads on */
    size_t changes;
    bool held;         /* in a change: somebody may search the newest view */
    bool open;         /* for changes: the rest is there */
    uint32_t *births;  /* version of every node; of one that is free: the next one */
    uint32_t free_nodes;
    size_t n_free_nodes;
    link_t *links;
    size_t max_links, n_free_links;
    uint32_t free_links, root; /* links */
    uint32_t height;
    uint32_t *map;
    size_t map_size, map_used; /* slots, and those of them that are not empty */
    unsigned link_bits;
};

/* ---- nodes ----------------------------------------------------------------------------------- */

/* A node and its level, in one word. */
FB_INLINE uint64_t ref(uint32_t node, uint32_t level) { return (uint64_t)level << 32 | node; }
FB_INLINE uint32_t ref_node(uint64_t at) { return (uint32_t)at; }
FB_INLINE uint32_t ref_level(uint64_t at) { return (uint32_t)(at >> 32); }
FB_INLINE unsigned lowest(uint32_t bits) { return fb_trailing_zeros64(bits); }

FB_INLINE const fb_rtree_node_t *node_at(const fb_rtree_view_t *view, uint32_t node) {
    return view->chunks[node >> CHUNK_BITS] + (node & (CHUNK - 1));
}

FB_INLINE uint64_t child_of(const fb_rtree_view_t *view, const fb_rtree_node_t *node, uint64_t at,
                            unsigned slot) {
    const uint32_t level = ref_level(at);
    if (!view->packed) return ref(node->of.to.child[slot], level - 1);
    const uint32_t child = view->first[level - 1] + (ref_node(at) - view->first[level]) * FAN + slot;
    const uint32_t last = view->first[level] - 1; /* damaged boxes may stand where no child is */
    return ref(child < last ? child : last, level - 1);
}

FB_INLINE void prefetch_node(const fb_rtree_node_t *node) {
    const char *p = (const char *)node;
    for (size_t line = 0; line < sizeof(*node); line += 64) FB_PREFETCH(p + line);
}

FB_INLINE fb_rtree_box_t box_at(const double *boxes, size_t i) {
    return (fb_rtree_box_t){boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

FB_INLINE fb_rtree_box_t entry_box(const fb_rtree_node_t *node, unsigned slot) {
    return (fb_rtree_box_t){node->min_x[slot], node->min_y[slot], node->max_x[slot], node->max_y[slot]};
}

FB_INLINE void set_box(fb_rtree_node_t *node, unsigned slot, fb_rtree_box_t box) {
    node->min_x[slot] = box.min_x;
    node->min_y[slot] = box.min_y;
    node->max_x[slot] = box.max_x;
    node->max_y[slot] = box.max_y;
}

FB_INLINE fb_rtree_box_t no_box(void) {
    return (fb_rtree_box_t){INFINITY, INFINITY, -INFINITY, -INFINITY};
}

FB_INLINE double less(double a, double b) { return a < b ? a : b; }
FB_INLINE double more(double a, double b) { return a > b ? a : b; }

FB_INLINE fb_rtree_box_t join_boxes(fb_rtree_box_t a, fb_rtree_box_t b) {
    return (fb_rtree_box_t){less(a.min_x, b.min_x), less(a.min_y, b.min_y), more(a.max_x, b.max_x),
                            more(a.max_y, b.max_y)};
}

FB_INLINE bool same_box(fb_rtree_box_t a, fb_rtree_box_t b) {
    return a.min_x == b.min_x && a.min_y == b.min_y && a.max_x == b.max_x && a.max_y == b.max_y;
}

FB_INLINE bool is_empty(const fb_rtree_node_t *node, unsigned slot) {
    return node->min_x[slot] == INFINITY;
}

static void clear_node(fb_rtree_node_t *node) {
    memset(&node->of, 0, sizeof(node->of));
    for (unsigned slot = 0; slot < FAN; slot++) set_box(node, slot, no_box());
}

static fb_rtree_box_t node_box(const fb_rtree_node_t *node) {
    fb_rtree_box_t box = no_box();
    for (unsigned slot = 0; slot < FAN; slot++) box = join_boxes(box, entry_box(node, slot));
    return box;
}

/* ---- build ----------------------------------------------------------------------------------- */

size_t fb_rtree_nodes(size_t n) {
    size_t nodes = 0, level = n;
    if (n >= NONE) return SIZE_MAX; /* boxes are numbered by 32 bits */
    while (level > 1 || (level == 1 && nodes == 0)) nodes += level = (level + FAN - 1) / FAN;
    return nodes;
}

size_t fb_rtree_check_numbers(const double *numbers, size_t n) {
    size_t i = 0;
    while (i < n && numbers[i] - numbers[i] == 0.0) i++; /* inf - inf and nan - nan are nan */
    return i;
}

size_t fb_rtree_check_boxes(const double *boxes, size_t n) {
    size_t i = 0;
    for (; i < n; i++) {
        const double *b = boxes + 4 * i;
        if (!(b[0] - b[0] + (b[1] - b[1]) + (b[2] - b[2]) + (b[3] - b[3]) == 0.0)) break;
        if (!(b[0] <= b[2]) || !(b[1] <= b[3])) break;
    }
    return i;
}

/* Puts x and y in [0, 2^16) into the order of a Hilbert curve. A square of the curve is run through with
 * its axes swapped or its cells mirrored, as the squares around it decide from the outermost on; the two
 * commute, so one bit tells each. */
static void hilbert_keys(const uint32_t *x, const uint32_t *y, size_t n, uint32_t *keys) {
    enum { BLOCK = 64 };
    uint32_t swapped[BLOCK], mirrored[BLOCK];
    memset(swapped, 0, sizeof(swapped));
    memset(mirrored, 0, sizeof(mirrored));
    memset(keys, 0, n * sizeof(*keys));
    for (int bit = 15; bit >= 0; bit--) {
        for (size_t i = 0; i < n; i++) {
            const uint32_t right = x[i] >> bit & 1, up = y[i] >> bit & 1;
            const uint32_t other = (right ^ up) & swapped[i];
            const uint32_t px = right ^ other ^ mirrored[i], py = up ^ other ^ mirrored[i];
            keys[i] = keys[i] << 2 | px << 1 | (px ^ py);
            mirrored[i] ^= px & ~py;
            swapped[i] ^= ~py & 1;
        }
    }
}

/* A number's part of a width, in [0, 2^16). The order of the comparisons makes nan 0. */
FB_INLINE uint32_t cell_of(double number, double low, double width) {
    double cell = (0.5 * number - 0.5 * low) / width * 65535.0;
    cell = cell > 0.0 ? cell : 0.0;
    cell = cell < 65535.0 ? cell : 65535.0;
    return (uint32_t)(int32_t)cell;
}

/* Orders items (the low halves of words) along the curve over their centres; equal ones stay in order. */
static void order_items(const double *centres, uint64_t *words, uint64_t *spare, size_t n) {
    enum { BLOCK = 64 };
    uint32_t x[BLOCK], y[BLOCK], keys[BLOCK];
    fb_rtree_box_t around = no_box();
    for (size_t i = 0; i < n; i++) {
        const double *centre = centres + 2 * (uint32_t)words[i];
        around = join_boxes(around, (fb_rtree_box_t){centre[0], centre[1], centre[0], centre[1]});
    }
    const double width = more(0.5 * around.max_x - 0.5 * around.min_x,
                              0.5 * around.max_y - 0.5 * around.min_y);
    if (!(width > 0.0)) return;
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t block = n - at < BLOCK ? n - at : BLOCK;
        for (size_t i = 0; i < block; i++) {
            const double *centre = centres + 2 * (uint32_t)words[at + i];
            x[i] = cell_of(centre[0], around.min_x, width);
            y[i] = cell_of(centre[1], around.min_y, width);
        }
        hilbert_keys(x, y, block, keys);
        for (size_t i = 0; i < block; i++) words[at + i] = (uint64_t)keys[i] << 32 | (uint32_t)words[at + i];
    }
    fb_sort_words(words, spare, n);
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && words[end] >> 32 == words[start] >> 32;) end++;
        if (end - start > FAN) order_items(centres, words + start, spare, end - start);
    }
}

/* Orders items by id, if they are not; `words` are their numbers. Returns whether all ids differ, else
 * the later one's number in *twice. */
static bool order_ids(const int64_t *ids, uint64_t *words, uint64_t *spare, size_t n, size_t *twice) {
    size_t i = 1;
    while (i < n && ids[i - 1] < ids[i]) i++;
    if (i >= n) return true;
    for (unsigned half = 0; half < 2; half++) { /* the low halves first, as in any radix sort */
        for (i = 0; i < n; i++) {
            const uint64_t id = (uint64_t)ids[(uint32_t)words[i]] ^ 1ull << 63;
            words[i] = id >> 32 * half << 32 | (uint32_t)words[i];
        }
        fb_sort_words(words, spare, n);
    }
    *twice = n;
    for (i = 1; i < n; i++) { /* equal ids are in the order of their numbers */
        const uint32_t a = (uint32_t)words[i - 1], b = (uint32_t)words[i];
        if (ids[a] == ids[b] && b < *twice) *twice = b;
    }
    return *twice == n;
}

fb_status_t fb_rtree_pack(const double *boxes, const int64_t *ids, size_t n, fb_rtree_node_t *nodes,
                          size_t *twice) {
    *twice = n;
    if (n == 0) return FB_OK;
    if (fb_rtree_nodes(n) == SIZE_MAX) return FB_OUT_OF_RANGE;
    double *centres = (double *)fb_alloc_zeroed(2 * n * sizeof(*centres));
    uint64_t *words = (uint64_t *)fb_alloc_zeroed(2 * n * sizeof(*words)), *spare = words + n;
    if (centres == NULL || words == NULL) {
        fb_free_zeroed(centres);
        fb_free_zeroed(words);
        return FB_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        words[i] = i;
        centres[2 * i] = 0.5 * boxes[4 * i] + 0.5 * boxes[4 * i + 2];
        centres[2 * i + 1] = 0.5 * boxes[4 * i + 1] + 0.5 * boxes[4 * i + 3];
    }
    const bool distinct = ids == NULL || order_ids(ids, words, spare, n, twice);
    if (distinct) {
        order_items(centres, words, spare, n);
        fb_rtree_node_t *node = nodes;
        for (size_t i = 0; i < n; i++) {
            const unsigned slot = i % FAN;
            const uint32_t item = (uint32_t)words[i];
            if (i + FAN < n) FB_PREFETCH(boxes + 4 * (uint32_t)words[i + FAN]);
            if (slot == 0) {
                node = nodes + i / FAN;
                if (n - i < FAN) clear_node(node);
            }
            const fb_rtree_box_t box = box_at(boxes, item);
            node->min_x[slot] = box.min_x + 0.0; /* not -0.0 */
            node->min_y[slot] = box.min_y + 0.0;
            node->max_x[slot] = box.max_x + 0.0;
            node->max_y[slot] = box.max_y + 0.0;
            node->of.ids[slot] = ids == NULL ? (int64_t)item : ids[item];
        }
        size_t level = (n + FAN - 1) / FAN, at = 0;
        while (level > 1) {
            for (size_t i = 0; i < level; i++) {
                fb_rtree_node_t *parent = nodes + at + level + i / FAN;
                if (i % FAN == 0 && level - i < FAN) clear_node(parent);
                set_box(parent, i % FAN, node_box(nodes + at + i));
            }
            at += level;
            level = (level + FAN - 1) / FAN;
        }
    }
    fb_free_zeroed(centres);
    fb_free_zeroed(words);
    return FB_OK;
}

static bool has_minus_zero(fb_rtree_box_t box) {
    const fb_rtree_box_t positive = {box.min_x + 0.0, box.min_y + 0.0, box.max_x + 0.0, box.max_y + 0.0};
    return memcmp(&box, &positive, sizeof(box)) != 0;
}

bool fb_rtree_packed(const fb_rtree_node_t *nodes, size_t n) {
    static const uint64_t zeros[FAN];
    size_t level = (n + FAN - 1) / FAN, at = 0, entries = n;
    while (level) {
        for (size_t i = 0; i < entries || i % FAN; i++) {
            const fb_rtree_node_t *node = nodes + at + i / FAN;
            const unsigned slot = i % FAN;
            const fb_rtree_box_t box = entry_box(node, slot);
            if (i >= entries) {
                if (!same_box(box, no_box()) || (at == 0 && node->of.ids[slot] != 0)) return false;
            } else if (at == 0) {
                const double numbers[4] = {box.min_x, box.min_y, box.max_x, box.max_y};
                if (fb_rtree_check_boxes(numbers, 1) != 1 || has_minus_zero(box)) return false;
            } else {
                if (!same_box(box, node_box(nodes + at - entries + i)) || has_minus_zero(box)) return false;
            }
            if (at && slot == 0 && memcmp(&node->of, zeros, sizeof(zeros)) != 0) return false;
        }
        at += level;
        entries = level;
        level = level > 1 ? (level + FAN - 1) / FAN : 0;
    }
    return true;
}

fb_status_t fb_rtree_distinct(const fb_rtree_node_t *nodes, size_t n, bool *distinct) {
    uint64_t *words = (uint64_t *)fb_alloc_zeroed(3 * n * sizeof(*words));
    int64_t *ids = (int64_t *)(words + 2 * n);
    size_t twice;
    if (words == NULL) return FB_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        words[i] = i;
        ids[i] = nodes[i / FAN].of.ids[i % FAN];
    }
    *distinct = order_ids(ids, words, words + n, n, &twice);
    fb_free_zeroed(words);
    return FB_OK;
}

/* ---- trees and views ------------------------------------------------------------------------- */

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
    if (tree->open) bytes += tree->max_chunks * CHUNK * sizeof(*tree->births);
    return bytes;
}

/* ---- where ids are --------------------------------------------------------------------------- */

FB_INLINE uint64_t mix(int64_t id) {
    uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

FB_INLINE const fb_rtree_node_t *node_of(const fb_rtree_t *tree, uint32_t link) {
    const uint32_t node = tree->open ? tree->links[link].node : link;
    return tree->chunks[node >> CHUNK_BITS] + (node & (CHUNK - 1));
}

/* What stands in the map for an id in the leaf of a link. */
FB_INLINE uint32_t map_entry(const fb_rtree_t *tree, uint64_t h, uint32_t link) {
    return (uint32_t)((uint64_t)(uint32_t)h << tree->link_bits) | link;
}

FB_INLINE size_t map_start(const fb_rtree_t *tree, uint64_t h) {
    return (size_t)fb_reduce64(h, tree->map_size);
}

/* Finds an id: its slot in the map, the link of its leaf and the slot in the leaf. */
static bool find_id(const fb_rtree_t *tree, int64_t id, size_t *at, uint32_t *link, unsigned *slot) {
    const uint64_t h = mix(id);
    const uint32_t mask = (uint32_t)((1ull << tree->link_bits) - 1), tag = map_entry(tree, h, 0);
    for (size_t i = map_start(tree, h);; i = i + 1 < tree->map_size ? i + 1 : 0) {
        const uint32_t entry = tree->map[i];
        if (entry == NONE) return false;
        if ((entry & ~mask) != tag || entry == GONE) continue;
        const fb_rtree_node_t *leaf = node_of(tree, entry & mask);
        for (unsigned s = 0; s < FAN; s++) {
            if (leaf->of.ids[s] == id && !is_empty(leaf, s)) {
                *at = i;
                *link = entry & mask;
                *slot = s;
                return true;
            }
        }
    }
}

static void map_add(fb_rtree_t *tree, int64_t id, uint32_t link) {
    const uint64_t h = mix(id);
    size_t i = map_start(tree, h);
    while (tree->map[i] < GONE) i = i + 1 < tree->map_size ? i + 1 : 0;
    tree->map_used += tree->map[i] == NONE;
    tree->map[i] = map_entry(tree, h, link);
}

/* An id has moved to another leaf. Entries that are equal are as good as each other: each lies between
 * the start of either's id and its first empty slot. */
static void map_move(fb_rtree_t *tree, int64_t id, uint32_t from, uint32_t to) {
    const uint64_t h = mix(id);
    const uint32_t entry = map_entry(tree, h, from);
    size_t i = map_start(tree, h);
    while (tree->map[i] != entry) i = i + 1 < tree->map_size ? i + 1 : 0;
    tree->map[i] = map_entry(tree, h, to);
}

static void map_leaves(fb_rtree_t *tree, uint32_t link, uint32_t level) {
    const fb_rtree_node_t *node = node_of(tree, link);
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (is_empty(node, slot)) continue;
        if (level == 0) {
            map_add(tree, node->of.ids[slot], link);
        } else {
            map_leaves(tree, node->of.to.link[slot], level - 1);
        }
    }
}

/* Makes a map of `size` slots, for links up to `max_links`, of the ids that are there. */
static fb_status_t make_map(fb_rtree_t *tree, size_t size, size_t max_links) {
    const fb_rtree_view_t *view = tree->now;
    uint32_t *map = (uint32_t *)malloc(size * sizeof(*map));
    if (map == NULL) return FB_NO_MEMORY;
    memset(map, 0xff, size * sizeof(*map));
    free(tree->map);
    tree->map = map;
    tree->map_size = size;
    tree->map_used = 0;
    tree->link_bits = 64 - fb_leading_zeros64(max_links + 2); /* entries are below GONE */
    if (tree->open) {
        if (tree->height) map_leaves(tree, tree->root, tree->height - 1);
    } else {
        for (size_t i = 0; i < view->n; i++) {
            map_add(tree, tree->nodes[i / FAN].of.ids[i % FAN], (uint32_t)(i / FAN));
        }
    }
    return FB_OK;
}

fb_status_t fb_rtree_prepare(fb_rtree_t *tree) {
    if (tree->map != NULL) return FB_OK;
    return make_map(tree, tree->now->n + tree->now->n / 8 + FAN, tree->n_packed + tree->n_packed / 4 + FAN);
}

bool fb_rtree_has(const fb_rtree_t *tree, int64_t id) {
    size_t at;
    uint32_t link;
    unsigned slot;
    return find_id(tree, id, &at, &link, &slot);
}

/* ---- changes --------------------------------------------------------------------------------- */

FB_INLINE fb_rtree_node_t *own_node(fb_rtree_t *tree, uint32_t node) {
    return tree->chunks[node >> CHUNK_BITS] + (node & (CHUNK - 1));
}

static void free_node(fb_rtree_t *tree, uint32_t node) {
    tree->births[node] = tree->free_nodes;
    tree->free_nodes = node;
    tree->n_free_nodes++;
}

static uint32_t take_node(fb_rtree_t *tree) {
    const uint32_t node = tree->free_nodes;
    tree->free_nodes = tree->births[node];
    tree->births[node] = tree->now->version + tree->held;
    tree->n_free_nodes--;
    return node;
}

static void free_link(fb_rtree_t *tree, uint32_t link) {
    tree->links[link] = (link_t){tree->free_links, NONE};
    tree->free_links = link;
    tree->n_free_links++;
}

static uint32_t take_link(fb_rtree_t *tree, uint32_t node, uint32_t parent) {
    const uint32_t link = tree->free_links;
    tree->free_links = tree->links[link].node;
    tree->links[link] = (link_t){node, parent};
    tree->n_free_links--;
    return link;
}

static fb_status_t more_links(fb_rtree_t *tree) {
    const size_t was = tree->max_links, max = was + was / 8 + 64;
    link_t *links = (link_t *)realloc(tree->links, max * sizeof(*links));
    if (links == NULL) return FB_NO_MEMORY;
    tree->links = links;
    tree->max_links = max;
    for (size_t link = max; link-- > was;) free_link(tree, (uint32_t)link);
    return FB_OK;
}

/* `few` more chunks in one block, which gets huge pages if it is large. */
static fb_status_t more_nodes(fb_rtree_t *tree, size_t few) {
    if (tree->n_blocks == BLOCKS) return FB_NO_MEMORY;
    if (tree->n_chunks + few > tree->max_chunks) {
        const size_t max = tree->n_chunks + tree->n_chunks / 4 + few + 4;
        if (tree->n_old_chunks == BLOCKS || max >= NONE / CHUNK) return FB_NO_MEMORY;
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
    for (size_t i = few * CHUNK; i-- > 0;) free_node(tree, (uint32_t)(tree->n_chunks * CHUNK + i));
    tree->n_chunks += few;
    return FB_OK;
}

/* An entry on its way. The link is that of the child, or, of an entry of a leaf, of the leaf it comes
 * from; NONE if its id is new. */
typedef struct {
    fb_rtree_box_t box;
    int64_t id;
    uint32_t child, link;
} entry_t;

static void put_entry(fb_rtree_node_t *node, unsigned slot, uint32_t level, entry_t entry) {
    set_box(node, slot, entry.box);
    if (level == 0) {
        node->of.ids[slot] = entry.id;
    } else {
        node->of.to.child[slot] = entry.child;
        node->of.to.link[slot] = entry.link;
    }
}

/* An entry for a node that is new below a parent. */
static entry_t entry_of(fb_rtree_t *tree, uint32_t link) {
    return (entry_t){node_box(node_of(tree, link)), 0, tree->links[link].node, link};
}

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
                free_node(tree, node);
            }
        }
        view->newer->older = older;
        if (older != NULL) older->newer = view->newer;
        view->older = tree->spare;
        tree->spare = view;
    }
}

/* Makes sure that nothing can fail from here on: room for a copy and a split of every node of a path. */
static fb_status_t reserve(fb_rtree_t *tree, bool insert, bool held) {
    tree->held = held;
    const size_t most = 2 * (size_t)tree->height + 3 + 2 * FAN, n = tree->now->n;
    if (!tree->open || tree->height > MAX_HEIGHT) return FB_OUT_OF_RANGE;
    reap(tree);
    fb_rtree_view_t *last = held ? tree->now : tree->now->older;
    if (last != NULL && !room_to_retire(last, FB_RTREE_LEVELS + FAN)) return FB_NO_MEMORY;
    while (tree->n_free_nodes < most) {
        if (more_nodes(tree, 1 + tree->n_chunks / 32) != FB_OK) return FB_NO_MEMORY;
    }
    while (tree->n_free_links < most) {
        if (more_links(tree) != FB_OK) return FB_NO_MEMORY;
    }
    if (insert && (tree->map_used + 1 > tree->map_size / 20 * 19 ||
                   tree->max_links + 2 >= 1ull << tree->link_bits)) {
        if (make_map(tree, n + n / 4 + 2 * FAN, 2 * tree->max_links) != FB_OK) return FB_NO_MEMORY;
    }
    return spare_view(tree) == NULL ? FB_NO_MEMORY : FB_OK;
}

static unsigned slot_of(const fb_rtree_node_t *node, uint32_t link) {
    unsigned slot = 0;
    while (node->of.to.link[slot] != link || is_empty(node, slot)) slot++;
    return slot;
}

/* Makes a node one that may be changed: if a view that is in use sees it, a copy takes its place. The link
 * in its parent is the caller's. */
static void own(fb_rtree_t *tree, uint32_t link) {
    fb_rtree_view_t *last = tree->held ? tree->now : tree->now->older;
    const uint32_t old = tree->links[link].node;
    if (last == NULL || tree->births[old] > last->version) return;
    last->retired[last->n_retired++] = old;
    const uint32_t node = take_node(tree);
    memcpy(own_node(tree, node), own_node(tree, old), sizeof(fb_rtree_node_t));
    tree->links[link].node = node;
}

/* The same for the nodes from a leaf to the root. */
static void own_path(fb_rtree_t *tree, uint32_t leaf) {
    own(tree, leaf);
    for (uint32_t below = leaf, link; (link = tree->links[below].parent) != NONE; below = link) {
        own(tree, link);
        fb_rtree_node_t *node = own_node(tree, tree->links[link].node);
        node->of.to.child[slot_of(node, below)] = tree->links[below].node;
    }
}

/* Makes the boxes above a node, on a path that is owned, exact. */
static void fit_above(fb_rtree_t *tree, uint32_t link) {
    for (uint32_t parent; (parent = tree->links[link].parent) != NONE; link = parent) {
        fb_rtree_node_t *node = own_node(tree, tree->links[parent].node);
        set_box(node, slot_of(node, link), node_box(own_node(tree, tree->links[link].node)));
    }
}

/* Makes what has been changed the newest view; if nobody searches the last one, in its place. */
static void publish(fb_rtree_t *tree, size_t n, uint32_t height) {
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

/* The middle of a box, and which one it is. */
typedef struct {
    double x, y;
    uint32_t item;
} place_t;

FB_INLINE double centre(fb_rtree_box_t box, bool by_y) {
    return by_y ? 0.5 * box.min_y + 0.5 * box.max_y : 0.5 * box.min_x + 0.5 * box.max_x;
}

FB_INLINE place_t place_of(fb_rtree_box_t box, size_t item) {
    return (place_t){centre(box, false), centre(box, true), (uint32_t)item};
}

/* Where a part of n things begins. */
FB_INLINE size_t part_of(size_t part, size_t parts, size_t n) { return (size_t)((uint64_t)part * n / parts); }

FB_INLINE double along(const place_t *place, bool by_y) { return by_y ? place->y : place->x; }

/* Brings those of n places in front that are below a number, or equal to it with `equal`; how many. */
FB_INLINE size_t bring_in_front(place_t *places, size_t n, bool by_y, double number, bool equal) {
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        const place_t place = places[i];
        const double at = along(&place, by_y);
        places[i] = places[front];
        places[front] = place;
        front += equal ? at == number : at < number;
    }
    return front;
}

/* A number that about `middle` of n places, taken at random, are below. */
static double pivot_of(const place_t *places, size_t n, size_t middle, bool by_y, uint64_t *random) {
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
    return some[part_of(middle, n, few)];
}

/* Orders n places so that none of the first `middle`, fewer than n, is beyond any of the others [7]. */
static void select_places(place_t *places, size_t n, size_t middle, bool by_y) {
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
    return part_of(part_of(part, parts, leaves), leaves, n);
}

/* Orders n places, `leaves` leaves, so that `parts` parts of them are nearly square: what they span is cut across its
 * longer side, again and again [6]. Of all parts, those from `from` to `to`. */
static void cut(place_t *places, size_t n, size_t leaves, size_t parts, size_t from, size_t to) {
    const size_t begin = place_part(from, parts, leaves, n), end = place_part(to, parts, leaves, n);
    const size_t middle = (from + to) / 2;
    if (to - from < 2) return;
    double min_x = INFINITY, min_y = INFINITY, max_x = -INFINITY, max_y = -INFINITY;
    for (size_t i = begin; i < end; i++) {
        min_x = less(min_x, places[i].x);
        min_y = less(min_y, places[i].y);
        max_x = more(max_x, places[i].x);
        max_y = more(max_y, places[i].y);
    }
    const bool by_y = 0.5 * max_y - 0.5 * min_y > 0.5 * max_x - 0.5 * min_x;
    select_places(places + begin, end - begin, place_part(middle, parts, leaves, n) - begin, by_y);
    cut(places, n, leaves, parts, from, middle);
    cut(places, n, leaves, parts, middle, to);
}

FB_INLINE double half_perimeter(fb_rtree_box_t box) {
    return (box.max_x - box.min_x) + (box.max_y - box.min_y);
}

/* The child whose half perimeter grows least; of equal ones the smaller. */
static unsigned best_child(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {
    double size[FAN], growth[FAN];
    unsigned best = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        const fb_rtree_box_t here = entry_box(node, slot);
        size[slot] = half_perimeter(here);
        growth[slot] = half_perimeter(join_boxes(here, *box)) - size[slot];
    }
    while (is_empty(node, best)) best++;
    for (unsigned slot = best + 1; slot < FAN; slot++) {
        if (is_empty(node, slot)) continue;
        if (growth[slot] < growth[best] || (growth[slot] == growth[best] && size[slot] < size[best])) {
            best = slot;
        }
    }
    return best;
}

/* Copies the entries of a node to `entries`; how many. */
static unsigned get_entries(const fb_rtree_t *tree, uint32_t link, uint32_t level, entry_t *entries) {
    const fb_rtree_node_t *node = node_of(tree, link);
    unsigned n = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (is_empty(node, slot)) continue;
        entry_t *entry = entries + n++;
        *entry = (entry_t){entry_box(node, slot), 0, 0, link};
        if (level == 0) {
            entry->id = node->of.ids[slot];
        } else {
            entry->child = node->of.to.child[slot];
            entry->link = node->of.to.link[slot];
        }
    }
    return n;
}

/* Makes n entries the contents of a node. */
static void set_entries(fb_rtree_t *tree, uint32_t link, uint32_t level, const entry_t *entries,
                        unsigned n) {
    fb_rtree_node_t *node = own_node(tree, tree->links[link].node);
    clear_node(node);
    for (unsigned i = 0; i < n; i++) {
        const entry_t *entry = entries + i;
        put_entry(node, i, level, *entry);
        if (level) {
            tree->links[entry->link].parent = link;
        } else if (entry->link == NONE) {
            map_add(tree, entry->id, link);
        } else if (entry->link != link) {
            map_move(tree, entry->id, entry->link, link);
        }
    }
}

static void sort_entries(entry_t *entries, unsigned n, bool by_y) {
    for (unsigned i = 1; i < n; i++) {
        const entry_t entry = entries[i];
        const double at = centre(entry.box, by_y);
        unsigned j = i;
        for (; j && centre(entries[j - 1].box, by_y) > at; j--) entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

/* Orders n entries so that the first ones, at least `low` and at most `high`, make a good node, and the
 * others another; how many the first ones are. */
static unsigned best_split(entry_t *entries, unsigned n, unsigned low, unsigned high) {
    double least_overlap = INFINITY, least_size = INFINITY;
    unsigned best = low;
    bool best_by_y = true;
    for (unsigned by_y = 0; by_y < 2; by_y++) {
        fb_rtree_box_t right[FAN + 2], left = no_box();
        sort_entries(entries, n, by_y);
        right[n] = no_box();
        for (unsigned i = n; i-- > 0;) right[i] = join_boxes(right[i + 1], entries[i].box);
        for (unsigned i = 1; i <= high; i++) {
            left = join_boxes(left, entries[i - 1].box);
            if (i < low) continue;
            const double wide = less(left.max_x, right[i].max_x) - more(left.min_x, right[i].min_x);
            const double tall = less(left.max_y, right[i].max_y) - more(left.min_y, right[i].min_y);
            const double overlap = wide > 0.0 && tall > 0.0 ? wide * tall : 0.0;
            const double size = half_perimeter(left) + half_perimeter(right[i]);
            if (overlap < least_overlap || (overlap == least_overlap && size < least_size)) {
                least_overlap = overlap;
                least_size = size;
                best = i;
                best_by_y = by_y;
            }
        }
    }
    if (!best_by_y) sort_entries(entries, n, false);
    return best;
}

/* The box of a node, again, in its parent. */
static void set_above(fb_rtree_t *tree, uint32_t link) {
    fb_rtree_node_t *above = own_node(tree, tree->links[tree->links[link].parent].node);
    set_box(above, slot_of(above, link), node_box(node_of(tree, link)));
}

/* Splits a full node and one more entry in two. Returns the link of the new one, which has the same
 * parent but no entry there yet. */
static uint32_t split(fb_rtree_t *tree, uint32_t link, uint32_t level, entry_t entry) {
    entry_t entries[FAN + 1];
    const unsigned n = get_entries(tree, link, level, entries);
    const uint32_t other = take_link(tree, take_node(tree), tree->links[link].parent);
    entries[n] = entry;
    const unsigned at = best_split(entries, n + 1, LEAST, n + 1 - LEAST);
    set_entries(tree, link, level, entries, at);
    set_entries(tree, other, level, entries + at, n + 1 - at);
    return other;
}

static bool is_full(const fb_rtree_node_t *node) {
    bool full = true;
    for (unsigned slot = 0; slot < FAN; slot++) full &= !is_empty(node, slot);
    return full;
}

/* Cuts the entries of all children of a node on level 1 and one more into leaves anew, with room, if that is enough. */
static bool regroup(fb_rtree_t *tree, uint32_t link, entry_t entry) {
    entry_t entries[FAN * FAN], some[FAN];
    place_t places[FAN * FAN];
    uint32_t leaves[FAN];
    unsigned n = 0, have = 0;
    fb_rtree_node_t *parent = own_node(tree, tree->links[link].node);
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (is_empty(parent, slot)) continue;
        leaves[have++] = parent->of.to.link[slot];
        n += get_entries(tree, parent->of.to.link[slot], 0, entries + n);
    }
    const unsigned want = (n + LOOSE_LEAF) / LOOSE_LEAF;
    if (want > LOOSE_INNER) return false;
    entries[n++] = entry;
    for (unsigned i = 0; i < n; i++) places[i] = place_of(entries[i].box, i);
    for (unsigned i = 0; i < have; i++) own(tree, leaves[i]);
    for (; have < want; have++) leaves[have] = take_link(tree, take_node(tree), link);
    cut(places, n, want, want, 0, want);
    clear_node(parent);
    for (unsigned part = 0; part < want; part++) {
        const size_t begin = part_of(part, want, n), end = part_of(part + 1, want, n);
        unsigned best = part, most = 0; /* the leaf that most of them are in already */
        for (unsigned leaf = part; leaf < have; leaf++) {
            unsigned same = 0;
            for (size_t i = begin; i < end; i++) same += entries[places[i].item].link == leaves[leaf];
            if (same > most) most = same, best = leaf;
        }
        const uint32_t leaf = leaves[best];
        leaves[best] = leaves[part];
        for (size_t i = begin; i < end; i++) some[i - begin] = entries[places[i].item];
        set_entries(tree, leaf, 0, some, (unsigned)(end - begin));
        put_entry(parent, part, 1, entry_of(tree, leaf));
        leaves[part] = leaf;
    }
    for (; have > want; have--) {
        free_node(tree, tree->links[leaves[have - 1]].node);
        free_link(tree, leaves[have - 1]);
    }
    return true;
}

/* Most leaves that a loose tree has below a node of a level. */
static uint64_t loose_leaves(uint32_t level) {
    uint64_t n = 1;
    while (level--) n *= LOOSE_INNER;
    return n;
}

/* Makes a node of n boxes on a level, with `leaves` leaves: its link, or NONE if there is no memory. */
static uint32_t build(fb_rtree_t *tree, const double *boxes, const int64_t *ids, place_t *places, size_t n,
                      size_t leaves, uint32_t level) {
    if (tree->n_free_nodes == 0 && more_nodes(tree, 1 + tree->n_chunks / 32) != FB_OK) return NONE;
    if (tree->n_free_links == 0 && more_links(tree) != FB_OK) return NONE;
    const uint32_t link = take_link(tree, take_node(tree), NONE);
    fb_rtree_node_t *node = own_node(tree, tree->links[link].node);
    clear_node(node);
    if (level == 0) {
        for (unsigned i = 0; i < n; i++) {
            const uint32_t item = places[i].item;
            put_entry(node, i, 0, (entry_t){box_at(boxes, item), ids[item], 0, NONE});
            map_add(tree, ids[item], link);
        }
        return link;
    }
    const uint64_t most = loose_leaves(level - 1);
    const size_t parts = (size_t)((leaves + most - 1) / most);
    cut(places, n, leaves, parts, 0, parts);
    for (unsigned part = 0; part < parts; part++) {
        const size_t begin = place_part(part, parts, leaves, n), end = place_part(part + 1, parts, leaves, n);
        const size_t here = part_of(part + 1, parts, leaves) - part_of(part, parts, leaves);
        const uint32_t child = build(tree, boxes, ids, places + begin, end - begin, here, level - 1);
        if (child == NONE) return NONE;
        tree->links[child].parent = link;
        put_entry(node, part, level, entry_of(tree, child));
    }
    return link;
}

fb_rtree_t *fb_rtree_loose(const fb_rtree_view_t *view) {
    const size_t n = view->n, leaves = (n + LOOSE_LEAF - 1) / LOOSE_LEAF, nodes = leaves + leaves / 12 + FAN;
    double *boxes = (double *)fb_alloc_zeroed(4 * n * sizeof(*boxes));
    int64_t *ids = (int64_t *)fb_alloc_zeroed(n * sizeof(*ids));
    place_t *places = (place_t *)fb_alloc_zeroed(n * sizeof(*places));
    fb_rtree_t *tree = fb_rtree_new(NULL, 0, false);
    bool good = tree != NULL && (n == 0 || (boxes != NULL && ids != NULL && places != NULL));
    if (good) {
        tree->open = true;
        tree->free_nodes = tree->free_links = tree->root = NONE;
        good = make_map(tree, n + n / 8 + FAN, nodes + nodes / 4) == FB_OK &&
               more_nodes(tree, nodes / CHUNK + 1) == FB_OK;
    }
    if (good && n) {
        fb_rtree_items(view, ids, boxes);
        for (size_t i = 0; i < n; i++) places[i] = place_of(box_at(boxes, i), i);
        while (loose_leaves(tree->height++) < leaves) {
        }
        tree->root = build(tree, boxes, ids, places, n, leaves, tree->height - 1);
        good = tree->root != NONE;
    }
    if (good) {
        publish(tree, n, tree->height);
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

fb_status_t fb_rtree_insert(fb_rtree_t *tree, int64_t id, const fb_rtree_box_t *given, bool held) {
    fb_status_t status = reserve(tree, true, held);
    if (status != FB_OK) return status;
    uint32_t height = tree->height, level = 0, link = tree->root;
    entry_t entry = {*given, id, 0, NONE};
    entry.box = (fb_rtree_box_t){given->min_x + 0.0, given->min_y + 0.0, given->max_x + 0.0,
                                 given->max_y + 0.0};
    if (height == 0) {
        link = tree->root = take_link(tree, take_node(tree), NONE);
        clear_node(own_node(tree, tree->links[link].node));
        height = 1;
    } else {
        for (level = height - 1; level; level--) {
            const fb_rtree_node_t *node = node_of(tree, link);
            link = node->of.to.link[best_child(node, given)];
        }
        own_path(tree, link);
    }
    for (;; level++) {
        fb_rtree_node_t *node = own_node(tree, tree->links[link].node);
        const uint32_t parent = tree->links[link].parent;
        unsigned slot = 0;
        while (slot < FAN && !is_empty(node, slot)) slot++;
        if (slot < FAN) {
            put_entry(node, slot, level, entry);
            if (level == 0) map_add(tree, id, link);
            break;
        }
        if (level == 0 && parent != NONE && is_full(own_node(tree, tree->links[parent].node)) &&
            regroup(tree, parent, entry)) {
            link = parent;
            break;
        }
        const uint32_t other = split(tree, link, level, entry);
        entry = entry_of(tree, other);
        if (parent == NONE) {
            const uint32_t root = take_link(tree, take_node(tree), NONE);
            const entry_t entries[2] = {entry_of(tree, link), entry};
            set_entries(tree, root, level + 1, entries, 2);
            tree->root = root;
            height++;
            break;
        }
        set_above(tree, link);
        link = parent;
    }
    fit_above(tree, link);
    publish(tree, tree->now->n + 1, height);
    return FB_OK;
}

fb_status_t fb_rtree_remove(fb_rtree_t *tree, int64_t id, bool held) {
    fb_status_t status = reserve(tree, false, held);
    if (status != FB_OK) return status;
    size_t at;
    uint32_t link, height = tree->height;
    unsigned slot;
    if (!find_id(tree, id, &at, &link, &slot)) return FB_OUT_OF_RANGE;
    tree->map[at] = GONE;
    own_path(tree, link);
    for (uint32_t level = 0;; level++) {
        fb_rtree_node_t *node = own_node(tree, tree->links[link].node);
        put_entry(node, slot, level, (entry_t){no_box(), 0, 0, 0});
        for (slot = 0; slot < FAN && is_empty(node, slot);) slot++;
        if (slot < FAN) break;
        const uint32_t empty = link;
        link = tree->links[link].parent;
        if (link != NONE) slot = slot_of(own_node(tree, tree->links[link].node), empty);
        free_node(tree, tree->links[empty].node);
        free_link(tree, empty);
        if (link == NONE) break;
    }
    if (link == NONE) {
        tree->root = NONE;
        height = 0;
    } else {
        fit_above(tree, link);
    }
    for (; height > 1; height--) { /* a root of one child gives way to it */
        const uint32_t root = tree->root;
        const fb_rtree_node_t *node = own_node(tree, tree->links[root].node);
        unsigned n = 0;
        for (unsigned i = 0; i < FAN; i++) {
            if (!is_empty(node, i)) n++, slot = i;
        }
        if (n > 1) break;
        tree->root = node->of.to.link[slot];
        tree->links[tree->root].parent = NONE;
        free_node(tree, tree->links[root].node);
        free_link(tree, root);
    }
    publish(tree, tree->now->n - 1, height);
    return FB_OK;
}

bool fb_rtree_worn(const fb_rtree_t *tree) {
    const fb_rtree_view_t *now = tree->now;
    return !tree->open || tree->changes > 64 + now->n / 4 || now->height > MAX_HEIGHT || now->version > NONE - 2;
}

/* ---- searches -------------------------------------------------------------------------------- */

static bool more_room(fb_rtree_found_t *found) {
    const size_t max = 2 * found->max + 64;
    int64_t *ids = (int64_t *)realloc(found->ids, max * sizeof(*ids));
    if (ids == NULL) return false;
    found->ids = ids;
    if (found->others != NULL) {
        int64_t *others = (int64_t *)realloc(found->others, max * sizeof(*others));
        if (others == NULL) return false;
        found->others = others;
    }
    found->max = max;
    return true;
}

typedef struct {
    double square;
    uint64_t ref;
} near_t;

#define LEVEL(name) name##_portable
#define TARGET
FB_INLINE uint32_t hits_portable(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FAN; i++) {
        const bool hit = (node->min_x[i] <= box->max_x) & (node->max_x[i] >= box->min_x) &
                         (node->min_y[i] <= box->max_y) & (node->max_y[i] >= box->min_y);
        bits |= (uint32_t)hit << i;
    }
    return bits;
}
FB_INLINE uint32_t measure_portable(const fb_rtree_node_t *node, double x, double y, double bound,
                                    double *squares) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FAN; i++) {
        const double dx = more(more(node->min_x[i] - x, x - node->max_x[i]), 0.0);
        const double dy = more(more(node->min_y[i] - y, y - node->max_y[i]), 0.0);
        squares[i] = dx * dx + dy * dy;
        bits |= (uint32_t)((squares[i] <= bound) & (node->min_x[i] < INFINITY)) << i;
    }
    return bits;
}
#include "rtree_search.h"

#if FB_X86
/* Both rungs by the same text: vectors of W numbers, and the instructions for them. */
#define DEFINE_TESTS(RUNG, TARGETED, V, W, SET1, LOAD, STORE, AND, LE, SUB, ADD, MUL, MAX, MASK)            \
    TARGETED FB_INLINE uint32_t hits_##RUNG(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {       \
        const V min_x = SET1(box->min_x), min_y = SET1(box->min_y);                                         \
        const V max_x = SET1(box->max_x), max_y = SET1(box->max_y);                                         \
        uint32_t bits = 0;                                                                                  \
        for (unsigned i = 0; i < FAN; i += W) {                                                             \
            const V in_x = AND(LE(LOAD(node->min_x + i), max_x), LE(min_x, LOAD(node->max_x + i)));         \
            const V in_y = AND(LE(LOAD(node->min_y + i), max_y), LE(min_y, LOAD(node->max_y + i)));         \
            bits |= (uint32_t)MASK(AND(in_x, in_y)) << i;                                                   \
        }                                                                                                   \
        return bits;                                                                                        \
    }                                                                                                       \
    TARGETED FB_INLINE uint32_t measure_##RUNG(const fb_rtree_node_t *node, double x, double y,             \
                                               double bound, double *squares) {                             \
        const V at_x = SET1(x), at_y = SET1(y), most = SET1(bound), zero = SET1(0.0);                       \
        const V finite = SET1(1.7976931348623157e308);                                                      \
        uint32_t bits = 0;                                                                                  \
        for (unsigned i = 0; i < FAN; i += W) {                                                             \
            const V low_x = LOAD(node->min_x + i);                                                          \
            V dx = MAX(SUB(low_x, at_x), SUB(at_x, LOAD(node->max_x + i)));                                 \
            V dy = MAX(SUB(LOAD(node->min_y + i), at_y), SUB(at_y, LOAD(node->max_y + i)));                 \
            dx = MAX(dx, zero);                                                                             \
            dy = MAX(dy, zero);                                                                             \
            const V square = ADD(MUL(dx, dx), MUL(dy, dy));                                                 \
            STORE(squares + i, square);                                                                     \
            bits |= (uint32_t)MASK(AND(LE(square, most), LE(low_x, finite))) << i;                          \
        }                                                                                                   \
        return bits;                                                                                        \
    }

#define LE_AVX2(a, b) _mm256_cmp_pd(a, b, _CMP_LE_OQ)
DEFINE_TESTS(sse2, , __m128d, 2, _mm_set1_pd, _mm_load_pd, _mm_storeu_pd, _mm_and_pd, _mm_cmple_pd,
             _mm_sub_pd, _mm_add_pd, _mm_mul_pd, _mm_max_pd, _mm_movemask_pd)
DEFINE_TESTS(avx2, FB_TARGET_AVX2, __m256d, 4, _mm256_set1_pd, _mm256_load_pd, _mm256_storeu_pd,
             _mm256_and_pd, LE_AVX2, _mm256_sub_pd, _mm256_add_pd, _mm256_mul_pd, _mm256_max_pd,
             _mm256_movemask_pd)

#define LEVEL(name) name##_sse2
#define TARGET
#include "rtree_search.h"
#define LEVEL(name) name##_avx2
#define TARGET FB_TARGET_AVX2
#include "rtree_search.h"
#endif

/* Calls the function of the level in use. */
#if FB_X86
#define DISPATCH(name, ...)                                            \
    (fb_cpu_level() >= FB_CPU_AVX2   ? name##_avx2(__VA_ARGS__)        \
     : fb_cpu_level() == FB_CPU_SSE2 ? name##_sse2(__VA_ARGS__)        \
                                     : name##_portable(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_portable(__VA_ARGS__)
#endif

fb_status_t fb_rtree_query(const fb_rtree_view_t *view, const fb_rtree_box_t *box,
                           fb_rtree_found_t *found) {
    return DISPATCH(query, view, box, found);
}

fb_status_t fb_rtree_query_many(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                fb_rtree_found_t *found, uint64_t *ends) {
    return DISPATCH(query_many, view, boxes, m, found, ends);
}

void fb_rtree_spread(const uint64_t *ends, size_t m, int64_t *numbers) {
    for (size_t i = 0, at = 0; i < m; i++) {
        while (at < ends[i]) numbers[at++] = (int64_t)i;
    }
}

void fb_rtree_count_many(const fb_rtree_view_t *view, const double *boxes, size_t m, int64_t *counts) {
    DISPATCH(count_many, view, boxes, m, counts);
}

size_t fb_rtree_nearest(const fb_rtree_view_t *view, const double *points, size_t m, size_t k, double most,
                        int64_t *ids, double *distances) {
    const double bound = fb_square_bound(most);
    return DISPATCH(nearest_many, view, points, m, k, bound, ids, distances);
}

fb_rtree_box_t fb_rtree_bounds(const fb_rtree_view_t *view) {
    return view->height ? node_box(node_at(view, view->root)) : no_box();
}

fb_status_t fb_rtree_join(const fb_rtree_view_t *a, const fb_rtree_view_t *b, fb_rtree_found_t *found) {
    if (a->height == 0 || b->height == 0) return FB_OK;
    return DISPATCH(join, a, ref(a->root, a->height - 1), fb_rtree_bounds(a), b,
                    ref(b->root, b->height - 1), fb_rtree_bounds(b), found);
}

static size_t items_below(const fb_rtree_view_t *view, uint64_t at, int64_t *ids, double *boxes) {
    const fb_rtree_node_t *node = node_at(view, ref_node(at));
    size_t n = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (is_empty(node, slot)) continue;
        if (ref_level(at) > 0) {
            n += items_below(view, child_of(view, node, at, slot), ids + n,
                             boxes == NULL ? NULL : boxes + 4 * n);
            continue;
        }
        const fb_rtree_box_t box = entry_box(node, slot);
        ids[n] = node->of.ids[slot];
        if (boxes != NULL) memcpy(boxes + 4 * n, &box, sizeof(box));
        n++;
    }
    return n;
}

void fb_rtree_items(const fb_rtree_view_t *view, int64_t *ids, double *boxes) {
    if (!view->packed) {
        if (view->height) (void)items_below(view, ref(view->root, view->height - 1), ids, boxes);
        return;
    }
    for (size_t i = 0; i < view->n; i++) { /* by place: where a damaged box stands there still is an item */
        const fb_rtree_node_t *node = node_at(view, (uint32_t)(i / FAN));
        const fb_rtree_box_t box = entry_box(node, i % FAN);
        ids[i] = node->of.ids[i % FAN];
        if (boxes != NULL) memcpy(boxes + 4 * i, &box, sizeof(box));
    }
}
