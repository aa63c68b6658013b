/* Tally of 64-bit counters.
 *
 * Idea. A key has one counter; adding the key raises it.
 *
 *     | counter 0 | counter 1 | ... | counter width-1 |
 *     hash h:   i = floor(h * width / 2^64)
 *
 * Invariants. The sum of the counters, modulo 2^64, is the number of keys added. A counter is at least
 * as high as any of its keys was often added, until it passes 2^64 - 1 and begins anew at 0.
 *
 * Threads. One writer at a time; readers take no lock, and read each counter as it was before or after
 * a change.
 *
 * Complexity. add, estimate: O(1), one cache miss. merge, clear, equal: O(width).
 *
 * (Here belong the references, numbered, where the text above points to them.)
 */
#include "tally.h"

static uint64_t *counter_of(const fb_tally_t *t, uint64_t h) {
    return t->counters + fb_reduce64(h, t->width);
}

static void raise_by(uint64_t *counter, uint64_t n) {
    fb_atomic_store64(counter, fb_atomic_load64(counter) + n);
}

void fb_tally_add(fb_tally_t *t, uint64_t h) { raise_by(counter_of(t, h), 1); }

uint64_t fb_tally_estimate(const fb_tally_t *t, uint64_t h) {
    return fb_atomic_load64(counter_of(t, h));
}

void fb_tally_add_keys(fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < n; i++) FB_PREFETCH(counter_of(t, hashes[i]));
        for (size_t i = 0; i < n; i++) fb_tally_add(t, hashes[i]);
    }
}

void fb_tally_estimate_keys(const fb_tally_t *t, fb_keys_cursor_t keys, uint64_t seed,
                            uint64_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < n; i++) FB_PREFETCH(counter_of(t, hashes[i]));
        for (size_t i = 0; i < n; i++) *out++ = fb_tally_estimate(t, hashes[i]);
    }
}

void fb_tally_merge(fb_tally_t *into, const fb_tally_t *from) {
    for (uint64_t i = 0; i < into->width; i++)
        raise_by(into->counters + i, fb_atomic_load64(from->counters + i));
}

void fb_tally_clear(fb_tally_t *t) {
    for (uint64_t i = 0; i < t->width; i++) fb_atomic_store64(t->counters + i, 0);
}

bool fb_tally_equal(const fb_tally_t *a, const fb_tally_t *b) {
    for (uint64_t i = 0; i < a->width; i++)
        if (fb_atomic_load64(a->counters + i) != fb_atomic_load64(b->counters + i)) return false;
    return true;
}
