/* One writer and many readers on one sketch. Worth most under ThreadSanitizer (run.sh thread). */
#include <pthread.h>

#include "check.h"
#include "sketches/count_min.h"
#include "xxh3.h"

enum { READERS = 3, KEYS = 1000, ROUNDS = 20, SEED = 9 };

typedef struct {
    fb_count_min_t *sketch;
    fb_count_min_t *other;
    unsigned long wrong;
} job_t;

static void *write_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[KEYS];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = KEYS, .data = keys};
    for (size_t i = 0; i < KEYS; i++) keys[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        fb_count_min_add_keys(job->sketch, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, keys, 0);
        for (uint64_t i = 0; i < KEYS; i++)
            fb_count_min_add(job->sketch, fb_xxh3_64_u64(i, SEED), 1);
        fb_count_min_merge(job->sketch, job->other);
    }
    return NULL;
}

/* Estimates only ever grow, and so does the total. */
static void *read_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[KEYS], total = 0;
    uint32_t before[KEYS] = {0}, out[KEYS];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = KEYS, .data = keys};
    for (size_t i = 0; i < KEYS; i++) keys[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        fb_count_min_estimate_keys(job->sketch, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, out);
        for (size_t i = 0; i < KEYS; i++) {
            job->wrong += out[i] < before[i];
            before[i] = fb_count_min_estimate(job->sketch, fb_xxh3_64_u64(i, SEED));
            job->wrong += before[i] < out[i];
        }
        job->wrong += fb_count_min_total(job->sketch) < total;
        total = fb_count_min_total(job->sketch);
        fb_count_min_equal(job->sketch, job->other);
    }
    return NULL;
}

static fb_count_min_t new_sketch(bool conservative) {
    const fb_count_min_shape_t shape = {300, 4, conservative};
    fb_count_min_t s;
    void *memory;
    if (posix_memalign(&memory, 64, fb_count_min_bytes(shape)) != 0) abort();
    memset(memory, 0, fb_count_min_bytes(shape));
    fb_count_min_init(&s, shape, memory);
    return s;
}

static void read_while_writing(bool conservative) {
    fb_count_min_t shared = new_sketch(conservative), other = new_sketch(conservative);
    pthread_t threads[READERS + 1];
    job_t jobs[READERS + 1];
    fb_count_min_add(&other, 1, 5);
    for (size_t t = 0; t <= READERS; t++) {
        jobs[t] = (job_t){&shared, &other, 0};
        if (pthread_create(&threads[t], NULL, t == 0 ? write_keys : read_keys, &jobs[t])) abort();
    }
    for (size_t t = 0; t <= READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].wrong == 0);
    }
    CHECK(fb_count_min_total(&shared) == ROUNDS * (KEYS * (KEYS - 1) / 2 + KEYS + 5));
    free(shared.head);
    free(other.head);
}

int main(void) {
    read_while_writing(false);
    read_while_writing(true);
    return check_report();
}
