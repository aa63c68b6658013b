/* Walking over the grid of H3 cells.
 *
 * Cells of one base cell lie on a plane lattice. To step from a cell is to add a unit vector to the
 * last digit, with a carry to the digit before, as numbers are added; what is carried out of the
 * first digit leads to a neighbouring base cell, whose axes may be turned.
 *
 * A pentagon is a hexagon without the sector of first digit 1: its sides, towards the sectors 3 and
 * 5, are glued together. What a step leads into the missing sector from 3 is turned
 * counter-clockwise into 5, from 5 clockwise into 3. A neighbouring base cell of a pentagon takes
 * part as if it were in the sector that it faces.
 *
 * Disks. Most cells around a cell share all their coarse digits. So the disk of radius k is made
 * from the disk of radius about k / sqrt(7) around the parent, which has all parents, down from the
 * resolution at which the radius is 1 and the seven cells come from steps:
 *
 *     cell = parents[(position + digit of the centre) / 7] with one more digit
 *
 * where quotient and remainder of the division on the lattice come from a table, and the digit is
 * turned as the parent's axes are. This holds unless one of the parents is a pentagon. Then a walk
 * along the rings follows the axes from cell to cell; and if it meets a pentagon, the rings are
 * found as the neighbours of the ring before, without order: so they are sorted.
 *
 * Distances are those on the plane, onto which two neighbouring base cells can be unfolded. Around
 * a pentagon there are two ways, either side of it, and the shorter one counts.
 */
#include "h3_grid.h"

#include <stdlib.h>

typedef struct {
    int64_t a, b;
} point_t;

static const point_t UNITS[7] = {{0, 0}, {-1, -1}, {0, 1}, {-1, 0}, {1, 0}, {0, -1}, {1, 1}};

static const uint8_t TURNED[6][7] = {
    {0, 1, 2, 3, 4, 5, 6}, {0, 5, 3, 1, 6, 4, 2}, {0, 4, 1, 5, 2, 6, 3},
    {0, 6, 5, 4, 3, 2, 1}, {0, 2, 4, 6, 1, 3, 5}, {0, 3, 6, 2, 5, 1, 4},
};

/* By odd resolution, digit and step: what is carried (high octal digit), and the new digit. */
static const uint8_t SUMS[2][7][7] = {
    {{000, 001, 002, 003, 004, 005, 006},
     {001, 012, 003, 034, 005, 016, 000},
     {002, 003, 024, 025, 006, 000, 061},
     {003, 034, 025, 036, 000, 001, 002},
     {004, 005, 006, 000, 041, 052, 043},
     {005, 016, 000, 001, 052, 053, 004},
     {006, 000, 061, 002, 043, 004, 065}},
    {{000, 001, 002, 003, 004, 005, 006},
     {001, 014, 003, 016, 005, 052, 000},
     {002, 003, 021, 034, 006, 000, 025},
     {003, 016, 034, 035, 000, 001, 002},
     {004, 005, 006, 000, 042, 043, 061},
     {005, 052, 000, 001, 043, 056, 004},
     {006, 000, 025, 002, 061, 004, 063}},
};

FB_INLINE int turned_digit(int digit, unsigned turns) { return TURNED[turns][digit]; }

FB_INLINE uint64_t turned_cell(uint64_t cell, unsigned turns) {
    const uint64_t unused = fb_h3_unused(fb_h3_res(cell));
    const uint64_t digits = cell & FB_H3_DIGITS & ~unused;
    return (cell & ~(FB_H3_DIGITS & ~unused)) | fb_h3_turned(digits, turns);
}

uint64_t fb_h3_neighbor(uint64_t cell, int digit, unsigned *turns) {
    const int base = fb_h3_base_cell(cell);
    const bool pentagon = fb_h3_is_pentagon_base(base);
    const int sector = pentagon ? fb_h3_first_digit(fb_h3_used_digits(cell)) : 0;
    const unsigned across = sector == 3 ? 1 : 5; /* turns over the missing sector */
    int carry = digit;
    for (int r = fb_h3_res(cell); r > 0 && carry; r--) {
        const int shift = 3 * (FB_H3_MAX_RES - r);
        const uint8_t sum = SUMS[r & 1][cell >> shift & 7][carry];
        cell = (cell & ~(7ull << shift)) | (uint64_t)(sum & 7) << shift;
        carry = sum >> 3;
    }
    *turns = 0;
    if (carry == 0) {
        if (!pentagon || fb_h3_first_digit(fb_h3_used_digits(cell)) != 1) return cell;
        if (sector == 0) return 0;
        *turns = across;
        return turned_cell(cell, across);
    }
    if (pentagon && carry == 1) {
        if (sector == 0) return 0;
        *turns = across;
        carry = across == 1 ? 5 : 3;
    }
    const int to = fb_h3_cell_neighbors[base][carry];
    const unsigned turn = (unsigned)fb_h3_cell_neighbor_turns[base][carry];
    *turns = (*turns + turn) % 6;
    cell = (cell & ~(127ull << 45)) | (uint64_t)to << 45;
    cell = turned_cell(cell, *turns);
    if (fb_h3_is_pentagon_base(to) && fb_h3_first_digit(fb_h3_used_digits(cell)) == 1) {
        const unsigned more = turned_digit(7 - carry, turn) == 3 ? 1 : 5;
        *turns = (*turns + more) % 6;
        cell = turned_cell(cell, more);
    }
    return cell;
}

bool fb_h3_are_neighbors(uint64_t a, uint64_t b) {
    unsigned turns;
    if (fb_h3_res(a) != fb_h3_res(b) || a == b) return false;
    for (int digit = 1; digit < 7; digit++)
        if (fb_h3_neighbor(a, digit, &turns) == b) return true;
    return false;
}

/* ---- distances ---------------------------------------------------------------------------- */

FB_INLINE point_t sum_of(point_t p, point_t q) { return (point_t){p.a + q.a, p.b + q.b}; }

FB_INLINE point_t turned_point(point_t p, unsigned turns) {
    for (; turns > 0; turns--) p = (point_t){p.a - p.b, p.a};
    return p;
}

FB_INLINE point_t finer(point_t p, bool odd) {
    return odd ? (point_t){2 * p.a + p.b, 3 * p.b - p.a} : (point_t){3 * p.a - p.b, p.a + 2 * p.b};
}

static int64_t steps_between(point_t p, point_t q) {
    const int64_t a = llabs(p.a - q.a), b = llabs(p.b - q.b), c = llabs(p.a - q.a - p.b + q.b);
    const int64_t ab = a > b ? a : b;
    return ab > c ? ab : c;
}

/* The lattice point of a cell, from one of resolution 0. */
static point_t point_of(uint64_t cell, point_t from, unsigned turns) {
    for (int r = 1; r <= fb_h3_res(cell); r++) {
        const int digit = (int)(cell >> 3 * (FB_H3_MAX_RES - r) & 7);
        from = sum_of(finer(from, r & 1), UNITS[turned_digit(digit, turns)]);
    }
    return from;
}

/* The steps between points in sectors of a pentagon: either way around it. */
static int64_t steps_around(point_t p, int sector_p, point_t q, int sector_q) {
    static const unsigned PLACES[7] = {0, 4, 2, 3, 0, 5, 1}; /* counter-clockwise, of six */
    if (sector_p == 0 || sector_q == 0 || sector_p == sector_q) return steps_between(p, q);
    const unsigned from = PLACES[sector_p], to = PLACES[sector_q];
    const unsigned between = (to - (to == 5) + 5 - (from - (from == 5))) % 5; /* of five */
    const point_t left = turned_point(q, (from + between + 6 - to) % 6);
    const point_t right = turned_point(q, (from + between + 1 + 6 - to) % 6);
    const int64_t one = steps_between(p, left), other = steps_between(p, right);
    if (between == 1) return one;
    if (between == 4) return other;
    return one < other ? one : other;
}

int64_t fb_h3_distance(uint64_t a, uint64_t b) {
    static const point_t ZERO = {0, 0};
    int base = fb_h3_base_cell(a), other = fb_h3_base_cell(b);
    if (fb_h3_is_pentagon_base(other)) {
        const uint64_t cell = a;
        a = b;
        b = cell;
        base = other;
        other = fb_h3_base_cell(b);
    }
    const point_t p = point_of(a, ZERO, 0);
    const int sector = fb_h3_first_digit(fb_h3_used_digits(a));
    if (base == other) {
        const point_t q = point_of(b, ZERO, 0);
        if (!fb_h3_is_pentagon_base(base)) return steps_between(p, q);
        return steps_around(p, sector, q, fb_h3_first_digit(fb_h3_used_digits(b)));
    }
    for (int digit = 1; digit < 7; digit++) {
        if (fb_h3_cell_neighbors[base][digit] != other) continue;
        const unsigned turns = (unsigned)fb_h3_cell_neighbor_turns[base][digit];
        const point_t q = point_of(b, UNITS[digit], (6 - turns) % 6);
        if (!fb_h3_is_pentagon_base(base)) return steps_between(p, q);
        return steps_around(p, sector, q, digit);
    }
    return -1;
}

/* ---- disks -------------------------------------------------------------------------------- */

#define LEVELS 12
#define MAX_PLANNED 1024 /* larger radii walk: tables would take more memory than the cells */
#define PLANNED_FROM 4   /* cells; for fewer, walking is quicker than making the tables */
#define TURNS_AT 56      /* three bits that are 0 in a cell hold the turns of its axes */
#define TURNS_MASK (7ull << TURNS_AT)

/* A disk around the ancestor of so many levels up. Its cells are in a square grid of positions. */
typedef struct {
    int radius, width;   /* 2 * radius + 1 */
    uint32_t *quotients; /* by parity and position, with a border of 1: index above, remainder */
    uint64_t *grid;
} level_t;

struct fb_h3_disk {
    int64_t k, first_ring;
    int top; /* the level of radius 1; -1: none */
    level_t levels[LEVELS];
    uint32_t *order; /* positions of level 0 as they are written */
    size_t n_order;
    uint64_t *scratch, *spare; /* of the search */
    size_t n_scratch;
};

static uint64_t disk_size(int64_t k) { return 3 * (uint64_t)k * (uint64_t)(k + 1) + 1; }

static int norm_of(int a, int b) { return (int)steps_between((point_t){a, b}, (point_t){0, 0}); }

FB_INLINE int rounded_seventh(int x) {
    const int most = 4 * MAX_PLANNED;
    return (2 * x + 7 + 14 * most) / 14 - most;
}

/* The parent of a lattice point whose resolution is odd or not. */
FB_INLINE void coarser(int a, int b, bool odd, int *pa, int *pb) {
    *pa = rounded_seventh(odd ? 3 * a - b : 2 * a + b);
    *pb = rounded_seventh(odd ? a + 2 * b : 3 * b - a);
}

FB_INLINE size_t position(int a, int b, int radius) {
    return (size_t)(a + radius) * (size_t)(2 * radius + 1) + (size_t)(b + radius);
}

/* The radius that the parents of a disk of radius k can have, whatever the digit of its centre. */
static int radius_of_parents(int k) {
    int most = 1;
    for (int a = -k - 1; a <= k + 1; a++)
        for (int b = -k - 1; b <= k + 1; b++) {
            int pa, pb;
            if (norm_of(a, b) != k + 1) continue;
            coarser(a, b, true, &pa, &pb); /* even resolutions mirror odd ones */
            if (norm_of(pa, pb) > most) most = norm_of(pa, pb);
        }
    return most;
}

static void fill_quotients(uint32_t *table, int radius, int above, bool odd) {
    for (int a = -radius - 1; a <= radius + 1; a++)
        for (int b = -radius - 1; b <= radius + 1; b++) {
            if (norm_of(a, b) > radius + 1) continue;
            int pa, pb;
            coarser(a, b, odd, &pa, &pb);
            const point_t middle = finer((point_t){pa, pb}, odd);
            const int da = a - (int)middle.a, db = b - (int)middle.b;
            uint32_t digit = 0;
            while (UNITS[digit].a != da || UNITS[digit].b != db) digit++;
            table[position(a, b, radius + 1)] = (uint32_t)position(pa, pb, above) << 3 | digit;
        }
}

static bool plan_levels(fb_h3_disk_t *disk) {
    disk->top = 0;
    for (int k = (int)disk->k;; disk->top++) {
        level_t *level = &disk->levels[disk->top];
        level->radius = k;
        level->width = 2 * k + 1;
        const size_t width = (size_t)level->width;
        if (disk->top > 0 || k == 1) {
            level->grid = malloc(width * width * sizeof *level->grid);
            if (level->grid == NULL) return false;
        }
        if (k == 1) return true;
        const int above = radius_of_parents(k);
        const size_t bordered = (width + 2) * (width + 2);
        level->quotients = malloc(2 * bordered * sizeof *level->quotients);
        if (level->quotients == NULL) return false;
        for (int odd = 0; odd < 2; odd++)
            fill_quotients(level->quotients + (size_t)odd * bordered, k, above, odd);
        k = above;
    }
}

/* Positions of the rings in the order of writing. */
static bool plan_order(fb_h3_disk_t *disk) {
    static const int WALK[6] = {2, 3, 1, 5, 4, 6};
    const int k = (int)disk->k, radius = k == 1 ? 1 : k + 1;
    disk->order = malloc((size_t)disk_size(k) * sizeof *disk->order);
    if (disk->order == NULL) return false;
    size_t n = 0;
    for (int ring = (int)disk->first_ring; ring <= k; ring++) {
        int a = ring, b = 0;
        if (ring == 0) disk->order[n++] = (uint32_t)position(0, 0, radius);
        for (int side = 0; side < 6; side++)
            for (int i = 0; i < ring; i++) {
                disk->order[n++] = (uint32_t)position(a, b, radius);
                a += (int)UNITS[WALK[side]].a;
                b += (int)UNITS[WALK[side]].b;
            }
    }
    disk->n_order = n;
    return true;
}

fb_h3_disk_t *fb_h3_disk_new(int64_t k, bool ring, size_t n) {
    fb_h3_disk_t *disk = calloc(1, sizeof *disk);
    if (disk == NULL) return NULL;
    disk->k = k;
    disk->first_ring = ring ? k : 0;
    disk->top = -1;
    const bool plan = n >= PLANNED_FROM && k >= 1 && k <= MAX_PLANNED;
    if (plan && !(plan_levels(disk) && plan_order(disk))) {
        fb_h3_disk_free(disk);
        return NULL;
    }
    return disk;
}

void fb_h3_disk_free(fb_h3_disk_t *disk) {
    if (disk == NULL) return;
    for (int i = 0; i < LEVELS; i++) {
        free(disk->levels[i].quotients);
        free(disk->levels[i].grid);
    }
    free(disk->order);
    free(disk->scratch);
    free(disk->spare);
    free(disk);
}

uint64_t fb_h3_disk_room(const fb_h3_disk_t *disk, uint64_t cell) {
    const int64_t k = disk->k;
    uint64_t all = 120; /* cells of the resolution: 2 + 120 * 7^res */
    for (int r = fb_h3_res(cell); r > 0; r--) all *= 7;
    const uint64_t most = disk->first_ring == 0 ? disk_size(k) : 6 * (uint64_t)k;
    return most < all + 2 ? most : all + 2;
}

/* The seven cells around and at a cell into a grid, with their turns; false near a pentagon. */
static bool seed_grid(uint64_t cell, uint64_t *grid) {
    if (fb_h3_is_pentagon(cell)) return false;
    grid[position(0, 0, 1)] = cell;
    for (int digit = 1; digit < 7; digit++) {
        unsigned turns;
        const uint64_t next = fb_h3_neighbor(cell, digit, &turns);
        if (fb_h3_is_pentagon(next)) return false;
        grid[position((int)UNITS[digit].a, (int)UNITS[digit].b, 1)] =
            next | (uint64_t)turns << TURNS_AT;
    }
    return true;
}

/* The cell of a remainder below its parent; `whole` is 1 << 52 minus 7 in the digit's place. */
FB_INLINE uint64_t child_of(uint64_t parent, unsigned digit, int shift, uint64_t whole) {
    const uint64_t turned = TURNED[parent >> TURNS_AT & 7][digit];
    return parent + whole + (turned << shift);
}

/* Makes the grid of a level from the one above; false if a pentagon is in it. */
static bool refine_grid(const fb_h3_disk_t *disk, int at, uint64_t center) {
    const level_t *level = &disk->levels[at];
    const uint64_t *parents = disk->levels[at + 1].grid;
    const int res = fb_h3_res(center), radius = level->radius;
    const int shift = 3 * (FB_H3_MAX_RES - res);
    const uint64_t whole = (1ull << 52) - (7ull << shift);
    const point_t own = UNITS[center >> shift & 7];
    const size_t width = (size_t)level->width + 2;
    const uint32_t *table = level->quotients + (res & 1 ? width * width : 0);
    for (int a = -radius; a <= radius; a++) {
        const int low = a < 0 ? -radius : a - radius, high = a < 0 ? a + radius : radius;
        const uint32_t *row = table + position(a + (int)own.a, low + (int)own.b, radius + 1);
        uint64_t *to = level->grid + position(a, low, radius);
        for (int b = 0; b <= high - low; b++) {
            const uint64_t child = child_of(parents[row[b] >> 3], row[b] & 7, shift, whole);
            if (FB_UNLIKELY(fb_h3_is_pentagon(child))) return false;
            to[b] = child;
        }
    }
    return true;
}

/* The disk by its parents; false if a pentagon is near. */
static bool planned(const fb_h3_disk_t *disk, uint64_t cell, uint64_t *out) {
    const int res = fb_h3_res(cell);
    if (disk->top < 0 || res < disk->top) return false;
    if (!seed_grid(fb_h3_parent(cell, res - disk->top), disk->levels[disk->top].grid)) return false;
    for (int at = disk->top - 1; at > 0; at--)
        if (!refine_grid(disk, at, fb_h3_parent(cell, res - at))) return false;
    if (disk->top == 0) {
        for (size_t i = 0; i < disk->n_order; i++)
            out[i] = disk->levels[0].grid[disk->order[i]] & ~TURNS_MASK;
        return true;
    }
    const int shift = 3 * (FB_H3_MAX_RES - res);
    const uint64_t whole = (1ull << 52) - (7ull << shift);
    const point_t own = UNITS[cell >> shift & 7];
    const size_t width = (size_t)disk->levels[0].width + 2;
    const uint32_t *table = disk->levels[0].quotients + (res & 1 ? width * width : 0);
    const uint64_t *parents = disk->levels[1].grid;
    table += own.a * (int64_t)width + own.b;
    for (size_t i = 0; i < disk->n_order; i++) {
        const uint32_t q = table[disk->order[i]];
        out[i] = child_of(parents[q >> 3], q & 7, shift, whole) & ~TURNS_MASK;
    }
    return true;
}

/* The disk by a walk along its rings, of which those from first_ring on are written; false if it
 * meets a pentagon. */
static bool walked(const fb_h3_disk_t *disk, uint64_t cell, uint64_t *out, size_t *n) {
    static const int WALK[6] = {2, 3, 1, 5, 4, 6};
    uint64_t start = cell;
    unsigned start_turns = 0, more;
    *n = 0;
    if (disk->k > 0 && fb_h3_is_pentagon(cell)) return false;
    if (disk->first_ring == 0) out[(*n)++] = cell;
    for (int64_t ring = 1; ring <= disk->k; ring++) {
        start = fb_h3_neighbor(start, turned_digit(4, start_turns), &more);
        start_turns = (start_turns + more) % 6;
        uint64_t at = start;
        unsigned turns = start_turns;
        for (int side = 0; side < 6; side++)
            for (int64_t i = 0; i < ring; i++) {
                if (fb_h3_is_pentagon(at)) return false;
                if (ring >= disk->first_ring) out[(*n)++] = at;
                at = fb_h3_neighbor(at, turned_digit(WALK[side], turns), &more);
                turns = (turns + more) % 6;
            }
    }
    return true;
}

static bool holds(const uint64_t *sorted, size_t n, uint64_t id) {
    size_t low = 0;
    while (n > 0) {
        const size_t half = n / 2;
        if (sorted[low + half] < id) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return sorted[low] == id; /* a larger id ends each list */
}

/* The rings, each as the neighbours of the one before that are not in the last two. */
static fb_status_t searched(fb_h3_disk_t *disk, uint64_t cell, uint64_t *out, size_t *n) {
    const size_t most = (size_t)(disk->k < (1 << 25) ? 6 * disk->k + 7 : 0);
    const size_t need = 8 * most; /* candidates, and the last two rings */
    if (disk->n_scratch < need) {
        free(disk->scratch);
        free(disk->spare);
        disk->n_scratch = 0;
        disk->scratch = malloc(need * sizeof *disk->scratch);
        disk->spare = malloc(6 * most * sizeof *disk->spare);
        if (disk->scratch == NULL || disk->spare == NULL) return FB_NO_MEMORY;
        disk->n_scratch = need;
    }
    uint64_t *last = disk->scratch, *before = last + most, *found = before + most;
    size_t n_last = 1;
    *n = 0;
    last[0] = cell;
    last[1] = before[0] = UINT64_MAX;
    size_t n_before = 0;
    if (disk->first_ring == 0) out[(*n)++] = cell;
    for (int64_t ring = 1; ring <= disk->k && n_last > 0; ring++) {
        size_t n_found = 0, kept = 0;
        uint64_t previous = 0;
        for (size_t i = 0; i < n_last; i++)
            for (int digit = 1; digit < 7; digit++) {
                unsigned turns;
                const uint64_t next = fb_h3_neighbor(last[i], digit, &turns);
                if (next != 0) found[n_found++] = next;
            }
        fb_h3_sort(found, n_found, disk->spare);
        for (size_t i = 0; i < n_found; i++) {
            const uint64_t id = found[i];
            if (id == previous) continue;
            previous = id;
            if (!holds(last, n_last, id) && !holds(before, n_before, id)) found[kept++] = id;
        }
        memcpy(before, found, kept * sizeof *found);
        before[kept] = UINT64_MAX;
        uint64_t *swap = last;
        last = before;
        before = swap;
        n_before = n_last;
        n_last = kept;
        if (ring < disk->first_ring) continue;
        memcpy(out + *n, last, kept * sizeof *out);
        *n += kept;
    }
    return FB_OK;
}

fb_status_t fb_h3_disks(fb_h3_disk_t *disk, const uint64_t *cells, size_t n, uint64_t *out,
                        int64_t *offsets) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t more = disk->n_order;
        offsets[i] = (int64_t)at;
        if (!planned(disk, cells[i], out + at) && !walked(disk, cells[i], out + at, &more)) {
            const fb_status_t status = searched(disk, cells[i], out + at, &more);
            if (status != FB_OK) return status;
        }
        at += more;
    }
    offsets[n] = (int64_t)at;
    return FB_OK;
}
