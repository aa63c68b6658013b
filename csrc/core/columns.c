#include "columns.h"

enum { BLOCK = 64 };

size_t fb_first_outside(const double *x, size_t n, double low, double high) {
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) { /* whole blocks, without a branch that depends on data */
        int bad = 0;
        for (size_t k = 0; k < BLOCK; k++) bad |= !(x[i + k] >= low) | !(x[i + k] <= high);
        if (bad) break;
    }
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
        for (size_t k = 0; k < length; k++)
            if (text[k] == 0 || text[k] > 127) return i;
    }
    return part->n;
}
