/* Shadow caches: small caches without values that run beside a W-TinyLFU policy, one for each way to
 * run it (fb_tinylfu_choices), on a sample of the keys.
 *
 * Idea. What another window would do need not be guessed by moving the real one and watching the hit
 * ratio, as hill climbing does, which takes changes of the workload for effects of the window. It can be
 * measured: a cache of C entries and one of C / R entries that sees each R-th key (chosen by hash) have
 * about the same hit ratio [1]. All shadows see the same requests, so they differ by their window only. They
 * count nothing themselves: with a request they are told the count that the key has in the real cache.
 *
 * Every EPOCH sampled requests the hits of each are added to its score, which fades by 1/32. The
 * policy takes the best choice if it leads the present one by 1/128 and HITS hits: while the cache has just
 * filled, all scores are near each other, and 1/128 of them is less than chance makes.
 *
 *     request -- hash sampled? --> 5 shadows of 48 .. 192 entries: index by hash + lists
 *                                    hits -> scores -> choice of the real window
 *
 * In a weighed cache the shadows count entries. Their scale is then how many entries would fill the cache
 * by the mean weight so far; they are made anew when there are twice as many, or, in a cache at least
 * half full, less than a quarter.
 *
 * Layout. One block: the struct, then each shadow's arena, then each shadow's index, whose buckets are
 * chained through `seen`.
 *
 * Complexity. A request that is not sampled: one comparison. A sampled one: O(1) for each shadow.
 *
 * [1] C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using
 *     miniature simulations", USENIX ATC 2017.
 */
#include "shadows.h"

#include <stdlib.h>

#include "tinylfu.h"

enum { LEAST = 48, MOST = 192, EPOCH = 128, FADE = 32, LEAD = 128, HITS = 4, SCALE = 1024 };

typedef struct {
    fb_policy_t policy; /* its segments; arena and index point into the block, the sketch is shared */
    uint32_t *buckets;
    uint32_t hits;  /* in this epoch */
    uint32_t score; /* hits of epochs past, fading, times SCALE: below 2^24 */
} shadow_t;

struct fb_shadows {
    shadow_t shadows[FB_TINYLFU_CHOICES];
    uint32_t n_buckets; /* a power of two */
    uint32_t requests;  /* in this epoch */
    uint64_t scale;     /* entries of the cache that they stand for */
    size_t bytes;
};

/* ---- making ------------------------------------------------------------------------------------ */

/* Entries of a shadow of a cache of `scale` entries: a thirty-second, if that is neither few nor many. */
static uint32_t size_for(uint64_t scale) {
    const uint64_t most = scale / 32 < MOST ? scale / 32 : MOST;
    const uint64_t size = most < LEAST ? LEAST : most;
    return (uint32_t)(scale < size ? scale : size);
}

static fb_status_t make(fb_policy_t *p, uint64_t scale) {
    const uint32_t size = size_for(scale);
    uint32_t n_buckets = 8;
    while (n_buckets < size) n_buckets *= 2;
    const size_t arena = (size + 1) * sizeof(fb_policy_entry_t), index = n_buckets * sizeof(uint32_t);
    const size_t bytes = sizeof(fb_shadows_t) + FB_TINYLFU_CHOICES * (arena + index);
    fb_shadows_t *all = calloc(1, bytes);
    if (all == NULL) return FB_NO_MEMORY;
    char *at = (char *)(all + 1);
    for (uint32_t i = 0; i < FB_TINYLFU_CHOICES; i++) {
        shadow_t *s = &all->shadows[i];
        fb_policy_t *q = &s->policy;
        q->entries = (fb_policy_entry_t *)(void *)(at + i * arena);
        q->n_slots = size + 1;
        q->free = q->last = FB_POLICY_NONE;
        q->maxsize = size;
        q->seed = q->random = p->seed;
        for (int list = 0; list < FB_LISTS; list++)
            q->lists[list].newest = q->lists[list].oldest = FB_POLICY_NONE;
        fb_tinylfu_choose(q, i);
        s->buckets = (uint32_t *)(void *)(at + FB_TINYLFU_CHOICES * arena + i * index);
        memset(s->buckets, 0xff, index);
    }
    all->n_buckets = n_buckets;
    all->scale = scale;
    all->bytes = bytes;
    p->shadows = all;
    p->sampled_below = UINT64_MAX / scale * size;
    return FB_OK;
}

/* Whether they stand for a cache of another scale. */
static bool outgrown(const fb_policy_t *p) {
    const uint64_t scale = p->shadows->scale;
    return p->n_entries > 2 * scale || (p->n_entries < scale / 4 && p->weight >= p->maxsize / 2);
}

fb_status_t fb_shadows_reserve(fb_policy_t *p) {
    if (p->shadows != NULL) {
        if (!p->weighted || !outgrown(p)) return FB_OK;
        fb_shadows_free(p);
    }
    if (p->weight < p->maxsize / 8 || p->n_entries == 0) return FB_OK;
    if (!p->weighted) return make(p, p->maxsize);
    /* The cache is full to an eighth or more, so that the quotient is at most 8 (15, if tiny). */
    return make(p, p->weight == 0 ? p->n_entries : p->maxsize / p->weight * p->n_entries);
}

void fb_shadows_free(fb_policy_t *p) {
    free(p->shadows);
    p->shadows = NULL;
    p->sampled_below = 0;
}

void fb_shadows_age(fb_policy_t *p) {
    for (int i = 0; p->shadows != NULL && i < FB_TINYLFU_CHOICES; i++)
        fb_tinylfu_halve(&p->shadows->shadows[i].policy);
}

size_t fb_shadows_bytes(const fb_policy_t *p) { return p->shadows == NULL ? 0 : p->shadows->bytes; }

/* ---- requests ---------------------------------------------------------------------------------- */

static void drop(shadow_t *s, uint32_t n_buckets, uint32_t slot) {
    fb_policy_entry_t *entries = s->policy.entries;
    uint32_t *link = &s->buckets[entries[slot].hash & (n_buckets - 1)];
    while (*link != slot) link = &entries[*link].seen;
    *link = entries[slot].seen;
    fb_policy_release_slot(&s->policy, slot);
}

static bool request(shadow_t *s, uint32_t n_buckets, uint64_t hash, uint32_t count) {
    fb_policy_t *q = &s->policy;
    uint32_t *bucket = &s->buckets[hash & (n_buckets - 1)];
    for (uint32_t i = *bucket; i != FB_POLICY_NONE; i = q->entries[i].seen)
        if (q->entries[i].hash == hash) {
            q->entries[i].meta = (q->entries[i].meta & ~(uint32_t)FB_META_COUNT) | count;
            fb_tinylfu_touch(q, i);
            return true;
        }
    uint32_t slot, victim = FB_POLICY_NONE;
    if (FB_LIKELY(q->free != FB_POLICY_NONE)) { /* it has been full, and so it is */
        slot = fb_tinylfu_replace_counted(q, hash, count, &victim);
    } else {
        slot = fb_policy_take_slot(q, hash, 1);
        fb_tinylfu_link(q, slot, count);
        victim = fb_policy_victim(q);
    }
    q->entries[slot].seen = *bucket;
    *bucket = slot;
    if (victim != FB_POLICY_NONE) drop(s, n_buckets, victim);
    return false;
}

static void choose(fb_policy_t *p) {
    shadow_t *s = p->shadows->shadows;
    uint32_t best = 0;
    for (uint32_t i = 0; i < FB_TINYLFU_CHOICES; i++) {
        s[i].score += s[i].hits * SCALE - s[i].score / FADE;
        s[i].hits = 0;
        if (s[i].score > s[best].score) best = i;
    }
    const uint32_t present = s[p->choice].score;
    if (s[best].score > present + present / LEAD + HITS * SCALE) fb_tinylfu_choose(p, best);
}

void fb_shadows_request(fb_policy_t *p, uint64_t hash, uint32_t count) {
    fb_shadows_t *all = p->shadows;
    for (int i = 0; i < FB_TINYLFU_CHOICES; i++)
        all->shadows[i].hits += request(&all->shadows[i], all->n_buckets, hash, count);
    if (++all->requests == EPOCH) {
        all->requests = 0;
        choose(p);
    }
}

bool fb_shadows_ok(const fb_policy_t *p) {
    if (p->shadows == NULL) return p->sampled_below == 0;
    for (int i = 0; i < FB_TINYLFU_CHOICES; i++) {
        const shadow_t *s = &p->shadows->shadows[i];
        uint32_t n = 0;
        if (!fb_policy_ok(&s->policy)) return false;
        for (uint32_t b = 0; b < p->shadows->n_buckets; b++)
            for (uint32_t j = s->buckets[b]; j != FB_POLICY_NONE; j = s->policy.entries[j].seen) n++;
        if (n != s->policy.n_entries) return false;
    }
    return true;
}
