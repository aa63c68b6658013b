#include "sketches/frequency.h"

#include "check.h"
#include "xxh3.h"

/* An empty sketch; its memory is aligned, and ends where the heap block ends. */
static fb_frequency_t new_sketch(uint64_t capacity) {
    void *memory;
    fb_frequency_t s;
    if (posix_memalign(&memory, 64, fb_frequency_bytes(capacity)) != 0) abort();
    memset(memory, 0, fb_frequency_bytes(capacity));
    fb_frequency_init(&s, capacity, memory);
    return s;
}

static bool same_bytes(const fb_frequency_t *a, const fb_frequency_t *b) {
    return memcmp(a->words, b->words, (8 + 8 * a->n_blocks) * 8) == 0;
}

/* ---- against a table of single counters ------------------------------------------------------ */

typedef struct {
    uint8_t counters[1000][4][32]; /* block, lane, counter */
    uint64_t n_blocks, sample_size, records;
} naive_t;

static uint8_t *naive_counter(naive_t *t, uint64_t h, unsigned lane) {
    const unsigned place = (unsigned)(h >> 8 * lane) & 31;
    return &t->counters[fb_reduce64(h, t->n_blocks)][lane][place];
}

static unsigned naive_estimate(naive_t *t, uint64_t h) {
    unsigned least = 15;
    for (unsigned lane = 0; lane < 4; lane++)
        if (*naive_counter(t, h, lane) < least) least = *naive_counter(t, h, lane);
    return least;
}

static void naive_age(naive_t *t) {
    uint8_t *all = &t->counters[0][0][0];
    for (size_t i = 0; i < sizeof t->counters; i++) all[i] /= 2;
    t->records /= 2;
}

static void naive_record(naive_t *t, uint64_t h) {
    const unsigned least = naive_estimate(t, h);
    if (least == 15) return;
    for (unsigned lane = 0; lane < 4; lane++)
        if (*naive_counter(t, h, lane) == least) ++*naive_counter(t, h, lane);
    if (++t->records == t->sample_size) naive_age(t);
}

static void check_same(const fb_frequency_t *s, const naive_t *t) {
    const uint8_t *bytes = (const uint8_t *)(s->words + FB_FREQUENCY_HEAD);
    bool same = true;
    for (uint64_t b = 0; b < s->n_blocks; b++)
        for (unsigned lane = 0; lane < 4; lane++)
            for (unsigned i = 0; i < 16; i++)
                same &= bytes[64 * b + 16 * lane + i] ==
                        (t->counters[b][lane][i] | t->counters[b][lane][i + 16] << 4);
    CHECK(same);
    CHECK(fb_frequency_records(s) == t->records);
}

/* Keys of which some are hot: the lower, the hotter. */
static uint64_t some_key(uint64_t *random, uint64_t n) {
    const uint64_t r = next_random(random);
    return fb_reduce64(next_random(random), fb_reduce64(r, n) + 1);
}

/* One by one and as batches: the same bits as the naive table, and the same estimates. */
static void every_path(uint64_t capacity, size_t n) {
    const uint64_t seed = n * 7 + capacity;
    uint64_t random = seed, *keys = exact_alloc(n * sizeof *keys);
    uint8_t *out = exact_alloc(n);
    naive_t *naive = calloc(1, sizeof *naive);
    fb_frequency_t one = new_sketch(capacity), batch = new_sketch(capacity);
    naive->n_blocks = one.n_blocks;
    naive->sample_size = one.sample_size;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < n; i++) keys[i] = some_key(&random, 3 * capacity + 1);
        fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
        fb_frequency_record_keys(&batch, (fb_keys_cursor_t){&part, 1, 0, 0}, seed);
        for (size_t i = 0; i < n; i++) {
            const uint64_t h = fb_xxh3_64_u64(keys[i], seed);
            fb_frequency_record(&one, h);
            naive_record(naive, h);
            CHECK(fb_frequency_estimate(&one, h) == naive_estimate(naive, h));
        }
        CHECK(same_bytes(&one, &batch) && fb_frequency_equal(&one, &batch));
        CHECK(fb_frequency_ok(&one));
        check_same(&one, naive);
        fb_frequency_estimate_keys(&batch, (fb_keys_cursor_t){&part, 1, 0, 0}, seed, out);
        for (size_t i = 0; i < n; i++)
            CHECK(out[i] == fb_frequency_estimate(&one, fb_xxh3_64_u64(keys[i], seed)));
    }
    free(keys);
    free(out);
    free(naive);
    free(one.words);
    free(batch.words);
}

/* Counts around a prefetched run and a slice of hashes. */
static void every_size(void) {
    static const size_t counts[] = {0, 1, 23, 24, 25, 255, 256, 257, 3000};
    static const uint64_t capacities[] = {1, 8, 9, 100, 8000};
    for (size_t s = 0; s < sizeof capacities / sizeof *capacities; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            every_path(capacities[s], counts[c]);
}

/* The counters are part of the serialised format: they may never change, whatever rung made them. */
static void golden_bits(void) {
    fb_frequency_t s = new_sketch(1009);
    uint64_t random = 1, keys[1000];
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 1000, .data = keys};
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 1000; i++) keys[i] = some_key(&random, 5000);
        fb_frequency_record_keys(&s, (fb_keys_cursor_t){&part, 1, 0, 0}, 42);
    }
    CHECK(fb_xxh3_64(s.words, fb_frequency_bytes(1009), 0) == 0x51F3A9A76A26AE94u);
    free(s.words);
}

/* ---- whole sketches, against loops over the counters ----------------------------------------- */

static unsigned counter(const fb_frequency_t *s, size_t i) {
    return (unsigned)(s->words[FB_FREQUENCY_HEAD + i / 16] >> i % 16 * 4) & 15;
}

static void whole_sketches(uint64_t capacity) {
    uint64_t random = capacity;
    fb_frequency_t a = new_sketch(capacity), b = new_sketch(capacity), c = new_sketch(capacity);
    const size_t bytes = (size_t)fb_frequency_bytes(capacity), counters = (bytes - 64) * 2;
    CHECK(fb_frequency_empty(&a) && fb_frequency_ok(&a) && fb_frequency_equal(&a, &b));
    for (size_t i = FB_FREQUENCY_HEAD; i < bytes / 8; i++) {
        a.words[i] = next_random(&random);
        b.words[i] = next_random(&random);
    }
    a.words[0] = a.sample_size / 3;
    b.words[0] = a.sample_size / 3;
    memcpy(c.words, a.words, bytes);
    fb_frequency_merge(&c, &b);
    CHECK(fb_frequency_records(&c) == 2 * (a.sample_size / 3));
    for (size_t i = 0; i < counters; i++) {
        const unsigned sum = counter(&a, i) + counter(&b, i);
        CHECK(counter(&c, i) == (sum < 15 ? sum : 15));
    }
    fb_frequency_merge(&c, &b); /* which fills the sample, or nearly */
    CHECK(fb_frequency_ok(&c));

    memcpy(c.words, a.words, bytes);
    fb_frequency_age(&c);
    CHECK(fb_frequency_records(&c) == a.words[0] / 2);
    for (size_t i = 0; i < counters; i++) CHECK(counter(&c, i) == counter(&a, i) / 2);
    memcpy(c.words, a.words, bytes);
    fb_frequency_merge(&c, &c);
    for (size_t i = 0; i < counters; i++)
        CHECK(counter(&c, i) == (counter(&a, i) < 8 ? 2 * counter(&a, i) : 15));

    for (size_t i = 0; i < bytes / 8; i++) { /* one bit makes the difference, wherever it is */
        memcpy(c.words, a.words, bytes);
        c.words[i] ^= 1ull << i % 64;
        CHECK(!fb_frequency_equal(&a, &c));
        CHECK(i == 0 || i >= FB_FREQUENCY_HEAD || !fb_frequency_ok(&c));
        fb_frequency_clear(&c);
        CHECK(fb_frequency_empty(&c) && fb_frequency_records(&c) == 0);
        c.words[i] = 1ull << i % 64;
        CHECK(fb_frequency_empty(&c) == (i < FB_FREQUENCY_HEAD));
    }
    fb_frequency_clear(&c);
    c.words[0] = c.sample_size;
    CHECK(!fb_frequency_ok(&c));
    c.words[0]--;
    CHECK(fb_frequency_ok(&c));
    free(a.words);
    free(b.words);
    free(c.words);
}

/* Every pair of counts, in every place of a word. */
static void saturating_sums(void) {
    fb_frequency_t a = new_sketch(1), b = new_sketch(1);
    for (unsigned x = 0; x < 16; x++) {
        for (unsigned y = 0; y < 16; y++) {
            for (unsigned i = 0; i < 16; i++) {
                a.words[8] = (uint64_t)x << 4 * i;
                b.words[8] = ~(15ull << 4 * i) | (uint64_t)y << 4 * i;
                fb_frequency_merge(&a, &b);
                CHECK(counter(&a, i) == (x + y < 15 ? x + y : 15));
                CHECK((a.words[8] | 15ull << 4 * i) == UINT64_MAX);
                fb_frequency_clear(&a);
            }
        }
    }
    free(a.words);
    free(b.words);
}

int main(void) {
    every_size();
    golden_bits();
    saturating_sums();
    for (uint64_t capacity = 1; capacity < 200; capacity = 3 * capacity + 1)
        whole_sketches(capacity);
    return check_report();
}
