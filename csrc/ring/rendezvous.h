/* Rendezvous hashing: of all nodes, the one with the best score for a key. A node gets exactly its
 * share of the keys, by weight, and when nodes come, go or change their weights, only keys of those nodes
 * move. The score, its arithmetic and the references are told at the top of rendezvous.c.
 */
#ifndef FB_RING_RENDEZVOUS_H
#define FB_RING_RENDEZVOUS_H

#include "keys.h"

typedef struct fb_rendezvous fb_rendezvous_t;

/* The nodes. Once they are all set, nothing changes. */
struct fb_rendezvous {
    uint64_t *by, *plus; /* a node's cost for hash h is h * by + plus */
    double *per;         /* 1 / weight; infinite for what pads the nodes to whole vectors */
    double *weight;
    uint32_t n;
    bool equal; /* all weights are */
    uint32_t (*find)(const fb_rendezvous_t *t, uint64_t h);
};

/* Makes room for n nodes, all of which must then be set, in order. FB_NO_MEMORY leaves *t zeroed. */
fb_status_t fb_rendezvous_make(fb_rendezvous_t *t, uint32_t n);
void fb_rendezvous_drop(fb_rendezvous_t *t);

/* Sets node i: its name, and its weight in [2^-1000, 2^1000]. */
void fb_rendezvous_set(fb_rendezvous_t *t, uint32_t i, const uint8_t *name, size_t len,
                       uint64_t seed, double weight);

/* Bytes of memory that n nodes take. */
size_t fb_rendezvous_bytes(uint32_t n);

/* The index of the node of hash h; there is a node. O(n). */
static inline uint32_t fb_rendezvous_find(const fb_rendezvous_t *t, uint64_t h) {
    return t->find(t, h);
}

/* out[i] = the index of the node of key i. */
void fb_rendezvous_find_keys(const fb_rendezvous_t *t, fb_keys_cursor_t keys, uint64_t seed,
                             int32_t *out);

/* The best `want` nodes (at most n) for hash h, in order. O(n + want log want) expected, 24 bytes a
 * node that is wanted. */
fb_status_t fb_rendezvous_rank(const fb_rendezvous_t *t, uint64_t h, uint32_t want, uint32_t *out);

/* A cost as a number of exponential distribution, -ln(1 - cost / 2^64), as lookups use it. */
double fb_rendezvous_exponential(uint64_t cost);

#endif
