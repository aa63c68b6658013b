/* Layout. Entries lie in one array without gaps: who goes is replaced by the last. So whoever sweeps reads
 * memory in order, and which key is looked at next depends on nothing but the calls that were made: the
 * pure twin makes the same choices. An index of open addressing with linear probing, at most 3/4 full,
 * finds entries by hash; its words hold half of the hash, so that other keys' entries are hardly ever
 * touched. What is deleted from it is closed up, so there are no tombstones.
 *
 * Memory per key and one rule: 32 bytes of entry, 11 to 21 of index; logs add 8 per call that counts, and
 * malloc's overhead.
 */
#include "limit/memory.h"

#include <stdlib.h>

enum { TIDY = 2, SAMPLE = 16, MIN_ROOM = 16, MIN_LOG_ROOM = 1 };

bool fb_limit_memory_init(fb_limit_memory_t *m, const fb_limit_rules_t *rules, uint64_t max_keys) {
    memset(m, 0, sizeof *m);
    if (max_keys < 1 || max_keys > FB_LIMIT_MAX_KEYS) return false;
    m->rules = *rules;
    m->max_keys = max_keys;
    m->entry_bytes = sizeof(uint64_t) + rules->n * sizeof(fb_limit_state_t);
    return true;
}

FB_INLINE uint64_t *hash_at(const fb_limit_memory_t *m, size_t at) {
    return (uint64_t *)(void *)(m->entries + at * m->entry_bytes);
}

FB_INLINE fb_limit_state_t *states_at(const fb_limit_memory_t *m, size_t at) {
    return (fb_limit_state_t *)(void *)(m->entries + at * m->entry_bytes + sizeof(uint64_t));
}

static void drop_logs(fb_limit_memory_t *m, size_t at) {
    if (m->rules.kind != FB_LIMIT_LOG) return;
    fb_limit_state_t *states = states_at(m, at);
    for (unsigned i = 0; i < m->rules.n; i++) {
        m->log_bytes -= states[i].log.room * sizeof(int64_t);
        free(states[i].log.stamps);
    }
}

void fb_limit_memory_drop(fb_limit_memory_t *m) {
    for (size_t at = 0; at < m->n; at++) drop_logs(m, at);
    free(m->entries);
    free(m->index);
    m->entries = NULL;
    m->index = NULL;
    m->n = m->room = 0;
}

size_t fb_limit_memory_bytes(const fb_limit_memory_t *m) {
    const size_t words = m->index == NULL ? 0 : (size_t)1 << m->index_bits;
    return m->room * m->entry_bytes + words * sizeof *m->index + m->log_bytes;
}

/* ---- the index --------------------------------------------------------------------------------- */

FB_INLINE size_t home(const fb_limit_memory_t *m, uint64_t h) {
    return (size_t)(h >> (64 - m->index_bits));
}

/* The word of the index that a key is at, or where it would be; n > 0 or the index is there. */
FB_INLINE size_t slot_of(const fb_limit_memory_t *m, uint64_t h) {
    const size_t mask = ((size_t)1 << m->index_bits) - 1;
    for (size_t slot = home(m, h);; slot = (slot + 1) & mask) {
        const uint64_t word = m->index[slot];
        if (word == 0) return slot;
        if ((uint32_t)word == (uint32_t)h && *hash_at(m, (size_t)(word >> 32) - 1) == h) return slot;
    }
}

static void put(fb_limit_memory_t *m, uint64_t h, size_t at) {
    m->index[slot_of(m, h)] = (uint64_t)(at + 1) << 32 | (uint32_t)h;
}

size_t fb_limit_memory_find(const fb_limit_memory_t *m, uint64_t h) {
    if (m->n == 0) return FB_LIMIT_NONE;
    const uint64_t word = m->index[slot_of(m, h)];
    return word == 0 ? FB_LIMIT_NONE : (size_t)(word >> 32) - 1;
}

/* Takes a word out and moves those that probed past it. */
static void close_up(fb_limit_memory_t *m, size_t hole) {
    const size_t mask = ((size_t)1 << m->index_bits) - 1;
    for (size_t slot = (hole + 1) & mask; m->index[slot] != 0; slot = (slot + 1) & mask) {
        const size_t wanted = home(m, *hash_at(m, (size_t)(m->index[slot] >> 32) - 1));
        if (((slot - wanted) & mask) >= ((slot - hole) & mask)) {
            m->index[hole] = m->index[slot];
            hole = slot;
        }
    }
    m->index[hole] = 0;
}

/* Room for one entry more, in the array and in the index. */
static bool grow(fb_limit_memory_t *m) {
    if (m->n < m->room) return true;
    size_t room = m->room == 0 ? MIN_ROOM : 2 * m->room;
    unsigned bits = 5;
    if (room > m->max_keys) room = (size_t)m->max_keys;
    while (((size_t)3 << bits) / 4 < room) bits++;
    uint64_t *index = calloc((size_t)1 << bits, sizeof *index);
    uint8_t *entries = index == NULL ? NULL : realloc(m->entries, room * m->entry_bytes);
    if (entries == NULL) {
        free(index);
        return false;
    }
    free(m->index);
    m->entries = entries;
    m->index = index;
    m->index_bits = bits;
    m->room = room;
    for (size_t at = 0; at < m->n; at++) put(m, *hash_at(m, at), at);
    return true;
}

/* Forgets an entry; the last one takes its place. */
static void drop_entry(fb_limit_memory_t *m, size_t at) {
    const size_t last = m->n - 1;
    drop_logs(m, at);
    close_up(m, slot_of(m, *hash_at(m, at)));
    if (at != last) {
        m->index[slot_of(m, *hash_at(m, last))] =
            (uint64_t)(at + 1) << 32 | (uint32_t)*hash_at(m, last);
        memcpy(hash_at(m, at), hash_at(m, last), m->entry_bytes);
    }
    m->n = last;
}

void fb_limit_memory_forget(fb_limit_memory_t *m, uint64_t h) {
    const size_t at = fb_limit_memory_find(m, h);
    if (at == FB_LIMIT_NONE) return;
    drop_entry(m, at);
    m->closed_until = m->closed_from;
}

/* ---- room -------------------------------------------------------------------------------------- */

/* The entry at the hand, which moves on. */
static size_t step(fb_limit_memory_t *m) {
    if (m->hand >= m->n) m->hand = 0;
    return m->hand++;
}

static fb_limit_verdict_t ask(const fb_limit_memory_t *m, size_t at, int64_t now) {
    const fb_limit_state_t *states = states_at(m, at);
    const bool allowed = fb_limit_fits(&m->rules, states, now, 1);
    return fb_limit_tell(&m->rules, states, now, 1, allowed, false);
}

/* Forgets a few keys whose quota is whole; if need be one that is not limited. */
static bool make_room(fb_limit_memory_t *m, int64_t now) {
    for (size_t i = m->n < TIDY ? m->n : TIDY; i > 0; i--) {
        const size_t at = step(m);
        if (fb_limit_whole(&m->rules, states_at(m, at), now)) {
            drop_entry(m, at);
            m->hand = at;
        }
    }
    if (m->n < m->max_keys) return true;
    if (m->closed_from <= now && now < m->closed_until) return false;
    size_t best = FB_LIMIT_NONE;
    int64_t soonest = 0, opens = 0;
    for (size_t seen = 0; seen < m->n && (best == FB_LIMIT_NONE || seen < SAMPLE); seen++) {
        const size_t at = step(m);
        const fb_limit_verdict_t v = ask(m, at, now);
        if (!v.allowed) {
            if (seen == 0 || v.retry < opens) opens = v.retry;
        } else if (best == FB_LIMIT_NONE || v.reset < soonest) {
            best = at;
            soonest = v.reset;
        }
    }
    if (best == FB_LIMIT_NONE) {
        m->closed_from = now;
        m->closed_until = now + (opens < FB_LIMIT_MAX_CLOSED ? opens : FB_LIMIT_MAX_CLOSED);
        return false;
    }
    m->evicted += soonest > 0;
    drop_entry(m, best);
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* Gives every log room for a call. */
static bool reserve(fb_limit_memory_t *m, fb_limit_state_t *states, int64_t now, uint64_t cost) {
    if (m->rules.kind != FB_LIMIT_LOG) return true;
    for (unsigned i = 0; i < m->rules.n; i++) {
        fb_limit_log_t *log = &states[i].log;
        const uint32_t limit = (uint32_t)m->rules.rule[i].limit;
        const uint32_t needs = fb_limit_log_needs(&m->rules.rule[i], log, now, cost);
        if (needs <= log->room) continue;
        uint32_t room = log->room == 0 ? MIN_LOG_ROOM : 2 * log->room;
        if (room < needs) room = needs;
        if (room > limit) room = limit;
        fb_limit_log_t larger = {malloc(room * sizeof(int64_t)), room, 0, 0};
        if (larger.stamps == NULL) return false;
        fb_limit_log_move(log, &larger);
        m->log_bytes += (room - log->room) * sizeof(int64_t);
        free(log->stamps);
        *log = larger;
    }
    return true;
}

fb_limit_outcome_t fb_limit_memory_call(fb_limit_memory_t *m, uint64_t h, int64_t now, uint64_t cost,
                                        bool spend, fb_limit_verdict_t *out) {
    size_t at = fb_limit_memory_find(m, h);
    fb_limit_state_t *states = at == FB_LIMIT_NONE ? NULL : states_at(m, at);
    const bool fresh = states == NULL, allowed = fb_limit_fits(&m->rules, states, now, cost);
    const bool counts = allowed && spend;
    fb_limit_outcome_t outcome = allowed ? FB_LIMIT_ALLOWED : FB_LIMIT_DENIED;
    if (counts && fresh) {
        if (!make_room(m, now))
            outcome = FB_LIMIT_NO_ROOM;
        else if (!grow(m))
            outcome = FB_LIMIT_NO_MEMORY;
        else
            memset(states = states_at(m, at = m->n), 0, m->entry_bytes - sizeof(uint64_t));
    }
    if (counts && outcome == FB_LIMIT_ALLOWED) {
        if (!reserve(m, states, now, cost)) {
            outcome = FB_LIMIT_NO_MEMORY;
            if (fresh) drop_logs(m, at);
            if (fresh) states = NULL;
        } else {
            fb_limit_spend(&m->rules, states, fresh, now, cost);
            if (fresh) {
                *hash_at(m, at) = h;
                put(m, h, at);
                m->n++;
            }
        }
    }
    if (out != NULL) *out = fb_limit_tell(&m->rules, states, now, cost, allowed, counts);
    return outcome;
}

size_t fb_limit_memory_call_keys(fb_limit_memory_t *m, fb_keys_cursor_t keys, uint64_t seed,
                                 int64_t now, const uint64_t *costs, uint64_t cost,
                                 bool allow_if_full, bool stop_if_full, bool *out,
                                 fb_limit_outcome_t *failure) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n, done = 0;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        if (m->n > 0) {
            for (size_t i = 0; i < n; i++) FB_PREFETCH(&m->index[home(m, hashes[i])]);
            for (size_t i = 0; i < n; i++) {
                const uint64_t word = m->index[home(m, hashes[i])];
                if (word != 0) FB_PREFETCH_WRITE(hash_at(m, (size_t)(word >> 32) - 1));
            }
        }
        for (size_t i = 0; i < n; i++) {
            const fb_limit_outcome_t outcome = fb_limit_memory_call(
                m, hashes[i], now, costs == NULL ? cost : *costs++, true, NULL);
            if (outcome == FB_LIMIT_NO_MEMORY || (outcome == FB_LIMIT_NO_ROOM && stop_if_full)) {
                *failure = outcome;
                return done;
            }
            out[done++] = outcome == FB_LIMIT_ALLOWED || (outcome == FB_LIMIT_NO_ROOM && allow_if_full);
        }
    }
    return done;
}

size_t fb_limit_denied_note(fb_limit_denied_t *denied, uint64_t h, bool *is_new) {
    const size_t set = (size_t)(h % FB_LIMIT_DENIED_SETS) * FB_LIMIT_DENIED_WAYS;
    size_t rarest = set;
    *is_new = false;
    for (size_t way = set; way < set + FB_LIMIT_DENIED_WAYS; way++) {
        if (denied->count[way] > 0 && denied->hash[way] == h) {
            denied->count[way]++;
            return way;
        }
        if (denied->count[way] < denied->count[rarest]) rarest = way;
    }
    *is_new = true;
    denied->hash[rarest] = h;
    denied->count[rarest]++;
    return rarest;
}

void fb_limit_denied_note_keys(fb_limit_denied_t *denied, fb_keys_cursor_t keys, uint64_t seed,
                               const bool *allowed, size_t latest[FB_LIMIT_DENIED_KEYS]) {
    uint64_t hashes[FB_KEYS_SLICE];
    size_t n, at = 0;
    for (size_t way = 0; way < FB_LIMIT_DENIED_KEYS; way++) latest[way] = FB_LIMIT_NONE;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < n; i++, at++) {
            if (allowed[at]) continue;
            bool is_new;
            const size_t way = fb_limit_denied_note(denied, hashes[i], &is_new);
            if (is_new) latest[way] = at;
        }
    }
}

/* ---- serialised -------------------------------------------------------------------------------- */

enum { HEAD_WORDS = 5 };

size_t fb_limit_memory_gathered(const fb_limit_memory_t *m) {
    size_t words = HEAD_WORDS;
    if (m->rules.kind != FB_LIMIT_LOG) return 8 * (words + m->n * (1 + 2 * (size_t)m->rules.n));
    for (size_t at = 0; at < m->n; at++) {
        words += 1 + m->rules.n;
        for (unsigned i = 0; i < m->rules.n; i++) words += states_at(m, at)[i].log.used;
    }
    return 8 * words;
}

void fb_limit_memory_gather(const fb_limit_memory_t *m, void *into) {
    uint64_t *out = into;
    *out++ = m->n;
    *out++ = m->hand < m->n ? m->hand : 0;
    *out++ = (uint64_t)m->closed_from;
    *out++ = (uint64_t)m->closed_until;
    *out++ = m->evicted;
    for (size_t at = 0; at < m->n; at++) {
        const fb_limit_state_t *states = states_at(m, at);
        *out++ = *hash_at(m, at);
        for (unsigned i = 0; i < m->rules.n; i++) {
            if (m->rules.kind == FB_LIMIT_LOG) {
                fb_limit_log_t flat = {(int64_t *)(void *)(out + 1), states[i].log.used, 0, 0};
                fb_limit_log_move(&states[i].log, &flat);
                *out = flat.used;
                out += 1 + flat.used;
            } else {
                memcpy(out, &states[i], 16);
                out += 2;
            }
        }
    }
}

fb_status_t fb_limit_memory_load(fb_limit_memory_t *m, const void *from, size_t bytes) {
    const uint64_t *in = from, *const end = in + bytes / 8;
    if (bytes % 8 != 0 || bytes < 8 * HEAD_WORDS || in[0] > m->max_keys) return FB_STATE_PARAMS;
    if (in[0] > bytes / 8 || in[1] > in[0]) return FB_STATE_PARAMS;
    const size_t n = (size_t)in[0];
    const size_t hand = (size_t)in[1];
    m->closed_from = (int64_t)in[2];
    m->closed_until = (int64_t)in[3];
    m->evicted = in[4];
    if (m->closed_from < -FB_LIMIT_MAX_TIME || m->closed_from > FB_LIMIT_MAX_TIME ||
        m->closed_until < m->closed_from || in[3] - in[2] > (uint64_t)FB_LIMIT_MAX_CLOSED)
        return FB_STATE_PARAMS;
    in += HEAD_WORDS;
    while (m->n < n) {
        if (in == end || fb_limit_memory_find(m, *in) != FB_LIMIT_NONE) return FB_STATE_PARAMS;
        if (!grow(m)) return FB_NO_MEMORY;
        const size_t at = m->n;
        fb_limit_state_t *states = states_at(m, at);
        memset(states, 0, m->entry_bytes - sizeof(uint64_t));
        put(m, *hash_at(m, at) = *in, at);
        in++;
        m->n++; /* so that what it holds is freed with the others */
        for (unsigned i = 0; i < m->rules.n; i++) {
            if (m->rules.kind == FB_LIMIT_LOG) {
                if (in == end || *in < 1 || *in > m->rules.rule[i].limit ||
                    *in > (uint64_t)(end - in - 1))
                    return FB_STATE_PARAMS;
                const uint32_t used = (uint32_t)*in++;
                fb_limit_log_t log = {malloc(used * sizeof(int64_t)), used, 0, used};
                if (log.stamps == NULL) return FB_NO_MEMORY;
                memcpy(log.stamps, in, used * sizeof(int64_t));
                states[i].log = log;
                m->log_bytes += used * sizeof(int64_t);
                in += used;
            } else {
                if (end - in < 2) return FB_STATE_PARAMS;
                memcpy(&states[i], in, 16);
                in += 2;
            }
            if (!fb_limit_state_ok(&m->rules, i, &states[i])) return FB_STATE_PARAMS;
        }
    }
    m->hand = hand;
    return in == end ? FB_OK : FB_STATE_PARAMS;
}
