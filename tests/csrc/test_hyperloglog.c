/* HyperLogLog: both forms against plain definitions, at the sizes where they change. */
#include "check.h"

#include <math.h>

#include "memory.h"
#include "sketches/hyperloglog.h"
#include "xxh3.h"

static fb_hll_t new_sketch(unsigned p) {
    fb_hll_t hll;
    fb_hll_init(&hll, p,
                fb_hll_entries_allowed(p) > 0 ? NULL : (uint8_t *)fb_alloc_zeroed((size_t)1 << p));
    return hll;
}

/* The integer keys first, first + 1, ... added as one batch. */
static void add_counting(fb_hll_t *hll, uint64_t first, size_t n, uint64_t seed) {
    uint64_t *room = exact_alloc(n * sizeof *room);
    for (size_t i = 0; i < n; i++) room[i] = first + i;
    fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = room};
    CHECK(fb_hll_add_keys(hll, (fb_keys_cursor_t){&part, 1, 0, 0}, seed) == FB_OK);
    free(room);
}

static uint8_t *bytes_of(const fb_hll_t *hll, size_t *size) {
    *size = fb_hll_gathered(hll);
    uint8_t *bytes = exact_alloc(*size);
    fb_hll_gather(hll, bytes);
    return bytes;
}

static bool same(const fb_hll_t *a, const fb_hll_t *b) {
    size_t n, m;
    uint8_t *x = bytes_of(a, &n), *y = bytes_of(b, &m);
    const bool equal = n == m && (n == 0 || memcmp(x, y, n) == 0);
    free(x);
    free(y);
    return equal;
}

/* ---- the registers of the definition, bit by bit --------------------------------------------- */

static void naive_raise(uint8_t *registers, unsigned p, uint64_t h) {
    uint8_t rank = 1;
    for (unsigned bit = 64 - p; bit > 0 && (h >> (bit - 1) & 1) == 0; bit--) rank++;
    if (registers[h >> (64 - p)] < rank) registers[h >> (64 - p)] = rank;
}

static void check_registers(unsigned p, size_t n) {
    const size_t m = (size_t)1 << p;
    uint8_t *want = exact_alloc(m);
    memset(want, 0, m);
    fb_hll_t one = new_sketch(p), shared = new_sketch(p), batch = new_sketch(p);
    uint64_t random = n + p;
    for (size_t i = 0; i < n; i++) {
        uint64_t h = fb_xxh3_64_u64(i, 7);
        if (i % 7 == 3) h &= ~(uint64_t)0 << (next_random(&random) % 64); /* high ranks too */
        naive_raise(want, p, h);
        CHECK(fb_hll_add(&one, h) == FB_OK);
        CHECK(fb_hll_add_shared(&shared, h) == FB_OK);
        if (i % 3 == 0) CHECK(fb_hll_add(&one, h) == FB_OK);
        if (i % 50 == 0) CHECK(fb_hll_estimate_alone(&one) == fb_hll_estimate(&one));
    }
    CHECK(same(&one, &shared));
    CHECK(fb_hll_estimate_alone(&one) == fb_hll_estimate(&one));
    CHECK(fb_hll_make_dense(&one) == FB_OK && fb_hll_make_dense(&one) == FB_OK);
    CHECK(memcmp(one.registers, want, m) == 0);
    CHECK(fb_hll_estimate_alone(&one) == fb_hll_estimate(&one));
    add_counting(&batch, 0, n, 7);
    CHECK(fb_hll_is_dense(&batch) == (p < 8 || n > fb_hll_entries_allowed(p)));
    free(want);
    fb_hll_free(&one, NULL);
    fb_hll_free(&shared, NULL);
    fb_hll_free(&batch, NULL);
}

static void registers(void) {
    static const size_t counts[] = {0, 1, 47, 48, 49, 96, 97, 1000, 20000};
    for (unsigned p = FB_HLL_MIN_P; p <= FB_HLL_MAX_P; p++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) check_registers(p, counts[c]);
}

/* ---- the sparse form ------------------------------------------------------------------------- */

/* Serialised, loaded, viewed and united from bytes, at every number of entries up to the change. */
static void round_trips(unsigned p) {
    const uint32_t allowed = fb_hll_entries_allowed(p);
    fb_hll_t hll = new_sketch(p);
    for (uint32_t n = 0; n <= allowed + 1; n++) {
        size_t size;
        uint8_t *bytes = bytes_of(&hll, &size);
        CHECK(fb_hll_is_dense(&hll) == (n > allowed));
        CHECK(fb_hll_empty(&hll) == (n == 0));
        CHECK(fb_hll_size_ok(p, size) && fb_hll_admissible(p, bytes, size));
        CHECK(n > allowed || size == ((size_t)n + 1) / 2 * 8);
        CHECK(n > allowed || fabs(fb_hll_estimate(&hll) - n) <= 1e-4 * n);
        CHECK(n > allowed || fb_hll_memory(&hll) <= (n == 0 ? 0 : n < 7 ? 32 : 8 * (size_t)n + 4));
        fb_hll_t united = new_sketch(p), loaded = new_sketch(p), direct = new_sketch(p);
        CHECK(fb_hll_unite_bytes(&united, bytes, size) == FB_OK && same(&united, &hll));
        CHECK(fb_hll_unite(&direct, &hll) == FB_OK && same(&direct, &hll));
        CHECK(fb_hll_unite(&direct, &direct) == FB_OK && same(&direct, &hll));
        if (n <= allowed) {
            CHECK(fb_hll_load(&loaded, bytes, size) == FB_OK && same(&loaded, &hll));
            fb_hll_t view = new_sketch(p);
            fb_hll_view(&view, bytes, size);
            CHECK(same(&view, &hll) && fb_hll_estimate(&view) == fb_hll_estimate(&hll));
        }
        free(bytes);
        fb_hll_free(&united, NULL);
        fb_hll_free(&loaded, NULL);
        fb_hll_free(&direct, NULL);
        CHECK(fb_hll_add(&hll, fb_xxh3_64_u64(n, 1)) == FB_OK);
    }
    fb_hll_clear(&hll, true);
    CHECK(!fb_hll_is_dense(&hll) && fb_hll_empty(&hll) && fb_hll_estimate(&hll) == 0.0);
    add_counting(&hll, 5000, allowed + 1, 1);
    fb_hll_t fresh = new_sketch(p);
    add_counting(&fresh, 5000, allowed + 1, 1);
    CHECK(fb_hll_is_dense(&hll) && same(&hll, &fresh));
    fb_hll_clear(&hll, false);
    CHECK(fb_hll_is_dense(&hll) && fb_hll_empty(&hll) && fb_hll_estimate(&hll) == 0.0);
    fb_hll_free(&fresh, NULL);
    fb_hll_free(&hll, NULL);
}

/* Entries that all want the last place, or the first: they go around, and come out in order. */
static void one_place(uint32_t first) {
    fb_hll_t hll = new_sketch(12);
    const uint32_t n = fb_hll_entries_allowed(12);
    for (uint32_t i = n; i > 0; i--)
        CHECK(fb_hll_add(&hll, (uint64_t)(first + i - 1) << 38 | 1) == FB_OK);
    CHECK(!fb_hll_is_dense(&hll) && hll.n == n);
    size_t size;
    uint8_t *bytes = bytes_of(&hll, &size);
    CHECK(size == 4 * (size_t)n && fb_hll_admissible(12, bytes, size));
    for (uint32_t i = 0; i < n; i++) CHECK(fb_read32(bytes + 4 * i) == ((first + i) << 6 | 38));
    free(bytes);
    fb_hll_free(&hll, NULL);
}

static void inadmissible(void) {
    const uint32_t bad[][4] = {{0, 1 << 6 | 1, 2 << 6 | 1, 3 << 6 | 1},
                               {1 << 6, 2 << 6 | 1, 3 << 6 | 1, 0},
                               {1 << 6 | 40, 2 << 6 | 1, 3 << 6 | 1, 0},
                               {2 << 6 | 1, 1 << 6 | 1, 3 << 6 | 1, 0},
                               {1 << 6 | 1, 1 << 6 | 2, 3 << 6 | 1, 0},
                               {1 << 6 | 1, 2 << 6 | 1, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!fb_hll_admissible(8, bad[i], sizeof bad[i]));
    for (unsigned p = FB_HLL_MIN_P; p <= FB_HLL_MAX_P; p++) {
        const size_t m = (size_t)1 << p;
        uint8_t *bytes = exact_alloc(m);
        memset(bytes, (int)(65 - p), m);
        CHECK(fb_hll_admissible(p, bytes, m));
        bytes[m - 1]++;
        CHECK(!fb_hll_admissible(p, bytes, m));
        /* As if a mapped file were changed by somebody else: wrong, but no harm. */
        memset(bytes, 0xff, m);
        fb_hll_t hll;
        fb_hll_init(&hll, p, bytes);
        CHECK(fb_hll_estimate(&hll) >= 0.0);
        CHECK(fb_hll_estimate_alone(&hll) >= 0.0);
        for (uint64_t h = 0; h < 100; h++) CHECK(fb_hll_add(&hll, h << 57) == FB_OK);
        fb_hll_free(&hll, bytes);
        free(bytes);
        CHECK(fb_hll_size_ok(p, m) && !fb_hll_size_ok(p, m - 8) && !fb_hll_size_ok(p, 2 * m));
        CHECK(fb_hll_size_ok(p, 0) == (p >= 8) && !fb_hll_size_ok(p, 4));
    }
    CHECK(!fb_hll_size_ok(3, 8) && !fb_hll_size_ok(19, 1 << 19) && !fb_hll_size_ok(0, 1));
}

/* ---- whole sketches -------------------------------------------------------------------------- */

static void unions(unsigned p) {
    static const size_t counts[] = {0, 5, 40, 60, 3000};
    const size_t n = sizeof counts / sizeof *counts;
    for (size_t i = 0; i < n * n; i++) {
        fb_hll_t a = new_sketch(p), b = new_sketch(p), c = new_sketch(p), both = new_sketch(p);
        add_counting(&a, 0, counts[i % n], 3);
        add_counting(&c, 0, counts[i % n], 3);
        add_counting(&b, 20, counts[i / n], 3);
        add_counting(&both, 0, counts[i % n], 3);
        add_counting(&both, 20, counts[i / n], 3);
        size_t size;
        uint8_t *bytes = bytes_of(&b, &size);
        CHECK(fb_hll_unite(&a, &b) == FB_OK && same(&a, &both));
        CHECK(fb_hll_unite_bytes(&c, bytes, size) == FB_OK && same(&c, &both));
        CHECK(fb_hll_estimate_alone(&a) == fb_hll_estimate(&both));
        free(bytes);
        fb_hll_free(&a, NULL);
        fb_hll_free(&b, NULL);
        fb_hll_free(&c, NULL);
        fb_hll_free(&both, NULL);
    }
}

/* Within five standard errors at every power of two, and exactly the same whatever rung hashed. */
static void estimates(unsigned p) {
    fb_hll_t hll = new_sketch(p);
    const double error = 1.04 / sqrt((double)(1u << p));
    size_t n = 0;
    for (size_t next = 1; next <= 1u << 20; n = next, next *= 2) {
        add_counting(&hll, n, next - n, 17);
        CHECK(fabs(fb_hll_estimate(&hll) / (double)next - 1.0) < 5 * error);
    }
    fb_hll_free(&hll, NULL);
}

static void golden(void) {
    fb_hll_t hll = new_sketch(10);
    size_t size;
    add_counting(&hll, 0, 190, 42);
    uint8_t *bytes = bytes_of(&hll, &size);
    CHECK(fb_xxh3_64(bytes, size, 0) == 0x5804F612A73C9F45u);
    free(bytes);
    add_counting(&hll, 0, 5000, 42);
    bytes = bytes_of(&hll, &size);
    CHECK(fb_xxh3_64(bytes, size, 0) == 0x1B28533DBA4C6196u);
    free(bytes);
    fb_hll_free(&hll, NULL);
}

int main(void) {
    registers();
    for (unsigned p = 8; p <= 12; p++) round_trips(p);
    one_place(0);
    one_place((1u << 26) - fb_hll_entries_allowed(12));
    inadmissible();
    for (unsigned p = FB_HLL_MIN_P; p <= FB_HLL_MAX_P; p += 2) unions(p);
    for (unsigned p = FB_HLL_MIN_P; p <= FB_HLL_MAX_P; p++) estimates(p);
    golden();
    return check_report();
}
