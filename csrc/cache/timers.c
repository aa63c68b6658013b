/* A hierarchical timer wheel over the entries of a cache.
 *
 * The idea. Time is cut into ticks. Level 0 has a bucket for each of the next 64 ticks, level 1 one for
 * each of the next 64 spans of 64 ticks, and so on: eight levels reach beyond the range of the clock. A
 * bucket is a doubly linked list through the entries. When the wheel is turned, the buckets that time has
 * come to are emptied: what is dead goes onto a list, the rest is set again, nearer.
 *
 *     level 0   | tick t | t + 1 | t + 2 |  ...  | t + 63 |
 *     level 1   | the 64 ticks that t is in | the next 64 |  ...
 *
 * An access moves nothing: the entry stays where its deadline was, and is set again when that comes.
 *
 * Invariants. With T the tick of the wheel and D that of the deadline an entry was set for, at least T: it
 * lies in level l, the least with D - T < 64^(l + 1), in bucket (D >> 6l) mod 64. So whatever dies by the
 * end of tick T' lies, in each level, in a bucket after (T >> 6l) and up to (T' >> 6l); in level 0 that of
 * T is one of them.
 *
 * Complexity. Setting and cancelling O(1); turning O(1) for each entry that dies, plus at most eight moves
 * of an entry in its life, plus at most 512 buckets looked at.
 *
 * Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
 */
#include "timers.h"

#include <stdlib.h>

enum { LEVEL_BITS = 6, FIRST = 1u << 31 /* in `prev`: the entry is the first of the bucket in the low bits */ };

void fb_timers_clear(fb_timers_t *t) {
    for (size_t i = 0; i < FB_TIMERS_LEVELS * FB_TIMERS_BUCKETS; i++) t->buckets[i] = FB_TIMERS_NONE;
    t->due = FB_TIMERS_NONE;
    t->tick = INT64_MIN >> FB_TIMERS_TICK_BITS;
}

void fb_timers_init(fb_timers_t *t, int64_t idle) {
    t->entries = NULL;
    t->n_slots = 0;
    t->idle = idle;
    fb_timers_clear(t);
}

void fb_timers_free(fb_timers_t *t) {
    free(t->entries);
    t->entries = NULL;
    t->n_slots = 0;
}

fb_status_t fb_timers_reserve(fb_timers_t *t, uint32_t n_slots) {
    if (n_slots <= t->n_slots) return FB_OK;
    void *entries = realloc(t->entries, (size_t)n_slots * sizeof *t->entries);
    if (entries == NULL) return FB_NO_MEMORY;
    t->entries = (fb_timers_entry_t *)entries;
    for (uint32_t i = t->n_slots; i < n_slots; i++)
        t->entries[i] = (fb_timers_entry_t){.expires = FB_TIMERS_NEVER, .prev = FB_TIMERS_NONE};
    t->n_slots = n_slots;
    return FB_OK;
}

void fb_timers_set(fb_timers_t *t, uint32_t slot) {
    const int64_t deadline = fb_timers_deadline(t, slot);
    if (deadline == FB_TIMERS_NEVER) return;
    int64_t at = deadline >> FB_TIMERS_TICK_BITS;
    if (at < t->tick) at = t->tick;
    const uint64_t ahead = (uint64_t)(at - t->tick);
    const unsigned level = ahead == 0 ? 0 : (63 - fb_leading_zeros64(ahead)) / LEVEL_BITS;
    const uint32_t in_level = (uint32_t)(at >> LEVEL_BITS * level) & (FB_TIMERS_BUCKETS - 1);
    const uint32_t bucket = level * FB_TIMERS_BUCKETS + in_level;
    fb_timers_entry_t *e = t->entries + slot;
    e->prev = FIRST | bucket;
    e->next = t->buckets[bucket];
    if (e->next != FB_TIMERS_NONE) t->entries[e->next].prev = slot;
    t->buckets[bucket] = slot;
}

void fb_timers_cancel(fb_timers_t *t, uint32_t slot) {
    fb_timers_entry_t *e = t->entries + slot;
    if (e->prev == FB_TIMERS_NONE) return;
    if (e->prev & FIRST)
        t->buckets[e->prev & ~(uint32_t)FIRST] = e->next;
    else
        t->entries[e->prev].next = e->next;
    if (e->next != FB_TIMERS_NONE) t->entries[e->next].prev = e->prev;
    e->prev = FB_TIMERS_NONE;
}

/* Empties a bucket: what is dead at `now` onto the list, the rest is set again. */
static void empty(fb_timers_t *t, uint32_t bucket, int64_t now) {
    uint32_t slot = t->buckets[bucket];
    t->buckets[bucket] = FB_TIMERS_NONE;
    while (slot != FB_TIMERS_NONE) {
        fb_timers_entry_t *e = t->entries + slot;
        const uint32_t next = e->next;
        e->prev = FB_TIMERS_NONE;
        if (fb_timers_deadline(t, slot) <= now) {
            e->next = t->due;
            t->due = slot;
        } else {
            fb_timers_set(t, slot);
        }
        slot = next;
    }
}

void fb_timers_turn(fb_timers_t *t, int64_t now) {
    const int64_t from = t->tick, to = now >> FB_TIMERS_TICK_BITS;
    if (to < from) return;
    t->tick = to;
    for (unsigned level = 0; level < FB_TIMERS_LEVELS; level++) {
        const int64_t last = to >> LEVEL_BITS * level;
        int64_t at = (from >> LEVEL_BITS * level) + (level > 0);
        if (at > last) return;
        if (last - at >= FB_TIMERS_BUCKETS) at = last - FB_TIMERS_BUCKETS + 1;
        for (; at <= last; at++)
            empty(t, level * FB_TIMERS_BUCKETS + ((uint32_t)at & (FB_TIMERS_BUCKETS - 1)), now);
    }
}

uint32_t fb_timers_due(fb_timers_t *t) {
    const uint32_t slot = t->due;
    if (slot != FB_TIMERS_NONE) t->due = t->entries[slot].next;
    return slot;
}

void fb_timers_put_back(fb_timers_t *t) {
    for (uint32_t slot; (slot = fb_timers_due(t)) != FB_TIMERS_NONE;) fb_timers_set(t, slot);
}
