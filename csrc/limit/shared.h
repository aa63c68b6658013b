/* Limits in memory that several processes share: the states of many keys under the same rules, in a run
 * of bytes of fixed size, the body of a mapped file. Lock-free: a process that is killed, at whatever
 * instruction, blocks nobody and leaves nothing wrong behind.
 *
 * Keys are known by their 64-bit hashes, which choose one of many sets. A set has room for 32 keys, and
 * there is a set for every 10 of max_keys, so that a set hardly ever fills. Where one does, a new key takes
 * the place of one that is not limited; a key that is limited, which a call of cost 1 would not pass, never
 * is forgotten: if all of a set are, there is no room.
 *
 * A body whose bytes are all zero is an empty table. Every process, and every object in one, works under a
 * number of its own, its record. The caller sees to it that nobody else has the record: a lock that the
 * system takes back when a process ends, never before it has stopped to run. Threads that use one
 * fb_limit_shared_t exclude each other.
 */
#ifndef FB_LIMIT_SHARED_H
#define FB_LIMIT_SHARED_H

#include "limit/memory.h"

enum { FB_LIMIT_SHARED_RECORDS = 512, FB_LIMIT_SHARED_WAYS = 32, FB_LIMIT_SHARED_LOAD = 10 };

#define FB_LIMIT_SHARED_MAX_KEYS (UINT32_C(1) << 27)

/* What a record holds for good once its update is published. */
typedef struct {
    uint64_t block, log;    /* its spares */
    uint64_t keys, evicted; /* what its updates have changed these by */
} fb_limit_holding_t;

typedef struct {
    fb_limit_rules_t rules;
    uint64_t n_sets, n_blocks, n_logs;
    size_t ways, entry_words, block_words, log_words;
    unsigned block_bits;
    uint8_t *body;
    uint64_t *words;  /* one for each set */
    uint64_t *blocks; /* of block_words */
    uint64_t *logs;   /* of log_words */
    unsigned record;
    uint64_t seq; /* of the next update */
    fb_limit_holding_t mine;
} fb_limit_shared_t;

/* The size of a body, a multiple of 8; 0 if it is more than 2^46 bytes or max_keys is out of range. */
uint64_t fb_limit_shared_bytes(const fb_limit_rules_t *rules, uint64_t max_keys);

/* Makes an object on a body, which is aligned to 64 bytes; there is nothing to free. */
void fb_limit_shared_init(fb_limit_shared_t *s, const fb_limit_rules_t *rules, uint64_t max_keys,
                          void *body);

/* Takes over a record that nobody has now. What its last owner was killed at is finished or undone. False
 * if the body is corrupt. To be done once before any other call. */
bool fb_limit_shared_join(fb_limit_shared_t *s, unsigned record);

/* One call of a key, which counts if it is allowed and `spend`. `out` may be NULL. With NO_ROOM, *opens is
 * the wait until there may be some. O(keys of a set), which are 10 or so; with LOG O(limit) for a call that
 * counts, which copies the log, and O(log(limit)) for others. */
fb_limit_outcome_t fb_limit_shared_call(fb_limit_shared_t *s, uint64_t h, int64_t now, uint64_t cost,
                                        bool spend, fb_limit_verdict_t *out, int64_t *opens);

/* Calls of a batch, as fb_limit_memory_call_keys. */
size_t fb_limit_shared_call_keys(fb_limit_shared_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                 int64_t now, const uint64_t *costs, uint64_t cost,
                                 bool allow_if_full, bool stop_if_full, bool *out,
                                 fb_limit_outcome_t *failure);

/* Makes a key's quota whole again. False if the body is corrupt. */
bool fb_limit_shared_forget(fb_limit_shared_t *s, uint64_t h);

/* How many keys are held, and how many were forgotten before their quota was whole. O(records). */
void fb_limit_shared_count(const fb_limit_shared_t *s, uint64_t *keys, uint64_t *evicted);

#endif
