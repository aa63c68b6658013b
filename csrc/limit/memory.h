/* Limits in memory: the states of many keys under the same rules, bounded.
 *
 * Keys are known by their 64-bit hashes. A key whose quota is whole again need not be remembered, and is
 * forgotten in passing. When there are max_keys keys, a new one takes the place of one that is not limited:
 * of a few in turn, that whose quota is whole soonest. A key that is limited, which a call of cost 1 would
 * not pass, never is forgotten, however many others come: if all are, there is no room.
 *
 * Not safe for threads: the caller excludes them.
 */
#ifndef FB_LIMIT_MEMORY_H
#define FB_LIMIT_MEMORY_H

#include "keys.h"
#include "limit/rules.h"

#define FB_LIMIT_MAX_KEYS (UINT32_C(1) << 31)
#define FB_LIMIT_MAX_CLOSED (2 * FB_LIMIT_MAX_NS)

typedef struct {
    fb_limit_rules_t rules;
    uint64_t max_keys;
    uint8_t *entries;    /* n, in no order that matters: hash, then a state for each rule */
    size_t entry_bytes;
    size_t n, room;
    uint64_t *index;     /* open addressing: low half of the hash, number of the entry + 1; 0: free */
    unsigned index_bits;
    size_t hand;         /* the entry that is looked at next when there is need for room */
    int64_t closed_from, closed_until; /* when no key can make room; MAX_CLOSED apart at most */
    uint64_t evicted;    /* keys forgotten before their quota was whole */
    size_t log_bytes;    /* of the rings of logs */
} fb_limit_memory_t;

/* What a call came to. */
typedef enum {
    FB_LIMIT_DENIED,
    FB_LIMIT_ALLOWED,
    FB_LIMIT_NO_ROOM,  /* allowed by the rules, but there is no room to remember it: not counted */
    FB_LIMIT_NO_MEMORY, /* the same, for lack of memory */
    FB_LIMIT_CORRUPT    /* shared memory alone: something else has written to it */
} fb_limit_outcome_t;

/* The keys that are denied most often: Space-Saving in sets. */
enum { FB_LIMIT_DENIED_SETS = 64, FB_LIMIT_DENIED_WAYS = 8, FB_LIMIT_DENIED_KEYS = 512 };
typedef struct {
    uint64_t hash[FB_LIMIT_DENIED_KEYS];
    uint64_t count[FB_LIMIT_DENIED_KEYS]; /* 0: free */
} fb_limit_denied_t;

/* Makes an empty table; false if max_keys is out of range. */
bool fb_limit_memory_init(fb_limit_memory_t *m, const fb_limit_rules_t *rules, uint64_t max_keys);
void fb_limit_memory_drop(fb_limit_memory_t *m);

/* One call of a key, which counts if it is allowed and `spend`. `out` may be NULL. O(1) expected; the
 * table grows by doubling; a new key, of a full table, looks at all keys at worst, and then not again
 * before one may have become free. */
fb_limit_outcome_t fb_limit_memory_call(fb_limit_memory_t *m, uint64_t h, int64_t now, uint64_t cost,
                                        bool spend, fb_limit_verdict_t *out);

/* Calls of a batch of keys, in order, all at one time; costs NULL: each of `cost`. Without room, a call is
 * allowed or not as told, or the batch ends there, and *failure tells why. Returns how many were decided. */
size_t fb_limit_memory_call_keys(fb_limit_memory_t *m, fb_keys_cursor_t keys, uint64_t seed,
                                 int64_t now, const uint64_t *costs, uint64_t cost,
                                 bool allow_if_full, bool stop_if_full, bool *out,
                                 fb_limit_outcome_t *failure);

/* Makes a key's quota whole again. */
void fb_limit_memory_forget(fb_limit_memory_t *m, uint64_t h);

/* The number of the entry of a key, or of none. */
#define FB_LIMIT_NONE SIZE_MAX
size_t fb_limit_memory_find(const fb_limit_memory_t *m, uint64_t h);

/* Bytes of memory that it takes. */
size_t fb_limit_memory_bytes(const fb_limit_memory_t *m);

/* Notes that a key was denied. Returns its number among the denied keys; *is_new tells whether it took the
 * place of another. */
size_t fb_limit_denied_note(fb_limit_denied_t *denied, uint64_t h, bool *is_new);

/* The same for the keys of a batch that were not allowed. latest[i] is the place in the batch of the key
 * that is denied key i now, if it was not before; else FB_LIMIT_NONE. */
void fb_limit_denied_note_keys(fb_limit_denied_t *denied, fb_keys_cursor_t keys, uint64_t seed,
                               const bool *allowed, size_t latest[FB_LIMIT_DENIED_KEYS]);

/* The serialised form: n, hand, closed_from, closed_until, evicted, then every entry: hash and states; a log as its
 * number of stamps and these. All in 64-bit words. */
size_t fb_limit_memory_gathered(const fb_limit_memory_t *m);
void fb_limit_memory_gather(const fb_limit_memory_t *m, void *into);

/* Fills an empty table. FB_STATE_PARAMS if the words contradict each other. */
fb_status_t fb_limit_memory_load(fb_limit_memory_t *m, const void *from, size_t bytes);

#endif
