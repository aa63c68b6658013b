/* Searches of geoindex.c, compiled once for every dispatch level: it defines LEVEL(name), TARGET and
 * near(chunk, at, bound, squares). */

/* Where points are that are asked for. */
TARGET static void LEVEL(find_spots)(const double *lat, const double *lng, size_t n, spot_t *spots) {
    enum { BLOCK = 64 };
    double east[BLOCK], x[BLOCK], y[BLOCK], z[BLOCK];
    for (size_t from = 0; from < n; from += BLOCK) {
        const size_t some = n - from < BLOCK ? n - from : BLOCK;
        for (size_t i = 0; i < some; i++) east[i] = wrapped(lng[from + i]);
        for (size_t i = 0; i < some; i++) {
            double wide, sine, cosine;
            fb_sincos_degrees(lat[from + i], &z[i], &wide);
            fb_sincos_degrees(east[i], &sine, &cosine);
            x[i] = wide * cosine;
            y[i] = wide * sine;
        }
        for (size_t i = 0; i < some; i++) spots[from + i] = spot_of(x[i], y[i], z[i]);
    }
}

/* Adds four siblings to a stack, but for one and those that are too far: the nearest on top. */
TARGET static inline size_t LEVEL(open_node)(const fb_quads_t *t, uint32_t child, uint32_t but,
                                             const search_t *s, near_t *stack, size_t low, size_t depth) {
    float to[4];
    uint32_t bits = 0;
    box_squares(&t->boxes[child / 4], s->c, to);
    for (uint32_t i = 0; i < 4; i++) bits |= (uint32_t)(to[i] <= s->bound) << i;
    for (; bits; bits &= bits - 1) {
        const uint32_t i = fb_trailing_zeros64(bits);
        if (child + i == but) continue;
        size_t j = depth++;
        fb_quads_fetch(t, child + i);
        for (; j > low && stack[j - 1].square < to[i]; j--) stack[j] = stack[j - 1];
        stack[j] = (near_t){to[i], child + i};
    }
    return depth;
}

/* Puts those points of a chunk that may be the nearest one with those that wait. */
TARGET static inline void LEVEL(try_one)(const fb_quads_chunk_t *chunk, uint32_t bits, search_t *s) {
    float squares[FB_QUADS_CHUNK], least = s->bound;
    bits &= LEVEL(near)(chunk, s->c, s->bound, squares);
    if (bits == 0) return;
    for (uint32_t rest = bits; rest; rest &= rest - 1) {
        const unsigned slot = fb_trailing_zeros64(rest);
        least = squares[slot] < least ? squares[slot] : least;
    }
    least = with_slack(least);
    s->bound = least < s->bound ? least : s->bound;
    if (s->waiting > WAITING - FB_QUADS_CHUNK) settle(s);
    for (; bits; bits &= bits - 1) {
        const unsigned slot = fb_trailing_zeros64(bits);
        if (squares[slot] > s->bound) continue;
        s->squares[s->waiting] = squares[slot];
        s->lat_of[s->waiting] = chunk->a[slot];
        s->lng_of[s->waiting] = chunk->b[slot];
        s->id_of[s->waiting++] = chunk->ids[slot];
    }
}

/* Compares the points of a chunk with the nearest so far. */
TARGET static inline void LEVEL(try_many)(const fb_quads_chunk_t *chunk, uint32_t bits, search_t *s) {
    float squares[FB_QUADS_CHUNK];
    double metres[FB_QUADS_CHUNK];
    bool changed = false;
    bits &= LEVEL(near)(chunk, s->c, s->bound, squares);
    if (bits == 0) return;
    measure(chunk, s, bits, metres);
    for (size_t i = 0; bits; bits &= bits - 1, i++) {
        const int64_t id = chunk->ids[fb_trailing_zeros64(bits)];
        if (metres[i] > s->most) continue;
        s->n = fb_near_add(s->ids, s->metres, s->n, s->k, id, metres[i]);
        if (s->n < s->k) continue;
        s->most = fb_near_furthest(s->metres, s->k);
        changed = true;
    }
    if (changed) s->bound = chord_bound(s->most);
}

TARGET static inline void LEVEL(try_leaf)(const fb_quads_t *t, uint32_t leaf, search_t *s, bool one) {
    uint32_t left = t->nodes[leaf].count;
    for (uint32_t head = fb_quads_head(t, leaf); left;) {
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
        const uint32_t some = fb_quads_in_head(left), bits = (1u << some) - 1;
        if (one) {
            LEVEL(try_one)(chunk, bits, s);
        } else {
            LEVEL(try_many)(chunk, bits, s);
        }
        left -= some;
        head = t->links[head].next;
    }
}

/* Tries the leaf of a spot, then what lies beside it and beside what is above, as far as it can matter. */
TARGET static inline void LEVEL(search)(const fb_quads_t *t, const spot_t *spot, search_t *s, bool one) {
    near_t stack[FB_QUADS_STACK];
    uint32_t at = leaf_of(t, spot);
    LEVEL(try_leaf)(t, at, s, one);
    while (!encloses(t, &t->nodes[at], spot, s->bound)) {
        const uint32_t above = t->nodes[at].parent;
        size_t depth = LEVEL(open_node)(t, above == FB_QUADS_NONE ? 0 : at & ~3u, at, s, stack, 0, 0);
        if (above == FB_QUADS_NONE) depth = LEVEL(open_node)(t, 4, at, s, stack, 0, depth);
        while (depth) {
            const near_t next = stack[--depth];
            if (next.square > s->bound) continue;
            const uint32_t child = t->down[next.node];
            if (!(child & FB_QUADS_LEAF)) {
                depth = LEVEL(open_node)(t, child, FB_QUADS_NONE, s, stack, depth, depth);
            } else {
                LEVEL(try_leaf)(t, next.node, s, one);
            }
        }
        if (above == FB_QUADS_NONE) return;
        at = above;
    }
}

/* Rows of k of points in an order that is good for caches. */
TARGET static void LEVEL(nearest_some)(const fb_quads_t *t, const double *lat, const double *lng,
                                       const spot_t *spots, const uint64_t *order, size_t m, size_t k,
                                       double most, float bound, int64_t *ids, double *metres) {
    alone_t alone;
    search_t s;
    alone.n = 0;
    for (size_t i = 0; i < m; i++) {
        const size_t row = (uint32_t)order[i];
        begin_search(&s, &spots[row], lat[row], lng[row], most, bound);
        s.k = k;
        s.ids = ids + row * k;
        s.metres = metres + row * k;
        if (k > 1) {
            LEVEL(search)(t, &spots[row], &s, false);
        } else {
            LEVEL(search)(t, &spots[row], &s, true);
            if (is_alone(&s, row, &alone)) {
                if (alone.n == ALONE) measure_alone(&alone, most, ids, metres);
                continue;
            }
            settle(&s);
        }
        fb_near_sort(s.ids, s.metres, s.n, k);
    }
    measure_alone(&alone, most, ids, metres);
}

TARGET static size_t LEVEL(nearest)(const fb_quads_t *t, const double *lat, const double *lng, size_t m,
                                    size_t k, double most, int64_t *ids, double *metres) {
    enum { FEW = 32, MANY = 1 << 16 };
    spot_t few_spots[FEW], *spots = few_spots;
    uint64_t few_words[2 * FEW], *words = few_words;
    size_t max = m < MANY ? m : MANY;
    const float bound = chord_bound(most);
    if (max > FEW) {
        spots = malloc(max * sizeof *spots);
        words = malloc(2 * max * sizeof *words);
    }
    if (spots == NULL || words == NULL) max = FEW;
    uint64_t *const order = max > FEW ? words : few_words;
    spot_t *const there = max > FEW ? spots : few_spots;
    for (size_t i = 0; i < m; i += max) {
        const size_t some = m - i < max ? m - i : max;
        LEVEL(find_spots)(lat + i, lng + i, some, there);
        for (size_t j = 0; j < some; j++) order[j] = (uint64_t)fb_quads_key(there[j].cx, there[j].cy) << 32 | j;
        if (max > FEW) fb_sort_words(order, order + max, some);
        LEVEL(nearest_some)(t, lat + i, lng + i, there, order, some, k, most, bound, ids + i * k,
                            metres + i * k);
    }
    if (spots != few_spots) free(spots);
    if (words != few_words) free(words);
    size_t n = 0;
    while (m && n < k && metres[(m - 1) * k + n] < INFINITY) n++;
    return n;
}

/* All within a distance, in no order. */
TARGET static fb_status_t LEVEL(within_one)(const fb_quads_t *t, double lat, double lng, double most,
                                            fb_quads_found_t *found) {
    search_t s;
    float squares[FB_QUADS_CHUNK];
    double metres[FB_QUADS_CHUNK];
    near_t stack[FB_QUADS_STACK];
    spot_t spot;
    LEVEL(find_spots)(&lat, &lng, 1, &spot);
    begin_search(&s, &spot, lat, lng, most, chord_bound(most));
    size_t depth = LEVEL(open_node)(t, 0, FB_QUADS_NONE, &s, stack, 0, 0);
    depth = LEVEL(open_node)(t, 4, FB_QUADS_NONE, &s, stack, 0, depth);
    while (depth) {
        const uint32_t at = stack[--depth].node, child = t->down[at];
        if (!(child & FB_QUADS_LEAF)) {
            depth = LEVEL(open_node)(t, child, FB_QUADS_NONE, &s, stack, depth, depth);
            continue;
        }
        uint32_t left = t->nodes[at].count;
        for (uint32_t head = fb_quads_head(t, at); left;) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
            const uint32_t some = fb_quads_in_head(left);
            uint32_t bits = ((1u << some) - 1) & LEVEL(near)(chunk, s.c, s.bound, squares);
            if (found->max - found->n < FB_QUADS_CHUNK && !fb_quads_more_room(found, true)) {
                return FB_NO_MEMORY;
            }
            if (bits) measure(chunk, &s, bits, metres);
            for (size_t i = 0; bits; bits &= bits - 1, i++) {
                found->ids[found->n] = chunk->ids[fb_trailing_zeros64(bits)];
                found->distances[found->n] = metres[i];
                found->n += metres[i] <= most;
            }
            left -= some;
            head = t->links[head].next;
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
            if (limit) {
                found->n += LEVEL(nearest)(t, lat + i, lng + i, 1, limit, metres[i], found->ids + before,
                                           found->distances + before);
            }
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
