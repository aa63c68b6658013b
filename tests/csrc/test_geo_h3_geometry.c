#include "geo/h3_geometry.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { N = 1000 };

static double random_unit(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

/* Batches agree with single calls and with the library's formulas; cells hold their own centres; nothing is
 * written past the end. */
static void round_trips(int res) {
    double *lats = malloc(N * sizeof *lats), *lngs = malloc(N * sizeof *lngs);
    double *lats2 = malloc(N * sizeof *lats), *lngs2 = malloc(N * sizeof *lngs);
    uint64_t *cells = malloc(N * sizeof *cells), *again = malloc(N * sizeof *cells);
    int64_t *offsets = malloc((N + 1) * sizeof *offsets);
    double *areas = malloc(N * sizeof *areas);
    CHECK(lats && lngs && lats2 && lngs2 && cells && again && offsets && areas);
    uint64_t state = (uint64_t)res + 1;
    for (int i = 0; i < N; i++) {
        lats[i] = asin(2 * random_unit(&state) - 1) * 57.29577951308232;
        lngs[i] = 360 * random_unit(&state) - 180;
    }
    lats[0] = 90;
    lats[1] = -90;
    lngs[2] = 1e300;
    fb_h3_cells_at(lats, lngs, N, res, cells);
    CHECK(fb_h3_first_invalid(cells, N) == N);
    for (int i = 0; i < N; i++) {
        CHECK(cells[i] == fb_h3_cell_at(lats[i], lngs[i], res));
        CHECK(cells[i] == fb_h3_reference_cell(lats[i], lngs[i], res));
    }
    fb_h3_centers(cells, N, lats2, lngs2);
    fb_h3_cells_at(lats2, lngs2, N, res, again);
    CHECK(memcmp(cells, again, N * sizeof *cells) == 0);
    fb_h3_boundary_offsets(cells, N, offsets);
    double *corners = malloc((size_t)offsets[N] * 2 * sizeof *corners);
    CHECK(corners != NULL);
    fb_h3_boundaries(cells, N, offsets, corners);
    for (int i = 0; i < N; i++) {
        double few[2 * FB_H3_MAX_CORNERS], lat, lng;
        const size_t n = fb_h3_boundary(cells[i], few);
        CHECK((int64_t)n == offsets[i + 1] - offsets[i]);
        CHECK(memcmp(few, corners + 2 * offsets[i], 2 * n * sizeof *few) == 0);
        fb_h3_centers(&cells[i], 1, &lat, &lng);
        CHECK(lat == lats2[i] && lng == lngs2[i]);
    }
    fb_h3_areas(cells, N, 1, areas);
    for (int i = 0; i < N; i++) CHECK(areas[i] > 0 && areas[i] < 0.2);
    free(lats);
    free(lngs);
    free(lats2);
    free(lngs2);
    free(cells);
    free(again);
    free(offsets);
    free(areas);
    free(corners);
}

static void digits(void) {
    static const int turned[7] = {0, 5, 3, 1, 6, 4, 2};
    for (int d = 0; d < 7; d++) {
        uint64_t once = (uint64_t)turned[d] << 42 | (uint64_t)turned[6 - d];
        CHECK(fb_h3_turned((uint64_t)d << 42 | (uint64_t)(6 - d), 1) == once);
        uint64_t x = (uint64_t)d << 21;
        for (unsigned n = 0; n < 6; n++) {
            CHECK(fb_h3_turned((uint64_t)d << 21, n) == x);
            x = fb_h3_turned(x, 1);
        }
        CHECK(fb_h3_first_digit((uint64_t)d << 9 | 3) == (d ? d : 3));
    }
    CHECK(fb_h3_first_digit(0) == 0);
    CHECK(!fb_h3_is_valid(0) && !fb_h3_is_valid(UINT64_MAX));
}

int main(void) {
    digits();
    for (int res = 0; res <= FB_H3_MAX_RES; res++) round_trips(res);
    return check_report();
}
