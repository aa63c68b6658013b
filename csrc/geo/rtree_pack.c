/* The packed R-tree: how it is built, and how the saved form is checked.
 *
 * Boxes are put in the order of their centres along a Hilbert curve [1], then of their ids, and cut into leaves;
 * leaves are cut into nodes of level 1, and so on [2]. The curve has 2^16 cells each way over the square
 * around the centres. Where more than a node's boxes share a cell they are ordered along a curve of their own in the
 * square around them, so that one far outlier harms nothing.
 *
 * The nodes are what is saved (layout: rtree.c). There is no link in them to be damaged; what a check finds
 * right is searched right, if its order is a good one or not.
 *
 * Complexity: O(n) for radix sorts of numbers of cells and ids, again for those that share a cell.
 *
 * [1] I. Kamel, C. Faloutsos, "On Packing R-trees", CIKM 1993.
 * [2] N. Roussopoulos, D. Leifker, "Direct spatial search on pictorial databases using packed R-trees",
 *     SIGMOD 1985.
 */
#include "memory.h"
#include "rtree_nodes.h"
#include "sort.h"

enum { FAN = FB_RTREE_FAN };

size_t fb_rtree_nodes(size_t n) {
    size_t nodes = 0, level = n;
    if (n >= FB_RTREE_NONE) return SIZE_MAX; /* boxes are numbered by 32 bits */
    while (level > 1 || (level == 1 && nodes == 0)) nodes += level = (level + FAN - 1) / FAN;
    return nodes;
}

/* ---- checks of what is given ---------------------------------------------------------------- */

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

/* ---- the order of boxes --------------------------------------------------------------------- */

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
    fb_rtree_box_t around = fb_rtree_no_box();
    for (size_t i = 0; i < n; i++) {
        const double *centre = centres + 2 * (uint32_t)words[i];
        around = fb_rtree_join_boxes(around, (fb_rtree_box_t){centre[0], centre[1], centre[0], centre[1]});
    }
    const double width = fb_max(0.5 * around.max_x - 0.5 * around.min_x,
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
                if (n - i < FAN) fb_rtree_clear_node(node);
            }
            const fb_rtree_box_t box = fb_rtree_box_at(boxes, item);
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
                if (i % FAN == 0 && level - i < FAN) fb_rtree_clear_node(parent);
                fb_rtree_set_box(parent, i % FAN, fb_rtree_node_box(nodes + at + i));
            }
            at += level;
            level = (level + FAN - 1) / FAN;
        }
    }
    fb_free_zeroed(centres);
    fb_free_zeroed(words);
    return FB_OK;
}
/* ---- the saved form ------------------------------------------------------------------------- */

FB_INLINE bool same_box(fb_rtree_box_t a, fb_rtree_box_t b) {
    return a.min_x == b.min_x && a.min_y == b.min_y && a.max_x == b.max_x && a.max_y == b.max_y;
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
            const fb_rtree_box_t box = fb_rtree_entry_box(node, slot);
            if (i >= entries) {
                if (!same_box(box, fb_rtree_no_box()) || (at == 0 && node->of.ids[slot] != 0)) return false;
            } else if (at == 0) {
                const double numbers[4] = {box.min_x, box.min_y, box.max_x, box.max_y};
                if (fb_rtree_check_boxes(numbers, 1) != 1 || has_minus_zero(box)) return false;
            } else {
                const fb_rtree_box_t exact = fb_rtree_node_box(nodes + at - entries + i);
                if (!same_box(box, exact) || has_minus_zero(box)) return false;
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
