/* Shadow caches of a W-TinyLFU policy: they tell which window would have had most hits. Told at the top
 * of shadows.c; fb_shadows_request is declared in policy.h. */
#ifndef FB_CACHE_SHADOWS_H
#define FB_CACHE_SHADOWS_H

#include "policy.h"

/* As of fb_policy_reserve: makes the shadows once the cache is an eighth full, and anew if the number
 * of entries that it can hold has changed a lot. FB_OK or FB_NO_MEMORY. */
fb_status_t fb_shadows_reserve(fb_policy_t *p);

/* Forgets them. */
void fb_shadows_free(fb_policy_t *p);

/* Halves the counts of their entries. */
void fb_shadows_age(fb_policy_t *p);

size_t fb_shadows_bytes(const fb_policy_t *p);
bool fb_shadows_ok(const fb_policy_t *p);

#endif
