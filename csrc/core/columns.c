#include "columns.h"

enum { BLOCK = 64, LANES = 8 };

/* Whether all of BLOCK numbers are in [low, high]: in lanes, without a branch that depends on them. */
static bool all_inside(const double *x, double low, double high) {
    double inside[LANES];
    for (size_t lane = 0; lane < LANES; lane++) inside[lane] = 1;
    for (size_t i = 0; i < BLOCK; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const double above = x[i + lane] >= low ? inside[lane] : 0;
            inside[lane] = x[i + lane] <= high ? above : 0;
        }
    }
    double all = 1;
    for (size_t lane = 0; lane < LANES; lane++) all *= inside[lane];
    return all == 1;
}

size_t fb_first_outside(const double *x, size_t n, double low, double high) {
    size_t i = 0;
    while (i + BLOCK <= n && all_inside(x + i, low, high)) i += BLOCK;
    for (; i < n; i++)
        if (!(x[i] >= low && x[i] <= high)) return i;
    return n;
}

size_t fb_texts_widest(const fb_keys_part_t *part) {
    size_t widest = 0;
    for (size_t i = 0; i < part->n; i++) {
        size_t length;
        (void)fb_keys_bytes(part, i, &length);
        if (length > widest) widest = length;
    }
    return widest;
}

void fb_texts_pack(const fb_keys_part_t *part, size_t width, char *out) {
    for (size_t i = 0; i < part->n; i++) {
        size_t length;
        const uint8_t *text = fb_keys_bytes(part, i, &length);
        if (length) memcpy(out + i * width, text, length);
        memset(out + i * width + length, 0, width - length);
    }
}

size_t fb_texts_first_odd(const fb_keys_part_t *part) {
    for (size_t i = 0; i < part->n; i++) {
        size_t length;
        const uint8_t *text = fb_keys_bytes(part, i, &length);
        unsigned odd = 0;
        for (size_t k = 0; k < length; k++) odd |= text[k] | ((unsigned)text[k] - 1); /* 0: all bits */
        if (odd > 127) return i;
    }
    return part->n;
}
