#include "cache/index.h"

#include "check.h"

enum { SLOTS = 3000 };

/* The table that tells the truth: which entries are in the index. Their hashes are in `entries`. */
typedef struct {
    fb_index_t index;
    fb_policy_entry_t *entries;
    bool present[SLOTS];
    uint64_t n, random;
} pair_t;

/* Hashes that share homes, tags, or all bits. */
static uint64_t some_hash(pair_t *t) {
    const uint64_t r = next_random(&t->random);
    switch (r % 4) {
    case 0: return (r >> 8) % 8 * 0x2000000020000001ull; /* few homes and tags, often equal */
    case 1: return ~0ull << 32 | (r >> 8) % 64;          /* the last cells, then round to the first */
    case 2: return r & ~0xffffffffull;                   /* one tag */
    default: return next_random(&t->random);
    }
}

/* A search for h finds each entry with that hash once, and nothing else. */
static void check_search(pair_t *t, uint64_t h) {
    static bool found[SLOTS];
    memset(found, 0, sizeof found);
    uint32_t at = fb_index_home(&t->index, h), slot;
    bool right = true;
    while ((slot = fb_index_next(&t->index, t->entries, h, &at)) != FB_POLICY_NONE) {
        right = slot < SLOTS && t->present[slot] && t->entries[slot].hash == h && !found[slot];
        if (!right) break;
        found[slot] = true;
    }
    bool none = true;
    for (uint32_t i = 0; i < SLOTS; i++) {
        right &= found[i] == (t->present[i] && t->entries[i].hash == h);
        none &= !found[i];
    }
    CHECK(right);
    CHECK(none || !fb_index_missed(&t->index, h));
    if (none) fb_index_miss(&t->index, h, at);
}

static void start(pair_t *t, uint64_t seed) {
    *t = (pair_t){.random = seed};
    t->entries = exact_alloc(SLOTS * sizeof *t->entries);
    CHECK(fb_index_init(&t->index) == FB_OK);
    CHECK(fb_index_bytes(&t->index) == 32);
}

static void stop(pair_t *t) {
    fb_index_free(&t->index);
    free(t->entries);
}

static void put(pair_t *t, uint32_t slot) {
    const uint64_t hash = some_hash(t);
    CHECK(fb_index_reserve(&t->index, t->entries, t->n + 1) == FB_OK);
    const uint64_t cells = (uint64_t)t->index.mask + 1, share = cells <= 1u << 16 ? 3 : 9; /* of 16 */
    CHECK(t->n + 1 <= t->index.room && t->index.room == cells * share / 16);
    if (t->random % 2 == 0) check_search(t, hash); /* which may note where to put it */
    t->entries[slot].hash = hash;
    fb_index_put(&t->index, hash, slot);
    t->present[slot] = true;
    t->n++;
}

static void take(pair_t *t, uint32_t slot) {
    fb_index_take(&t->index, t->entries, t->entries[slot].hash, slot);
    t->present[slot] = false;
    t->n--;
}

/* Slots are lowest first, as the policy hands them out: a number has to fit beside the tag. */
static void steps(uint32_t most, int n, uint64_t seed) {
    static pair_t pair;
    pair_t *t = &pair;
    start(t, seed);
    for (int i = 0; i < n; i++) {
        const uint32_t slot = (uint32_t)fb_reduce64(next_random(&t->random), t->n < most ? t->n + 1 : most);
        uint32_t last = 0;
        for (uint32_t j = 0; j < most; j++)
            if (t->present[j]) last = j;
        if (t->present[slot])
            take(t, i % 3 == 0 ? last : slot);
        else
            put(t, slot);
        check_search(t, some_hash(t));
        check_search(t, t->entries[slot].hash);
        if (i % 500 == 499) {
            for (uint32_t j = 0; j < most; j++)
                if (t->present[j]) check_search(t, t->entries[j].hash);
        }
    }
    memset(t->present, 0, sizeof t->present);
    fb_index_clear(&t->index);
    for (int i = 0; i < 100; i++) check_search(t, some_hash(t));
    t->n = 0;
    put(t, 0);
    check_search(t, t->entries[0].hash);
    stop(t);
}

/* Filled to the last place, then emptied, from either end. */
static void fill_and_drain(bool backwards) {
    static pair_t pair;
    pair_t *t = &pair;
    start(t, 5);
    for (uint32_t i = 0; i < SLOTS; i++) put(t, i);
    CHECK(fb_index_bytes(&t->index) < 22 * SLOTS);
    for (uint32_t i = 0; i < SLOTS; i++) {
        const uint32_t slot = backwards ? SLOTS - 1 - i : i;
        take(t, slot);
        if (i % 16 == 0) check_search(t, t->entries[slot].hash);
        if (i % 16 == 0) check_search(t, t->entries[backwards ? 0 : SLOTS - 1].hash);
    }
    for (uint32_t i = 0; i <= t->index.mask; i++) CHECK(t->index.cells[i] == 0);
    stop(t);
}

/* More than can be numbered is refused, and nothing has changed. */
static void too_many(void) {
    static pair_t pair;
    pair_t *t = &pair;
    start(t, 7);
    put(t, 0);
    const fb_index_t before = t->index;
    CHECK(fb_index_grow(&t->index, t->entries, FB_INDEX_MAX + 1) == FB_OUT_OF_RANGE);
    CHECK(fb_index_reserve(&t->index, t->entries, UINT64_MAX) == FB_OUT_OF_RANGE);
    CHECK(t->index.cells == before.cells && t->index.mask == before.mask && t->index.room == before.room);
    check_search(t, t->entries[0].hash);
    stop(t);
}

int main(void) {
    steps(5, 3000, 1);
    steps(6, 3000, 2);
    steps(100, 6000, 3);
    steps(700, 4000, 4);
    fill_and_drain(false);
    fill_and_drain(true);
    too_many();
    return check_report();
}
