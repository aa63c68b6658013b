/* Simulation of a cache on a trace.
 *
 * Keys are numbered once, so that each simulation finds a key's slot in an array instead of a hash table.
 * Slots of requests ahead are fetched early: the trace is known.
 *
 * MIN [1] evicts the entry whose next request is farthest. A heap holds the cached keys, the one to evict on
 * top. A hit, and so a new next request, is always the soonest of all before and later after: the key
 * moves towards the top only. O(log maxsize) for each request, O(n + n_keys) memory.
 *
 * Here a missed key is always stored, as the cache does: what was just set can be read. If it may be
 * passed by, MIN can do a little better: it keeps all it has when the new key is wanted last.
 *
 * [1] L. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
 *     Journal 5(2), 1966.
 */
#include "simulate.h"

#include <stdlib.h>

enum { AHEAD = 12 };

/* ---- traces -------------------------------------------------------------------------------------- */

/* Numbers what is new: *place, 0 so far, becomes the number of a key plus 1. The array of keys has room. */
FB_INLINE uint32_t number(fb_trace_t *t, uint32_t *place, uint64_t key) {
    if (*place == 0) {
        t->keys[t->n_keys++] = key;
        *place = t->n_keys;
    }
    return *place - 1;
}

/* Keys within a range not much wider than the trace is long: each has a place of its own. */
static fb_status_t number_dense(fb_trace_t *t, const uint64_t *keys, uint64_t least, uint64_t width) {
    uint32_t *places = calloc((size_t)width, sizeof *places);
    t->keys = malloc((size_t)(width < t->n ? width : t->n) * sizeof *t->keys);
    const bool ok = places != NULL && t->keys != NULL;
    for (size_t i = 0; ok && i < t->n; i++)
        t->ids[i] = number(t, &places[keys[i] - least], keys[i]);
    free(places);
    return ok ? FB_OK : FB_NO_MEMORY;
}

/* Other keys: the number of a key plus 1 is at the first free place from its hash on; 0: free. */
typedef struct {
    uint32_t *places;
    size_t mask; /* places - 1, a power of two less 1 */
} numbers_t;

FB_INLINE size_t place_of(const numbers_t *table, uint64_t key) {
    return (size_t)fb_simulate_hash(key, 0) & table->mask;
}

FB_INLINE uint32_t *find_place(const numbers_t *table, const fb_trace_t *t, uint64_t key) {
    size_t at = place_of(table, key);
    while (table->places[at] != 0 && t->keys[table->places[at] - 1] != key) at = (at + 1) & table->mask;
    return &table->places[at];
}

/* Makes the table and the array of keys twice as large. */
static fb_status_t grow(numbers_t *table, fb_trace_t *t) {
    const size_t n = 2 * (table->mask + 1);
    uint64_t *keys = realloc(t->keys, n / 2 * sizeof *keys);
    if (keys != NULL) t->keys = keys;
    uint32_t *places = calloc(n, sizeof *places);
    if (keys == NULL || places == NULL) {
        free(places);
        return FB_NO_MEMORY;
    }
    free(table->places);
    *table = (numbers_t){places, n - 1};
    for (uint32_t k = 0; k < t->n_keys; k++) {
        if (k + AHEAD < t->n_keys) FB_PREFETCH_WRITE(&places[place_of(table, t->keys[k + AHEAD])]);
        *find_place(table, t, t->keys[k]) = k + 1;
    }
    return FB_OK;
}

/* Places are fetched 2 * AHEAD requests ahead, the keys that stand there AHEAD. */
FB_INLINE void fetch_place(const numbers_t *table, const fb_trace_t *t, const uint64_t *keys, size_t i) {
    if (i + 2 * AHEAD >= t->n) return;
    FB_PREFETCH_WRITE(&table->places[place_of(table, keys[i + 2 * AHEAD])]);
    const uint32_t k = table->places[place_of(table, keys[i + AHEAD])];
    if (k != 0) FB_PREFETCH(&t->keys[k - 1]);
}

static fb_status_t number_sparse(fb_trace_t *t, const uint64_t *keys) {
    numbers_t table = {NULL, 1023};
    fb_status_t status = grow(&table, t);
    for (size_t i = 0; status == FB_OK && i < t->n; i++) {
        fetch_place(&table, t, keys, i);
        t->ids[i] = number(t, find_place(&table, t, keys[i]), keys[i]);
        if (t->n_keys > table.mask / 2) status = grow(&table, t);
    }
    free(table.places);
    return status;
}

fb_status_t fb_trace_init(fb_trace_t *t, const uint64_t *keys, size_t n) {
    *t = (fb_trace_t){.n = n};
    if (n >= UINT32_MAX) return FB_FULL;
    t->ids = malloc((n + 1) * sizeof *t->ids);
    if (t->ids == NULL) return FB_NO_MEMORY;
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < n; i++) {
        least = keys[i] < least ? keys[i] : least;
        most = keys[i] > most ? keys[i] : most;
    }
    const bool dense = n > 0 && most - least < 4 * (uint64_t)n;
    const fb_status_t status =
        dense ? number_dense(t, keys, least, most - least + 1) : number_sparse(t, keys);
    if (status != FB_OK) fb_trace_free(t);
    return status;
}

void fb_trace_free(fb_trace_t *t) {
    free(t->ids);
    free(t->keys);
    *t = (fb_trace_t){.n = 0};
}

/* ---- policies ------------------------------------------------------------------------------------ */

/* Stores a key that was missed. */
static fb_status_t load(fb_policy_t *p, uint32_t id, uint64_t hash, uint32_t *slot_of,
                        uint32_t *id_of) {
    const fb_status_t status = fb_policy_reserve(p);
    if (status != FB_OK) return status;
    uint32_t victim;
    const uint32_t slot = fb_policy_replace(p, hash, &victim);
    slot_of[id] = slot;
    id_of[slot] = id;
    if (victim != FB_POLICY_NONE) {
        slot_of[id_of[victim]] = FB_POLICY_NONE;
        fb_policy_release_slot(p, victim);
    }
    return FB_OK;
}

/* Slots are fetched 2 * AHEAD requests ahead, entries and, for
 * misses, the sketch AHEAD. */
FB_INLINE void fetch(const fb_policy_t *p, const fb_trace_t *t, const uint32_t *slot_of, size_t i) {
    if (i + 2 * AHEAD >= t->n) return;
    FB_PREFETCH(&slot_of[t->ids[i + 2 * AHEAD]]);
    const uint32_t id = t->ids[i + AHEAD], slot = slot_of[id];
    if (slot != FB_POLICY_NONE)
        FB_PREFETCH_WRITE(&p->entries[slot]);
    else if (p->kind == FB_POLICY_W_TINYLFU)
        FB_PREFETCH_WRITE(
            fb_frequency_block(&p->sketch, fb_simulate_hash(t->keys[id], p->seed)));
}

static fb_status_t replay(fb_policy_t *p, const fb_trace_t *t, uint32_t *slot_of, uint32_t *id_of,
                          uint64_t *hits) {
    uint64_t misses = 0;
    for (size_t i = 0; i < t->n; i++) {
        const uint32_t id = t->ids[i], slot = slot_of[id];
        fetch(p, t, slot_of, i);
        if (slot != FB_POLICY_NONE) {
            fb_policy_hit(p, slot);
            continue;
        }
        const fb_status_t status = load(p, id, fb_simulate_hash(t->keys[id], p->seed), slot_of, id_of);
        if (status != FB_OK) return status;
        misses++;
    }
    *hits = t->n - misses;
    return FB_OK;
}

fb_status_t fb_simulate_trace(const fb_trace_t *t, fb_policy_kind_t kind, uint64_t maxsize,
                              uint64_t seed, uint64_t *hits) {
    fb_policy_t policy;
    fb_status_t status = fb_policy_init(&policy, kind, maxsize, false, seed);
    if (status != FB_OK) return status;
    /* the slot of each key, and the key of each slot */
    uint32_t *slot_of = malloc(2 * ((size_t)t->n_keys + 1) * sizeof *slot_of);
    if (slot_of == NULL) {
        status = FB_NO_MEMORY;
    } else {
        memset(slot_of, 0xff, t->n_keys * sizeof *slot_of); /* NONE */
        status = replay(&policy, t, slot_of, slot_of + t->n_keys + 1, hits);
    }
    free(slot_of);
    fb_policy_free(&policy);
    return status;
}

/* ---- MIN ----------------------------------------------------------------------------------------- */

enum { ABSENT = UINT32_MAX };

typedef struct {
    uint32_t *keys; /* a heap: the next request of [i] is not before those of [2i + 1] and [2i + 2] */
    uint32_t *next; /* of each key: its next request, `never` if there is none; ABSENT: not cached */
    uint32_t *place; /* of each cached key: where it is in the heap */
    size_t n;
} heap_t;

static void heap_place(heap_t *h, size_t i, uint32_t key) {
    h->keys[i] = key;
    h->place[key] = (uint32_t)i;
}

static void heap_rise(heap_t *h, size_t i, uint32_t key) {
    for (; i > 0 && h->next[h->keys[(i - 1) / 2]] < h->next[key]; i = (i - 1) / 2)
        heap_place(h, i, h->keys[(i - 1) / 2]);
    heap_place(h, i, key);
}

static void heap_pop(heap_t *h) {
    h->next[h->keys[0]] = ABSENT;
    const uint32_t last = h->keys[--h->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->next[h->keys[child]] < h->next[h->keys[child + 1]]) child++;
        if (h->next[h->keys[child]] <= h->next[last]) break;
        heap_place(h, i, h->keys[child]);
    }
    if (h->n > 0) heap_place(h, i, last);
}

/* following[i] = the next request for the key of request i, or n. */
static void find_following(const fb_trace_t *t, uint32_t *soonest, uint32_t *following) {
    for (uint32_t k = 0; k < t->n_keys; k++) soonest[k] = (uint32_t)t->n;
    for (size_t i = t->n; i-- > 0;) {
        following[i] = soonest[t->ids[i]];
        soonest[t->ids[i]] = (uint32_t)i;
    }
}

static uint64_t min_hits(const fb_trace_t *t, uint64_t maxsize, heap_t *h, const uint32_t *following) {
    uint64_t hits = 0;
    for (uint32_t k = 0; k < t->n_keys; k++) h->next[k] = ABSENT;
    for (size_t i = 0; i < t->n; i++) {
        const uint32_t key = t->ids[i];
        const bool hit = h->next[key] != ABSENT;
        if (!hit && h->n == maxsize) heap_pop(h);
        h->next[key] = following[i];
        heap_rise(h, hit ? h->place[key] : h->n++, key);
        hits += hit;
    }
    return hits;
}

fb_status_t fb_simulate_trace_opt(const fb_trace_t *t, uint64_t maxsize, uint64_t *hits) {
    const size_t n_keys = (size_t)t->n_keys + 1;
    uint32_t *memory = malloc((3 * n_keys + t->n) * sizeof *memory);
    if (memory == NULL) return FB_NO_MEMORY;
    heap_t heap = {memory, memory + n_keys, memory + 2 * n_keys, 0};
    uint32_t *following = memory + 3 * n_keys;
    find_following(t, heap.next, following);
    *hits = min_hits(t, maxsize, &heap, following);
    free(memory);
    return FB_OK;
}

/* ---- bare keys ----------------------------------------------------------------------------------- */

fb_status_t fb_simulate(const uint64_t *keys, size_t n, fb_policy_kind_t kind, uint64_t maxsize,
                        uint64_t seed, uint64_t *hits) {
    fb_trace_t t;
    fb_status_t status = fb_trace_init(&t, keys, n);
    if (status == FB_OK) status = fb_simulate_trace(&t, kind, maxsize, seed, hits);
    fb_trace_free(&t);
    return status;
}

fb_status_t fb_simulate_opt(const uint64_t *keys, size_t n, uint64_t maxsize, uint64_t *hits) {
    fb_trace_t t;
    fb_status_t status = fb_trace_init(&t, keys, n);
    if (status == FB_OK) status = fb_simulate_trace_opt(&t, maxsize, hits);
    fb_trace_free(&t);
    return status;
}
