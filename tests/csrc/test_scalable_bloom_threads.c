/* One thread adds, merges and clears while others look keys up: under TSan, no data race; and no key
 * that is there to stay is ever missed. */
#include "filters/scalable_bloom.h"

#include <pthread.h>

#include "check.h"
#include "xxh3.h"

enum { READERS = 3, STEADY = 500, KEYS = 20000, STEP = 400, SEED = 9 };

typedef struct {
    const fb_scalable_bloom_t *filter;
    const uint64_t *stop;
    uint64_t missed;
    bool steady; /* the first keys are never removed */
} job_t;

static void *look(void *arg) {
    job_t *job = arg;
    uint64_t keys[STEADY];
    bool found[STEADY];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = STEADY, .data = keys};
    for (size_t i = 0; i < STEADY; i++) keys[i] = i;
    while (fb_atomic_load64(job->stop) == 0) {
        fb_scalable_bloom_sums_t sums;
        fb_scalable_bloom_contains_keys(job->filter, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED,
                                        found);
        for (size_t i = 0; i < STEADY; i++) {
            const uint64_t h = fb_xxh3_64_u64(keys[i], SEED);
            const bool there = fb_scalable_bloom_contains(job->filter, h);
            job->missed += job->steady && !(found[i] && there);
        }
        fb_scalable_bloom_sums(job->filter, true, &sums);
        job->missed += fb_scalable_bloom_rate_now(job->filter) > 1.0;
    }
    return NULL;
}

static void add(fb_scalable_bloom_t *b, uint64_t first, size_t n) {
    uint64_t keys[STEP];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
    for (size_t i = 0; i < n; i++) keys[i] = first + i;
    CHECK(fb_scalable_bloom_add_keys(b, (fb_keys_cursor_t){&part, 1, 0, 0}, n, SEED) == FB_OK);
}

static void change(fb_scalable_bloom_t *b, bool clear) {
    fb_scalable_bloom_t other;
    CHECK(fb_scalable_bloom_start(&other, 50, 0.01) == FB_OK);
    for (uint64_t at = 0; at < KEYS; at += STEP) {
        fb_scalable_bloom_slice_t *list = NULL;
        add(b, STEADY + at, STEP);
        for (uint64_t key = at; key < at + STEP; key++)
            CHECK(fb_scalable_bloom_add(b, fb_xxh3_64_u64(key << 32, SEED)) == FB_OK);
        if (at % (KEYS / 4) == 0) {
            add(&other, at << 20, STEP);
            CHECK(fb_scalable_bloom_snapshot(&other, &list) != NULL);
            CHECK(fb_scalable_bloom_merge(b, list) == FB_OK);
        }
        if (clear && at / STEP % 5 == 4) fb_scalable_bloom_clear(b);
    }
    fb_scalable_bloom_free(&other);
}

static void together(bool clear) {
    fb_scalable_bloom_t filter;
    pthread_t threads[READERS];
    job_t jobs[READERS];
    uint64_t stop = 0;
    CHECK(fb_scalable_bloom_start(&filter, 50, 0.01) == FB_OK);
    for (uint64_t key = 0; key < STEADY; key++)
        CHECK(fb_scalable_bloom_add(&filter, fb_xxh3_64_u64(key, SEED)) == FB_OK);
    for (size_t t = 0; t < READERS; t++) {
        jobs[t] = (job_t){&filter, &stop, 0, !clear};
        if (pthread_create(&threads[t], NULL, look, &jobs[t])) abort();
    }
    change(&filter, clear);
    fb_atomic_store64(&stop, 1);
    for (size_t t = 0; t < READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].missed == 0);
    }
    fb_scalable_bloom_free(&filter);
}

int main(void) {
    together(false);
    together(true);
    return check_report();
}
