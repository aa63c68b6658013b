/* The parts of a cache put together; each is told about in its own file.
 *
 * Invariants. An entry is in the arena of the policy, in the index and, if it may die, in the timers, or in
 * none of them. Room in the index and among the timers is made before an entry enters the arena, so that adding
 * cannot fail half way.
 */
#include "cache.h"

fb_status_t fb_cache_init(fb_cache_t *c, fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint64_t seed,
                          int64_t idle) {
    fb_status_t status = fb_policy_init(&c->policy, kind, maxsize, weighted, seed);
    if (status != FB_OK) return status;
    status = fb_index_init(&c->index);
    if (status != FB_OK) {
        fb_policy_free(&c->policy);
        return status;
    }
    fb_timers_init(&c->timers, idle);
    c->timed = false;
    return FB_OK;
}

void fb_cache_free(fb_cache_t *c) {
    fb_policy_free(&c->policy);
    fb_index_free(&c->index);
    fb_timers_free(&c->timers);
}

fb_status_t fb_cache_keep_time(fb_cache_t *c, int64_t now) {
    if (c->timed) return FB_OK;
    const fb_status_t status = fb_timers_reserve(&c->timers, c->policy.n_slots);
    if (status != FB_OK) return status;
    c->timed = true;
    for (uint32_t slot = 0; slot < c->policy.n_used; slot++)
        if (fb_cache_occupied(c, slot)) fb_cache_write(c, slot, now, FB_CACHE_NEVER, 0);
    return FB_OK;
}

fb_status_t fb_cache_make_room(fb_cache_t *c) {
    fb_status_t status = fb_policy_reserve(&c->policy);
    if (status != FB_OK) return status;
    status = fb_index_reserve(&c->index, c->policy.entries, (uint64_t)c->policy.n_entries + 1);
    if (status != FB_OK || !c->timed) return status;
    return fb_timers_reserve(&c->timers, c->policy.n_slots);
}

void fb_cache_write(fb_cache_t *c, uint32_t slot, int64_t now, int64_t life, int64_t load) {
    fb_timers_entry_t *e = c->timers.entries + slot;
    fb_timers_cancel(&c->timers, slot);
    e->expires = fb_timers_after(now, life);
    e->accessed = e->written = now;
    e->load = load;
    fb_timers_set(&c->timers, slot);
}

void fb_cache_age(fb_cache_t *c, uint32_t slot, int64_t accessed, int64_t written, int64_t load) {
    fb_timers_entry_t *e = c->timers.entries + slot;
    fb_timers_cancel(&c->timers, slot);
    e->accessed = accessed;
    e->written = written;
    e->load = load;
    fb_timers_set(&c->timers, slot);
}

/* Forgets where an entry was. */
FB_INLINE void forget(fb_cache_t *c, uint32_t slot) {
    fb_index_take(&c->index, c->policy.entries, c->policy.entries[slot].hash, slot);
    if (c->timed) fb_timers_cancel(&c->timers, slot);
}

void fb_cache_remove(fb_cache_t *c, uint32_t slot) {
    forget(c, slot);
    fb_policy_leave(&c->policy, slot);
}

/* The rest, for an entry that the policy took out; or NONE. */
FB_INLINE uint32_t let_go(fb_cache_t *c, uint32_t slot) {
    if (slot != FB_CACHE_NONE) {
        forget(c, slot);
        fb_policy_release_slot(&c->policy, slot);
    }
    return slot;
}

uint32_t fb_cache_victim(fb_cache_t *c) { return let_go(c, fb_policy_victim(&c->policy)); }

uint32_t fb_cache_replace(fb_cache_t *c, uint64_t h, uint32_t *victim) {
    const uint32_t slot = fb_policy_replace(&c->policy, h, victim);
    fb_index_put(&c->index, h, slot);
    (void)let_go(c, *victim);
    return slot;
}

uint32_t fb_cache_pop(fb_cache_t *c) { return let_go(c, fb_policy_pop(&c->policy)); }

uint32_t fb_cache_dead(fb_cache_t *c) {
    const uint32_t slot = fb_timers_due(&c->timers);
    if (slot != FB_TIMERS_NONE) fb_cache_remove(c, slot);
    return slot;
}

void fb_cache_clear(fb_cache_t *c) {
    fb_policy_clear(&c->policy);
    fb_index_clear(&c->index);
    fb_timers_clear(&c->timers);
    for (uint32_t slot = 0; slot < c->timers.n_slots; slot++) c->timers.entries[slot].prev = FB_TIMERS_NONE;
}

uint64_t fb_cache_bytes(const fb_cache_t *c) {
    return fb_policy_bytes(&c->policy) + fb_index_bytes(&c->index) +
           (uint64_t)c->timers.n_slots * sizeof *c->timers.entries;
}
