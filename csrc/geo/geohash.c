/* Geohash [1].
 *
 * Idea. Halve the range of longitudes, then that of latitudes, and so on in turn; each time write a 1 for
 * the upper half. Five of these bits are a character of a base-32 alphabet.
 *
 *     code  | x31 y31 x30 y30 x29 | y29 x28 y28 x27 y27 | ...       x: of longitude, y: of latitude
 *             first character       second
 *
 * Points to bits. lat / 90 and lng / 180, each rounded once, are in [-1, 1]; scaled by 2^63, cut towards
 * zero and moved up by 2^63 they are fixed-point numbers of 64 bits, whose upper 32 are the x and the y.
 * So does python-geohash, whose cells these are. Hence a cell holds its southern and western
 * border and not the others, but for points that are nearer than 2^-63 of the range to a border in the
 * southern or western hemisphere: they belong to the cell above. The northernmost cells hold the pole
 * too. In lanes: y = q 2^31 is exact, adding and taking away 1.5 * 2^52 rounds it to an integer r, and
 * r - y, which is exact as well, tells whether to go down by one.
 *
 * Interleaving is by masks and shifts that spread 32 bits to every second of 64, and characters are spread
 * and looked up by arithmetic on 8 bytes of a word; both are written once, for lanes, and compiled
 * for each dispatch level. BMI2's pdep would do one word at a time, no faster than this does four, and
 * much slower where it is microcode.
 *
 * Complexity. O(1) per point; O(characters) to read a text.
 *
 * [1] G. Niemeyer, geohash.org, 2008; G. M. Morton, "A Computer Oriented Geodetic Data Base and a New
 *     Technique in File Sequencing", IBM, 1966.
 */
#include "geohash.h"

#include <math.h>

#include "cpu.h"
#include "interleave.h"

enum { BLOCK = 128 };

/* ---- points to bits ------------------------------------------------------------------------------ */

/* Degrees east of a whole turn less: in [-180, 180). Exact, as remainders are. */
static double wrapped(double lng) {
    if (lng >= -180 && lng < 180) return lng;
    const double turn = fmod(lng, 360);
    return turn >= 180 ? turn - 360 : turn < -180 ? turn + 360 : turn;
}

/* The upper 32 bits of the fixed-point number of q in [-1, 1]; 2^32 for 1. Without a branch, which for points at random
 * could not be predicted. */
FB_INLINE uint64_t fixed(double q) {
    const double magic = 6755399441055744.0; /* 1.5 * 2^52 */
    const double y = q * 2147483648.0, r = (y + magic) - magic, above = r - y;
    const double up = r + (magic + 2147483648.0);
    uint64_t bits, sign;
    memcpy(&bits, &up, sizeof bits);
    memcpy(&sign, &y, sizeof sign);
    /* above which r is taken down: 2^-32 if y is below 0, else 2^-1022 */
    const uint64_t least_bits = 0x0010000000000000ull + ((0 - (sign >> 63)) & 0x3de0000000000000ull);
    double least;
    memcpy(&least, &least_bits, sizeof least);
    return (bits - (uint64_t)(above >= least)) & 0x1ffffffffull;
}

/* lng in [-180, 180) */
FB_INLINE uint64_t code_of(double lat, double lng) {
    uint64_t y = fixed(lat / 90.0);
    y -= y >> 32; /* the pole */
    return fb_spread_bits(fixed(lng / 180.0)) << 1 | fb_spread_bits(y);
}

uint64_t fb_geohash_code(double lat, double lng) { return code_of(lat, wrapped(lng)); }

/* ---- bits to characters --------------------------------------------------------------------------- */

/* Per byte: 1 if it is at least k; bytes and k are below 128. */
FB_INLINE uint64_t at_least(uint64_t bytes, uint64_t k) {
    const uint64_t ones = 0x0101010101010101ull;
    return (bytes + (128 - k) * ones) >> 7 & ones;
}

/* The 8 characters of 40 bits, the first in the lowest byte. */
FB_INLINE uint64_t characters(uint64_t x) {
    const uint64_t zeros = 0x3030303030303030ull; /* '0' */
    x = (x & 0xfffff00000ull) << 12 | (x & 0xfffff);
    x = (x & 0x000ffc00000ffc00ull) << 6 | (x & 0x000003ff000003ffull);
    x = (x & 0x03e003e003e003e0ull) << 3 | (x & 0x001f001f001f001full);
    const uint64_t letter = at_least(x, 10); /* from 'b' on; the alphabet leaves out i, l and o */
    return fb_swap64(x + zeros + (letter << 5) + (letter << 3) + at_least(x, 17) +
                     at_least(x, 19) + at_least(x, 21));
}

void fb_geohash_write(uint64_t code, unsigned precision, char *out) {
    char text[16];
    fb_write64(text, characters(code >> 24));
    fb_write64(text + 8, characters(code << 40 >> 24));
    memcpy(out, text, precision);
}

/* ---- kernels, at most BLOCK items ------------------------------------------------------------------ */

/* Returns whether all longitudes are in [-180, 180); if not, what is written is of no use. */
FB_INLINE bool encode_block(const double *restrict lat, const double *restrict lng, size_t n,
                            unsigned bits, uint64_t *restrict out) {
    uint64_t outside = 0;
    for (size_t i = 0; i < n; i++) {
        outside |= (lng[i] >= -180 ? 0ull : 1ull) | (lng[i] < 180 ? 0ull : 1ull);
        out[i] = code_of(lat[i], lng[i]) >> (64 - bits);
    }
    return outside == 0;
}

FB_INLINE void characters_block(const uint64_t *codes, size_t n, uint64_t *first, uint64_t *last) {
    for (size_t i = 0; i < n; i++) {
        first[i] = characters(codes[i] >> 24);
        last[i] = characters(codes[i] << 40 >> 24);
    }
}

/* k / 2^30 of a quarter turn or a half: exact, since k has at most 32 bits. */
FB_INLINE double degrees_of(int64_t k, double range) { return (double)k * (range / 1073741824.0); }

FB_INLINE void centers_block(const uint64_t *codes, const uint8_t *precisions, size_t n, double *lat,
                             double *lng) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = 5 * (uint64_t)precisions[i], columns = (bits + 1) / 2;
        const uint64_t x = fb_gather_bits(codes[i] >> 1) >> 2, y = fb_gather_bits(codes[i]) >> 2; /* of 30 bits */
        const uint64_t width = 1ull << (30 - columns), height = 1ull << (30 - (bits - columns));
        lng[i] = degrees_of((int64_t)(2 * x + width) - 1073741824, 180.0);
        lat[i] = degrees_of((int64_t)(2 * y + height) - 1073741824, 90.0);
    }
}

static bool encode_portable(const double *lat, const double *lng, size_t n, unsigned bits,
                         uint64_t *out) {
    return encode_block(lat, lng, n, bits, out);
}
static void characters_portable(const uint64_t *codes, size_t n, uint64_t *first, uint64_t *last) {
    characters_block(codes, n, first, last);
}
static void centers_portable(const uint64_t *codes, const uint8_t *precisions, size_t n, double *lat,
                          double *lng) {
    centers_block(codes, precisions, n, lat, lng);
}

#if FB_X86
FB_TARGET_AVX2 static bool encode_avx2(const double *lat, const double *lng, size_t n, unsigned bits,
                                       uint64_t *out) {
    return encode_block(lat, lng, n, bits, out);
}
FB_TARGET_AVX2 static void characters_avx2(const uint64_t *codes, size_t n, uint64_t *first,
                                           uint64_t *last) {
    characters_block(codes, n, first, last);
}
FB_TARGET_AVX2 static void centers_avx2(const uint64_t *codes, const uint8_t *precisions, size_t n,
                                        double *lat, double *lng) {
    centers_block(codes, precisions, n, lat, lng);
}
#endif

/* ---- batches -------------------------------------------------------------------------------------- */

void fb_geohash_encode(const double *lat, const double *lng, size_t n, unsigned bits,
                       uint64_t *out) {
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t some = n - i < BLOCK ? n - i : BLOCK;
        if (FB_LIKELY(FB_DISPATCH(encode, lat + i, lng + i, some, bits, out + i))) continue;
        double copies[BLOCK];
        for (size_t k = 0; k < some; k++) copies[k] = wrapped(lng[i + k]);
        (void)FB_DISPATCH(encode, lat + i, copies, some, bits, out + i);
    }
}

/* Writes the texts of at most BLOCK codes. A text is stored as whole words, which may run into the next
 * one, written later; but not beyond `end`. */
static void write_block(const uint64_t *codes, size_t n, size_t precision, char *out,
                        const char *end) {
    uint64_t first[BLOCK], last[BLOCK];
    FB_DISPATCH(characters, codes, n, first, last);
    for (size_t i = 0; i < n; i++, out += precision) {
        if (FB_LIKELY(end - out >= 16)) {
            fb_write64(out, first[i]);
            if (precision > 8) fb_write64(out + 8, last[i]);
        } else {
            char text[16];
            fb_write64(text, first[i]);
            fb_write64(text + 8, last[i]);
            memcpy(out, text, precision);
        }
    }
}

void fb_geohash_encode_texts(const double *lat, const double *lng, size_t n, unsigned precision,
                             char *out) {
    uint64_t codes[BLOCK];
    const char *end = out + n * precision;
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t some = n - i < BLOCK ? n - i : BLOCK;
        fb_geohash_encode(lat + i, lng + i, some, 64, codes);
        write_block(codes, some, precision, out + i * precision, end);
    }
}

/* The value of a character, and 1; 0 if it is not of the alphabet. */
static const uint8_t values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14, ['f'] = 15, ['g'] = 16,
    ['h'] = 17, ['j'] = 18, ['k'] = 19, ['m'] = 20, ['n'] = 21, ['p'] = 22, ['q'] = 23, ['r'] = 24,
    ['s'] = 25, ['t'] = 26, ['u'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
    ['B'] = 11, ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15, ['G'] = 16, ['H'] = 17, ['J'] = 18,
    ['K'] = 19, ['M'] = 20, ['N'] = 21, ['P'] = 22, ['Q'] = 23, ['R'] = 24, ['S'] = 25, ['T'] = 26,
    ['U'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32,
};

unsigned fb_geohash_read(const char *text, size_t width, uint64_t *code) {
    uint64_t bits = 0;
    unsigned length = 0;
    for (; length < width && text[length] != 0; length++) {
        const unsigned value = values[(uint8_t)text[length]];
        if (value == 0 || length == FB_GEOHASH_MOST) return 0;
        bits |= (uint64_t)(value - 1) << (59 - 5 * length);
    }
    *code = bits;
    return length;
}

size_t fb_geohash_read_texts(const char *texts, size_t width, size_t n, uint64_t *codes,
                             uint8_t *precisions) {
    for (size_t i = 0; i < n; i++) {
        precisions[i] = (uint8_t)fb_geohash_read(texts + i * width, width, codes + i);
        if (precisions[i] == 0) return i;
    }
    return n;
}

void fb_geohash_center(uint64_t code, unsigned precision, double *lat, double *lng) {
    const uint8_t one = (uint8_t)precision;
    centers_block(&code, &one, 1, lat, lng);
}

void fb_geohash_centers(const uint64_t *codes, const uint8_t *precisions, size_t n, double *lat,
                        double *lng) {
    FB_DISPATCH(centers, codes, precisions, n, lat, lng);
}

/* ---- rows and columns ------------------------------------------------------------------------------ */

/* Of cells of a precision: bits that tell the column, and the row. */
static unsigned column_bits(unsigned precision) { return (5 * precision + 1) / 2; }
static unsigned row_bits(unsigned precision) { return 5 * precision / 2; }

static uint64_t code_at(uint64_t column, uint64_t row, unsigned precision) {
    return fb_spread_bits(column << (32 - column_bits(precision))) << 1 |
           fb_spread_bits(row << (32 - row_bits(precision)));
}

void fb_geohash_bounds(uint64_t code, unsigned precision, double box[4]) {
    const int64_t half = 1073741824;
    const int64_t x = (int64_t)(fb_gather_bits(code >> 1) >> 2), y = (int64_t)(fb_gather_bits(code) >> 2);
    box[0] = degrees_of(2 * x - half, 180.0);
    box[1] = degrees_of(2 * y - half, 90.0);
    box[2] = degrees_of(2 * (x + (1ll << (30 - column_bits(precision)))) - half, 180.0);
    box[3] = degrees_of(2 * (y + (1ll << (30 - row_bits(precision)))) - half, 90.0);
}

size_t fb_geohash_neighbors(uint64_t code, unsigned precision,
                            uint64_t out[FB_GEOHASH_NEIGHBORS]) {
    static const int8_t east[] = {0, 1, 1, 1, 0, -1, -1, -1}, north[] = {1, 1, 0, -1, -1, -1, 0, 1};
    const uint64_t columns = 1ull << column_bits(precision), rows = 1ull << row_bits(precision);
    const uint64_t x = fb_gather_bits(code >> 1) >> (32 - column_bits(precision));
    const uint64_t y = fb_gather_bits(code) >> (32 - row_bits(precision));
    size_t n = 0;
    for (size_t k = 0; k < FB_GEOHASH_NEIGHBORS; k++) {
        const uint64_t row = y + (uint64_t)(int64_t)north[k]; /* beyond a pole: rows, or wrapped below 0 */
        if (row < rows)
            out[n++] = code_at((x + (uint64_t)(int64_t)east[k]) & (columns - 1), row, precision);
    }
    return n;
}

void fb_geohash_bounds_each(const uint64_t *codes, const uint8_t *precisions, size_t n, double *west,
                            double *south, double *east, double *north) {
    for (size_t i = 0; i < n; i++) {
        double box[4];
        fb_geohash_bounds(codes[i], precisions[i], box);
        west[i] = box[0], south[i] = box[1], east[i] = box[2], north[i] = box[3];
    }
}

/* Writes one text of `width` bytes, padded with zeros. */
static void write_padded(uint64_t code, unsigned precision, size_t width, char *out) {
    fb_geohash_write(code, precision, out);
    memset(out + precision, 0, width - precision);
}

void fb_geohash_write_texts(const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width,
                            char *out) {
    for (size_t i = 0; i < n; i++) write_padded(codes[i], precisions[i], width, out + i * width);
}

void fb_geohash_neighbor_texts(const uint64_t *codes, const uint8_t *precisions, size_t n,
                               size_t width, char *out, int64_t *offsets) {
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t around[FB_GEOHASH_NEIGHBORS];
        const size_t found = fb_geohash_neighbors(codes[i], precisions[i], around);
        for (size_t k = 0; k < found; k++, out += width)
            write_padded(around[k], precisions[i], width, out);
        offsets[i + 1] = offsets[i] + (int64_t)found;
    }
}

void fb_geohash_child_texts(const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width,
                            char *out) {
    for (size_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < FB_GEOHASH_CHILDREN; k++, out += width)
            write_padded(codes[i] | k << (59 - 5 * precisions[i]), precisions[i] + 1u, width, out);
}

fb_geohash_grid_t fb_geohash_grid(const double box[4], unsigned precision) {
    const unsigned x = 32 - column_bits(precision), y = 32 - row_bits(precision);
    const uint64_t columns = 1ull << column_bits(precision), highest = (1ull << row_bits(precision)) - 1;
    const uint64_t west = fixed(box[0] / 180.0) >> x, south = fixed(box[1] / 90.0) >> y;
    const uint64_t east = (fixed(box[2] / 180.0) >> x) + (box[0] > box[2] ? columns : 0);
    const uint64_t north = fixed(box[3] / 90.0) >> y;
    const uint64_t top = north > highest ? highest : north, low = south > highest ? highest : south;
    const uint64_t across = east - west + 1;
    return (fb_geohash_grid_t){low, west & (columns - 1), top - low + 1,
                               across > columns ? columns : across};
}

void fb_geohash_grid_codes(const fb_geohash_grid_t *grid, unsigned precision, uint64_t *out) {
    const uint64_t mask = (1ull << column_bits(precision)) - 1;
    for (uint64_t row = 0; row < grid->rows; row++)
        for (uint64_t column = 0; column < grid->columns; column++)
            *out++ = code_at((grid->column + column) & mask, grid->row + row, precision);
}
