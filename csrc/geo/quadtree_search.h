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
            head = t->links[head].next;
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
            sibling_gaps(&sides, node->cx, node->cy, 1u << (t->depth - node->depth - 1), x, y, to);
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
            head = t->links[head].next;
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

/* Compares the points of a leaf with the n nearest so far; how many there are then. */
TARGET static inline size_t LEVEL(try_leaf)(const fb_quads_t *t, uint32_t leaf, double x,
                                            double y, size_t k, double *bound, int64_t *ids,
                                            double *found, size_t n) {
    double squares[FB_QUADS_CHUNK];
    for (uint32_t head = fb_quads_head(t, leaf); head != FB_QUADS_NONE; head = t->links[head].next) {
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
        if (k == 1) { /* the same, but quicker */
            double least = *bound;
            for (uint32_t bits = LEVEL(least_to)(chunk, x, y, &least); bits; bits &= bits - 1) {
                const int64_t id = chunk->ids[fb_trailing_zeros64(bits)];
                if (n && !fb_closer(least, id, *bound, ids[0])) continue;
                *bound = found[0] = least;
                ids[0] = id;
                n = 1;
            }
            continue;
        }
        for (uint32_t bits = LEVEL(squares_to)(chunk, x, y, squares, *bound); bits; bits &= bits - 1) {
            const unsigned slot = fb_trailing_zeros64(bits);
            n = fb_near_add(ids, found, n, k, chunk->ids[slot], squares[slot]);
            if (n == k) *bound = fb_near_furthest(found, k);
        }
    }
    return n;
}

/* The nearest k of one point, or fewer, as nearest.h keeps them; how many. First in the leaf that the
 * point lies in, then beside it and beside what is above, up to the smallest node that all nearer points lie in. */
TARGET static size_t LEVEL(nearest_one)(const fb_quads_t *t, const sides_t *sides, const way_t *way, double x,
                                        double y, size_t k, double bound, int64_t *ids, double *found) {
    near_t stack[FB_QUADS_STACK];
    double to[4];
    uint32_t bit = way->bit, cx = way->cx >> bit << bit, cy = way->cy >> bit << bit;
    size_t n = LEVEL(try_leaf)(t, way->by[bit], x, y, k, &bound, ids, found, 0);
    while (bit < t->depth && !reaches(sides, cx, cy, bit, x, y, bound)) {
        const uint32_t at = way->by[bit], side = 1u << bit++;
        cx &= ~side;
        cy &= ~side;
        sibling_gaps(sides, cx, cy, side, x, y, to);
        size_t depth = open_node(t, t->down[way->by[bit]], at, to, bound, stack, 0);
        while (depth) {
            const near_t next = stack[--depth];
            if (next.square > bound) continue;
            if (fb_quads_is_leaf(t, next.node)) {
                n = LEVEL(try_leaf)(t, next.node, x, y, k, &bound, ids, found, n);
            } else {
                const fb_quads_node_t *node = &t->nodes[next.node];
                sibling_gaps(sides, node->cx, node->cy, 1u << (t->depth - node->depth - 1), x, y, to);
                depth = open_node(t, t->down[next.node], FB_QUADS_NONE, to, bound, stack, depth);
            }
        }
    }
    return n;
}

TARGET static size_t LEVEL(nearest)(const fb_quads_t *t, const double *x, const double *y,
                                    const uint64_t *order, size_t m, size_t k, double bound, int64_t *ids,
                                    double *distances) {
    enum { AHEAD = 4 }; /* rows whose leaves are on their way from memory */
    const sides_t sides = sides_of(t);
    const double part = part_of(t, k);
    way_t ways[AHEAD];
    size_t last = 0;
    for (size_t i = 0; i < m + AHEAD; i++) {
        way_t *way = &ways[i % AHEAD];
        if (i >= AHEAD) {
            const size_t row = row_of(order, i - AHEAD);
            int64_t *near = ids + row * k;
            double *far = distances + row * k;
            const size_t n = LEVEL(nearest_one)(t, &sides, way, x[row], y[row], k, bound, near, far);
            fb_near_finish(near, far, n, k);
            if (row == m - 1) last = n;
        }
        if (i < m) find_way(t, x[row_of(order, i)], y[row_of(order, i)], part, way);
    }
    return last;
}

#undef LEVEL
#undef TARGET
