/* One writer that rotates, readers without a lock: a key whose window lasts until the lookup ends is
 * found. Worth most under ThreadSanitizer (run.sh thread). */
#include <pthread.h>

#include "check.h"
#include "filters/rotating_bloom.h"
#include "xxh3.h"

enum { READERS = 3, KEYS = 300, STEPS = 400, GENERATIONS = 3, PERIOD = 100, STEP = 30, SEED = 9 };

typedef struct {
    fb_rotating_bloom_t *filter;
    const uint64_t *clock; /* moved by the writer, before it adds the keys again */
    unsigned long missed, looked;
} job_t;

static fb_keys_part_t counting(uint64_t *room) {
    for (size_t i = 0; i < KEYS; i++) room[i] = i;
    return (fb_keys_part_t){.layout = FB_KEYS_INT64, .n = KEYS, .data = room};
}

static void *look(void *arg) {
    job_t *job = arg;
    uint64_t keys[KEYS], now = 0;
    bool found[KEYS];
    const fb_keys_part_t part = counting(keys);
    while (now < STEPS * STEP) {
        now = fb_atomic_acquire64(job->clock);
        fb_rotating_bloom_contains_keys(job->filter, (int64_t)now, (fb_keys_cursor_t){&part, 1, 0, 0},
                                        SEED, found);
        const bool one = fb_rotating_bloom_contains(job->filter, (int64_t)now,
                                                    fb_xxh3_64_u64(KEYS / 2, SEED));
        /* All keys were added at now - 2 * STEP or later. */
        if (fb_atomic_acquire64(job->clock) - now > (GENERATIONS - 1) * PERIOD - 2 * STEP) continue;
        job->looked++;
        job->missed += !one;
        for (size_t i = 0; i < KEYS; i++) job->missed += !found[i];
    }
    return NULL;
}

int main(void) {
    const fb_bloom_shape_t shape = {60, 8};
    uint64_t clock = 0, keys[KEYS];
    bool out[KEYS];
    void *payload;
    if (posix_memalign(&payload, 64, (size_t)fb_rotating_bloom_bytes(shape, GENERATIONS))) abort();
    memset(payload, 0, (size_t)fb_rotating_bloom_bytes(shape, GENERATIONS));
    fb_rotating_bloom_t filter;
    fb_rotating_bloom_init(&filter, shape, GENERATIONS, PERIOD, payload);
    fb_rotating_bloom_begin(&filter, 0, true);
    const fb_keys_part_t part = counting(keys);
    fb_rotating_bloom_add_keys(&filter, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, out);

    pthread_t threads[READERS];
    job_t jobs[READERS];
    for (size_t t = 0; t < READERS; t++) {
        jobs[t] = (job_t){&filter, &clock, 0, 0};
        if (pthread_create(&threads[t], NULL, look, &jobs[t])) abort();
    }
    for (uint64_t step = 1; step <= STEPS; step++) {
        fb_atomic_release64(&clock, step * STEP);
        fb_rotating_bloom_rotate(&filter, (int64_t)(step * STEP));
        if (step % 2 == 0) {
            fb_rotating_bloom_add_keys(&filter, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, out);
            for (size_t i = 0; i < KEYS; i++) CHECK(!out[i]);
        } else {
            for (size_t i = 0; i < KEYS; i++)
                CHECK(!fb_rotating_bloom_add(&filter, fb_xxh3_64_u64(keys[i], SEED)));
        }
    }
    for (size_t t = 0; t < READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].missed == 0 && jobs[t].looked > 0);
    }
    free(payload);
    return check_report();
}
