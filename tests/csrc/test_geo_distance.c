#include "geo/distance.h"

#include <math.h>

#include "check.h"

static const double degree = 0.017453292519943295;

static double uniform(uint64_t *random, double most) {
    return ((double)(next_random(random) >> 11) * 0x1p-53 * 2 - 1) * most;
}

/* By vectors: the angle of the cross product and the dot product. */
static double reference(double lat1, double lng1, double lat2, double lng2) {
    const double a = lat1 * degree, b = lat2 * degree, l = (lng2 - lng1) * degree;
    const double x = cos(b) * sin(l), y = cos(a) * sin(b) - sin(a) * cos(b) * cos(l);
    return FB_EARTH_RADIUS * atan2(hypot(x, y), sin(a) * sin(b) + cos(a) * cos(b) * cos(l));
}

static void batches_of_every_length(void) {
    uint64_t random = 1;
    for (size_t n = 0; n < 400; n += n < 40 ? 1 : 43) {
        double *in[4], *metres = exact_alloc(n * 8), *way = exact_alloc(n * 8);
        double *lat = exact_alloc(n * 8), *lng = exact_alloc(n * 8), *left = exact_alloc(n * 8);
        for (int k = 0; k < 4; k++) {
            in[k] = exact_alloc(n * 8);
            for (size_t i = 0; i < n; i++) in[k][i] = uniform(&random, k % 2 ? 200 : 90);
        }
        fb_haversine(in[0], in[1], in[2], in[3], n, metres);
        fb_bearing(in[0], in[1], in[2], in[3], n, way);
        fb_destination(in[0], in[1], way, metres, n, lat, lng);
        fb_haversine(lat, lng, in[2], in[3], n, left);
        for (size_t i = 0; i < n; i++) {
            double one;
            const double exact = reference(in[0][i], in[1][i], in[2][i], in[3][i]);
            CHECK(fabs(metres[i] - exact) < 1e-7);
            CHECK(left[i] < 1e-6);
            CHECK(way[i] >= 0 && way[i] < 360 && lng[i] >= -180 && lng[i] < 180);
            fb_haversine(&in[0][i], &in[1][i], &in[2][i], &in[3][i], 1, &one);
            CHECK(one == metres[i]);
        }
        for (int k = 0; k < 4; k++) free(in[k]);
        free(metres), free(way), free(lat), free(lng), free(left);
    }
}

static void matrix(void) {
    uint64_t random = 2;
    enum { N = 3, M = 300 };
    double lat1[N], lng1[N], lat2[M], lng2[M], one;
    double *out = exact_alloc(sizeof(double) * N * M);
    for (int i = 0; i < N; i++) lat1[i] = uniform(&random, 90), lng1[i] = uniform(&random, 180);
    for (int k = 0; k < M; k++) lat2[k] = uniform(&random, 90), lng2[k] = uniform(&random, 180);
    fb_distance_matrix(lat1, lng1, N, lat2, lng2, M, out);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < M; k++) {
            fb_haversine(&lat1[i], &lng1[i], &lat2[k], &lng2[k], 1, &one);
            CHECK(out[i * M + k] == one);
        }
    }
    free(out);
}

int main(void) {
    batches_of_every_length();
    matrix();
    return check_report();
}
