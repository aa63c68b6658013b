/* A batch of keys, as it lies in memory, and its hashes.
 *
 * A batch is a list of parts; a part is one contiguous run of keys in one layout. The binding
 * describes what it was given (NumPy array, Arrow chunks, hashes of Python objects) as parts; every
 * block then reads any batch in the same way, a slice of hashes at a time:
 *
 *     fb_keys_cursor_t cursor = {parts, n_parts, 0, 0};
 *     while ((m = fb_keys_next(&cursor, seed, hashes, FB_KEYS_SLICE)) > 0) ... use hashes[0..m)
 *
 * No allocation, no Python: the loop runs without the GIL.
 *
 * An integer key is its 8 little-endian bytes in two's complement, whatever the array's width; a
 * string key its UTF-8 bytes; so the same key hashes alike in every layout.
 */
#ifndef FB_CORE_KEYS_H
#define FB_CORE_KEYS_H

#include "base.h"

enum { FB_KEYS_SLICE = 256 };

typedef enum {
    FB_KEYS_HASHES,   /* data: uint64 hashes, made beforehand with the same seed */
    FB_KEYS_INT8,     /* data: integers of that type ... */
    FB_KEYS_INT16,
    FB_KEYS_INT32,
    FB_KEYS_INT64,
    FB_KEYS_UINT8,
    FB_KEYS_UINT16,
    FB_KEYS_UINT32,
    FB_KEYS_UINT64,   /* ... of which int64 and uint64 are the same 8 bytes */
    FB_KEYS_PADDED,   /* data: `width` bytes a key, less trailing zero bytes (NumPy S) */
    FB_KEYS_FIXED,    /* data: `width` bytes a key (Arrow fixed_size_binary) */
    FB_KEYS_UCS4,     /* data: `width` code points a key, less trailing zeros (NumPy U) */
    FB_KEYS_OFFSET32, /* data: bytes; offsets: int32[n + 1] (Arrow string, binary) */
    FB_KEYS_OFFSET64, /* data: bytes; offsets: int64[n + 1] (Arrow large_string, large_binary) */
    FB_KEYS_VIEWS     /* data: 16-byte views; buffers: what they point into (Arrow string_view) */
} fb_keys_layout_t;

typedef struct {
    fb_keys_layout_t layout;
    size_t n;                   /* keys in this part */
    size_t width;               /* PADDED, FIXED: bytes a key; UCS4: code points a key */
    const void *data;
    const void *offsets;        /* OFFSET32, OFFSET64 */
    const void *const *buffers; /* VIEWS */
    uint8_t *scratch;           /* UCS4: room for 4 * width bytes */
} fb_keys_part_t;

typedef struct {
    const fb_keys_part_t *parts;
    size_t n_parts;
    size_t part, at; /* the next key is parts[part]'s at-th */
} fb_keys_cursor_t;

/* Writes the hashes of the next keys, `max` at most, and returns how many; 0 at the end. */
size_t fb_keys_next(fb_keys_cursor_t *cursor, uint64_t seed, uint64_t *hashes, size_t max);

/* Another hash than XXH3: for blocks that must agree with other programs. It sees the value of an
 * integer key: `word` in two's complement, and whether that stands for a number below 0. */
typedef struct {
    uint64_t (*bytes)(const uint8_t *key, size_t len);
    uint64_t (*integer)(uint64_t word, bool negative);
} fb_hasher_t;

/* The same as fb_keys_next with another hash. A part of hashes must have been made with it too. */
size_t fb_keys_next_by(fb_keys_cursor_t *cursor, const fb_hasher_t *hasher, uint64_t *hashes,
                       size_t max);

/* The bytes of key `at` of a part that is neither of integers nor of hashes, and their number: in the
 * part's memory or, of UCS4, in its scratch. */
const uint8_t *fb_keys_bytes(const fb_keys_part_t *part, size_t at, size_t *len);

/* Key `at` of a part of integers, widened to 64 bits. */
uint64_t fb_keys_word(const fb_keys_part_t *part, size_t at);

/* Writes the UTF-8 of n code points of `width` bytes (1, 2 or 4) each, at most 4 n bytes. Returns its length, or
 * SIZE_MAX if there is a surrogate, which has none. */
size_t fb_utf8_encode(const void *text, unsigned width, size_t n, uint8_t *out);

/* Index of the first of n keys of `width` code points that is no valid Unicode (a surrogate or
 * above U+10FFFF), or n. Call it before a UCS4 part is made. */
size_t fb_keys_first_bad_ucs4(const uint32_t *data, size_t n, size_t width);

#endif
