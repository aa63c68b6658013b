#include "filters/cuckoo.h"

#include <math.h>

#include "check.h"
#include "xxh3.h"

static const unsigned every_bits[] = {8, 9, 10, 13, 14, 15, 16, 17, 21, 26, 27};
enum { N_BITS = sizeof every_bits / sizeof *every_bits };

/* An empty filter; its payload is aligned, and ends where the heap block ends. */
static fb_cuckoo_t new_cuckoo(fb_cuckoo_shape_t shape) {
    void *payload;
    fb_cuckoo_t cuckoo;
    if (posix_memalign(&payload, 64, fb_cuckoo_bytes(shape)) != 0) abort();
    memset(payload, 0, fb_cuckoo_bytes(shape));
    fb_cuckoo_init(&cuckoo, shape, payload);
    return cuckoo;
}

static bool same_bytes(const fb_cuckoo_t *a, const fb_cuckoo_t *b) {
    return memcmp(a->head, b->head, fb_cuckoo_bytes(a->shape)) == 0;
}

static fb_cuckoo_t copy_of(const fb_cuckoo_t *c) {
    fb_cuckoo_t copy = new_cuckoo(c->shape);
    CHECK(fb_cuckoo_copy(c, copy.head));
    CHECK(same_bytes(c, &copy));
    return copy;
}

/* A slot's value, bit by bit. */
static uint32_t slot_value(const fb_cuckoo_t *c, uint64_t slot) {
    uint32_t value = 0;
    for (unsigned i = 0; i < c->shape.bits; i++) {
        const uint64_t bit = slot * c->shape.bits + i;
        value |= (uint32_t)(c->words[bit / 64] >> bit % 64 & 1) << i;
    }
    return value;
}

static uint64_t count_entries(const fb_cuckoo_t *c) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < fb_cuckoo_slots(c->shape); i++) count += slot_value(c, i) != 0;
    return count;
}

static fb_keys_cursor_t hashes_in(fb_keys_part_t *part, const uint64_t *hashes, size_t n) {
    *part = (fb_keys_part_t){.layout = FB_KEYS_HASHES, .n = n, .data = hashes};
    return (fb_keys_cursor_t){part, 1, 0, 0};
}

/* ---- one filter, against a list of what it holds --------------------------------------------- */

typedef struct {
    fb_cuckoo_t filter;
    uint64_t *held;
    size_t n;
} model_t;

static void check_holds_all(const model_t *m) {
    fb_keys_part_t part;
    bool *out = exact_alloc(m->n);
    fb_cuckoo_contains_keys(&m->filter, hashes_in(&part, m->held, m->n), 0, out);
    for (size_t i = 0; i < m->n; i++) CHECK(out[i] && fb_cuckoo_contains(&m->filter, m->held[i]));
    free(out);
    CHECK(fb_cuckoo_len(&m->filter) == m->n);
}

/* Random steps about a load, with every key that is held found at the end of each round. */
static void random_steps(uint64_t n_buckets, unsigned bits, double load) {
    uint64_t random = n_buckets * 31 + bits;
    const size_t slots = (size_t)(4 * n_buckets), wanted = (size_t)(load * (double)slots);
    model_t m = {new_cuckoo((fb_cuckoo_shape_t){n_buckets, bits}), NULL, 0};
    m.held = exact_alloc((slots + 1) * sizeof *m.held);
    for (int round = 0; round < 4; round++) {
        for (size_t step = 0; step < slots; step++) {
            if (m.n > 0 && (m.n > wanted || next_random(&random) % 4 == 0)) {
                const size_t at = (size_t)(next_random(&random) % m.n);
                CHECK(fb_cuckoo_remove(&m.filter, m.held[at]));
                m.held[at] = m.held[--m.n];
            } else {
                const uint64_t h = next_random(&random);
                fb_cuckoo_t before = {0};
                if (m.n + 8 > slots) before = copy_of(&m.filter);
                if (fb_cuckoo_add(&m.filter, h) == FB_OK)
                    m.held[m.n++] = h;
                else if (before.head != NULL)
                    CHECK(same_bytes(&m.filter, &before));
                free(before.head);
            }
        }
        check_holds_all(&m);
        CHECK(count_entries(&m.filter) == m.n);
    }
    while (m.n > 0) CHECK(fb_cuckoo_remove(&m.filter, m.held[--m.n]));
    CHECK(count_entries(&m.filter) == 0 && fb_cuckoo_len(&m.filter) == 0);
    free(m.filter.head);
    free(m.held);
}

static void one_key(unsigned bits) {
    uint64_t random = bits;
    fb_cuckoo_t c = new_cuckoo((fb_cuckoo_shape_t){98, bits});
    for (int round = 0; round < 300; round++) {
        const uint64_t h = round == 0 ? 0 : round == 1 ? UINT64_MAX : next_random(&random);
        CHECK(!fb_cuckoo_contains(&c, h) && !fb_cuckoo_remove(&c, h));
        for (uint64_t copies = 1; copies <= 8; copies++) { /* as many as its two buckets have slots */
            CHECK(fb_cuckoo_add(&c, h) == FB_OK);
            CHECK(fb_cuckoo_len(&c) == copies && fb_cuckoo_contains(&c, h));
        }
        fb_cuckoo_t before = copy_of(&c);
        CHECK(fb_cuckoo_add(&c, h) == FB_FULL);
        CHECK(same_bytes(&c, &before));
        free(before.head);
        for (int copies = 8; copies > 0; copies--)
            CHECK(fb_cuckoo_contains(&c, h) && fb_cuckoo_remove(&c, h));
        CHECK(!fb_cuckoo_contains(&c, h) && !fb_cuckoo_remove(&c, h));
        CHECK(count_entries(&c) == 0 && fb_cuckoo_len(&c) == 0);
    }
    free(c.head);
}

/* ---- batches and whole filters ---------------------------------------------------------------- */

static void batches(uint64_t n_buckets, unsigned bits, size_t n) {
    uint64_t random = n + bits;
    uint64_t *hashes = exact_alloc(2 * n * sizeof *hashes);
    bool *out = exact_alloc(2 * n);
    fb_keys_part_t part;
    for (size_t i = 0; i < 2 * n; i++) hashes[i] = next_random(&random);
    fb_cuckoo_t one = new_cuckoo((fb_cuckoo_shape_t){n_buckets, bits}), many = copy_of(&one);
    for (size_t i = 0; i < n; i++) CHECK(fb_cuckoo_add(&one, hashes[i]) == FB_OK);
    CHECK(fb_cuckoo_add_keys(&many, hashes_in(&part, hashes, n), 0) == FB_OK);
    CHECK(same_bytes(&one, &many));
    fb_cuckoo_contains_keys(&many, hashes_in(&part, hashes, 2 * n), 0, out);
    for (size_t i = 0; i < 2 * n; i++) CHECK(out[i] == fb_cuckoo_contains(&one, hashes[i]));
    fb_cuckoo_remove_keys(&many, hashes_in(&part, hashes + n / 2, n), 0, out);
    for (size_t i = 0; i < n; i++) CHECK(out[i] == fb_cuckoo_remove(&one, hashes[n / 2 + i]));
    CHECK(same_bytes(&one, &many));
    free(hashes);
    free(out);
    free(one.head);
    free(many.head);
}

/* A batch that does not fit leaves an equal filter, whether that is seen at once or on the way. */
static void batch_that_does_not_fit(unsigned bits) {
    enum { BUCKETS = 60, SLOTS = 4 * BUCKETS };
    uint64_t random = bits, hashes[SLOTS + 1];
    fb_keys_part_t part;
    for (size_t i = 0; i <= SLOTS; i++) hashes[i] = next_random(&random);
    fb_cuckoo_t c = new_cuckoo((fb_cuckoo_shape_t){BUCKETS, bits});
    for (size_t i = 0; i < 100; i++) CHECK(fb_cuckoo_add(&c, hashes[i]) == FB_OK);
    fb_cuckoo_t before = copy_of(&c);
    CHECK(fb_cuckoo_add_keys(&c, hashes_in(&part, hashes, SLOTS - 99), 0) == FB_FULL);
    CHECK(same_bytes(&c, &before));
    for (size_t i = 100; i < 109; i++) hashes[i] = hashes[100];
    CHECK(fb_cuckoo_add_keys(&c, hashes_in(&part, hashes + 90, 50), 0) == FB_FULL);
    CHECK(fb_cuckoo_len(&c) == 100 && count_entries(&c) == 100);
    CHECK(fb_cuckoo_equal(&c, &before) && fb_cuckoo_equal(&before, &c));
    for (size_t i = 0; i < 100; i++) CHECK(fb_cuckoo_contains(&c, hashes[i]));
    free(c.head);
    free(before.head);
}

static void whole_filters(unsigned bits) {
    enum { N = 150 };
    uint64_t random = bits, hashes[N];
    for (size_t i = 0; i < N; i++) hashes[i] = next_random(&random);
    fb_cuckoo_t a = new_cuckoo((fb_cuckoo_shape_t){100, bits}), b = copy_of(&a), c = copy_of(&a);
    CHECK(fb_cuckoo_equal(&a, &b));
    for (size_t i = 0; i < N; i++) {
        CHECK(fb_cuckoo_add(&a, hashes[i]) == FB_OK);
        CHECK(!fb_cuckoo_equal(&a, &b));
        CHECK(fb_cuckoo_add(&b, hashes[N - 1 - i]) == FB_OK); /* so they lie otherwise */
    }
    CHECK(fb_cuckoo_equal(&a, &b) && fb_cuckoo_equal(&b, &a) && !fb_cuckoo_equal(&a, &c));
    CHECK(fb_cuckoo_remove(&b, hashes[7]) && fb_cuckoo_add(&b, hashes[8]) == FB_OK);
    CHECK(!fb_cuckoo_equal(&a, &b) && !fb_cuckoo_equal(&b, &a)); /* as many, but others */

    CHECK(fb_cuckoo_merge(&c, &a) == FB_OK && fb_cuckoo_equal(&a, &c));
    CHECK(fb_cuckoo_merge(&c, &b) == FB_OK && fb_cuckoo_len(&c) == 2 * N);
    fb_cuckoo_t before = copy_of(&c);
    CHECK(fb_cuckoo_merge(&c, &a) == FB_FULL && same_bytes(&c, &before)); /* 450 in 400 slots */
    fb_cuckoo_unmerge(&c, &a);
    CHECK(fb_cuckoo_equal(&b, &c));
    /* One that has room for all but one entry. */
    const uint64_t room = fb_cuckoo_slots(c.shape) - fb_cuckoo_len(&c);
    fb_cuckoo_t more = new_cuckoo(c.shape);
    for (uint64_t i = 0; i < 5; i++) CHECK(fb_cuckoo_add(&more, hashes[0]) == FB_OK);
    for (uint64_t i = 5; i < room / 2; i++) (void)fb_cuckoo_add(&more, next_random(&random));
    fb_cuckoo_t twice = copy_of(&more);
    CHECK(fb_cuckoo_merge(&twice, &more) == FB_FULL); /* hashes[0] ten times */
    CHECK(fb_cuckoo_equal(&twice, &more));
    fb_cuckoo_clear(&c);
    CHECK(fb_cuckoo_len(&c) == 0 && count_entries(&c) == 0);
    free(a.head);
    free(b.head);
    free(c.head);
    free(before.head);
    free(more.head);
    free(twice.head);
}

/* ---- hostile payloads ------------------------------------------------------------------------ */

static void admitting(uint64_t n_buckets, unsigned bits) {
    uint64_t random = bits;
    const fb_cuckoo_shape_t shape = {n_buckets, bits};
    fb_cuckoo_t c = new_cuckoo(shape);
    const uint64_t end = fb_cuckoo_slots(shape) * bits, all = (fb_cuckoo_bytes(shape) - 64) * 8;
    CHECK(all >= end + 64);
    for (uint64_t bit = 0; bit < all; bit++) {
        c.words[bit / 64] ^= 1ull << bit % 64;
        CHECK(fb_cuckoo_admit(&c, false) == (bit < end));
        CHECK(fb_cuckoo_admit(&c, true) == (bit < end) && fb_cuckoo_len(&c) == (bit < end));
        c.words[bit / 64] = 0;
        c.head[0] = 0;
    }
    for (unsigned i = 2; i < 8; i++) {
        c.head[i] = 1;
        CHECK(!fb_cuckoo_admit(&c, true));
        c.head[i] = 0;
    }
    c.head[0] = fb_cuckoo_slots(shape) + 1;
    CHECK(!fb_cuckoo_admit(&c, true));
    /* Any bits at all are a filter, that can be used, filled and emptied. */
    for (uint64_t bit = 0; bit < end; bit++)
        c.words[bit / 64] |= (next_random(&random) % 3 > 0 ? 1ull : 0) << bit % 64;
    c.head[0] = 0;
    CHECK(fb_cuckoo_admit(&c, true) && fb_cuckoo_len(&c) == count_entries(&c));
    for (int i = 0; i < 2000; i++) {
        const uint64_t h = next_random(&random);
        if (fb_cuckoo_add(&c, h) == FB_OK) CHECK(fb_cuckoo_contains(&c, h));
        if (i % 2 == 0) (void)fb_cuckoo_remove(&c, h);
    }
    CHECK(fb_cuckoo_len(&c) == count_entries(&c));
    free(c.head);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void capacity_fits(void) {
    static const double rates[] = {0.05, 0.01, 1e-4, 1e-6};
    uint64_t random = 5;
    for (uint64_t capacity = 1; capacity < 3000; capacity += capacity < 200 ? 1 : 97)
        for (size_t r = 0; r < 4; r++)
            for (int run = 0; run < 2; run++) {
                fb_cuckoo_shape_t shape;
                CHECK(fb_cuckoo_shape(capacity, rates[r], &shape) == FB_OK);
                fb_cuckoo_t c = new_cuckoo(shape);
                uint64_t added = 0;
                while (added < capacity && fb_cuckoo_add(&c, next_random(&random)) == FB_OK)
                    added++;
                CHECK(added == capacity);
                free(c.head);
            }
}

static void fills_to_97_percent(void) {
    uint64_t random = 6;
    for (size_t b = 0; b < N_BITS; b += 2) {
        fb_cuckoo_t c = new_cuckoo((fb_cuckoo_shape_t){5002, every_bits[b]});
        while (fb_cuckoo_add(&c, next_random(&random)) == FB_OK) continue;
        CHECK((double)fb_cuckoo_len(&c) > 0.965 * (double)fb_cuckoo_slots(c.shape));
        free(c.head);
    }
}

static void measured_rates(void) {
    enum { N = 20000, PROBES = 500000 };
    static const double rates[] = {0.5, 0.05, 0.01, 0.001};
    uint64_t random = 7;
    for (size_t r = 0; r < 4; r++) {
        fb_cuckoo_shape_t shape;
        CHECK(fb_cuckoo_shape(N, rates[r], &shape) == FB_OK);
        fb_cuckoo_t c = new_cuckoo(shape);
        for (int i = 0; i < N; i++) CHECK(fb_cuckoo_add(&c, next_random(&random)) == FB_OK);
        int found = 0;
        for (int i = 0; i < PROBES; i++) found += fb_cuckoo_contains(&c, next_random(&random));
        const double load = (double)N / (double)fb_cuckoo_slots(shape);
        const double expected =
            PROBES * -expm1(8.0 * load * log1p(-1.0 / (ldexp(1.0, (int)shape.bits) - 1.0)));
        CHECK(fabs(found - expected) <= 0.02 * expected + 5 * sqrt(expected));
        CHECK(found <= rates[r] * PROBES);
        free(c.head);
    }
}

static void shapes(void) {
    static const double rates[] = {FB_CUCKOO_MIN_FP_RATE, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.999999};
    static const uint64_t capacities[] = {1, 8, 9, 100, 12345, 1000000, 1000000000, 16000000000};
    fb_cuckoo_shape_t shape;
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
            CHECK(fb_cuckoo_shape(capacities[i], rates[r], &shape) == FB_OK);
            CHECK(fb_cuckoo_shape_ok(shape) && fb_cuckoo_bytes(shape) % 8 == 0);
            CHECK(fb_cuckoo_slots(shape) >= capacities[i]);
            const double load = (double)capacities[i] / (double)fb_cuckoo_slots(shape);
            CHECK(load <= (capacities[i] <= 8 ? 1.0 : 0.95));
            CHECK(8 * load <= 0.85 * rates[r] * (double)((1ull << shape.bits) - 1));
        }
        shape = (fb_cuckoo_shape_t){12, 8};
        CHECK(fb_cuckoo_shape(INT64_MAX, rates[r], &shape) == FB_OUT_OF_RANGE);
        CHECK(fb_cuckoo_shape(1ull << 34, rates[r], &shape) == FB_OUT_OF_RANGE);
        CHECK(fb_cuckoo_shape((1ull << 34) + 1, rates[r], &shape) == FB_OUT_OF_RANGE);
        CHECK(shape.n_buckets == 12 && shape.bits == 8);
    }
    for (unsigned bits = 0; bits < 70; bits++) {
        const bool good = bits >= 8 && bits <= 27;
        CHECK(fb_cuckoo_shape_ok((fb_cuckoo_shape_t){2, bits}) == good);
        CHECK(fb_cuckoo_shape_ok((fb_cuckoo_shape_t){FB_CUCKOO_MAX_BUCKETS, bits}) == good);
        CHECK(!fb_cuckoo_shape_ok((fb_cuckoo_shape_t){0, bits}));
        CHECK(!fb_cuckoo_shape_ok((fb_cuckoo_shape_t){3, bits}));
        CHECK(!fb_cuckoo_shape_ok((fb_cuckoo_shape_t){FB_CUCKOO_MAX_BUCKETS + 2, bits}));
        CHECK(!fb_cuckoo_shape_ok((fb_cuckoo_shape_t){UINT64_MAX - 1, bits}));
    }
}

/* The bits are part of the serialised format: they may never change. */
static void golden_bits(void) {
    static const uint64_t want[] = {0x7AC34FCE890ABAEBu, 0x5363F6590CB6FEEDu,
                                    0x006606861DB75E9Cu};
    static const unsigned bits[] = {8, 10, 17};
    for (size_t b = 0; b < 3; b++) {
        fb_cuckoo_t c = new_cuckoo((fb_cuckoo_shape_t){1010, bits[b]});
        for (uint64_t key = 0; key < 3900; key++)
            CHECK(fb_cuckoo_add(&c, fb_xxh3_64_u64(key, 42)) == FB_OK);
        for (uint64_t key = 0; key < 3900; key += 9)
            CHECK(fb_cuckoo_remove(&c, fb_xxh3_64_u64(key, 42)));
        CHECK(fb_xxh3_64(c.head, fb_cuckoo_bytes(c.shape), 0) == want[b]);
        free(c.head);
    }
}

int main(void) {
    static const uint64_t sizes[] = {2, 4, 14, 98, 1000};
    static const size_t counts[] = {0, 1, 11, 12, 13, 255, 256, 257, 700};
    for (size_t b = 0; b < N_BITS; b++) {
        one_key(every_bits[b]);
        for (size_t s = 0; s < 5; s++)
            for (int full = 0; full < 2; full++)
                random_steps(sizes[s], every_bits[b], full ? 1.0 : 0.93);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            batches(counts[i] / 3 * 2 + 2, every_bits[b], counts[i]);
        batch_that_does_not_fit(every_bits[b]);
        whole_filters(every_bits[b]);
        admitting(2, every_bits[b]);
        admitting(14, every_bits[b]);
    }
    capacity_fits();
    fills_to_97_percent();
    measured_rates();
    shapes();
    golden_bits();
    return check_report();
}
