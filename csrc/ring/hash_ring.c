/* Idea. Places are uniform, so their high bits tell where in the sorted array to look: `guide` has an
 * entry for every run of places with equal high bits, of one or two points on average, and a search
 * starts there and takes a step or so. That is O(1), and two cache misses, whatever the number of
 * nodes. What a search reads is kept small: 8 bytes of a point, 2 to 4 of the guide; the low half of a
 * place is needed once in billions of comparisons, except by KETAMA and LIBMEMCACHED for keys that lie at
 * a point. Names that an adversary chooses can make single runs long, answers stay right.
 *
 * Invariants. Points [0, n) are in the order of (place, node), of (place, -node) with KETAMA: of points
 * at one place the first counts. Point n (and a few more, which are looked at but never found) lies at
 * the end of all places and has the node of point 0, so that a search always ends, and wraps. guide[b] is
 * the index of the first point at or after b << shift.
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

/* A point while a ring is made. */
typedef struct {
    uint64_t place;
    uint32_t node;
} mark_t;

/* Points [from, to) of a node, as points of node `node`. */
static void place_points(fb_ring_hash_t hash, uint64_t seed, const fb_ring_node_t *n, uint32_t from,
                         uint32_t to, uint32_t node, mark_t *out) {
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

enum { AHEAD = 4 }; /* points that a search looks at in any case; so many lie at the end */

/* ---- making a ring --------------------------------------------------------------------------- */

static bool before(mark_t a, mark_t b, fb_ring_hash_t hash) {
    if (a.place != b.place) return a.place < b.place;
    return hash == FB_RING_KETAMA ? a.node > b.node : a.node < b.node;
}

/* Bits of a place that make runs of one or two of n points, on average. */
static unsigned guide_bits(size_t n) { return n < 4 ? 1 : 63 - fb_leading_zeros64(n); }

/* Sorts n points: by their high bits into runs of about one, then within each run. */
static fb_status_t sort_points(mark_t *points, size_t n, fb_ring_hash_t hash) {
    if (n < 2) return FB_OK;
    const unsigned shift = 64 - guide_bits(n);
    const size_t runs = (size_t)1 << (64 - shift);
    uint32_t *end = calloc(runs, sizeof *end);
    mark_t *sorted = malloc(n * sizeof *sorted);
    if (end == NULL || sorted == NULL) {
        free(end);
        free(sorted);
        return FB_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) end[points[i].place >> shift]++;
    for (size_t r = 1; r < runs; r++) end[r] += end[r - 1];
    for (size_t i = n; i-- > 0;) sorted[--end[points[i].place >> shift]] = points[i];
    for (size_t i = 1; i < n; i++) {
        const mark_t point = sorted[i];
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
    mark_t *points;
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
    mark_t *out = list->points;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const uint32_t from = come ? nodes[i].had : nodes[i].points;
        const uint32_t to = come ? nodes[i].points : nodes[i].had;
        if (to <= from) continue;
        place_points(hash, seed, &nodes[i], from, to, i, out);
        out += to - from;
    }
    return sort_points(list->points, list->n, hash);
}

FB_INLINE void append(fb_ring_t *ring, mark_t point) {
    ring->points[ring->n].high = (uint32_t)(point.place >> 32);
    ring->points[ring->n].node = point.node;
    ring->places[ring->n++] = point.place;
}

/* Gives the ring the points of `old`, whose nodes are called now[] (FB_RING_NONE: gone), less `gone`,
 * with `come`. */
static void merge(fb_ring_t *ring, const fb_ring_t *old, const uint32_t *now, list_t come,
                  list_t gone) {
    const mark_t *c = come.points, *const c_end = c + come.n;
    const mark_t *g = gone.points, *const g_end = g + gone.n;
    for (size_t i = 0; old != NULL && i < old->n; i++) {
        const mark_t point = {old->places[i], now[old->points[i].node]};
        if (point.node == FB_RING_NONE) continue;
        if (g < g_end && g->place == point.place && g->node == point.node) {
            g++;
            continue;
        }
        while (c < c_end && before(*c, point, ring->hash)) append(ring, *c++);
        append(ring, point);
    }
    while (c < c_end) append(ring, *c++);
}

/* What makes the points of a ring ones that can be searched. */
static void finish(fb_ring_t *ring) {
    const size_t runs = (size_t)1 << (64 - ring->shift);
    size_t run = 0;
    for (size_t i = ring->n; i < ring->n + AHEAD; i++) {
        ring->points[i].high = UINT32_MAX;
        ring->points[i].node = ring->n > 0 ? ring->points[0].node : FB_RING_NONE;
    }
    ring->places[ring->n] = UINT64_MAX;
    for (size_t i = 0; i < ring->n; i++) {
        const size_t last = (size_t)(ring->places[i] >> ring->shift);
        while (run <= last) ring->guide[run++] = (uint32_t)i;
    }
    while (run < runs) ring->guide[run++] = (uint32_t)ring->n;
}

fb_status_t fb_ring_make(fb_ring_t *ring, fb_ring_hash_t hash, uint64_t seed,
                         const fb_ring_node_t *nodes, uint32_t n_nodes, const fb_ring_t *old) {
    list_t come = {NULL, 0}, gone = {NULL, 0};
    const size_t old_nodes = old != NULL ? old->n_nodes : 0;
    size_t total = 0;
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
    for (uint32_t i = 0; i < n_nodes; i++) total += nodes[i].points;
    if (status == FB_OK && total > FB_RING_MAX_POINTS) status = FB_OUT_OF_RANGE;
    if (status == FB_OK) {
        ring->points = malloc((total + AHEAD) * sizeof *ring->points);
        ring->places = malloc((total + 1) * sizeof *ring->places);
        if (ring->points == NULL || ring->places == NULL) status = FB_NO_MEMORY;
    }
    if (status == FB_OK) {
        merge(ring, old, now, come, gone);
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
    free(ring->places);
    free(ring->guide);
    ring->points = NULL;
    ring->places = NULL;
    ring->guide = NULL;
}

size_t fb_ring_bytes(const fb_ring_t *ring) {
    if (ring->points == NULL) return 0;
    return (ring->n + AHEAD) * sizeof *ring->points + (ring->n + 1) * sizeof *ring->places +
           ((size_t)sizeof *ring->guide << (64 - ring->shift));
}

/* ---- lookups ----------------------------------------------------------------------------------- */

/* The index of the first point at or after `place`, seen from one before it; n if there is none. */
FB_INLINE size_t search(const fb_ring_t *ring, size_t i, uint64_t place) {
    const uint32_t high = (uint32_t)(place >> 32);
    const fb_ring_point_t *p = ring->points + i;
    /* Nearly always enough, and without a branch that cannot be foreseen. */
    size_t steps = (size_t)(p[0].high < high) + (p[1].high < high) + (p[2].high < high) +
                   (p[3].high < high);
    i += steps;
    if (FB_UNLIKELY(steps == AHEAD))
        while (ring->points[i].high < high) i++;
    if (FB_LIKELY(ring->points[i].high > high)) return i;
    while (ring->places[i] < place) i++;
    return i;
}

FB_INLINE size_t first_at(const fb_ring_t *ring, uint64_t place) {
    return search(ring, ring->guide[place >> ring->shift], place);
}

uint32_t fb_ring_find(const fb_ring_t *ring, uint64_t place) {
    return ring->points[first_at(ring, place)].node;
}

/* A slice at a time in three passes, each of which asks for the memory that the next one reads. */
void fb_ring_find_keys(const fb_ring_t *ring, fb_keys_cursor_t keys, uint64_t seed, int32_t *out) {
    const fb_hasher_t *hasher = fb_ring_hasher(ring->hash);
    uint64_t places[FB_KEYS_SLICE];
    uint32_t at[FB_KEYS_SLICE];
    size_t m;
    while ((m = hasher == NULL ? fb_keys_next(&keys, seed, places, FB_KEYS_SLICE)
                               : fb_keys_next_by(&keys, hasher, places, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < m; i++) FB_PREFETCH(&ring->guide[places[i] >> ring->shift]);
        for (size_t i = 0; i < m; i++) {
            at[i] = ring->guide[places[i] >> ring->shift];
            FB_PREFETCH(&ring->points[at[i]]);
        }
        for (size_t i = 0; i < m; i++)
            out[i] = (int32_t)ring->points[search(ring, at[i], places[i])].node;
        out += m;
    }
}

size_t fb_ring_rank(const fb_ring_t *ring, uint64_t place, const uint32_t *zones, uint32_t n_zones,
                    uint32_t want, uint32_t *out) {
    uint8_t *const seen = calloc((size_t)ring->n_nodes + n_zones + 1, 1);
    uint8_t *const zone_done = seen + ring->n_nodes;
    const size_t first = first_at(ring, place);
    size_t found = 0;
    uint32_t zones_left = n_zones; /* that may have nodes still */
    if (seen == NULL) return SIZE_MAX;
    for (bool more = true; more && found < want;) { /* one round; without zones one is enough */
        uint32_t zones_met = 0;
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
            if (zones != NULL && ++zones_met == zones_left) { /* no others are left for this round */
                more = true;
                break;
            }
        }
        zones_left = zones_met;
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
    size_t n = 0, p = 0, q = 0;
    for (uint64_t first = 0;;) {
        const uint64_t last = a->places[p] < b->places[q] ? a->places[p] : b->places[q];
        const uint32_t from = a->points[p].node, to = b->points[q].node;
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
        while (a->places[p] < first) p++;
        while (b->places[q] < first) q++;
    }
}
