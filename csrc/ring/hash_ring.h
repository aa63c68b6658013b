/* Consistent hashing: a ring of 64-bit places, at which every node owns points.
 *
 * A key belongs to the node of the first point at or after its own place, past the end that of the
 * first point of all (Karger et al. [1]). A node that comes takes keys from others but moves none
 * between them; one that goes leaves its keys to those that follow.
 *
 * A ring never changes once it is made: a change makes a new one out of the old. So any number of
 * threads may read it without a lock.
 *
 * Three ways to place points and keys:
 *
 *   XXH3          point j of a node lies at mix(XXH3(name, seed) + (j + 1) * golden ratio), where mix
 *                 is splitmix64's; a key at its XXH3.
 *   KETAMA        as uhashring's ketama: four points by the words of MD5("name-j"), a key at the
 *                 first word of its MD5; it belongs to the first point strictly after it, and of
 *                 points at one place to the node that comes last.
 *   LIBMEMCACHED  as libmemcached's weighted ketama: the same places, but a key at a point's very
 *                 place belongs to that point, and of points at one place the node that comes first
 *                 counts.
 *
 * The 32-bit places of the latter two are the high halves of 64-bit ones.
 *
 * [1] D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
 */
#ifndef FB_RING_HASH_RING_H
#define FB_RING_HASH_RING_H

#include "base.h"
#include "keys.h"

typedef enum { FB_RING_XXH3, FB_RING_KETAMA, FB_RING_LIBMEMCACHED } fb_ring_hash_t;

#define FB_RING_NONE UINT32_MAX /* no node */

enum { FB_RING_MAX_POINTS = 1 << 28 };

/* A point, without the low half of its place. */
typedef struct {
    uint32_t high; /* half of its place */
    uint32_t node;
} fb_ring_point_t;

typedef struct {
    fb_ring_point_t *points; /* n in the order of their places, then what comes after them */
    uint64_t *places;        /* of the first n + 1 points: what is read if the high half is not enough */
    uint32_t *guide;         /* of every run of places with equal high bits: where its points begin */
    size_t n;
    uint32_t n_nodes;
    unsigned shift; /* place >> shift is the index into guide */
    fb_ring_hash_t hash;
} fb_ring_t;

/* A node that a ring shall have. */
typedef struct {
    const uint8_t *name; /* as it is hashed */
    size_t len;      /* 4096 at most */
    uint32_t points; /* how many it shall have; with KETAMA and LIBMEMCACHED a multiple of 4 */
    uint32_t had;    /* how many it had in the old ring */
    uint32_t was;    /* its index in the old ring; FB_RING_NONE if it is new */
} fb_ring_node_t;

/* Keys that lie in [first, last] and belong to node `to` now, to `from` before; FB_RING_NONE if to
 * none. */
typedef struct {
    uint64_t first, last;
    uint32_t from, to;
} fb_ring_arc_t;

/* Makes a ring of n_nodes nodes. Points that nodes have in the old ring already (NULL: in none) are
 * taken over and not hashed again: O(points), and O(k log k) hashes and sorting for k new or dropped
 * ones. Nodes of the old ring must stand in the same order as there. FB_OUT_OF_RANGE: too many points.
 * After an error there is nothing to drop. */
fb_status_t fb_ring_make(fb_ring_t *ring, fb_ring_hash_t hash, uint64_t seed,
                         const fb_ring_node_t *nodes, uint32_t n_nodes, const fb_ring_t *old);
void fb_ring_drop(fb_ring_t *ring);

/* Bytes of memory that it takes. */
size_t fb_ring_bytes(const fb_ring_t *ring);

/* How KETAMA and LIBMEMCACHED place keys; NULL for XXH3, where it is the key's hash. */
const fb_hasher_t *fb_ring_hasher(fb_ring_hash_t hash);

/* The node of the key at a place, O(1) expected. There is a node; so in the two that follow. */
uint32_t fb_ring_find(const fb_ring_t *ring, uint64_t place);

/* The nodes of all keys of a batch. */
void fb_ring_find_keys(const fb_ring_t *ring, fb_keys_cursor_t keys, uint64_t seed, int32_t *out);

/* The first `want` (at most n_nodes) distinct nodes from a place on. With zones, one per node and
 * below n_zones: first the nearest node of every zone, then the second nearest, and so on. Returns how
 * many there are, which is less than `want` if nodes have no points; SIZE_MAX if memory is short. */
size_t fb_ring_rank(const fb_ring_t *ring, uint64_t place, const uint32_t *zones, uint32_t n_zones,
                    uint32_t want, uint32_t *out);

/* Where two rings, of one hash and seed, differ: the arcs in order, neighbours of the same nodes made
 * one. `same[i]` is the index in `a` of node i of `b`, or FB_RING_NONE. There is room for a->n + b->n
 * + 1 arcs; returns how many there are. Nodes of `to` are b's. */
size_t fb_ring_diff(const fb_ring_t *a, const fb_ring_t *b, const uint32_t *same,
                    fb_ring_arc_t *arcs);

#endif
