/* Limits in shared memory: decisions as in memory of one's own, every way an update can be cut short, and
 * processes that are killed. Damaged bodies do no harm. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "limit/shared.h"

enum { PERIOD = 1000, KILLS = 30, WORKERS = 3, KEYS = 40 };

static fb_limit_rules_t rules_of(fb_limit_kind_t kind, uint64_t limit, uint64_t period, unsigned n) {
    fb_limit_rules_t rules = {.kind = kind, .n = n};
    for (unsigned i = 0; i < n; i++)
        CHECK(fb_limit_rule(&rules.rule[i], kind, limit + 2 * i, limit + 2 * i, period * (1 + 3 * i)));
    return rules;
}

/* A body that is shared with children; whole pages, so that what is beyond is not readable. */
static void *new_body(const fb_limit_rules_t *rules, uint64_t max_keys, size_t *size) {
    *size = (size_t)fb_limit_shared_bytes(rules, max_keys);
    void *body = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (body == MAP_FAILED) abort();
    return body;
}

static void open_table(fb_limit_shared_t *s, const fb_limit_rules_t *rules, uint64_t max_keys,
                       void *body, unsigned record) {
    fb_limit_shared_init(s, rules, max_keys, body);
    CHECK(fb_limit_shared_join(s, record));
}

static bool pass(fb_limit_shared_t *s, uint64_t h, int64_t now) {
    int64_t opens;
    return fb_limit_shared_call(s, h, now, 1, true, NULL, &opens) == FB_LIMIT_ALLOWED;
}

/* Every block and log is in exactly one place: a set's, or the spare of a record. Nobody is at work, and no
 * record but those that were joined since is in the middle of an update. */
static void check_places(const fb_limit_shared_t *s) {
    uint8_t *blocks = calloc((size_t)s->n_blocks, 1), *logs = calloc((size_t)s->n_logs + 1, 1);
    const uint64_t mask = (UINT64_C(1) << s->block_bits) - 1;
    const bool with_logs = s->rules.kind == FB_LIMIT_LOG;
    uint64_t keys = 0, held, evicted;
    for (uint64_t set = 0; set < s->n_sets; set++) {
        const uint64_t number = (s->words[set] & mask) ^ set;
        const uint64_t *block = s->blocks + number * s->block_words;
        CHECK(number < s->n_blocks && blocks[number]++ == 0);
        CHECK(block[0] <= s->ways);
        keys += block[0];
        for (size_t way = 0; with_logs && way < s->ways; way++) {
            const uint64_t log = block[1 + way * s->entry_words + 1] ^ (set * s->ways + way);
            CHECK(log < s->n_logs && logs[log]++ == 0);
        }
    }
    for (unsigned i = 0; i < FB_LIMIT_SHARED_RECORDS; i++) {
        fb_limit_shared_t other;
        fb_limit_shared_init(&other, &s->rules, 1, s->body);
        other.n_sets = s->n_sets, other.n_blocks = s->n_blocks, other.n_logs = s->n_logs;
        other.ways = s->ways, other.block_bits = s->block_bits, other.words = s->words;
        CHECK(fb_limit_shared_join(&other, i));
        CHECK(other.mine.block < s->n_blocks && blocks[other.mine.block]++ == 0);
        if (with_logs) CHECK(other.mine.log < s->n_logs && logs[other.mine.log]++ == 0);
    }
    for (uint64_t i = 0; i < s->n_blocks; i++) CHECK(blocks[i] == 1);
    for (uint64_t i = 0; i < s->n_logs; i++) CHECK(logs[i] == 1);
    fb_limit_shared_count(s, &held, &evicted);
    CHECK(held == keys);
    free(blocks);
    free(logs);
}

/* With room for all keys and a clock that goes on, every answer is that of fb_limit_memory. (If it is set
 * back, it matters which keys were forgotten as whole again meanwhile, and that is not the same.) */
static void compare(fb_limit_kind_t kind, unsigned n) {
    const fb_limit_rules_t rules = rules_of(kind, 5, PERIOD, n);
    fb_limit_shared_t s[2];
    fb_limit_memory_t m;
    fb_limit_verdict_t a, b;
    size_t size;
    uint64_t random = n;
    int64_t now = -3000, opens;
    void *body = new_body(&rules, 500, &size);
    open_table(&s[0], &rules, 500, body, 0);
    open_table(&s[1], &rules, 500, body, 511);
    CHECK(fb_limit_memory_init(&m, &rules, 1000));
    for (int i = 0; i < 30000; i++) {
        const uint64_t r = next_random(&random), h = (r % 200) * 0x9E3779B97F4A7C15ull;
        const uint64_t cost = (r >> 20) % 16 == 0 ? 3 + (r >> 30) % 8 : 1;
        const bool spend = (r >> 40) % 8 != 0;
        now += (int64_t)((r >> 50) % 20);
        if ((r >> 34) % 64 == 0) {
            CHECK(fb_limit_shared_forget(&s[i % 2], h));
            fb_limit_memory_forget(&m, h);
        }
        const fb_limit_outcome_t mine =
            fb_limit_shared_call(&s[i % 2], h, now, cost, spend, &a, &opens);
        CHECK(mine == fb_limit_memory_call(&m, h, now, cost, spend, &b));
        CHECK(a.allowed == b.allowed && a.limit == b.limit && a.remaining == b.remaining);
        CHECK(a.retry == b.retry && a.reset == b.reset);
    }
    check_places(&s[0]);
    fb_limit_memory_drop(&m);
    munmap(body, size);
}

/* A limited key is not forgotten, one that is not gives way. */
static void overfill(fb_limit_kind_t kind) {
    const fb_limit_rules_t rules = rules_of(kind, 2, PERIOD, 1);
    fb_limit_shared_t s;
    uint64_t keys, evicted;
    int64_t opens = 0;
    size_t size;
    void *body = new_body(&rules, 4, &size);
    open_table(&s, &rules, 4, body, 7);
    for (uint64_t key = 0; key < 3; key++) CHECK(pass(&s, key, 1) && pass(&s, key, 1));
    for (uint64_t key = 10; key < 100; key++) CHECK(pass(&s, key, 2)); /* each in the place of the last */
    for (uint64_t key = 0; key < 3; key++) CHECK(!pass(&s, key, 3));
    CHECK(pass(&s, 99, 3));
    CHECK(fb_limit_shared_call(&s, 100, 3, 1, true, NULL, &opens) == FB_LIMIT_NO_ROOM);
    CHECK(opens > 0 && opens <= 2 * PERIOD);
    fb_limit_shared_count(&s, &keys, &evicted);
    CHECK(keys == 4 && evicted == 89);
    CHECK(fb_limit_shared_forget(&s, 0) && pass(&s, 100, 4));
    CHECK(pass(&s, 200, 3 * PERIOD));
    check_places(&s);
    munmap(body, size);
}

/* Killed between the swap and going on, with and without others having replaced the set since; and before
 * the swap, with everything written down. The words are those of csrc/limit/shared.c. */
static void cut_short(fb_limit_kind_t kind, unsigned others, bool swapped) {
    const fb_limit_rules_t rules = rules_of(kind, 50, PERIOD, 1);
    fb_limit_shared_t a, b;
    size_t size;
    void *body = new_body(&rules, 30, &size);
    open_table(&a, &rules, 30, body, 3);
    open_table(&b, &rules, 30, body, 4);
    for (uint64_t i = 0; i < 5; i++) CHECK(pass(&a, i, 1) && pass(&b, i, 1));
    uint64_t *record = (uint64_t *)body + 3 * 16;
    const uint64_t before = record[0];
    if (swapped) {
        CHECK(pass(&a, 1, 2));
        CHECK(record[0] == before + 2);
        record[0] = before; /* as if it had not got so far */
    } else {
        for (int i = 2; i < 10; i++) record[i] ^= before / 2 % 2 == (uint64_t)(i >= 6) ? 0 : 0xff;
        record[1] = 0;
    }
    for (unsigned i = 0; i < others; i++) CHECK(pass(&b, i % 2, 2));
    CHECK(record[0] == before + (swapped && others > 0)); /* marked */
    open_table(&a, &rules, 30, body, 3);
    CHECK(record[0] == before + 2 * swapped);
    check_places(&a);
    int64_t opens;
    fb_limit_verdict_t v;
    CHECK(fb_limit_shared_call(&a, 1, 2, 1, false, &v, &opens) == FB_LIMIT_ALLOWED);
    CHECK(v.remaining == 48 - swapped - others / 2);
    munmap(body, size);
}

/* A call that was overtaken, or came after the clock was set back, counts as of the time of the key. */
static void overtake(void) {
    const fb_limit_rules_t rules = rules_of(FB_LIMIT_FIXED, 2, PERIOD, 1);
    fb_limit_shared_t s;
    fb_limit_verdict_t v;
    size_t size;
    int64_t opens;
    void *body = new_body(&rules, 10, &size);
    open_table(&s, &rules, 10, body, 0);
    CHECK(pass(&s, 1, 4999) && pass(&s, 1, 5000));
    CHECK(fb_limit_shared_call(&s, 1, 4999, 1, true, &v, &opens) == FB_LIMIT_ALLOWED);
    CHECK(v.remaining == 0 && v.reset == 1 + PERIOD);
    CHECK(!pass(&s, 1, 5000)); /* two in the window of 5000 */
    munmap(body, size);
}

typedef struct {
    uint64_t passed[KEYS];
    uint64_t calls;
} tally_t;

/* Children are killed in the middle of whatever they are at. What passed never is more than the limit, and is
 * less by one call for each kill at most, which was counted and not told of. */
static void kill_workers(fb_limit_kind_t kind) {
    const uint64_t limit = 3000;
    const fb_limit_rules_t rules = rules_of(kind, limit, 1000000, 1);
    size_t size;
    uint64_t random = kind;
    void *body = new_body(&rules, 400, &size);
    tally_t *tally = mmap(NULL, sizeof(tally_t) * WORKERS, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[WORKERS] = {0};
    for (int round = 0; round < KILLS + WORKERS; round++) {
        const int worker = round % WORKERS;
        if (pids[worker] != 0) {
            const uint64_t enough = fb_atomic_load64(&tally[worker].calls) + next_random(&random) % 600;
            while (fb_atomic_load64(&tally[worker].calls) < enough) usleep(50);
            kill(pids[worker], SIGKILL);
            waitpid(pids[worker], NULL, 0);
        }
        pids[worker] = fork();
        if (pids[worker] != 0) continue;
        fb_limit_shared_t s;
        open_table(&s, &rules, 400, body, (unsigned)worker);
        for (uint64_t i = (uint64_t)round;; i++) {
            const uint64_t key = i % 16 == 0 ? i / 16 % KEYS : 0;
            const bool passed = pass(&s, key * 0x9E3779B97F4A7C15ull, 7);
            fb_atomic_store64(&tally[worker].passed[key], tally[worker].passed[key] + passed);
            fb_atomic_store64(&tally[worker].calls, tally[worker].calls + 1);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    fb_limit_shared_t s;
    open_table(&s, &rules, 400, body, WORKERS);
    uint64_t passed = 0, told = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        fb_limit_verdict_t v;
        int64_t opens;
        uint64_t of_key = 0;
        fb_limit_shared_call(&s, key * 0x9E3779B97F4A7C15ull, 7, 1, false, &v, &opens);
        for (int i = 0; i < WORKERS; i++) of_key += tally[i].passed[key];
        CHECK(of_key <= limit - v.remaining);
        passed += limit - v.remaining;
        told += of_key;
    }
    CHECK(passed - told <= KILLS + WORKERS);
    check_places(&s);
    munmap(body, size);
    munmap(tally, sizeof(tally_t) * WORKERS);
}

/* Whatever the bytes of a body, nothing beyond it is touched. */
static void damage(fb_limit_kind_t kind) {
    const fb_limit_rules_t rules = rules_of(kind, 4, PERIOD, 2);
    const size_t size = (size_t)fb_limit_shared_bytes(&rules, 100);
    uint64_t random = 1;
    for (int round = 0; round < 100; round++) {
        void *body;
        if (posix_memalign(&body, 64, size) != 0) abort();
        memset(body, 0, size);
        fb_limit_shared_t s;
        open_table(&s, &rules, 100, body, 0);
        for (uint64_t i = 0; i < 300; i++) pass(&s, i * 0x9E3779B97F4A7C15ull, (int64_t)i);
        for (int i = 0; i < 200; i++) {
            const size_t at = next_random(&random) % size;
            ((uint8_t *)body)[at] = (uint8_t)next_random(&random);
        }
        for (size_t i = 0; i < 10; i++) s.words[i] ^= next_random(&random) % 4096;
        for (size_t i = 0; i < 64 * 16; i++)
            if (round % 2) ((uint64_t *)body)[i] = next_random(&random);
        for (unsigned i = 1; i < 5; i++) {
            fb_limit_shared_t other;
            uint64_t keys, evicted;
            fb_limit_shared_init(&other, &rules, 100, body);
            fb_limit_shared_count(&other, &keys, &evicted);
            if (fb_limit_shared_join(&other, i)) {
                fb_limit_verdict_t v;
                int64_t opens;
                for (uint64_t key = 0; key < 200; key++) {
                    const uint64_t h = key * 0x9E3779B97F4A7C15ull;
                    fb_limit_shared_call(&other, h, 300, 1, true, &v, &opens);
                    if (key % 8 == 0) fb_limit_shared_forget(&other, h);
                }
            }
        }
        free(body);
    }
}

int main(void) {
    fb_limit_rules_t rules = rules_of(FB_LIMIT_FIXED, 1, 1, 1);
    CHECK(fb_limit_shared_bytes(&rules, 0) == 0);
    CHECK(fb_limit_shared_bytes(&rules, FB_LIMIT_SHARED_MAX_KEYS + 1ull) == 0);
    CHECK(fb_limit_shared_bytes(&rules, FB_LIMIT_SHARED_MAX_KEYS) > 0);
    rules = rules_of(FB_LIMIT_LOG, FB_LIMIT_MAX_LOG - 100, 1, 8);
    CHECK(fb_limit_shared_bytes(&rules, FB_LIMIT_SHARED_MAX_KEYS) == 0);
    for (int k = FB_LIMIT_FIXED; k <= FB_LIMIT_LOG; k++) {
        const fb_limit_kind_t kind = (fb_limit_kind_t)k;
        for (unsigned n = 1; n <= 3; n++) compare(kind, n);
        overfill(kind);
        for (unsigned others = 0; others < 4; others += 2) {
            cut_short(kind, others, true);
            cut_short(kind, others, false);
        }
        kill_workers(kind);
        damage(kind);
    }
    overtake();
    return check_report();
}
