/* Rotating Bloom filter: Bloom filters that take turns, as the buffers of [1] do.
 *
 * Idea. A Bloom filter cannot forget one key, but it can forget all of them. So g filters of one shape,
 * the generations, each take keys for one period; lookups ask all g. When a period is over, the oldest
 * is cleared and takes the keys of the next:
 *
 *     period        |   n-2   |   n-1   |    n    |        g = 3, at some instant in period n
 *     generation    |   n-2   |   n-1   |    n    |
 *                    asked     asked     asked; takes keys
 *
 * Time. Instants and durations are integer nanoseconds. Generation n takes keys in
 * [origin + n * period, origin + (n + 1) * period) and is over at origin + (n + g) * period. With
 * period = ceil(window / (g - 1)), a key that was last added at t is found at t + window, still, and
 * no more at t + g * period = t + window + period, about. More generations forget more exactly, and cost
 * a probe each. What a clock that went back says is taken as the latest instant it had said before:
 * `rotations` only grows.
 *
 * Rate. No more than `capacity` distinct keys fall into a period, which is no longer than the window;
 * each generation is sized to hold those at fp_rate / g. The sum over generations is at most fp_rate,
 * however the keys come.
 *
 * Layout. A head line of eight words, then g slots; generation n lies in slot n mod g.
 *
 *     word 0  rotations   number of the current generation, as the last writer left it
 *          1  form        0: sealed, 1: live
 *          2  phase       of a sealed state: nanoseconds since its current generation began
 *          3  origin      of a live state: when generation 0 began, on the clock in use (int64)
 *        4-7  zero
 *
 * A sealed state (bytes, saved files) has no instants in it, which would mean nothing on another
 * machine: only `phase`, and the current generation in slot 0. Time stands still while it is sealed.
 * An object in memory, or a file that a writer has mapped, is live: all processes of a host have
 * one monotonic clock, so those that have the file mapped to read go by its origin. A reader of a
 * file that is still sealed keeps an origin of its own (`begun`).
 *
 * Threads. One writer, any number of readers without a lock, in this process or others. Between
 * rotations bits are only set. Readers never write: from `rotations`, one atomic word, and the time
 * they know which slots hold generations that are not over, and pass over those that no writer has
 * come to clear yet. A writer clears a slot, then stores `rotations` (release), then adds. A lookup finds
 * every key whose add was done before the lookup began, and whose window lasts until it ends: that key's
 * generation n is <= the `rotations` that the reader loads, is not over by the reader's time, so it
 * is asked; and its slot is cleared at origin + (n + g) * period at the earliest, which is after the end
 * of the window, however long the reader pauses between its steps. What it may find besides are keys
 * added meanwhile.
 *
 * Complexity. add, contains: O(g), one cache miss a generation. rotate: O(bytes of what is over), all
 * bytes at most.
 *
 * [1] F. Chang, W. Feng, K. Li, "Approximate caches for packet classification", INFOCOM 2004: two
 *     Bloom filters that take turns ("double buffering").
 */
#include "filters/rotating_bloom.h"

#include "memory.h"

enum { ROTATIONS, FORM, PHASE, ORIGIN, HEAD_WORDS = FB_ROTATING_BLOOM_HEAD / 8 };

enum { SEALED = 0, LIVE = 1 };

fb_status_t fb_rotating_bloom_shape(uint64_t capacity, double fp_rate, unsigned generations,
                                    fb_bloom_shape_t *shape) {
    fb_bloom_shape_t found;
    fb_status_t status = fb_bloom_shape(capacity, fp_rate / (double)generations, &found);
    if (status != FB_OK) return status;
    if (fb_rotating_bloom_bytes(found, generations) > SIZE_MAX / 2) return FB_OUT_OF_RANGE;
    *shape = found;
    return FB_OK;
}

void fb_rotating_bloom_init(fb_rotating_bloom_t *r, fb_bloom_shape_t shape, unsigned generations,
                            uint64_t period, void *payload) {
    r->head = payload;
    fb_bloom_init(&r->first, shape, (uint32_t *)payload + FB_ROTATING_BLOOM_HEAD / 4);
    r->generations = generations;
    r->period = period;
    r->begun = 0;
}

bool fb_rotating_bloom_valid(const fb_rotating_bloom_t *r) {
    uint64_t unused = 0;
    for (size_t i = ORIGIN + 1; i < HEAD_WORDS; i++) unused |= fb_atomic_load64(r->head + i);
    return unused == 0 && fb_atomic_load64(r->head + ROTATIONS) <= INT64_MAX / r->period &&
           fb_atomic_load64(r->head + FORM) <= LIVE &&
           fb_atomic_load64(r->head + PHASE) < r->period;
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Since generation 0 began. */
FB_INLINE uint64_t elapsed_at(const fb_rotating_bloom_t *r, int64_t now) {
    int64_t origin = r->begun;
    if (FB_LIKELY(fb_atomic_acquire64(r->head + FORM) == LIVE))
        origin = (int64_t)fb_atomic_load64(r->head + ORIGIN);
    if (now <= origin) return 0;
    uint64_t elapsed = (uint64_t)now - (uint64_t)origin;
    return elapsed < INT64_MAX ? elapsed : INT64_MAX;
}

FB_INLINE uint64_t rotations_of(const fb_rotating_bloom_t *r) {
    return fb_atomic_acquire64(r->head + ROTATIONS);
}

/* The generations at an instant: which is current, and which slots hold those that are not over. */
typedef struct {
    uint64_t current; /* number of the generation that takes keys, be there a slot for it yet or not */
    unsigned late;    /* how far the newest in a slot lies back of it, g if all are over */
    unsigned newest;  /* its slot */
} view_t;

/* As a writer finds them once it has rotated. Small numbers are cheaper to divide. */
FB_INLINE view_t view_of(const fb_rotating_bloom_t *r, uint64_t newest) {
    const unsigned slot = newest <= UINT32_MAX ? (uint32_t)newest % r->generations
                                               : (unsigned)(newest % r->generations);
    return (view_t){newest, 0, slot};
}

/* Whether the generation that follows `newest` has begun; without a division. */
FB_INLINE bool is_over(const fb_rotating_bloom_t *r, uint64_t newest, uint64_t elapsed) {
    const uint64_t start = newest * r->period;
    return elapsed > start && elapsed - start >= r->period;
}

FB_INLINE view_t view_at(const fb_rotating_bloom_t *r, int64_t now) {
    const uint64_t newest = rotations_of(r), elapsed = elapsed_at(r, now);
    view_t view = view_of(r, newest);
    if (FB_UNLIKELY(is_over(r, newest, elapsed))) {
        const uint64_t due = elapsed / r->period;
        view.current = due;
        view.late = due - newest < r->generations ? (unsigned)(due - newest) : r->generations;
    }
    return view;
}

/* The Bloom filter in a slot. */
FB_INLINE fb_bloom_t in_slot(const fb_rotating_bloom_t *r, unsigned slot) {
    fb_bloom_t bloom = r->first;
    bloom.bits += (size_t)slot * (size_t)(fb_bloom_bytes(bloom.shape) / 4);
    return bloom;
}

/* The generation that lies `back` of the current one; view.late <= back < g. */
FB_INLINE fb_bloom_t at(const fb_rotating_bloom_t *r, view_t view, unsigned back) {
    const unsigned older = back - view.late;
    return in_slot(r, view.newest >= older ? view.newest - older
                                           : view.newest + r->generations - older);
}

/* For every generation that is not over, the newest first. */
#define FOR_LIVE(r, view, back) \
    for (unsigned back = (view).late; back < (r)->generations; back++)

/* Since the current generation began; none if the clock has gone back before that. */
static uint64_t phase_at(const fb_rotating_bloom_t *r, int64_t now, view_t view) {
    const uint64_t elapsed = elapsed_at(r, now), start = view.current * r->period;
    return elapsed > start ? elapsed - start : 0;
}

void fb_rotating_bloom_begin(fb_rotating_bloom_t *r, int64_t now, bool writable) {
    uint64_t back;
    if (fb_atomic_acquire64(r->head + FORM) == LIVE) {
        back = rotations_of(r) * r->period;
        if (!writable || elapsed_at(r, now) >= back) return;
        /* The clock that it went by has started anew, with the machine. */
    } else {
        back = fb_atomic_load64(r->head + PHASE);
    }
    const bool early = back > (uint64_t)now - (uint64_t)INT64_MIN;
    r->begun = early ? INT64_MIN : (int64_t)((uint64_t)now - back);
    if (!writable) return;
    fb_atomic_store64(r->head + ORIGIN, (uint64_t)r->begun);
    fb_atomic_release64(r->head + FORM, LIVE);
}

bool fb_rotating_bloom_due(const fb_rotating_bloom_t *r, int64_t now) {
    return is_over(r, rotations_of(r), elapsed_at(r, now));
}

void fb_rotating_bloom_rotate(fb_rotating_bloom_t *r, int64_t now) {
    const view_t view = view_at(r, now);
    for (unsigned i = 0; i < view.late; i++) {
        fb_bloom_t over = in_slot(r, (unsigned)((view.current - i) % r->generations));
        fb_bloom_clear(&over);
    }
    if (view.late > 0) fb_atomic_release64(r->head + ROTATIONS, view.current);
}

/* ---- keys ---------------------------------------------------------------------------------- */

bool fb_rotating_bloom_add(fb_rotating_bloom_t *r, uint64_t h) {
    const view_t view = view_of(r, rotations_of(r));
    fb_bloom_t bloom = at(r, view, 0);
    bool is_new = fb_bloom_put(&bloom, h);
    for (unsigned back = 1; is_new && back < r->generations; back++) {
        bloom = at(r, view, back);
        is_new = !fb_bloom_contains(&bloom, h);
    }
    return is_new;
}

bool fb_rotating_bloom_contains(const fb_rotating_bloom_t *r, int64_t now, uint64_t h) {
    const view_t view = view_at(r, now);
    FOR_LIVE(r, view, back) {
        const fb_bloom_t bloom = at(r, view, back);
        if (fb_bloom_contains(&bloom, h)) return true;
    }
    return false;
}

/* found[i] = whether a generation from `first` back on may hold key i. */
static void find_slice(const fb_rotating_bloom_t *r, view_t view, unsigned first,
                       const uint64_t *hashes, size_t n, bool *found) {
    bool more[FB_KEYS_SLICE];
    memset(found, 0, n);
    for (unsigned back = first; back < r->generations; back++) {
        const fb_bloom_t bloom = at(r, view, back);
        bloom.kernels->contains_slice(bloom.bits, bloom.shape.n_blocks, hashes, n, more);
        for (size_t i = 0; i < n; i++) found[i] |= more[i];
    }
}

void fb_rotating_bloom_add_keys(fb_rotating_bloom_t *r, fb_keys_cursor_t keys, uint64_t seed,
                                bool *out) {
    const view_t view = view_of(r, rotations_of(r));
    const fb_bloom_t current = at(r, view, 0);
    uint64_t hashes[FB_KEYS_SLICE];
    bool found[FB_KEYS_SLICE], lacked[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        current.kernels->put_slice(current.bits, current.shape.n_blocks, hashes, n, lacked);
        if (out == NULL) continue;
        find_slice(r, view, 1, hashes, n, found);
        for (size_t i = 0; i < n; i++) out[i] = lacked[i] & !found[i];
        out += n;
    }
}

void fb_rotating_bloom_contains_keys(const fb_rotating_bloom_t *r, int64_t now,
                                     fb_keys_cursor_t keys, uint64_t seed, bool *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    bool found[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        const view_t view = view_at(r, now); /* anew: a writer may have rotated */
        find_slice(r, view, view.late, hashes, n, found);
        memcpy(out, found, n);
        out += n;
    }
}

/* ---- whole filters ------------------------------------------------------------------------- */

/* A key in the generation j back of `from` was added in that generation's period: more than
 * phase(from) + (j - 1) * period ago. Ours i back is over in (g - i) * period - phase(into). So it is
 * kept for the (g - 1) * period that it is owed, at i = j if phase(into) <= phase(from), that is if
 * our current generation began at the same time or later; at i = j - 1 else (0 for j = 0). The key is
 * then forgotten g + 1 periods after it was added, at the latest. */
void fb_rotating_bloom_merge(fb_rotating_bloom_t *into, int64_t now,
                             const fb_rotating_bloom_t *from, int64_t clock) {
    const view_t ours = view_at(into, now), theirs = view_at(from, clock);
    const unsigned shift = phase_at(into, now, ours) > phase_at(from, clock, theirs);
    FOR_LIVE(from, theirs, back) {
        fb_bloom_t bloom = at(into, ours, back >= shift ? back - shift : 0);
        const fb_bloom_t more = at(from, theirs, back);
        fb_bloom_unite(&bloom, &more);
    }
}

void fb_rotating_bloom_clear(fb_rotating_bloom_t *r) {
    for (unsigned slot = 0; slot < r->generations; slot++) {
        fb_bloom_t bloom = in_slot(r, slot);
        fb_bloom_clear(&bloom);
    }
}

bool fb_rotating_bloom_equal(const fb_rotating_bloom_t *a, int64_t now,
                             const fb_rotating_bloom_t *b, int64_t clock) {
    const view_t ours = view_at(a, now), theirs = view_at(b, clock);
    for (unsigned back = 0; back < a->generations; back++) {
        const bool in_a = back >= ours.late, in_b = back >= theirs.late;
        if (!in_a && !in_b) continue;
        const fb_bloom_t one = in_a ? at(a, ours, back) : at(b, theirs, back);
        const fb_bloom_t other = in_b ? at(b, theirs, back) : one;
        if (in_a && in_b ? !fb_bloom_equal(&one, &other) : !fb_bloom_empty(&one)) return false;
    }
    return true;
}

bool fb_rotating_bloom_empty(const fb_rotating_bloom_t *r, int64_t now) {
    const view_t view = view_at(r, now);
    FOR_LIVE(r, view, back) {
        const fb_bloom_t bloom = at(r, view, back);
        if (!fb_bloom_empty(&bloom)) return false;
    }
    return true;
}

uint64_t fb_rotating_bloom_count_bits(const fb_rotating_bloom_t *r, int64_t now) {
    const view_t view = view_at(r, now);
    uint64_t count = 0;
    FOR_LIVE(r, view, back) {
        const fb_bloom_t bloom = at(r, view, back);
        count += fb_bloom_count_bits(&bloom);
    }
    return count;
}

/* A key sets the same bits in every generation, so their union is the filter of all their keys. */
uint64_t fb_rotating_bloom_count_union(const fb_rotating_bloom_t *r, int64_t now) {
    const view_t view = view_at(r, now);
    const uint64_t n = fb_bloom_bytes(r->first.shape) / 8;
    const uint64_t *words[FB_ROTATING_BLOOM_MAX_GENERATIONS];
    unsigned live = 0;
    FOR_LIVE(r, view, back) words[live++] = (const uint64_t *)(const void *)at(r, view, back).bits;
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t any = 0;
        for (unsigned j = 0; j < live; j++) any |= fb_atomic_load64(words[j] + i);
        count += fb_popcount64(any);
    }
    return count;
}

double fb_rotating_bloom_rate_now(const fb_rotating_bloom_t *r, int64_t now) {
    const view_t view = view_at(r, now);
    double total = 0.0;
    FOR_LIVE(r, view, back) {
        const fb_bloom_t bloom = at(r, view, back);
        const double rate = fb_bloom_rate_now(&bloom);
        total += rate - total * rate;
    }
    return total;
}

void fb_rotating_bloom_seal(const fb_rotating_bloom_t *r, int64_t now, void *into) {
    const view_t view = view_at(r, now);
    const size_t size = (size_t)fb_bloom_bytes(r->first.shape);
    uint64_t head[HEAD_WORDS] = {0};
    const uint64_t phase = phase_at(r, now, view);
    head[PHASE] = phase < r->period ? phase : r->period - 1;
    memcpy(into, head, sizeof head);
    uint8_t *slots = (uint8_t *)into + sizeof head;
    for (unsigned back = 0; back < r->generations; back++) {
        uint8_t *slot = slots + size * (back == 0 ? 0 : r->generations - back);
        if (back < view.late)
            memset(slot, 0, size);
        else
            fb_copy_shared(slot, at(r, view, back).bits, size);
    }
}
