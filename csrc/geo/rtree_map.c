/* The map of the R-tree: in which leaf an id is.
 *
 * Open addressing with linear probing, 4 bytes a slot, of which the low bits are the link of a leaf and the high
 * ones a tag of the id; the id itself stands in the leaf. Of a packed tree, which has no links, it is the
 * number of the leaf, on level 0.
 */
#include <stdlib.h>

#include "rtree_nodes.h"

enum { FAN = FB_RTREE_FAN };

FB_INLINE uint64_t mix(int64_t id) {
    uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

FB_INLINE const fb_rtree_node_t *node_of(const fb_rtree_t *tree, uint32_t link) {
    return tree->loose ? fb_rtree_linked(tree, link) : fb_rtree_node(tree, link);
}

/* What stands in the map for an id in the leaf of a link. */
FB_INLINE uint32_t map_entry(const fb_rtree_t *tree, uint64_t h, uint32_t link) {
    return (uint32_t)((uint64_t)(uint32_t)h << tree->link_bits) | link;
}

FB_INLINE size_t map_start(const fb_rtree_t *tree, uint64_t h) {
    return (size_t)fb_reduce64(h, tree->map_size);
}

FB_INLINE size_t map_next(const fb_rtree_t *tree, size_t at) { return at + 1 < tree->map_size ? at + 1 : 0; }

bool fb_rtree_map_find(const fb_rtree_t *tree, int64_t id, size_t *at, uint32_t *link, unsigned *slot) {
    const uint64_t h = mix(id);
    const uint32_t mask = (uint32_t)((1ull << tree->link_bits) - 1), tag = map_entry(tree, h, 0);
    for (size_t i = map_start(tree, h);; i = map_next(tree, i)) {
        const uint32_t entry = tree->map[i];
        if (entry == FB_RTREE_NONE) return false;
        if ((entry & ~mask) != tag || entry == FB_RTREE_GONE) continue;
        const fb_rtree_node_t *leaf = node_of(tree, entry & mask);
        for (unsigned s = 0; s < FAN; s++) {
            if (leaf->of.ids[s] == id && !fb_rtree_is_empty(leaf, s)) {
                *at = i;
                *link = entry & mask;
                *slot = s;
                return true;
            }
        }
    }
}

void fb_rtree_map_add(fb_rtree_t *tree, int64_t id, uint32_t link) {
    const uint64_t h = mix(id);
    size_t i = map_start(tree, h);
    while (tree->map[i] < FB_RTREE_GONE) i = map_next(tree, i);
    tree->map_used += tree->map[i] == FB_RTREE_NONE;
    tree->map[i] = map_entry(tree, h, link);
}

/* Entries that are equal are as good as each other: each lies between
 * the start of either's id and its first empty slot. */
void fb_rtree_map_move(fb_rtree_t *tree, int64_t id, uint32_t from, uint32_t to) {
    const uint64_t h = mix(id);
    const uint32_t entry = map_entry(tree, h, from);
    size_t i = map_start(tree, h);
    while (tree->map[i] != entry) i = map_next(tree, i);
    tree->map[i] = map_entry(tree, h, to);
}

static void map_leaves(fb_rtree_t *tree, uint32_t link, uint32_t level) {
    const fb_rtree_node_t *node = node_of(tree, link);
    for (unsigned slot = 0; slot < FAN; slot++) {
        if (fb_rtree_is_empty(node, slot)) continue;
        if (level == 0) {
            fb_rtree_map_add(tree, node->of.ids[slot], link);
        } else {
            map_leaves(tree, node->of.to.link[slot], level - 1);
        }
    }
}

fb_status_t fb_rtree_map_make(fb_rtree_t *tree, size_t size, size_t max_links) {
    const fb_rtree_view_t *view = tree->now;
    uint32_t *map = (uint32_t *)malloc(size * sizeof(*map));
    if (map == NULL) return FB_NO_MEMORY;
    memset(map, 0xff, size * sizeof(*map));
    free(tree->map);
    tree->map = map;
    tree->map_size = size;
    tree->map_used = 0;
    tree->link_bits = 64 - fb_leading_zeros64(max_links + 2); /* entries are below GONE */
    if (tree->loose) {
        if (tree->height) map_leaves(tree, tree->root, tree->height - 1);
    } else {
        for (size_t i = 0; i < view->n; i++) {
            fb_rtree_map_add(tree, tree->nodes[i / FAN].of.ids[i % FAN], (uint32_t)(i / FAN));
        }
    }
    return FB_OK;
}

fb_status_t fb_rtree_prepare(fb_rtree_t *tree) {
    if (tree->map != NULL) return FB_OK;
    const size_t n = tree->now->n, nodes = tree->n_packed;
    return fb_rtree_map_make(tree, n + n / 8 + FAN, nodes + nodes / 4 + FAN);
}

bool fb_rtree_has(const fb_rtree_t *tree, int64_t id) {
    size_t at;
    uint32_t link;
    unsigned slot;
    return fb_rtree_map_find(tree, id, &at, &link, &slot);
}
