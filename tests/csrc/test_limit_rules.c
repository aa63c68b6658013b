#include "limit/rules.h"

#include "check.h"

#define S INT64_C(1000000000)

/* By long division, a bit at a time. */
static uint64_t slow_div(uint64_t hi, uint64_t lo, uint64_t d) {
    uint64_t q = 0;
    for (int i = 0; i < 64; i++) {
        const bool carry = hi >> 63;
        hi = hi << 1 | lo >> 63;
        lo <<= 1;
        q <<= 1;
        if (carry || hi >= d) {
            hi -= d;
            q |= 1;
        }
    }
    return q;
}

static void division_of_128_bits(void) {
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        const uint64_t d = (next_random(&random) >> (i % 64)) | 1;
        const uint64_t q = next_random(&random) >> (i / 64 % 64), rest = next_random(&random) % d;
        uint64_t hi, lo = fb_mul128(q, d, &hi);
        lo += rest;
        hi += lo < rest;
        CHECK(fb_div128(hi, lo, d) == q);
        CHECK(slow_div(hi, lo, d) == q);
    }
    CHECK(fb_div128(0, 0, 1) == 0);
    CHECK(fb_div128(0, UINT64_MAX, 1) == UINT64_MAX);
    CHECK(fb_div128(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void bounds(void) {
    static const uint64_t max = FB_LIMIT_MAX_COUNT, ns = (uint64_t)FB_LIMIT_MAX_NS;
    fb_limit_rule_t r;
    for (int k = FB_LIMIT_FIXED; k <= FB_LIMIT_LOG; k++) {
        const fb_limit_kind_t kind = (fb_limit_kind_t)k;
        const uint64_t most = kind == FB_LIMIT_LOG ? FB_LIMIT_MAX_LOG : max;
        CHECK(fb_limit_rule(&r, kind, most, most, ns));
        CHECK(fb_limit_rule(&r, kind, 1, 1, 1));
        CHECK(!fb_limit_rule(&r, kind, most + 1, most + 1, 1));
        CHECK(!fb_limit_rule(&r, kind, 0, 0, 1));
        CHECK(!fb_limit_rule(&r, kind, 0, 1, 1));
        CHECK(!fb_limit_rule(&r, kind, 1, 0, 1));
        CHECK(!fb_limit_rule(&r, kind, 1, 1, 0));
        CHECK(!fb_limit_rule(&r, kind, 1, 1, ns + 1));
        CHECK(!fb_limit_rule(&r, kind, UINT64_MAX, UINT64_MAX, UINT64_MAX));
        CHECK(fb_limit_rule(&r, kind, 2, 3, 5) == (kind == FB_LIMIT_BUCKET));
    }
    CHECK(!fb_limit_rule(&r, FB_LIMIT_BUCKET, 2, 1, ns)); /* too long until it is whole */
    CHECK(fb_limit_rule(&r, FB_LIMIT_BUCKET, max, max, ns));
    CHECK(r.whole_ns == ns && r.whole_part == 0);
}

/* One key under rules. */
typedef struct {
    fb_limit_rules_t rules;
    fb_limit_state_t states[FB_LIMIT_RULES_MAX];
    bool known;
} key_t_;

static void make(key_t_ *key, fb_limit_kind_t kind, uint64_t limit, uint64_t count, uint64_t period) {
    memset(key, 0, sizeof *key);
    key->rules.kind = kind;
    key->rules.n = 1;
    CHECK(fb_limit_rule(&key->rules.rule[0], kind, limit, count, period));
    if (kind == FB_LIMIT_LOG) {
        key->states[0].log.stamps = exact_alloc(limit * sizeof(int64_t));
        key->states[0].log.room = (uint32_t)limit;
    }
}

static void drop(key_t_ *key) {
    if (key->rules.kind == FB_LIMIT_LOG) free(key->states[0].log.stamps);
}

static const fb_limit_state_t *states_of(const key_t_ *key) {
    return key->known ? key->states : NULL;
}

static fb_limit_verdict_t ask(const key_t_ *key, int64_t now, uint64_t cost) {
    const bool fits = fb_limit_fits(&key->rules, states_of(key), now, cost);
    return fb_limit_tell(&key->rules, states_of(key), now, cost, fits, false);
}

static bool call(key_t_ *key, int64_t now, uint64_t cost) {
    if (!fb_limit_fits(&key->rules, states_of(key), now, cost)) return false;
    fb_limit_spend(&key->rules, key->states, !key->known, now, cost);
    key->known = true;
    CHECK(fb_limit_state_ok(&key->rules, 0, &key->states[0]));
    return true;
}

/* Whatever the numbers and however the clock jumps: waits are exact, nothing overflows. */
static void waits(fb_limit_kind_t kind, uint64_t limit, uint64_t count, uint64_t period, int64_t now) {
    key_t_ key;
    uint64_t random = limit ^ period;
    make(&key, kind, limit, count, period);
    for (int i = 0; i < 400; i++) {
        const uint64_t r = next_random(&random);
        if (now < INT64_C(8900000000000000000)) now += (int64_t)(r % (2 * period / 3 + 2)) * (i % 3 > 0);
        if (i % 50 == 49) now -= (int64_t)(next_random(&random) % (2 * period));
        const uint64_t most = limit < 10 ? limit + 1 : limit;
        const uint64_t cost = i % 7 == 6 ? limit : 1 + next_random(&random) % most;
        const fb_limit_verdict_t v = ask(&key, now, cost);
        CHECK(v.limit == limit && v.remaining <= limit && v.reset >= 0);
        CHECK(v.allowed == (v.retry == 0) && v.allowed == (cost <= v.remaining));
        if (cost > limit) CHECK(v.retry == FB_LIMIT_NEVER);
        if (v.retry > 0) { /* also while the clock is behind */
            CHECK(!ask(&key, now + v.retry - 1, cost).allowed);
            CHECK(ask(&key, now + v.retry, cost).allowed);
            CHECK(ask(&key, now + v.reset, 1).reset == 0);
            CHECK(ask(&key, now + v.reset - 1, 1).reset == 1);
        }
        CHECK(!key.known || fb_limit_whole(&key.rules, key.states, now) == (v.reset == 0));
        if (key.known) CHECK(fb_limit_whole(&key.rules, key.states, now + v.reset));
        if (v.reset > 0) CHECK(!fb_limit_whole(&key.rules, key.states, now + v.reset - 1));
        CHECK(call(&key, now, cost) == v.allowed);
    }
    drop(&key);
}

static void all_waits(void) {
    static const uint64_t limits[] = {1, 2, 7, 1000, FB_LIMIT_MAX_COUNT};
    static const uint64_t periods[] = {1, 7, 1000, 1000000007, (uint64_t)FB_LIMIT_MAX_NS};
    static const int64_t starts[] = {0, -8500000000 * S, 8500000000 * S};
    for (int k = FB_LIMIT_FIXED; k <= FB_LIMIT_LOG; k++)
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 5; j++)
                for (size_t s = 0; s < 3; s++) {
                    if (k == FB_LIMIT_LOG && limits[i] > FB_LIMIT_MAX_LOG) continue;
                    waits((fb_limit_kind_t)k, limits[i], limits[i], periods[j], starts[s]);
                }
    waits(FB_LIMIT_BUCKET, 5, 3, 7 * (uint64_t)S, 0);
    waits(FB_LIMIT_BUCKET, 1, FB_LIMIT_MAX_COUNT, 1, 0);
    waits(FB_LIMIT_BUCKET, FB_LIMIT_MAX_COUNT, FB_LIMIT_MAX_COUNT - 4, 999999937, 0);
}

/* Five in seven seconds, for long: exactly. */
static void buckets_do_not_drift(void) {
    key_t_ key;
    int64_t now = 0;
    make(&key, FB_LIMIT_BUCKET, 1, 5, 7 * (uint64_t)S);
    for (int i = 0; i < 500000; i++) {
        CHECK(call(&key, now, 1));
        now += ask(&key, now, 1).retry;
    }
    CHECK(now == 700000 * S);
}

/* Rings that wrap, move and are cut. */
static void rings(void) {
    key_t_ key;
    make(&key, FB_LIMIT_LOG, 5, 5, 10);
    for (int64_t now = 0; now < 1000; now += 1 + now % 4) {
        call(&key, now, 1 + (uint64_t)now % 3);
        fb_limit_log_t *log = &key.states[0].log;
        CHECK(log->used <= 5 && log->head < 5);
        int64_t *stamps = exact_alloc(log->used * sizeof(int64_t));
        fb_limit_log_t flat = {stamps, log->used, 9, 9};
        fb_limit_log_move(log, &flat);
        CHECK(flat.head == 0 && flat.used == log->used);
        for (uint32_t i = 1; i < flat.used; i++) CHECK(stamps[i - 1] <= stamps[i]);
        free(stamps);
    }
    CHECK(fb_limit_log_needs(&key.rules.rule[0], NULL, 0, 4) == 4);
    drop(&key);
}

static void impossible_states(void) {
    key_t_ key;
    fb_limit_state_t state;
    for (int k = FB_LIMIT_FIXED; k <= FB_LIMIT_BUCKET; k++) {
        make(&key, (fb_limit_kind_t)k, 5, 5, 10);
        memset(&state, 0xff, sizeof state);
        CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    }
    /* Times at which nobody can have called. */
    for (int k = FB_LIMIT_FIXED; k <= FB_LIMIT_COUNTER; k++) {
        const int64_t last = FB_LIMIT_MAX_TIME / 10 + 1;
        make(&key, (fb_limit_kind_t)k, 5, 5, 10);
        for (int64_t w = -last - 1; w <= last + 1; w += w == -last + 1 ? 2 * last - 2 : 1) {
            state.window.window = w;
            state.window.before = 0;
            state.window.used = 1;
            CHECK(fb_limit_state_ok(&key.rules, 0, &state) == (-last <= w && w <= last));
        }
    }
    make(&key, FB_LIMIT_BUCKET, 5, 5, 10);
    state.bucket.part = 0;
    state.bucket.ns = FB_LIMIT_MAX_TIME + FB_LIMIT_MAX_NS;
    CHECK(fb_limit_state_ok(&key.rules, 0, &state));
    state.bucket.ns++;
    CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    state.bucket.ns = -FB_LIMIT_MAX_TIME - 1;
    CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    memset(&state, 0, sizeof state);
    make(&key, FB_LIMIT_FIXED, 5, 5, 10);
    CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    int64_t stamps[6] = {1, 2, 2, 3, 1, 9};
    make(&key, FB_LIMIT_LOG, 5, 5, 10);
    for (uint32_t used = 0; used < 7; used++) {
        state.log = (fb_limit_log_t){stamps, 6, 0, used};
        CHECK(fb_limit_state_ok(&key.rules, 0, &state) == (used >= 1 && used <= 4));
    }
    stamps[0] = -FB_LIMIT_MAX_TIME - 1;
    state.log = (fb_limit_log_t){stamps, 6, 0, 1};
    CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    stamps[0] = FB_LIMIT_MAX_TIME + 1;
    CHECK(!fb_limit_state_ok(&key.rules, 0, &state));
    drop(&key);
}

int main(void) {
    division_of_128_bits();
    bounds();
    all_waits();
    buckets_do_not_drift();
    rings();
    impossible_states();
    return check_report();
}
