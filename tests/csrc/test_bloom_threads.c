/* Many threads on one filter: no key is lost, and a thread always finds what it added. Worth most
 * under ThreadSanitizer (run.sh thread), which also sees races that happen to do no harm. */
#include <pthread.h>

#include "check.h"
#include "filters/bloom.h"
#include "xxh3.h"

enum { WRITERS = 4, READERS = 2, KEYS = 20000, STEP = 500, SEED = 9, BLOCKS = 6000 };

typedef struct {
    fb_bloom_t *bloom;
    uint64_t first;
    unsigned long missed;
} job_t;

/* Its keys, alternately as batches and one by one, each looked up right after. */
static void *write_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[STEP];
    bool found[STEP];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = STEP, .data = keys};
    for (uint64_t at = 0; at < KEYS; at += STEP) {
        for (size_t i = 0; i < STEP; i++) keys[i] = job->first + at + i;
        if (at / STEP % 2 == 0) {
            fb_bloom_add_keys(job->bloom, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED);
        } else {
            for (size_t i = 0; i < STEP; i++) {
                const uint64_t h = fb_xxh3_64_u64(keys[i], SEED);
                fb_bloom_add_atomic(job->bloom, h);
                job->missed += !fb_bloom_contains(job->bloom, h);
            }
        }
        fb_bloom_contains_keys(job->bloom, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, found);
        for (size_t i = 0; i < STEP; i++) job->missed += !found[i];
    }
    return NULL;
}

/* Reads the filter as a whole while it fills: bits only ever appear. */
static void *watch(void *arg) {
    job_t *job = arg;
    uint64_t before = 0;
    for (int round = 0; round < 20; round++) {
        uint64_t bits = fb_bloom_count_bits(job->bloom);
        job->missed += bits < before;
        job->missed += fb_bloom_rate_now(job->bloom) > 1.0;
        before = bits;
    }
    return NULL;
}

static uint32_t *new_bits(fb_bloom_shape_t shape) {
    void *bits;
    if (posix_memalign(&bits, 64, fb_bloom_bytes(shape)) != 0) abort();
    return memset(bits, 0, fb_bloom_bytes(shape));
}

static void fill_together(unsigned lanes) {
    const fb_bloom_shape_t shape = {BLOCKS, lanes};
    fb_bloom_t shared, alone, third;
    fb_bloom_init(&shared, shape, new_bits(shape));
    fb_bloom_init(&alone, shape, new_bits(shape));
    fb_bloom_init(&third, shape, new_bits(shape));
    pthread_t threads[WRITERS + READERS];
    job_t jobs[WRITERS + READERS];
    /* Two writers each share a key range, so the same words are set twice at the same time; and
     * this thread unites a third filter into the shared one meanwhile. */
    for (size_t t = 0; t < WRITERS + READERS; t++) {
        jobs[t] = (job_t){&shared, t / 2 * KEYS, 0};
        if (pthread_create(&threads[t], NULL, t < WRITERS ? write_keys : watch, &jobs[t])) abort();
    }
    for (uint64_t key = 1ull << 40; key < (1ull << 40) + KEYS; key++)
        fb_bloom_add(&third, fb_xxh3_64_u64(key, SEED));
    fb_bloom_unite(&shared, &third);
    for (size_t t = 0; t < WRITERS + READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].missed == 0);
    }
    for (uint64_t key = 0; key < WRITERS / 2 * KEYS; key++) {
        const uint64_t h = fb_xxh3_64_u64(key, SEED);
        CHECK(fb_bloom_contains(&shared, h));
        fb_bloom_add(&alone, h);
    }
    fb_bloom_unite(&alone, &third);
    CHECK(fb_bloom_equal(&shared, &alone));
    free(shared.bits);
    free(alone.bits);
    free(third.bits);
}

int main(void) {
    for (unsigned lanes = 4; lanes <= 16; lanes *= 2) fill_together(lanes);
    return check_report();
}
