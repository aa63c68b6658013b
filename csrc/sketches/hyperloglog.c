/* HyperLogLog [1] with the sparse start of [2] and the estimator of [3].
 *
 * Idea. The rank of a hash is the place of its first 1 bit: rank k comes once in 2^k. The first p bits
 * pick one of m = 2^p registers, which keeps the highest rank of the bits behind them:
 *
 *     hash h:  | index: p bits | 0 0 0 1 . . . . |      rank 4;  1 .. 65 - p
 *     dense:   m registers of one byte; 0: no key came here
 *
 * m log-sized memories of a maximum; their harmonic mean tells the number of distinct keys with a
 * standard error of 1.04 / sqrt(m). Adding a key twice changes nothing, and the maximum of two
 * sketches' registers is the sketch of the union.
 *
 * Sparse. A sketch of few keys lists them as entries of 32 bits: index and rank at precision 26
 *
 *     | index: 26 bits | rank: 6 bits |                 rank 1 .. 39, so an entry is never 0
 *
 * in an open-addressing table. A key's place is index * slots / 2^26, then the next free one; the
 * table grows by half when it is 3/4 full. An entry tells all of a hash that any register can want
 * (see hash_like), so the dense form can be had exactly. A sketch becomes dense by the entry that
 * would make them take more than 3/4 of the bytes of the registers: the form, like all the state, is
 * a function of the set of keys, whatever the order or the grouping they came in. For p < 8 there is
 * no sparse form: it would save nothing.
 *
 * Estimate. Dense: the improved raw estimator of [3] from the number of registers of each value: no
 * tables of corrections, no change of method at some count. It is made for large m; what bias is left
 * for small ones, the 1.079 / m of [1] when all registers are in use, is taken off in proportion to
 * the share that is. Sparse: linear counting of 2^26
 * cells, as good as exact. Only + - * / and sqrt, which IEEE 754 defines to the last bit, are used, so
 * every platform, and the pure-Python twin, gives the same.
 *
 * Invariants. Sparse: n <= allowed(p) entries of distinct index, at most 3/4 of slots. Registers are
 * at most 65 - p; masks make sure that those of a mapped file that are not do no harm.
 *
 * The number of registers of each value is kept from one estimate to the next while keys are added one
 * by one, by a writer that excludes all others; any other change makes it be taken anew.
 *
 * Threads. Registers are only ever raised, by compare-and-swap of a byte: any number of threads or
 * processes may add. Once there are registers, they stay where they are until the sketch is freed,
 * cleared or not. Whoever uses the table excludes everybody else. The form changes by one store after
 * all else is ready; `n` may be read at any time.
 *
 * Complexity. add: O(1), amortised while sparse. estimate: O(1) sparse, O(m) dense, or O(log m) (see above).
 *
 * [1] P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal
 *     cardinality estimation algorithm", AofA 2007.
 * [2] S. Heule, M. Nunkesser, A. Hall, "HyperLogLog in practice", EDBT 2013.
 * [3] O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284,
 *     2017.
 */
#include "hyperloglog.h"

#include <math.h>
#include <stdlib.h>

#include "memory.h"

enum { SPARSE_P = 26, RANK_BITS = 6, RANK_MASK = 63, VALUES = 64, SPARSE_FROM = 8, MIN_SLOTS = 8 };

static const uint64_t EACH_TOP = 0x8080808080808080ull; /* the highest bit of each byte */

FB_INLINE size_t registers_of(unsigned p) { return (size_t)1 << p; }

uint32_t fb_hll_entries_allowed(unsigned p) { return p < SPARSE_FROM ? 0 : 3u << (p - 4); }

void fb_hll_init(fb_hll_t *hll, unsigned p, uint8_t *registers) {
    *hll = (fb_hll_t){.p = p, .dense = registers != NULL, .registers = registers};
}

void fb_hll_free(fb_hll_t *hll, const void *lent) {
    if (hll->registers != lent) fb_free_zeroed(hll->registers);
    free(hll->table);
    free(hll->counts);
    hll->registers = NULL;
    hll->table = NULL;
    hll->counts = NULL;
}

/* ---- the sparse form ----------------------------------------------------------------------- */

FB_INLINE uint32_t entry_of(uint64_t h) {
    uint32_t rank = fb_leading_zeros64(h << SPARSE_P | 1ull << (SPARSE_P - 1)) + 1;
    return (uint32_t)(h >> (64 - SPARSE_P)) << RANK_BITS | rank;
}

/* A hash with the entry's index and rank at precision 26, and so with the index and rank at any
 * smaller precision that the hash behind the entry has. */
FB_INLINE uint64_t hash_like(uint32_t entry) {
    const uint64_t behind = 1ull << (64 - SPARSE_P);
    return (uint64_t)(entry >> RANK_BITS) << (64 - SPARSE_P) | behind >> (entry & RANK_MASK);
}

/* The place of the entry with the same index, or the free one where it belongs. */
static uint32_t *find(uint32_t *table, uint32_t slots, uint32_t entry) {
    uint32_t *at = table + ((uint64_t)(entry >> RANK_BITS) * slots >> SPARSE_P);
    while (*at != 0 && (*at ^ entry) >> RANK_BITS != 0)
        if (++at == table + slots) at = table;
    return at;
}

/* A table for `least` entries and some more, with those that there are. */
static fb_status_t grow(fb_hll_t *hll, uint32_t least) {
    const uint32_t most = fb_hll_entries_allowed(hll->p) / 3 * 4;
    uint32_t slots = hll->slots + hll->slots / 2;
    if (slots < least + (least + 2) / 3) slots = least + (least + 2) / 3;
    if (slots < MIN_SLOTS) slots = MIN_SLOTS;
    if (slots > most) slots = most;
    uint32_t *table = calloc(slots, sizeof *table);
    if (table == NULL) return FB_NO_MEMORY;
    for (uint32_t i = 0; i < hll->slots; i++)
        if (hll->table[i] != 0) *find(table, slots, hll->table[i]) = hll->table[i];
    free(hll->table);
    hll->table = table;
    hll->slots = slots;
    return FB_OK;
}

static fb_status_t add_sparse(fb_hll_t *hll, uint64_t h) {
    const uint32_t entry = entry_of(h);
    uint32_t *at = hll->slots == 0 ? NULL : find(hll->table, hll->slots, entry);
    if (at != NULL && *at != 0) {
        if (*at < entry) *at = entry;
        return FB_OK;
    }
    fb_status_t status = FB_OK;
    if (hll->n == fb_hll_entries_allowed(hll->p)) {
        status = fb_hll_make_dense(hll);
        if (status == FB_OK) fb_hll_raise(hll->registers, hll->p, h);
        return status;
    }
    if (hll->n + 1 > hll->slots * 3 / 4) {
        status = grow(hll, hll->n + 1);
        if (status != FB_OK) return status;
        at = find(hll->table, hll->slots, entry);
    }
    *at = entry;
    fb_atomic_store32(&hll->n, hll->n + 1);
    return FB_OK;
}

static void forget_counts(fb_hll_t *hll) { fb_atomic_store8(&hll->counted, 0); }

/* But not `n`: who has just seen that the sketch is sparse may be about to read it. */
static void drop_table(fb_hll_t *hll) {
    free(hll->table);
    hll->table = NULL;
    hll->slots = 0;
}

static void zero_registers(fb_hll_t *hll) {
    uint64_t *words = (uint64_t *)(void *)hll->registers;
    for (size_t i = 0; i < registers_of(hll->p) / 8; i++) fb_atomic_store64(words + i, 0);
}

fb_status_t fb_hll_make_dense(fb_hll_t *hll) {
    if (fb_hll_is_dense(hll)) return FB_OK;
    if (hll->registers == NULL) {
        hll->registers = fb_alloc_zeroed(registers_of(hll->p));
        if (hll->registers == NULL) return FB_NO_MEMORY;
    } else {
        zero_registers(hll); /* left from before it was cleared */
    }
    const unsigned p = hll->p;
    uint8_t *registers = hll->registers;
    for (uint32_t i = 0; i < hll->slots; i++)
        if (hll->table[i] != 0) fb_hll_raise(registers, p, hash_like(hll->table[i]));
    forget_counts(hll);
    fb_atomic_release64(&hll->dense, 1);
    drop_table(hll);
    return FB_OK;
}

/* ---- keys one by one ------------------------------------------------------------------------- */

fb_status_t fb_hll_add_seldom(fb_hll_t *hll, uint64_t h) {
    if (!fb_hll_is_dense(hll)) return add_sparse(hll, h);
    uint8_t *at = hll->registers + (h >> (64 - hll->p));
    const uint8_t now = fb_atomic_load8(at) & RANK_MASK, rank = fb_hll_rank(hll->p, h);
    if (rank <= now) return FB_OK;
    if (hll->counted != 0) {
        hll->counts[now]--;
        hll->counts[rank]++;
    }
    fb_hll_raise(hll->registers, hll->p, h);
    return FB_OK;
}

fb_status_t fb_hll_add_shared(fb_hll_t *hll, uint64_t h) {
    if (!fb_hll_is_dense(hll)) return add_sparse(hll, h);
    forget_counts(hll);
    fb_hll_raise(hll->registers, hll->p, h);
    return FB_OK;
}

/* ---- batches ------------------------------------------------------------------------------- */

static void raise_slice(uint8_t *registers, unsigned p, const uint64_t *h, size_t n) {
    for (size_t i = 0; i < n; i++) fb_hll_raise(registers, p, h[i]);
}

fb_status_t fb_hll_add_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    forget_counts(hll);
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        size_t i = 0;
        for (; i < n && !fb_hll_is_dense(hll); i++) {
            fb_status_t status = add_sparse(hll, hashes[i]);
            if (status != FB_OK) return status;
        }
        raise_slice(hll->registers, hll->p, hashes + i, n - i);
    }
    return FB_OK;
}

void fb_hll_raise_keys(fb_hll_t *hll, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n;
    forget_counts(hll);
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0)
        raise_slice(hll->registers, hll->p, hashes, n);
}

/* ---- whole sketches ------------------------------------------------------------------------ */

static fb_status_t unite_entries(fb_hll_t *into, const uint32_t *entries, size_t n) {
    fb_status_t status = FB_OK;
    for (size_t i = 0; i < n && status == FB_OK; i++)
        if (entries[i] != 0) status = fb_hll_add_shared(into, hash_like(entries[i]));
    return status;
}

/* The higher of each pair of bytes, all below 128. */
FB_INLINE uint64_t higher_bytes(uint64_t a, uint64_t b) {
    uint64_t keep = (((a | EACH_TOP) - b) & EACH_TOP) >> 7; /* 1 where a >= b */
    keep *= 0xff;
    return (a & keep) | (b & ~keep);
}

static void raise_to(uint8_t *restrict ours, const uint8_t *restrict theirs, size_t n) {
    for (size_t i = 0; i < n; i++) ours[i] = theirs[i] > ours[i] ? theirs[i] : ours[i];
}

fb_status_t fb_hll_unite(fb_hll_t *into, const fb_hll_t *from) {
    if (!fb_hll_is_dense(from)) return unite_entries(into, from->table, from->slots);
    fb_status_t status = fb_hll_make_dense(into);
    if (status != FB_OK) return status;
    if (into != from) raise_to(into->registers, from->registers, registers_of(into->p));
    forget_counts(into);
    return FB_OK;
}

fb_status_t fb_hll_unite_bytes(fb_hll_t *into, const void *payload, size_t size) {
    if (size != registers_of(into->p)) return unite_entries(into, payload, size / 4);
    fb_status_t status = fb_hll_make_dense(into);
    if (status != FB_OK) return status;
    uint64_t *words = (uint64_t *)(void *)into->registers;
    forget_counts(into);
    for (size_t i = 0; i < size / 8; i++) {
        const uint64_t theirs = fb_read64((const uint8_t *)payload + 8 * i);
        uint64_t now = fb_atomic_load64(words + i), higher;
        do higher = higher_bytes(now, theirs);
        while (higher != now && !fb_atomic_replace64(words + i, &now, higher));
    }
    return FB_OK;
}

void fb_hll_clear(fb_hll_t *hll, bool allowed) {
    forget_counts(hll);
    if (allowed && fb_hll_entries_allowed(hll->p) > 0) {
        drop_table(hll);
        fb_atomic_store32(&hll->n, 0);
        fb_atomic_release64(&hll->dense, 0);
    } else {
        zero_registers(hll);
    }
}

bool fb_hll_empty(const fb_hll_t *hll) {
    if (!fb_hll_is_dense(hll)) return fb_atomic_load32(&hll->n) == 0;
    const uint64_t *words = (const uint64_t *)(const void *)hll->registers;
    for (size_t i = 0; i < registers_of(hll->p) / 8; i++)
        if (fb_atomic_load64(words + i) != 0) return false;
    return true;
}

size_t fb_hll_memory(const fb_hll_t *hll) {
    return (hll->registers != NULL ? registers_of(hll->p) : 0) + 4 * (size_t)hll->slots +
           (hll->counts != NULL ? VALUES * sizeof *hll->counts : 0);
}

/* ---- estimate ------------------------------------------------------------------------------ */

/* x + sum over k >= 1 of x^(2^k) * 2^(k-1), for 0 <= x <= 1. */
static double sigma(double x) {
    if (x == 1.0) return INFINITY;
    double y = 1.0, z = x, before = -1.0;
    while (z != before) {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    }
    return z;
}

/* (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3, for 0 <= x <= 1. */
static double tau(double x) {
    if (x == 0.0 || x == 1.0) return 0.0;
    double y = 1.0, z = 1.0 - x, before = -1.0;
    while (z != before) {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
    }
    return z / 3.0;
}

/* How many registers have each value. Four counters a value, so that equal neighbours need not wait
 * for each other. */
static void count_values(const fb_hll_t *hll, uint32_t counts[VALUES]) {
    uint32_t parts[4][VALUES];
    memset(parts, 0, sizeof parts);
    const uint64_t *words = (const uint64_t *)(const void *)hll->registers;
    for (size_t i = 0; i < registers_of(hll->p) / 8; i++) {
        const uint64_t word = fb_atomic_load64(words + i);
        for (unsigned j = 0; j < 8; j++) parts[j % 4][word >> 8 * j & RANK_MASK]++;
    }
    for (size_t v = 0; v < VALUES; v++)
        counts[v] = parts[0][v] + parts[1][v] + parts[2][v] + parts[3][v];
}

static double estimate_dense(const uint32_t counts[VALUES], unsigned p) {
    const double alpha = 0.7213475204444817; /* 1 / (2 ln 2) */
    const double m = (double)registers_of(p), most = 18446744073709551616.0;
    const double unused = (double)counts[0] / m;
    unsigned k = 64 - p;
    double z = m * tau(1.0 - (double)counts[k + 1] / m);
    if (z == 0.0)
        while (k > 0 && counts[k] == 0) k--; /* or it is halved, time and again */
    for (; k > 0; k--) z = 0.5 * (z + (double)counts[k]);
    z += m * sigma(unused);
    if (z == 0.0) return most;
    const double estimate = alpha * m * m / (z * (1.0 + 1.079 / m * (1.0 - unused)));
    return estimate < most ? estimate : most;
}

/* -m ln(1 - n / m) for m = 2^26, by its power series. */
static double estimate_sparse(uint32_t n) {
    const double m = (double)(1u << SPARSE_P), x = (double)n / m;
    double power = x, sum = x, before = -1.0, k = 1.0;
    while (sum != before) {
        power *= x;
        k += 1.0;
        before = sum;
        sum += power / k;
    }
    return sum * m;
}

double fb_hll_estimate(const fb_hll_t *hll) {
    uint32_t counts[VALUES];
    if (!fb_hll_is_dense(hll)) return estimate_sparse(fb_atomic_load32(&hll->n));
    count_values(hll, counts);
    return estimate_dense(counts, hll->p);
}

double fb_hll_estimate_alone(fb_hll_t *hll) {
    if (!fb_hll_is_dense(hll)) return estimate_sparse(hll->n);
    if (hll->counts == NULL) hll->counts = malloc(VALUES * sizeof *hll->counts);
    if (hll->counts == NULL) return fb_hll_estimate(hll);
    if (hll->counted == 0) count_values(hll, hll->counts);
    hll->counted = 1;
    return estimate_dense(hll->counts, hll->p);
}

/* ---- the serialised form ------------------------------------------------------------------- */

/* Shell's sort: in place, and entries that lie in a table are nearly in order. */
static void sort_entries(uint32_t *entries, size_t n) {
    size_t gap = 1;
    while (gap < n / 3) gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < n; i++) {
            const uint32_t entry = entries[i];
            size_t j = i;
            for (; j >= gap && entries[j - gap] > entry; j -= gap) entries[j] = entries[j - gap];
            entries[j] = entry;
        }
    }
}

size_t fb_hll_gathered(const fb_hll_t *hll) {
    if (fb_hll_is_dense(hll)) return registers_of(hll->p);
    return ((size_t)hll->n + 1) / 2 * 8;
}

void fb_hll_gather(const fb_hll_t *hll, void *into) {
    if (fb_hll_is_dense(hll)) {
        fb_copy_shared(into, hll->registers, registers_of(hll->p));
        return;
    }
    uint32_t *entries = into;
    size_t n = 0;
    for (uint32_t i = 0; i < hll->slots; i++)
        if (hll->table[i] != 0) entries[n++] = hll->table[i];
    sort_entries(entries, n);
    if (n % 2 != 0) entries[n] = 0;
}

bool fb_hll_size_ok(unsigned p, uint64_t size) {
    if (p < FB_HLL_MIN_P || p > FB_HLL_MAX_P) return false;
    if (size == registers_of(p)) return true;
    return p >= SPARSE_FROM && size % 8 == 0 && size <= 4 * fb_hll_entries_allowed(p);
}

static uint32_t entries_in(const uint32_t *entries, size_t size) {
    const size_t n = size / 4;
    return (uint32_t)(n > 0 && entries[n - 1] == 0 ? n - 1 : n);
}

bool fb_hll_admissible(unsigned p, const void *payload, size_t size) {
    if (size == registers_of(p)) {
        const uint8_t *registers = payload;
        uint8_t highest = 0;
        for (size_t i = 0; i < size; i++)
            highest = registers[i] > highest ? registers[i] : highest;
        return highest <= 65 - p;
    }
    const uint32_t *entries = payload, n = entries_in(entries, size);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t rank = entries[i] & RANK_MASK;
        if (rank < 1 || rank > 65 - SPARSE_P) return false;
        if (i > 0 && entries[i - 1] >> RANK_BITS >= entries[i] >> RANK_BITS) return false;
    }
    return true;
}

fb_status_t fb_hll_load(fb_hll_t *hll, const void *payload, size_t size) {
    const uint32_t n = entries_in(payload, size);
    if (n == 0) return FB_OK;
    fb_status_t status = grow(hll, n);
    return status == FB_OK ? unite_entries(hll, payload, n) : status;
}

void fb_hll_view(fb_hll_t *hll, void *payload, size_t size) {
    hll->table = payload;
    hll->slots = (uint32_t)(size / 4);
    hll->n = entries_in(payload, size);
}
