/* Cuckoo filter [1], with any even number of buckets.
 *
 * Idea. Of each key a fingerprint of `bits` bits is kept, in one of two buckets of 4 slots. The two
 * buckets can be told from the fingerprint and either of them, so an entry can be moved to its other
 * bucket without the key:
 *
 *     hash h:        i1 = floor(h * n / 2^64)
 *                    fp = 1 + floor(low32(h) * (2^bits - 1) / 2^32)     never 0, which is an empty slot
 *     the other of i: (g(fp) - i) mod n
 *
 * where g mixes the fingerprint to an odd number below n. That is an involution for any n, so memory
 * need not be a power of two; and as n is even and g odd, one bucket of a pair is even and the other odd:
 * they are never the same, and every key has 8 slots.
 *
 * Full buckets. If neither bucket of a new key has an empty slot, a shortest chain of entries is sought,
 * breadth first, each of which can move on to its other bucket, the last one to an empty slot. Every
 * bucket has four ways on, so the queue is the tree itself: the children of node k are 4k + 2 .. 4k + 5,
 * and no parents need be kept. No bucket occurs twice on the chain that is found: if one did, leaving out
 * what lies between would give a shorter chain in the same tree, which would have been found before.
 *
 * Layout. The first 64 bytes: number of entries, number of moves, zeros. Then the slots, `bits` bits
 * each, four a bucket, without gaps from the lowest bit of the first 64-bit word on; zeros to the end of the
 * word, and one word of zeros, so that 8 bytes can be read from any. The bucket is read in one part of 4
 * slots, or two of 2, and their slots are compared with a fingerprint at once: a slot is zero iff subtracting
 * 1 borrows from its highest bit.
 *
 * Sizing. An absent key is compared with 8 slots, of which the share `load` is taken: the false-positive
 * rate is at most 8 * load / (2^bits - 1). Buckets are for a load of 0.95; a random graph has room up
 * to 0.98 [2]. SPARE more make sure of small filters: there the chance is larger that some buckets get
 * more keys than fit, e.g. a pair more than 8. Summed over all sets of buckets, that is below 1e-9 for
 * every capacity. With fingerprints of less than 8 bits a bucket would have so few partners that large
 * filters could not be filled.
 *
 * Threads. One writer; readers take no lock. All is read with acquire and written with release. A moved
 * entry is written to its new slot before its old one is overwritten, and before anything is overwritten, be
 * it moved or removed, `moves` is raised. A reader that found nothing looks at `moves` again. If it is
 * what it was before the first bucket was read, then no overwriting after that was seen, and all that was
 * copied before it was; otherwise the reader starts anew. A slot that is being written may be seen in part new,
 * in part old: as another fingerprint, which at worst is a false positive, for the bits of an entry that
 * stays do not change.
 *
 * A writer that dies half-way leaves every key in its place or in two, and perhaps a wrong number of
 * entries, which fb_cuckoo_admit sets right.
 *
 * Complexity. contains, remove: O(1), two cache misses. add: O(1) expected; a search sees at most
 * MAX_NODES buckets.
 *
 * [1] B. Fan, D. G. Andersen, M. Kaminsky, M. D. Mitzenmacher, "Cuckoo filter: practically better than
 *     Bloom", CoNEXT 2014.
 * [2] D. Fernholz, V. Ramachandran, "The k-orientability thresholds for G(n,p)", SODA 2007.
 */
#include "cuckoo.h"

#include "memory.h"
#include "xxh3.h"

enum {
    SLOTS = 4,
    MIN_BITS = 8,
    MAX_BITS = 27,
    NARROW_BITS = 14, /* up to here a bucket is read at once */
    SPARE = 16,       /* buckets */
    MAX_NODES = 2 + SLOTS * 512,
    AHEAD = 12,
    COPY_TRIES = 32,
    HEAD_WORDS = 8
};

static const double MARGIN = 0.85;

/* ---- sizing -------------------------------------------------------------------------------- */

fb_status_t fb_cuckoo_shape(uint64_t capacity, double fp_rate, fb_cuckoo_shape_t *shape) {
    if (capacity > FB_CUCKOO_MAX_BUCKETS * SLOTS) return FB_OUT_OF_RANGE;
    uint64_t n_buckets = 2;
    if (capacity > 2 * SLOTS) n_buckets = (capacity * 5 + 18) / 19 + SPARE; /* 3.8 a bucket */
    n_buckets += n_buckets & 1;
    if (n_buckets > FB_CUCKOO_MAX_BUCKETS) return FB_OUT_OF_RANGE;
    const double expected = 8.0 * ((double)capacity / (double)(SLOTS * n_buckets));
    unsigned bits = MIN_BITS;
    while (expected > fp_rate * MARGIN * (double)((1ull << bits) - 1)) bits++;
    fb_cuckoo_shape_t found = {n_buckets, bits};
    if (fb_cuckoo_bytes(found) > SIZE_MAX / 2) return FB_OUT_OF_RANGE;
    *shape = found;
    return FB_OK;
}

static uint64_t slot_bits(fb_cuckoo_shape_t shape) { return fb_cuckoo_slots(shape) * shape.bits; }

uint64_t fb_cuckoo_bytes(fb_cuckoo_shape_t shape) {
    return 8 * (HEAD_WORDS + (slot_bits(shape) + 63) / 64 + 1);
}

bool fb_cuckoo_shape_ok(fb_cuckoo_shape_t shape) {
    return shape.n_buckets >= 2 && shape.n_buckets <= FB_CUCKOO_MAX_BUCKETS &&
           shape.n_buckets % 2 == 0 && shape.bits >= MIN_BITS && shape.bits <= MAX_BITS;
}

void fb_cuckoo_init(fb_cuckoo_t *cuckoo, fb_cuckoo_shape_t shape, void *payload) {
    const unsigned slots = shape.bits <= NARROW_BITS ? SLOTS : SLOTS / 2;
    cuckoo->head = payload;
    cuckoo->words = cuckoo->head + HEAD_WORDS;
    cuckoo->shape = shape;
    cuckoo->mask = (1ull << slots * shape.bits) - 1;
    cuckoo->ones = 0;
    for (unsigned i = 0; i < slots; i++) cuckoo->ones |= 1ull << i * shape.bits;
    cuckoo->highs = cuckoo->ones << (shape.bits - 1);
}

/* ---- places -------------------------------------------------------------------------------- */

/* Buckets and slots are named by the position of their lowest bit; 4 * bits from one bucket to the
 * next, bits from one slot to the next. */
#define NOWHERE UINT64_MAX

typedef struct {
    uint64_t first, second; /* buckets */
    uint32_t fp;
} place_t;

FB_INLINE unsigned step_of(fb_cuckoo_shape_t shape) { return SLOTS * shape.bits; }

FB_INLINE uint64_t other_bucket(fb_cuckoo_shape_t shape, uint64_t bucket, uint32_t fp) {
    uint64_t mixed = fp * FB_XXH_PRIME64_1;
    mixed = (mixed ^ mixed >> 32) * FB_XXH_PRIME64_2;
    const uint64_t sum = (2 * fb_reduce64(mixed, shape.n_buckets / 2) + 1) * step_of(shape);
    const uint64_t other = sum - bucket, end = shape.n_buckets * step_of(shape);
    return other + (end & (0 - (other >> 63))); /* a branch would be mispredicted half of the time */
}

FB_INLINE place_t place_of(fb_cuckoo_shape_t shape, uint64_t h) {
    place_t at;
    at.first = fb_reduce64(h, shape.n_buckets) * step_of(shape);
    at.fp = 1 + (uint32_t)((h & 0xffffffffu) * ((1ull << shape.bits) - 1) >> 32);
    at.second = other_bucket(shape, at.first, at.fp);
    return at;
}

/* ---- slots --------------------------------------------------------------------------------- */

/* At least 57 bits from a position on. */
FB_INLINE uint64_t bits_at(const fb_cuckoo_t *c, uint64_t position) {
    return fb_acquire_unaligned64((const uint8_t *)c->words + position / 8) >> position % 8;
}

FB_INLINE uint32_t get(const fb_cuckoo_t *c, uint64_t slot) {
    return (uint32_t)bits_at(c, slot) & ((1u << c->shape.bits) - 1);
}

FB_INLINE void set(fb_cuckoo_t *c, uint64_t slot, uint32_t fp) {
    uint64_t *word = c->words + slot / 64;
    const unsigned shift = slot % 64, bits = c->shape.bits;
    const uint64_t all = (1ull << bits) - 1;
    uint64_t value = fb_atomic_load64(word);
    fb_atomic_release64(word, (value & ~(all << shift)) | (uint64_t)fp << shift);
    if (shift + bits <= 64) return;
    value = fb_atomic_load64(++word);
    fb_atomic_release64(word, (value & ~(all >> (64 - shift))) | (uint64_t)fp >> (64 - shift));
}

/* Before an entry is overwritten. */
FB_INLINE void moved(fb_cuckoo_t *c) {
    fb_atomic_release64(c->head + 1, fb_atomic_load64(c->head + 1) + 1);
}

FB_INLINE void lengthen(fb_cuckoo_t *c, uint64_t by) {
    fb_atomic_store64(c->head, fb_cuckoo_len(c) + by);
}

FB_INLINE uint64_t slots_of(const fb_cuckoo_t *c) { return fb_cuckoo_slots(c->shape); }

FB_INLINE bool narrow(const fb_cuckoo_t *c) { return c->shape.bits <= NARROW_BITS; }

/* The highest bit of each slot of a part that equals fp (and perhaps of slots above one that does);
 * `wanted` is fp in every slot. */
FB_INLINE uint64_t matches(const fb_cuckoo_t *c, uint64_t part, uint64_t wanted) {
    const uint64_t apart = (bits_at(c, part) & c->mask) ^ wanted;
    return (apart - c->ones) & ~apart & c->highs;
}

FB_INLINE uint64_t matches_in(const fb_cuckoo_t *c, uint64_t bucket, uint64_t wanted,
                              bool one_part) {
    uint64_t found = matches(c, bucket, wanted);
    if (!one_part) found |= matches(c, bucket + 2 * c->shape.bits, wanted);
    return found;
}

/* The first slot of a bucket that holds fp, or NOWHERE. */
FB_INLINE uint64_t find(const fb_cuckoo_t *c, uint64_t bucket, uint32_t fp) {
    const unsigned bits = c->shape.bits;
    const uint64_t wanted = fp * c->ones;
    uint64_t found = matches(c, bucket, wanted);
    if (found == 0 && !narrow(c)) {
        bucket += 2 * bits;
        found = matches(c, bucket, wanted);
    }
    return found == 0 ? NOWHERE : bucket + fb_trailing_zeros64(found) - (bits - 1);
}

FB_INLINE unsigned count_in(const fb_cuckoo_t *c, uint64_t bucket, uint32_t fp) {
    unsigned count = 0;
    for (unsigned i = 0; i < SLOTS; i++) count += get(c, bucket + i * c->shape.bits) == fp;
    return count;
}

/* ---- one key ------------------------------------------------------------------------------- */

FB_INLINE bool contains(const fb_cuckoo_t *c, uint64_t h, bool one_part) {
    const place_t at = place_of(c->shape, h);
    const uint64_t wanted = at.fp * c->ones;
    uint64_t moves = fb_atomic_acquire64(c->head + 1);
    for (;;) {
        if (matches_in(c, at.first, wanted, one_part) != 0) return true;
        if (matches_in(c, at.second, wanted, one_part) != 0) return true;
        const uint64_t now = fb_atomic_acquire64(c->head + 1);
        if (FB_LIKELY(now == moves)) return false;
        moves = now;
    }
}

bool fb_cuckoo_contains(const fb_cuckoo_t *c, uint64_t h) {
    return narrow(c) ? contains(c, h, true) : contains(c, h, false);
}

/* The slot that an entry on the way to a node of the tree moves from. */
FB_INLINE uint64_t way_to(const fb_cuckoo_t *c, const uint64_t *nodes, size_t node) {
    return nodes[(node - 2) / SLOTS] + (node - 2) % SLOTS * c->shape.bits;
}

/* Both buckets are full: a slot in one of them that moves have emptied, or NOWHERE. */
static uint64_t make_room(fb_cuckoo_t *c, place_t at) {
    uint64_t nodes[MAX_NODES], empty = NOWHERE;
    size_t node = 2;
    nodes[0] = at.first;
    nodes[1] = at.second;
    for (; node < MAX_NODES; node++) {
        const uint64_t from = way_to(c, nodes, node);
        nodes[node] = other_bucket(c->shape, nodes[(node - 2) / SLOTS], get(c, from));
        empty = find(c, nodes[node], 0);
        if (empty != NOWHERE) break;
    }
    if (empty == NOWHERE) return NOWHERE;
    for (; node >= 2; node = (node - 2) / SLOTS) {
        const uint64_t from = way_to(c, nodes, node);
        set(c, empty, get(c, from));
        moved(c);
        empty = from;
    }
    return empty;
}

FB_INLINE fb_status_t add(fb_cuckoo_t *c, place_t at) {
    uint64_t empty = find(c, at.first, 0);
    if (empty == NOWHERE) empty = find(c, at.second, 0);
    if (empty == NOWHERE) empty = make_room(c, at);
    if (empty == NOWHERE) return FB_FULL;
    set(c, empty, at.fp);
    lengthen(c, 1);
    return FB_OK;
}

FB_INLINE bool take(fb_cuckoo_t *c, place_t at) {
    uint64_t found = find(c, at.first, at.fp);
    if (found == NOWHERE) found = find(c, at.second, at.fp);
    if (found == NOWHERE) return false;
    moved(c);
    set(c, found, 0);
    if (fb_cuckoo_len(c) > 0) lengthen(c, UINT64_MAX); /* always, unless another wrote to the file */
    return true;
}

fb_status_t fb_cuckoo_add(fb_cuckoo_t *c, uint64_t h) { return add(c, place_of(c->shape, h)); }

bool fb_cuckoo_remove(fb_cuckoo_t *c, uint64_t h) { return take(c, place_of(c->shape, h)); }

/* ---- batches ------------------------------------------------------------------------------- */

/* The places of the next keys; 0 at the end. */
static size_t next_places(const fb_cuckoo_t *c, fb_keys_cursor_t *keys, uint64_t seed,
                          uint64_t *hashes, place_t *places) {
    const size_t n = fb_keys_next(keys, seed, hashes, FB_KEYS_SLICE);
    const fb_cuckoo_shape_t shape = c->shape;
    for (size_t i = 0; i < n; i++) places[i] = place_of(shape, hashes[i]);
    return n;
}

#define FETCH(prefetch, place)                \
    prefetch(c->words + (place).first / 64);  \
    prefetch(c->words + (place).second / 64)

/* Each key's buckets are asked for AHEAD keys before its turn, so that cache misses overlap. */
#define FOR_SLICE(prefetch, body)                 \
    for (size_t i = 0; i < n && i < AHEAD; i++) { \
        FETCH(prefetch, at[i]);                   \
    }                                             \
    for (size_t i = 0; i < n; i++) {              \
        if (i + AHEAD < n) {                      \
            FETCH(prefetch, at[i + AHEAD]);       \
        }                                         \
        body;                                     \
    }

/* `filter` is a copy, so that its fields can stay in registers. */
FB_INLINE void contains_slice(fb_cuckoo_t filter, const place_t *at, size_t n, bool *out,
                              bool one_part) {
    const fb_cuckoo_t *c = &filter;
    FOR_SLICE(FB_PREFETCH, {
        const uint64_t wanted = at[i].fp * c->ones;
        out[i] = (matches_in(c, at[i].first, wanted, one_part) |
                  matches_in(c, at[i].second, wanted, one_part)) != 0;
    })
}

void fb_cuckoo_contains_keys(const fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed,
                             bool *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    place_t places[FB_KEYS_SLICE];
    size_t n;
    while ((n = next_places(c, &keys, seed, hashes, places)) > 0) {
        const uint64_t moves = fb_atomic_acquire64(c->head + 1);
        if (narrow(c))
            contains_slice(*c, places, n, out, true);
        else
            contains_slice(*c, places, n, out, false);
        if (fb_atomic_acquire64(c->head + 1) != moves)
            for (size_t i = 0; i < n; i++) out[i] = out[i] || fb_cuckoo_contains(c, hashes[i]);
        out += n;
    }
}

fb_status_t fb_cuckoo_add_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    place_t at[FB_KEYS_SLICE];
    fb_keys_cursor_t again = keys;
    size_t n, done = 0;
    uint64_t room = slots_of(c) - fb_cuckoo_len(c);
    for (size_t part = 0; part < keys.n_parts; part++) {
        if (keys.parts[part].n > room) return FB_FULL;
        room -= keys.parts[part].n;
    }
    fb_status_t status = FB_OK;
    while (status == FB_OK && (n = next_places(c, &keys, seed, hashes, at)) > 0) {
        FOR_SLICE(FB_PREFETCH_WRITE, {
            status = add(c, at[i]);
            if (FB_UNLIKELY(status != FB_OK)) break;
            done++;
        })
    }
    if (status == FB_OK) return FB_OK;
    while (done > 0 && (n = next_places(c, &again, seed, hashes, at)) > 0)
        for (size_t i = 0; i < n && done > 0; i++, done--) (void)take(c, at[i]);
    return status;
}

void fb_cuckoo_remove_keys(fb_cuckoo_t *c, fb_keys_cursor_t keys, uint64_t seed, bool *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    place_t at[FB_KEYS_SLICE];
    size_t n;
    while ((n = next_places(c, &keys, seed, hashes, at)) > 0) {
        FOR_SLICE(FB_PREFETCH_WRITE, out[i] = take(c, at[i]))
        out += n;
    }
}

/* ---- whole filters ------------------------------------------------------------------------- */

/* The entry in the i-th slot of the filter, with the bucket it lies in as its first; false if the slot
 * is empty. */
FB_INLINE bool entry(const fb_cuckoo_t *c, uint64_t i, place_t *at) {
    at->fp = get(c, i * c->shape.bits);
    if (at->fp == 0) return false;
    at->first = i / SLOTS * step_of(c->shape);
    at->second = other_bucket(c->shape, at->first, at->fp);
    return true;
}

static void unmerge(fb_cuckoo_t *into, const fb_cuckoo_t *from, uint64_t slots) {
    place_t at;
    for (uint64_t slot = 0; slot < slots; slot++)
        if (entry(from, slot, &at)) (void)take(into, at);
}

fb_status_t fb_cuckoo_merge(fb_cuckoo_t *into, const fb_cuckoo_t *from) {
    place_t at;
    if (fb_cuckoo_len(from) > slots_of(into) - fb_cuckoo_len(into)) return FB_FULL;
    for (uint64_t slot = 0; slot < slots_of(from); slot++) {
        if (!entry(from, slot, &at) || add(into, at) == FB_OK) continue;
        unmerge(into, from, slot);
        return FB_FULL;
    }
    return FB_OK;
}

void fb_cuckoo_unmerge(fb_cuckoo_t *into, const fb_cuckoo_t *from) {
    unmerge(into, from, slots_of(from));
}

static size_t words_of(const fb_cuckoo_t *c) {
    return (size_t)(fb_cuckoo_bytes(c->shape) / 8) - HEAD_WORDS;
}

void fb_cuckoo_clear(fb_cuckoo_t *c) {
    moved(c);
    for (size_t i = 0, n = words_of(c); i < n; i++) fb_atomic_release64(c->words + i, 0);
    fb_atomic_store64(c->head, 0);
}


/* Entries, counted: the head of a mapped file may tell another number if its writer was killed. */
static uint64_t counted(const fb_cuckoo_t *c) {
    const uint64_t step = (narrow(c) ? SLOTS : SLOTS / 2) * c->shape.bits, lows = c->highs - c->ones;
    const uint64_t end = slot_bits(c->shape);
    uint64_t count = 0;
    for (uint64_t at = 0; at < end; at += step) {
        const uint64_t part = bits_at(c, at) & c->mask;
        count += fb_popcount64((((part & lows) + lows) | part) & c->highs);
    }
    return count;
}

bool fb_cuckoo_equal(const fb_cuckoo_t *a, const fb_cuckoo_t *b) {
    if (counted(a) != counted(b)) return false;
    place_t at;
    for (uint64_t slot = 0; slot < slots_of(a); slot++)
        if (entry(a, slot, &at) &&
            count_in(a, at.first, at.fp) + count_in(a, at.second, at.fp) !=
                count_in(b, at.first, at.fp) + count_in(b, at.second, at.fp))
            return false;
    return true;
}

bool fb_cuckoo_copy(const fb_cuckoo_t *c, void *into) {
    for (int i = 0; i < COPY_TRIES; i++) {
        const uint64_t moves = fb_atomic_acquire64(c->head + 1);
        fb_copy_shared(into, c->head, (size_t)fb_cuckoo_bytes(c->shape));
        fb_atomic_fence(); /* what was copied was read before what follows */
        if (fb_atomic_acquire64(c->head + 1) == moves) return true;
    }
    return false;
}

bool fb_cuckoo_admit(fb_cuckoo_t *c, bool writable) {
    uint64_t unused = 0;
    for (size_t i = 2; i < HEAD_WORDS; i++) unused |= fb_atomic_load64(c->head + i);
    const uint64_t end = slot_bits(c->shape);
    if (end % 64 != 0) unused |= fb_atomic_load64(c->words + end / 64) >> end % 64;
    unused |= fb_atomic_load64(c->words + words_of(c) - 1);
    if (unused != 0 || fb_cuckoo_len(c) > slots_of(c)) return false;
    if (writable) fb_atomic_store64(c->head, counted(c));
    return true;
}
