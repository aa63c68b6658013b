#include "geo/crossing.h"

#include "check.h"

static double random_unit(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

/* On which side of a line a point is. */
static double side(const double *a, const double *b, const double *p) {
    return (b[1] - a[1]) * (p[0] - a[0]) - (b[0] - a[0]) * (p[1] - a[1]);
}

/* Whether two edges have a point within both of them, neither being near an end. */
static bool cross(const double *a, const double *b, const double *c, const double *d) {
    return (side(a, b, c) > 0) != (side(a, b, d) > 0) && (side(c, d, a) > 0) != (side(c, d, b) > 0);
}

/* Rings of n points each, against all pairs. Steps are small, so that some rings cross nothing. */
static void against_all_pairs(uint64_t seed, size_t n, size_t rings, double step) {
    enum { MOST = 512 };
    uint64_t state = seed;
    double points[2 * MOST];
    size_t ends[4], bad[2], found[2] = {0, 0};
    for (size_t i = 0; i < n * rings; i++) {
        const double *before = points + 2 * (i - 1);
        const bool first = i % n == 0;
        points[2 * i] = (first ? 40 * random_unit(&state) : before[0] + step * random_unit(&state));
        points[2 * i + 1] = (first ? 0 : before[1]) + step * (random_unit(&state) - 0.5);
    }
    for (size_t r = 0; r < rings; r++) ends[r] = n * (r + 1);
    for (size_t i = 0; i < n * rings && found[1] == 0; i++) {
        const double *a = points + 2 * i, *b = i % n + 1 < n ? a + 2 : a - 2 * (n - 1);
        for (size_t k = 0; k < i && found[1] == 0; k++) {
            const double *c = points + 2 * k, *d = k % n + 1 < n ? c + 2 : c - 2 * (n - 1);
            if (b == c || a == d || !cross(a, b, c, d)) continue;
            found[0] = k;
            found[1] = i;
        }
    }
    const fb_status_t status = fb_crossing_seek(points, ends, rings, bad);
    CHECK(status == (found[1] > 0 ? FB_OUT_OF_RANGE : FB_OK));
    if (found[1] > 0) CHECK(bad[0] == found[0] && bad[1] == found[1]);
}

int main(void) {
    for (uint64_t seed = 0; seed < 400; seed++)
        for (size_t rings = 1; rings < 4; rings++)
            against_all_pairs(seed, 3 + seed % 60, rings, seed % 3 == 0 ? 5 : 0.3);
    const double across[8] = {0, 179, 3, -178, 3, 179, 0, -178}; /* a bow on the antimeridian */
    const size_t end = 4;
    size_t bad[2];
    CHECK(fb_crossing_seek(across, &end, 1, bad) == FB_OUT_OF_RANGE && bad[0] == 0 && bad[1] == 2);
    return check_report();
}
