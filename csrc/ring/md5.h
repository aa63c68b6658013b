/* MD5 (RFC 1321), of short inputs at once: ketama places servers and keys by it. Not for security. */
#ifndef FB_RING_MD5_H
#define FB_RING_MD5_H

#include "base.h"

/* The digest of `len` bytes, as its four 32-bit words; on little-endian hosts also its 16 bytes. */
void fb_md5(const void *data, size_t len, uint32_t digest[4]);

#endif
