/* Jump consistent hash: which of n numbered buckets a 64-bit key belongs to, so that as few keys as
 * possible move when n changes. Nothing is stored. The idea is told at the top of jump.c.
 */
#ifndef FB_RING_JUMP_H
#define FB_RING_JUMP_H

#include "keys.h"

/* The 64 bits of a key: of an integer itself, of bytes their XXH3-64 with seed 0. */
extern const fb_hasher_t fb_jump_hasher;

/* The bucket of a key, in [0, buckets); buckets is 1 or more. O(log buckets). */
int32_t fb_jump(uint64_t key, int32_t buckets);

/* out[i] = fb_jump(key i, buckets); keys are read by fb_jump_hasher. */
void fb_jump_keys(fb_keys_cursor_t keys, int32_t buckets, int32_t *out);

#endif
