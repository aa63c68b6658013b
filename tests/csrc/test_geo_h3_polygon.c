#include "geo/h3_polygon.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "geo/h3_index.h"
#include "geo/h3_outline.h"

static double random_unit(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

/* A star of n points around a point. */
static void star(double lat, double lng, double size, size_t n, uint64_t *state, double *points) {
    for (size_t i = 0; i < n; i++) {
        const double angle = 6.283185307179586 * ((double)i + random_unit(state)) / (double)n;
        const double r = size * (0.5 + 0.5 * random_unit(state));
        const double y = lat + r * sin(angle), x = lng + r * cos(angle);
        points[2 * i] = y > 90 ? 90 : y < -90 ? -90 : y;
        points[2 * i + 1] = x > 180 ? x - 360 : x < -180 ? x + 360 : x;
    }
}

/* Whether the centre of a cell is in a ring that crosses no border of the map. */
static bool holds(const double *points, size_t n, uint64_t cell) {
    const fb_h3_point_t p = fb_h3_reference_center(cell);
    const double lat = p.lat * 57.29577951308232, lng = p.lng * 57.29577951308232;
    bool inside = false;
    for (size_t i = 0, j = n - 1; i < n; j = i++) {
        const double *a = points + 2 * i, *b = points + 2 * j;
        if ((a[0] > lat) != (b[0] > lat))
            inside ^= lng < a[1] + (b[1] - a[1]) * (lat - a[0]) / (b[0] - a[0]);
    }
    return inside;
}

/* Every cell of the Earth is tested; the modes hold one another. */
static void fills_against_all_cells(uint64_t seed) {
    uint64_t state = seed;
    const size_t n = 3 + (size_t)(random_unit(&state) * 20);
    double points[2 * 64];
    star(120 * random_unit(&state) - 60, 300 * random_unit(&state) - 150, 25, n, &state, points);
    star(0, 0, 1, 3, &state, points + 2 * n);
    const int res = (int)(seed % 4);
    uint64_t *cells, *all = malloc(41162 * sizeof *all), *end = all;
    CHECK(all);
    size_t count, k = 0, counts[4];
    CHECK(fb_h3_polygon(points, &n, 1, res, FB_H3_CENTER, &cells, &count) == FB_OK);
    for (uint64_t base = 0; base < FB_H3_BASE_CELLS; base++)
        end = fb_h3_children(1ull << 59 | base << 45 | fb_h3_unused(0), res, end);
    for (const uint64_t *cell = all; cell < end; cell++)
        if (holds(points, n, *cell)) CHECK(k < count && cells[k++] == *cell);
    CHECK(k == count);
    free(cells);
    free(all);
    for (int mode = 0; mode < 4; mode++) {
        CHECK(fb_h3_polygon(points, &n, 1, res, (fb_h3_containment_t)mode, &cells,
                            &counts[mode]) == FB_OK);
        for (size_t i = 1; i < counts[mode]; i++) CHECK(cells[i - 1] < cells[i]);
        free(cells);
    }
    CHECK(counts[1] <= counts[0] && counts[0] <= counts[2] && counts[2] <= counts[3]);
}

/* A polygon and its hole: together the polygon without one. */
static void holes(uint64_t seed, int res, double size) {
    uint64_t state = seed, *whole, *rest, *hole;
    double points[2 * 40];
    const double lat = 170 * random_unit(&state) - 85, lng = 360 * random_unit(&state) - 180;
    star(lat, lng, size, 30, &state, points);
    star(lat, lng, size / 4, 10, &state, points + 60);
    const size_t outer = 30, inner = 10, both[2] = {30, 40};
    size_t n_whole, n_rest, n_hole;
    CHECK(fb_h3_polygon(points, &outer, 1, res, FB_H3_CENTER, &whole, &n_whole) == FB_OK);
    CHECK(fb_h3_polygon(points + 60, &inner, 1, res, FB_H3_CENTER, &hole, &n_hole) == FB_OK);
    CHECK(fb_h3_polygon(points, both, 2, res, FB_H3_CENTER, &rest, &n_rest) == FB_OK);
    CHECK(n_whole > 0 && n_whole == n_rest + n_hole);
    for (size_t i = 0, r = 0, h = 0; i < n_whole; i++) {
        if (r < n_rest && rest[r] == whole[i]) r++;
        else CHECK(h < n_hole && hole[h++] == whole[i]);
    }
    free(whole);
    free(rest);
    free(hole);
}

/* The outline by the library's formulas is where the fast way says. */
static void outlines(void) {
    uint64_t state = 5;
    for (int i = 0; i < 2000; i++) {
        const int res = i % 16;
        const double lat = 180 * random_unit(&state) - 90, lng = 360 * random_unit(&state) - 180;
        const uint64_t cell = i < 122 ? fb_h3_center_child(1ull << 59 | (uint64_t)i << 45 |
                                                           fb_h3_unused(0), res)
                                      : fb_h3_cell_at(lat, lng, res);
        double corners[2 * FB_H3_MAX_CORNERS];
        fb_h3_point_t exact[FB_H3_MAX_CORNERS];
        const size_t n = fb_h3_boundary(cell, corners);
        CHECK(fb_h3_reference_boundary(cell, exact) == n);
        for (size_t c = 0; c < n; c++)
            CHECK(fabs(exact[c].lat * 57.29577951308232 - corners[2 * c]) < 1e-9);
        const fb_h3_point_t p = fb_h3_reference_center(cell);
        CHECK(fb_h3_cell_at(p.lat * 57.29577951308232, p.lng * 57.29577951308232, res) == cell);
    }
}

int main(void) {
    for (uint64_t seed = 0; seed < 60; seed++) fills_against_all_cells(seed);
    for (uint64_t seed = 0; seed < 60; seed++) holes(seed, 5, 2);
    holes(1, 9, 0.2);
    outlines();
    return check_report();
}
