#include "cache/cache.h"

#include "check.h"

enum { KEYS = 300, SLOTS = 1024 };

/* The table that tells the truth: what is known of each key. Who is evicted is for test_policy.c. */
typedef struct {
    bool present;
    uint32_t slot;
    uint64_t weight;
    int64_t expires, accessed, written, load;
} known_t;

typedef struct {
    fb_cache_t cache;
    known_t known[KEYS];
    uint32_t key_of[SLOTS]; /* what the caller keeps beside the arena */
    int64_t idle, now;
    uint64_t random, seed;
} pair_t;

/* Two keys in a row have the same hash. */
static uint64_t hash_of(const pair_t *t, uint32_t key) { return fb_cache_hash(key / 2, t->seed); }

static bool alive(const pair_t *t, const known_t *k) {
    return !t->cache.timed || (t->now < k->expires && t->now < fb_timers_after(k->accessed, t->idle));
}

static uint32_t find(const pair_t *t, uint32_t key) {
    const uint64_t h = hash_of(t, key);
    uint32_t at = fb_cache_begin(&t->cache, h), slot;
    while ((slot = fb_cache_next(&t->cache, h, &at)) != FB_CACHE_NONE)
        if (t->key_of[slot] == key) break;
    return slot;
}

static void forget(pair_t *t, uint32_t slot) {
    known_t *k = &t->known[t->key_of[slot]];
    CHECK(k->present && k->slot == slot);
    k->present = false;
}

static void bury(pair_t *t) {
    if (!t->cache.timed) return;
    const bool late = t->now >> FB_TIMERS_TICK_BITS < t->cache.timers.tick;
    fb_timers_turn(&t->cache.timers, t->now);
    for (uint32_t slot; (slot = fb_cache_dead(&t->cache)) != FB_CACHE_NONE; forget(t, slot))
        CHECK(!alive(t, &t->known[t->key_of[slot]]));
    for (uint32_t key = 0; key < KEYS; key++)
        CHECK(late || !t->known[key].present || alive(t, &t->known[key]));
}

static void shrink(pair_t *t, uint32_t keep) {
    for (uint32_t slot; (slot = fb_cache_victim(&t->cache)) != FB_CACHE_NONE; forget(t, slot))
        CHECK(slot != keep);
}

static void write(pair_t *t, uint32_t slot) {
    known_t *k = &t->known[t->key_of[slot]];
    const int64_t life = next_random(&t->random) % 3 ? (int64_t)(next_random(&t->random) >> 30) : FB_CACHE_NEVER;
    k->load = (int64_t)(next_random(&t->random) % 100);
    k->expires = fb_timers_after(t->now, life);
    k->accessed = k->written = t->now;
    if (t->cache.timed) fb_cache_write(&t->cache, slot, t->now, life, k->load);
}

static void request(pair_t *t, uint32_t key, uint64_t weight) {
    known_t *k = &t->known[key];
    uint32_t slot = find(t, key);
    CHECK((slot != FB_CACHE_NONE) == k->present && (!k->present || slot == k->slot));
    if (k->present) CHECK(fb_cache_alive(&t->cache, slot, t->now) == alive(t, k));
    if (k->present && !alive(t, k)) {
        fb_cache_remove(&t->cache, slot);
        forget(t, slot);
    }
    if (k->present) {
        fb_cache_hit(&t->cache, slot, t->now);
        if (k->accessed < t->now) k->accessed = t->now;
        return;
    }
    CHECK(fb_cache_reserve(&t->cache) == FB_OK);
    CHECK(t->cache.policy.n_slots <= SLOTS);
    CHECK(!t->cache.timed || t->cache.timers.n_slots >= t->cache.policy.n_slots);
    uint32_t victim = FB_CACHE_NONE;
    const bool replace = !t->cache.policy.weighted && !t->cache.timed && key % 4 != 0;
    slot = replace ? fb_cache_replace(&t->cache, hash_of(t, key), &victim)
                   : fb_cache_add(&t->cache, hash_of(t, key), weight);
    CHECK(slot != victim);
    if (victim != FB_CACHE_NONE) forget(t, victim);
    t->key_of[slot] = key;
    *k = (known_t){.present = true, .slot = slot, .weight = weight};
    write(t, slot);
    shrink(t, slot);
}

/* As when a cache is copied: other times, the same end. */
static void age(pair_t *t, uint32_t key) {
    known_t *k = &t->known[key];
    if (!k->present || !t->cache.timed) return;
    k->written -= 5;
    k->accessed -= 3;
    fb_cache_age(&t->cache, k->slot, k->accessed, k->written, k->load);
}

static void check(const pair_t *t) {
    uint64_t n = 0, weight = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        const known_t *k = &t->known[key];
        CHECK(find(t, key) == (k->present ? k->slot : FB_CACHE_NONE));
        if (!k->present) continue;
        n++;
        weight += k->weight;
        CHECK(fb_cache_occupied(&t->cache, k->slot));
        if (!t->cache.timed) continue;
        const fb_timers_entry_t *e = &t->cache.timers.entries[k->slot];
        CHECK(e->expires == k->expires && e->accessed == k->accessed);
        CHECK(e->written == k->written && e->load == k->load);
    }
    uint64_t occupied = 0;
    for (uint32_t slot = 0; slot < t->cache.policy.n_slots; slot++)
        occupied += fb_cache_occupied(&t->cache, slot);
    CHECK(n == t->cache.policy.n_entries && n == occupied && weight == t->cache.policy.weight);
    CHECK(weight <= t->cache.policy.maxsize && fb_policy_ok(&t->cache.policy));
    CHECK(fb_cache_bytes(&t->cache) >= 32 + 24 * n);
}

static void keep_time(pair_t *t) {
    const bool was = t->cache.timed;
    CHECK(fb_cache_keep_time(&t->cache, t->now) == FB_OK && t->cache.timed);
    for (uint32_t key = 0; key < KEYS && !was; key++) {
        known_t *k = &t->known[key];
        k->expires = FB_CACHE_NEVER;
        k->accessed = k->written = t->now;
        k->load = 0;
    }
}

static void steps(fb_policy_kind_t kind, uint64_t maxsize, bool weighted, int64_t idle, int n) {
    static pair_t pair;
    pair_t *t = &pair;
    *t = (pair_t){.idle = idle, .now = 1000, .random = maxsize + (uint64_t)kind, .seed = 77};
    CHECK(fb_cache_init(&t->cache, kind, maxsize, weighted, t->seed, idle) == FB_OK && !t->cache.timed);
    for (int i = 0; i < n; i++) {
        const uint64_t r = next_random(&t->random);
        const uint32_t key = (uint32_t)fb_reduce64(next_random(&t->random), KEYS);
        const known_t *k = &t->known[key];
        uint32_t slot;
        if (i == n / 4) keep_time(t);
        switch (r % 32) {
        case 0:
            if (k->present) fb_cache_remove(&t->cache, slot = k->slot), forget(t, slot);
            break;
        case 1:
            slot = fb_cache_pop(&t->cache);
            if (slot != FB_CACHE_NONE) forget(t, slot);
            break;
        case 2:
        case 3: bury(t); break;
        case 4: age(t, key); break;
        case 5: t->now -= (int64_t)(r >> 36); break;
        case 6:
        case 7: t->now += (int64_t)(r >> 32); break;
        case 8:
            if (r >> 8 & 15) break;
            fb_cache_clear(&t->cache);
            memset(t->known, 0, sizeof t->known);
            break;
        default: request(t, key, weighted ? fb_reduce64(next_random(&t->random), maxsize / 9 + 2) : 1);
        }
        if (i % 16 == 0) check(t);
    }
    while (fb_cache_pop(&t->cache) != FB_CACHE_NONE) continue;
    CHECK(t->cache.policy.n_entries == 0);
    fb_cache_free(&t->cache);
}

/* Python's hashes of small ints are those ints: what the cache makes of them is far apart. */
static void hashes(void) {
    uint32_t high[256] = {0}, low[256] = {0};
    for (uint64_t i = 0; i < 65536; i++) {
        const uint64_t h = fb_cache_hash(i, 3);
        high[h >> 56]++;
        low[h & 255]++;
    }
    for (int i = 0; i < 256; i++) CHECK(high[i] > 150 && high[i] < 370 && low[i] > 150 && low[i] < 370);
    CHECK(fb_cache_hash(1, 0) != fb_cache_hash(1, 1) && fb_cache_hash(0, 0) == 0);
}

int main(void) {
    hashes();
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) {
        const fb_policy_kind_t k = (fb_policy_kind_t)kind;
        steps(k, 1, false, FB_CACHE_NEVER, 2000);
        steps(k, 20, false, 1000000000, 4000);
        steps(k, 120, false, 3000000000, 6000);
        steps(k, 1000, true, FB_CACHE_NEVER, 6000);
        steps(k, 50, true, 5000000, 4000);
    }
    return check_report();
}
