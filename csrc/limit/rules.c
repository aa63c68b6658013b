/* Each kind has a `view`: its state as it counts now, and two functions on it: whether a call fits, and
 * what there is to tell. `allow` needs the first alone, which divides at most once, to find the window; what is
 * to tell takes more. The pure-Python twin (pure/limit/strategies.py) is the specification. */
#include "limit/rules.h"

/* Waits are at most 292 years, also if the clock was set back by more. */
static int64_t at_most_max(uint64_t ns) { return ns > INT64_MAX ? INT64_MAX : (int64_t)ns; }

/* How long until a time that is not before now. */
static int64_t wait_until(int64_t time, int64_t now) {
    return at_most_max((uint64_t)time - (uint64_t)now);
}

/* The time `ns` after another; of damaged shared memory anything. */
static int64_t after(int64_t time, uint64_t ns) { return (int64_t)((uint64_t)time + ns); }

/* ---- windows ----------------------------------------------------------------------------------- */

typedef struct {
    int64_t window, start;
    uint64_t elapsed, before, used;
} window_view_t;

static window_view_t view_window(const fb_limit_rule_t *rule, const fb_limit_state_t *state,
                                 int64_t now) {
    const int64_t period = (int64_t)rule->period;
    window_view_t v = {now / period, 0, 0, 0, 0};
    if (v.window * period > now) v.window--; /* rounded down, below zero too */
    v.start = v.window * period;
    v.elapsed = (uint64_t)(now - v.start);
    if (state == NULL) return v;
    if (state->window.window >= v.window) {
        v.before = state->window.before;
        v.used = state->window.used;
        if (state->window.window > v.window) { /* the clock is behind */
            v.window = state->window.window;
            v.start = (int64_t)((uint64_t)v.window * rule->period);
            v.elapsed = 0;
        }
    } else if (state->window.window == v.window - 1) {
        v.before = state->window.used;
    }
    return v;
}

static bool fixed_fits(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                       uint64_t cost) {
    return view_window(rule, state, now).used + cost <= rule->limit;
}

static void fixed_tell(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                       fb_limit_verdict_t *out) {
    const window_view_t v = view_window(rule, state, now);
    out->remaining = rule->limit - v.used;
    out->retry = wait_until(after(v.start, rule->period), now);
    out->reset = v.used > 0 ? out->retry : 0;
}

/* a * b <= c * d */
static bool product_at_most(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    uint64_t hi, hi2;
    const uint64_t lo = fb_mul128(a, b, &hi), lo2 = fb_mul128(c, d, &hi2);
    return hi != hi2 ? hi < hi2 : lo <= lo2;
}

static bool counter_fits(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                         uint64_t cost) {
    const window_view_t v = view_window(rule, state, now);
    if (v.used + cost > rule->limit) return false;
    return product_at_most(v.before, rule->period - v.elapsed, rule->limit - v.used - cost,
                           rule->period);
}

/* The least elapsed time at which `before` weighs `room` at most: before * (period - it) <= room *
 * period. */
static uint64_t elapsed_until(uint64_t before, uint64_t room, uint64_t period) {
    uint64_t hi;
    if (room >= before) return 0;
    const uint64_t lo = fb_mul128(room, period, &hi);
    return period - fb_div128(hi, lo, before);
}

static void counter_tell(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                         uint64_t cost, fb_limit_verdict_t *out) {
    const window_view_t v = view_window(rule, state, now);
    const uint64_t period = rule->period;
    uint64_t hi, lo = fb_mul128(v.before, period - v.elapsed, &hi), enough;
    lo += period - 1; /* rounded up */
    hi += lo < period - 1;
    const uint64_t weight = fb_div128(hi, lo, period) + v.used;
    out->remaining = weight < rule->limit ? rule->limit - weight : 0;
    if (v.used + cost <= rule->limit)
        enough = elapsed_until(v.before, rule->limit - v.used - cost, period);
    else if (cost <= rule->limit) /* not in this window: in the next */
        enough = period + elapsed_until(v.used, rule->limit - cost, period);
    else
        enough = v.elapsed;
    out->retry = wait_until(after(v.start, enough), now);
    if (v.used > 0 || v.before > 0)
        out->reset = wait_until(after(v.start, v.used > 0 ? 2 * period : period), now);
}

static void window_spend(const fb_limit_rule_t *rule, fb_limit_state_t *state, bool fresh,
                         int64_t now, uint64_t cost, bool before_counts) {
    const window_view_t v = view_window(rule, fresh ? NULL : state, now);
    state->window.window = v.window;
    state->window.before = before_counts ? (uint32_t)v.before : 0;
    state->window.used = (uint32_t)(v.used + cost);
}

/* ---- buckets ----------------------------------------------------------------------------------- */

/* A time in nanoseconds and parts of one, of which `count` make it whole. */
typedef struct {
    uint64_t ns, part;
} span_t;

static bool span_at_most(span_t a, uint64_t ns, uint64_t part) {
    return a.ns != ns ? a.ns < ns : a.part <= part;
}

/* What the bucket lacks now: more than all of it, if the clock is behind. */
static span_t view_bucket(const fb_limit_state_t *state, int64_t now) {
    span_t lacks = {0, 0};
    if (state == NULL || state->bucket.ns < now) return lacks;
    lacks.ns = (uint64_t)state->bucket.ns - (uint64_t)now;
    lacks.part = state->bucket.part;
    return lacks;
}

/* What it lacks after a call; cost is at most the limit. */
static span_t with_cost(const fb_limit_rule_t *rule, span_t lacks, uint64_t cost) {
    lacks.ns += cost * rule->step_ns;
    if (rule->step_part > 0) {
        uint64_t parts = cost * rule->step_part;
        if (parts >= rule->count) {
            lacks.ns += parts / rule->count;
            parts %= rule->count;
        }
        lacks.part += parts;
        if (lacks.part >= rule->count) {
            lacks.part -= rule->count;
            lacks.ns++;
        }
    }
    return lacks;
}

static bool bucket_fits(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                        uint64_t cost) {
    if (cost > rule->limit) return false;
    const span_t then = with_cost(rule, view_bucket(state, now), cost);
    return span_at_most(then, rule->whole_ns, rule->whole_part);
}

static void bucket_spend(const fb_limit_rule_t *rule, fb_limit_state_t *state, bool fresh,
                         int64_t now, uint64_t cost) {
    const span_t then = with_cost(rule, view_bucket(fresh ? NULL : state, now), cost);
    state->bucket.ns = now + (int64_t)then.ns;
    state->bucket.part = then.part;
}

static void bucket_tell(const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now,
                        uint64_t cost, fb_limit_verdict_t *out) {
    const span_t lacks = view_bucket(state, now);
    if (span_at_most(lacks, rule->whole_ns, rule->whole_part)) {
        uint64_t hi, has = rule->whole_ns - lacks.ns;
        uint64_t parts = rule->whole_part - lacks.part;
        if (rule->whole_part < lacks.part) {
            has--;
            parts += rule->count;
        }
        uint64_t lo = fb_mul128(has, rule->count, &hi);
        lo += parts;
        hi += lo < parts;
        out->remaining = fb_div128(hi, lo, rule->period);
    }
    out->reset = at_most_max(lacks.ns + (lacks.part > 0));
    if (cost <= rule->limit) {
        const span_t then = with_cost(rule, lacks, cost);
        if (!span_at_most(then, rule->whole_ns, rule->whole_part))
            out->retry = at_most_max(then.ns - rule->whole_ns + (then.part > rule->whole_part));
    }
}

/* ---- logs -------------------------------------------------------------------------------------- */

/* Atomic, since a log of shared memory may be written to by another process while it is looked at; what was
 * found is not used then. */
static uint64_t *place(const fb_limit_log_t *log, uint32_t i) {
    const uint32_t at = log->head + i; /* room is at most 2^20 */
    return (uint64_t *)&log->stamps[at >= log->room ? at - log->room : at];
}

static int64_t log_at(const fb_limit_log_t *log, uint32_t i) {
    return (int64_t)fb_atomic_acquire64(place(log, i));
}

/* The time at which a log stands: now, or that of its last call if the clock is behind. */
static int64_t log_now(const fb_limit_log_t *log, int64_t now) {
    if (log == NULL || log->used == 0) return now;
    const int64_t last = log_at(log, log->used - 1);
    return last > now ? last : now;
}

/* How many stamps, the oldest ones, do not count any more: those of (.., then - period]. */
static uint32_t log_dead(const fb_limit_rule_t *rule, const fb_limit_log_t *log, int64_t now) {
    const int64_t start = after(log_now(log, now), -rule->period);
    uint32_t low = 0, high = log == NULL ? 0 : log->used;
    if (high == 0 || log_at(log, 0) > start) return 0;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (log_at(log, middle) > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t log_live(const fb_limit_rule_t *rule, const fb_limit_log_t *log, int64_t now) {
    return log == NULL ? 0 : log->used - log_dead(rule, log, now);
}

uint32_t fb_limit_log_needs(const fb_limit_rule_t *rule, const fb_limit_log_t *log, int64_t now,
                            uint64_t cost) {
    return (uint32_t)(log_live(rule, log, now) + cost);
}

void fb_limit_log_move(const fb_limit_log_t *from, fb_limit_log_t *into) {
    for (uint32_t i = 0; i < from->used; i++) into->stamps[i] = log_at(from, i);
    into->head = 0;
    into->used = from->used;
}

static void log_spend(const fb_limit_rule_t *rule, fb_limit_log_t *log, int64_t now, uint64_t cost) {
    const int64_t then = log_now(log, now);
    const uint32_t dead = log_dead(rule, log, now);
    log->head += dead;
    if (log->head >= log->room) log->head -= log->room;
    log->used -= dead;
    for (; cost > 0; cost--) fb_atomic_release64(place(log, log->used++), (uint64_t)then);
}

/* When a stamp stops to count, from now. */
static int64_t log_until(const fb_limit_rule_t *rule, int64_t stamp, int64_t now) {
    return wait_until(after(stamp, rule->period), now);
}

static void log_tell(const fb_limit_rule_t *rule, const fb_limit_log_t *log, int64_t now,
                     uint64_t cost, fb_limit_verdict_t *out) {
    const uint32_t dead = log_dead(rule, log, now);
    const uint64_t live = log == NULL ? 0 : log->used - dead;
    out->remaining = rule->limit - live;
    out->reset = live > 0 ? log_until(rule, log_at(log, log->used - 1), now) : 0;
    if (cost <= rule->limit && live + cost > rule->limit) {
        const uint32_t last = dead + (uint32_t)(live + cost - rule->limit - 1);
        out->retry = log_until(rule, log_at(log, last), now);
    }
}

/* ---- all rules --------------------------------------------------------------------------------- */

bool fb_limit_rule(fb_limit_rule_t *rule, fb_limit_kind_t kind, uint64_t limit, uint64_t count,
                   uint64_t period) {
    uint64_t hi;
    const uint64_t most = kind == FB_LIMIT_LOG ? FB_LIMIT_MAX_LOG : FB_LIMIT_MAX_COUNT;
    if (limit < 1 || limit > most || count < 1 || count > FB_LIMIT_MAX_COUNT || period < 1 ||
        period > (uint64_t)FB_LIMIT_MAX_NS || (kind != FB_LIMIT_BUCKET && count != limit))
        return false;
    if (!product_at_most(limit, period, (uint64_t)FB_LIMIT_MAX_NS, count)) return false;
    const uint64_t lo = fb_mul128(limit, period, &hi);
    rule->limit = limit;
    rule->count = count;
    rule->period = period;
    rule->step_ns = period / count;
    rule->step_part = period % count;
    rule->whole_ns = fb_div128(hi, lo, count);
    rule->whole_part = lo - rule->whole_ns * count;
    return true;
}

static bool rule_fits(fb_limit_kind_t kind, const fb_limit_rule_t *rule,
                      const fb_limit_state_t *state, int64_t now, uint64_t cost) {
    switch (kind) {
        case FB_LIMIT_FIXED: return fixed_fits(rule, state, now, cost);
        case FB_LIMIT_COUNTER: return counter_fits(rule, state, now, cost);
        case FB_LIMIT_BUCKET: return bucket_fits(rule, state, now, cost);
        case FB_LIMIT_LOG: break;
    }
    return log_live(rule, state == NULL ? NULL : &state->log, now) + cost <= rule->limit;
}

bool fb_limit_fits(const fb_limit_rules_t *rules, const fb_limit_state_t *states, int64_t now,
                   uint64_t cost) {
    for (unsigned i = 0; i < rules->n; i++) {
        const fb_limit_state_t *state = states == NULL ? NULL : &states[i];
        if (!rule_fits(rules->kind, &rules->rule[i], state, now, cost)) return false;
    }
    return true;
}

void fb_limit_spend(const fb_limit_rules_t *rules, fb_limit_state_t *states, bool fresh, int64_t now,
                    uint64_t cost) {
    for (unsigned i = 0; i < rules->n; i++) {
        const fb_limit_rule_t *rule = &rules->rule[i];
        switch (rules->kind) {
            case FB_LIMIT_FIXED: window_spend(rule, &states[i], fresh, now, cost, false); break;
            case FB_LIMIT_COUNTER: window_spend(rule, &states[i], fresh, now, cost, true); break;
            case FB_LIMIT_BUCKET: bucket_spend(rule, &states[i], fresh, now, cost); break;
            case FB_LIMIT_LOG: log_spend(rule, &states[i].log, now, cost); break;
        }
    }
}

static fb_limit_verdict_t rule_tell(fb_limit_kind_t kind, const fb_limit_rule_t *rule,
                                    const fb_limit_state_t *state, int64_t now, uint64_t cost) {
    fb_limit_verdict_t v = {false, rule->limit, 0, 0, 0};
    switch (kind) {
        case FB_LIMIT_FIXED: fixed_tell(rule, state, now, &v); break;
        case FB_LIMIT_COUNTER: counter_tell(rule, state, now, cost, &v); break;
        case FB_LIMIT_BUCKET: bucket_tell(rule, state, now, cost, &v); break;
        case FB_LIMIT_LOG: log_tell(rule, state == NULL ? NULL : &state->log, now, cost, &v); break;
    }
    return v;
}

fb_limit_verdict_t fb_limit_tell(const fb_limit_rules_t *rules, const fb_limit_state_t *states,
                                 int64_t now, uint64_t cost, bool allowed, bool spent) {
    fb_limit_verdict_t all = {allowed, 0, 0, 0, 0};
    for (unsigned i = 0; i < rules->n; i++) {
        const fb_limit_rule_t *rule = &rules->rule[i];
        const fb_limit_state_t *state = states == NULL ? NULL : &states[i];
        const fb_limit_verdict_t one = rule_tell(rules->kind, rule, state, now, cost);
        if (i == 0 || one.remaining < all.remaining) {
            all.limit = one.limit;
            all.remaining = one.remaining;
        }
        if (one.reset > all.reset) all.reset = one.reset;
        if (allowed || spent || all.retry == FB_LIMIT_NEVER) continue;
        if (cost > rule->limit)
            all.retry = FB_LIMIT_NEVER;
        else if (!rule_fits(rules->kind, rule, state, now, cost) && one.retry > all.retry)
            all.retry = one.retry;
    }
    return all;
}

static bool rule_whole(fb_limit_kind_t kind, const fb_limit_rule_t *rule, const fb_limit_state_t *state, int64_t now) {
    if (kind == FB_LIMIT_LOG) return log_live(rule, &state->log, now) == 0;
    if (kind == FB_LIMIT_BUCKET) {
        const span_t lacks = view_bucket(state, now);
        return lacks.ns == 0 && lacks.part == 0;
    }
    const window_view_t v = view_window(rule, state, now);
    return v.used == 0 && (kind == FB_LIMIT_FIXED || v.before == 0);
}

bool fb_limit_whole(const fb_limit_rules_t *rules, const fb_limit_state_t *states, int64_t now) {
    for (unsigned i = 0; i < rules->n; i++)
        if (!rule_whole(rules->kind, &rules->rule[i], &states[i], now)) return false;
    return true;
}

static bool time_ok(int64_t time, int64_t more) {
    return -FB_LIMIT_MAX_TIME <= time && time <= FB_LIMIT_MAX_TIME + more;
}

bool fb_limit_state_ok(const fb_limit_rules_t *rules, unsigned rule, const fb_limit_state_t *state) {
    const fb_limit_rule_t *r = &rules->rule[rule];
    const int64_t last = FB_LIMIT_MAX_TIME / (int64_t)r->period + 1;
    switch (rules->kind) {
        case FB_LIMIT_FIXED:
        case FB_LIMIT_COUNTER:
            return -last <= state->window.window && state->window.window <= last &&
                   state->window.before <= (rules->kind == FB_LIMIT_COUNTER ? r->limit : 0) &&
                   state->window.used >= 1 && state->window.used <= r->limit;
        case FB_LIMIT_BUCKET:
            return time_ok(state->bucket.ns, FB_LIMIT_MAX_NS) && state->bucket.part < r->count;
        case FB_LIMIT_LOG: break;
    }
    const fb_limit_log_t *log = &state->log;
    if (log->used < 1 || log->used > r->limit || !time_ok(log_at(log, 0), 0)) return false;
    for (uint32_t i = 1; i < log->used; i++)
        if (log_at(log, i) < log_at(log, i - 1)) return false;
    return time_ok(log_at(log, log->used - 1), 0);
}
