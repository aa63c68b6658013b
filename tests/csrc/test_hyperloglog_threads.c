/* Many threads raise the registers of one dense sketch, by keys, by batches and by merging, while
 * others estimate: the result is the sketch of all keys. Worth most under ThreadSanitizer (run.sh
 * thread), which also sees races that happen to do no harm. */
#include <pthread.h>

#include "check.h"
#include "memory.h"
#include "sketches/hyperloglog.h"
#include "xxh3.h"

enum { WRITERS = 4, READERS = 2, KEYS = 30000, STEP = 500, SEED = 9 };

typedef struct {
    fb_hll_t *hll;
    uint64_t first;
    unsigned long wrong;
} job_t;

static void *write_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[STEP];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = STEP, .data = keys};
    for (uint64_t at = 0; at < KEYS; at += STEP) {
        for (size_t i = 0; i < STEP; i++) keys[i] = job->first + at + i;
        if (at / STEP % 2 == 0) {
            fb_hll_raise_keys(job->hll, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED);
        } else {
            for (size_t i = 0; i < STEP; i++)
                fb_hll_raise(job->hll->registers, job->hll->p, fb_xxh3_64_u64(keys[i], SEED));
        }
    }
    return NULL;
}

/* Registers only ever rise, so no estimate is below one before. */
static void *watch(void *arg) {
    job_t *job = arg;
    double before = 0.0;
    for (int round = 0; round < 40; round++) {
        const double now = fb_hll_estimate(job->hll);
        job->wrong += now < before || fb_hll_empty(job->hll);
        before = now;
    }
    return NULL;
}

static fb_hll_t new_dense(unsigned p) {
    fb_hll_t hll;
    fb_hll_init(&hll, p, (uint8_t *)fb_alloc_zeroed((size_t)1 << p));
    return hll;
}

static void fill_together(unsigned p) {
    fb_hll_t shared = new_dense(p), alone = new_dense(p), third = new_dense(p);
    pthread_t threads[WRITERS + READERS];
    job_t jobs[WRITERS + READERS];
    fb_hll_raise(shared.registers, p, fb_xxh3_64_u64(0, SEED));
    /* Two writers each share a key range, so the same registers are raised at the same time. */
    for (size_t t = 0; t < WRITERS + READERS; t++) {
        jobs[t] = (job_t){&shared, t / 2 * KEYS, 0};
        if (pthread_create(&threads[t], NULL, t < WRITERS ? write_keys : watch, &jobs[t])) abort();
    }
    for (uint64_t key = 1ull << 40; key < (1ull << 40) + KEYS; key++)
        CHECK(fb_hll_add(&third, fb_xxh3_64_u64(key, SEED)) == FB_OK);
    const size_t size = fb_hll_gathered(&third);
    CHECK(fb_hll_unite_bytes(&shared, third.registers, size) == FB_OK);
    for (size_t t = 0; t < WRITERS + READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].wrong == 0);
    }
    for (uint64_t key = 0; key < WRITERS / 2 * KEYS; key++)
        CHECK(fb_hll_add(&alone, fb_xxh3_64_u64(key, SEED)) == FB_OK);
    CHECK(fb_hll_unite(&alone, &third) == FB_OK);
    CHECK(memcmp(alone.registers, shared.registers, size) == 0);
    fb_hll_free(&shared, NULL);
    fb_hll_free(&alone, NULL);
    fb_hll_free(&third, NULL);
}

int main(void) {
    for (unsigned p = FB_HLL_MIN_P; p <= 16; p += 4) fill_together(p);
    return check_report();
}
