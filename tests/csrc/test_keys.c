#include "keys.h"

#include "check.h"
#include "xxh3.h"

enum { N = 601, LONGEST = 40, BUFFERS = 3 };

static const uint64_t SEED = 0xFEDCBA9876543210u;

/* The string keys that every string layout is made from: of lengths 0..LONGEST, no trailing zeros
 * (PADDED could not tell them from padding) but zeros inside. */
static struct {
    uint8_t bytes[LONGEST];
    size_t len;
} strings[N];
static uint64_t string_hashes[N];

static void make_strings(void) {
    uint64_t random = 1;
    for (size_t i = 0; i < N; i++) {
        size_t len = strings[i].len = i <= LONGEST ? i : next_random(&random) % (LONGEST + 1);
        for (size_t j = 0; j < len; j++)
            strings[i].bytes[j] = (uint8_t)(next_random(&random) % (j % 4 ? 256 : 2));
        if (len > 0 && strings[i].bytes[len - 1] == 0) strings[i].bytes[len - 1] = 1;
        string_hashes[i] = fb_xxh3_64(strings[i].bytes, len, SEED);
    }
}

/* The key by itself has this hash too. */
static void check_key(const fb_keys_part_t *part, size_t at, uint64_t want) {
    size_t len;
    if (part->layout == FB_KEYS_HASHES) return;
    if (part->layout < FB_KEYS_PADDED) {
        CHECK(fb_xxh3_64_u64(fb_keys_word(part, at), SEED) == want);
    } else {
        const uint8_t *key = fb_keys_bytes(part, at, &len);
        CHECK(fb_xxh3_64(key, len, SEED) == want);
    }
}

/* XXH3 again, as another hash that is called a key at a time; it counts the numbers below 0. */
static size_t negatives;
static uint64_t by_bytes(const uint8_t *key, size_t len) { return fb_xxh3_64(key, len, SEED); }
static uint64_t by_integer(uint64_t word, bool negative) {
    negatives += negative;
    return fb_xxh3_64_u64(word, SEED);
}
static const fb_hasher_t hasher = {by_bytes, by_integer};

/* The parts give these n hashes, however many are asked for at a time, and then no more. */
static void check_parts(const fb_keys_part_t *parts, size_t n_parts, const uint64_t *want,
                        size_t n) {
    const size_t slices[] = {1, 3, FB_KEYS_SLICE, n + 1};
    for (size_t s = 0; s < sizeof slices / sizeof *slices; s++) {
        uint64_t *got = exact_alloc(n * sizeof *got);
        fb_keys_cursor_t cursor = {parts, n_parts, 0, 0};
        CHECK(fb_keys_next(&cursor, SEED, got, 0) == 0);
        size_t done = 0, more;
        while ((more = fb_keys_next(&cursor, SEED, got + done, slices[s])) > 0) {
            done += more;
            CHECK(more == slices[s] || done == n); /* full slices, across parts too */
        }
        CHECK(done == n);
        CHECK(memcmp(got, want, n * sizeof *got) == 0);
        CHECK(fb_keys_next(&cursor, SEED, got, slices[s]) == 0);

        cursor = (fb_keys_cursor_t){parts, n_parts, 0, 0};
        memset(got, 0, n * sizeof *got);
        CHECK(fb_keys_next_by(&cursor, &hasher, got, 0) == 0);
        done = negatives = 0;
        while ((more = fb_keys_next_by(&cursor, &hasher, got + done, slices[s])) > 0) {
            done += more;
            CHECK(more == slices[s] || done == n);
        }
        CHECK(done == n);
        CHECK(memcmp(got, want, n * sizeof *got) == 0);
        CHECK(fb_keys_next_by(&cursor, &hasher, got, slices[s]) == 0);
        free(got);
    }
    for (size_t i = 0; i < n_parts; i++)
        for (size_t at = 0; at < parts[i].n; at++) check_key(&parts[i], at, *want++);
}

/* ---- integers ------------------------------------------------------------------------------ */

#define CHECK_INTEGERS(layout_, type)                                                         \
    do {                                                                                      \
        type *keys = exact_alloc(N * sizeof *keys);                                           \
        uint64_t want[N];                                                                     \
        size_t below_0 = 0;                                                                   \
        for (size_t i = 0; i < N; i++) {                                                      \
            keys[i] = i < 3 ? (type)(i - 1) : (type)next_random(&random);                     \
            int64_t wide = (int64_t)keys[i];                                                  \
            below_0 += (type)-1 < (type)1 && wide < 0;                                        \
            want[i] = fb_xxh3_64(&wide, 8, SEED);                                             \
            CHECK(want[i] == fb_xxh3_64_u64((uint64_t)wide, SEED));                           \
        }                                                                                     \
        fb_keys_part_t part = {.layout = layout_, .n = N, .data = keys};                      \
        check_parts(&part, 1, want, N);                                                       \
        CHECK(negatives == below_0);                                                          \
        free(keys);                                                                           \
    } while (0)

static void integers(void) {
    uint64_t random = 2;
    CHECK_INTEGERS(FB_KEYS_INT8, int8_t);
    CHECK_INTEGERS(FB_KEYS_INT16, int16_t);
    CHECK_INTEGERS(FB_KEYS_INT32, int32_t);
    CHECK_INTEGERS(FB_KEYS_INT64, int64_t);
    CHECK_INTEGERS(FB_KEYS_UINT8, uint8_t);
    CHECK_INTEGERS(FB_KEYS_UINT16, uint16_t);
    CHECK_INTEGERS(FB_KEYS_UINT32, uint32_t);
    CHECK_INTEGERS(FB_KEYS_UINT64, uint64_t);
}

/* Hashes pass through as they are: the seed went into them before. */
static void hashes(void) {
    uint64_t *copy = exact_copy(string_hashes, sizeof string_hashes);
    fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = N, .data = copy};
    check_parts(&part, 1, string_hashes, N);
    free(copy);
}

/* ---- bytes of one width -------------------------------------------------------------------- */

static void padded(void) {
    uint8_t *data = exact_alloc(N * LONGEST);
    memset(data, 0, N * LONGEST);
    for (size_t i = 0; i < N; i++) memcpy(data + i * LONGEST, strings[i].bytes, strings[i].len);
    fb_keys_part_t part = {.layout = FB_KEYS_PADDED, .n = N, .width = LONGEST, .data = data};
    check_parts(&part, 1, string_hashes, N);
    free(data);
}

/* Every width, and trailing zeros belong to the key. */
static void fixed(void) {
    uint64_t random = 3, want[N];
    for (size_t width = 0; width <= LONGEST; width++) {
        uint8_t *data = exact_alloc(N * width);
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < width; j++)
                data[i * width + j] = (uint8_t)(j > i % 50 ? 0 : next_random(&random));
            want[i] = fb_xxh3_64(data + i * width, width, SEED);
        }
        fb_keys_part_t part = {.layout = FB_KEYS_FIXED, .n = N, .width = width, .data = data};
        check_parts(&part, 1, want, N);
        free(data);
    }
}

static void width_zero(void) {
    static const fb_keys_layout_t layouts[] = {FB_KEYS_PADDED, FB_KEYS_FIXED, FB_KEYS_UCS4};
    const uint64_t empty = fb_xxh3_64("", 0, SEED), want[5] = {empty, empty, empty, empty, empty};
    for (size_t i = 0; i < 3; i++) {
        void *data = exact_alloc(0), *scratch = exact_alloc(0);
        fb_keys_part_t part = {.layout = layouts[i], .n = 5, .data = data, .scratch = scratch};
        check_parts(&part, 1, want, 5);
        free(data);
        free(scratch);
    }
}

/* ---- UCS4 ---------------------------------------------------------------------------------- */

/* Encodes n code points from words of every width that holds them. */
static void check_encoded(const uint32_t *points, size_t n, const char *utf8, size_t len) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) most = points[i] > most ? points[i] : most;
    for (unsigned width = 1; width <= 4; width *= 2) {
        if (width < 4 && most >> 8 * width != 0) continue;
        uint8_t *text = exact_alloc(n * width), *out = exact_alloc(4 * n);
        for (size_t i = 0; i < n; i++) memcpy(text + i * width, points + i, width);
        CHECK(fb_utf8_encode(text, width, n, out) == len);
        CHECK(len == 0 || memcmp(out, utf8, len) == 0);
        free(text);
        free(out);
    }
}

static void surrogates(void) {
    static const uint16_t bad[] = {0xd800, 0xdbff, 0xdc00, 0xdfff};
    uint8_t out[12];
    for (size_t b = 0; b < 4; b++) {
        for (size_t at = 0; at < 3; at++) {
            uint16_t two[3] = {'a', 0xd7ff, 0xe000};
            uint32_t four[3] = {'a', 0xd7ff, 0x10ffff};
            two[at] = bad[b], four[at] = bad[b];
            CHECK(fb_utf8_encode(two, 2, 3, out) == SIZE_MAX);
            CHECK(fb_utf8_encode(four, 4, 3, out) == SIZE_MAX);
            CHECK(fb_utf8_encode(two, 2, at, out) != SIZE_MAX);
        }
    }
}

static void ucs4(void) {
    enum { WIDTH = 4, KEYS = 16 };
    static const struct {
        uint32_t points[WIDTH];
        const char *utf8;
        size_t len;
    } cases[KEYS] = {
        {{0}, "", 0},
        {{'a'}, "a", 1},
        {{'a', 'b', 'c', 'd'}, "abcd", 4},
        {{0x7f}, "\x7f", 1},
        {{0x80}, "\xc2\x80", 2},
        {{0x7ff, 'z'}, "\xdf\xbfz", 3},
        {{0x800}, "\xe0\xa0\x80", 3},
        {{0xd7ff}, "\xed\x9f\xbf", 3},
        {{0xe000}, "\xee\x80\x80", 3},
        {{0xffff}, "\xef\xbf\xbf", 3},
        {{0x10000}, "\xf0\x90\x80\x80", 4},
        {{0x10ffff, 0x10ffff, 0x10ffff, 0x10ffff},
         "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", 16},
        {{'Z', 0xfc, 0x20ac, 0x1f600}, "Z\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 10},
        {{'a', 0, 0, 'b'}, "a\0\0b", 4}, /* zeros inside belong to the key */
        {{0, 0, 'b'}, "\0\0b", 3},
        {{'a', 0, 'b', 0}, "a\0b", 3},
    };
    uint64_t want[KEYS];
    uint32_t *data = exact_alloc(KEYS * WIDTH * sizeof *data);
    uint8_t *scratch = exact_alloc(WIDTH * sizeof *data);
    for (size_t i = 0; i < KEYS; i++) {
        memcpy(data + i * WIDTH, cases[i].points, sizeof cases[i].points);
        want[i] = fb_xxh3_64(cases[i].utf8, cases[i].len, SEED);
        size_t n = WIDTH;
        while (n > 0 && cases[i].points[n - 1] == 0) n--;
        check_encoded(cases[i].points, n, cases[i].utf8, cases[i].len);
    }
    fb_keys_part_t part = {
        .layout = FB_KEYS_UCS4, .n = KEYS, .width = WIDTH, .data = data, .scratch = scratch};
    check_parts(&part, 1, want, KEYS);
    CHECK(fb_keys_first_bad_ucs4(data, KEYS, WIDTH) == KEYS);
    free(data);
    free(scratch);
}

static void first_bad_ucs4(void) {
    enum { KEYS = 5, WIDTH = 3 };
    static const uint32_t good[] = {0, 'a', 0xd7ff, 0xe000, 0xffff, 0x10ffff};
    static const uint32_t bad[] = {0xd800, 0xdbff,   0xdc00,     0xdfff,
                                   0xdabc, 0x110000, 0x80000041, UINT32_MAX};
    uint32_t *data = exact_alloc(KEYS * WIDTH * sizeof *data);
    for (size_t i = 0; i < KEYS * WIDTH; i++) data[i] = good[i % 6];
    CHECK(fb_keys_first_bad_ucs4(data, KEYS, WIDTH) == KEYS);
    CHECK(fb_keys_first_bad_ucs4(data, 0, WIDTH) == 0);
    CHECK(fb_keys_first_bad_ucs4(data, 7, 0) == 7);
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        for (size_t i = KEYS * WIDTH; i-- > 0;) { /* backwards: the later ones stay bad */
            data[i] = bad[b];
            CHECK(fb_keys_first_bad_ucs4(data, KEYS, WIDTH) == i / WIDTH);
            CHECK(fb_keys_first_bad_ucs4(data, i / WIDTH, WIDTH) == i / WIDTH);
        }
        for (size_t i = 0; i < KEYS * WIDTH; i++) data[i] = good[i % 6];
    }
    free(data);
}

/* ---- Arrow --------------------------------------------------------------------------------- */

/* Offsets as of an array sliced out of a larger one: the first is not zero. */
#define CHECK_OFFSETS(layout_, type)                                                             \
    do {                                                                                         \
        type *offsets = exact_alloc((N + 1) * sizeof *offsets);                                  \
        offsets[0] = 5;                                                                          \
        for (size_t i = 0; i < N; i++) offsets[i + 1] = offsets[i] + (type)strings[i].len;       \
        uint8_t *data = exact_alloc((size_t)offsets[N]);                                         \
        memset(data, '?', 5);                                                                    \
        for (size_t i = 0; i < N; i++)                                                           \
            memcpy(data + offsets[i], strings[i].bytes, strings[i].len);                         \
        fb_keys_part_t part = {.layout = layout_, .n = N, .data = data, .offsets = offsets};     \
        check_parts(&part, 1, string_hashes, N);                                                 \
        free(offsets);                                                                           \
        free(data);                                                                              \
    } while (0)

static void offsets32_and_64(void) {
    CHECK_OFFSETS(FB_KEYS_OFFSET32, int32_t);
    CHECK_OFFSETS(FB_KEYS_OFFSET64, int64_t);
}

static void put32(uint8_t *at, size_t value) {
    uint32_t v = (uint32_t)value;
    memcpy(at, &v, sizeof v);
}

/* Views of up to 12 bytes hold them; the others are dealt out to buffers that end with them. */
static void views(void) {
    uint8_t *data = exact_alloc(N * 16), *buffers[BUFFERS];
    size_t used[BUFFERS] = {0};
    for (size_t i = 0; i < N; i++)
        if (strings[i].len > 12) used[i % BUFFERS] += strings[i].len;
    for (size_t b = 0; b < BUFFERS; b++) buffers[b] = exact_alloc(used[b]), used[b] = 0;
    memset(data, 0, N * 16);
    for (size_t i = 0; i < N; i++) {
        uint8_t *view = data + 16 * i;
        const size_t len = strings[i].len, b = i % BUFFERS;
        put32(view, len);
        memcpy(view + 4, strings[i].bytes, len <= 12 ? len : 4);
        if (len <= 12) continue;
        put32(view + 8, b);
        put32(view + 12, used[b]);
        memcpy(buffers[b] + used[b], strings[i].bytes, len);
        used[b] += len;
    }
    fb_keys_part_t part = {.layout = FB_KEYS_VIEWS,
                           .n = N,
                           .data = data,
                           .buffers = (const void *const *)(void *)buffers};
    check_parts(&part, 1, string_hashes, N);
    for (size_t b = 0; b < BUFFERS; b++) free(buffers[b]);
    free(data);
}

/* ---- several parts ------------------------------------------------------------------------- */

static void several_parts(void) {
    const fb_keys_part_t none = {.layout = FB_KEYS_PADDED, .width = 8};
    int16_t few[] = {-1, 7, 300};
    uint32_t points[] = {0xe9, 0, 0x4e2d, 0x6587};
    uint8_t scratch[8];
    int32_t offsets[] = {0, 2, 2};
    const fb_keys_part_t parts[] = {
        none,
        {.layout = FB_KEYS_INT16, .n = 3, .data = few},
        {.layout = FB_KEYS_HASHES, .n = N, .data = string_hashes},
        none,
        none,
        {.layout = FB_KEYS_UCS4, .n = 2, .width = 2, .data = points, .scratch = scratch},
        {.layout = FB_KEYS_OFFSET32, .n = 2, .data = "hi", .offsets = offsets},
        none,
    };
    uint64_t want[3 + N + 4], *w = want;
    for (size_t i = 0; i < 3; i++) *w++ = fb_xxh3_64_u64((uint64_t)(int64_t)few[i], SEED);
    memcpy(w, string_hashes, sizeof string_hashes);
    w += N;
    *w++ = fb_xxh3_64("\xc3\xa9", 2, SEED);
    *w++ = fb_xxh3_64("\xe4\xb8\xad\xe6\x96\x87", 6, SEED);
    *w++ = fb_xxh3_64("hi", 2, SEED);
    *w++ = fb_xxh3_64("", 0, SEED);
    check_parts(parts, sizeof parts / sizeof *parts, want, 3 + N + 4);
}

/* Parts without keys may come without memory, as empty Arrow chunks do, and so may the bytes of
 * keys that are all empty. */
static void no_memory_for_no_keys(void) {
    fb_keys_part_t parts[FB_KEYS_VIEWS + 1];
    for (int layout = 0; layout <= FB_KEYS_VIEWS; layout++)
        parts[layout] = (fb_keys_part_t){.layout = (fb_keys_layout_t)layout, .width = 4};
    check_parts(parts, FB_KEYS_VIEWS + 1, string_hashes, 0);
    check_parts(NULL, 0, string_hashes, 0);

    const uint64_t empty = fb_xxh3_64("", 0, SEED), want[2] = {empty, empty};
    const int32_t offsets32[3] = {0};
    const int64_t offsets64[3] = {0};
    const fb_keys_part_t of32 = {.layout = FB_KEYS_OFFSET32, .n = 2, .offsets = offsets32};
    const fb_keys_part_t of64 = {.layout = FB_KEYS_OFFSET64, .n = 2, .offsets = offsets64};
    check_parts(&of32, 1, want, 2);
    check_parts(&of64, 1, want, 2);
}

int main(void) {
    make_strings();
    integers();
    hashes();
    padded();
    fixed();
    width_zero();
    ucs4();
    surrogates();
    first_bad_ucs4();
    offsets32_and_64();
    views();
    several_parts();
    no_memory_for_no_keys();
    return check_report();
}
