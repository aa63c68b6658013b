/* SIEVE [1] and S3-FIFO [2]: eviction by queues, in which a hit only sets a mark.
 *
 * SIEVE. One list in order of entry, and a hand that goes from the oldest towards newer ones: it takes the
 * mark off those that have been visited, and evicts the first that has not. It stays at the next one for
 * the next time, and begins anew at the oldest when it has passed the newest. The latest entry is passed
 * over as if it was visited, and the hand does not stay there: in the paper it comes in after the eviction.
 *
 * S3-FIFO. New entries go to a small list, a tenth of maxsize. The oldest of it goes to the main list if it
 * was requested at least twice there, otherwise out, and its hash becomes a ghost. A key that comes
 * back while it is a ghost goes to the main list at once. The oldest of main gets another round for each
 * of up to 3 requests. The latest of all entries does not go: if it is the oldest of its list, it becomes the
 * newest, as if it came in only now.
 *
 * Ghosts are as many as 9/10 of the entries, rounded up, the latest. They lie in a table of buckets:
 *
 *     bucket: the high bits of the fingerprint (upper half of the hash)
 *             | fingerprint, time | x 8     time: number of ghosts ever made, when this one was
 *
 * A ghost is forgotten by its age; a new one takes the place of its like or else of the oldest in its bucket.
 * A free place is one that is too old. The table has a place for each entry, or up to twice as many; when it
 * doubles, bucket b is dealt out to 2b and 2b + 1.
 *
 * Complexity. A hit: O(1), no list is touched. Eviction: O(1) amortised, since each step takes off a mark
 * that a hit has set. Ghosts: O(1).
 *
 * [1] Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson, K. V. Rashmi, "SIEVE is simpler than LRU: an efficient
 *     turn-key eviction algorithm for web caches", NSDI 2024.
 * [2] J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi, "FIFO queues are all you need for cache
 *     eviction", SOSP 2023.
 */
#include "fifo.h"

#include <stdlib.h>

/* ---- SIEVE ------------------------------------------------------------------------------------- */

/* The next newer one; after the newest, the oldest. */
static uint32_t next_of(const fb_policy_t *p, uint32_t slot) {
    const uint32_t newer = p->entries[slot].prev;
    return newer == FB_POLICY_NONE ? p->lists->oldest : newer;
}

/* The hand passes over an entry. */
static uint32_t pass_over(fb_policy_t *p, uint32_t slot) {
    p->entries[slot].meta &= FB_META_LIST;
    return next_of(p, slot);
}

uint32_t fb_sieve_evict(fb_policy_t *p) {
    const fb_policy_list_t *list = p->lists;
    if (list->oldest == list->newest && p->last == list->oldest) return FB_POLICY_NONE;
    uint32_t slot = p->hand == FB_POLICY_NONE ? list->oldest : p->hand;
    while (slot == p->last || p->entries[slot].meta >= FB_META_ONE) slot = pass_over(p, slot);
    p->hand = next_of(p, slot);
    if (p->hand == p->last) p->hand = pass_over(p, p->hand);
    if (p->hand == slot) p->hand = FB_POLICY_NONE;
    fb_policy_unlink(p, slot);
    return slot;
}

void fb_sieve_leave(fb_policy_t *p, uint32_t slot) {
    if (p->hand == slot) p->hand = p->entries[slot].prev;
}

/* ---- S3-FIFO: ghosts --------------------------------------------------------------------------- */

enum { PLACES = 8 };
#define LONG_AGO (UINT32_MAX / 2 + 1) /* the age of what is not there */

typedef struct {
    uint32_t fingerprint, time;
} ghost_t;

struct fb_ghosts {
    uint32_t now;
    unsigned log; /* 2^log buckets */
    ghost_t *places;
};

static ghost_t *bucket_of(const fb_ghosts_t *g, uint32_t fingerprint) {
    return g->places + ((uint64_t)fingerprint << g->log >> 32) * PLACES;
}

static void add_ghost(fb_policy_t *p, uint64_t hash) {
    fb_ghosts_t *g = p->ghosts;
    const uint32_t fingerprint = (uint32_t)(hash >> 32);
    ghost_t *bucket = bucket_of(g, fingerprint), *place = bucket;
    for (int i = 0; i < PLACES; i++) {
        if (g->now - bucket[i].time > g->now - place->time) place = bucket + i;
        if (bucket[i].fingerprint == fingerprint) {
            place = bucket + i;
            break;
        }
    }
    g->now++;
    *place = (ghost_t){fingerprint, g->now};
}

/* Whether it was there; it is no more. */
static bool take_ghost(fb_policy_t *p, uint64_t hash) {
    fb_ghosts_t *g = p->ghosts;
    const uint32_t fingerprint = (uint32_t)(hash >> 32);
    ghost_t *bucket = bucket_of(g, fingerprint);
    const uint32_t limit = p->n_entries - p->n_entries / 10;
    for (int i = 0; i < PLACES; i++)
        if (bucket[i].fingerprint == fingerprint && g->now - bucket[i].time < limit) {
            bucket[i].time = g->now - LONG_AGO;
            return true;
        }
    return false;
}

static size_t places_bytes(unsigned log) { return ((size_t)PLACES << log) * sizeof(ghost_t); }

fb_status_t fb_s3_fifo_init(fb_policy_t *p) {
    p->ghosts = malloc(sizeof *p->ghosts);
    if (p->ghosts == NULL) return FB_NO_MEMORY;
    *p->ghosts = (fb_ghosts_t){LONG_AGO, 0, calloc(1, places_bytes(0))};
    return p->ghosts->places == NULL ? FB_NO_MEMORY : FB_OK;
}

fb_status_t fb_s3_fifo_reserve(fb_policy_t *p) {
    fb_ghosts_t *g = p->ghosts;
    while ((uint64_t)PLACES << g->log <= p->n_entries) {
        const fb_ghosts_t old = *g;
        ghost_t *places = calloc(1, places_bytes(old.log + 1));
        if (places == NULL) return FB_NO_MEMORY;
        g->places = places;
        g->log++;
        for (size_t i = 0; i < (size_t)PLACES << old.log; i++)
            bucket_of(g, old.places[i].fingerprint)[i % PLACES] = old.places[i];
        free(old.places);
    }
    return FB_OK;
}

void fb_s3_fifo_clear(fb_policy_t *p) {
    memset(p->ghosts->places, 0, places_bytes(p->ghosts->log));
    p->ghosts->now = LONG_AGO;
}

void fb_s3_fifo_free(fb_policy_t *p) {
    if (p->ghosts != NULL) free(p->ghosts->places);
    free(p->ghosts);
    p->ghosts = NULL;
}

size_t fb_s3_fifo_bytes(const fb_policy_t *p) {
    return sizeof *p->ghosts + places_bytes(p->ghosts->log);
}

/* ---- S3-FIFO: lists ---------------------------------------------------------------------------- */

void fb_s3_fifo_link(fb_policy_t *p, uint32_t slot) {
    fb_policy_link(p, take_ghost(p, p->entries[slot].hash) ? FB_LIST_MAIN : FB_LIST_SMALL, slot);
}

/* The oldest of a list; NONE if there is none but the latest of all entries. */
static uint32_t oldest_of(fb_policy_t *p, unsigned list) {
    fb_policy_list_t *l = &p->lists[list];
    if (l->oldest != FB_POLICY_NONE && l->oldest == p->last) fb_policy_touch(p, l, p->last);
    return l->oldest == p->last ? FB_POLICY_NONE : l->oldest;
}

uint32_t fb_s3_fifo_evict(fb_policy_t *p) {
    const uint64_t small_max = p->maxsize < 10 ? 1 : p->maxsize / 10;
    for (;;) {
        const uint32_t small = oldest_of(p, FB_LIST_SMALL), main = oldest_of(p, FB_LIST_MAIN);
        if (small != FB_POLICY_NONE &&
            (main == FB_POLICY_NONE || p->lists[FB_LIST_SMALL].weight > small_max)) {
            if (p->entries[small].meta < 2 * FB_META_ONE) {
                fb_policy_unlink(p, small);
                add_ghost(p, p->entries[small].hash);
                return small;
            }
            p->entries[small].meta &= FB_META_LIST;
            fb_policy_move(p, FB_LIST_MAIN, small);
        } else if (main != FB_POLICY_NONE) {
            if (p->entries[main].meta < FB_META_ONE) {
                fb_policy_unlink(p, main);
                return main;
            }
            p->entries[main].meta -= FB_META_ONE;
            fb_policy_touch(p, &p->lists[FB_LIST_MAIN], main);
        } else {
            return FB_POLICY_NONE;
        }
    }
}
