#include "geo/geohash.h"

#include "check.h"

/* Bit by bit: halve the ranges, by comparisons. */
static uint64_t reference(double lat, double lng, unsigned bits) {
    double low[2] = {-180, -90}, high[2] = {180, 90};
    uint64_t code = 0;
    for (unsigned i = 0; i < bits; i++) {
        const double middle = (low[i % 2] + high[i % 2]) / 2, x = i % 2 ? lat : lng;
        code = code << 1 | (x >= middle);
        *(x >= middle ? &low[i % 2] : &high[i % 2]) = middle;
    }
    return code;
}

static double uniform(uint64_t *random, double most) {
    return ((double)(next_random(random) >> 11) * 0x1p-53 * 2 - 1) * most;
}

static void batches_of_every_length(void) {
    uint64_t random = 1;
    for (size_t n = 0; n < 400; n += n < 40 ? 1 : 43) {
        double *lat = exact_alloc(n * 8), *lng = exact_alloc(n * 8);
        double *y = exact_alloc(n * 8), *x = exact_alloc(n * 8);
        uint64_t *codes = exact_alloc(n * 8), *read = exact_alloc(n * 8);
        uint8_t *precisions = exact_alloc(n);
        for (size_t i = 0; i < n; i++) lat[i] = uniform(&random, 90), lng[i] = uniform(&random, 180);
        for (unsigned precision = 1; precision <= FB_GEOHASH_MOST; precision++) {
            const unsigned bits = 5 * precision;
            char *texts = exact_alloc(n * precision), *again = exact_alloc(n * precision);
            fb_geohash_encode(lat, lng, n, bits, codes);
            fb_geohash_encode_texts(lat, lng, n, precision, texts);
            CHECK(fb_geohash_read_texts(texts, precision, n, read, precisions) == n);
            fb_geohash_write_texts(read, precisions, n, precision, again);
            CHECK(n == 0 || memcmp(texts, again, n * precision) == 0);
            fb_geohash_centers(read, precisions, n, y, x);
            for (size_t i = 0; i < n; i++) {
                double box[4];
                CHECK(codes[i] == reference(lat[i], lng[i], bits));
                CHECK(read[i] == codes[i] << (64 - bits) && precisions[i] == precision);
                CHECK(fb_geohash_code(y[i], x[i]) >> (64 - bits) == codes[i]);
                fb_geohash_bounds(read[i], precision, box);
                CHECK(box[0] <= lng[i] && lng[i] < box[2] && box[1] <= lat[i] && lat[i] < box[3]);
            }
            free(texts), free(again);
        }
        free(lat), free(lng), free(y), free(x), free(codes), free(read), free(precisions);
    }
}

static void neighbors_know_each_other(void) {
    uint64_t random = 2, around[FB_GEOHASH_NEIGHBORS], back[FB_GEOHASH_NEIGHBORS];
    for (int i = 0; i < 3000; i++) {
        const unsigned precision = 1 + (unsigned)i % FB_GEOHASH_MOST;
        const uint64_t code = next_random(&random) >> (64 - 5 * precision) << (64 - 5 * precision);
        const size_t n = fb_geohash_neighbors(code, precision, around);
        CHECK(n == 8 || n == 5);
        for (size_t k = 0; k < n; k++) {
            const size_t m = fb_geohash_neighbors(around[k], precision, back);
            int found = 0;
            for (size_t j = 0; j < m; j++) found += back[j] == code;
            CHECK(found == 1);
        }
    }
}

static void grids(void) {
    const double everything[4] = {-180, -90, 180, 90}, across[4] = {170, 0, -170, 1};
    fb_geohash_grid_t grid = fb_geohash_grid(everything, 2);
    CHECK(grid.rows == 32 && grid.columns == 32);
    grid = fb_geohash_grid(across, 2);
    CHECK(grid.rows == 1 && grid.columns == 2);
    uint64_t codes[2];
    fb_geohash_grid_codes(&grid, 2, codes);
    CHECK(codes[0] == fb_geohash_code(0, 175) >> 54 << 54);
    CHECK(codes[1] == fb_geohash_code(0, -175) >> 54 << 54);
}

static void malformed(void) {
    static const char *const bad[] = {"", "a", "i", "l", "o", "u4 ", "0123456789bcd", "\xff"};
    uint64_t code;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(fb_geohash_read(bad[i], strlen(bad[i]), &code) == 0);
    CHECK(fb_geohash_read("U4pRu", 5, &code) == 5);
    CHECK(code >> 39 == reference(57.64911, 10.40744, 25));
}

int main(void) {
    batches_of_every_length();
    neighbors_know_each_other();
    grids();
    malformed();
    return check_report();
}
