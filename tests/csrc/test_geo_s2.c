#include "geo/s2.h"

#include <math.h>

#include "check.h"
#include "geo/s2_cover.h"

static double random_double(uint64_t *state, double low, double high) {
    return low + (high - low) * ((double)(next_random(state) >> 11) * 0x1p-53);
}

/* Batches equal single cells, end where their memory ends, and their middles lead back to them. */
static void batches(void) {
    uint64_t random = 1;
    for (size_t n = 0; n < 300; n += n < 5 ? 1 : 41) {
        double *lat = exact_alloc(n * sizeof *lat), *lng = exact_alloc(n * sizeof *lng);
        uint64_t *cells = exact_alloc(n * sizeof *cells);
        for (size_t k = 0; k < n; k++) {
            lat[k] = k % 7 ? random_double(&random, -90, 90) : 45.0 * (double)(k % 5) - 90;
            lng[k] = k % 7 ? random_double(&random, -400, 400) : 45.0 * (double)(k % 9) - 180;
        }
        for (int level = 0; level <= FB_S2_MAX_LEVEL; level += 5) {
            fb_s2_cells(lat, lng, n, level, cells);
            for (size_t k = 0; k < n; k++) {
                double y, x;
                CHECK(cells[k] == fb_s2_cell(lat[k], lng[k], level));
                CHECK(fb_s2_is_valid(cells[k]) && fb_s2_level(cells[k]) == level);
                fb_s2_center(cells[k], &y, &x);
                CHECK(fb_s2_cell(y, x, level) == cells[k]);
            }
        }
        free(lat), free(lng), free(cells);
    }
}

static void tokens(void) {
    uint64_t random = 2;
    for (int k = 0; k < 1000; k++) {
        const double lat = random_double(&random, -90, 90), lng = random_double(&random, -180, 180);
        const uint64_t cell = fb_s2_cell(lat, lng, k % 31);
        char token[16];
        const size_t length = fb_s2_token(cell, token);
        CHECK(fb_s2_of_token(token, length) == cell);
    }
    CHECK(fb_s2_of_token("", 0) == 0 && fb_s2_of_token("0", 1) == 0 && fb_s2_of_token("g", 1) == 0);
}

/* The neighbors of a cell have it as theirs; the areas of its children add up to its own. */
static void around(void) {
    uint64_t random = 3;
    for (int k = 0; k < 1000; k++) {
        const double lat = random_double(&random, -90, 90), lng = random_double(&random, -180, 180);
        const uint64_t cell = fb_s2_cell(lat, lng, k % 31);
        uint64_t near[8], back[8], children[4];
        int64_t offsets[2];
        fb_s2_all_neighbors(&cell, 1, near, offsets);
        const int64_t n = offsets[1];
        CHECK(n == 8 || n == 7 || (n == 4 && k % 31 == 0));
        for (int64_t i = 0; i < n; i++) {
            bool found = false;
            fb_s2_all_neighbors(&near[i], 1, back, offsets);
            for (int64_t j = 0; j < offsets[1]; j++) found = found || back[j] == cell;
            CHECK(found);
        }
        if (k % 31 == FB_S2_MAX_LEVEL) continue;
        double area = 0;
        fb_s2_children(&cell, 1, -1, children);
        for (int i = 0; i < 4; i++) area += fb_s2_area(children[i]);
        CHECK(fabs(area / fb_s2_area(cell) - 1) < 1e-11);
        CHECK(fb_s2_normalize(children, 4) == 1 && children[0] == cell);
    }
}

static bool covers(const fb_s2_found_t *found, double lat, double lng) {
    const uint64_t leaf = fb_s2_cell(lat, lng, FB_S2_MAX_LEVEL);
    for (size_t k = 0; k < found->n; k++)
        if (fb_s2_contains(found->cells[k], leaf)) return true;
    return false;
}

static void coverings(void) {
    uint64_t random = 4;
    for (int k = 0; k < 200; k++) {
        const fb_s2_limits_t limits = {(size_t)(4 + k % 30), 1000, k % 3, 30 - k % 10};
        const double lat = random_double(&random, -89, 89), lng = random_double(&random, -180, 180);
        const double size = pow(10, random_double(&random, -4, 0));
        fb_s2_found_t found = {NULL, 0, 0};
        CHECK(fb_s2_cover_cap(lat, lng, 1.5 * size, limits, &found) == FB_OK);
        CHECK(covers(&found, lat, lng) && found.n > 0);
        fb_s2_found_free(&found);
        CHECK(fb_s2_cover_rect(0.01 * lat, 0, 0.01 * lat + size, size, limits, &found) == FB_OK);
        fb_s2_found_free(&found);
        const double lats[4] = {lat, lat + size, lat + size, lat};
        const double lngs[4] = {lng, lng, lng + size, lng + size};
        const double crossed[4] = {lng, lng + size, lng, lng + size};
        const size_t starts[2] = {0, 4};
        const bool outer[1] = {true};
        fb_s2_rings_t rings = {lats, lngs, starts, outer, 1};
        size_t bad[2];
        CHECK(fb_s2_cover_polygon(rings, limits, &found, bad) == FB_OK);
        for (int v = 0; v < 4; v++) CHECK(covers(&found, lats[v], lngs[v]));
        CHECK(covers(&found, lat + 0.5 * size, lng + 0.5 * size));
        fb_s2_found_free(&found);
        rings.lng = crossed;
        CHECK(fb_s2_cover_polygon(rings, limits, &found, bad) == FB_OUT_OF_RANGE);
        CHECK(bad[0] == 0 && bad[1] == 2);
        fb_s2_found_free(&found);
        const fb_s2_limits_t deep = {1, 50, 30, 30};
        rings.lng = lngs;
        CHECK(fb_s2_cover_cap(lat, lng, 1.5 * size, deep, &found) == FB_FULL);
        fb_s2_found_free(&found);
        CHECK(fb_s2_cover_rect(0.01 * lat, 0, 0.01 * lat + size, size, deep, &found) == FB_FULL);
        fb_s2_found_free(&found);
        CHECK(fb_s2_cover_polygon(rings, deep, &found, bad) == FB_FULL);
        fb_s2_found_free(&found);
    }
}

int main(void) {
    batches();
    tokens();
    around();
    coverings();
    return check_report();
}
