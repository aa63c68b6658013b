/* The header in front of every serialised object: who wrote it, what it is, and that it is whole.
 *
 *      0   8  magic             "fastblks"
 *      8   4  kind              which class (four letters)
 *     12   2  version           of that class's layout
 *     14   2  life              SEALED, or LIVE: a file that is mapped for writing
 *     16   8  payload bytes     what follows the header, exactly
 *     24   8  payload checksum  XXH3-64 of the payload; says nothing while the file is LIVE
 *     32  88  parameters        eleven 64-bit words, unused ones zero
 *    120   8  header checksum   XXH3-64 of bytes 0..119 with `life` taken as zero
 *    128      payload, so aligned to two cache lines in a mapped file
 *
 * `life` alone may change in place, by one 16-bit store, while other processes read the header;
 * that is why the header's checksum leaves it out. Its two values differ in both bytes, so no
 * single damaged byte turns one into the other. All fields are little-endian.
 */
#ifndef FB_CORE_STATE_H
#define FB_CORE_STATE_H

#include "base.h"

enum { FB_STATE_HEADER = 128, FB_STATE_PARAMS_MAX = 11 };

#define FB_STATE_FOURCC(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

typedef struct {
    uint32_t kind;
    uint16_t version;
    bool live;
    uint64_t payload_bytes;
    uint64_t params[FB_STATE_PARAMS_MAX];
} fb_state_t;

/* Writes the header of a sealed state whose payload is `payload`. */
void fb_state_write(const fb_state_t *state, const void *payload, uint8_t header[FB_STATE_HEADER]);

/* Reads and checks a whole serialised object of `len` bytes, expected to be of state->kind and
 * state->version; fills the rest of *state. With `verify`, the payload of a sealed state is
 * checked against its checksum too, which reads all of it. Nothing is trusted before it is
 * checked. Parameters are for the caller to validate. */
fb_status_t fb_state_read(const uint8_t *bytes, size_t len, bool verify, fb_state_t *state);

/* Marks a mapped state (so at an even address) LIVE: its payload is about to change in place. */
void fb_state_set_live(uint8_t *bytes);

#endif
