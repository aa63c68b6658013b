/* What all policies share: the arena of slots, and the way in and out.
 *
 * Slots are handed out from a list of free ones, the last freed first, else the next that was never
 * used. The arena grows by half. Policies themselves: LRU is the two lines of it below, the others are in
 * tinylfu.c and fifo.c.
 *
 * Invariants. Each slot below n_used is in one list, or free, or a victim that is not yet released. weight
 * is the sum of the lists' weights, n_entries the number of entries in lists.
 */
#include "policy.h"

#include <stdlib.h>

#include "fifo.h"
#include "shadows.h"
#include "tinylfu.h"

/* ---- life ---------------------------------------------------------------------------------------- */

/* No entries, nothing learnt but what the policies keep elsewhere. */
static void empty(fb_policy_t *p) {
    p->n_used = p->n_entries = p->time = 0;
    p->free = p->last = p->hand = FB_POLICY_NONE;
    p->weight = 0;
    for (int i = 0; i < FB_LISTS; i++)
        p->lists[i] = (fb_policy_list_t){FB_POLICY_NONE, FB_POLICY_NONE, 0};
}

fb_status_t fb_policy_init(fb_policy_t *p, fb_policy_kind_t kind, uint64_t maxsize, bool weighted,
                           uint64_t seed) {
    fb_status_t status = FB_OK;
    memset(p, 0, sizeof *p);
    p->kind = kind;
    p->maxsize = maxsize;
    p->weighted = weighted;
    p->seed = seed;
    empty(p);
    if (kind == FB_POLICY_W_TINYLFU) status = fb_tinylfu_init(p);
    if (kind == FB_POLICY_S3_FIFO) status = fb_s3_fifo_init(p);
    if (status != FB_OK) fb_policy_free(p);
    return status;
}

void fb_policy_free(fb_policy_t *p) {
    if (p->kind == FB_POLICY_W_TINYLFU) fb_tinylfu_free(p);
    if (p->kind == FB_POLICY_S3_FIFO) fb_s3_fifo_free(p);
    free(p->entries);
    free(p->weights);
    p->entries = NULL;
    p->weights = NULL;
    p->n_slots = 0;
    empty(p);
}

void fb_policy_clear(fb_policy_t *p) {
    empty(p);
    if (p->kind == FB_POLICY_W_TINYLFU) fb_tinylfu_clear(p);
    if (p->kind == FB_POLICY_S3_FIFO) fb_s3_fifo_clear(p);
}

fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize) {
    p->maxsize = maxsize;
    p->last = FB_POLICY_NONE; /* which may weigh more now than the whole may */
    if (p->kind == FB_POLICY_W_TINYLFU) fb_tinylfu_resize(p);
    return FB_OK;
}

size_t fb_policy_bytes(const fb_policy_t *p) {
    const size_t weights = p->weighted ? p->n_slots * sizeof *p->weights : 0;
    size_t bytes = p->n_slots * sizeof *p->entries + weights;
    if (p->kind == FB_POLICY_W_TINYLFU)
        bytes += (size_t)fb_frequency_bytes(p->sketch.n_blocks * 8) + fb_shadows_bytes(p);
    if (p->kind == FB_POLICY_S3_FIFO) bytes += fb_s3_fifo_bytes(p);
    return bytes;
}

/* ---- slots --------------------------------------------------------------------------------------- */

static fb_status_t grow(fb_policy_t *p) {
    uint64_t n = (uint64_t)p->n_slots + p->n_slots / 2 + 8;
    if (!p->weighted && n > p->maxsize + 1 && p->n_slots < p->maxsize + 1) n = p->maxsize + 1;
    if (n > FB_POLICY_MAX_SLOTS) n = FB_POLICY_MAX_SLOTS;
    if (n == p->n_slots) return FB_FULL;
    if (n > SIZE_MAX / sizeof *p->entries) return FB_NO_MEMORY;
    void *entries = realloc(p->entries, (size_t)n * sizeof *p->entries);
    if (entries == NULL) return FB_NO_MEMORY;
    p->entries = entries;
    if (p->weighted) {
        void *weights = realloc(p->weights, (size_t)n * sizeof *p->weights);
        if (weights == NULL) return FB_NO_MEMORY;
        p->weights = weights;
    }
    p->n_slots = (uint32_t)n;
    return FB_OK;
}

fb_status_t fb_policy_reserve(fb_policy_t *p) {
    if (p->free == FB_POLICY_NONE && p->n_used == p->n_slots) {
        const fb_status_t status = grow(p);
        if (status != FB_OK) return status;
    }
    if (p->kind == FB_POLICY_W_TINYLFU) return fb_tinylfu_reserve(p);
    return p->kind == FB_POLICY_S3_FIFO ? fb_s3_fifo_reserve(p) : FB_OK;
}

uint32_t fb_policy_take_slot(fb_policy_t *p, uint64_t hash, uint64_t weight) {
    uint32_t slot = p->free;
    if (slot != FB_POLICY_NONE)
        p->free = p->entries[slot].next;
    else
        slot = p->n_used++;
    p->entries[slot] =
        (fb_policy_entry_t){hash, FB_POLICY_NONE, FB_POLICY_NONE, FB_LIST_NONE, p->time};
    if (p->weights != NULL) p->weights[slot] = weight;
    p->n_entries++;
    p->weight += weight;
    p->last = slot;
    return slot;
}

/* ---- in ------------------------------------------------------------------------------------------ */

uint32_t fb_policy_enter(fb_policy_t *p, uint64_t hash, uint64_t weight) {
    const uint32_t slot = fb_policy_take_slot(p, hash, weight);
    switch (p->kind) {
    case FB_POLICY_W_TINYLFU:
        fb_tinylfu_enter(p, slot);
        break;
    case FB_POLICY_S3_FIFO: fb_s3_fifo_link(p, slot); break;
    case FB_POLICY_LRU:
    case FB_POLICY_SIEVE: fb_policy_link(p, 0, slot); break;
    }
    return slot;
}

void fb_policy_reweigh(fb_policy_t *p, uint32_t slot, uint64_t weight) {
    p->last = slot;
    if (p->weights == NULL) return;
    const uint64_t more = weight - p->weights[slot]; /* modulo 2^64, if it is less */
    p->weights[slot] = weight;
    p->lists[fb_policy_list_of(&p->entries[slot])].weight += more;
    p->weight += more;
}

/* ---- out ----------------------------------------------------------------------------------------- */

/* An entry was taken out of its list. */
static void gone(fb_policy_t *p, uint32_t slot) {
    p->n_entries--;
    p->weight -= fb_policy_weight_of(p, slot);
    if (p->last == slot) p->last = FB_POLICY_NONE;
    if (p->entries[slot].meta & FB_META_AHEAD) fb_tinylfu_remember(p, slot);
}

static uint32_t evict(fb_policy_t *p) {
    uint32_t slot = FB_POLICY_NONE;
    switch (p->kind) {
    case FB_POLICY_W_TINYLFU: slot = fb_tinylfu_evict(p); break;
    case FB_POLICY_S3_FIFO: slot = fb_s3_fifo_evict(p); break;
    case FB_POLICY_SIEVE: slot = fb_sieve_evict(p); break;
    case FB_POLICY_LRU:
        slot = fb_policy_oldest(p, 0);
        if (slot != FB_POLICY_NONE) fb_policy_unlink(p, slot);
    }
    if (slot != FB_POLICY_NONE) gone(p, slot);
    return slot;
}

uint32_t fb_policy_victim(fb_policy_t *p) {
    return p->weight > p->maxsize ? evict(p) : FB_POLICY_NONE;
}

uint32_t fb_policy_pop(fb_policy_t *p) {
    p->last = FB_POLICY_NONE;
    return p->n_entries > 0 ? evict(p) : FB_POLICY_NONE;
}

void fb_policy_leave(fb_policy_t *p, uint32_t slot) {
    if (p->kind == FB_POLICY_SIEVE) fb_sieve_leave(p, slot);
    fb_policy_unlink(p, slot);
    gone(p, slot);
    fb_policy_release_slot(p, slot);
}

/* ---- looking ------------------------------------------------------------------------------------- */

/* From where the hand of SIEVE is, round to there. */
static uint32_t next_from_hand(const fb_policy_t *p, uint32_t slot) {
    const uint32_t first = p->hand == FB_POLICY_NONE ? p->lists->oldest : p->hand;
    if (slot == FB_POLICY_NONE) return first;
    slot = p->entries[slot].prev;
    if (slot == FB_POLICY_NONE) slot = p->lists->oldest;
    return slot == first ? FB_POLICY_NONE : slot;
}

uint32_t fb_policy_next(const fb_policy_t *p, uint32_t slot) {
    if (p->kind == FB_POLICY_SIEVE) return next_from_hand(p, slot);
    static const unsigned tinylfu[] = {FB_LIST_PROBATION, FB_LIST_WINDOW, FB_LIST_PROTECTED};
    static const unsigned fifo[] = {FB_LIST_SMALL, FB_LIST_MAIN, 2};
    const unsigned *order = p->kind == FB_POLICY_W_TINYLFU ? tinylfu : fifo;
    int i = 0;
    if (slot != FB_POLICY_NONE) {
        const unsigned list = fb_policy_list_of(&p->entries[slot]);
        slot = p->entries[slot].prev;
        while (order[i++] != list) continue;
    }
    while (slot == FB_POLICY_NONE && i < FB_LISTS) slot = p->lists[order[i++]].oldest;
    return slot;
}

static bool list_ok(const fb_policy_t *p, unsigned list, uint64_t *n) {
    uint32_t newer = FB_POLICY_NONE;
    uint64_t weight = 0;
    for (uint32_t i = p->lists[list].newest; i != FB_POLICY_NONE; newer = i, i = p->entries[i].next) {
        if (i >= p->n_used || ++*n > p->n_used) return false;
        if (p->entries[i].prev != newer || fb_policy_list_of(&p->entries[i]) != list) return false;
        weight += fb_policy_weight_of(p, i);
    }
    return p->lists[list].oldest == newer && p->lists[list].weight == weight;
}

bool fb_policy_ok(const fb_policy_t *p) {
    uint64_t n = 0, weight = 0;
    for (unsigned i = 0; i < FB_LISTS; i++) {
        if (!list_ok(p, i, &n)) return false;
        weight += p->lists[i].weight;
    }
    if (n != p->n_entries || weight != p->weight || p->n_used > p->n_slots) return false;
    for (uint32_t i = p->free; i != FB_POLICY_NONE; i = p->entries[i].next)
        if (i >= p->n_used || fb_policy_list_of(&p->entries[i]) != FB_LIST_NONE || ++n > p->n_used)
            return false;
    if (p->kind != FB_POLICY_W_TINYLFU || p->sketch.words == NULL) return true; /* a shadow has no sketch */
    return fb_frequency_ok(&p->sketch) && fb_shadows_ok(p);
}
