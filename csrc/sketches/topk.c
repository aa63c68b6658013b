/* Heavy hitters by Filtered Space-Saving [1, 2], mergeable [3], with forward decay [4].
 *
 * Idea. Space-Saving [1] keeps m counters. A key that has none takes over the coldest: it inherits
 * its count as a possible error, since it may have come as often before. Most keys of a long tail
 * come and go like that, and each time the order of the counters changes. So the tail is caught in a
 * filter first [2]: cells, to which hashes are spread. A key without a counter raises its cell; only
 * when the cell exceeds the coldest counter, the key takes that over, with the cell as its error.
 *
 *     key has a counter:        count += c
 *     else, with v = cell + c:
 *       there is a free counter, or v > least count:
 *                               new counter (count = v, error = cell);
 *                               cell of the replaced key = max(itself, the replaced count)
 *       else:                   cell = v
 *
 * Counters are totally ordered: hotter is the greater count, then the smaller error, then the
 * smaller hash; the coldest is replaced. So counters and cells depend on the stream alone, not on
 * how they are kept.
 *
 * Bounds, for N = sum of all counts. (1) A key without a counter came at most `cell` times, since
 * each of its arrivals raised the cell, or the count that the cell was raised to. So with a counter,
 * count - error <= true <= count. (2) The sum of the m counts is at most N, since what replaces a
 * least count u exceeds it by c at most; so u <= N/m. A cell is only raised up to u; so errors and
 * cells are at most N/m, and whatever came more often than N/m has a counter.
 *
 * Merging. Where a key has no counter, its cell stands for it, in count and error. Cells are added,
 * the m hottest counters stay, and the others raise their cells. Both bounds hold for the sum of the
 * streams: with B = the sum of both sides' larger of least count and largest cell, each count that
 * stays is at most what plain Space-Saving would add up to, those sums are at least B, and the m
 * largest of them sum to N at most [3]; so what counts exceed B by, plus m * B, is at most N, and
 * each arrival adds its c to that at most.
 *
 * Decay. Each arrival counts 2^(age/half-life) [4], where age is the time since a landmark; as of
 * now values are less by the weight of now. What is stored only grows, so nothing has to be touched
 * while time passes. Before weights grow out of hand the landmark is moved by whole half-lives, and
 * all values are multiplied by a power of two, which is exact.
 *
 * Layout. Counters by slot; a table from hashes to slots, open addressing, at most half full, a word
 * each of the hash's upper bits and the slot + 1; a heap of slots. A hit changes its counter and
 * nothing else: the heap keeps the older count, which is a lower bound, since counts only grow. When
 * the coldest is asked for, the root is sifted down until its count is the counter's own. So most keys
 * of a stream touch two or three cache lines and no order at all.
 *
 * Threads. None: one at a time.
 *
 * Complexity. A key: O(1) and, if it takes over a counter, O(log m) amortised: every sift follows a
 * hit or a takeover. Rank O(m + first * log first) expected; merge, fade O(m + cells).
 *
 * [1] A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements
 *     in data streams", ICDT 2005.
 * [2] N. Homem, J. P. Carvalho, "Finding top-k elements in data streams", Information Sciences
 *     180(24), 2010.
 * [3] P. K. Agarwal, G. Cormode, Z. Huang, J. Phillips, Z. Wei, K. Yi, "Mergeable summaries",
 *     PODS 2012.
 * [4] G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, "Forward decay: a practical time decay model
 *     for streaming systems", ICDE 2009.
 */
#include "topk.h"

#include <stdlib.h>

/* A word of the table: the hash without its lowest SLOT_BITS bits, and there the slot + 1. */
enum { SLOT_BITS = 27, ARITY = 4, FAR = 24, NEAR = 12, AHEAD_FROM = 1 << 14, MOST_BITS = 500 };
static const uint64_t SLOT_MASK = (1ull << SLOT_BITS) - 1;

/* ---- values ---------------------------------------------------------------------------------- */

FB_INLINE uint64_t plus(uint64_t a, uint64_t b, bool decays) {
    return decays ? fb_bits_of(fb_of_bits(a) + fb_of_bits(b)) : a + b;
}

FB_INLINE uint64_t weighed(uint64_t count, double weight, bool decays) {
    return decays ? fb_bits_of((double)count * weight) : count;
}

uint64_t fb_topk_plus(const fb_topk_t *t, uint64_t a, uint64_t b) { return plus(a, b, t->decays); }

uint64_t fb_topk_weighed(const fb_topk_t *t, uint64_t count, double weight) {
    return weighed(count, weight, t->decays);
}

/* 2^n for n in [-1022, 1023]. */
static double power_of_two(int n) { return fb_of_bits((uint64_t)(n + 1023) << 52); }

double fb_topk_weight(uint64_t age, uint64_t half_life) {
    static const double sixteenths[16] = {
        1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916,
        1.189207115002721, 1.241857812073484, 1.2968395546510096, 1.3542555469368927,
        1.4142135623730951, 1.4768261459394993, 1.5422108254079407, 1.6104903319492543,
        1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474};
    /* ln(2)^j / j!: the series of 2^x, of which x < 1/16 leaves less than half a bit. */
    static const double series[9] = {
        1.0, 0.6931471805599453, 0.24022650695910072, 0.05550410866482158, 0.009618129107628477,
        0.0013333558146428443, 0.0001540353039338161, 1.525273380405984e-05,
        1.321548679014431e-06};
    const double x = (double)(age % half_life) / (double)half_life * 16.0;
    const int whole = x < 15.0 ? (int)x : 15; /* x may be rounded up to 16 */
    const double rest = (x - (double)whole) * (1.0 / 16.0);
    double sum = series[8];
    for (int j = 7; j >= 0; j--) sum = sum * rest + series[j];
    return sum * sixteenths[whole] * power_of_two((int)(age / half_life));
}

/* ---- memory ---------------------------------------------------------------------------------- */

static unsigned bits_for(uint64_t n) { return n <= 1 ? 0 : 64 - fb_leading_zeros64(n - 1); }

/* At least twice the counters; at least 2, so that hashes are never shifted by 64. */
static uint64_t table_size(uint32_t capacity) { return 1ull << (bits_for(capacity) + 1); }

uint32_t fb_topk_counters_for(uint32_t k) {
    const uint32_t capacity = k * FB_TOPK_COUNTERS;
    return capacity > FB_TOPK_LEAST ? capacity : FB_TOPK_LEAST;
}

uint64_t fb_topk_cells_for(uint32_t capacity) {
    return 1ull << bits_for((uint64_t)capacity * FB_TOPK_CELLS);
}

static uint64_t lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/* Sets the arrays within `memory` and returns where they end. */
static uint64_t lay_out(fb_topk_t *t, uint8_t *memory) {
    const uint64_t m = t->capacity;
    uint64_t at = 0;
#define ARRAY(field, n)                                     \
    t->field = memory == NULL ? NULL : (void *)(memory + at); \
    at += lines((n) * sizeof *t->field);
    ARRAY(counters, m)
    ARRAY(cells, t->n_cells)
    ARRAY(table, table_size(t->capacity))
    ARRAY(heap, m)
    ARRAY(origin, m)
    ARRAY(changed, m)
#undef ARRAY
    return at;
}

size_t fb_topk_bytes(uint32_t capacity, uint64_t n_cells) {
    fb_topk_t t = {.capacity = capacity, .n_cells = n_cells};
    uint64_t bytes = lay_out(&t, NULL);
    return bytes > SIZE_MAX / 2 ? 0 : (size_t)bytes;
}

void fb_topk_init(fb_topk_t *t, uint32_t capacity, uint64_t n_cells, bool decays, void *memory) {
    *t = (fb_topk_t){.capacity = capacity, .n_cells = n_cells, .decays = decays};
    t->shift = 64 - (bits_for(capacity) + 1);
    lay_out(t, memory);
}

/* What remains of origin and changed is settled before. */
void fb_topk_clear(fb_topk_t *t) {
    memset(t->cells, 0, (size_t)t->n_cells * sizeof *t->cells);
    memset(t->table, 0, (size_t)table_size(t->capacity) * sizeof *t->table);
    t->n = 0;
    t->total = 0;
    t->ordered = false;
}

/* ---- the table ------------------------------------------------------------------------------- */

FB_INLINE uint64_t word_of(uint64_t h, uint32_t slot) { return (h & ~SLOT_MASK) | (slot + 1); }

FB_INLINE uint32_t slot_of(uint64_t word) { return (uint32_t)(word & SLOT_MASK) - 1; }

FB_INLINE uint32_t find(const fb_topk_t *t, uint64_t h) {
    const uint64_t mask = (1ull << (64 - t->shift)) - 1;
    for (uint64_t at = h >> t->shift;; at = (at + 1) & mask) {
        const uint64_t word = t->table[at];
        if (word == 0) return FB_TOPK_NONE;
        if ((word ^ h) <= SLOT_MASK && t->counters[slot_of(word)].hash == h) return slot_of(word);
    }
}

/* The place in the table of a slot that is in it. */
static uint64_t place_of(const fb_topk_t *t, uint32_t slot) {
    const uint64_t mask = (1ull << (64 - t->shift)) - 1;
    uint64_t at = t->counters[slot].hash >> t->shift;
    while (slot_of(t->table[at]) != slot) at = (at + 1) & mask;
    return at;
}

static void table_insert(fb_topk_t *t, uint32_t slot) {
    const uint64_t h = t->counters[slot].hash, mask = (1ull << (64 - t->shift)) - 1;
    uint64_t at = h >> t->shift;
    while (t->table[at] != 0) at = (at + 1) & mask;
    t->table[at] = word_of(h, slot);
}

/* Those behind move up, unless that would put them before the place their hash asks for. */
static void table_remove(fb_topk_t *t, uint32_t slot) {
    const uint64_t mask = (1ull << (64 - t->shift)) - 1;
    uint64_t hole = place_of(t, slot);
    for (uint64_t at = (hole + 1) & mask; t->table[at] != 0; at = (at + 1) & mask) {
        const uint64_t home = t->table[at] >> t->shift;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->table[hole] = t->table[at];
            hole = at;
        }
    }
    t->table[hole] = 0;
}

static void table_rebuild(fb_topk_t *t) {
    memset(t->table, 0, (size_t)table_size(t->capacity) * sizeof *t->table);
    for (uint32_t slot = 0; slot < t->n; slot++) table_insert(t, slot);
}

/* ---- order ----------------------------------------------------------------------------------- */

static bool hotter(const fb_topk_counter_t *a, const fb_topk_counter_t *b) {
    if (a->count != b->count) return a->count > b->count;
    if (a->error != b->error) return a->error < b->error;
    return a->hash < b->hash;
}

/* By the counts of the heap: error and hash of a slot change only together with them. */
FB_INLINE bool colder_node(const fb_topk_t *t, const fb_topk_node_t *a, const fb_topk_node_t *b) {
    if (FB_LIKELY(a->count != b->count)) return a->count < b->count;
    const fb_topk_counter_t *x = &t->counters[a->slot], *y = &t->counters[b->slot];
    if (x->error != y->error) return x->error > y->error;
    return x->hash > y->hash;
}

/* Puts `node` where it belongs, at place `at` or below. */
static void sift_down(fb_topk_t *t, uint32_t at, fb_topk_node_t node) {
    const uint32_t n = t->n;
    for (;;) {
        const uint64_t first = (uint64_t)at * ARITY + 1;
        if (first >= n) break;
        const uint64_t end = first + ARITY < n ? first + ARITY : n;
        uint64_t coldest = first;
        for (uint64_t child = first + 1; child < end; child++)
            if (colder_node(t, &t->heap[child], &t->heap[coldest])) coldest = child;
        if (!colder_node(t, &t->heap[coldest], &node)) break;
        t->heap[at] = t->heap[coldest];
        at = (uint32_t)coldest;
    }
    t->heap[at] = node;
}

static void make_heap(fb_topk_t *t) {
    for (uint32_t slot = 0; slot < t->n; slot++)
        t->heap[slot] = (fb_topk_node_t){t->counters[slot].count, slot};
    for (uint32_t at = (t->n + ARITY - 2) / ARITY; at-- > 0;) sift_down(t, at, t->heap[at]);
    t->ordered = true;
}

/* The root, once it is up to date. */
static fb_topk_node_t coldest(fb_topk_t *t) {
    if (!t->ordered) make_heap(t);
    for (;;) {
        fb_topk_node_t root = t->heap[0];
        const uint64_t count = t->counters[root.slot].count;
        if (count == root.count) return root;
        root.count = count;
        sift_down(t, 0, root);
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

FB_INLINE uint64_t *cell_of(const fb_topk_t *t, uint64_t h) {
    return &t->cells[h & (t->n_cells - 1)];
}

static void raise_cell(fb_topk_t *t, uint64_t h, uint64_t value) {
    uint64_t *cell = cell_of(t, h);
    if (*cell < value) *cell = value;
}

/* A key that has no counter and whose cell comes to `value`: gives it one, if that is due. */
static uint32_t admit(fb_topk_t *t, uint64_t h, uint64_t value) {
    uint64_t *cell = cell_of(t, h);
    const fb_topk_counter_t counter = {h, value, *cell};
    if (t->n < t->capacity) {
        const uint32_t slot = t->n++;
        t->counters[slot] = counter;
        table_insert(t, slot);
        t->ordered = false;
        return slot;
    }
    const fb_topk_node_t root = coldest(t);
    if (value <= root.count) {
        *cell = value;
        return FB_TOPK_NONE;
    }
    table_remove(t, root.slot);
    raise_cell(t, t->counters[root.slot].hash, root.count);
    t->counters[root.slot] = counter;
    table_insert(t, root.slot);
    sift_down(t, 0, (fb_topk_node_t){value, root.slot});
    return root.slot;
}

FB_INLINE uint32_t add(fb_topk_t *t, uint64_t h, uint64_t value, bool decays) {
    const uint32_t slot = find(t, h);
    if (slot != FB_TOPK_NONE) {
        t->counters[slot].count = plus(t->counters[slot].count, value, decays);
        return FB_TOPK_NONE;
    }
    uint64_t *cell = cell_of(t, h);
    const uint64_t sum = plus(*cell, value, decays);
    if (t->ordered && sum <= t->heap[0].count) {
        *cell = sum;
        return FB_TOPK_NONE;
    }
    return admit(t, h, sum);
}

uint32_t fb_topk_add(fb_topk_t *t, uint64_t h, uint64_t value) {
    t->total = plus(t->total, value, t->decays);
    return add(t, h, value, t->decays);
}

/* Where memory is far, two steps ahead of a key's turn: its place in the table and its cell are asked
 * for, then the counter that the table names. */
FB_INLINE void ask_table(const fb_topk_t *t, uint64_t h) {
    FB_PREFETCH(&t->table[h >> t->shift]);
    FB_PREFETCH_WRITE(cell_of(t, h));
}

FB_INLINE void ask_counter(const fb_topk_t *t, uint64_t h) {
    const uint64_t word = t->table[h >> t->shift];
    if (word != 0 && (word ^ h) <= SLOT_MASK) FB_PREFETCH_WRITE(&t->counters[slot_of(word)]);
}

FB_INLINE void add_slice(fb_topk_t *t, const uint64_t *h, size_t n, uint64_t first,
                         const uint64_t *counts, uint64_t count, double weight, bool decays,
                         bool ahead) {
    uint64_t total = t->total, value = weighed(count, weight, decays);
    for (size_t i = 0; ahead && i < (n < FAR ? n : FAR); i++) ask_table(t, h[i]);
    for (size_t i = 0; i < n; i++) {
        if (ahead && i + FAR < n) ask_table(t, h[i + FAR]);
        if (ahead && i + NEAR < n) ask_counter(t, h[i + NEAR]);
        if (counts != NULL) value = weighed(counts[i], weight, decays);
        if (value == 0) continue;
        total = plus(total, value, decays);
        const uint32_t slot = add(t, h[i], value, decays);
        if (slot == FB_TOPK_NONE) continue;
        if (t->origin[slot] == 0) t->changed[t->n_changed++] = slot;
        t->origin[slot] = first + i + 1;
    }
    t->total = total;
}

void fb_topk_add_keys(fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed, const uint64_t *counts,
                      uint64_t count, double weight) {
    const bool ahead = t->capacity >= AHEAD_FROM;
    uint64_t hashes[FB_KEYS_SLICE], first = 0;
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        const uint64_t *some = counts == NULL ? NULL : counts + first;
        if (t->decays)
            add_slice(t, hashes, n, first, some, count, weight, true, ahead);
        else if (ahead)
            add_slice(t, hashes, n, first, some, count, weight, false, true);
        else
            add_slice(t, hashes, n, first, some, count, weight, false, false);
        first += n;
    }
}

void fb_topk_settle(fb_topk_t *t) {
    for (uint32_t i = 0; i < t->n_changed; i++) t->origin[t->changed[i]] = 0;
    t->n_changed = 0;
}

void fb_topk_drop(fb_topk_t *t, uint32_t slot) {
    const uint32_t last = t->n - 1;
    table_remove(t, slot);
    raise_cell(t, t->counters[slot].hash, t->counters[slot].count);
    if (slot != last) {
        t->table[place_of(t, last)] = word_of(t->counters[last].hash, slot);
        t->counters[slot] = t->counters[last];
    }
    t->n = last;
    t->ordered = false;
}

uint64_t fb_topk_sum(const uint64_t *counts, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (counts[i] > FB_TOPK_MAX_TOTAL - sum) return UINT64_MAX;
        sum += counts[i];
    }
    return sum;
}

/* ---- looking up ------------------------------------------------------------------------------ */

uint32_t fb_topk_find(const fb_topk_t *t, uint64_t h) { return find(t, h); }

FB_INLINE uint64_t estimate(const fb_topk_t *t, uint64_t h) {
    const uint32_t slot = find(t, h);
    return slot == FB_TOPK_NONE ? *cell_of(t, h) : t->counters[slot].count;
}

uint64_t fb_topk_estimate(const fb_topk_t *t, uint64_t h) { return estimate(t, h); }

void fb_topk_estimate_keys(const fb_topk_t *t, fb_keys_cursor_t keys, uint64_t seed, double weight,
                           uint64_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < n; i++) out[i] = estimate(t, hashes[i]);
        if (t->decays)
            for (size_t i = 0; i < n; i++) out[i] = fb_bits_of(fb_of_bits(out[i]) / weight);
        out += n;
    }
}

bool fb_topk_among(const fb_topk_t *t, uint32_t slot, uint32_t k) {
    const fb_topk_counter_t mine = t->counters[slot];
    uint32_t hot = 0;
    for (uint32_t i = 0; i < t->n; i++) hot += hotter(&t->counters[i], &mine);
    return hot < k;
}

/* ---- the hottest ----------------------------------------------------------------------------- */

static void swap(fb_topk_ranked_t *a, fb_topk_ranked_t *b) {
    const fb_topk_ranked_t c = *a;
    *a = *b;
    *b = c;
}

/* items[0 .. n) is a heap with the coldest in front, but for what stands at `at`. */
static void sink(fb_topk_ranked_t *items, uint64_t at, uint64_t n) {
    for (uint64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && hotter(&items[child].counter, &items[child + 1].counter)) child++;
        if (!hotter(&items[at].counter, &items[child].counter)) break;
        swap(&items[at], &items[child]);
    }
}

/* Moves the `first` hottest of n items to the front, as a heap with the coldest of them there. */
static void select_hottest(fb_topk_ranked_t *items, uint64_t n, uint64_t first) {
    for (uint64_t at = first / 2; at-- > 0;) sink(items, at, first);
    for (uint64_t i = first; i < n && first > 0; i++)
        if (hotter(&items[i].counter, &items[0].counter)) {
            swap(&items[i], &items[0]);
            sink(items, 0, first);
        }
}

void fb_topk_rank(const fb_topk_t *t, fb_topk_ranked_t *out, uint32_t first) {
    for (uint32_t slot = 0; slot < t->n; slot++)
        out[slot] = (fb_topk_ranked_t){t->counters[slot], slot};
    select_hottest(out, t->n, first);
    for (uint64_t n = first; n > 1; n--) { /* the coldest to the end, again and again */
        swap(&out[0], &out[n - 1]);
        sink(out, 0, n - 1);
    }
}

/* ---- whole summaries ------------------------------------------------------------------------- */

FB_INLINE uint64_t times(uint64_t value, double factor, bool decays) {
    return decays ? fb_bits_of(fb_of_bits(value) * factor) : value;
}

void fb_topk_merge(fb_topk_t *t, const fb_topk_t *other, double factor, fb_topk_ranked_t *room) {
    const bool decays = t->decays;
    uint64_t n = 0;
    for (uint32_t slot = 0; slot < t->n; slot++) {
        fb_topk_counter_t sum = t->counters[slot];
        const uint32_t twin = find(other, sum.hash);
        const uint64_t cell = *cell_of(other, sum.hash);
        const uint64_t count = twin == FB_TOPK_NONE ? cell : other->counters[twin].count;
        const uint64_t error = twin == FB_TOPK_NONE ? cell : other->counters[twin].error;
        sum.count = plus(sum.count, times(count, factor, decays), decays);
        sum.error = plus(sum.error, times(error, factor, decays), decays);
        room[n++] = (fb_topk_ranked_t){sum, slot};
    }
    for (uint32_t slot = 0; slot < other->n; slot++) {
        fb_topk_counter_t sum = other->counters[slot];
        if (find(t, sum.hash) != FB_TOPK_NONE) continue;
        const uint64_t cell = *cell_of(t, sum.hash);
        sum.count = plus(cell, times(sum.count, factor, decays), decays);
        sum.error = plus(cell, times(sum.error, factor, decays), decays);
        room[n++] = (fb_topk_ranked_t){sum, t->n + slot};
    }
    for (uint64_t i = 0; i < t->n_cells; i++)
        t->cells[i] = plus(t->cells[i], times(other->cells[i], factor, decays), decays);
    const uint32_t stay = n < t->capacity ? (uint32_t)n : t->capacity;
    if (n > stay) select_hottest(room, n, stay);
    for (uint64_t i = stay; i < n; i++)
        raise_cell(t, room[i].counter.hash, room[i].counter.count);
    for (uint32_t slot = 0; slot < stay; slot++) t->counters[slot] = room[slot].counter;
    t->n = stay;
    t->total = plus(t->total, times(other->total, factor, decays), decays);
    t->ordered = false;
    table_rebuild(t);
}

bool fb_topk_celled(const fb_topk_t *t) {
    for (uint64_t i = 0; i < t->n_cells; i++)
        if (t->cells[i] != 0) return true;
    return false;
}

bool fb_topk_load(fb_topk_t *t, uint64_t total, const uint64_t *cells,
                  const fb_topk_counter_t *counters, uint32_t n) {
    /* As words: neither negative numbers nor what is not finite is below a positive number. */
    const uint64_t most = t->decays ? fb_bits_of(power_of_two(MOST_BITS)) : FB_TOPK_MAX_TOTAL;
    const uint64_t limit = t->decays ? most : total;
    if (total > most) return false;
    for (uint64_t i = 0; cells != NULL && i < t->n_cells; i++) {
        if (cells[i] > limit) return false;
        t->cells[i] = cells[i];
    }
    if (cells != NULL && !fb_topk_celled(t)) return false;
    for (uint32_t slot = 0; slot < n; slot++) {
        const fb_topk_counter_t *counter = &counters[slot];
        if (counter->count == 0 || counter->count > limit || counter->error > counter->count ||
            (slot > 0 && !hotter(counter - 1, counter)) || find(t, counter->hash) != FB_TOPK_NONE)
            return false;
        t->counters[slot] = *counter;
        table_insert(t, slot);
    }
    t->n = n;
    t->total = total;
    return true;
}

/* ---- decay ----------------------------------------------------------------------------------- */

/* A value after so many halvings, or 0 if that is as good as nothing. */
static uint64_t faded(uint64_t value, double factor) {
    const double x = fb_of_bits(value) * factor;
    return x < power_of_two(-FB_TOPK_HALVINGS) ? 0 : fb_bits_of(x);
}

uint32_t fb_topk_fade(fb_topk_t *t, uint64_t halvings, uint32_t *kept) {
    const double factor = halvings < MOST_BITS + 2 * FB_TOPK_HALVINGS ? power_of_two(-(int)halvings) : 0.0;
    uint32_t n = 0;
    for (uint32_t slot = 0; slot < t->n; slot++) {
        fb_topk_counter_t counter = t->counters[slot];
        counter.count = faded(counter.count, factor);
        counter.error = faded(counter.error, factor);
        if (counter.count == 0) continue;
        t->counters[n] = counter;
        kept[n++] = slot;
    }
    for (uint64_t i = 0; i < t->n_cells; i++) t->cells[i] = faded(t->cells[i], factor);
    t->total = faded(t->total, factor);
    t->n = n;
    t->ordered = false;
    table_rebuild(t);
    return n;
}
