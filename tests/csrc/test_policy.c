#include "cache/policy.h"

#include "cache/simulate.h"
#include "cache/tinylfu.h"
#include "check.h"

/* ---- the policies in plain arrays: what the real ones must do, step by step --------------------- */

enum { MOST = 700, SHADOWS = FB_TINYLFU_CHOICES };

typedef struct {
    uint64_t hash, weight;
    uint32_t key, mark, time, seen; /* mark: number of requests counted, of W-TinyLFU or a queue */
} item_t;

typedef struct {
    item_t items[MOST]; /* newest first */
    size_t n;
} order_t;

typedef struct naive {
    fb_policy_kind_t kind;
    bool weighted;
    uint64_t maxsize, seed, random, last; /* last: key + 1 */
    order_t lists[FB_LISTS];
    /* W-TinyLFU */
    fb_frequency_t *sketch;
    uint32_t time, choice;
    struct naive *shadows; /* SHADOWS of them, or NULL */
    uint64_t scale, size, hits[SHADOWS], score[SHADOWS], requests;
    /* SIEVE: key + 1 of the entry the hand is at */
    uint64_t hand;
    /* S3-FIFO: all that were ever made, 0 for those taken or crowded out */
    uint64_t ghosts[20000];
    size_t n_ghosts;
    uint64_t n_most; /* entries at a time */
} naive_t;

static uint64_t weight_of(const order_t *o) {
    uint64_t sum = 0;
    for (size_t i = 0; i < o->n; i++) sum += o->items[i].weight;
    return sum;
}

static uint64_t weight(const naive_t *t) {
    return weight_of(&t->lists[0]) + weight_of(&t->lists[1]) + weight_of(&t->lists[2]);
}

static size_t count(const naive_t *t) { return t->lists[0].n + t->lists[1].n + t->lists[2].n; }

static void push(order_t *o, item_t item) {
    if (o->n == MOST) abort();
    memmove(o->items + 1, o->items, o->n++ * sizeof item);
    o->items[0] = item;
}

static item_t take(order_t *o, size_t i) {
    const item_t item = o->items[i];
    memmove(o->items + i, o->items + i + 1, (--o->n - i) * sizeof item);
    return item;
}

/* Index of the oldest that is not the last entered, or -1. */
static long oldest(const naive_t *t, int list) {
    const order_t *o = &t->lists[list];
    for (size_t i = o->n; i-- > 0;)
        if (o->items[i].key + 1ull != t->last) return (long)i;
    return -1;
}

static bool find(const naive_t *t, uint32_t key, int *list, size_t *i) {
    for (*list = 0; *list < FB_LISTS; ++*list)
        for (*i = 0; *i < t->lists[*list].n; ++*i)
            if (t->lists[*list].items[*i].key == key) return true;
    return false;
}

static uint64_t window_max(const naive_t *t) {
    const uint64_t share = t->maxsize * fb_tinylfu_choices[t->choice].window / 100;
    return share == 0 ? 1 : share;
}

static uint64_t protected_max(const naive_t *t) {
    return t->maxsize - window_max(t) - (t->maxsize - window_max(t)) / 4;
}

static void spill(naive_t *t, int list, uint64_t bound) {
    for (int i = 0; i < 8 && weight_of(&t->lists[list]) > bound; i++)
        push(&t->lists[1], take(&t->lists[list], t->lists[list].n - 1));
}

static void tinylfu_enter(naive_t *t, item_t item) {
    spill(t, FB_LIST_WINDOW, window_max(t));
    spill(t, FB_LIST_PROTECTED, protected_max(t));
    item.time = item.seen = t->time++;
    push(&t->lists[FB_LIST_WINDOW], item);
    t->last = item.key + 1ull;
}

static void tinylfu_touch(naive_t *t, int list, size_t i) {
    const item_t item = take(&t->lists[list], i);
    push(&t->lists[list == FB_LIST_PROBATION ? FB_LIST_PROTECTED : list], item);
    if (list == FB_LIST_PROBATION) spill(t, FB_LIST_PROTECTED, protected_max(t));
}

static item_t tinylfu_evict(naive_t *t) {
    const long c = oldest(t, FB_LIST_WINDOW);
    int list = oldest(t, FB_LIST_PROBATION) >= 0 ? FB_LIST_PROBATION : FB_LIST_PROTECTED;
    if (oldest(t, list) < 0) return take(&t->lists[FB_LIST_WINDOW], (size_t)c);
    const item_t victim = t->lists[list].items[oldest(t, list)];
    if (c >= 0 && weight_of(&t->lists[FB_LIST_WINDOW]) > window_max(t)) {
        const item_t candidate = take(&t->lists[FB_LIST_WINDOW], (size_t)c);
        bool wins = (int)candidate.mark > (int)victim.mark + fb_tinylfu_choices[t->choice].lead;
        if (!wins && candidate.mark > 5) {
            t->random = t->random * 6364136223846793005u + 1442695040888963407u;
            wins = t->random >> 57 == 0;
        }
        if (!wins) return candidate;
        take(&t->lists[list], (size_t)oldest(t, list));
        push(&t->lists[FB_LIST_PROBATION], candidate);
        return victim;
    }
    return take(&t->lists[list], (size_t)oldest(t, list));
}

static void forget_shadows(naive_t *t) {
    free(t->shadows);
    t->shadows = NULL;
}

static void make_shadows(naive_t *t) {
    const uint64_t n = count(t), w = weight(t);
    if (t->shadows != NULL && t->weighted &&
        (n > 2 * t->scale || (n < t->scale / 4 && w >= t->maxsize / 2)))
        forget_shadows(t);
    if (t->shadows != NULL || n == 0 || w < t->maxsize / 8) return;
    t->scale = !t->weighted ? t->maxsize : w == 0 ? n : t->maxsize / w * n;
    t->size = t->scale / 32 < 48 ? 48 : t->scale / 32 > 192 ? 192 : t->scale / 32;
    if (t->size > t->scale) t->size = t->scale;
    t->shadows = calloc(SHADOWS, sizeof *t->shadows);
    for (uint32_t i = 0; i < SHADOWS; i++) {
        t->shadows[i].maxsize = t->size;
        t->shadows[i].random = t->seed;
        t->shadows[i].choice = i;
    }
    memset(t->hits, 0, sizeof t->hits);
    memset(t->score, 0, sizeof t->score);
    t->requests = 0;
}

static void show_shadows(naive_t *t, uint32_t key, uint64_t hash, uint32_t mark) {
    int list;
    size_t at;
    if (t->shadows == NULL || hash * 0x9E3779B97F4A7C15ull >= UINT64_MAX / t->scale * t->size) return;
    for (int i = 0; i < SHADOWS; i++) {
        naive_t *s = &t->shadows[i];
        if (find(s, key, &list, &at)) {
            t->hits[i]++;
            s->lists[list].items[at].mark = mark;
            tinylfu_touch(s, list, at);
        } else {
            tinylfu_enter(s, (item_t){hash, 1, key, mark, 0, 0});
            if (count(s) > s->maxsize) (void)tinylfu_evict(s);
        }
    }
    if (++t->requests < 128) return;
    uint32_t best = 0;
    for (uint32_t i = 0; i < SHADOWS; i++) {
        t->score[i] += t->hits[i] * 1024 - t->score[i] / 32;
        t->hits[i] = 0;
        if (t->score[i] > t->score[best]) best = i;
    }
    if (t->score[best] > t->score[t->choice] + t->score[t->choice] / 128 + 4 * 1024) t->choice = best;
    t->requests = 0;
}

static void halve(naive_t *t) {
    for (int list = 0; list < FB_LISTS; list++)
        for (size_t i = 0; i < t->lists[list].n; i++) t->lists[list].items[i].mark /= 2;
}

/* A request was counted. */
static void counted(naive_t *t) {
    const uint64_t records = fb_frequency_records(t->sketch) + 1;
    if (records < t->sketch->sample_size) {
        fb_frequency_set_records(t->sketch, records);
        return;
    }
    fb_frequency_age_at(t->sketch, records);
    halve(t);
    for (int i = 0; t->shadows != NULL && i < SHADOWS; i++) halve(&t->shadows[i]);
}

static uint64_t bucket_of(const naive_t *t, uint64_t hash) {
    unsigned log = 0;
    while (8ull << log < t->n_most) log++;
    return log == 0 ? 0 : hash >> (64 - log);
}

/* A bucket holds eight, all different. */
static void add_ghost(naive_t *t, uint64_t hash) {
    size_t n = 0, first = 0;
    for (size_t i = 0; i < t->n_ghosts; i++)
        if (t->ghosts[i] == hash) t->ghosts[i] = 0;
    for (size_t i = t->n_ghosts; i-- > 0;)
        if (t->ghosts[i] != 0 && bucket_of(t, t->ghosts[i]) == bucket_of(t, hash)) {
            n++;
            first = i;
            if (n == 8) break;
        }
    if (n == 8) t->ghosts[first] = 0;
    t->ghosts[t->n_ghosts++] = hash;
}

/* Index of the oldest, or -1; the last entered becomes the newest first. */
static long s3_fifo_oldest(naive_t *t, order_t *o) {
    if (o->n > 0 && o->items[o->n - 1].key + 1ull == t->last) push(o, take(o, o->n - 1));
    return o->n > 0 && o->items[o->n - 1].key + 1ull == t->last ? -1 : (long)o->n - 1;
}

static item_t s3_fifo_evict(naive_t *t) {
    order_t *small = &t->lists[FB_LIST_SMALL], *main = &t->lists[FB_LIST_MAIN];
    for (;;) {
        const long s = s3_fifo_oldest(t, small), m = s3_fifo_oldest(t, main);
        const uint64_t bound = t->maxsize < 10 ? 1 : t->maxsize / 10;
        if (s >= 0 && (m < 0 || weight_of(small) > bound)) {
            item_t item = take(small, (size_t)s);
            if (item.mark < 2) {
                add_ghost(t, item.hash);
                return item;
            }
            item.mark = 0;
            push(main, item);
        } else {
            item_t item = take(main, (size_t)m);
            if (item.mark == 0) return item;
            item.mark--;
            push(main, item);
        }
    }
}

static bool take_ghost(naive_t *t, uint64_t hash) {
    const size_t n = count(t) + 1, limit = n - n / 10;
    for (size_t i = t->n_ghosts; i-- > 0 && t->n_ghosts - i <= limit;)
        if (t->ghosts[i] == hash) {
            t->ghosts[i] = 0;
            return true;
        }
    return false;
}

static item_t sieve_evict(naive_t *t) {
    order_t *o = &t->lists[0];
    size_t i = o->n - 1;
    for (size_t j = 0; j < o->n; j++)
        if (o->items[j].key + 1ull == t->hand) i = j;
    while (o->items[i].mark || o->items[i].key + 1ull == t->last) {
        o->items[i].mark = 0;
        i = i == 0 ? o->n - 1 : i - 1;
    }
    size_t next = i == 0 ? o->n - 1 : i - 1;
    if (o->items[next].key + 1ull == t->last) {
        o->items[next].mark = 0;
        next = next == 0 ? o->n - 1 : next - 1;
    }
    t->hand = next == i ? 0 : o->items[next].key + 1ull;
    return take(o, i);
}

static item_t naive_evict(naive_t *t) {
    switch (t->kind) {
    case FB_POLICY_W_TINYLFU: return tinylfu_evict(t);
    case FB_POLICY_S3_FIFO: return s3_fifo_evict(t);
    case FB_POLICY_SIEVE: return sieve_evict(t);
    case FB_POLICY_LRU: break;
    }
    return take(&t->lists[0], (size_t)oldest(t, 0));
}

static void naive_hit(naive_t *t, uint32_t key) {
    int list;
    size_t i;
    if (!find(t, key, &list, &i)) abort();
    item_t *item = &t->lists[list].items[i];
    const uint64_t hash = item->hash;
    switch (t->kind) {
    case FB_POLICY_W_TINYLFU:
        if (t->time - item->seen <= count(t) / 64) return;
        item->seen = t->time;
        if (t->time - item->time > count(t) / 4) {
            item->time = t->time;
            if (item->mark < 15) {
                item->mark++;
                counted(t);
            }
        }
        const uint32_t mark = item->mark;
        tinylfu_touch(t, list, i);
        show_shadows(t, key, hash, mark);
        return;
    case FB_POLICY_LRU: push(&t->lists[0], take(&t->lists[0], i)); return;
    case FB_POLICY_S3_FIFO: item->mark += item->mark < 3; return;
    case FB_POLICY_SIEVE: item->mark = 1; return;
    }
}

static void naive_enter(naive_t *t, uint32_t key, uint64_t hash, uint64_t w) {
    item_t item = {hash, w, key, 0, 0, 0};
    if (t->kind == FB_POLICY_W_TINYLFU) {
        const uint32_t before = fb_frequency_estimate(t->sketch, hash);
        item.mark = before < 15 ? before + 1 : 15;
        fb_frequency_lift(t->sketch, hash, item.mark);
        tinylfu_enter(t, item);
        if (before < 15) counted(t);
        show_shadows(t, key, hash, t->lists[FB_LIST_WINDOW].items[0].mark);
    } else {
        push(&t->lists[t->kind == FB_POLICY_S3_FIFO && take_ghost(t, hash)], item);
    }
    t->last = key + 1ull;
}

/* ---- both side by side ------------------------------------------------------------------------- */

enum { KEYS = 3000 };

static bool chosen[SHADOWS]; /* what the shadows have chosen in all runs */

typedef struct {
    fb_policy_t policy;
    naive_t *naive;
    uint32_t slot_of[KEYS], key_of[KEYS];
    uint64_t random;
} pair_t;

/* The naive sketch is the same size as the real one, which has doubled: its own copy of the bits. */
static void copy_sketch(pair_t *t) {
    fb_frequency_t *s = t->naive->sketch;
    const uint64_t capacity = t->policy.sketch.n_blocks * 8;
    free(s->words);
    void *memory = aligned_alloc(64, fb_frequency_bytes(capacity));
    if (memory == NULL) abort();
    memcpy(memory, t->policy.sketch.words, fb_frequency_bytes(capacity));
    fb_frequency_init(s, capacity, memory);
}

static void start(pair_t *t, fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint64_t seed) {
    memset(t->slot_of, 0xff, sizeof t->slot_of);
    t->random = seed;
    CHECK(fb_policy_init(&t->policy, kind, maxsize, weighted, seed) == FB_OK);
    t->naive = calloc(1, sizeof *t->naive);
    *t->naive = (naive_t){.kind = kind, .weighted = weighted, .maxsize = maxsize, .seed = seed};
    t->naive->random = seed;
    t->naive->choice = FB_TINYLFU_FIRST_CHOICE;
    t->naive->sketch = calloc(1, sizeof(fb_frequency_t));
    if (kind == FB_POLICY_W_TINYLFU) copy_sketch(t);
}

static void stop(pair_t *t) {
    CHECK(fb_policy_ok(&t->policy));
    fb_policy_free(&t->policy);
    forget_shadows(t->naive);
    free(t->naive->sketch->words);
    free(t->naive->sketch);
    free(t->naive);
}

/* What the naive one remembers of an entry that leaves. */
static void remember(naive_t *t, item_t item) {
    if (t->kind == FB_POLICY_W_TINYLFU) fb_frequency_lift(t->sketch, item.hash, item.mark);
}

static void check_gone(pair_t *t, uint32_t slot) {
    const item_t expected = naive_evict(t->naive);
    remember(t->naive, expected);
    const fb_policy_entry_t *e = &t->policy.entries[slot];
    CHECK(t->key_of[slot] == expected.key && e->hash == expected.hash);
    t->slot_of[t->key_of[slot]] = FB_POLICY_NONE;
    fb_policy_release_slot(&t->policy, slot);
}

/* Victims are the same, and none is the entry that must stay. */
static void settle(pair_t *t, uint32_t keep) {
    uint32_t victim;
    while ((victim = fb_policy_victim(&t->policy)) != FB_POLICY_NONE) {
        CHECK(victim != keep);
        check_gone(t, victim);
    }
    CHECK(t->policy.weight <= t->policy.maxsize && t->policy.weight == weight(t->naive));
    CHECK(t->policy.n_entries == count(t->naive));
    CHECK(t->policy.kind != FB_POLICY_W_TINYLFU || t->policy.choice == t->naive->choice);
    chosen[t->policy.choice] = true;
}

static void request(pair_t *t, uint32_t key, uint64_t w) {
    const uint64_t hash = fb_simulate_hash(key, t->policy.seed);
    if (t->slot_of[key] != FB_POLICY_NONE) {
        naive_hit(t->naive, key);
        fb_policy_hit(&t->policy, t->slot_of[key]);
        settle(t, FB_POLICY_NONE);
        return;
    }
    const uint64_t n_blocks = t->policy.sketch.n_blocks;
    CHECK(fb_policy_reserve(&t->policy) == FB_OK);
    if (t->policy.sketch.n_blocks != n_blocks) copy_sketch(t);
    if (t->policy.kind == FB_POLICY_W_TINYLFU) make_shadows(t->naive);
    if (t->naive->n_most <= count(t->naive)) t->naive->n_most = count(t->naive) + 1;
    naive_enter(t->naive, key, hash, w);
    uint32_t victim = FB_POLICY_NONE;
    const bool replace = !t->policy.weighted && key % 4 != 0;
    const uint32_t slot = replace ? fb_policy_replace(&t->policy, hash, &victim) : fb_policy_enter(&t->policy, hash, w);
    CHECK(slot < t->policy.n_slots && slot != victim);
    t->key_of[slot] = key;
    t->slot_of[key] = slot;
    if (victim != FB_POLICY_NONE) check_gone(t, victim);
    CHECK(!replace || t->policy.weight <= t->policy.maxsize);
    settle(t, slot);
}

static void leave(pair_t *t, uint32_t key) {
    int list;
    size_t i;
    if (t->slot_of[key] == FB_POLICY_NONE || !find(t->naive, key, &list, &i)) return;
    if (t->naive->hand == key + 1ull)
        t->naive->hand = i == 0 ? 0 : t->naive->lists[list].items[i - 1].key + 1ull;
    if (t->naive->last == key + 1ull) t->naive->last = 0;
    remember(t->naive, take(&t->naive->lists[list], i));
    fb_policy_leave(&t->policy, t->slot_of[key]);
    t->slot_of[key] = FB_POLICY_NONE;
    settle(t, FB_POLICY_NONE);
}

static void reweigh(pair_t *t, uint32_t key, uint64_t w) {
    int list;
    size_t i;
    if (t->slot_of[key] == FB_POLICY_NONE || !find(t->naive, key, &list, &i)) return;
    t->naive->lists[list].items[i].weight = w;
    t->naive->last = key + 1ull;
    fb_policy_reweigh(&t->policy, t->slot_of[key], w);
    settle(t, t->slot_of[key]);
}

static void resize(pair_t *t, uint64_t maxsize) {
    forget_shadows(t->naive);
    t->naive->maxsize = maxsize;
    t->naive->last = 0;
    CHECK(fb_policy_resize(&t->policy, maxsize) == FB_OK);
    settle(t, FB_POLICY_NONE);
}

static void pop(pair_t *t) {
    t->naive->last = 0;
    const uint32_t slot = fb_policy_pop(&t->policy);
    CHECK((slot == FB_POLICY_NONE) == (count(t->naive) == 0));
    if (slot != FB_POLICY_NONE) check_gone(t, slot);
}

/* Every entry once: list by list, oldest first, that of SIEVE from the hand on. */
static void check_iteration(const pair_t *t) {
    static const int tinylfu[] = {FB_LIST_PROBATION, FB_LIST_WINDOW, FB_LIST_PROTECTED}, others[] = {0, 1, 2};
    const naive_t *naive = t->naive;
    uint32_t keys[MOST], n = 0, first = 0, at = 0;
    for (int i = 0; i < FB_LISTS; i++) {
        const order_t *o = &naive->lists[(naive->kind == FB_POLICY_W_TINYLFU ? tinylfu : others)[i]];
        for (size_t j = o->n; j-- > 0; n++) {
            keys[n] = o->items[j].key;
            if (keys[n] + 1ull == naive->hand) first = n;
        }
    }
    bool right = true;
    for (uint32_t i = fb_policy_next(&t->policy, FB_POLICY_NONE); i != FB_POLICY_NONE && at < n;
         i = fb_policy_next(&t->policy, i), at++)
        right &= t->key_of[i] == keys[(first + at) % n];
    CHECK(right && at == n && n == t->policy.n_entries);
}

/* Keys of which some are hot, now and then a scan and a loop. */
static uint32_t some_key(pair_t *t, uint32_t i, uint32_t n_keys) {
    const uint64_t r = next_random(&t->random);
    if (i / 1000 % 3 == 2) return i % n_keys;
    return (uint32_t)fb_reduce64(next_random(&t->random), fb_reduce64(r, n_keys) + 1);
}

static void steps(fb_policy_kind_t kind, uint64_t maxsize, bool weighted, uint32_t n_keys,
                  uint32_t n, bool wild) {
    static pair_t pair;
    pair_t *t = &pair;
    const uint64_t heaviest = weighted ? maxsize / 20 + 1 : 1;
    start(t, kind, maxsize, weighted, n_keys * 31 + maxsize);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t r = next_random(&t->random);
        const uint64_t w = weighted ? fb_reduce64(next_random(&t->random), heaviest + 1) : 1;
        const uint32_t key = some_key(t, i, n_keys);
        if (wild && r % 16 == 0)
            leave(t, key);
        else if (wild && r % 16 == 1)
            reweigh(t, key, w);
        else if (wild && r % 512 == 2)
            pop(t);
        else if (wild && r % 2048 == 3)
            resize(t, r >> 20 & 1 ? maxsize : maxsize / 2 + 1);
        else
            request(t, key, w <= t->policy.maxsize ? w : 0);
        if (i % 256 == 0) {
            CHECK(fb_policy_ok(&t->policy));
            check_iteration(t);
        }
        if (!weighted) CHECK(t->policy.n_slots <= maxsize + 1);
    }
    stop(t);
}

static void against_naive(void) {
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) {
        const fb_policy_kind_t k = (fb_policy_kind_t)kind;
        for (uint64_t maxsize = 1; maxsize <= 4; maxsize++) steps(k, maxsize, false, 12, 2000, true);
        steps(k, 3, true, 12, 2000, true);
        steps(k, 50, false, 200, 12000, false);
        steps(k, 50, false, 200, 6000, true);
        steps(k, 600, false, 3000, 12000, false);
        steps(k, 2000, true, 1000, 8000, true);
        steps(k, 100, true, 60, 4000, true);
    }
    int n_chosen = 0;
    for (int i = 0; i < SHADOWS; i++) n_chosen += chosen[i];
    CHECK(n_chosen >= 4);
}

/* ---- what they are for ------------------------------------------------------------------------- */

/* A cleared policy decides as a new one; slots are used again. */
static void clears(void) {
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) {
        fb_policy_t p;
        uint64_t victims[2] = {0, 0};
        CHECK(fb_policy_init(&p, (fb_policy_kind_t)kind, 100, false, 5) == FB_OK);
        for (int round = 0; round < 2; round++) {
            uint64_t random = 1;
            for (int i = 0; i < 5000; i++) {
                CHECK(fb_policy_reserve(&p) == FB_OK);
                (void)fb_policy_enter(&p, next_random(&random), 1);
                const uint32_t victim = fb_policy_victim(&p);
                if (victim == FB_POLICY_NONE) continue;
                victims[round] = victims[round] * 31 + p.entries[victim].hash;
                fb_policy_release_slot(&p, victim);
            }
            fb_policy_clear(&p);
            CHECK(p.n_entries == 0 && fb_policy_next(&p, FB_POLICY_NONE) == FB_POLICY_NONE);
            CHECK(fb_policy_ok(&p) && fb_policy_pop(&p) == FB_POLICY_NONE);
        }
        CHECK(victims[0] == victims[1] && p.n_slots == 101);
        fb_policy_free(&p);
    }
}

/* The sketch doubles with the entries, keeps all estimates, and ends at 8 bytes per entry. */
static void sketch_grows(void) {
    enum { N = 20000 };
    fb_policy_t p;
    uint64_t random = 3;
    CHECK(fb_policy_init(&p, FB_POLICY_W_TINYLFU, N, false, 1) == FB_OK);
    CHECK(p.sketch.n_blocks * 8 < 1024 + 8);
    for (uint64_t i = 0; i < N; i++) {
        const uint64_t n_blocks = p.sketch.n_blocks;
        unsigned before[64];
        for (uint64_t j = 0; j < 64; j++) before[j] = fb_frequency_estimate(&p.sketch, j << 58 | j * 977);
        CHECK(fb_policy_reserve(&p) == FB_OK);
        if (p.sketch.n_blocks != n_blocks)
            for (uint64_t j = 0; j < 64; j++)
                CHECK(fb_frequency_estimate(&p.sketch, j << 58 | j * 977) == before[j]);
        (void)fb_policy_enter(&p, i % 4 ? next_random(&random) : i % 64 << 58 | i % 64 * 977, 1);
    }
    CHECK(fb_policy_reserve(&p) == FB_OK);
    CHECK(p.sketch.n_blocks * 8 >= N && p.sketch.n_blocks * 8 < N + N / 64);
    CHECK(fb_policy_bytes(&p) >= p.n_slots * sizeof *p.entries + p.sketch.n_blocks * 64);
    fb_policy_free(&p);
}

/* S3-FIFO: what is a ghost stays one when the table doubles. */
static void ghosts_grow(void) {
    fb_policy_t p;
    CHECK(fb_policy_init(&p, FB_POLICY_S3_FIFO, 12, false, 1) == FB_OK);
    for (uint64_t i = 1; i <= 24; i++) {
        if (i == 17) CHECK(fb_policy_resize(&p, 40) == FB_OK);
        CHECK(fb_policy_reserve(&p) == FB_OK);
        (void)fb_policy_enter(&p, i << 59, 1);
        const uint32_t victim = fb_policy_victim(&p);
        CHECK((victim != FB_POLICY_NONE) == (i > 12 && i < 17));
        if (victim == FB_POLICY_NONE) continue;
        CHECK(p.entries[victim].hash == (i - 12) << 59);
        fb_policy_release_slot(&p, victim);
    }
    for (uint64_t i = 1; i <= 4; i++) {
        CHECK(fb_policy_reserve(&p) == FB_OK);
        CHECK(fb_policy_list_of(&p.entries[fb_policy_enter(&p, i << 59, 1)]) == FB_LIST_MAIN);
    }
    fb_policy_free(&p);
}

/* A victim that looks hot for ever does not keep all others out. */
static void a_pinned_victim_goes(void) {
    fb_policy_t p;
    uint32_t pinned = 0;
    bool is_gone = false;
    CHECK(fb_policy_init(&p, FB_POLICY_W_TINYLFU, 2, false, 9) == FB_OK);
    for (uint64_t i = 0; i < 20000 && !is_gone; i++) {
        const uint64_t hash = i == 0 ? 1 : fb_simulate_hash(2 + i % 3, 9);
        CHECK(fb_policy_reserve(&p) == FB_OK);
        const uint32_t slot = fb_policy_enter(&p, hash, 1);
        if (i == 0) pinned = slot;
        p.entries[pinned].meta |= FB_META_COUNT;
        const uint32_t victim = fb_policy_victim(&p);
        if (victim == FB_POLICY_NONE) continue;
        is_gone = victim == pinned;
        fb_policy_release_slot(&p, victim);
    }
    CHECK(is_gone);
    fb_policy_free(&p);
}

/* ---- simulation -------------------------------------------------------------------------------- */

/* The most hits from request i on with the set `cached`, by trying every eviction. */
static uint64_t best_hits(const uint64_t *keys, size_t i, size_t n, unsigned cached, unsigned maxsize) {
    while (i < n && cached >> keys[i] & 1) i++;
    if (i == n) return 0;
    uint64_t best = 0;
    for (unsigned out = 0; out < 8; out++) {
        unsigned now = cached;
        if (fb_popcount64(cached) == maxsize) {
            if (!(cached >> out & 1)) continue;
            now &= ~(1u << out);
        } else if (out > 0) {
            break;
        }
        now |= 1u << keys[i];
        size_t hits = 0, j = i + 1;
        while (j < n && now >> keys[j] & 1) j++, hits++;
        hits += best_hits(keys, j, n, now, maxsize);
        if (hits > best) best = hits;
    }
    return best;
}

static uint64_t all_hits(const uint64_t *keys, size_t n, unsigned maxsize) {
    return best_hits(keys, 0, n, 0, maxsize); /* the first request misses */
}

static void opt_is_the_best(void) {
    uint64_t random = 11;
    for (int round = 0; round < 300; round++) {
        uint64_t keys[12];
        const size_t n = 1 + next_random(&random) % 12;
        for (size_t i = 0; i < n; i++) keys[i] = fb_reduce64(next_random(&random), 6);
        for (unsigned maxsize = 1; maxsize <= 4; maxsize++) {
            uint64_t hits = 0;
            CHECK(fb_simulate_opt(keys, n, maxsize, &hits) == FB_OK);
            CHECK(hits == all_hits(keys, n, maxsize));
            for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) {
                uint64_t got = 99;
                CHECK(fb_simulate(keys, n, (fb_policy_kind_t)kind, maxsize, 1, &got) == FB_OK);
                CHECK(got <= hits);
            }
        }
    }
}

/* Hits of each policy and of MIN on 60,000 requests. */
static void hits_of(const uint64_t *keys, uint64_t maxsize, uint64_t hits[5]) {
    fb_trace_t t;
    CHECK(fb_trace_init(&t, keys, 60000) == FB_OK);
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++)
        CHECK(fb_simulate_trace(&t, (fb_policy_kind_t)kind, maxsize, 1, &hits[kind]) == FB_OK);
    CHECK(fb_simulate_trace_opt(&t, maxsize, &hits[4]) == FB_OK);
    fb_trace_free(&t);
}

/* Keys get the numbers 0, 1, 2, ... as they appear first, near each other (scale 1) or far apart. */
static void numbers(void) {
    enum { N = 20000, KEYS = 9000 };
    uint64_t *keys = exact_alloc(N * sizeof *keys), random = 8;
    uint32_t *number = exact_alloc(KEYS * sizeof *number);
    const uint64_t scales[] = {1, 0x9E3779B97F4A7C15ull, 0 - (uint64_t)1};
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 0; i < N; i++) keys[i] = fb_reduce64(next_random(&random), KEYS);
        memset(number, 0xff, KEYS * sizeof *number);
        uint32_t n_keys = 0;
        for (size_t i = 0; i < N; i++)
            if (number[keys[i]] == UINT32_MAX) number[keys[i]] = n_keys++;
        for (size_t i = 0; i < N; i++) keys[i] = 5 + keys[i] * scales[s];
        fb_trace_t t;
        CHECK(fb_trace_init(&t, keys, N) == FB_OK);
        CHECK(t.n == N && t.n_keys == n_keys);
        for (size_t i = 0; i < N; i++) {
            const uint64_t inverse = s == 1 ? 0xF1DE83E19937733Dull : scales[s];
            CHECK(t.ids[i] == number[(keys[i] - 5) * inverse]);
            CHECK(t.keys[t.ids[i]] == keys[i]);
        }
        fb_trace_free(&t);
    }
    free(number);
    free(keys);
}

static void workloads(void) {
    enum { N = 60000 };
    uint64_t *keys = exact_alloc(N * sizeof *keys), random = 2, hits[5];
    for (uint64_t i = 0; i < N; i++) keys[i] = i % 1000; /* a loop: MIN serves about half */
    hits_of(keys, 500, hits);
    CHECK(hits[FB_POLICY_LRU] == 0 && hits[4] > N / 20 * 9);
    CHECK(hits[FB_POLICY_W_TINYLFU] > hits[4] / 10 * 9);
    for (uint64_t i = 0; i < N; i++) keys[i] = i / 3 - (i % 3 && i > 900 ? 90 * (i % 3) : 0);
    hits_of(keys, 400, hits); /* keys come back soon, and then never */
    CHECK(hits[FB_POLICY_LRU] == hits[4]);
    CHECK(hits[FB_POLICY_W_TINYLFU] > hits[4] / 10 * 9);
    for (uint64_t i = 0; i < N; i++) { /* hot keys and others that come once */
        const uint64_t r = next_random(&random);
        keys[i] = r % 2 ? (r >> 32) * (r >> 48) % 700 : N + i;
    }
    hits_of(keys, 700, hits);
    CHECK(hits[FB_POLICY_W_TINYLFU] > hits[FB_POLICY_LRU]);
    CHECK(hits[FB_POLICY_S3_FIFO] > hits[FB_POLICY_LRU]);
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) CHECK(hits[kind] <= hits[4]);
    hits_of(keys, 100000, hits); /* all fit */
    for (int kind = FB_POLICY_W_TINYLFU; kind <= FB_POLICY_SIEVE; kind++) CHECK(hits[kind] == hits[4]);
    CHECK(fb_simulate(keys, 0, FB_POLICY_W_TINYLFU, 5, 1, hits) == FB_OK && hits[0] == 0);
    CHECK(fb_simulate_opt(keys, 0, 5, hits) == FB_OK && hits[0] == 0);
    free(keys);
}

int main(void) {
    against_naive();
    clears();
    sketch_grows();
    ghosts_grow();
    a_pinned_victim_goes();
    opt_is_the_best();
    numbers();
    workloads();
    return check_report();
}
