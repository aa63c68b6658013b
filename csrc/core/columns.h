/* Columns of numbers and short texts, as batch functions read them: checks and conversions. */
#ifndef FB_CORE_COLUMNS_H
#define FB_CORE_COLUMNS_H

#include "keys.h"

/* The index of the first of n numbers that is not in [low, high] (NaN is in no range); n if all
 * are. */
size_t fb_first_outside(const double *x, size_t n, double low, double high);

/* The length in bytes of the longest text of a part (of texts, not of numbers). */
size_t fb_texts_widest(const fb_keys_part_t *part);

/* The texts of a part side by side, each in `width` bytes, those that are shorter padded with
 * zeros; none is longer. */
void fb_texts_pack(const fb_keys_part_t *part, size_t width, char *out);

/* The index of the first text of a part that holds a byte which is 0 or not ASCII; part->n if there
 * is none. */
size_t fb_texts_first_odd(const fb_keys_part_t *part);

#endif
