#include "keys.h"

#include "xxh3.h"

/* Integers narrower than 64 bits are widened into `hashes`, then hashed in place. */
#define WIDEN(type)                                                                \
    do {                                                                           \
        for (size_t i = 0; i < n; i++) {                                           \
            type key;                                                              \
            memcpy(&key, data + (at + i) * sizeof key, sizeof key);                \
            hashes[i] = (uint64_t)(int64_t)key;                                    \
        }                                                                          \
        fb_xxh3_64_u64s(hashes, n, seed, hashes);                                  \
    } while (0)

#define OFFSETS(type)                                                                        \
    do {                                                                                     \
        const uint8_t *offsets = (const uint8_t *)part->offsets + at * sizeof(type);         \
        for (size_t i = 0; i < n; i++) {                                                     \
            type bounds[2];                                                                  \
            memcpy(bounds, offsets + i * sizeof(type), sizeof bounds);                       \
            hashes[i] = fb_xxh3_64(data + bounds[0], (size_t)(bounds[1] - bounds[0]), seed); \
        }                                                                                    \
    } while (0)

FB_INLINE bool is_surrogate(uint32_t c) { return (c & 0xfffff800u) == 0xd800; }

/* Writes the UTF-8 of a code point; returns where it ends. */
FB_INLINE uint8_t *put_utf8(uint32_t c, uint8_t *p) {
    if (c < 0x80) {
        *p++ = (uint8_t)c;
    } else if (c < 0x800) {
        *p++ = (uint8_t)(0xc0 | (c >> 6));
        *p++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *p++ = (uint8_t)(0xe0 | (c >> 12));
        *p++ = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
        *p++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *p++ = (uint8_t)(0xf0 | (c >> 18));
        *p++ = (uint8_t)(0x80 | ((c >> 12) & 0x3f));
        *p++ = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
        *p++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return p;
}

/* UTF-8 of up to `width` valid code points, trailing zeros left off; returns its length. */
static size_t utf8_from_ucs4(const uint32_t *points, size_t width, uint8_t *out) {
    uint8_t *p = out;
    while (width > 0 && points[width - 1] == 0) width--;
    for (size_t i = 0; i < width; i++) p = put_utf8(points[i], p);
    return (size_t)(p - out);
}

size_t fb_utf8_encode(const void *text, unsigned width, size_t n, uint8_t *out) {
    uint8_t *p = out;
    for (size_t i = 0; i < n; i++) {
        const uint32_t c = width == 1   ? ((const uint8_t *)text)[i]
                           : width == 2 ? ((const uint16_t *)text)[i]
                                        : ((const uint32_t *)text)[i];
        if (is_surrogate(c)) return SIZE_MAX;
        p = put_utf8(c, p);
    }
    return (size_t)(p - out);
}

size_t fb_keys_first_bad_ucs4(const uint32_t *data, size_t n, size_t width) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bad = 0;
        for (size_t j = 0; j < width; j++) {
            uint32_t c = data[i * width + j];
            bad |= (uint32_t)(c > 0x10ffff) | (uint32_t)is_surrogate(c);
        }
        if (bad) return i;
    }
    return n;
}

/* One Arrow view: int32 length, then 12 bytes inline, or 4 bytes of prefix, int32 buffer index and
 * int32 offset into that buffer. */
static const uint8_t *view_bytes(const uint8_t *view, const void *const *buffers, size_t *len) {
    *len = fb_read32(view);
    if (*len <= 12) return view + 4;
    const uint8_t *buffer = (const uint8_t *)buffers[fb_read32(view + 8)];
    return buffer + fb_read32(view + 12);
}

/* The length of `width` bytes without trailing zeros, found a word at a time. */
static size_t unpadded(const uint8_t *key, size_t width) {
    while (width >= 8 && fb_read64(key + width - 8) == 0) width -= 8;
    while (width > 0 && key[width - 1] == 0) width--;
    return width;
}

/* Hashes of keys [at, at + n) of one part. */
static void hash_part(const fb_keys_part_t *part, size_t at, size_t n, uint64_t seed,
                      uint64_t *hashes) {
    const uint8_t *data = (const uint8_t *)part->data;
    const size_t width = part->width;
    switch (part->layout) {
        case FB_KEYS_HASHES:
            memcpy(hashes, (const uint64_t *)part->data + at, n * sizeof *hashes);
            break;
        case FB_KEYS_INT8: WIDEN(int8_t); break;
        case FB_KEYS_INT16: WIDEN(int16_t); break;
        case FB_KEYS_INT32: WIDEN(int32_t); break;
        case FB_KEYS_UINT8: WIDEN(uint8_t); break;
        case FB_KEYS_UINT16: WIDEN(uint16_t); break;
        case FB_KEYS_UINT32: WIDEN(uint32_t); break;
        case FB_KEYS_INT64:
        case FB_KEYS_UINT64:
            fb_xxh3_64_u64s(data + at * sizeof(uint64_t), n, seed, hashes);
            break;
        case FB_KEYS_PADDED:
            for (size_t i = 0; i < n; i++) {
                const uint8_t *key = data + (at + i) * width;
                hashes[i] = fb_xxh3_64(key, unpadded(key, width), seed);
            }
            break;
        case FB_KEYS_FIXED:
            for (size_t i = 0; i < n; i++)
                hashes[i] = fb_xxh3_64(data + (at + i) * width, width, seed);
            break;
        case FB_KEYS_UCS4:
            for (size_t i = 0; i < n; i++) {
                const uint32_t *points = (const uint32_t *)part->data + (at + i) * width;
                size_t len = utf8_from_ucs4(points, width, part->scratch);
                hashes[i] = fb_xxh3_64(part->scratch, len, seed);
            }
            break;
        case FB_KEYS_OFFSET32: OFFSETS(int32_t); break;
        case FB_KEYS_OFFSET64: OFFSETS(int64_t); break;
        case FB_KEYS_VIEWS:
            for (size_t i = 0; i < n; i++) {
                size_t len;
                const uint8_t *key = view_bytes(data + 16 * (at + i), part->buffers, &len);
                hashes[i] = fb_xxh3_64(key, len, seed);
            }
            break;
    }
}

/* Moves past the next keys that lie in one part, `max` at most; returns how many, and where they are.
 * 0 at the end, and of an empty part. */
static size_t take(fb_keys_cursor_t *cursor, size_t max, const fb_keys_part_t **part, size_t *at) {
    *part = &cursor->parts[cursor->part];
    *at = cursor->at;
    size_t n = (*part)->n - *at;
    if (n > max) n = max;
    cursor->at += n;
    if (cursor->at == (*part)->n) {
        cursor->part++;
        cursor->at = 0;
    }
    return n;
}

size_t fb_keys_next(fb_keys_cursor_t *cursor, uint64_t seed, uint64_t *hashes, size_t max) {
    const fb_keys_part_t *part;
    size_t done = 0, at;
    while (done < max && cursor->part < cursor->n_parts) {
        size_t n = take(cursor, max - done, &part, &at);
        if (n > 0) hash_part(part, at, n, seed, hashes + done);
        done += n;
    }
    return done;
}

size_t fb_keys_next_by(fb_keys_cursor_t *cursor, const fb_hasher_t *hasher, uint64_t *hashes,
                       size_t max) {
    const fb_keys_part_t *part;
    size_t done = 0, at, len;
    while (done < max && cursor->part < cursor->n_parts) {
        size_t n = take(cursor, max - done, &part, &at);
        for (size_t i = 0; i < n; i++) {
            if (part->layout == FB_KEYS_HASHES) {
                hashes[done + i] = ((const uint64_t *)part->data)[at + i];
            } else if (part->layout < FB_KEYS_PADDED) {
                uint64_t word = fb_keys_word(part, at + i);
                bool negative = part->layout <= FB_KEYS_INT64 && (int64_t)word < 0;
                hashes[done + i] = hasher->integer(word, negative);
            } else {
                const uint8_t *key = fb_keys_bytes(part, at + i, &len);
                hashes[done + i] = hasher->bytes(key, len);
            }
        }
        done += n;
    }
    return done;
}

#define BOUNDED(type)                                                                       \
    do {                                                                                    \
        type bounds[2];                                                                     \
        memcpy(bounds, (const uint8_t *)part->offsets + at * sizeof(type), sizeof bounds); \
        *len = (size_t)(bounds[1] - bounds[0]);                                             \
        return data + bounds[0];                                                            \
    } while (0)

const uint8_t *fb_keys_bytes(const fb_keys_part_t *part, size_t at, size_t *len) {
    const uint8_t *data = (const uint8_t *)part->data;
    const size_t width = part->width;
    switch (part->layout) {
        case FB_KEYS_PADDED: *len = unpadded(data + at * width, width); return data + at * width;
        case FB_KEYS_FIXED: *len = width; return data + at * width;
        case FB_KEYS_UCS4:
            *len = utf8_from_ucs4((const uint32_t *)part->data + at * width, width, part->scratch);
            return part->scratch;
        case FB_KEYS_OFFSET32: BOUNDED(int32_t);
        case FB_KEYS_OFFSET64: BOUNDED(int64_t);
        case FB_KEYS_VIEWS: return view_bytes(data + 16 * at, part->buffers, len);
        default: *len = 0; return data;
    }
}

#define WIDENED(type)                                 \
    do {                                              \
        type key;                                     \
        memcpy(&key, data + at * sizeof key, sizeof key); \
        return (uint64_t)(int64_t)key;                \
    } while (0)

uint64_t fb_keys_word(const fb_keys_part_t *part, size_t at) {
    const uint8_t *data = (const uint8_t *)part->data;
    switch (part->layout) {
        case FB_KEYS_INT8: WIDENED(int8_t);
        case FB_KEYS_INT16: WIDENED(int16_t);
        case FB_KEYS_INT32: WIDENED(int32_t);
        case FB_KEYS_UINT8: WIDENED(uint8_t);
        case FB_KEYS_UINT16: WIDENED(uint16_t);
        case FB_KEYS_UINT32: WIDENED(uint32_t);
        case FB_KEYS_INT64:
        case FB_KEYS_UINT64: WIDENED(int64_t);
        default: return 0;
    }
}
