#include "xxh3.h"

#include "check.h"
#include "xxh3_vectors.h"

enum { VECTORS = sizeof xxh3_vectors / sizeof *xxh3_vectors };

static uint8_t input[XXH3_LONGEST];

static void known_answers(void) {
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t s = 0; s < 3; s++)
            CHECK(fb_xxh3_64(input, xxh3_vectors[v].len, xxh3_seeds[s]) ==
                  xxh3_vectors[v].hash[s]);
    uint64_t rolled = 0;
    for (size_t len = 0; len <= XXH3_ROLLED_TO; len++)
        for (size_t s = 0; s < 3; s++)
            rolled = rolled * 0x9E3779B97F4A7C15ull + fb_xxh3_64(input, len, xxh3_seeds[s]);
    CHECK(rolled == xxh3_rolled);
}

/* Buffers that end where the input ends: a read beyond is an error of AddressSanitizer. */
static void reads_no_further(void) {
    for (size_t len = 0; len <= 300; len++) {
        uint8_t *copy = exact_copy(input, len);
        CHECK(fb_xxh3_64(copy, len, 5) == fb_xxh3_64(input, len, 5));
        free(copy);
    }
    for (size_t v = 0; v < VECTORS; v++) {
        uint8_t *copy = exact_copy(input, xxh3_vectors[v].len);
        CHECK(fb_xxh3_64(copy, xxh3_vectors[v].len, 0) == xxh3_vectors[v].hash[0]);
        free(copy);
    }
    CHECK(fb_xxh3_64(NULL, 0, 0) == xxh3_vectors[0].hash[0]);
}

static void unaligned_input(void) {
    for (size_t v = 0; v < VECTORS; v++) {
        size_t len = xxh3_vectors[v].len;
        size_t shift = 1 + v % 7;
        uint8_t *shifted = exact_alloc(len + shift);
        memcpy(shifted + shift, input, len);
        CHECK(fb_xxh3_64(shifted + shift, len, 1) == xxh3_vectors[v].hash[1]);
        free(shifted);
    }
}

/* Every count from none to several vector steps and a rest, into another array and in place. */
static void batches_of_u64(void) {
    uint64_t random = 1;
    for (size_t n = 0; n <= 70; n++) {
        uint64_t seed = n % 3 ? next_random(&random) : n;
        uint64_t *keys = exact_alloc(n * sizeof *keys), *out = exact_alloc(n * sizeof *out);
        for (size_t i = 0; i < n; i++) keys[i] = i % 5 ? next_random(&random) : 0 - (uint64_t)i;
        fb_xxh3_64_u64s(keys, n, seed, out);
        for (size_t i = 0; i < n; i++) {
            CHECK(out[i] == fb_xxh3_64(&keys[i], 8, seed));
            CHECK(out[i] == fb_xxh3_64_u64(keys[i], seed));
        }
        fb_xxh3_64_u64s(keys, n, seed, keys);
        CHECK(memcmp(keys, out, n * sizeof *keys) == 0);
        free(keys);
        free(out);
    }
}

int main(void) {
    for (size_t i = 0; i < XXH3_LONGEST; i++)
        input[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
    known_answers();
    reads_no_further();
    unaligned_input();
    batches_of_u64();
    return check_report();
}
