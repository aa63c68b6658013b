#include "cache/timers.h"

#include "check.h"

enum { SLOTS = 200 };

/* The table that tells the truth: which timers are set. When they end is what the entries say. */
typedef struct {
    fb_timers_t timers;
    bool is_set[SLOTS];
    int64_t now, latest; /* latest tick the wheel was turned to */
    uint64_t random;
} pair_t;

static int64_t deadline(const pair_t *t, uint32_t slot) {
    const fb_timers_entry_t *e = &t->timers.entries[slot];
    const int64_t idle = t->timers.idle;
    const bool never = idle == FB_TIMERS_NEVER || (e->accessed > 0 && e->accessed > INT64_MAX - idle);
    return never || e->expires < e->accessed + idle ? e->expires : e->accessed + idle;
}

/* A span of any magnitude. */
static int64_t some_span(pair_t *t) {
    const uint64_t r = next_random(&t->random);
    return (int64_t)(next_random(&t->random) >> (1 + r % 63));
}

static void turn(pair_t *t) {
    bool dead[SLOTS] = {false};
    const int64_t tick = t->now >> FB_TIMERS_TICK_BITS;
    CHECK(fb_timers_behind(&t->timers, t->now) == (tick > t->latest));
    fb_timers_turn(&t->timers, t->now);
    if (tick >= t->latest) t->latest = tick;
    for (uint32_t slot; (slot = fb_timers_due(&t->timers)) != FB_TIMERS_NONE;) {
        CHECK(slot < SLOTS && !dead[slot]);
        dead[slot] = true;
    }
    bool right = true;
    for (uint32_t i = 0; i < SLOTS; i++) {
        const bool due = t->is_set[i] && tick >= t->latest && deadline(t, i) <= t->now;
        right &= dead[i] == due;
        if (dead[i]) t->is_set[i] = false;
    }
    CHECK(right);
}

static void set(pair_t *t, uint32_t slot) {
    fb_timers_entry_t *e = &t->timers.entries[slot];
    fb_timers_cancel(&t->timers, slot);
    e->accessed = e->written = t->now;
    e->expires = fb_timers_after(t->now, next_random(&t->random) % 8 ? some_span(t) : FB_TIMERS_NEVER);
    CHECK(fb_timers_deadline(&t->timers, slot) == deadline(t, slot));
    fb_timers_set(&t->timers, slot);
    t->is_set[slot] = deadline(t, slot) != FB_TIMERS_NEVER;
}

static void steps(int64_t start, int64_t idle, unsigned shift, int n) {
    static pair_t pair;
    pair_t *t = &pair;
    *t = (pair_t){.now = start, .latest = INT64_MIN >> FB_TIMERS_TICK_BITS, .random = (uint64_t)n + shift};
    fb_timers_init(&t->timers, idle);
    for (int i = 0; i < n; i++) {
        const uint64_t r = next_random(&t->random);
        const uint32_t slot = (uint32_t)fb_reduce64(next_random(&t->random), SLOTS);
        if (i % 50 == 0) CHECK(fb_timers_reserve(&t->timers, i / 50 < SLOTS / 2 ? SLOTS / 2 : SLOTS) == FB_OK);
        if (slot >= t->timers.n_slots) continue;
        fb_timers_entry_t *e = &t->timers.entries[slot];
        switch (r % 8) {
        case 0:
        case 1:
        case 2: set(t, slot); break;
        case 3: fb_timers_cancel(&t->timers, slot), t->is_set[slot] = false; break;
        case 4: e->accessed = e->accessed < t->now ? t->now : e->accessed; break;
        case 5: t->now -= t->now > INT64_MIN / 2 ? some_span(t) >> (1 + shift) : 0; break;
        default: t->now += t->now < INT64_MAX / 2 ? some_span(t) >> (1 + shift) : 0; break;
        }
        if (r >> 8 & 1) turn(t);
        if (r >> 9 & 255) continue;
        fb_timers_clear(&t->timers);
        for (uint32_t j = 0; j < t->timers.n_slots; j++) t->timers.entries[j].prev = FB_TIMERS_NONE;
        memset(t->is_set, 0, sizeof t->is_set);
        t->latest = INT64_MIN >> FB_TIMERS_TICK_BITS;
    }
    t->now = INT64_MAX - 1; /* all die */
    turn(t);
    for (uint32_t i = 0; i < SLOTS; i++) CHECK(!t->is_set[i]);
    fb_timers_free(&t->timers);
}

/* One timer for each distance: dead at its deadline, alive one ns before. */
static void exactly(void) {
    for (int64_t now = -(1ll << 62); now != 0; now /= 2)
        for (unsigned shift = 0; shift < 62; shift++) {
            fb_timers_t t;
            fb_timers_init(&t, FB_TIMERS_NEVER);
            CHECK(fb_timers_reserve(&t, 1) == FB_OK);
            fb_timers_turn(&t, now);
            t.entries[0].expires = fb_timers_after(now, 1ll << shift);
            fb_timers_set(&t, 0);
            fb_timers_turn(&t, now + (1ll << shift) - 1);
            CHECK(fb_timers_due(&t) == FB_TIMERS_NONE);
            fb_timers_turn(&t, now + (1ll << shift));
            fb_timers_put_back(&t); /* it is not forgotten, and found again */
            CHECK(fb_timers_due(&t) == FB_TIMERS_NONE && t.entries[0].prev != FB_TIMERS_NONE);
            fb_timers_turn(&t, now + (1ll << shift));
            CHECK(fb_timers_due(&t) == 0 && fb_timers_due(&t) == FB_TIMERS_NONE);
            fb_timers_free(&t);
        }
}

static void ends_of_time(void) {
    CHECK(fb_timers_after(5, FB_TIMERS_NEVER) == FB_TIMERS_NEVER);
    CHECK(fb_timers_after(INT64_MAX - 5, 6) == FB_TIMERS_NEVER);
    CHECK(fb_timers_after(INT64_MAX - 6, 6) == INT64_MAX);
    CHECK(fb_timers_after(INT64_MIN, INT64_MAX - 1) == -2);
}

int main(void) {
    const int64_t second = 1000000000;
    ends_of_time();
    exactly();
    steps(0, FB_TIMERS_NEVER, 0, 60000);
    steps(second, 5 * second, 30, 60000);
    steps(second, 3000000, 40, 60000);
    steps(-(1ll << 61), 3000 * second, 20, 60000);
    steps(1ll << 62, 1ll << 62, 10, 60000);
    return check_report();
}
