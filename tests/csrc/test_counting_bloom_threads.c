/* One writer and several readers on one counting Bloom filter: a key that is in is never missed,
 * whatever comes and goes beside it. Worth most under ThreadSanitizer (run.sh thread). */
#include <pthread.h>

#include "check.h"
#include "filters/counting_bloom.h"
#include "xxh3.h"

enum { READERS = 3, STAYING = 4000, PASSING = 8000, ROUNDS = 12, SEED = 9, BLOCKS = 900 };

static int stop; /* read and written atomically */

typedef struct {
    const fb_counting_bloom_t *f;
    unsigned long wrong;
} job_t;

static fb_keys_part_t counting(uint64_t *room, uint64_t first, size_t n) {
    for (size_t i = 0; i < n; i++) room[i] = first + i;
    return (fb_keys_part_t){.layout = FB_KEYS_INT64, .n = n, .data = room};
}

static void *read_keys(void *arg) {
    job_t *job = arg;
    uint64_t room[STAYING];
    bool found[STAYING];
    uint8_t counts[STAYING];
    const fb_keys_part_t part = counting(room, 0, STAYING);
    for (bool last = false; !last;) {
        last = fb_atomic_load_int(&stop) != 0;
        fb_counting_bloom_contains_keys(job->f, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, found);
        fb_counting_bloom_estimate_keys(job->f, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, counts);
        for (size_t i = 0; i < STAYING; i++) job->wrong += !found[i] || counts[i] < 1;
        for (uint64_t key = 0; key < STAYING; key += 7)
            job->wrong += !fb_counting_bloom_contains(job->f, fb_xxh3_64_u64(key, SEED));
        job->wrong += fb_counting_bloom_empty(job->f);
        job->wrong += fb_counting_bloom_rate_now(job->f) > 1.0;
        job->wrong += fb_counting_bloom_occupied(job->f) == 0;
    }
    return NULL;
}

static fb_counting_bloom_t new_filter(unsigned lanes) {
    const fb_split_shape_t shape = {BLOCKS, lanes};
    void *words;
    fb_counting_bloom_t f;
    if (posix_memalign(&words, 64, fb_counting_bloom_bytes(shape)) != 0) abort();
    memset(words, 0, fb_counting_bloom_bytes(shape));
    fb_counting_bloom_init(&f, shape, words);
    return f;
}

static void come_and_go(unsigned lanes) {
    static uint64_t staying_room[STAYING], passing_room[PASSING];
    static bool removed[PASSING];
    const fb_keys_part_t staying = counting(staying_room, 0, STAYING);
    const fb_keys_part_t passing = counting(passing_room, 1ull << 40, PASSING);
    fb_counting_bloom_t f = new_filter(lanes), more = new_filter(lanes);
    pthread_t threads[READERS];
    job_t jobs[READERS];
    fb_counting_bloom_add_keys(&f, (fb_keys_cursor_t){&staying, 1, 0, 0}, SEED);
    fb_counting_bloom_add_keys(&more, (fb_keys_cursor_t){&passing, 1, 0, 0}, SEED);
    fb_atomic_store_int(&stop, 0);
    for (size_t t = 0; t < READERS; t++) {
        jobs[t] = (job_t){&f, 0};
        if (pthread_create(&threads[t], NULL, read_keys, &jobs[t]) != 0) abort();
    }
    unsigned long kept = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (round % 3 == 0) {
            fb_counting_bloom_unite(&f, &more);
        } else if (round % 3 == 1) {
            fb_counting_bloom_add_keys(&f, (fb_keys_cursor_t){&passing, 1, 0, 0}, SEED);
        } else {
            for (size_t i = 0; i < PASSING; i++)
                fb_counting_bloom_add(&f, fb_xxh3_64_u64(passing_room[i], SEED));
        }
        if (round % 2 == 0) {
            fb_counting_bloom_remove_keys(&f, (fb_keys_cursor_t){&passing, 1, 0, 0}, SEED, removed);
            for (size_t i = 0; i < PASSING; i++) kept += !removed[i];
        } else {
            for (size_t i = 0; i < PASSING; i++)
                kept += !fb_counting_bloom_remove(&f, fb_xxh3_64_u64(passing_room[i], SEED));
        }
    }
    fb_atomic_store_int(&stop, 1);
    for (size_t t = 0; t < READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].wrong == 0);
    }
    CHECK(kept == 0);
    free(f.words);
    free(more.words);
}

int main(void) {
    for (unsigned lanes = 4; lanes <= 16; lanes *= 2) come_and_go(lanes);
    return check_report();
}
