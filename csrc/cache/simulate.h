/* How many requests of a trace a cache would have served: by the policy core itself, or at best.
 *
 * A trace is a sequence of 64-bit keys. Each request is a get that is followed by a set if it missed. */
#ifndef FB_CACHE_SIMULATE_H
#define FB_CACHE_SIMULATE_H

#include "policy.h"

/* A trace, made ready once for any number of simulations: keys numbered 0 .. n_keys - 1 by first
 * appearance. */
typedef struct {
    size_t n;
    uint32_t *ids;   /* n: the key of each request */
    uint64_t *keys;  /* n_keys */
    uint32_t n_keys;
} fb_trace_t;

/* Reads the keys. FB_OK, FB_NO_MEMORY, or FB_FULL from 2^32 - 1 different keys (or requests) on. */
fb_status_t fb_trace_init(fb_trace_t *t, const uint64_t *keys, size_t n);
void fb_trace_free(fb_trace_t *t);

/* The hash that the policy is given for a key: a bijection for each seed. */
FB_INLINE uint64_t fb_simulate_hash(uint64_t key, uint64_t seed) {
    uint64_t h = (key ^ seed) + 0x9E3779B97F4A7C15ull;
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ h >> 27) * 0x94D049BB133111EBull;
    return h ^ h >> 31;
}

/* *hits = requests served by a cache of `maxsize` (1 .. 2^31 - 1) entries. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_simulate_trace(const fb_trace_t *t, fb_policy_kind_t kind, uint64_t maxsize,
                              uint64_t seed, uint64_t *hits);

/* *hits = the most that any cache of `maxsize` entries can serve if it stores each value that it was
 * given (Belady's MIN). FB_OK or FB_NO_MEMORY. */
fb_status_t fb_simulate_trace_opt(const fb_trace_t *t, uint64_t maxsize, uint64_t *hits);

/* The same from bare keys. */
fb_status_t fb_simulate(const uint64_t *keys, size_t n, fb_policy_kind_t kind, uint64_t maxsize,
                        uint64_t seed, uint64_t *hits);
fb_status_t fb_simulate_opt(const uint64_t *keys, size_t n, uint64_t maxsize, uint64_t *hits);

#endif
