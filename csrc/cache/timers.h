/* When entries of a cache die: a hierarchical timer wheel over numbers of entries. Setting and
 * cancelling a timer, and finding what is due, take constant time, however many there are.
 *
 * The layout, the invariants and the reference are told at the top of timers.c.
 */
#ifndef FB_CACHE_TIMERS_H
#define FB_CACHE_TIMERS_H

#include "base.h"

enum {
    FB_TIMERS_LEVELS = 8,
    FB_TIMERS_BUCKETS = 64, /* of a level */
    FB_TIMERS_TICK_BITS = 20 /* a tick is 2^20 ns, about a millisecond */
};

#define FB_TIMERS_NONE UINT32_MAX
#define FB_TIMERS_NEVER INT64_MAX

/* The times of an entry, in nanoseconds of the clock in use. */
typedef struct {
    int64_t expires;  /* by its time to live; FB_TIMERS_NEVER: not at all */
    int64_t accessed; /* last */
    int64_t written;
    int64_t load;     /* how long it took to load; 0 if it was set */
    uint32_t prev, next; /* in its bucket; prev = the bucket + 2^31 for the first */
} fb_timers_entry_t;

typedef struct {
    fb_timers_entry_t *entries; /* as many as the arena of the policy has */
    uint32_t n_slots;
    int64_t idle;               /* entries die so long after their last access; FB_TIMERS_NEVER: not for that */
    int64_t tick;               /* the latest that the wheel was turned to */
    uint32_t due;               /* first of those that were found dead */
    uint32_t buckets[FB_TIMERS_LEVELS * FB_TIMERS_BUCKETS];
} fb_timers_t;

void fb_timers_init(fb_timers_t *t, int64_t idle);
void fb_timers_free(fb_timers_t *t);

/* Room for entries 0 .. n_slots - 1: FB_OK or FB_NO_MEMORY. */
fb_status_t fb_timers_reserve(fb_timers_t *t, uint32_t n_slots);

/* `span` >= 0 after `now`; FB_TIMERS_NEVER if there is no such time. */
FB_INLINE int64_t fb_timers_after(int64_t now, int64_t span) {
    return span == FB_TIMERS_NEVER || (now > 0 && span > FB_TIMERS_NEVER - now) ? FB_TIMERS_NEVER : now + span;
}

/* When an entry dies. */
FB_INLINE int64_t fb_timers_deadline(const fb_timers_t *t, uint32_t slot) {
    const fb_timers_entry_t *e = t->entries + slot;
    const int64_t idle_at = fb_timers_after(e->accessed, t->idle);
    return idle_at < e->expires ? idle_at : e->expires;
}

/* Sets the timer of an entry that has none, to what its times say. */
void fb_timers_set(fb_timers_t *t, uint32_t slot);

/* Cancels the timer of an entry; nothing happens if it has none. */
void fb_timers_cancel(fb_timers_t *t, uint32_t slot);

/* Takes every entry that is dead at `now` out of the wheel and onto a list; fb_timers_due takes the next from
 * the list, FB_TIMERS_NONE if there is none. A time before the latest finds nothing. */
void fb_timers_turn(fb_timers_t *t, int64_t now);
uint32_t fb_timers_due(fb_timers_t *t);

/* Sets the timers of those that are still on the list again: the next turn finds them. */
void fb_timers_put_back(fb_timers_t *t);

/* True if the wheel has not been turned to the tick of `now` yet. */
FB_INLINE bool fb_timers_behind(const fb_timers_t *t, int64_t now) {
    return now >> FB_TIMERS_TICK_BITS > t->tick;
}

void fb_timers_clear(fb_timers_t *t);

#endif
