/* Changes of a loose R-tree.
 *
 * An insert goes down to the child whose half perimeter grows least. A full node is split where the parts' boxes
 * overlap least along an axis, then have the least perimeter [1]; but if a leaf's parent is full too, the
 * entries of all of its leaves are cut into leaves anew (rtree_loose.c), if that makes room. A removal shrinks
 * the boxes above and drops empty nodes; a root of one child gives way to it.
 *
 * All that can fail is done first (fb_rtree_reserve). Then the path from the leaf to the root is owned: nodes
 * that somebody may be searching are copied, and what follows changes the copies.
 *
 * [1] N. Beckmann et al., "The R*-tree", SIGMOD 1990.
 */
#include "rtree_nodes.h"

enum {
    FAN = FB_RTREE_FAN,
    LEAST = 6 /* entries of a part of a node that is split */
};

/* ---- the path from a leaf to the root ------------------------------------------------------- */

/* Where a link stands in its parent. */
static unsigned slot_of(const fb_rtree_node_t *node, uint32_t link) {
    unsigned slot = 0;
    while (node->of.to.link[slot] != link || fb_rtree_is_empty(node, slot)) slot++;
    return slot;
}

/* Owns the nodes from a leaf to the root. */
static void own_path(fb_rtree_t *tree, uint32_t leaf) {
    fb_rtree_own(tree, leaf);
    for (uint32_t below = leaf, link; (link = tree->links[below].parent) != FB_RTREE_NONE; below = link) {
        fb_rtree_own(tree, link);
        fb_rtree_node_t *node = fb_rtree_linked(tree, link);
        node->of.to.child[slot_of(node, below)] = tree->links[below].node;
    }
}

/* Makes the box of a node exact in its parent. */
static void fit_parent(fb_rtree_t *tree, uint32_t link) {
    fb_rtree_node_t *parent = fb_rtree_linked(tree, tree->links[link].parent);
    fb_rtree_set_box(parent, slot_of(parent, link), fb_rtree_node_box(fb_rtree_linked(tree, link)));
}

/* The same for all boxes above a node, on a path that is owned. */
static void fit_above(fb_rtree_t *tree, uint32_t link) {
    for (; tree->links[link].parent != FB_RTREE_NONE; link = tree->links[link].parent) fit_parent(tree, link);
}

/* ---- nodes that are full -------------------------------------------------------------------- */

FB_INLINE double half_perimeter(fb_rtree_box_t box) {
    return (box.max_x - box.min_x) + (box.max_y - box.min_y);
}

/* Copies the entries of a node to `entries`; how many. */
static unsigned get_entries(const fb_rtree_t *tree, uint32_t link, uint32_t level, fb_rtree_entry_t *entries) {
    const fb_rtree_node_t *node = fb_rtree_linked(tree, link);
    unsigned n = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (fb_rtree_is_empty(node, slot)) continue;
        fb_rtree_entry_t *entry = entries + n++;
        *entry = (fb_rtree_entry_t){fb_rtree_entry_box(node, slot), 0, 0, link};
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
static void set_entries(fb_rtree_t *tree, uint32_t link, uint32_t level,
                        const fb_rtree_entry_t *entries, unsigned n) {
    fb_rtree_node_t *node = fb_rtree_linked(tree, link);
    fb_rtree_clear_node(node);
    for (unsigned i = 0; i < n; i++) {
        const fb_rtree_entry_t *entry = entries + i;
        fb_rtree_put_entry(node, i, level, *entry);
        if (level) {
            tree->links[entry->link].parent = link;
        } else if (entry->link == FB_RTREE_NONE) {
            fb_rtree_map_add(tree, entry->id, link);
        } else if (entry->link != link) {
            fb_rtree_map_move(tree, entry->id, entry->link, link);
        }
    }
}

static void sort_entries(fb_rtree_entry_t *entries, unsigned n, bool by_y) {
    for (unsigned i = 1; i < n; i++) {
        const fb_rtree_entry_t entry = entries[i];
        const double at = fb_rtree_centre(entry.box, by_y);
        unsigned j = i;
        for (; j && fb_rtree_centre(entries[j - 1].box, by_y) > at; j--) entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

/* Orders n entries so that the first ones, at least `low` and at most `high`, make a good node, and the
 * others another; how many the first ones are. */
static unsigned best_split(fb_rtree_entry_t *entries, unsigned n, unsigned low, unsigned high) {
    double least_overlap = INFINITY, least_size = INFINITY;
    unsigned best = low;
    bool best_by_y = true;
    for (unsigned by_y = 0; by_y < 2; by_y++) {
        fb_rtree_box_t right[FAN + 2], left = fb_rtree_no_box();
        sort_entries(entries, n, by_y);
        right[n] = fb_rtree_no_box();
        for (unsigned i = n; i-- > 0;) right[i] = fb_rtree_join_boxes(right[i + 1], entries[i].box);
        for (unsigned i = 1; i <= high; i++) {
            left = fb_rtree_join_boxes(left, entries[i - 1].box);
            if (i < low) continue;
            const double wide = fb_min(left.max_x, right[i].max_x) - fb_max(left.min_x, right[i].min_x);
            const double tall = fb_min(left.max_y, right[i].max_y) - fb_max(left.min_y, right[i].min_y);
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

/* Splits a full node and one more entry in two. Returns the link of the new one, which has the same
 * parent but no entry there yet. */
static uint32_t split(fb_rtree_t *tree, uint32_t link, uint32_t level, fb_rtree_entry_t entry) {
    fb_rtree_entry_t entries[FAN + 1];
    const unsigned n = get_entries(tree, link, level, entries);
    const uint32_t other = fb_rtree_take_linked(tree, tree->links[link].parent);
    entries[n] = entry;
    const unsigned at = best_split(entries, n + 1, LEAST, n + 1 - LEAST);
    set_entries(tree, link, level, entries, at);
    set_entries(tree, other, level, entries + at, n + 1 - at);
    return other;
}

static bool is_full(const fb_rtree_node_t *node) {
    bool full = true;
    for (unsigned slot = 0; slot < FAN; slot++) full &= !fb_rtree_is_empty(node, slot);
    return full;
}

/* Cuts the entries of all children of a node on level 1 and one more into leaves anew, if these then have room. */
static bool regroup(fb_rtree_t *tree, uint32_t link, fb_rtree_entry_t entry) {
    fb_rtree_entry_t entries[FAN * FAN], some[FAN];
    fb_rtree_place_t places[FAN * FAN];
    uint32_t leaves[FAN];
    unsigned n = 0, have = 0;
    fb_rtree_node_t *parent = fb_rtree_linked(tree, link);
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (fb_rtree_is_empty(parent, slot)) continue;
        leaves[have++] = parent->of.to.link[slot];
        n += get_entries(tree, parent->of.to.link[slot], 0, entries + n);
    }
    const unsigned want = n / FB_RTREE_LOOSE_LEAF + 1; /* leaves of n + 1 entries */
    if (want > FB_RTREE_LOOSE_INNER) return false;
    entries[n++] = entry;
    for (unsigned i = 0; i < n; i++) places[i] = fb_rtree_place_of(entries[i].box, i);
    for (unsigned i = 0; i < have; i++) fb_rtree_own(tree, leaves[i]);
    for (; have < want; have++) leaves[have] = fb_rtree_take_linked(tree, link);
    fb_rtree_cut(places, n, want, want);
    fb_rtree_clear_node(parent);
    for (unsigned part = 0; part < want; part++) {
        const size_t begin = fb_rtree_part(part, want, n), end = fb_rtree_part(part + 1, want, n);
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
        fb_rtree_put_entry(parent, part, 1, fb_rtree_entry_of(tree, leaf));
        leaves[part] = leaf;
    }
    for (; have > want; have--) fb_rtree_free_linked(tree, leaves[have - 1]);
    return true;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* The child whose half perimeter grows least; of equal ones the smaller. */
static unsigned best_child(const fb_rtree_node_t *node, const fb_rtree_box_t *box) {
    double size[FAN], growth[FAN];
    unsigned best = 0;
    for (unsigned slot = 0; slot < FAN; slot++) {
        const fb_rtree_box_t here = fb_rtree_entry_box(node, slot);
        size[slot] = half_perimeter(here);
        growth[slot] = half_perimeter(fb_rtree_join_boxes(here, *box)) - size[slot];
    }
    while (fb_rtree_is_empty(node, best)) best++;
    for (unsigned slot = best + 1; slot < FAN; slot++) {
        if (fb_rtree_is_empty(node, slot)) continue;
        if (growth[slot] < growth[best] || (growth[slot] == growth[best] && size[slot] < size[best])) {
            best = slot;
        }
    }
    return best;
}

fb_status_t fb_rtree_insert(fb_rtree_t *tree, int64_t id, const fb_rtree_box_t *given, bool held) {
    fb_status_t status = fb_rtree_reserve(tree, true, held);
    if (status != FB_OK) return status;
    uint32_t height = tree->height, level = 0, link = tree->root;
    fb_rtree_entry_t entry = {*given, id, 0, FB_RTREE_NONE};
    entry.box = (fb_rtree_box_t){given->min_x + 0.0, given->min_y + 0.0, given->max_x + 0.0,
                                 given->max_y + 0.0};
    if (height == 0) {
        link = tree->root = fb_rtree_take_linked(tree, FB_RTREE_NONE);
        fb_rtree_clear_node(fb_rtree_linked(tree, link));
        height = 1;
    } else {
        for (level = height - 1; level; level--) {
            const fb_rtree_node_t *node = fb_rtree_linked(tree, link);
            link = node->of.to.link[best_child(node, given)];
        }
        own_path(tree, link);
    }
    for (;; level++) {
        fb_rtree_node_t *node = fb_rtree_linked(tree, link);
        const uint32_t parent = tree->links[link].parent;
        unsigned slot = 0;
        while (slot < FAN && !fb_rtree_is_empty(node, slot)) slot++;
        if (slot < FAN) {
            fb_rtree_put_entry(node, slot, level, entry);
            if (level == 0) fb_rtree_map_add(tree, id, link);
            break;
        }
        if (level == 0 && parent != FB_RTREE_NONE && is_full(fb_rtree_linked(tree, parent)) &&
            regroup(tree, parent, entry)) {
            link = parent;
            break;
        }
        const uint32_t other = split(tree, link, level, entry);
        entry = fb_rtree_entry_of(tree, other);
        if (parent == FB_RTREE_NONE) {
            const uint32_t root = fb_rtree_take_linked(tree, FB_RTREE_NONE);
            const fb_rtree_entry_t entries[2] = {fb_rtree_entry_of(tree, link), entry};
            set_entries(tree, root, level + 1, entries, 2);
            tree->root = root;
            height++;
            break;
        }
        fit_parent(tree, link);
        link = parent;
    }
    fit_above(tree, link);
    fb_rtree_publish(tree, tree->now->n + 1, height);
    return FB_OK;
}

fb_status_t fb_rtree_remove(fb_rtree_t *tree, int64_t id, bool held) {
    fb_status_t status = fb_rtree_reserve(tree, false, held);
    if (status != FB_OK) return status;
    size_t at;
    uint32_t link, height = tree->height;
    unsigned slot;
    if (!fb_rtree_map_find(tree, id, &at, &link, &slot)) return FB_OUT_OF_RANGE;
    tree->map[at] = FB_RTREE_GONE;
    own_path(tree, link);
    for (uint32_t level = 0;; level++) {
        fb_rtree_node_t *node = fb_rtree_linked(tree, link);
        fb_rtree_put_entry(node, slot, level, (fb_rtree_entry_t){fb_rtree_no_box(), 0, 0, 0});
        for (slot = 0; slot < FAN && fb_rtree_is_empty(node, slot);) slot++;
        if (slot < FAN) break;
        const uint32_t empty = link;
        link = tree->links[link].parent;
        if (link != FB_RTREE_NONE) slot = slot_of(fb_rtree_linked(tree, link), empty);
        fb_rtree_free_linked(tree, empty);
        if (link == FB_RTREE_NONE) break;
    }
    if (link == FB_RTREE_NONE) {
        tree->root = FB_RTREE_NONE;
        height = 0;
    } else {
        fit_above(tree, link);
    }
    for (; height > 1; height--) {
        const uint32_t root = tree->root;
        const fb_rtree_node_t *node = fb_rtree_linked(tree, root);
        unsigned n = 0;
        for (unsigned i = 0; i < FAN; i++) {
            if (!fb_rtree_is_empty(node, i)) n++, slot = i;
        }
        if (n > 1) break;
        tree->root = node->of.to.link[slot];
        tree->links[tree->root].parent = FB_RTREE_NONE;
        fb_rtree_free_linked(tree, root);
    }
    fb_rtree_publish(tree, tree->now->n - 1, height);
    return FB_OK;
}
