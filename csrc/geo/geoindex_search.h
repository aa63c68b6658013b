/* Searches of geoindex.c, compiled once for every dispatch level: it defines LEVEL(name), TARGET and
 * near(chunk, at, bound). */

/* The heap of the nearest, and how far it is worth to look. */
TARGET static inline size_t LEVEL(try_leaf)(const fb_quads_t *t, uint32_t at, const from_t *from, size_t k,
                                            double *most, float *bound, int64_t *ids, double *found,
                                            size_t n) {
    const fb_quads_node_t *leaf = &t->nodes[at];
    double metres[FB_QUADS_CHUNK];
    uint32_t left = leaf->count;
    for (uint32_t head = leaf->head; left;) {
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
        const uint32_t some = fb_quads_in_head(left);
        uint32_t bits = ((1u << some) - 1) & LEVEL(near)(chunk, from->c, *bound);
        if (bits) {
            bool changed = false;
            measure(chunk, from, bits, metres);
            for (size_t i = 0; bits; bits &= bits - 1, i++) {
                const int64_t id = chunk->ids[fb_trailing_zeros64(bits)];
                if (metres[i] > *most) continue;
                if (n < k) {
                    fb_heap_push(ids, found, n++, id, metres[i]);
                } else if (fb_closer(metres[i], id, found[0], ids[0])) {
                    fb_heap_replace(ids, found, n, id, metres[i]);
                } else {
                    continue;
                }
                changed = n == k;
                if (changed) *most = found[0];
            }
            if (changed) *bound = chord_bound(*most);
        }
        left -= some;
        head = chunk->next;
    }
    return n;
}

/* Adds four siblings to a stack, but for those that are too far: the nearest on top. */
TARGET static inline size_t LEVEL(open_node)(const fb_quads_t *t, uint32_t child, const from_t *from,
                                             float bound, near_t *stack, size_t low, size_t depth) {
    float to[4];
    box_squares(&t->boxes[child / 4], from->c, to);
    for (uint32_t i = 0; i < 4; i++) {
        if (to[i] > bound) continue;
        size_t j = depth++;
        fb_quads_fetch(t, &t->nodes[child + i]);
        for (; j > low && stack[j - 1].square < to[i]; j--) stack[j] = stack[j - 1];
        stack[j] = (near_t){to[i], child + i};
    }
    return depth;
}

TARGET static size_t LEVEL(nearest_one)(const fb_quads_t *t, double lat, double lng, size_t k, double most,
                                        int64_t *ids, double *found) {
    const from_t from = from_of(t, lat, lng);
    float bound = chord_bound(most);
    near_t stack[FB_QUADS_STACK];
    size_t n = LEVEL(try_leaf)(t, from.leaf, &from, k, &most, &bound, ids, found, 0);
    size_t depth = LEVEL(open_node)(t, 0, &from, bound, stack, 0, 0);
    depth = LEVEL(open_node)(t, 4, &from, bound, stack, 0, depth);
    while (depth) {
        const near_t at = stack[--depth];
        if (at.square > bound || at.node == from.leaf) continue;
        const uint32_t child = t->nodes[at.node].child;
        if (child != FB_QUADS_NONE) {
            depth = LEVEL(open_node)(t, child, &from, bound, stack, depth, depth);
        } else {
            n = LEVEL(try_leaf)(t, at.node, &from, k, &most, &bound, ids, found, n);
        }
    }
    return n;
}

TARGET static size_t LEVEL(nearest)(const fb_quads_t *t, const double *lat, const double *lng, size_t m,
                                    size_t k, double most, int64_t *ids, double *metres) {
    size_t n = 0;
    for (size_t i = 0; i < m; i++, ids += k, metres += k) {
        n = LEVEL(nearest_one)(t, lat[i], lng[i], k, most, ids, metres);
        fb_heap_sort(ids, metres, n, k);
    }
    return n;
}

/* All within a distance, in no order. */
TARGET static fb_status_t LEVEL(within_one)(const fb_quads_t *t, double lat, double lng, double most,
                                            fb_quads_found_t *found) {
    const from_t from = from_of(t, lat, lng);
    const float bound = chord_bound(most);
    double metres[FB_QUADS_CHUNK];
    near_t stack[FB_QUADS_STACK];
    size_t depth = LEVEL(open_node)(t, 0, &from, bound, stack, 0, 0);
    depth = LEVEL(open_node)(t, 4, &from, bound, stack, 0, depth);
    while (depth) {
        const fb_quads_node_t *node = &t->nodes[stack[--depth].node];
        if (node->child != FB_QUADS_NONE) {
            depth = LEVEL(open_node)(t, node->child, &from, bound, stack, depth, depth);
            continue;
        }
        uint32_t left = node->count;
        for (uint32_t head = node->head; left;) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
            const uint32_t some = fb_quads_in_head(left);
            uint32_t bits = ((1u << some) - 1) & LEVEL(near)(chunk, from.c, bound);
            if (found->max - found->n < FB_QUADS_CHUNK && !fb_quads_more_room(found, true)) {
                return FB_NO_MEMORY;
            }
            if (bits) measure(chunk, &from, bits, metres);
            for (size_t i = 0; bits; bits &= bits - 1, i++) {
                found->ids[found->n] = chunk->ids[fb_trailing_zeros64(bits)];
                found->distances[found->n] = metres[i];
                found->n += metres[i] <= most;
            }
            left -= some;
            head = chunk->next;
        }
    }
    return FB_OK;
}

TARGET static fb_status_t LEVEL(within)(const fb_quads_t *t, const double *lat, const double *lng,
                                        const double *metres, size_t m, size_t limit,
                                        fb_quads_found_t *found, uint64_t *ends) {
    for (size_t i = 0; i < m; i++) {
        const size_t before = found->n;
        if (limit < t->n) {
            while (found->max - before < limit) {
                if (!fb_quads_more_room(found, true)) return FB_NO_MEMORY;
            }
            const size_t n = LEVEL(nearest_one)(t, lat[i], lng[i], limit, metres[i], found->ids + before,
                                                found->distances + before);
            fb_heap_sort(found->ids + before, found->distances + before, n, n);
            found->n += n;
        } else {
            const fb_status_t status = LEVEL(within_one)(t, lat[i], lng[i], metres[i], found);
            if (status != FB_OK) return status;
            sort_found(found->ids + before, found->distances + before, found->n - before);
        }
        ends[i] = found->n;
    }
    return FB_OK;
}

#undef LEVEL
#undef TARGET
