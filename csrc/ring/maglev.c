/* Maglev hashing [1].
 *
 * Idea. Each node would like the entries of the table in an order of its own, which depends on its
 * name alone:
 *
 *     offset, offset + skip, offset + 2 * skip, ...  (mod size)
 *     offset = floor(first hash * size / 2^64)
 *     skip = 1 + floor(second hash * (size - 1) / 2^64)
 *
 * and, the size being prime, comes by every entry. The nodes take turns; a turn claims the next entry
 * in the node's order that is still free. If a node goes, its entries are claimed by others; a few
 * entries besides change, since others' turns came to another entry than before.
 *
 * Quotas. Of `size` entries, a node of weight w is due size * w / (sum of weights). It gets the whole part
 * of that; the entries left go, one each, to the nodes with the largest fractions, the first of equals
 * first. So a node has what it is due, rounded down or up, and nodes of equal weight differ by one.
 *
 * Turns. A node of weight w, 1 being the largest, has its turn number j (0, 1, ...) in round
 * floor(j / w), until it has its quota; so never two in a round. In a round, turns are in the order in
 * which they fell due: those of earlier rounds first, and at the start the node given first. With equal
 * weights these are the rounds of [1], and the table is the one of its pseudo-code.
 *
 * A round is a list of nodes, linked in a ring and known by its last one. Turn j < quota has j / w at most
 * size / (sum of weights): so many rounds there are, and one for rounding.
 *
 * Numbers. Weights are taken relative to the largest, so that sums neither overflow nor vanish; all is
 * done in doubles by +, * and / in a fixed order, which gives the same bits everywhere. The sum is off
 * by 2^-29 of itself at most (2^24 nodes), and size < 2^27: so the whole parts never sum to more than
 * `size`, nor to less than size - n.
 *
 * Complexity. Filling: size * ln(size) looks at a bit map of the claimed entries are to be expected.
 * find: O(1), one cache miss. rank: reads on until it has met enough nodes, about n * ln(n / (n - want))
 * entries at equal weights.
 *
 * Threads. A table does not change once it is filled.
 *
 * [1] D. E. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 *     section 3.4.
 */
#include "maglev.h"

#include <stdlib.h>

static const uint32_t NOBODY = UINT32_MAX;

typedef struct {
    uint32_t at, skip;    /* the entry that it looks at next, and the way from there */
    uint32_t taken, left; /* turns it has had, and may have still */
    uint32_t next;        /* in its round */
    double weight;        /* relative to the largest */
} player_t;

typedef struct {
    double fraction;
    uint32_t player;
} fraction_t;

/* Larger fractions first, of equal ones the first. */
static int by_fraction(const void *a, const void *b) {
    const fraction_t *x = a, *y = b;
    if (x->fraction != y->fraction) return x->fraction > y->fraction ? -1 : 1;
    return x->player < y->player ? -1 : 1;
}

/* Sets weight, taken and left of all players; returns the sum of the weights. */
static double share_out(player_t *players, fraction_t *fractions, const fb_maglev_node_t *nodes,
                        uint32_t n, uint32_t size) {
    double largest = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if (largest < nodes[i].weight) largest = nodes[i].weight;
    for (uint32_t i = 0; i < n; i++) {
        players[i].weight = nodes[i].weight / largest;
        sum += players[i].weight;
    }
    uint32_t spare = size;
    for (uint32_t i = 0; i < n; i++) {
        const double due = (double)size * players[i].weight / sum;
        players[i].taken = 0;
        players[i].left = (uint32_t)due;
        spare -= players[i].left;
        fractions[i] = (fraction_t){due - (double)players[i].left, i};
    }
    qsort(fractions, n, sizeof *fractions, by_fraction);
    for (uint32_t i = 0; i < spare; i++) players[fractions[i].player].left++;
    return sum;
}

/* Puts player i at the end of a round. */
FB_INLINE void join(player_t *players, uint32_t i, uint32_t *last) {
    players[i].next = i;
    if (*last != NOBODY) {
        players[i].next = players[*last].next;
        players[*last].next = i;
    }
    *last = i;
}

/* The player claims the next free entry in its order. */
FB_INLINE void take_turn(player_t *player, int32_t index, uint64_t *claimed, uint32_t size,
                         int32_t *entries) {
    uint32_t at = player->at;
    while (claimed[at >> 6] >> (at & 63) & 1) {
        at += player->skip;
        at = at >= size ? at - size : at;
    }
    claimed[at >> 6] |= 1ull << (at & 63);
    entries[at] = index;
    player->at = at;
    player->taken++;
    player->left--;
}

fb_status_t fb_maglev_fill(const fb_maglev_node_t *nodes, uint32_t n, uint32_t size,
                           int32_t *entries) {
    fb_status_t status = FB_NO_MEMORY;
    uint32_t *last = NULL; /* player of every round */
    player_t *players = malloc(n * sizeof *players);
    fraction_t *fractions = malloc(n * sizeof *fractions);
    uint64_t *claimed = calloc((size >> 6) + 1, sizeof *claimed);
    if (players == NULL || fractions == NULL || claimed == NULL) goto end;
    const double sum = share_out(players, fractions, nodes, n, size);
    const uint32_t rounds = (uint32_t)((double)size / sum) + 2;
    last = malloc(rounds * sizeof *last);
    if (last == NULL) goto end;
    for (uint32_t r = 0; r < rounds; r++) last[r] = NOBODY;
    for (uint32_t i = 0; i < n; i++) {
        players[i].at = fb_maglev_at(nodes[i].first, size);
        players[i].skip = 1 + (uint32_t)fb_reduce64(nodes[i].second, size - 1);
        if (players[i].left > 0) join(players, i, last);
    }
    for (uint32_t r = 0; r < rounds; r++) {
        if (last[r] == NOBODY) continue;
        uint32_t i, next = players[last[r]].next;
        do {
            i = next;
            player_t *player = players + i;
            next = player->next; /* which joining another round changes */
            take_turn(player, nodes[i].index, claimed, size, entries);
            if (player->left > 0) {
                const double round = (double)player->taken / player->weight;
                join(players, i, last + (uint32_t)round);
            }
        } while (i != last[r]);
    }
    status = FB_OK;
end:
    free(last);
    free(claimed);
    free(fractions);
    free(players);
    return status;
}

/* ---- lookups ------------------------------------------------------------------------------- */

void fb_maglev_find_keys(const int32_t *entries, uint32_t size, fb_keys_cursor_t keys,
                         uint64_t seed, int32_t *out) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t m;
    while ((m = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < m; i++) out[i] = entries[fb_maglev_at(hashes[i], size)];
        out += m;
    }
}

fb_status_t fb_maglev_rank(const int32_t *entries, uint32_t size, uint32_t n, uint64_t h,
                           uint32_t want, uint32_t *out) {
    uint64_t *met = calloc((n >> 6) + 1, sizeof *met);
    if (met == NULL) return FB_NO_MEMORY;
    uint32_t at = fb_maglev_at(h, size), found = 0;
    for (uint64_t read = 0; found < want && read < (uint64_t)size + n; read++) {
        const uint32_t node = read < size ? (uint32_t)entries[at] : (uint32_t)(read - size);
        at = at + 1 == size ? 0 : at + 1;
        const uint64_t bit = 1ull << (node & 63);
        if (!(met[node >> 6] & bit)) out[found++] = node;
        met[node >> 6] |= bit;
    }
    free(met);
    return FB_OK;
}

/* ---- what the table is --------------------------------------------------------------------- */

void fb_maglev_count(const int32_t *entries, uint32_t size, uint32_t n, uint32_t *counts) {
    memset(counts, 0, n * sizeof *counts);
    for (uint32_t at = 0; at < size; at++) counts[entries[at]]++;
}

uint32_t fb_maglev_changed(const int32_t *old_entries, const int32_t *new_entries, uint32_t size,
                           const int32_t *new_index) {
    uint32_t changed = 0;
    for (uint32_t at = 0; at < size; at++)
        changed += new_index[old_entries[at]] != new_entries[at];
    return changed;
}
