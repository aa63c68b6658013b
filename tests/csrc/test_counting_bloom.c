#include "filters/counting_bloom.h"

#include <math.h>

#include "check.h"
#include "xxh3.h"

static const unsigned every_lanes[3] = {4, 8, 16};

/* An empty filter; its counters are aligned, and end where the heap block ends. */
static fb_counting_bloom_t new_filter(uint64_t n_blocks, unsigned lanes) {
    const fb_split_shape_t shape = {n_blocks, lanes};
    void *words;
    fb_counting_bloom_t f;
    if (posix_memalign(&words, 64, fb_counting_bloom_bytes(shape)) != 0) abort();
    memset(words, 0, fb_counting_bloom_bytes(shape));
    fb_counting_bloom_init(&f, shape, words);
    return f;
}

static size_t counters_of(const fb_counting_bloom_t *f) {
    return (size_t)fb_counting_bloom_bytes(f->shape) * 2;
}

/* The counters, one a byte: the model. */
static uint8_t *spread(const fb_counting_bloom_t *f) {
    const size_t n = counters_of(f);
    uint8_t *counters = exact_alloc(n);
    for (size_t i = 0; i < n; i++) counters[i] = f->words[i / 16] >> i % 16 * 4 & 15;
    return counters;
}

static bool has_counters(const fb_counting_bloom_t *f, const uint8_t *counters) {
    uint8_t *now = spread(f);
    const bool same = memcmp(now, counters, counters_of(f)) == 0;
    free(now);
    return same;
}

/* Indices of a key's counters in the model. */
static void indices_of(const fb_counting_bloom_t *f, uint64_t h, size_t *at) {
    const size_t block = (size_t)fb_reduce64(h, f->shape.n_blocks) * f->shape.lanes;
    for (unsigned i = 0; i < f->shape.lanes; i++)
        at[i] = (block + i) * 32 + ((uint32_t)h * fb_split_salts[i] >> 27);
}

static unsigned model_least(const uint8_t *counters, const size_t *at, unsigned lanes) {
    unsigned least = 15;
    for (unsigned i = 0; i < lanes; i++)
        if (counters[at[i]] < least) least = counters[at[i]];
    return least;
}

/* ---- one key, against the model ------------------------------------------------------------- */

static void check_key(fb_counting_bloom_t *f, uint8_t *model, uint64_t h, unsigned what) {
    const unsigned lanes = f->shape.lanes;
    size_t at[16];
    indices_of(f, h, at);
    const unsigned least = model_least(model, at, lanes);
    CHECK(fb_counting_bloom_estimate(f, h) == least);
    CHECK(fb_counting_bloom_contains(f, h) == (least > 0));
    if (what < 3) {
        fb_counting_bloom_add(f, h);
        for (unsigned i = 0; i < lanes; i++)
            model[at[i]] = (uint8_t)(model[at[i]] + (model[at[i]] < 15));
    } else {
        CHECK(fb_counting_bloom_remove(f, h) == (least > 0));
        for (unsigned i = 0; least > 0 && i < lanes; i++)
            model[at[i]] = (uint8_t)(model[at[i]] - (model[at[i]] < 15));
    }
}

/* Few blocks, so that counters saturate; some from random contents, where every mixture occurs. */
static void single_keys(uint64_t n_blocks, unsigned lanes, bool dirty) {
    fb_counting_bloom_t f = new_filter(n_blocks, lanes);
    uint64_t random = n_blocks * lanes + dirty;
    for (size_t i = 0; dirty && i < counters_of(&f) / 16; i++) f.words[i] = next_random(&random);
    uint8_t *model = spread(&f);
    for (int round = 0; round < 4000; round++) {
        const uint64_t h = round == 0 ? 0 : round == 1 ? UINT64_MAX : next_random(&random);
        check_key(&f, model, h, (unsigned)(next_random(&random) % 5));
        if (round % 64 == 0) CHECK(has_counters(&f, model));
    }
    CHECK(has_counters(&f, model));
    free(model);
    free(f.words);
}

/* Each counter of a key at every value, the others at 1: the least one counts, and only those of
 * the key change. */
static void every_value(unsigned lanes) {
    fb_counting_bloom_t f = new_filter(3, lanes);
    uint64_t random = lanes;
    for (int round = 0; round < 50; round++) {
        const uint64_t h = next_random(&random);
        size_t at[16];
        indices_of(&f, h, at);
        for (unsigned lane = 0; lane < lanes; lane++) {
            for (uint64_t value = 0; value < 16; value++) {
                memset(f.words, 0x11, fb_counting_bloom_bytes(f.shape));
                f.words[at[lane] / 16] += (value - 1) << at[lane] % 16 * 4;
                uint8_t *model = spread(&f);
                for (unsigned what = 0; what < 8; what++) check_key(&f, model, h, what);
                CHECK(has_counters(&f, model));
                free(model);
            }
        }
    }
    free(f.words);
}

/* ---- batches ------------------------------------------------------------------------------- */

static void batches(uint64_t n_blocks, unsigned lanes, size_t n) {
    fb_counting_bloom_t one = new_filter(n_blocks, lanes), many = new_filter(n_blocks, lanes);
    const size_t bytes = fb_counting_bloom_bytes(one.shape);
    uint64_t random = n, *keys = exact_alloc(n * sizeof *keys);
    bool *out = exact_alloc(n * sizeof *out);
    uint8_t *counts = exact_alloc(n);
    for (size_t i = 0; i < n; i++) keys[i] = next_random(&random) % (n / 2 + 1);
    const fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
    const fb_keys_cursor_t cursor = {&part, 1, 0, 0};
    fb_counting_bloom_add_keys(&many, cursor, 5);
    for (size_t i = 0; i < n; i++) fb_counting_bloom_add(&one, fb_xxh3_64_u64(keys[i], 5));
    CHECK(memcmp(one.words, many.words, bytes) == 0);
    for (size_t i = 0; i < n; i++) keys[i] = next_random(&random) % (n + 1);
    fb_counting_bloom_contains_keys(&many, cursor, 5, out);
    fb_counting_bloom_estimate_keys(&many, cursor, 5, counts);
    for (size_t i = 0; i < n; i++) {
        const uint64_t h = fb_xxh3_64_u64(keys[i], 5);
        CHECK(out[i] == fb_counting_bloom_contains(&one, h));
        CHECK(counts[i] == fb_counting_bloom_estimate(&one, h));
    }
    fb_counting_bloom_remove_keys(&many, cursor, 5, out);
    for (size_t i = 0; i < n; i++)
        CHECK(out[i] == fb_counting_bloom_remove(&one, fb_xxh3_64_u64(keys[i], 5)));
    CHECK(memcmp(one.words, many.words, bytes) == 0);
    free(keys);
    free(out);
    free(counts);
    free(one.words);
    free(many.words);
}

/* The counters are part of the serialised format: they may never change, whatever rung made them. */
static void golden_counters(void) {
    static const uint64_t want[3] = {0x4EEFCF9CE3995514u, 0x2DC3839C180DE5FAu,
                                     0x793565A968DEABA9u};
    uint64_t keys[5000];
    bool out[5000];
    for (size_t i = 0; i < 5000; i++) keys[i] = i % 4000;
    const fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 5000, .data = keys};
    const fb_keys_part_t some = {.layout = FB_KEYS_INT64, .n = 700, .data = keys};
    for (size_t l = 0; l < 3; l++) {
        fb_counting_bloom_t f = new_filter(1009, every_lanes[l]);
        fb_counting_bloom_add_keys(&f, (fb_keys_cursor_t){&part, 1, 0, 0}, 42);
        fb_counting_bloom_remove_keys(&f, (fb_keys_cursor_t){&some, 1, 0, 0}, 42, out);
        CHECK(fb_xxh3_64(f.words, fb_counting_bloom_bytes(f.shape), 0) == want[l]);
        free(f.words);
    }
}

/* ---- whole filters, against loops over the model -------------------------------------------- */

static void check_whole(const fb_counting_bloom_t *f) {
    uint8_t *model = spread(f);
    uint64_t occupied = 0;
    double sum = 0.0;
    for (size_t at = 0, block = 0; block < f->shape.n_blocks; block++) {
        double hit = 1.0;
        for (unsigned lane = 0; lane < f->shape.lanes; lane++) {
            unsigned in_lane = 0;
            for (unsigned i = 0; i < 32; i++) in_lane += model[at++] != 0;
            occupied += in_lane;
            hit *= in_lane / 32.0;
        }
        sum += hit;
    }
    const double rate = sum / (double)f->shape.n_blocks;
    CHECK(fb_counting_bloom_occupied(f) == occupied);
    CHECK(fb_counting_bloom_empty(f) == (occupied == 0));
    CHECK(fabs(fb_counting_bloom_rate_now(f) - rate) <= 1e-13 * rate);
    free(model);
}

static void whole_filters(uint64_t n_blocks, unsigned lanes) {
    fb_counting_bloom_t a = new_filter(n_blocks, lanes), b = new_filter(n_blocks, lanes);
    const size_t n = counters_of(&a), n_words = n / 16;
    uint64_t random = n;
    check_whole(&a);
    CHECK(fb_counting_bloom_equal(&a, &b));
    for (size_t i = 0; i < n_words; i++) {
        a.words[i] = next_random(&random) & next_random(&random) & next_random(&random);
        b.words[i] = next_random(&random);
    }
    check_whole(&a);
    check_whole(&b);
    uint8_t *was_a = spread(&a), *was_b = spread(&b);
    fb_counting_bloom_unite(&a, &b);
    CHECK(has_counters(&b, was_b));
    for (size_t i = 0; i < n; i++)
        was_a[i] = (uint8_t)(was_a[i] + was_b[i] < 15 ? was_a[i] + was_b[i] : 15);
    CHECK(has_counters(&a, was_a));
    fb_counting_bloom_unite(&b, &b);
    for (size_t i = 0; i < n; i++) was_b[i] = (uint8_t)(was_b[i] < 8 ? 2 * was_b[i] : 15);
    CHECK(has_counters(&b, was_b));
    memcpy(b.words, a.words, n / 2);
    CHECK(fb_counting_bloom_equal(&a, &b));
    for (size_t i = 0; i < n_words; i++) { /* one bit makes the difference, wherever it is */
        b.words[i] ^= 1ull << i % 64;
        CHECK(!fb_counting_bloom_equal(&a, &b));
        b.words[i] = a.words[i];
    }
    fb_counting_bloom_clear(&b);
    for (size_t i = 0; i < 64 * n_words; i += 7) {
        CHECK(fb_counting_bloom_empty(&b));
        b.words[i / 64] = 1ull << i % 64;
        CHECK(!fb_counting_bloom_empty(&b) && fb_counting_bloom_occupied(&b) == 1);
        b.words[i / 64] = 0;
    }
    memset(b.words, 0xFF, n / 2);
    CHECK(fb_counting_bloom_rate_now(&b) == 1.0 && fb_counting_bloom_occupied(&b) == n);
    free(was_a);
    free(was_b);
    free(a.words);
    free(b.words);
}

/* All sums of two counters, in both halves of a byte at once. */
static void sums_of_counters(void) {
    fb_counting_bloom_t a = new_filter(1, 4), b = new_filter(1, 4);
    for (uint64_t x = 0; x < 256; x++) {
        for (uint64_t y = 0; y < 256; y++) {
            const uint64_t low = (x & 15) + (y & 15), high = (x >> 4) + (y >> 4);
            a.words[0] = x * 0x0100000000000001ull;
            b.words[0] = y * 0x0100000000000001ull;
            fb_counting_bloom_unite(&a, &b);
            const uint64_t sum = (low < 15 ? low : 15) | (high < 15 ? high : 15) << 4;
            CHECK(a.words[0] == sum * 0x0100000000000001ull);
        }
    }
    free(a.words);
    free(b.words);
}

/* The shapes of the Bloom filter, in four times the bytes. */
static void shapes(void) {
    fb_split_shape_t bits, counters;
    for (uint64_t capacity = 1; capacity < 1000000; capacity = 7 * capacity + 1) {
        CHECK(fb_split_shape(capacity, 0.01, 4, &bits) == FB_OK);
        CHECK(fb_split_shape(capacity, 0.01, FB_COUNTING_BLOOM_LANE_BYTES, &counters) == FB_OK);
        CHECK(bits.n_blocks == counters.n_blocks && bits.lanes == counters.lanes);
        CHECK(fb_counting_bloom_bytes(counters) == counters.n_blocks * counters.lanes * 16);
    }
    CHECK(fb_split_shape(INT64_MAX, 0.01, FB_COUNTING_BLOOM_LANE_BYTES, &bits) == FB_OUT_OF_RANGE);
}

int main(void) {
    static const size_t counts[] = {0, 1, 23, 24, 25, 255, 256, 257, 1000};
    for (size_t l = 0; l < 3; l++) {
        const unsigned lanes = every_lanes[l];
        every_value(lanes);
        for (uint64_t n_blocks = 1; n_blocks < 60; n_blocks = 3 * n_blocks + 1) {
            single_keys(n_blocks, lanes, false);
            single_keys(n_blocks, lanes, true);
            whole_filters(n_blocks, lanes);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                batches(n_blocks, lanes, counts[c]);
        }
    }
    golden_counters();
    sums_of_counters();
    shapes();
    return check_report();
}
