#include "ring/maglev.h"

#include "check.h"
#include "xxh3.h"

enum { MOST = 300 };

/* n nodes with random hashes; weights by `weigh`. */
static void make(fb_maglev_node_t *nodes, uint32_t n, double (*weigh)(uint32_t i), uint64_t seed) {
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = (fb_maglev_node_t){next_random(&seed), next_random(&seed), weigh(i), (int32_t)i};
}

static double equal(uint32_t i) { return (void)i, 3.5; }
static double various(uint32_t i) { return 1 + i % 7; }
static double skewed(uint32_t i) { return i == 5 ? 1e6 : 1; }
static double tiny(uint32_t i) { return i % 2 ? 1e308 : 5e-324; }

/* The pseudo-code of the paper, for nodes of equal weight. */
static void populate(const fb_maglev_node_t *nodes, uint32_t n, uint32_t size, int32_t *entry) {
    uint64_t next[MOST] = {0};
    for (uint32_t at = 0; at < size; at++) entry[at] = -1;
    for (uint32_t filled = 0;;) {
        for (uint32_t i = 0; i < n; i++) {
            const uint64_t offset = fb_reduce64(nodes[i].first, size);
            const uint64_t skip = fb_reduce64(nodes[i].second, size - 1) + 1;
            uint64_t c;
            do c = (offset + next[i]++ * skip) % size;
            while (entry[c] >= 0);
            entry[c] = (int32_t)i;
            if (++filled == size) return;
        }
    }
}

static void equal_weights(void) {
    static const uint32_t sizes[] = {2, 3, 7, 61, 64 + 3, 257, 1009};
    fb_maglev_node_t nodes[MOST];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const uint32_t size = sizes[s];
        int32_t *entries = exact_alloc(size * sizeof *entries);
        int32_t *expected = exact_alloc(size * sizeof *expected);
        for (uint32_t n = 1; n <= size && n <= MOST; n += n / 4 + 1) {
            make(nodes, n, equal, n);
            CHECK(fb_maglev_fill(nodes, n, size, entries) == FB_OK);
            populate(nodes, n, size, expected);
            CHECK(memcmp(entries, expected, size * sizeof *entries) == 0);
        }
        free(entries);
        free(expected);
    }
}

/* Every node has what it is due, rounded down or up. */
static void weights(void) {
    static double (*const every[])(uint32_t) = {equal, various, skewed, tiny};
    fb_maglev_node_t nodes[MOST];
    uint32_t counts[MOST];
    const uint32_t size = 1009;
    int32_t *entries = exact_alloc(size * sizeof *entries);
    for (size_t w = 0; w < sizeof every / sizeof *every; w++) {
        for (uint32_t n = 1; n <= MOST; n += n / 4 + 1) {
            double largest = 0, sum = 0;
            make(nodes, n, every[w], 7);
            for (uint32_t i = 0; i < n; i++)
                if (largest < nodes[i].weight) largest = nodes[i].weight;
            for (uint32_t i = 0; i < n; i++) sum += nodes[i].weight / largest;
            CHECK(fb_maglev_fill(nodes, n, size, entries) == FB_OK);
            for (uint32_t at = 0; at < size; at++) CHECK((uint32_t)entries[at] < n);
            fb_maglev_count(entries, size, n, counts);
            uint32_t all = 0;
            for (uint32_t i = 0; i < n; i++) {
                const double due = size * (nodes[i].weight / largest) / sum;
                CHECK(counts[i] > due - 1.000001 && counts[i] < due + 1.000001);
                all += counts[i];
            }
            CHECK(all == size);
        }
    }
    free(entries);
}

/* The entries hold the nodes' own indices, whatever the order of turns. */
static void indices(void) {
    fb_maglev_node_t nodes[10];
    int32_t entries[101], turned[101];
    make(nodes, 10, various, 3);
    CHECK(fb_maglev_fill(nodes, 10, 101, entries) == FB_OK);
    for (uint32_t i = 0; i < 10; i++) nodes[i].index = 9 - (int32_t)i;
    CHECK(fb_maglev_fill(nodes, 10, 101, turned) == FB_OK);
    for (uint32_t at = 0; at < 101; at++) CHECK(turned[at] == 9 - entries[at]);
}

/* Tables are promises: the same on every platform. */
static void golden_table(void) {
    fb_maglev_node_t nodes[100];
    const uint64_t want = 0x0A337C8CCCA53D2Du;
    const uint32_t size = 65537;
    int32_t *entries = exact_alloc(size * sizeof *entries);
    make(nodes, 100, various, 42);
    CHECK(fb_maglev_fill(nodes, 100, size, entries) == FB_OK);
    const uint64_t got = fb_xxh3_64(entries, size * sizeof *entries, 0);
    CHECK(got == want);
    if (got != want) printf("got %016llx\n", (unsigned long long)got);
    free(entries);
}

static void lookups(void) {
    fb_maglev_node_t nodes[70];
    const uint32_t n = 70, size = 1009;
    int32_t *entries = exact_alloc(size * sizeof *entries), out[600];
    uint64_t hashes[600] = {0, UINT64_MAX};
    uint64_t random = 9;
    make(nodes, n, tiny, 4); /* every other has none */
    CHECK(fb_maglev_fill(nodes, n, size, entries) == FB_OK);
    for (size_t i = 2; i < 600; i++) hashes[i] = next_random(&random);
    const fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = 600, .data = hashes};
    fb_maglev_find_keys(entries, size, (fb_keys_cursor_t){&part, 1, 0, 0}, 0, out);
    for (size_t i = 0; i < 600; i++) {
        uint32_t ranked[70], seen[70] = {0};
        const uint32_t at = fb_maglev_at(hashes[i], size);
        CHECK(at < size && out[i] == entries[at]);
        for (uint32_t want = 0; want <= n; want += 7) {
            uint32_t *few = exact_alloc(want * sizeof *few);
            CHECK(fb_maglev_rank(entries, size, n, hashes[i], want, few) == FB_OK);
            CHECK(want == 0 || few[0] == (uint32_t)out[i]);
            memcpy(ranked, few, want * sizeof *few); /* the last: all */
            free(few);
        }
        for (uint32_t r = 0; r < n; r++) {
            CHECK(ranked[r] < n && seen[ranked[r]]++ == 0);
            CHECK(ranked[r] % 2 == (r < n / 2));
            CHECK(r < n / 2 || ranked[r] == 2 * (r - n / 2));
        }
    }
    free(entries);
}

static void changes(void) {
    static const int32_t before[5] = {0, 1, 2, 1, 0}, after[5] = {1, 0, 0, 1, 2};
    static const int32_t kept[3] = {1, 0, 2}, gone[3] = {-1, -1, -1};
    CHECK(fb_maglev_changed(before, after, 5, kept) == 3);
    CHECK(fb_maglev_changed(before, after, 5, gone) == 5);
    CHECK(fb_maglev_changed(before, before, 5, kept) == 4);
}

int main(void) {
    equal_weights();
    weights();
    indices();
    golden_table();
    lookups();
    changes();
    return check_report();
}
