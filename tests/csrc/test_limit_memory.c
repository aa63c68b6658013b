#include "limit/memory.h"

#include "check.h"

#define S INT64_C(1000000000)

static fb_limit_rules_t rules_of(fb_limit_kind_t kind, unsigned n) {
    fb_limit_rules_t rules = {kind, n, {{0}}};
    for (unsigned i = 0; i < n; i++)
        CHECK(fb_limit_rule(&rules.rule[i], kind, 3 + 2 * i, 3 + 2 * i, (uint64_t)(10 * S) << i));
    return rules;
}

/* Every entry is found where it is, and nothing else. */
static void check_whole(const fb_limit_memory_t *m, const uint64_t *keys, size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++) found += fb_limit_memory_find(m, keys[i]) != FB_LIMIT_NONE;
    CHECK(found == m->n && m->n <= m->max_keys);
}

static fb_limit_memory_t reloaded(const fb_limit_memory_t *m) {
    const size_t bytes = fb_limit_memory_gathered(m);
    uint64_t *data = exact_alloc(bytes), *again = exact_alloc(bytes);
    fb_limit_memory_t copy;
    fb_limit_memory_gather(m, data);
    CHECK(fb_limit_memory_init(&copy, &m->rules, m->max_keys));
    CHECK(fb_limit_memory_load(&copy, data, bytes) == FB_OK);
    CHECK(fb_limit_memory_gathered(&copy) == bytes);
    fb_limit_memory_gather(&copy, again);
    CHECK(memcmp(data, again, bytes) == 0);
    free(data);
    free(again);
    return copy;
}

/* Keys that collide in the index, or half of whose hash is equal; calls of every kind. */
static void calls(fb_limit_kind_t kind, unsigned n_rules, uint64_t max_keys) {
    enum { KEYS = 300 };
    uint64_t keys[KEYS], random = max_keys;
    const fb_limit_rules_t rules = rules_of(kind, n_rules);
    fb_limit_memory_t m;
    CHECK(fb_limit_memory_init(&m, &rules, max_keys));
    for (uint64_t i = 0; i < KEYS; i++)
        keys[i] = i % 3 == 0 ? i << 32 | 8 : i % 3 == 1 ? i : UINT64_MAX - i;
    int64_t now = 0;
    for (int i = 0; i < 8000; i++) {
        const uint64_t r = next_random(&random), h = keys[r % KEYS];
        if (r >> 32 & 1) now += (int64_t)(r >> 40) * 8;
        if (r % 997 == 0) now -= 5 * S;
        if (r % 61 == 0) fb_limit_memory_forget(&m, h);
        fb_limit_verdict_t v, w;
        const uint64_t cost = 1 + (r >> 33) % 4;
        const bool limited = fb_limit_memory_call(&m, h, now, 1, false, &v) == FB_LIMIT_DENIED;
        CHECK(limited == !v.allowed);
        const fb_limit_outcome_t outcome = fb_limit_memory_call(&m, h, now, cost, true, &w);
        CHECK(outcome != FB_LIMIT_NO_MEMORY);
        if (limited) CHECK(outcome == FB_LIMIT_DENIED);
        if (outcome == FB_LIMIT_ALLOWED) CHECK(w.remaining <= v.limit && w.retry == 0);
        if (outcome == FB_LIMIT_NO_ROOM) CHECK(m.n == max_keys && now < m.closed_until);
        if (i % 500 == 0) {
            check_whole(&m, keys, KEYS);
            fb_limit_memory_t copy = reloaded(&m);
            fb_limit_memory_drop(&m);
            m = copy;
        }
    }
    const size_t bytes = fb_limit_memory_bytes(&m);
    CHECK(bytes > 0);
    while (m.n > 0) fb_limit_memory_forget(&m, keys[next_random(&random) % KEYS]);
    CHECK(m.log_bytes == 0 && fb_limit_memory_bytes(&m) <= bytes);
    fb_limit_memory_drop(&m);
}

static void hostile(fb_limit_kind_t kind) {
    const fb_limit_rules_t rules = rules_of(kind, 2);
    fb_limit_memory_t m, bad;
    CHECK(fb_limit_memory_init(&m, &rules, 20));
    for (uint64_t h = 0; h < 10; h++) fb_limit_memory_call(&m, h << 60 | h, 5, 1 + h % 3, true, NULL);
    const size_t bytes = fb_limit_memory_gathered(&m);
    uint64_t *data = exact_alloc(bytes);
    fb_limit_memory_gather(&m, data);
    for (size_t n = 0; n < bytes; n++) { /* every truncation */
        uint8_t *part = exact_copy(data, n);
        CHECK(fb_limit_memory_init(&bad, &rules, 20));
        CHECK(fb_limit_memory_load(&bad, part, n) != FB_OK);
        fb_limit_memory_drop(&bad);
        free(part);
    }
    uint64_t random = 5;
    for (int i = 0; i < 5000; i++) { /* words that are anything */
        const size_t at = next_random(&random) % (bytes / 8);
        const uint64_t before = data[at];
        data[at] = next_random(&random) >> next_random(&random) % 64;
        CHECK(fb_limit_memory_init(&bad, &rules, 20));
        if (fb_limit_memory_load(&bad, data, bytes) == FB_OK)
            for (uint64_t h = 0; h < 30; h++)
                fb_limit_memory_call(&bad, h << 60 | h, (int64_t)h * S, 2, true, NULL);
        fb_limit_memory_drop(&bad);
        data[at] = before;
    }
    free(data);
    fb_limit_memory_drop(&m);
}

static void batches(void) {
    enum { N = 2000 };
    const fb_limit_rules_t rules = rules_of(FB_LIMIT_LOG, 1);
    fb_limit_memory_t one, many;
    fb_limit_denied_t *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    CHECK(fb_limit_memory_init(&one, &rules, 100) && fb_limit_memory_init(&many, &rules, 100));
    uint64_t *hashes = exact_alloc(N * sizeof *hashes), *costs = exact_alloc(N * sizeof *costs);
    bool *out = exact_alloc(N);
    uint64_t random = 3;
    for (size_t i = 0; i < N; i++) {
        hashes[i] = next_random(&random) % 150 * 0x9E3779B97F4A7C15ull;
        costs[i] = 1 + i % 4;
    }
    const fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = N, .data = hashes};
    const fb_keys_cursor_t cursor = {&part, 1, 0, 0};
    fb_limit_outcome_t failure = FB_LIMIT_ALLOWED;
    CHECK(fb_limit_memory_call_keys(&many, cursor, 0, 9, costs, 0, true, false, out, &failure) == N);
    size_t latest[FB_LIMIT_DENIED_KEYS];
    for (size_t i = 0; i < N; i++) {
        const fb_limit_outcome_t o = fb_limit_memory_call(&one, hashes[i], 9, costs[i], true, NULL);
        CHECK(out[i] == (o == FB_LIMIT_ALLOWED || o == FB_LIMIT_NO_ROOM));
        bool is_new;
        if (!out[i]) fb_limit_denied_note(a, hashes[i], &is_new);
    }
    fb_limit_denied_note_keys(b, cursor, 0, out, latest);
    CHECK(memcmp(a, b, sizeof *a) == 0);
    for (size_t way = 0; way < FB_LIMIT_DENIED_KEYS; way++) {
        CHECK((latest[way] == FB_LIMIT_NONE) == (b->count[way] == 0));
        if (latest[way] != FB_LIMIT_NONE) CHECK(hashes[latest[way]] == b->hash[way]);
    }
    /* One that must stop when it is full. */
    fb_limit_memory_drop(&many);
    CHECK(fb_limit_memory_init(&many, &rules, 2));
    CHECK(fb_limit_memory_call_keys(&many, cursor, 0, 9, NULL, 3, true, true, out, &failure) < N);
    CHECK(failure == FB_LIMIT_NO_ROOM && many.n == 2);
    free(a);
    free(b);
    free(hashes);
    free(costs);
    free(out);
    fb_limit_memory_drop(&one);
    fb_limit_memory_drop(&many);
}

static void sizes(void) {
    const fb_limit_rules_t rules = rules_of(FB_LIMIT_FIXED, 1);
    fb_limit_memory_t m;
    CHECK(!fb_limit_memory_init(&m, &rules, 0));
    CHECK(!fb_limit_memory_init(&m, &rules, (uint64_t)FB_LIMIT_MAX_KEYS + 1));
    CHECK(fb_limit_memory_init(&m, &rules, FB_LIMIT_MAX_KEYS));
    CHECK(fb_limit_memory_bytes(&m) == 0 && fb_limit_memory_find(&m, 0) == FB_LIMIT_NONE);
    fb_limit_memory_forget(&m, 5);
    fb_limit_memory_drop(&m);
}

int main(void) {
    static const uint64_t sizes_[] = {1, 2, 3, 24, 25, 100, 1000};
    for (int kind = FB_LIMIT_FIXED; kind <= FB_LIMIT_LOG; kind++) {
        for (size_t i = 0; i < sizeof sizes_ / sizeof *sizes_; i++)
            for (unsigned n = 1; n <= FB_LIMIT_RULES_MAX; n += 7) calls((fb_limit_kind_t)kind, n, sizes_[i]);
        hostile((fb_limit_kind_t)kind);
    }
    batches();
    sizes();
    return check_report();
}
