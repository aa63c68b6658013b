/* Idea. Places are uniform, so their high bits tell where in the sorted array to look: `guide` has an
 * entry for every run of places with equal high bits, about one run per point, and a search starts
 * there and takes less than one step on average. That is O(1), and two cache misses, whatever the
 * number of nodes. Names that an adversary chooses can make single runs long, answers stay right.
 *
 * Invariants. points[0..n) are in the order of (place, node), of (place, -node) with KETAMA: of points at
 * one place the first counts. points[n] lies at the end of all places and has the node of points[0], so
 * that a search always ends, and wraps. guide[b] is the index of the first point at or after b << shift.
 *
 * A change merges the points of the old ring, less those that go, with the sorted new ones.
 */
#include "ring/hash_ring.h"

#include <stdlib.h>

#include "ring/md5.h"
#include "xxh3.h"

/* ---- where points and keys lie --------------------------------------------------------------- */

enum { NAME_MAX_BYTES = 4096, LABEL_MAX = NAME_MAX_BYTES + 11 };

/* Writes the digits of x, and returns their number. */
static size_t decimal(uint64_t x, uint8_t *out) {
    uint8_t reversed[20];
    size_t n = 0;
    do {
        reversed[n++] = (uint8_t)('0' + x % 10);
        x /= 10;
    } while (x > 0);
    for (size_t i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    return n;
}

static uint64_t splitmix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* Points [from, to) of a node, as points of node `node`. */
static void place_points(fb_ring_hash_t hash, uint64_t seed, const fb_ring_node_t *n, uint32_t from,
                         uint32_t to, uint32_t node, fb_ring_point_t *out) {
    if (hash == FB_RING_XXH3) {
        const uint64_t start = fb_xxh3_64(n->name, n->len, seed);
        for (uint32_t j = from; j < to; j++) {
            out->place = splitmix(start + ((uint64_t)j + 1) * 0x9E3779B97F4A7C15ull);
            (out++)->node = node;
        }
        return;
    }
    uint8_t label[LABEL_MAX];
    memcpy(label, n->name, n->len);
    label[n->len] = '-';
    for (uint32_t j = from / 4; j < to / 4; j++) {
        uint32_t digest[4];
        fb_md5(label, n->len + 1 + decimal(j, label + n->len + 1), digest);
        for (int word = 0; word < 4; word++) {
            out->place = (uint64_t)digest[word] << 32;
            (out++)->node = node;
        }
    }
}

static uint64_t md5_word(const uint8_t *key, size_t len) {
    uint32_t digest[4];
    fb_md5(key, len, digest);
    return (uint64_t)digest[0] << 32;
}

/* An integer key is hashed as its decimal text. */
static uint64_t md5_integer(uint64_t word, bool negative) {
    uint8_t text[21] = {'-'};
    return md5_word(text, negative + decimal(negative ? 0 - word : word, text + negative));
}

/* A key lies just after a point at its place, which so does not get it. */
static uint64_t ketama_word(const uint8_t *key, size_t len) { return md5_word(key, len) | 1; }
static uint64_t ketama_integer(uint64_t word, bool negative) {
    return md5_integer(word, negative) | 1;
}

const fb_hasher_t *fb_ring_hasher(fb_ring_hash_t hash) {
    static const fb_hasher_t ketama = {ketama_word, ketama_integer};
    static const fb_hasher_t libmemcached = {md5_word, md5_integer};
    return hash == FB_RING_XXH3 ? NULL : hash == FB_RING_KETAMA ? &ketama : &libmemcached;
}

/* ---- making a ring --------------------------------------------------------------------------- */

static bool before(fb_ring_point_t a, fb_ring_point_t b, fb_ring_hash_t hash) {
    if (a.place != b.place) return a.place < b.place;
    return hash == FB_RING_KETAMA ? a.node > b.node : a.node < b.node;
}

/* Bits of a place that tell n points apart, about. */
static unsigned guide_bits(size_t n) { return n < 2 ? 1 : 64 - fb_leading_zeros64(n - 1); }

/* Sorts n points: by their high bits into runs of about one, then within each run. */
static fb_status_t sort_points(fb_ring_point_t *points, size_t n, fb_ring_hash_t hash) {
    if (n < 2) return FB_OK;
    const unsigned shift = 64 - guide_bits(n);
    const size_t runs = (size_t)1 << (64 - shift);
    uint32_t *end = calloc(runs, sizeof *end);
    fb_ring_point_t *sorted = malloc(n * sizeof *sorted);
    if (end == NULL || sorted == NULL) {
        free(end);
        free(sorted);
        return FB_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) end[points[i].place >> shift]++;
    for (size_t r = 1; r < runs; r++) end[r] += end[r - 1];
    for (size_t i = n; i-- > 0;) sorted[--end[points[i].place >> shift]] = points[i];
    for (size_t i = 1; i < n; i++) {
        const fb_ring_point_t point = sorted[i];
        size_t j = i;
        for (; j > 0 && before(point, sorted[j - 1], hash); j--) sorted[j] = sorted[j - 1];
        sorted[j] = point;
    }
    memcpy(points, sorted, n * sizeof *sorted);
    free(end);
    free(sorted);
    return FB_OK;
}

/* A sorted list of points that come or go. */
typedef struct {
    fb_ring_point_t *points;
    size_t n;
} list_t;

/* The points that nodes shall have (`come`) beyond those they had, or had beyond those they shall have;
 * nodes of the old ring that go altogether are not among the latter. */
static fb_status_t list_changes(list_t *list, bool come, fb_ring_hash_t hash, uint64_t seed,
                                const fb_ring_node_t *nodes, uint32_t n_nodes) {
    list->n = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const uint32_t from = come ? nodes[i].had : nodes[i].points;
        const uint32_t to = come ? nodes[i].points : nodes[i].had;
        if (to > from) list->n += to - from;
        if (list->n > FB_RING_MAX_POINTS) return FB_OUT_OF_RANGE;
    }
    list->points = malloc((list->n + 1) * sizeof *list->points);
    if (list->points == NULL) return FB_NO_MEMORY;
    fb_ring_point_t *out = list->points;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const uint32_t from = come ? nodes[i].had : nodes[i].points;
        const uint32_t to = come ? nodes[i].points : nodes[i].had;
        if (to <= from) continue;
        place_points(hash, seed, &nodes[i], from, to, i, out);
        out += to - from;
    }
    return sort_points(list->points, list->n, hash);
}

/* Writes the points of `old`, whose nodes are called now[] (FB_RING_NONE: gone), less `gone`, with
 * `come`, and returns their number. */
static size_t merge(const fb_ring_t *old, const uint32_t *now, list_t come, list_t gone,
                    fb_ring_hash_t hash, fb_ring_point_t *out) {
    fb_ring_point_t *const start = out;
    const fb_ring_point_t *c = come.points, *const c_end = c + come.n;
    const fb_ring_point_t *g = gone.points, *const g_end = g + gone.n;
    for (size_t i = 0; old != NULL && i < old->n; i++) {
        const fb_ring_point_t point = {old->points[i].place, now[old->points[i].node]};
        if (point.node == FB_RING_NONE) continue;
        if (g < g_end && g->place == point.place && g->node == point.node) {
            g++;
            continue;
        }
        while (c < c_end && before(*c, point, hash)) *out++ = *c++;
        *out++ = point;
    }
    while (c < c_end) *out++ = *c++;
    return (size_t)(out - start);
}

/* What makes the sorted points of a ring one that can be searched. */
static void finish(fb_ring_t *ring) {
    const size_t runs = (size_t)1 << (64 - ring->shift);
    size_t i = 0;
    ring->points[ring->n].place = UINT64_MAX;
    ring->points[ring->n].node = ring->n > 0 ? ring->points[0].node : FB_RING_NONE;
    for (size_t run = 0; run < runs; run++) {
        while (i < ring->n && ring->points[i].place >> ring->shift < run) i++;
        ring->guide[run] = (uint32_t)i;
    }
}

fb_status_t fb_ring_make(fb_ring_t *ring, fb_ring_hash_t hash, uint64_t seed,
                         const fb_ring_node_t *nodes, uint32_t n_nodes, const fb_ring_t *old) {
    list_t come = {NULL, 0}, gone = {NULL, 0};
    const size_t n_old = old != NULL ? old->n : 0, old_nodes = old != NULL ? old->n_nodes : 0;
    uint32_t *now = malloc((old_nodes + 1) * sizeof *now);
    fb_status_t status = now == NULL ? FB_NO_MEMORY : FB_OK;
    memset(ring, 0, sizeof *ring);
    ring->hash = hash;
    ring->n_nodes = n_nodes;
    if (status == FB_OK) {
        for (size_t i = 0; i < old_nodes; i++) now[i] = FB_RING_NONE;
        for (uint32_t i = 0; i < n_nodes; i++)
            if (nodes[i].was != FB_RING_NONE) now[nodes[i].was] = i;
        status = list_changes(&come, true, hash, seed, nodes, n_nodes);
    }
    if (status == FB_OK) status = list_changes(&gone, false, hash, seed, nodes, n_nodes);
    if (status == FB_OK && n_old + come.n > FB_RING_MAX_POINTS) status = FB_OUT_OF_RANGE;
    if (status == FB_OK) {
        ring->points = malloc((n_old + come.n + 1) * sizeof *ring->points);
        if (ring->points == NULL) status = FB_NO_MEMORY;
    }
    if (status == FB_OK) {
        ring->n = merge(old, now, come, gone, hash, ring->points);
        ring->shift = 64 - guide_bits(ring->n);
        ring->guide = malloc(((size_t)1 << (64 - ring->shift)) * sizeof *ring->guide);
        if (ring->guide == NULL) status = FB_NO_MEMORY;
    }
    if (status == FB_OK)
        finish(ring);
    else
        fb_ring_drop(ring);
    free(now);
    free(come.points);
    free(gone.points);
    return status;
}

void fb_ring_drop(fb_ring_t *ring) {
    free(ring->points);
    free(ring->guide);
    ring->points = NULL;
    ring->guide = NULL;
}

size_t fb_ring_bytes(const fb_ring_t *ring) {
    if (ring->points == NULL) return 0;
    return (ring->n + 1) * sizeof *ring->points + ((size_t)sizeof *ring->guide << (64 - ring->shift));
}

/* ---- lookups ----------------------------------------------------------------------------------- */

/* The index of the first point at or after `place`; n if there is none. */
FB_INLINE size_t search(const fb_ring_t *ring, uint64_t place) {
    size_t i = ring->guide[place >> ring->shift];
    while (ring->points[i].place < place) i++;
    return i;
}

uint32_t fb_ring_find(const fb_ring_t *ring, uint64_t place) {
    return ring->points[search(ring, place)].node;
}

/* A slice at a time in three passes, each of which asks for the memory that the next one reads. */
void fb_ring_find_keys(const fb_ring_t *ring, fb_keys_cursor_t keys, uint64_t seed, int32_t *out) {
    const fb_hasher_t *hasher = fb_ring_hasher(ring->hash);
    uint64_t places[FB_KEYS_SLICE];
    const fb_ring_point_t *at[FB_KEYS_SLICE];
    size_t m;
    while ((m = hasher == NULL ? fb_keys_next(&keys, seed, places, FB_KEYS_SLICE)
                               : fb_keys_next_by(&keys, hasher, places, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < m; i++) FB_PREFETCH(&ring->guide[places[i] >> ring->shift]);
        for (size_t i = 0; i < m; i++) {
            at[i] = ring->points + ring->guide[places[i] >> ring->shift];
            FB_PREFETCH(at[i]);
        }
        for (size_t i = 0; i < m; i++) {
            const fb_ring_point_t *point = at[i];
            while (point->place < places[i]) point++;
            out[i] = (int32_t)point->node;
        }
        out += m;
    }
}

size_t fb_ring_rank(const fb_ring_t *ring, uint64_t place, const uint32_t *zones, uint32_t n_zones,
                    uint32_t want, uint32_t *out) {
    uint8_t *const seen = calloc((size_t)ring->n_nodes + n_zones + 1, 1);
    uint8_t *const zone_done = seen + ring->n_nodes;
    const size_t first = search(ring, place);
    size_t found = 0;
    if (seen == NULL) return SIZE_MAX;
    for (bool more = true; more && found < want;) { /* one round; without zones one is enough */
        more = false;
        if (zones != NULL) memset(zone_done, 0, n_zones);
        for (size_t step = 0, i = first; step < ring->n && found < want; step++, i++) {
            if (i >= ring->n) i = 0;
            const uint32_t node = ring->points[i].node;
            if (seen[node]) continue;
            if (zones != NULL) {
                if (zone_done[zones[node]]) {
                    more = true;
                    continue;
                }
                zone_done[zones[node]] = 1;
            }
            seen[node] = 1;
            out[found++] = node;
        }
    }
    free(seen);
    return found;
}

/* Whether keys of node `from` of one ring and of `to` of the other are moved. */
static bool moved(uint32_t from, uint32_t to, const uint32_t *same) {
    if (from == FB_RING_NONE || to == FB_RING_NONE) return from != to;
    return same[to] != from;
}

size_t fb_ring_diff(const fb_ring_t *a, const fb_ring_t *b, const uint32_t *same,
                    fb_ring_arc_t *arcs) {
    const fb_ring_point_t *p = a->points, *q = b->points;
    size_t n = 0;
    for (uint64_t first = 0;;) {
        const uint64_t last = p->place < q->place ? p->place : q->place;
        const uint32_t from = p->node, to = q->node;
        if (moved(from, to, same)) {
            fb_ring_arc_t *previous = n > 0 ? &arcs[n - 1] : NULL;
            if (previous != NULL && previous->last + 1 == first && previous->from == from &&
                previous->to == to)
                previous->last = last;
            else
                arcs[n++] = (fb_ring_arc_t){first, last, from, to};
        }
        if (last == UINT64_MAX) return n;
        first = last + 1;
        while (p->place < first) p++;
        while (q->place < first) q++;
    }
}
