#include "ring/jump.h"

#include "check.h"
#include "xxh3.h"

/* The paper's program. */
static int32_t reference(uint64_t key, int32_t buckets) {
    int64_t b = -1, j = 0;
    while (j < buckets) {
        b = j;
        key = key * 2862933555777941757ull + 1;
        j = (int64_t)((double)(b + 1) * ((double)(1ll << 31) / (double)((key >> 33) + 1)));
    }
    return (int32_t)b;
}

static const int32_t every_size[] = {1, 2, 3, 10, 1000, 65536, 1000000, INT32_MAX - 1, INT32_MAX};

static void equals_the_reference(void) {
    uint64_t random = 3;
    for (size_t s = 0; s < sizeof every_size / sizeof *every_size; s++) {
        for (size_t i = 0; i < 3000; i++) {
            const uint64_t key = i < 100 ? i : i < 200 ? 0 - (uint64_t)i : next_random(&random);
            CHECK(fb_jump(key, every_size[s]) == reference(key, every_size[s]));
        }
    }
    /* Keys whose first step is the largest there is, or the smallest: key * multiplier + 1 is 0, -1. */
    const uint64_t inverse = 16133697096952638549ull; /* of the multiplier */
    CHECK(2862933555777941757ull * inverse == 1);
    for (uint64_t low = 0; low < 100; low++) {
        for (size_t s = 0; s < sizeof every_size / sizeof *every_size; s++) {
            const uint64_t small = (low - 1) * inverse, large = (0 - low - 1) * inverse;
            CHECK(fb_jump(small, every_size[s]) == reference(small, every_size[s]));
            CHECK(fb_jump(large, every_size[s]) == reference(large, every_size[s]));
        }
    }
}

/* Batches of every length agree with single keys, and end where their memory ends. */
static void batches(void) {
    uint64_t random = 4;
    for (size_t n = 0; n < 600; n += n < 70 ? 1 : 37) {
        uint64_t *words = exact_alloc(n * sizeof *words);
        for (size_t i = 0; i < n; i++) words[i] = next_random(&random) >> (i % 64);
        int32_t *out = exact_alloc(n * sizeof *out);
        const fb_keys_part_t part = {.layout = FB_KEYS_UINT64, .n = n, .data = words};
        for (size_t s = 0; s < sizeof every_size / sizeof *every_size; s++) {
            fb_jump_keys((fb_keys_cursor_t){&part, 1, 0, 0}, every_size[s], out);
            for (size_t i = 0; i < n; i++) CHECK(out[i] == reference(words[i], every_size[s]));
        }
        free(out);
        free(words);
    }
}

static void keys_of_every_kind(void) {
    static const int16_t ints[3] = {5, -5, INT16_MIN};
    static const char text[6] = "abcdef";
    int32_t out[6];
    const fb_keys_part_t parts[2] = {{.layout = FB_KEYS_INT16, .n = 3, .data = ints},
                                     {.layout = FB_KEYS_FIXED, .n = 3, .width = 2, .data = text}};
    fb_jump_keys((fb_keys_cursor_t){parts, 2, 0, 0}, 1000, out);
    for (size_t i = 0; i < 3; i++) {
        CHECK(out[i] == reference((uint64_t)(int64_t)ints[i], 1000));
        CHECK(out[3 + i] == reference(fb_xxh3_64(text + 2 * i, 2, 0), 1000));
    }
}

int main(void) {
    equals_the_reference();
    batches();
    keys_of_every_kind();
    return check_report();
}
