/* Scalable Bloom filter [1].
 *
 * Idea. A list of slices, each a split-block Bloom filter (bloom.h). A new key goes to the newest
 * slice; when that holds as many keys as it was made for, a slice for twice as many is opened. A key
 * is present if any slice holds it. Their false-positive rates add up, so each level gets its share,
 * a geometric series that sums to less than what was asked for, however many there are:
 *
 *     slice of level i:   capacity initial * 2^i,   rate fp_rate * (1 - r) * r^i,   r = 7/8
 *
 * r was chosen by measuring memory after growing (docs/decisions.md). A key that a slice claims to
 * hold already is not added: it will be found anyway, and repeated keys take no room.
 *
 * Merging. The bits of full slices cannot be OR-ed without spoiling the rate, so the slices of
 * another filter become slices of this one, and the rates of both add up. Only slices of one level
 * that together hold no more keys than one is made for are united.
 *
 * Layout of the payload. Numbers are 64-bit, little-endian; every part begins at a multiple of 64, and
 * what is between them is zero:
 *
 *     head    | n_slices | 0 ...                                     |   64 bytes
 *     table   | level | n_blocks | lanes | count |  one a slice           32 bytes each
 *     slices  | bits as in bloom.c |                one after another
 *
 * In memory, slices that were loaded lie in the payload; those opened since in memory of their own.
 *
 * Invariants. Slice 0 is of level 0. count <= capacity in every slice. `open` is the newest slice
 * with count < capacity. In the table the address of a slice may change (after a clear), what it
 * points to is never freed or moved while the filter lives.
 *
 * Threads. One writer. A reader takes n_slices by acquire, and so sees those slices made; it may
 * miss what is being added, and after a clear look into slices that are out of use, no more.
 *
 * Complexity. With s slices, add and contains cost at most s cache misses; s is about
 * log2(keys / initial).
 *
 * [1] P. S. Almeida, C. Baquero, N. Preguiça, D. Hutchison, "Scalable Bloom Filters", Information
 *     Processing Letters 101(6), 2007.
 */
#include "scalable_bloom.h"

#include "memory.h"

typedef fb_scalable_bloom_slice_t slice_t;

enum { LINE = 64, LEVELS = FB_SCALABLE_BLOOM_LEVELS, SLICES = FB_SCALABLE_BLOOM_SLICES };

typedef struct {
    uint64_t level, n_blocks, lanes, count;
} entry_t;

static size_t padded(size_t size) { return (size + LINE - 1) / LINE * LINE; }

static size_t bytes_of(const slice_t *slice) { return (size_t)fb_bloom_bytes(slice->bloom.shape); }

static uint64_t count_of(const slice_t *slice) { return fb_atomic_load64(slice->count); }

static uint64_t room_in(const slice_t *slice) { return slice->capacity - count_of(slice); }

static uint64_t n_slices(const fb_scalable_bloom_t *b) { return fb_atomic_acquire64(&b->n_slices); }

static slice_t *slice_at(const fb_scalable_bloom_t *b, uint64_t i) {
    return fb_scalable_bloom_slice(b, i);
}

/* ---- slices -------------------------------------------------------------------------------- */

double fb_scalable_bloom_slice_rate(double fp_rate, unsigned level) {
    const double tightening = 7.0 / 8.0;
    double rate = fp_rate * (1.0 - tightening);
    for (unsigned i = 0; i < level; i++) rate *= tightening;
    return rate;
}

/* Keys that slices of a level are made for; 0 if that is more than a Bloom filter can hold by far.
 * So the capacities of all slices of a filter add up in 64 bits. */
static uint64_t capacity_of(const fb_scalable_bloom_t *b, uint64_t level) {
    const uint64_t max = 1ull << 56;
    return b->initial_capacity > max >> level ? 0 : b->initial_capacity << level;
}

/* A slice with these bits, or with zeroed ones of its own; NULL if there is not enough memory. */
static slice_t *new_slice(fb_bloom_shape_t shape, uint64_t level, uint64_t capacity,
                          uint32_t *bits) {
    const size_t head = padded(sizeof(slice_t));
    const size_t memory = head + (bits == NULL ? (size_t)fb_bloom_bytes(shape) : 0);
    slice_t *slice = fb_alloc_zeroed(memory);
    if (slice == NULL) return NULL;
    if (bits == NULL) bits = (uint32_t *)(void *)((char *)slice + head);
    fb_bloom_init(&slice->bloom, shape, bits);
    slice->level = level;
    slice->capacity = capacity;
    slice->count = &slice->own_count;
    slice->memory = memory;
    return slice;
}

/* Puts a slice behind those in use, for everyone to see. */
static void append(fb_scalable_bloom_t *b, slice_t *slice) {
    const uint64_t n = b->n_slices;
    slice->next = NULL;
    fb_atomic_release64(&b->slices[n], (uint64_t)(uintptr_t)slice);
    fb_atomic_release64(&b->n_slices, n + 1);
}

static void find_open(fb_scalable_bloom_t *b) {
    b->open = NULL;
    for (uint64_t i = n_slices(b); i-- > 0 && b->open == NULL;)
        if (room_in(slice_at(b, i)) > 0) b->open = slice_at(b, i);
}

static uint64_t next_level(const fb_scalable_bloom_t *b) {
    uint64_t next = 0;
    for (uint64_t i = 0; i < n_slices(b); i++)
        if (slice_at(b, i)->level >= next) next = slice_at(b, i)->level + 1;
    return next;
}

/* Where the pointer to a spare of this level is, or to none. */
static slice_t **spare_of(fb_scalable_bloom_t *b, uint64_t level) {
    slice_t **at = &b->spares;
    while (*at != NULL && (*at)->level != level) at = &(*at)->next;
    return at;
}

/* Sees to it that slices for `need` more keys than there is room for can be opened. */
static fb_status_t reserve(fb_scalable_bloom_t *b, uint64_t need) {
    if (b->fixed) return FB_FULL;
    uint64_t n = n_slices(b);
    for (uint64_t level = next_level(b); need > 0; level++, n++) {
        if (level >= LEVELS || n >= SLICES) return FB_FULL;
        const uint64_t capacity = capacity_of(b, level);
        if (capacity == 0) return FB_OUT_OF_RANGE;
        slice_t **at = spare_of(b, level);
        if (*at == NULL) {
            fb_bloom_shape_t shape;
            const double rate = fb_scalable_bloom_slice_rate(b->fp_rate, (unsigned)level);
            const fb_status_t status = fb_bloom_shape(capacity, rate, &shape);
            if (status != FB_OK) return status;
            *at = new_slice(shape, level, capacity, NULL);
            if (*at == NULL) return FB_NO_MEMORY;
        }
        need -= need < capacity ? need : capacity;
    }
    return FB_OK;
}

/* Opens a slice that has been reserved. There is one, unless somebody changes the counts of a mapped
 * file behind our back. */
static bool grow(fb_scalable_bloom_t *b) {
    slice_t **at = spare_of(b, next_level(b)), *slice = *at;
    if (slice == NULL) return false;
    *at = slice->next;
    append(b, slice);
    b->open = slice;
    return true;
}

fb_status_t fb_scalable_bloom_start(fb_scalable_bloom_t *b, uint64_t initial_capacity,
                                    double fp_rate) {
    memset(b, 0, sizeof *b);
    b->initial_capacity = initial_capacity;
    b->fp_rate = fp_rate;
    const fb_status_t status = reserve(b, 1);
    if (status == FB_OK) (void)grow(b);
    return status;
}

void fb_scalable_bloom_free_list(fb_scalable_bloom_slice_t *list) {
    while (list != NULL) {
        slice_t *next = list->next;
        fb_free_zeroed(list);
        list = next;
    }
}

void fb_scalable_bloom_free(fb_scalable_bloom_t *b) {
    for (uint64_t i = 0; i < b->n_slices; i++) fb_free_zeroed(slice_at(b, i));
    fb_scalable_bloom_free_list(b->spares);
    b->n_slices = 0;
    b->open = b->spares = NULL;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* Adds keys that no other slice holds, in order, until the open one is full; returns how many it
 * has looked at. */
static size_t put(fb_scalable_bloom_t *b, const uint64_t *h, size_t n) {
    slice_t *slice = b->open;
    uint64_t room = room_in(slice);
    const size_t done = slice->bloom.kernels->add_new_slice(
        slice->bloom.bits, slice->bloom.shape.n_blocks, h, n, &room);
    fb_atomic_store64(slice->count, slice->capacity - room);
    if (room == 0) find_open(b);
    return done;
}

fb_status_t fb_scalable_bloom_add(fb_scalable_bloom_t *b, uint64_t h) {
    if (fb_scalable_bloom_contains(b, h)) return FB_OK;
    if (b->open == NULL) {
        const fb_status_t status = reserve(b, 1);
        if (status != FB_OK) return status;
        (void)grow(b);
    }
    (void)put(b, &h, 1);
    return FB_OK;
}

/* Up to a run of keys that are still looked for: hashes, and where in the run they stood. */
typedef struct {
    uint64_t h[FB_KEYS_SLICE];
    uint8_t at[FB_KEYS_SLICE];
    size_t n;
} run_t;

_Static_assert(FB_KEYS_SLICE <= 256, "a place in a run fits a byte");

static bool next_run(run_t *run, fb_keys_cursor_t *keys, uint64_t seed) {
    run->n = fb_keys_next(keys, seed, run->h, FB_KEYS_SLICE);
    for (size_t i = 0; i < run->n; i++) run->at[i] = (uint8_t)i;
    return run->n > 0;
}

/* Drops what a slice holds. */
static void drop_held(run_t *run, const slice_t *slice) {
    bool held[FB_KEYS_SLICE];
    const fb_bloom_t *bloom = &slice->bloom;
    bloom->kernels->contains_slice(bloom->bits, bloom->shape.n_blocks, run->h, run->n, held);
    const bool *first = memchr(held, true, run->n); /* of absent keys, mostly none */
    if (first == NULL) return;
    size_t kept = (size_t)(first - held);
    for (size_t i = kept; i < run->n; i++) {
        run->h[kept] = run->h[i];
        run->at[kept] = run->at[i];
        kept += !held[i];
    }
    run->n = kept;
}

/* Drops what any slice but one holds. */
static void drop_held_by_others(run_t *run, const fb_scalable_bloom_t *b, const slice_t *but) {
    for (uint64_t i = n_slices(b); i-- > 0 && run->n > 0;)
        if (slice_at(b, i) != but) drop_held(run, slice_at(b, i));
}

void fb_scalable_bloom_contains_keys(const fb_scalable_bloom_t *b, fb_keys_cursor_t keys,
                                     uint64_t seed, bool *out) {
    run_t run;
    while (next_run(&run, &keys, seed)) {
        const size_t n = run.n;
        memset(out, true, n);
        drop_held_by_others(&run, b, NULL);
        for (size_t i = 0; i < run.n; i++) out[run.at[i]] = false;
        out += n;
    }
}

static uint64_t count_absent(const fb_scalable_bloom_t *b, fb_keys_cursor_t keys, uint64_t seed) {
    uint64_t absent = 0;
    run_t run;
    while (next_run(&run, &keys, seed)) {
        drop_held_by_others(&run, b, NULL);
        absent += run.n;
    }
    return absent;
}

/* Adds the keys of a run, in order; slices are there for all of them. */
static void add_run(fb_scalable_bloom_t *b, run_t *run) {
    drop_held_by_others(run, b, b->open);
    while (run->n > 0) {
        /* A slice is full only when the next new key comes: the first here is absent for sure. */
        if (b->open == NULL && !grow(b)) return;
        const slice_t *slice = b->open;
        const size_t done = put(b, run->h, run->n);
        run->n -= done;
        memmove(run->h, run->h + done, run->n * sizeof *run->h);
        if (run->n > 0) drop_held(run, slice); /* it is full, and one of the others now */
    }
}

fb_status_t fb_scalable_bloom_add_keys(fb_scalable_bloom_t *b, fb_keys_cursor_t keys, size_t n,
                                       uint64_t seed) {
    fb_scalable_bloom_sums_t sums;
    fb_scalable_bloom_sums(b, false, &sums);
    const uint64_t room = sums.capacity - sums.keys;
    if (n > room) {
        const uint64_t absent = count_absent(b, keys, seed);
        const fb_status_t status = absent > room ? reserve(b, absent - room) : FB_OK;
        if (status != FB_OK) return status;
    }
    run_t run;
    while (next_run(&run, &keys, seed)) add_run(b, &run);
    return FB_OK;
}

/* ---- payload ------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *p, size_t size) {
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) any |= p[i];
    return any == 0;
}

fb_status_t fb_scalable_bloom_read(fb_scalable_bloom_t *b, void *payload, size_t size, bool fixed) {
    uint8_t *bytes = payload;
    if (size < LINE || size % LINE != 0) return FB_STATE_PARAMS;
    const uint64_t n = fb_read64(bytes);
    if (n < 1 || n > SLICES || !all_zero(bytes + 8, LINE - 8)) return FB_STATE_PARAMS;
    const size_t table_end = LINE + (size_t)n * sizeof(entry_t);
    size_t at = padded(table_end);
    if (size < at || !all_zero(bytes + table_end, at - table_end)) return FB_STATE_PARAMS;
    b->fixed = fixed;
    for (uint64_t i = 0; i < n; i++) {
        entry_t *entry = (entry_t *)(void *)(bytes + LINE) + i;
        if (entry->lanes > 16 || entry->level >= LEVELS || (i == 0 && entry->level != 0))
            return FB_STATE_PARAMS;
        const fb_bloom_shape_t shape = {entry->n_blocks, (unsigned)entry->lanes};
        const uint64_t capacity = capacity_of(b, entry->level);
        if (!fb_bloom_shape_ok(shape) || entry->count > capacity || capacity == 0 ||
            fb_bloom_bytes(shape) > size - at)
            return FB_STATE_PARAMS;
        const size_t end = at + (size_t)fb_bloom_bytes(shape);
        if (!all_zero(bytes + end, padded(end) - end)) return FB_STATE_PARAMS;
        slice_t *slice =
            new_slice(shape, entry->level, capacity, (uint32_t *)(void *)(bytes + at));
        if (slice == NULL) return FB_NO_MEMORY;
        slice->count = &entry->count;
        append(b, slice);
        at = padded(end);
    }
    if (at != size) return FB_STATE_PARAMS;
    find_open(b);
    return FB_OK;
}

size_t fb_scalable_bloom_bytes(const fb_scalable_bloom_t *b) {
    const uint64_t n = n_slices(b);
    size_t size = LINE + padded((size_t)n * sizeof(entry_t));
    for (uint64_t i = 0; i < n; i++) size += padded(bytes_of(slice_at(b, i)));
    return size;
}

void fb_scalable_bloom_write(const fb_scalable_bloom_t *b, void *payload) {
    uint8_t *bytes = payload;
    const uint64_t n = n_slices(b);
    size_t at = LINE + padded((size_t)n * sizeof(entry_t));
    memset(bytes, 0, at);
    fb_write64(bytes, n);
    for (uint64_t i = 0; i < n; i++) {
        const slice_t *slice = slice_at(b, i);
        const fb_bloom_shape_t shape = slice->bloom.shape;
        const entry_t entry = {slice->level, shape.n_blocks, shape.lanes, count_of(slice)};
        memcpy(bytes + LINE + i * sizeof entry, &entry, sizeof entry);
        const size_t size = bytes_of(slice);
        fb_copy_shared(bytes + at, slice->bloom.bits, size);
        memset(bytes + at + size, 0, padded(size) - size);
        at += padded(size);
    }
}

size_t fb_scalable_bloom_memory(const fb_scalable_bloom_t *b) {
    size_t memory = 0;
    for (uint64_t i = 0; i < n_slices(b); i++) memory += slice_at(b, i)->memory;
    for (const slice_t *slice = b->spares; slice != NULL; slice = slice->next)
        memory += slice->memory;
    return memory;
}

/* ---- whole filters ------------------------------------------------------------------------- */

fb_scalable_bloom_slice_t **fb_scalable_bloom_snapshot(const fb_scalable_bloom_t *b,
                                                       fb_scalable_bloom_slice_t **tail) {
    slice_t **first = tail;
    for (uint64_t i = 0; i < n_slices(b); i++) {
        const slice_t *slice = slice_at(b, i);
        const uint64_t count = count_of(slice);
        if (count == 0) continue;
        slice_t *copy = new_slice(slice->bloom.shape, slice->level, slice->capacity, NULL);
        if (copy == NULL) {
            fb_scalable_bloom_free_list(*first);
            *first = NULL;
            return NULL;
        }
        copy->own_count = count;
        fb_copy_shared(copy->bloom.bits, slice->bloom.bits, bytes_of(slice));
        *tail = copy;
        tail = &copy->next;
    }
    return tail;
}

static bool alike(const slice_t *a, const slice_t *b) {
    return a->level == b->level && a->bloom.shape.n_blocks == b->bloom.shape.n_blocks &&
           a->bloom.shape.lanes == b->bloom.shape.lanes;
}

/* Finds the target of each slice of a list, changing nothing else. */
static fb_status_t plan(const fb_scalable_bloom_t *b, slice_t *list) {
    const slice_t *slices[SLICES];
    uint64_t counts[SLICES];
    size_t n = (size_t)n_slices(b);
    for (size_t i = 0; i < n; i++) {
        slices[i] = slice_at(b, i);
        counts[i] = count_of(slices[i]);
    }
    for (slice_t *slice = list; slice != NULL; slice = slice->next) {
        const uint64_t count = count_of(slice);
        size_t i = 0;
        while (i < n && !(alike(slices[i], slice) && count <= slice->capacity - counts[i])) i++;
        slice->target = i;
        if (i < n) {
            counts[i] += count;
            continue;
        }
        if (b->fixed || n == SLICES) return FB_FULL;
        slices[n] = slice;
        counts[n++] = count;
    }
    return FB_OK;
}

fb_status_t fb_scalable_bloom_merge(fb_scalable_bloom_t *b, fb_scalable_bloom_slice_t *list) {
    const fb_status_t status = plan(b, list);
    if (status != FB_OK) return status;
    for (slice_t *slice = list, *next; slice != NULL; slice = next) {
        next = slice->next;
        const bool new = slice->target == n_slices(b);
        slice_t **spare = spare_of(b, slice->level), *into = *spare;
        if (new && (into == NULL || !alike(into, slice))) {
            append(b, slice);
            continue;
        }
        if (new)
            *spare = into->next; /* emptied before: clearing and merging in turn takes no more memory */
        else
            into = slice_at(b, slice->target);
        fb_bloom_unite(&into->bloom, &slice->bloom);
        fb_atomic_store64(into->count, count_of(into) + count_of(slice));
        if (new) append(b, into);
        fb_free_zeroed(slice);
    }
    find_open(b);
    return FB_OK;
}

static void empty(slice_t *slice) {
    fb_atomic_store64(slice->count, 0);
    fb_bloom_clear(&slice->bloom);
}

void fb_scalable_bloom_clear(fb_scalable_bloom_t *b) {
    const uint64_t n = n_slices(b);
    if (!b->fixed) fb_atomic_release64(&b->n_slices, 1);
    for (uint64_t i = 0; i < n; i++) {
        slice_t *slice = slice_at(b, i);
        empty(slice);
        if (i == 0 || b->fixed) continue;
        slice->next = b->spares;
        b->spares = slice;
    }
    find_open(b);
}

bool fb_scalable_bloom_equal(const fb_scalable_bloom_t *a, const fb_scalable_bloom_t *b) {
    const uint64_t n = n_slices(a);
    if (n != n_slices(b)) return false;
    for (uint64_t i = 0; i < n; i++) {
        const slice_t *ours = slice_at(a, i), *theirs = slice_at(b, i);
        if (!alike(ours, theirs) || count_of(ours) != count_of(theirs) ||
            !fb_bloom_equal(&ours->bloom, &theirs->bloom))
            return false;
    }
    return true;
}

void fb_scalable_bloom_sums(const fb_scalable_bloom_t *b, bool count_bits,
                            fb_scalable_bloom_sums_t *sums) {
    memset(sums, 0, sizeof *sums);
    for (uint64_t i = 0; i < n_slices(b); i++) {
        const slice_t *slice = slice_at(b, i);
        sums->keys += count_of(slice);
        sums->capacity += slice->capacity;
        sums->bits += 8 * fb_bloom_bytes(slice->bloom.shape);
        if (count_bits) sums->set += fb_bloom_count_bits(&slice->bloom);
    }
}

double fb_scalable_bloom_rate_now(const fb_scalable_bloom_t *b) {
    double absent = 1.0; /* the chance that an absent key is said to be */
    for (uint64_t i = 0; i < n_slices(b); i++)
        absent *= 1.0 - fb_bloom_rate_now(&slice_at(b, i)->bloom);
    return 1.0 - absent;
}
