#include "filters/bloom.h"
#include "memory.h"

#include <math.h>

#include "check.h"
#include "xxh3.h"

static const unsigned every_lanes[3] = {4, 8, 16};

/* An empty filter; its bits are aligned, and end where the heap block ends. */
static fb_bloom_t new_bloom(uint64_t n_blocks, unsigned lanes) {
    fb_bloom_shape_t shape = {n_blocks, lanes};
    void *bits;
    fb_bloom_t bloom;
    if (posix_memalign(&bits, 64, fb_bloom_bytes(shape)) != 0) abort();
    memset(bits, 0, fb_bloom_bytes(shape));
    fb_bloom_init(&bloom, shape, bits);
    return bloom;
}

static bool same_bits(const fb_bloom_t *a, const fb_bloom_t *b) {
    return memcmp(a->bits, b->bits, fb_bloom_bytes(a->shape)) == 0;
}

/* The integer keys first, first + 1, ... as a part over `room`. */
static fb_keys_part_t counting(uint64_t *room, uint64_t first, size_t n) {
    for (size_t i = 0; i < n; i++) room[i] = first + i;
    return (fb_keys_part_t){.layout = FB_KEYS_INT64, .n = n, .data = room};
}

static void add_counting(fb_bloom_t *bloom, uint64_t first, uint64_t n, uint64_t seed) {
    uint64_t room[1000];
    for (uint64_t at = 0; at < n; at += 1000) {
        fb_keys_part_t part = counting(room, first + at, n - at < 1000 ? (size_t)(n - at) : 1000);
        fb_bloom_add_keys(bloom, (fb_keys_cursor_t){&part, 1, 0, 0}, seed);
    }
}

static uint64_t present_counting(const fb_bloom_t *bloom, uint64_t first, uint64_t n,
                                 uint64_t seed) {
    uint64_t room[1000], present = 0;
    bool out[1000];
    for (uint64_t at = 0; at < n; at += 1000) {
        fb_keys_part_t part = counting(room, first + at, n - at < 1000 ? (size_t)(n - at) : 1000);
        fb_bloom_contains_keys(bloom, (fb_keys_cursor_t){&part, 1, 0, 0}, seed, out);
        for (size_t i = 0; i < part.n; i++) present += out[i];
    }
    return present;
}

/* ---- keys in and out ----------------------------------------------------------------------- */

/* One by one, atomically or as a batch: the same bits; and what was added is found both ways. */
static void every_path(uint64_t n_blocks, unsigned lanes, size_t n) {
    fb_bloom_t plain = new_bloom(n_blocks, lanes), atomic = new_bloom(n_blocks, lanes),
               batch = new_bloom(n_blocks, lanes), put = new_bloom(n_blocks, lanes);
    const uint64_t seed = n * 7 + lanes;
    uint64_t *room = exact_alloc(2 * n * sizeof *room);
    bool *out = exact_alloc(2 * n * sizeof *out);
    fb_keys_part_t part = counting(room, 1, n);
    fb_bloom_add_keys(&batch, (fb_keys_cursor_t){&part, 1, 0, 0}, seed);
    for (size_t i = 0; i < n; i++) {
        const uint64_t h = fb_xxh3_64_u64(room[i], seed);
        CHECK(fb_bloom_put(&put, h) == !fb_bloom_contains(&plain, h));
        CHECK(!fb_bloom_put(&put, h));
        fb_bloom_add(&plain, h);
        fb_bloom_add_atomic(&atomic, h);
        CHECK(fb_bloom_contains(&plain, h) && fb_bloom_contains(&atomic, h));
    }
    CHECK(same_bits(&plain, &atomic));
    CHECK(same_bits(&plain, &batch));
    CHECK(same_bits(&plain, &put));
    part = counting(room, 1, 2 * n);
    fb_bloom_contains_keys(&batch, (fb_keys_cursor_t){&part, 1, 0, 0}, seed, out);
    for (size_t i = 0; i < 2 * n; i++) {
        CHECK(i >= n || out[i]);
        CHECK(out[i] == fb_bloom_contains(&batch, fb_xxh3_64_u64(room[i], seed)));
    }
    free(out);
    free(room);
    free(plain.bits);
    free(atomic.bits);
    free(batch.bits);
    free(put.bits);
}

/* Counts around a prefetched run and a slice of hashes. */
static void no_false_negatives(void) {
    static const size_t counts[] = {0, 1, 31, 32, 33, 255, 256, 257, 1000};
    static const uint64_t sizes[] = {1, 2, 3, 97, 4099};
    for (size_t l = 0; l < 3; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                every_path(sizes[s], every_lanes[l], counts[c]);
}

/* A key sets one bit in each lane of the block that the high bits of its hash pick, and is found
 * only while all of them are set. */
static void one_bit_a_lane(void) {
    uint64_t random = 1;
    for (size_t l = 0; l < 3; l++) {
        const unsigned lanes = every_lanes[l];
        fb_bloom_t bloom = new_bloom(97, lanes);
        for (int round = 0; round < 500; round++) {
            const uint64_t h = round == 0 ? 0 : round == 1 ? UINT64_MAX : next_random(&random);
            CHECK(!fb_bloom_contains(&bloom, h));
            fb_bloom_add(&bloom, h);
            CHECK(fb_bloom_count_bits(&bloom) == lanes);
            uint32_t *block = bloom.bits + fb_reduce64(h, 97) * lanes;
            for (unsigned i = 0; i < lanes; i++) {
                const uint32_t bit = block[i];
                CHECK(fb_popcount64(bit) == 1);
                CHECK(fb_bloom_contains(&bloom, h));
                block[i] = ~bit;
                CHECK(!fb_bloom_contains(&bloom, h));
                block[i] = bit;
            }
            fb_bloom_clear(&bloom);
        }
        free(bloom.bits);
    }
}

/* The bits are part of the serialised format: they may never change, whatever rung made them. */
static void golden_bits(void) {
    static const uint64_t want[3] = {0xC3DD098D753DCA65u, 0x2F9687FA32985516u,
                                     0x5E6B341599495F4Eu};
    for (size_t l = 0; l < 3; l++) {
        fb_bloom_t bloom = new_bloom(1009, every_lanes[l]);
        add_counting(&bloom, 0, 5000, 42);
        CHECK(fb_xxh3_64(bloom.bits, fb_bloom_bytes(bloom.shape), 0) == want[l]);
        free(bloom.bits);
    }
}

/* ---- rates --------------------------------------------------------------------------------- */

static long double direct_rate_of_block(unsigned lanes, long double j) {
    return fminl(1.0L, powl(1.0L - powl(31.0L / 32.0L, j), lanes) + ldexpl(j, -32));
}

/* The documented sum, term by term; Poisson instead of binomial where that is all the same. */
static long double direct_rate(fb_bloom_shape_t shape, uint64_t n, bool poisson) {
    const long double blocks = shape.n_blocks, load = n / blocks;
    if (shape.n_blocks == 1) return direct_rate_of_block(shape.lanes, n);
    long double sum = 0.0L;
    for (uint64_t i = 0; i <= n && !(poisson && i > 1000); i++) {
        const long double j = i, clear = n - i;
        long double log_weight =
            poisson ? j * logl(load) - load - lgammal(j + 1)
                    : lgammal(n + 1.0L) - lgammal(j + 1) - lgammal(clear + 1) - j * logl(blocks) +
                          clear * log1pl(-1.0L / blocks);
        sum += expl(log_weight) * direct_rate_of_block(shape.lanes, j);
    }
    return sum;
}

static void rate_is_the_sum(void) {
    static const uint64_t sizes[] = {1, 2, 3, 7, 100, 4096, 1000000};
    static const uint64_t counts[] = {1, 2, 10, 333, 6000};
    for (size_t l = 0; l < 3; l++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const fb_bloom_shape_t shape = {sizes[s], every_lanes[l]};
            CHECK(fb_bloom_rate(shape, 0) == 0.0);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                const long double want = direct_rate(shape, counts[c], false);
                CHECK(fabsl(fb_bloom_rate(shape, counts[c]) - want) <= 1e-11L * want);
            }
            CHECK(fb_bloom_rate(shape, 1ull << 40) == 1.0);
            CHECK(fb_bloom_rate(shape, INT64_MAX) == 1.0); /* and at once */
        }
        const fb_bloom_shape_t largest = {FB_BLOOM_MAX_BLOCKS, every_lanes[l]};
        const long double want = direct_rate(largest, 20ull << 32, true);
        CHECK(fabsl(fb_bloom_rate(largest, 20ull << 32) - want) <= 1e-7L * want);
    }
}

/* What is measured against what the bits promise, and that against what the shape promises: both
 * within five standard deviations. */
static void check_measured(fb_bloom_t *bloom, uint64_t n, double promised, uint64_t probes) {
    const unsigned lanes = bloom->shape.lanes;
    const double blocks = (double)bloom->shape.n_blocks, trials = (double)probes;
    add_counting(bloom, 0, n, 11);
    CHECK(present_counting(bloom, 0, n, 11) == n);

    double sum = 0.0, squares = 0.0;
    for (uint64_t b = 0; b < bloom->shape.n_blocks; b++) {
        double hit = 1.0;
        for (unsigned i = 0; i < lanes; i++)
            hit *= fb_popcount64(bloom->bits[b * lanes + i]) / 32.0;
        sum += hit;
        squares += hit * hit;
    }
    const double now = sum / blocks, deviation = sqrt((squares / blocks - now * now) / blocks);
    CHECK(fabs(fb_bloom_rate_now(bloom) - now) <= 1e-12 * now);
    CHECK(fabs(now - promised) <= 5 * deviation);

    const double found = (double)present_counting(bloom, 1ull << 40, probes, 11);
    CHECK(fabs(found - trials * now) <= 5 * sqrt(trials * now));
}

static void measured_rates(void) {
    enum { N = 20000 };
    static const double rates[3] = {0.1, 0.01, 0.0001};
    static const uint64_t probes[3] = {200000, 500000, 2000000};
    for (size_t r = 0; r < 3; r++) {
        for (size_t l = 0; l < 3; l++) {
            fb_bloom_shape_t shape = {1, every_lanes[l]};
            while (fb_bloom_rate(shape, N) > rates[r]) shape.n_blocks += shape.n_blocks / 64 + 1;
            fb_bloom_t bloom = new_bloom(shape.n_blocks, shape.lanes);
            check_measured(&bloom, N, fb_bloom_rate(shape, N), probes[r]);
            free(bloom.bits);
        }
        fb_bloom_shape_t shape;
        CHECK(fb_bloom_shape(N, rates[r], &shape) == FB_OK);
        fb_bloom_t bloom = new_bloom(shape.n_blocks, shape.lanes);
        add_counting(&bloom, 0, N, 12);
        const double found = (double)present_counting(&bloom, 1ull << 40, probes[r], 12);
        CHECK(found <= (double)probes[r] * rates[r]);
        free(bloom.bits);
    }
}

/* ---- shapes -------------------------------------------------------------------------------- */

/* Good enough, and no shape of fewer bytes is, whatever its lanes. */
static void check_shape(uint64_t capacity, double fp_rate) {
    const double target = fp_rate * 0.85; /* MARGIN in bloom.c */
    fb_bloom_shape_t shape;
    CHECK(fb_bloom_shape(capacity, fp_rate, &shape) == FB_OK);
    CHECK(fb_bloom_shape_ok(shape));
    CHECK(fb_bloom_rate(shape, capacity) <= target);
    for (size_t l = 0; l < 3; l++) {
        fb_bloom_shape_t smaller = {(fb_bloom_bytes(shape) - 1) / 4 / every_lanes[l],
                                    every_lanes[l]};
        CHECK(smaller.n_blocks == 0 || fb_bloom_rate(smaller, capacity) > target);
    }
}

static void smallest_shapes(void) {
    static const double rates[] = {FB_BLOOM_MIN_FP_RATE, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.999999};
    static const uint64_t capacities[] = {1, 2, 3, 100, 1000, 12345, 1000000, 1000000000};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
        for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++)
            check_shape(capacities[c], rates[r]);
}

static void shapes_out_of_range(void) {
    static const double rates[] = {FB_BLOOM_MIN_FP_RATE, 0.01, 0.999999};
    const fb_bloom_shape_t untouched = {123, 4};
    for (size_t r = 0; r < 3; r++) {
        fb_bloom_shape_t shape = untouched;
        CHECK(fb_bloom_shape(INT64_MAX, rates[r], &shape) == FB_OUT_OF_RANGE);
        CHECK(fb_bloom_shape(1ull << 40, rates[r], &shape) == FB_OUT_OF_RANGE);
        CHECK(shape.n_blocks == untouched.n_blocks && shape.lanes == untouched.lanes);
    }
    for (unsigned lanes = 0; lanes < 40; lanes++) {
        const bool known = lanes == 4 || lanes == 8 || lanes == 16;
        CHECK(!fb_bloom_shape_ok((fb_bloom_shape_t){0, lanes}));
        CHECK(fb_bloom_shape_ok((fb_bloom_shape_t){1, lanes}) == known);
        CHECK(fb_bloom_shape_ok((fb_bloom_shape_t){FB_BLOOM_MAX_BLOCKS, lanes}) == known);
        CHECK(!fb_bloom_shape_ok((fb_bloom_shape_t){FB_BLOOM_MAX_BLOCKS + 1, lanes}));
        CHECK(!fb_bloom_shape_ok((fb_bloom_shape_t){UINT64_MAX, lanes}));
    }
}

/* ---- whole filters, against loops over the lanes -------------------------------------------- */

static size_t lanes_of(const fb_bloom_t *b) { return (size_t)(fb_bloom_bytes(b->shape) / 4); }

static bool naive_subset(const fb_bloom_t *a, const fb_bloom_t *b) {
    bool subset = true;
    for (size_t i = 0; i < lanes_of(a); i++) subset &= (a->bits[i] | b->bits[i]) == b->bits[i];
    return subset;
}

static void check_relations(const fb_bloom_t *a, const fb_bloom_t *b) {
    CHECK(fb_bloom_equal(a, b) == same_bits(a, b));
    CHECK(fb_bloom_subset(a, b) == naive_subset(a, b));
    CHECK(fb_bloom_subset(b, a) == naive_subset(b, a));
}

static void check_counts(const fb_bloom_t *b) {
    const unsigned lanes = b->shape.lanes;
    uint64_t count = 0;
    double sum = 0.0;
    for (uint64_t block = 0; block < b->shape.n_blocks; block++) {
        double hit = 1.0;
        for (unsigned i = 0; i < lanes; i++) {
            unsigned in_lane = 0;
            for (unsigned bit = 0; bit < 32; bit++)
                in_lane += b->bits[block * lanes + i] >> bit & 1;
            count += in_lane;
            hit *= in_lane / 32.0;
        }
        sum += hit;
    }
    const double rate = sum / (double)b->shape.n_blocks;
    CHECK(fb_bloom_count_bits(b) == count);
    CHECK(fb_bloom_empty(b) == (count == 0));
    CHECK(fabs(fb_bloom_rate_now(b) - rate) <= 1e-13 * rate);
}

static void whole_filters(uint64_t n_blocks, unsigned lanes) {
    uint64_t random = n_blocks * lanes;
    fb_bloom_t a = new_bloom(n_blocks, lanes), b = new_bloom(n_blocks, lanes),
               c = new_bloom(n_blocks, lanes);
    const size_t n = lanes_of(&a);
    check_relations(&a, &b);
    check_counts(&a);
    for (size_t i = 0; i < n; i++) {
        a.bits[i] = (uint32_t)next_random(&random);
        b.bits[i] = (uint32_t)(next_random(&random) | next_random(&random));
    }
    uint32_t *was_a = exact_copy(a.bits, n * 4), *was_b = exact_copy(b.bits, n * 4);
    check_counts(&a);
    check_counts(&b);

    fb_copy_shared(c.bits, a.bits, n * 4);
    check_relations(&a, &c);
    CHECK(same_bits(&a, &c));
    fb_bloom_unite(&c, &b);
    for (size_t i = 0; i < n; i++) CHECK(c.bits[i] == (was_a[i] | was_b[i]));
    check_relations(&a, &c);
    check_relations(&a, &b);
    fb_copy_shared(c.bits, a.bits, n * 4);
    fb_bloom_intersect(&c, &b);
    for (size_t i = 0; i < n; i++) CHECK(c.bits[i] == (was_a[i] & was_b[i]));
    check_relations(&b, &c);
    CHECK(memcmp(a.bits, was_a, n * 4) == 0 && memcmp(b.bits, was_b, n * 4) == 0);

    fb_copy_shared(c.bits, a.bits, n * 4);
    for (size_t i = 0; i < n; i++) { /* one bit makes the difference, wherever it is */
        c.bits[i] ^= 1u << i % 32;
        check_relations(&a, &c);
        CHECK(!fb_bloom_equal(&a, &c));
        c.bits[i] = a.bits[i];
    }
    fb_bloom_clear(&c);
    for (size_t i = 0; i < n; i++) {
        CHECK(fb_bloom_empty(&c));
        c.bits[i] = 1u << i % 32;
        CHECK(!fb_bloom_empty(&c) && fb_bloom_count_bits(&c) == 1);
        check_relations(&a, &c);
        c.bits[i] = 0;
    }
    memset(c.bits, 0xFF, n * 4);
    CHECK(fb_bloom_rate_now(&c) == 1.0 && fb_bloom_count_bits(&c) == 32 * n);
    free(was_a);
    free(was_b);
    free(a.bits);
    free(b.bits);
    free(c.bits);
}

int main(void) {
    no_false_negatives();
    one_bit_a_lane();
    golden_bits();
    rate_is_the_sum();
    measured_rates();
    smallest_shapes();
    shapes_out_of_range();
    for (size_t l = 0; l < 3; l++)
        for (uint64_t n_blocks = 1; n_blocks < 60; n_blocks = 3 * n_blocks + 1)
            whole_filters(n_blocks, every_lanes[l]);
    return check_report();
}
