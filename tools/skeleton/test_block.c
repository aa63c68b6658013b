#include "FAMILY/tally.h"

#include "check.h"
#include "xxh3.h"

enum { WIDTH = 100, N = 1500 };

static fb_tally_t new_tally(void) {
    fb_tally_t t = {exact_alloc(8 * WIDTH), WIDTH};
    memset(t.counters, 0, 8 * WIDTH);
    return t;
}

/* One by one and as a batch: the same counters, and those that a loop counts. */
static void batches_equal_single_keys(void) {
    const uint64_t seed = 7;
    uint64_t *keys = exact_alloc(N * sizeof *keys), *out = exact_alloc(N * sizeof *out);
    uint64_t naive[WIDTH] = {0};
    fb_tally_t one = new_tally(), many = new_tally();
    for (size_t i = 0; i < N; i++) {
        keys[i] = i * i;
        const uint64_t h = fb_xxh3_64_u64(keys[i], seed);
        fb_tally_add(&one, h);
        naive[fb_reduce64(h, WIDTH)]++;
    }
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = N, .data = keys};
    const fb_keys_cursor_t cursor = {&part, 1, 0, 0};
    fb_tally_add_keys(&many, cursor, seed);
    CHECK(fb_tally_equal(&one, &many));
    CHECK(memcmp(one.counters, naive, sizeof naive) == 0);
    fb_tally_estimate_keys(&many, cursor, seed, out);
    for (size_t i = 0; i < N; i++)
        CHECK(out[i] == fb_tally_estimate(&one, fb_xxh3_64_u64(keys[i], seed)));
    fb_tally_merge(&many, &many);
    CHECK(fb_tally_estimate(&many, 0) == 2 * naive[0] && !fb_tally_equal(&one, &many));
    fb_tally_clear(&many);
    CHECK(fb_tally_estimate(&many, UINT64_MAX) == 0);
    free(keys), free(out), free(one.counters), free(many.counters);
}

int main(void) {
    batches_equal_single_keys();
    return check_report();
}
