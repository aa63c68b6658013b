/* A tree of cells that know which polygons hold them, and which edges go through them.
 *
 * The world is a cell; a cell is cut into 4 by 4, these again, at most 13 times. A cell is one of
 *
 *     nothing     no polygon holds a point of it
 *     one         one polygon holds all of it
 *     a record    every polygon that holds a point of it, with its edges in the cell
 *     a node      16 cells, from the south-west, row by row
 *
 *     reference:  kind:2 | what:30     a polygon, the place of a record in the words, or a node
 *     record:     parts, then of each: polygon:31 inside:1, entries, entry...
 *     entry:      edge:29 crosses:1 part:2
 *
 * `inside` is whether the polygon holds the north-west corner of the cell, or rather the point next to
 * it that is moved east by an infinitesimal e, and north by one much larger than e: no point so moved
 * is on an edge. From there a path leads to any point (x, y) of the cell: east along the upper border to
 * x, then south. Each edge that it crosses turns inside to outside. An edge covers the meridians from its
 * western end on, up to its eastern end without it. Of those that cover x, the path crosses on its way
 * south all above y that do not go above the upper border at x; on its way east, of those that cross the
 * upper border to the right of the corner (`crosses`), all that do so to the left of x. So in all:
 *
 *     covers x:   crossed if above (x, y); the other way round if it crosses the border falling
 *     else:       crossed if it crosses the border and ends at x or west of it
 *
 * for an edge that crosses the border rising is above (x, border) just if it crosses left of x. The only
 * thing to be calculated is whether an edge is above a point, which is done exactly (orient.h); if the
 * edge goes through the point, that is on a boundary. All this holds for points that are moved too.
 * Moving the path's end to the corner of a smaller cell gives `inside` of that: so the index is built
 * from the root down with the same rule. The root's corner is beyond the pole, and inside nothing but
 * the rings around that pole.
 *
 * An edge over the antimeridian is entered in two parts, which are lines from its western end to beyond
 * 180, and from beyond -180 to its eastern end.
 *
 * Invariants. A record has every edge that touches its cell, the southern and eastern border excepted;
 * edges above the cell are not in it, for the rule does not hold for them; edges below it may be. Parts
 * are ascending by polygon, which are ascending by id.
 *
 * Cells are cut level by level as long as they have more than MANY entries, until the cells' words have
 * become too many, as where many long edges lie side by side. So the size is O(edges), whatever the
 * polygons are. Where edges are short, a search takes O(log edges + answers).
 *
 * M. de Berg et al., "Computational Geometry", 3rd edition, chapters 6 (point location, and moving points
 * by infinitesimals) and 14 (quadtrees).
 */
#include "geo/geofence.h"

#include <stdlib.h>

#include "geo/orient.h"

enum { NOTHING, ONE, RECORD, NODE };           /* kinds of a reference */
enum { PLAIN, EASTWARDS, WESTWARDS };         /* parts of an entry */
enum { CROSSES = 4, ENTRY_BITS = 3, MANY = 16, BITS = 2 * FB_GEOFENCE_DEPTH };

/* A line as an entry tells: from its western to its eastern end, turned by a and b (orient.h). */
typedef struct {
    double wx, wy, ex, ey, a, b;
    double west, east; /* the meridians it covers */
} line_t;

FB_INLINE line_t line_of(const fb_geofence_t *fence, uint32_t entry) {
    const double *p = fence->vertices + 2 * (size_t)(entry >> ENTRY_BITS);
    uint32_t part = entry & 3;
    bool turned = (p[0] > p[2]) != (part != PLAIN);
    const double *w = turned ? p + 2 : p, *e = turned ? p : p + 2;
    line_t line = {w[0], w[1], e[0], e[1], 0.0, 0.0, w[0], e[0]};
    if (part == PLAIN) return line;
    line.b = 360.0;
    if (part == EASTWARDS) {
        line.east = 180.0;
    } else {
        line.a = 360.0;
        line.west = -180.0;
    }
    return line;
}

/* 1 if a line is above a point, -1 if below, 0 if it goes through it. */
FB_INLINE int side_of(const line_t *line, double x, double y) {
    return fb_orient(line->wx, line->wy, line->ex, line->ey, x, y, line->a, line->b);
}

/* Whether the path to a point crosses a line, by the rule above; *on is set if the point is on it. */
FB_INLINE bool is_crossed(const line_t *line, bool crosses, double x, double y, bool *on) {
    double low = line->wy < line->ey ? line->wy : line->ey;
    double high = line->wy < line->ey ? line->ey : line->wy;
    if (line->west <= x && x < line->east) {
        int side = y > high ? -1 : y < low ? 1 : side_of(line, x, y);
        if (side == 0) *on = true;
        return (side > 0) != (crosses && line->ey < line->wy);
    }
    if (x == line->east && (y == line->ey || (line->wx == line->ex && low <= y && y <= high))) {
        *on = true; /* the eastern end, or anywhere on a meridian */
    }
    return crosses && line->east <= x;
}

/* ---- the cells ------------------------------------------------------------------------------- */

typedef struct {
    double west, south, east, north;
} box_t;

/* The border of a cell, of 2^bits in a row: exact. */
FB_INLINE double border(double low, double width, uint64_t step, int bits) {
    return low + (double)step * (width / (double)((uint64_t)1 << bits));
}

static box_t box_of(uint64_t column, uint64_t row, int bits) {
    box_t box = {border(-180.0, 360.0, column, bits), border(-90.0, 180.0, row, bits),
                 border(-180.0, 360.0, column + 1, bits), border(-90.0, 180.0, row + 1, bits)};
    return box;
}

enum { OUTSIDE, INSIDE, ACROSS };

/* Whether a line belongs to a record of a cell, and then whether it crosses the upper border to the right
 * of the corner. Beyond the eastern border it does not matter whether it does. */
static int place_of(const line_t *line, const box_t *box) {
    bool rising = line->ey > line->wy, vertical = line->wx == line->ex;
    double low = rising ? line->wy : line->ey, high = rising ? line->ey : line->wy;
    int place = INSIDE;
    if (line->east < box->west || line->west >= box->east) return OUTSIDE;
    if (high < box->south || low > box->north) return OUTSIDE;
    if (vertical) return high > box->north && line->wx > box->west ? ACROSS : INSIDE;
    if (high > box->north) {
        bool above = side_of(line, box->west, box->north) > 0;
        if (rising ? above : side_of(line, box->east, box->north) > 0) return OUTSIDE;
        if (rising || above) place = ACROSS;
    }
    if (low < box->south && side_of(line, rising ? box->east : box->west, box->south) < 0) {
        return OUTSIDE;
    }
    return place;
}

/* ---- build ----------------------------------------------------------------------------------- */

typedef struct {
    uint32_t *words;
    size_t n, max;
} list_t;

typedef struct {
    size_t slot; /* in the nodes, where the reference to it goes */
    size_t at;   /* its record in the list of its level */
    size_t size, entries;
    uint32_t column, row;
} cell_t;

typedef struct {
    cell_t *cells;
    size_t n, max;
} cells_t;

typedef struct {
    const fb_geofence_t *fence;
    list_t nodes, words;
    list_t now, next;       /* records of the level's cells, and of the next level's */
    cells_t cells, smaller; /* those cells */
    list_t parts[FB_GEOFENCE_FAN]; /* of the cell that is cut: the records of its 16 */
} build_t;

static bool grow(void **items, size_t *max, size_t n, size_t size) {
    if (n <= *max) return true;
    size_t wanted = n + n / 2 + 64;
    void *grown = realloc(*items, wanted * size);
    if (grown == NULL) return false;
    *items = grown;
    *max = wanted;
    return true;
}

FB_INLINE bool reserve(list_t *list, size_t more) {
    if (FB_LIKELY(list->n + more <= list->max)) return true;
    void *words = list->words;
    bool grown = grow(&words, &list->max, list->n + more, sizeof(uint32_t));
    list->words = words;
    return grown;
}

static bool push(list_t *list, uint32_t word) {
    if (!reserve(list, 1)) return false;
    list->words[list->n++] = word;
    return true;
}

static bool push_all(list_t *list, const uint32_t *words, size_t n) {
    if (!reserve(list, n)) return false;
    if (n) memcpy(list->words + list->n, words, n * sizeof *words);
    list->n += n;
    return true;
}

/* Opens a part of a record; returns where. */
static size_t open_part(list_t *record) {
    size_t at = record->n;
    return push(record, 0) && push(record, 0) ? at : SIZE_MAX;
}

/* Closes a part that is open: it goes if the polygon holds no point of the cell. */
static void close_part(list_t *record, size_t at, uint32_t polygon, bool inside) {
    size_t entries = record->n - at - 2;
    if (entries == 0 && !inside) {
        record->n = at;
        return;
    }
    record->words[at] = polygon << 1 | inside;
    record->words[at + 1] = (uint32_t)entries;
    record->words[0]++;
}

/* Adds the edges of a ring to a record; *inside changes if the corner beyond the pole is in it. */
static bool add_ring(const fb_geofence_t *fence, size_t start, size_t end, list_t *record,
                     bool *inside) {
    double low = 90.0, high = -90.0;
    bool round = false;
    for (size_t i = start; i + 1 < end; i++) {
        const double *p = fence->vertices + 2 * i;
        uint32_t entry = (uint32_t)i << ENTRY_BITS;
        double way = fabs(p[2] - p[0]);
        bool twice = i > start && p[-2] == p[0] && p[-1] == p[1];
        low = p[1] < low ? p[1] : low;
        high = p[1] > high ? p[1] : high;
        if (way < 180.0 || (way == 180.0 && !twice)) {
            if (!push(record, entry | PLAIN)) return false;
        } else {
            round = !round;
            if (!push(record, entry | EASTWARDS) || !push(record, entry | WESTWARDS)) return false;
        }
    }
    if (round && low + high > 0.0) *inside = !*inside;
    return true;
}

static bool make_root(build_t *build) {
    const fb_geofence_t *fence = build->fence;
    cell_t root = {0};
    size_t ring = 0, start = 0;
    if (!push(&build->now, 0)) return false;
    for (size_t i = 0; i < fence->n; i++) {
        size_t at = open_part(&build->now);
        bool inside = false;
        if (at == SIZE_MAX) return false;
        for (; ring < fence->polygon_ends[i]; ring++) {
            size_t end = fence->ring_ends[ring];
            if (!add_ring(fence, start, end, &build->now, &inside)) return false;
            start = end;
        }
        close_part(&build->now, at, (uint32_t)i, inside);
    }
    root.size = build->now.n;
    void *cells = NULL;
    if (!grow(&cells, &build->cells.max, 1, sizeof root)) return false;
    build->cells.cells = cells;
    build->cells.cells[0] = root;
    build->cells.n = 1;
    return true;
}

/* Distributes one part of a record to 16 smaller cells. */
static bool cut_part(build_t *build, const box_t *boxes, const uint32_t *part) {
    const fb_geofence_t *fence = build->fence;
    size_t at[FB_GEOFENCE_FAN];
    bool inside[FB_GEOFENCE_FAN], on;
    for (int k = 0; k < FB_GEOFENCE_FAN; k++) {
        inside[k] = part[0] & 1;
        at[k] = open_part(&build->parts[k]);
        if (at[k] == SIZE_MAX) return false;
    }
    for (uint32_t i = 0; i < part[1]; i++) {
        uint32_t entry = part[2 + i];
        bool crosses = entry & CROSSES;
        line_t line = line_of(fence, entry);
        double low = line.wy < line.ey ? line.wy : line.ey;
        double high = line.wy < line.ey ? line.ey : line.wy;
        for (int c = 0; c < 4; c++) {
            double x = boxes[c].west;
            bool covers = line.west <= x && x < line.east;
            bool past = crosses && line.east <= x;
            bool near = line.east >= x && line.west < boxes[c].east;
            for (int k = c; k < FB_GEOFENCE_FAN && (covers || past || near); k += 4) {
                if (covers || past) inside[k] ^= is_crossed(&line, crosses, x, boxes[k].north, &on);
                if (!near || high < boxes[k].south || low > boxes[k].north) continue;
                int place = place_of(&line, &boxes[k]);
                if (place == OUTSIDE) continue;
                uint32_t bit = place == ACROSS ? CROSSES : 0;
                if (!push(&build->parts[k], (entry & ~(uint32_t)CROSSES) | bit)) return false;
            }
        }
    }
    for (int k = 0; k < FB_GEOFENCE_FAN; k++) {
        close_part(&build->parts[k], at[k], part[0] >> 1, inside[k]);
    }
    return true;
}

/* The entries of a record. */
static size_t entries_of(const list_t *record) {
    return record->n - 1 - 2 * (size_t)record->words[0];
}

/* Cuts a cell; its 16 records are in `parts` then. */
static bool cut(build_t *build, const cell_t *cell, int depth) {
    box_t boxes[FB_GEOFENCE_FAN];
    const uint32_t *record = build->now.words + cell->at;
    for (uint32_t k = 0; k < FB_GEOFENCE_FAN; k++) {
        boxes[k] = box_of(4 * (uint64_t)cell->column + k % 4, 4 * (uint64_t)cell->row + k / 4,
                          2 * (depth + 1));
        build->parts[k].n = 0;
        if (!push(&build->parts[k], 0)) return false;
    }
    const uint32_t *part = record + 1;
    for (uint32_t i = 0; i < record[0]; i++, part += 2 + part[1]) {
        if (!cut_part(build, boxes, part)) return false;
    }
    return true;
}

/* Takes the smaller cells of a cut over: nodes of their own. `slot` is where the first one's reference
 * goes. */
static fb_status_t take_smaller(build_t *build, const cell_t *cell, size_t slot) {
    for (uint32_t k = 0; k < FB_GEOFENCE_FAN; k++) {
        const list_t *record = &build->parts[k];
        uint32_t *reference = build->nodes.words + slot + k;
        if (record->words[0] == 0) {
            *reference = NOTHING;
        } else if (record->n == 3) {
            *reference = record->words[1] >> 1 << 2 | ONE;
        } else {
            cell_t small = {slot + k, build->next.n, record->n, entries_of(record),
                            4 * cell->column + k % 4, 4 * cell->row + k / 4};
            void *cells = build->smaller.cells;
            bool grown = grow(&cells, &build->smaller.max, build->smaller.n + 1, sizeof small);
            build->smaller.cells = cells;
            if (!grown || !push_all(&build->next, record->words, record->n)) return FB_NO_MEMORY;
            build->smaller.cells[build->smaller.n++] = small;
        }
    }
    return FB_OK;
}

/* The words that the records of a cut will take. */
static size_t words_of_cut(const build_t *build) {
    size_t words = 0;
    for (int k = 0; k < FB_GEOFENCE_FAN; k++) {
        const list_t *record = &build->parts[k];
        if (record->words[0] != 0 && record->n != 3) words += record->n;
    }
    return words;
}

/* All levels, from the root down. */
static fb_status_t make_cells(build_t *build) {
    size_t most = 8 * build->fence->n_vertices + 16 * build->fence->n + 1024;
    size_t total; /* words of all records, as things stand */
    bool full = false;
    if (most > FB_GEOFENCE_MOST) most = FB_GEOFENCE_MOST;
    if (!make_root(build)) return FB_NO_MEMORY;
    total = build->now.n;
    for (int depth = 0; build->cells.n; depth++) {
        for (size_t i = 0; i < build->cells.n; i++) {
            const cell_t *cell = &build->cells.cells[i];
            size_t slot = build->nodes.n;
            bool cutting = depth == 0;
            if (cutting || (depth < FB_GEOFENCE_DEPTH && cell->entries > MANY && !full)) {
                if (!cut(build, cell, depth)) return FB_NO_MEMORY;
                size_t after = total - cell->size + words_of_cut(build);
                full = after > most;
                if (cutting && after > FB_GEOFENCE_MOST) return FB_OUT_OF_RANGE;
                if (!full) cutting = true;
                if (cutting) total = after;
            }
            if (cutting) {
                static const uint32_t node[FB_GEOFENCE_FAN];
                if (!push_all(&build->nodes, node, FB_GEOFENCE_FAN)) return FB_NO_MEMORY;
                if (depth) {
                    build->nodes.words[cell->slot] = (uint32_t)(slot / FB_GEOFENCE_FAN) << 2 | NODE;
                }
                fb_status_t status = take_smaller(build, cell, slot);
                if (status != FB_OK) return status;
            } else {
                build->nodes.words[cell->slot] = (uint32_t)build->words.n << 2 | RECORD;
                if (!push_all(&build->words, build->now.words + cell->at, cell->size)) {
                    return FB_NO_MEMORY;
                }
            }
        }
        list_t words = build->now;
        cells_t cells = build->cells;
        build->now = build->next;
        build->cells = build->smaller;
        build->next = words;
        build->smaller = cells;
        build->next.n = build->smaller.n = 0;
    }
    return FB_OK;
}

fb_status_t fb_geofence_build(const fb_geofence_t *fence, fb_geofence_index_t *index) {
    build_t build = {0};
    build.fence = fence;
    memset(index, 0, sizeof *index);
    fb_status_t status = make_cells(&build);
    index->nodes = build.nodes.words;
    index->n_nodes = build.nodes.n / FB_GEOFENCE_FAN;
    index->words = build.words.words;
    index->n_words = build.words.n;
    for (int k = 0; k < FB_GEOFENCE_FAN; k++) free(build.parts[k].words);
    free(build.now.words);
    free(build.next.words);
    free(build.cells.cells);
    free(build.smaller.cells);
    return status;
}

/* Whether ends ascend from 0 on, each by `step` at least, to `high`. */
static bool ascend(const uint32_t *ends, size_t n, uint32_t step, size_t high) {
    size_t before = 0;
    for (size_t i = 0; i < n; i++) {
        if (ends[i] < before + step) return false;
        before = ends[i];
    }
    return before == high;
}

bool fb_geofence_sound(const fb_geofence_t *fence) {
    for (size_t i = 0; i < fence->n; i++) {
        if (fence->ids[i] < 0 || (i && fence->ids[i] <= fence->ids[i - 1])) return false;
    }
    return ascend(fence->polygon_ends, fence->n, 0, fence->n_rings) &&
           ascend(fence->ring_ends, fence->n_rings, 2, fence->n_vertices);
}

/* ---- searches -------------------------------------------------------------------------------- */

double fb_geofence_x(double x) {
    if (!(x >= -180.0 && x < 180.0)) {
        x = fmod(x, 360.0);
        if (x >= 180.0) {
            x -= 360.0;
        } else if (x < -180.0) {
            x += 360.0;
        }
    }
    return fb_orient_round(x);
}

/* The smallest cell in which a coordinate is: the one whose border is not above it. */
FB_INLINE uint32_t step_of(double v, double low, double width) {
    const int64_t last = ((int64_t)1 << BITS) - 1;
    int64_t step = (int64_t)((v - low) * ((double)(last + 1) / width));
    step = step < 0 ? 0 : step > last ? last : step;
    if (step > 0 && border(low, width, (uint64_t)step, BITS) > v) step--;
    if (step < last && border(low, width, (uint64_t)step + 1, BITS) <= v) step++;
    return (uint32_t)step;
}

/* The polygons that hold a point, one after the other. */
typedef struct {
    double x, y;
    const uint32_t *at, *end; /* what is left of the record */
    uint32_t parts;
    bool one;
    uint32_t polygon;
} search_t;

FB_INLINE search_t search_at(const fb_geofence_t *fence, double y, double x) {
    search_t search = {fb_geofence_x(x), fb_orient_round(y), NULL, NULL, 0, false, 0};
    uint32_t column = step_of(search.x, -180.0, 360.0), row = step_of(search.y, -90.0, 180.0);
    uint32_t reference = NODE; /* the root */
    for (int shift = BITS - 2; shift >= 0 && (reference & 3) == NODE; shift -= 2) {
        size_t node = reference >> 2;
        if (node >= fence->n_nodes) return search;
        uint32_t k = (row >> shift & 3) << 2 | (column >> shift & 3);
        reference = fence->nodes[node * FB_GEOFENCE_FAN + k];
    }
    uint32_t what = reference >> 2;
    if ((reference & 3) == ONE) {
        search.one = true;
        search.polygon = what;
    } else if ((reference & 3) == RECORD && what < fence->n_words) {
        search.at = fence->words + what;
        search.end = fence->words + fence->n_words;
        search.parts = *search.at++;
    }
    return search;
}

/* Whether the polygon of a part, with its entries, holds the point. */
static bool holds(const fb_geofence_t *fence, const search_t *search, bool inside,
                  const uint32_t *entries, uint32_t n) {
    bool on = false;
    for (uint32_t i = 0; i < n; i++) {
        if ((size_t)(entries[i] >> ENTRY_BITS) + 1 >= fence->n_vertices) return false;
        line_t line = line_of(fence, entries[i]);
        inside ^= is_crossed(&line, entries[i] & CROSSES, search->x, search->y, &on);
    }
    return inside || on;
}

/* Goes on to the next polygon; false if there is none. */
FB_INLINE bool find_next(const fb_geofence_t *fence, search_t *search) {
    if (search->one) {
        search->one = false;
        return search->polygon < fence->n;
    }
    while (search->parts && search->end - search->at >= 2) {
        uint32_t head = search->at[0], n = search->at[1];
        const uint32_t *entries = search->at + 2;
        if (n > (size_t)(search->end - entries)) break;
        search->at = entries + n;
        search->parts--;
        search->polygon = head >> 1;
        if (search->polygon < fence->n && holds(fence, search, head & 1, entries, n)) return true;
    }
    return false;
}

static bool add_found(fb_geofence_found_t *found, int64_t id) {
    if (found->n == found->max) {
        void *ids = found->ids, *points = found->points;
        size_t max = found->max;
        bool grown = grow(&ids, &max, found->n + 1, sizeof(int64_t));
        found->ids = ids;
        if (grown && points != NULL) {
            max = found->max;
            grown = grow(&points, &max, found->n + 1, sizeof(int64_t));
            found->points = points;
        }
        if (!grown) return false;
        found->max = max;
    }
    found->ids[found->n++] = id;
    return true;
}

fb_status_t fb_geofence_query(const fb_geofence_t *fence, double y, double x,
                              fb_geofence_found_t *found) {
    search_t search = search_at(fence, y, x);
    while (find_next(fence, &search)) {
        if (!add_found(found, fence->ids[search.polygon])) return FB_NO_MEMORY;
    }
    return FB_OK;
}

fb_status_t fb_geofence_query_many(const fb_geofence_t *fence, const double *ys, const double *xs,
                                   size_t m, fb_geofence_found_t *found) {
    found->max = m + 1;
    found->ids = malloc(found->max * sizeof(int64_t));
    found->points = malloc(found->max * sizeof(int64_t));
    if (found->ids == NULL || found->points == NULL) return FB_NO_MEMORY;
    for (size_t i = 0; i < m; i++) {
        size_t before = found->n;
        fb_status_t status = fb_geofence_query(fence, ys[i], xs[i], found);
        if (status != FB_OK) return status;
        for (size_t k = before; k < found->n; k++) found->points[k] = (int64_t)i;
    }
    return FB_OK;
}

void fb_geofence_first(const fb_geofence_t *fence, const double *ys, const double *xs, size_t m,
                       int64_t *ids) {
    for (size_t i = 0; i < m; i++) {
        search_t search = search_at(fence, ys[i], xs[i]);
        ids[i] = find_next(fence, &search) ? fence->ids[search.polygon] : -1;
    }
}

void fb_geofence_contains(const fb_geofence_t *fence, const double *ys, const double *xs, size_t m,
                          bool *inside) {
    for (size_t i = 0; i < m; i++) {
        search_t search = search_at(fence, ys[i], xs[i]);
        inside[i] = find_next(fence, &search);
    }
}
