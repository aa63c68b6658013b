#include "filters/scalable_bloom.h"
#include "memory.h"

#include "check.h"
#include "xxh3.h"

#define SEED 5

static fb_scalable_bloom_t started(uint64_t initial, double fp_rate) {
    fb_scalable_bloom_t b;
    CHECK(fb_scalable_bloom_start(&b, initial, fp_rate) == FB_OK);
    return b;
}

/* Numbers below a million, some of them more than once. */
static uint64_t *random_keys(size_t n, uint64_t random) {
    uint64_t *keys = exact_alloc(n * sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = next_random(&random) % 1000000;
    return keys;
}

static fb_status_t add_batch(fb_scalable_bloom_t *b, const uint64_t *keys, size_t n) {
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
    return fb_scalable_bloom_add_keys(b, (fb_keys_cursor_t){&part, 1, 0, 0}, n, SEED);
}

static void contains_batch(const fb_scalable_bloom_t *b, const uint64_t *keys, size_t n,
                           bool *out) {
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
    fb_scalable_bloom_contains_keys(b, (fb_keys_cursor_t){&part, 1, 0, 0}, SEED, out);
}

static fb_scalable_bloom_sums_t sums_of(const fb_scalable_bloom_t *b) {
    fb_scalable_bloom_sums_t sums;
    fb_scalable_bloom_sums(b, true, &sums);
    return sums;
}

/* The payload, ending where the heap block ends, aligned to 64. */
static void *payload_of(const fb_scalable_bloom_t *b, size_t *size) {
    void *payload;
    *size = fb_scalable_bloom_bytes(b);
    if (posix_memalign(&payload, 64, *size) != 0) abort();
    fb_scalable_bloom_write(b, payload);
    return payload;
}

/* ---- the kernel that adds what is new -------------------------------------------------------- */

static void add_new_slice_is_add_until_full(unsigned lanes, uint64_t n_blocks, size_t n) {
    const fb_bloom_shape_t shape = {n_blocks, lanes};
    uint64_t random = n * 31 + lanes;
    uint64_t *h = exact_alloc(n * sizeof *h);
    for (size_t i = 0; i < n; i++) h[i] = i % 3 == 2 ? h[i - 1] : next_random(&random);
    for (uint64_t room = 0; room <= n; room += 1 + n / 7) {
        fb_bloom_t want, got;
        void *bits[2];
        for (int i = 0; i < 2; i++) {
            if (posix_memalign(&bits[i], 64, fb_bloom_bytes(shape)) != 0) abort();
            memset(bits[i], 0, fb_bloom_bytes(shape));
        }
        fb_bloom_init(&want, shape, bits[0]);
        fb_bloom_init(&got, shape, bits[1]);
        uint64_t left = room, left_got = room;
        size_t done = 0;
        for (; done < n && left > 0; done++) {
            if (fb_bloom_contains(&want, h[done])) continue;
            fb_bloom_add(&want, h[done]);
            left--;
        }
        CHECK(got.kernels->add_new_slice(got.bits, n_blocks, h, n, &left_got) == done);
        CHECK(left == left_got);
        CHECK(fb_bloom_equal(&want, &got));
        free(bits[0]);
        free(bits[1]);
    }
    free(h);
}

static void kernel(void) {
    static const size_t counts[] = {0, 1, 2, 23, 24, 25, 100, 256};
    for (unsigned lanes = 4; lanes <= 16; lanes *= 2)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            add_new_slice_is_add_until_full(lanes, 1, counts[c]);
            add_new_slice_is_add_until_full(lanes, 37, counts[c]);
        }
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* Batches of every size do what single keys do: the same slices, counts and bits. */
static void every_path(uint64_t initial, double fp_rate, size_t n) {
    fb_scalable_bloom_t one = started(initial, fp_rate), many = started(initial, fp_rate),
                        pieces = started(initial, fp_rate);
    uint64_t *keys = random_keys(n, n + initial), *probes = random_keys(n, 99);
    bool *out = exact_alloc(n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const uint64_t h = fb_xxh3_64_u64(keys[i], SEED);
        CHECK(fb_scalable_bloom_add(&one, h) == FB_OK);
        CHECK(fb_scalable_bloom_contains(&one, h));
    }
    CHECK(add_batch(&many, keys, n) == FB_OK);
    for (size_t at = 0, step = 1; at < n; at += step, step = step * 3 % 700 + 1)
        CHECK(add_batch(&pieces, keys + at, n - at < step ? n - at : step) == FB_OK);
    CHECK(fb_scalable_bloom_equal(&one, &many));
    CHECK(fb_scalable_bloom_equal(&one, &pieces));
    contains_batch(&many, keys, n, out);
    for (size_t i = 0; i < n; i++) CHECK(out[i]);
    contains_batch(&many, probes, n, out);
    for (size_t i = 0; i < n; i++)
        CHECK(out[i] == fb_scalable_bloom_contains(&one, fb_xxh3_64_u64(probes[i], SEED)));
    const fb_scalable_bloom_sums_t sums = sums_of(&one);
    CHECK(sums.keys <= n && sums.keys <= sums.capacity && sums.set <= sums.bits);
    CHECK(sums.capacity == initial * ((1ull << one.n_slices) - 1));
    CHECK(fb_scalable_bloom_rate_now(&one) <= fp_rate);
    fb_scalable_bloom_free(&one);
    fb_scalable_bloom_free(&many);
    fb_scalable_bloom_free(&pieces);
    free(keys);
    free(probes);
    free(out);
}

static void keys_in_and_out(void) {
    static const size_t counts[] = {0, 1, 255, 256, 257, 5000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        every_path(1, 0.1, counts[c]);
        every_path(100, 0.01, counts[c]);
        every_path(3000, 1e-4, counts[c]);
    }
}

/* ---- rates --------------------------------------------------------------------------------- */

static void rates_add_up(void) {
    static const double rates[] = {FB_SCALABLE_BLOOM_MIN_FP_RATE, 1e-3, 0.1, 0.999999};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        long double sum = 0.0L;
        for (unsigned level = 0; level < FB_SCALABLE_BLOOM_LEVELS; level++) {
            const double rate = fb_scalable_bloom_slice_rate(rates[r], level);
            CHECK(rate >= FB_BLOOM_MIN_FP_RATE);
            sum += rate;
            CHECK(sum < rates[r]);
        }
        CHECK(sum > 0.98L * rates[r]);
    }
}

/* ---- payload, merging, clearing -------------------------------------------------------------- */

static void through_payload(size_t n) {
    fb_scalable_bloom_t a = started(20, 0.01), b, c;
    uint64_t *keys = random_keys(2 * n, 3);
    CHECK(add_batch(&a, keys, n) == FB_OK);
    size_t size, again;
    void *payload = payload_of(&a, &size);
    for (int fixed = 0; fixed < 2; fixed++) {
        memset(&b, 0, sizeof b);
        b.initial_capacity = 20;
        b.fp_rate = 0.01;
        CHECK(fb_scalable_bloom_read(&b, payload, size, fixed) == FB_OK);
        CHECK(fb_scalable_bloom_equal(&a, &b));
        void *copy = payload_of(&b, &again);
        CHECK(size == again && memcmp(payload, copy, size) == 0);
        const fb_scalable_bloom_sums_t sums = sums_of(&b);
        const fb_status_t status = add_batch(&b, keys, 2 * n);
        if (fixed) { /* in place, or not at all */
            CHECK(status == (n == 0 ? FB_OK : FB_FULL));
            CHECK(memcmp(payload, copy, size) == 0);
            for (size_t i = 0; i < 2 * n; i++) {
                const uint64_t h = fb_xxh3_64_u64(keys[i], SEED);
                const bool full = sums_of(&b).keys == sums.capacity;
                const bool there = fb_scalable_bloom_contains(&b, h);
                CHECK(fb_scalable_bloom_add(&b, h) == (full && !there ? FB_FULL : FB_OK));
            }
            CHECK(n == 0 || sums_of(&b).keys == sums.capacity);
            fb_scalable_bloom_clear(&b);
            CHECK(sums_of(&b).keys == 0 && sums_of(&b).set == 0);
            CHECK(sums_of(&b).capacity == sums.capacity);
        } else {
            c = started(20, 0.01);
            CHECK(status == FB_OK && add_batch(&c, keys, 2 * n) == FB_OK);
            CHECK(fb_scalable_bloom_equal(&b, &c));
            const size_t memory = fb_scalable_bloom_memory(&c);
            fb_scalable_bloom_clear(&b);
            fb_scalable_bloom_clear(&c);
            CHECK(fb_scalable_bloom_equal(&b, &c) && c.n_slices == 1);
            CHECK(add_batch(&b, keys, n) == FB_OK && add_batch(&c, keys, n) == FB_OK);
            CHECK(fb_scalable_bloom_equal(&a, &b) && fb_scalable_bloom_equal(&a, &c));
            CHECK(fb_scalable_bloom_memory(&c) == memory); /* spares were used */
            fb_scalable_bloom_free(&c);
            fb_scalable_bloom_write(&a, payload); /* b has written to it */
        }
        fb_scalable_bloom_free(&b);
        free(copy);
    }
    fb_scalable_bloom_free(&a);
    free(payload);
    free(keys);
}

/* Every value that a byte of head and table may take, but for the counts' low bytes, is refused or
 * gives a filter that works. */
static void damaged_payloads(void) {
    fb_scalable_bloom_t a = started(3, 0.1), b;
    uint64_t *keys = random_keys(300, 8);
    CHECK(add_batch(&a, keys, 40) == FB_OK);
    size_t size;
    void *payload = payload_of(&a, &size);
    size_t taken = 0;
    for (size_t at = 0; at < 64 + a.n_slices * 32; at++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            void *damaged;
            if (posix_memalign(&damaged, 64, size) != 0) abort();
            memcpy(damaged, payload, size);
            ((uint8_t *)damaged)[at] ^= (uint8_t)flip;
            memset(&b, 0, sizeof b);
            b.initial_capacity = 3;
            b.fp_rate = 0.1;
            const fb_status_t status = fb_scalable_bloom_read(&b, damaged, size, flip % 2);
            CHECK(status == FB_OK || status == FB_STATE_PARAMS);
            if (status == FB_OK && b.n_slices < 20 && taken++ < 300) {
                (void)add_batch(&b, keys, 300);
                (void)fb_scalable_bloom_rate_now(&b);
                fb_scalable_bloom_clear(&b);
            }
            fb_scalable_bloom_free(&b);
            free(damaged);
        }
    }
    CHECK(taken > 0);
    for (size_t short_by = 1; short_by <= size; short_by++) {
        memset(&b, 0, sizeof b);
        b.initial_capacity = 3;
        void *part = exact_alloc(size); /* aligned to 16: enough for what is looked at */
        memcpy(part, payload, size - short_by);
        CHECK(fb_scalable_bloom_read(&b, part, size - short_by, false) == FB_STATE_PARAMS);
        fb_scalable_bloom_free(&b);
        free(part);
    }
    fb_scalable_bloom_free(&a);
    free(payload);
    free(keys);
}

static void merging(void) {
    fb_scalable_bloom_t whole = started(16, 0.01), part;
    uint64_t *keys = random_keys(4000, 21);
    size_t n_slices = 0;
    for (size_t at = 0; at < 4000; at += 1000) {
        part = started(16, 0.01);
        CHECK(add_batch(&part, keys + at, 1000) == FB_OK);
        n_slices += part.n_slices;
        const uint64_t before = sums_of(&whole).keys;
        fb_scalable_bloom_slice_t *list = NULL, **tail;
        tail = fb_scalable_bloom_snapshot(&part, &list);
        CHECK(tail != NULL && *tail == NULL);
        CHECK(fb_scalable_bloom_merge(&whole, list) == FB_OK);
        CHECK(sums_of(&whole).keys == before + sums_of(&part).keys);
        for (size_t i = 0; i < at + 1000; i++)
            CHECK(fb_scalable_bloom_contains(&whole, fb_xxh3_64_u64(keys[i], SEED)));
        fb_scalable_bloom_free(&part);
    }
    CHECK(whole.n_slices <= n_slices && whole.n_slices > n_slices / 2);
    for (int round = 0; round < 10; round++) { /* until it is too much */
        const fb_scalable_bloom_sums_t sums = sums_of(&whole);
        fb_scalable_bloom_slice_t *list = NULL;
        CHECK(fb_scalable_bloom_snapshot(&whole, &list) != NULL);
        const fb_status_t status = fb_scalable_bloom_merge(&whole, list);
        if (status == FB_OK) continue;
        CHECK(status == FB_FULL && round > 0);
        CHECK(sums_of(&whole).keys == sums.keys && sums_of(&whole).set == sums.set);
        fb_scalable_bloom_free_list(list);
        break;
    }
    CHECK(whole.n_slices <= FB_SCALABLE_BLOOM_SLICES);
    fb_scalable_bloom_free(&whole);
    free(keys);
}

static void out_of_range(void) {
    fb_scalable_bloom_t b;
    CHECK(fb_scalable_bloom_start(&b, 1ull << 57, 0.01) == FB_OUT_OF_RANGE);
    fb_scalable_bloom_free(&b);
    CHECK(fb_scalable_bloom_start(&b, INT64_MAX, 0.01) == FB_OUT_OF_RANGE);
    fb_scalable_bloom_free(&b);
    CHECK(fb_scalable_bloom_start(&b, 1ull << 45, 0.5) == FB_OUT_OF_RANGE);
    fb_scalable_bloom_free(&b);
}

int main(void) {
    kernel();
    keys_in_and_out();
    rates_add_up();
    through_payload(0);
    through_payload(20);
    through_payload(1000);
    damaged_payloads();
    merging();
    out_of_range();
    return check_report();
}
