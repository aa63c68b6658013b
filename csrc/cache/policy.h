/* Which entry of a full cache has to go: W-TinyLFU with an adaptive window, LRU, S3-FIFO or SIEVE.
 *
 * A policy keeps one number (slot) per entry and its order; it knows no keys or values, only a 64-bit
 * hash, well mixed by a secret seed, and a weight. The cache on top keeps keys and values in arrays
 * parallel to the slots. To add an entry:
 *
 *     fb_policy_reserve(p); grow the parallel arrays to p->n_slots;
 *     slot = fb_policy_enter(p, hash, weight);
 *     while ((v = fb_policy_victim(p)) != FB_POLICY_NONE) { drop v's key and value;
 *                                                           fb_policy_release_slot(p, v); }
 *
 * A request is fb_policy_hit on a hit and fb_policy_enter on a miss, so get-or-set counts once. Where entries
 * weigh 1, fb_policy_replace is the last three lines, up to the releasing of the slot. The
 * same calls with the same seed make the same decisions on every machine. W-TinyLFU is told at the top
 * of tinylfu.c, its adaptation in shadows.c, the FIFO policies in fifo.c. Not for two threads at once.
 */
#ifndef FB_CACHE_POLICY_H
#define FB_CACHE_POLICY_H

#include "sketches/frequency.h"

typedef enum {
    FB_POLICY_W_TINYLFU,
    FB_POLICY_LRU,
    FB_POLICY_S3_FIFO,
    FB_POLICY_SIEVE
} fb_policy_kind_t;

#define FB_POLICY_NONE UINT32_MAX
#define FB_POLICY_MAX_SLOTS (UINT32_MAX - 1)
#define FB_TINYLFU_MOST (1u << 25) /* entries: bursts in a larger cache are as in one of that size */

/* Lists of entries, newest first. The first is the only one of LRU and SIEVE. */
enum {
    FB_LIST_WINDOW = 0,    /* W-TinyLFU: new entries */
    FB_LIST_PROBATION = 1, /* W-TinyLFU: admitted, not requested since */
    FB_LIST_PROTECTED = 2, /* W-TinyLFU: admitted and requested again */
    FB_LIST_SMALL = 0,     /* S3-FIFO: new entries */
    FB_LIST_MAIN = 1,      /* S3-FIFO: those requested again */
    FB_LISTS = 3,
    FB_LIST_NONE = 3 /* in no list: free, or a victim not yet released */
};

typedef struct {
    uint64_t hash;
    uint32_t prev, next; /* towards newer, towards older; `next` of a free slot: the next free one */
    uint32_t meta;       /* list, count, AHEAD, and from ONE up: time last counted (W-TinyLFU), requests
                            0 .. 3 (S3-FIFO), whether visited (SIEVE) */
    uint32_t seen;       /* time of the last request that moved it (W-TinyLFU); chain (in a shadow) */
} fb_policy_entry_t;

enum {
    FB_META_LIST = 3,         /* the list */
    FB_META_COUNT = 15 << 2,  /* how often it was requested lately (W-TinyLFU) */
    FB_META_COUNT_ONE = 1 << 2,
    FB_META_AHEAD = 1 << 6,   /* the count is more than the sketch knows */
    FB_META_ONE = 1 << 7      /* 1 in the field above these */
};

typedef struct {
    uint32_t newest, oldest;
    uint64_t weight;
} fb_policy_list_t;

typedef struct fb_shadows fb_shadows_t;
typedef struct fb_ghosts fb_ghosts_t;

typedef struct {
    fb_policy_entry_t *entries;
    uint64_t *weights; /* of the entries; NULL: all weigh 1 */
    uint32_t n_slots;  /* capacity of the arena */
    uint32_t n_used;   /* slots that were ever in use; those above are free too */
    uint32_t free;     /* head of the list of free slots below n_used */
    uint32_t n_entries;
    uint32_t last; /* entered or reweighed last: not evicted */
    fb_policy_kind_t kind;
    bool weighted;
    uint64_t maxsize, weight, seed;
    fb_policy_list_t lists[FB_LISTS];
    uint32_t hand; /* SIEVE: where the search for a victim goes on; NONE: at the oldest */
    /* W-TinyLFU */
    uint32_t time; /* number of entries ever entered, times FB_META_ONE */
    uint32_t choice; /* row of fb_tinylfu_choices in force */
    uint64_t window_max, protected_max; /* weights that the segments may have */
    uint64_t random;
    fb_frequency_t sketch;
    fb_shadows_t *shadows; /* NULL while there are none */
    uint64_t sampled_below; /* entries that the shadows see, by fb_policy_sample; 0: none */
    fb_ghosts_t *ghosts;    /* S3-FIFO */
} fb_policy_t;

/* An empty policy. maxsize is 1 .. 2^31 - 1, or 1 .. 2^63 - 1 if weighted. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_policy_init(fb_policy_t *p, fb_policy_kind_t kind, uint64_t maxsize, bool weighted,
                           uint64_t seed);
void fb_policy_free(fb_policy_t *p);

/* Makes sure that one more entry fits; the arena may move and grow (geometrically, but not beyond
 * maxsize + 1 slots if nothing is weighed). FB_OK; or FB_NO_MEMORY, FB_FULL (2^32 entries) and nothing
 * a caller could notice has changed. */
fb_status_t fb_policy_reserve(fb_policy_t *p);

/* Adds an entry of weight <= maxsize (1 if nothing is weighed) and counts a request for it. Room was
 * reserved. Then ask for victims. */
uint32_t fb_policy_enter(fb_policy_t *p, uint64_t hash, uint64_t weight);

/* Removes an entry that the caller drops on its own account; the slot is free again. */
void fb_policy_leave(fb_policy_t *p, uint32_t slot);

/* While the sum of weights is above maxsize: takes the entry that has to go out of the policy and
 * returns its slot, to be given back by fb_policy_release_slot; its hash is readable until
 * then. FB_POLICY_NONE when in bounds. Never the entry that was entered or reweighed last. */
uint32_t fb_policy_victim(fb_policy_t *p);

/* fb_policy_replace of a full W-TinyLFU cache with a free slot (tinylfu.c). */
uint32_t fb_tinylfu_replace(fb_policy_t *p, uint64_t hash, uint32_t *victim);

/* fb_policy_enter and fb_policy_victim in one, for an entry of weight 1 and a cache in bounds: *victim is what has to
 * go for it, or NONE. */
FB_INLINE uint32_t fb_policy_replace(fb_policy_t *p, uint64_t hash, uint32_t *victim) {
    const bool full = p->weight == p->maxsize && p->free != FB_POLICY_NONE && !p->weighted;
    if (FB_LIKELY(full && p->kind == FB_POLICY_W_TINYLFU)) return fb_tinylfu_replace(p, hash, victim);
    const uint32_t slot = fb_policy_enter(p, hash, 1);
    *victim = fb_policy_victim(p);
    return slot;
}

/* The same in bounds too: the entry that would go next, whichever it is; NONE if there are none. */
uint32_t fb_policy_pop(fb_policy_t *p);

/* Gives an entry another weight, <= maxsize (1 if nothing is weighed); counts no request. Then ask for victims. */
void fb_policy_reweigh(fb_policy_t *p, uint32_t slot, uint64_t weight);

/* Another maxsize. FB_OK; then ask for victims. */
fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize);

/* Forgets all entries and all that was learnt; keeps the arena. */
void fb_policy_clear(fb_policy_t *p);

/* The entry after `slot` (the first after NONE), about in the order in which they would be evicted;
 * NONE at the end. Entering them in this order into an empty policy keeps the hottest safest. */
uint32_t fb_policy_next(const fb_policy_t *p, uint32_t slot);

/* Heap bytes beside the struct itself. */
size_t fb_policy_bytes(const fb_policy_t *p);

/* True if lists, weights, free slots and parts fit together; for tests. O(n). */
bool fb_policy_ok(const fb_policy_t *p);

/* For the policies' own files: a slot for a new entry that is in no list yet; room was reserved. */
uint32_t fb_policy_take_slot(fb_policy_t *p, uint64_t hash, uint64_t weight);

FB_INLINE void fb_policy_release_slot(fb_policy_t *p, uint32_t slot) {
    p->entries[slot].next = p->free;
    p->free = slot;
}

/* Whether it is plain that fb_policy_reserve has nothing to do, as in a full cache whose entries weigh 1. */
FB_INLINE bool fb_policy_roomy(const fb_policy_t *p) {
    if (p->free == FB_POLICY_NONE || p->weighted || p->kind == FB_POLICY_S3_FIFO) return false;
    return p->kind != FB_POLICY_W_TINYLFU || (p->sampled_below != 0 && p->n_entries <= p->sketch.n_blocks * 8);
}

/* ---- lists ------------------------------------------------------------------------------------ */

FB_INLINE unsigned fb_policy_list_of(const fb_policy_entry_t *e) { return e->meta & FB_META_LIST; }

FB_INLINE uint64_t fb_policy_weight_of(const fb_policy_t *p, uint32_t slot) {
    return p->weights == NULL ? 1 : p->weights[slot];
}

/* Takes an entry out of the order of its list; weights and meta stay. */
FB_INLINE void fb_policy_cut(fb_policy_t *p, fb_policy_list_t *list, uint32_t slot) {
    const fb_policy_entry_t *e = &p->entries[slot];
    if (e->prev == FB_POLICY_NONE)
        list->newest = e->next;
    else
        p->entries[e->prev].next = e->next;
    if (e->next == FB_POLICY_NONE)
        list->oldest = e->prev;
    else
        p->entries[e->next].prev = e->prev;
}

/* Makes it the newest of a list. */
FB_INLINE void fb_policy_put(fb_policy_t *p, fb_policy_list_t *list, uint32_t slot) {
    fb_policy_entry_t *e = &p->entries[slot];
    e->prev = FB_POLICY_NONE;
    e->next = list->newest;
    if (list->newest == FB_POLICY_NONE)
        list->oldest = slot;
    else
        p->entries[list->newest].prev = slot;
    list->newest = slot;
}

/* Makes it the newest of its own list. */
FB_INLINE void fb_policy_touch(fb_policy_t *p, fb_policy_list_t *list, uint32_t slot) {
    if (list->newest == slot) return;
    fb_policy_cut(p, list, slot);
    fb_policy_put(p, list, slot);
}

/* Adds an entry that is in no list to one; takes it out; both. */
FB_INLINE void fb_policy_link(fb_policy_t *p, unsigned list, uint32_t slot) {
    fb_policy_put(p, &p->lists[list], slot);
    p->lists[list].weight += fb_policy_weight_of(p, slot);
    p->entries[slot].meta = (p->entries[slot].meta & ~(uint32_t)FB_META_LIST) | list;
}

FB_INLINE void fb_policy_unlink(fb_policy_t *p, uint32_t slot) {
    fb_policy_list_t *list = &p->lists[fb_policy_list_of(&p->entries[slot])];
    fb_policy_cut(p, list, slot);
    list->weight -= fb_policy_weight_of(p, slot);
    p->entries[slot].meta |= FB_LIST_NONE;
}

FB_INLINE void fb_policy_move(fb_policy_t *p, unsigned list, uint32_t slot) {
    fb_policy_unlink(p, slot);
    fb_policy_link(p, list, slot);
}

/* The oldest entry of a list that may be evicted, or NONE. */
FB_INLINE uint32_t fb_policy_oldest(const fb_policy_t *p, unsigned list) {
    const uint32_t slot = p->lists[list].oldest;
    return slot != FB_POLICY_NONE && slot == p->last ? p->entries[slot].prev : slot;
}

/* ---- a request for an entry that is there ------------------------------------------------------ */

/* A probation entry that was requested becomes protected (tinylfu.c). */
void fb_tinylfu_promote(fb_policy_t *p, uint32_t slot);

/* Halves all counts, when there were `records` requests counted (tinylfu.c). */
void fb_tinylfu_age(fb_policy_t *p, uint64_t records);

/* The shadows' share of a request for an entry that has this count (shadows.c). */
void fb_shadows_request(fb_policy_t *p, uint64_t hash, uint32_t count);

/* What decides whether the shadows see a hash: independent of its bits that the sketch uses. */
FB_INLINE uint64_t fb_policy_sample(uint64_t hash) { return hash * 0x9E3779B97F4A7C15ull; }

FB_INLINE void fb_tinylfu_show_shadows(fb_policy_t *p, uint32_t slot) {
    const fb_policy_entry_t *e = &p->entries[slot];
    if (FB_UNLIKELY(fb_policy_sample(e->hash) < p->sampled_below))
        fb_shadows_request(p, e->hash, e->meta & FB_META_COUNT);
}

/* One request more was counted. */
FB_INLINE void fb_tinylfu_counted(fb_policy_t *p) {
    const uint64_t records = fb_frequency_records(&p->sketch) + 1;
    if (FB_UNLIKELY(records >= p->sketch.sample_size))
        fb_tinylfu_age(p, records);
    else
        fb_frequency_set_records(&p->sketch, records);
}

/* The order of the segments after a request for an entry. */
FB_INLINE void fb_tinylfu_touch(fb_policy_t *p, uint32_t slot) {
    const unsigned list = fb_policy_list_of(&p->entries[slot]);
    if (list == FB_LIST_PROBATION)
        fb_tinylfu_promote(p, slot);
    else
        fb_policy_touch(p, &p->lists[list], slot);
}

/* Insertions since a time that stands in the upper bits of `then`, modulo what these hold. */
FB_INLINE uint32_t fb_tinylfu_since(const fb_policy_t *p, uint32_t then) {
    return (p->time - (then & ~(uint32_t)(FB_META_ONE - 1))) / FB_META_ONE;
}

FB_INLINE void fb_tinylfu_hit(fb_policy_t *p, uint32_t slot) {
    fb_policy_entry_t *e = &p->entries[slot];
    const uint32_t n = p->n_entries < FB_TINYLFU_MOST ? p->n_entries : FB_TINYLFU_MOST;
    /* Few entries came since the last request that moved this one: it is about as new as can be, for the shadows
     * too. A few more since the last one that was counted: the same burst, not counted again. */
    if (FB_LIKELY(fb_tinylfu_since(p, e->seen) <= n / 64)) return;
    e->seen = p->time;
    if (fb_tinylfu_since(p, e->meta) > n / 4) {
        e->meta = p->time | (e->meta & (FB_META_ONE - 1));
        if (FB_LIKELY((e->meta & FB_META_COUNT) != FB_META_COUNT)) {
            e->meta = (e->meta + FB_META_COUNT_ONE) | FB_META_AHEAD;
            fb_tinylfu_counted(p);
        }
    }
    fb_tinylfu_touch(p, slot);
    fb_tinylfu_show_shadows(p, slot);
}

/* A request for the entry in `slot`. */
FB_INLINE void fb_policy_hit(fb_policy_t *p, uint32_t slot) {
    uint32_t *meta = &p->entries[slot].meta;
    switch (p->kind) {
    case FB_POLICY_W_TINYLFU: fb_tinylfu_hit(p, slot); return;
    case FB_POLICY_LRU: fb_policy_touch(p, p->lists, slot); return;
    case FB_POLICY_S3_FIFO: *meta += *meta < 3 * FB_META_ONE ? FB_META_ONE : 0; return;
    case FB_POLICY_SIEVE: *meta |= FB_META_ONE; return;
    }
}

#endif
