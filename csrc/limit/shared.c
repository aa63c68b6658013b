/* Body:
 *
 *      records   512, each of 128 bytes
 *      words     one of 64 bits for each set, then up to 64 bytes
 *      blocks    one for each set, and a spare for each record
 *      logs      one for each of a set's ways, and a spare for each record; if the rules are LOG
 *
 *      block:    n keys | entries: hash, state for each rule, or: hash, number of a log
 *      log:      for each rule: n stamps | stamps, oldest first
 *      record:   seq * 2 + known | set | holding if seq is even | holding if seq is odd
 *      word:     seq | record | block
 *
 * A set's state is an immutable block, to which its word points. An update looks at the block and decides,
 * copies it into the spare of the one who makes it, changes the copy, and puts it in the block's place by one
 * compare-and-swap of the word, which fails if the word has changed meanwhile: so what was looked at was there
 * at one moment. The block that was there is its spare from then on. With logs, the one log that has changed
 * is replaced in the same way, its number being in the block. Who changes nothing looks whether the word is
 * the same afterwards. So:
 *
 *   Exact.    Word, and with it all of a set, go from state to state at one instruction each. A word never
 *             comes back: it tells whose which update it is. So a swap succeeds only on the state that was
 *             decided on, and insertion, eviction and removal are as atomic as a call that counts. A key
 *             is in one set, and there once, since who inserts it has seen all of the set. (The number of
 *             an update has 31 bits at least, 41 with 100 000 keys: somebody would have to sleep through
 *             a whole multiple of so many updates of one record to be deceived.)
 *   No lock.  A swap fails only if another has succeeded.
 *   Whole.    A block or log is in one place: a set's, or a record's spare. Nobody writes to any but its own
 *             spares. A reader of a block that was replaced and is written to finds the word changed: it
 *             reads with acquire what is written with release after the word was changed.
 *   Killed.   An update is done at its swap, and nowhere else. What its record holds afterwards (the spares,
 *             how many keys came and went) is written down before, in the one of two places that the next
 *             seq chooses, and comes into force when the seq goes on, after the swap. Who is killed in between
 *             leaves the question whether the swap was done. It was if the word is still the one that it
 *             would have put there, or if it is known: for who replaces a word marks it as known in the record
 *             it came from, before [1]. So the next owner of the record looks at the word and then at the mark,
 *             and goes on from one holding or from the other. Nobody needs the answer before, and if that
 *             owner is killed too, the question is still there.
 *
 * So as to need no writing when it is made, a block's number in a word is exclusive-or'd with the set's, and a
 * log's in an entry with that of the way: then zeros point to a set's first block and logs.
 *
 * Keys of a block are in no order. One that is new makes room first: it looks at two others and forgets them
 * if their quota is whole.
 *
 * Memory: 3.2 ways for each of max_keys, of 8 bytes and 16 for each rule; with LOG of 24, and 8 for each stamp
 * that can count, but what is never written to takes no memory of a sparse file.
 *
 * [1] Attiya, Ben-Baruch, Hendler, "Nesting-Safe Recoverable Linearizability", PODC 2018: the recoverable
 *     compare-and-swap.
 */
#include "limit/shared.h"

enum { TIDY = 2, RECORD_WORDS = 16, RECORD_BITS = 9, HEAD_WORDS = 1, HOLDING_WORDS = 4 };
enum { SEQ, SET, HOLDINGS }; /* words of a record */

FB_INLINE bool has_logs(const fb_limit_shared_t *s) { return s->rules.kind == FB_LIMIT_LOG; }

/* ---- where things are ------------------------------------------------------------------------ */

/* Fills in all but pointers; the size of the body. */
static uint64_t lay_out(fb_limit_shared_t *s, const fb_limit_rules_t *rules, uint64_t max_keys) {
    const uint64_t most = UINT64_C(1) << 46;
    memset(s, 0, sizeof *s);
    if (max_keys < 1 || max_keys > FB_LIMIT_SHARED_MAX_KEYS) return 0;
    s->rules = *rules;
    if (max_keys <= FB_LIMIT_SHARED_WAYS) {
        s->n_sets = 1;
        s->ways = (size_t)max_keys;
    } else {
        s->n_sets = (max_keys + FB_LIMIT_SHARED_LOAD - 1) / FB_LIMIT_SHARED_LOAD;
        s->ways = FB_LIMIT_SHARED_WAYS;
    }
    s->entry_words = has_logs(s) ? 2 : 1 + 2 * (size_t)rules->n;
    s->block_words = (HEAD_WORDS + s->ways * s->entry_words + 7) / 8 * 8;
    s->n_blocks = s->n_sets + FB_LIMIT_SHARED_RECORDS;
    while (s->n_blocks > UINT64_C(1) << s->block_bits) s->block_bits++;
    uint64_t words = FB_LIMIT_SHARED_RECORDS * RECORD_WORDS + (s->n_sets + 7) / 8 * 8;
    words += s->n_blocks * s->block_words;
    if (has_logs(s)) {
        for (unsigned i = 0; i < rules->n; i++) s->log_words += 1 + (size_t)rules->rule[i].limit;
        s->n_logs = s->n_sets * s->ways + FB_LIMIT_SHARED_RECORDS;
        words += s->n_logs * s->log_words; /* below 2^29 * 2^24 */
    }
    return words <= most / 8 ? 8 * words : 0;
}

uint64_t fb_limit_shared_bytes(const fb_limit_rules_t *rules, uint64_t max_keys) {
    fb_limit_shared_t s;
    return lay_out(&s, rules, max_keys);
}

void fb_limit_shared_init(fb_limit_shared_t *s, const fb_limit_rules_t *rules, uint64_t max_keys,
                          void *body) {
    lay_out(s, rules, max_keys);
    s->body = body;
    s->words = (uint64_t *)body + FB_LIMIT_SHARED_RECORDS * RECORD_WORDS;
    s->blocks = s->words + (s->n_sets + 7) / 8 * 8;
    s->logs = s->blocks + s->n_blocks * s->block_words;
}

FB_INLINE uint64_t *record_at(const fb_limit_shared_t *s, unsigned record) {
    return (uint64_t *)(void *)s->body + record * RECORD_WORDS;
}

FB_INLINE uint64_t *holding_at(uint64_t *record, uint64_t seq) {
    return record + HOLDINGS + seq % 2 * HOLDING_WORDS;
}

FB_INLINE uint64_t *block_at(const fb_limit_shared_t *s, uint64_t block) {
    return s->blocks + block * s->block_words;
}

FB_INLINE uint64_t *entry_at(const fb_limit_shared_t *s, uint64_t *block, size_t way) {
    return block + HEAD_WORDS + way * s->entry_words;
}

FB_INLINE uint64_t set_of(const fb_limit_shared_t *s, uint64_t h) {
    return fb_reduce64(h, s->n_sets);
}

/* The word that puts a block in a set's place. */
FB_INLINE uint64_t word_of(const fb_limit_shared_t *s, uint64_t seq, unsigned record,
                           uint64_t block, uint64_t set) {
    return (seq << RECORD_BITS | record) << s->block_bits | (block ^ set);
}

FB_INLINE uint64_t block_of(const fb_limit_shared_t *s, uint64_t word, uint64_t set) {
    return (word & ((UINT64_C(1) << s->block_bits) - 1)) ^ set;
}

/* ---- words that others may be reading or writing ----------------------------------------------- */

FB_INLINE void copy_words(uint64_t *into, const uint64_t *from, size_t n) {
    for (size_t i = 0; i < n; i++) fb_atomic_release64(into + i, fb_atomic_acquire64(from + i));
}

/* The same for a whole log, by vectors. Formally a race; but the fences keep the order, and what was read
 * while others wrote is not used. */
FB_INLINE void copy_many(uint64_t *into, const uint64_t *from, size_t n) {
#if defined(__SANITIZE_THREAD__)
    copy_words(into, from, n);
#else
    fb_atomic_order();
    memcpy(into, from, n * sizeof *into);
    fb_atomic_order();
#endif
}

static fb_limit_holding_t get_holding(const uint64_t *at) {
    const fb_limit_holding_t holding = {fb_atomic_acquire64(at), fb_atomic_acquire64(at + 1),
                                        fb_atomic_acquire64(at + 2), fb_atomic_acquire64(at + 3)};
    return holding;
}

static void put_holding(uint64_t *at, const fb_limit_holding_t *holding) {
    fb_atomic_release64(at, holding->block);
    fb_atomic_release64(at + 1, holding->log);
    fb_atomic_release64(at + 2, holding->keys);
    fb_atomic_release64(at + 3, holding->evicted);
}

/* ---- records --------------------------------------------------------------------------------- */

/* What a record holds, and the seq of its next update; a record that was never used, seq 0. */
static uint64_t read_record(const fb_limit_shared_t *s, unsigned number,
                            fb_limit_holding_t *holding) {
    uint64_t *record = record_at(s, number);
    for (;;) {
        const uint64_t state = fb_atomic_acquire64(&record[SEQ]);
        uint64_t seq = state / 2;
        bool done = state % 2;
        if (seq == 0) {
            const fb_limit_holding_t first = {s->n_sets + number, s->n_sets * s->ways + number, 0, 0};
            *holding = first;
            return 0;
        }
        *holding = get_holding(holding_at(record, seq));
        if (!done) {
            const uint64_t set = fb_atomic_acquire64(&record[SET]);
            const uint64_t would_be = word_of(s, seq, number, holding->block, set);
            done = set < s->n_sets && fb_atomic_acquire64(&s->words[set]) == would_be;
        }
        if (!done && fb_atomic_acquire64(&record[SEQ]) == state) return seq;
        if (done) {
            *holding = get_holding(holding_at(record, ++seq));
            const uint64_t again = fb_atomic_acquire64(&record[SEQ]);
            if (again / 2 == state / 2) return seq;
        }
    }
}

bool fb_limit_shared_join(fb_limit_shared_t *s, unsigned number) {
    uint64_t *record = record_at(s, number);
    uint64_t seq = read_record(s, number, &s->mine);
    if (s->mine.block >= s->n_blocks || (has_logs(s) && s->mine.log >= s->n_logs)) return false;
    if (seq == 0) put_holding(holding_at(record, ++seq), &s->mine);
    fb_atomic_release64(&record[SEQ], 2 * seq);
    s->record = number;
    s->seq = seq;
    return true;
}

void fb_limit_shared_count(const fb_limit_shared_t *s, uint64_t *keys, uint64_t *evicted) {
    fb_limit_holding_t holding;
    *keys = *evicted = 0;
    for (unsigned i = 0; i < FB_LIMIT_SHARED_RECORDS; i++) {
        if (read_record(s, i, &holding) == 0) continue;
        *keys += holding.keys; /* what one has added another may have taken away: modulo 2^64 */
        *evicted += holding.evicted;
    }
    if (*keys > s->n_sets * s->ways) *keys = 0; /* records were read one after the other */
}

/* ---- a set ------------------------------------------------------------------------------------- */

typedef enum { DONE, NO_ROOM, CHANGED, CORRUPT } step_t;

typedef struct {
    uint64_t set, word;
    uint64_t *block; /* the set's; then the spare, a copy of it */
    size_t n;        /* keys in it */
    uint64_t log;    /* the spare */
    uint64_t keys, evicted;
} view_t;

FB_INLINE bool is_current(const fb_limit_shared_t *s, const view_t *c) {
    return fb_atomic_acquire64(&s->words[c->set]) == c->word;
}

/* What it means that something cannot be: it was read while others wrote, or it is so. */
FB_INLINE step_t wrong(const fb_limit_shared_t *s, const view_t *c) {
    return is_current(s, c) ? CORRUPT : CHANGED;
}

/* The number of the log of a way, and what an entry says for it. */
FB_INLINE uint64_t log_word(const fb_limit_shared_t *s, const view_t *c, size_t way, uint64_t log) {
    return log ^ (c->set * s->ways + way);
}

static step_t view_set(const fb_limit_shared_t *s, uint64_t set, view_t *c) {
    c->set = set;
    c->log = s->mine.log;
    c->keys = s->mine.keys;
    c->evicted = s->mine.evicted;
    c->word = fb_atomic_acquire64(&s->words[set]);
    const uint64_t number = block_of(s, c->word, set);
    if (number >= s->n_blocks) return CORRUPT;
    c->block = block_at(s, number);
    const uint64_t n = fb_atomic_acquire64(c->block);
    if (n > s->ways) return wrong(s, c);
    c->n = (size_t)n;
    return DONE;
}

/* Makes it a copy, in the spare; if it is not true, it cannot be published. */
static void copy_set(const fb_limit_shared_t *s, view_t *c) {
    uint64_t *spare = block_at(s, s->mine.block);
    copy_words(spare, c->block, HEAD_WORDS + (has_logs(s) ? s->ways : c->n) * s->entry_words);
    c->block = spare;
}

/* The way of a key, or the first free one. */
static size_t find(const fb_limit_shared_t *s, const view_t *c, uint64_t h) {
    size_t way = 0;
    while (way < c->n && fb_atomic_acquire64(entry_at(s, c->block, way)) != h) way++;
    return way;
}

/* The states of a way; logs stay where they are. They may be anything if the set is not current. */
static step_t get_states(const fb_limit_shared_t *s, const view_t *c, size_t way,
                         fb_limit_state_t *states) {
    const uint64_t *entry = entry_at(s, c->block, way);
    if (!has_logs(s)) {
        for (unsigned i = 0; i < s->rules.n; i++) {
            uint64_t words[2];
            copy_words(words, entry + 1 + 2 * i, 2);
            memcpy(&states[i], words, sizeof words);
        }
        return DONE;
    }
    const uint64_t number = log_word(s, c, way, fb_atomic_acquire64(entry + 1));
    if (number >= s->n_logs) return wrong(s, c);
    uint64_t *log = s->logs + number * s->log_words;
    for (unsigned i = 0; i < s->rules.n; i++) {
        const uint32_t room = (uint32_t)s->rules.rule[i].limit;
        const uint64_t n = fb_atomic_acquire64(log);
        const fb_limit_log_t found = {(int64_t *)(void *)(log + 1), room, 0, n < room ? (uint32_t)n : room};
        states[i].log = found;
        log += 1 + room;
    }
    return DONE;
}

/* Puts what still counts of the logs of a way, of none if it is `fresh`, into the spare, which takes their
 * place in the copy. */
static step_t copy_logs(const fb_limit_shared_t *s, view_t *c, size_t way, bool fresh, int64_t now,
                        fb_limit_state_t *states) {
    uint64_t *number = entry_at(s, c->block, way) + 1, *log = s->logs + c->log * s->log_words;
    const uint64_t before = log_word(s, c, way, *number);
    if (before >= s->n_logs) return wrong(s, c);
    for (unsigned i = 0; i < s->rules.n; i++) {
        const fb_limit_rule_t *rule = &s->rules.rule[i];
        fb_limit_log_t into = {(int64_t *)(void *)(log + 1), (uint32_t)rule->limit, 0, 0};
        if (!fresh) {
            const fb_limit_log_t *from = &states[i].log;
            into.used = fb_limit_log_needs(rule, from, now, 0);
            copy_many(log + 1, (const uint64_t *)from->stamps + (from->used - into.used), into.used);
        }
        states[i].log = into;
        log += 1 + rule->limit;
    }
    fb_atomic_release64(number, log_word(s, c, way, c->log));
    c->log = before;
    return is_current(s, c) ? DONE : CHANGED;
}

/* Writes what a way's states are now to the copy; of logs, how long they are. */
static void put_states(const fb_limit_shared_t *s, const view_t *c, size_t way, uint64_t h,
                       const fb_limit_state_t *states) {
    uint64_t *entry = entry_at(s, c->block, way);
    fb_atomic_release64(entry, h);
    for (unsigned i = 0; i < s->rules.n; i++) {
        uint64_t words[2];
        if (has_logs(s)) {
            fb_atomic_release64((uint64_t *)(void *)states[i].log.stamps - 1, states[i].log.used);
        } else {
            memcpy(words, &states[i], sizeof words);
            copy_words(entry + 1 + 2 * i, words, 2);
        }
    }
}

/* Forgets a key of the copy; the last one takes its place, and its logs, if any, the last place. */
static void drop(const fb_limit_shared_t *s, view_t *c, size_t way) {
    const size_t last = --c->n;
    c->keys--;
    if (way == last) return;
    uint64_t *entry = entry_at(s, c->block, way), *other = entry_at(s, c->block, last);
    if (!has_logs(s)) {
        copy_words(entry, other, s->entry_words);
        return;
    }
    const uint64_t ours = log_word(s, c, way, entry[1]), theirs = log_word(s, c, last, other[1]);
    fb_atomic_release64(entry, other[0]);
    fb_atomic_release64(entry + 1, log_word(s, c, way, theirs));
    fb_atomic_release64(other + 1, log_word(s, c, last, ours));
}

/* Puts the copy in the set's place. False if the set has changed meanwhile. */
static bool publish(fb_limit_shared_t *s, const view_t *c) {
    uint64_t *mine = record_at(s, s->record);
    const fb_limit_holding_t next = {block_of(s, c->word, c->set), c->log, c->keys, c->evicted};
    fb_atomic_release64(c->block, c->n);
    const unsigned author = (unsigned)(c->word >> s->block_bits) % FB_LIMIT_SHARED_RECORDS;
    if (author != s->record) { /* our own are known to be done */
        const unsigned up = s->block_bits + RECORD_BITS;
        uint64_t *theirs = record_at(s, author);
        const uint64_t state = fb_atomic_acquire64(&theirs[SEQ]);
        if (state % 2 == 0 && state / 2 << up == c->word >> up << up)
            fb_atomic_publish64(&theirs[SEQ], state, state + 1);
    }
    put_holding(holding_at(mine, s->seq + 1), &next);
    fb_atomic_release64(&mine[SET], c->set);
    if (!fb_atomic_publish64(&s->words[c->set], c->word,
                             word_of(s, s->seq, s->record, s->mine.block, c->set)))
        return false;
    s->mine = next;
    s->seq++;
    fb_atomic_release64(&mine[SEQ], 2 * s->seq);
    return true;
}

/* ---- room -------------------------------------------------------------------------------------- */

static step_t ask(const fb_limit_shared_t *s, const view_t *c, size_t way, int64_t now,
                  fb_limit_verdict_t *v) {
    fb_limit_state_t states[FB_LIMIT_RULES_MAX];
    const step_t step = get_states(s, c, way, states);
    if (step != DONE) return step;
    const bool allowed = fb_limit_fits(&s->rules, states, now, 1);
    *v = fb_limit_tell(&s->rules, states, now, 1, allowed, false);
    return DONE;
}

/* Makes room for a key: forgets a few whose quota is whole, and if need be one that is not limited. */
static step_t make_room(const fb_limit_shared_t *s, view_t *c, uint64_t h, int64_t now,
                        int64_t *opens) {
    fb_limit_state_t states[FB_LIMIT_RULES_MAX];
    fb_limit_verdict_t v;
    step_t step;
    size_t way = (uint32_t)h, best = s->ways;
    int64_t soonest = 0;
    for (int i = 0; i < TIDY && c->n > 0; i++) {
        way %= c->n;
        if ((step = get_states(s, c, way, states)) != DONE) return step;
        if (fb_limit_whole(&s->rules, states, now))
            drop(s, c, way);
        else
            way++;
    }
    if (c->n < s->ways) return DONE;
    *opens = 0;
    for (way = 0; way < c->n; way++) {
        if ((step = ask(s, c, way, now, &v)) != DONE) return step;
        if (!v.allowed) {
            if (way == 0 || v.retry < *opens) *opens = v.retry;
        } else if (best == s->ways || v.reset < soonest) {
            best = way;
            soonest = v.reset;
        }
    }
    if (best == s->ways) return is_current(s, c) ? NO_ROOM : CHANGED;
    c->evicted += soonest > 0;
    drop(s, c, best);
    return DONE;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* One attempt. */
static step_t call_once(fb_limit_shared_t *s, uint64_t h, int64_t now, uint64_t cost, bool spend,
                        fb_limit_outcome_t *outcome, fb_limit_verdict_t *out, int64_t *opens) {
    fb_limit_state_t states[FB_LIMIT_RULES_MAX];
    view_t c;
    step_t step = view_set(s, set_of(s, h), &c);
    if (step != DONE) return step;
    size_t way = find(s, &c, h);
    const bool fresh = way == c.n;
    if (!fresh && (step = get_states(s, &c, way, states)) != DONE) return step;
    const bool allowed = fb_limit_fits(&s->rules, fresh ? NULL : states, now, cost);
    bool counts = allowed && spend;
    *outcome = allowed ? FB_LIMIT_ALLOWED : FB_LIMIT_DENIED;
    if (counts) {
        copy_set(s, &c);
        if (fresh) {
            step = make_room(s, &c, h, now, opens);
            if (step == NO_ROOM) {
                *outcome = FB_LIMIT_NO_ROOM;
                counts = false;
            } else if (step != DONE) {
                return step;
            } else {
                way = c.n++;
                c.keys++;
            }
        }
    }
    if (counts) {
        if (has_logs(s) && (step = copy_logs(s, &c, way, fresh, now, states)) != DONE) return step;
        fb_limit_spend(&s->rules, states, fresh, now, cost);
        put_states(s, &c, way, h, states);
    }
    if (out != NULL) {
        const fb_limit_state_t *known = fresh && !counts ? NULL : states;
        *out = fb_limit_tell(&s->rules, known, now, cost, allowed, counts);
    }
    return (counts ? publish(s, &c) : is_current(s, &c)) ? DONE : CHANGED;
}

fb_limit_outcome_t fb_limit_shared_call(fb_limit_shared_t *s, uint64_t h, int64_t now, uint64_t cost,
                                        bool spend, fb_limit_verdict_t *out, int64_t *opens) {
    fb_limit_outcome_t outcome = FB_LIMIT_CORRUPT;
    step_t step;
    do step = call_once(s, h, now, cost, spend, &outcome, out, opens);
    while (step == CHANGED);
    return step == CORRUPT ? FB_LIMIT_CORRUPT : outcome;
}

size_t fb_limit_shared_call_keys(fb_limit_shared_t *s, fb_keys_cursor_t keys, uint64_t seed,
                                 int64_t now, const uint64_t *costs, uint64_t cost,
                                 bool allow_if_full, bool stop_if_full, bool *out,
                                 fb_limit_outcome_t *failure) {
    uint64_t hashes[FB_KEYS_SLICE];
    int64_t opens;
    size_t n, done = 0;
    while ((n = fb_keys_next(&keys, seed, hashes, FB_KEYS_SLICE)) > 0) {
        for (size_t i = 0; i < n; i++) FB_PREFETCH(&s->words[set_of(s, hashes[i])]);
        for (size_t i = 0; i < n; i++) {
            const fb_limit_outcome_t outcome = fb_limit_shared_call(
                s, hashes[i], now, costs == NULL ? cost : *costs++, true, NULL, &opens);
            if (outcome == FB_LIMIT_CORRUPT || (outcome == FB_LIMIT_NO_ROOM && stop_if_full)) {
                *failure = outcome;
                return done;
            }
            out[done++] = outcome == FB_LIMIT_ALLOWED || (outcome == FB_LIMIT_NO_ROOM && allow_if_full);
        }
    }
    return done;
}

bool fb_limit_shared_forget(fb_limit_shared_t *s, uint64_t h) {
    for (;;) {
        view_t c;
        const step_t step = view_set(s, set_of(s, h), &c);
        if (step == CORRUPT) return false;
        if (step == CHANGED) continue;
        const size_t way = find(s, &c, h);
        if (way == c.n) {
            if (is_current(s, &c)) return true;
            continue;
        }
        copy_set(s, &c);
        drop(s, &c, way);
        if (publish(s, &c)) return true;
    }
}
