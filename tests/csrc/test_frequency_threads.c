/* One writer and many readers on one sketch. Worth most under ThreadSanitizer (run.sh thread). */
#include <pthread.h>

#include "check.h"
#include "sketches/frequency.h"
#include "xxh3.h"

enum { READERS = 3, KEYS = 2000, ROUNDS = 20, SEED = 9 };

typedef struct {
    fb_frequency_t *sketch;
    fb_frequency_t *other;
    unsigned long wrong;
} job_t;

static void *write_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[KEYS];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = KEYS, .data = keys};
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < KEYS; i++) keys[i] = i / 2 + (uint64_t)round;
        fb_frequency_record_keys(job->sketch, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED);
        for (uint64_t i = 0; i < KEYS; i++)
            fb_frequency_record(job->sketch, fb_xxh3_64_u64(i, SEED));
        fb_frequency_merge(job->sketch, job->other);
        if (round % 4 == 0) fb_frequency_age(job->sketch);
    }
    fb_frequency_clear(job->sketch);
    return NULL;
}

static void *read_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[KEYS];
    uint8_t out[KEYS];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = KEYS, .data = keys};
    for (size_t i = 0; i < KEYS; i++) keys[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        fb_frequency_estimate_keys(job->sketch, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, out);
        for (size_t i = 0; i < KEYS; i++) {
            job->wrong += out[i] > 15;
            job->wrong += fb_frequency_estimate(job->sketch, fb_xxh3_64_u64(i, SEED)) > 15;
        }
        job->wrong += fb_frequency_records(job->sketch) >= job->sketch->sample_size;
        job->wrong += fb_frequency_equal(job->sketch, job->other);
        fb_frequency_empty(job->sketch);
    }
    return NULL;
}

static fb_frequency_t new_sketch(uint64_t capacity) {
    void *memory;
    fb_frequency_t s;
    if (posix_memalign(&memory, 64, fb_frequency_bytes(capacity)) != 0) abort();
    memset(memory, 0, fb_frequency_bytes(capacity));
    fb_frequency_init(&s, capacity, memory);
    return s;
}

int main(void) {
    fb_frequency_t shared = new_sketch(500), other = new_sketch(500);
    pthread_t threads[READERS + 1];
    job_t jobs[READERS + 1];
    fb_frequency_record(&other, 1);
    for (size_t t = 0; t <= READERS; t++) {
        jobs[t] = (job_t){&shared, &other, 0};
        if (pthread_create(&threads[t], NULL, t == 0 ? write_keys : read_keys, &jobs[t])) abort();
    }
    for (size_t t = 0; t <= READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].wrong == 0);
    }
    CHECK(fb_frequency_empty(&shared));
    free(shared.words);
    free(other.words);
    return check_report();
}
