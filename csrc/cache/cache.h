/* What a cache does that concerns no keys and no values: entries by number, found by hash, evicted by a
 * policy, dying by their times. The caller keeps keys and values in arrays parallel to the arena.
 *
 * Complexity: all O(1) expected and amortised. Memory of an entry: 24 bytes of the policy, 7.1 to 14.2 of the
 * index (up to 43 in caches of up to 36,864 entries), 8 of the sketch (w-tinylfu), 8 if entries have weights, 40
 * if they have times.
 */
#ifndef FB_CACHE_CACHE_H
#define FB_CACHE_CACHE_H

#include "index.h"
#include "policy.h"
#include "timers.h"

#define FB_CACHE_NONE FB_POLICY_NONE
#define FB_CACHE_NEVER FB_TIMERS_NEVER

typedef struct {
    fb_policy_t policy;
    fb_index_t index;
    fb_timers_t timers; /* no entries unless `timed` */
    bool timed;         /* entries have times; once it is, it stays so */
} fb_cache_t;

fb_status_t fb_cache_init(fb_cache_t *c, fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint64_t seed,
                          int64_t idle);
void fb_cache_free(fb_cache_t *c);

/* Gives entries times from now on: those that are there are written and accessed at `now`, and never
 * expire. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_cache_keep_time(fb_cache_t *c, int64_t now);

/* A hash of all bits of `h`, which may have any structure: Python's hash of an int is that int. Bijective. */
FB_INLINE uint64_t fb_cache_hash(uint64_t h, uint64_t seed) {
    h ^= seed;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

FB_INLINE bool fb_cache_occupied(const fb_cache_t *c, uint32_t slot) {
    return slot < c->policy.n_used && fb_policy_list_of(&c->policy.entries[slot]) != FB_LIST_NONE;
}

/* A search: the entries with hash h, one by one, then FB_CACHE_NONE. Nothing may change meanwhile. */
FB_INLINE uint32_t fb_cache_begin(const fb_cache_t *c, uint64_t h) { return fb_index_home(&c->index, h); }
FB_INLINE uint32_t fb_cache_next(const fb_cache_t *c, uint64_t h, uint32_t *at) {
    return fb_index_next(&c->index, c->policy.entries, h, at);
}

/* Notes that a search for h met no entry and ended at cell `at`; whether it is known that there is none. The
 * key will often be added now: what that writes is fetched meanwhile. */
FB_INLINE void fb_cache_miss(fb_cache_t *c, uint64_t h, uint32_t at) {
    fb_index_miss(&c->index, h, at);
    if (c->policy.kind == FB_POLICY_W_TINYLFU) FB_PREFETCH_WRITE(fb_frequency_block(&c->policy.sketch, h));
}
FB_INLINE bool fb_cache_missed(const fb_cache_t *c, uint64_t h) { return fb_index_missed(&c->index, h); }

/* Whether it is plain that there is room for one more entry. */
FB_INLINE bool fb_cache_roomy(const fb_cache_t *c) {
    return fb_policy_roomy(&c->policy) && c->policy.n_entries < c->index.room && !c->timed;
}

/* Room for one more entry, in the arena and everything parallel to it: FB_OK, FB_NO_MEMORY or FB_OUT_OF_RANGE. */
fb_status_t fb_cache_make_room(fb_cache_t *c);
FB_INLINE fb_status_t fb_cache_reserve(fb_cache_t *c) {
    return FB_LIKELY(fb_cache_roomy(c)) ? FB_OK : fb_cache_make_room(c);
}

/* A new entry, for which room was made; weight <= maxsize. Then take the victims, until there is none. */
FB_INLINE uint32_t fb_cache_add(fb_cache_t *c, uint64_t h, uint64_t weight) {
    const uint32_t slot = fb_policy_enter(&c->policy, h, weight);
    fb_index_put(&c->index, h, slot);
    return slot;
}

/* Writes the times of an entry that was just set: it expires after `life` (FB_CACHE_NEVER: not). */
void fb_cache_write(fb_cache_t *c, uint32_t slot, int64_t now, int64_t life, int64_t load);

/* The times of an entry, as they were when it was written down. It expires when it did before. */
void fb_cache_age(fb_cache_t *c, uint32_t slot, int64_t accessed, int64_t written, int64_t load);

/* An entry was asked for: tells the policy, and renews its life. */
FB_INLINE void fb_cache_hit(fb_cache_t *c, uint32_t slot, int64_t now) {
    fb_policy_hit(&c->policy, slot);
    if (c->timed && c->timers.entries[slot].accessed < now) c->timers.entries[slot].accessed = now;
}

FB_INLINE bool fb_cache_alive(const fb_cache_t *c, uint32_t slot, int64_t now) {
    return !c->timed || now < fb_timers_deadline(&c->timers, slot);
}

/* Takes an entry out; its number is free for another. */
void fb_cache_remove(fb_cache_t *c, uint32_t slot);

/* Takes out the entry that has to go for the others to fit, and returns its number, which is free as soon as
 * another entry is added; FB_CACHE_NONE if all fit. */
uint32_t fb_cache_victim(fb_cache_t *c);

/* Both in one, for an entry of weight 1 and no times, and a cache in bounds: *victim may be FB_CACHE_NONE. */
uint32_t fb_cache_replace(fb_cache_t *c, uint64_t h, uint32_t *victim);

/* Takes out the entry that would have to go next; FB_CACHE_NONE if there is none. */
uint32_t fb_cache_pop(fb_cache_t *c);

/* Takes out an entry that is dead at `now`; FB_CACHE_NONE if there is none. Turn the timers first. */
uint32_t fb_cache_dead(fb_cache_t *c);

void fb_cache_clear(fb_cache_t *c);

uint64_t fb_cache_bytes(const fb_cache_t *c);

#endif
