/* Quadtrees of points that move: region quadtrees [1] whose leaves are buckets.
 *
 * Idea. A leaf keeps its points in chunks of sixteen, coordinates side by side, so that a search tests them at the same
 * time; only its newest chunk is not full, and a hole is filled with the newest point. What is free is NaN, which no
 * search finds. Links, apart, lead from chunks to their leaf, and to the next of it.
 * A hash table leads from ids to places in chunks. So to move a point within its leaf is to look it up, to
 * compare its new cell with the leaf's and to write two numbers; further away, it is taken out of its leaf,
 * and put into the one that is found by going up to the nearest node that holds the new cell and down again.
 *
 * A leaf with more than `capacity` points is split in four, unless it is a single cell: then it grows, so depth is
 * bounded however many points are equal. Four leaves that have together no more than half of `capacity`
 * become one again; the half keeps a point that goes to and fro from splitting and joining each time.
 *
 * The table has open addressing with linear probing. An entry holds 32 bits of the hash and the place: what is
 * there is skipped without a look at the point, and entries can be moved without one. Nothing is left where an
 * entry was removed: those behind move up. The hash is a bijective mix of the id and a seed.
 *
 * Batches of new points go in along a Z curve, so that what is side by side in the plane is so in memory.
 *
 * Invariants. Place p is in the table exactly if it is below the count of its leaf. Nodes are in groups of four,
 * siblings; free groups and chunks are in lists. Before a change there is room for all it can need, so a
 * change that has begun succeeds.
 *
 * Complexity. O(1) to move within a leaf, else O(depth + capacity), `capacity` at a split or join only.
 * 25 bytes a point and what chunks have free, 8 to 21 in the table, 43 a leaf.
 *
 * [1] H. Samet, "The Design and Analysis of Spatial Data Structures", 1990, section 2.4 (PR quadtrees, buckets).
 */
#include "quads.h"

#include <math.h>
#include <stdlib.h>

#include "memory.h"
#include "sort.h"

enum {
    ROOM = 4 * FB_QUADS_DEPTH + 8, /* chunks, and nodes, that one change can need */
    TABLE_MIN = 16,
    MANY = 64, /* points of a batch that are worth to be sorted */
    AHEAD = 12 /* items of a batch that are fetched before their turn */
};

/* ---- the table -------------------------------------------------------------------------------------- */

FB_INLINE uint32_t tag_of(const fb_quads_t *t, int64_t id) {
    uint64_t h = (uint64_t)id ^ t->seed;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
    return (uint32_t)(h >> 32);
}

FB_INLINE uint32_t place_at(uint64_t entry) { return (uint32_t)entry - 1; }

FB_INLINE uint64_t entry_of(uint32_t tag, uint32_t place) { return (uint64_t)tag << 32 | (place + 1); }

FB_INLINE size_t home_of(const fb_quads_t *t, uint64_t entry) { return (size_t)(entry >> 32) & t->mask; }

FB_INLINE int64_t id_at(const fb_quads_t *t, uint32_t place) {
    return fb_quads_chunk(t, fb_quads_chunk_of(place))->ids[fb_quads_slot_of(place)];
}

/* Where the entry of an id is, or the empty place where it would be. */
FB_INLINE size_t entry_index(const fb_quads_t *t, uint32_t tag, int64_t id) {
    size_t i = tag & t->mask;
    for (; t->table[i]; i = (i + 1) & t->mask) {
        if (t->table[i] >> 32 == tag && id_at(t, place_at(t->table[i])) == id) break;
    }
    return i;
}

/* Where the entry of a place is, whose point has `tag`. */
FB_INLINE size_t index_of_place(const fb_quads_t *t, uint32_t tag, uint32_t place) {
    const uint64_t entry = entry_of(tag, place);
    size_t i = tag & t->mask;
    while (t->table[i] != entry) i = (i + 1) & t->mask;
    return i;
}

static void erase_entry(fb_quads_t *t, size_t hole) {
    for (size_t i = hole;;) {
        i = (i + 1) & t->mask;
        if (t->table[i] == 0) break;
        if (((i - home_of(t, t->table[i])) & t->mask) >= ((i - hole) & t->mask)) {
            t->table[hole] = t->table[i];
            hole = i;
        }
    }
    t->table[hole] = 0;
}

static bool room_in_table(fb_quads_t *t, size_t n) {
    size_t size = t->mask + 1;
    if (n <= size / 4 * 3) return true;
    while (n > size / 4 * 3) size *= 2;
    uint64_t *old = t->table, *table = fb_alloc_zeroed(size * sizeof *table);
    if (table == NULL) return false;
    const size_t before = t->mask + 1;
    t->table = table;
    t->mask = size - 1;
    for (size_t k = 0; k < before; k++) {
        if (old[k] == 0) continue;
        size_t i = home_of(t, old[k]);
        while (table[i]) i = (i + 1) & t->mask;
        table[i] = old[k];
    }
    fb_free_zeroed(old);
    return true;
}

/* ---- nodes and chunks ------------------------------------------------------------------------------- */

/* An eighth more at a time, so little is left over. */
static size_t grown(size_t max, size_t needed) {
    const size_t more = max + max / 8;
    return ((more < needed ? needed : more) + 3) & ~(size_t)3;
}

/* `memory` of `used` bytes in a place of `size`, on huge pages if that is large; NULL leaves it as it was. */
static void *moved(void *memory, size_t used, size_t size) {
    void *larger = fb_alloc_zeroed(size);
    if (larger == NULL) return NULL;
    if (used) memcpy(larger, memory, used);
    fb_free_zeroed(memory);
    return larger;
}

static bool room_for_nodes(fb_quads_t *t, size_t more) {
    if (4 * t->free_groups + t->nodes_max - t->nodes_used >= more) return true;
    const size_t max = grown(t->nodes_max, t->nodes_used + more);
    if (max > FB_QUADS_LEAF) return false;
    if (t->made != NULL) {
        fb_quads_boxes_t *boxes =
            moved(t->boxes, t->nodes_used / 4 * sizeof *boxes, max / 4 * sizeof *boxes);
        if (boxes == NULL) return false;
        t->boxes = boxes;
    }
    uint32_t *down = moved(t->down, t->nodes_used * sizeof *down, max * sizeof *down);
    if (down == NULL) return false;
    t->down = down;
    fb_quads_node_t *nodes = moved(t->nodes, t->nodes_used * sizeof *nodes, max * sizeof *nodes);
    if (nodes == NULL) return false;
    t->nodes = nodes;
    t->nodes_max = max;
    return true;
}

static bool room_for_chunks(fb_quads_t *t, size_t more) {
    if (t->free_chunks + t->chunks_max - t->chunks_used >= more) return true;
    const size_t max = grown(t->chunks_max, t->chunks_used + more);
    if (max > FB_QUADS_NONE / FB_QUADS_CHUNK) return false; /* places are numbered by 32 bits */
    fb_quads_link_t *links = moved(t->links, t->chunks_used * sizeof *links, max * sizeof *links);
    if (links == NULL) return false;
    t->links = links;
    uint8_t *chunks = moved(t->chunks, t->chunks_used * t->chunk_bytes, max * t->chunk_bytes);
    if (chunks == NULL) return false;
    t->chunks = chunks;
    t->chunks_max = max;
    return true;
}

static bool room(fb_quads_t *t) { return room_for_nodes(t, ROOM) && room_for_chunks(t, ROOM); }

static uint32_t new_chunk(fb_quads_t *t, uint32_t leaf, uint32_t next) {
    uint32_t chunk = t->free_chunk;
    if (chunk != FB_QUADS_NONE) {
        t->free_chunk = t->links[chunk].next;
        t->free_chunks--;
    } else {
        chunk = (uint32_t)t->chunks_used++;
    }
    memset(fb_quads_chunk(t, chunk), 0xff, t->chunk_bytes); /* NaN */
    t->links[chunk] = (fb_quads_link_t){leaf, next};
    return chunk;
}

static void free_chunk(fb_quads_t *t, uint32_t chunk) {
    t->links[chunk].next = t->free_chunk;
    t->free_chunk = chunk;
    t->free_chunks++;
}

static void free_group(fb_quads_t *t, uint32_t child) {
    t->down[child] = t->free_group;
    t->free_group = child;
    t->free_groups++;
}

static uint32_t new_group(fb_quads_t *t) {
    uint32_t child = t->free_group;
    if (child != FB_QUADS_NONE) {
        t->free_group = t->down[child];
        t->free_groups--;
    } else {
        child = (uint32_t)t->nodes_used;
        t->nodes_used += 4;
    }
    return child;
}

static fb_quads_node_t empty_leaf(uint32_t parent, uint32_t cx, uint32_t cy, uint32_t depth) {
    return (fb_quads_node_t){.parent = parent, .cx = cx, .cy = cy, .depth = depth};
}

/* ---- points in leaves ------------------------------------------------------------------------------- */

FB_INLINE bool holds(const fb_quads_t *t, const fb_quads_node_t *node, uint32_t cx, uint32_t cy) {
    return ((cx ^ node->cx) | (cy ^ node->cy)) >> (t->depth - node->depth) == 0;
}

/* The leaf below `node`, which holds the cell. */
FB_INLINE uint32_t leaf_below(const fb_quads_t *t, uint32_t node, uint32_t cx, uint32_t cy) {
    while (!fb_quads_is_leaf(t, node)) {
        const uint32_t bit = t->depth - t->nodes[node].depth - 1;
        node = fb_quads_child(t, node, cx, cy, bit);
    }
    return node;
}

FB_INLINE void put(const fb_quads_t *t, fb_quads_chunk_t *chunk, uint32_t slot,
                   const fb_quads_point_t *point) {
    chunk->a[slot] = point->a;
    chunk->b[slot] = point->b;
    if (t->chunk_bytes > sizeof *chunk) {
        fb_quads_floats_t *floats = fb_quads_floats(chunk);
        for (int i = 0; i < 3; i++) floats->c[i][slot] = point->c[i];
    }
}

FB_INLINE fb_quads_point_t point_at(const fb_quads_t *t, fb_quads_chunk_t *chunk, uint32_t slot) {
    fb_quads_point_t point = {.a = chunk->a[slot], .b = chunk->b[slot]};
    if (t->chunk_bytes > sizeof *chunk) {
        const fb_quads_floats_t *floats = fb_quads_floats(chunk);
        for (int i = 0; i < 3; i++) point.c[i] = floats->c[i][slot];
    }
    return point;
}

static const fb_quads_point_t nowhere = {.a = NAN, .b = NAN, .c = {NAN, NAN, NAN}};

/* Adds a point to a leaf: its place. */
static uint32_t push(fb_quads_t *t, uint32_t leaf, int64_t id, const fb_quads_point_t *point) {
    fb_quads_node_t *node = &t->nodes[leaf];
    const uint32_t slot = node->count % FB_QUADS_CHUNK;
    if (slot == 0) t->down[leaf] = new_chunk(t, leaf, fb_quads_head(t, leaf)) | FB_QUADS_LEAF;
    const uint32_t head = fb_quads_head(t, leaf);
    node->count++;
    fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
    chunk->ids[slot] = id;
    put(t, chunk, slot, point);
    return head * FB_QUADS_CHUNK + slot;
}

/* Takes a point out of its leaf, which has its place filled with the newest. */
static void take(fb_quads_t *t, uint32_t place) {
    fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place));
    const uint32_t leaf = t->links[fb_quads_chunk_of(place)].leaf;
    fb_quads_node_t *node = &t->nodes[leaf];
    const uint32_t head = fb_quads_head(t, leaf), last = fb_quads_in_head(node->count) - 1;
    fb_quads_chunk_t *newest = fb_quads_chunk(t, head);
    const uint32_t moved = head * FB_QUADS_CHUNK + last;
    if (moved != place) {
        const int64_t id = newest->ids[last];
        const fb_quads_point_t point = point_at(t, newest, last);
        const uint32_t tag = tag_of(t, id), slot = fb_quads_slot_of(place);
        t->table[index_of_place(t, tag, moved)] = entry_of(tag, place);
        chunk->ids[slot] = id;
        put(t, chunk, slot, &point);
    }
    put(t, newest, last, &nowhere);
    node->count--;
    if (last == 0) {
        t->down[leaf] = t->links[head].next | FB_QUADS_LEAF;
        free_chunk(t, head);
    }
}

/* Moves all points of a leaf, which has been cleared, to leaves below `to`. */
static void pour(fb_quads_t *t, uint32_t head, uint32_t count, uint32_t to) {
    while (count) {
        fb_quads_chunk_t *chunk = fb_quads_chunk(t, head);
        const uint32_t n = fb_quads_in_head(count), next = t->links[head].next;
        for (uint32_t slot = 0; slot < n; slot++) {
            const int64_t id = chunk->ids[slot];
            const uint32_t tag = tag_of(t, id);
            fb_quads_point_t point = point_at(t, chunk, slot);
            uint32_t leaf = to;
            if (!fb_quads_is_leaf(t, to)) {
                t->place(t, &point);
                leaf = leaf_below(t, to, point.cx, point.cy);
            }
            const size_t at = index_of_place(t, tag, head * FB_QUADS_CHUNK + slot);
            t->table[at] = entry_of(tag, push(t, leaf, id, &point));
        }
        free_chunk(t, head);
        count -= n;
        head = next;
    }
}

static void split(fb_quads_t *t, uint32_t leaf) {
    const uint32_t child = new_group(t);
    fb_quads_node_t *node = &t->nodes[leaf];
    const uint32_t head = fb_quads_head(t, leaf), count = node->count;
    const uint32_t side = 1u << (t->depth - node->depth - 1);
    for (uint32_t i = 0; i < 4; i++) {
        t->nodes[child + i] = empty_leaf(leaf, node->cx + (i & 1) * side, node->cy + (i >> 1) * side,
                                         node->depth + 1);
        t->down[child + i] = FB_QUADS_NONE;
    }
    t->down[leaf] = child;
    node->count = 0;
    if (t->made != NULL) t->made(t, child);
    pour(t, head, count, leaf);
}

/* Joins a leaf that has lost a point and its siblings if they are few. */
static void join(fb_quads_t *t, uint32_t leaf) {
    for (uint32_t parent; (parent = t->nodes[leaf].parent) != FB_QUADS_NONE; leaf = parent) {
        const uint32_t child = t->down[parent];
        uint32_t total = 0;
        for (uint32_t i = child; i < child + 4; i++) {
            if (!fb_quads_is_leaf(t, i)) return;
            total += t->nodes[i].count;
        }
        if (total > t->capacity / 2) return;
        t->down[parent] = FB_QUADS_NONE;
        for (uint32_t i = child; i < child + 4; i++) {
            pour(t, fb_quads_head(t, i), t->nodes[i].count, parent);
        }
        free_group(t, child);
    }
}

/* Adds a point to a leaf, to be split if it is full: its place. There is room. */
static uint32_t add(fb_quads_t *t, uint32_t leaf, int64_t id, const fb_quads_point_t *point) {
    while (t->nodes[leaf].count >= t->capacity && t->nodes[leaf].depth < t->depth) {
        split(t, leaf);
        leaf = leaf_below(t, leaf, point->cx, point->cy);
    }
    return push(t, leaf, id, point);
}

/* ---- one ---------------------------------------------------------------------------------------------- */

fb_status_t fb_quads_begin(fb_quads_t *t, bool floats) {
    t->chunk_bytes = sizeof(fb_quads_chunk_t) + (floats ? sizeof(fb_quads_floats_t) : 0);
    t->free_group = t->free_chunk = FB_QUADS_NONE;
    t->table = fb_alloc_zeroed(TABLE_MIN * sizeof *t->table);
    t->mask = TABLE_MIN - 1;
    if (t->table == NULL || !room(t)) return FB_NO_MEMORY;
    t->nodes_used = (t->roots + 3) & ~3u;
    for (uint32_t i = 0; i < t->nodes_used; i++) {
        t->nodes[i] = empty_leaf(FB_QUADS_NONE, i << t->depth, 0, 0);
        t->down[i] = FB_QUADS_NONE;
    }
    for (uint32_t i = 0; t->made != NULL && i < t->nodes_used; i += 4) t->made(t, i);
    return FB_OK;
}

void fb_quads_end(fb_quads_t *t) {
    fb_free_zeroed(t->nodes);
    fb_free_zeroed(t->down);
    fb_free_zeroed(t->boxes);
    fb_free_zeroed(t->chunks);
    fb_free_zeroed(t->links);
    fb_free_zeroed(t->table);
    memset(t, 0, sizeof *t);
}

size_t fb_quads_bytes(const fb_quads_t *t) {
    return t->nodes_max * (sizeof *t->nodes + sizeof *t->down) +
           (t->made != NULL ? t->nodes_max / 4 * sizeof *t->boxes : 0) +
           t->chunks_max * (t->chunk_bytes + sizeof *t->links) + (t->mask + 1) * sizeof *t->table;
}

uint32_t fb_quads_find(const fb_quads_t *t, int64_t id) {
    return place_at(t->table[entry_index(t, tag_of(t, id), id)]);
}

/* Puts a point where there is none of its id. */
static fb_status_t insert_new(fb_quads_t *t, uint32_t tag, size_t at, int64_t id, double a, double b) {
    fb_quads_point_t point = {.a = a, .b = b};
    if (t->n >= FB_QUADS_MAX) return FB_OUT_OF_RANGE;
    if (!room(t)) return FB_NO_MEMORY;
    if (t->n + 1 > (t->mask + 1) / 4 * 3) {
        if (!room_in_table(t, t->n + 1)) return FB_NO_MEMORY;
        at = entry_index(t, tag, id);
    }
    t->place(t, &point);
    const uint32_t root = point.cx >> t->depth;
    t->table[at] = entry_of(tag, add(t, leaf_below(t, root, point.cx, point.cy), id, &point));
    t->n++;
    return FB_OK;
}

static fb_status_t move_there(fb_quads_t *t, uint32_t tag, size_t at, int64_t id, double a, double b) {
    fb_quads_point_t point = {.a = a, .b = b};
    const uint32_t place = place_at(t->table[at]);
    fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place));
    const uint32_t leaf = t->links[fb_quads_chunk_of(place)].leaf;
    t->place(t, &point);
    if (FB_LIKELY(holds(t, &t->nodes[leaf], point.cx, point.cy))) {
        put(t, chunk, fb_quads_slot_of(place), &point);
        return FB_OK;
    }
    if (!room(t)) return FB_NO_MEMORY;
    t->table[at] = entry_of(tag, FB_QUADS_NONE - 1); /* nowhere: another point may get its place */
    take(t, place);
    uint32_t above = t->nodes[leaf].parent;
    while (above != FB_QUADS_NONE && !holds(t, &t->nodes[above], point.cx, point.cy)) {
        above = t->nodes[above].parent;
    }
    if (above == FB_QUADS_NONE) above = point.cx >> t->depth;
    const uint32_t to = leaf_below(t, above, point.cx, point.cy);
    t->table[at] = entry_of(tag, add(t, to, id, &point));
    join(t, leaf);
    return FB_OK;
}

fb_status_t fb_quads_insert(fb_quads_t *t, int64_t id, double a, double b) {
    const uint32_t tag = tag_of(t, id);
    const size_t at = entry_index(t, tag, id);
    return t->table[at] ? FB_FULL : insert_new(t, tag, at, id, a, b);
}

fb_status_t fb_quads_move(fb_quads_t *t, int64_t id, double a, double b) {
    const uint32_t tag = tag_of(t, id);
    const size_t at = entry_index(t, tag, id);
    return t->table[at] ? move_there(t, tag, at, id, a, b) : FB_NOT_BUILT;
}

fb_status_t fb_quads_set(fb_quads_t *t, int64_t id, double a, double b) {
    const uint32_t tag = tag_of(t, id);
    const size_t at = entry_index(t, tag, id);
    return t->table[at] ? move_there(t, tag, at, id, a, b) : insert_new(t, tag, at, id, a, b);
}

bool fb_quads_remove(fb_quads_t *t, int64_t id, double *a, double *b) {
    const size_t at = entry_index(t, tag_of(t, id), id);
    if (t->table[at] == 0) return false;
    const uint32_t place = place_at(t->table[at]), slot = fb_quads_slot_of(place);
    const fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place));
    const uint32_t leaf = t->links[fb_quads_chunk_of(place)].leaf;
    if (a != NULL) *a = chunk->a[slot], *b = chunk->b[slot];
    take(t, place);
    erase_entry(t, at);
    t->n--;
    if (room_for_chunks(t, ROOM)) join(t, leaf); /* else it stays as it is */
    return true;
}

/* ---- many --------------------------------------------------------------------------------------------- */

FB_INLINE int64_t item_of(const int64_t *ids, const uint64_t *order, size_t i) {
    return ids[order == NULL ? i : (uint32_t)order[i]];
}

/* Fetches what item i + AHEAD of a batch will need; and for a nearer one, whose entry has come by then, its place. */
FB_INLINE void fetch(const fb_quads_t *t, const int64_t *ids, const uint64_t *order, size_t i, size_t n) {
    if (i + 2 * AHEAD < n) FB_PREFETCH(&t->table[tag_of(t, item_of(ids, order, i + 2 * AHEAD)) & t->mask]);
    if (i + AHEAD < n) {
        const uint64_t entry = t->table[tag_of(t, item_of(ids, order, i + AHEAD)) & t->mask];
        if (entry) {
            const fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place_at(entry)));
            const uint32_t slot = fb_quads_slot_of(place_at(entry));
            FB_PREFETCH(&chunk->ids[slot]);
            FB_PREFETCH(&t->links[fb_quads_chunk_of(place_at(entry))]);
            FB_PREFETCH_WRITE(&chunk->a[slot]);
            FB_PREFETCH_WRITE(&chunk->b[slot]);
        }
    }
}

/* Inserts all of a batch, in an order if there is one, or, if one cannot be inserted, *done, none. */
static fb_status_t insert_all(fb_quads_t *t, const int64_t *ids, const double *a, const double *b, size_t n,
                              const uint64_t *order, size_t *done) {
    for (size_t i = 0; i < n; i++) {
        const size_t item = order == NULL ? i : (uint32_t)order[i];
        fetch(t, ids, order, i, n);
        const fb_status_t status = fb_quads_insert(t, ids[item], a[item], b[item]);
        if (status == FB_OK) continue;
        *done = item;
        while (i-- > 0) (void)fb_quads_remove(t, item_of(ids, order, i), NULL, NULL);
        return status;
    }
    *done = n;
    return FB_OK;
}

uint64_t *fb_quads_order(const fb_quads_t *t, const double *a, const double *b, size_t n) {
    uint64_t *words = malloc(2 * n * sizeof *words);
    for (size_t i = 0; words != NULL && i < n; i++) {
        fb_quads_point_t point = {.a = a[i], .b = b[i]};
        t->place(t, &point);
        words[i] = (uint64_t)fb_quads_key(point.cx, point.cy) << 32 | i;
    }
    if (words != NULL) fb_sort_words(words, words + n, n);
    return words;
}

fb_status_t fb_quads_insert_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                                 size_t n, size_t *done) {
    *done = n;
    if (n > FB_QUADS_MAX - t->n) return FB_OUT_OF_RANGE;
    if (!room_in_table(t, t->n + n)) return FB_NO_MEMORY;
    uint64_t *order = n < MANY ? NULL : fb_quads_order(t, a, b, n);
    fb_status_t status = insert_all(t, ids, a, b, n, order, done);
    free(order);
    /* Which is the first that cannot be inserted is a matter of the given order. */
    if (status != FB_OK && order != NULL) status = insert_all(t, ids, a, b, n, NULL, done);
    return status;
}

fb_status_t fb_quads_move_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                               size_t n, size_t *done) {
    fb_status_t status = FB_OK;
    for (*done = 0; *done < n; ++*done) {
        fetch(t, ids, NULL, *done, n);
        if (fb_quads_find(t, ids[*done]) == FB_QUADS_NONE) return FB_NOT_BUILT;
    }
    for (size_t i = 0; i < n && status == FB_OK; i++) {
        fetch(t, ids, NULL, i, n);
        status = fb_quads_move(t, ids[i], a[i], b[i]);
    }
    return status;
}

fb_status_t fb_quads_set_many(fb_quads_t *t, const int64_t *ids, const double *a, const double *b,
                              size_t n) {
    fb_status_t status = FB_OK;
    size_t done;
    if (t->n == 0 && fb_quads_insert_many(t, ids, a, b, n, &done) == FB_OK) return FB_OK;
    for (size_t i = 0; i < n && status == FB_OK; i++) {
        fetch(t, ids, NULL, i, n);
        status = fb_quads_set(t, ids[i], a[i], b[i]);
    }
    return status;
}

fb_status_t fb_quads_remove_many(fb_quads_t *t, const int64_t *ids, size_t n, size_t *done) {
    double *removed = malloc((n + 1) * 2 * sizeof *removed);
    size_t i = 0;
    *done = n;
    if (removed == NULL) return FB_NO_MEMORY;
    for (; i < n; i++) {
        fetch(t, ids, NULL, i, n);
        if (!fb_quads_remove(t, ids[i], &removed[2 * i], &removed[2 * i + 1])) break;
    }
    fb_status_t status = i == n ? FB_OK : FB_NOT_BUILT;
    if (status != FB_OK) {
        *done = i;
        while (i-- > 0) { /* all had room before */
            if (fb_quads_insert(t, ids[i], removed[2 * i], removed[2 * i + 1]) != FB_OK) status = FB_NO_MEMORY;
        }
    }
    free(removed);
    return status;
}

void fb_quads_items(const fb_quads_t *t, int64_t *ids, double *a, double *b) {
    for (size_t i = 0; i <= t->mask; i++) {
        if (t->table[i] == 0) continue;
        const uint32_t place = place_at(t->table[i]), slot = fb_quads_slot_of(place);
        const fb_quads_chunk_t *chunk = fb_quads_chunk(t, fb_quads_chunk_of(place));
        *ids++ = chunk->ids[slot];
        *a++ = chunk->a[slot];
        *b++ = chunk->b[slot];
    }
}

bool fb_quads_more_room(fb_quads_found_t *found, bool distances) {
    const size_t max = found->max ? 2 * found->max : 256;
    int64_t *ids = realloc(found->ids, max * sizeof *ids);
    if (ids == NULL) return false;
    found->ids = ids;
    if (distances) {
        double *more = realloc(found->distances, max * sizeof *more);
        if (more == NULL) return false;
        found->distances = more;
    }
    found->max = max;
    return true;
}
