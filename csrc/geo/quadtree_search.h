/* Searches of quadtree.c, compiled once for every dispatch level: it defines LEVEL(name), TARGET, and
 *   hits(chunk, box)                 bit mask of the points in a box
 *   squares_to(chunk, x, y, squares, bound)   squared distances; bit mask of those not above `bound`
 * of all points that there is room for, there or not.
 */

TARGET static fb_status_t LEVEL(query)(const fb_quads_t *t, const double box[4], fb_quads_found_t *found) {
    uint32_t stack[FB_QUADS_STACK];
    size_t depth = 0;
    cells_t cells;
    if (!cells_of(t, box, &cells)) return FB_OK;
    for (stack[depth++] = node_around(t, &cells); depth;) {
        const uint32_t at = stack[--depth], child = t->down[at];
        const fb_quads_node_t *node = &t->nodes[at];
        const uint32_t wide = (1u << (t->depth - node->depth)) - 1;
        if (!(child & FB_QUADS_LEAF)) { /* it meets the box: so does a child on the right side of its middle */
            const uint32_t mid_x = node->cx + (wide >> 1), mid_y = node->cy + (wide >> 1);
            const uint32_t columns = (cells.min_x <= mid_x ? 5u : 0u) | (cells.max_x > mid_x ? 10u : 0u);
            const uint32_t rows = (cells.min_y <= mid_y ? 3u : 0u) | (cells.max_y > mid_y ? 12u : 0u);
            for (uint32_t bits = columns & rows; bits; bits &= bits - 1) {
                stack[depth] = child + fb_trailing_zeros64(bits);
                fb_quads_fetch(t, stack[depth++]);
            }
            continue;
        }
        const bool inside = node->cx > cells.min_x && node->cy > cells.min_y &&
                            node->cx + wide < cells.max_x && node->cy + wide < cells.max_y;
        uint32_t left = node->count;
        for (uint32_t head = fb_quads_head(t, at); left;) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
            const uint32_t n = fb_quads_in_head(left);
            const uint32_t bits = first_bits(n) & (inside ? ALL : LEVEL(hits)(chunk, box));
            if (bits && !append(found, chunk, bits)) return FB_NO_MEMORY;
            left -= n;
            head = chunk->next;
        }
    }
    return FB_OK;
}

TARGET static fb_status_t LEVEL(within)(const fb_quads_t *t, double x, double y, double r,
                                        fb_quads_found_t *found) {
    const double bound = fb_square_bound(r);
    const sides_t sides = sides_of(t);
    double squares[FB_QUADS_CHUNK];
    uint32_t stack[FB_QUADS_STACK];
    size_t depth = 0;
    for (stack[depth++] = 0; depth;) {
        const uint32_t at = stack[--depth], child = t->down[at];
        const fb_quads_node_t *node = &t->nodes[at];
        if (!(child & FB_QUADS_LEAF)) {
            double to[4];
            children_gaps(t, &sides, node, x, y, to);
            for (uint32_t i = 0; i < 4; i++) {
                if (to[i] > bound) continue;
                stack[depth] = child + i;
                fb_quads_fetch(t, stack[depth++]);
            }
            continue;
        }
        uint32_t left = node->count;
        for (uint32_t head = fb_quads_head(t, at); left;) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
            const uint32_t n = fb_quads_in_head(left);
            const uint32_t bits = first_bits(n) & LEVEL(squares_to)(chunk, x, y, squares, bound);
            if (bits && !append(found, chunk, bits)) return FB_NO_MEMORY;
            left -= n;
            head = chunk->next;
        }
    }
    return FB_OK;
}

TARGET static fb_status_t LEVEL(query_many)(const fb_quads_t *t, const double *boxes, size_t m,
                                            fb_quads_found_t *found, uint64_t *ends) {
    for (size_t i = 0; i < m; i++) {
        const fb_status_t status = LEVEL(query)(t, boxes + 4 * i, found);
        if (status != FB_OK) return status;
        ends[i] = found->n;
    }
    return FB_OK;
}

TARGET static fb_status_t LEVEL(within_many)(const fb_quads_t *t, const double *x, const double *y,
                                             const double *r, size_t m, fb_quads_found_t *found,
                                             uint64_t *ends) {
    for (size_t i = 0; i < m; i++) {
        const fb_status_t status = LEVEL(within)(t, x[i], y[i], r[i], found);
        if (status != FB_OK) return status;
        ends[i] = found->n;
    }
    return FB_OK;
}

/* Compares the points of a leaf with a heap of n; how many are in it then. */
TARGET static inline size_t LEVEL(try_leaf)(const fb_quads_t *t, uint32_t leaf, double x,
                                            double y, size_t k, double *bound, int64_t *ids,
                                            double *found, size_t n) {
    double squares[FB_QUADS_CHUNK];
    uint32_t left = t->nodes[leaf].count;
    for (uint32_t head = fb_quads_head(t, leaf); left;) {
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
        const uint32_t some = fb_quads_in_head(left);
        uint32_t bits = first_bits(some) & LEVEL(squares_to)(chunk, x, y, squares, *bound);
        if (k == 1) { /* the same, but quicker */
            for (; bits; bits &= bits - 1) {
                const unsigned slot = fb_trailing_zeros64(bits);
                if (n && !fb_closer(squares[slot], chunk->ids[slot], *bound, ids[0])) continue;
                *bound = found[0] = squares[slot];
                ids[0] = chunk->ids[slot];
                n = 1;
            }
        }
        for (; bits; bits &= bits - 1) {
            const unsigned slot = fb_trailing_zeros64(bits);
            if (n < k) {
                fb_heap_push(ids, found, n++, chunk->ids[slot], squares[slot]);
            } else if (fb_closer(squares[slot], chunk->ids[slot], found[0], ids[0])) {
                fb_heap_replace(ids, found, n, chunk->ids[slot], squares[slot]);
            }
            if (n == k) *bound = found[0];
        }
        left -= some;
        head = chunk->next;
    }
    return n;
}

/* The nearest k of one point, or fewer, as a heap with the furthest on top; how many. First in the leaf that the
 * point lies in, then beside it and beside what is above, up to the smallest node that all nearer points lie in. */
TARGET static size_t LEVEL(nearest_one)(const fb_quads_t *t, const sides_t *sides, double part, double x,
                                        double y, size_t k, double bound, int64_t *ids, double *found) {
    near_t stack[FB_QUADS_STACK];
    uint32_t at = leaf_at(t, x, y, part);
    size_t n = LEVEL(try_leaf)(t, at, x, y, k, &bound, ids, found, 0);
    for (uint32_t above; (above = t->nodes[at].parent) != FB_QUADS_NONE; at = above) {
        if (reaches(t, sides, &t->nodes[at], x, y, bound)) break;
        size_t depth = open_node(t, sides, above, at, x, y, bound, stack, 0);
        while (depth) {
            const near_t next = stack[--depth];
            if (next.square > bound) continue;
            if (fb_quads_is_leaf(t, next.node)) {
                n = LEVEL(try_leaf)(t, next.node, x, y, k, &bound, ids, found, n);
            } else {
                depth = open_node(t, sides, next.node, FB_QUADS_NONE, x, y, bound, stack, depth);
            }
        }
    }
    return n;
}

TARGET static size_t LEVEL(nearest)(const fb_quads_t *t, const double *x, const double *y, size_t m,
                                    size_t k, double bound, int64_t *ids, double *distances) {
    const sides_t sides = sides_of(t);
    const double part = k < t->capacity ? sqrt((double)k / t->capacity) : 1.0;
    size_t n = 0;
    for (size_t i = 0; i < m; i++, ids += k, distances += k) {
        n = LEVEL(nearest_one)(t, &sides, part, x[i], y[i], k, bound, ids, distances);
        fb_heap_finish(ids, distances, n, k);
    }
    return n;
}

#undef LEVEL
#undef TARGET
