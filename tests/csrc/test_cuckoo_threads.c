/* One writer and several readers on one filter that is nearly full, so that entries move all the time: a
 * key that stays is always found. Worth most under ThreadSanitizer (run.sh thread). */
#include <pthread.h>

#include "check.h"
#include "filters/cuckoo.h"
#include "xxh3.h"

enum { READERS = 3, BUCKETS = 64, STAY = 150, COME = 95, ROUNDS = 3000, SEED = 9 };

typedef struct {
    fb_cuckoo_t *filter;
    uint64_t *stop;
    unsigned long missed, reads;
} job_t;

static uint64_t hash_of(uint64_t key) { return fb_xxh3_64_u64(key, SEED); }

/* The keys that stay, alternately as a batch and one by one. */
static void *read_keys(void *arg) {
    job_t *job = arg;
    uint64_t keys[STAY];
    bool found[STAY];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = STAY, .data = keys};
    for (uint64_t key = 0; key < STAY; key++) keys[key] = key;
    while (fb_atomic_load64(job->stop) == 0 || job->reads == 0) {
        fb_cuckoo_contains_keys(job->filter, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, found);
        for (uint64_t key = 0; key < STAY; key++) {
            job->missed += !found[key];
            job->missed += !fb_cuckoo_contains(job->filter, hash_of(key));
        }
        job->missed += fb_cuckoo_len(job->filter) < STAY;
        job->reads++;
    }
    return NULL;
}

static void read_while_writing(unsigned bits) {
    const fb_cuckoo_shape_t shape = {BUCKETS, bits};
    void *payload;
    if (posix_memalign(&payload, 64, fb_cuckoo_bytes(shape)) != 0) abort();
    memset(payload, 0, fb_cuckoo_bytes(shape));
    fb_cuckoo_t filter;
    fb_cuckoo_init(&filter, shape, payload);
    for (uint64_t key = 0; key < STAY; key++) CHECK(fb_cuckoo_add(&filter, hash_of(key)) == FB_OK);
    uint64_t stop = 0;
    pthread_t threads[READERS];
    job_t jobs[READERS];
    for (size_t t = 0; t < READERS; t++) {
        jobs[t] = (job_t){&filter, &stop, 0, 0};
        if (pthread_create(&threads[t], NULL, read_keys, &jobs[t])) abort();
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t added = 0;
        const uint64_t first = round << 20;
        while (added < COME && fb_cuckoo_add(&filter, hash_of(first + added)) == FB_OK) added++;
        while (added > 0) CHECK(fb_cuckoo_remove(&filter, hash_of(first + --added)));
    }
    fb_atomic_store64(&stop, 1);
    for (size_t t = 0; t < READERS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(jobs[t].missed == 0);
    }
    CHECK(fb_cuckoo_len(&filter) == STAY);
    CHECK(filter.head[1] > ROUNDS * COME); /* entries were moved indeed */
    free(payload);
}

int main(void) {
    read_while_writing(10);
    read_while_writing(17);
    return check_report();
}
