/* Families of H3 cells, compact sets, disks near pentagons. */
#include "check.h"

#include <stdlib.h>

#include "geo/h3_geometry.h"
#include "geo/h3_grid.h"

static uint64_t base_cell(uint64_t n) { return 1ull << 59 | n << 45 | FB_H3_DIGITS; }

static void test_families(void) {
    for (uint64_t base = 0; base < 122; base += 7) {
        const uint64_t cell = base_cell(base);
        const size_t n = (size_t)fb_h3_children_size(cell, 4);
        uint64_t *children = malloc(n * sizeof *children), *spare = malloc(n * sizeof *spare);
        size_t repeated;
        CHECK(fb_h3_children(cell, 4, children) == children + n);
        CHECK(fb_h3_first_invalid(children, n) == n);
        for (size_t i = 1; i < n; i++) CHECK(children[i - 1] < children[i]);
        for (size_t i = 0; i < n / 2; i += 3) { /* any order */
            const uint64_t swap = children[i];
            children[i] = children[n - 1 - i];
            children[n - 1 - i] = swap;
        }
        CHECK(fb_h3_compact(children, n, spare, &repeated) == 1);
        CHECK(children[0] == cell);
        free(children);
        free(spare);
    }
}

/* Cells of a disk are distinct and connected; every way to make it agrees on how many there are. */
static void test_disks(void) {
    for (int k = 1; k <= 40; k += 13) {
        for (uint64_t base = 0; base < 122; base++) {
            uint64_t cells[4] = {fb_h3_center_child(base_cell(base), 2), 0, 0, 0};
            unsigned turns;
            for (int i = 1; i < 4; i++) cells[i] = fb_h3_neighbor(cells[i - 1], 2 + i, &turns);
            for (size_t n = 1; n <= 4; n += 3) { /* walked, then planned */
                fb_h3_disk_t *disk = fb_h3_disk_new(k, false, n);
                int64_t offsets[5];
                size_t room = 0;
                for (size_t i = 0; i < n; i++) room += (size_t)fb_h3_disk_room(disk, cells[i]);
                uint64_t *out = malloc(room * sizeof *out);
                CHECK(fb_h3_disks(disk, cells, n, out, offsets) == FB_OK);
                CHECK(out[0] == cells[0] && (size_t)offsets[n] <= room);
                CHECK(fb_h3_first_invalid(out, (size_t)offsets[n]) == (size_t)offsets[n]);
                if (k == 1) CHECK(offsets[1] == (fb_h3_is_pentagon(cells[0]) ? 6 : 7));
                free(out);
                fb_h3_disk_free(disk);
            }
        }
    }
}

static void test_distances(void) {
    for (uint64_t base = 0; base < 122; base++) {
        const uint64_t cell = fb_h3_center_child(base_cell(base), 15);
        for (int digit = 1; digit < 7; digit++) {
            unsigned turns;
            const uint64_t next = fb_h3_neighbor(cell, digit, &turns);
            if (next == 0) continue;
            CHECK(fb_h3_distance(cell, next) == 1 && fb_h3_distance(next, cell) == 1);
            CHECK(fb_h3_are_neighbors(cell, next) && !fb_h3_are_neighbors(cell, cell));
        }
    }
}

int main(void) {
    test_families();
    test_disks();
    test_distances();
    return check_report();
}
