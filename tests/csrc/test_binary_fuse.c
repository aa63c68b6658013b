#include "filters/binary_fuse.h"

#include "check.h"
#include "xxh3.h"

static const unsigned every_width[3] = {8, 16, 32};

/* Keys i / copies + first, as a batch over `room`. */
static fb_keys_part_t counting(uint64_t *room, uint64_t first, size_t n, size_t copies) {
    for (size_t i = 0; i < n; i++) room[i] = first + i / copies;
    return (fb_keys_part_t){.layout = FB_KEYS_INT64, .n = n, .data = room};
}

typedef struct {
    fb_binary_fuse_t filter;
    void *cells;
} made_t;

/* A filter of the part's keys; its cells end where the heap block ends. */
static made_t make(const fb_keys_part_t *part, uint64_t seed, unsigned bits) {
    fb_binary_fuse_plan_t plan = {0};
    made_t made = {0};
    CHECK(fb_binary_fuse_plan(&plan, (fb_keys_cursor_t){part, 1, 0, 0}, part->n, seed, bits,
                              FB_BINARY_FUSE_MAX_ATTEMPTS) == FB_OK);
    CHECK(fb_binary_fuse_shape_ok(plan.shape));
    CHECK(plan.shape.bits == bits && fb_binary_fuse_bytes(plan.shape) % 8 == 0);
    made.cells = exact_alloc((size_t)fb_binary_fuse_bytes(plan.shape));
    memset(made.cells, 0, (size_t)fb_binary_fuse_bytes(plan.shape));
    fb_binary_fuse_fill(&plan, made.cells);
    fb_binary_fuse_init(&made.filter, plan.shape, made.cells);
    fb_binary_fuse_drop(&plan);
    fb_binary_fuse_drop(&plan); /* and once more, which does nothing */
    return made;
}

/* Every key is there, alone and in a batch, and batches of keys that are not agree with single ones. */
static void check_holds(const made_t *made, const fb_keys_part_t *part, uint64_t seed) {
    bool *out = exact_alloc(part->n);
    const uint64_t *keys = part->data;
    fb_binary_fuse_contains_keys(&made->filter, (fb_keys_cursor_t){part, 1, 0, 0}, seed, out);
    for (size_t i = 0; i < part->n; i++)
        CHECK(out[i] && fb_binary_fuse_contains(&made->filter, fb_xxh3_64_u64(keys[i], seed)));
    free(out);
    uint64_t room[600];
    bool answers[600];
    const fb_keys_part_t probes = counting(room, 1ull << 40, 600, 1);
    fb_binary_fuse_contains_keys(&made->filter, (fb_keys_cursor_t){&probes, 1, 0, 0}, seed,
                                 answers);
    for (size_t i = 0; i < 600; i++) {
        const uint64_t h = fb_xxh3_64_u64(room[i], seed);
        CHECK(answers[i] == fb_binary_fuse_contains(&made->filter, h));
    }
}

static void every_size(void) {
    static const size_t large[] = {3361, 3362, 11193, 40000, 300000}; /* the last: past NEAR_BYTES */
    for (size_t w = 0; w < 3; w++) {
        for (size_t step = 0; step < 205; step++) {
            const size_t n = step < 200 ? step * (step < 100 ? 1 : 9) : large[step - 200];
            uint64_t *room = exact_alloc(n * sizeof *room);
            const fb_keys_part_t part = counting(room, n, n, 1);
            made_t made = make(&part, step, every_width[w]);
            CHECK(made.filter.shape.n_keys == n);
            check_holds(&made, &part, step);
            free(made.cells);
            free(room);
        }
    }
}

/* Copies leave no trace: not 256 of them, at which counts of 8 bits would wrap, nor any number. */
static void equal_keys(void) {
    static const size_t copies[] = {2, 3, 255, 256, 257, 258, 511, 512, 513, 1025, 5000};
    for (size_t c = 0; c < sizeof copies / sizeof *copies; c++) {
        for (size_t distinct = 1; distinct < 60; distinct = 3 * distinct + 1) {
            const size_t n = distinct * copies[c];
            uint64_t *room = exact_alloc(n * sizeof *room), once[60];
            const fb_keys_part_t part = counting(room, 7, n, copies[c]);
            const fb_keys_part_t single = counting(once, 7, distinct, 1);
            made_t a = make(&part, 3, 16), b = make(&single, 3, 16);
            CHECK(memcmp(&a.filter.shape, &b.filter.shape, sizeof a.filter.shape) == 0);
            CHECK(memcmp(a.cells, b.cells, (size_t)fb_binary_fuse_bytes(b.filter.shape)) == 0);
            check_holds(&a, &part, 3);
            free(a.cells);
            free(b.cells);
            free(room);
        }
    }
}

/* The cells are part of the serialised format: they may never change, on any platform. */
static void golden_cells(void) {
    static const uint64_t want[3] = {0x7679A743381823F4u, 0x997D8FA29E792C52u,
                                     0x7BBAB397560B627Du};
    for (size_t w = 0; w < 3; w++) {
        uint64_t room[5000];
        const fb_keys_part_t part = counting(room, 0, 5000, 1);
        made_t made = make(&part, 42, every_width[w]);
        const uint64_t got =
            fb_xxh3_64(made.cells, (size_t)fb_binary_fuse_bytes(made.filter.shape), 0);
        CHECK(got == want[w]);
        if (got != want[w]) printf("got %016llx\n", (unsigned long long)got);
        free(made.cells);
    }
}

static void attempts_run_out(void) {
    uint64_t room[100];
    const fb_keys_part_t part = counting(room, 0, 100, 1), twice = counting(room, 0, 100, 2);
    const fb_keys_part_t none = {.layout = FB_KEYS_INT64};
    fb_binary_fuse_plan_t plan = {0};
    CHECK(fb_binary_fuse_plan(&plan, (fb_keys_cursor_t){&part, 1, 0, 0}, 100, 0, 8, 0) ==
          FB_NOT_BUILT);
    fb_binary_fuse_drop(&plan);
    CHECK(fb_binary_fuse_plan(&plan, (fb_keys_cursor_t){&none, 1, 0, 0}, 0, 0, 8, 0) == FB_OK);
    fb_binary_fuse_drop(&plan);
    /* The attempt that equal keys spoil does not count. */
    CHECK(fb_binary_fuse_plan(&plan, (fb_keys_cursor_t){&twice, 1, 0, 0}, 100, 0, 8, 1) == FB_OK);
    CHECK(plan.shape.n_keys == 50 && plan.shape.attempt == 0);
    fb_binary_fuse_drop(&plan);
    CHECK(fb_binary_fuse_plan(&plan, (fb_keys_cursor_t){&part, 1, 0, 0},
                              FB_BINARY_FUSE_MAX_KEYS + 1, 0, 8, 1) == FB_OUT_OF_RANGE);
    fb_binary_fuse_drop(&plan);
    unsigned failed = 0; /* some sets need a second attempt: without it they are not built */
    for (uint64_t seed = 0; seed < 300; seed++) {
        const fb_keys_part_t few = counting(room, 0, 20, 1);
        const fb_keys_cursor_t keys = {&few, 1, 0, 0};
        const fb_status_t status = fb_binary_fuse_plan(&plan, keys, 20, seed, 8, 1);
        fb_binary_fuse_drop(&plan);
        failed += status == FB_NOT_BUILT;
        CHECK(fb_binary_fuse_plan(&plan, keys, 20, seed, 8, FB_BINARY_FUSE_MAX_ATTEMPTS) == FB_OK);
        CHECK((plan.shape.attempt > 0) == (status == FB_NOT_BUILT));
        fb_binary_fuse_drop(&plan);
    }
    CHECK(failed > 0 && failed < 60);
}

static void shapes(void) {
    for (uint64_t n = 0; n <= FB_BINARY_FUSE_MAX_KEYS; n += n / 64 + 1) {
        const fb_binary_fuse_shape_t shape = fb_binary_fuse_shape(n, 8);
        const uint64_t cells = fb_binary_fuse_cells(shape);
        CHECK(fb_binary_fuse_shape_ok(shape));
        CHECK(8 * cells >= 9 * n && cells <= UINT32_MAX);
        CHECK(n < 2000 || 2 * cells <= 3 * n);
        CHECK(n < 1000000 || 100 * cells <= 114 * n);
    }
    const fb_binary_fuse_shape_t million = fb_binary_fuse_shape(1000000, 8);
    CHECK(fb_binary_fuse_bytes(million) == 1130496);
    const fb_binary_fuse_shape_t good = {24, 3, 1, 8, 0};
    CHECK(fb_binary_fuse_shape_ok(good));
#define BAD(field, value)                                       \
    do {                                                        \
        fb_binary_fuse_shape_t bad = good;                      \
        bad.field = value;                                      \
        CHECK(!fb_binary_fuse_shape_ok(bad));                   \
    } while (0)
    BAD(n_keys, 25);
    BAD(n_keys, UINT64_MAX);
    BAD(log_length, 2);
    BAD(log_length, 19);
    BAD(log_length, UINT32_MAX);
    BAD(n_segments, 0);
    BAD(n_segments, UINT32_MAX - 1);
    BAD(n_segments, UINT32_MAX);
    BAD(bits, 0);
    BAD(bits, 9);
    BAD(bits, 64);
    BAD(attempt, FB_BINARY_FUSE_MAX_ATTEMPTS);
}

/* Cells of any shape that passes hold the lookups of any hash. */
static void no_lookup_leaves_the_cells(void) {
    uint64_t random = 5;
    for (size_t w = 0; w < 3; w++) {
        for (uint32_t log_length = 3; log_length <= 18; log_length += 5) {
            for (uint32_t n_segments = 1; n_segments < 50; n_segments = 3 * n_segments + 1) {
                const fb_binary_fuse_shape_t shape = {9, log_length, n_segments, every_width[w],
                                                      n_segments};
                CHECK(fb_binary_fuse_shape_ok(shape));
                const size_t bytes = (size_t)fb_binary_fuse_bytes(shape);
                void *cells = exact_alloc(bytes);
                memset(cells, 0x5A, bytes);
                fb_binary_fuse_t f;
                fb_binary_fuse_init(&f, shape, cells);
                uint64_t hashes[300] = {0, UINT64_MAX};
                bool out[300];
                for (size_t i = 2; i < 300; i++) hashes[i] = next_random(&random);
                const fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = 300, .data = hashes};
                fb_binary_fuse_contains_keys(&f, (fb_keys_cursor_t){&part, 1, 0, 0}, 0, out);
                for (size_t i = 0; i < 300; i++)
                    CHECK(out[i] == fb_binary_fuse_contains(&f, hashes[i]));
                free(cells);
            }
        }
    }
}

int main(void) {
    every_size();
    equal_keys();
    golden_cells();
    attempts_run_out();
    shapes();
    no_lookup_leaves_the_cells();
    return check_report();
}
