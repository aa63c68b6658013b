/* The 64 bits of an H3 cell: mode 1, resolution, base cell and 15 digits of 3 bits, coarsest first.
 *
 *     bit 63   59..62   56..58   52..55       45..51      42..44  39..41  ...  0..2
 *         0     mode      0     resolution   base cell   digit 1 digit 2      digit 15
 *
 * A digit is the step from the centre of the parent to the child: 0 none, else the sum of the unit
 * vectors i (4), j (2), k (1). Digits past the resolution are 7.
 */
#ifndef FB_GEO_H3_CELL_H
#define FB_GEO_H3_CELL_H

#include "base.h"
#include "h3_tables.h"

#define FB_H3_MAX_RES 15
#define FB_H3_BASE_CELLS 122
#define FB_H3_DIGITS ((1ull << 45) - 1)
#define FB_H3_ONES 01111111111111111ull /* bit 0 of 15 digits, and of one more */

FB_INLINE int fb_h3_res(uint64_t cell) { return (int)(cell >> 52 & 15); }
FB_INLINE int fb_h3_base_cell(uint64_t cell) { return (int)(cell >> 45 & 127); }

/* The bits of the digits past a resolution. */
FB_INLINE uint64_t fb_h3_unused(int res) { return (1ull << 3 * (FB_H3_MAX_RES - res)) - 1; }

/* The digits down to the resolution, 0 below. */
FB_INLINE uint64_t fb_h3_used_digits(uint64_t cell) {
    return cell & FB_H3_DIGITS & ~fb_h3_unused(fb_h3_res(cell));
}

/* Bit 0 of each digit that is not 0. */
FB_INLINE uint64_t fb_h3_marks(uint64_t digits) {
    return (digits | digits >> 1 | digits >> 2) & FB_H3_ONES;
}

/* The first digit that is not 0, or 0. */
FB_INLINE int fb_h3_first_digit(uint64_t digits) {
    return (int)(digits >> (63 - fb_leading_zeros64(fb_h3_marks(digits) | 1)) & 7);
}

FB_INLINE bool fb_h3_is_pentagon_base(int base) {
    static const uint64_t low = 1ull << 4 | 1ull << 14 | 1ull << 24 | 1ull << 38 | 1ull << 49 |
                                1ull << 58 | 1ull << 63;
    static const uint64_t high =
        1ull << 8 | 1ull << 19 | 1ull << 33 | 1ull << 43 | 1ull << 53;
    return (base < 64 ? low >> base : high >> (base & 63)) & 1;
}

FB_INLINE bool fb_h3_is_pentagon(uint64_t cell) {
    return fb_h3_is_pentagon_base(fb_h3_base_cell(cell)) && fb_h3_used_digits(cell) == 0;
}

/* Digits (all 15, 0 where unused) turned counter-clockwise by 60 degrees, `turns` (0 to 5) times. 180 degrees
 * is the complement of digits that are not 0; 120 degrees is a rotation of the three bits. */
FB_INLINE uint64_t fb_h3_turned(uint64_t digits, unsigned turns) {
    static const struct {
        uint64_t flip, left, high, right, low; /* mask of lanes that go left, and of those that go right */
    } steps[6] = {
        {0, 0, 7 * FB_H3_ONES, 0, 0},
        {7, 1, 6 * FB_H3_ONES, 2, FB_H3_ONES},
        {0, 2, 4 * FB_H3_ONES, 1, 3 * FB_H3_ONES},
        {7, 0, 7 * FB_H3_ONES, 0, 0},
        {0, 1, 6 * FB_H3_ONES, 2, FB_H3_ONES},
        {7, 2, 4 * FB_H3_ONES, 1, 3 * FB_H3_ONES},
    };
    const uint64_t flipped = digits ^ fb_h3_marks(digits) * steps[turns].flip;
    return (flipped << steps[turns].left & steps[turns].high) |
           (flipped >> steps[turns].right & steps[turns].low);
}

/* Whether the bits are a cell: mode, base cell and digits in range, none in the missing sector of a
 * pentagon. */
FB_INLINE bool fb_h3_is_valid(uint64_t cell) {
    const uint64_t unused = fb_h3_unused(fb_h3_res(cell));
    const uint64_t used = cell & FB_H3_DIGITS & ~unused;
    const bool framed = cell >> 56 == 0x08 && fb_h3_base_cell(cell) < FB_H3_BASE_CELLS;
    const bool sevens = (used & used >> 1 & used >> 2 & FB_H3_ONES) == 0;
    const bool filled = (cell & unused) == unused;
    return framed && sevens && filled &&
           !(fb_h3_is_pentagon_base(fb_h3_base_cell(cell)) && fb_h3_first_digit(used) == 1);
}

/* The cell of a lattice point (a, b) of a face. Two digits at a time, finest first: two resolutions up the
 * lattice is 7 times as coarse and not turned, so the digits are told by remainders of a and b by 7, and
 * a carry (fb_h3_climbs). A point of an odd resolution starts from its middle child. */
FB_INLINE uint64_t fb_h3_cell_of_place(int face, int64_t at_a, int64_t at_b, int res) {
    /* 4 * 7^pairs keep them positive */
    static const int32_t shifts[9] = {4, 28, 196, 1372, 9604, 67228, 470596, 3294172, 23059204};
    const int pairs = (res + 1) >> 1;
    const bool odd = res & 1;
    uint64_t a = (uint64_t)((odd ? 3 * at_a - at_b : at_a) + shifts[pairs]);
    uint64_t b = (uint64_t)((odd ? at_a + 2 * at_b : at_b) + shifts[pairs]);
    uint64_t digits = 0, climb = 0;
    for (int n = 0; n < pairs; n++) {
        const uint64_t up_a = a * 613566757 >> 32, up_b = b * 613566757 >> 32; /* by 7 */
        climb = fb_h3_climbs[(climb & 0300) + (7 * (a - 7 * up_a) + (b - 7 * up_b))];
        digits = digits >> 6 | climb << 58;
        a = up_a;
        b = up_b;
    }
    digits >>= 64 - 3 * FB_H3_MAX_RES;
    const int32_t i = (int32_t)(a + (climb >> 6 & 1)) - 4, j = (int32_t)(b + (climb >> 7)) - 4;
    const int32_t lower = i < j ? i : j, low = lower & lower >> 31;
    const int32_t place = 9 * i + 3 * j - 13 * low;
    const unsigned turns = (unsigned)fb_h3_face_turns[face][place][fb_h3_first_digit(digits)];
    return 1ull << 59 | (uint64_t)res << 52 | (uint64_t)fb_h3_face_cells[face][place] << 45 |
           fb_h3_turned(digits, turns) | fb_h3_unused(res);
}

#endif
