/* Searches of rtree_search.c, compiled once for every dispatch level: it defines LEVEL(name), TARGET, and
 *   hits(node, box)                       bit mask of the entries that meet the box
 *   measure(node, x, y, bound, squares)   squared distances of all entries to a point; bit mask of the
 *                                         entries that are not empty and not further than `bound`
 */

TARGET static fb_status_t LEVEL(query)(const fb_rtree_view_t *view, const fb_rtree_box_t *box,
                                       fb_rtree_found_t *found) {
    uint64_t stack[STACK];
    size_t depth = 0;
    if (view->height == 0) return FB_OK;
    stack[depth++] = ref(view->root, view->height - 1);
    while (depth) {
        const uint64_t at = stack[--depth];
        const fb_rtree_node_t *node = node_at(view, ref_node(at));
        uint32_t bits = LEVEL(hits)(node, box);
        if (ref_level(at) > 0) {
            for (; bits; bits &= bits - 1) {
                const uint64_t child = child_of(view, node, at, lowest(bits));
                prefetch_node(node_at(view, ref_node(child)));
                stack[depth++] = child;
            }
        } else if (bits) {
            if (FB_UNLIKELY(found->max - found->n < FB_RTREE_FAN) && !more_room(found)) {
                return FB_NO_MEMORY;
            }
            int64_t *into = found->ids + found->n;
            found->n += fb_popcount64(bits);
            for (; bits; bits &= bits - 1) *into++ = node->of.ids[lowest(bits)];
        }
    }
    return FB_OK;
}

TARGET static fb_status_t LEVEL(query_many)(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                            fb_rtree_found_t *found, uint64_t *ends) {
    for (size_t i = 0; i < m; i++) {
        const fb_rtree_box_t box = fb_rtree_box_at(boxes, i);
        const fb_status_t status = LEVEL(query)(view, &box, found);
        if (status != FB_OK) return status;
        ends[i] = found->n;
    }
    return FB_OK;
}

TARGET static int64_t LEVEL(count)(const fb_rtree_view_t *view, const fb_rtree_box_t *box) {
    uint64_t stack[STACK];
    size_t depth = 0, n = 0;
    if (view->height == 0) return 0;
    stack[depth++] = ref(view->root, view->height - 1);
    while (depth) {
        const uint64_t at = stack[--depth];
        const fb_rtree_node_t *node = node_at(view, ref_node(at));
        uint32_t bits = LEVEL(hits)(node, box);
        if (ref_level(at) == 0) {
            n += fb_popcount64(bits);
            continue;
        }
        for (; bits; bits &= bits - 1) {
            const uint64_t child = child_of(view, node, at, lowest(bits));
            prefetch_node(node_at(view, ref_node(child)));
            stack[depth++] = child;
        }
    }
    return (int64_t)n;
}

TARGET static void LEVEL(count_many)(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                     int64_t *counts) {
    for (size_t i = 0; i < m; i++) {
        const fb_rtree_box_t box = fb_rtree_box_at(boxes, i);
        counts[i] = LEVEL(count)(view, &box);
    }
}

/* Pairs below two nodes; the node on the higher level is opened, so both are leaves in the end. */
TARGET static fb_status_t LEVEL(join)(const fb_rtree_view_t *a, uint64_t at_a, fb_rtree_box_t box_a,
                                      const fb_rtree_view_t *b, uint64_t at_b, fb_rtree_box_t box_b,
                                      fb_rtree_found_t *found) {
    const fb_rtree_node_t *node_a = node_at(a, ref_node(at_a)), *node_b = node_at(b, ref_node(at_b));
    fb_status_t status = FB_OK;
    uint32_t bits;
    if (ref_level(at_a) == 0 && ref_level(at_b) == 0) {
        for (bits = LEVEL(hits)(node_a, &box_b); bits; bits &= bits - 1) {
            const unsigned slot = lowest(bits);
            const fb_rtree_box_t box = fb_rtree_entry_box(node_a, slot);
            if (found->max - found->n < FB_RTREE_FAN && !more_room(found)) return FB_NO_MEMORY;
            for (uint32_t met = LEVEL(hits)(node_b, &box); met; met &= met - 1) {
                found->ids[found->n] = node_a->of.ids[slot];
                found->others[found->n++] = node_b->of.ids[lowest(met)];
            }
        }
    } else if (ref_level(at_a) >= ref_level(at_b)) {
        for (bits = LEVEL(hits)(node_a, &box_b); bits && status == FB_OK; bits &= bits - 1) {
            const unsigned slot = lowest(bits);
            status = LEVEL(join)(a, child_of(a, node_a, at_a, slot), fb_rtree_entry_box(node_a, slot), b, at_b,
                                 box_b, found);
        }
    } else {
        for (bits = LEVEL(hits)(node_b, &box_a); bits && status == FB_OK; bits &= bits - 1) {
            const unsigned slot = lowest(bits);
            status = LEVEL(join)(a, at_a, box_a, b, child_of(b, node_b, at_b, slot),
                                 fb_rtree_entry_box(node_b, slot), found);
        }
    }
    return status;
}

/* The nearest k of one point, or fewer, as nearest.h keeps them; how many. Nodes are searched
 * depth first, the nearest child first, which soon brings the bound down. */
TARGET static size_t LEVEL(nearest)(const fb_rtree_view_t *view, double x, double y, size_t k,
                                    double bound, int64_t *ids, double *squares) {
    near_t stack[STACK];
    double to[FB_RTREE_FAN];
    size_t depth = 0, n = 0;
    if (view->height == 0) return 0;
    stack[depth++] = (near_t){0.0, ref(view->root, view->height - 1)};
    while (depth) {
        const near_t at = stack[--depth];
        if (at.square > bound) continue;
        const fb_rtree_node_t *node = node_at(view, ref_node(at.ref));
        uint32_t bits = LEVEL(measure)(node, x, y, bound, to);
        if (ref_level(at.ref) > 0) {
            const size_t low = depth;
            for (; bits; bits &= bits - 1) {
                const unsigned slot = lowest(bits);
                size_t i = depth++;
                for (; i > low && stack[i - 1].square < to[slot]; i--) stack[i] = stack[i - 1];
                stack[i] = (near_t){to[slot], child_of(view, node, at.ref, slot)};
            }
            if (depth > low) prefetch_node(node_at(view, ref_node(stack[depth - 1].ref)));
            continue;
        }
        for (; bits; bits &= bits - 1) {
            const unsigned slot = lowest(bits);
            n = fb_near_add(ids, squares, n, k, node->of.ids[slot], to[slot]);
            if (n == k) bound = fb_near_furthest(squares, k);
        }
    }
    return n;
}

TARGET static size_t LEVEL(nearest_many)(const fb_rtree_view_t *view, const double *points, size_t m,
                                         size_t k, double bound, int64_t *ids, double *distances) {
    size_t n = 0;
    for (size_t i = 0; i < m; i++, ids += k, distances += k) {
        n = LEVEL(nearest)(view, points[2 * i], points[2 * i + 1], k, bound, ids, distances);
        fb_near_finish(ids, distances, n, k);
    }
    return n;
}

#undef LEVEL
#undef TARGET
