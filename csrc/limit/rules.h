/* Rate limits as state machines: (state, now, cost) -> verdict, for one key, without a clock.
 *
 * A rule admits so much in so much time, in one of four ways:
 *
 *   FIXED    `limit` in every window that begins at a whole multiple of the period.
 *   COUNTER  the same, but the window before counts too, for the part of it that a period up to now
 *            still covers: before * (period - elapsed) + used * period <= limit * period.
 *   BUCKET   a bucket that holds `limit` and gets `count` in a period: the token bucket, and the
 *            leaky bucket as GCRA [1] has it. Its state is the time at which it will be whole again,
 *            exactly: in nanoseconds and a fraction of one in 1/count, so that nothing is rounded.
 *   LOG      `limit` in any period: the times of the calls that still count.
 *
 * A key has one state per rule; a call is allowed if every rule allows it, and then counts for all. A call
 * that is denied, or only asked about, changes nothing. All is integers: times in nanoseconds, of any
 * clock, within MAX_TIME of its zero.
 *
 * The time of a key never runs backwards. While the clock is behind a state, because it was set back or
 * another call has overtaken this one, the state stands still: a window is the state's, a log ends at its
 * last call, a bucket is empty until the clock is so near to the state that it was not. Waits are by the
 * clock: after `retry` the same call passes, not before, however far the clock is behind.
 *
 * [1] ITU-T I.371, "Traffic control and congestion control in B-ISDN", the generic cell rate algorithm.
 */
#ifndef FB_LIMIT_RULES_H
#define FB_LIMIT_RULES_H

#include "base.h"

typedef enum { FB_LIMIT_FIXED, FB_LIMIT_COUNTER, FB_LIMIT_BUCKET, FB_LIMIT_LOG } fb_limit_kind_t;

enum { FB_LIMIT_RULES_MAX = 8, FB_LIMIT_NEVER = -1 };

#define FB_LIMIT_MAX_COUNT 0xffffffffu
#define FB_LIMIT_MAX_LOG (1u << 20)
#define FB_LIMIT_MAX_NS (INT64_C(100) * 86400 * 1000000000) /* 100 days */
#define FB_LIMIT_MAX_TIME INT64_C(9000000000000000000)

typedef struct {
    uint64_t limit, count, period; /* `count` is for buckets; `limit` otherwise */
    uint64_t step_ns, step_part;   /* period / count */
    uint64_t whole_ns, whole_part; /* limit * period / count: what an empty bucket lacks */
} fb_limit_rule_t;

typedef struct {
    fb_limit_kind_t kind;
    unsigned n;
    fb_limit_rule_t rule[FB_LIMIT_RULES_MAX];
} fb_limit_rules_t;

/* The times of calls, a ring. */
typedef struct {
    int64_t *stamps;
    uint32_t room, head, used;
} fb_limit_log_t;

/* The state of a key under one rule. */
typedef union {
    struct {
        int64_t window;
        uint32_t before, used;
    } window; /* FIXED, COUNTER */
    struct {
        int64_t ns;
        uint64_t part; /* below count */
    } bucket;
    fb_limit_log_t log;
} fb_limit_state_t;

/* What all rules together say; times in nanoseconds. */
typedef struct {
    bool allowed;
    uint64_t limit, remaining; /* of the rule with the least remaining */
    int64_t retry;             /* the least wait after which the call would be allowed; or NEVER */
    int64_t reset;             /* the wait after which the quota is whole, if it is not used */
} fb_limit_verdict_t;

/* Fills a rule in. False if it is out of bounds. */
bool fb_limit_rule(fb_limit_rule_t *rule, fb_limit_kind_t kind, uint64_t limit, uint64_t count,
                   uint64_t period);

/* Whether a call is allowed; `states` has one for each rule, or is NULL if nothing is known of the
 * key. Nothing changes. */
bool fb_limit_fits(const fb_limit_rules_t *rules, const fb_limit_state_t *states, int64_t now,
                   uint64_t cost);

/* Counts a call that fits. If nothing was known of the key, `fresh`. Logs have room for it: see
 * fb_limit_log_needs. */
void fb_limit_spend(const fb_limit_rules_t *rules, fb_limit_state_t *states, bool fresh, int64_t now,
                    uint64_t cost);

/* All about a call that was just counted (`spent`), was denied, or is only asked about. */
fb_limit_verdict_t fb_limit_tell(const fb_limit_rules_t *rules, const fb_limit_state_t *states,
                                 int64_t now, uint64_t cost, bool allowed, bool spent);

/* Whether nothing is used of a key's quota, as `reset` of 0 tells: it may be forgotten. */
bool fb_limit_whole(const fb_limit_rules_t *rules, const fb_limit_state_t *states, int64_t now);

/* How many stamps a log must have room for before a call that fits is counted: rule->limit at most. */
uint32_t fb_limit_log_needs(const fb_limit_rule_t *rule, const fb_limit_log_t *log, int64_t now,
                            uint64_t cost);

/* Moves a ring's stamps into another, in order. */
void fb_limit_log_move(const fb_limit_log_t *from, fb_limit_log_t *into);

/* Whether a state makes sense: for one that comes from outside. */
bool fb_limit_state_ok(const fb_limit_rules_t *rules, unsigned rule, const fb_limit_state_t *state);

#endif
