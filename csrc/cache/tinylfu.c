/* W-TinyLFU [1] with a window that adapts, and bursts that count once.
 *
 * Idea. A new entry comes into the window, an LRU list. What falls out of it is a candidate for the
 * main part, which is a segmented LRU: probation, and the protected entries that were requested again.
 * In a full cache the candidate meets the oldest of probation; the one that was requested more often
 * lately stays, the other goes.
 *
 *     enter -> [ window ] -- candidate --> wins: [ probation ] <-- requested / demoted --> [ protected ]
 *                               |                      |
 *                               loses: evicted         oldest: the victim, evicted if it loses
 *
 * Four things are not as in the paper.
 *
 * Counts. An entry carries its count, 0 .. 15, in its meta. The frequency sketch has the counts of keys that
 * left: it tells an entry that enters how often it was requested before, and is told when it leaves (if there
 * were hits since: those have not touched it). So two entries are compared without looking them up, and
 * counters shared with other keys mislead only when a key enters. All counts, in the sketch, of entries and of
 * shadows' entries, are halved at the same moments.
 *
 * Bursts. A request is not counted within n_entries / 4 insertions of the entry's last
 * one that was. What is asked for five times while one page is built is no hotter than what is asked
 * for once per page, and would only push that out. Correlated references are ignored likewise by
 * LRU-K [2], and by 2Q's and Clock2Q+'s queues. It also spares most requests for hot entries the work.
 *
 * The lead. In a loop over more keys than fit, the candidate was requested in this round, the victim
 * in the last: so it leads by one, always, wrongly. With a lead of 1 more than usual, loops are held as
 * LIRS holds them. It is one of the choices below, since it makes the cache slow to learn new keys. In another one
 * the candidate may even be one behind: there what is new counts more than what was requested often, as in 2Q [3].
 *
 * The window. No share is good for all: 1 % is for stable frequencies, 99 % for recency. Shadows
 * (shadows.c) tell which of fb_tinylfu_choices would have had most hits; the bounds then change at
 * once, and the entries follow, at most STEPS at each insertion.
 *
 * Attacks. The hash is seeded, so frequencies can't be forged by colliding keys. And a candidate with
 * a count above WARM is let in one time in 128 whatever the victim's: one that was requested often once
 * does not stay for ever.
 *
 * The sketch starts with 512 .. 1023 entries' size (below, it forgets too soon) and doubles with the
 * number of entries; block b becomes blocks 2b and 2b + 1, which keeps all estimates, since the high bits
 * of a hash pick the block. For an unweighed cache the start is such that it ends at maxsize.
 *
 * Invariants. An entry is in one of the three lists; the weights of lists are sums of their entries'. An entry
 * whose count the sketch does not know is AHEAD.
 * Segments may be above their bounds for a while after a change of choice, of maxsize or of a weight.
 *
 * Complexity. O(1) for each call, with at most 2 * STEPS moves; doubling and halving are O(1) amortised, O(n) at
 * once.
 *
 * [1] G. Einziger, R. Friedman, B. Manes, "TinyLFU: a highly efficient cache admission policy",
 *     ACM Transactions on Storage 13(4), 2017.
 * [2] E. O'Neil, P. O'Neil, G. Weikum, "The LRU-K page replacement algorithm for database disk
 *     buffering", SIGMOD 1993.
 * [3] T. Johnson, D. Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB 1994.
 */
#include "tinylfu.h"

#include "memory.h"
#include "shadows.h"

enum { STEPS = 8, WARM = 5, FIRST_BLOCKS = 64 };

const fb_tinylfu_choice_t fb_tinylfu_choices[FB_TINYLFU_CHOICES] = {
    {1, 1}, {5, 0}, {10, -2}, {30, 0}, {99, 0}};

void fb_tinylfu_choose(fb_policy_t *p, uint32_t choice) {
    const uint64_t percent = fb_tinylfu_choices[choice].window;
    const uint64_t share = p->maxsize / 100 * percent + p->maxsize % 100 * percent / 100;
    p->choice = choice;
    p->window_max = share > 0 ? share : 1;
    const uint64_t main = p->maxsize - p->window_max;
    p->protected_max = main - main / 4;
}

/* ---- segments ---------------------------------------------------------------------------------- */

/* Moves the oldest of a list that is above `bound` to probation, a few at most. */
static void move_oldest(fb_policy_t *p, unsigned list, uint64_t bound) {
    for (int i = 0; i < STEPS && p->lists[list].weight > bound; i++)
        fb_policy_move(p, FB_LIST_PROBATION, p->lists[list].oldest);
}

/* The same, without a call if there is nothing to move. */
FB_INLINE void spill(fb_policy_t *p, unsigned list, uint64_t bound) {
    if (p->lists[list].weight > bound) move_oldest(p, list, bound);
}

void fb_tinylfu_promote(fb_policy_t *p, uint32_t slot) {
    fb_policy_move(p, FB_LIST_PROTECTED, slot);
    spill(p, FB_LIST_PROTECTED, p->protected_max);
}

void fb_tinylfu_link(fb_policy_t *p, uint32_t slot, uint32_t count) {
    spill(p, FB_LIST_WINDOW, p->window_max);
    spill(p, FB_LIST_PROTECTED, p->protected_max);
    fb_policy_link(p, FB_LIST_WINDOW, slot);
    p->entries[slot].meta = p->time | count | FB_LIST_WINDOW;
    p->time += FB_META_ONE;
}

/* Whether the candidate is to have the victim's place. */
static bool admits(fb_policy_t *p, uint32_t candidate, uint32_t victim) {
    const int a = p->entries[candidate].meta & FB_META_COUNT, b = p->entries[victim].meta & FB_META_COUNT;
    if (a > b + fb_tinylfu_choices[p->choice].lead * FB_META_COUNT_ONE) return true;
    if (a <= WARM * FB_META_COUNT_ONE) return false;
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return p->random >> 57 == 0;
}

uint32_t fb_tinylfu_evict(fb_policy_t *p) {
    const uint32_t candidate = fb_policy_oldest(p, FB_LIST_WINDOW);
    uint32_t victim = fb_policy_oldest(p, FB_LIST_PROBATION);
    if (victim == FB_POLICY_NONE) victim = fb_policy_oldest(p, FB_LIST_PROTECTED);
    if (victim == FB_POLICY_NONE) {
        victim = candidate;
    } else if (candidate != FB_POLICY_NONE && p->lists[FB_LIST_WINDOW].weight > p->window_max) {
        if (admits(p, candidate, victim))
            fb_policy_move(p, FB_LIST_PROBATION, candidate);
        else
            victim = candidate;
    }
    if (victim != FB_POLICY_NONE) fb_policy_unlink(p, victim);
    return victim;
}

/* ---- counts ------------------------------------------------------------------------------------ */

/* A request for a key that is not there: its count with this one, as in its meta, and whether that is one more. */
FB_INLINE uint32_t raise_count(fb_policy_t *p, uint64_t hash, bool *more) {
    const unsigned before = fb_frequency_raise(fb_frequency_block(&p->sketch, hash), hash);
    *more = before < FB_FREQUENCY_MAX;
    return (before + *more) * FB_META_COUNT_ONE;
}

/* The rest of it, when the entry is in the window. */
FB_INLINE void entered(fb_policy_t *p, uint32_t slot, bool more) {
    if (FB_LIKELY(more)) fb_tinylfu_counted(p);
    fb_tinylfu_show_shadows(p, slot);
}

void fb_tinylfu_enter(fb_policy_t *p, uint32_t slot) {
    bool more;
    fb_tinylfu_link(p, slot, raise_count(p, p->entries[slot].hash, &more));
    entered(p, slot, more);
}

void fb_tinylfu_remember(fb_policy_t *p, uint32_t slot) {
    const fb_policy_entry_t *e = &p->entries[slot];
    fb_frequency_lift(&p->sketch, e->hash, (e->meta & FB_META_COUNT) / FB_META_COUNT_ONE);
}

void fb_tinylfu_halve(fb_policy_t *p) {
    enum { HALVED = FB_META_COUNT / 2 & FB_META_COUNT };
    for (uint32_t slot = 0; slot < p->n_used; slot++) {
        uint32_t *meta = &p->entries[slot].meta;
        *meta = (*meta & ~(uint32_t)FB_META_COUNT) | (*meta / 2 & HALVED);
    }
}

void fb_tinylfu_age(fb_policy_t *p, uint64_t records) {
    fb_frequency_age_at(&p->sketch, records);
    fb_tinylfu_halve(p);
    fb_shadows_age(p);
}

/* ---- in and out at once ------------------------------------------------------------------------ */

/* What enter and evict do, in a cache that is full and whose entries weigh 1: sums of weights stay as they are, and
 * mostly only both ends of the window change. That spares a miss a third of its steps. */

/* As fb_tinylfu_link, for an entry that gets a free slot. */
FB_INLINE uint32_t push_in(fb_policy_t *p, uint64_t hash, uint32_t count) {
    fb_policy_list_t *const window = &p->lists[FB_LIST_WINDOW];
    spill(p, FB_LIST_WINDOW, p->window_max);
    spill(p, FB_LIST_PROTECTED, p->protected_max);
    const uint32_t slot = p->last = p->free;
    fb_policy_entry_t *const e = &p->entries[slot];
    p->free = e->next;
    e->hash = hash;
    e->meta = p->time | count | FB_LIST_WINDOW;
    e->seen = p->time;
    p->time += FB_META_ONE;
    fb_policy_put(p, window, slot);
    window->weight++;
    return slot;
}

/* As fb_tinylfu_evict after push_in, which leaves the last entry in the window; another one if that is above its bound
 * or there is no victim. */
FB_INLINE uint32_t push_out(fb_policy_t *p) {
    fb_policy_list_t *const window = &p->lists[FB_LIST_WINDOW];
    const uint32_t candidate = window->oldest;
    uint32_t victim = p->lists[FB_LIST_PROBATION].oldest;
    if (FB_UNLIKELY(victim == FB_POLICY_NONE)) victim = p->lists[FB_LIST_PROTECTED].oldest;
    if (FB_UNLIKELY(victim == FB_POLICY_NONE)) {
        victim = candidate;
    } else if (FB_LIKELY(window->weight > p->window_max)) {
        if (FB_LIKELY(!admits(p, candidate, victim))) {
            const uint32_t newer = p->entries[candidate].prev;
            window->oldest = newer;
            p->entries[newer].next = FB_POLICY_NONE;
            window->weight--;
            p->entries[candidate].meta |= FB_LIST_NONE;
            return candidate;
        }
        fb_policy_move(p, FB_LIST_PROBATION, candidate);
    }
    fb_policy_unlink(p, victim);
    return victim;
}

uint32_t fb_tinylfu_replace(fb_policy_t *p, uint64_t hash, uint32_t *victim) {
    bool more;
    const uint32_t count = raise_count(p, hash, &more), slot = push_in(p, hash, count);
    entered(p, slot, more);
    *victim = push_out(p);
    if (p->entries[*victim].meta & FB_META_AHEAD) fb_tinylfu_remember(p, *victim);
    return slot;
}

uint32_t fb_tinylfu_replace_counted(fb_policy_t *p, uint64_t hash, uint32_t count, uint32_t *victim) {
    const uint32_t slot = push_in(p, hash, count);
    *victim = push_out(p);
    return slot;
}

/* ---- sketch ------------------------------------------------------------------------------------ */

static fb_status_t make_sketch(fb_frequency_t *s, uint64_t n_blocks) {
    void *memory = fb_alloc_zeroed((size_t)fb_frequency_bytes(n_blocks * 8));
    if (memory == NULL) return FB_NO_MEMORY;
    fb_frequency_init(s, n_blocks * 8, memory);
    return FB_OK;
}

static fb_status_t double_sketch(fb_policy_t *p) {
    enum { BYTES = FB_FREQUENCY_BLOCK * 8 };
    const fb_frequency_t old = p->sketch;
    if (make_sketch(&p->sketch, old.n_blocks * 2) != FB_OK) {
        p->sketch = old;
        return FB_NO_MEMORY;
    }
    const uint64_t *from = old.words + FB_FREQUENCY_HEAD;
    uint64_t *into = p->sketch.words + FB_FREQUENCY_HEAD;
    for (uint64_t b = 0; b < old.n_blocks; b++, from += FB_FREQUENCY_BLOCK) {
        memcpy(into, from, BYTES);
        memcpy(into + FB_FREQUENCY_BLOCK, from, BYTES);
        into += 2 * FB_FREQUENCY_BLOCK;
    }
    p->sketch.words[0] = old.words[0];
    fb_free_zeroed(old.words);
    return FB_OK;
}

fb_status_t fb_tinylfu_init(fb_policy_t *p) {
    uint64_t blocks = p->weighted ? FIRST_BLOCKS : fb_frequency_blocks(p->maxsize);
    unsigned doublings = 0;
    while (blocks >> doublings >= 2 * FIRST_BLOCKS) doublings++;
    blocks = (blocks + (1ull << doublings) - 1) >> doublings;
    p->random = p->seed;
    fb_tinylfu_choose(p, FB_TINYLFU_FIRST_CHOICE);
    return make_sketch(&p->sketch, blocks < FIRST_BLOCKS ? FIRST_BLOCKS : blocks);
}

void fb_tinylfu_free(fb_policy_t *p) {
    fb_shadows_free(p);
    fb_free_zeroed(p->sketch.words);
    p->sketch.words = NULL;
}

void fb_tinylfu_clear(fb_policy_t *p) {
    fb_shadows_free(p);
    fb_frequency_clear(&p->sketch);
    p->random = p->seed;
    fb_tinylfu_choose(p, FB_TINYLFU_FIRST_CHOICE);
}

void fb_tinylfu_resize(fb_policy_t *p) {
    fb_shadows_free(p);
    fb_tinylfu_choose(p, p->choice);
}

fb_status_t fb_tinylfu_reserve(fb_policy_t *p) {
    if (p->n_entries > p->sketch.n_blocks * 8 && double_sketch(p) != FB_OK) return FB_NO_MEMORY;
    return fb_shadows_reserve(p);
}
