#include "ring/hash_ring.h"

#include "check.h"
#include "ring/md5.h"
#include "xxh3.h"

/* ---- MD5 ------------------------------------------------------------------------------------- */

static void md5_is(const char *text, const char *hex) {
    uint32_t digest[4];
    char got[33];
    void *copy = exact_copy(text, strlen(text));
    fb_md5(copy, strlen(text), digest);
    for (size_t i = 0; i < 16; i++)
        snprintf(got + 2 * i, 3, "%02x", (unsigned)(digest[i / 4] >> i % 4 * 8 & 0xff));
    CHECK(strcmp(got, hex) == 0);
    free(copy);
}

/* Those of RFC 1321. */
static void md5_vectors(void) {
    md5_is("", "d41d8cd98f00b204e9800998ecf8427e");
    md5_is("a", "0cc175b9c0f1b6a831c399e269772661");
    md5_is("abc", "900150983cd24fb0d6963f7d28e17f72");
    md5_is("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    md5_is("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
    md5_is("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
           "d174ab98d277d9f5a5611c2c9f419d9f");
    md5_is("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
           "57edf4a22be3c955ac49da2e2107b67a");
}

/* Every length about the block's, chained: each input is made of the digests before it. The last
 * digest is that of Python's hashlib. */
static void md5_lengths(void) {
    uint8_t text[4 * 300] = {0};
    uint32_t digest[4];
    for (size_t len = 0; len < 300; len++) {
        uint8_t *copy = exact_copy(text, len);
        fb_md5(copy, len, digest);
        free(copy);
        for (size_t i = 0; i < 4; i++) text[len + i] = (uint8_t)(digest[0] >> 8 * i);
    }
    CHECK(digest[0] == 0xe95b1de1u);
}

/* ---- a ring, and how it is told anew ----------------------------------------------------------- */

enum { MOST = 64 };

typedef struct {
    char name[24];
    uint32_t points;
} named_t;

static fb_ring_t made(fb_ring_hash_t hash, uint64_t seed, const named_t *names, uint32_t n) {
    fb_ring_node_t *nodes = exact_alloc(n * sizeof *nodes);
    fb_ring_t ring;
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = (fb_ring_node_t){(const uint8_t *)names[i].name, strlen(names[i].name),
                                    names[i].points, 0, FB_RING_NONE};
    CHECK(fb_ring_make(&ring, hash, seed, nodes, n, NULL) == FB_OK);
    free(nodes);
    return ring;
}

/* The ring of other nodes, made out of `old`, whose nodes were these. */
static fb_ring_t remade(const fb_ring_t *old, uint64_t seed, const named_t *were, uint32_t n_old,
                        const named_t *names, uint32_t n) {
    fb_ring_node_t *nodes = exact_alloc(n * sizeof *nodes);
    fb_ring_t ring;
    for (uint32_t i = 0; i < n; i++) {
        nodes[i] = (fb_ring_node_t){(const uint8_t *)names[i].name, strlen(names[i].name),
                                    names[i].points, 0, FB_RING_NONE};
        for (uint32_t j = 0; j < n_old; j++)
            if (strcmp(were[j].name, names[i].name) == 0) {
                nodes[i].was = j;
                nodes[i].had = were[j].points;
            }
    }
    CHECK(fb_ring_make(&ring, old->hash, seed, nodes, n, old) == FB_OK);
    free(nodes);
    return ring;
}

static bool same_rings(const fb_ring_t *a, const fb_ring_t *b) {
    if (a->n != b->n || a->n_nodes != b->n_nodes || a->shift != b->shift) return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->places[i] != b->places[i] || a->points[i].node != b->points[i].node) return false;
    return memcmp(a->guide, b->guide, ((size_t)1 << (64 - a->shift)) * sizeof *a->guide) == 0;
}

/* By looking at all points. */
static uint32_t find_slowly(const fb_ring_t *ring, uint64_t place) {
    for (size_t i = 0; i < ring->n; i++)
        if (ring->places[i] >= place) return ring->points[i].node;
    return ring->points[0].node;
}

static void check_order(const fb_ring_t *ring) {
    for (size_t i = 1; i < ring->n; i++) {
        const uint32_t a = ring->points[i - 1].node, b = ring->points[i].node;
        CHECK(ring->places[i - 1] <= ring->places[i]);
        if (ring->places[i - 1] == ring->places[i])
            CHECK(ring->hash == FB_RING_KETAMA ? a >= b : a <= b);
        CHECK(ring->points[i].high == ring->places[i] >> 32);
    }
}

/* At, before and after points, at the ends, and anywhere. */
static void check_finds(const fb_ring_t *ring) {
    uint64_t random = ring->n, *places = exact_alloc((3 * ring->n + 104) * sizeof *places);
    size_t n = 0;
    for (size_t i = 0; i < ring->n; i++)
        for (uint64_t d = 0; d < 3; d++) places[n++] = ring->places[i] + d - 1;
    for (int i = 0; i < 100; i++) places[n++] = next_random(&random);
    places[n++] = 0;
    places[n++] = 1;
    places[n++] = UINT64_MAX - 1;
    places[n++] = UINT64_MAX;
    fb_keys_part_t part = {.layout = FB_KEYS_HASHES, .n = n, .data = places};
    int32_t *out = exact_alloc(n * sizeof *out);
    fb_ring_find_keys(ring, (fb_keys_cursor_t){&part, 1, 0, 0}, 0, out);
    const size_t step = n / 1000 + 1;
    for (size_t i = 0; i < n; i++) {
        const uint32_t node = fb_ring_find(ring, places[i]);
        if (i % step == 0) CHECK(node == find_slowly(ring, places[i]));
        CHECK(node == (uint32_t)out[i]);
    }
    free(places);
    free(out);
}

static const fb_ring_hash_t hashes[] = {FB_RING_XXH3, FB_RING_KETAMA, FB_RING_LIBMEMCACHED};

static named_t node_called(unsigned i, uint32_t points) {
    named_t node = {{0}, points};
    snprintf(node.name, sizeof node.name, "node-%u", i);
    return node;
}

/* ---- making and finding ------------------------------------------------------------------------ */

static void sizes(void) {
    static const uint32_t n_nodes[] = {0, 1, 2, 3, 5, MOST};
    static const uint32_t points[] = {0, 4, 8, 160, 1000};
    named_t names[MOST];
    for (size_t h = 0; h < 3; h++)
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 5; j++) {
                for (unsigned k = 0; k < n_nodes[i]; k++) names[k] = node_called(k, points[j]);
                fb_ring_t ring = made(hashes[h], 9, names, n_nodes[i]);
                CHECK(ring.n == (size_t)n_nodes[i] * points[j]);
                CHECK(fb_ring_bytes(&ring) > 16 * ring.n);
                check_order(&ring);
                if (ring.n > 0) check_finds(&ring);
                fb_ring_drop(&ring);
                CHECK(fb_ring_bytes(&ring) == 0);
                fb_ring_drop(&ring); /* twice does no harm */
            }
}

/* Where the points of a node lie, told in another way. */
static void places_of_points(void) {
    const named_t name = {"alpha", 100};
    fb_ring_t ring = made(FB_RING_XXH3, 5, &name, 1);
    uint64_t state = fb_xxh3_64("alpha", 5, 5), sum = 0, want = 0;
    for (size_t i = 0; i < 100; i++) {
        want += next_random(&state); /* which is splitmix64 too */
        sum += ring.places[i];
    }
    CHECK(sum == want);
    fb_ring_drop(&ring);
    for (size_t h = 1; h < 3; h++) {
        uint32_t digest[4];
        ring = made(hashes[h], 0, &name, 1);
        sum = want = 0;
        for (int j = 0; j < 25; j++) {
            char label[16];
            fb_md5(label, (size_t)snprintf(label, sizeof label, "alpha-%d", j), digest);
            for (int word = 0; word < 4; word++) want += (uint64_t)digest[word] << 32;
        }
        for (size_t i = 0; i < 100; i++) sum += ring.places[i];
        CHECK(sum == want);
        fb_ring_drop(&ring);
    }
}

/* Names of one text: all their points lie at one place, two by two. */
static void ties(void) {
    const named_t twins[] = {{"twin", 40}, {"other", 8}, {"twin", 40}, {"twin", 24}};
    for (size_t h = 0; h < 3; h++) {
        fb_ring_t ring = made(hashes[h], 0, twins, 4);
        CHECK(ring.n == 112);
        check_order(&ring);
        check_finds(&ring);
        size_t counts[4] = {0};
        for (size_t i = 0; i < ring.n; i++) counts[fb_ring_find(&ring, ring.places[i])]++;
        CHECK(counts[1] == 8);
        if (hashes[h] == FB_RING_KETAMA) /* the last counts */
            CHECK(counts[0] == 0 && counts[2] == 32 && counts[3] == 72);
        else
            CHECK(counts[0] == 104 && counts[2] == 0 && counts[3] == 0);
        uint32_t order[4];
        for (uint64_t place = 0; place < 64; place++) {
            CHECK(fb_ring_rank(&ring, place << 58, NULL, 0, 4, order) == 4);
            CHECK((1u << order[0] | 1u << order[1] | 1u << order[2] | 1u << order[3]) == 15);
        }
        fb_ring_drop(&ring);
    }
}

/* Points at both ends of the circle and crowded into single runs of the guide. No name is known
 * that has them, so they are put into a ring that is there, and a change makes that whole. */
static void extreme_places(void) {
    static const uint64_t cases[][8] = {
        {0, UINT64_MAX, 1, UINT64_MAX - 1, 0, UINT64_MAX, 2, 3},
        {0, 0, 0, 0, 0, 0, 0, 0},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
         UINT64_MAX},
        {5, 6, 7, 8, 9, 10, 11, 12},
        {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT64_MAX - 3, UINT64_MAX << 32,
         (UINT64_MAX << 32) - 1, (UINT64_MAX << 32) + 1, UINT64_MAX << 33},
        {1ull << 63, (1ull << 63) - 1, (1ull << 63) + 1, 1ull << 62, 3ull << 62, 0, 1ull << 32,
         1ull << 31},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t h = 0; h < 3; h++) {
            named_t names[8];
            for (unsigned i = 0; i < 8; i++) names[i] = node_called(i, 4);
            fb_ring_t ring = made(hashes[h], 0, names, 2); /* of 8 points */
            uint64_t sorted[8];
            for (size_t i = 0; i < 8; i++) {
                size_t j = i;
                for (; j > 0 && sorted[j - 1] > cases[c][i]; j--) sorted[j] = sorted[j - 1];
                sorted[j] = cases[c][i];
            }
            for (size_t i = 0; i < 8; i++) {
                ring.places[i] = sorted[i];
                ring.points[i] = (fb_ring_point_t){(uint32_t)(sorted[i] >> 32), h == 1 ? i < 4 : i >= 4};
            }
            fb_ring_t again = remade(&ring, 0, names, 2, names, 2);
            CHECK(again.n == 8 && memcmp(again.places, sorted, sizeof sorted) == 0);
            check_order(&again);
            check_finds(&again);
            fb_ring_t more = remade(&again, 0, names, 2, names, 8);
            CHECK(more.n == 32);
            check_order(&more);
            check_finds(&more);
            const uint32_t same[8] = {0, 1, FB_RING_NONE, FB_RING_NONE,
                                      FB_RING_NONE, FB_RING_NONE, FB_RING_NONE, FB_RING_NONE};
            fb_ring_arc_t *arcs = exact_alloc((again.n + more.n + 1) * sizeof *arcs);
            const size_t n = fb_ring_diff(&again, &more, same, arcs);
            CHECK(n <= again.n + more.n + 1);
            for (size_t i = 0; i < n; i++) {
                CHECK(arcs[i].first <= arcs[i].last);
                CHECK(arcs[i].from == fb_ring_find(&again, arcs[i].last));
                CHECK(arcs[i].to == fb_ring_find(&more, arcs[i].first) && arcs[i].to >= 2);
            }
            CHECK(fb_ring_diff(&again, &again, same, arcs) == 0);
            free(arcs);
            fb_ring_t back = remade(&more, 0, names, 8, names, 2);
            CHECK(same_rings(&again, &back));
            fb_ring_drop(&ring);
            fb_ring_drop(&again);
            fb_ring_drop(&more);
            fb_ring_drop(&back);
        }
}

static void many_nodes(void) {
    enum { N = 5000 };
    named_t *names = exact_alloc(N * sizeof *names);
    for (unsigned i = 0; i < N; i++) names[i] = node_called(i, i % 3 * 16 + 4);
    for (size_t h = 0; h < 3; h++) {
        fb_ring_t ring = made(hashes[h], 77, names, N);
        check_order(&ring);
        check_finds(&ring);
        uint32_t *order = exact_alloc(N * sizeof *order);
        CHECK(fb_ring_rank(&ring, 1ull << 60, NULL, 0, N, order) == N);
        bool *seen = calloc(N, sizeof *seen);
        for (size_t i = 0; seen != NULL && i < N; i++) {
            CHECK(!seen[order[i]]);
            seen[order[i]] = true;
        }
        CHECK(order[0] == fb_ring_find(&ring, 1ull << 60));
        free(seen);
        free(order);
        fb_ring_drop(&ring);
    }
    free(names);
}

static void too_many_points(void) {
    const fb_ring_node_t nodes[] = {
        {(const uint8_t *)"a", 1, FB_RING_MAX_POINTS, 0, FB_RING_NONE},
        {(const uint8_t *)"b", 1, 4, 0, FB_RING_NONE},
        {(const uint8_t *)"c", 1, UINT32_MAX - 3, 0, FB_RING_NONE},
    };
    fb_ring_t ring;
    CHECK(fb_ring_make(&ring, FB_RING_XXH3, 0, nodes, 2, NULL) == FB_OUT_OF_RANGE);
    CHECK(ring.points == NULL && ring.places == NULL && ring.guide == NULL);
    CHECK(fb_ring_make(&ring, FB_RING_KETAMA, 0, nodes + 1, 2, NULL) == FB_OUT_OF_RANGE);
    const named_t some = {"some", 40};
    fb_ring_t old = made(FB_RING_XXH3, 0, &some, 1);
    CHECK(fb_ring_make(&ring, FB_RING_XXH3, 0, nodes, 3, &old) == FB_OUT_OF_RANGE);
    fb_ring_drop(&old);
}

/* ---- changes ----------------------------------------------------------------------------------- */

/* Nodes come, go, and get more and fewer points: always the ring that is made at once. */
static void chains(void) {
    for (size_t h = 0; h < 3; h++) {
        uint64_t random = 3 + h;
        named_t names[MOST], were[MOST];
        uint32_t n = 0, n_old = 0;
        fb_ring_t ring = made(hashes[h], 1, names, 0);
        for (unsigned step = 0; step < 300; step++) {
            memcpy(were, names, sizeof were);
            n_old = n;
            for (int changes = 0; changes <= (int)(step % 3); changes++) {
                const uint64_t kind = next_random(&random) % 4;
                if (n == 0 || (kind < 2 && n < MOST)) {
                    names[n++] = node_called(step * 3 + (unsigned)changes,
                                             4 * (uint32_t)(next_random(&random) % 30));
                } else {
                    const uint32_t at = (uint32_t)(next_random(&random) % n);
                    if (kind == 3) {
                        names[at].points = 4 * (uint32_t)(next_random(&random) % 30);
                    } else {
                        memmove(names + at, names + at + 1, (--n - at) * sizeof *names);
                    }
                }
            }
            fb_ring_t next = remade(&ring, 1, were, n_old, names, n);
            fb_ring_t fresh = made(hashes[h], 1, names, n);
            CHECK(same_rings(&next, &fresh));
            if (step % 20 == 0 && next.n > 0) check_finds(&next);
            fb_ring_drop(&ring);
            fb_ring_drop(&fresh);
            ring = next;
        }
        fb_ring_drop(&ring);
    }
}

/* ---- ranks ------------------------------------------------------------------------------------- */

/* Rounds over what is left, each of which takes the nearest node of every zone. */
static size_t rank_slowly(const fb_ring_t *ring, uint64_t place, const uint32_t *zones,
                          uint32_t *out) {
    uint32_t order[MOST];
    size_t n = 0, found = 0, first = 0;
    bool taken[MOST] = {false}, met[MOST] = {false};
    while (first < ring->n && ring->places[first] < place) first++;
    for (size_t i = 0; i < ring->n; i++) {
        const uint32_t node = ring->points[(first + i) % ring->n].node;
        if (!met[node]) order[n++] = node;
        met[node] = true;
    }
    while (found < n) {
        bool used[MOST] = {false};
        for (size_t i = 0; i < n; i++) {
            if (taken[i] || used[zones[order[i]]]) continue;
            taken[i] = used[zones[order[i]]] = true;
            out[found++] = order[i];
        }
    }
    return n;
}

static void ranks(void) {
    uint64_t random = 8;
    named_t names[MOST];
    for (size_t h = 0; h < 3; h++)
        for (uint32_t n = 1; n < 20; n++)
            for (uint32_t n_zones = 1; n_zones <= n; n_zones += 1 + n / 5) {
                uint32_t want[MOST], *zones = exact_alloc(n * sizeof *zones), all[MOST];
                for (uint32_t i = 0; i < n; i++) {
                    names[i] = node_called(i, i % 5 == 4 ? 0 : 16); /* some have no points */
                    zones[i] = (uint32_t)(next_random(&random) % n_zones);
                    all[i] = i;
                }
                fb_ring_t ring = made(hashes[h], 0, names, n);
                for (int i = 0; i < 20; i++) {
                    const uint64_t place = next_random(&random);
                    for (uint32_t most = 0; most <= n; most++) {
                        uint32_t *got = exact_alloc(most * sizeof *got);
                        size_t there = rank_slowly(&ring, place, zones, want);
                        if (there > most) there = most;
                        CHECK(fb_ring_rank(&ring, place, zones, n_zones, most, got) == there);
                        CHECK(memcmp(got, want, there * sizeof *got) == 0);
                        rank_slowly(&ring, place, all, want); /* every node a zone: no zones */
                        CHECK(fb_ring_rank(&ring, place, NULL, 0, most, got) == there);
                        CHECK(memcmp(got, want, there * sizeof *got) == 0);
                        free(got);
                    }
                }
                fb_ring_drop(&ring);
                free(zones);
            }
}

/* ---- differences ------------------------------------------------------------------------------- */

static void check_diff(const fb_ring_t *a, const fb_ring_t *b, const uint32_t *same) {
    uint64_t random = a->n + b->n;
    fb_ring_arc_t *arcs = exact_alloc((a->n + b->n + 1) * sizeof *arcs);
    const size_t n = fb_ring_diff(a, b, same, arcs);
    CHECK(n <= a->n + b->n + 1);
    for (size_t i = 0; i < n; i++) {
        CHECK(arcs[i].first <= arcs[i].last);
        if (i > 0) CHECK(arcs[i - 1].last < arcs[i].first);
        if (i > 0 && arcs[i - 1].last + 1 == arcs[i].first)
            CHECK(arcs[i - 1].from != arcs[i].from || arcs[i - 1].to != arcs[i].to);
    }
    for (size_t i = 0; i < 4 * n + 50; i++) {
        uint64_t place = next_random(&random);
        if (i < 4 * n) { /* the ends of an arc, and what is just outside */
            const fb_ring_arc_t *arc = &arcs[i / 4];
            place = i % 4 == 0 ? arc->first : i % 4 == 1 ? arc->last : i % 4 == 2 ? arc->first - 1 : arc->last + 1;
        }
        const uint32_t from = a->n > 0 ? find_slowly(a, place) : FB_RING_NONE;
        const uint32_t to = b->n > 0 ? find_slowly(b, place) : FB_RING_NONE;
        const bool differ = from == FB_RING_NONE || to == FB_RING_NONE ? from != to : same[to] != from;
        size_t inside = n;
        for (size_t j = 0; j < n; j++)
            if (arcs[j].first <= place && place <= arcs[j].last) inside = j;
        CHECK(differ == (inside < n));
        if (inside < n) CHECK(arcs[inside].from == from && arcs[inside].to == to);
    }
    free(arcs);
}

static void differences(void) {
    for (size_t h = 0; h < 3; h++) {
        named_t names[9];
        for (unsigned i = 0; i < 9; i++) names[i] = node_called(i, 8 + 4 * i);
        for (uint32_t a = 0; a < 9; a += 2)
            for (uint32_t a_end = a; a_end <= 9; a_end += 3)
                for (uint32_t b = 0; b < 9; b += 3)
                    for (uint32_t b_end = b; b_end <= 9; b_end += 2) {
                        uint32_t same[9];
                        for (uint32_t i = b; i < b_end; i++)
                            same[i - b] = a <= i && i < a_end ? i - a : FB_RING_NONE;
                        fb_ring_t old = made(hashes[h], 0, names + a, a_end - a);
                        fb_ring_t new = made(hashes[h], 0, names + b, b_end - b);
                        check_diff(&old, &new, same);
                        fb_ring_drop(&old);
                        fb_ring_drop(&new);
                    }
    }
}

/* ---- keys -------------------------------------------------------------------------------------- */

static void hashers(void) {
    uint32_t digest[4];
    CHECK(fb_ring_hasher(FB_RING_XXH3) == NULL);
    static const struct {
        uint64_t word;
        bool negative;
        const char *text;
    } numbers[] = {
        {0, false, "0"},
        {7, false, "7"},
        {10, false, "10"},
        {UINT64_MAX, true, "-1"},
        {UINT64_MAX, false, "18446744073709551615"},
        {1ull << 63, true, "-9223372036854775808"},
        {1ull << 63, false, "9223372036854775808"},
    };
    for (size_t h = 1; h < 3; h++) {
        const fb_hasher_t *hasher = fb_ring_hasher(hashes[h]);
        const uint64_t low = hashes[h] == FB_RING_KETAMA;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            fb_md5(numbers[i].text, strlen(numbers[i].text), digest);
            const uint64_t want = (uint64_t)digest[0] << 32 | low;
            CHECK(hasher->integer(numbers[i].word, numbers[i].negative) == want);
            CHECK(hasher->bytes((const uint8_t *)numbers[i].text, strlen(numbers[i].text)) == want);
        }
        /* A batch is looked up by that hash: numbers across slices. */
        named_t names[MOST];
        for (unsigned i = 0; i < MOST; i++) names[i] = node_called(i, 8);
        fb_ring_t ring = made(hashes[h], 0, names, MOST);
        int64_t keys[600];
        int32_t out[600];
        for (int i = 0; i < 600; i++) keys[i] = i - 300;
        fb_keys_part_t part = {.layout = FB_KEYS_INT64, .n = 600, .data = keys};
        fb_ring_find_keys(&ring, (fb_keys_cursor_t){&part, 1, 0, 0}, 0, out);
        for (int i = 0; i < 600; i++) {
            const uint64_t place = hasher->integer((uint64_t)keys[i], keys[i] < 0);
            CHECK((uint32_t)out[i] == find_slowly(&ring, place));
        }
        fb_ring_drop(&ring);
    }
}

int main(void) {
    md5_vectors();
    md5_lengths();
    sizes();
    places_of_points();
    ties();
    extreme_places();
    many_nodes();
    too_many_points();
    chains();
    ranks();
    differences();
    hashers();
    return check_report();
}
