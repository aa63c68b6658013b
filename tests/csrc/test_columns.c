#include "columns.h"

#include <math.h>

#include "check.h"

static void first_outside(void) {
    for (size_t n = 0; n < 300; n += n < 10 ? 1 : 29) {
        double *x = exact_alloc(n * sizeof *x);
        for (size_t i = 0; i < n; i++) x[i] = i % 2 ? -90 : 90;
        CHECK(fb_first_outside(x, n, -90, 90) == n);
        for (size_t i = n; i-- > 0;) {
            static const double bad[] = {90.00000000000001, -90.00000000000001};
            x[i] = i % 3 ? bad[i % 2] : (double)NAN;
            CHECK(fb_first_outside(x, n, -90, 90) == i);
        }
        free(x);
    }
}

static void texts(void) {
    static const char data[] = "ab\0\0cde\0f\x80g\0\0\0\0\0h\0i";
    fb_keys_part_t part = {.layout = FB_KEYS_PADDED, .n = 2, .width = 4, .data = data};
    char out[8];
    CHECK(fb_texts_widest(&part) == 3);
    CHECK(fb_texts_first_odd(&part) == 2);
    fb_texts_pack(&part, 4, out);
    CHECK(memcmp(out, data, 8) == 0);
    part.n = 3;
    CHECK(fb_texts_first_odd(&part) == 2); /* not ASCII */
    part.data = data + 12;
    part.n = 2;
    CHECK(fb_texts_first_odd(&part) == 1); /* a NUL within */
}

int main(void) {
    first_outside();
    texts();
    return check_report();
}
