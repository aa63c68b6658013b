/* Many threads, each with a record of its own, on one table: as so many processes. Exactly the limit passes,
 * no block or log is lost or in two places. Worth most under ThreadSanitizer. */
#include <pthread.h>

#include "check.h"
#include "limit/shared.h"

enum { THREADS = 4, CALLS = 3000, LIMIT = 500, PERIOD = 1000000000 };

typedef struct {
    fb_limit_shared_t table;
    uint64_t seed, keys;
    unsigned long passed[8], wrong;
} job_t;

static void *hammer(void *arg) {
    job_t *job = arg;
    int64_t opens;
    fb_limit_verdict_t v;
    for (int i = 0; i < CALLS; i++) {
        const uint64_t key = next_random(&job->seed) % job->keys, h = key * 0x9E3779B97F4A7C15ull;
        const fb_limit_outcome_t outcome =
            fb_limit_shared_call(&job->table, h, 5, 1, i % 8 != 0, &v, &opens);
        if (i % 8 != 0 && outcome == FB_LIMIT_ALLOWED && key < 8) job->passed[key]++;
        if (i % 512 == 0) fb_limit_shared_forget(&job->table, ~h); /* nobody's */
    }
    return NULL;
}

static void *watch(void *arg) {
    job_t *job = arg;
    uint64_t keys, evicted;
    for (int i = 0; i < 30; i++) {
        fb_limit_shared_count(&job->table, &keys, &evicted);
        job->wrong += keys > job->table.n_sets * job->table.ways;
    }
    return NULL;
}

static void run(fb_limit_kind_t kind, uint64_t keys, uint64_t max_keys, uint64_t limit) {
    fb_limit_rules_t rules = {.kind = kind, .n = 2};
    CHECK(fb_limit_rule(&rules.rule[0], kind, limit, limit, PERIOD));
    CHECK(fb_limit_rule(&rules.rule[1], kind, limit + 3, limit + 3, 2 * (uint64_t)PERIOD));
    void *body;
    const size_t size = (size_t)fb_limit_shared_bytes(&rules, max_keys);
    if (posix_memalign(&body, 64, size) != 0) abort();
    memset(body, 0, size);
    job_t jobs[THREADS];
    pthread_t threads[THREADS], watcher;
    memset(jobs, 0, sizeof jobs);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i].seed = i;
        jobs[i].keys = keys;
        fb_limit_shared_init(&jobs[i].table, &rules, max_keys, body);
        CHECK(fb_limit_shared_join(&jobs[i].table, i));
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, hammer, &jobs[i])) abort();
    if (pthread_create(&watcher, NULL, watch, &jobs[0])) abort();
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(pthread_join(watcher, NULL) == 0);
    CHECK(jobs[0].wrong == 0);
    for (uint64_t key = 0; key < 8 && key < keys; key++) {
        unsigned long passed = 0;
        for (unsigned i = 0; i < THREADS; i++) passed += jobs[i].passed[key];
        CHECK(keys > max_keys || passed == limit);
        CHECK(passed <= limit || keys > max_keys); /* what was evicted begins anew */
    }
    uint64_t held, evicted;
    fb_limit_shared_count(&jobs[0].table, &held, &evicted);
    CHECK(keys > max_keys ? held == max_keys && evicted > 0 : held == keys);
    free(body);
}

int main(void) {
    for (int kind = FB_LIMIT_FIXED; kind <= FB_LIMIT_LOG; kind++) {
        run((fb_limit_kind_t)kind, 1, 1000, LIMIT);
        run((fb_limit_kind_t)kind, 8, 1000, LIMIT);
        run((fb_limit_kind_t)kind, 40, 8, CALLS);
    }
    return check_report();
}
