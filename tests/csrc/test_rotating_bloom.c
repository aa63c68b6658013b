#include "filters/rotating_bloom.h"

#include "check.h"
#include "xxh3.h"

enum { KEYS = 400, PERIOD = 100 };

static const fb_bloom_shape_t shapes[3] = {{61, 4}, {97, 8}, {103, 16}};

/* An empty filter; its payload is aligned, and ends where the heap block ends. */
static fb_rotating_bloom_t new_filter(fb_bloom_shape_t shape, unsigned generations) {
    const size_t size = (size_t)fb_rotating_bloom_bytes(shape, generations);
    fb_rotating_bloom_t r;
    void *payload;
    if (posix_memalign(&payload, 64, size) != 0) abort();
    memset(payload, 0, size);
    fb_rotating_bloom_init(&r, shape, generations, PERIOD, payload);
    return r;
}

static bool add_at(fb_rotating_bloom_t *r, int64_t now, uint64_t key) {
    fb_rotating_bloom_rotate(r, now);
    CHECK(!fb_rotating_bloom_due(r, now));
    return fb_rotating_bloom_add(r, fb_xxh3_64_u64(key, 1));
}

static bool found_at(const fb_rotating_bloom_t *r, int64_t now, uint64_t key) {
    return fb_rotating_bloom_contains(r, now, fb_xxh3_64_u64(key, 1));
}

static void periods(void) {
    for (unsigned g = 2; g <= FB_ROTATING_BLOOM_MAX_GENERATIONS; g++) {
        for (uint64_t window = 1; window < 100; window++) {
            const uint64_t period = fb_rotating_bloom_period(window, g);
            CHECK(period * (g - 1) >= window && (period - 1) * (g - 1) < window);
        }
        const uint64_t longest = 9000000000000000000u;
        const uint64_t period = fb_rotating_bloom_period(longest, g);
        CHECK(period >= longest / (g - 1) && period <= longest / (g - 1) + 1);
    }
}

static void shapes_of_generations(void) {
    fb_bloom_shape_t each, all;
    CHECK(fb_bloom_shape(1000, 0.0025, &each) == FB_OK);
    CHECK(fb_rotating_bloom_shape(1000, 0.01, 4, &all) == FB_OK);
    CHECK(each.n_blocks == all.n_blocks && each.lanes == all.lanes);
    CHECK(fb_rotating_bloom_bytes(all, 4) == 64 + 4 * fb_bloom_bytes(each));
    CHECK(fb_rotating_bloom_shape(INT64_MAX, 0.01, 4, &all) == FB_OUT_OF_RANGE);
    CHECK(each.n_blocks == all.n_blocks && each.lanes == all.lanes);
}

/* A key that came at any instant, at every later one: found until its generation is over, exactly,
 * be it that a writer rotates meanwhile, or that nobody does. */
static void instants(fb_bloom_shape_t shape, unsigned g, int64_t origin) {
    for (int64_t came = 0; came < 3 * PERIOD; came += 33) {
        fb_rotating_bloom_t idle = new_filter(shape, g), busy = new_filter(shape, g);
        fb_rotating_bloom_begin(&idle, origin, true);
        fb_rotating_bloom_begin(&busy, origin, true);
        CHECK(add_at(&idle, origin + came, 5) && add_at(&busy, origin + came, 5));
        const int64_t over = (came / PERIOD + g) * PERIOD;
        CHECK(over - came > (int64_t)(g - 1) * PERIOD && over - came <= (int64_t)g * PERIOD);
        for (int64_t at = came; at < came + (int64_t)(g + 2) * PERIOD; at++) {
            CHECK(found_at(&idle, origin + at, 5) == (at < over));
            CHECK(fb_rotating_bloom_empty(&idle, origin + at) == (at >= over));
            if (at % 7 == 0) fb_rotating_bloom_rotate(&busy, origin + at);
            CHECK(found_at(&busy, origin + at, 5) == (at < over));
        }
        CHECK(!found_at(&idle, INT64_MAX, 5) && !found_at(&busy, INT64_MAX, 5));
        CHECK(add_at(&busy, INT64_MAX, 5) && !add_at(&busy, INT64_MAX, 5));
        free(idle.head);
        free(busy.head);
    }
}

/* One by one and as a batch: the same answers, the same bytes. */
static void batches(fb_bloom_shape_t shape, unsigned g, size_t n) {
    fb_rotating_bloom_t one = new_filter(shape, g), many = new_filter(shape, g),
                        silent = new_filter(shape, g);
    const size_t size = (size_t)fb_rotating_bloom_bytes(shape, g);
    uint64_t *keys = exact_alloc(n * sizeof *keys), random = n;
    bool *out = exact_alloc(n);
    fb_rotating_bloom_begin(&one, -50, true);
    fb_rotating_bloom_begin(&many, -50, true);
    fb_rotating_bloom_begin(&silent, -50, true);
    for (int64_t now = 0; now < 12 * PERIOD; now += 77) {
        for (size_t i = 0; i < n; i++) keys[i] = next_random(&random) % (n + 1);
        fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = n, .data = keys};
        const fb_keys_cursor_t cursor = {&part, 1, 0, 0};
        fb_rotating_bloom_rotate(&many, now);
        fb_rotating_bloom_add_keys(&many, cursor, 1, out);
        for (size_t i = 0; i < n; i++) CHECK(out[i] == add_at(&one, now, keys[i]));
        fb_rotating_bloom_rotate(&silent, now);
        fb_rotating_bloom_add_keys(&silent, cursor, 1, NULL);
        if (n == 0) fb_rotating_bloom_rotate(&one, now);
        CHECK(memcmp(one.head, many.head, size) == 0);
        CHECK(memcmp(one.head, silent.head, size) == 0);
        for (size_t i = 0; i < n; i++) keys[i] += i % 3;
        fb_rotating_bloom_contains_keys(&many, now + 150, cursor, 1, out);
        for (size_t i = 0; i < n; i++) CHECK(out[i] == found_at(&one, now + 150, keys[i]));
    }
    free(out);
    free(keys);
    free(one.head);
    free(many.head);
    free(silent.head);
}

/* Sealed and begun elsewhere, it remembers the same for as long; read-only, without being written. */
static void sealing(fb_bloom_shape_t shape, unsigned g) {
    const size_t size = (size_t)fb_rotating_bloom_bytes(shape, g);
    for (int64_t now = 0; now < 7 * PERIOD; now += 59) {
        fb_rotating_bloom_t r = new_filter(shape, g);
        fb_rotating_bloom_begin(&r, 0, true);
        for (int64_t at = 0; at <= now; at += 40) add_at(&r, at, (uint64_t)at);
        const int64_t late = now + 130;
        fb_rotating_bloom_t sealed = new_filter(shape, g), again = new_filter(shape, g);
        fb_rotating_bloom_seal(&r, late, sealed.head);
        CHECK(fb_rotating_bloom_valid(&sealed));
        void *before = exact_copy(sealed.head, size);
        const int64_t elsewhere = INT64_MIN / 2 + now;
        fb_rotating_bloom_begin(&sealed, elsewhere, false);
        for (int64_t more = 0; more < (int64_t)(g + 1) * PERIOD; more += 13) {
            CHECK(fb_rotating_bloom_equal(&r, late + more, &sealed, elsewhere + more));
            for (int64_t at = 0; at <= now; at += 40)
                CHECK(found_at(&r, late + more, (uint64_t)at) ==
                      found_at(&sealed, elsewhere + more, (uint64_t)at));
        }
        CHECK(memcmp(sealed.head, before, size) == 0);
        memcpy(again.head, before, size);
        fb_rotating_bloom_begin(&again, elsewhere, true);
        fb_rotating_bloom_seal(&again, elsewhere, sealed.head);
        CHECK(memcmp(sealed.head, before, size) == 0);
        free(before);
        free(r.head);
        free(sealed.head);
        free(again.head);
    }
}

/* Merged, a key is remembered for (g - 1) periods after it was added, at least, and g + 1 at most,
 * however the periods of the two lie to each other. */
static void merging(fb_bloom_shape_t shape, unsigned g) {
    const int64_t now = 50 * PERIOD;
    for (int64_t ours = 0; ours < PERIOD; ours += 33) {
        for (int64_t theirs = 0; theirs < PERIOD; theirs += 11) {
            for (int64_t age = 0; age < (int64_t)g * PERIOD; age += 17) {
                fb_rotating_bloom_t a = new_filter(shape, g), b = new_filter(shape, g);
                fb_rotating_bloom_begin(&a, now - 3 * PERIOD - ours, true);
                fb_rotating_bloom_begin(&b, now - 20 * PERIOD - theirs, true);
                add_at(&b, now - age, 7);
                const bool known = found_at(&b, now, 7);
                fb_rotating_bloom_rotate(&a, now);
                fb_rotating_bloom_merge(&a, now, &b, now);
                CHECK(found_at(&a, now, 7) == known);
                const int64_t owed = now - age + (int64_t)(g - 1) * PERIOD;
                if (owed >= now) CHECK(found_at(&a, owed, 7));
                CHECK(!found_at(&a, now - age + (int64_t)(g + 1) * PERIOD, 7));
                free(a.head);
                free(b.head);
            }
        }
    }
}

/* Against a plain loop over the bytes. */
static void counting(fb_bloom_shape_t shape, unsigned g) {
    fb_rotating_bloom_t r = new_filter(shape, g);
    const size_t bytes = (size_t)fb_bloom_bytes(shape);
    fb_rotating_bloom_begin(&r, 0, true);
    CHECK(fb_rotating_bloom_empty(&r, 0) && fb_rotating_bloom_rate_now(&r, 0) == 0.0);
    for (uint64_t key = 0; key < KEYS; key++) add_at(&r, (int64_t)(key * g * PERIOD / KEYS), key);
    const uint8_t *slots = (const uint8_t *)r.head + FB_ROTATING_BLOOM_HEAD;
    uint64_t each = 0, any = 0;
    double missed = 1.0;
    for (unsigned slot = 0; slot < g; slot++) {
        fb_bloom_t bloom = r.first;
        bloom.bits += slot * (bytes / 4);
        each += fb_bloom_count_bits(&bloom);
        missed *= 1.0 - fb_bloom_rate_now(&bloom);
    }
    for (size_t i = 0; i < bytes; i++) {
        uint8_t all = 0;
        for (unsigned slot = 0; slot < g; slot++) all |= slots[slot * bytes + i];
        any += fb_popcount64(all);
    }
    const int64_t now = (int64_t)g * PERIOD - 1;
    const double rate = fb_rotating_bloom_rate_now(&r, now);
    CHECK(fb_rotating_bloom_count_bits(&r, now) == each);
    CHECK(fb_rotating_bloom_count_union(&r, now) == any && any < each);
    CHECK(rate > 1.0 - missed - 1e-12 && rate < 1.0 - missed + 1e-12);
    CHECK(fb_rotating_bloom_count_union(&r, now + (int64_t)g * PERIOD) == 0);
    fb_rotating_bloom_clear(&r);
    CHECK(fb_rotating_bloom_empty(&r, now) && fb_rotating_bloom_count_bits(&r, 0) == 0);
    free(r.head);
}

/* Any head line can be used without harm, be it valid or not. */
static void hostile_heads(void) {
    static const uint64_t words[] = {0, 1, 2, PERIOD - 1, PERIOD, 1ull << 32, INT64_MAX / PERIOD,
                                     INT64_MAX / PERIOD + 1, INT64_MAX, 1ull << 63, UINT64_MAX};
    enum { N = sizeof words / sizeof *words };
    static const int64_t instants[] = {INT64_MIN, -1, 0, 1000, INT64_MAX};
    for (size_t i = 0; i < N * N * N; i++) {
        for (uint64_t form = 0; form < 3; form++) {
            fb_rotating_bloom_t r = new_filter(shapes[1], 3), other = new_filter(shapes[1], 3);
            r.head[0] = words[i % N];
            r.head[1] = form;
            r.head[2] = words[i / N % N];
            r.head[3] = words[i / N / N];
            CHECK(fb_rotating_bloom_valid(&r) ==
                  (form < 2 && r.head[0] <= INT64_MAX / PERIOD && r.head[2] < PERIOD));
            const int64_t now = instants[i % 5];
            fb_rotating_bloom_begin(&r, now, i % 2 == 0);
            fb_rotating_bloom_begin(&other, now, true);
            found_at(&r, now, 1);
            fb_rotating_bloom_merge(&other, now, &r, now);
            fb_rotating_bloom_seal(&r, now, other.head);
            CHECK(fb_rotating_bloom_valid(&other));
            if (i % 2 == 0) {
                fb_rotating_bloom_rotate(&r, now);
                fb_rotating_bloom_add(&r, i);
                fb_rotating_bloom_merge(&r, now, &other, now);
            }
            free(r.head);
            free(other.head);
        }
    }
    fb_rotating_bloom_t r = new_filter(shapes[0], 2);
    for (size_t word = 4; word < 8; word++) {
        r.head[word] = 1;
        CHECK(!fb_rotating_bloom_valid(&r));
        r.head[word] = 0;
    }
    CHECK(fb_rotating_bloom_valid(&r));
    free(r.head);
}

int main(void) {
    static const size_t counts[] = {0, 1, 31, 32, 255, 256, 257, 600};
    periods();
    shapes_of_generations();
    hostile_heads();
    for (unsigned g = 2; g <= 5; g++) {
        instants(shapes[g % 3], g, -250);
        instants(shapes[g % 3], g, INT64_MIN);
        sealing(shapes[g % 3], g);
        merging((fb_bloom_shape_t){2, 4}, g);
        for (size_t l = 0; l < 3; l++) {
            counting(shapes[l], g);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                batches(shapes[l], g, counts[c]);
        }
    }
    return check_report();
}
