#include "sketches/count_min.h"

#include "check.h"
#include "xxh3.h"

/* An empty sketch; its memory ends where the heap block ends. */
static fb_count_min_t new_sketch(uint64_t width, unsigned depth, bool conservative) {
    const fb_count_min_shape_t shape = {width, depth, conservative};
    void *memory;
    fb_count_min_t s;
    if (posix_memalign(&memory, 64, fb_count_min_bytes(shape)) != 0) abort();
    memset(memory, 0, fb_count_min_bytes(shape));
    fb_count_min_init(&s, shape, memory);
    return s;
}

static bool same_bytes(const fb_count_min_t *a, const fb_count_min_t *b) {
    return memcmp(a->head, b->head, fb_count_min_bytes(a->shape)) == 0;
}

/* a + b, or `most` if that is less; a is at most that. */
static uint64_t saturated(uint64_t a, uint64_t b, uint64_t most) {
    return b > most - a ? most : a + b;
}

/* ---- against loops over the rows -------------------------------------------------------------- */

static uint32_t *naive_counter(const fb_count_min_t *s, uint64_t h, unsigned row) {
    uint64_t high, low = fb_mul128(h, fb_xxh3_64_u64(row, 0) | 1, &high);
    return s->counters + row * s->shape.width + fb_reduce64(low ^ high, s->shape.width);
}

static uint32_t naive_estimate(const fb_count_min_t *s, uint64_t h) {
    uint32_t least = UINT32_MAX;
    for (unsigned r = 0; r < s->shape.depth; r++)
        if (*naive_counter(s, h, r) < least) least = *naive_counter(s, h, r);
    return least;
}

static void naive_add(fb_count_min_t *s, uint64_t h, uint64_t count) {
    const uint64_t level = saturated(naive_estimate(s, h), count, UINT32_MAX);
    for (unsigned r = 0; r < s->shape.depth; r++) {
        uint32_t *c = naive_counter(s, h, r);
        if (!s->shape.conservative)
            *c = (uint32_t)saturated(*c, count, UINT32_MAX);
        else if (*c < level)
            *c = (uint32_t)level;
    }
    s->head[0] = saturated(s->head[0], count, UINT64_MAX);
}

/* One by one and as batches, with one count and with many: the same bits as the loops. */
static void every_path(uint64_t width, unsigned depth, bool conservative, size_t n) {
    const uint64_t seed = n * 7 + width;
    uint64_t random = seed, *keys = exact_alloc(n * sizeof *keys);
    uint64_t *counts = exact_alloc(n * sizeof *counts);
    uint32_t *out = exact_alloc(n * sizeof *out);
    fb_count_min_t naive = new_sketch(width, depth, conservative),
                   one = new_sketch(width, depth, conservative),
                   batch = new_sketch(width, depth, conservative);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            keys[i] = next_random(&random) % (1 + i / 2);
            counts[i] = next_random(&random) >> (1 + next_random(&random) % 63);
        }
        fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
        const fb_keys_cursor_t cursor = {&part, 1, 0, 0};
        fb_count_min_add_keys(&batch, cursor, seed, counts, 0);
        fb_count_min_add_keys(&batch, cursor, seed, NULL, 3);
        for (size_t i = 0; i < 2 * n; i++) {
            const uint64_t h = fb_xxh3_64_u64(keys[i % n], seed), count = i < n ? counts[i] : 3;
            fb_count_min_add(&one, h, count);
            naive_add(&naive, h, count);
            CHECK(fb_count_min_estimate(&one, h) == naive_estimate(&naive, h));
        }
        CHECK(same_bytes(&one, &naive));
        CHECK(same_bytes(&batch, &naive));
        CHECK(fb_count_min_ok(&one) && fb_count_min_equal(&one, &batch));
        fb_count_min_estimate_keys(&batch, cursor, seed, out);
        for (size_t i = 0; i < n; i++)
            CHECK(out[i] == naive_estimate(&naive, fb_xxh3_64_u64(keys[i], seed)));
    }
    free(keys);
    free(counts);
    free(out);
    free(naive.head);
    free(one.head);
    free(batch.head);
}

/* Counts around a run of keys and a slice of hashes; depths around four rows at a time. */
static void every_size(void) {
    static const size_t counts[] = {0, 1, 31, 32, 33, 64, 255, 256, 257, 700};
    static const uint64_t widths[] = {1, 2, 97, 5000};
    static const unsigned depths[] = {1, 3, 4, 5, 8, FB_COUNT_MIN_MAX_DEPTH};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                every_path(widths[w], depths[d], false, counts[c]);
                every_path(widths[w], depths[d], true, counts[c]);
            }
}

/* The counters are part of the serialised format: they may never change. */
static void golden_bits(void) {
    static const uint64_t want[2] = {0x6A334005E0270D58u, 0x00CEF7E74F98498Bu};
    uint64_t keys[20000];
    for (size_t i = 0; i < 20000; i++) keys[i] = i * i % 3000;
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 20000, .data = keys};
    for (int conservative = 0; conservative < 2; conservative++) {
        fb_count_min_t s = new_sketch(1009, 5, conservative);
        fb_count_min_add_keys(&s, (fb_keys_cursor_t){&part, 1, 0, 0}, 42, NULL, 1);
        CHECK(fb_xxh3_64(s.head, fb_count_min_bytes(s.shape), 0) == want[conservative]);
        free(s.head);
    }
}

/* ---- whole sketches ------------------------------------------------------------------------- */

static void whole_sketches(uint64_t width, unsigned depth) {
    uint64_t random = width;
    fb_count_min_t a = new_sketch(width, depth, false), b = new_sketch(width, depth, false),
                   c = new_sketch(width, depth, false);
    const size_t bytes = (size_t)fb_count_min_bytes(a.shape), n = (size_t)(width * depth);
    CHECK(fb_count_min_ok(&a) && fb_count_min_equal(&a, &b));
    for (size_t i = 0; i < n; i++) {
        a.counters[i] = (uint32_t)next_random(&random);
        b.counters[i] = (uint32_t)next_random(&random);
    }
    a.head[0] = next_random(&random);
    b.head[0] = next_random(&random);
    memcpy(c.head, a.head, bytes);
    fb_count_min_merge(&c, &b);
    CHECK(c.head[0] == saturated(a.head[0], b.head[0], UINT64_MAX));
    for (size_t i = 0; i < n; i++)
        CHECK(c.counters[i] == saturated(a.counters[i], b.counters[i], UINT32_MAX));
    CHECK(fb_count_min_ok(&c));
    memcpy(c.head, a.head, bytes);
    fb_count_min_merge(&c, &c);
    for (size_t i = 0; i < n; i++)
        CHECK(c.counters[i] == saturated(a.counters[i], a.counters[i], UINT32_MAX));

    uint32_t *words = (uint32_t *)c.head;
    for (size_t i = 0; i < bytes / 4; i++) { /* one bit makes the difference, wherever it is */
        const bool total = i < 2, unused = !total && (i < 16 || i >= 16 + n);
        memcpy(c.head, a.head, bytes);
        words[i] ^= 1u << i % 32;
        CHECK(fb_count_min_equal(&a, &c) == unused);
        CHECK(fb_count_min_ok(&c) != unused);
    }
    memcpy(c.head, a.head, bytes);
    fb_count_min_clear(&c);
    fb_count_min_clear(&b);
    CHECK(same_bytes(&b, &c) && fb_count_min_total(&c) == 0);
    free(a.head);
    free(b.head);
    free(c.head);
}

static void shapes(void) {
    const uint64_t widths[] = {0, 1, 5, 1ull << 29, 1ull << 32, (1ull << 32) + 1, UINT64_MAX};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        for (unsigned depth = 0; depth < 40; depth++) {
            const bool fits = widths[w] >= 1 && widths[w] <= 1ull << 32 && depth >= 1 &&
                              depth <= 32 && widths[w] * depth <= 1ull << 34;
            CHECK(fb_count_min_shape_ok((fb_count_min_shape_t){widths[w], depth, true}) == fits);
        }
    }
    CHECK(fb_count_min_bytes((fb_count_min_shape_t){3, 3, false}) == 64 + 40);
    CHECK(fb_count_min_bytes((fb_count_min_shape_t){1ull << 32, 4, false}) == 64 + (1ull << 36));
}

int main(void) {
    every_size();
    golden_bits();
    shapes();
    for (uint64_t width = 1; width < 60; width = 3 * width + 1) {
        whole_sketches(width, 1);
        whole_sketches(width, 3);
    }
    return check_report();
}
