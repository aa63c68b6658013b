#include "sketches/topk.h"
#include "memory.h"

#include <math.h>

#include "check.h"
#include "xxh3.h"

enum { SEED = 5, DISTINCT = 600 };

static uint64_t random_state = 7;

static fb_topk_t new_topk(uint32_t capacity, bool decays) {
    const uint64_t cells = fb_topk_cells_for(capacity);
    fb_topk_t t;
    fb_topk_init(&t, capacity, cells, decays, fb_alloc_zeroed(fb_topk_bytes(capacity, cells)));
    return t;
}

/* counters lie first in the memory */
static void free_topk(fb_topk_t *t) { fb_free_zeroed(t->counters); }

static uint64_t hash_of(uint64_t key) { return fb_xxh3_64_u64(key, SEED); }

/* Low numbers often, high ones seldom. */
static uint64_t skewed(void) {
    return next_random(&random_state) % DISTINCT * (next_random(&random_state) % 1000) / 1000 *
           (next_random(&random_state) % 1000) / 1000;
}

/* The table finds every counter, and its own slot; no hash is there twice. */
static void check_table(const fb_topk_t *t) {
    for (uint32_t slot = 0; slot < t->n; slot++)
        CHECK(fb_topk_find(t, t->counters[slot].hash) == slot);
    CHECK(t->n <= t->capacity);
}

/* Both bounds, for integer counts. */
static void check_bounds(const fb_topk_t *t, const uint64_t *true_counts) {
    uint64_t total = 0, sum = 0;
    for (uint64_t key = 0; key < DISTINCT; key++) {
        const uint64_t h = hash_of(key), count = true_counts[key], bound = fb_topk_estimate(t, h);
        const uint32_t slot = fb_topk_find(t, h);
        total += count;
        CHECK(count <= bound);
        CHECK(bound - count <= t->total / t->capacity);
        if (slot == FB_TOPK_NONE)
            CHECK(count <= t->total / t->capacity);
        else
            CHECK(t->counters[slot].count - t->counters[slot].error <= count);
    }
    for (uint32_t slot = 0; slot < t->n; slot++) sum += t->counters[slot].count;
    CHECK(total == t->total);
    CHECK(sum <= total);
    check_table(t);
}

static int by_heat(const void *a, const void *b) {
    const fb_topk_counter_t *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->error != y->error) return x->error < y->error ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Rank gives the `first` hottest in order, then the others. */
static void check_rank(const fb_topk_t *t) {
    fb_topk_counter_t *want = exact_copy(t->counters, t->n * sizeof *want);
    fb_topk_ranked_t *got = exact_alloc(t->n * sizeof *got);
    qsort(want, t->n, sizeof *want, by_heat);
    for (uint32_t first = 0; first <= t->n; first += first < 3 ? 1 : 17) {
        fb_topk_rank(t, got, first);
        for (uint32_t i = 0; i < first; i++) {
            CHECK(memcmp(&got[i].counter, &want[i], sizeof *want) == 0);
            CHECK(memcmp(&t->counters[got[i].slot], &want[i], sizeof *want) == 0);
            CHECK(fb_topk_among(t, got[i].slot, i + 1) && !fb_topk_among(t, got[i].slot, i));
        }
    }
    free(want);
    free(got);
}

static void counting(uint32_t capacity) {
    fb_topk_t one = new_topk(capacity, false), batch = new_topk(capacity, false);
    uint64_t *keys = exact_alloc(3000 * sizeof *keys), *counts = exact_alloc(3000 * sizeof *counts);
    uint64_t true_counts[DISTINCT] = {0};
    uint64_t *holder = exact_alloc(capacity * sizeof *holder);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 3000; i++) {
            keys[i] = skewed();
            counts[i] = round == 0 ? 1 : next_random(&random_state) % 4;
            true_counts[keys[i]] += counts[i];
            if (counts[i] == 0) continue;
            const uint32_t slot = fb_topk_add(&one, hash_of(keys[i]), counts[i]);
            CHECK(slot == FB_TOPK_NONE || one.counters[slot].hash == hash_of(keys[i]));
        }
        fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 3000, .data = keys};
        fb_topk_add_keys(&batch, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED,
                         round == 0 ? NULL : counts, 1, 1.0);
        for (uint32_t i = 0; i < batch.n_changed; i++) {
            const uint32_t slot = batch.changed[i];
            holder[slot] = keys[batch.origin[slot] - 1];
        }
        fb_topk_settle(&batch);
        for (uint32_t slot = 0; slot < batch.n; slot++) {
            CHECK(batch.origin[slot] == 0);
            CHECK(hash_of(holder[slot]) == batch.counters[slot].hash);
        }
        CHECK(one.n == batch.n && one.total == batch.total);
        CHECK(memcmp(one.counters, batch.counters, one.n * sizeof *one.counters) == 0);
        CHECK(memcmp(one.cells, batch.cells, one.n_cells * sizeof *one.cells) == 0);
        check_bounds(&one, true_counts);
        check_rank(&one);
    }
    fb_topk_clear(&one);
    CHECK(one.n == 0 && one.total == 0 && !fb_topk_celled(&one));
    CHECK(fb_topk_find(&one, hash_of(0)) == FB_TOPK_NONE);
    free(keys), free(counts), free(holder);
    free_topk(&one), free_topk(&batch);
}

/* Hashes that meet in the table and in the cells: only their middle bits differ. */
static void collisions(void) {
    fb_topk_t t = new_topk(8, false);
    uint64_t hashes[12];
    for (uint64_t i = 0; i < 12; i++) hashes[i] = 0xFFull << 56 | i << 30 | 3;
    for (uint64_t round = 0; round < 50; round++)
        for (uint64_t i = 0; i < 12; i++) {
            fb_topk_add(&t, hashes[i], 1 + (i * 7 + round) % 5);
            check_table(&t);
        }
    while (t.n > 0) {
        fb_topk_drop(&t, t.n / 2);
        check_table(&t);
    }
    free_topk(&t);
}

static void merging(uint32_t capacity) {
    fb_topk_t a = new_topk(capacity, false), b = new_topk(capacity, false);
    fb_topk_ranked_t *room = exact_alloc(2 * capacity * sizeof *room);
    uint64_t true_counts[DISTINCT] = {0};
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < 2000; i++) {
            const uint64_t key = skewed(), other = DISTINCT - 1 - skewed();
            fb_topk_add(&a, hash_of(key), 1);
            fb_topk_add(&b, hash_of(other), 2);
            true_counts[key]++;
            true_counts[other] += 2;
        }
        const uint32_t n = a.n;
        fb_topk_counter_t *before = exact_copy(a.counters, n * sizeof *before);
        fb_topk_merge(&a, &b, 1.0, room);
        for (uint32_t slot = 0; slot < a.n; slot++) {
            const uint32_t from = room[slot].slot;
            const uint64_t h = from < n ? before[from].hash : b.counters[from - n].hash;
            CHECK(a.counters[slot].hash == h);
        }
        free(before);
        fb_topk_clear(&b);
        check_bounds(&a, true_counts);
    }
    free(room);
    free_topk(&a), free_topk(&b);
}

static void weights(void) {
    const uint64_t halves[] = {1, 3, 1000, 7000000007ull, 9000000000000000000ull};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        const uint64_t half = halves[i];
        for (uint64_t step = 0; step < 2000; step++) {
            const uint64_t age = next_random(&random_state) % (half < 1u << 30 ? half * 64 : half);
            const double want = exp2((double)age / (double)half);
            CHECK(fabs(fb_topk_weight(age, half) / want - 1.0) < 1e-14);
        }
        CHECK(fb_topk_weight(0, half) == 1.0 && fb_topk_weight(half, half) == 2.0);
    }
    CHECK(fabs(fb_topk_weight(9000000000000000000ull - 1, 9000000000000000000ull) - 2.0) < 1e-15);
}

static void fading(void) {
    fb_topk_t t = new_topk(128, true);
    uint32_t kept[128];
    for (uint64_t key = 0; key < 100; key++)
        fb_topk_add(&t, hash_of(key), fb_topk_weighed(&t, 1ull << (key % 50), 1.0));
    const uint32_t n = fb_topk_fade(&t, 70, kept);
    CHECK(n == t.n && n == 88); /* 2^6 and more have come to 2^-64 and more */
    for (uint32_t slot = 0; slot < n; slot++) {
        CHECK(t.counters[slot].hash == hash_of(kept[slot]));
        CHECK(kept[slot] % 50 >= 6);
    }
    check_table(&t);
    CHECK(fb_topk_fade(&t, UINT64_MAX, kept) == 0 && t.total == 0);
    free_topk(&t);
}

static void loading(void) {
    fb_topk_t t = new_topk(16, false), again = new_topk(16, false);
    for (size_t i = 0; i < 3000; i++) fb_topk_add(&t, hash_of(skewed()), 1);
    fb_topk_ranked_t ranked[16];
    fb_topk_counter_t counters[16];
    fb_topk_rank(&t, ranked, t.n);
    for (uint32_t i = 0; i < t.n; i++) counters[i] = ranked[i].counter;
    CHECK(fb_topk_load(&again, t.total, t.cells, counters, t.n));
    for (uint64_t key = 0; key < DISTINCT; key++)
        CHECK(fb_topk_estimate(&t, hash_of(key)) == fb_topk_estimate(&again, hash_of(key)));
    for (size_t i = 0; i < 3000; i++) { /* both go on alike */
        const uint64_t h = hash_of(skewed());
        fb_topk_add(&t, h, 1), fb_topk_add(&again, h, 1);
    }
    CHECK(memcmp(t.cells, again.cells, t.n_cells * sizeof *t.cells) == 0);
    const struct {
        uint32_t at;
        fb_topk_counter_t value;
    } bad[] = {
        {0, {1, UINT64_MAX, 0}}, {0, {1, 3001, 0}}, {15, {1, 0, 0}},
        {15, {1, 1, 2}},         {1, counters[0]},  {15, {counters[0].hash, 1, 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fb_topk_counter_t changed[16];
        memcpy(changed, counters, sizeof changed);
        changed[bad[i].at] = bad[i].value;
        fb_topk_clear(&again);
        CHECK(!fb_topk_load(&again, 3000, t.cells, changed, 16));
    }
    free_topk(&t), free_topk(&again);
}

static void sums(void) {
    const uint64_t counts[] = {FB_TOPK_MAX_TOTAL - 5, 5, 0, 1};
    CHECK(fb_topk_sum(counts, 0) == 0);
    CHECK(fb_topk_sum(counts, 3) == FB_TOPK_MAX_TOTAL);
    CHECK(fb_topk_sum(counts, 4) == UINT64_MAX);
    CHECK(fb_topk_counters_for(1) == 128 && fb_topk_counters_for(1000) == 2000);
    CHECK(fb_topk_cells_for(128) == 1024 && fb_topk_cells_for(2000) == 16384);
    CHECK(fb_topk_bytes(fb_topk_counters_for(FB_TOPK_MAX_K), 1ull << 28) > 0);
}

int main(void) {
    const uint32_t capacities[] = {1, 2, 5, 128, 700};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        counting(capacities[i]);
        merging(capacities[i]);
    }
    collisions();
    weights();
    fading();
    loading();
    sums();
    return check_report();
}
