#include "ring/rendezvous.h"

#include <math.h>

#include "check.h"
#include "xxh3.h"

static double weight_of(uint32_t i, bool equal) { return equal ? 0.75 : 1.0 / (double)(1 + i % 7); }

static fb_rendezvous_t make(uint32_t n, bool equal) {
    fb_rendezvous_t t;
    CHECK(fb_rendezvous_make(&t, n) == FB_OK);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        const int len = snprintf(name, sizeof name, "node-%u", i);
        fb_rendezvous_set(&t, i, (const uint8_t *)name, (size_t)len, 7, weight_of(i, equal));
    }
    CHECK(t.equal == (equal || n < 2));
    return t;
}

/* Whether node a comes before node b, by the definition. */
static bool before(const fb_rendezvous_t *t, uint64_t h, uint32_t a, uint32_t b) {
    const uint64_t c = h * t->by[a] + t->plus[a], d = h * t->by[b] + t->plus[b];
    const double x = fb_rendezvous_exponential(c) / t->weight[a];
    const double y = fb_rendezvous_exponential(d) / t->weight[b];
    if (x != y) return x < y;
    return c != d ? c < d : a < b;
}

static void lookups(void) {
    uint64_t random = 5;
    for (uint32_t n = 1; n < 150; n += n < 35 ? 1 : 29) {
        for (int equal = 0; equal < 2; equal++) {
            fb_rendezvous_t t = make(n, equal);
            uint64_t hashes[300] = {0, UINT64_MAX, 1};
            for (size_t k = 3; k < 300; k++) hashes[k] = next_random(&random);
            int32_t found[300];
            const fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = 300, .data = hashes};
            fb_rendezvous_find_keys(&t, (fb_keys_cursor_t){&part, 1, 0, 0}, 0, found);
            uint32_t *ranks = exact_alloc(n * sizeof *ranks);
            for (size_t k = 0; k < 300; k++) {
                uint32_t best = 0;
                for (uint32_t i = 1; i < n; i++)
                    if (before(&t, hashes[k], i, best)) best = i;
                CHECK(fb_rendezvous_find(&t, hashes[k]) == best);
                CHECK(found[k] == (int32_t)best);
                const uint32_t want = k < 20 ? n : (uint32_t)k % n;
                CHECK(fb_rendezvous_rank(&t, hashes[k], want, ranks) == FB_OK);
                CHECK(want == 0 || ranks[0] == best);
                for (uint32_t r = 1; r < want; r++)
                    CHECK(before(&t, hashes[k], ranks[r - 1], ranks[r]));
                if (want == 0 || want == n) continue;
                uint32_t ahead = 0; /* of the last one are as many as there should be */
                for (uint32_t i = 0; i < n; i++) ahead += before(&t, hashes[k], i, ranks[want - 1]);
                CHECK(ahead == want - 1);
            }
            free(ranks);
            fb_rendezvous_drop(&t);
            fb_rendezvous_drop(&t); /* and once more, which does nothing */
        }
    }
}

/* Costs that tie or nearly do, and costs at both ends: made by hand, with h = 0, so that c is `plus`. */
static void ties_and_ends(void) {
    static const uint64_t values[] = {0, 1, 2, 4095, 4096, 1ull << 31, 1ull << 32, (1ull << 32) + 1,
                                      1ull << 62, 3ull << 62, UINT64_MAX - 1, UINT64_MAX};
    uint64_t random = 6;
    for (uint32_t n = 1; n < 20; n++) {
        for (unsigned round = 0; round < 400; round++) {
            fb_rendezvous_t t = make(n, round % 2);
            for (uint32_t i = 0; i < n; i++) {
                const uint64_t near = (next_random(&random) % 3) << (next_random(&random) % 36);
                t.plus[i] = values[next_random(&random) % 12] + near;
                if (round % 4 == 0) t.plus[i] = (1ull << 63) + near;
            }
            uint32_t best = 0;
            for (uint32_t i = 1; i < n; i++)
                if (before(&t, 0, i, best)) best = i;
            CHECK(fb_rendezvous_find(&t, 0) == best);
            uint32_t first;
            CHECK(fb_rendezvous_rank(&t, 0, 1, &first) == FB_OK && first == best);
            fb_rendezvous_drop(&t);
        }
    }
}

static void extreme_weights(void) {
    static const double weights[] = {0x1p-1000, 1.0, 0.5, 0x1p-1000, 0x1p1000, 0x1p-500};
    fb_rendezvous_t t;
    uint64_t random = 7;
    CHECK(fb_rendezvous_make(&t, 6) == FB_OK);
    for (uint32_t i = 0; i < 6; i++) {
        const uint8_t name = (uint8_t)i;
        fb_rendezvous_set(&t, i, &name, 1, 0, weights[i]);
    }
    for (unsigned k = 0; k < 1000; k++) {
        uint32_t ranks[6];
        const uint64_t h = next_random(&random);
        CHECK(fb_rendezvous_find(&t, h) == 4);
        CHECK(fb_rendezvous_rank(&t, h, 6, ranks) == FB_OK && ranks[0] == 4 && ranks[3] == 5);
    }
    fb_rendezvous_drop(&t);
}

static void logarithm(void) {
    uint64_t random = 8;
    for (unsigned bits = 1; bits <= 64; bits++) {
        for (unsigned k = 0; k < 200; k++) {
            const uint64_t c = (next_random(&random) | 1ull << 63) >> (64 - bits);
            const uint64_t kept = bits > 32 ? c >> (bits - 32) << (bits - 32) : c;
            const double want = -log1p(-(double)kept * 0x1p-64);
            CHECK(fabs(fb_rendezvous_exponential(c) - want) <= 1e-13 * want);
            CHECK(fb_rendezvous_exponential(c) == fb_rendezvous_exponential(kept));
            if (kept == c && bits > 32) continue;
            CHECK(fb_rendezvous_exponential(kept - 1) < fb_rendezvous_exponential(kept));
        }
    }
    CHECK(fb_rendezvous_exponential(0) == 0.0);
}

/* Which node a key goes to may never change, on any platform. */
static void golden(void) {
    static const uint64_t want[2] = {0x11DBDEDE7E7B77C5u, 0xADB5184AEF5D6AD3u};
    for (int equal = 0; equal < 2; equal++) {
        fb_rendezvous_t t = make(50, equal);
        int64_t keys[2000];
        int32_t found[2000];
        for (int i = 0; i < 2000; i++) keys[i] = i;
        const fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 2000, .data = keys};
        fb_rendezvous_find_keys(&t, (fb_keys_cursor_t){&part, 1, 0, 0}, 7, found);
        const uint64_t got = fb_xxh3_64(found, sizeof found, 0);
        CHECK(got == want[equal]);
        if (got != want[equal]) printf("got %016llx\n", (unsigned long long)got);
        fb_rendezvous_drop(&t);
    }
}

int main(void) {
    lookups();
    ties_and_ends();
    extreme_weights();
    logarithm();
    golden();
    fb_rendezvous_t none;
    CHECK(fb_rendezvous_make(&none, 0) == FB_OK);
    fb_rendezvous_drop(&none);
    return check_report();
}
